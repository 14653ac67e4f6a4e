//! Nothing that can be configured, and nothing that is done to the keys while calls are in progress, lets sound out of its seal.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test has a clock, files and programs, and stops where it finds otherwise"
)]

mod child;

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use child::{Cue, Diary, House, NUMBER, Person, begin, handset, noise};
use exchange::handset::{Act, Handset};
use media::Law;
use switchboard::Fact;

/// Somebody who is recorded and talks.
fn talks(callers: &Handset, line: u64, desk: std::net::SocketAddr, clip: &Arc<[u8]>) -> Diary {
    let mut script = begin();
    script.push((Cue::Hears("This call is recorded"), vec![Act::Speak(clip.clone())]));
    let (party, diary) = Person::with(script);
    callers.call(line, desk, NUMBER, Some(&format!("+151255601{line:02}")), party);
    diary
}

fn recorded(house: &House, calls: usize) {
    house.waits_for("every recording to be sealed", Duration::from_secs(30), |facts| {
        let sealed = facts
            .iter()
            .filter(|stamped| matches!(stamped.fact, Fact::RecordingSealed { .. }));
        (sealed.count() >= calls).then_some(())
    });
}

/// For whom recordings are sealed now.
fn recipients(house: &House) -> BTreeSet<[u8; 16]> {
    let (listed, troubles) = house.vault().list().expect("recordings");
    assert!(troubles.is_empty(), "{troubles:?}");
    let slots = listed.iter().flat_map(|listed| &listed.header.slots);
    slots.map(|slot| slot.key_id).collect()
}

/// Waits for a line in the engine's log, the `count`th of its kind.
fn logs(desk: &child::Desk, what: &str, count: usize) {
    let began = Instant::now();
    while desk.err().matches(what).count() < count {
        assert!(began.elapsed() < Duration::from_secs(30), "waited for “{what}”");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Proves SEC-04, SEC-17: months, a practice's key and months ahead are renewed while calls are recorded; the engine takes them by
/// itself, is not restarted, and every recording of before, of then and of after opens. A broken bundle is an alarm and ends nothing.
#[test]
fn keys_are_rotated_while_calls_are_recorded() {
    let words = child::words(None);
    let callers = handset(&words, |_| panic!("nobody rings a caller"));
    let house = House::furnish(callers.address(), "5 seconds");
    house.people();
    let mut desk = house.start("info");
    logs(&desk, "keys were read", 1);
    // Until now the house had keys, and Cedar none of its own.
    house.show(&["keys", "provision"]);
    logs(&desk, "keys were read", 2);
    let clip = noise(11, 60);
    let diaries: Vec<Diary> = (0..3).map(|line| talks(&callers, line, desk.address, &clip)).collect();
    for diary in &diaries {
        diary.waits_for("[speaks]", Duration::from_secs(60));
    }
    let before = recipients(&house);

    let month = jiff::Timestamp::now().strftime("%Y-%m").to_string();
    let said = house.show(&["keys", "rotate", "--months-from", &month]);
    assert!(said.contains("within seconds"), "{said}");
    logs(&desk, "keys were read", 3);
    house.show(&["keys", "rotate", "--practice", "Cedar Family Medicine"]);
    house.show(&["keys", "provision", "--months", "30"]);
    logs(&desk, "keys were read", 4);
    for line in 3..5 {
        talks(&callers, line, desk.address, &clip).waits_for("[speaks]", Duration::from_secs(60));
    }
    let after = recipients(&house);
    assert!(
        after.difference(&before).next().is_some(),
        "calls that begin now are sealed for the new month"
    );

    // Somebody's copy went wrong: it is told, and the next call is recorded as before.
    let bundle = house.path("keys/engine.bundle");
    let good = fs::read(&bundle).expect("there");
    fs::write(&bundle, b"half of a co").expect("room");
    logs(&desk, "were not read again", 1);
    talks(&callers, 5, desk.address, &clip).waits_for("[speaks]", Duration::from_secs(60));
    fs::write(&bundle, good).expect("room");
    logs(&desk, "keys were read", 5);
    std::thread::sleep(Duration::from_secs(1));
    (0..6).for_each(|line| callers.hang_up(line));
    recorded(&house, 6);
    assert!(desk.runs(), "nothing was restarted");
    let alarms = house.facts().into_iter().filter_map(|stamped| match stamped.fact {
        Fact::HouseAlarm { what } => Some(what),
        _ => None,
    });
    let alarms: Vec<String> = alarms.collect();
    assert!(
        alarms
            .iter()
            .any(|what| what.contains("the engine's keys were not read again")),
        "{alarms:?}"
    );

    let opens = || {
        let (listed, _) = house.vault().list().expect("recordings");
        let calls: Vec<_> = listed.iter().filter(|one| one.kind == vault::Kind::Call).collect();
        assert_eq!(calls.len(), 6);
        for one in calls {
            let audio = house.listen(one.id);
            let heard: Vec<u8> = audio.caller().collect();
            // On a busy machine some of it is lost; half a second of it is not heard by chance.
            let known: HashSet<&[u8]> = heard.windows(8).collect();
            let pieces = clip.chunks_exact(160).filter(|piece| known.contains(&piece[..8]));
            assert!(pieces.count() >= 25, "{} holds something else", one.id);
        }
    };
    opens();
    // What was recorded under the keys of before is wrapped anew, and opens as well.
    let said = house.show(&["keys", "rotate", "--months-from", &month]);
    assert!(said.contains("recordings have new headers"), "{said}");
    opens();
    assert!(desk.runs());
}

/// How often an engine is started with a damaged configuration.
const STARTS: usize = 24;
/// Of these at least so many must have recorded a call, or the test has shown nothing.
const RECORDED_MIN: usize = 5;
/// Starts beside each other.
const AT_ONCE: usize = 4;

/// What an engine did with a configuration.
enum Came {
    Refused,
    Served { recorded: bool },
}

/// Proves SEC-09, SEC-11: an engine started with a damaged configuration says what is wrong with it and ends, or answers a call
/// and keeps nothing of it in the clear.
#[test]
fn a_damaged_configuration_is_refused_or_records_sealed() {
    let words = child::words(None);
    let callers = Mutex::new(handset(&words, |_| panic!("nobody rings a caller")));
    let nobody = callers.lock().expect("nobody panics with it").address();
    let clip = noise(23, 3);
    let (next, refused, served, recorded) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= STARTS {
                        return;
                    }
                    match try_one(number, nobody, &callers, &clip) {
                        Came::Refused => refused.fetch_add(1, Ordering::Relaxed),
                        Came::Served { recorded: kept } => {
                            recorded.fetch_add(usize::from(kept), Ordering::Relaxed);
                            served.fetch_add(1, Ordering::Relaxed)
                        }
                    };
                }
            });
        }
    });
    let [refused, served, recorded] = [refused, served, recorded].map(AtomicUsize::into_inner);
    println!("{refused} refused, {served} served, {recorded} of them recorded a call");
    assert_eq!(refused + served, STARTS);
    assert!(
        recorded >= RECORDED_MIN && refused > 0,
        "{refused} refused, {recorded} recorded"
    );
}

fn try_one(number: usize, nobody: std::net::SocketAddr, callers: &Mutex<Handset>, clip: &Arc<[u8]>) -> Came {
    let house = House::furnish(nobody, "1 second");
    let config = house.path("nightdesk.yaml");
    let text = fs::read_to_string(&config).expect("ours");
    let text = damaged(&text, number);
    fs::write(&config, &text).expect("room");
    let (out, err) = (house.path("out"), house.path("err"));
    let mut engine = Command::new(child::target().join("debug/nightdesk"))
        .args(["serve", "--config"])
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(File::create(&out).expect("room"))
        .stderr(File::create(&err).expect("room"))
        .spawn()
        .expect("the binary was just built");
    let printed = || format!("{}{}", read(&out), read(&err));
    let began = Instant::now();
    let address = loop {
        let listening = read(&out)
            .lines()
            .find_map(|line| line.strip_prefix("listening on UDP ")?.parse().ok());
        if let Some(address) = listening {
            break address;
        }
        if let Some(status) = engine.try_wait().expect("our own child") {
            assert!(!status.success(), "it ended as if all were well:\n{text}");
            assert!(
                printed().contains("fix: "),
                "it does not say why:\n{text}\n{}",
                printed()
            );
            return Came::Refused;
        }
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "neither\n{text}\n{}",
            printed()
        );
        std::thread::sleep(Duration::from_millis(50));
    };
    let line = 100 + u64::try_from(number).expect("small");
    let diary = {
        let callers = callers.lock().expect("nobody panics with it");
        let mut script = begin();
        script.push((Cue::Hears("This call is recorded"), vec![Act::Speak(clip.clone())]));
        let (party, diary) = Person::with(script);
        callers.call(line, address, NUMBER, Some("+15125560199"), party);
        diary
    };
    let spoke = |within: Duration| {
        let began = Instant::now();
        while began.elapsed() < within {
            if diary.when("[speaks]").is_some() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        false
    };
    // A trunk that was damaged brings no call; then there is nothing to keep.
    let recorded = spoke(Duration::from_secs(25));
    if recorded {
        std::thread::sleep(Duration::from_secs(3));
    }
    callers.lock().expect("nobody panics with it").hang_up(line);
    std::thread::sleep(Duration::from_secs(1));
    engine.kill().expect("our own child");
    engine.wait().expect("our own child");
    let pieces: HashSet<Vec<u8>> = clip.chunks_exact(8).flat_map(shapes).collect();
    let mut kept = 0;
    for file in files(house.path("nightdesk.yaml").parent().expect("a folder")) {
        let octets = fs::read(&file).expect("ours");
        if file.to_string_lossy().contains("recordings") {
            kept += octets.len();
        }
        let clear = [8, 16]
            .into_iter()
            .any(|size| octets.windows(size).any(|part| pieces.contains(part)));
        assert!(!clear, "{} holds what was said, in the clear:\n{text}", file.display());
    }
    Came::Served {
        recorded: recorded && kept > 8_000,
    }
}

/// Eight octets of µ-law as they are, in the other law, and as samples.
fn shapes(piece: &[u8]) -> [Vec<u8>; 3] {
    let samples = || piece.iter().map(|octet| Law::Pcmu.decode(*octet));
    [
        piece.to_vec(),
        samples().map(|sample| Law::Pcma.encode(sample)).collect(),
        samples().flat_map(i16::to_le_bytes).collect(),
    ]
}

/// One of several things done to a configuration; each by its number, so that a failure can be looked at.
fn damaged(text: &str, number: usize) -> String {
    const OFF: [&str; 6] = ["off", "no", "none", "false", "0", "plain"];
    const WISHES: [&str; 5] = ["encryption", "seal", "audit", "consent", "recordings"];
    let off = OFF[number % OFF.len()];
    let lines: Vec<&str> = text.lines().collect();
    // Lines without which nobody could call stay in two thirds of the tries.
    let others = [
        "media threads",
        "calls at most",
        "ladder speed",
        "drain for",
        "rtp ports",
        "lab practices",
    ];
    let changed = |name: &str, value: &str| -> String {
        lines
            .iter()
            .map(|line| match line.strip_prefix(name) {
                Some(rest) if rest.starts_with(':') => format!("{name}: {value}\n"),
                _ => format!("{line}\n"),
            })
            .collect()
    };
    let without = |name: &str| -> String {
        let kept = lines.iter().filter(|line| !line.starts_with(name));
        kept.map(|line| format!("{line}\n")).collect()
    };
    match number % 6 {
        0 => without(others[number / 6 % others.len()]),
        1 => text.replace("    from:", &format!("    encryption: {off}\n    from:")),
        2 => format!("{text}{}: {off}\n", WISHES[number / 6 % WISHES.len()]),
        3 => changed(others[number / 6 % others.len()], off),
        4 => {
            let more = [
                "destroy what is due: by a person",
                "log off after: 30 minutes",
                "calls per practice: 1",
                "ring before answering: 1 second",
            ];
            format!("{text}{}\n", more[number / 6 % more.len()])
        }
        _ => {
            let at = (number * 37) % lines.len();
            let twice = lines.iter().enumerate().map(|(place, line)| match place == at {
                true => format!("{line}\n{line}\n"),
                false => format!("{line}\n"),
            });
            twice.collect()
        }
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// Every file of a house; not what is shared between houses.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("our own folder").flatten() {
        let path = entry.path();
        let about = fs::symlink_metadata(&path).expect("ours");
        if about.is_dir() && !path.ends_with("practice") {
            files.extend(self::files(&path));
        } else if about.is_file() {
            files.push(path);
        }
    }
    files
}
