//! Golden files: what stock Cinder's own calls wrote is written here byte for byte, and read back.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use bytes::Bytes;
use domain::{BackupId, Timestamp, VolumeId};
use format::{Compression, Decoder, HashRun, Manifest, ManifestObject, ParseLimits, Sha256Header, Sha256Reader};
use format::{Sha256Text, VolumeMeta, names};

const BACKUP: &str = "e300c42c-d6c4-4962-b63a-5acd70661cd2";
const PARENT: &str = "0b1f7a52-6f0e-4b53-9d5c-2b9f6f3a8e11";
const VOLUME: &str = "7c60c9df-94a1-4d5e-8b8c-0f7c7c1d2e3f";
const ODD_NAME: &str = "Größe \"7\" \\ /\u{a0}\u{7f}\u{2028} 日本 \u{1f525}\u{8}\u{c}\n\r\t\u{1}~";
const MIB_50: u64 = 52_428_800;

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("golden/", $name))
    };
}

fn backup() -> BackupId {
    BACKUP.parse().unwrap()
}

fn volume() -> VolumeId {
    VOLUME.parse().unwrap()
}

fn fraction() -> Timestamp {
    Timestamp::parse("2026-11-22T14:29:36.485793").unwrap()
}

fn whole() -> Timestamp {
    Timestamp::parse("2026-11-22T14:29:36").unwrap()
}

fn swift_prefix() -> String {
    names::swift_prefix(volume(), fraction(), "nova", backup())
}

fn posix_prefix() -> String {
    names::posix_prefix(volume(), fraction(), backup())
}

fn hex<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).unwrap();
    }
    bytes
}

fn object(prefix: &str, number: u64, offset: u64, length: u64, compression: Compression, md5: &str) -> ManifestObject {
    ManifestObject { name: names::data_object(prefix, number, 1), offset, length, compression, md5: hex(md5) }
}

fn empty_manifest() -> Manifest {
    Manifest {
        backup_id: backup(),
        volume_id: volume(),
        backup_name: None,
        backup_description: None,
        created_at: fraction(),
        objects: Vec::new(),
        parent_id: None,
        volume_meta: None,
    }
}

/// Both ways: written as stock writes it, and read to the same thing.
fn assert_manifest(golden: &[u8], manifest: &Manifest, prefix: &str) {
    assert_eq!(String::from_utf8_lossy(&manifest.to_json()), String::from_utf8_lossy(golden));
    let limits = ParseLimits { prefix, volume_bytes_max: 1 << 40 };
    assert_eq!(Manifest::parse(golden, &limits).unwrap(), *manifest);
}

#[test]
fn a_full_backup_in_swift_with_every_compression_and_odd_texts() {
    let prefix = swift_prefix();
    let golden = golden!("full_swift_metadata");
    let md5s = md5s_of(golden);
    let manifest = Manifest {
        backup_name: Some(ODD_NAME.to_owned()),
        backup_description: Some("dd".to_owned()),
        objects: vec![
            object(&prefix, 1, 0, MIB_50, Compression::Zlib, &md5s[0]),
            object(&prefix, 2, MIB_50, MIB_50, Compression::None, &md5s[1]),
            object(&prefix, 3, 2 * MIB_50, MIB_50, Compression::Bz2, &md5s[2]),
            object(&prefix, 4, 3 * MIB_50, 1, Compression::Zstd, &md5s[3]),
        ],
        volume_meta: Some(String::from_utf8_lossy(golden!("volume_meta")).into_owned()),
        ..empty_manifest()
    };
    assert_manifest(golden, &manifest, &prefix);
}

#[test]
fn an_incremental_backup_in_a_directory() {
    let prefix = posix_prefix();
    let golden = golden!("incremental_posix_metadata");
    let manifest = Manifest {
        created_at: whole(),
        objects: vec![object(&prefix, 1, 32_768, 65_536, Compression::Zlib, &md5s_of(golden)[0])],
        parent_id: Some(PARENT.parse().unwrap()),
        ..empty_manifest()
    };
    assert_manifest(golden, &manifest, &prefix);
}

#[test]
fn an_unchanged_incremental_has_no_objects() {
    let manifest =
        Manifest { parent_id: Some(PARENT.parse().unwrap()), backup_name: Some(String::new()), ..empty_manifest() };
    assert_manifest(golden!("unchanged_metadata"), &manifest, &posix_prefix());
}

/// The MD5s of the golden file: of no meaning, so they are taken from there.
fn md5s_of(golden: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(golden);
    let after_key = text.split("\"md5\": \"").skip(1);
    after_key.map(|rest| rest[..32].to_owned()).collect()
}

fn hashes_of(golden: &[u8]) -> Vec<[u8; 32]> {
    let text = String::from_utf8_lossy(golden);
    let lines = text.lines().filter_map(|line| line.strip_prefix("    \""));
    lines.map(|line| hex(&line[..64])).collect()
}

fn sha256_header() -> Sha256Header {
    Sha256Header {
        backup_id: backup(),
        volume_id: volume(),
        backup_name: None,
        backup_description: None,
        created_at: fraction(),
        block_size_bytes: 32_768,
    }
}

fn assert_sha256_file(golden: &[u8], header: &Sha256Header, hashes: &[[u8; 32]]) {
    let text = Sha256Text::new(header, hashes.len() as u64);
    let runs = || hashes.iter().map(|hash| Ok(HashRun { hash: *hash, count: 1 }));
    let mut written = Vec::new();
    text.write(0..text.length_bytes(), |_| runs(), &mut written).unwrap();
    assert_eq!(String::from_utf8_lossy(&written), String::from_utf8_lossy(golden));
    let reader = Sha256Reader::new(golden).unwrap();
    assert_eq!(reader.block_size(), Some(header.block_size_bytes));
    assert_eq!(reader.collect::<Result<Vec<_>, _>>().unwrap(), hashes);
}

#[test]
fn a_sha256_file() {
    let golden = golden!("three_sha256file");
    let header = Sha256Header {
        backup_name: Some(ODD_NAME.to_owned()),
        backup_description: Some("dd".to_owned()),
        ..sha256_header()
    };
    let hashes = hashes_of(golden);
    assert_eq!(hashes.len(), 3);
    assert_sha256_file(golden, &header, &hashes);
}

#[test]
fn an_empty_sha256_file() {
    let header = Sha256Header { created_at: whole(), block_size_bytes: 512, ..sha256_header() };
    assert_sha256_file(golden!("empty_sha256file"), &header, &[]);
}

#[test]
fn volume_meta_of_stock_is_read() {
    let meta = VolumeMeta::parse(&String::from_utf8_lossy(golden!("volume_meta"))).unwrap();
    assert_eq!(meta.name.as_deref(), Some(ODD_NAME));
    assert_eq!(meta.description, None);
    let metadata: Vec<_> = meta.metadata.unwrap().into_iter().collect();
    assert_eq!(metadata, [("größe".to_owned(), "\u{1f525}".to_owned()), ("k".to_owned(), "v".to_owned())]);
}

#[test]
fn bodies_of_stock_are_decoded() {
    let content = golden!("body_content");
    let bodies: [(Compression, &[u8]); 4] = [
        (Compression::None, content),
        (Compression::Zlib, golden!("body_zlib")),
        (Compression::Bz2, golden!("body_bz2")),
        (Compression::Zstd, golden!("body_zstd")),
    ];
    for (compression, body) in bodies {
        let mut decoded = Vec::new();
        let mut sink = |bytes: &[u8]| -> domain::Result<()> {
            decoded.extend_from_slice(bytes);
            Ok(())
        };
        let mut decoder = Decoder::new(compression, content.len() as u64).unwrap();
        for piece in body.chunks(1000) {
            decoder.push(piece, &mut sink).unwrap();
        }
        decoder.finish(&mut sink).unwrap();
        assert!(decoded == content, "{compression:?}");
    }
}

#[test]
fn our_bodies_carry_the_marks_that_stock_needs() {
    let content = Bytes::from_static(golden!("body_content"));
    let (recorded, body) = format::encode(Compression::Zlib, 6, content.clone()).unwrap();
    assert_eq!((recorded, &body[..2]), (Compression::Zlib, [0x78, 0x9c].as_slice()));
    let (recorded, body) = format::encode(Compression::Bz2, 9, content.clone()).unwrap();
    assert_eq!((recorded, &body[..4]), (Compression::Bz2, b"BZh9".as_slice()));
    let (recorded, body) = format::encode(Compression::Zstd, 3, content.clone()).unwrap();
    assert_eq!((recorded, &body[..4]), (Compression::Zstd, [0x28, 0xb5, 0x2f, 0xfd].as_slice()));
    // The two highest bits of the descriptor give the width of the content size: 10 is four bytes; bit 2 is the checksum.
    let descriptor = body[4];
    assert_eq!(descriptor & 0b1100_0100, 0b1000_0000);
    let window_bytes = usize::from(descriptor & 0b0010_0000 == 0);
    let size = &body[5 + window_bytes..9 + window_bytes];
    assert_eq!(u32::from_le_bytes(size.try_into().unwrap()) as usize, content.len());
}
