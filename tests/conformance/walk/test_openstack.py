"""Every sub-command of `openstack volume` that has to do with backups, as users type them."""

import json

import ground
from ground import ADMIN


class Openstack(ground.Openstack):
    def test_backup_from_birth_to_death(self):
        volume, name = self.volume(), self.name("backup")
        options = ["--name", name, "--description", "first", "--property", "kept=yes"]
        made = self.read("volume", "backup", "create", volume["name"], *options)
        self.holds(made, name=name)
        self.made("backup", made["id"])
        shown = self.read("volume", "backup", "show", name)
        self.holds(
            shown, id=made["id"], name=name, description="first", volume_id=volume["id"], status="available", size=1,
            is_incremental=False, has_dependent_backups=False, container="volumebackups", fail_reason=None,
        )
        second = self.read("volume", "backup", "create", volume["id"], "--incremental", "--name", self.name("second"))
        self.made("backup", second["id"])
        self.holds(self.read("volume", "backup", "show", second["id"]), is_incremental=True)
        self.holds(self.read("volume", "backup", "show", made["id"]), has_dependent_backups=True)
        self.assertIn("Incremental backups exist for this backup.", self.refused("volume", "backup", "delete", name))
        self.openstack("volume", "backup", "delete", second["id"])
        self.wait("backup", second["id"], None)
        self.openstack("volume", "backup", "delete", name)
        self.wait("backup", made["id"], None)
        self.refused("volume", "backup", "show", name)

    def test_backup_of_a_snapshot(self):
        volume = self.volume()
        snapshot = self.snapshot(volume)
        made = self.read("volume", "backup", "create", volume["id"], "--snapshot", snapshot["id"])
        self.made("backup", made["id"])
        self.holds(self.read("volume", "backup", "show", made["id"]), snapshot_id=snapshot["id"])

    def test_backup_list(self):
        volume = self.volume()
        backups = [self.backup(volume) for _ in range(2)]
        listed = self.read("volume", "backup", "list", "--volume", volume["id"])
        self.assertEqual([row["ID"] for row in listed], [backup["id"] for backup in reversed(backups)])
        self.holds(listed[1], Name=backups[0]["name"], Status="available", Size=1)
        long = self.read("volume", "backup", "list", "--long", "--name", backups[0]["name"], "--status", "available")
        self.assertEqual(len(long), 1, long)
        self.holds(long[0], ID=backups[0]["id"], Volume=volume["id"], Container="volumebackups")
        page = self.read("volume", "backup", "list", "--volume", volume["id"], "--limit", "1")
        self.assertIn([row["ID"] for row in page], [[backups[1]["id"]], [backups[1]["id"], backups[0]["id"]]])
        everybodys = self.read("volume", "backup", "list", "--all-projects", "--volume", volume["id"], who=ADMIN)
        self.assertEqual({row["ID"] for row in everybodys}, {backup["id"] for backup in backups})

    def test_backup_set_and_unset(self):
        backup, name = self.backup(self.volume()), self.name("renamed")
        options = ["--name", name, "--description", "said", "--property", "a=b"]
        self.openstack("volume", "backup", "set", backup["id"], *options)
        shown = self.token.get(f"/backups/{backup['id']}")["backup"]
        self.holds(shown, name=name, description="said", metadata={"a": "b"})
        self.openstack("volume", "backup", "set", backup["id"], "--state", "error", who=ADMIN)
        self.holds(self.read("volume", "backup", "show", name), status="error")
        self.openstack("volume", "backup", "set", backup["id"], "--state", "available", who=ADMIN)
        said = self.refused("volume", "backup", "set", backup["id"], "--state", "error")
        self.assertIn("volume_extension:backup_admin_actions:reset_status", said)

    def test_backup_restore(self):
        volume = self.volume()
        backup, name = self.backup(volume), self.name("restored")
        new = self.read("volume", "backup", "restore", backup["name"], name)
        self.holds(new, volume_name=name)
        self.holds(self.made("volume", new["volume_id"]), name=name, size=1)
        self.refused("volume", "backup", "restore", backup["id"], volume["name"])
        self.openstack("volume", "backup", "restore", "--force", backup["id"], volume["name"])
        self.wait("volume", volume["id"], "available")
        self.wait("backup", backup["id"], "available")

    def test_backup_force_delete(self):
        backup = self.backup(self.volume())
        self.openstack("volume", "backup", "set", backup["id"], "--state", "error", who=ADMIN)
        self.openstack("volume", "backup", "delete", "--force", backup["id"], who=ADMIN)
        self.wait("backup", backup["id"], None)

    def test_backup_record(self):
        backup = self.backup(self.volume())
        record = self.read("volume", "backup", "record", "export", backup["id"], who=ADMIN)
        self.assertTrue(record["backup_service"].startswith("cinder.backup.drivers"), record)
        self.assertIn("backup:export-import", self.refused("volume", "backup", "record", "export", backup["id"]))
        # The client asks for another path than the one that takes records, as it does of Cinder.
        self.refused("volume", "backup", "record", "import", "service", record["backup_url"], who=ADMIN)

    def test_surroundings(self):
        services = self.read("volume", "service", "list", "--service", "cinder-backup", who=ADMIN)
        self.assertTrue(services)
        for service in services:
            self.holds(service, Binary="cinder-backup", Zone="nova", Status="enabled", State="up")
        zones = self.read("availability", "zone", "list", "--volume")
        self.assertEqual([zone["Zone Name"] for zone in zones], ["nova"])
        self.assertIn("backups", json.dumps(self.read("quota", "show", "--volume")))
        self.refused("volume", "service", "list")

    def test_volume_and_snapshot(self):
        name = self.name("volume")
        made = self.read("volume", "create", "--size", "1", name)
        self.holds(made, name=name, size=1, status="creating")
        self.made("volume", made["id"])
        self.assertIn(made["id"], [row["ID"] for row in self.read("volume", "list")])
        self.openstack("volume", "set", "--property", "a=b", "--description", "said", name)
        self.holds(self.read("volume", "show", name), description="said", properties={"a": "b"}, status="available")
        snapshot = self.read("volume", "snapshot", "create", "--volume", name, self.name("snapshot"))
        self.made("snapshot", snapshot["id"])
        self.holds(self.read("volume", "snapshot", "show", snapshot["id"]), volume_id=made["id"], status="available")
        self.openstack("volume", "snapshot", "delete", snapshot["id"])
        self.wait("snapshot", snapshot["id"], None)
        self.openstack("volume", "set", "--size", "2", name)
        self.holds(self.wait("volume", made["id"], "available"), size=2)
        self.openstack("volume", "delete", name)
        self.wait("volume", made["id"], None)
