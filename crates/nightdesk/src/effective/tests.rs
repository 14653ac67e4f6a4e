//! That no setting turns encryption, the book or consent off: the tables against the readers, every setting against every word for
//! *off*, and thousands of damaged files, each of which is refused or seals.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use flow::manual::{Entry, Holds, Name};
use flow::rehearse::{Scenario, Suite};

use super::*;
use crate::config::{IN_A_TRUNK, IN_CERTIFICATE, IN_DIGEST, IN_HOMER, TOP, read};

/// Damaged configurations of an engine.
const ENGINES: u64 = 2_000;
/// Damaged practices.
const PRACTICES: u64 = 240;

/// Words by which somebody would turn something off.
const OFF: &[&str] = &["off", "no", "none", "never", "false", "0", "plain", "{}"];

/// Names by which somebody would.
const WISHES: &[&str] = &[
    "encryption",
    "encrypt recordings",
    "seal",
    "sealing",
    "plaintext",
    "recordings",
    "recorder",
    "audit",
    "audit log",
    "book",
    "ledger",
    "checkpoints",
    "consent",
    "ask for permission",
    "record without asking",
    "recording",
    "office",
    "log in",
    "tls versions",
];

fn names<T>(table: &[Known<T>]) -> BTreeSet<&'static str> {
    table.iter().map(|known| known.name).collect()
}

/// Proves SEC-09: what the dump shows is every setting that a reader takes, and every variable that the program asks for.
#[test]
fn every_setting_there_is_stands_in_the_dump() {
    let mut top = names(ENGINE);
    top.extend(["certificate", "homer", "trunks"]);
    assert_eq!(top, TOP.iter().copied().collect());
    assert_eq!(names(CERTIFICATE), IN_CERTIFICATE.iter().copied().collect());
    assert_eq!(names(HOMER), IN_HOMER.iter().copied().collect());
    let mut trunk = names(TRUNK);
    trunk.insert("digest in");
    assert_eq!(trunk, IN_A_TRUNK.iter().copied().collect());
    assert_eq!(names(DIGEST), IN_DIGEST.iter().copied().collect());

    // What a practice's file may say is the manual's table, which `flow` compares with its reader.
    let mut paths = BTreeSet::new();
    places("", manual::PRACTICE, &mut paths);
    for path in OF_PRACTICE.iter().map(|(path, _)| path).chain(PRIVATE) {
        assert!(paths.contains(*path), "a practice has no `{path}`: {paths:?}");
    }

    let mut asked = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("..")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("sources").flatten() {
            let path = entry.path();
            let is_test = path.ends_with("tests") || path.ends_with("tests.rs") || path.ends_with("readme.rs");
            if is_test || path.ends_with("effective.rs") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source");
                let parts = text.split('"').filter(|part| part.starts_with("NIGHTDESK_"));
                asked.extend(parts.map(str::to_owned));
            }
        }
    }
    let shown: BTreeSet<String> = ENVIRONMENT.iter().map(|(name, _, _)| (*name).to_owned()).collect();
    assert_eq!(shown, asked);
}

/// Every place of a file, as [`Dump::entries`] writes them.
fn places(before: &str, entries: &[Entry], out: &mut BTreeSet<String>) {
    for entry in entries {
        let here = match entry.name {
            Name::Is(name) => name.to_owned(),
            Name::Own(what) | Name::Key(what) => format!("‹{what}›"),
        };
        let path = if before.is_empty() {
            here
        } else {
            format!("{before} / {here}")
        };
        match entry.holds {
            Holds::Map(inner) | Holds::Maps(inner) => places(&path, inner, out),
            Holds::Either(_, inner) | Holds::Eithers(_, inner) => {
                places(&path, inner, out);
                out.insert(path);
            }
            _ => {
                out.insert(path);
            }
        }
    }
}

/// A practice that says as little as it may has what the dump says it has.
#[test]
fn what_a_practice_leaves_out_is_what_the_dump_says() {
    let mut folder = everything();
    let text = folder.files.get_mut("practice.yaml").expect("it is there");
    let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with("keep:")).collect();
    *text = kept.join("\n");
    let compiled = flow::compile(&folder);
    let practice = compiled
        .practice
        .unwrap_or_else(|| panic!("{:?}", compiled.diagnostics));
    let six = flow::Period::Years(6);
    let keep = &practice.keep;
    assert_eq!(
        [
            keep.messages,
            keep.recordings,
            keep.keys,
            keep.calls,
            keep.audit,
            keep.grace
        ],
        [six, six, six, six, six, flow::Period::Days(30)]
    );
}

/// A house with keys, where configurations are tried.
struct House {
    folder: tempfile::TempDir,
    scratch: u64,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .expect("room");
        let practice = folder.path().join("practice");
        std::fs::create_dir(&practice).expect("room");
        for (name, text) in everything().files {
            std::fs::write(practice.join(name), text).expect("room");
        }
        keys::make(&folder.path().join("keys"), &["Maple Ridge Clinic".to_owned()], 2).expect("keys");
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "opensesame\n").expect("room");
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).expect("ours");
        Self { folder, scratch: 0 }
    }

    /// What an engine started with this text would do: nothing, for it is refused with a reason; or record, and then what it
    /// writes is looked at. Gives whether it would start.
    fn starts(&mut self, text: &str) -> bool {
        let (settings, diagnostics) = read(&self.folder.path().join("nightdesk.yaml"), text);
        let Some(settings) = settings else {
            let told = diagnostics
                .iter()
                .any(|finding| finding.severity == flow::Severity::Error);
            assert!(told, "refused without a reason:\n{text}");
            return false;
        };
        let Ok(config) = serve::exchange_config(settings) else {
            return false;
        };
        self.scratch += 1;
        let vault = self.folder.path().join(format!("vault{}", self.scratch));
        seals(config, &vault, text);
        std::fs::remove_dir_all(vault).expect("ours");
        true
    }
}

/// The vault that `exchange::serve` gives to the recorder of this configuration writes nothing in the clear.
fn seals(config: exchange::Config, folder: &Path, text: &str) {
    assert!(
        config.trace.is_none() && config.clock_ahead.is_zero(),
        "no configuration asks for these"
    );
    let locks = config.keys.locks;
    let mut vault = vault::Vault::open(folder, locks, keys::draw()).expect("a folder");
    let new = vault::NewRecording {
        id: None,
        tenant: seal::Tenant::named("Maple Ridge Clinic").0,
        call: [2; 16],
        codec: vault::Codec::MuLaw,
        kind: vault::Kind::Call,
        start_ms: jiff::Timestamp::now().as_millisecond(),
        monotonic_ns: 5,
        consent: [4; 32],
        consent_before_start: true,
    };
    // Octets that are nowhere else, over and over: what is not sealed shows.
    let planted = b"zebra-crossing-in-the-clear-0123";
    let sound: Vec<u8> = planted.iter().copied().cycle().take(8_000).collect();
    let mut writer = vault.begin(&new).expect("a good disk");
    writer.push(&sound, &sound).expect("a good disk");
    let id = writer.finish(new.start_ms + 1_000).expect("a good disk").id;
    let header = vault.find(id).expect("just written").header;
    assert!(!header.slots.is_empty(), "sealed for nobody:\n{text}");
    let mut looked = 0;
    for path in keys::commands::files(folder).expect("ours") {
        let octets = std::fs::read(&path).expect("ours");
        looked += octets.len();
        let clear = octets.windows(16).any(|part| part == b"zebra-crossing-i");
        assert!(!clear, "{} holds sound in the clear:\n{text}", path.display());
    }
    assert!(looked > 8_000, "the recording is somewhere else: {looked}");
}

const CONFIG: &str = "listen: [udp 127.0.0.1:0, tcp 127.0.0.1:0]\nexternal address: 203.0.113.7\nmedia address: 127.0.0.1\n\
rtp ports: 20000 to 29999\nmedia threads: 2\nname server: [192.0.2.53]\nbrowser pages: https://phones.example.com\n\
homer: {to: udp 192.0.2.9:9060, node: 7, numbers: masked, password file: secret}\ntrunks:\n  carrier:\n    \
from: [192.0.2.0/24]\n    outbound: udp 192.0.2.10:5060\n    user: cedar\n    password file: secret\n    encryption: off\n    \
headers: {X-Token: file secret}\n    calls in at most: 40\n    report card: +15125550190\n  desk:\n    from: [198.51.100.7]\n    \
digest in: {realm: desk, user: desk, password: opensesame}\n    outbound: none\npractices: [practice]\nlab practices: [practice]\n\
data: data\nkeys: keys\ncalls at most: 500\ncalls per practice: 50\nring before answering: 2 seconds\nladder speed: 2\n\
drain for: 1 hour\nlog off after: 10 minutes\ndestroy what is due: by a person\n";

/// Proves SEC-09: no setting of the engine, with any word for *off*, and no name that somebody would try, gives an engine that
/// records in the clear.
#[test]
fn no_setting_of_the_engine_turns_sealing_off() {
    let mut house = House::new();
    assert!(house.starts(CONFIG), "the usual is taken");
    for off in OFF {
        for wish in WISHES {
            let top = format!("{CONFIG}{wish}: {off}\n");
            assert!(!house.starts(&top), "`{wish}` is a setting");
            if !IN_A_TRUNK.contains(wish) {
                let trunk = CONFIG.replace("    from: [192", &format!("    {wish}: {off}\n    from: [192"));
                assert!(!house.starts(&trunk), "`{wish}` is a setting of a trunk");
            }
        }
        // Each line of the file, in turn, says the word instead.
        let lines: Vec<&str> = CONFIG.lines().collect();
        for at in 0..lines.len() {
            let changed: Vec<String> = (0..)
                .zip(&lines)
                .map(|(number, line)| match line.split_once(": ") {
                    Some((name, _)) if number == at => format!("{name}: {off}"),
                    _ => (*line).to_owned(),
                })
                .collect();
            house.starts(&(changed.join("\n") + "\n"));
        }
        for name in TOP.iter().filter(|name| !CONFIG.contains(&format!("{name}:"))) {
            house.starts(&format!("{CONFIG}{name}: {off}\n"));
        }
        for name in IN_A_TRUNK {
            house.starts(&CONFIG.replace("    outbound: none\n", &format!("    {name}: {off}\n")));
        }
    }
}

/// Proves SEC-09: thousands of damaged configurations are each refused with a reason, or start an engine whose recorder seals.
#[test]
fn a_damaged_configuration_never_starts_a_plaintext_recorder() {
    let mut house = House::new();
    let words: Vec<&str> = OFF.iter().chain(WISHES).chain(TOP).chain(IN_A_TRUNK).copied().collect();
    let started = (0..ENGINES)
        .filter(|seed| house.starts(&damaged(CONFIG, *seed, &words)))
        .count();
    let refused = usize::try_from(ENGINES).expect("small") - started;
    assert!(started > 100 && refused > 300, "{started} started, {refused} refused");
}

/// Proves SEC-09, CON-06: a damaged practice, flow or protocol is refused, or asks: whoever stays silent is recorded by none of
/// them.
#[test]
fn a_damaged_practice_never_records_whoever_said_nothing() {
    let whole = everything();
    let (suite, _) = Suite::parse("everything.tests.yaml", &whole.files["everything.tests.yaml"]);
    let usual = suite.expect("its scenarios").scenarios.into_iter().next().expect("one");
    let silent = Scenario {
        conversation: Vec::new(),
        ..usual
    };
    let names: Vec<&String> = whole
        .files
        .keys()
        .filter(|name| !name.ends_with("tests.yaml"))
        .collect();
    let words: Vec<&str> = OFF.iter().chain(WISHES).copied().collect();
    let (mut played, mut refused) = (0, 0);
    for seed in 0..PRACTICES {
        let mut folder = whole.clone();
        let name = names[usize::try_from(seed).expect("small") % names.len()];
        let text = damaged(&whole.files[name], seed, &words);
        folder.files.insert(name.clone(), text);
        let compiled = flow::compile(&folder);
        let Some(practice) = compiled.practice else {
            let told = compiled.diagnostics.iter().any(flow::Diagnostic::is_error);
            assert!(told, "refused without a reason: {name} {seed}");
            refused += 1;
            continue;
        };
        played += 1;
        let night = switchboard::rehearse::play(Instant::now(), &practice, &silent);
        for stamped in &night.facts {
            let recorded = matches!(
                stamped.fact,
                switchboard::Fact::RecordingBegan { .. } | switchboard::Fact::Permission { given: true, .. }
            );
            assert!(!recorded, "{name} {seed} records whoever said nothing:\n{}", night.page);
        }
    }
    assert!(played > 15 && refused > 50, "{played} played, {refused} refused");
}

/// A text with a few things done to it.
fn damaged(text: &str, seed: u64, words: &[&str]) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5EED;
    let mut below = move |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 20).unwrap_or(0) % end.max(1)
    };
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..=below(3) {
        let at = below(lines.len());
        let word = words[below(words.len())];
        let Some(line) = lines.get(at).cloned() else { continue };
        let indent: String = line.chars().take_while(|letter| *letter == ' ').collect();
        match below(7) {
            0 => drop(lines.remove(at)),
            1 => lines.insert(at, line),
            2 => lines.insert(at, format!("{indent}{word}: {}", OFF[below(OFF.len())])),
            3 => {
                if let Some((name, _)) = line.split_once(": ") {
                    lines[at] = format!("{name}: {word}");
                }
            }
            4 => {
                let other = below(lines.len());
                lines.swap(at, other);
            }
            5 => {
                let mut letters: Vec<char> = line.chars().collect();
                let place = below(letters.len());
                if let Some(letter) = letters.get_mut(place) {
                    *letter = ['x', ' ', ':', '0', '[', '}', '#', '\u{e9}'][below(8)];
                }
                lines[at] = letters.into_iter().collect();
            }
            _ => {
                let digits: String = line
                    .chars()
                    .map(|letter| if letter.is_ascii_digit() { '0' } else { letter })
                    .collect();
                lines[at] = digits;
            }
        }
    }
    lines.join("\n") + "\n"
}

/// Proves SEC-09: the dump of a house shows every setting with where it came from, no secret, and that encryption, audit and
/// consent have no setting, with what is in force.
#[test]
fn the_dump_shows_where_everything_came_from_and_no_secret() {
    let house = House::new();
    let file = house.folder.path().join("nightdesk.yaml");
    std::fs::write(&file, CONFIG).expect("room");
    let (settings, _) = read(&file, CONFIG);
    let mut dump = Dump::default();
    dump.engine(&file, &settings.expect("the usual")).expect("readable");
    dump.environment();
    let folder = house.folder.path().display().to_string();
    let mut shown = String::new();
    for line in &dump.lines {
        let _ = writeln!(shown, "{} | {} | {} | {}", line.part, line.name, line.value, line.from);
    }
    for always in dump.always() {
        let _ = writeln!(shown, "{}: {}", always.what, always.statement);
        for line in always.in_force {
            let _ = writeln!(shown, "  {line}");
        }
    }
    assert!(dump.notes.is_empty(), "{:?}", dump.notes);
    let json = dump.json().to_string();
    // The token, the password, the report card's number, doctors' numbers and pins.
    for private in ["opensesame", "5125550190", "614 555 0141", "\"0417\"", "0417"] {
        assert!(!shown.contains(private) && !json.contains(private), "{private}");
    }
    for (of, setting) in [("trunk desk", "digest in / password"), ("trunk carrier", "report card")] {
        let line = format!("{of} | {setting} | set, not shown | ");
        assert!(shown.contains(&line), "{line}\n{shown}");
    }
    for what in ["encryption", "audit", "consent"] {
        let said = format!("{what}: there is no setting that turns it off");
        assert!(shown.contains(&said) && json.contains("there is no setting"), "{said}");
    }
    let steady = shown
        .replace(&folder, "HOUSE")
        .lines()
        .filter(|line| !line.starts_with("environment") && !line.contains("bundle"))
        .fold(String::new(), |text, line| text + line + "\n");
    assert!(shown.contains("reaches to "), "{shown}");
    insta::assert_snapshot!(steady);
}

fn everything() -> flow::Folder {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/flows/good/everything");
    let mut folder = flow::Folder::default();
    for entry in std::fs::read_dir(path).expect("the folder is there").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(entry.path()).expect("a text");
        folder.files.insert(name, text);
    }
    folder
}
