//! What carriers do, and strangers: each test is a carrier of one kind talking to the desk in raw SIP.
#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test fails loudly")]

use std::net::SocketAddr;
use std::time::Duration;

use phi::Phi;
use sip::digest::Challenge;
use sip::locate::{Answer, Question, Srv, Target};
use sip::message::{Host, Message, Method};

use super::tests::{Bench, DESK, OFFER, TRUNK, open, tail};
use crate::door::{CallId, Input};
use crate::fact::Fact;
use crate::trunk::{
    CallerId, InboundDigest, Network, Outbound, Ping, Reach, Registered, Registration, Security, Trunk, TrunkLimits,
};

const CALLER: &str = "+15125550199";
const CEDAR: &str = "+15125550100";
const OKAFOR: &str = "+15125550141";
const FIRST: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 5060);
const SECOND: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)), 5060);

/// An INVITE with these further headers.
fn invite(name: &str, from: &str, to: &str, more: &str) -> String {
    format!(
        "INVITE sip:{to}@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bK{name}\r\nMax-Forwards: 70\r\n\
         From: <sip:{from}@127.0.0.2>;tag={name}\r\nTo: <sip:{to}@127.0.0.1>\r\nCall-ID: {name}\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:127.0.0.2:5060>\r\n{more}{}",
        tail(OFFER)
    )
}

fn named(host: &str) -> Target {
    Target::new(Host::Name(host.to_owned()))
}

fn at(address: SocketAddr) -> Target {
    Target {
        port: Some(address.port()),
        transport: Some(sip::Transport::Udp),
        ..Target::new(Host::from(address.ip()))
    }
}

/// A desk whose trunk has these targets.
fn calling(targets: Vec<Target>) -> Bench {
    Bench::with(64, |config| {
        if let Some(outbound) = &mut config.trunks[0].outbound {
            outbound.targets = targets;
        }
    })
}

impl Bench {
    /// A ladder that a restart interrupted rings Dr. Okafor.
    fn rings(&mut self, call: u8) {
        let open = open(CallId([call; 16]), "doctor on call");
        let now = self.now;
        self.desk.handle(now, Input::Resume(Box::new(open)));
        self.drain();
    }

    /// Answers the latest request that went to this address and begins so.
    fn answers(&mut self, from: SocketAddr, method: &str, status: &str) {
        let latest = self.sent.iter().zip(&self.went).rev();
        let request = latest
            .filter(|(_, flow)| flow.remote == from)
            .map(|(text, _)| text)
            .find(|text| text.starts_with(method))
            .expect("it was asked")
            .clone();
        let header = |name: &str| {
            let line = request.lines().find(|line| line.starts_with(name));
            line.expect("requests have them").to_owned()
        };
        let text = format!(
            "SIP/2.0 {status}\r\n{}\r\n{}\r\n{};tag=far\r\n{}\r\n{}\r\nContact: <sip:{from}>\r\nContent-Length: 0\r\n\r\n",
            header("Via:"),
            header("From:"),
            header("To:"),
            header("Call-ID:"),
            header("CSeq:"),
        );
        self.receive_from(from, &text);
    }

    /// Where the INVITEs outside calls went, in order.
    fn rung(&self) -> Vec<SocketAddr> {
        let invites = self.sent.iter().zip(&self.went);
        let first = |text: &str| {
            let to = text.lines().find(|line| line.starts_with("To:"));
            text.starts_with("INVITE ") && to.is_some_and(|to| !to.contains(";tag="))
        };
        let mut seen: Vec<(String, SocketAddr)> = Vec::new();
        for (text, flow) in invites.filter(|(text, _)| first(text)) {
            let branch = text
                .lines()
                .find(|line| line.starts_with("Via:"))
                .unwrap_or_default()
                .to_owned();
            if !seen.iter().any(|(known, _)| *known == branch) {
                seen.push((branch, flow.remote));
            }
        }
        seen.into_iter().map(|(_, remote)| remote).collect()
    }

    /// OPTIONS, each counted once.
    fn questions(&self) -> usize {
        let questions = self.sent.iter().filter(|text| text.starts_with("OPTIONS "));
        let calls = questions.filter_map(|text| text.lines().find(|line| line.starts_with("Call-ID:")));
        calls.collect::<std::collections::BTreeSet<_>>().len()
    }

    fn began_calls(&self) -> usize {
        self.facts
            .iter()
            .filter(|fact| matches!(fact, Fact::CallBegan { .. }))
            .count()
    }

    fn refused(&self) -> Vec<u16> {
        let status = |fact: &Fact| match fact {
            Fact::CallRefused { status, .. } => Some(*status),
            Fact::CallMerged { .. } => Some(482),
            _ => None,
        };
        self.facts.iter().filter_map(status).collect()
    }

    fn went_elsewhere(&self) -> Vec<(String, String)> {
        let went = |fact: &Fact| match fact {
            Fact::WentElsewhere { why, next, .. } => Some((why.clone(), next.clone())),
            _ => None,
        };
        self.facts.iter().filter_map(went).collect()
    }

    fn wait_s(&mut self, seconds: u64) {
        for _ in 0..seconds * 2 {
            self.wait(Duration::from_millis(500));
        }
    }

    fn resolves(&mut self, answers: &[(Question, Answer)]) {
        while let Some(question) = self.asked.pop() {
            let known = answers.iter().find(|(known, _)| *known == question);
            let answer = known.map_or(Answer::Nothing(Duration::from_secs(60)), |(_, answer)| answer.clone());
            let now = self.now;
            self.desk.handle(now, Input::Resolved { question, answer });
            self.drain();
        }
    }
}

// Who calls.

#[test]
fn a_stranger_gets_nothing_at_all() {
    let mut bench = Bench::new(16);
    let stranger = "198.51.100.9:5060".parse().expect("an address");
    for text in [
        invite("strange", CALLER, CEDAR, ""),
        "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bKo\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:127.0.0.1>\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
            .to_owned(),
        "REGISTER sip:".to_owned(),
    ] {
        bench.receive_from(stranger, &text);
    }
    assert!(bench.sent.is_empty(), "{:?}", bench.sent);
    assert_eq!(bench.began_calls(), 0);
}

#[test]
fn a_tls_client_is_its_trunk_by_the_name_it_proved_and_by_no_other() {
    let mut bench = Bench::with(16, |config| {
        config.trunks[0].sources.clear();
        config.trunks[0].client_names = vec!["sip.carrier.example".into()];
    });
    let flow = |connection| sip::Flow {
        transport: sip::Transport::Tcp,
        local: DESK,
        remote: "203.0.113.7:40000".parse().expect("an address"),
        connection: Some(connection),
    };
    let now = bench.now;
    for (connection, name) in [
        (1, "SIP.carrier.example"),
        (2, "carrier.example"),
        (3, "*.carrier.example"),
    ] {
        let names = vec![name.to_owned()];
        let flow = flow(connection);
        let spoken = "TLS 1.3".to_owned();
        bench.desk.handle(now, Input::Connected { flow, names, spoken });
        bench.drain();
    }
    for connection in [2, 3, 4] {
        bench.receive_on(flow(connection), &invite("unproved", CALLER, CEDAR, ""));
    }
    assert!(bench.sent.is_empty(), "{:?}", bench.sent);
    bench.receive_on(flow(1), &invite("proved", CALLER, CEDAR, ""));
    assert_eq!(bench.began_calls(), 1);
    // What was proved on a connection ends with it.
    bench.desk.handle(now, Input::TransportFailed { flow: flow(1) });
    bench.drain();
    bench.sent.clear();
    bench.receive_on(flow(1), &invite("later", "+15125550198", CEDAR, ""));
    assert_eq!((bench.began_calls(), bench.sent.len()), (1, 0));
}

#[test]
fn a_host_we_call_may_not_call_us() {
    let mut bench = calling(vec![at(FIRST)]);
    bench.rings(7);
    assert_eq!(bench.rung(), [FIRST]);
    bench.receive_from(FIRST, &invite("inside", CALLER, CEDAR, ""));
    assert!(bench.sent("SIP/2.0 403").is_some());
    assert_eq!(bench.began_calls(), 0);
}

// Whom they call.

#[test]
fn the_practice_is_found_in_the_order_of_belief_and_never_in_from() {
    for (to, more) in [
        (CEDAR, String::new()),
        ("15125550100", String::new()),
        ("5125550100", String::new()),
        (
            "gateway",
            format!("P-Called-Party-ID: <sip:{CEDAR}@carrier.example>\r\n"),
        ),
        ("gateway", format!("P-Called-Party-ID: <tel:{CEDAR}>\r\n")),
        (
            "gateway",
            format!("Diversion: <sip:{CEDAR}@carrier.example>;reason=no-answer\r\n"),
        ),
        (
            "gateway",
            format!("History-Info: <sip:x@carrier.example>;index=1,<sip:{CEDAR}@carrier.example>;index=1.1\r\n"),
        ),
    ] {
        let mut bench = Bench::new(16);
        bench.receive_from(TRUNK, &invite("called", CALLER, to, &more));
        assert_eq!((bench.began_calls(), bench.refused()), (1, vec![]), "{to} {more}");
    }
    let mut bench = Bench::new(16);
    bench.receive_from(TRUNK, &invite("unknown", CEDAR, "+15125550177", ""));
    assert_eq!((bench.began_calls(), bench.refused()), (0, vec![404]));
}

#[test]
fn a_caller_with_the_practices_own_number_is_unknown() {
    for (from, more, known) in [
        (CALLER, "", true),
        (CEDAR, "", false),
        (
            CALLER,
            "P-Asserted-Identity: <sip:+15125550100@carrier.example>\r\n",
            false,
        ),
        ("anonymous", "", false),
    ] {
        let mut bench = Bench::new(16);
        bench.receive_from(TRUNK, &invite("who", from, CEDAR, more));
        let caller = bench.facts.iter().find_map(|fact| match fact {
            Fact::CallBegan { caller, .. } => Some(caller.expose().is_some()),
            _ => None,
        });
        assert_eq!(caller, Some(known), "{from} {more}");
    }
}

// Calls that come twice.

#[test]
fn the_same_call_by_two_edges_is_one_call() {
    let mut bench = Bench::with(64, |config| {
        config.trunks[0].sources = vec![Network::parse("127.0.0.0/24").expect("a network")];
    });
    let other: SocketAddr = "127.0.0.3:5060".parse().expect("an address");
    bench.receive_from(TRUNK, &invite("edge1", CALLER, CEDAR, ""));
    bench.wait(Duration::from_millis(900));
    bench.receive_from(other, &invite("edge2", CALLER, CEDAR, ""));
    assert!(bench.sent("SIP/2.0 482").is_some());
    assert_eq!((bench.began_calls(), bench.refused()), (1, vec![482]));
    // A hospital's second nurse comes by the same edge, or later; callers without a number are never the same.
    bench.receive_from(TRUNK, &invite("nurse", CALLER, CEDAR, ""));
    bench.wait_s(3);
    bench.receive_from(other, &invite("late", CALLER, CEDAR, ""));
    bench.receive_from(TRUNK, &invite("anon1", "anonymous", CEDAR, ""));
    bench.receive_from(other, &invite("anon2", "anonymous", CEDAR, ""));
    assert_eq!((bench.began_calls(), bench.refused()), (5, vec![482]));
}

#[test]
fn our_own_call_forwarded_back_to_us_is_refused() {
    let mut bench = Bench::new(64);
    bench.rings(7);
    assert_eq!(bench.rung(), [TRUNK]);
    let forwarded = format!("Diversion: <sip:{OKAFOR}@carrier.example>;reason=unconditional\r\n");
    bench.receive_from(TRUNK, &invite("back", CEDAR, CEDAR, &forwarded));
    assert_eq!((bench.began_calls(), bench.refused()), (0, vec![482]));
    // Without a word of the forwarding: our own number, at the very moment it rings.
    bench.receive_from(TRUNK, &invite("silent", CEDAR, CEDAR, ""));
    assert_eq!((bench.began_calls(), bench.refused()), (0, vec![482, 482]));
    // A friend of Dr. Okafor's, a patient, and a patient whose carrier shows the practice's number later: none is ours.
    bench.receive_from(TRUNK, &invite("friend", "+15125550188", CEDAR, &forwarded));
    bench.receive_from(TRUNK, &invite("patient", CALLER, CEDAR, ""));
    bench.wait_s(11);
    bench.receive_from(TRUNK, &invite("rewritten", CEDAR, CEDAR, ""));
    assert_eq!((bench.began_calls(), bench.refused().len()), (3, 2));
}

#[test]
fn what_is_left_of_max_forwards_goes_with_the_call() {
    let mut bench = Bench::new(64);
    bench.rings(7);
    let invite = bench.sent("INVITE ").expect("rung");
    assert!(invite.contains("\r\nMax-Forwards: 70\r\n"), "{invite}");
}

// Where our calls go.

#[test]
fn what_the_trunk_cannot_take_goes_to_its_next_address_and_is_remembered() {
    for (status, moves) in [
        ("503 Service Unavailable", true),
        ("408 Request Timeout", true),
        ("486 Busy Here", false),
        ("603 Decline", false),
        ("404 Not Found", false),
    ] {
        let mut bench = calling(vec![at(FIRST), at(SECOND)]);
        bench.rings(7);
        bench.answers(FIRST, "INVITE", status);
        let expected = if moves { vec![FIRST, SECOND] } else { vec![FIRST] };
        assert_eq!(bench.rung(), expected, "{status}");
        assert_eq!(bench.went_elsewhere().len(), usize::from(moves), "{status}");
        if moves {
            bench.rings(8);
            assert_eq!(
                bench.rung(),
                [FIRST, SECOND, SECOND],
                "{status}: the dead one is not asked first"
            );
        }
    }
}

#[test]
fn what_rang_is_about_the_callee_from_then_on() {
    let mut bench = calling(vec![at(FIRST), at(SECOND)]);
    bench.rings(7);
    bench.answers(FIRST, "INVITE", "180 Ringing");
    bench.answers(FIRST, "INVITE", "408 Request Timeout");
    assert_eq!(bench.rung(), [FIRST]);
}

#[test]
fn an_address_that_says_nothing_is_left_after_four_seconds() {
    let mut bench = calling(vec![at(FIRST), at(SECOND)]);
    bench.rings(7);
    bench.wait(Duration::from_millis(3_900));
    assert_eq!(bench.rung(), [FIRST]);
    bench.wait(Duration::from_millis(200));
    assert_eq!(bench.rung(), [FIRST, SECOND]);
    assert_eq!(
        bench.went_elsewhere(),
        [("no answer at all".to_owned(), "carrier".to_owned())]
    );
    // One that says 100 has the call and may take its time.
    bench.answers(SECOND, "INVITE", "100 Trying");
    bench.wait_s(10);
    assert_eq!(bench.rung(), [FIRST, SECOND]);
}

#[test]
fn the_other_trunk_takes_what_the_first_cannot() {
    let mut bench = Bench::with(64, |config| {
        let mut spare = Trunk::new("spare", []).calling(Some(Outbound::at(sip::Transport::Udp, SECOND)));
        if let Some(outbound) = &mut spare.outbound {
            outbound.number_format = sip::number::Format::National;
            outbound.tech_prefix = "12345678*".into();
            outbound.caller_id = vec![CallerId::RemoteParty];
            outbound.domain = Some("practice.example".into());
            outbound.headers = vec![(
                "P-Charge-Info".into(),
                Phi::new("<sip:+15125550100@example.com>".into()),
            )];
        }
        spare.credentials = Some(sip::Credentials::new("account7".into(), "secret".into()));
        config.trunks.push(spare);
    });
    bench.rings(7);
    let first = bench.sent("INVITE ").expect("rung");
    assert!(first.starts_with("INVITE sip:+15125550141@127.0.0.2"), "{first}");
    assert!(
        first.contains("P-Asserted-Identity: \"Cedar Family Medicine\" <sip:+15125550100@127.0.0.1>"),
        "{first}"
    );
    bench.answers(TRUNK, "INVITE", "503 Service Unavailable");
    assert_eq!(bench.rung(), [TRUNK, SECOND]);
    let second = bench.sent("INVITE ").expect("rung");
    assert!(
        second.starts_with("INVITE sip:12345678*5125550141@192.0.2.2"),
        "{second}"
    );
    assert!(
        second.contains("P-Charge-Info: <sip:+15125550100@example.com>"),
        "{second}"
    );
    assert!(
        second.contains("Remote-Party-ID: \"Cedar Family Medicine\" <sip:+15125550100@practice.example>;party=calling")
    );
    assert!(
        second.contains("<sip:account7@practice.example>;tag="),
        "From is the account: {second}"
    );
    assert!(!second.contains("P-Asserted-Identity"), "{second}");
}

#[test]
fn a_name_is_looked_up_and_its_weights_are_followed() {
    let mut bench = calling(vec![named("edge.carrier.example")]);
    bench.rings(7);
    assert_eq!(bench.rung(), [] as [SocketAddr; 0], "nobody knows yet where it is");
    let srv = |priority, target: &str| Srv {
        priority,
        weight: 0,
        port: 5070,
        target: target.into(),
    };
    let ttl = Duration::from_secs(60);
    let answers = [
        (
            Question::Srv("_sip._udp.edge.carrier.example".into()),
            Answer::Srv(vec![srv(20, "b.carrier.example"), srv(10, "a.carrier.example")], ttl),
        ),
        (
            Question::Addresses("a.carrier.example".into()),
            Answer::Addresses(vec![FIRST.ip()], ttl),
        ),
        (
            Question::Addresses("b.carrier.example".into()),
            Answer::Addresses(vec![SECOND.ip()], ttl),
        ),
    ];
    bench.resolves(&answers);
    let (first, second) = (SocketAddr::new(FIRST.ip(), 5070), SocketAddr::new(SECOND.ip(), 5070));
    assert_eq!(bench.rung(), [first]);
    assert!(
        bench
            .sent("INVITE sip:+15125550141@edge.carrier.example SIP/2.0")
            .is_some(),
        "the name stays in the URI"
    );
    bench.answers(first, "INVITE", "503 Service Unavailable");
    assert_eq!(bench.rung(), [first, second]);
    bench.rings(8);
    assert_eq!(bench.rung().len(), 3, "what is known is not asked again");
    assert!(bench.asked.is_empty());
}

#[test]
fn a_tls_server_has_to_prove_the_name_that_was_asked_for() {
    let target = Target {
        port: Some(5061),
        transport: Some(sip::Transport::Tls),
        ..named("edge.carrier.example")
    };
    let mut bench = calling(vec![target]);
    bench.rings(7);
    let answer = Answer::Addresses(vec![FIRST.ip()], Duration::from_secs(60));
    bench.resolves(&[(Question::Addresses("edge.carrier.example".into()), answer)]);
    let tls = SocketAddr::new(FIRST.ip(), 5061);
    assert_eq!(bench.expected, [(tls, "edge.carrier.example".to_owned())]);
    assert_eq!(bench.rung(), [tls]);
    assert!(
        bench
            .sent("INVITE ")
            .is_some_and(|invite| invite.contains(";transport=tls SIP/2.0"))
    );
}

#[test]
fn a_doctor_is_not_kept_waiting_for_the_dns() {
    let mut bench = calling(vec![named("edge.carrier.example")]);
    bench.rings(7);
    bench.wait_s(6);
    let failed = |fact: &&Fact| matches!(fact, Fact::Attempt { result, .. } if result == "failed");
    assert_eq!(bench.facts.iter().filter(failed).count(), 1, "{:?}", bench.facts);
}

#[test]
fn emergency_numbers_are_never_called() {
    let mut bench = Bench::new(64);
    let now = bench.now;
    for number in ["911", "112", "+1911", "933", "411", "988"] {
        let placing = super::line::Placing {
            call: CallId([1; 16]),
            party: "somebody".into(),
            number: Phi::new(number.into()),
            ours: vec![CEDAR.into()],
            practice: "Cedar".into(),
            prefers: "carrier".into(),
            max_forwards: 70,
            caller_known: true,
        };
        assert!(bench.desk.wires.place(now, placing).is_none(), "{number}");
    }
    bench.desk.settle(now);
    bench.drain();
    assert_eq!(bench.rung(), [] as [SocketAddr; 0]);
    let said = |fact: &&Fact| matches!(fact, Fact::NeverDialled { .. });
    assert_eq!(bench.facts.iter().filter(said).count(), 6);
}

// Health.

#[test]
fn a_trunk_that_stops_answering_is_down_and_calls_go_elsewhere() {
    let ping = Some(Ping::default());
    let mut bench = Bench::with(64, |config| {
        config.trunks[0].ping = ping;
        let spare = Trunk::new("spare", []).calling(Some(Outbound::at(sip::Transport::Udp, SECOND)));
        config.trunks.push(spare);
    });
    let reach = |bench: &Bench| bench.desk.trunks(bench.now)[0].reach;
    bench.wait(Duration::ZERO);
    assert!(bench.sent("OPTIONS ").is_some(), "asked at once");
    assert_eq!(reach(&bench), Reach::Unknown);
    bench.answers(TRUNK, "OPTIONS", "405 Method Not Allowed");
    assert_eq!(reach(&bench), Reach::Up, "whoever refuses is there");
    bench.wait_s(120);
    assert_eq!(reach(&bench), Reach::Down);
    bench.rings(7);
    assert_eq!(bench.rung(), [SECOND], "the one that is up comes first");
    for expected in [Reach::Down, Reach::Up] {
        // Questions are repeated like any request; the next one is one more.
        let asked = bench.questions();
        while bench.questions() == asked {
            bench.wait(Duration::from_millis(500));
        }
        bench.answers(TRUNK, "OPTIONS", "200 OK");
        assert_eq!(reach(&bench), expected);
    }
    let story: Vec<&str> = bench
        .facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::TrunkUp { .. } => Some("up"),
            Fact::TrunkDown { .. } => Some("down"),
            _ => None,
        })
        .collect();
    assert_eq!(story, ["up", "down", "up"]);
}

/// Whoever asks more often than an answer may take counts the open question as missed when the next one is due.
#[test]
fn a_silent_trunk_is_down_however_often_it_is_asked() {
    for every_s in [1, 5, 7, 8, 9] {
        let mut bench = Bench::with(64, |config| {
            config.trunks[0].ping = Some(Ping {
                every: Duration::from_secs(every_s),
                ..Ping::default()
            });
        });
        bench.wait_s(4 * every_s.max(8));
        assert_eq!(bench.desk.trunks(bench.now)[0].reach, Reach::Down, "every {every_s} s");
    }
}

/// Somebody is rung every ten seconds, and is busy wherever the INVITE goes. Gives where each went first, and when.
fn rings_again_and_again(bench: &mut Bench, seconds: u64) -> Vec<(u64, SocketAddr)> {
    let mut went = Vec::new();
    let mut seen = bench.rung().len();
    for second in 0..seconds {
        if second % 10 == 0 {
            bench.rings(u8::try_from(second / 10).expect("few calls"));
        }
        bench.wait(Duration::from_secs(1));
        let rung = bench.rung();
        for remote in &rung[seen..] {
            went.push((second, *remote));
            bench.answers(*remote, "INVITE", "486 Busy Here");
        }
        seen = rung.len();
    }
    went
}

#[test]
fn an_address_that_says_when_to_come_again_is_left_alone_for_so_long() {
    for (retry_after, away_s) in [
        ("Retry-After: 100\r\n", 100),
        // Without it, as long as seems right to us. How long at most, `sip::locate` knows.
        ("", 30),
    ] {
        let mut bench = calling(vec![at(FIRST), at(SECOND)]);
        bench.rings(200);
        assert_eq!(bench.rung(), [FIRST]);
        bench.answers(
            FIRST,
            "INVITE",
            &format!("503 Service Unavailable\r\n{retry_after}X-Nothing: 1"),
        );
        assert_eq!(bench.rung(), [FIRST, SECOND], "{retry_after}");
        bench.answers(SECOND, "INVITE", "486 Busy Here");
        let went = rings_again_and_again(&mut bench, away_s + 20);
        let (early, late): (Vec<_>, Vec<_>) = went.iter().partition(|(second, _)| *second + 1 < away_s);
        assert!(
            !early.is_empty() && early.iter().all(|(_, remote)| *remote == SECOND),
            "{retry_after}{early:?}"
        );
        assert!(late.iter().any(|(_, remote)| *remote == FIRST), "{retry_after}{late:?}");
    }
}

#[test]
fn a_trunk_found_by_name_is_asked_as_soon_as_the_name_is_known() {
    let mut bench = Bench::with(64, |config| {
        config.trunks[0].ping = Some(Ping::default());
        config.trunks[0].registration = Some(Registration {
            user: Some("cedar".into()),
            ..Registration::at(named("sip.carrier.example"))
        });
        if let Some(outbound) = &mut config.trunks[0].outbound {
            outbound.targets = vec![named("sip.carrier.example")];
        }
    });
    bench.wait(Duration::ZERO);
    let ttl = Duration::from_secs(60);
    // NAPTR, SRV, addresses: each answer asks the next question, and the last one sends OPTIONS. No time passes.
    for _ in 0..8 {
        while let Some(question) = bench.asked.pop() {
            let answer = match &question {
                Question::Addresses(_) => Answer::Addresses(vec![FIRST.ip()], ttl),
                _ => Answer::Nothing(ttl),
            };
            let now = bench.now;
            bench.desk.handle(now, Input::Resolved { question, answer });
            bench.drain();
        }
    }
    assert!(bench.sent("OPTIONS ").is_some(), "{:?}", bench.sent);
    assert!(bench.sent("REGISTER ").is_some(), "{:?}", bench.sent);
}

#[test]
fn whoever_looks_after_a_trunk_sees_what_was_refused_and_why() {
    let mut bench = Bench::with(64, |config| config.trunks[0].limits.calls_in_max = 1);
    bench.receive_from(TRUNK, &invite("here", CALLER, CEDAR, ""));
    for n in 0..2 {
        bench.receive_from(TRUNK, &invite(&format!("n{n}"), &format!("+1512555018{n}"), CEDAR, ""));
    }
    let status = bench.desk.trunks(bench.now).remove(0);
    assert_eq!((status.calls_in, status.limits.calls_in_max), (1, 1));
    let refused: Vec<_> = status
        .refused
        .iter()
        .map(|row| (row.status, row.why, row.calls))
        .collect();
    assert_eq!(refused, [(503, "at this trunk's limit of calls", 2)]);
}

#[test]
fn a_message_belongs_to_the_trunk_it_comes_from_or_goes_to() {
    let mut bench = Bench::with(64, |config| {
        config.trunks[0].ping = Some(Ping::default());
        if let Some(outbound) = &mut config.trunks[0].outbound {
            outbound.targets = vec![at(FIRST)];
        }
        let other = Trunk::new("other", [Network::host(SECOND.ip())]);
        let mut anywhere = Trunk::new("anywhere", []);
        anywhere.inbound_digest = Some(InboundDigest {
            realm: "anywhere".into(),
            accounts: Vec::new(),
        });
        config.trunks.extend([other, anywhere]);
    });
    bench.wait(Duration::ZERO);
    let of = |bench: &Bench, remote: &str| -> Vec<usize> {
        let flow = sip::Flow {
            transport: sip::Transport::Udp,
            local: DESK,
            remote: remote.parse().expect("an address"),
            connection: None,
        };
        (0..3).filter(|trunk| bench.desk.is_of(*trunk, &flow)).collect()
    };
    assert_eq!(of(&bench, &TRUNK.to_string()), [0]);
    assert_eq!(
        of(&bench, &FIRST.to_string()),
        [0],
        "we turned to it for this trunk's sake"
    );
    assert_eq!(of(&bench, &SECOND.to_string()), [1]);
    assert_eq!(
        of(&bench, "203.0.113.7:5060"),
        [2],
        "whoever proves himself may be anywhere else"
    );
}

// Limits.

#[test]
fn a_full_trunk_is_told_503_and_when_to_come_again() {
    let mut bench = Bench::with(64, |config| {
        config.trunks[0].limits = TrunkLimits {
            calls_in_max: 2,
            ..TrunkLimits::default()
        };
    });
    for n in 0..3 {
        bench.receive_from(TRUNK, &invite(&format!("n{n}"), &format!("+1512555018{n}"), CEDAR, ""));
    }
    let refusal = bench.sent("SIP/2.0 503").expect("the third is one too many");
    assert!(refusal.contains("Retry-After: 5"), "{refusal}");
    assert_eq!((bench.began_calls(), bench.refused()), (2, vec![503]));
}

#[test]
fn a_trunk_that_sends_too_many_a_second_is_slowed_down() {
    let mut bench = Bench::with(64, |config| config.trunks[0].limits.calls_in_per_s = 5);
    for n in 0..8 {
        bench.receive_from(TRUNK, &invite(&format!("n{n}"), &format!("+1512555018{n}"), CEDAR, ""));
    }
    assert_eq!((bench.began_calls(), bench.refused()), (5, vec![503; 3]));
    bench.wait(Duration::from_secs(1));
    bench.receive_from(TRUNK, &invite("later", "+15125550190", CEDAR, ""));
    assert_eq!(bench.began_calls(), 6);
}

#[test]
fn our_calls_wait_for_their_turn_on_a_slow_trunk() {
    let mut bench = Bench::with(64, |config| config.trunks[0].limits.calls_out_per_s = 1);
    for call in 0..3 {
        bench.rings(call);
    }
    assert_eq!(bench.rung().len(), 1);
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.rung().len(), 2);
    bench.wait(Duration::from_secs(1));
    assert_eq!(bench.rung().len(), 3);
}

#[test]
fn one_practice_cannot_take_every_call() {
    let mut bench = Bench::with(64, |config| config.calls_per_practice_max = 2);
    for n in 0..3 {
        bench.receive_from(TRUNK, &invite(&format!("n{n}"), &format!("+1512555018{n}"), CEDAR, ""));
    }
    assert_eq!((bench.began_calls(), bench.refused()), (2, vec![503]));
}

#[test]
fn nothing_is_left_of_calls_that_went_everywhere() {
    let mut bench = calling(vec![at(FIRST), at(SECOND)]);
    bench.rings(7);
    bench.answers(FIRST, "INVITE", "503 Service Unavailable");
    bench.answers(SECOND, "INVITE", "503 Service Unavailable");
    // Nobody answers any more, all the way up and through an hour of paging.
    for _ in 0..7 * 600 {
        bench.wait(Duration::from_secs(1));
    }
    let counts = bench.desk.counts();
    assert_eq!((counts.calls, counts.sessions, counts.lines), (0, 0, 0));
    assert_eq!(bench.desk.wires.line_due.len(), 0);
    assert_eq!(
        bench.desk.ports_wanted(),
        super::PORTS_IN_HAND - 64,
        "every port came back"
    );
}

// Who proves it.

#[test]
fn a_trunk_without_a_place_of_its_own_answers_a_challenge() {
    let account = || sip::Credentials::new("clinic".into(), "a password".into());
    let mut bench = Bench::with(16, |config| {
        config.trunks[0].sources.clear();
        config.trunks[0].inbound_digest = Some(InboundDigest {
            realm: "nightdesk".into(),
            accounts: vec![account()],
        });
    });
    let anywhere: SocketAddr = "203.0.113.7:5060".parse().expect("an address");
    // Whoever only asks hears nothing.
    bench.receive_from(
        anywhere,
        "OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.7;branch=z9hG4bKo\r\nFrom: <sip:a@b>;tag=1\r\n\
         To: <sip:127.0.0.1>\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
    );
    assert!(bench.sent.is_empty(), "{:?}", bench.sent);
    bench.receive_from(anywhere, &invite("asked", CALLER, CEDAR, ""));
    let challenge = bench.sent("SIP/2.0 401").expect("asked");
    assert_eq!(bench.began_calls(), 0);
    assert!(bench.sent("SIP/2.0 100").is_none(), "one datagram for one");
    let Ok(Message::Response(challenge)) = Message::parse(challenge.as_bytes()) else {
        panic!("a response");
    };
    let proof = |account: &sip::Credentials| {
        let challenges = Challenge::to_answer(&challenge.headers, account);
        let mut best = challenges.into_iter().next().expect("one we can answer");
        let uri = format!("sip:{CEDAR}@127.0.0.1");
        let (name, value) = best.answer(account, &Method::Invite, &uri, b"", [9; 16]);
        format!("{}: {value}\r\n", name.as_str())
    };
    let wrong = proof(&sip::Credentials::new("clinic".into(), "a guess".into()));
    bench.receive_from(anywhere, &invite("wrong", CALLER, CEDAR, &wrong));
    assert!(bench.sent("SIP/2.0 403").is_some(), "a wrong password is a stranger's");
    let right = proof(&account());
    bench.receive_from(anywhere, &invite("right", CALLER, CEDAR, &right));
    assert_eq!(bench.began_calls(), 1);
    // The same answer again, overheard on the way, is only asked again.
    bench.receive_from(anywhere, &invite("replay", "+15125550198", CEDAR, &right));
    assert_eq!(bench.began_calls(), 1);
    assert!(
        bench
            .sent("SIP/2.0 401")
            .is_some_and(|asked| asked.contains("stale=true"))
    );
}

#[test]
fn who_wants_to_be_told_where_we_are_is_told_and_calls_from_there() {
    let mut bench = Bench::with(16, |config| {
        config.trunks[0].sources.clear();
        config.trunks[0].credentials = Some(sip::Credentials::new("account7".into(), "secret".into()));
        config.trunks[0].registration = Some(Registration::at(at(FIRST)));
    });
    bench.wait(Duration::ZERO);
    let register = bench.sent("REGISTER ").expect("told at once");
    assert!(
        register.contains("Contact: <sip:account7@127.0.0.1:5060>"),
        "{register}"
    );
    bench.receive_from(FIRST, &invite("early", CALLER, CEDAR, ""));
    assert_eq!(bench.began_calls(), 0, "whoever has not said yes is a host only");
    bench.answers(FIRST, "REGISTER", "200 OK");
    let registered = |bench: &Bench| bench.desk.trunks(bench.now)[0].registered;
    assert!(matches!(registered(&bench), Registered::Until(_)));
    bench.receive_from(FIRST, &invite("registered", CALLER, CEDAR, ""));
    assert_eq!(bench.began_calls(), 1);
    // Nobody answers the refresh: after its time we are not registered, and it is in the book.
    bench.wait_s(400);
    assert_eq!(registered(&bench), Registered::No);
    let told: Vec<&str> = bench
        .facts
        .iter()
        .map(Fact::kind)
        .filter(|kind| kind.ends_with("registered"))
        .collect();
    assert_eq!(told, ["registered", "unregistered"]);
    bench.desk.handle(bench.now, Input::Drain);
    bench.drain();
}

#[test]
fn encryption_that_is_only_preferred_is_let_go_when_it_is_refused() {
    for (security, offers) in [
        (Security::Preferred, vec!["RTP/SAVP", "RTP/AVP"]),
        (Security::Required, vec!["RTP/SAVP"]),
        (Security::Off, vec!["RTP/AVP"]),
    ] {
        let mut bench = Bench::with(64, |config| config.trunks[0].security = security);
        bench.rings(7);
        bench.answers(TRUNK, "INVITE", "488 Not Acceptable Here");
        let offered: Vec<&str> = bench
            .sent
            .iter()
            .filter(|text| text.starts_with("INVITE "))
            .filter_map(|text| text.lines().find(|line| line.starts_with("m=audio")))
            .filter_map(|line| line.split(' ').nth(2))
            .collect();
        assert_eq!(offered, offers, "{security:?}");
    }
}
