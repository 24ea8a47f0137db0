//! How the databases carry lists out: by which index, that no project's list reads another's rows, and that a page begins
//! where the one before ended. All of it on an empty database, and on a filled one that knows its own statistics.

use super::*;
use crate::{
    Config, Database, attachments, backups, group_snapshots, group_types, groups, jobs, messages, metadata, qos_specs,
    snapshots, transfers, types, volumes,
};

/// A list and what is asked of it so often that no table may be read for it, whoever asks.
struct Listed {
    table: &'static Table,
    of_projects: bool,
    filters: &'static [&'static str],
    sorts: &'static [&'static str],
    /// Makes its row `n`: columns, then values.
    row: (&'static str, &'static str),
}

/// In an order in which rows refer to earlier ones only.
const LISTED: [Listed; 12] = [
    Listed {
        table: &qos_specs::TABLE,
        of_projects: false,
        filters: &["id"],
        sorts: &["created_at", "id"],
        row: ("id, name, consumer, created_at", "'q' || n, 'qos-' || n, 'back-end', n"),
    },
    Listed {
        table: &types::TABLE,
        of_projects: false,
        filters: &["id", "qos_specs_id"],
        sorts: &["created_at", "id"],
        row: ("id, name, is_public, created_at", "'t' || n, 'type-' || n, TRUE, n"),
    },
    Listed {
        table: &group_types::TABLE,
        of_projects: false,
        filters: &["id"],
        sorts: &["created_at", "id"],
        row: ("id, name, is_public, created_at", "'t' || n, 'type-' || n, TRUE, n"),
    },
    Listed {
        table: &groups::TABLE,
        of_projects: true,
        filters: &["id", "status", "group_type_id"],
        sorts: &["created_at", "id"],
        row: (
            "id, project_id, user_id, name, status, availability_zone, group_type_id, created_at",
            "'g' || n, PROJECT, 'user', 'group-' || n, STATUS, 'nova', 't' || (n % 7), n",
        ),
    },
    Listed {
        table: &group_snapshots::TABLE,
        of_projects: true,
        filters: &["id", "group_id", "status", "group_type_id"],
        sorts: &["created_at", "id"],
        row: (
            "id, group_id, group_type_id, project_id, user_id, name, status, created_at",
            "'s' || n, 'g' || n, 't' || (n % 7), PROJECT, 'user', 'name-' || n, STATUS, n",
        ),
    },
    Listed {
        table: &volumes::TABLE,
        of_projects: true,
        filters: &["id", "name", "status", "volume_type_id", "host", "group_id"],
        sorts: &["created_at", "name", "id"],
        row: (
            "id, project_id, user_id, name, size_gb, status, attach_status, availability_zone, volume_type_id, host,
             bootable, multiattach, created_at",
            "'v' || n, PROJECT, 'user', 'volume-' || n, n % 100, STATUS, 'detached', 'nova', 't' || (n % 7),
             'host-' || (n % 20), FALSE, FALSE, n",
        ),
    },
    Listed {
        table: &attachments::TABLE,
        of_projects: true,
        filters: &["id", "volume_id", "instance_id"],
        sorts: &["created_at", "id"],
        row: (
            "id, volume_id, project_id, attach_mode, attach_status, created_at",
            "'a' || n, 'v' || n, PROJECT, 'rw', STATUS, n",
        ),
    },
    Listed {
        table: &transfers::TABLE,
        of_projects: true,
        filters: &["id", "volume_id"],
        sorts: &["created_at", "id"],
        row: (
            "id, volume_id, project_id, name, no_snapshots, salt, key_hash, created_at",
            "'t' || n, 'v' || n, PROJECT, 'name-' || n, FALSE, '', '', n",
        ),
    },
    Listed {
        table: &snapshots::TABLE,
        of_projects: true,
        filters: &["id", "name", "status", "volume_id"],
        sorts: &["created_at", "name", "id"],
        row: (
            "id, volume_id, project_id, user_id, volume_type_id, name, size_gb, status, created_at",
            "'s' || n, 'v' || n, PROJECT, 'user', 't1', 'snapshot-' || n, 1, STATUS, n",
        ),
    },
    // No backup here is incremental: as far as statistics can tell, parents are never asked for.
    Listed {
        table: &backups::TABLE,
        of_projects: true,
        filters: &["id", "name", "status", "volume_id", "parent_id"],
        sorts: &["created_at", "name", "id"],
        row: (
            "id, project_id, user_id, volume_id, name, status, size_gb, object_count, data_timestamp, created_at",
            "'b' || n, PROJECT, 'user', 'v' || n, 'backup-' || n, STATUS, 1, 1, n, n",
        ),
    },
    Listed {
        table: &messages::TABLE,
        of_projects: true,
        filters: &["id", "resource_id"],
        sorts: &["created_at", "id"],
        row: (
            "id, project_id, request_id, resource_type, resource_id, event_id, action_id, detail_id, message_level,
             created_at, expires_at",
            "'m' || n, PROJECT, 'req-' || n, 'VOLUME', 'v' || n, 'event', 'action', 'detail', 'ERROR', n, n",
        ),
    },
    Listed {
        table: &jobs::LISTED,
        of_projects: true,
        filters: &["id"],
        sorts: &["created_at", "id"],
        row: (
            "id, kind, state, generation, attempts, failures, project_id, params, not_before, cancel_requested, done_bytes,
             total_bytes, bytes_per_second, furthest_bytes, created_at, updated_at",
            "'j' || n, 'backup_create', STATUS, 1, 0, 0, PROJECT, '{}', n, FALSE, 0, 0, 0, 0, n, n",
        ),
    },
];

const PAIRS: (&str, &str) = ("resource_id, key, value", "'v' || n, 'key', 'value'");

const ROWS: i64 = 20_000;
const PROJECTS: i64 = 200;

/// `ROWS` rows of each, and what the database knows of them. Of the backups half are deleted.
async fn fill(database: &Database) {
    let mut tx = database.begin("fill").await.expect("a transaction");
    let listed = LISTED.iter().map(|listed| (listed.table.name, listed.row));
    for (table, (columns, values)) in listed.chain(["resource_metadata", "image_metadata"].map(|pairs| (pairs, PAIRS)))
    {
        let usual = if table == "backups" { "deleted" } else { "in-use" };
        let status = format!("CASE WHEN n % 100 = 7 THEN 'error' WHEN n % 2 = 0 THEN '{usual}' ELSE 'available' END");
        let values = values.replace("PROJECT", &format!("'p' || (n % {PROJECTS})")).replace("STATUS", &status);
        let text = format!(
            "WITH RECURSIVE numbers (n) AS
                (SELECT CAST(0 AS BIGINT) UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < {ROWS})
             INSERT INTO {table} ({columns}) SELECT {values} FROM numbers"
        );
        sql(text).execute(&mut tx).await.expect("filled");
    }
    sql("ANALYZE").execute(&mut tx).await.expect("analyzed");
    tx.commit().await.expect("committed");
}

fn query(scope: Scope) -> ListQuery {
    ListQuery { scope, filters: Vec::new(), sort: Vec::new(), marker: None, limit: 10, offset: 0 }
}

fn by_pairs() -> impl Iterator<Item = Filter> {
    [Filter::Metadata("k".into(), "v".into()), Filter::ImageMetadata("k".into(), "v".into())].into_iter()
}

/// By every column alone: sorted by it either way, and filtered by it.
fn queries(table: &Table, scope: &Scope) -> Vec<ListQuery> {
    let mut queries = vec![query(scope.clone())];
    for column in table.columns {
        for direction in [Direction::Ascending, Direction::Descending] {
            queries.push(ListQuery { sort: vec![(column, direction)], ..query(scope.clone()) });
        }
        queries.push(ListQuery { filters: vec![Filter::Equals(column, "1".into())], ..query(scope.clone()) });
    }
    if table.columns.contains(&"name") {
        queries.push(ListQuery { filters: vec![Filter::Like("name", "part".into())], ..query(scope.clone()) });
    }
    queries.extend(by_pairs().map(|filter| ListQuery { filters: vec![filter], ..query(scope.clone()) }));
    queries
}

/// Everybody's lists that no table is read for.
fn usual(listed: &Listed) -> Vec<ListQuery> {
    let mut queries = vec![query(Scope::All)];
    for column in listed.filters {
        for word in ["1", "error", "available"] {
            queries.push(ListQuery { filters: vec![Filter::Equals(column, word.into())], ..query(Scope::All) });
        }
    }
    queries.extend(by_pairs().map(|filter| ListQuery { filters: vec![filter], ..query(Scope::All) }));
    for column in listed.sorts {
        for direction in [Direction::Ascending, Direction::Descending] {
            queries.push(ListQuery { sort: vec![(column, direction)], ..query(Scope::All) });
        }
    }
    queries
}

async fn sqlite() -> (Database, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a directory");
    let connection = format!("sqlite://{}", directory.path().join("plans.db").display());
    let database = Database::connect(&Config { connection, max_pool_size: 1 }).await.expect("a database");
    database.migrate().await.expect("a schema");
    (database, directory)
}

async fn plan(conn: &mut Conn, table: &Table, query: &ListQuery) -> Vec<String> {
    let statement = statement(conn, table, query).await.expect("a statement");
    let rows = statement.behind("EXPLAIN QUERY PLAN").fetch_all(conn).await.expect("a plan");
    rows.iter().map(|row| row.text("detail").expect("a line")).collect()
}

async fn projects_lists_begin_at_an_index_of_the_project(conn: &mut Conn) {
    for listed in LISTED.iter().filter(|listed| listed.of_projects) {
        for query in queries(listed.table, &Scope::Project("p1".into())) {
            let plan = plan(conn, listed.table, &query).await;
            let first = plan.first().expect("a line");
            assert!(first.starts_with(&format!("SEARCH {} USING INDEX", listed.table.name)), "{query:?}\n{plan:?}");
            assert!(!plan.iter().any(|line| line.starts_with("SCAN")), "{query:?}\n{plan:?}");
        }
    }
}

async fn the_usual_lists_are_read_in_order(conn: &mut Conn) {
    for listed in &LISTED {
        for query in usual(listed) {
            let plan = plan(conn, listed.table, &query).await;
            let first = plan.first().expect("a line");
            let in_order =
                query.filters.is_empty() && first.starts_with(&format!("SCAN {} USING INDEX", listed.table.name));
            let by_index = first.starts_with("SEARCH") || in_order;
            assert!(by_index, "{query:?}\n{plan:?}");
            assert!(!plan[1..].iter().any(|line| line.starts_with("SCAN")), "{query:?}\n{plan:?}");
            let sorted = plan.iter().any(|line| line.contains("TEMP B-TREE"));
            assert!(query.sort.is_empty() || !sorted, "{query:?}\n{plan:?}");
        }
        if !listed.of_projects || !listed.sorts.contains(&"name") {
            continue;
        }
        let sort = vec![("name", Direction::Ascending)];
        let by_name = ListQuery { sort, ..query(Scope::Project("p1".into())) };
        let plan = plan(conn, listed.table, &by_name).await;
        let sorted = plan.iter().any(|line| line.contains("TEMP B-TREE"));
        assert!(plan.first().is_some_and(|line| line.contains("project_and_name")) && !sorted, "{plan:?}");
    }
}

#[tokio::test]
async fn sqlite_reads_lists_by_their_indexes() {
    let (database, _directory) = sqlite().await;
    let mut conn = database.read().await.expect("a connection");
    projects_lists_begin_at_an_index_of_the_project(&mut conn).await;
    the_usual_lists_are_read_in_order(&mut conn).await;
}

#[tokio::test]
async fn sqlite_reads_them_so_when_it_knows_its_rows() {
    let (database, _directory) = sqlite().await;
    fill(&database).await;
    let mut conn = database.read().await.expect("a connection");
    projects_lists_begin_at_an_index_of_the_project(&mut conn).await;
    the_usual_lists_are_read_in_order(&mut conn).await;
    for (table, marked) in behind_a_marker() {
        let plan = plan(&mut conn, table, &marked).await;
        let begins_there = plan.first().is_some_and(|line| line.starts_with("SEARCH") && line.contains('<'));
        assert!(begins_there && plan.iter().all(|line| !line.contains("TEMP B-TREE")), "{marked:?}\n{plan:?}");
    }
}

/// The last pages of long lists, each in the order of an index.
fn behind_a_marker() -> Vec<(&'static Table, ListQuery)> {
    let mut pages = Vec::new();
    for (table, marker) in [(&volumes::TABLE, "v9001"), (&snapshots::TABLE, "s9001"), (&backups::TABLE, "b9001")] {
        for scope in [Scope::All, Scope::Project("p1".into())] {
            let page = ListQuery { marker: Some(marker.into()), ..query(scope) };
            pages.push((table, ListQuery { sort: vec![("name", Direction::Descending)], ..page.clone() }));
            pages.push((table, page));
        }
        let page = ListQuery { marker: Some(marker.into()), ..query(Scope::All) };
        pages.push((table, ListQuery { filters: vec![Filter::Equals("status", "error".into())], ..page.clone() }));
        pages.push((table, ListQuery { sort: vec![("id", Direction::Descending)], ..page }));
    }
    pages
}

mod real {
    use super::*;

    /// A database of its own.
    async fn postgres() -> Database {
        let connection = std::env::var("EMBERKEEP_TEST_POSTGRES_URL").expect("EMBERKEEP_TEST_POSTGRES_URL");
        let config = Config { connection: connection.clone(), max_pool_size: 1 };
        let administrator = Database::connect(&config).await.expect("a server");
        let name = format!("emberkeep_plans_{}", domain::JobId::random().uuid().simple());
        let mut conn = administrator.read().await.expect("a connection");
        sql(format!("CREATE DATABASE {name}")).execute(&mut conn).await.expect("a database");
        let (server, _) = connection.rsplit_once('/').expect("the address ends in /database");
        let config = Config { connection: format!("{server}/{name}"), max_pool_size: 2 };
        let database = Database::connect(&config).await.expect("a database");
        database.migrate().await.expect("a schema");
        database
    }

    async fn plan(conn: &mut Conn, table: &Table, query: &ListQuery) -> String {
        let statement = statement(conn, table, query).await.expect("a statement");
        explain(conn, statement).await
    }

    async fn explain(conn: &mut Conn, statement: Query) -> String {
        let rows = statement.behind("EXPLAIN").fetch_all(conn).await.expect("a plan");
        rows.iter().map(|row| row.text("QUERY PLAN").expect("a line")).collect::<Vec<_>>().join("\n")
    }

    async fn no_list_reads_a_table(conn: &mut Conn) {
        for listed in &LISTED {
            let scope = Scope::Project("p1".into());
            let of_project = if listed.of_projects { queries(listed.table, &scope) } else { Vec::new() };
            for query in of_project.into_iter().chain(usual(listed)) {
                let plan = plan(conn, listed.table, &query).await;
                assert!(!plan.contains("Seq Scan"), "{query:?}\n{plan}");
            }
        }
    }

    /// A small table is read whole whatever there is, so that PostgreSQL is told not to where it can help it.
    #[tokio::test]
    async fn postgres_has_an_index_for_each_list() {
        let database = postgres().await;
        let mut tx = database.begin("plans").await.expect("a transaction");
        sql("SET LOCAL enable_seqscan = off").execute(&mut tx).await.expect("set");
        no_list_reads_a_table(&mut tx).await;
    }

    #[tokio::test]
    async fn postgres_uses_it_when_it_knows_its_rows() {
        let database = postgres().await;
        fill(&database).await;
        let mut conn = database.read().await.expect("a connection");
        no_list_reads_a_table(&mut conn).await;
        let page: Vec<String> = (0..100).map(|number| format!("v{number}")).collect();
        let of_page = explain(&mut conn, metadata::TABLE.select_many(&page)).await;
        assert!(!of_page.contains("Seq Scan"), "the metadata of a page\n{of_page}");
        for (table, marked) in behind_a_marker() {
            let plan = plan(&mut conn, table, &marked).await;
            let begins_there = plan.lines().any(|line| line.contains("Index Cond") && line.contains("<="));
            // What is left of a project's few rows may be sorted.
            let few = marked.scope != Scope::All;
            assert!(begins_there && (few || !plan.contains("Sort")), "{marked:?}\n{plan}");
        }
    }
}
