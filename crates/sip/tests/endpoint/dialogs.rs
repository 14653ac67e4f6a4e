//! Where requests within a dialog go, what they carry, and whose are believed.

use sip::{Address, Body, Config, Counts, Flow, Transport};

use super::world::*;

const RECORDED: &str = "Record-Route: <sip:192.0.2.10;lr>, <sip:192.0.2.11:5070;lr>\n";

#[test]
fn a_callee_keeps_the_route_set_in_order_and_copies_it() {
    let mut alone = Alone::new();
    let extra = format!("{RECORDED}Contact: <sip:10.0.0.1:5080>\n");
    alone.hear(&request("INVITE", "b1", "", &extra, "offer"));
    let session = alone.events[0].session().unwrap();
    alone.sent.clear();
    alone.act(|endpoint, now| endpoint.ring(now, session));
    alone.act(|endpoint, now| endpoint.accept(now, session, Body::sdp("answer")));
    let responses = alone.responses();
    for response in &responses {
        let routes: Vec<_> = response
            .record_routes()
            .iter()
            .map(|route| route.uri.to_wire())
            .collect();
        assert_eq!(routes, ["sip:192.0.2.10;lr", "sip:192.0.2.11:5070;lr"]);
        assert_eq!(response.contact().unwrap().uri.to_wire(), "sip:192.0.2.2:5060");
    }
    // The ACK comes from the proxy next to us, as the BYE leaves for it: the private Contact alone would lead nowhere.
    let tag = responses[0].to_tag().unwrap();
    let proxy = Flow {
        remote: address("192.0.2.10:5060"),
        ..alone.flow
    };
    alone.hear_on(proxy, &within("ACK", 1, &tag, "back", ""));
    alone.act(|endpoint, now| endpoint.hang_up(now, session));
    let sent = alone.sent.pop().expect("a BYE");
    assert_eq!(sent.flow.remote, address("192.0.2.10:5060"));
    let text = String::from_utf8(sent.bytes).unwrap();
    assert!(text.starts_with("BYE sip:10.0.0.1:5080 SIP/2.0\r\n"), "{text}");
    let routes: Vec<_> = text.lines().filter(|line| line.starts_with("Route:")).collect();
    assert_eq!(
        routes,
        ["Route: <sip:192.0.2.10;lr>", "Route: <sip:192.0.2.11:5070;lr>"]
    );
}

#[test]
fn a_caller_reverses_the_route_set() {
    let mut alone = Alone::new();
    let (_, invite) = alone.calling();
    let recorded = ("Record-Route", "<sip:192.0.2.10;lr>, <sip:192.0.2.11:5070;lr>");
    alone.reply(&invite, 200, "one", &[recorded, CONTACT], "answer");
    let sent = alone.sent.pop().expect("an ACK");
    assert_eq!(sent.flow.remote, address("192.0.2.11:5070"));
    let text = String::from_utf8(sent.bytes).unwrap();
    assert!(text.starts_with("ACK sip:peer@192.0.2.1:5060 SIP/2.0\r\n"), "{text}");
    let routes: Vec<_> = text.lines().filter(|line| line.starts_with("Route:")).collect();
    assert_eq!(
        routes,
        ["Route: <sip:192.0.2.11:5070;lr>", "Route: <sip:192.0.2.10;lr>"]
    );
    assert!(text.contains("CSeq: 1 ACK"));
}

#[test]
fn a_strict_router_gets_itself_in_the_request_uri() {
    let mut alone = Alone::new();
    let (_, invite) = alone.calling();
    alone.reply(
        &invite,
        200,
        "one",
        &[("Record-Route", "<sip:192.0.2.11>, <sip:192.0.2.10;lr>"), CONTACT],
        "answer",
    );
    // The set is reversed, so the loose one comes first here.
    assert!(alone.lines()[0].starts_with("ACK sip:peer@192.0.2.1"));
    let mut alone = Alone::new();
    let (_, invite) = alone.calling();
    alone.reply(
        &invite,
        200,
        "one",
        &[("Record-Route", "<sip:192.0.2.10;lr>, <sip:192.0.2.11>"), CONTACT],
        "answer",
    );
    let ack = alone.requests().remove(0);
    assert_eq!(ack.uri.to_wire(), "sip:192.0.2.11");
    let routes: Vec<_> = ack.routes().iter().map(|route| route.uri.to_wire()).collect();
    assert_eq!(routes, ["sip:192.0.2.10;lr", "sip:peer@192.0.2.1:5060"]);
}

#[test]
fn a_stranger_who_knows_the_tags_is_not_believed() {
    let mut alone = Alone::new();
    let (_, tag) = alone.answered();
    let stranger = Flow {
        remote: address("203.0.113.9:5060"),
        ..alone.flow
    };
    for method in ["BYE", "INFO", "INVITE", "UPDATE"] {
        alone.sent.clear();
        alone.hear_on(stranger, &within(method, 5, &tag, method, "offer"));
        let response = alone.response();
        assert_eq!(response.status, 481, "{method}");
    }
    assert_eq!(alone.take(), [""; 0]);
    // Nothing he sent moved the CSeq on, and the peer is still heard.
    alone.hear(&within("BYE", 2, &tag, "bye", ""));
    assert_eq!(alone.take(), ["Ended ByTheirBye"]);
}

#[test]
fn a_stranger_cannot_cancel_or_confirm() {
    let mut alone = Alone::new();
    let session = alone.invited();
    let stranger = Flow {
        remote: address("203.0.113.9:5060"),
        ..alone.flow
    };
    alone.sent.clear();
    alone.hear_on(stranger, &request("CANCEL", "b1", "", "", ""));
    assert_eq!(alone.response().status, 481);
    alone.act(|endpoint, now| endpoint.accept(now, session, Body::sdp("answer")));
    let tag = alone.response().to_tag().unwrap();
    alone.hear_on(stranger, &within("ACK", 1, &tag, "back", ""));
    assert_eq!(alone.take(), [""; 0]);
}

#[test]
fn requests_out_of_order_get_500() {
    let mut alone = Alone::new();
    let (_, tag) = alone.answered();
    alone.hear(&within("INFO", 7, &tag, "i7", "x"));
    alone.hear(&within("INFO", 6, &tag, "i6", "y"));
    let statuses: Vec<u16> = alone
        .responses()
        .iter()
        .map(|response| response.status.code())
        .collect();
    assert_eq!(statuses, [200, 500]);
    assert_eq!(alone.take(), ["Info x"]);
}

#[test]
fn a_repeated_request_gets_the_same_response_and_no_second_event() {
    let mut alone = Alone::new();
    let (_, tag) = alone.answered();
    alone.hear(&within("INFO", 2, &tag, "i2", "x"));
    alone.hear(&within("INFO", 2, &tag, "i2", "x"));
    let sent: Vec<_> = alone.sent.iter().map(|transmit| transmit.bytes.clone()).collect();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0], sent[1]);
    assert_eq!(alone.take(), ["Info x"]);
}

#[test]
fn a_target_refresh_moves_later_requests() {
    let mut alone = Alone::new();
    let (session, tag) = alone.answered();
    let update = within_with("UPDATE", 2, &tag, "u2", "Contact: <sip:moved@192.0.2.1:5099>\n", "");
    alone.hear(&update);
    assert_eq!(alone.response().status, 200);
    alone.act(|endpoint, now| endpoint.hang_up(now, session));
    let sent = alone.sent.pop().unwrap();
    assert_eq!(sent.flow.remote, address("192.0.2.1:5099"));
    assert_eq!(start_line(&sent.bytes), "BYE sip:moved@192.0.2.1:5099 SIP/2.0");
}

#[test]
fn a_private_contact_behind_a_nat_is_answered_where_it_spoke_from() {
    let mut alone = Alone::new();
    alone.flow.remote = address("198.51.100.7:40123");
    let nat = "Contact: <sip:phone@10.1.2.3:5060>\n";
    let text = request("INVITE", "b1", "", nat, "offer").replace("branch=", "rport;branch=");
    alone.hear(&text);
    let session = alone.events[0].session().unwrap();
    assert!(
        alone
            .sent
            .iter()
            .all(|transmit| transmit.flow.remote == alone.flow.remote),
        "RFC 3581"
    );
    alone.sent.clear();
    alone.act(|endpoint, now| endpoint.accept(now, session, Body::sdp("answer")));
    let response = alone.response();
    let via = response.top_via().unwrap();
    assert_eq!(
        (via.received(), via.rport()),
        (Some(alone.flow.remote.ip()), Some(Some(40123)))
    );
    alone.hear(&within("ACK", 1, &response.to_tag().unwrap(), "back", ""));
    alone.act(|endpoint, now| endpoint.hang_up(now, session));
    let bye = alone.sent.pop().unwrap();
    assert_eq!(bye.flow.remote, alone.flow.remote);
    assert_eq!(start_line(&bye.bytes), "BYE sip:phone@10.1.2.3:5060 SIP/2.0");
}

#[test]
fn a_nat_between_two_private_networks_is_seen_by_the_via() {
    let mut alone = Alone::new();
    alone.flow.remote = address("10.0.0.1:40123");
    let text = request("INVITE", "b1", "", "Contact: <sip:phone@192.168.1.5:5060>\n", "offer");
    alone.hear(
        &text
            .replace("UDP 192.0.2.1:5060", "UDP 192.168.1.5:5060")
            .replace("branch=", "rport;branch="),
    );
    let session = alone.events[0].session().unwrap();
    alone.sent.clear();
    alone.act(|endpoint, now| endpoint.accept(now, session, Body::sdp("answer")));
    let tag = alone.response().to_tag().unwrap();
    alone.hear(&within("ACK", 1, &tag, "back", ""));
    alone.act(|endpoint, now| endpoint.hang_up(now, session));
    assert_eq!(alone.sent.pop().unwrap().flow.remote, alone.flow.remote);
}

#[test]
fn without_rport_a_response_goes_to_the_port_in_the_via() {
    let mut alone = Alone::new();
    alone.flow.remote = address("192.0.2.1:39999");
    alone.hear(&request("OPTIONS", "o1", "", "", ""));
    assert_eq!(alone.sent[0].flow.remote, address("192.0.2.1:5060"));
}

#[test]
fn the_advertised_address_is_in_via_and_contact() {
    let advertised = address("203.0.113.5:5160");
    let local = address("192.0.2.2:5060");
    let addresses = [Transport::Udp, Transport::Tcp]
        .map(|transport| Address {
            transport,
            local,
            advertised,
        })
        .to_vec();
    let mut alone = Alone::with(Config {
        addresses,
        user_agent: Some("Nightdesk".into()),
        ..Config::default()
    });
    let (_, invite) = alone.calling();
    assert_eq!(invite.top_via().unwrap().host.to_string(), "203.0.113.5");
    assert_eq!(invite.top_via().unwrap().port, Some(5160));
    assert_eq!(invite.contact().unwrap().uri.to_wire(), "sip:203.0.113.5:5160");
    assert_eq!(invite.headers.text("User-Agent").as_deref(), Some("Nightdesk"));
    alone.flow.transport = Transport::Tcp;
    let (_, invite) = alone.calling();
    assert_eq!(invite.top_via().unwrap().transport, "TCP");
    assert_eq!(
        invite.contact().unwrap().uri.to_wire(),
        "sip:203.0.113.5:5160;transport=tcp"
    );
}

#[test]
fn no_user_agent_is_sent_unless_one_is_set() {
    let mut alone = Alone::new();
    let (_, invite) = alone.calling();
    assert!(!invite.headers.has("User-Agent"));
    alone.hear(&request("OPTIONS", "o1", "", "", ""));
    assert!(!alone.response().headers.has("Server"));
}

#[test]
fn an_invite_too_large_for_a_datagram_takes_tcp_and_comes_back_to_udp_when_that_fails() {
    let mut alone = Alone::new();
    let large = || Some(Body::sdp(vec![b'x'; 1400]));
    let (_, invite) = alone.calling_with(|invite| invite.body = large());
    assert_eq!(invite.top_via().unwrap().transport, "UDP", "not unless it is allowed");
    let mut wish = sip::Invite::new(alone.flow, uri("sip:a@192.0.2.1"), from());
    wish.body = large();
    wish.tcp_allowed = true;
    alone.act(|endpoint, now| endpoint.invite(now, wish));
    let sent = alone.sent.pop().unwrap();
    assert_eq!((sent.flow.transport, sent.flow.connection), (Transport::Tcp, None));
    let text = String::from_utf8_lossy(&sent.bytes).into_owned();
    assert!(
        text.contains("SIP/2.0/TCP") && text.contains(";transport=tcp"),
        "{text}"
    );
    alone.act(|endpoint, now| endpoint.handle_transport_failed(now, sent.flow));
    let again = alone.sent.pop().unwrap();
    assert_eq!(again.flow, alone.flow);
    let text = String::from_utf8_lossy(&again.bytes).into_owned();
    assert!(
        text.contains("SIP/2.0/UDP") && !text.contains("transport=tcp"),
        "{text}"
    );
    assert_eq!(alone.take(), [""; 0]);
    // Once only: the datagram's failure is the end.
    alone.act(|endpoint, now| endpoint.handle_transport_failed(now, again.flow));
    assert_eq!(alone.take(), ["Refused 503", "Refused 503"]);
}

#[test]
fn a_broken_stream_ends_what_was_not_answered_and_not_what_was() {
    let mut alone = Alone::new();
    alone.flow = Flow {
        transport: Transport::Tcp,
        connection: Some(9),
        ..alone.flow
    };
    let (session, _) = alone.answered();
    alone.hear(&invite("b2").replace("call-1", "call-2"));
    assert_eq!(alone.take(), ["Incoming offer"]);
    let flow = alone.flow;
    alone.act(|endpoint, now| endpoint.handle_transport_failed(now, flow));
    assert_eq!(alone.take(), ["Ended TransportFailed"]);
    alone.sent.clear();
    alone.act(|endpoint, now| endpoint.hang_up(now, session));
    let bye = alone.sent.pop().unwrap();
    assert_eq!(bye.flow.connection, None, "another connection is asked for");
    assert_eq!(
        bye.flow.remote,
        address("192.0.2.1:5060"),
        "where the Contact says it listens"
    );
    alone.act(|endpoint, now| endpoint.handle_transport_failed(now, bye.flow));
    alone.wait_ms(64_000);
    assert_eq!(alone.endpoint.counts(), Counts::default());
}

#[test]
fn a_bye_on_a_stream_that_had_closed_is_sent_over_a_new_one() {
    let mut alone = Alone::new();
    alone.flow = Flow {
        transport: Transport::Tcp,
        connection: Some(9),
        remote: address("192.0.2.1:40000"),
        ..alone.flow
    };
    let (session, _) = alone.answered();
    alone.act(|endpoint, now| endpoint.hang_up(now, session));
    let bye = alone.sent.pop().unwrap();
    assert_eq!(bye.flow, alone.flow, "the stream it came by");
    for expected in [1, 0] {
        let failed = Flow {
            connection: (expected == 1).then_some(9),
            ..alone.flow
        };
        alone.sent.clear();
        alone.act(|endpoint, now| endpoint.handle_transport_failed(now, failed));
        assert_eq!(alone.sent.len(), expected);
        if let Some(again) = alone.sent.first() {
            assert_eq!(
                (again.flow.remote, again.flow.connection),
                (address("192.0.2.1:5060"), None)
            );
            alone.flow = again.flow;
        }
    }
    alone.wait_ms(64_000);
    assert_eq!(alone.endpoint.counts(), Counts::default());
}

#[test]
fn a_caller_without_the_magic_cookie_is_matched_the_old_way() {
    let mut alone = Alone::new();
    let old = |text: String| text.replace(";branch=z9hG4bKb1", "");
    alone.hear(&old(invite("b1")));
    alone.hear(&old(invite("b1")));
    assert_eq!(alone.take(), ["Incoming offer"]);
    assert_eq!(alone.lines(), ["SIP/2.0 100 Trying", "SIP/2.0 100 Trying"]);
    alone.hear(&old(request("CANCEL", "b1", "", "", "")));
    assert_eq!(alone.lines(), ["SIP/2.0 200 OK", "SIP/2.0 487 Request Terminated"]);
    assert_eq!(alone.take(), ["Ended Cancelled"]);
    alone.hear(&old(request("ACK", "b1", ";tag=whatever", "", "")));
    alone.wait_ms(40_000);
    assert_eq!(alone.endpoint.counts(), Counts::default());
}
