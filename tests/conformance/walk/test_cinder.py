"""Every sub-command of `cinder` that has to do with backups, at the oldest microversion, at Horizon's and at the newest."""

import base64
import json
import uuid

import ground
from ground import ADMIN, DEMO, properties, rows

# What `cinder backup-show` prints at 3.0; each later microversion adds to it.
SHOWN = {
    "availability_zone", "container", "created_at", "data_timestamp", "description", "fail_reason",
    "has_dependent_backups", "id", "is_incremental", "name", "object_count", "size", "snapshot_id", "status",
    "updated_at", "volume_id",
}


class Commands:
    """The walk; the classes below say as which microversion."""

    shown = SHOWN

    def test_backup_from_birth_to_death(self):
        volume, name = self.volume(), self.name("backup")
        made = properties(self.cinder("backup-create", volume["id"], "--name", name, "--description", "first"))
        self.holds(made, name=name, volume_id=volume["id"])
        self.made("backup", made["id"])
        shown = properties(self.cinder("backup-show", name))
        self.assertEqual(set(shown), self.shown)
        self.holds(
            shown, id=made["id"], name=name, description="first", volume_id=volume["id"], status="available", size="1",
            is_incremental="False", has_dependent_backups="False", fail_reason="None", snapshot_id="None",
            container="volumebackups", availability_zone="nova",
        )
        second = self.name("incremental")
        made_second = properties(self.cinder("backup-create", volume["name"], "--name", second, "--incremental"))
        self.made("backup", made_second["id"])
        self.holds(properties(self.cinder("backup-show", made_second["id"])), is_incremental="True", name=second)
        self.holds(properties(self.cinder("backup-show", name)), has_dependent_backups="True")
        said = self.refused("backup-delete", name)
        self.assertIn("Incremental backups exist for this backup.", said)
        self.cinder("backup-delete", second)
        self.wait("backup", made_second["id"], None)
        self.cinder("backup-delete", made["id"])
        self.wait("backup", made["id"], None)
        self.assertIn("with a name or ID of", self.refused("backup-show", name))

    def test_backup_list(self):
        volume = self.volume()
        backups = [self.backup(volume) for _ in range(2)]
        listed = rows(self.cinder("backup-list", "--volume-id", volume["id"], "--sort", "created_at:asc"))
        self.assertEqual([row["ID"] for row in listed], [backup["id"] for backup in backups])
        self.holds(
            listed[0],
            **{"Volume ID": volume["id"], "Status": "available", "Name": backups[0]["name"], "Size": "1",
               "Container": "volumebackups"},
        )
        self.assertTrue({"ID", "Volume ID", "Status", "Name", "Size", "Object Count", "Container"} <= set(listed[0]))
        by_name = rows(self.cinder("backup-list", "--name", backups[1]["name"]))
        self.assertEqual([row["ID"] for row in by_name], [backups[1]["id"]])
        page = rows(self.cinder("backup-list", "--volume-id", volume["id"], "--limit", "1", "--sort", "created_at:asc"))
        self.assertEqual([row["ID"] for row in page], [backups[0]["id"]])
        after = ["--marker", backups[0]["id"], "--sort", "created_at:asc"]
        rest = rows(self.cinder("backup-list", "--volume-id", volume["id"], *after))
        self.assertEqual([row["ID"] for row in rest], [backups[1]["id"]])
        none = rows(self.cinder("backup-list", "--volume-id", volume["id"], "--status", "error"))
        self.assertEqual(none, [])
        everybodys = rows(self.cinder("backup-list", "--all-tenants", "--volume-id", volume["id"], who=ADMIN))
        self.assertEqual({row["ID"] for row in everybodys}, {backup["id"] for backup in backups})
        self.assertEqual(rows(self.cinder("backup-list", "--volume-id", volume["id"], who=ADMIN)), [])

    def test_backup_restore(self):
        volume = self.volume()
        backup = self.backup(volume)
        back = properties(self.cinder("backup-restore", backup["name"], "--volume", volume["id"]))
        self.holds(back, backup_id=backup["id"], volume_id=volume["id"], volume_name=volume["name"])
        self.wait("volume", volume["id"], "available")
        self.wait("backup", backup["id"], "available")
        name = self.name("restored")
        new = properties(self.cinder("backup-restore", backup["id"], "--name", name))
        self.holds(new, backup_id=backup["id"], volume_name=name)
        self.holds(self.made("volume", new["volume_id"]), name=name, size=1)

    def test_backup_reset_state(self):
        backup = self.backup(self.volume())
        self.cinder("backup-reset-state", "--state", "error", backup["id"], who=ADMIN)
        self.holds(properties(self.cinder("backup-show", backup["id"])), status="error")
        self.cinder("backup-reset-state", backup["name"], who=ADMIN)
        self.holds(properties(self.cinder("backup-show", backup["id"])), status="available")
        said = self.refused("backup-reset-state", "--state", "error", backup["id"])
        self.assertIn("Policy doesn't allow volume_extension:backup_admin_actions:reset_status", said)

    def test_backup_force_delete(self):
        backup = self.backup(self.volume())
        self.cinder("backup-reset-state", "--state", "error", backup["id"], who=ADMIN)
        self.cinder("backup-delete", "--force", backup["id"], who=ADMIN)
        self.wait("backup", backup["id"], None)

    def test_backup_export_and_import(self):
        backup = self.backup(self.volume())
        record = properties(self.cinder("backup-export", backup["id"], who=ADMIN))
        self.assertTrue(record["backup_service"].startswith("cinder.backup.drivers"), record)
        said = self.refused("backup-export", backup["id"])
        self.assertIn("Policy doesn't allow backup:export-import", said)
        service, text = record["backup_service"], record["backup_url"]
        # It is still there; under another id its record makes a second backup of the same data.
        self.assertIn("Backup already exists in database.", self.refused("backup-import", service, text, who=ADMIN))
        other = str(uuid.uuid4())
        fields = json.loads(base64.b64decode(text))
        text = base64.b64encode(json.dumps({**fields, "id": other}).encode()).decode()
        back = properties(self.cinder("backup-import", service, text, who=ADMIN))
        self.holds(back, id=other)
        members, self.token = self.token, self.admin
        try:
            self.wait("backup", other, "available")
            shown = properties(self.cinder("backup-show", other, who=ADMIN))
            self.holds(shown, status="available", size="1", name=backup["name"])
            self.remove("backup", other)
        finally:
            self.token = members
        self.cinder("backup-restore", backup["id"], "--volume", backup["volume_id"])
        self.wait("volume", backup["volume_id"], "available")
        self.wait("backup", backup["id"], "available")

    def test_services_and_zones(self):
        services = rows(self.cinder("service-list", "--binary", "cinder-backup", who=ADMIN))
        self.assertTrue(services)
        for service in services:
            self.holds(service, Binary="cinder-backup", Zone="nova", Status="enabled", State="up")
        self.assertIn("Policy doesn't allow volume_extension:services:index", self.refused("service-list"))
        self.assertEqual(rows(self.cinder("availability-zone-list")), [{"Name": "nova", "Status": "available"}])


class Cinder300(Commands, ground.Cinder):
    version = "3.0"


class Updates(Commands):
    # From 3.43 on a backup has metadata; its project and user are for administrators.
    shown = SHOWN | {"metadata"}

    def test_backup_update(self):
        backup, name = self.backup(self.volume()), self.name("renamed")
        self.cinder("backup-update", backup["id"], "--name", name, "--description", "said", "--metadata", "a=b")
        shown = properties(self.cinder("backup-show", name))
        self.holds(shown, id=backup["id"], name=name, description="said")
        administrators = properties(self.cinder("backup-show", backup["id"], who=ADMIN))
        self.holds(administrators, **{"os-backup-project-attr:project_id": self.token.project})

    def test_counted_list(self):
        volume = self.volume()
        for _ in range(2):
            self.backup(volume)
        text = self.cinder("backup-list", "--volume-id", volume["id"], "--limit", "1", "--with-count")
        self.assertIn("Backup in total: 2", text)


class Cinder345(Updates, ground.Cinder):
    version = "3.45"


class Cinder371(Updates, ground.Cinder):
    version = "3.71"

    def test_volume_of_a_backup(self):
        backup = self.backup(self.volume())
        name = self.name("copy")
        made = properties(self.cinder("create", "--backup-id", backup["id"], "--name", name, "1"))
        self.holds(self.made("volume", made["id"]), name=name, size=1)
