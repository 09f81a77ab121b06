//! Reads the certificate anew when its files change, so that renewing it needs no restart.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::Signal;
use tokio::time::{MissedTickBehavior, interval};

use super::Certificate;
use crate::clock::Clock;

/// Files are looked at this often. Modification times are asked for, not watched: that also works for a volume that
/// another host writes, and for the links that Kubernetes replaces.
const INTERVAL: Duration = Duration::from_secs(2);

/// What a file looks like from outside; another look means other content.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Look {
    modified: Option<SystemTime>,
    length: u64,
    number: u64,
}

type Looks = [Option<Look>; 2];

/// Follows the files until cancelled. `hangup` (SIGHUP) makes it read them at once, whatever they look like.
pub async fn files(certificate: Arc<Certificate>, clock: Arc<dyn Clock>, hangup: Option<Signal>) {
    let mut hangup = hangup;
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut state = State { used: looks(&certificate), failed: None };
    loop {
        let told = tokio::select! {
            _ = ticks.tick() => false,
            () = received(hangup.as_mut()) => true,
        };
        state.look(&certificate, clock.as_ref(), told);
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

struct State {
    /// What the files in use looked like.
    used: Looks,
    /// What the files looked like when they could not be used, and whether that has been said.
    failed: Option<(Looks, bool)>,
}

impl State {
    fn look(&mut self, certificate: &Certificate, clock: &dyn Clock, told: bool) {
        let seen = looks(certificate);
        let said = self.failed.as_ref().is_some_and(|(looks, said)| *looks == seen && *said);
        if !told && (seen == self.used || said) {
            return;
        }
        match certificate.replace(clock.now()) {
            Ok(()) => {
                self.used = seen;
                self.failed = None;
            }
            Err(problem) => {
                // Two files are not written at once: what does not fit together now may do so at the next look.
                let again = self.failed.as_ref().is_some_and(|(looks, _)| *looks == seen);
                if again || told {
                    tracing::error!("{problem}; the certificate read before stays in use");
                }
                self.failed = Some((seen, again || told));
            }
        }
    }
}

fn looks(certificate: &Certificate) -> Looks {
    certificate.files().map(look)
}

fn look(path: &Path) -> Option<Look> {
    let metadata = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(&metadata);
    #[cfg(not(unix))]
    let number = 0;
    Some(Look { modified: metadata.modified().ok(), length: metadata.len(), number })
}
