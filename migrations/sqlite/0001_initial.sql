-- The schema, version 1. The same tables as migrations/postgres/0001_initial.sql, which says what the types mean; SQLite
-- compares text byte by byte without being asked. An index on a column that is mostly null leaves the nulls out: they
-- are never looked for, and counted as one key that most rows share they would make SQLite's statistics advise against it.

CREATE TABLE qos_specs (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    -- Who is to obey them: front-end, back-end or both.
    consumer TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE INDEX qos_specs_by_age ON qos_specs (created_at, id);

CREATE TABLE qos_spec_values (
    qos_specs_id TEXT NOT NULL REFERENCES qos_specs (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (qos_specs_id, key)
);

CREATE TABLE volume_types (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT,
    is_public BOOLEAN NOT NULL,
    qos_specs_id TEXT REFERENCES qos_specs (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE INDEX volume_types_by_age ON volume_types (created_at, id);
CREATE INDEX volume_types_by_qos_specs ON volume_types (qos_specs_id) WHERE qos_specs_id IS NOT NULL;

INSERT INTO volume_types (id, name, description, is_public, created_at)
VALUES ('4d8f5a3e-6f0c-4b52-9a57-2f6c1b7e0d10', '__DEFAULT__', 'Default Volume Type', TRUE, 0);

-- What a volume of the type needs of its place, and what clients may know of it.
CREATE TABLE volume_type_extra_specs (
    volume_type_id TEXT NOT NULL REFERENCES volume_types (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (volume_type_id, key)
);

-- Who may use a type that is not public.
CREATE TABLE volume_type_projects (
    volume_type_id TEXT NOT NULL REFERENCES volume_types (id) ON DELETE CASCADE,
    project_id TEXT NOT NULL,
    PRIMARY KEY (volume_type_id, project_id)
);
CREATE INDEX volume_type_projects_by_project ON volume_type_projects (project_id);

CREATE TABLE volume_type_encryptions (
    volume_type_id TEXT PRIMARY KEY REFERENCES volume_types (id) ON DELETE CASCADE,
    encryption_id TEXT NOT NULL UNIQUE,
    provider TEXT NOT NULL,
    cipher TEXT,
    key_size BIGINT,
    control_location TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);

-- The type of a project's volumes that are asked for without one.
CREATE TABLE default_volume_types (
    project_id TEXT PRIMARY KEY,
    volume_type_id TEXT NOT NULL REFERENCES volume_types (id)
);
CREATE INDEX default_volume_types_by_type ON default_volume_types (volume_type_id);

CREATE TABLE group_types (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT,
    is_public BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE INDEX group_types_by_age ON group_types (created_at, id);

-- The type of what the older API calls consistency groups; its spec stands below, after the table of pairs.
INSERT INTO group_types (id, name, description, is_public, created_at)
VALUES ('7a1f0c52-93d4-4e0b-8a46-c5b8e2f19d37', 'default_cgsnapshot_type',
    'Default group type for migrating cgsnapshot', TRUE, 0);

-- Volumes that are kept together: in one pool, so that one worker reaches them all.
CREATE TABLE volume_groups (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT,
    description TEXT,
    status TEXT NOT NULL,
    availability_zone TEXT NOT NULL,
    group_type_id TEXT NOT NULL REFERENCES group_types (id),
    -- What its volumes were copied from.
    group_snapshot_id TEXT,
    source_group_id TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE INDEX volume_groups_by_project ON volume_groups (project_id, created_at, id);
CREATE INDEX volume_groups_by_age ON volume_groups (created_at, id);
CREATE INDEX volume_groups_by_status ON volume_groups (status);
CREATE INDEX volume_groups_by_type ON volume_groups (group_type_id);
CREATE INDEX volume_groups_copied_from_group ON volume_groups (source_group_id) WHERE status = 'creating';
CREATE INDEX volume_groups_copied_from_snapshot ON volume_groups (group_snapshot_id) WHERE status = 'creating';

-- Of which types a group's volumes may be.
CREATE TABLE group_volume_types (
    group_id TEXT NOT NULL REFERENCES volume_groups (id) ON DELETE CASCADE,
    volume_type_id TEXT NOT NULL REFERENCES volume_types (id),
    PRIMARY KEY (group_id, volume_type_id)
);
CREATE INDEX group_volume_types_by_type ON group_volume_types (volume_type_id);

-- Snapshots of all volumes of a group; each is a row of `snapshots` as well.
CREATE TABLE group_snapshots (
    id TEXT PRIMARY KEY,
    group_id TEXT NOT NULL REFERENCES volume_groups (id),
    group_type_id TEXT NOT NULL REFERENCES group_types (id),
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT,
    description TEXT,
    status TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE INDEX group_snapshots_by_project ON group_snapshots (project_id, created_at, id);
CREATE INDEX group_snapshots_by_age ON group_snapshots (created_at, id);
CREATE INDEX group_snapshots_by_group ON group_snapshots (group_id);
CREATE INDEX group_snapshots_by_status ON group_snapshots (status);
CREATE INDEX group_snapshots_by_type ON group_snapshots (group_type_id);

CREATE TABLE volumes (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    name TEXT,
    description TEXT,
    size_gb BIGINT NOT NULL,
    status TEXT NOT NULL,
    -- What status was before a backup took the volume; afterwards a marker of how that backup ended.
    previous_status TEXT,
    attach_status TEXT NOT NULL,
    migration_status TEXT,
    availability_zone TEXT NOT NULL,
    volume_type_id TEXT NOT NULL REFERENCES volume_types (id),
    -- What the bytes are called in their pool, where they came from another one; else the id.
    name_id TEXT,
    -- Where the bytes are; null until a scheduler placed the volume.
    pool TEXT,
    host TEXT,
    snapshot_id TEXT,
    source_volume_id TEXT,
    source_backup_id TEXT,
    group_id TEXT REFERENCES volume_groups (id),
    bootable BOOLEAN NOT NULL,
    multiattach BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT,
    launched_at BIGINT
);
CREATE INDEX volumes_by_project ON volumes (project_id, created_at, id);
CREATE INDEX volumes_by_age ON volumes (created_at, id);
CREATE INDEX volumes_by_status ON volumes (status, created_at, id);
CREATE INDEX volumes_by_name ON volumes (COALESCE(name, ''), created_at, id);
CREATE INDEX volumes_by_project_and_name ON volumes (project_id, COALESCE(name, ''), created_at, id);
CREATE INDEX volumes_by_type ON volumes (volume_type_id);
CREATE INDEX volumes_by_host ON volumes (host);
CREATE INDEX volumes_by_group ON volumes (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX volumes_by_name_id ON volumes (name_id) WHERE name_id IS NOT NULL;
CREATE INDEX volumes_copied_from_volume ON volumes (source_volume_id) WHERE status = 'creating';
CREATE INDEX volumes_copied_from_snapshot ON volumes (snapshot_id) WHERE status = 'creating';

-- Of a volume's metadata what only the service and its administrators set.
CREATE TABLE volume_admin_metadata (
    volume_id TEXT NOT NULL REFERENCES volumes (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (volume_id, key)
);

CREATE TABLE attachments (
    id TEXT PRIMARY KEY,
    volume_id TEXT NOT NULL REFERENCES volumes (id) ON DELETE CASCADE,
    -- The volume's.
    project_id TEXT NOT NULL,
    instance_id TEXT,
    attached_host TEXT,
    mountpoint TEXT,
    attach_mode TEXT NOT NULL,
    attach_status TEXT NOT NULL,
    attached_at BIGINT,
    -- JSON: who connects, and how to.
    connector TEXT,
    connection_info TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE INDEX attachments_by_project ON attachments (project_id, created_at, id);
CREATE INDEX attachments_by_age ON attachments (created_at, id);
CREATE INDEX attachments_by_instance ON attachments (instance_id) WHERE instance_id IS NOT NULL;
CREATE INDEX attachments_by_volume ON attachments (volume_id);

-- A volume that its project offers to whoever knows the key, of which only the salted hash is here.
CREATE TABLE transfers (
    id TEXT PRIMARY KEY,
    volume_id TEXT NOT NULL REFERENCES volumes (id) ON DELETE CASCADE,
    -- The volume's, until somebody accepts.
    project_id TEXT NOT NULL,
    name TEXT,
    no_snapshots BOOLEAN NOT NULL,
    salt TEXT NOT NULL,
    key_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX transfers_by_volume ON transfers (volume_id);
CREATE INDEX transfers_by_project ON transfers (project_id, created_at, id);
CREATE INDEX transfers_by_age ON transfers (created_at, id);

-- A volume cannot go while it has snapshots: they count against a quota that nobody would give back.
CREATE TABLE snapshots (
    id TEXT PRIMARY KEY,
    volume_id TEXT NOT NULL REFERENCES volumes (id),
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    -- For whose quotas it counts; its volume's.
    volume_type_id TEXT NOT NULL,
    name TEXT,
    description TEXT,
    size_gb BIGINT NOT NULL,
    status TEXT NOT NULL,
    -- As os-update_snapshot_status told.
    progress TEXT,
    -- The snapshot of a whole group that it is a part of.
    group_snapshot_id TEXT REFERENCES group_snapshots (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
CREATE INDEX snapshots_by_project ON snapshots (project_id, created_at, id);
CREATE INDEX snapshots_by_age ON snapshots (created_at, id);
CREATE INDEX snapshots_by_volume ON snapshots (volume_id);
CREATE INDEX snapshots_by_group_snapshot ON snapshots (group_snapshot_id) WHERE group_snapshot_id IS NOT NULL;
CREATE INDEX snapshots_by_status ON snapshots (status, created_at, id);
CREATE INDEX snapshots_by_name ON snapshots (COALESCE(name, ''), created_at, id);
CREATE INDEX snapshots_by_project_and_name ON snapshots (project_id, COALESCE(name, ''), created_at, id);

-- A deleted backup's row stays, with status 'deleted'.
CREATE TABLE backups (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    volume_id TEXT NOT NULL,
    snapshot_id TEXT,
    parent_id TEXT,
    name TEXT,
    description TEXT,
    status TEXT NOT NULL,
    fail_reason TEXT,
    size_gb BIGINT NOT NULL,
    object_count BIGINT NOT NULL,
    -- The place in the store: null until a worker began, apart from a container or a zone that the caller chose.
    container TEXT,
    service TEXT,
    service_metadata TEXT,
    availability_zone TEXT,
    host TEXT,
    data_timestamp BIGINT NOT NULL,
    restore_volume_id TEXT,
    encryption_key_id TEXT,
    -- The last verification of the chain: null until there was one.
    verified_at BIGINT,
    verify_result TEXT,
    verify_reason TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT
);
-- What is deleted is in no list's index: lists stay quick however much was deleted since.
CREATE INDEX backups_by_project ON backups (project_id, created_at, id) WHERE status <> 'deleted';
CREATE INDEX backups_by_age ON backups (created_at, id) WHERE status <> 'deleted';
CREATE INDEX backups_by_volume ON backups (volume_id, project_id) WHERE status <> 'deleted';
CREATE INDEX backups_by_parent ON backups (parent_id) WHERE parent_id IS NOT NULL AND status <> 'deleted';
CREATE INDEX backups_by_place ON backups (service_metadata, container) WHERE service_metadata IS NOT NULL;
CREATE INDEX backups_by_status ON backups (status, created_at, id) WHERE status <> 'deleted';
CREATE INDEX backups_by_name ON backups (COALESCE(name, ''), created_at, id) WHERE status <> 'deleted';
CREATE INDEX backups_by_project_and_name ON backups (project_id, COALESCE(name, ''), created_at, id)
    WHERE status <> 'deleted';

-- Key and value pairs of volumes, snapshots and backups, and the specs of group types.
CREATE TABLE resource_metadata (
    resource_id TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (resource_id, key)
);
CREATE INDEX resource_metadata_by_pair ON resource_metadata (key, value);

-- What volumes and snapshots keep of the image that they were made of.
CREATE TABLE image_metadata (
    resource_id TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (resource_id, key)
);
CREATE INDEX image_metadata_by_pair ON image_metadata (key, value);

INSERT INTO resource_metadata (resource_id, key, value)
VALUES ('7a1f0c52-93d4-4e0b-8a46-c5b8e2f19d37', 'consistent_group_snapshot_enabled', '<is> True');

-- What a project is told of acts that failed after they had been accepted.
CREATE TABLE messages (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    resource_type TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    action_id TEXT NOT NULL,
    detail_id TEXT NOT NULL,
    message_level TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX messages_by_project ON messages (project_id, created_at, id);
CREATE INDEX messages_by_age ON messages (created_at, id);
CREATE INDEX messages_by_resource ON messages (resource_id);
CREATE INDEX messages_by_expiry ON messages (expires_at);

-- The limits of a class of projects; those of the class 'default' are every project's, and without a row the configured ones
-- hold. -1 is unlimited.
CREATE TABLE quota_classes (
    class_name TEXT NOT NULL,
    resource TEXT NOT NULL,
    -- What is limited, or only its part of one volume type; empty for the whole, as a key takes no null.
    volume_type_id TEXT NOT NULL,
    hard_limit BIGINT NOT NULL,
    PRIMARY KEY (class_name, resource, volume_type_id)
);
CREATE INDEX quota_classes_by_type ON quota_classes (volume_type_id);

-- A project's own limits; without a row its class's hold.
CREATE TABLE quotas (
    project_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    volume_type_id TEXT NOT NULL,
    hard_limit BIGINT NOT NULL,
    PRIMARY KEY (project_id, resource, volume_type_id)
);
CREATE INDEX quotas_by_type ON quotas (volume_type_id);

-- What a project holds: at every commit the sum over its rows.
CREATE TABLE quota_usages (
    project_id TEXT NOT NULL,
    resource TEXT NOT NULL,
    volume_type_id TEXT NOT NULL,
    in_use BIGINT NOT NULL,
    PRIMARY KEY (project_id, resource, volume_type_id)
);

-- What os-services lists.
CREATE TABLE services (
    host TEXT NOT NULL,
    binary_name TEXT NOT NULL,
    availability_zone TEXT NOT NULL,
    disabled BOOLEAN NOT NULL,
    disabled_reason TEXT,
    -- Nothing is made or deleted there.
    frozen BOOLEAN NOT NULL,
    -- When an operator last disabled or enabled it.
    changed_at BIGINT,
    reported_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (host, binary_name)
);

-- Worker processes that registered. `pools` is a JSON list of {name, volume_backend_name, vendor_name,
-- storage_protocol, free_bytes, total_bytes}.
CREATE TABLE workers (
    id TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    availability_zone TEXT NOT NULL,
    backup_driver TEXT NOT NULL,
    slots BIGINT NOT NULL,
    pools TEXT NOT NULL,
    draining BOOLEAN NOT NULL,
    heartbeat_at BIGINT NOT NULL
);

-- What workers last told of the files in a pool: what is there to be managed.
CREATE TABLE pool_files (
    pool TEXT NOT NULL,
    name TEXT NOT NULL,
    is_snapshot BOOLEAN NOT NULL,
    size_bytes BIGINT NOT NULL,
    -- Why the pool would not take it.
    refusal TEXT,
    PRIMARY KEY (pool, name)
);
CREATE INDEX pool_files_by_name ON pool_files (pool, is_snapshot, name);
CREATE INDEX pool_files_by_size ON pool_files (pool, is_snapshot, size_bytes, name);

-- Everything asynchronous. `params` is a JSON object of what the kind needs beyond the ids.
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    -- Raised by every assignment and every return to the queue: only the holder of the current number may report.
    generation BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    -- Attempts that failed without bringing the job further.
    failures BIGINT NOT NULL,
    project_id TEXT NOT NULL,
    volume_id TEXT,
    snapshot_id TEXT,
    backup_id TEXT,
    group_id TEXT,
    group_snapshot_id TEXT,
    params TEXT NOT NULL,
    pool TEXT,
    -- Of a queued job the worker that had it last.
    worker_id TEXT,
    lease_expires_at BIGINT,
    not_before BIGINT NOT NULL,
    cancel_requested BOOLEAN NOT NULL,
    done_bytes BIGINT NOT NULL,
    total_bytes BIGINT NOT NULL,
    -- Of the last seconds of the attempt that runs.
    bytes_per_second BIGINT NOT NULL,
    -- The most bytes that earlier attempts had handled.
    furthest_bytes BIGINT NOT NULL,
    error TEXT,
    request_id TEXT,
    traceparent TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX jobs_by_project ON jobs (project_id, created_at, id);
CREATE INDEX jobs_by_age ON jobs (created_at, id);
-- What changed since somebody looked.
CREATE INDEX jobs_by_change ON jobs (updated_at, id);
CREATE INDEX jobs_due ON jobs (project_id, created_at, id, not_before) WHERE state = 'queued';
CREATE INDEX jobs_at_work ON jobs (project_id) WHERE state IN ('assigned', 'running');
CREATE INDEX jobs_by_busy_pool ON jobs (pool) WHERE state IN ('assigned', 'running');
CREATE INDEX jobs_stopping ON jobs (id) WHERE state = 'running' AND cancel_requested;
CREATE INDEX jobs_to_cancel ON jobs (created_at, id) WHERE state = 'queued' AND cancel_requested;
CREATE INDEX jobs_by_lease ON jobs (lease_expires_at) WHERE state IN ('assigned', 'running');
CREATE INDEX jobs_by_worker ON jobs (worker_id) WHERE state IN ('assigned', 'running');
CREATE INDEX jobs_by_volume ON jobs (volume_id) WHERE state IN ('queued', 'assigned', 'running');
CREATE INDEX jobs_by_snapshot ON jobs (snapshot_id) WHERE state IN ('queued', 'assigned', 'running');
CREATE INDEX jobs_by_backup ON jobs (backup_id) WHERE state IN ('queued', 'assigned', 'running');
CREATE INDEX jobs_verifying ON jobs (backup_id, created_at, id) WHERE kind = 'backup_verify';
CREATE INDEX jobs_sweeping ON jobs (backup_id) WHERE kind = 'backup_sweep';
CREATE INDEX jobs_by_group ON jobs (group_id) WHERE state IN ('queued', 'assigned', 'running');
CREATE INDEX jobs_by_group_snapshot ON jobs (group_snapshot_id) WHERE state IN ('queued', 'assigned', 'running');

-- What an operator allows the workers of a host, in place of what their configuration says; null: what that says.
CREATE TABLE host_limits (
    host TEXT PRIMARY KEY,
    slots BIGINT,
    bytes_per_second BIGINT,
    updated_at BIGINT NOT NULL
);

-- Objects of an unfinished backup that are durable in the store.
CREATE TABLE job_checkpoints (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    offset_bytes BIGINT NOT NULL,
    length_bytes BIGINT NOT NULL,
    md5 TEXT NOT NULL,
    compression TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (job_id, name)
);
CREATE INDEX job_checkpoints_in_order ON job_checkpoints (job_id, offset_bytes, name);

-- Places where something may still arrive that a worker sent before its job ended; they are looked at until it cannot.
CREATE TABLE late_writes (
    backup_id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    container TEXT NOT NULL,
    prefix TEXT NOT NULL,
    service TEXT NOT NULL,
    size_gb BIGINT NOT NULL,
    -- Whether the backup was made, and by its first attempt.
    made BOOLEAN NOT NULL,
    alone BOOLEAN NOT NULL,
    ended_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL
);
CREATE INDEX late_writes_due ON late_writes (due_at, backup_id);

-- Messages that nobody could handle.
CREATE TABLE dead_letters (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX dead_letters_by_age ON dead_letters (created_at, id);

-- Messages to send; a row goes when the broker has confirmed it.
CREATE TABLE outbox (
    id TEXT PRIMARY KEY,
    queue TEXT NOT NULL,
    body TEXT NOT NULL,
    traceparent TEXT,
    created_at BIGINT NOT NULL,
    -- A relay that took the row hides it until then.
    hidden_until BIGINT NOT NULL
);
CREATE INDEX outbox_in_order ON outbox (created_at, id);
