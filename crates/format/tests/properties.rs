//! Properties: whatever is written is read back, and no bytes make a reader panic or hand out more than it may.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;

use bytes::Bytes;
use domain::volume::{AttachStatus, Volume, VolumeStatus};
use domain::{BackupId, Result, Timestamp, VolumeId};
use format::{Compression, Decoder, HashRun, Manifest, ManifestObject, ParseLimits, Sha256Header, Sha256Reader};
use format::{Sha256Text, VolumeMeta, names};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const PREFIX: &str = "volume_a/20261122142936/az_zöne_backup_b";
const LIMITS: ParseLimits<'static> = ParseLimits { prefix: PREFIX, volume_bytes_max: u64::MAX };

/// Any text, odd characters included.
fn text() -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..40).prop_map(String::from_iter)
}

fn time() -> impl Strategy<Value = Timestamp> {
    // Years 1970 to 9999, whole seconds among them.
    (0..253_402_300_799_i64, select(vec![0, 1, 485_793, 999_999]))
        .prop_map(|(secs, micros)| Timestamp::from_micros(secs * 1_000_000 + micros))
}

fn compression() -> impl Strategy<Value = Compression> {
    select(Compression::ALL.to_vec())
}

fn objects() -> impl Strategy<Value = Vec<ManifestObject>> {
    let fields = (any::<u32>(), any::<u32>(), compression(), any::<[u8; 16]>(), 1..3_i64);
    vec(fields, 0..20).prop_map(|all| {
        let numbered = all.into_iter().zip(1..);
        let named = numbered.map(|((offset, length, compression, md5, attempt), number)| ManifestObject {
            name: names::data_object(PREFIX, number, attempt),
            offset: offset.into(),
            length: length.into(),
            compression,
            md5,
        });
        named.collect()
    })
}

fn manifest() -> impl Strategy<Value = Manifest> {
    let texts = (option::of(text()), option::of(text()), option::of(text()));
    (any::<[u128; 3]>(), texts, time(), objects(), any::<bool>()).prop_map(
        |(ids, texts, created_at, objects, child)| {
            let id = |index: usize| BackupId::from_uuid(format_uuid(ids[index]));
            Manifest {
                backup_id: id(0),
                volume_id: VolumeId::from_uuid(format_uuid(ids[1])),
                backup_name: texts.0,
                backup_description: texts.1,
                created_at,
                objects,
                parent_id: child.then(|| id(2)),
                volume_meta: texts.2,
            }
        },
    )
}

fn format_uuid(number: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(number)
}

/// Volume-like data: runs of equal bytes and noise.
fn data() -> impl Strategy<Value = Vec<u8>> {
    let run = (any::<u8>(), 1..20_000_usize).prop_map(|(byte, length)| vec![byte; length]);
    vec(prop_oneof![run, vec(any::<u8>(), 1..2000)], 0..12).prop_map(|parts| parts.concat())
}

/// Decodes in pieces of `piece` bytes and checks the promise about the length.
fn decode(compression: Compression, declared: usize, body: &[u8], piece: usize) -> Result<Vec<u8>> {
    let mut decoded = Vec::new();
    let mut sink = |bytes: &[u8]| -> Result<()> {
        decoded.extend_from_slice(bytes);
        assert!(decoded.len() <= declared, "more than was declared");
        Ok(())
    };
    let mut decoder = Decoder::new(compression, declared as u64)?;
    for part in body.chunks(piece) {
        decoder.push(part, &mut sink)?;
    }
    decoder.finish(&mut sink)?;
    assert_eq!(decoded.len(), declared);
    Ok(decoded)
}

/// Hands out at most `step` bytes per call.
struct Slow<'a> {
    text: &'a [u8],
    step: usize,
}

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = buffer.len().min(self.step);
        self.text.read(&mut buffer[..length])
    }
}

fn sha256_text(hashes: &[[u8; 32]], name: Option<String>) -> Sha256Text {
    let header = Sha256Header {
        backup_id: BackupId::random(),
        volume_id: VolumeId::random(),
        backup_name: name,
        backup_description: None,
        created_at: Timestamp::from_micros(0),
        block_size_bytes: 32_768,
    };
    Sha256Text::new(&header, hashes.len() as u64)
}

/// A part of the text. The runs are as long as they can be, but for the first, as a list of runs gives them.
fn write_part(text: &Sha256Text, hashes: &[[u8; 32]], range: Range<u64>) -> Vec<u8> {
    let runs = |first: u64| {
        let runs = hashes[first as usize..].chunk_by(|one, next| one == next);
        runs.map(|run| Ok(HashRun { hash: run[0], count: run.len() as u64 }))
    };
    let mut part = Vec::new();
    text.write(range, runs, &mut part).unwrap();
    part
}

fn sha256_file(hashes: &[[u8; 32]], name: Option<String>) -> Vec<u8> {
    let text = sha256_text(hashes, name);
    write_part(&text, hashes, 0..text.length_bytes())
}

/// Volume-like hashes: runs of equal ones, some longer than what is written at once.
fn hashes() -> impl Strategy<Value = Vec<[u8; 32]>> {
    let run = (any::<[u8; 32]>(), prop_oneof![4 => 1..3_usize, 1 => 900..4000_usize]);
    vec(run, 0..12).prop_map(|runs| runs.into_iter().flat_map(|(hash, count)| vec![hash; count]).collect())
}

/// Reads everything through slow reads.
fn read_hashes(text: &[u8], step: usize) -> Result<Vec<[u8; 32]>> {
    Sha256Reader::new(Slow { text, step })?.collect()
}

proptest! {
    #[test]
    fn manifests_round_trip(manifest in manifest()) {
        let json = manifest.to_json();
        prop_assert!(json.is_ascii());
        prop_assert_eq!(Manifest::parse(&json, &LIMITS).unwrap(), manifest);
    }

    #[test]
    fn changed_manifests_end_in_an_answer(manifest in manifest(), at in any::<Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut json = manifest.to_json();
        let at = at.index(json.len());
        if cut { json.truncate(at) } else { json[at] = byte }
        if let Ok(read) = Manifest::parse(&json, &LIMITS) {
            prop_assert!(read.objects.iter().all(|object| object.name.starts_with(PREFIX)));
        }
    }

    #[test]
    fn sha256_files_round_trip(hashes in vec(any::<[u8; 32]>(), 0..2000), name in option::of(text()), step in 1..70_000_usize) {
        prop_assert_eq!(read_hashes(&sha256_file(&hashes, name), step).unwrap(), hashes);
    }

    #[test]
    fn parts_of_sha256_files_are_the_text(hashes in hashes(), cuts in vec(any::<Index>(), 0..8)) {
        let text = sha256_text(&hashes, None);
        let whole = write_part(&text, &hashes, 0..text.length_bytes());
        prop_assert_eq!(whole.len() as u64, text.length_bytes());
        // As golden files have it; the parts between are as simple as this.
        let lines: Vec<String> = hashes.iter().map(|hash| format!("\n    \"{}\"", stdx::hex::encode(hash))).collect();
        let list = format!("\"sha256s\": [{}", lines.join(","));
        prop_assert!(whole.windows(list.len()).any(|part| part == list.as_bytes()));
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.index(whole.len() + 1)).collect();
        cuts.extend([0, whole.len()]);
        cuts.sort_unstable();
        for cut in cuts.windows(2) {
            prop_assert!(write_part(&text, &hashes, cut[0] as u64..cut[1] as u64) == whole[cut[0]..cut[1]]);
        }
    }

    #[test]
    fn runs_of_sha256_files_come_back(hashes in hashes(), step in 1..70_000_usize, odd in any::<bool>()) {
        let mut text = sha256_file(&hashes, None);
        if odd {
            text.retain(|byte| *byte != b' ');
        }
        let mut reader = Sha256Reader::new(Slow { text: &text, step }).unwrap();
        let mut runs = Vec::new();
        while let Some(run) = reader.next_run().unwrap() {
            runs.push(run);
        }
        prop_assert!(odd || runs.windows(2).all(|pair| pair[0].hash != pair[1].hash));
        let read: Vec<[u8; 32]> = runs.iter().flat_map(|run| vec![run.hash; run.count as usize]).collect();
        prop_assert!(read == hashes);
    }

    #[test]
    fn changed_sha256_files_end_in_an_answer(hashes in vec(any::<[u8; 32]>(), 0..20), at in any::<Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut text = sha256_file(&hashes, None);
        let at = at.index(text.len());
        if cut { text.truncate(at) } else { text[at] = byte }
        if let Ok(read) = read_hashes(&text, 4096) {
            prop_assert!(!cut);
            prop_assert!(read.len() <= hashes.len());
        }
    }

    #[test]
    fn any_bytes_end_in_an_answer(bytes in vec(any::<u8>(), 0..3000), declared in 0..100_000_usize, piece in 1..3000_usize) {
        drop(Manifest::parse(&bytes, &LIMITS));
        drop(read_hashes(&bytes, 64));
        drop(VolumeMeta::parse(&String::from_utf8_lossy(&bytes)));
        for compression in Compression::ALL {
            drop(decode(compression, declared, &bytes, piece));
        }
    }

    #[test]
    fn any_json_like_text_ends_in_an_answer(tokens in vec(select(vec!["{", "}", "[", "]", ",", ":", "\"sha256s\"", "\"chunk_size\"", "1", "\"\\u00", "null", " ", "\""]), 0..40)) {
        let text = tokens.concat();
        drop(Manifest::parse(text.as_bytes(), &LIMITS));
        drop(read_hashes(text.as_bytes(), 3));
    }

    #[test]
    fn bodies_round_trip(data in data(), compression in compression(), piece in 1..100_000_usize) {
        let (recorded, body) = format::encode(compression, compression.default_level(), Bytes::from(data.clone())).unwrap();
        prop_assert!(body.len() < data.len() || recorded == Compression::None);
        prop_assert_eq!(decode(recorded, data.len(), &body, piece).unwrap(), data);
    }

    #[test]
    fn changed_bodies_end_in_an_answer(data in data(), compression in compression(), at in any::<Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut body = format::compress(compression, compression.default_level(), &data).unwrap();
        prop_assume!(!body.is_empty());
        let at = at.index(body.len());
        if cut { body.truncate(at) } else { body[at] = byte }
        let decoded = decode(compression, data.len(), &body, 4096);
        // A bzip2 body is any number of streams: none at all holds no bytes, and none were declared.
        if cut && !(data.is_empty() && at == 0) {
            prop_assert!(decoded.is_err());
        }
    }

    #[test]
    fn volume_meta_round_trips(name in option::of(text()), metadata in btree_map(text(), text(), 0..5)) {
        let written = VolumeMeta::describe(&volume(name.clone()), &metadata);
        prop_assert!(written.is_ascii());
        let read = VolumeMeta::parse(&written).unwrap();
        let metadata = Some(metadata).filter(|pairs| !pairs.is_empty());
        prop_assert_eq!(read, VolumeMeta { name, description: Some("d".to_owned()), metadata });
    }
}

fn volume(name: Option<String>) -> Volume {
    Volume {
        id: VolumeId::from_uuid(format_uuid(1)),
        project_id: "p".to_owned(),
        user_id: "u".to_owned(),
        name,
        description: Some("d".to_owned()),
        size_gb: 1,
        status: VolumeStatus::BackingUp,
        previous_status: Some(VolumeStatus::Available),
        attach_status: AttachStatus::Detached,
        migration_status: None,
        availability_zone: "nova".to_owned(),
        volume_type_id: "t".to_owned(),
        name_id: None,
        pool: Some("pool".to_owned()),
        host: Some("host@backend#pool".to_owned()),
        snapshot_id: None,
        source_volume_id: None,
        source_backup_id: None,
        group_id: None,
        bootable: false,
        multiattach: false,
        created_at: Timestamp::from_micros(1_795_271_375_733_662),
        updated_at: None,
        launched_at: None,
    }
}

#[test]
fn volume_meta_is_laid_out_as_stock_does_and_tells_no_host() {
    let metadata = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
    let written = VolumeMeta::describe(&volume(Some("n".to_owned())), &metadata);
    assert_eq!(
        written,
        concat!(
            r#"{"version": 2, "volume-base-metadata": {"id": "00000000-0000-0000-0000-000000000001", "_name_id": null, "#,
            r#""use_quota": true, "ec2_id": null, "user_id": "u", "project_id": "p", "snapshot_id": null, "#,
            r#""cluster_name": null, "host": null, "size": 1, "availability_zone": "nova", "status": "backing-up", "#,
            r#""attach_status": "detached", "migration_status": null, "scheduled_at": null, "launched_at": null, "#,
            r#""terminated_at": null, "display_name": "n", "display_description": "d", "provider_location": null, "#,
            r#""provider_auth": null, "provider_geometry": null, "provider_id": null, "volume_type_id": "t", "#,
            r#""source_volid": null, "encryption_key_id": null, "consistencygroup_id": null, "group_id": null, "#,
            r#""bootable": false, "multiattach": false, "replication_status": null, "#,
            r#""replication_extended_status": null, "replication_driver_data": null, "previous_status": "available", "#,
            r#""service_uuid": null, "shared_targets": false, "deleted_at": null, "deleted": false, "#,
            r#""created_at": "2026-11-21T14:29:35.733662", "updated_at": null}, "volume-metadata": {"k": "v"}}"#,
        )
    );
}

#[test]
fn a_manifest_of_a_hundred_thousand_objects() {
    let objects: Vec<_> = (1..=100_000_u64)
        .map(|number| ManifestObject {
            name: names::data_object(PREFIX, number, 1),
            offset: number << 15,
            length: 1 << 15,
            compression: Compression::Zstd,
            md5: [7; 16],
        })
        .collect();
    let manifest = Manifest {
        backup_id: BackupId::random(),
        volume_id: VolumeId::random(),
        backup_name: None,
        backup_description: None,
        created_at: Timestamp::from_micros(0),
        objects,
        parent_id: None,
        volume_meta: None,
    };
    let json = manifest.to_json();
    assert_eq!(Manifest::parse(&json, &LIMITS).unwrap(), manifest);
}
