//! RFC 3261 §17.2 and §18.2: what repeats, what is absorbed, where answers go.

use std::time::{Duration, Instant};

use crate::house::{QUICK_T1, TALK, house, phone, quick, ringing, tcp_phone, wait};
use tests::raw::QUIET;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn rfc3261_s17_2_1_an_invite_is_answered_100_at_once() {
    let engine = ringing(LONG);
    let mut phone = phone(&engine, TALK);
    let invite = phone.invite();
    let began = Instant::now();
    phone.send(&invite);
    let trying = phone.response("INVITE", |status| status < 200);
    assert_eq!(trying.status(), 100);
    assert!(began.elapsed() < Duration::from_millis(200), "§17.2.1: within 200 ms");
}

#[test]
fn rfc3261_s17_2_1_an_invite_sent_again_gets_the_last_provisional() {
    let engine = ringing(LONG);
    let mut phone = phone(&engine, TALK);
    let invite = phone.invite();
    phone.send(&invite);
    let rings = phone.response("INVITE", |status| status == 180);
    phone.line.forget();
    phone.line.send(&invite.bytes());
    let again = phone.response("INVITE", |_| true);
    assert!(again.bytes == rings.bytes, "{again:?}");
    assert_eq!(engine.held().calls, 1, "and is no second call");
}

#[test]
fn rfc3261_s17_2_1_a_refusal_is_repeated_until_its_ack() {
    let house = house();
    let mut phone = phone(&house, TALK);
    // A refusal that needs a transaction: 487.
    let engine = ringing(LONG);
    let mut cancelled = super::house::phone(&engine, TALK);
    let invite = cancelled.invite();
    cancelled.send(&invite);
    cancelled.response("INVITE", |status| status == 180);
    let cancel = cancelled.cancel();
    cancelled.send(&cancel);
    let first = cancelled.answer("INVITE");
    let second = cancelled.answer("INVITE");
    let third = cancelled.answer("INVITE");
    assert!(
        second.at - first.at >= Duration::from_millis(400),
        "timer G begins with T1"
    );
    assert!(third.at - second.at >= Duration::from_millis(900), "and doubles");
    let ack = cancelled.ack_of_refusal(&first);
    cancelled.send(&ack);
    wait(100);
    cancelled.line.forget();
    assert!(
        cancelled
            .line
            .find(Duration::from_millis(2_300), |m| m.method() == "INVITE")
            .is_none()
    );
    super::house::is_alive(&mut phone);
}

#[test]
fn rfc3261_s17_2_1_timer_h_gives_up_on_an_ack() {
    let engine = quick(|config| config.desk.ring_before_answer = LONG);
    let mut phone = phone(&engine, TALK);
    let invite = phone.invite();
    phone.send(&invite);
    phone.response("INVITE", |status| status == 180);
    let cancel = phone.cancel();
    phone.send(&cancel);
    phone.answer("INVITE");
    // 64 × T1 later nothing more comes, and nothing is kept.
    wait(u64::try_from((QUICK_T1 * 80).as_millis()).unwrap_or(0));
    phone.line.forget();
    assert!(phone.line.next(QUIET).is_none());
    tests::wait_for("an empty table of transactions", Duration::from_secs(5), || {
        (engine.held().endpoint.transactions == 0).then_some(())
    });
}

#[test]
fn rfc3261_s17_2_1_on_a_stream_a_refusal_is_sent_once() {
    let engine = quick(|config| config.desk.ring_before_answer = LONG);
    let mut phone = tcp_phone(&engine, TALK);
    let invite = phone.invite();
    phone.send(&invite);
    phone.response("INVITE", |status| status == 180);
    let cancel = phone.cancel();
    phone.send(&cancel);
    assert_eq!(phone.answer("INVITE").status(), 487);
    phone.line.forget();
    assert!(
        phone
            .line
            .find(QUICK_T1 * 20, |message| message.method() == "INVITE")
            .is_none()
    );
}

#[test]
fn rfc3261_s17_2_2_a_request_sent_again_gets_the_same_answer_and_acts_once() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let info = phone.request("INFO");
    let (first, second) = (phone.ask(&info), phone.ask(&info));
    assert_eq!(first.status(), 200, "{first:?}");
    assert_eq!(first.bytes, second.bytes, "not 500 for a CSeq seen before");
    phone.hang_up();
}

#[test]
fn rfc3261_s17_2_3_another_sent_by_is_another_transaction() {
    let engine = ringing(LONG);
    let mut phone = phone(&engine, TALK);
    let invite = phone.invite();
    phone.send(&invite);
    phone.response("INVITE", |status| status == 180);
    let elsewhere = invite
        .header("Via")
        .replace(&phone.line.local.to_string(), "192.0.2.9:5070");
    let cancel = phone.cancel().set("Via", elsewhere);
    assert_eq!(phone.ask(&cancel).status(), 481);
}

#[test]
fn rfc3261_s17_2_3_a_branch_without_the_cookie_is_matched_the_old_way() {
    let engine = ringing(LONG);
    let mut phone = phone(&engine, TALK);
    let via = phone.via().replace("branch=z9hG4bK", "branch=old");
    let invite = phone.invite().set("Via", via);
    phone.send(&invite);
    let rings = phone.response("INVITE", |status| status == 180);
    phone.line.forget();
    phone.line.send(&invite.bytes());
    let again = phone.response("INVITE", |_| true);
    assert!(
        again.bytes == rings.bytes,
        "absorbed, and answered as before: {again:?}"
    );
    let cancel = phone.cancel();
    assert_eq!(phone.ask(&cancel).status(), 200);
    let answer = phone.answer("INVITE");
    assert_eq!(answer.status(), 487);
    let ack = phone.ack_of_refusal(&answer);
    phone.send(&ack);
    wait(100);
    phone.line.forget();
    assert!(
        phone
            .line
            .find(Duration::from_millis(700), |m| m.method() == "INVITE")
            .is_none(),
        "its ACK was found"
    );
}

#[test]
fn rfc3261_s17_2_3_the_same_branch_with_another_method_is_another_transaction() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let via = phone.via();
    let info = phone.request("INFO").set("Via", &*via);
    assert_eq!(phone.ask(&info).status(), 200);
    let bye = phone.request("BYE").set("Via", via);
    let answer = phone.ask(&bye);
    assert_eq!((answer.status(), answer.method()), (200, "BYE"));
}

#[test]
fn rfc3261_s18_2_1_received_says_where_a_request_came_from() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let via = phone.via().replace(&phone.line.local.to_string(), "phone.example.com");
    let request = phone.request("OPTIONS").set("Via", via);
    let answer = phone.ask(&request);
    assert_eq!(
        answer.param("Via", "received").as_deref(),
        Some("127.0.0.1"),
        "{answer:?}"
    );
}

#[test]
fn rfc3261_s18_2_1_a_forged_received_is_replaced() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let via = format!("{};received=192.0.2.66", phone.via()).replace(&phone.line.local.to_string(), "192.0.2.65:5060");
    let request = phone.request("OPTIONS").set("Via", via);
    let answer = phone.ask(&request);
    let text = answer.header("Via");
    assert!(
        text.contains("received=127.0.0.1") && !text.contains("192.0.2.66"),
        "{answer:?}"
    );
}

#[test]
fn rfc3261_s18_2_2_without_rport_the_port_of_the_via_is_answered() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let mut other = super::house::phone(&house, TALK);
    // Sent from one socket, to be answered at another of the same host.
    let via = other.via().replace(";rport", "");
    let request = other.request("OPTIONS").set("Via", via);
    phone.line.send(&request.bytes());
    assert_eq!(other.answer("OPTIONS").status(), 200);
    assert!(phone.line.next(QUIET).is_none());
}

#[test]
fn rfc3261_s18_1_2_a_response_nobody_waits_for_is_dropped() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.line.send(
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKnone\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n\
          Call-ID: nobody\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
    );
    assert!(phone.line.next(QUIET).is_none());
    super::house::is_alive(&mut phone);
}
