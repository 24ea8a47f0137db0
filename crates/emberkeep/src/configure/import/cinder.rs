//! What becomes of each of Cinder's options: where it goes, or why it goes nowhere.

use super::super::options::Service;
use super::ini::DEFAULT;

const AUTH: &str = "keystone_authtoken";
const NOTIFY: &str = "oslo_messaging_notifications";
const RABBIT: &str = "oslo_messaging_rabbit";

/// An option of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) service: Service,
    pub(super) section: &'static str,
    pub(super) option: &'static str,
}

/// What becomes of an option.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Fate {
    /// Its value goes to these as it is.
    Taken(Vec<Place>),
    /// What stands beside it decides (`special`).
    Weighed,
    /// It goes nowhere: why, and what to do.
    Left(&'static str),
    /// Nothing here is like it.
    Unknown,
}

/// Of a group of options that have the same name here.
type Same = (&'static str, Service, &'static str, &'static [&'static str]);

const SAME: [Same; 8] = [
    (
        DEFAULT,
        Service::Api,
        "api",
        &[
            "osapi_max_limit",
            "public_endpoint",
            "default_volume_type",
            "default_group_type",
            "default_availability_zone",
            "project_id_regex",
            "resource_query_filters_file",
        ],
    ),
    (
        DEFAULT,
        Service::Api,
        "quota",
        &[
            "quota_volumes",
            "quota_gigabytes",
            "quota_snapshots",
            "per_volume_size_limit",
            "quota_backups",
            "quota_backup_gigabytes",
            "quota_groups",
        ],
    ),
    (
        DEFAULT,
        Service::BackupWorker,
        "store",
        &[
            "backup_create_containers",
            "backup_swift_url",
            "backup_swift_auth_url",
            "backup_swift_tenant",
            "backup_swift_project",
            "backup_swift_user",
            "backup_swift_key",
            "backup_swift_user_domain",
            "backup_swift_project_domain",
            "backup_swift_container",
            "backup_swift_create_storage_policy",
            "backup_swift_block_size",
            "backup_swift_retry_attempts",
            "backup_swift_retry_backoff",
            "backup_swift_ca_cert_file",
            "backup_swift_auth_insecure",
            "backup_swift_region_name",
            "swift_catalog_info",
            "backup_container",
            "backup_sha_block_size_bytes",
        ],
    ),
    (DEFAULT, Service::BackupWorker, "engine", &["backup_compression_algorithm"]),
    (DEFAULT, Service::Scheduler, "scheduler", &["storage_availability_zone"]),
    (DEFAULT, Service::BackupWorker, "worker", &["storage_availability_zone"]),
    (
        AUTH,
        Service::Api,
        AUTH,
        &[
            "auth_url",
            "www_authenticate_uri",
            "username",
            "password",
            "user_domain_name",
            "project_name",
            "project_domain_name",
            "region_name",
            "interface",
            "token_cache_time",
            "service_token_roles",
            "service_token_roles_required",
            "cafile",
            "insecure",
        ],
    ),
    ("database", Service::Scheduler, "database", &["max_pool_size"]),
];

/// What has another name here, or goes to several files.
const RENAMED: [(&str, &str, Service, &str, &str); 11] = [
    (DEFAULT, "service_down_time", Service::Api, "api", "service_down_time_secs"),
    ("oslo_middleware", "max_request_body_size", Service::Api, "api", "max_request_body_bytes"),
    ("database", "max_pool_size", Service::Api, "database", "max_pool_size"),
    (DEFAULT, "control_exchange", Service::Api, NOTIFY, "control_exchange"),
    (DEFAULT, "control_exchange", Service::Scheduler, NOTIFY, "control_exchange"),
    (NOTIFY, "topics", Service::Api, NOTIFY, "topics"),
    (NOTIFY, "topics", Service::Scheduler, NOTIFY, "topics"),
    (RABBIT, "amqp_durable_queues", Service::Api, NOTIFY, "amqp_durable_queues"),
    (RABBIT, "amqp_durable_queues", Service::Scheduler, NOTIFY, "amqp_durable_queues"),
    (RABBIT, "rabbit_quorum_queue", Service::Api, NOTIFY, "rabbit_quorum_queue"),
    (RABBIT, "rabbit_quorum_queue", Service::Scheduler, NOTIFY, "rabbit_quorum_queue"),
];

/// Told of by `special`.
const WEIGHED: [(&str, &[&str]); 6] = [
    (
        DEFAULT,
        &[
            "auth_strategy",
            "osapi_volume_listen",
            "osapi_volume_listen_port",
            "osapi_volume_use_ssl",
            "backup_driver",
            "backup_swift_auth",
            "backup_swift_auth_version",
            "backup_swift_object_size",
            "backup_file_size",
            "backup_posix_path",
            "backup_max_operations",
            "transport_url",
            "debug",
            "use_json",
            "enabled_backends",
            "volume_driver",
        ],
    ),
    ("database", &["connection"]),
    (NOTIFY, &["driver", "transport_url"]),
    ("oslo_policy", &["policy_file"]),
    (AUTH, &["auth_type", "auth_section", "user_domain_id", "project_domain_id"]),
    (RABBIT, &["ssl", "ssl_ca_file", "ssl_cert_file", "ssl_key_file"]),
];

/// A name that ends with `*` stands for all that begin so.
const LEFT: [(&str, &[&str], &str); 29] = [
    (DEFAULT, &["backup_workers"], "one worker runs backup_max_operations jobs at once; for more, start more workers."),
    (DEFAULT, &["backup_native_threads_pool_size"], "see [engine] transfers for what one job has in flight."),
    (
        DEFAULT,
        &["backup_use_same_host", "backup_use_temp_snapshot", "snapshot_same_host"],
        "the scheduler gives a backup to any worker that reaches the volume's pool, and the pool chooses how to hold it still.",
    ),
    (
        DEFAULT,
        &[
            "backup_object_number_per_notification",
            "backup_timer_interval",
            "backup_enable_progress_timer",
            "backup_swift_enable_progress_timer",
        ],
        "progress is told every second, and to other services at each tenth.",
    ),
    (
        DEFAULT,
        &[
            "backup_driver_init_check_interval",
            "backup_driver_stats_polling_interval",
            "backup_service_inithost_offload",
        ],
        "a worker looks for its store when it needs it, and jobs of one that died go on elsewhere by themselves.",
    ),
    (
        DEFAULT,
        &["backup_metadata_version"],
        "manifests are of version 1.0.0 with volume metadata version 2, which every Cinder reads.",
    ),
    (
        DEFAULT,
        &[
            "backup_api_class",
            "backup_manager",
            "backup_name_template",
            "volume_name_template",
            "snapshot_name_template",
            "quota_driver",
            "use_default_quota_class",
        ],
        "names and classes are fixed here.",
    ),
    (DEFAULT, &["backup_swift_service_auth"], "it belongs to per_user; workers sign in as a user of their own."),
    (DEFAULT, &["backup_ceph_*"], "there is no driver for Ceph; backups in it stay with cinder-backup."),
    (DEFAULT, &["backup_gcs_*"], "there is no driver for Google Cloud Storage; backups in it stay with cinder-backup."),
    (DEFAULT, &["backup_s3_*"], "there is no driver for S3; backups in it stay with cinder-backup."),
    (DEFAULT, &["backup_tsm_*"], "there is no driver for tapes; backups on them stay with cinder-backup."),
    (
        DEFAULT,
        &["backup_mount_*", "backup_share", "glusterfs_backup_*"],
        "a worker mounts nothing: mount the share on every worker and name the directory in [store] backup_posix_path.",
    ),
    (DEFAULT, &["no_snapshot_gb_quota"], "snapshots always count towards quota_gigabytes."),
    (DEFAULT, &["osapi_volume_workers"], "start more api processes behind one address."),
    (DEFAULT, &["host", "cluster"], "every worker is a host of its own, named as its machine; see [worker] host."),
    (
        DEFAULT,
        &[
            "log_file",
            "log_dir",
            "use_syslog",
            "use_journal",
            "use_stderr",
            "logging_*",
            "default_log_levels",
            "log_config_append",
            "log_*",
            "watch_log_file",
            "instance_*",
            "publish_errors",
            "rate_limit_*",
            "fatal_deprecations",
        ],
        "logs go to the standard error, for the journal or the container; see [telemetry] log_filter.",
    ),
    (
        DEFAULT,
        &[
            "api_paste_config",
            "osapi_volume_extension",
            "osapi_volume_base_url",
            "volume_api_class",
            "group_api_class",
            "enable_v3_api",
            "volume_manager",
            "scheduler_*",
        ],
        "what the api does is built in, and so is how the scheduler weighs.",
    ),
    (
        DEFAULT,
        &["rootwrap_config", "state_path", "my_ip", "lock_path", "volumes_dir", "image_conversion_dir"],
        "nothing here needs it.",
    ),
    (
        DEFAULT,
        &["glance_*", "nova_*", "keystone_catalog_info", "allowed_direct_url_schemes", "image_*"],
        "images are not made into volumes here.",
    ),
    (
        DEFAULT,
        &["rpc_*", "executor_thread_pool_size", "report_interval", "periodic_*"],
        "services speak by gRPC and queues of their own.",
    ),
    (
        DEFAULT,
        &[
            "allow_availability_zone_fallback",
            "cinder_internal_tenant_*",
            "max_over_subscription_ratio",
            "reserved_percentage",
            "volume_clear*",
            "target_*",
            "iscsi_*",
            "nfs_*",
            "nas_*",
            "volume_group",
            "volume_backend_name",
            "lvm_*",
        ],
        "there is nothing like it here, or it belongs to a backend's section.",
    ),
    (
        AUTH,
        &[
            "memcache*",
            "cache",
            "include_service_catalog",
            "http_*",
            "delay_auth_decision",
            "enforce_token_bind",
            "service_type",
            "auth_version",
            "certfile",
            "keyfile",
            "auth_section",
            "default_domain_*",
            "domain_*",
            "system_scope",
            "trust_id",
        ],
        "tokens are remembered by each api process; see token_cache_time and request_timeout_secs.",
    ),
    (
        AUTH,
        &["admin_*", "identity_uri", "auth_host", "auth_port", "auth_protocol", "auth_admin_prefix"],
        "it is of a Keystone that is long gone: give auth_url, username, password and project_name.",
    ),
    ("database", &["*"], "connections are few, and opened anew by themselves when the database comes back."),
    (NOTIFY, &["retry"], "a notification is kept until the broker has it."),
    (
        RABBIT,
        &["*"],
        "queues and connections are managed by Emberkeep; the heartbeat can be given in [messaging] transport_url.",
    ),
    ("oslo_policy", &["*"], "only the file of rules is read: put the rules of policy_dirs into it."),
    (
        "ssl",
        &["*"],
        "the api speaks plain HTTP: let a proxy in front of it end TLS with these files, and set [api] public_endpoint.",
    ),
];

/// Of sections that are left out whole.
const SECTIONS: [(&str, &str); 9] = [
    ("nova", "set [api] compute_detaches = true where Nova attaches the volumes; nothing else is asked of it."),
    ("glance", "images are not made into volumes here."),
    ("key_manager", "encrypted volumes are stored as they are, so that no key is needed."),
    ("barbican", "encrypted volumes are stored as they are, so that no key is needed."),
    ("coordination", "locks are rows of the database."),
    ("service_user", "no other service is called for a user."),
    ("oslo_middleware", "set [api] public_endpoint behind a proxy."),
    ("oslo_concurrency", "nothing is locked by files."),
    ("privsep", "nothing runs as root: give the user of the services the rights to its pools."),
];

/// What becomes of an option.
pub(super) fn fate(group: &str, option: &str) -> Fate {
    let is = |other: &str| group.eq_ignore_ascii_case(other);
    if WEIGHED.iter().any(|(other, options)| is(other) && options.contains(&option)) {
        return Fate::Weighed;
    }
    let same = SAME.iter().filter(|(other, ..)| is(other)).filter_map(|(_, service, section, options)| {
        let option = options.iter().find(|same| **same == option)?;
        Some(Place { service: *service, section, option })
    });
    let renamed = RENAMED.iter().filter(|(other, name, ..)| is(other) && *name == option);
    let renamed = renamed.map(|(_, _, service, section, option)| Place { service: *service, section, option });
    let places: Vec<Place> = same.chain(renamed).collect();
    if !places.is_empty() {
        return Fate::Taken(places);
    }
    let matches = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => option.starts_with(start),
        None => option == pattern,
    };
    let left = LEFT.iter().find(|(other, patterns, _)| is(other) && patterns.iter().any(|pattern| matches(pattern)));
    let section = || SECTIONS.iter().find(|(other, _)| is(other)).map(|(_, why)| *why);
    left.map(|(_, _, why)| *why).or_else(section).map_or(Fate::Unknown, Fate::Left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_goes_to_an_option_that_is_there() {
        let same = SAME.iter().flat_map(|(group, _, _, options)| options.iter().map(move |option| (*group, *option)));
        let renamed = RENAMED.iter().map(|(group, option, ..)| (*group, *option));
        for (group, option) in same.chain(renamed) {
            let Fate::Taken(places) = fate(group, option) else { panic!("[{group}] {option}") };
            for place in places {
                let sections = place.service.sections();
                let section = sections.iter().find(|section| section.name == place.section);
                let found = section.is_some_and(|section| section.options.iter().any(|ours| ours.name == place.option));
                assert!(found, "{place:?}");
            }
        }
    }
}
