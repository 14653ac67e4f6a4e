//! One party's audio: G.711 frames at 20 ms by the clock, keys by RFC 4733, and what was heard.
//!
//! Every spoken frame carries a mark in its first octets (any octet is a legal G.711 sample): a magic word, a number and
//! the time of sending. What comes out at the other end of a bridge tells by itself how long it took and what is missing.

use std::collections::VecDeque;
use std::net::SocketAddr;

use super::spread::Spread;
use super::wire::{MS, Nanos, Wire, now as now_in_kernel_time};

/// A frame.
pub(crate) const FRAME: Nanos = 20 * MS;

const MAGIC: [u8; 8] = *b"\x9dnightdk";
const SAMPLES: u32 = 160;

/// Octets the kernel keeps for one party, as a telephone would.
const ROOM: usize = 64 * 1024;

/// A silent party sends one packet this often, so that it is not taken for dead (a peer may hang up after 30 s).
const ALIVE_EVERY: Nanos = 10_000 * MS;

/// Frames a key lasts, and how often its end is said (RFC 4733 §2.5.1.4).
const KEY_FRAMES: u16 = 5;
const KEY_ENDS: u16 = 3;

/// Frames between two keys.
const KEY_GAP: u16 = 4;

/// What all parties together measure while [`Tally::open`].
#[derive(Default)]
pub(crate) struct Tally {
    /// Whether anything is counted.
    pub(crate) open: bool,
    /// How far the time between two packets in a row was from what it should be: 20 ms, and for what the server relays the
    /// time between their sending, for it passes on at once what this program may have sent late.
    pub(crate) pacing: Spread,
    /// One way through a bridge.
    pub(crate) delay: Spread,
    /// From the 200 OK to the first packet; always counted.
    pub(crate) first_packet: Spread,
    /// Frames this program should have sent and was too late for; always counted.
    pub(crate) skipped: u64,
    /// How late this program served its frames while open: when it is late, so are its figures.
    pub(crate) lateness: Spread,
}

/// What one party heard since counting began.
#[derive(Clone, Copy, Default)]
pub(crate) struct Heard {
    /// Packets.
    pub(crate) received: u64,
    /// Numbers missing in their row.
    pub(crate) lost: u64,
    /// Marks of another party.
    pub(crate) marks: u64,
    /// Marks missing in their row.
    pub(crate) marks_lost: u64,
}

/// A party's ear and mouth.
pub(crate) struct Audio {
    wire: Wire,
    port: u16,
    mouth: Option<Mouth>,
    /// When the party's 200 OK was there, until its first packet is.
    answered: Option<Nanos>,
    heard: Heard,
    expected: Option<u16>,
    /// The packet before: when it came, and when its mark left.
    last: Option<(Nanos, Option<Nanos>)>,
    mark_expected: Option<u32>,
    /// Whether marks are in the air: the party is bridged.
    pub(crate) bridged: bool,
}

/// What sends.
struct Mouth {
    speaks: bool,
    event: u8,
    ssrc: u32,
    sequence: u16,
    /// Half a frame before the first visit: visits a little early or late still find their own frame.
    began: Option<Nanos>,
    /// The next frame.
    frame: u64,
    keys: VecDeque<u8>,
    key: Option<Key>,
    mark: u32,
    alive_at: Nanos,
}

struct Key {
    code: u8,
    timestamp: u32,
    step: u16,
}

impl Audio {
    /// Binds a socket.
    pub(crate) fn bind() -> std::io::Result<Self> {
        let wire = Wire::bind(0, ROOM)?;
        let port = wire.port()?;
        Ok(Self {
            wire,
            port,
            mouth: None,
            answered: None,
            heard: Heard::default(),
            expected: None,
            last: None,
            mark_expected: None,
            bridged: false,
        })
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The other side is known: speech, or silence, begins.
    pub(crate) fn begin(
        &mut self,
        now: Nanos,
        answered: Nanos,
        to: SocketAddr,
        event: u8,
        speaks: bool,
        id: u32,
    ) -> std::io::Result<()> {
        self.wire.connect(to)?;
        self.answered = Some(answered);
        let sequence = u16::try_from(id.wrapping_mul(2_654_435_761) >> 17).unwrap_or(0);
        self.mouth = Some(Mouth {
            speaks,
            event,
            ssrc: 0x5eed_0000 ^ id.wrapping_mul(0x9e37_79b1),
            sequence,
            began: None,
            frame: 0,
            keys: VecDeque::new(),
            key: None,
            mark: 0,
            alive_at: now,
        });
        Ok(())
    }

    /// Presses a key after those before it.
    pub(crate) fn press(&mut self, key: char) {
        let code = match key {
            '0'..='9' => key as u8 - b'0',
            '*' => 10,
            '#' => 11,
            _ => return,
        };
        if let Some(mouth) = &mut self.mouth {
            mouth.keys.push_back(code);
        }
    }

    /// What was heard since [`Self::count_anew`].
    pub(crate) fn heard(&self) -> Heard {
        self.heard
    }

    /// Counts from here.
    pub(crate) fn count_anew(&mut self) {
        self.heard = Heard::default();
        self.last = None;
    }

    /// Once per frame: hear what came, say what is due.
    pub(crate) fn serve(&mut self, now: Nanos, buffer: &mut [u8], voice: &Voice, tally: &mut Tally) {
        while let Some(came) = self.wire.receive(buffer) {
            if let Some(packet) = buffer.get(..came.length) {
                self.hear(packet, came.at, tally);
            }
        }
        if let Some(mouth) = &mut self.mouth {
            mouth.serve(now, &self.wire, voice, tally);
        }
    }

    fn hear(&mut self, packet: &[u8], at: Nanos, tally: &mut Tally) {
        let Some(&[0x80, kind, high, low, ..]) = packet.get(..12) else {
            return;
        };
        if let Some(answered) = self.answered.take() {
            tally.first_packet.add(at.saturating_sub(answered));
        }
        let sequence = u16::from_be_bytes([high, low]);
        let ahead = self
            .expected
            .map_or(0, |expected| sequence.wrapping_sub(expected) as i16);
        let mark = packet.get(12..).filter(|_| kind & 0x7f == 0).and_then(mark_of);
        if tally.open {
            self.heard.received += 1;
            if let Ok(gap) = u64::try_from(ahead) {
                self.heard.lost += gap;
            } else {
                // It had been counted as lost.
                self.heard.lost = self.heard.lost.saturating_sub(1);
            }
            if let (0, Some((last, sent_before))) = (ahead, self.last) {
                let should = match (sent_before, mark) {
                    (Some(before), Some((_, sent))) => sent.saturating_sub(before),
                    _ => FRAME,
                };
                tally.pacing.add(at.saturating_sub(last).abs_diff(should));
            }
            self.last = Some((at, mark.map(|(_, sent)| sent)));
        }
        if ahead >= 0 {
            self.expected = Some(sequence.wrapping_add(1));
        }
        let Some((number, sent)) = mark else { return };
        self.bridged = true;
        if tally.open {
            tally.delay.add(at.saturating_sub(sent));
            self.heard.marks += 1;
            let missing = self
                .mark_expected
                .map_or(0, |expected| number.wrapping_sub(expected) as i32);
            self.heard.marks_lost += u64::try_from(missing).unwrap_or(0);
        }
        self.mark_expected = Some(number.wrapping_add(1));
    }
}

/// Another party's mark in a payload: its number, and when it left.
fn mark_of(payload: &[u8]) -> Option<(u32, Nanos)> {
    let (&magic, rest) = payload.split_first_chunk::<8>()?;
    let (&number, rest) = rest.split_first_chunk::<4>()?;
    let (&sent, _) = rest.split_first_chunk::<8>()?;
    (magic == MAGIC).then(|| (u32::from_be_bytes(number), u64::from_be_bytes(sent)))
}

impl Mouth {
    fn serve(&mut self, now: Nanos, wire: &Wire, voice: &Voice, tally: &mut Tally) {
        // The clock decides which frame is due; a late visit skips frames rather than send them in a burst.
        let began = *self.began.get_or_insert(now.saturating_sub(FRAME / 2));
        let due = now.saturating_sub(began) / FRAME;
        if due < self.frame {
            return;
        }
        if tally.open {
            tally
                .lateness
                .add(now.saturating_sub(began + FRAME / 2 + self.frame * FRAME));
        }
        if self.speaks {
            tally.skipped += due - self.frame;
        }
        self.frame = due + 1;
        let timestamp = (due as u32).wrapping_mul(SAMPLES);
        if self.key.is_none() {
            self.key = self.keys.pop_front().map(|code| Key {
                code,
                timestamp,
                step: 0,
            });
        }
        let mut packet = [0u8; 172];
        let length = match self.key.take() {
            Some(key) => self.key_packet(&mut packet, key),
            None if self.speaks || now >= self.alive_at => {
                self.alive_at = now + ALIVE_EVERY;
                self.voice_packet(&mut packet, timestamp, voice)
            }
            None => 0,
        };
        if let (Some(packet), true) = (packet.get(..length), length > 0) {
            wire.send(packet);
            self.sequence = self.sequence.wrapping_add(1);
        }
    }

    fn header(&self, packet: &mut [u8; 172], kind: u8, timestamp: u32) {
        let [a, b] = self.sequence.to_be_bytes();
        let [c, d, e, f] = timestamp.to_be_bytes();
        let [g, h, i, j] = self.ssrc.to_be_bytes();
        if let Some(head) = packet.first_chunk_mut::<12>() {
            *head = [0x80, kind, a, b, c, d, e, f, g, h, i, j];
        }
    }

    fn voice_packet(&mut self, packet: &mut [u8; 172], timestamp: u32, voice: &Voice) -> usize {
        self.header(packet, 0, timestamp);
        let (_, payload) = packet.split_at_mut(12);
        payload.copy_from_slice(voice.frame(self.mark));
        if self.speaks {
            let mut mark = [0u8; 20];
            let (magic, rest) = mark.split_at_mut(8);
            magic.copy_from_slice(&MAGIC);
            let (number, time) = rest.split_at_mut(4);
            number.copy_from_slice(&self.mark.to_be_bytes());
            // Now, and not when this millisecond began: the delay is counted from here.
            time.copy_from_slice(&now_in_kernel_time().to_be_bytes());
            if let Some(place) = payload.first_chunk_mut::<20>() {
                *place = mark;
            }
        }
        self.mark = self.mark.wrapping_add(1);
        172
    }

    /// RFC 4733 §2.3: the timestamp is that of the key's beginning, the duration grows, the end is said three times.
    fn key_packet(&mut self, packet: &mut [u8; 172], key: Key) -> usize {
        if key.step >= KEY_FRAMES + KEY_ENDS {
            let over = key.step + 1 >= KEY_FRAMES + KEY_ENDS + KEY_GAP;
            self.key = (!over).then_some(Key {
                step: key.step + 1,
                ..key
            });
            return 0;
        }
        let marker = if key.step == 0 { 0x80 } else { 0 };
        self.header(packet, marker | self.event, key.timestamp);
        let ended = key.step >= KEY_FRAMES;
        let frames = (key.step + 1).min(KEY_FRAMES);
        let [high, low] = (frames * SAMPLES as u16).to_be_bytes();
        let flags = if ended { 0x80 | 10 } else { 10 };
        let (_, payload) = packet.split_at_mut(12);
        if let Some(event) = payload.first_chunk_mut::<4>() {
            *event = [key.code, flags, high, low];
        }
        self.key = Some(Key {
            step: key.step + 1,
            ..key
        });
        16
    }
}

/// One second of something like a voice, in G.711 µ-law: three tones that swell four times a second.
pub(crate) struct Voice {
    octets: Vec<u8>,
}

impl Voice {
    /// Makes it.
    pub(crate) fn new() -> Self {
        let octets = (0..8_000u32)
            .map(|at| {
                let t = f64::from(at) / 8_000.0;
                let tone = |hertz: f64| (t * hertz * std::f64::consts::TAU).sin();
                let swell = 0.55 + 0.45 * tone(4.0);
                mu_law((swell * (tone(220.0) + 0.6 * tone(640.0) + 0.3 * tone(2_300.0)) * 5_000.0) as i32)
            })
            .collect();
        Self { octets }
    }

    fn frame(&self, number: u32) -> &[u8] {
        self.octets
            .chunks_exact(SAMPLES as usize)
            .nth(number as usize % 50)
            .unwrap_or(&[0xff; SAMPLES as usize])
    }
}

/// ITU-T G.711 §3: the logarithmic step of a 16-bit sample.
fn mu_law(sample: i32) -> u8 {
    let sign = if sample < 0 { 0x80u8 } else { 0 };
    let magnitude = (sample.abs().min(32_635) + 132) as u32;
    let exponent = 31 - magnitude.leading_zeros() - 7;
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    !(sign | ((exponent as u8) << 4) | mantissa as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Audio, Audio) {
        let (mut a, mut b) = (Audio::bind().unwrap(), Audio::bind().unwrap());
        let to = |audio: &Audio| SocketAddr::from(([127, 0, 0, 1], audio.port()));
        let (to_a, to_b) = (to(&a), to(&b));
        let now = super::super::wire::now();
        a.begin(now, now, to_b, 101, true, 1).unwrap();
        b.begin(now, now, to_a, 101, true, 2).unwrap();
        (a, b)
    }

    #[test]
    fn marks_tell_what_is_missing() {
        let (mut a, mut b) = pair();
        let (voice, mut tally, mut buffer) = (
            Voice::new(),
            Tally {
                open: true,
                ..Tally::default()
            },
            [0; 2048],
        );
        let start = super::super::wire::now();
        // Frame 3 is never served: the mouth skips it, and numbers go on without a gap.
        for frame in [0, 1, 2, 4, 5] {
            a.serve(start + frame * FRAME + MS, &mut buffer, &voice, &mut tally);
        }
        b.serve(start, &mut buffer, &voice, &mut tally);
        assert!(b.bridged);
        assert_eq!(
            (
                b.heard().received,
                b.heard().lost,
                b.heard().marks,
                b.heard().marks_lost
            ),
            (5, 0, 5, 0)
        );
        assert_eq!(tally.skipped, 1);
        // A packet lost on the way is missing in both rows.
        if let Some(mouth) = &mut a.mouth {
            mouth.sequence = mouth.sequence.wrapping_add(1);
            mouth.mark += 1;
        }
        a.serve(start + 6 * FRAME + MS, &mut buffer, &voice, &mut tally);
        b.serve(start + 6 * FRAME, &mut buffer, &voice, &mut tally);
        assert_eq!((b.heard().lost, b.heard().marks_lost), (1, 1));
    }

    #[test]
    fn a_key_is_eight_packets_with_one_timestamp() {
        let (mut a, b) = pair();
        let (voice, mut tally, mut buffer) = (Voice::new(), Tally::default(), [0; 2048]);
        let start = super::super::wire::now();
        a.press('#');
        let mut seen = Vec::new();
        for frame in 0..14 {
            a.serve(start + frame * FRAME + MS, &mut buffer, &voice, &mut tally);
            while let Some(came) = b.wire.receive(&mut buffer) {
                seen.push(buffer[..came.length].to_vec());
            }
        }
        let keys: Vec<_> = seen.iter().filter(|packet| packet.len() == 16).collect();
        assert_eq!(keys.len(), 8);
        assert!(
            keys.iter()
                .all(|packet| packet[4..8] == keys[0][4..8] && packet[12] == 11)
        );
        assert_eq!(keys.iter().filter(|packet| packet[13] & 0x80 != 0).count(), 3);
        assert_eq!(keys[0][1], 0x80 | 101);
        assert_eq!(u16::from_be_bytes([keys[7][14], keys[7][15]]), 800);
        // Then speech again, after a gap.
        assert_eq!(seen.last().unwrap().len(), 172);
    }

    #[test]
    fn silence_is_the_octet_ff_and_loud_is_near_the_ends() {
        assert_eq!(mu_law(0), 0xff);
        assert_eq!(mu_law(32_767), 0x80);
        assert_eq!(mu_law(-32_768), 0x00);
    }
}
