//! Storms: whole calls in the virtual world, in bad weather, with callers and people who do whatever they like, by seed.
//!
//! Whatever happens, at the end nothing is left over, every call has one outcome, nobody was rung or bridged before the
//! book had its chance, nothing was recorded without permission, no urgent call ended with nobody, and nothing was repeated but
//! when its timer says so. `make storm SEEDS=100000` is the long run, of these and of the `sip` crate's own. A failing seed is
//! printed; `SEED=n cargo nextest run -p tests --test storm` plays it again and prints its time line, `SEEDS=n` plays more.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test reads the shipped practice and the seed, any instant will do for a beginning, and the long run says what it saw"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use phi::Phi;
use sip::locate::{Answer, Question, Srv, Target};
use sip::message::Host;
use switchboard::carrier::{Carrier, PASSWORD};
use switchboard::fact::FieldValue;
use switchboard::ladder::time_line;
use switchboard::phone::Answering;
use switchboard::weather::{Dice, Seen, Sent, Weather};
use switchboard::world::{Scene, Setting, World};
use switchboard::{CallId, Counts, Fact, Health, Network, OpenEscalation, Outbound, Released, Stamped, Ticket, Trunk};

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

/// Two or three trunks, found by address, by name and by SRV; edges that are dead, full, or ask for a password; name servers that
/// take their time or have nothing to say; and a wire that is not good either.
#[test]
fn bad_carriers_lose_no_caller() {
    let weather = |dice: &mut Dice| Weather {
        lost: u16::try_from(dice.below(150)).expect("small"),
        doubled: u16::try_from(dice.below(150)).expect("small"),
        late: dice.within(Duration::from_millis(200)),
        names_slow: dice.within(Duration::from_secs(7)),
        names_fail: *dice.pick(&[0, 0, 200, 1000]).expect("four"),
        people_leave: 100,
        ..Weather::default()
    };
    let seen = storm_by(4, weather, carriers);
    assert!(
        seen.escalations > 100 && seen.bridged > 20 && seen.exhausted > 20,
        "{seen:?}"
    );
    assert!(seen.edges.len() >= 4, "{seen:?}");
}

fn carriers(dice: &mut Dice) -> Carrier {
    let ttl = Duration::from_secs(300);
    let edge = |last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
    let mut carrier = Carrier::default();
    let (mut names, mut dead, mut unavailable) = (Vec::new(), Vec::new(), Vec::new());
    let srv = |dice: &mut Dice, target: &str| Srv {
        priority: u16::try_from(dice.below(3)).expect("small"),
        weight: u16::try_from(dice.below(3)).expect("small"),
        port: 5060,
        target: target.to_owned(),
    };
    let services = ["a.carrier.example", "b.carrier.example", "c.carrier.example"].map(|name| srv(dice, name));
    names.push((
        Question::Srv("_sip._udp.carrier.example".into()),
        Answer::Srv(services.to_vec(), ttl),
    ));
    for (name, addresses) in [
        ("a.carrier.example", vec![edge(4)]),
        // The edge that callers come by is there; the others may not be.
        ("b.carrier.example", vec![edge(5), edge(2)]),
        ("other.example", vec![edge(6), edge(7)]),
    ] {
        names.push((Question::Addresses(name.into()), Answer::Addresses(addresses, ttl)));
    }
    for last in 4..8 {
        match dice.below(5) {
            0 | 1 => dead.push(edge(last)),
            2 => unavailable.push(edge(last)),
            _ => {}
        }
    }
    let named = |name: &str, port| Target {
        port,
        transport: port.is_none().then_some(sip::Transport::Udp),
        ..Target::new(Host::Name(name.to_owned()))
    };
    let ways = [
        Outbound::to(named("carrier.example", None)),
        Outbound::to(named("other.example", Some(5060))),
        Outbound::at(sip::Transport::Udp, SocketAddr::new(edge(8), 5060)),
        Outbound {
            targets: vec![named("nowhere.example", Some(5060)), named("carrier.example", None)],
            ..Outbound::to(named("carrier.example", None))
        },
    ];
    let mut trunks = vec![];
    for (number, first) in carrier.trunks.iter().enumerate() {
        let way = dice.pick(&ways).cloned();
        trunks.push(first.clone().calling(way));
        for more in 0..=dice.below(2) {
            let sources = [Network::host(edge(u8::try_from(20 + more).expect("small")))];
            trunks.push(Trunk::new(format!("more {number} {more}"), sources).calling(dice.pick(&ways).cloned()));
        }
    }
    if dice.chance(200) {
        carrier.challenges = Some("cedar".into());
        for trunk in &mut trunks {
            // One of them may know no password.
            trunk.credentials = dice
                .chance(800)
                .then(|| sip::Credentials::new("cedar".into(), PASSWORD.to_owned()));
        }
    }
    Carrier {
        trunks,
        names: names.into_iter().collect(),
        dead: dead.into_iter().collect(),
        unavailable: unavailable.into_iter().collect(),
        offers_late: dice.chance(200),
        by_second_edge: dice.chance(200).then(|| dice.within(Duration::from_millis(900))),
        ..carrier
    }
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
    /// Datagrams repeated by a timer.
    repeated: usize,
    /// Where our INVITEs went.
    edges: BTreeSet<IpAddr>,
}

fn storm(kind: u64, weather: fn(&mut Dice) -> Weather) -> Tally {
    storm_by(kind, weather, |_| Carrier::default())
}

fn storm_by(kind: u64, weather: fn(&mut Dice) -> Weather, carrier: fn(&mut Dice) -> Carrier) -> Tally {
    let mut tally = Tally::default();
    let mut wrong = String::new();
    let anchor = Instant::now();
    let only: Option<u64> = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let many = std::env::var("SEEDS").ok().and_then(|many| many.parse().ok());
    let seeds = (0..many.unwrap_or(SEEDS)).map(|n| kind * 1_000_000 + n);
    for seed in seeds.filter(|seed| only.is_none_or(|only| only == *seed)) {
        let night = Night::play(anchor, seed, weather, carrier);
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
            repeated: 9999,
            edges: (0..9).map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))).collect(),
        };
    }
    println!("storm {kind}: {} seeds, {tally:?}", many.unwrap_or(SEEDS));
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
    fn play(anchor: Instant, seed: u64, weather: fn(&mut Dice) -> Weather, carrier: fn(&mut Dice) -> Carrier) -> Self {
        let mut dice = Dice::new(seed.wrapping_mul(0x2545_F491_4F6C_DD1D));
        let weather = Weather {
            seed,
            ..weather(&mut dice)
        };
        let carrier = carrier(&mut dice);
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
        let released = Released::new(practice.clone(), Arc::new(roster));
        let setting = Setting {
            now: "2026-11-22T05:40:00Z".parse().expect("a night"),
            health: health(&mut dice),
            book: Some(Duration::from_millis(3)),
            wire: Duration::from_millis(1),
        };
        let mut world = World::by_carrier(anchor, released, setting, weather.clone(), carrier);
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
        tally.repeated += self.every_timer(&mut wrong);
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
        tally.edges.extend(self.seen.iter().filter_map(|(_, seen)| match seen {
            Seen::Sent {
                to, what: Sent::Invite, ..
            } => Some(to.ip()),
            _ => None,
        }));
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
                        .position(|f| matches!(f.fact, Fact::Permission { given: true, .. }));
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
                Seen::Answered { .. } | Seen::Rings | Seen::Records { .. } | Seen::Clip { .. } | Seen::Sent { .. } => {}
            }
        }
    }

    /// What a timer repeats, it repeats at its instants and no longer (RFC 3261 §17.1.1.2 and §17.1.2.2: timers A, B, E and F);
    /// what is said again because it was asked again is not after the transaction (§17.2, and RFC 6026 §7.1: timers H, J and L).
    /// Gives how many were repeated.
    fn every_timer(&self, wrong: &mut Vec<String>) -> usize {
        let mut said: BTreeMap<(SocketAddr, u64), (Sent, Vec<Instant>)> = BTreeMap::new();
        for (at, seen) in &self.seen {
            if let Seen::Sent { to, what, octets } = seen {
                said.entry((*to, *octets)).or_insert((*what, Vec::new())).1.push(*at);
            }
        }
        let mut repeated = 0;
        // 64*T1, and for what answers a repetition, the time that one was under way.
        let life = Duration::from_secs(32);
        for ((to, _), (what, instants)) in said {
            let Some((first, again)) = instants.split_first() else {
                continue;
            };
            repeated += again.len();
            let (mut due, mut interval) = (Duration::ZERO, Duration::from_millis(500));
            for at in again {
                let after = at.saturating_duration_since(*first);
                due += interval;
                let in_time = match what {
                    Sent::Invite => {
                        interval *= 2;
                        after == due && after < life
                    }
                    Sent::Request => {
                        interval = (interval * 2).min(Duration::from_secs(4));
                        after == due && after < life
                    }
                    // §13.3.1.1: each minute while nobody picks up.
                    Sent::Response(100..200) => true,
                    Sent::Ack | Sent::Response(_) => after <= life + 2 * self.weather.late,
                };
                if !in_time {
                    wrong.push(format!("{what:?} to {to} again after {after:?}"));
                }
            }
        }
        repeated
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
