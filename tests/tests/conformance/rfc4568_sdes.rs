//! RFC 4568: keys in the session description, and who gets in without them.

use switchboard::trunk::Security;
use tests::engine::Engine;
use tests::raw::{Message, Phone, QUIET};
use tests::srtp::{Keys, Suite, base64, unbase64};

use crate::house::{BRIDGED, TALK, doctored, own, phone, wait};

/// An engine whose trunks encrypt so.
pub(crate) fn house_with(security: Security) -> Engine {
    own(move |config| {
        for trunk in &mut config.desk.trunks {
            trunk.security = security;
        }
    })
}

/// A master key and salt that nobody else has.
pub(crate) fn master(suite: Suite, seed: u8) -> Vec<u8> {
    let (key, salt) = suite.lengths();
    (0..key + salt)
        .map(|at| {
            seed.wrapping_mul(31)
                .wrapping_add(u8::try_from(at).expect("short").wrapping_mul(7))
        })
        .collect()
}

/// One `a=crypto` line.
pub(crate) fn crypto(tag: u32, suite: Suite, master: &[u8]) -> String {
    format!("a=crypto:{tag} {} inline:{}\r\n", suite.name(), base64(master))
}

/// An offer over SAVP with these attributes.
fn offer(phone: &Phone, attributes: &str) -> String {
    phone.rtp.sdp_with(
        "RTP/SAVP 0 101",
        &format!("a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n{attributes}"),
    )
}

/// Tag, suite name and master of the answer's crypto line.
pub(crate) fn answered(answer: &Message) -> (u32, String, Vec<u8>) {
    let lines = answer.sdp("a=crypto:");
    assert_eq!(lines.len(), 1, "one, for the suite taken: {answer:?}");
    let mut words = lines[0].split_whitespace();
    let tag = words.next().and_then(|tag| tag.parse().ok()).expect("a tag");
    let suite = words.next().expect("a suite").to_owned();
    let inline = words.next().and_then(|key| key.strip_prefix("inline:")).expect("a key");
    let key = inline.split('|').next().unwrap_or_default();
    (tag, suite, unbase64(key).expect("Base64"))
}

/// Calls with this suite; gives the answer, our keys and theirs.
pub(crate) fn call(phone: &mut Phone, suite: Suite, seed: u8) -> (Message, Keys, Keys) {
    let ours = master(suite, seed);
    let sdp = offer(phone, &crypto(1, suite, &ours));
    let invite = phone.invite().sdp(sdp);
    let answer = phone.call_with(&invite);
    let (_, name, theirs) = answered(&answer);
    assert_eq!(name, suite.name());
    (answer, Keys::new(suite, &ours), Keys::new(suite, &theirs))
}

#[test]
fn rfc4568_s5_1_2_an_offer_with_keys_is_answered_with_keys() {
    let engine = house_with(Security::Preferred);
    let mut phone = phone(&engine, TALK);
    let ours = master(Suite::Cm80, 1);
    let sdp = offer(&phone, &crypto(7, Suite::Cm80, &ours));
    let invite = phone.invite().sdp(sdp);
    let answer = phone.call_with(&invite);
    assert!(answer.sdp("m=audio ")[0].contains(" RTP/SAVP "), "{answer:?}");
    let (tag, suite, theirs) = answered(&answer);
    assert_eq!(
        (tag, suite.as_str()),
        (7, "AES_CM_128_HMAC_SHA1_80"),
        "the tag is that of the offer's line"
    );
    assert_eq!(theirs.len(), 30);
    assert_ne!(theirs, ours, "each side has its own key");
    let packet = phone.rtp.hears();
    assert_eq!(packet.bytes.len(), 12 + 160 + 10, "a tag of 80 bits");
    let opened = Keys::new(Suite::Cm80, &theirs)
        .open(&packet.bytes, 0)
        .expect("sealed under the key of the answer");
    assert_eq!(opened.len(), 172);
    phone.hang_up();
}

#[test]
fn rfc4568_s6_2_every_suite_that_is_offered_alone_is_taken() {
    let engine = house_with(Security::Preferred);
    for (seed, suite) in (2..).zip([Suite::Cm80, Suite::Cm32, Suite::Gcm128, Suite::Gcm256]) {
        let mut phone = phone(&engine, TALK);
        let (_, _, theirs) = call(&mut phone, suite, seed);
        let packet = phone.rtp.hears();
        assert!(theirs.open(&packet.bytes, 0).is_some(), "{suite:?}");
        phone.hang_up();
    }
}

#[test]
fn rfc4568_s5_1_2_suites_nobody_knows_are_passed_over() {
    let engine = house_with(Security::Preferred);
    let mut phone = phone(&engine, TALK);
    let ours = master(Suite::Cm80, 3);
    let sdp = offer(
        &phone,
        &format!(
            "a=crypto:1 F8_128_HMAC_SHA1_80 inline:{key}\r\na=crypto:2 NO_SUCH_SUITE inline:{key}\r\n{}",
            crypto(3, Suite::Cm80, &ours),
            key = base64(&ours)
        ),
    );
    let invite = phone.invite().sdp(sdp);
    let answer = phone.call_with(&invite);
    assert_eq!(answered(&answer).0, 3);
    phone.hang_up();
}

#[test]
fn rfc4568_s6_1_a_lifetime_is_read_and_an_mki_is_not_taken() {
    let engine = house_with(Security::Required);
    let ours = master(Suite::Cm80, 4);
    let mut lifetime = phone(&engine, TALK);
    let line = format!("a=crypto:1 {} inline:{}|2^31\r\n", Suite::Cm80.name(), base64(&ours));
    let sdp = offer(&lifetime, &line);
    let invite = lifetime.invite().sdp(sdp);
    lifetime.call_with(&invite);
    lifetime.hang_up();
    let mut mki = phone(&engine, TALK);
    let line = format!(
        "a=crypto:1 {} inline:{}|2^20|1:4\r\n",
        Suite::Cm80.name(),
        base64(&ours)
    );
    let sdp = offer(&mki, &line);
    let invite = mki.invite().sdp(sdp);
    mki.is_refused(&invite, 488);
}

#[test]
fn rfc4568_s6_3_session_parameters_that_weaken_are_refused() {
    let engine = house_with(Security::Required);
    let ours = master(Suite::Cm80, 5);
    for weak in ["UNENCRYPTED_SRTP", "UNAUTHENTICATED_SRTP", "UNENCRYPTED_SRTCP"] {
        let mut phone = phone(&engine, TALK);
        let line = format!("a=crypto:1 {} inline:{} {weak}\r\n", Suite::Cm80.name(), base64(&ours));
        let sdp = offer(&phone, &line);
        let invite = phone.invite().sdp(sdp);
        phone.is_refused(&invite, 488);
    }
}

#[test]
fn rfc4568_s6_1_a_key_of_the_wrong_length_is_none() {
    let engine = house_with(Security::Required);
    for octets in [0, 1, 16, 29, 31, 64] {
        let mut phone = phone(&engine, TALK);
        let line = format!(
            "a=crypto:1 {} inline:{}\r\n",
            Suite::Cm80.name(),
            base64(&vec![7; octets])
        );
        let sdp = offer(&phone, &line);
        let invite = phone.invite().sdp(sdp);
        let answer = phone.ask(&invite);
        let ack = phone.ack_of_refusal(&answer);
        phone.send(&ack);
        assert!(matches!(answer.status(), 400 | 488), "{octets} octets: {answer:?}");
    }
}

#[test]
fn rfc4568_s3_a_trunk_that_must_encrypt_gets_488_without_keys() {
    let engine = house_with(Security::Required);
    let mut phone = phone(&engine, TALK);
    let invite = phone.invite();
    phone.is_refused(&invite, 488);
}

#[test]
fn rfc4568_s3_a_trunk_that_may_encrypt_takes_plain_audio_too() {
    let engine = house_with(Security::Preferred);
    let mut phone = phone(&engine, TALK);
    let answer = phone.call();
    assert!(
        answer.sdp("a=crypto:").is_empty() && answer.sdp("m=audio ")[0].contains(" RTP/AVP "),
        "{answer:?}"
    );
    assert_eq!(phone.rtp.hears().payload.len(), 160);
    phone.hang_up();
}

#[test]
fn rfc4568_s3_a_trunk_that_never_encrypts_refuses_savp_alone() {
    let engine = house_with(Security::Off);
    let mut phone = phone(&engine, TALK);
    let sdp = offer(&phone, &crypto(1, Suite::Cm80, &master(Suite::Cm80, 6)));
    let invite = phone.invite().sdp(sdp);
    phone.is_refused(&invite, 488);
}

#[test]
fn rfc4568_s5_1_1_savp_without_a_crypto_line_is_488() {
    let engine = house_with(Security::Preferred);
    let mut phone = phone(&engine, TALK);
    let sdp = offer(&phone, "");
    let invite = phone.invite().sdp(sdp);
    phone.is_refused(&invite, 488);
}

#[test]
fn rfc4568_s5_1_2_of_an_encrypted_and_a_plain_line_the_encrypted_is_taken() {
    let engine = house_with(Security::Preferred);
    let mut phone = phone(&engine, TALK);
    let port = phone.rtp.address().port();
    let secure = offer(&phone, &crypto(1, Suite::Cm80, &master(Suite::Cm80, 7)));
    let sdp = format!("{secure}m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n");
    let invite = phone.invite().sdp(sdp);
    let answer = phone.call_with(&invite);
    let lines = answer.sdp("m=audio ");
    assert_eq!(lines.len(), 2, "{answer:?}");
    assert!(!lines[0].starts_with("0 ") && lines[1].starts_with("0 "), "{answer:?}");
    phone.hang_up();
}

#[test]
fn rfc4568_s7_1_4_a_re_invite_with_another_key_changes_it() {
    let engine = house_with(Security::Preferred);
    let mut phone = phone(&engine, TALK);
    let (first, _, _) = call(&mut phone, Suite::Cm80, 8);
    phone.rtp.hears();
    let (second, ours, theirs) = call(&mut phone, Suite::Cm80, 9);
    wait(80);
    phone.rtp.drain();
    let packet = phone.rtp.hears();
    assert!(
        theirs.open(&packet.bytes, 0).is_some(),
        "under the key of the last answer"
    );
    assert_eq!(first.audio(), second.audio());
    // And what we seal with our new key is heard: a key press would be, so audio is.
    let plain = phone.rtp.packet(0, false, &[0xff; 160], 160);
    phone.rtp.send(&ours.seal(&plain, 0), second.audio());
    phone.hang_up();
}

#[test]
fn rfc4568_s7_1_4_a_re_invite_with_the_same_key_changes_nothing() {
    let engine = house_with(Security::Preferred);
    let mut phone = phone(&engine, TALK);
    let (first, _, theirs) = call(&mut phone, Suite::Cm80, 10);
    let before = phone.rtp.hears();
    let (second, _, _) = call(&mut phone, Suite::Cm80, 10);
    assert_eq!(
        answered(&first).2,
        answered(&second).2,
        "the same offer, the same answer"
    );
    let packets = phone.rtp.listen(QUIET);
    let after = packets.last().expect("audio goes on");
    assert_eq!(after.ssrc, before.ssrc);
    assert!(theirs.open(&after.bytes, 0).is_some(), "no key stream is used twice");
    phone.hang_up();
}

#[test]
fn rfc4568_s9_a_call_that_began_encrypted_does_not_become_plain() {
    let engine = house_with(Security::Required);
    let mut phone = phone(&engine, TALK);
    let (_, _, theirs) = call(&mut phone, Suite::Cm80, 11);
    let plain = phone.invite();
    phone.is_refused(&plain, 488);
    wait(40);
    phone.rtp.drain();
    let packet = phone.rtp.hears();
    assert!(theirs.open(&packet.bytes, 0).is_some());
    phone.hang_up();
}

#[test]
fn rfc4568_s5_1_1_our_own_offer_has_keys_where_the_trunk_must_encrypt() {
    let (engine, mut desk) = doctored(|config| {
        for trunk in &mut config.desk.trunks {
            trunk.security = Security::Required;
        }
    });
    let mut caller = phone(&engine, BRIDGED);
    call(&mut caller, Suite::Cm80, 12);
    let invite = desk.rings();
    assert!(invite.sdp("m=audio ")[0].contains(" RTP/SAVP "), "{invite:?}");
    let lines = invite.sdp("a=crypto:");
    let line = lines
        .iter()
        .find(|line| line.contains(" AES_CM_128_HMAC_SHA1_80 "))
        .unwrap_or_else(|| panic!("the suite everybody has: {invite:?}"));
    let tag: u32 = line.split(' ').next().and_then(|tag| tag.parse().ok()).expect("a tag");
    let ours = master(Suite::Cm80, 13);
    let sdp = desk.rtp.sdp_with(
        "RTP/SAVP 0",
        &format!("a=rtpmap:0 PCMU/8000\r\n{}", crypto(tag, Suite::Cm80, &ours)),
    );
    let contact = desk.contact();
    desk.reply(&invite, "200 OK", &contact, &sdp);
    desk.asked("ACK");
    let key = line
        .split("inline:")
        .nth(1)
        .and_then(|key| unbase64(key.split('|').next()?))
        .expect("a key");
    let packet = desk.rtp.hears();
    assert!(
        Keys::new(Suite::Cm80, &key).open(&packet.bytes, 0).is_some(),
        "sealed under the key of our offer"
    );
}

#[test]
fn rfc4568_s5_1_2_a_plain_answer_to_an_encrypted_offer_is_no_call() {
    let (engine, mut desk) = doctored(|config| {
        for trunk in &mut config.desk.trunks {
            trunk.security = Security::Required;
        }
    });
    let mut caller = phone(&engine, BRIDGED);
    call(&mut caller, Suite::Cm80, 14);
    let invite = desk.rings();
    desk.picks_up(&invite);
    let bye = desk.asked("BYE");
    desk.reply(&bye, "200 OK", "", "");
    assert!(desk.rtp.next(QUIET).is_none(), "not one packet in the clear");
}

#[test]
fn rfc4568_s7_1_1_keys_are_in_no_log_and_no_book() {
    let log = crate::logs::capture();
    let engine = house_with(Security::Preferred);
    let mut phone = phone(&engine, TALK);
    let (answer, _, _) = call(&mut phone, Suite::Cm80, 15);
    phone.hang_up();
    let keys = [base64(&master(Suite::Cm80, 15)), base64(&answered(&answer).2)];
    let logged = log.text();
    let facts = format!("{:?}", engine.facts());
    for key in keys {
        assert!(!logged.contains(&key) && !facts.contains(&key));
    }
}
