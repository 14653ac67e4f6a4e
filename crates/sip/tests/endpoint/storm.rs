//! Seeded storms: whole calls with random wishes over a network that loses, doubles and reorders. Whatever happens, both
//! sides end, each session and each request is told so once, nothing is repeated but when its RFC says so (`World::is_in_time`),
//! and nothing is kept.
//!
//! `SIP_SEEDS=100000 cargo nextest run --release -p sip --test endpoint storm` is the long run. A failure names its seed, and
//! `SIP_FIRST_SEED` begins there.

use std::collections::BTreeMap;
use std::time::Duration;

use sip::message::{Method, Request};
use sip::{Body, Config, Event, Provisional, Refusal, Reliable, SessionId, SessionTimer, Transport};

use super::world::*;

/// Storms in a usual run.
const SEEDS: u64 = 3_000;

#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "how many storms is for whoever runs them to say, and only the environment reaches a test"
)]
fn storms_leave_nothing_behind() {
    let told = |name| std::env::var(name).ok().and_then(|number| number.parse::<u64>().ok());
    let seeds = told("SIP_SEEDS").unwrap_or(SEEDS);
    let first = told("SIP_FIRST_SEED").unwrap_or(0);
    let mut seen = BTreeMap::new();
    let mut repeated = 0;
    for seed in first..first + seeds {
        // The seed is the whole story: a failure prints it through the panic's message.
        let result = std::panic::catch_unwind(|| storm(seed));
        match result {
            Ok((told, again)) => {
                repeated += again;
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
        .filter(|kind| seen.get(**kind).is_none_or(|count| *count < 3))
        .collect();
    assert!(
        seeds < SEEDS || rare.is_empty(),
        "hardly ever seen: {rare:?} in {seen:#?}"
    );
    assert!(repeated > 0, "no timer was ever held to its instants");
    println!("{seeds} storms, {repeated} repetitions in time: {seen:#?}");
}

const OUTCOMES: [&str; 26] = [
    "Incoming",
    "Progress 180",
    "Progress 183",
    "Accepted",
    "Confirmed",
    "Refused 408",
    "Refused 422",
    "Refused 480",
    "Refused 486",
    "Refused 487",
    "Refused 503",
    "Refused 504",
    "Offered",
    "OfferAnswered 200",
    "OfferAnswered 488",
    "OfferAnswered 500",
    "Info",
    "Response 200",
    "Response 408",
    "Ended ByTheirBye",
    "Ended ByOurBye",
    "Ended Cancelled",
    "Ended ByOurRefusal",
    "Ended NoAck",
    "Ended TimedOut",
    "Ended Expired",
];

/// How the storm passes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Everybody hangs up.
    HangUp,
    /// The network falls silent for good, and nobody does anything: the timers alone must end every call.
    Blackout,
}

fn timer(chance: &mut Chance, end: End) -> SessionTimer {
    let expires_s = match (chance.below(4), end) {
        (0, End::HangUp) => 0,
        (1, _) => 30,
        (2, _) => 90,
        _ => 300,
    };
    let min_se_s = if chance.percent(20) { 120 } else { 90 };
    SessionTimer {
        expires_s,
        min_se_s,
        ..SessionTimer::default()
    }
}

/// One storm: what was told during it, and how many repetitions came in time.
fn storm(seed: u64) -> (Vec<String>, usize) {
    let mut chance = Chance::new(seed ^ 0xdead_beef);
    let transport = match chance.below(8) {
        0 => Transport::Tcp,
        1 => Transport::Tls,
        _ => Transport::Udp,
    };
    let weather = Weather {
        lost_percent: [0, 5, 20, 40, 60][usize::try_from(chance.below(5)).unwrap()],
        doubled_percent: chance.below(30),
        delay_ms: chance.below(300),
        jitter_ms: chance.below(900),
    };
    let end = if chance.percent(20) { End::Blackout } else { End::HangUp };
    let configs = [0, 1].map(|_| Config {
        session_timer: timer(&mut chance, end),
        ..Config::default()
    });
    let mut world = World::with(seed, transport, weather, configs);
    let mut open: [Vec<SessionId>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..=chance.below(3) {
        let side = usize::try_from(chance.below(2)).unwrap();
        let mut invite = world.plain_invite();
        invite.flow = world.flow(side);
        if chance.percent(20) {
            invite.body = None;
        }
        if chance.percent(20) {
            invite.headers.push(("Require".into(), "100rel".into()));
        }
        if chance.percent(10) {
            // An interval nobody grants.
            invite.session_timer = Some(SessionTimer {
                expires_s: 20,
                min_se_s: 20,
                tolerated_s: 10,
            });
        }
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
        if chance.percent(3) {
            world.ask(side, Request::new(Method::Options, uri("sip:192.0.2.1")));
        }
        if open[side].is_empty() {
            continue;
        }
        let session = open[side][usize::try_from(chance.below(open[side].len() as u64)).unwrap()];
        wish(&mut world, &mut chance, side, session);
    }
    if end == End::Blackout {
        for side in 0..2 {
            world.swallow.push(("", side, usize::MAX));
        }
        // 180 s to answer, 64*T1 more to be cancelled, or at most 300 s of session and 64*T1 for the BYE; the transactions then
        // fade in another 64*T1.
        world.run_ms(420_000);
        assert_eq!(world.counts(), [sip::Counts::default(); 2], "{:#?}", world.trace);
        world.finish();
        return (world.told, world.repeated);
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
            hang_up(&mut world, side, session);
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
    (world.told, world.repeated)
}

fn early_media(chance: &mut Chance) -> Provisional {
    Provisional {
        status: if chance.percent(50) { 183 } else { 180 },
        body: chance.percent(60).then(|| Body::sdp("early")),
        reliable: if chance.percent(80) {
            Reliable::IfSupported
        } else {
            Reliable::IfRequired
        },
    }
}

fn hear(world: &mut World, chance: &mut Chance, side: usize, open: &mut [Vec<SessionId>; 2]) {
    for event in world.take(side) {
        let Some(session) = event.session() else { continue };
        match event {
            Event::Incoming { .. } => {
                open[side].push(session);
                if chance.percent(40) {
                    world.on(side, |endpoint, now| endpoint.ring(now, session));
                }
                if chance.percent(50) {
                    let provisional = early_media(chance);
                    world.on(side, |endpoint, now| endpoint.progress(now, session, provisional));
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

/// One side wants to know what its BYEs come to, and is told exactly once.
fn hang_up(world: &mut World, side: usize, session: SessionId) {
    if side == 0 {
        world.hang_up_and_ask(side, session);
    } else {
        world.on(side, |endpoint, now| endpoint.hang_up(now, session));
    }
}

fn wish(world: &mut World, chance: &mut Chance, side: usize, session: SessionId) {
    match chance.below(12) {
        0 => hang_up(world, side, session),
        1 => world.on(side, |endpoint, now| endpoint.refuse(now, session, Refusal::of(486))),
        2 | 3 => world.on(side, |endpoint, now| endpoint.accept(now, session, Body::sdp("answer"))),
        4 => world.on(side, |endpoint, now| endpoint.ring(now, session)),
        5..=7 => {
            // Whether it fits is the endpoint's to say; the offer may well be the one made last.
            let offer = if chance.percent(50) { "offer" } else { "another offer" };
            let told = world.on(side, |endpoint, now| endpoint.reinvite(now, session, Body::sdp(offer)));
            if told.is_ok() {
                world.offered(side, session);
            }
        }
        8 => {
            let body = Body {
                content_type: "application/dtmf-relay".into(),
                bytes: b"Signal=1".to_vec(),
            };
            world.on(side, |endpoint, now| endpoint.info(now, session, body));
        }
        9 => {
            let flow = world.flow(side);
            if chance.percent(10) {
                world.on(side, |endpoint, now| endpoint.handle_transport_failed(now, flow));
            }
        }
        10 => {
            let provisional = early_media(chance);
            world.on(side, |endpoint, now| endpoint.progress(now, session, provisional));
        }
        _ => {}
    }
}
