//! People of a house under test: made, trained and logged in by the program itself, as anybody would be.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use jiff::Timestamp;
use seal::Authenticator;

/// Everybody's password here; it is theirs alone because the house is.
pub const PASSWORD: &str = "a fortnight of rain";

/// The people of one house.
pub struct People {
    binary: PathBuf,
    config: PathBuf,
    /// Where their sessions lie.
    folder: PathBuf,
}

impl People {
    /// Of the house of this configuration; sessions are kept in `folder`.
    pub fn of(binary: &Path, config: &Path, folder: &Path) -> Self {
        std::fs::create_dir_all(folder).expect("room");
        Self {
            binary: binary.to_owned(),
            config: config.to_owned(),
            folder: folder.to_owned(),
        }
    }

    /// Where somebody's session lies: the value of `NIGHTDESK_SESSION`.
    pub fn session(&self, id: &str) -> PathBuf {
        self.folder.join(id)
    }

    /// The first person, trained and logged in.
    pub fn owner(&self, id: &str) -> Authenticator {
        let told = self.done(id, &["people", "add", id, "--name", "Marisol Vega"], &[PASSWORD]);
        let secret = secret(&told);
        self.log_in(id, &secret);
        self.train(id, id);
        secret
    }

    /// Somebody else, added by `by`, trained, and logged in.
    pub fn joins(&self, by: &str, id: &str, role: &str, more: &[&str]) -> Authenticator {
        let mut add = vec!["people", "add", id, "--name", "Somebody Else", "--role", role];
        add.extend(more);
        let told = self.done(by, &add, &[]);
        let words = told.lines().find_map(|line| line.trim().strip_prefix("invitation"));
        let words = words.expect("an invitation").trim().to_owned();
        let told = self.done(id, &["people", "accept", id], &[&words, PASSWORD]);
        let secret = secret(&told);
        self.train(by, id);
        self.log_in(id, &secret);
        secret
    }

    /// Files an agreement with a practice, signed on the first day of the year.
    pub fn agree(&self, by: &str, practice: &str) {
        self.agree_as(by, "the-agreement", ["--practice", practice]);
    }

    /// The same under a name of its own: with `["--service", …]` or `["--practice", …]`.
    pub fn agree_as(&self, by: &str, id: &str, with: [&str; 2]) {
        let paper = self.folder.join("agreement.txt");
        std::fs::write(&paper, "signed by both").expect("room");
        let mut add = vec!["agreements", "add", id];
        add.extend(with);
        add.extend(["--party", with[1], "--party", "Nightdesk", "--signed", "2026-01-01"]);
        add.extend(["--scope", "after-hours telephone", "--permitted-uses", "answering"]);
        add.extend(["--safeguards", "the security rule", "--breach-days", "10"]);
        add.extend([
            "--termination",
            "return or destroy",
            "--liability",
            "each for their own",
        ]);
        add.extend(["--file", paper.to_str().expect("a plain path")]);
        self.done(by, &add, &[]);
    }

    /// Writes down that somebody was trained today.
    pub fn train(&self, by: &str, id: &str) {
        self.done(by, &["people", "trained", id, "--topics", "privacy"], &[]);
    }

    /// Logs somebody in, with a code that counts now.
    pub fn log_in(&self, id: &str, secret: &Authenticator) {
        self.done(id, &["login", id], &[PASSWORD, &code(secret)]);
    }

    /// Runs a command in somebody's session, with these lines on its standard input.
    pub fn run(&self, id: &str, arguments: &[&str], lines: &[&str]) -> Output {
        let mut child = Command::new(&self.binary)
            .args(arguments)
            .arg("--config")
            .arg(&self.config)
            .env("NIGHTDESK_SESSION", self.session(id))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was just built");
        let mut input = child.stdin.take().expect("a pipe");
        // Whoever is refused may not have read it.
        let _ = input.write_all(
            lines
                .iter()
                .map(|line| format!("{line}\n"))
                .collect::<String>()
                .as_bytes(),
        );
        drop(input);
        child.wait_with_output().expect("our own child")
    }

    /// The same, which must be good; gives what it printed.
    pub fn done(&self, id: &str, arguments: &[&str], lines: &[&str]) -> String {
        let output = self.run(id, arguments, lines);
        assert!(output.status.success(), "nightdesk {arguments:?}: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// All that a command printed.
pub fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The code of now.
pub fn code(secret: &Authenticator) -> String {
    format!("{:06}", secret.code(Timestamp::now().as_second()))
}

fn secret(told: &str) -> Authenticator {
    let text = told.lines().find_map(|line| line.trim().strip_prefix("secret"));
    Authenticator::from_base32(text.expect("a secret")).expect("an authenticator's secret")
}
