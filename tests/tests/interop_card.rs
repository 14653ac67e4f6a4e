//! Foreign telephones at the number of a trunk's report card: SIPp and baresip do what a carrier's engineer would, hear the
//! result, and what `nightdesk trunk report` keeps must be what they did.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    reason = "telephones live in real time, and a test stops where it finds otherwise"
)]

mod child;

use std::f32::consts::TAU;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use child::{Desk, House};
use flow::{Language, Part};
use media::Law;
use switchboard::Fact;
use switchboard::card::{Card, Grade, Item};
use tests::baresip::{self, Baresip};
use tests::carriers::{CARRIERS, but};
use tests::peers::Certificates;
use tests::phone::{Phone, decoded, samples};
use tests::sipp::{BETWEEN_KEYS, Line, Message, Setup, Sipp};
use voice::correlation;

const PRACTICE: &str = "tests/interop/practice";
/// The number that only the carrier knows.
const CARD: &str = "+15125550190";
const CALLER: &str = "+15125550199";
const SOON: Duration = Duration::from_secs(45);
const MOMENT: Duration = Duration::from_secs(10);
const RATE: usize = 8_000;
/// RFC 4733's own numbers for its payload, as our callers' offers have them.
const EVENTS: u8 = 101;

/// An engine whose trunk has a number for its engineers.
struct Visited {
    house: House,
    desk: Desk,
    words: voice::Snapshot,
    certificates: Certificates,
}

impl Visited {
    fn open() -> Self {
        let certificates = Certificates::make();
        let words = child::words_of_card();
        let house = House::of(Path::new(PRACTICE), |_| {
            format!(
                "listen: [udp 127.0.0.1:0, tls 127.0.0.1:0]\nrtp ports: 20000 to 29999\nmedia threads: 1\n\
                 certificate: {{chain: {chain}, key: {key}}}\n\
                 trunks:\n  carrier:\n    from: [127.0.0.1]\n    outbound: none\n    encryption: preferred\n    \
                 codecs: [PCMU, PCMA, G722]\n    report card: {CARD}\n\
                 practices: [practice]\ndata: data\nkeys: keys\ndrain for: 5 seconds\n",
                chain = certificates.server.0.display(),
                key = certificates.server.1.display(),
            )
        });
        let desk = house.start("info");
        Self {
            house,
            desk,
            words,
            certificates,
        }
    }

    /// A SIPp that calls the number, and its ears.
    fn is_called_by_sipp(&self, scenario: &str, words: &[(&'static str, String)]) -> (Sipp, Phone) {
        let line = Line::free();
        let phone = Phone::start(line.media_port(), &self.words);
        let setup = Setup {
            number: CARD,
            words,
            ..Setup::caller(scenario, self.desk.address)
        };
        (Sipp::start(line, setup), phone)
    }

    /// The card of the one call there was, read as ops read it.
    fn card(&self) -> Card {
        let (id, card) = self.house.waits_for("the report card", SOON, |facts| {
            facts.iter().find_map(|stamped| match &stamped.fact {
                Fact::ReportCard { id, card, .. } => Some((id.to_string(), card.clone())),
                _ => None,
            })
        });
        let list = self.house.show(&["trunk", "report"]);
        assert_eq!(list.lines().count(), 1, "{list}");
        let whole = self.house.show(&["trunk", "report", &id]);
        println!("{whole}");
        for line in card.lines() {
            assert!(whole.contains(&line.to_string()), "{line}\nis not in\n{whole}");
        }
        assert!(!whole.contains("512555"), "no number stands in a card");
        card
    }
}

/// Every line of the card: how it went, and words that stand in it.
/// What the card says of each of these telephones, whose INVITE has an offer and asks for nothing beyond RFC 3261.
const OF_EACH: [(Item, Grade, &str); 10] = [
    (Item::Options, Grade::NotTried, "we send none"),
    (Item::Digest, Grade::NotTried, "not challenged"),
    (Item::Call, Grade::Pass, "acknowledged"),
    (Item::EarlyMedia, Grade::NotTried, "words were sent"),
    (Item::Prack, Grade::NotTried, "does not support 100rel"),
    (Item::AudioIn, Grade::Pass, "first packet"),
    (Item::KeysByEvent, Grade::Pass, "1 key came"),
    (Item::Refresh, Grade::Pass, "200"),
    (Item::SessionTimer, Grade::NotTried, "do not support"),
    (Item::LateOffer, Grade::NotTried, "had an offer"),
];

/// Every line of the card is as expected, which names what [`OF_EACH`] does not.
fn assert_card(card: &Card, expected: &[(Item, Grade, &str)]) {
    for item in Item::ALL {
        let line = card
            .line(*item)
            .unwrap_or_else(|| panic!("{item:?} has no line\n{card}"));
        let (_, grade, words) = expected
            .iter()
            .chain(&OF_EACH)
            .find(|(of, ..)| of == item)
            .unwrap_or_else(|| panic!("nobody says what to expect of {item:?}"));
        assert_eq!(line.grade, *grade, "{item:?}\n{card}");
        assert!(line.words.contains(words), "{item:?} does not say `{words}`\n{card}");
    }
}

/// A key as a keypad's two tones sound, in µ-law, and the pause after it.
fn tones(low: f32, high: f32) -> Vec<u8> {
    const AMPLITUDE: f32 = 7_000.0;
    let wave = |at: usize, hertz: f32| (TAU * hertz * at as f32 / RATE as f32).sin();
    let sound = (0..RATE / 5).map(|at| (AMPLITUDE * (wave(at, low) + wave(at, high))) as i16);
    let pause = std::iter::repeat_n(0, RATE / 10);
    sound.chain(pause).map(|sample| Law::Pcmu.encode(sample)).collect()
}

/// Whether 60 ms of this are these two tones and hardly anything else.
fn rings_in(heard: &[i16], low: f32, high: f32) -> bool {
    const WINDOW: usize = 480;
    let share = |window: &[i16], hertz: f32| {
        let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
        for (at, sample) in window.iter().enumerate() {
            let (angle, sample) = (TAU * hertz * at as f32 / RATE as f32, f32::from(*sample));
            re += sample * angle.cos();
            im += sample * angle.sin();
            all += sample * sample;
        }
        // The share of all power: a tone alone has a whole, each of two a half.
        2.0 * (re * re + im * im) / (WINDOW as f32 * f32::max(all, 1.0))
    };
    heard.windows(WINDOW).step_by(WINDOW / 4).any(|window| {
        let (low, high) = (share(window, low), share(window, high));
        low > 0.3 && high > 0.3 && low + high > 0.9
    })
}

/// Our requests of this method, as the other side saw them, copies aside.
fn ours(messages: &[Message], method: &str) -> usize {
    let mut numbers: Vec<_> = messages
        .iter()
        .filter(|message| !message.sent && message.is(method))
        .filter_map(|message| message.header("CSeq"))
        .collect();
    numbers.dedup();
    numbers.len()
}

/// An engineer who tries everything that SIPp can do, and waits for the result.
#[test]
fn a_sipp_that_presses_holds_and_listens_finds_it_in_its_card() {
    let visited = Visited::open();
    let (mut sipp, phone) = visited.is_called_by_sipp("caller", &[]);
    phone.hears("This is early media", SOON);
    for words in [
        "This is the report card of Nightdesk",
        "The codec is G 7 11, mu law",
        "Audio is not encrypted",
        "Press any keys",
    ] {
        phone.hears(words, SOON);
    }
    // What was agreed is said once more when the greeting is out.
    sipp.receives("our refresh", SOON, |message| message.is("INVITE"));
    sipp.receives("its ACK", SOON, |message| message.is("ACK"));

    let down = sipp.presses('5', &phone);
    sleep((down + BETWEEN_KEYS).saturating_duration_since(Instant::now()));
    phone.hears("Five", SOON);
    phone.hears("by telephone event", SOON);
    let events = |code: u8| {
        let packets = phone.packets();
        packets
            .iter()
            .filter(|packet| packet.kind == EVENTS && packet.payload.first() == Some(&code))
            .count()
    };
    assert!(events(5) >= 3, "{} packets of the echo", events(5));

    sipp.cue("info 7");
    phone.hears("Seven", SOON);
    phone.hears("by INFO", SOON);
    let echo = sipp.receives("the echo", SOON, |message| message.is("INFO"));
    assert!(echo.text.contains("Signal=7"), "{}", echo.text);

    let before = Instant::now();
    phone.say(&tones(770.0, 1_477.0));
    phone.hears("Six", SOON);
    phone.hears("by tone", SOON);
    tests::wait_for("the echo of the tones", SOON, || {
        rings_in(&samples(&phone.audio_since(before)), 770.0, 1_477.0).then_some(())
    });
    phone.quiet(SOON);

    for (count, cue, direction) in [(2, "hold", "a=recvonly"), (3, "resume", "a=sendrecv")] {
        sipp.cue(cue);
        let answer = tests::wait_for(&format!("the answer to {cue}"), SOON, || {
            let mut answers = sipp.messages();
            answers
                .retain(|message| !message.sent && message.status() == Some(200) && message.text.contains("m=audio"));
            answers.dedup_by_key(|message| message.header("CSeq").map(str::to_owned));
            answers.into_iter().nth(count - 1)
        });
        assert!(answer.text.contains(direction), "{}", answer.text);
        sleep(Duration::from_millis(300));
    }
    sipp.presses('#', &phone);
    for words in [
        "Your report",
        "by telephone event",
        "keys came",
        "by INFO",
        "keys came",
        "by tone",
        "keys came",
        "Your audio is heard",
        "You held the call, and took it back",
        "Our refresh was answered",
        "The rest is written down. Goodbye",
    ] {
        phone.hears(words, SOON);
    }
    sipp.succeeds(SOON);
    let messages = sipp.messages();
    assert_eq!((ours(&messages, "INVITE"), ours(&messages, "BYE")), (1, 1));

    assert_card(
        &visited.card(),
        &[
            (Item::Reachable, Grade::Pass, "by UDP"),
            (Item::Tls, Grade::NotTried, "by UDP"),
            (
                Item::Codecs,
                Grade::Pass,
                "PCMU agreed; theirs names PCMU/8000, telephone-event/8000",
            ),
            (Item::AudioOut, Grade::NotTried, "no RTCP"),
            (Item::KeysByInfo, Grade::Pass, "1 key came"),
            (Item::KeysByTone, Grade::Pass, "1 key came"),
            (Item::Hold, Grade::Pass, "taken back"),
            (Item::Encryption, Grade::NotTried, "clear"),
            // SIPp takes no request outside its calls.
            (Item::Mtu, Grade::NotTried, "OPTIONS of 3600 bytes"),
            (Item::HangUp, Grade::Pass, "our BYE was answered: 200"),
        ],
    );
}

/// A switch that acknowledges provisionals and runs a timer, refuses our refresh, and hangs up.
#[test]
fn a_sipp_that_refuses_our_refresh_finds_it_in_its_card() {
    let visited = Visited::open();
    let carrier = CARRIERS
        .iter()
        .find(|carrier| carrier.preset == "bandwidth")
        .expect("one of seven");
    let (mut sipp, phone) = visited.is_called_by_sipp("presets/engineer", &carrier.words(CARD, CALLER));
    phone.hears("This is early media", SOON);
    phone.hears("This is the report card of Nightdesk", SOON);
    sipp.succeeds(SOON);
    assert_eq!(ours(&sipp.messages(), "BYE"), 0);
    let card = visited.card();
    for (item, grade, words) in [
        (Item::Codecs, Grade::Pass, "theirs names PCMU/8000, G729/8000"),
        (Item::Prack, Grade::Pass, "acknowledged"),
        (Item::Refresh, Grade::Fail, "488"),
        (Item::SessionTimer, Grade::Pass, "Session-Expires 1800; they refresh"),
        (Item::KeysByEvent, Grade::NotTried, "no key"),
        (Item::Hold, Grade::NotTried, "not held"),
        (Item::HangUp, Grade::Pass, "their BYE came"),
    ] {
        let line = card.line(item).expect("every item has a line");
        assert_eq!(line.grade, grade, "{item:?}\n{card}");
        assert!(line.words.contains(words), "{item:?} does not say `{words}`\n{card}");
    }
}

/// An engineer whose switch makes no offer: ours is in the 200, the answer in the ACK.
#[test]
fn a_sipp_without_an_offer_finds_it_in_its_card() {
    let visited = Visited::open();
    let carrier = CARRIERS
        .iter()
        .find(|carrier| carrier.preset == "bandwidth")
        .expect("one of seven");
    let words = but(carrier.words(CARD, CALLER), "headers", "Supported: 100rel");
    let (mut sipp, _phone) = visited.is_called_by_sipp("presets/late-offer", &words);
    sipp.succeeds(SOON);
    let card = visited.card();
    for (item, grade, words) in [
        (Item::LateOffer, Grade::Pass, "the ACK brought the answer"),
        (Item::Prack, Grade::NotTried, "no offer"),
        (Item::EarlyMedia, Grade::NotTried, "no offer"),
        (Item::AudioIn, Grade::Pass, "first packet"),
        (Item::HangUp, Grade::Pass, "their BYE came"),
    ] {
        let line = card.line(item).expect("every item has a line");
        assert_eq!(line.grade, grade, "{item:?}\n{card}");
        assert!(line.words.contains(words), "{item:?} does not say `{words}`\n{card}");
    }
}

/// How well a sentence of ours stands in what somebody recorded, in pieces of two seconds at most.
fn heard(visited: &Visited, recorded: &[i16], sentence: &str) -> f32 {
    const PIECE: usize = 2 * RATE;
    let part = Part::new(sentence, Language::English);
    let clip = decoded(
        &visited
            .words
            .get(&part, Law::Pcmu)
            .unwrap_or_else(|| panic!("nobody says: {sentence}")),
    );
    let pieces = clip.chunks(PIECE).filter(|piece| piece.len() >= RATE / 2);
    let worst = pieces.map(|piece| correlation(recorded, piece)).fold(1.0, f32::min);
    println!("“{sentence}” in {} s: {worst:.4}", recorded.len() / RATE);
    worst
}

/// A baresip at the number: our refresh, a key, and by TLS hold and resume (after which it records nothing more). The call is
/// left open.
fn is_called_by_baresip(visited: &Visited, codecs: &str, secure: bool) -> Baresip {
    let silence = vec![0; 90 * RATE];
    let mut caller = Baresip::start(baresip::Setup {
        user: CALLER,
        picks_up: false,
        microphone: &silence,
        codecs,
        certificates: secure.then_some(&visited.certificates),
    });
    let engine = visited.desk.at(if secure { "TLS" } else { "UDP" });
    caller.dial(CARD, engine);
    caller.tells("CALL_ESTABLISHED", MOMENT);
    let receives = |caller: &Baresip, what: &str, beginning: &str| {
        tests::wait_for(&format!("{what} at baresip"), SOON, || {
            let messages = caller.received(engine);
            messages
                .iter()
                .any(|message| message.starts_with(beginning))
                .then_some(())
        });
    };
    receives(&caller, "our refresh", "INVITE ");
    receives(&caller, "its ACK", "ACK ");
    sleep(Duration::from_millis(500));
    caller.press('5');
    // It comes back the way it went.
    let echo = caller.tells("CALL_DTMF_START", SOON);
    assert!(echo.contains('5'), "{echo}");
    sleep(Duration::from_secs(3));
    if secure {
        caller.hold();
        sleep(Duration::from_secs(1));
        caller.resume();
        sleep(Duration::from_secs(1));
    }
    caller
}

#[test]
fn a_baresip_hears_its_report_and_finds_it_in_its_card() {
    let visited = Visited::open();
    let mut caller = is_called_by_baresip(&visited, "PCMA/8000/1,PCMU/8000/1", false);
    caller.press('#');
    caller.tells("CALL_CLOSED", SOON);
    let theirs = caller.received(visited.desk.address);
    assert!(theirs.iter().any(|message| message.starts_with("BYE ")), "we hang up");
    let card = visited.card();
    caller.quits();
    assert_card(
        &card,
        &[
            (Item::Reachable, Grade::Pass, "by UDP"),
            (Item::Tls, Grade::NotTried, "by UDP"),
            (Item::Codecs, Grade::Pass, "PCMU/8000"),
            (Item::AudioOut, Grade::Pass, "their RTCP report"),
            (Item::KeysByInfo, Grade::NotTried, "no key"),
            (Item::KeysByTone, Grade::NotTried, "no key"),
            (Item::Hold, Grade::NotTried, "not held"),
            (Item::Encryption, Grade::NotTried, "clear"),
            (Item::Mtu, Grade::Pass, "OPTIONS of 3600 bytes by UDP"),
            (Item::HangUp, Grade::Pass, "our BYE was answered: 200"),
        ],
    );
    let recorded = caller.heard();
    for sentence in [
        "This is the report card of Nightdesk.",
        "Press any keys. To hear the report, press pound.",
        "Your report.",
        "Your audio is heard.",
        "Our refresh was answered.",
        "The rest is written down. Goodbye.",
    ] {
        let alike = heard(&visited, &recorded, sentence);
        assert!(alike >= 0.95, "“{sentence}” is heard as it was spoken: {alike}");
    }
    let other = heard(&visited, &recorded, "Our refresh was refused.");
    assert!(other < 0.9, "and the comparison can tell: {other}");
}

#[test]
fn a_baresip_by_tls_and_srtp_finds_both_in_its_card() {
    let visited = Visited::open();
    let mut caller = is_called_by_baresip(&visited, "G722/16000/1", true);
    caller.hang_up();
    caller.tells("CALL_CLOSED", MOMENT);
    let card = visited.card();
    caller.quits();
    assert_card(
        &card,
        &[
            (Item::Reachable, Grade::Pass, "by TLS"),
            (Item::Tls, Grade::Pass, "TLS 1.3"),
            (Item::Codecs, Grade::Pass, "G722 agreed"),
            (Item::AudioOut, Grade::Pass, "their RTCP report"),
            (Item::KeysByInfo, Grade::NotTried, "no key"),
            (Item::KeysByTone, Grade::NotTried, "no key"),
            (Item::Hold, Grade::Pass, "taken back"),
            (Item::Encryption, Grade::Pass, "AES"),
            (Item::Mtu, Grade::NotTried, "stream"),
            (Item::HangUp, Grade::Pass, "their BYE came"),
        ],
    );
    let recorded = caller.heard();
    for sentence in ["The codec is G 7 22.", "Audio is encrypted."] {
        let alike = heard(&visited, &recorded, sentence);
        assert!(alike >= 0.9, "“{sentence}” is heard as it was spoken: {alike}");
    }
}

/// The other half: we call, and grade what baresip does. It picks up whatever comes.
#[test]
fn a_baresip_that_is_checked_gets_the_card_it_earns() {
    let words = child::words_of_card();
    let part = Part::new("Press any keys. To hear the report, press pound.", Language::English);
    let once = decoded(&words.get(&part, Law::Pcmu).expect("it is said"));
    let says: Vec<i16> = once.iter().copied().cycle().take(150 * RATE).collect();
    let mut phone = Baresip::start(baresip::Setup {
        user: "+15125550142",
        picks_up: true,
        microphone: &says,
        ..baresip::Setup::default()
    });
    let done = Command::new(tests::target().join("debug/nightdesk"))
        .args(["trunk", "check", &format!("sip:+15125550142@{}", phone.address())])
        .output()
        .expect("the binary was just built");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    println!("{said}");
    for line in [
        "pass       OPTIONS",
        "pass       a call is answered",
        "pass       codecs              PCMU agreed",
        "not tried  early media",
        "pass       audio from them",
        "pass       audio to them       their RTCP report",
        "not tried  keys by events      key 1 was sent and not echoed",
        "not tried  keys by INFO        key 2 was sent and not echoed",
        "not tried  keys by tones       key 3 was sent and not echoed",
        "pass       refresh",
        "not tried  session timer",
        "pass       hold and resume",
        "pass       late offer",
        "pass       large datagrams",
        "pass       hanging up",
        ", 0 failed, ",
    ] {
        assert!(said.contains(line), "{line:?} is not in\n{said}");
    }
    assert!(done.status.success());
    // It echoes no key; it tells us that two of the three ways arrived.
    let keys = phone.told("CALL_DTMF_START").concat();
    assert!(keys.contains('1') && keys.contains('2'), "{keys}");
}
