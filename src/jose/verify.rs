//! The verifier of compact JWS (RFC 7515 §5.2) that carry JWT claims.
//!
//! `jsonwebtoken` is trusted with the signature and nothing else. It ignores `crit`, skips `iss`, `aud` and
//! `sub` of the wrong type, and lets a caller take the algorithm from the header; each of these is decided here,
//! in the order below, and nothing of the payload is parsed before its signature has been verified.

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::digest::base64url_decode;
use crate::jose::claims::{self, Claims, Expect};
use crate::jose::strict_json;
use crate::jose::verification_keys::{VerificationKey, VerificationKeys};

/// The longest token looked at, in bytes.
pub const LONGEST_TOKEN: usize = 8 * 1024;

/// Header members that would move the decision about the key, or the meaning of the payload, into the token:
/// extensions (RFC 7515 §4.1.11), unencoded payload (RFC 7797), compression and encryption (RFC 7516 §4.1),
/// and keys brought along or to be fetched (RFC 7515 §4.1.2 to §4.1.6).
const FORBIDDEN_MEMBERS: [&str; 8] = ["crit", "b64", "zip", "enc", "jwk", "jku", "x5u", "x5c"];

/// In [`Expect::typ`]: a token without `typ` is accepted too.
pub const NO_TYP: &str = "";

impl VerificationKeys {
    /// Verifies `token` and returns its claims.
    ///
    /// # Errors
    /// The first check that failed. The difference is for the log; on the wire all of them look the same.
    pub fn verify(&self, token: &str, expect: &Expect<'_>) -> Result<Claims, Rejected> {
        if token.len() > LONGEST_TOKEN {
            return Err(Rejected::TooLong);
        }
        let parts = Parts::split(token)?;
        let header = decode_object(parts.header).ok_or(Rejected::HeaderForm)?;
        if FORBIDDEN_MEMBERS.iter().any(|name| header.contains_key(*name)) {
            return Err(Rejected::HeaderMember);
        }
        let key = self.key_named(&header, expect.now)?;
        if header.get("alg").and_then(Value::as_str) != Some(key.algorithm().as_str()) {
            return Err(Rejected::Algorithm);
        }
        typ_is(&header, expect.typ)?;
        let signature = base64url_decode(parts.signature).ok_or(Rejected::Encoding)?;
        key.check(parts.signed, parts.signature, &signature)?;
        let payload = decode_object(parts.payload).ok_or(Rejected::PayloadForm)?;
        claims::check(payload, expect)
    }

    fn key_named(&self, header: &Map<String, Value>, now: Timestamp) -> Result<&VerificationKey, Rejected> {
        match header.get("kid") {
            None => self.find(None, now),
            Some(Value::String(kid)) => self.find(Some(kid), now),
            Some(_) => Err(Rejected::HeaderForm),
        }
    }
}

/// Why a token was refused. For logs and metrics only: a caller that tells these apart helps who probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Longer than [`LONGEST_TOKEN`].
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
    fn split(token: &'a str) -> Result<Self, Rejected> {
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
}

fn decode_object(part: &str) -> Option<Map<String, Value>> {
    strict_json::object(&base64url_decode(part)?)
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
