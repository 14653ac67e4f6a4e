//! What people see in a browser. So far two pages, on this machine only: a telephone for rehearsed calls, and a ceremony with a
//! passkey ([`passkey`]).
//!
//! The page holds what was pressed and said; the server holds nothing. Each request plays the call again from its beginning,
//! with everything typed so far: a rehearsed call is a function of what its caller does, and takes milliseconds.
//!
//! [`telephone`] answers on a loopback socket that its caller has bound. Requests that name another host are refused (a page
//! of the internet must not reach into this machine by a name that points here), and so are those another page sends.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a shell: it answers browsers"
)]

pub mod passkey;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// Most that a caller does in one call.
pub const TYPED_MAX: usize = 2_000;
/// Largest request.
const REQUEST_BYTES_MAX: usize = 512 * 1024;

/// One thing a caller, or a telephone that is rung, does.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Typed {
    /// Keys, one after the other.
    Press(String),
    /// Nothing for so many seconds, or until something new is said.
    Wait(u16),
    /// Speech, after a tone.
    Say(String),
    /// The caller is gone.
    HangUp,
    /// What the telephone that rings does.
    Phone {
        /// Whose it is.
        person: String,
        /// In the words of scenarios: `accepts`, `voicemail`.
        does: String,
    },
}

/// What a call has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Come {
    /// All that happened, line by line, from the beginning.
    pub lines: Vec<String>,
    /// The names of all sounds heard so far, in their order.
    pub sounds: Vec<String>,
    /// What happens next is up to whom.
    pub waits_for: Waits,
}

/// What a call waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Waits {
    /// The caller's keys, or patience.
    Keys,
    /// The caller's voice.
    Speech,
    /// The telephone of this person.
    Phone(String),
    /// Nobody: it is over.
    Nothing,
}

/// A call that can be played again from its beginning.
pub trait Rehearsal: Send + Sync + 'static {
    /// Who is called, and by which flow.
    fn name(&self) -> String;
    /// The call with all this done; or why it cannot be played so.
    fn play(&self, typed: &[Typed]) -> Result<Come, String>;
    /// A sound of [`Come::sounds`] as a WAV file.
    fn sound(&self, name: &str) -> Option<Vec<u8>>;
}

#[derive(Clone)]
struct Shared {
    rehearsal: Arc<dyn Rehearsal>,
    here: SocketAddr,
}

/// Answers browsers of this machine until told to stop.
pub async fn telephone(
    listener: TcpListener,
    rehearsal: Arc<dyn Rehearsal>,
    until: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let here = listener.local_addr()?;
    if !here.ip().is_loopback() {
        return Err(io::Error::other("a rehearsal is for this machine: listen on 127.0.0.1"));
    }
    let shared = Shared { rehearsal, here };
    let router = Router::new()
        .route("/", get(page))
        .route("/phone.js", get(script))
        .route("/phone.css", get(style))
        .route("/name", get(name))
        .route("/call", post(call))
        .route("/sound/{name}", get(sound))
        .layer(DefaultBodyLimit::max(REQUEST_BYTES_MAX))
        .layer(middleware::from_fn_with_state(shared.clone(), guarded))
        .with_state(shared);
    axum::serve(listener, router).with_graceful_shutdown(until).await
}

/// Whether a browser of this machine asks, for a page of ours.
fn is_ours(headers: &HeaderMap, here: SocketAddr) -> bool {
    let names = [here.to_string(), format!("localhost:{}", here.port())];
    let named = |header: header::HeaderName| headers.get(header).and_then(|value| value.to_str().ok());
    let host = named(header::HOST).is_some_and(|host| names.iter().any(|own| own == host));
    let own = |origin: &str| names.iter().any(|own| origin.strip_prefix("http://") == Some(own));
    host && named(header::ORIGIN).is_none_or(own)
}

/// Ours only, kept nowhere, and nothing but our own scripts.
async fn guarded(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    if !is_ours(request.headers(), shared.here) {
        return (StatusCode::FORBIDDEN, "this page is for the browser of this machine").into_response();
    }
    sealed_off(next.run(request).await)
}

/// Kept nowhere, in nobody's frame, and with nothing but our own scripts.
pub(crate) fn sealed_off(mut response: Response) -> Response {
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn page() -> Response {
    typed("text/html; charset=utf-8", include_str!("page/phone.html"))
}

async fn script() -> Response {
    typed("text/javascript; charset=utf-8", include_str!("page/phone.js"))
}

async fn style() -> Response {
    typed("text/css; charset=utf-8", include_str!("page/phone.css"))
}

pub(crate) fn typed(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

async fn name(State(shared): State<Shared>) -> Json<String> {
    Json(shared.rehearsal.name())
}

async fn call(State(shared): State<Shared>, Json(typed): Json<Vec<Typed>>) -> Response {
    if typed.len() > TYPED_MAX {
        let long = format!("a rehearsed call has at most {TYPED_MAX} turns; begin another");
        return (StatusCode::UNPROCESSABLE_ENTITY, long).into_response();
    }
    let played = tokio::task::spawn_blocking(move || shared.rehearsal.play(&typed)).await;
    match played {
        Ok(Ok(come)) => Json(come).into_response(),
        Ok(Err(why)) => (StatusCode::UNPROCESSABLE_ENTITY, why).into_response(),
        Err(_) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "this call cannot be played; begin another",
        )
            .into_response(),
    }
}

async fn sound(State(shared): State<Shared>, Path(name): Path<String>) -> Response {
    match shared.rehearsal.sound(&name) {
        Some(wav) => ([(header::CONTENT_TYPE, "audio/wav")], wav).into_response(),
        None => (StatusCode::NOT_FOUND, "nobody says that here").into_response(),
    }
}
