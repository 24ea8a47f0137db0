//! Hostile and odd input: every reader refuses it with an error of the right kind, in bounded memory, and never panics.

use std::collections::BTreeMap;
use std::io::Read;

use bytes::Bytes;
use domain::{Error, Kind, Result};
use format::{Compression, Decoder, Manifest, ParseLimits, Sha256Reader, VOLUME_META_BYTES_MAX, VolumeMeta};

const PREFIX: &str = "volume_x_backup_y";
const LIMITS: ParseLimits<'static> = ParseLimits { prefix: PREFIX, volume_bytes_max: 1 << 30 };
const ID: &str = "e300c42c-d6c4-4962-b63a-5acd70661cd2";
const MD5: &str = "ec9185a478c863b40d3675cadba61c97";

/// A manifest with these objects (JSON text) and further members in front.
fn manifest(extra: &str, objects: &str) -> String {
    format!(
        r#"{{{extra} "version": "1.0.0", "backup_id": "{ID}", "volume_id": "{ID}", "created_at": "2026-11-22 14:29:36+00:00", "objects": [{objects}]}}"#
    )
}

fn object(name: &str, offset: &str, length: &str) -> String {
    format!(r#"{{"{name}": {{"offset": {offset}, "length": {length}, "md5": "{MD5}", "compression": "none"}}}}"#)
}

fn parse(text: &str) -> Result<Manifest> {
    Manifest::parse(text.as_bytes(), &LIMITS)
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T>, kind: Kind, part: &str) {
    let error = result.expect_err("it was accepted");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.message().contains(part), "{error}");
    assert!(error.message().len() < 300, "{error}");
}

#[test]
fn a_manifest_may_lack_what_stock_lets_lack_and_hold_more() {
    let objects = [object("volume_x_backup_y-00001", "0", "0"), object("volume_x_backup_y odd", "1073741823", "1")];
    let manifest =
        parse(&manifest(r#""ours": {"a": [1, {"b": null}]}, "volume_meta": "x","#, &objects.join(", "))).unwrap();
    assert_eq!(manifest.objects.len(), 2);
    assert_eq!(manifest.volume_meta.as_deref(), Some("x"));
    assert_eq!((manifest.backup_name, manifest.parent_id), (None, None));
}

#[test]
fn every_spelling_of_a_compression() {
    for (word, compression) in [("gzip", Compression::Zlib), ("BZIP2", Compression::Bz2), ("Off", Compression::None)] {
        let object = object("volume_x_backup_y-1", "0", "1").replace("none", word);
        assert_eq!(parse(&manifest("", &object)).unwrap().objects[0].compression, compression);
    }
    let object = object("volume_x_backup_y-1", "0", "1").replace("none", "rot13");
    assert_refused(parse(&manifest("", &object)), Kind::Unsupported, "unsupported compression algorithm: \"rot13\"");
}

#[test]
fn another_version_is_named() {
    let text = manifest("", "").replace("1.0.0", "2.0.0");
    assert_refused(parse(&text), Kind::Unsupported, "No support to restore backup version 2.0.0");
    let text = manifest("", "").replace("1.0.0", r"\u001b[31m\u202e2");
    assert_refused(parse(&text), Kind::Unsupported, r"backup version \u{1b}[31m\u{202e}2");
    let text = manifest("", "").replace("1.0.0", &"9".repeat(100_000));
    assert_refused(parse(&text), Kind::Unsupported, "No support to restore backup version 999");
}

#[test]
fn broken_documents() {
    let good = manifest("", &object("volume_x_backup_y-1", "0", "1"));
    assert!(parse(&good).is_ok());
    for text in [
        "",
        "null",
        "[]",
        "{}",
        "\u{feff}{}",
        "{",
        &good[..good.len() - 1],
        &format!("{good}x"),
        &format!("{good}{good}"),
    ] {
        assert_refused(parse(text), Kind::Damaged, "manifest is damaged");
    }
    assert_refused(Manifest::parse(b"\xff\xfe{}", &LIMITS), Kind::Damaged, "manifest is damaged");
    for key in ["version", "backup_id", "volume_id", "created_at", "objects"] {
        assert_refused(parse(&good.replacen(key, "other", 1)), Kind::Damaged, "manifest is damaged");
        let wrong_type = good.replacen(&format!("\"{key}\": "), &format!("\"{key}\": 7, \"other\": "), 1);
        assert_refused(parse(&wrong_type), Kind::Damaged, "manifest is damaged");
    }
    for key in ["md5", "length", "offset", "compression"] {
        assert_refused(parse(&good.replacen(key, "other", 1)), Kind::Damaged, "manifest is damaged");
    }
    for (from, to) in [(ID, "no id"), ("2026-11-22 14", "yesterday"), (MD5, "ec9185"), (MD5, &"g".repeat(32))] {
        assert_refused(parse(&good.replacen(from, to, 1)), Kind::Damaged, "manifest is damaged");
    }
}

#[test]
fn objects_of_no_or_two_members() {
    for objects in ["{}", "[]", "null", r#"{"volume_x_backup_y-1": 5}"#, r#""volume_x_backup_y-1""#] {
        assert_refused(parse(&manifest("", objects)), Kind::Damaged, "manifest is damaged");
    }
    let two = format!(
        "{}, {}",
        object("volume_x_backup_y-1", "0", "1").trim_end_matches('}'),
        object("volume_x_backup_y-2", "1", "1").trim_start_matches('{')
    );
    assert_refused(parse(&manifest("", &two)), Kind::Damaged, "manifest is damaged");
}

#[test]
fn names_outside_the_prefix_or_twice() {
    let long = format!("{PREFIX}-{}", "x".repeat(1000));
    for name in [
        "",
        "volume_x",
        "other-00001",
        "volume_x_backup_y",
        "volume_x_backup_y/../../etc/passwd",
        "volume_x_backup_y-1\\u0000",
        "volume_x_backup_y_metadata",
        "volume_x_backup_y_sha256file",
        &long,
    ] {
        assert_refused(
            parse(&manifest("", &object(name, "0", "1"))),
            Kind::Damaged,
            "cannot be an object of this backup",
        );
    }
    let twice = object("volume_x_backup_y-1", "0", "1");
    assert_refused(parse(&manifest("", &format!("{twice}, {twice}"))), Kind::Damaged, "listed twice");
}

#[test]
fn offsets_and_lengths_beyond_the_volume() {
    for (offset, length) in [
        ("0", "1073741825"),
        ("1073741824", "1"),
        ("18446744073709551615", "1"),
        ("18446744073709551615", "18446744073709551615"),
    ] {
        assert_refused(
            parse(&manifest("", &object("volume_x_backup_y-1", offset, length))),
            Kind::Damaged,
            "past the end of a volume",
        );
    }
    for (offset, length) in [("-1", "1"), ("0", "1.5"), ("0", "18446744073709551616"), ("0", "1e3"), ("\"0\"", "1")] {
        assert_refused(
            parse(&manifest("", &object("volume_x_backup_y-1", offset, length))),
            Kind::Damaged,
            "manifest is damaged",
        );
    }
}

#[test]
fn deep_and_huge_documents_end_in_an_answer() {
    let deep = format!(r#""ours": {}{},"#, "[".repeat(1_000_000), "]".repeat(1_000_000));
    // Skipped keys may be nested as the parser likes: the answer must only come.
    drop(parse(&manifest(&deep, "")));
    assert_refused(parse(&"[".repeat(1_000_000)), Kind::Damaged, "manifest is damaged");
    let huge = format!(r#""backup_name": "{}","#, "x".repeat(10_000_000));
    assert_eq!(parse(&manifest(&huge, "")).unwrap().backup_name.map(|name| name.len()), Some(10_000_000));
}

fn hashes(text: &[u8]) -> Result<(Option<u64>, Vec<[u8; 32]>)> {
    let mut reader = Sha256Reader::new(text)?;
    let hashes = reader.by_ref().collect::<Result<Vec<_>>>()?;
    assert!(reader.next().is_none());
    Ok((reader.block_size(), hashes))
}

#[test]
fn sha256_files_of_any_layout() {
    let hash = "00ff".repeat(16);
    let upper = hash.to_uppercase();
    for text in [
        format!(r#"{{"sha256s":["{hash}","{upper}"],"chunk_size":32768}}"#),
        format!(
            "\n{{ \"chunk_size\" : 32768 ,\r\n\t\"a\\u0062\\n\" : {{\"\": [ ] , \"x\": {{}}}} , \"sha256s\" : [ \"{hash}\" , \"{hash}\" ] }} \n"
        ),
        format!(
            r#"{{"x":[-1.5e+3,true,false,null,"\"\\\/\b\f\n\r\t\ud800"],"sh\u0061256s":["{hash}","{hash}"],"chunk_size":32768,"y":"{}"}}"#,
            "z".repeat(300_000)
        ),
    ] {
        let (block_size, hashes) = hashes(text.as_bytes()).unwrap();
        assert_eq!((block_size, hashes.len()), (Some(32_768), 2));
        assert!(hashes.iter().all(|bytes| bytes[..2] == [0x00, 0xff]));
    }
    assert_eq!(hashes(br#"{"chunk_size": 512, "sha256s": []}"#).unwrap(), (Some(512), vec![]));
}

#[test]
fn broken_sha256_files() {
    let hash = "0".repeat(64);
    let texts = [
        String::new(),
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "{".to_owned(),
        "{\"sha256s\"".to_owned(),
        "{\"sha256s\": [], \"chunk_size\": 1".to_owned(),
        r#"{"sha256s": []}"#.to_owned(),
        r#"{"chunk_size": 32768}"#.to_owned(),
        r#"{"sha256s": [], "chunk_size": 0}"#.to_owned(),
        r#"{"sha256s": [], "chunk_size": -5}"#.to_owned(),
        r#"{"sha256s": [], "chunk_size": 1.5}"#.to_owned(),
        r#"{"sha256s": [], "chunk_size": "1"}"#.to_owned(),
        r#"{"sha256s": [], "chunk_size": 01}"#.to_owned(),
        r#"{"sha256s": [], "chunk_size": 99999999999999999999}"#.to_owned(),
        format!(r#"{{"sha256s": [], "chunk_size": {}}}"#, "1".repeat(1_000_000)),
        r#"{"sha256s": [], "chunk_size": 1, "chunk_size": 1}"#.to_owned(),
        r#"{"sha256s": [], "chunk_size": 1, "sha256s": []}"#.to_owned(),
        r#"{"sha256s": {}, "chunk_size": 1}"#.to_owned(),
        r#"{"sha256s": [5], "chunk_size": 1}"#.to_owned(),
        r#"{"sha256s": ["00"], "chunk_size": 1}"#.to_owned(),
        format!(r#"{{"sha256s": ["{hash}0"], "chunk_size": 1}}"#),
        format!(r#"{{"sha256s": ["{}"], "chunk_size": 1}}"#, "z".repeat(64)),
        format!(r#"{{"sha256s": ["{hash}",], "chunk_size": 1}}"#),
        format!(r#"{{"sha256s": ["{hash}" "{hash}"], "chunk_size": 1}}"#),
        format!(r#"{{"sha256s": [,"{hash}"], "chunk_size": 1}}"#),
        r#"{"sha256s": [], "chunk_size": 1} x"#.to_owned(),
        r#"{"sha256s": [], "chunk_size": 1,}"#.to_owned(),
        r#"{"x": tru, "sha256s": [], "chunk_size": 1}"#.to_owned(),
        "{\"x\": \"\n\", \"sha256s\": [], \"chunk_size\": 1}".to_owned(),
        r#"{"x": "\x", "sha256s": [], "chunk_size": 1}"#.to_owned(),
        r#"{"x": , "sha256s": [], "chunk_size": 1}"#.to_owned(),
        format!(r#"{{"x": {}"#, "[".repeat(1_000_000)),
        format!(r#"{{"x": "{}"#, "y".repeat(1_000_000)),
    ];
    for text in texts {
        assert_refused(hashes(text.as_bytes()), Kind::Damaged, "sha256 file is damaged");
    }
}

#[test]
fn a_sha256_file_of_another_backup_or_version() {
    let text = format!(r#"{{"backup_id": "{ID}", "chunk_size": 512, "sha256s": [], "version": "1.0.0"}}"#);
    let reader = Sha256Reader::new(text.as_bytes()).unwrap();
    reader.check_backup(ID.parse().unwrap()).unwrap();
    assert_refused(reader.check_backup(domain::BackupId::random()), Kind::Damaged, "another backup");
    assert_eq!(hashes(text.as_bytes()).unwrap(), (Some(512), vec![]));
    assert_refused(hashes(text.replace("1.0.0", "1.0.1").as_bytes()), Kind::Unsupported, "another version");
}

/// A source that fails after its text.
struct Failing<'a>(&'a [u8], fn() -> std::io::Error);

impl Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.0.is_empty() { Err(self.1()) } else { self.0.read(buffer) }
    }
}

#[test]
fn failures_of_the_source_are_not_damage() {
    let text = br#"{"chunk_size": 1, "sha256s": ["#;
    let plain = Failing(text, || std::io::Error::other("gone"));
    assert_refused(
        Sha256Reader::new(plain).and_then(|mut reader| reader.next().unwrap()),
        Kind::Unavailable,
        "could not be read",
    );
    let ours = Failing(text, || std::io::Error::other(Error::cancelled()));
    assert_refused(Sha256Reader::new(ours).and_then(|mut reader| reader.next().unwrap()), Kind::Cancelled, "cancelled");
}

fn decode(compression: Compression, declared: u64, body: &[u8], piece: usize) -> Result<Vec<u8>> {
    let mut decoded = Vec::new();
    let mut sink = |bytes: &[u8]| -> Result<()> {
        decoded.extend_from_slice(bytes);
        Ok(())
    };
    let mut decoder = Decoder::new(compression, declared)?;
    for part in body.chunks(piece) {
        decoder.push(part, &mut sink)?;
    }
    decoder.finish(&mut sink)?;
    assert!(decoded.len() as u64 == declared);
    Ok(decoded)
}

#[test]
fn bodies_cut_extended_flipped_or_misdeclared() {
    let data: Vec<u8> = (0..100_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
    let declared = data.len() as u64;
    for compression in Compression::ALL {
        let body = format::compress(compression, compression.default_level(), &data).unwrap();
        assert_eq!(decode(compression, declared, &body, 4096).unwrap(), data);
        assert_refused(
            decode(compression, declared, &body[..body.len() - 1], 4096),
            Kind::Damaged,
            "object of the backup",
        );
        assert_refused(decode(compression, declared, &[], 4096), Kind::Damaged, "object of the backup");
        assert_refused(decode(compression, declared - 1, &body, 4096), Kind::Damaged, "more than");
        assert_refused(decode(compression, declared + 1, &body, 4096), Kind::Damaged, "its manifest states");
        assert_refused(decode(compression, 0, &body, 4096), Kind::Damaged, "more than");
        assert_refused(decode(compression, declared, &[&body[..], b"x"].concat(), 4096), Kind::Damaged, "damaged");
    }
}

#[test]
fn two_streams_in_a_row() {
    let (front, back) = (vec![1; 100_000], vec![2; 50_000]);
    for compression in [Compression::Zlib, Compression::Zstd, Compression::Bz2] {
        let body = [
            format::compress(compression, compression.default_level(), &front).unwrap(),
            format::compress(compression, compression.default_level(), &back).unwrap(),
        ]
        .concat();
        for piece in [1, 7, 1 << 20] {
            let decoded = decode(compression, 150_000, &body, piece);
            if compression == Compression::Bz2 {
                assert_eq!(decoded.unwrap(), [&front[..], &back[..]].concat());
            } else {
                assert_refused(decoded, Kind::Damaged, "follow the end");
            }
        }
    }
}

#[test]
fn empty_objects() {
    for compression in Compression::ALL {
        let body = format::compress(compression, compression.default_level(), &[]).unwrap();
        assert_eq!(decode(compression, 0, &body, 1).unwrap(), [0; 0]);
    }
    assert_refused(decode(Compression::Zlib, 0, &[], 1), Kind::Damaged, "cut");
    assert_refused(decode(Compression::Zstd, 0, &[], 1), Kind::Damaged, "cut");
}

#[test]
fn a_bomb_stops_at_the_declared_length() {
    let bomb = vec![0; 64 << 20];
    for compression in [Compression::Zlib, Compression::Bz2, Compression::Zstd] {
        let body = format::compress(compression, compression.default_level(), &bomb).unwrap();
        let mut received = 0;
        let mut sink = |bytes: &[u8]| -> Result<()> {
            received += bytes.len();
            Ok(())
        };
        let mut decoder = Decoder::new(compression, 1000).unwrap();
        assert_refused(decoder.push(&body, &mut sink), Kind::Damaged, "more than the 1000 bytes");
        assert!(received <= 1000);
    }
}

#[test]
fn a_zstd_window_beyond_the_limit_is_refused() {
    // Magic, no single segment, no size; a window of 2^31 bytes; an empty last block.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
    assert_refused(decode(Compression::Zstd, 0, &frame, 64), Kind::Damaged, "broken");
}

#[test]
fn errors_of_the_sink_come_out() {
    let mut decoder = Decoder::new(Compression::None, 1 << 20).unwrap();
    let mut sink = |_: &[u8]| -> Result<()> { Err(Error::unavailable("no room")) };
    assert_refused(decoder.push(&[0; 1 << 20], &mut sink), Kind::Unavailable, "no room");
}

#[test]
fn incompressible_data_stays_raw_and_zeros_shrink() {
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(2 << 20)
    .collect();
    for compression in [Compression::Zlib, Compression::Zstd, Compression::Bz2] {
        for length in [0, 1, 100, 2 << 20] {
            let (recorded, body) =
                format::encode(compression, compression.default_level(), Bytes::from(noise[..length].to_vec()))
                    .unwrap();
            assert_eq!((recorded, &body[..]), (Compression::None, &noise[..length]));
        }
        let (recorded, body) =
            format::encode(compression, compression.default_level(), Bytes::from(vec![0; 2 << 20])).unwrap();
        assert_eq!(recorded, compression);
        assert!(body.len() < 4096);
    }
    let (recorded, body) =
        format::encode(Compression::None, Compression::None.default_level(), Bytes::from_static(b"aaaaaaaaaaaa"))
            .unwrap();
    assert_eq!((recorded, body.len()), (Compression::None, 12));
}

#[test]
fn volume_meta_of_other_versions_types_and_sizes() {
    let parse = VolumeMeta::parse;
    assert_eq!(parse(r#"{"version": 1}"#).unwrap(), VolumeMeta::default());
    let one =
        parse(r#"{"version": 2, "volume-base-metadata": {"display_name": "n", "size": 1}, "volume-metadata": {}}"#)
            .unwrap();
    assert_eq!((one.name.as_deref(), one.metadata), (Some("n"), Some(BTreeMap::new())));
    assert_refused(parse(r#"{"version": 3}"#), Kind::Unsupported, "incompatible version");
    for text in [
        "",
        "{}",
        "[]",
        r#"{"version": "2"}"#,
        r#"{"version": 2} x"#,
        r#"{"version": 2, "volume-base-metadata": 5}"#,
        r#"{"version": 2, "volume-metadata": {"a": 1}}"#,
        r#"{"version": 2, "volume-base-metadata": {"display_name": 1}}"#,
        &format!(r#"{{"version": 2, "volume-metadata": {{"a": "{}"}}}}"#, "ß".repeat(256)),
        &format!(r#"{{"version": 2, "x": "{}"}}"#, "x".repeat(VOLUME_META_BYTES_MAX)),
    ] {
        assert_refused(parse(text), Kind::Damaged, "volume_meta is damaged");
    }
}
