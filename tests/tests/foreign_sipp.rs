//! SIPp 3.6 from Debian calls Cedar, and is the doctor's telephone: what a stack nobody wrote for the occasion hears,
//! presses and is answered.
#![allow(clippy::disallowed_methods, reason = "telephones live in real time")]

use std::net::{IpAddr, Ipv4Addr};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sip::Transport::{Tcp, Udp};
use switchboard::Fact;
use tests::engine::{self, Engine, OURS};
use tests::phone::{Packet, Phone, decoded, samples};
use tests::sipp::{BETWEEN_KEYS, KEY_LASTS, Line, Message, Setup, Sipp, capture, may_play_captures};
use tests::sound::{assert_alike, assert_in_order, babble, frames_of};
use voice::correlation;

const WELCOME: &str = "Thank you for calling Cedar Family Medicine. Our office is closed.";
/// Everything a caller waits for comes within this, on a busy machine too.
const SOON: Duration = Duration::from_secs(30);
const MOMENT: Duration = Duration::from_secs(5);
/// A SIPp caller with ears.
struct Caller {
    sipp: Sipp,
    phone: Phone,
}

impl Caller {
    fn calls(engine: &Engine, scenario: &str) -> Self {
        let line = Line::free();
        let phone = Phone::start(line.media_port(), engine.words());
        let sipp = Sipp::start(line, Setup::caller(scenario, engine.address(Udp)));
        Self { sipp, phone }
    }

    /// Waits for words, and presses a key as telephone-events while they are still being said.
    fn hears_and_presses(&self, words: &str, key: char) {
        self.phone.hears(words, SOON);
        self.presses(key);
    }

    /// Presses a key, and lets go of it.
    fn presses(&self, key: char) {
        let down = self.sipp.presses(key, &self.phone);
        sleep((down + BETWEEN_KEYS).saturating_duration_since(Instant::now()));
    }

    /// Waits for words and the tone after them, says something, and presses pound.
    fn hears_and_says(&self, words: &str, clip: &[u8]) {
        self.phone.hears(words, SOON);
        self.phone.beep(SOON);
        sleep(Duration::from_millis(400));
        self.phone.say(clip);
        sleep(Duration::from_millis(clip.len() as u64 / 8 + 400));
        self.presses('#');
    }

    fn hangs_up(&mut self) {
        self.sipp.cue("bye");
        self.sipp.succeeds(MOMENT);
    }
}

/// The status of the final answer to what SIPp asked first, and the answer.
fn final_answer(sipp: &Sipp) -> (u16, Message) {
    let answer = sipp
        .messages()
        .into_iter()
        .rfind(|m| !m.sent && m.status().is_some_and(|status| status >= 200));
    let answer = answer.expect("a final answer");
    (answer.status().expect("a status"), answer)
}

#[test]
fn a_caller_is_answered_and_hears_the_words_as_they_were_spoken() {
    let engine = Engine::start(engine::Setup::default());
    let mut caller = Caller::calls(&engine, "caller");
    caller.phone.hears("dial 911", SOON);
    caller.phone.quiet(SOON);
    caller.hangs_up();

    let packets = caller.phone.packets();
    let heard = samples(&packets);
    for words in [WELCOME, "If this is a medical emergency, hang up and dial 911."] {
        let alike = correlation(&heard, &decoded(&engine.clip(words)));
        assert!(alike >= 0.95, "“{words}” is heard as it was spoken: {alike}");
    }
    let other = correlation(&heard, &decoded(&engine.clip(OURS[0])));
    assert!(other < 0.6, "and the comparison can tell: {other}");

    // One stream, in order, from the beginning of a talkspurt, soon after the ACK.
    let first = packets.first().expect("it heard something");
    assert!(first.marker, "a stream begins with a marker");
    assert!(
        packets
            .iter()
            .all(|packet| packet.ssrc == first.ssrc && packet.kind == 0),
        "one stream of µ-law"
    );
    assert!(
        packets
            .windows(2)
            .all(|pair| pair[1].sequence == pair[0].sequence.wrapping_add(1)),
        "in order"
    );
    let acknowledged = caller
        .sipp
        .messages()
        .into_iter()
        .find(|m| m.sent && m.is("ACK"))
        .expect("an ACK");
    let ago = acknowledged.at.elapsed().expect("the clock goes on");
    let after_ack = (first.at + ago).saturating_duration_since(Instant::now());
    assert!(
        after_ack < Duration::from_millis(250),
        "the first packet came {after_ack:?} after the ACK"
    );
    assert_eq!(engine.outcomes(1, MOMENT).len(), 1);
    engine.is_empty(MOMENT);
}

#[test]
fn telephone_events_choose_the_branch_and_an_info_beside_them_is_no_second_key() {
    let engine = Engine::start(engine::Setup::default());
    let mut caller = Caller::calls(&engine, "caller");
    caller.hears_and_presses("For English", '1');
    caller.hears_and_presses("May we record", '1');
    caller.phone.hears("How can we help", SOON);
    let pressed = || {
        let facts = engine.facts().into_iter();
        facts
            .filter(|stamped| matches!(stamped.fact, Fact::Pressed { .. }))
            .count()
    };
    let before = pressed();
    caller.phone.yields(BETWEEN_KEYS);
    if may_play_captures() {
        caller.sipp.cue("both 4");
    } else {
        caller.sipp.cue("info 4");
        caller.phone.plays(&capture('4'));
    }
    caller.phone.hears("I will reach the doctor on call", SOON);
    // A second 4 would be the first digit of another number, and stop these words.
    caller.phone.hears("To be called back at the number", SOON);
    caller.phone.quiet(SOON);
    assert_eq!(pressed(), before + 1, "one key was pressed, in two ways");
    caller.hangs_up();
    // What the caller began to tell is urgent: the ladder is climbed to its end, though no telephone can be reached.
    assert_eq!(engine.outcomes(1, SOON), ["still paging doctor on call"]);
}

#[test]
fn info_chooses_the_branch() {
    let engine = Engine::start(engine::Setup::default());
    let mut caller = Caller::calls(&engine, "caller");
    for (words, key) in [("For English", '1'), ("May we record", '2'), ("How can we help", '5')] {
        caller.phone.hears(words, SOON);
        caller.sipp.cue(&format!("info {key}"));
    }
    caller.phone.hears("To be called back at the number", SOON);
    engine.waits_for(
        "the branch of key 5",
        MOMENT,
        |fact| matches!(fact, Fact::Section { name } if name == "office message"),
    );
    caller.hangs_up();
    assert_eq!(engine.outcomes(1, MOMENT).len(), 1);
}

#[test]
fn a_caller_who_cancels_gets_487_and_has_one_outcome() {
    let engine = Engine::start(engine::Setup {
        ring_before_answer: Duration::from_secs(20),
        ..Default::default()
    });
    let mut caller = Caller::calls(&engine, "cancel");
    caller.sipp.succeeds(SOON);
    let (status, _) = final_answer(&caller.sipp);
    assert_eq!(status, 487);
    assert_eq!(engine.outcomes(1, MOMENT).len(), 1);
    assert_eq!(caller.phone.packets().len(), 0, "nobody was answered");
    assert!(
        !engine
            .facts()
            .iter()
            .any(|stamped| matches!(stamped.fact, Fact::Answered { .. }))
    );
    engine.is_empty(MOMENT);
}

#[test]
fn a_held_caller_hears_nothing_until_the_call_is_resumed() {
    let engine = Engine::start(engine::Setup::default());
    let mut caller = Caller::calls(&engine, "caller");
    caller.phone.hears(WELCOME, SOON);
    for (count, (way, ours)) in [("hold", "a=recvonly"), ("old hold", "")].into_iter().enumerate() {
        // The answers to the INVITEs so far: the first, and two for each hold that was resumed.
        let answered = |m: &Message| m.status() == Some(200) && m.header("CSeq").is_some_and(|c| c.ends_with("INVITE"));
        let answers = || caller.sipp.messages().into_iter().filter(answered).collect::<Vec<_>>();
        let next = |seen: usize| tests::wait_for("a 200", MOMENT, || answers().into_iter().nth(seen));

        caller.sipp.cue(way);
        let answer = next(1 + 2 * count);
        assert!(
            answer.text.contains(ours),
            "{way} is answered with {ours}: {}",
            answer.text
        );
        // What was on its way when the answer left may still arrive.
        sleep(Duration::from_millis(100));
        let held = Instant::now();
        sleep(Duration::from_millis(700));
        let during = caller.phone.audio_since(held).len();
        assert_eq!(during, 0, "packets heard during {way}");

        caller.sipp.cue("resume");
        next(2 + 2 * count);
        let resumed = Instant::now();
        tests::wait_for("audio after resume", MOMENT, || {
            (caller.phone.audio_since(resumed).len() >= 25).then_some(())
        });
        let apart = caller.phone.audio_since(resumed)[24].at - resumed;
        assert!(apart < Duration::from_millis(1_500), "25 packets took {apart:?}");
    }
    caller.hangs_up();
    assert_eq!(engine.outcomes(1, MOMENT).len(), 1);
    engine.is_empty(MOMENT);
}

#[test]
fn what_cannot_be_answered_is_refused_with_the_reason_the_rfc_names() {
    let engine = Engine::start(engine::Setup::default());
    let refused = |scenario, number| {
        let setup = Setup {
            number,
            ..Setup::caller(scenario, engine.address(Udp))
        };
        let mut sipp = Sipp::start(Line::free(), setup);
        sipp.succeeds(SOON);
        final_answer(&sipp).0
    };
    assert_eq!(
        refused("refused", "+15125550999"),
        404,
        "a number that is no practice's"
    );
    assert_eq!(refused("only-g729", engine::NUMBER), 488, "a codec we do not have");
    engine.is_empty(MOMENT);
}

#[test]
fn a_call_by_tcp_is_a_call() {
    let engine = Engine::start(engine::Setup::default());
    let line = Line::free();
    let phone = Phone::start(line.media_port(), engine.words());
    let setup = Setup {
        tcp: true,
        ..Setup::caller("brief", engine.address(Tcp))
    };
    let mut sipp = Sipp::start(line, setup);
    phone.hears(WELCOME, SOON);
    sipp.succeeds(SOON);
    let via = final_answer(&sipp).1.header("Via").map(str::to_owned);
    assert!(
        via.as_deref().is_some_and(|via| via.starts_with("SIP/2.0/TCP ")),
        "{via:?}"
    );
    assert_eq!(engine.outcomes(1, MOMENT).len(), 1);
    engine.is_empty(MOMENT);
}

#[test]
fn a_stranger_gets_no_answer_at_all() {
    let engine = Engine::start(engine::Setup::default());
    let stranger = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let mut sipp = Sipp::start(
        Line::free(),
        Setup {
            from: stranger,
            ..Setup::caller("stranger", engine.address(Udp))
        },
    );
    sipp.succeeds(SOON);
    let (sent, received): (Vec<_>, Vec<_>) = sipp.messages().into_iter().partition(|message| message.sent);
    assert!(sent.len() >= 2, "it asked again: {sent:?}");
    assert_eq!(received.len(), 0, "{received:?}");
    assert_eq!(engine.strangers(), sent.len() as u64);
    assert!(
        engine.facts().iter().all(|stamped| stamped.call.is_none()),
        "no call was made of it"
    );
}

#[test]
fn a_draining_engine_sends_new_calls_elsewhere_and_keeps_those_it_has() {
    let engine = Engine::start(engine::Setup::default());
    let mut caller = Caller::calls(&engine, "caller");
    caller.phone.hears(WELCOME, SOON);
    let monitor = || {
        let mut sipp = Sipp::start(Line::free(), Setup::caller("options", engine.address(Udp)));
        sipp.succeeds(SOON);
        final_answer(&sipp).0
    };
    assert_eq!(monitor(), 200);
    engine.drain();

    let mut refused = Sipp::start(Line::free(), Setup::caller("refused", engine.address(Udp)));
    refused.succeeds(SOON);
    let (status, answer) = final_answer(&refused);
    assert_eq!((status, answer.header("Retry-After")), (503, Some("7")));
    assert_eq!(monitor(), 503);

    let drained = Instant::now();
    caller.phone.hears("For English", SOON);
    assert!(
        !caller.phone.audio_since(drained).is_empty(),
        "the call in progress goes on"
    );
    caller.hangs_up();
    assert_eq!(engine.outcomes(1, MOMENT).len(), 1);
}

#[test]
fn a_hospital_reaches_the_doctor_and_both_hear_each_other() {
    let line = Line::free();
    let engine = Engine::start(engine::Setup {
        doctors: Some(line.address()),
        ..Default::default()
    });
    let doctor_phone = Phone::start(line.media_port(), engine.words());
    let mut doctor = Sipp::start(line, Setup::called("doctor"));
    let mut caller = Caller::calls(&engine, "caller");
    let (from_caller, from_doctor) = (babble(1, 8), babble(2, 8));

    caller.hears_and_presses("For English", '1');
    caller.hears_and_presses("May we record", '1');
    caller.hears_and_presses("How can we help", '4');
    caller.hears_and_presses("To be called back at the number", '1');
    caller.hears_and_says("the patient's first and last name", &engine.clip(OURS[3]));
    caller.phone.hears("date of birth as eight digits", SOON);
    "02091984".chars().for_each(|key| caller.presses(key));
    caller.hears_and_presses("If that is right", '1');
    caller.hears_and_says("why you are calling", &engine.clip(OURS[0]));
    caller.phone.hears("Please stay on the line", SOON);
    caller.phone.keeps_saying(from_caller.clone());

    // The doctor's telephone was rung after the details were kept, and hears who calls; nothing of the caller yet.
    doctor.receives("an INVITE", SOON, |message| message.is("INVITE"));
    let kept = engine.waits_for("the message", MOMENT, |fact| matches!(fact, Fact::MessageKept(_)));
    let began = engine.waits_for("the ladder", MOMENT, |fact| matches!(fact, Fact::EscalationBegan(_)));
    assert!(kept.at <= began.at, "the details are kept before anybody is rung");
    doctor_phone.hears("An urgent call for", SOON);
    doctor_phone.hears("Press 1 to take it now", SOON);
    sleep(Duration::from_millis(500));
    let before = doctor_phone.packets();
    assert_eq!(
        frames_of(&from_caller, &before).len(),
        0,
        "nothing is bridged before the key"
    );
    assert!(caller.phone.spoken().len() > 20, "though the caller spoke");

    let key_down = doctor.presses('1', &doctor_phone);
    let key_up = key_down + KEY_LASTS;
    doctor_phone.yields(Duration::ZERO);
    doctor_phone.keeps_saying(from_doctor.clone());
    sleep(Duration::from_secs(5));

    let (doctor_packets, caller_packets) = (doctor_phone.packets(), caller.phone.packets());
    for (who, sound, packets) in [
        ("the doctor", &from_caller, &doctor_packets),
        ("the caller", &from_doctor, &caller_packets),
    ] {
        let frames = frames_of(sound, packets);
        let first = frames.first().unwrap_or_else(|| panic!("{who} hears the other")).1.at;
        let bridged = first.saturating_duration_since(key_up);
        let since_down = first.saturating_duration_since(key_down);
        println!("{who} hears the other {since_down:?} after the accept key goes down, {bridged:?} after it is up");
        assert!(
            bridged <= Duration::from_millis(300),
            "{who} hears the other {bridged:?} after the key"
        );
        assert_in_order(who, &frames, sound);
        let since: Vec<Packet> = packets.iter().filter(|packet| packet.at >= first).cloned().collect();
        assert_alike(who, &since, frames.len(), sound);
    }

    // The doctor hangs up, and that ends the caller's call: they talked for longer than somebody who was cut off.
    sleep((key_up + flow::TALKED_AT_LEAST + Duration::from_secs(1)).saturating_duration_since(Instant::now()));
    doctor.cue("bye");
    doctor.succeeds(MOMENT);
    caller.sipp.succeeds(MOMENT);
    assert_eq!(engine.outcomes(1, MOMENT), ["connected to Dr. Okafor"]);
    engine.is_empty(MOMENT);
}

#[test]
fn with_everything_broken_the_caller_still_reaches_the_doctor_and_may_hang_up_first() {
    let line = Line::free();
    let engine = Engine::start(engine::Setup {
        doctors: Some(line.address()),
        ..Default::default()
    });
    engine.break_everything();
    let doctor_phone = Phone::start(line.media_port(), engine.words());
    let mut doctor = Sipp::start(line, Setup::called("doctor"));
    let mut caller = Caller::calls(&engine, "caller");
    caller.phone.hears("dial 911", SOON);
    let (from_caller, from_doctor) = (babble(3, 4), babble(4, 4));
    caller.phone.keeps_saying(from_caller.clone());
    doctor_phone.hears("An urgent call for", SOON);
    sleep(Duration::from_millis(300));
    doctor.presses('1', &doctor_phone);
    sleep(BETWEEN_KEYS);
    doctor_phone.keeps_saying(from_doctor.clone());
    tests::wait_for("both to hear each other", MOMENT, || {
        let doctor_hears = frames_of(&from_caller, &doctor_phone.packets()).len();
        let caller_hears = frames_of(&from_doctor, &caller.phone.packets()).len();
        (doctor_hears > 100 && caller_hears > 100).then_some(())
    });
    for (who, sound, packets) in [
        ("the doctor", &from_caller, doctor_phone.packets()),
        ("the caller", &from_doctor, caller.phone.packets()),
    ] {
        assert_in_order(who, &frames_of(sound, &packets), sound);
    }
    caller.hangs_up();
    doctor.succeeds(MOMENT);
    engine.is_empty(MOMENT);
}
