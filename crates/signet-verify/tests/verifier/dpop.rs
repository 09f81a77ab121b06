//! Tokens bound to a key (RFC 9449).

use serde_json::{Value, json};
use signet_verify::challenge::Refusal;
use signet_verify::testing::TestKey;
use signet_verify::verifier::{DpopPolicy, Need, RequestParts};

use crate::support::{API, Bench, NOW};

const URI: &str = "https://api.example/things?q=1";

struct Holder {
    bench: Bench,
    key: TestKey,
    token: String,
}

impl Holder {
    fn new(policy: DpopPolicy) -> Self {
        let bench = Bench::with(|builder| builder.dpop(policy));
        let key = TestKey::generate();
        let token = bench.issuer.token(API).bound_to(&key).sign();
        Self { bench, key, token }
    }

    fn proof(&self, changes: &Value) -> String {
        self.key.proof("POST", "https://api.example/things", &self.token, (NOW, changes))
    }

    async fn send(&self, scheme: &str, token: &str, dpop: &[&str]) -> Result<(), Refusal> {
        let line = format!("{scheme} {token}");
        let request = RequestParts { method: "POST", uri: URI, authorization: &[&line], dpop };
        self.bench.verifier.authorize(&request, &Need::any()).await.map(|_| ())
    }

    async fn with(&self, changes: Value) -> Result<(), Refusal> {
        self.send("DPoP", &self.token, &[&self.proof(&changes)]).await
    }
}

#[tokio::test]
async fn a_bound_token_with_its_proof_is_accepted_once() {
    for policy in [DpopPolicy::Accept, DpopPolicy::Require] {
        let holder = Holder::new(policy);
        let proof = holder.proof(&json!({}));
        assert!(holder.send("dpop", &holder.token, &[&proof]).await.is_ok());
        let replayed = holder.send("DPoP", &holder.token, &[&proof]).await.unwrap_err();
        assert_eq!((replayed.status, replayed.error()), (401, Some("invalid_dpop_proof")));
        assert!(replayed.www_authenticate.contains("DPoP error=\"invalid_dpop_proof\""));
        assert!(holder.with(json!({})).await.is_ok(), "a new proof");
    }
}

#[tokio::test]
async fn a_bound_token_presented_as_bearer_is_refused_under_every_policy() {
    for policy in [DpopPolicy::Off, DpopPolicy::Accept, DpopPolicy::Require] {
        let holder = Holder::new(policy);
        for dpop in [&[][..], &[holder.proof(&json!({})).as_str()]] {
            assert_eq!(
                holder.send("Bearer", &holder.token, dpop).await.unwrap_err().status,
                401,
                "{policy:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_token_bound_to_no_key_is_a_bearer_token_and_nothing_else() {
    let holder = Holder::new(DpopPolicy::Accept);
    let unbound = holder.bench.issuer.token(API).sign();
    assert!(holder.send("Bearer", &unbound, &[]).await.is_ok());
    let proof = holder.key.proof("POST", URI, &unbound, (NOW, &json!({})));
    let refusal = holder.send("DPoP", &unbound, &[&proof]).await.unwrap_err();
    assert_eq!(refusal.error(), Some("invalid_token"));
    let holder = Holder::new(DpopPolicy::Require);
    let refusal = holder.send("Bearer", &holder.bench.issuer.token(API).sign(), &[]).await.unwrap_err();
    assert_eq!(refusal.status, 401);
    assert!(refusal.www_authenticate.starts_with("DPoP "));
}

#[tokio::test]
async fn a_proof_for_anything_else_is_refused() {
    let holder = Holder::new(DpopPolicy::Accept);
    let changes = [
        json!({"htm": "GET"}),
        json!({"htm": "post"}),
        json!({"htm": null}),
        json!({"htu": "https://api.example/other"}),
        json!({"htu": "http://api.example/things"}),
        json!({"htu": "https://api.example:8443/things"}),
        json!({"htu": "https://other.example/things"}),
        json!({"htu": "https://u@api.example/things"}),
        json!({"htu": "/things"}),
        json!({"htu": null}),
        json!({"iat": NOW - 61}),
        json!({"iat": NOW + 61}),
        json!({"iat": NOW.to_string()}),
        json!({"iat": null}),
        json!({"ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"}),
        json!({"ath": null}),
        json!({"jti": null}),
        json!({"jti": ""}),
        json!({"jti": 1}),
        json!({"jti": "x".repeat(256)}),
    ];
    for change in changes {
        let refusal = holder.with(change.clone()).await.unwrap_err();
        assert_eq!(refusal.error(), Some("invalid_dpop_proof"), "{change}");
    }
}

#[tokio::test]
async fn addresses_are_compared_as_rfc_3986_normalises_them() {
    let holder = Holder::new(DpopPolicy::Accept);
    for htu in [
        "HTTPS://API.example:443/things",
        "https://api.example/%74hings",
        "https://api.example/x/../things",
        "https://api.example/things?other#part",
    ] {
        assert!(holder.with(json!({"htu": htu})).await.is_ok(), "{htu}");
    }
}

#[tokio::test]
async fn there_is_exactly_one_proof_and_it_is_of_the_key_of_the_token() {
    let holder = Holder::new(DpopPolicy::Accept);
    let (one, two) = (holder.proof(&json!({})), holder.proof(&json!({})));
    let foreign = TestKey::generate().proof("POST", URI, &holder.token, (NOW, &json!({})));
    let joined = format!("{one}, {two}");
    let (first, second) = (one.as_str(), two.as_str());
    for lines in [&[][..], &[first, second], &[&foreign], &[&joined], &[""], &["x"], &[&holder.token]] {
        let refusal = holder.send("DPoP", &holder.token, lines).await.unwrap_err();
        assert_eq!(refusal.error(), Some("invalid_dpop_proof"), "{lines:?}");
    }
    assert!(holder.send("DPoP", &holder.token, &[&one]).await.is_ok(), "none of these used it up");
}

#[tokio::test]
async fn a_nonce_is_asked_for_where_it_is_configured() {
    let bench = Bench::with(|builder| builder.dpop(DpopPolicy::Accept).dpop_nonces([3; 32]));
    let key = TestKey::generate();
    let token = bench.issuer.token(API).bound_to(&key).sign();
    let holder = Holder { bench, key, token };
    let refusal = holder.with(json!({})).await.unwrap_err();
    assert_eq!((refusal.status, refusal.error()), (401, Some("use_dpop_nonce")));
    let nonce = refusal.dpop_nonce.unwrap();
    assert_eq!(Some(nonce.to_string()), holder.bench.verifier.dpop_nonce());
    assert!(holder.with(json!({"nonce": *nonce})).await.is_ok());
    assert_eq!(holder.with(json!({"nonce": "made up"})).await.unwrap_err().error(), Some("use_dpop_nonce"));
}

#[tokio::test]
async fn more_proofs_than_can_be_remembered_are_503() {
    let bench = Bench::with(|builder| builder.dpop(DpopPolicy::Accept).most_proofs(2));
    let key = TestKey::generate();
    let token = bench.issuer.token(API).bound_to(&key).sign();
    let holder = Holder { bench, key, token };
    assert!(holder.with(json!({})).await.is_ok());
    assert!(holder.with(json!({})).await.is_ok());
    assert_eq!(holder.with(json!({})).await.unwrap_err().status, 503);
}
