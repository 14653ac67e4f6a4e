//! Reliable provisional responses, both roles (RFC 3262): `progress` on the callee's side, PRACK on the caller's.
//!
//! The callee keeps one of them on its way at a time: the next waits for the PRACK of the last. An offer or answer travels in
//! a provisional only reliably (§5), and then the 2xx waits for the PRACK and carries no description of its own.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{By, FORKS_MAX, Fork, Ours, Repeated, Session, State, Talk, Theirs, User};
use crate::dialog::Dialog;
use crate::endpoint::Endpoint;
use crate::event::{Body, Ended, Event, Provisional, Reliable, SessionId};
use crate::fault::Fault;
use crate::message::{HeaderName, Method, Request, Response};
use crate::session::accept::PROVISIONAL_AGAIN;
use crate::transaction::table::{Arrived, Bytes, TransactionId};
use crate::transport::Flow;

/// The option tag (RFC 3262 §8.1).
pub(crate) const OPTION: &str = "100rel";
/// Provisional responses that may wait for the PRACK of the one before.
const PROVISIONALS_MAX: usize = 8;

/// The callee's reliable provisionals.
pub(crate) struct Reliably {
    /// They insist: then every provisional but 100 is reliable (§3).
    required: bool,
    supported: bool,
    /// The RSeq of the next one.
    next: u32,
    outstanding: Option<Outstanding>,
    waiting: VecDeque<(u16, Option<Body>)>,
}

/// A reliable provisional that waits for its PRACK.
struct Outstanding {
    rseq: u32,
    status: u16,
    bytes: Bytes,
    /// It carries the offer or the answer.
    describes: bool,
    resend_at: Instant,
    interval: Duration,
    give_up: Instant,
}

impl Reliably {
    pub(super) fn new(invite: &Request, random: u32) -> Self {
        Self {
            required: invite
                .require()
                .iter()
                .any(|option| option.eq_ignore_ascii_case(OPTION)),
            supported: invite.headers.supports(OPTION),
            // RFC 3262 §3: between 1 and 2^31 - 1, chosen at random; well below, so that it never has to wrap.
            next: 1 + (random & 0x3fff_ffff),
            outstanding: None,
            waiting: VecDeque::new(),
        }
    }

    /// A description of ours is on its way and not acknowledged: the 2xx and further offers wait for the PRACK (§5).
    pub(super) fn describes(&self) -> bool {
        self.outstanding
            .as_ref()
            .is_some_and(|outstanding| outstanding.describes)
    }

    /// The final response is on its way: what waits behind the last provisional has nothing to say any more.
    pub(super) fn send_no_more(&mut self) {
        self.waiting.clear();
    }

    /// The RSeq that still waits for its PRACK.
    pub(super) fn outstanding(&self) -> Option<u32> {
        self.outstanding.as_ref().map(|outstanding| outstanding.rseq)
    }

    pub(super) fn due(&self) -> Option<Instant> {
        self.outstanding
            .as_ref()
            .map(|outstanding| outstanding.resend_at.min(outstanding.give_up))
    }
}

// The callee.
impl Endpoint {
    /// Tells the caller how his call is getting on: 180 or 183, with early media when there is a body. The body is the answer
    /// that `accept` will give, or our offer when their INVITE had none; once a reliable response carried it, the 2xx does not.
    pub fn progress(&mut self, now: Instant, session: SessionId, provisional: Provisional) {
        self.with_session(session, |endpoint, session| {
            endpoint.tell_progress(now, session, provisional)
        });
    }

    pub(super) fn tell_progress(&mut self, now: Instant, session: &mut Session, provisional: Provisional) {
        let State::Invited(invited) = &mut session.state else {
            return;
        };
        if invited.accepted.is_some() || !(101..200).contains(&provisional.status) {
            return;
        }
        let reliably = &mut invited.reliably;
        let reliable = reliably.required || (reliably.supported && provisional.reliable == Reliable::IfSupported);
        let late = super::description(&invited.request.headers, &invited.request.body).is_none();
        let described =
            invited.talk.settled || reliably.describes() || reliably.waiting.iter().any(|(_, body)| body.is_some());
        let Provisional { status, body, .. } = provisional;
        // §5: to an INVITE without an offer the first reliable response brings ours. What has none to bring is sent unreliably,
        // and not at all to who insists.
        let brings_none = late && !described && body.is_none();
        if brings_none && reliably.required {
            return;
        }
        let reliable = reliable && !brings_none;
        let body = body.filter(|_| !described && (reliable || !late));
        if reliable {
            if reliably.waiting.len() >= PROVISIONALS_MAX {
                // What carries a description stays; of the others the oldest has least to say.
                let oldest = reliably.waiting.iter().position(|(_, body)| body.is_none());
                let _ = oldest.and_then(|index| reliably.waiting.remove(index));
            }
            reliably.waiting.push_back((status, body));
            self.next_reliable(now, session);
            return;
        }
        let mut response = self.dialog_response(&invited.request, status, &session.local_tag, invited.flow);
        if let Some(body) = body {
            response.set_body(&body.content_type, body.bytes);
        }
        let server = invited.server;
        let bytes = self.respond(now, server, response);
        if let State::Invited(invited) = &mut session.state {
            invited.provisional = Some((Repeated::Plainly(bytes), now + PROVISIONAL_AGAIN));
        }
    }

    /// Sends the reliable provisional that waits, when the last one has its PRACK.
    pub(super) fn next_reliable(&mut self, now: Instant, session: &mut Session) {
        let State::Invited(invited) = &mut session.state else {
            return;
        };
        if invited.reliably.outstanding.is_some() {
            return;
        }
        let Some((status, body)) = invited.reliably.waiting.pop_front() else {
            return;
        };
        let rseq = invited.reliably.next;
        invited.reliably.next += 1;
        let mut response = self.dialog_response(&invited.request, status, &session.local_tag, invited.flow);
        response.headers.push(HeaderName::Require, OPTION);
        response.headers.push(HeaderName::RSeq, rseq.to_string());
        let describes = body.is_some();
        if let Some(body) = &body {
            response.set_body(&body.content_type, body.bytes.clone());
        }
        if describes {
            invited.talk.said = body;
        }
        let server = invited.server;
        let bytes = self.respond(now, server, response);
        let t1 = self.config.timers.t1;
        if let State::Invited(invited) = &mut session.state {
            invited.provisional = Some((Repeated::Reliably(status), now + PROVISIONAL_AGAIN));
            invited.reliably.outstanding = Some(Outstanding {
                rseq,
                status,
                bytes,
                describes,
                resend_at: now + t1,
                interval: t1,
                give_up: now + t1 * 64,
            });
        }
    }

    /// §3: again at T1, doubling without a ceiling, until the PRACK; after 64*T1 the INVITE is refused.
    pub(super) fn prack_time(&mut self, now: Instant, session: &mut Session) {
        let State::Invited(invited) = &mut session.state else {
            return;
        };
        let server = invited.server;
        let Some(outstanding) = &mut invited.reliably.outstanding else {
            return;
        };
        if now >= outstanding.give_up {
            let response = self.refusal(&invited.request, Fault::NotAcknowledged, &session.local_tag);
            self.respond(now, server, response);
            self.end(now, session, Ended::NoAck);
            return;
        }
        if now >= outstanding.resend_at {
            outstanding.interval *= 2;
            outstanding.resend_at = now + outstanding.interval;
            let (status, bytes) = (outstanding.status, outstanding.bytes.clone());
            if let Some(stepped) = self.transactions.respond(now, server, status, bytes) {
                self.carry_out_at(server, stepped);
            }
        }
    }

    /// A PRACK of theirs, in order and from the peer.
    pub(crate) fn prack_received(
        &mut self,
        now: Instant,
        session: &mut Session,
        arrived: Arrived<User>,
        request: Request,
    ) {
        let tag = session.local_tag.clone();
        let Some((rseq, acknowledged)) = request.rack() else {
            self.refuse_request(now, arrived, &request, Fault::Malformed, &tag);
            return;
        };
        let of = (rseq, acknowledged.number);
        let body = super::description(&request.headers, &request.body);
        let State::Invited(invited) = &mut session.state else {
            if let State::Established(established) = &mut session.state
                && acknowledged.method == Method::Invite
                && established.unpracked.take_if(|awaited| *awaited == of).is_some()
                && body.is_none()
            {
                // §3: whoever answers before the PRACK came is still prepared for it.
                self.answer_prack(now, arrived, &request, &tag);
            } else {
                self.refuse_request(now, arrived, &request, Fault::NoSuchTransaction, &tag);
            }
            return;
        };
        let cseq = invited.request.cseq().map_or(0, |cseq| cseq.number);
        let matches = acknowledged.method == Method::Invite
            && acknowledged.number == cseq
            && invited.reliably.outstanding() == Some(rseq);
        if !matches {
            self.refuse_request(now, arrived, &request, Fault::NoSuchTransaction, &tag);
            return;
        }
        let offer_of_theirs = super::description(&invited.request.headers, &invited.request.body);
        let describes = invited.reliably.describes();
        let late = offer_of_theirs.is_none();
        let answers = describes && late;
        if body.is_some() && !answers && !(describes || invited.talk.settled) {
            // §5: no new offer before the first has its answer. The provisional is not acknowledged by what is refused.
            self.refuse_request(now, arrived, &request, Fault::Overlapping, &tag);
            return;
        }
        invited.reliably.outstanding = None;
        if describes {
            let said = invited.talk.said.take();
            let heard = if late { body.clone() } else { offer_of_theirs };
            invited.talk.agree(said, heard, !late);
        }
        match body {
            Some(offer) if !answers => self.take_offer(now, session, arrived, request, Some(offer)),
            body => {
                self.answer_prack(now, arrived, &request, &tag);
                if answers {
                    self.tell(Event::OfferAnswered {
                        session: session.id,
                        status: 200,
                        body,
                    });
                }
            }
        }
        self.next_reliable(now, session);
        self.accept_next(now, session);
        self.modify_next(now, session);
    }

    fn answer_prack(&mut self, now: Instant, arrived: Arrived<User>, request: &Request, tag: &str) {
        let response = self.reply(request, 200, tag);
        let server = self.open(arrived, request);
        self.respond(now, server, response);
    }
}

/// What a provisional response turned out to be.
pub(super) enum Heard {
    /// News, with the description it is to be told with.
    News(Option<Body>),
    /// A repetition, or one that came before its time (§4: it is not acknowledged, and so it will come again).
    Nothing,
}

// The caller.
impl Endpoint {
    /// A provisional response above 100 to our first INVITE: it makes or moves an early dialog, and is acknowledged when it
    /// asks to be.
    pub(super) fn provisional_received(
        &mut self,
        now: Instant,
        session: &mut Session,
        client: TransactionId,
        flow: Flow,
        response: &Response,
    ) -> Heard {
        let body = super::description(&response.headers, &response.body);
        let rseq = asks_for_prack(response);
        let id = session.id;
        let State::Calling(calling) = &mut session.state else {
            return Heard::Nothing;
        };
        let early_media = body.clone().filter(|_| calling.offer.is_some());
        let Some(tag) = response.to_tag() else {
            return Heard::News(early_media);
        };
        if !calling.forks.iter().any(|fork| fork.talk.dialog.remote_tag == tag) {
            let dialog = self
                .transactions
                .request(client)
                .and_then(|invite| Dialog::uac(invite, &response.headers, flow));
            let Some(dialog) = dialog.filter(|_| calling.forks.len() < FORKS_MAX) else {
                return Heard::News(early_media);
            };
            calling.forks.push(Fork {
                talk: Talk::new(dialog, &response.headers),
                rseq: None,
            });
        }
        let offered = calling.offer.clone();
        let Some(fork) = calling.forks.iter_mut().find(|fork| fork.talk.dialog.remote_tag == tag) else {
            return Heard::Nothing;
        };
        let Some(rseq) = rseq else {
            fork.talk.learn(&response.headers);
            return Heard::News(early_media.filter(|_| !fork.talk.settled));
        };
        // §4: "MUST NOT be acknowledged" unless it is the next; the one acknowledged last is repeated because its PRACK is
        // still on its way, and that repeats itself.
        if fork.rseq.is_some_and(|last| rseq != last.wrapping_add(1)) {
            return Heard::Nothing;
        }
        fork.rseq = Some(rseq);
        fork.talk.learn(&response.headers);
        let mut told = None;
        match (body, offered) {
            (Some(answer), Some(offer)) if !fork.talk.settled => {
                fork.talk.agree(Some(offer), Some(answer.clone()), false);
                told = Some(answer);
            }
            (Some(offer), None) if !fork.talk.settled && fork.talk.theirs.is_none() => {
                // §5: the answer to an offer in a reliable provisional goes into its PRACK.
                let name = self.new_offer_id();
                fork.talk.theirs = Some(Theirs {
                    offer: name,
                    body: Some(offer.clone()),
                    by: By::Provisional { rseq },
                    give_up: now + self.config.timers.offer,
                });
                self.tell(Event::Progress {
                    session: id,
                    status: response.status.code(),
                    body: None,
                });
                self.tell(Event::Offered {
                    session: id,
                    offer: name,
                    body: Some(offer),
                });
                return Heard::Nothing;
            }
            // RFC 3261 §13.2.1: once there is an answer, a description in any further response is ignored.
            _ => {}
        }
        self.send_prack(now, session, &tag, rseq, None);
        self.modify_next(now, session);
        Heard::News(told)
    }

    /// A reliable provisional to a re-INVITE of ours: it is acknowledged, and its answer is kept for the 2xx.
    pub(super) fn reinvite_provisional(
        &mut self,
        now: Instant,
        session: &mut Session,
        client: TransactionId,
        response: &Response,
    ) {
        let (Some(rseq), State::Established(established)) = (asks_for_prack(response), &mut session.state) else {
            return;
        };
        let tag = established.talk.dialog.remote_tag.clone();
        let last = match (&mut established.talk.ours, &mut established.refresh) {
            (
                Ours::Pending {
                    client: pending,
                    rseq: last,
                    answer,
                    ..
                },
                _,
            ) if *pending == client => {
                if last.is_none_or(|last| rseq == last.wrapping_add(1)) && answer.is_none() {
                    *answer = super::description(&response.headers, &response.body);
                }
                last
            }
            (_, Some(refresh)) => match refresh.provisional_of(client) {
                Some(last) => last,
                None => return,
            },
            _ => return,
        };
        if last.is_some_and(|last| rseq != last.wrapping_add(1)) {
            return;
        }
        *last = Some(rseq);
        let invite = self.transactions.request(client).and_then(|invite| invite.cseq());
        let Some(invite) = invite else { return };
        self.prack(now, session, &tag, rseq, invite.number, None);
    }

    /// Acknowledges a reliable provisional of our first INVITE; `body` is our answer when it carried the offer.
    pub(super) fn send_prack(&mut self, now: Instant, session: &mut Session, tag: &str, rseq: u32, body: Option<Body>) {
        let State::Calling(calling) = &session.state else {
            return;
        };
        let cseq = self
            .transactions
            .request(calling.client)
            .and_then(|invite| invite.cseq());
        let Some(cseq) = cseq else { return };
        self.prack(now, session, tag, rseq, cseq.number, body);
    }

    fn prack(&mut self, now: Instant, session: &mut Session, tag: &str, rseq: u32, invite: u32, body: Option<Body>) {
        let user = User::Prack(session.id);
        let Some(dialog) = session.dialog_with(tag) else { return };
        let cseq = dialog.next_cseq();
        let flow = dialog.way();
        let mut request = dialog.request(Method::Prack, cseq);
        request
            .headers
            .push(HeaderName::RAck, format!("{rseq} {invite} INVITE"));
        if let Some(body) = body {
            request.set_body(&body.content_type, body.bytes);
        }
        self.send_for(now, session, flow, user, request);
    }
}

/// The RSeq of a response that asks to be acknowledged (§4): above 100, with 100rel in its Require.
fn asks_for_prack(response: &Response) -> Option<u32> {
    let status = response.status.code();
    let asked = response
        .require()
        .iter()
        .any(|option| option.eq_ignore_ascii_case(OPTION));
    response.rseq().filter(|_| asked && (101..200).contains(&status))
}
