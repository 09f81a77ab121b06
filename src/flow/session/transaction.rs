//! What binds `/session/start` to `/session/callback`, as pure functions: nothing of it is stored.
//!
//! A browser holds one random cookie. `state` is what was asked, in the clear, with a MAC over it and the cookie; the
//! PKCE verifier is another MAC over both. So an answer that comes to another browser, or with another request's
//! state, cannot be used, however many sign-ins one browser has under way.

use serde::{Deserialize, Deserializer, Serialize};

use crate::clock::Timestamp;
use crate::digest::{Digest32, MacKey, base64url, base64url_decode, sha256};
use crate::oauth::pkce::CodeVerifier;
use crate::oauth::prompt::Prompt;
use crate::secret::{ClientId, TransactionCookie};

/// `/authorize` takes no longer `state`, in bytes.
const LONGEST_STATE: usize = 4096;
/// Separate these MACs from any other use of their keys.
const STATE: &[u8] = b"session state";
const VERIFIER: &[u8] = b"session verifier";

/// The two keys.
#[derive(Clone, Debug)]
pub struct TransactionKeys {
    /// Authenticates `state`.
    pub state: MacKey,
    /// Makes PKCE verifiers.
    pub verifier: MacKey,
}

/// One sign-in under way: the payload of `state`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// For which client.
    #[serde(rename = "c")]
    pub client: ClientId,
    /// Where the browser goes afterwards.
    #[serde(rename = "r")]
    pub return_to: String,
    /// The origin, one of ours, at which it began.
    #[serde(rename = "h")]
    pub host: String,
    /// When.
    #[serde(rename = "t")]
    pub issued_at: Timestamp,
    /// Which one in a row it is, since a code came too late.
    #[serde(rename = "a")]
    pub attempt: Attempt,
    /// Random: no two sign-ins share a verifier.
    #[serde(rename = "n")]
    pub nonce: String,
    /// What `/authorize` is asked.
    #[serde(rename = "q")]
    pub asked: Asked,
}

/// A code that came too late is asked for again without a page, then with one, then no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attempt {
    /// As the application asked.
    #[serde(rename = "0")]
    First,
    /// Without a page.
    #[serde(rename = "1")]
    Silent,
    /// With a sign-in.
    #[serde(rename = "2")]
    Visible,
}

/// What an application may ask of `/authorize` through `/session/start`; checked there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// `scope`.
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// `resource` (RFC 8707 §2.1). Once it was one text: a sign-in that began before an upgrade ends after
    /// it.
    #[serde(rename = "r", default, deserialize_with = "text_or_list", skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// `prompt`.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// `login_hint`.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub login_hint: Option<String>,
    /// `max_age`.
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<String>,
    /// `acr_values`.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub acr_values: Option<String>,
}

/// A text, or a list of texts.
#[derive(Deserialize)]
#[serde(untagged)]
enum TextOrList {
    Text(String),
    List(Vec<String>),
}

fn text_or_list<'de, D: Deserializer<'de>>(value: D) -> Result<Vec<String>, D::Error> {
    Ok(match TextOrList::deserialize(value)? {
        TextOrList::Text(text) => vec![text],
        TextOrList::List(list) => list,
    })
}

impl Asked {
    /// Whether no page may be shown (OpenID Connect Core §3.1.2.1).
    pub fn is_silent(&self) -> bool {
        self.prompt.as_deref() == Some(Prompt::None.as_str())
    }
}

/// A transaction on its way to `/authorize`.
#[derive(Debug)]
pub struct Sealed {
    /// `state`.
    pub state: String,
    /// The PKCE verifier, which stays here.
    pub verifier: CodeVerifier,
}

impl Transaction {
    /// The parameters of this attempt that the application decides about, by name.
    pub fn params(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let asked = &self.asked;
        let prompt = match self.attempt {
            Attempt::First => asked.prompt.as_deref(),
            Attempt::Silent => Some(Prompt::None.as_str()),
            Attempt::Visible => Some(Prompt::Login.as_str()),
        };
        let all = [
            ("scope", asked.scope.as_deref()),
            ("prompt", prompt),
            ("login_hint", asked.login_hint.as_deref()),
            ("max_age", asked.max_age.as_deref()),
            ("acr_values", asked.acr_values.as_deref()),
        ];
        let resources = asked.resources.iter().map(|resource| ("resource", resource.as_str()));
        all.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).chain(resources)
    }

    /// Whether this attempt shows no page.
    pub fn is_silent(&self) -> bool {
        self.attempt == Attempt::Silent || (self.attempt == Attempt::First && self.asked.is_silent())
    }

    /// State and verifier of this transaction in the browser that holds `cookie`; `None` where the state would be
    /// longer than `/authorize` takes.
    pub fn seal(&self, keys: &TransactionKeys, cookie: &TransactionCookie) -> Option<Sealed> {
        let payload = serde_json::to_vec(self).ok()?;
        let mac = state_mac(keys, cookie, &payload);
        let state = format!("{}.{}", base64url(&payload), base64url(mac.as_bytes()));
        let verifier = verifier(keys, cookie, &payload)?;
        (state.len() <= LONGEST_STATE).then_some(Sealed { state, verifier })
    }

    /// The transaction behind a `state`, if it began in the browser that holds `cookie`, with its verifier.
    pub fn open(
        keys: &TransactionKeys,
        cookie: &TransactionCookie,
        state: &str,
    ) -> Option<(Self, CodeVerifier)> {
        if state.len() > LONGEST_STATE {
            return None;
        }
        let (payload, mac) = state.split_once('.')?;
        let (payload, mac) = (base64url_decode(payload)?, Digest32::from_slice(&base64url_decode(mac)?)?);
        if !state_mac(keys, cookie, &payload).ct_eq(&mac) {
            return None;
        }
        Some((serde_json::from_slice(&payload).ok()?, verifier(keys, cookie, &payload)?))
    }
}

fn state_mac(keys: &TransactionKeys, cookie: &TransactionCookie, payload: &[u8]) -> Digest32 {
    keys.state.mac(&[STATE, sha256(cookie.reveal().as_bytes()).as_bytes(), payload])
}

fn verifier(keys: &TransactionKeys, cookie: &TransactionCookie, payload: &[u8]) -> Option<CodeVerifier> {
    let mac = keys.verifier.mac(&[VERIFIER, cookie.reveal().as_bytes(), payload]);
    CodeVerifier::parse(&base64url(mac.as_bytes())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys() -> TransactionKeys {
        TransactionKeys { state: MacKey::new(&[1; 32]), verifier: MacKey::new(&[2; 32]) }
    }

    fn cookie(text: &str) -> TransactionCookie {
        TransactionCookie::new(text)
    }

    fn transaction() -> impl Strategy<Value = Transaction> {
        let asked = (
            prop::option::of(".{0,40}"),
            prop::option::of("none|login|.{0,20}"),
            prop::option::of(".{0,40}"),
        )
            .prop_map(|(scope, prompt, login_hint)| Asked {
                scope,
                prompt,
                login_hint,
                ..Asked::default()
            });
        let attempt = prop::sample::select(&[Attempt::First, Attempt::Silent, Attempt::Visible][..]);
        (".{0,60}", ".{0,100}", ".{0,60}", any::<i64>(), attempt, "[A-Za-z0-9_-]{22}", asked).prop_map(
            |(client, return_to, host, issued_at, attempt, nonce, asked)| Transaction {
                client: ClientId::from(client.as_str()),
                return_to,
                host,
                issued_at: Timestamp::from_millis(issued_at),
                attempt,
                nonce,
                asked,
            },
        )
    }

    #[test]
    fn one_that_began_before_an_upgrade_ends_after_it() {
        let old = r#"{"c":"app","r":"/","h":"https://a.example","t":0,"a":"0","n":"x","q":{"s":"openid","r":"urn:a"}}"#;
        let mac = state_mac(&keys(), &cookie("c"), old.as_bytes());
        let state = format!("{}.{}", base64url(old.as_bytes()), base64url(mac.as_bytes()));
        let (opened, _) = Transaction::open(&keys(), &cookie("c"), &state).unwrap();
        assert_eq!(opened.asked.resources, ["urn:a"]);
        let new = old.replace("\"urn:a\"", "[\"urn:a\",\"urn:b\"]");
        let new: Transaction = serde_json::from_str(&new).unwrap();
        assert_eq!(new.asked.resources, ["urn:a", "urn:b"]);
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_in_the_same_browser_with_the_same_verifier(one in transaction(), held in ".{1,60}") {
            let sealed = one.seal(&keys(), &cookie(&held)).unwrap();
            let (opened, verifier) = Transaction::open(&keys(), &cookie(&held), &sealed.state).unwrap();
            prop_assert_eq!(opened, one);
            prop_assert_eq!(verifier.reveal(), sealed.verifier.reveal());
        }

        #[test]
        fn it_opens_in_no_other_browser(one in transaction(), held in ".{1,60}", other in ".{1,60}") {
            prop_assume!(held != other);
            let sealed = one.seal(&keys(), &cookie(&held)).unwrap();
            prop_assert!(Transaction::open(&keys(), &cookie(&other), &sealed.state).is_none());
            let swapped = TransactionKeys { state: keys().verifier, verifier: keys().state };
            prop_assert!(Transaction::open(&swapped, &cookie(&held), &sealed.state).is_none());
        }

        #[test]
        fn two_transactions_share_neither_state_nor_verifier(a in transaction(), b in transaction()) {
            prop_assume!(a != b);
            let (a, b) = (a.seal(&keys(), &cookie("c")).unwrap(), b.seal(&keys(), &cookie("c")).unwrap());
            prop_assert!(a.state != b.state);
            prop_assert!(a.verifier.reveal() != b.verifier.reveal());
        }

        #[test]
        fn a_changed_state_does_not_open(one in transaction(), at in any::<prop::sample::Index>(), to in "[A-Za-z0-9._=-]") {
            let sealed = one.seal(&keys(), &cookie("c")).unwrap();
            let at = at.index(sealed.state.len());
            let forged = format!("{}{to}{}", &sealed.state[..at], &sealed.state[at + 1..]);
            prop_assume!(forged != sealed.state);
            prop_assert!(Transaction::open(&keys(), &cookie("c"), &forged).is_none());
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*", tail in "[A-Za-z0-9_.-]*") {
            prop_assert!(Transaction::open(&keys(), &cookie("c"), &text).is_none());
            prop_assert!(Transaction::open(&keys(), &cookie("c"), &tail).is_none());
        }
    }

    #[test]
    fn the_verifier_is_not_in_the_state() {
        let one = Transaction {
            client: ClientId::from("app"),
            return_to: "https://app.example.com/".to_owned(),
            host: "https://auth.example.com".to_owned(),
            issued_at: Timestamp::from_seconds(1),
            attempt: Attempt::First,
            nonce: "n".to_owned(),
            asked: Asked::default(),
        };
        let sealed = one.seal(&keys(), &cookie("c")).unwrap();
        assert!(!sealed.state.contains(sealed.verifier.reveal()));
        assert_eq!(sealed.verifier.reveal().len(), 43);
    }

    #[test]
    fn what_authorize_would_refuse_as_too_long_is_not_sealed() {
        let long = Asked { scope: Some("x".repeat(4000)), ..Asked::default() };
        let one = Transaction {
            client: ClientId::from("app"),
            return_to: String::new(),
            host: String::new(),
            issued_at: Timestamp::default(),
            attempt: Attempt::First,
            nonce: String::new(),
            asked: long,
        };
        assert!(one.seal(&keys(), &cookie("c")).is_none());
    }
}
