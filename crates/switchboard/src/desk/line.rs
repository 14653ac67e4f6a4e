//! A call of ours on its way to somebody: which trunk takes it, at which of its addresses, and who is next when one cannot.
//!
//! A call asks for a line and names its leg; everything until the phone is answered or has come to nothing happens here.
//! What fails for the trunk's own reasons goes on to the next address and then to the next trunk (RFC 3263 §4.3); what
//! the callee says (busy, declined, no answer) is the callee's answer and ends the line. Only numbers that a practice file
//! names are called, and never an emergency number: both are checked here, in the one place all our calls go through.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use phi::Phi;
use sip::locate::{Destination, Failure};
use sip::message::{Host, NameAddr, Scheme, Uri};
use sip::number::{Barred, outbound_of};

use super::Wires;
use super::names::Found;
use crate::call::{answer_reoffer, local_description, reoffer_answered};
use crate::door::{CallId, LegId};
use crate::fact::Fact;
use crate::trunk::{CallerId, Outbound, Security, Trunk};

/// Addresses tried for one call, over all trunks.
pub(crate) const ATTEMPTS_MAX: u8 = 8;
/// A far end that says nothing at all this long, not even 100, is taken for dead: a doctor's phone should ring by now.
const SILENT_AFTER: Duration = Duration::from_secs(4);
/// How long a call waits for the DNS, or for its turn on a trunk that takes few calls a second.
const WAITS_AT_MOST: Duration = Duration::from_secs(5);
/// A 503 without Retry-After keeps calls away this long.
const UNAVAILABLE_S: u32 = 30;

/// A call to be placed, whichever trunk takes it.
pub(crate) struct Placing {
    pub(crate) call: CallId,
    /// The name of whoever is rung.
    pub(crate) party: String,
    /// E.164, from the practice file.
    pub(crate) number: Phi<String>,
    /// The practice's own numbers; the first is shown.
    pub(crate) ours: Vec<String>,
    /// Shown beside it.
    pub(crate) practice: String,
    /// The trunk the caller came by: it knows the number shown.
    pub(crate) prefers: String,
    pub(crate) max_forwards: u8,
    /// The caller's number is known and is not one of ours: then a call from one of our numbers cannot be the same
    /// carrier's habit of showing the practice's number for everybody's.
    pub(crate) caller_known: bool,
}

/// One call of ours.
pub(crate) struct Line {
    placing: Placing,
    port: u16,
    /// What we said of the session last.
    pub(crate) said: Vec<u8>,
    /// They could not take the encrypted audio we prefer, so it is offered in the clear.
    in_clear: bool,
    trunks: VecDeque<usize>,
    /// What is left of the present trunk's addresses, each with the target it was found for.
    ways: VecDeque<(usize, Destination)>,
    attempts: u8,
    stage: Stage,
    /// When the latest INVITE left.
    pub(crate) called_at: Instant,
}

enum Stage {
    /// For the DNS, or for its turn.
    Waiting { trunk: usize, until: Instant },
    /// INVITE sent.
    Calling {
        session: sip::SessionId,
        trunk: usize,
        target: usize,
        destination: Destination,
        /// The phone rings, or says something: from here on what comes is about the callee.
        rang: bool,
    },
    /// Answered.
    Up { session: sip::SessionId, trunk: usize },
}

impl Line {
    pub(crate) fn session(&self) -> Option<sip::SessionId> {
        match &self.stage {
            Stage::Waiting { .. } => None,
            Stage::Calling { session, .. } | Stage::Up { session, .. } => Some(*session),
        }
    }

    pub(crate) fn trunk(&self) -> usize {
        match &self.stage {
            Stage::Waiting { trunk, .. } | Stage::Calling { trunk, .. } | Stage::Up { trunk, .. } => *trunk,
        }
    }

    pub(crate) fn placing(&self) -> &Placing {
        &self.placing
    }

    pub(crate) fn is_answered(&self) -> bool {
        matches!(self.stage, Stage::Up { .. })
    }
}

impl Wires {
    /// Calls a number. `None` when it may not be called, when no trunk could take the call, or no audio slot is free.
    pub(crate) fn place(&mut self, now: Instant, placing: Placing) -> Option<LegId> {
        let trunks = match self.outbound_trunks(&placing) {
            Ok(trunks) => trunks,
            Err(barred) => {
                let wall = self.wall(now);
                let fact = Fact::NeverDialled {
                    party: placing.party,
                    why: barred.to_string(),
                };
                self.fact(Some(placing.call), wall, fact);
                return None;
            }
        };
        let first = *trunks.front()?;
        let port = self.take_port()?;
        let leg = self.new_leg();
        let line = Line {
            placing,
            port,
            said: Vec::new(),
            in_clear: false,
            trunks,
            ways: VecDeque::new(),
            attempts: 0,
            stage: Stage::Waiting {
                trunk: first,
                until: now,
            },
            called_at: now,
        };
        self.lines.insert(leg, line);
        if self.go_on(now, leg) {
            return Some(leg);
        }
        self.forget_line(leg);
        self.return_port(port);
        None
    }

    /// The port promised to whoever answers.
    pub(crate) fn port_of(&self, leg: LegId) -> Option<u16> {
        self.lines.get(&leg).map(|line| line.port)
    }

    /// The session of a line, once there is one.
    pub(crate) fn session_of(&self, leg: LegId) -> Option<sip::SessionId> {
        self.lines.get(&leg).and_then(Line::session)
    }

    /// Ends a line in whatever state it is; whatever crosses on the wire is handled in the SIP room.
    pub(crate) fn hang_up_line(&mut self, now: Instant, leg: LegId) {
        if let Some(session) = self.session_of(leg) {
            self.endpoint.hang_up(now, session);
        }
    }

    /// A line is over for its call.
    pub(crate) fn forget_line(&mut self, leg: LegId) {
        if let Some(line) = self.lines.remove(&leg)
            && let Some(session) = line.session()
        {
            self.disown_session(session);
        }
        self.line_due.retain(|(_, due)| *due != leg);
    }

    /// A sign of life from the callee's side.
    pub(crate) fn line_progress(&mut self, leg: LegId) {
        if let Some(Line {
            stage: Stage::Calling { rang, .. },
            ..
        }) = self.lines.get_mut(&leg)
        {
            *rang = true;
        }
    }

    /// Answered: what was agreed, when it is something we can hear.
    pub(crate) fn line_answered(
        &mut self,
        now: Instant,
        leg: LegId,
        answer: Option<&sip::Body>,
    ) -> Option<media::sdp::Stream> {
        let line = self.lines.get_mut(&leg)?;
        let (session, trunk, destination) = match &line.stage {
            Stage::Calling {
                session,
                trunk,
                destination,
                ..
            } => (*session, *trunk, *destination),
            Stage::Waiting { .. } | Stage::Up { .. } => return None,
        };
        line.stage = Stage::Up { session, trunk };
        let stream = answer.and_then(|answer| media::sdp::accept(&line.said, &answer.bytes).ok());
        let (call, party) = (line.placing.call, line.placing.party.clone());
        self.dead.answered(destination);
        if let Some(stream) = &stream
            && let Some(known) = self.config.trunks.get(trunk)
        {
            let fact = Fact::Joined {
                party,
                trunk: known.id.clone(),
                codec: super::codec_name(stream),
                signalling_protected: destination.transport.is_secure(),
                audio_protected: super::is_protected(stream),
            };
            let wall = self.wall(now);
            self.fact(Some(call), wall, fact);
        }
        stream
    }

    /// They change an answered line, or a ringing one.
    pub(crate) fn line_reoffered(
        &mut self,
        now: Instant,
        leg: LegId,
        session: sip::SessionId,
        offer: sip::OfferId,
        body: Option<&sip::Body>,
    ) {
        let Some(mut line) = self.lines.remove(&leg) else {
            return;
        };
        let offering = self.line_offering(&line);
        answer_reoffer(now, self, leg, &mut line.said, &offering, session, offer, body);
        self.lines.insert(leg, line);
    }

    /// They answered an offer of ours within the call.
    pub(crate) fn line_offer_answered(&mut self, leg: LegId, body: Option<&sip::Body>) {
        let Some(line) = self.lines.remove(&leg) else { return };
        reoffer_answered(self, leg, &line.said, body);
        self.lines.insert(leg, line);
    }

    /// The session of an answered line and what holds on it, to ask whether anybody is there.
    pub(crate) fn asks_again(&self, leg: LegId) -> Option<(sip::SessionId, Vec<u8>)> {
        let line = self.lines.get(&leg)?;
        Some((line.session()?, line.said.clone()))
    }

    fn line_offering(&self, line: &Line) -> media::sdp::Offering {
        let trunk = self.config.trunks.get(line.trunk());
        let offering = self.offering(trunk.map(|trunk| trunk.id.as_str()).unwrap_or_default());
        if line.in_clear { offering.in_clear() } else { offering }
    }

    /// Our side of a new session on this port, as this trunk's calls want it.
    fn offer(&mut self, port: u16, trunk: &Trunk, in_clear: bool) -> Vec<u8> {
        let local = local_description(self, port);
        let offering = self.offering(&trunk.id);
        let offering = if in_clear { offering.in_clear() } else { offering };
        media::sdp::offer(&local, &offering, &mut || self.draw())
    }

    /// The INVITE of a line came to this final status. True when the next address has been called instead.
    pub(crate) fn line_goes_elsewhere(
        &mut self,
        now: Instant,
        leg: LegId,
        status: u16,
        retry_after_s: Option<u32>,
    ) -> bool {
        let Some(line) = self.lines.get(&leg) else { return false };
        let Stage::Calling {
            session,
            destination,
            rang,
            trunk,
            target,
        } = &line.stage
        else {
            return false;
        };
        let (session, destination, rang, trunk, target) = (*session, *destination, *rang, *trunk, *target);
        if matches!(status, 415 | 488 | 606) && self.may_go_in_clear(leg, trunk) {
            if let Some(line) = self.lines.get_mut(&leg) {
                line.in_clear = true;
                line.ways.push_front((target, destination));
            }
            self.disown_session(session);
            return self.goes_elsewhere(now, leg, trunk, &format!("{status} to encrypted audio"));
        }
        let failure = match status {
            // RFC 3261 §21.5.4: nothing else is sent there for as long as it says; the memory of the dead bounds it.
            503 => Failure::Unavailable {
                retry_after_s: Some(retry_after_s.unwrap_or(UNAVAILABLE_S)),
            },
            // Once it has rung, 408 and 504 are about the callee.
            408 | 504 if !rang => Failure::Silent,
            // A gateway behind this address has no way; another address may be another gateway.
            500 | 502 if !rang => Failure::Unavailable { retry_after_s: None },
            _ => return false,
        };
        self.dead.failed(now, destination, failure);
        self.disown_session(session);
        self.goes_elsewhere(now, leg, trunk, &status.to_string())
    }

    /// Encryption is a wish on this trunk, and was one in the offer they refused.
    fn may_go_in_clear(&self, leg: LegId, trunk: usize) -> bool {
        let wishes = |trunk: &Trunk| trunk.security == Security::Preferred;
        self.config.trunks.get(trunk).is_some_and(wishes) && self.lines.get(&leg).is_some_and(|line| !line.in_clear)
    }

    fn goes_elsewhere(&mut self, now: Instant, leg: LegId, from: usize, why: &str) -> bool {
        if !self.go_on(now, leg) {
            return false;
        }
        let Some(line) = self.lines.get(&leg) else { return false };
        let name = |trunk: usize| self.config.trunks.get(trunk).map(|trunk| trunk.id.clone());
        let fact = Fact::WentElsewhere {
            party: line.placing.party.clone(),
            trunk: name(from).unwrap_or_default(),
            why: why.to_owned(),
            next: name(line.trunk()).unwrap_or_default(),
        };
        let call = line.placing.call;
        let wall = self.wall(now);
        self.fact(Some(call), wall, fact);
        true
    }

    /// Lines whose patience has run out, or whose turn has come. Those that came to nothing are given back.
    pub(crate) fn lines_due(&mut self, now: Instant) -> Vec<(CallId, LegId)> {
        let mut over = Vec::new();
        while let Some(&(at, leg)) = self.line_due.first() {
            if at > now {
                break;
            }
            self.line_due.remove(&(at, leg));
            let Some(line) = self.lines.get(&leg) else { continue };
            let call = line.placing.call;
            match &line.stage {
                Stage::Waiting { .. } => {
                    if !self.go_on(now, leg) {
                        over.push((call, leg));
                    }
                }
                Stage::Calling {
                    session,
                    trunk,
                    destination,
                    ..
                } => {
                    let (session, trunk, destination) = (*session, *trunk, *destination);
                    if self.endpoint.is_heard(session) {
                        continue;
                    }
                    self.dead.failed(now, destination, Failure::Silent);
                    self.endpoint.hang_up(now, session);
                    self.disown_session(session);
                    if !self.goes_elsewhere(now, leg, trunk, "no answer at all") {
                        over.push((call, leg));
                    }
                }
                Stage::Up { .. } => {}
            }
        }
        over
    }

    /// The DNS has said something: lines that wait for it look again.
    pub(crate) fn lines_look_again(&mut self, now: Instant) {
        let waiting = |line: &Line| matches!(line.stage, Stage::Waiting { .. });
        let legs: Vec<LegId> = self
            .lines
            .iter()
            .filter(|(_, line)| waiting(line))
            .map(|(leg, _)| *leg)
            .collect();
        for leg in legs {
            self.line_due.insert((now, leg));
        }
    }

    /// The next address, or the next trunk, or a wait for either. False when there is nothing left.
    fn go_on(&mut self, now: Instant, leg: LegId) -> bool {
        let Some(mut line) = self.lines.remove(&leg) else {
            return false;
        };
        let went = self.go_on_with(now, leg, &mut line);
        self.lines.insert(leg, line);
        went
    }

    fn go_on_with(&mut self, now: Instant, leg: LegId, line: &mut Line) -> bool {
        let mut waited = match &line.stage {
            Stage::Waiting { until, .. } if line.called_at < *until => Some(*until),
            _ => None,
        };
        while line.attempts < ATTEMPTS_MAX {
            let Some(&trunk) = line.trunks.front() else {
                return false;
            };
            if line.ways.is_empty() {
                let fresh =
                    line.attempts == 0 || !matches!(&line.stage, Stage::Calling { trunk: at, .. } if *at == trunk);
                match if fresh { self.ways(now, trunk) } else { Some(Vec::new()) } {
                    Some(ways) if !ways.is_empty() && !self.is_full_out(trunk, leg) => line.ways = ways.into(),
                    None if waited.is_none_or(|until| now < until) => {
                        let until = *waited.get_or_insert(now + WAITS_AT_MOST);
                        line.stage = Stage::Waiting { trunk, until };
                        self.line_due.insert((until, leg));
                        return true;
                    }
                    _ => {
                        line.trunks.pop_front();
                        line.in_clear = false;
                        waited = None;
                        continue;
                    }
                }
            }
            let per_s = self
                .config
                .trunks
                .get(trunk)
                .map_or(1, |trunk| trunk.limits.calls_out_per_s);
            let turn = self.trunks.get_mut(trunk).map(|state| state.out_rate.take(now, per_s));
            if let Some(Err(at)) = turn {
                let until = *waited.get_or_insert(now + WAITS_AT_MOST);
                if at > until {
                    line.ways.clear();
                    line.trunks.pop_front();
                    waited = None;
                    continue;
                }
                line.stage = Stage::Waiting { trunk, until };
                self.line_due.insert((at, leg));
                return true;
            }
            let Some((target, destination)) = line.ways.pop_front() else {
                continue;
            };
            line.attempts += 1;
            if let Some(session) = self.call_at(now, leg, line, trunk, target, destination) {
                line.stage = Stage::Calling {
                    session,
                    trunk,
                    target,
                    destination,
                    rang: false,
                };
                line.called_at = now;
                self.line_due.insert((now + SILENT_AFTER, leg));
                return true;
            }
        }
        false
    }

    /// The addresses of a trunk, the living first; `None` while the DNS has not answered.
    fn ways(&mut self, now: Instant, trunk: usize) -> Option<Vec<(usize, Destination)>> {
        let targets = self.config.trunks.get(trunk)?.outbound.as_ref()?.targets.clone();
        let preferences = self.preferences.clone();
        let (mut ways, mut waits) = (Vec::new(), false);
        for (index, target) in targets.iter().enumerate().take(crate::trunk::TARGETS_MAX) {
            let draw = self.draw();
            match self.names.walk(now, target, &preferences, draw) {
                Found::At(found) => {
                    found
                        .iter()
                        .for_each(|destination| self.meet(now, trunk, target, *destination));
                    ways.extend(found.into_iter().map(|destination| (index, destination)));
                }
                Found::NotYet => waits = true,
            }
        }
        if ways.is_empty() && waits {
            return None;
        }
        // Stable: among the living, and among the dead, the order stays.
        ways.sort_by_key(|(_, destination)| {
            let down = self.trunks.get(trunk).is_some_and(|state| state.is_down(*destination));
            (down, self.dead.dead_until(now, *destination))
        });
        Some(ways)
    }

    fn is_full_out(&self, trunk: usize, but: LegId) -> bool {
        let on_it = self
            .lines
            .iter()
            .filter(|(leg, line)| **leg != but && line.trunk() == trunk)
            .count();
        self.config
            .trunks
            .get(trunk)
            .is_none_or(|known| on_it >= known.limits.calls_out_max)
    }

    /// The INVITE itself, as this trunk wants to see it.
    fn call_at(
        &mut self,
        now: Instant,
        leg: LegId,
        line: &mut Line,
        trunk: usize,
        target: usize,
        destination: Destination,
    ) -> Option<sip::SessionId> {
        let known = self.config.trunks.get(trunk)?.clone();
        let outbound = known.outbound.as_ref()?;
        let target = outbound.targets.get(target)?;
        let flow = self.config.flow_to(destination.transport, destination.address)?;
        line.said = self.offer(line.port, &known, line.in_clear);
        let placing = &line.placing;
        // Asked of each trunk anew: what is barred in its country never leaves by it.
        let number = outbound_of(placing.number.expose(), known.country, outbound.crisis_line).ok()?;
        let number = outbound.number_format.write(number.expose(), known.country);
        let user = format!("{}{}", outbound.tech_prefix, number.expose());
        let port = target.port.or(target.host.ip().map(|_| destination.address.port()));
        let mut uri = Uri::sip(Some(&user), target.host.clone(), port);
        if target.secure {
            uri.scheme = Scheme::Sips;
        } else if let Some(transport) = target.transport.filter(|transport| transport.is_reliable()) {
            uri = uri.with_param("transport", &transport.name().to_ascii_lowercase());
        }
        let identity = identity(&known, outbound, placing, self.config.media_address);
        let mut invite = sip::Invite::new(flow, uri, identity.from);
        invite.identity = identity.asserted;
        invite.headers = outbound
            .headers
            .iter()
            .take(crate::trunk::HEADERS_MAX)
            .map(|(name, value)| (name.clone(), value.expose().clone()))
            .collect();
        if let Some(party) = identity.remote_party {
            let value = format!("{};party=calling;screen=yes;privacy=off", party.to_wire());
            invite.headers.push(("Remote-Party-ID".into(), value));
        }
        invite.max_forwards = placing.max_forwards;
        invite.session_timer = Some(known.session_timer.unwrap_or(sip::SessionTimer::OFF));
        invite.body = Some(sip::Body::sdp(line.said.clone()));
        invite.credentials = known.credentials.clone();
        let session = self.endpoint.invite(now, invite);
        self.own_session(session, placing.call, leg);
        Some(session)
    }

    /// The trunks that may call this number: the one the caller came by first, and those that are down last. Why not, when
    /// none may.
    fn outbound_trunks(&self, placing: &Placing) -> Result<VecDeque<usize>, Barred> {
        let (mut able, mut why) = (Vec::new(), None);
        for (index, trunk) in self.config.trunks.iter().enumerate() {
            let Some(outbound) = &trunk.outbound else { continue };
            match outbound_of(placing.number.expose(), trunk.country, outbound.crisis_line) {
                Ok(_) => able.push(index),
                Err(barred) => why = Some(barred),
            }
        }
        if let (true, Some(barred)) = (able.is_empty(), why) {
            return Err(barred);
        }
        able.sort_by_key(|index| {
            let preferred = self
                .config
                .trunks
                .get(*index)
                .is_some_and(|trunk| trunk.id == placing.prefers);
            let down = self.trunks.get(*index).is_some_and(|state| state.reach.is_down());
            (down, !preferred)
        });
        Ok(able.into())
    }
}

/// Who calls, in every header that says so.
struct Identity {
    from: NameAddr,
    asserted: Option<NameAddr>,
    remote_party: Option<NameAddr>,
}

/// The practice's own number, as far as the carrier lets us show it (integrations.md §1.2): it is ours to sign, and a
/// patient's number has no place in a doctor's list of calls.
fn identity(trunk: &Trunk, outbound: &Outbound, placing: &Placing, address: std::net::IpAddr) -> Identity {
    let allowed = |number: &&String| outbound.caller_numbers.is_empty() || outbound.caller_numbers.contains(number);
    let shown = placing.ours.iter().find(allowed).or(outbound.caller_numbers.first());
    let shown = shown.map(String::as_str).unwrap_or("anonymous");
    let host = match &outbound.domain {
        Some(domain) => Host::Name(domain.clone()),
        None => Host::from(address),
    };
    let named = |user: &str| {
        NameAddr::new(Uri::sip(Some(user), host.clone(), None)).with_display(Phi::new(placing.practice.clone()))
    };
    let shows = |header| outbound.caller_id.contains(&header);
    let account = trunk.credentials.as_ref().map(|account| account.username().to_owned());
    let from = match account.filter(|_| !shows(CallerId::From)) {
        Some(account) => named(&account),
        None => named(shown),
    };
    Identity {
        from,
        asserted: shows(CallerId::Asserted).then(|| named(shown)),
        remote_party: shows(CallerId::RemoteParty).then(|| named(shown)),
    }
}
