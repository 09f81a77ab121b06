//! RFC 7638: the thumbprint of a JWK, by which Signet names its keys and DPoP (RFC 9449 §6.1) binds tokens.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value};

use crate::jose::base64url;

/// The SHA-256 thumbprint of a public JWK, in base64url; `None` for a key type other than RSA, EC and OKP, or
/// where a required member is missing or no string.
pub fn thumbprint(jwk: &Map<String, Value>) -> Option<String> {
    // RFC 7638 §3.2 and RFC 8037 §2: exactly these members, in the order of their code points.
    let members: &[&str] = match jwk.get("kty")?.as_str()? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let parts: Option<Vec<String>> = members
        .iter()
        .map(|name| {
            let value = jwk.get(*name).filter(|value| value.is_string())?;
            Some(format!("\"{name}\":{value}"))
        })
        .collect();
    let text = format!("{{{}}}", parts?.join(","));
    Some(base64url::encode(digest(&SHA256, text.as_bytes()).as_ref()))
}
