//! The memory: statements, schemas, and a size that depends on what is alive, not on how often it was used.
//!
//! The only specification that looks into the database: what it asks cannot be seen from outside.

use std::collections::{BTreeMap, BTreeSet};

use signet::storage::{SweepCursor, Swept};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};

use super::*;

/// A connection of the test's own.
enum Inside {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

impl Inside {
    async fn of(s: &Server) -> Self {
        let url = s.config.database.url.reveal();
        match s.backend {
            Backend::Postgres => Self::Postgres(PgConnection::connect(url).await.unwrap()),
            Backend::Sqlite => Self::Sqlite(SqliteConnection::connect(url).await.unwrap()),
        }
    }

    async fn texts(&mut self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Postgres(conn) => sqlx::query_scalar(sql).fetch_all(conn).await.unwrap(),
            Self::Sqlite(conn) => sqlx::query_scalar(sql).fetch_all(conn).await.unwrap(),
        }
    }

    async fn number(&mut self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Self::Postgres(conn) => sqlx::query_scalar(sql).fetch_one(conn).await.unwrap(),
            Self::Sqlite(conn) => sqlx::query_scalar(sql).fetch_one(conn).await.unwrap(),
        }
    }

    async fn count(&mut self, table: &str) -> i64 {
        self.number(&format!("SELECT count(*) FROM {table}")).await
    }
}

/// Refreshes so often, each time with the newest token.
async fn refresh_often(s: &Server, tokens: &mut Tokens, times: u32) {
    for _ in 0..times {
        s.advance(61 * SECOND);
        *tokens = Tokens::of(&s.refresh("app", tokens.refresh()).await);
    }
}

mod statements {
    use super::*;

    #[test]
    fn every_one_prepares() {
        with_server(async |s| {
            let count = s.op.store.prepare_every_statement().await.unwrap();
            assert!(count > 90, "{count}");
        });
    }
}

mod schemas {
    use super::*;

    /// Table → what there is about it, in words that both databases share.
    type Schema = BTreeMap<String, BTreeSet<String>>;

    const COLUMNS: [&str; 2] = [
        "SELECT table_name || ': ' || column_name
            || CASE WHEN is_nullable = 'NO' THEN ' not null' ELSE '' END
            || CASE data_type WHEN 'uuid' THEN ' blob' WHEN 'bytea' THEN ' blob' WHEN 'bigint' THEN ' integer'
                WHEN 'ARRAY' THEN ' text'
                ELSE ' ' || data_type END
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT LIKE '\\_%'",
        "SELECT t.name || ': ' || c.name || CASE WHEN c.\"notnull\" THEN ' not null' ELSE '' END || ' ' || lower(c.type)
         FROM sqlite_schema t JOIN pragma_table_info(t.name) c
         WHERE t.type = 'table' AND t.name NOT LIKE '\\_%' ESCAPE '\\' AND t.name NOT LIKE 'sqlite%'",
    ];

    /// Primary and unique keys by their columns; other indexes by name too.
    const INDEXES: [&str; 2] = [
        "SELECT t.relname || ': '
            || CASE WHEN i.indisprimary THEN 'primary key' WHEN i.indisunique THEN 'unique' ELSE 'index ' || x.relname END
            || ' (' || (SELECT string_agg(a.attname, ', ' ORDER BY k.at)
                FROM unnest(i.indkey::int[]) WITH ORDINALITY k(column_number, at)
                JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.column_number) || ')'
         FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
         JOIN pg_namespace n ON n.oid = t.relnamespace
         WHERE n.nspname = 'public' AND t.relname NOT LIKE '\\_%'",
        "SELECT name || ': ' || kind || ' (' || columns || ')' FROM (
            SELECT t.name, CASE i.origin WHEN 'pk' THEN 'primary key' WHEN 'u' THEN 'unique' ELSE 'index ' || i.name END AS kind,
                (SELECT group_concat(c.name, ', ') FROM pragma_index_info(i.name) c) AS columns
            FROM sqlite_schema t JOIN pragma_index_list(t.name) i
            WHERE t.type = 'table' AND t.name NOT LIKE '\\_%' ESCAPE '\\'
            UNION ALL
            SELECT t.name, 'primary key', c.name FROM sqlite_schema t JOIN pragma_table_info(t.name) c
            WHERE t.type = 'table' AND c.pk = 1 AND lower(c.type) = 'integer' AND t.name NOT LIKE '\\_%' ESCAPE '\\')",
    ];

    async fn schema(s: &Server) -> Schema {
        let dialect = usize::from(s.backend == Backend::Sqlite);
        let mut inside = Inside::of(s).await;
        let mut lines = inside.texts(COLUMNS[dialect]).await;
        lines.extend(inside.texts(INDEXES[dialect]).await);
        let mut schema = Schema::new();
        for line in lines {
            let (table, rest) = line.split_once(": ").unwrap();
            schema.entry(table.to_owned()).or_default().insert(rest.to_owned());
        }
        schema
    }

    #[test]
    fn agree() {
        let found = std::sync::Mutex::new(Vec::new());
        for backend in [Backend::Sqlite, Backend::Postgres] {
            crate::support::server::run(backend, |_| {}, async |s| {
                let schema = schema(s).await;
                found.lock().unwrap().push(schema);
            });
        }
        let found = found.into_inner().unwrap();
        assert!(found[0].len() >= 14, "{:?}", found[0].keys());
        // Without PostgreSQL there is nothing to compare.
        if let [sqlite, postgres] = found.as_slice() {
            let tables = |schema: &Schema| schema.keys().cloned().collect::<Vec<_>>();
            assert_eq!(tables(sqlite), tables(postgres));
            for (table, expected) in postgres {
                assert_eq!(&sqlite[table], expected, "{table}");
            }
        }
    }

    /// Indexes on what a refresh changes would cost an index write per refresh, and forbid in-place updates.
    #[test]
    fn no_index_mentions_what_a_refresh_changes() {
        with_server(async |s| {
            let schema = schema(s).await;
            let indexes: Vec<_> = schema["refresh_family"].iter().filter(|line| line.contains('(')).collect();
            assert!(indexes.len() >= 5, "{indexes:?}");
            for index in indexes {
                let (_, columns) = index.split_once('(').unwrap();
                let columns: Vec<_> = columns.trim_end_matches(')').split(", ").collect();
                let changing = ["base", "cur", "burst", "rotated_at", "min_generation", "status", "status_cause", "ended_at"];
                assert!(!changing.iter().any(|name| columns.contains(name)), "{index}");
            }
        });
    }
}

mod size {
    use super::*;

    async fn pages(s: &Server, inside: &mut Inside) -> i64 {
        match s.backend {
            Backend::Postgres => inside.number("SELECT pg_relation_size('refresh_family')").await / 8192,
            Backend::Sqlite => inside.number("PRAGMA page_count").await,
        }
    }

    /// I10.
    #[test]
    fn does_not_grow_with_refreshes() {
        // One family may live for longer than the refreshes of this test take, a minute apart.
        let years = |config: &mut Config| config.refresh.spa.absolute_seconds = 10 * 365 * 24 * 3600;
        with_config(years, async |s| {
            let mut inside = Inside::of(s).await;
            let mut tokens = s.tokens("app").await;
            refresh_often(s, &mut tokens, 100).await;
            // What is at work elsewhere in PostgreSQL may hold up the tidying of single pages, which vacuuming makes up for;
            // growth would come every time.
            let mut grown = Vec::new();
            for _ in 0..5 {
                let before = pages(s, &mut inside).await;
                refresh_often(s, &mut tokens, effort(600, 100_000)).await;
                grown.push(pages(s, &mut inside).await - before);
                if grown.last().is_some_and(|pages| (0..=2).contains(pages)) {
                    break;
                }
                if s.backend == Backend::Postgres {
                    inside.texts("VACUUM refresh_family").await;
                }
            }
            assert!((0..=2).contains(grown.last().unwrap()), "{grown:?} pages more");
            assert_eq!(inside.count("refresh_family").await, 1);
            assert_eq!(inside.count("authorization_code").await, 1);
            assert_eq!(inside.count("revoked_token").await, 0);
            let audited = "SELECT count(*) FROM audit_event WHERE event NOT LIKE 'key.%' AND event NOT LIKE '%.created'";
            assert_eq!(inside.number(audited).await, 2, "a sign-in and a grant");
        });
    }

    #[test]
    fn a_refresh_is_an_update_in_place() {
        with_server(async |s| {
            let mut inside = Inside::of(s).await;
            if matches!(inside, Inside::Sqlite(_)) {
                return;
            }
            let mut tokens = s.tokens("app").await;
            refresh_often(s, &mut tokens, 200).await;
            // A connection reports what it did when it closes.
            s.op.store.close().await;
            let mut updates = (0, 0);
            for _ in 0..500 {
                inside.texts("SELECT pg_stat_clear_snapshot()::text").await;
                let of = |column: &str| {
                    format!("SELECT coalesce(sum({column}), 0)::bigint FROM pg_stat_user_tables WHERE relname = 'refresh_family'")
                };
                updates = (inside.number(&of("n_tup_upd")).await, inside.number(&of("n_tup_hot_upd")).await);
                if updates.0 >= 200 {
                    break;
                }
                inside.texts("SELECT pg_sleep(0.02)::text").await;
            }
            assert!(updates.0 >= 200, "{updates:?}");
            assert!(updates.1 * 100 >= updates.0 * 95, "{updates:?}");
        });
    }
}

mod cleanup {
    use super::*;

    const RETENTION: Duration = Duration::from_secs(400 * 24 * 3600);

    /// Sweeps until a whole visit of every table finds nothing; the sum, and how many batches it took.
    async fn sweep_all(s: &Server, batch: u32) -> (Swept, u32) {
        let (mut cursor, mut sum, mut batches, mut idle) = (SweepCursor::default(), Swept::default(), 0, 0);
        for _ in 0..1_000 {
            let swept = s.op.store.sweep(&mut cursor, batch, RETENTION, s.now()).await.unwrap();
            assert!(swept.families <= 2 * u64::from(batch) && swept.sessions <= u64::from(batch), "{swept:?}");
            sum.families += swept.families;
            sum.sessions += swept.sessions;
            sum.other += swept.other;
            sum.audit += swept.audit;
            batches += u32::from(swept.total() > 0);
            idle = if swept.total() == 0 { idle + 1 } else { 0 };
            if idle > 60 {
                return (sum, batches);
            }
        }
        panic!("there is always more to sweep: {sum:?}");
    }

    const TABLES: [&str; 7] = [
        "authorization_code",
        "interaction",
        "login_session",
        "refresh_family",
        "revoked_token",
        "throttle",
        "known_device",
    ];

    #[test]
    fn what_has_expired_goes_in_batches_and_what_lives_stays() {
        with_server(async |s| {
            let mut inside = Inside::of(s).await;
            for n in 0..9 {
                let mut browser = Browser::new(s);
                browser.open(&request("app")).await;
                let tokens = s.tokens_of(&mut browser, "app", "openid read").await;
                s.revoke("app", &tokens.access).await;
                let page = browser.open(&request("app").with("prompt", "login")).await;
                browser.login(&page, (&format!("nobody-{n}"), "not this one")).await;
            }
            for table in TABLES {
                assert!(inside.count(table).await > 0, "{table}");
            }
            // Nothing is old enough.
            assert_eq!(sweep_all(s, 4).await.0, Swept::default());
            s.advance(400 * DAY - HOUR);
            signet::flow::keys::tick(&s.op, s.now()).await.unwrap();
            let live = s.tokens("app").await;
            let code = s.code("app").await;
            let (swept, batches) = sweep_all(s, 4).await;
            assert_eq!((swept.families, swept.sessions), (9, 9));
            assert!(swept.other >= 36, "{swept:?}");
            assert!(batches > 4, "{batches}");
            s.redeem("app", &code).await.ok();
            s.refresh("app", live.refresh()).await.ok();
            for (table, left) in [("refresh_family", 2), ("login_session", 2), ("revoked_token", 0), ("throttle", 2)] {
                assert_eq!(inside.count(table).await, left, "{table}");
            }
            // The audit log has a life of its own.
            let audit = inside.count("audit_event").await;
            s.advance(390 * DAY);
            assert!(sweep_all(s, 4).await.0.audit > 0);
            assert!(inside.count("audit_event").await < audit);
        });
    }

    #[test]
    fn what_ended_goes_after_the_grace() {
        with_server(async |s| {
            let mut inside = Inside::of(s).await;
            let mut browser = Browser::new(s);
            let tokens = s.tokens_of(&mut browser, "app", "openid read").await;
            browser.log_out(true).await;
            sweep_all(s, 10).await;
            assert_eq!(inside.count("refresh_family").await, 1, "what is under way must find it");
            s.advance(HOUR + SECOND);
            let (swept, _) = sweep_all(s, 10).await;
            assert_eq!((swept.families, swept.sessions), (1, 1));
            s.refresh("app", tokens.refresh()).await.refused(400, "invalid_grant");
        });
    }

    /// SQLite has one writer, and nobody to skip.
    #[test]
    fn a_row_that_somebody_holds_is_skipped() {
        with_server(async |s| {
            let Inside::Postgres(mut holder) = Inside::of(s).await else { return };
            for _ in 0..3 {
                s.tokens("app").await;
            }
            s.advance(400 * DAY);
            let mut tx = holder.begin().await.unwrap();
            let lock = "SELECT handle::text FROM refresh_family ORDER BY id LIMIT 1 FOR UPDATE";
            sqlx::query(lock).execute(&mut *tx).await.unwrap();
            // Waiting would end in the statement's time limit, and that is an error here.
            assert_eq!(sweep_all(s, 10).await.0.families, 2);
            tx.rollback().await.unwrap();
            assert_eq!(sweep_all(s, 10).await.0.families, 1);
        });
    }

    #[test]
    fn is_not_in_the_way_of_refreshes() {
        with_server(async |s| {
            for _ in 0..20 {
                s.tokens("app").await;
            }
            s.advance(400 * DAY);
            signet::flow::keys::tick(&s.op, s.now()).await.unwrap();
            let mut tokens = s.tokens("app").await;
            let sweeping = sweep_all(s, 1);
            let refreshing = refresh_often(s, &mut tokens, effort(60, 1_000));
            let ((swept, _), ()) = tokio::join!(sweeping, refreshing);
            assert_eq!(swept.families, 20);
        });
    }
}
