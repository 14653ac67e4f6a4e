//! Keys of this machine: what the engine is started with, what opens a recording, and `nightdesk keys` ([`commands`]).

mod ask;
pub(crate) mod commands;
pub(crate) mod watch;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};

use crate::{Failure, out};

/// Makes every key that is missing in the folder, for development: the root lies there as it is. Keys that are there are
/// left alone. Each of `practices` is provisioned, and the house, for `months` months. Returns what was made.
pub(crate) fn make(folder: &Path, practices: &[String], months: u16) -> Result<Vec<String>, Failure> {
    fs::create_dir_all(folder).map_err(Failure::file(folder))?;
    let mut made = make_book(folder)?;
    let keyring = keyring::Keyring::at(folder);
    let facts = keyring.root().map_err(failed)?;
    let mut unlocked = match facts {
        None => {
            made.push("root.key".to_owned());
            keyring
                .create(&keyring::Kept::Plain, &mut ask::person(), &mut entropy())
                .map_err(failed)?
        }
        Some(facts) if facts.kept == keyring::Kept::Plain => keyring.unlock(&mut ask::person()).map_err(failed)?,
        // Somebody keeps this root: nothing is made behind their back.
        Some(_) => return Ok(made),
    };
    let new = provision(folder, &mut unlocked, practices, months)?;
    if new > 0 {
        made.push(format!("{new} keys of months"));
    }
    Ok(made)
}

/// The keys of the book and of the engine itself. Returns the names made.
pub(crate) fn make_book(folder: &Path) -> Result<Vec<String>, Failure> {
    let mut made = Vec::new();
    if !folder.join("book.key").exists() {
        write(folder, "book.key", &seal::BookKey::generate(&mut entropy()).to_bytes())?;
        made.push("book.key");
    }
    if !folder.join("book.signing").exists() {
        let signer = seal::Signer::generate(&mut entropy());
        write(folder, "book.public", &signer.verifier().to_bytes())?;
        write(folder, "book.signing", &signer.to_bytes())?;
        made.extend(["book.public", "book.signing"]);
    }
    if !folder.join(SESSIONS).exists() {
        write(folder, SESSIONS, &seal::TokenKey::generate(&mut entropy()).to_bytes())?;
        made.push(SESSIONS);
    }
    if !folder.join("engine.public").exists() {
        let engine = seal::RecipientSecret::generate(0, &mut entropy());
        write(folder, ENGINE_SECRET, &engine.to_engine_bytes())?;
        write(folder, "engine.public", &engine.public().to_engine_bytes())?;
        made.extend([ENGINE_SECRET, "engine.public"]);
    }
    Ok(made.into_iter().map(str::to_owned).collect())
}

/// Makes the missing keys of the house and of practices from this month on, and the engine's bundle. Gives how many were
/// made.
fn provision(
    folder: &Path,
    unlocked: &mut keyring::Unlocked,
    practices: &[String],
    months: u16,
) -> Result<usize, Failure> {
    let now_ms = jiff::Timestamp::now().as_millisecond();
    let from = seal::Month::of_unix_ms(now_ms);
    let named = practices.iter().map(|name| (seal::Tenant::named(name), name.as_str()));
    let mut made = 0;
    for (tenant, name) in std::iter::once((seal::Tenant::HOUSE, THE_HOUSE)).chain(named) {
        let done = unlocked
            .provision(tenant, name, from, months, now_ms, &mut entropy())
            .map_err(failed)?;
        made += done.made;
    }
    let engine = read(folder, "engine.public", seal::RecipientPublic::from_engine_bytes)?;
    if made > 0 || !folder.join(BUNDLE).exists() {
        unlocked.provision_engine(&engine, &mut entropy()).map_err(failed)?;
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
        locks: locks(folder)?,
        approvers: folder.join(APPROVERS),
        agreements: folder.join(AGREEMENTS),
    })
}

/// Months ahead that an engine is provisioned for.
pub(crate) const MONTHS_AHEAD: u16 = 24;

/// How rows and files of no practice are told from those of one.
pub(crate) const THE_HOUSE: &str = "the house";

const BUNDLE: &str = "engine.bundle";
const ENGINE_SECRET: &str = "engine.secret";

/// For whom recordings are sealed.
fn locks(folder: &Path) -> Result<vault::Locks, Failure> {
    if let Some(keys) = engine_keys(folder)? {
        let month = seal::Month::of_unix_ms(jiff::Timestamp::now().as_millisecond());
        if keys.until.is_some_and(|until| until < month.plus(2)) {
            out!(
                "keys are provisioned until {} only; callers are served all the same, but run `nightdesk keys provision`",
                keys.until
                    .map_or_else(|| "no month".to_owned(), |until| until.to_string())
            );
        }
        return Ok(vault::Locks::new(
            keys.recipients,
            keyring::Keyring::at(folder).shares(),
        ));
    }
    if folder.join("recording.public").exists() {
        out!(
            "{} has keys of before there were months; `nightdesk keys make {}` makes the others, and old recordings stay readable",
            folder.display(),
            folder.display()
        );
        let public = read(folder, "recording.public", seal::RecipientPublic::from_bytes)?;
        return Ok(vec![public].into());
    }
    Err(Failure::new(
        format!("{} has no keys to seal recordings for", folder.display()),
        format!(
            "for patients: `nightdesk keys ceremony --config …`; for development: `nightdesk keys make {}`",
            folder.display()
        ),
    ))
}

/// What the engine's bundle holds; none in a folder without one.
pub(crate) fn engine_keys(folder: &Path) -> Result<Option<keyring::EngineKeys>, Failure> {
    if !folder.join(BUNDLE).exists() {
        return Ok(None);
    }
    let secret = engine_secret(folder)?;
    keyring::engine_keys(folder, &secret).map_err(failed)
}

/// The engine's own key: from the environment, a systemd credential, or its file.
fn engine_secret(folder: &Path) -> Result<seal::RecipientSecret, Failure> {
    let outside = ask::environment("NIGHTDESK_ENGINE_KEY")
        .or_else(|| ask::credential("nightdesk-engine").ok())
        .map(|text| seal::RecipientSecret::from_engine_bytes(text.as_bytes()));
    match outside {
        Some(Ok(secret)) => Ok(secret),
        Some(Err(fault)) => Err(Failure::new(
            format!("the engine's key outside of its folder: {fault}"),
            "give the whole text of engine.secret",
        )),
        None => read(folder, ENGINE_SECRET, seal::RecipientSecret::from_engine_bytes),
    }
}

/// Whoever may listen: opens the root when the first recording asks for it, and not before.
pub(crate) struct Listener {
    folder: PathBuf,
    unlocked: Option<keyring::Unlocked>,
}

impl Listener {
    /// With the keys in a folder.
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            unlocked: None,
        }
    }

    /// What opens one recording.
    pub(crate) fn key(&mut self, recording: &vault::Listed) -> Result<vault::Key, Failure> {
        let header = &recording.header;
        let old = header
            .slots
            .iter()
            .any(|slot| seal::Month::of_generation(slot.epoch).is_none());
        if old && self.folder.join("recording.secret").exists() {
            return Ok(read(&self.folder, "recording.secret", seal::RecipientSecret::from_bytes)?.into());
        }
        let secret = self.unlocked()?.recipient(header).map_err(failed)?;
        let month = seal::Month::of_unix_ms(header.fixed.start_ms);
        let share = keyring::Keyring::at(&self.folder)
            .shares()
            .find(month, &header.fixed.file)
            .map_err(failed)?;
        if share.is_none() && header.asks_for_share() {
            return Err(Failure::new(
                format!(
                    "recording {} was destroyed: its own share of its key is gone",
                    recording.id
                ),
                "if it was not meant to be, restore the newest backup of the keys: `nightdesk keys restore`",
            ));
        }
        Ok(vault::Key { secret, share })
    }

    pub(crate) fn unlocked(&mut self) -> Result<&mut keyring::Unlocked, Failure> {
        if self.unlocked.is_none() {
            self.unlocked = Some(unlock(&self.folder)?);
        }
        self.unlocked
            .as_mut()
            .ok_or_else(|| Failure::new("the root is not open", "try again"))
    }
}

/// Opens the root, asking whoever keeps it.
pub(crate) fn unlock(folder: &Path) -> Result<keyring::Unlocked, Failure> {
    keyring::Keyring::at(folder).unlock(&mut ask::person()).map_err(failed)
}

/// A keyring that did not do what was asked.
pub(crate) fn failed(fault: keyring::Fault) -> Failure {
    let fix = match &fault {
        keyring::Fault::RefusedNoRoot(_) => {
            "for patients: `nightdesk keys ceremony --config …`; for development: `nightdesk keys make FOLDER`"
        }
        keyring::Fault::RefusedRootIsThere(_) => "`nightdesk keys status --config …` tells what there is",
        keyring::Fault::RefusedRoot(_) => "try again; when nobody knows it any more: `nightdesk keys recover`",
        keyring::Fault::Unanswered { .. } => "answer at a terminal, or set the variable or credential it names",
        keyring::Fault::RefusedGone(_) => {
            "if nobody destroyed it, restore the newest backup of the keys: `nightdesk keys restore`"
        }
        keyring::Fault::Token(_) => {
            "plug the token in and see that its library is installed; its label and key are in root.key"
        }
        _ => "restore the file from the newest backup of the keys: `nightdesk keys restore`",
    };
    Failure::new(fault.to_string(), fix)
}

/// Octets nobody can guess.
pub(crate) fn entropy() -> impl FnMut(&mut [u8]) {
    let random = SystemRandom::new();
    move |out: &mut [u8]| {
        random
            .fill(out)
            .expect("the kernel gives random numbers once it has booted");
    }
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

/// Where the engine keeps the agreements it knew last.
const AGREEMENTS: &str = "agreements.known";

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
    Ok(engine_keys(folder)?.map_or_else(ledger::Rows::default, |keys| ledger::Rows::new(keys.rows)))
}

/// The practices, months and classes that recordings are sealed for.
pub(crate) fn recipient_places(folder: &Path) -> Result<Vec<seal::Place>, Failure> {
    Ok(engine_keys(folder)?.map_or_else(Vec::new, |keys| keys.recipients.places().collect()))
}

/// Takes the keys of a place out of the engine's bundle.
pub(crate) fn forget(folder: &Path, place: seal::Place) -> Result<(), Failure> {
    if !folder.join(BUNDLE).exists() {
        return Ok(());
    }
    let engine = engine_secret(folder)?;
    keyring::forget_in_bundle(folder, &engine, place, &mut entropy())
        .map(drop)
        .map_err(failed)
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

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    write_to(&folder.join(name), bytes)
}

/// A folder for its owner only.
fn private_folder(path: &Path) -> Result<(), Failure> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(Failure::file(path))
}

/// Written for its owner only, whole or not at all.
fn write_to(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let unfinished = path.with_file_name(format!("{name}.new"));
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
    fs::rename(&unfinished, path).map_err(Failure::file(path))
}
