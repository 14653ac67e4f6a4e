//! What each carrier's calls look like (integrations.md §1.5): the scenarios of `tests/sipp/presets`, played by SIPp in
//! the carrier's own dialect against an engine that was told the name of its preset.
//!
//! One thing to know: the tests are told `encryption: off` and addresses of loopback, for SIPp from Debian has no TLS;
//! all else is the preset's.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    reason = "telephones live in real time, and a test stops where it finds otherwise"
)]

mod child;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use child::{Desk, House};
use switchboard::Fact;
use tests::carriers::{CARRIERS, Carrier, but};
use tests::phone::Phone;
use tests::sipp::{Line, Message, Setup, Sipp};

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
const AT_ONCE: usize = 5;
const USER: &str = "nightdesk-trunk";
const PASSWORD: &str = "correct horse";

/// An engine with one preset, and the carrier at its other side.
struct Stage {
    carrier: &'static Carrier,
    house: House,
    desk: Desk,
    /// Where the carrier takes our calls.
    target: Line,
    callers: AtomicUsize,
    words: voice::Snapshot,
}

/// How a call comes.
#[derive(Clone, Copy)]
struct By {
    /// By TCP.
    tcp: bool,
    /// SIPp's own repetitions.
    repeats: bool,
}

/// What a scenario did.
struct Played {
    messages: Vec<Message>,
    caller: String,
    /// Packets of audio that were heard.
    heard: usize,
}

impl Stage {
    fn set(carrier: &'static Carrier) -> Self {
        let (preset, target) = (carrier.preset, Line::free());
        let house = House::of(Path::new(PRACTICE), |folder| {
            child::write_secret(&folder.join("password"), PASSWORD);
            format!(
                "listen: [udp 127.0.0.1:0, tcp 127.0.0.1:0]\n\
                 rtp ports: 20000 to 29999\nmedia threads: 1\nring before answering: 1 second\n\
                 trunks:\n  {preset}:\n    preset: {preset}\n    from: [127.0.0.1]\n    outbound: udp {outbound}\n\
                 \x20   user: {USER}\n    password file: password\n    encryption: off\n    register: off\n\
                 \x20   options every: off\n\
                 practices: [practice]\ndata: data\nkeys: keys\ndrain for: 30 seconds\n",
                outbound = target.address(),
            )
        });
        let words = child::words_of(Path::new(PRACTICE));
        let desk = house.start("info");
        Self {
            carrier,
            house,
            desk,
            target,
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
            tcp: false,
            repeats: true,
        }
    }

    fn brings_by(&self, scenario: &str, number: &str, by: By, change: impl FnOnce(Words, &str) -> Words) -> Played {
        let caller = self.caller();
        let line = Line::free();
        let phone = Phone::start(line.media_port(), &self.words);
        let words = change(self.carrier.words(number, &caller), &caller);
        let name = format!("presets/{scenario}");
        let engine = self.desk.at(if by.tcp { "TCP" } else { "UDP" });
        let mut sipp = Sipp::start(
            line,
            Setup {
                tcp: by.tcp,
                words: &words,
                repeats: by.repeats,
                ..Setup::caller(&name, engine)
            },
        );
        sipp.succeeds(SOON);
        Played {
            messages: sipp.messages(),
            caller,
            heard: phone.packets().len(),
        }
    }

    /// The facts of the one call from this number.
    fn call_of(&self, caller: &str) -> Vec<Fact> {
        let call = self
            .house
            .waits_for("the call in the book", SOON, |_| self.house.call_of(caller));
        let of = |fact: &switchboard::Stamped| fact.call == Some(call);
        self.house
            .facts()
            .into_iter()
            .filter(of)
            .map(|stamped| stamped.fact)
            .collect()
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

/// What every carrier's calls have in common.
fn an_ordinary_call(stage: &Stage) {
    let played = stage.brings("call", KEYS, |words, _| words);
    let facts = stage.call_of(&played.caller);
    assert_eq!(began(&facts), (stage.carrier.preset, Some(played.caller.as_str())));
    let clear = |fact: &Fact| matches!(fact, Fact::Answered { encrypted: false, .. });
    assert!(facts.iter().any(clear), "what the record says of this leg");
    // A second and a half, less what a busy machine takes.
    assert!(played.heard > 40, "{} packets were heard", played.heard);
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
/// says and wherever the verdict stands in it.
fn callers_in_every_form(stage: &Stage) {
    for identity in [
        "P-Asserted-Identity: <sip:CALLER;verstat=TN-Validation-Passed-A@192.0.2.31>",
        "P-Asserted-Identity: <sip:CALLER@sip.example.com;verstat=TN-Validation-Passed-A>",
        "P-Asserted-Identity: <sip:CALLER@sip.example.com>;verstat=TN-Validation-Passed-A",
        "P-Asserted-Identity: <tel:CALLER>",
    ] {
        let played = stage.brings("call", KEYS, |words, caller| {
            let words = but(words, "caller", "\"Somebody\" <sip:+15125550177@carrier.example.com>");
            but(words, "identity", identity.replace("CALLER", caller))
        });
        assert_eq!(
            began(&stage.call_of(&played.caller)).1,
            Some(played.caller.as_str()),
            "{identity}"
        );
    }
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

/// A caller who hides is taken like any other, and stays hidden.
fn a_caller_who_hides(stage: &Stage) {
    let hidden = |fact: &Fact| matches!(fact, Fact::CallBegan { caller, .. } if caller.expose().is_none());
    let count = || {
        stage
            .house
            .facts()
            .iter()
            .filter(|stamped| hidden(&stamped.fact))
            .count()
    };
    let before = count();
    stage.brings("call", KEYS, |words, _| {
        let words = but(words, "caller", "\"Anonymous\" <sip:anonymous@anonymous.invalid>");
        but(words, "identity", "Privacy: id;critical")
    });
    stage.house.waits_for("the hidden call in the book", SOON, |_| {
        (count() == before + 1).then_some(())
    });
}

/// The practice forwards its own line to us (integrations.md §1.1): which practice it is stands in the request line, or,
/// where the carrier wrote something else there, in the trace of forwarding.
fn forwarded_calls(stage: &Stage) {
    let chain = "Diversion: <sip:+15125550190@192.0.2.7>;reason=no-answer;counter=1\n\
                 Diversion: \"Front desk\" <sip:+15125550120@192.0.2.7>;reason=unconditional;counter=1;privacy=off\n\
                 History-Info: <sip:+15125550120@192.0.2.7?Reason=SIP%3Bcause%3D302>;index=1, <sip:+15125550191@192.0.2.8;cause=302>;index=1.1";
    let played = stage.brings("call", KEYS, |words, _| but(words, "headers", chain));
    assert_eq!(began(&stage.call_of(&played.caller)).1, Some(played.caller.as_str()));
    // Some carriers show the practice's own number as the caller's: then nobody knows who calls.
    let hidden = |fact: &Fact| matches!(fact, Fact::CallBegan { caller, .. } if caller.expose().is_none());
    let count = || {
        stage
            .house
            .facts()
            .iter()
            .filter(|stamped| hidden(&stamped.fact))
            .count()
    };
    let before = count();
    stage.brings("call", KEYS, |words, _| {
        let words = but(words, "caller", "<sip:+15125550120@carrier.example.com>");
        but(
            words,
            "identity",
            "P-Asserted-Identity: <sip:+15125550120@carrier.example.com>",
        )
    });
    stage.house.waits_for("the call of nobody in the book", SOON, |_| {
        (count() == before + 1).then_some(())
    });
}

/// Almost 64 KB, as a stream may bring it.
fn a_large_invite(stage: &Stage) {
    let line = format!("X-Trace: {}", "z".repeat(1_000));
    let played = stage.brings_by(
        "large",
        KEYS,
        By {
            tcp: true,
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
    let caller = stage.caller();
    let line = Line::free();
    let phone = Phone::start(line.media_port(), &stage.words);
    let words = but(stage.carrier.words(KEYS, &caller), "listens_ms", "9000");
    let mut sipp = Sipp::start(
        line,
        Setup {
            words: &words,
            ..Setup::caller("presets/listens", stage.desk.at("UDP"))
        },
    );
    tests::wait_for("audio", SOON, || (phone.packets().len() > 10).then_some(()));
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
    sipp.succeeds(SOON);
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

/// While a call goes on we are told to stop: the carrier that asks is told when to ask again.
fn asked_while_draining(stage: &Stage) {
    std::thread::scope(|scope| {
        let call = scope.spawn(|| stage.brings("listens", KEYS, |words, _| but(words, "listens_ms", "6000")));
        stage.house.waits_for("a call in progress", SOON, |facts| {
            let last = facts.last().map(|stamped| &stamped.fact);
            last.is_some_and(|fact| !matches!(fact, Fact::CallEnded { .. }))
                .then_some(())
        });
        std::thread::sleep(Duration::from_secs(1));
        stage.desk.signal("TERM");
        std::thread::sleep(Duration::from_millis(500));
        stage.brings("options-draining", KEYS, |words, _| words);
        call.join().expect("the call in progress goes on to its end");
    });
}

/// The carrier at the other side of our own calls.
struct Carried {
    sipp: Sipp,
    _phone: Phone,
}

impl Carried {
    /// Waits for what comes to `target`.
    fn waits(stage: &Stage, scenario: &str) -> Self {
        let phone = Phone::start(stage.target.media_port(), &stage.words);
        let mut words = stage.carrier.words(VANCE, VANCE);
        // An answer takes of our offer what it likes.
        words = but(words, "payloads", "0 101");
        words = but(
            words,
            "codecs",
            "a=rtpmap:0 PCMU/8000\na=rtpmap:101 telephone-event/8000",
        );
        words.extend([("user", USER.to_owned()), ("password", PASSWORD.to_owned())]);
        let name = format!("presets/{scenario}");
        let sipp = Sipp::start(
            stage.target,
            Setup {
                words: &words,
                ..Setup::called(&name)
            },
        );
        Self { sipp, _phone: phone }
    }

    /// The requests of this method that came.
    fn received(&self, method: &str) -> Vec<Message> {
        let mut messages = self.sipp.messages();
        messages.retain(|message| !message.sent && message.is(method));
        messages
    }
}

impl Stage {
    /// A caller asks for the doctor and hangs up after so long.
    fn asks_for_the_doctor(&self, listens_ms: u32) {
        let caller = self.brings("listens", DOCTOR, |words, _| {
            but(words, "listens_ms", listens_ms.to_string())
        });
        self.ends(&caller.caller);
    }

    /// The same, and the carrier's part must be as written.
    fn rings(&self, scenario: &str, listens_ms: u32) -> Carried {
        let mut carried = Carried::waits(self, scenario);
        self.asks_for_the_doctor(listens_ms);
        carried.sipp.succeeds(SOON);
        carried
    }

    fn ends(&self, caller: &str) {
        self.house.waits_for("the end of the call", SOON, |_| {
            let ended = self
                .call_of(caller)
                .iter()
                .any(|fact| matches!(fact, Fact::CallEnded { .. }));
            ended.then_some(())
        });
    }
}

/// For how long a caller waits until a doctor was rung, picked up and listened for a moment.
const RUNG_MS: u32 = 11_000;

/// Everything a carrier does to us (integrations.md §1.5).
fn inbound(carrier: &'static Carrier) {
    let stage = &Stage::set(carrier);
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
        ("call", Box::new(|| an_ordinary_call(stage))),
        ("route-set", Box::new(plays("route-set", CLOSED))),
        ("refresh-by-them", Box::new(|| a_refresh_that_changes_nothing(stage))),
        ("late-offer", Box::new(plays("late-offer", KEYS))),
        ("prack-required", Box::new(plays("prack-required", KEYS))),
        ("hold", Box::new(plays("hold", KEYS))),
        ("two-media", Box::new(plays("two-media", KEYS))),
        ("cancel-too-late", Box::new(plays("cancel-too-late", KEYS))),
        ("cancel-in-time", Box::new(plays("cancel-in-time", KEYS))),
        ("bye-before-ack", Box::new(plays("bye-before-ack", KEYS))),
        ("large", Box::new(|| a_large_invite(stage))),
        ("callers", Box::new(|| callers_in_every_form(stage))),
        ("tel", Box::new(|| telephone_uris(stage))),
        ("forwarded", Box::new(|| forwarded_calls(stage))),
        ("options", Box::new(plays("options", KEYS))),
    ];
    scenarios.push(("retransmitted", Box::new(|| an_invite_sent_again_and_again(stage))));
    scenarios.push(("keys", Box::new(|| keys(stage))));
    all(AT_ONCE, &scenarios);
    a_caller_who_hides(stage);
    asked_while_draining(stage);
}

/// Everything a carrier does with our calls (integrations.md §1.5).
fn outbound(carrier: &'static Carrier) {
    let stage = &Stage::set(carrier);
    let rings = |scenario: &'static str| {
        move || {
            stage.rings(scenario, RUNG_MS);
        }
    };
    // One after the other: they wait at the same place.
    all(
        1,
        &[
            ("carrier", Box::new(rings("carrier"))),
            ("carrier-401", Box::new(rings("carrier-401"))),
            ("carrier-407", Box::new(rings("carrier-407"))),
            ("carrier-422", Box::new(rings("carrier-422"))),
            ("carrier-183", Box::new(rings("carrier-183"))),
            ("carrier-prack", Box::new(rings("carrier-prack"))),
            ("carrier-session-30", Box::new(|| a_refresh_of_our_own_call(stage))),
        ],
    );
}

/// The carrier's 200 allows 30 seconds (integrations.md §1.3).
fn a_refresh_of_our_own_call(stage: &Stage) {
    let refreshed = stage.rings("carrier-session-30", RUNG_MS + 16_000);
    let count = refreshed.received("UPDATE").len() + refreshed.received("INVITE").len();
    assert!(count > 1, "a refresh of ours");
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

fn carrier(preset: &str) -> &'static Carrier {
    CARRIERS
        .iter()
        .find(|carrier| carrier.preset == preset)
        .expect("a carrier")
}

carriers! {
    twilio: inbound outbound;
    telnyx: inbound outbound;
    bandwidth: inbound outbound;
    flowroute: inbound outbound;
    voipms: inbound outbound;
    signalwire: inbound outbound;
    plivo: inbound outbound;
}
