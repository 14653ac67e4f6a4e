//! The callee's side of a session, up to the ACK (RFC 3261 §13.3).

use std::time::{Duration, Instant};

use super::{Established, Invited, Ours, Repeated, Session, State, Unacked, User};
use crate::dialog::Dialog;
use crate::endpoint::{ACCEPT, ALLOW, Endpoint, SUPPORTED};
use crate::event::{Body, Ended, Event, Incoming, Ready, Refusal, SessionId};
use crate::fault::Fault;
use crate::message::{HeaderName, Request, Response};
use crate::transaction::table::{Arrived, Bytes};
use crate::transport::Flow;

/// RFC 3261 §13.3.1.1: a provisional response is repeated once a minute.
const PROVISIONAL_AGAIN: Duration = Duration::from_secs(60);

impl Endpoint {
    /// Tells the caller that somebody is being alerted (180).
    pub fn ring(&mut self, now: Instant, session: SessionId) {
        self.with_session(session, |endpoint, session| {
            let State::Invited(invited) = &session.state else {
                return;
            };
            let response = endpoint.dialog_response(&invited.request, 180, &session.local_tag, invited.flow);
            let server = invited.server;
            let bytes = endpoint.respond(now, server, response);
            if let State::Invited(invited) = &mut session.state {
                invited.provisional = Some((Repeated(bytes), now + PROVISIONAL_AGAIN));
            }
        });
    }

    /// Answers the call. `answer` is the offer itself when the INVITE brought none; then their answer comes with
    /// `Confirmed`. The 200 is repeated until the ACK; without one the session ends in `Ended::NoAck`.
    pub fn accept(&mut self, now: Instant, session: SessionId, answer: Body) {
        self.with_session(session, |endpoint, session| {
            let State::Invited(invited) = &session.state else {
                return;
            };
            let mut response = endpoint.dialog_response(&invited.request, 200, &session.local_tag, invited.flow);
            response.headers.push(HeaderName::Supported, SUPPORTED);
            response.set_body(&answer.content_type, answer.bytes);
            let (server, source) = (invited.server, invited.source);
            let offered = invited.request.body.is_empty();
            let cseq = invited.request.cseq().map_or(0, |cseq| cseq.number);
            let dialog = invited.dialog.clone();
            let bytes = endpoint.respond(now, server, response);
            endpoint.answered(source);
            let flow = endpoint.transactions.flow(server).unwrap_or_else(|| dialog.way());
            let unacked = endpoint.unacked(now, cseq, bytes, flow, true, offered);
            session.state = State::Established(Established {
                dialog,
                unacked: vec![unacked],
                ours: Ours::Idle,
                theirs: None,
                hang_up: false,
            });
        });
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
        let patience = now + self.config.timers.unanswered;
        // RFC 3261 §13.3.1: an Expires that runs out is a 487.
        let expires = request
            .expires()
            .map(|seconds| now + Duration::from_secs(seconds.into()));
        let invited = Invited {
            server,
            flow,
            dialog,
            provisional: None,
            expires: expires.map_or(patience, |at| at.min(patience)),
            theirs_expires: expires.is_some_and(|at| at < patience),
            source,
            request,
        };
        let call_id = invited.dialog.call_id.clone();
        let offer = super::body(&invited.request.headers, &invited.request.body);
        let incoming = Incoming {
            flow,
            call_id: call_id.clone(),
            request: invited.request.clone(),
            offer,
        };
        self.unanswered(source);
        self.enter(Session::new(id, &call_id, &tag, State::Invited(invited)));
        self.tell(Event::Incoming {
            session: id,
            invite: incoming,
        });
    }

    /// A 101-299 that sets up a dialog (RFC 3261 §12.1.1).
    pub(super) fn dialog_response(&self, request: &Request, status: u16, tag: &str, flow: Flow) -> Response {
        let mut response = self.reply(request, status, tag);
        response.headers.copy(&request.headers, HeaderName::RecordRoute);
        response
            .headers
            .push(HeaderName::Contact, self.contact_value(flow, false));
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
        if let Some((provisional, at)) = &mut invited.provisional
            && now >= *at
        {
            *at = now + PROVISIONAL_AGAIN;
            let (server, bytes) = (invited.server, provisional.0.clone());
            if let Some(stepped) = self.transactions.respond(now, server, 180, bytes) {
                self.carry_out_at(server, stepped);
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
