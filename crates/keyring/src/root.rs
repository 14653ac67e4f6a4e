//! The root key: how it is kept, and how it comes back when whoever kept it is gone.
//!
//! A passphrase (argon2id) or a token wraps it in `root.key`. A credential or a variable holds it outside of this folder,
//! which then says only which one it is. Whatever keeps it, it is also sealed for the recovery key, whose secret half exists
//! on paper alone, in three parts of which two are enough.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use seal::{KeyName, Parent, Part, RecipientPublic, RecipientSecret, WRAPPED};
use zeroize::Zeroizing;

use crate::file::Lines;
use crate::{Ask, Entropy, Fault, Locked, Token, file};

const ROOT: &str = "root.key";
const RECOVERY: &str = "root.recovery";
const RECOVERY_INFO: &[u8] = b"nightdesk root recovery v1";
/// OWASP, Password Storage Cheat Sheet: argon2id with 19 MiB, two passes, one lane at least.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// No file may make us spend more than this on a passphrase.
const MEMORY_KIB_MAX: u32 = 1 << 20;
const PASSES_MAX: u32 = 16;

/// Who keeps the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Nobody: it lies in `root.key` as it is. For development, where nothing real is ever recorded.
    Plain,
    /// A person's passphrase.
    Passphrase,
    /// A systemd credential of this name, as a key file (`systemd-creds encrypt`).
    Credential(String),
    /// An environment variable of this name, as a key file or its 64 digits.
    Environment(String),
    /// A security token.
    Token(Token),
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("nobody: it lies in root.key as it is, for development"),
            Self::Passphrase => f.write_str("a passphrase"),
            Self::Credential(name) => write!(f, "the systemd credential {name}"),
            Self::Environment(name) => write!(f, "the environment variable {name}"),
            Self::Token(token) => write!(f, "the key {} of the token {}", token.key, token.label),
        }
    }
}

/// What has to be known to use a root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// The passphrase of the root.
    Passphrase,
    /// A passphrase for a new root; whoever answers has it typed twice.
    NewPassphrase,
    /// The PIN of this token.
    Pin(String),
    /// What the systemd credential of this name holds.
    Credential(String),
    /// What the environment variable of this name holds.
    Environment(String),
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passphrase => f.write_str("passphrase of the root"),
            Self::NewPassphrase => f.write_str("new passphrase for the root"),
            Self::Pin(token) => write!(f, "PIN of the token {token}"),
            Self::Credential(name) => write!(f, "systemd credential {name}"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// What can be told of a root without opening it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootFacts {
    /// Which root.
    pub id: [u8; 8],
    /// Who keeps it.
    pub kept: Kept,
    /// The recovery key that can bring it back, as its parts name it.
    pub recovery: Option<[u8; 8]>,
}

/// The three parts of a recovery key, to be written down and kept by three people.
pub type RecoveryParts = [Part; seal::PARTS as usize];

pub(crate) fn facts(folder: &Path) -> Result<Option<RootFacts>, Fault> {
    let path = folder.join(ROOT);
    if !path.exists() {
        return Ok(None);
    }
    let lines = Lines::read(&path, "nightdesk-root")?;
    let id = lines.octets(&path, "id")?;
    let kept = kept(&path, &lines)?;
    let recovery_path = recovery_path(folder, &id);
    let recovery = if recovery_path.exists() {
        Some(Lines::read(&recovery_path, "nightdesk-recovery")?.octets(&recovery_path, "parts")?)
    } else {
        None
    };
    Ok(Some(RootFacts { id, kept, recovery }))
}

/// Writes a root for whoever keeps it, to `name`: `root.key`, or beside it while another is still in force.
pub(crate) fn write(
    folder: &Path,
    name: Option<&str>,
    root: &Parent,
    kept: &Kept,
    ask: Ask<'_>,
    entropy: Entropy<'_>,
) -> Result<PathBuf, Fault> {
    let path = folder.join(name.unwrap_or(ROOT));
    let digits = seal::keys::hex(&root.id());
    let mut lines: Vec<(&str, String)> = vec![("id", digits)];
    match kept {
        Kept::Plain => {
            lines.push(("kept", "plain".to_owned()));
            lines.push(("key", seal::keys::hex(root.secret())));
        }
        Kept::Passphrase => {
            let passphrase = answered(ask, Question::NewPassphrase)?;
            let mut salt = [0; 16];
            entropy(&mut salt);
            let over = stretch(&passphrase, &salt, MEMORY_KIB, PASSES, LANES)?;
            let wrapped = over.wrap(KeyName::Root(root.id()), root.secret(), entropy);
            lines.push(("kept", "passphrase".to_owned()));
            lines.push(("salt", seal::keys::hex(&salt)));
            lines.push(("memory-kib", MEMORY_KIB.to_string()));
            lines.push(("passes", PASSES.to_string()));
            lines.push(("lanes", LANES.to_string()));
            lines.push(("sealed", seal::keys::hex(&wrapped)));
        }
        Kept::Credential(of) => lines.push(("kept", format!("credential {of}"))),
        Kept::Environment(of) => lines.push(("kept", format!("environment {of}"))),
        Kept::Token(token) => {
            let pin = answered(ask, Question::Pin(token.label.clone()))?;
            let wrapped = token.wrap(pin, &name_of(root.id()), root.secret(), entropy)?;
            lines.push(("kept", "token".to_owned()));
            lines.push(("module", token.module.display().to_string()));
            lines.push(("token", token.label.clone()));
            lines.push(("label", token.key.clone()));
            lines.push(("sealed", seal::keys::hex(&wrapped)));
        }
    }
    let pairs: Vec<(&str, &str)> = lines.iter().map(|(word, value)| (*word, value.as_str())).collect();
    Lines::write(&path, "nightdesk-root", &pairs)?;
    Ok(path)
}

/// The root that was written beside the one in force takes its place: this is the moment of a rotation.
pub(crate) fn put_in_force(folder: &Path, beside: &Path) -> Result<(), Fault> {
    let path = folder.join(ROOT);
    fs::rename(beside, &path)
        .and_then(|()| file::sync_folder(&path))
        .map_err(Fault::disk(path))
}

/// The root, in locked memory.
pub(crate) fn unlock(folder: &Path, ask: Ask<'_>) -> Result<Parent, Fault> {
    let path = folder.join(ROOT);
    if !path.exists() {
        return Err(Fault::RefusedNoRoot(folder.to_owned()));
    }
    let lines = Lines::read(&path, "nightdesk-root")?;
    let id: [u8; 8] = lines.octets(&path, "id")?;
    let kept = kept(&path, &lines)?;
    let key = match &kept {
        Kept::Plain => Zeroizing::new(lines.octets(&path, "key")?),
        Kept::Passphrase => {
            let number = |word: &str, most: u32| -> Result<u32, Fault> {
                let wrong = || Fault::malformed(&path, format!("`{word}` is not a number up to {most}"));
                let number = lines.word(&path, word)?.parse().map_err(|_| wrong())?;
                if number > most { Err(wrong()) } else { Ok(number) }
            };
            let (memory, passes) = (number("memory-kib", MEMORY_KIB_MAX)?, number("passes", PASSES_MAX)?);
            let lanes = number("lanes", PASSES_MAX)?;
            let passphrase = answered(ask, Question::Passphrase)?;
            let over = stretch(&passphrase, &lines.octets(&path, "salt")?, memory, passes, lanes)?;
            let wrapped: [u8; WRAPPED] = lines.octets(&path, "sealed")?;
            over.unwrap(KeyName::Root(id), &wrapped)
                .map_err(|_| Fault::RefusedRoot("another passphrase made it".to_owned()))?
        }
        Kept::Credential(of) => from_text(&answered(ask, Question::Credential(of.clone()))?)?,
        Kept::Environment(of) => from_text(&answered(ask, Question::Environment(of.clone()))?)?,
        Kept::Token(token) => {
            let pin = answered(ask, Question::Pin(token.label.clone()))?;
            let key = token.unwrap(pin, &name_of(id), &lines.any_octets(&path, "sealed")?)?;
            Zeroizing::new(
                key.as_slice()
                    .try_into()
                    .map_err(|_| Fault::Token("it gave no key of 32 octets".to_owned()))?,
            )
        }
    };
    let root = held(&path, key)?;
    if root.id() != id {
        return Err(Fault::RefusedRoot(format!(
            "{kept} holds another root than {}",
            path.display()
        )));
    }
    Ok(root)
}

/// A key in locked memory, as a parent of others.
pub(crate) fn held(path: &Path, key: Zeroizing<[u8; 32]>) -> Result<Parent, Fault> {
    Ok(Parent::new(Locked::take(key).map_err(Fault::disk(path))?))
}

/// Makes a recovery key for a root: sealed here, its secret half in the parts alone.
pub(crate) fn make_recovery(folder: &Path, root: &Parent, entropy: Entropy<'_>) -> Result<RecoveryParts, Fault> {
    let recovery = RecipientSecret::generate(0, &mut *entropy);
    let public = recovery.public();
    let of = *public.id().first_chunk::<8>().expect("8 of 16");
    let parts = seal::split(recovery.secret(), of, &mut *entropy);
    write_recovery(folder, root, &public, of, entropy)?;
    Ok(parts)
}

/// Seals a new root for the recovery key that the old one had, whose parts stay where they are.
pub(crate) fn keep_recovery(folder: &Path, old: &[u8; 8], root: &Parent, entropy: Entropy<'_>) -> Result<bool, Fault> {
    let path = recovery_path(folder, old);
    if !path.exists() {
        return Ok(false);
    }
    let lines = Lines::read(&path, "nightdesk-recovery")?;
    let public = RecipientPublic::new(lines.octets(&path, "public")?, 0);
    write_recovery(folder, root, &public, lines.octets(&path, "parts")?, entropy)?;
    Ok(true)
}

fn write_recovery(
    folder: &Path,
    root: &Parent,
    public: &RecipientPublic,
    of: [u8; 8],
    entropy: Entropy<'_>,
) -> Result<(), Fault> {
    let sealed = public.seal_to(RECOVERY_INFO, root.secret(), entropy)?;
    let (id, public, of, sealed) = (
        seal::keys::hex(&root.id()),
        seal::keys::hex(public.key()),
        seal::keys::hex(&of),
        seal::keys::hex(&sealed),
    );
    let pairs = [
        ("root", id.as_str()),
        ("public", &public),
        ("parts", &of),
        ("sealed", &sealed),
    ];
    Lines::write(&recovery_path(folder, &root.id()), "nightdesk-recovery", &pairs)
}

/// The root in force, from two parts of its recovery key.
pub(crate) fn recover(folder: &Path, one: &Part, two: &Part) -> Result<Parent, Fault> {
    let facts = facts(folder)?.ok_or_else(|| Fault::RefusedNoRoot(folder.to_owned()))?;
    let path = recovery_path(folder, &facts.id);
    let lines = Lines::read(&path, "nightdesk-recovery")?;
    if lines.octets(&path, "parts")? != one.of {
        return Err(Fault::RefusedRoot(format!(
            "these are parts of the recovery key {}, the root is sealed for {}",
            seal::keys::hex(&one.of),
            lines.word(&path, "parts")?
        )));
    }
    let secret = RecipientSecret::new(seal::combine(one, two)?, 0);
    let key = secret
        .open_from(RECOVERY_INFO, &lines.any_octets(&path, "sealed")?)
        .map_err(|_| Fault::RefusedRoot("the two parts do not open it".to_owned()))?;
    let key: [u8; 32] = key
        .as_slice()
        .try_into()
        .map_err(|_| Fault::malformed(&path, "what it seals is no key"))?;
    let root = held(&path, Zeroizing::new(key))?;
    if root.id() != facts.id {
        return Err(Fault::malformed(&path, "it seals another root"));
    }
    Ok(root)
}

/// Takes away what belongs to other roots than this one.
pub(crate) fn tidy(folder: &Path, id: &[u8; 8]) -> Result<(), Fault> {
    let keep = recovery_path(folder, id);
    for entry in fs::read_dir(folder).map_err(Fault::disk(folder))? {
        let path = entry.map_err(Fault::disk(folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let other_recovery = name.starts_with(RECOVERY) && path != keep;
        if other_recovery || name.starts_with("root.next") {
            file::wipe(&path).map_err(Fault::disk(&path))?;
        }
    }
    Ok(())
}

fn recovery_path(folder: &Path, id: &[u8; 8]) -> PathBuf {
    folder.join(format!("{RECOVERY}.{}", seal::keys::hex(id)))
}

fn kept(path: &Path, lines: &Lines) -> Result<Kept, Fault> {
    let said = lines.word(path, "kept")?;
    Ok(match said.split_once(' ') {
        None if said == "plain" => Kept::Plain,
        None if said == "passphrase" => Kept::Passphrase,
        None if said == "token" => Kept::Token(Token {
            module: lines.word(path, "module")?.into(),
            label: lines.word(path, "token")?.to_owned(),
            key: lines.word(path, "label")?.to_owned(),
        }),
        Some(("credential", name)) => Kept::Credential(name.to_owned()),
        Some(("environment", name)) => Kept::Environment(name.to_owned()),
        _ => return Err(Fault::malformed(path, "who keeps the root is not one of the five ways")),
    })
}

fn name_of(id: [u8; 8]) -> String {
    format!("nightdesk key v1 {}", KeyName::Root(id))
}

fn answered(ask: Ask<'_>, question: Question) -> Result<Zeroizing<String>, Fault> {
    ask(&question).map_err(|source| Fault::Unanswered {
        question: question.to_string(),
        source,
    })
}

/// A key file, or its digits alone.
fn from_text(text: &str) -> Result<Zeroizing<[u8; 32]>, Fault> {
    match seal::keys::unhex(text.trim()) {
        Some(key) => Ok(Zeroizing::new(key)),
        None => Ok(Parent::from_bytes(text.as_bytes())?),
    }
}

fn stretch(passphrase: &str, salt: &[u8; 16], memory: u32, passes: u32, lanes: u32) -> Result<Parent, Fault> {
    let refused = |fault: argon2::Error| Fault::RefusedRoot(fault.to_string());
    let parameters = argon2::Params::new(memory, passes, lanes, Some(32)).map_err(refused)?;
    let argon = argon2::Argon2::new(argon2::Algorithm::Argon2id, argon2::Version::V0x13, parameters);
    let mut over = Zeroizing::new([0; 32]);
    argon
        .hash_password_into(passphrase.as_bytes(), salt, over.as_mut_slice())
        .map_err(refused)?;
    Ok(Parent::new(over))
}
