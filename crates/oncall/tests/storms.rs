//! Whole escalations on a virtual clock, against phones that do every foolish thing phones do, with and without the
//! process dying on the way (ESC-02, ESC-03, ESC-05, ESC-06, D4).

use jiff::{SignedDuration, Timestamp};
use oncall::{
    Attempt, Ended, Ending, Escalation, Input, KeepPaging, Ladder, Output, Place, Rung, Scale, Snapshot, Tried, TryId,
};
use phi::Phi;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What one phone does when it rings; numbers are seconds after the ring.
#[derive(Debug, Clone, Copy)]
enum Phone {
    RingsOut,
    Gone(u8, Ended),
    /// Answers and presses nothing.
    Voicemail(u8),
    /// Answers, and after so many seconds presses this key.
    Presses(u8, u8, char),
    /// Presses a key without having answered, then rings on.
    EarlyKey(u8, char),
    /// Answers and hangs up.
    HangsUp(u8, u8),
}

/// The world: who is on duty, what the phones do one after another, and what was seen.
struct World {
    duty: BTreeMap<String, Vec<String>>,
    phones: Vec<Phone>,
    rung: usize,
    queue: BTreeMap<(Timestamp, u32), Input>,
    order: u32,
    seen: Seen,
}

#[derive(Debug, Default)]
struct Seen {
    rings: Vec<(Timestamp, TryId, Place)>,
    attempts: Vec<Attempt>,
    accepted: Vec<TryId>,
    exhausted: usize,
    answered: BTreeSet<TryId>,
    live: BTreeSet<TryId>,
    asked: Option<Place>,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_325_000 + second).expect("in this century")
}

impl World {
    fn new(duty: &[(&str, &[&str])], phones: &[Phone]) -> Self {
        let people = |people: &[&str]| people.iter().map(|p| (*p).to_owned()).collect();
        Self {
            duty: duty.iter().map(|(role, p)| ((*role).to_owned(), people(p))).collect(),
            phones: phones.to_vec(),
            rung: 0,
            queue: BTreeMap::new(),
            order: 0,
            seen: Seen::default(),
        }
    }

    fn later(&mut self, now: Timestamp, seconds: u8, input: Input) {
        self.order += 1;
        self.queue
            .insert((now + SignedDuration::from_secs(i64::from(seconds)), self.order), input);
    }

    fn ring(&mut self, now: Timestamp, id: TryId) {
        let phone = self
            .phones
            .get(self.rung % self.phones.len().max(1))
            .copied()
            .unwrap_or(Phone::RingsOut);
        self.rung += 1;
        self.later(now, 1, Input::Ringing(id));
        match phone {
            Phone::RingsOut => {}
            Phone::Gone(s, why) => self.later(now, s, Input::Ended(id, why)),
            Phone::Voicemail(s) => self.later(now, s, Input::Answered(id)),
            Phone::Presses(s, then, key) => {
                self.later(now, s, Input::Answered(id));
                self.later(now, s.saturating_add(then), Input::Key(id, Phi::new(key)));
            }
            Phone::EarlyKey(s, key) => self.later(now, s, Input::Key(id, Phi::new(key))),
            Phone::HangsUp(s, then) => {
                self.later(now, s, Input::Answered(id));
                self.later(now, s.saturating_add(then), Input::Ended(id, Ended::HungUp));
            }
        }
    }

    /// Does what the machine asks until it asks no more, and keeps the rules as it goes.
    fn drain(&mut self, now: Timestamp, machine: &mut Escalation) {
        while let Some(output) = machine.poll() {
            match output {
                Output::Resolve { place, call } => {
                    self.seen.asked = Some(place);
                    let people = self.duty.get(&call).cloned().unwrap_or_default();
                    machine.handle(now, Input::Resolved { place, people });
                }
                Output::Nobody { .. } | Output::PagingEnded => {}
                Output::Ring { id, ring_for, .. } => {
                    assert!(!ring_for.is_zero());
                    assert!(
                        self.seen.rings.iter().all(|(_, before, _)| *before < id),
                        "an id is used once: {id:?}"
                    );
                    let place = self.seen.asked.expect("a ring follows a question");
                    self.seen.rings.push((now, id, place));
                    self.seen.live.insert(id);
                    self.ring(now, id);
                }
                Output::Whisper(id) => assert!(self.seen.answered.contains(&id), "only an answered phone is spoken to"),
                Output::Cancel(id) => {
                    assert!(self.seen.live.contains(&id), "{id:?} is cancelled while it lives");
                    // The far end may cross our CANCEL with an answer and even a key.
                    self.later(now, 0, Input::Answered(id));
                    self.later(now, 1, Input::Key(id, Phi::new('1')));
                }
                Output::Attempt(attempt) => {
                    assert!(
                        self.seen.live.remove(&attempt.id),
                        "one record for one ring: {attempt:?}"
                    );
                    assert!(attempt.seconds() >= 0);
                    self.seen.attempts.push(attempt);
                }
                Output::Accepted { id, .. } => self.seen.accepted.push(id),
                Output::Exhausted => self.seen.exhausted += 1,
            }
        }
    }

    /// Runs to the end. `die` says, before each step, whether the process dies there and for how long it is away.
    fn run(&mut self, ladder: &Ladder, mut die: impl FnMut(usize) -> Option<i64>) -> (Ending, Timestamp, usize) {
        let mut now = at(0);
        let mut machine = Escalation::start(ladder.clone(), now);
        self.drain(now, &mut machine);
        for step in 0..20_000 {
            if let Some(away) = die(step)
                && let Some(snapshot) = machine.snapshot()
            {
                // Every leg dies with the process; the fact it wrote is all that is left.
                now += SignedDuration::from_secs(away);
                self.queue.clear();
                self.seen.live.clear();
                machine = Escalation::resume(snapshot, now);
                self.drain(now, &mut machine);
            }
            if let Some(ending) = machine.ending().cloned() {
                assert_eq!(machine.timeout(), None);
                assert_eq!(machine.snapshot(), None);
                assert!(
                    self.seen.live.is_empty(),
                    "no phone is left ringing: {:?}",
                    self.seen.live
                );
                // What still arrives is absorbed.
                for ((at, _), input) in std::mem::take(&mut self.queue) {
                    machine.handle(at, input);
                    assert_eq!(machine.poll(), None);
                }
                return (ending, now, step);
            }
            let timer = machine.timeout().expect("a climb that is not over waits for something");
            let next = self
                .queue
                .first_key_value()
                .map(|((at, _), _)| *at)
                .filter(|at| *at <= timer);
            let input = match next {
                Some(event) => {
                    now = now.max(event);
                    self.queue.pop_first().expect("it was just seen").1
                }
                None => {
                    now = now.max(timer);
                    Input::Time
                }
            };
            let mut must_accept = None;
            match &input {
                Input::Answered(id) if self.seen.live.contains(id) => {
                    self.seen.answered.insert(*id);
                }
                Input::Key(id, key) if self.seen.live.contains(id) && self.seen.answered.contains(id) => {
                    must_accept = (*key.expose() == ladder.accept_with).then_some(*id);
                }
                _ => {}
            }
            let accepted_before = self.seen.accepted.len();
            machine.handle(now, input);
            self.drain(now, &mut machine);
            // ESC-06 both ways: the key on an answered phone accepts at once, and nothing else ever does.
            let accepted: Vec<_> = self.seen.accepted.iter().skip(accepted_before).copied().collect();
            assert_eq!(accepted, must_accept.into_iter().collect::<Vec<_>>());
        }
        unreachable!("the ladder never ends");
    }
}

fn ladder(rungs: &[(&str, u8, u64, u64)], keep_paging: Option<(u64, u64)>) -> Ladder {
    let rungs = rungs
        .iter()
        .map(|(call, tries, apart, ring)| Rung {
            call: (*call).to_owned(),
            tries: *tries,
            apart: Duration::from_secs(*apart),
            ring_for: Duration::from_secs(*ring),
        })
        .collect();
    let paging = |(every, lasting)| KeepPaging {
        every: Duration::from_secs(every),
        lasting: Duration::from_secs(lasting),
    };
    Ladder::new(rungs, keep_paging.map(paging))
}

/// The ladder of Cedar Family Medicine, and its people.
fn cedar() -> Ladder {
    ladder(
        &[
            ("primary", 2, 120, 25),
            ("backup", 2, 120, 25),
            ("Marisol Vega", 1, 0, 25),
        ],
        Some((300, 3600)),
    )
}

const CEDAR: &[(&str, &[&str])] = &[
    ("primary", &["Dr. Okafor"]),
    ("backup", &["Dr. Lindqvist"]),
    ("Marisol Vega", &["Marisol Vega"]),
];

fn tried(world: &World) -> Vec<String> {
    let second = |t: Timestamp| t.duration_since(at(0)).as_secs();
    let line = |a: &Attempt| {
        format!(
            "{} {} {:?} after {} s",
            second(a.started),
            a.person,
            a.result,
            a.seconds()
        )
    };
    world.seen.attempts.iter().map(line).collect()
}

#[test]
fn voicemail_does_not_count_as_a_doctor() {
    let mut world = World::new(
        CEDAR,
        &[Phone::Voicemail(9), Phone::RingsOut, Phone::Presses(6, 4, '1')],
    );
    let (ending, _, _) = world.run(&cedar(), |_| None);
    assert!(matches!(ending, Ending::Accepted { person, .. } if person == "Dr. Lindqvist"));
    insta::assert_snapshot!(tried(&world).join("\n"), @r#"
    0 Dr. Okafor NoKey after 29 s
    120 Dr. Okafor NoAnswer after 25 s
    145 Dr. Lindqvist Accepted after 10 s
    "#);
}

#[test]
fn nobody_answers_so_paging_goes_on_for_an_hour() {
    let mut world = World::new(
        CEDAR,
        &[
            Phone::RingsOut,
            Phone::RingsOut,
            Phone::Gone(2, Ended::Busy),
            Phone::RingsOut,
        ],
    );
    let (ending, end, _) = world.run(&cedar(), |_| None);
    assert_eq!((ending, world.seen.exhausted), (Ending::Exhausted, 1));
    let pages: Vec<_> = world
        .seen
        .rings
        .iter()
        .filter(|(_, _, place)| matches!(place, Place::Page { .. }))
        .collect();
    assert_eq!(pages.len(), 36, "three rungs, every five minutes for an hour");
    let rounds: Vec<_> = pages
        .iter()
        .filter(|(_, _, place)| matches!(place, Place::Page { rung: 0, .. }))
        .collect();
    assert_eq!(rounds.len(), 12, "every five minutes for an hour");
    assert!(
        rounds
            .iter()
            .zip(rounds.iter().skip(1))
            .all(|(a, b)| b.0.duration_since(a.0) == SignedDuration::from_secs(300))
    );
    assert!(
        end.duration_since(at(0)) < SignedDuration::from_mins(72),
        "the ladder and the hour"
    );
    insta::assert_snapshot!(tried(&world).into_iter().take(9).collect::<Vec<_>>().join("\n"), @r#"
    0 Dr. Okafor NoAnswer after 25 s
    120 Dr. Okafor NoAnswer after 25 s
    145 Dr. Lindqvist Busy after 2 s
    265 Dr. Lindqvist NoAnswer after 25 s
    290 Marisol Vega NoAnswer after 25 s
    615 Dr. Okafor NoAnswer after 25 s
    640 Dr. Lindqvist Busy after 2 s
    642 Marisol Vega NoAnswer after 25 s
    915 Dr. Okafor NoAnswer after 25 s
    "#);
}

#[test]
fn the_one_who_is_paged_can_still_take_it() {
    // Five tries on the way up, then rounds of three: whoever is paged takes it, on whichever rung they are.
    for (rings_out, taken_by) in [
        (5, "Dr. Okafor"),
        (6, "Dr. Lindqvist"),
        (7, "Marisol Vega"),
        (8, "Dr. Okafor"),
    ] {
        let mut phones = vec![Phone::RingsOut; rings_out];
        phones.push(Phone::Presses(3, 3, '1'));
        let mut world = World::new(CEDAR, &phones);
        let (ending, _, _) = world.run(&cedar(), |_| None);
        assert!(matches!(ending, Ending::Accepted { person, .. } if person == taken_by));
        assert_eq!(world.seen.exhausted, 1);
    }
}

#[test]
fn a_key_of_two_passes_it_on_within_two_seconds() {
    let mut world = World::new(CEDAR, &[Phone::Presses(5, 3, '2'), Phone::Presses(4, 2, '1')]);
    world.run(&cedar(), |_| None);
    insta::assert_snapshot!(tried(&world).join("\n"), @r#"
    0 Dr. Okafor Passed after 8 s
    8 Dr. Lindqvist Accepted after 6 s
    "#);
}

#[test]
fn of_two_on_duty_the_first_key_wins() {
    let duty: &[(&str, &[&str])] = &[("primary", &["Dr. Okafor", "Dr. Chen"])];
    let mut world = World::new(duty, &[Phone::Presses(5, 6, '1'), Phone::Presses(7, 2, '1')]);
    let (ending, _, _) = world.run(&cedar(), |_| None);
    assert!(matches!(ending, Ending::Accepted { person, .. } if person == "Dr. Chen"));
    insta::assert_snapshot!(tried(&world).join("\n"), @r#"
    0 Dr. Chen Accepted after 9 s
    0 Dr. Okafor Cancelled after 9 s
    "#);
}

#[test]
fn a_death_at_any_step_skips_no_try_and_repeats_none_that_was_over() {
    let phones = [
        Phone::Voicemail(9),
        Phone::RingsOut,
        Phone::Gone(2, Ended::Busy),
        Phone::HangsUp(3, 3),
        Phone::RingsOut,
    ];
    let mut undisturbed = World::new(CEDAR, &phones);
    let (_, _, steps) = undisturbed.run(&cedar(), |_| None);
    let rungs = |world: &World| -> BTreeSet<(usize, u8)> {
        let place = |(_, _, place): &(Timestamp, TryId, Place)| match place {
            Place::Rung { rung, attempt } => Some((*rung, *attempt)),
            Place::Page { .. } => None,
        };
        world.seen.rings.iter().filter_map(place).collect()
    };
    let all = rungs(&undisturbed);
    assert_eq!(all.len(), 5);
    for die_at in 0..steps {
        for away in [0, 1, 130, 7200] {
            let mut world = World::new(CEDAR, &phones);
            let mut deaths = 0;
            let (ending, _, _) = world.run(&cedar(), |step| {
                (step == die_at && deaths == 0).then(|| {
                    deaths += 1;
                    away
                })
            });
            assert_eq!(ending, Ending::Exhausted, "died at {die_at} for {away} s");
            assert_eq!(world.seen.exhausted, 1, "the caller is told once: {die_at} {away}");
            assert_eq!(rungs(&world), all, "died at {die_at} for {away} s");
            // A try with a record is never rung again.
            let mut over = BTreeSet::new();
            for attempt in &world.seen.attempts {
                assert!(
                    over.insert(attempt.place),
                    "{:?} was tried twice: {die_at} {away}",
                    attempt.place
                );
            }
        }
    }
}

#[test]
fn a_process_that_dies_again_and_again_still_reaches_the_doctor() {
    let mut world = World::new(CEDAR, &[Phone::Presses(2, 2, '1')]);
    // Dies before every step but lives ever longer: the sixth life hears the key.
    let (mut lives, mut next) = (0, 0);
    let (ending, _, _) = world.run(&cedar(), |step| {
        (lives < 5 && step >= next).then(|| {
            lives += 1;
            next = step + 1;
            3
        })
    });
    assert!(matches!(ending, Ending::Accepted { .. }));
}

fn phone() -> impl Strategy<Value = Phone> {
    let key = prop_oneof![Just('1'), Just('2'), Just('9'), Just('*')];
    let why = prop_oneof![
        Just(Ended::Busy),
        Just(Ended::Declined),
        Just(Ended::NoAnswer),
        Just(Ended::Failed),
        Just(Ended::HungUp)
    ];
    prop_oneof![
        3 => Just(Phone::RingsOut),
        3 => (0..40_u8, why).prop_map(|(s, why)| Phone::Gone(s, why)),
        3 => (0..40_u8).prop_map(Phone::Voicemail),
        2 => (0..40_u8, 0..40_u8, key.clone()).prop_map(|(s, then, key)| Phone::Presses(s, then, key)),
        1 => (0..40_u8, key).prop_map(|(s, key)| Phone::EarlyKey(s, key)),
        1 => (0..40_u8, 0..40_u8).prop_map(|(s, then)| Phone::HangsUp(s, then)),
    ]
}

fn any_ladder() -> impl Strategy<Value = Ladder> {
    let rung = (
        prop_oneof![Just("a"), Just("b"), Just("c"), Just("none")],
        0..4_u8,
        0..200_u64,
        0..40_u64,
    );
    let paging = proptest::option::of((0..400_u64, 0..2000_u64));
    (proptest::collection::vec(rung, 0..5), paging).prop_map(|(rungs, paging)| ladder(&rungs, paging))
}

const DUTY: &[(&str, &[&str])] = &[("a", &["A"]), ("b", &["B", "C", "b"]), ("c", &["A", "D", "E"])];

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_climb_ends_accepts_at_most_once_and_only_by_the_key(
        ladder in any_ladder(),
        phones in proptest::collection::vec(phone(), 1..12),
    ) {
        let mut world = World::new(DUTY, &phones);
        let (ending, end, _) = world.run(&ladder, |_| None);
        let seen = &world.seen;
        prop_assert_eq!(matches!(ending, Ending::Accepted { .. }), seen.accepted.len() == 1);
        prop_assert_eq!(seen.attempts.len(), seen.rings.len());
        let accepted: Vec<_> = seen.attempts.iter().filter(|a| a.result == Tried::Accepted).map(|a| a.id).collect();
        prop_assert_eq!(&accepted, &seen.accepted);
        prop_assert!(end.duration_since(at(0)) < SignedDuration::from_hours(3));

        // Spacing: tries of a rung start to start; a rung begins within two seconds of what went before (ESC-03).
        let mut tries = BTreeMap::<Place, Timestamp>::new();
        for (when, _, place) in &seen.rings {
            tries.entry(*place).or_insert(*when);
        }
        for (place, when) in &tries {
            let Place::Rung { rung, attempt } = *place else { continue };
            if attempt == 0 {
                let ended = seen.attempts.iter().filter(|a| matches!(a.place, Place::Rung { rung: r, .. } if r < rung))
                    .map(|a| a.ended).max().unwrap_or(at(0));
                prop_assert!(when.duration_since(ended) <= SignedDuration::from_secs(2));
            } else {
                let before = tries[&Place::Rung { rung, attempt: attempt - 1 }];
                let apart = ladder.rungs[rung].apart.as_secs();
                prop_assert!(when.duration_since(before).as_secs().unsigned_abs() >= apart);
            }
        }
    }

    #[test]
    fn deaths_at_random_steps_change_none_of_that(
        ladder in any_ladder(),
        phones in proptest::collection::vec(phone(), 1..12),
        deaths in proptest::collection::btree_map(0..200_usize, 0..4000_i64, 0..6),
    ) {
        let mut world = World::new(DUTY, &phones);
        let mut left = deaths;
        let (ending, _, _) = world.run(&ladder, |step| left.remove(&step));
        prop_assert_eq!(matches!(ending, Ending::Accepted { .. }), world.seen.accepted.len() == 1);
        prop_assert!(world.seen.exhausted <= 1);
    }

    #[test]
    fn any_inputs_in_any_order_do_no_harm(
        ladder in any_ladder(),
        inputs in proptest::collection::vec((any::<i32>(), 0..9_u8, 0..6_u32), 0..60),
    ) {
        let mut machine = Escalation::start(ladder.clone(), at(0));
        let mut accepted = 0;
        for (when, kind, id) in inputs {
            let id = TryId(id);
            let place = machine.place().unwrap_or(Place::Rung { rung: 0, attempt: 0 });
            let input = match kind {
                0 | 1 => Input::Time,
                2 => Input::Resolved { place, people: vec!["A".to_owned(), "B".to_owned()] },
                3 => Input::Answered(id),
                4 => Input::Key(id, Phi::new('1')),
                5 => Input::Key(id, Phi::new('2')),
                6 => Input::Ended(id, Ended::Declined),
                7 => Input::Ringing(id),
                _ => Input::Acknowledged { person: "V".to_owned() },
            };
            machine.handle(at(i64::from(when)), input);
            while let Some(output) = machine.poll() {
                accepted += u32::from(matches!(output, Output::Accepted { .. }));
            }
        }
        prop_assert!(accepted <= 1);
    }

    #[test]
    fn a_scaled_ladder_still_rings(times in 0..5_u32, over in 0..1000_u32) {
        let scaled = cedar().scaled(Scale { times, over });
        prop_assert_eq!(scaled.check(), Ok(()));
        prop_assert_eq!(scaled.rungs.len(), 3);
    }
}

#[test]
fn a_snapshot_is_plain_data_that_can_be_written_and_read_back() {
    let machine = Escalation::start(cedar(), at(0));
    let Snapshot {
        ladder,
        place,
        not_before,
        passed,
        next_try,
    } = machine.snapshot().expect("it goes on");
    let read_back = Snapshot {
        ladder,
        place,
        not_before,
        passed,
        next_try,
    };
    assert_eq!(Some(read_back), machine.snapshot());
}
