//! Holds, orders and certificates: rows of a book of their own, `data/retention`, folded into memory when it is opened.
//!
//! An order is on the disk before anything is destroyed, with everything its certificate will say. So a destruction that a
//! crash interrupted is found, done again (which is harmless) and certified ([`Store::unfinished`]).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ledger::{Book, Entry, Fault, SignedCertificate};
use seal::{Month, Place, Retention, Tenant};
use serde::{Deserialize, Serialize};

use crate::{Failure, keys};

/// The book's folder in the data folder.
pub(crate) const BOOK: &str = "retention";
const HOLD: &str = "hold";
const LIFTED: &str = "hold lifted";
const ASKED: &str = "destruction asked for";
const ORDER: &str = "to destroy";
/// Objects of an order that follows.
const PIECE: &str = "part of what is to be destroyed";
const DONE: &str = "destroyed";
/// Another command writes this book for no longer than that.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// A named legal hold.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Hold {
    /// Its name: a case, a letter.
    pub(super) name: String,
    /// What it keeps.
    pub(super) over: Over,
    /// Who asked for it, and why.
    pub(super) by: String,
    /// Why.
    pub(super) reason: String,
    /// Since when, RFC 3339.
    pub(super) at: String,
}

/// What a hold keeps.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Over {
    /// One call.
    Call(String),
    /// Everything of whoever calls from a number; sealed with the row.
    Caller(String),
    /// Everything of a practice.
    Practice(String),
    /// A span of months, of one practice or of all.
    Months {
        /// Whose.
        practice: Option<String>,
        /// The first.
        from: String,
        /// The last.
        through: String,
    },
}

/// What is to be destroyed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum What {
    /// A month's class of a practice.
    Month {
        /// The practice's name.
        practice: String,
        /// As keys know it, in hexadecimal.
        tenant: String,
        /// Which month.
        month: String,
        /// Which class.
        class: String,
    },
    /// Everything of a practice but who did what.
    Tenant {
        /// The practice's name.
        practice: String,
        /// As keys know it, in hexadecimal.
        tenant: String,
    },
    /// One recording or clip.
    Recording {
        /// Its id.
        recording: String,
        /// The month its share lies under.
        month: String,
    },
}

/// The first of the two people who destroy a practice.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Asked {
    /// Which practice.
    pub(super) practice: String,
    /// Who asked.
    pub(super) by: String,
    /// Why.
    pub(super) reason: String,
    /// When, RFC 3339.
    pub(super) at: String,
}

/// An order to destroy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Order {
    /// Its name, and its certificate's.
    pub(super) id: String,
    /// What.
    pub(super) what: What,
    /// Who ordered it.
    pub(super) by: String,
    /// Why.
    pub(super) reason: String,
    /// What will be opened no more: id, and the hash of the sealed octets.
    pub(super) objects: Objects,
}

/// Ids, with the hashes of sealed octets.
pub(super) type Objects = Vec<(String, Option<String>)>;

impl What {
    /// The place of keys that goes, when it is a month.
    pub(super) fn place(&self) -> Option<Place> {
        match self {
            What::Month {
                tenant, month, class, ..
            } => Some(Place {
                tenant: Tenant(seal::keys::unhex(tenant)?),
                month: month.parse().ok()?,
                class: Retention::named(class)?,
            }),
            What::Recording { .. } | What::Tenant { .. } => None,
        }
    }

    /// Whose everything goes, when it is a practice's.
    pub(super) fn tenant(&self) -> Option<Tenant> {
        match self {
            What::Tenant { tenant, .. } => seal::keys::unhex(tenant).map(Tenant),
            What::Month { .. } | What::Recording { .. } => None,
        }
    }

    /// The recording that goes, and the month of its share.
    pub(super) fn recording(&self) -> Option<([u8; 16], Month)> {
        match self {
            What::Recording { recording, month } => Some((seal::keys::unhex(recording)?, month.parse().ok()?)),
            What::Month { .. } | What::Tenant { .. } => None,
        }
    }
}

impl std::fmt::Display for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            What::Month {
                practice, month, class, ..
            } => write!(f, "{class} of {practice}, {month}"),
            What::Tenant { practice, .. } => {
                write!(f, "sound, messages, keys pressed and calls of {practice}, every month")
            }
            What::Recording { recording, .. } => write!(f, "recording {recording}"),
        }
    }
}

/// The book, as it was read.
pub(super) struct Store {
    data: PathBuf,
    keys: PathBuf,
    /// Holds in force, by name.
    pub(super) holds: BTreeMap<String, Hold>,
    /// Practices somebody asked to be destroyed, until a second person does.
    pub(super) asked: BTreeMap<String, Asked>,
    /// Objects of orders that have not been given yet.
    pieces: BTreeMap<String, Objects>,
    /// Orders, in the order they were given.
    pub(super) orders: Vec<Order>,
    /// Certificates, by name.
    pub(super) certificates: BTreeMap<String, SignedCertificate>,
}

impl Store {
    /// Reads the book; there is none before the first hold or order.
    pub(super) fn open(data: PathBuf, keys: PathBuf) -> Result<Self, Failure> {
        let mut store = Self {
            holds: BTreeMap::new(),
            asked: BTreeMap::new(),
            pieces: BTreeMap::new(),
            orders: Vec::new(),
            certificates: BTreeMap::new(),
            data,
            keys,
        };
        let folder = store.data.join(BOOK);
        if folder.is_dir() {
            let read_keys = ledger::ReadKeys::from(keys::book_key(&store.keys)?).with(keys::rows(&store.keys)?);
            for row in ledger::Reader::open(&folder, read_keys, 0).map_err(Failure::book)? {
                let row = row.map_err(Failure::book)?;
                store.fold(&row.kind, &row.body);
            }
        }
        Ok(store)
    }

    /// Orders without a certificate.
    pub(super) fn unfinished(&self) -> Vec<Order> {
        let open = self
            .orders
            .iter()
            .filter(|order| !self.certificates.contains_key(&order.id));
        open.cloned().collect()
    }

    pub(super) fn hold(&mut self, hold: &Hold) -> Result<(), Failure> {
        self.write(HOLD, serde_json::to_vec(hold).unwrap_or_default())
    }

    pub(super) fn lift(&mut self, name: &str, by: &str, reason: &str) -> Result<(), Failure> {
        let lifted = Lifted {
            name: name.to_owned(),
            by: by.to_owned(),
            reason: reason.to_owned(),
        };
        self.write(LIFTED, serde_json::to_vec(&lifted).unwrap_or_default())
    }

    pub(super) fn ask(&mut self, asked: &Asked) -> Result<(), Failure> {
        self.write(ASKED, serde_json::to_vec(asked).unwrap_or_default())
    }

    /// With as many rows as its objects need; the last is the order, and nothing counts before that.
    pub(super) fn order(&mut self, order: &Order) -> Result<(), Failure> {
        let mut pieces = order.objects.chunks(super::OBJECTS_IN_ROW_MAX).rev();
        let last = pieces.next().unwrap_or_default();
        for objects in pieces {
            let piece = (&order.id, objects);
            self.write(PIECE, serde_json::to_vec(&piece).unwrap_or_default())?;
        }
        let last = Order {
            objects: last.to_vec(),
            ..order.clone()
        };
        self.write(ORDER, serde_json::to_vec(&last).unwrap_or_default())
    }

    pub(super) fn certify(&mut self, certificate: &SignedCertificate) -> Result<(), Failure> {
        self.write(DONE, certificate.to_string().into_bytes())
    }

    /// Durable when it returns.
    fn write(&mut self, kind: &'static str, body: Vec<u8>) -> Result<(), Failure> {
        let asked = Instant::now();
        let book = loop {
            let keys_of_book = keys::for_book(&self.keys)?;
            match Book::open(self.data.join(BOOK), keys_of_book, keys::draw()) {
                Err(Fault::RefusedTwoWriters) if asked.elapsed() < WAIT_MAX => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                opened => break opened.map_err(Failure::book)?,
            }
        };
        let mut book = book.with(keys::rows(&self.keys)?);
        let entry = Entry {
            kind: kind.into(),
            call: None,
            at_ms: jiff::Timestamp::now().as_millisecond(),
            body,
            // What is held and was destroyed is the house's to prove, six years long.
            tenant: Tenant::HOUSE,
            keep: Retention::Audit,
        };
        book.append(std::slice::from_ref(&entry)).map_err(Failure::book)?;
        book.close().map_err(Failure::book)?;
        self.fold(kind, &entry.body);
        Ok(())
    }

    fn fold(&mut self, kind: &str, body: &[u8]) {
        match kind {
            HOLD => {
                if let Ok(hold) = serde_json::from_slice::<Hold>(body) {
                    self.holds.insert(hold.name.clone(), hold);
                }
            }
            LIFTED => {
                if let Ok(lifted) = serde_json::from_slice::<Lifted>(body) {
                    self.holds.remove(&lifted.name);
                }
            }
            ASKED => {
                if let Ok(asked) = serde_json::from_slice::<Asked>(body) {
                    self.asked.insert(asked.practice.clone(), asked);
                }
            }
            PIECE => {
                if let Ok((id, objects)) = serde_json::from_slice::<(String, Objects)>(body) {
                    self.pieces.entry(id).or_default().extend(objects);
                }
            }
            ORDER => {
                let mut order = serde_json::from_slice::<Order>(body).ok();
                if let Some(order) = &mut order {
                    order.objects.extend(self.pieces.remove(&order.id).unwrap_or_default());
                }
                if let Some(What::Tenant { practice, .. }) = order.as_ref().map(|order| &order.what) {
                    self.asked.remove(practice);
                }
                self.orders.extend(order);
            }
            DONE => {
                let text = String::from_utf8_lossy(body);
                if let Some(signed) = SignedCertificate::parse(&text) {
                    self.certificates.insert(signed.certificate.id.clone(), signed);
                }
            }
            _ => {}
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Lifted {
    name: String,
    by: String,
    reason: String,
}
