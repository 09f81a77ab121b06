//! The memory: atomic intents over PostgreSQL or SQLite. The only place that names sqlx.
//!
//! Each method is one intent (`redeem_code`, `rotate`, `log_out_all`) whose outcome is an enum or a count; no
//! transaction leaves this layer. Single use is a conditional write whose row count is the verdict. The text of a
//! statement stands in the file whose table it concerns, once for both databases, and in that file's `ALL`.

mod account;
mod api_keys;
mod apis;
mod assertions;
mod audit;
mod batch;
mod clients;
mod codes;
mod consents;
mod db;
mod endings;
mod error;
mod families;
mod feed;
mod gather;
mod handoff;
mod installation;
mod interactions;
mod keys;
mod listen;
mod logout_notices;
mod migrate;
mod outbox;
mod patience;
mod registration;
mod restoration;
mod row;
mod session_policy;
mod sessions;
mod standing;
mod subject;
mod sweep;
mod throttle;
mod users;
mod verdicts;
mod web_sessions;

use std::sync::Arc;

pub use account::{ApplicationTrace, DeviceTrace, OwnPassword};
pub use api_keys::ApiKeyRecord;
pub use apis::{ApiDeletion, api_details};
pub use audit::AuditQuery;
pub use clients::ClientChange;
pub use codes::{RedeemRequest, Redeemed, Redemption};
pub use db::{Arg, Options};
pub use endings::{Ended, Target};
pub use error::Error;
pub use families::{FamilySummary, NewFamily, RotateRequest, Rotated, Rotation};
pub use feed::{Draft, Drained, FeedHead, Made, Sealed};
pub use handoff::{CookieLife, Handoff, Repeated};
pub use installation::Installation;
pub use interactions::Interaction;
pub use keys::KeyStep;
pub use logout_notices::{Attempted, Notice, NoticeQuery};
pub use migrate::MigrationPlan;
pub use registration::{InitialAccessTokenRecord, Registration};
pub use restoration::Restored;
pub use sessions::{Life, NewSession, SignIn};
pub use standing::{TokenStanding, TokenSubject};
pub use sweep::{SweepCursor, Swept};
pub use throttle::{Admission, Bucket};
pub use users::UserChange;
pub use web_sessions::{NewWebSession, WebSession};

use crate::clock::Clock;
use crate::entropy::Entropy;

/// The open store. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    db: db::Db,
    rotations: batch::Batcher,
    families: gather::Lookups<families::ById>,
    user_tokens: gather::Lookups<standing::UserTokens>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    verdicts: Arc<verdicts::Verdicts>,
    outbox: outbox::Outbox,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database without touching its schema. Must run inside a tokio runtime: the tasks that gather
    /// requests into batches live as long as the store.
    ///
    /// # Errors
    /// [`Error::Unusable`] where the address cannot be parsed or a SQLite file cannot be opened.
    pub async fn open(
        options: &Options,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, Error> {
        let db = db::Db::open(options).await?;
        Ok(Self {
            rotations: batch::start(&db, &clock),
            families: gather::start::<families::ById>(db.clone()),
            user_tokens: gather::start::<standing::UserTokens>(db.clone()),
            db,
            clock,
            entropy,
            verdicts: Arc::default(),
            outbox: outbox::Outbox::new(options.access_token_life),
        })
    }

    /// One trivial statement: whether the database answers.
    ///
    /// # Errors
    /// [`Error::Busy`] where it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        const PING: db::Sql = db::Sql::both("SELECT 1");
        self.db.fetch_all::<(i32,)>(&PING, Vec::new()).await.map(|_| ())
    }

    /// `postgres` or `sqlite`.
    pub const fn backend(&self) -> &'static str {
        if self.db.is_postgres() { "postgres" } else { "sqlite" }
    }

    /// Connections in use and idle.
    pub fn pool_usage(&self) -> (u32, u32) {
        self.db.pool_usage()
    }

    /// Closes all connections once their statements have finished.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// Prepares every statement of this layer on the open database; names the first that fails.
    ///
    /// # Errors
    /// The driver's message and the statement.
    pub async fn prepare_every_statement(&self) -> Result<usize, String> {
        let mut count = 0;
        for statement in STATEMENTS.iter().copied().flatten() {
            self.db.prepare(statement).await.map_err(|error| format!("{error}: {statement:?}"))?;
            count += 1;
        }
        Ok(count)
    }
}

/// Every statement, by file.
const STATEMENTS: [&[db::Sql]; 27] = [
    account::ALL,
    api_keys::ALL,
    apis::ALL,
    assertions::ALL,
    audit::ALL,
    batch::ALL,
    clients::ALL,
    codes::ALL,
    consents::ALL,
    endings::ALL,
    families::ALL,
    feed::ALL,
    handoff::ALL,
    installation::ALL,
    interactions::ALL,
    keys::ALL,
    logout_notices::ALL,
    outbox::ALL,
    registration::ALL,
    restoration::ALL,
    session_policy::ALL,
    sessions::ALL,
    standing::ALL,
    sweep::ALL,
    throttle::ALL,
    users::ALL,
    web_sessions::ALL,
];

#[cfg(test)]
mod tests;
