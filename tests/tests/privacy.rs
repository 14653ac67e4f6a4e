//! What callers say, key and call from is found nowhere outside the seals (issue 2, requirements SEC-13, BRF-05): not in
//! the logs at their loudest, not in any file of the data folder, not in the process's command line, not in a panic.
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

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use child::{Cue, House, LOOPBACK, NUMBER, Person, handset, noise, office_message, press, urgent, voices};
use exchange::handset::Act;
use media::Law;
use phi::Phi;
use switchboard::Fact;
use switchboard::phone::Answering;

/// The number the first caller calls from, and wants to be called back at.
const CALLING: &str = "3475550163";
/// The number the second caller calls from.
const OTHER: &str = "3475550178";
/// The number the second caller keys.
const KEYED: &str = "7185550129";
/// Nobody's number: it comes in messages that are no calls.
const NO_CALL: &str = "3475550194";
/// A date of birth as it is keyed.
const BORN: &str = "07191963";
const NAME: &str = "Xanthippe Quillfeather.";
const REASON: &str = "The zebra fell asleep in Ypsilanti.";

/// Proves SEC-01, SEC-13: names, numbers, keys, dates and speech of real calls are in no file, log or message in the clear.
#[test]
fn nothing_planted_is_found_outside_the_seals() {
    let began = SystemTime::now();
    let [name, reason] = voices([NAME, REASON]);
    let (talk, answer) = (noise(7, 4), noise(8, 4));
    let planted = Planted::new(&[&name, &reason, &talk, &answer]);
    planted.finds_its_control(&[&name, &reason, &talk, &answer]);

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
    let mut desk = house.start("trace");

    // An urgent call that is bridged; one whose caller is gone when the doctor answers; one that will not be recorded.
    let mut script = urgent("1", &name, BORN, &reason);
    script.push((Cue::Hears("Please stay on the line"), vec![]));
    script.push((Cue::After(Duration::from_secs(5)), vec![Act::Speak(talk.clone())]));
    let (party, bridged) = Person::with(script);
    callers.call(1, desk.address, NUMBER, Some(&format!("+1{CALLING}")), party);
    let mut script = urgent(KEYED, &name, BORN, &reason);
    script.push((Cue::Hears("Please stay on the line"), vec![Act::HangUp]));
    let (party, gone) = Person::with(script);
    callers.call(2, desk.address, NUMBER, Some(&format!("+1{OTHER}")), party);
    let mut script = office_message(&name, &reason);
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
    // Both talk for four seconds.
    std::thread::sleep(Duration::from_secs(8));
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
    desk.signal("TERM");
    assert!(desk.ends(Duration::from_secs(60)).success());

    // What was planted did arrive: the seals hold it.
    let heard = house.vault().list().expect("recordings").0;
    let mut sealed = BTreeSet::new();
    for listed in &heard {
        let audio = house.listen(listed.id);
        sealed.extend(planted.search(&audio.caller().collect::<Vec<u8>>()));
        sealed.extend(planted.search(&audio.other().collect::<Vec<u8>>()));
    }
    let clips: BTreeSet<Found> = (0..4).map(Found::Audio).collect();
    assert!(
        sealed.is_superset(&clips),
        "all four voices were recorded; found {sealed:?} in {} recordings",
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
    for path in files(&house.path("")).into_iter().chain(open) {
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
            ![BORN, KEYED].iter().any(|secret| keys.contains(secret)),
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
    assert!(Planted::new(&[]).search(messages.as_bytes()).is_empty(), "{messages}");
    let without_places = messages
        .lines()
        .filter(|line| !line.starts_with("panicked at"))
        .collect::<String>();
    assert!(!without_places.contains('7'), "the key: {without_places}");
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// Words or digits.
    Text(String),
    /// The clip of this number: µ-law, A-law or samples, alone or beside another channel.
    Audio(usize),
}

/// Everything that was planted, in every form it might have.
struct Planted {
    texts: Vec<Vec<u8>>,
    /// The first octets of pieces of audio, with the rest of the piece and the clip's number.
    audio: HashMap<[u8; HEAD], Vec<(Vec<u8>, usize)>>,
}

/// Octets by which a piece of audio is looked up.
const HEAD: usize = 8;
/// Samples of a piece: 5 ms.
const PIECE: usize = 40;

impl Planted {
    fn new(clips: &[&Arc<[u8]>]) -> Self {
        let mut texts = BTreeSet::new();
        for number in [CALLING, OTHER, KEYED, NO_CALL] {
            let (area, rest) = number.split_at(3);
            let (office, last) = rest.split_at(3);
            texts.extend([
                number.to_owned(),
                format!("{area}-{office}-{last}"),
                format!("{area} {office} {last}"),
                format!("({area}) {office}"),
                format!("{area}.{office}.{last}"),
                format!("{office}-{last}"),
                format!("{office}{last}"),
                flow::words::number(&Phi::new(format!("+1{number}")), flow::Language::English).text(),
            ]);
            texts.extend(listed(number));
        }
        for born in [BORN, "19630719"] {
            texts.insert(born.to_owned());
            texts.extend(listed(born));
        }
        texts.extend(
            [
                "1963-07-19",
                "07/19/1963",
                "7/19/1963",
                "july 19",
                "july nineteen",
                "19 jul 1963",
            ]
            .map(str::to_owned),
        );
        texts.extend(["xanthippe", "quillfeather", "zebra", "ypsilanti"].map(str::to_owned));
        let texts = texts.into_iter().map(|text| text.to_lowercase().into_bytes()).collect();
        let mut audio: HashMap<[u8; HEAD], Vec<(Vec<u8>, usize)>> = HashMap::new();
        for (number, clip) in clips.iter().enumerate() {
            for piece in clip.chunks_exact(PIECE) {
                // Near silence is the same in every clip.
                if piece.iter().collect::<BTreeSet<_>>().len() < PIECE / 3 {
                    continue;
                }
                for bytes in shapes(piece) {
                    let head = *bytes.first_chunk::<HEAD>().expect("a piece is longer");
                    audio.entry(head).or_default().push((bytes, number));
                }
            }
        }
        Self { texts, audio }
    }

    /// Everything planted that is in these bytes.
    fn search(&self, bytes: &[u8]) -> BTreeSet<Found> {
        let lower = bytes.to_ascii_lowercase();
        let mut found: BTreeSet<Found> = self
            .texts
            .iter()
            .filter(|text| contains(&lower, text))
            .map(|text| Found::Text(String::from_utf8_lossy(text).into_owned()))
            .collect();
        if self.audio.is_empty() {
            return found;
        }
        // As it stands; and every second octet or pair of octets, which is one channel of two.
        let channel = |size: usize, first: usize| -> Vec<u8> {
            let units = bytes.get(first..).unwrap_or_default().chunks_exact(size).step_by(2);
            units.flatten().copied().collect()
        };
        let mut views = vec![bytes.to_vec()];
        // Text holds no channels.
        if std::str::from_utf8(bytes).is_err() {
            views.extend([
                channel(1, 0),
                channel(1, 1),
                channel(2, 0),
                channel(2, 1),
                channel(2, 2),
                channel(2, 3),
            ]);
        }
        for bytes in views {
            for (at, head) in bytes.windows(HEAD).enumerate() {
                let head: &[u8; HEAD] = head.try_into().expect("windows of this size");
                for (piece, number) in self.audio.get(head).into_iter().flatten() {
                    if bytes[at..].starts_with(piece) {
                        found.insert(Found::Audio(*number));
                    }
                }
            }
        }
        found
    }

    /// The search finds all of it where it is.
    fn finds_its_control(&self, clips: &[&Arc<[u8]>]) {
        for text in &self.texts {
            let log = [b"{\"message\":\"from ", text.as_slice(), b"\"}\n"].concat();
            assert!(!self.search(&log).is_empty(), "{}", String::from_utf8_lossy(text));
        }
        assert!(
            self.search(b"7 files, 19 calls; sip:+15125550100@192.0.2.1; Ana Rivera; 555-01")
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
                    self.search(&part),
                    BTreeSet::from([Found::Audio(number)]),
                    "clip {number} as {shape}"
                );
            }
        }
    }
}

/// Digits as a list of characters, of numbers and of ASCII codes, as `{:?}` writes them; and in hexadecimal.
fn listed(digits: &str) -> [String; 4] {
    let join = |each: fn(char) -> String, between: &str| digits.chars().map(each).collect::<Vec<_>>().join(between);
    [
        join(|digit| format!("'{digit}'"), ", "),
        join(|digit| digit.to_string(), ", "),
        join(|digit| u32::from(digit).to_string(), ", "),
        join(|digit| format!("{:02x}", u32::from(digit)), ""),
    ]
}

/// A piece of µ-law as it is, in the other law, and as samples of either byte order.
fn shapes(piece: &[u8]) -> [Vec<u8>; 4] {
    let samples = || piece.iter().map(|octet| Law::Pcmu.decode(*octet));
    [
        piece.to_vec(),
        samples().map(|sample| Law::Pcma.encode(sample)).collect(),
        samples().flat_map(i16::to_le_bytes).collect(),
        samples().flat_map(i16::to_be_bytes).collect(),
    ]
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    let Some(first) = what.first() else { return true };
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| byte == first) {
        if rest[at..].starts_with(what) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
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
