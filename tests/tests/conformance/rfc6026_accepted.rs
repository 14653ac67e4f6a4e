//! RFC 6026: an accepted INVITE's transaction lives on.

use std::time::Duration;

use crate::house::{TALK, house, phone, wait};
use tests::raw::QUIET;

#[test]
fn rfc6026_s7_1_an_invite_sent_again_after_200_is_absorbed() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let answer = phone.call();
    let invite = phone.invite.clone().expect("an INVITE was sent");
    wait(50);
    phone.line.forget();
    phone.line.send(&invite.bytes());
    if let Some(response) = phone.line.find(QUIET, |message| message.method() == "INVITE") {
        assert_eq!(response.bytes, answer.bytes, "nothing but the same 200 may come");
    }
    assert_eq!(
        house
            .facts()
            .iter()
            .filter(|stamped| matches!(stamped.fact, switchboard::Fact::CallBegan { .. }))
            .count(),
        1
    );
    phone.hang_up();
}

#[test]
fn rfc6026_s7_1_an_ack_that_comes_twice_is_absorbed() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let ack = phone.ack();
    phone.send(&ack);
    phone.send(&ack);
    assert!(phone.line.find(QUIET, |message| message.status() >= 300).is_none());
    phone.rtp.drain();
    phone.rtp.hears();
    phone.hang_up();
}

#[test]
fn rfc6026_s7_1_a_late_ack_stops_the_200() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let invite = phone.invite();
    phone.send(&invite);
    phone.answer("INVITE");
    // The second 200 is acknowledged, not the first.
    let again = phone.answer("INVITE");
    phone.enter(&again);
    let ack = phone.ack();
    phone.send(&ack);
    wait(100);
    phone.line.forget();
    assert!(
        phone
            .line
            .find(Duration::from_millis(2_200), |message| message.status() == 200)
            .is_none()
    );
    phone.hang_up();
}

#[test]
fn rfc6026_s8_4_a_stray_2xx_is_absorbed() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let stray = format!(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP {};branch=z9hG4bKstray\r\nFrom: {};tag=x\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:a@127.0.0.1>\r\nContent-Length: 0\r\n\r\n",
        phone.line.server, phone.to, phone.from, phone.call_id
    );
    phone.line.forget();
    phone.line.send(stray.as_bytes());
    assert!(phone.line.next(QUIET).is_none(), "no ACK for what we never asked");
    phone.hang_up();
}
