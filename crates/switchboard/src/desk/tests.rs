//! What the storms of `tests/storm.rs` cannot reach: faults of our own, offers made late, restarts, the last ports.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    reason = "any instant will do for a beginning, and a fault has to come from somewhere"
)]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use phi::Phi;

use super::{Desk, PORTS_FOR_PEOPLE};
use crate::door::{CallId, DeskConfig, Input, Listener, MediaCommand, MediaEvent, Output, Released};
use crate::fact::{Fact, OpenEscalation};
use crate::trunk::{Network, Outbound, Trunk};

pub(super) const DESK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 5060);
pub(super) const TRUNK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), 5060);
pub(super) const OFFER: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=-\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

#[test]
fn words_wait_for_the_answer_to_an_offer_of_ours() {
    let mut bench = Bench::new(16);
    bench.invite("late", "");
    bench.wait(Duration::from_secs(1));
    let ok = bench.sent("SIP/2.0 200").expect("answered");
    assert!(ok.contains("m=audio"), "the offer is ours:\n{ok}");
    bench.wait(Duration::from_secs(2));
    assert!(!bench.played(), "nothing is said to a caller who cannot hear");
    bench.ack("late", &ok, OFFER);
    let agreed = bench
        .media
        .iter()
        .position(|order| matches!(order, MediaCommand::Update { .. }));
    let said = bench
        .media
        .iter()
        .position(|order| matches!(order, MediaCommand::Play { .. }));
    assert!(agreed.is_some() && agreed < said, "{:?}", bench.media);
}

#[test]
fn a_caller_who_never_answers_our_offer_is_not_kept_in_silence() {
    let mut bench = Bench::new(16);
    bench.invite("mute", "");
    bench.wait(Duration::from_secs(1));
    let ok = bench.sent("SIP/2.0 200").expect("answered");
    bench.ack("mute", &ok, "");
    bench.sent("BYE ").expect("hung up");
    assert_eq!(bench.outcomes(), 1);
}

#[test]
fn a_fault_ends_its_own_call_and_no_other() {
    let mut bench = Bench::new(32);
    bench.invite("one", OFFER);
    bench.invite("two", OFFER);
    bench.wait(Duration::from_secs(1));
    let first = bench.began(0);
    let now = bench.now;
    bench.desk.with_call(now, first, |_, _| panic!("a fault, on purpose"));
    bench.desk.settle(now);
    bench.drain();
    assert_eq!(bench.outcomes(), 1, "{:?}", bench.facts);
    assert!(
        bench
            .facts
            .iter()
            .any(|fact| matches!(fact, Fact::CallEnded { ended_by, .. } if ended_by == "fault"))
    );
    let closed = bench
        .media
        .iter()
        .filter(|order| matches!(order, MediaCommand::Close { .. }))
        .count();
    assert_eq!(closed, 1);
    assert_eq!((bench.desk.counts().calls, bench.desk.counts().sessions), (1, 1));
}

#[test]
fn a_fault_while_a_doctor_is_rung_rings_the_doctor_again() {
    let mut bench = Bench::new(32);
    let call = CallId([7; 16]);
    bench
        .desk
        .handle(bench.now, Input::Resume(Box::new(open(call, "doctor on call"))));
    bench.drain();
    assert_eq!(bench.invites(), 1);
    for again in 1..=3 {
        let now = bench.now;
        bench.desk.with_call(now, call, |_, _| panic!("a fault, on purpose"));
        bench.desk.settle(now);
        bench.drain();
        assert_eq!((bench.invites(), bench.outcomes()), (1 + again, 0));
    }
    // Something that breaks every time is given up, and the book says so.
    let now = bench.now;
    bench.desk.with_call(now, call, |_, _| panic!("a fault, on purpose"));
    bench.desk.settle(now);
    bench.drain();
    assert_eq!(
        (bench.invites(), bench.outcomes(), bench.desk.counts().calls),
        (4, 1, 0)
    );
}

#[test]
fn two_ladders_of_one_call_go_on_as_one_call() {
    let mut bench = Bench::new(32);
    let call = CallId([7; 16]);
    bench
        .desk
        .handle(bench.now, Input::Resume(Box::new(open(call, "no such ladder"))));
    bench.desk.handle(
        bench.now,
        Input::Resume(Box::new(open(CallId([8; 16]), "doctor on call"))),
    );
    bench.desk.handle(
        bench.now,
        Input::Resume(Box::new(open(CallId([8; 16]), "no such ladder"))),
    );
    bench.drain();
    let gave_up = bench
        .facts
        .iter()
        .filter(|fact| matches!(fact, Fact::EscalationEnded { .. }))
        .count();
    assert_eq!((gave_up, bench.invites()), (2, 1));
    // The first has its outcome, the second has a ladder to climb.
    assert_eq!((bench.outcomes(), bench.desk.counts().calls), (1, 1));
}

#[test]
fn a_practice_that_is_gone_leaves_an_outcome() {
    let mut bench = Bench::new(32);
    let gone = OpenEscalation {
        practice: "Closed for good".into(),
        ..open(CallId([7; 16]), "doctor on call")
    };
    bench.desk.handle(bench.now, Input::Resume(Box::new(gone)));
    bench.drain();
    assert_eq!((bench.outcomes(), bench.desk.counts().calls), (1, 0));
}

#[test]
fn a_call_that_has_its_outcome_gets_no_second_one() {
    let mut bench = Bench::new(32);
    for (call, ladder) in [(7, "doctor on call"), (8, "no such ladder")] {
        let call = CallId([call; 16]);
        bench.desk.handle(bench.now, Input::HasOutcome(call));
        bench
            .desk
            .handle(bench.now, Input::Resume(Box::new(open(call, ladder))));
    }
    // Nobody answers, all the way up and through an hour of paging.
    for _ in 0..7 * 600 {
        bench.wait(Duration::from_secs(1));
    }
    assert!(bench.facts.iter().any(|fact| matches!(fact, Fact::Exhausted { .. })));
    assert_eq!((bench.outcomes(), bench.desk.counts().calls), (0, 0));
}

#[test]
fn the_last_ports_are_for_the_doctors_of_callers_who_are_here() {
    let mut bench = Bench::new(PORTS_FOR_PEOPLE + 1);
    bench.invite("first", OFFER);
    assert!(bench.sent("SIP/2.0 180").is_some());
    bench.invite("second", OFFER);
    assert!(bench.sent("SIP/2.0 503").is_some(), "the carrier may try another node");
    bench.desk.handle(
        bench.now,
        Input::Resume(Box::new(open(CallId([7; 16]), "doctor on call"))),
    );
    bench.drain();
    assert_eq!(bench.invites(), 1, "a doctor is rung all the same");
}

#[test]
fn a_leg_that_cannot_be_opened_leaves_nothing_behind() {
    let mut bench = Bench::new(16);
    bench.invite("deaf", OFFER);
    bench.wait(Duration::from_secs(1));
    let ok = bench.sent("SIP/2.0 200").expect("answered");
    bench.ack("deaf", &ok, "");
    let leg = bench.media.iter().find_map(|order| match order {
        MediaCommand::Open { leg, .. } => Some(*leg),
        _ => None,
    });
    let leg = leg.expect("opened");
    bench.desk.handle(bench.now, Input::Media(MediaEvent::Failed { leg }));
    bench.drain();
    assert!(bench.sent("BYE ").is_some());
    let counts = bench.desk.counts();
    assert_eq!(
        (bench.outcomes(), counts.calls, counts.legs, counts.sessions),
        (1, 0, 0, 0)
    );
}

/// T1, "no speech": a caller who would hear half a question goes to the safety net, and is not left with the silence.
#[test]
fn a_caller_whose_words_have_no_sound_goes_to_the_safety_net_once() {
    let mut bench = Bench::new(16);
    bench.invite("wordless", OFFER);
    bench.wait(Duration::from_secs(1));
    let ok = bench.sent("SIP/2.0 200").expect("answered");
    bench.ack("wordless", &ok, "");
    let leg = bench.media.iter().find_map(|order| match order {
        MediaCommand::Open { leg, .. } => Some(*leg),
        _ => None,
    });
    let leg = leg.expect("opened");
    for _ in 0..2 {
        bench.desk.handle(bench.now, Input::Media(MediaEvent::Wordless { leg }));
        bench.drain();
        assert_eq!(
            bench.facts_of("safety net"),
            1,
            "the net's own words may be missing too: it is entered once"
        );
    }
}

#[test]
fn a_caller_who_sends_no_audio_is_asked_for_and_not_hung_up() {
    let mut bench = Bench::new(16);
    bench.invite("listens", OFFER);
    bench.wait(Duration::from_secs(1));
    let ok = bench.sent("SIP/2.0 200").expect("answered");
    bench.ack("listens", &ok, "");
    let leg = bench.media.iter().find_map(|order| match order {
        MediaCommand::Open { leg, .. } => Some(*leg),
        _ => None,
    });
    bench.desk.handle(
        bench.now,
        Input::Media(MediaEvent::Lost {
            leg: leg.expect("opened"),
        }),
    );
    bench.drain();
    assert!(bench.sent("BYE ").is_none(), "listening is no reason to be hung up");
    assert!(
        bench.sent("INVITE ").is_some(),
        "the signalling is asked whether anybody is there"
    );
    assert_eq!(bench.outcomes(), 0);
    // Nobody answers: 64*T1 later the session is over by itself (RFC 3261 §12.2.1.2, §17.1.1.2).
    for _ in 0..80 {
        bench.wait(Duration::from_millis(500));
    }
    assert!(bench.sent("BYE ").is_some());
    assert_eq!(bench.outcomes(), 1);
}

/// Proves ADM-01: who calls a practice that is not in service is answered and told so; the book has one row, without a number,
/// and no telephone rings. A call that began before goes on as it was.
#[test]
fn of_a_caller_turned_away_the_book_knows_nothing() {
    let mut bench = Bench::new(16);
    bench.invite("before", OFFER);
    bench.wait(Duration::from_secs(1));
    let (calls, began) = (bench.facts_of("call began"), bench.facts.len());
    let [released] = bench.desk.practices.as_slice() else {
        panic!("one practice");
    };
    let barred = Released {
        practice: Arc::new(flow::out_of_service(&released.practice)),
        in_service: false,
        ..released.clone()
    };
    bench.desk.handle(bench.now, Input::Practices(vec![barred]));
    bench.media.clear();
    bench.invite("after", OFFER);
    bench.wait(Duration::from_secs(2));
    let ok = bench.sent("SIP/2.0 200").expect("answered");
    assert!(ok.contains("Call-ID: after"), "{ok}");
    bench.ack("after", &ok, "");
    let said = bench.media.iter().find_map(|order| match order {
        MediaCommand::Play { words, leg, id, .. } => Some((words.text(), *leg, *id)),
        _ => None,
    });
    let (said, leg, mut id) = said.expect("it says something");
    assert!(said.contains("is not in service"), "{said}");
    while bench.sent("BYE ").is_none() {
        bench
            .desk
            .handle(bench.now, Input::Media(MediaEvent::Played { leg, id, whole: true }));
        bench.drain();
        id += 1;
        assert!(id < 20, "it never ends");
    }
    let closed = MediaEvent::Closed {
        leg,
        quality: media::Quality::default(),
    };
    bench.desk.handle(bench.now, Input::Media(closed));
    bench.drain();
    let news: Vec<&Fact> = bench.facts.iter().skip(began).collect();
    let away = Fact::TurnedAway {
        practice: "Cedar Family Medicine".into(),
        line: "main line".into(),
        trunk: "carrier".into(),
    };
    assert_eq!(news, [&away]);
    assert_eq!((bench.facts_of("call began"), bench.outcomes()), (calls, 0));
    assert_eq!(bench.desk.counts().calls, 1, "the one before goes on");
}

/// A desk whose wire, book and media plane are this test.
pub(super) struct Bench {
    pub(super) desk: Desk,
    pub(super) now: Instant,
    pub(super) sent: Vec<String>,
    /// Where each of them went.
    pub(super) went: Vec<sip::Flow>,
    pub(super) asked: Vec<sip::locate::Question>,
    pub(super) expected: Vec<(SocketAddr, String)>,
    pub(super) media: Vec<MediaCommand>,
    pub(super) facts: Vec<Fact>,
    calls: Vec<CallId>,
}

impl Bench {
    pub(super) fn new(ports: usize) -> Self {
        Self::with(ports, |_| {})
    }

    /// As the usual one, with something changed.
    pub(super) fn with(ports: usize, change: impl FnOnce(&mut DeskConfig)) -> Self {
        let listener = Listener {
            transport: sip::Transport::Udp,
            local: DESK,
            advertised: DESK,
        };
        let trunk =
            Trunk::new("carrier", [Network::host(TRUNK.ip())]).calling(Some(Outbound::at(sip::Transport::Udp, TRUNK)));
        let mut config = DeskConfig {
            ring_before_answer: Duration::from_secs(1),
            codecs: vec![media::sdp::Codec::Pcmu],
            ..DeskConfig::new(vec![listener], DESK.ip(), vec![trunk])
        };
        change(&mut config);
        let now = Instant::now();
        let night = "2026-11-22T05:40:00Z".parse().expect("a time");
        let mut desk = Desk::new(config, counting(1), counting(2), now, night);
        let mut roster = oncall::Roster::new(Some("Dr. Okafor".into()));
        roster
            .add_standing("primary", "Dr. Okafor", "the test")
            .expect("one row");
        let practice = cedar();
        let roster = Arc::new(roster);
        desk.handle(now, Input::Practices(vec![Released::new(practice, roster)]));
        for port in (20_000..).step_by(2).take(ports) {
            desk.handle(now, Input::Port(port));
        }
        let mut bench = Self {
            desk,
            now,
            sent: Vec::new(),
            went: Vec::new(),
            asked: Vec::new(),
            expected: Vec::new(),
            media: Vec::new(),
            facts: Vec::new(),
            calls: Vec::new(),
        };
        bench.drain();
        bench
    }

    pub(super) fn invite(&mut self, name: &str, body: &str) {
        let text = format!(
            "INVITE sip:+15125550100@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bK{name}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+15125550199@127.0.0.2>;tag={name}\r\nTo: <sip:+15125550100@127.0.0.1>\r\n\
             Call-ID: {name}\r\nCSeq: 1 INVITE\r\nContact: <sip:127.0.0.2:5060>\r\n{}",
            tail(body)
        );
        self.receive(&text);
    }

    pub(super) fn ack(&mut self, name: &str, ok: &str, body: &str) {
        let to = ok.lines().find(|line| line.starts_with("To:")).expect("a To");
        let text = format!(
            "ACK sip:127.0.0.1:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bKack{name}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:+15125550199@127.0.0.2>;tag={name}\r\n{to}\r\nCall-ID: {name}\r\n\
             CSeq: 1 ACK\r\n{}",
            tail(body)
        );
        self.receive(&text);
    }

    fn receive(&mut self, text: &str) {
        self.receive_from(TRUNK, text);
    }

    /// The same from another address.
    pub(super) fn receive_from(&mut self, remote: SocketAddr, text: &str) {
        let flow = sip::Flow {
            transport: sip::Transport::Udp,
            local: DESK,
            remote,
            connection: None,
        };
        self.receive_on(flow, text);
    }

    pub(super) fn receive_on(&mut self, flow: sip::Flow, text: &str) {
        let bytes = text.as_bytes();
        self.desk.handle(self.now, Input::Received { flow, bytes });
        self.drain();
    }

    pub(super) fn wait(&mut self, time: Duration) {
        self.now += time;
        self.desk.handle(self.now, Input::Time);
        self.drain();
    }

    /// The book and the media plane answer at once, when they are asked for an answer.
    pub(super) fn drain(&mut self) {
        loop {
            match self.desk.poll_output() {
                Output::Transmit(transmit) => {
                    self.sent.push(String::from_utf8(transmit.bytes).expect("SIP text"));
                    self.went.push(transmit.flow);
                }
                Output::Resolve(question) => self.asked.push(question),
                // No practice here has records.
                Output::AskRecords { .. } => {}
                Output::Expect { address, domain } => self.expected.push((address, domain)),
                Output::Media(order) => self.media.push(order),
                Output::Record { ticket, facts } => {
                    for stamped in facts {
                        if matches!(stamped.fact, Fact::CallBegan { .. }) {
                            self.calls.extend(stamped.call);
                        }
                        self.facts.push(stamped.fact);
                    }
                    self.desk.handle(self.now, Input::Recorded { ticket });
                }
                Output::Timeout(_) => return,
            }
        }
    }

    /// The latest message that begins like this.
    pub(super) fn sent(&self, beginning: &str) -> Option<String> {
        self.sent.iter().rev().find(|text| text.starts_with(beginning)).cloned()
    }

    pub(super) fn began(&self, call: usize) -> CallId {
        *self.calls.get(call).expect("it began")
    }

    fn played(&self) -> bool {
        self.media
            .iter()
            .any(|order| matches!(order, MediaCommand::Play { .. }))
    }

    pub(super) fn invites(&self) -> usize {
        let ours = |fact: &&Fact| matches!(fact, Fact::Signal { ours: true, what, .. } if what == "INVITE");
        self.facts.iter().filter(ours).count()
    }

    pub(super) fn outcomes(&self) -> usize {
        self.facts_of("call ended")
    }

    pub(super) fn facts_of(&self, kind: &str) -> usize {
        self.facts.iter().filter(|fact| fact.kind() == kind).count()
    }
}

pub(super) fn tail(body: &str) -> String {
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\r\n"
    };
    format!("{kind}Content-Length: {}\r\n\r\n{body}", body.len())
}

pub(super) fn open(call: CallId, ladder: &str) -> OpenEscalation {
    OpenEscalation {
        call,
        practice: "Cedar Family Medicine".into(),
        ladder: ladder.into(),
        began: "2026-11-22T05:00:00Z".parse().expect("a time"),
        call_back: Phi::new(Some("+15125550199".into())),
        message: None,
        by_safety_net: false,
        reached: None,
    }
}

pub(super) fn counting(stream: u8) -> sip::Draw {
    let mut count = 0_u64;
    Box::new(move || {
        count += 1;
        let mut drawn = [stream; 16];
        if let Some(first) = drawn.first_chunk_mut() {
            *first = count.to_be_bytes();
        }
        drawn
    })
}

pub(super) fn cedar() -> Arc<flow::Practice> {
    macro_rules! files {
        ($($name:literal),*) => {
            [$(($name, include_str!(concat!("../../../../flows/cedar-family-medicine/", $name)))),*]
        };
    }
    let files: BTreeMap<String, String> = files![
        "practice.yaml",
        "after-hours.flow.yaml",
        "after-hours.es.yaml",
        "adult-symptoms.protocol.yaml",
        "adult-symptoms.es.yaml"
    ]
    .into_iter()
    .map(|(name, text)| (name.to_owned(), text.to_owned()))
    .collect();
    let compiled = flow::compile(&flow::Folder {
        files,
        ..flow::Folder::default()
    });
    compiled
        .practice
        .unwrap_or_else(|| panic!("{:#?}", compiled.diagnostics))
}
