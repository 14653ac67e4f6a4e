//! Roles, what may be done in this house, and the one table of who may do it (45 CFR 164.308(a)(4), 164.312(a)(1)).
//!
//! Whatever the table does not grant is refused. A new permission is a line in [`Permission::ALL`] and a column in
//! [`Role::may`]; the matrix that the test prints is what an auditor reads.

use serde::{Deserialize, Serialize};

/// What somebody is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Answers for the house.
    Owner,
    /// Runs it day by day.
    Manager,
    /// Treats patients.
    Clinician,
    /// Calls patients back.
    Nurse,
    /// Sees that calls came, and not what was said.
    FrontDesk,
    /// Reviews calls and how they were handled.
    OpsReviewer,
    /// Reads every record, and hears nothing.
    Auditor,
    /// Looks after the machine; no patient information.
    Engineer,
    /// Somebody else's engineer, for hours; no patient information.
    Support,
}

/// What may be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// One line a call.
    SeeCalls,
    /// Everything about one call but its sound.
    OpenCall,
    /// One line a recording.
    SeeRecordings,
    /// Hear or export a recording.
    Listen,
    /// Judge recordings against their seals.
    VerifyRecordings,
    /// Put past calls through a draft.
    ReplayCalls,
    /// Read who looked at what.
    SearchAudit,
    /// Change what callers hear.
    ReleaseFlow,
    /// See carriers and their report cards.
    SeeTrunks,
    /// Call a carrier to try it.
    TestTrunk,
    /// Copy signalling with every number masked.
    TraceMasked,
    /// Copy signalling as it is: patients' numbers.
    TraceShown,
    /// See who works here.
    SeePeople,
    /// Add, change and disable people.
    ManagePeople,
    /// Write down who was trained.
    ManageTraining,
    /// See agreements.
    SeeAgreements,
    /// Add and end agreements.
    ManageAgreements,
    /// See incidents and their clocks.
    SeeIncidents,
    /// Open incidents, work them up, close them.
    ManageIncidents,
    /// Judge whether breaking the glass was right.
    ReviewBreakGlass,
    /// Rotate, split, back up and restore keys.
    ManageKeys,
    /// See what is kept how long, and what is held.
    SeeRetention,
    /// Change periods, hold and release.
    ManageRetention,
    /// Destroy what is due, or what a person asks for.
    Destroy,
    /// Take all of a practice's records out of the house.
    ExportPractice,
}

use Permission as P;

impl Role {
    /// Every role, the widest first.
    pub const ALL: [Role; 9] = [
        Role::Owner,
        Role::Manager,
        Role::Clinician,
        Role::Nurse,
        Role::FrontDesk,
        Role::OpsReviewer,
        Role::Auditor,
        Role::Engineer,
        Role::Support,
    ];

    /// The table.
    pub fn may(self, permission: Permission) -> bool {
        match self {
            Role::Owner => true,
            // A manager runs the practice, not its keys: those and destruction stay with whoever answers for them.
            Role::Manager => !matches!(
                permission,
                P::ManageKeys | P::Destroy | P::TestTrunk | P::TraceMasked | P::TraceShown
            ),
            Role::Clinician => matches!(
                permission,
                P::SeeCalls | P::OpenCall | P::SeeRecordings | P::Listen | P::ReplayCalls
            ),
            Role::Nurse => matches!(permission, P::SeeCalls | P::OpenCall | P::SeeRecordings | P::Listen),
            Role::FrontDesk => permission == P::SeeCalls,
            Role::OpsReviewer => matches!(
                permission,
                P::SeeCalls
                    | P::OpenCall
                    | P::SeeRecordings
                    | P::Listen
                    | P::VerifyRecordings
                    | P::ReplayCalls
                    | P::SearchAudit
                    | P::SeeTrunks
                    | P::SeeAgreements
                    | P::SeeIncidents
                    | P::ManageIncidents
                    | P::SeeRetention
            ),
            // Reads what happened and who looked; hears and changes nothing.
            Role::Auditor => matches!(
                permission,
                P::SeeCalls
                    | P::OpenCall
                    | P::SeeRecordings
                    | P::VerifyRecordings
                    | P::SearchAudit
                    | P::SeeTrunks
                    | P::SeePeople
                    | P::SeeAgreements
                    | P::SeeIncidents
                    | P::SeeRetention
            ),
            Role::Engineer => matches!(
                permission,
                P::VerifyRecordings | P::SeeTrunks | P::TestTrunk | P::TraceMasked | P::ManageKeys | P::SeeRetention
            ),
            Role::Support => matches!(
                permission,
                P::VerifyRecordings | P::SeeTrunks | P::TestTrunk | P::TraceMasked
            ),
        }
    }

    /// Whether somebody in this role may break the glass: whoever may have a patient on the line
    /// (164.312(a)(2)(ii)).
    pub fn may_break_glass(self) -> bool {
        matches!(self, Role::Clinician | Role::Nurse)
    }

    /// Whether the role is for hours only.
    pub fn is_time_boxed(self) -> bool {
        self == Role::Support
    }

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Manager => "manager",
            Role::Clinician => "clinician",
            Role::Nurse => "nurse",
            Role::FrontDesk => "front-desk",
            Role::OpsReviewer => "ops-reviewer",
            Role::Auditor => "auditor",
            Role::Engineer => "engineer",
            Role::Support => "support",
        }
    }

    /// Reads what was typed: `front-desk`, `front desk`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase().replace(' ', "-");
        Self::ALL.into_iter().find(|role| role.name() == text)
    }
}

impl Permission {
    /// Every permission, in the order in which the matrix shows them.
    pub const ALL: [Permission; 25] = [
        P::SeeCalls,
        P::OpenCall,
        P::SeeRecordings,
        P::Listen,
        P::VerifyRecordings,
        P::ReplayCalls,
        P::SearchAudit,
        P::ReleaseFlow,
        P::SeeTrunks,
        P::TestTrunk,
        P::TraceMasked,
        P::TraceShown,
        P::SeePeople,
        P::ManagePeople,
        P::ManageTraining,
        P::SeeAgreements,
        P::ManageAgreements,
        P::SeeIncidents,
        P::ManageIncidents,
        P::ReviewBreakGlass,
        P::ManageKeys,
        P::SeeRetention,
        P::ManageRetention,
        P::Destroy,
        P::ExportPractice,
    ];

    /// Whether patient information is seen or heard by it: only people with a valid training may (ADM-05).
    pub fn opens_patients(self) -> bool {
        matches!(
            self,
            P::SeeCalls
                | P::OpenCall
                | P::SeeRecordings
                | P::Listen
                | P::ReplayCalls
                | P::SearchAudit
                | P::TraceShown
                | P::ManageIncidents
                | P::ExportPractice
        )
    }

    /// Whether it says why: what is opened of one patient, and what cannot be undone.
    pub fn wants_reason(self) -> bool {
        matches!(
            self,
            P::OpenCall | P::Listen | P::TraceShown | P::Destroy | P::ExportPractice
        )
    }

    /// Whether broken glass opens it: what a clinician may need of a caller at night.
    pub fn opens_by_glass(self) -> bool {
        matches!(self, P::SeeCalls | P::OpenCall | P::SeeRecordings | P::Listen)
    }

    /// Whether it is about the machine or every practice on it, so that nobody who belongs to one practice may.
    pub fn is_of_the_house(self) -> bool {
        matches!(
            self,
            P::VerifyRecordings | P::TestTrunk | P::TraceMasked | P::TraceShown | P::ManageKeys
        )
    }

    /// As people read it.
    pub fn name(self) -> &'static str {
        match self {
            P::SeeCalls => "see calls",
            P::OpenCall => "open a call",
            P::SeeRecordings => "see recordings",
            P::Listen => "listen",
            P::VerifyRecordings => "verify recordings",
            P::ReplayCalls => "replay calls",
            P::SearchAudit => "search the audit trail",
            P::ReleaseFlow => "release a flow",
            P::SeeTrunks => "see trunks",
            P::TestTrunk => "test a trunk",
            P::TraceMasked => "trace, masked",
            P::TraceShown => "trace, numbers shown",
            P::SeePeople => "see people",
            P::ManagePeople => "manage people",
            P::ManageTraining => "record training",
            P::SeeAgreements => "see agreements",
            P::ManageAgreements => "manage agreements",
            P::SeeIncidents => "see incidents",
            P::ManageIncidents => "work up incidents",
            P::ReviewBreakGlass => "review break-glass",
            P::ManageKeys => "manage keys",
            P::SeeRetention => "see retention",
            P::ManageRetention => "manage retention",
            P::Destroy => "destroy",
            P::ExportPractice => "export a practice",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves SEC-07: every role × every permission, as people read it.
    #[test]
    fn the_matrix_of_roles_and_permissions() {
        let mut lines = vec![format!(
            "{:<24}{}",
            "",
            Role::ALL.map(|role| format!("{:<13}", role.name())).concat().trim_end()
        )];
        for permission in Permission::ALL {
            let marks = Role::ALL.map(|role| format!("{:<13}", if role.may(permission) { "yes" } else { "-" }));
            let kinds = [
                (permission.opens_patients(), "patients"),
                (permission.wants_reason(), "reason"),
                (permission.opens_by_glass(), "glass"),
                (permission.is_of_the_house(), "house"),
            ];
            let kinds: Vec<&str> = kinds.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
            lines.push(
                format!("{:<24}{}{}", permission.name(), marks.concat(), kinds.join(" "))
                    .trim_end()
                    .to_owned(),
            );
        }
        insta::assert_snapshot!(lines.join("\n"));
    }

    /// Proves SEC-07: an engineer and a supporter see no patient, a front desk no note, an auditor hears nothing.
    #[test]
    fn what_a_role_is_for_is_what_it_may() {
        for permission in Permission::ALL {
            for role in [Role::Engineer, Role::Support] {
                assert!(
                    !(role.may(permission) && permission.opens_patients()),
                    "{role:?} {permission:?}"
                );
            }
        }
        assert!(!Role::FrontDesk.may(P::OpenCall) && !Role::FrontDesk.may(P::Listen));
        assert!(Role::Auditor.may(P::SearchAudit) && !Role::Auditor.may(P::Listen));
        assert!(Role::OpsReviewer.may(P::Listen));
        for role in Role::ALL {
            assert_eq!(Role::parse(role.name()), Some(role));
        }
        assert_eq!(Role::parse("Front desk"), Some(Role::FrontDesk));
        assert_eq!(Role::parse("admin"), None);
    }
}
