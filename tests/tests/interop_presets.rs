//! What each carrier's calls look like, against an engine that was told little but the carrier's preset
//! (integrations.md §1.5): the scenarios of `tests/sipp/presets`, played by SIPp in the carrier's own dialect.
//!
//! One thing to know: each preset is tried with the encryption it ships with, and VoIP.ms once more as its steps say to set
//! it up encrypted. SIPp from Debian has neither TLS nor SRTP;
//! socat lends it the one, [`Phone`] the other.
#![allow(
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "telephones live in real time, and a test stops where it finds otherwise"
)]

mod child;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use child::{Desk, House};
use switchboard::{Fact, Stamped};
use tests::carriers::{CARRIERS, Carrier, Encryption, Form, KEY, VOIPMS_ENCRYPTED, but};
use tests::peers::{Certificates, Names, Tunnel};
use tests::phone::{FRAME, Phone};
use tests::sipp::{Line, Message, Setup, Sipp};
use tests::srtp::{Keys, Suite, unbase64};
use tests::{LOOPBACK, wait_for};

const PRACTICE: &str = "tests/interop/practice";
/// Its lines.
const KEYS: &str = "+15125550120";
const CLOSED: &str = "+15125550121";
const DOCTOR: &str = "+15125550122";
/// Whom we ring for [`DOCTOR`].
const VANCE: &str = "+15125550141";
/// Everything a scenario waits for comes within this, on a busy machine too.
const SOON: Duration = Duration::from_secs(45);
/// Scenarios of one carrier that run beside each other.
const AT_ONCE: usize = 6;
const USER: &str = "nightdesk-trunk";
const PASSWORD: &str = "correct horse";
/// Another edge of a carrier whose first is [`LOOPBACK`].
const SECOND_EDGE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// An engine with one preset, and the carrier at its other side.
struct Stage {
    carrier: &'static Carrier,
    certificates: Arc<Certificates>,
    house: House,
    desk: Desk,
    callers: AtomicUsize,
    words: voice::Snapshot,
}

/// What an engine is told of a trunk besides the name of its preset.
struct Told {
    /// Added to the preset's name.
    suffix: String,
    from: Vec<IpAddr>,
    /// Where its calls go, as the configuration has it.
    outbound: String,
    /// Whether it registers where the preset says so.
    registers: bool,
    asks: Asks,
}

/// How often we ask whether a trunk is there.
#[derive(Clone, Copy)]
enum Asks {
    /// As the preset says.
    AsShipped,
    /// Every second, so that a test sees it go and come.
    EachSecond,
    /// Never: nobody is there to answer.
    Never,
}

impl Asks {
    fn line(self) -> &'static str {
        match self {
            Self::AsShipped => "",
            Self::EachSecond => "    options every: 1 second\n",
            Self::Never => "    options every: off\n",
        }
    }
}

/// How a call comes.
#[derive(Clone, Copy)]
struct By {
    /// `UDP`, `TCP` or `TLS`.
    transport: &'static str,
    /// From where.
    edge: IpAddr,
    /// Whether its audio is SRTP.
    encrypted: bool,
    /// SIPp's own repetitions.
    repeats: bool,
}

/// A scenario that goes on.
struct Playing {
    sipp: Sipp,
    phone: Phone,
    caller: String,
    encrypted: bool,
    _tunnel: Option<Tunnel>,
}

/// What a scenario did.
struct Played {
    messages: Vec<Message>,
    caller: String,
    /// Packets of audio that were heard, and packets that were noise.
    heard: usize,
    strange: usize,
}

impl Playing {
    /// Plays it to its end, which must be as written.
    fn ends(mut self) -> Played {
        self.sipp.succeeds(SOON);
        let messages = self.sipp.messages();
        let mut sessions = messages.iter().filter(|message| !message.sent);
        if let (true, Some(keys)) = (self.encrypted, sessions.find_map(key_in)) {
            self.phone.opens(keys);
        }
        Played {
            messages,
            caller: self.caller,
            heard: self.phone.packets().len(),
            strange: self.phone.strange(),
        }
    }
}

/// The key of the suite that every carrier knows, in a session description.
fn key_in(message: &Message) -> Option<Keys> {
    let key = message.text.lines().find_map(|line| {
        let (_, suite) = line.strip_prefix("a=crypto:")?.split_once(' ')?;
        let (_, key) = suite.strip_prefix(Suite::Cm80.name())?.split_once("inline:")?;
        unbase64(key.split(['|', ' ']).next()?)
    });
    Some(Keys::new(Suite::Cm80, &key?))
}

fn carriers_keys() -> Keys {
    Keys::new(Suite::Cm80, &unbase64(KEY).expect("base64"))
}

impl Stage {
    /// The engine, furnished with the preset and what no preset can know.
    fn set(
        carrier: &'static Carrier,
        certificates: Arc<Certificates>,
        trunks: &[Told],
        names: Option<SocketAddr>,
    ) -> Self {
        let preset = carrier.preset;
        let house = House::of(Path::new(PRACTICE), |folder| {
            child::write_secret(&folder.join("password"), PASSWORD);
            let trunk = |told: &Told| {
                let from: Vec<String> = told.from.iter().map(IpAddr::to_string).collect();
                format!(
                    "  {preset}{suffix}:\n    preset: {preset}\n    from: [{from}]\n    outbound: {outbound}\n\
                     \x20   user: {USER}\n    password file: password\n{asks}{register}{also}",
                    suffix = told.suffix,
                    asks = told.asks.line(),
                    also = carrier.also,
                    from = from.join(", "),
                    outbound = told.outbound,
                    register = if told.registers { "" } else { "    register: off\n" },
                )
            };
            format!(
                "listen: [udp 127.0.0.1:0, tcp 127.0.0.1:0, tls 127.0.0.1:0]\n\
                 certificate: {{chain: {chain}, key: {key}, carrier ca: {authority}}}\n{names}\
                 rtp ports: 20000 to 29999\nmedia threads: 1\nring before answering: 1 second\n\
                 trunks:\n{trunks}practices: [practice]\ndata: data\nkeys: keys\ndrain for: 30 seconds\n",
                chain = certificates.server.0.display(),
                key = certificates.server.1.display(),
                authority = certificates.authority.display(),
                names = names
                    .map(|server| format!("name server: {server}\n"))
                    .unwrap_or_default(),
                trunks = trunks.iter().map(trunk).collect::<String>(),
            )
        });
        let words = child::words_of(Path::new(PRACTICE));
        let desk = house.start("info");
        Self {
            carrier,
            certificates,
            house,
            desk,
            callers: AtomicUsize::new(0),
            words,
        }
    }

    /// A number nobody has called from yet.
    fn caller(&self) -> String {
        let next = self.callers.fetch_add(1, Ordering::Relaxed);
        assert!(next < 50, "the reserved numbers are used up");
        format!("+1512555{:04}", 150 + next)
    }

    /// Plays a scenario in which the carrier brings a call, to its end, which must be as written.
    fn brings(&self, scenario: &str, number: &str, change: impl FnOnce(Words, &str) -> Words) -> Played {
        self.brings_by(scenario, number, self.by(), change)
    }

    /// How this carrier's calls come.
    fn by(&self) -> By {
        By {
            transport: if self.carrier.is_secure() { "TLS" } else { "UDP" },
            edge: LOOPBACK,
            encrypted: self.carrier.is_secure(),
            repeats: true,
        }
    }

    fn brings_by(&self, scenario: &str, number: &str, by: By, change: impl FnOnce(Words, &str) -> Words) -> Played {
        self.begins(scenario, number, by, self.caller(), change).ends()
    }

    fn begins(
        &self,
        scenario: &str,
        number: &str,
        by: By,
        caller: String,
        change: impl FnOnce(Words, &str) -> Words,
    ) -> Playing {
        let line = Line::free();
        let phone = Phone::start(line.media_port(), &self.words);
        if by.encrypted {
            phone.seals(carriers_keys());
        }
        let words = change(self.carrier.words(number, &caller), &caller);
        let name = format!("presets/{scenario}");
        let engine = self.desk.at(by.transport);
        let tunnel = (by.transport == "TLS").then(|| Tunnel::to(engine, by.edge, &self.certificates));
        let (engine, words) = match &tunnel {
            Some(tunnel) => {
                let words = but(words, "transport", "TLS");
                (tunnel.address(), but(words, "edge", tunnel.edge().to_string()))
            }
            None => (engine, words),
        };
        let sipp = Sipp::start(
            line,
            Setup {
                tcp: by.transport != "UDP",
                // Behind a tunnel it is the tunnel's end that we see.
                from: if tunnel.is_some() { LOOPBACK } else { by.edge },
                words: &words,
                repeats: by.repeats,
                ..Setup::caller(&name, engine)
            },
        );
        Playing {
            sipp,
            phone,
            caller,
            encrypted: by.encrypted,
            _tunnel: tunnel,
        }
    }

    /// The facts of the one call from this number.
    fn call_of(&self, caller: &str) -> Vec<Fact> {
        let call = self
            .house
            .waits_for("the call in the book", SOON, |_| self.house.call_of(caller));
        let of = |fact: &Stamped| fact.call == Some(call);
        self.house
            .facts()
            .into_iter()
            .filter(of)
            .map(|stamped| stamped.fact)
            .collect()
    }

    /// How many facts of this kind stand in the book.
    fn count(&self, is: impl Fn(&Fact) -> bool) -> usize {
        self.house.facts().iter().filter(|stamped| is(&stamped.fact)).count()
    }

    /// Waits for a fact of this kind more than there were; scenarios beside this one may bring others.
    fn one_more(&self, what: &str, before: usize, is: impl Fn(&Fact) -> bool) {
        self.house
            .waits_for(what, SOON, |_| (self.count(&is) > before).then_some(()));
    }
}

type Words = Vec<(&'static str, String)>;

/// The origin line of a session description: what RFC 3264 §8 counts versions in.
fn origin(message: &Message) -> &str {
    let line = message.text.lines().find(|line| line.starts_with("o="));
    line.unwrap_or_else(|| panic!("no session in: {}", message.text))
}

/// The answers to INVITE with this status.
fn answers(played: &Played, status: u16) -> Vec<&Message> {
    let invite = |message: &&Message| message.header("CSeq").is_some_and(|cseq| cseq.ends_with("INVITE"));
    let received = played.messages.iter().filter(|message| !message.sent);
    received
        .filter(|message| message.status() == Some(status))
        .filter(invite)
        .collect()
}

fn began(facts: &[Fact]) -> (&str, Option<&str>) {
    let began = facts.iter().find_map(|fact| match fact {
        Fact::CallBegan { trunk, caller, .. } => Some((trunk.as_str(), caller.expose().as_deref())),
        _ => None,
    });
    began.expect("a call begins")
}

/// No offer in the INVITE: ours comes in the 200. Where encryption is a wish it cannot be asked twice, so the keys stand
/// beside RTP/AVP; the carrier takes one, and the call is encrypted after all.
fn our_offer_in_the_answer(stage: &Stage) {
    let played = stage.brings("late-offer", KEYS, |words, _| match stage.carrier.encryption {
        Encryption::Preferred => but(words, "profile", "RTP/AVP"),
        Encryption::Required | Encryption::Off => words,
    });
    assert!(played.heard > 40, "{} packets were heard", played.heard);
    assert_eq!(played.strange, 0, "packets that no key opens");
}

/// What every carrier's calls have in common.
fn an_ordinary_call(stage: &Stage) {
    let played = stage.brings("call", KEYS, |words, _| words);
    let facts = stage.call_of(&played.caller);
    assert_eq!(began(&facts), (stage.carrier.preset, Some(played.caller.as_str())));
    assert_eq!(
        carried(&facts),
        (stage.carrier.is_secure(), stage.carrier.is_secure()),
        "audio, signalling"
    );
    assert_eq!(verdict(&facts), stage.carrier.verdict);
    // A second and a half, less what a busy machine takes.
    assert!(played.heard > 40, "{} packets were heard", played.heard);
    assert_eq!(played.strange, 0, "packets that no key opens");
}

/// Whether the record says that a leg's audio is protected, and its signalling.
fn carried(facts: &[Fact]) -> (bool, bool) {
    let answered = facts.iter().find_map(|fact| match fact {
        Fact::Answered {
            encrypted,
            signalling_protected,
            ..
        } => Some((*encrypted, *signalling_protected)),
        _ => None,
    });
    answered.expect("the call was answered")
}

/// What the record says of the caller's number; nothing when the carrier said nothing.
fn verdict(facts: &[Fact]) -> String {
    let said = facts.iter().find_map(|fact| match fact {
        Fact::Verdict { verdict, attestation } => Some(format!("{verdict} {attestation}")),
        _ => None,
    });
    said.unwrap_or_default()
}

fn a_refresh_that_changes_nothing(stage: &Stage) {
    let played = stage.brings("refresh-by-them", KEYS, |words, _| words);
    let [first, second] = answers(&played, 200).try_into().expect("two sessions");
    assert_eq!(
        origin(first),
        origin(second),
        "the same session is described in the same version"
    );
}

fn a_refresh_of_ours_in_half_of_30_seconds(stage: &Stage) {
    let played = stage.brings("refresh-by-us", KEYS, |words, _| words);
    let method = if stage.carrier.has_update() { "UPDATE" } else { "INVITE" };
    let refresh = played
        .messages
        .iter()
        .find(|message| !message.sent && message.is(method));
    let refresh = refresh.unwrap_or_else(|| panic!("a refresh by {method}"));
    let answered = *answers(&played, 200).first().expect("an answer");
    let after = refresh.at.duration_since(answered.at).expect("in order");
    // RFC 4028 §7.2: at half the interval.
    assert!(
        (Duration::from_secs(10)..Duration::from_secs(19)).contains(&after),
        "after {after:?}"
    );
    if method == "INVITE" {
        assert_eq!(origin(refresh), origin(answered), "and the session is unchanged");
    }
}

/// The same call by two edges at once, with two Call-IDs and two tags (seen from Bandwidth): the first is answered, the
/// second is told so and makes no call.
fn one_call_from_several_edges(stage: &Stage) {
    let (by, merged) = (stage.by(), |fact: &Fact| matches!(fact, Fact::CallMerged { .. }));
    let before = stage.count(merged);
    let first = stage.begins("listens", KEYS, by, stage.caller(), |words, _| {
        but(words, "listens_ms", "2500")
    });
    first
        .sipp
        .receives("ringing", SOON, |message| message.status() == Some(180));
    let edge = SECOND_EDGE;
    let second = stage.begins("refused", KEYS, By { edge, ..by }, first.caller.clone(), |words, _| {
        but(words, "status", "482")
    });
    second.ends();
    let first = first.ends();
    assert_eq!(answers(&first, 200).len(), 1);
    assert_eq!(calls_from(stage, &first.caller), 1, "the record has one call");
    stage.one_more("the merged call in the book", before, merged);
}

/// What we cannot take of an offer gets 488, and nothing rings.
fn refused_offer(stage: &Stage, by: By, change: impl Fn(Words) -> Words) {
    stage.brings_by("refused", KEYS, by, |words, _| but(change(words), "status", "488"));
}

/// Plain audio where encryption is required: refused, and somebody is told.
fn plain_audio_is_refused(stage: &Stage) {
    let alarm = |fact: &Fact| matches!(fact, Fact::Alarm { .. });
    let before = stage.count(alarm);
    refused_offer(stage, stage.by(), in_clear);
    stage.one_more("an alarm", before, alarm);
}

/// Plain audio where encryption is a wish: taken, and the record says so.
fn plain_audio_is_taken(stage: &Stage) {
    let by = By {
        transport: "UDP",
        encrypted: false,
        ..stage.by()
    };
    let played = stage.brings_by("call", KEYS, by, |words, _| in_clear(words));
    assert_eq!(carried(&stage.call_of(&played.caller)), (false, false));
    assert!(played.heard > 40, "{} packets were heard", played.heard);
}

fn in_clear(words: Words) -> Words {
    but(but(words, "profile", "RTP/AVP"), "crypto", "")
}

fn encrypted(words: Words, crypto: &str) -> Words {
    but(but(words, "profile", "RTP/SAVP"), "crypto", crypto)
}

/// A master key identifier in every suite: none is ours (RFC 4568 §6.1).
fn nothing_but_identified_keys(stage: &Stage) {
    refused_offer(stage, stage.by(), |words| {
        encrypted(
            words,
            &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|2^20|1:4"),
        )
    });
}

fn calls_from(stage: &Stage, number: &str) -> usize {
    stage.call_of(number);
    let from =
        |fact: &Fact| matches!(fact, Fact::CallBegan { caller, .. } if caller.expose().as_deref() == Some(number));
    stage.house.facts().iter().filter(|stamped| from(&stamped.fact)).count()
}

fn an_invite_sent_again_and_again(stage: &Stage) {
    let by = By {
        repeats: false,
        ..stage.by()
    };
    let played = stage.brings_by("retransmitted", KEYS, by, |words, _| words);
    assert_eq!(calls_from(stage, &played.caller), 1, "the record has one call");
}

/// Who calls, in all the forms that were seen (integrations.md §1.3 and §1.4): the asserted identity counts, whatever From
/// says; the verdict is found wherever it stands, and refuses nobody.
fn callers_in_every_form(stage: &Stage, identity: &str, expected: &str) {
    let played = stage.brings("call", KEYS, |words, caller| {
        let asserted = identity.contains("P-Asserted-Identity");
        let from = if asserted { "+15125550177" } else { caller };
        let mut parts = identity.splitn(2, "From: ");
        let (headers, from_param) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let words = but(
            words,
            "caller",
            format!("\"Somebody\" <sip:{from}@carrier.example.com{from_param}>"),
        );
        but(words, "identity", headers.replace("CALLER", caller))
    });
    let facts = stage.call_of(&played.caller);
    assert_eq!(began(&facts).1, Some(played.caller.as_str()), "{identity}");
    assert_eq!(verdict(&facts), expected, "{identity}");
}

const VERDICTS: [(&str, &str); 7] = [
    (
        "P-Asserted-Identity: <sip:CALLER;verstat=TN-Validation-Passed-A@192.0.2.31>",
        "passed A",
    ),
    (
        "P-Asserted-Identity: <sip:CALLER@sip.example.com;verstat=TN-Validation-Passed-B>",
        "passed B",
    ),
    (
        "P-Asserted-Identity: <sip:CALLER@sip.example.com>;verstat=TN-Validation-Failed-C",
        "failed C",
    ),
    ("P-Asserted-Identity: <tel:CALLER>", ""),
    ("From: ;verstat=TN-Validation-Passed-C", "passed C"),
    ("X-Twilio-VerStat: TN-Validation-Failed-B", "failed B"),
    ("P-Attestation-Indicator: C", "none C"),
];

/// Our number and the caller's with a plus and without, with the country's 1 and without, with separators and parameters.
fn numbers_in_every_form(stage: &Stage, called: &str, caller_form: Form) {
    let played = stage.brings("call", KEYS, |words, caller| {
        let theirs = caller_form.write(caller);
        let words = but(words, "called", format!("sip:{called}@[remote_ip]:[remote_port]"));
        let words = but(
            words,
            "caller",
            format!("<sip:{theirs}@carrier.example.com;user=phone>"),
        );
        but(
            words,
            "identity",
            format!("P-Asserted-Identity: <sip:{theirs}@carrier.example.com>"),
        )
    });
    assert_eq!(
        began(&stage.call_of(&played.caller)).1,
        Some(played.caller.as_str()),
        "{called}"
    );
}

/// The request line names our account, as it does where calls follow a registration: the number called stands elsewhere.
fn number_called_elsewhere(stage: &Stage, header: &'static str) {
    let played = stage.brings("call", KEYS, |words, _| {
        let words = but(words, "called", format!("sip:{USER}@[remote_ip]:[remote_port]"));
        but(words, "headers", header)
    });
    assert_eq!(
        began(&stage.call_of(&played.caller)).1,
        Some(played.caller.as_str()),
        "{header}"
    );
}

/// `tel:` in the request line and in From (RFC 3966), with the separators people write.
fn telephone_uris(stage: &Stage) {
    let played = stage.brings("call", KEYS, |words, caller| {
        let words = but(words, "called", "tel:+1-512-555-0120");
        let words = but(words, "caller", format!("<tel:{caller}>"));
        but(words, "identity", "")
    });
    assert_eq!(began(&stage.call_of(&played.caller)).1, Some(played.caller.as_str()));
}

fn hidden(fact: &Fact) -> bool {
    matches!(fact, Fact::CallBegan { caller, .. } if caller.expose().is_none())
}

/// A caller who hides is taken like any other, and stays hidden.
fn a_caller_who_hides(stage: &Stage) {
    let before = stage.count(hidden);
    stage.brings("call", KEYS, |words, _| {
        let words = but(words, "caller", "\"Anonymous\" <sip:anonymous@anonymous.invalid>");
        but(words, "identity", "Privacy: id;critical")
    });
    stage.one_more("the hidden call in the book", before, hidden);
}

/// The practice forwards its own line to us (integrations.md §1.1): which practice it is stands in the request line, or,
/// where the carrier wrote something else there, in the trace of forwarding.
fn forwarded_calls(stage: &Stage) {
    let chain = "Diversion: <sip:+15125550190@192.0.2.7>;reason=no-answer;counter=1\n\
                 Diversion: \"Front desk\" <sip:+15125550120@192.0.2.7>;reason=unconditional;counter=1;privacy=off\n\
                 History-Info: <sip:+15125550120@192.0.2.7?Reason=SIP%3Bcause%3D302>;index=1, <sip:+15125550191@192.0.2.8;cause=302>;index=1.1";
    let played = stage.brings("call", KEYS, |words, _| but(words, "headers", chain));
    assert_eq!(began(&stage.call_of(&played.caller)).1, Some(played.caller.as_str()));
}

/// Some carriers show the practice's own number as the caller's: then nobody knows who calls.
fn a_caller_with_the_practices_number(stage: &Stage) {
    let before = stage.count(hidden);
    stage.brings("call", KEYS, |words, _| {
        let words = but(words, "caller", "<sip:+15125550120@carrier.example.com>");
        but(
            words,
            "identity",
            "P-Asserted-Identity: <sip:+15125550120@carrier.example.com>",
        )
    });
    stage.one_more("the call of nobody in the book", before, hidden);
}

/// Almost 64 KB, as a stream may bring it.
fn a_large_invite(stage: &Stage) {
    let line = format!("X-Trace: {}", "z".repeat(1_000));
    let played = stage.brings_by(
        "large",
        KEYS,
        By {
            transport: if stage.carrier.is_secure() { "TLS" } else { "TCP" },
            ..stage.by()
        },
        |words, _| but(words, "padding", [line.as_str(); 61].join("\n")),
    );
    let invite = played
        .messages
        .iter()
        .find(|message| message.is("INVITE"))
        .expect("it was sent");
    assert!(invite.text.len() > 61_000, "{} bytes", invite.text.len());
    assert_eq!(calls_from(stage, &played.caller), 1);
}

/// Keys as telephone-events (RFC 4733): whole, with ends lost, and two without a pause between them.
fn keys(stage: &Stage) {
    let playing = stage.begins("listens", KEYS, stage.by(), stage.caller(), |words, _| {
        but(words, "listens_ms", "9000")
    });
    let phone = &playing.phone;
    wait_for("audio", SOON, || phone.is_reached().then_some(()));
    let mut key = Key {
        sequence: 700,
        timestamp: 80_000,
    };
    let mut press = |digit: u8, ends: u8, pause_ms: u64| {
        phone.yields(Duration::from_millis(300));
        phone.sends(&key.pressed(digit, ends));
        std::thread::sleep(Duration::from_millis(pause_ms));
    };
    press(1, 3, 900);
    // Two of three ends are lost.
    press(2, 1, 900);
    // The second begins where the first ends.
    press(3, 3, 0);
    press(3, 3, 900);
    // All ends are lost.
    press(4, 0, 1_500);
    let caller = playing.ends().caller;
    let pressed = |fact: &&Fact| matches!(fact, Fact::Pressed { .. });
    let facts = stage.call_of(&caller);
    assert_eq!(
        facts.iter().filter(pressed).count(),
        5,
        "keys that were pressed: {facts:?}"
    );
}

/// A keypad's telephone-events.
struct Key {
    sequence: u16,
    timestamp: u32,
}

impl Key {
    /// 160 ms of a key, and so many packets that say it is up. The next key's time begins where this one ends.
    fn pressed(&mut self, digit: u8, ends: u8) -> Vec<(Duration, Vec<u8>)> {
        const STEPS: u16 = 8;
        let mut packets = Vec::new();
        for step in 1..=STEPS + u16::from(ends) {
            let up = step > STEPS;
            let held = step.min(STEPS) * 160;
            let marker = if step == 1 { 0x80 } else { 0 };
            let mut packet = vec![0x80, marker | 101];
            packet.extend(self.sequence.to_be_bytes());
            packet.extend(self.timestamp.to_be_bytes());
            packet.extend(0x4b45_5953_u32.to_be_bytes());
            packet.extend([digit, if up { 0x80 } else { 0 } | 10]);
            packet.extend(held.to_be_bytes());
            self.sequence = self.sequence.wrapping_add(1);
            packets.push((Duration::from_millis(20 * u64::from(step.min(STEPS + 1))), packet));
        }
        self.timestamp += u32::from(STEPS) * 160;
        packets
    }
}

/// A scenario and its name.
type Scenario<'a> = (&'a str, Box<dyn Fn() + Sync + 'a>);

/// Runs these, so many beside each other, and says at the end which failed.
fn all(at_once: usize, scenarios: &[Scenario<'_>]) {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut failed = Vec::new();
        while let Some((name, scenario)) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
            if catch_unwind(AssertUnwindSafe(scenario)).is_err() {
                failed.push(*name);
            }
        }
        failed
    };
    let failed: Vec<&str> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        let failed = workers
            .into_iter()
            .map(|worker| worker.join().expect("it catches what fails"));
        failed.flatten().collect()
    });
    assert!(
        failed.is_empty(),
        "{} of {} scenarios failed: {failed:?}",
        failed.len(),
        scenarios.len()
    );
}

/// While a call goes on we are told to stop: the carrier that asks is told when to ask again, and the BYE at the end of the
/// last call is answered before we go.
fn asked_while_draining(stage: &Stage) {
    let call = stage.begins("listens", KEYS, stage.by(), stage.caller(), |words, _| {
        but(words, "listens_ms", "4000")
    });
    call.sipp
        .receives("an answer", SOON, |message| message.status() == Some(200));
    stage.desk.signal("TERM");
    std::thread::sleep(Duration::from_millis(500));
    stage.brings("options-draining", KEYS, |words, _| words);
    call.ends();
}

/// The carrier at the other side of our own calls: SIPp, behind TLS where the preset wants that.
struct Carried {
    sipp: Sipp,
    phone: Phone,
    _tunnel: Option<Tunnel>,
}

impl Carried {
    /// Waits for what comes to `target`.
    fn waits(
        carrier: &Carrier,
        certificates: &Certificates,
        scenario: &str,
        target: Line,
        change: &[(&'static str, &str)],
    ) -> Self {
        let secure = carrier.is_secure();
        let line = if secure { Line::free() } else { target };
        let phone = Phone::start(line.media_port(), &child::words_of(Path::new(PRACTICE)));
        let mut words = carrier.words(VANCE, VANCE);
        // An answer takes of our offer what it likes, and names the suite it takes by our tag.
        words = but(words, "payloads", "0 101");
        words = but(
            words,
            "codecs",
            "a=rtpmap:0 PCMU/8000\na=rtpmap:101 telephone-event/8000",
        );
        words.extend([("user", USER.to_owned()), ("password", PASSWORD.to_owned())]);
        let tunnel = secure.then(|| Tunnel::from(target.address(), line.address(), certificates));
        if secure {
            phone.seals(carriers_keys());
            words = but(words, "crypto", format!("[$suite] inline:{KEY}"));
            words = but(words, "transport", "TLS");
            words = but(words, "edge", target.address().to_string());
        }
        for (name, word) in change {
            words = but(words, name, *word);
        }
        let name = format!("presets/{scenario}");
        let sipp = Sipp::start(
            line,
            Setup {
                tcp: secure,
                words: &words,
                calls: match scenario {
                    // Who is refused and asks again makes a second call of it; each OPTIONS is one.
                    "carrier-488" | "carrier-options" => 2,
                    "carrier-health" => 11,
                    _ => 1,
                },
                ..Setup::called(&name)
            },
        );
        Self {
            sipp,
            phone,
            _tunnel: tunnel,
        }
    }

    /// The requests of this method that came.
    fn received(&self, method: &str) -> Vec<Message> {
        let mut messages = self.sipp.messages();
        messages.retain(|message| !message.sent && message.is(method));
        messages
    }
}

/// A trunk for one scenario in which we call, with callers of its own: so many run beside each other in one engine.
struct Way<'a> {
    stage: &'a Stage,
    /// From where its callers come.
    edge: IpAddr,
    /// Where its calls go.
    targets: &'a [Line],
    name: String,
}

impl Way<'_> {
    /// A caller asks for the doctor and hangs up after so long. Gives the facts of the call.
    fn asks_for_the_doctor(&self, listens_ms: u32) -> Vec<Fact> {
        let (stage, edge) = (self.stage, self.edge);
        let played = stage.brings_by("listens", DOCTOR, By { edge, ..stage.by() }, |words, _| {
            but(words, "listens_ms", listens_ms.to_string())
        });
        stage.house.waits_for("the end of the call", SOON, |_| {
            let ended = |fact: &Fact| matches!(fact, Fact::CallEnded { .. });
            stage.call_of(&played.caller).iter().any(ended).then_some(())
        });
        let facts = stage.call_of(&played.caller);
        assert_eq!(
            began(&facts).0,
            self.name,
            "the trunk is known by where its calls come from"
        );
        facts
    }

    /// What waits at one of its targets.
    fn waits(&self, scenario: &str, target: usize, change: &[(&'static str, &str)]) -> Carried {
        Carried::waits(
            self.stage.carrier,
            &self.stage.certificates,
            scenario,
            self.targets[target],
            change,
        )
    }

    /// The doctor is rung, and the carrier's part must be as written.
    fn rings(&self, scenario: &str, target: usize, listens_ms: u32) -> Carried {
        let mut carried = self.waits(scenario, target, &[]);
        let facts = self.asks_for_the_doctor(listens_ms);
        carried.sipp.succeeds(SOON);
        self.was_rung(&carried, &facts, self.stage.carrier.is_secure());
        carried
    }

    /// The doctor's number was written as this carrier reads it, the record says how the leg was carried, and there was
    /// something to hear.
    fn was_rung(&self, carried: &Carried, facts: &[Fact], protected: bool) {
        let invites = carried.received("INVITE");
        let dialled = format!("INVITE sip:{}@", self.stage.carrier.dials.write(VANCE));
        let within = |invite: &&Message| invite.header("To").is_some_and(|to| to.contains(";tag="));
        let first: Vec<&Message> = invites.iter().filter(|invite| !within(invite)).collect();
        assert!(
            first.iter().all(|invite| invite.text.starts_with(&dialled)),
            "{dialled}: {first:?}"
        );
        let joined = facts.iter().find_map(|fact| match fact {
            Fact::Joined {
                trunk, audio_protected, ..
            } => Some((trunk.as_str(), *audio_protected)),
            _ => None,
        });
        assert_eq!(joined, Some((self.name.as_str(), protected)));
        if protected {
            carried
                .phone
                .opens(first.last().and_then(|offer| key_in(offer)).expect("an offer of ours"));
            assert_eq!(carried.phone.strange(), 0, "packets that our key does not open");
        }
        let heard = carried.phone.packets();
        assert!(
            heard.iter().filter(|packet| packet.payload.len() == FRAME).count() > 10,
            "{} packets",
            heard.len()
        );
    }

    /// The first target answers this, and the call goes on to the second; or ends there, for 486 is the doctor's own
    /// telephone speaking.
    fn fails_over(&self, status: &str) {
        let (refuses, mut answers) = (
            self.waits("carrier-refuses", 0, &[("status", status)]),
            self.waits("carrier", 1, &[]),
        );
        let facts = self.asks_for_the_doctor(RUNG_MS);
        assert_eq!(
            refuses.received("INVITE").len(),
            1,
            "{status}: the first target is asked once"
        );
        if status == "486" {
            assert_eq!(
                answers.received("INVITE").len(),
                0,
                "a doctor who is busy is not rung elsewhere"
            );
        } else {
            answers.sipp.succeeds(SOON);
            self.was_rung(&answers, &facts, self.stage.carrier.is_secure());
            let went = |fact: &Fact| matches!(fact, Fact::WentElsewhere { why, .. } if why == status);
            assert!(facts.iter().any(went), "{facts:?}");
        }
    }

    /// 488 to encrypted audio where encryption is a wish: the same target is asked again, in the clear.
    fn goes_in_the_clear(&self) {
        let mut carried = self.waits("carrier-488", 0, &[("crypto", ""), ("profile", "RTP/AVP")]);
        let facts = self.asks_for_the_doctor(RUNG_MS);
        carried.sipp.succeeds(SOON);
        let offers: Vec<bool> = carried
            .received("INVITE")
            .iter()
            .map(|m| m.text.contains("a=crypto:"))
            .collect();
        assert_eq!(offers, [true, false]);
        let joined = |fact: &Fact| {
            matches!(
                fact,
                Fact::Joined {
                    audio_protected: false,
                    ..
                }
            )
        };
        assert!(facts.iter().any(joined), "{facts:?}");
    }

    /// The carrier's 200 allows 30 seconds (integrations.md §1.3).
    fn is_refreshed(&self) {
        let refreshed = self.rings("carrier-session-30", 0, RUNG_MS + 16_000);
        let count = refreshed.received("UPDATE").len() + refreshed.received("INVITE").len();
        assert!(count > 1, "a refresh of ours");
    }

    /// The carrier is asked each second, and `carrier-health` says what it answers: three misses in a row, by 503 or by
    /// nothing, take the trunk down, and two answers in a row bring it back (integrations.md §1.2). Fewer do neither.
    fn is_watched(&self, mut carried: Carried) {
        carried.sipp.succeeds(SOON);
        let asked = carried.received("OPTIONS");
        // A trunk changes with the answer to a question; the next one is a second away.
        let questions = |stamped: &Stamped| {
            let by = std::time::SystemTime::from(stamped.at) + Duration::from_millis(20);
            asked
                .iter()
                .filter(|question| question.at <= by)
                .filter_map(|question| question.header("Call-ID"))
                .collect::<BTreeSet<_>>()
                .len()
        };
        let story = self.stage.house.waits_for("the trunk to come back", SOON, |facts| {
            let story: Vec<(&str, usize)> = facts
                .iter()
                .filter_map(|stamped| match &stamped.fact {
                    Fact::TrunkUp { trunk } if *trunk == self.name => Some(("up", questions(stamped))),
                    Fact::TrunkDown { trunk } if *trunk == self.name => Some(("down", questions(stamped))),
                    _ => None,
                })
                .take(3)
                .collect();
            (story.len() == 3).then_some(story)
        });
        assert_eq!(story, [("up", 1), ("down", 7), ("up", 11)]);
    }

    /// What the preset ships with, and nothing else was written: one question at the start, the next after 30 seconds.
    fn is_asked_as_shipped(&self, mut carried: Carried) {
        carried.sipp.succeeds(SOON);
        let asked = carried.received("OPTIONS");
        let (first, last) = (asked.first().expect("asked"), asked.last().expect("asked"));
        let apart = last.at.duration_since(first.at).expect("in order");
        assert!(
            (Duration::from_secs(29)..Duration::from_secs(34)).contains(&apart),
            "{apart:?} apart"
        );
        for question in &asked {
            let line = question.text.lines().next().unwrap_or_default();
            assert!(line.starts_with("OPTIONS sip:127.0.0.1:"), "{line}");
            let shown = ["User-Agent", "Server"].map(|name| question.header(name));
            assert_eq!(shown, [None, None], "nobody is told what we run");
            assert!(
                !question.text.contains("+1512"),
                "no number is named: {}",
                question.text
            );
        }
        let list = self.stage.house.show(&["trunk", "list"]);
        // What was found in the configuration stands before the list, and names it too.
        let ours: Vec<&str> = list.lines().skip_while(|line| !line.starts_with(&self.name)).collect();
        let ours = ours.join("\n");
        let state = ours.lines().find(|line| line.contains("state ")).unwrap_or_default();
        assert!(state.contains("up for"), "{list}");
        assert!(ours.contains("answered 200"), "{list}");
    }

    /// The registrar asks who we are, and then knows where we are (RFC 3261 §10).
    fn registers(&self, mut registrar: Carried) {
        registrar.sipp.succeeds(SOON);
        self.stage
            .house
            .waits_for("the registration in the book", SOON, |facts| {
                let registered = |fact: &Fact| matches!(fact, Fact::Registered { trunk } if *trunk == self.name);
                facts.iter().any(|stamped| registered(&stamped.fact)).then_some(())
            });
    }
}

/// For how long a caller waits until a doctor was rung, picked up and listened for a moment.
const RUNG_MS: u32 = 11_000;

/// Everything a carrier does to us (integrations.md §1.5).
fn inbound(carrier: &'static Carrier) {
    let certificates = Arc::new(Certificates::make());
    let told = Told {
        suffix: String::new(),
        from: vec![LOOPBACK, SECOND_EDGE],
        outbound: format!("{} {}", carrier.transport(), Line::free().address()),
        registers: false,
        asks: Asks::Never,
    };
    let stage = &Stage::set(carrier, certificates, &[told], None);
    let plays = |scenario: &'static str, number: &'static str| {
        move || {
            stage.brings(scenario, number, |words, _| words);
        }
    };
    let mut scenarios: Vec<Scenario<'_>> = vec![
        (
            "refresh-by-us",
            Box::new(|| a_refresh_of_ours_in_half_of_30_seconds(stage)),
        ),
        ("keys", Box::new(|| keys(stage))),
        ("route-set", Box::new(plays("route-set", CLOSED))),
        ("call", Box::new(|| an_ordinary_call(stage))),
        ("refresh-by-them", Box::new(|| a_refresh_that_changes_nothing(stage))),
        ("late-offer", Box::new(|| our_offer_in_the_answer(stage))),
        ("prack-required", Box::new(plays("prack-required", KEYS))),
        ("hold", Box::new(plays("hold", KEYS))),
        ("two-media", Box::new(plays("two-media", KEYS))),
        ("several-edges", Box::new(|| one_call_from_several_edges(stage))),
        ("cancel-too-late", Box::new(plays("cancel-too-late", KEYS))),
        ("cancel-in-time", Box::new(plays("cancel-in-time", KEYS))),
        ("bye-before-ack", Box::new(plays("bye-before-ack", KEYS))),
        ("large", Box::new(|| a_large_invite(stage))),
        ("tel", Box::new(|| telephone_uris(stage))),
        ("forwarded", Box::new(|| forwarded_calls(stage))),
        ("options", Box::new(plays("options", KEYS))),
    ];
    // The carriers that are known to say something of it; the words are the same for all.
    let verdicts = VERDICTS.iter().filter(|_| !carrier.verdict.is_empty());
    for &(identity, verdict) in verdicts {
        scenarios.push((
            identity,
            Box::new(move || callers_in_every_form(stage, identity, verdict)),
        ));
    }
    for (called, form) in [
        ("+15125550120", Form::WithoutPlus),
        ("15125550120", Form::National),
        ("5125550120", Form::E164),
        ("+1-512-555-0120;npdi;rn=+15125550199", Form::E164),
    ] {
        scenarios.push((called, Box::new(move || numbers_in_every_form(stage, called, form))));
    }
    for header in [
        "P-Called-Party-ID: <sip:+15125550120@carrier.example.com>",
        "Diversion: <sip:5125550120@192.0.2.7>;reason=unconditional;counter=1",
        "History-Info: <sip:+15125550120@192.0.2.7>;index=1",
    ] {
        scenarios.push((header, Box::new(move || number_called_elsewhere(stage, header))));
    }
    match carrier.encryption {
        Encryption::Required => {
            scenarios.push(("plain audio", Box::new(|| plain_audio_is_refused(stage))));
        }
        Encryption::Preferred => scenarios.push(("plain audio", Box::new(|| plain_audio_is_taken(stage)))),
        Encryption::Off => {
            let srtp = format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}");
            scenarios.push((
                "SRTP",
                Box::new(move || refused_offer(stage, stage.by(), |words| encrypted(words, &srtp))),
            ));
        }
    }
    if carrier.is_secure() {
        scenarios.push(("secure", Box::new(plays("secure", KEYS))));
        scenarios.push(("secure-with-mki", Box::new(plays("secure-with-mki", KEYS))));
        scenarios.push(("nothing but MKI", Box::new(|| nothing_but_identified_keys(stage))));
    } else {
        // A stream repeats nothing by itself.
        scenarios.push(("retransmitted", Box::new(|| an_invite_sent_again_and_again(stage))));
    }
    all(AT_ONCE, &scenarios);
    a_caller_who_hides(stage);
    a_caller_with_the_practices_number(stage);
    asked_while_draining(stage);
}

/// What a carrier does with a call of ours.
type Does = fn(&Way<'_>);
/// What is made of what the engine did by itself.
type Check = fn(&Way<'_>, Carried);

/// Everything a carrier does with our calls (integrations.md §1.5). The longest first.
const WITH_OUR_CALLS: [(&str, usize, Does); 10] = [
    ("session-30", 1, |way| way.is_refreshed()),
    ("ordinary", 1, |way| drop(way.rings("carrier", 0, RUNG_MS))),
    ("401", 1, |way| drop(way.rings("carrier-401", 0, RUNG_MS))),
    ("407", 1, |way| drop(way.rings("carrier-407", 0, RUNG_MS))),
    ("422", 1, |way| drop(way.rings("carrier-422", 0, RUNG_MS))),
    ("183", 1, |way| drop(way.rings("carrier-183", 0, RUNG_MS))),
    ("prack", 1, |way| drop(way.rings("carrier-prack", 0, RUNG_MS))),
    ("503", 2, |way| way.fails_over("503")),
    ("408", 2, |way| way.fails_over("408")),
    ("486", 2, |way| way.fails_over("486")),
];

fn outbound(carrier: &'static Carrier) {
    let certificates = Arc::new(Certificates::make());
    let mut does: Vec<(&str, usize, Does)> = WITH_OUR_CALLS.to_vec();
    // A name leads to two hosts, of which the first is dead (RFC 3263 §4.3).
    does.push(("named", 2, |way| drop(way.rings("carrier", 1, RUNG_MS + 4_000))));
    if carrier.encryption == Encryption::Preferred {
        does.push(("488", 1, |way| way.goes_in_the_clear()));
    }
    let targets: Vec<Vec<Line>> = does
        .iter()
        .map(|(_, count, _)| (0..*count).map(|_| Line::free()).collect())
        .collect();
    let named = targets.get(WITH_OUR_CALLS.len()).expect("just pushed");
    let service = if carrier.is_secure() {
        "_sips._tcp.sip.example.com"
    } else {
        "_sip._udp.sip.example.com"
    };
    let names = Names::start(
        &[
            (service, "one.example.com", named[0].address().port(), 10, 0),
            (service, "two.example.com", named[1].address().port(), 20, 0),
        ],
        &[("one.example.com", LOOPBACK), ("two.example.com", LOOPBACK)],
    );
    let edge = |at: usize| IpAddr::V4(Ipv4Addr::new(127, 0, 1, u8::try_from(at + 1).expect("few")));
    let mut trunks: Vec<Told> = does
        .iter()
        .zip(&targets)
        .enumerate()
        .map(|(at, ((name, ..), targets))| {
            let at_addresses = targets
                .iter()
                .map(|target| format!("{} {}", carrier.transport(), target.address()));
            let outbound = match *name {
                "named" => format!("{} sip.example.com", carrier.transport()),
                _ => format!("[{}]", at_addresses.collect::<Vec<_>>().join(", ")),
            };
            Told {
                suffix: format!("-{name}"),
                from: vec![edge(at)],
                outbound,
                registers: false,
                asks: Asks::Never,
            }
        })
        .collect();
    // What the engine asks by itself as soon as it runs: whether they are there, and, where calls follow a registration, to be
    // registered.
    let by_itself = [
        ("-health", "carrier-health", Asks::EachSecond),
        ("-shipped", "carrier-options", Asks::AsShipped),
        ("-registered", "registrar", Asks::Never),
    ];
    let by_itself = &by_itself[..if carrier.registers { 3 } else { 2 }];
    let mut waiting = Vec::new();
    for (more, (suffix, scenario, asks)) in by_itself.iter().enumerate() {
        let target = Line::free();
        waiting.push(Carried::waits(carrier, &certificates, scenario, target, &[]));
        trunks.push(Told {
            suffix: (*suffix).into(),
            from: vec![edge(does.len() + more)],
            outbound: format!("{} {}", carrier.transport(), target.address()),
            registers: *scenario == "registrar",
            asks: *asks,
        });
    }
    let stage = &Stage::set(carrier, certificates, &trunks, Some(names.address()));
    let way = |at: usize, name: &str, targets| Way {
        stage,
        edge: edge(at),
        targets,
        name: format!("{}-{name}", carrier.preset),
    };
    let scenarios: Vec<Scenario<'_>> = does
        .iter()
        .zip(&targets)
        .enumerate()
        .map(|(at, ((name, _, does), targets))| {
            let way = way(at, name, targets);
            (*name, Box::new(move || does(&way)) as Box<dyn Fn() + Sync>)
        })
        .collect();
    all(AT_ONCE, &scenarios);
    let checks: [(&str, Check); 3] = [
        ("health", |way, carried| way.is_watched(carried)),
        ("shipped", |way, carried| way.is_asked_as_shipped(carried)),
        ("registered", |way, carried| way.registers(carried)),
    ];
    for (more, (carried, (name, check))) in waiting.into_iter().zip(checks).enumerate() {
        check(&way(does.len() + more, name, &[]), carried);
    }
}

/// A test for each carrier and each of these.
macro_rules! carriers {
    ($($preset:ident: $($what:ident)*;)*) => {$(
        mod $preset {
            $(
                #[test]
                fn $what() {
                    super::$what(super::carrier(stringify!($preset)));
                }
            )*
        }
    )*};
}

fn carrier(name: &str) -> &'static Carrier {
    if name == "voipms_encrypted" {
        return &VOIPMS_ENCRYPTED;
    }
    CARRIERS
        .iter()
        .find(|carrier| carrier.preset == name)
        .expect("a carrier")
}

carriers! {
    twilio: inbound outbound;
    telnyx: inbound outbound;
    bandwidth: inbound outbound;
    flowroute: inbound outbound;
    voipms: inbound outbound;
    voipms_encrypted: inbound outbound;
    signalwire: inbound outbound;
    plivo: inbound outbound;
}
