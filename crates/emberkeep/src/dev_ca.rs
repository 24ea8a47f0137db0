//! `emberkeep dev-ca`: an authority of one's own, with certificates for a scheduler and its workers.
//!
//! For development and small installations. Whoever has `ca.key` can be any of them.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chrono::Datelike;
use domain::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};

const AUTHORITY: &str = "Emberkeep development CA";
/// Long enough for a test bed to be forgotten.
const YEARS: i32 = 10;

/// What the command line says.
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Where the files are put; made if it is missing.
    #[arg(value_name = "DIRECTORY")]
    directory: PathBuf,
    /// Names and addresses by which the scheduler is reached and the workers' `host`s; this machine's is always one.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// Makes the files and says what to write into which configuration.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let made = make(&arguments.directory, &arguments.names)?;
    let directory = arguments.directory.canonicalize()?;
    let directory = directory.display();
    println!("Made in {directory}: {}.", made.join(", "));
    println!(
        "\n[scheduler]\ntls_certificate = \"{directory}/scheduler.pem\"\ntls_key = \"{directory}/scheduler.key\"\n\
         tls_client_ca = \"{directory}/ca.pem\"\n\n\
         [worker] # on each host NAME, with scheduler_url = \"https://…\"\nscheduler_ca = \"{directory}/ca.pem\"\n\
         tls_certificate = \"{directory}/worker-NAME.pem\"\ntls_key = \"{directory}/worker-NAME.key\"\n\n\
         Keep ca.key to yourself: whoever has it can be any worker.",
    );
    Ok(())
}

/// `ca`, `scheduler` for all names, and for each name a `worker-NAME`: a certificate `.pem` and its `.key` each. An authority
/// that lies there already signs what is missing; a file that is there stays as it is. Answers what was made.
pub fn make(directory: &Path, names: &[String]) -> anyhow::Result<Vec<String>> {
    let mut hosts = vec![stdx::host::name()];
    for name in names {
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte)) {
            bail!("{name:?} is neither a host's name nor an address");
        }
        if !hosts.contains(name) {
            hosts.push(name.clone());
        }
    }
    std::fs::create_dir_all(directory).with_context(|| format!("make {}", directory.display()))?;
    let mut made = Vec::new();
    let issuer = authority(directory, &mut made)?;
    let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)].map(|ip| ip.to_string());
    let reached_at = hosts.iter().cloned().chain(["localhost".to_owned()]).chain(loopback).collect();
    issue(directory, "scheduler", reached_at, ExtendedKeyUsagePurpose::ServerAuth, &issuer, &mut made)?;
    for host in hosts {
        let file = format!("worker-{host}");
        issue(directory, &file, vec![host], ExtendedKeyUsagePurpose::ClientAuth, &issuer, &mut made)?;
    }
    if made.is_empty() {
        bail!("everything is in {} already; nothing was overwritten", directory.display());
    }
    Ok(made)
}

fn authority(directory: &Path, made: &mut Vec<String>) -> anyhow::Result<Issuer<'static, KeyPair>> {
    let mut params = valid_for_years(CertificateParams::default());
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, AUTHORITY);
    let key_file = directory.join("ca.key");
    let (certificate, key_is_there) = (directory.join("ca.pem").exists(), key_file.exists());
    if certificate != key_is_there {
        bail!("{} holds one of ca.pem and ca.key without the other", directory.display());
    }
    if key_is_there {
        let text = std::fs::read_to_string(&key_file).with_context(|| format!("read {}", key_file.display()))?;
        let key = KeyPair::from_pem(&text).with_context(|| format!("{} holds no private key", key_file.display()))?;
        return Ok(Issuer::new(params, key));
    }
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    write(directory, "ca", &certificate.pem(), &key, made)?;
    Ok(Issuer::new(params, key))
}

fn issue(
    directory: &Path,
    file: &str,
    names: Vec<String>,
    usage: ExtendedKeyUsagePurpose,
    issuer: &Issuer<'_, KeyPair>,
    made: &mut Vec<String>,
) -> anyhow::Result<()> {
    if directory.join(format!("{file}.pem")).exists() {
        return Ok(());
    }
    let mut params = valid_for_years(CertificateParams::new(names)?);
    params.distinguished_name.push(DnType::CommonName, format!("Emberkeep {file}"));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?;
    write(directory, file, &certificate.pem(), &key, made)
}

/// From the first of this year, so that clocks need not agree.
fn valid_for_years(mut params: CertificateParams) -> CertificateParams {
    let year = Timestamp::now().utc().year();
    params.not_before = date_time_ymd(year, 1, 1);
    params.not_after = date_time_ymd(year + YEARS, 1, 1);
    // The default is a name of the library's.
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
}

fn write(directory: &Path, file: &str, certificate: &str, key: &KeyPair, made: &mut Vec<String>) -> anyhow::Result<()> {
    // The key first: a certificate without one would be taken for a finished pair.
    for (name, text, mode) in
        [(format!("{file}.key"), key.serialize_pem(), 0o600), (format!("{file}.pem"), certificate.to_owned(), 0o644)]
    {
        let path = directory.join(&name);
        let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
        let mut opened = match opened {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!("{} is there already and is not overwritten", path.display())
            }
            opened => opened.with_context(|| format!("make {}", path.display()))?,
        };
        opened.write_all(text.as_bytes()).with_context(|| format!("write {}", path.display()))?;
        made.push(name);
    }
    Ok(())
}
