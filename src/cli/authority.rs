//! The certificate authority of a development store: `signet dev --tls` makes it once, and server certificates by it.
//!
//! It can vouch for this store's names only (name constraints), and its key never leaves the folder. Randomness is the
//! TLS library's own: nothing here is tested with another.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::Datelike as _;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PublicKeyData as _, SanType,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

use super::output::Failure;
use crate::clock::Timestamp;
use crate::digest::sha256;
use crate::server::tls;
use crate::server::tls::pair::Pair;
use crate::server::tls::validity::Validity;

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Five years; importing it into browsers is a chore.
const AUTHORITY_LIFE: Duration = Duration::from_secs(5 * 365 * 24 * 3600);
/// No browser takes a certificate that lives much longer.
const CERTIFICATE_LIFE: Duration = Duration::from_secs(397 * 24 * 3600);
/// A certificate is replaced so long before its end.
const AHEAD: Duration = Duration::from_secs(30 * 24 * 3600);

/// The file of the authority's certificate, below the folder of a store.
pub(super) const CA_FILE: &str = "tls/ca.pem";
/// The file of the server's certificate, beside it.
pub(super) const CERTIFICATE: &str = "server.pem";
/// The file of its key.
pub(super) const KEY: &str = "server.key";

/// What a server of the store is started with.
#[derive(Debug)]
pub(super) struct Authority {
    /// The authority's certificate: what browsers and clients are to trust.
    pub(super) ca: PathBuf,
    /// The server's certificate, with the authority's behind it.
    pub(super) certificate: PathBuf,
    /// Its key.
    pub(super) key: PathBuf,
    /// The authority has just been made: nobody trusts it yet.
    pub(super) is_new: bool,
}

impl Authority {
    /// The files in `folder`, made or renewed as far as they have to be for `names` to be served from `now` on. The
    /// authority stays as long as it can vouch for all of them.
    ///
    /// # Errors
    /// A file that cannot be written, or names no certificate can be made for.
    pub(super) fn ensure(folder: &Path, names: &[String], now: Timestamp) -> Result<Self, Failure> {
        let ca_key = folder.join("ca.key");
        let mut authority = Self {
            ca: folder.join("ca.pem"),
            certificate: folder.join(CERTIFICATE),
            key: folder.join(KEY),
            is_new: false,
        };
        let names = subjects(names)?;
        if authority.serves(&names, now) {
            return Ok(authority);
        }
        if let (Ok(certificate), Ok(key)) = (read(&authority.ca), read(&ca_key))
            && let Ok(key) = KeyPair::from_pem(&key)
            && authority.issue(&certificate, &key, &names, now).is_ok()
            && authority.serves(&names, now)
        {
            return Ok(authority);
        }
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = constrained(&key, &names, now)?.self_signed(&key).map_err(failed)?.pem();
        super::dev::write_private(&ca_key, &key.serialize_pem())?;
        super::dev::write_private(&authority.ca, &certificate)?;
        authority.issue(&certificate, &key, &names, now)?;
        authority.is_new = true;
        if authority.serves(&names, now) { Ok(authority) } else { Err(failed("it does not verify")) }
    }

    /// Makes a key and a certificate for the server.
    fn issue(&self, ca: &str, ca_key: &KeyPair, names: &[SanType], now: Timestamp) -> Result<(), Failure> {
        let mut params = params(&format!("{} development server", Signer::NAME), now, CERTIFICATE_LIFE);
        params.subject_alt_names = names.to_vec();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        // A key of its own each time: serial numbers are made from keys, and none may occur twice.
        let key = KeyPair::generate().map_err(failed)?;
        let signer = Signer::params(ca_key, now);
        let certificate = params.signed_by(&key, &Issuer::from_params(&signer, ca_key)).map_err(failed)?;
        super::dev::write_private(&self.key, &key.serialize_pem())?;
        super::dev::write_private(&self.certificate, &format!("{}{ca}", certificate.pem()))
    }

    /// Whether a client that trusts the authority alone accepts the server under every name, and still will in a month.
    fn serves(&self, names: &[SanType], now: Timestamp) -> bool {
        let Ok(pair) = Pair::read(&self.certificate, &self.key) else { return false };
        let Ok(ca) = CertificateDer::from_pem_file(&self.ca) else { return false };
        // Browsers look at an authority's own end; the verifier below takes it as given.
        let lasts = Validity::of_der(&ca).is_some_and(|validity| validity.not_after >= now.plus(AHEAD));
        let mut roots = RootCertStore::empty();
        if !lasts || roots.add(ca).is_err() {
            return false;
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(tls::crypto())).build();
        let (Ok(verifier), Some(leaf)) = (verifier, pair.key.cert.first()) else { return false };
        let accepted = |name: &SanType, at: Timestamp| {
            let name = match name {
                SanType::DnsName(name) => ServerName::try_from(name.as_str()).ok(),
                SanType::IpAddress(address) => Some(ServerName::from(*address)),
                _ => None,
            };
            let at = UnixTime::since_unix_epoch(at.since(Timestamp::default()));
            name.is_some_and(|name| verifier.verify_server_cert(leaf, &[], &name, &[], at).is_ok())
        };
        names.iter().all(|name| accepted(name, now) && accepted(name, now.plus(AHEAD)))
    }
}

/// The names of a development server: this machine's, and those that were asked for.
fn subjects(names: &[String]) -> Result<Vec<SanType>, Failure> {
    let mut subjects = vec![
        SanType::DnsName(Ia5String::try_from("localhost").map_err(failed)?),
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    for name in names {
        let subject = SanType::DnsName(Ia5String::try_from(name.as_str()).map_err(failed)?);
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }
    Ok(subjects)
}

/// Who signs. Its name follows from its key, so that two authorities can be told apart in a browser's list, and the
/// certificate need not be read to sign again.
struct Signer;

impl Signer {
    const NAME: &str = "Signet";

    fn params(key: &KeyPair, now: Timestamp) -> CertificateParams {
        let digest = sha256(key.der_bytes());
        let id: String = digest.as_bytes().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let mut params = params(&format!("{} development CA {id}", Self::NAME), now, AUTHORITY_LIFE);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
    }
}

/// An authority for servers of these names and what is below them, and for no other authority.
fn constrained(key: &KeyPair, names: &[SanType], now: Timestamp) -> Result<CertificateParams, Failure> {
    let mut params = Signer::params(key, now);
    let permitted_subtrees = names
        .iter()
        .filter_map(|name| match name {
            SanType::DnsName(name) => Some(GeneralSubtree::DnsName(name.as_str().to_owned())),
            SanType::IpAddress(address @ IpAddr::V4(_)) => {
                Some(GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(*address, 32)))
            }
            SanType::IpAddress(address) => {
                Some(GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(*address, 128)))
            }
            _ => None,
        })
        .collect();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    Ok(params)
}

/// Valid from yesterday, since clocks differ.
fn params(name: &str, now: Timestamp, life: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let day = |at: Timestamp| {
        let day = chrono::DateTime::from_timestamp_millis(at.millis()).unwrap_or_default();
        let small = |part: u32| u8::try_from(part).unwrap_or(1);
        rcgen::date_time_ymd(day.year(), small(day.month()), small(day.day()))
    };
    params.not_before = day(now.minus(DAY));
    params.not_after = day(now.plus(life));
    params
}

fn read(path: &Path) -> std::io::Result<String> {
    std::fs::read_to_string(path)
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::new(format!("no certificate can be made: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_790_000_000);

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn content(authority: &Authority) -> [String; 2] {
        [&authority.ca, &authority.certificate].map(|path| read(path).unwrap())
    }

    #[test]
    fn what_serves_is_kept_and_what_does_not_is_renewed_by_the_same_authority() {
        let dir = tempfile::tempdir().unwrap();
        let first = Authority::ensure(dir.path(), &[], NOW).unwrap();
        assert!(first.is_new);
        let [ca, certificate] = content(&first);
        let again = Authority::ensure(dir.path(), &names(&["localhost"]), NOW).unwrap();
        assert!(!again.is_new);
        assert_eq!(content(&again), [ca.clone(), certificate.clone()]);
        let below = Authority::ensure(dir.path(), &names(&["auth.other.localhost"]), NOW).unwrap();
        assert!(!below.is_new, "a name below localhost is within its constraints");
        let [same, other] = content(&below);
        assert_eq!(same, ca);
        assert_ne!(other, certificate);
        let month = NOW.plus(CERTIFICATE_LIFE).minus(AHEAD).plus(DAY);
        let renewed = Authority::ensure(dir.path(), &[], month).unwrap();
        assert!(!renewed.is_new);
        assert_ne!(content(&renewed)[1], other);
        let late = NOW.plus(AUTHORITY_LIFE).minus(AHEAD).plus(DAY);
        assert!(Authority::ensure(dir.path(), &[], late).unwrap().is_new);
    }

    #[test]
    fn the_authority_vouches_for_servers_only() {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::ensure(dir.path(), &[], NOW).unwrap();
        let ca = CertificateDer::from_pem_file(&authority.ca).unwrap();
        // The extension extKeyUsage, with serverAuth and nothing else.
        let usage = b"\x06\x03\x55\x1d\x25\x04\x0c\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01";
        assert!(ca.as_ref().windows(usage.len()).any(|window| window == usage));
    }

    #[test]
    fn the_authority_vouches_for_its_own_names_only() {
        let dir = tempfile::tempdir().unwrap();
        let first = Authority::ensure(dir.path(), &names(&["auth.example.test"]), NOW).unwrap();
        let [ca, _] = content(&first);
        let key = KeyPair::from_pem(&read(&dir.path().join("ca.key")).unwrap()).unwrap();
        let foreign = subjects(&names(&["bank.example"])).unwrap();
        first.issue(&ca, &key, &foreign, NOW).unwrap();
        assert!(!first.serves(&foreign, NOW), "a browser refuses it");
        let wider = Authority::ensure(dir.path(), &names(&["bank.example"]), NOW).unwrap();
        assert!(wider.is_new, "another name takes another authority");
    }
}
