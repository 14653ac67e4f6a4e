//! The configuration file: YAML read by the same reader as the flows, with the same kind of diagnostics.
//!
//! Every name below is one a person who knows telephones would use; every mistake names the line, what would not work,
//! and one fix. Codes N001 to N004; nothing here can turn sealing, the book or consent off (SEC-09).

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flow::source::{Kind, Node};
use flow::{Diagnostic, Severity};
use switchboard::{DeskConfig, Listener, Network, Outbound, Trunk};

/// What the file said, with paths made absolute against its folder.
pub(crate) struct Settings {
    /// The desk's part.
    pub(crate) desk: DeskConfig,
    /// Local address for RTP.
    pub(crate) media_bind: IpAddr,
    /// RTP and RTCP ports.
    pub(crate) rtp_ports: RangeInclusive<u16>,
    /// Media threads; 0 chooses.
    pub(crate) media_threads: usize,
    /// Practice folders.
    pub(crate) practices: Vec<PathBuf>,
    /// Data folder.
    pub(crate) data: PathBuf,
    /// Key folder.
    pub(crate) keys: PathBuf,
    /// The speech program, if one is named.
    pub(crate) speech: Option<String>,
    /// How long draining waits for calls.
    pub(crate) drain: Duration,
}

/// Names that may stand at the top, with what each is for.
const TOP: &[&str] = &[
    "listen",
    "external address",
    "media address",
    "rtp ports",
    "media threads",
    "trunks",
    "practices",
    "data",
    "keys",
    "speech",
    "calls at most",
    "ring before answering",
    "ladder speed",
    "drain for",
];

const IN_A_TRUNK: &[&str] = &["from", "outbound", "user", "password"];

/// Reads a configuration. What is wrong stands in the diagnostics; with an error among them there are no settings.
pub(crate) fn read(file: &Path, text: &str) -> (Option<Settings>, Vec<Diagnostic>) {
    let name = file.display().to_string();
    let read = flow::source::read(&name, text);
    let folder = file.parent().map(Path::to_path_buf).unwrap_or_default();
    let mut reader = Reader {
        file: name,
        diagnostics: read.diagnostics,
        folder,
    };
    let Some(tree) = read.tree else {
        reader.missing(
            "listen",
            "no caller can reach this machine",
            "write `listen: [udp 0.0.0.0:5060]`",
        );
        return (None, reader.diagnostics);
    };
    let settings = reader.settings(&tree);
    let broken = reader.diagnostics.iter().any(|d| d.severity == Severity::Error);
    (settings.filter(|_| !broken), reader.diagnostics)
}

struct Reader {
    file: String,
    diagnostics: Vec<Diagnostic>,
    folder: PathBuf,
}

impl Reader {
    fn settings(&mut self, tree: &Node) -> Option<Settings> {
        self.only(tree, TOP, "the file");
        let external = self.address(tree, "external address");
        let listen = self.listeners(tree, external);
        let first = listen.first().map(|l| l.local.ip());
        if listen.is_empty() {
            self.missing(
                "listen",
                "no caller can reach this machine",
                "write `listen: [udp 0.0.0.0:5060]`",
            );
        }
        let trunks = self.trunks(tree, &listen);
        if trunks.is_empty() {
            self.missing(
                "trunks",
                "every caller is a stranger and gets no answer",
                "name one: `trunks: {carrier: {from: [192.0.2.0/24]}}`",
            );
        }
        let media_bind = self.address(tree, "media address").or(first)?;
        let practices = self.paths(tree, "practices");
        if practices.is_empty() {
            self.missing(
                "practices",
                "no number belongs to anybody",
                "write `practices: [flows]`",
            );
        }
        let data = self.path(tree, "data");
        if data.is_none() {
            self.missing(
                "data",
                "messages and recordings have no place",
                "write `data: /var/lib/nightdesk`",
            );
        }
        let keys = self.path(tree, "keys");
        if keys.is_none() {
            self.missing(
                "keys",
                "nothing can be sealed, so nothing can be kept",
                "write `keys: /etc/nightdesk/keys`",
            );
        }
        let calls_max = self.number(tree, "calls at most", 1..=100_000).unwrap_or(1_000);
        let desk = DeskConfig {
            calls_max,
            calls_per_practice_max: calls_max,
            ring_before_answer: self.duration(tree, "ring before answering").unwrap_or(Duration::ZERO),
            ladder_speed: self
                .number(tree, "ladder speed", 1..=100)
                .and_then(|n| u32::try_from(n).ok())
                .unwrap_or(1),
            ..DeskConfig::new(listen, external.unwrap_or(media_bind), trunks)
        };
        Some(Settings {
            desk,
            media_bind,
            rtp_ports: self.ports(tree).unwrap_or(20_000..=29_999),
            media_threads: self.number(tree, "media threads", 1..=256).unwrap_or(0),
            practices,
            data: data?,
            keys: keys?,
            speech: tree.entry("speech").and_then(Node::text).map(str::to_owned),
            drain: self.duration(tree, "drain for").unwrap_or(Duration::from_secs(60 * 60)),
        })
    }

    /// `udp 0.0.0.0:5060`
    fn listeners(&mut self, tree: &Node, external: Option<IpAddr>) -> Vec<Listener> {
        let Some(node) = tree.entry("listen") else {
            return Vec::new();
        };
        let mut listeners = Vec::new();
        for item in words_of(node) {
            match item.text().and_then(socket) {
                Some((transport, local)) => {
                    let advertised = SocketAddr::new(external.unwrap_or(local.ip()), local.port());
                    listeners.push(Listener {
                        transport,
                        local,
                        advertised,
                    });
                }
                None => self.wrong(
                    item,
                    "this is not a transport and an address",
                    "nobody is listened to here",
                    "write `udp 0.0.0.0:5060` or `tcp [::]:5060`",
                ),
            }
        }
        listeners
    }

    fn trunks(&mut self, tree: &Node, listen: &[Listener]) -> Vec<Trunk> {
        let Some(node) = tree.entry("trunks") else {
            return Vec::new();
        };
        let mut trunks = Vec::new();
        for (name, trunk) in node.entries() {
            self.only(trunk, IN_A_TRUNK, "a trunk");
            let mut sources = Vec::new();
            for item in trunk.entry("from").map(words_of).unwrap_or_default() {
                match item.text().and_then(Network::parse) {
                    Some(network) => sources.push(network),
                    None => self.wrong(
                        item,
                        "this is not a network",
                        "the carrier's calls get no answer",
                        "write an address or `192.0.2.0/24`",
                    ),
                }
            }
            let outbound = trunk
                .entry("outbound")
                .and_then(|item| match item.text().and_then(socket) {
                    Some((transport, remote)) => {
                        let local = listen
                            .iter()
                            .find(|l| l.transport == transport && l.local.is_ipv4() == remote.is_ipv4());
                        if local.is_none() {
                            self.wrong(
                                item,
                                "nothing listens on this transport",
                                "no doctor can be rung",
                                "add a `listen` entry of the same transport",
                            );
                        }
                        local.map(|_| Outbound::at(transport, remote))
                    }
                    None => {
                        self.wrong(
                            item,
                            "this is not a transport and an address",
                            "no doctor can be rung",
                            "write `udp 192.0.2.10:5060`",
                        );
                        None
                    }
                });
            let user = trunk.entry("user").and_then(Node::text);
            let credentials = user.map(|user| {
                let password = trunk.entry("password").and_then(Node::text).unwrap_or_default();
                sip::digest::Credentials::new(user.to_owned(), password.to_owned())
            });
            trunks.push(Trunk {
                credentials,
                ..Trunk::new(&name.text, sources).calling(outbound)
            });
        }
        trunks
    }

    fn address(&mut self, tree: &Node, name: &str) -> Option<IpAddr> {
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

    fn ports(&mut self, tree: &Node) -> Option<RangeInclusive<u16>> {
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

    fn number(&mut self, tree: &Node, name: &str, within: RangeInclusive<usize>) -> Option<usize> {
        let node = tree.entry(name)?;
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

    fn duration(&mut self, tree: &Node, name: &str) -> Option<Duration> {
        let node = tree.entry(name)?;
        let duration = node.text().and_then(|text| {
            let (amount, unit) = text.split_once(' ')?;
            let amount: u64 = amount.parse().ok()?;
            let seconds = match unit.trim_end_matches('s') {
                "second" => 1,
                "minute" => 60,
                "hour" => 3_600,
                _ => return None,
            };
            amount.checked_mul(seconds).map(Duration::from_secs)
        });
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

    fn path(&mut self, tree: &Node, name: &str) -> Option<PathBuf> {
        self.paths(tree, name).into_iter().next()
    }

    fn paths(&mut self, tree: &Node, name: &str) -> Vec<PathBuf> {
        let items = tree.entry(name).map(words_of).unwrap_or_default();
        items
            .iter()
            .filter_map(|item| item.text())
            .map(|text| self.folder.join(text))
            .collect()
    }

    fn only(&mut self, node: &Node, known: &[&str], place: &str) {
        for (name, value) in node.entries() {
            if !known.contains(&name.text.as_str()) {
                let fix = format!("{place} knows: {}", known.join(", "));
                self.say(
                    "N001",
                    Some(value),
                    format!("`{}` is not a setting", name.text),
                    "it has no effect",
                    &fix,
                );
            }
        }
    }

    fn wrong(&mut self, node: &Node, what: &str, suffers: &str, fix: &str) {
        self.say("N002", Some(node), what.to_owned(), suffers, fix);
    }

    fn missing(&mut self, name: &str, suffers: &str, fix: &str) {
        self.say("N003", None, format!("`{name}` is missing"), suffers, fix);
    }

    fn say(&mut self, code: &'static str, node: Option<&Node>, what: String, suffers: &str, fix: &str) {
        self.diagnostics.push(Diagnostic {
            code,
            severity: Severity::Error,
            file: self.file.clone(),
            span: node.map(|node| node.at.span.clone()).unwrap_or_default(),
            line: node.map_or(1, |node| node.at.line),
            what,
            suffers: suffers.to_owned(),
            fix: fix.to_owned(),
        });
    }
}

/// `[a, b]`, or a single word where a list may stand.
fn words_of(node: &Node) -> Vec<&Node> {
    match &node.kind {
        Kind::List(items) => items.iter().collect(),
        _ => vec![node],
    }
}

/// `udp 127.0.0.1:5060`
pub(crate) fn socket(text: &str) -> Option<(sip::Transport, SocketAddr)> {
    let (transport, address) = text.split_once(' ')?;
    let transport = match transport.to_ascii_lowercase().as_str() {
        "udp" => sip::Transport::Udp,
        "tcp" => sip::Transport::Tcp,
        _ => return None,
    };
    Some((transport, address.trim().parse().ok()?))
}
