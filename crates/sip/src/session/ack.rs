//! ACK: of a refusal by the transaction (RFC 3261 §17.1.1.3), of a 2xx by the session (§13.2.2.4), and theirs of ours.

use std::time::Instant;

use super::{SentAck, Session, State};
use crate::dialog::Dialog;
use crate::endpoint::Endpoint;
use crate::event::{Body, Ended, Event};
use crate::message::{HeaderName, Method, Request, Response};
use crate::transaction::table::Bytes;
use crate::transport::Flow;

/// RFC 3261 §17.1.1.3: what the transaction answers a refusal with.
pub(crate) fn of_refusal(invite: &Request, response: &Response) -> Vec<u8> {
    let mut ack = Request::new(Method::Ack, invite.uri.clone());
    if let Some(via) = invite.headers.get(HeaderName::Via) {
        ack.headers.push(HeaderName::Via, via);
    }
    ack.headers.copy(&invite.headers, HeaderName::Route);
    ack.headers
        .push(HeaderName::MaxForwards, super::MAX_FORWARDS.to_string());
    ack.headers.copy(&invite.headers, HeaderName::From);
    ack.headers.copy(&response.headers, HeaderName::To);
    ack.headers.copy(&invite.headers, HeaderName::CallId);
    ack.headers.push(
        HeaderName::CSeq,
        format!("{} ACK", invite.cseq().map_or(1, |cseq| cseq.number)),
    );
    ack.to_bytes()
}

impl Endpoint {
    /// Acknowledges a 2xx of theirs, and remembers the ACK for its repetitions. `answer` goes with it when the 2xx brought the
    /// offer (RFC 3261 §13.2.2.4).
    pub(super) fn acknowledge(
        &mut self,
        session: &mut Session,
        dialog: &Dialog,
        invite: &Request,
        answer: Option<Body>,
    ) {
        let cseq = invite.cseq().map_or(1, |cseq| cseq.number);
        let mut ack = dialog.request(Method::Ack, cseq);
        // RFC 3261 §22.1: the ACK carries the INVITE's credentials; it cannot be challenged.
        ack.headers.copy(&invite.headers, HeaderName::Authorization);
        ack.headers.copy(&invite.headers, HeaderName::ProxyAuthorization);
        if let Some(answer) = answer {
            ack.set_body(&answer.content_type, answer.bytes);
        }
        let flow = dialog.way();
        // A new branch: the ACK of a 2xx is a transaction of its own (§17).
        let branch = self.branch();
        ack.headers
            .insert_front(HeaderName::Via, self.via(flow, &branch).to_wire());
        let bytes = Bytes::from(ack.to_bytes());
        self.transmit(flow, &bytes);
        let remote_tag = dialog.remote_tag.clone();
        session.answering.succeeded();
        // Only the latest INVITE of each fork can still be repeated for long; the older ones make room.
        session.acks.retain(|sent| sent.remote_tag != remote_tag);
        session.acks.push(SentAck {
            cseq,
            remote_tag,
            bytes,
            flow,
        });
    }

    /// A repeated 2xx gets the same ACK again. Whether it was one.
    pub(super) fn acknowledge_again(&mut self, session: &Session, response: &Response) -> bool {
        let cseq = response.cseq().map_or(0, |cseq| cseq.number);
        let tag = response.to_tag().unwrap_or_default();
        let Some(sent) = session
            .acks
            .iter()
            .find(|sent| sent.cseq == cseq && sent.remote_tag == tag)
        else {
            // An INVITE before the one last acknowledged: its ACK has been superseded.
            return session
                .acks
                .iter()
                .any(|sent| sent.cseq > cseq && sent.remote_tag == tag);
        };
        self.transmit(sent.flow, &sent.bytes);
        true
    }

    /// An ACK of theirs that no transaction claims: of a 2xx, or of nothing we know.
    pub(crate) fn ack_received(&mut self, now: Instant, flow: Flow, ack: Request) {
        let (Some(call_id), Some(tag), Some(cseq)) = (ack.call_id(), ack.to_tag(), ack.cseq()) else {
            return;
        };
        let Some(id) = self.session_of(call_id, &tag) else {
            return;
        };
        self.with_session(id, |endpoint, session| {
            let from = ack.from_tag().unwrap_or_default();
            let theirs = session.dialog_with(&from).is_some_and(|dialog| dialog.believes(flow));
            let State::Established(established) = &mut session.state else {
                return;
            };
            let awaited = established
                .unacked
                .iter()
                .position(|unacked| unacked.cseq == cseq.number);
            let (true, Some(index)) = (theirs, awaited) else { return };
            let unacked = established.unacked.remove(index);
            let body = super::description(&ack.headers, &ack.body).filter(|_| unacked.offered);
            if unacked.offered {
                let said = established.talk.said.take();
                established.talk.agree(said, body.clone(), false);
            } else {
                established.talk.settled = true;
            }
            if unacked.first {
                endpoint.tell(Event::Confirmed {
                    session: session.id,
                    body,
                });
            } else if unacked.offered {
                endpoint.tell(Event::OfferAnswered {
                    session: session.id,
                    status: 200,
                    body,
                });
            }
            if matches!(&session.state, State::Established(established) if established.hang_up) {
                endpoint.bye_now(now, session);
                endpoint.end(now, session, Ended::ByOurBye);
                return;
            }
            endpoint.modify_next(now, session);
        });
    }
}
