//! The connections of a follower: configuration, then the stream, or batch after batch where no stream can be had,
//! and snapshots where the one or the other breaks off.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use tokio::time::{sleep, timeout};

use super::configuration::{self, Configuration};
use super::handle::FeedHandle;
use super::{Settings, sse};
use crate::feed::follower::Next;
use crate::feed::message::{LONGEST_BATCH, Message, Refused, digest};
use crate::fetch::FetchError;

/// From this length on a message is read on a thread for work that takes long.
const LONG: usize = 64 << 10;

/// The one task that follows.
pub(super) struct Follow {
    settings: Settings,
    handle: Arc<FeedHandle>,
    configuration: Option<Arc<Configuration>>,
    /// When the configuration was asked for last, in monotonic time.
    configured: Option<Duration>,
    /// Until when no stream is tried, in monotonic time.
    without_stream: Duration,
    wants_snapshot: bool,
    /// How often in a row a stream did not know the position.
    unknown: u32,
    snapshot_tried: Option<Duration>,
}

/// Why a connection is at its end. What it was good for stays.
#[derive(Debug)]
enum Lost {
    Fetch(FetchError),
    Status(u16),
    Silent,
    Closed,
    Refused(Refused),
    Unreadable(&'static str),
    NoFeed,
    WentBack,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch(error) => error.fmt(f),
            Self::Status(status) => write!(f, "status {status}"),
            Self::Silent => f.write_str("nothing new for too long"),
            Self::Closed => f.write_str("the connection was closed"),
            Self::Refused(why) => why.fmt(f),
            Self::Unreadable(what) => f.write_str(what),
            Self::NoFeed => f.write_str("the issuer has no feed"),
            Self::WentBack => f.write_str("the server is behind its own past"),
        }
    }
}

impl From<FetchError> for Lost {
    fn from(error: FetchError) -> Self {
        Self::Fetch(error)
    }
}

impl fmt::Debug for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// How a stream ended, when nothing was wrong with it.
enum Stream {
    /// None can be had: poll for so long.
    Unavailable(Duration),
    /// It goes on after the position no longer: a snapshot was taken.
    BeganAnew,
}

impl Follow {
    pub(super) fn new(settings: Settings, handle: Arc<FeedHandle>) -> Self {
        Self {
            settings,
            handle,
            configuration: None,
            configured: None,
            without_stream: Duration::ZERO,
            wants_snapshot: false,
            unknown: 0,
            snapshot_tried: None,
        }
    }

    pub(super) async fn run(mut self) {
        let mut failures = 0_u32;
        loop {
            let before = self.handle.credited();
            let Err(lost) = self.session().await else { continue };
            if matches!(lost, Lost::NoFeed) && self.handle.place().is_none() {
                self.handle.no_feed();
                sleep(self.settings.pace.no_feed).await;
                continue;
            }
            tracing::debug!(issuer = %self.settings.issuer, why = %lost, "the revocation feed was lost");
            self.handle.counts().reconnects.fetch_add(1, Ordering::Relaxed);
            failures = if self.handle.credited() > before { 0 } else { failures + 1 };
            sleep(self.settings.pace.backoff(failures.saturating_sub(1))).await;
        }
    }

    /// One connection, to its end.
    async fn session(&mut self) -> Result<(), Lost> {
        let configuration = self.configuration().await?;
        self.handle.has_feed();
        if self.mono() < self.without_stream {
            return self.poll(&configuration).await;
        }
        match self.stream(&configuration).await? {
            Stream::BeganAnew => Ok(()),
            Stream::Unavailable(span) => {
                self.without_stream = self.mono() + span;
                self.poll(&configuration).await
            }
        }
    }

    /// The configuration, read again where it has been used for long or was never read.
    async fn configuration(&mut self) -> Result<Arc<Configuration>, Lost> {
        if let Some(known) = &self.configuration
            && !self.may_configure()
        {
            return Ok(Arc::clone(known));
        }
        match self.read_configuration().await {
            Ok(read) => Ok(read),
            // A feed that was there is followed where it was, as long as it answers.
            Err(lost) => self.configuration.clone().ok_or(lost),
        }
    }

    fn may_configure(&self) -> bool {
        let next = self.configured.map(|at| at + self.settings.pace.configuration);
        next.is_none_or(|next| self.mono() >= next)
    }

    async fn read_configuration(&mut self) -> Result<Arc<Configuration>, Lost> {
        self.configured = Some(self.mono());
        let issuer = &self.settings.issuer;
        let address = configuration::address(issuer).ok_or(Lost::Unreadable("the issuer is no URL"))?;
        let answer = self.settings.fetcher.get(&address, "application/json", configuration::LONGEST).await?;
        if answer.status == 404 {
            return Err(Lost::NoFeed);
        }
        let read = Configuration::read(answer.json()?, issuer, self.settings.longest_snapshot);
        let read = Arc::new(read.map_err(|why| Lost::Unreadable(why.0))?);
        self.configuration = Some(Arc::clone(&read));
        Ok(read)
    }

    async fn stream(&mut self, configuration: &Arc<Configuration>) -> Result<Stream, Lost> {
        let from = self.handle.place().map(|position| position.n);
        let address = configuration.stream(from);
        let answer = self.settings.fetcher.open(&address, "text/event-stream").await?;
        match answer.status().as_u16() {
            200 if is_event_stream(&answer) => self.events(answer, configuration.heartbeat).await,
            410 => {
                self.handle.gap();
                self.snapshot().await?;
                // Or else the server has forgotten the position, and would say so again at once.
                if self.wants_snapshot { Err(Lost::WentBack) } else { Ok(Stream::BeganAnew) }
            }
            404 if from.is_some() && self.unknown < 2 => self.unknown_position().await,
            // As many followers as the server takes: what polls ask for can come from a cache.
            503 => Ok(Stream::Unavailable(retry_after(&answer))),
            status @ (429 | 500..=599) => Err(Lost::Status(status)),
            _ => {
                self.unknown = 0;
                Ok(Stream::Unavailable(self.settings.pace.without_stream))
            }
        }
    }

    /// A node that does not know the position yet: another may, and a second later it may itself. Then a snapshot.
    async fn unknown_position(&mut self) -> Result<Stream, Lost> {
        self.unknown += 1;
        if self.unknown < 2 {
            sleep(self.settings.pace.again).await;
            return Err(Lost::Status(404));
        }
        self.snapshot().await?;
        if self.wants_snapshot {
            self.unknown = 0;
            return Err(Lost::WentBack);
        }
        Ok(Stream::BeganAnew)
    }

    async fn events(&mut self, mut answer: Response, heartbeat: Duration) -> Result<Stream, Lost> {
        let mut reader = sse::Reader::new(self.settings.longest_snapshot.max(LONGEST_BATCH) + 1_024);
        let mut heard = false;
        let quiet = sleep(self.settings.pace.first_event);
        tokio::pin!(quiet);
        loop {
            let chunk = tokio::select! {
                chunk = answer.chunk() => chunk.map_err(|_| Lost::Closed)?.ok_or(Lost::Closed)?,
                () = &mut quiet => {
                    return if heard {
                        Err(Lost::Silent)
                    } else {
                        Ok(Stream::Unavailable(self.settings.pace.without_stream))
                    };
                }
            };
            if !heard {
                // A long snapshot is on its way.
                quiet.set(sleep(self.settings.pace.first_event));
            }
            for event in reader.take(&chunk).map_err(|_| Lost::Unreadable("no stream of events"))? {
                let before = self.handle.credited();
                self.message(event.data).await?;
                if !heard || self.handle.credited() > before {
                    quiet.set(sleep(self.settings.pace.silence.max(heartbeat * 3)));
                }
                (heard, self.unknown) = (true, 0);
            }
        }
    }

    /// Batch after batch, until a stream may be tried again.
    async fn poll(&mut self, configuration: &Arc<Configuration>) -> Result<(), Lost> {
        let again = self.settings.pace.again;
        let mut unknown = 0;
        while self.mono() < self.without_stream {
            let position = self.handle.place().filter(|_| !self.wants_snapshot);
            let Some(position) = position else {
                self.snapshot().await?;
                if self.wants_snapshot {
                    sleep(again).await;
                }
                continue;
            };
            self.handle.counts().polls.fetch_add(1, Ordering::Relaxed);
            let asked = self.mono();
            let address = configuration.batch(position.n + 1);
            let answer = self.settings.fetcher.open(&address, "application/jwt").await?;
            match answer.status().as_u16() {
                200 => {
                    unknown = 0;
                    let message = body(answer, LONGEST_BATCH, self.settings.pace.snapshot).await?;
                    self.message(message).await?;
                    self.pause(&position.digest, asked, configuration.heartbeat).await;
                }
                404 => {
                    unknown += 1;
                    self.wants_snapshot = unknown > 1;
                    sleep(again).await;
                }
                410 => {
                    self.handle.gap();
                    self.wants_snapshot = true;
                }
                status => return Err(Lost::Status(status)),
            }
        }
        Ok(())
    }

    /// Where nothing new came, and came at once, somebody answers who does not hold the question as the server does.
    async fn pause(&self, digest: &str, asked: Duration, heartbeat: Duration) {
        let moved = self.handle.place().is_none_or(|position| position.digest != digest);
        if !moved && self.mono().saturating_sub(asked) < heartbeat / 4 {
            sleep(heartbeat / 4).await;
        }
    }

    /// Reads a message and does what it asks for.
    async fn message(&mut self, compact: String) -> Result<(), Lost> {
        let taken = match self.receive(compact).await {
            Err((Refused::Kid, compact)) if self.may_configure() => {
                // The server's master key was changed, and its feed key with it.
                self.read_configuration().await?;
                self.receive(compact).await
            }
            taken => taken,
        };
        let taken = taken.map_err(|(why, _)| {
            self.handle.counts().refused.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(issuer = %self.settings.issuer, %why, "a message of the revocation feed was refused");
            Lost::Refused(why)
        })?;
        if !taken.keys_removed.is_empty() {
            (self.settings.on_keys_removed)(&taken.keys_removed);
        }
        match taken.next {
            Next::TakeSnapshot => self.wants_snapshot = true,
            Next::Continue if taken.is_snapshot => self.wants_snapshot = false,
            Next::Continue => {}
            Next::RolledBack => {
                tracing::error!(
                    issuer = %self.settings.issuer,
                    "the revocation feed went back: was the server's database restored without restore-epoch?"
                );
            }
        }
        let next = self.snapshot_tried.map(|at| at + self.settings.pace.again);
        if self.wants_snapshot && !taken.is_snapshot && next.is_none_or(|next| self.mono() >= next) {
            self.snapshot().await?;
        }
        Ok(())
    }

    async fn snapshot(&mut self) -> Result<(), Lost> {
        self.snapshot_tried = Some(self.mono());
        let configuration = self.configuration().await?;
        let answer = self.settings.fetcher.open(&configuration.snapshot, "application/jwt").await?;
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(Lost::Status(status));
        }
        let compact = body(answer, self.settings.longest_snapshot, self.settings.pace.snapshot).await?;
        self.wants_snapshot = true;
        Box::pin(self.message(compact)).await
    }

    /// Verifies a message and takes it in; a long one elsewhere than on the threads that serve requests.
    async fn receive(&self, compact: String) -> Result<Taken, (Refused, String)> {
        let Some(configuration) = self.configuration.clone() else { return Err((Refused::Kid, compact)) };
        if compact.len() < LONG {
            return take(&configuration, &self.handle, &self.settings.issuer, compact);
        }
        let (handle, issuer) = (Arc::clone(&self.handle), self.settings.issuer.clone());
        let work = tokio::task::spawn_blocking(move || take(&configuration, &handle, &issuer, compact));
        // A task that was cancelled is one of a runtime that shuts down.
        work.await.unwrap_or(Err((Refused::Form, String::new())))
    }

    fn mono(&self) -> Duration {
        self.settings.clock.monotonic()
    }
}

/// What a message came to.
struct Taken {
    next: Next,
    keys_removed: Vec<String>,
    is_snapshot: bool,
}

fn take(
    configuration: &Configuration,
    handle: &FeedHandle,
    issuer: &str,
    compact: String,
) -> Result<Taken, (Refused, String)> {
    match configuration.keys.open(&compact, issuer) {
        Ok(message) => {
            let (next, keys_removed) = handle.receive(&message, &digest(&compact));
            Ok(Taken { next, keys_removed, is_snapshot: matches!(message, Message::Snapshot(_)) })
        }
        Err(why) => Err((why, compact)),
    }
}

fn is_event_stream(answer: &Response) -> bool {
    let media_type =
        answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("text/event-stream")
}

/// Seconds only: RFC 9110 §10.2.3 allows a date as well, which no server of this feed sends.
fn retry_after(answer: &Response) -> Duration {
    let header = answer.headers().get("retry-after").and_then(|value| value.to_str().ok());
    Duration::from_secs(header.and_then(|text| text.parse().ok()).unwrap_or(10).clamp(1, 60))
}

/// The body as text, of at most `most` bytes, within `span`.
async fn body(mut answer: Response, most: usize, span: Duration) -> Result<String, Lost> {
    let read = async {
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| Lost::Closed)? {
            if bytes.len() + chunk.len() > most {
                return Err(Lost::Fetch(FetchError::TooLong));
            }
            bytes.extend_from_slice(&chunk);
        }
        String::from_utf8(bytes).map_err(|_| Lost::Refused(Refused::Form))
    };
    timeout(span, read).await.map_err(|_| Lost::Silent)?
}
