//! `make bench`: what calls cost, how evenly packets leave, how fast a call is answered; one table beside its targets.
//!
//! Targets are those of `media-plane.md` §3. A shared machine changes speed by 1.6×, so a fixed loop and the cost of bare
//! packets are taken on the server's core before and after every row and stand beside it: compare rows only with rows of the
//! same speed. A cost over its figure, in an hour whose bare packets cost as much more, is called `slow` and not `OVER`.
//!
//! Sealing may cost a twentieth of a recorded call: what it costs by itself ([`super::sealing`], on the server's core, before and
//! after the row) is set beside what the whole call costs the engine. More than that, and the whole bench fails.
//!
//! `BENCH_SECONDS` (20) and `BENCH_CALLS` (own numbers for each load) make it short; `BENCH_ONLY` names loads.

use std::fmt::{self, Write as _};
use std::fs;
use std::hint::black_box;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::caller::Plan;
use super::doctor::Manner;
use super::field::{Count, Field};
use super::floor::{self, Floor};
use super::sealing;
use super::server::{ANYWHERE, Server, Setup, Usage};
use super::spread::Spread;
use super::wire::{MS, Nanos};

/// Cores: the server's and ours.
const SERVER_CORE: usize = 0;

const PORT: u16 = 15_060;
const DOCTORS_PORT: u16 = 15_070;

/// New calls per second while a load is built up, unless it says otherwise.
const RAMP_PER_S: u64 = 100;

/// What is good enough (media-plane.md §3): at most this much off the pace, this share of packets missing.
const PACING_MS_MAX: f64 = 5.0;
const LOSS_MAX: f64 = 0.001;

/// Beyond this a row says more about the machine's other users than about the server.
const OTHERS_MAX: f64 = 0.05;
const LATENESS_MS_MAX: f64 = 3.0;

/// A cost is believed when no more than this share of the packets is missing.
const UNSENT_MAX: f64 = 0.01;

/// A kind of load.
struct Workload {
    name: &'static str,
    number: &'static str,
    speaks: bool,
    /// Keys after the answer: permission is given whenever it is asked for.
    keys: &'static [Nanos],
    /// Held at once, in this order.
    calls: &'static [usize],
    bridged: bool,
    recorded: bool,
    /// CPU-seconds per 1000 call-minutes, KiB per call, calls on one core.
    target: (f64, f64, usize),
}

const WORKLOADS: &[Workload] = &[
    Workload {
        name: "prompt",
        number: "+15125550110",
        speaks: false,
        keys: &[],
        calls: &[200, 500, 1000, 1500],
        bridged: false,
        recorded: false,
        target: (24.0, 64.0, 1500),
    },
    Workload {
        name: "recorded",
        number: "+15125550111",
        speaks: true,
        keys: PERMISSION,
        calls: &[200, 500, 900],
        bridged: false,
        recorded: true,
        target: (40.0, 96.0, 900),
    },
    Workload {
        name: "bridged",
        number: "+15125550112",
        speaks: true,
        keys: &[],
        calls: &[200, 600],
        bridged: true,
        recorded: false,
        target: (55.0, 128.0, 600),
    },
    Workload {
        name: "bridged+recorded",
        number: "+15125550113",
        speaks: true,
        keys: PERMISSION,
        calls: &[200, 500],
        bridged: true,
        recorded: true,
        target: (65.0, 128.0, 0),
    },
];

/// The question comes after the emergency notice; who presses again at the next question loses nothing.
const PERMISSION: &[Nanos] = &[5_000 * MS, 7_500 * MS, 10_000 * MS, 12_500 * MS];

/// How long after its answer a caller that only listens is where it should be.
const SETTLED: Nanos = 14_000 * MS;

/// One row of the table.
struct Row {
    name: String,
    wanted: usize,
    held: usize,
    count: Count,
    seconds: f64,
    cpu_s: f64,
    by_thread: Vec<(String, f64)>,
    idle: Usage,
    during: Usage,
    after: Usage,
    pacing: Spread,
    delay: Spread,
    lateness: Spread,
    skipped: u64,
    answer: Spread,
    first_packet: Spread,
    lost: f64,
    unsent: f64,
    marks_lost: f64,
    worst_lost: u64,
    /// Share of the server's core that went to others.
    others: f64,
    recordings: Option<usize>,
    /// Sealing alone, CPU-seconds per 1000 call-minutes.
    sealing: Option<f64>,
    speed: Speed,
    target: f64,
}

impl Row {
    fn cpu_per_1000_call_minutes(&self) -> f64 {
        self.cpu_s / (self.held.max(1) as f64 * self.seconds / 60.0) * 1000.0
    }

    /// Sealing's share of what a call costs. Packets that were not sent make it look larger, never smaller.
    fn sealing_share(&self) -> Option<f64> {
        let whole = self.cpu_per_1000_call_minutes();
        self.sealing
            .filter(|_| self.held > 0 && whole > 0.0)
            .map(|sealing| sealing / whole)
    }

    /// Whether somebody else's work was measured too: the server's core was shared, or we ourselves were late.
    fn disturbed(&self) -> bool {
        self.others > OTHERS_MAX || self.lateness.ms(0.99) > LATENESS_MS_MAX
    }

    /// Whether this many calls are held as they should be.
    fn holds(&self) -> bool {
        self.held == self.wanted && self.pacing.ms(0.99) <= PACING_MS_MAX && self.lost + self.unsent < LOSS_MAX
    }

    fn json(&self) -> Value {
        let spread =
            |s: &Spread| json!({"p50_ms": s.ms(0.5), "p99_ms": s.ms(0.99), "max_ms": s.max_ms(), "count": s.count()});
        let usage =
            |u: &Usage| json!({"rss_kib": u.rss_kib, "fds": u.fds, "threads": u.threads, "rtp_sockets": u.rtp_sockets});
        json!({
            "load": self.name, "calls_wanted": self.wanted, "calls_held": self.held, "refused": self.count.busy, "failed": self.count.failed,
            "hung_up_by_server": self.count.left, "seconds": self.seconds, "cpu_s": self.cpu_s,
            "cpu_s_per_1000_call_minutes": self.cpu_per_1000_call_minutes(), "target": self.target,
            "cpu_by_thread_s": self.by_thread.iter().map(|(name, s)| (name.clone(), json!(s))).collect::<serde_json::Map<_, _>>(),
            "pacing_deviation": spread(&self.pacing), "lost": self.lost, "unsent": self.unsent, "worst_call_lost": self.worst_lost,
            "bridge_delay": spread(&self.delay), "marks_lost": self.marks_lost, "invite_to_200": spread(&self.answer),
            "first_rtp_after_200": spread(&self.first_packet), "before": usage(&self.idle), "during": usage(&self.during), "after": usage(&self.after),
            "recordings": self.recordings, "sealing_cpu_s_per_1000_call_minutes": self.sealing, "sealing_share": self.sealing_share(), "others_on_the_core": self.others, "disturbed": self.disturbed(), "generator": {"lateness": spread(&self.lateness), "frames_skipped": self.skipped},
            "loop_ns": self.speed.loop_ns, "packet_ns": self.speed.floor.0, "packets_slower": self.speed.floor.slowness(),
        })
    }
}

/// Runs everything. True when every load could be built up.
pub(crate) fn bench(binary: &str) -> io::Result<bool> {
    let seconds = variable("BENCH_SECONDS").unwrap_or(20);
    let own: Option<Vec<usize>> = std::env::var("BENCH_CALLS")
        .ok()
        .map(|text| text.split([' ', ',']).filter_map(|n| n.parse().ok()).collect());
    let only = std::env::var("BENCH_ONLY").unwrap_or_default();
    let wanted = |name: &str| only.is_empty() || only.split(',').any(|one| one.trim() == name);
    let root = root();
    let folder = root.join("target/bench");
    fs::create_dir_all(&folder)?;
    let _ = fs::remove_file(folder.join("server.log"));
    more_files();
    let setup = Setup {
        root,
        binary: PathBuf::from(binary),
        folder: folder.clone(),
        core: (cores() > 1).then_some(SERVER_CORE),
        port: PORT,
        doctors_port: DOCTORS_PORT,
        ring_s: 0,
        ladder_speed: 1,
        from: ANYWHERE,
        streams: false,
    };
    println!(
        "the server's core: {}; ours: {}",
        Speed::of(setup.core)?,
        Speed::here()?
    );
    let mut rows = Vec::new();
    for workload in WORKLOADS.iter().filter(|w| wanted(w.name)) {
        let mut server = Server::start(&setup)?;
        for calls in own.as_deref().unwrap_or(workload.calls) {
            let row = hold(&server, &setup, workload, *calls, seconds)?;
            println!("{}", line(&row));
            rows.push(row);
        }
        server.drain(Duration::from_secs(100), || {
            std::thread::sleep(Duration::from_millis(20))
        });
    }
    let rate = if wanted("rate") {
        Some(rate(&setup, seconds)?)
    } else {
        None
    };
    let table = table(&rows, rate.as_ref());
    println!("\n{table}");
    let document = json!({"rows": rows.iter().map(Row::json).collect::<Vec<_>>(), "rate": rate.as_ref().map(Rate::json), "seconds": seconds});
    fs::write(folder.join("bench.txt"), &table)?;
    fs::write(
        folder.join("bench.json"),
        serde_json::to_string_pretty(&document).map_err(io::Error::other)?,
    )?;
    println!("kept in {0}/bench.txt and {0}/bench.json", folder.display());
    let dear = rows
        .iter()
        .filter_map(Row::sealing_share)
        .any(|share| share > sealing::SHARE_MAX);
    Ok(!dear && rows.iter().all(|row| row.held > 0) && rate.as_ref().is_none_or(|rate| rate.answered > 0))
}

/// Builds up one load, counts for so long, takes it down.
fn hold(server: &Server, setup: &Setup, workload: &Workload, calls: usize, seconds: u64) -> io::Result<Row> {
    let before = Speed::of(setup.core)?;
    let sealing_before = workload.recorded.then(|| sealing(setup)).transpose()?;
    let recordings_before = recordings(server);
    let mut field = Field::open(server.address, DOCTORS_PORT, |_| Manner::Accepts)?;
    let idle = server.usage();
    let plan = Plan {
        number: workload.number,
        speaks: workload.speaks,
        keys: workload.keys.iter().map(|after| (*after, '1')).collect(),
        hang_up: None,
        cancel: None,
    };
    // Build up.
    let began = super::wire::now();
    let patience = Duration::from_secs(calls as u64 / RAMP_PER_S + 45);
    let mut broken = None;
    field.play(patience, |field, time| {
        while field.made() < calls && (time - began) * RAMP_PER_S / (1_000 * MS) >= field.made() as u64 {
            if let Err(error) = field.call(plan.clone()) {
                broken = Some(error);
                return true;
            }
        }
        field.made() == calls && {
            let count = field.count();
            let gone = calls - count.open;
            if workload.bridged {
                count.bridged + gone >= calls
            } else if workload.recorded {
                (0..calls).all(|at| field.talking_since(at).is_none_or(|since| time >= since + SETTLED))
                    && count.talking + gone >= calls
            } else {
                count.talking + gone >= calls
            }
        }
    });
    if let Some(error) = broken {
        return Err(error);
    }
    field.wait(Duration::from_secs(2));
    // Count.
    field.begin_counting();
    let (start, used, core_before) = (Instant::now(), server.usage(), worked(setup.core));
    field.wait(Duration::from_secs(seconds));
    let (during, elapsed) = (server.usage(), start.elapsed().as_secs_f64());
    let others = worked(setup.core) - core_before - (during.cpu_s - used.cpu_s);
    let (heard, parties, worst_lost) = field.end_counting();
    let count = field.count();
    let held = if workload.bridged {
        count.talking.min(count.bridged)
    } else {
        count.talking
    };
    // Take down.
    field.hang_up_all(400, Duration::from_secs(40));
    field.wait(Duration::from_secs(2));
    let after = server.usage();
    let recordings = workload
        .recorded
        .then(|| recordings(server).saturating_sub(recordings_before));
    let sealing = match sealing_before {
        Some(before) => Some(f64::midpoint(before, sealing(setup)?)),
        None => None,
    };
    // A relay owes what it was given: what we did not send in time is not its loss.
    let given = if workload.bridged {
        field.tally.skipped as f64
    } else {
        0.0
    };
    let should = parties as f64 * elapsed * 50.0 - given;
    let due = (heard.received + heard.lost).max(1) as f64;
    let row = Row {
        name: workload.name.to_owned(),
        wanted: calls,
        held,
        count,
        seconds: elapsed,
        cpu_s: during.cpu_s - used.cpu_s,
        by_thread: spent(&used, &during),
        idle,
        during,
        after,
        answer: field.answer_times(0),
        pacing: field.tally.pacing.clone(),
        delay: field.tally.delay.clone(),
        lateness: field.tally.lateness.clone(),
        first_packet: field.tally.first_packet.clone(),
        skipped: field.tally.skipped,
        lost: heard.lost as f64 / due,
        // A frame and a bit at either end is nobody's fault.
        unsent: ((should - due - 2.0 * parties as f64) / should.max(1.0)).max(0.0),
        marks_lost: heard.marks_lost as f64 / (heard.marks + heard.marks_lost).max(1) as f64,
        worst_lost,
        others: (others / elapsed).max(0.0),
        recordings,
        sealing,
        speed: before.mean(Speed::of(setup.core)?),
        target: workload.target.0,
    };
    Ok(row)
}

/// Call set-up: latency at 100 new calls per second, and the most that is sustained.
struct Rate {
    answered: usize,
    failed: usize,
    answer: Spread,
    first_packet: Spread,
    cpu_ms_per_call: f64,
    by_thread: Vec<(String, f64)>,
    sustained: u64,
    tried: Vec<Tried>,
    speed: Speed,
}

/// One step of the search.
struct Tried {
    per_second: u64,
    p99_ms: f64,
    failed: usize,
    behind: f64,
    fine: bool,
}

impl Rate {
    fn json(&self) -> Value {
        json!({
            "at_100_per_s": {"answered": self.answered, "failed": self.failed, "p50_ms": self.answer.ms(0.5), "p99_ms": self.answer.ms(0.99), "max_ms": self.answer.max_ms(),
                "cpu_ms_per_call": self.cpu_ms_per_call, "first_rtp_p50_ms": self.first_packet.ms(0.5)},
            "cpu_by_thread_s": self.by_thread.iter().map(|(name, s)| (name.clone(), json!(s))).collect::<serde_json::Map<_, _>>(),
            "sustained_per_s": self.sustained,
            "tried": self.tried.iter().map(|t| json!({"per_s": t.per_second, "p99_ms": t.p99_ms, "not_answered": t.failed, "left_behind": t.behind, "fine": t.fine})).collect::<Vec<_>>(),
            "loop_ns": self.speed.loop_ns, "packet_ns": self.speed.floor.0, "packets_slower": self.speed.floor.slowness(),
        })
    }
}

fn rate(setup: &Setup, seconds: u64) -> io::Result<Rate> {
    let before = Speed::of(setup.core)?;
    let mut server = Server::start(setup)?;
    let mut field = Field::open(server.address, DOCTORS_PORT, |_| Manner::Accepts)?;
    let used = server.usage();
    let burst = burst(&server, &mut field, 100, Duration::from_secs(seconds.min(10)))?;
    let now = server.usage();
    let mut rate = Rate {
        answered: burst.answered,
        failed: burst.failed,
        answer: burst.answer,
        first_packet: field.tally.first_packet.clone(),
        cpu_ms_per_call: (now.cpu_s - used.cpu_s) * 1000.0 / burst.answered.max(1) as f64,
        by_thread: spent(&used, &now),
        sustained: 0,
        tried: Vec::new(),
        speed: before,
    };
    println!(
        "100 calls/s: INVITE → 200 p50 {:.2} p99 {:.2} max {:.2} ms, {:.2} ms of CPU a call, {} not answered   {}",
        rate.answer.ms(0.5),
        rate.answer.ms(0.99),
        rate.answer.max_ms(),
        rate.cpu_ms_per_call,
        rate.failed,
        threads(&rate.by_thread)
    );
    // Up in steps until it is too much, then once between.
    let (mut good, mut bad) = (0u64, None);
    let steps = [200u64, 300, 400, 500, 600, 800, 1_000, 1_400, 2_000, 2_800];
    let mut queue: Vec<u64> = steps.iter().rev().copied().collect();
    while let Some(per_second) = queue.pop() {
        drop(std::mem::replace(
            &mut field,
            Field::open(server.address, 0, |_| Manner::Accepts)?,
        ));
        let burst = self::burst(
            &server,
            &mut field,
            per_second,
            Duration::from_secs((seconds / 4).clamp(2, 5)),
        )?;
        let fine = burst.failed == 0 && burst.answer.ms(0.99) <= 100.0 && burst.behind <= BEHIND_MAX;
        println!(
            "{per_second} calls/s: p50 {:.2} p99 {:.2} ms, {} not answered, {:.0} % left behind{}",
            burst.answer.ms(0.5),
            burst.answer.ms(0.99),
            burst.failed,
            burst.behind * 100.0,
            if fine { "" } else { "   too much" }
        );
        rate.tried.push(Tried {
            per_second,
            p99_ms: burst.answer.ms(0.99),
            failed: burst.failed,
            behind: burst.behind,
            fine,
        });
        if fine {
            good = good.max(per_second);
        } else {
            let first = bad.is_none();
            bad = Some(per_second);
            queue.clear();
            if first && per_second - good > 100 {
                queue.push((good + per_second) / 2);
            }
        }
        // Late answers and retransmissions are not the next step's fault.
        field.hang_up_all(2_000, Duration::from_secs(15));
        field.wait(Duration::from_secs(1));
    }
    rate.sustained = good;
    rate.speed = before.mean(Speed::of(setup.core)?);
    server.drain(Duration::from_secs(100), || {
        std::thread::sleep(Duration::from_millis(20))
    });
    Ok(rate)
}

/// New calls at one rate.
struct Burst {
    answered: usize,
    failed: usize,
    answer: Spread,
    /// Work left behind when the last call had ended, as a share of the time the calls took: what is only put off (facts
    /// on their way into the book and its index) is not sustained.
    behind: f64,
}

/// What may be left behind.
const BEHIND_MAX: f64 = 0.15;

/// Calls at a steady rate; each hangs up 100 ms after it was answered.
fn burst(server: &Server, field: &mut Field, per_second: u64, longest: Duration) -> io::Result<Burst> {
    let from = field.made();
    let plan = Plan {
        number: "+15125550110",
        speaks: false,
        keys: Vec::new(),
        hang_up: Some(100 * MS),
        cancel: None,
    };
    let began = super::wire::now();
    let wanted = longest.as_millis() as usize * per_second as usize / 1000;
    let mut broken = None;
    field.play(longest + Duration::from_secs(6), |field, time| {
        while field.made() - from < wanted && (time - began) * per_second / (1_000 * MS) >= (field.made() - from) as u64
        {
            if let Err(error) = field.call(plan.clone()) {
                broken = Some(error);
                return true;
            }
        }
        field.made() - from >= wanted && field.endings().skip(from).all(|ending| ending.is_some())
    });
    if let Some(error) = broken {
        return Err(error);
    }
    // Until it is idle again: less than a twentieth of a core.
    let at_the_end = server.usage().cpu_s;
    let mut last = at_the_end;
    for _ in 0..60 {
        field.wait(Duration::from_millis(500));
        let now = server.usage().cpu_s;
        if now - last < 0.025 {
            break;
        }
        last = now;
    }
    let behind = (last - at_the_end) / longest.as_secs_f64();
    let answer = field.answer_times(from);
    let answered = usize::try_from(answer.count()).unwrap_or(0);
    Ok(Burst {
        answered,
        failed: (field.made() - from) - answered,
        answer,
        behind,
    })
}

/// Whole recordings in the vault.
fn recordings(server: &Server) -> usize {
    server.ask(&["recordings", "list"]).map_or(0, |text| {
        text.lines().filter(|line| line.contains(" Complete ")).count()
    })
}

/// Processor time of each thread between two looks, most first.
fn spent(before: &Usage, after: &Usage) -> Vec<(String, f64)> {
    let mut spent: Vec<(String, f64)> = after
        .by_thread
        .iter()
        .map(|(name, now)| {
            let then = before
                .by_thread
                .iter()
                .find(|(known, _)| known == name)
                .map_or(0.0, |(_, then)| *then);
            (name.clone(), now - then)
        })
        .filter(|(_, seconds)| *seconds >= 0.01)
        .collect();
    spent.sort_by(|a, b| b.1.total_cmp(&a.1));
    spent
}

fn threads(by_thread: &[(String, f64)]) -> String {
    by_thread
        .iter()
        .take(5)
        .map(|(name, seconds)| format!("{name} {seconds:.2} s"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn line(row: &Row) -> String {
    let mut text = format!(
        "{:>4}/{:<4} {:<18} {:5.1} CPU-s/1000 call-min, pacing {:.2}/{:.2}/{:.1} ms, lost {:.3} %, unsent {:.3} %",
        row.held,
        row.wanted,
        row.name,
        row.cpu_per_1000_call_minutes(),
        row.pacing.ms(0.5),
        row.pacing.ms(0.99),
        row.pacing.max_ms(),
        row.lost * 100.0,
        row.unsent * 100.0
    );
    if row.delay.count() > 0 {
        let _ = write!(
            text,
            ", bridge {:.2}/{:.2} ms, marks lost {:.3} %",
            row.delay.ms(0.5),
            row.delay.ms(0.99),
            row.marks_lost * 100.0
        );
    }
    if let Some(recordings) = row.recordings {
        let _ = write!(text, ", {recordings} recordings");
    }
    if let (Some(share), Some(sealing)) = (row.sealing_share(), row.sealing) {
        let _ = write!(
            text,
            ", sealing {sealing:.2} CPU-s/1000 call-min: {:.1} % of it",
            share * 100.0
        );
    }
    let _ = write!(
        text,
        "\n          {} | refused {}, failed {}, hung up by the server {} | rss {} → {} → {} KiB, fds {} → {} → {}, threads {} | our lateness p99 {:.2} ms, skipped {} | others on the core {:.0} % | {}",
        threads(&row.by_thread),
        row.count.busy,
        row.count.failed,
        row.count.left,
        row.idle.rss_kib,
        row.during.rss_kib,
        row.after.rss_kib,
        row.idle.fds,
        row.during.fds,
        row.after.fds,
        row.during.threads,
        row.lateness.ms(0.99),
        row.skipped,
        row.others * 100.0,
        row.speed
    );
    text
}

/// Memory per call: how much more the larger load holds than the smaller, so that what every server has is not counted.
fn memory_per_call(rows: &[&Row]) -> Option<f64> {
    let smallest = rows.iter().min_by_key(|row| row.held)?;
    let largest = rows.iter().max_by_key(|row| row.held)?;
    let (memory, calls) = if largest.held > smallest.held {
        (
            largest.during.rss_kib as f64 - smallest.during.rss_kib as f64,
            largest.held - smallest.held,
        )
    } else {
        (
            largest.during.rss_kib as f64 - largest.idle.rss_kib as f64,
            largest.held.max(1),
        )
    };
    Some(memory / calls as f64)
}

fn table(rows: &[Row], rate: Option<&Rate>) -> String {
    let mut text = String::new();
    let mut say =
        |what: &str, measured: String, target: String, good: Option<Verdict>, speed: Option<Speed>, disturbed: bool| {
            let verdict = match good {
                Some(Verdict::Met) => "met",
                Some(Verdict::Slow) => "slow",
                Some(Verdict::Over) if disturbed => "busy",
                Some(Verdict::Over) => "OVER",
                None => "",
            };
            let speed = speed.map_or(String::new(), |speed| {
                format!("{:.3} {:5.2}", speed.loop_ns, speed.floor.slowness())
            });
            let _ = writeln!(
                text,
                "{what:<52} {measured:>26}   {target:>18}   {verdict:<5} {speed:>12}"
            );
        };
    say("", "measured".into(), "first target".into(), None, None, false);
    for row in rows {
        let cpu = row.cpu_per_1000_call_minutes();
        say(
            &format!(
                "CPU-s per 1000 call-minutes: {}, {} of {} calls",
                row.name, row.held, row.wanted
            ),
            format!("{cpu:.1}"),
            format!("≤ {:.0}", row.target),
            // Packets that were not sent cost nothing: such a row proves no economy.
            Some(match row.held > 0 && row.lost + row.unsent <= UNSENT_MAX {
                true => row.speed.cost(cpu, row.target),
                false => Verdict::Over,
            }),
            Some(row.speed),
            row.disturbed(),
        );
    }
    for row in rows {
        let (Some(share), Some(sealing)) = (row.sealing_share(), row.sealing) else {
            continue;
        };
        say(
            &format!("sealing's share of a call's CPU: {}, {} calls", row.name, row.held),
            format!("{sealing:.2} CPU-s, {:.1} %", share * 100.0),
            format!("≤ {:.0} %", sealing::SHARE_MAX * 100.0),
            Some((share <= sealing::SHARE_MAX).into()),
            Some(row.speed),
            false,
        );
    }
    for row in rows {
        let goal = (row.wanted == 1000 && row.name == "prompt").then_some(3.0);
        say(
            &format!("deviation from 20 ms: {}, {} calls, p50/p99/max ms", row.name, row.held),
            format!(
                "{:.2} / {:.2} / {:.1}",
                row.pacing.ms(0.5),
                row.pacing.ms(0.99),
                row.pacing.max_ms()
            ),
            goal.map_or("p99 ≤ 5".to_owned(), |goal| format!("p99 ≤ {goal}")),
            Some((row.pacing.ms(0.99) <= goal.unwrap_or(PACING_MS_MAX)).into()),
            Some(row.speed),
            row.disturbed(),
        );
    }
    for row in rows.iter().filter(|row| row.delay.count() > 0) {
        say(
            &format!(
                "one way through the bridge: {}, {} calls, p50/p99 ms",
                row.name, row.held
            ),
            format!("{:.2} / {:.2}", row.delay.ms(0.5), row.delay.ms(0.99)),
            "≤ 6 / 10".into(),
            Some((row.delay.ms(0.5) <= 6.0 && row.delay.ms(0.99) <= 10.0).into()),
            Some(row.speed),
            row.disturbed(),
        );
    }
    for workload in WORKLOADS {
        let own: Vec<&Row> = rows.iter().filter(|row| row.name == workload.name).collect();
        let Some(memory) = memory_per_call(&own) else { continue };
        let disturbed = own.iter().any(|row| row.disturbed());
        say(
            &format!("memory per call, KiB: {}", workload.name),
            format!("{memory:.0}"),
            format!("≤ {:.0}", workload.target.1),
            Some((memory <= workload.target.1).into()),
            None,
            disturbed,
        );
        let most = own
            .iter()
            .filter(|row| row.holds())
            .map(|row| row.held)
            .max()
            .unwrap_or(0);
        let tried = own.iter().map(|row| row.wanted).max().unwrap_or(0);
        let goal = workload.target.2;
        say(
            &format!("calls on one core, p99 ≤ 5 ms, loss < 0.1 %: {}", workload.name),
            format!("{most} of {tried} tried"),
            if goal > 0 {
                format!("≥ {goal}")
            } else {
                "–".to_owned()
            },
            (goal > 0).then_some((most >= goal).into()),
            None,
            disturbed,
        );
        if let Some(row) = own
            .iter()
            .filter(|row| row.recordings.is_some())
            .max_by_key(|row| row.held)
        {
            let recordings = row.recordings.unwrap_or(0);
            say(
                &format!("sealed recordings of {} calls: {}", row.held, workload.name),
                recordings.to_string(),
                format!("{}", row.held),
                Some((recordings >= row.held).into()),
                None,
                disturbed,
            );
        }
    }
    if let Some(rate) = rate {
        let speed = Some(rate.speed);
        say(
            "INVITE → 200 OK at 100 calls/s, p50/p99 ms",
            format!("{:.2} / {:.2}", rate.answer.ms(0.5), rate.answer.ms(0.99)),
            "≤ 3 / 10".into(),
            Some((rate.failed == 0 && rate.answer.ms(0.5) <= 3.0 && rate.answer.ms(0.99) <= 10.0).into()),
            speed,
            false,
        );
        say(
            "CPU per call set up and taken down, ms",
            format!("{:.2}", rate.cpu_ms_per_call),
            "≤ 1".into(),
            Some(rate.speed.cost(rate.cpu_ms_per_call, 1.0)),
            speed,
            false,
        );
        say(
            "first RTP after 200 OK, p50 ms",
            format!("{:.1}", rate.first_packet.ms(0.5)),
            "≤ 25".into(),
            Some((rate.first_packet.ms(0.5) <= 25.0).into()),
            speed,
            false,
        );
        say(
            "sustained new calls/s, p99 ≤ 100 ms",
            rate.sustained.to_string(),
            "≥ 500".into(),
            Some((rate.sustained >= 500).into()),
            speed,
            false,
        );
    }
    text.push_str(
        "The last columns: a fixed loop on the server's core (ns a round), and how many times dearer than media-plane.md's its\n\
         bare packets are; figures scale with them. slow: over the target by less than packets are dearer.\n\
         busy: over the target while others used the server's core or ours; measure again on a quiet machine.\n",
    );
    text
}

/// How fast a core is, now.
#[derive(Debug, Clone, Copy)]
struct Speed {
    /// A round of a fixed loop.
    loop_ns: f64,
    floor: Floor,
}

impl Speed {
    fn here() -> io::Result<Self> {
        Ok(Self {
            loop_ns: calibrate(),
            floor: floor::measure()?,
        })
    }

    /// Another core's, by a copy of this program.
    fn of(core: Option<usize>) -> io::Result<Self> {
        let Some(core) = core else { return Self::here() };
        let output = Command::new("taskset")
            .args(["-c", &core.to_string()])
            .arg(std::env::current_exe()?)
            .arg("calibrate")
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let figures: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let &[loop_ns, packet_ns] = figures.as_slice() else {
            return Err(io::Error::other(format!("core {core} is not measured: {text}")));
        };
        Ok(Self {
            loop_ns,
            floor: Floor(packet_ns),
        })
    }

    fn mean(self, later: Self) -> Self {
        Self {
            loop_ns: f64::midpoint(self.loop_ns, later.loop_ns),
            floor: self.floor.mean(later.floor),
        }
    }

    /// What a cost is worth in such an hour.
    fn cost(self, measured: f64, target: f64) -> Verdict {
        if measured <= target {
            Verdict::Met
        } else if measured <= target * self.floor.slowness() {
            Verdict::Slow
        } else {
            Verdict::Over
        }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { loop_ns, floor } = self;
        write!(f, "loop {loop_ns:.3} ns, packet out and in {:.0} ns", floor.0)
    }
}

/// How a figure stands beside its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Met,
    /// Over it, by less than bare packets cost more than when it was set.
    Slow,
    Over,
}

impl From<bool> for Verdict {
    fn from(good: bool) -> Self {
        if good { Self::Met } else { Self::Over }
    }
}

/// Prints how fast this core is, for [`Speed::of`].
pub(crate) fn print_speed() -> io::Result<bool> {
    let Speed { loop_ns, floor } = Speed::here()?;
    println!("{loop_ns:.4} {:.1}", floor.0);
    Ok(true)
}

/// What sealing costs on the server's core: CPU-seconds per 1000 call-minutes, by a copy of this program.
fn sealing(setup: &Setup) -> io::Result<f64> {
    let program = std::env::current_exe()?;
    let mut command = match setup.core {
        Some(core) => {
            let mut command = Command::new("taskset");
            command.args(["-c", &core.to_string()]).arg(program);
            command
        }
        None => Command::new(program),
    };
    let output = command.arg("sealing").arg(&setup.folder).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        io::Error::other(format!("sealing is not measured: {text}{said}"))
    })
}

/// Prints what sealing costs on this core, for [`sealing`].
pub(crate) fn print_sealing(folder: &str) -> io::Result<bool> {
    println!("{:.4}", sealing::measure(Path::new(folder))?);
    Ok(true)
}

/// Nanoseconds a round of a fixed loop takes on this core: the best of several, so that a neighbour who interrupts does
/// not count as a slower core.
fn calibrate() -> f64 {
    const ROUNDS: u32 = 2_000_000;
    let once = || {
        let start = Instant::now();
        let mut word = black_box(0x9e37_79b9_7f4a_7c15u64);
        for _ in 0..ROUNDS {
            // Each step waits for the one before: the speed of the core and nothing else.
            word ^= word << 13;
            word ^= word >> 7;
            word ^= word << 17;
        }
        black_box(word);
        start.elapsed().as_nanos() as f64 / f64::from(ROUNDS)
    };
    (0..20).map(|_| once()).fold(f64::INFINITY, f64::min)
}

/// Seconds this core has worked for anybody (proc(5), `stat`: all but idle and iowait).
fn worked(core: Option<usize>) -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let name = core.map_or("cpu ".to_owned(), |core| format!("cpu{core} "));
    let Some(line) = text.lines().find_map(|line| line.strip_prefix(&name)) else {
        return 0.0;
    };
    let fields: Vec<f64> = line.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal
    fields
        .iter()
        .take(8)
        .enumerate()
        .filter(|(at, _)| !matches!(at, 3 | 4))
        .map(|(_, ticks)| ticks / 100.0)
        .sum()
}

/// Cores of the machine, whatever we ourselves are pinned to.
fn cores() -> usize {
    fs::read_to_string("/proc/cpuinfo").map_or(1, |text| {
        text.lines().filter(|line| line.starts_with("processor")).count()
    })
}

/// Every call needs a descriptor here and two a leg in the server, which inherits the limit.
pub(crate) fn more_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    here.canonicalize().unwrap_or(here)
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
