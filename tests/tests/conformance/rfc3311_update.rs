//! RFC 3311: UPDATE, with an offer and without one.

use std::time::Duration;

use crate::house::{TALK, house, phone, quick, ringing};
use tests::raw::{Phone, Request};

fn update(phone: &mut Phone) -> Request {
    let (contact, sdp) = (phone.contact(), phone.rtp.sdp());
    phone.request("UPDATE").add("Contact", contact).sdp(sdp)
}

#[test]
fn rfc3311_s4_update_is_in_allow() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let answer = phone.call();
    assert!(answer.lists("Allow", "UPDATE"), "{answer:?}");
    phone.hang_up();
}

#[test]
fn rfc3311_s5_2_an_update_with_an_offer_is_answered_in_its_200() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let sdp = phone.rtp.sdp_with("RTP/AVP 8", "a=rtpmap:8 PCMA/8000\r\n");
    let update = update(&mut phone).sdp(sdp);
    let answer = phone.ask(&update);
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert!(answer.has("Contact"), "a target refresh is answered with ours");
    assert!(
        answer.sdp("m=audio ").iter().any(|line| line.ends_with(" 8")),
        "{answer:?}"
    );
    crate::house::wait(60);
    phone.rtp.drain();
    assert_eq!(phone.rtp.hears().kind, 8, "and holds at once: there is no ACK");
    phone.hang_up();
}

#[test]
fn rfc3311_s5_2_an_update_without_an_offer_is_200_without_a_body() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let update = update(&mut phone).bare();
    let answer = phone.ask(&update);
    assert_eq!((answer.status(), answer.body.len()), (200, 0), "{answer:?}");
    phone.hang_up();
}

#[test]
fn rfc3311_s5_2_an_impossible_update_is_488_and_changes_nothing() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let sdp = phone.rtp.sdp_with("RTP/AVP 18", "a=rtpmap:18 G729/8000\r\n");
    let update = update(&mut phone).sdp(sdp);
    assert_eq!(phone.ask(&update).status(), 488);
    phone.rtp.drain();
    assert_eq!(phone.rtp.hears().kind, 0);
    phone.hang_up();
}

#[test]
fn rfc3311_s5_2_an_update_before_the_invites_own_offer_is_answered_is_500() {
    let engine = ringing(Duration::from_secs(60));
    let mut phone = phone(&engine, TALK);
    let invite = phone.invite();
    phone.send(&invite);
    let rings = phone.response("INVITE", |status| status == 180);
    phone.enter(&rings);
    let update = update(&mut phone);
    let answer = phone.ask(&update);
    assert_eq!(answer.status(), 500, "{answer:?}");
    let seconds: u32 = answer.header("Retry-After").parse().expect("a Retry-After");
    assert!(seconds <= 10);
}

#[test]
fn rfc3311_s5_1_an_update_without_an_offer_is_welcome_in_an_early_dialog() {
    let engine = ringing(Duration::from_secs(60));
    let mut phone = phone(&engine, TALK);
    let invite = phone.invite();
    phone.send(&invite);
    let rings = phone.response("INVITE", |status| status == 180);
    phone.enter(&rings);
    let update = update(&mut phone).bare();
    assert_eq!(phone.ask(&update).status(), 200);
}

#[test]
fn rfc3311_s5_2_an_update_while_our_offer_waits_is_491() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let empty = phone.invite().bare();
    assert_eq!(phone.ask(&empty).status(), 200);
    let update = update(&mut phone);
    assert_eq!(phone.ask(&update).status(), 491);
    let sdp = phone.rtp.sdp();
    let ack = phone.ack().sdp(sdp);
    phone.send(&ack);
    phone.hang_up();
}

#[test]
fn rfc3311_s5_2_an_update_outside_a_dialog_is_481() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let update = update(&mut phone);
    assert_eq!(phone.ask(&update).status(), 481);
}

#[test]
fn rfc3311_s5_1_an_update_moves_the_target() {
    let engine = quick(|_| ());
    let mut phone = phone(&engine, TALK);
    let invite = phone.invite();
    let answer = phone.ask(&invite);
    phone.enter(&answer);
    let moved = format!("sip:elsewhere@{};x=3", phone.line.local);
    let update = update(&mut phone).bare().set("Contact", format!("<{moved}>"));
    assert_eq!(phone.ask(&update).status(), 200);
    // Never acknowledged: the engine's BYE goes to where the target is now.
    let bye = phone.asked("BYE");
    assert_eq!(bye.uri(), moved);
    phone.reply(&bye, "200 OK", "", "");
}
