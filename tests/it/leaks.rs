//! No secret that was issued, typed or made is found where it does not belong: the log at its most talkative, the
//! bodies of refusals, the database.

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::*;
use crate::support::client::basic;
use crate::support::database::Database;
use crate::support::process::{Address, Process, USER, Visitor};
use crate::support::surfer::gated;

/// What must not be found, by name.
#[derive(Default)]
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn add(&mut self, name: &'static str, value: &str) {
        assert!(value.len() >= 12, "{name} is too short to be looked for: {value}");
        self.0.push((name, value.to_owned()));
        // As it looks inside a form or a URL.
        let encoded: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
        if encoded != value {
            self.0.push((name, encoded));
        }
    }

    fn add_tokens(&mut self, tokens: &Tokens) {
        self.add("access token", &tokens.access);
        // A token whose signature is missing is none, but that part alone is what makes it one.
        self.add("signature", tokens.access.rsplit('.').next().unwrap());
        if let Some(token) = &tokens.refresh {
            self.add("refresh token", token);
        }
        if let Some(token) = &tokens.id {
            self.add("ID token", token);
        }
    }

    /// Where a secret occurs, with what stands around it.
    fn assert_absent(&self, place: &str, text: &[u8]) {
        for (name, value) in &self.0 {
            if let Some(at) = find(text, value.as_bytes()) {
                let around = &text[at.saturating_sub(300)..(at + value.len() + 50).min(text.len())];
                panic!("{name} {value} in {place}: {}", String::from_utf8_lossy(around));
            }
        }
    }
}

/// The first occurrence: by the rarest cheap test, the first eight bytes.
fn find(text: &[u8], value: &[u8]) -> Option<usize> {
    let text_view = text.windows(value.len().min(8));
    let start = &value[..value.len().min(8)];
    text_view.enumerate().filter(|(_, window)| *window == start).map(|(at, _)| at).find(|at| text[*at..].starts_with(value))
}

/// Every answer that refuses something, and what must not be in it.
#[derive(Default)]
struct Refusals(Vec<Response>);

impl Refusals {
    async fn expect(&mut self, request: Request) {
        let answer = request.send().await;
        assert!((400..500).contains(&answer.status), "{} {}", answer.status, answer.text());
        self.0.push(answer);
    }
}

/// Every row of every table, as text; a `bytea` is in it as it is, by its hexadecimal digits, and as letters.
async fn dump(url: &str) -> Vec<u8> {
    let mut conn = PgConnection::connect(url).await.unwrap();
    let tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut conn).await.unwrap();
    let mut all = Vec::new();
    for table in tables {
        let rows = format!("SELECT t::text FROM \"{table}\" t");
        let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_all(&mut conn).await.unwrap();
        for row in rows {
            for part in row.split("\\\\x").skip(1) {
                let digits: Vec<u8> = part.bytes().take_while(u8::is_ascii_hexdigit).collect();
                all.extend(digits.chunks_exact(2).map(|two| {
                    u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()
                }));
                all.push(b'\n');
            }
            all.extend(row.into_bytes());
            all.push(b'\n');
        }
    }
    all
}

/// The database's files with the log that goes with them.
fn files(folder: &std::path::Path) -> Vec<u8> {
    let mut all = Vec::new();
    for name in ["signet.sqlite", "signet.sqlite-wal", "signet.sqlite-shm"] {
        all.extend(std::fs::read(folder.join(name)).unwrap_or_default());
    }
    all
}

/// Every flow that a secret goes through, and every refusal that could repeat one.
async fn go_through_everything(address: &Address, secrets: &mut Secrets, refusals: &mut Refusals) {
    let mut visitor = Visitor::new(address);
    let code = visitor.code().await.unwrap();
    secrets.add("code", &code);
    secrets.add("code verifier", crate::support::client::VERIFIER);
    secrets.add("password", USER.1);
    let first = Tokens::of(&address.redeeming(&code).send().await);
    let second = Tokens::of(&address.refreshing(first.refresh()).send().await);
    secrets.add_tokens(&first);
    secrets.add_tokens(&second);
    address.get("/userinfo").bearer(&second.access).send().await.ok();
    let service = |request: Request| {
        let credentials = basic("demo-service", "demo-service-secret");
        request.header("Authorization", &format!("Basic {credentials}"))
    };
    secrets.add("client secret", "demo-service-secret");
    secrets.add("client secret", &basic("demo-service", "demo-service-secret"));
    let grant = service(address.post("/token")).form(&[("grant_type", "client_credentials"), ("scope", "read")]);
    secrets.add_tokens(&Tokens::of(&grant.send().await));
    let api = [("client_id", "demo-api"), ("client_secret", "demo-api-secret"), ("token", second.access.as_str())];
    secrets.add("client secret", "demo-api-secret");
    let credentials = basic("demo-api", "demo-api-secret");
    let introspect = address.post("/introspect").header("Authorization", &format!("Basic {credentials}"));
    introspect.form(&api[2..]).send().await.ok();
    secrets.add("client secret", &credentials);

    // What is refused is not repeated.
    refusals.expect(address.redeeming(&format!("{code}A"))).await;
    refusals.expect(address.refreshing(&format!("{}A", second.refresh()))).await;
    refusals.expect(address.get("/userinfo").bearer(&format!("{}A", second.access))).await;
    refusals.expect(address.get(&format!("/userinfo?access_token={}", second.access))).await;
    let wrong = basic("demo-service", "not-the-demo-service-secret");
    let request = address.post("/token").header("Authorization", &format!("Basic {wrong}"));
    refusals.expect(request.form(&[("grant_type", "client_credentials")])).await;
    secrets.add("mistyped client secret", "not-the-demo-service-secret");
    let twice = [("grant_type", "refresh_token"), ("refresh_token", second.refresh()), ("refresh_token", second.refresh())];
    refusals.expect(address.post("/token").form(&twice)).await;
    let json = address.post("/token").header("Content-Type", "application/json");
    refusals.expect(json.body(format!("{{\"refresh_token\":\"{}\"}}", second.refresh()).as_bytes())).await;
    let query = format!("/token?refresh_token={}", second.refresh());
    refusals.expect(address.get(&query)).await;
    let mut guessing = Visitor::new(address);
    let login = guessing.send(address.get(&address.asked().target())).await.unwrap().location().to_owned();
    let page = guessing.send(address.get(&login)).await.unwrap();
    let page = crate::support::browser::Page::of(&login, &page);
    let typed = "a-password-typed-wrongly";
    let form = page.encoded(&[("username", USER.0), ("password", typed), ("action", "login")]);
    let answer = guessing.send(address.post(&page.path).header("Origin", &address.origin()).raw_form(&form)).await.unwrap();
    assert_eq!(answer.status, 401);
    refusals.0.push(answer);
    secrets.add("mistyped password", typed);
    for visitor in [&visitor, &guessing] {
        for value in visitor.cookies.values() {
            secrets.add("cookie", value);
        }
    }
    go_through_cookie_mode(address, &mut visitor, secrets, refusals).await;
    // Theft and replay are the loudest things that happen, and end what was issued.
    refusals.expect(address.redeeming(&code)).await;
    refusals.expect(address.refreshing(second.refresh())).await;
    let code = visitor.code().await.unwrap();
    secrets.add("code", &code);
    let third = Tokens::of(&address.redeeming(&code).send().await);
    secrets.add_tokens(&third);
    address.revoking(third.refresh()).send().await.ok();
    address.revoking(&third.access).send().await.ok();
    refusals.expect(address.refreshing(third.refresh())).await;
}

/// The same in cookie mode, where a code and a state arrive in an address of this server.
async fn go_through_cookie_mode(
    address: &Address,
    visitor: &mut Visitor,
    secrets: &mut Secrets,
    refusals: &mut Refusals,
) {
    let origin = address.origin();
    let page = format!("{origin}/demo/app");
    let here = |location: &str| location.strip_prefix(&origin).unwrap().to_owned();
    let start = format!("/session/start?{}", encode(&[("client_id", "demo-cookie"), ("return_to", &page)]));
    let begun = visitor.send(address.get(&start)).await.unwrap().location().to_owned();
    secrets.add("state", Redirect::parse(&begun).get("state").unwrap());
    let callback = visitor.send(address.get(&here(&begun))).await.unwrap().location().to_owned();
    secrets.add("code", &Redirect::parse(&callback).code());
    let callback = here(&callback);
    refusals.expect(address.get(&callback)).await;
    assert_eq!(visitor.send(address.get(&callback)).await.unwrap().location(), page);
    for (name, value) in visitor.cookies.iter().filter(|(name, _)| name.contains("refresh") || name.contains("transaction")) {
        secrets.add(if name.contains("refresh") { "refresh cookie" } else { "transaction cookie" }, value);
    }
    let gate = |request: Request| gated(request, &origin, "{\"client_id\":\"demo-cookie\"}");
    let refreshed = visitor.send(gate(address.post("/refresh"))).await.unwrap();
    secrets.add("access token", refreshed.ok().json()["access_token"].as_str().unwrap());
    let cookie = visitor.cookies.iter().find(|(name, _)| name.contains("refresh")).unwrap();
    secrets.add("refresh cookie", cookie.1);
    let forged = format!("{}={}A", cookie.0, cookie.1);
    refusals.expect(gate(address.post("/refresh")).header("Cookie", &forged)).await;
    refusals.expect(address.post("/refresh").header("Cookie", &forged)).await;
    // From another browser, after it was redeemed: the loudest case.
    refusals.expect(address.get(&callback)).await;
    refusals.expect(address.get(&format!("{callback}&state=x"))).await;
}

#[test]
fn no_secret_is_in_the_log_in_a_refusal_or_in_the_database() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let Some(database) = Database::empty(BACKEND).await else { return };
        let url = (BACKEND == Backend::Postgres).then_some(database.url.as_str());
        let folder = tempfile::tempdir().unwrap();
        let address = Address::free();
        let process = Process::start(folder.path(), &address, url, "trace");
        let (mut secrets, mut refusals) = (Secrets::default(), Refusals::default());
        go_through_everything(&address, &mut secrets, &mut refusals).await;
        // The API key and the secrets that an operator is shown once.
        let created = Process::command(folder.path(), &["api-key", "create", "--name", "leaks", "--json"]);
        let created: Value = serde_json::from_str(&created).unwrap();
        let key = created["key"].as_str().unwrap_or_else(|| panic!("{created}"));
        secrets.add("API key", key);
        Request::new(address.admin, "GET", "/admin/v1/users").bearer(key).send().await.ok();
        let wrong = format!("{key}A");
        refusals.expect(Request::new(address.admin, "GET", "/admin/v1/users").bearer(&wrong)).await;
        let rotated = Process::command(folder.path(), &["client", "rotate-secret", "demo-web", "--json"]);
        let rotated: Value = serde_json::from_str(&rotated).unwrap();
        secrets.add("client secret", rotated["client_secret"].as_str().unwrap_or_else(|| panic!("{rotated}")));
        let store = folder.path().join("store");
        let master = std::fs::read_to_string(store.join("keys/master.key")).unwrap();
        secrets.add("master key", master.trim());

        let log = process.log();
        assert!(log.contains("TRACE") && log.contains("DEBUG"), "the log is not at its most talkative");
        secrets.assert_absent("the log", log.as_bytes());
        for answer in &refusals.0 {
            let heads: Vec<_> = answer.headers.iter().filter(|(name, _)| name != "set-cookie").collect();
            secrets.assert_absent("a refusal", format!("{heads:?} {}", answer.text()).as_bytes());
        }
        let rows = match url {
            Some(url) => dump(url).await,
            None => files(&store),
        };
        assert!(find(&rows, b"alice@example.com").is_some(), "the database is not where it was looked for");
        secrets.assert_absent("the database", &rows);
        process.kill();
        database.delete().await;
    });
}
