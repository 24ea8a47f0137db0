//! TLS to the broker: whom we believe, what we show, and what a handshake that failed means.

use std::io;

use chassis::config::ConfigError;
use chassis::tls::{self, Identity};
use lapin::tcp::{RustlsConnector, RustlsConnectorConfig};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError};

use crate::Config;

const CA: &str = "tls_ca";
const CERTIFICATE: &str = "tls_certificate";
const KEY: &str = "tls_key";

/// The files of the configuration, read and held against each other.
#[derive(Default, Debug)]
pub(crate) struct Tls {
    /// PEM; `None`: those of the system.
    authorities: Option<Vec<u8>>,
    identity: Option<Identity>,
}

impl Tls {
    /// # Errors
    /// The key in the section and what is wrong with it.
    pub(crate) fn read(config: &Config) -> Result<Self, (&'static str, String)> {
        let authorities = tls::authorities((CA, config.tls_ca.as_deref())).map_err(in_words)?;
        let (certificate, key) = (config.tls_certificate.as_deref(), config.tls_key.as_deref());
        let identity = tls::identity((CERTIFICATE, certificate), (KEY, key)).map_err(in_words)?;
        Ok(Self { authorities, identity })
    }

    /// No certificate of ours.
    pub(super) const fn shows_nothing(&self) -> bool {
        self.identity.is_none()
    }

    pub(super) fn connector(&self) -> io::Result<RustlsConnector> {
        let config = match &self.authorities {
            Some(authorities) => {
                let mut config = RustlsConnectorConfig::default();
                config.add_parsable_certificates(certificates(authorities)?);
                config
            }
            None => RustlsConnectorConfig::new_with_native_certs()?,
        };
        match &self.identity {
            Some(Identity { certificate, key }) => {
                let key = PrivateKeyDer::from_pem_slice(key).map_err(io::Error::other)?;
                config.connector_with_single_cert(certificates(certificate)?, key)
            }
            None => config.connector_with_no_client_auth(),
        }
    }
}

fn certificates(text: &[u8]) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>().map_err(io::Error::other)
}

fn in_words(error: ConfigError) -> (&'static str, String) {
    match error {
        ConfigError::Value { key, message, .. } => (
            if key == KEY {
                KEY
            } else if key == CERTIFICATE {
                CERTIFICATE
            } else {
                CA
            },
            message,
        ),
        other => (CA, other.to_string()),
    }
}

/// What the broker does that is gone before its alert could be read.
pub(super) const CUT: &str = "ends the connection; if it wants to see a certificate, give tls_certificate and tls_key";

/// Whether the other side has closed the connection, without a word of TLS.
pub(super) fn is_cut(error: &lapin::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let lapin::ErrorKind::IOError(error) = error.kind() else { return false };
    matches!(error.kind(), ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof)
}

/// What the broker does, in an operator's words, if the error tells of a handshake that failed.
pub(super) fn refusal(error: &lapin::Error) -> Option<&'static str> {
    let lapin::ErrorKind::IOError(error) = error.kind() else { return None };
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            Some("shows a certificate of an authority that is not in tls_ca")
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Some("shows a certificate for another host than transport_url names"),
        rustls::Error::InvalidCertificate(_) => Some("shows a certificate that is not valid"),
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure) => {
            Some("wants to see a certificate: give tls_certificate and tls_key")
        }
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA | AlertDescription::BadCertificate | AlertDescription::CertificateUnknown,
        ) => Some("does not accept tls_certificate"),
        _ => None,
    }
}
