//! Faults as people make them, injected into the text of shipped files.
//!
//! Each changes something a caller would hear or something that would be done for them; an edit that changes nothing
//! (two keys swapped that lead to the same place) is not made. Which are tried in a plain run is drawn from a seed.

use std::collections::BTreeMap;

use flow::Folder;

/// One fault.
pub(crate) struct Mutant {
    /// What kind of slip it is.
    pub(crate) kind: &'static str,
    /// The file it is in.
    pub(crate) file: String,
    /// That file with the fault.
    pub(crate) text: String,
    /// The fault, for people.
    pub(crate) told: String,
}

/// So many of them, of every kind, drawn by a fixed seed.
pub(crate) fn sample(mut all: Vec<Mutant>, most: usize) -> Vec<Mutant> {
    let mut dice: u64 = 0x5eed;
    let mut by_kind: BTreeMap<&str, Vec<Mutant>> = BTreeMap::new();
    while !all.is_empty() {
        dice = dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let at = usize::try_from(dice >> 33).unwrap_or(0) % all.len();
        let mutant = all.swap_remove(at);
        by_kind.entry(mutant.kind).or_default().push(mutant);
    }
    let mut drawn = Vec::new();
    while drawn.len() < most && by_kind.values().any(|left| !left.is_empty()) {
        for left in by_kind.values_mut() {
            drawn.extend(left.pop());
        }
    }
    drawn
}

/// Every fault of every kind in the files of one practice.
pub(crate) fn of(folder: &Folder) -> Vec<Mutant> {
    let mut out = Vec::new();
    let is_condition = |line: &&str| {
        ["only if:", "if:"]
            .iter()
            .any(|word| line.trim_start().starts_with(word))
    };
    let conditions: Vec<&str> = folder
        .files
        .values()
        .flat_map(|text| text.lines())
        .filter(is_condition)
        .collect();
    for (file, text) in &folder.files {
        let mut page = Page {
            file,
            conditions: &conditions,
            lines: text.lines().collect(),
            out: &mut out,
        };
        if file.ends_with(".protocol.yaml") {
            page.protocol();
        } else if file.ends_with(".flow.yaml") {
            page.flow();
        } else if file.ends_with("practice.yaml") {
            page.practice();
        } else if !file.ends_with(".tests.yaml") {
            page.translations();
        }
    }
    out
}

struct Page<'a> {
    file: &'a str,
    /// Every condition in the folder.
    conditions: &'a [&'a str],
    lines: Vec<&'a str>,
    out: &'a mut Vec<Mutant>,
}

impl Page<'_> {
    fn add(&mut self, kind: &'static str, line: usize, lines: &[String]) {
        self.out.push(Mutant {
            kind,
            file: self.file.to_owned(),
            text: lines.join("\n") + "\n",
            told: format!("{} line {}: {}", self.file, line + 1, self.lines[line].trim()),
        });
    }

    fn owned(&self) -> Vec<String> {
        self.lines.iter().map(|line| (*line).to_owned()).collect()
    }

    /// One line otherwise.
    fn with(&mut self, kind: &'static str, line: usize, text: String) {
        if text != self.lines[line] {
            let mut lines = self.owned();
            lines[line] = text;
            self.add(kind, line, &lines);
        }
    }

    /// One line, and what hangs below it, gone.
    fn without(&mut self, kind: &'static str, line: usize) {
        let mut lines = self.owned();
        lines.drain(line..self.end_of(line));
        self.add(kind, line, &lines);
    }

    /// The line after an entry and all that is deeper than it.
    fn end_of(&self, line: usize) -> usize {
        let depth = indent(self.lines[line]);
        (line + 1..self.lines.len())
            .find(|&at| self.lines[at].trim().is_empty() || indent(self.lines[at]) <= depth)
            .unwrap_or(self.lines.len())
    }

    fn starting<'s>(&'s self, with: &'s str) -> Vec<usize> {
        let begins = |at: &usize| self.lines[*at].trim_start().starts_with(with);
        (0..self.lines.len()).filter(begins).collect()
    }

    fn protocol(&mut self) {
        const LEVELS: [&str; 3] = ["emergency:", "urgent:", "semi-urgent:"];
        let mut level = None;
        for line in 0..self.lines.len() {
            let text = self.lines[line];
            if let Some(at) = LEVELS.iter().position(|level| *level == text.trim_end()) {
                level = Some(at);
                continue;
            }
            if !text.starts_with("  - ") {
                continue;
            }
            let Some(level) = level else { continue };
            self.without("a red-flag question is lost", line);
            // One level down: to the end of the next list.
            if let Some(next) = LEVELS.get(level + 1) {
                let mut lines = self.owned();
                let moved: Vec<String> = lines.drain(line..self.end_of(line)).collect();
                let head = lines.iter().position(|line| line.trim_end() == *next);
                let end = head.map(|head| {
                    (head + 1..lines.len())
                        .find(|&at| !lines[at].starts_with("  "))
                        .unwrap_or(lines.len())
                });
                if let Some(end) = end {
                    lines.splice(end..end, moved);
                    self.add("a question is graded one level down", line, &lines);
                }
            }
            for (from, to) in [
                ("103", "105"),
                ("100.4", "104"),
                ("three days", "five days"),
                ("eight hours", "two days"),
            ] {
                if text.contains(from) {
                    self.with("a number in a question is another", line, text.replace(from, to));
                }
            }
        }
        for line in self.starting("only if:") {
            self.without("a question asked of some is asked of all", line);
            let text = self.lines[line];
            let turned = if text.contains(" is not ") {
                text.replace(" is not ", " is ")
            } else {
                text.replace(" is ", " is not ")
            };
            self.with("a condition is turned round", line, turned);
        }
        for line in self.starting("if an answer is unclear:") {
            for to in ["semi-urgent", "routine"] {
                self.with(
                    "silence counts for less than urgent",
                    line,
                    format!("if an answer is unclear: {to}"),
                );
            }
            self.without("nothing says what silence means", line);
        }
        for line in self.starting("source:") {
            self.without("wording without a source", line);
        }
    }

    fn flow(&mut self) {
        for line in self.starting("- emergency notice") {
            self.without("the emergency notice is lost", line);
        }
        for line in self.starting("- tell the caller to call 911") {
            self.without("the 911 direction is lost", line);
        }
        for line in self.starting("- ask permission to record") {
            self.without("nobody is asked for permission to record", line);
        }
        for line in self.starting("recording: never") {
            self.with("calls are recorded unasked", line, "recording: always".to_owned());
        }
        for line in self.starting("owner:") {
            if self.starting("recording:").is_empty() {
                let text = format!("{}\nrecording: always", self.lines[line]);
                self.with("calls are recorded unasked", line, text);
            }
        }
        for line in self.starting("start:") {
            self.with("calls begin behind the greeting", line, "start: main menu".to_owned());
        }
        // The last step of the net may be left out: a call in it ends by itself.
        let hang_ups = self.starting("- hang up");
        let net = self.starting("safety net:").first().copied().unwrap_or(usize::MAX);
        for line in hang_ups.into_iter().filter(|line| *line < net) {
            self.without("a section runs out", line);
        }
        for line in self.starting("- escalate to:") {
            self.without("no telephone is rung", line);
            let text = self.lines[line];
            self.with("a name is misspelt", line, format!("{text}e"));
            self.with("a verb is misspelt", line, text.replace("escalate to", "escalte to"));
        }
        for line in self.starting("if no one accepts:") {
            self.without("nothing says what follows when nobody comes", line);
        }
        for line in self.starting("if the caller hangs up: keep going") {
            let text = self.lines[line].replace("keep going, and call back", "stop");
            self.with("a hang-up stops the ladder", line, text);
        }
        for line in self.starting("- connect to:") {
            self.with("connected to 911", line, "    - connect to: \"911\"".to_owned());
        }
        for line in self.starting("- take refill:") {
            let mut lines = self.owned();
            lines[line] = self.lines[line].replace("take refill", "take message");
            lines.drain(line + 1..self.end_of(line));
            self.add("a controlled medicine is not asked about", line, &lines);
        }
        for line in self.starting("controlled medicine:") {
            let text = self.lines[line].replace("doctor reviews", "approve");
            self.with("a controlled medicine is approved by itself", line, text);
        }
        for line in self.starting("saying:") {
            let text = self.lines[line].replace("A caller", "A caller with chest pain");
            self.with("a notice tells", line, text);
        }
        for line in self.starting("- take message:") {
            self.without("a message is not taken", line);
        }
        for line in self.starting("press 0:") {
            self.without("0 leads nowhere", line);
            self.with("0 leads to less", line, "  press 0: office message".to_owned());
        }
        for line in self.starting("every question: {") {
            let text = self.lines[line];
            let from = text.find("press 0: ").map(|at| at + 9);
            let to = from.and_then(|from| Some(from + text.get(from..)?.find(',')?));
            if let (Some(from), Some(to)) = (from, to) {
                let less = if text.contains("counselor") {
                    "leave word"
                } else {
                    "office message"
                };
                let mut text = text.to_owned();
                text.replace_range(from..to, less);
                self.with("0 leads to less", line, text);
            }
        }
        self.leads();
        self.menus();
        self.messages();
        for line in self.starting("- say: ") {
            let text = self.lines[line];
            self.with(
                "a sentence tells callers they are fine",
                line,
                format!("{text} You are fine."),
            );
        }
    }

    /// `if yes: X` and `if no: Y`, and the dispositions, exchanged where they differ.
    fn leads(&mut self) {
        for (one, other, kind) in [
            ("if yes:", "if no:", "yes and no are exchanged"),
            ("if emergency:", "if urgent:", "emergency and urgent are exchanged"),
            ("if urgent:", "if semi-urgent:", "urgent leads where semi-urgent does"),
        ] {
            for line in self.starting(one) {
                let Some(next) = self
                    .lines
                    .get(line + 1)
                    .filter(|next| next.trim_start().starts_with(other))
                else {
                    continue;
                };
                let value = |text: &str| {
                    text.split_once(": ")
                        .map_or(String::new(), |(_, value)| value.to_owned())
                };
                let (this, that) = (value(self.lines[line]), value(next));
                if this == that {
                    continue;
                }
                let mut lines = self.owned();
                lines[line] = lines[line].replace(&this, &that);
                if !kind.starts_with("urgent") {
                    lines[line + 1] = lines[line + 1].replace(&that, &this);
                }
                self.add(kind, line, &lines);
            }
        }
        for line in self.starting("if no answer:") {
            let text = self.lines[line];
            let now = text.split_once(": ").map_or("", |(_, value)| value).trim();
            // Where the other answers of the same question lead.
            let beside = ["if no:", "if yes:"].into_iter().find_map(|answer| {
                let near = line.checked_sub(2)?..line;
                let found = near
                    .into_iter()
                    .find(|&at| self.lines[at].trim_start().starts_with(answer))?;
                let to = self.lines[found].split_once(": ")?.1.trim();
                (to != now).then(|| to.to_owned())
            });
            if let Some(beside) = beside {
                let text = text.replace(now, &beside);
                self.with("silence leads elsewhere", line, text);
            } else {
                self.without("nothing says what follows when nobody answers", line);
            }
        }
        for line in self.starting("if not found:") {
            let text = self.lines[line].replace("appointment message", "apointment message");
            self.with("a name is misspelt", line, text);
        }
    }

    /// Two keys of a menu that lead to each other's section, or remember each other's value.
    fn menus(&mut self) {
        for line in 0..self.lines.len().saturating_sub(1) {
            let (this, next) = (self.lines[line], self.lines[line + 1]);
            let key = |text: &str| text.trim_start().starts_with("press ") && text.contains("{for:");
            if !key(this) || !key(next) {
                continue;
            }
            for (name, kind) in [
                ("go to: ", "two keys are exchanged"),
                ("remember: ", "two answers are remembered as each other"),
            ] {
                let value = |text: &str| -> Option<String> {
                    let rest = text.get(text.find(name)? + name.len()..)?;
                    let end = rest.find([',', '}'])?;
                    rest.get(..end).map(str::to_owned)
                };
                let differs = |a: &str, b: &str| {
                    // Two answers no condition tells apart are the same to every caller.
                    let asked = |value: &str| self.conditions.iter().any(|line| line.contains(value));
                    a != b && (name == "go to: " || asked(a) || asked(b))
                };
                if let (Some(a), Some(b)) = (value(this), value(next))
                    && differs(&a, &b)
                {
                    let mut lines = self.owned();
                    lines[line] = lines[line].replace(&format!("{name}{a}"), &format!("{name}{b}"));
                    lines[line + 1] = lines[line + 1].replace(&format!("{name}{b}"), &format!("{name}{a}"));
                    self.add(kind, line, &lines);
                }
            }
            let mut lines = self.owned();
            lines[line + 1] = next.replacen(&next.trim_start()[..8], &this.trim_start()[..8], 1);
            self.add("one key twice", line, &lines);
        }
    }

    fn messages(&mut self) {
        let inboxes = [
            "nurse inbox",
            "front desk inbox",
            "refill inbox",
            "care team inbox",
            "billing inbox",
            "schedule inbox",
            "referral inbox",
        ];
        for line in 0..self.lines.len() {
            let text = self.lines[line].to_owned();
            let Some(from) = text
                .find("ask: [")
                .map(|at| at + 6)
                .filter(|_| text.contains("goes to:"))
            else {
                continue;
            };
            let to = from + text[from..].find(']').unwrap_or(0);
            let fields: Vec<&str> = text[from..to].split(", ").collect();
            for skipped in 0..fields.len() {
                let kept: Vec<&str> = (0..fields.len())
                    .filter(|at| *at != skipped)
                    .map(|at| fields[at])
                    .collect();
                if kept.is_empty() {
                    continue;
                }
                let mut changed = text.clone();
                changed.replace_range(from..to, &kept.join(", "));
                self.with("a detail is not asked for", line, changed);
            }
            for inbox in inboxes
                .into_iter()
                .filter(|inbox| text.contains(&format!("goes to: {inbox}")))
            {
                let other = if inbox == "front desk inbox" {
                    "nurse inbox"
                } else {
                    "front desk inbox"
                };
                if inbox != "care team inbox" {
                    self.with("a message goes to another inbox", line, text.replace(inbox, other));
                }
                self.with(
                    "a name is misspelt",
                    line,
                    text.replace(inbox, &inbox.replace("inbox", "inbx")),
                );
            }
            if let Some(at) = text.find(", call back by:") {
                self.with("no promise when somebody calls", line, format!("{}}}", &text[..at]));
                // The sentence that is heard after a refill names its own time.
                if !text.contains("refill") {
                    let moved = text
                        .replace("10 am on", "4 pm on")
                        .replace("noon ", "5 pm ")
                        .replace("9 am ", "3 pm ")
                        .replace(" am}", " pm}");
                    self.with("the promise is another", line, moved);
                }
            }
        }
    }

    fn practice(&mut self) {
        for line in self.starting("- {call:") {
            self.without("a rung is lost", line);
            let text = self.lines[line];
            self.with(
                "a telephone is rung once less",
                line,
                text.replace("tries: 2", "tries: 1"),
            );
            if let Some(next) = self
                .lines
                .get(line + 1)
                .filter(|next| next.trim_start().starts_with("- {call:"))
            {
                let mut lines = self.owned();
                lines[line] = (*next).to_owned();
                lines[line + 1] = text.to_owned();
                self.add("two rungs are exchanged", line, &lines);
            }
        }
        for line in self.starting("keep paging:") {
            self.without("paging ends with the ladder", line);
        }
        for line in self.starting("accept with:") {
            self.without("nothing says which key accepts", line);
        }
        for line in self.starting("time zone:") {
            self.without("no time zone", line);
        }
        for line in self.starting("if nobody is listed:") {
            self.without("nobody answers for a gap", line);
        }
        for line in self.starting("they hear:") {
            let text = self.lines[line].replace("call", "call about chest pain");
            self.with("a notice tells", line, text);
        }
        for line in 0..self.lines.len() {
            let text = self.lines[line];
            if let Some(at) = text.find(", call: +1").map(|at| at + ", call: +1 512 555 010".len()) {
                let cut = format!("{}{}", &text[..at], &text[at + 1..]);
                self.with("a telephone number is cut", line, cut);
            }
            if text.trim_start().starts_with("988 Lifeline:") {
                self.with("connected to 911", line, "  988 Lifeline: 911".to_owned());
            }
        }
    }

    fn translations(&mut self) {
        for line in 0..self.lines.len() {
            let text = self.lines[line];
            if text.trim().is_empty() || text.trim_start().starts_with('#') || text.starts_with(' ') {
                continue;
            }
            self.without("a translation is dropped", line);
        }
    }
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}
