//! `clouds.yaml`: what the variables and the command line leave open is read from the named cloud, as by the `openstack`
//! client.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use yaml_rust2::{Yaml, YamlLoader};

/// A file is read up to here.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// One cloud's entry, with what `secure.yaml` adds to it.
#[derive(Debug)]
pub(crate) struct Cloud(Vec<Yaml>);

impl Cloud {
    /// The entry called so, from the first file that there is: `OS_CLIENT_CONFIG_FILE`, or `clouds.yaml` in this directory, in
    /// the person's configuration, or the system's.
    pub(crate) fn read(name: &str) -> anyhow::Result<Self> {
        let given = std::env::var_os("OS_CLIENT_CONFIG_FILE").map(PathBuf::from);
        let files = given.map_or_else(|| candidates("clouds.yaml"), |file| vec![file]);
        let Some(file) = files.iter().find(|file| file.is_file()) else {
            let looked: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            bail!("There is no cloud {name:?}: none of {} is there.", looked.join(", "));
        };
        let open = entry(file, name)?.with_context(|| format!("{} has no cloud {name:?}", file.display()))?;
        let secure = candidates("secure.yaml").into_iter().find(|file| file.is_file());
        let secret = secure.map(|file| entry(&file, name)).transpose()?.flatten();
        Ok(Self(secret.into_iter().chain([open]).collect()))
    }

    /// A key of the cloud's `auth`.
    pub(crate) fn auth(&self, key: &str) -> Option<String> {
        self.0.iter().find_map(|entry| text(&entry["auth"][key]))
    }

    /// A key of the cloud itself.
    pub(crate) fn get(&self, key: &str) -> Option<String> {
        self.0.iter().find_map(|entry| text(&entry[key]))
    }
}

fn candidates(name: &str) -> Vec<PathBuf> {
    let absolute = |variable| std::env::var_os(variable).map(PathBuf::from).filter(|path: &PathBuf| path.is_absolute());
    let configuration = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    let folders = [Some(PathBuf::from(".")), configuration.map(|folder| folder.join("openstack"))];
    let folders = folders.into_iter().flatten().chain([PathBuf::from("/etc/openstack")]);
    folders.map(|folder| folder.join(name)).collect()
}

fn entry(file: &Path, name: &str) -> anyhow::Result<Option<Yaml>> {
    let reading = || format!("read {}", file.display());
    if std::fs::metadata(file).with_context(reading)?.len() > FILE_BYTES_MAX {
        bail!("{} is no file of clouds: it is too large.", file.display());
    }
    let text = std::fs::read_to_string(file).with_context(reading)?;
    let documents = YamlLoader::load_from_str(&text).with_context(reading)?;
    let Some(document) = documents.into_iter().next() else { return Ok(None) };
    let entry = &document["clouds"][name];
    Ok((!entry.is_badvalue()).then(|| entry.clone()))
}

/// Numbers and truths are texts to whoever wants one.
fn text(value: &Yaml) -> Option<String> {
    match value {
        Yaml::String(text) | Yaml::Real(text) => Some(text.clone()),
        Yaml::Integer(number) => Some(number.to_string()),
        Yaml::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}
