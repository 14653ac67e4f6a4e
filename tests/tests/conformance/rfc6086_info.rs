//! RFC 6086: INFO, its packages, and the digits that older telephones send in it.

use switchboard::Fact;

use crate::house::{KEYS, TALK, house, own, phone};
use tests::engine::Engine;
use tests::raw::{Phone, SOON};

/// A caller who hears the question that keys answer.
fn at_the_menu() -> (Engine, Phone) {
    let engine = own(|_| ());
    let mut phone = phone(&engine, KEYS);
    phone.call();
    engine.waits_for(
        "the menu",
        SOON,
        |fact| matches!(fact, Fact::Said { words } if words.contains("How can we help")),
    );
    (engine, phone)
}

#[test]
fn rfc6086_s4_2_2_a_package_nobody_announced_is_469_with_recv_info() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let info = phone
        .request("INFO")
        .add("Info-Package", "weather")
        .with("text/plain", "sunny");
    let answer = phone.ask(&info);
    assert_eq!(answer.status(), 469, "{answer:?}");
    assert!(answer.has("Recv-Info"), "{answer:?}");
    phone.hang_up();
}

#[test]
fn rfc6086_s4_2_2_an_info_outside_a_dialog_is_481() {
    let house = house();
    let mut phone = phone(&house, TALK);
    let info = phone
        .request("INFO")
        .with("application/dtmf-relay", "Signal=1\r\nDuration=100\r\n");
    assert_eq!(phone.ask(&info).status(), 481);
}

#[test]
fn rfc6086_s4_2_2_an_info_without_a_body_is_200() {
    let house = house();
    let mut phone = phone(&house, TALK);
    phone.call();
    let info = phone.request("INFO");
    assert_eq!(phone.ask(&info).status(), 200);
    phone.hang_up();
}

#[test]
fn rfc6086_s2_a_legacy_info_is_a_key() {
    let (engine, mut phone) = at_the_menu();
    let info = phone
        .request("INFO")
        .with("application/dtmf-relay", "Signal=3\r\nDuration=160\r\n");
    assert_eq!(phone.ask(&info).status(), 200);
    engine.waits_for(
        "the third section",
        SOON,
        |fact| matches!(fact, Fact::Section { name } if name == "section three"),
    );
}

#[test]
fn rfc6086_s2_a_bare_digit_in_application_dtmf_is_a_key() {
    let (engine, mut phone) = at_the_menu();
    let info = phone.request("INFO").with("application/dtmf", "7");
    assert_eq!(phone.ask(&info).status(), 200);
    engine.waits_for(
        "the seventh section",
        SOON,
        |fact| matches!(fact, Fact::Section { name } if name == "section seven"),
    );
}

#[test]
fn rfc6086_s4_2_2_an_info_sent_again_is_one_key() {
    let (engine, mut phone) = at_the_menu();
    let info = phone
        .request("INFO")
        .with("application/dtmf-relay", "Signal=4\r\nDuration=160\r\n");
    for _ in 0..3 {
        assert_eq!(phone.ask(&info).status(), 200);
    }
    crate::house::wait(500);
    let pressed = engine
        .facts()
        .iter()
        .filter(|stamped| matches!(stamped.fact, Fact::Pressed { .. }))
        .count();
    assert_eq!(pressed, 1);
}
