//! SIPVicious 0.3.8 from PyPI, the scanner that every SIP port on the Internet meets: a stranger finds nothing at all, and
//! whoever sits on a trunk learns no name, no version, no account and no password.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test stops where it finds otherwise"
)]

mod child;

use std::path::Path;
use std::process::Command;

use child::{Desk, House};
use switchboard::Fact;

const PRACTICE: &str = "tests/interop/practice";
/// Two of these are numbers of the practice.
const NUMBERS: &str = "15125550118-15125550121";

struct Engine {
    house: House,
    desk: Desk,
}

impl Engine {
    /// Its only trunk calls from here; SIPVicious always calls from 127.0.0.1.
    fn trusts(trunk: &str) -> Self {
        let house = House::of(Path::new(PRACTICE), |_| {
            format!(
                "listen: [udp 127.0.0.1:0]\nrtp ports: 20000 to 29999\nmedia threads: 1\n\
                 trunks: {{carrier: {{from: [{trunk}]}}}}\n\
                 practices: [practice]\ndata: data\nkeys: keys\ndrain for: 1 second\n"
            )
        });
        let desk = house.start("info");
        Self { house, desk }
    }

    /// What a tool of theirs printed, and whether it says that it found nothing.
    fn tried(&self, tool: &str, arguments: &[&str]) -> (String, bool) {
        let peers = tests::target().join("peers/sipvicious");
        assert!(peers.is_dir(), "SIPVicious is fetched by `make interop`");
        let port = self.desk.address.port().to_string();
        // A port of its own for each, or the answers to one scan come to the next.
        let from = tests::free_ports().to_string();
        let done = Command::new("timeout")
            .args([
                "60",
                "python3",
                "-m",
                &format!("sipvicious.{tool}"),
                "-p",
                &port,
                "-P",
                &from,
            ])
            .args(arguments)
            .arg("127.0.0.1")
            .env("PYTHONPATH", peers)
            .env("HOME", self.house.path("."))
            .current_dir(self.house.path("."))
            .output()
            .expect("python3 is installed by `make setup`");
        let printed = format!(
            "{}{}",
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
        println!("{tool} {arguments:?}\n{printed}");
        assert!(done.status.code() != Some(124), "{tool} does not come to an end");
        let nothing = printed.contains("found nothing");
        (printed, nothing)
    }
}

#[test]
fn a_stranger_finds_nothing() {
    let engine = Engine::trusts("127.0.0.9");
    for method in ["OPTIONS", "INVITE", "REGISTER"] {
        assert!(engine.tried("svmap", &["-m", method]).1, "svmap by {method}");
        // Without its own check that anybody is there at all, it goes through all numbers.
        let all = ["-m", method, "-e", NUMBERS, "--force", "--maximumtime=3"];
        let (printed, _) = engine.tried("svwar", &all);
        assert!(!printed.contains("auth"), "svwar by {method}: {printed}");
    }
    let (printed, _) = engine.tried("svcrack", &["-u", "15125550120", "-r", "100-110", "--maximumtime=3"]);
    assert!(!printed.contains("Password"), "{printed}");
    assert!(
        engine.house.facts().iter().all(|stamped| stamped.call.is_none()),
        "and nobody was called"
    );
}

#[test]
fn whoever_sits_on_a_trunk_learns_no_name_account_or_password() {
    let engine = Engine::trusts("127.0.0.1");
    for method in ["OPTIONS", "INVITE", "REGISTER"] {
        let (printed, _) = engine.tried("svmap", &["-m", method]);
        assert!(
            printed.contains("| unknown"),
            "it answers and does not say what it is: {printed}"
        );
        assert!(!printed.to_lowercase().contains("nightdesk"), "{printed}");
    }
    for method in ["OPTIONS", "REGISTER"] {
        assert!(
            engine.tried("svwar", &["-m", method, "-e", NUMBERS]).1,
            "no accounts by {method}"
        );
    }
    assert!(
        engine.tried("svcrack", &["-u", "15125550120", "-r", "100-110"]).1,
        "no password"
    );
    // A carrier may ring the numbers it was given, and no others.
    let (printed, _) = engine.tried("svwar", &["-m", "INVITE", "-e", NUMBERS]);
    let found: Vec<&str> = ["15125550118", "15125550119", "15125550120", "15125550121"]
        .into_iter()
        .filter(|number| printed.contains(&format!("| {number}")))
        .collect();
    assert_eq!(found, ["15125550120", "15125550121"], "{printed}");
    let refused = |fact: &Fact| matches!(fact, Fact::CallRefused { status: 404, .. });
    assert!(
        engine.house.facts().iter().any(|stamped| refused(&stamped.fact)),
        "the others are refused with 404"
    );
}
