//! The caller's leg, and everything the flow wants done for the caller.

use std::time::{Duration, Instant};

use phi::Phi;
use sip::fault::Fault;

use super::connect::Connecting;
use super::{Call, Partner, Withheld, ladder, signal};
use crate::desk::{Wires, codec_name, is_protected};
use crate::door::{CallId, LegId, MediaCommand, RecordingId};
use crate::fact::{Fact, FieldValue, Message, OpenEscalation};
use crate::records;

/// The caller's side: a SIP session, the agreed stream, and where in its life it is.
pub(super) enum Caller {
    /// Ringing; answered at this instant once the flow says `answer`.
    Ringing {
        session: sip::SessionId,
        leg: LegId,
        port: u16,
        answer: Answer,
        rang_at: Instant,
        answer_at: Option<Instant>,
        /// The INVITE came over an encrypted transport.
        protected: bool,
    },
    /// Answered; what we said of the session last, for re-offers.
    Here {
        session: sip::SessionId,
        leg: LegId,
        said: Vec<u8>,
        /// Both know where the audio goes. Until the ACK has brought the answer to an offer of ours, nothing is said: it
        /// would not be heard, and the first words tell a caller when to dial 911.
        agreed: bool,
        /// The INVITE came over an encrypted transport.
        protected: bool,
    },
    /// Hung up, or never here (a call resumed after a restart).
    Gone,
}

/// What our 200 will carry.
pub(super) enum Answer {
    /// The answer to their offer, and the stream both agreed on.
    Agreed { body: Vec<u8>, stream: media::sdp::Stream },
    /// They made no offer: we make it in the 200, and the stream comes with the ACK (RFC 3261 §13.2.1).
    Offer { body: Vec<u8> },
}

impl Caller {
    /// Rings, with the answer to the caller's offer ready.
    pub(super) fn arrive(
        now: Instant,
        wires: &mut Wires,
        call: CallId,
        session: sip::SessionId,
        invite: &sip::Incoming,
        trunk: &str,
    ) -> Result<Self, Fault> {
        let Some(port) = wires.take_port() else {
            return Err(Fault::NoMedia);
        };
        let local = local_description(wires, port);
        let offering = wires.offering(trunk);
        let answer = match &invite.offer {
            None => Answer::Offer {
                body: media::sdp::late_offer(&local, &offering, &mut || wires.draw()),
            },
            Some(offer) if !is_sdp(offer) => {
                wires.return_port(port);
                return Err(Fault::UnsupportedBody);
            }
            Some(offer) => match media::sdp::answer(&offer.bytes, &local, &offering, &mut || wires.draw()) {
                Ok((body, stream)) => Answer::Agreed { body, stream },
                Err(fault) => {
                    wires.return_port(port);
                    return Err(fault_of(&fault));
                }
            },
        };
        let leg = wires.new_leg();
        wires.own_session(session, call, leg);
        wires.endpoint.ring(now, session);
        Ok(Self::Ringing {
            session,
            leg,
            port,
            answer,
            rang_at: now,
            answer_at: None,
            protected: invite.flow.transport.is_secure(),
        })
    }

    /// No caller: only a ladder is left.
    pub(super) fn gone() -> Self {
        Self::Gone
    }

    pub(super) fn is(&self, other: LegId) -> bool {
        self.leg() == Some(other)
    }

    pub(super) fn is_here(&self) -> bool {
        !matches!(self, Self::Gone)
    }

    pub(super) fn answer_at(&self) -> Option<Instant> {
        match self {
            Self::Ringing { answer_at, .. } => *answer_at,
            _ => None,
        }
    }

    pub(super) fn leg(&self) -> Option<LegId> {
        match self {
            Self::Ringing { leg, .. } | Self::Here { leg, .. } => Some(*leg),
            Self::Gone => None,
        }
    }

    fn may_hear(&self) -> bool {
        matches!(self, Self::Here { agreed: true, .. })
    }

    /// The port of a caller who was never answered.
    pub(super) fn unused_port(&self) -> Option<u16> {
        match self {
            Self::Ringing { port, .. } => Some(*port),
            _ => None,
        }
    }
}

impl Call {
    /// Does everything the flow asks for, in order. What needs a caller who can hear us is held until there is one.
    pub(super) fn do_what_the_flow_wants(&mut self, now: Instant, wires: &mut Wires) {
        while let Some(wanted) = self.run.as_mut().and_then(flow::Run::poll) {
            if self.caller.may_hear() || !self.caller.is_here() {
                self.carry_out(now, wires, wanted);
            } else if matches!(wanted, flow::Do::Answer) {
                self.answer(now, wires);
            } else {
                self.held.push_back(wanted);
            }
        }
    }

    /// The flow says `answer`: at once, or after the ring that callers expect.
    fn answer(&mut self, now: Instant, wires: &mut Wires) {
        if let Caller::Ringing { rang_at, answer_at, .. } = &mut self.caller {
            *answer_at = Some(*rang_at + wires.config.ring_before_answer);
        }
        self.answer_when_due(now, wires);
    }

    pub(super) fn answer_when_due(&mut self, now: Instant, wires: &mut Wires) {
        if self.caller.answer_at().is_none_or(|at| at > now) {
            return;
        }
        let Caller::Ringing {
            session,
            leg,
            port,
            answer,
            protected,
            ..
        } = std::mem::replace(&mut self.caller, Caller::Gone)
        else {
            return;
        };
        let (body, stream) = match answer {
            Answer::Agreed { body, stream } => (body, Some(stream)),
            Answer::Offer { body } => (body, None),
        };
        if self.turned_away {
            wires.own_nameless_leg(leg, self.id);
        } else {
            wires.own_leg(leg, self.id, "caller");
        }
        let agreed = stream.is_some();
        let codec = stream.as_ref().map_or_else(|| "not yet agreed".to_owned(), codec_name);
        let encrypted = stream.as_ref().is_some_and(is_protected);
        wires.media(MediaCommand::Open {
            call: self.id,
            leg,
            port,
            stream,
        });
        wires.endpoint.accept(now, session, sip::Body::sdp(body.clone()));
        self.caller = Caller::Here {
            session,
            leg,
            said: body,
            agreed,
            protected,
        };
        self.story.answered = true;
        self.note(now, wires, signal("caller", true, "200"));
        self.note(
            now,
            wires,
            Fact::Answered {
                codec,
                encrypted,
                signalling_protected: protected,
            },
        );
        self.do_what_was_held(now, wires);
    }

    fn do_what_was_held(&mut self, now: Instant, wires: &mut Wires) {
        while self.caller.may_hear()
            && let Some(held) = self.held.pop_front()
        {
            self.carry_out(now, wires, held);
        }
        self.do_what_the_flow_wants(now, wires);
    }

    fn carry_out(&mut self, now: Instant, wires: &mut Wires, wanted: flow::Do) {
        match wanted {
            flow::Do::Answer => {}
            flow::Do::Say {
                id,
                words,
                stops_at_key,
            } => {
                let said = if words.private {
                    "‹private words›".to_owned()
                } else {
                    words.text()
                };
                self.note(now, wires, Fact::Said { words: said });
                self.to_caller(wires, |leg| MediaCommand::Play {
                    leg,
                    id: id.0,
                    words,
                    stops_at_key,
                });
            }
            flow::Do::Hush => self.to_caller(wires, |leg| MediaCommand::Hush { leg }),
            flow::Do::StartRecording => self.ask_to_record(now, wires),
            flow::Do::RecordClip {
                id,
                field,
                longest,
                shortest,
                ends_after_silence,
            } => {
                if !self.caller.is_here() {
                    return self.hear(now, wires, flow::Heard::Clip { id, heard: None });
                }
                let recording = CallId(wires.draw());
                wires.own_recording(recording, self.id, Some(field.name().to_owned()));
                self.clips.insert(recording, id);
                self.kept_clips.insert(id, recording);
                let (call, practice) = (self.id, self.practice().to_owned());
                self.to_caller(wires, |leg| MediaCommand::Clip {
                    leg,
                    recording,
                    call,
                    practice,
                    longest,
                    shortest,
                    ends_after_silence,
                });
            }
            flow::Do::EndClip { .. } => self.to_caller(wires, |leg| MediaCommand::EndClip { leg }),
            flow::Do::Keep { id, message } => self.keep(now, wires, id, &message),
            flow::Do::Escalate {
                ladder,
                message,
                keep_going_after_hang_up,
                ..
            } => {
                let open = OpenEscalation {
                    call: self.id,
                    practice: self.released.practice.name.clone(),
                    ladder,
                    began: self.wall(now),
                    call_back: self.call_back.clone(),
                    message: message.map(|message| message.0),
                    by_safety_net: false,
                    reached: None,
                };
                self.ask_to_ring(now, wires, ladder::Start::new(open, keep_going_after_hang_up));
            }
            // The run remembers it: whoever accepts from now on is given the number.
            flow::Do::LeaveEscalation => {}
            flow::Do::Bridge => self.bridge(now, wires),
            flow::Do::Connect { to, dial, ring_for, .. } => self.connect(now, wires, to, &dial, ring_for),
            flow::Do::Notify { target, words } => {
                self.note(
                    now,
                    wires,
                    Fact::Notified {
                        target: target.name().to_owned(),
                        words: words.text(),
                    },
                );
            }
            flow::Do::AskRecords { id, ask } => self.ask_records(now, wires, id, ask),
            flow::Do::Note(noted) => self.note_of_the_flow(now, wires, noted),
            flow::Do::HangUp => self.hang_up_caller(now, wires),
        }
    }

    /// Every question to the records is a fact with its purpose, and so is its answer (integrations §3.2, 5).
    fn ask_records(&mut self, now: Instant, wires: &mut Wires, id: flow::AskId, ask: flow::RecordsAsk) {
        let what = ask.name();
        let asked = Fact::RecordsAsked {
            what: what.to_owned(),
            purpose: records::PURPOSE.to_owned(),
        };
        self.note(now, wires, asked);
        self.asked.insert(id, what);
        let practice = self.released.practice.name.clone();
        let number = self.number.expose().clone().map(Phi::new);
        let searches = matches!(ask, flow::RecordsAsk::Find(_));
        if searches && !wires.may_search(&practice, number.as_ref(), self.wall(now)) {
            return self.records_answered(now, wires, id, flow::RecordsAnswer::NoMatch);
        }
        wires.ask_records(self.id, practice, id, ask);
    }

    /// The flow knows whether it still waits for this answer; the book has it either way.
    pub(crate) fn records_answered(
        &mut self,
        now: Instant,
        wires: &mut Wires,
        id: flow::AskId,
        answer: flow::RecordsAnswer,
    ) {
        let Some(what) = self.asked.remove(&id) else { return };
        let answered = Fact::RecordsAnswered {
            what: what.to_owned(),
            result: answer.name().to_owned(),
        };
        self.note(now, wires, answered);
        self.hear(now, wires, flow::Heard::Records { id, answer });
    }

    /// Permission is in the book before the first frame is kept (CON-01, INT-10).
    fn ask_to_record(&mut self, now: Instant, wires: &mut Wires) {
        if self.recording.is_some() {
            return;
        }
        if wires.health.recordings_down {
            // The answer counts all the same, for the words kept later in the call.
            return self.note(now, wires, self.permission(true));
        }
        let recording = CallId(wires.draw());
        let wall = self.wall(now);
        let facts = [self.permission(true), Fact::RecordingBegan { recording }];
        let ticket = wires.record(now, self.id, wall, facts);
        self.recording = Some(recording);
        self.withheld.insert(ticket, Withheld::Recording(recording));
    }

    /// What the caller answered, and the law behind the question: of everybody who may yet be on the call (CON-02).
    fn permission(&self, given: bool) -> Fact {
        let practice = &self.released.practice;
        let providers = practice.people.values().map(|person| &person.call);
        let caller = self.number.expose().clone().map(Phi::new);
        let rule = flow::consent::rule(caller.as_ref(), &practice.state, providers);
        Fact::Permission {
            given,
            rule: Some(rule.to_string()),
        }
    }

    /// False when there is nobody left to record.
    pub(super) fn start_recording(&mut self, wires: &mut Wires, recording: RecordingId) -> bool {
        let Some(leg) = self.caller.leg() else { return false };
        wires.own_recording(recording, self.id, None);
        let consent = self.released.practice.fingerprint();
        wires.media(MediaCommand::Record {
            leg,
            recording,
            call: self.id,
            practice: self.practice().to_owned(),
            consent,
        });
        true
    }

    /// Ends it, if there is one. One that has not begun yet never will.
    pub(super) fn stop_recording(&mut self, wires: &mut Wires) {
        let recording = self.recording.take();
        if let Some(recording) = recording.filter(|recording| !self.asks_to_record(*recording)) {
            wires.media(MediaCommand::StopRecord { recording });
        }
    }

    /// Somebody is about to join who does not want to be recorded, or whom nobody could ask (CON-05).
    pub(super) fn joins_unrecorded(&mut self, now: Instant, wires: &mut Wires, person: &str, asked: bool) {
        if self.recording.is_some() {
            let refused = Fact::PartyPermission {
                person: person.to_owned(),
                given: false,
                asked,
            };
            self.note(now, wires, refused);
            self.stop_recording(wires);
        }
    }

    /// Whether the permission for this recording is still on its way to the book.
    pub(super) fn asks_to_record(&self, recording: RecordingId) -> bool {
        self.withheld
            .values()
            .any(|withheld| matches!(withheld, Withheld::Recording(asked) if *asked == recording))
    }

    pub(super) fn recording_failed(&mut self, now: Instant, wires: &mut Wires, recording: RecordingId) {
        if self.recording == Some(recording) {
            self.recording = None;
        }
        if self.clips.contains_key(&recording) {
            self.clip_ended(now, wires, recording, None);
        }
    }

    pub(super) fn clip_ended(
        &mut self,
        now: Instant,
        wires: &mut Wires,
        recording: RecordingId,
        heard: Option<Duration>,
    ) {
        let Some(clip) = self.clips.remove(&recording) else {
            return;
        };
        if heard.is_none() {
            self.kept_clips.remove(&clip);
        }
        self.hear(now, wires, flow::Heard::Clip { id: clip, heard });
    }

    /// The message is durable before anything is promised or anyone is rung (ESC-12).
    fn keep(&mut self, now: Instant, wires: &mut Wires, id: flow::MessageId, message: &flow::Message) {
        let mut fields = Vec::new();
        for (field, value) in &message.fields {
            let value = match value {
                flow::Value::Number(number) => {
                    self.call_back = number.clone().map(Some);
                    FieldValue::Number(number.clone())
                }
                flow::Value::Date(date) => FieldValue::Date(date.map(|date| date.to_string())),
                flow::Value::Clip(clip) => self
                    .kept_clips
                    .get(clip)
                    .map_or(FieldValue::Unknown, |id| FieldValue::Clip(*id)),
                flow::Value::YesNo(answer) => FieldValue::YesNo(*answer),
                flow::Value::Years(years) => FieldValue::Years(*years),
                flow::Value::Unknown => FieldValue::Unknown,
            };
            fields.push((field.name().to_owned(), value));
        }
        let kept = Message {
            id: id.0,
            kind: message.kind.clone(),
            goes_to: message.goes_to.name().to_owned(),
            fields,
            call_back_by: message.call_back_by,
            marks: message.marks.clone(),
            cut_off: message.cut_off,
            missing: message.missing.iter().map(|field| field.name().to_owned()).collect(),
        };
        let wall = self.wall(now);
        let ticket = wires.record(now, self.id, wall, [Fact::MessageKept(Box::new(kept))]);
        self.withheld.insert(ticket, Withheld::Message(id));
    }

    fn note_of_the_flow(&mut self, now: Instant, wires: &mut Wires, noted: flow::Note) {
        let fact = match noted {
            flow::Note::Section(name) => Fact::Section { name },
            flow::Note::Language(language) => Fact::Language {
                language: language.name().to_owned(),
            },
            // A yes is noted with the recording it allows; only a no stands alone.
            flow::Note::Permission(true) => return,
            flow::Note::Permission(false) => self.permission(false),
            flow::Note::Answered { question, answer } => Fact::TriageAnswer {
                question,
                class: answer.name().to_owned(),
            },
            flow::Note::Chose { question, choice } => Fact::Choice {
                question,
                choice: choice.to_string(),
            },
            flow::Note::Left { during } => Fact::CallerLeft { during },
            flow::Note::Disposition { level, question } => Fact::Disposition {
                level: level.name().to_owned(),
                question,
            },
            flow::Note::Told911 => Fact::Told911,
            flow::Note::SafetyNet(why) => Fact::SafetyNet {
                reason: format!("{why:?}"),
            },
            // The last fact of the call carries it.
            flow::Note::Outcome(outcome) => {
                self.story.outcome = Some(outcome.to_string());
                return;
            }
        };
        self.note(now, wires, fact);
    }

    /// Something happened to the caller's own session.
    pub(super) fn caller_signalled(&mut self, now: Instant, wires: &mut Wires, event: sip::Event) {
        match event {
            sip::Event::Confirmed { body: Some(answer), .. } => self.late_answer(now, wires, &answer),
            sip::Event::Confirmed { body: None, .. } => {
                self.note(now, wires, signal("caller", false, "ACK"));
                // RFC 3261 §13.2.2.4: the ACK must answer the offer in our 200. Without it there is no audio to be had.
                if matches!(self.caller, Caller::Here { agreed: false, .. }) {
                    self.hang_up_caller(now, wires);
                }
            }
            sip::Event::Offered { session, offer, body } => self.reoffered(now, wires, session, offer, body.as_ref()),
            sip::Event::Info { body, .. } => {
                self.to_caller(wires, |leg| MediaCommand::InfoDigit {
                    leg,
                    body: Phi::new(body.bytes),
                });
            }
            sip::Event::Ended { why, .. } => {
                let (what, ended_by) = match why {
                    sip::Ended::ByTheirBye => ("BYE", "caller"),
                    sip::Ended::Cancelled => ("CANCEL", "caller"),
                    sip::Ended::ByOurBye | sip::Ended::ByOurRefusal => ("BYE", "us"),
                    _ => ("no answer", "fault"),
                };
                if ended_by != "us" {
                    self.note(now, wires, signal("caller", false, what));
                }
                self.caller_gone(now, wires, ended_by);
            }
            sip::Event::OfferAnswered { body, .. } => {
                if let Caller::Here { leg, said, .. } = &self.caller {
                    reoffer_answered(wires, *leg, said, body.as_ref());
                }
            }
            sip::Event::Incoming { .. }
            | sip::Event::Progress { .. }
            | sip::Event::Accepted { .. }
            | sip::Event::Refused { .. }
            | sip::Event::Response { .. } => {}
        }
    }

    /// The answer to the offer in our 200 came with the ACK.
    fn late_answer(&mut self, now: Instant, wires: &mut Wires, answer: &sip::Body) {
        let Caller::Here {
            leg,
            said,
            agreed,
            protected,
            ..
        } = &mut self.caller
        else {
            return;
        };
        match media::sdp::accept(said, &answer.bytes) {
            Ok(stream) => {
                *agreed = true;
                let joined = Fact::Joined {
                    party: "caller".into(),
                    trunk: self.trunk.clone(),
                    codec: codec_name(&stream),
                    signalling_protected: *protected,
                    audio_protected: is_protected(&stream),
                };
                wires.media(MediaCommand::Update { leg: *leg, stream });
                self.note(now, wires, signal("caller", false, "ACK"));
                self.note(now, wires, joined);
                self.do_what_was_held(now, wires);
            }
            Err(_) => self.hang_up_caller(now, wires),
        }
    }

    /// Hold, resume, another codec, another address: answered from the same table as the first offer.
    fn reoffered(
        &mut self,
        now: Instant,
        wires: &mut Wires,
        session: sip::SessionId,
        offer: sip::OfferId,
        body: Option<&sip::Body>,
    ) {
        let Caller::Here { leg, said, .. } = &mut self.caller else {
            wires.endpoint.refuse_offer(now, session, offer, Fault::Glare.status());
            return;
        };
        let offering = wires.offering(&self.trunk);
        answer_reoffer(now, wires, *leg, said, &offering, session, offer, body);
    }

    pub(super) fn caller_pressed(&mut self, now: Instant, wires: &mut Wires, digit: Phi<char>) {
        // Once two people talk, keys are theirs.
        if self.partner.is_some() {
            return;
        }
        let class = match digit.expose() {
            '*' => "star",
            '#' => "hash",
            _ => "digit",
        };
        self.note(now, wires, Fact::Pressed { class: class.into() });
        self.hear(now, wires, flow::Heard::Key(digit));
    }

    pub(super) fn caller_heard(&mut self, now: Instant, wires: &mut Wires, id: u64, whole: bool) {
        if whole {
            self.hear(now, wires, flow::Heard::Said(flow::SayId(id)));
        }
    }

    /// No audio for a while is no proof that nobody is there: a trunk may suppress silence, and whoever listens sends none.
    /// A re-INVITE that changes nothing asks the signalling instead (integrations.md §1.2). Whoever is gone answers 481 or
    /// nothing, and the session ends by itself (RFC 3261 §12.2.1.2).
    pub(super) fn fallen_silent(&mut self, now: Instant, wires: &mut Wires, leg: LegId) {
        let asked = match (&self.caller, &self.partner) {
            (
                Caller::Here {
                    session,
                    leg: caller,
                    said,
                    ..
                },
                _,
            ) if *caller == leg => Some((*session, said.clone())),
            (_, Some(partner)) if partner.leg == leg => wires.asks_again(leg),
            _ => None,
        };
        let Some((session, said)) = asked else {
            return self.silent(now, wires, leg);
        };
        // Not established, or an offer is under way: the signalling is alive, or has its own timer.
        let _ = wires.endpoint.reinvite(now, session, sip::Body::sdp(said));
    }

    /// The leg cannot be heard: whoever was on it is let go.
    pub(super) fn silent(&mut self, now: Instant, wires: &mut Wires, leg: LegId) {
        if self.caller.is(leg) {
            self.hang_up_caller(now, wires);
        } else {
            self.person_lost(now, wires, leg);
        }
    }

    /// A port that was promised and never opened is given back: a broken call does not know more.
    pub(super) fn return_ports(&mut self, wires: &mut Wires) {
        let ports = self.caller.unused_port().into_iter().chain(self.ports_of_rings());
        let ports: Vec<u16> = ports.chain(self.connecting.as_ref().map(Connecting::port)).collect();
        for port in ports {
            wires.return_port(port);
        }
    }

    /// We end the caller's session; `Ended` comes back from the endpoint.
    pub(super) fn hang_up_caller(&mut self, now: Instant, wires: &mut Wires) {
        if let Caller::Ringing { session, .. } | Caller::Here { session, .. } = &self.caller {
            let session = *session;
            // A caller who is already being hung up on is hung up on once.
            if std::mem::replace(&mut self.hanging_up, true) {
                return;
            }
            let what = if matches!(self.caller, Caller::Ringing { .. }) {
                "480"
            } else {
                "BYE"
            };
            self.note(now, wires, signal("caller", true, what));
            wires.endpoint.hang_up(now, session);
        }
    }

    /// The caller's session is over, whoever ended it.
    fn caller_gone(&mut self, now: Instant, wires: &mut Wires, ended_by: &'static str) {
        // First of all, for any of what follows may be the end of the call.
        if self.caller.is_here() {
            self.ended_by = ended_by;
        }
        match std::mem::replace(&mut self.caller, Caller::Gone) {
            Caller::Gone => return,
            Caller::Ringing { session, port, .. } => {
                wires.disown_session(session);
                wires.return_port(port);
            }
            Caller::Here { session, leg, .. } => {
                wires.disown_session(session);
                self.stop_recording(wires);
                wires.media(MediaCommand::Close { leg });
            }
        }
        self.held.clear();
        if let Some(Partner { leg, .. }) = &self.partner {
            wires.hang_up_line(now, *leg);
        }
        self.hear(now, wires, flow::Heard::HungUp);
        self.line_due(now, wires);
        self.ladders_without_caller(now, wires);
        self.note_end_if_settled(now, wires);
    }

    fn to_caller(&self, wires: &mut Wires, command: impl FnOnce(LegId) -> MediaCommand) {
        if let Caller::Here { leg, .. } = &self.caller {
            wires.media(command(*leg));
        }
    }
}

#[allow(
    clippy::too_many_arguments,
    reason = "a leg is a caller's or a line's, and they keep these apart"
)]
/// Answers a re-offer on any leg of a call, or refuses it with what RFC 3261 §14.2 asks for. `said` is what we said last.
/// Gives the direction that was agreed on, as we say it.
pub(crate) fn answer_reoffer(
    now: Instant,
    wires: &mut Wires,
    leg: LegId,
    said: &mut Vec<u8>,
    offering: &media::sdp::Offering,
    session: sip::SessionId,
    offer: sip::OfferId,
    body: Option<&sip::Body>,
) -> Option<media::sdp::Direction> {
    use media::sdp::Direction::SendRecv;
    let Some(body) = body else {
        // An empty re-INVITE asks us to offer again what holds; the answer comes with the ACK.
        if let Ok(again) = media::sdp::reoffer(said, SendRecv) {
            said.clone_from(&again);
        }
        wires
            .endpoint
            .answer_offer(now, session, offer, sip::Body::sdp(said.clone()));
        return None;
    };
    if !is_sdp(body) {
        wires
            .endpoint
            .refuse_offer(now, session, offer, Fault::UnsupportedBody.status());
        return None;
    }
    match media::sdp::answer_again(said, &body.bytes, offering, SendRecv, &mut || wires.draw()) {
        Ok((answer, stream)) => {
            said.clone_from(&answer);
            wires.endpoint.answer_offer(now, session, offer, sip::Body::sdp(answer));
            let direction = stream.direction;
            wires.media(MediaCommand::Update { leg, stream });
            Some(direction)
        }
        Err(fault) => {
            let status = fault_of(&fault).status();
            wires.endpoint.refuse_offer(now, session, offer, status);
            None
        }
    }
}

/// The answer to an offer of ours within the call.
pub(crate) fn reoffer_answered(wires: &mut Wires, leg: LegId, said: &[u8], body: Option<&sip::Body>) {
    if let Some(stream) = body.and_then(|answer| media::sdp::accept(said, &answer.bytes).ok()) {
        wires.media(MediaCommand::Update { leg, stream });
    }
}

/// The row of the table of faults for a session description we cannot take.
pub(crate) fn fault_of(fault: &media::sdp::SdpFault) -> Fault {
    match fault {
        media::sdp::SdpFault::Malformed(_) => Fault::MalformedOffer,
        media::sdp::SdpFault::NothingInCommon(media::sdp::NothingInCommon::Security) => Fault::NotProtected,
        media::sdp::SdpFault::NothingInCommon(_) => Fault::NothingInCommon,
    }
}

/// Our side of a session description on this port.
pub(crate) fn local_description(wires: &mut Wires, port: u16) -> media::sdp::Local {
    let [a, b, c, d, e, f, g, h, ..] = wires.draw();
    // RFC 8866 §5.2: unique and not guessable serves as well as a timestamp; 62 bits stay positive everywhere.
    let session = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 2;
    media::sdp::Local {
        address: wires.config.media_address,
        port,
        session,
        version: 1,
    }
}

/// Whether a body is a session description.
pub(crate) fn is_sdp(body: &sip::Body) -> bool {
    body.content_type
        .split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/sdp"))
}
