"""What administrators do with `cinder`: types, specs, quotas, groups, services."""

import ground
from ground import ADMIN, STRANGER, properties, rows


class Administrator(ground.Cinder):
    """The volumes are the administrator's own."""

    who = ADMIN

    def cinder(self, *arguments, who=ADMIN):
        return super().cinder(*arguments, who=who)

    def refused(self, *arguments, who=ADMIN):
        return super().refused(*arguments, who=who)

    def made_row(self, *arguments, who=ADMIN):
        """The one row that a command prints of what it made."""
        found = rows(self.cinder(*arguments, who=who))
        self.assertEqual(len(found), 1, found)
        return found[0]


class Types(Administrator):
    def test_type_from_birth_to_death(self):
        name = self.name("type")
        made = self.made_row("type-create", name, "--description", "said", "--is-public", "false")
        self.holds(made, Name=name, Description="said", Is_Public="False")
        self.cinder("type-key", name, "set", "a=b", "c=d")
        self.cinder("type-key", name, "unset", "c")
        specs = {row["Name"]: row["extra_specs"] for row in rows(self.cinder("extra-specs-list"))}
        self.assertEqual(specs[name], "{'a': 'b'}")
        self.holds(properties(self.cinder("type-show", name)), id=made["ID"], is_public="False")
        self.assertNotIn(name, self.cinder("type-list", who=ground.DEMO))
        self.cinder("type-access-add", "--volume-type", name, "--project-id", self.demo())
        self.assertIn(self.demo(), self.cinder("type-access-list", "--volume-type", name))
        self.assertIn(name, self.cinder("type-list", who=ground.DEMO))
        self.cinder("type-access-remove", "--volume-type", name, "--project-id", self.demo())
        self.assertNotIn(name, self.cinder("type-list", who=ground.DEMO))
        other = self.name("type")
        self.cinder("type-update", made["ID"], "--name", other, "--description", "other")
        self.holds(properties(self.cinder("type-show", other)), description="other")
        public = self.made_row("type-default", who=ground.DEMO)["ID"]
        self.assertIn("Policy doesn't allow", self.refused("type-delete", public, who=ground.DEMO))
        self.cinder("type-delete", other)
        self.assertIn("No volumetype with a name or ID of", self.refused("type-show", other))

    def demo(self):
        return ground.Token(ground.DEMO).project

    def test_default_types(self):
        # In a project in which nobody makes volumes meanwhile: they would be of this type.
        kind, project = self.made_row("type-create", self.name("type")), ground.Token(STRANGER).project
        self.addCleanup(self.cinder, "type-delete", kind["ID"])
        self.assertIn(kind["ID"], self.cinder("default-type-set", kind["Name"], project))
        try:
            self.assertIn(kind["ID"], self.cinder("default-type-list", "--project-id", project))
            self.assertIn(kind["Name"], self.cinder("type-default", who=STRANGER))
        finally:
            self.cinder("default-type-unset", project)
        self.assertIn("lvmdriver-1", self.cinder("type-default", who=STRANGER))

    def test_encryption_type(self):
        kind = self.made_row("type-create", self.name("type"))
        self.addCleanup(self.cinder, "type-delete", kind["ID"])
        options = ["--cipher", "aes-xts-plain64", "--key-size", "256", "--control-location", "front-end"]
        made = self.made_row("encryption-type-create", *options, kind["ID"], "luks")
        self.holds(made, Provider="luks", Cipher="aes-xts-plain64", **{"Key Size": "256", "Volume Type ID": kind["ID"]})
        self.cinder("encryption-type-update", "--key-size", "512", kind["ID"])
        self.holds(self.made_row("encryption-type-show", kind["ID"]), **{"Key Size": "512"})
        self.assertIn(kind["ID"], self.cinder("encryption-type-list"))
        self.cinder("encryption-type-delete", kind["ID"])
        self.assertNotIn(kind["ID"], self.cinder("encryption-type-list"))

    def test_qos(self):
        kind = self.made_row("type-create", self.name("type"))
        self.addCleanup(self.cinder, "type-delete", kind["ID"])
        name = self.name("qos")
        made = properties(self.cinder("qos-create", name, "consumer=front-end", "read_iops_sec=100"))
        self.holds(made, name=name, consumer="front-end")
        self.cinder("qos-key", made["id"], "set", "write_iops_sec=200")
        self.cinder("qos-key", made["id"], "unset", "read_iops_sec")
        shown = self.cinder("qos-show", made["id"])
        self.assertTrue("write_iops_sec" in shown and "read_iops_sec" not in shown, shown)
        self.assertIn(name, self.cinder("qos-list"))
        self.cinder("qos-associate", made["id"], kind["ID"])
        self.assertIn(kind["ID"], self.cinder("qos-get-association", made["id"]))
        self.assertIn("still in use", self.refused("qos-delete", made["id"]))
        self.cinder("qos-disassociate", made["id"], kind["ID"])
        self.cinder("qos-associate", made["id"], kind["ID"])
        self.cinder("qos-disassociate-all", made["id"])
        self.assertNotIn(kind["ID"], self.cinder("qos-get-association", made["id"]))
        self.cinder("qos-delete", made["id"])


class Quotas(Administrator):
    def test_quotas(self):
        project = self.name("nobody").replace("-", "")
        self.cinder("quota-update", "--volumes", "7", "--backups", "8", "--backup-gigabytes", "9", project)
        self.holds(properties(self.cinder("quota-show", project)), volumes="7", backups="8", backup_gigabytes="9")
        usage = {row["Type"]: row for row in rows(self.cinder("quota-usage", project))}
        self.holds(usage["backups"], In_use="0", Reserved="0", Limit="8")
        self.cinder("quota-delete", project)
        defaults = properties(self.cinder("quota-defaults", project))
        own = ("volumes", "backups", "backup_gigabytes")
        self.holds(properties(self.cinder("quota-show", project)), **{resource: defaults[resource] for resource in own})
        self.assertIn("Policy doesn't allow", self.refused("quota-update", "--volumes", "7", project, who=ground.DEMO))

    def test_quota_classes(self):
        name = self.name("class")
        self.cinder("quota-class-update", "--volumes", "7", name)
        self.holds(properties(self.cinder("quota-class-show", name)), volumes="7")

    def test_limits(self):
        self.assertIn("maxTotalBackups", properties_by_name(self.cinder("absolute-limits")))
        self.cinder("rate-limits")


def properties_by_name(table):
    return {row["Name"]: row["Value"] for row in rows(table)}


class Groups(Administrator):
    def furniture(self):
        """A group type whose snapshots are consistent, and a volume type."""
        group = self.made_row("group-type-create", self.name("group-type"))
        self.addCleanup(self.cinder, "group-type-delete", group["ID"])
        self.cinder("group-type-key", group["ID"], "set", "consistent_group_snapshot_enabled=<is> True")
        kind = self.made_row("type-create", self.name("type"))
        self.addCleanup(self.cinder, "type-delete", kind["ID"])
        return group["ID"], kind["ID"]

    def removed(self, kind, command, ident, *options):
        self.cinder(command, *options, ident)
        self.wait(kind, ident, None)

    def test_group_types(self):
        group, _ = self.furniture()
        self.assertIn("consistent_group_snapshot_enabled", self.cinder("group-specs-list"))
        name = self.name("group-type")
        self.cinder("group-type-update", group, "--name", name, "--description", "said")
        self.holds(properties(self.cinder("group-type-show", name)), id=group, description="said")
        self.assertIn(name, self.cinder("group-type-list"))

    def test_groups_and_their_snapshots(self):
        group_type, kind = self.furniture()
        name = self.name("group")
        made = properties(self.cinder("group-create", "--name", name, "--description", "said", group_type, kind))
        self.wait("group", made["id"], "available")
        self.addCleanup(self.removed, "group", "group-delete", made["id"], "--delete-volumes")
        self.assertIn(made["id"], self.cinder("group-list"))
        volume = properties(self.cinder("create", "--volume-type", kind, "--group-id", made["id"], "1"))
        self.wait("volume", volume["id"], "available")
        outside = self.volume(volume_type=kind)
        self.cinder("group-update", made["id"], "--add-volumes", outside["id"])
        self.wait("group", made["id"], "available")
        self.cinder("group-update", made["id"], "--remove-volumes", outside["id"], "--name", self.name("renamed"))
        self.wait("group", made["id"], "available")
        self.holds(properties(self.cinder("group-show", made["id"])), status="available", description="said")
        snapshot = properties(self.cinder("group-snapshot-create", "--name", self.name("group-snapshot"), made["id"]))
        self.wait("group_snapshot", snapshot["id"], "available")
        self.assertIn(snapshot["id"], self.cinder("group-snapshot-list"))
        shown = properties(self.cinder("group-snapshot-show", snapshot["id"]))
        self.holds(shown, group_id=made["id"], status="available")
        copy = self.cinder("group-create-from-src", "--group-snapshot", snapshot["id"], "--name", self.name("copy"))
        copy = properties(copy)
        self.wait("group", copy["id"], "available")
        self.removed("group", "group-delete", copy["id"], "--delete-volumes")
        self.removed("group_snapshot", "group-snapshot-delete", snapshot["id"])
        self.assertIn("ERROR", self.refused("group-enable-replication", made["id"]))

    def test_the_old_consistency_groups_are_empty(self):
        self.assertEqual(rows(self.cinder("consisgroup-list")), [])
        self.assertEqual(rows(self.cinder("cgsnapshot-list")), [])


class Services(Administrator):
    def test_pools_and_capabilities(self):
        pools = rows(self.cinder("get-pools"))
        self.assertTrue(pools, pools)
        service = rows(self.cinder("service-list", "--binary", "cinder-volume"))[0]
        self.assertIn("vendor_name", self.cinder("get-capabilities", service["Host"]))
        self.cinder("manageable-list", service["Host"])
        self.cinder("snapshot-manageable-list", service["Host"])
        self.assertIn("ERROR", self.refused("failover-host", service["Host"]))

    def test_logs_and_clusters(self):
        self.cinder("service-set-log", "--binary", "cinder-api", "--prefix", "walk.nowhere", "DEBUG")
        self.assertIn("DEBUG", self.cinder("service-get-log", "--binary", "cinder-api", "--prefix", "walk.nowhere"))
        self.assertEqual(rows(self.cinder("cluster-list")), [])
        self.assertIn("ERROR", self.refused("cluster-show", "none"))
        self.cinder("work-cleanup")

    def test_what_the_server_says_of_itself(self):
        self.assertIn("3.71", self.cinder("version-list"))
        self.assertIn("3.71", self.cinder("api-version"))
        self.assertIn("backup", self.cinder("list-filters", "--resource", "backup"))
        self.assertIn("backups", [row["Alias"] for row in rows(self.cinder("list-extensions"))])
        self.assertIn("Policy doesn't allow", self.refused("get-pools", who=ground.DEMO))
