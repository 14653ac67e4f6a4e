//! One caller: INVITE, listen, press, hang up, by a plan; a UAC of its own (RFC 3261 §17.1.1, §9.1, §15).

use std::io;
use std::net::SocketAddr;

use super::audio::{Audio, Tally, Voice};
use super::text::{Message, sdp};
use super::wire::{MS, Nanos, Wire};

/// RFC 3261 §17.1.1.2: T1, and 64 × T1 after which nobody answers.
const T1: Nanos = 500 * MS;
const PATIENCE: Nanos = 64 * T1;

/// The payload type our SDP gives to keys.
const EVENT: u8 = 101;

/// What a caller does.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The number dialled.
    pub(crate) number: &'static str,
    /// Whether the caller speaks all the time or is silent.
    pub(crate) speaks: bool,
    /// Keys, each so long after the answer; none once the caller is bridged.
    pub(crate) keys: Vec<(Nanos, char)>,
    /// Hangs up so long after the answer; `None` stays until told.
    pub(crate) hang_up: Option<Nanos>,
    /// Cancels so long after the INVITE, unless answered before.
    pub(crate) cancel: Option<Nanos>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// We said BYE.
    ByUs,
    /// They said BYE.
    ByThem,
    /// 487 after our CANCEL.
    Cancelled,
    /// A final status other than 2xx.
    Refused(u16),
    /// Our request went unanswered for 32 s, or there was no socket.
    Unanswered,
}

enum Phase {
    Inviting {
        rung: bool,
    },
    /// CANCEL is out; a 200 may still cross it.
    Cancelling,
    Talking {
        answered: Nanos,
    },
    /// BYE is out.
    Leaving,
    Over(Ending),
}

/// A caller.
pub(crate) struct Caller {
    id: u32,
    plan: Plan,
    phase: Phase,
    from: String,
    to: String,
    call_id: String,
    target: String,
    local: SocketAddr,
    server: SocketAddr,
    /// What is sent again until it is answered, when, and since when.
    pending: Option<Pending>,
    /// What is sent again for each further 200.
    ack: String,
    audio: Option<Audio>,
    invited: Nanos,
    answered_after: Option<Nanos>,
    keys_pressed: usize,
    was_bridged: bool,
}

struct Pending {
    request: String,
    next: Nanos,
    interval: Nanos,
    since: Nanos,
}

impl Caller {
    /// Sends the INVITE.
    pub(crate) fn call(
        id: u32,
        run: u32,
        plan: Plan,
        now: Nanos,
        wire: &Wire,
        local: SocketAddr,
        server: SocketAddr,
    ) -> io::Result<Self> {
        let audio = Audio::bind()?;
        let uri = format!("sip:{}@{server}", plan.number);
        let mut caller = Self {
            id,
            from: format!("<sip:+1512555{:04}@{local}>;tag=c{run}-{id}", 150 + id % 50),
            to: format!("<{uri}>"),
            call_id: format!("load-{run}-{id}@127.0.0.1"),
            target: uri,
            local,
            server,
            plan,
            phase: Phase::Inviting { rung: false },
            pending: None,
            ack: String::new(),
            audio: None,
            invited: now,
            answered_after: None,
            keys_pressed: 0,
            was_bridged: false,
        };
        let contact = format!(
            "Contact: <sip:load@{local}>\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO\r\nContent-Type: application/sdp\r\n"
        );
        let invite = caller.request("INVITE", 1, &contact, &sdp(audio.port(), EVENT));
        caller.audio = Some(audio);
        caller.invited = super::wire::now();
        caller.ask(invite, now, wire);
        Ok(caller)
    }

    /// Its Call-ID.
    pub(crate) fn call_id(&self) -> &str {
        &self.call_id
    }

    /// The ending, once it has one.
    pub(crate) fn ending(&self) -> Option<Ending> {
        match self.phase {
            Phase::Over(ending) => Some(ending),
            _ => None,
        }
    }

    /// When it was answered, while it talks.
    pub(crate) fn talking_since(&self) -> Option<Nanos> {
        match self.phase {
            Phase::Talking { answered } => Some(answered),
            _ => None,
        }
    }

    /// INVITE to 200 OK, if that came.
    pub(crate) fn answered_after(&self) -> Option<Nanos> {
        self.answered_after
    }

    /// Whether it hears, or has heard, another party of ours.
    pub(crate) fn was_bridged(&self) -> bool {
        self.was_bridged || self.audio.as_ref().is_some_and(|audio| audio.bridged)
    }

    /// Its audio, while it has a call.
    pub(crate) fn audio(&self) -> Option<&Audio> {
        self.audio.as_ref()
    }

    /// The same, to count anew.
    pub(crate) fn audio_mut(&mut self) -> Option<&mut Audio> {
        self.audio.as_mut()
    }

    /// Hangs up now.
    pub(crate) fn hang_up(&mut self, now: Nanos, wire: &Wire) {
        if let Phase::Talking { .. } = self.phase {
            let bye = self.request("BYE", 2, "", "");
            self.phase = Phase::Leaving;
            self.ask(bye, now, wire);
        }
    }

    /// Once per frame: timers, keys, audio.
    pub(crate) fn serve(&mut self, now: Nanos, wire: &Wire, buffer: &mut [u8], voice: &Voice, tally: &mut Tally) {
        if let Some(pending) = &mut self.pending {
            if now.saturating_sub(pending.since) > PATIENCE {
                return self.over(Ending::Unanswered);
            }
            if now >= pending.next {
                wire.send_to(pending.request.as_bytes(), self.server);
                pending.interval = (pending.interval * 2).min(8 * T1);
                pending.next = now + pending.interval;
            }
        }
        match self.phase {
            Phase::Inviting { rung } => {
                let due = self.plan.cancel.is_some_and(|after| now >= self.invited + after);
                // RFC 3261 §9.1: no CANCEL before a provisional response.
                if due && rung {
                    let cancel = self.request("CANCEL", 1, "", "");
                    self.phase = Phase::Cancelling;
                    self.ask(cancel, now, wire);
                }
            }
            Phase::Talking { answered } => {
                if let Some(audio) = &mut self.audio {
                    while let Some((after, key)) = self.plan.keys.get(self.keys_pressed) {
                        if audio.bridged || now < answered + after {
                            break;
                        }
                        audio.press(*key);
                        self.keys_pressed += 1;
                    }
                }
                if self.plan.hang_up.is_some_and(|after| now >= answered + after) {
                    self.hang_up(now, wire);
                }
            }
            Phase::Cancelling | Phase::Leaving | Phase::Over(_) => {}
        }
        if let Some(audio) = &mut self.audio {
            audio.serve(now, buffer, voice, tally);
        }
    }

    /// A response to one of our requests.
    pub(crate) fn answered(&mut self, now: Nanos, at: Nanos, message: &Message<'_>, wire: &Wire) {
        let (Some(status), Some((_, method))) = (message.status(), message.cseq()) else {
            return;
        };
        match (method, status) {
            ("INVITE", 100..=199) => {
                if let Phase::Inviting { rung } = &mut self.phase {
                    *rung = true;
                    self.pending = None;
                }
            }
            ("INVITE", 200..=299) => self.accepted(now, at, message, wire),
            ("INVITE", _) => {
                // RFC 3261 §17.1.1.3: the ACK of a refusal belongs to the INVITE's transaction.
                let ack = self.acknowledge_refusal(message);
                wire.send_to(ack.as_bytes(), self.server);
                match self.phase {
                    Phase::Cancelling if status == 487 => self.over(Ending::Cancelled),
                    Phase::Inviting { .. } | Phase::Cancelling => self.over(Ending::Refused(status)),
                    _ => {}
                }
            }
            ("CANCEL", 200..=299) => self.pending = None,
            ("BYE", 200..=699) => {
                if let Phase::Leaving = self.phase {
                    self.over(Ending::ByUs);
                }
            }
            _ => {}
        }
    }

    /// Their BYE; the field answers it.
    pub(crate) fn left_by_them(&mut self) {
        match self.phase {
            Phase::Talking { .. } => self.over(Ending::ByThem),
            // Both hung up at once.
            Phase::Leaving => self.over(Ending::ByUs),
            _ => {}
        }
    }

    fn accepted(&mut self, now: Nanos, at: Nanos, message: &Message<'_>, wire: &Wire) {
        match self.phase {
            Phase::Inviting { .. } | Phase::Cancelling => {}
            // RFC 3261 §13.2.2.4: every 200 gets its ACK, also the ones sent again.
            _ => return wire.send_to(self.ack.as_bytes(), self.server),
        }
        self.to = message.header("To").unwrap_or(&self.to).to_owned();
        self.target = message.contact().unwrap_or(&self.target).to_owned();
        self.ack = self.request("ACK", 1, "", "");
        wire.send_to(self.ack.as_bytes(), self.server);
        self.pending = None;
        self.answered_after = Some(at.saturating_sub(self.invited));
        let crossed = matches!(self.phase, Phase::Cancelling);
        self.phase = Phase::Talking { answered: at };
        let begun = message.audio().filter(|audio| audio.pcmu).and_then(|there| {
            let audio = self.audio.as_mut()?;
            audio
                .begin(
                    now,
                    at,
                    there.to,
                    there.event.unwrap_or(EVENT),
                    self.plan.speaks,
                    self.id,
                )
                .ok()
        });
        // A 200 that crosses our CANCEL is a call, and is ended like one; so is one whose answer we cannot use.
        if crossed || begun.is_none() {
            self.hang_up(now, wire);
        }
    }

    fn over(&mut self, ending: Ending) {
        self.was_bridged = self.was_bridged();
        self.phase = Phase::Over(ending);
        self.pending = None;
        self.audio = None;
    }

    fn ask(&mut self, request: String, now: Nanos, wire: &Wire) {
        wire.send_to(request.as_bytes(), self.server);
        self.pending = Some(Pending {
            request,
            next: now + T1,
            interval: T1,
            since: now,
        });
    }

    fn request(&self, method: &str, sequence: u32, extra: &str, body: &str) -> String {
        // CANCEL lives in the INVITE's branch (RFC 3261 §9.1); BYE and the ACK of a 200 in branches of their own.
        let branch = match method {
            "CANCEL" => "INVITE",
            other => other,
        };
        self.raw(method, &self.target, branch, &self.to, sequence, extra, body)
    }

    fn acknowledge_refusal(&self, message: &Message<'_>) -> String {
        self.raw(
            "ACK",
            &self.target,
            "INVITE",
            message.header("To").unwrap_or(&self.to),
            1,
            "",
            "",
        )
    }

    fn raw(
        &self,
        method: &str,
        target: &str,
        branch: &str,
        to: &str,
        sequence: u32,
        extra: &str,
        body: &str,
    ) -> String {
        format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK-{}-{branch};rport\r\nMax-Forwards: 70\r\nFrom: {}\r\nTo: {to}\r\n\
             Call-ID: {}\r\nCSeq: {sequence} {method}\r\n{extra}Content-Length: {}\r\n\r\n{body}",
            self.local,
            self.call_id.split('@').next().unwrap_or_default(),
            self.from,
            self.call_id,
            body.len(),
        )
    }
}
