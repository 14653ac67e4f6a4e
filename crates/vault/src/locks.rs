//! For whom a vault seals, and with what it opens.

use std::sync::Arc;

use arc_swap::ArcSwap;
use keyring::Shares;
use seal::{ItemShare, Month, RecipientPublic, RecipientRing, RecipientSecret, Tenant};

use crate::Kind;

/// For whom recordings are sealed: public halves only. Clones are the same locks, so that they can be changed while calls
/// are in progress ([`Locks::renew`]).
#[derive(Clone, Default)]
pub struct Locks {
    /// For whom everything is sealed beside: one key pair in a folder, before there were months.
    always: Vec<RecipientPublic>,
    ring: Arc<ArcSwap<RecipientRing>>,
    shares: Option<Shares>,
}

/// What opens one recording. Its parts are wiped when dropped.
pub struct Key {
    /// The secret half of its recipient.
    pub secret: RecipientSecret,
    /// Its own share, when it has one.
    pub share: Option<ItemShare>,
}

impl Locks {
    /// The recipients of practices, months and classes; each file gets a share of its own.
    pub fn new(ring: RecipientRing, shares: Shares) -> Self {
        Self {
            always: Vec::new(),
            ring: Arc::new(ArcSwap::from_pointee(ring)),
            shares: Some(shares),
        }
    }

    /// From now on recordings are sealed for these. Those in progress stay as they began.
    pub fn renew(&self, ring: RecipientRing) {
        self.ring.store(Arc::new(ring));
    }

    /// For whom a file is sealed that begins in this month, and whether that is for want of a better key.
    pub(crate) fn recipients(&self, tenant: Tenant, month: Month, kind: Kind) -> (Vec<RecipientPublic>, bool) {
        let ring = self.ring.load();
        let found = ring.current(tenant, month, kind.retention());
        let overdue = found.is_some_and(|found| found.overdue);
        let found = found.map(|found| found.public.clone());
        (self.always.iter().cloned().chain(found).collect(), overdue)
    }

    pub(crate) fn shares(&self) -> Option<&Shares> {
        self.shares.as_ref()
    }
}

impl From<Vec<RecipientPublic>> for Locks {
    fn from(always: Vec<RecipientPublic>) -> Self {
        Self {
            always,
            ..Self::default()
        }
    }
}

impl From<RecipientSecret> for Key {
    fn from(secret: RecipientSecret) -> Self {
        Self { secret, share: None }
    }
}
