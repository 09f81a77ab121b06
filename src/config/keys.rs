//! `[keys]`

use std::path::PathBuf;

use super::section::section;
use super::value::{Choice, Folder, Int, ListOf, OneOf, Raw, Rule, Secrets, quoted};
use crate::oauth::algorithm::Algorithm;
use crate::secret::MasterKey;

/// How long verifiers may keep the key set: what the JWKS is served with (`max-age`), in minutes. A new key has to
/// be published for longer than that before anything is signed with it; with room for skew and slow caches.
pub const MIN_PUBLISH_AHEAD_MINUTES: u32 = 15;

section! {
    /// The signing keys: where they are sealed, which algorithms sign, and when they rotate.
    pub struct Keys {
        /// The folder of the master key file.
        dir: PathBuf = PathBuf::from("keys"), Folder;
        /// Seals the signing keys in the database; without it the file `master.key` in `dir` is used.
        master_key: Option<MasterKey> = None, MasterKeyRule;
        /// Signs access tokens, unless the client says otherwise.
        access_token_algorithm: Algorithm = Algorithm::Es256, OneOf;
        /// Signs ID tokens, unless the client says otherwise.
        id_token_algorithm: Algorithm = Algorithm::Rs256, OneOf;
        /// Algorithms to hold a key for beyond those two, for clients that ask for them.
        further_algorithms: Vec<Algorithm> = Vec::new(), ListOf(OneOf);
        /// The modulus of new RSA keys, in bits.
        rsa_bits: RsaBits = RsaBits::B2048, RsaBitsRule;
        /// The age at which a signing key is replaced, in days.
        rotate_every_days: u32 = 90, Int(1, 3650);
        /// How long a new key is published before it signs, in minutes.
        publish_ahead_minutes: u32 = 1440, Int(MIN_PUBLISH_AHEAD_MINUTES, 43_200);
    }
}

impl Choice for Algorithm {
    const ALL: &'static [(&'static str, Self)] =
        &[("ES256", Self::Es256), ("RS256", Self::Rs256), ("PS256", Self::Ps256), ("EdDSA", Self::EdDsa)];
}

/// The size of an RSA modulus. Below 2048 is refused (RFC 7518 §3.3); other sizes gain nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RsaBits {
    /// 2048 bits: what every verifier takes, and the fastest to sign with.
    B2048,
    /// 3072 bits.
    B3072,
    /// 4096 bits.
    B4096,
}

impl RsaBits {
    /// The number of bits.
    pub const fn bits(self) -> u32 {
        match self {
            Self::B2048 => 2048,
            Self::B3072 => 3072,
            Self::B4096 => 4096,
        }
    }
}

struct RsaBitsRule;

impl Rule<RsaBits> for RsaBitsRule {
    fn expected(&self) -> String {
        "2048, 3072 or 4096".to_owned()
    }

    fn accept(&self, raw: &Raw) -> Option<RsaBits> {
        let bits = Rule::<u32>::accept(&Int(2048, 4096), raw)?;
        [RsaBits::B2048, RsaBits::B3072, RsaBits::B4096].into_iter().find(|size| size.bits() == bits)
    }

    fn write(&self, value: &RsaBits, _: Secrets) -> Option<String> {
        Some(value.bits().to_string())
    }

    fn found(&self, raw: &Raw) -> String {
        Rule::<u32>::found(&Int(2048, 4096), raw)
    }
}

struct MasterKeyRule;

impl Rule<Option<MasterKey>> for MasterKeyRule {
    fn expected(&self) -> String {
        "32 bytes as base64url (43 characters) or hex (64 characters)".to_owned()
    }

    fn accept(&self, raw: &Raw) -> Option<Option<MasterKey>> {
        let (Raw::Text(text) | Raw::String(text)) = raw else { return None };
        let base64url = text.len() == 43
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        let hex = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        (base64url || hex).then(|| Some(MasterKey::new(text.clone())))
    }

    fn write(&self, value: &Option<MasterKey>, secrets: Secrets) -> Option<String> {
        value.as_ref().map(|key| match secrets {
            Secrets::Redacted => quoted("[redacted]"),
            Secrets::Revealed => quoted(key.reveal()),
        })
    }

    fn is_secret(&self) -> bool {
        true
    }

    fn found(&self, raw: &Raw) -> String {
        match raw {
            Raw::Text(text) if !text.is_empty() => "a string".to_owned(),
            _ => raw.kind().to_owned(),
        }
    }
}
