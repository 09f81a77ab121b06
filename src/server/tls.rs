//! The public listener's own TLS: versions, algorithms, and one certificate that can be replaced while it is used.

pub mod pair;
pub mod validity;
pub mod watch;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use self::pair::Pair;
use super::provider::SetupError;
use crate::clock::Timestamp;
use crate::config::Config;

/// A certificate is to be renewed this long before its end, or when a sixth of its life is left if that is less:
/// there are certificates that live for six days.
const RENEWED_BEFORE_END: Duration = Duration::from_secs(14 * 24 * 3600);

/// The algorithms of TLS here, by name: which of them a process has as its default depends on what else it links.
pub fn crypto() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

/// Is told when the certificate in use ends.
type OnReplaced = Box<dyn Fn(Timestamp) + Send + Sync>;

/// The certificate that the public listener shows: one for all its names, replaced as a whole.
pub struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    names: Vec<String>,
    /// What the files looked like before they were first read.
    first_look: watch::Looks,
    current: RwLock<Pair>,
    on_replaced: RwLock<Option<OnReplaced>>,
}

impl Certificate {
    /// Reads the configured files; `None` where the listener speaks plain http.
    ///
    /// # Errors
    /// One line: a file that cannot be read or used, or a key that is another certificate's.
    pub fn of(config: &Config) -> Result<Option<Arc<Self>>, SetupError> {
        let (Some(certificate), Some(key)) = (&config.tls.certificate, &config.tls.key) else {
            return Ok(None);
        };
        let first_look = watch::looks([certificate, key]);
        let pair = Pair::read(certificate, key).map_err(SetupError)?;
        Ok(Some(Arc::new(Self {
            certificate: certificate.clone(),
            key: key.clone(),
            names: names(config),
            first_look,
            current: RwLock::new(pair),
            on_replaced: RwLock::new(None),
        })))
    }

    /// The files of the chain and of its key.
    pub fn files(&self) -> [&Path; 2] {
        [&self.certificate, &self.key]
    }

    /// What is in use.
    pub fn current(&self) -> Pair {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the files anew. Connections that are open stay as they are; handshakes from now on see the new one.
    ///
    /// # Errors
    /// As [`Self::of`], and for a certificate that has expired; what was in use stays so.
    pub fn replace(&self, now: Timestamp) -> Result<(), String> {
        let pair = Pair::read(&self.certificate, &self.key)?;
        if pair.is_over(now) {
            return Err(format!("tls.certificate = {} has expired", self.certificate.display()));
        }
        let until = pair.validity.not_after;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = pair;
        tracing::info!(until = %until.rfc3339(), "the certificate was read anew");
        self.say(now);
        if let Some(told) = self.on_replaced.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            told(until);
        }
        Ok(())
    }

    /// Tells `told` when the certificate ends, now and whenever it is replaced.
    pub fn on_replaced(&self, told: impl Fn(Timestamp) + Send + Sync + 'static) {
        told(self.current().validity.not_after);
        *self.on_replaced.write().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(told));
    }

    /// Logs what is wrong with the certificate in use.
    pub fn say(&self, now: Timestamp) {
        for (problem, fix) in self.problems(now) {
            tracing::warn!("{problem}: {fix}");
        }
    }

    /// What is wrong with the certificate in use, each with its fix. None of it keeps the server from serving.
    pub fn problems(&self, now: Timestamp) -> Vec<(String, String)> {
        let pair = self.current();
        let (file, key) = (self.certificate.display(), self.key.display());
        let mut found = Vec::new();
        if let Some(mode) = pair.exposed {
            let problem = format!("tls.key = {key} may be read by others (mode {mode:o})");
            found.push((problem, format!("chmod 600 {key}")));
        }
        let missing = pair.not_for(&self.names);
        if !missing.is_empty() {
            let problem = format!("tls.certificate = {file} is not for {}", missing.join(", "));
            found.push((problem, "get one for every name of public_url and browser.hosts".to_owned()));
        }
        let validity = pair.validity;
        let until = validity.not_after.rfc3339();
        let early = RENEWED_BEFORE_END.min(validity.not_after.since(validity.not_before) / 6);
        let renew = "renew it; new files are taken up within seconds".to_owned();
        if pair.is_over(now) {
            found.push((format!("tls.certificate = {file} has expired ({until})"), renew));
        } else if now < validity.not_before {
            let from = validity.not_before.rfc3339();
            let problem = format!("tls.certificate = {file} is not valid before {from}");
            found.push((problem, "check this machine's clock".to_owned()));
        } else if validity.not_after.since(now) < early {
            found.push((format!("tls.certificate = {file} expires soon ({until})"), renew));
        }
        found
    }

    /// How the public listener speaks TLS: 1.2 and 1.3, no client certificates, nothing of a request before the
    /// handshake has ended (early data can be replayed).
    ///
    /// # Errors
    /// Algorithms that serve neither version.
    pub fn server_config(self: &Arc<Self>) -> Result<ServerConfig, SetupError> {
        let versions = [&rustls::version::TLS13, &rustls::version::TLS12];
        let config = ServerConfig::builder_with_provider(Arc::new(crypto()))
            .with_protocol_versions(&versions)
            .map_err(|error| SetupError(format!("TLS cannot be set up: {error}")))?;
        Ok(config.with_no_client_auth().with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>))
    }
}

impl ResolvesServerCert for Certificate {
    /// The same for every name: a client that wants another sees by itself that this is not it.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).key))
    }
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// The host names under which browsers come.
fn names(config: &Config) -> Vec<String> {
    std::iter::once(&config.public_url)
        .chain(&config.browser.hosts)
        .filter_map(|text| url::Url::parse(text).ok())
        .filter_map(|url| url.host_str().map(str::to_owned))
        .collect()
}
