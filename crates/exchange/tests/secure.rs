//! A whole exchange behind TLS and WebSockets: a trunk known by its certificate calls, certificates are changed meanwhile,
//! the trace shows it all and nobody's number, and nothing is left over. Alone in its binary, for it counts open files.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "a phone at the other end of real sockets; each file uses a part of it"
)]

mod phone;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use exchange::{Identity, Numbers, Running, Tls, Trace, serve};
use futures_util::{SinkExt, StreamExt};
use phone::*;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use sip::Transport;
use sip::locate::Target;
use sip::message::Host;
use switchboard::trunk::Ping;
use switchboard::{Fact, Listener, Outbound, Trunk};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// An address that no trunk is known by.
const ELSEWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 0);

struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(folder: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        std::fs::write(folder.join("ca.pem"), certificate.pem()).expect("written");
        Self {
            issuer: Issuer::new(params, key),
        }
    }

    fn issue(&self, folder: &Path, file: &str, name: &str) -> Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let identity = Identity {
            certificate: folder.join(format!("{file}.pem")),
            key: folder.join(format!("{file}.key")),
        };
        std::fs::write(&identity.certificate, certificate.pem()).expect("written");
        std::fs::write(&identity.key, key.serialize_pem()).expect("written");
        identity
    }
}

fn client(folder: &Path, identity: Option<&Identity>) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    let pem = |path: &Path| -> Vec<_> {
        CertificateDer::pem_file_iter(path)
            .expect("a file")
            .map(|found| found.expect("a certificate"))
            .collect()
    };
    roots.add_parsable_certificates(pem(&folder.join("ca.pem")));
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    TlsConnector::from(Arc::new(match identity {
        Some(identity) => builder
            .with_client_auth_cert(
                pem(&identity.certificate),
                PrivateKeyDer::from_pem_file(&identity.key).expect("a key"),
            )
            .expect("they fit"),
        None => builder.with_no_client_auth(),
    }))
}

async fn connect(
    from: SocketAddr,
    to: SocketAddr,
    connector: &TlsConnector,
    name: &'static str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(from)?;
    let stream = socket.connect(to).await?;
    connector
        .connect(ServerName::try_from(name).expect("a name"), stream)
        .await
}

/// An exchange on UDP, TLS, WS and WSS, with a trunk known by 127.0.0.1 and one known by the name in its certificate.
async fn exchange(data: &Path, tls: Tls) -> Running {
    let mut config = config(data, &shipped());
    config.desk.signalling = [Transport::Udp, Transport::Tls, Transport::Ws, Transport::Wss]
        .map(|transport| Listener {
            transport,
            local: ANY,
            advertised: ANY,
        })
        .to_vec();
    let mut by_name = Trunk::new("by name", []);
    by_name.client_names = vec!["trunk.example.com".into()];
    config.desk.trunks.push(by_name);
    config.tls = Some(tls);
    // One address plays every stranger here, and the trunk that is known by name only.
    config.floods.stranger_per_s = 1_000;
    config.floods.strangers_per_s = 1_000;
    serve(config).await.expect("starts")
}

fn options(via: &str, id: &str) -> String {
    format!(
        "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/{via} 192.0.2.77:5061;branch=z9hG4bK{id}\r\nMax-Forwards: 70\r\n\
         From: <sip:+15125550177@192.0.2.77>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: {id}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

async fn answer(stream: &mut TlsStream<TcpStream>) -> String {
    let mut buffer = vec![0; 8192];
    let length = timeout(PATIENCE, stream.read(&mut buffer))
        .await
        .expect("in time")
        .expect("open");
    String::from_utf8(buffer[..length].to_vec()).expect("text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trunk_known_by_its_certificate_is_served_traced_and_forgotten() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, certs) = (folder.path().join("data"), folder.path().join("certs"));
    std::fs::create_dir_all(&certs).expect("a folder");
    let authority = Authority::new(&certs);
    let identity = authority.issue(&certs, "desk", "desk.example.com");
    let trunk = authority.issue(&certs, "trunk", "trunk.example.com");
    let running = exchange(
        &data,
        Tls {
            client_ca: Some(certs.join("ca.pem")),
            roots: certs.join("ca.pem"),
            ..Tls::new(&identity.certificate, &identity.key)
        },
    )
    .await;
    let handle = running.handle();
    let (secure, socket, both) = (
        address(&handle, Transport::Tls),
        address(&handle, Transport::Ws),
        address(&handle, Transport::Wss),
    );
    handle
        .trace(Trace::new(folder.path().join("traces")))
        .await
        .expect("begins");

    // The trunk is served wherever it comes from.
    let known = client(&certs, Some(&trunk));
    let mut stream = connect(ELSEWHERE, secure, &known, "desk.example.com")
        .await
        .expect("a handshake");
    stream
        .write_all(options("TLS", "tls1").as_bytes())
        .await
        .expect("written");
    let text = answer(&mut stream).await;
    assert!(text.starts_with("SIP/2.0 200 "), "{text}");

    // So is a browser, by TLS and without.
    let mut request = format!("ws://{socket}/").into_client_request().expect("a request");
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", "sip".parse().expect("a value"));
    let plain = TcpStream::connect(socket).await.expect("accepted");
    let (mut plain, _) = tokio_tungstenite::client_async(request.clone(), plain)
        .await
        .expect("an upgrade");
    plain.send(Message::text(options("WS", "ws1"))).await.expect("sent");
    let text = timeout(PATIENCE, plain.next())
        .await
        .expect("in time")
        .expect("open")
        .expect("a frame");
    assert!(text.to_text().expect("text").starts_with("SIP/2.0 200 "), "{text}");
    let stream2 = connect(ELSEWHERE, both, &known, "desk.example.com")
        .await
        .expect("a handshake");
    let (mut browser, _) = tokio_tungstenite::client_async(request, stream2)
        .await
        .expect("an upgrade");
    browser.send(Message::text(options("WSS", "wss1"))).await.expect("sent");
    let text = timeout(PATIENCE, browser.next())
        .await
        .expect("in time")
        .expect("open")
        .expect("a frame");
    assert!(text.to_text().expect("text").starts_with("SIP/2.0 200 "), "{text}");

    // Who proves nothing gets nothing.
    let stranger = client(&certs, None);
    if let Ok(mut stream) = connect(ELSEWHERE, secure, &stranger, "desk.example.com").await {
        let _ = stream.write_all(options("TLS", "no").as_bytes()).await;
        let mut buffer = [0; 16];
        let read = timeout(PATIENCE, stream.read(&mut buffer))
            .await
            .expect("ended in time");
        assert!(!matches!(read, Ok(1..)), "not a word");
    }

    // New certificates for new connections; the old connection goes on.
    authority.issue(&certs, "desk", "renamed.example.com");
    handle.reload_certificates().await.expect("read again");
    connect(ELSEWHERE, secure, &known, "renamed.example.com")
        .await
        .expect("the new certificate");
    connect(ELSEWHERE, secure, &known, "desk.example.com")
        .await
        .expect_err("the old one is gone");
    stream
        .write_all(options("TLS", "tls2").as_bytes())
        .await
        .expect("written");
    assert!(answer(&mut stream).await.starts_with("SIP/2.0 200 "));
    std::fs::write(&identity.key, "nothing").expect("written");
    handle.reload_certificates().await.expect_err("a file with a fault");
    connect(ELSEWHERE, secure, &known, "renamed.example.com")
        .await
        .expect("still served");

    let figures = handle.end_trace().await.expect("running").expect("a trace");
    assert_eq!((figures.written, figures.dropped, figures.failed), (8, 0, 0));
    drop((stream, plain, browser));
    running.stop().await.expect("in order");

    let trace = std::fs::read_dir(folder.path().join("traces"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .next()
        .expect("a file");
    assert_eq!(
        std::fs::metadata(&trace).expect("there").permissions().mode() & 0o777,
        0o600
    );
    let octets = std::fs::read(&trace).expect("readable");
    assert!(
        !octets.windows(10).any(|window| window == b"5125550177"),
        "a number is in the trace"
    );
    let seen = std::process::Command::new("tshark")
        .args(["-n", "-r"])
        .arg(&trace)
        .args([
            "-Y",
            "sip",
            "-T",
            "fields",
            "-e",
            "sip.Method",
            "-e",
            "sip.Status-Code",
            "-e",
            "sip.Call-ID",
        ])
        .output()
        .expect("tshark is there: make setup");
    let seen = String::from_utf8(seen.stdout).expect("text");
    for line in [
        "OPTIONS\t\ttls1",
        "\t200\ttls1",
        "OPTIONS\t\tws1",
        "\t200\twss1",
        "\t200\ttls2",
    ] {
        assert!(seen.contains(line), "{line:?} is not in {seen}");
    }
    let facts = facts(&data);
    assert!(facts.iter().any(|stamped| stamped.fact
        == Fact::TraceBegan {
            into: "files".into(),
            numbers_shown: false,
            trunk: None,
        }));
    assert!(
        facts
            .iter()
            .any(|stamped| matches!(stamped.fact, Fact::TraceEnded { missing: 0, .. }))
    );
    assert_eq!(
        Numbers::default(),
        Numbers::Masked,
        "nobody shows numbers by forgetting something"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_every_kind_and_end_leave_no_task_and_no_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, certs) = (folder.path().join("data"), folder.path().join("certs"));
    std::fs::create_dir_all(&certs).expect("a folder");
    let authority = Authority::new(&certs);
    let identity = authority.issue(&certs, "desk", "desk.example.com");
    let trunk = authority.issue(&certs, "trunk", "trunk.example.com");
    let tls = Tls {
        client_ca: Some(certs.join("ca.pem")),
        roots: certs.join("ca.pem"),
        ..Tls::new(&identity.certificate, &identity.key)
    };
    let running = exchange(&data, tls).await;
    let handle = running.handle();
    let (secure, socket) = (address(&handle, Transport::Tls), address(&handle, Transport::Ws));
    let known = client(&certs, Some(&trunk));
    let stranger = client(&certs, None);
    let open_files = || std::fs::read_dir("/proc/self/fd").expect("Linux").count();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    // Once before counting: whatever is made at the first use is made.
    let mut before = None;
    for round in 0..20 {
        // In order, by a reset, in the middle of a handshake, without a name, as noise, and in the middle of a message.
        let mut good = connect(ELSEWHERE, secure, &known, "desk.example.com")
            .await
            .expect("a handshake");
        good.write_all(options("TLS", &format!("r{round}")).as_bytes())
            .await
            .expect("written");
        answer(&mut good).await;
        if round % 2 == 0 {
            good.shutdown().await.expect("said goodbye");
        } else {
            good.get_ref().0.set_zero_linger().expect("a socket");
        }
        drop(good);
        drop(connect(ELSEWHERE, secure, &stranger, "desk.example.com").await);
        for to in [secure, socket] {
            let mut noise = TcpStream::connect(to).await.expect("accepted");
            noise
                .write_all(options("TCP", "noise").as_bytes())
                .await
                .expect("written");
            drop(noise);
            drop(TcpStream::connect(to).await.expect("accepted"));
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let held = handle.held().await.expect("running").connections;
            let counted = (open_files(), tasks());
            match before {
                None if held == 0 => {
                    before = Some(counted);
                    break;
                }
                // Less is what the start had open and let go.
                Some((files, tasks)) if held == 0 && counted.0 <= files && counted.1 <= tasks => {
                    before = Some(counted);
                    break;
                }
                _ => {}
            }
            assert!(
                Instant::now() < deadline,
                "round {round}: {held} connections, {counted:?}, not {before:?}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    running.stop().await.expect("in order");
}

/// dnsmasq, which is not ours, on a free port of loopback.
struct NameServer {
    process: std::process::Child,
    address: SocketAddr,
}

impl NameServer {
    async fn start(records: &[String]) -> Self {
        for _ in 0..10 {
            let free = std::net::UdpSocket::bind(ANY)
                .expect("a port")
                .local_addr()
                .expect("bound");
            let mut process = std::process::Command::new("dnsmasq")
                .args([
                    "--keep-in-foreground",
                    "--no-resolv",
                    "--no-hosts",
                    "--bind-interfaces",
                    "--pid-file",
                ])
                .args([
                    "--conf-file=/dev/null",
                    "--listen-address=127.0.0.1",
                    "--user=root",
                    "--local=/example.com/",
                ])
                .arg(format!("--port={}", free.port()))
                .args(records)
                .stderr(std::process::Stdio::null())
                .spawn()
                .expect("dnsmasq is there: make setup");
            for _ in 0..200 {
                if process.try_wait().expect("a process").is_some() {
                    break;
                }
                if std::net::TcpStream::connect(free).is_ok() {
                    return Self { process, address: free };
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let _ = process.kill();
            let _ = process.wait();
        }
        panic!("dnsmasq does not start");
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A carrier's edge: answers every OPTIONS that comes over TLS, and counts them.
async fn edge(at: [u8; 4], identity: &Identity) -> (SocketAddr, Arc<AtomicU64>, JoinHandle<()>) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = CertificateDer::pem_file_iter(&identity.certificate).expect("a file");
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            chain.map(|found| found.expect("a certificate")).collect(),
            PrivateKeyDer::from_pem_file(&identity.key).expect("a key"),
        )
        .expect("they fit");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::from(at), 0)).await.expect("a port");
    let (address, count) = (listener.local_addr().expect("bound"), Arc::new(AtomicU64::new(0)));
    let counted = count.clone();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let counted = counted.clone();
            tokio::spawn(async move {
                let mut buffer = vec![0; 8192];
                while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                    let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    if !request.starts_with("OPTIONS ") {
                        continue;
                    }
                    counted.fetch_add(1, Relaxed);
                    let kept = |line: &&str| {
                        ["Via:", "From:", "To:", "Call-ID:", "CSeq:"]
                            .iter()
                            .any(|name| line.starts_with(name))
                    };
                    let headers: Vec<&str> = request.lines().filter(kept).collect();
                    let answer = format!(
                        "SIP/2.0 200 OK\r\n{}\r\nContent-Length: 0\r\n\r\n",
                        headers.join("\r\n")
                    );
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, count, task)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_carrier_is_found_by_name_and_must_prove_that_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, certs) = (folder.path().join("data"), folder.path().join("certs"));
    std::fs::create_dir_all(&certs).expect("a folder");
    let authority = Authority::new(&certs);
    let identity = authority.issue(&certs, "desk", "desk.example.com");
    let (good, good_count, good_task) =
        edge([127, 0, 0, 1], &authority.issue(&certs, "good", "good.example.com")).await;
    // The name of the host that the DNS leads to is not the name that was asked for.
    let (bad, bad_count, bad_task) =
        edge([127, 0, 0, 3], &authority.issue(&certs, "bad", "edge.bad.example.com")).await;
    let names = NameServer::start(&[
        format!(
            "--srv-host=_sips._tcp.good.example.com,edge.good.example.com,{}",
            good.port()
        ),
        format!(
            "--srv-host=_sips._tcp.bad.example.com,edge.bad.example.com,{}",
            bad.port()
        ),
        "--host-record=edge.good.example.com,127.0.0.1".to_owned(),
        "--host-record=edge.bad.example.com,127.0.0.3".to_owned(),
    ])
    .await;
    let mut config = config(&data, &shipped());
    config.desk.signalling = vec![Listener {
        transport: Transport::Tls,
        local: ANY,
        advertised: ANY,
    }];
    config.desk.trunks = ["good", "bad"]
        .map(|name| {
            let target = Target {
                secure: true,
                ..Target::new(Host::Name(format!("{name}.example.com")))
            };
            let mut trunk = Trunk::new(name, []).calling(Some(Outbound::to(target)));
            trunk.ping = Some(Ping {
                every: Duration::from_millis(100),
                answer_within: Duration::from_millis(300),
                ..Ping::default()
            });
            trunk
        })
        .to_vec();
    config.tls = Some(Tls {
        roots: certs.join("ca.pem"),
        ..Tls::new(&identity.certificate, &identity.key)
    });
    config.resolver.servers = vec![names.address];
    let running = serve(config).await.expect("starts");
    let handle = running.handle();
    let deadline = Instant::now() + Duration::from_secs(40);
    while good_count.load(Relaxed) < 3 || handle.snapshot().handshakes_failed == 0 {
        assert!(
            Instant::now() < deadline,
            "{} asked, {} handshakes failed",
            good_count.load(Relaxed),
            handle.snapshot().handshakes_failed
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(bad_count.load(Relaxed), 0, "not a word to who cannot prove the name");
    running.stop().await.expect("in order");
    good_task.abort();
    bad_task.abort();
}
