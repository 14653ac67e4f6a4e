//! Offers within a session: re-INVITE and UPDATE, both ways, and what happens when they meet (RFC 3261 §14, RFC 3311).
//!
//! We make ours by re-INVITE, because a trunk whose Allow has no UPDATE is common and one without re-INVITE is not.

use std::time::{Duration, Instant};

use super::{Ours, Session, State, Theirs, User};
use crate::endpoint::Endpoint;
use crate::endpoint::{ALLOW, SUPPORTED};
use crate::event::{Body, Ended, Event, Misuse, OfferId, SessionId};
use crate::fault::Fault;
use crate::message::{HeaderName, Method, Request, Response};
use crate::transaction::table::{Arrived, TransactionId};

impl Endpoint {
    /// Offers a change: hold, resume, another codec. `OfferAnswered` tells what came of it; when theirs and ours meet
    /// (491), ours is tried again inside.
    pub fn reinvite(&mut self, now: Instant, session: SessionId, offer: Body) -> Result<(), Misuse> {
        self.with_session(session, |endpoint, session| {
            let established = match &mut session.state {
                State::Established(established) if !established.hang_up => established,
                State::Over(_) => return Err(Misuse::NoSession),
                _ => return Err(Misuse::NotEstablished),
            };
            if !matches!(established.ours, Ours::Idle) {
                return Err(Misuse::OfferOutstanding);
            }
            established.ours = Ours::Queued { offer, tries: 0 };
            endpoint.modify_next(now, session);
            Ok(())
        })
        .unwrap_or(Err(Misuse::NoSession))
    }

    /// Answers an offer of theirs; when the offer was empty, `answer` is our offer and theirs comes with `OfferAnswered`.
    /// An offer that is no longer pending (cancelled, timed out, hung up) is passed over.
    pub fn answer_offer(&mut self, now: Instant, session: SessionId, offer: OfferId, answer: Body) {
        self.with_session(session, |endpoint, session| {
            let State::Established(established) = &mut session.state else {
                return;
            };
            let Some(theirs) = established.theirs.take_if(|theirs| theirs.offer == offer) else {
                return;
            };
            // RFC 3261 §12.2.2: a target refresh takes effect with the 2xx.
            established.dialog.refresh_target(&theirs.request.headers);
            let back = endpoint
                .transactions
                .flow(theirs.server)
                .unwrap_or_else(|| established.dialog.way());
            let mut response = endpoint.target_response(&theirs.request, &session.local_tag, back);
            response.set_body(&answer.content_type, answer.bytes);
            let bytes = endpoint.respond(now, theirs.server, response);
            if theirs.request.method == Method::Invite {
                let cseq = theirs.request.cseq().map_or(0, |cseq| cseq.number);
                let offered = theirs.request.body.is_empty();
                let unacked = endpoint.unacked(now, cseq, bytes, back, false, offered);
                if let State::Established(established) = &mut session.state {
                    established.unacked.push(unacked);
                }
            }
            endpoint.modify_next(now, session);
        });
    }

    /// Turns an offer of theirs down; the session goes on as it was (RFC 3261 §14.2).
    pub fn refuse_offer(&mut self, now: Instant, session: SessionId, offer: OfferId, status: u16) {
        self.with_session(session, |endpoint, session| {
            let State::Established(established) = &mut session.state else {
                return;
            };
            let Some(theirs) = established.theirs.take_if(|theirs| theirs.offer == offer) else {
                return;
            };
            endpoint.refuse_theirs(now, session, &theirs, status);
        });
    }

    fn refuse_theirs(&mut self, now: Instant, session: &mut Session, theirs: &Theirs, status: u16) {
        let status = if (300..700).contains(&status) { status } else { 500 };
        let response = self.reply(&theirs.request, status, &session.local_tag);
        self.respond(now, theirs.server, response);
        self.modify_next(now, session);
    }

    /// A re-INVITE or UPDATE of theirs, in order and from the peer.
    pub(crate) fn offer_received(
        &mut self,
        now: Instant,
        session: &mut Session,
        arrived: Arrived<User>,
        request: Request,
    ) {
        let is_invite = request.method == Method::Invite;
        let offers = !request.body.is_empty();
        let established = match &mut session.state {
            State::Established(established) => established,
            State::Invited(_) if !is_invite && !offers => {
                self.answer_update(now, session, arrived, &request);
                return;
            }
            // RFC 3261 §14.2 and RFC 3311 §5.2: their INVITE's own offer is not answered yet.
            State::Invited(_) => {
                self.refuse_request(now, arrived, &request, Fault::Overlapping, &session.local_tag);
                return;
            }
            State::Calling(_) | State::Over(_) => {
                self.refuse_request(now, arrived, &request, Fault::NoSuchDialog, &session.local_tag);
                return;
            }
        };
        if !is_invite && !offers {
            established.dialog.refresh_target(&request.headers);
            self.answer_update(now, session, arrived, &request);
            return;
        }
        let fault = if request.contacts().len() > 1 {
            Some(Fault::Malformed)
        } else if established.theirs.is_some() {
            Some(Fault::Overlapping)
        } else if matches!(established.ours, Ours::Pending { .. })
            || established.hang_up
            || established.unacked.iter().any(|unacked| unacked.offered)
        {
            // RFC 3261 §14.2: an offer of ours is on its way, in a re-INVITE or in a 2xx that waits for its ACK.
            Some(Fault::Glare)
        } else {
            None
        };
        if let Some(fault) = fault {
            self.refuse_request(now, arrived, &request, fault, &session.local_tag);
            return;
        }
        let offer = self.new_offer_id();
        let server = self.open(
            Arrived {
                user: User::Offer(session.id),
                ..arrived
            },
            &request,
        );
        let body = super::body(&request.headers, &request.body);
        let give_up = now + self.config.timers.offer;
        if let State::Established(established) = &mut session.state {
            established.theirs = Some(Theirs {
                offer,
                server,
                request,
                give_up,
            });
        }
        self.tell(Event::Offered {
            session: session.id,
            offer,
            body,
        });
    }

    /// An UPDATE that offers nothing refreshes the target, and is alive (RFC 3311 §5.2, RFC 4028).
    fn answer_update(&mut self, now: Instant, session: &mut Session, arrived: Arrived<User>, request: &Request) {
        let response = self.target_response(request, &session.local_tag, arrived.flow);
        let server = self.open(arrived, request);
        self.respond(now, server, response);
    }

    fn target_response(&self, request: &Request, tag: &str, flow: crate::transport::Flow) -> Response {
        let mut response = self.reply(request, 200, tag);
        response
            .headers
            .push(HeaderName::Contact, self.contact_value(flow, false));
        response.headers.push(HeaderName::Allow, ALLOW);
        response.headers.push(HeaderName::Supported, SUPPORTED);
        response
    }

    /// Sends our offer if it waits and nothing stands in its way.
    pub(crate) fn modify_next(&mut self, now: Instant, session: &mut Session) {
        let State::Established(established) = &mut session.state else {
            return;
        };
        // RFC 3261 §14.1: no new INVITE while another is in progress, in either direction.
        if established.theirs.is_some() || !established.unacked.is_empty() || established.hang_up {
            return;
        }
        match std::mem::replace(&mut established.ours, Ours::Idle) {
            Ours::Queued { offer, tries } => self.send_offer(now, session, offer, tries),
            ours => established.ours = ours,
        }
    }

    fn send_offer(&mut self, now: Instant, session: &mut Session, offer: Body, tries: u8) {
        let State::Established(established) = &mut session.state else {
            return;
        };
        let cseq = established.dialog.next_cseq();
        let flow = established.dialog.way();
        let mut request = established.dialog.request(Method::Invite, cseq);
        request
            .headers
            .push(HeaderName::Contact, self.contact_value(flow, false));
        request.headers.push(HeaderName::Allow, ALLOW);
        request.headers.push(HeaderName::Supported, SUPPORTED);
        request.set_body(&offer.content_type, offer.bytes.clone());
        let sent = self.send_for(now, session, flow, User::Reinvite(session.id), request);
        let give_up = now + self.config.timers.ringing;
        if let State::Established(established) = &mut session.state {
            established.ours = Ours::Pending {
                offer,
                tries,
                client: sent.client,
                give_up,
            };
        }
    }

    pub(crate) fn reinvite_response(
        &mut self,
        now: Instant,
        session: &mut Session,
        client: TransactionId,
        response: &Response,
    ) {
        let status = response.status.code();
        if (200..300).contains(&status) {
            self.reinvite_accepted(session, client, response);
            self.modify_next(now, session);
            return;
        }
        let ours_is = |ours: &Ours| matches!(ours, Ours::Pending { client: pending, .. } if *pending == client);
        let State::Established(established) = &mut session.state else {
            return;
        };
        if status < 200 || !ours_is(&established.ours) {
            return;
        }
        let Ours::Pending { offer, tries, .. } = std::mem::replace(&mut established.ours, Ours::Idle) else {
            return;
        };
        if status == 491 && tries < super::GLARE_TRIES_MAX {
            // RFC 3261 §14.1: the one who made the Call-ID waits 2.1 to 4 s, the other 0 to 2 s, both in steps of 10 ms.
            let owner = established.dialog.is_caller();
            let wait = if owner {
                2_100 + 10 * self.random(190)
            } else {
                10 * self.random(200)
            };
            // The T1 of the network scales it, so that a scaled world meets in proportion.
            let wait = self.scaled(Duration::from_millis(wait.into()));
            if let State::Established(established) = &mut session.state {
                established.ours = Ours::Glared {
                    offer,
                    tries: tries + 1,
                    at: now + wait,
                };
            }
            return;
        }
        let user = User::Reinvite(session.id);
        if let Some(sent) = self.try_again_with_credentials(now, session, client, user, response) {
            let give_up = now + self.config.timers.ringing;
            if let State::Established(established) = &mut session.state {
                established.ours = Ours::Pending {
                    offer,
                    tries,
                    client: sent.client,
                    give_up,
                };
            }
            return;
        }
        self.offer_refused(now, session, status);
    }

    pub(crate) fn reinvite_came_to_nothing(
        &mut self,
        now: Instant,
        session: &mut Session,
        client: TransactionId,
        status: u16,
    ) {
        let State::Established(established) = &mut session.state else {
            return;
        };
        if matches!(&established.ours, Ours::Pending { client: pending, .. } if *pending == client) {
            established.ours = Ours::Idle;
            self.offer_refused(now, session, status);
        }
    }

    fn reinvite_accepted(&mut self, session: &mut Session, client: TransactionId, response: &Response) {
        if self.acknowledge_again(session, response) {
            return;
        }
        let Some(invite) = self.transactions.request(client).cloned() else {
            return;
        };
        let Some(dialog) = session.dialog() else { return };
        // RFC 3261 §12.2.1.2: the 2xx moves the target, and the ACK goes there.
        dialog.refresh_target(&response.headers);
        let dialog = dialog.clone();
        self.acknowledge(session, &dialog, &invite, response);
        let State::Established(established) = &mut session.state else {
            return;
        };
        if matches!(&established.ours, Ours::Pending { client: pending, .. } if *pending == client) {
            established.ours = Ours::Idle;
            let body = super::body(&response.headers, &response.body);
            self.tell(Event::OfferAnswered {
                session: session.id,
                status: response.status.code(),
                body,
            });
        }
    }

    /// RFC 3261 §14.1: a refused re-INVITE changes nothing, except that 481 and 408 say the dialog is gone (§12.2.1.2).
    fn offer_refused(&mut self, now: Instant, session: &mut Session, status: u16) {
        self.tell(Event::OfferAnswered {
            session: session.id,
            status,
            body: None,
        });
        match status {
            408 | 481 => {
                self.bye_now(now, session);
                self.end(now, session, Ended::TimedOut);
            }
            _ => self.modify_next(now, session),
        }
    }

    pub(super) fn modify_time(&mut self, now: Instant, session: &mut Session) {
        let State::Established(established) = &mut session.state else {
            return;
        };
        if let Some(theirs) = established.theirs.take_if(|theirs| now >= theirs.give_up) {
            // The application did not answer: the session goes on as it was.
            self.refuse_theirs(now, session, &theirs, 500);
        }
        let State::Established(established) = &mut session.state else {
            return;
        };
        match std::mem::replace(&mut established.ours, Ours::Idle) {
            Ours::Glared { offer, tries, at } if now >= at => {
                established.ours = Ours::Queued { offer, tries };
                self.modify_next(now, session);
            }
            Ours::Pending { client, give_up, .. } if now >= give_up => {
                if let Some(stepped) = self.transactions.abandon(now, client) {
                    self.carry_out_at(client, stepped);
                }
                self.offer_refused(now, session, 408);
            }
            ours => established.ours = ours,
        }
    }

    fn scaled(&self, wait: Duration) -> Duration {
        wait.mul_f64(self.config.timers.t1.as_secs_f64() / crate::transaction::T1.as_secs_f64())
    }
}
