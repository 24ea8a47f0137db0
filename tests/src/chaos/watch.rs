//! A look at the rows and processes every second while chaos goes on: what holds at every commit, who owns what, and how
//! much memory the services take.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::fleet::Fleet;
use super::plan::SERVICES;
use super::rows::Rows;
use super::strikes::Breaches;

const PERIOD: Duration = Duration::from_secs(1);
/// What any service may take at most, in KiB: four times what its buffers hold by its configuration.
const MEMORY_MAX_KIB: u64 = 1 << 20;

/// Looks until it is dropped.
pub(super) async fn watch(fleet: Arc<Fleet>, breaches: Arc<Breaches>, memory: Arc<Memory>) {
    let mut owners = BTreeMap::new();
    loop {
        tokio::time::sleep(PERIOD).await;
        memory.look(&fleet).await;
        // The database is away, by intention.
        let Ok(mut rows) = Rows::connect(&fleet.places.database_url).await else { continue };
        if let Ok(wrong) = rows.wrong_quotas().await {
            wrong.into_iter().for_each(|text| breaches.note(Err(anyhow::anyhow!("quota: {text}"))));
        }
        if let Ok(now) = rows.owners().await {
            breaches.note(sole(&mut owners, now));
        }
    }
}

/// One generation has one worker.
fn sole(owners: &mut BTreeMap<String, String>, now: Vec<(String, String)>) -> Result<()> {
    for (generation, worker) in now {
        let owner = owners.entry(generation.clone()).or_insert_with(|| worker.clone());
        ensure!(*owner == worker, "two owners of job and generation {generation}: {owner} and {worker}");
    }
    Ok(())
}

/// The most that each service took, in KiB.
#[derive(Debug, Default)]
pub(super) struct Memory(std::sync::Mutex<[u64; SERVICES.len()]>);

impl Memory {
    async fn look(&self, fleet: &Fleet) {
        for index in 0..SERVICES.len() {
            // One that is being struck is left alone.
            let Ok(service) = fleet.service(index).try_lock() else { continue };
            let peak = service.id().and_then(peak_kib).unwrap_or(0);
            let mut peaks = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            peaks[index] = peaks[index].max(peak);
        }
    }

    pub(super) fn peaks(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let peaks = *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        SERVICES.into_iter().zip(peaks)
    }

    pub(super) fn breaches(&self) -> Vec<String> {
        let large = self.peaks().filter(|(_, peak)| *peak > MEMORY_MAX_KIB);
        large.map(|(name, peak)| format!("{name} took {} MiB", peak / 1024)).collect()
    }
}

fn peak_kib(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The seconds of a processor that a process has taken.
pub(super) fn processor_secs(id: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<u32>().ok()? + fields.get(12)?.parse::<u32>().ok()?;
    Some(f64::from(ticks) / 100.0)
}
