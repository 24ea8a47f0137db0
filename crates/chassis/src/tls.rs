//! The files of one end of a TLS connection: read and held against each other before anything is opened.

use std::fmt;
use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::config::ConfigError;

/// A configured file, or one that was left out: the whole key, and the path.
pub type Setting<'a> = (&'static str, Option<&'a Path>);

/// A certificate with the chain behind it, and its key: PEM.
#[derive(Clone)]
pub struct Identity {
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
}

/// By hand: the key is a secret.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// `None` when neither file is configured. Refuses one without the other, and a key that is not the certificate's.
pub fn identity(certificate: Setting<'_>, key: Setting<'_>) -> Result<Option<Identity>, ConfigError> {
    let (certificate_file, key_file) = match (certificate.1, key.1) {
        (None, None) => return Ok(None),
        (Some(certificate_file), Some(key_file)) => (certificate_file, key_file),
        (Some(_), None) => return Err(ConfigError::value(key.0, format!("must be given too, for {}", certificate.0))),
        (None, Some(_)) => return Err(ConfigError::value(certificate.0, format!("must be given too, for {}", key.0))),
    };
    let chain_text = read(certificate.0, certificate_file)?;
    let key_text = read(key.0, key_file)?;
    let chain = certificates(certificate.0, certificate_file, &chain_text)?;
    let secret = PrivateKeyDer::from_pem_slice(&key_text)
        .map_err(|_| ConfigError::value(key.0, format!("{} holds no private key (PEM)", key_file.display())))?;
    CertifiedKey::from_der(chain, secret, &rustls::crypto::ring::default_provider()).map_err(|_| {
        let message = format!("{} is not the key of {}", key_file.display(), certificate_file.display());
        ConfigError::value(key.0, message)
    })?;
    Ok(Some(Identity { certificate: chain_text, key: key_text }))
}

/// The certificates of authorities: PEM. `None` when no file is configured.
pub fn authorities((key, file): Setting<'_>) -> Result<Option<Vec<u8>>, ConfigError> {
    let Some(file) = file else { return Ok(None) };
    let text = read(key, file)?;
    let (usable, _) = RootCertStore::empty().add_parsable_certificates(certificates(key, file, &text)?);
    if usable == 0 { Err(no_certificate(key, file)) } else { Ok(Some(text)) }
}

fn certificates(key: &str, file: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    read.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| no_certificate(key, file))
}

fn no_certificate(key: &str, file: &Path) -> ConfigError {
    ConfigError::value(key, format!("{} holds no certificate (PEM)", file.display()))
}

fn read(key: &str, file: &Path) -> Result<Vec<u8>, ConfigError> {
    std::fs::read(file).map_err(|error| ConfigError::value(key, format!("{} cannot be read: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_do_not_fit_are_refused_by_key_and_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let [first, second] = ["first", "second"].map(|name| {
            let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).expect("a certificate");
            let files = ["pem", "key"].map(|end| folder.path().join(format!("{name}.{end}")));
            std::fs::write(&files[0], made.cert.pem()).expect("written");
            std::fs::write(&files[1], made.signing_key.serialize_pem()).expect("written");
            files
        });
        let missing = folder.path().join("missing.pem");
        let of = |certificate: Option<&Path>, key: Option<&Path>| identity(("a.cert", certificate), ("a.key", key));
        assert!(of(None, None).is_ok_and(|identity| identity.is_none()));
        assert!(of(Some(&first[0]), Some(&first[1])).is_ok_and(|identity| identity.is_some()));
        for (certificate, key, named, said) in [
            (Some(&first[0]), None, "a.key", "must be given too, for a.cert"),
            (None, Some(&first[1]), "a.cert", "must be given too, for a.key"),
            (Some(&missing), Some(&first[1]), "a.cert", "missing.pem cannot be read"),
            (Some(&first[1]), Some(&first[1]), "a.cert", "first.key holds no certificate"),
            (Some(&first[0]), Some(&first[0]), "a.key", "first.pem holds no private key"),
            (Some(&first[0]), Some(&second[1]), "a.key", "second.key is not the key of"),
        ] {
            let error =
                of(certificate.map(|path| path.as_path()), key.map(|path| path.as_path())).unwrap_err().to_string();
            assert!(error.contains(&format!("`{named}`")) && error.contains(said), "{error}");
        }
        assert!(authorities(("a.ca", None)).is_ok_and(|text| text.is_none()));
        assert!(authorities(("a.ca", Some(&first[0]))).is_ok_and(|text| text.is_some()));
        assert!(authorities(("a.ca", Some(&first[1]))).unwrap_err().to_string().contains("holds no certificate"));
    }
}
