//! RFC 3711 and RFC 7714 on the wire: what is believed, what is heard twice, what an attacker can do (nothing).

use std::net::SocketAddr;

use switchboard::Fact;
use switchboard::trunk::Security;
use tests::engine::Engine;
use tests::raw::{LOOPBACK_ELSEWHERE, Packet, Phone, Rtp, SOON, rtp};
use tests::srtp::{Keys, Suite};

use crate::house::{KEYS, TALK, phone, wait};
use crate::rfc4568_sdes::{call, house_with};

const SUITES: [Suite; 4] = [Suite::Cm80, Suite::Cm32, Suite::Gcm128, Suite::Gcm256];

/// An encrypted call that is being asked for a key.
struct Asked {
    engine: Engine,
    phone: Phone,
    audio: SocketAddr,
    ours: Keys,
    theirs: Keys,
}

impl Asked {
    fn with(suite: Suite) -> Self {
        let engine = house_with(Security::Required);
        let mut phone = phone(&engine, KEYS);
        let (answer, ours, theirs) = call(&mut phone, suite, 40);
        let mut asked = Self {
            audio: answer.audio(),
            engine,
            phone,
            ours,
            theirs,
        };
        asked.speak(5);
        let menu = |fact: &Fact| matches!(fact, Fact::Said { words } if words.contains("How can we help"));
        asked.engine.waits_for("the menu", SOON, menu);
        asked
    }

    fn speak(&mut self, packets: usize) {
        for _ in 0..packets {
            let plain = self.phone.rtp.packet(0, false, &[0xff; 160], 160);
            self.phone.rtp.send(&self.ours.seal(&plain, 0), self.audio);
            wait(20);
        }
    }

    /// The sealed packets of one key.
    fn key(&mut self, code: u8, roc: u32) -> Vec<Vec<u8>> {
        let packets = (1..=6u16)
            .map(|step| {
                let plain = self.phone.rtp.event(101, code, step == 1, step >= 4, step.min(4) * 160);
                self.ours.seal(&plain, roc)
            })
            .collect();
        self.phone.rtp.timestamp = self.phone.rtp.timestamp.wrapping_add(1_600);
        packets
    }

    fn send(&self, packets: &[Vec<u8>]) {
        for packet in packets {
            self.phone.rtp.send(packet, self.audio);
            wait(20);
        }
    }

    fn pressed(&self) -> usize {
        wait(600);
        let is = |fact: &Fact| matches!(fact, Fact::Pressed { .. });
        self.engine.facts().iter().filter(|stamped| is(&stamped.fact)).count()
    }

    fn leads_to(&self, section: &str) {
        self.engine.waits_for(
            section,
            SOON,
            |fact| matches!(fact, Fact::Section { name } if name == section),
        );
    }

    /// The call goes on, encrypted.
    fn goes_on(&mut self) {
        wait(40);
        self.phone.rtp.drain();
        let packet = self.phone.rtp.hears();
        assert!(self.theirs.open(&packet.bytes, 0).is_some());
    }
}

#[test]
fn rfc3711_s3_3_what_we_seal_is_heard_in_every_suite() {
    for (suite, (code, section)) in SUITES.into_iter().zip([
        (1, "section one"),
        (2, "section two"),
        (3, "section three"),
        (5, "section five"),
    ]) {
        let mut asked = Asked::with(suite);
        let key = asked.key(code, 0);
        asked.send(&key);
        asked.leads_to(section);
    }
}

#[test]
fn rfc3711_s3_3_what_the_engine_seals_can_be_opened() {
    for suite in SUITES {
        let engine = house_with(Security::Required);
        let mut phone = phone(&engine, TALK);
        let (_, _, theirs) = call(&mut phone, suite, 41);
        let packets: Vec<Packet> = (0..10).map(|_| phone.rtp.hears()).collect();
        for packet in &packets {
            let opened = theirs.open(&packet.bytes, 0).unwrap_or_else(|| panic!("{suite:?}"));
            assert_eq!(opened.len(), 172, "20 ms of G.711");
        }
        // RFC 3711 §9.1: never the same key stream twice.
        let numbers: std::collections::BTreeSet<u16> = packets.iter().map(|packet| packet.sequence).collect();
        assert_eq!(numbers.len(), packets.len());
        phone.hang_up();
    }
}

#[test]
fn rfc3711_s3_3_a_spoilt_packet_is_not_heard() {
    let mut asked = Asked::with(Suite::Cm80);
    let key = asked.key(1, 0);
    for spoilt in [12, 14, 20] {
        let packets: Vec<Vec<u8>> = key
            .iter()
            .map(|packet| {
                let mut packet = packet.clone();
                packet[spoilt] ^= 1;
                packet
            })
            .collect();
        asked.send(&packets);
    }
    assert_eq!(asked.pressed(), 0);
    asked.goes_on();
}

#[test]
fn rfc3711_s3_3_2_a_replayed_key_is_no_second_key() {
    let mut asked = Asked::with(Suite::Cm80);
    let key = asked.key(4, 0);
    asked.send(&key);
    asked.speak(10);
    asked.send(&key);
    asked.send(&key);
    assert_eq!(asked.pressed(), 1);
    asked.goes_on();
}

#[test]
fn rfc3711_s3_3_plain_audio_is_not_heard_in_an_encrypted_call() {
    let mut asked = Asked::with(Suite::Gcm128);
    asked.phone.rtp.press(asked.audio, 101, 1);
    assert_eq!(asked.pressed(), 0);
    asked.goes_on();
}

#[test]
fn rfc3711_s3_3_another_key_is_not_heard() {
    let mut asked = Asked::with(Suite::Cm80);
    let right = std::mem::replace(&mut asked.ours, Keys::new(Suite::Cm80, &[9; 30]));
    let key = asked.key(1, 0);
    asked.send(&key);
    assert_eq!(asked.pressed(), 0);
    asked.ours = right;
    let key = asked.key(2, 0);
    asked.send(&key);
    asked.leads_to("section two");
}

#[test]
fn rfc3711_s3_3_1_the_rollover_counter_counts() {
    let mut asked = Asked::with(Suite::Cm80);
    // A stream that begins just below the wrap.
    asked.phone.rtp.sequence = 65_530;
    asked.phone.rtp.ssrc ^= 0x00ff_0000;
    asked.speak(6);
    assert_eq!(asked.phone.rtp.sequence, 0);
    let key = asked.key(7, 1);
    asked.send(&key);
    asked.leads_to("section seven");
}

/// A re-INVITE brings another key; the peer, as §3.3.1 has it, counts its roll-overs on.
#[test]
fn rfc3711_s3_3_1_the_rollover_counter_outlives_the_key() {
    for suite in [Suite::Cm80, Suite::Gcm256] {
        let mut asked = Asked::with(suite);
        asked.phone.rtp.sequence = 65_530;
        asked.phone.rtp.ssrc ^= 0x00ff_0000;
        asked.speak(6);
        for _ in 0..5 {
            let plain = asked.phone.rtp.packet(0, false, &[0xff; 160], 160);
            asked.phone.rtp.send(&asked.ours.seal(&plain, 1), asked.audio);
            wait(20);
        }
        let (_, ours, theirs) = call(&mut asked.phone, suite, 41);
        (asked.ours, asked.theirs) = (ours, theirs);
        let key = asked.key(7, 1);
        asked.send(&key);
        asked.leads_to("section seven");
        asked.goes_on();
    }
}

#[test]
fn rfc3711_s3_2_3_a_stranger_with_many_ssrcs_takes_no_room_and_no_call() {
    let mut asked = Asked::with(Suite::Cm80);
    let thief = Rtp::bind(LOOPBACK_ELSEWHERE);
    for ssrc in 0..3_000u32 {
        let packet = rtp(0, false, 1, 160, ssrc, &[0x55; 170]);
        thief.send(&packet, asked.audio);
        // From the caller's own host too, where the address alone tells nobody apart.
        asked.phone.rtp.send(&packet, asked.audio);
    }
    asked.goes_on();
    let key = asked.key(3, 0);
    asked.send(&key);
    asked.leads_to("section three");
}

#[test]
fn rfc3711_s3_4_reports_are_sealed_and_numbered() {
    for suite in [Suite::Cm80, Suite::Cm32, Suite::Gcm256] {
        let engine = house_with(Security::Required);
        let mut phone = phone(&engine, TALK);
        let ours = crate::rfc4568_sdes::master(suite, 42);
        let sdp = phone.rtp.sdp_with(
            "RTP/SAVP 0",
            &format!(
                "a=rtpmap:0 PCMU/8000\r\na=rtcp-mux\r\n{}",
                crate::rfc4568_sdes::crypto(1, suite, &ours)
            ),
        );
        let invite = phone.invite().sdp(sdp);
        let answer = phone.call_with(&invite);
        let theirs = Keys::new(suite, &crate::rfc4568_sdes::answered(&answer).2);
        let end = std::time::Instant::now() + std::time::Duration::from_secs(15);
        let report = loop {
            let left = end
                .checked_duration_since(std::time::Instant::now())
                .expect("a report in time");
            if let Some((bytes, _)) = phone.rtp.octets(left)
                && bytes.get(1).is_some_and(|kind| (200..=204).contains(kind))
            {
                break bytes;
            }
        };
        let (opened, _) = theirs
            .open_rtcp(&report)
            .unwrap_or_else(|| panic!("{suite:?}: sealed SRTCP"));
        assert!(matches!(opened[1], 200 | 201));
        phone.hang_up();
    }
}

#[test]
fn rfc3711_s3_4_spoilt_and_plain_reports_end_no_call() {
    let mut asked = Asked::with(Suite::Cm80);
    let ssrc = asked.phone.rtp.ssrc.to_be_bytes();
    // BYE (RFC 3550 §6.6) in the clear, spoilt, and under a foreign key.
    let bye = [&[0x81, 203, 0, 1][..], &ssrc].concat();
    let mut spoilt = asked.ours.seal_rtcp(&bye, 1);
    spoilt[9] ^= 1;
    let foreign = Keys::new(Suite::Cm80, &[3; 30]).seal_rtcp(&bye, 2);
    for packet in [bye, spoilt, foreign] {
        asked.phone.rtp.send(&packet, asked.audio);
    }
    asked.goes_on();
    let key = asked.key(9, 0);
    asked.send(&key);
    asked.leads_to("section nine");
}
