//! The claims of a verified token (RFC 7519 §4): the rules they must meet, and a typed view of them.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::jose::jws::Rejected;

/// The most that `exp` may be overrun, whatever is asked for: beyond it, leeway is a longer lifetime.
pub const LONGEST_EXP_LEEWAY: Duration = Duration::from_secs(30);

/// The furthest ahead `iat` and `nbf` may lie, whatever is asked for (FAPI 2.0 §5.3.2.1).
pub const LONGEST_FUTURE_LEEWAY: Duration = Duration::from_secs(60);

/// The claims that must be strings where they occur. A getter would read another type as absent, and absent
/// means "no restriction" to careless callers.
const STRINGS: [&str; 8] = ["iss", "sub", "jti", "client_id", "scope", "sid", "nonce", "azp"];

/// 9999-12-31T23:59:59Z: later times are no dates.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// What a token must be.
#[derive(Clone, Copy, Debug)]
pub struct Expect<'a> {
    /// The `typ` values to accept, such as `at+jwt`; [`NO_TYP`](crate::jose::jws::NO_TYP) among them accepts
    /// a token without `typ`.
    pub typ: &'a [&'a str],
    /// The issuer, compared as a string.
    pub issuer: &'a str,
    /// The audiences of which the token must name one; `None` does not look at `aud` (its type still counts).
    pub audience: Option<&'a [&'a str]>,
    /// The time of verification, in Unix milliseconds.
    pub now_millis: i64,
    /// Whether an expired token is accepted, as for `id_token_hint` (OpenID Connect RP-Initiated Logout §2).
    pub allow_expired: bool,
    /// How far `exp` may be overrun; at most [`LONGEST_EXP_LEEWAY`] counts.
    pub exp_leeway: Duration,
    /// How far ahead `iat` and `nbf` may lie; at most [`LONGEST_FUTURE_LEEWAY`] counts.
    pub future_leeway: Duration,
    /// The claims that must be present.
    pub required: &'a [&'static str],
}

impl<'a> Expect<'a> {
    /// The claims every token of ours carries.
    pub const REQUIRED: &'static [&'static str] = &["iss", "sub", "aud", "exp", "iat"];

    /// A token of type `typ` by `issuer` at `now_millis`, for any audience, unexpired, with no leeway for `exp` and
    /// 10 s for clocks that run ahead, and all of [`Expect::REQUIRED`].
    pub const fn new(typ: &'a [&'a str], issuer: &'a str, now_millis: i64) -> Self {
        Self {
            typ,
            issuer,
            audience: None,
            now_millis,
            allow_expired: false,
            exp_leeway: Duration::ZERO,
            future_leeway: Duration::from_secs(10),
            required: Self::REQUIRED,
        }
    }

    /// The same, for one of these audiences.
    pub const fn audience(self, audience: &'a [&'a str]) -> Self {
        Self { audience: Some(audience), ..self }
    }
}

/// The claims of a token that has been verified.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// A claim that is a string.
    pub fn str(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// A claim that is a whole number.
    pub fn int(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_i64()
    }

    /// A claim that is true or false.
    pub fn bool(&self, name: &str) -> Option<bool> {
        self.0.get(name)?.as_bool()
    }

    /// A claim of any type.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The values of a claim that is a string or a list of strings, such as `aud`, or `amr`.
    pub fn list(&self, name: &str) -> Vec<&str> {
        match self.0.get(name) {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// The scope values (RFC 8693 §4.2); none where there is no `scope`.
    pub fn scope(&self) -> impl Iterator<Item = &str> {
        self.str("scope").unwrap_or_default().split(' ').filter(|value| !value.is_empty())
    }

    /// A claim that is a date (RFC 7519 §2, NumericDate), such as `exp`, in Unix milliseconds; `None` where it is
    /// absent or no date.
    pub fn millis(&self, name: &'static str) -> Option<i64> {
        time(&self.0, name).ok().flatten()
    }

    /// All claims.
    pub const fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// All claims, given away.
    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }
}

/// Checks the claims of a token whose signature has been verified.
///
/// # Errors
/// The first rule that is not met.
pub fn check(claims: Map<String, Value>, expect: &Expect<'_>) -> Result<Claims, Rejected> {
    if let Some(name) = expect.required.iter().find(|name| !claims.contains_key(**name)) {
        return Err(Rejected::ClaimMissing(name));
    }
    if let Some(name) = STRINGS.iter().find(|name| claims.get(**name).is_some_and(|claim| !claim.is_string()))
    {
        return Err(Rejected::ClaimType(name));
    }
    // RFC 7519 §4.1.1 makes `iss` optional; without one there is nobody to trust.
    if claims.get("iss").and_then(Value::as_str) != Some(expect.issuer) {
        return Err(Rejected::Issuer);
    }
    check_audience(&claims, expect.audience)?;
    check_times(&claims, expect)?;
    Ok(Claims(claims))
}

/// RFC 7519 §4.1.3: a string or a list of strings.
fn check_audience(claims: &Map<String, Value>, expected: Option<&[&str]>) -> Result<(), Rejected> {
    let named: Vec<&str> = match claims.get("aud") {
        None => Vec::new(),
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many
            .iter()
            .map(|item| item.as_str().ok_or(Rejected::ClaimType("aud")))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(Rejected::ClaimType("aud")),
    };
    match expected {
        Some(expected) if !named.iter().any(|name| expected.contains(name)) => Err(Rejected::Audience),
        _ => Ok(()),
    }
}

fn check_times(claims: &Map<String, Value>, expect: &Expect<'_>) -> Result<(), Rejected> {
    let exp = time(claims, "exp")?;
    let nbf = time(claims, "nbf")?;
    let iat = time(claims, "iat")?;
    time(claims, "auth_time")?;
    // RFC 7519 §4.1.4: on or after `exp` the token is dead.
    let leeway = at_most(expect.exp_leeway, LONGEST_EXP_LEEWAY);
    if !expect.allow_expired && exp.is_some_and(|exp| exp.saturating_add(leeway) <= expect.now_millis) {
        return Err(Rejected::Expired);
    }
    let latest = expect.now_millis.saturating_add(at_most(expect.future_leeway, LONGEST_FUTURE_LEEWAY));
    if nbf.is_some_and(|nbf| nbf > latest) {
        return Err(Rejected::NotYetValid);
    }
    if iat.is_some_and(|iat| iat > latest) {
        return Err(Rejected::IssuedAhead);
    }
    Ok(())
}

/// Milliseconds of a leeway, bounded.
fn at_most(leeway: Duration, longest: Duration) -> i64 {
    i64::try_from(leeway.min(longest).as_millis()).unwrap_or(0)
}

/// A NumericDate (RFC 7519 §2): seconds, perhaps with a fraction. In milliseconds.
fn time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, Rejected> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..=LAST_SECOND).contains(seconds));
    let millis = seconds.ok_or(Rejected::ClaimType(name))? * 1000.0;
    #[expect(clippy::cast_possible_truncation, reason = "bounded by LAST_SECOND")]
    let millis = millis as i64;
    Ok(Some(millis))
}
