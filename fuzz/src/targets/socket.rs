//! A browser's end of a WebSocket: the upgrade it asks for, and the frames after it, as the transport would take them.

use std::io::{self, Read, Write};

use sip::message::limits::MESSAGE_BYTES_MAX;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::http::header::{ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket, accept_hdr_with_config};

use super::{about, verdict};
use crate::upgrade::{Origins, UPGRADE_MAX, limits};

/// The only page that may.
const PAGE: &str = "https://phones.example.com";

/// Messages of one input.
const MESSAGES_MAX: usize = 256;

/// What was said, and how much was said to it.
struct Wire<'a> {
    said: &'a [u8],
    answered: usize,
}

impl Read for Wire<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.said.read(into)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.answered += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The first byte says whether the rest begins with a request or is frames already: an upgrade that mutation has spoilt would
/// keep everything behind it from being tried.
pub fn socket(bytes: &[u8]) -> u64 {
    let (first, said) = bytes.split_first().unwrap_or((&0, &[]));
    if first & 1 == 1 {
        let wire = Wire { said, answered: 0 };
        let (seen, answered) = converse(WebSocket::from_raw_socket(wire, Role::Server, Some(limits())));
        // A pong for a ping, and a word at the end: nothing that is worth a forged source.
        assert!(answered <= said.len() + 64, "{answered} for {}", said.len());
        return verdict((1, seen));
    }
    let origins = Origins::new(vec![PAGE.to_owned()]);
    let wire = Wire {
        // What is longer is cut off by the transport.
        said: said.get(..UPGRADE_MAX).unwrap_or(said),
        answered: 0,
    };
    let mut status = 0;
    #[allow(clippy::result_large_err, reason = "the callback's type is the library's")]
    let choose = |request: &Request, response: Response| {
        let chosen = origins.choose(request, response);
        let headers = request.headers();
        let is_ours = headers
            .get_all(ORIGIN)
            .iter()
            .all(|origin| origin.as_bytes().eq_ignore_ascii_case(PAGE.as_bytes()));
        status = match &chosen {
            Ok(response) => {
                assert!(is_ours && headers.contains_key(SEC_WEBSOCKET_PROTOCOL));
                assert_eq!(response.headers()[SEC_WEBSOCKET_PROTOCOL], "sip");
                101
            }
            Err(refusal) => {
                assert_eq!(refusal.status() == 403, !is_ours);
                refusal.status().as_u16()
            }
        };
        chosen
    };
    match accept_hdr_with_config(wire, choose, Some(limits())) {
        Ok(socket) => {
            assert_eq!(status, 101);
            verdict((2, converse(socket).0))
        }
        Err(_) => verdict((3, status)),
    }
}

/// Reads to the end: messages of each kind, and how it ended.
fn converse(mut socket: WebSocket<Wire<'_>>) -> ([u32; 4], usize) {
    let mut kinds = [0_usize; 3];
    let mut end = 0;
    for _ in 0..MESSAGES_MAX {
        match socket.read() {
            Ok(message) => {
                assert!(message.len() <= MESSAGE_BYTES_MAX);
                kinds[match message {
                    Message::Text(_) | Message::Binary(_) => 0,
                    Message::Ping(_) | Message::Pong(_) => 1,
                    Message::Close(_) | Message::Frame(_) => 2,
                }] += 1;
            }
            Err(fault) => {
                end = match fault {
                    Error::Capacity(_) => 1,
                    Error::Utf8(_) => 2,
                    Error::Protocol(_) => 3,
                    Error::ConnectionClosed => 4,
                    _ => 5,
                };
                break;
            }
        }
    }
    let [messages, pings, closes] = kinds.map(about);
    ([messages, pings, closes, end], socket.get_ref().answered)
}

/// A masked frame (RFC 6455 §5.2).
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length @ 0..=125) => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(payload.len()).expect("it is short").to_be_bytes());
        }
    }
    let mask = [7, 77, 177, 27];
    frame.extend(mask);
    frame.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(octet, mask)| octet ^ mask),
    );
    frame
}

/// Upgrades, and frames of every kind: whole and in pieces, with every form of length.
pub fn sockets() -> Vec<Vec<u8>> {
    let upgrade = |headers: &str| {
        format!(
            "\0GET / HTTP/1.1\r\nHost: desk.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: \
             dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
        )
        .into_bytes()
    };
    let options = b"OPTIONS sip:a@desk.example SIP/2.0\r\nContent-Length: 0\r\n\r\n";
    let talk = [
        frame(0x81, options),
        frame(0x89, b"hello"),
        frame(0x82, &[0x55; 300]),
        frame(0x02, b"OPTIONS sip:a@desk"),
        frame(0x8A, b""),
        frame(0x80, b".example SIP/2.0\r\n\r\n"),
        frame(0x88, &[0x03, 0xE8]),
    ]
    .concat();
    let long = [
        &[0x01, 0x82, 0x80 | 127, 0, 0, 0, 0, 0, 0, 0, 4, 7, 77, 177, 27][..],
        b"abcd",
    ]
    .concat();
    vec![
        upgrade("Sec-WebSocket-Protocol: sip\r\n"),
        upgrade("Sec-WebSocket-Protocol: chat, sip\r\nOrigin: https://phones.example.com\r\n"),
        upgrade("Sec-WebSocket-Protocol: sip\r\nOrigin: https://evil.example.net\r\n"),
        [&upgrade("Sec-WebSocket-Protocol: sip\r\n")[..], &talk].concat(),
        [&[1][..], &talk].concat(),
        long,
    ]
}

/// Words of an upgrade.
pub const WORDS: &[&str] = &[
    "\r\n",
    "\r\n\r\n",
    "GET / HTTP/1.1",
    "\r\nHost: x",
    "\r\nUpgrade: websocket",
    "\r\nConnection: Upgrade",
    "\r\nConnection: keep-alive, Upgrade",
    "\r\nSec-WebSocket-Version: 13",
    "\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "\r\nSec-WebSocket-Protocol: sip",
    "\r\nOrigin: https://phones.example.com",
    "\r\nOrigin: null",
    "\r\nSec-WebSocket-Extensions: permessage-deflate",
    "sip",
    ",",
    "\u{0}",
    "\u{1}",
];
