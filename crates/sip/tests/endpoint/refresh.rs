//! Session timers, both roles (RFC 4028).

use sip::{Body, Config, Counts, Event, SessionTimer};

use super::world::*;

fn inviting(headers: &str) -> String {
    request(
        "INVITE",
        "b1",
        "",
        &format!("Contact: <sip:caller@192.0.2.1:5060>\nContent-Type: application/sdp\n{headers}"),
        "offer",
    )
}

/// Hears an INVITE with these headers, accepts it and hears the ACK; gives the session, the 200 and our tag.
fn answered(alone: &mut Alone, headers: &str) -> (sip::SessionId, sip::message::Response, String) {
    alone.hear(&inviting(headers));
    let session = match alone.events.pop() {
        Some(Event::Incoming { session, .. }) => session,
        other => panic!("no call came in: {other:?}"),
    };
    alone.sent.clear();
    alone.act(|endpoint, now| endpoint.accept(now, session, Body::sdp("answer")));
    let response = alone.response();
    let tag = response.to_tag().unwrap();
    alone.hear(&within("ACK", 1, &tag, "back", ""));
    assert_eq!(alone.take(), ["Confirmed"]);
    (session, response, tag)
}

/// Places the usual call and has it answered with these headers.
fn called(alone: &mut Alone, headers: &[(&str, &str)]) -> (sip::SessionId, sip::message::Request) {
    let (session, invite) = alone.calling();
    let all: Vec<_> = headers.iter().copied().chain([CONTACT]).collect();
    alone.reply(&invite, 200, "b", &all, "answer");
    assert_eq!(alone.take(), ["Accepted answer"]);
    alone.sent.clear();
    (session, invite)
}

fn expires(headers: &sip::message::Headers) -> String {
    headers.text("Session-Expires").unwrap_or_default()
}

#[test]
fn a_callee_grants_what_is_asked_and_chooses_who_refreshes() {
    // (asked, granted, whether the answer insists)
    let table = [
        (
            "Supported: timer\nSession-Expires: 600;refresher=uac\n",
            "600;refresher=uac",
            true,
        ),
        (
            "Supported: timer\nSession-Expires: 600;refresher=uas\n",
            "600;refresher=uas",
            false,
        ),
        ("Supported: timer\nSession-Expires: 600\n", "600;refresher=uas", false),
        (
            "Require: timer\nSession-Expires: 600;refresher=uac\n",
            "600;refresher=uac",
            true,
        ),
        // Longer than we care to wait: shortened, though never below their minimum.
        ("Supported: timer\nSession-Expires: 7200\n", "1800;refresher=uas", false),
        (
            "Supported: timer\nSession-Expires: 7200\nMin-SE: 3600\n",
            "3600;refresher=uas",
            false,
        ),
        // Asked for nothing: it is ours to ask of who can.
        ("Supported: timer\n", "1800;refresher=uas", false),
        ("", "", false),
        // A proxy put it there: the caller himself cannot refresh.
        ("Session-Expires: 600;refresher=uac\n", "600;refresher=uas", false),
        // What carriers send, below the minimum, is taken.
        ("Supported: timer\nx: 30\n", "30;refresher=uas", false),
    ];
    for (asked, granted, insists) in table {
        let mut alone = Alone::new();
        let (_, response, _) = answered(&mut alone, asked);
        assert_eq!(expires(&response.headers), granted, "{asked}");
        assert_eq!(response.require().contains(&"timer".to_owned()), insists, "{asked}");
    }
}

#[test]
fn an_interval_too_short_is_422_and_keeps_nothing() {
    let mut alone = Alone::new();
    alone.hear(&inviting("Supported: timer\nSession-Expires: 29\n"));
    let response = alone.response();
    assert_eq!((response.status.code(), response.min_se()), (422, Some(90)));
    assert_eq!(alone.endpoint.counts(), Counts::default());
    // Whoever asks for a longer minimum gets it kept.
    let session_timer = SessionTimer {
        min_se_s: 600,
        ..SessionTimer::default()
    };
    let mut alone = Alone::with(Config {
        session_timer,
        ..Config::default()
    });
    alone.hear(&inviting("Supported: timer\nSession-Expires: 599\n"));
    let response = alone.response();
    assert_eq!((response.status.code(), response.min_se()), (422, Some(600)));
    let (_, response, tag) = answered(&mut alone, "Supported: timer\nSession-Expires: 600\n");
    assert_eq!(expires(&response.headers), "600;refresher=uas");
    alone.sent.clear();
    alone.hear(&within_with(
        "UPDATE",
        2,
        &tag,
        "u2",
        "Supported: timer\nSession-Expires: 90\n",
        "",
    ));
    assert_eq!(alone.response().status, 422);
}

#[test]
fn a_callee_that_refreshes_does_so_at_half_by_update() {
    let mut alone = Alone::new();
    let (_, _, _) = answered(
        &mut alone,
        "Supported: timer\nAllow: INVITE, UPDATE\nSession-Expires: 100\n",
    );
    alone.sent.clear();
    for round in 1..=3 {
        alone.wait_ms(49_999);
        assert_eq!(alone.lines(), [""; 0], "round {round}");
        alone.wait_ms(1);
        let update = alone.requests().remove(0);
        assert_eq!((update.method.as_str(), update.body.len()), ("UPDATE", 0));
        assert_eq!(
            expires(&update.headers),
            "100;refresher=uac",
            "who sends it is the UAC of it"
        );
        assert!(update.supported().contains(&"timer".to_owned()));
        alone.reply(
            &update,
            200,
            "theirs",
            &[("Session-Expires", "100;refresher=uac"), CONTACT],
            "",
        );
    }
    assert_eq!(alone.take(), [""; 0], "nobody need know");
}

#[test]
fn without_update_it_is_a_re_invite_with_the_same_offer() {
    let mut alone = Alone::new();
    let (_, _, _) = answered(
        &mut alone,
        "Supported: timer\nAllow: INVITE, BYE\nSession-Expires: 100\n",
    );
    alone.sent.clear();
    alone.wait_ms(50_000);
    let invite = alone.requests().remove(0);
    assert_eq!(
        (invite.method.as_str(), &invite.body[..]),
        ("INVITE", &b"answer"[..]),
        "what we said last"
    );
    // Their re-INVITE meanwhile is glare, as with any of ours.
    let tag = invite.from_tag().unwrap();
    alone.hear(&within("INVITE", 2, &tag, "i2", "theirs"));
    assert_eq!(alone.response().status, 491);
    alone.hear(&within("ACK", 2, &tag, "i2", ""));
    alone.reply(
        &invite,
        200,
        "theirs",
        &[("Session-Expires", "100;refresher=uac"), CONTACT],
        "offer",
    );
    assert!(alone.lines()[0].starts_with("ACK"));
    assert_eq!(alone.take(), [""; 0], "they said what they had said before");
    alone.wait_ms(50_000);
    let invite = alone.requests().remove(0);
    alone.reply(
        &invite,
        200,
        "theirs",
        &[("Session-Expires", "100;refresher=uac"), CONTACT],
        "changed",
    );
    assert_eq!(alone.take(), ["OfferAnswered 200 changed"]);
}

#[test]
fn an_update_they_do_not_take_after_all_becomes_a_re_invite() {
    let mut alone = Alone::new();
    answered(
        &mut alone,
        "Supported: timer\nAllow: INVITE, UPDATE\nSession-Expires: 100\n",
    );
    alone.sent.clear();
    alone.wait_ms(50_000);
    let update = alone.requests().remove(0);
    alone.reply(&update, 405, "theirs", &[], "");
    alone.wait_ms(0);
    let invite = alone.requests().remove(0);
    assert_eq!(invite.method.as_str(), "INVITE");
    alone.reply(&invite, 200, "theirs", &[("Session-Expires", "100"), CONTACT], "offer");
    alone.sent.clear();
    alone.wait_ms(50_000);
    assert_eq!(alone.requests()[0].method.as_str(), "INVITE", "it is remembered");
}

#[test]
fn a_session_nobody_refreshes_is_over() {
    // RFC 4028 §10: the lesser of 32 s and a third of the interval before it runs out.
    for (interval, ends_ms) in [(30, 20_000), (90, 60_000), (1_800, 1_768_000)] {
        let mut alone = Alone::new();
        let headers = format!("Supported: timer\nSession-Expires: {interval};refresher=uac\n");
        answered(&mut alone, &headers);
        alone.sent.clear();
        alone.wait_ms(ends_ms - 1);
        assert_eq!(alone.take(), [""; 0], "{interval}");
        alone.wait_ms(1);
        assert_eq!(alone.take(), ["Ended Expired"], "{interval}");
        assert!(alone.lines()[0].starts_with("BYE"));
        alone.wait_ms(64_000);
        assert_eq!(alone.endpoint.counts(), Counts::default());
    }
}

#[test]
fn their_refresh_keeps_it_alive_and_is_answered_inside() {
    let mut alone = Alone::new();
    let (session, _, tag) = answered(&mut alone, "Supported: timer\nSession-Expires: 90;refresher=uac\n");
    alone.sent.clear();
    for (cseq, method, body) in [
        (2, "UPDATE", ""),
        (3, "INVITE", "offer"),
        (4, "UPDATE", "offer"),
        (5, "INVITE", "offer"),
    ] {
        alone.wait_ms(59_000);
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\n"
        };
        let extra = format!(
            "Contact: <sip:caller@192.0.2.1:5060>\nSupported: timer\nSession-Expires: 90;refresher=uac\n{kind}"
        );
        alone.hear(&within_with(method, cseq, &tag, &format!("r{cseq}"), &extra, body));
        let response = alone.response();
        assert_eq!(response.status, 200, "{method}");
        assert_eq!(expires(&response.headers), "90;refresher=uac");
        assert!(response.require().contains(&"timer".to_owned()));
        let expected: &[u8] = if body.is_empty() { b"" } else { b"answer" };
        assert_eq!(response.body, expected, "the answer that stands");
        if method == "INVITE" {
            alone.hear(&within("ACK", cseq, &tag, &format!("a{cseq}"), ""));
        }
    }
    assert_eq!(alone.take(), [""; 0]);
    // What is not what they offered last is the application's.
    alone.hear(&within("INVITE", 6, &tag, "i6", "hold"));
    let offer = offer_of(&std::mem::take(&mut alone.events));
    alone.act(|endpoint, now| endpoint.answer_offer(now, session, offer, Body::sdp("held")));
    // No timer was asked for there, and none runs: nobody ends it.
    let response = alone.responses().remove(0);
    assert_eq!(expires(&response.headers), "");
    alone.hear(&within("ACK", 6, &tag, "a6", ""));
    alone.wait_ms(3_600_000);
    assert_eq!(alone.take(), [""; 0]);
    // A refresh of the hold is answered as the hold was.
    alone.sent.clear();
    alone.hear(&within("INVITE", 7, &tag, "i7", "hold"));
    assert_eq!(alone.responses()[0].body, b"held");
}

#[test]
fn refreshes_that_are_never_acknowledged_are_told_to_wait_before_they_pile_up() {
    let mut alone = Alone::new();
    let (_, _, tag) = answered(&mut alone, "Supported: timer\n");
    alone.sent.clear();
    for cseq in 2..30 {
        alone.hear(&within("INVITE", cseq, &tag, &format!("i{cseq}"), "offer"));
    }
    let statuses: Vec<u16> = alone
        .responses()
        .iter()
        .map(|response| response.status.code())
        .collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 8);
    assert!(statuses[8..].iter().all(|status| *status == 500), "{statuses:?}");
    alone.wait_ms(100_000);
    assert_eq!(alone.take(), ["Ended NoAck"]);
    assert_eq!(alone.endpoint.counts(), Counts::default());
}

#[test]
fn a_caller_asks_and_does_as_the_answer_says() {
    let mut alone = Alone::new();
    let (_, invite) = alone.calling();
    assert_eq!(expires(&invite.headers), "1800");
    assert!(!invite.headers.has("Min-SE"), "90 is what is meant without it");
    assert!(invite.supported().contains(&"timer".to_owned()));

    let mut alone = Alone::new();
    called(
        &mut alone,
        &[
            ("Session-Expires", "200;refresher=uac"),
            ("Require", "timer"),
            ("Allow", "UPDATE"),
        ],
    );
    alone.wait_ms(99_999);
    assert_eq!(alone.lines(), [""; 0]);
    alone.wait_ms(1);
    assert!(alone.lines()[0].starts_with("UPDATE"));

    let mut alone = Alone::new();
    called(&mut alone, &[("Session-Expires", "200;refresher=uas")]);
    alone.wait_ms(167_999);
    assert_eq!(alone.lines(), [""; 0]);
    alone.wait_ms(1);
    assert_eq!(alone.take(), ["Ended Expired"]);

    // Bandwidth's 30, without a refresher: it is ours, and nobody makes a fuss.
    let mut alone = Alone::new();
    called(&mut alone, &[("Session-Expires", "30")]);
    for _ in 0..3 {
        alone.wait_ms(15_000);
        let invite = alone.requests().remove(0);
        assert_eq!((invite.method.as_str(), &invite.body[..]), ("INVITE", &b"offer"[..]));
        alone.reply(&invite, 200, "b", &[("Session-Expires", "30"), CONTACT], "answer");
        alone.sent.clear();
    }
    assert_eq!(alone.take(), [""; 0]);

    let mut alone = Alone::new();
    called(&mut alone, &[]);
    alone.wait_ms(7_200_000);
    assert_eq!(
        (alone.lines(), alone.take()),
        (vec![], vec![]),
        "who answers without one has none"
    );
}

#[test]
fn a_422_is_asked_again_with_what_it_wants() {
    let mut alone = Alone::new();
    let timer = SessionTimer {
        expires_s: 600,
        ..SessionTimer::default()
    };
    let (_, first) = alone.calling_with(|invite| invite.session_timer = Some(timer));
    alone.reply(&first, 422, "p", &[("Min-SE", "900")], "");
    let second = alone.requests().remove(1);
    assert_eq!(
        (expires(&second.headers), second.min_se(), second.cseq().unwrap().number),
        ("900".into(), Some(900), 2)
    );
    assert_eq!(
        (second.call_id(), second.from_tag()),
        (first.call_id(), first.from_tag())
    );
    // One who is never content is not asked for ever.
    alone.reply(&second, 422, "p", &[("Min-SE", "900")], "");
    assert_eq!(alone.take(), ["Refused 422"]);
    let mut alone = Alone::new();
    let (_, invite) = alone.calling_with(|invite| invite.session_timer = Some(SessionTimer::OFF));
    assert_eq!(expires(&invite.headers), "");
}

#[test]
fn a_refresh_that_is_refused_leaves_the_session_until_it_runs_out() {
    let mut alone = Alone::new();
    called(
        &mut alone,
        &[("Session-Expires", "90;refresher=uac"), ("Allow", "UPDATE")],
    );
    let mut refused = 0;
    loop {
        alone.wait_ms(500);
        let requests = alone.requests();
        if alone.take() == ["Ended Expired"] {
            break;
        }
        for request in requests {
            if request.method.as_str() != "ACK" {
                refused += 1;
                alone.reply(&request, 503, "b", &[], "");
            }
        }
    }
    assert!((2..20).contains(&refused), "{refused}");

    for status in [408, 481] {
        let mut alone = Alone::new();
        called(
            &mut alone,
            &[("Session-Expires", "90;refresher=uac"), ("Allow", "UPDATE")],
        );
        alone.wait_ms(45_000);
        let update = alone.requests().remove(0);
        alone.reply(&update, status, "b", &[], "");
        assert_eq!(alone.take(), ["Ended TimedOut"], "{status}");
    }
    // Nobody there at all.
    let mut alone = Alone::new();
    called(
        &mut alone,
        &[("Session-Expires", "900;refresher=uac"), ("Allow", "UPDATE")],
    );
    alone.wait_ms(450_000 + 31_999);
    assert_eq!(alone.take(), [""; 0]);
    alone.wait_ms(1);
    assert_eq!(alone.take(), ["Ended TimedOut"]);
}

#[test]
fn refreshes_that_meet_wait_and_try_again() {
    let mut alone = Alone::new();
    called(&mut alone, &[("Session-Expires", "90;refresher=uac")]);
    alone.wait_ms(45_000);
    let invite = alone.requests().remove(0);
    alone.reply(&invite, 491, "b", &[], "");
    alone.sent.clear();
    alone.wait_ms(2_099);
    assert_eq!(alone.lines(), [""; 0], "the Call-ID is ours");
    alone.wait_ms(1_901);
    assert_eq!(alone.requests()[0].body, b"offer");
}

#[test]
fn an_offer_of_ours_refreshes_as_well() {
    let mut alone = Alone::new();
    let (session, _) = called(&mut alone, &[("Session-Expires", "90;refresher=uac")]);
    alone.wait_ms(40_000);
    alone
        .act(|endpoint, now| endpoint.reinvite(now, session, Body::sdp("hold")))
        .unwrap();
    let invite = alone.requests().remove(0);
    assert_eq!(expires(&invite.headers), "90;refresher=uac");
    alone.reply(
        &invite,
        200,
        "b",
        &[("Session-Expires", "90;refresher=uac"), CONTACT],
        "held",
    );
    alone.sent.clear();
    alone.wait_ms(44_999);
    assert_eq!(alone.lines(), [""; 0]);
    alone.wait_ms(1);
    assert_eq!(alone.requests()[0].body, b"hold", "what was said last");
}

#[test]
fn two_endpoints_keep_each_other_alive_for_a_day() {
    let mut world = World::fair();
    let (caller, callee) = world.established();
    world.run_ms(86_400_000);
    assert_eq!(
        (kinds(&world.take(CALLER)), kinds(&world.take(CALLEE))),
        (vec![], vec![])
    );
    let updates = world.trace.iter().filter(|line| line.contains("UPDATE")).count();
    assert_eq!(updates, 96 - 1, "one each fifteen minutes");
    assert!(
        world.trace.iter().all(|line| !line.contains("→ UPDATE")),
        "the callee chose to do it"
    );
    world.on(CALLEE, |side, now| side.hang_up(now, callee));
    world.run_ms(1_000);
    assert_eq!(kinds(&world.take(CALLER)), ["Ended ByTheirBye"]);
    let _ = caller;
    world.finish();
}

#[test]
fn a_far_end_that_has_vanished_is_noticed() {
    let mut world = World::fair();
    let (_, _) = world.established();
    // The caller's machine is gone: nothing it sends arrives any more.
    world.swallow.push(("", CALLER, usize::MAX));
    world.run_ms(900_000 + 40_000);
    assert_eq!(kinds(&world.take(CALLEE)), ["Ended TimedOut"]);
    world.swallow.clear();
    world.finish();
}
