//! Signet from outside: HTTP in, HTTP out. Every specification is a file, every section a module, every rule a
//! sentence, and all of it runs on both databases: `postgres::rfc6749::s6_refreshing::…`, `sqlite::rfc6749::…`.
//!
//! Without `SIGNET_TEST_POSTGRES` the tests of PostgreSQL say so and return; with `CI` set that is a failure.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::duplicate_mod,
    clippy::print_stderr,
    reason = "tests: a failure is a panic, and every file is mounted once per database"
)]

mod support;
mod tidy;
mod tls;

/// What a backend's copy of the specifications finds as `super::…`.
macro_rules! backend {
    ($backend:ident) => {
        use crate::support::prelude::*;

        /// The database of these.
        pub(crate) const BACKEND: Backend = Backend::$backend;

        /// Runs a test against a server of its own.
        pub(crate) fn with_server(test: impl AsyncFnOnce(&Server)) {
            crate::support::server::run(Backend::$backend, |_| {}, test);
        }

        /// Runs a test against a server with three hosts, all of them https behind a proxy.
        pub(crate) fn with_hosts(test: impl AsyncFnOnce(&Server)) {
            crate::support::server::run(Backend::$backend, crate::support::server::three_hosts, test);
        }

        /// Runs a test against a server that is configured differently.
        pub(crate) fn with_config(change: impl Fn(&mut Config), test: impl AsyncFnOnce(&Server)) {
            crate::support::server::run(Backend::$backend, change, test);
        }
    };
}

/// Every specification.
macro_rules! specs {
    () => {
        mod account;
        mod account_endings;
        mod account_own;
        mod account_pages;
        mod apis;
        mod backchannel_logout;
        mod bad_ids;
        mod bad_input;
        mod certification;
        mod certification_dynamic;
        mod certification_fetching;
        mod certification_logout;
        mod certification_requests;
        mod client_keys;
        mod client_lint;
        mod client_metadata_documents;
        mod cookie_gate;
        mod cookie_life;
        mod cookie_mode;
        mod cookie_races;
        mod cookie_start;
        mod cors;
        mod coverage;
        mod crash;
        mod end_session;
        mod expired_sessions;
        mod fetch_budgets;
        mod form_action;
        mod form_post;
        mod forward_auth;
        mod forwarded;
        mod frontchannel_logout;
        mod handoff;
        mod issuing;
        mod jwt_attacks;
        mod jwt_attacks_requests;
        mod leaks;
        mod legacy_response_types;
        mod login;
        mod logout;
        mod logout_notices;
        mod oidc_claims;
        mod oidc_core;
        mod oidc_core_requests;
        mod opaque_tokens;
        mod outage;
        mod pages;
        mod pairwise;
        mod races;
        mod redirect_corpus;
        mod registration;
        mod revocation_batches;
        mod revocation_endpoints;
        mod revocation_entries;
        mod revocation_failures;
        mod revocation_feed;
        mod revocation_overload;
        mod revocation_restore;
        mod revocation_stream;
        mod rfc6749;
        mod rfc6749_clients;
        mod rfc6750;
        mod rfc7009;
        mod rfc7523;
        mod rfc7523_keys;
        mod rfc7591;
        mod rfc7592;
        mod rfc7636;
        mod rfc7662;
        mod rfc8414;
        mod rfc8707;
        mod rfc9068;
        mod rfc9101;
        mod rfc9101_by_reference;
        mod rfc9207;
        mod rfc9700;
        mod role_loss;
        mod rotation;
        mod rotation_property;
        mod safe_fetch;
        mod session_life;
        mod session_limit;
        mod session_policy;
        mod session_policy_refresh;
        mod sessions;
        mod storage;
        mod timing;
        mod unreadable_metadata;
        mod userinfo;
        mod web_sessions;
    };
}

#[path = "."]
mod sqlite {
    backend!(Sqlite);
    specs!();
}

#[path = "."]
mod postgres {
    backend!(Postgres);
    specs!();
}
