//! `nightdesk keys`: development keys, and reading keys from their folder.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ring::rand::{SecureRandom, SystemRandom};

use crate::Failure;

/// Makes every key that is missing in the folder; keys that are there are left alone. Returns the names made.
pub(crate) fn make(folder: &Path) -> Result<Vec<&'static str>, Failure> {
    fs::create_dir_all(folder).map_err(Failure::file(folder))?;
    let random = SystemRandom::new();
    let mut entropy = |bytes: &mut [u8]| {
        random
            .fill(bytes)
            .expect("the kernel gives random numbers once it has booted")
    };
    let mut made = Vec::new();
    if !folder.join("recording.secret").exists() {
        let secret = seal::RecipientSecret::generate(1, &mut entropy);
        write(folder, "recording.public", &secret.public().to_bytes())?;
        write(folder, "recording.secret", &secret.to_bytes())?;
        made.extend(["recording.public", "recording.secret"]);
    }
    if !folder.join("book.key").exists() {
        write(folder, "book.key", &seal::BookKey::generate(&mut entropy).to_bytes())?;
        made.push("book.key");
    }
    if !folder.join("book.signing").exists() {
        let signer = seal::Signer::generate(&mut entropy);
        write(folder, "book.public", &signer.verifier().to_bytes())?;
        write(folder, "book.signing", &signer.to_bytes())?;
        made.extend(["book.public", "book.signing"]);
    }
    if !folder.join(SESSIONS).exists() {
        write(folder, SESSIONS, &seal::TokenKey::generate(&mut entropy).to_bytes())?;
        made.push(SESSIONS);
    }
    Ok(made)
}

/// With what sessions of people are known again.
const SESSIONS: &str = "sessions.key";

/// What the office of this house is opened with.
pub(crate) fn for_office(folder: &Path) -> Result<office::Keys, Failure> {
    Ok(office::Keys {
        office: for_book(folder)?,
        readers: for_book(folder)?,
        rows: rows(folder)?,
        tokens: read(folder, SESSIONS, seal::TokenKey::from_bytes)?,
    })
}

/// The engine's keys: it seals, signs, and can open no recording.
pub(crate) fn for_engine(folder: &Path) -> Result<exchange::Keys, Failure> {
    Ok(exchange::Keys {
        book: for_book(folder)?,
        rows: rows(folder)?,
        recipients: vec![recipient(folder)?],
        approvers: folder.join(APPROVERS),
    })
}

/// Makes the key pair of somebody who approves releases, in a folder of their own. Returns the public file's path.
pub(crate) fn make_approver(name: &str, folder: &Path) -> Result<std::path::PathBuf, Failure> {
    let known_as = flow::release::known_as(name);
    if known_as.is_empty() {
        return Err(Failure::new(
            "an approver has a name",
            "write it as the protocol's approval does: \"Adaeze Okafor MD\"",
        ));
    }
    fs::create_dir_all(folder).map_err(Failure::file(folder))?;
    let (secret, public) = (format!("{known_as}.secret"), format!("{known_as}.public"));
    if folder.join(&secret).exists() {
        return Err(Failure::new(
            format!("{} is there already", folder.join(&secret).display()),
            "use it; signatures made with it count, and a new key would void them",
        ));
    }
    let random = SystemRandom::new();
    let signer = seal::Signer::generate(&mut |bytes: &mut [u8]| {
        random
            .fill(bytes)
            .expect("the kernel gives random numbers once it has booted")
    });
    write(folder, &public, &signer.verifier().to_approver_bytes())?;
    write(folder, &secret, &signer.to_approver_bytes())?;
    Ok(folder.join(public))
}

/// An approver's own key.
pub(crate) fn approver(file: &Path) -> Result<seal::Signer, Failure> {
    let bytes = fs::read(file).map_err(Failure::file(file))?;
    seal::Signer::from_approver_bytes(&bytes).map_err(|fault| {
        Failure::new(
            format!("{}: {fault}", file.display()),
            "name your own key file; `nightdesk keys approver \"NAME\" FOLDER` makes one",
        )
    })
}

/// The folder of approvers' public keys, in the key folder.
pub(crate) const APPROVERS: &str = "approvers";

/// What a book is written with.
pub(crate) fn for_book(folder: &Path) -> Result<ledger::BookKeys, Failure> {
    Ok(ledger::BookKeys {
        seal: book_key(folder)?,
        sign: read(folder, "book.signing", seal::Signer::from_bytes)?,
    })
}

/// What a book is read with.
pub(crate) fn book_key(folder: &Path) -> Result<seal::BookKey, Failure> {
    read(folder, "book.key", seal::BookKey::from_bytes)
}

/// What rows are sealed with and opened by, by practice, month and class: those in the engine's bundle. None before the engine is
/// provisioned.
pub(crate) fn rows(folder: &Path) -> Result<ledger::Rows, Failure> {
    Ok(bundle(folder)?.map_or_else(ledger::Rows::default, |keys| ledger::Rows::new(keys.rows)))
}

/// When the engine's bundle was last written.
pub(crate) fn changed(folder: &Path) -> Option<std::time::SystemTime> {
    fs::metadata(folder.join(BUNDLE)).ok()?.modified().ok()
}

/// The practices, months and classes that recordings are sealed for.
pub(crate) fn recipient_places(folder: &Path) -> Result<Vec<seal::Place>, Failure> {
    Ok(bundle(folder)?.map_or_else(Vec::new, |keys| keys.recipients.places().collect()))
}

/// Takes the keys of a place out of the engine's bundle.
pub(crate) fn forget(folder: &Path, place: seal::Place) -> Result<(), Failure> {
    if !folder.join(ENGINE).exists() {
        return Ok(());
    }
    let engine = read(folder, ENGINE, seal::RecipientSecret::from_bytes)?;
    let random = SystemRandom::new();
    let mut entropy = |bytes: &mut [u8]| {
        random
            .fill(bytes)
            .expect("the kernel gives random numbers once it has booted")
    };
    keyring::forget_in_bundle(folder, &engine, place, &mut entropy)
        .map(drop)
        .map_err(bundle_fault(folder))
}

fn bundle(folder: &Path) -> Result<Option<keyring::EngineKeys>, Failure> {
    if !folder.join(ENGINE).exists() {
        return Ok(None);
    }
    let engine = read(folder, ENGINE, seal::RecipientSecret::from_bytes)?;
    keyring::engine_keys(folder, &engine).map_err(bundle_fault(folder))
}

fn bundle_fault(folder: &Path) -> impl FnOnce(keyring::Fault) -> Failure {
    let folder = folder.display().to_string();
    move |fault| {
        Failure::new(
            format!("{folder}: {fault}"),
            "provision the engine again: `nightdesk keys provision`",
        )
    }
}

/// What the engine is provisioned with.
const BUNDLE: &str = "engine.bundle";
/// With what the engine opens its bundle.
const ENGINE: &str = "engine.secret";

/// For whom recordings are sealed.
pub(crate) fn recipient(folder: &Path) -> Result<seal::RecipientPublic, Failure> {
    read(folder, "recording.public", seal::RecipientPublic::from_bytes)
}

/// Who may listen.
pub(crate) fn listener(folder: &Path) -> Result<seal::RecipientSecret, Failure> {
    read(folder, "recording.secret", seal::RecipientSecret::from_bytes)
}

/// Sixteen octets nobody can guess.
pub(crate) fn draw() -> Box<dyn FnMut() -> [u8; 16] + Send> {
    let random = SystemRandom::new();
    Box::new(move || {
        let mut octets = [0; 16];
        random
            .fill(&mut octets)
            .expect("the kernel gives random numbers once it has booted");
        octets
    })
}

fn read<T>(folder: &Path, name: &str, parse: impl FnOnce(&[u8]) -> Result<T, seal::Fault>) -> Result<T, Failure> {
    let path = folder.join(name);
    let bytes = fs::read(&path).map_err(Failure::file(&path))?;
    parse(&bytes).map_err(|fault| {
        Failure::new(
            format!("{}: {fault}", path.display()),
            "restore the key file from its safe place; a new key opens nothing old",
        )
    })
}

/// Written for its owner only, whole or not at all.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    let path = folder.join(name);
    let unfinished = folder.join(format!("{name}.new"));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(Failure::file(&unfinished))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(Failure::file(&unfinished))?;
    fs::rename(&unfinished, &path).map_err(Failure::file(&path))
}
