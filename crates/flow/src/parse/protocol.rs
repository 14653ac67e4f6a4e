//! `*.protocol.yaml`: questions by level, most urgent first (§7).

use super::condition::Declared;
use super::settings::Settings;
use super::speech::Speech;
use super::{choice, words};
use crate::approval::Approved;
use crate::diagnostic::{Diagnostic, Place};
use crate::model::{Level, Protocol, Question};
use crate::source::{Kind, Node, normalized};

/// A protocol as far as it could be read, and where things stand in its file.
pub(crate) struct ProtocolDraft {
    /// What could be read.
    pub(crate) protocol: Protocol,
    /// The first line.
    pub(crate) at: Place,
    /// Where each question stands.
    pub(crate) questions: Vec<Place>,
    /// Where the approval's review date stands.
    pub(crate) review_by: Place,
    /// Where `if an answer is unclear` stands.
    pub(crate) if_unclear: Place,
    /// Where the source stands.
    pub(crate) source: Place,
    /// The fingerprint its approval was given for.
    pub(crate) signed: Option<(String, Place)>,
    /// The fingerprint of its words as they are.
    pub(crate) fingerprint: String,
}

const ASKED: [Level; 3] = [Level::Emergency, Level::Urgent, Level::SemiUrgent];

/// Reads a protocol for one flow. Both are needed at once: a question's `only if` speaks of what the flow remembers.
pub(crate) fn protocol(
    tree: &Node,
    speech: &Speech<'_>,
    declared: &Declared,
    out: &mut Vec<Diagnostic>,
) -> Option<ProtocolDraft> {
    let mut top = Settings::of(tree, "the protocol file", out)?;
    super::format(&mut top, out);
    let mut text = |name: &str, suffers: &str, out: &mut Vec<Diagnostic>| {
        let node = top.need(name, suffers, out)?;
        Some((normalized(words(node, name, out)?), node.at.clone()))
    };
    let name = text("protocol", "Reports could not name it.", out);
    let version = text("version", "Nobody could tell which questions a caller was asked.", out);
    let meant_for = text("for", "Adults could be asked the questions for children.", out);
    let source = text("source", "Nobody could tell where these questions come from.", out);
    let approval = super::approval(&mut top, out);
    let mut questions = Vec::new();
    let mut places = Vec::new();
    for level in ASKED {
        let Some(list) = top.take(level.name()) else { continue };
        if !matches!(list.kind, Kind::List(_)) {
            out.push(super::not_understood(
                &list.at,
                format!("`{}` should be a list of questions.", level.name()),
                "Write each question on a line of its own, after `- `.",
            ));
        }
        for node in list.items() {
            if let Some(question) = question(node, level, speech, declared, out) {
                places.push(node.at.clone());
                questions.push(question);
            }
        }
    }
    let graded = |name: &'static str, top: &mut Settings<'_>, out: &mut Vec<Diagnostic>| {
        let node = top.need(name, "The call would have nowhere to go.", out)?;
        let levels =
            [Level::Emergency, Level::Urgent, Level::SemiUrgent, Level::Routine].map(|level| (level.name(), level));
        Some((choice(node, name, &levels, out)?, node.at.clone()))
    };
    let if_every_answer_is_no = graded("if every answer is no", &mut top, out);
    let if_unclear = graded("if an answer is unclear", &mut top, out);
    let at = Place {
        span: top.at.span.start..top.at.span.start,
        ..top.at.clone()
    };
    top.finish(out);
    let Approved {
        approval,
        review_by,
        signed,
    } = approval?;
    let (source, source_at) = source?;
    let (if_unclear, if_unclear_at) = if_unclear?;
    let protocol = Protocol {
        name: name?.0,
        version: version?.0,
        file: tree.at.file.to_string(),
        meant_for: meant_for?.0,
        sample: is_sample(&source),
        source,
        approval,
        questions,
        if_unclear,
        if_every_answer_is_no: if_every_answer_is_no?.0,
    };
    let translated: Vec<String> = protocol
        .questions
        .iter()
        .flat_map(|question| question.words.translated())
        .collect();
    Some(ProtocolDraft {
        fingerprint: crate::approval::fingerprint(tree, translated.iter().map(String::as_str)),
        signed,
        protocol,
        at,
        questions: places,
        review_by,
        if_unclear: if_unclear_at,
        source: source_at,
    })
}

fn question(
    node: &Node,
    level: Level,
    speech: &Speech<'_>,
    declared: &Declared,
    out: &mut Vec<Diagnostic>,
) -> Option<Question> {
    if let Kind::Text(_) = node.kind {
        let words = speech.sentence(node, level.name(), out)?;
        return Some(Question {
            id: id(&normalized(node.text()?)),
            level,
            words,
            only_if: None,
        });
    }
    let mut settings = Settings::of(node, level.name(), out)?;
    let ask = settings.need("ask", "There would be nothing to ask.", out);
    let given = settings
        .take("id")
        .and_then(|node| words(node, "id", out))
        .map(normalized);
    let only_if = settings.take("only if").map(|node| declared.condition(node, out));
    settings.finish(out);
    let ask = ask?;
    let words = speech.sentence(ask, "ask", out)?;
    Some(Question {
        id: given.unwrap_or_else(|| id(&normalized(ask.text().unwrap_or("")))),
        level,
        words,
        // A condition that could not be read must not become "always".
        only_if: match only_if {
            Some(read) => Some(read?),
            None => None,
        },
    })
}

/// A stable name from the words: their first letters and digits. Two questions of one protocol never share one, because
/// what tells them apart goes into it too.
fn id(text: &str) -> String {
    const WORDS: usize = 8;
    let mut words = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase);
    let head: Vec<String> = words.by_ref().take(WORDS).collect();
    let rest = words.fold(0_u32, |sum, word| {
        word.bytes()
            .fold(sum, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)))
    });
    if rest == 0 {
        head.join("-")
    } else {
        format!("{}-{rest:08x}", head.join("-"))
    }
}

fn is_sample(source: &str) -> bool {
    let source = source.to_lowercase();
    source.contains("sample wording") || source.contains("not for clinical use")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_keeps_its_name_until_its_words_change() {
        assert_eq!(
            id("Is there severe pain, or vomiting?"),
            "is-there-severe-pain-or-vomiting"
        );
        assert_eq!(
            id("Is there chest pain or pressure, or trouble breathing?"),
            id("Is there chest pain or pressure,  or trouble breathing?")
        );
        assert_ne!(
            id("Is there chest pain or pressure, or trouble breathing?"),
            id("Is there chest pain or pressure, or trouble sleeping?")
        );
    }
}
