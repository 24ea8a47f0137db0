//! Objects that come to a backup's place after the job that wrote there.

use domain::Kind;
use engine::{Layer, Spares};
use format::{Compression, names};
use storage::ObjectStore;
use storage::layers::{Fault, Operation, Rule};

use crate::lab::{CHUNK, CONTAINER, Lab, identity, layer, text};

async fn late(lab: &Lab, layer: &Layer) -> String {
    let name = names::data_object(&layer.prefix, 99, 1);
    lab.put(&name, b"late".to_vec()).await;
    name
}

async fn remove(lab: &Lab, name: &str) {
    lab.store.delete(CONTAINER, name).await.unwrap();
}

const ALL: [Spares; 3] = [Spares::Rest, Spares::Whole, Spares::Nothing];

#[tokio::test]
async fn of_a_whole_backup_only_strangers_go() {
    let lab = Lab::new(Compression::Zstd);
    let content = text(3 * CHUNK);
    for spares in ALL {
        let (layer, _) = lab.back_up(&content, None).await;
        let neighbour = format!("{}0-00001", layer.prefix);
        lab.put(&neighbour, b"another's".to_vec()).await;
        late(&lab, &layer).await;
        for _ in 0..2 {
            engine::sweep(&lab.context, layer.clone(), spares).await.unwrap();
        }
        if spares == Spares::Nothing {
            assert_eq!(lab.names(&layer.prefix).await, [neighbour]);
            continue;
        }
        remove(&lab, &neighbour).await;
        lab.assert_no_strangers(&layer).await;
        lab.assert_restores(&[layer], &content).await;
    }
}

#[tokio::test]
async fn what_is_not_whole_goes_where_nobody_has_it() {
    let lab = Lab::new(Compression::Zstd);
    for spares in ALL {
        for lost in ["_metadata", "_sha256file", "-00001"] {
            let (layer, _) = lab.back_up(&text(2 * CHUNK), None).await;
            late(&lab, &layer).await;
            remove(&lab, &format!("{}{lost}", layer.prefix)).await;
            let before = lab.names(&layer.prefix).await;
            engine::sweep(&lab.context, layer.clone(), spares).await.unwrap();
            let left = if spares == Spares::Rest { before } else { Vec::new() };
            assert_eq!(lab.names(&layer.prefix).await, left, "{spares:?} {lost}");
        }
    }
}

/// A store that is in doubt about one object is no reason to remove the others.
#[tokio::test]
async fn what_cannot_be_told_goes_nowhere() {
    let lab = Lab::new(Compression::Zstd);
    let (layer, _) = lab.back_up(&text(2 * CHUNK), None).await;
    let name = late(&lab, &layer).await;
    for operation in [Operation::Head, Operation::Get, Operation::List] {
        lab.store.inject(Rule::new(operation, 1, Fault::Fail(Kind::Unavailable)));
        let error = engine::sweep(&lab.context, layer.clone(), Spares::Whole).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Unavailable);
        lab.store.heal();
        assert!(lab.names(&layer.prefix).await.contains(&name));
    }
    lab.put(&names::metadata(&layer.prefix), b"no manifest".to_vec()).await;
    let error = engine::sweep(&lab.context, layer.clone(), Spares::Whole).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged);
    assert!(lab.names(&layer.prefix).await.contains(&name));
}

#[tokio::test]
async fn an_empty_place_is_swept_too() {
    let lab = Lab::new(Compression::None);
    let nothing = layer(&identity(None), &text(CHUNK));
    for spares in ALL {
        engine::sweep(&lab.context, nothing.clone(), spares).await.unwrap();
        let nowhere = Layer { prefix: String::new(), ..nothing.clone() };
        assert_eq!(engine::sweep(&lab.context, nowhere, spares).await.unwrap_err().kind(), Kind::Invalid);
    }
}
