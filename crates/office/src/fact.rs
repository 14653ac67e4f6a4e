//! What the office's book says: a row for each act of administration, for each log-in, for each agreement and incident.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::agreement::Agreement;
use crate::incident::{Factors, Stage};
use crate::role::Role;

/// The kind of every row of the office.
pub const KIND: &str = "office";

/// One row. Who did it stands in `by`; when, in the row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "kebab-case")]
pub enum Fact {
    /// Somebody new. The first one made themselves.
    PersonAdded {
        /// What they log in as; never used twice.
        id: String,
        /// Their name.
        name: String,
        /// In which role.
        role: Role,
        /// Whose practices; none: every one.
        practices: Option<BTreeSet<String>>,
        /// When a time-boxed role ends.
        until_ms: Option<i64>,
        /// Who added them.
        by: String,
    },
    /// Another role, or other practices.
    RoleChanged {
        /// Whose.
        id: String,
        /// The role from now on.
        role: Role,
        /// Whose practices; none: every one.
        practices: Option<BTreeSet<String>>,
        /// When a time-boxed role ends.
        until_ms: Option<i64>,
        /// Who changed it.
        by: String,
    },
    /// Somebody who may do nothing any more.
    PersonDisabled {
        /// Who.
        id: String,
        /// Why.
        reason: String,
        /// Who said so.
        by: String,
    },
    /// Somebody may set a password and a second factor of their own, once.
    Invited {
        /// Who.
        id: String,
        /// The mark of the invitation's words.
        mark: String,
        /// Until when.
        until_ms: i64,
        /// Who invited them; two people for a reset.
        by: BTreeSet<String>,
    },
    /// The first of the two people who reset somebody's credentials.
    ResetAsked {
        /// Whose.
        id: String,
        /// Who asked.
        by: String,
    },
    /// Somebody has a password and a second factor now.
    CredentialsSet {
        /// Whose.
        id: String,
        /// The password as it is kept.
        password: Secret,
        /// The authenticator's secret.
        authenticator: Secret,
    },
    /// Somebody changed their password, having proved that they are themselves.
    PasswordChanged {
        /// Whose.
        id: String,
        /// The password as it is kept.
        password: Secret,
    },
    /// Somebody has another authenticator, having proved that they are themselves.
    AuthenticatorChanged {
        /// Whose.
        id: String,
        /// The authenticator's secret.
        authenticator: Secret,
    },
    /// Somebody has a passkey, having proved that they are themselves.
    PasskeyAdded {
        /// Whose.
        id: String,
        /// What they call it.
        name: String,
        /// The credential's id.
        passkey: String,
        /// Its public key.
        key: String,
        /// What its counter said.
        counter: u32,
    },
    /// A passkey lets nobody in any more.
    PasskeyRemoved {
        /// Whose.
        id: String,
        /// What they called it.
        name: String,
    },
    /// A passkey let its person in.
    LoggedInByPasskey {
        /// Whose.
        id: String,
        /// The credential's id.
        passkey: String,
        /// What its counter said.
        counter: u32,
    },
    /// A passkey's counter went back: there may be a copy. It is shut, and whoever reviews is to ask.
    PasskeyShut {
        /// Whose.
        id: String,
        /// The credential's id.
        passkey: String,
    },
    /// A wrong password or code.
    LogInFailed {
        /// Whose.
        id: String,
    },
    /// A right one.
    LoggedIn {
        /// Whose.
        id: String,
        /// Its code, which counts no second time.
        step: i64,
    },
    /// Somebody was trained.
    Trained {
        /// Who.
        id: String,
        /// On which day.
        on: Date,
        /// In what.
        topics: String,
        /// The last day on which it counts.
        until: Date,
        /// Who wrote it down.
        by: String,
    },
    /// Somebody broke the glass.
    GlassBroken {
        /// Which time it was.
        glass: String,
        /// Who.
        id: String,
        /// Why.
        reason: String,
        /// Until when it is open.
        until_ms: i64,
    },
    /// Somebody else judged it.
    GlassReviewed {
        /// Which time.
        glass: String,
        /// What they found.
        finding: String,
        /// Who.
        by: String,
    },
    /// An agreement is on file.
    AgreementAdded {
        /// All of it.
        agreement: Agreement,
        /// Who filed it.
        by: String,
    },
    /// It ended.
    AgreementEnded {
        /// Which.
        agreement: String,
        /// On which day.
        on: Date,
        /// Why.
        reason: String,
        /// Who said so.
        by: String,
    },
    /// Something happened that may be a breach.
    IncidentOpened {
        /// Its name: `2026-001`.
        incident: String,
        /// What happened, without a patient's name.
        what: String,
        /// Whose patients.
        practice: String,
        /// When it was discovered.
        discovered_ms: i64,
        /// Days that the practice's agreement leaves for telling it.
        agreement_days: Option<u16>,
        /// Who opened it.
        by: String,
    },
    /// Whom it touches, counted from the book.
    IncidentScoped {
        /// Which.
        incident: String,
        /// Whose accesses were counted.
        person: String,
        /// From when.
        from_ms: i64,
        /// To when.
        to_ms: i64,
        /// Distinct individuals.
        individuals: u64,
        /// Calls whose caller withheld their number: each may be one more.
        unknown: u64,
        /// Who counted.
        by: String,
    },
    /// It is at another stage.
    IncidentStaged {
        /// Which.
        incident: String,
        /// The stage.
        stage: Stage,
        /// What was found.
        note: String,
        /// The four factors, once somebody weighed them.
        factors: Option<Factors>,
        /// Who.
        by: String,
    },
    /// It is over.
    IncidentClosed {
        /// Which.
        incident: String,
        /// What came of it.
        outcome: String,
        /// Who.
        by: String,
    },
}

/// Whether a row of the office holds what nobody may be shown: a password's hash, an authenticator's secret, an invitation's
/// mark; or something this program cannot read.
pub fn holds_secret(body: &[u8]) -> bool {
    !serde_json::from_slice(body).is_ok_and(|fact| {
        !matches!(
            fact,
            Fact::CredentialsSet { .. }
                | Fact::PasswordChanged { .. }
                | Fact::AuthenticatorChanged { .. }
                | Fact::Invited { .. }
        )
    })
}

/// A word that is written into the sealed book and shown nowhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("‹secret›")
    }
}
