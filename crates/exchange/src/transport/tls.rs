//! TLS 1.2 and 1.3 for SIP (RFC 3261 §26.3, RFC 5922): who we are, whom we trust, which names a peer has proved.
//!
//! rustls knows no TLS below 1.2 and no cipher without forward secrecy and authentication, so there is nothing to lower.
//! Both sides' settings are swapped whole when the files are read again: handshakes begun later take the new ones,
//! connections that stand keep theirs, and files with a fault change nothing.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::{SignedDuration, Timestamp};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
    SupportedProtocolVersion,
};

/// Where Debian keeps the authorities everybody trusts.
pub const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Before this much is left of a certificate, whoever reads the log is told.
const ENDS_SOON: SignedDuration = SignedDuration::from_hours(21 * 24);

/// Octets of a file with certificates or a key.
const FILE_MAX: u64 = 4 * 1024 * 1024;

/// Names taken from one certificate.
const NAMES_MAX: usize = 64;

/// The only versions there are (RFC 8996 ended the older ones).
const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

/// TLS of an exchange: files in PEM, read at the start and again by [`crate::Handle::reload_certificates`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Who we are. The first is shown unless a client asks for a name that another one has (SNI). None at all is enough
    /// to connect to others, and to nobody's connecting to us.
    pub identities: Vec<Identity>,
    /// Authorities of clients. With it a client may show a certificate, and the names in it are proven; a trunk known by
    /// name only must.
    pub client_ca: Option<PathBuf>,
    /// Authorities of the servers we connect to.
    pub roots: PathBuf,
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, then those of the authorities between it and the root.
    pub certificate: PathBuf,
    /// Its private key: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

impl Default for Tls {
    /// Nobody ourselves, and the system's authorities: enough to connect to others.
    fn default() -> Self {
        Self {
            identities: Vec::new(),
            client_ca: None,
            roots: SYSTEM_ROOTS.into(),
        }
    }
}

impl Tls {
    /// One identity, no client certificates, the system's authorities.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            identities: vec![Identity {
                certificate: certificate.into(),
                key: key.into(),
            }],
            ..Self::default()
        }
    }
}

/// Why certificates cannot be used. Names the file, never what is in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFault {
    /// A file cannot be read.
    #[error("{path}: cannot be read")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file has no certificate in it, or a damaged one.
    #[error("{0}: no certificate in PEM")]
    Certificate(PathBuf),
    /// A file has no private key in it, or a damaged one.
    #[error("{0}: no private key in PEM")]
    Key(PathBuf),
    /// A key does not belong to its certificate, or is of a kind we do not sign with.
    #[error("{path}: the key does not fit the certificate")]
    Mismatch {
        /// The key's file.
        path: PathBuf,
        /// What the library found.
        #[source]
        source: rustls::Error,
    },
    /// A file of authorities has none that can be used.
    #[error("{path}: no authority can be used")]
    Authorities {
        /// Which.
        path: PathBuf,
    },
    /// TLS is listened on, and nothing is configured.
    #[error("a TLS listener needs a certificate and a key")]
    NotConfigured,
    /// The library refuses the settings.
    #[error("TLS cannot be set up")]
    Settings(#[source] rustls::Error),
}

/// Settings of both sides as the files last gave them.
pub(crate) struct Certificates {
    files: Tls,
    /// When the first of our certificates ends.
    ends: ArcSwapOption<Timestamp>,
    /// None without an identity: then we only connect to others.
    server: ArcSwapOption<ServerConfig>,
    client: ArcSwap<ClientConfig>,
}

impl Certificates {
    /// Reads the files.
    pub(crate) fn read(files: Tls) -> Result<Self, TlsFault> {
        let (server, client, ends) = settings(&files)?;
        Ok(Self {
            files,
            ends: ArcSwapOption::new(ends.map(Arc::new)),
            server: ArcSwapOption::new(server.map(Arc::new)),
            client: ArcSwap::from_pointee(client),
        })
    }

    /// Reads the files again. With a fault everything stays as it is.
    pub(crate) fn reload(&self) -> Result<(), TlsFault> {
        let (server, client, ends) = settings(&self.files)?;
        self.ends.store(ends.map(Arc::new));
        self.server.store(server.map(Arc::new));
        self.client.store(Arc::new(client));
        Ok(())
    }

    /// What we show to those who connect to us, if anything.
    pub(crate) fn server(&self) -> Option<Arc<ServerConfig>> {
        self.server.load_full()
    }

    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        self.client.load_full()
    }

    /// When the first of our certificates ends.
    pub(crate) fn ends(&self) -> Option<Timestamp> {
        self.ends.load().as_deref().copied()
    }

    /// Whether clients may prove names.
    pub(crate) fn asks_clients(&self) -> bool {
        self.files.client_ca.is_some()
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificates({:?})", self.files)
    }
}

/// The names a certificate is for, as a peer of SIP: RFC 5922 §7.1. URIs of the scheme `sip` without a user come first;
/// DNS names count only without them. The common name is never read.
pub(crate) fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = webpki::EndEntityCert::try_from(certificate) else {
        return Vec::new();
    };
    let mut names: Vec<String> = certificate
        .valid_uri_names()
        .filter_map(sip_domain)
        .map(str::to_owned)
        .take(NAMES_MAX)
        .collect();
    if names.is_empty() {
        // RFC 5922 §7.2: a wildcard proves no SIP domain.
        let dns = certificate.valid_dns_names().filter(|name| !name.contains('*'));
        names.extend(dns.map(str::to_owned).take(NAMES_MAX));
    }
    names
}

/// What a connection speaks, for people: version and cipher.
pub(crate) fn spoken(connection: &rustls::ServerConnection) -> String {
    let version = match connection.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
        // Nothing else is offered to anybody.
        _ => "TLS",
    };
    match connection.negotiated_cipher_suite() {
        Some(suite) => format!("{version}, {:?}", suite.suite()),
        None => version.to_owned(),
    }
}

/// The domain of a `sip:` URI that names a domain and nothing more.
fn sip_domain(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    let domain = rest.split([';', '?']).next().unwrap_or(rest);
    // A user would make it a person's, not a domain's (RFC 5922 §7.1); a port has no place in an identity.
    (scheme.eq_ignore_ascii_case("sip") && !domain.is_empty() && !domain.contains(['@', ':', '/', '*']))
        .then_some(domain)
}

/// What a server must prove when we connect: the domain that was wanted, else the address itself.
pub(crate) fn expected(name: Option<&str>, address: IpAddr) -> ServerName<'static> {
    name.and_then(|name| ServerName::try_from(name.trim_end_matches('.').to_owned()).ok())
        .unwrap_or(ServerName::IpAddress(address.into()))
}

fn settings(files: &Tls) -> Result<(Option<ServerConfig>, ClientConfig, Option<Timestamp>), TlsFault> {
    let provider = Arc::new(ring::default_provider());
    let identities: Vec<Arc<CertifiedKey>> = files
        .identities
        .iter()
        .map(|identity| self::identity(identity, &provider).map(Arc::new))
        .collect::<Result<_, _>>()?;
    let first = identities.first().cloned();
    let ends = identities
        .iter()
        .filter_map(|key| ends(key.end_entity_cert().ok()?))
        .min();
    if let Some(ends) = ends {
        warn_of(ends, Timestamp::now());
    }

    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(VERSIONS)
        .map_err(TlsFault::Settings)?;
    let server = match &files.client_ca {
        Some(path) => {
            let roots = Arc::new(authorities(path)?);
            // A trunk known by its address may come without: whether a name is needed is decided where trunks are known.
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone())
                .allow_unauthenticated()
                .build()
                .map_err(|_| TlsFault::Authorities { path: path.clone() })?;
            server.with_client_cert_verifier(verifier)
        }
        None => server.with_no_client_auth(),
    };
    let server = first
        .is_some()
        .then(|| server.with_cert_resolver(Arc::new(ByName(identities))));

    let client = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(VERSIONS)
        .map_err(TlsFault::Settings)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(SipServer {
            roots: roots(&files.roots)?,
            algorithms: provider.signature_verification_algorithms,
        }))
        // A server that asks who we are is told (mutual TLS).
        .with_client_cert_resolver(Arc::new(Ourselves(first)));
    Ok((server, client, ends))
}

/// A certificate that ends unnoticed is how telephone lines die on a Sunday.
fn warn_of(ends: Timestamp, now: Timestamp) {
    let left = ends.duration_since(now);
    if left.is_negative() {
        tracing::error!(%ends, "our certificate has ended: peers will refuse us");
    } else if left < ENDS_SOON {
        tracing::warn!(%ends, "our certificate ends soon");
    }
}

/// When a certificate ends (RFC 5280 §4.1.2.5): the second time of the fifth element, the optional version not counted.
fn ends(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    const SEQUENCE: u8 = 0x30;
    let (tag, certificate, _) = element(certificate)?;
    let (inner, mut rest, _) = element(certificate)?;
    if (tag, inner) != (SEQUENCE, SEQUENCE) {
        return None;
    }
    if rest.first() == Some(&0xa0) {
        rest = element(rest)?.2;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (_, validity, _) = element(rest)?;
    let (tag, time, _) = element(element(validity)?.2)?;
    let text = std::str::from_utf8(time).ok()?.strip_suffix('Z')?;
    let text = match tag {
        // UTCTime: a year of two digits is of this century below 50.
        0x17 if text.get(..2)? < "50" => format!("20{text}"),
        0x17 => format!("19{text}"),
        0x18 => text.to_owned(),
        _ => return None,
    };
    jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", &text)
        .ok()?
        .to_zoned(jiff::tz::TimeZone::UTC)
        .ok()
        .map(|time| time.timestamp())
}

/// One element of DER: its tag, what is in it, what comes after it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (length, mut rest) = rest.split_first()?;
    let mut size = usize::from(*length);
    if size >= 0x80 {
        let (octets, after) = rest.split_at_checked(size - 0x80)?;
        size = octets.iter().try_fold(0_usize, |size, octet| {
            size.checked_mul(256)?.checked_add(usize::from(*octet))
        })?;
        rest = after;
    }
    let (inside, after) = rest.split_at_checked(size)?;
    Some((*tag, inside, after))
}

fn identity(files: &Identity, provider: &CryptoProvider) -> Result<CertifiedKey, TlsFault> {
    use std::os::unix::fs::PermissionsExt;
    let open = std::fs::metadata(&files.key).is_ok_and(|key| key.permissions().mode() & 0o077 != 0);
    if open {
        tracing::warn!(path = %files.key.display(), "a private key can be read by others than its owner: chmod 600");
    }
    let chain = certificates(&files.certificate)?;
    let pem = read(&files.key)?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| TlsFault::Key(files.key.clone()))?;
    let mismatch = |source| TlsFault::Mismatch {
        path: files.key.clone(),
        source,
    };
    let key = CertifiedKey::from_der(chain, key, provider).map_err(mismatch)?;
    key.keys_match().map_err(mismatch)?;
    Ok(key)
}

/// The authorities of servers. A machine without the system's has nobody to trust, and still serves those who connect.
fn roots(path: &Path) -> Result<RootCertStore, TlsFault> {
    match authorities(path) {
        Err(TlsFault::File { path, source }) if path == Path::new(SYSTEM_ROOTS) => {
            tracing::info!(%source, path = %path.display(), "no authorities: no server can be reached over TLS");
            Ok(RootCertStore::empty())
        }
        authorities => authorities,
    }
}

fn authorities(path: &Path) -> Result<RootCertStore, TlsFault> {
    let mut roots = RootCertStore::empty();
    // Bundles of a system hold a few that no verifier takes; one that can be used is enough to go on.
    let (added, ignored) = roots.add_parsable_certificates(certificates(path)?);
    tracing::debug!(added, ignored, path = %path.display(), "authorities");
    if added == 0 {
        return Err(TlsFault::Authorities { path: path.to_owned() });
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let pem = read(path)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsFault::Certificate(path.to_owned()))?;
    if certificates.is_empty() {
        return Err(TlsFault::Certificate(path.to_owned()));
    }
    Ok(certificates)
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFault> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_MAX).read_to_end(&mut bytes))
        .map_err(|source| TlsFault::File {
            path: path.to_owned(),
            source,
        })?;
    Ok(bytes)
}

/// Shows the identity whose certificate has the name that the client asks for, else the first.
#[derive(Debug)]
struct ByName(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let wanted = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let has = |key: &&Arc<CertifiedKey>| {
            wanted.as_ref().is_some_and(|wanted| {
                key.end_entity_cert()
                    .and_then(ParsedCertificate::try_from)
                    .is_ok_and(|certificate| verify_server_name(&certificate, wanted).is_ok())
            })
        };
        self.0.iter().find(has).or_else(|| self.0.first()).cloned()
    }
}

/// Our certificate for servers that ask for one.
#[derive(Debug)]
struct Ourselves(Option<Arc<CertifiedKey>>);

impl rustls::client::ResolvesClientCert for Ourselves {
    fn resolve(&self, _authorities: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        // A key that cannot sign what they accept would only break a handshake that may do without.
        let own = self.0.as_ref()?;
        own.key.choose_scheme(schemes).map(|_| own.clone())
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

/// Verifies a server as RFC 5922 wants it: the chain as the web does, the name by `sip:` URI or DNS name.
#[derive(Debug)]
struct SipServer {
    roots: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for SipServer {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        wanted: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(&certificate, &self.roots, intermediates, now, self.algorithms.all)?;
        match verify_server_name(&certificate, wanted) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(fault) => {
                let ServerName::DnsName(domain) = wanted else {
                    return Err(fault);
                };
                let proved = names(end_entity)
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(domain.as_ref()));
                match proved {
                    true => Ok(ServerCertVerified::assertion()),
                    // Without the names it does hold: an error text is no place for them.
                    false => Err(CertificateError::NotValidForName.into()),
                }
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    #[test]
    fn the_end_of_a_certificate_is_read() {
        for (year, text) in [(2031, "2031-02-03T00:00:00Z"), (2071, "2071-02-03T00:00:00Z")] {
            let mut params = CertificateParams::new(vec!["desk.example.com".to_owned()]).expect("a name");
            params.not_after = date_time_ymd(year, 2, 3);
            let certificate = params
                .self_signed(&KeyPair::generate().expect("a key"))
                .expect("a certificate");
            assert_eq!(ends(certificate.der()).expect("an end").to_string(), text);
            // Damaged ones end nowhere, and nothing panics over them.
            let der = certificate.der().to_vec();
            for length in 0..der.len() {
                let _ = ends(&CertificateDer::from(der[..length].to_vec()));
            }
        }
        assert_eq!(
            ends(&CertificateDer::from(vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x30])),
            None
        );
    }

    #[test]
    fn a_domain_is_a_sip_uri_without_a_user() {
        assert_eq!(sip_domain("sip:example.com"), Some("example.com"));
        assert_eq!(sip_domain("SIP:example.com;transport=tls"), Some("example.com"));
        for none in [
            "sip:alice@example.com",
            "https://example.com",
            "sip:",
            "sip:*.example.com",
            "tel:+15125550100",
        ] {
            assert_eq!(sip_domain(none), None, "{none}");
        }
        let address = "192.0.2.1".parse().expect("an address");
        assert!(matches!(
            expected(Some("example.com."), address),
            ServerName::DnsName(_)
        ));
        assert!(matches!(
            expected(Some("not a name"), address),
            ServerName::IpAddress(_)
        ));
    }
}
