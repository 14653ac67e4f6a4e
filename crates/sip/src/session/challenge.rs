//! 401 and 407: the same request once more, with credentials, a new branch and the next CSeq (RFC 3261 §22.2, §8.1.3.5).

use std::time::Instant;

use super::{Session, User};
use crate::digest::{CHALLENGES_MAX, Challenge};
use crate::endpoint::{Endpoint, Sent};
use crate::message::{HeaderName, Method, Response};
use crate::transaction::table::TransactionId;

/// Answers in a row that were not good enough (a chain of proxies, stale nonces) before we give up.
const ANSWERS_MAX: u8 = 4;

impl Endpoint {
    /// Sends the request of this transaction again if the response is a challenge we can answer and have not answered
    /// in vain already.
    pub(super) fn try_again_with_credentials(
        &mut self,
        now: Instant,
        session: &mut Session,
        client: TransactionId,
        user: User,
        response: &Response,
    ) -> Option<Sent> {
        if response.status != 401 && response.status != 407 {
            session.answers = 0;
            return None;
        }
        let credentials = session.credentials.clone()?;
        let mut request = self.transactions.request(client)?.clone();
        let flow = self.transactions.flow(client)?;
        let asked = Challenge::to_answer(&response.headers, &credentials);
        let in_vain = |challenge: &Challenge| {
            let answered = if challenge.proxy {
                HeaderName::ProxyAuthorization
            } else {
                HeaderName::Authorization
            };
            let before = session.challenges.iter().any(|earlier| challenge.repeats(earlier));
            request.headers.has(answered) && before
        };
        if asked.is_empty() || asked.iter().any(in_vain) || session.answers >= ANSWERS_MAX {
            return None;
        }
        session.answers += 1;
        for challenge in asked {
            session
                .challenges
                .retain(|known| known.realm != challenge.realm || known.proxy != challenge.proxy);
            session.challenges.push(challenge);
            if session.challenges.len() > CHALLENGES_MAX {
                session.challenges.remove(0);
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
        for challenge in &mut session.challenges {
            let drawn = self.drawn();
            let (name, value) = challenge.answer(&credentials, &request.method, &uri, &request.body, drawn);
            request.headers.push(name, value);
        }
        let cseq = match session.dialog() {
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
