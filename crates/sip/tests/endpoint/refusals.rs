//! Requests we do not serve, and how we say so (RFC 3261 §8.2).

use sip::{Counts, Ready, Refusal};

use super::world::*;

/// What one request gets, and which header says more.
fn refused(text: &str) -> (u16, sip::message::Response) {
    let mut alone = Alone::new();
    alone.hear(text);
    let response = alone.response();
    assert_eq!(alone.take(), [""; 0]);
    assert_eq!(alone.endpoint.counts(), Counts::default(), "a refusal keeps nothing");
    assert!(response.to_tag().is_some(), "RFC 3261 §8.2.6.2");
    (response.status.code(), response)
}

#[test]
fn each_fault_has_its_status() {
    const CONTACT: &str = "Contact: <sip:caller@192.0.2.1>\n";
    let table = [
        ("unknown method", request("FROB", "x", "", "", ""), 405),
        ("REFER outside a dialog", request("REFER", "x", "", "", ""), 405),
        (
            "REFER within nothing we know",
            request("REFER", "x", ";tag=none", "", ""),
            405,
        ),
        ("REGISTER", request("REGISTER", "x", "", "", ""), 405),
        (
            "MESSAGE",
            request("MESSAGE", "x", "", "Content-Type: text/plain\n", "hi"),
            405,
        ),
        (
            "SUBSCRIBE to a package",
            request("SUBSCRIBE", "x", "", "Event: message-summary\n", ""),
            489,
        ),
        ("SUBSCRIBE to nothing", request("SUBSCRIBE", "x", "", "", ""), 405),
        (
            "PUBLISH of a package",
            request("PUBLISH", "x", "", "o: presence\n", ""),
            489,
        ),
        ("NOTIFY", request("NOTIFY", "x", "", "Event: keep-alive\n", ""), 481),
        (
            "PRACK outside a dialog",
            request("PRACK", "x", "", "RAck: 1 1 INVITE\n", ""),
            481,
        ),
        ("UPDATE outside a dialog", request("UPDATE", "x", "", "", ""), 481),
        (
            "a body that is no session description",
            request(
                "INVITE",
                "x",
                "",
                &format!("{CONTACT}Content-Type: application/isup\n"),
                "zz",
            ),
            415,
        ),
        (
            "unknown extension",
            request("INVITE", "x", "", &format!("{CONTACT}Require: 100rel, foo\n"), ""),
            420,
        ),
        (
            "encoded body",
            request("INVITE", "x", "", &format!("{CONTACT}Content-Encoding: gzip\n"), "zz"),
            415,
        ),
        (
            "unknown scheme",
            request("INVITE", "x", "", CONTACT, "").replace("sip:desk@192.0.2.2 ", "im:desk "),
            416,
        ),
        (
            "no hops left",
            request("INVITE", "x", "", CONTACT, "").replace("Forwards: 70", "Forwards: 0"),
            483,
        ),
        ("no Contact", request("INVITE", "x", "", "", ""), 400),
        (
            "two Contacts",
            request("INVITE", "x", "", &format!("{CONTACT}{CONTACT}"), ""),
            400,
        ),
        ("BYE outside a dialog", request("BYE", "x", "", "", ""), 481),
        ("INFO outside a dialog", request("INFO", "x", "", "", ""), 481),
        ("CANCEL of nothing", request("CANCEL", "x", "", "", ""), 481),
        (
            "BYE of an unknown dialog",
            request("BYE", "x", ";tag=none", "", ""),
            481,
        ),
        (
            "re-INVITE of an unknown dialog",
            request("INVITE", "x", ";tag=none", CONTACT, ""),
            481,
        ),
        ("malformed", request("INVITE", "x", "", "Contact: <sip:\n", ""), 400),
        (
            "another version",
            request("INVITE", "x", "", CONTACT, "").replace("2 SIP/2.0\n", "2 SIP/7.0\n"),
            505,
        ),
    ];
    for (what, text, status) in &table {
        assert_eq!(refused(text).0, *status, "{what}");
    }
}

#[test]
fn a_refusal_says_what_would_have_been_understood() {
    let (_, response) = refused(&request("FROB", "x", "", "", ""));
    assert_eq!(
        response.headers.text("Allow").as_deref(),
        Some("INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE")
    );
    let (_, response) = refused(&request("INVITE", "x", "", "Require: 100rel, foo, timer, bar\n", ""));
    assert_eq!(response.headers.tokens("Unsupported"), ["foo", "bar"]);
    let (_, response) = refused(&request("OPTIONS", "x", "", "Content-Encoding: gzip\n", "zz"));
    assert_eq!(response.headers.text("Accept-Encoding").as_deref(), Some("identity"));
}

#[test]
fn what_is_for_proxies_or_may_be_ignored_is_no_reason_to_refuse() {
    for extra in [
        "Proxy-Require: foo\n",
        "Require: 100rel, timer\n",
        "Content-Type: application/isup\nContent-Disposition: signal; handling=optional\n",
    ] {
        let mut alone = Alone::new();
        alone.hear(&request(
            "INVITE",
            "x",
            "",
            &format!("Contact: <sip:caller@192.0.2.1>\n{extra}"),
            "zz",
        ));
        assert_eq!(alone.take().len(), 1, "{extra}");
    }
}

#[test]
fn a_request_of_ours_that_comes_straight_back_is_a_loop() {
    let mut alone = Alone::new();
    let (session, ours) = alone.calling();
    let bytes = ours.to_bytes();
    alone.hear_bytes(alone.flow, &bytes);
    assert_eq!(alone.response().status, 482);
    assert_eq!(alone.take(), [""; 0]);
    alone.act(|endpoint, now| endpoint.hang_up(now, session));
}

#[test]
fn a_stateless_refusal_is_the_same_for_every_copy() {
    let mut alone = Alone::new();
    let text = request("BYE", "x", ";tag=none", "", "");
    alone.hear(&text);
    alone.hear(&text);
    assert_eq!(alone.sent[0].bytes, alone.sent[1].bytes);
    let text = request("FROB", "x", "", "", "");
    alone.sent.clear();
    alone.hear(&text);
    alone.hear(&text);
    assert_eq!(alone.sent[0].bytes, alone.sent[1].bytes);
}

#[test]
fn options_tells_what_we_are() {
    let mut alone = Alone::new();
    alone.hear(&request("OPTIONS", "o1", "", "", ""));
    let response = alone.response();
    insta::assert_snapshot!(String::from_utf8(response.to_bytes()).unwrap().replace("\r\n", "\n"));
    alone.endpoint.set_ready(Ready::Draining { retry_after_s: 45 });
    alone.hear(&request("OPTIONS", "o2", "", "", ""));
    let response = alone.response();
    assert_eq!((response.status.code(), response.retry_after()), (503, Some(45)));
    // Closed, an INVITE is not ours to refuse.
    alone.endpoint.set_ready(Ready::Closed { retry_after_s: 46 });
    alone.hear(&request("OPTIONS", "o4", "", "", ""));
    let response = alone.response();
    assert_eq!((response.status.code(), response.retry_after()), (503, Some(46)));
    alone.invited();
    // No hops left is no reason not to answer what is asked of us (RFC 3261 §11).
    alone.endpoint.set_ready(Ready::Yes);
    alone.hear(&request("OPTIONS", "o3", "", "", "").replace("Forwards: 70", "Forwards: 0"));
    assert_eq!(alone.response().status, 200);
}

#[test]
fn the_same_request_by_another_path_is_482() {
    let mut alone = Alone::new();
    alone.invited();
    alone.sent.clear();
    alone.hear(&invite("b2"));
    assert_eq!(alone.response().status, 482);
    assert_eq!(alone.take(), [""; 0]);
    // The same path is a repetition: the last response again.
    alone.hear(&invite("b1"));
    assert_eq!(alone.lines(), ["SIP/2.0 100 Trying"]);
}

#[test]
fn our_own_invite_come_back_is_482() {
    let mut alone = Alone::new();
    let (_, ours) = alone.calling();
    let via = ours.top_via().unwrap().to_wire();
    let text = invite("loop").replace("Max-Forwards", &format!("Via: {via}\nMax-Forwards"));
    alone.hear(&text);
    assert_eq!(alone.response().status, 482);
}

#[test]
fn the_application_refuses_in_words() {
    let mut alone = Alone::new();
    let session = alone.invited();
    alone.sent.clear();
    let refusal = Refusal {
        retry_after_s: Some(9),
        warning: Some("say \"no\""),
        reason: Some("why"),
        status: 415,
    };
    alone.act(|endpoint, now| endpoint.refuse(now, session, refusal));
    let response = alone.response();
    assert_eq!((response.status.code(), response.retry_after()), (415, Some(9)));
    assert_eq!(
        response.headers.text("Warning").as_deref(),
        Some(r#"399 nightdesk "say \"no\"""#)
    );
    assert_eq!(
        response.headers.text("Reason").as_deref(),
        Some(r#"SIP;cause=415;text="why""#)
    );
    assert!(response.headers.has("Accept"));
    assert_eq!(alone.take(), ["Ended ByOurRefusal"]);
    // Repeated until the ACK, then quiet.
    alone.wait_ms(600);
    assert_eq!(alone.lines().len(), 1);
    alone.hear(&request(
        "ACK",
        "b1",
        &format!(";tag={}", response.to_tag().unwrap()),
        "",
        "",
    ));
    alone.wait_ms(60_000);
    assert_eq!(alone.lines(), [""; 0]);
    assert_eq!(alone.endpoint.counts(), Counts::default());
}

#[test]
fn refer_within_a_dialog_is_not_in_allow() {
    let mut alone = Alone::new();
    let (_, tag) = alone.answered();
    alone.hear(&within_with(
        "REFER",
        2,
        &tag,
        "r2",
        "Refer-To: <sip:elsewhere@example.com>\n",
        "",
    ));
    let response = alone.response();
    assert_eq!(response.status, 405);
    let allow = response.allow();
    assert!(allow.len() == 8 && !response.allow().iter().any(|method| method == "REFER"));
}

#[test]
fn an_info_package_we_did_not_ask_for_is_469() {
    let mut alone = Alone::new();
    let (_, tag) = alone.answered();
    alone.hear(&within_with("INFO", 2, &tag, "i2", "Info-Package: conference\n", "x"));
    assert_eq!(alone.response().status, 469);
    assert_eq!(alone.take(), [""; 0]);
}

#[test]
fn what_belongs_to_nothing_is_absorbed() {
    let mut alone = Alone::new();
    alone.hear(&request("ACK", "x", ";tag=none", "", ""));
    alone.hear("SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKnone\nFrom: <sip:a@b>;tag=1\nTo: <sip:c@d>;tag=2\nCall-ID: x\nCSeq: 1 INVITE\nContent-Length: 0\n\n");
    alone.hear("\n\n");
    alone.hear("nonsense");
    assert_eq!(alone.lines(), [""; 0]);
    assert_eq!(alone.take(), [""; 0]);
    assert_eq!(alone.endpoint.counts(), Counts::default());
}
