//! From Cinder's backends to pools.

use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use volume::PoolConfig;

use super::draft::Draft;
use super::ini::{DEFAULT, Ini, list};

/// Where pools lie that Cinder had no directory for.
const POOLS: &str = "/srv/emberkeep";
const LVM: &str = "cinder.volume.drivers.lvm.LVMVolumeDriver";

/// A pool for each backend that can be one, and one at least: no worker starts without.
pub(super) fn import(ini: &Ini, draft: &mut Draft) {
    let enabled = ini.text(DEFAULT, "enabled_backends").map(|text| list(&text)).unwrap_or_default();
    for name in &enabled {
        backend(ini, name, draft);
    }
    if enabled.is_empty() && ini.text(DEFAULT, "volume_driver").is_some() {
        backend(ini, DEFAULT, draft);
    }
    if !draft.has_pools() {
        draft.add_pool(PoolConfig::new("local", Path::new(POOLS).join("local")));
        draft.do_by_hand(format!(
            "Name in [[pools]] of backup-worker.toml the directories that hold your volumes: no backend can be a pool as it is, so that \
             there is only {POOLS}/local."
        ));
    }
}

fn backend(ini: &Ini, group: &str, draft: &mut Draft) {
    let text = |key: &str| ini.text(group, key).or_else(|| ini.text("backend_defaults", key));
    let driver = text("volume_driver").unwrap_or_else(|| LVM.to_owned());
    let name = if group == DEFAULT { "volumes" } else { group };
    let named = |pool: PoolConfig| PoolConfig { volume_backend_name: text("volume_backend_name"), ..pool };
    if driver.contains(".lvm.") {
        let volume_group = text("volume_group").unwrap_or_else(|| "cinder-volumes".to_owned());
        let devices = PathBuf::from("/dev").join(&volume_group);
        let pool = PoolConfig::new(name, Path::new(POOLS).join(name));
        draft.add_pool(named(PoolConfig { manage_paths: vec![devices.clone()], ..pool }));
        draft.do_by_hand(format!(
            "[{group}] is LVM: volumes that are made from now on are files in {POOLS}/{name}; adopt each that there is with \
             `cinder manage POOL {}/volume-ID` (POOL as `cinder get-pools` shows it), and let the user of the worker read and write it.",
            devices.display()
        ));
    } else if driver.contains(".nfs.") {
        nfs(ini, group, name, &named, draft);
    } else {
        draft.leave(
            format!("[{group}]"),
            format!("there is no driver like {driver}: offer its volumes as files or block devices, and adopt them (`cinder manage`)."),
        );
    }
}

/// The shares' directories hold `volume-<id>` as our own pools do.
fn nfs(ini: &Ini, group: &str, name: &str, named: &impl Fn(PoolConfig) -> PoolConfig, draft: &mut Draft) {
    let text = |key: &str| {
        ini.text(group, key).or_else(|| ini.text("backend_defaults", key)).or_else(|| ini.text(DEFAULT, key))
    };
    let state = ini.text(DEFAULT, "state_path").unwrap_or_else(|| "/var/lib/cinder".to_owned());
    let base = text("nfs_mount_point_base").unwrap_or_else(|| format!("{state}/mnt"));
    if text("nfs_qcow2_volumes").is_some_and(|text| super::ini::truth(&text) == Some(true)) {
        draft.leave(
            format!("[{group}]"),
            "its volumes are qcow2 files: convert them to raw ones in a directory that [[pools]] names.",
        );
        return;
    }
    let shares = match (text("nas_host"), text("nas_share_path")) {
        (Some(host), Some(path)) => vec![format!("{host}:{path}")],
        _ => {
            let file = text("nfs_shares_config").unwrap_or_else(|| "/etc/cinder/nfs_shares".to_owned());
            let Ok(text) = std::fs::read_to_string(&file) else {
                draft.leave(
                    format!("[{group}]"),
                    format!("{file} cannot be read: name the directories of its shares in [[pools]]."),
                );
                return;
            };
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
        }
    };
    for (number, share) in shares.iter().enumerate() {
        let mount: String = Md5::digest(share.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        let name = if shares.len() == 1 { name.to_owned() } else { format!("{name}-{}", number + 1) };
        let path = Path::new(&base).join(mount);
        draft.do_by_hand(format!(
            "Mount {share} at {} on every worker, before it starts: Cinder did so by itself, and Emberkeep mounts nothing.",
            path.display()
        ));
        draft.add_pool(named(PoolConfig::new(name, path)));
    }
}
