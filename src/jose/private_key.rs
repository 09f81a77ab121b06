//! A private signing key, parsed once: parsing an RSA key costs as much as a signature.
//!
//! Randomness for making keys and for ECDSA and PSS comes from aws-lc's own generator, seeded by the
//! operating system: that library takes no other.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use serde_json::{Map, Value};
use signet_verify::jose::jwk::{LONGEST_RSA, SHORTEST_RSA};
use signet_verify::jose::thumbprint::thumbprint;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::digest::base64url;
use crate::entropy::Entropy;
use crate::jose::error::Error;
use crate::jose::seal::MasterKey;
use crate::model::key::SigningKeyRecord;
use crate::oauth::algorithm::Algorithm;
use crate::secret::KeyId;

/// A private key bound to one algorithm.
pub struct PrivateKey {
    algorithm: Algorithm,
    pair: Pair,
    /// The members of the public JWK that RFC 7638 counts.
    public: Map<String, Value>,
    kid: KeyId,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl PrivateKey {
    /// Makes a new key. `rsa_bits` is 2048, 3072 or 4096, and is not looked at for the other algorithms.
    ///
    /// # Errors
    /// [`Error::KeyRejected`] for another RSA length, [`Error::Generation`].
    pub fn generate(algorithm: Algorithm, rsa_bits: u32) -> Result<Self, Error> {
        let pair = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => {
                let size = match rsa_bits {
                    2048 => KeySize::Rsa2048,
                    3072 => KeySize::Rsa3072,
                    4096 => KeySize::Rsa4096,
                    _ => return Err(Error::KeyRejected("an RSA key has 2048, 3072 or 4096 bits")),
                };
                RsaKeyPair::generate(size).map(|pair| Pair::Rsa(Box::new(pair)))
            }
            Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Pair::Ec),
            Algorithm::EdDsa => Ed25519KeyPair::generate().map(Pair::Ed),
        };
        Self::from_pair(algorithm, pair.map_err(|_| Error::Generation)?)
    }

    /// Parses a PKCS#8 key (RFC 5208) for one algorithm.
    ///
    /// # Errors
    /// [`Error::KeyRejected`] where the key is of another kind, inconsistent, or RSA of less than 2048 or more than 4096
    /// bits.
    pub fn from_pkcs8(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, Error> {
        let refused = |_| Error::KeyRejected("it is no valid PKCS#8 key of that algorithm");
        let pair = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => {
                Pair::Rsa(Box::new(RsaKeyPair::from_pkcs8(pkcs8).map_err(refused)?))
            }
            Algorithm::Es256 => {
                Pair::Ec(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(refused)?)
            }
            Algorithm::EdDsa => Pair::Ed(Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).map_err(refused)?),
        };
        Self::from_pair(algorithm, pair)
    }

    /// The Ed25519 key of a seed (RFC 8032 §5.1.5).
    ///
    /// # Errors
    /// [`Error::KeyRejected`], which no seed brings about.
    pub(super) fn from_ed25519_seed(seed: &[u8; 32]) -> Result<Self, Error> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed)
            .map_err(|_| Error::KeyRejected("it is no seed of an Ed25519 key"))?;
        Self::from_pair(Algorithm::EdDsa, Pair::Ed(pair))
    }

    /// The key as PKCS#8, to be sealed.
    ///
    /// # Errors
    /// [`Error::Generation`] where the library cannot encode it.
    pub fn pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let encoded: Result<Pkcs8V1Der<'_>, _> = match &self.pair {
            Pair::Rsa(pair) => pair.as_der(),
            Pair::Ed(pair) => pair.as_der(),
            Pair::Ec(pair) => {
                let document = pair.to_pkcs8v1().map_err(|_| Error::Generation)?;
                return Ok(Zeroizing::new(document.as_ref().to_vec()));
            }
        };
        let encoded = encoded.map_err(|_| Error::Generation)?;
        Ok(Zeroizing::new(encoded.as_ref().to_vec()))
    }

    /// The algorithm the key signs with.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key's name: its RFC 7638 thumbprint.
    pub const fn kid(&self) -> &KeyId {
        &self.kid
    }

    /// The public key as a JWK (RFC 7517, RFC 7518 §6, RFC 8037 §2): `kty`, `use`, `alg`, `kid` and the
    /// parameters. EC coordinates are 32 bytes, with their leading zeros.
    pub fn public_jwk(&self, kid: &KeyId) -> Map<String, Value> {
        let mut jwk = Map::new();
        let mut put = |name: &str, value: &str| jwk.insert(name.to_owned(), Value::from(value));
        put("kty", self.public.get("kty").and_then(Value::as_str).unwrap_or_default());
        put("use", "sig");
        put("alg", self.algorithm.as_str());
        put("kid", kid.as_str());
        for (name, value) in &self.public {
            jwk.entry(name.clone()).or_insert_with(|| value.clone());
        }
        jwk
    }

    /// Signs `message`. The signature has the form JWS wants: for ES256 the 64 bytes of R and S (RFC 7518 §3.4).
    ///
    /// # Errors
    /// [`Error::Signing`].
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let padding: &'static dyn RsaEncoding = match self.algorithm {
                    Algorithm::Ps256 => &RSA_PSS_SHA256,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &SystemRandom::new(), message, &mut signature)
                    .map_err(|_| Error::Signing)?;
                Ok(signature)
            }
            Pair::Ec(pair) => pair
                .sign(&SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| Error::Signing),
            Pair::Ed(pair) => pair
                .try_sign(message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| Error::Signing),
        }
    }

    /// The row that stores this key, made at `now`, its private part sealed under `master`.
    ///
    /// # Errors
    /// [`Error::Sealing`], [`Error::Entropy`], [`Error::Generation`].
    pub fn record(
        &self,
        master: &MasterKey,
        now: Timestamp,
        activates_at: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<SigningKeyRecord, Error> {
        Ok(SigningKeyRecord {
            kid: self.kid.clone(),
            algorithm: self.algorithm,
            sealed: master.seal(self.kid.as_str(), &self.pkcs8()?, entropy)?,
            public_jwk: Value::Object(self.public_jwk(&self.kid)).to_string(),
            created_at: now,
            activates_at,
            retires_at: None,
            removes_at: None,
        })
    }

    fn from_pair(algorithm: Algorithm, pair: Pair) -> Result<Self, Error> {
        let public = public_members(&pair)?;
        let kid = thumbprint(&public).ok_or(Error::KeyRejected("its public part cannot be written"))?;
        Ok(Self { algorithm, pair, public, kid: KeyId(kid) })
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PrivateKey")
            .field("algorithm", &self.algorithm)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

fn public_members(pair: &Pair) -> Result<Map<String, Value>, Error> {
    let unwritable = Error::KeyRejected("its public part cannot be written");
    let members = match pair {
        Pair::Rsa(pair) => {
            if !(SHORTEST_RSA / 8..=LONGEST_RSA / 8).contains(&pair.public_modulus_len()) {
                return Err(Error::KeyRejected("an RSA key has 2048 to 4096 bits"));
            }
            let public = pair.public_key();
            let modulus = public.modulus().big_endian_without_leading_zero();
            let exponent = public.exponent().big_endian_without_leading_zero();
            vec![("kty", "RSA".to_owned()), ("n", base64url(modulus)), ("e", base64url(exponent))]
        }
        Pair::Ec(pair) => {
            // The uncompressed point of SEC 1 §2.3.3: 0x04, then X and Y, each of exactly 32 bytes.
            let (&[form], point) = pair.public_key().as_ref().split_first_chunk().ok_or(unwritable)?;
            let Some((x, y)) = point.split_at_checked(32).filter(|(_, y)| form == 4 && y.len() == 32) else {
                return Err(Error::KeyRejected("its public part cannot be written"));
            };
            let crv = "P-256".to_owned();
            vec![("kty", "EC".to_owned()), ("crv", crv), ("x", base64url(x)), ("y", base64url(y))]
        }
        Pair::Ed(pair) => {
            let x = base64url(pair.public_key().as_ref());
            vec![("kty", "OKP".to_owned()), ("crv", "Ed25519".to_owned()), ("x", x)]
        }
    };
    Ok(members.into_iter().map(|(name, value)| (name.to_owned(), Value::from(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::base64url_decode;

    #[test]
    fn keys_survive_pkcs8_and_keep_their_name() {
        for algorithm in Algorithm::ALL {
            let key = PrivateKey::generate(algorithm, 2048).unwrap();
            let again = PrivateKey::from_pkcs8(algorithm, &key.pkcs8().unwrap()).unwrap();
            assert_eq!(again.kid(), key.kid());
            assert_eq!(again.public_jwk(key.kid()), key.public_jwk(key.kid()));
        }
    }

    #[test]
    fn a_key_of_another_kind_is_refused() {
        let ec = PrivateKey::generate(Algorithm::Es256, 0).unwrap().pkcs8().unwrap();
        for algorithm in [Algorithm::Rs256, Algorithm::Ps256, Algorithm::EdDsa] {
            assert!(PrivateKey::from_pkcs8(algorithm, &ec).is_err(), "{algorithm}");
        }
        let ed = PrivateKey::generate(Algorithm::EdDsa, 0).unwrap().pkcs8().unwrap();
        assert!(PrivateKey::from_pkcs8(Algorithm::Es256, &ed).is_err());
        assert!(PrivateKey::from_pkcs8(Algorithm::EdDsa, &ed[1..]).is_err());
        assert!(PrivateKey::from_pkcs8(Algorithm::EdDsa, b"").is_err());
    }

    #[test]
    fn short_rsa_is_not_made() {
        for bits in [0, 512, 1024, 2047, 8192] {
            assert!(matches!(PrivateKey::generate(Algorithm::Rs256, bits), Err(Error::KeyRejected(_))));
        }
    }

    #[test]
    fn ec_coordinates_are_padded() {
        let mut short = 0;
        for _ in 0..2000 {
            let key = PrivateKey::generate(Algorithm::Es256, 0).unwrap();
            for name in ["x", "y"] {
                let coordinate = base64url_decode(key.public[name].as_str().unwrap()).unwrap();
                assert_eq!(coordinate.len(), 32);
                short += usize::from(coordinate[0] == 0);
            }
        }
        assert!(short > 0, "of 4,000 coordinates some begin with a zero byte");
    }

    #[test]
    fn the_jwk_has_public_members_only() {
        for algorithm in Algorithm::ALL {
            let key = PrivateKey::generate(algorithm, 2048).unwrap();
            let jwk = key.public_jwk(key.kid());
            let names: Vec<_> = jwk.keys().map(String::as_str).collect();
            let expected: &[&str] = match algorithm {
                Algorithm::Rs256 | Algorithm::Ps256 => &["kty", "use", "alg", "kid", "n", "e"],
                Algorithm::Es256 => &["kty", "use", "alg", "kid", "crv", "x", "y"],
                Algorithm::EdDsa => &["kty", "use", "alg", "kid", "crv", "x"],
            };
            assert_eq!(names, expected);
            let debug = format!("{key:?}");
            assert!(debug.ends_with(", .. }") && debug.len() < 120, "{debug}");
        }
    }
}
