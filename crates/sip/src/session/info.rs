//! INFO, both ways: digits from phones that send them so (RFC 6086's legacy usage, §2).

use std::time::Instant;

use super::{Session, State, User};
use crate::endpoint::Endpoint;
use crate::event::{Body, Ended, Event, SessionId};
use crate::fault::Fault;
use crate::message::{HeaderName, Method, Request, Response};
use crate::transaction::table::{Arrived, TransactionId};

impl Endpoint {
    /// Sends an INFO within an established session; what comes of it is not told.
    pub fn info(&mut self, now: Instant, session: SessionId, body: Body) {
        self.with_session(session, |endpoint, session| {
            let State::Established(established) = &mut session.state else {
                return;
            };
            let dialog = &mut established.talk.dialog;
            let cseq = dialog.next_cseq();
            let flow = dialog.way();
            let mut request = dialog.request(Method::Info, cseq);
            request.set_body(&body.content_type, body.bytes);
            endpoint.send_for(now, session, flow, User::Info(session.id), request);
        });
    }

    pub(crate) fn info_received(
        &mut self,
        now: Instant,
        session: &mut Session,
        arrived: Arrived<User>,
        request: &Request,
    ) {
        if request.headers.has(HeaderName::InfoPackage) {
            // RFC 6086 §4.2.2: we announced no package.
            let mut response = self.refusal(request, Fault::BadInfoPackage, &session.local_tag);
            response.headers.push(HeaderName::RecvInfo, "");
            let server = self.open(arrived, request);
            self.respond(now, server, response);
            return;
        }
        let response = self.reply(request, 200, &session.local_tag);
        let server = self.open(arrived, request);
        self.respond(now, server, response);
        if let Some(body) = super::body(&request.headers, &request.body) {
            self.tell(Event::Info {
                session: session.id,
                body,
            });
        }
    }

    pub(super) fn info_response(
        &mut self,
        now: Instant,
        session: &mut Session,
        client: TransactionId,
        response: &Response,
    ) {
        if session.is_over() {
            return;
        }
        // RFC 5057 §5.1: 481 says the dialog is gone; nothing else an INFO brings concerns the session.
        if response.status == 481 {
            self.end(now, session, Ended::TimedOut);
            return;
        }
        self.try_again_with_credentials(now, session, client, User::Info(session.id), response);
    }
}
