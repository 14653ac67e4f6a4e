//! One ceremony with a passkey, on a page of this machine: the browser makes or uses one, and what it answers is judged once.
//!
//! The page is at `http://localhost:PORT/`, the one name without a certificate that browsers let use passkeys (Secure Contexts
//! §3.1). Nothing else is served, and after an answer, right or wrong, nothing at all.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::{sealed_off, typed};

/// Largest answer.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// What a browser gives, as letters of base64url (RFC 4648 §5).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The credential's id.
    #[serde(default)]
    pub id: String,
    /// `clientDataJSON`.
    #[serde(default)]
    pub client_data: String,
    /// `attestationObject`, when one was made.
    #[serde(default)]
    pub attestation: String,
    /// `authenticatorData`, when one was used.
    #[serde(default)]
    pub authenticator_data: String,
    /// `signature`, when one was used.
    #[serde(default)]
    pub signature: String,
}

/// Judges the answer: what the person is told, either way.
pub type Judge = Box<dyn FnOnce(Answer) -> Result<String, String> + Send>;

#[derive(Clone)]
struct Shared {
    port: u16,
    /// What the page hands to the browser, as JSON.
    options: Arc<str>,
    judge: Arc<Mutex<Option<Judge>>>,
    over: Arc<Notify>,
}

/// Serves the page until it is answered or the time is over; true when it was answered.
pub async fn ceremony(listener: TcpListener, options: String, judge: Judge, within: Duration) -> io::Result<bool> {
    let here: SocketAddr = listener.local_addr()?;
    if !here.ip().is_loopback() {
        return Err(io::Error::other(
            "a passkey is used on this machine: listen on 127.0.0.1",
        ));
    }
    let shared = Shared {
        port: here.port(),
        options: options.into(),
        judge: Arc::new(Mutex::new(Some(judge))),
        over: Arc::new(Notify::new()),
    };
    let router = Router::new()
        .route("/", get(page))
        .route("/passkey.js", get(script))
        .route("/passkey.css", get(style))
        .route("/options", get(ask))
        .route("/answer", post(answer))
        .layer(DefaultBodyLimit::max(ANSWER_BYTES_MAX))
        .layer(middleware::from_fn_with_state(shared.clone(), guarded))
        .with_state(shared.clone());
    let over = shared.over.clone();
    let until = async move {
        let _ = tokio::time::timeout(within, over.notified()).await;
    };
    axum::serve(listener, router).with_graceful_shutdown(until).await?;
    let judge = shared.judge.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(judge.is_none())
}

/// Only the page that we served asks, by the name it was served under; and it says so when it answers.
fn is_ours(method: &Method, headers: &HeaderMap, port: u16) -> bool {
    let own = format!("localhost:{port}");
    let named = |name: header::HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let origin = match named(header::ORIGIN) {
        Some(origin) => origin.strip_prefix("http://") == Some(&own),
        None => method == Method::GET,
    };
    origin && named(header::HOST) == Some(&own)
}

async fn guarded(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    if !is_ours(request.method(), request.headers(), shared.port) {
        let where_to = format!("open http://localhost:{}/ in a browser of this machine", shared.port);
        return (StatusCode::FORBIDDEN, where_to).into_response();
    }
    sealed_off(next.run(request).await)
}

async fn page() -> Response {
    typed("text/html; charset=utf-8", include_str!("page/passkey.html"))
}

async fn script() -> Response {
    typed("text/javascript; charset=utf-8", include_str!("page/passkey.js"))
}

async fn style() -> Response {
    typed("text/css; charset=utf-8", include_str!("page/passkey.css"))
}

async fn ask(State(shared): State<Shared>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], shared.options.to_string()).into_response()
}

async fn answer(State(shared): State<Shared>, Json(answer): Json<Answer>) -> Response {
    let judge = shared.judge.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(judge) = judge else {
        return (StatusCode::GONE, "that was answered already").into_response();
    };
    let judged = tokio::task::spawn_blocking(move || judge(answer)).await;
    // Graceful: this response still leaves.
    shared.over.notify_one();
    match judged {
        Ok(Ok(said)) => said.into_response(),
        Ok(Err(why)) => (StatusCode::FORBIDDEN, why).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "it could not be judged; begin again").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_page_of_this_machine_asks() {
        let asks = |method: &Method, host: &str, origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().expect("a host"));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().expect("an origin"));
            }
            is_ours(method, &headers, 8912)
        };
        assert!(asks(&Method::GET, "localhost:8912", None));
        assert!(asks(&Method::POST, "localhost:8912", Some("http://localhost:8912")));
        for (method, host, origin) in [
            (&Method::POST, "localhost:8912", None),
            (&Method::POST, "localhost:8912", Some("https://evil.example.com")),
            (&Method::POST, "localhost:8912", Some("http://localhost:8913")),
            (&Method::GET, "evil.example.com", None),
            (&Method::GET, "127.0.0.1:8912", None),
            (&Method::GET, "localhost:8912", Some("null")),
        ] {
            assert!(!asks(method, host, origin), "{method} {host} {origin:?}");
        }
    }
}
