//! RFC 3261 with the engine as the one who calls: the doctor's telephone here is raw text, and misbehaves as told.

use std::time::{Duration, Instant};

use tests::engine::Engine;
use tests::raw::{Desk, Message, Phone, QUIET, Request, SOON, fresh};

use crate::house::{BRIDGED, QUICK_T1, doctored, phone, wait};

/// A caller who waits, and the doctor's telephone, which has just been rung.
struct Rung {
    engine: Engine,
    caller: Phone,
    desk: Desk,
    invite: Message,
}

fn rung(tune: impl FnOnce(&mut exchange::Config) + 'static) -> Rung {
    let (engine, mut desk) = doctored(tune);
    let mut caller = phone(&engine, BRIDGED);
    caller.call();
    let invite = desk.rings();
    Rung {
        engine,
        caller,
        desk,
        invite,
    }
}

fn quick(config: &mut exchange::Config) {
    config.desk.timers = sip::Timers {
        t1: QUICK_T1,
        t2: QUICK_T1 * 8,
        t4: QUICK_T1 * 10,
        ..sip::Timers::default()
    };
}

fn with_password(config: &mut exchange::Config) {
    for trunk in &mut config.desk.trunks {
        trunk.credentials = Some(sip::Credentials::new("nightdesk".into(), "correct horse".into()));
    }
}

fn branch(message: &Message) -> String {
    message.param("Via", "branch").expect("a branch")
}

#[test]
fn rfc3261_s8_1_1_our_request_has_everything_a_request_must_have() {
    let rung = rung(|_| ());
    let invite = &rung.invite;
    for name in [
        "Via",
        "Max-Forwards",
        "From",
        "To",
        "Call-ID",
        "CSeq",
        "Contact",
        "Allow",
    ] {
        assert_eq!(invite.all(name).len(), 1, "{name} in {invite:?}");
    }
    assert!(branch(invite).starts_with("z9hG4bK"), "§8.1.1.7");
    assert!(
        invite.from_tag().is_some_and(|tag| tag.len() >= 8),
        "§19.3: at least 32 bits of randomness"
    );
    assert!(invite.to_tag().is_none(), "§8.1.1.2");
    let hops: u32 = invite.header("Max-Forwards").parse().expect("a number");
    assert!((1..=70).contains(&hops));
    assert_eq!(invite.header("Content-Length"), invite.body.len().to_string());
    assert_eq!(invite.header("Content-Type"), "application/sdp");
    assert!(
        invite.uri().contains("+15125550141"),
        "the number of the practice's file"
    );
}

#[test]
fn rfc3261_s17_1_1_2_our_invite_is_repeated_until_a_provisional() {
    let mut rung = rung(|_| ());
    let first = rung.invite.at;
    let second = rung.desk.asked("INVITE");
    let third = rung.desk.asked("INVITE");
    assert_eq!(second.bytes, rung.invite.bytes, "byte for byte");
    assert!(
        second.at - first >= Duration::from_millis(400),
        "timer A begins with T1"
    );
    assert!(third.at - second.at >= Duration::from_millis(900), "and doubles");
    let invite = rung.invite.clone();
    rung.desk.reply(&invite, "100 Trying", "", "");
    wait(100);
    rung.desk.line.forget();
    assert!(
        rung.desk.line.next(Duration::from_millis(2_500)).is_none(),
        "no more after a provisional"
    );
}

#[test]
fn rfc3261_s17_1_1_3_the_ack_of_a_refusal_is_of_the_invites_transaction() {
    let mut rung = rung(|_| ());
    let invite = rung.invite.clone();
    rung.desk.reply(&invite, "486 Busy Here", "", "");
    let ack = rung.desk.asked("ACK");
    assert_eq!(branch(&ack), branch(&invite));
    assert_eq!((ack.uri(), ack.cseq()), (invite.uri(), invite.cseq()));
    assert_eq!(
        ack.to_tag().as_deref(),
        Some(rung.desk.tag.as_str()),
        "To as in the response"
    );
    assert_eq!(ack.header("From"), invite.header("From"));
    assert_eq!(ack.all("Via").len(), 1);
    // §17.1.1.2, Completed: the refusal again, the ACK again.
    rung.desk.reply(&invite, "486 Busy Here", "", "");
    assert_eq!(rung.desk.asked("ACK").bytes, ack.bytes);
}

#[test]
fn rfc3261_s13_2_2_4_the_ack_of_a_200_is_a_transaction_of_its_own() {
    let mut rung = rung(|_| ());
    let invite = rung.invite.clone();
    let ack = rung.desk.picks_up(&invite);
    assert_ne!(branch(&ack), branch(&invite), "§17.1.1.3: a new branch");
    assert_eq!(
        ack.uri(),
        format!("sip:doctor@{}", rung.desk.address()),
        "to the Contact"
    );
    assert_eq!(ack.cseq(), invite.cseq());
    assert_eq!(ack.to_tag().as_deref(), Some(rung.desk.tag.as_str()));
    // The 200 again: the ACK again.
    let (contact, sdp) = (rung.desk.contact(), rung.desk.rtp.sdp());
    rung.desk.reply(&invite, "200 OK", &contact, &sdp);
    let again = rung.desk.asked("ACK");
    assert_eq!((again.uri(), again.cseq()), (ack.uri(), ack.cseq()));
}

#[test]
fn rfc3261_s13_2_2_4_another_fork_that_answers_is_thanked_and_dismissed() {
    let mut rung = rung(|_| ());
    let invite = rung.invite.clone();
    rung.desk.picks_up(&invite);
    let (contact, sdp) = (rung.desk.contact(), rung.desk.rtp.sdp());
    let other = invite.answer("200 OK", "the-other-fork", &contact, &sdp);
    rung.desk.line.send_to(&other, invite.from);
    let ack = rung.desk.asked("ACK");
    assert_eq!(ack.to_tag().as_deref(), Some("the-other-fork"));
    let bye = rung.desk.asked("BYE");
    assert_eq!(bye.to_tag().as_deref(), Some("the-other-fork"));
    rung.desk.reply(&bye, "200 OK", "", "");
    rung.desk.rtp.drain();
    rung.desk.rtp.hears();
}

#[test]
fn rfc3261_s12_1_2_our_requests_go_back_along_the_record_routes() {
    let mut rung = rung(|_| ());
    let invite = rung.invite.clone();
    let (near, far) = (format!("<sip:{};lr>", rung.desk.address()), "<sip:192.0.2.8;lr>");
    // What the response lists last is nearest to us.
    let extra = format!("Contact: <sip:doctor@192.0.2.9:5099>\r\nRecord-Route: {far}\r\nRecord-Route: {near}\r\n");
    let sdp = rung.desk.rtp.sdp();
    rung.desk.reply(&invite, "200 OK", &extra, &sdp);
    let ack = rung.desk.asked("ACK");
    assert_eq!(ack.uri(), "sip:doctor@192.0.2.9:5099");
    assert_eq!(
        ack.all("Route").join(",").replace(' ', ""),
        format!("{near},{far}"),
        "reversed: {ack:?}"
    );
}

#[test]
fn rfc3261_s9_1_our_cancel_is_of_the_invites_transaction() {
    let mut rung = rung(|_| ());
    let invite = rung.invite.clone();
    let contact = rung.desk.contact();
    rung.desk.reply(&invite, "180 Ringing", &contact, "");
    wait(100);
    rung.caller.hang_up();
    let cancel = rung.desk.asked("CANCEL");
    assert_eq!(
        cancel.header("Via"),
        invite.header("Via"),
        "one Via, the INVITE's top one"
    );
    assert_eq!((cancel.uri(), cancel.cseq()), (invite.uri(), invite.cseq()));
    assert_eq!(
        cancel.header("To"),
        invite.header("To"),
        "no tag, although the 180 had one"
    );
    assert_eq!(cancel.header("From"), invite.header("From"));
    rung.desk.reply(&cancel, "200 OK", "", "");
    rung.desk.reply(&invite, "487 Request Terminated", "", "");
    rung.desk.asked("ACK");
    rung.engine.is_empty(SOON);
}

#[test]
fn rfc3261_s9_1_no_cancel_before_a_provisional() {
    let mut rung = rung(|_| ());
    let invite = rung.invite.clone();
    rung.caller.hang_up();
    let early = rung
        .desk
        .line
        .find(Duration::from_millis(800), |message| message.method() == "CANCEL");
    assert!(early.is_none(), "{early:?}");
    rung.desk.reply(&invite, "180 Ringing", "", "");
    let cancel = rung.desk.asked("CANCEL");
    rung.desk.reply(&cancel, "200 OK", "", "");
    rung.desk.reply(&invite, "487 Request Terminated", "", "");
    rung.desk.asked("ACK");
}

#[test]
fn rfc3261_s9_1_a_200_that_crosses_our_cancel_is_acknowledged_and_ended() {
    let mut rung = rung(|_| ());
    let invite = rung.invite.clone();
    rung.desk.reply(&invite, "180 Ringing", "", "");
    wait(50);
    rung.caller.hang_up();
    rung.desk.asked("CANCEL");
    let (contact, sdp) = (rung.desk.contact(), rung.desk.rtp.sdp());
    rung.desk.reply(&invite, "200 OK", &contact, &sdp);
    rung.desk.asked("ACK");
    let bye = rung.desk.asked("BYE");
    rung.desk.reply(&bye, "200 OK", "", "");
    rung.engine.is_empty(SOON);
}

#[test]
fn rfc3261_s8_1_3_3_a_response_with_a_second_via_went_astray() {
    let mut rung = rung(|_| ());
    let invite = rung.invite.clone();
    let text = String::from_utf8(invite.answer("486 Busy Here", "x", "", "")).expect("text");
    let astray = text.replacen(
        "\r\nFrom:",
        "\r\nVia: SIP/2.0/UDP 192.0.2.4;branch=z9hG4bKx\r\nFrom:",
        1,
    );
    rung.desk.line.send_to(astray.as_bytes(), invite.from);
    let ack = rung.desk.line.find(QUIET, |message| message.method() == "ACK");
    assert!(ack.is_none(), "{ack:?}");
}

#[test]
fn rfc3261_s8_1_3_4_a_redirection_is_not_followed() {
    let mut rung = rung(|_| ());
    let invite = rung.invite.clone();
    let mut elsewhere = Desk::open();
    let extra = format!("Contact: <sip:+19005550100@{}>\r\n", elsewhere.address());
    rung.desk.reply(&invite, "302 Moved Temporarily", &extra, "");
    rung.desk.asked("ACK");
    // The ladder tries its own next number, and nothing the answer named.
    let next = rung.desk.rings();
    assert!(next.uri().contains("+1512555014"), "{next:?}");
    assert!(elsewhere.line.next(QUIET).is_none());
}

#[test]
fn rfc3261_s8_1_3_1_no_answer_at_all_is_a_408() {
    let mut rung = rung(quick);
    let first = rung.invite.header("Call-ID").to_owned();
    let began = Instant::now();
    let next = rung.desk.line.find(Duration::from_secs(20), |message| {
        message.method() == "INVITE" && message.header("Call-ID") != first
    });
    let next = next.expect("the ladder goes on when timer B has run out");
    assert!(began.elapsed() >= QUICK_T1 * 50);
    assert_ne!(branch(&next), branch(&rung.invite));
    assert_ne!(next.from_tag(), rung.invite.from_tag());
}

#[test]
fn rfc3261_s17_1_2_2_our_bye_is_repeated_until_it_is_answered() {
    let mut rung = rung(quick);
    let invite = rung.invite.clone();
    rung.desk.picks_up(&invite);
    rung.caller.hang_up();
    let first = rung.desk.asked("BYE");
    let second = rung.desk.asked("BYE");
    assert_eq!(first.bytes, second.bytes);
    assert!(first.cseq() > invite.cseq(), "§12.2.1.1");
    rung.desk.reply(&first, "200 OK", "", "");
    wait(20);
    rung.desk.line.forget();
    assert!(
        rung.desk
            .line
            .find(QUICK_T1 * 20, |message| message.method() == "BYE")
            .is_none()
    );
}

#[test]
fn rfc3261_s15_1_2_the_doctors_bye_is_answered() {
    let mut rung = rung(|_| ());
    let invite = rung.invite.clone();
    rung.desk.picks_up(&invite);
    let bye = rung.desk.request(&invite, "BYE", 1);
    rung.desk.line.send_to(&bye.bytes(), invite.from);
    let answer = rung
        .desk
        .line
        .expect("an answer to BYE", |message| message.method() == "BYE");
    assert_eq!(answer.status(), 200, "{answer:?}");
}

#[test]
fn rfc3261_s13_2_2_1_early_media_and_another_183_do_no_harm() {
    let mut rung = rung(|_| ());
    let invite = rung.invite.clone();
    let (contact, sdp) = (rung.desk.contact(), rung.desk.rtp.sdp());
    rung.desk.reply(&invite, "183 Session Progress", &contact, &sdp);
    let other = invite.answer("183 Session Progress", "another-fork", &contact, &sdp);
    rung.desk.line.send_to(&other, invite.from);
    wait(50);
    rung.desk.picks_up(&invite);
    rung.desk.rtp.hears();
}

#[test]
fn rfc3261_s13_2_1_our_offer_is_answered_by_what_the_200_says() {
    let mut rung = rung(|_| ());
    let invite = rung.invite.clone();
    let offered = invite.sdp("m=audio ");
    assert_eq!(offered.len(), 1, "{invite:?}");
    assert!(
        invite
            .sdp("a=rtpmap:")
            .iter()
            .any(|map| map.contains("telephone-event/8000")),
        "{invite:?}"
    );
    let contact = rung.desk.contact();
    let sdp = rung.desk.rtp.sdp_with("RTP/AVP 8", "a=rtpmap:8 PCMA/8000\r\n");
    rung.desk.reply(&invite, "200 OK", &contact, &sdp);
    rung.desk.asked("ACK");
    assert_eq!(rung.desk.rtp.hears().kind, 8);
}

#[test]
fn rfc3261_s13_2_1_a_200_without_a_usable_answer_is_acknowledged_and_ended() {
    let mut rung = rung(|_| ());
    let invite = rung.invite.clone();
    let contact = rung.desk.contact();
    rung.desk.reply(&invite, "200 OK", &contact, "v=0\r\nnonsense");
    rung.desk.asked("ACK");
    let bye = rung.desk.asked("BYE");
    rung.desk.reply(&bye, "200 OK", "", "");
}

/// A parameter of a challenge or its answer.
pub(crate) fn digest(value: &str, name: &str) -> String {
    let list = value.strip_prefix("Digest ").expect("Digest");
    let found = list.split(',').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
    });
    found.unwrap_or_else(|| panic!("{name} in {value}"))
}

pub(crate) fn md5(text: &str) -> String {
    use md5::Digest;
    md5::Md5::digest(text.as_bytes())
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect()
}

pub(crate) fn sha256(text: &str) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    hash.as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}

/// RFC 7616 §3.4.1 with qop=auth.
fn expected(value: &str, realm: &str, nonce: &str, hash: fn(&str) -> String) -> String {
    let a1 = hash(&format!("nightdesk:{realm}:correct horse"));
    let a2 = hash(&format!("INVITE:{}", digest(value, "uri")));
    let (nc, cnonce) = (digest(value, "nc"), digest(value, "cnonce"));
    hash(&format!("{a1}:{nonce}:{nc}:{cnonce}:auth:{a2}"))
}

#[test]
fn rfc3261_s22_2_a_401_is_answered_with_digest() {
    let mut rung = rung(with_password);
    let first = rung.invite.clone();
    let nonce = fresh();
    let challenge = format!(
        "WWW-Authenticate: Digest realm=\"trunk.example.com\", nonce=\"{nonce}\", qop=\"auth\", opaque=\"o\", algorithm=MD5\r\n"
    );
    rung.desk.reply(&first, "401 Unauthorized", &challenge, "");
    rung.desk.asked("ACK");
    let second = rung.desk.asked("INVITE");
    assert_eq!(second.cseq(), first.cseq() + 1, "§8.1.3.5");
    assert_ne!(branch(&second), branch(&first));
    assert_eq!(second.header("Call-ID"), first.header("Call-ID"));
    assert_eq!(second.from_tag(), first.from_tag());
    assert!(second.to_tag().is_none());
    let answer = second.header("Authorization");
    assert_eq!(digest(answer, "username"), "nightdesk");
    assert_eq!(digest(answer, "opaque"), "o");
    assert_eq!(digest(answer, "nc"), "00000001");
    assert_eq!(
        digest(answer, "response"),
        expected(answer, "trunk.example.com", &nonce, md5)
    );
    rung.desk.picks_up(&second);
}

#[test]
fn rfc3261_s22_3_a_407_is_answered_with_proxy_authorization_in_the_ack_too() {
    let mut rung = rung(with_password);
    let first = rung.invite.clone();
    let nonce = fresh();
    let challenge =
        format!("Proxy-Authenticate: Digest realm=\"sip.example.com\", nonce=\"{nonce}\", qop=\"auth,auth-int\"\r\n");
    rung.desk
        .reply(&first, "407 Proxy Authentication Required", &challenge, "");
    rung.desk.asked("ACK");
    let second = rung.desk.asked("INVITE");
    let answer = second.header("Proxy-Authorization").to_owned();
    assert_eq!(
        digest(&answer, "response"),
        expected(&answer, "sip.example.com", &nonce, md5)
    );
    assert!(!second.has("Authorization"));
    let ack = rung.desk.picks_up(&second);
    assert_eq!(
        ack.header("Proxy-Authorization"),
        answer,
        "§22.1: an ACK cannot be challenged"
    );
}

#[test]
fn rfc8760_s2_4_sha_256_is_preferred_where_it_is_offered_first() {
    let mut rung = rung(with_password);
    let first = rung.invite.clone();
    let nonce = fresh();
    let challenge = format!(
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"{nonce}\", qop=\"auth\", algorithm=SHA-256\r\n\
         WWW-Authenticate: Digest realm=\"r\", nonce=\"{nonce}\", qop=\"auth\", algorithm=MD5\r\n"
    );
    rung.desk.reply(&first, "401 Unauthorized", &challenge, "");
    rung.desk.asked("ACK");
    let second = rung.desk.asked("INVITE");
    let answer = second.header("Authorization");
    assert_eq!(digest(answer, "algorithm"), "SHA-256");
    assert_eq!(digest(answer, "response"), expected(answer, "r", &nonce, sha256));
}

#[test]
fn rfc3261_s22_1_the_same_challenge_again_is_not_answered_again() {
    let mut rung = rung(with_password);
    let first = rung.invite.clone();
    let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n";
    rung.desk.reply(&first, "401 Unauthorized", challenge, "");
    rung.desk.asked("ACK");
    let second = rung.desk.asked("INVITE");
    rung.desk.reply(&second, "401 Unauthorized", challenge, "");
    rung.desk.asked("ACK");
    let call_id = second.header("Call-ID").to_owned();
    let third = rung.desk.line.find(Duration::from_millis(800), |message| {
        message.method() == "INVITE" && message.header("Call-ID") == call_id
    });
    assert!(third.is_none(), "{third:?}");
}

#[test]
fn rfc7616_s3_3_a_stale_nonce_is_answered_with_the_new_one() {
    let mut rung = rung(with_password);
    let first = rung.invite.clone();
    rung.desk.reply(
        &first,
        "401 Unauthorized",
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"old\", qop=\"auth\"\r\n",
        "",
    );
    rung.desk.asked("ACK");
    let second = rung.desk.asked("INVITE");
    rung.desk.reply(
        &second,
        "401 Unauthorized",
        "WWW-Authenticate: Digest realm=\"r\", nonce=\"new\", stale=true, qop=\"auth\"\r\n",
        "",
    );
    rung.desk.asked("ACK");
    let third = rung.desk.asked("INVITE");
    let answer = third.header("Authorization");
    assert_eq!(digest(answer, "nonce"), "new");
    assert_eq!(digest(answer, "response"), expected(answer, "r", "new", md5));
}

#[test]
fn rfc3261_s14_1_a_re_invite_of_the_doctor_is_answered() {
    let mut rung = rung(|_| ());
    let invite = rung.invite.clone();
    rung.desk.picks_up(&invite);
    let (contact, sdp) = (format!("<sip:doctor@{}>", rung.desk.address()), rung.desk.rtp.sdp());
    let again: Request = rung.desk.request(&invite, "INVITE", 1).add("Contact", contact).sdp(sdp);
    rung.desk.line.send_to(&again.bytes(), invite.from);
    let answer = rung.desk.line.expect("an answer", |message| {
        message.method() == "INVITE" && message.status() >= 200
    });
    assert_eq!(answer.status(), 200, "{answer:?}");
    let ack = rung.desk.request(&invite, "ACK", 1);
    rung.desk.line.send_to(&ack.bytes(), invite.from);
    wait(60);
    rung.desk.rtp.drain();
    rung.desk.rtp.hears();
}
