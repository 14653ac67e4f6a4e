//! TLS: versions, names, authorities, other people's certificates, reloading, slow handshakes; and openssl as a peer
//! that is not ours.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
    string::Ia5String,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::process::Command;
use tokio_rustls::client::TlsStream;

use super::*;

/// An authority and the folder its files lie in.
pub(super) struct Authority {
    pub(super) folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Test authority");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).expect("written");
        Self {
            folder,
            issuer: Issuer::new(params, key),
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate for these names: `sip:…` are URIs, the others DNS names or addresses.
    pub(super) fn issue(&self, file: &str, names: &[&str]) -> Identity {
        let san = |name: &&str| match name.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => {
                let text = Ia5String::try_from(*name).expect("ASCII");
                if name.contains(':') {
                    SanType::URI(text)
                } else {
                    SanType::DnsName(text)
                }
            }
        };
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.iter().map(san).collect();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let identity = Identity {
            certificate: self.path(&format!("{file}.pem")),
            key: self.path(&format!("{file}.key")),
        };
        std::fs::write(&identity.certificate, certificate.pem()).expect("written");
        std::fs::write(&identity.key, key.serialize_pem()).expect("written");
        identity
    }

    /// What an exchange of this authority is started with.
    pub(super) fn tls(&self, names: &[&str]) -> Tls {
        Tls {
            identities: vec![self.issue("server", names)],
            client_ca: Some(self.path("ca.pem")),
            roots: self.path("ca.pem"),
        }
    }

    /// A foreign client that trusts us, with or without a certificate of its own.
    pub(super) fn client(&self, identity: Option<&Identity>) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(pem(&self.path("ca.pem")));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        Arc::new(match identity {
            Some(identity) => builder
                .with_client_auth_cert(
                    pem(&identity.certificate),
                    PrivateKeyDer::from_pem_file(&identity.key).expect("a key"),
                )
                .expect("they fit"),
            None => builder.with_no_client_auth(),
        })
    }
}

fn pem(path: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(path)
        .expect("a file")
        .collect::<Result<_, _>>()
        .expect("certificates")
}

async fn connect(
    from: SocketAddr,
    to: SocketAddr,
    config: Arc<rustls::ClientConfig>,
    name: &'static str,
) -> io::Result<TlsStream<TcpStream>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(from)?;
    let stream = socket.connect(to).await?;
    let name = ServerName::try_from(name).expect("a name");
    TlsConnector::from(config).connect(name, stream).await
}

async fn bench(tls: Tls, limits: StreamLimits, floods: FloodLimits) -> (Bench, Arc<Certificates>) {
    let certificates = Arc::new(Certificates::read(tls).expect("files"));
    let bench = Bench::with(&[Transport::Tls], ANY, limits, floods, certificates.clone()).await;
    (bench, certificates)
}

#[tokio::test]
async fn a_message_comes_and_goes_over_tls() {
    let authority = Authority::new();
    let tls = authority.tls(&["desk.example.com"]);
    let (mut bench, _) = bench(tls, StreamLimits::default(), FloodLimits::default()).await;
    let to = bench.at(Transport::Tls);
    let client = tokio::spawn(connect(ANY, to, authority.client(None), "desk.example.com"));
    assert_eq!(bench.names().await, Vec::<String>::new(), "no certificate, no name");
    let mut client = client.await.expect("no panic").expect("a handshake");
    client.write_all(MESSAGE.repeat(2).as_bytes()).await.expect("written");
    let (flow, text) = bench.message().await;
    assert_eq!((flow.transport, text.as_str()), (Transport::Tls, MESSAGE));
    bench.message().await;
    bench.send(flow, "SIP/2.0 200 OK").expect("queued");
    client.write_all(b"\r\n\r\n").await.expect("written");
    let mut answer = [0; 16];
    client.read_exact(&mut answer).await.expect("an answer and a pong");
    assert_eq!(&answer, b"SIP/2.0 200 OK\r\n");
    client.shutdown().await.expect("said goodbye");
    bench.ended().await;
    assert_eq!(client.read(&mut answer).await.expect("a close that is said"), 0);
    assert_eq!(bench.transports.connections(), 0);
}

#[tokio::test]
async fn a_peer_proves_its_names_and_a_stranger_without_one_is_shown_the_door() {
    let authority = Authority::new();
    let (mut bench, _) = bench(
        authority.tls(&["desk.example.com"]),
        StreamLimits::default(),
        FloodLimits::default(),
    )
    .await;
    let to = bench.at(Transport::Tls);
    // RFC 5922 §7.1: a sip URI without a user is the identity, and DNS names then do not count.
    let trunk = authority.issue(
        "trunk",
        &["sip:trunk.example.com", "sip:user@example.com", "other.example.com"],
    );
    let client = tokio::spawn(connect(
        STRANGER,
        to,
        authority.client(Some(&trunk)),
        "desk.example.com",
    ));
    assert_eq!(bench.names().await, ["trunk.example.com"]);
    let mut client = client.await.expect("no panic").expect("a handshake");
    client.write_all(MESSAGE.as_bytes()).await.expect("written");
    assert_eq!(
        bench.message().await.1,
        MESSAGE,
        "a known name from an unknown address is a trunk"
    );

    // A name nobody knows, a wildcard, and no certificate at all, from an address nobody knows.
    let nobody = authority.issue("nobody", &["nobody.example.com"]);
    let wild = authority.issue("wild", &["*.example.com"]);
    for identity in [Some(&nobody), Some(&wild), None] {
        let before = bench.transports.counters().strangers();
        let client = tokio::spawn(connect(STRANGER, to, authority.client(identity), "desk.example.com"));
        bench.ended().await;
        if let Ok(mut client) = client.await.expect("no panic") {
            let _ = client.write_all(MESSAGE.as_bytes()).await;
            assert!(
                !matches!(client.read(&mut [0; 1]).await, Ok(1..)),
                "nothing is said to them"
            );
        }
        assert_eq!(bench.transports.counters().strangers(), before + 1);
    }
    // A certificate of another authority is no certificate.
    let elsewhere = Authority::new();
    let forged = elsewhere.issue("forged", &["trunk.example.com"]);
    let client = tokio::spawn(connect(
        STRANGER,
        to,
        authority.client(Some(&forged)),
        "desk.example.com",
    ));
    bench.ended().await;
    drop(client.await);
    assert_eq!(bench.transports.counters().handshakes.load(Relaxed), 1);
    assert_eq!(bench.transports.connections(), 1, "the trunk's stands");
}

#[tokio::test]
async fn a_certificate_is_chosen_by_name_and_changed_without_a_call_noticing() {
    let authority = Authority::new();
    let mut tls = authority.tls(&["desk.example.com"]);
    tls.identities.push(authority.issue("second", &["second.example.com"]));
    let (mut bench, certificates) = bench(tls, StreamLimits::default(), FloodLimits::default()).await;
    let to = bench.at(Transport::Tls);
    for name in ["desk.example.com", "second.example.com"] {
        let client = tokio::spawn(connect(ANY, to, authority.client(None), name));
        bench.names().await;
        client.await.expect("no panic").expect("each name has its certificate");
        bench.ended().await;
    }
    let standing = tokio::spawn(connect(ANY, to, authority.client(None), "desk.example.com"));
    bench.names().await;
    let mut standing = standing.await.expect("no panic").expect("a handshake");

    // Files with a fault change nothing.
    std::fs::write(authority.path("server.pem"), "no certificate").expect("written");
    assert!(matches!(certificates.reload(), Err(TlsFault::Certificate(_))));
    // A certificate without its key neither.
    let key = std::fs::read(authority.path("server.key")).expect("a key");
    authority.issue("server", &["renamed.example.com"]);
    let new_key = std::fs::read(authority.path("server.key")).expect("a key");
    std::fs::write(authority.path("server.key"), key).expect("written");
    assert!(matches!(certificates.reload(), Err(TlsFault::Mismatch { .. })));
    let client = tokio::spawn(connect(ANY, to, authority.client(None), "desk.example.com"));
    bench.names().await;
    client
        .await
        .expect("no panic")
        .expect("the old certificate still serves");
    bench.ended().await;

    std::fs::write(authority.path("server.key"), new_key).expect("written");
    certificates.reload().expect("new files");
    let client = tokio::spawn(connect(ANY, to, authority.client(None), "renamed.example.com"));
    bench.names().await;
    client.await.expect("no panic").expect("the new certificate serves");
    bench.ended().await;
    standing.write_all(MESSAGE.as_bytes()).await.expect("written");
    assert_eq!(bench.message().await.1, MESSAGE, "what stood, stands");
}

/// A foreign server on loopback that counts its handshakes and echoes what it reads.
async fn server(
    authority: &Authority,
    identity: &Identity,
    asks: bool,
) -> (SocketAddr, JoinHandle<()>, Arc<AtomicU64>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = if asks {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(pem(&authority.path("ca.pem")));
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::from_pem_file(&identity.key).expect("a key");
    let config = builder
        .with_single_cert(pem(&identity.certificate), key)
        .expect("they fit");
    let listener = TcpListener::bind(ANY).await.expect("a port");
    let (address, count) = (listener.local_addr().expect("bound"), Arc::new(AtomicU64::new(0)));
    let (acceptor, counted) = (TlsAcceptor::from(Arc::new(config)), count.clone());
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            counted.fetch_add(1, Relaxed);
            tokio::spawn(async move {
                let (mut from, mut to) = tokio::io::split(stream);
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    (address, task, count)
}

#[tokio::test]
async fn a_server_must_be_who_was_to_be_reached() {
    let authority = Authority::new();
    let elsewhere = Authority::new();
    let (mut bench, _) = bench(
        authority.tls(&["desk.example.com"]),
        StreamLimits::default(),
        FloodLimits::default(),
    )
    .await;
    let local = bench.at(Transport::Tls);
    let unnamed = authority.issue("good", &["carrier.example.com"]);
    let cases = [
        (
            authority.issue("dns", &["carrier.example.com"]),
            Some("carrier.example.com"),
            true,
            true,
        ),
        (
            authority.issue("uri", &["sip:carrier.example.com"]),
            Some("carrier.example.com"),
            false,
            true,
        ),
        (authority.issue("ip", &["127.0.0.1"]), None, false, true),
        (
            authority.issue("other", &["other.example.com"]),
            Some("carrier.example.com"),
            false,
            false,
        ),
        (
            elsewhere.issue("untrusted", &["carrier.example.com"]),
            Some("carrier.example.com"),
            false,
            false,
        ),
        (unnamed, None, false, false),
    ];
    for (place, (identity, name, asks, good)) in cases.into_iter().enumerate() {
        let (remote, task, handshakes) = server(&authority, &identity, asks).await;
        if let Some(name) = name {
            bench.transports.expect(remote, name);
        }
        let flow = Flow {
            transport: Transport::Tls,
            local,
            remote,
            connection: None,
        };
        // The echo of our own messages is what the "server" says.
        bench.send(flow, MESSAGE).expect("queued");
        bench.send(flow, MESSAGE).expect("queued");
        if good {
            bench.message().await;
            assert_eq!(bench.message().await.0.remote, remote);
            assert_eq!(handshakes.load(Relaxed), 1, "case {place}: one connection for both");
            // Another domain at the same address is not reached over this domain's connection.
            bench.transports.expect(remote, "somebody.else.example.com");
            bench.send(flow, MESSAGE).expect("queued");
            assert!(bench.ended().await, "case {place}");
        } else {
            assert!(bench.ended().await, "case {place}: we had asked, and are told");
        }
        task.abort();
    }
}

#[tokio::test]
async fn a_handshake_has_a_time_and_noise_is_none() {
    let authority = Authority::new();
    let (mut bench, _) = bench(
        authority.tls(&["desk.example.com"]),
        StreamLimits {
            handshake: Duration::from_millis(100),
            ..StreamLimits::default()
        },
        FloodLimits::default(),
    )
    .await;
    let to = bench.at(Transport::Tls);
    let mut silent = TcpStream::connect(to).await.expect("accepted");
    bench.ended().await;
    assert!(matches!(silent.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    let mut dripping = TcpStream::connect(to).await.expect("accepted");
    // The beginning of a ClientHello, and never its end.
    dripping.write_all(&[0x16, 3, 1, 2, 0, 1]).await.expect("written");
    bench.ended().await;
    assert_eq!(bench.transports.counters().slow.load(Relaxed), 2);
    let mut noise = TcpStream::connect(to).await.expect("accepted");
    noise.write_all(MESSAGE.as_bytes()).await.expect("written");
    bench.ended().await;
    assert_eq!(bench.transports.counters().handshakes.load(Relaxed), 1);
    assert_eq!(bench.transports.connections(), 0);
}

#[tokio::test]
async fn strangers_hold_few_handshakes_and_never_a_trunks_place() {
    let authority = Authority::new();
    let (mut bench, _) = bench(
        authority.tls(&["desk.example.com"]),
        StreamLimits::default(),
        FloodLimits {
            stranger_connections_max: 3,
            stranger_connections_per_source_max: 2,
            stranger_per_s: 1000,
            ..FloodLimits::default()
        },
    )
    .await;
    let to = bench.at(Transport::Tls);
    let mut held = Vec::new();
    for last in [2, 2, 2, 3, 4, 5] {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind((Ipv4Addr::new(127, 0, 0, last), 0).into())
            .expect("an address");
        held.push(socket.connect(to).await.expect("accepted by the kernel"));
        bench.let_in().await;
    }
    assert_eq!(bench.transports.connections(), 3);
    assert_eq!(bench.transports.counters().refused.load(Relaxed), 3);
    let client = tokio::spawn(connect(ANY, to, authority.client(None), "desk.example.com"));
    bench.names().await;
    client
        .await
        .expect("no panic")
        .expect("the trunk is let in all the same");
}

/// What openssl, which is not ours, makes of us.
async fn openssl(to: SocketAddr, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &to.to_string(),
            "-servername",
            "desk.example.com",
        ])
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(Duration::from_secs(20), output)
        .await
        .expect("in time")
        .expect("openssl is there");
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output.status.success(), text)
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_gets_1_2_and_1_3_and_nothing_older() {
    let authority = Authority::new();
    let (mut bench, _) = bench(
        authority.tls(&["desk.example.com"]),
        StreamLimits::default(),
        FloodLimits::default(),
    )
    .await;
    let to = bench.at(Transport::Tls);
    let owner = tokio::spawn(async move {
        loop {
            bench.next().await;
        }
    });
    let ca = authority.path("ca.pem");
    let verify = ["-CAfile", ca.to_str().expect("a path"), "-verify_return_error"];
    for (version, name) in [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")] {
        let (good, text) = openssl(to, &[&verify[..], &[version]].concat()).await;
        assert!(good && text.contains(name), "{version}: {text}");
    }
    for version in ["-tls1_1", "-tls1"] {
        // SECLEVEL=0 lets openssl itself offer what we must refuse.
        let (good, text) = openssl(to, &[version, "-cipher", "ALL:@SECLEVEL=0"]).await;
        assert!(!good, "{version}: {text}");
        assert!(text.contains("alert"), "{version}: {text}");
    }
    // A cipher without forward secrecy finds nobody either.
    let (good, text) = openssl(to, &["-tls1_2", "-cipher", "AES128-SHA:AES256-SHA:@SECLEVEL=0"]).await;
    assert!(!good, "{text}");
    owner.abort();
}
