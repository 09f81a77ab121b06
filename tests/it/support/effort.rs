//! How hard a test tries: enough for every run, or (with `SIGNET_TEST_LONG=1`) as long as a release deserves.

/// The number of rounds.
pub(crate) fn effort(short: u32, long: u32) -> u32 {
    if std::env::var_os("SIGNET_TEST_LONG").is_some_and(|value| value == "1") { long } else { short }
}
