//! RFC 7118: SIP over WebSocket; frames by hand (RFC 6455 §5).

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use sip::Transport::Ws;
use switchboard::Listener;
use tests::engine::Engine;
use tests::raw::{Line, Message, Phone, SOON, fresh};

use crate::house::{TALK, own, phone, wait};

fn house() -> Engine {
    own(|config| {
        let local = std::net::SocketAddr::new(tests::LOOPBACK, 0);
        config.desk.signalling.push(Listener {
            transport: Ws,
            local,
            advertised: local,
        });
        config.streams.handshake = Duration::from_millis(1_500);
        config.origins = vec!["https://phones.example.com".into()];
    })
}

/// A browser's end.
struct Socket {
    stream: TcpStream,
    held: Vec<u8>,
}

impl Socket {
    /// Connects and asks for an upgrade with these further headers; gives the answer's head.
    fn ask(engine: &Engine, headers: &str) -> (Self, String) {
        // RFC 6455 §1.3: this key has a known answer.
        let request = format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Version: 13\r\n{headers}\r\n",
            engine.address(Ws)
        );
        Self::ask_so(engine, &request)
    }

    /// Connects and sends this; gives the answer's head.
    fn ask_so(engine: &Engine, request: &str) -> (Self, String) {
        let stream = TcpStream::connect(engine.address(Ws)).expect("the engine listens");
        stream
            .set_read_timeout(Some(Duration::from_millis(100)))
            .expect("a connection");
        let mut socket = Self {
            stream,
            held: Vec::new(),
        };
        // Whoever asks for something impossible may be cut off while asking.
        let _ = socket.stream.write_all(request.as_bytes());
        let end = Instant::now() + SOON;
        while Instant::now() < end && !socket.held.windows(4).any(|four| four == b"\r\n\r\n") {
            if !socket.fill() {
                break;
            }
        }
        let head = match socket.held.windows(4).position(|four| four == b"\r\n\r\n") {
            Some(at) => socket.held.drain(..at + 4).collect(),
            None => Vec::new(),
        };
        (socket, String::from_utf8_lossy(&head).into_owned())
    }

    fn open(engine: &Engine) -> Self {
        let (socket, head) = Self::ask(engine, "Sec-WebSocket-Protocol: sip\r\n");
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        socket
    }

    /// Reads what is there; false when the connection is closed.
    fn fill(&mut self) -> bool {
        let mut buffer = [0; 8_192];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(length) => {
                self.held.extend_from_slice(&buffer[..length]);
                true
            }
            Err(error) => matches!(
                error.kind(),
                std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
            ),
        }
    }

    /// One masked frame (RFC 6455 §5.2).
    fn send(&mut self, opcode: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            length @ 0..=125 => frame.push(0x80 | u8::try_from(length).expect("short")),
            length => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&u16::try_from(length).expect("a message").to_be_bytes());
            }
        }
        let mask = [7, 77, 177, 27];
        frame.extend_from_slice(&mask);
        frame.extend(
            payload
                .iter()
                .zip(mask.iter().cycle())
                .map(|(octet, mask)| octet ^ mask),
        );
        let _ = self.stream.write_all(&frame);
    }

    /// The next frame: opcode and payload.
    fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let end = Instant::now() + SOON;
        while Instant::now() < end {
            if let [first, second, ..] = self.held[..] {
                let (start, length) = match second & 0x7f {
                    126 if self.held.len() >= 4 => (4, usize::from(u16::from_be_bytes([self.held[2], self.held[3]]))),
                    126 => (usize::MAX, 0),
                    short => (2, usize::from(short)),
                };
                if self.held.len() >= start.saturating_add(length) {
                    assert_eq!(second & 0x80, 0, "RFC 6455 §5.1: a server does not mask");
                    let payload = self.held[start..start + length].to_vec();
                    self.held.drain(..start + length);
                    return Some((first & 0x0f, payload));
                }
            }
            if !self.fill() {
                return None;
            }
        }
        None
    }

    /// The next SIP message for which this holds.
    fn message(&mut self, is: impl Fn(&Message) -> bool) -> Message {
        loop {
            let (_, payload) = self.next().expect("a frame");
            let from = self.stream.peer_addr().expect("connected");
            if let Some(message) = Message::read(&payload, from)
                && is(&message)
            {
                return message;
            }
        }
    }

    /// The code of the Close frame that comes next (RFC 6455 §5.5.1).
    fn closes_with(&mut self) -> Option<u16> {
        match self.next() {
            Some((8, payload)) => payload.first_chunk::<2>().copied().map(u16::from_be_bytes),
            other => panic!("no Close but {other:?}"),
        }
    }

    fn is_closed(&mut self) -> bool {
        let end = Instant::now() + SOON;
        while Instant::now() < end {
            if !self.fill() {
                return true;
            }
        }
        false
    }
}

/// A browser phone's request: RFC 7118 §5.
fn request(engine: &Engine, method: &str, extra: &str, body: &str) -> String {
    format!(
        "{method} sip:{TALK}@{} SIP/2.0\r\nVia: SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK{}\r\nMax-Forwards: 70\r\n\
         From: <sip:a@example.com>;tag={}\r\nTo: <sip:{TALK}@example.com>\r\nCall-ID: {}\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:a@df7jal23ls0d.invalid;transport=ws>\r\n{extra}Content-Length: {}\r\n\r\n{body}",
        engine.address(Ws),
        fresh(),
        fresh(),
        fresh(),
        body.len()
    )
}

#[test]
fn rfc7118_s4_1_the_subprotocol_is_sip() {
    let engine = house();
    let (_socket, head) = Socket::ask(&engine, "Sec-WebSocket-Protocol: chat, sip\r\n");
    let head = head.to_lowercase();
    assert!(
        head.starts_with("http/1.1 101") && head.contains("sec-websocket-protocol: sip\r\n"),
        "{head}"
    );
    assert!(
        head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
        "RFC 6455 §1.3: {head}"
    );
}

#[test]
fn rfc7118_s4_1_without_the_subprotocol_there_is_no_upgrade() {
    let engine = house();
    for headers in ["", "Sec-WebSocket-Protocol: chat\r\n"] {
        let (mut socket, head) = Socket::ask(&engine, headers);
        assert!(!head.starts_with("HTTP/1.1 101"), "{head}");
        assert!(socket.is_closed());
    }
}

#[test]
fn rfc6455_s10_2_a_page_of_somebody_else_gets_403() {
    let engine = house();
    for origin in [
        "https://evil.example.net",
        "null",
        "http://phones.example.com",
        "https://phones.example.com.evil.example.net",
        "https://phones.example.com\r\nOrigin: https://evil.example.net",
    ] {
        let headers = format!("Origin: {origin}\r\nSec-WebSocket-Protocol: sip\r\n");
        let (mut socket, head) = Socket::ask(&engine, &headers);
        assert!(head.starts_with("HTTP/1.1 403"), "{origin}: {head}");
        assert!(
            !head.to_lowercase().contains("server:") && !head.to_lowercase().contains("nightdesk"),
            "{head}"
        );
        assert!(socket.is_closed());
    }
    let (mut socket, head) = Socket::ask(
        &engine,
        "Origin: https://phones.example.com\r\nSec-WebSocket-Protocol: sip\r\n",
    );
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    socket.send(1, request(&engine, "OPTIONS", "", "").as_bytes());
    assert_eq!(socket.message(|message| message.status() >= 200).status(), 200);
}

#[test]
fn rfc6455_s10_2_no_page_is_allowed_unless_configured() {
    let local = std::net::SocketAddr::new(tests::LOOPBACK, 0);
    let engine = own(move |config| {
        config.desk.signalling.push(Listener {
            transport: Ws,
            local,
            advertised: local,
        });
    });
    let (_, head) = Socket::ask(
        &engine,
        "Origin: https://phones.example.com\r\nSec-WebSocket-Protocol: sip\r\n",
    );
    assert!(head.starts_with("HTTP/1.1 403"), "{head}");
    let (_, head) = Socket::ask(&engine, "Sec-WebSocket-Protocol: sip\r\n");
    assert!(head.starts_with("HTTP/1.1 101"), "a program has no page: {head}");
}

#[test]
fn rfc6455_s10_4_frames_and_messages_have_a_limit() {
    let engine = house();
    // A frame that says it is longer than any message: refused by its head alone.
    let mut socket = Socket::open(&engine);
    let mut head = vec![0x82, 0x80 | 127];
    head.extend_from_slice(&(1_u64 << 40).to_be_bytes());
    head.extend_from_slice(&[7, 77, 177, 27]);
    socket.stream.write_all(&head).expect("written");
    assert_eq!(socket.closes_with(), Some(1009));
    assert!(socket.is_closed());
    // A message in pieces, each of them small.
    let mut socket = Socket::open(&engine);
    let piece = [0x02, 0x80 | 126, 0x20, 0x00, 0, 0, 0, 0];
    for index in 0..20_u8 {
        let mut frame = piece.to_vec();
        if index > 0 {
            frame[0] = 0;
        }
        frame.resize(frame.len() + 0x2000, b'x');
        if socket.stream.write_all(&frame).is_err() {
            break;
        }
    }
    assert!(socket.is_closed());
    // A message goes on that was never begun.
    let mut socket = Socket::open(&engine);
    socket.stream.write_all(&[0x80, 0x80, 0, 0, 0, 0]).expect("written");
    assert_eq!(socket.closes_with(), Some(1002));
    assert!(socket.is_closed());
    let mut after = Phone::udp(engine.address(sip::Transport::Udp), TALK);
    let options = after.request("OPTIONS");
    assert_eq!(after.ask(&options).status(), 200);
}

#[test]
fn rfc7118_s5_a_request_in_a_frame_is_answered_in_a_frame() {
    let engine = house();
    for opcode in [1, 2] {
        let mut socket = Socket::open(&engine);
        let options = request(&engine, "OPTIONS", "", "");
        socket.send(opcode, options.as_bytes());
        let answer = socket.message(|message| message.status() >= 200);
        assert_eq!(answer.status(), 200, "{answer:?}");
        assert!(answer.header("Via").starts_with("SIP/2.0/WS "), "{answer:?}");
    }
}

#[test]
fn rfc7118_s5_a_call_over_a_websocket_is_answered() {
    let engine = house();
    let mut socket = Socket::open(&engine);
    let rtp = tests::raw::Rtp::bind(tests::LOOPBACK);
    let invite = request(&engine, "INVITE", "Content-Type: application/sdp\r\n", &rtp.sdp());
    socket.send(1, invite.as_bytes());
    let answer = socket.message(|message| message.status() >= 200);
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert!(answer.contact().to_lowercase().contains("transport=ws"), "{answer:?}");
    rtp.hears();
}

#[test]
fn rfc6455_s5_5_2_a_ping_is_answered_with_its_payload() {
    let engine = house();
    let mut socket = Socket::open(&engine);
    socket.send(9, b"hello");
    assert_eq!(socket.next(), Some((10, b"hello".to_vec())));
}

#[test]
fn rfc6455_s5_1_a_frame_without_a_mask_ends_the_connection() {
    let engine = house();
    let mut socket = Socket::open(&engine);
    socket.stream.write_all(&[0x81, 2, b'h', b'i']).expect("written");
    assert!(socket.is_closed());
}

#[test]
fn row_26_an_upgrade_request_without_end_is_cut_off() {
    let engine = house();
    let mut caller = phone(&engine, TALK);
    caller.call();
    let long = format!("X-Long: {}\r\n", "y".repeat(900)).repeat(60);
    let (mut socket, head) = Socket::ask(&engine, &long);
    assert!(!head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(socket.is_closed());
    // One that drips.
    let mut slow = Line::tcp(engine.address(Ws));
    for octet in b"GET / HTTP/1.1\r\nUpgrade: webs" {
        slow.send(&[*octet]);
        wait(80);
    }
    assert!(slow.is_closed(SOON));
    caller.rtp.drain();
    caller.rtp.hears();
    caller.hang_up();
    let mut after = Phone::udp(engine.address(sip::Transport::Udp), TALK);
    let options = after.request("OPTIONS");
    assert_eq!(after.ask(&options).status(), 200);
}

/// CVE-2026-23738 and others: an error page that gives back what was asked for, markup and all.
#[test]
fn row_32_a_refused_upgrade_is_told_nothing_of_what_it_asked_for() {
    const MARK: &str = "<script>alert(1)</script>";
    let engine = house();
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n";
    for request in [
        format!("GET /{MARK} HTTP/1.1\r\nHost: {MARK}\r\n\r\n"),
        format!("GET /?{MARK} HTTP/1.1\r\nHost: x\r\n{upgrade}Origin: https://{MARK}\r\n\r\n"),
        format!("{MARK} / HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n"),
        format!("GET / {MARK}\r\nHost: x\r\n{upgrade}\r\n"),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", upgrade.replace("sip", MARK)),
        format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", upgrade.replace("13", MARK)),
    ] {
        let (mut socket, head) = Socket::ask_so(&engine, &request);
        let end = Instant::now() + SOON;
        while Instant::now() < end && socket.fill() {}
        assert!(!head.starts_with("HTTP/1.1 101"), "{request}\n{head}");
        let body = String::from_utf8_lossy(&socket.held);
        for told in [head.as_str(), &body] {
            assert!(!told.contains("script") && !told.contains("alert"), "{request}\n{told}");
        }
    }
}
