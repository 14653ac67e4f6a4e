//! RFC 4028: sessions that are refreshed, by us or by them, and end when nobody does.

use std::time::{Duration, Instant};

use tests::engine::Engine;
use tests::raw::{Desk, Message, Phone, Request, SOON};

use crate::house::{BRIDGED, TALK, doctored, house, own, phone, wait};

/// An INVITE of somebody who understands session timers and wants this one.
fn timed(phone: &mut Phone, session_expires: &str) -> Request {
    phone
        .invite()
        .add("Supported", "timer")
        .add("Session-Expires", session_expires)
}

/// The interval and the refresher of a Session-Expires.
fn interval(message: &Message) -> (u32, Option<String>) {
    let value = message.header("Session-Expires");
    let seconds = value.split(';').next().and_then(|text| text.trim().parse().ok());
    (seconds.unwrap_or(0), tests::raw::param(value, "refresher"))
}

#[test]
fn rfc4028_s9_a_caller_who_refreshes_is_told_so() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let invite = timed(&mut phone, "1800;refresher=uac");
    let answer = phone.call_with(&invite);
    assert_eq!(interval(&answer), (1_800, Some("uac".into())), "{answer:?}");
    assert!(
        answer.lists("Require", "timer"),
        "§9: or the caller would not know: {answer:?}"
    );
    phone.hang_up();
}

#[test]
fn rfc4028_s9_a_caller_may_leave_it_to_us() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let invite = timed(&mut phone, "1200;refresher=uas");
    let answer = phone.call_with(&invite);
    assert_eq!(interval(&answer), (1_200, Some("uas".into())), "{answer:?}");
    phone.hang_up();
}

#[test]
fn rfc4028_s9_a_refresher_is_chosen_when_the_caller_names_none() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let invite = timed(&mut phone, "900");
    let (seconds, refresher) = interval(&phone.call_with(&invite));
    assert!(
        (90..=900).contains(&seconds),
        "it may be shortened, not lengthened: {seconds}"
    );
    assert!(matches!(refresher.as_deref(), Some("uac" | "uas")), "{refresher:?}");
    phone.hang_up();
}

#[test]
fn rfc4028_s9_a_caller_without_timer_is_never_the_refresher() {
    let house = house();
    let mut phone = phone(&house, TALK);
    // A proxy on the way put it in.
    let invite = phone.invite().add("Session-Expires", "1800");
    let answer = phone.call_with(&invite);
    assert!(!answer.lists("Require", "timer"), "{answer:?}");
    if answer.has("Session-Expires") {
        assert_eq!(interval(&answer).1.as_deref(), Some("uas"), "{answer:?}");
    }
    phone.hang_up();
}

#[test]
fn rfc4028_s9_the_compact_form_is_understood() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let invite = phone.invite().add("k", "timer").add("x", "1000;refresher=uac");
    let answer = phone.call_with(&invite);
    assert_eq!(interval(&answer).0, 1_000, "{answer:?}");
    phone.hang_up();
}

#[test]
fn rfc4028_s5_an_interval_below_ninety_is_tolerated() {
    let house = house();
    let mut phone = phone(&house, TALK);
    // Carriers send 30 (integrations.md §1.3).
    let invite = timed(&mut phone, "30;refresher=uac");
    let answer = phone.call_with(&invite);
    assert_eq!(answer.status(), 200);
    phone.hang_up();
}

#[test]
fn rfc4028_s6_an_interval_of_nothing_is_422_with_min_se() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let invite = timed(&mut phone, "1;refresher=uac");
    let answer = phone.is_refused(&invite, 422);
    let least: u32 = answer.header("Min-SE").parse().expect("a Min-SE");
    assert!(least >= 90, "§5: {answer:?}");
}

#[test]
fn rfc4028_s10_a_session_that_its_caller_does_not_refresh_ends_with_bye() {
    let engine = own(|_| ());
    let mut phone = phone(&engine, TALK);
    let invite = timed(&mut phone, "30;refresher=uac");
    phone.call_with(&invite);
    let began = Instant::now();
    let bye = phone
        .line
        .find(Duration::from_secs(35), |message| message.method() == "BYE")
        .expect("a BYE");
    let after = began.elapsed();
    // min(32, 30 / 3) s before it runs out.
    assert!(
        after >= Duration::from_secs(15) && after <= Duration::from_secs(31),
        "{after:?}"
    );
    phone.reply(&bye, "200 OK", "", "");
    engine.is_empty(SOON);
}

#[test]
fn rfc4028_s10_a_re_invite_of_the_caller_keeps_the_session() {
    let engine = own(|_| ());
    let mut phone = phone(&engine, TALK);
    let invite = timed(&mut phone, "30;refresher=uac");
    phone.call_with(&invite);
    wait(14_000);
    let again = timed(&mut phone, "30;refresher=uac");
    let answer = phone.call_with(&again);
    assert_eq!(interval(&answer).1.as_deref(), Some("uac"), "{answer:?}");
    let bye = phone
        .line
        .find(Duration::from_secs(9), |message| message.method() == "BYE");
    assert!(bye.is_none(), "it would have ended 20 s after the call began: {bye:?}");
    phone.hang_up();
}

#[test]
fn rfc4028_s7_4_we_refresh_by_update_where_they_have_it() {
    let engine = own(|_| ());
    let mut phone = phone(&engine, TALK);
    let invite = timed(&mut phone, "30;refresher=uas");
    phone.call_with(&invite);
    let began = Instant::now();
    let update = phone
        .line
        .find(Duration::from_secs(25), |message| message.method() == "UPDATE")
        .expect("an UPDATE");
    let after = began.elapsed();
    assert!(
        after >= Duration::from_secs(12) && after <= Duration::from_secs(20),
        "at half the interval: {after:?}"
    );
    assert_eq!(
        interval(&update),
        (30, Some("uac".into())),
        "we ask, so we are the client: {update:?}"
    );
    assert!(update.lists("Supported", "timer"), "{update:?}");
    phone.reply(
        &update,
        "200 OK",
        "Session-Expires: 30;refresher=uac\r\nRequire: timer\r\n",
        "",
    );
    phone.hang_up();
}

#[test]
fn rfc4028_s7_4_we_refresh_by_re_invite_where_they_have_no_update() {
    let engine = own(|_| ());
    let mut phone = phone(&engine, TALK);
    let invite = phone
        .invite()
        .set("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS")
        .add("Supported", "timer")
        .add("Session-Expires", "30;refresher=uas");
    let answer = phone.call_with(&invite);
    let again = phone.line.find(Duration::from_secs(25), |message| {
        message.method() == "INVITE" && message.status() == 0
    });
    let again = again.expect("a re-INVITE");
    assert_eq!(
        again.sdp("o="),
        answer.sdp("o="),
        "§7.4: the same version, for nothing has changed"
    );
    let (contact, sdp) = (phone.contact(), phone.rtp.sdp());
    let extra = format!("Contact: {contact}\r\nSession-Expires: 30;refresher=uac\r\nRequire: timer\r\n");
    phone.reply(&again, "200 OK", &extra, &sdp);
    phone.asked("ACK");
    phone.rtp.drain();
    phone.rtp.hears();
    phone.hang_up();
}

/// The doctor's telephone, and the INVITE that rings it.
fn rung() -> (Engine, Phone, Desk, Message) {
    let (engine, mut desk) = doctored(|_| ());
    let mut caller = phone(&engine, BRIDGED);
    caller.call();
    let invite = desk.rings();
    (engine, caller, desk, invite)
}

#[test]
fn rfc4028_s7_1_our_invite_asks_for_a_timer() {
    let (_engine, _caller, _desk, invite) = rung();
    assert!(invite.lists("Supported", "timer"), "{invite:?}");
    assert!(interval(&invite).0 >= 90, "{invite:?}");
}

#[test]
fn rfc4028_s7_3_a_422_is_answered_with_a_longer_interval() {
    let (_engine, _caller, mut desk, invite) = rung();
    desk.reply(&invite, "422 Session Interval Too Small", "Min-SE: 3600\r\n", "");
    desk.asked("ACK");
    let again = desk.asked("INVITE");
    assert_eq!(again.header("Call-ID"), invite.header("Call-ID"));
    assert_eq!(again.cseq(), invite.cseq() + 1);
    assert!(interval(&again).0 >= 3_600, "{again:?}");
    assert_eq!(again.header("Min-SE"), "3600", "{again:?}");
    desk.picks_up(&again);
}

#[test]
fn rfc4028_s7_2_a_session_of_ours_is_refreshed_by_us_when_they_say_so() {
    let (_engine, _caller, mut desk, invite) = rung();
    let extra = format!(
        "{}Allow: INVITE, ACK, BYE, CANCEL, UPDATE\r\nSession-Expires: 12;refresher=uac\r\nRequire: timer\r\n",
        desk.contact()
    );
    let sdp = desk.rtp.sdp();
    desk.reply(&invite, "200 OK", &extra, &sdp);
    desk.asked("ACK");
    let update = desk
        .line
        .find(Duration::from_secs(15), |message| message.method() == "UPDATE");
    let update = update.expect("an UPDATE after half the interval");
    desk.reply(
        &update,
        "200 OK",
        "Session-Expires: 12;refresher=uac\r\nRequire: timer\r\n",
        "",
    );
}
