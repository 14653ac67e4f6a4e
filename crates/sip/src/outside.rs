//! Requests of ours outside any dialog: REGISTER and the OPTIONS a trunk's health is read from (RFC 3261 §8.1, §10, §11).
//!
//! The caller writes the request as far as it matters to it; what is missing is completed. A 401 or 407 is answered inside, so
//! that what is told is the end: one [`Event::Response`] for each.

use std::time::Instant;

use crate::digest::Credentials;
use crate::endpoint::{ACCEPT, Endpoint};
use crate::event::{Event, RequestId};
use crate::message::{HeaderName, Method, NameAddr, Request, Response};
use crate::session::challenge::Answering;
use crate::session::{MAX_FORWARDS, User};
use crate::transaction::table::TransactionId;
use crate::transport::Flow;

/// One request that waits for its final response.
pub(crate) struct Asked {
    client: TransactionId,
    answering: Answering,
}

impl Endpoint {
    /// Asks something outside any dialog. Via is written here; Max-Forwards, To (the Request-URI), a From tag, Call-ID and
    /// CSeq are completed when they are missing, Accept as well in an OPTIONS. Whoever repeats a request within one Call-ID (a
    /// registration) counts the CSeq on from the one in the response: an answered challenge has used one.
    ///
    /// An INVITE, ACK or CANCEL is no such request and comes back as 500.
    pub fn request(
        &mut self,
        now: Instant,
        flow: Flow,
        mut request: Request,
        credentials: Option<Credentials>,
    ) -> RequestId {
        let id = self.new_request_id();
        let unfit = matches!(request.method, Method::Invite | Method::Ack | Method::Cancel);
        let full = self.asked.len() >= self.config.limits.requests_max
            || self.transactions.len() >= self.config.limits.transactions_max;
        if unfit || full {
            self.tell(Event::Response {
                request: id,
                status: if unfit { 500 } else { 503 },
                response: None,
            });
            return id;
        }
        self.complete(&mut request);
        let sent = self.send(now, flow, User::Asked(id), request, false);
        let asked = Asked {
            client: sent.client,
            answering: Answering::new(credentials),
        };
        self.asked.insert(id, asked);
        id
    }

    fn complete(&mut self, request: &mut Request) {
        let headers = &mut request.headers;
        headers.remove(HeaderName::Via);
        if !headers.has(HeaderName::MaxForwards) {
            headers.push(HeaderName::MaxForwards, MAX_FORWARDS.to_string());
        }
        if !headers.has(HeaderName::To) {
            headers.push(HeaderName::To, NameAddr::new(request.uri.clone()).to_wire());
        }
        let from = headers
            .from()
            .or_else(|| headers.to())
            .unwrap_or_else(|| NameAddr::new(request.uri.clone()));
        if !headers.has(HeaderName::From) || from.tag().is_none() {
            let tag = self.token();
            headers.set(HeaderName::From, from.with_tag(&tag).to_wire());
        }
        if !headers.has(HeaderName::CallId) {
            headers.push(HeaderName::CallId, self.token());
        }
        if headers.cseq().is_none() {
            headers.set(HeaderName::CSeq, format!("1 {}", request.method));
        }
        if request.method == Method::Options && !headers.has(HeaderName::Accept) {
            // RFC 3261 §11.1.
            headers.push(HeaderName::Accept, ACCEPT);
        }
    }

    pub(crate) fn asked_response(&mut self, now: Instant, id: RequestId, client: TransactionId, response: &Response) {
        let status = response.status.code();
        let Some(asked) = self.asked.get_mut(&id).filter(|asked| asked.client == client) else {
            return;
        };
        if status < 200 {
            return;
        }
        let mut answering = std::mem::replace(&mut asked.answering, Answering::new(None));
        let again = self.answer_challenge(&mut answering, client, response);
        if let (Some(mut request), Some(flow)) = (again, self.transactions.flow(client)) {
            let cseq = request.cseq().map_or(1, |cseq| cseq.number) + 1;
            request
                .headers
                .set(HeaderName::CSeq, format!("{cseq} {}", request.method));
            let sent = self.send(now, flow, User::Asked(id), request, false);
            let asked = Asked {
                client: sent.client,
                answering,
            };
            self.asked.insert(id, asked);
            return;
        }
        self.asked.remove(&id);
        self.tell(Event::Response {
            request: id,
            status,
            response: Some(Box::new(response.clone())),
        });
    }

    /// Nobody answered, or the network refused.
    pub(crate) fn asked_in_vain(&mut self, id: RequestId, client: TransactionId, status: u16) {
        if self.asked.get(&id).is_some_and(|asked| asked.client == client) {
            self.asked.remove(&id);
            self.tell(Event::Response {
                request: id,
                status,
                response: None,
            });
        }
    }
}
