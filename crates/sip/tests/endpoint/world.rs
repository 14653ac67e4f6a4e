//! Two endpoints, a network between them, and a clock that moves only when we say so.

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip::message::{Message, NameAddr, Request, Response, Uri};
use sip::{
    Body, Config, Counts, Draw, Ended, Endpoint, Event, Flow, Invite, OfferId, Output, SessionId, Transmit, Transport,
};

pub(crate) const CALLER: usize = 0;
pub(crate) const CALLEE: usize = 1;

/// splitmix64: all the chance there is, from one seed.
#[derive(Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn draw(seed: u64) -> Draw {
        let mut chance = Self::new(seed);
        Box::new(move || {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&chance.next().to_be_bytes());
            bytes[8..].copy_from_slice(&chance.next().to_be_bytes());
            bytes
        })
    }
}

/// How bad the network is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) lost_percent: u64,
    pub(crate) doubled_percent: u64,
    pub(crate) delay_ms: u64,
    pub(crate) jitter_ms: u64,
}

impl Weather {
    pub(crate) const FAIR: Self = Self {
        lost_percent: 0,
        doubled_percent: 0,
        delay_ms: 10,
        jitter_ms: 0,
    };
}

/// Two endpoints and what happened to them.
pub(crate) struct World {
    pub(crate) now: Instant,
    start: Instant,
    pub(crate) sides: [Endpoint; 2],
    addresses: [SocketAddr; 2],
    pub(crate) transport: Transport,
    pub(crate) weather: Weather,
    chance: Chance,
    wire: BinaryHeap<Flying>,
    flown: u64,
    /// Events of each side, in order, not yet taken.
    pub(crate) events: [Vec<Event>; 2],
    /// What each side has been told, for `Tally`.
    tally: [Tally; 2],
    /// Messages to be dropped: (start line begins with, sender, how many more).
    pub(crate) swallow: Vec<(&'static str, usize, usize)>,
    /// Every event of either side, without its body.
    pub(crate) told: Vec<String>,
    /// `at side START-LINE` for each message sent.
    pub(crate) trace: Vec<String>,
    /// What makes a side send just now.
    cause: Cause,
    /// When each message left by will or in answer to something: what timers repeat is counted from one of these. It is seldom
    /// more than one: a second `ring`, a refusal made anew for a transaction that had been broken off.
    left: HashMap<(usize, Vec<u8>), Vec<Instant>>,
    /// Repetitions by a timer that were found where the RFC has them.
    pub(crate) repeated: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cause {
    Will,
    Arrival,
    Timer,
}

#[derive(PartialEq, Eq)]
struct Flying {
    at: Instant,
    order: u64,
    to: usize,
    bytes: Vec<u8>,
}

impl Ord for Flying {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Flying {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Keeps the promise that each session is ended once.
#[derive(Default)]
struct Tally {
    begun: BTreeMap<SessionId, bool>,
    over: BTreeMap<SessionId, u32>,
    /// Offers of ours that wait for their answer.
    offers: BTreeMap<SessionId, i32>,
    /// Requests outside any dialog that wait for theirs.
    asked: std::collections::BTreeSet<sip::RequestId>,
}

impl World {
    pub(crate) fn new(seed: u64, transport: Transport, weather: Weather) -> Self {
        Self::with(seed, transport, weather, [Config::default(), Config::default()])
    }

    pub(crate) fn with(seed: u64, transport: Transport, weather: Weather, configs: [Config; 2]) -> Self {
        let addresses = [address("192.0.2.1:5060"), address("192.0.2.2:5060")];
        let [caller, callee] = configs;
        let side = |index: u64, config| Endpoint::new(config, Chance::draw(seed.wrapping_mul(2).wrapping_add(index)));
        let start = epoch();
        Self {
            now: start,
            start,
            sides: [side(0, caller), side(1, callee)],
            addresses,
            transport,
            weather,
            chance: Chance::new(seed ^ 0x5eed),
            wire: BinaryHeap::new(),
            flown: 0,
            events: [Vec::new(), Vec::new()],
            tally: [Tally::default(), Tally::default()],
            swallow: Vec::new(),
            told: Vec::new(),
            trace: Vec::new(),
            cause: Cause::Will,
            left: HashMap::new(),
            repeated: 0,
        }
    }

    pub(crate) fn fair() -> Self {
        Self::new(1, Transport::Udp, Weather::FAIR)
    }

    pub(crate) fn flow(&self, from: usize) -> Flow {
        let connection = self.transport.is_reliable().then_some(1);
        Flow {
            transport: self.transport,
            local: self.addresses[from],
            remote: self.addresses[1 - from],
            connection,
        }
    }

    pub(crate) fn ms(&self) -> u64 {
        u64::try_from(self.now.duration_since(self.start).as_millis()).expect("a test is short")
    }

    /// The caller calls.
    pub(crate) fn call(&mut self) -> SessionId {
        let invite = self.plain_invite();
        let session = self.sides[CALLER].invite(self.now, invite);
        self.drain();
        session
    }

    pub(crate) fn plain_invite(&self) -> Invite {
        let mut invite = Invite::new(self.flow(CALLER), uri("sip:+15550100@192.0.2.2"), from());
        invite.body = Some(Body::sdp("offer"));
        invite
    }

    /// Does something to a side, then drains it.
    pub(crate) fn on<R>(&mut self, side: usize, act: impl FnOnce(&mut Endpoint, Instant) -> R) -> R {
        let result = act(&mut self.sides[side], self.now);
        self.drain();
        result
    }

    fn drain(&mut self) {
        for side in 0..2 {
            loop {
                match self.sides[side].poll_output() {
                    Output::Transmit(transmit) => self.fly(side, transmit),
                    Output::Event(event) => self.note(side, event),
                    Output::Timeout(_) => break,
                }
            }
        }
    }

    fn fly(&mut self, from: usize, transmit: Transmit) {
        assert_eq!(
            transmit.flow.remote.ip(),
            self.addresses[1 - from].ip(),
            "sent to a third party"
        );
        let line = start_line(&transmit.bytes);
        self.trace.push(format!("{:>6} {} {line}", self.ms(), ["→", "←"][from]));
        self.is_in_time(from, &line, &transmit.bytes);
        for (begins, side, left) in &mut self.swallow {
            if *side == from && *left > 0 && line.starts_with(*begins) {
                *left -= 1;
                return;
            }
        }
        let reliable = self.transport.is_reliable();
        if !reliable && self.chance.percent(self.weather.lost_percent) {
            return;
        }
        let copies = if !reliable && self.chance.percent(self.weather.doubled_percent) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let jitter = if reliable {
                0
            } else {
                self.chance.below(self.weather.jitter_ms + 1)
            };
            let at = self.now + Duration::from_millis(self.weather.delay_ms + jitter);
            self.flown += 1;
            self.wire.push(Flying {
                at,
                order: self.flown,
                to: 1 - from,
                bytes: transmit.bytes.clone(),
            });
        }
    }

    /// Holds what a timer repeats to the instants RFC 3261 §17 and §13.3.1.4 and RFC 3262 §3 allow.
    fn is_in_time(&mut self, from: usize, line: &str, bytes: &[u8]) {
        let now = self.now;
        let left = self.left.entry((from, bytes.to_vec())).or_default();
        if self.cause != Cause::Timer || left.is_empty() {
            left.push(now);
            return;
        }
        let after_ms: Vec<u64> = left
            .iter()
            .map(|at| u64::try_from(now.duration_since(*at).as_millis()).expect("a test is short"))
            .collect();
        let text = String::from_utf8_lossy(bytes);
        let invite = text.contains("CSeq: ")
            && text
                .lines()
                .any(|line| line.starts_with("CSeq: ") && line.ends_with(" INVITE"));
        let datagrams = !self.transport.is_reliable();
        let status: Option<u16> = line
            .strip_prefix("SIP/2.0 ")
            .and_then(|rest| rest.get(..3)?.parse().ok());
        let (ceiling_ms, may_be) = match status {
            // RFC 3262 §3: without a ceiling, on every transport.
            Some(100..200) if text.contains("RSeq: ") => (u64::MAX, true),
            // RFC 3261 §13.3.1.1: each minute.
            Some(100..200) => {
                let in_time = after_ms.iter().any(|after_ms| after_ms % 60_000 == 0);
                assert!(in_time, "{line} again after {after_ms:?} ms: {:#?}", self.trace);
                return;
            }
            // §13.3.1.4: on every transport.
            Some(200..300) => (4_000, invite),
            // Timer G.
            Some(_) => (4_000, invite && datagrams),
            // Timer A, and timer E.
            None if invite => (u64::MAX, datagrams),
            None => (4_000, datagrams && !line.starts_with("ACK")),
        };
        let due = |after_ms: u64| {
            let (mut at_ms, mut interval_ms) = (0, 500);
            while at_ms < after_ms {
                at_ms += interval_ms;
                interval_ms = (interval_ms * 2).min(ceiling_ms);
            }
            at_ms == after_ms && (1..32_000).contains(&after_ms)
        };
        assert!(
            may_be && after_ms.iter().any(|after_ms| due(*after_ms)),
            "{line} again after {after_ms:?} ms: {:#?}",
            self.trace
        );
        self.repeated += 1;
    }

    fn note(&mut self, side: usize, event: Event) {
        let tally = &mut self.tally[side];
        let Some(session) = event.session() else {
            self.told.extend(kinds(std::slice::from_ref(&event)));
            if let Event::Response { request, .. } = &event {
                assert!(
                    tally.asked.remove(request),
                    "{request:?} was not asked, or is answered twice"
                );
            }
            self.events[side].push(event);
            return;
        };
        assert!(
            !tally.over.contains_key(&session),
            "{event:?} after the end of {session}"
        );
        match &event {
            Event::Incoming { .. } | Event::Accepted { .. } => {
                assert!(tally.begun.insert(session, true).is_none(), "{session} began twice");
            }
            Event::Refused { .. } => {
                assert!(
                    !tally.begun.contains_key(&session),
                    "{session} refused after it was accepted"
                );
                *tally.over.entry(session).or_default() += 1;
            }
            Event::Ended { .. } => {
                assert!(tally.begun.contains_key(&session), "{session} ended before it began");
                *tally.over.entry(session).or_default() += 1;
            }
            Event::OfferAnswered { .. } => *tally.offers.entry(session).or_default() -= 1,
            _ => {}
        }
        let words = match &event {
            Event::Progress { .. } | Event::Refused { .. } | Event::OfferAnswered { .. } | Event::Ended { .. } => 2,
            _ => 1,
        };
        let told = kinds(std::slice::from_ref(&event)).concat();
        self.told
            .push(told.split(' ').take(words).collect::<Vec<_>>().join(" "));
        self.events[side].push(event);
    }

    /// An offer was accepted for sending.
    pub(crate) fn offered(&mut self, side: usize, session: SessionId) {
        *self.tally[side].offers.entry(session).or_default() += 1;
    }

    /// A request outside any dialog, which will be answered once.
    pub(crate) fn ask(&mut self, side: usize, request: Request) {
        let (flow, now) = (self.flow(side), self.now);
        let id = self.sides[side].request(now, flow, request, None);
        self.tally[side].asked.insert(id);
        self.drain();
    }

    /// Hangs up, and is told once what the BYE comes to; whether one left.
    pub(crate) fn hang_up_and_ask(&mut self, side: usize, session: SessionId) -> bool {
        let asked = self.sides[side].hang_up_and_ask(self.now, session);
        self.tally[side].asked.extend(asked);
        self.drain();
        asked.is_some()
    }

    pub(crate) fn no_offer_is_outstanding(&self) {
        for tally in &self.tally {
            for (session, count) in &tally.offers {
                assert!(
                    *count <= 0 || tally.over.contains_key(session),
                    "{session}: {count} offers unanswered {:#?}",
                    self.trace
                );
            }
        }
    }

    /// The next instant at which anything happens.
    pub(crate) fn next(&mut self) -> Option<Instant> {
        let mut next = self.wire.peek().map(|flying| flying.at);
        for side in &mut self.sides {
            if let Output::Timeout(Some(at)) = side.poll_output() {
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        }
        next
    }

    /// Lets one thing happen, not later than `until`. Whether one did.
    pub(crate) fn step(&mut self, until: Instant) -> bool {
        match self.next() {
            Some(at) if at <= until => self.now = self.now.max(at),
            _ => {
                self.now = self.now.max(until);
                return false;
            }
        }
        if self.wire.peek().is_some_and(|flying| flying.at <= self.now) {
            let flying = self.wire.pop().expect("just seen");
            let flow = self.flow(flying.to);
            self.cause = Cause::Arrival;
            self.sides[flying.to].handle_received(self.now, flow, &flying.bytes);
            self.drain();
        }
        self.cause = Cause::Timer;
        for side in &mut self.sides {
            if matches!(side.poll_output_timeout(), Some(at) if at <= self.now) {
                side.handle_timeout(self.now);
            }
        }
        self.drain();
        self.cause = Cause::Will;
        true
    }

    pub(crate) fn run_ms(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while self.step(until) {}
    }

    /// Until nothing is left to happen; fails when that takes more than an hour.
    pub(crate) fn run_out(&mut self) {
        let limit = self.now + Duration::from_secs(3600);
        while self.step(limit) {}
        assert!(
            self.next().is_none(),
            "still something to do after an hour: {:?}",
            self.counts()
        );
    }

    /// Takes the events of a side.
    pub(crate) fn take(&mut self, side: usize) -> Vec<Event> {
        std::mem::take(&mut self.events[side])
    }

    /// The session of the call that came in.
    pub(crate) fn incoming(&mut self) -> SessionId {
        let events = self.take(CALLEE);
        match &events[..] {
            [Event::Incoming { session, .. }] => *session,
            other => panic!("no call came in: {other:?}"),
        }
    }

    pub(crate) fn counts(&self) -> [Counts; 2] {
        [self.sides[0].counts(), self.sides[1].counts()]
    }

    /// Runs out, and holds the endpoints to their promises.
    pub(crate) fn finish(&mut self) {
        self.run_out();
        assert_eq!(self.counts(), [Counts::default(); 2], "something was kept");
        for (side, tally) in self.tally.iter().enumerate() {
            for session in tally.begun.keys() {
                assert_eq!(tally.over.get(session), Some(&1), "side {side}, {session}");
            }
            assert!(
                tally.over.values().all(|count| *count == 1),
                "side {side} ended something twice"
            );
            assert!(tally.asked.is_empty(), "side {side} was not told the end of a request");
        }
    }

    /// A call, answered and confirmed: the caller's session and the callee's.
    pub(crate) fn established(&mut self) -> (SessionId, SessionId) {
        let caller = self.call();
        self.run_ms(100);
        let callee = self.incoming();
        self.on(CALLEE, |callee_side, now| {
            callee_side.accept(now, callee, Body::sdp("answer"))
        });
        self.run_ms(200);
        assert_eq!(kinds(&self.take(CALLER)), ["Accepted answer"]);
        assert_eq!(kinds(&self.take(CALLEE)), ["Confirmed"]);
        (caller, callee)
    }
}

/// A peek that does not drain: used where the outputs are known to be drained.
pub(crate) trait PollTimeout {
    fn poll_output_timeout(&mut self) -> Option<Instant>;
}

impl PollTimeout for Endpoint {
    fn poll_output_timeout(&mut self) -> Option<Instant> {
        match self.poll_output() {
            Output::Timeout(at) => at,
            other => panic!("not drained: {other:?}"),
        }
    }
}

/// One endpoint against hand-written messages.
pub(crate) struct Alone {
    pub(crate) endpoint: Endpoint,
    pub(crate) now: Instant,
    pub(crate) flow: Flow,
    pub(crate) sent: Vec<Transmit>,
    pub(crate) events: Vec<Event>,
}

impl Alone {
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        let flow = Flow {
            transport: Transport::Udp,
            local: address("192.0.2.2:5060"),
            remote: address("192.0.2.1:5060"),
            connection: None,
        };
        let endpoint = Endpoint::new(config, Chance::draw(7));
        Self {
            endpoint,
            now: epoch(),
            flow,
            sent: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Gives it a message from the usual peer, written with `\n`.
    pub(crate) fn hear(&mut self, message: &str) {
        self.hear_on(self.flow, message);
    }

    pub(crate) fn hear_on(&mut self, flow: Flow, message: &str) {
        self.hear_bytes(flow, message.replace('\n', "\r\n").as_bytes());
    }

    pub(crate) fn hear_bytes(&mut self, flow: Flow, message: &[u8]) {
        self.endpoint.handle_received(self.now, flow, message);
        self.drain();
    }

    pub(crate) fn act<R>(&mut self, act: impl FnOnce(&mut Endpoint, Instant) -> R) -> R {
        let result = act(&mut self.endpoint, self.now);
        self.drain();
        result
    }

    pub(crate) fn drain(&mut self) {
        loop {
            match self.endpoint.poll_output() {
                Output::Transmit(transmit) => self.sent.push(transmit),
                Output::Event(event) => self.events.push(event),
                Output::Timeout(_) => break,
            }
        }
    }

    /// Lets virtual time pass.
    pub(crate) fn wait_ms(&mut self, ms: u64) {
        let until = self.now + Duration::from_millis(ms);
        while let Some(at) = self.endpoint.poll_output_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.endpoint.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    /// The start lines sent since the last look.
    pub(crate) fn lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.sent)
            .iter()
            .map(|transmit| start_line(&transmit.bytes))
            .collect()
    }

    /// The responses sent since the last look, without any 100.
    pub(crate) fn responses(&mut self) -> Vec<Response> {
        std::mem::take(&mut self.sent)
            .iter()
            .filter_map(|transmit| match Message::parse(&transmit.bytes) {
                Ok(Message::Response(response)) if response.status != 100 => Some(response),
                _ => None,
            })
            .collect()
    }

    /// The only response sent since the last look (a 100 aside).
    pub(crate) fn response(&mut self) -> Response {
        let mut responses = self.responses();
        assert_eq!(responses.len(), 1, "{responses:?}");
        responses.remove(0)
    }

    /// The requests sent since the last look.
    pub(crate) fn requests(&mut self) -> Vec<Request> {
        std::mem::take(&mut self.sent)
            .iter()
            .filter_map(|transmit| match Message::parse(&transmit.bytes) {
                Ok(Message::Request(request)) => Some(request),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn take(&mut self) -> Vec<String> {
        kinds(&std::mem::take(&mut self.events))
    }

    /// Hears the usual INVITE and gives the session it made.
    pub(crate) fn invited(&mut self) -> SessionId {
        self.hear(&invite("b1"));
        match self.events.pop() {
            Some(Event::Incoming { session, .. }) => session,
            other => panic!("no call came in: {other:?}"),
        }
    }

    /// Hears the usual INVITE, accepts it and hears the ACK; gives the session and our tag.
    pub(crate) fn answered(&mut self) -> (SessionId, String) {
        let session = self.invited();
        self.sent.clear();
        self.act(|endpoint, now| endpoint.accept(now, session, Body::sdp("answer")));
        let tag = self.response().to_tag().expect("a 200 has a tag");
        self.hear(&within("ACK", 1, &tag, "back", ""));
        assert_eq!(self.take(), ["Confirmed"]);
        (session, tag)
    }

    /// Places the usual call; gives the session and the INVITE.
    pub(crate) fn calling(&mut self) -> (SessionId, Request) {
        self.calling_with(|_| {})
    }

    pub(crate) fn calling_with(&mut self, change: impl FnOnce(&mut Invite)) -> (SessionId, Request) {
        let mut invite = Invite::new(self.flow, uri("sip:+15550100@192.0.2.1"), from());
        invite.body = Some(Body::sdp("offer"));
        change(&mut invite);
        let session = self.act(|endpoint, now| endpoint.invite(now, invite));
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1);
        (session, requests.remove(0))
    }

    /// Answers a request of the endpoint's.
    pub(crate) fn reply(&mut self, request: &Request, status: u16, tag: &str, extra: &[(&str, &str)], body: &str) {
        let status = sip::message::StatusCode::new(status).expect("a status");
        let mut response = request.respond_with_tag(status, tag);
        for (name, value) in extra {
            response.headers.push(*name, value);
        }
        if !body.is_empty() {
            response.set_body("application/sdp", body.into());
        }
        let bytes = response.to_bytes();
        self.hear_bytes(self.flow, &bytes);
    }
}

pub(crate) const CONTACT: (&str, &str) = ("Contact", "<sip:peer@192.0.2.1:5060>");

/// The usual INVITE with this branch.
pub(crate) fn invite(branch: &str) -> String {
    request(
        "INVITE",
        branch,
        "",
        "Contact: <sip:caller@192.0.2.1:5060>\nContent-Type: application/sdp\n",
        "offer",
    )
}

/// A request of the usual caller: no To tag unless `extra` or `to` says so.
pub(crate) fn request(method: &str, branch: &str, to: &str, extra: &str, body: &str) -> String {
    let cseq = 1;
    format!(
        "{method} sip:desk@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{branch}\n\
         Max-Forwards: 70\nFrom: <sip:+15550123@192.0.2.1>;tag=theirs\nTo: <sip:desk@192.0.2.2>{to}\n\
         Call-ID: call-1\nCSeq: {cseq} {method}\n{extra}Content-Length: {}\n\n{body}",
        body.len()
    )
}

/// A request of the usual caller within the dialog.
pub(crate) fn within(method: &str, cseq: u32, tag: &str, branch: &str, body: &str) -> String {
    let extra = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\n"
    };
    within_with(
        method,
        cseq,
        tag,
        branch,
        &format!("Contact: <sip:caller@192.0.2.1:5060>\n{extra}"),
        body,
    )
}

pub(crate) fn within_with(method: &str, cseq: u32, tag: &str, branch: &str, extra: &str, body: &str) -> String {
    format!(
        "{method} sip:192.0.2.2:5060 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK{branch}\n\
         Max-Forwards: 70\nFrom: <sip:+15550123@192.0.2.1>;tag=theirs\nTo: <sip:desk@192.0.2.2>;tag={tag}\n\
         Call-ID: call-1\nCSeq: {cseq} {method}\n{extra}Content-Length: {}\n\n{body}",
        body.len()
    )
}

/// Events in a few words.
pub(crate) fn kinds(events: &[Event]) -> Vec<String> {
    let text = |body: &Option<Body>| {
        body.as_ref()
            .map(|body| format!(" {}", String::from_utf8_lossy(&body.bytes)))
            .unwrap_or_default()
    };
    events
        .iter()
        .map(|event| match event {
            Event::Incoming { invite, .. } => format!("Incoming{}", text(&invite.offer)),
            Event::Progress { status, body, .. } => format!("Progress {status}{}", text(body)),
            Event::Accepted { body, .. } => format!("Accepted{}", text(body)),
            Event::Refused { status, .. } => format!("Refused {status}"),
            Event::Confirmed { body, .. } => format!("Confirmed{}", text(body)),
            Event::Offered { body, .. } => format!("Offered{}", text(body)),
            Event::OfferAnswered { status, body, .. } => format!("OfferAnswered {status}{}", text(body)),
            Event::Info { body, .. } => format!("Info {}", String::from_utf8_lossy(&body.bytes)),
            Event::Response { status, .. } => format!("Response {status}"),
            Event::Ended { why, .. } => ended(*why),
        })
        .collect()
}

pub(crate) fn ended(why: Ended) -> String {
    format!("Ended {why:?}")
}

pub(crate) fn offer_of(events: &[Event]) -> OfferId {
    match events {
        [Event::Offered { offer, .. }] => *offer,
        other => panic!("no offer came: {other:?}"),
    }
}

pub(crate) fn start_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.lines().next().unwrap_or_default().to_owned()
}

pub(crate) fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub(crate) fn uri(text: &str) -> Uri {
    Uri::parse(text).expect("a URI")
}

pub(crate) fn from() -> NameAddr {
    NameAddr::new(uri("sip:+15550123@192.0.2.1"))
}

/// Any instant.
#[allow(
    clippy::disallowed_methods,
    reason = "an Instant can only be had from the clock; only distances matter"
)]
pub(crate) fn epoch() -> Instant {
    Instant::now()
}
