//! The review copy: exactly what a caller hears and where each key leads, in the order of the file (§14).

use std::collections::BTreeSet;
use std::time::Duration;

use super::page::{Document, Page, Row};
use super::wording::{self, heading, section, time, times};
use crate::library::Phrase;
use crate::model::{
    Act, Choice, EveryQuestion, Field, Flow, IfAccepted, IfCallerHangsUp, Kind, Level, Menu, Notice, Practice,
    Protocol, Recording, SectionId, Sentence, Show, Step, Target, Then, Waiting,
};
use crate::rehearse::solo::CHARACTERS_PER_SECOND;
use crate::words::{Language, Part, Piece, split};

/// How long a clip lasts, where it is known: from the recording or the voice that speaks it.
pub type Lengths<'a> = &'a dyn Fn(&Part) -> Option<Duration>;

/// What a fill-in takes: "by 10:15 am on Wednesday, September 23".
const FILL_SECONDS: f64 = 4.0;

/// The review copy of one flow, in one language.
pub fn copy(practice: &Practice, flow: &Flow, language: Language, lengths: Lengths<'_>) -> Document {
    let reader = Reader {
        practice,
        flow,
        language,
        lengths,
    };
    let mut pages: Vec<Page> = (0..flow.sections.len())
        .map(|at| reader.section(SectionId(at)))
        .collect();
    pages.push(reader.people());
    pages.extend(protocols(flow).into_iter().map(|protocol| reader.protocol(protocol)));
    let mut document = Document {
        title: flow.name.clone(),
        front: reader.front(),
        pages,
    };
    if let Some(last) = document.pages.last_mut()
        && last.signed_by.is_none()
    {
        last.signed_by = Some(reader.approval(&flow.approval));
    }
    document
}

/// Every protocol of a flow, once, in the order of its use.
pub(super) fn protocols(flow: &Flow) -> Vec<&Protocol> {
    let mut seen = BTreeSet::new();
    flow.sections
        .iter()
        .flat_map(|section| &section.steps)
        .filter_map(|step| match &step.act {
            Act::Triage { protocol, .. } => Some(protocol.as_ref()),
            _ => None,
        })
        .filter(|protocol| seen.insert(protocol.file.clone()))
        .collect()
}

fn seconds(text: &str, language: Language, lengths: Lengths<'_>) -> f64 {
    split(text, language)
        .iter()
        .map(|piece| match piece {
            Piece::Said(part) => lengths(part).map_or_else(
                || {
                    #[expect(clippy::cast_precision_loss, reason = "no sentence has 2^52 characters")]
                    let characters = part.text.chars().count() as f64;
                    characters / CHARACTERS_PER_SECOND
                },
                |known| known.as_secs_f64(),
            ),
            Piece::Fill(_) => FILL_SECONDS,
        })
        .sum()
}

struct Reader<'a> {
    practice: &'a Practice,
    flow: &'a Flow,
    language: Language,
    lengths: Lengths<'a>,
}

impl Reader<'_> {
    fn front(&self) -> Vec<Row> {
        let flow = self.flow;
        let mut front = vec![
            Row::new("Practice", self.practice.name.clone()),
            Row::new("Version", flow.version.clone()),
            Row::new(
                "Answers",
                format!("{}, when {}", flow.line, wording::condition(&flow.when)),
            ),
            Row::new(
                "Spoken in",
                flow.languages
                    .iter()
                    .map(|language| language.name())
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
            Row::new("Owner", flow.owner.clone()),
            Row::new("Approval", self.approval(&flow.approval)),
            Row::new(
                "Recording",
                match flow.recording {
                    Recording::AskFirst => "Only after the caller said yes. No answer is a no, and a no costs no care.",
                    Recording::Never => "Never.",
                },
            ),
            Row::new(
                "If the caller hangs up",
                "What we were told so far is delivered, marked cut off.",
            ),
            Row::new(
                "If anything breaks",
                format!("{} takes over.", section(flow, flow.safety_net)),
            ),
            Row::new("Begins with", section(flow, flow.start)),
        ];
        if self.language != Language::English {
            front.push(Row::new(
                "This copy",
                format!("What callers hear is printed in {}.", self.language.name()),
            ));
        }
        if protocols(flow).iter().any(|protocol| protocol.sample) {
            front.push(Row::new(
                "Sample wording",
                "Not for clinical use until a medical director has replaced or approved it.",
            ));
        }
        // A label that is longer than its column reads better on a line of its own.
        front
            .into_iter()
            .map(|row| match row.label.as_str() {
                "If the caller hangs up" => Row::new("Hang-up", row.text),
                "If anything breaks" => Row::new("Breakdown", row.text),
                _ => row,
            })
            .collect()
    }

    fn approval(&self, approval: &crate::model::Approval) -> String {
        format!(
            "{}, {}; to be reviewed by {}",
            approval.by, approval.on, approval.review_by
        )
    }

    fn section(&self, id: SectionId) -> Page {
        let mut page = Page::new(section(self.flow, id));
        for step in self.flow.sections.get(id.0).map_or(&[][..], |section| &section.steps) {
            self.step(step, &mut page);
        }
        page
    }

    fn step(&self, step: &Step, page: &mut Page) {
        if let Some(only_if) = &step.only_if {
            page.row("Only if", format!("{}:", wording::condition(only_if)));
        }
        match &step.act {
            Act::Answer => page.row("We", "answer the call."),
            Act::Say { words, can_be_skipped } => {
                let whole = if *can_be_skipped && !words.has_fill_in() {
                    ""
                } else {
                    "  Heard to its end."
                };
                page.row("The caller hears", format!("{}{whole}", self.said(words)));
            }
            Act::Play { file, words } => {
                page.row("The caller hears", format!("{}  Recorded: {file}", self.said(words)))
            }
            Act::EmergencyNotice(notice) => self.notice(*notice, page),
            Act::ChooseLanguage => self.choose_language(page),
            Act::AskPermissionToRecord => {
                page.row("The caller hears", self.phrase(Phrase::AskPermission));
                page.row(
                    "Then",
                    "1 the call is recorded    2, or no key: it is not recorded, and goes on the same",
                );
            }
            Act::Menu(menu) => self.menu(menu, page),
            Act::AskYesOrNo {
                question,
                if_yes,
                if_no,
                if_no_answer,
            } => {
                page.row(
                    "The caller hears",
                    self.timed(&[question.text(self.language), Phrase::YesOrNo.text(self.language)]),
                );
                page.row(
                    "Then",
                    format!("1 yes: {}    2 no: {}", self.to(*if_yes), self.to(*if_no)),
                );
                self.no_key(*if_no_answer, page);
            }
            Act::Ask { field, if_no_answer } => {
                page.row("We ask for", self.asks(&[*field]));
                if let Some(to) = if_no_answer {
                    page.row("No answer", format!("{}.", self.to(*to)));
                }
            }
            Act::Triage {
                protocol,
                if_emergency,
                if_urgent,
                if_semi_urgent,
                if_routine,
            } => {
                page.row(
                    "Questions",
                    format!(
                        "Those of “{}”, most urgent first, {} at most. The first yes decides; nothing below it is asked.",
                        protocol.name,
                        protocol.questions.len()
                    ),
                );
                let lead = |level: Level| level.choose(*if_emergency, *if_urgent, *if_semi_urgent, *if_routine);
                let levels = [Level::Emergency, Level::Urgent, Level::SemiUrgent, Level::Routine];
                let then: Vec<String> = levels
                    .iter()
                    .map(|level| format!("{}: {}", level.name(), self.to(lead(*level))))
                    .collect();
                page.row("Then", then.join("    "));
                page.row(
                    "Silence",
                    format!(
                        "Counts as {}, never as a no: {}.{}",
                        protocol.if_unclear.name(),
                        self.to(lead(protocol.if_unclear)),
                        self.zero()
                    ),
                );
            }
            Act::TellToCall911 => {
                page.row(
                    "The caller hears",
                    format!(
                        "{}  Said twice. Nothing else is offered.",
                        self.phrase(Phrase::Call911Now)
                    ),
                );
            }
            Act::Collect(name) => self.message(name, false, page),
            Act::TakeMessage(name) => self.message(name, true, page),
            Act::TakeRefill(name) => {
                self.message(name, true, page);
                page.row("We also ask", self.phrase(Phrase::Controlled));
                page.row("", "A yes, and no answer, mark the request for the doctor to review.");
            }
            Act::RecordMessage { longest } => {
                page.row("The caller hears", self.phrase(Phrase::LeaveAMessage));
                page.row(
                    "Then",
                    format!(
                        "A tone, and up to {} to speak. Pound or silence ends it.",
                        time(*longest)
                    ),
                );
            }
            Act::FindPatient { by, if_not_found } => {
                page.row("We look up", format!("the patient, by {}.", wording::patient_keys(by)));
                page.row(
                    "Not found",
                    format!("{}; also when the records are down.", self.to(*if_not_found)),
                );
            }
            Act::OfferAppointments {
                wanted,
                visit_types,
                within_days,
                if_nothing_fits,
                if_records_are_down,
            } => {
                page.row(
                    "We offer",
                    format!(
                        "to {} an appointment within {within_days} days ({}).",
                        wording::appointments(wanted),
                        visit_types
                            .iter()
                            .map(|kind| kind.name.as_str())
                            .collect::<Vec<_>>()
                            .join(", ")
                    ),
                );
                if let Some(to) = if_nothing_fits {
                    page.row("Nothing fits", format!("{}.", self.to(*to)));
                }
                page.row("Records down", format!("{}.", self.to(*if_records_are_down)));
            }
            Act::Escalate { .. } => self.escalate(&step.act, page),
            Act::Connect {
                to,
                ring_for,
                show,
                if_no_answer,
                ..
            } => {
                let shown = match show {
                    Show::PracticeNumber => "the practice's number",
                    Show::CallerNumber => "the caller's number",
                };
                page.row(
                    "We connect",
                    format!(
                        "the caller to {to}, ringing for {}. Its display shows {shown}.",
                        time(*ring_for)
                    ),
                );
                page.row("Nobody answers", format!("{}.", self.then(*if_no_answer)));
            }
            Act::Transfer { to, .. } => page.row(
                "We transfer",
                format!("the caller to {to}. We do not stay on the line."),
            ),
            Act::Notify { target, saying } => {
                let who = wording::target(self.practice, target);
                page.row("We tell", format!("{who}\n“{}”", saying.text(Language::English)));
            }
            Act::Remember { name, value } => page.row("We remember", format!("{name} is {value}.")),
            Act::GoTo(to) => page.row("Then", format!("{}.", self.to(*to))),
            Act::HangUp => page.row("Then", "We hang up."),
        }
    }

    fn notice(&self, notice: Notice, page: &mut Page) {
        let texts: Vec<String> = self
            .flow
            .languages
            .iter()
            .map(|language| {
                let text = Phrase::notice(notice).text(*language);
                format!("{text}  ({})", rounded(seconds(text, *language, self.lengths)))
            })
            .collect();
        page.row("The caller hears", format!("{}  Cannot be skipped.", texts.join("\n")));
    }

    fn choose_language(&self, page: &mut Page) {
        if self.flow.languages.len() < 2 {
            return page.row("Language", "The flow speaks one language; nothing is asked.");
        }
        let lines: Vec<String> = (self.flow.languages.iter().zip('1'..='9'))
            .map(|(language, key)| Phrase::ChooseLanguage.with_key(*language, key).text.to_string())
            .collect();
        page.row("The caller hears", lines.join(" "));
        page.row(
            "No key",
            format!(
                "Goes on in {}.",
                self.flow.languages.first().map_or("", |first| first.name())
            ),
        );
    }

    fn menu(&self, menu: &Menu, page: &mut Page) {
        let choices = menu.choices.iter().map(|choice| choice.spoken.text(self.language));
        let texts: Vec<&str> = std::iter::once(menu.question.text(self.language))
            .chain(choices)
            .collect();
        page.row("The caller hears", self.timed(&texts));
        let choices: Vec<String> = menu.choices.iter().map(|choice| self.choice(choice)).collect();
        page.row("Then", choices.join("    "));
        self.no_key(menu.if_no_answer, page);
    }

    fn choice(&self, choice: &Choice) -> String {
        let to = choice.go_to.map_or_else(|| "goes on".to_owned(), |to| self.to(to));
        match &choice.remember {
            Some((name, value)) => format!("{} {to} (remembering: {name} is {value})", choice.key),
            None => format!("{} {to}", choice.key),
        }
    }

    fn no_key(&self, own: Option<SectionId>, page: &mut Page) {
        let rule = &self.flow.every_question;
        let star = if rule.press_star {
            "       *   Hear it again."
        } else {
            ""
        };
        page.row(
            "No key",
            format!(
                "{}, then {}.{}{star}",
                heading(&asked(rule)),
                self.to(own.unwrap_or(rule.then)),
                self.zero()
            ),
        );
    }

    fn zero(&self) -> String {
        self.flow
            .every_question
            .press_zero
            .map_or_else(String::new, |to| format!("       0   {}.", self.to(to)))
    }

    fn message(&self, name: &str, delivered: bool, page: &mut Page) {
        let Some(kind) = self.flow.messages.get(name) else {
            return;
        };
        page.row("We ask for", self.asks(&kind.ask));
        if delivered {
            page.row("Goes to", self.delivery(kind));
        }
        page.row(
            "No answer",
            "Asking stops after two silences in a row; what there is, is kept.",
        );
    }

    fn delivery(&self, kind: &Kind) -> String {
        let by = kind.call_back_by.map_or_else(String::new, |by| {
            format!("; the caller is called by {}", wording::promise(by))
        });
        format!("{}{by}.", wording::target(self.practice, &kind.goes_to))
    }

    fn asks(&self, fields: &[Field]) -> String {
        fields
            .iter()
            .map(|field| format!("{}: “{}”", field.name(), Phrase::asks(*field).text(self.language)))
            .collect::<Vec<_>>()
            .join("\n")
    }

    fn escalate(&self, act: &Act, page: &mut Page) {
        let Act::Escalate {
            ladder,
            about,
            while_waiting,
            meanwhile_ask,
            or_press,
            if_accepted,
            if_no_one_accepts,
            if_the_caller_hangs_up,
        } = act
        else {
            return;
        };
        page.row("We ring", format!("{}.", wording::ladder(self.practice, ladder)));
        if let Some(ladder) = self.practice.ladders.get(ladder) {
            page.row(
                "They hear",
                format!(
                    "“{}” Only key {} accepts; picking up never does.",
                    ladder.they_hear.text(Language::English),
                    ladder.accept_with
                ),
            );
        }
        if let Some(about) = about {
            page.row("About", format!("the message “{about}”, told after they accept."));
        }
        let meanwhile = match while_waiting {
            Waiting::Words => format!("Every 15 seconds: “{}”", Phrase::StillTrying.text(self.language)),
            Waiting::CalmWords => format!("Every 15 seconds: “{}”", Phrase::StillHere.text(self.language)),
            Waiting::HoldMusic => "Music, and every 15 seconds a voice.".to_owned(),
            Waiting::Quiet => "Nothing between the words.".to_owned(),
        };
        page.row("Meanwhile", meanwhile);
        if !meanwhile_ask.is_empty() {
            page.row("We ask for", self.asks(meanwhile_ask));
        }
        if let Some(choice) = or_press {
            page.row(
                "Or",
                format!("“{}”  {}", choice.spoken.text(self.language), self.choice(choice)),
            );
        }
        page.row(
            "Accepted",
            match if_accepted {
                IfAccepted::ConnectThem => "The caller and the person are connected.",
                IfAccepted::TheyCallBack => "The person is given the number, and calls the caller back.",
            },
        );
        page.row("Nobody accepts", format!("{}.", self.then(*if_no_one_accepts)));
        page.row(
            "Hang-up",
            match if_the_caller_hangs_up {
                IfCallerHangsUp::KeepGoing => {
                    "The phones go on ringing, and whoever accepts is given the number to call back."
                }
                IfCallerHangsUp::Stop => "The phones stop ringing.",
            },
        );
    }

    fn people(&self) -> Page {
        let mut page = Page::new("Messages and people");
        for kind in self.flow.messages.values() {
            let mark = kind
                .mark_as
                .as_ref()
                .map_or_else(String::new, |mark| format!(" Always marked “{mark}”."));
            page.row(
                heading(&kind.name),
                format!("{}.\nTo {}{mark}", wording::fields(&kind.ask), self.delivery(kind)),
            );
        }
        for name in self.practice.ladders.keys() {
            let rings = wording::target(self.practice, &Target::Ladder(name.clone()));
            page.row("Ladder", format!("{rings}."));
        }
        page.row(
            "Nobody on call",
            format!("{} answers for every gap.", self.practice.on_call.if_nobody),
        );
        page
    }

    fn protocol(&self, protocol: &Protocol) -> Page {
        let mut page = Page::new(format!("Protocol: {}, version {}", protocol.name, protocol.version));
        page.row("For", protocol.meant_for.clone());
        page.row("Source", protocol.source.clone());
        let mut last = None;
        for (number, question) in protocol.questions.iter().enumerate() {
            let label = if last.replace(question.level) == Some(question.level) {
                String::new()
            } else {
                heading(question.level.name())
            };
            let only_if = question.only_if.as_ref().map_or_else(String::new, |only_if| {
                format!("  (only if {})", wording::condition(only_if))
            });
            page.row(
                label,
                format!("{}. {}{only_if}", number + 1, self.said(&question.words)),
            );
        }
        page.row("Every answer no", heading(protocol.if_every_answer_is_no.name()));
        page.row(
            "Unclear",
            format!("{}; so is silence.", heading(protocol.if_unclear.name())),
        );
        page.signed_by = Some(self.approval(&protocol.approval));
        page
    }

    fn to(&self, id: SectionId) -> String {
        section(self.flow, id)
    }

    fn then(&self, then: Then) -> String {
        match then {
            Then::Continue => "The next line here follows".to_owned(),
            Then::Section(id) => self.to(id),
        }
    }

    fn said(&self, sentence: &Sentence) -> String {
        self.timed(&[sentence.text(self.language)])
    }

    fn phrase(&self, phrase: Phrase) -> String {
        self.timed(&[phrase.text(self.language)])
    }

    /// Words said in one breath, and how long they take.
    fn timed(&self, texts: &[&str]) -> String {
        let length = texts
            .iter()
            .map(|text| seconds(text, self.language, self.lengths))
            .sum();
        format!("{}  ({})", texts.join(" "), rounded(length))
    }
}

/// Asked once and again so often.
fn asked(rule: &EveryQuestion) -> String {
    format!("asked {}", times(u32::from(rule.ask_again) + 1))
}

fn rounded(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "seconds of a sentence, never negative"
    )]
    let whole = seconds.ceil() as u64;
    format!("{whole} second{}", if whole == 1 { "" } else { "s" })
}
