//! The suites: where each comes from, and what it has to be told.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use clap::ValueEnum;

use super::report::Row;
use super::required::{Lists, complete};
use super::schemathesis;
use super::stack::BACKENDS;
use super::stestr::Stestr;
use crate::servers::Servers;
use crate::servers::identity::ADMIN_PASSWORD;
use crate::workspace;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Debug)]
pub(crate) enum Suite {
    /// Tempest's volume tests and those of cinder-tempest-plugin.
    Tempest,
    /// openstacksdk's functional tests.
    Openstacksdk,
    /// python-openstackclient's functional tests.
    Openstackclient,
    /// Requests made from the API's own description.
    Schemathesis,
    /// Our own: each sub-command of the clients, real bytes, readers and tokens.
    Walk,
}

impl Suite {
    pub(crate) const ALL: &[Self] =
        &[Self::Tempest, Self::Openstacksdk, Self::Openstackclient, Self::Walk, Self::Schemathesis];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tempest => "tempest",
            Self::Openstacksdk => "openstacksdk",
            Self::Openstackclient => "openstackclient",
            Self::Schemathesis => "schemathesis",
            Self::Walk => "walk",
        }
    }

    /// Whether it brings along all that it runs against.
    pub(crate) const fn is_alone(self) -> bool {
        matches!(self, Self::Schemathesis)
    }

    /// Where its tests are, below the environment's packages or, ours, below tests/conformance; nowhere when it makes them.
    const fn package(self) -> &'static str {
        match self {
            Self::Tempest => "tempest/test_discover",
            Self::Openstacksdk => "openstack/tests/functional/block_storage/v3",
            Self::Openstackclient => "openstackclient/tests/functional/volume/v3",
            Self::Schemathesis => "",
            Self::Walk => "walk",
        }
    }

    /// What of the package concerns us at all.
    const fn scope(self) -> Option<&'static str> {
        match self {
            Self::Tempest => Some(r"^(tempest\.api\.volume|cinder_tempest_plugin\.(api|rbac))\."),
            Self::Openstacksdk | Self::Openstackclient | Self::Walk | Self::Schemathesis => None,
        }
    }

    /// How the names of its tests begin, for a line of the table each.
    const fn rows(self) -> &'static [&'static str] {
        match self {
            Self::Tempest => &["tempest.api.volume", "cinder_tempest_plugin.api", "cinder_tempest_plugin.rbac"],
            Self::Openstacksdk => &["openstack.tests"],
            Self::Openstackclient => &["openstackclient.tests"],
            Self::Schemathesis => &[],
            Self::Walk => &["test_cinder", "test_openstack", "test_flows"],
        }
    }
}

/// What the suites run against.
#[derive(Debug)]
pub(crate) struct Ground<'a> {
    pub(crate) servers: &'a Servers,
    /// The Python environment's folder of programs.
    pub(crate) programs: &'a Path,
    pub(crate) folder: &'a Path,
    pub(crate) api_port: u16,
}

impl Ground<'_> {
    /// Runs the required tests of a suite, or those of them whose name matches.
    pub(crate) async fn run(&self, suite: Suite, regex: Option<&str>) -> anyhow::Result<Vec<Row>> {
        if suite.is_alone() {
            // A regex is one of names of Python tests here.
            let wanted = regex.is_none();
            return if wanted { schemathesis::run(self.programs, self.folder, None).await } else { Ok(Vec::new()) };
        }
        let started = Instant::now();
        // Ours are all required.
        let lists = if suite == Suite::Walk { None } else { Some(Lists::read(suite.name())?) };
        let stestr = self.prepare(suite)?;
        let ids = stestr.list(regex.or(suite.scope()))?;
        if let Some(lists) = lists.as_ref().filter(|_| regex.is_none()) {
            lists.check_complete(&ids)?;
        }
        let ids = lists.as_ref().map_or(ids.clone(), |lists| lists.choose(&ids));
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut tests = complete(&ids, stestr.run(&ids).await?);
        let took = started.elapsed();
        let mut rows = Vec::new();
        for prefix in suite.rows() {
            let own: Vec<_> = tests.extract_if(.., |test| test.name.contains(prefix)).collect();
            if own.is_empty() {
                continue;
            }
            let left_out = lists.as_ref().filter(|_| regex.is_none()).map(|lists| lists.left_out(prefix));
            let left_out = left_out.unwrap_or_default();
            rows.push(Row { suite: (*prefix).to_owned(), tests: own, left_out, took });
        }
        Ok(rows)
    }

    fn prepare(&self, suite: Suite) -> anyhow::Result<Stestr<'_>> {
        let folder = self.folder.join(suite.name());
        fs::create_dir_all(&folder)?;
        // Clients look for it where they are started, and forget what the environment says of it.
        fs::write(folder.join("clouds.yaml"), self.clouds())?;
        let (concurrency, environment) = match suite {
            Suite::Tempest => (3, self.tempest(&folder)?),
            // Its own limit is 5 s for a test, which nothing that waits for a backup keeps.
            Suite::Openstacksdk => {
                let limits = [("OS_TEST_TIMEOUT", "180"), ("OPENSTACKSDK_FUNC_TEST_TIMEOUT", "120")];
                (3, limits.map(|(name, value)| (name, value.to_owned())).to_vec())
            }
            Suite::Openstackclient | Suite::Schemathesis => (3, Vec::new()),
            Suite::Walk => (3, self.walk()),
        };
        let top = match suite {
            Suite::Walk => Some(workspace::root().join("tests/conformance/walk")),
            _ => None,
        };
        Ok(Stestr { programs: self.programs, folder, package: suite.package(), top, concurrency, environment })
    }

    /// What tests/conformance/walk/ground.py reads.
    fn walk(&self) -> Vec<(&'static str, String)> {
        let pools = BACKENDS.map(|name| self.folder.join(name).display().to_string());
        vec![
            ("WALK_KEYSTONE", format!("http://127.0.0.1:{}/v3", self.servers.ports().keystone)),
            ("WALK_API", format!("http://127.0.0.1:{}/v3", self.api_port)),
            ("WALK_POOLS", pools.join(":")),
            ("WALK_ADMIN_PASSWORD", ADMIN_PASSWORD.to_owned()),
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
        ]
    }

    /// Writes Tempest's configuration and answers how it is found.
    fn tempest(&self, folder: &Path) -> anyhow::Result<Vec<(&'static str, String)>> {
        let etc = folder.join("etc");
        fs::create_dir_all(&etc)?;
        fs::write(etc.join("tempest.conf"), self.tempest_conf(folder)).context("write tempest.conf")?;
        Ok(vec![("TEMPEST_CONFIG_DIR", etc.display().to_string())])
    }

    fn tempest_conf(&self, folder: &Path) -> String {
        format!(
            include_str!("tempest.conf"),
            folder = folder.display(),
            keystone = self.servers.ports().keystone,
            password = ADMIN_PASSWORD,
            backends = BACKENDS.join(","),
        )
    }

    fn clouds(&self) -> String {
        let cloud = |name: &str, user: &str, password: &str, scope: &str| {
            format!(
                "  {name}:\n    auth: {{auth_url: 'http://127.0.0.1:{port}/v3', username: {user}, password: {password}, \
                 user_domain_id: default, {scope}}}\n    region_name: RegionOne\n    identity_api_version: '3'\n    \
                 block_storage_api_version: '3'\n    volume_api_version: '3'\n",
                port = self.servers.ports().keystone,
            )
        };
        let project = |name: &str| format!("project_name: {name}, project_domain_id: default");
        [
            "clouds:\n".to_owned(),
            cloud("devstack-admin", "admin", ADMIN_PASSWORD, &project("admin")),
            cloud("devstack", "demo", "demo", &project("demo")),
            cloud("devstack-alt", "demo2", "demo", &project("demo2")),
            cloud("devstack-system-admin", "admin", ADMIN_PASSWORD, "system_scope: all"),
        ]
        .concat()
    }
}

/// Where everything of the last run is found.
pub(crate) fn folder(target: &Path) -> PathBuf {
    target.join("conformance")
}
