//! Private keys for the tests of the verifier, one for each algorithm.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
};
use serde_json::{Value, json};

use crate::jose::algorithm::Algorithm;
use crate::jose::base64url;

pub(in crate::jose) struct Signer {
    pub(in crate::jose) algorithm: Algorithm,
    pub(in crate::jose) kid: String,
    pair: Pair,
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    pub(in crate::jose) fn generate(algorithm: Algorithm) -> Self {
        let pair = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => {
                Pair::Rsa(Box::new(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()))
            }
            Algorithm::Es256 => Pair::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()),
            Algorithm::EdDsa => Pair::Ed(Ed25519KeyPair::generate().unwrap()),
        };
        Self { algorithm, kid: format!("key-{algorithm}"), pair }
    }

    pub(in crate::jose) fn from_ed25519_seed(seed: &[u8], public: &[u8]) -> Self {
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public).unwrap();
        Self { algorithm: Algorithm::EdDsa, kid: "ed".into(), pair: Pair::Ed(pair) }
    }

    /// The same RSA key with the other padding.
    pub(in crate::jose) fn re_padded(self) -> Self {
        let algorithm = match self.algorithm {
            Algorithm::Rs256 => Algorithm::Ps256,
            Algorithm::Ps256 => Algorithm::Rs256,
            other => panic!("{other} has no padding"),
        };
        Self { algorithm, ..self }
    }

    pub(in crate::jose) fn jwk(&self) -> Value {
        let (alg, kid) = (self.algorithm.as_str(), &self.kid);
        match &self.pair {
            Pair::Rsa(pair) => {
                let n = pair.public_key().modulus().big_endian_without_leading_zero().to_vec();
                let e = pair.public_key().exponent().big_endian_without_leading_zero().to_vec();
                let (n, e) = (base64url::encode(&n), base64url::encode(&e));
                json!({ "kty": "RSA", "use": "sig", "alg": alg, "kid": kid, "n": n, "e": e })
            }
            Pair::Ec(pair) => {
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                let (x, y) = (base64url::encode(x), base64url::encode(y));
                json!({ "kty": "EC", "crv": "P-256", "use": "sig", "alg": alg, "kid": kid, "x": x, "y": y })
            }
            Pair::Ed(pair) => {
                let x = base64url::encode(pair.public_key().as_ref());
                json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": alg, "kid": kid, "x": x })
            }
        }
    }

    /// The public key as SubjectPublicKeyInfo (RFC 5280 §4.1).
    pub(in crate::jose) fn spki(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_der().unwrap(),
            Pair::Ec(pair) => pair.public_key().as_der().unwrap(),
            Pair::Ed(pair) => pair.public_key().as_der().unwrap(),
        };
        der.as_ref().to_vec()
    }

    /// The public key alone: RSAPublicKey (RFC 8017 §A.1.1), the uncompressed point, or the 32 bytes.
    pub(in crate::jose) fn bare(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ec(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ed(pair) => pair.public_key().as_ref().to_vec(),
        }
    }

    pub(in crate::jose) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let pss = self.algorithm == Algorithm::Ps256;
                let padding: &'static dyn RsaEncoding = if pss { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
            Pair::Ec(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// A compact JWS of this header and payload, whatever they are.
    pub(in crate::jose) fn token(&self, header: &str, payload: &str) -> String {
        self.token_of(header.as_bytes(), payload.as_bytes())
    }

    pub(in crate::jose) fn token_of(&self, header: &[u8], payload: &[u8]) -> String {
        let content = format!("{}.{}", base64url::encode(header), base64url::encode(payload));
        format!("{content}.{}", base64url::encode(&self.sign(content.as_bytes())))
    }
}
