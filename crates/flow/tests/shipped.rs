//! The shipped practices, held to what a release asks for: their scenarios walk every emergency and urgent path and 95 of
//! 100 branches; the proofs of how long callers wait hold against a thousand strangers and are not far from the worst of
//! them; and whatever is broken in their files, the checker or a scenario finds it.
#![allow(clippy::disallowed_methods, reason = "a test reads the files it is about")]
#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a helper of tests fails as a test does, and says what it measured"
)]

#[path = "shipped/mutants.rs"]
mod mutants;
mod practices;

use std::collections::{BTreeMap, BTreeSet};

use flow::proof::{Awaits, Bounds, Estimate, Reach, Roads, bounds};
use flow::rehearse::{Coverage, Scenario, Suite, measured, solo};
use flow::{Diagnostic, Folder, compile};
use practices::{PRACTICES, compiled, folder};

/// Each test for each practice, so that they run beside each other.
macro_rules! for_each_practice {
    ($($name:ident: $folder:literal),+ $(,)?) => {
        /// Those the macro was given: none of `flows/` may be missing.
        const HELD: &[&str] = &[$($folder),+];
        $(mod $name {
            #[test]
            fn every_scenario_passes() {
                super::every_scenario_passes($folder);
            }

            #[test]
            fn the_scenarios_rehearse_every_emergency_and_urgent_path_and_nearly_every_branch() {
                super::the_scenarios_rehearse_every_urgent_path_and_nearly_every_branch($folder);
            }

            #[test]
            fn its_last_words_are_kept_as_sound() {
                super::its_last_words_are_kept_as_sound($folder);
            }

            #[test]
            fn no_stranger_waits_longer_than_is_proved_and_the_worst_come_near() {
                super::no_stranger_waits_longer_than_is_proved_and_the_worst_come_near($folder);
            }

            #[test]
            fn every_fault_is_found_by_the_checker_or_a_scenario() {
                super::every_fault_is_found_by_the_checker_or_a_scenario($folder);
            }
        })+
    };
}

for_each_practice! {
    cedar: "cedar-family-medicine",
    bright_harbor: "bright-harbor-pediatrics",
    stillwater: "stillwater-behavioral-health",
    marigold: "marigold-womens-health",
    sandhill: "sandhill-regional-hospital",
    larkspur: "larkspur-heart-group",
    wren_street: "wren-street-infusion",
    camas: "camas-urgent-care",
    saguaro: "saguaro-home-health",
}

#[test]
fn no_practice_is_left_out() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../flows");
    let folders = std::fs::read_dir(root).expect("the folder is there").flatten();
    let mut there: Vec<String> = folders
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    there.sort();
    for list in [HELD, &PRACTICES] {
        let mut listed = list.to_vec();
        listed.sort_unstable();
        assert_eq!(listed, there);
    }
}

/// Every scenario a practice wrote, with the file of the flow it is about.
fn scenarios(folder: &Folder) -> Vec<(String, Scenario)> {
    let suites = folder.files.iter().filter(|(name, _)| name.ends_with(".tests.yaml"));
    suites
        .flat_map(|(name, text)| {
            let (suite, found) = Suite::parse(name, text);
            assert_eq!(found, [], "{name}");
            let suite = suite.expect("it has no slip");
            let about = suite.tests_for;
            suite.scenarios.into_iter().map(move |one| (about.clone(), one))
        })
        .collect()
}

fn every_scenario_passes(name: &str) {
    let folder = folder(name);
    let practice = compiled(&folder);
    for (file, scenario) in scenarios(&folder) {
        let flow = practice.flows.iter().find(|flow| flow.file == file).expect("its flow");
        let rehearsed = solo::play(&practice, flow, &scenario);
        assert_eq!(rehearsed.failures, [], "{name}: {}\n{}", scenario.name, rehearsed.page);
    }
}

/// Each sentence that must be heard on a machine without a voice is there, sounds, and none is there that nobody says.
fn its_last_words_are_kept_as_sound(name: &str) {
    let kept = practices::path(name).join("words/spoken");
    let mut files: BTreeMap<String, std::path::PathBuf> = std::fs::read_dir(&kept)
        .expect("`nightdesk flow words speak` makes it")
        .flatten()
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name.chars().take(16).collect(), entry.path())
        })
        .collect();
    for part in compiled(&folder(name)).last_words() {
        let key: String = flow::sentence_hash(&part)
            .iter()
            .take(8)
            .map(|octet| format!("{octet:02x}"))
            .collect();
        let file = files
            .remove(&key)
            .unwrap_or_else(|| panic!("{name}: {:?} is not kept; `flow words speak`", part.text));
        let mut wav = hound::WavReader::open(&file).expect("a WAV file");
        let rate = wav.spec().sample_rate;
        let samples: Vec<f32> = wav
            .samples::<i16>()
            .flatten()
            .map(|sample| f32::from(sample) / 32_768.0)
            .collect();
        let heard = flow::Measure::of(&samples, rate, 16).expect("sound");
        let expected = flow::proof::Length::seconds(&Estimate, &part) as f32;
        assert!(
            (0.2..5.0).contains(&(heard.seconds / expected)),
            "{file:?}: {heard:?}, not {expected} s"
        );
    }
    assert!(files.is_empty(), "nobody says these any more: {files:?}");
}

fn the_scenarios_rehearse_every_urgent_path_and_nearly_every_branch(name: &str) {
    let folder = folder(name);
    let practice = compiled(&folder);
    let scenarios = scenarios(&folder);
    for flow in &practice.flows {
        let own = scenarios.iter().filter(|(file, _)| *file == flow.file);
        let coverage = Coverage::of(&practice, flow, own.map(|(_, scenario)| scenario));
        println!("{}\n{}", coverage.file, coverage.to_text());
        assert!(coverage.is_enough(), "{}\n{}", coverage.file, coverage.to_text());
        assert!(
            coverage.paths().1 > 2 && coverage.all().1 > 10,
            "it counts nothing: {}",
            coverage.to_text()
        );
    }
}

/// How far a bound may be above the worst that was measured.
const NEAR: f64 = 1.10;

fn no_stranger_waits_longer_than_is_proved_and_the_worst_come_near(name: &str) {
    let mut table = String::new();
    {
        let practice = compiled(&folder(name));
        for flow in &practice.flows {
            for reach in [Reach::Attentive, Reach::Slowest] {
                let each = flow.languages.iter().map(|&language| {
                    let roads = Roads::of(&practice, flow, language, &Estimate);
                    bounds(&roads, reach)
                });
                let proved = each.fold(Bounds::default(), Bounds::max);
                let seen = measured(&practice, flow, &Estimate, reach, 1_000, 2026);
                for awaits in Awaits::ALL {
                    table += &format!(
                        "{:<30} {reach:?} {awaits:?}: at most {:?}, measured {:?}\n",
                        flow.file,
                        proved.seconds(awaits),
                        seen.seconds(awaits)
                    );
                    match (proved.seconds(awaits), seen.seconds(awaits)) {
                        (Some(proved), Some(seen)) => {
                            assert!(seen <= proved, "longer than proved:\n{table}");
                            assert!(proved <= seen * NEAR, "nobody comes near:\n{table}");
                        }
                        (None, None) => {}
                        _ => panic!("one of them knows no way:\n{table}"),
                    }
                }
            }
        }
    }
    println!("{table}");
}

/// What the checker says, without the places, which an edit moves.
fn told(diagnostics: &[Diagnostic]) -> BTreeSet<(String, String)> {
    let told = diagnostics
        .iter()
        .map(|found| (found.code.to_string(), found.what.clone()));
    told.collect()
}

/// Faults tried in a plain test run of each practice; `MUTANTS=all` (`make mutate`) tries every one there is.
const SAMPLE: usize = 30;

#[test]
fn there_are_faults_of_every_kind() {
    let all: Vec<_> = PRACTICES.iter().flat_map(|name| mutants::of(&folder(name))).collect();
    let kinds: BTreeSet<&str> = all.iter().map(|mutant| mutant.kind).collect();
    assert!(
        all.len() >= 200 && kinds.len() >= 20,
        "{} faults of {} kinds",
        all.len(),
        kinds.len()
    );
}

fn every_fault_is_found_by_the_checker_or_a_scenario(name: &str) {
    let whole = std::env::var("MUTANTS").is_ok_and(|asked| asked == "all");
    let original = folder(name);
    let practice = compiled(&original);
    let scenarios = scenarios(&original);
    // No false alarm: what the checker says of the originals are warnings it says of sample wording and the like.
    let known = told(&compile(&original).diagnostics);
    for (file, scenario) in &scenarios {
        let flow = practice.flows.iter().find(|flow| flow.file == *file).expect("its flow");
        let failures = solo::play(&practice, flow, scenario).failures;
        assert_eq!(failures, [], "{name}: a false alarm, {}", scenario.name);
    }
    let mut all = mutants::of(&original);
    assert!(all.len() >= 40, "{} faults", all.len());
    if !whole {
        all = mutants::sample(all, SAMPLE);
    }
    let mut found: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let mut missed = Vec::new();
    for mutant in &all {
        let mut folder = Folder::default();
        folder.files.clone_from(&original.files);
        assert_ne!(
            folder.files.get(&mutant.file),
            Some(&mutant.text),
            "{}: changes nothing",
            mutant.told
        );
        folder.files.insert(mutant.file.clone(), mutant.text.clone());
        let count = found.entry(mutant.kind).or_default();
        let compiled = compile(&folder);
        if !told(&compiled.diagnostics).is_subset(&known) {
            count[0] += 1;
            continue;
        }
        let fails = |(file, scenario): &(String, Scenario)| {
            let practice = compiled.practice.as_ref()?;
            let flow = practice.flows.iter().find(|flow| flow.file == *file)?;
            Some(!solo::play(practice, flow, scenario).failures.is_empty())
        };
        if scenarios.iter().any(|one| fails(one).unwrap_or(true)) {
            count[1] += 1;
        } else {
            count[2] += 1;
            missed.push(format!("{} ({})", mutant.told, mutant.kind));
        }
    }
    let mut table = format!("{:<50}{:>9}{:>11}{:>8}\n", name, "checker", "scenarios", "missed");
    for (kind, [checker, played, missed]) in &found {
        table += &format!("{kind:<50}{checker:>9}{played:>11}{missed:>8}\n");
    }
    println!("{table}{name}: {} faults of {} kinds", all.len(), found.len());
    assert!(
        missed.is_empty(),
        "{name}: {} of {} faults are found by nothing:\n{}",
        missed.len(),
        all.len(),
        missed.join("\n")
    );
}
