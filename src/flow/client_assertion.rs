//! Client assertions: a JWT that the client signs, instead of a secret that it sends (RFC 7521 §4.2, RFC 7523 §3, OpenID
//! Connect Core §9). What each profile asks of `aud` and `exp`, and why: docs/decisions/0019-client-assertions.md.

use std::time::Duration;

use serde_json::Value;
use signet_verify::jose::claims::{Claims, Expect};
use signet_verify::jose::jws::{self, Claimed, NO_TYP, Rejected};

use super::Provider;
use super::behalf;
use super::claimant::Claimant;
use super::rejection::{Outcome, Rejection};
use crate::clock::Timestamp;
use crate::digest::{Digest32, sha256};
use crate::jose::verification_keys::VerificationKeys;
use crate::model::client::Client;
use crate::oauth::auth_method::AuthMethod;
use crate::oauth::client_metadata::Profile;
use crate::oauth::error::ErrorCode;
use crate::oauth::profile::AssertionAudience;
use crate::oauth::registration::Registered;
use crate::secret::{ClientAssertion, ClientId};

/// The one `client_assertion_type` (RFC 7523 §2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The `typ` values that an assertion may have: what libraries send, and what FAPI names.
const TYPES: [&str; 3] = ["JWT", "client-authentication+jwt", NO_TYP];
/// The claims that it must have (RFC 7523 §3, OpenID Connect Core §9).
const REQUIRED: &[&str] = &["iss", "sub", "aud", "exp", "jti"];
/// The endpoints at which clients authenticate; the first is the one that every profile but `oauth21` may name in `aud`.
const ENDPOINTS: [&str; 3] = ["/token", "/revoke", "/introspect"];

/// `exp` may lie so far ahead, and a client's clock may run so much ahead of ours.
const CLOCK_AHEAD: Duration = Duration::from_secs(10);
/// One of a client that no operator has registered may be good for so long at most: each leaves a row until its end.
const LONGEST_OF_STRANGERS: Duration = Duration::from_secs(300);
/// The clocks of two nodes differ by less: until then after its end, no node may meet an assertion anew.
const CLOCKS_APART: Duration = Duration::from_secs(60);
/// No client id is longer.
const LONGEST_CLIENT_ID: usize = 2048;

/// An assertion as received, and what it says of itself. Nothing of it has been verified.
#[derive(Clone, Debug)]
pub struct Assertion {
    jwt: ClientAssertion,
    client: ClientId,
    claimed: Claimed,
}

impl Assertion {
    /// Finds out who is said to have made an assertion. `client_id` may be sent beside it and must say the same
    /// (RFC 7521 §4.2).
    ///
    /// # Errors
    /// `invalid_client`.
    pub fn read(jwt: ClientAssertion, client_id: Option<ClientId>) -> Outcome<Self> {
        let claimed = jws::claimed(jwt.reveal()).map_err(refused)?;
        let issuer = claimed.issuer.as_deref().unwrap_or_default();
        // What no client id is must not reach the database, which cannot hold a NUL.
        if issuer.len() > LONGEST_CLIENT_ID || issuer.contains(char::is_control) {
            return Err(Rejection::invalid_client("iss of the assertion is no client id"));
        }
        let client = ClientId::from(issuer);
        if client_id.is_some_and(|id| id != client) {
            return Err(Rejection::invalid_client("client_id differs from iss of the assertion"));
        }
        Ok(Self { jwt, client, claimed })
    }

    /// Who is said to have made it.
    pub const fn client_id(&self) -> &ClientId {
        &self.client
    }
}

/// What makes an assertion good for one use: to be used up when everything else holds.
#[derive(Debug)]
pub struct SingleUse {
    id: Digest32,
    forget_at: Timestamp,
}

impl SingleUse {
    /// Uses it up: one statement, on all nodes.
    ///
    /// # Errors
    /// `invalid_client` where it has been used before; a storage fault is 503, and the client signs anew. So is too many
    /// of a client that no operator has registered, whose row would stay: such an assertion is not used up.
    pub async fn use_up(&self, op: &Provider, client: &Client, now: Timestamp) -> Outcome<()> {
        let stranger = client.registered != Registered::Operator;
        if stranger && !op.assertions.admit(Some(client.id.as_str()), now) {
            return Err(Rejection::hidden(
                ErrorCode::TemporarilyUnavailable,
                "This client has authenticated too often. Send the same request again in a moment.",
                "assertions of this client",
            ));
        }
        if op.store.use_assertion(&self.id, self.forget_at).await? {
            return Ok(());
        }
        Err(Rejection::invalid_client("the assertion has been used before"))
    }
}

/// Verifies an assertion for a client: the registered algorithm, the signature under its keys or its secret, the claims.
/// `address` is whose request it is.
///
/// # Errors
/// `invalid_client`, the same for everything that can be wrong; `temporarily_unavailable` where the client's keys are not
/// known and could not be asked for; a fault where the sealed secret does not open.
pub async fn verify(
    op: &Provider,
    client: &Client,
    assertion: &Assertion,
    address: Option<&str>,
    now: Timestamp,
) -> Outcome<SingleUse> {
    let metadata = &client.metadata;
    let registered = metadata.token_endpoint_auth_signing_alg.as_deref();
    if registered.is_some_and(|registered| assertion.claimed.algorithm.as_deref() != Some(registered)) {
        return Err(Rejection::invalid_client("alg of the assertion is not the registered one"));
    }
    let audiences = audiences(op, metadata.profile);
    let audiences: Vec<&str> = audiences.iter().map(String::as_str).collect();
    let expect = Expect { required: REQUIRED, ..Expect::new(&TYPES, client.id.as_str(), now.millis()) }
        .audience(&audiences);
    let claims = match metadata.token_endpoint_auth_method {
        AuthMethod::PrivateKeyJwt => under_its_keys(op, (client, address), assertion, &expect).await?,
        AuthMethod::ClientSecretJwt => under_its_secret(op, client, assertion, &expect)?,
        _ => return Err(Rejection::invalid_client("not the registered authentication method")),
    };
    single_use(client, &claims, now)
}

/// `private_key_jwt`.
async fn under_its_keys(
    op: &Provider,
    (client, address): (&Client, Option<&str>),
    assertion: &Assertion,
    expect: &Expect<'_>,
) -> Outcome<Claims> {
    let now = Timestamp::from_millis(expect.now_millis);
    let verify = |keys: &VerificationKeys| jws::verify(assertion.jwt.reveal(), keys, expect);
    let behalf = behalf::of(client, address);
    let claimant = Claimant { client, kid: assertion.claimed.kid.as_deref(), behalf: &behalf };
    let verified = op.client_keys.verify(op, claimant, now, verify).await;
    verified
        .map(|verified| verified.claims)
        .map_err(|unverified| unverified.rejection(Rejection::invalid_client))
}

/// `client_secret_jwt`.
fn under_its_secret(
    op: &Provider,
    client: &Client,
    assertion: &Assertion,
    expect: &Expect<'_>,
) -> Outcome<Claims> {
    let Some(sealed) = &client.sealed_secret else {
        return Err(Rejection::invalid_client("no secret to verify with: rotate the client's secret"));
    };
    let key = op.secrets.client_secrets.open(&client.id, sealed)?;
    jws::verify_shared(assertion.jwt.reveal(), &key, expect).map_err(refused)
}

/// What is asked beyond the claims' types, `iss`, the names in `aud`, and times that have passed or not come.
fn single_use(client: &Client, claims: &Claims, now: Timestamp) -> Outcome<SingleUse> {
    let profile = client.metadata.profile;
    if claims.str("sub") != Some(client.id.as_str()) {
        return Err(Rejection::invalid_client("sub of the assertion is not the client"));
    }
    let may_be_list = profile.assertion_audience() == AssertionAudience::AnyOfOurs;
    if !may_be_list && !claims.get("aud").is_some_and(Value::is_string) {
        return Err(Rejection::invalid_client("aud of the assertion is a list"));
    }
    let of_profile = Duration::from_secs(profile.longest_assertion());
    let longest = match client.registered {
        Registered::Operator => of_profile,
        Registered::Dynamic | Registered::Document => of_profile.min(LONGEST_OF_STRANGERS),
    };
    let Some(exp) = claims.millis("exp").map(Timestamp::from_millis) else {
        return Err(Rejection::invalid_client("exp of the assertion is no date"));
    };
    if exp > now.plus(longest).plus(CLOCK_AHEAD) {
        return Err(Rejection::invalid_client("exp of the assertion lies too far ahead"));
    }
    let Some(jti) = claims.str("jti").filter(|jti| !jti.is_empty()) else {
        return Err(Rejection::invalid_client("jti of the assertion is empty"));
    };
    // No client id has a NUL, so that no two pairs are the same text.
    let id = sha256(format!("{}\0{jti}", client.id).as_bytes());
    Ok(SingleUse { id, forget_at: exp.plus(CLOCKS_APART) })
}

/// Whom an assertion may be made for (RFC 7523 §3): one that names another server's token endpoint, or ours only among
/// others, could be somebody else's to replay.
fn audiences(op: &Provider, profile: Profile) -> Vec<String> {
    let issuer = &op.policy.issuer;
    let endpoints = match profile.assertion_audience() {
        AssertionAudience::Issuer => 0,
        AssertionAudience::IssuerOrTokenEndpoint => 1,
        AssertionAudience::AnyOfOurs => ENDPOINTS.len(),
    };
    let endpoints = ENDPOINTS.iter().take(endpoints).map(|path| issuer.url(path));
    std::iter::once(issuer.as_str().to_owned()).chain(endpoints).collect()
}

fn refused(rejected: Rejected) -> Rejection {
    Rejection::invalid_client(rejected.reason())
}
