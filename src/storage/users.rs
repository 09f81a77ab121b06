//! `users`: accounts.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::db::{Sql, args};
use super::row::{json, time, time_option, to_json};
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::model::audit::AuditEntry;
use crate::model::family::EndCause;
use crate::model::user::{NewUser, User, login_key};
use crate::secret::UserId;

macro_rules! user_columns {
    () => {
        "id, username, email, email_verified, password_phc, password_changed_at, roles, claims, epoch, \
         disabled_at, created_at, updated_at"
    };
}

const INSERT: Sql = Sql::both(
    "INSERT INTO users (id, username, username_key, email, email_key, email_verified, password_phc,
        password_changed_at, roles, claims, epoch, disabled_at, created_at, updated_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, NULL, $8, $8)",
);
const BY_ID: Sql = Sql::both(concat!("SELECT ", user_columns!(), " FROM users WHERE id = $1"));
const BY_USERNAME: Sql =
    Sql::both(concat!("SELECT ", user_columns!(), " FROM users WHERE username_key = $1"));
const BY_EMAIL: Sql = Sql::both(concat!("SELECT ", user_columns!(), " FROM users WHERE email_key = $1"));
const PAGE: Sql =
    Sql::both(concat!("SELECT ", user_columns!(), " FROM users WHERE id > $1 ORDER BY id LIMIT $2"));
const REHASH: Sql = Sql::both("UPDATE users SET password_phc = $3 WHERE id = $1 AND password_phc = $2");
const UPDATE: Sql = Sql::both(
    "UPDATE users SET email = $2, email_key = $3, email_verified = $4, roles = $5, claims = $6,
        updated_at = CASE WHEN updated_at < $7 THEN $7 ELSE updated_at + 1 END, username = $8, username_key = $9
     WHERE id = $1 AND updated_at = $10",
);
const ENABLE: Sql = Sql::both(
    "UPDATE users SET disabled_at = NULL, updated_at = $2 WHERE id = $1 AND disabled_at IS NOT NULL",
);

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[INSERT, BY_ID, BY_USERNAME, BY_EMAIL, PAGE, REHASH, UPDATE, ENABLE];

#[derive(sqlx::FromRow)]
struct UserRow {
    id: Uuid,
    username: String,
    email: Option<String>,
    email_verified: bool,
    password_phc: Option<String>,
    password_changed_at: i64,
    roles: String,
    claims: String,
    epoch: i64,
    disabled_at: Option<i64>,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<UserRow> for User {
    type Error = Error;

    fn try_from(row: UserRow) -> Result<Self, Error> {
        Ok(Self {
            id: UserId(row.id),
            username: row.username,
            email: row.email,
            email_verified: row.email_verified,
            password_phc: row.password_phc,
            password_changed_at: time(row.password_changed_at),
            roles: json(&row.roles, "users", "roles")?,
            claims: json(&row.claims, "users", "claims")?,
            epoch: row.epoch,
            disabled_at: time_option(row.disabled_at),
            created_at: time(row.created_at),
            updated_at: time(row.updated_at),
        })
    }
}

/// The editable part of an account, whole: what is not to change is given as it was read.
#[derive(Clone, Debug)]
pub struct UserChange {
    /// `updated_at` as it was read: of two writers that read the same version one wins.
    pub read_at: Timestamp,
    /// The name people sign in with.
    pub username: String,
    /// The e-mail address.
    pub email: Option<String>,
    /// Whether it is known to be the user's.
    pub email_verified: bool,
    /// Roles.
    pub roles: Vec<String>,
    /// Claims by name.
    pub claims: Map<String, Value>,
    /// Why everything of the user ends with it, if it does.
    pub ends: Option<EndCause>,
}

impl Store {
    /// Makes an account.
    ///
    /// # Errors
    /// [`Error::Conflict`] with `users_username_unique` or `users_email_unique` where the name or address is taken.
    pub async fn create_user(&self, user: &NewUser, now: Timestamp, audit: &AuditEntry) -> Result<(), Error> {
        let mut tx = self.db.begin().await?;
        let args = args![
            user.id,
            &user.username,
            login_key(&user.username),
            user.email.clone(),
            user.email.as_deref().map(login_key),
            user.email_verified,
            user.password_phc.clone(),
            now,
            to_json(&user.roles),
            to_json(&user.claims),
        ];
        tx.execute(&INSERT, args).await?;
        super::audit::record(&mut tx, audit).await?;
        tx.commit().await
    }

    /// The user with this id.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, Error> {
        self.db.fetch_optional::<UserRow>(&BY_ID, args![id]).await?.map(User::try_from).transpose()
    }

    /// The user who signs in with what was typed: a user name, or an address where it contains `@`.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn user_by_login(&self, typed: &str) -> Result<Option<User>, Error> {
        let statement = if typed.contains('@') { &BY_EMAIL } else { &BY_USERNAME };
        self.db
            .fetch_optional::<UserRow>(statement, args![login_key(typed)])
            .await?
            .map(User::try_from)
            .transpose()
    }

    /// Up to `limit` users whose id is above `after`, in id order (which is the order of creation).
    ///
    /// # Errors
    /// A storage fault.
    pub async fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>, Error> {
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let rows = self.db.fetch_all::<UserRow>(&PAGE, args![after, limit]).await?;
        rows.into_iter().map(User::try_from).collect()
    }

    /// Replaces a password hash by a stronger one of the same password, unless it has changed meanwhile.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn rehash_password(&self, user: UserId, old_phc: &str, new_phc: &str) -> Result<(), Error> {
        self.db.write(&REHASH, args![user, old_phc, new_phc]).await.map(|_| ())
    }

    /// Replaces the editable part of an account, and ends what is open under it where the change says so; `false` where there is no such user, or it has changed since it
    /// was read.
    ///
    /// # Errors
    /// [`Error::Conflict`] with `users_username_unique` or `users_email_unique` where the name or address is taken.
    pub async fn update_user(
        &self,
        user: UserId,
        change: &UserChange,
        now: Timestamp,
        audit: &AuditEntry,
    ) -> Result<bool, Error> {
        let mut tx = self.db.begin().await?;
        let args = args![
            user,
            change.email.clone(),
            change.email.as_deref().map(login_key),
            change.email_verified,
            to_json(&change.roles),
            to_json(&change.claims),
            now,
            &change.username,
            login_key(&change.username),
            change.read_at,
        ];
        if tx.execute(&UPDATE, args).await? == 0 {
            return Ok(false);
        }
        if let Some(cause) = change.ends {
            let ended = self.end_with_change(&mut tx, user, cause, now).await?;
            return self.finish(tx, audit.clone(), ended).await.map(|_| true);
        }
        super::audit::record(&mut tx, audit).await?;
        tx.commit().await.map(|()| true)
    }

    /// Lets a disabled user sign in again; `false` where the user was not disabled. What had ended stays ended.
    ///
    /// # Errors
    /// A storage fault.
    pub async fn enable_user(&self, user: UserId, now: Timestamp, audit: &AuditEntry) -> Result<bool, Error> {
        let mut tx = self.db.begin().await?;
        if tx.execute(&ENABLE, args![user, now]).await? == 0 {
            return Ok(false);
        }
        super::audit::record(&mut tx, audit).await?;
        tx.commit().await.map(|()| true)
    }
}
