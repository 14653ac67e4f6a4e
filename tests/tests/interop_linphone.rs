//! linphonec 5.1 from Debian as the doctor's telephone: it is rung, hears who calls, presses the key, and hears and is heard.
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

use child::House;
use switchboard::Fact;
use tests::linphone::Linphone;
use tests::phone::{Phone, decoded, samples};
use tests::sipp::{Line, Setup, Sipp};
use tests::sound::babble;
use voice::correlation;

const PRACTICE: &str = "tests/interop/practice";
const DOCTOR_LINE: &str = "+15125550122";
const VANCE: &str = "+15125550141";
const SOON: Duration = Duration::from_secs(30);
const MOMENT: Duration = Duration::from_secs(5);
const HALF_A_SECOND: usize = 4_000;

/// How many half seconds of a sound were heard as they were sent.
fn alike(who: &str, heard: &[i16], sound: &[u8]) -> usize {
    let said = decoded(sound);
    let pieces: Vec<f32> = said
        .chunks(HALF_A_SECOND)
        .map(|piece| correlation(heard, piece))
        .collect();
    println!("{who} heard in {} s: {pieces:.3?}", heard.len() / 8_000);
    pieces.iter().filter(|alike| **alike >= 0.95).count()
}

#[test]
fn a_doctor_with_linphone_takes_the_call() {
    let words = child::words_of(Path::new(PRACTICE));
    let (from_caller, from_doctor) = (babble(7, 6), babble(8, 6));
    let mut doctor = Linphone::start(VANCE, &decoded(&from_doctor));
    let house = House::of(Path::new(PRACTICE), |_| {
        format!(
            "listen: [udp 127.0.0.1:0]\nrtp ports: 20000 to 29999\nmedia threads: 1\n\
             trunks:\n  carrier:\n    from: [127.0.0.1]\n    outbound: udp {}\n\
             practices: [practice]\ndata: data\nkeys: keys\ndrain for: 10 seconds\n",
            doctor.address()
        )
    });
    let desk = house.start("info");
    let line = Line::free();
    let phone = Phone::start(line.media_port(), &words);
    let mut caller = Sipp::start(
        line,
        Setup {
            number: DOCTOR_LINE,
            ..Setup::caller("caller", desk.address)
        },
    );
    phone.hears("dial 911", SOON);
    phone.keeps_saying(from_caller.clone());
    doctor.tells("connected", SOON);
    sleep(Duration::from_secs(3));
    let before = phone.packets();
    assert_eq!(alike("the caller, before the key,", &samples(&before), &from_doctor), 0);
    doctor.press('1');
    house.waits_for("the bridge", SOON, |facts| {
        facts
            .iter()
            .any(|stamped| matches!(stamped.fact, Fact::Bridged { .. }))
            .then_some(())
    });
    sleep(flow::TALKED_AT_LEAST + Duration::from_secs(4));
    doctor.hang_up();
    caller.succeeds(MOMENT);
    house.waits_for("the outcome", SOON, |facts| {
        let connected =
            |fact: &Fact| matches!(fact, Fact::CallEnded { outcome, .. } if outcome == "connected to Dr. Vance");
        facts.iter().any(|stamped| connected(&stamped.fact)).then_some(())
    });
    let by_doctor = doctor.quits();
    let by_caller = samples(&phone.packets());
    let of = from_caller.len() / HALF_A_SECOND;
    for (who, heard, sound) in [
        ("the caller", &by_caller, &from_doctor),
        ("the doctor", &by_doctor, &from_caller),
    ] {
        let alike = alike(who, heard, sound);
        assert!(
            alike * 10 >= of * 7,
            "{who} hears {alike} of {of} half seconds as they were spoken"
        );
    }
}
