//! Opening, migrating, transactions.

use db::{Config, Database, metadata, sql, volumes};
use domain::{Kind, Result};

use crate::lab::{Lab, PROJECT, all, sqlite_address, volume};

pub(crate) async fn a_dropped_transaction_changes_nothing(lab: Lab) {
    let row = volume(0);
    let mut tx = lab.database.begin("dropped").await.expect("begin");
    volumes::insert(&mut tx, &row).await.expect("insert");
    drop(tx);
    // The next transaction can only begin when the dropped one has let go of its locks.
    lab.commit(async |conn| volumes::insert(conn, &volume(1)).await).await;
    assert_eq!(volumes::count(&mut lab.read().await, &all()).await.expect("count"), 1);
}

pub(crate) async fn a_dropped_future_leaves_a_working_connection(lab: Lab) {
    for round in 0..20 {
        let database = lab.database.clone();
        let work = async move {
            let mut tx = database.begin("abandoned").await?;
            for _ in 0..50 {
                volumes::insert(&mut tx, &volume(round)).await?;
            }
            tx.commit().await
        };
        // Whichever comes first: some rounds are cut in the middle of a statement.
        let cut = std::time::Duration::from_micros(200 * round.unsigned_abs());
        let finished = tokio::time::timeout(cut, work).await;
        let rows = volumes::count(&mut lab.read().await, &all()).await.expect("count");
        assert_eq!(rows % 50, 0, "a transaction is whole or not at all");
        if let Ok(outcome) = finished {
            outcome.expect("committed");
        }
    }
    lab.commit(async |conn| volumes::insert(conn, &volume(99)).await).await;
}

pub(crate) async fn processes_that_start_together_migrate_once(lab: Lab) {
    let config = lab.emptied().await;
    let mut starts = Vec::new();
    for _ in 0..3 {
        let config = config.clone();
        starts.push(stdx::task::spawn("start", async move {
            let database = Database::connect(&config).await?;
            database.migrate().await?;
            database.healthy().await?;
            database.close().await;
            Ok::<_, domain::Error>(())
        }));
    }
    for start in starts {
        start.await.expect("joined").expect("migrated");
    }
    let database = Database::connect(&config).await.expect("connect");
    let mut conn = database.read().await.expect("read");
    let row = sql("SELECT COUNT(*) AS total FROM schema_migrations").fetch_one(&mut conn).await;
    assert_eq!(row.expect("row").i64("total").expect("total"), 1);
}

pub(crate) async fn a_newer_database_is_refused(lab: Lab) {
    lab.commit(async |conn| {
        sql("INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (9999, 'later', 'x', 0)")
            .execute(conn)
            .await
    })
    .await;
    let refusal = lab.database.migrate().await.expect_err("refused");
    assert_eq!(refusal.kind(), Kind::Invalid);
    assert!(refusal.message().contains("schema version 9999"), "{refusal}");
}

pub(crate) async fn a_changed_script_is_refused(lab: Lab) {
    lab.commit(async |conn| sql("UPDATE schema_migrations SET checksum = 'other'").execute(conn).await).await;
    let refusal = lab.database.migrate().await.expect_err("refused");
    assert!(refusal.message().contains("do not belong together"), "{refusal}");
}

pub(crate) async fn a_text_with_nul_is_refused(lab: Lab) {
    let pairs = [("key".to_owned(), "a\0b".to_owned())].into();
    let mut tx = lab.database.begin("nul").await.expect("begin");
    let refusal = metadata::merge(&mut tx, "id", &pairs).await.expect_err("refused");
    assert_eq!(refusal.kind(), Kind::Invalid);
}

pub(crate) async fn writers_queue(lab: Lab) {
    let row = volume(0);
    lab.commit(async |conn| volumes::insert(conn, &row).await).await;
    let mut writers = Vec::new();
    for _ in 0..40 {
        let (database, id) = (lab.database.clone(), row.id);
        writers.push(stdx::task::spawn("writer", async move {
            let mut tx = database.begin("grow").await?;
            sql("UPDATE volumes SET size_gb = size_gb + 1 WHERE id = $1").bind(id).execute(&mut tx).await?;
            tx.commit().await
        }));
    }
    for writer in writers {
        writer.await.expect("joined").expect("grown");
    }
    let grown = volumes::get(&mut lab.read().await, &crate::lab::project(PROJECT), &row.id.to_string()).await;
    assert_eq!(grown.expect("volume").size_gb, 41);
}

pub(crate) async fn an_unknown_word_is_named(lab: Lab) {
    let row = volume(0);
    lab.commit(async |conn| volumes::insert(conn, &row).await).await;
    lab.commit(async |conn| sql("UPDATE volumes SET status = 'melted'").execute(conn).await).await;
    let error = volumes::list(&mut lab.read().await, &all()).await.expect_err("an unknown word");
    assert_eq!(error.kind(), Kind::Internal);
    for part in ["volumes", "melted", &row.id.to_string()] {
        assert!(error.message().contains(part), "{error}");
    }
}

async fn connect(connection: &str) -> Result<Database> {
    Database::connect(&Config { connection: connection.into(), max_pool_size: 1 }).await
}

#[tokio::test]
async fn addresses_are_checked() {
    for address in ["", "mysql://h/d", "sqlite://", "/var/lib/x.db"] {
        let refusal = connect(address).await.expect_err("refused");
        assert_eq!(refusal.kind(), Kind::Invalid);
        assert!(refusal.message().contains("[database] connection"), "{refusal}");
    }
    let directory = tempfile::tempdir().expect("temporary directory");
    let missing = sqlite_address(&directory.path().join("missing"));
    let refusal = connect(&missing).await.expect_err("refused");
    assert!(refusal.message().contains("missing does not exist"), "{refusal}");
}

#[tokio::test]
async fn a_server_that_hangs_up_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = listener.local_addr().expect("address").port();
    let server = stdx::task::spawn("server", async move { while listener.accept().await.is_ok() {} });
    let database = connect(&format!("postgresql://u:secret@127.0.0.1:{port}/d")).await.expect("nothing is asked yet");
    let error = database.healthy().await.expect_err("no database");
    assert_eq!(error.kind(), Kind::Unavailable);
    let expected = format!("PostgreSQL at 127.0.0.1:{port} does not answer: see that it runs");
    assert!(error.message().starts_with(&expected), "{error}");
    assert!(!stdx::report::Chain(&error).to_string().contains("secret"), "{}", stdx::report::Chain(&error));
    server.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_may_create_the_file_together() {
    for _ in 0..20 {
        let directory = tempfile::tempdir().expect("temporary directory");
        let mut starts = Vec::new();
        for _ in 0..3 {
            let address = sqlite_address(directory.path());
            starts.push(stdx::task::spawn("start", async move { connect(&address).await?.migrate().await }));
        }
        for start in starts {
            start.await.expect("joined").expect("migrated");
        }
    }
}

#[tokio::test]
async fn a_sqlite_file_survives_and_is_durable() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let database = connect(&sqlite_address(directory.path())).await.expect("created");
    database.migrate().await.expect("migrated");
    let row = volume(0);
    let mut tx = database.begin("insert").await.expect("begin");
    volumes::insert(&mut tx, &row).await.expect("insert");
    let mode = sql("PRAGMA synchronous").fetch_one(&mut tx).await.expect("row").i64("synchronous");
    assert_eq!(mode.expect("mode"), 2, "FULL");
    tx.commit().await.expect("commit");
    database.close().await;
    let database = connect(&sqlite_address(directory.path())).await.expect("opened again");
    database.migrate().await.expect("nothing to do");
    let mut conn = database.read().await.expect("read");
    assert_eq!(volumes::list(&mut conn, &all()).await.expect("list"), [row]);
    let refusal = volumes::insert(&mut conn, &volume(1)).await.expect_err("a connection for reading");
    assert_eq!(refusal.kind(), Kind::Internal);
}

#[test]
fn a_password_is_not_printed() {
    let config = Config { connection: "postgresql://u:secret@h/d".into(), max_pool_size: 1 };
    assert!(!format!("{config:?}").contains("secret"));
}

/// What only a server can do.
mod real {
    use db::sql;
    use domain::Kind;

    use crate::lab::{Lab, all, at, on_postgres, volume};
    use db::volumes;

    /// Both lock the rows in the opposite order; the server ends one of them.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_deadlock_may_be_tried_again() {
        on_postgres(|lab: Lab| async move {
            let (first, second) = (volume(0), volume(1));
            lab.commit(async |conn| {
                volumes::insert(conn, &first).await?;
                volumes::insert(conn, &second).await
            })
            .await;
            let mut one = lab.database.begin("one").await.expect("begin");
            let mut other = lab.database.begin("other").await.expect("begin");
            volumes::set_size(&mut one, first.id, 5, at(1)).await.expect("set");
            volumes::set_size(&mut other, second.id, 6, at(1)).await.expect("set");
            let (one, other) =
                tokio::join!(async { volumes::set_size(&mut one, second.id, 5, at(1)).await.map(|()| one) }, async {
                    volumes::set_size(&mut other, first.id, 6, at(1)).await.map(|()| other)
                },);
            let error = match (one, other) {
                (Ok(_), Err(error)) | (Err(error), Ok(_)) => error,
                (one, other) => panic!("one of them waits in vain: {one:?} {other:?}"),
            };
            assert_eq!(error.kind(), Kind::Unavailable);
            assert!(stdx::report::Chain(&error).to_string().contains("deadlock"), "{error:?}");
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn clocks_are_compared() {
        on_postgres(|lab: Lab| async move {
            let ahead = lab.database.clock_ahead_micros().await.expect("an answer").expect("a clock of its own");
            assert!(ahead.abs() < 5_000_000, "{ahead}");
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_cut_connection_is_unavailable_and_replaced() {
        on_postgres(|lab: Lab| async move {
            let mut tx = lab.database.begin("cut").await.expect("begin");
            volumes::insert(&mut tx, &volume(0)).await.expect("insert");
            let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()";
            let others = sql(cut).fetch_all(&mut lab.read().await).await.expect("cut");
            assert!(!others.is_empty());
            let error = volumes::insert(&mut tx, &volume(1)).await.expect_err("cut");
            assert_eq!(error.kind(), Kind::Unavailable, "{}", stdx::report::Chain(&error));
            drop(tx);
            lab.database.healthy().await.expect("a new connection");
            assert_eq!(volumes::count(&mut lab.read().await, &all()).await.expect("count"), 0);
        })
        .await;
    }
}
