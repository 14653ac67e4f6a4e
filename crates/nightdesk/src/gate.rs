//! Who may run which command: one table, and the one way through it.
//!
//! A command that shows or changes something protected names itself here and nowhere passes by itself: [`Gate::pass`] looks
//! its permission up, asks the office ([`office::Office::authorize`]), and gives what was granted or a failure. Either is a
//! durable row of the audit trail by then. A command that the table does not know fails a test, and is refused.

use jiff::Timestamp;
use office::{Allowed, Asking, Office, Permission};

use crate::config::Settings;
use crate::{Failure, Who, keys, login};

/// What stands before a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// Nothing: it shows and changes nothing that is protected, for this reason.
    Open(&'static str),
    /// Whoever has this permission, logged in.
    Needs(Permission),
    /// The command itself asks who it is: it is how people get in.
    Proves,
}

use Guard::{Needs, Open, Proves};

const DRAFT: &str = "a folder of the reader's own, without a caller in it";

/// Every command, with what stands before it. A line with ` --` is a command with that option.
pub(crate) const GUARDS: &[(&str, Guard)] = &[
    (
        "serve",
        Open("started by the machine, as its own user, who has the keys"),
    ),
    ("demo", Open("a practice without patients; it logs its own person in")),
    ("dial", Open("a telephone of one's own")),
    (
        "config dump",
        Open("files that whoever runs it can read already; what is secret in them is not shown"),
    ),
    ("flow check", Open(DRAFT)),
    ("flow new", Open(DRAFT)),
    ("flow read", Open(DRAFT)),
    ("flow graph", Open(DRAFT)),
    ("flow explain", Open(DRAFT)),
    ("flow diff", Open("words that callers hear, and those of a draft")),
    ("flow simulate", Open(DRAFT)),
    ("flow schema", Open("the language itself")),
    ("flow lsp", Open(DRAFT)),
    ("flow words export", Open(DRAFT)),
    ("flow words import", Open(DRAFT)),
    ("flow words speak", Open(DRAFT)),
    (
        "flow sign",
        Open("a signature by the signer's own key; it releases nothing"),
    ),
    ("flow release", Needs(Permission::ReleaseFlow)),
    ("flow rollback", Needs(Permission::ReleaseFlow)),
    ("flow replay", Needs(Permission::ReplayCalls)),
    (
        "flow releases",
        Open("what callers hear and heard, and who released it"),
    ),
    ("flow status", Open("what any caller hears")),
    ("flow test", Open(DRAFT)),
    ("recordings list", Needs(Permission::SeeRecordings)),
    ("recordings export", Needs(Permission::Listen)),
    ("recordings show", Needs(Permission::Listen)),
    ("recordings verify", Needs(Permission::VerifyRecordings)),
    ("calls list", Needs(Permission::SeeCalls)),
    ("calls show", Needs(Permission::OpenCall)),
    ("audit verify", Open("the public key alone; sealed rows stay sealed")),
    (
        "audit checkpoint",
        Open("the public key alone; sealed rows stay sealed"),
    ),
    ("audit search", Needs(Permission::SearchAudit)),
    ("audit who-accessed", Needs(Permission::SearchAudit)),
    ("audit anomalies", Needs(Permission::SearchAudit)),
    ("audit export", Needs(Permission::SearchAudit)),
    ("audit export --what facts", Needs(Permission::ExportPractice)),
    ("audit reindex", Needs(Permission::SearchAudit)),
    ("retention plan", Needs(Permission::SeeRetention)),
    ("retention hold add", Needs(Permission::ManageRetention)),
    ("retention hold lift", Needs(Permission::ManageRetention)),
    ("retention hold list", Needs(Permission::SeeRetention)),
    ("retention destroy", Needs(Permission::Destroy)),
    ("retention certificate", Needs(Permission::SeeRetention)),
    ("tenant export", Needs(Permission::ExportPractice)),
    ("tenant report", Needs(Permission::SeeRetention)),
    // Two people, each of whom may.
    ("tenant destroy", Needs(Permission::Destroy)),
    (
        "tenant verify",
        Open("a folder of one's own, and the public key: it shows hashes"),
    ),
    ("consent table", Open("the law")),
    ("evidence pack", Open("the law, and how our own tests ended")),
    ("consent explain", Needs(Permission::OpenCall)),
    ("trunk list", Needs(Permission::SeeTrunks)),
    ("trunk report", Needs(Permission::SeeTrunks)),
    ("trunk trace", Needs(Permission::TraceMasked)),
    ("trunk trace --numbers shown", Needs(Permission::TraceShown)),
    ("trunk presets", Open("what carriers publish")),
    (
        "trunk test",
        Open("from a socket of one's own; with a configuration as the next line says"),
    ),
    ("trunk test --config", Needs(Permission::TestTrunk)),
    (
        "trunk check",
        Open("from a socket of one's own; with a configuration as the next line says"),
    ),
    ("trunk check --config", Needs(Permission::TestTrunk)),
    (
        "keys make",
        Open(
            "makes what is missing in a folder of one's own and shows none of it; without keys there is no office to ask",
        ),
    ),
    (
        "keys ceremony",
        Open("makes a root where there is none; without keys there is no office to ask"),
    ),
    // The root asks for its keeper beside.
    ("keys provision", Needs(Permission::ManageKeys)),
    ("keys rotate", Needs(Permission::ManageKeys)),
    (
        "keys recover",
        Open("two of the three people who keep a part of the recovery key are there"),
    ),
    (
        "keys backup",
        Open("whoever can read the folder of keys has them already; wrapped keys stay wrapped"),
    ),
    (
        "keys restore",
        Open("into an empty folder of one's own; wrapped keys stay wrapped"),
    ),
    ("keys status", Open("which keys there are, and none of them")),
    (
        "keys approver",
        Open("a key of one's own; it counts once somebody with the engine's keys puts it there"),
    ),
    ("login", Proves),
    ("logout", Proves),
    ("authenticator", Open("reckons with a secret of one's own")),
    ("agreements add", Needs(Permission::ManageAgreements)),
    ("agreements list", Needs(Permission::SeeAgreements)),
    ("agreements end", Needs(Permission::ManageAgreements)),
    ("incident open", Needs(Permission::ManageIncidents)),
    ("incident list", Needs(Permission::SeeIncidents)),
    ("incident scope", Needs(Permission::ManageIncidents)),
    ("incident stage", Needs(Permission::ManageIncidents)),
    ("incident close", Needs(Permission::ManageIncidents)),
    ("glass list", Needs(Permission::ReviewBreakGlass)),
    ("glass review", Needs(Permission::ReviewBreakGlass)),
    ("people add", Needs(Permission::ManagePeople)),
    ("people accept", Proves),
    ("people role", Needs(Permission::ManagePeople)),
    ("people disable", Needs(Permission::ManagePeople)),
    ("people reset", Needs(Permission::ManagePeople)),
    ("people trained", Needs(Permission::ManageTraining)),
    ("people training", Needs(Permission::SeePeople)),
    ("people list", Needs(Permission::SeePeople)),
    ("people roles", Open("the table of roles and permissions")),
    ("people password", Proves),
    ("people second-factor", Proves),
    ("people passkey add", Proves),
    ("people passkey remove", Proves),
];

/// What stands before a command; one that is not in the table is nobody's.
pub(crate) fn guard(command: &str) -> Option<Guard> {
    GUARDS
        .iter()
        .find(|(name, _)| *name == command)
        .map(|(_, guard)| *guard)
}

/// Rows written while the office stays open: a second or so.
const AT_ONCE: usize = 64;

/// What a command is about to show or change.
#[derive(Default)]
pub(crate) struct About<'a> {
    /// Whose it is, when it is one practice's.
    pub(crate) practice: Option<&'a str>,
    /// The call, the recording, the release.
    pub(crate) object: [u8; 16],
    /// The call it belongs to.
    pub(crate) call: Option<[u8; 16]>,
    /// What else the row says.
    pub(crate) detail: &'a str,
}

/// The way through, for whoever holds a session.
pub(crate) struct Gate<'a> {
    settings: &'a Settings,
    token: Option<office::Token>,
}

impl<'a> Gate<'a> {
    /// With the session of whoever runs this command.
    pub(crate) fn new(settings: &'a Settings) -> Self {
        Self {
            settings,
            token: login::token(&settings.data),
        }
    }

    /// With a session that is at hand.
    pub(crate) fn with(settings: &'a Settings, token: office::Token) -> Self {
        Self {
            settings,
            token: Some(token),
        }
    }

    /// Through, or not: written down either way.
    pub(crate) fn pass(&self, command: &str, about: &About<'_>, reason: &str) -> Result<Allowed, Failure> {
        let (allowed, office) = self.enter(command, about, reason)?;
        office.close().map_err(Failure::office)?;
        Ok(allowed)
    }

    /// The same, and stays in the office for an act there.
    pub(crate) fn enter(&self, command: &str, about: &About<'_>, reason: &str) -> Result<(Allowed, Office), Failure> {
        let mut office = open(self.settings)?;
        let allowed = self.ask(&mut office, command, about, reason)?;
        Ok((allowed, office))
    }

    /// Through with many things at once: a row for each, and each is durable before anything is opened. The office is left
    /// between a few of them, for others wait at its door.
    pub(crate) fn pass_each(
        &self,
        command: &str,
        abouts: &[About<'_>],
        reason: &str,
    ) -> Result<Vec<ledger::Receipt>, Failure> {
        let mut receipts = Vec::new();
        for some in abouts.chunks(AT_ONCE) {
            let mut office = open(self.settings)?;
            for about in some {
                receipts.push(self.ask(&mut office, command, about, reason)?.receipt);
            }
            office.close().map_err(Failure::office)?;
        }
        Ok(receipts)
    }

    fn ask(&self, office: &mut Office, command: &str, about: &About<'_>, reason: &str) -> Result<Allowed, Failure> {
        let Some(Needs(permission)) = guard(command) else {
            return Err(Failure::new(
                format!("`nightdesk {command}` is nobody's to run"),
                "this is a fault of ours: the command stands in no table of permissions; tell us",
            ));
        };
        let both;
        let reason = match (reason.trim(), about.detail) {
            (reason, "") => reason,
            ("", detail) => detail,
            (reason, detail) => {
                both = format!("{detail}: {reason}");
                &both
            }
        };
        let asking = Asking {
            permission,
            action: command,
            practice: about.practice,
            object: about.object,
            call: about.call,
            reason,
            source: "cli",
        };
        office
            .authorize(self.token.as_ref(), &asking, Timestamp::now())
            .map_err(Failure::office)
    }
}

/// Through for a command that has the usual options: breaks the glass first when that is asked.
pub(crate) fn pass(settings: &Settings, command: &str, about: &About<'_>, who: &Who) -> Result<Allowed, Failure> {
    if let Some(reason) = &who.break_glass {
        login::break_glass(settings, reason)?;
    }
    Gate::new(settings).pass(command, about, &who.reason)
}

/// The office of this configuration.
pub(crate) fn open(settings: &Settings) -> Result<Office, Failure> {
    let idle_ms = i64::try_from(settings.log_off.as_millis()).unwrap_or(office::IDLE_MS);
    Office::open(&settings.data, keys::for_office(&settings.keys)?, idle_ms, keys::draw).map_err(Failure::office)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;

    /// Every command there is, by the words it is called with.
    fn commands() -> BTreeSet<String> {
        fn leaves(command: &clap::Command, path: &str, out: &mut BTreeSet<String>) {
            let inner: Vec<_> = command
                .get_subcommands()
                .filter(|sub| sub.get_name() != "help")
                .collect();
            if inner.is_empty() {
                out.insert(path.to_owned());
            }
            for sub in inner {
                leaves(sub, format!("{path} {}", sub.get_name()).trim(), out);
            }
        }
        let mut out = BTreeSet::new();
        leaves(&crate::Nightdesk::command(), "", &mut out);
        out
    }

    /// Proves SEC-07: a command that nobody put into the table fails here, and so does a line for a command that is gone.
    #[test]
    fn every_command_stands_in_the_table_once() {
        let written: Vec<&str> = GUARDS.iter().map(|(name, _)| *name).collect();
        let plain: BTreeSet<String> = written
            .iter()
            .filter(|name| !name.contains(" --"))
            .map(|name| (*name).to_owned())
            .collect();
        assert_eq!(
            written.len(),
            written.iter().collect::<BTreeSet<_>>().len(),
            "each once"
        );
        let missing: Vec<String> = commands().difference(&plain).cloned().collect();
        assert!(missing.is_empty(), "not in GUARDS: {missing:?}");
        let gone: Vec<String> = plain.difference(&commands()).cloned().collect();
        assert!(gone.is_empty(), "no such command: {gone:?}");
        for name in written.iter().filter(|name| name.contains(" --")) {
            let (command, _) = name.split_once(" --").expect("it has one");
            assert!(plain.contains(command), "{name}");
        }
    }

    /// Proves SEC-07: the table of commands, as people read it.
    #[test]
    fn the_table_of_commands_and_permissions() {
        let lines = GUARDS.iter().map(|(name, guard)| match guard {
            Open(why) => format!("{name:<28} open: {why}"),
            Needs(permission) => format!("{name:<28} {}", permission.name()),
            Proves => format!("{name:<28} proves who it is"),
        });
        insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
    }
}
