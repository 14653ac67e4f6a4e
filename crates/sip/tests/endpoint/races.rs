//! What meets on the wire: CANCEL and 200, BYE and BYE, lost 200s and ACKs, forks.

use sip::{Body, Transport};

use super::world::*;

#[test]
fn a_cancel_sent_at_any_instant_ends_both_sides() {
    // The callee rings at 20 ms and answers at 100 ms; the caller hangs up at any instant around that.
    for hang_up_ms in 1..160 {
        for transport in [Transport::Udp, Transport::Tcp] {
            let mut world = World::new(hang_up_ms, transport, Weather::FAIR);
            let caller = world.call();
            let start = world.now;
            let mut callee = None;
            for ms in 1..=400 {
                world.run_ms(1);
                let at = u64::try_from(world.now.duration_since(start).as_millis()).unwrap();
                assert_eq!(at, ms);
                if ms == 15 {
                    callee = Some(world.incoming());
                }
                let Some(callee) = callee else {
                    if ms == hang_up_ms {
                        world.on(CALLER, |side, now| side.hang_up(now, caller));
                    }
                    continue;
                };
                if ms == 20 {
                    world.on(CALLEE, |side, now| side.ring(now, callee));
                }
                if ms == 100 {
                    world.on(CALLEE, |side, now| side.accept(now, callee, Body::sdp("answer")));
                }
                if ms == hang_up_ms {
                    world.on(CALLER, |side, now| side.hang_up(now, caller));
                }
            }
            let told: Vec<_> = kinds(&world.take(CALLER))
                .into_iter()
                .filter(|kind| !kind.starts_with("Prog"))
                .collect();
            let theirs = kinds(&world.take(CALLEE));
            let told: Vec<&str> = told.iter().map(String::as_str).collect();
            let theirs: Vec<&str> = theirs.iter().map(String::as_str).collect();
            match hang_up_ms {
                1..=90 => assert_eq!(
                    (told, theirs),
                    (vec!["Refused 487"], vec!["Ended Cancelled"]),
                    "{hang_up_ms}"
                ),
                // The CANCEL and the 200 cross: the caller acknowledges and hangs up.
                91..=109 => {
                    assert_eq!(told, ["Refused 487"], "{hang_up_ms}");
                    assert_eq!(theirs, ["Confirmed", "Ended ByTheirBye"], "{hang_up_ms}");
                }
                _ => {
                    assert_eq!(told, ["Accepted answer", "Ended ByOurBye"], "{hang_up_ms}");
                    assert_eq!(theirs, ["Confirmed", "Ended ByTheirBye"], "{hang_up_ms}");
                }
            }
            world.finish();
        }
    }
}

#[test]
fn no_cancel_before_a_provisional_response() {
    let mut world = World::fair();
    world.swallow.push(("SIP/2.0 1", CALLEE, 3));
    let caller = world.call();
    world.on(CALLER, |side, now| side.hang_up(now, caller));
    world.run_ms(1000);
    assert!(
        !world.trace.iter().any(|line| line.contains("CANCEL")),
        "{:#?}",
        world.trace
    );
    world.run_ms(5000);
    assert_eq!(
        world.trace.iter().filter(|line| line.contains("CANCEL")).count(),
        1,
        "{:#?}",
        world.trace
    );
    assert_eq!(kinds(&world.take(CALLER)), ["Refused 487"]);
    world.finish();
}

#[test]
fn an_answer_to_our_cancel_that_never_comes_is_not_waited_for() {
    let mut world = World::fair();
    let caller = world.call();
    world.run_ms(100);
    world.swallow.push(("SIP/2.0", CALLEE, usize::MAX));
    world.on(CALLER, |side, now| side.hang_up(now, caller));
    world.run_ms(31_900);
    assert_eq!(kinds(&world.take(CALLER)), [""; 0]);
    world.run_ms(200);
    assert_eq!(kinds(&world.take(CALLER)), ["Refused 487"]);
    world.finish();
}

#[test]
fn a_lost_200_is_repeated_until_it_arrives() {
    let mut world = World::fair();
    world.call();
    world.run_ms(100);
    let callee = world.incoming();
    world.swallow.push(("SIP/2.0 200", CALLEE, 5));
    world.on(CALLEE, |side, now| side.accept(now, callee, Body::sdp("answer")));
    // T1, 2 T1, 4 T1, 8 T1 = T2, T2: the sixth copy leaves after 11.5 s.
    world.run_ms(11_400);
    assert_eq!(kinds(&world.take(CALLER)), [""; 0]);
    world.run_ms(200);
    assert_eq!(kinds(&world.take(CALLER)), ["Accepted answer"]);
    assert_eq!(kinds(&world.take(CALLEE)), ["Confirmed"]);
    world.on(CALLEE, |side, now| side.hang_up(now, callee));
    world.finish();
}

#[test]
fn a_lost_ack_is_sent_again_for_each_200() {
    let mut world = World::fair();
    let caller = world.call();
    world.run_ms(100);
    let callee = world.incoming();
    world.swallow.push(("ACK", CALLER, 3));
    world.on(CALLEE, |side, now| side.accept(now, callee, Body::sdp("answer")));
    world.run_ms(8_000);
    assert_eq!(kinds(&world.take(CALLER)), ["Accepted answer"]);
    assert_eq!(kinds(&world.take(CALLEE)), ["Confirmed"]);
    world.on(CALLER, |side, now| side.hang_up(now, caller));
    world.finish();
}

#[test]
fn an_ack_that_never_comes_ends_in_a_bye() {
    let mut world = World::fair();
    world.call();
    world.run_ms(100);
    let callee = world.incoming();
    world.swallow.push(("ACK", CALLER, usize::MAX));
    world.on(CALLEE, |side, now| side.accept(now, callee, Body::sdp("answer")));
    world.run_ms(31_900);
    assert_eq!(kinds(&world.take(CALLEE)), [""; 0]);
    world.run_ms(200);
    assert_eq!(kinds(&world.take(CALLEE)), ["Ended NoAck"]);
    assert_eq!(kinds(&world.take(CALLER)), ["Accepted answer", "Ended ByTheirBye"]);
    world.finish();
}

#[test]
fn hanging_up_before_the_ack_waits_for_it() {
    let mut world = World::fair();
    world.call();
    world.run_ms(100);
    let callee = world.incoming();
    world.on(CALLEE, |side, now| side.accept(now, callee, Body::sdp("answer")));
    world.on(CALLEE, |side, now| side.hang_up(now, callee));
    assert!(!world.trace.iter().any(|line| line.contains("BYE")));
    world.run_ms(100);
    assert_eq!(kinds(&world.take(CALLEE)), ["Confirmed", "Ended ByOurBye"]);
    assert_eq!(kinds(&world.take(CALLER)), ["Accepted answer", "Ended ByTheirBye"]);
    world.finish();
}

#[test]
fn both_hang_up_at_once() {
    let mut world = World::fair();
    let (caller, callee) = world.established();
    world.on(CALLER, |side, now| side.hang_up(now, caller));
    world.on(CALLEE, |side, now| side.hang_up(now, callee));
    world.run_ms(100);
    assert_eq!(kinds(&world.take(CALLER)), ["Ended ByOurBye"]);
    assert_eq!(kinds(&world.take(CALLEE)), ["Ended ByOurBye"]);
    assert!(
        !world.trace.iter().any(|line| line.contains("481")),
        "{:#?}",
        world.trace
    );
    world.finish();
}

#[test]
fn the_caller_hangs_up_before_its_ack_has_arrived() {
    let mut world = World::fair();
    let caller = world.call();
    world.run_ms(100);
    let callee = world.incoming();
    world.swallow.push(("ACK", CALLER, usize::MAX));
    world.on(CALLEE, |side, now| side.accept(now, callee, Body::sdp("answer")));
    world.run_ms(50);
    world.on(CALLER, |side, now| side.hang_up(now, caller));
    world.run_ms(100);
    assert_eq!(kinds(&world.take(CALLEE)), ["Ended ByTheirBye"]);
    world.finish();
}

#[test]
fn a_caller_may_end_an_early_dialog_with_bye() {
    let mut alone = Alone::new();
    let session = alone.invited();
    alone.sent.clear();
    alone.act(|endpoint, now| endpoint.ring(now, session));
    let tag = alone.response().to_tag().unwrap();
    alone.hear(&within("BYE", 2, &tag, "bye", ""));
    let statuses: Vec<u16> = alone
        .responses()
        .iter()
        .map(|response| response.status.code())
        .collect();
    assert_eq!(statuses, [200, 487]);
    assert_eq!(alone.take(), ["Ended ByTheirBye"]);
}

#[test]
fn further_forks_are_acknowledged_and_hung_up() {
    let mut alone = Alone::new();
    let (session, invite) = alone.calling();
    alone.reply(&invite, 180, "one", &[CONTACT], "");
    alone.reply(&invite, 183, "two", &[CONTACT], "early");
    assert_eq!(alone.take(), ["Progress 180", "Progress 183 early"]);
    alone.reply(&invite, 200, "two", &[CONTACT], "answer");
    assert_eq!(alone.take(), ["Accepted answer"]);
    assert_eq!(alone.lines(), ["ACK sip:peer@192.0.2.1:5060 SIP/2.0"]);
    alone.reply(&invite, 200, "one", &[CONTACT], "answer");
    let requests = alone.requests();
    let named: Vec<_> = requests
        .iter()
        .map(|request| (request.method.as_str(), request.to_tag().unwrap()))
        .collect();
    assert_eq!(named, [("ACK", "one".to_owned()), ("BYE", "one".to_owned())]);
    assert_eq!(requests[1].cseq().unwrap().number, 2);
    alone.reply(&requests[1], 200, "one", &[], "");
    // Each 2xx repeated gets its own ACK again, and no second BYE.
    alone.reply(&invite, 200, "one", &[CONTACT], "answer");
    alone.reply(&invite, 200, "two", &[CONTACT], "answer");
    let tags: Vec<_> = alone
        .requests()
        .iter()
        .map(|request| (request.method.clone(), request.to_tag().unwrap()))
        .collect();
    assert_eq!(
        tags,
        [
            (sip::message::Method::Ack, "one".to_owned()),
            (sip::message::Method::Ack, "two".to_owned())
        ]
    );
    assert_eq!(alone.take(), [""; 0]);
    alone.act(|endpoint, now| endpoint.hang_up(now, session));
    let bye = alone.requests().remove(0);
    assert_eq!(bye.to_tag().unwrap(), "two");
    alone.reply(&bye, 200, "two", &[], "");
    assert_eq!(alone.take(), ["Ended ByOurBye"]);
    alone.wait_ms(64_000);
    assert_eq!(alone.endpoint.counts(), sip::Counts::default());
}

#[test]
fn a_fork_that_answers_after_we_hung_up_is_hung_up_too() {
    let mut alone = Alone::new();
    let (session, invite) = alone.calling();
    alone.reply(&invite, 200, "one", &[CONTACT], "answer");
    alone.act(|endpoint, now| endpoint.hang_up(now, session));
    let bye = alone
        .requests()
        .into_iter()
        .find(|request| request.method.as_str() == "BYE")
        .unwrap();
    alone.reply(&bye, 200, "one", &[], "");
    alone.wait_ms(10_000);
    alone.reply(&invite, 200, "late", &[CONTACT], "answer");
    let methods: Vec<_> = alone
        .requests()
        .iter()
        .map(|request| request.method.to_string())
        .collect();
    assert_eq!(methods, ["ACK", "BYE"]);
}

#[test]
fn an_answer_after_our_cancel_is_acknowledged_and_hung_up() {
    let mut alone = Alone::new();
    let (session, invite) = alone.calling();
    alone.reply(&invite, 180, "one", &[CONTACT], "");
    alone.act(|endpoint, now| endpoint.hang_up(now, session));
    let cancel = alone.requests().remove(0);
    assert_eq!(cancel.method.as_str(), "CANCEL");
    // RFC 3261 §9.1: the same Via branch, CSeq number and Request-URI as the INVITE, and no To tag.
    assert_eq!(cancel.top_via().unwrap().branch(), invite.top_via().unwrap().branch());
    assert_eq!(cancel.cseq().unwrap().number, 1);
    assert_eq!((cancel.uri.clone(), cancel.to_tag()), (invite.uri.clone(), None));
    alone.reply(&cancel, 200, "one", &[], "");
    alone.reply(&invite, 200, "one", &[CONTACT], "answer");
    let methods: Vec<_> = alone
        .requests()
        .iter()
        .map(|request| request.method.to_string())
        .collect();
    assert_eq!(methods, ["ACK", "BYE"]);
    assert_eq!(alone.take(), ["Progress 180", "Refused 487"]);
}

#[test]
fn a_cancel_after_the_200_changes_nothing() {
    let mut alone = Alone::new();
    let (_, _) = alone.answered();
    alone.hear(&request("CANCEL", "b1", "", "", ""));
    assert_eq!(alone.response().status, 200);
    assert_eq!(alone.take(), [""; 0]);
}
