//! Precedence, `…_FILE`, unknown keys, every range, the listing in `config/default.toml`, and that no secret shows.

use crate::oauth::algorithm::Algorithm;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::section::{all_keys, all_sections};
use super::value::Secrets;
use super::*;

const CANARY: &str = "canary-b7c1d9";

/// Keys that any text will do for.
const FREE: [&str; 8] = [
    "keys.dir",
    "tls.certificate",
    "tls.key",
    "http.place_header",
    "registration.scope",
    "registration.metadata_document_hosts",
    "fetch.trusted_authorities",
    "fetch.private_hosts",
];
/// Keys that have no default.
const OPTIONAL: [&str; 3] = ["keys.master_key", "tls.certificate", "tls.key"];

fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (OsString::from(name), OsString::from(value))).collect()
}

/// An empty file, so that a `config/signet.toml` in the developer's checkout is not read.
const NO_FILE: &str = "/dev/null";

fn from_variables(pairs: &[(&str, &str)]) -> Result<Loaded, Error> {
    let file = Some(PathBuf::from(NO_FILE));
    load(&Sources { file, environment: variables(pairs), ..Sources::default() }, Mode::Dev)
}

fn from_text(text: &str) -> Result<Loaded, Error> {
    from_toml(Path::new("signet.toml"), text, Mode::Dev)
}

fn message(result: Result<Loaded, Error>) -> String {
    let text = result.expect_err("refused").to_string();
    assert!(!text.contains('\n'), "one line: {text}");
    text
}

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("signet.toml");
    std::fs::write(&path, "listen = \"127.0.0.1:1\"\n").unwrap();
    let environment = variables(&[("SIGNET_LISTEN", "127.0.0.1:2")]);
    let flag = Flag { name: "--port", key: "listen", value: "127.0.0.1:3".to_owned() };
    for (file, environment, flag, port) in [
        (false, false, false, 8080),
        (true, false, false, 1),
        (false, true, false, 2),
        (true, true, false, 2),
        (false, false, true, 3),
        (true, false, true, 3),
        (false, true, true, 3),
        (true, true, true, 3),
    ]
    .map(|(with_file, with_environment, with_flag, port)| {
        (
            Some(if with_file { path.clone() } else { PathBuf::from(NO_FILE) }),
            if with_environment { environment.clone() } else { Vec::new() },
            with_flag.then(|| flag.clone()),
            port,
        )
    }) {
        let sources = Sources { file, environment, flags: flag.into_iter().collect(), ..Sources::default() };
        let loaded = load(&sources, Mode::Dev).unwrap();
        assert_eq!(loaded.config.listen.port(), port);
    }
}

#[test]
fn a_value_remembers_where_it_came_from() {
    let loaded = from_text("\n[tokens]\naccess_token_seconds = 300\n").unwrap();
    let origin = loaded.origins.of("tokens.access_token_seconds").unwrap();
    assert_eq!(origin.to_string(), "signet.toml:3");
    assert!(loaded.origins.of("listen").is_none());
    let effective = loaded.config.effective_toml_redacted(&loaded.origins);
    assert!(effective.contains("access_token_seconds = 300  # signet.toml:3\n"), "{effective}");
}

#[test]
fn every_key_can_be_given_as_a_variable() {
    let default = Config::default();
    for key in all_keys(&default).iter().filter(|key| !OPTIONAL.contains(&key.path.as_str())) {
        let values = default.values(Secrets::Revealed);
        let (_, toml) = values.iter().find(|(path, _)| *path == key.path).unwrap();
        let text = toml.trim_matches(['"', '[', ']']);
        let loaded = from_variables(&[(key.variable().as_str(), text)]).unwrap();
        assert_eq!(loaded.config.values(Secrets::Revealed), values, "{}", key.path);
        assert_eq!(loaded.origins.of(&key.path).unwrap().to_string(), key.variable());
    }
}

#[test]
fn lists_are_separated_by_commas_in_a_variable() {
    let loaded = from_variables(&[
        ("SIGNET_HTTP__TRUSTED_PROXIES", "10.0.0.0/8, fd00::/8,192.0.2.1"),
        ("SIGNET_KEYS__FURTHER_ALGORITHMS", "PS256,EdDSA"),
    ])
    .unwrap();
    let networks = loaded.config.http.trusted_proxies;
    assert_eq!(networks.iter().map(|network| network.prefix).collect::<Vec<_>>(), [8, 8, 32]);
    assert_eq!(loaded.config.keys.further_algorithms, [Algorithm::Ps256, Algorithm::EdDsa]);
}

#[test]
fn a_secret_can_be_the_content_of_a_file_without_its_last_newline() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("url");
    for (content, expected) in [
        ("postgres://u@h/d", "postgres://u@h/d"),
        ("postgres://u@h/d\n", "postgres://u@h/d"),
        ("postgres://u@h/d\r\n", "postgres://u@h/d"),
        ("postgres://u@h/d\n\n", "postgres://u@h/d\n"),
    ] {
        std::fs::write(&path, content).unwrap();
        let loaded = from_variables(&[("SIGNET_DATABASE__URL_FILE", path.to_str().unwrap())]).unwrap();
        assert_eq!(loaded.config.database.url.reveal(), expected);
    }
    let missing = message(from_variables(&[("SIGNET_DATABASE__URL_FILE", "/nowhere/url")]));
    assert!(missing.contains("/nowhere/url") && missing.contains("SIGNET_DATABASE__URL_FILE"), "{missing}");
}

#[test]
fn a_secret_given_twice_is_refused() {
    let both = [("SIGNET_DATABASE__URL", "sqlite://a"), ("SIGNET_DATABASE__URL_FILE", "/nowhere")];
    let text = message(from_variables(&both));
    assert_eq!(text, "both SIGNET_DATABASE__URL and SIGNET_DATABASE__URL_FILE are set; keep one of them");
}

#[test]
fn only_secrets_have_a_file_variable() {
    let text = message(from_variables(&[("SIGNET_LISTEN_FILE", "/nowhere")]));
    assert!(text.starts_with("unknown variable SIGNET_LISTEN_FILE"), "{text}");
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    for (text, nearest) in [
        ("lissen = 1", "listen"),
        ("[token]\naccess_token_seconds = 1", "tokens"),
        ("[tokens]\naccess_token_secs = 1", "tokens.access_token_seconds"),
        ("[refresh.spar]\nburst = 1", "refresh.spa"),
        ("[refresh.spa]\nbrust = 1", "refresh.spa.burst"),
        ("tokens.access_token_second = 1", "tokens.access_token_seconds"),
    ] {
        let error = message(from_text(text));
        assert!(error.contains(&format!("the nearest known one is {nearest} (signet.toml:")), "{error}");
    }
    for (variable, nearest) in [
        ("SIGNET_DATABASE_URL", "SIGNET_DATABASE__URL"),
        ("SIGNET_DATABASE__URL_FIEL", "SIGNET_DATABASE__URL_FILE"),
        ("SIGNET_ISSUER_URL", "SIGNET_PUBLIC_URL"),
    ] {
        let error = message(from_variables(&[(variable, CANARY)]));
        assert_eq!(error, format!("unknown variable {variable}; the nearest known one is {nearest}"));
    }
}

#[test]
fn variables_that_are_no_settings_are_left_alone() {
    let loaded = from_variables(&[
        ("SIGNET_DIR", "data/dev"),
        ("SIGNET_TEST_POSTGRES", "postgres://x"),
        ("SIGNET_SERVICE_HOST", "10.0.0.1"),
        ("SIGNET_PORT", "tcp://10.0.0.1:8080"),
        ("SIGNET_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("PATH", "/bin"),
    ]);
    assert!(loaded.unwrap().origins.0.is_empty());
}

#[test]
fn a_named_file_has_to_exist() {
    let sources = Sources { file: Some(PathBuf::from("/nowhere/signet.toml")), ..Sources::default() };
    assert!(message(load(&sources, Mode::Dev)).contains("/nowhere/signet.toml"));
}

#[test]
fn every_integer_is_refused_outside_its_range() {
    let default = Config::default();
    let mut ranges = 0;
    for key in all_keys(&default) {
        let Err(Error::Invalid { expected, .. }) = from_variables(&[(key.variable().as_str(), "-1")]) else {
            continue;
        };
        let Some((low, high)) = expected.strip_prefix("an integer from ").and_then(|r| r.split_once(" to "))
        else {
            continue;
        };
        let (low, high): (i64, i64) = (low.parse().unwrap(), high.parse().unwrap());
        ranges += 1;
        for outside in [low - 1, high + 1] {
            let error = message(from_variables(&[(key.variable().as_str(), &outside.to_string())]));
            let expected = format!(
                "{} is {outside}, expected an integer from {low} to {high} ({})",
                key.path,
                key.variable()
            );
            assert_eq!(error, expected);
        }
        for inside in [low, high] {
            let result = from_variables(&[(key.variable().as_str(), &inside.to_string())]);
            assert!(!matches!(result, Err(Error::Invalid { .. })), "{} = {inside}", key.path);
        }
    }
    assert_eq!(ranges, 70, "integer keys");
}

#[test]
fn the_ranges_that_security_rests_on() {
    for refused in [
        "[tokens]\naccess_token_seconds = 901",
        "[tokens]\nauthorization_code_seconds = 61",
        "[tokens]\nlifetime_jitter_percent = 21",
        "[keys]\npublish_ahead_minutes = 14",
        "[keys]\nrsa_bits = 1024",
        "[keys]\nrsa_bits = 2500",
        "[keys]\nid_token_algorithm = \"none\"",
        "[keys]\nid_token_algorithm = \"HS256\"",
        "[passwords]\nmin_length = 7",
        "[throttle]\naccount_burst = 101",
        "[sessions]\nremember_absolute_days = 31",
    ] {
        assert!(matches!(from_text(refused), Err(Error::Invalid { .. })), "{refused}");
    }
}

#[test]
fn a_wrong_type_is_named_without_its_value() {
    for (text, expected) in [
        ("listen = 8080", "listen is an integer, expected an address with a port"),
        (
            "[tokens]\nid_token_seconds = \"600\"",
            "tokens.id_token_seconds is a string, expected an integer from",
        ),
        (
            "[tokens]\nid_token_seconds = 1.5",
            "tokens.id_token_seconds is a fraction, expected an integer from",
        ),
        ("[sessions]\nremember_me = \"yes\"", "sessions.remember_me is a string, expected true or false"),
        ("[log]\nformat = \"xml\"", "log.format is a string, expected one of \"text\", \"json\""),
        ("tokens = 5", "tokens is an integer, expected a table"),
        ("[listen]\nport = 1", "listen is a table, expected an address with a port"),
        (
            "[http]\ntrusted_proxies = [\"10.0.0.0/33\"]",
            "http.trusted_proxies is a list with another item, expected",
        ),
        (
            "[database]\nurl = \"mysql://h/d\"",
            "database.url is a string, expected a URL that begins with sqlite://",
        ),
        (
            "public_url = \"https://h/\"",
            "public_url is a string, expected an http:// or https:// URL without",
        ),
    ] {
        let error = message(from_text(text));
        assert!(error.starts_with(expected), "{error}");
    }
}

#[test]
fn an_issuer_has_one_form() {
    for good in
        ["http://localhost:8080", "https://login.example.com", "https://example.com/a/b", "http://[::1]:8080"]
    {
        assert!(validate::is_issuer(good), "{good}");
    }
    for bad in [
        "",
        "localhost",
        "ftp://h",
        "https://h/",
        "https://h/a/",
        "https://h?q",
        "https://h#f",
        "https://u@h",
        "https://u:p@h",
        "HTTPS://h",
        "https://H",
        "https://h:443",
        "https://h/a/../b",
        " https://h",
    ] {
        assert!(!validate::is_issuer(bad), "{bad}");
    }
}

#[test]
fn rules_between_keys() {
    for (text, key) in [
        ("admin_listen = \"127.0.0.1:8080\"", "admin_listen"),
        ("[database]\nstatement_timeout_ms = 9000", "database.statement_timeout_ms"),
        ("[keys]\nrotate_every_days = 1\npublish_ahead_minutes = 1440", "keys.publish_ahead_minutes"),
        ("[refresh]\nhold_horizon_seconds = 50", "refresh.hold_horizon_seconds"),
        ("[refresh]\nretry_window_seconds = 40", "refresh.hold_horizon_seconds"),
        ("[refresh]\nrequest_deadline_seconds = 15", "refresh.hold_horizon_seconds"),
        ("[refresh.spa]\nabsolute_seconds = 3600", "refresh.spa.idle_seconds"),
        ("[refresh.native]\nabsolute_seconds = 3600", "refresh.native.idle_seconds"),
        ("[refresh.cookie]\nabsolute_seconds = 3600", "refresh.cookie.idle_seconds"),
        ("[refresh.confidential]\nabsolute_seconds = 3600", "refresh.confidential.idle_seconds"),
        ("[refresh.high_assurance]\nabsolute_seconds = 600", "refresh.high_assurance.idle_seconds"),
        (
            "[revocation]\nheartbeat_ms = 2001\n[refresh]\nrequest_deadline_seconds = 4",
            "revocation.heartbeat_ms",
        ),
        ("[sessions]\nidle_minutes = 1441", "sessions.idle_minutes"),
        ("[sessions]\nremember_idle_days = 15\nremember_absolute_days = 14", "sessions.remember_idle_days"),
        ("[passwords]\nmemory_kib = 16\nparallelism = 4", "passwords.memory_kib"),
        ("[tls]\ncertificate = \"a.pem\"", "tls.key"),
        ("[tls]\nkey = \"a.pem\"", "tls.certificate"),
        ("[tls]\ncertificate = \"a.pem\"\nkey = \"b.pem\"", "public_url"),
        ("[browser]\nhosts = [\"https://auth.example.com\"]", "browser.hosts"),
        ("[browser]\ncookie_domains = [\"example.com\"]", "browser.cookie_domains"),
    ] {
        let error = message(from_text(text));
        assert!(error.starts_with(&format!("{key} ")), "{text}: {error}");
    }
    from_text("[refresh]\nhold_horizon_seconds = 51").unwrap();
}

#[test]
fn a_broken_rule_says_where_its_key_was_given() {
    let error = message(from_text("[refresh]\nhold_horizon_seconds = 50"));
    assert!(error.ends_with("(signet.toml:2)"), "{error}");
    let error = message(from_text("[refresh]\nretry_window_seconds = 40"));
    assert!(error.ends_with("(the default)"), "{error}");
}

#[test]
fn serve_refuses_what_is_only_good_for_a_try() {
    for (text, key) in [
        ("public_url = \"http://login.example.com\"", "public_url"),
        ("public_url = \"http://10.0.0.1:8080\"", "public_url"),
        ("public_url = \"http://localhost.example.com\"", "public_url"),
        ("[database]\nurl = \"sqlite://:memory:\"", "database.url"),
        ("[passwords]\nmemory_kib = 19455\niterations = 2", "passwords.memory_kib"),
        ("[passwords]\nmemory_kib = 47103", "passwords.memory_kib"),
    ] {
        from_text(text).unwrap();
        let error = message(from_toml(Path::new("signet.toml"), text, Mode::Serve));
        assert!(error.starts_with(&format!("{key} ")), "{error}");
    }
    for text in [
        "",
        "public_url = \"http://127.0.0.1:8080\"",
        "public_url = \"http://[::1]:8080\"",
        "public_url = \"https://login.example.com\"",
        "[passwords]\nmemory_kib = 19456\niterations = 2",
    ] {
        from_toml(Path::new("signet.toml"), text, Mode::Serve).unwrap();
    }
}

#[test]
fn default_toml_is_the_default() {
    let text = include_str!("../../config/default.toml");
    let loaded = from_toml(Path::new("config/default.toml"), text, Mode::Serve).unwrap();
    assert_eq!(loaded.config.values(Secrets::Revealed), Config::default().values(Secrets::Revealed));
    for key in all_keys(&loaded.config).iter().filter(|key| !OPTIONAL.contains(&key.path.as_str())) {
        assert!(loaded.origins.of(&key.path).is_some(), "config/default.toml lacks {}", key.path);
    }
    for key in OPTIONAL.iter().filter_map(|path| path.rsplit('.').next()) {
        assert!(text.contains(&format!("\n# {key} = ")), "an optional key appears as a comment: {key}");
    }
    let order: Vec<_> = text.lines().filter_map(|line| line.strip_prefix('[')?.split_once(']')).collect();
    let sections: Vec<_> = all_sections(&loaded.config).into_iter().skip(1).map(|(path, _)| path).collect();
    assert_eq!(order.iter().map(|(name, _)| *name).collect::<Vec<_>>(), sections);
}

#[test]
fn every_key_in_default_toml_has_its_reason() {
    let text = include_str!("../../config/default.toml");
    for line in text.lines().filter(|line| line.contains(" = ")) {
        let reason = line.trim_start_matches("# ").split_once('#').map_or("", |(_, reason)| reason.trim());
        assert!(reason.len() > 5, "no reason: {line}");
    }
}

#[test]
fn the_production_example_and_the_template_can_serve() {
    let example = include_str!("../../config/example.production.toml");
    let template = init_template("https://login.example.com", "postgres://u:p\"\\@h/d");
    for text in [example, template.as_str()] {
        assert!(text.lines().count() <= 40);
        from_toml(Path::new("signet.toml"), text, Mode::Serve).unwrap();
    }
    let loaded = from_text(&template).unwrap();
    assert_eq!(loaded.config.database.url.reveal(), "postgres://u:p\"\\@h/d");
    assert_eq!(loaded.config.public_url, "https://login.example.com");
}

#[test]
fn the_configuration_for_the_certification_suite_can_serve_and_fits_its_document() {
    let text = include_str!("../../config/certification.toml");
    let config = from_toml(Path::new("certification.toml"), text, Mode::Serve).unwrap().config;
    assert_eq!(config.registration.mode, super::registration::Mode::Open);
    assert_eq!(config.registration.profile, crate::oauth::client_metadata::Profile::OidcCertification);
    assert!(config.protocol.legacy_response_types && config.public_url.starts_with("https://"));
    assert_eq!(config.keys.publish_ahead_minutes, 15);
    assert!(!config.fetch.private_hosts.is_empty() && !config.fetch.trusted_authorities.is_empty());
    let document = include_str!("../../docs/certification.md");
    let plans: Vec<_> = document
        .lines()
        .filter(|line| line.starts_with("| `oidcc-") && line.contains("-test-plan"))
        .collect();
    assert_eq!(plans.len(), 10);
    for plan in ["static", "dynamic", "backchannel", "frontchannel"] {
        let setup = include_str!("../../scripts/certification-setup");
        assert!(setup.contains(&format!("\"{plan}\": {{")), "{plan}");
        assert!(document.contains(&format!("`{plan}.json`")), "{plan}");
    }
    for settings in plans.iter().flat_map(|plan| plan.split('`').skip(1).step_by(2)) {
        let Some((key, value)) = settings.split_once(" = ") else { continue };
        let (section, key) = key.split_once('.').unwrap();
        let (_, rest) = text.split_once(&format!("[{section}]")).unwrap();
        let section = rest.split("\n[").next().unwrap();
        assert!(section.contains(&format!("\n{key} = {value}")), "{settings}");
    }
}

#[test]
fn what_is_written_for_the_owner_loads_again() {
    let text =
        "listen = \"[::1]:1\"\n[database]\nurl = \"postgres://u:p@h/d\"\n[refresh.spa]\nrotate = false\n";
    let config = from_text(text).unwrap().config;
    let written = config.changes_toml_revealed();
    assert_eq!(written.lines().filter(|line| line.contains(" = ")).count(), 3, "{written}");
    let again = from_text(&written).unwrap().config;
    assert_eq!(again.values(Secrets::Revealed), config.values(Secrets::Revealed));
    assert_eq!(Config::default().changes_toml_revealed(), "");
}

#[test]
fn no_secret_shows_in_anything_that_prints() {
    let master_key = format!("{CANARY}{}", "A".repeat(43 - CANARY.len()));
    let loaded = from_variables(&[
        ("SIGNET_DATABASE__URL", &format!("postgres://{CANARY}:{CANARY}@h:5433/d?password={CANARY}")),
        ("SIGNET_KEYS__MASTER_KEY", &master_key),
    ])
    .unwrap();
    let effective = loaded.config.effective_toml_redacted(&loaded.origins);
    assert!(effective.contains("url = \"postgres://h:5433/d\"  # SIGNET_DATABASE__URL"), "{effective}");
    assert!(effective.contains("master_key = \"[redacted]\""), "{effective}");
    toml::from_str::<toml::Table>(&effective).unwrap();
    let json = serde_json::Value::Object(loaded.config.effective_json_redacted()).to_string();
    assert!(json.contains("\"tokens.access_token_seconds\":600"), "{json}");
    for printed in [format!("{loaded:?}"), format!("{:?}", loaded.config), effective, json] {
        assert!(!printed.contains(CANARY), "{printed}");
    }
    assert!(loaded.config.changes_toml_revealed().contains(CANARY));
}

#[test]
fn no_secret_shows_in_an_error() {
    let lines = [
        format!("[database]\nurl = \"{CANARY}\""),
        format!("[database]\nurl = {CANARY}"),
        format!("[database]\nurl = postgres://u:{CANARY}@h/d"),
        format!("[database]\nurl = \"postgres://u:{CANARY}@h/d"),
        format!("[database]\nurl = \"\\q{CANARY}\""),
        format!("[database]\nurl = [\"{CANARY}\"]"),
        format!("[keys]\nmaster_key = \"{CANARY}\""),
        format!("[keys]\nmaster_key = \"{CANARY}\"\nmaster_key = \"{CANARY}\""),
        format!("[keys]\nmaster_keys = \"{CANARY}\""),
        format!("listen = \"{CANARY}\""),
        format!("[log]\nformat = \"{CANARY}\""),
        format!("[tokens]\nid_token_seconds = \"{CANARY}\""),
        format!("[http]\ntrusted_proxies = [\"{CANARY}\"]"),
    ];
    let mut errors: Vec<_> = lines.iter().map(|text| from_text(text).expect_err(text)).collect();
    for key in all_keys(&Config::default()).iter().filter(|key| !FREE.contains(&key.path.as_str())) {
        errors.push(from_variables(&[(key.variable().as_str(), CANARY)]).expect_err("refused"));
    }
    for error in errors {
        for printed in [error.to_string(), format!("{error:?}")] {
            assert!(!printed.contains(CANARY) && !printed.contains('\n'), "{printed}");
        }
    }
}
