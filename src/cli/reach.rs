//! How a command reaches a server: by which address, and whose certificates it takes.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use super::authority::CA_FILE;
use super::context::Context;
use super::output::Failure;
use crate::oauth::uri;
use crate::server::tls;

/// A connection, with or without TLS on it.
pub(super) trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

/// Whose certificates are taken beside those of the system's authorities, and where the issuer is if its name need not
/// say so. There is no way to take any certificate.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    roots: Vec<CertificateDer<'static>>,
    issuer: Option<(String, SocketAddr)>,
}

impl Reach {
    /// For the server of a configuration: a development store's own authority is trusted, and its server is found where
    /// it listens. `cacert` names a PEM file of further authorities.
    ///
    /// # Errors
    /// A file without certificates.
    pub(super) fn new(context: Option<&Context>, cacert: Option<&Path>) -> Result<Self, Failure> {
        let mut reach = Self::default();
        if let Some(file) = cacert {
            reach.trust(file).map_err(|problem| Failure::usage(format!("--cacert: {problem}")))?;
        }
        if let Some(context) = context
            && let Some(dir) = &context.dir
        {
            let ca = dir.join(CA_FILE);
            if ca.exists() {
                reach.trust(&ca).map_err(Failure::new)?;
            }
            let url = Url::parse(&context.config().public_url).ok();
            let host = url.as_ref().and_then(Url::host_str).map(str::to_owned);
            reach.issuer = host.map(|host| (host, context.config().listen));
        }
        Ok(reach)
    }

    fn trust(&mut self, file: &Path) -> Result<(), String> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
        let certificates = certificates.map_err(|error| format!("{}: {error}", file.display()))?;
        if certificates.is_empty() {
            return Err(format!("{} holds no certificate (PEM)", file.display()));
        }
        self.roots.extend(certificates);
        Ok(())
    }

    /// Connects to the server of a URL.
    ///
    /// # Errors
    /// One line: a scheme that is neither http nor https, no connection, a certificate that is not to be trusted.
    pub(super) async fn connect(&self, url: &Url) -> Result<Box<dyn Connection>, String> {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(80);
        // `connect` wants an IPv6 address without the brackets that a URL puts around it.
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let stream = match &self.issuer {
            Some((issuer, address)) if issuer == host && address.port() == port => {
                TcpStream::connect(address).await
            }
            // Browsers know these names for this machine; most resolvers do not.
            _ if uri::is_below_localhost(host) => {
                let loopback = [(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()];
                TcpStream::connect(&loopback as &[SocketAddr]).await
            }
            _ => TcpStream::connect((bare, port)).await,
        };
        let stream = stream.map_err(|error| format!("{error}; is the server running?"))?;
        match url.scheme() {
            "http" => Ok(Box::new(stream)),
            "https" => self.secured(stream, bare).await,
            _ => Err("this command speaks http and https only".to_owned()),
        }
    }

    async fn secured(&self, stream: TcpStream, host: &str) -> Result<Box<dyn Connection>, String> {
        let unusable = |error: rustls::Error| format!("TLS cannot be set up: {error}");
        let crypto = Arc::new(tls::crypto());
        let verifier = Verifier::new_with_extra_roots(self.roots.clone(), Arc::clone(&crypto));
        let mut config = ClientConfig::builder_with_provider(crypto)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(unusable)?
            // Dangerous is what a verifier may be; this one is the system's.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier.map_err(unusable)?))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) if is_unknown_issuer(&error) => Err(
                "its certificate was signed by nobody this machine trusts; --cacert FILE names an authority"
                    .to_owned(),
            ),
            Err(error) => Err(format!("no TLS: {error}")),
        }
    }
}

fn is_unknown_issuer(error: &std::io::Error) -> bool {
    let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
    error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) == Some(&unknown)
}
