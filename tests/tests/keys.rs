//! The keys of a practice from their ceremony to a restore, each command run as a person would, on a recording that must open.
#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test reads files and the clock, and fails loudly"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

const PASSPHRASE: &str = "the owl counts nine stairs";
const NEXT: &str = "nine stairs, said the owl";

struct House {
    folder: tempfile::TempDir,
}

impl House {
    fn new(labs: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let cedar = Path::new(env!("CARGO_MANIFEST_DIR")).join("../flows/cedar-family-medicine");
        let text = format!(
            "listen: [udp 127.0.0.1:0]\ntrunks:\n  loopback:\n    from: [127.0.0.0/8]\n    outbound: udp 127.0.0.1:5070\n\
             practices: [{0}]\n{labs}data: data\nkeys: keys\n",
            cedar.display()
        );
        std::fs::write(folder.path().join("desk.yaml"), text).expect("room");
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The program that `tools/test` has built beside these tests.
    fn program() -> PathBuf {
        let tests = std::env::current_exe().expect("this test is a file");
        tests.ancestors().nth(2).expect("tests lie in deps").join("nightdesk")
    }

    /// The owner, who may listen and manage keys, is logged in.
    fn log_in(&self) {
        let people = tests::people::People::of(&Self::program(), &self.path("desk.yaml"), &self.path("sessions"));
        people.owner("marisol");
    }

    /// Runs `nightdesk keys …` in this house; gives whether it succeeded and what it said.
    fn run(&self, passphrase: &str, arguments: &[&str]) -> (bool, String) {
        let output = Command::new(Self::program())
            .args(arguments)
            .current_dir(self.folder.path())
            .env("NIGHTDESK_PASSPHRASE", passphrase)
            .env(
                "NIGHTDESK_NEW_PASSPHRASE",
                if passphrase == NEXT { PASSPHRASE } else { NEXT },
            )
            .env("NIGHTDESK_SESSION", self.path("sessions/marisol"))
            .output()
            .expect("`cargo build -p nightdesk` first");
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), said)
    }

    fn done(&self, passphrase: &str, arguments: &[&str]) -> String {
        let (succeeded, said) = self.run(passphrase, arguments);
        assert!(succeeded, "{arguments:?}: {said}");
        said
    }

    /// Records a second of sound as the engine does: with the bundle and a folder for shares.
    fn record(&self) -> vault::FileId {
        let keys = self.path("keys");
        let secret = std::fs::read(keys.join("engine.secret")).expect("made");
        let secret = seal::RecipientSecret::from_engine_bytes(&secret).expect("a key");
        let given = keyring::engine_keys(&keys, &secret)
            .expect("its own")
            .expect("a bundle");
        let locks = vault::Locks::new(given.recipients, keyring::Keyring::at(&keys).shares());
        let mut seed = std::process::id().to_be_bytes().to_vec();
        let draw = Box::new(move || {
            seed = seal::hash(&seed).to_vec();
            *seed.first_chunk().expect("16 of 32")
        });
        let mut vault = vault::Vault::open(self.path("data/recordings"), locks, draw).expect("a folder");
        let new = vault::NewRecording {
            id: None,
            tenant: seal::Tenant::named("Cedar Family Medicine").0,
            call: [2; 16],
            codec: vault::Codec::MuLaw,
            kind: vault::Kind::Call,
            start_ms: jiff::Timestamp::now().as_millisecond(),
            monotonic_ns: 5,
            consent: [4; 32],
            consent_before_start: true,
        };
        let mut writer = vault.begin(&new).expect("a good disk");
        assert!(!writer.is_overdue(), "Cedar was provisioned");
        writer.push(&[0x80; 8000], &[0xFF; 8000]).expect("a good disk");
        writer.sync().expect("a good disk");
        writer.finish(new.start_ms + 1000).expect("a good disk").id
    }

    /// Whoever knows the passphrase hears the recording.
    fn opens(&self, passphrase: &str, id: vault::FileId) -> bool {
        let wav = self.path("heard.wav");
        let _ = std::fs::remove_file(&wav);
        let id = id.to_string();
        let arguments = [
            "recordings",
            "export",
            &id,
            "--wav",
            "heard.wav",
            "--config",
            "desk.yaml",
            "--reason",
            "a drill",
        ];
        let (succeeded, said) = self.run(passphrase, &arguments);
        assert!(!succeeded || said.contains("every chunk authentic"), "{said}");
        succeeded && wav.exists()
    }
}

/// Proves SEC-04, SEC-05, RET-06: ceremony, months ahead, rotation, recovery by two parts, and the drill: keys restored from their backup into an
/// empty folder open what was recorded; without keys nothing does.
#[test]
fn keys_from_their_ceremony_to_a_restore() {
    let house = House::new("");
    let config = ["--config", "desk.yaml"];
    let with = |first: &[&'static str]| [first, &config].concat();
    assert!(
        house
            .done(PASSPHRASE, &with(&["keys", "status"]))
            .contains("no root: run `nightdesk keys ceremony`")
    );

    // The ceremony asks for a new passphrase, which is what NEXT stands for while PASSPHRASE is in use.
    let said = house.done(NEXT, &with(&["keys", "ceremony"]));
    assert!(
        said.contains("Cedar Family Medicine") && said.contains("part 3 of 3"),
        "{said}"
    );
    let rows: Vec<String> = said
        .lines()
        .filter_map(|line| line.strip_prefix("      "))
        .map(str::to_owned)
        .collect();
    assert_eq!(rows.len(), 9);
    for (number, part) in (1..).zip(rows.chunks(3)) {
        std::fs::write(house.path(&format!("part{number}")), part.join("\n")).expect("room");
    }
    let (again, said) = house.run(NEXT, &with(&["keys", "ceremony"]));
    assert!(!again && said.contains("already"), "{said}");
    let status = house.done(PASSPHRASE, &with(&["keys", "status"]));
    assert!(
        status.contains("kept by a passphrase") && status.contains("the house") && status.contains("240 keys"),
        "{status}"
    );

    let id = house.record();
    house.log_in();
    assert!(house.opens(PASSPHRASE, id) && !house.opens("something else", id));
    let shown = house.done(
        PASSPHRASE,
        &[
            "recordings",
            "show",
            &id.to_string(),
            "--config",
            "desk.yaml",
            "--reason",
            "a look",
        ],
    );
    assert!(shown.contains("caller  |█"), "{shown}");
    let id_text = id.to_string();
    let part = [
        "recordings",
        "export",
        &id_text,
        "--wav",
        "part.wav",
        "--from",
        "0.25",
        "--to",
        "0:0.5",
        "--config",
        "desk.yaml",
        "--reason",
        "a part",
    ];
    assert!(house.done(PASSPHRASE, &part).contains("0.2 s  1 chunks read"));

    // A backup, then rotations of everything; the recording opens all the way.
    house.done(PASSPHRASE, &with(&["keys", "backup", "elsewhere"]));
    let said = house.done(
        PASSPHRASE,
        &with(&["keys", "rotate", "--practice", "Cedar Family Medicine"]),
    );
    assert!(said.contains("240 keys of months"), "{said}");
    assert!(house.opens(PASSPHRASE, id));
    let month = jiff::Timestamp::now().strftime("%Y-%m").to_string();
    let said = house.done(
        PASSPHRASE,
        &["keys", "rotate", "--months-from", &month, "--config", "desk.yaml"],
    );
    assert!(said.contains("1 recordings have new headers"), "{said}");
    assert!(house.opens(PASSPHRASE, id));
    house.done(PASSPHRASE, &with(&["keys", "rotate", "--root"]));
    assert!(house.opens(NEXT, id) && !house.opens(PASSPHRASE, id));

    // Nobody knows the passphrase: two parts, in any order, say so first and then do it.
    let parts = ["keys", "recover", "--part", "part3", "--part", "part1", "--dry-run"];
    assert!(house.done("forgotten, alas", &with(&parts)).contains("open the root"));
    let (one_twice, said) = house.run("x", &with(&["keys", "recover", "--part", "part1", "--part", "part1"]));
    assert!(!one_twice && said.contains("twice the same part"), "{said}");
    house.done(NEXT, &with(&parts[..6]));
    assert!(house.opens(PASSPHRASE, id));

    // The drill. The newest keys go to the backup; the folder is lost; an empty one takes them back.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    house.done(PASSPHRASE, &with(&["keys", "backup", "elsewhere"]));
    let mut backups: Vec<PathBuf> = std::fs::read_dir(house.path("elsewhere"))
        .expect("a folder")
        .map(|entry| entry.expect("one").path())
        .collect();
    backups.sort();
    let newest = backups.pop().expect("two").display().to_string();
    let (onto_others, said) = house.run(PASSPHRASE, &["keys", "restore", &newest, "keys"]);
    assert!(!onto_others && said.contains("not empty"), "{said}");
    std::fs::rename(house.path("keys"), house.path("lost")).expect("ours");
    assert!(!house.opens(PASSPHRASE, id), "a disk of data without its keys");
    let said = house.done(PASSPHRASE, &["keys", "restore", &newest, "keys"]);
    assert!(
        said.contains("are back") && said.contains("the engine's bundle reaches to"),
        "{said}"
    );
    assert!(house.opens(PASSPHRASE, id));
    // A damaged backup is refused whole.
    std::fs::rename(house.path("keys"), house.path("again")).expect("ours");
    let root = Path::new(&newest).join("root.key");
    let mut damaged = std::fs::read(&root).expect("a file");
    damaged[20] ^= 1;
    std::fs::write(&root, damaged).expect("room");
    let (taken, said) = house.run(PASSPHRASE, &["keys", "restore", &newest, "keys"]);
    assert!(!taken && said.contains("root.key"), "{said}");
    assert!(!house.path("keys").join("root.key").exists());
}

/// Proves SEC-12: an engine with patients does not start while its keys lie on the disk of its data; it says what to do.
#[test]
fn keys_on_the_data_disk_are_refused() {
    let house = House::new("");
    let text = std::fs::read_to_string(house.path("desk.yaml")).expect("ours");
    std::fs::write(house.path("desk.yaml"), text.replace("keys: keys", "keys: data/keys")).expect("room");
    house.done("", &["keys", "make", "data/keys"]);
    let (served, said) = house.run("", &["serve", "--config", "desk.yaml"]);
    assert!(
        !served && said.contains("lie in one another") && said.contains("fix: move the keys"),
        "{said}"
    );
}
