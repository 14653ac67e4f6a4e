//! `nightdesk flow test --over-sip`: every scenario against a real engine on loopback, a few side by side, with real audio and
//! digits. Each scenario has an engine, a book and a telephone of its own; only the spoken words are shared.
#![allow(
    clippy::disallowed_types,
    reason = "the records on paper change with each question of one call"
)]

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use exchange::Drill;
use exchange::handset::{Doctor, Handset, Keys, News, Scripted, Setup};
use flow::Part;
use flow::rehearse::{Failing, PaperRecords, Scenario, Turn};
use jiff::{SignedDuration, Timestamp};
use media::Law;
use switchboard::phone::Answering as PhoneAnswers;
use switchboard::records::{Answering, Records};
use switchboard::{DeskConfig, Fact, Health, Listener, Network, Outbound, Stamped, Trunk, rehearse};

use crate::{Failure, flows, keys, out, serve};

/// Engines side by side: each has its threads, its book and its telephone, and all of them real time to keep.
pub(crate) const AT_ONCE: usize = 10;
const AT_ONCE_MAX: usize = 64;
/// A scenario that lasts longer in real time is stuck.
const SCENARIO_MAX: Duration = Duration::from_secs(8 * 60);
/// How long the two talk; less than ten seconds would count as no conversation.
const TALK: Duration = Duration::from_secs(13);
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What one scenario came to.
struct Played {
    name: String,
    failures: Vec<String>,
    page: String,
    outcome: String,
}

impl Played {
    fn not(name: &str, failure: &Failure) -> Self {
        Self {
            name: name.to_owned(),
            failures: vec![failure.to_string()],
            page: String::new(),
            outcome: "not played".to_owned(),
        }
    }
}

/// Plays the scenarios of a folder over SIP, so many at a time; each is told as it ends.
pub(crate) fn test(
    folder: &Path,
    only: Option<&str>,
    pages: bool,
    ladder_speed: u32,
    at_once: usize,
) -> Result<(), Failure> {
    let source = flows::source(folder)?;
    let practice = flows::practice(&source, folder)?;
    let began = Instant::now();
    let suites = flows::suites(&source)?;
    if let Some(none) = flows::means_none(&suites, only) {
        return Err(none);
    }
    let scenarios: Vec<Scenario> = suites.into_iter().flat_map(|suite| flows::meant(suite, only)).collect();
    let stage = Arc::new(Stage::set(folder, &practice, &scenarios, ladder_speed)?);
    let runtime = serve::runtime()?;
    let (all, at_once) = (scenarios.len(), at_once.clamp(1, AT_ONCE_MAX).min(scenarios.len()));
    if all > at_once {
        out!("{all} scenarios in real time, {at_once} at a time; each is told as it ends");
    }
    let (scenarios, next) = (Arc::new(scenarios), Arc::new(AtomicUsize::new(0)));
    let (tell, told) = std::sync::mpsc::channel();
    for _ in 0..at_once {
        let (stage, scenarios, next, tell) = (stage.clone(), scenarios.clone(), next.clone(), tell.clone());
        let handle = runtime.handle().clone();
        std::thread::spawn(move || {
            while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                let play = |speed| {
                    let play = AssertUnwindSafe(|| stage.play(&handle, scenario, speed));
                    let played = catch_unwind(play).unwrap_or_else(|_| {
                        Err(Failure::new(
                            "the engine or its caller broke down",
                            "the log above says where; tell the engineers",
                        ))
                    });
                    // An engine that cannot be furnished is one scenario that failed, not the end of all the others.
                    played.unwrap_or_else(|failure| Played::not(&scenario.name, &failure))
                };
                let mut played = play(stage.ladder_speed);
                if !played.failures.is_empty() && stage.ladder_speed > 1 {
                    // Words that are said while telephones ring keep their own time, and may not be reached on a fast ladder.
                    played = play(1);
                }
                if tell.send(played).is_err() {
                    return;
                }
            }
        });
    }
    drop(tell);
    let (mut passed, mut failed) = (0, 0);
    for played in told {
        out!(
            "{}  {}  ({})",
            if played.failures.is_empty() { "ok  " } else { "FAIL" },
            played.name,
            played.outcome
        );
        played.failures.iter().for_each(|failure| out!("      {failure}"));
        if pages || !played.failures.is_empty() {
            out!("{}", played.page);
        }
        if played.failures.is_empty() {
            passed += 1
        } else {
            failed += 1
        }
    }
    flows::verdict(passed, failed, began, None)
}

/// What the scenarios share.
struct Stage {
    folder: PathBuf,
    practice: Arc<flow::Practice>,
    cache: PathBuf,
    words: voice::Snapshot,
    ladder_speed: u32,
}

impl Stage {
    /// Prepares every word that the practice and its callers say.
    fn set(
        folder: &Path,
        practice: &Arc<flow::Practice>,
        scenarios: &[Scenario],
        ladder_speed: u32,
    ) -> Result<Self, Failure> {
        let cache = flows::cache()?;
        let mut library = flows::recorded_in(folder, practice, serve::speech(None)?)?;
        let spoken = scenarios
            .iter()
            .flat_map(|scenario| &scenario.conversation)
            .filter_map(|turn| match turn {
                Turn::Says(words) => Some(said(words)),
                _ => None,
            });
        let mut parts: Vec<Part> = practice.all_parts();
        parts.extend(spoken);
        parts.push(said(DOCTOR_SAYS));
        if let Some(missing) = library.prepare(&parts).first() {
            let what = format!("cannot be heard: “{}”: {}", missing.part.text, missing.why);
            return Err(Failure::new(
                what,
                "install a speech program: apt-get install espeak-ng",
            ));
        }
        Ok(Self {
            folder: folder.to_owned(),
            practice: practice.clone(),
            cache,
            words: library.snapshot(),
            ladder_speed,
        })
    }

    fn play(
        &self,
        runtime: &tokio::runtime::Handle,
        scenario: &Scenario,
        ladder_speed: u32,
    ) -> Result<Played, Failure> {
        let house = tempfile::tempdir().map_err(Failure::file(Path::new("a temporary folder")))?;
        self.furnish(house.path(), scenario)?;
        let key_folder = house.path().join("keys");
        // They live as long as the scenario: one month is enough.
        keys::make(&key_folder, &[], 1)?;

        let index = voice::listen::Index::new(&self.words, Law::Pcmu);
        let doctor_says = self.words.get(&said(DOCTOR_SAYS), Law::Pcmu);
        let practice = self.practice.clone();
        let handset = Handset::start(Setup {
            address: SocketAddr::new(LOOPBACK, 0),
            media: LOOPBACK,
            ear: Some(index),
            pick_up: Duration::from_secs(1),
            keys: Keys::Events,
            offering: media::sdp::Offering::default(),
            answers: Box::new(move |number, answering| {
                let (accept, pin) = practice.keys_to_accept(number);
                let (before, key) = crate::dial::keys(answering, accept);
                let doctor = Doctor::new(key, doctor_says.clone(), TALK);
                Box::new(doctor.with_pin(pin.cloned()).pressing_first(before))
            }),
        })
        .map_err(Failure::file(Path::new("the telephone's socket")))?;
        let trunk_down = scenario.failing.contains(&Failing::Trunk);
        for (person, answers) in &scenario.phones {
            let number = self.practice.people.get(person).map(|known| known.call.expose());
            // A line outside, such as Poison Control, answers by the same words.
            if let Some(number) = number.or_else(|| self.practice.outside_lines.get(person)) {
                let answers = answers
                    .iter()
                    .copied()
                    .map(|answers| match rehearse::answering(answers) {
                        // The far end is our own here; to whoever waits, a way out that refuses is a line that is busy.
                        _ if trunk_down => PhoneAnswers::Busy,
                        answers => answers,
                    });
                handset.plan(number, answers.collect());
            }
        }

        let data = house.path().join("data");
        let config = exchange::Config {
            desk: self.desk(handset.address(), ladder_speed),
            streams: exchange::StreamLimits::default(),
            floods: exchange::FloodLimits::default(),
            origins: Vec::new(),
            tls: None,
            resolver: exchange::Resolver::default(),
            trace: None,
            hep: None,
            media: exchange::Media {
                bind: LOOPBACK,
                ports: 30_000..=59_999,
                threads: 1,
            },
            practices: vec![house.path().join("practice")],
            // What is rehearsed is what is written.
            labs: vec![house.path().join("practice")],
            data: data.clone(),
            speech: serve::speech(None)?,
            keys: keys::for_engine(&key_folder)?,
            records: match rehearse::records_of(scenario, &self.practice) {
                Some(records) => Arc::new(OnPaper(Mutex::new(records))),
                None => Arc::new(switchboard::records::NotConnected),
            },
            services: Vec::new(),
            alarms: None,
            drain: serve::SHORT_DRAIN,
            clock_ahead: self.until(scenario),
        };
        let running = runtime.block_on(serve::begin(config))?;
        let handle = running.handle();
        let desk = handle
            .listeners()
            .first()
            .map(|l| l.local)
            .unwrap_or(SocketAddr::new(LOOPBACK, 0));
        let everything_down =
            scenario.failing.contains(&Failing::Everything) || scenario.failing.contains(&Failing::Speech);
        let disk_full = scenario.failing.contains(&Failing::Disk);
        runtime.block_on(handle.drill(Drill {
            known: Health {
                everything_down,
                recordings_down: disk_full,
                ..Health::default()
            },
            // The worst moment: the call is the first to learn of it, when it has something to keep.
            book_refuses: disk_full || scenario.failing.contains(&Failing::Database),
        }));

        let mut mouth = HashMap::new();
        for turn in &scenario.conversation {
            if let Turn::Says(words) = turn
                && let Some(audio) = self.words.get(&said(words), Law::Pcmu)
            {
                mouth.insert(words.clone(), audio);
            }
        }
        let line = scenario
            .line_called
            .as_ref()
            .and_then(|line| self.practice.lines.get(line));
        let number = line
            .or_else(|| self.practice.lines.values().next())
            .cloned()
            .unwrap_or_default();
        handset.call(
            1,
            desk,
            &number,
            scenario.caller.as_deref(),
            Box::new(Scripted::new(scenario, mouth)),
        );

        let (transcript, stuck) = listen(&handset);
        let facts = self.facts_when_settled(&data, &key_folder)?;
        drop(handset);
        let _ = runtime.block_on(running.stop());

        let mut observed = rehearse::observe(&facts, transcript);
        observed.stuck = stuck;
        let failures = scenario
            .expect
            .judge(&observed)
            .iter()
            .map(ToString::to_string)
            .collect();
        Ok(Played {
            name: scenario.name.clone(),
            failures,
            page: switchboard::ladder::time_line(&facts),
            outcome: observed.outcome.map(|outcome| outcome.to_string()).unwrap_or_default(),
        })
    }

    /// A copy of the practice with the scenario's shifts, and the shared words where the engine looks for them.
    fn furnish(&self, house: &Path, scenario: &Scenario) -> Result<(), Failure> {
        let practice = house.join("practice");
        copy(&self.folder, &practice)?;
        let mut shifts = format!("zone: {}\n", self.practice.time_zone.iana_name().unwrap_or("UTC"));
        for (role, person) in &scenario.on_call {
            shifts.push_str(&format!("{role} | {person} | every Monday to Sunday 00:00 | 00:00\n"));
        }
        let list = practice.join("on-call.txt");
        std::fs::write(&list, shifts).map_err(Failure::file(&list))?;
        let data = house.join("data");
        std::fs::create_dir_all(&data).map_err(Failure::file(&data))?;
        std::os::unix::fs::symlink(&self.cache, data.join("speech")).map_err(Failure::file(&data))
    }

    /// How far the scenario's night is from this one.
    fn until(&self, scenario: &Scenario) -> SignedDuration {
        let night = scenario.now.to_zoned(self.practice.time_zone.clone());
        night.map_or(SignedDuration::ZERO, |night| {
            night.timestamp().duration_since(Timestamp::now())
        })
    }

    fn desk(&self, phone: SocketAddr, ladder_speed: u32) -> DeskConfig {
        let local = SocketAddr::new(LOOPBACK, 0);
        let listener = Listener {
            transport: sip::Transport::Udp,
            local,
            advertised: local,
        };
        // The far end is our own telephone, which answers for 988 as for every other line outside.
        let outbound = Outbound {
            crisis_line: sip::number::CrisisLine::Proved,
            ..Outbound::at(sip::Transport::Udp, phone)
        };
        let trunk = Trunk::new("loopback", [Network::host(LOOPBACK)]).calling(Some(outbound));
        DeskConfig {
            media_load_max_percent: 95,
            ladder_speed,
            book_patience: Duration::from_secs(5),
            ..DeskConfig::new(vec![listener], LOOPBACK, vec![trunk])
        }
    }

    /// The facts, once the call has its outcome.
    fn facts_when_settled(&self, data: &Path, key_folder: &Path) -> Result<Vec<Stamped>, Failure> {
        let deadline = Instant::now() + SCENARIO_MAX;
        loop {
            let mut reader = ledger::Reader::open(
                &data.join("book"),
                ledger::ReadKeys::from(keys::book_key(key_folder)?).with(keys::rows(key_folder)?),
                0,
            )
            .map_err(Failure::book)?;
            let mut facts = Vec::new();
            for row in &mut reader {
                facts.extend(
                    Stamped::decode(&row.map_err(Failure::book)?.body)
                        .ok()
                        .filter(|stamped| stamped.call.is_some()),
                );
            }
            let settled = facts
                .iter()
                .any(|stamped| matches!(stamped.fact, Fact::CallEnded { .. }));
            if settled || Instant::now() > deadline {
                return Ok(facts);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

/// The records a scenario writes down, answering in real time.
struct OnPaper(Mutex<PaperRecords>);

impl Records for OnPaper {
    fn is_connected(&self, _: &str) -> bool {
        true
    }

    fn ask(&self, _: &str, ask: flow::RecordsAsk) -> Answering {
        let (answer, after) = self.0.lock().unwrap_or_else(PoisonError::into_inner).answer(&ask);
        Box::pin(async move {
            tokio::time::sleep(after).await;
            answer
        })
    }
}

/// What the doctor says once connected.
const DOCTOR_SAYS: &str = "This is the doctor on call. How can I help?";

/// Everything the caller hears until the call is over, and what the caller never came to.
fn listen(handset: &Handset) -> (String, Option<String>) {
    let deadline = Instant::now() + SCENARIO_MAX;
    let mut transcript = String::new();
    let mut stuck = None;
    while Instant::now() < deadline {
        match handset.news(Duration::from_millis(500)) {
            Some((_, News::Heard { line: 1, words })) => {
                transcript.push_str(&words);
                transcript.push(' ');
            }
            Some((_, News::Undone { line: 1, turn })) => stuck = Some(turn),
            Some((_, News::Ended { line: 1, .. } | News::Refused { line: 1, .. })) => break,
            _ => {}
        }
    }
    (transcript, stuck)
}

fn said(words: &str) -> Part {
    Part {
        text: words.into(),
        language: flow::Language::English,
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(to).map_err(Failure::file(to))?;
    for entry in std::fs::read_dir(from).map_err(Failure::file(from))? {
        let path = entry.map_err(Failure::file(from))?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            std::fs::copy(&path, &target).map_err(Failure::file(&path))?;
        }
    }
    Ok(())
}
