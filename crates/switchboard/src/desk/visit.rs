//! A carrier's engineer at the number of `report card`: the desk's side of that call (T2).
//!
//! [`Checkup`] is the conversation; here it gets a session, audio and a card. What stands in the card was seen in this call:
//! what was not tried says so. Such a call belongs to no practice, rings nobody, and leaves one fact: its card.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use media::dtmf::press::Way;
use media::sdp::{Direction, Stream};
use media::{Codec, Digit, DigitWay, Quality};
use phi::Phi;
use sip::fault::Fault;
use sip::message::{Host, Method, Request, Uri};

use super::trunks::{Asked, Question};
use super::{Desk, Wires};
use crate::call::{answer_reoffer, fault_of, is_sdp, local_description, reoffer_answered};
use crate::card::{self, CLEAR, Card, Checkup, Do, ENCRYPTED, Grade, Heard, Item, formats};
use crate::door::{CallId, LegId, MediaCommand, MediaEvent};
use crate::fact::Fact;
use crate::trunk::Reach;

/// Such calls at once, of all trunks together: a check-up is no reason to turn a patient away.
pub(super) const VISITS_MAX: usize = 8;
/// Early media is heard this long at most, then the call is answered.
const EARLY_AT_MOST: Duration = Duration::from_secs(3);
/// The figures of the audio come back within this, or the card is written without them.
const FIGURES_WITHIN: Duration = Duration::from_secs(3);
/// Our BYE is answered within this, four repetitions of it included, or the card says that it was not.
const BYE_WITHIN: Duration = Duration::from_secs(8);
/// A request of this size takes three fragments on Ethernet.
const LARGE: usize = 3_600;
/// How long a key is said to have been held when it is echoed by INFO.
const ECHO_MS: u32 = 160;

/// One such call.
pub(super) struct Visit {
    id: CallId,
    trunk: usize,
    trunk_name: String,
    flow: sip::Flow,
    session: sip::SessionId,
    leg: LegId,
    /// What we said of the session last.
    said: Vec<u8>,
    stage: Stage,
    checkup: Option<Checkup>,
    card: Card,
    vitals: sip::Vitals,
    /// They understand 100rel, so our 183 went reliably.
    reliably: bool,
    offered_late: bool,
    /// What is spoken, once it is agreed, and whether nobody else can listen.
    codec: Option<Codec>,
    encrypted: bool,
    /// Telephone-events can be sent to them.
    events: bool,
    /// The words under way.
    playing: Option<u64>,
    /// A refresh of ours is out.
    refreshing: bool,
    began: Instant,
    answered: Option<Instant>,
    first_packet: Option<Instant>,
    hanging_up: bool,
    /// Our BYE is out, and its answer is awaited.
    bye_awaited: bool,
    /// The figures of the audio, once it is over.
    figures: Option<Quality>,
}

/// Where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The 183 is out, with early media when they offered.
    Early { answer_at: Instant },
    /// The 200 is out, or waits for the PRACK.
    Answered,
    /// Acknowledged: two who hear each other.
    Here,
    /// Over; the figures of its audio, and the answer to our BYE, are awaited.
    Closing { until: Instant },
    /// The card is in the book.
    Over,
}

impl Visit {
    /// A trunk calls its number: early media, and the answer a moment later.
    fn arrive(
        now: Instant,
        wires: &mut Wires,
        id: CallId,
        trunk: usize,
        proved: bool,
        session: sip::SessionId,
        invite: &sip::Incoming,
    ) -> Result<Self, Fault> {
        let known = wires.config.trunks.get(trunk).ok_or(Fault::Internal)?;
        let trunk_name = known.id.clone();
        let port = wires.take_port().ok_or(Fault::NoMedia)?;
        let local = local_description(wires, port);
        let offering = wires.offering(&trunk_name);
        let agreed = match &invite.offer {
            None => Ok((media::sdp::late_offer(&local, &offering, &mut || wires.draw()), None)),
            Some(offer) if !is_sdp(offer) => Err(Fault::UnsupportedBody),
            Some(offer) => media::sdp::answer(&offer.bytes, &local, &offering, &mut || wires.draw())
                .map(|(answer, stream)| (answer, Some(stream)))
                .map_err(|fault| fault_of(&fault)),
        };
        let (said, stream) = match agreed {
            Ok(agreed) => agreed,
            Err(fault) => {
                wires.return_port(port);
                return Err(fault);
            }
        };
        let leg = wires.new_leg();
        wires.own_session(session, id, leg);
        wires.own_leg(leg, id, "engineer");
        let mut visit = Self {
            id,
            trunk,
            trunk_name,
            flow: invite.flow,
            session,
            leg,
            said,
            stage: Stage::Early { answer_at: now },
            checkup: None,
            card: Card::default(),
            vitals: sip::Vitals::default(),
            // Without an offer of theirs a reliable response would have to bring ours, and early media is not tried.
            reliably: invite.request.headers.supports("100rel") && invite.offer.is_some(),
            offered_late: stream.is_none(),
            codec: None,
            encrypted: false,
            events: false,
            playing: None,
            refreshing: false,
            began: now,
            answered: None,
            first_packet: None,
            hanging_up: false,
            bye_awaited: false,
            figures: None,
        };
        visit.note_arrival(wires, proved, invite);
        wires.media(MediaCommand::Open {
            call: id,
            leg,
            port,
            stream: stream.clone(),
        });
        let early = stream.map(|stream| {
            visit.agree(wires, &stream, invite.offer.as_ref());
            visit.said.clone()
        });
        if early.is_some() {
            visit.stage = Stage::Early {
                answer_at: now + EARLY_AT_MOST,
            };
            visit.play(wires, card::early(), false);
        }
        wires.endpoint.progress(
            now,
            session,
            sip::Provisional {
                status: 183,
                body: early.map(sip::Body::sdp),
                reliable: sip::Reliable::IfSupported,
            },
        );
        Ok(visit)
    }

    /// What the INVITE alone shows.
    fn note_arrival(&mut self, wires: &Wires, proved: bool, invite: &sip::Incoming) {
        let transport = self.flow.transport;
        let card = &mut self.card;
        card.note(
            Item::Reachable,
            Grade::Pass,
            format!("their INVITE came by {}", transport.name()),
        );
        match wires.spoken_on(&self.flow) {
            Some(spoken) if transport.is_secure() => card.note(Item::Tls, Grade::Pass, spoken),
            _ => card.note(
                Item::Tls,
                Grade::NotTried,
                format!("the call came by {}", transport.name()),
            ),
        }
        if proved {
            card.note(Item::Digest, Grade::Pass, "INVITE: challenged, and answered");
        } else {
            card.note(
                Item::Digest,
                Grade::NotTried,
                "known by address or certificate, so not challenged",
            );
        }
        let state = wires.trunks.get(self.trunk);
        match state.map(|state| (state.reach, state.round_trip())) {
            Some((Reach::Up, Some(took))) => card.note(
                Item::Options,
                Grade::Pass,
                format!("ours are answered, the last after {} ms", took.as_millis()),
            ),
            Some((Reach::Up, None)) => card.note(Item::Options, Grade::Pass, "ours are answered"),
            Some((Reach::Down, _)) => card.note(Item::Options, Grade::Fail, "ours are not answered"),
            _ => card.note(Item::Options, Grade::NotTried, "we send none to this trunk"),
        }
        let late = invite.offer.is_none();
        if !late {
            card.note(
                Item::EarlyMedia,
                Grade::NotTried,
                "183 with a description and words were sent: say whether they were heard before the answer",
            );
            card.note(Item::LateOffer, Grade::NotTried, "their INVITE had an offer");
        } else {
            card.note(Item::EarlyMedia, Grade::NotTried, "their INVITE had no offer");
        }
        if late {
            card.note(Item::Prack, Grade::NotTried, "their INVITE had no offer");
        } else if !self.reliably {
            card.note(Item::Prack, Grade::NotTried, "their INVITE does not support 100rel");
        }
        if transport != sip::Transport::Udp {
            card.note(
                Item::Mtu,
                Grade::NotTried,
                format!("{} is a stream and has no such limit", transport.name()),
            );
        }
    }

    /// What was agreed, the first time.
    fn agree(&mut self, wires: &mut Wires, stream: &Stream, theirs: Option<&sip::Body>) {
        let named = theirs.map_or_else(|| "nothing".to_owned(), |body| formats(&body.bytes));
        self.card.note(
            Item::Codecs,
            Grade::Pass,
            format!("{} agreed; theirs names {named}", stream.codec.name()),
        );
        match (&stream.security, self.flow.transport.is_secure()) {
            (Some(keys), true) => {
                self.card
                    .note(Item::Encryption, Grade::Pass, format!("{} by SDES", keys.suite.name()))
            }
            // RFC 4568 §5: keys in the clear protect nothing.
            (Some(keys), false) => self.card.note(
                Item::Encryption,
                Grade::Fail,
                format!("{}, but its keys were not protected on their way", keys.suite.name()),
            ),
            (None, _) => self.card.note(Item::Encryption, Grade::NotTried, "the call was clear"),
        }
        self.codec = Some(stream.codec);
        self.encrypted = stream.security.is_some();
        self.events = stream.telephone_event.is_some();
        wires.media(MediaCommand::ListenForTones { leg: self.leg });
    }

    fn play(&mut self, wires: &mut Wires, words: flow::Words, stops_at_key: bool) {
        let id = wires.new_play();
        self.playing = Some(id);
        wires.media(MediaCommand::Play {
            leg: self.leg,
            id,
            words,
            stops_at_key,
        });
    }

    fn timeout(&self) -> Option<Instant> {
        match self.stage {
            Stage::Early { answer_at } => Some(answer_at),
            Stage::Answered | Stage::Over => None,
            Stage::Here => self.checkup.as_ref().and_then(Checkup::timeout),
            Stage::Closing { until } => Some(until),
        }
    }

    fn time(&mut self, now: Instant, wires: &mut Wires) {
        match self.stage {
            Stage::Early { answer_at } if answer_at <= now => self.accept(now, wires),
            Stage::Here => self.hear(now, wires, Heard::Time),
            Stage::Closing { until } if until <= now => self.write(now, wires),
            Stage::Early { .. } | Stage::Answered | Stage::Closing { .. } | Stage::Over => {}
        }
    }

    fn accept(&mut self, now: Instant, wires: &mut Wires) {
        if matches!(self.stage, Stage::Early { .. }) {
            self.stage = Stage::Answered;
            self.answered = Some(now);
            self.look(wires);
            wires
                .endpoint
                .accept(now, self.session, sip::Body::sdp(self.said.clone()));
        }
    }

    /// The session's own figures are gone with it, so they are looked at while it lives.
    fn look(&mut self, wires: &Wires) {
        if let Some(vitals) = wires.endpoint.vitals(self.session) {
            self.vitals = vitals;
        }
    }

    fn signalled(&mut self, now: Instant, wires: &mut Wires, event: sip::Event) {
        self.look(wires);
        match event {
            sip::Event::Confirmed { body, .. } => self.confirmed(now, wires, body.as_ref()),
            sip::Event::Offered { session, offer, body } => {
                let offering = wires.offering(&self.trunk_name);
                let (leg, said) = (self.leg, &mut self.said);
                let changed = answer_reoffer(now, wires, leg, said, &offering, session, offer, body.as_ref());
                if let Some(direction) = changed {
                    self.hear(now, wires, Heard::Changed(direction));
                }
            }
            sip::Event::OfferAnswered { status, body, .. } => {
                reoffer_answered(wires, self.leg, &self.said, body.as_ref());
                if std::mem::take(&mut self.refreshing) {
                    self.hear(now, wires, Heard::Refreshed(status));
                }
            }
            sip::Event::Info { body, .. } => wires.media(MediaCommand::InfoDigit {
                leg: self.leg,
                body: Phi::new(body.bytes),
            }),
            sip::Event::Ended { why, .. } => self.ended(now, wires, why),
            sip::Event::Incoming { .. }
            | sip::Event::Progress { .. }
            | sip::Event::Accepted { .. }
            | sip::Event::Refused { .. }
            | sip::Event::Response { .. } => {}
        }
    }

    /// The ACK is here. When the offer was ours, their answer is in it (RFC 3261 §13.2.2.4).
    fn confirmed(&mut self, now: Instant, wires: &mut Wires, body: Option<&sip::Body>) {
        if self.stage != Stage::Answered {
            return;
        }
        let took = self.answered.map(|at| now.saturating_duration_since(at).as_millis());
        self.card.note(
            Item::Call,
            Grade::Pass,
            format!("our 200 was acknowledged after {} ms", took.unwrap_or_default()),
        );
        if self.offered_late {
            let stream = body.and_then(|answer| media::sdp::accept(&self.said, &answer.bytes).ok());
            let Some(stream) = stream else {
                self.card.note(
                    Item::LateOffer,
                    Grade::Fail,
                    "the ACK has no answer to the offer in our 200",
                );
                return self.hang_up(now, wires);
            };
            self.card.note(
                Item::LateOffer,
                Grade::Pass,
                "our 200 offered, and the ACK brought the answer",
            );
            wires.media(MediaCommand::Update {
                leg: self.leg,
                stream: stream.clone(),
            });
            self.agree(wires, &stream, body);
        }
        self.stage = Stage::Here;
        self.ask_large(now, wires);
        let protection = if self.encrypted { ENCRYPTED } else { CLEAR };
        let agreed: Vec<&'static str> = self.codec.map(card::spoken).into_iter().chain([protection]).collect();
        let mut wanted = Vec::new();
        self.checkup = Some(Checkup::begin(now, &agreed, &mut wanted));
        if self.first_packet.is_some() {
            self.hear(now, wires, Heard::FirstPacket);
        }
        self.carry_out(now, wires, wanted);
    }

    /// A large OPTIONS to where their INVITE came from: whether fragments get there and back (RFC 3261 §18.1.1).
    fn ask_large(&mut self, now: Instant, wires: &mut Wires) {
        if self.flow.transport != sip::Transport::Udp {
            return;
        }
        let remote = self.flow.remote;
        let mut request = Request::new(
            Method::Options,
            Uri::sip(None, Host::from(remote.ip()), Some(remote.port())),
        );
        request.headers.push("X-Fill", "x".repeat(LARGE));
        let asked = wires.endpoint.request(now, self.flow, request, None);
        wires.asked.insert(asked, Asked::Visit(self.id, Question::Large));
        self.card.note(
            Item::Mtu,
            Grade::NotTried,
            format!("an OPTIONS of {LARGE} bytes was sent, and the call was over before an answer"),
        );
    }

    /// What became of it; `None`: nobody answered.
    fn large_answered(&mut self, wires: &Wires, status: Option<u16>) {
        let small_ones = wires.trunks.get(self.trunk).map(|state| state.reach);
        match (status, small_ones) {
            (Some(513), _) => self.card.note(
                Item::Mtu,
                Grade::Fail,
                "arrived, and too large for them (513); use TCP or TLS",
            ),
            (Some(status), _) => self.card.note(
                Item::Mtu,
                Grade::Pass,
                format!("OPTIONS of {LARGE} bytes by UDP: {status}"),
            ),
            (None, Some(Reach::Up)) => self.card.note(
                Item::Mtu,
                Grade::Fail,
                format!("OPTIONS of {LARGE} bytes by UDP were not answered, small ones are: fragments are dropped"),
            ),
            (None, _) => self.card.note(
                Item::Mtu,
                Grade::NotTried,
                format!("OPTIONS of {LARGE} bytes by UDP were not answered; nor do we know that small ones are"),
            ),
        }
    }

    fn media(&mut self, now: Instant, wires: &mut Wires, event: MediaEvent) {
        match event {
            MediaEvent::Digit { digit, way, .. } => self.hear(now, wires, Heard::Key(digit.into_exposed(), way)),
            MediaEvent::Played { id, .. } if self.playing == Some(id) => {
                self.playing = None;
                match self.stage {
                    Stage::Early { .. } => self.accept(now, wires),
                    _ => self.hear(now, wires, Heard::Said),
                }
            }
            MediaEvent::FirstPacket { .. } => {
                self.first_packet.get_or_insert(now);
                self.hear(now, wires, Heard::FirstPacket);
            }
            MediaEvent::Lost { .. } => self.hear(now, wires, Heard::Lost),
            MediaEvent::Failed { .. } => {
                self.card
                    .note(Item::AudioIn, Grade::Fail, "no audio could be opened on our side");
                self.hang_up(now, wires);
            }
            MediaEvent::Closed { quality, .. } => {
                self.figures = Some(quality);
                if !self.bye_awaited {
                    self.write(now, wires);
                }
            }
            MediaEvent::Played { .. }
            | MediaEvent::ClipEnded { .. }
            | MediaEvent::RecordingSealed { .. }
            | MediaEvent::RecordingFailed { .. }
            | MediaEvent::Wordless { .. } => {}
        }
    }

    fn hear(&mut self, now: Instant, wires: &mut Wires, heard: Heard) {
        let Some(checkup) = &mut self.checkup else { return };
        let mut wanted = Vec::new();
        checkup.hear(now, heard, &mut wanted);
        self.carry_out(now, wires, wanted);
    }

    fn carry_out(&mut self, now: Instant, wires: &mut Wires, wanted: Vec<Do>) {
        for wanted in wanted {
            match wanted {
                Do::Say { words, stops_at_key } => self.play(wires, words, stops_at_key),
                Do::Echo(key, way) => self.echo(now, wires, key, way),
                Do::Refresh => {
                    // What is agreed, said once more. Something else of theirs or ours may be under way: then it is that.
                    let again = media::sdp::reoffer(&self.said, Direction::SendRecv);
                    let again = again.unwrap_or_else(|_| self.said.clone());
                    self.refreshing = wires
                        .endpoint
                        .reinvite(now, self.session, sip::Body::sdp(again.clone()))
                        .is_ok();
                    if self.refreshing {
                        self.said = again;
                    }
                }
                Do::HangUp => self.hang_up(now, wires),
            }
        }
    }

    fn echo(&mut self, now: Instant, wires: &mut Wires, key: char, way: Way) {
        let how = match way {
            Way::Info => {
                let body = sip::Body {
                    content_type: "application/dtmf-relay".into(),
                    bytes: format!("Signal={key}\r\nDuration={ECHO_MS}\r\n").into_bytes(),
                };
                wires.endpoint.info(now, self.session, body);
                return;
            }
            Way::Event if self.events => DigitWay::TelephoneEvent,
            Way::Event | Way::Tone => DigitWay::Tone,
        };
        if let Some(digit) = Digit::from_char(key) {
            wires.media(MediaCommand::SendDigits {
                leg: self.leg,
                digits: Phi::new(vec![digit]),
                how,
            });
        }
    }

    fn hang_up(&mut self, now: Instant, wires: &mut Wires) {
        if !std::mem::replace(&mut self.hanging_up, true) {
            self.look(wires);
            if let Some(asked) = wires.endpoint.hang_up_and_ask(now, self.session) {
                wires.asked.insert(asked, Asked::Visit(self.id, Question::Bye));
                self.bye_awaited = true;
            }
        }
    }

    /// What our BYE came to; `None`: nobody answered.
    fn bye_answered(&mut self, now: Instant, wires: &mut Wires, status: Option<u16>) {
        self.bye_awaited = false;
        match status {
            Some(status @ 200..=299) => {
                self.card
                    .note(Item::HangUp, Grade::Pass, format!("our BYE was answered: {status}"));
            }
            Some(status) => self
                .card
                .note(Item::HangUp, Grade::Fail, format!("our BYE was answered: {status}")),
            None => self.card.note(Item::HangUp, Grade::Fail, BYE_UNANSWERED),
        }
        if self.figures.is_some() {
            self.write(now, wires);
        }
    }

    fn ended(&mut self, now: Instant, wires: &mut Wires, why: sip::Ended) {
        if matches!(self.stage, Stage::Closing { .. } | Stage::Over) {
            return;
        }
        let confirmed = self.stage == Stage::Here;
        self.hear(now, wires, Heard::HungUp);
        let unpracked = self.reliably && self.vitals.prack_owed;
        if self.reliably {
            match (unpracked, why) {
                (false, _) => self
                    .card
                    .note(Item::Prack, Grade::Pass, "our reliable 183 was acknowledged"),
                (true, sip::Ended::NoAck) => {
                    self.card
                        .note(Item::Prack, Grade::Fail, "our reliable 183 was never acknowledged")
                }
                (true, _) if confirmed => self.card.note(
                    Item::Prack,
                    Grade::Fail,
                    "our reliable 183 was not acknowledged before the end of the call",
                ),
                (true, _) => self
                    .card
                    .note(Item::Prack, Grade::NotTried, "the call ended before the PRACK"),
            }
        }
        match why {
            sip::Ended::NoAck if unpracked => {
                self.card
                    .note(Item::Call, Grade::NotTried, "no PRACK came, so it was never answered")
            }
            sip::Ended::NoAck => self.card.note(
                Item::Call,
                Grade::Fail,
                "our 200 was never acknowledged: look at the route set and Contact",
            ),
            sip::Ended::Cancelled => self
                .card
                .note(Item::Call, Grade::NotTried, "cancelled before it was answered"),
            _ if !confirmed && self.card.line(Item::Call).is_none() => {
                self.card
                    .note(Item::Call, Grade::Fail, "it broke before it was acknowledged");
            }
            _ => {}
        }
        match why {
            sip::Ended::ByTheirBye => self.card.note(Item::HangUp, Grade::Pass, "their BYE came"),
            // What the BYE comes to is told later, if at all.
            sip::Ended::ByOurBye if self.bye_awaited => {}
            sip::Ended::ByOurBye => self.card.note(
                Item::HangUp,
                Grade::NotTried,
                "we hung up as soon as the call was acknowledged",
            ),
            sip::Ended::Expired => self.card.note(
                Item::HangUp,
                Grade::Fail,
                "no BYE came, and nobody refreshed the session before it expired",
            ),
            sip::Ended::TimedOut => self.card.note(
                Item::HangUp,
                Grade::Fail,
                "no BYE came, and they no longer knew the call",
            ),
            _ => self
                .card
                .note(Item::HangUp, Grade::NotTried, "the call was never established"),
        }
        wires.disown_session(self.session);
        wires.media(MediaCommand::Close { leg: self.leg });
        let within = if self.bye_awaited { BYE_WITHIN } else { FIGURES_WITHIN };
        self.stage = Stage::Closing { until: now + within };
    }

    /// The card is whole, and goes into the book.
    fn write(&mut self, now: Instant, wires: &mut Wires) {
        // Audio that ends before its session is the end of the engine; what is known is kept.
        if self.stage == Stage::Over {
            return;
        }
        self.stage = Stage::Over;
        if let Some(checkup) = &self.checkup {
            checkup.write(&mut self.card);
        }
        self.write_audio();
        self.write_timer();
        if self.bye_awaited {
            self.card.note(Item::HangUp, Grade::Fail, BYE_UNANSWERED);
        }
        for item in Item::ALL {
            if self.card.line(*item).is_none() {
                self.card
                    .note(*item, Grade::NotTried, "the call was over before it was tried");
            }
        }
        let seconds = u32::try_from(now.saturating_duration_since(self.began).as_secs()).unwrap_or(u32::MAX);
        let wall = wires.wall(now);
        let fact = Fact::ReportCard {
            id: self.id,
            trunk: self.trunk_name.clone(),
            seconds,
            card: std::mem::take(&mut self.card),
        };
        wires.fact(None, wall, fact);
    }

    /// The probe for one-way audio: what came from them, and what they say of ours.
    fn write_audio(&mut self) {
        let Some(quality) = self.figures.take() else { return };
        if let (Some(first), Some(answered)) = (self.first_packet, self.answered) {
            let after = first.saturating_duration_since(answered).as_millis();
            let mut words = format!(
                "first packet {after} ms after the answer; {} packets, {} lost, jitter {:.1} ms",
                quality.received, quality.lost, quality.jitter_ms
            );
            if quality.forged > 0 {
                words.push_str(&format!("; {} not sealed with the key agreed on", quality.forged));
            }
            self.card.note(Item::AudioIn, Grade::Pass, words);
        }
        match quality.their_loss {
            Some(loss) => {
                let grade = if loss < TOO_LOSSY { Grade::Pass } else { Grade::Fail };
                let words = format!("their RTCP report: {:.1} % of our packets lost", loss * 100.0);
                self.card.note(Item::AudioOut, grade, words);
            }
            None => self.card.note(
                Item::AudioOut,
                Grade::NotTried,
                "they sent no RTCP report: say whether we were heard",
            ),
        }
    }

    fn write_timer(&mut self) {
        let vitals = self.vitals;
        if self.checkup.is_none() {
            return;
        }
        match vitals.interval_s {
            Some(seconds) => {
                let who = if vitals.we_refresh {
                    "we refresh"
                } else {
                    "they refresh"
                };
                let (grade, short) = if seconds < SHORTEST_SESSION_S {
                    (Grade::Fail, ", shorter than RFC 4028 allows")
                } else {
                    (Grade::Pass, "")
                };
                let words = format!("Session-Expires {seconds}{short}; {who}");
                self.card.note(Item::SessionTimer, grade, words);
            }
            None => self.card.note(
                Item::SessionTimer,
                Grade::NotTried,
                "they do not support session timers",
            ),
        }
        let ours = self
            .card
            .line(Item::Refresh)
            .map(|line| (line.grade, line.words.clone()));
        if let (1.., Some((grade, words))) = (vitals.refreshed, ours) {
            let grade = if grade == Grade::NotTried { Grade::Pass } else { grade };
            let words = format!("{words}; {} of theirs answered", vitals.refreshed);
            self.card.note(Item::Refresh, grade, words);
        }
    }
}

/// A stream that loses more is not fit for speech.
const TOO_LOSSY: f32 = 0.05;
const BYE_UNANSWERED: &str = "our BYE was not answered: look at the route set and Contact";
/// RFC 4028 §4.
const SHORTEST_SESSION_S: u32 = 90;

impl Desk {
    /// Admits an engineer's call.
    pub(super) fn visit(
        &mut self,
        now: Instant,
        trunk: usize,
        session: sip::SessionId,
        invite: &sip::Incoming,
    ) -> Result<(), Fault> {
        if self.visits.len() >= VISITS_MAX {
            return Err(Fault::TrunkFull);
        }
        let id = CallId(self.wires.draw());
        let proved = self.must_prove(trunk);
        let wires = &mut self.wires;
        let arrived = catch_unwind(AssertUnwindSafe(|| {
            Visit::arrive(now, wires, id, trunk, proved, session, invite)
        }));
        let visit = arrived.unwrap_or(Err(Fault::Internal))?;
        self.visits.insert(id, Box::new(visit));
        self.reset_alarm(id);
        Ok(())
    }

    pub(super) fn visit_time(&mut self, now: Instant, id: CallId) {
        self.with_visit(now, id, |visit, wires| visit.time(now, wires));
    }

    pub(super) fn visit_signalled(&mut self, now: Instant, id: CallId, event: sip::Event) {
        self.with_visit(now, id, |visit, wires| visit.signalled(now, wires, event));
    }

    pub(super) fn visit_media(&mut self, now: Instant, id: CallId, event: MediaEvent) {
        self.with_visit(now, id, |visit, wires| visit.media(now, wires, event));
    }

    pub(super) fn visit_asked(&mut self, now: Instant, id: CallId, question: Question, status: Option<u16>) {
        self.with_visit(now, id, |visit, wires| match question {
            Question::Large => visit.large_answered(wires, status),
            Question::Bye => visit.bye_answered(now, wires, status),
        });
    }

    /// When a visit wants the clock.
    pub(super) fn visit_timeout(&self, id: CallId) -> Option<Instant> {
        self.visits.get(&id)?.timeout()
    }

    /// Callers of a trunk who are here, its engineers among them.
    pub(super) fn calls_in(&self, trunk: usize, name: &str) -> usize {
        let visits = self.visits.values().filter(|visit| visit.trunk == trunk).count();
        visits + self.calls_of(|call| call.trunk() == name)
    }

    /// As with a call, a fault is its own end and nobody else's.
    fn with_visit(&mut self, now: Instant, id: CallId, act: impl FnOnce(&mut Visit, &mut Wires)) {
        let Some(visit) = self.visits.get_mut(&id) else {
            return;
        };
        let wires = &mut self.wires;
        let broke = catch_unwind(AssertUnwindSafe(|| act(visit, wires))).is_err();
        if broke {
            wires.let_go(now, id);
        }
        if broke || visit.stage == Stage::Over {
            self.visits.remove(&id);
        }
        self.reset_alarm(id);
    }
}
