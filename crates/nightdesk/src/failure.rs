//! What a command says when it cannot do what was asked: the thing, and the fix.

use std::fmt;
use std::io;
use std::path::Path;

/// A failed command, in two sentences.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    fix: String,
    status: u8,
}

impl Failure {
    /// What went wrong, and what to do about it.
    pub(crate) fn new(what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            fix: fix.into(),
            status: 1,
        }
    }

    /// The same with an exit status of its own, for scripts that tell failures apart.
    #[must_use]
    pub(crate) fn with_status(mut self, status: u8) -> Self {
        self.status = status;
        self
    }

    /// What went wrong, without the fix.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// What the program exits with.
    pub(crate) fn status(&self) -> u8 {
        self.status
    }

    /// A file or folder could not be used.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.display().to_string();
        move |error| {
            let is_key = [".key", ".signing", ".secret", ".public"]
                .iter()
                .any(|ending| path.ends_with(ending));
            let fix = match error.kind() {
                io::ErrorKind::NotFound if !is_key => "check the path",
                io::ErrorKind::NotFound => "check the path; `nightdesk keys make FOLDER` makes missing keys",
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on that disk and try again",
                io::ErrorKind::PermissionDenied => "run as the user who owns it, or change its owner",
                _ => "check the disk and try again",
            };
            Self::new(format!("{path}: {error}"), fix)
        }
    }

    /// The book could not be used.
    pub(crate) fn book(fault: ledger::Fault) -> Self {
        Self::new(
            chain("the book", &fault),
            "check `data` and `keys` in the configuration; a damaged book is evidence: copy it before anything else",
        )
    }

    /// The office said no, or could not be asked.
    pub(crate) fn office(fault: office::Fault) -> Self {
        use office::Fault;
        match &fault {
            Fault::Refused(refusal) => Self::new(refusal.to_string(), refusal.fix()),
            Fault::RefusedLogIn => Self::new(
                fault.to_string(),
                "try again with the next code of your authenticator; whoever forgot something asks two people who manage others for `nightdesk people reset`",
            ),
            Fault::RefusedLocked => Self::new(
                fault.to_string(),
                "wait, or have two people who manage others run `nightdesk people reset`",
            ),
            Fault::RefusedPace => Self::new(fault.to_string(), "wait a minute"),
            Fault::RefusedAct(_) => Self::new(
                fault.to_string(),
                "see `nightdesk people list`, and `--help` of the command",
            ),
            Fault::RefusedPasskey => Self::new(
                fault.to_string(),
                "try again; a device that does not ask for your fingerprint, face or PIN is not enough. With password and code: \
                 `nightdesk login ID`, and `nightdesk people passkey add` makes another",
            ),
            Fault::RefusedPassword(_) => Self::new(
                fault.to_string(),
                "take four words that have nothing to do with each other, or let a password manager draw one",
            ),
            _ => Self::new(
                chain("the office", &fault),
                "nobody is let in while it cannot be written: check `data` and `keys` in the configuration, and the disk; \
                 `nightdesk keys make FOLDER` makes a key that is missing",
            ),
        }
    }

    /// The vault could not be used.
    pub(crate) fn vault(fault: vault::Fault) -> Self {
        Self::new(
            chain("the vault", &fault),
            "check `data` and `keys` in the configuration, and the id",
        )
    }
}

/// An error with its causes, each once.
fn chain(what: &str, error: &dyn std::error::Error) -> String {
    let mut text = format!("{what}: {error}");
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  fix: {}", self.what, self.fix)
    }
}
