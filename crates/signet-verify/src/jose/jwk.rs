//! Public keys (RFC 7517), each bound to its one algorithm (RFC 8725 §3.1). There is no symmetric key here, and no
//! way to make one: a public key cannot be mistaken for an HMAC secret.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use serde_json::{Map, Value};

use crate::jose::algorithm::Algorithm;
use crate::jose::base64url;
use crate::jose::jws::{Keys, Rejected, Signed, VerifyingKey};
use crate::jose::strict_json;

/// The shortest RSA modulus accepted, in bits (RFC 7518 §3.3).
pub const SHORTEST_RSA: usize = 2048;

/// The longest RSA modulus accepted, in bits: a longer one is work for us and of no use to who has it.
pub const LONGEST_RSA: usize = 4096;

/// The members of a JWK that only a private key has (RFC 7518 §6.2.2 and §6.3.2, RFC 8037 §2).
const PRIVATE_MEMBERS: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// Why a JWK or a JWKS was refused, in words, without anything of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unusable(pub &'static str);

impl std::fmt::Display for Unusable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Unusable {}

/// A public key, parsed once.
#[derive(Debug)]
pub struct PublicKey {
    algorithm: Algorithm,
    components: Components,
    parsed: ParsedPublicKey,
}

impl PublicKey {
    /// Reads a public JWK for one algorithm, checking that it is a usable key.
    ///
    /// # Errors
    /// Where the JWK is private, is of another type than the algorithm, lacks a parameter or has one of another form,
    /// is RSA of less than 2048 or more than 4096 bits, or a point off its curve.
    pub fn from_jwk(jwk: &Map<String, Value>, algorithm: Algorithm) -> Result<Self, Unusable> {
        if is_private(jwk) {
            return Err(Unusable("the JWK is a private key"));
        }
        let components = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => rsa(jwk)?,
            Algorithm::Es256 => p256(jwk)?,
            Algorithm::EdDsa => ed25519(jwk)?,
        };
        let parsed = match &components {
            Components::Rsa { n, e } => {
                let by = match algorithm {
                    Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
                    _ => &RSA_PKCS1_2048_8192_SHA256,
                };
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(by)
            }
            Components::P256 { point } => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point),
            Components::Ed25519 { x } => ParsedPublicKey::new(&ED25519, x),
        };
        let parsed = parsed.map_err(|_| Unusable("the parameters of the JWK are no public key"))?;
        Ok(Self { algorithm, components, parsed })
    }

    /// The one algorithm the key verifies.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The numbers the key consists of, for another library.
    pub const fn components(&self) -> &Components {
        &self.components
    }
}

impl VerifyingKey for PublicKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn verifies(&self, signed: &Signed<'_>) -> bool {
        self.parsed.verify_sig(signed.content, signed.signature).is_ok()
    }
}

/// The numbers of a sound public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Components {
    /// Modulus and exponent, big-endian, without leading zeros.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The public exponent.
        e: Vec<u8>,
    },
    /// A point on P-256, uncompressed (SEC 1 §2.3.3): 0x04 and the two coordinates.
    P256 {
        /// The 65 bytes.
        point: Vec<u8>,
    },
    /// An Ed25519 public key (RFC 8032 §5.1.5).
    Ed25519 {
        /// The 32 bytes.
        x: Vec<u8>,
    },
}

/// Whose JWKS is read: what is unusable in it is an error, or is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client registers its keys and can be told what is wrong with them: at most 64 KiB and 32 keys. Keys for
    /// encryption, of other types, curves or algorithms are passed over; a private key, an unsound one and a name
    /// given twice are errors.
    Client,
    /// A provider publishes keys for everybody, of which a verifier can use some: at most 512 KiB and 256 keys. Every
    /// key that is unusable is passed over, and of two with one name the first counts.
    Provider,
}

impl Origin {
    const fn longest(self) -> usize {
        match self {
            Self::Client => 64 * 1024,
            Self::Provider => 512 * 1024,
        }
    }

    const fn most_keys(self) -> usize {
        match self {
            Self::Client => 32,
            Self::Provider => 256,
        }
    }
}

/// The usable keys of a JWKS (RFC 7517 §5), with their names. A key without `alg` gets RS256, ES256 or EdDSA by its
/// type.
///
/// # Errors
/// Where the text is too long, no JWKS or holds too many keys; and see [`Origin`].
pub fn read_set(text: &[u8], origin: Origin) -> Result<Vec<(Option<String>, PublicKey)>, Unusable> {
    if text.len() > origin.longest() {
        return Err(Unusable("the JWKS is too long"));
    }
    let set = strict_json::object(text).ok_or(Unusable("the JWKS is no JSON object"))?;
    let listed = set.get("keys").and_then(Value::as_array).filter(|keys| keys.len() <= origin.most_keys());
    let mut keys: Vec<(Option<String>, PublicKey)> = Vec::new();
    for entry in listed.ok_or(Unusable("the JWKS has no `keys`, or too many"))? {
        match read_entry(entry, &keys) {
            Ok(found) => keys.extend(found),
            Err(unusable) if origin == Origin::Client => return Err(unusable),
            Err(_) => {}
        }
    }
    Ok(keys)
}

/// One key of a JWKS; `None` where it serves another purpose.
fn read_entry(
    entry: &Value,
    others: &[(Option<String>, PublicKey)],
) -> Result<Option<(Option<String>, PublicKey)>, Unusable> {
    let jwk = entry.as_object().ok_or(Unusable("a key of the JWKS is no object"))?;
    if is_private(jwk) {
        return Err(Unusable("the JWKS holds a private key"));
    }
    let Some(algorithm) = usable_algorithm(jwk) else { return Ok(None) };
    let kid = match jwk.get("kid") {
        None => None,
        Some(Value::String(kid)) => Some(kid.clone()),
        Some(_) => return Err(Unusable("a `kid` is no string")),
    };
    if kid.is_some() && others.iter().any(|(other, _)| *other == kid) {
        return Err(Unusable("two keys of the JWKS have the same `kid`"));
    }
    Ok(Some((kid, PublicKey::from_jwk(jwk, algorithm)?)))
}

/// The usable keys of a provider, found by name.
#[derive(Debug, Default)]
pub struct KeySet(Vec<(Option<String>, PublicKey)>);

impl KeySet {
    /// Reads the JWKS of a provider as [`Origin::Provider`] says. A set without a usable key is one in which nothing
    /// is found.
    ///
    /// # Errors
    /// Where the text is too long, no JWKS, or holds too many keys.
    pub fn from_jwks(text: &[u8]) -> Result<Self, Unusable> {
        read_set(text, Origin::Provider).map(Self)
    }

    /// How many keys there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is a key of that name.
    pub fn has(&self, kid: &str) -> bool {
        self.0.iter().any(|(name, _)| name.as_deref() == Some(kid))
    }
}

impl Keys for KeySet {
    type Key = PublicKey;

    /// A token may go without `kid` where the set holds a single usable key.
    fn find(&self, kid: Option<&str>, _now_millis: i64) -> Result<(Option<&str>, &PublicKey), Rejected> {
        find(&self.0, kid)
    }
}

/// Looks a key up by name; without a name, the only key there is.
///
/// # Errors
/// [`Rejected::KidMissing`], [`Rejected::KidUnknown`].
pub fn find<'a, K>(
    keys: &'a [(Option<String>, K)],
    kid: Option<&str>,
) -> Result<(Option<&'a str>, &'a K), Rejected> {
    let found = match (kid, keys) {
        (Some(kid), keys) => keys.iter().find(|(name, _)| name.as_deref() == Some(kid)),
        (None, [only]) => Some(only),
        (None, _) => return Err(Rejected::KidMissing),
    };
    found.map(|(name, key)| (name.as_deref(), key)).ok_or(Rejected::KidUnknown)
}

fn is_private(jwk: &Map<String, Value>) -> bool {
    PRIVATE_MEMBERS.iter().any(|name| jwk.contains_key(*name))
}

/// The algorithm a key of a JWKS is used with; `None` to pass it over.
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

fn member(jwk: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Unusable> {
    jwk.get(name)
        .and_then(Value::as_str)
        .and_then(base64url::decode)
        .ok_or(Unusable("a parameter of the JWK is missing or not base64url"))
}

fn kind(jwk: &Map<String, Value>, kty: &str, crv: Option<&str>) -> Result<(), Unusable> {
    let is = |name: &str, value: Option<&str>| jwk.get(name).and_then(Value::as_str) == value;
    if is("kty", Some(kty)) && (crv.is_none() || is("crv", crv)) {
        Ok(())
    } else {
        Err(Unusable("the JWK is of another type than its algorithm"))
    }
}

fn rsa(jwk: &Map<String, Value>) -> Result<Components, Unusable> {
    kind(jwk, "RSA", None)?;
    let (n, e) = (member(jwk, "n")?, member(jwk, "e")?);
    let Some(first) = n.first().filter(|first| **first != 0) else {
        return Err(Unusable("an RSA modulus begins with a zero byte")); // RFC 7518 §6.3.1.1
    };
    let bits = n.len() * 8 - first.leading_zeros() as usize;
    if !(SHORTEST_RSA..=LONGEST_RSA).contains(&bits) {
        return Err(Unusable("an RSA key has 2048 to 4096 bits"));
    }
    let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
    let exponent_fits = e.len() <= 4 && e.first().is_some_and(|byte| *byte != 0) && e != [1];
    if !odd(&n) || !odd(&e) || !exponent_fits {
        return Err(Unusable("an RSA modulus or exponent is not a sound one"));
    }
    Ok(Components::Rsa { n, e })
}

fn p256(jwk: &Map<String, Value>) -> Result<Components, Unusable> {
    kind(jwk, "EC", Some("P-256"))?;
    let (x, y) = (member(jwk, "x")?, member(jwk, "y")?);
    if x.len() != 32 || y.len() != 32 {
        // RFC 7518 §6.2.1.2: the full size of a coordinate, zeros included.
        return Err(Unusable("a coordinate of a P-256 key is not 32 bytes"));
    }
    Ok(Components::P256 { point: [&[4], x.as_slice(), y.as_slice()].concat() })
}

fn ed25519(jwk: &Map<String, Value>) -> Result<Components, Unusable> {
    kind(jwk, "OKP", Some("Ed25519"))?;
    let x = member(jwk, "x")?;
    if x.len() != 32 {
        return Err(Unusable("an Ed25519 key is not 32 bytes")); // RFC 8032 §5.1.5
    }
    Ok(Components::Ed25519 { x })
}
