//! Every rule there is, with its severity and what it asks for: what `flow check` can say, in one list.

use crate::diagnostic::Severity::{self, Advice, Error, Warning};

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// `S001`
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// The release refuses it. Every error, and the warnings that only a laboratory may live with.
    pub blocks_release: bool,
    /// What is wrong when it speaks.
    pub what: &'static str,
}

const fn rule(code: &'static str, severity: Severity, what: &'static str) -> Rule {
    Rule {
        code,
        severity,
        blocks_release: matches!(severity, Error),
        what,
    }
}

/// A warning that is an error at the release.
const fn laboratory(code: &'static str, what: &'static str) -> Rule {
    Rule {
        code,
        severity: Warning,
        blocks_release: true,
        what,
    }
}

/// Every rule, in the order of the specification (§13), then those of reading and proof.
pub const RULES: &[Rule] = &[
    rule("S001", Error, "a section ends in silence"),
    rule(
        "S002",
        Error,
        "the emergency notice is not within the first two things heard",
    ),
    rule(
        "S003",
        Error,
        "an escalation or connection does not say what happens when nobody answers",
    ),
    rule("S004", Error, "a transfer or connection to 911, 112, 933 or 999"),
    rule("S005", Error, "the safety net does not give the emergency notice"),
    rule("S006", Error, "the safety net does not try to reach a person"),
    rule(
        "S007",
        Error,
        "a message for an inbox does not say by when someone will call",
    ),
    rule("S008", Error, "more than 20 s to the emergency notice in some language"),
    rule("S009", Error, "more than 90 s from the first key to a 911 direction"),
    rule(
        "S010",
        Warning,
        "more than 60 s of words between urgent and the first ring",
    ),
    rule("S011", Error, "identity questions before the red-flag questions"),
    rule(
        "S012",
        Error,
        "an unknown condition sends the caller somewhere less safe",
    ),
    rule(
        "S013",
        Error,
        "a ladder with one person, or whose people share one number",
    ),
    rule(
        "S014",
        Warning,
        "a ladder longer than 10 minutes before the caller is told what to do",
    ),
    rule("S015", Error, "a new symptom can only be left as a message"),
    rule(
        "S016",
        Warning,
        "behavioral health: the first human is more than 45 s away",
    ),
    rule("S017", Warning, "a menu asks the caller to judge how urgent it is"),
    rule("C001", Error, "an approval's review is overdue"),
    rule("C002", Error, "a protocol lacks emergency or urgent questions"),
    rule("C003", Error, "an unclear answer is graded below urgent"),
    rule("C004", Warning, "not phrased as a question"),
    rule("C005", Warning, "a question of more than 25 words"),
    rule("C006", Warning, "more than three conditions joined in one question"),
    rule("C007", Error, "changed since it was signed"),
    laboratory("C008", "sample wording"),
    rule("C009", Warning, "reading level above grade 8"),
    rule("C010", Error, "a sentence that reassures or advises"),
    rule("C011", Warning, "a protocol's age range not guarded by an age question"),
    rule("P001", Error, "a notice holds more than practice, urgency and time"),
    rule("P002", Warning, "a message asks for more than six details"),
    rule("P003", Error, "a detail is asked and shown to nobody"),
    rule("P004", Error, "a detail goes to an inbox whose people may not see it"),
    rule(
        "P005",
        Error,
        "an identity or clinical fill-in is spoken before a match",
    ),
    rule("P006", Error, "the recorder can start before permission"),
    rule("P007", Warning, "something is kept longer than policy"),
    rule(
        "P008",
        Error,
        "a behavioral-health practice without its confidentiality rule",
    ),
    rule("F001", Error, "unknown section"),
    rule("F002", Error, "unknown ladder"),
    rule("F003", Error, "unknown message"),
    rule("F004", Error, "a step after an ending"),
    rule("F005", Warning, "a section nobody can reach"),
    rule("F006", Error, "callers can circle without an ending"),
    rule("F007", Error, "unknown inbox"),
    rule("F008", Warning, "a message never taken"),
    rule("F009", Error, "a sentence not translated"),
    rule("F010", Warning, "a recording older than its sentence"),
    rule("F011", Error, "a comma inside {…} without quotes"),
    rule(
        "F012",
        Error,
        "hours, holidays or zone missing or contradictory where the flow relies on them",
    ),
    rule("F013", Warning, "a line that no flow answers"),
    rule("F014", Warning, "a file that `play:` names is not there"),
    rule("U001", Warning, "more than five choices"),
    rule("U002", Warning, "0 used as a choice"),
    rule("U003", Warning, "a message without a call-back number"),
    rule("U004", Advice, "choices not in the order of urgency"),
    rule("U005", Advice, "`transfer to` used"),
    rule("U006", Warning, "more than 20 s of words before the first key"),
    rule("U010", Warning, "a recording that cannot be used"),
    rule("U011", Warning, "a recording that is clipped"),
    rule(
        "U012",
        Warning,
        "a recording much quieter or louder than telephone speech, or than the others",
    ),
    rule("U013", Warning, "a recording whose length does not fit its sentence"),
    rule("U014", Warning, "a recording of less than a telephone carries"),
    rule("U015", Advice, "a recording that begins or ends with a long silence"),
    laboratory(
        "T001",
        "an emergency question, disposition or failure without a scenario",
    ),
    rule("T002", Error, "a scenario that does not end as it says"),
    rule("T010", Error, "a word in a scenario that means nothing"),
    rule(
        "T011",
        Error,
        "a value in a scenario that cannot be: a key, a time, a day, an ending",
    ),
    rule("T012", Error, "a scenario that expects nothing, or a file without one"),
    laboratory("V001", "a call can end with no person, promise or direction"),
    rule(
        "V002",
        Error,
        "an emergency or urgent call falls to less with nobody rung",
    ),
    laboratory("V003", "a question from which no person can be reached"),
    rule("F020", Error, "a file that cannot be read"),
    rule(
        "F021",
        Error,
        "YAML that cannot be read aloud: twice the same name, anchors, aliases, tags, merge keys, tabs",
    ),
    rule("F022", Error, "not a verb"),
    rule("F023", Error, "not a setting here"),
    rule("F024", Error, "something must be said here"),
    rule("F025", Error, "words that mean nothing here"),
    rule("F026", Error, "unknown person, role, line or file"),
    rule("F028", Warning, "a translation nothing asks for"),
    rule("F029", Error, "a shared piece at another version than the one pinned"),
    rule(
        "F030",
        Error,
        "a step asks of the records what `reads:` or `writes:` does not hold",
    ),
];
