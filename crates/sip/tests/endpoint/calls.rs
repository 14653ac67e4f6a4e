//! Whole calls over a fair network: set up, talk, tear down.

use std::time::Duration;

use sip::{Body, Config, Ready, Refusal, Timers, Transport};

use super::world::*;

#[test]
fn a_call_is_answered_and_the_caller_hangs_up() {
    let mut world = World::fair();
    let caller = world.call();
    world.run_ms(100);
    let callee = world.incoming();
    world.on(CALLEE, |side, now| side.ring(now, callee));
    world.run_ms(1000);
    assert_eq!(kinds(&world.take(CALLER)), ["Progress 180"]);
    world.on(CALLEE, |side, now| side.accept(now, callee, Body::sdp("answer")));
    world.run_ms(1000);
    assert_eq!(kinds(&world.take(CALLER)), ["Accepted answer"]);
    assert_eq!(kinds(&world.take(CALLEE)), ["Confirmed"]);
    world.on(CALLER, |side, now| side.hang_up(now, caller));
    assert_eq!(kinds(&world.take(CALLER)), ["Ended ByOurBye"]);
    world.run_ms(100);
    assert_eq!(kinds(&world.take(CALLEE)), ["Ended ByTheirBye"]);
    insta::assert_snapshot!(world.trace.join("\n"));
    world.finish();
}

#[test]
fn whoever_asks_is_told_once_what_the_bye_came_to() {
    for (transport, swallowed, told) in [
        (Transport::Udp, "nothing", "Response 200"),
        (Transport::Tcp, "nothing", "Response 200"),
        (Transport::Udp, "SIP/2.0 200", "Response 408"),
    ] {
        let mut world = World::new(3, transport, Weather::FAIR);
        let (caller, _) = world.established();
        world.swallow.push((swallowed, CALLEE, usize::MAX));
        assert!(world.hang_up_and_ask(CALLER, caller));
        assert_eq!(kinds(&world.take(CALLER)), ["Ended ByOurBye"]);
        world.run_ms(33_000);
        assert_eq!(kinds(&world.take(CALLER)), [told], "{transport:?}");
        assert!(!world.hang_up_and_ask(CALLER, caller), "it is over");
        world.finish();
    }
}

#[test]
fn where_no_bye_leaves_nothing_is_told_of_it() {
    let mut world = World::fair();
    world.call();
    world.run_ms(100);
    let callee = world.incoming();
    assert!(!world.hang_up_and_ask(CALLEE, callee), "a refusal is no BYE");
    world.run_ms(100);
    assert_eq!(kinds(&world.take(CALLER)), ["Refused 480"]);
    assert_eq!(kinds(&world.take(CALLEE)), ["Ended ByOurRefusal"]);
    world.finish();
}

#[test]
fn over_a_stream_nothing_is_repeated() {
    let mut world = World::new(
        2,
        Transport::Tcp,
        Weather {
            delay_ms: 900,
            ..Weather::FAIR
        },
    );
    let _caller = world.call();
    world.run_ms(2000);
    let callee = world.incoming();
    world.on(CALLEE, |side, now| side.accept(now, callee, Body::sdp("answer")));
    world.run_ms(4000);
    world.on(CALLEE, |side, now| side.hang_up(now, callee));
    world.run_ms(4000);
    assert_eq!(kinds(&world.take(CALLER)), ["Accepted answer", "Ended ByTheirBye"]);
    // The 2xx alone is repeated on every transport (RFC 3261 §13.3.1.4).
    insta::assert_snapshot!(world.trace.join("\n"));
    world.finish();
}

#[test]
fn a_refusal_is_told_with_its_status() {
    let mut world = World::fair();
    world.call();
    world.run_ms(100);
    let callee = world.incoming();
    let refusal = Refusal {
        retry_after_s: Some(7),
        warning: Some("no \"line\" free"),
        reason: Some("busy"),
        ..Refusal::of(486)
    };
    world.on(CALLEE, |side, now| side.refuse(now, callee, refusal));
    world.run_ms(100);
    assert_eq!(kinds(&world.take(CALLER)), ["Refused 486"]);
    assert_eq!(kinds(&world.take(CALLEE)), ["Ended ByOurRefusal"]);
    world.finish();
}

#[test]
fn the_callee_makes_the_offer_when_the_invite_has_none() {
    let mut world = World::fair();
    let mut invite = world.plain_invite();
    invite.body = None;
    let caller = world.on(CALLER, |side, now| side.invite(now, invite));
    world.run_ms(100);
    assert_eq!(kinds(&world.events[CALLEE]), ["Incoming"]);
    let callee = world.incoming();
    world.on(CALLEE, |side, now| side.accept(now, callee, Body::sdp("late offer")));
    world.run_ms(100);
    // The ACK waits for the caller's answer, however often the 200 is repeated.
    let events = world.take(CALLER);
    assert_eq!(kinds(&events), ["Accepted", "Offered late offer"]);
    let offer = offer_of(&events[1..]);
    world.run_ms(3_000);
    assert_eq!(kinds(&world.take(CALLEE)), [""; 0]);
    world.on(CALLER, |side, now| {
        side.answer_offer(now, caller, offer, Body::sdp("late answer"))
    });
    world.run_ms(100);
    assert_eq!(kinds(&world.take(CALLEE)), ["Confirmed late answer"]);
    world.on(CALLER, |side, now| side.hang_up(now, caller));
    world.finish();
}

#[test]
fn a_late_offer_that_is_refused_or_left_lying_is_acknowledged_and_hung_up() {
    for refuse in [true, false] {
        let mut world = World::fair();
        let mut invite = world.plain_invite();
        invite.body = None;
        let caller = world.on(CALLER, |side, now| side.invite(now, invite));
        world.run_ms(100);
        let callee = world.incoming();
        world.on(CALLEE, |side, now| side.accept(now, callee, Body::sdp("late offer")));
        world.run_ms(100);
        let offer = offer_of(&world.take(CALLER)[1..]);
        if refuse {
            world.on(CALLER, |side, now| side.refuse_offer(now, caller, offer, 488));
        } else {
            world.run_ms(10_000);
        }
        world.run_ms(100);
        assert_eq!(kinds(&world.take(CALLER)), ["Ended ByOurBye"]);
        assert_eq!(kinds(&world.take(CALLEE)), ["Confirmed", "Ended ByTheirBye"]);
        world.finish();
    }
}

#[test]
fn nobody_there_is_a_408_after_64_t1() {
    let mut world = World::fair();
    world.swallow.push(("INVITE", CALLER, usize::MAX));
    world.call();
    world.run_ms(31_999);
    assert_eq!(kinds(&world.take(CALLER)), [""; 0]);
    world.run_ms(2);
    assert_eq!(kinds(&world.take(CALLER)), ["Refused 408"]);
    world.finish();
}

#[test]
fn an_info_crosses_and_is_answered() {
    let mut world = World::fair();
    let (caller, callee) = world.established();
    let digit = || Body {
        content_type: "application/dtmf-relay".into(),
        bytes: b"Signal=5".to_vec(),
    };
    world.on(CALLER, |side, now| side.info(now, caller, digit()));
    world.on(CALLEE, |side, now| side.info(now, callee, digit()));
    world.run_ms(100);
    assert_eq!(kinds(&world.take(CALLER)), ["Info Signal=5"]);
    assert_eq!(kinds(&world.take(CALLEE)), ["Info Signal=5"]);
    world.on(CALLEE, |side, now| side.hang_up(now, callee));
    world.finish();
}

#[test]
fn draining_turns_new_calls_away_and_lets_the_others_go_on() {
    let mut world = World::fair();
    let (caller, callee) = world.established();
    world.sides[CALLEE].set_ready(Ready::Draining { retry_after_s: 20 });
    world.call();
    world.run_ms(100);
    assert_eq!(kinds(&world.take(CALLER)), ["Refused 503"]);
    assert_eq!(kinds(&world.take(CALLEE)), [""; 0]);
    world.on(CALLER, |side, now| {
        side.reinvite(now, caller, Body::sdp("hold")).expect("established")
    });
    world.run_ms(100);
    let offer = offer_of(&world.take(CALLEE));
    world.on(CALLEE, |side, now| {
        side.answer_offer(now, callee, offer, Body::sdp("held"))
    });
    world.run_ms(100);
    assert_eq!(kinds(&world.take(CALLER)), ["OfferAnswered 200 held"]);
    world.on(CALLER, |side, now| side.hang_up(now, caller));
    world.finish();
}

#[test]
fn a_call_nobody_answers_is_refused_in_the_end() {
    let mut world = World::fair();
    world.call();
    world.run_ms(100);
    let callee = world.incoming();
    world.on(CALLEE, |side, now| side.ring(now, callee));
    world.run_ms(179_000);
    // RFC 3261 §13.3.1.1: the 180 is repeated each minute.
    assert_eq!(
        kinds(&world.take(CALLER)),
        ["Progress 180", "Progress 180", "Progress 180"]
    );
    world.run_ms(2_000);
    assert_eq!(kinds(&world.take(CALLEE)), ["Ended ByOurRefusal"]);
    assert_eq!(kinds(&world.take(CALLER)), ["Refused 480"]);
    world.finish();
}

#[test]
fn a_phone_that_rings_without_a_sign_of_life_is_cancelled() {
    let mut world = World::fair();
    world.call();
    world.run_ms(100);
    world.incoming();
    // 100 came at once; then nothing for three minutes. Both give up at about the same time and neither leaks.
    world.run_ms(200_000);
    let told = kinds(&world.take(CALLER));
    assert!(
        told == ["Refused 408"] || told == ["Refused 480"] || told == ["Refused 487"],
        "{told:?}"
    );
    world.finish();
}

#[test]
fn shorter_timers_shorten_everything_in_proportion() {
    let timers = Timers {
        t1: Duration::from_millis(5),
        t2: Duration::from_millis(40),
        t4: Duration::from_millis(50),
        ..Timers::default()
    };
    let mut alone = Alone::with(Config {
        timers,
        ..Config::default()
    });
    let session = alone.invited();
    alone.act(|endpoint, now| endpoint.accept(now, session, Body::sdp("answer")));
    alone.wait_ms(319);
    assert_eq!(alone.take(), [""; 0]);
    alone.wait_ms(1);
    assert_eq!(alone.take(), ["Ended NoAck"]);
    alone.wait_ms(700);
    assert_eq!(alone.endpoint.counts(), sip::Counts::default());
}
