"""Writes the golden files beside it, with the very calls of stock Cinder's chunked driver.

Run again only when a case is added; needs the PyPI package `zstd`, the one stock Cinder compresses with.
"""

import bz2
import datetime
import hashlib
import json
import pathlib
import zlib

import zstd

HERE = pathlib.Path(__file__).parent
UTC = datetime.timezone.utc
BACKUP = "e300c42c-d6c4-4962-b63a-5acd70661cd2"
PARENT = "0b1f7a52-6f0e-4b53-9d5c-2b9f6f3a8e11"
VOLUME = "7c60c9df-94a1-4d5e-8b8c-0f7c7c1d2e3f"
FRACTION = datetime.datetime(2026, 11, 22, 14, 29, 36, 485793, tzinfo=UTC)
WHOLE = datetime.datetime(2026, 11, 22, 14, 29, 36, tzinfo=UTC)
SWIFT = f"volume_{VOLUME}/20261122142936/az_nova_backup_{BACKUP}"
POSIX = f"volume_{VOLUME}_20261122142936_backup_{BACKUP}"
ODD_NAME = "Größe \"7\" \\ /\u00a0\u007f\u2028 日本 \U0001f525\b\f\n\r\t\x01~"

# What a body decodes to: compressible, and longer than one output buffer.
CONTENT = b"".join(hashlib.sha256(str(number // 8).encode()).digest() for number in range(9001))


def dump(name, document):
    (HERE / name).write_bytes(json.dumps(document, sort_keys=True, indent=2).encode("utf-8"))


def entry(prefix, number, offset, length, compression):
    md5 = hashlib.md5(f"{prefix}{number}".encode()).hexdigest()
    return {f"{prefix}-{number:05d}": {"offset": offset, "length": length, "compression": compression, "md5": md5}}


def manifest(name, prefix, objects, **changes):
    document = {
        "version": "1.0.0", "backup_id": BACKUP, "volume_id": VOLUME, "backup_name": None,
        "backup_description": None, "created_at": str(FRACTION), "objects": objects, "parent_id": None,
        "volume_meta": None,
    }
    dump(name, document | changes)


def sha256_file(name, count, **changes):
    hashes = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(count)]
    document = {
        "version": "1.0.0", "backup_id": BACKUP, "volume_id": VOLUME, "backup_name": None,
        "backup_description": None, "created_at": str(FRACTION), "chunk_size": 32768, "sha256s": hashes,
    }
    dump(name, document | changes)


def volume_meta():
    return json.dumps({
        "version": 2,
        "volume-base-metadata": {"id": VOLUME, "display_name": ODD_NAME, "display_description": None, "size": 1},
        "volume-metadata": {"k": "v", "größe": "\U0001f525"},
        "volume-glance-metadata": {"image_id": PARENT, "min_disk": "0"},
    })


def main():
    manifest("full_swift_metadata", SWIFT, [
        entry(SWIFT, 1, 0, 52428800, "zlib"),
        entry(SWIFT, 2, 52428800, 52428800, "none"),
        entry(SWIFT, 3, 104857600, 52428800, "bz2"),
        entry(SWIFT, 4, 157286400, 1, "zstd"),
    ], backup_name=ODD_NAME, backup_description="dd", volume_meta=volume_meta())
    manifest("incremental_posix_metadata", POSIX, [entry(POSIX, 1, 32768, 65536, "zlib")],
             created_at=str(WHOLE), parent_id=PARENT)
    manifest("unchanged_metadata", POSIX, [], parent_id=PARENT, backup_name="")
    sha256_file("three_sha256file", 3, backup_name=ODD_NAME, backup_description="dd")
    sha256_file("empty_sha256file", 0, created_at=str(WHOLE), chunk_size=512)
    (HERE / "volume_meta").write_bytes(volume_meta().encode())
    (HERE / "body_content").write_bytes(CONTENT)
    (HERE / "body_zlib").write_bytes(zlib.compress(CONTENT))
    (HERE / "body_bz2").write_bytes(bz2.compress(CONTENT))
    (HERE / "body_zstd").write_bytes(zstd.compress(CONTENT))


main()
