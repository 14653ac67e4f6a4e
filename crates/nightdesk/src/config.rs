//! The configuration file: YAML read by the same reader as the flows, with the same kind of diagnostics.
//!
//! Every name below is one a person who knows telephones would use; every mistake names the line, what would not work,
//! and one fix. Codes N001 (no such setting), N002 (not a value), N003 (missing), N017 (a lab that is no practice here), N018 (patients'
//! numbers for a collector without an agreement); those
//! of trunks stand in [`trunk`]. Nothing here can turn sealing, the book or consent off (SEC-09), nor TLS below 1.2 on (SEC-02).

mod reader;
mod trunk;

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flow::source::Node;
use flow::{Diagnostic, Severity};
use switchboard::{DeskConfig, Listener};

pub(crate) use reader::socket;
use reader::{At, Reader, words_of};
pub(crate) use trunk::{Baa, Record, is_e164};
#[cfg(test)]
pub(crate) use trunk::{IN_A_TRUNK, IN_DIGEST};

/// What the file said, with paths made absolute against its folder.
pub(crate) struct Settings {
    /// The desk's part.
    pub(crate) desk: DeskConfig,
    /// Trunks as they were written, presets filled in.
    pub(crate) trunks: Vec<Record>,
    /// Certificate, key and authorities, where TLS is spoken.
    pub(crate) tls: Option<exchange::Tls>,
    /// Whose pages may open a WebSocket, as browsers write it.
    pub(crate) origins: Vec<String>,
    /// Who is asked for names; none: whom the machine asks.
    pub(crate) name_servers: Vec<SocketAddr>,
    /// Where copies of the signalling go: a Homer collector.
    pub(crate) homer: Option<exchange::Hep>,
    /// Local address for RTP.
    pub(crate) media_bind: IpAddr,
    /// RTP and RTCP ports.
    pub(crate) rtp_ports: RangeInclusive<u16>,
    /// Media threads; 0 chooses.
    pub(crate) media_threads: usize,
    /// Practice folders.
    pub(crate) practices: Vec<PathBuf>,
    /// Those among them, or folders of such, that have no patients.
    pub(crate) labs: Vec<PathBuf>,
    /// Data folder.
    pub(crate) data: PathBuf,
    /// Key folder.
    pub(crate) keys: PathBuf,
    /// The speech program, if one is named.
    pub(crate) speech: Option<String>,
    /// How long draining waits for calls.
    pub(crate) drain: Duration,
    /// After how long without a command a person's session ends.
    pub(crate) log_off: Duration,
    /// What is due is destroyed by a person, and not by the engine.
    pub(crate) destroyed_by_a_person: bool,
}

/// Names that may stand at the top, with what each is for.
pub(crate) const TOP: &[&str] = &[
    "listen",
    "external address",
    "certificate",
    "browser pages",
    "name server",
    "media address",
    "rtp ports",
    "media threads",
    "trunks",
    "practices",
    "lab practices",
    "data",
    "keys",
    "speech",
    "calls at most",
    "calls per practice",
    "ring before answering",
    "ladder speed",
    "drain for",
    "log off after",
    "destroy what is due",
    "homer",
];

/// Names of `certificate`.
pub(crate) const IN_CERTIFICATE: &[&str] = &["chain", "key", "client ca", "carrier ca"];
/// Names of `homer`.
pub(crate) const IN_HOMER: &[&str] = &["to", "node", "numbers", "password file", "baa"];

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
        let tls = self.tls(tree, &listen);
        let client_ca = tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        let trunks = trunk::read(self, tree, &listen, client_ca);
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
        let labs = self.labs(tree, &practices);
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
            calls_per_practice_max: self
                .number(tree, "calls per practice", 1..=100_000)
                .unwrap_or(calls_max),
            ring_before_answer: self.duration(tree, "ring before answering").unwrap_or(Duration::ZERO),
            ladder_speed: self
                .number(tree, "ladder speed", 1..=100)
                .and_then(|n| u32::try_from(n).ok())
                .unwrap_or(1),
            ..DeskConfig::new(
                listen,
                external.unwrap_or(media_bind),
                trunks.iter().map(|record| record.trunk.clone()).collect(),
            )
        };
        Some(Settings {
            desk,
            trunks,
            tls,
            origins: self.origins(tree),
            name_servers: self.name_servers(tree),
            homer: self.homer(tree),
            media_bind,
            rtp_ports: self.ports(tree).unwrap_or(20_000..=29_999),
            media_threads: self.number(tree, "media threads", 1..=256).unwrap_or(0),
            practices,
            labs,
            data: data?,
            keys: keys?,
            speech: tree.entry("speech").and_then(Node::text).map(str::to_owned),
            log_off: self.log_off(tree),
            drain: self.duration(tree, "drain for").unwrap_or(Duration::from_secs(60 * 60)),
            destroyed_by_a_person: self.destroyed_by_a_person(tree),
        })
    }

    /// `log off after: 10 minutes`: between 5 and 30, and never off (164.312(a)(2)(iii)).
    fn log_off(&mut self, tree: &Node) -> Duration {
        let usual = Duration::from_millis(u64::try_from(office::IDLE_MS).unwrap_or_default());
        let minutes = |length: Duration| usize::try_from(length.as_secs() / 60).unwrap_or(usize::MAX);
        match (self.duration(tree, "log off after"), tree.entry("log off after")) {
            (Some(length), Some(node)) if !office::IDLE_MINUTES.contains(&minutes(length)) => {
                self.wrong(
                    node,
                    "people are logged off after 5 to 30 minutes without a command",
                    "somebody else could go on in a session that was left open",
                    "write `log off after: 15 minutes`",
                );
                usual
            }
            (length, _) => length.unwrap_or(usual),
        }
    }

    /// `destroy what is due: by itself`
    fn destroyed_by_a_person(&mut self, tree: &Node) -> bool {
        let Some(node) = tree.entry("destroy what is due") else {
            return false;
        };
        let said = self.one_of(
            node,
            &[("by itself", false), ("by a person", true)],
            "what is due might stay, or go unseen",
        );
        // Nothing is destroyed on a misunderstanding.
        said.unwrap_or(true)
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
                    "write `udp 0.0.0.0:5060`, `tcp [::]:5060`, `tls 0.0.0.0:5061`, `ws …` or `wss …`",
                ),
            }
        }
        listeners
    }

    fn tls(&mut self, tree: &Node, listen: &[Listener]) -> Option<exchange::Tls> {
        let Some(node) = tree.entry("certificate") else {
            if let Some(secure) = listen.iter().find(|l| l.transport.is_secure()) {
                self.say(
                    "N012",
                    Severity::Error,
                    At::Value(tree.entry("listen").unwrap_or(tree)),
                    format!("{} is listened to without a certificate", secure.transport.name()),
                    "no carrier could connect",
                    "add `certificate: {chain: tls/chain.pem, key: tls/key.pem}`",
                );
            }
            return None;
        };
        self.only(node, IN_CERTIFICATE, "`certificate`");
        let (Some(chain), Some(key)) = (self.path(node, "chain"), self.path(node, "key")) else {
            self.say(
                "N012",
                Severity::Error,
                At::Value(node),
                "a certificate needs `chain` and `key`".into(),
                "no carrier could connect",
                "name both files: `certificate: {chain: tls/chain.pem, key: tls/key.pem}`",
            );
            return None;
        };
        let (client_ca, carrier_ca) = (self.path(node, "client ca"), self.path(node, "carrier ca"));
        let files = [("chain", Some(&chain)), ("key", Some(&key))];
        let authorities = [("client ca", client_ca.as_ref()), ("carrier ca", carrier_ca.as_ref())];
        for (name, path) in files.into_iter().chain(authorities) {
            let (Some(path), Some(at)) = (path, node.entry(name)) else {
                continue;
            };
            if let Err(error) = std::fs::File::open(path) {
                self.say(
                    "N008",
                    Severity::Error,
                    At::Value(at),
                    format!("{} cannot be read: {}", path.display(), reader::reason(&error)),
                    "no carrier could connect",
                    "check the path and its owner; the file is PEM",
                );
            } else if name == "key" {
                self.private(at, path);
            }
        }
        let mut tls = exchange::Tls::new(chain, key);
        tls.client_ca = client_ca;
        tls.roots = carrier_ca.unwrap_or(tls.roots);
        Some(tls)
    }

    /// `lab practices: [cedar-family-medicine]`: practices without patients, answered as they are written until they are
    /// first released. Here and nowhere else (N017 for what is no practice of this engine).
    fn labs(&mut self, tree: &Node, practices: &[PathBuf]) -> Vec<PathBuf> {
        let mut labs = Vec::new();
        for item in tree.entry("lab practices").map(words_of).unwrap_or_default() {
            let Some(path) = item.text().map(|text| self.folder.join(text)) else {
                self.wrong(
                    item,
                    "this is not the name of a folder",
                    "nobody could tell which practice may be answered unsigned",
                    "write the practice's folder as in `practices`: `lab practices: [flows/cedar]`",
                );
                continue;
            };
            // A lab is one of `practices`, lies in one, or holds one.
            let among = |practice: &PathBuf| path.starts_with(practice) || practice.parent() == Some(path.as_path());
            if practices.iter().any(among) {
                labs.push(path);
            } else {
                self.say(
                    "N017",
                    Severity::Error,
                    At::Value(item),
                    format!("{} is none of the folders in `practices`", item.text().unwrap_or_default()),
                    "the practice that was meant is not answered by what its folder says, and its callers get the emergency notice alone",
                    "write it as in `practices`, or take it out: a practice with patients is no lab, it is signed and released",
                );
            }
        }
        labs
    }

    /// `browser pages: https://phones.example.com`, or several.
    fn origins(&mut self, tree: &Node) -> Vec<String> {
        let mut origins = Vec::new();
        for item in tree.entry("browser pages").map(words_of).unwrap_or_default() {
            match item.text().and_then(origin) {
                Some(origin) => origins.push(origin),
                None => self.wrong(
                    item,
                    "this is not the address of a site alone",
                    "a browser phone on that page would be turned away, and nobody knows which pages might get in",
                    "write `https://phones.example.com`, with a port where it is not the usual one, and no path",
                ),
            }
        }
        origins
    }

    /// `name server: 192.0.2.53`, or several, with a port or without.
    fn name_servers(&mut self, tree: &Node) -> Vec<SocketAddr> {
        let mut servers = Vec::new();
        for item in tree.entry("name server").map(words_of).unwrap_or_default() {
            let text = item.text().unwrap_or_default();
            let alone = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, DNS_PORT));
            match text.parse().or(alone) {
                Ok(server) => servers.push(server),
                Err(_) => self.wrong(
                    item,
                    "this is not an address",
                    "carriers' names would not be found",
                    "write `192.0.2.53`; without `name server` the machine's own is asked",
                ),
            }
        }
        servers
    }

    fn homer(&mut self, tree: &Node) -> Option<exchange::Hep> {
        let node = tree.entry("homer")?;
        self.only(node, IN_HOMER, "`homer`");
        let numbers = match node.entry("numbers") {
            Some(item) => self.one_of(
                item,
                &[
                    ("masked", exchange::Numbers::Masked),
                    ("shown", exchange::Numbers::Shown),
                ],
                "patients' numbers might leave the house",
            )?,
            None => exchange::Numbers::Masked,
        };
        let agreement = node.entry("baa").and_then(Node::text).map(str::to_owned);
        if numbers == exchange::Numbers::Shown && agreement.is_none() {
            self.say(
                "N018",
                Severity::Error,
                At::Value(node.entry("numbers").unwrap_or(node)),
                "patients' numbers would go to a service with which no agreement is named".into(),
                "whoever runs the collector would know who called a doctor at night (45 CFR 164.308(b))",
                "name the agreement that the office has on file, `baa: NAME`, or write `numbers: masked`",
            );
        }
        let password = match node.entry("password file") {
            Some(file) => Some(self.secret(file)?),
            None => None,
        };
        let capture_id = self.number(node, "node", 0..=usize::from(u16::MAX));
        let to = node.entry("to");
        match to.and_then(Node::text).and_then(socket) {
            Some((sip::Transport::Udp, collector)) => Some(exchange::Hep {
                collector,
                capture_id: capture_id.and_then(|id| u32::try_from(id).ok()).unwrap_or(HOMER_NODE),
                password,
                numbers,
                agreement,
            }),
            _ => {
                self.wrong(
                    to.unwrap_or(node),
                    "HEP3 is sent by UDP to an address",
                    "nothing would reach the collector",
                    "write `homer: {to: udp 192.0.2.9:9060}`",
                );
                None
            }
        }
    }
}

/// An origin as browsers write it (RFC 6454 §6.2): scheme and host in small letters, the port only where it is unusual.
fn origin(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let (scheme, rest) = text.split_once("://")?;
    let usual = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    let site = rest.strip_suffix(usual).unwrap_or(rest);
    let (host, port) = match site.rsplit_once(':') {
        // An IPv6 address has colons of its own.
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (site, None),
    };
    let is_host = sip::message::Host::parse(host.as_bytes()).is_ok();
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    (is_host && is_port).then(|| format!("{scheme}://{site}"))
}

/// What Homer calls an agent nobody has numbered.
const HOMER_NODE: u32 = 2_001;

/// RFC 1035 §4.2.
const DNS_PORT: u16 = 53;

#[cfg(test)]
mod tests;
