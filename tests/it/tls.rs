//! TLS of the program's own: what it speaks, how a certificate is renewed under it, and `signet dev --tls`. On SQLite
//! alone: nothing of this touches the database.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::prelude::*;
use crate::support::process::Address;
use crate::support::tls::{Authority, Client, Program, ask, command, configuration, put, shown};

fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test);
}

/// `signet serve` with a certificate for localhost that a test can renew.
struct Served {
    authority: Authority,
    folder: tempfile::TempDir,
    address: Address,
    program: Program,
}

impl Served {
    fn start(more: &str) -> Self {
        let more = if more.is_empty() { "[http]\nclient_request_timeout_seconds = 60\n" } else { more };
        let (authority, folder, address) = (Authority::new(), tempfile::tempdir().unwrap(), Address::free());
        authority.renew(folder.path(), 2090);
        let file = configuration(folder.path(), &address, more);
        let program = Program::start(&["serve", "--config", file.to_str().unwrap()]);
        program.says("ready");
        Self { authority, folder, address, program }
    }

    fn client(&self) -> Client {
        Client::modern(&self.authority.pem)
    }
}

mod listener {
    use super::*;

    #[test]
    fn it_speaks_tls_1_2_and_1_3_and_http_1_1_within() {
        block_on(async {
            let served = Served::start("");
            let to = served.address.public;
            for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
                let client = Client::new(&served.authority.pem, &[version], &["h2", "http/1.1"]);
                let stream = client.connect(to, "localhost").await.unwrap();
                assert_eq!(stream.get_ref().1.protocol_version(), Some(version.version));
                assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
                client.get(to, "/healthz").await.unwrap().ok();
            }
            let silent = Client::new(&served.authority.pem, rustls::ALL_VERSIONS, &[]);
            silent.get(to, "/healthz").await.unwrap().ok();
            let other = Client::new(&served.authority.pem, rustls::ALL_VERSIONS, &["h2"]);
            assert!(other.connect(to, "localhost").await.is_err(), "HTTP/2 is not spoken");
            let metrics = Request::new(served.address.admin, "GET", "/metrics").send().await;
            let metrics = metrics.ok().text();
            let line = "\nsignet_tls_certificate_expiry_timestamp_seconds 3786912000\n";
            assert!(metrics.contains(line), "{metrics}");
        });
    }

    /// A ClientHello of a version before 1.3, with what a server of TLS 1.2 wants to see.
    fn hello(minor: u8) -> Vec<u8> {
        let mut body = vec![3, minor];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0xc0, 0x2b, 1, 0, 0, 24]);
        // Signature algorithms, groups, point formats.
        body.extend([0, 13, 0, 6, 0, 4, 4, 3, 8, 4, 0, 10, 0, 4, 0, 2, 0, 23, 0, 11, 0, 2, 1, 0]);
        let length = u8::try_from(body.len()).unwrap();
        let mut hello = vec![0x16, 3, 1, 0, length + 4, 1, 0, 0, length];
        hello.extend(body);
        hello
    }

    #[test]
    fn it_refuses_tls_1_1_and_plain_http_and_answers_them_nothing() {
        block_on(async {
            let served = Served::start("");
            // The server now waits for an answer: what it said is all that is read.
            let mut stream = TcpStream::connect(served.address.public).await.unwrap();
            stream.write_all(&hello(3)).await.unwrap();
            let mut taken = Vec::new();
            stream.read_buf(&mut taken).await.unwrap();
            assert_eq!(taken.first(), Some(&0x16), "a handshake: {taken:?}");
            let alert = all_words(&served, &hello(2)).await;
            assert_eq!(
                (alert.first(), alert.last()),
                (Some(&0x15), Some(&70)),
                "protocol_version: {alert:?}"
            );
            let answer = all_words(&served, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
            assert!(!answer.windows(4).any(|four| four == b"HTTP"), "{answer:?}");
            served.client().get(served.address.public, "/healthz").await.unwrap().ok();
        });
    }

    async fn all_words(served: &Served, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(served.address.public).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer
    }

    #[test]
    fn handshakes_that_are_not_finished_keep_nobody_out_and_end() {
        block_on(async {
            let served = Served::start("[http]\nworkers = 1\nclient_request_timeout_seconds = 10\n");
            let mut slow = Vec::new();
            for number in 0..300 {
                let mut stream = TcpStream::connect(served.address.public).await.unwrap();
                if number % 2 == 0 {
                    stream.write_all(&hello(3)[..9]).await.unwrap();
                }
                slow.push(stream);
            }
            served.client().get(served.address.public, "/healthz").await.unwrap().ok();
            let ended =
                tokio::time::timeout(Duration::from_millis(20), slow.last().unwrap().readable()).await;
            assert!(ended.is_err(), "it was answered once the others had ended");
            for mut stream in slow {
                let end = tokio::time::timeout(MINUTE, stream.read_to_end(&mut Vec::new())).await;
                assert!(end.is_ok(), "a handshake is waited for without end");
            }
        });
    }

    #[test]
    fn a_peer_that_reads_nothing_is_cut_off() {
        block_on(async {
            let served =
                Served::start("[http]\nwrite_timeout_seconds = 1\nclient_request_timeout_seconds = 60\n");
            let client = Client::new(&served.authority.pem, &[&rustls::version::TLS13], &[]);
            let mut stream = client.connect(served.address.public, "localhost").await.unwrap();
            let many =
                "GET /.well-known/openid-configuration HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(200);
            // Asks on and reads nothing until the server has had enough.
            let asking = async { while stream.write_all(many.as_bytes()).await.is_ok() {} };
            assert!(tokio::time::timeout(MINUTE, asking).await.is_ok());
        });
    }

    #[test]
    fn pages_say_that_https_is_for_good() {
        block_on(async {
            let served = Served::start("");
            let page = served.client().get(served.address.public, "/login").await.unwrap();
            assert_eq!(header(&page, "strict-transport-security"), "max-age=31536000");
        });
    }
}

mod renewal {
    use super::*;

    #[test]
    fn a_renewed_certificate_is_taken_up_and_open_connections_go_on() {
        block_on(async {
            let served = Served::start("");
            let to = served.address.public;
            let mut open = served.client().connect(to, "localhost").await.unwrap();
            ask(&mut open, "/healthz").await.ok();
            let old = shown(&open);
            // By the files alone, then by the signal.
            for (year, signal) in [(2080, false), (2081, true)] {
                let renewed = served.authority.renew(served.folder.path(), year);
                if signal {
                    served.program.signal("-HUP");
                }
                served.program.says(&format!("until={year}"));
                let fresh = served.client().connect(to, "localhost").await.unwrap();
                assert_eq!(shown(&fresh), renewed);
                assert_ne!(renewed, old);
                ask(&mut open, "/healthz").await.ok();
                let metrics = Request::new(served.address.admin, "GET", "/metrics").send().await;
                let seconds = if year == 2080 { "3471292800" } else { "3502915200" };
                let line = format!("signet_tls_certificate_expiry_timestamp_seconds {seconds}\n");
                assert!(metrics.ok().text().contains(&line), "{}", metrics.text());
            }
        });
    }

    #[test]
    fn under_load_no_request_is_lost() {
        block_on(async {
            let served = Served::start("");
            let to = served.address.public;
            let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
            let clients: Vec<_> = (0..6)
                .map(|number| {
                    let (stop, answered, client) =
                        (Arc::clone(&stop), Arc::clone(&answered), served.client());
                    tokio::spawn(async move {
                        let mut kept = client.connect(to, "localhost").await.unwrap();
                        while !stop.load(Ordering::SeqCst) {
                            if number % 2 == 0 {
                                ask(&mut kept, "/healthz").await.ok();
                            } else {
                                client.get(to, "/healthz").await.unwrap().ok();
                            }
                            answered.fetch_add(1, Ordering::SeqCst);
                        }
                    })
                })
                .collect();
            for round in 0..10 {
                served.authority.renew(served.folder.path(), 2060 + round);
                served.program.signal("-HUP");
                served.program.says(&format!("until={}", 2060 + round));
            }
            let enough = async {
                while answered.load(Ordering::SeqCst) <= 50
                    && !clients.iter().any(tokio::task::JoinHandle::is_finished)
                {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(MINUTE, enough).await.expect("fifty answers");
            stop.store(true, Ordering::SeqCst);
            for client in clients {
                client.await.unwrap();
            }
        });
    }

    #[test]
    fn a_broken_pair_leaves_the_old_one_in_use() {
        block_on(async {
            let served = Served::start("");
            let to = served.address.public;
            let before = shown(&served.client().connect(to, "localhost").await.unwrap());
            let foreign = served.authority.pair(&["localhost"], 2070).1;
            let expired = served.authority.pair(&["localhost"], 2024);
            // What is said of a pair that is half written is not what is looked for.
            for (name, text, problem) in [
                ("key.pem", foreign.as_str(), "is not the key of"),
                ("key.pem", "nothing\n", "holds no private key"),
                ("cert.pem", "", "holds no certificate"),
                ("cert.pem", expired.0.as_str(), "holds no private key"),
                ("key.pem", expired.1.as_str(), "has expired"),
            ] {
                put(served.folder.path(), name, text);
                served.program.signal("-HUP");
                served.program.says_all(&["the certificate read before stays in use", problem]);
                let now = served.client().connect(to, "localhost").await.unwrap();
                assert_eq!(shown(&now), before);
            }
            served.authority.renew(served.folder.path(), 2071);
            served.program.says("until=2071");
        });
    }
}

mod start {
    use super::*;

    /// What `serve` says to files that it cannot use. Its database is down: it would wait for it.
    fn refused(prepare: impl FnOnce(&Path, &Authority)) -> String {
        let (authority, folder, address) = (Authority::new(), tempfile::tempdir().unwrap(), Address::free());
        authority.renew(folder.path(), 2090);
        prepare(folder.path(), &authority);
        let file = configuration(folder.path(), &address, "");
        let text = std::fs::read_to_string(&file).unwrap();
        let database = format!("sqlite://{}/signet.sqlite", folder.path().display());
        std::fs::write(&file, text.replace(&database, "postgres://nobody@127.0.0.1:1/none")).unwrap();
        let (code, said) = Program::start(&["serve", "--config", file.to_str().unwrap()]).end();
        assert_eq!((code, said.len()), (Some(1), 1), "{said:?}");
        assert!(std::net::TcpStream::connect(address.admin).is_err());
        said[0].clone()
    }

    #[test]
    fn files_that_cannot_be_used_are_one_line_before_anything_listens() {
        let said = refused(|folder, _| std::fs::remove_file(folder.join("cert.pem")).unwrap());
        assert!(said.contains("tls.certificate") && said.contains("cannot be read"), "{said}");
        let said = refused(|folder, _| std::fs::remove_file(folder.join("key.pem")).unwrap());
        assert!(said.contains("tls.key") && said.contains("cannot be read"), "{said}");
        let said = refused(|folder, _| put(folder, "cert.pem", "hello\n"));
        assert!(said.contains("holds no certificate"), "{said}");
        let garbage = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
        let said = refused(|folder, _| put(folder, "cert.pem", garbage));
        assert!(said.contains("cannot be read"), "{said}");
        let said =
            refused(|folder, authority| put(folder, "key.pem", &authority.pair(&["localhost"], 2090).1));
        assert!(said.contains("is not the key of"), "{said}");
        let encrypted =
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\naGVsbG8=\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let said = refused(|folder, _| put(folder, "key.pem", encrypted));
        assert!(said.contains("not encrypted"), "{said}");
    }

    #[test]
    fn a_key_that_others_can_read_and_a_certificate_for_other_names_are_warned_of() {
        use std::os::unix::fs::PermissionsExt as _;
        let (authority, folder, address) = (Authority::new(), tempfile::tempdir().unwrap(), Address::free());
        let (chain, key) = authority.pair(&["other.example"], 2090);
        put(folder.path(), "cert.pem", &chain);
        put(folder.path(), "key.pem", &key);
        let mode = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(folder.path().join("key.pem"), mode).unwrap();
        let file = configuration(folder.path(), &address, "");
        let file = file.to_str().unwrap();
        let program = Program::start(&["serve", "--config", file]);
        let said = program.says("ready").join("\n");
        assert!(said.contains("may be read by others (mode 644)"), "{said}");
        assert!(said.contains("is not for localhost"), "{said}");
        let doctor = command(&["doctor", "--config", file]).output().unwrap();
        let found = String::from_utf8(doctor.stdout).unwrap();
        assert!(!doctor.status.success());
        assert!(found.contains("FAIL  certificate") && found.contains("chmod 600"), "{found}");
    }
}

/// `signet dev --tls` in a folder.
struct Dev {
    address: Address,
    folder: std::path::PathBuf,
    program: Program,
    welcome: Value,
}

impl Dev {
    fn start(folder: &Path, more: &[&str]) -> Self {
        let address = Address::free();
        let (port, admin) = (address.public.port().to_string(), address.admin.port().to_string());
        let dir = folder.to_str().unwrap();
        let mut arguments = vec!["dev", "--json", "--port", &port, "--admin-port", &admin, "--dir", dir];
        arguments.extend(more);
        let program = Program::start(&arguments);
        let mut lines = program.says("{");
        lines.extend(program.says_whole("}"));
        let start = lines.iter().position(|line| line == "{").unwrap();
        let welcome = serde_json::from_str(&lines[start..].join("\n")).unwrap();
        Self { address, folder: folder.to_owned(), program, welcome }
    }

    fn ca(&self) -> String {
        std::fs::read_to_string(self.folder.join("tls/ca.pem")).unwrap()
    }

    /// What a command prints that works on this store.
    fn command(&self, arguments: &[&str]) -> String {
        let output = command(arguments).arg("--dir").arg(&self.folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// What `healthcheck` prints. It waits for 2 s, which a machine may stand still for now and then.
    fn healthy(&self, healthcheck: &mut std::process::Command) -> String {
        let mut said = String::new();
        for _ in 0..10 {
            let output = healthcheck.output().unwrap();
            if output.status.success() {
                return String::from_utf8(output.stdout).unwrap();
            }
            said = String::from_utf8_lossy(&output.stderr).into_owned();
        }
        panic!("{}: {said}", self.address.public);
    }
}

mod development {
    use super::*;

    #[test]
    fn the_authority_is_made_once_and_its_certificate_is_for_every_name() {
        block_on(async {
            let root = tempfile::tempdir().unwrap();
            let folder = root.path().join("store");
            let names = ["--tls", "--name", "auth.example.test", "--host", "auth.other.localhost"];
            let first = Dev::start(&folder, &names);
            let port = first.address.public.port();
            assert_eq!(first.welcome["issuer"], format!("https://auth.example.test:{port}"));
            assert_eq!(first.welcome["hosts"], json!([format!("https://auth.other.localhost:{port}")]));
            let ca = first.ca();
            let client = Client::modern(&ca);
            for name in ["localhost", "127.0.0.1", "::1", "auth.example.test", "auth.other.localhost"] {
                let stream = client.connect(first.address.public, name).await;
                assert!(stream.is_ok(), "{name}: {:?}", stream.err());
            }
            assert!(client.connect(first.address.public, "bank.example").await.is_err());
            drop(first);
            let second = Dev::start(&folder, &names);
            assert_eq!(second.ca(), ca);
            drop(second);
            let narrower = Dev::start(&folder, &["--tls"]);
            assert_eq!(narrower.ca(), ca);
            Client::modern(&ca).get(narrower.address.public, "/healthz").await.unwrap().ok();
            use std::os::unix::fs::PermissionsExt as _;
            for file in ["ca.key", "server.key"] {
                let mode = std::fs::metadata(folder.join("tls").join(file)).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600, "{file}");
            }
        });
    }

    #[test]
    fn the_demo_and_the_commands_work_over_it() {
        block_on(async {
            let root = tempfile::tempdir().unwrap();
            let dev = Dev::start(&root.path().join("store"), &["--tls", "--name", "auth.example.test"]);
            let issuer = dev.welcome["issuer"].as_str().unwrap().to_owned();
            let token = dev.command(&["token", "--client", "demo-service", "--scope", "read"]);
            assert_eq!(claims(&token)["iss"], issuer);
            let signed_in = dev.command(&["login", "--headless", "--scope", "openid read", "--json"]);
            let signed_in: Value = serde_json::from_str(&signed_in).unwrap();
            let token = signed_in["access_token"].as_str().unwrap();
            let ca = reqwest::Certificate::from_pem(dev.ca().as_bytes()).unwrap();
            let client = reqwest::Client::builder()
                .add_root_certificate(ca)
                .resolve("auth.example.test", dev.address.public)
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .unwrap();
            let me = client.get(format!("{issuer}/demo/api/me")).bearer_auth(token).send().await.unwrap();
            assert_eq!(me.status(), 200);
            let me: Value = me.json().await.unwrap();
            assert_eq!(me["client_id"], "demo-spa");
            let asked = request("demo-spa").with("redirect_uri", &format!("{issuer}/demo/callback"));
            let page = client.get(format!("{issuer}{}", asked.target())).send().await.unwrap();
            let cookies: Vec<_> = page.headers().get_all("set-cookie").iter().collect();
            assert!(!cookies.is_empty(), "{page:?}");
            for cookie in cookies.iter().map(|cookie| cookie.to_str().unwrap()) {
                assert!(cookie.starts_with("__Host-") && cookie.contains("; Secure"), "{cookie}");
            }
            // It would hold for everything else on this name.
            assert_eq!(page.headers().get("strict-transport-security"), None);
            let url = format!("{issuer}/healthz");
            for arguments in [&["healthcheck", "--url", &url][..], &["healthcheck"]] {
                assert!(
                    dev.healthy(command(arguments).arg("--dir").arg(&dev.folder)).contains("answers 200")
                );
            }
            assert!(dev.command(&["doctor"]).contains("ok    certificate"));
            let told = dev.program.lines_so_far();
            let warned = |line: &String| line.contains("WARN") && line.contains("certificate");
            assert!(!told.iter().any(warned), "{told:?}");
        });
    }

    #[test]
    fn whoever_is_not_trusted_is_not_spoken_to() {
        block_on(async {
            let root = tempfile::tempdir().unwrap();
            let dev = Dev::start(&root.path().join("store"), &["--tls"]);
            let url = format!("https://localhost:{}/healthz", dev.address.public.port());
            let elsewhere = root.path().join("signet.toml");
            std::fs::write(&elsewhere, "").unwrap();
            let elsewhere = elsewhere.to_str().unwrap();
            let refused = command(&["healthcheck", "--config", elsewhere, "--url", &url]).output().unwrap();
            assert!(!refused.status.success());
            let said = String::from_utf8(refused.stderr).unwrap();
            assert!(said.contains("--cacert"), "{said}");
            let ca = dev.folder.join("tls/ca.pem");
            let ca = ca.to_str().unwrap();
            let trusted = ["healthcheck", "--config", elsewhere, "--url", &url, "--cacert", ca];
            dev.healthy(&mut command(&trusted));
            let by_address = format!("https://127.0.0.1:{}/healthz", dev.address.public.port());
            let trusted = ["healthcheck", "--config", elsewhere, "--url", &by_address, "--cacert", ca];
            dev.healthy(&mut command(&trusted));
        });
    }

    #[test]
    fn without_tls_names_are_below_localhost() {
        block_on(async {
            let root = tempfile::tempdir().unwrap();
            let folder = root.path().join("store");
            let names = ["--name", "auth.shop.localhost", "--host", "auth.other.localhost"];
            let dev = Dev::start(&folder, &names);
            let port = dev.address.public.port();
            assert_eq!(dev.welcome["issuer"], format!("http://auth.shop.localhost:{port}"));
            assert_eq!(dev.welcome["hosts"], json!([format!("http://auth.other.localhost:{port}")]));
            let login = dev.command(&["login", "--headless", "--scope", "openid read", "--json"]);
            let login: Value = serde_json::from_str(&login).unwrap();
            let token = login["access_token"].as_str().unwrap();
            let me = dev.address.get("/demo/api/me").bearer(token).send().await;
            assert_eq!(me.ok().json()["client_id"], "demo-spa");
            let folder = folder.to_str().unwrap();
            for wrong in [["--name", "auth.example.test"], ["--host", "example.test"], ["--name", "UPPER"]] {
                let output = command(&["dev", "--dir", folder]).args(wrong).output().unwrap();
                assert_eq!(output.status.code(), Some(2), "{wrong:?}");
            }
        });
    }
}
