//! 401 and 407: the same request once more, with credentials, a new branch and the next CSeq (RFC 3261 §22.2, §8.1.3.5).

use std::time::Instant;

use super::{Session, State, User};
use crate::digest::{CHALLENGES_MAX, Challenge, Credentials};
use crate::endpoint::{Endpoint, Sent};
use crate::event::{Ended, SessionId};
use crate::fault::Fault;
use crate::message::{HeaderName, Method, Request, Response};
use crate::transaction::table::TransactionId;

/// Answers in a row that were not good enough (a chain of proxies, stale nonces) before we give up.
const ANSWERS_MAX: u8 = 4;

/// What answers the challenges to a row of requests: a session's, or one outside any dialog and its second tries.
pub(crate) struct Answering {
    credentials: Option<Credentials>,
    /// The challenges answered so far; their nonces count on.
    challenges: Vec<Challenge>,
    /// Answers in a row that brought another challenge.
    answers: u8,
}

impl Answering {
    pub(crate) const fn new(credentials: Option<Credentials>) -> Self {
        Self {
            credentials,
            challenges: Vec::new(),
            answers: 0,
        }
    }

    /// The credentials were good, so the next challenge is a new one.
    pub(crate) fn succeeded(&mut self) {
        self.answers = 0;
    }
}

impl Endpoint {
    /// Asks who calls: a 401 with these values of WWW-Authenticate, which [`crate::digest::Gate`] makes (RFC 3261 §22.2). The
    /// session is over; whoever knows the answer calls again with it.
    pub fn challenge(&mut self, now: Instant, session: SessionId, challenges: &[String]) {
        self.with_session(session, |endpoint, session| {
            let State::Invited(invited) = &session.state else {
                return;
            };
            let mut response = endpoint.refusal(&invited.request, Fault::Unproved, &session.local_tag);
            for challenge in challenges {
                response.headers.push(HeaderName::WwwAuthenticate, challenge);
            }
            let server = invited.server;
            endpoint.respond(now, server, response);
            endpoint.end(now, session, Ended::ByOurRefusal);
        });
    }

    /// The request of this transaction with credentials, if the response is a challenge we can answer and have not answered in
    /// vain already. Its Via is left to who sends it, its CSeq is still the old one.
    pub(crate) fn answer_challenge(
        &mut self,
        answering: &mut Answering,
        client: TransactionId,
        response: &Response,
    ) -> Option<Request> {
        if response.status != 401 && response.status != 407 {
            answering.succeeded();
            return None;
        }
        let credentials = answering.credentials.clone()?;
        let mut request = self.transactions.request(client)?.clone();
        let mut asked = Challenge::to_answer(&response.headers, &credentials);
        if request.to_tag().is_some() && !credentials.has_realm() {
            // Within a dialog only a realm is answered that the password was given for, or that asked before there was a dialog:
            // whoever answers the call could otherwise have the password hashed with a nonce of his own by challenging our BYE
            // (CVE-2021-41158).
            asked.retain(|challenge| {
                let mut known = answering.challenges.iter();
                known.any(|earlier| earlier.realm == challenge.realm && earlier.proxy == challenge.proxy)
            });
        }
        let in_vain = |challenge: &Challenge| {
            let answered = if challenge.proxy {
                HeaderName::ProxyAuthorization
            } else {
                HeaderName::Authorization
            };
            let before = answering.challenges.iter().any(|earlier| challenge.repeats(earlier));
            request.headers.has(answered) && before
        };
        if asked.is_empty() || asked.iter().any(in_vain) || answering.answers >= ANSWERS_MAX {
            return None;
        }
        answering.answers += 1;
        for challenge in asked {
            answering
                .challenges
                .retain(|known| known.realm != challenge.realm || known.proxy != challenge.proxy);
            answering.challenges.push(challenge);
            if answering.challenges.len() > CHALLENGES_MAX {
                answering.challenges.remove(0);
            }
        }
        for name in [
            HeaderName::Via,
            HeaderName::Authorization,
            HeaderName::ProxyAuthorization,
        ] {
            request.headers.remove(name);
        }
        let uri = request.uri.to_wire();
        for challenge in &mut answering.challenges {
            let drawn = self.drawn();
            let (name, value) = challenge.answer(&credentials, &request.method, &uri, &request.body, drawn);
            request.headers.push(name, value);
        }
        Some(request)
    }

    /// Sends a session's request again with credentials, when that may help.
    pub(super) fn try_again_with_credentials(
        &mut self,
        now: Instant,
        session: &mut Session,
        client: TransactionId,
        user: User,
        response: &Response,
    ) -> Option<Sent> {
        let flow = self.transactions.flow(client)?;
        let mut request = self.answer_challenge(&mut session.answering, client, response)?;
        let peer = request.to_tag();
        let cseq = match peer.and_then(|tag| session.dialog_with(&tag)) {
            Some(dialog) => dialog.next_cseq(),
            None => request.cseq().map_or(1, |cseq| cseq.number) + 1,
        };
        request
            .headers
            .set(HeaderName::CSeq, format!("{cseq} {}", request.method));
        // An INVITE that had outgrown the datagram travels on the stream it took; nothing to prefer any more.
        debug_assert!(request.method != Method::Ack, "an ACK is never challenged");
        Some(self.send_for(now, session, flow, user, request))
    }
}
