//! Which type a volume gets, and what the type lets be done to its volumes.

use db::metadata::Pairs;
use db::types::{self, VolumeType, defaults, encryption, extra_specs};
use db::{Conn, Scope};
use domain::{Error, Kind, Result};
use uuid::Uuid;

use crate::call::Call;
use crate::policy::rules;

/// A type with what it asks of its volumes.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) kind: VolumeType,
    pub(crate) specs: Pairs,
    pub(crate) is_encrypted: bool,
}

/// The type that was named, else the source's, else the project's default, else the configured one.
pub(super) async fn choose(conn: &mut Conn, call: &Call, named: Option<&str>, of: Option<&str>) -> Result<Choice> {
    let kind = match (named.filter(|name| !name.is_empty()), of) {
        (Some(name), _) => find_named_type(conn, call, name).await?,
        (None, Some(id)) => types::get(conn, &Scope::All, id).await?,
        (None, None) => find_type(conn, call, None).await?,
    };
    let choice = Choice::read(conn, kind).await?;
    match of {
        Some(id) if id != choice.kind.id => choice.check_fits_source(conn, id).await?,
        _ => {}
    }
    Ok(choice)
}

/// The type by name or id; without a name the project's default one.
///
/// # Errors
/// `NotFound`, also for a type that the caller's project may not use.
pub(crate) async fn find_type(conn: &mut Conn, call: &Call, name: Option<&str>) -> Result<VolumeType> {
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        return find_named_type(conn, call, name).await;
    }
    match defaults::get(conn, &call.caller.project_id).await? {
        Some(default) => types::get(conn, &call.caller.scope(), &default.volume_type_id).await,
        None => find_in(conn, &Scope::All, &call.app.config.default_volume_type).await,
    }
}

pub(crate) async fn find_named_type(conn: &mut Conn, call: &Call, name: &str) -> Result<VolumeType> {
    find_in(conn, &call.caller.scope(), name).await
}

async fn find_in(conn: &mut Conn, scope: &Scope, name: &str) -> Result<VolumeType> {
    types::find(conn, scope, name).await?.ok_or_else(|| match Uuid::parse_str(name) {
        Ok(_) => Error::not_found("Volume type", name),
        Err(_) => Error::new(Kind::NotFound, format!("Volume type with name {name} could not be found.")),
    })
}

impl Choice {
    pub(super) async fn read(conn: &mut Conn, kind: VolumeType) -> Result<Self> {
        let specs = extra_specs::get(conn, &kind.id).await?;
        let is_encrypted = encryption::get(conn, &kind.id).await?.is_some();
        Ok(Self { kind, specs, is_encrypted })
    }

    /// Whether its volumes may be attached more than once.
    pub(super) fn is_multiattach(&self) -> bool {
        self.specs.get("multiattach").is_some_and(|value| value == "<is> True")
    }

    /// Whether a volume of it can come into being at all.
    pub(super) fn check_new(&self, call: &Call) -> Result<()> {
        if self.is_encrypted {
            // What asks for encryption is never stored in the clear.
            return Err(Error::invalid("Key manager error"));
        }
        if self.is_multiattach() { check_multiattach(call) } else { Ok(()) }
    }

    /// A type may bound the size of its volumes.
    pub(super) fn check_size(&self, size_gb: i64) -> Result<()> {
        let bound = |key: &str| self.specs.get(key).and_then(|text| Some((text, text.trim().parse::<i64>().ok()?)));
        let refuse = |relation: &str, name: &str, bound: &str| {
            Err(Error::invalid(format!(
                "Invalid input received: Specified volume size of '{size_gb}' is {relation} than the {name} size of \
                 '{bound}' for volume type '{kind}'.",
                kind = self.kind.name
            )))
        };
        match (bound("provisioning:min_vol_size"), bound("provisioning:max_vol_size")) {
            (Some((text, least)), _) if size_gb < least => refuse("less", "minimum required", text),
            (_, Some((text, most))) if size_gb > most => refuse("greater", "maximum allowable", text),
            _ => Ok(()),
        }
    }

    /// The zones that the type is for; `None` where it does not say.
    pub(super) fn zones(&self) -> Option<Vec<&str>> {
        let text = self.specs.get("RESKEY:availability_zones")?;
        let zones: Vec<&str> = text.split(',').map(str::trim).filter(|zone| !zone.is_empty()).collect();
        (!zones.is_empty()).then_some(zones)
    }

    /// A copy lies where its source does, so its type must not ask for another place.
    async fn check_fits_source(&self, conn: &mut Conn, source_type_id: &str) -> Result<()> {
        let source = extra_specs::get(conn, source_type_id).await?;
        let names = (source.get(BACKEND), self.specs.get(BACKEND));
        let was_encrypted = encryption::get(conn, source_type_id).await?.is_some();
        let elsewhere = matches!(names, (Some(one), Some(other)) if one != other);
        if elsewhere || was_encrypted != self.is_encrypted {
            return Err(Error::invalid(format!(
                "Invalid input received: Invalid volume_type provided: {} (requested type is not compatible; either match \
                 source volume, or omit type argument).",
                self.kind.id
            )));
        }
        Ok(())
    }
}

const BACKEND: &str = "volume_backend_name";

pub(super) fn check_multiattach(call: &Call) -> Result<()> {
    let rule = rules::VOLUME_MULTIATTACH;
    let refusal = |_| Error::new(Kind::Forbidden, format!("Policy doesn't allow {} to be performed.", rule.name));
    call.require(rule).map_err(refusal)
}
