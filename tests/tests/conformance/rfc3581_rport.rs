//! RFC 3581: answers find their way back through a NAT.

use crate::house::{TALK, house, is_alive, phone, tcp_phone};

#[test]
fn rfc3581_s4_rport_is_filled_with_the_port_the_packet_came_from() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let request = phone.request("OPTIONS");
    let answer = phone.ask(&request);
    let port = phone.line.local.port().to_string();
    assert_eq!(answer.param("Via", "rport"), Some(port), "{answer:?}");
}

#[test]
fn rfc3581_s4_rport_brings_received_even_when_it_is_the_same() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let request = phone.request("OPTIONS");
    let answer = phone.ask(&request);
    assert_eq!(
        answer.param("Via", "received").as_deref(),
        Some("127.0.0.1"),
        "{answer:?}"
    );
}

#[test]
fn rfc3581_s4_the_answer_goes_to_the_source_whatever_the_via_says() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let via = phone.via().replace(&phone.line.local.to_string(), "192.0.2.77:5999");
    let request = phone.request("OPTIONS").set("Via", via);
    assert_eq!(phone.ask(&request).status(), 200);
}

#[test]
fn rfc3581_s4_without_rport_none_is_written() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let via = phone.via().replace(";rport", "");
    let request = phone.request("OPTIONS").set("Via", via);
    let answer = phone.ask(&request);
    assert!(answer.param("Via", "rport").is_none(), "{answer:?}");
}

#[test]
fn rfc3581_s4_a_call_behind_a_nat_is_answered_and_ended_where_it_comes_from() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let inside = "192.168.7.7:5060";
    let local = phone.line.local.to_string();
    let invite = phone.invite();
    let via = invite.header("Via").replace(&local, inside);
    let invite = invite.set("Via", via).set("Contact", format!("<sip:caller@{inside}>"));
    let answer = phone.ask(&invite);
    assert_eq!(answer.status(), 200, "{answer:?}");
    phone.enter(&answer);
    let ack = phone.ack();
    phone.send(&ack);
    phone.hang_up();
}

#[test]
fn rfc3581_s4_on_a_stream_rport_is_filled_too() {
    let house = house();
    let mut phone = tcp_phone(&house, TALK);
    let request = phone.request("OPTIONS");
    let answer = phone.ask(&request);
    let port = phone.line.local.port().to_string();
    assert_eq!(answer.param("Via", "rport"), Some(port), "{answer:?}");
    is_alive(&mut phone);
}
