//! The SIP codec: messages, streams, URIs, single values.

use std::hint::black_box;

use sip::digest::{Answer, Challenge};
use sip::message::limits::{HEADER_VALUE_BYTES_MAX, HEADERS_MAX, MESSAGE_BYTES_MAX};
use sip::message::{CSeq, Frame, Framer, Headers, Host, Message, NameAddr, Uri, Via};

use super::{about, verdict};

/// A datagram: read, asked everything, written, read again.
pub fn message(bytes: &[u8]) -> u64 {
    match Message::parse(bytes) {
        Ok(message) => {
            let headers = message.headers();
            assert!(headers.top_via().is_some() && headers.from().is_some() && headers.to().is_some());
            assert!(headers.call_id().is_some() && headers.cseq().is_some());
            let asked = ask(headers);
            let written = message.to_bytes();
            // Writing adds a Content-Length where there was none, which may be one byte or one header too many for us to read.
            let room = headers.has("l") || headers.len() < HEADERS_MAX;
            if written.len() <= MESSAGE_BYTES_MAX && room {
                let again = Message::parse(&written).expect("what we write we read");
                assert_eq!(again.to_bytes(), written);
            }
            if let Message::Request(mut request) = message {
                black_box(request.body_of("application/sdp"));
                request.stamp_source(([192, 0, 2, 7], 5060).into());
                let response = request.respond_with_tag(sip::message::StatusCode::OK, "t");
                black_box(response.to_bytes());
                return verdict((1, asked, about(request.body.len()), super::edge::caller(&request)));
            }
            verdict((2, asked))
        }
        Err(unreadable) => {
            assert!(unreadable.malformed.at <= bytes.len());
            if let Some(salvage) = &unreadable.salvage {
                black_box(salvage.refusal().to_bytes());
            }
            verdict((unreadable.malformed.what, unreadable.salvage.is_some()))
        }
    }
}

fn ask(headers: &Headers) -> impl std::hash::Hash + use<> {
    let vias = headers.vias();
    for via in &vias {
        black_box((via.received(), via.rport(), via.unique_branch()));
    }
    black_box((
        headers.max_forwards(),
        headers.retry_after(),
        headers.expires(),
        headers.rseq(),
        headers.rack().is_some(),
    ));
    black_box((
        headers.require(),
        headers.tokens("Accept"),
        headers.content_is("application/sdp"),
    ));
    (
        about(vias.len()),
        about(headers.contacts().len()),
        about(headers.routes().len() + headers.record_routes().len()),
        about(headers.p_asserted_identity().len() + headers.diversion().len() + headers.history_info().len()),
        about(headers.supported().len()),
        headers.session_expires().is_some(),
        about(headers.privacy().len()),
        about(Challenge::all(headers).len()),
        headers.to_tag().is_some(),
    )
}

/// A stream: whole, and in pieces whose sizes the bytes themselves decide; both must give the same.
pub fn stream(bytes: &[u8]) -> u64 {
    let whole = frames(bytes, usize::MAX);
    let size = bytes.first().map_or(1, |first| usize::from(first % 61) + 1);
    let pieces = frames(bytes, size);
    assert_eq!(whole, pieces);
    verdict((about(whole.0), about(whole.1), whole.2))
}

/// Messages, pings, and how it ended.
fn frames(bytes: &[u8], size: usize) -> (usize, usize, Option<sip::message::What>) {
    let mut framer = Framer::new();
    let (mut messages, mut pings) = (0, 0);
    for piece in bytes.chunks(size.min(bytes.len()).max(1)) {
        framer.push(piece);
        while let Some(frame) = framer.next() {
            match frame {
                Ok(Frame::Message(message)) => {
                    messages += 1;
                    assert!(message.len() <= MESSAGE_BYTES_MAX);
                }
                Ok(Frame::Ping) => pings += 1,
                Err(error) => return (messages, pings, Some(error.malformed.what)),
            }
        }
        assert!(framer.held() <= MESSAGE_BYTES_MAX + piece.len());
    }
    (messages, pings, None)
}

/// A URI: read, written, read again as the same.
pub fn uri(bytes: &[u8]) -> u64 {
    match Uri::parse(bytes) {
        Ok(uri) => {
            let wire = uri.to_wire();
            // Escaping what is not ASCII triples it; what that makes too long may be refused.
            match Uri::parse(&wire) {
                Ok(again) => {
                    assert!(again == uri && uri.equivalent(&again));
                    assert_eq!(again.to_wire(), wire);
                }
                Err(flaw) => assert_eq!(flaw.what, sip::message::What::UriTooLong),
            }
            let number = uri.number().map(|number| about(number.expose().len()));
            black_box((uri.user_text(), format!("{uri:?}")));
            verdict((
                uri.scheme.as_str().len().min(8),
                number,
                uri.port.is_some(),
                about(uri.params.iter().count()),
                about(uri.headers.len()),
            ))
        }
        Err(flaw) => verdict((flaw.what, about(flaw.at))),
    }
}

/// Single values, each read as everything it might be.
pub fn values(bytes: &[u8]) -> u64 {
    // What is longer never gets this far.
    let bytes = bytes.get(..HEADER_VALUE_BYTES_MAX).unwrap_or(bytes);
    let address = NameAddr::parse(bytes).map(|address| {
        // A URI that grew too long by escaping is the only thing that may be refused.
        if let Err(flaw) = NameAddr::parse(address.to_wire().as_bytes()) {
            assert_eq!(flaw.what, sip::message::What::UriTooLong);
        }
        (
            address.display.is_some(),
            address.tag().is_some(),
            about(address.params.iter().count()),
        )
    });
    let via = Via::parse(bytes).map(|via| {
        assert_eq!(Via::parse(via.to_wire().as_bytes()).as_ref(), Ok(&via));
        (
            via.branch().is_some(),
            via.received().is_some(),
            via.rport().is_some(),
            via.port.is_some(),
        )
    });
    let mut headers = Headers::new();
    for name in [
        "Contact",
        "WWW-Authenticate",
        "Authorization",
        "Session-Expires",
        "Privacy",
        "Retry-After",
        "RAck",
    ] {
        headers.push(name, bytes);
    }
    let (challenges, answers) = (Challenge::all(&headers), Answer::all(&headers, false));
    let lists = (
        about(headers.contacts().len()),
        headers.address("Contact").is_some(),
        about(headers.privacy().len()),
    );
    let rest = (
        headers.session_expires().is_some(),
        headers.retry_after().is_some(),
        headers.rack().is_some(),
    );
    black_box((
        CSeq::parse(bytes).is_ok(),
        Host::parse(bytes).is_ok(),
        headers.tokens("Contact"),
    ));
    let flaws = (address.map_err(|flaw| flaw.what), via.map_err(|flaw| flaw.what));
    verdict((flaws, about(challenges.len()), about(answers.len()), lists, rest))
}

/// Words of SIP.
pub const WORDS: &[&str] = &[
    "\r\n",
    "\r\n ",
    "\r\n\t",
    "\r\n\r\n",
    "\r",
    "\n",
    "\0",
    " ",
    ",",
    ";",
    ":",
    "<",
    ">",
    "\"",
    "\\\"",
    "\\",
    "@",
    "?",
    "=",
    "%00",
    "%41",
    "%",
    "SIP/2.0",
    "sip:",
    "sips:",
    "tel:",
    "urn:service:sos",
    "INVITE ",
    "ACK ",
    "BYE ",
    "CANCEL ",
    "OPTIONS ",
    "PRACK ",
    "FROB ",
    "SIP/2.0 200 OK",
    "\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1",
    "\r\nv:",
    "\r\nFrom:",
    "\r\nf:",
    "\r\nTo:",
    "\r\nt:",
    "\r\nCall-ID:",
    "\r\ni:",
    "\r\nCSeq: 1 INVITE",
    "\r\nMax-Forwards: 0",
    "\r\nContent-Length: 0",
    "\r\nl: 5",
    "\r\nContact: *",
    "\r\nm: <sip:a@b>",
    "\r\nRoute: <sip:a;lr>",
    "\r\nRecord-Route:",
    "\r\nDiversion:",
    "\r\nHistory-Info:",
    "\r\nP-Asserted-Identity:",
    "\r\nPrivacy: id",
    "\r\nSupported: 100rel",
    "\r\nRAck: 1 1 INVITE",
    "\r\nSession-Expires: 90;refresher=uac",
    "\r\nRetry-After: 5 (x);duration=1",
    "\r\nWWW-Authenticate: Digest realm=\"r\",nonce=\"n\"",
    "\r\nX-Other: y",
    ";tag=1",
    ";branch=z9hG4bK",
    ";rport",
    ";received=192.0.2.1",
    ";maddr=192.0.2.1",
    ";lr",
    ";transport=tcp",
    "[2001:db8::1]",
    "[::]",
    "[",
    "]",
    "192.0.2.1",
    "example.com",
    ":5060",
    "?Replaces=1%3Bto-tag%3D2",
    "sip:a@b",
    "Digest ",
    "realm=\"r\"",
    "qop=\"auth,auth-int\"",
    "algorithm=SHA-256",
    "stale=true",
    "multipart/mixed;boundary=b",
    "\r\n--b\r\n",
    "\r\n--b--",
    "application/sdp",
    "\u{fc}",
    "\u{ff}\u{fe}",
];

/// URIs to begin with.
pub const URIS: &[&str] = &[
    "sip:+15125550199@carrier.example;user=phone",
    "sips:alice;day=tue:s3cret@[2001:db8::9]:5061;transport=tcp;lr?Subject=a%20b&X=",
    "sip:user;par=u%40example.net@example.com",
    "sip:192.0.2.1:5060;transport=udp;maddr=192.0.2.2;ttl=1;method=INVITE",
    "tel:+1-512-555-0199;ext=12;phone-context=example.com",
    "sip:5125550142;phone-context=+1@203.0.113.10;user=phone",
    "urn:service:sos",
    "soap.beep://192.0.2.103:3002",
    "sip:%00@h",
];

/// Values to begin with.
pub const VALUES: &[&str] = &[
    "\"Ana \\\"A\\\" Rivera\" <sip:+15125550199@carrier.example;user=phone>;tag=1;expires=60",
    "<sip:a,b@x.example?Replaces=1%3Bto-tag%3D2>;index=1.1, <tel:+15125550199>;reason=no-answer",
    "Bell, Alexander <sip:a.g.bell@example.com>;tag=43",
    "sip:j.user@example.com;tag=x",
    "SIP / 2.0 / UDP [2001:db8::9] : 5070 ; branch = z9hG4bKx ;rport;received=192.0.2.9",
    "SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8,SIP/2.0/UDP 192.0.2.255;branch=z9hG4bK30239",
    "Digest realm=\"r\", nonce=\"n\", qop=\"auth,auth-int\", algorithm=SHA-256, opaque=\"\", stale=TRUE, Basic realm=\"x\"",
    "Digest username=\"u\", realm=\"r\", nonce=\"n\", uri=\"sip:x\", response=\"8ca523f5e9506fed4657c9700eebdbec\", qop=auth, nc=00000001, cnonce=\"c\"",
    "1800;refresher=uas",
    "id;header;user",
    "18000 (in the morning);duration=3600",
    "776656 1 INVITE",
    "4711 INVITE",
];
