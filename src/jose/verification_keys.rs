//! Public keys to verify with: our own, and those of a client's JWKS. What a sound key is, and what a token must be,
//! is decided in [`signet_verify::jose`], the same for the server as for resource servers.

use std::sync::Once;

use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use signet_verify::jose::jwk::{self, Components, Origin, PublicKey};
use signet_verify::jose::jws::{Keys, Rejected, Signed, VerifyingKey};

use crate::clock::Timestamp;
use crate::jose::error::Error;
use crate::jose::private_key::PrivateKey;
use crate::oauth::algorithm::Algorithm;

/// A public key, its algorithm, and the time from which nothing verifies under it.
pub struct VerificationKey {
    algorithm: Algorithm,
    key: Key,
    removes_at: Option<Timestamp>,
}

/// `jsonwebtoken` parses the key at each verification, which costs a fifth of an ES256 one. Ours verify every
/// token that comes back to us, so they are parsed once.
enum Key {
    Own(PublicKey),
    Foreign(DecodingKey),
}

impl VerificationKey {
    /// The public half of a key of our own.
    ///
    /// # Errors
    /// [`Error::KeyRejected`].
    pub(super) fn of(key: &PrivateKey, removes_at: Option<Timestamp>) -> Result<Self, Error> {
        let own = PublicKey::from_jwk(&key.public_jwk(key.kid()), key.algorithm())?;
        Ok(Self { algorithm: key.algorithm(), key: Key::Own(own), removes_at })
    }

    /// A key of others, found sound.
    fn foreign(key: &PublicKey) -> Self {
        install_provider();
        let decoding = match key.components() {
            Components::Rsa { n, e } => DecodingKey::from_rsa_raw_components(n, e),
            Components::P256 { point } => DecodingKey::from_ec_der(point),
            Components::Ed25519 { x } => DecodingKey::from_ed_der(x),
        };
        Self { algorithm: key.algorithm(), key: Key::Foreign(decoding), removes_at: None }
    }
}

impl VerifyingKey for VerificationKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn verifies(&self, signed: &Signed<'_>) -> bool {
        let name = match self.algorithm {
            Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
            Algorithm::Ps256 => jsonwebtoken::Algorithm::PS256,
            Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
            Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        };
        match &self.key {
            Key::Own(key) => key.verifies(signed),
            Key::Foreign(key) => {
                jsonwebtoken::crypto::verify(signed.encoded, signed.content, key, name).unwrap_or(false)
            }
        }
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

    /// Reads the JWKS of a client, strictly; see [`Origin::Client`]. A token may go without `kid` where the set
    /// holds a single key.
    ///
    /// # Errors
    /// [`Error::KeyRejected`].
    pub fn from_jwks(text: &[u8]) -> Result<Self, Error> {
        let keys = jwk::read_set(text, Origin::Client)?;
        let keys = keys.iter().map(|(kid, key)| (kid.clone(), VerificationKey::foreign(key))).collect();
        Ok(Self { keys, foreign: true })
    }

    /// Whether there is a key of this name.
    pub fn has(&self, kid: &str) -> bool {
        self.keys.iter().any(|(name, _)| name.as_deref() == Some(kid))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

impl Keys for VerificationKeys {
    type Key = VerificationKey;

    fn find(&self, kid: Option<&str>, now_millis: i64) -> Result<(Option<&str>, &VerificationKey), Rejected> {
        if kid.is_none() && !self.foreign {
            return Err(Rejected::KidMissing);
        }
        let (name, key) = jwk::find(&self.keys, kid)?;
        if key.removes_at.is_some_and(|at| at.millis() <= now_millis) {
            return Err(Rejected::KeyRemoved);
        }
        Ok((name, key))
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
