//! Business associate agreements: with every practice, and with every outside service that carries patient information
//! (45 CFR 164.308(b), 164.314(a), 164.502(e), 164.504(e)).

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// With whom an agreement is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum With {
    /// A practice, by its name: without one its flows are not released and its numbers are not in service.
    Practice(String),
    /// An outside service, by the name the configuration gives it: `trunk carrier`.
    Service(String),
}

/// An agreement, as it was filed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Its name here.
    pub id: String,
    /// With whom.
    pub with: With,
    /// Who signed it, on both sides.
    pub parties: Vec<String>,
    /// The day it was signed.
    pub signed: Date,
    /// The last day it holds, if it has one.
    pub until: Option<Date>,
    /// What it is about.
    pub scope: String,
    /// What may be done with patient information.
    pub permitted_uses: String,
    /// How it is guarded.
    pub safeguards: String,
    /// Days after discovery within which a breach is told.
    pub breach_days: u16,
    /// How it ends, and what becomes of the information then.
    pub termination: String,
    /// Who answers for what.
    pub liability: String,
    /// SHA-256 of the signed paper, in hexadecimal.
    pub file_hash: String,
}

/// A breach is told within 60 days at the latest, whatever was agreed (45 CFR 164.410(b)).
pub const BREACH_DAYS_MAX: u16 = 60;

/// SHA-256 of nothing: whoever filed that filed no paper.
const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// An agreement and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filed {
    /// As it was filed.
    pub agreement: Agreement,
    /// Who filed it.
    pub by: String,
    /// When it ended, and why.
    pub ended: Option<(Date, String)>,
}

impl Filed {
    /// Whether it holds on a day.
    pub fn holds(&self, today: Date) -> bool {
        self.why_not(today).is_none()
    }

    /// Why it does not hold on a day, in words; none when it does.
    pub fn why_not(&self, today: Date) -> Option<String> {
        let own = &self.agreement;
        let missing = own.missing();
        if !missing.is_empty() {
            return Some(format!("{} lacks: {}", own.id, missing.join(", ")));
        }
        // Alarms say this in the log, where nothing stands that a person wrote; the reason is in `agreements list`.
        if let Some((on, _)) = self.ended.as_ref().filter(|(on, _)| *on <= today) {
            return Some(format!("{} ended, {on} is the first day without it", own.id));
        }
        if let Some(until) = own.until.filter(|until| *until < today) {
            return Some(format!("{} ran out, {until} was its last day", own.id));
        }
        (today < own.signed).then(|| format!("{} begins on {} only", own.id, own.signed))
    }

    /// The last day on which it holds, as far as that is known.
    pub fn last_day(&self) -> Option<Date> {
        let ended = self.ended.as_ref().and_then(|(on, _)| on.yesterday().ok());
        self.agreement.until.into_iter().chain(ended).min()
    }
}

/// The newest agreement with somebody that holds on a day; or why none does, in words.
pub fn covering<'a>(filed: &'a [Filed], with: &With, today: Date) -> Result<&'a Filed, String> {
    let own = || filed.iter().rev().filter(|filed| filed.agreement.with == *with);
    match (own().find(|filed| filed.holds(today)), own().next()) {
        (Some(filed), _) => Ok(filed),
        (None, Some(newest)) => Err(newest.why_not(today).unwrap_or_default()),
        (None, None) => Err("none is on file".to_owned()),
    }
}

/// Why an outside service may carry nothing of a patient on a day: by the agreement named for it, or, where none is named, by
/// any that is filed with a service of its name. None when it may.
pub fn service_why_not(filed: &[Filed], named: Option<&str>, service: &str, today: Date) -> Option<String> {
    let Some(named) = named else {
        return covering(filed, &With::Service(service.to_owned()), today).err();
    };
    match filed.iter().find(|filed| filed.agreement.id == named) {
        None => Some(format!("{named} is not on file")),
        Some(filed) if !matches!(filed.agreement.with, With::Service(_)) => {
            Some(format!("{named} is with a practice, and not with a service"))
        }
        Some(filed) => filed.why_not(today),
    }
}

impl Agreement {
    /// What is missing of what 164.504(e)(2) wants in it (ADM-02).
    pub fn missing(&self) -> Vec<&'static str> {
        let texts = [
            (&self.scope, "scope"),
            (&self.permitted_uses, "permitted uses"),
            (&self.safeguards, "safeguards"),
            (&self.termination, "termination"),
            (&self.liability, "liability"),
        ];
        let mut missing: Vec<&'static str> = texts
            .into_iter()
            .filter(|(text, _)| text.trim().is_empty())
            .map(|(_, name)| name)
            .collect();
        if self.parties.iter().filter(|party| !party.trim().is_empty()).count() < 2 {
            missing.push("two parties");
        }
        if !(1..=BREACH_DAYS_MAX).contains(&self.breach_days) {
            missing.push("breach days from 1 to 60");
        }
        let is_hash = self.file_hash.len() == 64 && self.file_hash.bytes().all(|octet| octet.is_ascii_hexdigit());
        if !is_hash || self.file_hash == OF_NOTHING {
            missing.push("the hash of the signed paper");
        }
        missing
    }
}
