//! Keys of the book's rows: one for each practice, month and class, named in a row's clear head by an id.
//!
//! A row is sealed under the key that is current when it is written and says which one that was. Whoever reads looks the
//! key up by that id; a key that is not there any more was destroyed, and so were the rows under it.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::record::SegmentKey;
use crate::{Entropy, Month, RecipientPublic, Retention, Tenant, hkdf};

/// Which row key: 16 octets that follow from the key and say nothing about it. Prints as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKeyId(pub [u8; 16]);

impl std::fmt::Display for RowKeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::keys::hex(&self.0))
    }
}

impl std::fmt::Debug for RowKeyId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// The key of some rows. Wiped when dropped.
pub struct RowKey(Zeroizing<[u8; 32]>);

impl RowKey {
    /// A new one.
    pub fn generate(entropy: Entropy<'_>) -> Self {
        let mut key = Zeroizing::new([0; 32]);
        entropy(key.as_mut_slice());
        Self(key)
    }

    /// One from its 32 octets.
    pub fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// Its 32 octets, for whoever wraps it.
    pub fn secret(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its name in a row.
    pub fn id(&self) -> RowKeyId {
        RowKeyId(hkdf(self.0.as_slice(), b"", b"nightdesk row key id v1"))
    }

    /// What rows of the segment whose header carries `salt` are sealed with: numbers begin anew in every segment and may
    /// not meet under one key.
    pub fn segment(&self, salt: &[u8; 32]) -> SegmentKey {
        SegmentKey::derive(&self.0, salt, b"nightdesk row segment v1")
    }

    /// What an index may keep of a word in such a row: with the key goes the possibility to ask for it.
    pub fn term(&self, word: &[u8]) -> [u8; 16] {
        crate::record::term(&self.0, word)
    }
}

/// The row keys that are at hand.
#[derive(Default)]
pub struct RowRing {
    keys: BTreeMap<RowKeyId, (Place, RowKey)>,
    /// The newest added of each place.
    current: BTreeMap<Place, RowKeyId>,
}

/// For which rows a key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Whose.
    pub tenant: Tenant,
    /// How long they are kept.
    pub class: Retention,
    /// When they were written.
    pub month: Month,
}

/// The key to seal a row with now.
pub struct Current<'a> {
    /// Its name.
    pub id: RowKeyId,
    /// The key.
    pub key: &'a RowKey,
    /// The month it was made for.
    pub month: Month,
    /// It was made for another month: nobody has provisioned the month asked for. The row is safe, but it will be
    /// destroyed with the wrong month; somebody should run `nightdesk keys provision`.
    pub overdue: bool,
}

impl RowRing {
    /// Without any key.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key. Of several for one place the last added is the one to seal with, and all of them open.
    pub fn add(&mut self, place: Place, key: RowKey) -> RowKeyId {
        let id = key.id();
        self.keys.insert(id, (place, key));
        self.current.insert(place, id);
        id
    }

    /// The key to seal with: that of the month, or else of the newest month before it, or else of the first one there is.
    /// None only when there is no key at all for this practice and class.
    pub fn current(&self, tenant: Tenant, month: Month, class: Retention) -> Option<Current<'_>> {
        let at = |month| Place { tenant, class, month };
        let of_it = |place: &Place| place.tenant == tenant && place.class == class;
        let (place, id) = self
            .current
            .range(..=at(month))
            .next_back()
            .filter(|(place, _)| of_it(place))
            .or_else(|| self.current.range(at(month)..).next().filter(|(place, _)| of_it(place)))?;
        let (_, key) = self.keys.get(id)?;
        Some(Current {
            id: *id,
            key,
            month: place.month,
            overdue: place.month != month,
        })
    }

    /// The key a row names; none when it was destroyed, or was never ours.
    pub fn by_id(&self, id: RowKeyId) -> Option<&RowKey> {
        self.keys.get(&id).map(|(_, key)| key)
    }

    /// For which rows a key is.
    pub fn place(&self, id: RowKeyId) -> Option<Place> {
        self.keys.get(&id).map(|(place, _)| *place)
    }

    /// Every key's name and place, by name.
    pub fn iter(&self) -> impl Iterator<Item = (RowKeyId, Place, &RowKey)> {
        self.keys.iter().map(|(id, (place, key))| (*id, *place, key))
    }

    /// The last month there is a key for.
    pub fn until(&self, tenant: Tenant, class: Retention) -> Option<Month> {
        self.current
            .keys()
            .filter(|place| place.tenant == tenant && place.class == class)
            .map(|place| place.month)
            .next_back()
    }

    /// Takes a key away, and wipes it. A row that names it cannot be opened from here any more.
    pub fn forget(&mut self, id: RowKeyId) -> bool {
        let gone = self.keys.remove(&id);
        if let Some((place, _)) = &gone
            && self.current.get(place) == Some(&id)
        {
            self.current.remove(place);
        }
        gone.is_some()
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// For whom files are sealed, by practice, month and class: public halves only.
#[derive(Debug, Clone, Default)]
pub struct RecipientRing {
    current: BTreeMap<Place, RecipientPublic>,
}

/// For whom to seal a file now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipient<'a> {
    /// The public key.
    pub public: &'a RecipientPublic,
    /// It was made for another month, or for no practice: nobody has provisioned what was asked for.
    pub overdue: bool,
}

impl RecipientRing {
    /// For nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a recipient; of several for one place the last one counts.
    pub fn add(&mut self, place: Place, public: RecipientPublic) {
        self.current.insert(place, public);
    }

    /// For whom to seal: the month's recipient, or else the newest before it, or else the first there is; of a practice
    /// that has none, those of the house. A recording is never lost for want of a key.
    pub fn current(&self, tenant: Tenant, month: Month, class: Retention) -> Option<Recipient<'_>> {
        self.of(tenant, month, class).or_else(|| {
            self.of(Tenant::HOUSE, month, class)
                .map(|found| Recipient { overdue: true, ..found })
        })
    }

    fn of(&self, tenant: Tenant, month: Month, class: Retention) -> Option<Recipient<'_>> {
        let at = |month| Place { tenant, class, month };
        let of_it = |place: &Place| place.tenant == tenant && place.class == class;
        let (place, public) = self
            .current
            .range(..=at(month))
            .next_back()
            .filter(|(place, _)| of_it(place))
            .or_else(|| self.current.range(at(month)..).next().filter(|(place, _)| of_it(place)))?;
        Some(Recipient {
            public,
            overdue: place.month != month,
        })
    }

    /// The places there is a recipient for, in order.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        self.current.keys().copied()
    }

    /// Whether there is none at all.
    pub fn is_empty(&self) -> bool {
        self.current.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(octet: u8) -> RowKey {
        RowKey::new(Zeroizing::new([octet; 32]))
    }

    fn month(text: &str) -> Month {
        text.parse().expect("a month")
    }

    /// Past the last provisioned month rows are sealed all the same, and somebody is told.
    #[test]
    fn the_newest_month_serves_when_its_own_is_not_there() {
        let (cedar, maple) = (Tenant::named("cedar"), Tenant::named("maple"));
        let mut ring = RowRing::new();
        let place = |tenant, text, class| Place {
            tenant,
            class,
            month: month(text),
        };
        let november = ring.add(place(cedar, "2026-11", Retention::Keys), key(1));
        let december = ring.add(place(cedar, "2026-12", Retention::Keys), key(2));
        ring.add(place(maple, "2027-01", Retention::Keys), key(3));
        ring.add(place(cedar, "2026-12", Retention::Calls), key(4));
        let current = |ring: &RowRing, text| {
            let found = ring.current(cedar, month(text), Retention::Keys).expect("some key");
            (found.id, found.overdue)
        };
        assert_eq!(current(&ring, "2026-11"), (november, false));
        assert_eq!(current(&ring, "2026-12"), (december, false));
        assert_eq!(current(&ring, "2028-02"), (december, true));
        assert_eq!(current(&ring, "2020-01"), (november, true), "a clock that stands wrong");
        assert!(ring.current(maple, month("2027-01"), Retention::Audio).is_none());
        assert_eq!(ring.until(cedar, Retention::Keys), Some(month("2026-12")));

        // A second key for the month: new rows take it, old ones still open.
        let again = ring.add(place(cedar, "2026-12", Retention::Keys), key(5));
        assert_eq!(current(&ring, "2026-12"), (again, false));
        assert!(ring.by_id(december).is_some());

        assert!(ring.forget(again) && !ring.forget(again));
        assert!(ring.by_id(again).is_none() && ring.place(again).is_none());
        assert_eq!(current(&ring, "2026-12"), (november, true));
    }

    #[test]
    fn rows_under_two_keys_do_not_open_each_other() {
        let mut body = b"one".to_vec();
        key(1).segment(&[9; 32]).seal(1, b"head", &mut body).expect("short");
        assert!(key(2).segment(&[9; 32]).open(1, b"head", &mut body.clone()).is_err());
        assert_eq!(
            key(1).segment(&[9; 32]).open(1, b"head", &mut body).expect("ours"),
            b"one"
        );
        assert_ne!(key(1).id(), key(2).id());
    }

    #[test]
    fn a_practice_without_recipients_has_those_of_the_house() {
        let public = |octet: u8| RecipientPublic::new([octet; 32], u32::from(octet));
        let (cedar, november) = (Tenant::named("cedar"), month("2026-11"));
        let place = |tenant, class| Place {
            tenant,
            class,
            month: november,
        };
        let mut ring = RecipientRing::new();
        assert!(ring.is_empty() && ring.current(cedar, november, Retention::Audio).is_none());
        ring.add(place(Tenant::HOUSE, Retention::Audio), public(1));
        ring.add(place(cedar, Retention::Audio), public(2));
        let whom = |ring: &RecipientRing, tenant, month| {
            let found = ring.current(tenant, month, Retention::Audio).expect("somebody");
            (found.public.epoch(), found.overdue)
        };
        assert_eq!(whom(&ring, cedar, november), (2, false));
        assert_eq!(whom(&ring, cedar, november.plus(30)), (2, true));
        assert_eq!(whom(&ring, Tenant::named("maple"), november), (1, true));
        assert!(ring.current(cedar, november, Retention::Messages).is_none());
    }
}
