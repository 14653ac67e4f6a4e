//! What is wrong with a practice's files, said so that the person who wrote them can put it right.
//!
//! Every diagnostic names its rule, the place, what is wrong, what a caller would suffer from it, and one fix. The text
//! never quotes a telephone number: files hold people's private ones.

use std::fmt;
use std::ops::Range;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The rule: `F001`. Stable, so that a waiver can name it.
    pub code: &'static str,
    /// Whether it stops a release.
    pub severity: Severity,
    /// The file, as the folder names it.
    pub file: String,
    /// The bytes of the file it points at.
    pub span: Range<usize>,
    /// The line they begin on, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What a caller would suffer.
    pub suffers: String,
    /// One way to put it right.
    pub fix: String,
}

/// How much it matters (§13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Blocks the release, and the loading of the practice.
    Error,
    /// Needs a written reason.
    Warning,
    /// Worth reading.
    Advice,
}

impl Severity {
    /// E, W or A.
    pub const fn letter(self) -> char {
        match self {
            Self::Error => 'E',
            Self::Warning => 'W',
            Self::Advice => 'A',
        }
    }
}

/// A place in a file: what every node of a [`Tree`](crate::source::Node) carries and every diagnostic points at.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Place {
    /// The file, as the folder names it.
    pub file: std::sync::Arc<str>,
    /// Bytes of the file.
    pub span: Range<usize>,
    /// From 1.
    pub line: usize,
}

impl Diagnostic {
    /// An error at a place.
    pub(crate) fn error(
        code: &'static str,
        at: &Place,
        what: impl Into<String>,
        suffers: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(code, Severity::Error, at, what.into(), suffers.into(), fix.into())
    }

    /// A warning at a place.
    pub(crate) fn warning(
        code: &'static str,
        at: &Place,
        what: impl Into<String>,
        suffers: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(code, Severity::Warning, at, what.into(), suffers.into(), fix.into())
    }

    /// A piece of advice at a place.
    pub(crate) fn advice(
        code: &'static str,
        at: &Place,
        what: impl Into<String>,
        suffers: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self::new(code, Severity::Advice, at, what.into(), suffers.into(), fix.into())
    }

    fn new(code: &'static str, severity: Severity, at: &Place, what: String, suffers: String, fix: String) -> Self {
        Self {
            code,
            severity,
            file: at.file.to_string(),
            span: at.span.clone(),
            line: at.line,
            what,
            suffers,
            fix,
        }
    }

    /// Blocks a release.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// As one JSON object, for editors and the portal.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "code": self.code,
            "severity": self.severity.letter().to_string(),
            "file": self.file,
            "line": self.line,
            "start": self.span.start,
            "end": self.span.end,
            "what": self.what,
            "suffers": self.suffers,
            "fix": self.fix,
        })
    }

    /// With the text of its file, for a terminal: print it through `miette`.
    pub fn shown_in(&self, text: &str) -> Shown {
        // Whoever found it knew its line alone: then the line, without what it is indented by.
        let span = match self.line {
            2.. if self.span == (0..0) => line_of(text, self.line),
            _ => self.span.clone(),
        };
        Shown {
            source: miette::NamedSource::new(&self.file, text.to_owned()),
            help: format!("{}\n{}", self.suffers, self.fix),
            // A span the text does not hold would be an error inside the error's own report.
            at: (span.start.min(text.len())..span.end.min(text.len())).into(),
            found: self.clone(),
        }
    }
}

/// Where a line stands in its text, counted from 1.
fn line_of(text: &str, line: usize) -> std::ops::Range<usize> {
    let before: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let words = text
        .get(before..)
        .and_then(|rest| rest.lines().next())
        .unwrap_or_default();
    let start = before + words.len() - words.trim_start().len();
    start..start + words.trim().len()
}

/// In the order a reader works through them: by file, then from top to bottom, the worst first within a line.
pub(crate) fn sort(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|a, b| {
        (&a.file, a.line, a.severity, a.code, a.span.start, &a.what).cmp(&(
            &b.file,
            b.line,
            b.severity,
            b.code,
            b.span.start,
            &b.what,
        ))
    });
    diagnostics.dedup();
}

/// The plain form: three lines a colleague could read out.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            code,
            severity,
            file,
            line,
            what,
            suffers,
            fix,
            ..
        } = self;
        write!(
            f,
            "{} {code} {file}:{line}: {what}\n  {suffers}\n  {fix}",
            severity.letter()
        )
    }
}

/// A diagnostic beside the text it is about.
#[derive(Debug)]
pub struct Shown {
    found: Diagnostic,
    source: miette::NamedSource<String>,
    help: String,
    at: miette::SourceSpan,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.found.what)
    }
}

impl std::error::Error for Shown {}

impl miette::Diagnostic for Shown {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.found.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.found.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
            Severity::Advice => miette::Severity::Advice,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.help))
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(miette::LabeledSpan::at(self.at, "here"))))
    }
}

/// "Did you mean": the candidate nearest to a word, when one is near enough to be a slip of the fingers.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let slips_max = (word.chars().count() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(slips, _)| *slips <= slips_max)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// ` Did you mean …?` or, when nothing is near, ` One of: …`.
pub(crate) fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    const LISTED_MAX: usize = 14;
    if let Some(near) = nearest(word, candidates.clone()) {
        return format!("Did you mean `{near}`?");
    }
    let all: Vec<&str> = candidates.into_iter().collect();
    match all.len() {
        0 => "There is none yet; write one first.".to_owned(),
        1..=LISTED_MAX => format!("Write one of: {}.", all.join(", ")),
        _ => format!(
            "Write one of: {}, …",
            all.into_iter().take(LISTED_MAX).collect::<Vec<_>>().join(", ")
        ),
    }
}

/// Letters to insert, drop, change or swap; words longer than any name count as far apart.
fn distance(a: &str, b: &str) -> usize {
    const LETTERS_MAX: usize = 80;
    let (a, b): (Vec<char>, Vec<char>) = (
        a.chars().take(LETTERS_MAX).collect(),
        b.chars().take(LETTERS_MAX).collect(),
    );
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &y) in b.iter().enumerate() {
            let at = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let mut best = (at(&last, j) + usize::from(x != y))
                .min(at(&last, j + 1) + 1)
                .min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(&y) && b.get(j - 1) == Some(&x);
            if swapped {
                best = best.min(at(&before_last, j - 1) + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_fingers_is_recognized() {
        let verbs = ["menu", "say", "go to", "hang up"];
        assert_eq!(nearest("menuu", verbs), Some("menu"));
        assert_eq!(nearest("hagn up", verbs), Some("hang up"));
        assert_eq!(nearest("goto", verbs), Some("go to"));
        assert_eq!(nearest("telephone", verbs), None);
    }

    #[test]
    fn it_reads_the_same_for_people_and_for_programs() {
        let at = Place {
            file: "after-hours.flow.yaml".into(),
            span: 7..12,
            line: 2,
        };
        let found = Diagnostic::error(
            "F001",
            &at,
            "There is no section `sympoms`.",
            "The call would have nowhere to go.",
            "Did you mean `symptoms`?",
        );
        insta::assert_snapshot!(found, @r"
        E F001 after-hours.flow.yaml:2: There is no section `sympoms`.
          The call would have nowhere to go.
          Did you mean `symptoms`?
        ");
        assert_eq!(found.to_json()["code"], "F001");
        assert_eq!(found.to_json()["line"], 2);
        let shown = format!("{:?}", miette::Report::new(found.shown_in("go to\nsympoms\n")));
        assert!(shown.contains("F001") && shown.contains("sympoms"), "{shown}");
        // A span beyond the text is shown without a quarrel.
        assert!(!format!("{:?}", miette::Report::new(found.shown_in("x"))).is_empty());
    }
}
