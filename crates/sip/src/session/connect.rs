//! The caller's side of a session: INVITE, what it brings, and forks (RFC 3261 §13.2).

use std::time::Instant;

use super::challenge::Answering;
use super::{Calling, Established, Ours, Over, Session, State, User};
use crate::dialog::Dialog;
use crate::endpoint::{ALLOW, Endpoint, SUPPORTED, Sent};
use crate::event::{Event, Invite, SessionId};
use crate::message::{HeaderName, Method, NameAddr, Request, Response};
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
            });
            return id;
        }
        let (call_id, tag) = (self.token(), self.token());
        let to = invite.to.unwrap_or_else(|| NameAddr::new(invite.target.clone()));
        let mut request = Request::new(Method::Invite, invite.target);
        let headers = &mut request.headers;
        headers.push(HeaderName::MaxForwards, invite.max_forwards.to_string());
        headers.push(HeaderName::From, invite.from.with_tag(&tag).to_wire());
        headers.push(HeaderName::To, to.to_wire());
        headers.push(HeaderName::CallId, &call_id);
        headers.push(HeaderName::CSeq, "1 INVITE");
        headers.push(HeaderName::Contact, self.contact_value(invite.flow, false));
        headers.push(HeaderName::Allow, ALLOW);
        headers.push(HeaderName::Supported, SUPPORTED);
        if let Some(identity) = &invite.identity {
            headers.push(HeaderName::PAssertedIdentity, identity.to_wire());
        }
        for (name, value) in &invite.headers {
            headers.push(name.as_str(), value);
        }
        if let Some(body) = invite.body {
            request.set_body(&body.content_type, body.bytes);
        }
        let sent = self.send(now, invite.flow, User::Invite(id), request, invite.tcp_allowed);
        let calling = Calling {
            client: sent.client,
            provisional: false,
            ending: None,
            give_up: None,
            fallback: sent.fallback,
        };
        let mut session = Session::new(id, &call_id, &tag, State::Calling(calling));
        session.answering = Answering::new(invite.credentials);
        session.live = 1;
        session.invites.push(sent.client);
        self.enter(session);
        id
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
            User::Info(id) => {
                self.with_session(id, |endpoint, session| {
                    endpoint.info_response(now, session, client, response)
                });
            }
            User::Bye(id) => {
                self.with_session(id, |endpoint, session| {
                    endpoint.try_again_with_credentials(now, session, client, User::Bye(id), response);
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
            User::Incoming(session) => {
                self.with_session(session, |endpoint, session| endpoint.caller_unreachable(now, session));
            }
            User::Offer(session) => {
                self.with_session(session, |_, session| {
                    if let State::Established(established) = &mut session.state {
                        established.theirs.take_if(|theirs| theirs.server == id);
                    }
                });
            }
            User::Bye(session) if status == 503 => {
                // A stream that had quietly closed: once more over a new one.
                let stale = self.transactions.flow(id).filter(|flow| flow.connection.is_some());
                self.with_session(session, |endpoint, session| {
                    let (Some(stale), Some(dialog)) = (stale, session.dialog()) else {
                        return;
                    };
                    dialog.connection_lost(stale);
                    let mut dialog = dialog.clone();
                    endpoint.send_bye(now, session, &mut dialog);
                    if let Some(kept) = session.dialog() {
                        *kept = dialog;
                    }
                });
            }
            User::Asked(request) => self.asked_in_vain(request, id, status),
            User::Info(_) | User::Bye(_) | User::Nobody => {}
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
                if status > 100 {
                    let body = super::body(&response.headers, &response.body);
                    self.tell(Event::Progress {
                        session: session.id,
                        status,
                        body,
                    });
                }
            }
            State::Calling(calling) if calling.client == client && status >= 300 => {
                let (wanted, fallback) = (calling.ending.is_none(), calling.fallback);
                let user = User::Invite(session.id);
                let again = if wanted {
                    self.try_again_with_credentials(now, session, client, user, response)
                } else {
                    None
                };
                let Some(sent) = again else {
                    self.refused(now, session, status);
                    return;
                };
                session.state = State::Calling(Calling {
                    client: sent.client,
                    provisional: false,
                    ending: None,
                    give_up: None,
                    fallback,
                });
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
        let (Some(request), Some(sent_on)) = (
            self.transactions.request(client).cloned(),
            self.transactions.flow(client),
        ) else {
            return;
        };
        // A stream we asked for without naming it has its name now.
        let flow = if sent_on.transport.is_reliable() && arrived.remote == sent_on.remote {
            arrived
        } else {
            sent_on
        };
        let dialog = Dialog::uac(&request, &response.headers, flow);
        let ending = match &session.state {
            State::Calling(calling) if calling.client == client => Some(calling.ending),
            _ => None,
        };
        match (ending, dialog) {
            (Some(None), Some(dialog)) => {
                self.acknowledge(session, &dialog, &request, response);
                let body = super::body(&response.headers, &response.body);
                session.state = State::Established(Established {
                    dialog,
                    unacked: Vec::new(),
                    ours: Ours::Idle,
                    theirs: None,
                    hang_up: false,
                });
                self.tell(Event::Accepted {
                    session: session.id,
                    body,
                });
            }
            // RFC 3261 §9.1, §15: our CANCEL came too late, so the call is answered and hung up.
            (Some(Some(ending)), Some(mut dialog)) => {
                self.acknowledge(session, &dialog, &request, response);
                self.send_bye(now, session, &mut dialog);
                self.refused(now, session, ending.status);
                if let State::Over(Over { dialog: kept, .. }) = &mut session.state {
                    *kept = Some(dialog);
                }
            }
            // RFC 3261 §13.2.2.4: another fork answered too; one conversation is enough.
            (None, Some(dialog)) => {
                self.acknowledge(session, &dialog, &request, response);
                let mut dialog = dialog;
                let bye = dialog.next_cseq();
                self.send(now, dialog.way(), User::Nobody, dialog.request(Method::Bye, bye), false);
            }
            // Their 2xx cannot be followed (its route set is longer than we carry); they will give up waiting for the ACK.
            (Some(ending), None) => self.refused(now, session, ending.map_or(500, |ending| ending.status)),
            (None, None) => {}
        }
    }

    /// RFC 3261 §18.1.1: the stream was only for the size; the datagram is the second try.
    fn fall_back(&mut self, now: Instant, session: &mut Session, datagram: Flow, mut request: Request) {
        request.headers.remove(HeaderName::Via);
        request
            .headers
            .set(HeaderName::Contact, self.contact_value(datagram, false));
        let sent = self.send_for(now, session, datagram, User::Invite(session.id), request);
        session.state = State::Calling(Calling {
            client: sent.client,
            provisional: false,
            ending: None,
            give_up: None,
            fallback: None,
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
