//! A passkey as its person meets it: a browser of this machine, a device that verifies them, the command that waits.
//!
//! The browser is Chromium without a window, the device its virtual authenticator; it is driven over the pipe that
//! `--remote-debugging-pipe` reads, so that no port of the browser is open to anybody.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test drives programs, and stops where it finds otherwise"
)]

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::people::{PASSWORD, People, code};

/// How long a page may take to come to something.
const PAGE_WITHIN: Duration = Duration::from_secs(60);

/// A browser with one page and one device.
struct Browser {
    child: Child,
    orders: File,
    answers: BufReader<File>,
    count: u64,
    session: Option<String>,
}

impl Browser {
    fn start(folder: &Path) -> Self {
        let [orders, answers] = ["orders", "answers"].map(|name| folder.join(name));
        for pipe in [&orders, &answers] {
            nix::unistd::mkfifo(pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        }
        // Descriptors 3 and 4 are where it reads and writes.
        let child = Command::new("sh")
            .arg("-c")
            .arg("exec chromium --headless --no-sandbox --disable-gpu --no-first-run --remote-debugging-pipe --user-data-dir=\"$1\" about:blank 3<\"$2\" 4>\"$3\"")
            .arg("sh")
            .args([&folder.join("profile"), &orders, &answers])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium is installed: make setup");
        let orders = OpenOptions::new()
            .write(true)
            .open(&orders)
            .expect("its other end is open");
        let answers = BufReader::new(File::open(&answers).expect("its other end is open"));
        let mut browser = Self {
            child,
            orders,
            answers,
            count: 0,
            session: None,
        };
        let target = browser.does("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.does("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        browser.does("Page.enable", json!({}));
        browser.does("WebAuthn.enable", json!({}));
        let device = json!({"protocol": "ctap2", "transport": "internal", "hasResidentKey": true,
            "hasUserVerification": true, "isUserVerified": true, "automaticPresenceSimulation": true});
        browser.does("WebAuthn.addVirtualAuthenticator", json!({"options": device}));
        browser
    }

    fn does(&mut self, method: &str, parameters: Value) -> Value {
        self.count += 1;
        let mut order = json!({"id": self.count, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            order["sessionId"] = json!(session);
        }
        self.orders
            .write_all(format!("{order}\0").as_bytes())
            .expect("it listens");
        loop {
            let mut message = Vec::new();
            let read = self.answers.read_until(0, &mut message).expect("it answers");
            assert!(read > 0, "the browser ended at {method}");
            message.pop();
            let said: Value = serde_json::from_slice(&message).expect("JSON");
            if said["id"] == json!(self.count) {
                assert!(said.get("error").is_none(), "{method}: {said}");
                return said["result"].clone();
            }
        }
    }

    fn says(&mut self, script: &str) -> String {
        let asked = json!({"expression": script, "returnByValue": true, "userGesture": true, "awaitPromise": true});
        let said = self.does("Runtime.evaluate", asked);
        said["result"]["value"].as_str().unwrap_or_default().to_owned()
    }

    /// Opens the page, presses its button, and gives how it ended and what it then said.
    fn answers(&mut self, url: &str) -> (String, String) {
        self.does("Page.navigate", json!({"url": url}));
        self.waits_for(&["ready"]);
        self.says("document.getElementById('go').click(); ''");
        let state = self.waits_for(&["done", "failed"]);
        (state, self.says("document.getElementById('now').textContent"))
    }

    fn waits_for(&mut self, states: &[&str]) -> String {
        let began = Instant::now();
        loop {
            let state = self.says("document.body ? document.body.dataset.state : ''");
            if states.contains(&state.as_str()) {
                return state;
            }
            let body = self.says("document.body ? document.body.innerText : ''");
            assert!(
                began.elapsed() < PAGE_WITHIN,
                "waited for {states:?}; the page: {state} {body}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended already; either way it is collected.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A house with a person in it.
struct House {
    folder: tempfile::TempDir,
    people: People,
}

fn program() -> PathBuf {
    let tests = std::env::current_exe().expect("this test is a file");
    tests.ancestors().nth(2).expect("tests lie in deps").join("nightdesk")
}

impl House {
    /// Runs a command that serves a page; gives it, and the page.
    fn serves(&self, arguments: &[&str], lines: &[&str]) -> (Child, String) {
        let mut child = Command::new(program())
            .args(arguments)
            .arg("--config")
            .arg(self.folder.path().join("desk.yaml"))
            .env("NIGHTDESK_SESSION", self.people.session("marisol"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("`cargo build -p nightdesk` first");
        let mut input = child.stdin.take().expect("a pipe");
        for line in lines {
            writeln!(input, "{line}").expect("it reads");
        }
        let mut first = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        output.read_line(&mut first).expect("it prints");
        child.stdout = Some(output.into_inner());
        let url = first.split(' ').find(|word| word.starts_with("http://localhost:"));
        let Some(url) = url else {
            panic!("no page: {first}{}", ended(child).1);
        };
        (child, url.to_owned())
    }
}

/// Whether it ended well, and all it said.
fn ended(mut child: Child) -> (bool, String) {
    let mut said = String::new();
    let streams = (child.stdout.take(), child.stderr.take());
    let status = child.wait().expect("our own child");
    streams.0.map(|mut out| out.read_to_string(&mut said));
    streams.1.map(|mut err| err.read_to_string(&mut said));
    (status.success(), said)
}

/// Proves SEC-06: a passkey is made and used in a real browser; it stands for both factors, and removed it lets nobody in.
#[test]
fn somebody_makes_a_passkey_in_a_browser_and_logs_in_by_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let cedar = Path::new(env!("CARGO_MANIFEST_DIR")).join("../flows/cedar-family-medicine");
    let text = format!(
        "listen: [udp 127.0.0.1:0]\ntrunks: {{loopback: {{from: [127.0.0.0/8]}}}}\npractices: [{0}]\nlab practices: [{0}]\ndata: data\n\
         keys: keys\n",
        cedar.display()
    );
    std::fs::write(folder.path().join("desk.yaml"), text).expect("room");
    let config = folder.path().join("desk.yaml");
    let made = Command::new(program())
        .args(["keys", "make"])
        .arg(folder.path().join("keys"))
        .status();
    assert!(made.expect("`cargo build -p nightdesk` first").success());
    let people = People::of(&program(), &config, &folder.path().join("sessions"));
    let secret = people.owner("marisol");
    let house = House { folder, people };
    let mut browser = Browser::start(house.folder.path());
    // Each code counts once.
    let next_code = |used: &mut String| {
        let began = Instant::now();
        loop {
            let now = code(&secret);
            if now != *used {
                used.clone_from(&now);
                return now;
            }
            assert!(
                began.elapsed() < Duration::from_secs(40),
                "codes change every 30 seconds"
            );
            std::thread::sleep(Duration::from_millis(500));
        }
    };
    let mut used = code(&secret);

    let proof = next_code(&mut used);
    let (child, url) = house.serves(
        &["people", "passkey", "add", "marisol", "--name", "laptop"],
        &[PASSWORD, &proof],
    );
    let (state, told) = browser.answers(&url);
    let (made, said) = ended(child);
    assert!(
        made && state == "done" && told.contains("is yours"),
        "{state} {told} {said}"
    );

    let (out, said) = {
        let out = house.people.run("marisol", &["logout"], &[]);
        (out.status.success(), tests::people::said(&out))
    };
    assert!(out, "{said}");
    let (child, url) = house.serves(&["login", "marisol", "--passkey"], &[]);
    let (state, told) = browser.answers(&url);
    let (entered, said) = ended(child);
    assert!(
        entered && state == "done" && told.contains("is logged in"),
        "{state} {told} {said}"
    );
    // The session is as good as any: a command that asks for one.
    house.people.done("marisol", &["people", "list"], &[]);

    // A page of somebody else, and one who left no trace: the name of an office nobody has.
    let (child, url) = house.serves(&["login", "nobody-here", "--passkey"], &[]);
    let (state, _) = browser.answers(&url);
    let (entered, _) = ended_or_killed(child);
    assert!(!entered && state == "failed");

    let proof = next_code(&mut used);
    let removed = ["people", "passkey", "remove", "marisol", "--name", "laptop"];
    house.people.done("marisol", &removed, &[PASSWORD, &proof]);
    let listed = house.people.run("marisol", &["people", "list"], &[]);
    assert!(!listed.status.success(), "its sessions ended with it");
    let (child, url) = house.serves(&["login", "marisol", "--passkey"], &[]);
    let (state, told) = browser.answers(&url);
    let (entered, said) = ended_or_killed(child);
    assert!(!entered && state == "failed", "{told} {said}");
}

/// A page that was never answered waits for five minutes; a test does not.
fn ended_or_killed(mut child: Child) -> (bool, String) {
    std::thread::sleep(Duration::from_millis(500));
    if child.try_wait().expect("our own child").is_none() {
        child.kill().expect("our own child");
    }
    ended(child)
}
