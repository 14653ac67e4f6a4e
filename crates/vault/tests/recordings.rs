//! Recordings from their first sample to somebody's ears.
#![allow(
    clippy::disallowed_methods,
    reason = "these tests look at, cut and change the files of a vault"
)]
#![allow(
    clippy::indexing_slicing,
    reason = "a test that is wrong about a length should fail there"
)]

mod common;

use std::path::{Path, PathBuf};

use common::{START_MS, caller, new, open, other, receipt, speak};
use proptest::prelude::*;
use seal::{CHUNK, CHUNK_SEALED, Codec, Ending, HEADER, RecipientSecret};
use vault::{Expected, Fault, FileId, Kind, NewRecording, Sealed, State, Vault, Verdict};

fn expected(sealed: &Sealed) -> Expected {
    Expected {
        complete: true,
        bytes: sealed.bytes,
        sha256: sealed.sha256,
    }
}

/// Records one call of `frames` frames.
fn record(vault: &mut Vault, which: u64, frames: u64) -> Sealed {
    let mut writer = vault.begin(&new(Kind::Call)).expect("a good disk");
    speak(&mut writer, which, frames).expect("a good disk");
    writer.finish(START_MS + 1).expect("a good disk")
}

fn heard(vault: &Vault, id: FileId) -> (Vec<u8>, Vec<u8>, Ending) {
    let audio = vault.read(id, &receipt(id), &common::key()).expect("authentic");
    (audio.caller().collect(), audio.other().collect(), audio.ending())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            out.extend(files(&path))
        } else {
            out.push(path)
        }
    }
    out
}

/// Lengths around every boundary: nothing, one sample, a packet, a chunk, the longest rest, and one more than that.
#[test]
fn what_was_said_is_heard() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut vault = open(folder.path(), 1);
    for frames in [0, 1, 160, 3975, 3976, 3999, 4000, 4001, 7975, 7976, 8000, 25_000] {
        let sealed = record(&mut vault, 3, frames);
        assert_eq!((sealed.frames, sealed.silent_frames), (frames, 0));
        let (left, right, ending) = heard(&vault, sealed.id);
        assert_eq!(
            left,
            (0..frames).map(|frame| caller(3, frame)).collect::<Vec<_>>(),
            "{frames}"
        );
        assert_eq!(
            right,
            (0..frames).map(|frame| other(3, frame)).collect::<Vec<_>>(),
            "{frames}"
        );
        assert_eq!(
            ending,
            Ending::Complete {
                chunks: sealed.chunks,
                frames,
                end_ms: START_MS + 1
            }
        );
        for secret in [None, Some(common::key())] {
            for expected in [None, Some(expected(&sealed))] {
                let verdict = vault
                    .verify(sealed.id, expected.as_ref(), secret.as_ref())
                    .expect("readable");
                assert!(matches!(verdict, Verdict::Good { .. }), "{frames}: {verdict:?}");
            }
        }
        let listed = vault.find(sealed.id).expect("there");
        assert_eq!(
            (listed.state, listed.kind, listed.bytes),
            (State::Complete, Kind::Call, sealed.bytes)
        );
        assert!(listed.duration_ms.abs_diff(frames / 8) <= 500);
    }
    assert_eq!(vault.list().expect("readable").0.len(), 12);
}

#[test]
fn a_clip_has_one_channel() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut vault = open(folder.path(), 1);
    let mut writer = vault
        .begin(&NewRecording {
            codec: Codec::ALaw,
            ..new(Kind::Clip)
        })
        .expect("a good disk");
    speak(&mut writer, 4, 12_345).expect("a good disk");
    let id = writer.finish(START_MS + 1543).expect("a good disk").id;
    let audio = vault.read(id, &receipt(id), &common::key()).expect("authentic");
    assert_eq!(
        (audio.kind(), audio.codec(), audio.frames()),
        (Kind::Clip, Codec::ALaw, 12_345)
    );
    assert!(audio.caller().eq((0..12_345).map(|frame| caller(4, frame))));
    assert_eq!(audio.other().count(), 0);
    assert_eq!(vault.find(id).expect("there").kind, Kind::Clip);
}

#[test]
fn where_nothing_was_heard_there_is_silence() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut vault = open(folder.path(), 1);
    let mut writer = vault.begin(&new(Kind::Call)).expect("a good disk");
    writer.push(&[1, 2, 3], &[]).expect("a good disk");
    writer.push(&[], &[4]).expect("a good disk");
    assert_eq!(writer.fill_to(9000).expect("a good disk"), 8996);
    assert_eq!(writer.fill_to(100).expect("a good disk"), 0, "time does not go back");
    writer.push(&[5], &[6]).expect("a good disk");
    let sealed = writer.finish(0).expect("a good disk");
    assert_eq!((sealed.frames, sealed.silent_frames), (9001, 8996));
    let (left, right, _) = heard(&vault, sealed.id);
    let silence = Codec::MuLaw.silence();
    assert_eq!(
        (&left[..4], &right[..4]),
        ([1, 2, 3, silence].as_slice(), [silence, silence, silence, 4].as_slice())
    );
    assert!(
        left[4..9000]
            .iter()
            .chain(&right[4..9000])
            .all(|octet| *octet == silence)
    );
    assert_eq!((left[9000], right[9000]), (5, 6));
    let mut writer = vault.begin(&new(Kind::Call)).expect("a good disk");
    assert_eq!(writer.fill_to(u64::MAX).expect("a good disk"), vault::GAP_FRAMES_MAX);
}

/// Proves SEC-11, INT-10: from its first octet on a recording is sealed.
#[test]
fn no_sound_is_on_the_disk_unsealed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut vault = open(folder.path(), 1);
    let mut writer = vault.begin(&new(Kind::Call)).expect("a good disk");
    // Both sides say the same, so that the planted words would stand in the file if it were not sealed.
    let planted = b"planted words nobody may find on a disk ";
    for _ in 0..1000 {
        writer.push(planted, planted).expect("a good disk");
    }
    let interleaved: Vec<u8> = planted.iter().flat_map(|octet| [*octet, *octet]).collect();
    let search = || {
        for path in files(folder.path()) {
            let bytes = std::fs::read(&path).expect("readable");
            for needle in [&planted[..8], &interleaved[..8]] {
                assert!(!bytes.windows(8).any(|window| window == needle), "{}", path.display());
            }
        }
    };
    search();
    writer.finish(0).expect("a good disk");
    search();
}

#[test]
fn a_wav_has_the_caller_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut vault = open(folder.path(), 1);
    let mut writer = vault.begin(&new(Kind::Call)).expect("a good disk");
    // Loudest negative and positive mu-law.
    writer.push(&[0x00; 500], &[0x80; 500]).expect("a good disk");
    let id = writer.finish(0).expect("a good disk").id;
    let path = folder.path().join("out.wav");
    let before = files(folder.path()).len();
    vault
        .export_wav(id, &receipt(id), &common::key(), &path)
        .map(drop)
        .expect("a good disk");
    assert_eq!(files(folder.path()).len(), before + 1, "the WAV and nothing else");
    let mut wav = hound::WavReader::open(path).expect("a WAV");
    assert_eq!(
        (wav.spec().channels, wav.spec().sample_rate, wav.spec().bits_per_sample),
        (2, 8000, 16)
    );
    let samples: Vec<i16> = wav.samples().map(|sample| sample.expect("a sample")).collect();
    assert_eq!(samples.len(), 1000);
    assert!(samples.chunks(2).all(|frame| frame == [-32124, 32124]));
}

#[test]
fn a_receipt_opens_its_recording_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut vault = open(folder.path(), 1);
    let (one, two) = (record(&mut vault, 1, 100).id, record(&mut vault, 2, 100).id);
    assert!(matches!(
        vault.read(one, &receipt(two), &common::key()),
        Err(Fault::RefusedReceipt)
    ));
    let stranger = vault::Key::from(RecipientSecret::generate(1, &mut |out| out.fill(9)));
    let refused = vault.read(one, &receipt(one), &stranger);
    assert!(matches!(refused, Err(Fault::Seal(seal::Fault::RefusedKey))));
    assert!(matches!(
        vault.verify(one, None, Some(&stranger)),
        Ok(Verdict::ChangedHeader)
    ));
    let nobody = FileId([0; 16]);
    assert!(matches!(
        vault.read(nobody, &receipt(nobody), &common::key()),
        Err(Fault::RefusedUnknown(_))
    ));
    assert_eq!(one.to_string().parse::<FileId>().expect("its own name"), one);
    assert!("xyz".parse::<FileId>().is_err());
}

/// A vault without public keys reads; it cannot record.
#[test]
fn nothing_is_recorded_for_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut vault = Vault::open(folder.path(), Vec::new(), common::draw(1)).expect("a folder");
    assert!(matches!(
        vault.begin(&new(Kind::Call)),
        Err(Fault::Seal(seal::Fault::MisuseRecipients(0)))
    ));
    assert!(files(folder.path()).is_empty());
}

#[test]
fn chunks_are_on_the_disk_soon() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut vault = open(folder.path(), 1);
    let mut writer = vault.begin(&new(Kind::Call)).expect("a good disk");
    speak(&mut writer, 1, 3 * 4000 + 17).expect("a good disk");
    writer.sync().expect("a good disk");
    assert_eq!(writer.durable_frames(), 3 * 4000);
    assert!(!writer.is_behind() && !writer.is_stopped());
    // Without asking for it, too.
    speak(&mut writer, 1, 8000).expect("a good disk");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while writer.durable_frames() < 5 * 4000 {
        assert!(std::time::Instant::now() < deadline, "nobody syncs");
        std::thread::yield_now();
    }
}

/// Dropped in the middle: what the engine leaves behind when it is killed. Recovery needs no key.
#[test]
fn an_interrupted_recording_is_cut_to_whole_chunks() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut vault = open(folder.path(), 1);
    let mut writer = vault.begin(&new(Kind::Call)).expect("a good disk");
    let id = writer.id();
    speak(&mut writer, 5, 4000 * 3 + 1234).expect("a good disk");
    assert_eq!(vault.find(id).expect("there").state, State::Recording);
    assert!(vault.recover().expect("readable").0.is_empty(), "it is being written");
    assert!(matches!(vault.verify(id, None, None), Err(Fault::RefusedBusy(_))));
    drop(writer);
    // The syncing thread may still hold the file for a moment, and with it the lock.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while vault.find(id).expect("there").state == State::Recording {
        assert!(std::time::Instant::now() < deadline, "nobody lets go");
    }
    assert_eq!(vault.find(id).expect("there").state, State::Abandoned);
    let part = vault.find(id).expect("there").path;
    let mut torn = std::fs::read(&part).expect("readable");
    torn.extend_from_slice(&[7; 777]);
    std::fs::write(&part, torn).expect("the test's folder");

    let keyless = Vault::open(folder.path().join("recordings"), Vec::new(), common::draw(2)).expect("a folder");
    let (interrupted, troubles) = keyless.recover().expect("readable");
    assert!(troubles.is_empty());
    let [only] = interrupted.as_slice() else {
        panic!("one: {interrupted:?}")
    };
    assert_eq!(
        (only.id, only.call, only.chunks, only.frames, only.torn),
        (id, [2; 16], 3, 12_000, 777)
    );
    assert_eq!(only.bytes, (HEADER + 3 * CHUNK_SEALED) as u64);
    assert!(keyless.recover().expect("readable").0.is_empty(), "once is enough");
    assert_eq!(keyless.find(id).expect("there").state, State::Interrupted);
    let (left, right, ending) = heard(&keyless, id);
    assert!(left.iter().copied().eq((0..12_000).map(|frame| caller(5, frame))));
    assert!(right.iter().copied().eq((0..12_000).map(|frame| other(5, frame))));
    assert_eq!(ending, Ending::Interrupted { chunks: 3, torn: 0 });
    let said = Expected {
        complete: false,
        bytes: only.bytes,
        sha256: only.sha256,
    };
    for secret in [None, Some(common::key())] {
        let verdict = keyless.verify(id, Some(&said), secret.as_ref()).expect("readable");
        assert!(matches!(verdict, Verdict::Good { .. }), "{verdict:?}");
    }
}

/// Whatever a crash left of the file being written, from nothing to all of it: recovery takes it.
#[test]
fn recovery_takes_a_file_of_any_length() {
    let made = tempfile::tempdir().expect("a folder");
    let id = record(&mut open(made.path(), 1), 6, 4000 * 2 + 100).id;
    let whole = std::fs::read(&files(made.path())[0]).expect("readable");
    let lengths = (0..whole.len()).filter(|length| {
        length % 1009 == 0
            || (length + 2 - HEADER.min(length + 2)) % CHUNK_SEALED < 5 && length % 2 == 0
            || *length > whole.len() - 12
    });
    for length in lengths {
        let folder = tempfile::tempdir().expect("a folder");
        let vault = open(folder.path(), 1);
        let month = folder.path().join("recordings/2026-11");
        std::fs::create_dir(&month).expect("the test's folder");
        std::fs::write(month.join(format!("{id}.ndrec.part")), &whole[..length]).expect("the test's folder");
        let (interrupted, troubles) = vault.recover().expect("readable");
        assert!(troubles.is_empty(), "{length}");
        if length < HEADER {
            assert!(
                interrupted.is_empty() && files(folder.path()).is_empty(),
                "{length}: there was no sound in it"
            );
            continue;
        }
        let chunks = (length - HEADER) / CHUNK_SEALED;
        let frames = (chunks * CHUNK / 2) as u64;
        assert_eq!(interrupted[0].frames, frames, "{length}");
        let (left, _, ending) = heard(&vault, id);
        assert!(
            left.into_iter().eq((0..frames).map(|frame| caller(6, frame))),
            "{length}"
        );
        assert_eq!(
            ending,
            Ending::Interrupted {
                chunks: u32::try_from(chunks).expect("small"),
                torn: 0
            }
        );
    }
}

/// Proves SEC-17: a changed bit of a recording is found, by its hash in the book and by the key.
#[test]
fn what_was_changed_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut vault = open(folder.path(), 1);
    let sealed = record(&mut vault, 7, 4000 * 3 + 50);
    let foreign = record(&mut vault, 8, 4000 * 3 + 50);
    let path = vault.find(sealed.id).expect("there").path;
    let whole = std::fs::read(&path).expect("readable");
    let stranger = std::fs::read(vault.find(foreign.id).expect("there").path).expect("readable");
    let said = expected(&sealed);
    let look = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("the test's folder");
        let keyless = vault.verify(sealed.id, Some(&said), None).expect("readable");
        let with_key = vault.verify(sealed.id, None, Some(&common::key())).expect("readable");
        let with_both = vault
            .verify(sealed.id, Some(&said), Some(&common::key()))
            .expect("readable");
        (keyless, with_key, with_both)
    };
    let flip = |place: usize| {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        bytes
    };
    let chunk = |index: usize| HEADER + index * CHUNK_SEALED;
    for index in 0..3 {
        let changed = Verdict::ChangedChunk {
            index: u32::try_from(index).expect("small"),
        };
        for place in [0, 4000, CHUNK_SEALED - 1] {
            let seen = look(&flip(chunk(index) + place));
            assert_eq!(seen, (Verdict::Changed, changed.clone(), changed.clone()));
        }
        let mut spliced = whole.clone();
        spliced[chunk(index)..chunk(index + 1)].copy_from_slice(&stranger[chunk(index)..chunk(index + 1)]);
        assert_eq!(look(&spliced), (Verdict::Changed, changed.clone(), changed));
    }
    assert_eq!(
        look(&flip(whole.len() - 1)),
        (Verdict::Changed, Verdict::ChangedEnd, Verdict::ChangedEnd)
    );
    // Facts, a slot, the MAC. Without a key a changed slot is not seen: re-wrapping may change it.
    for (place, keyless) in [
        (60, Verdict::Changed),
        (200, Verdict::Good { ending: None }),
        (1030, Verdict::Good { ending: None }),
    ] {
        assert_eq!(
            look(&flip(place)),
            (keyless, Verdict::ChangedHeader, Verdict::ChangedHeader),
            "{place}"
        );
    }
    assert_eq!(look(&flip(30)).0, Verdict::ChangedHeader, "its own id");
    let with_more = [whole.as_slice(), &[0; 10]].concat();
    assert_eq!(
        look(&with_more),
        (Verdict::Changed, Verdict::ChangedEnd, Verdict::ChangedEnd)
    );
    // Cut: to whole chunks it looks like an honest interruption, and the ledger knows better.
    let cut = Verdict::CutShort {
        expected: sealed.bytes,
        found: chunk(2) as u64,
    };
    let (keyless, with_key, with_both) = look(&whole[..chunk(2)]);
    assert_eq!((keyless, with_both), (cut.clone(), cut));
    assert!(matches!(
        with_key,
        Verdict::Good {
            ending: Some(Ending::Interrupted { chunks: 2, torn: 0 })
        }
    ));
    // Another recording under this one's name.
    assert_eq!(look(&stranger).0, Verdict::ChangedHeader);
    assert!(matches!(
        vault.read(sealed.id, &receipt(sealed.id), &common::key()),
        Err(Fault::Seal(_))
    ));
    assert!(matches!(
        look(&whole).2,
        Verdict::Good {
            ending: Some(Ending::Complete { .. })
        }
    ));
}

#[test]
fn what_is_no_recording_is_trouble_and_not_in_the_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut vault = open(folder.path(), 1);
    let good = record(&mut vault, 1, 10).id;
    let month = vault
        .find(good)
        .expect("there")
        .path
        .parent()
        .expect("a folder")
        .to_owned();
    std::fs::write(month.join("notes.txt"), "not ours").expect("the test's folder");
    std::fs::write(month.join(format!("{}.ndrec", FileId([9; 16]))), [0; 5000]).expect("the test's folder");
    std::fs::write(month.join(format!("{}.ndrec.part", FileId([8; 16]))), [0; 5000]).expect("the test's folder");
    let (listed, troubles) = vault.list().expect("readable");
    assert_eq!((listed.len(), troubles.len()), (1, 2));
    assert_eq!(vault.recover().expect("readable").1.len(), 1);
}

#[test]
fn a_day_is_the_longest() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut vault = open(folder.path(), 1);
    let mut writer = vault.begin(&new(Kind::Clip)).expect("a good disk");
    let too_long = usize::try_from(vault::RECORDING_FRAMES_MAX).expect("fits") + 1;
    assert!(matches!(
        writer.push(&vec![0; too_long], &[]),
        Err(Fault::ExhaustedLength)
    ));
    writer.push(&[1], &[]).expect("and goes on");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// However the sound comes in, packets of any size, one side longer than the other, gaps: what comes out is that.
    #[test]
    fn any_packets_make_the_same_sound(
        packets in proptest::collection::vec((0..700_usize, 0..700_usize, 0..300_u64), 0..60),
        a_law in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut vault = open(folder.path(), 1);
        let codec = if a_law { Codec::ALaw } else { Codec::MuLaw };
        let mut writer = vault.begin(&NewRecording { codec, ..new(Kind::Call) }).expect("a good disk");
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for (number, (mine, theirs, gap)) in packets.into_iter().enumerate() {
            let octet = u8::try_from(number).expect("at most 60");
            writer.push(&vec![octet; mine], &vec![!octet; theirs]).expect("a good disk");
            left.extend(std::iter::repeat_n(octet, mine));
            right.extend(std::iter::repeat_n(!octet, theirs));
            let longer = left.len().max(right.len());
            writer.fill_to(longer as u64 + gap).expect("a good disk");
            let filled = longer + usize::try_from(gap).expect("small");
            left.resize(filled, codec.silence());
            right.resize(filled, codec.silence());
        }
        let sealed = writer.finish(0).expect("a good disk");
        let (l, r, _) = heard(&vault, sealed.id);
        prop_assert_eq!((l, r), (left, right));
    }
}
