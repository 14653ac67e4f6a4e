//! A flood finds an end to what we keep.

use std::time::Duration;

use sip::{Config, Counts, Flow, Limits, Refusal};

use super::world::*;

fn limited() -> Alone {
    let limits = Limits {
        sessions_max: 40,
        transactions_max: 60,
        pending_per_source_max: 10,
        ..Limits::default()
    };
    Alone::with(Config {
        limits,
        ..Config::default()
    })
}

fn flood(alone: &mut Alone, from: usize, calls: std::ops::Range<usize>) {
    let flow = Flow {
        remote: address(&format!("198.51.100.{from}:5060")),
        ..alone.flow
    };
    for call in calls {
        alone.hear_on(
            flow,
            &invite(&format!("f{from}x{call}")).replace("call-1", &format!("flood-{from}-{call}")),
        );
    }
}

#[test]
fn one_source_cannot_take_every_place() {
    let mut alone = limited();
    flood(&mut alone, 1, 0..50);
    assert_eq!(
        alone.endpoint.counts(),
        Counts {
            transactions: 10,
            dialogs: 10,
            sessions: 10,
            requests: 0,
        }
    );
    let refusals = alone.responses();
    assert_eq!(refusals.len(), 40);
    assert!(
        refusals
            .iter()
            .all(|response| response.status == 503 && response.retry_after() == Some(5))
    );
    // Another source is served.
    flood(&mut alone, 2, 0..1);
    assert_eq!(alone.endpoint.counts().sessions, 11);
    // What has been answered no longer counts as pending.
    let answered = alone.events[0].session().unwrap();
    alone.act(|endpoint, now| endpoint.refuse(now, answered, Refusal::of(404)));
    flood(&mut alone, 1, 50..52);
    assert_eq!(alone.endpoint.counts().sessions, 11);
}

#[test]
fn a_flood_from_everywhere_stops_at_the_limit_and_fades() {
    let mut alone = limited();
    for round in 0..20 {
        for source in 1..=20 {
            flood(&mut alone, source, round * 10..round * 10 + 10);
        }
        let counts = alone.endpoint.counts();
        assert!(
            counts.sessions <= 40 && counts.dialogs <= 40 && counts.transactions <= 60,
            "{counts:?}"
        );
    }
    alone.wait_ms(300_000);
    assert_eq!(alone.endpoint.counts(), Counts::default());
}

#[test]
fn other_requests_cannot_grow_it_either() {
    let mut alone = limited();
    let (_, tag) = alone.answered();
    for round in 0..500_u32 {
        alone.hear(&within("INFO", round + 2, &tag, &format!("i{round}"), ""));
        alone.hear(&request("OPTIONS", &format!("o{round}"), "", "", ""));
        alone.hear(&request("BYE", &format!("b{round}"), ";tag=none", "", ""));
        alone.hear(&request("CANCEL", &format!("c{round}"), "", "", ""));
        alone.hear(&request("ACK", &format!("a{round}"), ";tag=none", "", ""));
        assert!(alone.endpoint.counts().transactions <= 60);
    }
    assert!(alone.responses().iter().any(|response| response.status == 503));
}

#[test]
fn our_own_calls_stop_at_the_limit_too() {
    let mut alone = limited();
    for _ in 0..41 {
        let invite = sip::Invite::new(alone.flow, uri("sip:a@192.0.2.1"), from());
        alone.act(|endpoint, now| endpoint.invite(now, invite));
    }
    assert_eq!(alone.take(), ["Refused 503"]);
    assert_eq!(alone.endpoint.counts().sessions, 40);
}

#[test]
fn ten_thousand_sessions_keep_their_time() {
    let limits = Limits {
        pending_per_source_max: 20_000,
        ..Limits::default()
    };
    let mut alone = Alone::with(Config {
        limits,
        ..Config::default()
    });
    for call in 0..10_000 {
        alone.now += Duration::from_millis(1);
        alone.hear(&invite(&format!("m{call}")).replace("call-1", &format!("many-{call}")));
    }
    assert_eq!(alone.endpoint.counts().sessions, 10_000);
    alone.wait_ms(400_000);
    assert_eq!(
        alone.take().iter().filter(|kind| *kind == "Ended ByOurRefusal").count(),
        10_000
    );
    assert_eq!(alone.endpoint.counts(), Counts::default());
}
