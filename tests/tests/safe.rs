//! What becomes of a recorded call, with the real program, its people and its small verifier: heard, destroyed, backed up,
//! tampered with.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test has a clock, files and programs, and stops where it finds otherwise"
)]

mod child;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use child::{House, NUMBER, OWNER, Person, handset, office_message, voices};
use switchboard::{CallId, Fact};
use tests::people::said;

const WITHIN: Duration = Duration::from_secs(90);
/// From where the caller calls.
const CALLER: &str = "+15125550199";

/// A house in which one caller left a message, and was recorded; its engine has ended.
fn lived() -> (House, CallId) {
    let [name, reason] = voices(["Ana Rivera.", "I would like to change my appointment."]);
    let callers = handset(&child::words(None), |_| panic!("nobody is rung"));
    let house = House::furnish(callers.address(), "1 minute");
    house.show(&["keys", "provision"]);
    let mut desk = house.start("info");
    let (party, diary) = Person::with(office_message(&name, &reason));
    callers.call(1, desk.address, NUMBER, Some(CALLER), party);
    diary.waits_for("We will call you", WITHIN);
    house.waits_for("a sealed recording", WITHIN, |facts| {
        let sealed = |fact: &Fact| matches!(fact, Fact::RecordingSealed { .. });
        facts.iter().any(|stamped| sealed(&stamped.fact)).then_some(())
    });
    desk.signal("TERM");
    assert!(desk.ends(WITHIN).success(), "{}{}", desk.out(), desk.err());
    let call = house.call_of(CALLER).expect("it was just made");
    (house, call)
}

/// The recording of a call, and the clips its caller left.
fn recorded(house: &House, call: CallId) -> (String, Vec<String>) {
    let (mut calls, mut clips) = (Vec::new(), Vec::new());
    for stamped in &house.calls()[&call] {
        match &stamped.fact {
            Fact::RecordingSealed { recording, .. } => calls.push(recording.to_string()),
            Fact::ClipKept { recording, .. } => clips.push(recording.to_string()),
            _ => {}
        }
    }
    assert_eq!((calls.len(), clips.len()), (1, 2), "{}", house.book());
    (calls.remove(0), clips)
}

/// The small program, with a public key and nothing else. Gives its exit status and what it said.
fn verify(what: &Path, key: &Path, more: Option<&Path>) -> (Option<i32>, String) {
    let output = Command::new(child::target().join("debug/nightdesk-verify"))
        .arg(what)
        .arg(key)
        .args(more)
        .output()
        .expect("`cargo build -p ledger --bins` first");
    (output.status.code(), said(&output))
}

/// Proves RET-02, RET-06: a recording that a real call made is destroyed by its command; a byte-identical backup of the data,
/// put back under the keys of today, plays everything but that; the certificate is good elsewhere; the thing reads as gone.
#[test]
fn a_destroyed_recording_is_gone_from_its_backup_too() {
    let (house, call) = lived();
    let people = house.people();
    let (recording, clips) = recorded(&house, call);
    let wav = house.path("heard.wav");
    let wav = wav.to_str().expect("a plain path");
    let export = |config: &str, id: &str| {
        let _ = fs::remove_file(wav);
        let arguments = [
            "recordings",
            "export",
            id,
            "--wav",
            wav,
            "--reason",
            "a patient asks",
            "--config",
        ];
        let output = Command::new(child::target().join("debug/nightdesk"))
            .args(arguments)
            .arg(house.path(config))
            .env("NIGHTDESK_SESSION", people.session(OWNER))
            .output()
            .expect("the binary was just built");
        (output.status.success() && Path::new(wav).exists(), said(&output))
    };
    let (heard, told) = export("nightdesk.yaml", &recording);
    assert!(heard && told.contains("every chunk authentic"), "{told}");

    // Yesterday's backup of the data, octet for octet, on a disk of its own.
    let backup = house.path("backup");
    child::copy(&house.path("data"), &backup);
    let text = fs::read_to_string(house.path("nightdesk.yaml")).expect("ours");
    fs::write(house.path("restored.yaml"), text.replace("data: data", "data: backup")).expect("room");
    let (heard, told) = export("restored.yaml", &recording);
    assert!(heard, "a backup is good for something: {told}");

    // Whoever may listen may not destroy; the owner may, and says why.
    people.joins(OWNER, "olga", "ops-reviewer", &[]);
    let destroy = ["retention", "destroy", "--recording", &recording];
    let wish = [destroy.as_slice(), &["--reason", "the patient's wish, letter of May 3"]].concat();
    let refused = people.run("olga", &wish, &[]);
    assert!(
        said(&refused).contains("your role may not do that"),
        "{}",
        said(&refused)
    );
    let refused = people.run(OWNER, &destroy, &[]);
    assert!(said(&refused).contains("without saying why"), "{}", said(&refused));
    let held = [
        "retention",
        "hold",
        "add",
        "Doe v. Cedar",
        "--caller",
        CALLER,
        "--reason",
        "counsel",
    ];
    people.done(OWNER, &held, &[]);
    let refused = people.run(OWNER, &wish, &[]);
    assert!(
        said(&refused).contains("it is held: Doe v. Cedar"),
        "{}",
        said(&refused)
    );
    people.done(
        OWNER,
        &["retention", "hold", "lift", "Doe v. Cedar", "--reason", "settled"],
        &[],
    );
    let told = people.done(OWNER, &wish, &[]);
    let certificate = told.trim().rsplit(' ').next().expect("its id").to_owned();

    // Here it reads as destroyed, wherever it stood.
    let gone = format!("(certificate {certificate})");
    let list = people.done(OWNER, &["recordings", "list"], &[]);
    let line = list
        .lines()
        .find(|line| line.starts_with(&recording))
        .unwrap_or_default();
    assert!(line.contains("destroyed on 2") && line.contains(&gone), "{list}");
    assert!(line.contains(&call.to_string()), "{list}");
    let shown = people.done(OWNER, &["calls", "show", &call.to_string(), "--reason", "a look"], &[]);
    let line = shown.lines().find(|line| line.contains(&gone)).unwrap_or_default();
    assert!(
        line.contains(&format!("recording {recording}: destroyed on 2")),
        "{shown}"
    );
    for config in ["nightdesk.yaml", "restored.yaml"] {
        let (heard, told) = export(config, &recording);
        assert!(!heard && told.contains("was destroyed"), "{config}: {told}");
        // Nothing else went with it.
        let (heard, told) = export(config, &clips[0]);
        assert!(heard, "{config}: {told}");
    }
    let again = people.run(OWNER, &wish, &[]);
    assert!(said(&again).contains("destroyed on 2"), "{}", said(&again));
    // The backup still has every octet of it, and they are of no use with every key there is.
    let sealed = fs::read_dir(backup.join("recordings")).expect("months").flatten();
    let sealed = sealed.map(|month| month.path().join(format!("{recording}.ndrec")));
    let sealed = sealed.into_iter().find(|path| path.exists()).expect("in the backup");
    let octets = fs::read(&sealed).expect("readable");
    let named = format!("object file:{recording} {}", seal::keys::hex(&seal::hash(&octets)));

    // The certificate, on another machine: itself, the public key, the small program.
    let printed = people.done(OWNER, &["retention", "certificate", &certificate], &[]);
    assert!(printed.contains(&named) && printed.contains("by marisol"), "{printed}");
    let elsewhere = tempfile::tempdir().expect("another machine");
    let (paper, key) = (
        elsewhere.path().join("certificate"),
        elsewhere.path().join("book.public"),
    );
    fs::copy(house.path("keys/book.public"), &key).expect("room");
    fs::write(&paper, printed.trim_end()).expect("room");
    let (status, told) = verify(&paper, &key, None);
    assert!(status == Some(0) && told.contains("1 objects destroyed"), "{told}");
    fs::write(&paper, printed.trim_end().replace("patient's wish", "doctor's wish")).expect("room");
    let (status, told) = verify(&paper, &key, None);
    assert!(status == Some(1) && told.contains("NOT signed"), "{told}");

    // A month's calls, before their time: the line of the call stays, and says how it went.
    let month = jiff::Timestamp::now().strftime("%Y-%m").to_string();
    let cedar = "Cedar Family Medicine";
    let calls = [
        "retention",
        "destroy",
        "--practice",
        cedar,
        "--month",
        &month,
        "--class",
        "calls",
    ];
    let told = people.done(
        OWNER,
        &[calls.as_slice(), &["--early", "--reason", "agreed"]].concat(),
        &[],
    );
    let certificate = told.trim().rsplit(' ').next().expect("its id").to_owned();
    let gone = format!("(certificate {certificate})");
    let list = people.done(OWNER, &["calls", "list"], &[]);
    let line = list
        .lines()
        .find(|line| line.starts_with(&call.to_string()))
        .unwrap_or_default();
    assert!(
        line.contains(cedar) && line.contains(&format!("destroyed on {}", &line[34..44])),
        "{list}"
    );
    assert!(line.contains(&gone), "{list}");
    let shown = people.done(OWNER, &["calls", "show", &call.to_string(), "--reason", "a look"], &[]);
    assert!(
        shown.contains(&format!("rows (calls of {cedar}, {month}): destroyed on")) && !shown.contains("call for"),
        "{shown}"
    );
    let (status, told) = verify(&house.path("data"), &key, None);
    assert!(status == Some(0), "a destruction is no tampering: {told}");
}

/// Proves RET-04, AUD-02: a practice's records leave as files that anybody reads, under one signature; each call and recording
/// has its row first; what is changed, taken away or added is named; a full disk leaves nothing behind.
#[test]
fn a_practice_takes_its_records_along() {
    let (house, call) = lived();
    let people = house.people();
    let (recording, clips) = recorded(&house, call);
    let cedar = "Cedar Family Medicine";
    people.joins(OWNER, "olga", "ops-reviewer", &[]);
    people.joins(OWNER, "nina", "nurse", &["--practice", cedar]);
    people.agree(OWNER, cedar);
    let into = house.path("handed-over");
    let to = into.to_str().expect("a plain path");
    let export = ["tenant", "export", cedar, "--into", to];
    let wish = [export.as_slice(), &["--reason", "end of contract"]].concat();
    let refused = people.run("olga", &wish, &[]);
    assert!(
        said(&refused).contains("your role may not do that"),
        "{}",
        said(&refused)
    );
    let refused = people.run(OWNER, &export, &[]);
    assert!(said(&refused).contains("without saying why"), "{}", said(&refused));
    let nobodys = [
        "tenant",
        "export",
        "Heart Clinic",
        "--into",
        to,
        "--reason",
        "end of contract",
    ];
    let refused = people.run(OWNER, &nobodys, &[]);
    assert!(
        said(&refused).contains("nothing here is of a practice"),
        "{}",
        said(&refused)
    );
    assert!(!into.exists());

    // A disk too small for the sound: told as such, and nothing is left under any name.
    let small = house.path("small");
    fs::create_dir(&small).expect("room");
    let script = "mount -t tmpfs -o size=128k none \"$1\" && \"$2\" tenant export \"$3\" --into \"$1/all\" --reason x --config \"$4\"; \
                  echo \"status $?\"; ls -A \"$1\"; echo listed";
    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", script, "sh"])
        .args([small.as_path(), &child::target().join("debug/nightdesk")])
        .arg(cedar)
        .arg(house.path("nightdesk.yaml"))
        .env("NIGHTDESK_SESSION", people.session(OWNER))
        .output()
        .expect("util-linux is everywhere");
    let told = said(&output);
    assert!(told.contains("status 1\nlisted"), "nothing half done: {told}");
    assert!(told.contains("No space left on device"), "{told}");

    let told = people.done(OWNER, &wish, &[]);
    assert!(told.contains("1 calls, 3 recordings"), "{told}");
    let refused = people.run(OWNER, &wish, &[]);
    assert!(said(&refused).contains("is there already"), "{}", said(&refused));

    // Read as the practice would: a text is a text, sound is sound.
    let text = |name: &str| fs::read_to_string(into.join(name)).expect(name);
    assert!(text("calls.jsonl").contains(CALLER) && text("calls.jsonl").contains("message in front desk inbox"));
    assert!(text("messages.jsonl").contains(CALLER) && text("messages.jsonl").contains(&clips[0]));
    assert!(text("keys.jsonl").contains("\"choice\"") && text("events.jsonl").contains("\"recording_sealed\""));
    assert!(text("people.json").contains("\"nina\"") && !text("people.json").contains("marisol"));
    assert!(!text("people.json").contains("argon2") && text("agreements.json").contains("return or destroy"));
    assert!(text("looks.jsonl").contains("\"tenant export\"") && text("looks.jsonl").contains("end of contract"));
    for name in ["calls", "messages", "keys", "events", "looks", "recordings"] {
        for line in text(&format!("{name}.jsonl")).lines() {
            assert!(
                serde_json::from_str::<serde_json::Value>(line).is_ok(),
                "{name}: {line}"
            );
        }
    }
    assert!(text("recordings.jsonl").contains(&format!("recordings/{recording}.wav")));
    let wav = fs::read(into.join(format!("recordings/{recording}.wav"))).expect("the sound");
    assert!(wav.starts_with(b"RIFF") && wav[8..16] == *b"WAVEfmt " && wav[22] == 2);
    let summed = Command::new("sha256sum")
        .args(["--check", "manifest.txt"])
        .current_dir(&into)
        .output()
        .expect("coreutils are everywhere");
    assert!(summed.status.success(), "{}", said(&summed));

    // Whoever asks for one patient's list of looks finds it.
    let asked = ["audit", "who-accessed", "--caller", CALLER, "--reason", "she asked"];
    let told = people.done(OWNER, &asked, &[]);
    assert!(told.contains("tenant export") && told.contains("marisol"), "{told}");

    // Elsewhere, with the public key.
    let elsewhere = tempfile::tempdir().expect("another machine");
    let key = elsewhere.path().join("book.public");
    fs::copy(house.path("keys/book.public"), &key).expect("room");
    let copy = elsewhere.path().join("copy");
    child::copy(&into, &copy);
    let (status, told) = verify(&copy, &key, None);
    assert!(status == Some(0) && told.contains("handed over by marisol"), "{told}");
    let calls = copy.join("calls.jsonl");
    fs::write(&calls, text("calls.jsonl").replace(CALLER, "+15125550198")).expect("room");
    fs::remove_file(copy.join(format!("recordings/{}.wav", clips[1]))).expect("ours");
    fs::write(copy.join("recordings/more.wav"), "sound").expect("room");
    let (status, told) = verify(&copy, &key, None);
    assert_eq!(status, Some(1), "{told}");
    for named in [
        "changed: calls.jsonl".to_owned(),
        format!("missing: recordings/{}.wav", clips[1]),
        "added: recordings/more.wav".to_owned(),
    ] {
        assert!(told.contains(&named), "{named}: {told}");
    }
    let (copy, key) = (copy.to_str().expect("plain"), key.to_str().expect("plain"));
    let output = Command::new(child::target().join("debug/nightdesk"))
        .args(["tenant", "verify", copy, "--key", key])
        .output()
        .expect("the binary was just built");
    assert!(
        !output.status.success() && said(&output).contains("changed: calls.jsonl"),
        "{}",
        said(&output)
    );
}

/// Proves RET-02, RET-04, RET-05: a practice is destroyed after its agreement ended, its days of grace are over and nothing is held, by
/// two owners; no key of it is left but of who did what, no backup of the data opens, the certificate is good elsewhere, the
/// book still verifies, and the engine goes on.
#[test]
fn a_practice_is_destroyed_when_its_contract_is_over() {
    let (house, call) = lived();
    let people = house.people();
    let (recording, _) = recorded(&house, call);
    let cedar = "Cedar Family Medicine";
    people.joins(OWNER, "otto", "owner", &[]);
    people.joins(OWNER, "mara", "manager", &[]);
    people.agree(OWNER, cedar);
    let backup = house.path("backup");
    child::copy(&house.path("data"), &backup);
    let destroy = ["tenant", "destroy", cedar, "--reason", "contract ended"];
    let refused = |id: &str, why: &str| {
        let output = people.run(id, &destroy, &[]);
        assert!(
            !output.status.success() && said(&output).contains(why),
            "{why}: {}",
            said(&output)
        );
    };
    refused("mara", "your role may not do that");
    refused(OWNER, "has not ended: `the-agreement` holds");
    let day = |days: i64| {
        let day = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * days);
        day.strftime("%Y-%m-%d").to_string()
    };
    let ended = [
        "agreements",
        "end",
        "the-agreement",
        "--on",
        &day(10),
        "--reason",
        "moved away",
    ];
    people.done(OWNER, &ended, &[]);
    refused(OWNER, "to take its records along: 30 days");
    let file = house.path("practice/practice.yaml");
    let text = fs::read_to_string(&file).expect("a practice");
    let shorter = text.replace(
        "recordings: 90 days}",
        "recordings: 90 days, after the contract ends: 5 days}",
    );
    assert_ne!(text, shorter);
    fs::write(&file, shorter).expect("room");
    let hold = [
        "retention",
        "hold",
        "add",
        "State v. Cedar",
        "--practice",
        cedar,
        "--reason",
        "a letter",
    ];
    people.done(OWNER, &hold, &[]);
    refused(OWNER, "it is held: State v. Cedar");
    people.done(
        OWNER,
        &["retention", "hold", "lift", "State v. Cedar", "--reason", "settled"],
        &[],
    );

    let told = people.done("mara", &["tenant", "report", cedar], &[]);
    for line in [
        "termination_grace_days  5",
        &format!("may be destroyed from    {}", day(5)),
        "taken along             NEVER",
        "3 sealed files",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    let told = people.done(OWNER, &[destroy.as_slice(), &["--dry-run"]].concat(), &[]);
    assert!(told.contains("nothing was destroyed"), "{told}");
    // One owner is one, however often.
    for _ in 0..2 {
        let told = people.done(OWNER, &destroy, &[]);
        assert!(told.contains("nothing is destroyed before a second owner"), "{told}");
    }
    let told = people.done("otto", &destroy, &[]);
    let certificate = told.trim().rsplit(' ').next().expect("its id").to_owned();
    refused(
        "otto",
        "there is nothing of Cedar Family Medicine that could be destroyed",
    );

    // What is left of its keys is of who did what.
    let months = house.path("keys/months").join(seal::Tenant::named(cedar).to_string());
    let mut kept = 0;
    for month in fs::read_dir(&months).expect("months").flatten() {
        for key in fs::read_dir(month.path()).expect("keys").flatten() {
            let name = key.file_name().to_string_lossy().into_owned();
            assert!(name.starts_with("audit."), "{name}");
            kept += 1;
        }
    }
    assert!(kept > 0);
    let month = jiff::Timestamp::now().strftime("%Y-%m").to_string();
    let shares = fs::read_dir(house.path("keys/shares").join(month)).map_or(0, |shares| shares.count());
    assert_eq!(shares, 0);

    let gone = format!("(certificate {certificate})");
    let list = people.done(OWNER, &["calls", "list"], &[]);
    let line = list
        .lines()
        .find(|line| line.starts_with(&call.to_string()))
        .unwrap_or_default();
    assert!(line.contains(cedar) && line.contains(&gone), "{list}");
    let list = people.done(OWNER, &["recordings", "list"], &[]);
    assert!(list.matches(&gone).count() == 3 && list.contains(&recording), "{list}");

    // The backup of before, put back under the keys of today.
    let text = fs::read_to_string(house.path("nightdesk.yaml")).expect("ours");
    let restored = house.path("restored.yaml");
    fs::write(&restored, text.replace("data: data", "data: backup")).expect("room");
    let run = |arguments: &[&str]| {
        let output = Command::new(child::target().join("debug/nightdesk"))
            .args(arguments)
            .arg("--config")
            .arg(&restored)
            .env("NIGHTDESK_SESSION", people.session(OWNER))
            .output()
            .expect("the binary was just built");
        (output.status.success(), said(&output))
    };
    let wav = house.path("heard.wav");
    let wav = wav.to_str().expect("plain");
    let (heard, told) = run(&["recordings", "export", &recording, "--wav", wav, "--reason", "x"]);
    assert!(!heard && told.contains("is not in the keyring"), "{told}");
    let (_, told) = run(&["calls", "show", &call.to_string(), "--reason", "x"]);
    assert!(told.contains("cannot be read") && !told.contains("Cedar"), "{told}");

    // Elsewhere.
    let printed = people.done(OWNER, &["retention", "certificate", &certificate], &[]);
    assert!(
        printed.contains("by marisol and otto") && printed.contains("every month"),
        "{printed}"
    );
    assert!(printed.contains(&format!("object file:{recording} ")), "{printed}");
    let elsewhere = tempfile::tempdir().expect("another machine");
    let (paper, key) = (
        elsewhere.path().join("certificate"),
        elsewhere.path().join("book.public"),
    );
    fs::copy(house.path("keys/book.public"), &key).expect("room");
    fs::write(&paper, printed.trim_end()).expect("room");
    let (status, told) = verify(&paper, &key, None);
    assert!(status == Some(0) && told.contains("good"), "{told}");
    let (status, told) = verify(&house.path("data"), &key, None);
    assert!(status == Some(0), "a destruction is no tampering: {told}");

    // The engine goes on; it is a lab, so that its number is still answered, and nothing of the new call hangs on a key that is gone.
    let callers = handset(&child::words(None), |_| panic!("nobody is rung"));
    let mut desk = house.start("info");
    let (party, diary) = Person::with([]);
    callers.call(1, desk.address, NUMBER, Some("+15125550187"), party);
    diary.waits_for("For English, press 1", WITHIN);
    callers.hang_up(1);
    house.waits_for("the new call's end", WITHIN, |facts| {
        facts
            .iter()
            .any(|stamped| matches!(stamped.fact, Fact::CallEnded { .. }))
            .then_some(())
    });
    desk.signal("TERM");
    assert!(desk.ends(WITHIN).success(), "{}{}", desk.out(), desk.err());
}

/// The records of a segment: where each begins and ends.
fn records(segment: &Path) -> Vec<(usize, usize)> {
    let bytes = fs::read(segment).expect("readable");
    let mut records = Vec::new();
    let mut at = 144;
    while let Some(length) = bytes.get(at..at + 4) {
        let length = 4 + u32::from_be_bytes(length.try_into().expect("four")) as usize;
        records.push((at, at + length));
        at += length;
    }
    records
}

/// The segments of a book, in order.
fn segments(book: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(book).expect("a book").flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = entries
        .filter(|path| fs::read(path).is_ok_and(|bytes| bytes.get(1..7) == Some(b"NDBOOK")))
        .collect();
    found.sort();
    found
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).expect("readable");
    change(&mut bytes);
    fs::write(path, bytes).expect("the test's folder");
}

type Tampering = fn(&Path);

/// What is done to a copy of the data folder, and how the small verifier names it.
const BOOKS: [(&str, Tampering, &str); 11] = [
    (
        "an octet of a row",
        |data| {
            let segment = &segments(&data.join("book"))[0];
            let row = records(segment)[7];
            change(segment, |bytes| bytes[row.0 + 60] ^= 1);
        },
        "row 8 (segment 1,",
    ),
    (
        "a row dropped",
        |data| {
            let segment = &segments(&data.join("book"))[0];
            let row = records(segment)[5];
            change(segment, |bytes| drop(bytes.drain(row.0..row.1)));
        },
        "missing: row 6 should stand before it",
    ),
    (
        "two rows swapped",
        |data| {
            let segment = &segments(&data.join("book"))[0];
            let rows = records(segment);
            change(segment, |bytes| {
                bytes[rows[4].0..rows[5].1].rotate_left(rows[4].1 - rows[4].0)
            });
        },
        "out of order or repeated",
    ),
    (
        "a row inserted again",
        |data| {
            let segment = &segments(&data.join("book"))[0];
            let row = records(segment)[9];
            change(segment, |bytes| {
                let again = bytes[row.0..row.1].to_vec();
                bytes.splice(row.1..row.1, again);
            });
        },
        "out of order or repeated: row 11 belongs here",
    ),
    (
        "a row of another book",
        |data| {
            let other = &segments(&data.join("office"))[0];
            let row = records(other)[0];
            let foreign = fs::read(other).expect("readable")[row.0..row.1].to_vec();
            let segment = &segments(&data.join("book"))[0];
            let row = records(segment)[0];
            change(segment, |bytes| drop(bytes.splice(row.0..row.1, foreign)));
        },
        "row 1 (segment 1, octet 144)",
    ),
    (
        "the end cut off",
        |data| {
            let segment = &segments(&data.join("book"))[0];
            let row = records(segment)[20];
            change(segment, |bytes| bytes.truncate(row.0));
        },
        "was signed elsewhere and is gone",
    ),
    (
        "a segment taken away",
        |data| fs::remove_file(&segments(&data.join("readers"))[1]).expect("ours"),
        "missing: the segment does not go on where the one before it ended",
    ),
    (
        "a segment renamed",
        |data| {
            let segment = &segments(&data.join("readers"))[1];
            let name = segment.file_name().expect("a name").to_string_lossy().into_owned();
            let other = format!("{}{}", if name.starts_with('0') { "9" } else { "0" }, &name[1..]);
            fs::rename(segment, segment.with_file_name(other)).expect("ours");
        },
        "missing: the segment does not go on where the one before it ended",
    ),
    (
        "a signature",
        |data| {
            let segment = &segments(&data.join("book"))[0];
            let last = records(segment).pop().expect("signed at its end");
            change(segment, |bytes| bytes[last.0 + 70] ^= 1);
        },
        "NOT what was written",
    ),
    (
        "the head of a segment",
        |data| change(&segments(&data.join("office"))[0], |bytes| bytes[45] ^= 4),
        "the head of the segment is not what was written",
    ),
    (
        "a book taken away",
        |data| fs::remove_dir_all(data.join("office")).expect("ours"),
        "gone: a book that was signed through row",
    ),
];

/// Proves AUD-01, AUD-02, AUD-03, SEC-17: the reviewer's journey (J4): she logs in, finds last night's call, reads it, hears it with a
/// reason, and that stands in the trail at once; rows leave with their proof; a copy of the data folder with any of eleven kinds
/// of tampering, or put back older than it was, is named with the public key alone, and a changed recording by whoever has
/// the keys.
#[test]
fn a_reviewer_goes_through_last_night() {
    let (house, call) = lived();
    let people = house.people();
    let (recording, clips) = recorded(&house, call);
    let older = house.path("older");
    child::copy(&house.path("data"), &older);
    people.joins(OWNER, "olga", "ops-reviewer", &[]);
    people.joins(OWNER, "amal", "auditor", &[]);
    let id = call.to_string();
    let list = people.done("olga", &["calls", "list"], &[]);
    assert!(
        list.contains(&id) && list.contains("message in front desk inbox"),
        "{list}"
    );
    let shown = people.done("olga", &["calls", "show", &id, "--reason", "review of the night"], &[]);
    assert!(
        shown.contains("call for Cedar Family Medicine") && !shown.contains("5550199"),
        "{shown}"
    );
    let wav = house.path("night.wav");
    let play = [
        "recordings",
        "export",
        &recording,
        "--wav",
        wav.to_str().expect("plain"),
        "--reason",
        "review",
    ];
    let refused = people.run("amal", &play, &[]);
    assert!(
        said(&refused).contains("your role may not do that"),
        "{}",
        said(&refused)
    );
    let unexplained = people.run("olga", &play[..5], &[]);
    assert!(
        said(&unexplained).contains("without saying why"),
        "{}",
        said(&unexplained)
    );
    people.done("olga", &play, &[]);
    assert!(fs::read(&wav).is_ok_and(|sound| sound.starts_with(b"RIFF")));
    let told = people.done(
        "amal",
        &["audit", "who-accessed", "--caller", CALLER, "--reason", "she asked"],
        &[],
    );
    for look in ["recordings export", "calls show", "olga", "your role may not do that"] {
        assert!(told.contains(look), "{look}: {told}");
    }
    let told = people.done("olga", &["consent", "explain", &id, "--reason", "she asked"], &[]);
    assert!(told.contains("and said yes") && told.contains("rule:"), "{told}");
    let told = people.done("olga", &["recordings", "verify"], &[]);
    assert!(told.contains("Good"), "{told}");
    people.done("olga", &["retention", "plan"], &[]);
    people.done(
        OWNER,
        &["retention", "hold", "add", "Doe", "--call", &id, "--reason", "counsel"],
        &[],
    );

    // What leaves the house to be judged: rows with their proof, signatures, and later the data.
    let elsewhere = tempfile::tempdir().expect("another machine");
    let key = elsewhere.path().join("book.public");
    fs::copy(house.path("keys/book.public"), &key).expect("room");
    let rows = elsewhere.path().join("looks.csv");
    let export = [
        "audit",
        "export",
        "--what",
        "looks",
        "--into",
        rows.to_str().expect("plain"),
    ];
    people.done("amal", &[export.as_slice(), &["--reason", "accounting"]].concat(), &[]);
    let (status, told) = verify(&rows, &key, None);
    assert_eq!(status, Some(0), "{told}");
    let (data, public) = (house.path("data"), house.path("keys/book.public"));
    let signatures = house.run(&[
        "audit",
        "checkpoint",
        data.to_str().expect("plain"),
        "--key",
        public.to_str().expect("plain"),
    ]);
    let known = elsewhere.path().join("checkpoints");
    fs::write(&known, &signatures).expect("room");
    let (status, told) = verify(&data, &key, Some(&known));
    assert!(status == Some(0) && told.contains("good"), "{told}");
    let (status, told) = verify(&older, &key, None);
    assert_eq!(status, Some(0), "by itself an old copy is as good as it was: {told}");
    let (status, told) = verify(&older, &key, Some(&known));
    assert!(
        status == Some(1) && told.contains("was signed elsewhere and is gone"),
        "{told}"
    );
    for (number, (kind, tamper, named)) in BOOKS.into_iter().enumerate() {
        let copy = elsewhere.path().join(format!("copy-{number}"));
        child::copy(&data, &copy);
        tamper(&copy);
        let (status, told) = verify(&copy, &key, Some(&known));
        assert_eq!(status, Some(1), "{kind}: {told}");
        assert!(
            told.contains(named) && told.contains("NOT what was written"),
            "{kind}: {told}"
        );
    }

    // Recordings are judged where the keys are.
    let of = |data: &Path, id: &str| {
        let months = fs::read_dir(data.join("recordings")).expect("months").flatten();
        let mut files = months.map(|month| month.path().join(format!("{id}.ndrec")));
        files.find(|path| path.exists()).expect("a recording")
    };
    let text = fs::read_to_string(house.path("nightdesk.yaml")).expect("ours");
    let judged = |number: usize, tamper: &dyn Fn(&Path)| {
        let name = format!("tampered-{number}");
        child::copy(&data, &house.path(&name));
        tamper(&house.path(&name));
        let config = house.path("tampered.yaml");
        fs::write(&config, text.replace("data: data", &format!("data: {name}"))).expect("room");
        let output = Command::new(child::target().join("debug/nightdesk"))
            .args(["recordings", "verify", "--config"])
            .arg(config)
            .env("NIGHTDESK_SESSION", people.session("olga"))
            .output()
            .expect("the binary was just built");
        assert!(!output.status.success(), "{number}: {}", said(&output));
        said(&output)
    };
    let told = judged(0, &|data| {
        change(&of(data, &recording), |bytes| bytes[1056 + 8016 + 9] ^= 1)
    });
    assert!(
        told.contains(&format!("{recording}  ChangedChunk {{ index: 1 }}")),
        "{told}"
    );
    let told = judged(1, &|data| {
        change(&of(data, &recording), |bytes| bytes.truncate(1056 + 2 * 8016))
    });
    assert!(told.contains(&format!("{recording}  Changed")), "{told}");
    let told = judged(2, &|data| {
        let (one, other) = (of(data, &clips[0]), of(data, &clips[1]));
        let head = fs::read(&other).expect("readable")[..1056].to_vec();
        change(&one, |bytes| bytes[..1056].copy_from_slice(&head));
    });
    assert!(
        told.contains("another file's name") && told.contains(&format!("{}  MISSING", clips[0])),
        "{told}"
    );
    let told = judged(3, &|data| fs::remove_file(of(data, &clips[0])).expect("ours"));
    assert!(told.contains(&format!("{}  MISSING", clips[0])), "{told}");
    let told = judged(4, &|data| {
        let file = of(data, &clips[0]);
        fs::rename(&file, file.with_file_name(format!("{}.ndrec", "ab".repeat(16)))).expect("ours");
    });
    assert!(
        told.contains("another file's name") && told.contains("MISSING"),
        "{told}"
    );
}
