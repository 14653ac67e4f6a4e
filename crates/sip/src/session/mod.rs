//! Sessions: the INVITE usage of a dialog, in both roles, a file per verb.
//!
//! `accept` is the callee's side up to the ACK, `connect` the caller's, `prack` the reliable provisionals of both, `ack` what
//! confirms either, `cancel` what takes an INVITE back, `modify` offers within a session, `refresh` its timer, `info` and
//! `options` the small ones, `bye` the end, and `challenge` the answer to a 401 or 407. REFER has no file: it is not in our
//! Allow, so it is answered 405. A session lives until it is over *and* the last transaction that could still bring it a
//! message is gone: a fork's late 2xx must find somebody to acknowledge it and hang up.

use std::time::{Duration, Instant};

use self::challenge::Answering;
use self::prack::Reliably;
use self::refresh::Refresh;
use crate::config::SessionTimer;
use crate::dialog::Dialog;
use crate::endpoint::Endpoint;
use crate::event::{Body, Ended, Event, OfferId, RequestId, SessionId, Vitals};
use crate::message::{HeaderName, multipart};
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
pub(crate) mod prack;
pub(crate) mod refresh;

/// RFC 3261 §8.1.1.6.
pub(crate) const MAX_FORWARDS: u8 = 70;
/// Forks of one INVITE we keep: early dialogs, and 2xx we answer with an ACK of their own. Those beyond it are absorbed.
pub(crate) const FORKS_MAX: usize = 16;
/// 2xx of ours that may wait for their ACK at once: re-INVITEs beyond it are told to come back.
pub(crate) const UNACKED_MAX: usize = 8;
/// How often a re-INVITE is tried again after 491 before the application hears of it.
pub(crate) const GLARE_TRIES_MAX: u8 = 6;

/// What a transaction is to the session it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    /// Nobody waits for its end.
    Nobody,
    /// Our first INVITE.
    Invite(SessionId),
    /// Our PRACK.
    Prack(SessionId),
    /// An offer of ours within the session: a re-INVITE, or an UPDATE while it is early.
    Reinvite(SessionId),
    /// Our refresh of the session: an UPDATE, or a re-INVITE with the offer unchanged.
    Refresh(SessionId),
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
            User::Invite(id)
            | User::Prack(id)
            | User::Reinvite(id)
            | User::Refresh(id)
            | User::Info(id)
            | User::Bye(id) => Some(id),
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
    /// What we ask of session timers; a 422 raises it.
    pub(crate) timer: SessionTimer,
    /// The ACKs of the 2xx we received, to be sent again when a 2xx is repeated.
    pub(crate) acks: Vec<SentAck>,
    /// Client transactions that may still bring something.
    pub(crate) live: usize,
    /// Our INVITE transactions, to be abandoned when the session has been over for 64*T1.
    pub(crate) invites: Vec<TransactionId>,
    /// Refreshes of theirs, by UPDATE or re-INVITE.
    pub(crate) refreshed: u32,
    /// Who asked what our BYE comes to.
    pub(crate) farewell: Option<RequestId>,
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

/// A dialog, and what is agreed in it.
pub(crate) struct Talk {
    pub(crate) dialog: Dialog,
    pub(crate) ours: Ours,
    pub(crate) theirs: Option<Theirs>,
    /// The first offer has been answered, and reliably so: either side may make the next one (RFC 3311 §5.1).
    pub(crate) settled: bool,
    /// What each side described last.
    pub(crate) said: Option<Body>,
    pub(crate) heard: Option<Body>,
    /// The last offer was theirs.
    pub(crate) they_offered: bool,
    /// They take UPDATE (RFC 3311 §4: their Allow says so).
    pub(crate) updates: bool,
}

pub(crate) struct Invited {
    pub(crate) server: TransactionId,
    /// The way it came.
    pub(crate) flow: Flow,
    pub(crate) request: Request,
    pub(crate) talk: Talk,
    /// Sent again every minute, so that proxies on the way do not give up (RFC 3261 §13.3.1.1).
    pub(crate) provisional: Option<(Repeated, Instant)>,
    pub(crate) reliably: Reliably,
    /// The application has answered; what must come first has not happened yet.
    pub(crate) accepted: Option<Body>,
    pub(crate) expires: Instant,
    /// Expires ran out, rather than our patience.
    pub(crate) theirs_expires: bool,
    pub(crate) source: std::net::IpAddr,
}

/// A provisional response to be repeated: as it was, or, when it must be acknowledged, as a new one of its status.
pub(crate) enum Repeated {
    Plainly(Bytes),
    Reliably(u16),
}

pub(crate) struct Calling {
    pub(crate) client: TransactionId,
    /// A provisional response came, so that CANCEL is allowed (RFC 3261 §9.1).
    pub(crate) provisional: bool,
    pub(crate) ending: Option<Ending>,
    /// When ringing has lasted too long, or, once cancelled, when a final response can no longer be expected.
    pub(crate) give_up: Option<Instant>,
    /// The datagram way to fall back to, when the INVITE took TCP only for its size (RFC 3261 §18.1.1).
    pub(crate) fallback: Option<Flow>,
    /// What the INVITE offers.
    pub(crate) offer: Option<Body>,
    /// The early dialogs, one for each who rings.
    pub(crate) forks: Vec<Fork>,
}

/// One early dialog of a call of ours.
pub(crate) struct Fork {
    pub(crate) talk: Talk,
    /// The RSeq last acknowledged (RFC 3262 §4).
    pub(crate) rseq: Option<u32>,
}

/// We no longer want the call we are making.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ending {
    /// What the application will be told.
    pub(crate) status: u16,
    pub(crate) cancelled: bool,
}

pub(crate) struct Established {
    pub(crate) talk: Talk,
    /// 2xx of ours that wait for their ACK.
    pub(crate) unacked: Vec<Unacked>,
    /// Hang up as soon as the ACK is here (RFC 3261 §15: no BYE before it).
    pub(crate) hang_up: bool,
    /// The session timer, when one was agreed.
    pub(crate) refresh: Option<Refresh>,
    /// A reliable provisional whose PRACK had not come when we answered: RSeq and CSeq (RFC 3262 §3).
    pub(crate) unpracked: Option<(u32, u32)>,
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
    /// The re-INVITE, or the UPDATE, is out.
    Pending {
        offer: Body,
        tries: u8,
        client: TransactionId,
        give_up: Instant,
        /// The RSeq of its last reliable provisional, and the answer that one brought.
        rseq: Option<u32>,
        answer: Option<Body>,
    },
}

/// An offer of theirs the application thinks about.
pub(crate) struct Theirs {
    pub(crate) offer: OfferId,
    pub(crate) body: Option<Body>,
    pub(crate) by: By,
    pub(crate) give_up: Instant,
}

impl Theirs {
    /// Whether this transaction brought it.
    fn is_of(&self, transaction: TransactionId) -> bool {
        matches!(&self.by, By::Request { server, .. } if *server == transaction)
    }
}

/// What brought an offer of theirs, which says where its answer goes.
pub(crate) enum By {
    /// A re-INVITE, an UPDATE or a PRACK: into its response.
    Request {
        server: TransactionId,
        request: Box<Request>,
    },
    /// A reliable provisional response to our INVITE without an offer: into its PRACK.
    Provisional { rseq: u32 },
    /// The 2xx to our INVITE without an offer: into the ACK.
    Success { invite: Box<Request> },
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
            timer: SessionTimer::OFF,
            acks: Vec::new(),
            live: 0,
            invites: Vec::new(),
            refreshed: 0,
            farewell: None,
            armed: None,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Over(_))
    }

    fn vitals(&self) -> Vitals {
        let (unacknowledged, refresh) = match &self.state {
            State::Invited(invited) => (invited.reliably.outstanding().is_some(), None),
            State::Established(established) => (established.unpracked.is_some(), established.refresh.as_ref()),
            State::Calling(_) | State::Over(_) => (false, None),
        };
        Vitals {
            prack_owed: unacknowledged,
            interval_s: refresh.map(Refresh::interval_s),
            we_refresh: refresh.is_some_and(Refresh::is_ours),
            refreshed: self.refreshed,
        }
    }

    /// The talk with the peer of this tag: of several forks, that one.
    pub(crate) fn talk_with(&mut self, tag: &str) -> Option<&mut Talk> {
        self.talks().into_iter().find(|talk| talk.dialog.remote_tag == tag)
    }

    /// Every talk: one, or one for each fork that rings.
    pub(crate) fn talks(&mut self) -> Vec<&mut Talk> {
        match &mut self.state {
            State::Invited(invited) => vec![&mut invited.talk],
            State::Established(established) => vec![&mut established.talk],
            State::Calling(calling) => calling.forks.iter_mut().map(|fork| &mut fork.talk).collect(),
            State::Over(_) => Vec::new(),
        }
    }

    /// The dialog with the peer of this tag.
    pub(crate) fn dialog_with(&mut self, tag: &str) -> Option<&mut Dialog> {
        self.dialogs().into_iter().find(|dialog| dialog.remote_tag == tag)
    }

    /// Every dialog that requests of this session travel in.
    pub(crate) fn dialogs(&mut self) -> Vec<&mut Dialog> {
        match &mut self.state {
            State::Over(over) => over.dialog.iter_mut().collect(),
            State::Invited(invited) => vec![&mut invited.talk.dialog],
            State::Established(established) => vec![&mut established.talk.dialog],
            State::Calling(calling) => calling.forks.iter_mut().map(|fork| &mut fork.talk.dialog).collect(),
        }
    }

    /// When something is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        match &self.state {
            State::Invited(invited) => {
                let again = invited.provisional.as_ref().map(|(_, at)| *at);
                [again, Some(invited.expires), invited.reliably.due(), invited.talk.due()]
                    .into_iter()
                    .flatten()
                    .min()
            }
            State::Calling(calling) => {
                let forks = calling.forks.iter().filter_map(|fork| fork.talk.due());
                forks.chain(calling.give_up).min()
            }
            State::Established(established) => {
                let unacked = established
                    .unacked
                    .iter()
                    .map(|unacked| unacked.resend_at.min(unacked.give_up));
                let refresh = established.refresh.as_ref().map(Refresh::due);
                unacked.chain(established.talk.due()).chain(refresh).min()
            }
            State::Over(over) => over.abandon,
        }
    }
}

impl Talk {
    /// A dialog in which nothing has been said yet. `headers` are those of the message that made it.
    pub(crate) fn new(dialog: Dialog, headers: &Headers) -> Self {
        Self {
            dialog,
            ours: Ours::Idle,
            theirs: None,
            settled: false,
            said: None,
            heard: None,
            they_offered: false,
            updates: allows_update(headers),
        }
    }

    /// An offer has its answer.
    pub(crate) fn agree(&mut self, said: Option<Body>, heard: Option<Body>, they_offered: bool) {
        self.settled = true;
        self.said = said;
        self.heard = heard;
        self.they_offered = they_offered;
    }

    /// Their Contact, and what they take, as a message that may change both says.
    pub(crate) fn learn(&mut self, headers: &Headers) {
        self.dialog.refresh_target(headers);
        if headers.has(HeaderName::Allow) {
            self.updates = allows_update(headers);
        }
    }

    fn due(&self) -> Option<Instant> {
        let ours = match &self.ours {
            Ours::Glared { at, .. } => Some(*at),
            Ours::Pending { give_up, .. } => Some(*give_up),
            Ours::Idle | Ours::Queued { .. } => None,
        };
        let theirs = self.theirs.as_ref().map(|theirs| theirs.give_up);
        ours.into_iter().chain(theirs).min()
    }
}

fn allows_update(headers: &Headers) -> bool {
    headers.allow().iter().any(|method| method == "UPDATE")
}

impl Endpoint {
    /// What is known of a session beside its events; `None` when there is no such session, or it is over.
    pub fn vitals(&self, session: SessionId) -> Option<Vitals> {
        let session = self.sessions.get(&session).filter(|session| !session.is_over())?;
        Some(session.vitals())
    }

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
            State::Invited(_) => {
                endpoint.invited_time(now, session);
                endpoint.prack_time(now, session);
                endpoint.modify_time(now, session);
            }
            State::Calling(_) => {
                endpoint.calling_time(now, session);
                endpoint.modify_time(now, session);
            }
            State::Established(_) => {
                endpoint.unacked_time(now, session);
                endpoint.modify_time(now, session);
                endpoint.refresh_time(now, session);
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
        self.refused_for(now, session, status, None);
    }

    /// The same, by a response that says when to ask again.
    pub(crate) fn refused_for(&mut self, now: Instant, session: &mut Session, status: u16, retry_after_s: Option<u32>) {
        self.fade(now, session);
        self.tell(Event::Refused {
            session: session.id,
            status,
            retry_after_s,
        });
    }

    fn fade(&mut self, now: Instant, session: &mut Session) {
        let over = Over {
            dialog: None,
            abandon: Some(now + self.config.timers.t1 * 64),
        };
        let before = std::mem::replace(&mut session.state, State::Over(over));
        let mut talks = Vec::new();
        let mut dialog = None;
        match before {
            State::Invited(invited) => {
                self.answered(invited.source);
                talks.push(invited.talk);
            }
            State::Established(established) => talks.push(established.talk),
            State::Calling(calling) => talks.extend(calling.forks.into_iter().map(|fork| fork.talk)),
            State::Over(over) => dialog = over.dialog,
        }
        for talk in talks {
            // RFC 3261 §15.1.2: what is pending gets 487.
            self.let_go(now, &session.local_tag, talk.theirs);
            dialog = Some(talk.dialog);
        }
        if let State::Over(over) = &mut session.state {
            over.dialog = dialog;
        }
    }

    /// An offer of theirs will not be answered any more.
    pub(crate) fn let_go(&mut self, now: Instant, tag: &str, theirs: Option<Theirs>) {
        if let Some(By::Request { server, request }) = theirs.map(|theirs| theirs.by) {
            let response = self.reply(&request, 487, tag);
            self.respond(now, server, response);
        }
    }
}

/// The session description in a message, if it has one. A body of another kind that got as far as this may be passed over
/// (RFC 3204's handling=optional).
fn description(headers: &Headers, bytes: &[u8]) -> Option<Body> {
    body(headers, bytes).filter(|body| multipart::is(&body.content_type, SDP))
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

pub(crate) const SDP: &str = "application/sdp";

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
