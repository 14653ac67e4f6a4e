//! TLS in front of SIP: RFC 3261 §26.2.1 and RFC 8996. The client is rustls where it shakes hands, and raw octets where it
//! must not be let in.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use sip::Transport::Tls;
use switchboard::Listener;
use tempfile::TempDir;
use tests::engine::Engine;
use tests::raw::{Message, SOON, fresh};

use crate::house::{TALK, is_alive, own, phone, wait};

const NAME: &str = "sip.example.com";

struct House {
    engine: Engine,
    certificate: CertificateDer<'static>,
    _folder: TempDir,
}

fn house() -> House {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).expect("a certificate");
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("room");
        path
    };
    let certificate = write("tls.pem", made.cert.pem());
    let key = write("tls.key", made.signing_key.serialize_pem());
    let roots: &Path = &certificate;
    let mut tls = exchange::Tls::new(&certificate, key);
    tls.roots = roots.to_owned();
    let engine = own(move |config| {
        let local = std::net::SocketAddr::new(tests::LOOPBACK, 0);
        config.desk.signalling.push(Listener {
            transport: Tls,
            local,
            advertised: local,
        });
        config.tls = Some(tls);
        config.streams.handshake = Duration::from_millis(1_500);
    });
    House {
        engine,
        certificate: made.cert.der().clone(),
        _folder: folder,
    }
}

fn options(engine: &Engine) -> String {
    format!(
        "OPTIONS sip:{TALK}@{NAME} SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:5061;branch=z9hG4bK{};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:a@example.com>;tag=1\r\nTo: <sip:{TALK}@{NAME}>\r\nCall-ID: {}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
        fresh(),
        engine.address(Tls)
    )
}

/// Asks OPTIONS over this version of TLS.
fn answered_over(house: &House, version: &'static rustls::SupportedProtocolVersion) -> Message {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(house.certificate.clone()).expect("our own");
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(NAME).expect("a name");
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut stream = TcpStream::connect(house.engine.address(Tls)).expect("the engine listens");
    stream.set_read_timeout(Some(SOON)).expect("a connection");
    let from = stream.peer_addr().expect("connected");
    let mut tls = rustls::Stream::new(&mut client, &mut stream);
    tls.write_all(options(&house.engine).as_bytes()).expect("a handshake");
    let mut held = Vec::new();
    loop {
        let mut buffer = [0; 4_096];
        let length = tls.read(&mut buffer).expect("an answer");
        assert!(length > 0, "closed before the answer");
        held.extend_from_slice(&buffer[..length]);
        if let Some(message) = Message::read(&held, from) {
            return message;
        }
    }
}

#[test]
fn rfc5246_s7_sip_over_tls_1_2_is_answered() {
    let house = house();
    let answer = answered_over(&house, &rustls::version::TLS12);
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert!(answer.header("Via").starts_with("SIP/2.0/TLS "), "{answer:?}");
}

#[test]
fn rfc8446_s2_sip_over_tls_1_3_is_answered() {
    let house = house();
    let answer = answered_over(&house, &rustls::version::TLS13);
    assert_eq!(answer.status(), 200, "{answer:?}");
}

/// Proves SEC-02: SSL 3.0, TLS 1.0 and 1.1 get no answer.
#[test]
fn rfc8996_s4_older_versions_are_refused() {
    let house = house();
    for version in [[3, 0], [3, 1], [3, 2]] {
        let mut stream = TcpStream::connect(house.engine.address(Tls)).expect("the engine listens");
        stream.set_read_timeout(Some(SOON)).expect("a connection");
        // RFC 4346 §7.4.1.2: a ClientHello with the two suites everybody had.
        let mut body = vec![version[0], version[1]];
        body.extend_from_slice(&[5; 32]);
        body.extend_from_slice(&[0, 0, 4, 0, 0x2f, 0, 0x35, 1, 0]);
        let length = u8::try_from(body.len()).expect("short");
        let hello = [&[22, version[0], version[1], 0, length + 4, 1, 0, 0, length][..], &body].concat();
        stream.write_all(&hello).expect("written");
        let mut answer = Vec::new();
        // It may be reset while we read.
        let _ = stream.read_to_end(&mut answer);
        assert_ne!(answer.first(), Some(&22), "no ServerHello for {version:?}");
        if let [21, _, _, 0, 2, level, description] = answer[..] {
            assert!(
                level == 2 && matches!(description, 40 | 70),
                "handshake_failure or protocol_version"
            );
        }
    }
    assert_eq!(answered_over(&house, &rustls::version::TLS13).status(), 200);
}

#[test]
fn rfc3261_s26_2_1_plain_words_on_the_tls_port_are_not_heard() {
    let house = house();
    let mut stream = TcpStream::connect(house.engine.address(Tls)).expect("the engine listens");
    stream.set_read_timeout(Some(SOON)).expect("a connection");
    stream.write_all(options(&house.engine).as_bytes()).expect("written");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"SIP/2.0"), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn controls_s2_a_handshake_that_drips_disturbs_nobody_and_is_cut_off() {
    let house = house();
    let mut caller = phone(&house.engine, TALK);
    caller.call();
    let mut slow: Vec<TcpStream> = (0..10)
        .map(|_| TcpStream::connect(house.engine.address(Tls)).expect("the engine listens"))
        .collect();
    for octet in [22, 3, 1, 2, 0, 1, 0] {
        for stream in &mut slow {
            let _ = stream.write_all(&[octet]);
        }
        wait(60);
    }
    is_alive(&mut caller);
    assert_eq!(answered_over(&house, &rustls::version::TLS13).status(), 200);
    for stream in &mut slow {
        stream.set_read_timeout(Some(SOON)).expect("a connection");
        let ended = stream.read(&mut [0; 64]);
        assert!(
            !matches!(&ended, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock),
            "cut off in time"
        );
    }
    caller.rtp.drain();
    caller.rtp.hears();
    caller.hang_up();
}
