//! What stands in the book and the vault, for the commands that show it. Whoever looks leaves a row first.
//!
//! The engine holds its own book open for writing. Commands write their access rows to a second book beside it,
//! `readers`, under the same keys and the same proofs, so that looking works while the engine runs and while it does not
//! (crates/DECISIONS.md).

use std::collections::BTreeMap;
use std::path::PathBuf;

use switchboard::{CallId, Stamped};

use crate::views::Views;
use crate::{Failure, keys};

/// The folders and keys a reader needs.
pub(crate) struct Archive {
    data: PathBuf,
    keys: PathBuf,
}

/// Who looks, and why.
pub(crate) struct Reader {
    /// The person's name; named users only (164.312(a)(2)(i)).
    pub(crate) actor: String,
    /// Why, in their words.
    pub(crate) reason: String,
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
        let folder = self.data.join("book");
        let mut reader = ledger::Reader::open(&folder, self.read_keys()?, 0).map_err(Failure::book)?;
        for row in &mut reader {
            let row = row.map_err(Failure::book)?;
            if row.class == ledger::Class::Fact
                && let Ok(stamped) = Stamped::decode(&row.body)
            {
                each(stamped);
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

    /// Makes a look durable before it happens: no row, no look.
    pub(crate) fn note_access(
        &self,
        who: &Reader,
        action: &str,
        object: [u8; 16],
        call: Option<CallId>,
    ) -> Result<ledger::Receipt, Failure> {
        let book = ledger::Book::open(self.data.join("readers"), keys::for_book(&self.keys)?, keys::draw());
        let mut book = book.map_err(Failure::book)?.with(keys::rows(&self.keys)?);
        let access = ledger::Access {
            actor: who.actor.clone(),
            role: "ops reviewer".into(),
            action: action.into(),
            reason: who.reason.clone(),
            object,
            call: call.map(|call| call.0),
            source: "cli".into(),
            at_ms: jiff::Timestamp::now().as_millisecond(),
        };
        let receipt = book.receipt(&access).map_err(Failure::book)?;
        book.close().map_err(Failure::book)?;
        Ok(receipt)
    }

    /// The vault, for listing and opening.
    pub(crate) fn vault(&self) -> Result<vault::Vault, Failure> {
        let folder = self.data.join("recordings");
        vault::Vault::open(folder, vec![keys::recipient(&self.keys)?], keys::draw()).map_err(Failure::vault)
    }

    /// The key that opens recordings; the engine never loads it.
    pub(crate) fn listener(&self) -> Result<seal::RecipientSecret, Failure> {
        keys::listener(&self.keys)
    }
}
