//! Trunks as users see them: the report card a carrier's engineer gets by calling, and `nightdesk trunk list | report | trace |
//! check` against a running engine, all by the binary itself.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a test has a clock, sockets and programs, and stops where it finds otherwise"
)]

mod child;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use child::{Desk, House, LOOPBACK};
use exchange::handset::{Handset, Keys, Setup};
use switchboard::Fact;
use switchboard::card::{Card, Grade, Item};

/// The number that only the carrier knows.
const CARD: &str = "+15125550190";
const PRACTICE: &str = "tests/interop/practice";
const SOON: Duration = Duration::from_secs(30);

/// An engine with two trunks: `lab`, whose far end is a telephone of ours, and `other`.
fn house(far_end: SocketAddr) -> House {
    House::of(Path::new(PRACTICE), |_| {
        format!(
            "listen: [udp 127.0.0.1:0]\nrtp ports: 20000 to 29999\nmedia threads: 1\n\
             trunks:\n  lab:\n    from: [127.0.0.1]\n    outbound: udp {far_end}\n    options every: 5 seconds\n    \
             codecs: [PCMU, PCMA, G722]\n    calls in at most: 3\n    report card: {CARD}\n  \
             other: {{from: [127.0.0.2], outbound: none}}\n\
             practices: [practice]\ndata: data\nkeys: keys\ndrain for: 5 seconds\n"
        )
    })
}

fn far_end() -> Handset {
    Handset::start(Setup {
        address: SocketAddr::new(LOOPBACK, 0),
        media: LOOPBACK,
        ear: None,
        pick_up: Duration::from_millis(100),
        keys: Keys::Events,
        offering: media::sdp::Offering::default(),
        answers: Box::new(|_, _| panic!("nobody is rung")),
    })
    .expect("a socket")
}

fn cards(house: &House) -> Vec<(String, Card)> {
    let card = |stamped: &switchboard::Stamped| match &stamped.fact {
        Fact::ReportCard { id, card, .. } => Some((id.to_string(), card.clone())),
        _ => None,
    };
    house.facts().iter().filter_map(card).collect()
}

/// The next card after these many.
fn card_after(house: &House, before: usize) -> Card {
    house.waits_for("a report card", SOON, |facts| {
        let mut cards = facts.iter().filter_map(|stamped| match &stamped.fact {
            Fact::ReportCard { card, .. } => Some(card.clone()),
            _ => None,
        });
        cards.nth(before)
    })
}

fn assert_grades(card: &Card, expected: &[(Item, Grade)]) {
    for (item, grade) in expected {
        let line = card
            .line(*item)
            .unwrap_or_else(|| panic!("{item:?} has no line\n{card}"));
        assert_eq!(line.grade, *grade, "{item:?}\n{card}");
    }
}

/// Calls the number of the report card with the test phone.
fn dials(house: &House, desk: &Desk, more: &[&str]) -> String {
    let to = desk.address.to_string();
    let mut all = vec!["dial", CARD, "--to", &to, "--from", "+15125550199"];
    all.extend(more);
    house.run(&all)
}

/// OPTIONS from one of the trunks, and the answer.
fn asks(desk: &Desk, from: &str, id: &str) -> String {
    let socket = UdpSocket::bind((from, 0)).expect("a port");
    socket.set_read_timeout(Some(SOON)).expect("our own");
    let us = socket.local_addr().expect("bound");
    let text = format!(
        "OPTIONS sip:+15125550177@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{id}\r\nMax-Forwards: 70\r\n\
         From: <sip:+15125550199@{us}>;tag=1\r\nTo: <sip:+15125550177@127.0.0.1>\r\nCall-ID: {id}\r\nCSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    );
    socket.send_to(text.as_bytes(), desk.address).expect("loopback");
    let mut answer = [0; 2048];
    let length = socket.recv(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

/// A command that must fail; what it said.
fn fails(house: &House, arguments: &[&str]) -> String {
    let config = house.path("nightdesk.yaml");
    let done = Command::new(tests::target().join("debug/nightdesk"))
        .args(arguments)
        .env("NIGHTDESK_SESSION", house.session())
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .output()
        .expect("the binary was just built");
    assert!(!done.status.success(), "{arguments:?}");
    format!(
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    )
}

#[test]
fn the_card_says_what_an_engineer_did_and_what_nobody_tried() {
    let phone = far_end();
    let house = house(phone.address());
    let desk = house.start("info");
    let said = house.show(&["trunk", "report"]);
    assert!(said.contains("no card yet"), "{said}");

    // Three engineers at once, each with another way of pressing keys.
    std::thread::scope(|scope| {
        let ways = [
            ("1 2 #", "events", "pcmu"),
            ("3 #", "info", "pcmu"),
            ("4 #", "tones", "pcma"),
        ];
        let dialling = ways.map(|(keys, way, codec)| {
            let (house, desk) = (&house, &desk);
            scope.spawn(move || dials(house, desk, &["--press", keys, "--keys", way, "--codec", codec]))
        });
        for (dialled, codec) in dialling.into_iter().zip(["PCMU", "PCMU", "PCMA"]) {
            let heard = dialled.join().expect("it ended well");
            assert!(heard.contains(&format!("connected: {codec}")), "{heard}");
        }
    });
    let filled: Vec<Card> = (0..3).map(|n| card_after(&house, n)).collect();
    let only = [Item::KeysByEvent, Item::KeysByInfo, Item::KeysByTone];
    let card_of = |way: Item| {
        let came = |card: &&Card| card.line(way).is_some_and(|line| line.grade == Grade::Pass);
        let card = filled
            .iter()
            .find(came)
            .unwrap_or_else(|| panic!("{way:?}: {filled:#?}"));
        for other in only.into_iter().filter(|other| *other != way) {
            assert_grades(card, &[(other, Grade::NotTried)]);
        }
        card
    };
    let card = card_of(Item::KeysByEvent);
    card_of(Item::KeysByInfo);
    assert!(
        card_of(Item::KeysByTone)
            .line(Item::Codecs)
            .expect("a line")
            .words
            .starts_with("PCMA agreed")
    );
    assert_grades(
        card,
        &[
            (Item::Reachable, Grade::Pass),
            (Item::Tls, Grade::NotTried),
            (Item::Call, Grade::Pass),
            (Item::Codecs, Grade::Pass),
            (Item::Prack, Grade::Pass),
            (Item::AudioIn, Grade::Pass),
            (Item::Refresh, Grade::Pass),
            (Item::Hold, Grade::NotTried),
            (Item::LateOffer, Grade::NotTried),
            (Item::Encryption, Grade::NotTried),
            (Item::Mtu, Grade::Pass),
        ],
    );
    let events = card.line(Item::KeysByEvent).expect("a line");
    assert!(events.words.starts_with("2 keys came"), "{card}");

    // Where ops find them: a line each, and one whole by how its id begins. Nothing of it names anybody.
    let list = house.show(&["trunk", "report"]);
    assert_eq!(list.lines().count(), 3, "{list}");
    assert!(list.lines().all(|line| line.contains("  lab  ")), "{list}");
    let (id, _) = cards(&house).remove(0);
    let whole = house.show(&["trunk", "report", &id[..16]]);
    assert!(whole.contains(&id) && whole.contains("keys by events"), "{whole}");
    let lines = whole.lines().skip(1).collect::<String>();
    assert!(
        lines.contains("[RFC 4733 §2.5]") && !lines.contains("1512555"),
        "{whole}"
    );
    let failed = fails(&house, &["trunk", "report", "zzzz"]);
    assert!(failed.contains("no card of that id"), "{failed}");
    // It is no patient's call, and no call at all in their list.
    assert_eq!(house.show(&["calls", "list"]).trim(), "");
    // The number itself is in no log.
    assert!(!desk.err().contains("5550190") && !desk.out().contains("5550190"));
    drop(phone);
}

#[test]
fn a_live_list_says_how_each_trunk_is_and_without_an_engine_what_is_written() {
    let phone = far_end();
    let house = house(phone.address());
    let written = house.show(&["trunk", "list"]);
    assert!(written.contains("no engine serves"), "{written}");
    assert!(written.contains("at most 3 in"), "{written}");
    let desk = house.start("info");
    let began = Instant::now();
    let live = loop {
        let live = house.show(&["trunk", "list"]);
        if live.contains("state      up for") {
            break live;
        }
        assert!(began.elapsed() < SOON, "{live}");
        std::thread::sleep(Duration::from_millis(100));
    };
    for words in [
        format!("udp {}: answered 200 0 s ago", phone.address()),
        "0 of 3 in".into(),
        "refused    0 since the start".into(),
        "state      not asked".into(),
        "report card".into(),
    ] {
        assert!(live.contains(&words), "{words:?} is not in\n{live}");
    }
    assert!(!live.contains(CARD), "the number is the carrier's alone\n{live}");

    // A number of nobody's: refused, and counted by its reason.
    let to = desk.address.to_string();
    let nobody = Command::new(tests::target().join("debug/nightdesk"))
        .args(["dial", "+15125550177", "--to", &to, "--from", "+15125550199"])
        .output()
        .expect("the binary was just built");
    assert!(!nobody.status.success());
    let live = house.show(&["trunk", "list"]);
    assert!(live.contains("refused    1 since the start"), "{live}");
    assert!(live.contains("1 × 404 number belongs to no practice"), "{live}");

    // The far end goes away: three questions without an answer, and it is down. Killed, the engine leaves a socket at which
    // nobody answers.
    desk.kill();
    let written = house.show(&["trunk", "list"]);
    assert!(written.contains("no engine serves"), "{written}");
}

#[test]
fn a_trace_of_one_trunk_holds_its_messages_and_nobody_elses() {
    let phone = far_end();
    let house = house(phone.address());
    let desk = house.start("info");
    let file = house.path("lab.pcapng");
    let refused = fails(
        &house,
        &[
            "trunk",
            "trace",
            "nobody",
            "--for",
            "1s",
            "--out",
            file.to_str().expect("plain"),
        ],
    );
    assert!(refused.contains("there is no trunk `nobody`"), "{refused}");
    let mut tracing = Command::new(tests::target().join("debug/nightdesk"))
        .args(["trunk", "trace", "lab", "--for", "4s", "--out"])
        .env("NIGHTDESK_SESSION", house.session())
        .arg(&file)
        .arg("--config")
        .arg(house.path("nightdesk.yaml"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary was just built");
    let mut out = BufReader::new(tracing.stdout.take().expect("piped"));
    let mut line = String::new();
    out.read_line(&mut line).expect("it says that it began");
    assert_eq!(line.trim(), "tracing lab for 4 s");

    for (from, id) in [("127.0.0.1", "of-lab"), ("127.0.0.2", "of-other")] {
        assert!(asks(&desk, from, id).starts_with("SIP/2.0 200"));
    }
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("it ends");
    assert!(tracing.wait().expect("our own child").success(), "{rest}");
    assert!(rest.contains("numbers, keys and digests masked"), "{rest}");

    let mode = std::fs::metadata(&file).expect("written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let octets = std::fs::read(&file).expect("readable");
    assert!(
        !octets.windows(7).any(|window| window == b"5550199"),
        "a number is in the trace"
    );
    let seen = tests::sip_in(&file);
    for line in ["OPTIONS\t\tof-lab", "\t200\tof-lab"] {
        assert!(seen.contains(line), "{line:?} is not in {seen}");
    }
    assert!(!seen.contains("of-other"), "{seen}");
    let noted = |stamped: &switchboard::Stamped| matches!(&stamped.fact, Fact::TraceBegan { trunk: Some(trunk), .. } if trunk == "lab");
    assert!(house.facts().iter().any(noted), "the book says whose");
}

/// A second engine of ours with TLS, where clear audio is refused, checked as a carrier is.
#[test]
fn a_peer_with_tls_and_srtp_passes_its_check_and_fills_a_card_of_its_own() {
    let house = House::of(Path::new(PRACTICE), |folder| {
        let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate");
        std::fs::write(folder.join("chain.pem"), made.cert.pem()).expect("room");
        child::write_secret(&folder.join("key.pem"), &made.signing_key.serialize_pem());
        format!(
            "listen: [udp 127.0.0.1:0, tls 127.0.0.1:0]\ncertificate: {{chain: chain.pem, key: key.pem}}\n\
             rtp ports: 20000 to 29999\nmedia threads: 1\n\
             trunks:\n  lab:\n    from: [127.0.0.1]\n    outbound: none\n    encryption: required\n    \
             codecs: [G722, PCMU, PCMA]\n    report card: {CARD}\n\
             practices: [practice]\ndata: data\nkeys: keys\ndrain for: 5 seconds\n"
        )
    });
    let desk = house.start("info");
    let peer = house.path("peer.yaml");
    let at = desk.at("TLS");
    let text = format!(
        "listen: [udp 127.0.0.1:0, tls 127.0.0.1:0]\n\
         certificate: {{chain: chain.pem, key: key.pem, carrier ca: chain.pem}}\n\
         trunks:\n  peer:\n    from: [127.0.0.1]\n    outbound: tls {at}\n    encryption: required\n    \
         codecs: [PCMU, G722]\n    caller ids: [+15125550199]\n\
         practices: [practice]\ndata: data\nkeys: keys\n"
    );
    std::fs::write(&peer, text).expect("room");
    let peer = peer.to_str().expect("a plain path");
    house.people();
    let said = house.run(&["trunk", "check", "peer", "--call", CARD, "--config", peer]);
    for line in [
        "pass       TLS                 TLS 1.3",
        "pass       OPTIONS",
        "pass       a call is answered",
        "pass       codecs",
        "pass       early media",
        "pass       PRACK",
        "pass       audio from them",
        "pass       audio to them",
        "pass       keys by events",
        "pass       keys by INFO",
        "pass       keys by tones",
        "pass       refresh",
        "pass       session timer",
        "pass       hold and resume",
        "pass       late offer",
        "pass       SRTP                AES",
        "pass       hanging up",
        ", 0 failed, ",
    ] {
        assert!(said.contains(line), "{line:?} is not in\n{said}");
    }
    println!("{said}");

    // The other side of the same call: the first of the calls it took.
    let card = card_after(&house, 0);
    println!("{card}");
    assert_grades(
        &card,
        &[
            (Item::Reachable, Grade::Pass),
            (Item::Tls, Grade::Pass),
            (Item::Call, Grade::Pass),
            (Item::Codecs, Grade::Pass),
            (Item::Prack, Grade::Pass),
            (Item::AudioIn, Grade::Pass),
            (Item::AudioOut, Grade::Pass),
            (Item::KeysByEvent, Grade::Pass),
            (Item::KeysByInfo, Grade::Pass),
            (Item::KeysByTone, Grade::Pass),
            (Item::Refresh, Grade::Pass),
            (Item::SessionTimer, Grade::Pass),
            (Item::Hold, Grade::Pass),
            (Item::LateOffer, Grade::NotTried),
            (Item::Encryption, Grade::Pass),
            (Item::Mtu, Grade::NotTried),
            (Item::HangUp, Grade::Pass),
        ],
    );
    // Asked only whether it is there; with a number to call, one short call besides.
    let asked = house.run(&["trunk", "test", "peer", "--config", peer]);
    let called = house.run(&["trunk", "test", "peer", "--call", CARD, "--config", peer]);
    for (said, is_called) in [(&asked, false), (&called, true)] {
        for line in ["pass       TLS", "pass       OPTIONS", ", 0 failed, "] {
            assert!(said.contains(line), "{line:?} is not in\n{said}");
        }
        for line in [
            "pass       a call is answered",
            "pass       audio from them",
            "pass       hanging up",
        ] {
            assert_eq!(said.contains(line), is_called, "{line:?} in\n{said}");
        }
    }

    // Without encryption the very same peer is refused, and the check says with what.
    let said = Command::new(tests::target().join("debug/nightdesk"))
        .args(["trunk", "check", &format!("sip:{CARD}@{}", desk.address)])
        .output()
        .expect("the binary was just built");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("refused with 488"), "{said}");
    // Nobody there any more: said, and told by the exit code.
    desk.kill();
    let failed = Command::new(tests::target().join("debug/nightdesk"))
        .args(["trunk", "test", "peer", "--config", peer])
        .env("NIGHTDESK_SESSION", house.session())
        .output()
        .expect("the binary was just built");
    let said = String::from_utf8_lossy(&failed.stdout).into_owned();
    assert!(!failed.status.success() && said.contains("FAIL"), "{said}");
}

#[test]
fn the_control_door_is_its_owners_and_bounded() {
    let phone = far_end();
    let house = house(phone.address());
    let desk = house.start("info");
    let door = house.path("data/control/door");
    tests::wait_for("the door", SOON, || door.exists().then_some(()));
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&door), mode(&house.path("data/control"))), (0o600, 0o700));
    let knock = || {
        let stream = UnixStream::connect(&door).expect("open");
        stream.set_read_timeout(Some(SOON)).expect("our own");
        stream
    };
    let says = |mut stream: UnixStream, words: &[u8]| {
        // A door that has heard enough closes; the rest of the words has no hearer.
        let _ = stream.write_all(words);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    for garbage in [
        &b"{}\n"[..],
        b"\0\xff\xfe\n",
        b"{\"ask\":\"stop\",\"actor\":\"ana\"}\n",
        b"{\"ask\":\"trunks\"}\n",
        b"[[[[[[[[[[[[[[[[\n",
    ] {
        assert!(says(knock(), garbage).contains("not a question this engine knows"));
    }
    let endless = vec![b'a'; 1024 * 1024];
    assert!(says(knock(), &endless).len() < 100, "a question has an end");

    // Two at once both get their answer, each trunk a line.
    let ask = b"{\"ask\":\"trunks\",\"actor\":\"ana\\n\"}\n";
    let (one, two) = (knock(), knock());
    for stream in [one, two] {
        let told = says(stream, ask);
        assert_eq!(told.lines().count(), 3, "{told}");
        assert!(told.ends_with("{\"answer\":\"trunks_told\"}\n"), "{told}");
    }
    // Of traces there is one.
    let trace = b"{\"ask\":\"trace\",\"actor\":\"ana\",\"for_s\":20,\"numbers_shown\":false}\n";
    let mut tracing = knock();
    tracing.write_all(trace).expect("open");
    let mut began = String::new();
    BufReader::new(tracing.try_clone().expect("our own"))
        .read_line(&mut began)
        .expect("an answer");
    assert!(began.contains("tracing"), "{began}");
    assert!(says(knock(), trace).contains("a trace is running already"));
    drop(tracing);

    // Guests who say nothing take every place for a few seconds, and no call notices.
    std::thread::sleep(Duration::from_millis(200));
    let silent: Vec<UnixStream> = (0..8).map(|_| knock()).collect();
    std::thread::sleep(Duration::from_millis(200));
    assert!(says(knock(), ask).contains("others are asking already"));
    let refused = house.show(&["trunk", "list"]);
    assert!(refused.contains("others are asking already"), "{refused}");
    assert!(asks(&desk, "127.0.0.1", "beside").starts_with("SIP/2.0 200"));
    let began = Instant::now();
    while !says(knock(), ask).contains("trunks_told") {
        assert!(began.elapsed() < SOON, "the silent are shown out");
        std::thread::sleep(Duration::from_millis(100));
    }
    drop(silent);
    assert!(!desk.err().contains("ana\\n\""), "a name is one line of the log");
    assert_eq!(desk.address.ip(), LOOPBACK);
}
