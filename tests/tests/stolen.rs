//! A disk that is stolen after a hundred calls (issue 5, done when 4): nothing on it reads as what callers said, nothing can be
//! carved out of it, and without the keys no command opens anything, whoever the thief makes themselves to be.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test has a clock, sockets and files, and stops where it finds otherwise"
)]

mod child;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use child::{Cue, House, NUMBER, Person, begin, handset, noise, office_message, press, urgent, voices};
use exchange::handset::Act;
use switchboard::Fact;
use switchboard::phone::Answering;
use tests::people::People;
use tests::planted::{Markers, Planted};

/// Of the hundred numbers that call, those that are looked for.
const NUMBERS: [&str; 4] = ["2125550100", "2125550101", "2125550142", "2125550199"];
const BORN: &str = "07191963";
const SAID: [&str; 2] = ["Xanthippe Quillfeather.", "The zebra fell asleep in Ypsilanti."];
const CALLS: u64 = 100;
const AT_ONCE: u64 = 20;
/// What is no caller's, and readable: what the practice itself wrote (flows, people, prompts), and the index's own settings.
const PLAIN: [&str; 2] = ["data/releases", "data/index/conf"];
const SOON: Duration = Duration::from_secs(150);
/// What is shorter says nothing about its entropy.
const ENTROPY_OCTETS_MIN: usize = 2_048;

/// Proves SEC-01, SEC-11, SEC-12: strings, entropy and carving find nothing on a disk after a hundred calls, and a stolen copy without
/// keys opens nothing.
#[test]
fn a_disk_after_a_hundred_calls_tells_a_thief_nothing() {
    let [name, reason] = voices(SAID);
    let talk = noise(7, 2);
    let clips: [&[u8]; 3] = [&name, &reason, &talk];
    let planted = Planted::new(&Markers {
        numbers: &NUMBERS,
        dates: &[BORN],
        words: &["xanthippe", "quillfeather", "zebra", "ypsilanti"],
        clips: &clips,
    });
    let words = child::words(None);
    let phones = handset(&words, |_| {
        Person::with([(Cue::Hears("Press 1 to take it now"), press("1"))]).0
    });
    phones.otherwise(Answering::Accepts);
    let house = House::furnish(phones.address(), "30 seconds");
    let mut desk = house.start("info");
    for wave in 0..CALLS / AT_ONCE {
        for line in wave * AT_ONCE..(wave + 1) * AT_ONCE {
            // The first two leave a message and ring a doctor, so that every kind of fact is there; the others talk.
            let script = match line {
                0 => urgent("1", &name, BORN, &reason),
                1 => office_message(&name, &reason),
                _ => {
                    let clip = [&name, &reason, &talk][line as usize % 3];
                    let length = Duration::from_millis(clip.len() as u64 / 8);
                    let mut script = begin();
                    script.push((Cue::Hears("This call is recorded"), vec![Act::Speak(clip.clone())]));
                    script.push((Cue::After(length + Duration::from_millis(500)), vec![Act::HangUp]));
                    script
                }
            };
            // A number that calls twice at once is one call that came by two ways.
            let number = format!("21255501{line:02}");
            phones.call(
                line,
                desk.address,
                NUMBER,
                Some(&format!("+1{number}")),
                Person::with(script).0,
            );
        }
        let wanted = usize::try_from((wave + 1) * AT_ONCE).expect("small") - 2;
        house.waits_for("the calls of a wave to end", SOON, |facts| {
            (count(facts, ended) >= wanted).then_some(())
        });
    }
    house.waits_for("a message to be kept", SOON, |facts| {
        (count(facts, |fact| matches!(fact, Fact::MessageKept(_))) >= 2).then_some(())
    });
    let bridged = |fact: &Fact| matches!(fact, Fact::Bridged { .. });
    house.waits_for("a doctor to take the urgent call", SOON, |facts| {
        (count(facts, bridged) > 0).then_some(())
    });
    phones.hang_up(0);
    phones.hang_up(1);
    let sealed = |fact: &Fact| matches!(fact, Fact::RecordingSealed { .. });
    house.waits_for("every recording to be sealed", SOON, |facts| {
        (count(facts, sealed) >= usize::try_from(CALLS).expect("small") - 2).then_some(())
    });
    desk.signal("TERM");
    assert!(desk.ends(Duration::from_secs(60)).success());

    reads_as_nothing(&house, &planted, &name);
    opens_nothing(&house, &planted);
}

fn count(facts: &[switchboard::Stamped], is: impl Fn(&Fact) -> bool) -> usize {
    facts.iter().filter(|stamped| is(&stamped.fact)).count()
}

fn ended(fact: &Fact) -> bool {
    matches!(fact, Fact::CallEnded { .. })
}

/// The whole data folder, as whoever carves a disk reads it.
fn reads_as_nothing(house: &House, planted: &Planted, speech: &[u8]) {
    // The tools find what they are for.
    let control = [
        b"..RIFF\x24\0\0\0WAVEfmt ".as_slice(),
        b"\0\0\0\0",
        b"caller: Ana\nreason: fever\n",
    ]
    .concat();
    assert_eq!(carved(&control), ["a WAV file", "YAML"]);
    assert_eq!(carved(b"\x01\x02{\"name\": \"Ana\"}\x03OggS\0\x02"), ["Ogg", "JSON"]);
    assert!(
        !is_random(speech),
        "speech as it is said: {:.3} bits an octet",
        entropy(speech)
    );
    let mut random = (0, 8.0_f64);
    let mut octets = 0;
    for path in files(&house.path("data")) {
        let bytes = fs::read(&path).expect("a file of the house");
        octets += bytes.len();
        let found = planted.search(&bytes);
        assert!(found.is_empty(), "{}: {found:?}", path.display());
        for width in ["S", "l", "b"] {
            let strings = Command::new("strings")
                .args(["-a", "-n", "6", "-e", width])
                .arg(&path)
                .output();
            let found = planted.search(&strings.expect("binutils come with the compiler").stdout);
            assert!(found.is_empty(), "{}: {found:?}", path.display());
        }
        let plain = PLAIN.iter().any(|plain| path.starts_with(house.path(plain)));
        let found = carved(&bytes);
        assert!(plain || found.is_empty(), "{}: {found:?}", path.display());
        let extension = path.extension().and_then(|extension| extension.to_str());
        let payload = match extension {
            Some("ndrec") => &bytes[seal::HEADER..],
            Some("ndpeaks") => &bytes,
            _ => continue,
        };
        if payload.len() >= ENTROPY_OCTETS_MIN {
            random = (random.0 + 1, random.1.min(entropy(payload)));
            assert!(
                is_random(payload),
                "{}: {:.3} bits an octet",
                path.display(),
                entropy(payload)
            );
        }
    }
    println!(
        "{octets} octets searched; {} payloads, of {:.4} bits an octet at least",
        random.0, random.1
    );
    assert!(random.0 as u64 >= CALLS - 2, "{} payloads", random.0);
}

/// A copy of the data, and no keys; then with keys the thief made, in a house where they are the owner.
fn opens_nothing(house: &House, planted: &Planted) {
    let stolen = tempfile::tempdir().expect("a folder");
    let at = |name: &str| stolen.path().join(name);
    fs::remove_file(house.path("data/speech")).expect("a link");
    child::copy(&house.path("data"), &at("data"));
    child::copy(&house.path("practice"), &at("practice"));
    let text = fs::read_to_string(house.path("nightdesk.yaml")).expect("a configuration");
    fs::write(at("nightdesk.yaml"), text).expect("room");
    let call = *house.calls().keys().next().expect("a hundred");
    let (call, wav) = (call.to_string(), at("heard.wav"));
    let recording = house.vault().list().expect("recordings").0[0].id.to_string();
    let [wav_text, rows] = [&wav, &at("rows.csv")].map(|path| path.to_str().expect("a plain path").to_owned());
    let reason = ["--reason", "curious"];
    let commands: Vec<Vec<&str>> = [
        vec!["recordings", "export", &recording, "--wav", &wav_text],
        vec!["recordings", "show", &recording],
        vec!["calls", "show", &call],
        vec!["consent", "explain", &call],
        vec!["audit", "export", "--what", "facts", "--into", &rows],
    ]
    .into_iter()
    .map(|command| [command.as_slice(), &reason].concat())
    .chain([
        vec!["recordings", "list"],
        vec!["recordings", "verify"],
        vec!["calls", "list"],
        vec!["audit", "search"],
        vec![
            "audit",
            "who-accessed",
            "--caller",
            "+12125550142",
            "--reason",
            "curious",
        ],
        vec!["retention", "plan"],
        vec!["incident", "list"],
        vec!["people", "list"],
        vec!["agreements", "list"],
    ])
    .collect();
    let opening = 5;
    let binary = house.binary();
    let tell = |who: &str, people: &People| {
        for (number, command) in commands.iter().enumerate() {
            let output = people.run("thief", command, &[]);
            let told = [output.stdout, output.stderr].concat();
            // The number that was typed stands in the question, not in an answer.
            let text = String::from_utf8_lossy(&told).replace("+12125550142", "");
            let kept_shut = !output.status.success() || text.contains("cannot be read");
            assert!(number >= opening || kept_shut, "{who} ran {command:?}: {text}");
            assert!(
                planted.search(text.as_bytes()).is_empty(),
                "{who} ran {command:?}: {text}"
            );
        }
        assert!(!wav.exists(), "{who} hears something");
        let rows = fs::read(at("rows.csv")).unwrap_or_default();
        assert!(planted.search(&rows).is_empty(), "{who} reads rows");
    };
    let config = at("nightdesk.yaml");
    fs::create_dir(at("keys")).expect("room");
    tell("without keys", &People::of(binary, &config, &at("sessions")));

    // With keys of their own, and a house in which nobody else is.
    fs::remove_dir(at("keys")).expect("empty, or the commands made something");
    for own in ["office", "sessions", "readers", "views", "retention"] {
        let _ = fs::remove_dir_all(at("data").join(own));
    }
    let made = Command::new(binary)
        .args(["keys", "make"])
        .arg(at("keys"))
        .output()
        .expect("the binary");
    assert!(made.status.success(), "{made:?}");
    let people = People::of(binary, &config, &at("sessions"));
    people.owner("thief");
    tell("with keys of their own", &people);
}

/// What a carver would make a file of.
fn carved(bytes: &[u8]) -> Vec<&'static str> {
    let mut found = Vec::new();
    let at = |magic: &[u8]| {
        bytes
            .windows(magic.len())
            .enumerate()
            .filter(|(_, part)| *part == magic)
            .map(|(at, _)| at)
            .collect::<Vec<_>>()
    };
    if at(b"RIFF")
        .into_iter()
        .any(|from| bytes[from..].get(8..12) == Some(b"WAVE"))
    {
        found.push("a WAV file");
    }
    if !at(b"OggS\0").is_empty() || !at(b"OpusHead").is_empty() {
        found.push("Ogg");
    }
    let objects = at(b"{\"").into_iter().chain(at(b"[{"));
    let is_json = |from: usize| {
        let mut values = serde_json::Deserializer::from_slice(&bytes[from..]).into_iter::<serde_json::Value>();
        matches!(values.next(), Some(Ok(value)) if value.as_object().is_none_or(|object| !object.is_empty()))
    };
    if objects.into_iter().any(is_json) {
        found.push("JSON");
    }
    // Two lines of `name: value` on end.
    let is_pair = |line: &[u8]| {
        let text = std::str::from_utf8(line).unwrap_or_default();
        text.split_once(": ").is_some_and(|(name, value)| {
            let name = name.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
            !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || " _-".contains(c))
                && !value.is_empty()
        })
    };
    let lines: Vec<bool> = bytes
        .split(|octet| *octet == b'\n')
        .map(|line| is_pair(line.rsplit(|octet| *octet < b' ').next().unwrap_or_default()))
        .collect();
    if lines.windows(2).any(|pair| pair == [true, true]) {
        found.push("YAML");
    }
    found
}

/// Bits an octet (Shannon).
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    bytes.iter().for_each(|octet| counts[usize::from(*octet)] += 1);
    let all = bytes.len() as f64;
    let each = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| f64::from(*count) / all);
    -each.map(|share| share * share.log2()).sum::<f64>()
}

/// As random as so few octets can show: their entropy falls short of eight bits by 255 / (2 n ln 2) on average, and hardly ever by twice that.
fn is_random(bytes: &[u8]) -> bool {
    8.0 - entropy(bytes) < 2.0 * 255.0 / (2.0 * bytes.len() as f64 * std::f64::consts::LN_2)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("our own folder") {
        let path = entry.expect("readable").path();
        // Words that the practice says are linked, and are nobody's secret.
        if path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files
}
