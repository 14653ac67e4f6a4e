//! The engine's bundle while the engine runs: what was provisioned, rotated or destroyed is in force seconds later, and nobody
//! sends a signal.
//!
//! A bundle that is gone or broken takes nothing away: what was read last stays in force, and somebody is told. So they are when
//! the months that were provisioned come to their end; recordings are then sealed for the last of them, and no caller is lost.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use seal::Month;

use super::{BUNDLE, engine_keys};

/// How often the bundle is looked at; like practices.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Whoever is to provision is told when so many months are left.
const MONTHS_LEFT: u16 = 2;

/// What the engine holds of its bundle.
pub(crate) struct Watch {
    folder: PathBuf,
    locks: vault::Locks,
    rows: ledger::Rows,
    /// The bundle as it was read last, well or not; `None`: there was none, and none is expected.
    read: Option<Stamp>,
    until: Option<Month>,
    trouble: Option<String>,
    /// What somebody was told.
    told: BTreeSet<String>,
}

/// When a file was written, and how long it is; `None` of it when it is gone.
type Stamp = Option<(SystemTime, u64)>;

impl Watch {
    /// Of the bundle that the engine was just started with.
    pub(crate) fn new(folder: &Path, locks: vault::Locks, rows: ledger::Rows) -> Self {
        let stamp = stamp(folder);
        let mut watch = Self {
            folder: folder.to_owned(),
            locks,
            rows,
            read: None,
            until: None,
            trouble: None,
            told: BTreeSet::new(),
        };
        // Keys of before there were bundles: nothing is there, and nothing is missing.
        if stamp.is_some() {
            watch.take();
        }
        watch
    }

    /// Looks, and takes what is new. True when other keys are in force now.
    pub(crate) fn look(&mut self) -> bool {
        let now = stamp(&self.folder);
        match &self.read {
            None if now.is_none() => false,
            Some(read) if *read == now => false,
            _ => self.take(),
        }
    }

    fn take(&mut self) -> bool {
        // Taken before it is read: what is written meanwhile is read again.
        self.read = Some(stamp(&self.folder));
        let (trouble, fix) = match engine_keys(&self.folder) {
            Ok(Some(keys)) => {
                self.locks.renew(keys.recipients);
                self.rows.replace(keys.rows);
                self.until = keys.until;
                self.trouble = None;
                tracing::info!(until = ?self.until.map(|until| until.to_string()), "keys were read; what begins from here on is sealed with them");
                return true;
            }
            Ok(None) => (
                format!("{} is gone", self.folder.join(BUNDLE).display()),
                "`nightdesk keys provision`",
            ),
            Err(failure) => (
                failure.what().to_owned(),
                "restore it from the newest backup of the keys, or write it anew: `nightdesk keys provision`",
            ),
        };
        tracing::error!(%trouble, "the engine's keys were not read again; those read last stay in force");
        self.trouble = Some(format!(
            "the engine's keys were not read again: {trouble}; those read last stay in force, until it is started anew: {fix}"
        ));
        false
    }

    /// What somebody must see to.
    pub(crate) fn alarms(&self, now: Timestamp) -> Vec<String> {
        let month = Month::of_unix_ms(now.as_millisecond());
        let fix = "run `nightdesk keys provision`";
        let short = match self.until {
            Some(until) if until < month => Some(format!(
                "no keys were provisioned for the months after {until}: recordings and rows are sealed with those of that month, and \
                 cannot be destroyed by themselves: {fix}"
            )),
            Some(until) if until < month.plus(MONTHS_LEFT) => Some(format!(
                "keys are provisioned until {until} only; recordings of later months would be sealed with the keys of that one: {fix}"
            )),
            None if self.read.is_some() && self.trouble.is_none() => {
                Some(format!("the engine's bundle holds no month: {fix}"))
            }
            _ => None,
        };
        self.trouble.iter().cloned().chain(short).collect()
    }

    /// What is to be told now: each once, and again when it had gone and is back.
    fn news(&mut self, now: Timestamp) -> Vec<String> {
        let alarms: BTreeSet<String> = self.alarms(now).into_iter().collect();
        let news = alarms.difference(&self.told).cloned().collect();
        self.told = alarms;
        news
    }

    /// Looks for as long as the process lives; it holds nothing that has to be put away.
    pub(crate) fn begin(mut self, tell: impl Fn(String) + Send + 'static) {
        let body = move || {
            loop {
                for what in self.news(Timestamp::now()) {
                    tell(what);
                }
                std::thread::sleep(LOOK_EVERY);
                self.look();
            }
        };
        if let Err(fault) = std::thread::Builder::new().name("keys".into()).spawn(body) {
            tracing::error!(%fault, "keys are read again on SIGHUP only");
        }
    }
}

fn stamp(folder: &Path) -> Stamp {
    let about = std::fs::metadata(folder.join(BUNDLE)).ok()?;
    Some((about.modified().ok()?, about.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bundle that is broken or gone is told once, and what was read before stays; a good one is taken, and a month that nobody
    /// provisioned is told.
    #[test]
    fn a_broken_bundle_is_told_and_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let keys = folder.path();
        super::super::make(keys, &["Cedar".to_owned()], 6).expect("keys");
        let given = super::super::for_engine(keys).expect("keys");
        let mut watch = Watch::new(keys, given.locks, given.rows);
        let now = Timestamp::now();
        assert!(!watch.look() && watch.news(now).is_empty());
        let known = watch.rows.now().len();
        assert!(known > 0);

        let bundle = keys.join(BUNDLE);
        let good = std::fs::read(&bundle).expect("there");
        std::fs::write(&bundle, b"not a bundle").expect("room");
        assert!(!watch.look());
        let told = watch.news(now).join("\n");
        assert!(
            told.contains("not read again") && told.contains("stay in force"),
            "{told}"
        );
        assert!(watch.news(now).is_empty(), "once");
        assert_eq!(watch.rows.now().len(), known, "what was read stays");
        std::fs::remove_file(&bundle).expect("ours");
        assert!(!watch.look());
        assert!(watch.news(now).join("\n").contains("is gone"));
        assert_eq!(watch.rows.now().len(), known, "what was read stays");
        std::fs::write(&bundle, good).expect("room");
        assert!(watch.look() && watch.news(now).is_empty(), "and it is over");

        let in_days = |days: i64| now + jiff::SignedDuration::from_hours(24 * days);
        assert!(watch.news(in_days(31)).is_empty());
        let soon = watch.news(in_days(150)).join("\n");
        assert!(soon.contains("are provisioned until"), "{soon}");
        let missing = watch.news(in_days(220)).join("\n");
        assert!(
            missing.contains("no keys were provisioned for the months after"),
            "{missing}"
        );
    }
}
