//! Who is measured, where they store, and what an act cost.

use std::path::PathBuf;

use super::content::Volume;
use super::ours::{self, Ours};
use super::restic::Restic;
use super::stock::Stock;

/// A store that all can use.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Posix(PathBuf),
    Swift { auth_url: String, user: &'static str, key: &'static str },
}

impl Place {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Posix(_) => "posix",
            Self::Swift { .. } => "Swift",
        }
    }
}

#[derive(Clone, Default, Debug)]
pub(super) struct Cost {
    pub(super) wall_s: f64,
    pub(super) cpu_s: f64,
    pub(super) peak_bytes: u64,
    /// Where the peer says.
    pub(super) objects: u64,
    pub(super) stored_bytes: u64,
    pub(super) read_bytes: u64,
}

impl Cost {
    /// The one in the middle by time.
    pub(super) fn median(mut costs: Vec<Self>) -> Self {
        costs.sort_by(|one, other| one.wall_s.total_cmp(&other.wall_s));
        let middle = costs.len() / 2;
        costs.into_iter().nth(middle).unwrap_or_default()
    }
}

#[derive(Debug)]
pub(super) enum Peer {
    Ours(Ours),
    Stock(Stock),
    Restic(Restic),
}

impl Peer {
    pub(super) fn name(&self) -> String {
        match self {
            Self::Ours(_) => ours::NAME.to_owned(),
            Self::Stock(stock) => format!("stock, {}", stock.compression),
            Self::Restic(_) => "restic".to_owned(),
        }
    }

    /// Full at first, then incremental to the one before.
    pub(super) async fn back_up(&mut self, volume: &Volume) -> anyhow::Result<Cost> {
        match self {
            Self::Ours(ours) => ours.back_up(volume).await,
            Self::Stock(stock) => stock.back_up(volume),
            Self::Restic(restic) => restic.back_up(volume),
        }
    }

    /// The latest, onto a file of zeros.
    pub(super) async fn restore(&mut self, target: &Volume) -> anyhow::Result<Cost> {
        match self {
            Self::Ours(ours) => ours.restore(target).await,
            Self::Stock(stock) => stock.restore(target),
            Self::Restic(restic) => restic.restore(target),
        }
    }

    /// Deletes everything, so that the next backup is a full one.
    pub(super) async fn forget(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Ours(ours) => ours.forget().await,
            Self::Stock(stock) => stock.forget(),
            Self::Restic(restic) => restic.forget(),
        }
    }
}
