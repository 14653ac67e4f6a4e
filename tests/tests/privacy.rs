//! What callers say, key and call from is found nowhere outside the seals (requirements SEC-01, SEC-13, BRF-05): not in the logs
//! at their loudest, not in anything the process ever wrote into a file, not in its command line, its core dump or a panic,
//! and not in a packet that is not the call.
//!
//! Whoever reads this test should ask whether its search would find anything: it is tried on a control that holds all that
//! was planted, and on the recordings once they are opened.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test has a clock, sockets and files, and stops where it finds otherwise"
)]

mod child;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use child::{Cue, House, LOOPBACK, NUMBER, Person, handset, noise, office_message, press, urgent, voices};
use exchange::handset::Act;
use media::Law;
use phi::Phi;
use switchboard::Fact;
use switchboard::phone::Answering;
use tests::planted::{Found, Markers, Planted};

/// The number the first caller calls from, and wants to be called back at.
const CALLING: &str = "3475550163";
/// The number the second caller calls from.
const OTHER: &str = "3475550178";
/// The number the second caller keys.
const KEYED: &str = "7185550129";
/// Nobody's number: it comes in messages that are no calls.
const NO_CALL: &str = "3475550194";
/// Dates of birth as they are keyed.
const BORN: &str = "07191963";
const BORN_TOO: &str = "11301987";
/// Names and reasons.
const SAID: [&str; 4] = [
    "Xanthippe Quillfeather.",
    "The zebra fell asleep in Ypsilanti.",
    "Thelonious Featherstonehaugh.",
    "A wombat bit me in Schenectady.",
];
const WORDS: [&str; 8] = [
    "xanthippe",
    "quillfeather",
    "zebra",
    "ypsilanti",
    "thelonious",
    "featherstonehaugh",
    "wombat",
    "schenectady",
];
/// Numbers, dates, words, and six clips.
const MARKERS: usize = 20;
/// Set in the process that runs in a network of its own.
const INSIDE: &str = "PRIVACY_INSIDE";

fn planted(clips: &[&[u8]]) -> Planted {
    Planted::new(&Markers {
        numbers: &[CALLING, OTHER, KEYED, NO_CALL],
        dates: &[BORN, BORN_TOO],
        words: &WORDS,
        clips,
    })
}

/// Runs a test again in a network of its own, where every address is this machine and every packet can be seen. True when this is
/// the one that runs there.
fn is_inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let ran = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c"])
        .arg("ip link set lo up && ip route add local default dev lo && exec \"$0\" \"$@\"")
        .arg(std::env::current_exe().expect("this is one"))
        .args([test, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .stdin(Stdio::null())
        .status()
        .expect("util-linux is everywhere");
    assert!(ran.success(), "{test}, in a network of its own");
    false
}

/// Proves SEC-01, SEC-13: names, numbers, keys, dates and speech of real calls are in no file, log, core dump or packet beside the
/// call in the clear; nor is a key in the dump.
#[test]
fn nothing_planted_is_found_outside_the_seals() {
    if !is_inside("nothing_planted_is_found_outside_the_seals") {
        return;
    }
    let began = SystemTime::now();
    let [name, reason, name_too, reason_too] = voices(SAID);
    let (talk, answer) = (noise(7, 4), noise(8, 4));
    let clips: [&[u8]; 6] = [&name, &reason, &name_too, &reason_too, &talk, &answer];
    assert_eq!(4 + 2 + WORDS.len() + clips.len(), MARKERS);
    let planted = planted(&clips);
    finds_its_control(&planted, &clips);
    // What the test itself writes down lies apart from what is searched.
    let apart = tempfile::tempdir().expect("a folder");
    let packets = Packets::capture(&apart.path().join("all.pcapng"));
    let mirror = apart.path().join("written");
    fs::create_dir(&mirror).expect("room");

    let words = child::words(None);
    let doctors = handset(&words, {
        let answer = answer.clone();
        move |_| {
            Person::with([
                (Cue::Hears("Press 1 to take it now"), press("1")),
                (Cue::After(Duration::from_secs(1)), vec![Act::Speak(answer.clone())]),
            ])
            .0
        }
    });
    let callers = handset(&words, |_| panic!("nobody rings a caller"));
    doctors.otherwise(Answering::Accepts);
    let house = House::furnish(doctors.address(), "1 minute");
    let shim = child::shim();
    let mut desk = house.start_with("trace", &[("LD_PRELOAD", &shim), ("SHIM_MIRROR", &mirror)]);

    // An urgent call that is bridged; one whose caller is gone when the doctor answers; one that will not be recorded.
    let mut script = urgent("1", &name, BORN, &reason);
    script.push((Cue::Hears("Please stay on the line"), vec![]));
    script.push((Cue::After(Duration::from_secs(5)), vec![Act::Speak(talk.clone())]));
    let (party, bridged) = Person::with(script);
    callers.call(1, desk.address, NUMBER, Some(&format!("+1{CALLING}")), party);
    let mut script = urgent(KEYED, &name_too, BORN_TOO, &reason);
    script.push((Cue::Hears("Please stay on the line"), vec![Act::HangUp]));
    let (party, gone) = Person::with(script);
    callers.call(2, desk.address, NUMBER, Some(&format!("+1{OTHER}")), party);
    let mut script = office_message(&name_too, &reason_too);
    script[1].1 = press("2");
    let (party, unrecorded) = Person::with(script);
    callers.call(3, desk.address, NUMBER, Some(&format!("+1{CALLING}")), party);
    messages_that_are_no_calls(desk.address);

    bridged.waits_for("Please stay on the line", Duration::from_secs(90));
    gone.waits_for("Please stay on the line", Duration::from_secs(60));
    unrecorded.waits_for("We will call you", Duration::from_secs(60));
    let cmdline = fs::read(format!("/proc/{}/cmdline", desk.pid())).expect("it runs");
    let environment = fs::read(format!("/proc/{}/environ", desk.pid())).expect("it runs");
    let open = open_files(desk.pid());
    let within = Duration::from_secs(60);
    let seen = |what: &str, is: fn(&Fact) -> bool| {
        house.waits_for(what, within, |facts| {
            facts.iter().any(|stamped| is(&stamped.fact)).then_some(())
        })
    };
    seen("the bridge", |fact| matches!(fact, Fact::Bridged { .. }));
    seen("the number to be given", |fact| {
        matches!(fact, Fact::NumberGiven { .. })
    });
    // Both talk for four seconds; meanwhile somebody takes core dumps.
    std::thread::sleep(Duration::from_secs(2));
    let during = Dump::whole(desk.pid(), &apart.path().join("during.whole"));
    let in_a_call = Dump::usual(desk.pid(), &apart.path().join("during"));
    std::thread::sleep(Duration::from_secs(6));
    callers.hang_up(1);
    let ended = |facts: &[switchboard::Stamped]| {
        facts
            .iter()
            .filter(|stamped| matches!(stamped.fact, Fact::CallEnded { .. }))
            .count()
    };
    house.waits_for("three outcomes", within, |facts| (ended(facts) == 3).then_some(()));
    seen("a sealed recording", |fact| {
        matches!(fact, Fact::RecordingSealed { .. })
    });
    // What the other transports' timers still hold of the last call goes within half a minute (RFC 3261 timer J, 32 s).
    std::thread::sleep(Duration::from_secs(34));
    let after = Dump::whole(desk.pid(), &apart.path().join("after.whole"));
    let at_rest = Dump::usual(desk.pid(), &apart.path().join("after"));
    let shown = [&["trunk", "list"][..], &["flow", "status"]].map(|command| house.show(command));
    desk.signal("TERM");
    assert!(desk.ends(Duration::from_secs(60)).success());
    dumps_tell_nothing(&house, &planted, [&during, &in_a_call, &after, &at_rest]);
    for shown in shown {
        assert!(planted.search(shown.as_bytes()).is_empty(), "{shown}");
    }
    packets.are_the_call(desk.address, &planted);

    // What was planted did arrive: the seals hold it.
    let heard = house.vault().list().expect("recordings").0;
    let mut sealed = BTreeSet::new();
    for listed in &heard {
        let audio = house.listen(listed.id);
        sealed.extend(planted.search(&audio.caller().collect::<Vec<u8>>()));
        sealed.extend(planted.search(&audio.other().collect::<Vec<u8>>()));
    }
    let clips: BTreeSet<Found> = (0..6).map(Found::Audio).collect();
    assert!(
        sealed.is_superset(&clips),
        "all six voices were recorded; found {sealed:?} in {} recordings",
        heard.len()
    );
    let book = format!("{:?}", house.facts());
    assert!(
        planted.search(book.as_bytes()).is_empty(),
        "facts that are printed tell nothing"
    );
    let exposed = house
        .facts()
        .iter()
        .map(|stamped| String::from_utf8_lossy(&stamped.encode()).into_owned())
        .collect::<String>();
    let told = planted.search(exposed.as_bytes());
    for number in [CALLING, KEYED] {
        assert!(
            told.iter()
                .any(|found| matches!(found, Found::Text(text) if text.contains(number))),
            "{number} in the book: {told:?}"
        );
    }

    // And nothing else does.
    let mut places: BTreeMap<PathBuf, BTreeSet<Found>> = BTreeMap::new();
    let mut searched = (0, 0);
    let written = files(&mirror);
    assert!(written.len() > 10, "the shim mirrors what is written: {written:?}");
    for path in files(&house.path("")).into_iter().chain(open).chain(written) {
        let fresh = fs::metadata(&path)
            .and_then(|about| about.modified())
            .is_ok_and(|at| at >= began);
        // Words spoken before this test began are the same for every caller.
        if path.starts_with(child::cache()) && !fresh {
            continue;
        }
        let bytes = fs::read(&path).unwrap_or_default();
        searched = (searched.0 + 1, searched.1 + bytes.len());
        let mut found = planted.search(&bytes);
        found.extend(planted.search(path.to_string_lossy().as_bytes()));
        if !found.is_empty() {
            places.insert(path, found);
        }
    }
    for (name, bytes) in [("/proc/…/cmdline", cmdline), ("/proc/…/environ", environment)] {
        let found = planted.search(&bytes);
        if !found.is_empty() {
            places.insert(name.into(), found);
        }
    }
    println!(
        "{} files, {} octets searched; the log has {} lines",
        searched.0,
        searched.1,
        desk.err().lines().count()
    );
    assert!(
        places.is_empty(),
        "planted, and found:\n{places:#?}\n{}",
        lines_with(&planted, &desk.err())
    );
    assert!(desk.err().lines().count() > 50, "the log was to be loud");
    let keyed = one_at_a_time(&desk.err());
    for (field, keys) in &keyed {
        assert!(
            ![BORN, BORN_TOO, KEYED].iter().any(|secret| keys.contains(secret)),
            "the log tells keys one by one in {field}: {keys}"
        );
    }
    // That search, too, finds what it is for.
    let log: String = BORN
        .chars()
        .map(|key| format!("{{\"target\":\"t\",\"fields\":{{\"key\":\"Some('{key}')\"}}}}\n"))
        .collect();
    assert!(one_at_a_time(&log).values().any(|keys| keys.contains(BORN)));
}

/// A value of a caller's inside what panics does not reach the message: `Phi` prints itself, whoever prints it.
#[test]
fn a_panic_tells_nothing() {
    let messages = Arc::new(Mutex::new(Vec::new()));
    let hook = std::panic::take_hook();
    let written = messages.clone();
    std::panic::set_hook(Box::new(move |panic| {
        written.lock().expect("one at a time").push(panic.to_string())
    }));
    let number = Phi::new(format!("+1{CALLING}"));
    let digit = media::Digit::from_char('7').expect("a key");
    let message = Box::new(switchboard::fact::Message {
        id: 1,
        kind: "urgent call".into(),
        goes_to: "doctor on call".into(),
        fields: vec![
            (
                "callback number".into(),
                switchboard::fact::FieldValue::Number(number.clone()),
            ),
            (
                "patient date of birth".into(),
                switchboard::fact::FieldValue::Date(Phi::new("1963-07-19".into())),
            ),
        ],
        call_back_by: None,
        marks: Vec::new(),
        cut_off: false,
        missing: Vec::new(),
    });
    let panics: [Box<dyn FnOnce() + std::panic::UnwindSafe>; 4] = [
        Box::new({
            let number = number.clone();
            move || std::hint::black_box(Err::<(), _>(number)).expect("a number where none may be")
        }),
        Box::new({
            let number = number.clone();
            move || assert_eq!(number, Phi::new(String::new()), "numbers differ")
        }),
        Box::new(move || panic!("{:?}", Fact::MessageKept(message))),
        Box::new(move || {
            panic!(
                "{digit:?} {:?} {:#?}",
                media::LegEvent::Digit(digit.into(), media::dtmf::press::Way::Event),
                flow::Heard::Key(Phi::new('7'))
            )
        }),
    ];
    let count = panics.len();
    for panics in panics {
        assert!(std::panic::catch_unwind(panics).is_err());
    }
    std::panic::set_hook(hook);
    let messages = messages.lock().expect("nobody panics with it").join("\n");
    assert!(messages.matches("‹redacted›").count() >= count, "{messages}");
    assert!(planted(&[]).search(messages.as_bytes()).is_empty(), "{messages}");
    let without_places = messages
        .lines()
        .filter(|line| !line.starts_with("panicked at"))
        .collect::<String>();
    assert!(!without_places.contains('7'), "the key: {without_places}");
}

/// The search finds all of it where it is.
fn finds_its_control(planted: &Planted, clips: &[&[u8]]) {
    for text in planted.texts() {
        let log = [b"{\"message\":\"from ", text.as_slice(), b"\"}\n"].concat();
        assert!(!planted.search(&log).is_empty(), "{}", String::from_utf8_lossy(text));
    }
    assert!(
        planted
            .search(b"7 files, 19 calls; sip:+15125550100@192.0.2.1; Ana Rivera; 555-01")
            .is_empty()
    );
    for (number, clip) in clips.iter().enumerate() {
        let other = noise(99, clip.len() / 8_000 + 1);
        let samples: Vec<i16> = clip.iter().map(|octet| Law::Pcmu.decode(*octet)).collect();
        let beside: Vec<u8> = clip
            .iter()
            .zip(other.iter())
            .flat_map(|(ours, theirs)| [*ours, *theirs])
            .collect();
        let stereo: Vec<u8> = samples
            .iter()
            .zip(other.iter())
            .flat_map(|(ours, theirs)| [*theirs as i16, *ours])
            .flat_map(i16::to_le_bytes)
            .collect();
        let wav: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let alaw: Vec<u8> = samples.iter().map(|sample| Law::Pcma.encode(*sample)).collect();
        for (shape, bytes) in [
            ("µ-law", clip.to_vec()),
            ("two channels", beside),
            ("stereo", stereo),
            ("WAV", wav),
            ("A-law", alaw),
        ] {
            // It need not begin where a piece does, nor be whole.
            let part = [
                &b"RIFF head"[..],
                &bytes[bytes.len() / 3 + 2..bytes.len() - bytes.len() / 4],
            ]
            .concat();
            assert_eq!(
                planted.search(&part),
                BTreeSet::from([Found::Audio(number)]),
                "clip {number} as {shape}"
            );
        }
    }
}

/// What a process had in memory.
struct Dump {
    path: PathBuf,
}

impl Dump {
    /// As gcore takes it, and the kernel would: what core(5) leaves out is left out.
    fn usual(pid: u32, to: &Path) -> Self {
        Self::take(pid, to, &[])
    }

    /// All of it, against the process's own wish: what only an administrator with a debugger gets.
    fn whole(pid: u32, to: &Path) -> Self {
        Self::take(
            pid,
            to,
            &["set use-coredump-filter off", "set dump-excluded-mappings on"],
        )
    }

    fn take(pid: u32, to: &Path, before: &[&str]) -> Self {
        let mut gdb = Command::new("gdb");
        gdb.args(["-nx", "-batch", "-p", &pid.to_string()]);
        before.iter().for_each(|command| {
            gdb.args(["-ex", command]);
        });
        let output = gdb
            .args(["-ex", &format!("gcore {}", to.display())])
            .env_remove("LD_PRELOAD")
            .output()
            .expect("gdb is installed by `make setup`");
        assert!(to.is_file(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { path: to.to_owned() }
    }

    /// How often each of these is in it, small letters or capitals. Python's search is fast in a debug build too.
    fn counts(&self, needles: &[Vec<u8>]) -> Vec<usize> {
        let program = "import sys\ncore = open(sys.argv[1], 'rb')\nassert core.read(4) == b'\\x7fELF'\npages = []\n\
                       while page := core.read(4096):\n  if page.strip(b'\\0'): pages.append(page)\ncore = b''.join(pages)\nlower = core.lower()\n\
                       for line in sys.stdin:\n  what = bytes.fromhex(line)\n  print(core.count(what) or lower.count(what))";
        let mut python = Command::new("python3")
            .args(["-c", program])
            .arg(&self.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed by `make setup`");
        let lines: String = needles.iter().map(|what| seal::keys::hex(what) + "\n").collect();
        let mut stdin = python.stdin.take().expect("piped");
        std::io::Write::write_all(&mut stdin, lines.as_bytes()).expect("it reads");
        drop(stdin);
        let output = python.wait_with_output().expect("our own child");
        assert!(output.status.success());
        let counts = String::from_utf8(output.stdout).expect("digits");
        counts.lines().map(|line| line.parse().expect("a number")).collect()
    }
}

/// No dump holds a marker or a key, in a call or after it; and in the whole memory, which no dump shows, what a caller said, keyed
/// and was is wiped half a minute after the call.
fn dumps_tell_nothing(house: &House, planted: &Planted, [during, in_a_call, after, at_rest]: [&Dump; 4]) {
    let texts = planted.texts().to_vec();
    let (engine_has, never_has) = house.secrets();
    let all: Vec<Vec<u8>> = [texts.clone(), engine_has.clone(), never_has.clone()].concat();
    let named = |counts: &[usize]| {
        let found = all.iter().zip(counts).filter(|(_, count)| **count > 0);
        found
            .map(|(what, count)| format!("{} × {count}", String::from_utf8_lossy(what)))
            .collect::<Vec<_>>()
    };
    let found = during.counts(&all);
    let (of_texts, of_keys) = found.split_at(texts.len());
    assert!(
        of_texts.iter().any(|count| *count > 0) && of_keys[..engine_has.len()].iter().any(|count| *count > 0),
        "the search finds what is in use: {found:?}"
    );
    assert!(
        of_keys[engine_has.len()..].iter().all(|count| *count == 0),
        "{:?}",
        named(&found)
    );
    for dump in [in_a_call, at_rest] {
        let found = dump.counts(&all);
        assert!(found.iter().all(|count| *count == 0), "{:?}", named(&found));
        let bytes = fs::read(&dump.path).expect("a dump");
        assert!(planted.search(&bytes).is_empty(), "{:?}", planted.search(&bytes));
    }
    let found = after.counts(&all);
    let (of_texts, of_keys) = found.split_at(texts.len());
    assert!(
        of_keys[engine_has.len()..].iter().all(|count| *count == 0),
        "{:?}",
        named(&found)
    );
    // The number somebody calls from stands in the last messages of SIP, and some of those are still held. Names, dates, what was
    // keyed and what was said are gone.
    let is_caller_id = |text: &[u8]| {
        let text = String::from_utf8_lossy(text).into_owned();
        [CALLING, OTHER, NO_CALL]
            .iter()
            .any(|number| text == *number || text == number[3..])
    };
    let left: Vec<_> = texts
        .iter()
        .zip(of_texts)
        .filter(|(text, count)| **count > 0 && !is_caller_id(text))
        .map(|(text, count)| format!("{} × {count}", String::from_utf8_lossy(text)))
        .collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// Every packet of this network.
struct Packets {
    dumpcap: std::process::Child,
    file: PathBuf,
}

impl Packets {
    fn capture(file: &Path) -> Self {
        let dumpcap = Command::new("dumpcap")
            .args(["-q", "-i", "lo", "-w"])
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("tshark is installed by `make setup`");
        tests::wait_for("the capture to begin", Duration::from_secs(20), || {
            fs::metadata(file).is_ok_and(|about| about.len() > 0).then_some(())
        });
        Self {
            dumpcap,
            file: file.to_owned(),
        }
    }

    /// Whatever left this machine is signalling with a telephone, or its sound.
    fn are_the_call(mut self, desk: SocketAddr, planted: &Planted) {
        // A moment for what is on its way to the file.
        std::thread::sleep(Duration::from_secs(1));
        let pid = i32::try_from(self.dumpcap.id()).expect("Linux counts processes in 22 bits");
        let told = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::SIGINT);
        assert!(told.is_ok() && self.dumpcap.wait().is_ok());
        let read = |filter: &str| {
            let output = Command::new("tshark")
                .args(["-n", "-r"])
                .arg(&self.file)
                .args([
                    "-Y",
                    filter,
                    "-T",
                    "fields",
                    "-e",
                    "frame.protocols",
                    "-e",
                    "ip.dst",
                    "-e",
                    "udp.dstport",
                ])
                .output()
                .expect("tshark is installed by `make setup`");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let ours = format!(
            "udp.port == {} || (udp.port >= 20000 && udp.port <= 29999)",
            desk.port()
        );
        assert!(read(&ours).lines().count() > 1_000, "the calls were seen");
        assert_eq!(read(&format!("!({ours})")), "", "packets that are not the call");
        let signalling = planted.search(&fs::read(&self.file).expect("a capture"));
        assert!(
            !signalling.is_empty(),
            "in the call's own packets the search finds something"
        );
    }
}

impl Drop for Packets {
    fn drop(&mut self) {
        let _ = self.dumpcap.kill();
        let _ = self.dumpcap.wait();
    }
}

/// The lines of a log that tell something, a few of them.
fn lines_with(planted: &Planted, log: &str) -> String {
    let telling = log.lines().filter(|line| !planted.search(line.as_bytes()).is_empty());
    telling
        .take(5)
        .map(|line| format!("{}\n", line.chars().take(600).collect::<String>()))
        .collect()
}

/// Values of a log that are one digit, field by field, in a row: how keys would tell a number one by one.
fn one_at_a_time(log: &str) -> BTreeMap<String, String> {
    let mut rows: BTreeMap<String, String> = BTreeMap::new();
    for line in log.lines() {
        let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else {
            continue;
        };
        let target = line["target"].as_str().unwrap_or_default();
        for (name, value) in line["fields"].as_object().into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let mut digits = text.chars().filter(char::is_ascii_digit);
            if let (Some(digit), None) = (digits.next(), digits.next()) {
                rows.entry(format!("{target} {name}")).or_default().push(digit);
            }
        }
    }
    rows
}

/// Every file in a folder and the folders in it, through links.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("our own folder") {
        let path = entry.expect("readable").path();
        let path = fs::canonicalize(&path).unwrap_or(path);
        if path.is_dir() {
            files.extend(self::files(&path))
        } else {
            files.push(path)
        }
    }
    files
}

/// Files a process holds open, wherever they lie.
fn open_files(pid: u32) -> Vec<PathBuf> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    let links = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links
        .filter(|path| path.is_file() && !path.starts_with("/dev") && !path.starts_with("/proc"))
        .collect()
}

/// What a carrier may send that never becomes a call: each names a number and a person.
fn messages_that_are_no_calls(desk: SocketAddr) {
    let socket = UdpSocket::bind((LOOPBACK, 0)).expect("a port");
    let us = socket.local_addr().expect("bound");
    let from = format!("\"Xanthippe Quillfeather\" <sip:+1{NO_CALL}@127.0.0.1>;tag=x");
    let message = |id: u32, first: &str, cseq: &str, kind: &str, body: &str| {
        let length = body.len();
        format!(
            "{first} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bKp{id};rport\r\nMax-Forwards: 70\r\nFrom: {from}\r\n\
             To: <sip:+1{NO_CALL}@127.0.0.1>\r\nCall-ID: {NO_CALL}-{id}@127.0.0.1\r\nCSeq: {cseq}\r\nContact: <sip:+1{NO_CALL}@{us}>\r\n\
             P-Asserted-Identity: <tel:+1{NO_CALL}>\r\nSubject: Xanthippe Quillfeather, {NO_CALL}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let sdp = format!(
        "v=0\r\no={NO_CALL} 1 1 IN IP4 {NO_CALL}\r\ns=Quillfeather\r\nc=IN IP4 {NO_CALL}\r\nm=audio {NO_CALL} RTP/AVP 0\r\n"
    );
    let messages = [
        message(
            1,
            "INVITE sip:+15125559999@127.0.0.1",
            "1 INVITE",
            "application/sdp",
            &sdp,
        ),
        message(
            2,
            &format!("INVITE sip:{NUMBER}@127.0.0.1"),
            "1 INVITE",
            "application/sdp",
            &sdp,
        ),
        message(
            3,
            &format!("INVITE sip:+1{NO_CALL}@127.0.0.1"),
            "1 INVITE",
            "text/plain",
            &sdp,
        ),
        message(
            4,
            &format!("MESSAGE sip:{NUMBER}@127.0.0.1"),
            "1 MESSAGE",
            "text/plain",
            &format!("call me: {NO_CALL}, Quillfeather"),
        ),
        message(
            5,
            &format!("OPTIONS sip:+1{NO_CALL}@127.0.0.1"),
            "1 OPTIONS",
            "text/plain",
            "",
        ),
        message(6, &format!("BYE sip:+1{NO_CALL}@127.0.0.1"), "2 BYE", "text/plain", ""),
        message(
            7,
            &format!("FROB sip:+1{NO_CALL}@127.0.0.1"),
            "1 FROB",
            "text/plain",
            "",
        ),
        message(
            8,
            &format!("INVITE sip:{NUMBER}@127.0.0.1"),
            &format!("{NO_CALL} {NO_CALL}"),
            "application/sdp",
            "",
        ),
        message(
            9,
            &format!("INVITE tel:+1{NO_CALL};phone-context={NO_CALL}"),
            "1 INVITE",
            "application/sdp",
            &sdp,
        )
        .replace("Via:", "Vias:"),
        format!("INVITE sip:+1{NO_CALL} Quillfeather"),
        format!("SIP/2.0 {NO_CALL} Quillfeather\r\n\r\n"),
    ];
    for message in messages {
        socket.send_to(message.as_bytes(), desk).expect("loopback");
        std::thread::sleep(Duration::from_millis(20));
    }
}
