//! What an engine is given: a bundle of public halves and row keys, sealed for the engine's own key.
//!
//! With it the engine seals files it cannot read back, and writes and reads its own book. It has no root, no practice's
//! key and no secret half. The bundle holds the row keys of months that have gone by too, as long as they exist: the engine
//! reads its book to know what it had promised before a restart.

use std::path::Path;

use seal::{Month, Place, RecipientPublic, RecipientRing, RecipientSecret, Retention, RowKey, RowRing, Tenant};
use zeroize::Zeroizing;

use crate::{Entropy, Fault, file};

const BUNDLE: &str = "engine.bundle";
const MAGIC: &[u8; 8] = b"ndbundl1";
const INFO: &[u8] = b"nightdesk engine bundle v1";
const ENTRY: usize = 1 + 16 + 3 + 1 + 32;
const PUBLIC: u8 = 1;
const ROWS: u8 = 2;

/// What an engine opens its bundle to.
pub struct EngineKeys {
    /// For whom files are sealed.
    pub recipients: RecipientRing,
    /// What rows are sealed with.
    pub rows: RowRing,
    /// The last month for which everything is there.
    pub until: Option<Month>,
}

/// One key of a bundle.
pub enum Entry {
    /// A recipient's public half.
    Recipient(Place, RecipientPublic),
    /// A row key.
    Rows(Place, RowKey),
}

/// Opens the bundle in a folder of keys; `None` when there is none.
pub fn engine_keys(folder: &Path, engine: &RecipientSecret) -> Result<Option<EngineKeys>, Fault> {
    let path = folder.join(BUNDLE);
    if !path.exists() {
        return Ok(None);
    }
    let (mut recipients, mut rows) = (RecipientRing::new(), RowRing::new());
    for entry in open(&path, engine)? {
        match entry {
            Entry::Recipient(place, public) => recipients.add(place, public),
            Entry::Rows(place, key) => {
                rows.add(place, key);
            }
        }
    }
    // A practice is provisioned as far as its last month; all of them as far as the first of these.
    let mut last = std::collections::BTreeMap::new();
    for place in recipients.places() {
        let month = last.entry((place.tenant, place.class)).or_insert(place.month);
        *month = place.month.max(*month);
    }
    Ok(Some(EngineKeys {
        recipients,
        rows,
        until: last.into_values().min(),
    }))
}

/// Seals a bundle for an engine. What is added later counts for its place.
pub fn write_bundle(
    folder: &Path,
    engine: &RecipientPublic,
    entries: &[Entry],
    entropy: Entropy<'_>,
) -> Result<(), Fault> {
    // All at once: a growing buffer would leave copies that nobody wipes.
    let mut plain = Zeroizing::new(Vec::with_capacity(MAGIC.len() + ENTRY * entries.len()));
    plain.extend_from_slice(MAGIC);
    for entry in entries {
        let (kind, place, key) = match entry {
            Entry::Recipient(place, public) => (PUBLIC, place, public.key()),
            Entry::Rows(place, key) => (ROWS, place, key.secret()),
        };
        plain.push(kind);
        plain.extend_from_slice(&place.tenant.0);
        plain.extend_from_slice(&place.month.year().to_be_bytes());
        plain.push(place.month.month());
        plain.push(place.class.octet());
        plain.extend_from_slice(key);
    }
    let sealed = engine.seal_to(INFO, &plain, entropy)?;
    file::write(&folder.join(BUNDLE), &[MAGIC.as_slice(), &sealed].concat())
}

/// Takes the keys of a place out of the engine's bundle, with the engine's own key: after a destruction, when no root is
/// at hand. Gives how many keys went.
pub fn forget_in_bundle(
    folder: &Path,
    engine: &RecipientSecret,
    place: Place,
    entropy: Entropy<'_>,
) -> Result<usize, Fault> {
    let path = folder.join(BUNDLE);
    if !path.exists() {
        return Ok(0);
    }
    let mut entries = open(&path, engine)?;
    let before = entries.len();
    entries.retain(|entry| match entry {
        Entry::Recipient(of, _) | Entry::Rows(of, _) => *of != place,
    });
    let gone = before - entries.len();
    if gone > 0 {
        write_bundle(folder, &engine.public(), &entries, entropy)?;
    }
    Ok(gone)
}

fn open(path: &Path, engine: &RecipientSecret) -> Result<Vec<Entry>, Fault> {
    let wrong = || Fault::malformed(path, "not a bundle for this engine's key");
    let bytes = file::read(path)?;
    let sealed = bytes.strip_prefix(MAGIC).ok_or_else(wrong)?;
    let plain = engine.open_from(INFO, sealed).map_err(|_| wrong())?;
    let (entries, rest) = plain.strip_prefix(MAGIC).ok_or_else(wrong)?.as_chunks::<ENTRY>();
    if !rest.is_empty() {
        return Err(wrong());
    }
    entries.iter().map(|entry| read(entry).ok_or_else(wrong)).collect()
}

fn read(entry: &[u8; ENTRY]) -> Option<Entry> {
    let (kind, rest) = entry.split_first()?;
    let (tenant, rest) = rest.split_first_chunk::<16>()?;
    let (year, rest) = rest.split_first_chunk::<2>()?;
    let ([month, class], key) = rest.split_first_chunk::<2>()?;
    let key: &[u8; 32] = key.first_chunk()?;
    let place = Place {
        tenant: Tenant(*tenant),
        month: Month::new(u16::from_be_bytes(*year), *month)?,
        class: Retention::from_octet(*class)?,
    };
    match *kind {
        PUBLIC => {
            let generation = place.month.generation(place.class);
            Some(Entry::Recipient(place, RecipientPublic::new(*key, generation)))
        }
        ROWS => Some(Entry::Rows(place, RowKey::new(Zeroizing::new(*key)))),
        _ => None,
    }
}
