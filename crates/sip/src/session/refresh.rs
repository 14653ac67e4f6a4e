//! Session timers, both roles (RFC 4028): a session that nobody refreshes is over, so that no call outlives its far end.
//!
//! Whoever was chosen refreshes at half the interval: by UPDATE without a body when the other side's Allow has it, else by a
//! re-INVITE that offers again what was said last. Both sides hang up a third of the interval, at most 32 s, before it runs out.

use std::time::{Duration, Instant};

use super::{GLARE_TRIES_MAX, Ours, Session, State, User};
use crate::config::SessionTimer;
use crate::endpoint::{ALLOW, Endpoint, SUPPORTED};
use crate::event::{Ended, Event};
use crate::message::{HeaderName, Headers, Method, Refresher, Response};
use crate::transaction::table::TransactionId;

/// The option tag (RFC 4028 §11.1).
pub(crate) const OPTION: &str = "timer";
/// RFC 4028 §5: the Min-SE that is meant when none is written.
const MIN_SE_S: u32 = 90;
/// The shortest interval we keep to, whatever was agreed: half of it lies between two refreshes.
const INTERVAL_MIN_S: u32 = 10;
/// §10: the most by which a session is given up before its interval has run out.
const EARLY_MAX: Duration = Duration::from_secs(32);
/// The longest interval we keep to: 2^31 would overflow nobody's clock but be no timer either.
const INTERVAL_MAX_S: u32 = 86_400;

/// What a 2xx of ours grants.
pub(crate) struct Granted {
    interval_s: u32,
    refresher: Refresher,
}

impl SessionTimer {
    /// §6, §8: whether an interval they ask for is answered 422. Only who understands the option can ask again.
    pub(crate) fn refuses(&self, headers: &Headers) -> bool {
        // At the RFC's own minimum, what carriers really send is tolerated; a longer one is somebody's wish and is kept.
        let least = if self.min_se_s > MIN_SE_S {
            self.min_se_s
        } else {
            self.tolerated_s
        };
        headers.supports(OPTION) && headers.session_expires().is_some_and(|(asked, _)| asked < least)
    }

    /// §9: what a request of theirs gets. `ours` says who refreshes already.
    pub(crate) fn grant(&self, headers: &Headers, ours: Option<bool>) -> Option<Granted> {
        let supported = headers.supports(OPTION);
        let Some((asked, refresher)) = headers.session_expires() else {
            // They can, and asked for nothing: it is ours to ask.
            let interval_s = self.expires_s.max(self.min_se_s);
            return (supported && self.expires_s > 0).then_some(Granted {
                interval_s,
                refresher: Refresher::Uas,
            });
        };
        // §9: it may be shortened, though never below their Min-SE.
        let least = headers.min_se().unwrap_or(0).max(MIN_SE_S).max(self.min_se_s);
        let wanted = if self.expires_s > 0 {
            asked.min(self.expires_s.max(least))
        } else {
            asked
        };
        // §9, table 2: who does not understand timers cannot refresh. Within a session the roles stay.
        let refresher = match (supported, refresher, ours) {
            (false, ..) => Refresher::Uas,
            (true, Some(refresher), _) => refresher,
            (true, None, Some(false)) => Refresher::Uac,
            (true, None, _) => Refresher::Uas,
        };
        Some(Granted {
            interval_s: wanted,
            refresher,
        })
    }

    /// §7.1: what the first INVITE of ours asks for.
    pub(crate) fn ask(&self, headers: &mut Headers) {
        if self.expires_s > 0 {
            let interval = self.expires_s.max(self.min_se_s);
            headers.set(HeaderName::SessionExpires, interval.to_string());
            if self.min_se_s != MIN_SE_S {
                headers.set(HeaderName::MinSe, self.min_se_s.max(MIN_SE_S).to_string());
            }
        }
    }

    /// §7.3: what a 422 asks for. Whether asking again makes sense.
    pub(crate) fn raise(&mut self, response: &Response) -> bool {
        let Some(least) = response.min_se().filter(|least| *least <= INTERVAL_MAX_S) else {
            return false;
        };
        let more = least > self.min_se_s || (self.expires_s > 0 && least > self.expires_s);
        self.min_se_s = self.min_se_s.max(least);
        if self.expires_s > 0 {
            self.expires_s = self.expires_s.max(least);
        }
        more
    }
}

impl Granted {
    /// Says so in the 2xx.
    pub(crate) fn write(&self, headers: &mut Headers) {
        let Self { interval_s, refresher } = self;
        headers.push(
            HeaderName::SessionExpires,
            format!("{interval_s};refresher={}", refresher.as_str()),
        );
        if *refresher == Refresher::Uac {
            // §9: or the caller would not know that it is up to him.
            headers.push(HeaderName::Require, OPTION);
        }
    }
}

/// A session timer that runs.
pub(crate) struct Refresh {
    interval_s: u32,
    /// We refresh.
    ours: bool,
    /// When we do.
    at: Option<Instant>,
    /// When we hang up, if nothing has come by then.
    expires: Instant,
    /// They had no use for UPDATE.
    by_invite: bool,
    /// 491 and 422 in a row.
    tries: u8,
    doing: Option<Doing>,
}

/// Our refresh is out.
struct Doing {
    client: TransactionId,
    invite: bool,
    /// The RSeq of its last reliable provisional.
    rseq: Option<u32>,
}

impl Refresh {
    /// From a 2xx of ours.
    pub(crate) fn new(now: Instant, granted: &Granted) -> Self {
        Self::running(now, granted.interval_s, granted.refresher == Refresher::Uas)
    }

    fn running(now: Instant, interval_s: u32, ours: bool) -> Self {
        let interval = Duration::from_secs(interval_s.clamp(INTERVAL_MIN_S, INTERVAL_MAX_S).into());
        Self {
            interval_s,
            ours,
            // §7.2, §10: "once half the session interval has elapsed".
            at: ours.then(|| now + interval / 2),
            expires: now + interval - EARLY_MAX.min(interval / 3),
            by_invite: false,
            tries: 0,
            doing: None,
        }
    }

    /// From a 2xx of theirs to a request of ours (§7.2). One that names no refresher leaves it to us, who asked.
    pub(crate) fn granted(now: Instant, headers: &Headers) -> Option<Self> {
        let (interval_s, refresher) = headers.session_expires()?;
        Some(Self::running(now, interval_s, refresher != Some(Refresher::Uas)))
    }

    pub(crate) fn due(&self) -> Instant {
        self.at.map_or(self.expires, |at| at.min(self.expires))
    }

    /// The Session-Expires agreed on.
    pub(crate) fn interval_s(&self) -> u32 {
        self.interval_s
    }

    /// Whether we refresh.
    pub(crate) fn is_ours(&self) -> bool {
        self.ours
    }

    /// A re-INVITE of ours is out, so that neither side may send another (RFC 3261 §14.1).
    pub(crate) fn is_inviting(&self) -> bool {
        self.doing.as_ref().is_some_and(|doing| doing.invite)
    }

    /// The RSeq last acknowledged in this transaction, if the refresh is its.
    pub(super) fn provisional_of(&mut self, client: TransactionId) -> Option<&mut Option<u32>> {
        let doing = self.doing.as_mut().filter(|doing| doing.client == client)?;
        Some(&mut doing.rseq)
    }

    /// §7.4: what any re-INVITE or UPDATE of ours says of the timer that runs.
    pub(super) fn write(&self, timer: &SessionTimer, headers: &mut Headers) {
        let refresher = if self.ours { Refresher::Uac } else { Refresher::Uas };
        let interval_s = self
            .interval_s
            .max(if timer.min_se_s > MIN_SE_S { timer.min_se_s } else { 0 });
        headers.set(
            HeaderName::SessionExpires,
            format!("{interval_s};refresher={}", refresher.as_str()),
        );
        if timer.min_se_s != MIN_SE_S {
            headers.set(HeaderName::MinSe, timer.min_se_s.max(MIN_SE_S).to_string());
        }
    }

    /// Again when a part of what is left has passed; not at all when hardly anything is left.
    fn later(&mut self, now: Instant, part: u32) {
        let wait = (self.expires.saturating_duration_since(now) / part).max(Duration::from_secs(1));
        self.at = Some(now + wait).filter(|at| *at < self.expires);
    }
}

/// Puts what a 2xx granted in the place of what ran. A refresh of ours that is out stays so, and who turned out not to take
/// UPDATE is remembered.
pub(super) fn renew(running: &mut Option<Refresh>, new: Option<Refresh>) {
    let (by_invite, doing) = running
        .take()
        .map_or((false, None), |running| (running.by_invite, running.doing));
    *running = new.map(|new| Refresh {
        by_invite,
        doing,
        ..new
    });
}

impl Endpoint {
    /// It is time to refresh, or too late to wait for a refresh.
    pub(super) fn refresh_time(&mut self, now: Instant, session: &mut Session) {
        let State::Established(established) = &mut session.state else {
            return;
        };
        let Some(refresh) = &mut established.refresh else {
            return;
        };
        if now >= refresh.expires {
            // RFC 3261 §15: no BYE before the ACK of our first 2xx; that wait has its own end.
            if let Some(first) = established.unacked.iter().find(|unacked| unacked.first) {
                refresh.expires = first.give_up;
                return;
            }
            let hung_up = established.hang_up;
            self.bye_now(now, session);
            self.end(now, session, if hung_up { Ended::ByOurBye } else { Ended::Expired });
            return;
        }
        if refresh.at.is_some_and(|at| now >= at) && refresh.doing.is_some() {
            refresh.later(now, 4);
        } else if refresh.at.is_some_and(|at| now >= at) {
            self.refresh_now(now, session);
        }
    }

    fn refresh_now(&mut self, now: Instant, session: &mut Session) {
        let timer = session.timer;
        let State::Established(established) = &mut session.state else {
            return;
        };
        let Some(refresh) = &mut established.refresh else {
            return;
        };
        refresh.at = None;
        let talk = &mut established.talk;
        // RFC 3261 §14.1: one at a time. An offer of ours or theirs that is under way refreshes the session as well.
        let busy = !matches!(talk.ours, Ours::Idle | Ours::Queued { .. })
            || talk.theirs.is_some()
            || !established.unacked.is_empty()
            || established.hang_up;
        if busy {
            refresh.later(now, 4);
            return;
        }
        let update = talk.updates && !refresh.by_invite;
        let method = match (&talk.said, update) {
            (_, true) => Method::Update,
            (Some(_), false) => Method::Invite,
            // Nothing could be offered unchanged: it is left to them, or to the end.
            (None, false) => return,
        };
        let invite = method == Method::Invite;
        let cseq = talk.dialog.next_cseq();
        let flow = talk.dialog.way();
        let contact = self.contact_value(flow, talk.dialog.is_secure());
        let mut request = talk.dialog.request(method, cseq);
        request.headers.push(HeaderName::Contact, contact);
        request.headers.push(HeaderName::Allow, ALLOW);
        request.headers.push(HeaderName::Supported, SUPPORTED);
        refresh.write(&timer, &mut request.headers);
        if let Some(said) = talk.said.as_ref().filter(|_| invite) {
            // §7.4: the offer is the one that stands, and its o= line says that nothing has changed.
            request.set_body(&said.content_type, said.bytes.clone());
        }
        let sent = self.send_for(now, session, flow, User::Refresh(session.id), request);
        self.refreshing(session, sent.client, invite);
    }

    fn refreshing(&mut self, session: &mut Session, client: TransactionId, invite: bool) {
        if let State::Established(established) = &mut session.state
            && let Some(refresh) = &mut established.refresh
        {
            refresh.doing = Some(Doing {
                client,
                invite,
                rseq: None,
            });
        }
    }

    pub(super) fn refresh_response(
        &mut self,
        now: Instant,
        session: &mut Session,
        client: TransactionId,
        response: &Response,
    ) {
        let status = response.status.code();
        let is_invite = self
            .transactions
            .request(client)
            .is_some_and(|request| request.method == Method::Invite);
        if status < 200 {
            self.reinvite_provisional(now, session, client, response);
            return;
        }
        if (200..300).contains(&status) {
            if is_invite {
                self.acknowledge_within(session, client, response);
            }
            let id = session.id;
            let Some(doing) = self.refresh_done(session, client) else {
                return;
            };
            let State::Established(established) = &mut session.state else {
                return;
            };
            established.talk.learn(&response.headers);
            let granted = Refresh::granted(now, &response.headers);
            renew(&mut established.refresh, granted);
            let body = super::description(&response.headers, &response.body);
            if let Some(body) = body.filter(|body| doing.invite && established.talk.heard.as_ref() != Some(body)) {
                let said = established.talk.said.take();
                established.talk.agree(said, Some(body.clone()), false);
                self.tell(Event::OfferAnswered {
                    session: id,
                    status,
                    body: Some(body),
                });
            }
            self.modify_next(now, session);
            return;
        }
        let Some(doing) = self.refresh_done(session, client) else {
            return;
        };
        let user = User::Refresh(session.id);
        if let Some(sent) = self.try_again_with_credentials(now, session, client, user, response) {
            self.refreshing(session, sent.client, doing.invite);
            return;
        }
        let wait = self.glare_wait(session);
        let raised = status == 422 && session.timer.raise(response);
        let State::Established(established) = &mut session.state else {
            return;
        };
        let Some(refresh) = &mut established.refresh else {
            return;
        };
        match status {
            // RFC 5057 §5: the session is gone at their end.
            408 | 481 => {
                self.bye_now(now, session);
                self.end(now, session, Ended::TimedOut);
                return;
            }
            491 if refresh.tries < GLARE_TRIES_MAX => {
                refresh.tries += 1;
                refresh.at = Some(now + wait);
            }
            422 if raised && refresh.tries < GLARE_TRIES_MAX => {
                refresh.tries += 1;
                refresh.interval_s = refresh.interval_s.max(session.timer.min_se_s);
                refresh.at = Some(now);
            }
            405 | 420 | 501 if !doing.invite => {
                refresh.by_invite = true;
                refresh.at = Some(now);
            }
            // §7.4: any other refusal leaves the session as it is until it runs out.
            _ => {
                refresh.by_invite |= !doing.invite && established.talk.said.is_some();
                refresh.later(now, 2);
            }
        }
        self.modify_next(now, session);
    }

    /// Nobody answered our refresh, or the network refused it.
    pub(super) fn refresh_in_vain(&mut self, now: Instant, session: &mut Session, client: TransactionId, status: u16) {
        if self.refresh_done(session, client).is_none() {
            return;
        }
        if status == 408 {
            self.bye_now(now, session);
            self.end(now, session, Ended::TimedOut);
            return;
        }
        if let State::Established(established) = &mut session.state
            && let Some(refresh) = &mut established.refresh
        {
            refresh.later(now, 2);
        }
        self.modify_next(now, session);
    }

    fn refresh_done(&mut self, session: &mut Session, client: TransactionId) -> Option<Doing> {
        let State::Established(established) = &mut session.state else {
            return None;
        };
        let refresh = established.refresh.as_mut()?;
        refresh.doing.take_if(|doing| doing.client == client)
    }
}
