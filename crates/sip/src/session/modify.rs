//! Offers within a session: re-INVITE and UPDATE, both ways, and what happens when two meet (RFC 3261 §14, RFC 3311).
//!
//! An established session is changed by re-INVITE, because a trunk whose Allow has no UPDATE is common and one without
//! re-INVITE is not. A session that is still early can be changed by UPDATE alone, once its first offer has a reliable answer.

use std::time::{Duration, Instant};

use super::refresh::renew;
use super::{By, Ours, Session, State, Talk, Theirs, User};
use crate::endpoint::Endpoint;
use crate::endpoint::{ALLOW, SUPPORTED};
use crate::event::{Body, Ended, Event, Misuse, OfferId, SessionId};
use crate::fault::Fault;
use crate::message::{HeaderName, Method, Request, Response};
use crate::session::refresh::Refresh;
use crate::transaction::table::{Arrived, TransactionId};

// Our offers.
impl Endpoint {
    /// Offers a change: hold, resume, another codec. `OfferAnswered` tells what came of it; when theirs and ours meet
    /// (491), ours is tried again inside.
    ///
    /// Before the session is established it goes as an UPDATE, if the first offer has been answered reliably and they take
    /// UPDATE (RFC 3311 §5.1); `Misuse::NotEstablished` says that this is not so.
    pub fn reinvite(&mut self, now: Instant, session: SessionId, offer: Body) -> Result<(), Misuse> {
        self.with_session(session, |endpoint, session| {
            let early = |talk: &&mut Talk| talk.settled && talk.updates;
            let talk = match &mut session.state {
                State::Established(established) if !established.hang_up => Some(&mut established.talk),
                State::Over(_) => return Err(Misuse::NoSession),
                State::Established(_) => None,
                State::Invited(invited) => Some(&mut invited.talk).filter(early),
                State::Calling(calling) if calling.ending.is_some() => None,
                State::Calling(calling) => {
                    let forks = calling.forks.iter_mut().map(|fork| &mut fork.talk);
                    forks.rev().find(early)
                }
            };
            let Some(talk) = talk else {
                return Err(Misuse::NotEstablished);
            };
            if !matches!(talk.ours, Ours::Idle) {
                return Err(Misuse::OfferOutstanding);
            }
            talk.ours = Ours::Queued { offer, tries: 0 };
            endpoint.modify_next(now, session);
            Ok(())
        })
        .unwrap_or(Err(Misuse::NoSession))
    }

    /// Sends our offer if it waits and nothing stands in its way.
    pub(crate) fn modify_next(&mut self, now: Instant, session: &mut Session) {
        let early = !matches!(session.state, State::Established(_));
        let blocked = match &session.state {
            // RFC 3261 §14.1: no new INVITE while another is in progress, in either direction.
            State::Established(established) => {
                let refreshing = established.refresh.as_ref().is_some_and(Refresh::is_inviting);
                !established.unacked.is_empty() || established.hang_up || refreshing
            }
            State::Invited(invited) => invited.reliably.describes(),
            State::Calling(_) => false,
            State::Over(_) => true,
        };
        if blocked {
            return;
        }
        let ready = |talk: &&mut Talk| talk.theirs.is_none() && matches!(talk.ours, Ours::Queued { .. });
        let mut queued = None;
        if let Some(talk) = session.talks().into_iter().find(ready) {
            match std::mem::replace(&mut talk.ours, Ours::Idle) {
                Ours::Queued { offer, tries } => queued = Some((talk.dialog.remote_tag.clone(), offer, tries)),
                ours => talk.ours = ours,
            }
        }
        if let Some((tag, offer, tries)) = queued {
            let method = if early { Method::Update } else { Method::Invite };
            self.send_offer(now, session, &tag, method, offer, tries);
        }
    }

    fn send_offer(&mut self, now: Instant, session: &mut Session, tag: &str, method: Method, offer: Body, tries: u8) {
        let timer = session.timer;
        let user = User::Reinvite(session.id);
        let Some(talk) = session.talk_with(tag) else { return };
        let cseq = talk.dialog.next_cseq();
        let flow = talk.dialog.way();
        let contact = self.contact_value(flow, talk.dialog.is_secure());
        let mut request = talk.dialog.request(method, cseq);
        request.headers.push(HeaderName::Contact, contact);
        request.headers.push(HeaderName::Allow, ALLOW);
        request.headers.push(HeaderName::Supported, SUPPORTED);
        if let State::Established(established) = &session.state
            && let Some(refresh) = &established.refresh
        {
            refresh.write(&timer, &mut request.headers);
        }
        request.set_body(&offer.content_type, offer.bytes.clone());
        let sent = self.send_for(now, session, flow, user, request);
        self.offer_is_out(now, session, tag, offer, tries, sent.client);
    }

    fn offer_is_out(
        &mut self,
        now: Instant,
        session: &mut Session,
        tag: &str,
        offer: Body,
        tries: u8,
        client: TransactionId,
    ) {
        let give_up = now + self.config.timers.ringing;
        if let Some(talk) = session.talk_with(tag) {
            talk.ours = Ours::Pending {
                offer,
                tries,
                client,
                give_up,
                rseq: None,
                answer: None,
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
        if status < 200 {
            self.reinvite_provisional(now, session, client, response);
            return;
        }
        if (200..300).contains(&status) {
            self.offer_accepted(now, session, client, response);
            self.accept_next(now, session);
            self.modify_next(now, session);
            return;
        }
        let Some((tag, offer, tries)) = take_pending(session, client) else {
            return;
        };
        if status == 491 && tries < super::GLARE_TRIES_MAX {
            let wait = self.glare_wait(session);
            if let Some(talk) = session.talk_with(&tag) {
                talk.ours = Ours::Glared {
                    offer,
                    tries: tries + 1,
                    at: now + wait,
                };
            }
            return;
        }
        // RFC 4028 §7.3: the same again with the interval they want.
        if status == 422 && tries < super::GLARE_TRIES_MAX && session.timer.raise(response) {
            let method = self.transactions.request(client).map(|request| request.method.clone());
            self.send_offer(now, session, &tag, method.unwrap_or(Method::Invite), offer, tries + 1);
            return;
        }
        let user = User::Reinvite(session.id);
        if let Some(sent) = self.try_again_with_credentials(now, session, client, user, response) {
            self.offer_is_out(now, session, &tag, offer, tries, sent.client);
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
        if take_pending(session, client).is_some() {
            self.offer_refused(now, session, status);
        }
    }

    fn offer_accepted(&mut self, now: Instant, session: &mut Session, client: TransactionId, response: &Response) {
        let request = self.transactions.request(client);
        let is_invite = request.is_some_and(|request| request.method == Method::Invite);
        let asked = request.is_some_and(|request| request.headers.session_expires().is_some());
        if is_invite && !self.acknowledge_within(session, client, response) {
            return;
        }
        let Some((tag, offer, early)) = take_answered(session, client) else {
            return;
        };
        let Some(talk) = session.talk_with(&tag) else { return };
        talk.learn(&response.headers);
        // RFC 3262 §5: a reliable provisional may have brought the answer already; then what the 2xx says is ignored.
        let body = early.or_else(|| super::description(&response.headers, &response.body));
        talk.agree(Some(offer), body.clone(), false);
        if let State::Established(established) = &mut session.state {
            // RFC 4028 §7.2: any re-INVITE refreshes the session. An UPDATE of the early dialog asked for no timer, and its 2xx,
            // which may be overtaken by the INVITE's, ends none.
            let granted = Refresh::granted(now, &response.headers);
            if asked || granted.is_some() {
                renew(&mut established.refresh, granted);
            }
        }
        self.tell(Event::OfferAnswered {
            session: session.id,
            status: response.status.code(),
            body,
        });
    }

    /// The ACK of a 2xx to a re-INVITE of ours. Whether it is the first copy.
    pub(super) fn acknowledge_within(
        &mut self,
        session: &mut Session,
        client: TransactionId,
        response: &Response,
    ) -> bool {
        if self.acknowledge_again(session, response) {
            return false;
        }
        let Some(invite) = self.transactions.request(client).cloned() else {
            return false;
        };
        let tag = response.to_tag().unwrap_or_default();
        let Some(dialog) = session.dialog_with(&tag) else {
            return false;
        };
        // RFC 3261 §12.2.1.2: the 2xx moves the target, and the ACK goes there.
        dialog.refresh_target(&response.headers);
        let dialog = dialog.clone();
        self.acknowledge(session, &dialog, &invite, None);
        true
    }

    /// RFC 3261 §14.1: a refused offer changes nothing, except that 481 and 408 say the dialog is gone (§12.2.1.2).
    fn offer_refused(&mut self, now: Instant, session: &mut Session, status: u16) {
        self.tell(Event::OfferAnswered {
            session: session.id,
            status,
            body: None,
        });
        if matches!(session.state, State::Established(_)) && matches!(status, 408 | 481) {
            self.bye_now(now, session);
            self.end(now, session, Ended::TimedOut);
            return;
        }
        self.accept_next(now, session);
        self.modify_next(now, session);
    }

    /// RFC 3261 §14.1: after 491 the one who made the Call-ID waits 2.1 to 4 s, the other 0 to 2 s, both in steps of 10 ms.
    pub(super) fn glare_wait(&mut self, session: &mut Session) -> Duration {
        let owner = session.dialogs().iter().any(|dialog| dialog.is_caller());
        let wait = if owner {
            2_100 + 10 * self.random(190)
        } else {
            10 * self.random(200)
        };
        // The T1 of the network scales it, so that a scaled world meets in proportion.
        let scale = self.config.timers.t1.as_secs_f64() / crate::transaction::T1.as_secs_f64();
        Duration::from_millis(wait.into()).mul_f64(scale)
    }
}

// Their offers.
impl Endpoint {
    /// Answers an offer of theirs; when the offer was empty, `answer` is our offer and theirs comes with `OfferAnswered`.
    /// An offer that is no longer pending (cancelled, timed out, hung up) is passed over.
    pub fn answer_offer(&mut self, now: Instant, session: SessionId, offer: OfferId, answer: Body) {
        self.with_session(session, |endpoint, session| {
            if let Some((tag, theirs)) = take_theirs(session, offer) {
                endpoint.answer_theirs(now, session, &tag, theirs.by, theirs.body, answer);
            }
        });
    }

    fn answer_theirs(
        &mut self,
        now: Instant,
        session: &mut Session,
        tag: &str,
        by: By,
        offer: Option<Body>,
        answer: Body,
    ) {
        let offered = offer.is_none();
        if let Some(talk) = session.talk_with(tag) {
            if offered {
                // Theirs is still to come, in the ACK.
                talk.said = Some(answer.clone());
            } else {
                talk.agree(Some(answer.clone()), offer, true);
            }
        }
        match by {
            By::Provisional { rseq } => self.send_prack(now, session, tag, rseq, Some(answer)),
            By::Success { invite } => {
                if let Some(dialog) = session.dialog_with(tag).cloned() {
                    self.acknowledge(session, &dialog, &invite, Some(answer));
                }
            }
            By::Request { server, request } => {
                // RFC 3261 §12.2.2: a target refresh takes effect with the 2xx.
                let Some(talk) = session.talk_with(tag) else { return };
                talk.learn(&request.headers);
                let way = talk.dialog.way();
                let back = self.transactions.flow(server).unwrap_or(way);
                let mut response = self.target_response(now, session, tag, &request, back);
                response.set_body(&answer.content_type, answer.bytes);
                let bytes = self.respond(now, server, response);
                if request.method == Method::Invite {
                    let cseq = request.cseq().map_or(0, |cseq| cseq.number);
                    let unacked = self.unacked(now, cseq, bytes, back, false, offered);
                    if let State::Established(established) = &mut session.state {
                        established.unacked.push(unacked);
                    }
                }
            }
        }
        self.accept_next(now, session);
        self.modify_next(now, session);
    }

    /// Turns an offer of theirs down; the session goes on as it was (RFC 3261 §14.2). When it was the first offer of a call of
    /// ours, there is nothing to go on with, and the call is hung up.
    pub fn refuse_offer(&mut self, now: Instant, session: SessionId, offer: OfferId, status: u16) {
        self.with_session(session, |endpoint, session| {
            if let Some((tag, theirs)) = take_theirs(session, offer) {
                endpoint.refuse_theirs(now, session, &tag, theirs, status);
            }
        });
    }

    fn refuse_theirs(&mut self, now: Instant, session: &mut Session, tag: &str, theirs: Theirs, status: u16) {
        let status = if (300..700).contains(&status) { status } else { 500 };
        match theirs.by {
            By::Request { server, request } => {
                let response = self.reply(&request, status, &session.local_tag);
                self.respond(now, server, response);
            }
            By::Provisional { .. } => self.give_up_calling(now, session, status),
            // RFC 3261 §13.2.2.4: a 2xx is acknowledged whatever it brought, and then the BYE says what we think of it.
            By::Success { invite } => {
                if let Some(dialog) = session.dialog_with(tag).cloned() {
                    self.acknowledge(session, &dialog, &invite, None);
                }
                self.bye_now(now, session);
                self.end(now, session, Ended::ByOurBye);
                return;
            }
        }
        self.accept_next(now, session);
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
        let tag = request.from_tag().unwrap_or_default();
        let offer = super::description(&request.headers, &request.body);
        let fault = if request.contacts().len() > 1 {
            Some(Fault::Malformed)
        } else if session.timer.refuses(&request.headers) {
            Some(Fault::SessionIntervalTooSmall)
        } else if is_invite || offer.is_some() {
            in_the_way(session, &tag, is_invite)
        } else {
            None
        };
        if let Some(fault) = fault {
            self.refuse_request(now, arrived, &request, fault, &session.local_tag);
            return;
        }
        let repeats = session.talk_with(&tag).and_then(|talk| {
            let repeats = talk.they_offered && talk.heard.is_some() && talk.heard == offer;
            talk.said.clone().filter(|_| repeats)
        });
        match (offer, repeats) {
            (None, _) if !is_invite => {
                // An UPDATE that offers nothing refreshes the target and the timer (RFC 3311 §5.2, RFC 4028 §9).
                if let Some(talk) = session.talk_with(&tag) {
                    talk.learn(&request.headers);
                }
                session.refreshed = session.refreshed.saturating_add(1);
                let response = self.target_response(now, session, &tag, &request, arrived.flow);
                let server = self.open(arrived, &request);
                self.respond(now, server, response);
            }
            (Some(offer), Some(said)) => {
                // RFC 4028 §7.4: what was offered last, byte for byte, is a refresh: the answer is the one that stands.
                session.refreshed = session.refreshed.saturating_add(1);
                let server = self.open(arrived, &request);
                let by = By::Request {
                    server,
                    request: Box::new(request),
                };
                self.answer_theirs(now, session, &tag, by, Some(offer), said);
            }
            (offer, _) => self.take_offer(now, session, arrived, request, offer),
        }
    }

    /// Lays an offer of theirs before the application.
    pub(super) fn take_offer(
        &mut self,
        now: Instant,
        session: &mut Session,
        arrived: Arrived<User>,
        request: Request,
        body: Option<Body>,
    ) {
        let offer = self.new_offer_id();
        let tag = request.from_tag().unwrap_or_default();
        let user = User::Offer(session.id);
        let server = self.open(Arrived { user, ..arrived }, &request);
        let give_up = now + self.config.timers.offer;
        if let Some(talk) = session.talk_with(&tag) {
            talk.theirs = Some(Theirs {
                offer,
                body: body.clone(),
                by: By::Request {
                    server,
                    request: Box::new(request),
                },
                give_up,
            });
        }
        self.tell(Event::Offered {
            session: session.id,
            offer,
            body,
        });
    }

    /// The 2xx of a re-INVITE, UPDATE or PRACK of theirs, all but its body; a session timer is renewed by it.
    fn target_response(
        &mut self,
        now: Instant,
        session: &mut Session,
        tag: &str,
        request: &Request,
        flow: crate::transport::Flow,
    ) -> Response {
        let mut response = self.reply(request, 200, &session.local_tag);
        if request.method == Method::Prack {
            return response;
        }
        let secure = session.dialog_with(tag).is_some_and(|dialog| dialog.is_secure());
        response
            .headers
            .push(HeaderName::Contact, self.contact_value(flow, secure));
        response.headers.push(HeaderName::Allow, ALLOW);
        response.headers.push(HeaderName::Supported, SUPPORTED);
        let timer = session.timer;
        if let State::Established(established) = &mut session.state {
            let ours = established.refresh.as_ref().map(Refresh::is_ours);
            let granted = timer.grant(&request.headers, ours);
            if let Some(granted) = &granted {
                granted.write(&mut response.headers);
            }
            renew(
                &mut established.refresh,
                granted.map(|granted| Refresh::new(now, &granted)),
            );
        }
        response
    }

    pub(super) fn modify_time(&mut self, now: Instant, session: &mut Session) {
        let overdue = session.talks().into_iter().find_map(|talk| {
            let theirs = talk.theirs.take_if(|theirs| now >= theirs.give_up)?;
            Some((talk.dialog.remote_tag.clone(), theirs))
        });
        if let Some((tag, theirs)) = overdue {
            // The application did not answer: the session goes on as it was. RFC 3311 §5.2: an UPDATE gets 504.
            let updates = matches!(&theirs.by, By::Request { request, .. } if request.method == Method::Update);
            self.refuse_theirs(now, session, &tag, theirs, if updates { 504 } else { 500 });
        }
        let mut given_up = None;
        let mut again = false;
        for talk in session.talks() {
            match std::mem::replace(&mut talk.ours, Ours::Idle) {
                Ours::Glared { offer, tries, at } if now >= at => {
                    talk.ours = Ours::Queued { offer, tries };
                    again = true;
                }
                Ours::Pending { client, give_up, .. } if now >= give_up => given_up = Some(client),
                ours => talk.ours = ours,
            }
        }
        if again {
            self.modify_next(now, session);
        }
        if let Some(client) = given_up {
            if let Some(stepped) = self.transactions.abandon(now, client) {
                self.carry_out_at(client, stepped);
            }
            self.offer_refused(now, session, 408);
        }
    }
}

/// Why an offer of theirs cannot be looked at now (RFC 3261 §14.2, RFC 3311 §5.2).
fn in_the_way(session: &mut Session, tag: &str, is_invite: bool) -> Option<Fault> {
    match &session.state {
        State::Established(established) => {
            let ours = matches!(established.talk.ours, Ours::Pending { .. })
                || established.refresh.as_ref().is_some_and(Refresh::is_inviting)
                || established.hang_up
                || established.unacked.iter().any(|unacked| unacked.offered);
            let crowded = is_invite && established.unacked.len() >= super::UNACKED_MAX;
            if crowded || established.talk.theirs.is_some() {
                Some(Fault::Overlapping)
            } else {
                // An offer of ours is on its way, in a request or in a 2xx that waits for its ACK.
                ours.then_some(Fault::Glare)
            }
        }
        State::Invited(invited) => {
            let offered = super::description(&invited.request.headers, &invited.request.body).is_some();
            let ours = matches!(invited.talk.ours, Ours::Pending { .. });
            if is_invite || invited.talk.theirs.is_some() {
                Some(Fault::Overlapping)
            } else if ours || (!offered && invited.reliably.describes()) {
                Some(Fault::Glare)
            } else {
                // Their INVITE's own offer, or ours, is still to be answered.
                (!invited.talk.settled).then_some(Fault::Overlapping)
            }
        }
        State::Calling(calling) => {
            let offers = calling.offer.is_some();
            let Some(fork) = calling.forks.iter().find(|fork| fork.talk.dialog.remote_tag == tag) else {
                return Some(Fault::NoSuchDialog);
            };
            let ours = matches!(fork.talk.ours, Ours::Pending { .. });
            // RFC 3261 §14.2: our INVITE is in progress.
            if is_invite || ours || (offers && !fork.talk.settled) {
                Some(Fault::Glare)
            } else {
                (fork.talk.theirs.is_some() || !fork.talk.settled).then_some(Fault::Overlapping)
            }
        }
        State::Over(_) => Some(Fault::NoSuchDialog),
    }
}

/// The offer this transaction carries, taken back: it has failed.
fn take_pending(session: &mut Session, client: TransactionId) -> Option<(String, Body, u8)> {
    let talk = pending(session, client)?;
    match std::mem::replace(&mut talk.ours, Ours::Idle) {
        Ours::Pending { offer, tries, .. } => Some((talk.dialog.remote_tag.clone(), offer, tries)),
        _ => None,
    }
}

/// The offer this transaction carries, and the answer that came before its 2xx.
fn take_answered(session: &mut Session, client: TransactionId) -> Option<(String, Body, Option<Body>)> {
    let talk = pending(session, client)?;
    match std::mem::replace(&mut talk.ours, Ours::Idle) {
        Ours::Pending { offer, answer, .. } => Some((talk.dialog.remote_tag.clone(), offer, answer)),
        _ => None,
    }
}

fn pending(session: &mut Session, client: TransactionId) -> Option<&mut Talk> {
    let carries = |talk: &&mut Talk| matches!(&talk.ours, Ours::Pending { client: pending, .. } if *pending == client);
    session.talks().into_iter().find(carries)
}

fn take_theirs(session: &mut Session, offer: OfferId) -> Option<(String, Theirs)> {
    session.talks().into_iter().find_map(|talk| {
        let theirs = talk.theirs.take_if(|theirs| theirs.offer == offer)?;
        Some((talk.dialog.remote_tag.clone(), theirs))
    })
}
