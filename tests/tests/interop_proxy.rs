//! Kamailio 5.6 from Debian as the proxy of a carrier, between telephones and us: two Record-Route entries on each side,
//! Contacts that only it can reach. Then the same with rtpengine 10.5 in the audio, by TLS and SRTP.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    reason = "telephones live in real time, and a test stops where it finds otherwise"
)]

mod child;

use std::net::SocketAddr;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use child::{Desk, House};
use flow::{Language, Part};
use media::Law;
use switchboard::{Fact, Stamped};
use tests::carriers::{CARRIERS, but};
use tests::peers::{CLIENT_NAME, Certificates, Front, Kamailio, Rtpengine, Way};
use tests::phone::{Phone, decoded, samples};
use tests::sipp::{BETWEEN_KEYS, Line, Message, Setup, Sipp, capture};
use tests::sound::{assert_alike, assert_in_order, babble, frames_of};
use tests::srtp::Suite;
use voice::correlation;

const PRACTICE: &str = "tests/interop/practice";
const KEYS_LINE: &str = "+15125550120";
const VANCE: &str = "+15125550141";
const DOCTOR_LINE: &str = "+15125550122";
const SOON: Duration = Duration::from_secs(30);
const MOMENT: Duration = Duration::from_secs(5);
/// Where a Contact points that nobody but the proxy can reach.
const PRIVATE: &str = "10.11.12.13:5060";

/// An engine whose one trunk is a proxy.
fn engine(trunk: &str, further: &str) -> (House, Desk) {
    let house = House::of(Path::new(PRACTICE), |_| {
        format!(
            "listen: [udp 127.0.0.1:0, tcp 127.0.0.1:0{tls}]\nrtp ports: 20000 to 29999\nmedia threads: 1\n\
             trunks:\n  carrier:\n{trunk}{further}\
             practices: [practice]\ndata: data\nkeys: keys\ndrain for: 10 seconds\n",
            tls = if further.is_empty() { "" } else { ", tls 127.0.0.1:0" },
        )
    });
    let desk = house.start("info");
    (house, desk)
}

/// A caller and a doctor with SIPp behind the proxy: the doctor takes the call, both talk and hear each other, the doctor
/// hangs up. Gives what each of the two saw.
fn they_talk(house: &House, proxy: SocketAddr, line: Line) -> [Vec<Message>; 2] {
    let words = child::words_of(Path::new(PRACTICE));
    let behind = [("contact", PRIVATE.to_owned())];
    let doctor_phone = Phone::start(line.media_port(), &words);
    let mut doctor = Sipp::start(
        line,
        Setup {
            words: &behind,
            ..Setup::called("doctor")
        },
    );
    let caller_line = Line::free();
    let caller_phone = Phone::start(caller_line.media_port(), &words);
    let mut caller = Sipp::start(
        caller_line,
        Setup {
            number: DOCTOR_LINE,
            words: &behind,
            ..Setup::caller("caller", proxy)
        },
    );
    let (from_caller, from_doctor) = (babble(5, 8), babble(6, 8));
    caller_phone.hears("dial 911", SOON);
    doctor_phone.hears("Press 1 to take it now", SOON);
    caller_phone.keeps_saying(from_caller.clone());
    sleep(Duration::from_millis(500));
    assert_eq!(
        frames_of(&from_caller, &doctor_phone.packets()).len(),
        0,
        "nothing is bridged before the key"
    );
    doctor.presses('1', &doctor_phone);
    sleep(BETWEEN_KEYS);
    doctor_phone.keeps_saying(from_doctor.clone());
    tests::wait_for("both to hear each other", SOON, || {
        let doctor_hears = frames_of(&from_caller, &doctor_phone.packets()).len();
        let caller_hears = frames_of(&from_doctor, &caller_phone.packets()).len();
        (doctor_hears > 250 && caller_hears > 250).then_some(())
    });
    for (who, sound, packets) in [
        ("the doctor", &from_caller, doctor_phone.packets()),
        ("the caller", &from_doctor, caller_phone.packets()),
    ] {
        let frames = frames_of(sound, &packets);
        assert_in_order(who, &frames, sound);
        let first = frames.first().expect("they hear each other").1.at;
        let since: Vec<_> = packets.iter().filter(|packet| packet.at >= first).cloned().collect();
        assert_alike(who, &since, frames.len(), sound);
    }
    sleep(flow::TALKED_AT_LEAST);
    doctor.cue("bye");
    doctor.succeeds(MOMENT);
    caller.succeeds(MOMENT);
    house.waits_for("the outcome", SOON, |facts| {
        let connected =
            |fact: &Fact| matches!(fact, Fact::CallEnded { outcome, .. } if outcome == "connected to Dr. Vance");
        facts.iter().any(|stamped| connected(&stamped.fact)).then_some(())
    });
    [caller.messages(), doctor.messages()]
}

/// A trunk that is the proxy, known by the name in its certificate alone, and the rest of a configuration with TLS.
fn secure(front: Front, certificates: &Certificates) -> (String, String) {
    let trunk = format!(
        "    tls names: [{CLIENT_NAME}]\n    outbound: tls {}\n    encryption: required\n    options every: off\n",
        front.tls()
    );
    let further = format!(
        "certificate: {{chain: {chain}, key: {key}, client ca: {authority}, carrier ca: {authority}}}\n",
        chain = certificates.server.0.display(),
        key = certificates.server.1.display(),
        authority = certificates.authority.display(),
    );
    (trunk, further)
}

/// An engine, Kamailio in front of it, and the line of a telephone behind that.
struct Chain {
    proxy: Kamailio,
    rtpengine: Option<Rtpengine>,
    telephone: Line,
    _desk: Desk,
    house: House,
    _certificates: Option<Certificates>,
}

impl Chain {
    /// Kamailio and the engine speak by TCP.
    fn in_clear() -> Self {
        let front = Front::free();
        let trunk = format!("    from: [127.0.0.1]\n    outbound: tcp {}\n", front.address());
        Self::of(front, engine(&trunk, ""), "tcp", None, None)
    }

    /// They speak by TLS, and rtpengine stands in the audio.
    fn encrypted() -> Self {
        let (front, certificates) = (Front::free(), Certificates::make());
        let (trunk, further) = secure(front, &certificates);
        let audio = Some(Rtpengine::start());
        Self::of(front, engine(&trunk, &further), "tls", Some(certificates), audio)
    }

    fn of(
        front: Front,
        (house, desk): (House, Desk),
        transport: &str,
        certificates: Option<Certificates>,
        rtpengine: Option<Rtpengine>,
    ) -> Self {
        let telephone = Line::free();
        let way = Way {
            numbers: "^\\+1512555012".into(),
            engine: format!("{};transport={transport}", desk.at(&transport.to_uppercase())),
            telephone: telephone.address(),
        };
        Self {
            proxy: Kamailio::start(front, &way, certificates.as_ref(), rtpengine.as_ref()),
            rtpengine,
            telephone,
            _desk: desk,
            house,
            _certificates: certificates,
        }
    }
}

/// Requests of ours that the proxy had to send on by Route, because their request line names the private Contact.
fn within(proxy: &Kamailio, method: &str) -> usize {
    let printed = proxy.printed();
    assert!(
        !printed.contains("lost: "),
        "a request within a dialog without the way to it:\n{printed}"
    );
    let line = format!("within: {method} ");
    printed
        .lines()
        .filter(|printed| printed.contains(&line) && printed.contains("10.11.12.13"))
        .count()
}

#[test]
fn calls_through_kamailio_keep_to_its_route() {
    let chain = Chain::in_clear();
    let (house, proxy) = (&chain.house, &chain.proxy);
    let [caller, doctor] = they_talk(house, proxy.address(), chain.telephone);
    // By UDP on one side and TCP on the other, Kamailio puts itself into the route twice.
    let routes = |messages: &[Message], of: &dyn Fn(&&Message) -> bool| {
        let message = messages.iter().find(of).expect("it came");
        message.text.matches("Record-Route").count() + message.text.matches(">, <").count()
    };
    assert_eq!(
        routes(&caller, &|m| !m.sent && m.status() == Some(200)),
        2,
        "copied into our answer"
    );
    assert_eq!(routes(&doctor, &|m| !m.sent && m.is("INVITE")), 2);
    // Our ACK to the doctor, and our BYE to the caller once the doctor hung up.
    assert_eq!(
        (within(proxy, "ACK"), within(proxy, "BYE")),
        (1, 1),
        "{}",
        proxy.printed()
    );
}

#[test]
fn calls_through_rtpengine_are_encrypted_on_our_side_alone() {
    let chain = Chain::encrypted();
    let (house, proxy) = (&chain.house, &chain.proxy);
    let [caller, doctor] = they_talk(house, proxy.address(), chain.telephone);
    for (who, messages) in [("the caller", &caller), ("the doctor", &doctor)] {
        let session = messages
            .iter()
            .find(|m| !m.sent && m.text.contains("m=audio"))
            .expect("a session");
        assert!(
            session.text.contains(" RTP/AVP ") && !session.text.contains("a=crypto"),
            "{who} has plain RTP"
        );
    }
    let encrypted = |fact: &Fact| matches!(fact, Fact::Answered { encrypted: true, .. });
    assert!(
        house.facts().iter().any(|stamped| encrypted(&stamped.fact)),
        "the record says that ours was not"
    );
    assert_eq!(
        (within(proxy, "ACK"), within(proxy, "BYE")),
        (1, 1),
        "{}",
        proxy.printed()
    );
    let rtpengine = chain.rtpengine.as_ref().expect("it stands in the audio");
    println!(
        "{}",
        rtpengine
            .printed()
            .lines()
            .filter(|line| line.contains("SRTP"))
            .collect::<Vec<_>>()
            .join("\n")
    );
}

/// rtpengine has an SRTP of its own. Its offer names one suite at a time: we are heard as we speak, and a key is heard by us.
#[test]
fn every_suite_is_spoken_with_a_stranger() {
    let chain = Chain::encrypted();
    let (house, proxy) = (&chain.house, &chain.proxy);
    let words = child::words_of(Path::new(PRACTICE));
    let carrier = CARRIERS
        .iter()
        .find(|carrier| carrier.preset == "bandwidth")
        .expect("one of seven");
    let suites = [Suite::Cm80, Suite::Cm32, Suite::Gcm128, Suite::Gcm256];
    let others = [
        "AES_192_CM_HMAC_SHA1_80",
        "AES_192_CM_HMAC_SHA1_32",
        "AES_256_CM_HMAC_SHA1_80",
        "AES_256_CM_HMAC_SHA1_32",
        "F8_128_HMAC_SHA1_80",
        "F8_128_HMAC_SHA1_32",
        "NULL_HMAC_SHA1_80",
        "NULL_HMAC_SHA1_32",
    ];
    for (at, suite) in suites.into_iter().enumerate() {
        let caller = format!("+1512555{:04}", 170 + at);
        let unwanted = suites
            .iter()
            .filter(|other| **other != suite)
            .map(|other| other.name())
            .chain(others);
        let unwanted: Vec<String> = unwanted.map(|other| format!("SDES-no-{other}")).collect();
        let listens = but(carrier.words(KEYS_LINE, &caller), "listens_ms", "14000");
        let listens = but(listens, "headers", format!("X-Srtp: {}", unwanted.join(" ")));
        let line = Line::free();
        let phone = Phone::start(line.media_port(), &words);
        let mut sipp = Sipp::start(
            line,
            Setup {
                words: &listens,
                ..Setup::caller("presets/listens", proxy.address())
            },
        );
        phone.hears("Elmwood Family Medicine is listening", SOON);
        phone.yields(BETWEEN_KEYS);
        phone.plays(&capture('1'));
        let call = house.waits_for("the call in the book", SOON, |_| house.call_of(&caller));
        house.waits_for("the key in the book", SOON, |facts| {
            let pressed =
                |stamped: &Stamped| stamped.call == Some(call) && matches!(stamped.fact, Fact::Pressed { .. });
            facts.iter().any(pressed).then_some(())
        });
        sipp.succeeds(SOON);
        let part = Part::new(
            "If this is a medical emergency, hang up and dial 911.",
            Language::English,
        );
        let notice = decoded(&words.get(&part, Law::Pcmu).expect("every practice says so"));
        let alike = correlation(&samples(&phone.packets()), &notice);
        println!("{}: {alike:.4}", suite.name());
        assert!(alike >= 0.95, "{}: heard as it was spoken: {alike}", suite.name());
        let printed = proxy.printed();
        let answers = printed
            .lines()
            .filter(|line| line.contains("a=crypto:"))
            .collect::<Vec<_>>();
        let last = answers
            .last()
            .unwrap_or_else(|| panic!("no answer with keys in:\n{printed}"));
        assert!(last.contains(suite.name()), "the answer takes {}: {last}", suite.name());
    }
}

/// A carrier behind the proxy that answers early, by a provisional that wants a PRACK: both go through it (RFC 3262 §4).
#[test]
fn an_early_answer_is_acknowledged_through_the_proxy() {
    let chain = Chain::in_clear();
    let (house, proxy, telephone) = (&chain.house, &chain.proxy, chain.telephone);
    let words = child::words_of(Path::new(PRACTICE));
    let carrier = CARRIERS
        .iter()
        .find(|carrier| carrier.preset == "bandwidth")
        .expect("one of seven");
    let answers = but(carrier.words(VANCE, VANCE), "payloads", "0 101");
    let answers = but(
        answers,
        "codecs",
        "a=rtpmap:0 PCMU/8000\na=rtpmap:101 telephone-event/8000",
    );
    let answers = but(answers, "edge", PRIVATE);
    let _doctor_phone = Phone::start(telephone.media_port(), &words);
    let mut doctor = Sipp::start(
        telephone,
        Setup {
            words: &answers,
            ..Setup::called("presets/proxied-prack")
        },
    );
    let line = Line::free();
    let _caller_phone = Phone::start(line.media_port(), &words);
    let listens = but(carrier.words(DOCTOR_LINE, "+15125550160"), "listens_ms", "11000");
    let mut caller = Sipp::start(
        line,
        Setup {
            words: &listens,
            ..Setup::caller("presets/listens", proxy.address())
        },
    );
    caller.succeeds(SOON);
    doctor.succeeds(SOON);
    assert_eq!(within(proxy, "PRACK"), 1, "{}", proxy.printed());
    let joined = |stamped: &Stamped| matches!(&stamped.fact, Fact::Joined { party, .. } if party == "Dr. Vance");
    assert!(house.facts().iter().any(joined), "the answer in the 183 is the answer");
}
