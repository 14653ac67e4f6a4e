//! The vault with keys of months and shares: who opens, what is destroyed, what is left in memory, how headers are made anew.
//!
//! Some tests start themselves again as another process, to be looked into or killed.
#![allow(clippy::disallowed_methods, reason = "these tests start, dump and kill a process")]
#![allow(
    clippy::indexing_slicing,
    reason = "a test that is wrong about a length should fail there"
)]
#![allow(
    clippy::print_stdout,
    reason = "how the process that is looked into says where it is"
)]

mod common;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{START_MS, draw, new, receipt, secret, speak};
use hpke::{Deserializable, Kem};
use keyring::Shares;
use seal::{
    CHUNK, CHUNK_SEALED, Fixed, HEADER, Header, ItemShare, Month, Opener, Place, RecipientRing, RecipientSecret,
    Retention, Sealer, Tenant, hash, open_file,
};
use vault::{Fault, FileId, Key, Kind, Locks, Vault};

const FOLDER: &str = "VAULT_SAFE_FOLDER";

fn month() -> Month {
    Month::of_unix_ms(START_MS)
}

fn place(tenant: [u8; 16], class: Retention) -> Place {
    Place {
        tenant: Tenant(tenant),
        class,
        month: month(),
    }
}

fn key_of(octet: u8, class: Retention) -> RecipientSecret {
    let drawn = RecipientSecret::generate(0, &mut |out| out.fill(octet));
    RecipientSecret::new((*drawn.secret()).into(), month().generation(class))
}

/// As an engine is started: public halves of audio and messages, and a folder for shares.
fn locks(folder: &Path) -> Locks {
    let mut ring = RecipientRing::new();
    ring.add(place([1; 16], Retention::Audio), key_of(31, Retention::Audio).public());
    ring.add(
        place([1; 16], Retention::Messages),
        key_of(32, Retention::Messages).public(),
    );
    Locks::new(ring, Shares::in_keys(&folder.join("keys")))
}

fn safe(folder: &Path, seed: u64) -> Vault {
    Vault::open(folder.join("data"), locks(folder), draw(seed)).expect("the test's own folder")
}

fn share(folder: &Path, id: FileId) -> Option<ItemShare> {
    Shares::in_keys(&folder.join("keys"))
        .find(month(), &id.0)
        .expect("readable")
}

/// Proves RET-02, RET-06, SEC-12: each file is sealed for its practice, month and class with a share of its own; with the share wiped a
/// byte-identical copy of the file stays shut, whoever has the month's key, and its neighbour opens.
#[test]
fn a_wiped_share_shuts_one_recording_and_every_copy_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut vault = safe(folder.path(), 1);
    let mut record = |kind| {
        let mut writer = vault.begin(&new(kind)).expect("a good disk");
        assert!(!writer.is_overdue());
        speak(&mut writer, 1, 20_000).expect("a good disk");
        writer.sync().expect("a good disk");
        writer.finish(START_MS + 2_500).expect("a good disk").id
    };
    let (call, neighbour, clip) = (record(Kind::Call), record(Kind::Call), record(Kind::Clip));
    let key = |id, class| Key {
        secret: key_of(if class == Retention::Audio { 31 } else { 32 }, class),
        share: share(folder.path(), id),
    };
    let vault = safe(folder.path(), 2);
    for (id, class) in [
        (call, Retention::Audio),
        (neighbour, Retention::Audio),
        (clip, Retention::Messages),
    ] {
        let found = vault.find(id).expect("there");
        assert!(found.header.asks_for_share());
        assert_eq!(
            Month::of_generation(found.header.slots[0].epoch),
            Some((month(), class))
        );
        assert_eq!(
            vault
                .read(id, &receipt(id), &key(id, class))
                .expect("authentic")
                .frames(),
            20_000
        );
    }
    // Neither another class's key nor another file's share.
    assert!(vault.read(clip, &receipt(clip), &key(clip, Retention::Audio)).is_err());
    let mixed = Key {
        share: share(folder.path(), neighbour),
        ..key(call, Retention::Audio)
    };
    assert!(vault.read(call, &receipt(call), &mixed).is_err());

    let path = vault.find(call).expect("there").path;
    let backup = std::fs::read(&path).expect("a file");
    assert!(
        Shares::in_keys(&folder.path().join("keys"))
            .wipe(month(), &call.0)
            .expect("a good disk")
    );
    let gone = key(call, Retention::Audio);
    assert!(gone.share.is_none());
    assert!(matches!(
        vault.read(call, &receipt(call), &gone),
        Err(Fault::Seal(seal::Fault::RefusedShare))
    ));
    assert_eq!(
        open_file(&mut backup.clone(), &gone.secret, None, |_| {}).err(),
        Some(seal::Fault::RefusedShare)
    );
    assert!(
        vault
            .read(neighbour, &receipt(neighbour), &key(neighbour, Retention::Audio))
            .is_ok()
    );
    // What had nothing in it goes with its share and its waveform.
    vault.discard(clip).expect("there");
    assert!(share(folder.path(), clip).is_none());
    let left = std::fs::read_dir(path.parent().expect("a month"))
        .expect("a folder")
        .count();
    assert_eq!(left, 4, "two recordings with their waveforms");
}

/// A folder of shares that cannot be written: the recording does not begin, for it could not be destroyed as promised.
#[test]
fn nothing_is_recorded_whose_share_cannot_be_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("keys"), b"a file where a folder should be").expect("room");
    let refused = safe(folder.path(), 1).begin(&new(Kind::Call));
    assert!(matches!(refused.err(), Some(Fault::Disk { .. })));
    let month = folder.path().join("data").join(month().to_string());
    assert!(!month.exists() || std::fs::read_dir(month).expect("a folder").count() == 0);
}

/// The picture of a recording is sealed under its key and is that of its sound; a practice nobody provisioned is recorded
/// all the same, for want of its own key under the house's.
#[test]
fn a_waveform_shows_where_somebody_speaks() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut ring = RecipientRing::new();
    ring.add(place([0; 16], Retention::Audio), key_of(31, Retention::Audio).public());
    let locks = Locks::new(ring, Shares::in_keys(&folder.path().join("keys")));
    let mut vault = Vault::open(folder.path().join("data"), locks, draw(1)).expect("a folder");
    let mut writer = vault.begin(&new(Kind::Call)).expect("a good disk");
    assert!(writer.is_overdue(), "nobody provisioned this practice");
    let (loud, silent) = ([0x80; 8000], [0xFF; 8000]);
    for second in 0..10 {
        let (caller, other) = if second < 5 { (&loud, &silent) } else { (&silent, &loud) };
        writer.push(caller, other).expect("a good disk");
    }
    let id = writer.finish(START_MS + 10_000).expect("a good disk").id;
    let key = Key {
        secret: key_of(31, Retention::Audio),
        share: share(folder.path(), id),
    };
    let peaks = vault
        .peaks(id, &receipt(id), &key)
        .expect("authentic")
        .expect("counted");
    assert_eq!(
        (peaks.row(0, 10), peaks.row(1, 10)),
        ("█████     ".into(), "     █████".into())
    );
    let path = vault.find(id).expect("there").path.with_extension("ndpeaks");
    let mut sealed = std::fs::read(&path).expect("a file");
    assert!(
        !sealed.windows(8).any(|some| some.iter().all(|octet| *octet == some[0])),
        "not in the clear"
    );
    *sealed.last_mut().expect("long") ^= 1;
    std::fs::write(&path, sealed).expect("room");
    assert!(vault.peaks(id, &receipt(id), &key).is_err());
}

/// C10. Any place of a two-hour call: its head and at most two chunks are read, and what is heard is what was said there.
#[test]
fn c10_any_millisecond_of_two_hours_is_two_chunks_away() {
    let folder = tempfile::tempdir().expect("a folder");
    let fixed = Fixed {
        codec: seal::Codec::MuLaw,
        channels: 2,
        flags: 0,
        file: [9; 16],
        tenant: [1; 16],
        call: [2; 16],
        start_ms: START_MS,
        monotonic_ns: 0,
        consent: [0; 32],
    };
    let (mut sealer, header) =
        Sealer::begin(&fixed, &[secret().public()], None, &mut |out| out.fill(8)).expect("one recipient");
    // Each millisecond of sound says which it is: eight frames of two octets.
    let say = |ms: u32| -> [u8; 16] {
        let mut said = [0; 16];
        for (to, from) in said.iter_mut().zip(ms.to_be_bytes().into_iter().cycle()) {
            *to = from;
        }
        said
    };
    let id = FileId([9; 16]);
    let month = folder.path().join("recordings").join(month().to_string());
    std::fs::create_dir_all(&month).expect("a folder");
    let mut file = std::io::BufWriter::new(std::fs::File::create(month.join(format!("{id}.ndrec"))).expect("room"));
    use std::io::Write;
    file.write_all(&header).expect("room");
    let mut buffer = [0; CHUNK_SEALED];
    let minutes = 120;
    let chunks = minutes * 60 * 2;
    for chunk in 0..chunks {
        for (place, ms) in buffer[..CHUNK].as_chunks_mut::<16>().0.iter_mut().zip(chunk * 500..) {
            *place = say(ms);
        }
        sealer.chunk(&mut buffer).expect("far from the limit");
        file.write_all(&buffer).expect("room");
    }
    let frames = u64::from(chunks) * 4000;
    file.write_all(&sealer.finish(&[], frames, START_MS + 7_200_000).expect("nothing left"))
        .expect("room");
    file.into_inner().expect("room").sync_all().expect("room");

    let vault = common::open(folder.path(), 1);
    let (receipt, key) = (receipt(id), common::key());
    let whole = minutes * 60_000;
    for from in (0..whole)
        .step_by(700_001)
        .chain([0, 499, 500, 501, 3_599_999, whole - 1])
    {
        let from = u64::from(from);
        for length in [1, 20, 500] {
            let audio = vault
                .read_part(id, &receipt, &key, from, from + length)
                .expect("authentic");
            assert!(audio.chunks_read() <= 2, "{} chunks", audio.chunks_read());
            let there = length.min(u64::from(whole) - from);
            assert_eq!(audio.frames() as u64, there * 8);
            let first = say(u32::try_from(from).expect("small"));
            assert!(audio.caller().take(8).eq(first.iter().step_by(2).copied()));
            assert!(audio.other().take(8).eq(first.iter().skip(1).step_by(2).copied()));
        }
    }
    let past = vault
        .read_part(id, &receipt, &key, u64::from(whole) + 5, u64::MAX)
        .expect("authentic");
    assert_eq!((past.frames(), past.chunks_read()), (0, 0));
    let own = vault.read_part(id, &common::receipt(FileId([8; 16])), &key, 0, 1);
    assert!(matches!(own, Err(Fault::RefusedReceipt)));
}

fn start(test: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this is one"))
        .args([test, "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it was started once already")
}

fn child() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// Proves SEC-01, SEC-12: (C6) a core dump of a process that recorded, taken after the call, holds no key of the file; one that is taken
/// during the call does, which shows that the search finds what it looks for. The secret half of the recipient is in neither.
#[test]
fn c6_a_core_dump_after_the_call_holds_no_key() {
    if let Some(folder) = child() {
        let mut vault = safe(&folder, 1);
        let mut writer = vault.begin(&new(Kind::Call)).expect("a good disk");
        speak(&mut writer, 1, 20_000).expect("a good disk");
        writer.sync().expect("a good disk");
        println!("recording {}", writer.id());
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).expect("the parent");
        writer.finish(START_MS).expect("a good disk");
        println!("finished");
        std::io::stdin().read_line(&mut line).expect("the parent");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = start("c6_a_core_dump_after_the_call_holds_no_key", folder.path());
    let mut lines = BufReader::new(child.stdout.take().expect("piped"))
        .lines()
        .map_while(Result::ok);
    let id = lines
        .find_map(|line| {
            line.split_once("recording ")
                .map(|(_, id)| id.parse::<FileId>().expect("an id"))
        })
        .expect("it records");
    let during = core(&child, folder.path());
    use std::io::Write;
    let stdin = child.stdin.as_mut().expect("piped");
    stdin.write_all(b"\n").expect("it listens");
    lines.find(|line| line.ends_with("finished")).expect("it finishes");
    let after = core(&child, folder.path());
    child
        .stdin
        .as_mut()
        .expect("piped")
        .write_all(b"\n")
        .expect("it listens");
    child.wait().expect("it ran");

    // The file's key and what is made of it, unwrapped here by hand (RFC 9180 §5.1.2).
    let vault = safe(folder.path(), 2);
    let file = std::fs::read(vault.find(id).expect("there").path).expect("a file");
    let recipient = key_of(31, Retention::Audio);
    let share = share(folder.path(), id).expect("kept");
    type X25519 = hpke::kem::X25519HkdfSha256;
    let private = <X25519 as Kem>::PrivateKey::from_bytes(recipient.secret()).expect("a scalar");
    let enc = <X25519 as Kem>::EncappedKey::from_bytes(&file[150..182]).expect("a point");
    let bundle = hpke::PskBundle::new(share.secret(), &id.0).expect("neither is empty");
    let file_key = hpke::single_shot_open::<hpke::aead::AesGcm256, hpke::kdf::HkdfSha256, X25519>(
        &hpke::OpModeR::Psk(bundle),
        &private,
        &enc,
        &[b"cfrec v1".as_slice(), &file[..128]].concat(),
        &file[182..230],
        &[],
    )
    .expect("the recipient's");
    let payload: [u8; 32] = seal::hkdf(&file_key, &hash(&file[..128]), b"cfrec payload");
    let header: [u8; 32] = seal::hkdf(&file_key, &hash(&file[..128]), b"cfrec header");

    let keys = [
        payload.as_slice(),
        &file_key,
        &header,
        share.secret(),
        recipient.secret(),
    ];
    let during = counts(&during, &keys);
    assert!(during[0] > 0, "the search finds the key that is in use: {during:?}");
    assert_eq!(
        during[1..],
        [0; 4],
        "during the call: file key, header's key, share, recipient's secret half"
    );
    assert_eq!(counts(&after, &keys), [0; 5], "after the call");
}

/// A real core dump, by gcore.
fn core(child: &Child, folder: &Path) -> PathBuf {
    static DUMPS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = DUMPS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let to = folder.join(format!("core{number}"));
    let output = Command::new("gcore")
        .arg("-o")
        .arg(&to)
        .arg(child.id().to_string())
        .output()
        .expect("gdb is installed by `make setup`");
    let path = folder.join(format!("core{number}.{}", child.id()));
    assert!(path.exists(), "{}", String::from_utf8_lossy(&output.stderr));
    path
}

/// How often half of each key is in a dump, as it is or with the octets of its words turned round, as a schedule may keep
/// them. Python's search is fast in a debug build too.
fn counts(core: &Path, keys: &[&[u8]]) -> Vec<usize> {
    let program = "import sys\ncore = open(sys.argv[1], 'rb').read()\nassert core[:4] == b'\\x7fELF'\n\
                   for half in sys.argv[2:]:\n  half = bytes.fromhex(half)\n  \
                   turned = b''.join(half[i:i+4][::-1] for i in range(0, 16, 4))\n  print(core.count(half) + core.count(turned))";
    let output = Command::new("python3")
        .args(["-c", program])
        .arg(core)
        .args(keys.iter().map(|key| seal::keys::hex(&key[..16])))
        .output()
        .expect("python3 is installed by `make setup`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let counts = String::from_utf8(output.stdout).expect("digits");
    counts.lines().map(|line| line.parse().expect("a number")).collect()
}

const FILES: u32 = 10_000;
const KILLS: u64 = 4;

/// C11. 10,000 files get new headers while the process that writes them is killed: at any moment each opens with the old key
/// or the new one; at the end all open with the new one alone, and not an octet of facts or sound has changed.
#[test]
fn c11_ten_thousand_headers_survive_being_killed() {
    let (old, next) = (key_of(41, Retention::Audio), key_of(42, Retention::Audio));
    let wrap = |header: &Header| {
        if header.slots[0].key_id == next.public().id() {
            return Ok(None);
        }
        let mut drawn = draw(u64::from_be_bytes(*header.fixed.file.first_chunk().expect("8 of 16")));
        let mut entropy = |out: &mut [u8]| {
            for part in out.chunks_mut(16) {
                part.copy_from_slice(&drawn()[..part.len()]);
            }
        };
        seal::rewrap(header, &old, None, &[next.public()], None, &mut entropy)
            .map(Some)
            .map_err(Fault::Seal)
    };
    if let Some(folder) = child() {
        let vault = Vault::open(folder.join("data"), Vec::new(), draw(1)).expect("a folder");
        let mut count = 0;
        let counted = |header: &Header| {
            count += 1;
            if count % 100 == 0 {
                println!("at {count}");
            }
            wrap(header)
        };
        vault.rewrap(counted).expect("a good disk");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let month = folder.path().join("data").join(month().to_string());
    std::fs::create_dir_all(&month).expect("a folder");
    for number in 0..FILES {
        let id = *hash(&number.to_be_bytes()).first_chunk::<16>().expect("16 of 32");
        let fixed = Fixed {
            codec: seal::Codec::MuLaw,
            channels: 1,
            flags: 0,
            file: id,
            tenant: [1; 16],
            call: [2; 16],
            start_ms: START_MS,
            monotonic_ns: 0,
            consent: [0; 32],
        };
        let mut drawn = draw(u64::from(number));
        let mut entropy = |out: &mut [u8]| {
            for part in out.chunks_mut(16) {
                part.copy_from_slice(&drawn()[..part.len()]);
            }
        };
        let (sealer, header) = Sealer::begin(&fixed, &[old.public()], None, &mut entropy).expect("one recipient");
        let last = sealer.finish(&number.to_be_bytes(), 4, START_MS).expect("short");
        // One in a thousand is being written.
        let ending = if number % 1000 == 0 { "ndrec.part" } else { "ndrec" };
        std::fs::write(
            month.join(format!("{}.{ending}", FileId(id))),
            [header.as_slice(), &last].concat(),
        )
        .expect("room");
    }
    let unchanged = || {
        let mut all = seal::Hasher::new();
        let mut paths: Vec<PathBuf> = std::fs::read_dir(&month)
            .expect("a folder")
            .map(|entry| entry.expect("one").path())
            .collect();
        paths.sort_unstable();
        for path in paths {
            let bytes = std::fs::read(&path).expect("a file");
            all.update(&bytes[..128]);
            all.update(&bytes[HEADER..]);
        }
        all.finish()
    };
    // How many open with the old key, how many with the new; each with one of them.
    let opens = |every: usize| {
        let (mut with_old, mut with_next) = (0, 0);
        for entry in std::fs::read_dir(&month).expect("a folder").step_by(every) {
            let bytes = std::fs::read(entry.expect("one").path()).expect("a file");
            let header = Header::parse(&bytes).expect("ours");
            let by_old = header.slots[0].key_id == old.public().id() && Opener::new(&header, &old, None).is_ok();
            let by_next = !by_old && Opener::new(&header, &next, None).is_ok();
            assert!(by_old || by_next, "{:?}", header.fixed.file);
            with_old += u32::from(by_old);
            with_next += u32::from(by_next);
        }
        (with_old, with_next)
    };
    let before = unchanged();
    let mut killed_in_between = 0;
    for kill in 0..KILLS {
        let mut child = start("c11_ten_thousand_headers_survive_being_killed", folder.path());
        let mut lines = BufReader::new(child.stdout.take().expect("piped"))
            .lines()
            .map_while(Result::ok);
        // Somewhere else each time: between two files, in a journal, in the headers it is followed by.
        let at = format!("at {}", 700 + 2_100 * kill);
        lines.find(|line| line.ends_with(&at)).expect("it goes on");
        std::thread::sleep(std::time::Duration::from_millis(13 * kill));
        child.kill().expect("it runs");
        child.wait().expect("it ran");
        let (with_old, with_next) = opens(7);
        killed_in_between += u32::from(with_old > 0 && with_next > 0);
    }
    assert!(killed_in_between > 0, "no kill fell into the middle");
    // What is left is done by whoever comes next; the keys of the old month are out.
    let vault = Vault::open(folder.path().join("data"), Vec::new(), draw(2)).expect("a folder");
    let done = vault.rewrap(wrap).expect("a good disk");
    assert_eq!(done.wrapped + done.left, FILES as usize);
    assert_eq!(opens(1), (0, FILES));
    assert_eq!(unchanged(), before);
    assert!(!folder.path().join("data/rewrap.journal").exists());
    let again = vault.rewrap(wrap).expect("a good disk");
    assert_eq!((again.wrapped, again.left), (0, FILES as usize));
}

/// A journal that was written and not followed, as after a loss of power in the middle: torn headers are made good.
#[test]
fn a_torn_header_is_made_good_from_the_journal() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut vault = safe(folder.path(), 1);
    let mut writer = vault.begin(&new(Kind::Call)).expect("a good disk");
    speak(&mut writer, 1, 5_000).expect("a good disk");
    let id = writer.finish(START_MS).expect("a good disk").id;
    let path = vault.find(id).expect("there").path;
    let whole = std::fs::read(&path).expect("a file");
    let next = key_of(50, Retention::Audio);
    let header = Header::parse(&whole).expect("ours");
    let share = share(folder.path(), id).expect("kept");
    let old = key_of(31, Retention::Audio);
    let new = seal::rewrap(
        &header,
        &old,
        Some(&share),
        &[next.public()],
        Some(&share),
        &mut |out| out.fill(3),
    )
    .expect("ours");
    let entries = [id.0.as_slice(), &new].concat();
    let journal = folder.path().join("data/rewrap.journal");
    // Half of the header made it to the disk.
    let torn = [&new[..512], &whole[512..]].concat();
    std::fs::write(&path, &torn).expect("room");
    std::fs::write(&journal, [entries.as_slice(), &hash(&entries)].concat()).expect("room");
    vault.recover().expect("a good disk");
    let key = Key {
        secret: next,
        share: Some(share),
    };
    assert_eq!(vault.read(id, &receipt(id), &key).expect("authentic").frames(), 5_000);
    assert!(!journal.exists());
    // A journal that is not whole was never begun to be followed.
    std::fs::write(&journal, &entries[..700]).expect("room");
    vault.recover().expect("a good disk");
    assert!(!journal.exists() && vault.read(id, &receipt(id), &key).is_ok());
}
