//! CANCEL, both ways (RFC 3261 §9): it asks the other side to give a final response now, and does nothing after one.

use std::time::Instant;

use super::{Session, State};
use crate::endpoint::Endpoint;
use crate::event::Ended;
use crate::message::{HeaderName, Method, Request};
use crate::session::User;
use crate::transaction::table::TransactionId;
use crate::transport::Flow;

impl Endpoint {
    /// RFC 3261 §9.1: the CANCEL of the INVITE we no longer want, now that a provisional response has shown that it
    /// arrived.
    pub(super) fn cancel_now(&mut self, now: Instant, session: &mut Session) {
        let State::Calling(calling) = &mut session.state else {
            return;
        };
        let Some(ending) = &mut calling.ending else { return };
        if ending.cancelled || !calling.provisional {
            return;
        }
        ending.cancelled = true;
        // §9.1: no final response 64*T1 after the CANCEL means there will be none.
        calling.give_up = Some(now + self.config.timers.t1 * 64);
        let client = calling.client;
        let (Some(invite), Some(flow)) = (
            self.transactions.request(client).cloned(),
            self.transactions.flow(client),
        ) else {
            return;
        };
        let mut cancel = Request::new(Method::Cancel, invite.uri.clone());
        cancel.headers.copy(&invite.headers, HeaderName::Route);
        cancel
            .headers
            .push(HeaderName::MaxForwards, super::MAX_FORWARDS.to_string());
        for name in [HeaderName::From, HeaderName::To, HeaderName::CallId] {
            cancel.headers.copy(&invite.headers, name);
        }
        let cseq = invite.cseq().map_or(1, |cseq| cseq.number);
        cancel.headers.push(HeaderName::CSeq, format!("{cseq} CANCEL"));
        // §9.1: one Via, the INVITE's top one, or the CANCEL would not be matched to it.
        let branch = invite.top_via().and_then(|via| via.branch().map(str::to_owned));
        if let Some(branch) = branch {
            self.send_with_branch(now, flow, User::Nobody, cancel, false, branch);
        }
    }

    /// A CANCEL of theirs for an INVITE we know. It is answered without state: every copy gets the same 200.
    pub(crate) fn cancel_received(&mut self, now: Instant, back: Flow, invite: TransactionId, cancel: &Request) {
        let user = self.transactions.user(invite);
        let mut tag = String::new();
        match user {
            Some(User::Incoming(id)) => {
                self.with_session(id, |endpoint, session| {
                    tag.clone_from(&session.local_tag);
                    // §9.2: no effect after a final response.
                    if let State::Invited(invited) = &session.state {
                        let response = endpoint.reply(&invited.request, 487, &session.local_tag);
                        endpoint.answer_cancel(back, cancel, &tag);
                        endpoint.respond(now, invite, response);
                        endpoint.end(now, session, Ended::Cancelled);
                    } else {
                        endpoint.answer_cancel(back, cancel, &tag);
                    }
                })
            }
            Some(User::Offer(id)) => self.with_session(id, |endpoint, session| {
                endpoint.answer_cancel(back, cancel, &session.local_tag);
                // Nothing had been agreed, so the application need not hear of it: its answer will find no offer.
                let theirs = session
                    .talks()
                    .into_iter()
                    .find_map(|talk| talk.theirs.take_if(|theirs| theirs.is_of(invite)));
                if theirs.is_some() {
                    endpoint.let_go(now, &session.local_tag, theirs);
                    endpoint.accept_next(now, session);
                    endpoint.modify_next(now, session);
                }
            }),
            _ => None,
        }
        // The session has faded, the transaction has not: §9.2 wants 200 as long as it is known.
        .unwrap_or_else(|| self.answer_cancel(back, cancel, ""));
    }

    fn answer_cancel(&mut self, back: Flow, cancel: &Request, tag: &str) {
        let response = self.reply(cancel, 200, tag);
        self.transmit(back, &response.to_bytes());
    }
}
