//! What sealing costs: two chunks are a second of a call (media-plane.md: 6 µs).

use divan::Bencher;
use divan::counter::BytesCount;
use seal::{CHUNK, CHUNK_SEALED, Codec, Fixed, Hasher, RecipientSecret, Sealer};

fn main() {
    divan::main();
}

fn begin() -> Sealer {
    let secret = RecipientSecret::generate(1, &mut |out| out.fill(1));
    let fixed = Fixed {
        codec: Codec::MuLaw,
        channels: 2,
        flags: 0,
        file: [1; 16],
        tenant: [2; 16],
        call: [3; 16],
        start_ms: 0,
        monotonic_ns: 0,
        consent: [4; 32],
    };
    Sealer::begin(&fixed, &[secret.public()], None, &mut |out| out.fill(5))
        .expect("one recipient")
        .0
}

/// A second of a call, sealed.
#[divan::bench]
fn seal_a_second(bencher: Bencher<'_, '_>) {
    let mut sealer = begin();
    let mut buffer = [0; CHUNK_SEALED];
    bencher.counter(BytesCount::new(2 * CHUNK)).bench_local(|| {
        sealer.chunk(&mut buffer).expect("far from the limit");
        sealer.chunk(&mut buffer).expect("far from the limit");
    });
}

/// And hashed for the ledger.
#[divan::bench]
fn hash_a_second(bencher: Bencher<'_, '_>) {
    let mut hasher = Hasher::new();
    let buffer = [0; CHUNK_SEALED];
    bencher.counter(BytesCount::new(2 * CHUNK_SEALED)).bench_local(|| {
        hasher.update(&buffer);
        hasher.update(&buffer);
    });
}

/// The start of a recording: a file key drawn and wrapped for one recipient.
#[divan::bench]
fn begin_a_recording() -> Sealer {
    begin()
}
