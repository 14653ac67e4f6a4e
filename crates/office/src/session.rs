//! Sessions: 256 drawn bits in the person's hand, of which the house keeps a keyed mark.
//!
//! Both ends are judged here, from a file in the data folder that carries its own mark: idle time, twelve hours, and whether
//! the person is still somebody. A token that was copied is worth as much as the session, and ends with it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use seal::TokenKey;
use seal::keys::{hex, unhex};
use serde::{Deserialize, Serialize};

use crate::Fault;
use crate::decide::Refusal;
use crate::state::State;

/// Without a command for this long a session ends, unless the configuration says otherwise.
pub const IDLE_MS: i64 = 15 * 60 * 1000;
/// What the configuration may say: 5 to 30 minutes.
pub const IDLE_MINUTES: std::ops::RangeInclusive<usize> = 5..=30;
/// After this long a session ends whatever is asked in it.
pub const SESSION_MS_MAX: i64 = 12 * 60 * 60 * 1000;
/// How long broken glass stays open.
pub const GLASS_MS: i64 = 60 * 60 * 1000;
/// A session's file is never longer.
const FILE_MAX: u64 = 4 * 1024;
/// Session files looked through when those of one person end.
const SESSIONS_MAX: usize = 100_000;

/// What a person holds: nobody can make one up.
pub struct Token([u8; 32]);

impl Token {
    /// A new one.
    pub fn draw(entropy: seal::Entropy<'_>) -> Self {
        let mut octets = [0; 32];
        entropy(&mut octets);
        Self(octets)
    }

    /// As it lies in its file.
    pub fn to_text(&self) -> String {
        hex(&self.0)
    }

    /// Reads it from its file.
    pub fn parse(text: &str) -> Option<Self> {
        unhex(text.trim()).map(Self)
    }
}

/// One log-in, as long as it lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// What it is called in the audit trail.
    pub id: String,
    /// Whose it is.
    pub person: String,
    /// When it began.
    pub began_ms: i64,
    /// When it was last asked in.
    pub used_ms: i64,
    /// The glass broken in it.
    pub glass: Option<String>,
}

impl Session {
    /// Whether it has not ended by itself.
    pub fn holds(&self, idle_ms: i64, now: Timestamp) -> Result<(), Refusal> {
        let at_ms = now.as_millisecond();
        if at_ms.saturating_sub(self.began_ms) >= SESSION_MS_MAX {
            return Err(Refusal::TooLong);
        }
        if at_ms.saturating_sub(self.used_ms) > idle_ms {
            return Err(Refusal::Idle);
        }
        // A clock that was set back must not make a session longer.
        if at_ms < self.began_ms {
            return Err(Refusal::NotLoggedIn);
        }
        Ok(())
    }

    /// Whether glass broken in this session is still open.
    pub(crate) fn glass_open(&self, state: &State, now: Timestamp) -> bool {
        let Some(own) = &self.glass else { return false };
        let glass = state.glass.iter().find(|glass| glass.id == *own);
        glass.is_some_and(|glass| glass.person == self.person && now.as_millisecond() < glass.until_ms)
    }
}

/// The sessions of a house.
pub(crate) struct Sessions {
    folder: PathBuf,
    key: TokenKey,
}

impl Sessions {
    pub(crate) fn new(folder: PathBuf, key: TokenKey) -> Self {
        Self { folder, key }
    }

    /// Begins one.
    pub(crate) fn begin(&self, token: &Token, person: &str, now: Timestamp) -> Result<Session, Fault> {
        let at_ms = now.as_millisecond();
        let mark = self.key.mark(&token.0);
        let session = Session {
            id: hex(mark.first_chunk::<6>().unwrap_or(&[0; 6])),
            person: person.to_owned(),
            began_ms: at_ms,
            used_ms: at_ms,
            glass: None,
        };
        self.keep(token, &session)?;
        Ok(session)
    }

    /// The session of a token, if there is one and nobody wrote in it but us.
    pub(crate) fn of(&self, token: &Token) -> Option<Session> {
        let path = self.path(token);
        if fs::metadata(&path).ok()?.len() > FILE_MAX {
            return None;
        }
        let text = fs::read_to_string(path).ok()?;
        self.read(&text)
    }

    /// Writes down that it was used, or what was broken in it.
    pub(crate) fn keep(&self, token: &Token, session: &Session) -> Result<(), Fault> {
        let doing = "keep a session";
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(Fault::disk(doing))?;
        let text = serde_json::to_string(session).map_err(|_| Fault::Malformed("a session"))?;
        let marked = format!("{text}\n{}\n", hex(&self.key.mark(text.as_bytes())));
        let (path, fresh) = (self.path(token), self.path(token).with_extension("new"));
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)
            .map_err(Fault::disk(doing))?;
        file.write_all(marked.as_bytes()).map_err(Fault::disk(doing))?;
        fs::rename(&fresh, &path).map_err(Fault::disk(doing))
    }

    /// Ends one.
    pub(crate) fn end(&self, token: &Token) {
        let _ = fs::remove_file(self.path(token));
    }

    /// Ends every session of a person. What is left behind would be refused all the same: they are nobody any more.
    pub(crate) fn end_all_of(&self, person: &str) -> usize {
        self.take_away(|session| session.is_some_and(|session| session.person == person))
    }

    /// Takes away what nobody can use any more.
    pub(crate) fn sweep(&self, now: Timestamp) {
        let over = |session: &Session| now.as_millisecond().saturating_sub(session.began_ms) >= SESSION_MS_MAX;
        self.take_away(|session| session.is_none_or(over));
    }

    /// Removes the files of these sessions, `None` being one that is not ours to read, and says how many went.
    fn take_away(&self, which: impl Fn(Option<&Session>) -> bool) -> usize {
        let files = fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten()
            .take(SESSIONS_MAX);
        files
            .map(|entry| entry.path())
            .filter(|path| {
                let text = fs::read_to_string(path).unwrap_or_default();
                which(self.read(&text).as_ref()) && fs::remove_file(path).is_ok()
            })
            .count()
    }

    /// The mark of an invitation's words.
    pub(crate) fn mark(&self, words: &[u8]) -> [u8; 32] {
        self.key.mark(words)
    }

    /// Whether a mark is that of these words.
    pub(crate) fn knows(&self, words: &[u8], mark: &[u8; 32]) -> bool {
        self.key.knows(words, mark)
    }

    fn read(&self, text: &str) -> Option<Session> {
        let (json, mark) = text.trim_end().rsplit_once('\n')?;
        if !self.key.knows(json.as_bytes(), &unhex(mark)?) {
            return None;
        }
        serde_json::from_str(json).ok()
    }

    fn path(&self, token: &Token) -> PathBuf {
        self.folder.join(hex(&self.key.mark(&token.0)))
    }
}

/// Where the sessions of a data folder lie.
pub(crate) fn folder(data: &Path) -> PathBuf {
    data.join("sessions")
}
