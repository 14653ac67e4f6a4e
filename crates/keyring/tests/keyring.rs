//! A folder of keys from its ceremony to its destruction.
#![allow(
    clippy::disallowed_methods,
    reason = "a test of files: it draws, copies, and starts itself again with another environment"
)]

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use keyring::{Fault, Kept, Keyring, Kind, Question, Token, Unlocked, engine_keys, forget_in_bundle};
use seal::{
    Codec, Fixed, Header, Month, Opener, Place, RecipientPublic, RecipientSecret, Retention, RowKeyId, Sealer, Tenant,
};
use zeroize::Zeroizing;

fn entropy() -> impl FnMut(&mut [u8]) {
    use ring::rand::SecureRandom;
    let random = ring::rand::SystemRandom::new();
    move |out| random.fill(out).expect("the kernel gives random numbers")
}

/// Answers every question with the same word.
fn says(word: &str) -> impl FnMut(&Question) -> io::Result<Zeroizing<String>> {
    let word = word.to_owned();
    move |_| Ok(Zeroizing::new(word.clone()))
}

fn november() -> Month {
    "2026-11".parse().expect("a month")
}

fn cedar() -> Tenant {
    Tenant::named("Cedar Family Medicine")
}

fn place(class: Retention) -> Place {
    Place {
        tenant: cedar(),
        class,
        month: november(),
    }
}

/// A folder with a plain root and `months` months of Cedar.
fn made(folder: &Path, months: u16) -> Unlocked {
    let mut unlocked = Keyring::at(folder)
        .create(&Kept::Plain, &mut says(""), &mut entropy())
        .expect("an empty folder");
    unlocked
        .provision(cedar(), "Cedar Family Medicine", november(), months, 1, &mut entropy())
        .expect("a good disk");
    unlocked
}

/// The header of a file sealed for somebody.
fn sealed_for(public: &RecipientPublic) -> Header {
    let fixed = Fixed {
        codec: Codec::MuLaw,
        channels: 2,
        flags: 0,
        file: [1; 16],
        tenant: cedar().0,
        call: [2; 16],
        start_ms: 1_795_000_000_000,
        monotonic_ns: 0,
        consent: [0; 32],
    };
    let (_, header) = Sealer::begin(&fixed, std::slice::from_ref(public), None, &mut entropy()).expect("one recipient");
    Header::parse(&header).expect("ours")
}

fn opens(unlocked: &Unlocked, header: &Header) -> bool {
    unlocked
        .recipient(header)
        .is_ok_and(|secret| Opener::new(header, &secret, None).is_ok())
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let beside = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &beside);
        } else {
            std::fs::copy(&path, &beside).expect("a file");
        }
    }
}

/// Proves SEC-01, SEC-05, SEC-12: what the engine is given seals and never opens; who has the root opens; who has a copy of the
/// folder but not the passphrase opens nothing.
#[test]
fn an_engine_seals_what_only_the_root_opens() {
    let folder = tempfile::tempdir().expect("a folder");
    let keyring = Keyring::at(folder.path());
    assert!(matches!(keyring.unlock(&mut says("x")), Err(Fault::RefusedNoRoot(_))));
    let mut unlocked = keyring
        .create(&Kept::Passphrase, &mut says("correct horse"), &mut entropy())
        .expect("an empty folder");
    assert!(matches!(
        keyring.create(&Kept::Plain, &mut says(""), &mut entropy()),
        Err(Fault::RefusedRootIsThere(_))
    ));
    let first = unlocked
        .provision(cedar(), "Cedar", november(), 24, 1, &mut entropy())
        .expect("a good disk");
    assert_eq!((first.made, first.there), (240, 240));
    let again = unlocked
        .provision(cedar(), "Cedar", november().plus(1), 24, 2, &mut entropy())
        .expect("a good disk");
    assert_eq!((again.made, again.there), (10, 240), "one month more");

    let engine = RecipientSecret::generate(0, &mut entropy());
    assert!(engine_keys(folder.path(), &engine).expect("readable").is_none());
    unlocked
        .provision_engine(&engine.public(), &mut entropy())
        .expect("a good disk");
    let given = engine_keys(folder.path(), &engine)
        .expect("its own bundle")
        .expect("a bundle");
    assert_eq!(given.until, Some(november().plus(24)));
    assert_eq!((given.rows.len(), given.recipients.places().count()), (125, 125));
    let stranger = RecipientSecret::generate(0, &mut entropy());
    assert!(engine_keys(folder.path(), &stranger).is_err());

    let whom = given
        .recipients
        .current(cedar(), november(), Retention::Audio)
        .expect("provisioned");
    assert!(!whom.overdue);
    let header = sealed_for(whom.public);
    assert!(opens(
        &keyring.unlock(&mut says("correct horse")).expect("its passphrase"),
        &header
    ));
    assert!(matches!(
        keyring.unlock(&mut says("Correct horse")),
        Err(Fault::RefusedRoot(_))
    ));
    // The row keys are the same on both sides.
    let rows = unlocked.rows().expect("readable");
    for (id, of, key) in given.rows.iter() {
        assert_eq!(rows.place(id), Some(of));
        assert_eq!(rows.by_id(id).map(seal::RowKey::secret), Some(key.secret()));
    }
    // Nothing but wrapped keys and public halves lies in the folder, each file for its owner only.
    let secret = unlocked.recipient(&header).expect("there");
    each_file(folder.path(), &mut |path, bytes| {
        use std::os::unix::fs::PermissionsExt;
        let mode = path.metadata().expect("a file").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
        let text = String::from_utf8_lossy(bytes).to_lowercase();
        for (_, _, key) in rows.iter() {
            assert!(!bytes.windows(32).any(|w| w == key.secret()) && !text.contains(&seal::keys::hex(key.secret())));
        }
        assert!(!text.contains(&seal::keys::hex(secret.secret())), "{}", path.display());
    });
}

fn each_file(folder: &Path, each: &mut dyn FnMut(&Path, &[u8])) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            each_file(&path, each);
        } else {
            each(&path, &std::fs::read(&path).expect("a file"));
        }
    }
}

/// Two parts of the recovery key, read from paper, open the root whose keeper is gone; after a rotation they still do.
#[test]
fn two_of_three_parts_bring_the_root_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let keyring = Keyring::at(folder.path());
    let mut unlocked = keyring
        .create(&Kept::Passphrase, &mut says("forgotten"), &mut entropy())
        .expect("an empty folder");
    let parts = unlocked.make_recovery(&mut entropy()).expect("a good disk");
    assert_eq!(
        keyring.root().expect("readable").and_then(|facts| facts.recovery),
        Some(parts[0].of)
    );
    let paper: Vec<String> = parts.iter().map(|part| part.to_text().to_string()).collect();
    let [one, two, three] = [0, 1, 2].map(|part| seal::Part::from_text(&paper[part]).expect("as printed"));
    for (a, b) in [(&one, &two), (&two, &three), (&three, &one)] {
        assert_eq!(keyring.recover(a, b).expect("two parts").root_id(), unlocked.root_id());
    }
    let foreign = seal::split(&[9; 32], [8; 8], &mut entropy());
    assert!(matches!(
        keyring.recover(&foreign[0], &foreign[1]),
        Err(Fault::RefusedRoot(_))
    ));

    unlocked
        .rotate_root(&Kept::Passphrase, &mut says("new"), &mut entropy())
        .expect("a good disk");
    let recovered = keyring.recover(&one, &three).expect("the same paper");
    assert_eq!(recovered.root_id(), unlocked.root_id());
    recovered
        .keep_by(&Kept::Passphrase, &mut says("remembered"), &mut entropy())
        .expect("a good disk");
    assert!(keyring.unlock(&mut says("new")).is_err());
    assert!(keyring.unlock(&mut says("remembered")).is_ok());
}

/// A rotation may end anywhere: at every point where it draws (before each file it writes) a copy of the folder opens
/// everything with the root in force, and is tidied up.
#[test]
fn a_rotation_that_ends_anywhere_leaves_a_folder_that_opens() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().join("keys");
    let mut unlocked = made(&keys, 2);
    unlocked
        .provision(Tenant::HOUSE, "the house", november(), 1, 1, &mut entropy())
        .expect("a good disk");
    let public = unlocked
        .newest(place(Retention::Audio))
        .expect("readable")
        .expect("provisioned");
    let header = sealed_for(&public);
    let rows = unlocked.rows().expect("readable").len();
    let mut copies: Vec<PathBuf> = Vec::new();
    for what in ["root", "practice"] {
        let mut drawing = entropy();
        let mut at_each = |out: &mut [u8]| {
            let copied = folder.path().join(format!("copy-{}", copies.len()));
            copy(&keys, &copied);
            copies.push(copied);
            drawing(out);
        };
        let before = unlocked.root_id();
        let wrapped = match what {
            "root" => unlocked.rotate_root(&Kept::Plain, &mut says(""), &mut at_each),
            _ => unlocked.rotate_practice(cedar(), &mut at_each),
        };
        assert!(wrapped.expect("a good disk").wrapped > 0);
        assert_eq!(unlocked.root_id() != before, what == "root");
        assert!(opens(&unlocked, &header));
    }
    assert!(copies.len() > 20, "{} points", copies.len());
    for copied in copies {
        let interrupted = Keyring::at(&copied).unlock(&mut says("")).expect("a root in force");
        assert!(opens(&interrupted, &header), "{}", copied.display());
        assert_eq!(interrupted.rows().expect("readable").len(), rows);
        interrupted.tidy().expect("a good disk");
        let tidied = Keyring::at(&copied).unlock(&mut says("")).expect("a root in force");
        assert!(opens(&tidied, &header) && tidied.rows().expect("readable").len() == rows);
        assert_eq!(tidied.tidy().expect("a good disk"), 0, "nothing is left over");
    }
}

/// Proves RET-02, RET-07: destroying a month's and class's keys takes these and no others, from the engine's bundle too.
#[test]
fn a_place_is_destroyed_and_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let unlocked = made(folder.path(), 2);
    let header = |class| sealed_for(&unlocked.newest(place(class)).expect("readable").expect("provisioned"));
    let (audio, messages) = (header(Retention::Audio), header(Retention::Messages));
    let engine = RecipientSecret::generate(0, &mut entropy());
    unlocked
        .provision_engine(&engine.public(), &mut entropy())
        .expect("a good disk");

    let keyring = Keyring::at(folder.path());
    let gone = keyring.destroy(place(Retention::Audio)).expect("a good disk");
    assert_eq!(gone.len(), 2);
    let recipient = gone
        .iter()
        .find(|gone| gone.kind == Kind::Recipient)
        .expect("one of them");
    assert_eq!(recipient.id, audio.slots[0].key_id);
    let rows = gone.iter().find(|gone| gone.kind == Kind::Rows).expect("the other");
    assert!(!opens(&unlocked, &audio) && opens(&unlocked, &messages));
    assert!(matches!(unlocked.recipient(&audio), Err(Fault::RefusedGone(_))));
    assert_eq!(unlocked.rows().expect("readable").len(), 9);
    assert!(
        keyring
            .destroy(place(Retention::Audio))
            .expect("a good disk")
            .is_empty()
    );

    let bundle = |engine: &RecipientSecret| engine_keys(folder.path(), engine).expect("its own").expect("a bundle");
    assert!(
        bundle(&engine).rows.by_id(RowKeyId(rows.id)).is_some(),
        "not before the bundle is told"
    );
    assert_eq!(
        forget_in_bundle(folder.path(), &engine, place(Retention::Audio), &mut entropy()).expect("its own"),
        2
    );
    let left = bundle(&engine);
    assert!(left.rows.by_id(RowKeyId(rows.id)).is_none());
    assert_eq!(left.rows.len(), 9);
}

/// New keys for a month: new files are sealed for the new, old ones open with the old.
#[test]
fn a_month_is_renewed() {
    let folder = tempfile::tempdir().expect("a folder");
    let unlocked = made(folder.path(), 1);
    let newest = || {
        unlocked
            .newest(place(Retention::Audio))
            .expect("readable")
            .expect("provisioned")
    };
    let old = newest();
    let before = sealed_for(&old);
    assert_eq!(
        unlocked
            .renew_months(cedar(), november(), 1, 2, &mut entropy())
            .expect("a good disk"),
        10
    );
    assert_ne!(newest(), old);
    let after = sealed_for(&newest());
    assert!(opens(&unlocked, &before) && opens(&unlocked, &after));
    let engine = RecipientSecret::generate(0, &mut entropy());
    unlocked
        .provision_engine(&engine.public(), &mut entropy())
        .expect("a good disk");
    let given = engine_keys(folder.path(), &engine).expect("its own").expect("a bundle");
    let whom = given
        .recipients
        .current(cedar(), november(), Retention::Audio)
        .expect("provisioned");
    assert_eq!(*whom.public, newest());
    assert_eq!(given.rows.len(), 10, "the old row keys still open");
}

/// A root that lies outside: the folder says which one it is, and takes no other.
#[test]
fn a_credential_or_a_variable_holds_the_root() {
    for kept in [
        Kept::Credential("nightdesk-root".into()),
        Kept::Environment("NIGHTDESK_ROOT".into()),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let keyring = Keyring::at(folder.path());
        let unlocked = keyring
            .create(&kept, &mut says(""), &mut entropy())
            .expect("an empty folder");
        let file = String::from_utf8(unlocked.root_file().to_vec()).expect("text");
        let digits = file.lines().nth(1).expect("three lines");
        each_file(folder.path(), &mut |path, bytes| {
            assert!(!String::from_utf8_lossy(bytes).contains(digits), "{}", path.display());
        });
        assert_eq!(
            keyring.unlock(&mut says(&file)).expect("the key file").root_id(),
            unlocked.root_id()
        );
        assert_eq!(
            keyring.unlock(&mut says(digits)).expect("its digits").root_id(),
            unlocked.root_id()
        );
        assert!(matches!(
            keyring.unlock(&mut says(&"00".repeat(32))),
            Err(Fault::RefusedRoot(_))
        ));
        let mut nobody = |_: &Question| Err(io::Error::from(io::ErrorKind::NotFound));
        let told = keyring.unlock(&mut nobody).err().expect("nobody answered").to_string();
        assert!(
            told.contains("nightdesk-root") || told.contains("NIGHTDESK_ROOT"),
            "{told}"
        );
    }
}

/// Any changed octet of any file of keys is noticed; nothing opens to something else.
#[test]
fn a_damaged_file_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().join("keys");
    made(&keys, 1);
    let mut paths = Vec::new();
    each_file(&keys, &mut |path, _| paths.push(path.to_owned()));
    for path in paths.iter().step_by(3) {
        let whole = std::fs::read(path).expect("a file");
        for place in (0..whole.len()).step_by(7) {
            let mut damaged = whole.clone();
            damaged[place] ^= 1;
            std::fs::write(path, &damaged).expect("a file");
            let told = Keyring::at(&keys).unlock(&mut says("")).and_then(|unlocked| {
                unlocked.provision_engine(&RecipientSecret::generate(0, &mut entropy()).public(), &mut entropy())
            });
            assert!(told.is_err(), "{} at {place}", path.display());
        }
        std::fs::write(path, &whole).expect("a file");
    }
}

/// Shares: kept, found, wiped; a month later nothing tells what they were.
#[test]
fn a_share_is_kept_and_wiped() {
    let folder = tempfile::tempdir().expect("a folder");
    let shares = Keyring::at(folder.path()).shares();
    let share = seal::ItemShare::generate(&mut entropy());
    assert!(shares.find(november(), &[7; 16]).expect("readable").is_none());
    let to_sync = shares.keep(november(), &[7; 16], &share).expect("a good disk");
    assert!(to_sync.len() >= 2, "the file and its folder");
    assert!(shares.keep(november(), &[7; 16], &share).is_err(), "never twice");
    let found = shares.find(november(), &[7; 16]).expect("readable").expect("kept");
    assert_eq!(found.secret(), share.secret());
    assert_eq!(shares.count().expect("readable"), [(november(), 1)]);
    assert!(shares.wipe(november(), &[7; 16]).expect("a good disk"));
    assert!(!shares.wipe(november(), &[7; 16]).expect("a good disk"));
    assert!(shares.find(november(), &[7; 16]).expect("readable").is_none());
}

const TOKEN: &str = "KEYRING_TEST_TOKEN";
const MODULES: [&str; 2] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
];

/// A token keeps the root: SoftHSM, by PKCS#11. Its wrapping key cannot be taken out. The test starts itself again, because
/// SoftHSM reads its configuration's place from the environment.
#[test]
fn a_token_keeps_the_root() {
    let Some(folder) = std::env::var_os(TOKEN).map(PathBuf::from) else {
        let folder = tempfile::tempdir().expect("a folder");
        let tokens = folder.path().join("tokens");
        std::fs::create_dir(&tokens).expect("a folder");
        let configuration = folder.path().join("softhsm2.conf");
        let text = format!(
            "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
            tokens.display()
        );
        std::fs::write(&configuration, text).expect("a file");
        let run = |program: &str, arguments: &[&str]| {
            let output = Command::new(program)
                .args(arguments)
                .env("SOFTHSM2_CONF", &configuration)
                .env(TOKEN, folder.path())
                .output()
                .expect("softhsm2 is installed by `make setup`");
            let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
        };
        let token = [
            "--init-token",
            "--free",
            "--label",
            "practice",
            "--pin",
            "1234",
            "--so-pin",
            "5678",
        ];
        run("softhsm2-util", &token);
        let own = std::env::current_exe().expect("this test");
        let own = own.to_str().expect("a plain path");
        run(own, &["--exact", "a_token_keeps_the_root", "--nocapture"]);
        return;
    };
    let module = MODULES
        .iter()
        .map(Path::new)
        .find(|path| path.exists())
        .expect("softhsm2 is installed");
    let token = Token {
        module: module.to_owned(),
        label: "practice".to_owned(),
        key: "nightdesk".to_owned(),
    };
    let kept = Kept::Token(token.clone());
    let keyring = Keyring::at(folder.join("keys"));
    let mut unlocked = keyring
        .create(&kept, &mut says("1234"), &mut entropy())
        .expect("a token");
    unlocked
        .provision(cedar(), "Cedar", november(), 1, 1, &mut entropy())
        .expect("a good disk");
    let id = unlocked.root_id();
    drop(unlocked);
    assert_eq!(keyring.unlock(&mut says("1234")).expect("its PIN").root_id(), id);
    let wrong = keyring.unlock(&mut says("4321"));
    assert!(matches!(wrong, Err(Fault::RefusedRoot(_))), "{:?}", wrong.err());
    let unknown = Kept::Token(Token {
        label: "nobody".to_owned(),
        ..token
    });
    let refused = Keyring::at(folder.join("others")).create(&unknown, &mut says("1234"), &mut entropy());
    assert!(matches!(refused, Err(Fault::Token(_))));
    // The key can be used and not be taken out.
    use cryptoki::object::{Attribute, AttributeInfo, AttributeType, ObjectClass};
    let library = cryptoki::context::Pkcs11::new(module).expect("the library");
    let flags = cryptoki::context::CInitializeFlags::OS_LOCKING_OK;
    let _ = library.initialize(cryptoki::context::CInitializeArgs::new(flags));
    let slot = library.get_slots_with_token().expect("slots")[0];
    let session = library.open_ro_session(slot).expect("a session");
    let pin = cryptoki::types::AuthPin::new("1234".into());
    session
        .login(cryptoki::session::UserType::User, Some(&pin))
        .expect("its PIN");
    let keys = session
        .find_objects(&[Attribute::Class(ObjectClass::SECRET_KEY)])
        .expect("objects");
    assert_eq!(keys.len(), 1);
    let shown = session
        .get_attributes(keys[0], &[AttributeType::Extractable, AttributeType::Sensitive])
        .expect("attributes");
    assert_eq!(shown, [Attribute::Extractable(false), Attribute::Sensitive(true)]);
    let value = session
        .get_attribute_info(keys[0], &[AttributeType::Value])
        .expect("attributes");
    assert!(
        matches!(value[0], AttributeInfo::Sensitive | AttributeInfo::Unavailable),
        "{value:?}"
    );
}
