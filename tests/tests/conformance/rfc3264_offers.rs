//! RFC 3264: our answers to offers of every kind, and what the audio does after them.

use std::net::SocketAddr;

use crate::house::{TALK, house, phone, wait};
use tests::raw::{LOOPBACK_ELSEWHERE, Message, Phone, QUIET, Rtp};

/// Calls with these formats and attributes; gives the answer.
fn offers(phone: &mut Phone, formats: &str, attributes: &str) -> Message {
    let sdp = phone.rtp.sdp_with(formats, attributes);
    let invite = phone.invite().sdp(sdp);
    phone.call_with(&invite)
}

/// Offers again within the call.
fn offers_again(phone: &mut Phone, formats: &str, attributes: &str) -> Message {
    offers(phone, formats, attributes)
}

/// The formats of the audio line.
fn formats(answer: &Message) -> Vec<String> {
    let lines = answer.sdp("m=audio ");
    let line = lines.first().expect("an audio line");
    line.split(' ').skip(2).map(str::to_owned).collect()
}

/// Which way the answer says audio flows.
fn direction(answer: &Message) -> &'static str {
    let found = ["sendonly", "recvonly", "inactive"];
    let text = answer.text();
    found
        .into_iter()
        .find(|way| text.lines().any(|line| line == format!("a={way}")))
        .unwrap_or("sendrecv")
}

/// Whether audio comes, once what was on its way has come.
fn comes(phone: &Phone) -> bool {
    wait(60);
    phone.rtp.drain();
    phone.rtp.next(QUIET).is_some()
}

const PLAIN: (&str, &str) = ("RTP/AVP 0", "a=rtpmap:0 PCMU/8000\r\n");

#[test]
fn rfc3264_s6_the_answer_has_as_many_media_lines_in_the_same_order() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let port = phone.rtp.address().port();
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video {port} RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
         m=audio {port} RTP/AVP 0\r\nm=application {port} UDP/BFCP *\r\n"
    );
    let invite = phone.invite().sdp(sdp);
    let answer = phone.call_with(&invite);
    let lines = answer.sdp("m=");
    let kinds: Vec<&str> = lines.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(kinds, ["video", "audio", "application"], "{answer:?}");
    assert!(
        lines[0].starts_with("video 0 ") && lines[2].starts_with("application 0 "),
        "declined by port 0: {answer:?}"
    );
    assert!(!lines[1].starts_with("audio 0 "));
    assert!(comes(&phone));
    phone.hang_up();
}

#[test]
fn rfc3264_s6_one_of_two_audio_streams_is_taken() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let port = phone.rtp.address().port();
    let sdp = format!(
        "{}m=audio {} RTP/AVP 0\r\n",
        phone.rtp.sdp_with(PLAIN.0, PLAIN.1),
        port ^ 2
    );
    let invite = phone.invite().sdp(sdp);
    let answer = phone.call_with(&invite);
    let lines = answer.sdp("m=audio ");
    assert_eq!(lines.len(), 2, "{answer:?}");
    assert_eq!(
        lines.iter().filter(|line| line.starts_with("0 ")).count(),
        1,
        "{answer:?}"
    );
    phone.hang_up();
}

#[test]
fn rfc3264_s6_t38_beside_audio_is_declined() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let sdp = format!("{}m=image 4000 udptl t38\r\n", phone.rtp.sdp());
    let invite = phone.invite().sdp(sdp);
    let answer = phone.call_with(&invite);
    assert_eq!(answer.sdp("m=image "), ["0 udptl t38"], "{answer:?}");
    phone.hang_up();
}

#[test]
fn rfc3264_s6_t38_alone_is_488() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let sdp = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=image 4000 udptl t38\r\na=T38FaxVersion:0\r\n";
    let again = phone.invite().sdp(sdp);
    phone.is_refused(&again, 488);
    assert!(comes(&phone), "and the call goes on");
    phone.hang_up();
}

#[test]
fn rfc3264_s6_1_the_offered_order_of_formats_decides_and_foreign_ones_fall_away() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let answer = offers(
        &mut phone,
        "RTP/AVP 18 8 0 101",
        "a=rtpmap:18 G729/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n",
    );
    let taken = formats(&answer);
    assert!(!taken.contains(&"18".to_owned()), "{answer:?}");
    assert!(taken[0] == "8" || taken[0] == "0", "{answer:?}");
    let expected: u8 = taken[0].parse().expect("a number");
    assert_eq!(phone.rtp.hears().kind, expected, "what stands first is what is sent");
    phone.hang_up();
}

#[test]
fn rfc3264_s6_1_nothing_in_common_is_488() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let sdp = phone
        .rtp
        .sdp_with("RTP/AVP 18 4", "a=rtpmap:18 G729/8000\r\na=rtpmap:4 G723/8000\r\n");
    let invite = phone.invite().sdp(sdp);
    phone.is_refused(&invite, 488);
}

#[test]
fn rfc3264_s6_1_their_number_for_keys_is_used() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let answer = offers(
        &mut phone,
        "RTP/AVP 0 97",
        "a=rtpmap:0 PCMU/8000\r\na=rtpmap:97 telephone-event/8000\r\na=fmtp:97 0-16\r\n",
    );
    assert_eq!(formats(&answer), ["0", "97"], "{answer:?}");
    assert!(
        answer
            .sdp("a=rtpmap:97 ")
            .iter()
            .any(|map| map.starts_with("telephone-event/8000")),
        "{answer:?}"
    );
    phone.hang_up();
}

#[test]
fn rfc3264_s6_1_a_codec_under_a_dynamic_number_is_that_codec() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let answer = offers(&mut phone, "RTP/AVP 111", "a=rtpmap:111 PCMU/8000\r\n");
    assert_eq!(formats(&answer), ["111"], "{answer:?}");
    assert_eq!(phone.rtp.hears().kind, 111);
    phone.hang_up();
}

#[test]
fn rfc3264_s6_1_static_numbers_need_no_rtpmap() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let answer = offers(&mut phone, "RTP/AVP 8", "");
    assert_eq!(formats(&answer), ["8"], "{answer:?}");
    assert_eq!(phone.rtp.hears().kind, 8);
    phone.hang_up();
}

#[test]
fn rfc3264_s6_1_sendonly_is_answered_recvonly() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let answer = offers_again(&mut phone, PLAIN.0, &format!("{}a=sendonly\r\n", PLAIN.1));
    assert_eq!(direction(&answer), "recvonly", "{answer:?}");
    assert!(!comes(&phone), "who holds does not listen");
    phone.hang_up();
}

#[test]
fn rfc3264_s6_1_recvonly_is_answered_sendonly() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let answer = offers(&mut phone, PLAIN.0, &format!("{}a=recvonly\r\n", PLAIN.1));
    assert_eq!(direction(&answer), "sendonly", "{answer:?}");
    assert!(comes(&phone));
    phone.hang_up();
}

#[test]
fn rfc3264_s6_1_inactive_is_answered_inactive() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let answer = offers_again(&mut phone, PLAIN.0, &format!("{}a=inactive\r\n", PLAIN.1));
    assert_eq!(direction(&answer), "inactive", "{answer:?}");
    assert!(!comes(&phone));
    phone.hang_up();
}

#[test]
fn rfc3264_s6_1_sendrecv_is_the_default() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let answer = offers(&mut phone, PLAIN.0, PLAIN.1);
    assert_eq!(direction(&answer), "sendrecv", "{answer:?}");
    phone.hang_up();
}

#[test]
fn rfc3264_s8_4_hold_and_resume_brings_the_audio_back() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    offers_again(&mut phone, PLAIN.0, &format!("{}a=sendonly\r\n", PLAIN.1));
    assert!(!comes(&phone));
    let answer = offers_again(&mut phone, PLAIN.0, &format!("{}a=sendrecv\r\n", PLAIN.1));
    assert_eq!(direction(&answer), "sendrecv");
    assert!(comes(&phone));
    phone.hang_up();
}

#[test]
fn rfc3264_s8_4_the_address_zero_is_hold() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let zero = phone.rtp.sdp().replace("c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0");
    let again = phone.invite().sdp(zero);
    let answer = phone.call_with(&again);
    assert_eq!(answer.status(), 200);
    assert!(!comes(&phone), "nothing is sent to nowhere, nor to where they were");
    let resume = phone.invite();
    phone.call_with(&resume);
    assert!(comes(&phone));
    phone.hang_up();
}

#[test]
fn rfc3264_s8_a_direction_before_the_media_holds_for_all() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let sdp = phone.rtp.sdp().replace("t=0 0\r\n", "t=0 0\r\na=sendonly\r\n");
    let again = phone.invite().sdp(sdp);
    let answer = phone.call_with(&again);
    assert_eq!(direction(&answer), "recvonly", "{answer:?}");
    phone.hang_up();
}

#[test]
fn rfc3264_s5_1_a_connection_line_of_the_media_outweighs_that_of_the_session() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let sdp = phone
        .rtp
        .sdp()
        .replace("c=IN IP4 127.0.0.1", "c=IN IP4 192.0.2.200")
        .replace("a=rtpmap:0", "c=IN IP4 127.0.0.1\r\na=rtpmap:0");
    let invite = phone.invite().sdp(sdp);
    phone.call_with(&invite);
    phone.rtp.hears();
    phone.hang_up();
}

#[test]
fn rfc3264_s8_3_1_audio_moves_to_another_port() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    phone.rtp.hears();
    let old = std::mem::replace(&mut phone.rtp, Rtp::bind(tests::LOOPBACK));
    let again = phone.invite();
    phone.call_with(&again);
    phone.rtp.hears();
    wait(60);
    old.drain();
    assert!(old.next(QUIET).is_none(), "the old port hears no more");
    phone.hang_up();
}

#[test]
fn rfc3264_s8_3_1_audio_moves_to_another_address() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    phone.rtp = Rtp::bind(LOOPBACK_ELSEWHERE);
    let again = phone.invite();
    phone.call_with(&again);
    phone.rtp.hears();
    phone.hang_up();
}

#[test]
fn rfc3264_s8_3_2_the_codec_changes_within_the_call() {
    let house = house();
    let mut phone = phone(&house, TALK);
    offers(&mut phone, PLAIN.0, PLAIN.1);
    assert_eq!(phone.rtp.hears().kind, 0);
    offers_again(&mut phone, "RTP/AVP 8", "a=rtpmap:8 PCMA/8000\r\n");
    wait(60);
    phone.rtp.drain();
    assert_eq!(phone.rtp.hears().kind, 8);
    phone.hang_up();
}

#[test]
fn rfc3264_s8_the_version_counts_on_only_when_something_changed() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let version = |answer: &Message| -> u64 {
        let origin = answer.sdp("o=");
        origin
            .first()
            .and_then(|origin| origin.split(' ').nth(2)?.parse().ok())
            .expect("a version")
    };
    let session = |answer: &Message| {
        answer
            .sdp("o=")
            .first()
            .and_then(|o| o.split(' ').nth(1).map(str::to_owned))
    };
    let first = offers(&mut phone, PLAIN.0, PLAIN.1);
    let same = offers_again(&mut phone, PLAIN.0, PLAIN.1);
    let held = offers_again(&mut phone, PLAIN.0, &format!("{}a=sendonly\r\n", PLAIN.1));
    assert_eq!(version(&same), version(&first));
    assert_eq!(version(&held), version(&first) + 1);
    assert_eq!(session(&held), session(&first), "and the session's id stays");
    phone.hang_up();
}

#[test]
fn rfc3264_s8_2_a_stream_that_is_put_away_keeps_its_place() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let sdp = format!("{}m=video 0 RTP/AVP 96\r\n", phone.rtp.sdp());
    let again = phone.invite().sdp(sdp);
    let answer = phone.call_with(&again);
    let lines = answer.sdp("m=");
    assert_eq!(lines.len(), 2, "{answer:?}");
    assert!(lines[1].starts_with("video 0 "), "{answer:?}");
    phone.hang_up();
}

#[test]
fn rfc3264_s5_1_audio_with_port_zero_alone_is_488() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n";
    let invite = phone.invite().sdp(sdp);
    phone.is_refused(&invite, 488);
}

#[test]
fn rfc8866_s5_a_description_that_is_none_is_400() {
    let house = house();
    for sdp in [
        "hello",
        "v=1\r\n",
        "v=0\r\nm=audio x RTP/AVP 0\r\n",
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n",
    ] {
        let mut phone = phone(&house, TALK);
        let invite = phone.invite().sdp(sdp);
        let answer = phone.ask(&invite);
        let ack = phone.ack_of_refusal(&answer);
        phone.send(&ack);
        assert!(matches!(answer.status(), 400 | 488), "{sdp:?}: {answer:?}");
    }
}

#[test]
fn rfc8866_s6_4_every_packet_time_from_10_to_60_is_taken() {
    let house = house();
    for ptime in [10, 20, 30, 40, 60] {
        let mut phone = phone(&house, TALK);
        let answer = offers(
            &mut phone,
            "RTP/AVP 0",
            &format!("a=rtpmap:0 PCMU/8000\r\na=ptime:{ptime}\r\n"),
        );
        let packet = phone.rtp.hears();
        assert_eq!(packet.payload.len() % 80, 0, "{answer:?}");
        // What they send may be as long as they like.
        let audio: SocketAddr = answer.audio();
        let payload = vec![0xff; ptime * 8];
        for _ in 0..5 {
            let packet = phone
                .rtp
                .packet(0, false, &payload, u32::try_from(ptime * 8).expect("small"));
            phone.rtp.send(&packet, audio);
        }
        phone.hang_up();
    }
}

#[test]
fn rfc5761_s5_1_1_rtcp_mux_is_answered_when_offered_and_not_otherwise() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let answer = offers(&mut phone, PLAIN.0, &format!("{}a=rtcp-mux\r\n", PLAIN.1));
    assert_eq!(answer.sdp("a=rtcp-mux").len(), 1, "{answer:?}");
    phone.hang_up();
    let mut other = super::house::phone(&house, TALK);
    let answer = offers(&mut other, PLAIN.0, PLAIN.1);
    assert!(answer.sdp("a=rtcp-mux").is_empty(), "{answer:?}");
    other.hang_up();
}

#[test]
fn rfc8839_s4_ice_and_dtls_attributes_are_ignored() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let answer = offers(
        &mut phone,
        PLAIN.0,
        &format!(
            "{}a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=candidate:1 1 UDP 2130706431 192.0.2.5 4000 typ host\r\n\
             a=setup:actpass\r\na=fingerprint:sha-256 00:11\r\na=ssrc:1 cname:x\r\na=mid:0\r\n",
            PLAIN.1
        ),
    );
    let text = answer.text();
    for ours in ["a=ice-", "a=candidate", "a=fingerprint", "a=setup"] {
        assert!(!text.contains(ours), "{answer:?}");
    }
    phone.rtp.hears();
    phone.hang_up();
}

#[test]
fn rfc3264_s6_dtls_srtp_alone_is_488() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let sdp = phone.rtp.sdp_with(
        "UDP/TLS/RTP/SAVPF 0",
        "a=rtpmap:0 PCMU/8000\r\na=fingerprint:sha-256 00:11\r\na=setup:actpass\r\n",
    );
    let invite = phone.invite().sdp(sdp);
    phone.is_refused(&invite, 488);
}

/// Half a second, in samples.
const LATE_MAX: u32 = 4_000;

#[test]
fn rfc3550_s5_1_one_stream_in_order_paced_by_the_media_clock() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let packets = phone.rtp.listen(std::time::Duration::from_millis(700));
    assert!(packets.len() > 10, "{} packets", packets.len());
    for pair in packets.windows(2) {
        assert_eq!(pair[1].ssrc, pair[0].ssrc);
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        // A frame that a busy machine made too late is left out, and its time passes all the same.
        let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp);
        assert!(step > 0 && step % 160 == 0 && step <= LATE_MAX, "{step} samples on");
    }
    assert!(packets[0].marker, "a talkspurt begins with a marker (RFC 3551 §4.1)");
    phone.hang_up();
}

#[test]
fn rfc4961_s2_audio_is_sent_from_the_port_that_was_promised() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let answer = phone.call();
    assert_eq!(phone.rtp.hears().from, answer.audio());
    phone.hang_up();
}

#[test]
fn rfc3550_s6_reports_come() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let answer = offers(&mut phone, PLAIN.0, &format!("{}a=rtcp-mux\r\n", PLAIN.1));
    phone.rtp.speak(answer.audio(), 5);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(12);
    let report = loop {
        let left = end
            .checked_duration_since(std::time::Instant::now())
            .expect("a report within twelve seconds");
        if let Some((bytes, _)) = phone.rtp.octets(left)
            && bytes.get(1).is_some_and(|kind| (200..=204).contains(kind))
        {
            break bytes;
        }
    };
    assert!(
        matches!(report[1], 200 | 201),
        "SR or RR comes first (§6.1): {}",
        report[1]
    );
    let words = usize::from(u16::from_be_bytes([report[2], report[3]]));
    assert!(report.len() >= (words + 1) * 4);
    let follows = &report[(words + 1) * 4..];
    assert_eq!(follows.get(1), Some(&202), "and SDES with it");
    phone.hang_up();
}
