//! The request for a WebSocket, judged: whose pages may speak to us, in which subprotocol, and how long a message may be
//! (RFC 6455 §4.2 and §10.2, RFC 7118 §4.1). Bytes and names only; sockets are [`super::websocket`]'s.
//!
//! One thing to know: a browser lets any page of the web open a WebSocket to any address the browser can reach, ours in
//! the practice's own network included, and says only in `Origin` whose page it was. So a request with an Origin is let
//! in when that origin is configured, and by default none is. A request without one comes from a program, which proves
//! itself as every SIP peer does.

use sip::message::limits::MESSAGE_BYTES_MAX;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header::{CONNECTION, CONTENT_LENGTH, ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Whose pages may open a WebSocket to us.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origins(Vec<String>);

/// RFC 7118 §4.1: the subprotocol both sides must name.
const SUBPROTOCOL: &str = "sip";

/// Octets of the upgrade request, line and headers together.
pub(crate) const UPGRADE_MAX: usize = 8 * 1024;

impl Origins {
    /// These, written as RFC 6454 §6.2 writes them: `https://phones.example.com`, a port only where it is unusual.
    pub(crate) fn new(allowed: Vec<String>) -> Self {
        Self(allowed)
    }

    /// What is wrong with an upgrade request, if anything is.
    fn refuses(&self, headers: &HeaderMap) -> Option<StatusCode> {
        // RFC 6454 §7.2 lets a browser send a list (of redirects), and a forger two lines: all of it must be known.
        let known = |origin: &HeaderValue| {
            let origin = origin.to_str().unwrap_or_default();
            self.0.iter().any(|own| own.eq_ignore_ascii_case(origin))
        };
        if !headers.get_all(ORIGIN).iter().all(known) {
            return Some(StatusCode::FORBIDDEN);
        }
        let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL);
        let speaks_sip = offered
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|name| name.trim() == SUBPROTOCOL);
        (!speaks_sip).then_some(StatusCode::BAD_REQUEST)
    }

    /// Answers the request: 101 with the subprotocol, 403 for a page of somebody else, 400 for who does not speak SIP.
    #[allow(clippy::result_large_err, reason = "the callback's type is the library's")]
    pub(crate) fn choose(&self, request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
        let Some(status) = self.refuses(request.headers()) else {
            let sip = HeaderValue::from_static(SUBPROTOCOL);
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, sip);
            return Ok(response);
        };
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = status;
        let headers = refusal.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        Err(refusal)
    }
}

/// One SIP message is one WebSocket message, in as many frames as the peer likes, and no longer than any SIP message.
pub(crate) fn limits() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX))
        .read_buffer_size(16 * 1024)
        // Nothing is collected: a message is written when it comes.
        .write_buffer_size(0)
        .max_write_buffer_size(2 * MESSAGE_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(allowed: &[&str], headers: &[(&str, &str)]) -> u16 {
        let origins = Origins::new(allowed.iter().map(|&own| own.to_owned()).collect());
        let mut request = Request::new(());
        for (name, value) in headers {
            let name: tokio_tungstenite::tungstenite::http::HeaderName = name.parse().expect("a name");
            request.headers_mut().append(name, value.parse().expect("a value"));
        }
        match origins.choose(&request, Response::new(())) {
            Ok(response) => {
                assert_eq!(response.headers()[SEC_WEBSOCKET_PROTOCOL], "sip");
                101
            }
            Err(refusal) => refusal.status().as_u16(),
        }
    }

    #[test]
    fn a_page_is_let_in_by_its_origin_and_a_program_without_one() {
        let sip = ("sec-websocket-protocol", "chat, sip");
        let ours = ("origin", "https://phones.example.com");
        let evil = ("origin", "https://evil.example.net");
        let allowed = ["https://phones.example.com", "https://desk.example.com:8443"];
        assert_eq!(judged(&[], &[sip]), 101);
        assert_eq!(judged(&[], &[ours, sip]), 403, "none is configured");
        assert_eq!(judged(&allowed, &[ours, sip]), 101);
        assert_eq!(judged(&allowed, &[("origin", "HTTPS://Phones.Example.com"), sip]), 101);
        assert_eq!(judged(&allowed, &[evil, sip]), 403);
        assert_eq!(judged(&allowed, &[ours, evil, sip]), 403, "two lines");
        for origin in [
            "null",
            "",
            "http://phones.example.com",
            "https://phones.example.com.evil.example.net",
            "https://phones.example.com:8443",
            "https://phones.example.com/",
            "https://phones.example.com https://evil.example.net",
            "https://desk.example.com",
        ] {
            assert_eq!(judged(&allowed, &[("origin", origin), sip]), 403, "{origin}");
        }
        // The origin first: who may not ask is told nothing about what we speak.
        assert_eq!(judged(&allowed, &[evil]), 403);
        assert_eq!(judged(&allowed, &[ours]), 400);
        assert_eq!(judged(&[], &[("sec-websocket-protocol", "sips, SIP")]), 400);
    }
}
