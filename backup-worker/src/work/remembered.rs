//! What the backups of a chain remember of their volume, folded into the one description that remains in the end.

use std::collections::BTreeMap;

use format::VolumeMeta;

/// A report must fit into a message; more pairs than this no volume has.
const METADATA_BYTES_MAX: usize = 1 << 20;
/// Names, descriptions, keys and values are at most this many characters (contract §3.6).
const TEXT_CHARS_MAX: usize = 255;
/// Names that a restore made up itself start with it (contract §2.3); they give way to a real one.
const MADE_UP_NAME: &str = "restore_backup_";

/// Applied to a volume, the answer has the outcome of all layers applied oldest first: the first real name with its
/// description (a volume with a name of its own keeps it), and the newest set of pairs. What no database takes is left out.
pub(super) fn fold(layers: Vec<VolumeMeta>) -> Option<VolumeMeta> {
    let mut net = VolumeMeta::default();
    for layer in layers {
        let nameless = net.name.as_deref().is_none_or(|name| name.starts_with(MADE_UP_NAME));
        let name = layer.name.filter(|name| !name.is_empty() && storable(name));
        if nameless && name.is_some() {
            net.name = name;
            net.description = layer.description.filter(|text| storable(text));
        }
        net.metadata = layer.metadata.or(net.metadata);
    }
    net.metadata = net.metadata.map(bounded);
    (net != VolumeMeta::default()).then_some(net)
}

fn bounded(mut pairs: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut bytes = 0;
    pairs.retain(|key, value| {
        if !storable(key) || !storable(value) {
            return false;
        }
        bytes += key.len() + value.len();
        bytes <= METADATA_BYTES_MAX
    });
    pairs
}

fn storable(text: &str) -> bool {
    !text.contains('\0') && text.chars().nth(TEXT_CHARS_MAX).is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Name, description and pairs of a volume.
    type Target = (Option<String>, Option<String>, BTreeMap<String, String>);

    /// One layer over the volume, as the scheduler applies it.
    fn apply(target: &mut Target, layer: &VolumeMeta) {
        let nameless = target.0.as_deref().is_none_or(|name| name.is_empty() || name.starts_with(MADE_UP_NAME));
        if let Some(name) = layer.name.clone().filter(|name| nameless && !name.is_empty()) {
            target.0 = Some(name);
            target.1.clone_from(&layer.description);
        }
        if let Some(pairs) = &layer.metadata {
            target.2.clone_from(pairs);
        }
    }

    fn text() -> impl Strategy<Value = Option<String>> {
        let words = ["", "disk", "data", "restore_backup_1", "restore_backup_2"];
        prop::option::of(prop::sample::select(words.to_vec()).prop_map(str::to_owned))
    }

    fn pairs() -> impl Strategy<Value = BTreeMap<String, String>> {
        prop::collection::btree_map("[ab]", "[xy]", 0..3)
    }

    fn layer() -> impl Strategy<Value = VolumeMeta> {
        let parts = (text(), text(), prop::option::of(pairs()));
        parts.prop_map(|(name, description, metadata)| VolumeMeta { name, description, metadata })
    }

    proptest! {
        #[test]
        fn one_layer_has_the_outcome_of_all(
            layers in prop::collection::vec(layer(), 0..5),
            target in (text(), text(), pairs()),
        ) {
            let (mut one_by_one, mut at_once) = (target.clone(), target);
            layers.iter().for_each(|layer| apply(&mut one_by_one, layer));
            fold(layers).iter().for_each(|net| apply(&mut at_once, net));
            prop_assert_eq!(one_by_one, at_once);
        }
    }

    #[test]
    fn what_no_database_takes_is_left_out() {
        let long = "x".repeat(256);
        let pairs = [("good", "1"), ("nul", "\0"), ("k\0", "1"), ("long", long.as_str()), (long.as_str(), "1")];
        let layer = VolumeMeta {
            name: Some("\0".to_owned()),
            description: None,
            metadata: Some(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        };
        let named = VolumeMeta { name: Some("disk".to_owned()), description: Some(long.clone()), metadata: None };
        let net = fold(vec![layer, named]).expect("something");
        assert_eq!((net.name.as_deref(), net.description), (Some("disk"), None));
        assert_eq!(net.metadata, Some(BTreeMap::from([("good".to_owned(), "1".to_owned())])));
    }

    #[test]
    fn a_report_stays_small() {
        let pairs = (0..10_000).map(|key| (format!("{key:0255}"), "x".repeat(255))).collect();
        let net = fold(vec![VolumeMeta { metadata: Some(pairs), ..VolumeMeta::default() }]).expect("something");
        let bytes: usize = net.metadata.expect("pairs").iter().map(|(key, value)| key.len() + value.len()).sum();
        assert!((METADATA_BYTES_MAX - 510..=METADATA_BYTES_MAX).contains(&bytes));
    }
}
