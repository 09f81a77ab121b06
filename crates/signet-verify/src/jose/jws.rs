//! The verifier of compact JWS (RFC 7515 §5.2), and of those that carry JWT claims.
//!
//! Everything is decided here, in the order of [`open`] and [`verify`]: the key by its name, the algorithm by the key
//! and never by the header, and nothing of the payload is parsed before its signature has been verified.

use serde_json::{Map, Value};

use crate::jose::algorithm::Algorithm;
use crate::jose::base64url;
use crate::jose::claims::{self, Claims, Expect};
use crate::jose::jwk::PublicKey;
use crate::jose::strict_json;

/// The longest token looked at, in bytes.
pub const LONGEST_TOKEN: usize = 8 * 1024;

/// Header members that would move the decision about the key, or the meaning of the payload, into the token:
/// extensions (RFC 7515 §4.1.11), unencoded payload (RFC 7797), compression and encryption (RFC 7516 §4.1),
/// and keys brought along or to be fetched (RFC 7515 §4.1.2 to §4.1.6).
const FORBIDDEN_MEMBERS: [&str; 8] = ["crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c"];

/// The one of [`FORBIDDEN_MEMBERS`] that a proof of possession must have.
const OWN_KEY: &str = "jwk";

/// The one algorithm of shared secrets (RFC 7518 §3.2). No `Algorithm`: those are what public keys verify.
const HS256: &str = "HS256";

/// Among the `typ` values to accept: a token without `typ` is accepted too.
pub const NO_TYP: &str = "";

/// What a signature is checked against.
pub trait VerifyingKey {
    /// The one algorithm the key verifies (RFC 8725 §3.1).
    fn algorithm(&self) -> Algorithm;

    /// Whether the signature is this key's over this content. Its form has been checked.
    fn verifies(&self, signed: &Signed<'_>) -> bool;
}

/// What a [`VerifyingKey`] looks at.
#[derive(Clone, Copy)]
pub struct Signed<'a> {
    /// Header, dot and payload as received.
    pub content: &'a [u8],
    /// The signature, decoded.
    pub signature: &'a [u8],
    /// The signature as received, which is base64url.
    pub encoded: &'a str,
}

/// Where keys are found by name. The name is compared, never interpreted (RFC 8725 §3.10).
pub trait Keys {
    /// The keys.
    type Key: VerifyingKey;

    /// The key of that name, or the one to use for a token that names none, with its own name.
    ///
    /// # Errors
    /// [`Rejected::KidMissing`], [`Rejected::KidUnknown`], [`Rejected::KeyRemoved`] at `now_millis`.
    fn find(&self, kid: Option<&str>, now_millis: i64) -> Result<(Option<&str>, &Self::Key), Rejected>;
}

/// A token whose signature and claims have been verified.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The name of the key that verified it, where it has one.
    pub kid: Option<String>,
    /// Its claims.
    pub claims: Claims,
}

/// Verifies a JWT.
///
/// # Errors
/// The first check that failed. The difference is for the log; on the wire all of them look the same.
pub fn verify(token: &str, keys: &impl Keys, expect: &Expect<'_>) -> Result<Verified, Rejected> {
    let terms = Terms { longest: LONGEST_TOKEN, typ: expect.typ, now_millis: expect.now_millis };
    let opened = open(token, keys, &terms)?;
    let payload = strict_json::object(&opened.payload).ok_or(Rejected::PayloadForm)?;
    let claims = claims::check(payload, expect)?;
    Ok(Verified { kid: opened.kid, claims })
}

/// What a JWS of any content must be.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Its greatest length, in bytes.
    pub longest: usize,
    /// The `typ` values to accept; see [`NO_TYP`].
    pub typ: &'a [&'a str],
    /// The time of verification, in Unix milliseconds: keys may have been removed.
    pub now_millis: i64,
}

/// A JWS whose signature has been verified, and its payload unread.
#[derive(Clone, Debug, PartialEq)]
pub struct Opened {
    /// The name of the key that verified it, where it has one.
    pub kid: Option<String>,
    /// The header, free of duplicate and forbidden members.
    pub header: Map<String, Value>,
    /// The payload, decoded.
    pub payload: Vec<u8>,
}

/// Verifies a compact JWS and hands out its payload.
///
/// # Errors
/// As [`verify`].
pub fn open(token: &str, keys: &impl Keys, terms: &Terms<'_>) -> Result<Opened, Rejected> {
    let parts = Parts::split(token, terms.longest)?;
    let header = parts.header(&FORBIDDEN_MEMBERS)?;
    let (kid, key) = keys.find(kid_of(&header)?, terms.now_millis)?;
    if header.get("alg").and_then(Value::as_str) != Some(key.algorithm().as_str()) {
        return Err(Rejected::Algorithm);
    }
    typ_is(&header, terms.typ)?;
    parts.check_signature(key)?;
    let payload = base64url::decode(parts.payload).ok_or(Rejected::PayloadForm)?;
    Ok(Opened { kid: kid.map(str::to_owned), header, payload })
}

/// A secret that both sides share. It verifies HS256 and nothing else (RFC 7518 §3.2); no public key is ever one, so that
/// the two kinds cannot be confused (RFC 8725 §3.1).
// For the server alone: a resource server that verifies by a shared secret could be fooled into taking a key for one.
#[doc(hidden)]
pub trait SharedSecret {
    /// Whether `mac` is HMAC-SHA-256 of `content` under this secret, compared in constant time.
    fn authenticates(&self, content: &[u8], mac: &[u8]) -> bool;
}

/// Verifies a JWT under a shared secret. All rules of [`verify`] hold, but that there is one key: its name, if the token
/// says one, is a string that is not looked at.
///
/// # Errors
/// As [`verify`].
// For the server alone, as the secret is.
#[doc(hidden)]
pub fn verify_shared(
    token: &str,
    secret: &impl SharedSecret,
    expect: &Expect<'_>,
) -> Result<Claims, Rejected> {
    let parts = Parts::split(token, LONGEST_TOKEN)?;
    let header = parts.header(&FORBIDDEN_MEMBERS)?;
    kid_of(&header)?;
    if header.get("alg").and_then(Value::as_str) != Some(HS256) {
        return Err(Rejected::Algorithm);
    }
    typ_is(&header, expect.typ)?;
    let mac = base64url::decode(parts.signature).ok_or(Rejected::Encoding)?;
    if !secret.authenticates(parts.signed.as_bytes(), &mac) {
        return Err(Rejected::Signature);
    }
    let payload = base64url::decode(parts.payload).ok_or(Rejected::PayloadForm)?;
    claims::check(strict_json::object(&payload).ok_or(Rejected::PayloadForm)?, expect)
}

/// What a token says of itself. Nothing of it has been verified: it is good for finding the key that the token has to be
/// verified with, and for nothing else.
// For the server alone, which has clients' keys to find: a resource server would decide by what nobody has verified.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// `alg`.
    pub algorithm: Option<String>,
    /// `kid`.
    pub kid: Option<String>,
    /// `iss`.
    pub issuer: Option<String>,
}

/// Reads what a token says of itself, as strictly as [`verify`] would.
///
/// # Errors
/// A form that [`verify`] refuses, too.
// For the server alone, as what it returns is.
#[doc(hidden)]
pub fn claimed(token: &str) -> Result<Claimed, Rejected> {
    let parts = Parts::split(token, LONGEST_TOKEN)?;
    let header = parts.header(&FORBIDDEN_MEMBERS)?;
    let payload = base64url::decode(parts.payload).ok_or(Rejected::PayloadForm)?;
    let payload = strict_json::object(&payload).ok_or(Rejected::PayloadForm)?;
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    Ok(Claimed {
        algorithm: text(header.get("alg")),
        kid: kid_of(&header)?.map(str::to_owned),
        issuer: text(payload.get("iss")),
    })
}

/// A proof of possession whose signature has been verified under the key it carries.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof {
    /// The public key, as the header has it; its thumbprint is what a token is bound to.
    pub jwk: Map<String, Value>,
    /// The claims, of which nothing has been checked but that they are one object without duplicates.
    pub claims: Map<String, Value>,
}

/// Verifies a JWS that carries its own key, as a DPoP proof does (RFC 9449 §4.2): it proves that its maker holds
/// that key, and nothing else. All rules of [`open`] hold, but that the header must have `jwk`, which must be a
/// public key fit for `alg` (RFC 9449 §4.3).
///
/// # Errors
/// The first check that failed.
pub fn verify_proof(proof: &str, typ: &str) -> Result<Proof, Rejected> {
    let parts = Parts::split(proof, LONGEST_TOKEN)?;
    let forbidden = FORBIDDEN_MEMBERS.into_iter().filter(|name| *name != OWN_KEY).collect::<Vec<_>>();
    let mut header = parts.header(&forbidden)?;
    let algorithm = header.get("alg").and_then(Value::as_str).and_then(|alg| alg.parse().ok());
    let algorithm = algorithm.ok_or(Rejected::Algorithm)?;
    typ_is(&header, &[typ])?;
    let Some(Value::Object(jwk)) = header.remove(OWN_KEY) else { return Err(Rejected::HeaderForm) };
    let key = PublicKey::from_jwk(&jwk, algorithm).map_err(|_| Rejected::OwnKey)?;
    parts.check_signature(&key)?;
    let payload = base64url::decode(parts.payload).ok_or(Rejected::PayloadForm)?;
    let claims = strict_json::object(&payload).ok_or(Rejected::PayloadForm)?;
    Ok(Proof { jwk, claims })
}

/// Why a token was refused. For logs and metrics only: a caller that tells these apart helps who probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Longer than may be: [`LONGEST_TOKEN`], or what [`Terms`] allow.
    TooLong,
    /// Not three parts: five are an encrypted token (RFC 7516), one is perhaps the JSON serialisation.
    Parts,
    /// A part is empty or not strict unpadded base64url.
    Encoding,
    /// The header is no JSON object, repeats a member, or has one of the wrong type.
    HeaderForm,
    /// The header has a member that this verifier refuses altogether.
    HeaderMember,
    /// No `kid`.
    KidMissing,
    /// No key of that name.
    KidUnknown,
    /// The key was removed.
    KeyRemoved,
    /// The key that a proof of possession carries is unusable.
    OwnKey,
    /// `alg` is not the algorithm of the key.
    Algorithm,
    /// `typ` is missing or another (RFC 8725 §3.11).
    Typ,
    /// The signature has not the form its algorithm gives it.
    SignatureForm,
    /// The signature is not one of this key over this content.
    Signature,
    /// The payload is no JSON object or repeats a member.
    PayloadForm,
    /// A required claim is absent.
    ClaimMissing(&'static str),
    /// A claim has the wrong JSON type or an impossible value.
    ClaimType(&'static str),
    /// Another issuer.
    Issuer,
    /// Meant for others.
    Audience,
    /// `exp` has passed.
    Expired,
    /// `nbf` lies ahead.
    NotYetValid,
    /// `iat` lies ahead.
    IssuedAhead,
}

impl Rejected {
    /// The cause in words, without anything from the token.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::TooLong => "the token is too long",
            Self::Parts => "the token has not three parts",
            Self::Encoding => "a part is not unpadded base64url",
            Self::HeaderForm => "the header is not an acceptable JSON object",
            Self::HeaderMember => "the header has a forbidden member",
            Self::KidMissing => "the header names no key",
            Self::KidUnknown => "the key is unknown",
            Self::KeyRemoved => "the key has been removed",
            Self::OwnKey => "the key in the header is unusable",
            Self::Algorithm => "alg is not the algorithm of the key",
            Self::Typ => "typ is not the expected type",
            Self::SignatureForm => "the signature has the wrong form",
            Self::Signature => "the signature does not verify",
            Self::PayloadForm => "the payload is not an acceptable JSON object",
            Self::ClaimMissing(_) => "a required claim is missing",
            Self::ClaimType(_) => "a claim has the wrong type",
            Self::Issuer => "iss is another issuer",
            Self::Audience => "aud names others",
            Self::Expired => "the token has expired",
            Self::NotYetValid => "nbf lies ahead",
            Self::IssuedAhead => "iat lies ahead",
        }
    }

    /// The claim the cause lies in, where it is one.
    pub const fn claim(self) -> Option<&'static str> {
        match self {
            Self::ClaimMissing(name) | Self::ClaimType(name) => Some(name),
            Self::Issuer => Some("iss"),
            Self::Audience => Some("aud"),
            Self::Expired => Some("exp"),
            Self::NotYetValid => Some("nbf"),
            Self::IssuedAhead => Some("iat"),
            _ => None,
        }
    }
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ClaimMissing(name) | Self::ClaimType(name) => write!(f, "{} ({name})", self.reason()),
            _ => f.write_str(self.reason()),
        }
    }
}

impl std::error::Error for Rejected {}

struct Parts<'a> {
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
    /// Header, dot and payload as received: what was signed (RFC 7515 §5.2).
    signed: &'a str,
}

impl<'a> Parts<'a> {
    /// Looks at no more dots than it must, and allocates nothing.
    fn split(token: &'a str, longest: usize) -> Result<Self, Rejected> {
        if token.len() > longest {
            return Err(Rejected::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Rejected::Parts)?;
        let (header, payload) = signed.split_once('.').ok_or(Rejected::Parts)?;
        if payload.contains('.') {
            return Err(Rejected::Parts);
        }
        if [header, payload, signature].iter().any(|part| part.is_empty()) {
            return Err(Rejected::Encoding);
        }
        Ok(Self { header, payload, signature, signed })
    }

    fn header(&self, forbidden: &[&str]) -> Result<Map<String, Value>, Rejected> {
        let decoded = base64url::decode(self.header).ok_or(Rejected::HeaderForm)?;
        let header = strict_json::object(&decoded).ok_or(Rejected::HeaderForm)?;
        if forbidden.iter().any(|name| header.contains_key(*name)) {
            return Err(Rejected::HeaderMember);
        }
        Ok(header)
    }

    fn check_signature(&self, key: &impl VerifyingKey) -> Result<(), Rejected> {
        check_signature(key, self.signed.as_bytes(), self.signature)
    }
}

/// Checks a signature, given as unpadded base64url.
pub(super) fn check_signature(
    key: &impl VerifyingKey,
    content: &[u8],
    encoded: &str,
) -> Result<(), Rejected> {
    let signature = base64url::decode(encoded).ok_or(Rejected::Encoding)?;
    let scalars_are_positive = || signature.chunks(32).all(|scalar| scalar.iter().any(|byte| *byte != 0));
    match key.algorithm() {
        // RFC 7518 §3.4: R and S of 32 bytes each, no DER; FIPS 186-5 §6.4.2: neither is zero.
        Algorithm::Es256 if signature.len() != 64 || !scalars_are_positive() => {
            return Err(Rejected::SignatureForm);
        }
        // RFC 8032 §5.1.6.
        Algorithm::EdDsa if signature.len() != 64 => return Err(Rejected::SignatureForm),
        _ => {}
    }
    let signed = Signed { content, signature: &signature, encoded };
    if key.verifies(&signed) { Ok(()) } else { Err(Rejected::Signature) }
}

/// RFC 7515 §4.1.4: a string, if it is there.
fn kid_of(header: &Map<String, Value>) -> Result<Option<&str>, Rejected> {
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(kid)) => Ok(Some(kid)),
        Some(_) => Err(Rejected::HeaderForm),
    }
}

/// RFC 7515 §4.1.9: media types compare without regard to case, and `application/` may be left out.
fn typ_is(header: &Map<String, Value>, expected: &[&str]) -> Result<(), Rejected> {
    const PREFIX: &str = "application/";
    let accepted = match header.get("typ") {
        None => expected.contains(&NO_TYP),
        Some(Value::String(typ)) if !typ.is_empty() => {
            let short = match typ.split_at_checked(PREFIX.len()) {
                Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) && !rest.contains('/') => rest,
                _ => typ,
            };
            !short.is_empty() && expected.iter().any(|one| one.eq_ignore_ascii_case(short))
        }
        Some(_) => false,
    };
    if accepted { Ok(()) } else { Err(Rejected::Typ) }
}
