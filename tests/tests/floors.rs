//! The house stands: who may import whom (house.md §2), kept true over `cargo metadata`.
#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test reads files and the clock, and fails loudly"
)]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Each room with the floor it stands on. A room may import rooms from lower floors only.
const FLOORS: &[(&str, u8)] = &[
    ("phi", 0),
    ("sip", 1),
    ("media", 1),
    ("flow", 1),
    ("oncall", 1),
    ("seal", 1),
    ("switchboard", 2),
    ("ledger", 3),
    ("keyring", 3),
    ("vault", 3),
    ("office", 3),
    ("voice", 3),
    ("exchange", 4),
    ("courier", 4),
    ("portal", 4),
    ("nightdesk", 5),
    ("tests", 6),
];

/// The doors that the house allows between rooms of one floor: the vault opens nothing without a receipt of the book, and
/// keeps the share of each file with the keys; the office writes its decisions into it.
const SIDE_DOORS: &[(&str, &str)] = &[("vault", "ledger"), ("vault", "keyring"), ("office", "ledger")];

/// What a room below the keepers may never be built with: a runtime, a socket, a clock, a second cryptography.
const SHUT_OUT_OF_PURE_ROOMS: &[&str] = &[
    "tokio",
    "socket2",
    "rustix",
    "mio",
    "sled",
    "hound",
    "tracing",
    "notify",
    "rand",
    "getrandom",
    "openssl",
    "aws-lc-rs",
];

fn own_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let metadata = MetadataCommand::new()
        .manifest_path(manifest)
        .no_deps()
        .exec()
        .expect("the workspace describes itself");
    metadata
        .packages
        .into_iter()
        .map(|package| {
            let dependencies = package
                .dependencies
                .iter()
                .filter(|d| d.kind != DependencyKind::Development)
                .map(|d| d.name.clone())
                .collect();
            (package.name.to_string(), dependencies)
        })
        .collect()
}

#[test]
fn every_room_imports_from_lower_floors_only() {
    let floors: BTreeMap<&str, u8> = FLOORS.iter().copied().collect();
    for (room, dependencies) in own_dependencies() {
        let floor = floors
            .get(room.as_str())
            .unwrap_or_else(|| panic!("{room} has no floor: add it to FLOORS and to house.md §2"));
        for dependency in &dependencies {
            let Some(below) = floors.get(dependency.as_str()) else {
                continue;
            };
            let by_side_door = SIDE_DOORS.contains(&(room.as_str(), dependency.as_str()));
            assert!(
                below < floor || by_side_door,
                "{room} (floor {floor}) imports {dependency} (floor {below})"
            );
        }
    }
}

#[test]
fn pure_rooms_are_built_without_a_world() {
    for (room, dependencies) in own_dependencies() {
        let pure = FLOORS.iter().any(|(name, floor)| *name == room && *floor <= 2);
        for shut_out in SHUT_OUT_OF_PURE_ROOMS {
            assert!(
                !(pure && dependencies.contains(*shut_out)),
                "{room} is pure and may not depend on {shut_out}"
            );
        }
    }
}

#[test]
fn pure_rooms_open_none_of_the_doors_that_clippy_shuts() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
    for (room, floor) in FLOORS.iter().filter(|(_, floor)| *floor <= 2) {
        let files: Vec<(std::path::PathBuf, String)> = sources(&root.join(room).join("src"))
            .into_iter()
            .map(|path| {
                let text = std::fs::read_to_string(&path).expect("a source file of ours is readable");
                (path, text)
            })
            .collect();
        for (path, text) in &files {
            let name = path.file_stem().expect("a file").to_string_lossy();
            // A module that only tests compile may read the clock and write snapshots.
            let for_tests = [
                format!("#[cfg(test)]\nmod {name};"),
                format!("#[cfg(test)]\npub(crate) mod {name};"),
            ];
            if files
                .iter()
                .any(|(_, text)| for_tests.iter().any(|declared| text.contains(declared)))
            {
                continue;
            }
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for word in [
                "disallowed_methods",
                "disallowed_types",
                "async fn",
                ".await",
                "unsafe ",
            ] {
                assert!(!code.contains(word), "{} (floor {floor}) says `{word}`", path.display());
            }
        }
    }
}

fn sources(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}
