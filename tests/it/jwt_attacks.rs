//! The attacks of `support/attacks.rs` at every place that takes a JWT. Each place takes the genuine token before and
//! after, so that a list that goes stale fails.

use signet::oauth::algorithm::Algorithm;

use super::*;
use crate::support::attacks::{self, Attack, Kind};
use crate::support::jwt::{Signer, asserting};
use crate::support::registrar::{Registered, by_token, metadata};

const OPAQUE: &str = "https://opaque.example.com";
const GRANT: (&str, &str) = ("grant_type", "client_credentials");
const NO_ACCESS_TOKEN: &[&str] =
    &["JWT", "logout+jwt", "client-authentication+jwt", "oauth-authz-req+jwt", "dpop+jwt", "secevent+jwt"];
const NO_ID_TOKEN: &[&str] = &["at+jwt", "logout+jwt", "client-authentication+jwt", "oauth-authz-req+jwt", "dpop+jwt"];
const NO_ASSERTION: &[&str] = &["at+jwt", "logout+jwt", "oauth-authz-req+jwt", "dpop+jwt"];
const OURS: &[&str] = &["iss", "sub", "aud", "exp", "iat"];

/// A client that signs, and may introspect.
fn signing(signer: &Signer) -> Value {
    json!({
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": signer.jwks(),
        "grant_types": ["client_credentials"],
        "response_types": [],
        "scope": "read",
        "audience": [AUDIENCE],
        "introspect": true,
    })
}

/// A genuine token of this server, taken apart, with the key that signed it.
async fn ours<'a>(s: &Server, token: &str, signer: &'a Signer, foreign_types: &'a [&'a str]) -> Kind<'a> {
    Kind {
        signer,
        header: jwt_header(token),
        claims: claims(token),
        required: OURS,
        foreign_types,
        audience: false,
        expiry: true,
        ours: true,
        now: s.now().seconds(),
    }
}

/// Sends a form; what does not fit into a body is refused as such.
async fn sent(request: Request, params: &[(&str, &str)], attack: &Attack) -> Option<Response> {
    let answer = request.form(params).send().await;
    if encode(params).len() > 16 * 1024 {
        assert_eq!(answer.status, 413, "{}", attack.name);
        return None;
    }
    Some(answer)
}

/// Whether a header can carry a token as RFC 6750 §2.1 has it.
fn is_bearer_text(token: &str) -> bool {
    token.len() <= 8 * 1024
        && !token.is_empty()
        && token.trim_end_matches('=').bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

#[test]
fn as_a_client_assertion() {
    with_server(async |s| {
        for algorithm in [Algorithm::Es256, Algorithm::Ps256] {
            let signer = Signer::new(algorithm, "key-1");
            let id = format!("job-{algorithm}");
            s.create_client(&id, signing(&signer)).await;
            for (path, param) in [("/token", GRANT), ("/introspect", ("token", "x")), ("/revoke", ("token", "x"))] {
                let kind = Kind {
                    signer: &signer,
                    header: signer.header("JWT"),
                    claims: s.assertion_claims(&id),
                    required: &["iss", "sub", "aud", "exp", "jti"],
                    foreign_types: NO_ASSERTION,
                    audience: true,
                    expiry: true,
                    ours: false,
                    now: s.now().seconds(),
                };
                asserting(s.post(path), &[param], &s.assertion(&id, &signer)).send().await.ok();
                for attack in attacks::on(&kind) {
                    let params = [
                        param,
                        ("client_assertion_type", crate::support::jwt::ASSERTION_TYPE),
                        ("client_assertion", attack.token.as_str()),
                    ];
                    let Some(answer) = sent(s.post(path), &params, &attack).await else { continue };
                    let seen = (answer.status, answer.error());
                    assert_eq!(seen, (401, "invalid_client".to_owned()), "{path}: {}", attack.name);
                }
                // Nothing of it has used up the genuine one.
                let genuine = signer.token(&kind.header, &kind.claims);
                asserting(s.post(path), &[param], &genuine).send().await.ok();
            }
        }
    });
}

#[test]
fn as_an_id_token_hint() {
    with_server(async |s| {
        let mut browser = Browser::new(s);
        let genuine = s.tokens_of(&mut browser, "app", "openid").await.id.unwrap();
        let bobs = Browser::new(s).sign_in(&request("app"), BOB).await.code();
        let bobs = Tokens::of(&s.redeem("app", &bobs).await).id.unwrap();
        let asked = |hint: &str| request("app").with("prompt", "none").with("id_token_hint", hint);
        let answer = Redirect::parse(browser.authorize(&asked(&bobs)).await.location());
        assert_eq!(answer.get("error"), Some("login_required"), "a hint is heeded");
        for signer in [Signer::of_server(s, Algorithm::Rs256).await, Signer::of_server(s, Algorithm::Es256).await] {
            let mut kind = ours(s, &genuine, &signer, NO_ID_TOKEN).await;
            kind.header = signer.header("JWT");
            kind.audience = true;
            kind.expiry = false;
            let again = signer.token(&kind.header, &kind.claims);
            Redirect::parse(browser.authorize(&asked(&again)).await.location()).code();
            for attack in attacks::on(&kind) {
                let Some(answer) = s.get(&asked(&attack.token).target()).try_send().await else { continue };
                if answer.status != 303 {
                    assert!((400..500).contains(&answer.status), "{} {}", attack.name, answer.status);
                    assert!(attack.token.len() > 4 * 1024, "{}", attack.name);
                    continue;
                }
                // A key that has been removed since is no mistake of the client's.
                let error = if attack.unknown_key { "login_required" } else { "invalid_request" };
                let answer = Redirect::parse(answer.location());
                assert_eq!((answer.get("error"), answer.get("code")), (Some(error), None), "{}", attack.name);
            }
        }
    });
}

#[test]
fn as_a_bearer_token_at_userinfo() {
    with_server(async |s| {
        let genuine = s.tokens("app").await.access;
        let signer = Signer::of_server(s, Algorithm::Es256).await;
        let kind = ours(s, &genuine, &signer, NO_ACCESS_TOKEN).await;
        s.userinfo(&signer.token(&kind.header, &kind.claims)).await.ok();
        for attack in attacks::on(&kind) {
            let params = [("access_token", attack.token.as_str())];
            if let Some(answer) = sent(s.post("/userinfo"), &params, &attack).await {
                let seen = (answer.status, answer.error());
                assert_eq!(seen, (401, "invalid_token".to_owned()), "in the body: {}", attack.name);
            }
            let Some(answer) = s.get("/userinfo").bearer(&attack.token).try_send().await else { continue };
            if is_bearer_text(&attack.token) {
                let seen = (answer.status, answer.error());
                assert_eq!(seen, (401, "invalid_token".to_owned()), "in the header: {}", attack.name);
            } else if attack.token.trim() != genuine {
                // Blanks around a header's value are not part of it (RFC 9110 §5.5).
                let blank = attack.token.trim() == attack.token;
                assert!(!blank || (400..500).contains(&answer.status), "{} {}", attack.name, answer.status);
                assert!(answer.status < 500, "{} {}", attack.name, answer.status);
            }
        }
        s.userinfo(&genuine).await.ok();
    });
}

#[test]
fn as_a_bearer_token_of_the_administration_api() {
    with_server(async |s| {
        let audience = format!("{}/admin/v1", s.issuer());
        let metadata = json!({ "grant_types": ["client_credentials"], "response_types": [],
            "scope": "signet:admin", "audience": [audience], "token_endpoint_auth_method": "client_secret_post" });
        let secret = s.create_client("root", metadata).await.unwrap();
        let auth = Auth::Post("root".to_owned(), secret);
        let genuine = Tokens::of(&auth.on(s.post("/token"), &[GRANT]).send().await).access;
        let signer = Signer::of_server(s, Algorithm::Es256).await;
        let mut kind = ours(s, &genuine, &signer, NO_ACCESS_TOKEN).await;
        kind.audience = true;
        let users = |token: &str| s.admin_get("/admin/v1/users").bearer(token);
        users(&signer.token(&kind.header, &kind.claims)).send().await.ok();
        for attack in attacks::on(&kind) {
            let Some(answer) = users(&attack.token).try_send().await else { continue };
            let blank = attack.token.trim() != attack.token;
            assert!(blank || (400..500).contains(&answer.status), "{} {}", attack.name, answer.status);
            if is_bearer_text(&attack.token) {
                assert_eq!(answer.status, 401, "{} {}", attack.name, answer.text());
            }
        }
        users(&genuine).send().await.ok();
    });
}

#[test]
fn at_introspection_and_revocation() {
    with_server(async |s| {
        let genuine = s.tokens("app").await.access;
        let signer = Signer::of_server(s, Algorithm::Es256).await;
        let kind = ours(s, &genuine, &signer, NO_ACCESS_TOKEN).await;
        assert!(s.is_active(&signer.token(&kind.header, &kind.claims)).await);
        let secret = s.secrets["api"].clone();
        for attack in attacks::on(&kind) {
            let token = ("token", attack.token.as_str());
            let params = [token, ("client_id", "app")];
            if let Some(answer) = sent(s.post("/revoke"), &params, &attack).await {
                assert_eq!(answer.status, 200, "{}", attack.name);
            }
            let header = format!("Basic {}", basic("api", &secret));
            let introspect = s.post("/introspect").header("Authorization", &header);
            if let Some(answer) = sent(introspect, &[token], &attack).await {
                assert_eq!(answer.ok().json(), json!({ "active": false }), "{}", attack.name);
            }
        }
        assert!(s.is_active(&genuine).await, "nothing was revoked");
        s.revoke("app", &signer.token(&kind.header, &kind.claims)).await.ok();
        assert!(!s.is_active(&genuine).await);
    });
}

mod removed_keys {
    use super::*;

    #[test]
    fn a_client_that_no_longer_has_a_key_does_not_authenticate_by_it() {
        with_server(async |s| {
            let (first, second) = (Signer::new(Algorithm::Es256, "1"), Signer::new(Algorithm::Es256, "2"));
            s.create_client("job", signing(&first)).await;
            asserting(s.post("/token"), &[GRANT], &s.assertion("job", &first)).send().await.ok();
            s.patch_client("job", json!({ "jwks": second.jwks() })).await;
            let refused = asserting(s.post("/token"), &[GRANT], &s.assertion("job", &first)).send().await;
            refused.refused(401, "invalid_client");
            asserting(s.post("/token"), &[GRANT], &s.assertion("job", &second)).send().await.ok();
        });
    }

    #[test]
    fn a_token_under_a_key_that_was_removed_is_void_whatever_it_says() {
        with_server(async |s| {
            let genuine = s.tokens("app").await.access;
            let signer = Signer::of_server(s, Algorithm::Es256).await;
            // For a year, from the very key.
            let mut long = claims(&genuine);
            long["exp"] = json!(s.now().seconds() + 365 * 24 * 3600);
            let long = signer.token(&jwt_header(&genuine), &long);
            s.userinfo(&long).await.ok();
            let by = signet::flow::admin::By { actor: "cli", origin: &Default::default(), now: s.now() };
            signet::flow::admin::keys::rotate(&s.op, &by, &signet::flow::admin::keys::Which::All).await.unwrap();
            for _ in 0..4 {
                s.advance(2 * DAY);
                signet::flow::keys::tick(&s.op, s.now()).await.unwrap();
            }
            s.userinfo(&long).await.refused(401, "invalid_token");
            assert!(!s.is_active(&long).await);
        });
    }
}

mod kinds {
    use super::*;

    const BACK: &str = "https://app.example.com/signed-out";

    /// What the places need beside the token.
    struct Setting<'s> {
        s: &'s Server,
        /// In which alice is signed in.
        browser: Browser<'s>,
        bob: Browser<'s>,
        /// A client that has registered itself.
        registered: Registered,
    }

    impl<'s> Setting<'s> {
        async fn of(s: &'s Server, signer: &Signer) -> Self {
            s.create_client("job", signing(signer)).await;
            s.create_api(OPAQUE, json!({ "access_token_format": "opaque" })).await;
            s.patch_client("web", json!({ "audience": [OPAQUE] })).await;
            s.patch_client("api", json!({ "audience": [AUDIENCE, OPAQUE] })).await;
            s.patch_client("app", json!({ "post_logout_redirect_uris": [BACK] })).await;
            let ticket = s.initial_access_token(1).await;
            let registered = s.registering(&metadata(json!({}))).bearer(&ticket).send().await;
            let mut bob = Browser::new(s);
            bob.sign_in(&request("app"), BOB).await.code();
            Self { s, browser: Browser::new(s), bob, registered: Registered::of(&registered) }
        }

        /// Every kind of token there is, all genuine and unused, with its name.
        async fn all(&mut self, signer: &Signer) -> Vec<(&'static str, String)> {
            let s = self.s;
            let tokens = s.tokens_of(&mut self.browser, "app", "openid offline_access read").await;
            let code = self.browser.silently(&request("app")).await.code();
            let id = tokens.id.unwrap();
            let server = Signer::of_server(s, Algorithm::Rs256).await;
            let (id_claims, now) = (claims(&id), s.now().seconds());
            let logout = json!({ "iss": s.issuer(), "aud": "app", "sub": id_claims["sub"], "sid": id_claims["sid"],
                "iat": now, "exp": now + 120, "jti": "logout-1",
                "events": { "http://schemas.openid.net/event/backchannel-logout": {} } });
            let asked = json!({ "iss": "job", "aud": s.issuer(), "client_id": "job", "response_type": "code",
                "sub": id_claims["sub"], "iat": now, "exp": now + 60 });
            vec![
                ("access token", tokens.access),
                ("opaque access token", s.tokens("web").await.access),
                ("refresh token", tokens.refresh.unwrap()),
                ("ID token", id),
                ("code", code),
                ("assertion", s.assertion("job", signer)),
                ("logout token", server.token(&server.header("logout+jwt"), &logout)),
                ("request object", signer.token(&signer.header("oauth-authz-req+jwt"), &asked)),
                ("registration token", self.registered.token.clone()),
                ("API key", s.api_key().await),
                ("initial access token", s.initial_access_token(1).await),
            ]
        }

        /// Whether bob's browser hears that this hint names somebody else. One that is refused, or passed over since no
        /// key of ours has signed it, names nobody.
        async fn is_heeded(&self, hint: &str) -> bool {
            let asked = request("app").with("prompt", "none").with("id_token_hint", hint);
            let answer = self.bob.with_cookies(self.s.get(&asked.target())).send().await;
            Redirect::parse(answer.location()).get("error") == Some("login_required")
        }

        async fn takes(&self, place: &str, token: &str) -> bool {
            let s = self.s;
            match place {
                "userinfo" => s.userinfo(token).await.status == 200,
                "administration API" => {
                    s.admin_get("/admin/v1/users").bearer(token).send().await.status == 200
                }
                "introspection" => s.is_active(token).await,
                "client assertion" => asserting(s.post("/token"), &[GRANT], token).send().await.status == 200,
                "hint" => self.is_heeded(token).await,
                "end of a session" => {
                    let params = [("id_token_hint", token), ("post_logout_redirect_uri", BACK)];
                    let target = format!("/end_session?{}", encode(&params));
                    let answer = self.browser.with_cookies(s.get(&target)).send().await;
                    answer.header("location").is_some_and(|location| location.starts_with(BACK))
                }
                "registration" => {
                    s.registering(&metadata(json!({}))).bearer(token).send().await.status == 201
                }
                "configuration" => {
                    s.configuring("GET", &self.registered.id, token).send().await.status == 200
                }
                "refresh" => s.refresh("app", token).await.status == 200,
                "redemption" => s.redeem("app", token).await.status == 200,
                _ => panic!("{place}"),
            }
        }
    }

    /// The ways in, and the kinds that each takes; the one that ends the session last.
    const PLACES: [(&str, &[&str]); 10] = [
        ("userinfo", &["access token", "opaque access token"]),
        ("administration API", &["API key"]),
        ("introspection", &["access token", "opaque access token"]),
        ("client assertion", &["assertion"]),
        ("hint", &["ID token"]),
        ("registration", &["initial access token"]),
        ("configuration", &["registration token"]),
        ("refresh", &["refresh token"]),
        ("redemption", &["code"]),
        ("end of a session", &["ID token"]),
    ];

    #[test]
    fn no_kind_of_token_passes_for_another() {
        with_config(by_token, async |s| {
            let signer = Signer::new(Algorithm::Es256, "key-1");
            let mut setting = Setting::of(s, &signer).await;
            let tokens = setting.all(&signer).await;
            // First what is refused everywhere, so that what is used up comes last.
            for (place, own) in PLACES {
                for (kind, token) in tokens.iter().filter(|(kind, _)| !own.contains(kind)) {
                    assert!(!setting.takes(place, token).await, "{kind} at {place}");
                }
            }
            for (place, own) in PLACES {
                for (kind, token) in tokens.iter().filter(|(kind, _)| own.contains(kind)) {
                    assert!(setting.takes(place, token).await, "{kind} at {place}");
                }
            }
        });
    }

    #[test]
    fn a_client_that_has_our_keys_as_its_own_gains_nothing() {
        with_server(async |s| {
            let server = Signer::of_server(s, Algorithm::Rs256).await;
            s.create_client("thief", signing(&server)).await;
            let tokens = s.tokens("app").await;
            for token in [tokens.id.as_ref().unwrap(), &tokens.access] {
                let answer = asserting(s.post("/token"), &[GRANT, ("client_id", "thief")], token).send().await;
                answer.refused(401, "invalid_client");
                let answer = asserting(s.post("/token"), &[GRANT], token).send().await;
                answer.refused(401, "invalid_client");
            }
        });
    }
}
