//! Stopping and changing a running engine: SIGTERM lets calls finish and takes no new ones; SIGHUP gives the next call what
//! a practice has just written, while a call in progress keeps what it began with (BRF-04).
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test has a clock, sockets and files, and stops where it finds otherwise"
)]

mod child;

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use child::{Cue, House, LOOPBACK, NUMBER, Person, begin, handset, office_message, press, voices};
use exchange::handset::{Handset, News};
use switchboard::Fact;

const SOON: Duration = Duration::from_secs(60);

#[test]
fn asked_to_stop_it_finishes_its_calls_and_takes_no_new_ones() {
    let [name, reason] = voices(["Ana Rivera.", "I would like to change my appointment."]);
    let callers = handset(&child::words(None), |_| panic!("nobody is rung"));
    let house = House::furnish(callers.address(), "2 minutes");
    let mut desk = house.start("info");
    let status = |request: String| ask(desk.address, &request);
    assert!(status(options()).starts_with("SIP/2.0 200"));

    let (party, diary) = Person::with(office_message(&name, &reason));
    callers.call(1, desk.address, NUMBER, Some("+15125550199"), party);
    diary.waits_for("To be called back", SOON);
    desk.signal("TERM");
    let draining = Instant::now();
    while !desk.out().contains("draining") {
        assert!(draining.elapsed() < Duration::from_secs(5), "{}", desk.out());
        std::thread::sleep(Duration::from_millis(5));
    }

    // A new call and a question whether we are there: both are told to come back later.
    let (party, _) = Person::with([]);
    callers.call(2, desk.address, NUMBER, Some("+15125550198"), party);
    assert_eq!(refused(&callers, 2), 503);
    for request in [options(), invite()] {
        let answer = ask(desk.address, &request);
        assert!(answer.starts_with("SIP/2.0 503"), "{answer}");
        let retry_after = answer.lines().find_map(|line| line.strip_prefix("Retry-After:"));
        assert!(
            retry_after.is_some_and(|seconds| seconds.trim().parse::<u32>().is_ok_and(|seconds| seconds > 0)),
            "{answer}"
        );
    }
    // Asked twice, it is in no greater hurry.
    assert!(desk.runs());

    // The call in progress goes its way to the end: the message is taken, and the caller is told.
    diary.waits_for("We will call you", SOON);
    assert!(desk.ends(SOON).success(), "{}{}", desk.out(), desk.err());
    let facts = house.facts();
    assert!(
        facts.iter().any(|stamped| matches!(stamped.fact, Fact::MessageKept(_))),
        "{}",
        house.book()
    );
    let outcomes: Vec<_> = facts
        .iter()
        .filter_map(|stamped| match &stamped.fact {
            Fact::CallEnded { outcome, ended_by, .. } => Some((outcome.as_str(), ended_by.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(outcomes, [("message in front desk inbox", "us")], "{}", house.book());
    assert!(
        facts
            .iter()
            .filter(|stamped| matches!(stamped.fact, Fact::CallRefused { status: 503, .. }))
            .count()
            >= 2,
        "{facts:?}"
    );
    assert!(matches!(facts.last().map(|stamped| &stamped.fact), Some(Fact::Stopped)));
    assert!(
        house.show(&["recordings", "list"]).contains("Complete"),
        "the recording has its end"
    );
}

#[test]
fn an_edited_file_changes_the_next_call_and_no_call_in_progress() {
    let callers = handset(&child::words(None), |_| panic!("nobody is rung"));
    let house = House::furnish(callers.address(), "5 seconds");
    let mut desk = house.start("info");
    let file = house.path("practice/after-hours.flow.yaml");
    let shipped = fs::read_to_string(&file).expect("a file of the practice");
    let (doctor, anything) = ("I will reach the doctor on call", "To be called back at the number");
    let presses_4 = |line, menu: Option<Duration>| {
        let mut script = begin();
        script.push((Cue::Hears("How can we help"), vec![]));
        script.push((Cue::After(menu.unwrap_or_default()), press("4")));
        let (party, diary) = Person::with(script);
        callers.call(line, desk.address, NUMBER, Some(&format!("+1512555018{line}")), party);
        diary
    };

    // One caller is in the menu while the file is changed: 4 and 5 change places.
    let before = presses_4(1, Some(Duration::from_secs(12)));
    before.waits_for("How can we help", SOON);
    let edited = swap(&shipped, "press 4:", "press 5:");
    fs::write(&file, &edited).expect("room");
    let told = desk.out().matches("C008").count();
    desk.signal("HUP");
    wait_for("the practice to be read again", || {
        desk.out().matches("C008").count() > told
    });
    let after = presses_4(2, None);
    // Who was there hears what they were offered; who comes now, what stands in the file.
    before.waits_for(doctor, SOON);
    after.waits_for(anything, SOON);
    assert!(after.when(doctor).is_none(), "{}", after.all());
    let order = (before.when("[presses 4]"), after.when("[presses 4]"));
    assert!(order.0.is_some() && order.1.is_some());

    // A file that cannot be released changes nothing, and it is said why.
    fs::write(&file, edited.replace("go to: main menu", "go to: nowhere")).expect("room");
    desk.signal("HUP");
    wait_for("what is wrong to be told", || desk.out().contains("nowhere"));
    let third = presses_4(3, None);
    third.waits_for(anything, SOON);
    assert!(third.when(doctor).is_none(), "{}", third.all());

    // The book knows which release each of them heard.
    let release = |line: u64| {
        let number = format!("+1512555018{line}");
        house.facts().into_iter().find_map(|stamped| match stamped.fact {
            Fact::CallBegan { caller, release, .. } if caller.expose().as_ref() == Some(&number) => Some(release),
            _ => None,
        })
    };
    assert!(release(1).is_some() && release(1) != release(2) && release(2) == release(3));
    assert!(desk.runs());
}

fn swap(text: &str, one: &str, other: &str) -> String {
    assert!(text.contains(one) && text.contains(other));
    text.replace(one, "\0").replace(other, one).replace('\0', other)
}

fn wait_for(what: &str, mut look: impl FnMut() -> bool) {
    let began = Instant::now();
    while !look() {
        assert!(began.elapsed() < SOON, "waited for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn refused(handset: &Handset, wanted: u64) -> u16 {
    let began = Instant::now();
    loop {
        match handset.news(Duration::from_millis(100)) {
            Some((_, News::Refused { line, status })) if line == wanted => return status,
            _ => assert!(
                began.elapsed() < Duration::from_secs(10),
                "line {wanted} is not refused"
            ),
        }
    }
}

fn options() -> String {
    request("OPTIONS", "")
}

fn invite() -> String {
    request(
        "INVITE",
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n",
    )
}

fn request(method: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} sip:{NUMBER}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK{0};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:+15125550197@127.0.0.1>;tag={0}\r\nTo: <sip:{NUMBER}@127.0.0.1>\r\nCall-ID: {0}@127.0.0.1\r\n\
         CSeq: 1 {method}\r\nContact: <sip:x@127.0.0.1>\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}",
        jiff::Timestamp::now().as_nanosecond()
    )
}

/// The final response.
fn ask(desk: SocketAddr, request: &str) -> String {
    let socket = UdpSocket::bind((LOOPBACK, 0)).expect("a port");
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .expect("a socket of ours");
    socket.send_to(request.as_bytes(), desk).expect("loopback");
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer).expect("an answer within five seconds");
        let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if !answer.starts_with("SIP/2.0 1") {
            return answer;
        }
    }
}
