//! Seeded storms: whole calls with random wishes over a network that loses, doubles and reorders. Whatever happens, both
//! sides end, each session is told so once, and nothing is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use sip::{Body, Event, Refusal, SessionId, Transport};

use super::world::*;

#[test]
fn two_thousand_storms_leave_nothing_behind() {
    let mut seen = BTreeMap::new();
    for seed in 0..2_000 {
        // The seed is the whole story: a failure prints it through the panic's message.
        let result = std::panic::catch_unwind(|| storm(seed));
        match result {
            Ok(told) => {
                for kind in told {
                    *seen.entry(kind).or_insert(0_u32) += 1;
                }
            }
            Err(cause) => {
                let text = cause.downcast_ref::<String>().cloned().unwrap_or_default();
                panic!("storm {seed}: {text}");
            }
        }
    }
    // A storm that never came to a branch would prove nothing about it.
    let rare: Vec<_> = OUTCOMES
        .iter()
        .filter(|kind| seen.get(**kind).is_none_or(|count| *count < 5))
        .collect();
    assert!(rare.is_empty(), "hardly ever seen: {rare:?} in {seen:#?}");
}

const OUTCOMES: [&str; 19] = [
    "Incoming",
    "Progress 180",
    "Accepted",
    "Confirmed",
    "Refused 408",
    "Refused 480",
    "Refused 486",
    "Refused 487",
    "Refused 503",
    "Offered",
    "OfferAnswered 200",
    "OfferAnswered 488",
    "Info",
    "Ended ByTheirBye",
    "Ended ByOurBye",
    "Ended Cancelled",
    "Ended ByOurRefusal",
    "Ended NoAck",
    "Ended TimedOut",
];

/// One storm, and what was told during it.
fn storm(seed: u64) -> Vec<String> {
    let mut chance = Chance::new(seed ^ 0xdead_beef);
    let transport = if chance.percent(25) {
        Transport::Tcp
    } else {
        Transport::Udp
    };
    let weather = Weather {
        lost_percent: [0, 5, 20, 40, 60][usize::try_from(chance.below(5)).unwrap()],
        doubled_percent: chance.below(30),
        delay_ms: chance.below(300),
        jitter_ms: chance.below(900),
    };
    let mut world = World::new(seed, transport, weather);
    let mut open: [Vec<SessionId>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..=chance.below(3) {
        let side = usize::try_from(chance.below(2)).unwrap();
        let mut invite = world.plain_invite();
        invite.flow = world.flow(side);
        let session = world.on(side, |endpoint, now| endpoint.invite(now, invite));
        open[side].push(session);
    }
    let steps = 20 + chance.below(60);
    for _ in 0..steps {
        let until = world.now + Duration::from_millis(chance.below(3_000));
        while world.step(until) {
            for side in 0..2 {
                hear(&mut world, &mut chance, side, &mut open);
            }
        }
        let side = usize::try_from(chance.below(2)).unwrap();
        if open[side].is_empty() {
            continue;
        }
        let session = open[side][usize::try_from(chance.below(open[side].len() as u64)).unwrap()];
        wish(&mut world, &mut chance, side, session);
    }
    if weather.lost_percent == 0 {
        // Where nothing is lost, every offer has been answered before long (the ringing limit is 180 s).
        let until = world.now + Duration::from_secs(400);
        while world.step(until) {
            for side in 0..2 {
                hear(&mut world, &mut chance, side, &mut open);
            }
        }
        world.no_offer_is_outstanding();
    }
    // In the end everybody hangs up.
    for (side, sessions) in open.into_iter().enumerate() {
        for session in sessions {
            world.on(side, |endpoint, now| endpoint.hang_up(now, session));
        }
    }
    let limit = world.now + Duration::from_secs(1_000);
    while world.step(limit) {
        for side in 0..2 {
            let late: Vec<SessionId> = world
                .take(side)
                .iter()
                .filter(|event| matches!(event, Event::Incoming { .. } | Event::Accepted { .. }))
                .filter_map(Event::session)
                .collect();
            for session in late {
                world.on(side, |endpoint, now| endpoint.hang_up(now, session));
            }
        }
    }
    world.finish();
    world.told
}

fn hear(world: &mut World, chance: &mut Chance, side: usize, open: &mut [Vec<SessionId>; 2]) {
    for event in world.take(side) {
        let Some(session) = event.session() else { continue };
        match event {
            Event::Incoming { .. } => {
                open[side].push(session);
                if chance.percent(60) {
                    world.on(side, |endpoint, now| endpoint.ring(now, session));
                }
                if chance.percent(40) {
                    world.on(side, |endpoint, now| endpoint.accept(now, session, Body::sdp("answer")));
                }
            }
            Event::Offered { offer, .. } => {
                if chance.percent(70) {
                    world.on(side, |endpoint, now| {
                        endpoint.answer_offer(now, session, offer, Body::sdp("answer"))
                    });
                } else if chance.percent(70) {
                    world.on(side, |endpoint, now| endpoint.refuse_offer(now, session, offer, 488));
                }
            }
            Event::Ended { .. } | Event::Refused { .. } => open[side].retain(|known| *known != session),
            _ => {}
        }
    }
}

fn wish(world: &mut World, chance: &mut Chance, side: usize, session: SessionId) {
    match chance.below(10) {
        0 => world.on(side, |endpoint, now| endpoint.hang_up(now, session)),
        1 => world.on(side, |endpoint, now| endpoint.refuse(now, session, Refusal::of(486))),
        2 | 3 => world.on(side, |endpoint, now| endpoint.accept(now, session, Body::sdp("answer"))),
        4 => world.on(side, |endpoint, now| endpoint.ring(now, session)),
        5 | 6 => {
            // Whether it fits is the endpoint's to say.
            let told = world.on(side, |endpoint, now| {
                endpoint.reinvite(now, session, Body::sdp("offer"))
            });
            if told.is_ok() {
                world.offered(side, session);
            }
        }
        7 => {
            let body = Body {
                content_type: "application/dtmf-relay".into(),
                bytes: b"Signal=1".to_vec(),
            };
            world.on(side, |endpoint, now| endpoint.info(now, session, body));
        }
        8 => {
            let flow = world.flow(side);
            if chance.percent(10) {
                world.on(side, |endpoint, now| endpoint.handle_transport_failed(now, flow));
            }
        }
        _ => {}
    }
}
