//! What volume types ask of a pool, in the language of Cinder's capabilities filter: extra specs, each a key and a requirement
//! such as `lvm`, `<is> True`, `<or> a <or> b`, `>= 100`.

use std::collections::BTreeMap;

use crate::placement::{OVERCOMMIT, PoolReport};

/// Keys with another scope than this one are meant for somebody else.
const SCOPE: &str = "capabilities";
const GIB: f64 = 1_073_741_824.0;

/// What a pool says of itself under one key.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Capability<'a> {
    Text(&'a str),
    Number(f64),
    Truth(bool),
}

/// The extra specs of a type.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct ExtraSpecs(BTreeMap<String, String>);

impl From<BTreeMap<String, String>> for ExtraSpecs {
    fn from(pairs: BTreeMap<String, String>) -> Self {
        Self(pairs)
    }
}

impl ExtraSpecs {
    /// Whether a volume of the type may lie in the pool.
    #[must_use]
    pub fn met_by(&self, pool: &PoolReport) -> bool {
        self.asked().all(|(name, requirement)| of(pool, name).is_some_and(|capability| capability.meets(requirement)))
    }

    /// For people: what is asked of a pool.
    #[must_use]
    pub fn summary(&self) -> String {
        self.asked().map(|(name, requirement)| format!("{name}={requirement}")).collect::<Vec<_>>().join(", ")
    }

    /// The keys that are meant for pools, without their scope.
    fn asked(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(key, requirement)| match key.split_once(':') {
            None => Some((key.as_str(), requirement.as_str())),
            Some((SCOPE, name)) => Some((name, requirement.as_str())),
            Some(_) => None,
        })
    }
}

fn of<'a>(pool: &'a PoolReport, name: &str) -> Option<Capability<'a>> {
    use Capability::{Number, Text, Truth};
    Some(match name {
        "volume_backend_name" => Text(&pool.backend.volume_backend_name),
        "vendor_name" => Text(&pool.backend.vendor_name),
        "storage_protocol" => Text(&pool.backend.storage_protocol),
        "pool_name" => Text(&pool.name),
        "free_capacity_gb" => Number(gigabytes(pool.free_bytes)),
        "total_capacity_gb" => Number(gigabytes(pool.total_bytes)),
        "max_over_subscription_ratio" => Number(OVERCOMMIT as f64),
        "reserved_percentage" => Number(0.0),
        "thin_provisioning_support" | "multiattach" => Truth(true),
        "thick_provisioning_support" | "QoS_support" => Truth(false),
        _ => return None,
    })
}

fn gigabytes(bytes: i64) -> f64 {
    bytes as f64 / GIB
}

impl Capability<'_> {
    fn meets(self, requirement: &str) -> bool {
        let mut words = requirement.split_whitespace();
        let operator = words.next().unwrap_or_default();
        if operator == "<or>" {
            // Every second word is the operator again.
            return words.step_by(2).any(|word| self == Capability::Text(word));
        }
        let Some(operator) = Operator::parse(operator) else { return self == Capability::Text(requirement) };
        words.next().is_some_and(|word| operator.holds(self, word))
    }

    fn number(self) -> Option<f64> {
        match self {
            Self::Text(text) => text.parse().ok(),
            Self::Number(number) => Some(number),
            Self::Truth(truth) => Some(f64::from(u8::from(truth))),
        }
    }

    fn truth(self) -> bool {
        match self {
            Self::Text(text) => truth(text),
            // Written out, no number of ours is one of the words for true but 1.
            Self::Number(number) => number == 1.0,
            Self::Truth(truth) => truth,
        }
    }
}

#[derive(Clone, Copy)]
enum Operator {
    /// As Cinder has it, `=` is at least.
    AtLeast,
    AtMost,
    Equal,
    Different,
    In,
    Is,
    Text(fn(&str, &str) -> bool),
}

impl Operator {
    fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "=" | ">=" => Self::AtLeast,
            "<=" => Self::AtMost,
            "==" => Self::Equal,
            "!=" => Self::Different,
            "<in>" => Self::In,
            "<is>" => Self::Is,
            "s==" => Self::Text(|own, word| own == word),
            "s!=" => Self::Text(|own, word| own != word),
            "s<" => Self::Text(|own, word| own < word),
            "s<=" => Self::Text(|own, word| own <= word),
            "s>" => Self::Text(|own, word| own > word),
            "s>=" => Self::Text(|own, word| own >= word),
            _ => return None,
        })
    }

    fn holds(self, own: Capability<'_>, word: &str) -> bool {
        let numbers = || Some((own.number()?, word.parse::<f64>().ok()?));
        match self {
            Self::AtLeast => numbers().is_some_and(|(own, word)| own >= word),
            Self::AtMost => numbers().is_some_and(|(own, word)| own <= word),
            Self::Equal => numbers().is_some_and(|(own, word)| own == word),
            Self::Different => numbers().is_some_and(|(own, word)| own != word),
            Self::In => matches!(own, Capability::Text(text) if text.contains(word)),
            Self::Is => own.truth() == truth(word),
            Self::Text(compare) => matches!(own, Capability::Text(text) if compare(text, word)),
        }
    }
}

fn truth(word: &str) -> bool {
    matches!(word.to_ascii_lowercase().as_str(), "1" | "t" | "true" | "on" | "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::Backend;

    fn meets(key: &str, requirement: &str) -> bool {
        let pool = PoolReport {
            name: "p".into(),
            backend: Backend {
                volume_backend_name: "fast".into(),
                vendor_name: "Emberkeep".into(),
                storage_protocol: "file".into(),
            },
            free_bytes: 50 << 30,
            total_bytes: 100 << 30,
        };
        ExtraSpecs::from(BTreeMap::from([(key.to_owned(), requirement.to_owned())])).met_by(&pool)
    }

    #[test]
    fn operators_are_cinders() {
        for (key, requirement) in [
            ("volume_backend_name", "fast"),
            ("capabilities:volume_backend_name", "fast"),
            ("volume_backend_name", "<or> slow <or> fast"),
            ("volume_backend_name", "<in> as"),
            ("volume_backend_name", "s== fast"),
            ("volume_backend_name", "s!= slow"),
            ("volume_backend_name", "s< slow"),
            ("storage_protocol", "file"),
            ("vendor_name", "Emberkeep"),
            ("multiattach", "<is> True"),
            ("multiattach", "<is> yes"),
            ("QoS_support", "<is> False"),
            ("total_capacity_gb", ">= 100"),
            ("total_capacity_gb", "= 99"),
            ("free_capacity_gb", "<= 50"),
            ("free_capacity_gb", "== 50"),
            ("free_capacity_gb", "!= 51"),
            ("RESKEY:availability_zones", "z1"),
            ("vendor:volume_backend_name", "slow"),
        ] {
            assert!(meets(key, requirement), "{key}={requirement}");
        }
        for (key, requirement) in [
            ("volume_backend_name", "slow"),
            ("volume_backend_name", "Fast"),
            ("volume_backend_name", ""),
            ("volume_backend_name", "<or> slow"),
            ("volume_backend_name", "<or>"),
            ("volume_backend_name", "s=="),
            ("volume_backend_name", ">= 1"),
            ("capabilities:volume_backend_name", "slow"),
            ("capabilities:volume_backend_name:x", "fast"),
            ("capabilities", "fast"),
            ("multiattach", "True"),
            ("multiattach", "<is> False"),
            ("QoS_support", "<is> True"),
            ("total_capacity_gb", ">= 101"),
            ("total_capacity_gb", ">= many"),
            ("unknown", "x"),
            ("unknown", "<is> False"),
        ] {
            assert!(!meets(key, requirement), "{key}={requirement}");
        }
    }
}
