//! `nightdesk trunk`: carriers as the person who runs the machine sees them.
//!
//! `presets` reads; `test` and `check` call the carrier from sockets of their own, beside a serving engine or without one;
//! `list` and `trace` ask the serving engine through its door ([`crate::control`]); `report` reads the cards of carriers'
//! engineers in the book.

mod check;
pub(crate) mod preset;
#[cfg(test)]
mod readme;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use flow::source::{Kind, Node};
use media::sdp::Codec;
use phi::Phi;
use sip::message::{Host, NameAddr, Scheme, Uri};
use switchboard::card::{Card, Grade, Line, printable};
use switchboard::trunk::{CallerId, Outbound, Security, Target};

use crate::archive::Archive;
use crate::config::{Baa, Record, Settings, is_e164};
use crate::control::{self, Answer, Ask, Caller, Live, LiveRegistration};
use crate::gate::{self, About, Gate};
use crate::{Failure, keys, out, serve};
use check::Plan;
use preset::{Preset, Source};

/// Carriers: who they are, whether they are there, how they behave.
#[derive(Subcommand)]
pub(crate) enum Trunk {
    /// Every trunk: up or down since when, registered, calls, limits, what was refused, encryption
    List {
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// The report cards of carriers' engineers who called the number of `report card`
    Report {
        /// A card's id, or how it begins; leave it out for a list
        id: Option<String>,
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Keep the signalling of the serving engine for Wireshark or sngrep: keys, digests and numbers masked
    Trace {
        /// Only this trunk's, by its name in the configuration
        trunk: Option<String>,
        /// How long, such as 90s, 10m or 1h; Ctrl-C keeps what there is in the data folder's `traces`
        #[arg(long = "for", default_value = "10m")]
        how_long: String,
        /// The pcapng file to write
        #[arg(long)]
        out: PathBuf,
        /// `masked`: each number and name is a token; `shown`: as they are, and the file is patient information
        #[arg(long, value_enum, default_value = "masked")]
        numbers: Numbers,
        #[command(flatten)]
        who: crate::Who,
    },
    /// What is known of a carrier before the first call, with its sources; `~` where nobody could check
    Presets {
        /// The preset; leave it out for a list
        name: Option<String>,
    },
    /// Ask a carrier: TLS, OPTIONS, digest, and with --call one call
    Test {
        /// The trunk's name in the configuration
        trunk: String,
        #[command(flatten)]
        how: How,
    },
    /// The report card: codecs, keys three ways, early media, hold, refresh, PRACK, TLS and SRTP, one-way audio, MTU
    Check {
        /// The trunk's name in the configuration, or a SIP URI such as sip:+15125550100@192.0.2.7;transport=tcp
        peer: String,
        #[command(flatten)]
        how: How,
    },
}

/// Whether a trace can be read by anyone.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Numbers {
    /// Tokens
    Masked,
    /// As they are
    Shown,
}

/// How a carrier is called.
#[derive(clap::Args)]
pub(crate) struct How {
    /// Configuration file; not needed for a SIP URI
    #[arg(long)]
    config: Option<PathBuf>,
    /// The number to call, +1…; of a trunk's carrier best its own test number, or an echo
    #[arg(long)]
    call: Option<String>,
    /// The number we call from, +1…
    #[arg(long)]
    from: Option<String>,
}

/// Runs one of the commands.
pub(crate) fn trunk(command: &Trunk) -> Result<(), Failure> {
    match command {
        Trunk::List { config } => {
            let settings = serve::settings(config)?;
            let allowed = Gate::new(&settings).pass("trunk list", &About::default(), "")?;
            list(&settings, &allowed.person)
        }
        Trunk::Report { id, config } => {
            let settings = serve::settings(config)?;
            let _allowed = Gate::new(&settings).pass("trunk report", &About::default(), "")?;
            let archive = Archive::new(&settings);
            match id {
                None => report::list(&archive),
                Some(id) => report::show(&archive, id),
            }
        }
        Trunk::Trace {
            trunk,
            how_long,
            out,
            numbers,
            who,
        } => trace(trunk.as_deref(), how_long, out, *numbers, who),
        Trunk::Presets { name: None } => {
            list_presets();
            Ok(())
        }
        Trunk::Presets { name: Some(name) } => show_preset(name),
        Trunk::Test { trunk, how } => {
            how.may("trunk test --config", trunk)?;
            let plan = how.plan(trunk)?;
            done(&check::ping(&plan, &mut show))
        }
        Trunk::Check { peer, how } => {
            how.may("trunk check --config", peer)?;
            let plan = how.plan(peer)?;
            done(&check::card(&plan, &mut show))
        }
    }
}

/// What the configuration says of each trunk, and before it what the serving engine sees. Without an engine only the former.
fn list(settings: &Settings, actor: &str) -> Result<(), Failure> {
    let live = match ask_trunks(&settings.data, actor) {
        Ok(Some(live)) => live,
        Ok(None) => {
            out!(
                "no engine serves {}: this is what the configuration says\n",
                settings.data.display()
            );
            BTreeMap::new()
        }
        Err(failure) => {
            out!("{failure}\nthis is what the configuration says\n");
            BTreeMap::new()
        }
    };
    for record in &settings.trunks {
        let now = live.get(&record.trunk.id);
        if !live.is_empty() && now.is_none() {
            out!(
                "{:<16} is not known to the engine that serves: restart it\n{}",
                record.trunk.id,
                describe(record, None)
            );
        } else {
            out!("{}", describe(record, now));
        }
    }
    let written: BTreeSet<&String> = settings.trunks.iter().map(|record| &record.trunk.id).collect();
    for live in live.values().filter(|live| !written.contains(&live.id)) {
        out!(
            "{:<16} is no longer in the configuration, and still served\n{}",
            live.id,
            state(live)
        );
    }
    Ok(())
}

/// How the trunks are, from the engine that serves this folder; `None` without one.
fn ask_trunks(data: &Path, actor: &str) -> Result<Option<BTreeMap<String, Live>>, Failure> {
    let ask = Ask::Trunks {
        actor: actor.to_owned(),
    };
    let Some(mut engine) = Caller::ask(data, &ask)? else {
        return Ok(None);
    };
    let mut trunks = BTreeMap::new();
    loop {
        match engine.answer()? {
            Answer::Trunk(live) if trunks.len() < TRUNKS_MAX => {
                trunks.insert(live.id.clone(), *live);
            }
            Answer::Refused { why } => return Err(Failure::new(why, "ask again in a moment")),
            _ => return Ok(Some(trunks)),
        }
    }
}

/// Trunks listed of one engine.
const TRUNKS_MAX: usize = 10_000;

/// What the engine sees of a trunk, indented below its name.
fn state(live: &Live) -> String {
    let mut text = match live.reach.as_str() {
        "not asked" => "  state      not asked: no OPTIONS are sent to it".to_owned(),
        reach => format!("  state      {reach} for {}", length(live.since_s)),
    };
    if let Some(took) = live.round_trip_ms {
        text.push_str(&format!("; the last answer to OPTIONS took {took} ms"));
    }
    for address in &live.addresses {
        let last = match address.answered {
            Some((ago, status)) => format!("answered {status} {} ago", length(ago)),
            None => "has not answered yet".to_owned(),
        };
        let down = if address.answers { "" } else { "; down" };
        text.push_str(&format!("\n             {}: {last}{down}", address.at));
    }
    match live.registered {
        LiveRegistration::NotAsked => {}
        LiveRegistration::No => text.push_str("\n  registered no; it is tried again"),
        LiveRegistration::ForSeconds(left) => {
            text.push_str(&format!("\n  registered for {} more", length(left)));
        }
    }
    let ((calls_in, in_max), (calls_out, out_max)) = (live.calls_in, live.calls_out);
    let (in_per_s, out_per_s) = live.per_second;
    text.push_str(&format!(
        "\n  calls      {calls_in} of {in_max} in, {calls_out} of {out_max} out; at most {in_per_s} in and {out_per_s} out a second"
    ));
    let refused: u64 = live.refused.iter().map(|(_, _, calls)| calls).sum();
    text.push_str(&format!("\n  refused    {refused} since the start"));
    for (status, why, calls) in &live.refused {
        text.push_str(&format!("\n             {calls} × {status} {}", printable(why)));
    }
    text
}

/// `42 s`, `5 min`, `3 h 10 min`, `2 days`
fn length(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// One trunk in a few lines.
fn describe(record: &Record, live: Option<&Live>) -> String {
    let trunk = &record.trunk;
    let mut text = format!("{:<16} {}\n", trunk.id, record.preset.unwrap_or("no preset"));
    match live {
        Some(live) => text.push_str(&state(live)),
        None => text.push_str(&format!(
            "  calls      at most {} in and {} out; {} and {} a second",
            trunk.limits.calls_in_max,
            trunk.limits.calls_out_max,
            trunk.limits.calls_in_per_s,
            trunk.limits.calls_out_per_s
        )),
    }
    let targets = trunk
        .outbound
        .as_ref()
        .map(|outbound| outbound.targets.iter().map(place).collect::<Vec<_>>());
    let targets = targets.map_or_else(|| "none".to_owned(), |targets| targets.join(", then "));
    text.push_str(&format!("\n  outbound   {targets}"));
    if let Some(registration) = &trunk.registration {
        text.push_str(&format!(
            "\n  registers  at {} for {} s",
            place(&registration.registrar),
            registration.expires_s
        ));
    }
    let encryption = match trunk.security {
        Security::Required => "required",
        Security::Preferred => "preferred",
        Security::Off => "off",
    };
    let codecs: Vec<String> = trunk
        .codecs
        .iter()
        .map(|codec| format!("{codec:?}").to_uppercase())
        .collect();
    text.push_str(&format!(
        "\n  audio      encryption {encryption}; {}",
        codecs.join(", ")
    ));
    match &record.agreement {
        Some(Baa::Named(agreement)) => text.push_str(&format!("\n  agreement  {agreement}")),
        Some(Baa::Conduit) => text.push_str("\n  agreement  none: a mere conduit"),
        None => {}
    }
    if trunk.report_card.is_some() {
        text.push_str("\n  card       its engineers have a number for their report card");
    }
    text
}

fn place(target: &Target) -> String {
    let mut text = target.transport.map_or_else(String::new, |transport| {
        format!("{} ", transport.name().to_ascii_lowercase())
    });
    text.push_str(&target.host.to_string());
    if let Some(port) = target.port {
        text.push_str(&format!(":{port}"));
    }
    text
}

/// A trace of everything the engine says to a trunk and hears of it, or of everybody, for so long. Whoever takes one leaves a
/// row first.
fn trace(trunk: Option<&str>, how_long: &str, file: &Path, numbers: Numbers, who: &crate::Who) -> Result<(), Failure> {
    let for_s = seconds(how_long).ok_or_else(|| {
        Failure::new(
            format!("`{how_long}` is no length of time"),
            "write 90s, 10m or 1h, a day at most",
        )
    })?;
    let settings = serve::settings(&who.config)?;
    let traces = settings.data.join(control::TRACES);
    let before = files_in(&traces);
    let command = match numbers {
        Numbers::Masked => "trunk trace",
        Numbers::Shown => "trunk trace --numbers shown",
    };
    let allowed = gate::pass(&settings, command, &About::default(), who)?;
    let ask = Ask::Trace {
        actor: allowed.person,
        for_s,
        numbers_shown: numbers == Numbers::Shown,
        trunk: trunk.map(str::to_owned),
    };
    let Some(mut engine) = Caller::ask(&settings.data, &ask)? else {
        return Err(Failure::new(
            format!("no engine serves {}", settings.data.display()),
            "start it with `nightdesk serve`, then trace",
        ));
    };
    loop {
        match engine.answer()? {
            Answer::Tracing => match trunk {
                Some(trunk) => out!("tracing {trunk} for {for_s} s"),
                None => out!("tracing for {for_s} s"),
            },
            Answer::Refused { why } => {
                let fix = "`nightdesk trunk list` names the trunks that are served; of traces there is one at a time";
                return Err(Failure::new(why, fix));
            }
            Answer::Trunk(_)
            | Answer::TrunksTold
            | Answer::Practice(_)
            | Answer::House { .. }
            | Answer::PracticesTold => {
                return Err(Failure::new(
                    "the engine answered another question",
                    "it is of another version than this command: use its own",
                ));
            }
            Answer::Traced { written, missing } => {
                // Sections of pcapng stand one after the other (the format's §4.1), so files are simply joined.
                let fresh: Vec<PathBuf> = files_in(&traces).difference(&before).cloned().collect();
                join(&fresh, file)?;
                let shown = match numbers {
                    Numbers::Masked => "numbers, keys and digests masked",
                    Numbers::Shown => "numbers shown: keep it like patient information",
                };
                out!("{}  {written} messages, {missing} missing; {shown}", file.display());
                return Ok(());
            }
        }
    }
}

/// `90s`, `10m`, `1h`
fn seconds(text: &str) -> Option<u64> {
    let unit = text.chars().next_back()?;
    let amount: u64 = text.strip_suffix(unit)?.parse().ok()?;
    let each = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        _ => return None,
    };
    let seconds = amount.checked_mul(each)?;
    (1..=control::TRACE_S_MAX).contains(&seconds).then_some(seconds)
}

fn files_in(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect()
}

/// Writes a file that only its owner reads, of these one after the other, and takes them away.
fn join(parts: &[PathBuf], file: &Path) -> Result<(), Failure> {
    let mut whole = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)
        .map_err(Failure::file(file))?;
    for part in parts {
        let mut from = std::fs::File::open(part).map_err(Failure::file(part))?;
        std::io::copy(&mut from, &mut whole).map_err(Failure::file(file))?;
    }
    whole.sync_all().map_err(Failure::file(file))?;
    for part in parts {
        std::fs::remove_file(part).map_err(Failure::file(part))?;
    }
    Ok(())
}

fn list_presets() {
    for preset in Preset::all() {
        let (inbound, outbound) = preset.words();
        out!(
            "{:<12} {:<32} calls to us: {inbound}; calls from us: {outbound}",
            preset.key(),
            preset.name()
        );
    }
}

fn show_preset(name: &str) -> Result<(), Failure> {
    let preset = Preset::named(name).ok_or_else(|| {
        let known: Vec<&str> = Preset::keys().collect();
        Failure::new(
            format!("there is no preset `{name}`"),
            format!("one of: {}", known.join(", ")),
        )
    })?;
    out!("{}\n", preset.name());
    for (setting, value, source) in preset.values() {
        let (mark, why) = match source {
            Source::Page(page) => (' ', page),
            Source::Guess(why) => ('~', why),
        };
        out!("{mark} {setting:<18} {:<44} {why}", words(value));
    }
    out!("\nAt the carrier:");
    for (number, step) in preset.steps().iter().enumerate() {
        out!("  {}. {step}", number + 1);
    }
    out!("\nWorth knowing:");
    for oddity in preset.oddities() {
        out!("  - {oddity}");
    }
    Ok(())
}

/// A value as it would be written.
fn words(value: &Node) -> String {
    match &value.kind {
        Kind::List(items) => items.iter().filter_map(Node::text).collect::<Vec<_>>().join(", "),
        _ => value.text().unwrap_or_default().to_owned(),
    }
}

/// One line of a card, as soon as it is known.
fn show(line: &Line) {
    out!("{line}");
}

/// The counts, and whether anything failed.
fn done(card: &Card) -> Result<(), Failure> {
    out!(
        "{} passed, {} failed, {} not tried",
        card.count(Grade::Pass),
        card.count(Grade::Fail),
        card.count(Grade::NotTried)
    );
    match card.count(Grade::Fail) {
        0 => Ok(()),
        failed => Err(Failure::new(
            if failed == 1 {
                "1 line failed".to_owned()
            } else {
                format!("{failed} lines failed")
            },
            "each names its section; `nightdesk trunk trace` keeps the messages for the carrier's support",
        )),
    }
}

impl How {
    /// A trunk is called with its own credentials, by whoever may; a SIP URI without a configuration by anybody.
    fn may(&self, command: &str, peer: &str) -> Result<(), Failure> {
        let Some(config) = &self.config else { return Ok(()) };
        let about = About {
            detail: peer,
            ..About::default()
        };
        Gate::new(&serve::settings(config)?).pass(command, &about, "").map(drop)
    }

    /// Whom to call, and as whom: a trunk of the configuration, or whoever a SIP URI names.
    fn plan(&self, peer: &str) -> Result<Plan, Failure> {
        let settings = self.config.as_deref().map(serve::settings).transpose()?;
        for number in [&self.call, &self.from].into_iter().flatten() {
            if !is_e164(number) {
                return Err(Failure::new(
                    "that is no number to call or to show",
                    "write it with + and the country code: +15125550100",
                ));
            }
        }
        if peer.starts_with("sip:") || peer.starts_with("sips:") {
            return self.plan_for_uri(peer, settings.as_ref());
        }
        let settings = settings.ok_or_else(|| {
            Failure::new(
                format!("`{peer}` is the name of a trunk only together with a configuration"),
                "add --config FILE, or give a SIP URI",
            )
        })?;
        let record = settings
            .trunks
            .iter()
            .find(|record| record.trunk.id == peer)
            .ok_or_else(|| {
                let known: Vec<&str> = settings.trunks.iter().map(|record| record.trunk.id.as_str()).collect();
                Failure::new(
                    format!("the configuration has no trunk `{peer}`"),
                    format!("it has: {}", known.join(", ")),
                )
            })?;
        self.plan_for_trunk(record, &settings)
    }

    fn plan_for_uri(&self, text: &str, settings: Option<&Settings>) -> Result<Plan, Failure> {
        let wrong = || {
            Failure::new(
                "that is no SIP URI we can call",
                "write sip:+15125550100@192.0.2.7:5060;transport=tcp",
            )
        };
        let uri = Uri::parse(text).map_err(|_| wrong())?;
        let target = Target::of(&uri).ok_or_else(wrong)?;
        let user = uri.user_text().map(Phi::into_exposed).or_else(|| self.call.clone());
        let called = user.map(|user| uri_of(&uri.scheme, Some(&user), &target));
        let mut plan = base(&target, settings)?;
        plan.from = self.caller(None, plan.local);
        plan.called = called;
        Ok(plan)
    }

    fn plan_for_trunk(&self, record: &Record, settings: &Settings) -> Result<Plan, Failure> {
        let outbound = record.trunk.outbound.as_ref();
        let (outbound, target) = outbound
            .and_then(|outbound| Some((outbound, outbound.targets.first()?)))
            .ok_or_else(|| {
                Failure::new(
                    format!("trunk `{}` has nowhere to call", record.trunk.id),
                    "add `outbound`, or check the carrier by its SIP URI",
                )
            })?;
        let mut plan = base(target, Some(settings))?;
        plan.from = self.caller(Some((outbound, record)), plan.local);
        plan.called = self
            .call
            .as_deref()
            .map(|number| uri_of(&Scheme::Sip, Some(&dialled(number, outbound, record)), target));
        let shown = self
            .from
            .as_deref()
            .or(outbound.caller_numbers.first().map(String::as_str));
        if outbound.caller_id.contains(&CallerId::Asserted)
            && let Some(number) = shown
        {
            plan.identity = Some(NameAddr::new(Uri::sip(Some(number), host_of(plan.local), None)));
        }
        plan.credentials = record.trunk.credentials.clone();
        plan.headers = outbound
            .headers
            .iter()
            .map(|(name, value)| (name.clone(), value.expose().clone()))
            .collect();
        plan.security = record.trunk.security;
        if !record.trunk.codecs.is_empty() {
            plan.codecs = record.trunk.codecs.clone();
        }
        Ok(plan)
    }

    /// Who calls: the number given, else one the carrier lets us show, else our account.
    fn caller(&self, trunk: Option<(&Outbound, &Record)>, local: IpAddr) -> NameAddr {
        let number = self.from.clone().or_else(|| trunk?.0.caller_numbers.first().cloned());
        let account = trunk.and_then(|(_, record)| Some(record.trunk.credentials.as_ref()?.username().to_owned()));
        let user = number.or(account).unwrap_or_else(|| "nightdesk".into());
        let host = match trunk.and_then(|(outbound, _)| outbound.domain.clone()) {
            Some(domain) => Host::Name(domain),
            None => host_of(local),
        };
        NameAddr::new(Uri::sip(Some(&user), host, None))
    }
}

/// What every plan has: the way there, and our own addresses.
fn base(target: &Target, settings: Option<&Settings>) -> Result<Plan, Failure> {
    let name = match &target.host {
        Host::V6(address) => address.to_string(),
        host => host.to_string(),
    };
    let sought = sip::locate::Target {
        host: target.host.clone(),
        port: target.port,
        transport: target.transport,
        secure: target.secure,
    };
    let servers = exchange::Resolver {
        servers: settings
            .map(|settings| settings.name_servers.clone())
            .unwrap_or_default(),
        ..exchange::Resolver::default()
    };
    // RFC 3263: NAPTR, SRV and addresses, as a call would find them; the first is the one that is checked.
    let found = serve::runtime()?.block_on(async {
        let names = exchange::Names::open(&servers);
        names
            .locate(sought, sip::locate::Preferences::default(), keys::draw()())
            .await
    });
    let sip::locate::Destination {
        transport,
        address: remote,
    } = found.first().copied().ok_or_else(|| {
        Failure::new(
            format!("{name} has no address"),
            "check the name, and the name server of this machine",
        )
    })?;
    let local = our_address(remote).ok_or_else(|| {
        Failure::new(
            format!("there is no way from here to {remote}"),
            "check the network and its routes",
        )
    })?;
    let advertised = settings
        .map(|settings| settings.desk.media_address)
        .filter(|address| address.is_ipv4() == remote.is_ipv4() && !address.is_loopback() && !local.is_loopback());
    let roots = settings
        .and_then(|settings| Some(settings.tls.as_ref()?.roots.clone()))
        .unwrap_or_else(|| exchange::SYSTEM_ROOTS.into());
    Ok(Plan {
        transport,
        remote,
        name,
        roots,
        local,
        advertised,
        rtp_ports: settings.map(|settings| settings.rtp_ports.clone()),
        host: uri_of(&Scheme::Sip, None, target),
        called: None,
        from: NameAddr::new(Uri::sip(Some("nightdesk"), host_of(local), None)),
        identity: None,
        credentials: None,
        headers: Vec::new(),
        codecs: OFFERED.to_vec(),
        security: media::sdp::Security::Off,
        reports_within: check::REPORTS_WITHIN,
    })
}

/// What a peer without a trunk is offered: what every carrier has first, so that its answer names it.
const OFFERED: &[Codec] = &[Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus];

/// The address packets to a peer leave from.
fn our_address(remote: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = if remote.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        (std::net::Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(any).ok()?;
    // Connecting a datagram socket sends nothing; it asks the routing table.
    socket.connect(remote).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

fn host_of(address: IpAddr) -> Host {
    match address {
        IpAddr::V4(address) => Host::V4(address),
        IpAddr::V6(address) => Host::V6(address),
    }
}

fn uri_of(scheme: &Scheme, user: Option<&str>, target: &Target) -> Uri {
    let mut uri = Uri::sip(user, target.host.clone(), target.port);
    uri.scheme = scheme.clone();
    match target.transport {
        Some(transport) if transport.is_reliable() => {
            uri.with_param("transport", &transport.name().to_ascii_lowercase())
        }
        _ => uri,
    }
}

/// A number as the carrier wants to see it.
fn dialled(number: &str, outbound: &Outbound, record: &Record) -> String {
    let written = outbound.number_format.write(number, record.trunk.country);
    format!("{}{}", outbound.tech_prefix, written.expose())
}

#[cfg(test)]
mod tests {
    use super::{length, seconds, state};
    use crate::control::{Live, LiveAddress, LiveRegistration};

    #[test]
    fn a_trunk_in_trouble_is_told_in_words() {
        let address = |last: u8, answers, answered| LiveAddress {
            at: format!("tls 192.0.2.{last}:5061"),
            answers,
            answered,
        };
        let live = Live {
            id: "carrier".into(),
            reach: "down".into(),
            since_s: 3_700,
            round_trip_ms: Some(41),
            addresses: vec![address(1, false, Some((3_790, 200))), address(2, false, None)],
            registered: LiveRegistration::ForSeconds(250),
            calls_in: (2, 60),
            calls_out: (1, 10),
            per_second: (20, 1),
            refused: vec![
                (404, "number belongs to no practice".into(), 7),
                (503, "at this trunk's limit of \u{1b}[2Jcalls".into(), 2),
            ],
        };
        insta::assert_snapshot!(state(&live), @r"
          state      down for 61 min; the last answer to OPTIONS took 41 ms
                     tls 192.0.2.1:5061: answered 200 63 min ago; down
                     tls 192.0.2.2:5061: has not answered yet; down
          registered for 4 min more
          calls      2 of 60 in, 1 of 10 out; at most 20 in and 1 out a second
          refused    9 since the start
                     7 × 404 number belongs to no practice
                     2 × 503 at this trunk's limit of [2Jcalls
        ");
        let line = serde_json::to_string(&live).expect("plain text");
        assert_eq!(serde_json::from_str::<Live>(&line).expect("what was written"), live);
    }

    #[test]
    fn lengths_of_time_are_read_by_people() {
        let told: Vec<String> = [0, 119, 120, 7_199, 7_200, 90_000, 172_800].map(length).into();
        assert_eq!(
            told,
            ["0 s", "119 s", "2 min", "119 min", "2 h 0 min", "25 h 0 min", "2 days"]
        );
    }

    #[test]
    fn lengths_of_a_trace() {
        assert_eq!(seconds("90s"), Some(90));
        assert_eq!(seconds("10m"), Some(600));
        assert_eq!(seconds("24h"), Some(86_400));
        for wrong in ["", "m", "10", "25h", "-1s", "10µ", "0s"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }
}
