//! Hearing of other nodes' batches: PostgreSQL's LISTEN. It may fall silent unnoticed (behind a pooler, for one): the
//! sweep finds the same, only later.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};

use super::db::Db;
use super::{Error, Store, feed};

/// How long after a lost connection it is tried again.
const PAUSE: Duration = Duration::from_secs(5);

impl Store {
    /// Wakes [`Store::feed_news`] whenever another node has made a batch, until cancelled. On SQLite there is nobody
    /// to hear.
    pub async fn listen_to_feed(&self) {
        let Db::Postgres(pg) = &self.db else { return };
        // A connection of its own: one of the shared pool would be missing there, and keep it from closing.
        let options = pg.connect_options().as_ref().clone();
        loop {
            let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options.clone());
            if let Err(error) = self.hear(&pool).await {
                tracing::debug!(%error, "other nodes' batches are found by looking, not by hearing");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn hear(&self, pool: &sqlx::PgPool) -> Result<(), Error> {
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(feed::CHANNEL).await?;
        loop {
            // `None` is a connection that was lost, and with it perhaps a word of a batch.
            let heard = listener.try_recv().await?;
            self.outbox.wake();
            if heard.is_none() {
                return Ok(());
            }
        }
    }
}
