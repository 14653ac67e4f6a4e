//! Addresses that are not those of a test: IPv6 in every place that names one, and an address that only the world outside
//! knows us by.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use sip::Transport::{Tcp, Udp};
use switchboard::Network;
use tests::engine::Engine;
use tests::raw::{Line, Phone};

use crate::house::{TALK, own, phone};

const HERE: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
/// Where our router is, for everybody but us.
const OUTSIDE: &str = "203.0.113.7";

/// An engine that speaks IPv6 alone, for SIP and for audio.
fn on_ipv6() -> Engine {
    own(|config| {
        for listener in &mut config.desk.signalling {
            listener.local = SocketAddr::new(HERE, 0);
            listener.advertised = listener.local;
        }
        config.desk.media_address = HERE;
        config.media.bind = HERE;
        config.desk.trunks[0].sources = vec![Network::host(HERE)];
    })
}

fn ipv6_phones(engine: &Engine) -> [Phone; 2] {
    let line = Line::udp_at(SocketAddr::new(HERE, 0), engine.address(Udp));
    [line, Line::tcp_from(HERE, engine.address(Tcp))].map(|line| Phone::new(line, TALK))
}

#[test]
fn rfc3261_s19_1_1_a_call_over_ipv6_is_answered_heard_and_ended() {
    let engine = on_ipv6();
    for mut phone in ipv6_phones(&engine) {
        let answer = phone.call();
        let server = phone.line.server.to_string();
        assert!(server.starts_with("[::1]:"), "{server}");
        assert!(
            answer.contact().contains(&server),
            "in brackets, with our port: {answer:?}"
        );
        phone.rtp.speak(answer.audio(), 3);
        phone.rtp.hears();
        // Within the dialog the request line is that Contact.
        let options = phone.request("OPTIONS");
        assert_eq!(phone.ask(&options).status(), 200);
        phone.hang_up();
    }
}

#[test]
fn rfc8866_s5_7_audio_over_ipv6_is_described_as_ip6() {
    let engine = on_ipv6();
    let [mut phone, _] = ipv6_phones(&engine);
    let answer = phone.call();
    assert_eq!(answer.sdp("c="), ["IN IP6 ::1"], "{}", answer.text());
    assert!(answer.sdp("o=")[0].ends_with(" IN IP6 ::1"), "{}", answer.text());
    phone.hang_up();
}

#[test]
fn rfc3581_s4_an_ipv6_source_stands_in_received_without_brackets() {
    let engine = on_ipv6();
    let [mut phone, _] = ipv6_phones(&engine);
    let via = phone.via().replace(&phone.line.local.to_string(), "[2001:db8::9]:5060");
    let options = phone.request("OPTIONS").set("Via", via);
    let answer = phone.ask(&options);
    assert_eq!(answer.status(), 200);
    let received = answer.param("Via", "received").expect("§4: with rport always");
    assert_eq!(received.trim_matches(['[', ']']), "::1", "{answer:?}");
    assert_eq!(answer.param("Via", "rport"), Some(phone.line.local.port().to_string()));
}

#[test]
fn rfc3261_s8_1_1_8_behind_a_nat_our_contact_and_our_audio_are_where_the_world_reaches_us() {
    let engine = own(|config| {
        let outside: IpAddr = OUTSIDE.parse().expect("an address");
        for listener in &mut config.desk.signalling {
            listener.advertised = SocketAddr::new(outside, 5060);
        }
        config.desk.media_address = outside;
    });
    let mut phone = phone(&engine, TALK);
    let answer = phone.call();
    let inside = phone.line.server.to_string();
    assert!(answer.contact().contains(OUTSIDE), "{answer:?}");
    assert_eq!(answer.sdp("c="), [format!("IN IP4 {OUTSIDE}")]);
    let ours = answer.text() + answer.header("Contact");
    assert!(!ours.contains("127.0.0.1") && !ours.contains(&inside), "{ours}");
    phone.rtp.hears();
    phone.hang_up();
}
