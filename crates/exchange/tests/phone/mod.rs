//! A trunk of one phone, and an exchange for it to call: what the tests of whole calls share.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use exchange::{Config, Fault, Handle, Keys, Media, Running, StreamLimits, serve};
use ledger::BookKeys;
use sip::Transport;
use switchboard::{DeskConfig, Listener, Network, Stamped, Trunk};
use tokio::net::UdpSocket;
use tokio::time::{sleep, timeout};

pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(crate) const ANY: SocketAddr = SocketAddr::new(LOOPBACK, 0);
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn book_keys() -> BookKeys {
    let fill = &mut |bytes: &mut [u8]| bytes.fill(5);
    BookKeys {
        seal: seal::BookKey::generate(fill),
        sign: seal::Signer::generate(fill),
    }
}

/// The shipped practice, answered from these folders.
pub(crate) fn config(data: &Path, practices: &Path) -> Config {
    let listener = |transport| Listener {
        transport,
        local: ANY,
        advertised: ANY,
    };
    Config {
        desk: DeskConfig {
            calls_max: 100,
            media_load_max_percent: 90,
            retry_after_s: 7,
            ..DeskConfig::new(
                vec![listener(Transport::Udp), listener(Transport::Tcp)],
                LOOPBACK,
                vec![Trunk::new("test trunk", [Network::host(LOOPBACK)])],
            )
        },
        streams: StreamLimits::default(),
        floods: exchange::FloodLimits::default(),
        origins: Vec::new(),
        tls: None,
        resolver: exchange::Resolver::default(),
        trace: None,
        hep: None,
        media: Media {
            bind: LOOPBACK,
            ports: 20_000..=60_000,
            threads: 1,
        },
        practices: vec![practices.to_owned()],
        labs: vec![practices.to_owned()],
        data: data.to_owned(),
        // Without a program that speaks the words are left out: the call is what is tried here.
        speech: None,
        keys: Keys {
            book: book_keys(),
            rows: ledger::Rows::default(),
            locks: vec![seal::RecipientSecret::generate(1, &mut |b| b.fill(9)).public()].into(),
            approvers: data.join("approvers"),
            agreements: data.join("agreements.known"),
        },
        records: std::sync::Arc::new(switchboard::records::NotConnected),
        services: Vec::new(),
        alarms: None,
        clock_ahead: jiff::SignedDuration::ZERO,
        drain: PATIENCE,
    }
}

pub(crate) fn shipped() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../flows")
}

pub(crate) fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

pub(crate) fn address(handle: &Handle, transport: Transport) -> SocketAddr {
    handle
        .listeners()
        .iter()
        .find(|listener| listener.transport == transport)
        .expect("configured")
        .local
}

/// A trunk of one phone.
pub(crate) struct Caller {
    pub(crate) signalling: UdpSocket,
    pub(crate) audio: UdpSocket,
    pub(crate) to: SocketAddr,
    pub(crate) id: u32,
}

impl Caller {
    pub(crate) async fn new(handle: &Handle, from: Ipv4Addr, id: u32) -> Self {
        let signalling = UdpSocket::bind((from, 0)).await.expect("a port");
        let audio = UdpSocket::bind((from, 0)).await.expect("a port");
        Self {
            signalling,
            audio,
            to: address(handle, Transport::Udp),
            id,
        }
    }

    /// A request of this call; `to_tag` and `extra` lines as given.
    pub(crate) fn request(&self, method: &str, number: &str, to_tag: &str, body: &str) -> String {
        let us = self.signalling.local_addr().expect("bound");
        let (id, length) = (self.id, body.len());
        let cseq = if method == "BYE" { 2 } else { 1 };
        let content = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        format!(
            "{method} sip:{number}@127.0.0.1 SIP/2.0\r\n\
             Via: SIP/2.0/UDP {us};branch=z9hG4bK{id}{method};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:+15125550199@127.0.0.1>;tag=c{id}\r\n\
             To: <sip:{number}@127.0.0.1>{to_tag}\r\n\
             Call-ID: call-{id}@127.0.0.1\r\n\
             CSeq: {cseq} {method}\r\n\
             Contact: <sip:caller@{us}>\r\n\
             {content}Content-Length: {length}\r\n\r\n{body}"
        )
    }

    pub(crate) fn offer(&self) -> String {
        let us = self.audio.local_addr().expect("bound");
        format!(
            "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio {1} RTP/AVP 0 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\n",
            us.ip(),
            us.port()
        )
    }

    pub(crate) async fn send(&self, text: &str) {
        self.signalling
            .send_to(text.as_bytes(), self.to)
            .await
            .expect("loopback");
    }

    /// The next answer whose status is at least `least`.
    pub(crate) async fn answer(&self, least: u16) -> (u16, String) {
        let mut buffer = vec![0; 4096];
        loop {
            let length = timeout(PATIENCE, self.signalling.recv(&mut buffer))
                .await
                .expect("an answer")
                .expect("a socket");
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let status = text
                .split(' ')
                .nth(1)
                .and_then(|status| status.parse().ok())
                .unwrap_or(0);
            if status >= least {
                return (status, text);
            }
        }
    }

    /// Calls, is answered, and acknowledges; gives the To tag and where to send audio.
    pub(crate) async fn call(&self, number: &str) -> (String, SocketAddr) {
        self.send(&self.request("INVITE", number, "", &self.offer())).await;
        let (status, answer) = self.answer(200).await;
        assert_eq!(status, 200, "{answer}");
        let to = header(&answer, "To");
        let tag = to[to.find(";tag=").expect("a tag")..].to_owned();
        self.send(&self.request("ACK", number, &tag, "")).await;
        let port = answer
            .split("m=audio ")
            .nth(1)
            .and_then(|rest| rest.split(' ').next())
            .and_then(|port| port.parse().ok());
        (tag, SocketAddr::new(LOOPBACK, port.expect("an audio port")))
    }

    /// Hears one packet's audio.
    pub(crate) async fn frame(&self) -> Vec<u8> {
        const RTP_HEADER: usize = 12;
        let mut buffer = [0; 512];
        let (length, _) = timeout(PATIENCE, self.audio.recv_from(&mut buffer))
            .await
            .expect("audio")
            .expect("a socket");
        buffer[RTP_HEADER..length].to_vec()
    }

    /// Hears one packet.
    pub(crate) async fn hear(&self) -> (usize, SocketAddr) {
        let mut buffer = [0; 512];
        timeout(PATIENCE, self.audio.recv_from(&mut buffer))
            .await
            .expect("audio")
            .expect("a socket")
    }
}

pub(crate) fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let line = message
        .lines()
        .find(|line| line.starts_with(&format!("{name}:")))
        .expect("the header");
    line[name.len() + 1..].trim()
}

/// Waits until nothing is held any more.
pub(crate) async fn all_gone(handle: &Handle) {
    for _ in 0..200 {
        let held = handle.held().await.expect("running");
        if held.desk.calls == 0 && held.desk.legs == 0 && held.legs == 0 && held.facts_waiting == 0 {
            return;
        }
        sleep(Duration::from_millis(25)).await;
    }
    panic!("still held: {:?}", handle.held().await);
}

/// Every fact in the book.
pub(crate) fn facts(data: &Path) -> Vec<Stamped> {
    let reader = ledger::Reader::open(&data.join("book"), book_keys().seal, 0).expect("a book");
    reader
        .map(|row| Stamped::decode(&row.expect("whole").body).expect("a fact"))
        .collect()
}

pub(crate) async fn start(data: &Path) -> Running {
    match serve(config(data, &shipped())).await {
        Ok(running) => running,
        Err(Fault::NoPractice(problems)) => panic!("{problems:#?}"),
        Err(fault) => panic!("{fault:?}"),
    }
}
