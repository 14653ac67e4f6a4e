//! Practices to begin with: one for each kind of organisation, ready to be tried, edited, and made one's own.
//!
//! Each is one of the practices of `flows/`, to the last file: what is proved of those holds for whoever begins with one. To
//! add a kind, write a practice of it there, and add a row to [`Template::ALL`].

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
    /// The shipped practice it is: callers hear it until the practice's own name is put in.
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
}

/// A file of a shipped practice.
macro_rules! shipped {
    ($folder:literal: $($file:literal),+ $(,)?) => {
        &[$(($file, include_str!(concat!("../../../flows/", $folder, "/", $file)))),+]
    };
}

impl Template {
    /// Every kind there is.
    pub const ALL: [Self; 9] = [
        Self {
            kind: "primary-care",
            about: "symptoms, refills, appointments, messages",
            name: "Cedar Family Medicine",
            files: shipped! {
                "cedar-family-medicine":
                "adult-symptoms.es.yaml",
                "adult-symptoms.protocol.yaml",
                "after-hours.es.yaml",
                "after-hours.flow.yaml",
                "after-hours.tests.yaml",
                "appointments.tests.yaml",
                "more.tests.yaml",
                "on-call.txt",
                "practice.yaml",
            },
        },
        Self {
            kind: "pediatrics",
            about: "a child's age first, Poison Control, feeding and newborn questions",
            name: "Bright Harbor Pediatrics",
            files: shipped! {
                "bright-harbor-pediatrics":
                "child-symptoms.es.yaml",
                "child-symptoms.protocol.yaml",
                "more.tests.yaml",
                "on-call.txt",
                "pediatrics.es.yaml",
                "pediatrics.flow.yaml",
                "pediatrics.practice.yaml",
                "pediatrics.tests.yaml",
            },
        },
        Self {
            kind: "behavioral-health",
            about: "a crisis line: a counselor first, the 988 Lifeline second, nothing recorded; English",
            name: "Stillwater Behavioral Health",
            files: shipped! {
                "stillwater-behavioral-health":
                "crisis.flow.yaml",
                "crisis.practice.yaml",
                "crisis.tests.yaml",
                "more.tests.yaml",
                "on-call.txt",
            },
        },
        Self {
            kind: "ob-gyn",
            about: "how far along first, a midwife before the doctor, Labor and Delivery behind them",
            name: "Marigold Women's Health",
            files: shipped! {
                "marigold-womens-health":
                "after-hours.es.yaml",
                "after-hours.flow.yaml",
                "after-hours.tests.yaml",
                "appointments.tests.yaml",
                "more.tests.yaml",
                "on-call.txt",
                "practice.yaml",
                "pregnancy.es.yaml",
                "pregnancy.protocol.yaml",
                "womens-health.es.yaml",
                "womens-health.protocol.yaml",
            },
        },
        Self {
            kind: "hospital",
            about: "a ladder for each department, an operator, a line of its own for transfers",
            name: "Sandhill Regional Hospital",
            files: shipped! {
                "sandhill-regional-hospital":
                "after-the-stay.es.yaml",
                "after-the-stay.protocol.yaml",
                "hospital-more.tests.yaml",
                "hospital.es.yaml",
                "hospital.flow.yaml",
                "hospital.tests.yaml",
                "on-call.txt",
                "practice.yaml",
                "transfer.flow.yaml",
                "transfer.tests.yaml",
            },
        },
        Self {
            kind: "group-practice",
            about: "several doctors, a ladder for the patients of each; heart patients",
            name: "Larkspur Heart Group",
            files: shipped! {
                "larkspur-heart-group":
                "after-hours.es.yaml",
                "after-hours.flow.yaml",
                "after-hours.tests.yaml",
                "appointments.tests.yaml",
                "heart.es.yaml",
                "heart.protocol.yaml",
                "more.tests.yaml",
                "on-call.txt",
                "practice.yaml",
            },
        },
        Self {
            kind: "outpatient-clinic",
            about: "patients in treatment, pumps at home, refills, appointments; infusions",
            name: "Wren Street Infusion",
            files: shipped! {
                "wren-street-infusion":
                "after-hours.es.yaml",
                "after-hours.flow.yaml",
                "after-hours.tests.yaml",
                "appointments.tests.yaml",
                "more.tests.yaml",
                "on-call.txt",
                "practice.yaml",
                "treatment.es.yaml",
                "treatment.protocol.yaml",
            },
        },
        Self {
            kind: "urgent-care",
            about: "a desk by day, any age by night, Poison Control, a place in line",
            name: "Camas Urgent Care",
            files: shipped! {
                "camas-urgent-care":
                "anyone.es.yaml",
                "anyone.protocol.yaml",
                "front-door.es.yaml",
                "front-door.flow.yaml",
                "front-door.tests.yaml",
                "more.tests.yaml",
                "on-call.txt",
                "poison.shared.yaml",
                "practice.yaml",
            },
        },
        Self {
            kind: "home-health",
            about: "falls, equipment, missed visits; a hospice line where telephones ring first",
            name: "Saguaro Home Health and Hospice",
            files: shipped! {
                "saguaro-home-health":
                "home-health-more.tests.yaml",
                "home-health.es.yaml",
                "home-health.flow.yaml",
                "home-health.tests.yaml",
                "home-symptoms.es.yaml",
                "home-symptoms.protocol.yaml",
                "hospice.es.yaml",
                "hospice.flow.yaml",
                "hospice.tests.yaml",
                "on-call.txt",
                "practice.yaml",
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
        let own = |(file, text): &(&str, &str)| ((*file).to_owned(), text.replace(self.name, practice));
        self.files.iter().map(own).collect()
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
    #[allow(clippy::disallowed_methods, reason = "a test reads the practices that ship")]
    fn a_template_is_a_shipped_practice_to_the_last_file() {
        let flows = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../flows");
        for template in Template::ALL {
            let kept: Vec<&str> = template.files.iter().map(|(name, _)| *name).collect();
            // Every practice has scenarios under a name of its own, so one folder alone holds all files of a template.
            let folders = std::fs::read_dir(&flows).expect("they ship").flatten();
            let whole = folders.filter(|entry| entry.path().is_dir()).any(|entry| {
                let there = std::fs::read_dir(entry.path()).expect("a folder").flatten();
                // What it says as sound is for its own words, and made anew for other ones.
                let mut there: Vec<String> = there
                    .filter(|file| file.path().is_file())
                    .map(|file| file.file_name().to_string_lossy().into_owned())
                    .collect();
                there.sort();
                there == kept
            });
            assert!(whole, "{}: no practice that ships is just {kept:?}", template.kind);
        }
    }

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
            // U003: Cedar's `voice only` is for callers who cannot use the keys; it asks for the number in words.
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
                let suite = suite.expect("a suite");
                let flow = practice.flows.iter().find(|flow| flow.file == suite.tests_for);
                for scenario in &suite.scenarios {
                    played += 1;
                    let rehearsed = solo::play(&practice, flow.expect("its flow"), scenario);
                    for failure in rehearsed.failures {
                        wrong.push(format!(
                            "{}: {}: {failure}\n{}",
                            template.kind, scenario.name, rehearsed.page
                        ));
                    }
                }
            }
            assert!(played >= 15, "{}", template.kind);
            let spoken = practice.all_parts();
            let foreign = spoken.iter().find(|part| part.text.contains(template.name));
            assert_eq!(foreign.map(|part| part.text.as_ref()), None, "{}", template.kind);
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
