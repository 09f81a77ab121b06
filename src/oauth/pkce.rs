//! Proof Key for Code Exchange (RFC 7636), method `S256` only: `plain` protects against nobody who can read
//! the request (RFC 9700 §2.1.1).

use crate::digest::{base64url, ct_eq, sha256};

/// A `code_challenge`: SHA-256 of the verifier, 43 base64url characters (RFC 7636 §4.2).
#[derive(Clone, Debug)]
pub struct CodeChallenge(String);

impl CodeChallenge {
    /// Reads a `code_challenge` with its `code_challenge_method`.
    /// The error is an `error_description` for `invalid_request`.
    pub fn parse(challenge: &str, method: Option<&str>) -> Result<Self, &'static str> {
        // RFC 7636 §4.3: an absent method means plain.
        if method != Some("S256") {
            return Err("The code_challenge_method must be S256. Send code_challenge_method=S256.");
        }
        Self::from_stored(challenge).ok_or(
            "The code_challenge must be 43 base64url characters: the SHA-256 of the code_verifier, unpadded.",
        )
    }

    /// Reads back what [`as_str`](Self::as_str) gave; `None` if it is no challenge.
    pub fn from_stored(challenge: &str) -> Option<Self> {
        let shaped = challenge.len() == 43
            && challenge.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        shaped.then(|| Self(challenge.to_owned()))
    }

    /// The 43 characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Constant-time: whether `verifier` hashes to this challenge (RFC 7636 §4.6).
    pub fn matches(&self, verifier: &CodeVerifier) -> bool {
        ct_eq(self.0.as_bytes(), challenge_of(verifier).0.as_bytes())
    }
}

/// A `code_verifier`: 43 to 128 unreserved characters (RFC 7636 §4.1). A secret until it is sent.
#[derive(Clone)]
pub struct CodeVerifier(String);

impl CodeVerifier {
    /// Reads a `code_verifier`. The error is an `error_description` for `invalid_grant` or `invalid_request`.
    pub fn parse(verifier: &str) -> Result<Self, &'static str> {
        let shaped = (43..=128).contains(&verifier.len())
            && verifier
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'));
        if shaped {
            Ok(Self(verifier.to_owned()))
        } else {
            Err(
                "The code_verifier must be 43 to 128 letters, digits, hyphens, periods, underscores or tildes.",
            )
        }
    }

    /// The plain text. Never log or store what this returns.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for CodeVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CodeVerifier([redacted])")
    }
}

impl Drop for CodeVerifier {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.0);
    }
}

/// The `S256` challenge of a verifier (RFC 7636 §4.2).
pub fn challenge_of(verifier: &CodeVerifier) -> CodeChallenge {
    CodeChallenge(base64url(sha256(verifier.0.as_bytes()).as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_vector_of_rfc_7636_appendix_b() {
        let verifier = CodeVerifier::parse(VERIFIER).unwrap();
        assert_eq!(challenge_of(&verifier).as_str(), CHALLENGE);
        assert!(CodeChallenge::parse(CHALLENGE, Some("S256")).unwrap().matches(&verifier));
        let other = CodeVerifier::parse(&"a".repeat(43)).unwrap();
        assert!(!CodeChallenge::parse(CHALLENGE, Some("S256")).unwrap().matches(&other));
    }

    #[test]
    fn only_s256_by_its_exact_name() {
        for method in [None, Some("plain"), Some("s256"), Some("S512"), Some(""), Some("S256 ")] {
            let problem = CodeChallenge::parse(CHALLENGE, method).expect_err("refused");
            assert!(crate::oauth::text::is_description(problem), "{method:?}");
        }
    }

    #[test]
    fn a_challenge_is_exactly_43_base64url_characters() {
        let padded = format!("{CHALLENGE}=");
        let long = format!("{CHALLENGE}A");
        let plus = CHALLENGE.replace('-', "+");
        for bad in ["", &CHALLENGE[1..], &padded, &long, &plus, &"é".repeat(22)] {
            let problem = CodeChallenge::parse(bad, Some("S256")).expect_err(bad);
            assert!(crate::oauth::text::is_description(problem), "{problem}");
        }
    }

    #[test]
    fn a_verifier_keeps_its_bounds() {
        for (length, good) in [(42, false), (43, true), (128, true), (129, false)] {
            assert_eq!(CodeVerifier::parse(&"~".repeat(length)).is_ok(), good, "{length}");
        }
        for bad in ['+', '/', '=', ' ', '%', '\0', 'é'] {
            assert!(CodeVerifier::parse(&format!("{VERIFIER}{bad}")).is_err(), "{bad:?}");
        }
        assert_eq!(format!("{:?}", CodeVerifier::parse(VERIFIER).unwrap()), "CodeVerifier([redacted])");
    }

    proptest! {
        #[test]
        fn only_its_own_verifier_matches(a in "[A-Za-z0-9._~-]{43,128}", b in "[A-Za-z0-9._~-]{43,128}") {
            let challenge = challenge_of(&CodeVerifier::parse(&a).unwrap());
            prop_assert_eq!(challenge.matches(&CodeVerifier::parse(&b).unwrap()), a == b);
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in ".*") {
            let _ = CodeVerifier::parse(&text);
            let _ = CodeChallenge::parse(&text, Some("S256"));
        }
    }
}
