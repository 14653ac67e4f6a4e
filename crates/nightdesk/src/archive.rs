//! What stands in the book and the vault, for the commands that show it. Whoever looks has passed the gate first
//! ([`crate::gate`]).
//!
//! The engine holds its own book open for writing. The rows that say who looked stand in a second book beside it,
//! `readers`, under the same keys and the same proofs, so that looking works while the engine runs and while it does not
//! (crates/DECISIONS.md).

use std::collections::BTreeMap;
use std::path::PathBuf;

use switchboard::{CallId, Fact, Stamped};

use crate::views::Views;
use crate::{Failure, keys};

/// The folders and keys a reader needs.
pub(crate) struct Archive {
    data: PathBuf,
    keys: PathBuf,
}

impl Archive {
    /// The archive of one configuration.
    pub(crate) fn new(settings: &crate::config::Settings) -> Self {
        Self {
            data: settings.data.clone(),
            keys: settings.keys.clone(),
        }
    }

    /// Every fact in the book, in order. A row that is not what was written ends the reading with a failure.
    pub(crate) fn facts(&self) -> Result<Vec<Stamped>, Failure> {
        let mut facts = Vec::new();
        self.each_fact(|stamped| facts.push(stamped))?;
        Ok(facts)
    }

    /// The same one after the other, for whoever keeps little of each.
    pub(crate) fn each_fact(&self, mut each: impl FnMut(Stamped)) -> Result<(), Failure> {
        self.each_row(|_, stamped| stamped.into_iter().for_each(&mut each))
    }

    /// Every row that is or was a fact, with what it says; one whose key was destroyed says nothing any more.
    pub(crate) fn each_row(&self, mut each: impl FnMut(&ledger::Row, Option<Stamped>)) -> Result<(), Failure> {
        let folder = self.data.join("book");
        if !folder.is_dir() {
            // No engine ever served this folder: nobody has called.
            return Ok(());
        }
        let mut reader = ledger::Reader::open(&folder, self.read_keys()?, 0).map_err(Failure::book)?;
        for row in &mut reader {
            let row = row.map_err(Failure::book)?;
            if row.class == ledger::Class::Fact {
                each(&row, Stamped::decode(&row.body).ok());
            }
        }
        Ok(())
    }

    /// The facts of each call, calls in the order in which they began.
    pub(crate) fn calls(&self) -> Result<Vec<(CallId, Vec<Stamped>)>, Failure> {
        let mut order = Vec::new();
        let mut calls: BTreeMap<CallId, Vec<Stamped>> = BTreeMap::new();
        for stamped in self.facts()? {
            let Some(call) = stamped.call else { continue };
            calls.entry(call).or_insert_with(|| {
                order.push(call);
                Vec::new()
            });
            if let Some(facts) = calls.get_mut(&call) {
                facts.push(stamped);
            }
        }
        Ok(order
            .into_iter()
            .filter_map(|call| Some((call, calls.remove(&call)?)))
            .collect())
    }

    /// The index over both books, up to date.
    pub(crate) fn views(&self) -> Result<Views, Failure> {
        Views::open(&self.data, &self.read_keys()?, false)
    }

    /// The same, made anew.
    pub(crate) fn reindex(&self) -> Result<Views, Failure> {
        Views::open(&self.data, &self.read_keys()?, true)
    }

    /// Where a book lies.
    pub(crate) fn book(&self, name: &str) -> PathBuf {
        self.data.join(name)
    }

    /// What rows are opened with.
    pub(crate) fn read_keys(&self) -> Result<ledger::ReadKeys, Failure> {
        let keys = ledger::ReadKeys::from(keys::book_key(&self.keys)?);
        Ok(keys.with(keys::rows(&self.keys)?))
    }

    /// Whose call it is, as far as the book says.
    pub(crate) fn practice_of(facts: &[Stamped]) -> Option<&str> {
        facts.iter().find_map(|stamped| match &stamped.fact {
            Fact::CallBegan { practice, .. } => Some(practice.as_str()),
            _ => None,
        })
    }

    /// The vault, for listing and opening.
    pub(crate) fn vault(&self) -> Result<vault::Vault, Failure> {
        let folder = self.data.join("recordings");
        vault::Vault::open(folder, vault::Locks::default(), keys::draw()).map_err(Failure::vault)
    }

    /// Whoever may listen; the engine never is.
    pub(crate) fn listener(&self) -> keys::Listener {
        keys::Listener::new(&self.keys)
    }
}
