//! The container under every kind of hand: cut, flipped, swapped, spliced (design/recording-format.md §3, C1 to C5, C13).
#![allow(
    clippy::disallowed_methods,
    reason = "C1 starts the independent reader, a program, on files it writes"
)]
#![allow(
    clippy::indexing_slicing,
    reason = "a test that is wrong about a length should fail there"
)]

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::Command;

use proptest::prelude::*;
use seal::keys::hex;
use seal::{
    CHUNK, CHUNK_SEALED, Codec, Ending, FINAL_SEALED_MAX, FLAG_CONSENT_BEFORE_START, Fault, Fixed, HEADER, Header,
    ItemShare, Opener, REMAINDER_MAX, RecipientSecret, Sealer, SlotKind, chunk_offset, hash, open_file, rewrap,
};

/// Octets that look random and are the same in every run.
struct Stream {
    seed: u64,
    count: u64,
}

impl Stream {
    fn new(seed: u64) -> Self {
        Self { seed, count: 0 }
    }

    fn fill(&mut self, out: &mut [u8]) {
        for part in out.chunks_mut(32) {
            let block = hash(&[self.seed.to_be_bytes(), self.count.to_be_bytes()].concat());
            part.copy_from_slice(&block[..part.len()]);
            self.count += 1;
        }
    }

    fn number(&mut self, below: usize) -> usize {
        let mut octets = [0; 8];
        self.fill(&mut octets);
        usize::try_from(u64::from_be_bytes(octets) % below as u64).expect("below a usize")
    }
}

fn secret() -> RecipientSecret {
    let mut stream = Stream::new(1);
    RecipientSecret::generate(7, &mut |out| stream.fill(out))
}

fn share() -> ItemShare {
    let mut stream = Stream::new(2);
    ItemShare::generate(&mut |out| stream.fill(out))
}

fn facts(seed: u64) -> Fixed {
    let mut stream = Stream::new(seed);
    let mut draw = || {
        let mut id = [0; 16];
        stream.fill(&mut id);
        id
    };
    Fixed {
        codec: Codec::MuLaw,
        channels: 2,
        flags: FLAG_CONSENT_BEFORE_START,
        file: draw(),
        tenant: draw(),
        call: draw(),
        start_ms: 1_795_000_000_000,
        monotonic_ns: 42,
        consent: hash(b"consent"),
    }
}

struct Made {
    file: Vec<u8>,
    audio: Vec<u8>,
}

/// A file of `chunks` whole chunks and a final one with `rest` octets of audio, or none.
fn make(seed: u64, chunks: usize, rest: Option<usize>) -> Made {
    make_with(seed, chunks, rest, None)
}

fn make_with(seed: u64, chunks: usize, rest: Option<usize>, share: Option<&ItemShare>) -> Made {
    let mut stream = Stream::new(1000 + seed);
    let fixed = facts(seed);
    let (mut sealer, header) =
        Sealer::begin(&fixed, &[secret().public()], share, &mut |out| stream.fill(out)).expect("one good recipient");
    let mut audio = vec![0; chunks * CHUNK + rest.unwrap_or(0)];
    Stream::new(2000 + seed).fill(&mut audio);
    let mut file = header.to_vec();
    for plain in audio.chunks_exact(CHUNK).take(chunks) {
        let mut buffer = [0; CHUNK_SEALED];
        buffer[..CHUNK].copy_from_slice(plain);
        sealer.chunk(&mut buffer).expect("far from the limit");
        file.extend_from_slice(&buffer);
    }
    if rest.is_some() {
        let last = sealer.finish(&audio[chunks * CHUNK..], audio.len() as u64 / 2, 1_795_000_009_000);
        file.extend_from_slice(&last.expect("the rest fits"));
    }
    Made { file, audio }
}

/// What a reader gets out of a file.
fn read(file: &[u8]) -> (Vec<u8>, Result<Ending, Fault>) {
    let mut heard = Vec::new();
    let ending = open_file(&mut file.to_vec(), &secret(), None, |audio| {
        heard.extend_from_slice(audio)
    });
    (heard, ending.map(|(_, ending)| ending))
}

/// Reads one whole chunk or the end of a file at its place; `Err` when it is not authentic. Faster than the whole file.
fn read_piece(opener: &Opener, file: &[u8], index: u32) -> Result<Vec<u8>, Fault> {
    let piece = &file[usize::try_from(chunk_offset(index)).expect("small")..];
    if let Some(sealed) = piece.first_chunk::<CHUNK_SEALED>() {
        return opener.chunk(index, &mut { *sealed }).map(<[u8]>::to_vec);
    }
    opener.last(index, &mut piece.to_vec()).map(|(audio, _)| audio.to_vec())
}

#[test]
fn c1_the_independent_reader_agrees() {
    let reader = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/independent/read_container.py");
    let python = |arguments: &[&str]| {
        let output = Command::new("python3")
            .arg(&reader)
            .args(arguments)
            .output()
            .expect("python3 is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("JSON is UTF-8")
    };
    assert_eq!(python(&["--self-test"]), "ok\n", "its own vectors");

    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let key = secret().to_bytes();
    let key = std::str::from_utf8(&key)
        .expect("text")
        .lines()
        .nth(1)
        .expect("three lines")
        .to_owned();
    let kinds = [
        ("short", 0, Some(320), false),
        ("whole", 2, Some(1234), false),
        ("cut", 1, None, false),
        ("shared", 1, Some(10), true),
    ];
    for (name, chunks, rest, shared) in kinds {
        let made = make_with(3, chunks, rest, shared.then(share).as_ref());
        let path = folder.join(format!("c1-{name}.ndrec"));
        std::fs::write(&path, &made.file).expect("the test's own folder");
        let share = hex(share().secret());
        let arguments = [path.to_str().expect("a plain path"), &key, &share];
        let said = python(if shared { &arguments } else { &arguments[..2] });
        let fixed = facts(3);
        let ending = match rest {
            Some(_) => format!(
                r#""end_ms": 1795000009000, "ending": "complete", "flags": 1, "frames": {}, "#,
                made.audio.len() / 2
            ),
            None => r#""ending": "interrupted", "flags": 1, "#.to_owned(),
        };
        assert_eq!(
            said,
            format!(
                concat!(
                    r#"{{"audio": "{}", "call": "{}", "channels": 2, "chunks": {}, "codec": 0, {}"#,
                    r#""octets": {}, "start_ms": 1795000000000}}"#,
                    "\n"
                ),
                hex(&hash(&made.audio)),
                hex(&fixed.call),
                chunks,
                ending,
                made.audio.len()
            )
        );
    }
}

/// Of the shortest file: facts, first recipient, MAC. Then SHA-256 of the four files of `c1_the_independent_reader_agrees`,
/// and the first recipient of the last of them.
const KNOWN: [&str; 8] = [
    "8943465245430d0a000100040002000100001f4000001f402b7ebe6c2639dc181ae42be423f1e1324221aa56a46373f01489ce80f44552fa0b2d48717d29b579226a7c52e19a15a5000001a1ee565e00000000000000002a12423e0482f3e81cb1d23230664e95bb3d11b9f34f06fc199e588d4cdab6e4d40000000000000000",
    "00010000000781019838d74cce3b55dbd1dca5550110202f3f9bd1dde0f65f8781403561daa4cfa21d881f95be6e3ca66f7bb3c6f77c87fe295a0535425e3b69686c6da045ebd2e2c414faf293350c6dc622383dfec310d4b9ac395b4a9856bd375c2ebda15b000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
    "f60cf56db538d08f426c85632cf6b5eabfe49c987891e2fe70c39860aa387b92",
    "c7f9daacb74b66c9edc91d2ffcd3bb07930b64315f6546d3ee7806f1acfc7b39",
    "1d663b4fc3a0c30b86a1f76b669069e89666e56807bb4bcce2ed1827354e4a0e",
    "234ce56cd35595343858020a32b315a1013631c8792173253cff865d19bdbb64",
    "90432f420d0d16042939f5504465172edeea7f8fcf69475edfd980f75f75a25d",
    "00020000000781019838d74cce3b55dbd1dca5550110202f3f9bd1dde0f65f8781403561daa4cfa21d881f95be6e3ca66f7bb3c6f77c723f83d50a19ffc7f574745f6fceb751583beafe3f220d36dc0594f12ac15cb39131e772de2633c38bd8c347d8c330f0000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
];

/// The files the independent reader has agreed with; a change here is a change of the format on disk.
#[test]
fn c1_known_answers() {
    let short = make(3, 0, Some(320)).file;
    let shared = make_with(3, 1, Some(10), Some(&share())).file;
    let answers = [
        hex(&short[..128]),
        hex(&short[128..272]),
        hex(&short[1024..HEADER]),
        hex(&hash(&short)),
        hex(&hash(&make(3, 2, Some(1234)).file)),
        hex(&hash(&make(3, 1, None).file)),
        hex(&hash(&shared)),
        hex(&shared[128..272]),
    ];
    assert_eq!(answers, KNOWN);
}

#[test]
fn c2_every_cut_is_an_exact_prefix() {
    let made = make(4, 5, Some(700));
    let whole = made.file.len();
    let opener = Opener::new(&Header::parse(&made.file).expect("ours"), &secret(), None).expect("our key");
    // The pieces of the last three chunks, opened once each; what a cut leaves of a piece is tried on its own.
    let third_last = usize::try_from(chunk_offset(3)).expect("small");
    for length in third_last..whole {
        let payload = length - HEADER;
        let (chunks, torn) = (payload / CHUNK_SEALED, payload % CHUNK_SEALED);
        let mut tail = made.file[length - torn..length].to_vec();
        let index = u32::try_from(chunks).expect("small");
        if length % 997 == 0 || !(3..CHUNK_SEALED - 3).contains(&torn) {
            // The long way, sound compared octet by octet.
            let (heard, ending) = read(&made.file[..length]);
            assert_eq!(heard, made.audio[..chunks * CHUNK]);
            assert_eq!(
                ending,
                Ok(Ending::Interrupted {
                    chunks: index,
                    torn: u32::try_from(torn).expect("small")
                })
            );
        } else {
            // The short way: the end is not taken for an end.
            assert_eq!(
                opener.last(index, &mut tail).err(),
                Some(Fault::RefusedChunk { index }),
                "{length}"
            );
        }
    }
    assert!(matches!(read(&made.file).1, Ok(Ending::Complete { chunks: 5, .. })));
    let mut places = Stream::new(5);
    for _ in 0..1000 {
        let length = places.number(whole);
        let (heard, ending) = read(&made.file[..length]);
        if length < HEADER {
            assert_eq!(
                (heard.len(), ending),
                (0, Err(Fault::MalformedHeader("shorter than a header")))
            );
        } else {
            let chunks = (length - HEADER) / CHUNK_SEALED;
            assert_eq!(heard, made.audio[..chunks * CHUNK]);
            assert!(matches!(ending, Ok(Ending::Interrupted { chunks: c, .. }) if c as usize == chunks));
        }
    }
}

#[test]
fn c3_every_flipped_bit_is_found() {
    let made = make(6, 3, Some(100));
    let secret = secret();
    // Every bit of the header.
    for bit in 0..HEADER * 8 {
        let mut file = made.file[..HEADER].to_vec();
        file[bit / 8] ^= 1 << (bit % 8);
        let opened = Header::parse(&file).and_then(|header| Opener::new(&header, &secret, None).map(drop));
        assert!(opened.is_err(), "bit {bit} of the header");
    }
    // Every bit of the first two chunks.
    let opener = Opener::new(&Header::parse(&made.file).expect("ours"), &secret, None).expect("our key");
    for index in 0..2_u32 {
        let start = usize::try_from(chunk_offset(index)).expect("small");
        let sealed: [u8; CHUNK_SEALED] = made.file[start..start + CHUNK_SEALED].try_into().expect("a chunk");
        for bit in 0..CHUNK_SEALED * 8 {
            let mut flipped = sealed;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                opener.chunk(index, &mut flipped),
                Err(Fault::RefusedChunk { index }),
                "bit {bit}"
            );
        }
    }
    // And elsewhere. A flip in the final chunk leaves a file that is not complete any more.
    let mut places = Stream::new(7);
    let rest = usize::try_from(chunk_offset(2)).expect("small");
    for _ in 0..10_000 {
        let place = rest + places.number(made.file.len() - rest);
        let mut file = made.file.clone();
        file[place] ^= 1 << places.number(8);
        let index = u32::try_from((place - HEADER) / CHUNK_SEALED).expect("small");
        assert!(read_piece(&opener, &file, index).is_err(), "octet {place}");
    }
    let mut end_flipped = made.file.clone();
    *end_flipped.last_mut().expect("long") ^= 1;
    assert_eq!(read(&end_flipped).1, Ok(Ending::Interrupted { chunks: 3, torn: 164 }));
}

#[test]
fn c4_chunks_cannot_change_places() {
    let made = make(8, 4, Some(100));
    let other = make(9, 4, Some(100));
    let piece = |file: &[u8], index: usize| file[HEADER + index * CHUNK_SEALED..][..CHUNK_SEALED].to_vec();
    let assemble = |head: &[u8], order: &[Vec<u8>], tail: &[u8]| [head, &order.concat(), tail].concat();
    let head = &made.file[..HEADER];
    let tail = &made.file[HEADER + 4 * CHUNK_SEALED..];
    let pieces: Vec<_> = (0..4).map(|index| piece(&made.file, index)).collect();
    assert!(
        matches!(read(&assemble(head, &pieces, tail)).1, Ok(Ending::Complete { .. })),
        "untouched"
    );

    // Every order but the right one, every duplicate: each choice of four pieces out of four.
    for choice in 0..256_usize {
        let order: Vec<usize> = (0..4).map(|place| choice >> (2 * place) & 3).collect();
        let wrong = order.iter().zip(0..).position(|(piece, place)| *piece != place);
        let chosen: Vec<_> = order.iter().map(|index| pieces[*index].clone()).collect();
        let (heard, ending) = read(&assemble(head, &chosen, tail));
        match wrong {
            None => assert!(matches!(ending, Ok(Ending::Complete { .. }))),
            Some(place) => {
                let index = u32::try_from(place).expect("small");
                assert_eq!(ending, Err(Fault::RefusedChunk { index }), "{order:?}");
                assert_eq!(heard, made.audio[..place * CHUNK]);
            }
        }
    }
    // Dropped: from the middle, or the last before the end.
    for dropped in 0..4 {
        let mut left = pieces.clone();
        left.remove(dropped);
        let (heard, ending) = read(&assemble(head, &left, tail));
        assert!(!matches!(ending, Ok(Ending::Complete { .. })), "{dropped}");
        assert_eq!(heard, made.audio[..dropped * CHUNK]);
    }
    // Spliced between two files of the same key, any piece and the end.
    for place in 0..4 {
        let mut spliced = pieces.clone();
        spliced[place] = piece(&other.file, place);
        let index = u32::try_from(place).expect("small");
        assert_eq!(
            read(&assemble(head, &spliced, tail)).1,
            Err(Fault::RefusedChunk { index })
        );
    }
    let foreign_end = assemble(head, &pieces, &other.file[HEADER + 4 * CHUNK_SEALED..]);
    assert!(matches!(
        read(&foreign_end).1,
        Ok(Ending::Interrupted { chunks: 4, torn: 164 })
    ));
    // A whole head from the other file: its key opens nothing here.
    assert_eq!(
        read(&assemble(&other.file[..HEADER], &pieces, tail)).1,
        Err(Fault::RefusedChunk { index: 0 })
    );
    // Slots and MAC of the other file under the facts of this one.
    let grafted = [&made.file[..128], &other.file[128..HEADER]].concat();
    assert_eq!(read(&assemble(&grafted, &pieces, tail)).1, Err(Fault::RefusedKey));
}

#[test]
fn c5_the_end_is_where_it_was_put() {
    // Short, middle and the longest there is.
    for rest in [0, 100, REMAINDER_MAX - 1] {
        let made = make(10, 3, Some(rest));
        let end = HEADER + 3 * CHUNK_SEALED;
        let last = &made.file[end..];
        let complete = |file: &[u8]| matches!(read(file).1, Ok(Ending::Complete { .. }));
        assert!(complete(&made.file));
        assert!(!complete(&[&made.file, last].concat()), "twice");
        assert!(!complete(&[&made.file, [0].as_slice()].concat()), "with more behind it");
        for forward in 0..3 {
            let moved = [&made.file[..HEADER + forward * CHUNK_SEALED], last].concat();
            assert!(!complete(&moved), "moved to {forward}");
        }
        // An audio chunk is no end, whatever its length is cut to, and an end no audio.
        let opener = Opener::new(&Header::parse(&made.file).expect("ours"), &secret(), None).expect("our key");
        assert!(
            opener
                .last(0, &mut made.file[HEADER..HEADER + CHUNK_SEALED].to_vec())
                .is_err()
        );
        assert!(
            opener
                .last(0, &mut made.file[HEADER..HEADER + FINAL_SEALED_MAX].to_vec())
                .is_err()
        );
        let mut stretched = [0; CHUNK_SEALED];
        stretched[..last.len()].copy_from_slice(last);
        assert!(opener.chunk(3, &mut stretched).is_err());
    }
}

/// A final chunk that is authentic but was made over a wrong count can only come from a holder of the key; it is
/// refused all the same.
#[test]
fn an_end_that_does_not_fit_is_refused() {
    for frames in [0, 49, 51, 4000 + 49, u64::MAX] {
        let mut stream = Stream::new(11);
        let (mut sealer, header) =
            Sealer::begin(&facts(11), &[secret().public()], None, &mut |out| stream.fill(out)).expect("good");
        let mut buffer = [0; CHUNK_SEALED];
        sealer.chunk(&mut buffer).expect("good");
        let last = sealer.finish(&[0; 100], frames, 0).expect("good");
        let file = [header.as_slice(), &buffer, &last].concat();
        assert_eq!(read(&file).1, Err(Fault::RefusedFinal), "{frames}");
    }
}

/// No pair of key and nonce twice: within a file every index and kind is used once, and the key of a file is drawn when
/// it is begun, even for the same facts at the same time on a cloned machine.
#[test]
fn c13_every_file_has_its_own_key() {
    let mut seen = HashSet::new();
    let mut entropy = Stream::new(12);
    for _ in 0..500 {
        let (mut sealer, _) =
            Sealer::begin(&facts(12), &[secret().public()], None, &mut |out| entropy.fill(out)).expect("good");
        // The same plaintext under the same key and nonce would be the same ciphertext.
        for _ in 0..4 {
            let mut buffer = [0; CHUNK_SEALED];
            sealer.chunk(&mut buffer).expect("good");
            assert!(seen.insert(buffer[..32].to_vec()));
        }
        let last = sealer.finish(&[0; 64], 0, 0).expect("good");
        assert!(seen.insert(last[..32].to_vec()));
    }
}

#[test]
fn a_file_opens_for_its_recipients_and_nobody_else() {
    let mut stream = Stream::new(13);
    let keys: Vec<_> = (0..6)
        .map(|epoch| RecipientSecret::generate(epoch, &mut |out| stream.fill(out)))
        .collect();
    let publics: Vec<_> = keys.iter().map(RecipientSecret::public).collect();
    let (sealer, header) = Sealer::begin(&facts(13), &publics, None, &mut |out| stream.fill(out)).expect("six");
    let file = [header.as_slice(), &sealer.finish(b"ab", 1, 0).expect("good")].concat();
    for key in &keys {
        let mut heard = Vec::new();
        open_file(&mut file.clone(), key, None, |audio| heard.extend_from_slice(audio)).expect("one of the six");
        assert_eq!(heard, b"ab");
    }
    assert_eq!(
        open_file(&mut file.clone(), &secret(), None, |_| {}).err(),
        Some(Fault::RefusedKey)
    );
    let slots = Header::parse(&file).expect("ours").slots;
    assert_eq!(
        slots.iter().map(|slot| slot.epoch).collect::<Vec<_>>(),
        [0, 1, 2, 3, 4, 5]
    );
    assert!(
        slots
            .iter()
            .zip(&publics)
            .all(|(slot, public)| slot.key_id == public.id())
    );

    let mut none = |_: &mut [u8]| {};
    assert_eq!(
        Sealer::begin(&facts(13), &[], None, &mut none).err(),
        Some(Fault::MisuseRecipients(0))
    );
    let seven = [publics.as_slice(), &publics[..1]].concat();
    assert_eq!(
        Sealer::begin(&facts(13), &seven, None, &mut none).err(),
        Some(Fault::MisuseRecipients(7))
    );
}

/// Proves RET-02, RET-06: a file sealed with a share opens with the recipient's key and that share together, and with neither alone.
#[test]
fn a_file_with_a_share_stays_shut_without_it() {
    let made = make_with(16, 1, Some(100), Some(&share()));
    let header = Header::parse(&made.file).expect("ours");
    assert!(header.asks_for_share());
    let open = |share: Option<&ItemShare>| open_file(&mut made.file.clone(), &secret(), share, |_| {}).map(drop);
    assert_eq!(open(Some(&share())), Ok(()));
    assert_eq!(open(None), Err(Fault::RefusedShare));
    let mut near = *share().secret();
    near[31] ^= 1;
    assert_eq!(open(Some(&ItemShare::new(near.into()))), Err(Fault::RefusedKey));
    // Turned into a slot of the older kind it does not open either, and a share does not hurt a file that has none.
    let mut turned = made.file.clone();
    turned[129] = 1;
    assert_eq!(
        open_file(&mut turned, &secret(), None, |_| {}).err(),
        Some(Fault::RefusedKey)
    );
    let plain = make(16, 1, Some(100));
    assert!(open_file(&mut plain.file.clone(), &secret(), Some(&share()), |_| {}).is_ok());
}

/// C11, one file: for other keys a new header is written; facts and payload stay as they are, and the old key is out.
#[test]
fn c11_a_header_is_made_anew_for_other_keys() {
    let mut stream = Stream::new(17);
    let next = RecipientSecret::generate(8, &mut |out| stream.fill(out));
    for share in [None, Some(share())] {
        let made = make_with(17, 2, Some(100), share.as_ref());
        let header = Header::parse(&made.file).expect("ours");
        let to = [next.public()];
        let again = rewrap(&header, &secret(), share.as_ref(), &to, share.as_ref(), &mut |out| {
            stream.fill(out)
        });
        let file = [again.expect("our key").as_slice(), &made.file[HEADER..]].concat();
        assert_eq!(file[..128], made.file[..128]);
        let mut heard = Vec::new();
        let opened = open_file(&mut file.clone(), &next, share.as_ref(), |audio| {
            heard.extend_from_slice(audio)
        });
        assert!(matches!(opened, Ok((_, Ending::Complete { .. }))));
        assert_eq!(heard, made.audio);
        assert_eq!(
            open_file(&mut file.clone(), &secret(), share.as_ref(), |_| {}).err(),
            Some(Fault::RefusedKey)
        );
        let kind = if share.is_some() {
            SlotKind::Shared
        } else {
            SlotKind::Base
        };
        assert!(
            Header::parse(&file)
                .expect("ours")
                .slots
                .iter()
                .all(|slot| slot.kind == kind)
        );
        // Who could not open it cannot wrap it.
        let refused = rewrap(&header, &next, share.as_ref(), &to, None, &mut |out| stream.fill(out));
        assert_eq!(refused.err(), Some(Fault::RefusedKey));
    }
}

#[test]
fn a_rest_that_does_not_fit_is_refused() {
    let mut stream = Stream::new(14);
    let (sealer, _) = Sealer::begin(&facts(14), &[secret().public()], None, &mut |out| stream.fill(out)).expect("good");
    let long = vec![0; REMAINDER_MAX + 1];
    assert_eq!(
        sealer.finish(&long, 0, 0).err(),
        Some(Fault::MisuseRemainder(REMAINDER_MAX + 1))
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    /// C14, the small one: any octets are read or refused.
    #[test]
    fn the_reader_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
        let _ = Header::parse(&bytes);
        let opened = open_file(&mut bytes, &secret(), None, |_| {}).is_ok();
        prop_assert!(!opened);
    }

    /// And octets that begin like a file of ours and go on in any way.
    #[test]
    fn whatever_follows_a_good_header_is_no_sound(
        mut tail in proptest::collection::vec(any::<u8>(), 0..2 * CHUNK_SEALED),
        place in 0..HEADER,
        value in any::<u8>(),
    ) {
        let header = make(15, 0, None).file;
        let opener = Opener::new(&Header::parse(&header).expect("ours"), &secret(), None).expect("our key");
        let mut heard = 0;
        let ending = opener.read(&mut tail, |audio| heard += audio.len());
        let complete = matches!(ending, Ok(Ending::Complete { .. }));
        prop_assert!(!complete);
        prop_assert_eq!(heard, 0);
        let mut changed = header.clone();
        changed[place] = value;
        prop_assert_eq!(open_file(&mut changed, &secret(), None, |_| {}).is_ok(), changed == header);
    }
}
