"""Runs stock Cinder's own chunked backup drivers, unmodified, on commands from standard input.

One JSON object per line in, one per line out, in the same order. Only what surrounds a driver is made up here: database
rows, the database, notifications. Names, objects, manifests, hashes and compression are stock Cinder's.

    {"op": "know", "backup": BACKUP}
        remembers a backup that was made elsewhere, so that it can be restored, deleted or be a parent
    {"op": "backup", "store": STORE, "backup": BACKUP, "volume": VOLUME}
        takes a backup of the file VOLUME["path"]; incremental when BACKUP["parent_id"] is set
    {"op": "restore", "store": STORE, "backup_id": ID, "volume": VOLUME, "volume_is_new": BOOL}
        restores a backup and its parents onto the file VOLUME["path"]
    {"op": "delete", "store": STORE, "backup_id": ID}
    {"op": "export", "backup": FIELDS}
        answers as "record" what stock's object of these fields exports
    {"op": "import", "record": TEXT}
        answers as "fields" what stock reads of a record, after its own objects took them

STORE   {"driver": "posix", "path": …} or {"driver": "swift", "auth_url": …, "user": …, "key": …}, and for both
        "object_size", "block_size" (bytes), "compression"
BACKUP  "id", "volume_id", "created_at" (ISO 8601), and where set "parent_id", "container", "service_metadata",
        "display_name", "display_description", "size" (GiB, 1 when left out)
VOLUME  "id", "path", and where set "display_name", "display_description", "metadata"

Answers: {"ok": true, "backup": BACKUP with "object_count", "volume": what the restore applied to the volume}
or {"ok": false, "error": "<class>: <text>"}.
"""

import contextlib
import datetime
import json
import os
import sys
import tempfile
import types
import warnings

warnings.simplefilter("ignore")

from cinder import context, objects  # noqa: E402
from cinder.backup.drivers import posix, swift  # noqa: E402
from cinder.db import base as db_base  # noqa: E402
from cinder.volume import volume_utils  # noqa: E402
from oslo_config import cfg  # noqa: E402

CONF = cfg.CONF

objects.register_all()
STOCK_OBJECT = objects.Backup


class Backup:
    """A row of the table of backups, as far as the drivers use it."""

    FIELDS = ("id", "volume_id", "parent_id", "container", "service_metadata", "display_name",
              "display_description", "size", "object_count", "created_at")
    known = {}

    def __init__(self, fields):
        values = dict.fromkeys(self.FIELDS) | {"size": 1, "object_count": 0} | fields
        values["created_at"] = datetime.datetime.fromisoformat(values["created_at"])
        self.status = "available"
        for name in self.FIELDS:
            setattr(self, name, values[name])
        self.known[self.id] = self

    @classmethod
    def get_by_id(cls, _context, backup_id):
        return cls.known[backup_id]

    def __getitem__(self, name):
        return getattr(self, name)

    @contextlib.contextmanager
    def as_read_deleted(self):
        yield

    def refresh(self):
        pass

    def save(self):
        pass

    def fields(self):
        values = {name: getattr(self, name) for name in self.FIELDS}
        return values | {"created_at": self.created_at.isoformat()}


class Volume(dict):
    """A row of the table of volumes: iterating it gives its columns, as SQLAlchemy's models do."""

    def __iter__(self):
        return iter(self.items())


class Database:
    """The one volume that a command is about."""

    def __init__(self, volume):
        columns = {"id": volume["id"], "size": 1, "volume_type_id": None, "encryption_key_id": None}
        columns["display_name"] = volume.get("display_name")
        columns["display_description"] = volume.get("display_description")
        self.volume = Volume(columns)
        self.metadata = volume.get("metadata") or {}

    def volume_get(self, _context, _volume_id):
        return self.volume

    def volume_update(self, _context, _volume_id, values):
        self.volume.update(values)

    def volume_metadata_get(self, _context, _volume_id):
        return self.metadata

    def volume_metadata_update(self, _context, _volume_id, metadata, _delete):
        self.metadata = metadata

    def volume_glance_metadata_get(self, _context, _volume_id):
        return []

    def applied(self):
        names = ("display_name", "display_description")
        return {name: self.volume[name] for name in names} | {"metadata": self.metadata}


def make_driver(store, volume):
    """A driver of stock's, configured as an operator would, and what it takes for the database."""
    if store["driver"] == "posix":
        options = {"backup_posix_path": store["path"], "backup_file_size": store["object_size"],
                   "backup_sha_block_size_bytes": store["block_size"], "backup_enable_progress_timer": False}
        driver_class = posix.PosixBackupDriver
    else:
        options = {"backup_swift_auth": "single_user", "backup_swift_auth_version": "1",
                   "backup_swift_auth_url": store["auth_url"], "backup_swift_user": store["user"],
                   "backup_swift_key": store["key"], "backup_swift_object_size": store["object_size"],
                   "backup_swift_block_size": store["block_size"], "backup_swift_enable_progress_timer": False}
        driver_class = swift.SwiftBackupDriver
    options["backup_compression_algorithm"] = store["compression"]
    for name, value in options.items():
        CONF.set_override(name, value)
    driver = driver_class(types.SimpleNamespace(user_id="stock", project_id="stock"))
    database = Database(volume)
    driver.db = driver.backup_meta_api.db = database
    return driver, database


def do_backup(command):
    backup = Backup(command["backup"])
    driver, _ = make_driver(command["store"], command["volume"])
    backup.status = "creating"
    with open(command["volume"]["path"], "rb") as volume_file:
        driver.backup(backup, volume_file)
    backup.status = "available"
    return {"backup": backup.fields()}


def do_restore(command):
    backup = Backup.known[command["backup_id"]]
    volume = command["volume"]
    driver, database = make_driver(command["store"], volume)
    backup.status = "restoring"
    try:
        with open(volume["path"], "rb+") as volume_file:
            driver.restore(backup, volume["id"], volume_file, command["volume_is_new"])
    finally:
        backup.status = "available"
    return {"volume": database.applied()}


def do_delete(command):
    backup = Backup.known[command["backup_id"]]
    driver, _ = make_driver(command["store"], {"id": backup.volume_id})
    driver.delete_backup(backup)
    del Backup.known[backup.id]
    return {}


def do_know(command):
    Backup(command["backup"])
    return {}


def do_export(command):
    backup = stock_backup(command["backup"])
    return {"record": backup.encode_record(driver_info={})}


def do_import(command):
    fields = STOCK_OBJECT.decode_record(command["record"])
    fields.pop("driver_info")
    # As the manager does before it lets the row take the rest.
    taken = stock_backup(fields)
    return {"fields": {name: taken.fields[name].to_primitive(taken, name, getattr(taken, name)) for name in fields}}


def stock_backup(fields):
    """Stock's own object; what is not named is null."""
    values = {"parent_id": None, "metadata": {}} | fields
    backup = STOCK_OBJECT(context=context.RequestContext("u", "p"))
    for name, field in STOCK_OBJECT.fields.items():
        if name != "parent":
            setattr(backup, name, field.from_primitive(backup, name, values.get(name)))
    return backup


def answer(line):
    try:
        command = json.loads(line)
        operation = {"backup": do_backup, "restore": do_restore, "delete": do_delete, "know": do_know,
                     "export": do_export, "import": do_import}
        return {"ok": True} | operation[command["op"]](command)
    except Exception as error:
        return {"ok": False, "error": f"{type(error).__name__}: {error}"}


def main():
    # Whatever a library prints must not stand between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    objects.Backup = Backup
    volume_utils.notify_about_backup_usage = lambda *args, **kwargs: None
    db_base.Base.__init__ = lambda self: None
    with tempfile.TemporaryDirectory() as state:
        CONF(["--config-dir", state], project="cinder", default_config_files=[])
        CONF.set_override("state_path", state)
        for line in sys.stdin:
            print(json.dumps(answer(line)), file=answers)


if __name__ == "__main__":
    main()
