//! Offer/answer against what the trunks of integrations.md §1.3 send, drawn: their offer's name, our answer, the
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that finds otherwise should stop there"
)]
//! agreement. Some files end their lines with CRLF, some with LF, as found in the wild.

use media::sdp::{
    self, Codec, Direction, Local, Malformed, NothingInCommon, Offering, SdpFault, Stream, accept, answer,
    answer_again, offer, reoffer,
};
use proptest::prelude::*;
use std::fmt::Write;

fn both() -> Offering {
    Offering::default()
}

/// Keys for pages that can be read again: every drawing gives the next number.
fn draw() -> impl FnMut() -> [u8; 16] {
    let mut drawn = 0;
    move || {
        drawn += 1;
        [drawn; 16]
    }
}

fn local() -> Local {
    Local {
        address: [198, 51, 100, 1].into(),
        port: 10_000,
        session: 42,
        version: 1,
    }
}

fn local_v6() -> Local {
    Local {
        address: "2001:db8::1".parse().expect("an address"),
        ..local()
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("our own SDP is ASCII")
}

fn drawn(stream: &Stream) -> String {
    format!(
        "{:?} send {} receive {} events send {:?} receive {:?}\nto {} rtcp {} mux {} {:?} ptime {}",
        stream.codec,
        stream.payload_type,
        stream.receive_payload_type,
        stream.telephone_event,
        stream.receive_telephone_event,
        stream.remote,
        stream.remote_rtcp,
        stream.rtcp_mux,
        stream.direction,
        stream.ptime_ms,
    )
}

#[test]
fn the_trunks() {
    let mut page = String::new();
    for (name, theirs) in [
        ("twilio", include_bytes!("sdp/twilio.sdp").as_slice()),
        ("telnyx", include_bytes!("sdp/telnyx.sdp")),
        ("bandwidth", include_bytes!("sdp/bandwidth.sdp")),
        ("flowroute", include_bytes!("sdp/flowroute.sdp")),
        ("voipms", include_bytes!("sdp/voipms.sdp")),
        ("signalwire", include_bytes!("sdp/signalwire.sdp")),
        ("plivo", include_bytes!("sdp/plivo.sdp")),
        ("cisco with T.38 and video", include_bytes!("sdp/cisco-t38.sdp")),
        ("srtp first, plain second", include_bytes!("sdp/srtp-then-plain.sdp")),
        ("ipv6", include_bytes!("sdp/ipv6.sdp")),
        ("hold, sendonly", include_bytes!("sdp/hold-sendonly.sdp")),
        ("hold, 0.0.0.0", include_bytes!("sdp/hold-2543.sdp")),
    ] {
        let local = if name == "ipv6" { local_v6() } else { local() };
        let (ours, stream) =
            answer(theirs, &local, &both(), &mut draw()).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert!(
            ours.split(|byte| *byte == b'\n')
                .all(|line| line.is_empty() || line.ends_with(b"\r")),
            "{name}"
        );
        writeln!(page, "== {name}\n{}\n{}", text(&ours).replace('\r', ""), drawn(&stream)).expect("a String");
    }
    insta::assert_snapshot!(page);
}

#[test]
fn our_offer_and_their_answers() {
    let ours = offer(&local(), &both(), &mut draw());
    insta::assert_snapshot!(text(&ours).replace('\r', ""));
    let answered = |body: &str| {
        accept(
            &ours,
            format!("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n{body}").as_bytes(),
        )
    };

    // Their own numbers: we send theirs and receive ours.
    let asymmetric = answered(
        "m=audio 7000 RTP/AVP 110 96\na=rtpmap:110 pcma/8000\na=rtpmap:96 telephone-event/8000\na=fmtp:96 0-15\n",
    );
    insta::assert_snapshot!(drawn(&asymmetric.expect("an agreement")));
    // No rtpmap for our dynamic number: it means what we said.
    let terse = answered("m=audio 7000 RTP/AVP 0 101\na=rtcp-mux\na=recvonly\n").expect("an agreement");
    assert_eq!(
        (terse.telephone_event, terse.rtcp_mux, terse.direction),
        (Some(101), true, Direction::SendOnly)
    );
    assert_eq!(terse.remote_rtcp, terse.remote);

    let refused = [
        (
            "m=audio 0 RTP/AVP 0\n",
            SdpFault::NothingInCommon(NothingInCommon::Audio),
        ),
        (
            "m=audio 7000 RTP/AVP 18\n",
            SdpFault::NothingInCommon(NothingInCommon::Codec),
        ),
        (
            "m=audio 7000 RTP/SAVP 0\n",
            SdpFault::NothingInCommon(NothingInCommon::Profile),
        ),
        (
            "m=video 7000 RTP/AVP 0\n",
            SdpFault::Malformed(Malformed::AnswerMismatch),
        ),
        ("", SdpFault::Malformed(Malformed::NoMedia)),
    ];
    for (body, fault) in refused {
        assert_eq!(answered(body), Err(fault), "{body:?}");
    }
}

#[test]
fn what_is_refused_and_how() {
    let head = "v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nt=0 0\n";
    let c = "c=IN IP4 192.0.2.9\n";
    let mut page = String::new();
    for (name, body) in [
        ("no audio", format!("{head}{c}m=video 5000 RTP/AVP 96\n")),
        ("audio disabled", format!("{head}{c}m=audio 0 RTP/AVP 0\n")),
        ("fax only", format!("{head}{c}m=image 5000 udptl t38\n")),
        ("srtp only", format!("{head}{c}m=audio 5000 RTP/SAVP 0\n")),
        ("webrtc", format!("{head}{c}m=audio 9 UDP/TLS/RTP/SAVPF 0\n")),
        (
            "g729 only",
            format!("{head}{c}m=audio 5000 RTP/AVP 18\na=rtpmap:18 G729/8000\n"),
        ),
        (
            "static number taken by another codec",
            format!("{head}{c}m=audio 5000 RTP/AVP 0\na=rtpmap:0 SPEEX/8000\n"),
        ),
        (
            "wideband law",
            format!("{head}{c}m=audio 5000 RTP/AVP 96\na=rtpmap:96 PCMU/16000\n"),
        ),
        (
            "host name",
            format!("{head}c=IN IP4 media.example.com\nm=audio 5000 RTP/AVP 0\n"),
        ),
        (
            "multicast",
            format!("{head}c=IN IP4 224.2.36.42/127\nm=audio 5000 RTP/AVP 0\n"),
        ),
        (
            "other family",
            format!("{head}c=IN IP6 2001:db8::9\nm=audio 5000 RTP/AVP 0\n"),
        ),
        ("no c=", format!("{head}m=audio 5000 RTP/AVP 0\n")),
        ("bad c=", format!("{head}c=IN IP4 300.1.1.1\nm=audio 5000 RTP/AVP 0\n")),
        ("bad port", format!("{head}{c}m=audio 70000 RTP/AVP 0\n")),
        ("no format word", format!("{head}{c}m=audio\n")),
        ("no v=", c.to_owned()),
        ("empty", String::new()),
        ("not SDP", "hello\n".to_owned()),
        ("no media", format!("{head}{c}")),
        ("too long", format!("{head}{c}{}", "a=x\n".repeat(5000))),
        ("too many lines", format!("{head}{c}{}", "a=x\n".repeat(600))),
        (
            "too many media",
            format!("{head}{c}{}", "m=audio 5000 RTP/AVP 0\n".repeat(17)),
        ),
        (
            "too many formats",
            format!("{head}{c}m=audio 5000 RTP/AVP{}\n", " 0".repeat(65)),
        ),
        (
            "too many maps",
            format!(
                "{head}{c}m=audio 5000 RTP/AVP 0\n{}",
                "a=rtpmap:0 PCMU/8000\n".repeat(129)
            ),
        ),
    ] {
        let fault = answer(body.as_bytes(), &local(), &both(), &mut draw()).expect_err(name);
        writeln!(page, "{name:37} {} {fault}", fault.status()).expect("a String");
    }
    insta::assert_snapshot!(page);
}

#[test]
fn odd_but_right() {
    let wrap =
        |body: &str| format!("v=0\no=- 1 1 IN IP4 192.0.2.9\ns=Pr\u{e9}nom\nc=IN IP4 192.0.2.9/127\nt=0 0\n{body}");
    let agreed = |body: &str| {
        answer(wrap(body).as_bytes(), &local(), &both(), &mut draw())
            .expect("an agreement")
            .1
    };
    assert_eq!(agreed("m=audio 5000/2 RTP/AVP 0\n").remote.port(), 5000);
    assert_eq!(agreed("m=audio 65535 RTP/AVP 0\n").remote_rtcp.port(), 65_535);
    assert_eq!(agreed("m=audio 5000 RTP/AVP 0\na=rtcp:0\n").remote_rtcp.port(), 5001);
    assert_eq!(
        agreed("m=audio 5000 RTP/AVP 0\na=ptime:4294967295\na=maxptime:-1\n").ptime_ms,
        20
    );
    assert_eq!(
        agreed("m=audio 5000 RTP/AVP 0\na=ptime:60\na=maxptime:40\n").ptime_ms,
        40
    );
    assert_eq!(agreed("m=audio 5000 RTP/AVP 0\na=ptime: 30 \n").ptime_ms, 30);
    let events = |list: &str| {
        agreed(&format!(
            "m=audio 5000 RTP/AVP 0 97\na=rtpmap:97 Telephone-Event/8000\n{list}"
        ))
        .telephone_event
    };
    assert_eq!(events(""), Some(97));
    assert_eq!(events("a=fmtp:97 0-11,16\n"), Some(97));
    assert_eq!(events("a=fmtp:97 events=0-15\n"), Some(97));
    assert_eq!(events("a=fmtp:97 0-4294967295\n"), Some(97));
    assert_eq!(events("a=fmtp:97 16\n"), None, "a flash alone is no keypad");
    // Only the laws we are asked to speak, in their order.
    let theirs = wrap("m=audio 5000 RTP/AVP 8 0\n");
    let (_, stream) = answer(
        theirs.as_bytes(),
        &local(),
        &Offering::clear(&[Codec::Pcmu]),
        &mut draw(),
    )
    .expect("an agreement");
    assert_eq!(stream.codec, Codec::Pcmu);
    // Latin-1 in a text nobody reads.
    let latin1: Vec<u8> = wrap("m=audio 5000 RTP/AVP 0\n").chars().map(|c| c as u8).collect();
    assert!(answer(&latin1, &local(), &both(), &mut draw()).is_ok());
}

/// RFC 3389 §5: 13 is comfort noise with or without a map, for codecs of 8 kHz; we never ask for it.
#[test]
fn comfort_noise_is_taken_when_it_is_offered() {
    let offer = |formats: &str, maps: &str| {
        format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\nm=audio 30000 RTP/AVP {formats}\r\n{maps}"
        )
    };
    for (formats, maps, taken) in [
        ("0 13", "", true),
        (
            "13 0 101",
            "a=rtpmap:13 CN/8000\r\na=rtpmap:101 telephone-event/8000\r\n",
            true,
        ),
        ("0 13", "a=rtpmap:13 cn/8000/1\r\n", true),
        ("8 118", "a=rtpmap:118 CN/16000\r\n", false),
        ("8 97", "a=rtpmap:97 CN/8000\r\n", false),
        ("0 13", "a=rtpmap:13 CN/16000\r\n", false),
        ("0 101", "", false),
    ] {
        let offer = offer(formats, maps);
        let (answer, stream) = sdp::answer(offer.as_bytes(), &local(), &both(), &mut draw()).expect("G.711");
        let answer_text = text(&answer);
        assert_eq!(answer_text.contains("a=rtpmap:13 CN/8000"), taken, "{answer_text}");
        assert!(stream.codec.as_law().is_some(), "noise is no codec");
        let (again, _) = sdp::answer_again(&answer, offer.as_bytes(), &both(), Direction::SendRecv, &mut draw())
            .expect("it was fine before");
        assert_eq!(again, answer);
        let held = sdp::reoffer(&answer, Direction::SendOnly).expect("our own words");
        assert_eq!(text(&held).contains(" 13"), taken);
    }
    let only = offer("13", "");
    assert!(sdp::answer(only.as_bytes(), &local(), &both(), &mut draw()).is_err());
    assert!(!text(&sdp::offer(&local(), &both(), &mut draw())).contains("CN/8000"));
}

#[test]
fn hold_and_resume_count_versions_only_when_something_changes() {
    let theirs = include_bytes!("sdp/voipms.sdp");
    let version = |sdp: &[u8]| {
        text(sdp)
            .lines()
            .nth(1)
            .and_then(|o| o.split(' ').nth(2).map(str::to_owned))
    };
    let (first, _) = answer(theirs, &local(), &both(), &mut draw()).expect("an agreement");

    // A refresh changes nothing.
    let (refreshed, _) = answer_again(&first, theirs, &both(), Direction::SendRecv, &mut draw()).expect("an agreement");
    assert_eq!(refreshed, first);
    // They hold, both ways of saying it, and resume.
    let (held, stream) = answer_again(
        &first,
        include_bytes!("sdp/hold-sendonly.sdp"),
        &both(),
        Direction::SendRecv,
        &mut draw(),
    )
    .expect("an agreement");
    assert_eq!(
        (version(&held).as_deref(), stream.direction),
        (Some("2"), Direction::RecvOnly)
    );
    let (again, stream) = answer_again(
        &held,
        include_bytes!("sdp/hold-2543.sdp"),
        &both(),
        Direction::SendRecv,
        &mut draw(),
    )
    .expect("an agreement");
    assert_eq!(
        (again.as_slice(), stream.direction),
        (held.as_slice(), Direction::RecvOnly)
    );
    let (resumed, stream) =
        answer_again(&again, theirs, &both(), Direction::SendRecv, &mut draw()).expect("an agreement");
    assert_eq!(
        (version(&resumed).as_deref(), stream.direction),
        (Some("3"), Direction::SendRecv)
    );
    // We hold; they refresh meanwhile; we resume.
    let ours = reoffer(&resumed, Direction::SendOnly).expect("our own words");
    assert_eq!(version(&ours).as_deref(), Some("4"));
    assert!(text(&ours).contains("a=sendonly\r\n"));
    assert_eq!(reoffer(&ours, Direction::SendOnly).expect("our own words"), ours);
    let answered = text(&held)
        .replace("o=- 42 2", "o=- 9 1")
        .replace("198.51.100.1", "192.0.2.60");
    assert_eq!(
        accept(&ours, answered.as_bytes()).map(|stream| stream.direction),
        Ok(Direction::SendOnly)
    );
    let (refreshed, stream) =
        answer_again(&ours, theirs, &both(), Direction::SendOnly, &mut draw()).expect("an agreement");
    assert_eq!(
        (refreshed.as_slice(), stream.direction),
        (ours.as_slice(), Direction::SendOnly)
    );
    let resumed = reoffer(&ours, Direction::SendRecv).expect("our own words");
    assert_eq!(version(&resumed).as_deref(), Some("5"));
}

#[test]
fn a_reoffer_keeps_declined_media_in_their_places() {
    let (ours, _) = answer(
        include_bytes!("sdp/srtp-then-plain.sdp"),
        &local(),
        &both(),
        &mut draw(),
    )
    .expect("an agreement");
    let held = reoffer(&ours, Direction::Inactive).expect("our own words");
    let lines = |sdp: &[u8]| {
        text(sdp)
            .lines()
            .filter(|line| line.starts_with("m="))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(lines(&held), lines(&ours));
    assert_eq!(lines(&held), ["m=audio 0 RTP/SAVP 0", "m=audio 10000 RTP/AVP 8 110"]);
    // And their answer is read at the right place.
    let theirs = "v=0\nc=IN IP4 192.0.2.91\nm=audio 0 RTP/SAVP 0\nm=audio 18002 RTP/AVP 8 110\na=inactive\n";
    assert_eq!(
        accept(&held, theirs.as_bytes()).map(|stream| stream.remote.port()),
        Ok(18_002)
    );
    assert_eq!(
        accept(&held, b"v=0\nc=IN IP4 192.0.2.91\nm=audio 18002 RTP/AVP 8\n"),
        Err(SdpFault::Malformed(Malformed::AnswerMismatch))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_bytes_are_agreed_to_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let ours = offer(&local(), &both(), &mut draw());
        let _ = answer(&bytes, &local(), &both(), &mut draw());
        let _ = accept(&ours, &bytes);
        let _ = reoffer(&bytes, Direction::SendOnly);
    }

    /// Lines that look like SDP, in any order and with any numbers.
    #[test]
    fn any_lines_are_agreed_to_or_refused(lines in prop::collection::vec("(m=(audio|video) [0-9/]{1,7} RTP/S?AVP( [0-9]{1,3}){0,5}|a=(rtpmap|fmtp|ptime|maxptime|rtcp):[0-9,/ a-zA-Z-]{0,30}|c=IN IP[46] [0-9a-f.:/]{0,20}|a=(sendonly|inactive|rtcp-mux)|[a-z]=.{0,20})\r?\n", 0..20)) {
        let theirs = format!("v=0\r\n{}", lines.concat());
        if let Ok((ours, stream)) = answer(theirs.as_bytes(), &local(), &both(), &mut draw()) {
            // What we agree to, we can agree to again without a word changed, and hold.
            let (again, same) = answer_again(&ours, theirs.as_bytes(), &both(), Direction::SendRecv, &mut draw()).expect("as before");
            prop_assert_eq!(&again, &ours);
            prop_assert_eq!(same, stream);
            prop_assert!(reoffer(&ours, Direction::Inactive).is_ok());
        }
    }
}
