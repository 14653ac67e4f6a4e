//! baresip 1.0 from Debian calls Cedar, and another is the doctor's telephone: the urgent path from the first word to
//! the last, and what each of the two recorded by itself of the other.
#![allow(clippy::disallowed_methods, reason = "telephones live in real time")]

use std::thread::sleep;
use std::time::Duration;

use flow::{Language, Part};
use sip::Transport::Udp;
use switchboard::Fact;
use tests::baresip::{Baresip, Setup};
use tests::engine::{self, DOCTOR, Engine, NUMBER, OURS};
use tests::phone::{decoded, squeezed};
use voice::correlation;

const WELCOME: &str = "Thank you for calling Cedar Family Medicine. Our office is closed.";
const SOON: Duration = Duration::from_secs(30);
const MOMENT: Duration = Duration::from_secs(5);
const RATE: usize = 8_000;
/// Two seconds: several words, which no others resemble.
const PIECE: usize = 2 * RATE;

/// These sentences with a pause after each, again and again, for so long.
fn speech(engine: &Engine, sentences: &[&str], seconds: usize) -> Vec<i16> {
    let once: Vec<i16> = sentences
        .iter()
        .flat_map(|sentence| {
            decoded(&engine.clip(sentence))
                .into_iter()
                .chain(std::iter::repeat_n(0, RATE / 2))
        })
        .collect();
    once.iter().copied().cycle().take(seconds * RATE).collect()
}

/// Follows a call in the book: a foreign telephone has no ears we could ask while it listens.
struct Said<'a> {
    engine: &'a Engine,
    read: usize,
}

impl Said<'_> {
    /// Waits until these words are being said, after those waited for before.
    fn hears(&mut self, words: &str) {
        let wanted = squeezed(words);
        let says = |fact: &Fact| matches!(fact, Fact::Said { words } if squeezed(words).contains(&wanted));
        let at = tests::wait_for(&format!("“{words}” in the book"), SOON, || {
            let facts = self.engine.facts();
            facts
                .iter()
                .enumerate()
                .skip(self.read)
                .find(|(_, stamped)| says(&stamped.fact))
                .map(|(at, _)| at)
        });
        self.read = at + 1;
    }

    /// How long a built-in sentence lasts, and the tone after it.
    fn until_after_the_tone(&self, sentence: &str) -> Duration {
        let part = Part::new(sentence, Language::English);
        self.engine.words().duration(&part).expect("it is said") + Duration::from_millis(700)
    }
}

#[test]
fn a_baresip_caller_reaches_a_baresip_doctor_and_each_records_the_other() {
    // The doctor's port must be known before the engine starts, the engine's words before the doctor speaks.
    let words = Engine::start(engine::Setup::default());
    let doctor_says = speech(&words, &[OURS[2]], 60);
    let caller_says = speech(&words, &[OURS[0], OURS[1]], 180);
    drop(words);
    let mut doctor = Baresip::start(Setup {
        user: DOCTOR,
        picks_up: true,
        microphone: &doctor_says,
        ..Setup::default()
    });
    let engine = Engine::start(engine::Setup {
        doctors: Some(doctor.address()),
        ..Default::default()
    });
    let mut caller = Baresip::start(Setup {
        user: "+15125550199",
        picks_up: false,
        microphone: &caller_says,
        ..Setup::default()
    });

    caller.dial(NUMBER, engine.address(Udp));
    caller.tells("CALL_ESTABLISHED", MOMENT);
    let mut book = Said {
        engine: &engine,
        read: 0,
    };
    for (words, key) in [
        ("For English", '1'),
        ("May we record", '1'),
        ("How can we help", '4'),
        ("To be called back at the number", '1'),
    ] {
        book.hears(words);
        sleep(Duration::from_millis(500));
        caller.press(key);
    }
    const NAME: &str = "After the tone, please say the patient's first and last name. Then press pound.";
    const REASON: &str = "After the tone, please say why you are calling. Then press pound.";
    book.hears(NAME);
    sleep(book.until_after_the_tone(NAME) + Duration::from_secs(2));
    caller.press('#');
    book.hears("date of birth as eight digits");
    for key in "02091984".chars() {
        caller.press(key);
        sleep(Duration::from_millis(350));
    }
    // The date is read back, and is the caller's own: the book does not say it.
    book.hears("private words");
    sleep(Duration::from_secs(1));
    caller.press('1');
    book.hears(REASON);
    sleep(book.until_after_the_tone(REASON) + Duration::from_secs(2));
    caller.press('#');

    doctor.tells("CALL_ESTABLISHED", SOON);
    sleep(Duration::from_secs(2));
    doctor.press('1');
    engine.waits_for("the bridge", MOMENT, |fact| matches!(fact, Fact::Bridged { .. }));
    // Long enough for the caller to say both sentences from the beginning, whenever that was.
    let longest: usize = [OURS[0], OURS[1]]
        .iter()
        .map(|sentence| engine.clip(sentence).len() + RATE / 2)
        .sum();
    sleep(Duration::from_millis((2 * longest * 1_000 / RATE) as u64).min(Duration::from_secs(25)));
    caller.hang_up();
    doctor.tells("CALL_CLOSED", MOMENT);
    caller.tells("CALL_CLOSED", MOMENT);
    assert_eq!(engine.outcomes(1, MOMENT), ["connected to Dr. Okafor"]);
    engine.is_empty(MOMENT);
    caller.quits();
    doctor.quits();

    let (by_caller, by_doctor) = (caller.heard(), doctor.heard());
    // A sentence is heard in pieces, each somewhere in what was recorded: baresip may drop 20 ms on a busy machine, but
    // not all of the times that a piece is said.
    let heard = |who: &str, heard: &[i16], sentence: &str| {
        let clip = decoded(&engine.clip(sentence));
        let pieces = clip.chunks(PIECE).filter(|piece| piece.len() >= PIECE / 2);
        let alike: Vec<f32> = pieces.map(|piece| correlation(heard, piece)).collect();
        println!("{who} heard “{sentence}” in {} s: {alike:.4?}", heard.len() / RATE);
        (
            alike.iter().copied().fold(1.0, f32::min),
            alike.iter().copied().fold(0.0, f32::max),
        )
    };
    let end = by_caller
        .get(by_caller.len().saturating_sub(30 * RATE)..)
        .unwrap_or_default();
    let beginning = by_caller.get(..15 * RATE).unwrap_or(&by_caller);
    for (who, sound, sentence) in [
        ("the caller", beginning, WELCOME),
        ("the caller", end, OURS[2]),
        ("the doctor", &by_doctor, OURS[0]),
        ("the doctor", &by_doctor, OURS[1]),
    ] {
        let (worst, _) = heard(who, sound, sentence);
        assert!(worst >= 0.95, "{who} hears “{sentence}” as it was spoken: {worst}");
    }
    let (_, echo) = heard("the doctor", &by_doctor, OURS[2]);
    assert!(echo < 0.8, "nobody hears an echo, and the comparison can tell: {echo}");
}
