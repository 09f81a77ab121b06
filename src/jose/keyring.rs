//! The keyring: an immutable snapshot of all signing keys, parsed once, shared behind an `Arc`.
//!
//! The snapshot stays right as time passes. Which key signs and which keys verify is decided from each key's
//! times at each call, and the JWKS of every stretch between two removals is prepared at loading. Its owner
//! loads a new snapshot only where the rows have changed, and a node that misses a change for a while goes on
//! with the keys it knows, none of which it uses beyond their times.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Value, json};
use signet_verify::jose::claims::{Claims, Expect};
use signet_verify::jose::jws::{self, LONGEST_TOKEN, Rejected};

use crate::clock::Timestamp;
use crate::digest::{base64url, sha256};
use crate::jose::error::Error;
use crate::jose::private_key::PrivateKey;
use crate::jose::seal::MasterKey;
use crate::jose::verification_keys::{VerificationKey, VerificationKeys};
use crate::model::key::{KeyState, SigningKeyRecord};
use crate::oauth::algorithm::Algorithm;
use crate::secret::KeyId;

/// The `typ` values whose headers are encoded at loading: access tokens (RFC 9068 §2.1), ID tokens (RFC 7519
/// §5.1) and logout tokens (OpenID Connect Back-Channel Logout §2.4).
const PREPARED_TYPES: [&str; 3] = ["at+jwt", "JWT", "logout+jwt"];

/// All signing keys of one moment's rows.
pub struct Keyring {
    keys: Vec<SigningKey>,
    verification: VerificationKeys,
    /// From when each JWKS holds, in order; the first holds from the beginning of time.
    documents: Vec<(Timestamp, Jwks)>,
}

/// One signing key, ready for use.
pub struct SigningKey {
    /// The row without its sealed key: its times decide the state.
    record: SigningKeyRecord,
    private: PrivateKey,
    /// `typ` and the encoded header that carries it.
    headers: Vec<(&'static str, String)>,
}

/// A prepared JWKS (RFC 7517 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwks {
    /// The JSON, as it goes on the wire.
    pub body: std::sync::Arc<[u8]>,
    /// A strong entity tag with its quotes (RFC 9110 §8.8.3): the SHA-256 of the body.
    pub etag: String,
}

impl Keyring {
    /// Opens and parses the keys of all rows that are not removed at `now`.
    ///
    /// The `kid` must be the thumbprint of the key that was sealed, so that a row cannot be given another key,
    /// and the published key is derived from the sealed one: who writes to the database but lacks the master
    /// key can publish nothing.
    ///
    /// # Errors
    /// [`Error::StoredKey`] with the row's `kid`: a keyring that left a key out would refuse valid tokens.
    pub fn load(records: &[SigningKeyRecord], master: &MasterKey, now: Timestamp) -> Result<Self, Error> {
        let mut keys = Vec::new();
        for record in records.iter().filter(|record| record.state(now) != KeyState::Removed) {
            keys.push(SigningKey::open(record, master)?);
        }
        keys.sort_by(|a, b| a.order().cmp(&b.order()));
        let verification = keys
            .iter()
            .map(|key| {
                let public = VerificationKey::of(&key.private, key.record.removes_at)?;
                Ok((key.record.kid.0.clone(), public))
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let documents = documents(&keys);
        Ok(Self { keys, verification: VerificationKeys::new(verification), documents })
    }

    /// The JWKS at `now`: pending, active and retiring keys.
    pub fn jwks_at(&self, now: Timestamp) -> &Jwks {
        static NONE: std::sync::LazyLock<Jwks> = std::sync::LazyLock::new(|| Jwks::of(&[]));
        let passed = self.documents.partition_point(|(from, _)| *from <= now);
        passed.checked_sub(1).and_then(|last| self.documents.get(last)).map_or(&NONE, |(_, jwks)| jwks)
    }

    /// The key that signs with `algorithm` at `now`. Should rows ever give two, all nodes take the same one.
    pub fn signing_key(&self, algorithm: Algorithm, now: Timestamp) -> Option<&SigningKey> {
        let signs =
            |key: &&SigningKey| key.record.algorithm == algorithm && key.state(now) == KeyState::Active;
        self.keys.iter().rfind(signs)
    }

    /// The algorithms that can be signed with at `now`.
    pub fn algorithms(&self, now: Timestamp) -> Vec<Algorithm> {
        Algorithm::ALL.into_iter().filter(|algorithm| self.signing_key(*algorithm, now).is_some()).collect()
    }

    /// All keys of the snapshot, the oldest first.
    pub fn keys(&self) -> &[SigningKey] {
        &self.keys
    }

    /// Signs `claims` as a JWT (compact JWS) with the key of `algorithm` active at `now`. An RSA signature
    /// takes the better part of a millisecond.
    ///
    /// # Errors
    /// [`Error::NoSigningKey`], [`Error::Claims`] where the claims are no JSON object, [`Error::TooLong`],
    /// [`Error::Signing`].
    pub fn sign(
        &self,
        algorithm: Algorithm,
        typ: &'static str,
        claims: &impl Serialize,
        now: Timestamp,
    ) -> Result<String, Error> {
        self.signing_key(algorithm, now).ok_or(Error::NoSigningKey(algorithm))?.sign(typ, claims)
    }

    /// Verifies a token of our own making; see [`jws::verify`]. A pending key verifies too: the
    /// clock of the node that signed may run a little ahead of ours.
    ///
    /// # Errors
    /// The first check that failed.
    pub fn verify(&self, token: &str, expect: &Expect<'_>) -> Result<Claims, Rejected> {
        jws::verify(token, &self.verification, expect).map(|verified| verified.claims)
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.private)).finish()
    }
}

impl SigningKey {
    /// The key's name.
    pub const fn kid(&self) -> &KeyId {
        &self.record.kid
    }

    /// What the key signs with.
    pub const fn algorithm(&self) -> Algorithm {
        self.record.algorithm
    }

    /// The key's state at `now`.
    pub fn state(&self, now: Timestamp) -> KeyState {
        self.record.state(now)
    }

    fn sign(&self, typ: &'static str, claims: &impl Serialize) -> Result<String, Error> {
        let claims = serde_json::to_vec(claims).map_err(|_| Error::Claims)?;
        if claims.first() != Some(&b'{') {
            return Err(Error::Claims);
        }
        let prepared = self.headers.iter().find(|(name, _)| *name == typ).map(|(_, header)| header.clone());
        let mut token = prepared.unwrap_or_else(|| header(&self.private, typ));
        token.reserve(claims.len() * 4 / 3 + 8 + 512);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&claims, &mut token);
        let signature = self.private.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
        if token.len() > LONGEST_TOKEN { Err(Error::TooLong) } else { Ok(token) }
    }

    fn open(record: &SigningKeyRecord, master: &MasterKey) -> Result<Self, Error> {
        let unusable = |problem| Error::StoredKey { kid: record.kid.clone(), problem };
        let pkcs8 = master
            .open(record.kid.as_str(), &record.sealed)
            .map_err(|_| unusable("it does not open under this master key"))?;
        let private = PrivateKey::from_pkcs8(record.algorithm, &pkcs8)
            .map_err(|_| unusable("it is no key of its algorithm"))?;
        if *private.kid() != record.kid {
            return Err(unusable("its name is not its thumbprint"));
        }
        let headers = PREPARED_TYPES.map(|typ| (typ, header(&private, typ))).to_vec();
        let record = SigningKeyRecord { sealed: Vec::new(), public_jwk: String::new(), ..record.clone() };
        Ok(Self { record, private, headers })
    }

    fn order(&self) -> (Timestamp, &str) {
        (self.record.activates_at, self.record.kid.as_str())
    }
}

impl Jwks {
    fn of(keys: &[&SigningKey]) -> Self {
        let keys: Vec<Value> =
            keys.iter().map(|key| Value::Object(key.private.public_jwk(&key.record.kid))).collect();
        let body = json!({ "keys": keys }).to_string();
        let etag = format!("\"{}\"", base64url(sha256(body.as_bytes()).as_bytes()));
        Self { body: body.into_bytes().into(), etag }
    }
}

/// The JWKS from the beginning of time, and from each removal on.
fn documents(keys: &[SigningKey]) -> Vec<(Timestamp, Jwks)> {
    let beginning = Timestamp::from_millis(i64::MIN);
    let mut moments: Vec<_> = keys.iter().filter_map(|key| key.record.removes_at).collect();
    moments.push(beginning);
    moments.sort();
    moments.dedup();
    moments
        .into_iter()
        .map(|from| {
            let published: Vec<_> =
                keys.iter().filter(|key| key.record.removes_at.is_none_or(|at| from < at)).collect();
            (from, Jwks::of(&published))
        })
        .collect()
}

fn header(key: &PrivateKey, typ: &str) -> String {
    let header = json!({ "alg": key.algorithm().as_str(), "typ": typ, "kid": key.kid().as_str() });
    base64url(header.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use signet_verify::jose::strict_json;

    use super::*;
    use crate::entropy::SystemEntropy;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn record(
        master: &MasterKey,
        algorithm: Algorithm,
        times: (i64, Option<i64>, Option<i64>),
    ) -> SigningKeyRecord {
        let key = PrivateKey::generate(algorithm, 2048).unwrap();
        let made = key.record(master, at(0), at(times.0), &SystemEntropy::new()).unwrap();
        SigningKeyRecord { retires_at: times.1.map(at), removes_at: times.2.map(at), ..made }
    }

    fn kids(jwks: &Jwks) -> Vec<String> {
        let set = strict_json::object(&jwks.body).unwrap();
        set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    fn claims(now: i64) -> Value {
        json!({ "iss": "https://i", "sub": "s", "aud": "a", "iat": now, "exp": now + 60 })
    }

    #[test]
    fn one_snapshot_answers_for_every_time() {
        let master = MasterKey::generate(&SystemEntropy::new()).unwrap();
        let old = record(&master, Algorithm::Es256, (0, Some(100), Some(200)));
        let new = record(&master, Algorithm::Es256, (100, None, None));
        let ring = Keyring::load(&[new.clone(), old.clone()], &master, at(50)).unwrap();
        let signer = |now| ring.signing_key(Algorithm::Es256, at(now)).map(|key| key.kid().clone());
        assert_eq!(signer(-1), None);
        assert_eq!(signer(99), Some(old.kid.clone()));
        assert_eq!(signer(100), Some(new.kid.clone()));
        let (old_kid, new_kid) = (old.kid.0.clone(), new.kid.0.clone());
        assert_eq!(kids(ring.jwks_at(at(0))), [old_kid.clone(), new_kid.clone()]);
        assert_eq!(kids(ring.jwks_at(at(199))), [old_kid, new_kid.clone()]);
        assert_eq!(kids(ring.jwks_at(at(200))), [new_kid]);
        assert_ne!(ring.jwks_at(at(199)).etag, ring.jwks_at(at(200)).etag);

        let token = ring.sign(Algorithm::Es256, "at+jwt", &claims(150), at(99)).unwrap();
        let expect = |now| Expect::new(&["at+jwt"], "https://i", at(now).millis());
        assert!(ring.verify(&token, &expect(199)).is_ok());
        assert_eq!(ring.verify(&token, &expect(200)), Err(Rejected::KeyRemoved));
    }

    #[test]
    fn removed_keys_are_not_even_opened() {
        let master = MasterKey::generate(&SystemEntropy::new()).unwrap();
        let mut gone = record(&master, Algorithm::EdDsa, (0, Some(1), Some(2)));
        gone.sealed.clear();
        let ring = Keyring::load(&[gone], &master, at(2)).unwrap();
        assert!(ring.keys().is_empty());
        assert_eq!(&*ring.jwks_at(at(2)).body, br#"{"keys":[]}"#);
        assert!(matches!(
            ring.sign(Algorithm::EdDsa, "JWT", &claims(0), at(2)),
            Err(Error::NoSigningKey(Algorithm::EdDsa))
        ));
    }

    #[test]
    fn a_row_with_another_rows_key_is_refused() {
        let entropy = SystemEntropy::new();
        let master = MasterKey::generate(&entropy).unwrap();
        let [good, other] = [(); 2].map(|()| record(&master, Algorithm::EdDsa, (0, None, None)));
        let swapped = SigningKeyRecord { sealed: other.sealed.clone(), ..good.clone() };
        assert!(matches!(Keyring::load(&[swapped], &master, at(1)), Err(Error::StoredKey { .. })));
        let plain = master.open(other.kid.as_str(), &other.sealed).unwrap();
        let sealed = master.seal(good.kid.as_str(), &plain, &entropy).unwrap();
        let renamed = SigningKeyRecord { sealed, ..good.clone() };
        assert!(matches!(Keyring::load(&[renamed], &master, at(1)), Err(Error::StoredKey { .. })));
        let stranger = MasterKey::generate(&entropy).unwrap();
        let error = Keyring::load(std::slice::from_ref(&good), &stranger, at(1)).unwrap_err().to_string();
        assert!(error.contains(good.kid.as_str()) && error.contains("master key"), "{error}");
    }

    #[test]
    fn a_foreign_public_jwk_in_the_row_is_not_published() {
        let master = MasterKey::generate(&SystemEntropy::new()).unwrap();
        let good = record(&master, Algorithm::EdDsa, (0, None, None));
        let evil = record(&master, Algorithm::EdDsa, (0, None, None)).public_jwk;
        let published = format!("{{\"keys\":[{}]}}", good.public_jwk);
        let ring = Keyring::load(&[SigningKeyRecord { public_jwk: evil, ..good }], &master, at(1)).unwrap();
        assert_eq!(&*ring.jwks_at(at(1)).body, published.as_bytes());
    }

    #[test]
    fn claims_must_be_an_object_that_fits() {
        let master = MasterKey::generate(&SystemEntropy::new()).unwrap();
        let ring =
            Keyring::load(&[record(&master, Algorithm::Es256, (0, None, None))], &master, at(1)).unwrap();
        let sign = |claims: Value| ring.sign(Algorithm::Es256, "JWT", &claims, at(1));
        assert!(matches!(sign(json!([1])), Err(Error::Claims)));
        assert!(matches!(sign(json!("x")), Err(Error::Claims)));
        assert!(matches!(sign(json!({ "a": "x".repeat(LONGEST_TOKEN) })), Err(Error::TooLong)));
    }

    #[test]
    fn a_type_without_prepared_header_works_too() {
        let master = MasterKey::generate(&SystemEntropy::new()).unwrap();
        let ring =
            Keyring::load(&[record(&master, Algorithm::Es256, (0, None, None))], &master, at(1)).unwrap();
        let token = ring.sign(Algorithm::Es256, "token-introspection+jwt", &claims(1), at(1)).unwrap();
        let typ = ["token-introspection+jwt"];
        assert!(ring.verify(&token, &Expect::new(&typ, "https://i", at(1).millis())).is_ok());
    }
}
