//! The user's columns that go into tokens: read with every statement that authorises their issue.

use super::Error;
use super::row::{json, time};
use crate::model::user::Subject;
use crate::secret::UserId;

/// The columns of [`SubjectRow`], from the user `u`.
macro_rules! subject_columns {
    () => {
        "u.id AS subject_id, u.username, u.email, u.email_verified, u.roles, u.claims, u.epoch AS user_epoch, \
         u.updated_at AS user_updated_at"
    };
}
pub(super) use subject_columns;

/// A user as tokens name them.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct SubjectRow {
    subject_id: uuid::Uuid,
    username: String,
    email: Option<String>,
    email_verified: bool,
    roles: String,
    claims: String,
    user_epoch: i64,
    user_updated_at: i64,
}

impl SubjectRow {
    /// The user's epoch as of now.
    pub(super) const fn epoch(&self) -> i64 {
        self.user_epoch
    }

    /// The subject, known to the client by another `sub` where there is one.
    pub(super) fn subject(self, pairwise: Option<String>) -> Result<Subject, Error> {
        Ok(Subject {
            id: UserId(self.subject_id),
            pairwise,
            username: self.username,
            email: self.email,
            email_verified: self.email_verified,
            roles: json(&self.roles, "users", "roles")?,
            claims: json(&self.claims, "users", "claims")?,
            epoch: self.user_epoch,
            updated_at: time(self.user_updated_at),
        })
    }
}
