//! Keys in offers and answers (RFC 4568): who gets an encrypted stream, who a clear one, who a 488.
#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that finds otherwise should stop there"
)]

use media::sdp::{
    Codec, Direction, Local, NothingInCommon, Offering, SdpFault, Security, Stream, Suite, accept, answer,
    answer_again, late_offer, offer, reoffer,
};

const KEY: &str = "inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";
const NEW_KEY: &str = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

fn local() -> Local {
    Local {
        address: [198, 51, 100, 1].into(),
        port: 10_000,
        session: 42,
        version: 1,
    }
}

fn offering(security: Security) -> Offering {
    Offering {
        codecs: Codec::ALL.to_vec(),
        security,
        suites: Suite::ALL.to_vec(),
    }
}

/// Keys for pages that can be read again: every drawing gives the next number.
fn draw(from: u8) -> impl FnMut() -> [u8; 16] {
    let mut drawn = from;
    move || {
        drawn += 1;
        [drawn; 16]
    }
}

fn theirs(media: &str) -> String {
    format!("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n{media}")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec())
        .expect("our own SDP is ASCII")
        .replace('\r', "")
}

fn fault(why: NothingInCommon) -> SdpFault {
    SdpFault::NothingInCommon(why)
}

#[test]
fn our_offers_and_what_may_answer_them() {
    let page = format!(
        "== off\n{}\n== preferred, required\n{}\n== preferred, in a 200\n{}",
        text(&offer(&local(), &offering(Security::Off), &mut draw(0))),
        text(&offer(&local(), &offering(Security::Required), &mut draw(0))),
        text(&late_offer(&local(), &offering(Security::Preferred), &mut draw(0))),
    );
    insta::assert_snapshot!(page);

    let taken = |ours: &[u8], media: &str| accept(ours, theirs(media).as_bytes()).map(|stream| stream.protection());
    let ours = offer(&local(), &offering(Security::Required), &mut draw(0));
    for (media, outcome) in [
        (
            format!("m=audio 7000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}\r\n"),
            Ok("AES_CM_128_HMAC_SHA1_80"),
        ),
        (
            format!("m=audio 7000 RTP/SAVP 0\r\na=crypto:4 AES_CM_128_HMAC_SHA1_32 {KEY}|2^31\r\n"),
            Ok("AES_CM_128_HMAC_SHA1_32"),
        ),
        // A tag of another line, no key, none of the lines, in the clear.
        (
            format!("m=audio 7000 RTP/SAVP 0\r\na=crypto:2 AES_CM_128_HMAC_SHA1_80 {KEY}\r\n"),
            Err(fault(NothingInCommon::Security)),
        ),
        (
            "m=audio 7000 RTP/SAVP 0\r\n".to_owned(),
            Err(fault(NothingInCommon::Security)),
        ),
        (
            "m=audio 7000 RTP/AVP 0\r\n".to_owned(),
            Err(fault(NothingInCommon::Security)),
        ),
        (
            "m=audio 0 RTP/SAVP 0\r\n".to_owned(),
            Err(fault(NothingInCommon::Audio)),
        ),
    ] {
        assert_eq!(taken(&ours, &media), outcome, "{media}");
    }
    let late = late_offer(&local(), &offering(Security::Preferred), &mut draw(0));
    assert_eq!(taken(&late, "m=audio 7000 RTP/AVP 0\r\n"), Ok("in the clear"));
    let with_key = format!("m=audio 7000 RTP/AVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}\r\n");
    assert_eq!(taken(&late, &with_key), Ok("AES_CM_128_HMAC_SHA1_80"));
    let clear = offer(&local(), &offering(Security::Preferred).in_clear(), &mut draw(0));
    assert_eq!(taken(&clear, &with_key), Ok("in the clear"), "keys nobody asked for");
    assert_eq!(
        taken(&clear, &with_key.replace("RTP/AVP", "RTP/SAVP")),
        Err(fault(NothingInCommon::Profile))
    );
}

/// Every kind of offer under every policy.
#[test]
fn what_we_answer() {
    let crypto = format!("a=crypto:7 AES_CM_128_HMAC_SHA1_80 {KEY}\r\n");
    let offers = [
        ("clear", "m=audio 7000 RTP/AVP 0\r\n".to_owned()),
        ("encrypted", format!("m=audio 7000 RTP/SAVP 0\r\n{crypto}")),
        ("with feedback", format!("m=audio 7000 RTP/SAVPF 0\r\n{crypto}")),
        (
            "keys beside a clear profile",
            format!("m=audio 7000 RTP/AVP 0\r\n{crypto}"),
        ),
        (
            "clear first, encrypted second",
            format!("m=audio 7000 RTP/AVP 0\r\nm=audio 7002 RTP/SAVP 8\r\n{crypto}"),
        ),
        (
            "an MKI first, a usable line second",
            format!(
                "m=audio 7000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}|2^31|1:4\r\n\
                 a=crypto:2 AEAD_AES_128_GCM inline:{}==\r\n",
                "A".repeat(38)
            ),
        ),
        (
            "nothing but an MKI",
            format!("m=audio 7000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}|1:4\r\n"),
        ),
        ("no keys", "m=audio 7000 RTP/SAVP 0\r\n".to_owned()),
        (
            "DTLS and ICE",
            "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=fingerprint:sha-256 00:11\r\na=ice-ufrag:x\r\n".to_owned(),
        ),
        (
            "encrypted, with DTLS and ICE beside it",
            format!(
                "m=audio 7000 RTP/SAVP 0\r\n{crypto}a=fingerprint:sha-256 00:11\r\na=ice-ufrag:x\r\na=setup:actpass\r\n"
            ),
        ),
    ];
    let mut page = String::new();
    for (name, media) in &offers {
        for security in [Security::Off, Security::Preferred, Security::Required] {
            let outcome = match answer(theirs(media).as_bytes(), &local(), &offering(security), &mut draw(0)) {
                Ok((ours, stream)) => {
                    let lines: Vec<String> = text(&ours)
                        .lines()
                        .filter(|line| line.starts_with("m=") || line.starts_with("a=crypto"))
                        .map(str::to_owned)
                        .collect();
                    format!("{} | {}", stream.protection(), lines.join(" | "))
                }
                Err(fault) => format!("{} {fault}", fault.status()),
            };
            page.push_str(&format!("{name}, {security:?}: {outcome}\n"));
        }
    }
    insta::assert_snapshot!(page);
}

fn keys(stream: &Stream) -> (Vec<u8>, Vec<u8>) {
    let keys = stream.security.as_ref().expect("encrypted");
    (keys.send.bytes().to_vec(), keys.receive.bytes().to_vec())
}

/// RFC 4568 §7.1.4: a refresh changes no key, a re-INVITE may change theirs, another suite changes ours too; what was
/// encrypted may not become clear where that is required.
#[test]
fn keys_over_a_call() {
    let offering = offering(Security::Required);
    let say = |suite: &str, key: &str, more: &str| {
        theirs(&format!(
            "m=audio 7000 RTP/SAVP 0\r\na=crypto:1 {suite} {key}\r\n{more}"
        ))
    };
    let first = say("AES_CM_128_HMAC_SHA1_80", KEY, "");
    let (said, stream) = answer(first.as_bytes(), &local(), &offering, &mut draw(0)).expect("an agreement");
    let again =
        |said: &[u8], offer: &str| answer_again(said, offer.as_bytes(), &offering, Direction::SendRecv, &mut draw(100));

    let (refreshed, same) = again(&said, &first).expect("an agreement");
    assert_eq!((&refreshed, &same), (&said, &stream));

    let (said, rekeyed) = again(&said, &say("AES_CM_128_HMAC_SHA1_80", NEW_KEY, "")).expect("an agreement");
    assert_eq!(keys(&rekeyed).0, keys(&stream).0, "ours stays");
    assert_ne!(keys(&rekeyed).1, keys(&stream).1);

    let held = say("AES_CM_128_HMAC_SHA1_80", NEW_KEY, "a=sendonly\r\n");
    let (said, held) = again(&said, &held).expect("an agreement");
    assert_eq!((held.direction, keys(&held)), (Direction::RecvOnly, keys(&rekeyed)));

    let (said, other) = again(&said, &say("AES_CM_128_HMAC_SHA1_32", NEW_KEY, "")).expect("an agreement");
    assert_ne!(keys(&other).0, keys(&rekeyed).0, "a key is for one suite");

    let ours = reoffer(&said, Direction::SendOnly).expect("our own words");
    let hold = text(&ours);
    assert!(
        hold.contains("RTP/SAVP") && hold.contains("a=crypto:1 AES_CM_128_HMAC_SHA1_32") && hold.contains("a=sendonly")
    );
    let answered = accept(
        &ours,
        say("AES_CM_128_HMAC_SHA1_32", NEW_KEY, "a=recvonly\r\n").as_bytes(),
    );
    assert_eq!(keys(&answered.expect("an agreement")), keys(&other));

    let clear = theirs("m=audio 7000 RTP/AVP 0\r\n");
    assert_eq!(again(&said, &clear).map(|_| ()), Err(fault(NothingInCommon::Security)));
}

#[test]
fn nothing_of_a_key_prints() {
    let media = format!("m=audio 7000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 {KEY}\r\n");
    let (_, stream) = answer(
        theirs(&media).as_bytes(),
        &local(),
        &offering(Security::Required),
        &mut draw(0),
    )
    .expect("an agreement");
    let printed = format!("{stream:?}");
    assert!(printed.contains("‹key›") && !printed.contains("61, 45"), "{printed}");
    assert!(
        !format!(
            "{:?}",
            media::Leg::new(
                &stream,
                media::LegStart {
                    ssrc: 1,
                    sequence: 1,
                    timestamp: 1,
                    cname: [0; 16]
                }
            )
        )
        .contains("61, 45")
    );
}

/// G.722's clock, Opus's channels and telephone-events for each; who writes them otherwise; `maxptime`.
#[test]
fn codecs_beyond_g711() {
    let all = offering(Security::Off);
    let mut page = String::new();
    for (name, media) in [
        (
            "G.722 by number",
            "m=audio 7000 RTP/AVP 9 0 101\r\na=rtpmap:101 telephone-event/8000\r\n",
        ),
        (
            "G.722 at 16000",
            "m=audio 7000 RTP/AVP 97 0\r\na=rtpmap:97 G722/16000\r\na=maxptime:10\r\n",
        ),
        (
            "Opus, both events",
            "m=audio 7000 RTP/AVP 96 0 97 98\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 maxaveragebitrate=12000; useinbandfec=1\r\n\
             a=rtpmap:97 telephone-event/8000\r\na=rtpmap:98 telephone-event/48000\r\n",
        ),
        (
            "Opus, events at 8000 alone",
            "m=audio 7000 RTP/AVP 96 97\r\na=rtpmap:96 OPUS/48000/2\r\na=rtpmap:97 telephone-event/8000\r\na=fmtp:97 0-15\r\n",
        ),
        ("no Opus", "m=audio 7000 RTP/AVP 96 8\r\na=rtpmap:96 opus/8000\r\n"),
    ] {
        let (ours, stream) = answer(theirs(media).as_bytes(), &local(), &all, &mut draw(0)).expect(name);
        let ours = text(&ours);
        let lines: Vec<&str> = ours.lines().skip(5).collect();
        page.push_str(&format!(
            "== {name}\n{}\n{:?} {} events {:?}/{} {} ms, {:?}\n",
            lines.join("\n"),
            stream.codec,
            stream.payload_type,
            stream.telephone_event,
            stream.event_clock_rate,
            stream.packet_ms,
            stream.opus,
        ));
    }
    insta::assert_snapshot!(page);

    let ours = offer(&local(), &all, &mut draw(0));
    let answered =
        theirs("m=audio 7000 RTP/AVP 107 100\r\na=rtpmap:107 opus/48000/2\r\na=rtpmap:100 telephone-event/48000\r\n");
    let stream = accept(&ours, answered.as_bytes()).expect("an agreement");
    assert_eq!(
        (
            stream.payload_type,
            stream.receive_payload_type,
            stream.telephone_event,
            stream.receive_telephone_event
        ),
        (107, 111, Some(100), Some(110))
    );
    assert_eq!(stream.event_clock_rate, 48_000);
}
