//! Practices to begin with: one for each kind of organisation, ready to be tried, edited, and made one's own.
//!
//! Each is a whole practice: it compiles, its scenarios pass, and the checker finds nothing in it but sample wording (C008), which
//! only a medical director can put right, and a message for callers without keys that cannot ask for a number (U003). To add a kind, add a row to [`Template::ALL`] and its sections in `template/`.

use std::collections::BTreeMap;

use jiff::ToSpan;
use jiff::civil::Date;

/// How long the approval of a new practice holds, so that nobody begins with one that is overdue.
const HOLDS_DAYS: i64 = 90;

/// One kind of organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template {
    /// The word on the command line: `primary-care`.
    pub kind: &'static str,
    /// What it is for, in one line.
    pub about: &'static str,
    built: Built,
}

/// How the files come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Built {
    /// A practice that is shipped whole: its name, and its files.
    Whole {
        name: &'static str,
        files: &'static [(&'static str, &'static str)],
    },
    /// The common beginning and end, with sections of its own between them.
    Parts {
        sections: &'static [&'static str],
        messages: &'static [&'static str],
        ladders: &'static str,
        protocol: &'static str,
        greeting: (&'static str, &'static str),
    },
}

/// The name the common parts carry until the practice's own is put in.
const EXAMPLE: &str = "Example Practice";
const ADULTS: &str = include_str!("template/symptoms.protocol.yaml");
const REFILL: &str = include_str!("template/refill.yaml");
const REFILL_MESSAGES: &str = include_str!("template/refill.messages.yaml");

impl Template {
    /// Every kind there is.
    pub const ALL: [Self; 9] = [
        Self {
            kind: "primary-care",
            about: "symptoms, refills, appointments, messages; English and Spanish",
            built: Built::Whole {
                name: "Cedar Family Medicine",
                files: &[
                    (
                        "practice.yaml",
                        include_str!("../../../flows/cedar-family-medicine/practice.yaml"),
                    ),
                    (
                        "after-hours.flow.yaml",
                        include_str!("../../../flows/cedar-family-medicine/after-hours.flow.yaml"),
                    ),
                    (
                        "after-hours.es.yaml",
                        include_str!("../../../flows/cedar-family-medicine/after-hours.es.yaml"),
                    ),
                    (
                        "after-hours.tests.yaml",
                        include_str!("../../../flows/cedar-family-medicine/after-hours.tests.yaml"),
                    ),
                    (
                        "adult-symptoms.protocol.yaml",
                        include_str!("../../../flows/cedar-family-medicine/adult-symptoms.protocol.yaml"),
                    ),
                    (
                        "adult-symptoms.es.yaml",
                        include_str!("../../../flows/cedar-family-medicine/adult-symptoms.es.yaml"),
                    ),
                ],
            },
        },
        Self {
            kind: "pediatrics",
            about: "a child's age first, Poison Control, feeding and newborn questions; English and Spanish",
            built: Built::Whole {
                name: "Bright Harbor Pediatrics",
                files: &[
                    (
                        "pediatrics.es.yaml",
                        include_str!("../../../flows/bright-harbor-pediatrics/pediatrics.es.yaml"),
                    ),
                    (
                        "child-symptoms.es.yaml",
                        include_str!("../../../flows/bright-harbor-pediatrics/child-symptoms.es.yaml"),
                    ),
                    (
                        "pediatrics.practice.yaml",
                        include_str!("../../../flows/bright-harbor-pediatrics/pediatrics.practice.yaml"),
                    ),
                    (
                        "pediatrics.flow.yaml",
                        include_str!("../../../flows/bright-harbor-pediatrics/pediatrics.flow.yaml"),
                    ),
                    (
                        "pediatrics.tests.yaml",
                        include_str!("../../../flows/bright-harbor-pediatrics/pediatrics.tests.yaml"),
                    ),
                    (
                        "child-symptoms.protocol.yaml",
                        include_str!("../../../flows/bright-harbor-pediatrics/child-symptoms.protocol.yaml"),
                    ),
                ],
            },
        },
        Self {
            kind: "behavioral-health",
            about: "a crisis line: a counselor first, the 988 Lifeline second, nothing recorded",
            built: Built::Whole {
                name: "Stillwater Behavioral Health",
                files: &[
                    (
                        "crisis.practice.yaml",
                        include_str!("../../../flows/stillwater-behavioral-health/crisis.practice.yaml"),
                    ),
                    (
                        "crisis.flow.yaml",
                        include_str!("../../../flows/stillwater-behavioral-health/crisis.flow.yaml"),
                    ),
                    (
                        "crisis.tests.yaml",
                        include_str!("../../../flows/stillwater-behavioral-health/crisis.tests.yaml"),
                    ),
                ],
            },
        },
        Self {
            kind: "ob-gyn",
            about: "questions for pregnancy and after it, refills, messages",
            built: Built::Parts {
                sections: &[include_str!("template/outpatient.yaml"), REFILL],
                messages: &[REFILL_MESSAGES, include_str!("template/appointment.messages.yaml")],
                ladders: "",
                protocol: include_str!("template/ob-gyn.protocol.yaml"),
                greeting: ("- emergency notice\n", "- emergency notice: obstetric\n"),
            },
        },
        Self {
            kind: "hospital",
            about: "six departments, a ladder each; symptoms are sorted first",
            built: Built::Parts {
                sections: &[include_str!("template/hospital.yaml")],
                messages: &[],
                ladders: include_str!("template/hospital.ladders.yaml"),
                protocol: ADULTS,
                greeting: ("", ""),
            },
        },
        Self {
            kind: "group-practice",
            about: "several doctors, a ladder for the patients of each",
            built: Built::Parts {
                sections: &[include_str!("template/group-practice.yaml"), REFILL],
                messages: &[REFILL_MESSAGES],
                ladders: include_str!("template/group.ladders.yaml"),
                protocol: ADULTS,
                greeting: ("", ""),
            },
        },
        Self {
            kind: "outpatient-clinic",
            about: "symptoms, refills, appointments, messages",
            built: Built::Parts {
                sections: &[include_str!("template/outpatient.yaml"), REFILL],
                messages: &[REFILL_MESSAGES, include_str!("template/appointment.messages.yaml")],
                ladders: "",
                protocol: ADULTS,
                greeting: ("", ""),
            },
        },
        Self {
            kind: "urgent-care",
            about: "symptoms and injuries, hours and waits, a place in line",
            built: Built::Parts {
                sections: &[include_str!("template/urgent-care.yaml")],
                messages: &[include_str!("template/urgent-care.messages.yaml")],
                ladders: "",
                protocol: ADULTS,
                greeting: ("", ""),
            },
        },
        Self {
            kind: "home-health",
            about: "a patient who feels worse, missed visits, equipment, check-ins",
            built: Built::Parts {
                sections: &[include_str!("template/home-health.yaml")],
                messages: &[include_str!("template/home-health.messages.yaml")],
                ladders: "",
                protocol: ADULTS,
                greeting: ("", ""),
            },
        },
    ];

    /// The template of that kind.
    pub fn named(kind: &str) -> Option<&'static Self> {
        static ALL: [Template; 9] = Template::ALL;
        ALL.iter().find(|template| template.kind == kind)
    }

    /// Its files, for a practice of this name.
    pub fn files(&self, practice: &str, today: Date) -> BTreeMap<String, String> {
        let mut files = self.undated(practice);
        files.values_mut().for_each(|text| *text = dated(text, today));
        files
    }

    fn undated(&self, practice: &str) -> BTreeMap<String, String> {
        let own = |text: &str, name: &str| text.replace(name, practice);
        match self.built {
            Built::Whole { name, files } => files
                .iter()
                .map(|(file, text)| ((*file).to_owned(), own(text, name)))
                .collect(),
            Built::Parts {
                sections,
                messages,
                ladders,
                protocol,
                greeting: (from, to),
            } => {
                let head = include_str!("template/head.yaml");
                let head = if from.is_empty() {
                    head.to_owned()
                } else {
                    head.replacen(from, to, 1)
                };
                let flow = format!(
                    "{head}{}{}{}",
                    sections.concat(),
                    include_str!("template/tail.yaml"),
                    messages.concat()
                );
                let people = format!(
                    "{}{ladders}{}",
                    include_str!("template/practice.yaml"),
                    include_str!("template/inboxes.yaml")
                );
                [
                    ("practice.yaml", own(&people, EXAMPLE)),
                    ("after-hours.flow.yaml", own(&flow, EXAMPLE)),
                    ("symptoms.protocol.yaml", protocol.to_owned()),
                    ("after-hours.tests.yaml", include_str!("template/tests.yaml").to_owned()),
                ]
                .map(|(file, text)| (file.to_owned(), text))
                .into()
            }
        }
    }
}

/// The same with approvals of that day.
fn dated(text: &str, today: Date) -> String {
    let review = today.saturating_add(HOLDS_DAYS.days());
    let line = |line: &str| {
        if !line.starts_with("clinical approval:") {
            return line.to_owned();
        }
        let mut line = line.to_owned();
        for (before, day) in [(", on: ", today), ("review by: ", review)] {
            if let Some(at) = line.find(before).map(|at| at + before.len()) {
                line.replace_range(at..(at + "2026-11-18".len()).min(line.len()), &day.to_string());
            }
        }
        line
    };
    text.split_inclusive('\n').map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::{Suite, solo};
    use crate::{Folder, compile_on};

    /// Long after the approvals that stand in the files themselves.
    const DAY: Date = jiff::civil::date(2031, 5, 2);

    #[test]
    fn every_template_checks_with_nothing_but_sample_wording_and_its_scenarios_pass() {
        let mut wrong = Vec::new();
        for template in Template::ALL {
            let files = template.files("North Clinic", DAY);
            let compiled = compile_on(
                &Folder {
                    files: files.clone(),
                    ..Folder::default()
                },
                Some(DAY),
            );
            // U003: `voice only` is for callers who cannot use the keys; it asks for the number in words.
            let found = compiled
                .diagnostics
                .iter()
                .filter(|found| !["C008", "U003"].contains(&found.code));
            wrong.extend(found.map(|found| format!("{}: {found}", template.kind)));
            let Some(practice) = compiled.practice else { continue };
            assert_eq!(practice.name, "North Clinic");
            let mut played = 0;
            for (file, text) in files.iter().filter(|(file, _)| file.ends_with(".tests.yaml")) {
                let (suite, found) = Suite::parse(file, text);
                assert_eq!(found, [], "{}", template.kind);
                for scenario in &suite.expect("a suite").scenarios {
                    played += 1;
                    let rehearsed = solo::play(&practice, &practice.flows[0], scenario);
                    for failure in rehearsed.failures {
                        wrong.push(format!(
                            "{}: {}: {failure}\n{}",
                            template.kind, scenario.name, rehearsed.page
                        ));
                    }
                }
            }
            assert!(played >= 3, "{}", template.kind);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
