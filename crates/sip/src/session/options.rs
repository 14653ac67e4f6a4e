//! OPTIONS: what we are, and whether new calls are welcome (RFC 3261 §11).

use std::time::Instant;

use super::User;
use crate::endpoint::{ACCEPT, ALLOW, Endpoint, SUPPORTED};
use crate::event::Ready;
use crate::fault::Fault;
use crate::message::{HeaderName, Request, Response};
use crate::transaction::table::Arrived;
use crate::transport::Flow;

impl Endpoint {
    /// Outside a dialog it is the question a trunk asks before it sends calls; answered without state, as every copy gets
    /// the same answer.
    pub(crate) fn options_received(&mut self, back: Flow, request: &Request) {
        if self.ready != Ready::Yes {
            self.refuse_statelessly(back, request, Fault::Draining);
            return;
        }
        let mut response = self.capabilities(request, "");
        self.tag_statelessly(&mut response);
        self.transmit(back, &response.to_bytes());
    }

    /// Within a dialog it asks whether the dialog is alive, so draining does not matter.
    pub(crate) fn options_within(&mut self, now: Instant, arrived: Arrived<User>, request: &Request, tag: &str) {
        let response = self.capabilities(request, tag);
        let server = self.open(arrived, request);
        self.respond(now, server, response);
    }

    fn capabilities(&self, request: &Request, tag: &str) -> Response {
        let mut response = self.reply(request, 200, tag);
        response.headers.push(HeaderName::Allow, ALLOW);
        response.headers.push(HeaderName::Accept, ACCEPT);
        response.headers.push(HeaderName::AcceptEncoding, "identity");
        response.headers.push(HeaderName::AcceptLanguage, "en, es");
        response.headers.push(HeaderName::Supported, SUPPORTED);
        // RFC 6086 §5.2.2: INFO packages we would take: none.
        response.headers.push(HeaderName::RecvInfo, "");
        response
    }
}
