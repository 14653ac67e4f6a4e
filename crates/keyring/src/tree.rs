//! The folder of keys as a tree: what hangs on the root, what is made, found, re-wrapped, destroyed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use seal::{
    Header, KeyName, Month, Parent, Part, Place, RecipientPublic, RecipientSecret, Retention, RowKey, RowRing, Tenant,
};
use zeroize::Zeroizing;

use crate::engine::Entry;
use crate::file::Lines;
use crate::root::{self, Kept, RecoveryParts, RootFacts};
use crate::{Ask, Entropy, Fault, Shares, file};

const PRACTICES: &str = "practices";
const MONTHS: &str = "months";

/// A folder of keys, without its root.
#[derive(Debug, Clone)]
pub struct Keyring {
    folder: PathBuf,
}

/// A folder of keys with its root at hand.
pub struct Unlocked {
    folder: PathBuf,
    root: Parent,
    practices: BTreeMap<Tenant, Practice>,
}

struct Practice {
    name: String,
    key: Parent,
}

/// What a month's key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The secret half of a recipient of sealed files.
    Recipient,
    /// The key of rows of the book.
    Rows,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Recipient, Self::Rows];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Recipient => "recipient",
            Self::Rows => "rows",
        }
    }

    fn key_name(self, place: Place) -> KeyName {
        match self {
            Self::Recipient => KeyName::Recipient(place.tenant, place.month, place.class),
            Self::Rows => KeyName::Rows(place.tenant, place.month, place.class),
        }
    }
}

/// What a provisioning made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Provisioned {
    /// Keys made; 0 when all were there.
    pub made: usize,
    /// Keys that are there now, of the months asked for.
    pub there: usize,
}

/// What a rotation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rotated {
    /// Keys wrapped anew.
    pub wrapped: usize,
}

/// A key that was destroyed, for the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destroyed {
    /// What it was for.
    pub kind: Kind,
    /// Whose, of which month and class.
    pub place: Place,
    /// A recipient's id as it stands in headers, or a row key's as it stands in rows.
    pub id: [u8; 16],
}

/// What there is, for whoever looks.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The root in force.
    pub root: Option<RootFacts>,
    /// Each practice.
    pub practices: Vec<Holding>,
    /// Shares of sealed files, by month.
    pub shares: Vec<(Month, usize)>,
}

/// The keys of one practice.
#[derive(Debug, Clone)]
pub struct Holding {
    /// Whose.
    pub tenant: Tenant,
    /// Its name.
    pub name: String,
    /// The first and the last month there is a key for.
    pub months: Option<(Month, Month)>,
    /// How many keys.
    pub keys: usize,
}

/// A wrapped key of a month, as its file's name tells.
struct Blob {
    path: PathBuf,
    place: Place,
    kind: Kind,
    id: [u8; 16],
    under: [u8; 8],
}

impl Keyring {
    /// The keys in a folder.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The root in force; none before a ceremony.
    pub fn root(&self) -> Result<Option<RootFacts>, Fault> {
        root::facts(&self.folder)
    }

    /// Makes the root. For a credential or a variable [`Unlocked::root_file`] has to be put there by whoever asked.
    pub fn create(&self, kept: &Kept, ask: Ask<'_>, entropy: Entropy<'_>) -> Result<Unlocked, Fault> {
        file::folder(&self.folder)?;
        if self.root()?.is_some() {
            return Err(Fault::RefusedRootIsThere(self.folder.clone()));
        }
        let root = drawn(&self.folder, &mut *entropy)?;
        root::write(&self.folder, None, &root, kept, ask, entropy)?;
        Unlocked::with(&self.folder, root)
    }

    /// Opens the root.
    pub fn unlock(&self, ask: Ask<'_>) -> Result<Unlocked, Fault> {
        Unlocked::with(&self.folder, root::unlock(&self.folder, ask)?)
    }

    /// Opens the root with two parts of its recovery key, when whoever kept it is gone.
    pub fn recover(&self, one: &Part, two: &Part) -> Result<Unlocked, Fault> {
        Unlocked::with(&self.folder, root::recover(&self.folder, one, two)?)
    }

    /// The shares of sealed files.
    pub fn shares(&self) -> Shares {
        Shares::in_keys(&self.folder)
    }

    /// What there is.
    pub fn standing(&self) -> Result<Standing, Fault> {
        let mut names: BTreeMap<Tenant, String> = BTreeMap::new();
        let facts = self.root()?;
        for (path, tenant, _) in practice_files(&self.folder)? {
            let name = Lines::read(&path, "nightdesk-practice")?
                .word(&path, "name")?
                .to_owned();
            names.insert(tenant, name);
        }
        let mut practices = Vec::new();
        let blobs = blobs(&self.folder)?;
        for (tenant, name) in names {
            let of_it: Vec<&Blob> = blobs.iter().filter(|blob| blob.place.tenant == tenant).collect();
            let months = of_it.iter().map(|blob| blob.place.month);
            let span = months.clone().min().zip(months.max());
            practices.push(Holding {
                tenant,
                name,
                months: span,
                keys: of_it.len(),
            });
        }
        Ok(Standing {
            root: facts,
            practices,
            shares: self.shares().count()?,
        })
    }

    /// Destroys every key of a place, under whatever parent: overwritten, taken away, synced. The engine's bundle is told
    /// apart ([`crate::forget_in_bundle`], or a new bundle).
    pub fn destroy(&self, place: Place) -> Result<Vec<Destroyed>, Fault> {
        let mut gone: Vec<Destroyed> = Vec::new();
        for blob in blobs(&self.folder)? {
            if blob.place != place {
                continue;
            }
            file::wipe(&blob.path).map_err(Fault::disk(&blob.path))?;
            let destroyed = Destroyed {
                kind: blob.kind,
                place,
                id: blob.id,
            };
            // While keys are being re-wrapped there may be two wraps of one key.
            if !gone.contains(&destroyed) {
                gone.push(destroyed);
            }
        }
        Ok(gone)
    }
}

impl Unlocked {
    fn with(folder: &Path, root: Parent) -> Result<Self, Fault> {
        let mut practices = BTreeMap::new();
        for (path, tenant, under) in practice_files(folder)? {
            if under != root.id() {
                // Of a root that is not in force yet, or no more: a rotation was interrupted here.
                continue;
            }
            let lines = Lines::read(&path, "nightdesk-practice")?;
            let key = root
                .unwrap(KeyName::Practice(tenant), &lines.octets(&path, "sealed")?)
                .map_err(|fault| Fault::malformed(&path, fault))?;
            let name = lines.word(&path, "name")?.to_owned();
            let key = root::held(&path, key)?;
            practices.insert(tenant, Practice { name, key });
        }
        Ok(Self {
            folder: folder.to_owned(),
            root,
            practices,
        })
    }

    /// Which root this is.
    pub fn root_id(&self) -> [u8; 8] {
        self.root.id()
    }

    /// The root as a key file, for the credential store that is to keep it. Wiped when dropped.
    pub fn root_file(&self) -> Zeroizing<Vec<u8>> {
        self.root.to_bytes()
    }

    /// Makes a recovery key: the root is sealed for it, and it exists in the three parts alone.
    pub fn make_recovery(&self, entropy: Entropy<'_>) -> Result<RecoveryParts, Fault> {
        root::make_recovery(&self.folder, &self.root, entropy)
    }

    /// Gives the same root to somebody else to keep: a new passphrase, a token.
    pub fn keep_by(&self, kept: &Kept, ask: Ask<'_>, entropy: Entropy<'_>) -> Result<(), Fault> {
        root::write(&self.folder, None, &self.root, kept, ask, entropy).map(drop)
    }

    /// The practices that have keys.
    pub fn practices(&self) -> impl Iterator<Item = (Tenant, &str)> {
        self.practices
            .iter()
            .map(|(tenant, practice)| (*tenant, practice.name.as_str()))
    }

    /// Makes what is missing of a practice's keys, for `months` months from `from` on. Keys that are there stay.
    pub fn provision(
        &mut self,
        tenant: Tenant,
        name: &str,
        from: Month,
        months: u16,
        now_ms: i64,
        entropy: Entropy<'_>,
    ) -> Result<Provisioned, Fault> {
        if !self.practices.contains_key(&tenant) {
            let key = drawn(&self.folder, &mut *entropy)?;
            self.write_practice(&self.root, tenant, name, &key, &mut *entropy)?;
            let name = name.to_owned();
            self.practices.insert(tenant, Practice { name, key });
        }
        let parent = self.parent(tenant)?;
        let there: std::collections::BTreeSet<(Place, Kind)> =
            self.valid()?.into_iter().map(|blob| (blob.place, blob.kind)).collect();
        let mut out = Provisioned::default();
        for (place, kind) in places(tenant, from, months) {
            out.there += 1;
            if !there.contains(&(place, kind)) {
                self.make(parent, place, kind, now_ms, &mut *entropy)?;
                out.made += 1;
            }
        }
        Ok(out)
    }

    /// Makes new recipients and row keys for months that have some already, when those must not be used any more. The old
    /// ones still open what was sealed for them; provision the engine, then re-wrap the files.
    pub fn renew_months(
        &self,
        tenant: Tenant,
        from: Month,
        months: u16,
        now_ms: i64,
        entropy: Entropy<'_>,
    ) -> Result<usize, Fault> {
        let parent = self.parent(tenant)?;
        let mut made = 0;
        for (place, kind) in places(tenant, from, months) {
            self.make(parent, place, kind, now_ms, &mut *entropy)?;
            made += 1;
        }
        Ok(made)
    }

    /// The secret key that opens a sealed file, by what its header says.
    pub fn recipient(&self, header: &Header) -> Result<RecipientSecret, Fault> {
        for slot in &header.slots {
            let Some((month, class)) = Month::of_generation(slot.epoch) else {
                continue;
            };
            for tenant in [Tenant(header.fixed.tenant), Tenant::HOUSE] {
                let Some(practice) = self.practices.get(&tenant) else {
                    continue;
                };
                let place = Place { tenant, class, month };
                let under = practice.key.id();
                let path = path(&self.folder, place, Kind::Recipient, &slot.key_id, &under);
                if path.exists() {
                    let key = self.read(&practice.key, &path, place, Kind::Recipient)?;
                    return Ok(RecipientSecret::new(key, slot.epoch));
                }
            }
        }
        let of = header
            .slots
            .first()
            .map_or_else(String::new, |slot| match Month::of_generation(slot.epoch) {
                Some((month, class)) => format!("the key of {month} for {class}"),
                None => "the key this file was sealed for".to_owned(),
            });
        Err(Fault::RefusedGone(of))
    }

    /// The newest recipient of a place: for whom a file is wrapped anew.
    pub fn newest(&self, place: Place) -> Result<Option<RecipientPublic>, Fault> {
        let entries = self.entries(|blob| blob.place == place && blob.kind == Kind::Recipient)?;
        Ok(entries.into_iter().rev().find_map(|entry| match entry {
            Entry::Recipient(_, public) => Some(public),
            Entry::Rows(..) => None,
        }))
    }

    /// Every row key there is.
    pub fn rows(&self) -> Result<RowRing, Fault> {
        let mut ring = RowRing::new();
        for entry in self.entries(|blob| blob.kind == Kind::Rows)? {
            if let Entry::Rows(place, key) = entry {
                ring.add(place, key);
            }
        }
        Ok(ring)
    }

    /// Seals a bundle of everything an engine needs: public halves and row keys.
    pub fn provision_engine(&self, engine: &RecipientPublic, entropy: Entropy<'_>) -> Result<usize, Fault> {
        let entries = self.entries(|_| true)?;
        crate::write_bundle(&self.folder, engine, &entries, entropy)?;
        Ok(entries.len())
    }

    /// A new root: every practice's key is wrapped under it beside the old wrap, the recovery key's parts stay good, then
    /// one rename puts it in force, then the old goes. Interrupted before the rename, the old root opens everything;
    /// after it, the new.
    pub fn rotate_root(&mut self, kept: &Kept, ask: Ask<'_>, entropy: Entropy<'_>) -> Result<Rotated, Fault> {
        let next = drawn(&self.folder, &mut *entropy)?;
        let beside = root::write(&self.folder, Some("root.next"), &next, kept, ask, &mut *entropy)?;
        root::keep_recovery(&self.folder, &self.root.id(), &next, &mut *entropy)?;
        for (tenant, practice) in &self.practices {
            self.write_practice(&next, *tenant, &practice.name, &practice.key, &mut *entropy)?;
        }
        root::put_in_force(&self.folder, &beside)?;
        self.root = next;
        self.tidy()?;
        Ok(Rotated {
            wrapped: self.practices.len(),
        })
    }

    /// A new key for a practice, in the same order: all its months' keys are wrapped under it, then it is put in force.
    pub fn rotate_practice(&mut self, tenant: Tenant, entropy: Entropy<'_>) -> Result<Rotated, Fault> {
        let old = self.parent(tenant)?;
        let next = drawn(&self.folder, &mut *entropy)?;
        let mut wrapped = 0;
        for blob in self.valid()?.iter().filter(|blob| blob.place.tenant == tenant) {
            let key = self.read(old, &blob.path, blob.place, blob.kind)?;
            let lines = Lines::read(&blob.path, "nightdesk-month")?;
            let made = lines.word(&blob.path, "made")?.to_owned();
            self.put(&next, blob.place, blob.kind, &key, &made, &mut *entropy)?;
            wrapped += 1;
        }
        let name = self
            .practices
            .get(&tenant)
            .map_or(String::new(), |practice| practice.name.clone());
        // One file, replaced by one rename: from here on the new key is the practice's.
        self.write_practice(&self.root, tenant, &name, &next, entropy)?;
        self.practices.insert(tenant, Practice { name, key: next });
        self.tidy()?;
        Ok(Rotated { wrapped })
    }

    /// Takes away what an interrupted rotation left: wraps under parents that are not in force. Gives how many.
    pub fn tidy(&self) -> Result<usize, Fault> {
        let mut gone = 0;
        let mut take = |path: &Path| -> Result<(), Fault> {
            gone += 1;
            file::wipe(path).map_err(Fault::disk(path))
        };
        for (path, _, under) in practice_files(&self.folder)? {
            if under != self.root.id() {
                take(&path)?;
            }
        }
        for blob in blobs(&self.folder)? {
            if !self.is_valid(&blob) {
                take(&blob.path)?;
            }
        }
        root::tidy(&self.folder, &self.root.id())?;
        Ok(gone)
    }

    fn parent(&self, tenant: Tenant) -> Result<&Parent, Fault> {
        self.practices
            .get(&tenant)
            .map(|practice| &practice.key)
            .ok_or_else(|| Fault::RefusedGone(format!("the key of practice {tenant}")))
    }

    /// The wraps that are in force, in the order their keys were made.
    fn valid(&self) -> Result<Vec<Blob>, Fault> {
        let mut found = blobs(&self.folder)?;
        found.retain(|blob| self.is_valid(blob));
        Ok(found)
    }

    fn is_valid(&self, blob: &Blob) -> bool {
        let practice = self.practices.get(&blob.place.tenant);
        practice.is_some_and(|practice| practice.key.id() == blob.under)
    }

    /// Keys as an engine gets them, oldest first, so that the newest of a place is its last.
    fn entries(&self, wanted: impl Fn(&Blob) -> bool) -> Result<Vec<Entry>, Fault> {
        let mut found = Vec::new();
        for blob in self.valid()?.into_iter().filter(|blob| wanted(blob)) {
            let lines = Lines::read(&blob.path, "nightdesk-month")?;
            let made: i64 = lines
                .word(&blob.path, "made")?
                .parse()
                .map_err(|_| Fault::malformed(&blob.path, "`made` is no time"))?;
            let entry = match blob.kind {
                Kind::Recipient => {
                    let generation = blob.place.month.generation(blob.place.class);
                    let public = RecipientPublic::new(lines.octets(&blob.path, "public")?, generation);
                    if public.id() != blob.id {
                        return Err(Fault::malformed(
                            &blob.path,
                            "the public half is not the one of its name",
                        ));
                    }
                    Entry::Recipient(blob.place, public)
                }
                Kind::Rows => {
                    let key = self.read(self.parent(blob.place.tenant)?, &blob.path, blob.place, blob.kind)?;
                    Entry::Rows(blob.place, RowKey::new(key))
                }
            };
            found.push((made, blob.place, entry));
        }
        found.sort_by_key(|(made, place, _)| (*place, *made));
        Ok(found.into_iter().map(|(_, _, entry)| entry).collect())
    }

    fn read(&self, parent: &Parent, path: &Path, place: Place, kind: Kind) -> Result<Zeroizing<[u8; 32]>, Fault> {
        let lines = Lines::read(path, "nightdesk-month")?;
        parent
            .unwrap(kind.key_name(place), &lines.octets(path, "sealed")?)
            .map_err(|fault| Fault::malformed(path, fault))
    }

    fn make(&self, parent: &Parent, place: Place, kind: Kind, now_ms: i64, entropy: Entropy<'_>) -> Result<(), Fault> {
        let key = match kind {
            Kind::Recipient => Zeroizing::new(*RecipientSecret::generate(0, &mut *entropy).secret()),
            Kind::Rows => Zeroizing::new(*RowKey::generate(&mut *entropy).secret()),
        };
        self.put(parent, place, kind, &key, &now_ms.to_string(), entropy)
    }

    fn put(
        &self,
        parent: &Parent,
        place: Place,
        kind: Kind,
        key: &Zeroizing<[u8; 32]>,
        made: &str,
        entropy: Entropy<'_>,
    ) -> Result<(), Fault> {
        let (id, public) = match kind {
            Kind::Recipient => {
                let public = RecipientSecret::new(key.clone(), 0).public();
                (public.id(), seal::keys::hex(public.key()))
            }
            Kind::Rows => (RowKey::new(key.clone()).id().0, "none".to_owned()),
        };
        let path = path(&self.folder, place, kind, &id, &parent.id());
        if let Some(folder) = path.parent() {
            file::folder(folder)?;
        }
        let sealed = seal::keys::hex(&parent.wrap(kind.key_name(place), key, entropy));
        let pairs = [("made", made), ("public", &public), ("sealed", &sealed)];
        Lines::write(&path, "nightdesk-month", &pairs)
    }

    fn write_practice(
        &self,
        root: &Parent,
        tenant: Tenant,
        name: &str,
        key: &Parent,
        entropy: Entropy<'_>,
    ) -> Result<(), Fault> {
        let folder = self.folder.join(PRACTICES);
        file::folder(&folder)?;
        let path = folder.join(format!("{tenant}.{}", seal::keys::hex(&root.id())));
        let sealed = seal::keys::hex(&root.wrap(KeyName::Practice(tenant), key.secret(), entropy));
        // A name is one line, whatever somebody calls a practice.
        let name: String = name.chars().filter(|letter| !letter.is_control()).collect();
        Lines::write(&path, "nightdesk-practice", &[("name", &name), ("sealed", &sealed)])
    }
}

fn drawn(folder: &Path, entropy: Entropy<'_>) -> Result<Parent, Fault> {
    let mut key = Zeroizing::new([0; 32]);
    entropy(key.as_mut_slice());
    root::held(folder, key)
}

fn places(tenant: Tenant, from: Month, months: u16) -> impl Iterator<Item = (Place, Kind)> {
    (0..months).flat_map(move |ahead| {
        let month = from.plus(ahead);
        Retention::ALL
            .into_iter()
            .flat_map(move |class| Kind::ALL.map(|kind| (Place { tenant, class, month }, kind)))
    })
}

fn path(folder: &Path, place: Place, kind: Kind, id: &[u8; 16], under: &[u8; 8]) -> PathBuf {
    let hex = seal::keys::hex;
    folder
        .join(MONTHS)
        .join(place.tenant.to_string())
        .join(place.month.to_string())
        .join(format!("{}.{}.{}.{}", place.class, kind.name(), hex(id), hex(under)))
}

/// Every file of a practice's key: its path, whose it is, under which root.
fn practice_files(folder: &Path) -> Result<Vec<(PathBuf, Tenant, [u8; 8])>, Fault> {
    let mut found = Vec::new();
    for path in listed(&folder.join(PRACTICES))? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let parts = name.split_once('.').and_then(|(tenant, under)| {
            let tenant = seal::keys::unhex(tenant).map(Tenant)?;
            Some((tenant, seal::keys::unhex::<8>(under)?))
        });
        if let Some((tenant, under)) = parts {
            found.push((path, tenant, under));
        }
    }
    Ok(found)
}

/// Every wrapped key of a month. What is not named like one, an unfinished file say, is none.
fn blobs(folder: &Path) -> Result<Vec<Blob>, Fault> {
    let mut found = Vec::new();
    for of_tenant in listed(&folder.join(MONTHS))? {
        let Some(tenant) = name_of(&of_tenant).and_then(seal::keys::unhex).map(Tenant) else {
            continue;
        };
        for of_month in listed(&of_tenant)? {
            let Some(month) = name_of(&of_month).and_then(|name| name.parse().ok()) else {
                continue;
            };
            for path in listed(&of_month)? {
                let parts: Vec<&str> = name_of(&path).unwrap_or_default().split('.').collect();
                let &[class, kind, id, under] = parts.as_slice() else {
                    continue;
                };
                let kind = Kind::ALL.into_iter().find(|known| known.name() == kind);
                let read = Retention::named(class)
                    .zip(kind)
                    .zip(seal::keys::unhex(id))
                    .zip(seal::keys::unhex(under));
                if let Some((((class, kind), id), under)) = read {
                    let place = Place { tenant, class, month };
                    found.push(Blob {
                        path,
                        place,
                        kind,
                        id,
                        under,
                    });
                }
            }
        }
    }
    Ok(found)
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

/// What is in a folder, by name; nothing where there is none.
fn listed(folder: &Path) -> Result<Vec<PathBuf>, Fault> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(Fault::disk(folder)(source)),
    };
    let mut found = Vec::new();
    for entry in entries {
        found.push(entry.map_err(Fault::disk(folder))?.path());
    }
    found.sort_unstable();
    Ok(found)
}
