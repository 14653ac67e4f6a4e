//! What TLS and WebSocket change: names in Via and Contact, whom to believe, and the way back.

use std::net::SocketAddr;

use sip::{Body, Flow, Transport};

use super::world::*;

fn over(transport: Transport) -> Alone {
    let mut alone = Alone::new();
    alone.flow = Flow {
        transport,
        connection: transport.is_reliable().then_some(3),
        ..alone.flow
    };
    alone
}

#[test]
fn via_and_contact_are_spelled_as_each_transport_wants() {
    let table = [
        (Transport::Udp, "UDP", "sip:192.0.2.2:5060", "sips:192.0.2.2:5060"),
        (
            Transport::Tcp,
            "TCP",
            "sip:192.0.2.2:5060;transport=tcp",
            "sips:192.0.2.2:5060",
        ),
        (
            Transport::Tls,
            "TLS",
            "sip:192.0.2.2:5060;transport=tls",
            "sips:192.0.2.2:5060",
        ),
        (
            Transport::Ws,
            "WS",
            "sip:192.0.2.2:5060;transport=ws",
            "sips:192.0.2.2:5060;transport=ws",
        ),
        (
            Transport::Wss,
            "WSS",
            "sip:192.0.2.2:5060;transport=ws",
            "sips:192.0.2.2:5060;transport=ws",
        ),
    ];
    for (transport, name, plain, secure) in table {
        let mut alone = over(transport);
        let (_, invite) = alone.calling();
        assert_eq!(invite.top_via().unwrap().transport, name);
        assert_eq!(invite.contact().unwrap().uri.to_wire(), plain);
        // RFC 3261 §8.1.1.8: who asks a sips: URI says sips: of himself.
        let (_, invite) = alone.calling_with(|invite| invite.target = uri("sips:a@192.0.2.1"));
        assert_eq!(invite.contact().unwrap().uri.to_wire(), secure);
        assert_eq!(Transport::named(&name.to_lowercase()), Some(transport));
        assert_eq!(transport.to_string(), name);
    }
}

#[test]
fn a_sips_caller_gets_a_sips_contact_throughout() {
    let mut alone = over(Transport::Tls);
    alone.hear(&invite("b1").replace("INVITE sip:", "INVITE sips:"));
    let session = alone.events[0].session().unwrap();
    alone.sent.clear();
    alone.act(|endpoint, now| endpoint.ring(now, session));
    alone.act(|endpoint, now| endpoint.accept(now, session, Body::sdp("answer")));
    for response in alone.responses() {
        assert_eq!(response.contact().unwrap().uri.to_wire(), "sips:192.0.2.2:5060");
    }
}

#[test]
fn nothing_is_repeated_over_tls_but_what_must_be() {
    let mut alone = over(Transport::Tls);
    alone.calling();
    alone.wait_ms(31_999);
    assert_eq!(alone.lines(), [""; 0]);
    alone.wait_ms(1);
    assert_eq!(alone.take(), ["Refused 408"]);
}

#[test]
fn a_call_over_tls_is_not_ended_in_the_clear() {
    let mut alone = over(Transport::Tls);
    let (_, tag) = alone.answered();
    let forged = Flow {
        transport: Transport::Udp,
        connection: None,
        ..alone.flow
    };
    for method in ["BYE", "INVITE", "INFO", "UPDATE", "PRACK", "OPTIONS"] {
        alone.sent.clear();
        alone.hear_on(forged, &within(method, 9, &tag, method, "x"));
        assert_eq!(alone.response().status, 481, "{method}");
    }
    // The same host on a new stream, from another port, is the peer.
    let again = Flow {
        remote: address("192.0.2.1:40111"),
        connection: Some(8),
        ..alone.flow
    };
    alone.hear_on(again, &within("BYE", 2, &tag, "bye", ""));
    assert_eq!(alone.take(), ["Ended ByTheirBye"]);
}

#[test]
fn an_invite_over_tls_is_not_cancelled_in_the_clear() {
    let mut alone = over(Transport::Tls);
    alone.invited();
    let forged = Flow {
        transport: Transport::Udp,
        connection: None,
        ..alone.flow
    };
    alone.sent.clear();
    alone.hear_on(forged, &request("CANCEL", "b1", "", "", ""));
    assert_eq!(alone.response().status, 481);
    alone.hear(&request("CANCEL", "b1", "", "", ""));
    assert_eq!(alone.take(), ["Ended Cancelled"]);
}

#[test]
fn a_web_socket_client_is_reached_by_its_connection_alone() {
    let mut alone = over(Transport::Wss);
    alone.flow.remote = address("198.51.100.4:51000");
    let contact = "Contact: <sip:k3@df7jal23ls0d.invalid;transport=ws>\n";
    alone.hear(&request("INVITE", "b1", "", contact, "offer"));
    let session = alone.events[0].session().unwrap();
    alone.sent.clear();
    alone.act(|endpoint, now| endpoint.accept(now, session, Body::sdp("answer")));
    let tag = alone.response().to_tag().unwrap();
    alone.hear(&within("ACK", 1, &tag, "back", ""));
    alone.act(|endpoint, now| endpoint.hang_up(now, session));
    let bye = alone.sent.pop().unwrap();
    assert_eq!(bye.flow, alone.flow);
    assert_eq!(
        start_line(&bye.bytes),
        "BYE sip:k3@df7jal23ls0d.invalid;transport=ws SIP/2.0"
    );
}

#[test]
fn a_route_with_a_name_leads_back_the_way_the_call_came() {
    // Two Record-Routes by name and a private Contact, as Twilio sends them.
    let headers = "Record-Route: <sip:edge.example.com:5061;transport=tls;lr>, <sip:core.example.com;lr>\n\
                   Contact: <sip:+15550123@172.25.1.2:5060;transport=udp>\n";
    let mut alone = over(Transport::Tls);
    alone.flow.remote = address("192.0.2.1:33444");
    alone.hear(&request("INVITE", "b1", "", headers, "offer"));
    let session = alone.events[0].session().unwrap();
    alone.sent.clear();
    alone.act(|endpoint, now| endpoint.accept(now, session, Body::sdp("answer")));
    let tag = alone.response().to_tag().unwrap();
    alone.hear(&within("ACK", 1, &tag, "back", ""));
    alone.act(|endpoint, now| endpoint.info(now, session, Body::sdp("x")));
    let info = alone.sent.pop().unwrap();
    assert_eq!(info.flow, alone.flow, "on its own stream");
    assert_eq!(
        start_line(&info.bytes),
        "INFO sip:+15550123@172.25.1.2:5060;transport=udp SIP/2.0"
    );
    // The stream is gone: to the port the name goes with, at the address it was.
    let flow = alone.flow;
    alone.act(|endpoint, now| endpoint.handle_transport_failed(now, flow));
    alone.sent.clear();
    alone.act(|endpoint, now| endpoint.hang_up(now, session));
    let bye = alone.sent.pop().unwrap();
    assert_eq!(
        (bye.flow.remote, bye.flow.connection),
        (address("192.0.2.1:5061"), None)
    );
}

/// A port beside a word of TLS is where they listen for TLS. Without the word it is where they listen in the clear, as most
/// Contacts have it, and TLS is at 5061 (RFC 3261 §19.1.2).
#[test]
fn a_port_without_a_word_of_tls_means_5061() {
    for (contact, port) in [
        ("sip:k3@192.0.2.1:5060", 5061),
        ("sip:k3@192.0.2.1:5090", 5061),
        ("sip:k3@192.0.2.1", 5061),
        ("sip:k3@192.0.2.1:5090;transport=udp", 5061),
        ("sip:k3@192.0.2.1:5090;transport=tls", 5090),
        ("sips:k3@192.0.2.1:5090", 5090),
        ("sips:k3@192.0.2.1", 5061),
    ] {
        let mut alone = over(Transport::Tls);
        alone.flow.remote = address("192.0.2.1:33444");
        let asked = request("INVITE", "b1", "", &format!("Contact: <{contact}>\n"), "offer");
        // RFC 3261 §12.1.1: a Contact of sips: belongs to a Request-URI of sips:.
        let asked = match contact.starts_with("sips:") {
            true => asked.replace("INVITE sip:", "INVITE sips:"),
            false => asked,
        };
        alone.hear(&asked);
        let session = alone.events[0].session().unwrap();
        alone.sent.clear();
        alone.act(|endpoint, now| endpoint.accept(now, session, Body::sdp("answer")));
        let tag = alone.response().to_tag().unwrap();
        alone.hear(&within("ACK", 1, &tag, "back", ""));
        let flow = alone.flow;
        alone.act(|endpoint, now| endpoint.handle_transport_failed(now, flow));
        alone.sent.clear();
        alone.act(|endpoint, now| endpoint.hang_up(now, session));
        let bye = alone.sent.pop().unwrap();
        assert_eq!(
            (bye.flow.transport, bye.flow.remote, bye.flow.connection),
            (Transport::Tls, SocketAddr::new(address("192.0.2.1:0").ip(), port), None),
            "{contact}"
        );
    }
}
