//! TLS of the check: the handshake as a client, what the other side showed, and whether it would still speak what is dead.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::wire::Stream;

const WITHIN: Duration = Duration::from_secs(8);

/// A TLS stream that never waits once its handshake is done.
pub(super) struct Secured {
    tcp: TcpStream,
    tls: ClientConnection,
}

/// What the handshake came to.
pub(super) struct Shown {
    /// `TLS 1.3`
    pub(super) version: String,
    /// Its cipher.
    pub(super) cipher: String,
    /// Whether the certificate is for this name and of an authority we know; why not.
    pub(super) certificate: Result<(), String>,
}

/// Connects and shakes hands. A certificate that proves nothing does not end it, so that the rest of the card can be filled; it is
/// told, and whoever asks for a password over such a stream must not get one.
pub(super) fn handshake(remote: SocketAddr, name: &str, roots: &Path) -> Result<(Secured, Shown), String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(authorities(roots)?), provider.clone())
        .build()
        .map_err(|error| format!("{}: {error}", roots.display()))?;
    let witness = Arc::new(Witness {
        verifier,
        found: OnceLock::new(),
    });
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(witness.clone())
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
    let mut tls = ClientConnection::new(Arc::new(config), name).map_err(|error| error.to_string())?;
    let mut tcp = dial(remote).map_err(|error| error.to_string())?;
    while tls.is_handshaking() {
        tls.complete_io(&mut tcp).map_err(|error| error.to_string())?;
    }
    tcp.set_nonblocking(true).map_err(|error| error.to_string())?;
    let shown = Shown {
        version: match tls.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3".into(),
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2".into(),
            other => format!("{other:?}"),
        },
        cipher: tls
            .negotiated_cipher_suite()
            .map_or_else(String::new, |suite| format!("{:?}", suite.suite())),
        certificate: witness.found.get().map_or(Ok(()), |why| Err(why.clone())),
    };
    Ok((Secured { tcp, tls }, shown))
}

/// Whether the other side still takes TLS 1.1 (RFC 8996 §2: it MUST NOT). `None`: nobody could tell.
pub(super) fn takes_tls_1_1(remote: SocketAddr) -> Option<bool> {
    let mut tcp = dial(remote).ok()?;
    tcp.write_all(&old_hello()).ok()?;
    let mut record = [0; 11];
    match tcp.read_exact(&mut record) {
        // A handshake record with a ServerHello that says 3.2 or 3.1; anything else is an alert.
        Ok(()) => Some(record.starts_with(&[0x16]) && matches!(record.get(9..11), Some([3, 1 | 2]))),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock || error.kind() == io::ErrorKind::TimedOut => None,
        // Closed, with an alert or without a word.
        Err(_) => Some(false),
    }
}

/// A ClientHello of TLS 1.1 (RFC 4346 §7.4.1.2) with the ciphers of its time.
fn old_hello() -> Vec<u8> {
    let mut body = vec![3, 2];
    body.extend_from_slice(&[0x5a; 32]);
    body.push(0);
    let ciphers = [0xc0, 0x13, 0xc0, 0x14, 0x00, 0x2f, 0x00, 0x35, 0x00, 0x0a];
    body.extend_from_slice(&[0, 10]);
    body.extend_from_slice(&ciphers);
    body.extend_from_slice(&[1, 0]);
    // supported_groups (secp256r1, secp384r1) and ec_point_formats (uncompressed), RFC 8422 §5.1.
    let extensions = [0, 10, 0, 6, 0, 4, 0, 23, 0, 24, 0, 11, 0, 2, 1, 0];
    body.extend_from_slice(&[0, 16]);
    body.extend_from_slice(&extensions);
    let length = u16::try_from(body.len()).unwrap_or(0);
    let [high, low] = length.to_be_bytes();
    let [outer_high, outer_low] = (length + 4).to_be_bytes();
    [&[0x16, 3, 1, outer_high, outer_low, 1, 0, high, low], body.as_slice()].concat()
}

fn dial(remote: SocketAddr) -> io::Result<TcpStream> {
    let tcp = TcpStream::connect_timeout(&remote, WITHIN)?;
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(WITHIN))?;
    tcp.set_write_timeout(Some(WITHIN))?;
    Ok(tcp)
}

fn authorities(path: &Path) -> Result<RootCertStore, String> {
    let pem = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten());
    if added == 0 {
        return Err(format!("{}: no authority can be used", path.display()));
    }
    Ok(roots)
}

impl Secured {
    /// Our end.
    pub(super) fn local(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

impl Stream for Secured {
    fn read_some(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.tls.read_tls(&mut self.tcp) {
            Ok(_) => {
                self.tls.process_new_packets().map_err(io::Error::other)?;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        self.tls.reader().read(into)
    }

    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.tls.writer().write(bytes)?;
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.tcp) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }
}

/// Judges a certificate as ever, and remembers the verdict instead of hanging up.
struct Witness {
    verifier: Arc<WebPkiServerVerifier>,
    /// Why the certificate proves nothing; never set for one that does.
    found: OnceLock<String>,
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witness")
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let judged = self
            .verifier
            .verify_server_cert(end_entity, intermediates, name, ocsp, now);
        if let Err(error) = judged {
            // A handshake shows one certificate; a second verdict would be the same.
            let _ = self.found.set(error.to_string());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}
