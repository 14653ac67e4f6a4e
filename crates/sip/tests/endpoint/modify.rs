//! Offers within a session, and what happens when two meet.

use sip::{Body, Misuse};

use super::world::*;

fn offer(text: &str) -> Body {
    Body::sdp(text)
}

#[test]
fn hold_and_resume_both_ways() {
    let mut world = World::fair();
    let (caller, callee) = world.established();
    for (side, session, other, theirs) in [(CALLER, caller, CALLEE, callee), (CALLEE, callee, CALLER, caller)] {
        world
            .on(side, |endpoint, now| endpoint.reinvite(now, session, offer("hold")))
            .unwrap();
        world.run_ms(50);
        let events = world.take(other);
        assert_eq!(kinds(&events), ["Offered hold"]);
        let id = offer_of(&events);
        world.on(other, |endpoint, now| {
            endpoint.answer_offer(now, theirs, id, offer("held"))
        });
        world.run_ms(50);
        assert_eq!(kinds(&world.take(side)), ["OfferAnswered 200 held"]);
        world
            .on(side, |endpoint, now| endpoint.reinvite(now, session, offer("resume")))
            .unwrap();
        world.run_ms(50);
        let id = offer_of(&world.take(other));
        world.on(other, |endpoint, now| endpoint.refuse_offer(now, theirs, id, 488));
        world.run_ms(50);
        assert_eq!(kinds(&world.take(side)), ["OfferAnswered 488"]);
    }
    world.on(CALLER, |endpoint, now| endpoint.hang_up(now, caller));
    world.finish();
}

#[test]
fn glare_is_settled_by_waiting() {
    for seed in 0..50 {
        let mut world = World::new(seed, sip::Transport::Udp, Weather::FAIR);
        let (caller, callee) = world.established();
        world
            .on(CALLER, |endpoint, now| {
                endpoint.reinvite(now, caller, offer("from caller"))
            })
            .unwrap();
        world
            .on(CALLEE, |endpoint, now| {
                endpoint.reinvite(now, callee, offer("from callee"))
            })
            .unwrap();
        let mut told = [Vec::new(), Vec::new()];
        for _ in 0..600 {
            world.run_ms(10);
            for (side, session) in [(CALLER, caller), (CALLEE, callee)] {
                for event in world.take(side) {
                    if let sip::Event::Offered { offer: id, .. } = event {
                        world.on(side, |endpoint, now| {
                            endpoint.answer_offer(now, session, id, offer("yes"))
                        });
                    } else {
                        told[side].extend(kinds(&[event]));
                    }
                }
            }
        }
        assert_eq!(
            told,
            [["OfferAnswered 200 yes"], ["OfferAnswered 200 yes"]],
            "seed {seed}: {:#?}",
            world.trace
        );
        assert_eq!(world.trace.iter().filter(|line| line.contains("491")).count(), 2);
        world.on(CALLER, |endpoint, now| endpoint.hang_up(now, caller));
        world.finish();
    }
}

#[test]
fn the_owner_of_the_call_id_waits_longer_after_491() {
    let mut alone = Alone::new();
    let (session, invite) = alone.calling();
    alone.reply(&invite, 200, "b", &[CONTACT], "answer");
    alone
        .act(|endpoint, now| endpoint.reinvite(now, session, offer("hold")))
        .unwrap();
    let reinvite = alone.requests().pop().unwrap();
    alone.reply(&reinvite, 491, "b", &[], "");
    alone.sent.clear();
    alone.wait_ms(2_099);
    assert_eq!(alone.lines(), [""; 0]);
    alone.wait_ms(1_902);
    let again = alone.requests().remove(0);
    assert_eq!(
        (again.method.as_str(), again.cseq().unwrap().number, &again.body[..]),
        ("INVITE", 3, &b"hold"[..])
    );

    let mut alone = Alone::new();
    let (session, _) = alone.answered();
    alone
        .act(|endpoint, now| endpoint.reinvite(now, session, offer("hold")))
        .unwrap();
    let reinvite = alone.requests().pop().unwrap();
    alone.reply(&reinvite, 491, "b", &[], "");
    alone.sent.clear();
    alone.wait_ms(2_001);
    assert_eq!(alone.requests().remove(0).method.as_str(), "INVITE");
}

#[test]
fn glare_without_end_is_told() {
    let mut alone = Alone::new();
    let (session, _) = alone.answered();
    alone
        .act(|endpoint, now| endpoint.reinvite(now, session, offer("hold")))
        .unwrap();
    for _ in 0..7 {
        let reinvite = alone
            .requests()
            .into_iter()
            .find(|request| request.method.as_str() == "INVITE")
            .unwrap();
        alone.reply(&reinvite, 491, "theirs", &[], "");
        alone.wait_ms(2_001);
    }
    assert_eq!(alone.take(), ["OfferAnswered 491"]);
}

#[test]
fn a_re_invite_while_ours_is_pending_gets_491_and_while_theirs_is_gets_500() {
    let mut alone = Alone::new();
    let (session, tag) = alone.answered();
    alone
        .act(|endpoint, now| endpoint.reinvite(now, session, offer("ours")))
        .unwrap();
    let ours = alone.requests().pop().unwrap();
    for (method, cseq) in [("INVITE", 2), ("UPDATE", 3)] {
        alone.hear(&within(method, cseq, &tag, method, "theirs"));
        assert_eq!(alone.response().status, 491, "{method}");
    }
    alone.hear(&within("ACK", 2, &tag, "INVITE", ""));
    alone.reply(&ours, 200, "theirs", &[CONTACT], "fine");
    assert_eq!(alone.take(), ["OfferAnswered 200 fine"]);
    alone.sent.clear();
    alone.hear(&within("INVITE", 4, &tag, "i4", "theirs"));
    assert_eq!(alone.take(), ["Offered theirs"]);
    for (method, cseq) in [("INVITE", 5), ("UPDATE", 6)] {
        alone.sent.clear();
        alone.hear(&within(method, cseq, &tag, &format!("{method}5"), "more"));
        let response = alone.response();
        assert_eq!(response.status, 500, "{method}");
        assert!(
            response.retry_after().is_some_and(|seconds| seconds <= 10),
            "RFC 3261 §14.2"
        );
    }
}

#[test]
fn an_update_with_an_offer_is_answered_without_an_ack() {
    let mut alone = Alone::new();
    let (session, tag) = alone.answered();
    alone.hear(&within("UPDATE", 2, &tag, "u2", "hold"));
    let id = offer_of(&std::mem::take(&mut alone.events));
    alone.act(|endpoint, now| endpoint.answer_offer(now, session, id, offer("held")));
    let response = alone.response();
    assert_eq!((response.status.code(), &response.body[..]), (200, &b"held"[..]));
    assert!(response.contact().is_some());
    alone.wait_ms(31_000);
    assert_eq!(alone.lines(), [""; 0], "a 200 to UPDATE is not repeated");
    assert_eq!(alone.take(), [""; 0]);
}

#[test]
fn an_update_before_the_first_answer_is_told_to_wait() {
    let mut alone = Alone::new();
    let session = alone.invited();
    alone.sent.clear();
    alone.act(|endpoint, now| endpoint.ring(now, session));
    let tag = alone.response().to_tag().unwrap();
    alone.hear(&within("UPDATE", 2, &tag, "u2", "new offer"));
    let response = alone.response();
    assert_eq!(response.status, 500);
    assert!(response.retry_after().is_some());
    alone.hear(&within("UPDATE", 3, &tag, "u3", ""));
    assert_eq!(alone.response().status, 200);
}

#[test]
fn an_empty_re_invite_asks_for_our_offer_and_the_answer_comes_with_the_ack() {
    let mut alone = Alone::new();
    let (session, tag) = alone.answered();
    alone.hear(&within("INVITE", 2, &tag, "i2", ""));
    let events = std::mem::take(&mut alone.events);
    assert_eq!(kinds(&events), ["Offered"]);
    let id = offer_of(&events);
    alone.sent.clear();
    alone.act(|endpoint, now| endpoint.answer_offer(now, session, id, offer("ours")));
    assert_eq!(alone.response().body, b"ours");
    // Until the answer is here, another offer is glare.
    alone.hear(&within("UPDATE", 3, &tag, "u3", "theirs"));
    assert_eq!(alone.response().status, 491);
    alone.hear(&within("ACK", 2, &tag, "ack2", "their answer"));
    assert_eq!(alone.take(), ["OfferAnswered 200 their answer"]);
}

#[test]
fn an_offer_the_application_leaves_lying_is_refused() {
    let mut alone = Alone::new();
    let (session, tag) = alone.answered();
    alone.hear(&within("INVITE", 2, &tag, "i2", "hold"));
    let id = offer_of(&std::mem::take(&mut alone.events));
    alone.sent.clear();
    alone.wait_ms(10_000);
    assert_eq!(alone.responses()[0].status, 500);
    alone.hear(&within("ACK", 2, &tag, "i2", ""));
    alone.sent.clear();
    alone.act(|endpoint, now| endpoint.answer_offer(now, session, id, offer("late")));
    assert_eq!(alone.lines(), [""; 0]);
}

#[test]
fn a_re_invite_of_theirs_can_be_cancelled() {
    let mut alone = Alone::new();
    let (session, tag) = alone.answered();
    alone.hear(&within("INVITE", 2, &tag, "i2", "hold"));
    let id = offer_of(&std::mem::take(&mut alone.events));
    alone.sent.clear();
    alone.hear(&within("CANCEL", 2, &tag, "i2", ""));
    assert_eq!(alone.lines(), ["SIP/2.0 200 OK", "SIP/2.0 487 Request Terminated"]);
    alone.act(|endpoint, now| endpoint.answer_offer(now, session, id, offer("late")));
    assert_eq!(alone.lines(), [""; 0]);
    assert_eq!(alone.take(), [""; 0], "the session goes on");
}

#[test]
fn a_bye_during_their_re_invite_settles_both() {
    let mut alone = Alone::new();
    let (_, tag) = alone.answered();
    alone.hear(&within("INVITE", 2, &tag, "i2", "hold"));
    alone.events.clear();
    alone.sent.clear();
    alone.hear(&within("BYE", 3, &tag, "b3", ""));
    assert_eq!(alone.lines(), ["SIP/2.0 200 OK", "SIP/2.0 487 Request Terminated"]);
    assert_eq!(alone.take(), ["Ended ByTheirBye"]);
}

#[test]
fn a_dialog_they_no_longer_know_is_over() {
    let mut alone = Alone::new();
    let (session, _) = alone.answered();
    alone
        .act(|endpoint, now| endpoint.reinvite(now, session, offer("hold")))
        .unwrap();
    let reinvite = alone.requests().pop().unwrap();
    alone.reply(&reinvite, 481, "theirs", &[], "");
    assert_eq!(alone.take(), ["OfferAnswered 481", "Ended TimedOut"]);

    let mut alone = Alone::new();
    let (session, _) = alone.answered();
    alone
        .act(|endpoint, now| endpoint.reinvite(now, session, offer("hold")))
        .unwrap();
    alone.wait_ms(32_001);
    assert_eq!(alone.take(), ["OfferAnswered 408", "Ended TimedOut"]);
    assert!(alone.lines().iter().any(|line| line.starts_with("BYE")));
    alone.wait_ms(70_000);
    assert_eq!(alone.endpoint.counts(), sip::Counts::default());
}

#[test]
fn a_re_invite_that_rings_for_ever_is_given_up() {
    let mut alone = Alone::new();
    let (session, _) = alone.answered();
    alone
        .act(|endpoint, now| endpoint.reinvite(now, session, offer("hold")))
        .unwrap();
    let reinvite = alone.requests().pop().unwrap();
    alone.reply(&reinvite, 180, "theirs", &[], "");
    alone.wait_ms(181_000);
    assert_eq!(alone.take(), ["OfferAnswered 408", "Ended TimedOut"]);
    alone.wait_ms(70_000);
    assert_eq!(alone.endpoint.counts(), sip::Counts::default());
}

#[test]
fn a_bye_while_our_re_invite_has_only_a_provisional_leaves_nothing_behind() {
    let mut alone = Alone::new();
    let (session, _) = alone.answered();
    alone
        .act(|endpoint, now| endpoint.reinvite(now, session, offer("hold")))
        .unwrap();
    let reinvite = alone.requests().pop().unwrap();
    alone.reply(&reinvite, 100, "", &[], "");
    alone.act(|endpoint, now| endpoint.hang_up(now, session));
    let bye = alone.requests().pop().unwrap();
    alone.reply(&bye, 200, "theirs", &[], "");
    assert_eq!(alone.take(), ["Ended ByOurBye"]);
    alone.wait_ms(64_000);
    assert_eq!(alone.endpoint.counts(), sip::Counts::default());
}

#[test]
fn one_offer_of_ours_at_a_time() {
    let mut alone = Alone::new();
    let session = alone.invited();
    let reinvite = |alone: &mut Alone| alone.act(|endpoint, now| endpoint.reinvite(now, session, offer("x")));
    assert_eq!(reinvite(&mut alone), Err(Misuse::NotEstablished));
    alone.sent.clear();
    alone.act(|endpoint, now| endpoint.accept(now, session, offer("answer")));
    let tag = alone.response().to_tag().unwrap();
    // Before the ACK it waits, as RFC 3261 §14.1 wants.
    assert_eq!(reinvite(&mut alone), Ok(()));
    assert_eq!(alone.lines(), [""; 0]);
    assert_eq!(reinvite(&mut alone), Err(Misuse::OfferOutstanding));
    alone.hear(&within("ACK", 1, &tag, "back", ""));
    assert_eq!(alone.lines(), ["INVITE sip:caller@192.0.2.1:5060 SIP/2.0"]);
    alone.act(|endpoint, now| endpoint.hang_up(now, session));
    assert_eq!(reinvite(&mut alone), Err(Misuse::NoSession));
}
