//! The steps of a check, each one or several lines of the card.

use std::time::{Duration, Instant};

use media::DigitWay;
use media::dtmf::Digit;
use media::sdp::{Direction, Offering, Security};
use sip::message::{HeaderName, Method, Request, Response};
use switchboard::card::{Grade, Item, formats, printable};

use super::Check;
use super::wire::Wire;
use crate::keys;

/// How long a request may stay unanswered.
const ANSWER_WITHIN: Duration = Duration::from_secs(8);
/// How long a phone may ring before it is answered.
const RING_AT_MOST: Duration = Duration::from_secs(25);
/// How long audio may take to begin.
const AUDIO_WITHIN: Duration = Duration::from_secs(3);
/// How long an echoed key may take.
const ECHO_WITHIN: Duration = Duration::from_millis(2_500);
/// A request of this size takes three fragments on Ethernet.
const LARGE: usize = 3_600;

/// What became of a call.
enum Came {
    Answered {
        session: sip::SessionId,
        answer: Option<Vec<u8>>,
    },
    Refused(u16),
    /// Neither, and why.
    Nothing(&'static str),
}

const NOT_ANSWERED: &str = "not answered";
const NO_PORT: &str = "no pair of RTP ports was free to try it with: widen `rtp ports`";

/// What one re-INVITE came to.
struct Modified {
    status: u16,
    answer: Option<Vec<u8>>,
}

impl Check<'_> {
    /// RFC 3261 §11.2: whoever is there answers; what with is the same as for an INVITE.
    pub(super) fn options(&mut self) {
        let began = Instant::now();
        let since = self.wire.seen.len();
        let mut request = Request::new(Method::Options, self.plan.host.clone());
        request.headers.push(HeaderName::From, self.plan.from.to_wire());
        let credentials = self.credentials();
        let asked = self.wire.endpoint.request(began, self.wire.flow, request, credentials);
        let answer = self.wire.until(ANSWER_WITHIN, |wire| {
            wire.take_event(|event| matches!(event, sip::Event::Response { request, .. } if *request == asked))
        });
        let Some(sip::Event::Response {
            status,
            response: Some(response),
            ..
        }) = answer
        else {
            return self.note(Item::Options, Grade::Fail, "no answer within 8 s");
        };
        self.note_digest(since, &Method::Options, status);
        let allow = response.headers.allow().join(" ");
        let supported = response.headers.supported().join(" ");
        let took = began.elapsed().as_millis();
        let mut words = format!("{status} after {took} ms");
        if !allow.is_empty() {
            words.push_str(&format!("; allows {allow}"));
        }
        if !supported.is_empty() {
            words.push_str(&format!("; supports {supported}"));
        }
        // 503 is an answer too: not now.
        self.note(
            Item::Options,
            if status == 503 { Grade::Fail } else { Grade::Pass },
            words,
        );
    }

    /// What is offered: the trunk's codecs, best first, and encryption as the trunk wants it.
    fn offering(&self) -> Offering {
        Offering {
            security: self.plan.security,
            ..Offering::clear(&self.plan.codecs)
        }
    }

    /// RFC 4568: whether they encrypt when we insist. Keys are offered only where nobody else reads them.
    pub(super) fn required_encryption(&mut self) {
        let known = self
            .card
            .line(Item::Encryption)
            .is_some_and(|line| line.grade != Grade::NotTried);
        if known || !self.plan.transport.is_secure() {
            return;
        }
        let insisting = Offering {
            security: Security::Required,
            ..self.offering()
        };
        match self.call(Some(insisting), &[]) {
            Came::Answered { session, answer } => {
                self.note_encryption(answer.as_deref());
                self.hang_up(session);
            }
            Came::Refused(status) => {
                self.note(
                    Item::Encryption,
                    Grade::NotTried,
                    format!("offered alone, and refused with {status}"),
                );
            }
            Came::Nothing(why) => self.note(Item::Encryption, Grade::NotTried, format!("offered alone: {why}")),
        }
    }

    /// What a challenge among these messages came to.
    fn note_digest(&mut self, since: usize, method: &Method, last: u16) {
        let challenged = self
            .wire
            .responses(since, method)
            .any(|response| matches!(response.status.code(), 401 | 407));
        if !challenged {
            if self.card.line(Item::Digest).is_none() {
                self.note(Item::Digest, Grade::NotTried, "no challenge came");
            }
        } else if matches!(last, 401 | 407) {
            let words = match (&self.plan.credentials, self.trusted) {
                (None, _) => "challenged, and no `user` and `password file` are configured".to_owned(),
                (Some(_), false) => "challenged over a connection whose certificate proves nothing".to_owned(),
                (Some(_), true) => format!("our answer was refused with {last}"),
            };
            self.note(Item::Digest, Grade::Fail, words);
        } else {
            self.note(
                Item::Digest,
                Grade::Pass,
                format!("{method}: challenged, answered, {last}"),
            );
        }
    }

    /// One call that is answered and ended: what `trunk test --call` does.
    pub(super) fn short_call(&mut self) {
        let since = self.wire.seen.len();
        let began = Instant::now();
        match self.call(Some(self.offering()), &[]) {
            Came::Answered { session, answer } => {
                self.note_digest(since, &Method::Invite, 200);
                self.note_answered(began, answer.as_deref());
                self.audio_in();
                self.hang_up(session);
            }
            other => self.note_unanswered(since, &other),
        }
    }

    /// One long call: nearly everything can be tried within it. False when nobody answers.
    pub(super) fn long_call(&mut self) -> bool {
        let since = self.wire.seen.len();
        let began = Instant::now();
        let mut came = self.call(Some(self.offering()), &[]);
        if matches!(came, Came::Refused(488)) && self.plan.security == Security::Preferred {
            self.note(
                Item::Encryption,
                Grade::NotTried,
                "refused with 488; asked again in the clear",
            );
            came = self.call(Some(self.offering().in_clear()), &[]);
        }
        let Came::Answered { session, answer } = came else {
            self.note_unanswered(since, &came);
            return false;
        };
        self.note_digest(since, &Method::Invite, 200);
        self.note_answered(began, answer.as_deref());
        self.note_provisionals(since);
        self.note_session_timer(since);
        self.note_encryption(answer.as_deref());
        self.audio_in();
        self.keys_by(Item::KeysByEvent, session);
        self.keys_by(Item::KeysByInfo, session);
        self.keys_by(Item::KeysByTone, session);
        self.audio_out();
        self.refresh(session);
        self.hold(session);
        self.hang_up(session);
        true
    }

    fn note_unanswered(&mut self, since: usize, came: &Came) {
        if let Came::Refused(status) = came {
            self.note_digest(since, &Method::Invite, *status);
        }
        let words = match came {
            Came::Refused(status) => {
                let why = self
                    .wire
                    .final_response(since, &Method::Invite)
                    .and_then(|response| response.headers.text(HeaderName::Reason))
                    .map_or_else(String::new, |reason| format!(" ({})", printable(&reason)));
                format!("refused with {status}{why}")
            }
            Came::Nothing(why) => match &self.wire.broken {
                Some(broken) => format!("the way broke: {broken}"),
                None => (*why).to_owned(),
            },
            Came::Answered { .. } => return,
        };
        self.note(Item::Call, Grade::Fail, words);
    }

    fn note_answered(&mut self, began: Instant, answer: Option<&[u8]>) {
        self.note(
            Item::Call,
            Grade::Pass,
            format!("answered after {:.1} s", began.elapsed().as_secs_f64()),
        );
        let formats = answer.map(formats).unwrap_or_default();
        let agreed = self.wire.audio.as_ref().and_then(|audio| audio.leg.as_ref());
        match agreed.map(|leg| leg.stream().codec) {
            Some(codec) => self.note(
                Item::Codecs,
                Grade::Pass,
                format!("{} agreed; the answer names {formats}", codec.name()),
            ),
            None => self.note(
                Item::Codecs,
                Grade::Fail,
                format!("the answer agrees on nothing we offered: {formats}"),
            ),
        }
    }

    /// What came before the answer: early media, and whether provisional responses wanted a PRACK.
    fn note_provisionals(&mut self, since: usize) {
        let invite = Method::Invite;
        let before = |response: &&Response| (101..200).contains(&response.status.code());
        let early = self
            .wire
            .responses(since, &invite)
            .filter(before)
            .find(|response| !response.body.is_empty());
        let early = early.map(|response| response.status.code());
        let reliable = self
            .wire
            .responses(since, &invite)
            .filter(before)
            .any(|response| response.headers.rseq().is_some());
        let answered = self
            .wire
            .seen
            .iter()
            .skip(since)
            .find(|seen| !seen.ours && is_final(&seen.message, &invite))
            .map(|seen| seen.at);
        let first_packet = self.wire.audio.as_ref().and_then(|audio| audio.first_packet);
        match (early, first_packet, answered) {
            (None, _, _) => self.note(
                Item::EarlyMedia,
                Grade::NotTried,
                "no provisional response described any",
            ),
            (Some(status), Some(packet), Some(answered)) if packet < answered => self.note(
                Item::EarlyMedia,
                Grade::Pass,
                format!("{status} with a description, and audio before the answer"),
            ),
            (Some(status), ..) => self.note(
                Item::EarlyMedia,
                Grade::Fail,
                format!("{status} with a description, and no audio before the answer"),
            ),
        }
        if reliable {
            self.note_prack(since);
        }
    }

    fn note_prack(&mut self, since: usize) {
        let prack = Method::Prack;
        // A 200 to the INVITE may overtake it when the provisional response carried no offer (RFC 3262 §3).
        let status = self.wire.until(ANSWER_WITHIN, |wire| {
            wire.final_response(since, &Method::Prack)
                .map(|response| response.status.code())
        });
        match (self.wire.asked(since, &prack), status) {
            (true, Some(200..=299)) => self.note(
                Item::Prack,
                Grade::Pass,
                "a reliable provisional response came, and our PRACK was answered",
            ),
            (true, status) => {
                let words = status.map_or_else(
                    || "our PRACK was not answered".to_owned(),
                    |status| format!("our PRACK was answered with {status}"),
                );
                self.note(Item::Prack, Grade::Fail, words);
            }
            (false, _) => self.note(
                Item::Prack,
                Grade::Fail,
                "a provisional response wanted a PRACK that could not be matched",
            ),
        }
    }

    fn note_session_timer(&mut self, since: usize) {
        let Some(response) = self.wire.final_response(since, &Method::Invite) else {
            return;
        };
        let expires = response.headers.session_expires();
        let update = response.headers.allow().iter().any(|method| method == "UPDATE");
        let how = if update {
            "UPDATE is allowed"
        } else {
            "no UPDATE: refreshed by re-INVITE"
        };
        match expires {
            Some((seconds, refresher)) => {
                let who = refresher.map_or_else(String::new, |who| format!(", refresher {who:?}").to_lowercase());
                // Some carriers send 30; it is tolerated, and said.
                let short = if seconds < 90 {
                    ", shorter than RFC 4028 allows"
                } else {
                    ""
                };
                self.note(
                    Item::SessionTimer,
                    if short.is_empty() { Grade::Pass } else { Grade::Fail },
                    format!("Session-Expires {seconds}{who}{short}; {how}"),
                );
            }
            None => self.note(
                Item::SessionTimer,
                Grade::NotTried,
                format!("offered, and none was agreed; {how}"),
            ),
        }
    }

    fn note_encryption(&mut self, answer: Option<&[u8]>) {
        let text = answer.map(String::from_utf8_lossy).unwrap_or_default();
        let suite = text.lines().find_map(|line| {
            let words = line.strip_prefix("a=crypto:")?;
            words.split_whitespace().nth(1)
        });
        match suite {
            Some(suite) if self.trusted && self.plan.transport.is_secure() => {
                self.note(Item::Encryption, Grade::Pass, format!("{} by SDES", printable(suite)));
            }
            Some(suite) => self.note(
                Item::Encryption,
                Grade::Fail,
                format!("{}, but its keys were not protected on their way", printable(suite)),
            ),
            None => self.note(Item::Encryption, Grade::NotTried, "the call was clear"),
        }
    }

    /// The first half of the one-way-audio probe.
    fn audio_in(&mut self) {
        let began = Instant::now();
        let came = self.wire.until(AUDIO_WITHIN, |wire| {
            wire.audio.as_ref().filter(|audio| audio.received() > 0).map(|_| ())
        });
        if came.is_none() {
            return self.note(
                Item::AudioIn,
                Grade::Fail,
                "no packet within 3 s of the answer: look at firewall and external address",
            );
        }
        let waited = began.elapsed();
        self.wire.rest(Duration::from_secs(1));
        let quality = self
            .wire
            .audio
            .as_ref()
            .and_then(|audio| audio.leg.as_ref())
            .map(media::Leg::quality);
        let quality = quality.unwrap_or_default();
        self.note(
            Item::AudioIn,
            Grade::Pass,
            format!(
                "first packet {} ms after the answer; {} packets, {} lost, jitter {:.1} ms",
                waited.as_millis(),
                quality.received,
                quality.lost,
                quality.jitter_ms
            ),
        );
    }

    /// The second half: their RTCP reports say whether our packets arrive; an echoed key says it too.
    fn audio_out(&mut self) {
        let report = |wire: &mut Wire| {
            let leg = wire.audio.as_ref()?.leg.as_ref()?;
            leg.quality().their_loss
        };
        let echoed = [Item::KeysByEvent, Item::KeysByTone]
            .iter()
            .any(|item| self.card.line(*item).is_some_and(|line| line.grade == Grade::Pass));
        match self.wire.until(self.plan.reports_within, report) {
            Some(loss) if loss < 0.05 => self.note(
                Item::AudioOut,
                Grade::Pass,
                format!("their RTCP report: {:.1} % of our packets lost", loss * 100.0),
            ),
            Some(loss) => self.note(
                Item::AudioOut,
                Grade::Fail,
                format!("their RTCP report: {:.1} % of our packets lost", loss * 100.0),
            ),
            None if echoed => self.note(
                Item::AudioOut,
                Grade::Pass,
                "keys we sent in the audio were echoed; they send no RTCP report",
            ),
            None => self.note(
                Item::AudioOut,
                Grade::NotTried,
                "they send no RTCP report and echo nothing: ask whether they hear a key",
            ),
        }
    }

    /// A key, one of three ways; heard when it is echoed.
    fn keys_by(&mut self, item: Item, session: sip::SessionId) {
        let (key, way) = match item {
            Item::KeysByInfo => ('2', None),
            Item::KeysByTone => ('3', Some(DigitWay::Tone)),
            _ => ('1', Some(DigitWay::TelephoneEvent)),
        };
        let since = self.wire.seen.len();
        let began = Instant::now();
        let Some(leg) = self.wire.audio.as_mut().and_then(|audio| audio.leg.as_mut()) else {
            return self.note(item, Grade::NotTried, "there is no audio");
        };
        match (way, Digit::from_char(key)) {
            (Some(DigitWay::TelephoneEvent), _) if leg.stream().telephone_event.is_none() => {
                return self.note(item, Grade::Fail, "their answer has no telephone-event");
            }
            (Some(way), Some(digit)) => {
                leg.send_digits(&[digit], way);
            }
            _ => {
                let body = sip::Body {
                    content_type: "application/dtmf-relay".into(),
                    bytes: format!("Signal={key}\r\nDuration=160\r\n").into_bytes(),
                };
                self.wire.endpoint.info(began, session, body);
            }
        }
        let echo = self.wire.until(ECHO_WITHIN, |wire| {
            let heard = &wire.audio.as_ref()?.heard;
            heard
                .iter()
                .any(|(at, digit)| *at >= began && *digit == key)
                .then_some(())
        });
        let refused = self
            .wire
            .final_response(since, &Method::Info)
            .map(|response| response.status.code())
            .filter(|status| *status >= 300);
        match (echo, refused, item) {
            (_, Some(status), Item::KeysByInfo) => {
                self.note(item, Grade::Fail, format!("INFO was refused with {status}"));
            }
            (Some(()), ..) => self.note(item, Grade::Pass, format!("key {key} was sent and echoed")),
            (None, ..) => self.note(
                item,
                Grade::NotTried,
                format!("key {key} was sent and not echoed: ask whether it was heard"),
            ),
        }
    }

    /// RFC 4028 §7.4: a refresh changes nothing, so its description is the last one, version and all (RFC 3264 §8).
    fn refresh(&mut self, session: sip::SessionId) {
        let Some(said) = self.wire.said.clone() else { return };
        match self.modify(session, said) {
            Some(Modified { status: 200..=299, .. }) => {
                self.note(Item::Refresh, Grade::Pass, "re-INVITE with the same description: 200");
            }
            Some(Modified { status, .. }) => {
                self.note(
                    Item::Refresh,
                    Grade::Fail,
                    format!("re-INVITE with the same description: {status}"),
                );
            }
            None => self.note(Item::Refresh, Grade::Fail, "re-INVITE was not answered"),
        }
    }

    /// RFC 3264 §8.4: what we only send they only receive; their audio stops, and comes back.
    fn hold(&mut self, session: sip::SessionId) {
        let Some(held) = self
            .wire
            .said
            .as_deref()
            .and_then(|said| media::sdp::reoffer(said, Direction::SendOnly).ok())
        else {
            return;
        };
        let Some(Modified {
            status: 200..=299,
            answer: Some(answer),
        }) = self.modify(session, held)
        else {
            return self.note(Item::Hold, Grade::Fail, "the re-INVITE that holds was not accepted");
        };
        let says = direction(&answer);
        if !matches!(says, "recvonly" | "inactive") {
            return self.note(Item::Hold, Grade::Fail, format!("sendonly was answered with {says}"));
        }
        self.wire.rest(Duration::from_millis(500));
        let before = self.received();
        self.wire.rest(Duration::from_secs(1));
        let during = self.received().saturating_sub(before);
        let resumed = self
            .wire
            .said
            .as_deref()
            .and_then(|said| media::sdp::reoffer(said, Direction::SendRecv).ok())
            .and_then(|resume| self.modify(session, resume));
        let Some(Modified { status: 200..=299, .. }) = resumed else {
            return self.note(Item::Hold, Grade::Fail, "held, and not taken back");
        };
        let before = self.received();
        self.wire.rest(Duration::from_secs(1));
        let after = self.received().saturating_sub(before);
        let (grade, words) = match (during, after) {
            (_, 0) => (Grade::Fail, "no audio after the call was taken back".to_owned()),
            (0, _) => (
                Grade::Pass,
                format!("answered {says}; silent while held, {after} packets in the second after"),
            ),
            (during, _) => (
                Grade::Fail,
                format!("answered {says}, and {during} packets came while held"),
            ),
        };
        self.note(Item::Hold, grade, words);
    }

    fn hang_up(&mut self, session: sip::SessionId) {
        let since = self.wire.seen.len();
        self.wire.endpoint.hang_up(Instant::now(), session);
        let status = self.wire.until(ANSWER_WITHIN, |wire| {
            wire.final_response(since, &Method::Bye)
                .map(|response| response.status.code())
        });
        self.wire.talking = None;
        self.wire.audio = None;
        self.wire.said = None;
        match status {
            Some(status @ 200..=299) => self.note(Item::HangUp, Grade::Pass, format!("BYE: {status}")),
            Some(status) => self.note(Item::HangUp, Grade::Fail, format!("BYE: {status}")),
            None => self.note(
                Item::HangUp,
                Grade::Fail,
                "BYE was not answered: look at the route set and Contact",
            ),
        }
    }

    /// An INVITE without an offer: theirs comes in the 200, our answer in the ACK (RFC 3261 §13.2.1).
    pub(super) fn late_offer(&mut self) {
        match self.call(None, &[]) {
            Came::Answered { session, answer } => {
                let (grade, words) = match answer {
                    Some(offer) => (Grade::Pass, format!("their 200 offers {}", formats(&offer))),
                    None => (Grade::Fail, "their 200 has no offer".to_owned()),
                };
                self.note(Item::LateOffer, grade, words);
                self.hang_up(session);
            }
            Came::Refused(status) => self.note(Item::LateOffer, Grade::Fail, format!("refused with {status}")),
            Came::Nothing(why) => self.note(Item::LateOffer, grade_of(why), why),
        }
    }

    /// Each codec alone: what an answer names is not always what is taken.
    pub(super) fn each_codec(&mut self) {
        let mut taken = Vec::new();
        let mut refused = Vec::new();
        for codec in self.plan.codecs.clone() {
            let alone = Offering {
                codecs: vec![codec],
                ..self.offering()
            };
            match self.call(Some(alone), &[]) {
                Came::Answered { session, answer } => {
                    let agreed = self.wire.audio.as_ref().and_then(|audio| audio.leg.as_ref());
                    // Some answer with what they like best, whatever was offered (RFC 3264 §6.1 forbids it).
                    if agreed.is_some_and(|leg| leg.stream().codec == codec) {
                        taken.push(codec.name());
                    } else {
                        let named = answer.as_deref().map(formats).unwrap_or_default();
                        refused.push(format!("{} answered with {named}", codec.name()));
                    }
                    self.hang_up(session);
                }
                Came::Refused(status) => refused.push(format!("{} refused with {status}", codec.name())),
                Came::Nothing(why) => refused.push(format!("{} {why}", codec.name())),
            }
            self.wire.rest(super::BETWEEN_CALLS);
        }
        let agreed = self
            .card
            .line(Item::Codecs)
            .map_or_else(String::new, |line| line.words.clone());
        let mut words = format!(
            "{agreed}; alone: {} taken",
            if taken.is_empty() {
                "none".into()
            } else {
                taken.join(", ")
            }
        );
        for one in refused {
            words.push_str(&format!(", {one}"));
        }
        self.note(
            Item::Codecs,
            if taken.is_empty() { Grade::Fail } else { Grade::Pass },
            words,
        );
    }

    /// RFC 3262 §4: a caller may insist. Whoever cannot says 420, which is honest and still no PRACK.
    pub(super) fn required_prack(&mut self) {
        if self.card.line(Item::Prack).is_some() {
            return;
        }
        let since = self.wire.seen.len();
        let came = self.call(Some(self.offering()), &[("Require", "100rel")]);
        let reliable = self
            .wire
            .responses(since, &Method::Invite)
            .any(|response| response.headers.rseq().is_some());
        match came {
            Came::Answered { session, .. } => {
                if reliable {
                    self.note_prack(since);
                } else {
                    self.note(
                        Item::Prack,
                        Grade::NotTried,
                        "100rel was required; the call was answered without a provisional response to acknowledge",
                    );
                }
                self.hang_up(session);
            }
            Came::Refused(420) => self.note(
                Item::Prack,
                Grade::NotTried,
                "they do not have 100rel (420), so nothing needs a PRACK",
            ),
            Came::Refused(status) => self.note(Item::Prack, Grade::Fail, format!("100rel required: {status}")),
            Came::Nothing(why) => self.note(Item::Prack, grade_of(why), format!("100rel required: {why}")),
        }
    }

    /// RFC 3261 §18.1.1: datagrams up to 65,535 bytes must be taken. Networks that drop fragments do not let them through.
    pub(super) fn large(&mut self) {
        if self.plan.transport != sip::Transport::Udp {
            return self.note(
                Item::Mtu,
                Grade::NotTried,
                format!("{} is a stream and has no such limit", self.plan.transport.name()),
            );
        }
        let pad = "x".repeat(LARGE);
        let status = if self.plan.called.is_some() {
            self.wire.rest(super::BETWEEN_CALLS);
            match self.call(Some(self.offering()), &[("X-Fill", &pad)]) {
                Came::Answered { session, .. } => {
                    self.hang_up(session);
                    Some(200)
                }
                Came::Refused(status) => Some(status),
                Came::Nothing(NO_PORT) => return self.note(Item::Mtu, Grade::NotTried, NO_PORT),
                Came::Nothing(_) => None,
            }
        } else {
            let mut request = Request::new(Method::Options, self.plan.host.clone());
            request.headers.push(HeaderName::From, self.plan.from.to_wire());
            request.headers.push("X-Fill", pad);
            let asked = self
                .wire
                .endpoint
                .request(Instant::now(), self.wire.flow, request, None);
            let answer = self.wire.until(ANSWER_WITHIN, |wire| {
                wire.take_event(|event| matches!(event, sip::Event::Response { request, .. } if *request == asked))
            });
            match answer {
                Some(sip::Event::Response {
                    status,
                    response: Some(_),
                    ..
                }) => Some(status),
                _ => None,
            }
        };
        match status {
            // 408 is our own word for silence.
            None | Some(408) => self.note(
                Item::Mtu,
                Grade::Fail,
                format!("{LARGE} bytes by UDP were not answered: fragments are dropped on the way; use TCP or TLS"),
            ),
            Some(513) => self.note(
                Item::Mtu,
                Grade::Fail,
                "arrived, and too large for them (513); use TCP or TLS",
            ),
            Some(status) => self.note(Item::Mtu, Grade::Pass, format!("{LARGE} bytes by UDP: {status}")),
        }
    }

    /// Calls, and waits for what comes of it. Without codecs there is no offer, and theirs is answered.
    fn call(&mut self, offering: Option<Offering>, headers: &[(&str, &str)]) -> Came {
        let Some(called) = self.plan.called.clone() else {
            return Came::Nothing(NOT_ANSWERED);
        };
        let Ok(local) = self.wire.prepare_audio() else {
            return Came::Nothing(NO_PORT);
        };
        let offer = offering.map(|offering| media::sdp::offer(&local, &offering, &mut keys::draw()));
        self.wire.talking = None;
        self.wire.said = offer.clone();
        let mut invite = sip::Invite::new(self.wire.flow, called, self.plan.from.clone());
        invite.identity = self.plan.identity.clone();
        invite.body = offer.map(sip::Body::sdp);
        invite.credentials = self.credentials();
        invite.headers = self.plan.headers.clone();
        invite.headers.extend(
            headers
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let session = self.wire.endpoint.invite(Instant::now(), invite);
        let ours = self.offering();
        let came = self.wire.until(RING_AT_MOST, |wire| {
            while let Some(event) = wire.event() {
                match event {
                    sip::Event::Progress {
                        session: about, body, ..
                    } if about == session => {
                        if let (Some(said), Some(body)) = (wire.said.as_deref(), body)
                            && let Ok(stream) = media::sdp::accept(said, &body.bytes)
                        {
                            wire.agree(&stream);
                        }
                    }
                    sip::Event::Accepted { session: about, body } if about == session => {
                        let Some(said) = wire.said.as_deref() else {
                            // The offer follows.
                            continue;
                        };
                        if let Some(body) = &body
                            && let Ok(stream) = media::sdp::accept(said, &body.bytes)
                        {
                            wire.agree(&stream);
                        }
                        wire.talking = Some((session, ours.clone()));
                        return Some(Came::Answered {
                            session,
                            answer: body.map(|body| body.bytes),
                        });
                    }
                    sip::Event::Offered {
                        session: about,
                        offer,
                        body,
                    } if about == session => {
                        let theirs = body.map(|body| body.bytes);
                        let answer = theirs
                            .as_deref()
                            .and_then(|theirs| media::sdp::answer(theirs, &local, &ours, &mut keys::draw()).ok());
                        match answer {
                            Some((answer, stream)) => {
                                wire.agree(&stream);
                                wire.endpoint.answer_offer(
                                    Instant::now(),
                                    session,
                                    offer,
                                    sip::Body::sdp(answer.clone()),
                                );
                                wire.said = Some(answer);
                                wire.talking = Some((session, ours.clone()));
                            }
                            None => wire.endpoint.refuse_offer(Instant::now(), session, offer, 488),
                        }
                        return Some(Came::Answered {
                            session,
                            answer: theirs,
                        });
                    }
                    sip::Event::Refused {
                        session: about, status, ..
                    } if about == session => {
                        return Some(Came::Refused(status));
                    }
                    sip::Event::Ended { session: about, .. } if about == session => {
                        return Some(Came::Nothing("ended before it was answered"));
                    }
                    _ => {}
                }
            }
            None
        });
        match came {
            Some(came @ Came::Answered { .. }) => came,
            other => {
                if other.is_none() {
                    // Still ringing: CANCEL, and let its 487 come.
                    self.wire.endpoint.hang_up(Instant::now(), session);
                    self.wire.rest(Duration::from_millis(500));
                }
                self.wire.audio = None;
                self.wire.said = None;
                other.unwrap_or(Came::Nothing(NOT_ANSWERED))
            }
        }
    }

    /// One re-INVITE of ours, glare included, and what they answer.
    fn modify(&mut self, session: sip::SessionId, offer: Vec<u8>) -> Option<Modified> {
        self.wire
            .endpoint
            .reinvite(Instant::now(), session, sip::Body::sdp(offer.clone()))
            .ok()?;
        let modified = self.wire.until(ANSWER_WITHIN, |wire| {
            let event = wire.take_event(
                |event| matches!(event, sip::Event::OfferAnswered { session: about, .. } if *about == session),
            )?;
            match event {
                sip::Event::OfferAnswered { status, body, .. } => Some(Modified {
                    status,
                    answer: body.map(|body| body.bytes),
                }),
                _ => None,
            }
        })?;
        if let Modified {
            status: 200..=299,
            answer: Some(answer),
        } = &modified
        {
            if let Ok(stream) = media::sdp::accept(&offer, answer) {
                self.wire.agree(&stream);
            }
            self.wire.said = Some(offer);
        }
        Some(modified)
    }

    fn received(&self) -> u64 {
        self.wire.audio.as_ref().map_or(0, super::wire::Audio::received)
    }
}

/// What we could not try is no fault of theirs.
fn grade_of(why: &str) -> Grade {
    if why == NO_PORT { Grade::NotTried } else { Grade::Fail }
}

fn is_final(message: &sip::message::Message, method: &Method) -> bool {
    match message {
        sip::message::Message::Response(response) => {
            response.status.code() >= 200 && response.headers.cseq().is_some_and(|cseq| cseq.method == *method)
        }
        sip::message::Message::Request(_) => false,
    }
}

/// The direction a description's audio has (RFC 8866 §6.7).
fn direction(description: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(description);
    for said in ["recvonly", "sendonly", "inactive"] {
        if text
            .lines()
            .any(|line| line.trim_end().strip_prefix("a=") == Some(said))
        {
            return said;
        }
    }
    "sendrecv"
}

#[cfg(test)]
mod tests {
    use super::direction;

    #[test]
    fn the_direction_of_a_description_is_read() {
        let sdp = b"v=0\r\nm=audio 4 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=recvonly\r\n";
        assert_eq!(direction(sdp), "recvonly");
        assert_eq!(direction(b"v=0\r\n"), "sendrecv");
    }
}
