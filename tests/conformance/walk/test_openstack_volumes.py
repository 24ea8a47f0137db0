"""The other sub-commands of `openstack volume`, at the client's own choice of microversion and at the newest."""

import uuid

import ground
from ground import ADMIN, STRANGER


class Walker(ground.Openstack):
    def create(self, *options):
        made = self.read("volume", "create", "--size", "1", *options, self.name("volume"))
        return self.made("volume", made["id"])


class Member(Walker):
    def test_volume_properties_and_states(self):
        volume = self.create("--property", "a=b", "--description", "said")
        self.openstack("volume", "set", "--property", "c=d", "--bootable", "--read-only", volume["id"])
        self.openstack("volume", "unset", "--property", "a", volume["id"])
        shown = self.read("volume", "show", volume["id"])
        self.holds(shown, bootable=True, description="said")
        self.assertEqual({key: shown["properties"].get(key) for key in "ac"}, {"a": None, "c": "d"})
        self.openstack("volume", "set", "--state", "error", volume["id"], who=ADMIN)
        self.holds(self.read("volume", "show", volume["id"]), status="error")
        listed = self.read("volume", "list", "--long", "--name", volume["name"], "--status", "error")
        self.assertEqual([row["ID"] for row in listed], [volume["id"]])
        self.openstack("volume", "delete", "--force", volume["id"], who=ADMIN)
        self.wait("volume", volume["id"], None)

    def test_copies(self):
        volume = self.create()
        snapshot = self.snapshot(volume)
        name = self.name("copy")
        made = self.read("volume", "create", "--source", volume["id"], name)
        self.made("volume", made["id"])
        of_snapshot = self.read("volume", "create", "--snapshot", snapshot["id"], self.name("copy"))
        self.made("volume", of_snapshot["id"])
        self.holds(self.read("volume", "show", of_snapshot["id"]), snapshot_id=snapshot["id"], size=1)

    def test_snapshot(self):
        volume, name = self.create(), self.name("snapshot")
        made = self.read("volume", "snapshot", "create", "--volume", volume["id"], "--property", "a=b", name)
        self.made("snapshot", made["id"])
        self.openstack("volume", "snapshot", "set", "--property", "c=d", "--description", "said", name)
        self.openstack("volume", "snapshot", "unset", "--property", "a", name)
        shown = self.read("volume", "snapshot", "show", name)
        self.holds(shown, id=made["id"], properties={"c": "d"}, description="said")
        listed = self.read("volume", "snapshot", "list", "--volume", volume["id"], "--long")
        self.assertEqual([row["ID"] for row in listed], [made["id"]])
        self.openstack("volume", "snapshot", "delete", name)
        self.wait("snapshot", made["id"], None)

    def test_transfer(self):
        volume = self.create()
        made = self.read("volume", "transfer", "request", "create", "--name", self.name("transfer"), volume["id"])
        self.holds(self.read("volume", "transfer", "request", "show", made["id"]), volume_id=volume["id"])
        self.assertIn(made["id"], [row["ID"] for row in self.read("volume", "transfer", "request", "list")])
        accept = ["volume", "transfer", "request", "accept", "--auth-key"]
        self.refused(*accept, "wrong", made["id"], who=STRANGER)
        self.holds(self.read(*accept, made["auth_key"], made["id"], who=STRANGER), volume_id=volume["id"])
        back = self.read("volume", "transfer", "request", "create", volume["id"], who=STRANGER)
        self.read(*accept, back["auth_key"], back["id"])
        undone = self.read("volume", "transfer", "request", "create", volume["id"])
        self.openstack("volume", "transfer", "request", "delete", undone["id"])
        self.holds(self.read("volume", "show", volume["id"]), status="available")

    def test_backup_unset(self):
        backup = self.backup(self.create(), metadata={"a": "b", "c": "d"})
        # The client deletes by another path than Cinder has; what it is told must be a refusal and no crash.
        said = ground.run(self.who, *self.command("volume", "backup", "unset", "--property", "a", backup["id"]))
        self.assertNotIn("HTTP 500", said.stdout + said.stderr)
        self.openstack("volume", "backup", "set", "--no-property", "--property", "e=f", backup["id"])
        self.holds(self.token.get(f"/backups/{backup['id']}")["backup"], metadata={"e": "f"})


class Newest(Walker):
    version = "3.71"

    def test_surroundings(self):
        self.read("volume", "summary")
        self.read("volume", "message", "list")
        self.refused("volume", "message", "show", str(uuid.uuid4()))
        self.assertIn("backup", str(self.read("block", "storage", "resource", "filter", "list")))
        self.read("limits", "show", "--absolute")

    def test_attachment(self):
        volume, server = self.create(), str(uuid.uuid4())
        # The client looks the server up in a compute service, which is not here; the attachment is made without it.
        body = {"attachment": {"volume_uuid": volume["id"], "instance_uuid": server}}
        made = self.token.send("POST", "/attachments", body).json()["attachment"]
        self.assertIn(made["id"], [row["ID"] for row in self.read("volume", "attachment", "list")])
        self.openstack("volume", "attachment", "set", made["id"], "--host", "walker", "--initiator", "iqn.walk")
        self.openstack("volume", "attachment", "complete", made["id"])
        self.assertEqual(self.read("volume", "attachment", "show", made["id"])["Status"], "attached")
        self.openstack("volume", "attachment", "delete", made["id"])
        self.wait("volume", volume["id"], "available")

    def test_revert(self):
        volume = self.create()
        snapshot = self.snapshot(volume)
        self.openstack("volume", "revert", snapshot["id"])
        self.wait("volume", volume["id"], "available")


class Administrator(ground.Openstack):
    version = "3.71"
    who = ADMIN

    def admins(self, *arguments):
        return self.read(*arguments, who=ADMIN)

    def does(self, *arguments):
        return self.openstack(*arguments, who=ADMIN)

    def removed(self, kind, ident, *command):
        self.does(*command, ident)
        self.wait(kind, ident, None)

    def test_types_and_qos(self):
        name = self.name("type")
        made = self.admins("volume", "type", "create", "--private", "--property", "a=b", name)
        self.does("volume", "type", "set", "--project", "demo", "--description", "said", name)
        self.holds(self.admins("volume", "type", "show", name), properties={"a": "b"}, description="said")
        self.assertIn(name, [row["Name"] for row in self.read("volume", "type", "list")])
        self.does("volume", "type", "unset", "--project", "demo", "--property", "a", name)
        qos = self.admins("volume", "qos", "create", "--consumer", "front-end", "--property", "a=b", self.name("qos"))
        self.does("volume", "qos", "associate", qos["id"], name)
        self.assertIn(name, str(self.admins("volume", "qos", "show", qos["id"])))
        self.does("volume", "qos", "disassociate", "--all", qos["id"])
        self.does("volume", "qos", "delete", qos["id"])
        self.does("volume", "type", "delete", made["id"])

    def test_groups_and_their_snapshots(self):
        group_type = self.admins("volume", "group", "type", "create", self.name("group-type"))["ID"]
        self.addCleanup(self.does, "volume", "group", "type", "delete", group_type)
        spec = "consistent_group_snapshot_enabled=<is> True"
        self.does("volume", "group", "type", "set", "--property", spec, group_type)
        kind = self.admins("volume", "type", "create", self.name("type"))["id"]
        self.addCleanup(self.does, "volume", "type", "delete", kind)
        options = ["--volume-group-type", group_type, "--volume-type", kind, "--name", self.name("group")]
        group = self.admins("volume", "group", "create", *options)["ID"]
        self.wait("group", group, "available")
        self.addCleanup(self.removed, "group", group, "volume", "group", "delete", "--force")
        volume = self.volume(volume_type=kind)
        self.does("volume", "group", "add", "volume", group, volume["id"])
        self.wait("group", group, "available")
        snapshot = self.admins("volume", "group", "snapshot", "create", group)["ID"]
        self.wait("group_snapshot", snapshot, "available")
        self.assertIn(snapshot, [row["ID"] for row in self.admins("volume", "group", "snapshot", "list")])
        self.assertEqual(self.admins("volume", "group", "snapshot", "show", snapshot)["Status"], "available")
        self.removed("group_snapshot", snapshot, "volume", "group", "snapshot", "delete")
        self.does("volume", "group", "remove", "volume", group, volume["id"])
        self.wait("group", group, "available")
        self.does("volume", "group", "set", "--description", "said", group)
        self.assertEqual(self.admins("volume", "group", "show", group)["Description"], "said")

    def test_surroundings(self):
        pools = self.admins("volume", "backend", "pool", "list")
        self.assertTrue(pools)
        self.admins("volume", "backend", "capability", "show", pools[0]["Name"].split("#")[0])
        self.assertEqual(self.admins("block", "storage", "cluster", "list"), [])
        self.assertTrue(self.admins("block", "storage", "log", "level", "list"))
        self.admins("block", "storage", "volume", "manageable", "list", pools[0]["Name"])
        self.does("quota", "set", "--volumes", "11", "demo2")
        self.assertIn("11", str(self.admins("quota", "show", "--volume", "demo2")))
        self.does("quota", "delete", "--volume", "demo2")
