//! Two telephones of our own call each other over loopback in every codec, clear and encrypted: real SIP, real RTP.
#![allow(clippy::panic, reason = "a test that finds otherwise should stop there")]
#![allow(
    clippy::disallowed_methods,
    reason = "a telephone call lasts in real time, and is waited for within bounds"
)]

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use exchange::handset::{Act, Handset, Keys, News, Party, Setup};
use jiff::Timestamp;
use media::sdp::{Codec, Offering, Security};
use media::{FRAME_SAMPLES, Law};
use switchboard::phone::Answering;

/// Speaks once, and hangs up a while later.
struct Speaker {
    says: Option<Arc<[u8]>>,
    began: Option<Timestamp>,
    hangs_up: bool,
}

impl Party for Speaker {
    fn hears(&mut self, _words: &str) {}
    fn quiet(&mut self, _now: Timestamp) {}
    fn tone(&mut self) {}
    fn time(&mut self, now: Timestamp) {
        let began = *self.began.get_or_insert(now);
        self.hangs_up = now.duration_since(began).as_secs() >= 2;
    }
    fn poll(&mut self) -> Option<Act> {
        match self.says.take() {
            Some(says) => Some(Act::Speak(says)),
            None => std::mem::take(&mut self.hangs_up).then_some(Act::HangUp),
        }
    }
}

fn speaker(hz: f32) -> Box<dyn Party> {
    let says = (0..50 * FRAME_SAMPLES)
        .map(|n| Law::Pcmu.encode((8000.0 * (std::f32::consts::TAU * hz * n as f32 / 8000.0).sin()) as i16))
        .collect();
    Box::new(Speaker {
        says: Some(says),
        began: None,
        hangs_up: false,
    })
}

fn phone(codec: Codec, security: Security, hz: f32) -> Handset {
    let handset = Handset::start(Setup {
        address: (Ipv4Addr::LOCALHOST, 0).into(),
        media: Ipv4Addr::LOCALHOST.into(),
        ear: None,
        pick_up: Duration::from_millis(50),
        keys: Keys::Events,
        offering: Offering {
            security,
            ..Offering::clear(&[codec])
        },
        answers: Box::new(move |_, _| speaker(hz)),
    })
    .expect("a phone");
    handset.otherwise(Answering::Accepts);
    handset
}

/// How the call was connected, or the status that refused it; and what was heard.
fn call(from: &Handset, to: &Handset, hz: f32) -> (String, Arc<[u8]>) {
    from.call(1, to.address(), "+15125550100", None, speaker(hz));
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut how = String::new();
    while Instant::now() < deadline {
        match from.news(Duration::from_millis(100)) {
            Some((_, News::Connected { audio, .. })) => how = audio,
            Some((_, News::Refused { status, .. })) => return (status.to_string(), Arc::default()),
            Some((_, News::Ended { heard, .. })) => return (how, heard),
            _ => {}
        }
    }
    panic!("the call did not end")
}

/// The best share of the power at one frequency among stretches of half a second.
fn share(heard: &[u8], hz: f32) -> f32 {
    let step = std::f32::consts::TAU * hz / 8000.0;
    heard
        .chunks_exact(4000)
        .map(|bytes| {
            let (mut a, mut b, mut all) = (0.0_f32, 0.0_f32, 1.0_f32);
            for (n, byte) in bytes.iter().enumerate() {
                let sample = f32::from(Law::Pcmu.decode(*byte));
                a += sample * (step * n as f32).cos();
                b += sample * (step * n as f32).sin();
                all += sample * sample;
            }
            2.0 * (a * a + b * b) / 4000.0 / all
        })
        .fold(0.0, f32::max)
}

#[test]
fn every_codec_carries_sound_clear_and_encrypted() {
    for codec in Codec::ALL {
        for (security, protection) in [
            (Security::Off, "in the clear"),
            (Security::Preferred, "AES_CM_128_HMAC_SHA1_80"),
            (Security::Required, "AES_CM_128_HMAC_SHA1_80"),
        ] {
            let (one, two) = (phone(codec, security, 500.0), phone(codec, security, 900.0));
            let (how, heard) = call(&one, &two, 500.0);
            assert_eq!(how, format!("{}, {protection}", codec.name()));
            let share = share(&heard, 900.0);
            assert!(share > 0.6, "{codec:?} {security:?}: {share}");
        }
    }
}

#[test]
fn who_requires_encryption_is_not_talked_out_of_it() {
    let (clear, sealed) = (
        phone(Codec::Pcmu, Security::Off, 500.0),
        phone(Codec::Pcmu, Security::Required, 500.0),
    );
    assert_eq!(call(&clear, &sealed, 500.0).0, "488");
    assert_eq!(call(&sealed, &clear, 500.0).0, "488");
    let either = phone(Codec::Pcmu, Security::Preferred, 500.0);
    assert_eq!(call(&either, &clear, 500.0).0, "PCMU, in the clear");
    assert_eq!(call(&clear, &either, 500.0).0, "PCMU, in the clear");
}
