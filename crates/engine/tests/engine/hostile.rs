//! Backups that somebody has tampered with: each is refused with a reason, in bounded memory, and where the manifest alone
//! shows it, before an existing volume is touched.

use domain::Kind;
use engine::Layer;
use format::{Compression, Manifest, names};

use crate::lab::{CHUNK, Lab, noise};

/// Backs up three chunks, lets `tamper` at the manifest, and answers the error of restoring to a used volume and whether
/// that volume was touched.
async fn restore_tampered(compression: Compression, tamper: impl FnOnce(&mut Manifest)) -> (domain::Error, bool) {
    let lab = Lab::new(compression);
    let (layer, _) = lab.back_up(&noise(1, 3 * CHUNK), None).await;
    let mut manifest = lab.manifest(&layer).await;
    tamper(&mut manifest);
    lab.put(&names::metadata(&layer.prefix), manifest.to_json()).await;
    restore(&lab, layer).await
}

async fn restore(lab: &Lab, layer: Layer) -> (domain::Error, bool) {
    let before = vec![7; 3 * CHUNK];
    let target = lab.volume(&before);
    let error = lab.restore(&[layer], &target, false).await.unwrap_err();
    (error, volume::suite::content(&*target).unwrap() != before)
}

#[tokio::test]
async fn manifests_that_contradict_themselves_touch_nothing() {
    type Tamper = fn(&mut Manifest);
    let tampers: [(&str, Tamper); 7] = [
        ("overlap", |manifest| manifest.objects[1].offset -= 1),
        ("same place", |manifest| manifest.objects[1].offset = 0),
        ("past the hashes", |manifest| manifest.objects[2].offset += 4096),
        ("far past the volume", |manifest| manifest.objects[2].offset = 1 << 50),
        ("huge", |manifest| manifest.objects[2].length = 1 << 60),
        ("overflowing", |manifest| manifest.objects[2].length = u64::MAX - 10),
        ("foreign name", |manifest| manifest.objects[0].name = "volume_other/1".to_owned()),
    ];
    for (what, tamper) in tampers {
        let (error, touched) = restore_tampered(Compression::None, tamper).await;
        assert_eq!((error.kind(), touched), (Kind::Damaged, false), "{what}: {error}");
    }
}

#[tokio::test]
async fn documents_that_are_none_touch_nothing() {
    let lab = Lab::new(Compression::Zstd);
    let (layer, _) = lab.back_up(&noise(2, 3 * CHUNK), None).await;
    let (manifest, hashes) = (names::metadata(&layer.prefix), names::sha256_file(&layer.prefix));
    let good_manifest = String::from_utf8(lab.get(&manifest).await).unwrap();
    let good_hashes = String::from_utf8(lab.get(&hashes).await).unwrap();
    let md5 = "\"md5\": \"";
    let cases = [
        (&manifest, String::new()),
        (&manifest, good_manifest.replacen(md5, &format!("{md5}00"), 1)),
        (&manifest, good_manifest.replace("\"version\": \"1.0.0\"", "\"version\": \"9.0.0\"")),
        (&manifest, good_manifest.replace("\\\"version\\\": 2", "\\\"version\\\": 77")),
        (&hashes, "{}".to_owned()),
        (&hashes, good_hashes.replace("\"chunk_size\": 4096", "\"chunk_size\": 1")),
        (&hashes, good_hashes.replace("\"chunk_size\": 4096", "\"chunk_size\": 99999999999")),
    ];
    for (name, document) in cases {
        let good = lab.get(name).await;
        assert_ne!(document.as_bytes(), good, "the case changes nothing");
        lab.put(name, document.clone().into_bytes()).await;
        let (error, touched) = restore(&lab, layer.clone()).await;
        assert!(!touched && !error.retryable(), "{document:.200}: {error}");
        lab.put(name, good).await;
    }
}

#[tokio::test]
async fn objects_that_are_not_what_the_manifest_says_fail() {
    type Tamper = fn(&mut Manifest);
    let tampers: [(&str, Compression, Tamper); 4] = [
        ("swapped", Compression::None, |manifest| {
            let name = manifest.objects[0].name.clone();
            manifest.objects[0].name = std::mem::replace(&mut manifest.objects[1].name, name);
        }),
        ("another codec", Compression::None, |manifest| manifest.objects[1].compression = Compression::Zstd),
        ("shorter", Compression::None, |manifest| manifest.objects[2].length -= 4096),
        ("left out", Compression::None, |manifest| drop(manifest.objects.remove(1))),
    ];
    for (what, compression, tamper) in tampers {
        let (error, _) = restore_tampered(compression, tamper).await;
        assert_eq!(error.kind(), Kind::Damaged, "{what}: {error}");
    }
}

#[tokio::test]
async fn a_bomb_is_not_unpacked() {
    let lab = Lab::new(Compression::Zstd);
    let (layer, _) = lab.back_up(&vec![1; 3 * CHUNK], None).await;
    let bomb = format::compress(Compression::Zstd, 3, &vec![1; 64 << 20]).unwrap();
    lab.put(&names::data_object(&layer.prefix, 2, 1), bomb).await;
    let (error, _) = restore(&lab, layer).await;
    assert_eq!(error.kind(), Kind::Damaged, "{error}");
}

#[tokio::test]
async fn an_object_of_absurd_length_is_not_read() {
    let lab = Lab::new(Compression::Zstd);
    let (layer, _) = lab.back_up(&vec![1; 3 * CHUNK], None).await;
    lab.put(&names::data_object(&layer.prefix, 2, 1), vec![0; 1 << 20]).await;
    let (error, _) = restore(&lab, layer).await;
    assert_eq!(error.kind(), Kind::Damaged, "{error}");
}

#[tokio::test]
async fn a_manifest_that_no_such_volume_needs_is_not_read() {
    let lab = Lab::new(Compression::Zstd);
    let (layer, _) = lab.back_up(&vec![1; 3 * CHUNK], None).await;
    let name = names::metadata(&layer.prefix);
    let mut manifest = lab.get(&name).await;
    manifest.resize(usize::try_from(format::manifest_bytes_max(1 << 30)).unwrap() + 1, b' ');
    lab.put(&name, manifest.clone()).await;
    let (error, touched) = restore(&lab, layer.clone()).await;
    assert_eq!((error.kind(), touched), (Kind::Damaged, false), "{error}");
    assert!(error.message().contains("larger than that of any volume of 1 GiB"), "{error}");
    manifest.pop();
    lab.put(&name, manifest).await;
    lab.assert_restores(&[layer], &vec![1; 3 * CHUNK]).await;
}
