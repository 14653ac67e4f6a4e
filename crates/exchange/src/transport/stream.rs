//! One connection of octets, TCP or TLS alike: read, cut into messages, write, keep alive, and give up in time.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use sip::Flow;
use sip::message::{Frame, Framer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::gate::Buckets;
use super::{Arrived, Counters, FloodLimits, StreamLimits};

/// RFC 5626 §4.4.1: a ping is two line breaks, its answer one.
pub(super) const PING: &[u8] = b"\r\n\r\n";
pub(super) const PONG: &[u8] = b"\r\n";

/// What a connection's task is given.
pub(super) struct Line<'a> {
    pub(super) flow: Flow,
    /// Messages to write.
    pub(super) outbox: mpsc::Receiver<Vec<u8>>,
    /// Where messages read go.
    pub(super) arrivals: mpsc::Sender<Arrived>,
    pub(super) limits: StreamLimits,
    /// We opened it, so it is ours to keep alive.
    pub(super) asked: bool,
    /// What a stranger may say; none for the others.
    pub(super) stranger: Option<FloodLimits>,
    pub(super) counters: &'a Counters,
}

/// When a connection was last used.
pub(super) struct Idle {
    began: Instant,
    touched_ms: AtomicU64,
    limit: Duration,
}

impl Idle {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            began: Instant::now(),
            touched_ms: AtomicU64::new(0),
            limit,
        }
    }

    pub(super) fn touch(&self) {
        let elapsed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.touched_ms.store(elapsed, Relaxed);
    }

    fn touched(&self) -> Instant {
        self.began + Duration::from_millis(self.touched_ms.load(Relaxed))
    }

    pub(super) fn ends(&self) -> Instant {
        self.touched() + self.limit
    }
}

/// Reads and writes until either side is done with it; says why it ended.
pub(super) async fn converse<S: AsyncRead + AsyncWrite>(stream: S, line: Line<'_>) -> &'static str {
    let Line {
        flow,
        mut outbox,
        arrivals,
        limits,
        asked,
        stranger,
        counters,
    } = line;
    let (mut from, mut to) = tokio::io::split(stream);
    let (pong, mut pongs) = mpsc::channel(1);
    let idle = Idle::new(limits.idle);
    let began = Instant::now();
    // Whether a ping of ours is unanswered, and since when, in milliseconds after the beginning; 0 is none.
    let (pinged_ms, answers_pings) = (AtomicU64::new(0), AtomicBool::new(false));

    let read = async {
        let mut framer = Framer::new();
        let mut buckets = Buckets::default();
        let mut buffer = vec![0; 16 * 1024];
        // The first message is waited for like one that has begun: a peer that connects and says nothing is not kept.
        // One that we connected to owes us nothing.
        let (mut whole_by, mut spoken) = ((!asked).then(|| began + limits.message), asked);
        loop {
            let deadline = whole_by.unwrap_or_else(|| idle.ends());
            let length = match timeout_at(deadline, from.read(&mut buffer)).await {
                Ok(Ok(length)) if length > 0 => length,
                Ok(_) => return "closed by the peer",
                Err(_) if whole_by.is_some() => {
                    counters.slow.fetch_add(1, Relaxed);
                    return "a message took too long";
                }
                // Something was written meanwhile: not idle yet.
                Err(_) if Instant::now() < idle.ends() => continue,
                Err(_) => return "idle",
            };
            let mut came = buffer.get(..length).unwrap_or_default();
            // Whatever is said while a ping of ours is out says that they are there.
            if pinged_ms.swap(0, Relaxed) != 0
                && !came.starts_with(PING)
                && matches!(framer.held(), 0 | 2)
                && let Some(rest) = came.strip_prefix(PONG)
            {
                // A lone line break is the answer. It is taken out, or the next one would make it a ping of theirs; so is
                // an empty line from before, which is of no use to anybody (RFC 3261 §7.5).
                answers_pings.store(true, Relaxed);
                framer = Framer::new();
                came = rest;
            }
            // Pings of ours and their answers are no use of a connection: one that nobody needs is let go in the end.
            if !came.is_empty() {
                idle.touch();
            }
            framer.push(came);
            while let Some(frame) = framer.next() {
                match frame {
                    Ok(Frame::Message(bytes)) => {
                        (whole_by, spoken) = (None, true);
                        if let Some(flood) = &stranger
                            && !buckets.pass(std::time::Instant::now(), flow.remote.ip(), flood)
                        {
                            counters.flooded.fetch_add(1, Relaxed);
                            return "a stranger says too much";
                        }
                        if arrivals.send(Arrived::Message { flow, bytes }).await.is_err() {
                            return "the loop has ended";
                        }
                    }
                    Ok(Frame::Ping) => {
                        (whole_by, spoken) = (None, true);
                        // One pong waiting is enough for any number of pings.
                        let _ = pong.try_send(());
                    }
                    Err(_) => {
                        counters.garbage.fetch_add(1, Relaxed);
                        return "not SIP";
                    }
                }
            }
            // A lone line break may be half a ping; it is no message that has begun.
            if framer.held() < PING.len() && spoken {
                whole_by = None;
            } else if whole_by.is_none() {
                whole_by = Some(Instant::now() + limits.message);
            }
        }
    };
    let write = async {
        let mut last_ping = began;
        loop {
            let pinged = match pinged_ms.load(Relaxed) {
                0 => None,
                at => Some(began + Duration::from_millis(at)),
            };
            // Without an answer to the last ping there is no next one: either the peer owes it and is given up, or it
            // is one that never answers any, and a ping a minute later tells the firewalls as much.
            let next = match pinged {
                Some(at) if answers_pings.load(Relaxed) => at + limits.pong,
                Some(at) => at + limits.keepalive,
                None => idle.touched().max(last_ping) + limits.keepalive,
            };
            let mut ping = false;
            let bytes = tokio::select! {
                bytes = outbox.recv() => match bytes {
                    Some(bytes) => bytes,
                    None => return "closed by us",
                },
                // RFC 5626 §4.4.1: a ping is answered with a single CRLF.
                _ = pongs.recv() => PONG.to_vec(),
                () = tokio::time::sleep_until(next), if asked => {
                    match (pinged, pinged_ms.load(Relaxed)) {
                        // Answered meanwhile, so the next one is due later.
                        (Some(_), 0) => continue,
                        (Some(_), _) if answers_pings.load(Relaxed) => return "a ping was not answered",
                        // Used meanwhile.
                        (None, _) if idle.touched().max(last_ping) + limits.keepalive > Instant::now() => continue,
                        _ => {}
                    }
                    ping = true;
                    PING.to_vec()
                }
            };
            if ping {
                // Before it leaves: its answer may be quicker than we are.
                last_ping = Instant::now();
                let at = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                pinged_ms.store(at.max(1), Relaxed);
            }
            let written = async {
                to.write_all(&bytes).await?;
                // TLS keeps what it has not been asked to send.
                to.flush().await
            };
            match timeout(limits.write, written).await {
                Ok(Ok(())) if ping => {}
                Ok(Ok(())) => idle.touch(),
                _ => {
                    counters.slow.fetch_add(1, Relaxed);
                    return "the peer does not read";
                }
            }
        }
    };
    let why = tokio::select! {
        why = read => why,
        why = write => why,
    };
    // A close that is said (TLS close_notify) is no truncation; a peer that does not take it has had its time.
    let _ = timeout(limits.write, to.shutdown()).await;
    why
}
