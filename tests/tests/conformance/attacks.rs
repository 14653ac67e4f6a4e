//! Attacks that worked on other telephone systems (design/controls.md §2), tried on ours. Each row has a test that would
//! have caught it, or cannot arise here:
//!
//! | row | class | here |
//! |---|---|---|
//! | 1, 2, 3 | RTP bleed and injection | `rows_1_to_3_…` |
//! | 4, 5 | DTLS ClientHello kills the media | `rows_4_and_5_…` |
//! | 6 | MESSAGE without authentication | `row_6_…` |
//! | 7 | digest leak by a challenge | `row_7_…` |
//! | 8, 9 | floods, invalid or replayed SRTP | `row_8_…`, `rfc3711_srtp.rs`, `make flood` |
//! | 10 | control characters in names | `row_10_…` |
//! | 11, 12, 14, 23, 27 | headers that end too soon | `rows_11_12_14_and_23_…` |
//! | 13 | STIR/SHAKEN fetches what a caller names | `row_13_…` |
//! | 15, 16, 17 | SDP that cannot be agreed on, T.38, formats | `rows_15_to_17_…` |
//! | 18 | multipart beyond its end | `row_18_…` |
//! | 19, 20, 28 | RTCP lengths, STUN, ICE names, RED, RTP headers | `rows_19_20_and_28_…` |
//! | 21 | packet times | `row_21_…` |
//! | 22, 29 | SUBSCRIBE with Expires 0, NOTIFY bodies | `rows_22_and_29_…` |
//! | 24 | smuggling by white space before the colon | `row_24_…` |
//! | 25 | duplicate To, long headers | `row_25_…` |
//! | 26 | an upgrade request whose headers do not end | `row_26_…` here and in `rfc7118_websocket.rs` |
//! | 30 | strangers taken for a trunk | `row_30_…` |
//! | 31, 35 | a management plane on the network | none: `nightdesk` is asked by its command line and a door in its own folder (`trunks.rs`), and takes ids, never paths (`CallId::parse`) |
//! | 32 | markup on status and error pages | no pages; `row_32_…` in `rfc7118_websocket.rs` for what a refused upgrade is told |
//! | 33 | SQL or LDAP through call data | none: the book is typed, sealed rows; `row_33_…` shows call data going through it whole |
//! | 34 | scripts of root that trust writable files | none: nothing of ours is installed to run as root |
//! | 36 | toll fraud | `row_36_…` |
//! | 37 | DTMF, BYE and re-INVITE from somebody else | `row_37_…` |

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use sip::Transport::{Tcp, Udp};
use switchboard::{Fact, Network, Trunk};
use tests::engine::{Engine, Setup};
use tests::raw::{Desk, LOOPBACK_ELSEWHERE, Line, Phone, QUIET, Rtp, SOON, fresh, rtp};

use crate::house::{BRIDGED, KEYS, TALK, doctored, house, is_alive, own, phone, practice, stranger, tcp_phone, wait};
use crate::rfc3261_calls::press_until;

/// Where a second, equally known trunk signals from.
const OTHER_TRUNK: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

fn with_another_trunk(config: &mut exchange::Config) {
    let mut other: Trunk = config.desk.trunks[0].clone();
    other.id = "other".into();
    other.sources = vec![Network {
        address: OTHER_TRUNK,
        prefix: 32,
    }];
    other.outbound = None;
    config.desk.trunks.push(other);
}

/// The call goes on: the caller hears us, and we answer within the dialog.
fn goes_on(phone: &mut Phone) {
    wait(40);
    phone.rtp.drain();
    phone.rtp.hears();
    let options = phone.request("OPTIONS");
    let answer = phone.ask(&options);
    assert_eq!(answer.status(), 200, "{answer:?}");
}

fn strangers_of(engine: &Engine) -> u64 {
    let quality = engine.waits_for("the figures of the leg", SOON, |fact| {
        matches!(fact, Fact::Quality { .. })
    });
    match quality.fact {
        Fact::Quality { strangers, .. } => strangers,
        _ => 0,
    }
}

#[test]
fn rows_1_to_3_a_stranger_before_the_first_packet_learns_nothing() {
    let engine = own(|_| ());
    let mut phone = phone(&engine, TALK);
    let audio = phone.call().audio();
    let mut thief = Rtp::bind(LOOPBACK_ELSEWHERE);
    for _ in 0..50 {
        let packet = thief.packet(0, false, &[0x55; 160], 160);
        thief.send(&packet, audio);
    }
    assert!(thief.next(QUIET).is_none(), "nobody else is sent a patient's words");
    goes_on(&mut phone);
    phone.rtp.speak(audio, 3);
    goes_on(&mut phone);
    phone.hang_up();
    assert_eq!(strangers_of(&engine), 50);
}

#[test]
fn rows_1_to_3_a_stranger_after_the_first_packet_learns_nothing() {
    let engine = own(|_| ());
    let mut phone = phone(&engine, TALK);
    let audio = phone.call().audio();
    phone.rtp.speak(audio, 5);
    let thief = Rtp::bind(LOOPBACK_ELSEWHERE);
    // With the caller's own SSRC, and the numbers that come next.
    for step in 0..50u16 {
        let packet = rtp(
            0,
            false,
            phone.rtp.sequence.wrapping_add(step),
            phone.rtp.timestamp,
            phone.rtp.ssrc,
            &[0x55; 160],
        );
        thief.send(&packet, audio);
    }
    assert!(thief.next(QUIET).is_none());
    goes_on(&mut phone);
    phone.hang_up();
}

#[test]
fn rows_1_to_3_another_port_of_the_callers_host_does_not_take_over_a_living_stream() {
    let engine = own(|_| ());
    let mut phone = phone(&engine, TALK);
    let audio = phone.call().audio();
    phone.rtp.speak(audio, 5);
    let mut neighbour = Rtp::bind(tests::LOOPBACK);
    for _ in 0..20 {
        let packet = neighbour.packet(0, false, &[0x55; 160], 160);
        neighbour.send(&packet, audio);
        phone.rtp.speak(audio, 1);
    }
    assert!(neighbour.next(QUIET).is_none());
    goes_on(&mut phone);
    phone.hang_up();
}

#[test]
fn rows_1_to_3_but_the_caller_itself_is_followed_where_its_nat_moves_it() {
    let engine = own(|_| ());
    let mut phone = phone(&engine, TALK);
    let audio = phone.call().audio();
    phone.rtp.speak(audio, 5);
    // A second of nothing: then it may have been moved.
    wait(1_300);
    // The same stream goes on from another port of the same host; somebody elsewhere continues it as well.
    let mut moved = Rtp::bind(tests::LOOPBACK);
    (moved.ssrc, moved.sequence, moved.timestamp) = (phone.rtp.ssrc, phone.rtp.sequence, phone.rtp.timestamp);
    let mut thief = Rtp::bind(LOOPBACK_ELSEWHERE);
    (thief.ssrc, thief.sequence, thief.timestamp) = (moved.ssrc, moved.sequence, moved.timestamp);
    thief.speak(audio, 3);
    moved.speak(audio, 5);
    moved.hears();
    assert!(thief.next(QUIET).is_none(), "a patient's words go to nobody else");
    phone.rtp.drain();
    assert!(phone.rtp.next(QUIET).is_none(), "the old port is left");
    phone.hang_up();
}

#[test]
fn rows_1_to_3_a_stranger_is_not_heard_over_a_bridge() {
    let (engine, mut desk) = doctored(|_| ());
    let mut caller = phone(&engine, BRIDGED);
    let audio = caller.call().audio();
    let invite = desk.rings();
    let ours = invite.audio();
    desk.picks_up(&invite);
    let end = std::time::Instant::now() + Duration::from_secs(30);
    while !engine
        .facts()
        .iter()
        .any(|stamped| matches!(stamped.fact, Fact::Bridged { .. }))
    {
        assert!(std::time::Instant::now() < end, "the doctor presses 1 and is bridged");
        desk.rtp.press(ours, 101, 1);
    }
    caller.rtp.drain();
    desk.rtp.drain();
    let mut thief = Rtp::bind(LOOPBACK_ELSEWHERE);
    for _ in 0..40 {
        let spoken = caller.rtp.packet(0, false, &[0x3a; 160], 160);
        caller.rtp.send(&spoken, audio);
        for to in [audio, ours] {
            let packet = thief.packet(0, false, &[0x55; 160], 160);
            thief.send(&packet, to);
        }
        wait(20);
    }
    let heard = desk.rtp.listen(Duration::from_millis(200));
    assert!(
        heard.iter().any(|packet| packet.payload.contains(&0x3a)),
        "the caller is heard"
    );
    assert!(
        !heard.iter().any(|packet| packet.payload.contains(&0x55)),
        "the stranger is not"
    );
    let heard = caller.rtp.listen(Duration::from_millis(100));
    assert!(!heard.iter().any(|packet| packet.payload.contains(&0x55)));
    assert!(thief.next(QUIET).is_none());
}

#[test]
fn rows_4_and_5_a_dtls_client_hello_disturbs_no_media() {
    let engine = own(|_| ());
    let mut phone = phone(&engine, TALK);
    let audio = phone.call().audio();
    // RFC 6347 §4.1: handshake, DTLS 1.0, epoch 0; a ClientHello of version 1.2 and no more than its beginning.
    let mut hello = vec![
        22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 54, 1, 0, 0, 42, 0, 0, 0, 0, 0, 0, 0, 42, 0xfe, 0xfd,
    ];
    hello.extend_from_slice(&[7; 40]);
    let thief = Rtp::bind(LOOPBACK_ELSEWHERE);
    for _ in 0..20 {
        thief.send(&hello, audio);
        // And from the caller's own address, before and between its audio.
        phone.rtp.send(&hello, audio);
        phone.rtp.speak(audio, 1);
    }
    assert!(thief.octets(QUIET).is_none());
    goes_on(&mut phone);
    phone.hang_up();
}

#[test]
fn row_6_message_from_anybody_goes_nowhere() {
    let engine = own(|_| ());
    let mut known = phone(&engine, TALK);
    let message = known.request("MESSAGE").with("text/plain", "hello");
    assert_eq!(known.ask(&message).status(), 405);
    let mut unknown = Phone::new(stranger(&engine), TALK);
    let message = unknown.request("MESSAGE").with("text/plain", "hello");
    unknown.send(&message);
    assert!(unknown.line.next(QUIET).is_none());
}

#[test]
fn row_7_a_challenge_of_our_bye_gets_no_digest() {
    let engine = own(|config| {
        for trunk in &mut config.desk.trunks {
            trunk.credentials = Some(sip::Credentials::new("nightdesk".into(), "correct horse".into()));
        }
    });
    let mut phone = phone(&engine, KEYS);
    let audio = phone.call().audio();
    let bye = press_until(&mut phone, audio, 1, |phone| {
        phone.line.find(Duration::from_millis(200), |message| {
            message.status() == 0 && message.method() == "BYE"
        })
    });
    for (status, header) in [
        ("401 Unauthorized", "WWW-Authenticate"),
        ("407 Proxy Authentication Required", "Proxy-Authenticate"),
    ] {
        let challenge = format!(
            "{header}: Digest realm=\"trunk\", nonce=\"{}\", algorithm=MD5\r\n",
            fresh()
        );
        phone.reply(&bye, status, &challenge, "");
    }
    let answered = phone.line.find(Duration::from_millis(1_500), |message| {
        message.has("Authorization") || message.has("Proxy-Authorization")
    });
    assert!(answered.is_none(), "{answered:?}");
}

#[test]
fn row_8_garbage_on_the_audio_port_ends_no_call() {
    let engine = own(|_| ());
    let mut phone = phone(&engine, TALK);
    let audio = phone.call().audio();
    let mut state = 0x9e37_79b9u32;
    for length in (0..1_400).step_by(7) {
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        phone.rtp.send(&bytes, audio);
        let mut looks_like = bytes.clone();
        if let Some(first) = looks_like.first_mut() {
            *first = 0x80 | (*first & 0x3f);
        }
        phone.rtp.send(&looks_like, audio);
    }
    goes_on(&mut phone);
    phone.hang_up();
}

#[test]
fn row_8_a_flood_of_calls_from_strangers_costs_nothing() {
    let engine = own(|_| ());
    let mut known = phone(&engine, TALK);
    known.call();
    let mut unknown = stranger(&engine);
    for _ in 0..500 {
        let mut caller = Phone::new(
            Line::udp_at(SocketAddr::new(LOOPBACK_ELSEWHERE, 0), unknown.server),
            TALK,
        );
        let invite = caller.invite();
        unknown.send(&invite.bytes());
    }
    assert!(unknown.next(QUIET).is_none());
    let held = engine.held();
    assert_eq!((held.calls, held.sessions), (1, 1));
    assert!(held.endpoint.transactions <= 2, "{held:?}");
    goes_on(&mut known);
    known.hang_up();
}

/// Every file's path below a folder, and every byte in them.
fn everything_in(folder: &Path, paths: &mut Vec<String>, bytes: &mut Vec<u8>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the engine") {
        let path = entry.expect("readable").path();
        paths.push(path.display().to_string());
        if path.is_symlink() {
            continue;
        } else if path.is_dir() {
            everything_in(&path, paths, bytes);
        } else {
            bytes.extend(std::fs::read(&path).unwrap_or_default());
        }
    }
}

#[test]
fn row_10_names_from_the_wire_become_no_path_no_line_and_no_escape() {
    let log = crate::logs::capture();
    let engine = own(|_| ());
    let before = paths_of(engine.folder());
    for (name, call_id) in [
        ("\u{1b}[31mred\u{1b}[0m", "../../../../tmp/planted-path"),
        ("<script>alert(1)</script>", "planted-path/../../x@y"),
        ("a\u{7}b\u{8}c\u{9b}d", "planted-path%2f..%2f"),
        ("'; DROP TABLE calls; --", "planted-path';x"),
        ("planted-name\u{202e}", "planted-path|id"),
    ] {
        let mut phone = phone(&engine, TALK);
        phone.from = format!("\"{name}\" {}", phone.from);
        phone.call_id = call_id.to_owned();
        let invite = phone
            .invite()
            .add("Subject", name)
            .add("P-Asserted-Identity", format!("\"{name}\" <sip:{name}@x>"));
        let answer = phone.ask(&invite);
        if answer.status() == 200 {
            phone.enter(&answer);
            let ack = phone.ack();
            phone.send(&ack);
            phone.hang_up();
        } else {
            assert_eq!(answer.status(), 400, "{answer:?}");
        }
    }
    engine.is_empty(SOON);
    let added: Vec<String> = paths_of(engine.folder()).difference(&before).cloned().collect();
    assert!(
        !added.iter().any(|path| path.contains("planted") || path.contains("..")),
        "{added:?}"
    );
    assert!(!Path::new("/tmp/planted-path").exists());
    for stamped in engine.facts() {
        let printed = format!("{:?}", stamped.fact);
        assert!(!printed.chars().any(char::is_control), "{printed}");
        assert!(
            !printed.contains("planted") && !printed.contains("DROP TABLE"),
            "{printed}"
        );
    }
    let logged = log.text();
    assert!(logged.contains("nightdesk-log-probe"), "the capture works");
    let foreign = |c: char| c.is_control() && c != '\n';
    assert!(!logged.chars().any(foreign), "{logged:?}");
    for planted in ["planted", "DROP TABLE", "<script>", "[31m"] {
        assert!(!logged.contains(planted), "{planted}: {logged}");
    }
}

fn paths_of(folder: &Path) -> BTreeSet<String> {
    let (mut paths, mut bytes) = (Vec::new(), Vec::new());
    everything_in(folder, &mut paths, &mut bytes);
    paths.into_iter().collect()
}

#[test]
fn rows_11_12_14_and_23_headers_that_end_too_soon_harm_nothing() {
    let house = house();
    let mut well = phone(&house, TALK);
    well.call();
    let long = "a".repeat(9_000);
    let nasty: Vec<(&str, String)> = vec![
        ("Authorization", "Digest username=\"x\"".into()),
        ("Authorization", "Digest".into()),
        ("Authorization", "Digest realm".into()),
        ("Authorization", "Digest realm=,nonce=\"".into()),
        ("Proxy-Authorization", "Digest ,,,,=,\"\",".into()),
        ("Identity", "eyJhbGciOiJFUzI1NiJ9..x".into()),
        ("Identity", ";".into()),
        ("Identity", "a.b.c;info".into()),
        ("Identity", format!("{long};info=<{long}>;alg=ES256")),
        ("Contact", "<sip:a@[::>".into()),
        ("Contact", "<sip:a@:5060".into()),
        ("Contact", "<sip:".into()),
        ("Contact", "*".into()),
        ("Contact", "<sip:a@\u{0}>".into()),
        ("Record-Route", "<sip:%00%00;lr>".into()),
        ("Record-Route", "<sip:;lr>, <sip:@>".into()),
        ("Record-Route", "<sip:..;lr".into()),
        ("Route", ",".into()),
        ("CSeq", "".into()),
        ("CSeq", "4294967296 INVITE".into()),
        ("CSeq", "-1 INVITE".into()),
        ("CSeq", "1".into()),
        ("Via", "SIP/2.0/UDP".into()),
        ("Via", "SIP/2.0/UDP [::1".into()),
        ("Via", "SIP/2.0/UDP 127.0.0.1:99999;branch".into()),
        ("From", "\"".into()),
        ("From", "<".into()),
        ("From", "<sip:a@b>;tag".into()),
        ("To", "\"\\".into()),
        ("Max-Forwards", "999999999999".into()),
        ("Content-Type", "multipart/mixed;boundary=".into()),
        ("Content-Length", "18446744073709551616".into()),
        ("Session-Expires", "99999999999999999999;refresher=".into()),
        ("Min-SE", "-5".into()),
        ("RAck", "1 1".into()),
        ("Expires", "99999999999".into()),
        ("Timestamp", "1e999999 ".into()),
        ("Diversion", "<sip:@;;;>;reason".into()),
        ("History-Info", "<sip:x?Reason=%zz>;index=1.1.1.1.1.1.1".into()),
        ("P-Asserted-Identity", "<tel:>".into()),
        ("Privacy", ";;;".into()),
        ("Replaces", "a".into()),
        ("X-Twilio-VerStat", "TN-Validation-Passed-".into()),
    ];
    for (name, value) in nasty {
        let mut phone = phone(&house, TALK);
        let invite = phone.invite().without(name).add(name, value.clone());
        phone.send(&invite);
        // Whatever it is answered, if it can be: quickly, and once decided it is over.
        if let Some(answer) = phone
            .line
            .find(Duration::from_millis(150), |message| message.status() >= 200)
        {
            if answer.status() == 200 {
                phone.enter(&answer);
                let ack = phone.ack();
                phone.send(&ack);
                let bye = phone.request("BYE");
                phone.send(&bye);
            } else {
                let ack = phone.ack_of_refusal(&answer);
                phone.send(&ack);
            }
        }
        is_alive(&mut phone);
    }
    goes_on(&mut well);
    well.hang_up();
}

#[test]
fn row_13_nothing_a_caller_names_is_fetched() {
    let engine = own(|_| ());
    let listener = TcpListener::bind((tests::LOOPBACK, 0)).expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let url = format!("http://{}/cert.pem", listener.local_addr().expect("bound"));
    let mut phone = phone(&engine, TALK);
    let invite = phone
        .invite()
        .add(
            "Identity",
            format!("eyJhbGciOiJFUzI1NiIsInBwdCI6InNoYWtlbiIsInR5cCI6InBhc3Nwb3J0In0.e30.c2ln;info=<{url}>;alg=ES256;ppt=shaken"),
        )
        .add("Call-Info", format!("<{url}>;purpose=icon"))
        .add("Alert-Info", format!("<{url}>"))
        .add("Error-Info", format!("<{url}>"));
    phone.call_with(&invite);
    wait(500);
    assert!(listener.accept().is_err(), "nobody came");
    phone.hang_up();
}

#[test]
fn rows_15_to_17_offers_that_cannot_be_met_leave_the_call_as_it_was() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let head = "v=0\r\no=- 1 9 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n";
    let many = (0..200).map(|kind| format!(" {kind}")).collect::<String>();
    for media in [
        "m=image 4000 udptl t38\r\na=T38FaxVersion:0\r\na=T38FaxMaxDatagram:4294967295\r\n".to_owned(),
        "m=image 0 udptl t38\r\n".to_owned(),
        "m=audio 0 RTP/AVP 0\r\nm=image 4000 udptl t38\r\n".to_owned(),
        "m=audio 4000 RTP/AVP\r\n".to_owned(),
        "m=audio 4000 RTP/AVP 999\r\n".to_owned(),
        "m=audio 4000 RTP/AVP 96\r\na=rtpmap:96 opus/0/0\r\n".to_owned(),
        "m=audio 4000 RTP/AVP 96\r\na=rtpmap:96\r\na=fmtp:96\r\n".to_owned(),
        "m=audio 70000 RTP/AVP 0\r\n".to_owned(),
        "m=audio 4000/65535 RTP/AVP 18\r\n".to_owned(),
        format!("m=audio 4000 RTP/AVP{many}\r\n"),
        "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 224.0.0.1\r\n".to_owned(),
        "m=audio 4000 RTP/AVP 0\r\nc=IN IP4 host.example.com\r\n".to_owned(),
        "m=audio 4000 RTP/AVP 0\r\nc=IN IP6 ::1\r\n".to_owned(),
        "m=message 4000 TCP/MSRP *\r\n".repeat(40),
        "m=audio 4000 RTP/SAVP 0\r\na=crypto:\r\na=crypto:1\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:\r\n"
            .to_owned(),
    ] {
        let again = phone.invite().sdp(format!("{head}{media}"));
        let answer = phone.ask(&again);
        assert!((400..600).contains(&answer.status()), "{media}: {answer:?}");
        let ack = phone.ack_of_refusal(&answer);
        phone.send(&ack);
    }
    goes_on(&mut phone);
    phone.hang_up();
}

#[test]
fn row_18_a_multipart_body_beyond_its_end_harms_nothing() {
    let house = house();
    for (kind, body) in [
        (
            "multipart/mixed;boundary=x",
            "--x\r\nContent-Type: application/sdp\r\n\r\nv=0",
        ),
        ("multipart/mixed;boundary=x", "--x"),
        ("multipart/mixed;boundary=x", "--x\r\n--x\r\n--x--"),
        ("multipart/mixed;boundary=\"\"", "--\r\n\r\n----"),
        ("multipart/mixed", "--x\r\n\r\n--x--"),
        (
            "multipart/mixed;boundary=x",
            "--x\r\nContent-Length: 99999\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--x--",
        ),
        (
            "multipart/mixed;boundary=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "--a",
        ),
    ] {
        let mut phone = phone(&house, TALK);
        let invite = phone.invite().with(kind, body);
        let answer = phone.ask(&invite);
        assert!((400..500).contains(&answer.status()), "{kind} {body}: {answer:?}");
        let ack = phone.ack_of_refusal(&answer);
        phone.send(&ack);
    }
    // And one that is whole is read.
    let mut phone = phone(&house, TALK);
    let sdp = phone.rtp.sdp();
    let whole = format!(
        "--x\r\nContent-Type: application/isup;version=x\r\n\r\n\u{1}\u{2}\r\n--x\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n--x--\r\n"
    );
    let invite = phone.invite().with("multipart/mixed;boundary=x", whole);
    phone.call_with(&invite);
    phone.rtp.hears();
    phone.hang_up();
}

#[test]
fn rows_19_20_and_28_lengths_that_lie_harm_no_media() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let sdp = phone
        .rtp
        .sdp_with("RTP/AVP 0", "a=rtpmap:0 PCMU/8000\r\na=rtcp-mux\r\n")
        + &format!("a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", "u".repeat(250), "p".repeat(250));
    let invite = phone.invite().sdp(sdp);
    let audio = phone.call_with(&invite).audio();
    phone.rtp.speak(audio, 3);
    let ssrc = phone.rtp.ssrc.to_be_bytes();
    let mut packets: Vec<Vec<u8>> = vec![
        // RTCP: SR, RR, SDES, BYE and XR whose lengths lie.
        [&[0x81, 200, 0xff, 0xff][..], &ssrc].concat(),
        [&[0x9f, 201, 0, 1][..], &ssrc].concat(),
        [&[0x9f, 202, 0, 2][..], &ssrc, &[1, 255, 65, 66]].concat(),
        [&[0x9f, 203, 0, 1][..], &ssrc].concat(),
        [&[0x81, 203, 0, 1][..], &ssrc].concat(),
        [&[0x80, 207, 0, 3][..], &ssrc, &[7, 0, 0xff, 0xff, 0, 0, 0, 0]].concat(),
        [&[0xbf, 200, 0, 0][..]].concat(),
        // STUN: a binding request, and one whose USERNAME never ends.
        [&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[9; 12]].concat(),
        [
            &[0, 1, 0x40, 4, 0x21, 0x12, 0xa4, 0x42][..],
            &[9; 12],
            &[0, 6, 0xff, 0xff],
            &[65; 1_200],
        ]
        .concat(),
        [
            &[0, 1, 0, 8, 0x21, 0x12, 0xa4, 0x42][..],
            &[9; 12],
            &[0, 6, 0xff, 0xff, 65, 65, 65, 65],
        ]
        .concat(),
    ];
    // RTP: CSRCs that are not there, an extension and padding longer than the packet, RED blocks without an end.
    let base = rtp(
        0,
        false,
        phone.rtp.sequence,
        phone.rtp.timestamp,
        phone.rtp.ssrc,
        &[0xff; 160],
    );
    for first in [0x8f, 0x90, 0xa0, 0xbf] {
        for cut in [12, 13, 20, 172] {
            let mut packet = base[..cut].to_vec();
            packet[0] = first;
            if let Some(last) = packet.last_mut() {
                *last = 0xff;
            }
            packets.push(packet);
        }
    }
    for payload in [&[0xff; 40][..], &[0x80, 0, 0xff, 0xff], &[]] {
        packets.push(phone.rtp.packet(98, false, payload, 160));
        packets.push(phone.rtp.packet(101, true, payload, 160));
    }
    for packet in &packets {
        phone.rtp.send(packet, audio);
    }
    let thief = Rtp::bind(LOOPBACK_ELSEWHERE);
    for packet in &packets {
        thief.send(packet, audio);
    }
    assert!(thief.octets(QUIET).is_none(), "no answer to a stranger's STUN either");
    goes_on(&mut phone);
    phone.hang_up();
}

#[test]
fn row_21_packet_times_of_any_size_harm_nothing() {
    let house = house();
    for (ptime, maxptime) in [
        ("0", "0"),
        ("1", "65535"),
        ("4294967295", "20"),
        ("18446744073709551616", "-1"),
        ("-20", "20"),
        ("x", ""),
        ("20.5", "1e9"),
    ] {
        let mut phone = phone(&house, TALK);
        let sdp = phone.rtp.sdp_with(
            "RTP/AVP 0",
            &format!("a=rtpmap:0 PCMU/8000\r\na=ptime:{ptime}\r\na=maxptime:{maxptime}\r\n"),
        );
        let invite = phone.invite().sdp(sdp);
        phone.call_with(&invite);
        assert!(phone.rtp.hears().payload.len() <= 480, "ptime {ptime}");
        phone.hang_up();
    }
}

#[test]
fn rows_22_and_29_subscriptions_and_notices_are_not_kept() {
    let house = house();
    for expires in ["0", "3600", "4294967296"] {
        let mut phone = phone(&house, TALK);
        let contact = phone.contact();
        let request = phone
            .request("SUBSCRIBE")
            .add("Event", "message-summary")
            .add("Contact", contact)
            .add("Expires", expires);
        let answer = phone.ask(&request);
        assert!(matches!(answer.status(), 405 | 489), "{answer:?}");
        let again = phone.ask(&request);
        assert_eq!(again.status(), answer.status());
    }
    let mut phone = phone(&house, TALK);
    let notify = phone
        .request("NOTIFY")
        .add("Event", "message-summary")
        .add("Subscription-State", "terminated")
        .with(
            "application/simple-message-summary",
            "Messages-Waiting: yes\r\nVoice-Message: 4294967296/",
        );
    let answer = phone.ask(&notify);
    assert!((400..500).contains(&answer.status()), "{answer:?}");
    is_alive(&mut phone);
}

#[test]
fn row_24_white_space_before_the_colon_smuggles_nothing() {
    let house = house();
    let mut phone = tcp_phone(&house, TALK);
    // Whoever reads `Content-Length :` as an unknown header sees a second request in this body; we see one message.
    let inner = phone.request("OPTIONS").set("Call-ID", "smuggled").bytes();
    let outer = phone.request("OPTIONS").add("Content-Length ", inner.len().to_string());
    let mut bytes = outer.bytes();
    let text = String::from_utf8(bytes.clone())
        .expect("text")
        .replace("Content-Length: 0\r\n", "");
    bytes = text.into_bytes();
    bytes.extend_from_slice(&inner);
    phone.line.send(&bytes);
    assert_eq!(phone.answer("OPTIONS").status(), 200);
    assert!(
        phone
            .line
            .find(QUIET, |message| message.header("Call-ID") == "smuggled")
            .is_none()
    );
    // Two lengths that disagree are no message at all.
    let mut phone = super::house::phone(&house, TALK);
    let request = phone
        .request("OPTIONS")
        .add("Content-Length", "0")
        .add("Content-Length ", "4")
        .with("text/plain", "body");
    assert_eq!(phone.ask(&request).status(), 400);
}

#[test]
fn row_25_a_second_to_and_headers_without_end_harm_nothing() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let twice = phone.request("OPTIONS").add("To", "<sip:other@127.0.0.1>");
    assert_eq!(phone.ask(&twice).status(), 400);
    for name in ["To", "From", "Via", "Contact", "X-Long", "Subject", "Call-ID"] {
        let long = phone.request("OPTIONS").add(name, "x".repeat(40_000));
        phone.send(&long);
        is_alive(&mut phone);
    }
    let mut many = phone.request("OPTIONS");
    for at in 0..3_000 {
        many = many.add(&format!("X-{at}"), "y");
    }
    phone.send(&many);
    is_alive(&mut phone);
}

#[test]
fn row_26_an_upgrade_whose_headers_do_not_end_is_shown_the_door() {
    let engine = own(|config| config.streams.message = Duration::from_millis(700));
    let mut phone = phone(&engine, TALK);
    phone.call();
    let mut line = Line::tcp(engine.address(Tcp));
    line.send(b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n");
    for _ in 0..40 {
        line.send(format!("X-{}: {}\r\n", fresh(), "z".repeat(4_000)).as_bytes());
    }
    assert!(line.is_closed(Duration::from_secs(5)));
    // One that drips.
    let mut slow = Line::tcp(engine.address(Tcp));
    for _ in 0..20 {
        slow.send(b"X");
        wait(60);
    }
    assert!(slow.is_closed(Duration::from_secs(5)));
    goes_on(&mut phone);
    phone.hang_up();
}

#[test]
fn row_30_a_stranger_gets_nothing_whatever_it_says_of_itself() {
    let engine = own(|_| ());
    let mut unknown = Phone::new(stranger(&engine), TALK);
    // From, Contact and Via of the trunk.
    unknown.from = format!("<sip:+15125550100@127.0.0.1>;tag={}", fresh());
    for method in ["OPTIONS", "REGISTER", "INVITE", "SUBSCRIBE", "BYE", "CANCEL", "PAGE"] {
        let request = unknown
            .request(method)
            .set("Via", "SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKtrunk")
            .add("Contact", "<sip:127.0.0.1>");
        unknown.send(&request);
    }
    unknown.line.send(b"\r\n\r\n");
    unknown.line.send(b"nonsense\r\n\r\n");
    assert!(unknown.line.next(QUIET).is_none(), "not one datagram");
    assert!(engine.strangers() >= 8);
    // On a stream: closed before a word is read.
    let mut stream = Line::tcp_from(LOOPBACK_ELSEWHERE, engine.address(Tcp));
    let options = unknown.request("OPTIONS");
    stream.send(&options.bytes());
    assert!(stream.is_closed(SOON));
}

#[test]
fn row_33_call_data_goes_through_the_book_whole() {
    let engine = own(|_| ());
    let mut phone = phone(&engine, TALK);
    phone.from = format!("<sip:+15125550187@{}>;tag={}", phone.line.local, fresh());
    phone.call();
    let began = engine.waits_for("the call in the book", SOON, |fact| {
        matches!(fact, Fact::CallBegan { .. })
    });
    match began.fact {
        Fact::CallBegan { caller, .. } => assert_eq!(caller.expose().as_deref(), Some("+15125550187")),
        other => panic!("{other:?}"),
    }
    phone.hang_up();
    for odd in ["+1512555'--", "+1 OR 1=1", "%27%20OR", "+15125550187;phone-context=x"] {
        let mut phone = super::house::phone(&engine, TALK);
        phone.from = format!("<sip:{odd}@127.0.0.1>;tag={}", fresh());
        let invite = phone.invite();
        let answer = phone.ask(&invite);
        assert!(matches!(answer.status(), 200 | 400), "{answer:?}");
        if answer.status() == 200 {
            phone.enter(&answer);
            let ack = phone.ack();
            phone.send(&ack);
            phone.hang_up();
        }
    }
    for stamped in engine.facts() {
        if let Fact::CallBegan { caller, .. } = stamped.fact {
            let number = caller.expose().clone().unwrap_or_default();
            assert!(number.chars().all(|c| c == '+' || c.is_ascii_digit()), "{number}");
        }
    }
}

#[test]
fn row_36_nothing_a_caller_supplies_is_dialled() {
    let (engine, mut desk) = doctored(|_| ());
    let mut elsewhere = Desk::open();
    let mut caller = phone(&engine, BRIDGED);
    let toll = format!("<sip:+19005550100@{}>", elsewhere.address());
    caller.from = format!("{toll};tag={}", fresh());
    let mut invite = caller.invite();
    for name in [
        "P-Asserted-Identity",
        "Remote-Party-ID",
        "Diversion",
        "History-Info",
        "Referred-By",
        "Refer-To",
        "P-Preferred-Identity",
        "X-Dial",
        "Reply-To",
    ] {
        invite = invite.add(name, &*toll);
    }
    caller.call_with(&invite.add("Route", format!("<sip:{};lr>", caller.line.server)));
    let rung = desk.rings();
    assert!(
        rung.uri().contains("+15125550141@"),
        "the practice's own number: {rung:?}"
    );
    assert!(!rung.text().contains("9005550100"));
    let shown = String::from_utf8_lossy(&rung.bytes).into_owned();
    assert!(!shown.contains("9005550100"), "{shown}");
    for method in ["REFER", "INVITE"] {
        let request = match method {
            "REFER" => caller.request("REFER").add("Refer-To", &*toll),
            _ => caller
                .invite()
                .add("Replaces", "x;to-tag=1;from-tag=2")
                .add("Refer-To", &*toll),
        };
        let answer = caller.ask(&request);
        if answer.status() == 200 {
            let ack = caller.ack();
            caller.send(&ack);
        }
        assert!(
            method != "REFER" || answer.status() == 405 || answer.status() == 603,
            "{answer:?}"
        );
    }
    assert!(elsewhere.line.next(QUIET).is_none(), "nobody else was called");
}

#[test]
fn row_36_a_known_trunk_cannot_call_out_through_us() {
    let (engine, mut desk) = doctored(|_| ());
    for number in ["+19005550100", "911", "+15125550141", "0111234567890", "*72"] {
        let mut caller = phone(&engine, number);
        let invite = caller.invite();
        let answer = caller.ask(&invite);
        let ack = caller.ack_of_refusal(&answer);
        caller.send(&ack);
        assert!(matches!(answer.status(), 404 | 484), "{number}: {answer:?}");
    }
    assert!(desk.line.next(QUIET).is_none());
}

#[test]
fn row_36_emergency_numbers_are_never_dialled() {
    for number in ["911", "1 911", "112", "933", "999"] {
        let folder = tempfile::tempdir().expect("a folder");
        for entry in std::fs::read_dir(practice()).expect("the practice") {
            let path = entry.expect("readable").path();
            let text = std::fs::read_to_string(&path)
                .expect("text")
                .replace("+1 512 555 0141", number);
            std::fs::write(folder.path().join(path.file_name().expect("a name")), text).expect("room");
        }
        let files = std::fs::read_dir(folder.path())
            .expect("a folder")
            .map(|entry| {
                let path = entry.expect("readable").path();
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                (name, std::fs::read_to_string(&path).expect("text"))
            })
            .collect();
        let compiled = flow::compile(&flow::Folder {
            files,
            ..flow::Folder::default()
        });
        assert!(
            compiled.practice.is_none(),
            "{number} as a doctor's number is refused before a call can come"
        );
    }
}

#[test]
fn row_37_keys_of_a_stranger_are_not_heard() {
    let engine = own(|_| ());
    let mut phone = phone(&engine, KEYS);
    let audio = phone.call().audio();
    phone.rtp.speak(audio, 3);
    engine.waits_for(
        "the menu",
        SOON,
        |fact| matches!(fact, Fact::Said { words } if words.contains("How can we help")),
    );
    let mut thief = Rtp::bind(LOOPBACK_ELSEWHERE);
    thief.ssrc = phone.rtp.ssrc;
    thief.sequence = phone.rtp.sequence;
    thief.timestamp = phone.rtp.timestamp;
    thief.press(audio, 101, 1);
    wait(500);
    let pressed = |engine: &Engine| {
        engine
            .facts()
            .iter()
            .filter(|s| matches!(s.fact, Fact::Pressed { .. }))
            .count()
    };
    assert_eq!(pressed(&engine), 0);
    phone.rtp.press(audio, 101, 2);
    engine.waits_for(
        "section two",
        SOON,
        |fact| matches!(fact, Fact::Section { name } if name == "section two"),
    );
    assert_eq!(pressed(&engine), 1);
}

#[test]
fn row_37_bye_and_re_invite_of_a_stranger_who_knows_the_tags_do_nothing() {
    let engine = own(with_another_trunk);
    let mut phone = phone(&engine, TALK);
    phone.call();
    let thief = Rtp::bind(LOOPBACK_ELSEWHERE);
    let stolen = thief.sdp();
    // Somebody unknown, and somebody who is a trunk but not this call's.
    for from in [LOOPBACK_ELSEWHERE, OTHER_TRUNK] {
        let mut line = Line::udp_at(SocketAddr::new(from, 0), engine.address(Udp));
        for method in ["INVITE", "UPDATE", "INFO", "OPTIONS", "BYE", "CANCEL"] {
            let mut request = phone
                .request(method)
                .add("Contact", format!("<sip:thief@{}>", line.local));
            if matches!(method, "INVITE" | "UPDATE") {
                request = request.sdp(&stolen);
            }
            if method == "CANCEL" {
                request = phone.cancel();
            }
            line.send(&request.bytes());
            let answer = line.find(Duration::from_millis(200), |message| message.status() >= 200);
            match (from, answer) {
                (LOOPBACK_ELSEWHERE, answer) => assert!(answer.is_none(), "{method}: {answer:?}"),
                (_, Some(answer)) => assert!(matches!(answer.status(), 403 | 481), "{method}: {answer:?}"),
                (_, None) => {}
            }
        }
        phone.line.forget();
    }
    assert!(thief.next(QUIET).is_none(), "no audio went there");
    goes_on(&mut phone);
    phone.hang_up();
}

#[test]
fn row_37_a_stranger_cannot_acknowledge_or_cancel_for_the_caller() {
    let engine = Engine::start(Setup {
        practice: practice(),
        ring_before_answer: Duration::from_secs(60),
        tune: Box::new(with_another_trunk),
        ..Setup::default()
    });
    let mut phone = phone(&engine, TALK);
    let invite = phone.invite();
    phone.send(&invite);
    phone.response("INVITE", |status| status == 180);
    for from in [LOOPBACK_ELSEWHERE, OTHER_TRUNK] {
        let mut line = Line::udp_at(SocketAddr::new(from, 0), engine.address(Udp));
        let cancel = phone.cancel();
        line.send(&cancel.bytes());
        wait(100);
    }
    let ended = phone
        .line
        .find(QUIET, |message| message.method() == "INVITE" && message.status() >= 200);
    assert!(ended.is_none(), "{ended:?}");
    assert_eq!(engine.held().calls, 1);
}
