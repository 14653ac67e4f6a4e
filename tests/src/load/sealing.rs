//! What sealing costs on a core, now: recorded calls of a minute, sealed as the engine's vault does it and nothing else.
//!
//! A file key drawn and wrapped for the month's recipient and a share, the share written to its folder and synced; two chunks
//! a second sealed, and hashed for the book; the waveform sealed; the final chunk. Two hundred calls take turns, chunk by
//! chunk, so that no key schedule stays warm in a cache. Set beside a whole recorded call's cost in the same minute it says
//! which share of that call sealing is. Counting the waveform's peaks is no sealing, nor is writing the recording.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read};
use std::path::Path;

use keyring::Shares;
use seal::{CHUNK_SEALED, Codec, Fixed, Hasher, ItemShare, Month, RecipientSecret, SAMPLE_RATE, Sealer};

use super::floor::spent;

/// Calls that take turns.
const CALLS: usize = 200;
/// How long each is. Shorter calls would pay more for their beginning; most are longer.
const SECONDS: u32 = 60;
/// Chunks of a second: two channels of an octet a sample.
const CHUNKS_PER_SECOND: u32 = 2 * SAMPLE_RATE / seal::CHUNK as u32;
/// A waveform's octets: 1024 steps of two sides, and its head.
const PEAKS: usize = 2 * 1024 + 8;
/// Most of a recorded call's processor time that may be sealing.
pub(crate) const SHARE_MAX: f64 = 0.05;

/// Processor seconds that sealing costs for a thousand minutes of recorded calls, on the core this runs on. The shares go
/// into a folder below `folder`, which is taken away again.
pub(crate) fn measure(folder: &Path) -> io::Result<f64> {
    std::fs::create_dir_all(folder)?;
    let keys = tempfile::tempdir_in(folder)?;
    let shares = Shares::in_keys(keys.path());
    let mut random = File::open("/dev/urandom")?;
    let mut broken = None;
    let mut draw = |out: &mut [u8]| {
        if let Err(error) = random.read_exact(out) {
            broken = Some(error);
        }
    };
    let recipients = [RecipientSecret::generate(1, &mut draw).public()];
    let month = Month::of_unix_ms(0);
    let wrong = io::Error::other::<seal::Fault>;
    let began = spent()?;
    let mut calls = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let mut file = [0; 16];
        draw(&mut file);
        let fixed = Fixed {
            codec: Codec::MuLaw,
            channels: 2,
            flags: 0,
            file,
            tenant: [1; 16],
            call: [2; 16],
            start_ms: 0,
            monotonic_ns: 0,
            consent: [3; 32],
        };
        let share = ItemShare::generate(&mut draw);
        let (sealer, header) = Sealer::begin(&fixed, &recipients, Some(&share), &mut draw).map_err(wrong)?;
        for path in shares.keep(month, &file, &share)? {
            File::open(path)?.sync_all()?;
        }
        let mut sha256 = Hasher::new();
        sha256.update(&header[..seal::FIXED]);
        calls.push((sealer, sha256, Box::new([0x55; CHUNK_SEALED])));
    }
    for _ in 0..SECONDS * CHUNKS_PER_SECOND {
        for (sealer, sha256, buffer) in &mut calls {
            sealer.chunk(buffer).map_err(wrong)?;
            sha256.update(buffer.as_slice());
        }
    }
    for (mut sealer, mut sha256, buffer) in calls {
        black_box(sealer.peaks(&[7; PEAKS]).map_err(wrong)?);
        let last = sealer.finish(
            buffer.split_at(seal::REMAINDER_MAX).0,
            u64::from(SECONDS * SAMPLE_RATE),
            0,
        );
        sha256.update(&last.map_err(wrong)?);
        black_box(sha256.finish());
    }
    let worked = spent()? - began;
    if let Some(error) = broken {
        return Err(error);
    }
    Ok(worked.as_secs_f64() / (CALLS as f64 * f64::from(SECONDS) / 60.0) * 1000.0)
}
