//! The playing field: every caller and every doctor's telephone, walked by one thread once per millisecond.
//!
//! A party keeps its millisecond of the 20 ms frame for life, so that its packets leave at an even pace. SIP is read every
//! millisecond; what was measured from kernel time does not depend on that.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::audio::{Heard, Tally, Voice};
use super::caller::{Caller, Ending, Plan};
use super::doctor::{Doctor, Manner};
use super::spread::Spread;
use super::text::Message;
use super::wire::{DATAGRAM, MS, Nanos, Wire, now};

/// Slots of a frame.
const SLOTS: u64 = 20;

/// SIP datagrams read per millisecond and socket; more wait for the next.
const READS: usize = 256;

/// What the kernel may keep of SIP for us.
const ROOM: usize = 4 << 20;

/// All telephones.
pub(crate) struct Field {
    run: u32,
    server: SocketAddr,
    callers_wire: Wire,
    callers_at: SocketAddr,
    doctors_wire: Wire,
    doctors_at: SocketAddr,
    callers: Vec<Caller>,
    doctors: Vec<Doctor>,
    by_call_id: HashMap<String, Party>,
    slots: Vec<Vec<Party>>,
    manner: Box<dyn FnMut(u32) -> Manner>,
    voice: Voice,
    /// What is measured.
    pub(crate) tally: Tally,
    tick: u64,
    began: Nanos,
    buffer: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Party {
    Caller(usize),
    Doctor(usize),
}

/// Parties by how they stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Callers that have no ending yet.
    pub(crate) open: usize,
    /// Callers in a call.
    pub(crate) talking: usize,
    /// Callers that hear, or have heard, a doctor.
    pub(crate) bridged: usize,
    /// Callers refused with 503.
    pub(crate) busy: usize,
    /// Callers refused otherwise, or unanswered.
    pub(crate) failed: usize,
    /// Callers the other side hung up on.
    pub(crate) left: usize,
    /// Doctors whose telephone is off the hook.
    pub(crate) doctors: usize,
}

impl Field {
    /// Opens the field. `manner` decides what the n-th ringing telephone does.
    pub(crate) fn open(
        server: SocketAddr,
        doctors_port: u16,
        manner: impl FnMut(u32) -> Manner + 'static,
    ) -> io::Result<Self> {
        let callers_wire = Wire::bind(0, ROOM)?;
        let doctors_wire = Wire::bind(doctors_port, ROOM)?;
        let local = |wire: &Wire| Ok::<_, io::Error>(SocketAddr::from(([127, 0, 0, 1], wire.port()?)));
        Ok(Self {
            run: u32::try_from(now() / MS % 1_000_000_000).unwrap_or(0),
            server,
            callers_at: local(&callers_wire)?,
            doctors_at: local(&doctors_wire)?,
            callers_wire,
            doctors_wire,
            callers: Vec::new(),
            doctors: Vec::new(),
            by_call_id: HashMap::new(),
            slots: vec![Vec::new(); SLOTS as usize],
            manner: Box::new(manner),
            voice: Voice::new(),
            tally: Tally::default(),
            tick: 0,
            began: now(),
            buffer: vec![0; DATAGRAM],
        })
    }

    /// One more call.
    pub(crate) fn call(&mut self, plan: Plan) -> io::Result<()> {
        let at = self.callers.len();
        let id = u32::try_from(at).unwrap_or(u32::MAX);
        let caller = Caller::call(
            id,
            self.run,
            plan,
            now(),
            &self.callers_wire,
            self.callers_at,
            self.server,
        )?;
        self.by_call_id.insert(caller.call_id().to_owned(), Party::Caller(at));
        self.callers.push(caller);
        self.seat(Party::Caller(at), at);
        Ok(())
    }

    /// Plays until `done`, asked every millisecond, or until the time is over. True when it was done. `step` may start
    /// calls.
    pub(crate) fn play(&mut self, longest: Duration, mut step: impl FnMut(&mut Self, Nanos) -> bool) -> bool {
        let end = now() + u64::try_from(longest.as_nanos()).unwrap_or(Nanos::MAX / 2);
        loop {
            let due = self.began + (self.tick + 1) * MS;
            let before = now();
            if due > before {
                std::thread::sleep(Duration::from_nanos(due - before));
            }
            let time = now();
            let tick = (time - self.began) / MS;
            self.read(time);
            // Each slot once, however late we are.
            for late in 0..(tick - self.tick).min(SLOTS) {
                self.serve((tick - late) % SLOTS, time);
            }
            self.tick = tick;
            if step(self, time) {
                return true;
            }
            if time >= end {
                return false;
            }
        }
    }

    /// Plays for so long.
    pub(crate) fn wait(&mut self, time: Duration) {
        self.play(time, |_, _| false);
    }

    /// Starts counting.
    pub(crate) fn begin_counting(&mut self) {
        for audio in self.callers.iter_mut().filter_map(Caller::audio_mut) {
            audio.count_anew();
        }
        for audio in self.doctors.iter_mut().filter_map(Doctor::audio_mut) {
            audio.count_anew();
        }
        self.tally.pacing = Spread::default();
        self.tally.delay = Spread::default();
        self.tally.lateness = Spread::default();
        self.tally.skipped = 0;
        self.tally.open = true;
    }

    /// Stops counting: what all parties still in a call have heard, how many they are, and the most that one of them lost.
    pub(crate) fn end_counting(&mut self) -> (Heard, usize, u64) {
        self.tally.open = false;
        let callers = self
            .callers
            .iter()
            .filter(|caller| caller.talking_since().is_some())
            .filter_map(Caller::audio);
        let doctors = self
            .doctors
            .iter()
            .filter(|doctor| !doctor.over())
            .filter_map(Doctor::audio);
        let (mut sum, mut parties, mut worst) = (Heard::default(), 0, 0);
        for heard in callers.chain(doctors).map(|audio| audio.heard()) {
            sum.received += heard.received;
            sum.lost += heard.lost;
            sum.marks += heard.marks;
            sum.marks_lost += heard.marks_lost;
            parties += 1;
            worst = worst.max(heard.lost);
        }
        (sum, parties, worst)
    }

    /// Parties in a call that missed a packet since counting began.
    pub(crate) fn lossy(&self) -> usize {
        let callers = self.callers.iter().filter_map(Caller::audio);
        let doctors = self.doctors.iter().filter_map(Doctor::audio);
        callers.chain(doctors).filter(|audio| audio.heard().lost > 0).count()
    }

    /// How the parties stand.
    pub(crate) fn count(&self) -> Count {
        let mut count = Count {
            doctors: self.doctors.iter().filter(|doctor| !doctor.over()).count(),
            ..Count::default()
        };
        for caller in &self.callers {
            count.bridged += usize::from(caller.was_bridged());
            count.talking += usize::from(caller.talking_since().is_some());
            match caller.ending() {
                None => count.open += 1,
                Some(Ending::Refused(503)) => count.busy += 1,
                Some(Ending::Refused(_) | Ending::Unanswered) => count.failed += 1,
                Some(Ending::ByThem) => count.left += 1,
                Some(Ending::ByUs | Ending::Cancelled) => {}
            }
        }
        count
    }

    /// The endings in order of calling.
    pub(crate) fn endings(&self) -> impl Iterator<Item = Option<Ending>> {
        self.callers.iter().map(Caller::ending)
    }

    /// Doctors' telephones that rang, and those that heard a caller.
    pub(crate) fn doctors(&self) -> (usize, usize) {
        (
            self.doctors.len(),
            self.doctors.iter().filter(|doctor| doctor.was_bridged()).count(),
        )
    }

    /// INVITE to 200 OK of every call from the `from`-th on.
    pub(crate) fn answer_times(&self, from: usize) -> Spread {
        let mut spread = Spread::default();
        for time in self.callers.iter().skip(from).filter_map(Caller::answered_after) {
            spread.add(time);
        }
        spread
    }

    /// Calls made so far.
    pub(crate) fn made(&self) -> usize {
        self.callers.len()
    }

    /// When the n-th caller was answered, while it talks.
    pub(crate) fn talking_since(&self, at: usize) -> Option<Nanos> {
        self.callers.get(at)?.talking_since()
    }

    /// Everybody hangs up, so many per second.
    pub(crate) fn hang_up_all(&mut self, per_second: u64, longest: Duration) -> bool {
        let (began, mut next) = (now(), 0usize);
        self.play(longest, |field, time| {
            let due = usize::try_from((time - began) * per_second / (1_000 * MS)).unwrap_or(usize::MAX);
            while next < field.callers.len() && next <= due {
                let Self {
                    callers, callers_wire, ..
                } = &mut *field;
                if let Some(caller) = callers.get_mut(next) {
                    caller.hang_up(time, callers_wire);
                }
                next += 1;
            }
            let count = field.count_open();
            next >= field.callers.len() && count == 0
        })
    }

    /// Callers without an ending and doctors in use.
    pub(crate) fn count_open(&self) -> usize {
        self.callers.iter().filter(|caller| caller.ending().is_none()).count()
            + self.doctors.iter().filter(|doctor| !doctor.over()).count()
    }

    fn seat(&mut self, party: Party, at: usize) {
        if let Some(slot) = self.slots.get_mut(at * 7 % SLOTS as usize) {
            slot.push(party);
        }
    }

    fn serve(&mut self, slot: u64, time: Nanos) {
        let Self {
            callers,
            doctors,
            slots,
            callers_wire,
            doctors_wire,
            voice,
            tally,
            buffer,
            ..
        } = self;
        let Some(slot) = slots.get_mut(slot as usize) else {
            return;
        };
        slot.retain(|party| match *party {
            Party::Caller(at) => callers.get_mut(at).is_some_and(|caller| {
                caller.serve(time, callers_wire, buffer, voice, tally);
                caller.ending().is_none()
            }),
            Party::Doctor(at) => doctors.get_mut(at).is_some_and(|doctor| {
                doctor.serve(time, doctors_wire, buffer, voice, tally);
                !doctor.over()
            }),
        });
    }

    fn read(&mut self, time: Nanos) {
        let mut buffer = std::mem::take(&mut self.buffer);
        for _ in 0..READS {
            let Some(came) = self.callers_wire.receive(&mut buffer) else {
                break;
            };
            if let Some(message) = buffer.get(..came.length).and_then(Message::read) {
                self.for_a_caller(time, came.at, came.from, &message);
            }
        }
        for _ in 0..READS {
            let Some(came) = self.doctors_wire.receive(&mut buffer) else {
                break;
            };
            let Some(raw) = buffer.get(..came.length) else { continue };
            if let Some(message) = Message::read(raw) {
                self.for_a_doctor(time, came.from, &message, raw);
            }
        }
        self.buffer = buffer;
    }

    fn for_a_caller(&mut self, time: Nanos, at: Nanos, from: SocketAddr, message: &Message<'_>) {
        let party = message
            .header("Call-ID")
            .and_then(|id| self.by_call_id.get(id))
            .copied();
        let caller = match party {
            Some(Party::Caller(at)) => self.callers.get_mut(at),
            _ => None,
        };
        let Some(caller) = caller else {
            if message.method().is_some_and(|method| method != "ACK") {
                self.callers_wire
                    .send_to(message.answer("481 Call Does Not Exist", "x", "", "").as_bytes(), from);
            }
            return;
        };
        match message.method() {
            None => caller.answered(time, at, message, &self.callers_wire),
            Some("ACK") => {}
            Some("BYE") => {
                self.callers_wire
                    .send_to(message.answer("200 OK", "x", "", "").as_bytes(), from);
                caller.left_by_them();
            }
            Some(_) => self
                .callers_wire
                .send_to(message.answer("200 OK", "x", "", "").as_bytes(), from),
        }
    }

    fn for_a_doctor(&mut self, time: Nanos, from: SocketAddr, message: &Message<'_>, raw: &[u8]) {
        let Some(call_id) = message.header("Call-ID") else {
            return;
        };
        match (self.by_call_id.get(call_id).copied(), message.method()) {
            (Some(Party::Doctor(at)), method) => {
                let Some(doctor) = self.doctors.get_mut(at) else { return };
                if method.is_none() {
                    return doctor.answered(message);
                }
                if doctor.asked(time, message, &self.doctors_wire) {
                    let body = if method == Some("INVITE") {
                        doctor.description()
                    } else {
                        String::new()
                    };
                    let kind = if body.is_empty() {
                        ""
                    } else {
                        "Content-Type: application/sdp\r\n"
                    };
                    let extra = format!("Contact: <sip:doctor@{}>\r\n{kind}", self.doctors_at);
                    self.doctors_wire
                        .send_to(message.answer("200 OK", doctor.tag(), &extra, &body).as_bytes(), from);
                }
            }
            (None, Some("INVITE")) => {
                let at = self.doctors.len();
                let id = u32::try_from(at).unwrap_or(u32::MAX);
                let manner = (self.manner)(id);
                let Ok(doctor) = Doctor::ring(
                    id,
                    manner,
                    time,
                    message,
                    raw,
                    from,
                    self.doctors_at,
                    &self.doctors_wire,
                ) else {
                    return;
                };
                self.by_call_id.insert(call_id.to_owned(), Party::Doctor(at));
                self.doctors.push(doctor);
                self.seat(Party::Doctor(at), at + 3);
            }
            (None, Some(method)) if method != "ACK" => {
                let status = if method == "OPTIONS" {
                    "200 OK"
                } else {
                    "481 Call Does Not Exist"
                };
                self.doctors_wire
                    .send_to(message.answer(status, "x", "", "").as_bytes(), from);
            }
            _ => {}
        }
    }
}
