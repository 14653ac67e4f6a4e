//! Sessions: the INVITE usage of a dialog, in both roles, a file per verb.
//!
//! `accept` is the callee's side up to the ACK, `connect` the caller's, `ack` what confirms either, `cancel` what takes
//! an INVITE back, `modify` offers within a session, `info` and `options` the small ones, `bye` the end, and
//! `challenge` the answer to a 401 or 407. REFER has no file: it is not in our Allow, so it is answered 405. A session lives until it is over *and* the last transaction that could still
//! bring it a message is gone: a fork's late 2xx must find somebody to acknowledge it and hang up.

use std::time::{Duration, Instant};

use self::challenge::Answering;
use crate::dialog::Dialog;
use crate::endpoint::Endpoint;
use crate::event::{Body, Ended, Event, OfferId, RequestId, SessionId};
use crate::message::multipart;
use crate::message::{Headers, Request};
use crate::transaction::table::{Bytes, TransactionId};
use crate::transport::Flow;

mod accept;
pub(crate) mod ack;
mod bye;
mod cancel;
pub(crate) mod challenge;
mod connect;
mod info;
mod modify;
mod options;

/// RFC 3261 §8.1.1.6.
pub(crate) const MAX_FORWARDS: u8 = 70;
/// 2xx of one INVITE we answer with an ACK of their own: forks beyond it are absorbed.
pub(crate) const FORKS_MAX: usize = 16;
/// How often a re-INVITE is tried again after 491 before the application hears of it.
pub(crate) const GLARE_TRIES_MAX: u8 = 6;

/// What a transaction is to the session it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    /// Nobody waits for its end.
    Nobody,
    /// Our first INVITE.
    Invite(SessionId),
    /// An INVITE of ours within the session.
    Reinvite(SessionId),
    /// Our INFO.
    Info(SessionId),
    /// Our BYE.
    Bye(SessionId),
    /// Their first INVITE.
    Incoming(SessionId),
    /// An offer of theirs within the session.
    Offer(SessionId),
    /// A request of ours outside any dialog.
    Asked(RequestId),
}

impl User {
    /// The session that lives as long as this transaction does.
    pub(crate) fn keeps(self) -> Option<SessionId> {
        match self {
            User::Invite(id) | User::Reinvite(id) | User::Info(id) | User::Bye(id) => Some(id),
            User::Nobody | User::Incoming(_) | User::Offer(_) | User::Asked(_) => None,
        }
    }
}

/// One session.
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) call_id: String,
    pub(crate) local_tag: String,
    pub(crate) state: State,
    /// Answers challenges to any request of ours.
    pub(crate) answering: Answering,
    /// The ACKs of the 2xx we received, to be sent again when a 2xx is repeated.
    pub(crate) acks: Vec<SentAck>,
    /// Client transactions that may still bring something.
    pub(crate) live: usize,
    /// Our INVITE transactions, to be abandoned when the session has been over for 64*T1.
    pub(crate) invites: Vec<TransactionId>,
    pub(crate) armed: Option<Instant>,
}

/// Where a session stands.
pub(crate) enum State {
    /// They called; we have not answered.
    Invited(Invited),
    /// We called; nobody has answered.
    Calling(Calling),
    /// Somebody answered.
    Established(Established),
    /// Ended or refused, and told.
    Over(Over),
}

pub(crate) struct Invited {
    pub(crate) server: TransactionId,
    /// The way it came.
    pub(crate) flow: Flow,
    pub(crate) request: Request,
    pub(crate) dialog: Dialog,
    /// Sent again every minute, so that proxies on the way do not give up (RFC 3261 §13.3.1.1).
    pub(crate) provisional: Option<(Repeated, Instant)>,
    pub(crate) expires: Instant,
    /// Expires ran out, rather than our patience.
    pub(crate) theirs_expires: bool,
    pub(crate) source: std::net::IpAddr,
}

/// A provisional response ready to be repeated.
pub(crate) struct Repeated(pub(crate) Bytes);

pub(crate) struct Calling {
    pub(crate) client: TransactionId,
    /// A provisional response came, so that CANCEL is allowed (RFC 3261 §9.1).
    pub(crate) provisional: bool,
    pub(crate) ending: Option<Ending>,
    /// When ringing has lasted too long, or, once cancelled, when a final response can no longer be expected.
    pub(crate) give_up: Option<Instant>,
    /// The datagram way to fall back to, when the INVITE took TCP only for its size (RFC 3261 §18.1.1).
    pub(crate) fallback: Option<Flow>,
}

/// We no longer want the call we are making.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    /// What the application will be told.
    pub(crate) status: u16,
    pub(crate) cancelled: bool,
}

pub(crate) struct Established {
    pub(crate) dialog: Dialog,
    /// 2xx of ours that wait for their ACK.
    pub(crate) unacked: Vec<Unacked>,
    pub(crate) ours: Ours,
    pub(crate) theirs: Option<Theirs>,
    /// Hang up as soon as the ACK is here (RFC 3261 §15: no BYE before it).
    pub(crate) hang_up: bool,
}

/// A 2xx of ours, repeated until its ACK (RFC 3261 §13.3.1.4).
pub(crate) struct Unacked {
    pub(crate) cseq: u32,
    pub(crate) bytes: Bytes,
    pub(crate) flow: Flow,
    pub(crate) resend_at: Instant,
    pub(crate) interval: Duration,
    pub(crate) give_up: Instant,
    /// The first INVITE's, not a re-INVITE's.
    pub(crate) first: bool,
    /// The offer was in the 2xx, so the answer is in the ACK.
    pub(crate) offered: bool,
}

/// An offer of ours within the session.
pub(crate) enum Ours {
    Idle,
    /// Waits until an INVITE of theirs is done (RFC 3261 §14.1).
    Queued {
        offer: Body,
        tries: u8,
    },
    /// 491 came: again at this instant.
    Glared {
        offer: Body,
        tries: u8,
        at: Instant,
    },
    /// The re-INVITE is out.
    Pending {
        offer: Body,
        tries: u8,
        client: TransactionId,
        give_up: Instant,
    },
}

/// An offer of theirs the application thinks about.
pub(crate) struct Theirs {
    pub(crate) offer: OfferId,
    pub(crate) server: TransactionId,
    pub(crate) request: Request,
    pub(crate) give_up: Instant,
}

/// An ACK of ours.
pub(crate) struct SentAck {
    pub(crate) cseq: u32,
    pub(crate) remote_tag: String,
    pub(crate) bytes: Bytes,
    pub(crate) flow: Flow,
}

pub(crate) struct Over {
    /// Answers a BYE that crossed ours, and carries a second try of ours with credentials.
    pub(crate) dialog: Option<Dialog>,
    /// When INVITEs of ours that still have no final response are given up.
    pub(crate) abandon: Option<Instant>,
}

impl Session {
    pub(crate) fn new(id: SessionId, call_id: &str, local_tag: &str, state: State) -> Self {
        Self {
            id,
            call_id: call_id.to_owned(),
            local_tag: local_tag.to_owned(),
            state,
            answering: Answering::new(None),
            acks: Vec::new(),
            live: 0,
            invites: Vec::new(),
            armed: None,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Over(_))
    }

    /// The dialog requests within the session travel in.
    pub(crate) fn dialog(&mut self) -> Option<&mut Dialog> {
        match &mut self.state {
            State::Invited(invited) => Some(&mut invited.dialog),
            State::Established(established) => Some(&mut established.dialog),
            State::Over(over) => over.dialog.as_mut(),
            State::Calling(_) => None,
        }
    }

    /// The dialog with the peer of this tag.
    pub(crate) fn dialog_with(&mut self, tag: &str) -> Option<&mut Dialog> {
        self.dialog().filter(|dialog| dialog.remote_tag == tag)
    }

    /// When something is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        match &self.state {
            State::Invited(invited) => {
                let again = invited.provisional.as_ref().map(|(_, at)| *at);
                Some(again.map_or(invited.expires, |at| at.min(invited.expires)))
            }
            State::Calling(calling) => calling.give_up,
            State::Established(established) => {
                let unacked = established
                    .unacked
                    .iter()
                    .map(|unacked| unacked.resend_at.min(unacked.give_up));
                let ours = match &established.ours {
                    Ours::Glared { at, .. } => Some(*at),
                    Ours::Pending { give_up, .. } => Some(*give_up),
                    Ours::Idle | Ours::Queued { .. } => None,
                };
                let theirs = established.theirs.as_ref().map(|theirs| theirs.give_up);
                unacked.chain(ours).chain(theirs).min()
            }
            State::Over(over) => over.abandon,
        }
    }
}

impl Endpoint {
    /// Works on one session, then files its next deadline, or the session itself when it is done with.
    pub(crate) fn with_session<R>(
        &mut self,
        id: SessionId,
        work: impl FnOnce(&mut Self, &mut Session) -> R,
    ) -> Option<R> {
        let mut session = self.sessions.remove(&id)?;
        let result = work(self, &mut session);
        self.file(session);
        Some(result)
    }

    /// A deadline of a session has passed.
    pub(crate) fn session_time(&mut self, now: Instant, id: SessionId) {
        self.with_session(id, |endpoint, session| match &session.state {
            State::Invited(_) => endpoint.invited_time(now, session),
            State::Calling(_) => endpoint.calling_time(now, session),
            State::Established(_) => {
                endpoint.unacked_time(now, session);
                endpoint.modify_time(now, session);
            }
            State::Over(_) => {
                if let State::Over(over) = &mut session.state {
                    over.abandon = None;
                }
                for client in std::mem::take(&mut session.invites) {
                    if let Some(stepped) = endpoint.transactions.abandon(now, client) {
                        endpoint.carry_out_at(client, stepped);
                    }
                }
            }
        });
    }

    /// Tells the application that the session is over, and lets it fade.
    pub(crate) fn end(&mut self, now: Instant, session: &mut Session, why: Ended) {
        self.fade(now, session);
        self.tell(Event::Ended {
            session: session.id,
            why,
        });
    }

    /// Tells the application that its call came to nothing, and lets the session fade.
    pub(crate) fn refused(&mut self, now: Instant, session: &mut Session, status: u16) {
        self.fade(now, session);
        self.tell(Event::Refused {
            session: session.id,
            status,
        });
    }

    fn fade(&mut self, now: Instant, session: &mut Session) {
        let over = Over {
            dialog: None,
            abandon: Some(now + self.config.timers.t1 * 64),
        };
        let before = std::mem::replace(&mut session.state, State::Over(over));
        let dialog = match before {
            State::Invited(invited) => {
                self.answered(invited.source);
                None
            }
            State::Established(established) => {
                // RFC 3261 §15.1.2: what is pending gets 487.
                if let Some(theirs) = established.theirs {
                    let response = self.reply(&theirs.request, 487, &session.local_tag);
                    self.respond(now, theirs.server, response);
                }
                Some(established.dialog)
            }
            State::Calling(_) => None,
            State::Over(over) => over.dialog,
        };
        if let State::Over(over) = &mut session.state {
            over.dialog = dialog;
        }
    }
}

/// A message's body, if it has one. Of several parts (RFC 5621 §3), such as a session description beside ISUP, the
/// session description is the one a session is about.
fn body(headers: &Headers, bytes: &[u8]) -> Option<Body> {
    if bytes.is_empty() {
        return None;
    }
    // RFC 3261 §7.4.1: a body has a Content-Type; one without is what an INVITE's body always was.
    let content_type = headers.content_type().unwrap_or_else(|| SDP.to_owned());
    if let Some((content_type, part)) = multipart::find(&content_type, bytes, SDP) {
        return Some(Body {
            content_type,
            bytes: part.to_vec(),
        });
    }
    Some(Body {
        content_type,
        bytes: bytes.to_vec(),
    })
}

const SDP: &str = "application/sdp";

#[cfg(test)]
mod tests {
    use super::body;
    use crate::message::Headers;

    #[test]
    fn a_session_description_is_found_beside_a_binary_part() {
        let mut headers = Headers::new();
        headers.set("Content-Type", "multipart/mixed;boundary=unique");
        let parts = b"--unique\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--unique\r\nContent-Type: application/isup\r\n\r\n\x00\xff\r\n--unique--\r\n";
        let found = body(&headers, parts).expect("there is a body");
        assert_eq!(
            (found.content_type.as_str(), found.bytes.as_slice()),
            ("application/sdp", b"v=0\r\n".as_slice())
        );
        headers.set("Content-Type", "application/sdp");
        assert_eq!(body(&headers, b"v=0\r\n").expect("there is a body").bytes, b"v=0\r\n");
    }
}
