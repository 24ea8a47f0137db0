//! Free ports on loopback, one for each server.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::anyhow;

/// Below Linux's range for outgoing connections (32768 and up): a server that binds seconds later finds its port still free.
const LOWEST: u16 = 20_000;
const HIGHEST: u16 = 32_000;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub(crate) amqp: u16,
    pub(crate) amqp_distribution: u16,
    pub(crate) epmd: u16,
    pub(crate) postgres: u16,
    pub(crate) memcached: u16,
    pub(crate) keystone: u16,
    pub(crate) swift_account: u16,
    pub(crate) swift_container: u16,
    pub(crate) swift_object: u16,
    /// The proxy that knows tempauth's users alone: Keystone would be asked at every request otherwise.
    pub(crate) swift_tempauth: u16,
    /// The proxy for Keystone's users, the one in the catalogue.
    pub(crate) swift_keystone: u16,
}

impl Ports {
    pub(crate) fn choose() -> anyhow::Result<Self> {
        let [amqp, amqp_distribution, epmd, postgres, memcached, keystone, rest @ ..] = free::<11>()?;
        let [swift_account, swift_container, swift_object, swift_tempauth, swift_keystone] = rest;
        Ok(Self {
            amqp,
            amqp_distribution,
            epmd,
            postgres,
            memcached,
            keystone,
            swift_account,
            swift_container,
            swift_object,
            swift_tempauth,
            swift_keystone,
        })
    }
}

/// Some ports that nobody has bound; all different.
pub(crate) fn free<const COUNT: usize>() -> anyhow::Result<[u16; COUNT]> {
    let span = u32::from(HIGHEST - LOWEST);
    // Two runs side by side begin far from each other.
    let first = (std::process::id().wrapping_mul(97) % span) as u16;
    let candidates = (0..HIGHEST - LOWEST).map(|step| LOWEST + (first + step) % (HIGHEST - LOWEST));
    let free: Vec<u16> = candidates.filter(|port| is_free(*port)).take(COUNT).collect();
    let free = free.try_into();
    free.map_err(|_| anyhow!("too few free ports between {LOWEST} and {HIGHEST}: end the servers of earlier runs"))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
