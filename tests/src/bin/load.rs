//! `make bench`, `make soak` and `make flood`: the engine under load from a stranger (tests/src/load).
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of its own: it has the clock, sockets, files and a person in front of it"
)]

#[path = "../load/mod.rs"]
mod load;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let result = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["bench", binary] => load::bench::bench(binary),
        ["book", binary] => load::book::book(binary),
        ["soak", binary] => load::soak::soak(binary),
        ["flood", binary] => load::flood::flood(binary),
        ["pour", server, seconds, per_second] => load::flood::pour(server, seconds, per_second),
        ["sealing", folder] => load::bench::print_sealing(folder),
        ["calibrate"] => load::bench::print_speed(),
        _ => {
            eprintln!("load bench|book|soak|flood PATH-OF-NIGHTDESK; tools/bench, tools/soak and tools/flood call it");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}
