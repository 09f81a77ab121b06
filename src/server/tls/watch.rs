//! Reads the certificate anew when its files change, so that renewing it needs no restart.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::Signal;
use tokio::time::{MissedTickBehavior, interval};

use super::Certificate;
use crate::clock::{Clock, Timestamp};

/// Files are looked at this often. Modification times are asked for, not watched: that also works for a volume that
/// another host writes, and for the links that Kubernetes replaces.
const INTERVAL: Duration = Duration::from_secs(2);

/// What a file looks like from outside; another look means other content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Look {
    modified: Option<SystemTime>,
    length: u64,
    number: u64,
}

/// What the two files look like.
pub(super) type Looks = [Option<Look>; 2];

/// What the files look like now.
pub(super) fn looks(files: [&Path; 2]) -> Looks {
    files.map(look)
}

fn look(path: &Path) -> Option<Look> {
    let metadata = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(&metadata);
    #[cfg(not(unix))]
    let number = 0;
    Some(Look { modified: metadata.modified().ok(), length: metadata.len(), number })
}

/// Follows the files until cancelled. `hangup` (SIGHUP) makes it read them at once, whatever they look like.
pub async fn files(certificate: Arc<Certificate>, clock: Arc<dyn Clock>, mut hangup: Option<Signal>) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watch = Watch { used: certificate.first_look.clone(), failed: None };
    loop {
        let told = tokio::select! {
            _ = ticks.tick() => false,
            () = received(hangup.as_mut()) => true,
        };
        if let Seen::Broken(problem) = watch.look(&certificate, clock.now(), told) {
            tracing::error!("{problem}; the certificate read before stays in use");
        }
    }
}

async fn received(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => {
            // The end of a stream of signals is no signal.
            if signal.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
        }
        None => std::future::pending().await,
    }
}

struct Watch {
    /// What the files in use looked like.
    used: Looks,
    /// What the files looked like when they could not be used, and whether that has been said.
    failed: Option<(Looks, bool)>,
}

/// What one look at the files came to.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// They are as they were, or as broken as has been said.
    Nothing,
    /// They are in use now.
    Replaced,
    /// They do not fit together. Two files are not written at once: they may do so at the next look.
    Between,
    /// They cannot be used, which is to be said.
    Broken(String),
}

impl Watch {
    fn look(&mut self, certificate: &Certificate, now: Timestamp, told: bool) -> Seen {
        let seen = looks(certificate.files());
        let before = self.failed.take();
        let (again, said) =
            before.filter(|(looks, _)| *looks == seen).map_or((false, false), |(_, said)| (true, said));
        if !told && seen == self.used {
            return Seen::Nothing;
        }
        if !told && said {
            self.failed = Some((seen, true));
            return Seen::Nothing;
        }
        match certificate.replace(now) {
            Ok(()) => {
                self.used = seen;
                Seen::Replaced
            }
            Err(problem) => {
                let say = again || told;
                self.failed = Some((seen, say));
                if say { Seen::Broken(problem) } else { Seen::Between }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::Config;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    /// A folder with a pair that ends in this year.
    struct Folder(tempfile::TempDir);

    impl Folder {
        fn write(&self, until: i32) {
            let (certificate, key) = pair(until);
            self.put("cert.pem", &certificate);
            self.put("key.pem", &key);
        }

        fn put(&self, name: &str, text: &str) {
            // Another file under the same name, as tools that renew certificates do it.
            let temporary = self.0.path().join("new");
            fs::write(&temporary, text).unwrap();
            fs::rename(&temporary, self.0.path().join(name)).unwrap();
        }

        fn certificate(&self) -> Arc<Certificate> {
            let mut config = Config { public_url: "https://a.example".to_owned(), ..Config::default() };
            config.tls.certificate = Some(self.0.path().join("cert.pem"));
            config.tls.key = Some(self.0.path().join("key.pem"));
            Certificate::of(&config).unwrap().unwrap()
        }
    }

    fn pair(until: i32) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn year(certificate: &Certificate) -> String {
        certificate.current().validity.not_after.rfc3339()[..4].to_owned()
    }

    #[test]
    fn a_new_pair_is_taken_up_once_and_a_half_written_one_waited_for() {
        let folder = Folder(tempfile::tempdir().unwrap());
        folder.write(2030);
        let certificate = folder.certificate();
        let mut watch = Watch { used: certificate.first_look.clone(), failed: None };
        assert_eq!(watch.look(&certificate, NOW, false), Seen::Nothing);
        let (chain, key) = pair(2031);
        folder.put("cert.pem", &chain);
        assert_eq!(watch.look(&certificate, NOW, false), Seen::Between);
        folder.put("key.pem", &key);
        assert_eq!(watch.look(&certificate, NOW, false), Seen::Replaced);
        assert_eq!(watch.look(&certificate, NOW, false), Seen::Nothing);
        assert_eq!(year(&certificate), "2031");
        assert_eq!(watch.look(&certificate, NOW, true), Seen::Replaced, "SIGHUP reads what looks the same");
    }

    #[test]
    fn a_broken_pair_is_said_once_and_leaves_the_old_one_in_use() {
        let folder = Folder(tempfile::tempdir().unwrap());
        folder.write(2030);
        let certificate = folder.certificate();
        let mut watch = Watch { used: certificate.first_look.clone(), failed: None };
        for (name, text) in [("cert.pem", "nothing"), ("key.pem", ""), ("cert.pem", &pair(2031).0)] {
            folder.put(name, text);
            assert_eq!(watch.look(&certificate, NOW, false), Seen::Between);
            assert!(matches!(watch.look(&certificate, NOW, false), Seen::Broken(_)));
            assert_eq!(watch.look(&certificate, NOW, false), Seen::Nothing);
            assert_eq!(watch.look(&certificate, NOW, false), Seen::Nothing);
            assert_eq!(year(&certificate), "2030");
        }
        assert!(
            matches!(watch.look(&certificate, NOW, true), Seen::Broken(_)),
            "SIGHUP is answered each time"
        );
        fs::remove_file(folder.0.path().join("key.pem")).unwrap();
        assert_eq!(watch.look(&certificate, NOW, false), Seen::Between);
        folder.write(2026);
        assert_eq!(watch.look(&certificate, NOW, false), Seen::Between, "it has expired");
        folder.write(2032);
        assert_eq!(watch.look(&certificate, NOW, false), Seen::Replaced);
        assert_eq!(year(&certificate), "2032");
    }

    #[test]
    fn what_is_wrong_with_a_certificate_is_told_with_its_fix() {
        let folder = Folder(tempfile::tempdir().unwrap());
        folder.write(2030);
        let certificate = folder.certificate();
        let problems = |at: &str| {
            let at = Timestamp::parse_rfc3339(at).unwrap();
            certificate.problems(at).into_iter().map(|(what, _)| what).collect::<Vec<_>>().join("; ")
        };
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let key = folder.0.path().join("key.pem");
            let mode = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
            mode(0o604);
            certificate.replace(NOW).unwrap();
            assert!(problems("2028-01-01T00:00:00Z").contains("may be read by others (mode 604)"));
            mode(0o640);
            certificate.replace(NOW).unwrap();
        }
        assert_eq!(problems("2028-01-01T00:00:00Z"), "");
        assert!(problems("2025-12-31T00:00:00Z").contains("not valid before"));
        assert!(problems("2029-12-25T00:00:00Z").contains("expires soon"));
        assert!(problems("2030-01-02T00:00:00Z").contains("has expired"));
        let other = vec!["a.example".to_owned(), "b.example".to_owned(), "[::1]".to_owned()];
        assert_eq!(certificate.current().not_for(&other), ["b.example", "[::1]"]);
    }
}
