//! The caller's side of a session: INVITE, what it brings, and forks (RFC 3261 §13.2).

use std::time::Instant;

use super::challenge::Answering;
use super::prack::Heard;
use super::refresh::Refresh;
use super::{By, Calling, Established, Over, Session, State, Talk, Theirs, User};
use crate::dialog::Dialog;
use crate::endpoint::{ALLOW, Endpoint, SUPPORTED, Sent};
use crate::event::{Event, Invite, SessionId};
use crate::message::{HeaderName, Method, NameAddr, Request, Response, Scheme};
use crate::transaction::table::TransactionId;
use crate::transport::Flow;

impl Endpoint {
    /// Calls somebody. The session hears `Progress`, then `Accepted` or `Refused`.
    pub fn invite(&mut self, now: Instant, invite: Invite) -> SessionId {
        let id = self.new_session_id();
        if self.sessions.len() >= self.config.limits.sessions_max {
            self.tell(Event::Refused {
                session: id,
                status: 503,
                retry_after_s: None,
            });
            return id;
        }
        let (call_id, tag) = (self.token(), self.token());
        let timer = invite.session_timer.unwrap_or(self.config.session_timer);
        let to = invite.to.unwrap_or_else(|| NameAddr::new(invite.target.clone()));
        let mut request = Request::new(Method::Invite, invite.target);
        let headers = &mut request.headers;
        headers.push(HeaderName::MaxForwards, invite.max_forwards.to_string());
        headers.push(HeaderName::From, invite.from.with_tag(&tag).to_wire());
        headers.push(HeaderName::To, to.to_wire());
        headers.push(HeaderName::CallId, &call_id);
        headers.push(HeaderName::CSeq, "1 INVITE");
        let secure = request.uri.scheme == Scheme::Sips;
        headers.push(HeaderName::Contact, self.contact_value(invite.flow, secure));
        headers.push(HeaderName::Allow, ALLOW);
        headers.push(HeaderName::Supported, SUPPORTED);
        // RFC 6086 §5.2.2: INFO packages we would take: none.
        headers.push(HeaderName::RecvInfo, "");
        timer.ask(headers);
        if let Some(identity) = &invite.identity {
            headers.push(HeaderName::PAssertedIdentity, identity.to_wire());
        }
        for (name, value) in &invite.headers {
            headers.push(name.as_str(), value);
        }
        if let Some(body) = &invite.body {
            request.set_body(&body.content_type, body.bytes.clone());
        }
        let sent = self.send(now, invite.flow, User::Invite(id), request, invite.tcp_allowed);
        let calling = Calling {
            client: sent.client,
            provisional: false,
            ending: None,
            give_up: None,
            fallback: sent.fallback,
            offer: invite.body,
            forks: Vec::new(),
        };
        let mut session = Session::new(id, &call_id, &tag, State::Calling(calling));
        session.timer = timer;
        session.answering = Answering::new(invite.credentials);
        session.live = 1;
        session.invites.push(sent.client);
        self.enter(session);
        id
    }

    /// Whether anything at all has come back to our INVITE, a 100 included. A session that is none of ours or over is heard.
    pub fn is_heard(&self, session: SessionId) -> bool {
        match self.sessions.get(&session).map(|session| &session.state) {
            Some(State::Calling(calling)) => calling.provisional,
            _ => true,
        }
    }

    /// Sends a request the session must outlive.
    pub(crate) fn send_for(
        &mut self,
        now: Instant,
        session: &mut Session,
        flow: Flow,
        user: User,
        request: Request,
    ) -> Sent {
        let is_invite = request.method == Method::Invite;
        let sent = self.send(now, flow, user, request, false);
        session.live += 1;
        if is_invite {
            session.invites.push(sent.client);
        }
        sent
    }

    /// A response that is for the user of a client transaction.
    pub(crate) fn response_passed(
        &mut self,
        now: Instant,
        client: TransactionId,
        user: User,
        arrived: Flow,
        response: &Response,
    ) {
        match user {
            User::Invite(id) => {
                self.with_session(id, |endpoint, session| {
                    endpoint.invite_response(now, session, client, arrived, response);
                });
            }
            User::Reinvite(id) => {
                self.with_session(id, |endpoint, session| {
                    endpoint.reinvite_response(now, session, client, response);
                });
            }
            User::Refresh(id) => {
                self.with_session(id, |endpoint, session| {
                    endpoint.refresh_response(now, session, client, response);
                });
            }
            User::Prack(id) => {
                // What else a PRACK is refused with changes nothing: the INVITE it belongs to gets its own answer.
                self.with_session(id, |endpoint, session| {
                    if !session.is_over() {
                        endpoint.try_again_with_credentials(now, session, client, User::Prack(id), response);
                    }
                });
            }
            User::Info(id) => {
                self.with_session(id, |endpoint, session| {
                    endpoint.info_response(now, session, client, response)
                });
            }
            User::Bye(id) => {
                let status = response.status.code();
                self.with_session(id, |endpoint, session| {
                    let again = endpoint.try_again_with_credentials(now, session, client, User::Bye(id), response);
                    if again.is_none() && status >= 200 {
                        endpoint.said_goodbye(session, status, Some(response));
                    }
                });
            }
            User::Asked(id) => self.asked_response(now, id, client, response),
            User::Nobody | User::Incoming(_) | User::Offer(_) => {}
        }
    }

    /// A transaction ended without a response: nobody answered (408) or the network refused (503).
    pub(crate) fn came_to_nothing(&mut self, now: Instant, id: TransactionId, user: User, status: u16) {
        match user {
            User::Invite(session) => {
                self.with_session(session, |endpoint, session| {
                    let State::Calling(calling) = &mut session.state else {
                        return;
                    };
                    if calling.client != id {
                        return;
                    }
                    let (ending, fallback) = (calling.ending, calling.fallback.take());
                    match (status, fallback, endpoint.transactions.request(id).cloned()) {
                        (503, Some(datagram), Some(request)) if ending.is_none() => {
                            endpoint.fall_back(now, session, datagram, request);
                        }
                        _ => endpoint.refused(now, session, ending.map_or(status, |ending| ending.status)),
                    }
                });
            }
            User::Reinvite(session) => {
                self.with_session(session, |endpoint, session| {
                    endpoint.reinvite_came_to_nothing(now, session, id, status);
                });
            }
            User::Refresh(session) => {
                self.with_session(session, |endpoint, session| {
                    endpoint.refresh_in_vain(now, session, id, status);
                });
            }
            User::Incoming(session) => {
                self.with_session(session, |endpoint, session| endpoint.caller_unreachable(now, session));
            }
            User::Offer(session) => {
                self.with_session(session, |endpoint, session| {
                    for talk in session.talks() {
                        talk.theirs.take_if(|theirs| theirs.is_of(id));
                    }
                    endpoint.accept_next(now, session);
                });
            }
            User::Bye(session) => {
                // A stream that had quietly closed: once more over a new one.
                let flow = self.transactions.flow(id).filter(|_| status == 503);
                let stale = flow.filter(|flow| flow.connection.is_some());
                self.with_session(session, |endpoint, session| {
                    let kept = match &mut session.state {
                        State::Over(over) if stale.is_some() => over.dialog.take(),
                        _ => None,
                    };
                    let (Some(stale), Some(mut dialog)) = (stale, kept) else {
                        return endpoint.said_goodbye(session, status, None);
                    };
                    dialog.connection_lost(stale);
                    endpoint.send_bye(now, session, &mut dialog);
                    if let State::Over(Over { dialog: kept, .. }) = &mut session.state {
                        *kept = Some(dialog);
                    }
                });
            }
            User::Asked(request) => self.asked_in_vain(request, id, status),
            User::Info(_) | User::Prack(_) | User::Nobody => {}
        }
    }

    fn invite_response(
        &mut self,
        now: Instant,
        session: &mut Session,
        client: TransactionId,
        arrived: Flow,
        response: &Response,
    ) {
        let status = response.status.code();
        match &mut session.state {
            State::Calling(calling) if calling.client == client && status < 200 => {
                calling.provisional = true;
                if calling.ending.is_some() {
                    self.cancel_now(now, session);
                    return;
                }
                // As RFC 3261 §16.6's timer C: what rings may ring on, but not without a sign of life.
                calling.give_up = Some(now + self.config.timers.ringing);
                if status > 100
                    && let Some(flow) = self.answered_on(client, arrived)
                    && let Heard::News(body) = self.provisional_received(now, session, client, flow, response)
                {
                    self.tell(Event::Progress {
                        session: session.id,
                        status,
                        body,
                    });
                }
            }
            State::Calling(calling) if calling.client == client && status >= 300 => {
                let (wanted, fallback) = (calling.ending.is_none(), calling.fallback);
                let offer = calling.offer.clone();
                let user = User::Invite(session.id);
                let again = if wanted {
                    let longer = self.try_again_with_longer_interval(now, session, client, response);
                    longer.or_else(|| self.try_again_with_credentials(now, session, client, user, response))
                } else {
                    None
                };
                let Some(sent) = again else {
                    self.refused_for(now, session, status, response.headers.retry_after());
                    return;
                };
                // What rang before was asked by the INVITE that has failed.
                let State::Calling(calling) = &mut session.state else {
                    return;
                };
                let forks = std::mem::take(&mut calling.forks);
                session.state = State::Calling(Calling {
                    client: sent.client,
                    provisional: false,
                    ending: None,
                    give_up: None,
                    fallback,
                    offer,
                    forks: Vec::new(),
                });
                for fork in forks {
                    self.let_go(now, &session.local_tag, fork.talk.theirs);
                }
            }
            _ if (200..300).contains(&status) => self.invite_accepted(now, session, client, arrived, response),
            _ => {}
        }
    }

    fn invite_accepted(
        &mut self,
        now: Instant,
        session: &mut Session,
        client: TransactionId,
        arrived: Flow,
        response: &Response,
    ) {
        if self.acknowledge_again(session, response) || session.acks.len() >= super::FORKS_MAX {
            return;
        }
        let tag = response.to_tag().unwrap_or_default();
        let thinking = session.talk_with(&tag).is_some_and(|talk| {
            matches!(
                &talk.theirs,
                Some(Theirs {
                    by: By::Success { .. },
                    ..
                })
            )
        });
        if thinking {
            // A repetition, while the application makes the answer that goes into the ACK.
            return;
        }
        let (Some(request), Some(flow)) = (
            self.transactions.request(client).cloned(),
            self.answered_on(client, arrived),
        ) else {
            return;
        };
        let dialog = Dialog::uac(&request, &response.headers, flow);
        let ending = match &session.state {
            State::Calling(calling) if calling.client == client => Some(calling.ending),
            _ => None,
        };
        match (ending, dialog) {
            (Some(None), Some(dialog)) => self.begin(now, session, &request, dialog, response),
            // RFC 3261 §9.1, §15: our CANCEL came too late, so the call is answered and hung up.
            (Some(Some(ending)), Some(mut dialog)) => {
                if let Some(early) = session.dialog_with(&tag) {
                    dialog.follows(early, &response.headers);
                }
                self.acknowledge(session, &dialog, &request, None);
                self.send_bye(now, session, &mut dialog);
                self.refused(now, session, ending.status);
                if let State::Over(Over { dialog: kept, .. }) = &mut session.state {
                    *kept = Some(dialog);
                }
            }
            // RFC 3261 §13.2.2.4: another fork answered too; one conversation is enough.
            (None, Some(mut dialog)) => {
                self.acknowledge(session, &dialog, &request, None);
                let bye = dialog.next_cseq();
                self.send(now, dialog.way(), User::Nobody, dialog.request(Method::Bye, bye), false);
            }
            // Their 2xx cannot be followed (its route set is longer than we carry); they will give up waiting for the ACK.
            (Some(ending), None) => self.refused(now, session, ending.map_or(500, |ending| ending.status)),
            (None, None) => {}
        }
    }

    /// The first 2xx: of all who rang, this one is talked to.
    fn begin(&mut self, now: Instant, session: &mut Session, request: &Request, dialog: Dialog, response: &Response) {
        let State::Calling(calling) = &mut session.state else {
            return;
        };
        let offer = calling.offer.take();
        let mut forks = std::mem::take(&mut calling.forks);
        let rang = forks
            .iter()
            .position(|fork| fork.talk.dialog.remote_tag == dialog.remote_tag);
        let mut talk = match rang.map(|index| forks.swap_remove(index).talk) {
            Some(mut talk) => {
                let early = std::mem::replace(&mut talk.dialog, dialog);
                talk.dialog.follows(&early, &response.headers);
                talk.learn(&response.headers);
                talk
            }
            None => Talk::new(dialog, &response.headers),
        };
        for fork in forks {
            self.let_go(now, &session.local_tag, fork.talk.theirs);
        }
        let described = super::description(&response.headers, &response.body);
        let mut late = None;
        let answer = match (offer, described) {
            // RFC 3261 §13.2.1: a reliable provisional brought the answer, and what the 2xx says is ignored.
            _ if talk.settled => talk.heard.clone(),
            (Some(offer), answer) => {
                talk.agree(Some(offer), answer.clone(), false);
                answer
            }
            (None, Some(offer)) => {
                let name = self.new_offer_id();
                late = Some((name, offer.clone()));
                talk.theirs = Some(Theirs {
                    offer: name,
                    body: Some(offer),
                    by: By::Success {
                        invite: Box::new(request.clone()),
                    },
                    give_up: now + self.config.timers.offer,
                });
                None
            }
            (None, None) => None,
        };
        let dialog = talk.dialog.clone();
        session.state = State::Established(Established {
            talk,
            unacked: Vec::new(),
            hang_up: false,
            refresh: Refresh::granted(now, &response.headers),
            unpracked: None,
        });
        if late.is_none() {
            self.acknowledge(session, &dialog, request, None);
        }
        self.tell(Event::Accepted {
            session: session.id,
            body: answer,
        });
        if let Some((offer, body)) = late {
            self.tell(Event::Offered {
                session: session.id,
                offer,
                body: Some(body),
            });
        }
        self.modify_next(now, session);
    }

    /// The way a dialog takes that this response belongs to: a stream we asked for without naming it has its name now.
    fn answered_on(&self, client: TransactionId, arrived: Flow) -> Option<Flow> {
        let sent_on = self.transactions.flow(client)?;
        let named = sent_on.transport.is_reliable() && arrived.remote == sent_on.remote;
        Some(if named { arrived } else { sent_on })
    }

    /// RFC 4028 §7.3: 422 names the interval they want; the INVITE goes out once more with it.
    fn try_again_with_longer_interval(
        &mut self,
        now: Instant,
        session: &mut Session,
        client: TransactionId,
        response: &Response,
    ) -> Option<Sent> {
        if response.status != 422 || !session.timer.raise(response) {
            return None;
        }
        let mut request = self.transactions.request(client)?.clone();
        let flow = self.transactions.flow(client)?;
        request.headers.remove(HeaderName::Via);
        session.timer.ask(&mut request.headers);
        let cseq = request.cseq().map_or(1, |cseq| cseq.number) + 1;
        request.headers.set(HeaderName::CSeq, format!("{cseq} INVITE"));
        Some(self.send_for(now, session, flow, User::Invite(session.id), request))
    }

    /// RFC 3261 §18.1.1: the stream was only for the size; the datagram is the second try.
    fn fall_back(&mut self, now: Instant, session: &mut Session, datagram: Flow, mut request: Request) {
        request.headers.remove(HeaderName::Via);
        let secure = request.uri.scheme == Scheme::Sips;
        request
            .headers
            .set(HeaderName::Contact, self.contact_value(datagram, secure));
        let offer = match &mut session.state {
            State::Calling(calling) => calling.offer.take(),
            _ => None,
        };
        let sent = self.send_for(now, session, datagram, User::Invite(session.id), request);
        session.state = State::Calling(Calling {
            client: sent.client,
            provisional: false,
            ending: None,
            give_up: None,
            fallback: None,
            offer,
            forks: Vec::new(),
        });
    }

    /// Ringing has lasted too long, or the answer to our CANCEL never came.
    pub(super) fn calling_time(&mut self, now: Instant, session: &mut Session) {
        let State::Calling(calling) = &mut session.state else {
            return;
        };
        if calling.give_up.is_none_or(|at| at > now) {
            return;
        }
        match calling.ending {
            None => {
                calling.ending = Some(super::Ending {
                    status: 408,
                    cancelled: false,
                });
                self.cancel_now(now, session);
            }
            Some(ending) => {
                let client = calling.client;
                if let Some(stepped) = self.transactions.abandon(now, client) {
                    self.carry_out_at(client, stepped);
                }
                self.refused(now, session, ending.status);
            }
        }
    }
}
