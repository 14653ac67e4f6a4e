//! What was destroyed, for the commands that show what there was: a thing that is gone reads as gone, with its certificate.

use std::collections::BTreeMap;
use std::fmt;

use super::store::{Store, What};
use crate::Failure;
use crate::config::Settings;

/// Every destruction that was carried out, found by what it took away.
pub(crate) struct Destroyed {
    done: Vec<Done>,
    /// `file:ID` and `rows:ID`, as certificates name them.
    by_object: BTreeMap<String, usize>,
}

/// One destruction. Prints as what stands in the place of the thing.
pub(crate) struct Done {
    /// The day, RFC 3339.
    on: String,
    certificate: String,
    /// Whose it was, where the order said so.
    pub(crate) practice: Option<String>,
    /// What it was, in the certificate's words.
    pub(crate) what: String,
}

impl Destroyed {
    /// What the book of destructions says.
    pub(crate) fn of(settings: &Settings) -> Result<Self, Failure> {
        let store = Store::open(settings.data.clone(), settings.keys.clone())?;
        let mut found = Self {
            done: Vec::new(),
            by_object: BTreeMap::new(),
        };
        for order in &store.orders {
            let Some(signed) = store.certificates.get(&order.id) else {
                continue;
            };
            let practice = match &order.what {
                What::Month { practice, .. } | What::Tenant { practice, .. } => Some(practice.clone()),
                What::Recording { .. } => None,
            };
            for (object, _) in &order.objects {
                found.by_object.insert(object.clone(), found.done.len());
            }
            found.done.push(Done {
                on: signed.certificate.at.get(..10).unwrap_or_default().to_owned(),
                certificate: order.id.clone(),
                practice,
                what: order.what.to_string(),
            });
        }
        Ok(found)
    }

    /// How a sealed file went, if it did.
    pub(crate) fn file(&self, id: &[u8; 16]) -> Option<&Done> {
        self.object(&file(id))
    }

    /// How the rows under a key went, if they did.
    pub(crate) fn rows(&self, key: &seal::RowKeyId) -> Option<&Done> {
        self.object(&rows(key))
    }

    /// Every sealed file that went.
    pub(crate) fn files(&self) -> impl Iterator<Item = ([u8; 16], &Done)> {
        self.by_object.iter().filter_map(|(object, at)| {
            let id = seal::keys::unhex(object.strip_prefix("file:")?)?;
            Some((id, self.done.get(*at)?))
        })
    }

    /// What was destroyed of one practice, each with its certificate's name.
    pub(crate) fn of_practice(&self, practice: &str) -> Vec<serde_json::Value> {
        let own = self
            .done
            .iter()
            .filter(|done| done.practice.as_deref() == Some(practice));
        own.map(|done| serde_json::json!({"what": done.what, "on": done.on, "certificate": done.certificate}))
            .collect()
    }

    fn object(&self, name: &str) -> Option<&Done> {
        self.done.get(*self.by_object.get(name)?)
    }
}

/// A sealed file, as certificates name it.
pub(super) fn file(id: &[u8; 16]) -> String {
    format!("file:{}", seal::keys::hex(id))
}

/// The key of rows, as certificates name it.
pub(super) fn rows(key: &seal::RowKeyId) -> String {
    format!("rows:{key}")
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "destroyed on {} (certificate {})", self.on, self.certificate)
    }
}
