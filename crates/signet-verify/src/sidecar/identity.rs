//! What the upstream is told of the token, in header lines.
//!
//! Every line is in every answer, empty where the token has nothing to say: a proxy that copies what it finds would
//! otherwise leave in place a line of that name that the client sent.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::token::Token;

/// The names, in the order of the answer.
pub(super) const NAMES: [&str; 5] =
    ["x-auth-subject", "x-auth-client", "x-auth-scope", "x-auth-session", "x-auth-claims"];

/// The lines about a token.
pub(super) fn lines(token: &Token, with_claims: bool) -> [(&'static str, String); 5] {
    let [subject, client, scope, session, claims] = NAMES;
    let all = with_claims.then(|| URL_SAFE_NO_PAD.encode(Value::Object(token.claims().clone()).to_string()));
    [
        (subject, plain(token.subject().unwrap_or_default())),
        (client, plain(token.client_id().unwrap_or_default())),
        (scope, token.scopes().map(plain).collect::<Vec<_>>().join(" ")),
        (session, plain(token.session().unwrap_or_default())),
        (claims, all.unwrap_or_default()),
    ]
}

/// Visible ASCII as it is; every other byte, and the percent sign, as `%XX`. So no claim ends a line or reads as two
/// values, and what was encoded can be told from what was not.
fn plain(claim: &str) -> String {
    let mut out = String::with_capacity(claim.len());
    for byte in claim.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn no_claim_ends_a_line_or_leaves_ascii() {
        assert_eq!(plain("01900000-0000-7000-8000-0000000a11ce"), "01900000-0000-7000-8000-0000000a11ce");
        assert_eq!(plain("auth0|a@b.example"), "auth0|a@b.example");
        assert_eq!(plain("a\r\nX-Auth-Scope: admin"), "a%0D%0AX-Auth-Scope:%20admin");
        assert_eq!(plain("ü\0\u{7f}%20"), "%C3%BC%00%7F%2520");
    }
}
