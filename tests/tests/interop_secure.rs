//! baresip 1.0 from Debian by TLS and SRTP, with the codecs G.711 is not: the caller and the doctor each record the other.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    reason = "telephones live in real time, and a test stops where it finds otherwise"
)]

mod child;

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use child::{Desk, House};
use switchboard::Fact;
use tests::baresip::{Baresip, Setup};
use tests::peers::Certificates;
use tests::phone::decoded;
use voice::correlation;

const PRACTICE: &str = "tests/interop/practice";
const DOCTOR_LINE: &str = "+15125550122";
const VANCE: &str = "+15125550141";
const SOON: Duration = Duration::from_secs(30);
const MOMENT: Duration = Duration::from_secs(5);
const RATE: usize = 8_000;
/// Two seconds: several words, which no others resemble.
const PIECE: usize = 2 * RATE;
const CALLER_SAYS: &str =
    "Elmwood Family Medicine is listening. Every key is a good key, and every key brings you back here.";
const DOCTOR_SAYS: &str = "We will call you back. If it gets worse, hang up and call 911.";

/// A sentence and a pause, again and again, for so long.
fn speech(sentence: &[i16], seconds: usize) -> Vec<i16> {
    let once = sentence.iter().copied().chain(std::iter::repeat_n(0, RATE / 2));
    once.collect::<Vec<_>>()
        .into_iter()
        .cycle()
        .take(seconds * RATE)
        .collect()
}

/// How alike the least alike piece of a sentence is.
fn worst(who: &str, heard: &[i16], sentence: &[i16]) -> f32 {
    let pieces = sentence.chunks(PIECE).filter(|piece| piece.len() >= PIECE / 2);
    let alike: Vec<f32> = pieces.map(|piece| correlation(heard, piece)).collect();
    println!("{who} heard in {} s: {alike:.4?}", heard.len() / RATE);
    alike.into_iter().fold(1.0, f32::min)
}

/// The caller has these codecs, the doctor those; both speak by TLS and SRTP and hear each other at least so well.
fn they_talk(callers: &str, doctors: &str, alike: f32) {
    let certificates = Certificates::make();
    child::words_of(Path::new(PRACTICE));
    let [callers_words, doctors_words] = child::voices([CALLER_SAYS, DOCTOR_SAYS]).map(|clip| decoded(&clip));
    let (caller_says, doctor_says) = (speech(&callers_words, 60), speech(&doctors_words, 60));
    let mut doctor = Baresip::start(Setup {
        user: VANCE,
        picks_up: true,
        microphone: &doctor_says,
        codecs: doctors,
        certificates: Some(&certificates),
    });
    let house = House::of(Path::new(PRACTICE), |_| {
        format!(
            "listen: [tls 127.0.0.1:0, udp 127.0.0.1:0]\nrtp ports: 20000 to 29999\nmedia threads: 1\n\
             certificate: {{chain: {chain}, key: {key}, carrier ca: {authority}}}\n\
             trunks:\n  carrier:\n    from: [127.0.0.1]\n    outbound: tls {doctor}\n    encryption: required\n\
             \x20   codecs: [opus, G722, PCMU, PCMA]\n    options every: off\n\
             practices: [practice]\ndata: data\nkeys: keys\ndrain for: 10 seconds\n",
            chain = certificates.server.0.display(),
            key = certificates.server.1.display(),
            authority = certificates.authority.display(),
            doctor = doctor.address(),
        )
    });
    let desk: Desk = house.start("info");
    let mut caller = Baresip::start(Setup {
        user: "+15125550199",
        picks_up: false,
        microphone: &caller_says,
        codecs: callers,
        certificates: Some(&certificates),
    });
    caller.dial(DOCTOR_LINE, desk.at("TLS"));
    caller.tells("CALL_ESTABLISHED", MOMENT);
    doctor.tells("CALL_ESTABLISHED", SOON);
    sleep(Duration::from_secs(3));
    doctor.press('1');
    let seen = |what: &str, is: &dyn Fn(&Fact) -> bool| {
        house.waits_for(what, SOON, |facts| {
            facts.iter().any(|stamped| is(&stamped.fact)).then_some(())
        });
    };
    seen("the bridge", &|fact| matches!(fact, Fact::Bridged { .. }));
    // Each says its sentence twice from the beginning, whenever that was.
    sleep(Duration::from_secs(18));
    caller.hang_up();
    doctor.tells("CALL_CLOSED", MOMENT);
    seen(
        "the outcome",
        &|fact| matches!(fact, Fact::CallEnded { outcome, .. } if outcome == "connected to Dr. Vance"),
    );
    let clear = |fact: &Fact| matches!(fact, Fact::Answered { encrypted: false, .. });
    assert!(
        !house.facts().iter().any(|stamped| clear(&stamped.fact)),
        "a leg in the clear"
    );
    caller.quits();
    doctor.quits();
    let (by_caller, by_doctor) = (caller.heard(), doctor.heard());
    let heard = [
        ("the doctor", &by_doctor, &callers_words),
        ("the caller", &by_caller, &doctors_words),
    ];
    for (who, worst) in heard.map(|(who, heard, said)| (who, worst(who, heard, said))) {
        assert!(worst >= alike, "{who} hears the other as he spoke: {worst}");
    }
    let echo = worst("an echo at the doctor", &by_doctor, &doctors_words);
    assert!(echo < 0.7, "nobody hears an echo, and the comparison can tell: {echo}");
}

/// Proves SEC-03: a foreign telephone talks encrypted, both ways.
#[test]
fn g711_by_tls_and_srtp() {
    they_talk("PCMU/8000/1", "PCMA/8000/1", 0.95);
}

#[test]
fn g722_by_tls_and_srtp() {
    they_talk("G722/16000/1", "G722/16000/1", 0.95);
}

#[test]
fn g722_by_tls_and_srtp_to_a_doctor_who_has_g711() {
    they_talk("G722/16000/1", "PCMU/8000/1", 0.9);
}

#[test]
fn opus_by_tls_and_srtp_to_a_doctor_who_has_g711() {
    they_talk("opus/48000/2", "PCMU/8000/1", 0.8);
}
