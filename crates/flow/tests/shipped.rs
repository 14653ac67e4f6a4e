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

use flow::proof::{Awaits, Bounds, Estimate, Reach, Roads, bounds};
use flow::rehearse::{Coverage, Scenario, Suite, measured, solo};
use flow::{Diagnostic, Folder, compile};
use practices::{compiled, folder};

const PRACTICES: [&str; 3] = [
    "cedar-family-medicine",
    "bright-harbor-pediatrics",
    "stillwater-behavioral-health",
];

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

#[test]
fn every_scenario_of_the_practices_passes() {
    for name in PRACTICES {
        let folder = folder(name);
        let practice = compiled(&folder);
        for (file, scenario) in scenarios(&folder) {
            let flow = practice.flows.iter().find(|flow| flow.file == file).expect("its flow");
            let rehearsed = solo::play(&practice, flow, &scenario);
            assert_eq!(rehearsed.failures, [], "{name}: {}\n{}", scenario.name, rehearsed.page);
        }
    }
}

#[test]
fn the_practices_rehearse_every_emergency_and_urgent_path_and_nearly_every_branch() {
    for name in PRACTICES {
        let folder = folder(name);
        let practice = compiled(&folder);
        let scenarios = scenarios(&folder);
        for flow in &practice.flows {
            let own = scenarios.iter().filter(|(file, _)| *file == flow.file);
            let coverage = Coverage::of(&practice, flow, own.map(|(_, scenario)| scenario));
            println!("{}\n{}", coverage.file, coverage.to_text());
            assert!(coverage.is_enough(), "{}\n{}", coverage.file, coverage.to_text());
            assert!(
                coverage.paths().1 > 2 && coverage.all().1 > 20,
                "it counts nothing: {}",
                coverage.to_text()
            );
        }
    }
}

/// How far a bound may be above the worst that was measured.
const NEAR: f64 = 1.10;

#[test]
fn no_stranger_waits_longer_than_is_proved_and_the_worst_come_near() {
    let mut table = String::new();
    for name in PRACTICES {
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
                        "{name:<30} {reach:?} {awaits:?}: at most {:?}, measured {:?}\n",
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
fn told(diagnostics: &[Diagnostic]) -> std::collections::BTreeSet<(String, String)> {
    let told = diagnostics
        .iter()
        .map(|found| (found.code.to_string(), found.what.clone()));
    told.collect()
}

/// Faults tried in a plain test run; `MUTANTS=all` (`make mutate`) tries every one there is.
const SAMPLE: usize = 90;

#[test]
fn every_fault_in_a_shipped_file_is_found_by_the_checker_or_a_scenario() {
    let whole = std::env::var("MUTANTS").is_ok_and(|asked| asked == "all");
    let mut all = Vec::new();
    let mut houses = Vec::new();
    for name in PRACTICES {
        let folder = folder(name);
        let practice = compiled(&folder);
        let scenarios = scenarios(&folder);
        // No false alarm: what the checker says of the originals are warnings it says of sample wording and the like.
        let known = told(&compile(&folder).diagnostics);
        for (file, scenario) in &scenarios {
            let flow = practice.flows.iter().find(|flow| flow.file == *file).expect("its flow");
            let failures = solo::play(&practice, flow, scenario).failures;
            assert_eq!(failures, [], "{name}: a false alarm, {}", scenario.name);
        }
        all.extend(mutants::of(&folder).into_iter().map(|mutant| (houses.len(), mutant)));
        houses.push((name, folder, scenarios, known));
    }
    let kinds: std::collections::BTreeSet<&str> = all.iter().map(|(_, mutant)| mutant.kind).collect();
    assert!(
        all.len() >= 200 && kinds.len() >= 20,
        "{} faults of {} kinds",
        all.len(),
        kinds.len()
    );
    if !whole {
        all = mutants::sample(all, SAMPLE);
    }
    let mut found: std::collections::BTreeMap<&str, [usize; 3]> = std::collections::BTreeMap::new();
    let mut missed = Vec::new();
    for (house, mutant) in &all {
        let (name, original, scenarios, known) = &houses[*house];
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
        if !told(&compiled.diagnostics).is_subset(known) {
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
            missed.push(format!("{name}: {} ({})", mutant.told, mutant.kind));
        }
    }
    println!("{:<50}{:>9}{:>11}{:>8}", "fault", "checker", "scenarios", "missed");
    for (kind, [checker, played, missed]) in &found {
        println!("{kind:<50}{checker:>9}{played:>11}{missed:>8}");
    }
    println!("{} faults of {} kinds", all.len(), found.len());
    assert!(
        missed.is_empty(),
        "{} of {} faults are found by nothing:\n{}",
        missed.len(),
        all.len(),
        missed.join("\n")
    );
}
