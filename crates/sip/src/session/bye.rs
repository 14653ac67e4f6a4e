//! The end of a session: BYE both ways, and whatever hanging up means before there is anything to hang up (RFC 3261 §15).

use std::time::Instant;

use super::{By, Ending, Session, State, User};
use crate::dialog::Dialog;
use crate::endpoint::Endpoint;
use crate::event::{Ended, Event, Refusal, RequestId, SessionId};
use crate::fault::Fault;
use crate::message::{Method, Request, Response};
use crate::transaction::table::Arrived;
use crate::transport::Flow;

impl Endpoint {
    /// Ends a session, as its state asks: an unanswered call is refused 480, one of ours is cancelled, an established one
    /// gets a BYE (after the ACK, when that is still awaited).
    pub fn hang_up(&mut self, now: Instant, session: SessionId) {
        self.with_session(session, |endpoint, session| match &mut session.state {
            State::Invited(_) => endpoint.refuse_incoming(now, session, Refusal::of(480)),
            State::Calling(_) => endpoint.give_up_calling(now, session, 487),
            State::Established(established) => {
                if established.unacked.iter().any(|unacked| unacked.first) {
                    // RFC 3261 §15: the callee sends no BYE before the ACK, or before it has given up waiting for it.
                    established.hang_up = true;
                    return;
                }
                endpoint.bye_now(now, session);
                endpoint.end(now, session, Ended::ByOurBye);
            }
            State::Over(_) => {}
        });
    }

    /// As [`Endpoint::hang_up`], for whoever judges how a peer behaves: what the BYE came to is told once, as
    /// [`Event::Response`]. `None` when no BYE leaves now; the session is hung up all the same.
    pub fn hang_up_and_ask(&mut self, now: Instant, session: SessionId) -> Option<RequestId> {
        let asked = self.new_request_id();
        let leaves = self.with_session(session, |_, session| match &session.state {
            State::Established(established) if !established.unacked.iter().any(|unacked| unacked.first) => {
                session.farewell = Some(asked);
                true
            }
            _ => false,
        });
        self.hang_up(now, session);
        leaves.unwrap_or(false).then_some(asked)
    }

    /// Our BYE has its final response, or there will be none.
    pub(super) fn said_goodbye(&mut self, session: &mut Session, status: u16, response: Option<&Response>) {
        if let Some(request) = session.farewell.take() {
            self.tell(Event::Response {
                request,
                status,
                response: response.cloned().map(Box::new),
            });
        }
    }

    /// Takes back a call of ours; `status` is what the application will be told.
    pub(super) fn give_up_calling(&mut self, now: Instant, session: &mut Session, status: u16) {
        let State::Calling(calling) = &mut session.state else {
            return;
        };
        if calling.ending.is_none() {
            // RFC 3261 §9.1: the CANCEL waits for a provisional response; a final one may come first.
            calling.ending = Some(Ending {
                status,
                cancelled: false,
            });
            self.cancel_now(now, session);
        }
    }

    /// Sends the BYE of an established session; the caller tells why.
    pub(super) fn bye_now(&mut self, now: Instant, session: &mut Session) {
        let State::Established(established) = &mut session.state else {
            return;
        };
        let mut dialog = established.talk.dialog.clone();
        let unanswered = established
            .talk
            .theirs
            .take_if(|theirs| matches!(theirs.by, By::Success { .. }));
        if let Some(By::Success { invite }) = unanswered.map(|theirs| theirs.by) {
            // Their 2xx still waits for its ACK; without an answer, but before the BYE.
            self.acknowledge(session, &dialog, &invite, None);
        }
        self.send_bye(now, session, &mut dialog);
        if let State::Established(established) = &mut session.state {
            established.talk.dialog = dialog;
        }
    }

    pub(super) fn send_bye(&mut self, now: Instant, session: &mut Session, dialog: &mut Dialog) {
        let cseq = dialog.next_cseq();
        let request = dialog.request(Method::Bye, cseq);
        self.send_for(now, session, dialog.way(), User::Bye(session.id), request);
    }

    /// What comes for a session that is over: a BYE that crossed ours is fine, all else is too late. Every copy gets the
    /// same answer, and nothing is kept.
    pub(crate) fn too_late(&mut self, back: Flow, request: &Request, tag: &str) {
        let response = match request.method {
            Method::Bye => self.reply(request, 200, tag),
            _ => self.refusal(request, Fault::NoSuchDialog, tag),
        };
        self.transmit(back, &response.to_bytes());
    }

    pub(crate) fn bye_received(
        &mut self,
        now: Instant,
        session: &mut Session,
        arrived: Arrived<User>,
        request: &Request,
    ) {
        let response = self.reply(request, 200, &session.local_tag);
        let server = self.open(arrived, request);
        self.respond(now, server, response);
        match &session.state {
            // RFC 3261 §15: the caller may end an early dialog with BYE; the INVITE is still owed its final response.
            State::Invited(invited) => {
                let response = self.reply(&invited.request, 487, &session.local_tag);
                let invite = invited.server;
                self.respond(now, invite, response);
                self.end(now, session, Ended::ByTheirBye);
            }
            State::Established(_) => self.end(now, session, Ended::ByTheirBye),
            State::Over(_) | State::Calling(_) => {}
        }
    }
}
