//! An INVITE at the door: who brings it, whose number it calls, whether there is room, and whether it has been here before.
//!
//! Nobody but a trunk begins a call. A trunk is known by where its signalling comes from, by the name its TLS client proved,
//! or by the answer to our challenge; whoever is none of these gets nothing, or one refusal that is the same for everybody.
//! A refusal that is our own trouble is always a 503: 486 and 603 would keep the carrier from trying the other site.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use phi::Phi;
use sip::digest::Proof;
use sip::fault::Fault;
use sip::identity::{Caller, Reading, called};

use super::trunks::Standing;
use super::{Desk, PORTS_FOR_PEOPLE, refusal};
use crate::call::Call;
use crate::door::{CallId, Released};
use crate::fact::Fact;

/// Calls remembered to know one that comes twice; beyond it the oldest is forgotten.
const ARRIVED_MAX: usize = 4_096;
/// `this number called in the last hour`: so long, and so many numbers at most; beyond it the oldest is forgotten.
const LATELY: Duration = Duration::from_secs(60 * 60);
const LATELY_MAX: usize = 4_096;
/// A call from our own number so soon after we rang somebody is that very call, forwarded back to us.
const LOOP_WITHIN: Duration = Duration::from_secs(10);
/// Requests that somebody may send who has yet to prove who he is, and responses.
const BEFORE_PROOF: [&[u8]; 8] = [
    b"INVITE ",
    b"ACK ",
    b"CANCEL ",
    b"BYE ",
    b"PRACK ",
    b"UPDATE ",
    b"INFO ",
    b"SIP/2.0 ",
];

/// Whom an INVITE calls.
enum Called {
    /// A number of a practice, that practice, and the line's name.
    Line(String, Released, String),
    /// The number of its trunk's report card.
    ReportCard,
}

/// A call that was admitted a moment ago.
pub(super) struct Arrived {
    at: Instant,
    trunk: usize,
    edge: IpAddr,
    from: Phi<String>,
    to: String,
    call: CallId,
}

/// A number that called a practice, as long as flows may ask for it.
pub(super) struct Lately {
    at: Instant,
    practice: String,
    number: Phi<String>,
}

impl Desk {
    /// Whether a message is worth parsing, by where it comes from.
    pub(super) fn may_speak(&self, flow: &sip::Flow, bytes: &[u8]) -> bool {
        match self.wires.standing(flow) {
            Standing::Stranger => false,
            Standing::Host => true,
            Standing::Trunks(trunks) => {
                // Where anybody could have sent it, nothing is told to whoever only asks.
                trunks.iter().any(|trunk| !self.must_prove(*trunk))
                    || BEFORE_PROOF.iter().any(|beginning| bytes.starts_with(beginning))
            }
        }
    }

    pub(super) fn must_prove(&self, trunk: usize) -> bool {
        let trunk = self.wires.config.trunks.get(trunk);
        trunk.is_some_and(|trunk| trunk.inbound_digest.is_some())
    }

    pub(super) fn incoming(&mut self, now: Instant, session: sip::SessionId, invite: sip::Incoming) {
        let wall = self.wires.wall(now);
        let Some(trunk) = self.trunk_behind(now, session, &invite) else {
            return;
        };
        let Some(known) = self.wires.config.trunks.get(trunk) else {
            return;
        };
        let (name, country, limits) = (known.id.clone(), known.country, known.limits);
        let edge = invite.flow.remote.ip();
        let (merges_within, believes) = (known.merges_within, known.believes_verdict);
        let card = known.report_card.clone();
        let found = called(&invite.request, country).into_iter().find_map(|number| {
            // A practice comes first, whatever the configuration says: no patient shall get a report card.
            if let Some((released, line)) = self.lines.get(number.expose()) {
                return Some(Called::Line(number.into_exposed(), released.clone(), line.clone()));
            }
            (Some(&number) == card.as_ref()).then_some(Called::ReportCard)
        });
        let (line, wants_card) = match found {
            Some(Called::Line(number, released, line)) => (Some((number, released, line)), false),
            Some(Called::ReportCard) => (None, true),
            None => (None, false),
        };
        let reading = Reading {
            trusted: true,
            home: country,
            ..Reading::default()
        };
        let seen = Caller::read(&invite.request, &reading);
        // Who withholds a number from the practice still has one, and it tells two calls apart.
        let from = seen.number.clone().or(seen.withheld.clone());
        let from = from.filter(|number| !self.lines.contains_key(number.expose()));
        if let (Some((number, ..)), Some(from)) = (&line, &from)
            && self.is_here_already(now, trunk, merges_within, edge, from, number)
        {
            self.wires
                .endpoint
                .refuse(now, session, refusal(Fault::Merged, self.wires.config.retry_after_s));
            self.wires.fact(None, wall, Fact::CallMerged { trunk: name });
            return;
        }
        let overloaded = self.media_load_percent >= self.wires.config.media_load_max_percent;
        let in_rate = self.wires.trunks.get_mut(trunk).map(|state| &mut state.in_rate);
        let fault = if self.draining {
            Some(Fault::Draining)
        } else if in_rate.is_some_and(|rate| rate.take(now, limits.calls_in_per_s).is_err())
            || self.calls_in(trunk, &name) >= limits.calls_in_max
        {
            Some(Fault::TrunkFull)
        } else if self.calls.len() + self.visits.len() >= self.wires.config.calls_max {
            Some(Fault::Exhausted)
        } else if overloaded || self.wires.ports.len() <= PORTS_FOR_PEOPLE {
            Some(Fault::NoMedia)
        } else if self.has_come_back(now, &seen) {
            Some(Fault::Looped)
        } else {
            None
        };
        if let Some(fault) = fault {
            return self.refuse(now, wall, session, trunk, fault);
        }
        if wants_card {
            if let Err(fault) = self.visit(now, trunk, session, &invite) {
                self.refuse(now, wall, session, trunk, fault);
            }
            return;
        }
        let Some((number, released, line)) = line else {
            return self.refuse(now, wall, session, trunk, Fault::UnknownNumber);
        };
        let practice = &released.practice.name;
        if self.calls_of(|call| call.practice() == practice) >= self.wires.config.calls_per_practice_max {
            return self.refuse(now, wall, session, trunk, Fault::PracticeFull);
        }
        let id = CallId(self.wires.draw());
        if let Some(from) = from {
            self.arrived.truncate(ARRIVED_MAX - 1);
            self.arrived.push_front(Arrived {
                at: now,
                trunk,
                edge,
                from,
                to: number,
                call: id,
            });
        }
        // A caller who seems to call from the practice is somebody whose carrier shows the practice's number for all.
        let caller = seen.number.filter(|number| !self.lines.contains_key(number.expose()));
        let verdict = Some(seen.verdict).filter(|_| believes);
        let called_lately = caller
            .as_ref()
            .filter(|_| released.in_service)
            .map(|number| self.called_lately(now, &released.practice.name, number));
        let arrival = crate::call::Arrival {
            id,
            session,
            invite,
            trunk: name.clone(),
            released,
            line,
            caller,
            verdict,
            called_lately,
        };
        let admitted = catch_unwind(AssertUnwindSafe(|| Call::admit(now, &mut self.wires, arrival)));
        match admitted {
            Ok(Ok(call)) => {
                self.calls.insert(id, call);
                self.with_call(now, id, |call, wires| call.begin(now, wires));
            }
            Ok(Err(fault)) => self.refuse(now, wall, session, trunk, fault),
            Err(_) => self.refuse(now, wall, session, trunk, Fault::Internal),
        }
    }

    /// Whether this number called this practice in the last hour; from now on it has.
    fn called_lately(&mut self, now: Instant, practice: &str, number: &Phi<String>) -> bool {
        self.lately
            .retain(|call| now.saturating_duration_since(call.at) < LATELY);
        let before = self
            .lately
            .iter()
            .any(|call| call.practice == practice && call.number == *number);
        self.lately.truncate(LATELY_MAX - 1);
        self.lately.push_front(Lately {
            at: now,
            practice: practice.to_owned(),
            number: number.clone(),
        });
        before
    }

    /// The trunk that brings a call. Who cannot be believed is refused here.
    fn trunk_behind(&mut self, now: Instant, session: sip::SessionId, invite: &sip::Incoming) -> Option<usize> {
        let standing = self.wires.standing(&invite.flow);
        let trunks = match standing {
            Standing::Trunks(trunks) => trunks,
            // A host we call may talk within our calls, not begin its own.
            Standing::Host | Standing::Stranger => Vec::new(),
        };
        if let Some(trunk) = trunks.iter().find(|trunk| !self.must_prove(**trunk)) {
            return Some(*trunk);
        }
        if !trunks.is_empty() {
            return self.proved(now, session, invite, &trunks);
        }
        let retry_after_s = self.wires.config.retry_after_s;
        self.wires
            .endpoint
            .refuse(now, session, refusal(Fault::Stranger, retry_after_s));
        None
    }

    /// The trunk whose account a caller proves to know. Whoever proves nothing is asked, or refused like a stranger.
    fn proved(
        &mut self,
        now: Instant,
        session: sip::SessionId,
        invite: &sip::Incoming,
        trunks: &[usize],
    ) -> Option<usize> {
        let source = invite.flow.remote.ip();
        let mut asks = None;
        for index in trunks {
            let digest = self
                .wires
                .config
                .trunks
                .get(*index)
                .and_then(|trunk| trunk.inbound_digest.as_ref());
            let gate = self.wires.trunks.get_mut(*index).and_then(|state| state.gate.as_mut());
            let (Some(digest), Some(gate)) = (digest, gate) else {
                continue;
            };
            match gate.check(now, source, &invite.request, &digest.accounts) {
                Proof::Of(_) => return Some(*index),
                Proof::Missing => {
                    asks.get_or_insert((*index, false));
                }
                // The password is right: only the nonce has to be another one.
                Proof::Stale => asks = Some((*index, true)),
                Proof::Wrong => {}
            }
        }
        let gate = asks.and_then(|(index, stale)| Some((self.wires.trunks.get_mut(index)?.gate.as_mut()?, stale)));
        match gate {
            Some((gate, stale)) => {
                let challenges = gate.challenges(now, source, stale);
                self.wires.endpoint.challenge(now, session, &challenges);
            }
            None => {
                let retry_after_s = self.wires.config.retry_after_s;
                self.wires
                    .endpoint
                    .refuse(now, session, refusal(Fault::Stranger, retry_after_s));
            }
        }
        None
    }

    /// The same call by another edge of the same carrier, with another Call-ID (integrations.md §1.3). Two callers who
    /// withhold their number are two callers, and so are two nurses of one hospital who come by the same edge.
    fn is_here_already(
        &mut self,
        now: Instant,
        trunk: usize,
        within: Duration,
        edge: IpAddr,
        from: &Phi<String>,
        to: &str,
    ) -> bool {
        let longest = self.wires.config.trunks.iter().map(|trunk| trunk.merges_within).max();
        let longest = longest.unwrap_or_default();
        // The newest stands in front.
        let over = |arrived: &Arrived| now.saturating_duration_since(arrived.at) >= longest;
        while self.arrived.back().is_some_and(over) {
            self.arrived.pop_back();
        }
        let same = |arrived: &&Arrived| {
            arrived.trunk == trunk
                && arrived.edge != edge
                && arrived.to == to
                && arrived.from == *from
                && now.saturating_duration_since(arrived.at) < within
        };
        let calls = &self.calls;
        // Who hung up and calls again is a new caller.
        let here = |arrived: &Arrived| calls.get(&arrived.call).is_some_and(|call| call.has_caller());
        self.arrived.iter().filter(same).any(here)
    }

    /// A call of ours to somebody whose phone forwards to the practice, and so to us. Refused, the ladder goes on to the
    /// next person at once, where answered it would hear our own greeting. A patient's call must never be taken for one: so
    /// it takes a phone that rings for us now, and the forwarding said so or our own number calling.
    fn has_come_back(&self, now: Instant, seen: &Caller) -> bool {
        let caller = seen.number.as_ref().or(seen.withheld.as_ref());
        let diverted = &seen.diverted_from;
        self.wires
            .lines
            .values()
            .filter(|line| !line.is_answered())
            .any(|line| {
                let placing = line.placing();
                let ours = caller.is_none_or(|caller| placing.ours.contains(caller.expose()));
                let said = diverted.contains(&placing.number);
                let soon = now.saturating_duration_since(line.called_at) < LOOP_WITHIN;
                ours && (said || (diverted.is_empty() && caller.is_some() && placing.caller_known && soon))
            })
    }

    /// Refuses an INVITE as the table of faults says, and puts it in the book: no call is lost in silence.
    fn refuse(&mut self, now: Instant, wall: Timestamp, session: sip::SessionId, trunk: usize, fault: Fault) {
        self.wires
            .endpoint
            .refuse(now, session, refusal(fault, self.wires.config.retry_after_s));
        if let Some(state) = self.wires.trunks.get_mut(trunk) {
            state.count_refusal(fault);
        }
        let known = self.wires.config.trunks.get(trunk);
        let trunk = known.map(|trunk| trunk.id.clone()).unwrap_or_default();
        let fact = Fact::CallRefused {
            trunk: trunk.clone(),
            status: fault.status(),
            why: fault.why().to_owned(),
        };
        self.wires.fact(None, wall, fact);
        if fault == Fault::NotProtected {
            let alarm = Fact::Alarm {
                trunk,
                what: "it offers plain audio where encryption is required; its calls are refused".to_owned(),
            };
            self.wires.fact(None, wall, alarm);
        }
    }
}
