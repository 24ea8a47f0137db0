//! Who is at the other end of a call, as far as a certificate tells. With certificates a worker may speak for the hosts in
//! its own and for no other: what it registers as, and whose jobs it takes and reports about.

use domain::ids::WorkerId;
use domain::{Error, Kind, Result};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use tonic::Request;

use crate::core::Core;

/// The caller of one call or session.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    /// Whoever reaches the scheduler may speak: no certificates are asked for.
    Anybody,
    Certified(CertificateDer<'static>),
}

impl Peer {
    /// `certified`: the server takes nobody without a certificate, so one that cannot be seen is no reason to trust.
    pub(crate) fn of<T>(request: &Request<T>, certified: bool) -> Result<Self> {
        if !certified {
            return Ok(Self::Anybody);
        }
        let chain = request.peer_certs();
        let own = chain.as_deref().and_then(|chain| chain.first());
        own.cloned()
            .map(Self::Certified)
            .ok_or_else(|| Error::new(Kind::Forbidden, "a worker shows a certificate here"))
    }

    /// Refuses a host whose name is not among the certificate's.
    pub(crate) fn check_host(&self, host: &str) -> Result<()> {
        let Self::Certified(certificate) = self else { return Ok(()) };
        let named = ServerName::try_from(host).is_ok_and(|name| {
            ParsedCertificate::try_from(certificate).is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
        });
        if named {
            return Ok(());
        }
        let message = format!("the certificate is not one of host {host:?}: its subject alternative names lack it");
        Err(Error::new(Kind::Forbidden, message))
    }

    /// False when nobody is registered under this id. Refuses the id of a worker of another host.
    pub(crate) async fn is_worker(&self, core: &Core, id: WorkerId) -> Result<bool> {
        if matches!(self, Self::Anybody) {
            return Ok(true);
        }
        match db::workers::get(&mut core.database.read().await?, id).await? {
            Some(worker) => self.check_host(&worker.host).map(|()| true),
            None => Ok(false),
        }
    }
}
