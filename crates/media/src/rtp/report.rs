//! RTCP (RFC 3550 §6): every five seconds or so what we sent and how we hear the other, and the same read from them.
//! Packets are built and read by `rtc-rtcp`; this file decides what goes in and what is believed.
//!
//! We have no wall clock: sender reports carry the time since the leg began, as §6.4.1 allows.

use super::reception::ReportBlock;
use rtc_shared::marshal::{Marshal, Unmarshal};
use rtcp::receiver_report::ReceiverReport;
use rtcp::reception_report::ReceptionReport;
use rtcp::sender_report::SenderReport;
use rtcp::source_description::{SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem};
use std::time::{Duration, Instant};

/// The interval around which reports go out (RFC 3550 §6.2).
pub const INTERVAL: Duration = Duration::from_secs(5);

/// Most packets read from one compound packet.
pub const COMPOUND_PACKETS_MAX: usize = 16;

/// Reports of one leg: when the next is due, what it says, what theirs said.
#[derive(Debug)]
pub struct Reporter {
    cname: [u8; 16],
    epoch: Instant,
    due: Instant,
    /// Spreads the intervals (§6.2); seeded by our SSRC, which was drawn at random.
    spread: u32,
    packets_before: u32,
    /// The middle of the last sender report's NTP time, and when it came (§6.4.1 LSR, DLSR).
    their_report: Option<(u32, Instant)>,
    /// What they say of our stream.
    heard: Option<TheirView>,
}

/// What the other side reports of what we send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TheirView {
    /// Lost since their last report, 0–1.
    pub fraction_lost: f32,
    /// Lost in all.
    pub total_lost: u32,
    /// Their jitter.
    pub jitter_ms: f32,
    /// Round trip by LSR and DLSR, once a report of ours was answered.
    pub round_trip_ms: Option<f32>,
}

/// What of our sending a sender report tells.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Our SSRC.
    pub ssrc: u32,
    /// The timestamp that belongs to `now`.
    pub timestamp: u32,
    /// Packets so far.
    pub packets: u32,
    /// Payload octets so far.
    pub octets: u32,
}

impl Reporter {
    /// The first report is due half an interval from `now` (§6.2).
    pub fn new(now: Instant, ssrc: u32, cname: [u8; 16]) -> Self {
        Self {
            cname,
            epoch: now,
            due: now + INTERVAL / 2,
            spread: ssrc,
            packets_before: 0,
            their_report: None,
            heard: None,
        }
    }

    /// What the other side last said of us.
    pub fn their_view(&self) -> Option<TheirView> {
        self.heard
    }

    /// Whether a report is due.
    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.due
    }

    /// Writes the report that is due: SR when we sent since the last, else RR (§6.4), with SDES CNAME (§6.1).
    pub fn write(&mut self, now: Instant, sent: Sent, block: Option<ReportBlock>, out: &mut [u8]) -> usize {
        self.spread = self.spread.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // §6.3.1: between half and one and a half intervals.
        self.due = now + INTERVAL / 2 + INTERVAL * (self.spread >> 16) / 65_536;
        let reports = block
            .map(|block| self.reception_report(now, block))
            .into_iter()
            .collect();
        let is_sender = sent.packets != self.packets_before;
        self.packets_before = sent.packets;
        let first = if is_sender {
            let report = SenderReport {
                ssrc: sent.ssrc,
                ntp_time: self.ntp(now),
                rtp_time: sent.timestamp,
                packet_count: sent.packets,
                octet_count: sent.octets,
                reports,
                ..Default::default()
            };
            report.marshal_to(&mut *out)
        } else {
            ReceiverReport {
                ssrc: sent.ssrc,
                reports,
                ..Default::default()
            }
            .marshal_to(&mut *out)
        };
        let Ok(first) = first else { return 0 };
        self.describe(first, sent.ssrc, out)
    }

    /// Writes the last words of a leg: an empty report, SDES, BYE (§6.6).
    pub fn write_bye(&self, ssrc: u32, out: &mut [u8]) -> usize {
        let Ok(first) = (ReceiverReport {
            ssrc,
            ..Default::default()
        })
        .marshal_to(&mut *out) else {
            return 0;
        };
        let described = self.describe(first, ssrc, out);
        if described == 0 {
            return 0;
        }
        // By hand: rtc-rtcp would pad it with an empty reason.
        let [a, b, c, d] = ssrc.to_be_bytes();
        let Some(goodbye) = out.get_mut(described..).and_then(|rest| rest.first_chunk_mut::<8>()) else {
            return 0;
        };
        *goodbye = [0x81, GOODBYE, 0, 1, a, b, c, d];
        described + goodbye.len()
    }

    /// Reads what the peer sent; false when it is no RTCP we can believe (§A.2). Believed reports about others do
    /// nothing.
    pub fn read(&mut self, now: Instant, our_ssrc: u32, packet: &[u8]) -> bool {
        let mut rest = packet;
        let mut read = 0;
        while let Some((one, after)) = split(rest) {
            let [_, kind, ..] = *one else { return false };
            // A compound packet begins with a report; reduced-size packets (RFC 5506) we never agreed to.
            if read == 0 && !matches!(kind, SENDER_REPORT | RECEIVER_REPORT) {
                return false;
            }
            read += 1;
            if read > COMPOUND_PACKETS_MAX {
                return false;
            }
            let mut bytes = one;
            match kind {
                SENDER_REPORT => {
                    let Ok(report) = SenderReport::unmarshal(&mut bytes) else {
                        return false;
                    };
                    self.their_report = Some(((report.ntp_time >> 16) as u32, now));
                    self.note(now, our_ssrc, &report.reports);
                }
                RECEIVER_REPORT => {
                    let Ok(report) = ReceiverReport::unmarshal(&mut bytes) else {
                        return false;
                    };
                    self.note(now, our_ssrc, &report.reports);
                }
                // SDES names nobody we care to know; BYE ends nothing: the call ends by SIP (controls.md §2 row 37).
                _ => {}
            }
            rest = after;
        }
        read > 0 && rest.is_empty()
    }

    fn note(&mut self, now: Instant, our_ssrc: u32, reports: &[ReceptionReport]) {
        let Some(block) = reports.iter().find(|block| block.ssrc == our_ssrc) else {
            return;
        };
        let round_trip_ms = (block.last_sender_report != 0)
            .then(|| {
                // §6.4.1: A - LSR - DLSR, in 1/65536 s, modulo 2³².
                let middle = (self.ntp(now) >> 16) as u32;
                middle.wrapping_sub(block.last_sender_report).wrapping_sub(block.delay)
            })
            // A clock that disagrees makes it wrap; nobody's round trip is a minute.
            .filter(|units| *units < 60 << 16)
            .map(|units| units as f32 * 1000.0 / 65_536.0);
        self.heard = Some(TheirView {
            fraction_lost: f32::from(block.fraction_lost) / 256.0,
            total_lost: block.total_lost,
            jitter_ms: block.jitter as f32 / 8.0,
            round_trip_ms: round_trip_ms.or(self.heard.and_then(|before| before.round_trip_ms)),
        });
    }

    fn reception_report(&self, now: Instant, block: ReportBlock) -> ReceptionReport {
        let (last_sender_report, delay) = self.their_report.map_or((0, 0), |(middle, at)| {
            let waited = now.saturating_duration_since(at);
            (middle, (waited.as_micros() * 65_536 / 1_000_000) as u32)
        });
        ReceptionReport {
            ssrc: block.ssrc,
            fraction_lost: block.fraction_lost,
            total_lost: block.total_lost,
            last_sequence_number: block.highest_sequence,
            jitter: block.jitter,
            last_sender_report,
            delay,
        }
    }

    /// 32.32 seconds since the leg began, plus one: a middle of zero would mean "no report yet".
    fn ntp(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.epoch);
        let fraction = (u64::from(elapsed.subsec_nanos()) << 32) / 1_000_000_000;
        ((elapsed.as_secs() + 1) << 32) | fraction
    }

    /// Appends SDES. RFC 7022 §4.2: a random CNAME for this leg alone; it tells nothing and links nothing.
    fn describe(&self, length: usize, ssrc: u32, out: &mut [u8]) -> usize {
        let text: Vec<u8> = self
            .cname
            .iter()
            .flat_map(|byte| [hex(byte >> 4), hex(byte & 0x0F)])
            .collect();
        let item = SourceDescriptionItem {
            sdes_type: SdesType::SdesCname,
            text: text.into(),
        };
        let description = SourceDescription {
            chunks: vec![SourceDescriptionChunk {
                source: ssrc,
                items: vec![item],
            }],
        };
        let written = out.get_mut(length..).and_then(|rest| description.marshal_to(rest).ok());
        written.map_or(0, |written| length + written)
    }
}

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const GOODBYE: u8 = 203;

/// The first packet of a compound one, by its length field; `None` at the end or when the length lies.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let [flags, _, l0, l1, ..] = *bytes else { return None };
    if flags >> 6 != 2 {
        return None;
    }
    bytes.split_at_checked(4 * (usize::from(u16::from_be_bytes([l0, l1])) + 1))
}

fn hex(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests need one instant to count from")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sent(packets: u32) -> Sent {
        Sent {
            ssrc: 0xAAAA,
            timestamp: 1600,
            packets,
            octets: packets * 160,
        }
    }

    fn block(ssrc: u32) -> ReportBlock {
        ReportBlock {
            ssrc,
            fraction_lost: 64,
            total_lost: 5,
            highest_sequence: 70_000,
            jitter: 80,
        }
    }

    #[test]
    fn two_reporters_measure_each_other() {
        let start = Instant::now();
        let ms = Duration::from_millis;
        let (mut a, mut b) = (
            Reporter::new(start, 0xAAAA, [1; 16]),
            Reporter::new(start, 0xBBBB, [2; 16]),
        );
        let mut out = [0; 256];
        assert!(!a.is_due(start));
        assert!(a.is_due(start + INTERVAL / 2));

        let length = a.write(start + ms(3000), sent(150), None, &mut out);
        assert_eq!(out[1], SENDER_REPORT);
        assert!(b.read(start + ms(3030), 0xBBBB, &out[..length]));
        assert_eq!(b.their_view(), None, "it said nothing of us");

        let length = b.write(
            start + ms(4030),
            Sent {
                ssrc: 0xBBBB,
                ..sent(0)
            },
            Some(block(0xAAAA)),
            &mut out,
        );
        assert_eq!(out[1], RECEIVER_REPORT, "b sent no audio");
        assert!(a.read(start + ms(4060), 0xAAAA, &out[..length]));
        let view = a.their_view().expect("b heard us");
        assert_eq!((view.fraction_lost, view.total_lost, view.jitter_ms), (0.25, 5, 10.0));
        let round_trip = view.round_trip_ms.expect("b answered our report");
        assert!((59.0..61.0).contains(&round_trip), "{round_trip}");
    }

    #[test]
    fn intervals_spread_and_bye_is_compound() {
        let mut now = Instant::now();
        let mut reporter = Reporter::new(now, 5, [0xAB; 16]);
        let mut out = [0; 256];
        for n in 0..50 {
            assert!(reporter.write(now, sent(n), Some(block(1)), &mut out) > 0);
            let wait = reporter.due - now;
            assert!((INTERVAL / 2..=INTERVAL * 3 / 2).contains(&wait), "{wait:?}");
            now = reporter.due;
        }
        let length = reporter.write_bye(0xAAAA, &mut out);
        let mut listener = Reporter::new(now, 1, [0; 16]);
        assert!(listener.read(now, 1, &out[..length]));
        assert_eq!(out[length - 8..length], [0x81, 203, 0, 1, 0, 0, 0xAA, 0xAA]);
        assert_eq!(reporter.write_bye(1, &mut [0; 20]), 0, "no room, nothing written");
    }

    #[test]
    fn what_is_no_compound_report_is_refused() {
        let now = Instant::now();
        let mut reporter = Reporter::new(now, 5, [0; 16]);
        for bytes in [
            &[][..],
            &[0x80][..],
            &[0x80, 200, 0, 1, 0, 0, 0, 0][..],    // SR too short
            &[0x81, 203, 0, 1, 0, 0, 0, 5][..],    // BYE alone: would be a stranger's way to end a call
            &[0x80, 201, 0, 9, 0, 0, 0, 0][..],    // length beyond the packet
            &[0x40, 201, 0, 1, 0, 0, 0, 0][..],    // version 1
            &[0x80, 201, 0, 1, 0, 0, 0, 0, 9][..], // a byte too many
        ] {
            assert!(!reporter.read(now, 5, bytes), "{bytes:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 200..204_u8, lie in any::<bool>()) {
            if bytes.len() >= 4 && !lie {
                bytes[0] = 0x80 | (bytes[0] & 0x3F);
                bytes[1] = kind;
                let words = (bytes.len() / 4 - 1) as u16;
                bytes[2..4].copy_from_slice(&words.to_be_bytes());
                bytes.truncate(bytes.len() / 4 * 4);
            }
            let now = Instant::now();
            let mut reporter = Reporter::new(now, 5, [0; 16]);
            reporter.read(now, 5, &bytes);
        }
    }
}
