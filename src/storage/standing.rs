//! How an access token stands in the database: one SELECT for introspection and userinfo.

use super::db::{Sql, args};
use super::row::{json, time};
use super::{Error, Store};
use crate::model::user::Subject;
use crate::secret::{ClientId, FamilyHandle, UserId};

const OF_USER_TOKEN: Sql = Sql::both(
    "SELECT u.username, u.email, u.email_verified, u.roles, u.claims, u.epoch, u.updated_at,
        u.disabled_at IS NULL AS user_active,
        (SELECT c.disabled_at IS NULL FROM clients c WHERE c.client_id = $2) AS client_active,
        (SELECT f.min_generation FROM refresh_family f WHERE f.handle = $3 AND f.status = 'active'
            AND f.user_id = u.id AND (f.offline OR NOT EXISTS (
                SELECT 1 FROM login_session s WHERE s.id = f.session_id AND s.ended_at IS NOT NULL))) AS min_generation,
        EXISTS (SELECT 1 FROM revoked_token r WHERE r.jti = $4) AS revoked
     FROM users u WHERE u.id = $1",
);
const OF_CLIENT_TOKEN: Sql = Sql::both(
    "SELECT c.disabled_at IS NULL AS client_active, EXISTS (SELECT 1 FROM revoked_token r WHERE r.jti = $2) AS revoked
     FROM clients c WHERE c.client_id = $1",
);

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[OF_USER_TOKEN, OF_CLIENT_TOKEN];

#[derive(sqlx::FromRow)]
struct UserTokenRow {
    username: String,
    email: Option<String>,
    email_verified: bool,
    roles: String,
    claims: String,
    epoch: i64,
    updated_at: i64,
    user_active: bool,
    client_active: Option<bool>,
    min_generation: Option<i64>,
    revoked: bool,
}

/// What an access token says of itself, for comparison with the database.
#[derive(Clone, Debug)]
pub struct TokenStanding {
    /// `sub`, where a user's.
    pub user: UserId,
    /// `client_id`.
    pub client: ClientId,
    /// `rv[0]`: the user's epoch at issue.
    pub epoch: i64,
    /// `rv[1]`: the family.
    pub family: FamilyHandle,
    /// `rv[2]`: the generation.
    pub generation: u32,
    /// `jti`.
    pub jti: String,
}

impl Store {
    /// The user of a live user token; `None` where anything it hangs on has ended.
    ///
    /// # Errors
    /// A storage fault: the caller answers 503, never "active".
    pub async fn user_token_subject(&self, token: &TokenStanding) -> Result<Option<Subject>, Error> {
        let args = args![token.user, &token.client, token.family, &token.jti];
        let Some(row) = self.db.fetch_optional::<UserTokenRow>(&OF_USER_TOKEN, args).await? else {
            return Ok(None);
        };
        let generation = i64::from(token.generation);
        let live = row.user_active
            && row.client_active == Some(true)
            && row.epoch == token.epoch
            && row.min_generation.is_some_and(|lowest| lowest <= generation)
            && !row.revoked;
        if !live {
            return Ok(None);
        }
        Ok(Some(Subject {
            id: token.user,
            username: row.username,
            email: row.email,
            email_verified: row.email_verified,
            roles: json(&row.roles, "users", "roles")?,
            claims: json(&row.claims, "users", "claims")?,
            epoch: row.epoch,
            updated_at: time(row.updated_at),
        }))
    }

    /// Whether a client's own token (client credentials) is live.
    ///
    /// # Errors
    /// A storage fault: the caller answers 503, never "active".
    pub async fn client_token_is_live(&self, client: &ClientId, jti: &str) -> Result<bool, Error> {
        let row = self.db.fetch_optional::<(bool, bool)>(&OF_CLIENT_TOKEN, args![client, jti]).await?;
        Ok(row == Some((true, false)))
    }
}
