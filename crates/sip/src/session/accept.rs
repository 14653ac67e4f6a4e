//! The callee's side of a session, up to the ACK (RFC 3261 §13.3).

use std::time::{Duration, Instant};

use super::prack::Reliably;
use super::refresh::Refresh;
use super::{Established, Invited, Ours, Repeated, Session, State, Talk, Unacked, User};
use crate::dialog::Dialog;
use crate::endpoint::{ACCEPT, ALLOW, Endpoint, SUPPORTED};
use crate::event::{Body, Ended, Event, Incoming, Provisional, Ready, Refusal, Reliable, SessionId};
use crate::fault::Fault;
use crate::message::{HeaderName, Request, Response};
use crate::transaction::table::{Arrived, Bytes};
use crate::transport::Flow;

/// RFC 3261 §13.3.1.1: a provisional response is repeated once a minute.
pub(super) const PROVISIONAL_AGAIN: Duration = Duration::from_secs(60);

impl Endpoint {
    /// Tells the caller that somebody is being alerted (180); not one who wants that acknowledged and made no offer, for then it
    /// would have to bring ours (RFC 3262 §5).
    pub fn ring(&mut self, now: Instant, session: SessionId) {
        let ringing = Provisional {
            status: 180,
            body: None,
            reliable: Reliable::IfRequired,
        };
        self.progress(now, session, ringing);
    }

    /// Answers the call. `answer` is the offer itself when the INVITE brought none; then their answer comes with
    /// `Confirmed`. The 200 is repeated until the ACK; without one the session ends in `Ended::NoAck`.
    ///
    /// When a reliable provisional has described the session already, the 200 waits for its PRACK, and for the answer to any
    /// early UPDATE, and carries no description.
    pub fn accept(&mut self, now: Instant, session: SessionId, answer: Body) {
        self.with_session(session, |endpoint, session| {
            if let State::Invited(invited) = &mut session.state {
                invited.accepted.get_or_insert(answer);
                invited.reliably.send_no_more();
                endpoint.accept_next(now, session);
            }
        });
    }

    /// Sends the 2xx the application asked for, when nothing stands in its way.
    pub(super) fn accept_next(&mut self, now: Instant, session: &mut Session) {
        let State::Invited(invited) = &mut session.state else {
            return;
        };
        // RFC 3262 §5: no 2xx while a description of ours waits for its PRACK; RFC 6337 §3.1: nor before an UPDATE's offer
        // has its answer, or nobody could tell which of the two was agreed on.
        let waits = invited.reliably.describes()
            || invited.talk.theirs.is_some()
            || matches!(invited.talk.ours, Ours::Pending { .. } | Ours::Glared { .. });
        if waits {
            return;
        }
        let Some(answer) = invited.accepted.take() else { return };
        let request = &invited.request;
        let (server, source) = (invited.server, invited.source);
        let mut response = self.dialog_response(request, 200, &session.local_tag, invited.flow);
        response.headers.push(HeaderName::Supported, SUPPORTED);
        // RFC 6086 §5.2.2: INFO packages we would take: none.
        response.headers.push(HeaderName::RecvInfo, "");
        let granted = session.timer.grant(&request.headers, None);
        if let Some(granted) = &granted {
            granted.write(&mut response.headers);
        }
        let offer = super::description(&request.headers, &request.body);
        let offered = !invited.talk.settled && offer.is_none();
        if !invited.talk.settled {
            response.set_body(&answer.content_type, answer.bytes.clone());
            if offered {
                invited.talk.said = Some(answer);
            } else {
                invited.talk.agree(Some(answer), offer, true);
            }
        }
        let cseq = request.cseq().map_or(0, |cseq| cseq.number);
        let unpracked = invited.reliably.outstanding().map(|rseq| (rseq, cseq));
        let way = invited.talk.dialog.way();
        let bytes = self.respond(now, server, response);
        self.answered(source);
        let flow = self.transactions.flow(server).unwrap_or(way);
        let unacked = self.unacked(now, cseq, bytes, flow, true, offered);
        let over = super::Over {
            dialog: None,
            abandon: None,
        };
        if let State::Invited(invited) = std::mem::replace(&mut session.state, State::Over(over)) {
            session.state = State::Established(Established {
                talk: invited.talk,
                unacked: vec![unacked],
                hang_up: false,
                refresh: granted.map(|granted| Refresh::new(now, &granted)),
                unpracked,
            });
        }
    }

    /// Turns the call down. A status outside 300-699 is sent as 500.
    pub fn refuse(&mut self, now: Instant, session: SessionId, refusal: Refusal) {
        self.with_session(session, |endpoint, session| {
            endpoint.refuse_incoming(now, session, refusal)
        });
    }

    pub(super) fn refuse_incoming(&mut self, now: Instant, session: &mut Session, refusal: Refusal) {
        let State::Invited(invited) = &session.state else {
            return;
        };
        let status = if (300..700).contains(&refusal.status) {
            refusal.status
        } else {
            500
        };
        let mut response = self.reply(&invited.request, status, &session.local_tag);
        let headers = &mut response.headers;
        if let Some(seconds) = refusal.retry_after_s {
            headers.push(HeaderName::RetryAfter, seconds.to_string());
        }
        if let Some(warning) = refusal.warning {
            headers.push(HeaderName::Warning, format!("399 nightdesk \"{}\"", quoted(warning)));
        }
        if let Some(reason) = refusal.reason {
            headers.push(
                HeaderName::Reason,
                format!("SIP;cause={status};text=\"{}\"", quoted(reason)),
            );
        }
        if status == 415 {
            // RFC 3261 §21.4.13: a 415 says what would have been understood.
            headers.push(HeaderName::Accept, ACCEPT);
        }
        let server = invited.server;
        self.respond(now, server, response);
        self.end(now, session, Ended::ByOurRefusal);
    }

    /// A new call.
    pub(crate) fn invite_received(&mut self, now: Instant, flow: Flow, arrived: Arrived<User>, request: Request) {
        let back = arrived.flow;
        let source = flow.remote.ip();
        let fault = if matches!(self.ready, Ready::Draining { .. }) {
            Some(Fault::Draining)
        } else if self.sessions.len() >= self.config.limits.sessions_max
            || self.unanswered_from(source) >= self.config.limits.pending_per_source_max
        {
            Some(Fault::Exhausted)
        } else if request.max_forwards() == Some(0) {
            // RFC 7332 §4: who may place a call on behalf of this one counts hops as a proxy does.
            Some(Fault::TooManyHops)
        } else if request.contacts().len() != 1 {
            // RFC 3261 §8.1.1.8.
            Some(Fault::Malformed)
        } else if self.config.session_timer.refuses(&request.headers) {
            Some(Fault::SessionIntervalTooSmall)
        } else {
            None
        };
        if let Some(fault) = fault {
            self.refuse_statelessly(back, &request, fault);
            return;
        }
        let tag = self.token();
        let Some(dialog) = Dialog::uas(&request, &tag, flow) else {
            self.refuse_statelessly(back, &request, Fault::Malformed);
            return;
        };
        let id = self.new_session_id();
        let server = self.open(
            Arrived {
                user: User::Incoming(id),
                ..arrived
            },
            &request,
        );
        let random = self.random(u32::MAX - 1);
        let patience = now + self.config.timers.unanswered;
        // RFC 3261 §13.3.1: an Expires that runs out is a 487.
        let expires = request
            .expires()
            .map(|seconds| now + Duration::from_secs(seconds.into()));
        let invited = Invited {
            server,
            flow,
            talk: Talk::new(dialog, &request.headers),
            provisional: None,
            reliably: Reliably::new(&request, random),
            accepted: None,
            expires: expires.map_or(patience, |at| at.min(patience)),
            theirs_expires: expires.is_some_and(|at| at < patience),
            source,
            request,
        };
        let call_id = invited.talk.dialog.call_id.clone();
        let offer = super::description(&invited.request.headers, &invited.request.body);
        let incoming = Incoming {
            flow,
            call_id: call_id.clone(),
            request: invited.request.clone(),
            offer,
        };
        self.unanswered(source);
        let mut session = Session::new(id, &call_id, &tag, State::Invited(invited));
        session.timer = self.config.session_timer;
        self.enter(session);
        self.tell(Event::Incoming {
            session: id,
            invite: incoming,
        });
    }

    /// A 101-299 that sets up a dialog (RFC 3261 §12.1.1).
    pub(super) fn dialog_response(&self, request: &Request, status: u16, tag: &str, flow: Flow) -> Response {
        let mut response = self.reply(request, status, tag);
        response.headers.copy(&request.headers, HeaderName::RecordRoute);
        // RFC 3261 §12.1.1: who called by `sips:` gets a `sips:` Contact.
        let secure = crate::dialog::asks_secure(request);
        response
            .headers
            .push(HeaderName::Contact, self.contact_value(flow, secure));
        response.headers.push(HeaderName::Allow, ALLOW);
        response
    }

    /// A 2xx that has just left for the first time.
    pub(super) fn unacked(
        &self,
        now: Instant,
        cseq: u32,
        bytes: Bytes,
        flow: Flow,
        first: bool,
        offered: bool,
    ) -> Unacked {
        let t1 = self.config.timers.t1;
        Unacked {
            cseq,
            bytes,
            flow,
            resend_at: now + t1,
            interval: t1,
            give_up: now + t1 * 64,
            first,
            offered,
        }
    }

    /// The caller's stream broke before we answered: a CANCEL could no longer reach us, nor our answer him.
    pub(super) fn caller_unreachable(&mut self, now: Instant, session: &mut Session) {
        if matches!(session.state, State::Invited(_)) {
            self.end(now, session, Ended::TransportFailed);
        }
    }

    pub(super) fn invited_time(&mut self, now: Instant, session: &mut Session) {
        let State::Invited(invited) = &mut session.state else {
            return;
        };
        if now >= invited.expires {
            let status = if invited.theirs_expires { 487 } else { 480 };
            self.refuse_incoming(now, session, Refusal::of(status));
            return;
        }
        let Some((provisional, at)) = &mut invited.provisional else {
            return;
        };
        if now < *at {
            return;
        }
        *at = now + PROVISIONAL_AGAIN;
        match provisional {
            Repeated::Plainly(bytes) => {
                let (server, bytes) = (invited.server, bytes.clone());
                if let Some(stepped) = self.transactions.respond(now, server, 180, bytes) {
                    self.carry_out_at(server, stepped);
                }
            }
            // RFC 3262 §3: a provisional that must be acknowledged is never the same twice.
            Repeated::Reliably(status) => {
                let again = Provisional {
                    status: *status,
                    body: None,
                    reliable: Reliable::IfSupported,
                };
                self.tell_progress(now, session, again);
            }
        }
    }

    /// RFC 3261 §13.3.1.4: the 2xx again, on every transport, at T1 doubling to T2, until the ACK or 64*T1.
    pub(super) fn unacked_time(&mut self, now: Instant, session: &mut Session) {
        let State::Established(established) = &mut session.state else {
            return;
        };
        if established.unacked.iter().any(|unacked| now >= unacked.give_up) {
            // The 2xx of a re-INVITE is no different: without its ACK nobody knows what was agreed (§14.2).
            established.unacked.clear();
            let hung_up = established.hang_up;
            self.bye_now(now, session);
            self.end(now, session, if hung_up { Ended::ByOurBye } else { Ended::NoAck });
            return;
        }
        let t2 = self.config.timers.t2;
        let mut again = Vec::new();
        for unacked in established
            .unacked
            .iter_mut()
            .filter(|unacked| now >= unacked.resend_at)
        {
            unacked.interval = (unacked.interval * 2).min(t2);
            unacked.resend_at = now + unacked.interval;
            again.push((unacked.flow, unacked.bytes.clone()));
        }
        for (flow, bytes) in again {
            self.transmit(flow, &bytes);
        }
    }
}

fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}
