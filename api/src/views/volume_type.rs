//! Volume types as clients see them (contract §1.10).

use db::metadata::Pairs;
use db::types::VolumeType;
use db::types::encryption::Encryption;
use serde_json::{Value, json};

use super::time;
use crate::call::Call;
use crate::policy::rules;

/// The extra specs that everybody may see.
pub(crate) const USER_VISIBLE: [&str; 3] = ["RESKEY:availability_zones", "multiattach", "replication_enabled"];

/// What a caller may see of a type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight {
    some_specs: bool,
    pub(crate) all_specs: bool,
    qos_specs: bool,
    access: bool,
}

impl Call {
    pub(crate) fn sight_of_types(&self) -> Sight {
        let may = |rule| self.require(rule).is_ok();
        Sight {
            some_specs: may(rules::ACCESS_TYPES_EXTRA_SPECS),
            all_specs: may(rules::TYPES_EXTRA_SPECS_READ_SENSITIVE),
            qos_specs: may(rules::ACCESS_TYPES_QOS_SPECS_ID),
            access: may(rules::VOLUME_TYPE_ACCESS),
        }
    }
}

impl Sight {
    /// As many of the specs as may be seen.
    pub(crate) fn specs(self, specs: &Pairs) -> Pairs {
        let seen = specs.iter().filter(|(key, _)| self.all_specs || USER_VISIBLE.contains(&key.as_str()));
        seen.map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

/// What show and the list answer.
pub(crate) fn detail(kind: &VolumeType, specs: &Pairs, sight: Sight) -> Value {
    let mut view = created(kind, specs, sight);
    if sight.qos_specs {
        view["qos_specs_id"] = json!(kind.qos_specs_id);
    }
    view
}

/// What create answers.
pub(crate) fn created(kind: &VolumeType, specs: &Pairs, sight: Sight) -> Value {
    let mut view = updated(kind, specs, sight);
    if sight.access {
        view["os-volume-type-access:is_public"] = kind.is_public.into();
    }
    view
}

/// What update answers.
pub(crate) fn updated(kind: &VolumeType, specs: &Pairs, sight: Sight) -> Value {
    let mut view = json!({
        "id": kind.id,
        "name": kind.name,
        "is_public": kind.is_public,
        "description": kind.description,
    });
    if sight.some_specs {
        view["extra_specs"] = json!(sight.specs(specs));
    }
    view
}

pub(crate) fn encryption(encryption: &Encryption) -> Value {
    json!({
        "volume_type_id": encryption.volume_type_id,
        "encryption_id": encryption.encryption_id,
        "provider": encryption.provider,
        "cipher": encryption.cipher,
        "key_size": encryption.key_size_bits,
        "control_location": encryption.control_location,
        "created_at": encryption.created_at.iso(),
        "updated_at": time(encryption.updated_at),
        "deleted": false,
        "deleted_at": null,
    })
}

/// What a volume says of its type's encryption. No volume here has a key.
pub(crate) fn volume_encryption(encryption: Option<&Encryption>) -> Value {
    let mut view = json!({"encryption_key_id": null});
    if let Some(encryption) = encryption {
        view["control_location"] = encryption.control_location.as_str().into();
        view["cipher"] = json!(encryption.cipher);
        view["key_size"] = json!(encryption.key_size_bits);
        view["provider"] = encryption.provider.as_str().into();
    }
    view
}
