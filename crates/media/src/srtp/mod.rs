//! SRTP and SRTCP (RFC 3711, RFC 7714), keyed by SDES: [`Guard`] seals what one leg sends and opens what it hears.
//!
//! The work is `rtc-srtp`'s. This room keeps it from its traps: without options it does not look for replays; it makes a
//! state for every SSRC it is shown, authentic or not, and begins its window with it; and it takes reports whose
//! encryption bit is clear without looking at their tag, so that anybody could make them up.

mod keys;

pub use keys::{MASTER_BYTES_MAX, MasterKey, Srtp, Suite};

use crate::PACKET_OUT_BYTES;
use ::srtp::context::Context;
use ::srtp::crypto::providers::RingCrypto;
use ::srtp::option::{
    srtcp_no_replay_protection, srtcp_replay_protection, srtp_no_replay_protection, srtp_replay_protection,
};
use ::srtp::protection_profile::ProtectionProfile;
use rtc_shared::error::Error;
use std::fmt;

/// Packets back from the newest that are still told apart (RFC 3711 §3.3.2 asks for 64 at least).
pub const REPLAY_WINDOW_PACKETS: usize = 128;

/// Streams believed under one key, for audio and for reports. A peer changes its SSRC at a transfer, not at will; and
/// none may be forgotten, or it could be played to us again.
pub const SSRCS_MAX: usize = 32;

/// SSRCs tried in vain before the room they took is given back.
pub const TRIALS_MAX: usize = 64;

/// Roll-overs of a stream that are counted on under a new key: 22 minutes each, so more than the longest call has.
const ROLLOVERS_MAX: u64 = 16;

/// Packets under a new key until the one before it is no longer tried (what was under way at a re-INVITE).
const FORMER_PACKETS: u32 = 100;

/// One leg's keys at work.
pub(crate) struct Guard {
    seal: Context,
    send: MasterKey,
    sent: Sent,
    open: Opener,
    former: Option<Opener>,
}

/// Why a packet was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unopened {
    /// Not sealed with their key, or changed on the way.
    Forged,
    /// Seen before, or older than the window.
    Replayed,
}

impl Guard {
    pub(crate) fn new(keys: &Srtp) -> Self {
        Self {
            seal: context(&keys.send, Replays::Refused),
            send: keys.send.clone(),
            sent: Sent::default(),
            open: Opener::new(&keys.receive),
            former: None,
        }
    }

    /// New keys, or the same. True when ours changed: then it is a new stream with an SSRC of its own, for whom both
    /// who counts roll-overs on (RFC 3711 §3.3.1) and who begins again begin at nought.
    pub(crate) fn rekey(&mut self, keys: &Srtp) -> bool {
        if keys.receive != self.open.key {
            let open = Opener::after(&self.open, &keys.receive);
            self.former = Some(std::mem::replace(&mut self.open, open));
        }
        let changed = keys.send != self.send;
        if changed {
            self.seal = context(&keys.send, Replays::Refused);
            self.send = keys.send.clone();
            self.sent = Sent::default();
        }
        changed
    }

    /// Opens an RTP packet in place; gives its length without the tag.
    pub(crate) fn open_rtp(&mut self, packet: &mut [u8]) -> Result<usize, Unopened> {
        self.open(packet, Kind::Rtp)
    }

    /// The same for a report.
    pub(crate) fn open_rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Unopened> {
        self.open(packet, Kind::Rtcp)
    }

    /// Seals the RTP packet at the beginning of `out`; gives its length, 0 when it may not go: a number is never
    /// sealed twice, for that would tell what both say.
    pub(crate) fn seal_rtp(&mut self, length: usize, out: &mut [u8; PACKET_OUT_BYTES]) -> usize {
        let [_, _, s0, s1, ..] = *out;
        if length == 0 || !self.sent.is_new(u16::from_be_bytes([s0, s1])) {
            return 0;
        }
        let sealed = out.get(..length).and_then(|packet| self.seal.encrypt_rtp(packet).ok());
        put(sealed.as_deref(), out)
    }

    /// The same for a report.
    pub(crate) fn seal_rtcp(&mut self, length: usize, out: &mut [u8; PACKET_OUT_BYTES]) -> usize {
        if length == 0 {
            return 0;
        }
        let sealed = out.get(..length).and_then(|packet| self.seal.encrypt_rtcp(packet).ok());
        put(sealed.as_deref(), out)
    }

    fn open(&mut self, packet: &mut [u8], kind: Kind) -> Result<usize, Unopened> {
        let opened = self.open.open(packet, kind);
        if opened != Err(Unopened::Forged) {
            if opened.is_ok()
                && let Some(former) = &mut self.former
            {
                former.left = former.left.saturating_sub(1);
                if former.left == 0 {
                    self.former = None;
                }
            }
            return opened;
        }
        match &mut self.former {
            Some(former) => former.open(packet, kind),
            None => opened,
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guard({})", self.send.suite().name())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rtp,
    Rtcp,
}

/// Opens what was sealed with one key.
struct Opener {
    key: MasterKey,
    /// Knows only streams that were authentic once.
    context: Context,
    /// Those of audio and those of reports.
    known: [Vec<Known>; 2],
    /// Streams of audio that had rolled over under the key before this. RFC 3711 §3.3.1 lets the counter outlive the key;
    /// many begin again all the same. So a packet is tried with nought first, and then as if they had counted on.
    carried: Vec<Known>,
    /// Where those are tried.
    carrying: Option<Context>,
    /// Where streams nobody knows are tried; made anew when it has seen too many. It does not look for replays, for
    /// the window would begin at whatever number came first, and a forged one could shut the true stream out.
    trial: Context,
    trials: usize,
    /// Packets until it is not needed any more, once another has taken its place.
    left: u32,
}

/// A stream that was authentic once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    ssrc: u32,
    /// How far its audio has come: roll-overs, and sixteen bits of sequence number (RFC 3711 §3.3.1).
    index: u64,
}

impl Known {
    fn came(&mut self, sequence: u16) {
        let ahead = sequence.wrapping_sub(self.index as u16);
        if ahead < 0x8000 {
            self.index += u64::from(ahead);
        }
    }
}

impl Opener {
    /// One for a new key in the place of another.
    fn after(former: &Self, key: &MasterKey) -> Self {
        let [audio, _] = &former.known;
        let rolled = |known: &&Known| (1..=ROLLOVERS_MAX).contains(&(known.index >> 16));
        let carried: Vec<Known> = audio.iter().filter(rolled).copied().collect();
        let carrying = (!carried.is_empty()).then(|| {
            let mut carrying = context(key, Replays::NotItsAffair);
            carried.iter().for_each(|known| walk(&mut carrying, key, *known));
            carrying
        });
        Self {
            carried,
            carrying,
            ..Self::new(key)
        }
    }

    fn new(key: &MasterKey) -> Self {
        Self {
            key: key.clone(),
            context: context(key, Replays::Refused),
            // Room for all there can be, so that none is made while packets come.
            known: [Vec::with_capacity(SSRCS_MAX), Vec::with_capacity(SSRCS_MAX)],
            carried: Vec::new(),
            carrying: None,
            trial: context(key, Replays::NotItsAffair),
            trials: 0,
            left: FORMER_PACKETS,
        }
    }

    fn open(&mut self, packet: &mut [u8], kind: Kind) -> Result<usize, Unopened> {
        let ssrc = ssrc(packet, kind).ok_or(Unopened::Forged)?;
        if kind == Kind::Rtcp && !self.says_encrypted(packet) {
            // RFC 3711 §3.4: encrypted is what we agreed on (no UNENCRYPTED_SRTCP).
            return Err(Unopened::Forged);
        }
        let [audio, reports] = &mut self.known;
        let known = if kind == Kind::Rtp { audio } else { reports };
        if !known.iter().any(|known| known.ssrc == ssrc) {
            if known.len() == SSRCS_MAX {
                return Err(Unopened::Forged);
            }
            let mut stream = Known {
                ssrc,
                index: u64::from(sequence(packet)),
            };
            if let Err(unopened) = decrypt(&mut self.trial, packet, kind) {
                let carried = self
                    .carried
                    .iter()
                    .find(|known| known.ssrc == ssrc && kind == Kind::Rtp);
                let counted_on = match &mut self.carrying {
                    Some(carrying) => carried.filter(|_| decrypt(carrying, packet, kind).is_ok()),
                    None => None,
                };
                let Some(carried) = counted_on else {
                    self.trials += 1;
                    if self.trials == TRIALS_MAX {
                        self.trial = context(&self.key, Replays::NotItsAffair);
                        self.trials = 0;
                    }
                    return Err(unopened);
                };
                stream = *carried;
                walk(&mut self.context, &self.key, stream);
            }
            known.push(stream);
        }
        let opened = decrypt(&mut self.context, packet, kind)?;
        if let Some(stream) = known.iter_mut().find(|known| known.ssrc == ssrc)
            && kind == Kind::Rtp
        {
            stream.came(sequence(packet));
        }
        let plain = packet.get_mut(..opened.len()).ok_or(Unopened::Forged)?;
        plain.copy_from_slice(&opened);
        Ok(opened.len())
    }

    /// Whether the bit before a report's index is set: it stands before the tag of AES-CM, behind that of GCM.
    fn says_encrypted(&self, packet: &[u8]) -> bool {
        let from_end = match self.key.suite() {
            // RFC 4568 §6.2.2: reports keep the long tag with either.
            Suite::AesCm128HmacSha1Tag80 | Suite::AesCm128HmacSha1Tag32 => 14,
            Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => 4,
        };
        let at = packet.len().checked_sub(from_end);
        at.and_then(|at| packet.get(at)).is_some_and(|byte| byte & 0x80 != 0)
    }
}

/// The numbers that were sealed, as far back as a relayed packet may be overtaken.
#[derive(Debug, Default)]
struct Sent {
    newest: Option<u16>,
    /// Bit n: `newest - n` went out.
    seen: u64,
}

impl Sent {
    fn is_new(&mut self, number: u16) -> bool {
        let Some(newest) = self.newest else {
            (self.newest, self.seen) = (Some(number), 1);
            return true;
        };
        let ahead = number.wrapping_sub(newest);
        if ahead != 0 && ahead < 0x8000 {
            self.seen = self.seen.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
            self.newest = Some(number);
            return true;
        }
        let bit = 1_u64.checked_shl(u32::from(ahead.wrapping_neg())).unwrap_or(0);
        let new = bit != 0 && self.seen & bit == 0;
        self.seen |= bit;
        new
    }
}

/// Whether a context looks for replays.
#[derive(Clone, Copy, Debug)]
enum Replays {
    Refused,
    NotItsAffair,
}

fn context(key: &MasterKey, replays: Replays) -> Context {
    let profile = match key.suite() {
        Suite::AesCm128HmacSha1Tag80 => ProtectionProfile::Aes128CmHmacSha1_80,
        Suite::AesCm128HmacSha1Tag32 => ProtectionProfile::Aes128CmHmacSha1_32,
        Suite::AeadAes128Gcm => ProtectionProfile::AeadAes128Gcm,
        Suite::AeadAes256Gcm => ProtectionProfile::AeadAes256Gcm,
    };
    let (rtp, rtcp) = match replays {
        Replays::Refused => (
            srtp_replay_protection(REPLAY_WINDOW_PACKETS),
            srtcp_replay_protection(REPLAY_WINDOW_PACKETS),
        ),
        Replays::NotItsAffair => (srtp_no_replay_protection(), srtcp_no_replay_protection()),
    };
    Context::new(key.key(), key.salt(), profile, Some(rtp), Some(rtcp), &RingCrypto)
        .expect("a MasterKey has the lengths of its suite, and ring knows all four")
}

fn decrypt(
    context: &mut Context,
    packet: &[u8],
    kind: Kind,
) -> Result<impl std::ops::Deref<Target = [u8]> + use<>, Unopened> {
    let opened = match kind {
        Kind::Rtp => context.decrypt_rtp(packet),
        Kind::Rtcp => context.decrypt_rtcp(packet),
    };
    opened.map_err(|fault| match fault {
        Error::SrtpSsrcDuplicated(..) | Error::SrtcpSsrcDuplicated(..) => Unopened::Replayed,
        _ => Unopened::Forged,
    })
}

/// Brings a context to where a stream is. It counts roll-overs by what it has seen and cannot be told, so it is shown
/// packets that say nothing, in strides that it follows; a dozen for an hour's call.
fn walk(context: &mut Context, key: &MasterKey, to: Known) {
    /// Less than half of the sequence numbers, or it would take the way back (RFC 3711 appendix A).
    const STRIDE: u64 = 20_000;
    let mut peer = self::context(key, Replays::NotItsAffair);
    let mut index = to.index % STRIDE;
    loop {
        let [s0, s1] = (index as u16).to_be_bytes();
        let [a, b, c, d] = to.ssrc.to_be_bytes();
        let packet = [0x80, 0, s0, s1, 0, 0, 0, 0, a, b, c, d, 0];
        // Each is what the next one needs; where one fails, what comes is not heard, as it would not be without this.
        let Ok(sealed) = peer.encrypt_rtp(&packet) else { return };
        if context.decrypt_rtp(&sealed).is_err() || index == to.index {
            return;
        }
        index += STRIDE;
    }
}

fn sequence(packet: &[u8]) -> u16 {
    let at = packet.get(2..).and_then(<[u8]>::first_chunk);
    at.map_or(0, |at| u16::from_be_bytes(*at))
}

fn ssrc(packet: &[u8], kind: Kind) -> Option<u32> {
    let at = match kind {
        Kind::Rtp => 8,
        Kind::Rtcp => 4,
    };
    let [a, b, c, d] = *packet.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes([a, b, c, d]))
}

fn put(sealed: Option<&[u8]>, out: &mut [u8; PACKET_OUT_BYTES]) -> usize {
    let Some(sealed) = sealed else { return 0 };
    let Some(room) = out.get_mut(..sealed.len()) else {
        return 0;
    };
    room.copy_from_slice(sealed);
    sealed.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(suite: Suite, seed: u8) -> MasterKey {
        MasterKey::drawn(suite, &mut || [seed; 16])
    }

    fn pair(suite: Suite) -> (Guard, Guard) {
        let (a, b) = (key(suite, 1), key(suite, 2));
        let keys = |send: &MasterKey, receive: &MasterKey| Srtp {
            suite,
            send: send.clone(),
            receive: receive.clone(),
        };
        (Guard::new(&keys(&a, &b)), Guard::new(&keys(&b, &a)))
    }

    fn plain(sequence: u16, ssrc: u32) -> [u8; PACKET_OUT_BYTES] {
        let mut out = [0; PACKET_OUT_BYTES];
        out[0] = 0x80;
        out[2..4].copy_from_slice(&sequence.to_be_bytes());
        out[8..12].copy_from_slice(&ssrc.to_be_bytes());
        out[12..172].fill(sequence as u8);
        out
    }

    fn sealed(guard: &mut Guard, sequence: u16, ssrc: u32) -> Vec<u8> {
        let mut out = plain(sequence, ssrc);
        let length = guard.seal_rtp(172, &mut out);
        out[..length].to_vec()
    }

    fn report() -> [u8; PACKET_OUT_BYTES] {
        let mut out = [0; PACKET_OUT_BYTES];
        out[..8].copy_from_slice(&[0x80, 201, 0, 1, 0, 0, 0, 9]);
        out
    }

    #[test]
    fn what_one_seals_the_other_opens_and_nobody_else() {
        for suite in Suite::ALL {
            let (mut a, mut b) = pair(suite);
            let tag = match suite {
                Suite::AesCm128HmacSha1Tag80 => 10,
                Suite::AesCm128HmacSha1Tag32 => 4,
                Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => 16,
            };
            for sequence in 0..200 {
                let mut packet = sealed(&mut a, sequence, 7);
                assert_eq!(packet.len(), 172 + tag);
                assert_ne!(packet[12..172], plain(sequence, 7)[12..172]);
                let mut again = packet.clone();
                assert_eq!(b.open_rtp(&mut packet), Ok(172));
                assert_eq!(packet[..172], plain(sequence, 7)[..172]);
                assert_eq!(b.open_rtp(&mut again), Err(Unopened::Replayed));
            }
            let mut out = report();
            let length = a.seal_rtcp(8, &mut out);
            let mut packet = out[..length].to_vec();
            let mut again = packet.clone();
            assert_eq!(b.open_rtcp(&mut packet), Ok(8));
            assert_eq!(packet[..8], report()[..8]);
            assert_eq!(b.open_rtcp(&mut again), Err(Unopened::Replayed));
            // In the clear, or with somebody else's key.
            assert_eq!(b.open_rtp(&mut plain(300, 7)[..172]), Err(Unopened::Forged));
            let (mut stranger, _) = pair(suite);
            stranger = Guard::new(&Srtp {
                suite,
                send: key(suite, 9),
                receive: stranger.send,
            });
            let mut forged = sealed(&mut stranger, 300, 7);
            assert_eq!(b.open_rtp(&mut forged), Err(Unopened::Forged));
            assert_eq!(b.open_rtp(&mut []), Err(Unopened::Forged));
            assert_eq!(b.open_rtcp(&mut [0x80; 7]), Err(Unopened::Forged));
        }
    }

    /// rtc-srtp takes a report whose encryption bit is clear without looking at its tag.
    #[test]
    fn a_report_that_says_it_is_not_encrypted_is_forged() {
        for suite in Suite::ALL {
            let (_, mut b) = pair(suite);
            for length in [8, 12, 22, 28, 60] {
                let mut packet = vec![0; length];
                packet[..8].copy_from_slice(&report()[..8]);
                assert_eq!(b.open_rtcp(&mut packet), Err(Unopened::Forged), "{suite:?} {length}");
            }
        }
    }

    #[test]
    fn every_bit_counts() {
        for suite in Suite::ALL {
            let (mut a, mut b) = pair(suite);
            let good = sealed(&mut a, 1, 7);
            for bit in 0..good.len() * 8 {
                let mut bad = good.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(b.open_rtp(&mut bad), Err(Unopened::Forged), "{suite:?} bit {bit}");
            }
            assert_eq!(b.open_rtp(&mut good.clone()), Ok(172), "and it still opens");
        }
    }

    #[test]
    fn roll_over_reordering_and_loss_at_it() {
        for suite in [Suite::AesCm128HmacSha1Tag80, Suite::AeadAes256Gcm] {
            let (mut a, mut b) = pair(suite);
            let mut packets: Vec<Vec<u8>> = (0..140_000_u32)
                .step_by(7)
                .map(|n| sealed(&mut a, (n + 60_000) as u16, 7))
                .collect();
            // Every fourth pair comes the wrong way round, every ninth packet never.
            for pair in packets.chunks_mut(2).step_by(4) {
                pair.reverse();
            }
            for (n, packet) in packets.iter_mut().enumerate() {
                if n % 9 != 8 {
                    assert_eq!(b.open_rtp(packet), Ok(172), "{n}");
                }
            }
        }
    }

    #[test]
    fn strangers_take_no_room_and_streams_are_bounded() {
        let suite = Suite::AesCm128HmacSha1Tag80;
        let (mut a, mut b) = pair(suite);
        for ssrc in 100..100 + 10 * TRIALS_MAX as u32 {
            let mut packet = plain(1, ssrc);
            assert_eq!(b.open_rtp(&mut packet[..182]), Err(Unopened::Forged));
        }
        assert_eq!(b.open.known, [Vec::new(), Vec::new()]);
        assert!(b.open.trials < TRIALS_MAX);
        for ssrc in 0..SSRCS_MAX as u32 {
            a.sent = Sent::default();
            assert_eq!(b.open_rtp(&mut sealed(&mut a, 1, ssrc)), Ok(172));
        }
        a.sent = Sent::default();
        assert_eq!(
            b.open_rtp(&mut sealed(&mut a, 1, 99)),
            Err(Unopened::Forged),
            "one too many"
        );
        assert_eq!(b.open_rtp(&mut sealed(&mut a, 2, 5)), Ok(172), "the others go on");
    }

    /// The first packet of a stream is somebody else's guess, far from the true numbers: the stream is heard all the same.
    #[test]
    fn a_forged_beginning_shuts_nobody_out() {
        for suite in Suite::ALL {
            let (mut a, mut b) = pair(suite);
            for guess in [1, 20_000, 40_000, 60_000] {
                let mut forged = sealed(&mut pair(suite).1, guess, 7);
                assert_eq!(b.open_rtp(&mut forged), Err(Unopened::Forged));
            }
            assert_eq!(b.open_rtp(&mut sealed(&mut a, 33_000, 7)), Ok(172));
        }
    }

    #[test]
    fn new_keys_take_over_without_losing_what_is_under_way() {
        let suite = Suite::AesCm128HmacSha1Tag80;
        let (mut a, mut b) = pair(suite);
        let mut before = sealed(&mut a, 10, 7);
        let mut under_way = sealed(&mut a, 11, 7);
        let mut late = sealed(&mut a, 12, 7);
        assert_eq!(b.open_rtp(&mut before), Ok(172));
        let (ours, theirs) = (key(suite, 5), key(suite, 6));
        assert!(a.rekey(&Srtp {
            suite,
            send: ours.clone(),
            receive: theirs.clone(),
        }));
        let mine = Srtp {
            suite,
            send: theirs,
            receive: ours,
        };
        assert!(b.rekey(&mine));
        assert!(!b.rekey(&mine), "the same again is nothing new");
        assert_eq!(b.open_rtp(&mut under_way), Ok(172));
        for sequence in 13..13 + FORMER_PACKETS as u16 {
            assert_eq!(b.open_rtp(&mut sealed(&mut a, sequence, 7)), Ok(172));
        }
        assert_eq!(b.open_rtp(&mut late), Err(Unopened::Forged), "the old key is gone");
    }

    #[test]
    fn a_peer_counts_roll_overs_on_under_a_new_key_or_begins_again() {
        for suite in Suite::ALL {
            for (counts_on, rolled_over) in [(false, 1_u64), (true, 1), (true, 3)] {
                let (mut a, mut b) = pair(suite);
                let end = rolled_over << 16 | 40;
                // Not every packet of an hour: the stream loses most.
                for index in (65_530 % 9_000..=end).step_by(9_000).chain(end - 30..=end) {
                    assert_eq!(b.open_rtp(&mut sealed(&mut a, index as u16, 7)), Ok(172), "{index}");
                }
                let (ours, theirs) = (key(suite, 5), key(suite, 6));
                a.rekey(&Srtp {
                    suite,
                    send: ours.clone(),
                    receive: theirs.clone(),
                });
                b.rekey(&Srtp {
                    suite,
                    send: theirs,
                    receive: ours,
                });
                if counts_on {
                    for index in (end % 20_000..=end).step_by(20_000) {
                        sealed(&mut a, index as u16, 7);
                    }
                }
                let mut first = Vec::new();
                for sequence in 41..200 {
                    let packet = sealed(&mut a, sequence, 7);
                    if sequence == 41 {
                        first.clone_from(&packet);
                    }
                    let mut forged = packet.clone();
                    forged[20] ^= 1;
                    assert_eq!(b.open_rtp(&mut forged), Err(Unopened::Forged));
                    assert_eq!(
                        b.open_rtp(&mut packet.clone()),
                        Ok(172),
                        "{suite:?} {counts_on} {sequence}"
                    );
                }
                assert_eq!(b.open_rtp(&mut first), Err(Unopened::Replayed));
                // A stream that is new with the key begins at nought.
                assert_eq!(b.open_rtp(&mut sealed(&mut a, 300, 8)), Ok(172));
            }
        }
    }

    #[test]
    fn no_number_is_sealed_twice() {
        let mut sent = Sent::default();
        for number in [65_530, 65_531, 65_534, 65_533, 2, 65_535] {
            assert!(sent.is_new(number), "{number}");
        }
        for number in [65_530, 65_533, 2, 65_535, 60_000] {
            assert!(!sent.is_new(number), "{number}");
        }
        assert!(sent.is_new(0) && sent.is_new(200) && !sent.is_new(2));
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal"))
            .collect()
    }

    /// Packets sealed by libsrtp, the implementation most peers use: with the master key of RFC 3711 §B.3, and with one
    /// for the suite of RFC 7714 §14.2.1. (The packets in RFC 7714 §16 begin from session keys, which nobody hands us: the
    /// conformance tests' own SRTP seals those, and then talks to the engine in every suite.)
    #[test]
    fn packets_of_another_implementation() {
        let rtp = hex("800f1234 decafbad cafebabe abababab abababab abababab abababab");
        let rtcp = hex("81c8000b cafebabe abababab abababab abababab abababab");
        for (suite, master, sealed_rtp, sealed_rtcp) in [
            (
                Suite::AesCm128HmacSha1Tag80,
                "e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6",
                "800f1234 decafbad cafebabe 4e55dc4c e79978d8 8ca4d215 949d2402 b78d6acc 99ea179b 8dbb",
                "81c8000b cafebabe 7128035b e487b9bd bef89041 f977a5a8 80000001 993e08cd 54d6c123 0798",
            ),
            (
                Suite::AeadAes128Gcm,
                "000102030405060708090a0b0c0d0e0f a0a1a2a3a4a5a6a7a8a9aaab",
                "800f1234 decafbad cafebabe c5002ede 04cfdd2e b91159e0 880aa06e d2976826 f796b201 df3131a1 27e8a392",
                "81c8000b cafebabe c98b8b5d f0392a55 852b6c21 ac8e7025 c52c6fbe a2b3b446 ea31123b a88ce61e 80000001",
            ),
        ] {
            let master = MasterKey::new(suite, &hex(master)).expect("a key of this suite");
            let keys = Srtp {
                suite,
                send: master.clone(),
                receive: master,
            };
            let (mut sealer, mut opener) = (Guard::new(&keys), Guard::new(&keys));
            let mut out = [0; PACKET_OUT_BYTES];
            out[..rtp.len()].copy_from_slice(&rtp);
            let length = sealer.seal_rtp(rtp.len(), &mut out);
            assert_eq!(out[..length], hex(sealed_rtp), "{suite:?}");
            assert_eq!(opener.open_rtp(&mut out[..length]), Ok(rtp.len()));
            assert_eq!(out[..rtp.len()], rtp);
            out[..rtcp.len()].copy_from_slice(&rtcp);
            let length = sealer.seal_rtcp(rtcp.len(), &mut out);
            assert_eq!(out[..length], hex(sealed_rtcp), "{suite:?}");
            assert_eq!(opener.open_rtcp(&mut out[..length]), Ok(rtcp.len()));
            assert_eq!(out[..rtcp.len()], rtcp);
        }
    }
}
