//! A registration kept alive: REGISTER, its refreshes, its refusals, and taking leave (RFC 3261 §10.2).
//!
//! Some trunks (VoIP.ms, SignalWire) send calls only where somebody registered. A [`Registration`] says what to send
//! ([`Output::Send`], a request without Via) and is told what came of it; who drives it sends by `Endpoint::request`,
//! without credentials, because challenges are answered here: so one nonce serves many refreshes (RFC 7616 §3.3).
//!
//! One thing to know: a registrar that says 403 is believed. Providers ban addresses that go on knocking, so the wait after a
//! refusal is long, doubles, and has a share drawn by lot, as every wait here does.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use crate::digest::{CHALLENGES_MAX, Challenge, Credentials};
use crate::event::Draw;
use crate::message::{HeaderName, Headers, Method, NameAddr, Request, Response, Uri};

/// Answers to challenges in a row, before a registrar is one that refuses.
pub const ANSWERS_MAX: u8 = 3;
/// The longest interval asked for, whatever Min-Expires says.
pub const EXPIRES_S_MAX: u32 = 86_400;
/// The shortest interval believed of a registrar: one that grants less is refreshed as if it granted this.
pub const EXPIRES_S_MIN: u32 = 20;
/// How long before its end a registration is refreshed: a fifth of it, within these.
const MARGIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// The wait after the first failure in a row, and after many: nobody there, or trouble of theirs (RFC 5626 §4.5 has the form).
const TROUBLE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(300));
/// The same after a refusal: wrong password, wrong host, banned.
const REFUSAL: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(3_600));

/// What is registered where.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistrationConfig {
    /// The registrar's domain: the Request-URI, without a user (§10.2).
    pub registrar: Uri,
    /// The address of record: To and From.
    pub aor: Uri,
    /// Where calls shall come.
    pub contact: Uri,
    /// For how long to ask.
    pub expires_s: u32,
    /// Who we are.
    pub credentials: Option<Credentials>,
}

impl fmt::Debug for RegistrationConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "RegistrationConfig({:?}, every {} s)",
            self.registrar, self.expires_s
        )
    }
}

/// What a registration wants done or tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this, and report what comes of it.
    Send(Request),
    /// Calls come to us from now on.
    Up,
    /// Calls do not come to us, and why.
    Down(Why),
}

/// Why a registration is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// Nobody answered, or the network refused.
    NoAnswer,
    /// The registrar refused: 403, 404, or the password is not the one.
    Refused(u16),
    /// The registrar has trouble of its own: 5xx, 480 …
    Trouble(u16),
    /// We took leave.
    Left,
}

/// How a registration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is asked for.
    Off,
    /// Calls come to us until then, unless it is refreshed before.
    Up(Instant),
    /// Calls do not come to us; the next try is then, or under way.
    Down(Option<Instant>),
}

/// One registration.
pub struct Registration {
    config: RegistrationConfig,
    state: State,
    draw: Draw,
    call_id: String,
    tag: String,
    cseq: u32,
    expires_s: u32,
    challenges: Vec<Challenge>,
    outputs: VecDeque<Output>,
}

impl Registration {
    /// One that is off.
    pub fn new(config: RegistrationConfig, mut draw: Draw) -> Self {
        // §10.2: one Call-ID for all registrations of one boot.
        let (call_id, tag) = (hex(&draw()), hex(&draw()).chars().take(16).collect());
        let expires_s = config.expires_s.clamp(EXPIRES_S_MIN, EXPIRES_S_MAX);
        Self {
            config,
            state: State::Off,
            draw,
            call_id,
            tag,
            cseq: 0,
            expires_s,
            challenges: Vec::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Begins, or tries at once instead of waiting.
    pub fn start(&mut self, now: Instant) {
        self.step(now, Input::Start);
    }

    /// Takes leave: the binding is removed, and nothing is asked for any more. It can be started again once it is off.
    pub fn stop(&mut self, now: Instant) {
        self.step(now, Input::Stop);
    }

    /// What came of what was sent last, as `Event::Response` tells it: its final response, or none. `elsewhere`: there is another
    /// address to try at once if nobody answered at this one.
    pub fn handle_outcome(&mut self, now: Instant, response: Option<&Response>, elsewhere: bool) {
        match response {
            Some(response) => self.handle_response(now, response.status.code(), &response.headers),
            None => self.handle_no_answer(now, elsewhere),
        }
    }

    /// A final response to what was sent last. Provisional ones may be kept back; they change nothing.
    pub fn handle_response(&mut self, now: Instant, status: u16, headers: &Headers) {
        let input = match status {
            ..200 => return,
            200..300 => Input::Granted(self.granted(headers)),
            401 | 407 => match self.take_challenge(headers) {
                true => Input::Challenged(status),
                false => Input::Refused(status),
            },
            423 => match headers
                .count(HeaderName::MinExpires)
                .and_then(|seconds| u32::try_from(seconds).ok())
            {
                // §10.2.8. A registrar that wants no more than was asked for contradicts itself.
                Some(least) if least > self.expires_s && least <= EXPIRES_S_MAX => {
                    self.expires_s = least;
                    Input::TooBrief
                }
                _ => Input::Refused(status),
            },
            400..480 | 600.. => Input::Refused(status),
            _ => Input::Trouble(status, headers.retry_after()),
        };
        self.step(now, input);
    }

    /// Nothing answered what was sent last, or the network refused it. `elsewhere`: there is another address to try at once.
    pub fn handle_no_answer(&mut self, now: Instant, elsewhere: bool) {
        self.step(now, Input::NoAnswer { elsewhere });
    }

    /// A deadline may have passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.step(now, Input::Time);
    }

    /// What to do next; drain it after every call.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Registration::handle_timeout`] is wanted.
    pub const fn timeout(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { at, .. } => Some(at),
            State::Registered { refresh, .. } => Some(refresh),
            State::Off | State::Asking { .. } | State::Finishing { .. } | State::Leaving { .. } => None,
        }
    }

    /// How it stands.
    pub fn standing(&self, now: Instant) -> Standing {
        match self.state {
            State::Off | State::Finishing { .. } | State::Leaving { .. } => Standing::Off,
            State::Registered { until, .. } => Standing::Up(until),
            State::Asking { until: Some(until), .. } | State::Waiting { until: Some(until), .. } if until > now => {
                Standing::Up(until)
            }
            State::Asking { .. } => Standing::Down(None),
            State::Waiting { at, .. } => Standing::Down(Some(at)),
        }
    }

    fn step(&mut self, now: Instant, input: Input) {
        let mut acts = Vec::new();
        let share = (self.draw)()[0];
        self.state = std::mem::replace(&mut self.state, State::Off).step(now, input, share, &mut acts);
        for act in acts {
            let output = match act {
                Act::Register => Output::Send(self.request(self.expires_s)),
                Act::Unregister => Output::Send(self.request(0)),
                Act::Up => Output::Up,
                Act::Down(why) => Output::Down(why),
            };
            self.outputs.push_back(output);
        }
    }

    /// §10.2.1: for how long, by our Contact, by Expires, or as asked for.
    fn granted(&self, headers: &Headers) -> Duration {
        let ours = headers.contacts().into_iter().find(|contact| self.is_ours(contact));
        let by_contact = ours.and_then(|contact| contact.params.get("expires")?.parse::<u64>().ok());
        let by_header = headers.expires().map(u64::from);
        let seconds = by_contact.or(by_header).unwrap_or(u64::from(self.expires_s));
        Duration::from_secs(seconds.clamp(u64::from(EXPIRES_S_MIN), u64::from(EXPIRES_S_MAX)))
    }

    /// Registrars write our Contact as they please: with the port of a NAT, with parameters of theirs.
    fn is_ours(&self, contact: &NameAddr) -> bool {
        let own = &self.config.contact;
        contact.uri.equivalent(own) || (contact.uri.user == own.user && contact.uri.host.equivalent(&own.host))
    }

    /// Whether a challenge can be answered: there is a password for it, and it was not answered in vain before.
    fn take_challenge(&mut self, headers: &Headers) -> bool {
        let Some(credentials) = &self.config.credentials else {
            return false;
        };
        let asked = Challenge::to_answer(headers, credentials);
        let answered = matches!(
            self.state,
            State::Asking { answers: 1.., .. } | State::Leaving { answers: 1.., .. }
        );
        let in_vain = |challenge: &Challenge| answered && self.challenges.iter().any(|known| challenge.repeats(known));
        if asked.is_empty() || asked.iter().any(in_vain) {
            self.challenges.clear();
            return false;
        }
        for challenge in asked {
            self.challenges
                .retain(|known| known.realm != challenge.realm || known.proxy != challenge.proxy);
            self.challenges.push(challenge);
        }
        self.challenges.truncate(CHALLENGES_MAX);
        true
    }

    /// §10.2. The Via is the endpoint's.
    fn request(&mut self, expires_s: u32) -> Request {
        let mut request = Request::new(Method::Register, self.config.registrar.clone());
        // §10.2: CSeq grows by one with each REGISTER of a Call-ID.
        self.cseq = self.cseq.saturating_add(1);
        let aor = NameAddr::new(self.config.aor.clone());
        let contact = NameAddr::new(self.config.contact.clone()).with_param("expires", &expires_s.to_string());
        let headers = &mut request.headers;
        headers.push(HeaderName::MaxForwards, crate::session::MAX_FORWARDS.to_string());
        headers.push(HeaderName::From, aor.clone().with_tag(&self.tag).to_wire());
        headers.push(HeaderName::To, aor.to_wire());
        headers.push(HeaderName::CallId, &self.call_id);
        headers.push(HeaderName::CSeq, format!("{} REGISTER", self.cseq));
        headers.push(HeaderName::Contact, contact.to_wire());
        headers.push(HeaderName::Expires, expires_s.to_string());
        if let Some(credentials) = &self.config.credentials {
            let uri = request.uri.to_wire();
            for challenge in &mut self.challenges {
                let (name, value) = challenge.answer(credentials, &request.method, &uri, b"", (self.draw)());
                request.headers.push(name, value);
            }
        }
        request
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registration({:?}, {})", self.config, self.state.name())
    }
}

/// Where it is. `until` is how long the last grant still holds, `row` how many failures there were in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing is wanted.
    Off,
    /// A REGISTER is out.
    Asking {
        until: Option<Instant>,
        row: u32,
        answers: u8,
    },
    /// Registered.
    Registered { until: Instant, refresh: Instant },
    /// The last REGISTER came to nothing; the next leaves then.
    Waiting {
        at: Instant,
        until: Option<Instant>,
        row: u32,
    },
    /// A REGISTER is out, and nothing more is wanted.
    Finishing { until: Option<Instant> },
    /// A REGISTER that removes our binding is out.
    Leaving { answers: u8 },
}

/// What can happen to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    Start,
    Stop,
    /// 2xx, and for how long.
    Granted(Duration),
    /// 401 or 407 that can be answered.
    Challenged(u16),
    /// 423; the interval asked for has been raised.
    TooBrief,
    /// A final response that will be the same next time.
    Refused(u16),
    /// A final response that may be another one next time, and Retry-After.
    Trouble(u16, Option<u32>),
    NoAnswer {
        elsewhere: bool,
    },
    Time,
}

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Register,
    Unregister,
    Up,
    Down(Why),
}

impl State {
    /// `share` is drawn: waits are between half of what they could be and the whole.
    fn step(self, now: Instant, input: Input, share: u8, out: &mut Vec<Act>) -> Self {
        match (self, input) {
            (State::Off, Input::Start) => Self::ask(None, 0, out),
            (State::Waiting { until, row, .. }, Input::Start) => Self::ask(until, row, out),
            (State::Waiting { at, until, row }, Input::Time) if now >= at => Self::ask(until, row, out),
            (State::Registered { until, refresh }, Input::Time) if now >= refresh => Self::ask(Some(until), 0, out),

            (State::Asking { until, .. }, Input::Granted(granted)) => {
                if until.is_none_or(|until| until <= now) {
                    out.push(Act::Up);
                }
                let margin = (granted / 5).clamp(MARGIN.0, MARGIN.1);
                // Trunks restart with all their customers at once: up to a tenth of the time is given away by lot.
                let time = granted - margin;
                let refresh = now + time - time / 10 * u32::from(share) / 255;
                State::Registered {
                    until: now + granted,
                    refresh,
                }
            }
            (State::Asking { until, row, answers }, Input::Challenged(_) | Input::TooBrief)
                if answers < ANSWERS_MAX =>
            {
                out.push(Act::Register);
                State::Asking {
                    until,
                    row,
                    answers: answers + 1,
                }
            }
            (State::Asking { until, row, .. }, Input::NoAnswer { elsewhere: true }) => Self::ask(until, row, out),
            (State::Asking { until, row, .. }, Input::NoAnswer { elsewhere: false }) => {
                let wait = wait(TROUBLE, row, share);
                Self::wait(now, wait, until, row, Why::NoAnswer, out)
            }
            (State::Asking { until, row, .. }, Input::Trouble(status, retry_after_s)) => {
                let asked = retry_after_s.map(|seconds| Duration::from_secs(u64::from(seconds)).min(REFUSAL.1));
                let wait = wait(TROUBLE, row, share).max(asked.unwrap_or_default());
                Self::wait(now, wait, until, row, Why::Trouble(status), out)
            }
            // A refused refresh is the end of what was granted; so is a question that never ends.
            (State::Asking { row, .. }, Input::Refused(status) | Input::Challenged(status)) => {
                Self::wait(now, wait(REFUSAL, row, share), None, row, Why::Refused(status), out)
            }
            (State::Asking { row, .. }, Input::TooBrief) => {
                Self::wait(now, wait(REFUSAL, row, share), None, row, Why::Refused(423), out)
            }

            (State::Registered { .. }, Input::Stop) => Self::leave(out),
            (State::Waiting { until: Some(until), .. }, Input::Stop) if until > now => Self::leave(out),
            (State::Waiting { .. }, Input::Stop) => State::Off,
            // §10.2: never two at a time, so the one that is out has to come home first.
            (State::Asking { until, .. }, Input::Stop) => State::Finishing { until },
            (State::Finishing { .. }, Input::Start | Input::Stop | Input::Time) => self,
            (State::Finishing { .. }, Input::Granted(_)) => Self::leave(out),
            (State::Finishing { until: Some(until) }, _) if until > now => Self::leave(out),
            (State::Finishing { .. }, _) => State::Off,
            (State::Leaving { answers }, Input::Challenged(_)) if answers < ANSWERS_MAX => {
                out.push(Act::Unregister);
                State::Leaving { answers: answers + 1 }
            }
            (State::Leaving { .. }, Input::NoAnswer { elsewhere: true }) => {
                out.push(Act::Unregister);
                State::Leaving { answers: 0 }
            }
            (State::Leaving { .. }, Input::Start | Input::Stop | Input::Time) => self,
            // Whatever else is said to a farewell, we are gone.
            (State::Leaving { .. }, _) => State::Off,

            (state, _) => state,
        }
    }

    fn ask(until: Option<Instant>, row: u32, out: &mut Vec<Act>) -> Self {
        out.push(Act::Register);
        State::Asking { until, row, answers: 0 }
    }

    fn leave(out: &mut Vec<Act>) -> Self {
        out.extend([Act::Down(Why::Left), Act::Unregister]);
        State::Leaving { answers: 0 }
    }

    fn wait(now: Instant, wait: Duration, until: Option<Instant>, row: u32, why: Why, out: &mut Vec<Act>) -> Self {
        let still = until.filter(|until| *until > now);
        if still.is_none() {
            out.push(Act::Down(why));
        }
        // What is still granted is refreshed before it ends, however often that failed; never twice within five seconds.
        let at = match still {
            Some(until) => (now + wait).min(until - MARGIN.0).max(now + MARGIN.0),
            None => now + wait,
        };
        State::Waiting {
            at,
            until: still,
            row: row.saturating_add(1),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            State::Off => "Off",
            State::Asking { until: None, .. } => "Asking",
            State::Asking { until: Some(_), .. } => "Refreshing",
            State::Registered { .. } => "Registered",
            State::Waiting { until: None, .. } => "Waiting",
            State::Waiting { until: Some(_), .. } => "StillUp",
            State::Finishing { .. } => "Finishing",
            State::Leaving { .. } => "Leaving",
        }
    }
}

/// Between half and all of a wait that doubles from the first to the longest.
fn wait((first, longest): (Duration, Duration), row: u32, share: u8) -> Duration {
    let whole = first
        .saturating_mul(1_u32.checked_shl(row).unwrap_or(u32::MAX))
        .min(longest);
    whole / 2 + whole / 2 * u32::from(share) / 255
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
