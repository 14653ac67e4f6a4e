//! RTP (RFC 3550, profile RFC 3551): reading a packet without copying it, writing one without allocating, who may send
//! it, and what its arrival says about the network.

pub mod peer;
pub mod reception;
pub mod report;

use rtc_shared::marshal::Marshal;
use std::ops::Range;

/// The fixed part of an RTP header.
pub const HEADER_BYTES: usize = 12;

/// Longest packet read: an Ethernet frame's worth. G.711 at 60 ms needs 492.
pub const PACKET_BYTES_MAX: usize = 1500;

/// RFC 3389: comfort noise has static payload type 13.
pub const COMFORT_NOISE: u8 = 13;

/// The header of a received packet, and where its payload lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The first packet of a talkspurt, or of an event.
    pub marker: bool,
    /// What the payload is.
    pub payload_type: u8,
    /// Counts packets.
    pub sequence: u16,
    /// Counts samples.
    pub timestamp: u32,
    /// Who sent it.
    pub ssrc: u32,
    /// Where the payload lies in the packet: after CSRCs and extension, before padding.
    pub payload: Range<usize>,
}

impl Packet {
    /// Reads a packet; `None` when RFC 3550 §A.1 would not believe it.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        if packet.len() > PACKET_BYTES_MAX {
            return None;
        }
        let (header, rest) = packet.split_first_chunk::<HEADER_BYTES>()?;
        let [flags, kind, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3] = *header;
        if flags >> 6 != 2 {
            return None;
        }
        let mut start = HEADER_BYTES + 4 * usize::from(flags & 0x0F);
        if flags & 0x10 != 0 {
            // §5.3.1: sixteen bits of the profile's own, then the length in 32-bit words. We use no extension.
            let (head, _) = packet.get(start..)?.split_first_chunk::<4>()?;
            let [_, _, l0, l1] = *head;
            start += 4 + 4 * usize::from(u16::from_be_bytes([l0, l1]));
        }
        let mut end = HEADER_BYTES + rest.len();
        if flags & 0x20 != 0 {
            // §5.1: the last octet counts the padding, itself included; zero would be nonsense.
            let padding = usize::from(*packet.last()?);
            if padding == 0 {
                return None;
            }
            end = end.checked_sub(padding)?;
        }
        if start > end {
            return None;
        }
        Some(Self {
            marker: kind & 0x80 != 0,
            payload_type: kind & 0x7F,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
            payload: start..end,
        })
    }
}

/// The payload type of what may be an RTP packet; it stands in the clear even where the packet is encrypted.
pub fn payload_type(packet: &[u8]) -> Option<u8> {
    match packet {
        [flags, kind, ..] if flags >> 6 == 2 && (HEADER_BYTES..=PACKET_BYTES_MAX).contains(&packet.len()) => {
            Some(kind & 0x7F)
        }
        _ => None,
    }
}

/// RFC 5761 §4: on a shared port, a second octet of 192–223 is RTCP; no RTP payload type of ours looks like it.
pub fn looks_like_rtcp(packet: &[u8]) -> bool {
    matches!(packet, [flags, 192..=223, ..] if flags >> 6 == 2)
}

/// Writes our packets: one SSRC, counted sequence numbers, `rtc-rtp`'s header.
#[derive(Debug)]
pub struct Writer {
    header: rtp::header::Header,
    packets: u32,
    octets: u32,
}

impl Writer {
    /// RFC 3550 §5.1: sequence and timestamp should start at random; the caller draws them.
    pub fn new(ssrc: u32, sequence: u16) -> Self {
        // CSRC list and extensions stay empty `Vec`s, which own no memory: writing a header allocates nothing.
        let header = rtp::header::Header {
            version: 2,
            ssrc,
            sequence_number: sequence,
            ..Default::default()
        };
        Self {
            header,
            packets: 0,
            octets: 0,
        }
    }

    /// Our SSRC.
    pub fn ssrc(&self) -> u32 {
        self.header.ssrc
    }

    /// Packets sent (RFC 3550 §6.4.1).
    pub fn packets(&self) -> u32 {
        self.packets
    }

    /// Payload octets sent (RFC 3550 §6.4.1).
    pub fn octets(&self) -> u32 {
        self.octets
    }

    /// Another stream from here on, with an SSRC of its own: a new key is never used for an old one.
    pub fn begin_anew(&mut self) {
        // The old one was drawn at random; a step of a full-period generator never leads back to it.
        self.header.ssrc = self.header.ssrc.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    }

    /// The sequence number the next packet gets.
    pub fn next_sequence(&self) -> u16 {
        self.header.sequence_number
    }

    /// Leaves a hole in our sequence numbers up to `sequence`, because a relayed stream has one there.
    pub fn skip_to(&mut self, sequence: u16) {
        self.header.sequence_number = sequence;
    }

    /// Writes a packet with the next sequence number; returns its length, 0 when it does not fit.
    pub fn write(&mut self, payload_type: u8, marker: bool, timestamp: u32, payload: &[u8], out: &mut [u8]) -> usize {
        let sequence = self.header.sequence_number;
        let written = self.write_numbered(payload_type, marker, sequence, timestamp, payload, out);
        if written > 0 {
            self.header.sequence_number = sequence.wrapping_add(1);
        }
        written
    }

    /// Writes a packet with a number from the past: a relayed packet that was overtaken.
    pub fn write_numbered(
        &mut self,
        payload_type: u8,
        marker: bool,
        sequence: u16,
        timestamp: u32,
        payload: &[u8],
        out: &mut [u8],
    ) -> usize {
        let Some((head, body)) = out.split_at_mut_checked(HEADER_BYTES) else {
            return 0;
        };
        let Some(body) = body.get_mut(..payload.len()) else {
            return 0;
        };
        let next = std::mem::replace(&mut self.header.sequence_number, sequence);
        self.header.marker = marker;
        self.header.payload_type = payload_type;
        self.header.timestamp = timestamp;
        let marshalled = self.header.marshal_to(head);
        self.header.sequence_number = next;
        if marshalled.is_err() {
            return 0;
        }
        body.copy_from_slice(payload);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload.len() as u32);
        HEADER_BYTES + payload.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rtc_shared::marshal::Unmarshal;

    #[test]
    fn a_packet_with_everything_is_read_around() {
        // CSRC 1, extension of one word, padding of 4: payload "ab".
        let packet = [
            0xB1, 0x80, 0, 7, 0, 0, 0, 160, 1, 2, 3, 4, 9, 9, 9, 9, 0xBE, 0xDE, 0, 1, 5, 5, 5, 5, b'a', b'b', 0, 0, 0,
            4,
        ];
        let read = Packet::parse(&packet).expect("well formed");
        assert_eq!(packet.get(read.payload.clone()), Some(&b"ab"[..]));
        assert_eq!(
            (read.marker, read.payload_type, read.sequence, read.timestamp),
            (true, 0, 7, 160)
        );
    }

    #[test]
    fn padding_that_reaches_into_the_header_is_refused() {
        let mut packet = [0_u8; 14];
        packet[0] = 0xA0;
        packet[13] = 3;
        assert_eq!(Packet::parse(&packet), None);
        packet[13] = 0;
        assert_eq!(Packet::parse(&packet), None);
        packet[13] = 2;
        assert_eq!(Packet::parse(&packet).map(|read| read.payload), Some(12..12));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Some(read) = Packet::parse(&bytes) {
                prop_assert!(bytes.get(read.payload).is_some());
            }
            looks_like_rtcp(&bytes);
        }

        /// Where rtc-rtp and we both take a packet, we read the same. It parses extensions we skip and refuses broken
        /// ones, and takes other versions than 2; those are the only differences.
        #[test]
        fn agrees_with_rtc_rtp(mut bytes in prop::collection::vec(any::<u8>(), 12..120), flags in any::<u8>()) {
            bytes[0] = 0x80 | (flags & 0x2F);
            let ours = Packet::parse(&bytes);
            let theirs = rtp::header::Header::unmarshal(&mut bytes.as_slice());
            match (ours, theirs) {
                (Some(ours), Ok(theirs)) => {
                    prop_assert_eq!(ours.marker, theirs.marker);
                    prop_assert_eq!(ours.payload_type, theirs.payload_type);
                    prop_assert_eq!(ours.sequence, theirs.sequence_number);
                    prop_assert_eq!(ours.timestamp, theirs.timestamp);
                    prop_assert_eq!(ours.ssrc, theirs.ssrc);
                    prop_assert_eq!(ours.payload.start, 12 + 4 * theirs.csrc.len());
                }
                (Some(_), Err(_)) => prop_assert!(false, "we took what rtc-rtp refused"),
                // Padding we refuse is not looked at by its header reader.
                (None, Ok(_)) => prop_assert!(flags & 0x20 != 0),
                (None, Err(_)) => {}
            }
        }

        #[test]
        fn what_we_write_rtc_rtp_reads(ssrc in any::<u32>(), sequence in any::<u16>(), timestamp in any::<u32>(), marker in any::<bool>()) {
            let mut out = [0; 256];
            let mut writer = Writer::new(ssrc, sequence);
            let length = writer.write(101, marker, timestamp, &[7; 160], &mut out);
            prop_assert_eq!(length, 172);
            let read = rtp::header::Header::unmarshal(&mut &out[..length]).expect("our own header");
            prop_assert_eq!((read.ssrc, read.sequence_number, read.timestamp, read.marker, read.payload_type), (ssrc, sequence, timestamp, marker, 101));
            prop_assert_eq!(writer.next_sequence(), sequence.wrapping_add(1));
            prop_assert_eq!(writer.write(101, marker, timestamp, &[7; 300], &mut out), 0);
        }
    }
}
