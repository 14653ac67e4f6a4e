//! A telephone for rehearsals, sans-IO like everything here: places calls, and answers each number as a script says.
//!
//! The virtual world of [`crate::world`] drives it with a virtual clock, `nightdesk dial` with real sockets; both hear and
//! speak for it. One phone stands for the whole far end of a trunk: the caller's telephone and every doctor's.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::{Duration, Instant};

use phi::Phi;
use sip::message::{Host, NameAddr, Uri};

/// Calls one phone holds at a time.
const LINES_MAX: usize = 10_000;

/// How a rung phone behaves (flow-language.md §12, `phones:`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answering {
    /// Picks up and presses the accept key.
    Accepts,
    /// Picks up, presses the key that keeps them out of the recording, then the accept key.
    AcceptsUnrecorded,
    /// Picks up and presses the key that passes the call on.
    PassesOn,
    /// 603.
    Declines,
    /// 486.
    Busy,
    /// Rings until the other side gives up.
    NoAnswer,
    /// A machine picks up, talks, and never presses a key.
    Voicemail,
}

impl FromStr for Answering {
    type Err = UnknownAnswering;

    fn from_str(words: &str) -> Result<Self, Self::Err> {
        match words.trim() {
            "accepts" => Ok(Self::Accepts),
            "accepts unrecorded" => Ok(Self::AcceptsUnrecorded),
            "passes on" | "passes" => Ok(Self::PassesOn),
            "declines" => Ok(Self::Declines),
            "busy" => Ok(Self::Busy),
            "no answer" => Ok(Self::NoAnswer),
            // A robot that screens calls is a machine that picks up, talks and presses nothing.
            "voicemail" | "screening" => Ok(Self::Voicemail),
            other => Err(UnknownAnswering(other.to_owned())),
        }
    }
}

/// A word that is no way of answering.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a way of answering: accepts, accepts unrecorded, passes on, declines, busy, no answer, voicemail, screening"
)]
pub struct UnknownAnswering(String);

/// What a phone wants.
#[derive(Debug)]
pub enum Output {
    /// Send these bytes.
    Transmit(sip::Transmit),
    /// Audio flows with the other side.
    Connected {
        /// Names the call from now on.
        session: sip::SessionId,
        /// Our RTP port.
        port: u16,
        /// What was agreed.
        stream: media::sdp::Stream,
        /// The number that was called, for a call that came in; and how it is answered.
        answering: Option<(String, Answering)>,
    },
    /// The agreement changed (hold, resume).
    Changed {
        /// Which call.
        session: sip::SessionId,
        /// What holds now.
        stream: media::sdp::Stream,
    },
    /// A call of ours was refused.
    Refused {
        /// Which call.
        session: sip::SessionId,
        /// The final status.
        status: u16,
    },
    /// A number of ours rings.
    Rings {
        /// Which call.
        session: sip::SessionId,
        /// The number called.
        number: String,
    },
    /// A call is over.
    Ended {
        /// Which call.
        session: sip::SessionId,
        /// Its RTP port, free again.
        port: Option<u16>,
    },
    /// Nothing more until this instant.
    Timeout(Option<Instant>),
}

/// The telephone.
pub struct Phone {
    endpoint: sip::Endpoint,
    draw: sip::Draw,
    address: SocketAddr,
    media: IpAddr,
    offering: media::sdp::Offering,
    pick_up: Duration,
    plans: BTreeMap<String, VecDeque<Answering>>,
    otherwise: Answering,
    busy_status: u16,
    late: bool,
    lines: BTreeMap<sip::SessionId, Line>,
    due: BTreeSet<(Instant, sip::SessionId)>,
    ports: VecDeque<u16>,
    endpoint_alarm: Option<Instant>,
    out: VecDeque<Output>,
}

struct Line {
    port: Option<u16>,
    said: Vec<u8>,
    stream: Option<media::sdp::Stream>,
    answering: Option<(String, Answering)>,
    connected: bool,
}

impl Phone {
    /// A phone at a signalling address, with audio at another.
    pub fn new(address: SocketAddr, media: IpAddr, draw: sip::Draw, endpoint_draw: sip::Draw) -> Self {
        let addresses = vec![sip::Address {
            transport: sip::Transport::Udp,
            local: address,
            advertised: address,
        }];
        Self {
            endpoint: sip::Endpoint::new(
                sip::Config {
                    addresses,
                    ..sip::Config::default()
                },
                endpoint_draw,
            ),
            draw,
            address,
            media,
            offering: media::sdp::Offering::default(),
            pick_up: Duration::from_secs(2),
            plans: BTreeMap::new(),
            otherwise: Answering::NoAnswer,
            busy_status: 486,
            late: false,
            lines: BTreeMap::new(),
            due: BTreeSet::new(),
            ports: VecDeque::new(),
            endpoint_alarm: None,
            out: VecDeque::new(),
        }
    }

    /// What the phone speaks from now on: both laws in the clear unless told otherwise.
    pub fn speak(&mut self, offering: media::sdp::Offering) {
        self.offering = offering;
    }

    /// How long a phone that is answered rings first.
    pub fn pick_up_after(&mut self, ringing: Duration) {
        self.pick_up = ringing;
    }

    /// How this number answers, ring by ring; after the last it does not answer.
    pub fn plan(&mut self, number: &str, answers: impl IntoIterator<Item = Answering>) {
        self.plans.insert(last_ten(number), answers.into_iter().collect());
    }

    /// How numbers without a plan answer.
    pub fn otherwise(&mut self, answering: Answering) {
        self.otherwise = answering;
    }

    /// What a busy phone, or the network before it, says: 486 unless told otherwise.
    pub fn busy_with(&mut self, status: u16) {
        self.busy_status = status;
    }

    /// Calls without an offer, and answers the one that comes in the 200 (RFC 3261 §13.2.1).
    pub fn offer_late(&mut self, late: bool) {
        self.late = late;
    }

    /// A bound RTP port the phone may promise.
    pub fn add_port(&mut self, port: u16) {
        self.ports.push_back(port);
    }

    /// Ports in hand.
    pub fn ports(&self) -> usize {
        self.ports.len()
    }

    /// Places a call. `None` without a free port.
    pub fn call(&mut self, now: Instant, desk: sip::Flow, number: &str, from: Option<&str>) -> Option<sip::SessionId> {
        let port = self.ports.pop_front()?;
        // A phone asks once: what it would prefer must be taken or left in the one offer.
        let said = media::sdp::late_offer(&self.local(port), &self.offering, &mut self.draw);
        let target = Uri::sip(Some(number), host(desk.remote.ip()), Some(desk.remote.port()));
        let from = Uri::sip(Some(from.unwrap_or("anonymous")), host(self.address.ip()), None);
        let mut invite = sip::Invite::new(desk, target, NameAddr::new(from));
        invite.body = (!self.late).then(|| sip::Body::sdp(said.clone()));
        let session = self.endpoint.invite(now, invite);
        self.lines.insert(
            session,
            Line {
                port: Some(port),
                said,
                stream: None,
                answering: None,
                connected: false,
            },
        );
        self.settle(now);
        Some(session)
    }

    /// A key by SIP INFO (application/dtmf-relay).
    pub fn info_digit(&mut self, now: Instant, session: sip::SessionId, digit: Phi<char>) {
        let body = format!("Signal={}\r\nDuration=160\r\n", digit.expose());
        let body = sip::Body {
            content_type: "application/dtmf-relay".into(),
            bytes: body.into_bytes(),
        };
        self.endpoint.info(now, session, body);
        self.settle(now);
    }

    /// Hangs up, whatever state the call is in.
    pub fn hang_up(&mut self, now: Instant, session: sip::SessionId) {
        self.endpoint.hang_up(now, session);
        self.settle(now);
    }

    /// Holds the call, or takes it back, by a re-INVITE; in vain while one is pending.
    pub fn reoffer(&mut self, now: Instant, session: sip::SessionId, direction: media::sdp::Direction) {
        if let Some(line) = self.lines.get_mut(&session)
            && line.connected
            && let Ok(offer) = media::sdp::reoffer(&line.said, direction)
            && self
                .endpoint
                .reinvite(now, session, sip::Body::sdp(offer.clone()))
                .is_ok()
        {
            line.said = offer;
        }
        self.settle(now);
    }

    /// One datagram or framed message came.
    pub fn handle_received(&mut self, now: Instant, flow: sip::Flow, bytes: &[u8]) {
        self.endpoint.handle_received(now, flow, bytes);
        self.settle(now);
    }

    /// A timer may be due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.settle(now);
    }

    /// The next thing the phone wants.
    pub fn poll_output(&mut self) -> Output {
        self.out.pop_front().unwrap_or_else(|| {
            let due = self.due.first().map(|(at, _)| *at);
            Output::Timeout([due, self.endpoint_alarm].into_iter().flatten().min())
        })
    }

    /// Calls held.
    pub fn lines(&self) -> usize {
        self.lines.len()
    }

    fn settle(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        while let Some(&(at, session)) = self.due.first() {
            if at > now {
                break;
            }
            self.due.remove(&(at, session));
            self.act(now, session);
        }
        loop {
            match self.endpoint.poll_output() {
                sip::Output::Transmit(transmit) => self.out.push_back(Output::Transmit(transmit)),
                sip::Output::Event(event) => self.signalled(now, event),
                sip::Output::Timeout(at) => {
                    self.endpoint_alarm = at;
                    break;
                }
            }
        }
    }

    fn signalled(&mut self, now: Instant, event: sip::Event) {
        match event {
            sip::Event::Incoming { session, invite } => self.rings(now, session, &invite),
            sip::Event::Accepted { session, body } => {
                let Some(line) = self.lines.get_mut(&session) else {
                    return;
                };
                // Called without an offer: theirs follows.
                if self.late && line.answering.is_none() {
                    return;
                }
                let stream = body.and_then(|answer| media::sdp::accept(&line.said, &answer.bytes).ok());
                match stream {
                    Some(stream) => self.connected(session, stream),
                    None => self.endpoint.hang_up(now, session),
                }
            }
            sip::Event::Refused { session, status, .. } => {
                self.out.push_back(Output::Refused { session, status });
                self.over(session);
            }
            sip::Event::Ended { session, .. } => self.over(session),
            sip::Event::Offered { session, offer, body } => self.reoffered(now, session, offer, body),
            sip::Event::Progress { .. }
            | sip::Event::Confirmed { .. }
            | sip::Event::OfferAnswered { .. }
            | sip::Event::Response { .. }
            | sip::Event::Info { .. } => {}
        }
    }

    fn rings(&mut self, now: Instant, session: sip::SessionId, invite: &sip::Incoming) {
        let number = invite.request.uri.number().map(Phi::into_exposed).unwrap_or_default();
        let port = self.ports.pop_front();
        let (Some(port), true, Some(offer)) = (port, self.lines.len() < LINES_MAX, &invite.offer) else {
            self.ports.extend(port);
            self.endpoint.refuse(now, session, sip::Refusal::of(480));
            return;
        };
        let Ok((said, stream)) = media::sdp::answer(&offer.bytes, &self.local(port), &self.offering, &mut self.draw)
        else {
            self.ports.push_back(port);
            self.endpoint.refuse(now, session, sip::Refusal::of(488));
            return;
        };
        let plan = self.plans.get_mut(&last_ten(&number));
        let answering = plan.map_or(self.otherwise, |plan| plan.pop_front().unwrap_or(Answering::NoAnswer));
        self.out.push_back(Output::Rings {
            session,
            number: number.clone(),
        });
        let line = Line {
            port: Some(port),
            said,
            stream: Some(stream),
            answering: Some((number, answering)),
            connected: false,
        };
        self.lines.insert(session, line);
        match answering {
            Answering::Busy => self.endpoint.refuse(now, session, sip::Refusal::of(self.busy_status)),
            Answering::Declines => {
                self.endpoint.ring(now, session);
                self.due.insert((now + self.pick_up, session));
            }
            Answering::NoAnswer => self.endpoint.ring(now, session),
            Answering::Accepts | Answering::AcceptsUnrecorded | Answering::PassesOn | Answering::Voicemail => {
                self.endpoint.ring(now, session);
                self.due.insert((now + self.pick_up, session));
            }
        }
    }

    /// The moment of picking up, or of declining.
    fn act(&mut self, now: Instant, session: sip::SessionId) {
        let Some(line) = self.lines.get_mut(&session) else {
            return;
        };
        match line.answering {
            Some((_, Answering::Declines)) => self.endpoint.refuse(now, session, sip::Refusal::of(603)),
            Some(_) => {
                let body = sip::Body::sdp(line.said.clone());
                let stream = line.stream.clone();
                self.endpoint.accept(now, session, body);
                if let Some(stream) = stream {
                    self.connected(session, stream);
                }
            }
            None => {}
        }
    }

    fn connected(&mut self, session: sip::SessionId, stream: media::sdp::Stream) {
        let Some(line) = self.lines.get_mut(&session) else {
            return;
        };
        let Some(port) = line.port else { return };
        line.connected = true;
        line.stream = Some(stream.clone());
        self.out.push_back(Output::Connected {
            session,
            port,
            stream,
            answering: line.answering.clone(),
        });
    }

    fn reoffered(&mut self, now: Instant, session: sip::SessionId, offer: sip::OfferId, body: Option<sip::Body>) {
        let Some(line) = self.lines.get_mut(&session) else {
            return;
        };
        let answer = body.and_then(|body| {
            let want = media::sdp::Direction::SendRecv;
            media::sdp::answer_again(&line.said, &body.bytes, &self.offering, want, &mut self.draw).ok()
        });
        match answer {
            Some((said, stream)) => {
                line.said.clone_from(&said);
                let begins = !line.connected;
                self.endpoint.answer_offer(now, session, offer, sip::Body::sdp(said));
                if begins {
                    self.connected(session, stream);
                } else {
                    self.out.push_back(Output::Changed { session, stream });
                }
            }
            None => self.endpoint.refuse_offer(now, session, offer, 488),
        }
    }

    fn over(&mut self, session: sip::SessionId) {
        let Some(line) = self.lines.remove(&session) else {
            return;
        };
        // A port that never carried audio is still the phone's own; the others go back to whoever bound them.
        match (line.connected, line.port) {
            (false, Some(port)) => {
                self.ports.push_back(port);
                self.out.push_back(Output::Ended { session, port: None });
            }
            (_, port) => self.out.push_back(Output::Ended { session, port }),
        }
    }

    fn local(&mut self, port: u16) -> media::sdp::Local {
        let [a, b, c, d, ..] = (self.draw)();
        media::sdp::Local {
            address: self.media,
            port,
            session: u64::from(u32::from_be_bytes([a, b, c, d])),
            version: 1,
        }
    }
}

fn last_ten(number: &str) -> String {
    let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
    digits.iter().skip(digits.len().saturating_sub(10)).collect()
}

fn host(address: IpAddr) -> Host {
    match address.to_canonical() {
        IpAddr::V4(address) => Host::V4(address),
        IpAddr::V6(address) => Host::V6(address),
    }
}
