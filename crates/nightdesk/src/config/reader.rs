//! Reading values out of the tree: addresses, lengths of time, lists, files; what is wrong is said in one voice.

use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flow::source::{Kind, Node};
use flow::{Diagnostic, Severity};

/// The longest password or token that is read from a file.
const SECRET_BYTES_MAX: usize = 1024;
/// The longest time that may be written, a year: nothing here waits longer, and a clock can count so far.
const TIME_S_MAX: u64 = 366 * 24 * 3_600;

/// Collects diagnostics while values are read.
pub(super) struct Reader {
    pub(super) file: String,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) folder: PathBuf,
}

/// Where a finding stands.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    /// At this value.
    Value(&'a Node),
    /// Nowhere: something is missing.
    File,
}

impl Reader {
    pub(super) fn address(&mut self, tree: &Node, name: &str) -> Option<IpAddr> {
        let node = tree.entry(name)?;
        let address = node.text().and_then(|text| text.parse().ok());
        if address.is_none() {
            self.wrong(
                node,
                "this is not an address",
                "carriers would send audio nowhere",
                "write `203.0.113.7`",
            );
        }
        address
    }

    pub(super) fn ports(&mut self, tree: &Node) -> Option<RangeInclusive<u16>> {
        let node = tree.entry("rtp ports")?;
        let range = node.text().and_then(|text| {
            let (from, to) = text.split_once(" to ")?;
            let (from, to): (u16, u16) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
            (from < to).then_some(from..=to)
        });
        if range.is_none() {
            self.wrong(
                node,
                "this is not a range of ports",
                "no caller would hear anything",
                "write `20000 to 29999`",
            );
        }
        range
    }

    pub(super) fn number(&mut self, tree: &Node, name: &str, within: RangeInclusive<usize>) -> Option<usize> {
        self.number_at(tree.entry(name)?, within)
    }

    pub(super) fn number_at(&mut self, node: &Node, within: RangeInclusive<usize>) -> Option<usize> {
        let number = node
            .text()
            .and_then(|text| text.parse().ok())
            .filter(|n| within.contains(n));
        if number.is_none() {
            let fix = format!("write a number from {} to {}", within.start(), within.end());
            self.wrong(
                node,
                "this is not a number in range",
                "the default would be used without your knowing",
                &fix,
            );
        }
        number
    }

    pub(super) fn duration(&mut self, tree: &Node, name: &str) -> Option<Duration> {
        self.duration_at(tree.entry(name)?)
    }

    pub(super) fn duration_at(&mut self, node: &Node) -> Option<Duration> {
        let duration = node.text().and_then(length_of_time);
        if duration.is_none() {
            self.wrong(
                node,
                "this is not a length of time",
                "the default would be used without your knowing",
                "write `20 seconds` or `1 hour`",
            );
        }
        duration
    }

    pub(super) fn path(&mut self, tree: &Node, name: &str) -> Option<PathBuf> {
        self.paths(tree, name).into_iter().next()
    }

    pub(super) fn paths(&mut self, tree: &Node, name: &str) -> Vec<PathBuf> {
        let items = tree.entry(name).map(words_of).unwrap_or_default();
        items
            .iter()
            .filter_map(|item| item.text())
            .map(|text| self.folder.join(text))
            .collect()
    }

    /// One of these words, and what each stands for.
    pub(super) fn one_of<T: Copy>(&mut self, node: &Node, known: &[(&str, T)], suffers: &str) -> Option<T> {
        let word = node.text().unwrap_or_default();
        let found = known.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        if found.is_none() {
            let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            self.wrong(
                node,
                "this word means nothing here",
                suffers,
                &format!("write one of: {}", names.join(", ")),
            );
        }
        found.map(|(_, value)| *value)
    }

    /// A file with a password, a key or a token: its first line, without a word about what it says.
    pub(super) fn secret(&mut self, node: &Node) -> Option<String> {
        let path = self.folder.join(node.text()?);
        let text = match first_bytes(&path) {
            Ok(text) => text,
            Err(error) => {
                self.say(
                    "N008",
                    Severity::Error,
                    At::Value(node),
                    format!("{} cannot be read: {}", path.display(), reason(&error)),
                    "the carrier would refuse us",
                    "check the path and its owner; the file holds one line",
                );
                return None;
            }
        };
        self.private(node, &path);
        let line = text.lines().next().unwrap_or_default().trim();
        if line.is_empty() || line.len() > SECRET_BYTES_MAX || line.contains(|c: char| c.is_control()) {
            self.say(
                "N008",
                Severity::Error,
                At::Value(node),
                format!("the first line of {} is no password", path.display()),
                "the carrier would refuse us",
                "write the password alone on the first line",
            );
            return None;
        }
        Some(line.to_owned())
    }

    /// Only its owner may read a file with a secret.
    pub(super) fn private(&mut self, node: &Node, path: &Path) {
        let open_to_others = std::fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o077 != 0);
        if open_to_others {
            self.say(
                "N009",
                Severity::Warning,
                At::Value(node),
                format!("other users of this machine can read {}", path.display()),
                "whoever reads it can make calls that you pay for, or listen",
                &format!("run `chmod 600 {}`", path.display()),
            );
        }
    }

    pub(super) fn only(&mut self, node: &Node, known: &[&str], place: &str) {
        for (name, value) in node.entries() {
            if !known.contains(&name.text.as_str()) {
                let like = nearest(&name.text, known);
                let fix = match like {
                    Some(like) => format!("did you mean `{like}`?"),
                    None => format!("{place} knows: {}", known.join(", ")),
                };
                self.say(
                    "N001",
                    Severity::Error,
                    At::Value(value),
                    format!("`{}` is not a setting", name.text),
                    "it has no effect",
                    &fix,
                );
            }
        }
    }

    pub(super) fn wrong(&mut self, node: &Node, what: &str, suffers: &str, fix: &str) {
        self.say("N002", Severity::Error, At::Value(node), what.to_owned(), suffers, fix);
    }

    pub(super) fn missing(&mut self, name: &str, suffers: &str, fix: &str) {
        self.say(
            "N003",
            Severity::Error,
            At::File,
            format!("`{name}` is missing"),
            suffers,
            fix,
        );
    }

    pub(super) fn say(
        &mut self,
        code: &'static str,
        severity: Severity,
        at: At<'_>,
        what: String,
        suffers: &str,
        fix: &str,
    ) {
        let (span, line) = match at {
            At::Value(node) => (node.at.span.clone(), node.at.line),
            At::File => (0..0, 1),
        };
        self.diagnostics.push(Diagnostic {
            code,
            severity,
            file: self.file.clone(),
            span,
            line,
            what,
            suffers: suffers.to_owned(),
            fix: fix.to_owned(),
        });
    }
}

/// `[a, b]`, or a single word where a list may stand.
pub(super) fn words_of(node: &Node) -> Vec<&Node> {
    match &node.kind {
        Kind::List(items) => items.iter().collect(),
        Kind::Nothing => Vec::new(),
        _ => vec![node],
    }
}

/// `20 seconds`, `1 hour`
fn length_of_time(text: &str) -> Option<Duration> {
    let (amount, unit) = text.split_once(' ')?;
    let amount: u64 = amount.parse().ok()?;
    let seconds = match unit.trim_end_matches('s') {
        "second" => 1,
        "minute" => 60,
        "hour" => 3_600,
        _ => return None,
    };
    let seconds = amount.checked_mul(seconds).filter(|seconds| *seconds <= TIME_S_MAX)?;
    Some(Duration::from_secs(seconds))
}

/// `udp 127.0.0.1:5060`
pub(crate) fn socket(text: &str) -> Option<(sip::Transport, SocketAddr)> {
    let (transport, address) = text.split_once(' ')?;
    Some((transport_named(transport)?, address.trim().parse().ok()?))
}

/// `udp`, `tcp`, `tls`, `ws`, `wss`
pub(crate) fn transport_named(word: &str) -> Option<sip::Transport> {
    Some(match word.to_ascii_lowercase().as_str() {
        "udp" => sip::Transport::Udp,
        "tcp" => sip::Transport::Tcp,
        "tls" => sip::Transport::Tls,
        "ws" => sip::Transport::Ws,
        "wss" => sip::Transport::Wss,
        _ => return None,
    })
}

/// The setting somebody probably meant: at most two letters away.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let best = known.iter().map(|name| (distance(word, name), *name)).min()?;
    (best.0 <= 2 && best.1.len() > 3).then_some(best.1)
}

/// Letters to put in, take out or change to make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for (j, to) in b.iter().enumerate() {
            let above = row.get(j + 1).copied().unwrap_or(usize::MAX - 1) + 1;
            let left = next.last().copied().unwrap_or(usize::MAX - 1) + 1;
            let across = row.get(j).copied().unwrap_or(usize::MAX - 1) + usize::from(from != *to);
            next.push(above.min(left).min(across));
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

/// As much of a file as a secret may be long, and a byte more to tell. A device or a pipe has no end, so it is no such file.
fn first_bytes(path: &Path) -> std::io::Result<String> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    let mut text = String::new();
    let most = u64::try_from(SECRET_BYTES_MAX + 1).unwrap_or(u64::MAX);
    std::fs::File::open(path)?.take(most).read_to_string(&mut text)?;
    Ok(text)
}

/// What went wrong with a file, in words that are the same on every machine.
pub(super) fn reason(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file",
        std::io::ErrorKind::PermissionDenied => "it may not be read by this user",
        std::io::ErrorKind::InvalidInput => "it is no file",
        _ => "the disk gave an error",
    }
}
