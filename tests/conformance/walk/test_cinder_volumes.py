"""Every sub-command of `cinder` for volumes, snapshots, transfers and attachments."""

import shutil
import uuid

import ground
from ground import ADMIN, STRANGER, properties, rows, volume_file


class Volumes:
    """What works alike at every microversion; the classes below say at which."""

    def create(self, *options):
        made = properties(self.cinder("create", *options, "--name", self.name("volume"), "1"))
        return self.made("volume", made["id"])

    def test_volume_from_birth_to_death(self):
        name = self.name("volume")
        made = properties(self.cinder("create", "--name", name, "--description", "said", "--metadata", "a=b", "1"))
        self.holds(made, name=name, description="said", size="1")
        self.made("volume", made["id"])
        shown = properties(self.cinder("show", name))
        self.holds(shown, id=made["id"], status="available", bootable="false", volume_type="lvmdriver-1")
        listed = rows(self.cinder("list", "--name", name))
        self.assertEqual([row["ID"] for row in listed], [made["id"]])
        self.holds(listed[0], Status="available", Name=name, Size="1", **{"Volume Type": "lvmdriver-1"})
        self.assertEqual(rows(self.cinder("list", "--name", name, "--status", "error")), [])
        everybodys = rows(self.cinder("list", "--all-tenants", "--name", name, who=ADMIN))
        self.assertEqual([row["Tenant ID"] for row in everybodys], [self.token.project])
        renamed = self.name("renamed")
        self.cinder("rename", name, renamed, "--description", "other")
        self.cinder("extend", renamed, "2")
        self.wait("volume", made["id"], "available")
        self.holds(properties(self.cinder("show", renamed)), id=made["id"], description="other", size="2")
        self.assertIn("New size for extend must be greater than current size", self.refused("extend", renamed, "1"))
        self.cinder("delete", renamed)
        self.wait("volume", made["id"], None)
        self.assertIn("No volume with a name or ID of", self.refused("show", renamed))

    def test_volume_metadata_and_flags(self):
        volume = self.create("--metadata", "a=b")
        self.cinder("metadata", volume["id"], "set", "c=d", "a=e")
        self.assertEqual(properties(self.cinder("metadata-show", volume["id"])), {"a": "e", "c": "d"})
        self.cinder("metadata", volume["id"], "unset", "a")
        self.assertEqual(properties(self.cinder("metadata-show", volume["id"])), {"c": "d"})
        self.assertEqual(properties(self.cinder("metadata-update-all", volume["id"], "x=y")), {"x": "y"})
        self.cinder("set-bootable", volume["id"], "true")
        self.cinder("readonly-mode-update", volume["id"], "true")
        shown = properties(self.cinder("show", volume["id"]))
        self.holds(shown, bootable="true", readonly="True")
        self.cinder("image-metadata", volume["id"], "set", "os=linux")
        self.assertIn("os", self.cinder("image-metadata-show", volume["id"]))
        self.cinder("image-metadata", volume["id"], "unset", "os")

    def test_volume_states(self):
        volume = self.create()
        self.assertIn("reset_status", self.refused("reset-state", "--state", "error", volume["id"]))
        self.cinder("reset-state", "--state", "error", volume["id"], who=ADMIN)
        self.holds(properties(self.cinder("show", volume["id"])), status="error")
        said = self.refused("reset-state", "--state", "in-use", volume["id"], who=ADMIN)
        self.assertIn("Cannot reset-state to in-use because volume does not have any attachments.", said)
        self.cinder("reset-state", "--state", "attaching", volume["id"], who=ADMIN)
        self.assertIn("Volume status must be available", self.refused("delete", volume["id"]))
        self.cinder("reset-state", "--reset-migration-status", "--attach-status", "detached", volume["id"], who=ADMIN)
        self.assertIn("force_delete", self.refused("force-delete", volume["id"]))
        self.cinder("force-delete", volume["id"], who=ADMIN)
        self.wait("volume", volume["id"], None)

    def test_copies(self):
        volume = self.create()
        snapshot = self.snapshot(volume)
        of_volume = self.create("--source-volid", volume["id"])
        self.holds(properties(self.cinder("show", of_volume["id"])), source_volid=volume["id"])
        of_snapshot = self.create("--snapshot-id", snapshot["id"])
        self.holds(properties(self.cinder("show", of_snapshot["id"])), snapshot_id=snapshot["id"])

    def test_snapshot_from_birth_to_death(self):
        volume, name = self.create(), self.name("snapshot")
        made = properties(self.cinder("snapshot-create", "--name", name, "--description", "said", volume["id"]))
        self.made("snapshot", made["id"])
        shown = properties(self.cinder("snapshot-show", name))
        self.holds(shown, id=made["id"], volume_id=volume["id"], status="available", description="said", size="1")
        self.assertEqual([row["ID"] for row in rows(self.cinder("snapshot-list", "--name", name))], [made["id"]])
        listed = rows(self.cinder("snapshot-list", "--volume-id", volume["id"]))
        self.assertEqual([row["ID"] for row in listed], [made["id"]])
        self.cinder("snapshot-rename", name, self.name("renamed"), "--description", "other")
        self.cinder("snapshot-metadata", made["id"], "set", "a=b", "c=d")
        self.cinder("snapshot-metadata", made["id"], "unset", "c")
        self.assertEqual(properties(self.cinder("snapshot-metadata-show", made["id"])), {"a": "b"})
        self.cinder("snapshot-metadata-update-all", made["id"], "x=y")
        self.assertEqual(properties(self.cinder("snapshot-metadata-show", made["id"])), {"x": "y"})
        self.holds(properties(self.cinder("snapshot-show", made["id"])), description="other")
        self.assertIn("have snapshots", self.refused("delete", volume["id"]))
        self.cinder("snapshot-reset-state", "--state", "error", made["id"], who=ADMIN)
        self.holds(properties(self.cinder("snapshot-show", made["id"])), status="error")
        self.cinder("snapshot-delete", made["id"])
        self.wait("snapshot", made["id"], None)

    def test_transfer(self):
        volume, name = self.create(), self.name("transfer")
        made = properties(self.cinder("transfer-create", "--name", name, volume["id"]))
        self.holds(made, name=name, volume_id=volume["id"])
        self.holds(properties(self.cinder("transfer-show", made["id"])), id=made["id"], volume_id=volume["id"])
        self.assertIn(made["id"], [row["ID"] for row in rows(self.cinder("transfer-list"))])
        self.holds(properties(self.cinder("show", volume["id"])), status="awaiting-transfer")
        self.assertIn("ERROR", self.refused("transfer-accept", made["id"], "wrong", who=STRANGER))
        accepted = properties(self.cinder("transfer-accept", made["id"], made["auth_key"], who=STRANGER))
        self.holds(accepted, volume_id=volume["id"])
        self.holds(properties(self.cinder("show", volume["id"], who=STRANGER)), status="available")
        self.assertIn("No volume with a name or ID of", self.refused("show", volume["id"]))
        back = properties(self.cinder("transfer-create", volume["id"], who=STRANGER))
        self.cinder("transfer-accept", back["id"], back["auth_key"])
        undone = properties(self.cinder("transfer-create", volume["id"]))
        self.cinder("transfer-delete", undone["id"])
        self.holds(properties(self.cinder("show", volume["id"])), status="available")

    def test_retype_and_migrate(self):
        kind = properties_of_type(self.cinder("type-create", self.name("type"), who=ADMIN))
        self.addCleanup(self.cinder, "type-delete", kind, who=ADMIN)
        volume = self.create()
        self.cinder("retype", volume["id"], kind)
        self.wait("volume", volume["id"], "available")
        self.holds(properties(self.cinder("show", volume["id"])), volume_type=kind)
        self.addCleanup(self.wait, "volume", volume["id"], None)
        self.addCleanup(self.cinder, "delete", volume["id"])

    def test_manage_and_unmanage(self):
        volume = self.create()
        host = properties(self.cinder("show", volume["id"], who=ADMIN))["os-vol-host-attr:host"]
        path = volume_file(volume["id"])
        stray = path.with_name(self.name("stray"))
        shutil.copyfile(path, stray)
        made = properties(self.cinder("manage", "--name", self.name("managed"), host, stray.name, who=ADMIN))
        mine, self.token = self.token, self.admin
        try:
            self.wait("volume", made["id"], "available")
            self.cinder("unmanage", made["id"], who=ADMIN)
            self.wait("volume", made["id"], None)
        finally:
            self.token = mine
        left = [file for file in path.parent.iterdir() if file.name == stray.name or made["id"] in file.name]
        self.assertEqual(len(left), 1, left)
        left[0].unlink()

    def test_what_needs_an_image_service(self):
        volume = self.create()
        self.assertIn("ERROR", self.refused("upload-to-image", volume["id"], self.name("image")))
        self.assertIn("ERROR", self.refused("create", "--image-id", str(uuid.uuid4()), "1"))
        self.holds(properties(self.cinder("show", volume["id"])), status="available")


def properties_of_type(table):
    return rows(table)[0]["Name"]


class Cinder300(Volumes, ground.Cinder):
    version = "3.0"


class Cinder371(Volumes, ground.Cinder):
    version = "3.71"

    def test_summary_and_filters(self):
        volume = self.create("--metadata", "walked=" + self.name("value"))
        walked = volume["metadata"]["walked"]
        found = rows(self.cinder("list", "--filters", f"metadata={{walked:{walked}}}"))
        self.assertEqual([row["ID"] for row in found], [volume["id"]])
        alike = ["--filters", f"name~={volume['name'][2:]}"]
        found = rows(self.cinder("list", *alike, "--sort", "created_at:desc", "--limit", "5"))
        self.assertEqual([row["ID"] for row in found], [volume["id"]])
        self.assertGreaterEqual(int(properties(self.cinder("summary"))["total_count"]), 1)
        self.assertIn("Volume in total: 1", self.cinder("list", "--name", volume["name"], "--with-count"))

    def test_attachment(self):
        volume, server = self.create(), str(uuid.uuid4())
        made = properties(self.cinder("attachment-create", volume["id"], server, "--mode", "rw"))
        self.holds(made, status="reserved", volume_id=volume["id"], instance=server)
        listed = rows(self.cinder("attachment-list", "--volume-id", volume["id"]))
        self.assertEqual([row["ID"] for row in listed], [made["id"]])
        options = ["--host", "walker", "--initiator", "iqn.walk", "--ip", "127.0.0.1"]
        self.cinder("attachment-update", made["id"], *options)
        self.cinder("attachment-complete", made["id"])
        self.holds(properties(self.cinder("attachment-show", made["id"])), status="attached")
        self.holds(properties(self.cinder("show", volume["id"])), status="in-use")
        self.cinder("attachment-delete", made["id"])
        self.holds(self.wait("volume", volume["id"], "available"), attachments=[])

    def test_revert(self):
        volume = self.create()
        path = volume_file(volume["id"])
        ground.write(path, 0, ground.MIB)
        before, snapshot = ground.digest(path), self.snapshot(volume)
        ground.write(path, 0, 2 * ground.MIB)
        self.cinder("revert-to-snapshot", snapshot["id"])
        self.wait("volume", volume["id"], "available")
        self.assertEqual(ground.digest(path), before)

    def test_restore_into_a_new_volume_of_a_type(self):
        backup = self.backup(self.create())
        options = ["--name", self.name("restored"), "--volume-type", "lvmdriver-1", "--availability-zone", "nova"]
        back = properties(self.cinder("backup-restore", backup["id"], *options))
        self.holds(back, backup_id=backup["id"], volume_name=options[1])
        self.holds(self.made("volume", back["volume_id"]), name=options[1], volume_type="lvmdriver-1", size=1)

    def test_messages(self):
        listed = rows(self.cinder("message-list"))
        for row in listed[:1]:
            self.holds(properties(self.cinder("message-show", row["ID"])), id=row["ID"])
        self.assertIn("No message with a name or ID of", self.refused("message-show", str(uuid.uuid4())))
