//! RFC 4733: keys in the audio stream, each reported once.

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

use switchboard::Fact;
use tests::engine::Engine;
use tests::raw::{Phone, SOON};

use crate::house::{KEYS, own, phone, wait};

const PACE: Duration = Duration::from_millis(20);

/// A call that is being asked for a key.
struct Asked {
    engine: Engine,
    phone: Phone,
    audio: SocketAddr,
}

impl Asked {
    fn with(formats: &str, attributes: &str) -> Self {
        let engine = own(|_| ());
        let mut phone = phone(&engine, KEYS);
        let sdp = phone.rtp.sdp_with(formats, attributes);
        let invite = phone.invite().sdp(sdp);
        let audio = phone.call_with(&invite).audio();
        phone.rtp.speak(audio, 5);
        engine.waits_for(
            "the menu",
            SOON,
            |fact| matches!(fact, Fact::Said { words } if words.contains("How can we help")),
        );
        Self { engine, phone, audio }
    }

    fn plain() -> Self {
        Self::with(
            "RTP/AVP 0 101",
            "a=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\n",
        )
    }

    fn leads_to(&self, section: &str) {
        let is = |fact: &Fact| matches!(fact, Fact::Section { name } if name == section);
        self.engine.waits_for(section, SOON, is);
    }

    fn pressed(&self) -> usize {
        wait(600);
        let is = |fact: &Fact| matches!(fact, Fact::Pressed { .. });
        self.engine.facts().iter().filter(|stamped| is(&stamped.fact)).count()
    }
}

#[test]
fn rfc4733_s2_5_1_4_an_end_said_three_times_is_one_key() {
    let mut asked = Asked::plain();
    asked.phone.rtp.press(asked.audio, 101, 4);
    assert_eq!(asked.pressed(), 1);
}

#[test]
fn rfc4733_s2_3_1_the_event_is_the_key() {
    let mut asked = Asked::plain();
    asked.phone.rtp.press(asked.audio, 101, 5);
    asked.leads_to("section five");
}

#[test]
fn rfc4733_s2_5_1_4_the_end_alone_is_enough() {
    let mut asked = Asked::plain();
    let end = asked.phone.rtp.event(101, 7, false, true, 800);
    asked.phone.rtp.send(&end, asked.audio);
    asked.leads_to("section seven");
}

#[test]
fn rfc4733_s2_5_2_2_a_key_whose_end_is_lost_still_counts() {
    let mut asked = Asked::plain();
    for step in 1..=6 {
        let packet = asked.phone.rtp.event(101, 2, step == 1, false, step * 160);
        asked.phone.rtp.send(&packet, asked.audio);
        sleep(PACE);
    }
    asked.phone.rtp.timestamp = asked.phone.rtp.timestamp.wrapping_add(2_000);
    asked.phone.rtp.speak(asked.audio, 20);
    asked.leads_to("section two");
}

#[test]
fn rfc4733_s2_5_1_2_a_long_press_is_one_key() {
    let mut asked = Asked::plain();
    for step in 1..=60 {
        let packet = asked.phone.rtp.event(101, 4, step == 1, step == 60, step * 160);
        asked.phone.rtp.send(&packet, asked.audio);
        sleep(PACE);
    }
    assert_eq!(asked.pressed(), 1);
}

#[test]
fn rfc4733_s2_5_1_4_packets_of_a_key_that_come_twice_are_one_key() {
    let mut asked = Asked::plain();
    for step in 1..=5u16 {
        let packet = asked.phone.rtp.event(101, 8, step == 1, step == 5, step * 160);
        for _ in 0..3 {
            asked.phone.rtp.send(&packet, asked.audio);
        }
        sleep(PACE);
    }
    assert_eq!(asked.pressed(), 1);
}

#[test]
fn rfc4733_s2_2_two_presses_of_one_key_are_two() {
    let mut asked = Asked::plain();
    asked.phone.rtp.press(asked.audio, 101, 4);
    wait(100);
    asked.phone.rtp.press(asked.audio, 101, 6);
    assert_eq!(asked.pressed(), 2, "neither leads anywhere, each is asked about again");
}

#[test]
fn rfc4733_s6_their_number_for_events_is_obeyed() {
    let mut asked = Asked::with(
        "RTP/AVP 0 126",
        "a=rtpmap:0 PCMU/8000\r\na=rtpmap:126 telephone-event/8000\r\n",
    );
    asked.phone.rtp.press(asked.audio, 126, 9);
    asked.leads_to("section nine");
}

#[test]
fn rfc4733_s6_an_event_under_another_number_is_none() {
    let mut asked = Asked::plain();
    asked.phone.rtp.press(asked.audio, 126, 1);
    assert_eq!(asked.pressed(), 0);
    asked.phone.rtp.press(asked.audio, 101, 1);
    asked.leads_to("section one");
}

#[test]
fn rfc4733_s3_2_an_event_that_is_no_key_is_ignored() {
    let mut asked = Asked::plain();
    for code in [16, 32, 66, 255] {
        asked.phone.rtp.press(asked.audio, 101, code);
    }
    assert_eq!(asked.pressed(), 0, "a hook flash and a fax tone are no keys");
}

#[test]
fn rfc4733_s2_3_a_truncated_event_is_ignored() {
    let mut asked = Asked::plain();
    for payload in [&[1u8, 0x8a][..], &[1], &[]] {
        let packet = asked.phone.rtp.packet(101, true, payload, 160);
        asked.phone.rtp.send(&packet, asked.audio);
    }
    assert_eq!(asked.pressed(), 0);
    asked.phone.rtp.press(asked.audio, 101, 3);
    asked.leads_to("section three");
}

#[test]
fn rfc4733_s2_5_1_keys_between_speech_are_heard() {
    let mut asked = Asked::plain();
    for step in 1..=8u16 {
        // Some gateways go on sending audio while a key is down.
        let speech = asked.phone.rtp.packet(0, false, &[0xff; 160], 0);
        asked.phone.rtp.send(&speech, asked.audio);
        let key = asked.phone.rtp.event(101, 5, step == 1, step >= 6, step.min(6) * 160);
        asked.phone.rtp.send(&key, asked.audio);
        sleep(PACE);
    }
    asked.leads_to("section five");
    assert_eq!(asked.pressed(), 1);
}
