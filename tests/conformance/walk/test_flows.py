"""What no suite of OpenStack's looks at: the bytes, what a reader may not do, and whose token opens what."""

import ground
from ground import MIB, NOVA, READER, STRANGER, Token, digest, volume_file, write


class Bytes(ground.Walk):
    """Real data through Keystone and Swift and back."""

    def restored(self, backup, volume):
        answer = self.token.send("POST", f"/backups/{backup['id']}/restore", {"restore": {"volume_id": volume["id"]}})
        self.assertEqual(answer.status_code, 202, answer.text)
        self.wait("volume", volume["id"], "available")
        self.wait("backup", backup["id"], "available")
        return digest(volume_file(volume["id"]))

    def test_full_and_incremental_backups_restore_what_was_there(self):
        volume = self.volume()
        path = volume_file(volume["id"])
        write(path, 0, 5 * MIB)
        write(path, 700 * MIB, 3 * MIB + 17)
        first, full = digest(path), self.backup(volume)
        write(path, 2 * MIB, MIB)
        write(path, 1023 * MIB, MIB)
        second, incremental = digest(path), self.backup(volume, incremental=True)
        self.assertTrue(incremental["is_incremental"])
        write(path, 0, 64 * MIB)
        third, last = digest(path), self.backup(volume, incremental=True)
        self.assertEqual(len({first, second, third}), 3)
        for backup, expected in [(last, third), (full, first), (incremental, second)]:
            self.assertEqual(self.restored(backup, volume), expected, backup)
        other = self.volume(size=2)
        write(volume_file(other["id"]), 0, 8 * MIB)
        self.restored(incremental, other)
        with open(volume_file(other["id"]), "rb") as file, open(path, "rb") as source:
            self.assertEqual(file.read(1024 * MIB), source.read())

    def test_a_volume_of_a_backup_holds_its_bytes(self):
        volume = self.volume()
        write(volume_file(volume["id"]), 100 * MIB, MIB)
        backup = self.backup(volume)
        copy = self.volume(backup_id=backup["id"])
        self.assertEqual(digest(volume_file(copy["id"])), digest(volume_file(volume["id"])))

    def test_a_snapshots_backup_holds_the_snapshots_bytes(self):
        volume = self.volume()
        path = volume_file(volume["id"])
        write(path, 0, MIB)
        before, snapshot = digest(path), self.snapshot(volume)
        write(path, 0, 2 * MIB)
        backup = self.backup(volume, snapshot_id=snapshot["id"])
        self.assertEqual(self.restored(backup, volume), before)


class Reader(ground.Walk):
    """A reader looks and touches nothing: 403 by the rule's name, and not a row is changed."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.reader = Token(READER)

    def everything(self):
        return {kind: self.token.get(f"/{kind}/detail")[kind] for kind in ("volumes", "snapshots", "backups")}

    def mine(self, found, idents):
        """Other tests work in the same project; only what this one made must stay as it is."""
        return {kind: [row for row in rows if row["id"] in idents] for kind, rows in found.items()}

    def test_he_may_look(self):
        volume = self.volume()
        snapshot, backup = self.snapshot(volume), self.backup(volume)
        for path in [
            "/volumes", "/volumes/detail", f"/volumes/{volume['id']}", "/snapshots/detail", f"/snapshots/{snapshot['id']}",
            "/backups/detail", f"/backups/{backup['id']}", "/types", "/types/default", "/limits", "/messages",
            "/os-availability-zone", f"/volumes/{volume['id']}/metadata", f"/snapshots/{snapshot['id']}/metadata",
            "/attachments", "/volumes/summary",
        ]:
            answer = self.reader.send("GET", path)
            self.assertIn(answer.status_code, (200, 404) if path == "/types/default" else (200,), f"{path} {answer.text}")

    def test_he_may_not_touch(self):
        volume = self.volume()
        snapshot, backup = self.snapshot(volume), self.backup(volume)
        idents = {volume["id"], snapshot["id"], backup["id"]}
        before = self.mine(self.everything(), idents)
        on = {kind: f"/{kind}s/{row['id']}" for kind, row in
              {"volume": volume, "snapshot": snapshot, "backup": backup}.items()}
        forbidden = [
            ("POST", "/backups", {"backup": {"volume_id": volume["id"]}}, "backup:create"),
            ("DELETE", on["backup"], None, "backup:delete"),
            ("PUT", on["backup"], {"backup": {"name": "x"}}, "backup:update"),
            ("POST", on["backup"] + "/restore", {"restore": {}}, "backup:restore"),
            ("GET", on["backup"] + "/export_record", None, "backup:export-import"),
            ("POST", on["backup"] + "/action", {"os-reset_status": {"status": "error"}},
             "volume_extension:backup_admin_actions:reset_status"),
            ("POST", "/snapshots", {"snapshot": {"volume_id": volume["id"]}}, "volume:create_snapshot"),
            ("DELETE", on["snapshot"], None, "volume:delete_snapshot"),
            ("PUT", on["snapshot"], {"snapshot": {"name": "x"}}, "volume:update_snapshot"),
            ("POST", on["snapshot"] + "/action", {"os-update_snapshot_status": {"status": "error"}},
             "snapshot_extension:snapshot_actions:update_snapshot_status"),
            ("POST", on["snapshot"] + "/action", {"os-reset_status": {"status": "error"}},
             "volume_extension:snapshot_admin_actions:reset_status"),
            ("POST", on["snapshot"] + "/metadata", {"metadata": {"a": "b"}}, "volume:update_snapshot_metadata"),
            ("POST", "/volumes", {"volume": {"size": 1}}, "volume:create"),
            ("DELETE", on["volume"], None, "volume:delete"),
            ("PUT", on["volume"], {"volume": {"name": "x"}}, "volume:update"),
            ("POST", on["volume"] + "/metadata", {"metadata": {"a": "b"}}, "volume:create_volume_metadata"),
            ("POST", on["volume"] + "/action", {"os-extend": {"new_size": 2}}, "volume:extend"),
            ("POST", on["volume"] + "/action", {"os-retype": {"new_type": "x"}}, "volume:retype"),
            ("POST", on["volume"] + "/action", {"os-update_readonly_flag": {"readonly": True}},
             "volume:update_readonly_flag"),
            ("POST", on["volume"] + "/action", {"os-reserve": None}, "volume_extension:volume_actions:reserve"),
            ("POST", on["volume"] + "/action", {"os-unreserve": None}, "volume_extension:volume_actions:unreserve"),
            ("POST", on["volume"] + "/action", {"os-set_bootable": {"bootable": True}},
             "volume_extension:volume_actions:set_bootable"),
            ("POST", on["volume"] + "/action", {"os-reset_status": {"status": "error"}},
             "volume_extension:volume_admin_actions:reset_status"),
            ("POST", on["volume"] + "/action", {"os-force_delete": None},
             "volume_extension:volume_admin_actions:force_delete"),
            ("POST", "/types", {"volume_type": {"name": self.name("type")}}, "volume_extension:type_create"),
        ]
        for method, path, body, rule in forbidden:
            with self.subTest(rule):
                answer = self.reader.send(method, path, body)
                self.assertEqual(answer.status_code, 403, f"{method} {path}: {answer.text}")
                message = f"Policy doesn't allow {rule} to be performed."
                self.assertEqual(answer.json(), {"forbidden": {"code": 403, "message": message}})
        self.assertEqual(self.mine(self.everything(), idents), before)


class Tokens(ground.Walk):
    """Whose token opens what."""

    def is_challenged(self, answer):
        self.assertEqual(answer.status_code, 401, answer.text)
        self.assertTrue(answer.headers["WWW-Authenticate"].startswith('Keystone uri="'), answer.headers)

    def test_made_up_tokens_are_refused(self):
        token = Token(ground.DEMO)
        for text in ["nonsense", token.text[:-1], token.text[:40] + "x" * 8 + token.text[48:], "demo:" + token.project, ""]:
            token.text = text
            self.is_challenged(token.send("GET", "/volumes"))

    def test_a_revoked_token_is_refused_before_it_was_ever_used(self):
        token = Token(ground.DEMO)
        token.revoke()
        self.is_challenged(token.send("GET", "/volumes"))
        service = {"X-Service-Token": Token(NOVA).text}
        self.is_challenged(token.send("GET", "/volumes", headers=service))

    def test_a_bad_service_token_spoils_a_good_one(self):
        self.is_challenged(self.token.send("GET", "/volumes", headers={"X-Service-Token": "nonsense"}))
        answer = self.token.send("GET", "/volumes", headers={"X-Service-Token": Token(NOVA).text})
        self.assertEqual(answer.status_code, 200, answer.text)

    def test_another_projects_things_are_not_there(self):
        volume = self.volume()
        backup = self.backup(volume)
        stranger = Token(STRANGER)
        for method, path, body in [
            ("GET", f"/volumes/{volume['id']}", None),
            ("DELETE", f"/volumes/{volume['id']}", None),
            ("POST", f"/volumes/{volume['id']}/action", {"os-extend": {"new_size": 9}}),
            ("GET", f"/backups/{backup['id']}", None),
            ("PUT", f"/backups/{backup['id']}", {"backup": {"name": "mine"}}),
            ("DELETE", f"/backups/{backup['id']}", None),
            ("POST", f"/backups/{backup['id']}/restore", {"restore": {"name": "mine"}}),
            ("POST", "/backups", {"backup": {"volume_id": volume["id"]}}),
            ("POST", "/snapshots", {"snapshot": {"volume_id": volume["id"]}}),
        ]:
            self.assertEqual(stranger.send(method, path, body).status_code, 404, f"{method} {path}")
        stranger.project = self.token.project
        answer = stranger.send("GET", "/volumes")
        self.assertEqual(answer.json(), {"badRequest": {"code": 400, "message": "Malformed request url"}})
        self.assertEqual(self.token.get(f"/backups/{backup['id']}")["backup"], backup)
