//! SIP over WebSocket (RFC 7118), the server's side: the upgrade, one message per frame, pings of both kinds.
//!
//! The HTTP request before it is where others fell (controls.md §2, row 26): here it has a limit of octets and of time,
//! and whatever is not exactly an upgrade to `sip`, asked for by a page that may, is refused ([`Origins`]).

use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};

use super::Arrived;
use super::gate::Buckets;
use super::stream::{Idle, Line, PING, PONG};
use super::upgrade::{Origins, UPGRADE_MAX, limits};

/// Frames and messages of a WebSocket connection.
pub(super) type Socket<S> = WebSocketStream<Limited<S>>;

/// Answers the upgrade, or gives up; the time is the caller's to limit.
pub(super) async fn upgrade<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    origins: &Origins,
) -> Result<Socket<S>, &'static str> {
    let limited = Limited {
        stream,
        left: Some(UPGRADE_MAX),
    };
    #[allow(clippy::result_large_err, reason = "the callback's type is the library's")]
    let choose = |request: &_, response| origins.choose(request, response);
    let upgraded = tokio_tungstenite::accept_hdr_async_with_config(limited, choose, Some(limits())).await;
    let mut socket = upgraded.map_err(|_| "not an upgrade to a WebSocket for SIP")?;
    socket.get_mut().left = None;
    Ok(socket)
}

/// Reads and writes until either side is done with it; says why it ended.
pub(super) async fn converse<S: AsyncRead + AsyncWrite + Unpin>(socket: Socket<S>, line: Line<'_>) -> &'static str {
    let Line {
        flow,
        mut outbox,
        arrivals,
        limits,
        stranger,
        counters,
        ..
    } = line;
    let (mut to, mut from) = socket.split();
    let (answer, mut answers) = tokio::sync::mpsc::channel(1);
    let idle = Idle::new(limits.idle);

    let read = async {
        let mut buckets = Buckets::default();
        let mut first_by = Some(Instant::now() + limits.message);
        loop {
            let deadline = first_by.unwrap_or_else(|| idle.ends());
            let message = match timeout_at(deadline, from.next()).await {
                Ok(Some(Ok(message))) => message,
                Ok(Some(Err(fault))) => {
                    counters.garbage.fetch_add(1, Relaxed);
                    // RFC 6455 §7.4.1: which of them, so that a peer's log says what to mend.
                    return match fault {
                        Error::Capacity(_) => (CloseCode::Size, "a message is too long"),
                        Error::Utf8(_) => (CloseCode::Invalid, "text that is no UTF-8"),
                        _ => (CloseCode::Protocol, "not a WebSocket any more"),
                    };
                }
                Ok(None) => return (CloseCode::Normal, "closed by the peer"),
                Err(_) if first_by.is_some() => {
                    counters.slow.fetch_add(1, Relaxed);
                    return (CloseCode::Policy, "a message took too long");
                }
                Err(_) if Instant::now() < idle.ends() => continue,
                Err(_) => return (CloseCode::Away, "idle"),
            };
            idle.touch();
            first_by = None;
            // RFC 7118 §5: one SIP message per WebSocket message, text or binary.
            let bytes = match message {
                Message::Text(text) => Bytes::from(text),
                Message::Binary(bytes) => bytes,
                Message::Ping(payload) => {
                    // The library has queued the pong; it leaves with the next write.
                    drop(payload);
                    let _ = answer.try_send(Answer::Flush);
                    continue;
                }
                Message::Close(_) => return (CloseCode::Normal, "closed by the peer"),
                Message::Pong(_) | Message::Frame(_) => continue,
            };
            match bytes.as_ref() {
                // RFC 7118 §6 leaves CRLF keep-alives to those who want them; answering costs nothing.
                PING => {
                    let _ = answer.try_send(Answer::Pong);
                    continue;
                }
                b"" | PONG => continue,
                _ => {}
            }
            if let Some(flood) = &stranger
                && !buckets.pass(std::time::Instant::now(), flow.remote.ip(), flood)
            {
                counters.flooded.fetch_add(1, Relaxed);
                return (CloseCode::Policy, "a stranger says too much");
            }
            let bytes = bytes.to_vec();
            if arrivals.send(Arrived::Message { flow, bytes }).await.is_err() {
                return (CloseCode::Away, "the loop has ended");
            }
        }
    };
    let write = async {
        loop {
            let sent = tokio::select! {
                bytes = outbox.recv() => match bytes {
                    Some(bytes) => timeout(limits.write, to.send(frame(bytes))).await,
                    None => return (CloseCode::Away, "closed by us"),
                },
                answer = answers.recv() => match answer {
                    Some(Answer::Pong) => timeout(limits.write, to.send(Message::text("\r\n"))).await,
                    Some(Answer::Flush) => timeout(limits.write, to.flush()).await,
                    None => return (CloseCode::Away, "closed by us"),
                },
            };
            match sent {
                Ok(Ok(())) => idle.touch(),
                _ => {
                    counters.slow.fetch_add(1, Relaxed);
                    return (CloseCode::Policy, "the peer does not read");
                }
            }
        }
    };
    let (code, why) = tokio::select! {
        why = read => why,
        why = write => why,
    };
    // The reason is ours alone: a peer is told the code.
    let reason = Utf8Bytes::default();
    let _ = timeout(limits.write, to.send(Message::Close(Some(CloseFrame { code, reason })))).await;
    let _ = timeout(limits.write, to.close()).await;
    why
}

/// What the reader asks of the writer.
enum Answer {
    Pong,
    Flush,
}

/// Text when it is text: browsers' SIP stacks expect it; a message that is not UTF-8 goes as it is.
fn frame(bytes: Vec<u8>) -> Message {
    match String::from_utf8(bytes) {
        Ok(text) => Message::text(text),
        Err(bytes) => Message::binary(bytes.into_bytes()),
    }
}

/// A stream of which only so much is read until the limit is lifted.
pub(super) struct Limited<S> {
    stream: S,
    left: Option<usize>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Limited<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let Some(left) = self.left else {
            return Pin::new(&mut self.stream).poll_read(context, into);
        };
        if left == 0 {
            return Poll::Ready(Err(std::io::Error::other("the upgrade request is too large")));
        }
        let mut scratch = [0; 1024];
        let room = left.min(scratch.len()).min(into.remaining());
        let mut part = ReadBuf::new(scratch.get_mut(..room).unwrap_or_default());
        let read = Pin::new(&mut self.stream).poll_read(context, &mut part);
        if let Poll::Ready(Ok(())) = read {
            into.put_slice(part.filled());
            self.left = Some(left.saturating_sub(part.filled().len()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Limited<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
