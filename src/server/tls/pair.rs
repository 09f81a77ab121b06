//! A certificate chain and its private key, as they stand in two PEM files.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::validity::Validity;
use crate::clock::Timestamp;

/// A chain has a few KiB; a larger file is something else.
const LONGEST: u64 = 1024 * 1024;
/// Whoever may read the key can be this server.
const OTHERS: u32 = 0o007;

/// A certificate that can be used: it is one, and the key is its own.
#[derive(Clone, Debug)]
pub struct Pair {
    /// What handshakes are signed with.
    pub key: Arc<CertifiedKey>,
    /// From when until when the server's own certificate is valid.
    pub validity: Validity,
    /// The mode of a key file that others than its owner and group may use.
    pub exposed: Option<u32>,
}

impl Pair {
    /// Reads both files. Group access to the key is no fault: that is how tools that renew certificates share it.
    ///
    /// # Errors
    /// One line that names the setting, the file and what is wrong with it.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, String> {
        let place = |name: &str, path: &Path| format!("{name} = {}", path.display());
        let chain = read(certificate, LONGEST)
            .map_err(|error| format!("{} cannot be read: {error}", place("tls.certificate", certificate)))?;
        let (secret, metadata) = read(key, LONGEST)
            .map_err(|error| format!("{} cannot be read: {error}", place("tls.key", key)))?;
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&chain.0)
            .collect::<Result<_, _>>()
            .map_err(|_| format!("{} is not PEM", place("tls.certificate", certificate)))?;
        let Some(first) = chain.first() else {
            return Err(format!(
                "{} holds no certificate; it must be PEM, the server's own certificate first",
                place("tls.certificate", certificate)
            ));
        };
        let validity = Validity::of_der(first)
            .filter(|_| ParsedCertificate::try_from(first).is_ok())
            .ok_or_else(|| {
                format!("{} holds a certificate that cannot be read", place("tls.certificate", certificate))
            })?;
        let secret = PrivateKeyDer::from_pem_slice(&secret).map_err(|_| {
            format!(
                "{} holds no private key; it must be PEM and not encrypted (PKCS #8, PKCS #1 or SEC 1)",
                place("tls.key", key)
            )
        })?;
        let pair = CertifiedKey::from_der(chain, secret, &super::crypto()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => format!(
                "{} is not the key of {}",
                place("tls.key", key),
                place("tls.certificate", certificate)
            ),
            _ => format!("{} cannot be used: {error}", place("tls.key", key)),
        })?;
        Ok(Self { key: Arc::new(pair), validity, exposed: exposed(&metadata) })
    }

    /// Those of `names` that the certificate is not for.
    pub fn not_for(&self, names: &[String]) -> Vec<String> {
        let Some(parsed) = self.key.cert.first().and_then(|first| ParsedCertificate::try_from(first).ok())
        else {
            return names.to_vec();
        };
        let is_for = |name: &str| {
            let bare = name.trim_start_matches('[').trim_end_matches(']');
            ServerName::try_from(bare)
                .is_ok_and(|name| rustls::client::verify_server_name(&parsed, &name).is_ok())
        };
        names.iter().filter(|name| !is_for(name)).cloned().collect()
    }

    /// The last certificate of the chain as PEM: the authority's, or the one that is nearest to it.
    pub fn last_as_pem(&self) -> Option<String> {
        let text = base64::engine::general_purpose::STANDARD.encode(self.key.cert.last()?);
        Some(format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"))
    }

    /// Whether it has expired.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now > self.validity.not_after
    }
}

fn read(path: &Path, most: u64) -> std::io::Result<(Zeroizing<Vec<u8>>, Metadata)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    let mut content = Zeroizing::new(Vec::new());
    file.take(most).read_to_end(&mut content)?;
    Ok((content, metadata))
}

#[cfg(unix)]
fn exposed(metadata: &Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = metadata.permissions().mode() & 0o7777;
    (mode & OTHERS != 0).then_some(mode)
}

#[cfg(not(unix))]
fn exposed(_: &Metadata) -> Option<u32> {
    None
}
