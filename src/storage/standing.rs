//! How an access token stands in the database: one SELECT for introspection and userinfo.

use super::db::{Arg, Sql, args};
use super::gather::{Lookup, hex};
use super::subject::{SubjectRow, subject_columns};
use super::{Error, Store};
use crate::clock::Timestamp;
use crate::model::user::Subject;
use crate::secret::{ClientId, FamilyHandle};

macro_rules! of_user_token {
    ($batch:literal) => {
        concat!(
            "SELECT b.place, f.subject, f.claims_request, u.disabled_at IS NULL AS user_active,
                (SELECT c.tokens_not_before FROM clients c WHERE c.client_id = b.client AND c.disabled_at IS NULL)
                    AS client_not_before,
                (SELECT i.tokens_not_before FROM installation i) AS not_before,
                CASE WHEN f.offline OR NOT EXISTS (
                    SELECT 1 FROM login_session s WHERE s.id = f.session_id AND s.ended_at IS NOT NULL)
                    THEN f.min_generation END AS min_generation,
                EXISTS (SELECT 1 FROM revoked_token r WHERE r.jti = b.jti) AS revoked, ",
            subject_columns!(),
            " FROM ",
            $batch,
            " b JOIN refresh_family f ON f.handle = b.family AND f.status = 'active'
                JOIN users u ON u.id = f.user_id"
        )
    };
}
const OF_USER_TOKEN: Sql = Sql::per(
    of_user_token!(
        "(SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[]) WITH ORDINALITY
            AS item(client, family, jti, place))"
    ),
    of_user_token!(
        "(SELECT key + 1 AS place, value->>0 AS client, unhex(value->>1) AS family, value->>2 AS jti
            FROM json_each($1))"
    ),
);
const OF_CLIENT_TOKEN: Sql = Sql::both(
    "SELECT EXISTS (SELECT 1 FROM revoked_token r WHERE r.jti = $2) AS revoked
     FROM clients c, installation i
     WHERE c.client_id = $1 AND c.disabled_at IS NULL AND c.tokens_not_before <= $3 AND i.tokens_not_before <= $3",
);

/// Every statement of this file.
pub(super) const ALL: &[Sql] = &[OF_USER_TOKEN, OF_CLIENT_TOKEN];

#[derive(sqlx::FromRow)]
pub(super) struct UserTokenRow {
    subject: Option<String>,
    claims_request: Option<String>,
    user_active: bool,
    client_not_before: Option<i64>,
    not_before: Option<i64>,
    min_generation: Option<i64>,
    revoked: bool,
    #[sqlx(flatten)]
    user: SubjectRow,
}

/// What an access token says of itself, for comparison with the database.
#[derive(Clone, Debug)]
pub struct TokenStanding {
    /// `sub`.
    pub subject: String,
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
    /// `iat`.
    pub issued_at: Timestamp,
}

/// The user of a live access token.
#[derive(Clone, Debug)]
pub struct TokenSubject {
    /// The user as of now.
    pub subject: Subject,
    /// The `claims` parameter that was granted, as JSON.
    pub claims_request: Option<String>,
}

/// Finds the user of an access token and what its standing hangs on.
pub(super) struct UserTokens;

impl Lookup for UserTokens {
    type Key = TokenStanding;
    type Found = UserTokenRow;
    const SQL: Sql = OF_USER_TOKEN;

    fn arrays(keys: &[TokenStanding]) -> Vec<Arg> {
        vec![
            Arg::Texts(keys.iter().map(|token| token.client.0.clone()).collect()),
            Arg::Uuids(keys.iter().map(|token| token.family.0).collect()),
            Arg::Texts(keys.iter().map(|token| token.jti.clone()).collect()),
        ]
    }

    fn json(token: &TokenStanding) -> serde_json::Value {
        serde_json::json!([token.client.0, hex(token.family.0.as_bytes()), token.jti])
    }
}

impl Store {
    /// The user of a live user token; `None` where anything it hangs on has ended.
    ///
    /// # Errors
    /// A storage fault: the caller answers 503, never "active".
    pub async fn user_token_subject(&self, token: TokenStanding) -> Result<Option<TokenSubject>, Error> {
        let (sub, epoch, generation) = (token.subject.clone(), token.epoch, i64::from(token.generation));
        let issued_at = token.issued_at.millis();
        let Some(row) = self.user_tokens.ask(token).await? else { return Ok(None) };
        let standing = row.user_active
            && row.client_not_before.is_some_and(|earliest| earliest <= issued_at)
            && row.not_before.is_some_and(|earliest| earliest <= issued_at)
            && row.min_generation.is_some_and(|lowest| lowest <= generation)
            && !row.revoked;
        let subject = row.user.subject(row.subject)?;
        let live = standing && subject.epoch == epoch && subject.sub() == sub;
        Ok(live.then_some(TokenSubject { subject, claims_request: row.claims_request }))
    }

    /// Whether a client's own token (client credentials) is live.
    ///
    /// # Errors
    /// A storage fault: the caller answers 503, never "active".
    pub async fn client_token_is_live(
        &self,
        client: &ClientId,
        jti: &str,
        issued_at: Timestamp,
    ) -> Result<bool, Error> {
        let args = args![client, jti, issued_at];
        let row = self.db.fetch_optional::<(bool,)>(&OF_CLIENT_TOKEN, args).await?;
        Ok(row == Some((false,)))
    }
}
