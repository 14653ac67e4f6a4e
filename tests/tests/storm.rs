//! Storms: whole calls in the virtual world, in bad weather, with callers and people who do whatever they like, by seed.
//!
//! Whatever happens, at the end nothing is left over, every call has one outcome, nobody was rung or bridged before the
//! book had its chance, nothing was recorded without permission, and no urgent call ended with nobody. A failing seed is
//! printed; `SEED=n cargo nextest run -p tests --test storm` plays it again and prints its time line, `SEEDS=n` plays more.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "a test reads the shipped practice and the seed, and any instant will do for a beginning"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use phi::Phi;
use switchboard::fact::FieldValue;
use switchboard::ladder::time_line;
use switchboard::phone::Answering;
use switchboard::weather::{Dice, Seen, Weather};
use switchboard::world::{Scene, Setting, World};
use switchboard::{CallId, Counts, Fact, Health, OpenEscalation, Released, Stamped, Ticket};

/// Seeds of each kind of storm.
const SEEDS: u64 = 500;
/// A night longer than this has something that never ends.
const NIGHT: Duration = Duration::from_secs(8 * 60 * 60);
/// Scenes of one night; more is a spin.
const SCENES_MAX: usize = 20_000;
/// No caller stays longer.
const STAYS: Duration = Duration::from_secs(15 * 60);
/// What the desk waits for the book (world.rs).
const PATIENCE: Duration = Duration::from_secs(2);
const LINE: &str = "+15125550100";
/// The caller's number: a marker that no printed fact may show.
const CALLER: &str = "+15125550199";
const LADDER: &str = "doctor on call";

#[test]
fn callers_in_fair_weather_do_what_they_like() {
    let seen = storm(1, |_| Weather::default());
    // A storm in which nothing happens proves nothing.
    assert!(
        seen.escalations > 100 && seen.bridged > 30 && seen.given > 5 && seen.exhausted > 20,
        "{seen:?}"
    );
    assert!(seen.recorded > 50 && seen.kept > 100, "{seen:?}");
}

#[test]
fn a_bad_wire_loses_no_caller() {
    let seen = storm(2, |dice| Weather {
        lost: u16::try_from(dice.below(300)).expect("small"),
        doubled: u16::try_from(dice.below(300)).expect("small"),
        late: dice.within(Duration::from_millis(400)),
        people_leave: 300,
        people_hold: 300,
        spoilt: *dice.pick(&[0, 0, 100]).expect("three"),
        unreachable: dice.chance(100),
        cut_after: dice.chance(200).then(|| dice.within(Duration::from_secs(200))),
        ..Weather::default()
    });
    assert!(
        seen.escalations > 60 && seen.bridged > 10 && seen.exhausted > 20,
        "{seen:?}"
    );
}

#[test]
fn a_bad_house_loses_no_caller() {
    let seen = storm(3, |dice| Weather {
        late: dice.within(Duration::from_millis(50)),
        book_slow: dice.chance(700).then(|| dice.within(Duration::from_secs(5))),
        book_refuses: *dice.pick(&[0, 100, 500, 1000]).expect("four"),
        book_silent: *dice.pick(&[0, 0, 100, 1000]).expect("four"),
        media_fails: *dice.pick(&[0, 50, 300]).expect("three"),
        people_hold: *dice.pick(&[0, 300]).expect("two"),
        people_leave: *dice.pick(&[0, 500, 950]).expect("three"),
        ports: dice
            .chance(300)
            .then(|| usize::try_from(9 + dice.below(3)).expect("small")),
        ..Weather::default()
    });
    assert!(
        seen.escalations > 100 && seen.bridged > 30 && seen.given > 5,
        "{seen:?}"
    );
}

/// How often what was judged came to pass, over all seeds.
#[derive(Debug, Default)]
struct Tally {
    escalations: usize,
    bridged: usize,
    given: usize,
    exhausted: usize,
    recorded: usize,
    kept: usize,
}

fn storm(kind: u64, weather: fn(&mut Dice) -> Weather) -> Tally {
    let mut tally = Tally::default();
    let mut wrong = String::new();
    let anchor = Instant::now();
    let only: Option<u64> = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let many = std::env::var("SEEDS").ok().and_then(|many| many.parse().ok());
    let seeds = (0..many.unwrap_or(SEEDS)).map(|n| kind * 1_000_000 + n);
    for seed in seeds.filter(|seed| only.is_none_or(|only| only == *seed)) {
        let night = Night::play(anchor, seed, weather);
        let faults = night.judge(&mut tally);
        if !faults.is_empty() {
            let _ = writeln!(wrong, "seed {seed}: {}", faults.join("; "));
            if only.is_some() || wrong.lines().count() < 3 {
                let _ = writeln!(wrong, "{:?}\n{}", night.weather, time_line(&night.facts));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    if only.is_some() {
        // One seed fills no tally.
        return Tally {
            escalations: 9999,
            bridged: 9999,
            given: 9999,
            exhausted: 9999,
            recorded: 9999,
            kept: 9999,
        };
    }
    tally
}

/// One night of one seed, played to its end.
struct Night {
    weather: Weather,
    facts: Vec<Stamped>,
    seen: Vec<(Instant, Seen)>,
    counts: Counts,
    /// Nothing wanted the clock any more.
    settled: bool,
    resumed: Option<CallId>,
}

impl Night {
    fn play(anchor: Instant, seed: u64, weather: fn(&mut Dice) -> Weather) -> Self {
        let mut dice = Dice::new(seed.wrapping_mul(0x2545_F491_4F6C_DD1D));
        let weather = Weather {
            seed,
            ..weather(&mut dice)
        };
        let practice = cedar();
        let mut roster = oncall::Roster::new(Some(practice.on_call.if_nobody.clone()));
        for (role, person) in [
            ("primary", "Dr. Okafor"),
            ("primary", "Dr. Lindqvist"),
            ("backup", "Dr. Lindqvist"),
        ] {
            if dice.chance(700) {
                roster
                    .add_standing(role, person, "the storm")
                    .expect("three rows are within its limit");
            }
        }
        let released = Released {
            practice: practice.clone(),
            roster: Arc::new(roster),
        };
        let setting = Setting {
            now: "2026-11-22T05:40:00Z".parse().expect("a night"),
            health: health(&mut dice),
            book: Some(Duration::from_millis(3)),
            wire: Duration::from_millis(1),
        };
        let mut world = World::in_weather(anchor, released, setting, weather.clone());
        world.phone().busy_with(
            *dice
                .pick(&[486, 486, 480, 403, 404, 483, 500, 503, 600, 603])
                .expect("ten"),
        );
        world.phone().pick_up_after(dice.within(Duration::from_secs(26)));
        for person in practice.people.values() {
            const WAYS: [Answering; 7] = [
                Answering::Accepts,
                Answering::Accepts,
                Answering::PassesOn,
                Answering::Declines,
                Answering::Busy,
                Answering::NoAnswer,
                Answering::Voicemail,
            ];
            let answers: Vec<Answering> = (0..8).filter_map(|_| dice.pick(&WAYS).copied()).collect();
            world.phone().plan(person.call.expose(), answers);
        }
        let resumed = dice.chance(80).then_some(CallId([7; 16]));
        if let Some(call) = resumed {
            world.resume(interrupted(
                call,
                if dice.chance(900) {
                    LADDER
                } else {
                    "a ladder of another release"
                },
            ));
        }
        let number = dice.chance(800).then_some(CALLER);
        world.caller_dials(LINE, number);
        let mut caller = Whoever::born(&mut dice);
        let mut scenes = 0;
        while let Some(scene) = world.next_scene(NIGHT) {
            scenes += 1;
            if scenes > SCENES_MAX {
                break;
            }
            caller.hears(&mut world, &mut dice, &scene);
        }
        Self {
            weather,
            facts: world.facts().to_vec(),
            seen: world.seen().clone(),
            counts: world.desk().counts(),
            settled: scenes <= SCENES_MAX && world.elapsed() < NIGHT && !world.waits(),
            resumed,
        }
    }

    fn judge(&self, tally: &mut Tally) -> Vec<String> {
        let mut wrong = Vec::new();
        if !self.settled {
            wrong.push("it never ends".to_owned());
        }
        if self.counts != Counts::default() {
            wrong.push(format!("left over: {:?}", self.counts));
        }
        self.one_outcome_each(&mut wrong);
        self.book_before_act(&mut wrong);
        self.nobody_is_forgotten(&mut wrong);
        for stamped in &self.facts {
            let printed = format!("{stamped:?}{}", switchboard::ladder::line(&stamped.fact));
            if printed.contains("5550199") {
                wrong.push(format!("a caller's number can be read in {}", stamped.fact.kind()));
            }
        }
        for stamped in &self.facts {
            match &stamped.fact {
                Fact::EscalationBegan(_) => tally.escalations += 1,
                Fact::Bridged { .. } => tally.bridged += 1,
                Fact::NumberGiven { .. } => tally.given += 1,
                Fact::Exhausted { .. } => tally.exhausted += 1,
                Fact::RecordingSealed { .. } => tally.recorded += 1,
                Fact::MessageKept(_) => tally.kept += 1,
                _ => {}
            }
        }
        wrong
    }

    /// Every call that began, or that a restart went on with, has exactly one outcome.
    fn one_outcome_each(&self, wrong: &mut Vec<String>) {
        let mut outcomes: BTreeMap<CallId, i32> = self.resumed.iter().map(|call| (*call, 0)).collect();
        for stamped in &self.facts {
            let Some(call) = stamped.call else { continue };
            match stamped.fact {
                Fact::CallBegan { .. } => drop(outcomes.insert(call, 0)),
                Fact::CallEnded { .. } => *outcomes.entry(call).or_insert(-1000) += 1,
                _ => {}
            }
        }
        for (call, number) in outcomes {
            if number != 1 {
                wrong.push(format!("{call:?} has {number} outcomes"));
            }
        }
    }

    /// Nobody is rung before the ladder is in the book, nobody bridged before the key is, nothing recorded before the
    /// permission is; a book that does not answer in time has had its chance, except for recordings.
    fn book_before_act(&self, wrong: &mut Vec<String>) {
        let mut open: BTreeMap<Ticket, (Instant, &[Stamped])> = BTreeMap::new();
        let mut ladders = usize::from(self.resumed.is_some()) * 1000;
        let (mut keys, mut permitted) = (0_usize, BTreeSet::new());
        for (now, seen) in &self.seen {
            // Tickets that the desk gives up on count as answered.
            let late: Vec<Ticket> = open
                .iter()
                .filter(|(_, (at, _))| *at + PATIENCE <= *now)
                .map(|(ticket, _)| *ticket)
                .collect();
            let answered = match seen {
                Seen::Answered { ticket, kept } => Some((*ticket, *kept)),
                _ => None,
            };
            for (ticket, kept) in late.into_iter().map(|ticket| (ticket, false)).chain(answered) {
                for stamped in open.remove(&ticket).map_or(&[][..], |(_, facts)| facts) {
                    match &stamped.fact {
                        Fact::EscalationBegan(_) => ladders += 1,
                        Fact::Accepted { .. } => keys += 1,
                        Fact::RecordingBegan { recording } if kept => drop(permitted.insert(*recording)),
                        _ => {}
                    }
                }
            }
            match seen {
                Seen::Asked { ticket, facts } => {
                    let began = facts.iter().position(|f| matches!(f.fact, Fact::RecordingBegan { .. }));
                    let given = facts
                        .iter()
                        .position(|f| matches!(f.fact, Fact::Permission { given: true }));
                    if began.is_some() && given.is_none_or(|given| Some(given) > began) {
                        wrong.push("a recording is in the book before its permission".to_owned());
                    }
                    open.insert(*ticket, (*now, facts));
                }
                Seen::Rings if ladders == 0 => {
                    wrong.push("a person is rung before the ladder is in the book".to_owned())
                }
                Seen::Bridges if keys == 0 => wrong.push("bridged before the key is in the book".to_owned()),
                Seen::Bridges => keys -= 1,
                Seen::Records { recording } if !permitted.contains(recording) => {
                    wrong.push("recorded before the permission is in the book".to_owned());
                }
                Seen::Answered { .. } | Seen::Rings | Seen::Records { .. } | Seen::Clip { .. } => {}
            }
        }
    }

    /// Every urgent call reaches somebody, or everybody was tried.
    fn nobody_is_forgotten(&self, wrong: &mut Vec<String>) {
        for (at, stamped) in self.facts.iter().enumerate() {
            let Fact::EscalationBegan(open) = &stamped.fact else {
                continue;
            };
            let after = self
                .facts
                .iter()
                .skip(at + 1)
                .filter(|later| later.call == stamped.call);
            let reached = after.clone().any(|later| {
                matches!(
                    later.fact,
                    Fact::Bridged { .. } | Fact::NumberGiven { .. } | Fact::Exhausted { .. }
                )
            });
            if !reached {
                wrong.push(format!("{} came to nothing", open.ladder));
            }
        }
        // What a caller said after the tone is in a message, even when they hung up while saying it.
        for (at, stamped) in self.facts.iter().enumerate() {
            let Fact::ClipKept { recording, .. } = &stamped.fact else {
                continue;
            };
            let in_message = self.facts.iter().enumerate().any(|(later, other)| match &other.fact {
                Fact::MessageKept(message) if other.call == stamped.call => {
                    later > at
                        || message
                            .fields
                            .iter()
                            .any(|(_, value)| *value == FieldValue::Clip(*recording))
                }
                _ => false,
            });
            if !in_message {
                wrong.push("a clip is in no message".to_owned());
            }
        }
        // What went to the recorder comes back to the book, whoever is still there.
        let asked: usize = self
            .facts
            .iter()
            .filter(|f| matches!(f.fact, Fact::RecordingBegan { .. }))
            .count();
        let told = |f: &&Stamped| matches!(f.fact, Fact::RecordingSealed { .. } | Fact::RecordingFailed { .. });
        if self.facts.iter().filter(told).count() < asked {
            wrong.push("a recording has no end".to_owned());
        }
    }
}

/// A caller who does anything at any time.
struct Whoever {
    /// Hangs up at this instant of the night, whatever is happening.
    leaves_at: Option<Duration>,
    /// Presses keys this eagerly, in a thousand.
    eager: u16,
    held: bool,
}

impl Whoever {
    fn born(dice: &mut Dice) -> Self {
        Self {
            leaves_at: dice.chance(500).then(|| dice.within(Duration::from_secs(240))),
            eager: *dice.pick(&[950, 950, 700, 0]).expect("four"),
            held: false,
        }
    }

    fn hears(&mut self, world: &mut World, dice: &mut Dice, scene: &Scene) {
        match scene {
            Scene::Answered | Scene::Time => {
                self.acts(world, dice);
                if world.elapsed() < STAYS {
                    world.wake_after(Duration::from_millis(500 + dice.below(30_000)));
                } else {
                    world.caller_hangs_up();
                }
            }
            Scene::Quiet => {
                if world.caller_may_speak() && dice.chance(700) {
                    world.caller_speaks(Duration::from_millis(dice.below(9_000)));
                } else if dice.chance(self.eager) {
                    self.presses(world, dice);
                }
            }
            Scene::Over | Scene::Refused(_) | Scene::Hears(_) | Scene::Talking => {}
        }
        if self.leaves_at.is_some_and(|at| at <= world.elapsed()) {
            self.leaves_at = None;
            world.caller_hangs_up();
        }
    }

    fn presses(&self, world: &mut World, dice: &mut Dice) {
        const KEYS: [char; 16] = [
            '1', '1', '1', '1', '1', '4', '4', '2', '2', '3', '5', '0', '7', '9', '*', '#',
        ];
        world.caller_presses(*dice.pick(&KEYS).expect("sixteen"));
        // A date of birth, now and then a right one.
        if dice.chance(200) {
            for (place, key) in (1..).zip("02091984".chars()) {
                world.caller_presses_after(Duration::from_millis(120) * place, key);
            }
        }
    }

    fn acts(&mut self, world: &mut World, dice: &mut Dice) {
        use media::sdp::Direction::{Inactive, SendOnly, SendRecv};
        match dice.below(24) {
            0 => world.caller_hangs_up(),
            1 | 2 => {
                let direction = if self.held {
                    SendRecv
                } else {
                    *dice.pick(&[SendOnly, Inactive]).expect("two")
                };
                self.held = !self.held;
                world.caller_holds(direction);
            }
            3 => world.break_things(health(dice)),
            4 if dice.chance(200) => world.drain_desk(),
            5..=8 => self.presses(world, dice),
            _ => {}
        }
    }
}

fn health(dice: &mut Dice) -> Health {
    Health {
        book_down: dice.chance(100),
        recordings_down: dice.chance(100),
        everything_down: dice.chance(100),
    }
}

fn interrupted(call: CallId, ladder: &str) -> OpenEscalation {
    OpenEscalation {
        call,
        practice: "Cedar Family Medicine".into(),
        ladder: ladder.into(),
        began: Timestamp::UNIX_EPOCH,
        call_back: Phi::new(Some(CALLER.into())),
        message: None,
        by_safety_net: false,
        reached: None,
    }
}

fn cedar() -> Arc<flow::Practice> {
    static CEDAR: OnceLock<Arc<flow::Practice>> = OnceLock::new();
    CEDAR
        .get_or_init(|| {
            let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../flows/cedar-family-medicine");
            let files = std::fs::read_dir(folder)
                .expect("the practice's folder is there")
                .map(|entry| entry.expect("a readable entry").path())
                .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
                .map(|path| {
                    let name = path.file_name().expect("a file").to_string_lossy().into_owned();
                    (name, std::fs::read_to_string(&path).expect("a readable file"))
                });
            let files = files.collect();
            let compiled = flow::compile(&flow::Folder {
                files,
                ..flow::Folder::default()
            });
            compiled
                .practice
                .unwrap_or_else(|| panic!("cedar compiles: {:#?}", compiled.diagnostics))
        })
        .clone()
}
