//! One trunk of the configuration: what the person wrote, and for the rest what the preset knows (integrations.md §1.2).
//!
//! | code | says |
//! |---|---|
//! | N004 | there is no preset of that name |
//! | N005 | audio would be encrypted with keys that travel in the clear |
//! | N006 | this carrier cannot do what is asked of it |
//! | N007 | a user without a password, or the other way round, or two passwords |
//! | N008 | a file with a secret cannot be read |
//! | N009 | a file with a secret can be read by others (warning) |
//! | N010 | a network belongs to two trunks |
//! | N011 | nothing of ours listens on the transport that is asked for |
//! | N012 | TLS without what it needs |
//! | N013 | a password stands in the configuration itself (warning) |
//! | N014 | a trunk believes everybody |
//! | N015 | values of the preset that nobody has checked (advice) |
//! | N016 | neither an agreement nor that it is a mere conduit is said (warning) |

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use flow::Severity;
use flow::source::Node;
use phi::Phi;
use sip::message::Host;
use sip::number::{Country, CrisisLine, Format};
use switchboard::Listener;
use switchboard::trunk::{
    CallerId, InboundDigest, Network, Outbound, Ping, Registration, Security, SessionTimer, Target, Trunk, TrunkLimits,
};

use super::reader::{At, Reader, transport_named, words_of};
use crate::trunk::preset::{Preset, Source};

/// What may stand in a trunk.
pub(crate) const IN_A_TRUNK: &[&str] = &[
    "preset",
    "from",
    "tls names",
    "digest in",
    "country",
    "baa",
    "outbound",
    "user",
    "password",
    "password file",
    "prefix",
    "headers",
    "register",
    "register for",
    "registrar",
    "encryption",
    "codecs",
    "number form",
    "show caller in",
    "caller ids",
    "domain",
    "completes 988",
    "session timer",
    "options every",
    "down after",
    "up after",
    "calls in at most",
    "calls out at most",
    "calls in per second",
    "calls per second",
    "report card",
];

/// What may stand in `digest in`.
pub(crate) const IN_DIGEST: &[&str] = &["realm", "user", "password", "password file"];

/// RFC 4028 §4: no interval is shorter than this.
const SESSION_S_MIN: u32 = 90;

/// One trunk, every field decided.
#[derive(Clone)]
pub(crate) struct Record {
    /// As the switchboard takes it.
    pub(crate) trunk: Trunk,
    /// Whose habits it has.
    pub(crate) preset: Option<&'static str>,
    /// Under what it carries calls, where that is said.
    pub(crate) agreement: Option<Baa>,
}

/// Under what a carrier carries patients' calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Baa {
    /// It passes voice on and keeps nothing: no business associate (45 CFR 160.103, 78 FR 5571).
    Conduit,
    /// The agreement, by its name in the office.
    Named(String),
}

/// What a person wrote, and behind it what the preset knows.
struct Layers<'a> {
    written: &'a Node,
    preset: Option<&'a Preset>,
}

impl<'a> Layers<'a> {
    fn pick(&self, setting: &str) -> Option<&'a Node> {
        self.written
            .entry(setting)
            .or_else(|| self.preset.and_then(|preset| preset.value(setting)))
    }
}

/// Every trunk.
pub(super) fn read(reader: &mut Reader, tree: &Node, listen: &[Listener], client_ca: bool) -> Vec<Record> {
    let entries = tree.entry("trunks").map(Node::entries).unwrap_or_default();
    let mut records: Vec<Record> = Vec::new();
    for (name, written) in entries {
        let record = one(reader, &name.text, written, listen, client_ca);
        for other in &records {
            shared_network(reader, &record.trunk, &other.trunk, written);
        }
        records.push(record);
    }
    records
}

/// RFC 3261 knows no trunks: the source decides which one a call is for, so it must be one.
fn shared_network(reader: &mut Reader, one: &Trunk, other: &Trunk, written: &Node) {
    let apart = !one.client_names.is_empty() || !other.client_names.is_empty();
    let overlap = one.sources.iter().any(|a| {
        other
            .sources
            .iter()
            .any(|b| a.contains(b.address) || b.contains(a.address))
    });
    if overlap && !apart {
        let node = written.entry("from").unwrap_or(written);
        reader.say(
            "N010",
            Severity::Error,
            At::Value(node),
            format!("`{}` and `{}` call from the same network", one.id, other.id),
            "its calls would be counted and limited as the other's",
            "give each its own addresses, or tell them apart by `tls names`",
        );
    }
}

fn one(reader: &mut Reader, id: &str, written: &Node, listen: &[Listener], client_ca: bool) -> Record {
    reader.only(written, IN_A_TRUNK, "a trunk");
    let preset = preset(reader, written);
    if let Some(preset) = &preset {
        for (name, value) in written.entries() {
            if let Some(why) = preset.cannot(&name.text)
                && value.text() != Some("off")
            {
                reader.say(
                    "N006",
                    Severity::Error,
                    At::Value(value),
                    format!("{} has no `{}`", preset.name(), name.text),
                    "its calls would not come",
                    why,
                );
            }
        }
        advise(reader, id, written, preset);
    }
    let layers = Layers {
        written,
        preset: preset.as_ref(),
    };
    let client_names = texts(layers.pick("tls names"));
    let sources = sources(reader, &layers, id, !client_names.is_empty());
    if !client_names.is_empty() && !client_ca {
        reader.say(
            "N012",
            Severity::Error,
            At::Value(layers.pick("tls names").unwrap_or(written)),
            "no authority is named that could vouch for this name".into(),
            "the carrier's calls get no answer",
            "add `client ca` to `certificate`: the file with the carrier's authority",
        );
    }
    let inbound_digest = layers.pick("digest in").and_then(|node| {
        reader.only(node, IN_DIGEST, "`digest in`");
        let realm = node.entry("realm").and_then(Node::text).unwrap_or(id).to_owned();
        let accounts = vec![credentials(reader, node)?];
        Some(InboundDigest { realm, accounts })
    });
    if let Some(everybody) = sources.iter().find(|network| network.prefix == 0)
        && inbound_digest.is_none()
    {
        reader.say(
            "N014",
            Severity::Error,
            At::Value(layers.pick("from").unwrap_or(written)),
            format!("{}/0 is everybody", everybody.address),
            "anyone on the network could call as this carrier",
            "write the carrier's networks; with `tls names` no network is needed, with `digest in` any will do",
        );
    }
    let targets = targets(reader, &layers, listen);
    let credentials = credentials(reader, written);
    let registration = registration(reader, &layers, &targets, credentials.is_some());
    let security = layers
        .pick("encryption")
        .and_then(|node| reader.one_of(node, SECURITY, "calls would be clear or refused without your choice"))
        .unwrap_or(Security::Off);
    keys_in_the_clear(reader, &layers, security, &targets, listen);
    let trunk = Trunk {
        client_names,
        inbound_digest,
        outbound: outbound(reader, &layers, targets),
        credentials,
        registration,
        security,
        codecs: list(
            reader,
            layers.pick("codecs"),
            CODECS,
            "calls could not agree on a codec",
        ),
        country: country(reader, &layers),
        limits: limits(reader, &layers),
        ping: ping(reader, &layers),
        session_timer: session_timer(reader, &layers),
        report_card: report_card(reader, &layers),
        ..Trunk::new(id, sources)
    };
    Record {
        trunk,
        preset: preset.as_ref().map(Preset::key),
        agreement: agreement(reader, written, preset.is_some(), id),
    }
}

/// Every codec a trunk may speak, best first.
const CODECS: &[(&str, media::sdp::Codec)] = &[
    ("opus", media::sdp::Codec::Opus),
    ("G722", media::sdp::Codec::G722),
    ("PCMU", media::sdp::Codec::Pcmu),
    ("PCMA", media::sdp::Codec::Pcma),
];

const SECURITY: &[(&str, Security)] = &[
    ("required", Security::Required),
    ("preferred", Security::Preferred),
    ("off", Security::Off),
];

const NUMBER_FORMS: &[(&str, Format)] = &[
    ("+E164", Format::Plus),
    ("E164", Format::Bare),
    ("10 digits", Format::National),
];

const YES_OR_NO: &[(&str, bool)] = &[("yes", true), ("no", false)];

const CALLER_ID: &[(&str, CallerId)] = &[
    ("P-Asserted-Identity", CallerId::Asserted),
    ("Remote-Party-ID", CallerId::RemoteParty),
    ("From", CallerId::From),
];

fn preset(reader: &mut Reader, written: &Node) -> Option<Preset> {
    let node = written.entry("preset")?;
    let found = node.text().and_then(Preset::named);
    if found.is_none() {
        let known: Vec<&str> = Preset::keys().collect();
        reader.say(
            "N004",
            Severity::Error,
            At::Value(node),
            format!("there is no preset `{}`", node.text().unwrap_or_default()),
            "the carrier's habits would be unknown to us",
            &format!(
                "write one of: {}; for another carrier leave `preset` out",
                known.join(", ")
            ),
        );
    }
    found.map(|preset| preset.named_at(&node.at))
}

/// The defaults that nobody has checked and that the person has not replaced.
fn advise(reader: &mut Reader, id: &str, written: &Node, preset: &Preset) {
    let guesses: Vec<&str> = preset
        .values()
        .filter(|(name, _, source)| {
            matches!(source, Source::Guess(why) if *why != "our own choice") && written.entry(name).is_none()
        })
        .map(|(name, _, _)| name)
        .collect();
    if guesses.is_empty() {
        return;
    }
    reader.say(
        "N015",
        Severity::Advice,
        At::Value(written.entry("preset").unwrap_or(written)),
        format!("~ nobody has checked what this preset says of: {}", guesses.join(", ")),
        "a first call may show that the carrier differs",
        &format!(
            "run `nightdesk trunk check {id}`; `nightdesk trunk presets {}` names the sources",
            preset.key()
        ),
    );
}

fn sources(reader: &mut Reader, layers: &Layers<'_>, id: &str, named: bool) -> Vec<Network> {
    let Some(node) = layers.pick("from") else {
        if named {
            return Vec::new();
        }
        reader.say(
            "N003",
            Severity::Error,
            At::Value(layers.written),
            format!("`from` is missing in trunk `{id}`"),
            "the carrier's calls get no answer",
            "name its networks: `from: [192.0.2.0/24]`",
        );
        return Vec::new();
    };
    let mut sources = Vec::new();
    for item in words_of(node) {
        match item.text().and_then(Network::parse) {
            Some(network) => sources.push(network),
            None => reader.wrong(
                item,
                "this is not a network",
                "the carrier's calls get no answer",
                "write an address or `192.0.2.0/24`",
            ),
        }
    }
    sources
}

fn targets(reader: &mut Reader, layers: &Layers<'_>, listen: &[Listener]) -> Vec<Target> {
    let Some(node) = layers.pick("outbound").filter(|node| node.text() != Some("none")) else {
        return Vec::new();
    };
    let mut targets = Vec::new();
    for item in words_of(node) {
        let Some(target) = item.text().and_then(target) else {
            reader.wrong(
                item,
                "this is not a transport and a host",
                "no doctor can be rung",
                "write `udp 192.0.2.10:5060`, `tls sip.example.com`, or `none` for a trunk without calls out",
            );
            continue;
        };
        // A stream of ours can leave from any socket; a datagram, and the way a carrier calls back, need one that listens.
        if let Some(transport) = target.transport
            && !listen
                .iter()
                .any(|l| l.transport == transport && target.host.ip().is_none_or(|a| l.local.is_ipv4() == a.is_ipv4()))
        {
            let port = transport.default_port();
            let word = transport.name().to_ascii_lowercase();
            reader.say(
                "N011",
                Severity::Error,
                At::Value(item),
                format!("nothing of ours speaks {}", transport.name()),
                "no doctor can be rung",
                &format!("add `{word} 0.0.0.0:{port}` to `listen`"),
            );
        }
        targets.push(target);
    }
    targets
}

fn outbound(reader: &mut Reader, layers: &Layers<'_>, targets: Vec<Target>) -> Option<Outbound> {
    let first = targets.first()?.clone();
    let usual = Outbound::to(first);
    let caller_id = list(
        reader,
        layers.pick("show caller in"),
        CALLER_ID,
        "doctors would see a strange number",
    );
    Some(Outbound {
        targets,
        domain: layers.pick("domain").and_then(Node::text).map(str::to_owned),
        number_format: layers
            .pick("number form")
            .and_then(|node| reader.one_of(node, NUMBER_FORMS, "the carrier would not know whom to ring"))
            .unwrap_or_default(),
        tech_prefix: prefix(reader, layers),
        caller_id: if caller_id.is_empty() {
            usual.caller_id
        } else {
            caller_id
        },
        caller_numbers: numbers(reader, layers.pick("caller ids")),
        headers: headers(reader, layers.written),
        crisis_line: layers
            .pick("completes 988")
            .and_then(|node| reader.one_of(node, YES_OR_NO, "the crisis line would not be reached"))
            .map_or(usual.crisis_line, |completes| {
                if completes {
                    CrisisLine::Proved
                } else {
                    CrisisLine::Barred
                }
            }),
    })
}

/// `tls sip.example.com:5061`
pub(super) fn target(text: &str) -> Option<Target> {
    let (transport, rest) = match text.split_once(' ') {
        Some((word, rest)) => (Some(transport_named(word)?), rest.trim()),
        None => (None, text),
    };
    let made = |host: Host, port| Target {
        host,
        port,
        transport,
        // `sips:` asks every hop for TLS (RFC 3261 §26.2.2); carriers speak `sip:` over TLS.
        secure: false,
    };
    if let Ok(address) = rest.parse::<SocketAddr>() {
        return Some(made(Host::from(address.ip()), Some(address.port())));
    }
    if let Ok(address) = rest.parse::<IpAddr>() {
        return Some(made(Host::from(address), None));
    }
    let (host, port) = match rest.split_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (rest, None),
    };
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let label = |label: &str| !label.is_empty() && label.len() <= 63 && label.chars().all(letters);
    let name = host.len() <= sip::locate::NAME_BYTES_MAX && host.split('.').all(label);
    // An address with a slip in it must not become a name that somebody else could own.
    let numeric = host
        .rsplit('.')
        .next()
        .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    (name && !numeric).then(|| made(Host::Name(host.to_ascii_lowercase()), port))
}

/// SDES carries the audio's keys in the session description: whoever reads the signalling can listen (RFC 4568 §8).
fn keys_in_the_clear(
    reader: &mut Reader,
    layers: &Layers<'_>,
    security: Security,
    targets: &[Target],
    listen: &[Listener],
) {
    let severity = match security {
        Security::Off => return,
        Security::Preferred => Severity::Warning,
        Security::Required => Severity::Error,
    };
    let node = layers
        .written
        .entry("encryption")
        .or_else(|| layers.written.entry("preset"))
        .unwrap_or(layers.written);
    if !listen.iter().any(|l| l.transport.is_secure()) {
        reader.say(
            "N005",
            severity,
            At::Value(node),
            "nothing listens on TLS, so the keys of the audio would come in the clear".into(),
            "whoever can read the signalling can listen to patients",
            "add `tls 0.0.0.0:5061` to `listen` and a `certificate`, or write `encryption: off` and know it",
        );
    }
    let clear = |target: &&Target| target.transport.is_some_and(|transport| !transport.is_secure());
    if let Some(target) = targets.iter().find(clear) {
        let at = layers.written.entry("outbound").unwrap_or(node);
        reader.say(
            "N005",
            severity,
            At::Value(at),
            format!(
                "calls to {} would carry the keys of their audio in the clear",
                target.host
            ),
            "whoever can read the signalling can listen to doctors",
            &format!("write `outbound: tls {}`", target.host),
        );
    }
}

fn credentials(reader: &mut Reader, node: &Node) -> Option<sip::Credentials> {
    let user = node.entry("user").and_then(Node::text);
    let (inline, file) = (node.entry("password"), node.entry("password file"));
    let at = inline.or(file).or(node.entry("user")).unwrap_or(node);
    let mut say = |what: &str, fix: &str| {
        reader.say(
            "N007",
            Severity::Error,
            At::Value(at),
            what.to_owned(),
            "calls would be refused with 401 or 403",
            fix,
        );
        None
    };
    match (user, inline, file) {
        (None, None, None) => None,
        (None, _, _) => say("there is a password and no `user`", "add `user`"),
        (Some(_), None, None) => say(
            "there is a `user` and no password",
            "add `password file`: the path of a file that only its owner can read",
        ),
        (Some(_), Some(_), Some(_)) => say("there are two passwords", "keep `password file`"),
        (Some(user), Some(inline), None) => {
            reader.say(
                "N013",
                Severity::Warning,
                At::Value(inline),
                "a password stands in the configuration".into(),
                "it travels wherever the configuration is copied, into backups and tickets",
                "put it into a file of its own and name that: `password file`",
            );
            let password = inline.text().unwrap_or_default();
            Some(sip::Credentials::new(user.to_owned(), password.to_owned()))
        }
        (Some(user), None, Some(file)) => {
            let password = reader.secret(file)?;
            Some(sip::Credentials::new(user.to_owned(), password))
        }
    }
}

fn registration(
    reader: &mut Reader,
    layers: &Layers<'_>,
    targets: &[Target],
    has_credentials: bool,
) -> Option<Registration> {
    let node = layers.pick("register")?;
    let on = reader.one_of(
        node,
        &[("on", true), ("yes", true), ("off", false), ("no", false)],
        "the carrier would not know where we are",
    )?;
    if !on {
        return None;
    }
    let at = layers.written.entry("register").or(layers.written.entry("preset"));
    let at = at.unwrap_or(layers.written);
    if !has_credentials {
        reader.say(
            "N007",
            Severity::Error,
            At::Value(at),
            "a registration needs `user` and `password file`".into(),
            "the registrar would refuse us, and no call would come",
            "add both, or write `register: off`",
        );
        return None;
    }
    let registrar = match layers.pick("registrar") {
        Some(node) => {
            let read = node.text().and_then(target);
            if read.is_none() {
                reader.wrong(
                    node,
                    "this is not a transport and a host",
                    "no call would come",
                    "write `tls sip.example.com`",
                );
            }
            read
        }
        None => targets.first().cloned(),
    };
    let Some(registrar) = registrar else {
        reader.say(
            "N003",
            Severity::Error,
            At::Value(at),
            "there is neither `registrar` nor `outbound` to register with".into(),
            "no call would come",
            "write `outbound: tls sip.example.com`",
        );
        return None;
    };
    let lasts = layers.pick("register for").and_then(|node| reader.duration_at(node));
    let usual = Registration::at(registrar);
    Some(Registration {
        expires_s: lasts.map_or(usual.expires_s, seconds),
        ..usual
    })
}

fn seconds(length: Duration) -> u32 {
    u32::try_from(length.as_secs()).unwrap_or(u32::MAX)
}

fn session_timer(reader: &mut Reader, layers: &Layers<'_>) -> Option<SessionTimer> {
    let usual = SessionTimer::default();
    let Some(node) = layers.pick("session timer") else {
        return Some(usual);
    };
    if node.text() == Some("off") {
        return None;
    }
    let expires_s = seconds(reader.duration_at(node)?);
    if expires_s < SESSION_S_MIN {
        reader.wrong(
            node,
            "this is shorter than RFC 4028 allows",
            "carriers would answer 422",
            "write at least `90 seconds`; 30 minutes is usual",
        );
        return None;
    }
    Some(SessionTimer { expires_s, ..usual })
}

/// Without a word about it and without a preset nobody is asked: a phone on the next desk need not be.
fn ping(reader: &mut Reader, layers: &Layers<'_>) -> Option<Ping> {
    let node = layers.pick("options every").filter(|node| node.text() != Some("off"))?;
    let usual = Ping::default();
    let every = reader.duration_at(node)?;
    if every.is_zero() {
        reader.wrong(
            node,
            "this asks without a pause",
            "the carrier would take us for a flood, and its calls would wait",
            "write at least `1 second`; 30 seconds is usual",
        );
        return None;
    }
    let mut count = |name, default| {
        let node = layers.pick(name)?;
        let count = reader.number_at(node, 1..=100)?;
        u8::try_from(count).ok().or(default)
    };
    let down_after = count("down after", None).unwrap_or(usual.down_after);
    let up_after = count("up after", None).unwrap_or(usual.up_after);
    Some(Ping {
        every,
        down_after,
        up_after,
        ..usual
    })
}

fn limits(reader: &mut Reader, layers: &Layers<'_>) -> TrunkLimits {
    let usual = TrunkLimits::default();
    let mut at_most = |name| reader.number_at(layers.pick(name)?, 1..=100_000);
    let per_second = |limit: Option<usize>, usual| limit.and_then(|n| u32::try_from(n).ok()).unwrap_or(usual);
    TrunkLimits {
        calls_in_max: at_most("calls in at most").unwrap_or(usual.calls_in_max),
        calls_out_max: at_most("calls out at most").unwrap_or(usual.calls_out_max),
        calls_in_per_s: per_second(at_most("calls in per second"), usual.calls_in_per_s),
        calls_out_per_s: per_second(at_most("calls per second"), usual.calls_out_per_s),
    }
}

/// 45 CFR 164.308(b): whoever carries patients' calls for us and keeps something of them has signed for it. What goes by a
/// trunk is no more than a conduit sees: our own number, and voices that pass.
fn agreement(reader: &mut Reader, written: &Node, carrier: bool, id: &str) -> Option<Baa> {
    let agreement = written.entry("baa").and_then(Node::text);
    if agreement.is_none() && carrier {
        reader.say(
            "N016",
            Severity::Warning,
            At::Value(written.entry("preset").unwrap_or(written)),
            format!("`{id}` names no agreement, and is not said to be a mere conduit"),
            "a carrier that stores recordings or messages of patients needs an agreement (45 CFR 164.308(b))",
            "name the one that the office has on file, `baa: NAME`, or, where the carrier keeps nothing, write `baa: conduit`",
        );
    }
    agreement.map(|text| match text {
        "conduit" => Baa::Conduit,
        named => Baa::Named(named.to_owned()),
    })
}

fn numbers(reader: &mut Reader, node: Option<&Node>) -> Vec<String> {
    let mut numbers = Vec::new();
    for item in node.map(words_of).unwrap_or_default() {
        match item.text().filter(|text| is_e164(text)) {
            Some(number) => numbers.push(number.to_owned()),
            // The words do not repeat it: files hold people's private numbers.
            None => reader.wrong(
                item,
                "this is not a number in the form +15125550100",
                "calls to it would be refused with 404",
                "write + and the country code; quotes are not needed",
            ),
        }
    }
    numbers
}

/// The number at which the carrier's engineers get their report card.
fn report_card(reader: &mut Reader, layers: &Layers<'_>) -> Option<Phi<String>> {
    let node = layers.pick("report card")?;
    match node.text().filter(|text| is_e164(text)) {
        Some(number) => Some(Phi::new(number.to_owned())),
        None => {
            // It is told to the carrier alone, so it is not repeated.
            reader.wrong(
                node,
                "this is not a number in the form +15125550100",
                "the carrier's engineers would get 404 instead of their report card",
                "write + and the country code: a number on this trunk that no practice uses, and that nobody publishes",
            );
            None
        }
    }
}

/// `+` and 8 to 15 digits (E.164).
pub(crate) fn is_e164(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or("");
    (8..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit())
}

fn country(reader: &mut Reader, layers: &Layers<'_>) -> Country {
    let usual = Country::US;
    let Some(node) = layers.pick("country") else {
        return usual;
    };
    // By its two letters; `1` for North America, as carriers' pages have it.
    let country = node.text().and_then(|text| match text.trim_start_matches('+') {
        "1" => Some(Country::US),
        letters => Country::named(letters),
    });
    if country.is_none() {
        reader.wrong(
            node,
            "this is not a country code",
            "numbers without one would belong to nobody",
            "write `1` for North America",
        );
    }
    country.unwrap_or(usual)
}

fn prefix(reader: &mut Reader, layers: &Layers<'_>) -> String {
    let Some(node) = layers.pick("prefix") else {
        return String::new();
    };
    let text = node.text().unwrap_or_default();
    let whole = !text.is_empty() && text.len() <= 16 && text.chars().all(|c| c.is_ascii_digit() || "*#+".contains(c));
    if !whole {
        reader.wrong(
            node,
            "a prefix is made of digits, * and #",
            "no doctor can be rung",
            "write it in quotes: `\"12345678*\"`",
        );
        return String::new();
    }
    text.to_owned()
}

/// `headers: {X-Telnyx-Token: file token.txt, P-Charge-Info: <sip:+15125550100@example.com>}`
fn headers(reader: &mut Reader, written: &Node) -> Vec<(String, Phi<String>)> {
    /// What SIP itself writes is nobody's to write.
    const ALLOWED: &[&str] = &["P-Charge-Info", "P-Preferred-Identity", "Remote-Party-ID"];
    let mut headers = Vec::new();
    let entries = written.entry("headers").map(Node::entries).unwrap_or_default();
    for (name, value) in entries {
        let token = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let extension = name.text.starts_with("X-") && name.text.chars().all(token);
        if !extension && !ALLOWED.iter().any(|allowed| allowed.eq_ignore_ascii_case(&name.text)) {
            reader.wrong(
                value,
                "this header is not one to set here",
                "calls would be malformed",
                "only X-…, P-Charge-Info, P-Preferred-Identity and Remote-Party-ID can be added",
            );
            continue;
        }
        let text = value.text().unwrap_or_default();
        let text = match text.strip_prefix("file ") {
            Some(file) => {
                let named = Node {
                    at: value.at.clone(),
                    kind: flow::source::Kind::Text(file.trim().to_owned()),
                    cut: None,
                };
                match reader.secret(&named) {
                    Some(secret) => secret,
                    None => continue,
                }
            }
            None => text.to_owned(),
        };
        if text.is_empty() || text.contains(|c: char| c.is_control()) {
            reader.wrong(
                value,
                "this is no value for a header",
                "calls would be malformed",
                "write one line, or `file PATH`",
            );
            continue;
        }
        headers.push((name.text.clone(), Phi::new(text)));
    }
    headers
}

fn list<T: Copy>(reader: &mut Reader, node: Option<&Node>, known: &[(&str, T)], suffers: &str) -> Vec<T> {
    let mut values = Vec::new();
    for item in node.map(words_of).unwrap_or_default() {
        values.extend(reader.one_of(item, known, suffers));
    }
    values
}

fn texts(node: Option<&Node>) -> Vec<String> {
    let items = node.map(words_of).unwrap_or_default();
    items.iter().filter_map(|item| item.text().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use sip::message::Host;

    use super::target;

    #[test]
    fn a_target_is_a_transport_and_a_host() {
        let by_name = target("tls SIP.Example.com").expect("a target");
        assert_eq!(by_name.transport, Some(sip::Transport::Tls));
        assert_eq!(by_name.host, Host::Name("sip.example.com".into()));
        assert_eq!((by_name.port, by_name.secure), (None, false));
        assert_eq!(target("udp 192.0.2.10:5060").and_then(|target| target.port), Some(5060));
        assert_eq!(
            target("udp [2001:db8::1]:5070").and_then(|target| target.host.ip()),
            "2001:db8::1".parse().ok()
        );
        assert_eq!(target("sip.example.com").expect("NAPTR decides").transport, None);
        for wrong in [
            "carrier pigeon",
            "udp 192.0.2.300:5060",
            "udp 192.0.2:5060",
            "tls sip..example.com",
            "udp sip.example.com:99999",
            "udp sip.example.com;lr",
            "tls sip.example.com\r\nX: y",
            "",
        ] {
            assert_eq!(target(wrong), None, "{wrong}");
        }
    }
}
