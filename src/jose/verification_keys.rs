//! Public keys to verify with, each bound to its one algorithm (RFC 8725 §3.1). There is no symmetric key here,
//! and no way to make one: a public key cannot be mistaken for an HMAC secret.

use std::sync::Once;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::digest::base64url_decode;
use crate::jose::error::Error;
use crate::jose::private_key::{PrivateKey, SHORTEST_RSA};
use crate::jose::strict_json;
use crate::jose::verify::Rejected;
use crate::oauth::algorithm::Algorithm;

/// The longest RSA modulus accepted from others, in bits: a longer one is work for us and of no use to them.
const LONGEST_RSA: usize = 4096;

/// The most keys read from a JWKS of others.
const MOST_KEYS: usize = 32;

/// The longest JWKS read from others, in bytes.
const LONGEST_JWKS: usize = 64 * 1024;

/// A public key, its algorithm, and the time from which nothing verifies under it.
pub struct VerificationKey {
    algorithm: Algorithm,
    key: Key,
    removes_at: Option<Timestamp>,
}

/// `jsonwebtoken` parses the key at each verification, which costs a fifth of an ES256 one. Ours verify every
/// token that comes back to us, so they are parsed once.
enum Key {
    Own(ParsedPublicKey),
    Foreign(DecodingKey),
}

impl VerificationKey {
    /// Reads a public JWK for one algorithm, checking that it is a usable key.
    ///
    /// # Errors
    /// [`Error::KeyRejected`].
    pub fn from_jwk(
        jwk: &Map<String, Value>,
        algorithm: Algorithm,
        removes_at: Option<Timestamp>,
    ) -> Result<Self, Error> {
        install_provider();
        let key = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => rsa(jwk)?,
            Algorithm::Es256 => p256(jwk)?,
            Algorithm::EdDsa => ed25519(jwk)?,
        };
        Ok(Self { algorithm, key: Key::Foreign(key), removes_at })
    }

    /// The public half of a key of our own.
    ///
    /// # Errors
    /// [`Error::KeyRejected`].
    pub(super) fn of(key: &PrivateKey, removes_at: Option<Timestamp>) -> Result<Self, Error> {
        Ok(Self { algorithm: key.algorithm(), key: Key::Own(key.verifying()?), removes_at })
    }

    /// The one algorithm the key verifies.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Checks a signature, given as unpadded base64url and decoded.
    pub(super) fn check(&self, message: &str, encoded: &str, signature: &[u8]) -> Result<(), Rejected> {
        let scalars_are_positive = || signature.chunks(32).all(|scalar| scalar.iter().any(|byte| *byte != 0));
        match self.algorithm {
            // RFC 7518 §3.4: R and S of 32 bytes each, no DER; FIPS 186-5 §6.4.2: neither is zero.
            Algorithm::Es256 if signature.len() != 64 || !scalars_are_positive() => {
                return Err(Rejected::SignatureForm);
            }
            // RFC 8032 §5.1.6.
            Algorithm::EdDsa if signature.len() != 64 => return Err(Rejected::SignatureForm),
            _ => {}
        }
        let name = match self.algorithm {
            Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
            Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
            Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
            Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        };
        let verified = match &self.key {
            Key::Own(key) => key.verify_sig(message.as_bytes(), signature).is_ok(),
            Key::Foreign(key) => {
                jsonwebtoken::crypto::verify(encoded, message.as_bytes(), key, name).unwrap_or(false)
            }
        };
        if verified { Ok(()) } else { Err(Rejected::Signature) }
    }
}

/// A set of public keys, found by name.
#[derive(Default)]
pub struct VerificationKeys {
    keys: Vec<(Option<String>, VerificationKey)>,
    foreign: bool,
}

impl VerificationKeys {
    /// A set of our own keys. A token must name the one it was signed with.
    pub fn new(keys: impl IntoIterator<Item = (String, VerificationKey)>) -> Self {
        Self { keys: keys.into_iter().map(|(kid, key)| (Some(kid), key)).collect(), foreign: false }
    }

    /// Reads the JWKS of a client (RFC 7517 §5). Keys for encryption, of other types, curves or algorithms are
    /// passed over; a key without `alg` gets RS256, ES256 or EdDSA by its type. A token may go without `kid`
    /// where the set holds a single key.
    ///
    /// # Errors
    /// [`Error::KeyRejected`] where the text is no JWKS or too long, names a key twice, holds a private key, or
    /// an unusable one (RSA below 2048 bits, a point off the curve).
    pub fn from_jwks(text: &[u8]) -> Result<Self, Error> {
        if text.len() > LONGEST_JWKS {
            return Err(Error::KeyRejected("the JWKS is too long"));
        }
        let set = strict_json::object(text).ok_or(Error::KeyRejected("the JWKS is no JSON object"))?;
        let listed = set.get("keys").and_then(Value::as_array).filter(|keys| keys.len() <= MOST_KEYS);
        let mut keys: Vec<(Option<String>, VerificationKey)> = Vec::new();
        for entry in listed.ok_or(Error::KeyRejected("the JWKS has no `keys`, or too many"))? {
            let jwk = entry.as_object().ok_or(Error::KeyRejected("a key of the JWKS is no object"))?;
            if jwk.contains_key("d") {
                return Err(Error::KeyRejected("the JWKS holds a private key"));
            }
            let Some(algorithm) = usable_algorithm(jwk) else { continue };
            let kid = match jwk.get("kid") {
                None => None,
                Some(Value::String(kid)) => Some(kid.clone()),
                Some(_) => return Err(Error::KeyRejected("a `kid` is no string")),
            };
            if kid.is_some() && keys.iter().any(|(other, _)| *other == kid) {
                return Err(Error::KeyRejected("two keys of the JWKS have the same `kid`"));
            }
            keys.push((kid, VerificationKey::from_jwk(jwk, algorithm, None)?));
        }
        Ok(Self { keys, foreign: true })
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key of that name. The name is compared, never interpreted (RFC 8725 §3.10).
    pub(super) fn find(&self, kid: Option<&str>, now: Timestamp) -> Result<&VerificationKey, Rejected> {
        let found = match (kid, self.keys.as_slice()) {
            (Some(kid), keys) => keys.iter().find(|(name, _)| name.as_deref() == Some(kid)),
            (None, [only]) if self.foreign => Some(only),
            (None, _) => return Err(Rejected::KidMissing),
        };
        match found {
            None => Err(Rejected::KidUnknown),
            Some((_, key)) if key.removes_at.is_some_and(|at| at <= now) => Err(Rejected::KeyRemoved),
            Some((_, key)) => Ok(key),
        }
    }
}

impl std::fmt::Debug for VerificationKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(kid, key)| (kid, key.algorithm))).finish()
    }
}

/// `jsonwebtoken` finds its cryptography through a process-wide variable and panics where the crate features
/// of the whole build leave the choice open; setting it here leaves nothing open.
fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that a provider is installed already, which serves as well.
        let _ = DEFAULT_PROVIDER.install_default();
    });
}

/// The algorithm a foreign key is used with; `None` to pass it over.
fn usable_algorithm(jwk: &Map<String, Value>) -> Option<Algorithm> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    if jwk.contains_key("use") && text("use") != Some("sig") {
        return None;
    }
    if let Some(operations) = jwk.get("key_ops")
        && !operations.as_array().is_some_and(|list| list.iter().any(|item| item == "verify"))
    {
        return None;
    }
    let candidates: &[Algorithm] = match (text("kty")?, text("crv")) {
        ("RSA", _) => &[Algorithm::Rs256, Algorithm::Ps256],
        ("EC", Some("P-256")) => &[Algorithm::Es256],
        ("OKP", Some("Ed25519")) => &[Algorithm::EdDsa],
        _ => return None,
    };
    match jwk.get("alg") {
        None => candidates.first().copied(),
        Some(alg) => candidates.iter().copied().find(|candidate| alg == candidate.as_str()),
    }
}

fn member(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Error> {
    jwk.get(name)
        .and_then(Value::as_str)
        .and_then(base64url_decode)
        .ok_or(Error::KeyRejected("a parameter of the JWK is missing or not base64url"))
}

fn kind(jwk: &Map<String, Value>, kty: &str, crv: Option<&str>) -> Result<(), Error> {
    let is = |name: &str, value: Option<&str>| jwk.get(name).and_then(Value::as_str) == value;
    if is("kty", Some(kty)) && (crv.is_none() || is("crv", crv)) {
        Ok(())
    } else {
        Err(Error::KeyRejected("the JWK is of another type than its algorithm"))
    }
}

fn rsa(jwk: &Map<String, Value>) -> Result<DecodingKey, Error> {
    kind(jwk, "RSA", None)?;
    let (modulus, exponent) = (member(jwk, "n")?, member(jwk, "e")?);
    let Some(first) = modulus.first().filter(|first| **first != 0) else {
        return Err(Error::KeyRejected("an RSA modulus begins with a zero byte")); // RFC 7518 §6.3.1.1
    };
    let bits = modulus.len() * 8 - first.leading_zeros() as usize;
    if !(SHORTEST_RSA..=LONGEST_RSA).contains(&bits) {
        return Err(Error::KeyRejected("an RSA key has 2048 to 4096 bits"));
    }
    let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    let exponent_fits =
        exponent.len() <= 4 && exponent.first().is_some_and(|byte| *byte != 0) && exponent != [1];
    if !odd(&modulus) || !odd(&exponent) || !exponent_fits {
        return Err(Error::KeyRejected("an RSA modulus or exponent is not a sound one"));
    }
    Ok(DecodingKey::from_rsa_raw_components(&modulus, &exponent))
}

fn p256(jwk: &Map<String, Value>) -> Result<DecodingKey, Error> {
    kind(jwk, "EC", Some("P-256"))?;
    let (x, y) = (member(jwk, "x")?, member(jwk, "y")?);
    if x.len() != 32 || y.len() != 32 {
        // RFC 7518 §6.2.1.2: the full size of a coordinate, zeros included.
        return Err(Error::KeyRejected("a coordinate of a P-256 key is not 32 bytes"));
    }
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point)
        .map_err(|_| Error::KeyRejected("the point is not on the curve"))?;
    Ok(DecodingKey::from_ec_der(&point))
}

fn ed25519(jwk: &Map<String, Value>) -> Result<DecodingKey, Error> {
    kind(jwk, "OKP", Some("Ed25519"))?;
    let x = member(jwk, "x")?;
    ParsedPublicKey::new(&ED25519, &x).map_err(|_| Error::KeyRejected("it is no Ed25519 public key"))?;
    Ok(DecodingKey::from_ed_der(&x))
}
