//! How the databases carry lists out: by which index, and that no project's list reads another's rows.

use super::*;
use crate::{Config, Database, backups, snapshots, volumes};

const TABLES: [&Table; 3] = [&volumes::TABLE, &snapshots::TABLE, &backups::TABLE];

fn query(scope: Scope) -> ListQuery {
    ListQuery { scope, filters: Vec::new(), sort: Vec::new(), marker: None, limit: 10, offset: 0 }
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
    queries.push(ListQuery { filters: vec![Filter::Like("name", "part".into())], ..query(scope.clone()) });
    queries.push(ListQuery { filters: vec![Filter::Metadata("k".into(), "v".into())], ..query(scope.clone()) });
    queries
}

/// Everybody's lists that no table is read for.
fn usual(table: &Table) -> Vec<ListQuery> {
    let by_id = ["id", "volume_id", "status", "name", "parent_id", "volume_type_id", "host"];
    let filters = by_id.into_iter().filter(|column| table.columns.contains(column)).filter(|column| {
        // These two have an index in one table only.
        table.name == "volumes" || !["volume_type_id", "host"].contains(column)
    });
    let mut queries = vec![query(Scope::All)];
    for column in filters {
        queries.push(ListQuery { filters: vec![Filter::Equals(column, "1".into())], ..query(Scope::All) });
    }
    for column in ["created_at", "name", "id"] {
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

#[tokio::test]
async fn a_projects_list_begins_at_an_index_of_its_project() {
    let (database, _directory) = sqlite().await;
    let mut conn = database.read().await.expect("a connection");
    let scope = Scope::Project("p1".into());
    for table in TABLES {
        for query in queries(table, &scope) {
            let plan = plan(&mut conn, table, &query).await;
            let first = plan.first().expect("a line");
            assert!(first.starts_with(&format!("SEARCH {} USING INDEX", table.name)), "{query:?}\n{plan:?}");
            assert!(!plan.iter().any(|line| line.starts_with("SCAN")), "{query:?}\n{plan:?}");
        }
    }
}

#[tokio::test]
async fn the_usual_lists_are_read_in_order() {
    let (database, _directory) = sqlite().await;
    let mut conn = database.read().await.expect("a connection");
    for table in TABLES {
        for query in usual(table) {
            let plan = plan(&mut conn, table, &query).await;
            let first = plan.first().expect("a line");
            let by_index =
                first.starts_with("SEARCH") || first.starts_with(&format!("SCAN {} USING INDEX", table.name));
            assert!(by_index, "{query:?}\n{plan:?}");
            let sorted = plan.iter().any(|line| line.contains("TEMP B-TREE"));
            assert!(query.sort.is_empty() || !sorted, "{query:?}\n{plan:?}");
        }
        let sort = vec![("name", Direction::Ascending)];
        let by_name = ListQuery { sort, ..query(Scope::Project("p1".into())) };
        let plan = plan(&mut conn, table, &by_name).await;
        let sorted = plan.iter().any(|line| line.contains("TEMP B-TREE"));
        assert!(plan.first().is_some_and(|line| line.contains("project_and_name")) && !sorted, "{plan:?}");
    }
}

mod real {
    use super::*;

    /// A small table is read whole whatever there is, so that PostgreSQL is told not to where it can help it.
    #[tokio::test]
    async fn postgres_has_an_index_for_each_list() {
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
        let mut tx = database.begin("plans").await.expect("a transaction");
        sql("SET LOCAL enable_seqscan = off").execute(&mut tx).await.expect("set");
        for table in TABLES {
            let of_project = queries(table, &Scope::Project("p1".into()));
            for query in of_project.into_iter().chain(usual(table)) {
                let statement = statement(&mut tx, table, &query).await.expect("a statement");
                let rows = statement.behind("EXPLAIN").fetch_all(&mut tx).await.expect("a plan");
                let lines: Vec<String> = rows.iter().map(|row| row.text("QUERY PLAN").expect("a line")).collect();
                assert!(!lines.iter().any(|line| line.contains("Seq Scan")), "{query:?}\n{}", lines.join("\n"));
            }
        }
    }
}
