"""What the walks share: the clients as users run them, tokens, and waiting for what must come true.

The environment says where everything is: WALK_KEYSTONE (…/v3), WALK_API (…/v3), WALK_POOLS (folders of volume files,
separated by colons), WALK_ADMIN_PASSWORD.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import time
import unittest
import uuid

import requests

KEYSTONE = os.environ.get("WALK_KEYSTONE", "")
API = os.environ.get("WALK_API", "")
POOLS = [pathlib.Path(pool) for pool in os.environ.get("WALK_POOLS", "").split(":")]
ADMIN_PASSWORD = os.environ.get("WALK_ADMIN_PASSWORD", "")
# What a job may take on a busy machine.
LIMIT = 180
MIB = 1 << 20


def user(name, password, project):
    """The environment in which a client is this user."""
    return {
        "OS_AUTH_URL": KEYSTONE,
        "OS_IDENTITY_API_VERSION": "3",
        "OS_USERNAME": name,
        "OS_PASSWORD": password,
        "OS_PROJECT_NAME": project,
        "OS_USER_DOMAIN_ID": "default",
        "OS_PROJECT_DOMAIN_ID": "default",
        "OS_REGION_NAME": "RegionOne",
    }


DEMO = user("demo", "demo", "demo")
STRANGER = user("demo2", "demo", "demo2")
READER = user("reader", "demo", "demo")
ADMIN = user("admin", ADMIN_PASSWORD, "admin")
NOVA = user("nova", "labservice", "service")


def run(who, *command):
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "COLUMNS": "500", **who}
    return subprocess.run([str(word) for word in command], env=environment, capture_output=True, text=True)


class Token:
    """A user's token and its project, as he gets it from Keystone; with it he talks to the API without any client."""

    def __init__(self, who):
        domain = {"id": "default"}
        person = {"name": who["OS_USERNAME"], "password": who["OS_PASSWORD"], "domain": domain}
        scope = {"project": {"name": who["OS_PROJECT_NAME"], "domain": domain}}
        identity = {"methods": ["password"], "password": {"user": person}}
        answer = requests.post(f"{KEYSTONE}/auth/tokens", json={"auth": {"identity": identity, "scope": scope}})
        answer.raise_for_status()
        self.text = answer.headers["X-Subject-Token"]
        self.project = answer.json()["token"]["project"]["id"]

    def revoke(self):
        headers = {"X-Auth-Token": self.text, "X-Subject-Token": self.text}
        requests.delete(f"{KEYSTONE}/auth/tokens", headers=headers).raise_for_status()

    def send(self, method, path, body=None, version="3.71", headers=None):
        every = {"X-Auth-Token": self.text, "OpenStack-API-Version": f"volume {version}", **(headers or {})}
        return requests.request(method, f"{API}/{self.project}{path}", json=body, headers=every)

    def get(self, path, version="3.71"):
        answer = self.send("GET", path, version=version)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()


def properties(table):
    """The rows of a table of two columns."""
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines() if line.startswith("|")]
    return {row[0]: row[1] for row in rows[1:] if len(row) == 2}


def rows(table):
    """The rows of a table with a head, as dictionaries."""
    lines = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines() if line.startswith("|")]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]] if lines else []


class Walk(unittest.TestCase):
    """A test that makes things, as one user, and takes them away afterwards."""

    maxDiff = None
    who = DEMO

    @classmethod
    def setUpClass(cls):
        cls.token = Token(cls.who)
        cls.admin = Token(ADMIN)

    def name(self, what):
        return f"walk-{what}-{uuid.uuid4().hex[:8]}"

    def wait(self, kind, ident, status):
        """Until it has the status, or is gone where the status is None."""
        deadline = time.monotonic() + LIMIT
        while True:
            answer = self.token.send("GET", f"/{kind}s/{ident}")
            if status is None and answer.status_code == 404:
                return None
            seen = answer.json().get(kind, {})
            if status is not None and seen.get("status") == status:
                return seen
            failed = seen.get("status", "").startswith("error")
            self.assertFalse(failed, f"{kind} {ident} went to {seen}")
            self.assertLess(time.monotonic(), deadline, f"{kind} {ident} is not {status} but {seen}")
            time.sleep(0.2)

    def made(self, kind, ident, status="available"):
        """Waits for it, and sees to its end."""
        self.addCleanup(self.remove, kind, ident)
        return self.wait(kind, ident, status)

    def remove(self, kind, ident):
        answer = self.token.send("DELETE", f"/{kind}s/{ident}")
        self.assertIn(answer.status_code, (202, 404), answer.text)
        if answer.status_code == 202:
            self.wait(kind, ident, None)

    def volume(self, size=1, **options):
        body = {"volume": {"size": size, "name": self.name("volume"), **options}}
        answer = self.token.send("POST", "/volumes", body)
        self.assertEqual(answer.status_code, 202, answer.text)
        return self.made("volume", answer.json()["volume"]["id"])

    def backup(self, volume, **options):
        body = {"backup": {"volume_id": volume["id"], "name": self.name("backup"), **options}}
        answer = self.token.send("POST", "/backups", body)
        self.assertEqual(answer.status_code, 202, answer.text)
        return self.made("backup", answer.json()["backup"]["id"])

    def snapshot(self, volume):
        answer = self.token.send("POST", "/snapshots", {"snapshot": {"volume_id": volume["id"], "force": True}})
        self.assertEqual(answer.status_code, 202, answer.text)
        return self.made("snapshot", answer.json()["snapshot"]["id"])

    def holds(self, found, **expected):
        """Says which of the values differ."""
        different = {key: found.get(key) for key, value in expected.items() if found.get(key) != value}
        self.assertEqual(different, {}, f"expected {expected} in {json.dumps(found, indent=1)}")


class Cinder(Walk):
    """A walk with the `cinder` client."""

    version = "3.71"

    def cinder(self, *arguments, who=DEMO):
        done = run(who, "cinder", "--os-volume-api-version", self.version, *arguments)
        self.assertEqual(done.returncode, 0, f"cinder {arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def refused(self, *arguments, who=DEMO):
        done = run(who, "cinder", "--os-volume-api-version", self.version, *arguments)
        self.assertNotEqual(done.returncode, 0, f"cinder {arguments} was to fail: {done.stdout}")
        return done.stdout + done.stderr


class Openstack(Walk):
    """A walk with the `openstack` client."""

    # Unset: the client's own choice.
    version = None

    def command(self, *arguments):
        options = ["--os-volume-api-version", self.version] if self.version else []
        return ["openstack", *options, *arguments]

    def openstack(self, *arguments, who=DEMO):
        done = run(who, *self.command(*arguments))
        self.assertEqual(done.returncode, 0, f"openstack {arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def read(self, *arguments, who=DEMO):
        return json.loads(self.openstack(*arguments, "--format", "json", who=who))

    def refused(self, *arguments, who=DEMO):
        done = run(who, *self.command(*arguments))
        self.assertNotEqual(done.returncode, 0, f"openstack {arguments} was to fail: {done.stdout}")
        return done.stdout + done.stderr


def volume_file(volume_id):
    """The file with a volume's bytes."""
    files = [pool / f"volume-{volume_id}" for pool in POOLS if (pool / f"volume-{volume_id}").exists()]
    assert len(files) == 1, (volume_id, files)
    return files[0]


def write(path, offset, length):
    """Random bytes into the middle of a file."""
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(os.urandom(length))


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
