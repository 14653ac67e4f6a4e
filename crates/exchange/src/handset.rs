//! A real telephone for trying things: [`switchboard::phone::Phone`] on sockets, with an ear, a mouth and fingers.
//!
//! `nightdesk dial`, the demonstration and the scenarios over SIP use it. It is one thread that wakes every few
//! milliseconds, for a handful of calls: a tool, not the media plane. Whoever holds a call is a [`Party`]: it is told
//! what is heard and says what to do. The ear knows our own words by their frames (`voice::listen`); everything heard is
//! also kept as samples, so that foreign ears can compare.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use media::dtmf::Digit;
use media::{DigitWay, LegEvent, PACKET_OUT_BYTES};
use phi::Phi;
use switchboard::phone::{Answering, Output, Phone};
use voice::listen::{Index, Listener, Sound};

use crate::serve::draw;

/// How often the thread wakes.
const WAKE: Duration = Duration::from_millis(2);
const FRAME: Duration = Duration::from_millis(20);
/// Audio kept of one call: an hour.
const HEARD_MAX: usize = 8_000 * 3_600;
/// Ports kept bound ahead.
const PORTS_READY: usize = 4;
/// Largest datagram read.
const DATAGRAM_MAX: usize = 65_535;

/// Whoever holds the receiver: a scripted caller, a doctor, a voicemail.
pub trait Party: Send {
    /// These words begin to be heard.
    fn hears(&mut self, words: &str);
    /// The line has been quiet for 700 ms.
    fn quiet(&mut self, now: Timestamp);
    /// A tone invites to speak.
    fn tone(&mut self);
    /// Time passes.
    fn time(&mut self, now: Timestamp);
    /// The next thing to do.
    fn poll(&mut self) -> Option<Act>;
    /// What was still to be done or heard when the call ended.
    fn undone(&self) -> Option<String> {
        None
    }
}

/// What a party does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Presses a key.
    Press(char),
    /// Speaks: µ-law samples, 8 kHz.
    Speak(Arc<[u8]>),
    /// Hangs up.
    HangUp,
}

/// How a handset is set up.
pub struct Setup {
    /// Its signalling address; port 0 takes any.
    pub address: SocketAddr,
    /// Where its audio sockets are bound.
    pub media: IpAddr,
    /// What it can recognise; `None`: it only records.
    pub ear: Option<Arc<Index>>,
    /// How long it rings before it is picked up.
    pub pick_up: Duration,
    /// How keys are sent.
    pub keys: Keys,
    /// What it speaks, and whether encrypted.
    pub offering: media::sdp::Offering,
    /// Who answers a number that is called.
    pub answers: Answers,
}

/// Makes the person who picks up: the number called, and how its plan says it is answered.
pub type Answers = Box<dyn FnMut(&str, Answering) -> Box<dyn Party> + Send>;

/// How keys are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// RFC 4733 telephone-events.
    Events,
    /// SIP INFO, application/dtmf-relay.
    Info,
    /// In-band tones.
    Tones,
}

/// What happened at the handset.
#[derive(Clone, Debug)]
pub enum News {
    /// A number of ours rings.
    Rings {
        /// The number called.
        number: String,
    },
    /// Two-way audio begins.
    Connected {
        /// Ours for the call.
        line: u64,
        /// The number called, when the call came in.
        number: Option<String>,
        /// What is spoken, and how it is encrypted: `G722, in the clear`.
        audio: String,
    },
    /// These words began.
    Heard {
        /// On which line.
        line: u64,
        /// The words.
        words: String,
    },
    /// A key was sent.
    Pressed {
        /// On which line.
        line: u64,
        /// Which.
        key: char,
    },
    /// A call of ours was refused.
    Refused {
        /// On which line.
        line: u64,
        /// The status.
        status: u16,
    },
    /// A call is over before its party came to this; [`News::Ended`] follows.
    Undone {
        /// On which line.
        line: u64,
        /// What was still to come.
        turn: String,
    },
    /// A call is over.
    Ended {
        /// On which line.
        line: u64,
        /// What was heard: µ-law, 8 kHz, from the first frame on.
        heard: Arc<[u8]>,
    },
}

/// A running handset; dropping it hangs everything up and ends the thread.
pub struct Handset {
    orders: Sender<Order>,
    news: Receiver<(Instant, News)>,
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

enum Order {
    Plan(String, Vec<Answering>),
    Otherwise(Answering),
    Call {
        line: u64,
        desk: SocketAddr,
        number: String,
        from: Option<String>,
        party: Box<dyn Party>,
    },
    HangUp(u64),
    Stop,
}

impl Handset {
    /// Binds the sockets and starts the thread.
    pub fn start(setup: Setup) -> io::Result<Self> {
        let socket = UdpSocket::bind(setup.address)?;
        socket.set_nonblocking(true)?;
        let address = socket.local_addr()?;
        let (orders, inbox) = channel();
        let (outbox, news) = channel();
        let thread = std::thread::Builder::new()
            .name("handset".into())
            .spawn(move || Work::new(setup, socket, address, inbox, outbox).run())?;
        Ok(Self {
            orders,
            news,
            address,
            thread: Some(thread),
        })
    }

    /// Its signalling address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How a number answers, ring by ring.
    pub fn plan(&self, number: &str, answers: Vec<Answering>) {
        let _ = self.orders.send(Order::Plan(number.to_owned(), answers));
    }

    /// How every other number answers.
    pub fn otherwise(&self, answering: Answering) {
        let _ = self.orders.send(Order::Otherwise(answering));
    }

    /// Places a call; `line` names it in the news, and is the caller's to choose (below 2³²).
    pub fn call(&self, line: u64, desk: SocketAddr, number: &str, from: Option<&str>, party: Box<dyn Party>) {
        let _ = self.orders.send(Order::Call {
            line,
            desk,
            number: number.to_owned(),
            from: from.map(str::to_owned),
            party,
        });
    }

    /// Hangs a call up.
    pub fn hang_up(&self, line: u64) {
        let _ = self.orders.send(Order::HangUp(line));
    }

    /// What happened next, waiting at most this long.
    pub fn news(&self, wait: Duration) -> Option<(Instant, News)> {
        self.news.recv_timeout(wait).ok()
    }
}

impl Drop for Handset {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The caller of a scenario as a party: [`flow::rehearse::Actor`] with a voice.
pub struct Scripted {
    actor: flow::rehearse::Actor,
    mouth: HashMap<String, Arc<[u8]>>,
}

impl Scripted {
    /// A scripted caller, and how each of its sentences sounds.
    pub fn new(scenario: &flow::rehearse::Scenario, mouth: HashMap<String, Arc<[u8]>>) -> Self {
        Self {
            actor: flow::rehearse::Actor::new(scenario),
            mouth,
        }
    }
}

impl Party for Scripted {
    fn hears(&mut self, words: &str) {
        self.actor.heard(words);
    }

    fn quiet(&mut self, now: Timestamp) {
        self.actor.quiet(now);
    }

    fn tone(&mut self) {
        self.actor.tone();
    }

    fn time(&mut self, now: Timestamp) {
        self.actor.time(now);
    }

    fn poll(&mut self) -> Option<Act> {
        self.actor.poll().map(|act| match act {
            flow::rehearse::Act::Press(key) => Act::Press(key),
            flow::rehearse::Act::HangUp => Act::HangUp,
            flow::rehearse::Act::Speak(words) => Act::Speak(self.mouth.get(&words).cloned().unwrap_or_default()),
        })
    }

    fn undone(&self) -> Option<String> {
        self.actor.stuck()
    }
}

/// A caller in a hurry: does each thing a moment after its cue, without hearing the rest.
pub struct Cued {
    turns: VecDeque<(Cue, Vec<Act>)>,
    began: Option<Cue>,
    act_at: Option<Timestamp>,
    out: VecDeque<Act>,
}

/// What a hurried caller waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cue {
    /// Words that hold these begin.
    Words(String),
    /// The tone after which one speaks.
    Tone,
}

impl Cued {
    /// How long after its cue each thing is done; a red-flag question takes no key in its first half second.
    pub const AFTER: Duration = Duration::from_millis(1_200);

    /// Does these things, one after another.
    pub fn new(turns: impl IntoIterator<Item = (Cue, Vec<Act>)>) -> Self {
        Self {
            turns: turns.into_iter().collect(),
            began: None,
            act_at: None,
            out: VecDeque::new(),
        }
    }

    fn cue(&mut self, cue: Cue) {
        let fits = match (self.turns.front(), &cue) {
            (Some((Cue::Words(wanted), _)), Cue::Words(words)) => words.contains(wanted.as_str()),
            (Some((Cue::Tone, _)), Cue::Tone) => true,
            _ => false,
        };
        if fits && self.began.is_none() {
            self.began = Some(cue);
        }
    }
}

impl Party for Cued {
    fn hears(&mut self, words: &str) {
        self.cue(Cue::Words(words.to_owned()));
    }

    fn tone(&mut self) {
        self.cue(Cue::Tone);
    }

    fn quiet(&mut self, _now: Timestamp) {}

    fn time(&mut self, now: Timestamp) {
        if self.began.is_some() && self.act_at.is_none() {
            self.act_at = jiff::SignedDuration::try_from(Self::AFTER)
                .ok()
                .and_then(|after| now.checked_add(after).ok());
        }
        if self.act_at.is_some_and(|at| at <= now) {
            self.began = None;
            self.act_at = None;
            self.out
                .extend(self.turns.pop_front().into_iter().flat_map(|(_, acts)| acts));
        }
    }

    fn poll(&mut self) -> Option<Act> {
        self.out.pop_front()
    }
}

/// A doctor: listens for a moment, presses a key, then says something and, after a while, hangs up.
pub struct Doctor {
    key: Option<char>,
    pin: Option<Phi<String>>,
    before: Option<char>,
    says: Option<Arc<[u8]>>,
    talks: Duration,
    picked_up_at: Option<Timestamp>,
    heard_at: Option<Timestamp>,
    pressed_at: Option<Timestamp>,
    out: VecDeque<Act>,
}

impl Doctor {
    /// How long a clinician listens before pressing a key.
    pub const LISTENS: Duration = Duration::from_millis(1_500);

    /// How long a line that is silent is listened to. Whoever is put through to, such as Poison Control, is asked for no
    /// key: there is a caller, and they talk.
    pub const SAYS_HELLO: Duration = Duration::from_secs(3);

    /// Presses `key` once words were heard, says `says`, hangs up `talks` after the key.
    pub fn new(key: Option<char>, says: Option<Arc<[u8]>>, talks: Duration) -> Self {
        Self {
            key,
            pin: None,
            before: None,
            says,
            talks,
            picked_up_at: None,
            heard_at: None,
            pressed_at: None,
            out: VecDeque::new(),
        }
    }

    /// The same doctor, who has a PIN and types it when asked.
    #[must_use]
    pub fn with_pin(self, pin: Option<Phi<String>>) -> Self {
        Self { pin, ..self }
    }

    /// The same doctor, who presses this key before the other.
    #[must_use]
    pub fn pressing_first(self, before: Option<char>) -> Self {
        Self { before, ..self }
    }

    fn since(from: Option<Timestamp>, now: Timestamp, long: Duration) -> bool {
        from.is_some_and(|from| Duration::try_from(now.duration_since(from)).is_ok_and(|passed| passed >= long))
    }
}

impl Party for Doctor {
    fn hears(&mut self, words: &str) {
        // The time of it is taken by the next `time`.
        self.heard_at.get_or_insert(Timestamp::MAX);
        let asked = self.pressed_at.is_some() && words.split_whitespace().any(|word| word.starts_with("PIN"));
        if let Some(pin) = self.pin.as_ref().filter(|_| asked) {
            self.out.extend(pin.expose().chars().map(Act::Press));
            // The call is taken by the last digit, and talked on from there.
            self.pressed_at = Some(Timestamp::MIN);
        }
    }

    fn quiet(&mut self, _now: Timestamp) {}

    fn tone(&mut self) {}

    fn time(&mut self, now: Timestamp) {
        if self.heard_at == Some(Timestamp::MAX) {
            self.heard_at = Some(now);
        }
        let picked_up_at = *self.picked_up_at.get_or_insert(now);
        let hello = self.heard_at.is_none() && Self::since(Some(picked_up_at), now, Self::SAYS_HELLO);
        if self.pressed_at == Some(Timestamp::MIN) || (hello && self.pressed_at.is_none()) {
            self.pressed_at = Some(now);
        }
        if let Some(key) = self.key
            && self.pressed_at.is_none()
            && Self::since(self.heard_at, now, Self::LISTENS)
        {
            self.pressed_at = Some(now);
            self.out.extend(self.before.into_iter().chain([key]).map(Act::Press));
        }
        if Self::since(self.pressed_at, now, Duration::from_secs(1))
            && let Some(says) = self.says.take()
        {
            self.out.push_back(Act::Speak(says));
        }
        if Self::since(self.pressed_at, now, self.talks) {
            self.pressed_at = Some(Timestamp::MAX);
            self.out.push_back(Act::HangUp);
        }
    }

    fn poll(&mut self) -> Option<Act> {
        self.out.pop_front()
    }
}

struct Work {
    setup: Setup,
    socket: UdpSocket,
    address: SocketAddr,
    phone: Phone,
    inbox: Receiver<Order>,
    news: Sender<(Instant, News)>,
    bound: HashMap<u16, UdpSocket>,
    lines: BTreeMap<sip::SessionId, Line>,
    calling: HashMap<sip::SessionId, (u64, Box<dyn Party>)>,
    next_line: u64,
    next_play: u64,
    buffer: Vec<u8>,
}

struct Line {
    number: u64,
    socket: UdpSocket,
    leg: media::Leg,
    party: Box<dyn Party>,
    ear: Option<Listener>,
    heard: Vec<u8>,
    /// Keys wait for the one before them to be out.
    keys: VecDeque<char>,
    pressing: bool,
    next_frame: Instant,
}

impl Work {
    fn new(
        setup: Setup,
        socket: UdpSocket,
        address: SocketAddr,
        inbox: Receiver<Order>,
        news: Sender<(Instant, News)>,
    ) -> Self {
        let mut phone = Phone::new(address, setup.media, draw(), draw());
        phone.pick_up_after(setup.pick_up);
        phone.speak(setup.offering.clone());
        Self {
            setup,
            socket,
            address,
            phone,
            inbox,
            news,
            bound: HashMap::new(),
            lines: BTreeMap::new(),
            calling: HashMap::new(),
            next_line: 1 << 32,
            next_play: 0,
            buffer: vec![0; DATAGRAM_MAX],
        }
    }

    fn run(mut self) {
        let mut stopping: Option<Instant> = None;
        loop {
            self.bind_ports();
            while let Ok(order) = self.inbox.try_recv() {
                match order {
                    Order::Plan(number, answers) => self.phone.plan(&number, answers),
                    Order::Otherwise(answering) => self.phone.otherwise(answering),
                    Order::Call {
                        line,
                        desk,
                        number,
                        from,
                        party,
                    } => self.call(line, desk, &number, from.as_deref(), party),
                    Order::HangUp(number) => self.hang_up(number),
                    Order::Stop => {
                        // A moment for the last BYEs and their answers.
                        stopping = Some(Instant::now() + Duration::from_millis(300));
                        let sessions: Vec<_> = self.lines.keys().copied().collect();
                        sessions
                            .into_iter()
                            .for_each(|session| self.phone.hang_up(Instant::now(), session));
                    }
                }
            }
            self.receive();
            self.phone.handle_timeout(Instant::now());
            self.drain();
            self.audio();
            self.drain();
            if stopping.is_some_and(|until| until <= Instant::now() || self.phone.lines() == 0) {
                return;
            }
            std::thread::sleep(WAKE);
        }
    }

    fn call(&mut self, line: u64, desk: SocketAddr, number: &str, from: Option<&str>, party: Box<dyn Party>) {
        let flow = sip::Flow {
            transport: sip::Transport::Udp,
            local: self.address,
            remote: desk,
            connection: None,
        };
        // Many calls at once are as many ports.
        self.bind_ports();
        match self.phone.call(Instant::now(), flow, number, from) {
            Some(session) => {
                self.calling.insert(session, (line, party));
            }
            None => self.tell(News::Refused { line, status: 503 }),
        }
    }

    fn hang_up(&mut self, number: u64) {
        let talking = self
            .lines
            .iter()
            .find(|(_, line)| line.number == number)
            .map(|(session, _)| *session);
        let session = talking.or_else(|| {
            self.calling
                .iter()
                .find(|(_, (line, _))| *line == number)
                .map(|(session, _)| *session)
        });
        if let Some(session) = session {
            self.phone.hang_up(Instant::now(), session);
        }
    }

    fn bind_ports(&mut self) {
        while self.phone.ports() < PORTS_READY {
            let Ok(socket) = UdpSocket::bind(SocketAddr::new(self.setup.media, 0)) else {
                return;
            };
            let (Ok(()), Ok(local)) = (socket.set_nonblocking(true), socket.local_addr()) else {
                return;
            };
            self.phone.add_port(local.port());
            self.bound.insert(local.port(), socket);
        }
    }

    fn receive(&mut self) {
        while let Ok((length, remote)) = self.socket.recv_from(&mut self.buffer) {
            let flow = sip::Flow {
                transport: sip::Transport::Udp,
                local: self.address,
                remote,
                connection: None,
            };
            if let Some(bytes) = self.buffer.get(..length) {
                self.phone.handle_received(Instant::now(), flow, bytes);
            }
        }
    }

    fn drain(&mut self) {
        loop {
            match self.phone.poll_output() {
                Output::Timeout(_) => return,
                Output::Transmit(transmit) => {
                    let _ = self.socket.send_to(&transmit.bytes, transmit.flow.remote);
                }
                Output::Rings { number, .. } => self.tell(News::Rings { number }),
                Output::Connected {
                    session,
                    port,
                    stream,
                    answering,
                } => self.connected(session, port, &stream, answering),
                Output::Changed { session, stream } => {
                    if let Some(line) = self.lines.get_mut(&session) {
                        line.leg.update(&stream);
                    }
                }
                Output::Refused { session, status } => {
                    if let Some((line, _)) = self.calling.remove(&session) {
                        self.tell(News::Refused { line, status });
                    }
                }
                Output::Ended { session, .. } => {
                    if let Some((line, _)) = self.calling.remove(&session) {
                        self.tell(News::Ended {
                            line,
                            heard: Arc::default(),
                        });
                    }
                    if let Some(line) = self.lines.remove(&session) {
                        if let Some(turn) = line.party.undone() {
                            self.tell(News::Undone {
                                line: line.number,
                                turn,
                            });
                        }
                        self.tell(News::Ended {
                            line: line.number,
                            heard: line.heard.into(),
                        });
                    }
                }
            }
        }
    }

    fn connected(
        &mut self,
        session: sip::SessionId,
        port: u16,
        stream: &media::sdp::Stream,
        answering: Option<(String, Answering)>,
    ) {
        let Some(socket) = self.bound.remove(&port) else { return };
        let (number, party, called) = match (self.calling.remove(&session), answering) {
            (Some((line, party)), _) => (line, party, None),
            (None, Some((called, answering))) => {
                self.next_line += 1;
                (self.next_line, (self.setup.answers)(&called, answering), Some(called))
            }
            (None, None) => return,
        };
        let start = media::LegStart::drawn(&mut draw());
        let line = Line {
            number,
            socket,
            leg: media::Leg::new(stream, start),
            party,
            ear: self.setup.ear.as_ref().map(Listener::new),
            heard: Vec::new(),
            keys: VecDeque::new(),
            pressing: false,
            next_frame: Instant::now(),
        };
        self.lines.insert(session, line);
        self.tell(News::Connected {
            line: number,
            number: called,
            audio: format!("{}, {}", stream.codec.name(), stream.protection()),
        });
    }

    fn audio(&mut self) {
        let now = Instant::now();
        let wall = Timestamp::now();
        let mut hang_ups = Vec::new();
        let mut infos = Vec::new();
        let mut news = Vec::new();
        for (session, line) in &mut self.lines {
            while let Ok((length, remote)) = line.socket.recv_from(&mut self.buffer) {
                if let Some(bytes) = self.buffer.get_mut(..length) {
                    line.leg.receive(now, remote, bytes);
                }
            }
            let mut packet = [0; PACKET_OUT_BYTES];
            while line.next_frame <= now {
                line.next_frame += FRAME;
                let length = line.leg.tick(now, &mut packet);
                if let Some(bytes) = packet.get(..length).filter(|bytes| !bytes.is_empty()) {
                    let _ = line.socket.send_to(bytes, line.leg.target());
                }
                let length = line.leg.tick_rest(&mut packet);
                if let Some(bytes) = packet.get(..length).filter(|bytes| !bytes.is_empty()) {
                    let _ = line.socket.send_to(bytes, line.leg.target());
                }
                if let Some(frame) = line.leg.take_frame() {
                    let frame = in_ulaw(&frame);
                    if line.heard.len() < HEARD_MAX {
                        line.heard.extend_from_slice(&frame);
                    }
                    line.listen(&frame, wall, &mut news);
                }
            }
            while let Some(event) = line.leg.poll_event() {
                if event == LegEvent::DigitsSent {
                    line.pressing = false;
                }
            }
            line.party.time(wall);
            while let Some(act) = line.party.poll() {
                match act {
                    Act::Press(key) => line.keys.push_back(key),
                    Act::Speak(samples) => {
                        self.next_play += 1;
                        line.leg.play(self.next_play, vec![samples], false);
                    }
                    Act::HangUp => hang_ups.push(*session),
                }
            }
            // A caller who says something and then presses pound finishes the words first.
            if !line.pressing
                && !line.leg.is_playing()
                && let Some(key) = line.keys.pop_front()
            {
                match (self.setup.keys, Digit::from_char(key)) {
                    (Keys::Info, _) => infos.push((*session, key)),
                    (keys, Some(digit)) => {
                        let way = if keys == Keys::Tones {
                            DigitWay::Tone
                        } else {
                            DigitWay::TelephoneEvent
                        };
                        line.pressing = line.leg.send_digits(&[digit], way) > 0;
                    }
                    (_, None) => {}
                }
                news.push(News::Pressed { line: line.number, key });
            }
        }
        for (session, key) in infos {
            self.phone.info_digit(now, session, Phi::new(key));
        }
        for session in hang_ups {
            self.phone.hang_up(now, session);
        }
        for item in news {
            self.tell(item);
        }
    }

    fn tell(&self, news: News) {
        let _ = self.news.send((Instant::now(), news));
    }
}

impl Line {
    fn listen(&mut self, frame: &[u8; 160], wall: Timestamp, news: &mut Vec<News>) {
        match self.ear.as_mut().and_then(|ear| ear.hear(frame)) {
            Some(Sound::Began(part)) => {
                self.party.hears(&part.text);
                news.push(News::Heard {
                    line: self.number,
                    words: part.text.to_string(),
                });
            }
            Some(Sound::Beep) => self.party.tone(),
            Some(Sound::Quiet) => self.party.quiet(wall),
            None => {}
        }
    }
}

fn in_ulaw(frame: &media::Frame) -> [u8; media::FRAME_SAMPLES] {
    match frame.law {
        media::Law::Pcmu => frame.bytes,
        law @ media::Law::Pcma => frame.bytes.map(|byte| media::Law::Pcmu.encode(law.decode(byte))),
    }
}
