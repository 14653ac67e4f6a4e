//! One telephone of a doctor: it rings, and then does what its manner says; a UAS of its own (RFC 3261 §17.2.1, §13.3).

use std::io;
use std::net::SocketAddr;

use super::audio::{Audio, Tally, Voice};
use super::text::{Message, sdp};
use super::wire::{MS, Nanos, Wire};

const T1: Nanos = 500 * MS;

/// How long a 200 is sent again for want of an ACK (RFC 3261 §13.3.1.4).
const PATIENCE: Nanos = 64 * T1;

/// Accept keys: the first so long after answering, then one every so often until the caller is heard.
const FIRST_KEY: Nanos = 1_000 * MS;
const KEY_EVERY: Nanos = 2_000 * MS;
/// Then the doctor gives up pressing.
const KEYS_MAX: u32 = 8;

/// A doctor to whom no caller is given, but a number to call back, hangs up after hearing it.
const NOTED: Nanos = 25_000 * MS;

/// What a doctor does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Answers, presses 1, speaks, stays until the other side hangs up.
    Accepts,
    /// Answers and presses 2.
    Passes,
    /// 486.
    Busy,
    /// 603.
    Declines,
    /// Lets it ring.
    NoAnswer,
    /// Answers, says nothing that matters, hangs up after some seconds.
    Voicemail,
}

enum Phase {
    Ringing {
        since: Nanos,
    },
    Answered {
        since: Nanos,
        acknowledged: bool,
        next: Nanos,
        interval: Nanos,
    },
    /// A refusal waits for its ACK.
    Refused {
        next: Nanos,
        interval: Nanos,
        since: Nanos,
    },
    /// Our BYE is out.
    Leaving {
        request: String,
        next: Nanos,
        interval: Nanos,
        since: Nanos,
    },
    Over,
}

/// A telephone in a call.
pub(crate) struct Doctor {
    id: u32,
    manner: Manner,
    phase: Phase,
    tag: String,
    /// The INVITE as it came: responses echo it.
    invite: String,
    /// The last response to it, sent again when it is asked again.
    response: String,
    server: SocketAddr,
    local: SocketAddr,
    audio: Option<Audio>,
    keys: u32,
    /// Heard the caller.
    was_bridged: bool,
}

impl Doctor {
    /// Takes an INVITE: 180 at once.
    pub(crate) fn ring(
        id: u32,
        manner: Manner,
        now: Nanos,
        invite: &Message<'_>,
        raw: &[u8],
        from: SocketAddr,
        local: SocketAddr,
        wire: &Wire,
    ) -> io::Result<Self> {
        let tag = format!("d{id}");
        let response = invite.answer("180 Ringing", &tag, &format!("Contact: <sip:doctor@{local}>\r\n"), "");
        wire.send_to(response.as_bytes(), from);
        Ok(Self {
            id,
            manner,
            phase: Phase::Ringing { since: now },
            tag,
            invite: String::from_utf8_lossy(raw).into_owned(),
            response,
            server: from,
            local,
            audio: Some(Audio::bind()?),
            keys: 0,
            was_bridged: false,
        })
    }

    /// Whether the telephone is back on its hook.
    pub(crate) fn over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Whether it hears, or has heard, the caller.
    pub(crate) fn was_bridged(&self) -> bool {
        self.was_bridged || self.audio.as_ref().is_some_and(|audio| audio.bridged)
    }

    /// Its audio while it is in use.
    pub(crate) fn audio(&self) -> Option<&Audio> {
        self.audio.as_ref()
    }

    /// The same, to count anew.
    pub(crate) fn audio_mut(&mut self) -> Option<&mut Audio> {
        self.audio.as_mut()
    }

    /// Once per frame: timers, keys, audio.
    pub(crate) fn serve(&mut self, now: Nanos, wire: &Wire, buffer: &mut [u8], voice: &Voice, tally: &mut Tally) {
        let (server, answer_after) = (self.server, 200 * MS);
        match &mut self.phase {
            Phase::Ringing { since } if now >= *since + answer_after => self.decide(now, wire),
            Phase::Answered {
                since,
                acknowledged,
                next,
                interval,
            } => {
                if !*acknowledged && now >= *next {
                    wire.send_to(self.response.as_bytes(), server);
                    *interval = (*interval * 2).min(8 * T1);
                    *next = now + *interval;
                    if now > *since + PATIENCE {
                        self.end();
                    }
                } else if *acknowledged {
                    let (since, due) = (*since, FIRST_KEY + u64::from(self.keys) * KEY_EVERY);
                    self.press(now, since, due, wire);
                }
            }
            Phase::Refused { next, interval, since } => {
                if now > *since + PATIENCE {
                    self.end();
                } else if now >= *next {
                    wire.send_to(self.response.as_bytes(), server);
                    *interval = (*interval * 2).min(8 * T1);
                    *next = now + *interval;
                }
            }
            Phase::Leaving {
                request,
                next,
                interval,
                since,
            } => {
                if now > *since + PATIENCE {
                    self.end();
                } else if now >= *next {
                    wire.send_to(request.as_bytes(), server);
                    *interval = (*interval * 2).min(8 * T1);
                    *next = now + *interval;
                }
            }
            Phase::Ringing { .. } | Phase::Over => {}
        }
        if let Some(audio) = &mut self.audio {
            audio.serve(now, buffer, voice, tally);
        }
    }

    /// A request within this call. True when it is to be answered with 200.
    pub(crate) fn asked(&mut self, now: Nanos, message: &Message<'_>, wire: &Wire) -> bool {
        match message.method() {
            Some("INVITE") if message.header("To").is_some_and(|to| to.contains(";tag=")) => true,
            Some("INVITE") => {
                wire.send_to(self.response.as_bytes(), self.server);
                false
            }
            Some("ACK") => {
                match &mut self.phase {
                    Phase::Answered { acknowledged, .. } => *acknowledged = true,
                    Phase::Refused { .. } => self.end(),
                    _ => {}
                }
                false
            }
            Some("CANCEL") => {
                if let Phase::Ringing { .. } = self.phase {
                    self.refuse("487 Request Terminated", now, wire);
                }
                true
            }
            Some("BYE") => {
                self.end();
                true
            }
            _ => true,
        }
    }

    /// A response: only our BYE has any.
    pub(crate) fn answered(&mut self, message: &Message<'_>) {
        if let (Phase::Leaving { .. }, Some(200..)) = (&self.phase, message.status()) {
            self.end();
        }
    }

    /// The tag of this telephone.
    pub(crate) fn tag(&self) -> &str {
        &self.tag
    }

    /// SDP for a re-INVITE: nothing changed.
    pub(crate) fn description(&self) -> String {
        self.audio
            .as_ref()
            .map(|audio| sdp(audio.port(), 101))
            .unwrap_or_default()
    }

    fn decide(&mut self, now: Nanos, wire: &Wire) {
        match self.manner {
            Manner::Busy => self.refuse("486 Busy Here", now, wire),
            Manner::Declines => self.refuse("603 Decline", now, wire),
            Manner::NoAnswer => {}
            Manner::Accepts | Manner::Passes | Manner::Voicemail => self.answer(now, wire),
        }
    }

    fn answer(&mut self, now: Nanos, wire: &Wire) {
        let invite = self.invite.clone();
        let Some(invite) = Message::read(invite.as_bytes()) else {
            return self.end();
        };
        let (Some(there), Some(audio)) = (invite.audio().filter(|there| there.pcmu), self.audio.as_mut()) else {
            return self.refuse("488 Not Acceptable Here", now, wire);
        };
        let event = there.event.unwrap_or(101);
        let extra = format!(
            "Contact: <sip:doctor@{}>\r\nContent-Type: application/sdp\r\n",
            self.local
        );
        self.response = invite.answer("200 OK", &self.tag, &extra, &sdp(audio.port(), event));
        let speaks = self.manner == Manner::Accepts;
        if audio
            .begin(now, now, there.to, event, speaks, 0x8000_0000 | self.id)
            .is_err()
        {
            return self.refuse("500 Server Internal Error", now, wire);
        }
        wire.send_to(self.response.as_bytes(), self.server);
        self.phase = Phase::Answered {
            since: now,
            acknowledged: false,
            next: now + T1,
            interval: T1,
        };
    }

    fn refuse(&mut self, status: &str, now: Nanos, wire: &Wire) {
        if let Some(invite) = Message::read(self.invite.as_bytes()) {
            self.response = invite.answer(status, &self.tag, "", "");
        }
        self.audio = None;
        wire.send_to(self.response.as_bytes(), self.server);
        self.phase = Phase::Refused {
            next: now + T1,
            interval: T1,
            since: now,
        };
    }

    fn press(&mut self, now: Nanos, since: Nanos, due: Nanos, wire: &Wire) {
        let Some(audio) = &mut self.audio else { return };
        match self.manner {
            Manner::Accepts if !audio.bridged && self.keys < KEYS_MAX && now >= since + due => {
                audio.press('1');
                self.keys += 1;
            }
            Manner::Accepts if !audio.bridged && now >= since + NOTED => self.hang_up(now, wire),
            Manner::Passes if self.keys == 0 && now >= since + due => {
                audio.press('2');
                self.keys += 1;
            }
            Manner::Voicemail if now >= since + 4_000 * MS => self.hang_up(now, wire),
            _ => {}
        }
    }

    fn hang_up(&mut self, now: Nanos, wire: &Wire) {
        let Some(invite) = Message::read(self.invite.as_bytes()) else {
            return self.end();
        };
        // The dialog from the callee's side: From and To change places (RFC 3261 §12.2.1.1).
        let request = format!(
            "BYE {} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK-{}-{}-bye;rport\r\nMax-Forwards: 70\r\nFrom: {};tag={}\r\nTo: {}\r\nCall-ID: {}\r\n\
             CSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n",
            invite.contact().unwrap_or_default(),
            self.local,
            self.tag,
            self.id,
            invite.header("To").unwrap_or_default(),
            self.tag,
            invite.header("From").unwrap_or_default(),
            invite.header("Call-ID").unwrap_or_default(),
        );
        wire.send_to(request.as_bytes(), self.server);
        self.was_bridged = self.was_bridged();
        self.audio = None;
        self.phase = Phase::Leaving {
            request,
            next: now + T1,
            interval: T1,
            since: now,
        };
    }

    fn end(&mut self) {
        self.was_bridged = self.was_bridged();
        self.audio = None;
        self.phase = Phase::Over;
    }
}
