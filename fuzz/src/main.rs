//! Bounded fuzzing of every parser, on stable Rust: no panic, no hang, no growth.
//!
//! ```text
//! fuzz all --inputs 10000000 --seed 1      every target, the inputs shared out by their weights
//! fuzz wire,config --each 10000000         ten million for each target whose inputs come from a network, and the configuration
//! fuzz sip_message --inputs 1000000        one target
//! fuzz sip_message --keep 20               and afterwards the 20 shortest inputs that did something new, into fuzz/corpus
//! fuzz sip_message --file artifact.bin     one input again
//! fuzz list                                the targets
//! ```
//!
//! Inputs are mutations of a corpus (the fixtures). A target says of each input what became of it; an input with a verdict not
//! seen before joins the corpus, so later inputs start from deeper places. The same seed, targets and number of jobs give the
//! same inputs. A panic is not caught: the input is written to `fuzz/artifacts` and the program ends.
//!
//! To add a target, write a line in `targets.rs`.
#![allow(
    clippy::disallowed_methods,
    reason = "a tool at the edge: it reads files, the clock and its arguments, and has threads"
)]

mod mutate;
mod targets;

/// The configuration's reader and the presets it knows are the binary's own, taken from its source: a binary has no door for us.
#[path = "../../crates/nightdesk/src"]
#[allow(dead_code, unused_imports, unreachable_pub, reason = "the binary uses more of it")]
mod nightdesk {
    pub mod config;
    pub mod trunk {
        pub mod preset;
    }
}

use nightdesk::{config, trunk};

/// What judges a request for a WebSocket, from its source for the same reason.
#[path = "../../crates/exchange/src/transport/upgrade.rs"]
mod upgrade;

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mutate::{Mutator, Random};
use targets::{TARGETS, Target};

/// Inputs kept by one job because they did something new.
const CORPUS_MAX: usize = 2_048;
/// Bytes of an input that is kept: a long one slows down everything made from it.
const KEPT_BYTES_MAX: usize = 1_536;
/// Bytes of one input: more than any limit of the parsers.
pub const INPUT_BYTES_MAX: usize = 70_000;
/// One input that takes longer is a finding.
const SLOWEST: Duration = Duration::from_secs(1);
/// How often a slow one is tried again: a shared machine can stand still twice.
const TRIED_AGAIN: u32 = 5;
/// How often it is looked whether jobs go on.
const LOOKS_EVERY: Duration = Duration::from_millis(20);
/// A job that stood still this many looks in a row hangs: half a minute. Time in which this whole program was stopped (SIGSTOP, a
/// sleeping machine) has no looks and does not count.
const HANGS_AFTER_LOOKS: u32 = 1_500;
/// The first share of the inputs, after which memory is expected to stand still.
const WARM_UP_SHARE: u64 = 10;
/// What allocator noise may add after the warm-up, on every job together.
const GROWTH_KIB_MAX: u64 = 32 * 1024;

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(usage) => {
            eprintln!(
                "{usage}\nusage: fuzz <target>|all|wire|list[,…] [--inputs N | --each N] [--seed S] [--jobs J] [--keep K] [--file PATH]"
            );
            ExitCode::from(2)
        }
    }
}

fn run(arguments: Vec<String>) -> Result<bool, String> {
    let mut arguments = arguments.into_iter();
    let what = arguments.next().ok_or("which target?")?;
    let (mut inputs, mut seed, mut file) = (1_000_000_u64, 1_u64, None);
    let (mut each, mut keep) = (None, 0);
    let mut jobs = std::thread::available_parallelism().map_or(1, |jobs| jobs.get() as u64);
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or(format!("{option} needs a value"))?;
        let number = || {
            value
                .replace('_', "")
                .parse::<u64>()
                .map_err(|_| format!("{option} {value}: not a number"))
        };
        match option.as_str() {
            "--inputs" => inputs = number()?,
            "--each" => each = Some(number()?),
            "--keep" => keep = number()? as usize,
            "--seed" => seed = number()?,
            "--jobs" => jobs = number()?.max(1),
            "--file" => file = Some(PathBuf::from(value)),
            _ => return Err(format!("{option}: unknown")),
        }
    }
    if what == "list" {
        for target in TARGETS {
            println!("{:<14} {}", target.name, if target.wire { "wire" } else { "" });
        }
        return Ok(true);
    }
    let chosen = TARGETS
        .iter()
        .filter(|target| {
            what.split(',')
                .any(|what| what == "all" || (what == "wire" && target.wire) || what == target.name)
        })
        .collect::<Vec<_>>();
    if chosen.is_empty() {
        return Err(format!("{what}: no such target"));
    }
    install_hook();
    if let Some(file) = file {
        let input = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        for target in chosen {
            enter(target, seed, 0, &input);
            println!("{}: verdict {:016x}", target.name, (target.run)(&input));
        }
        return Ok(true);
    }
    println!(
        "{:<14} {:>11} {:>8} {:>11} {:>10} {:>9} {:>10}  peak memory",
        "target", "inputs", "seconds", "inputs/s", "slowest", "verdicts", "corpus"
    );
    let weights = chosen.iter().map(|target| target.weight).sum::<u64>();
    let (mut results, mut total) = (Vec::new(), 0);
    for target in &chosen {
        let share = each.unwrap_or((inputs * target.weight).div_ceil(weights));
        let share = share.div_ceil(jobs) * jobs;
        results.push(fuzz(target, share, seed, jobs, keep));
        total += share;
    }
    let good = results.iter().all(|good| *good);
    println!(
        "{total} inputs, seed {seed}, {jobs} jobs: {}",
        if good {
            "no panic, no hang, no growth"
        } else {
            "NOT GOOD"
        }
    );
    Ok(good)
}

/// What one job found out.
struct Found {
    verdicts: HashSet<u64>,
    corpus: Vec<Vec<u8>>,
    slowest: Duration,
}

fn fuzz(target: &'static Target, inputs: u64, seed: u64, jobs: u64, keep: usize) -> bool {
    let corpus = target.seeds();
    let started = Instant::now();
    let progress = (0..jobs).map(|_| AtomicU64::new(0)).collect::<Vec<_>>();
    let share = inputs.div_ceil(jobs);
    let mut warm = peak_kib();
    let mut is_warm = false;
    let found = std::thread::scope(|scope| {
        let workers = progress
            .iter()
            .enumerate()
            .map(|(job, progress)| {
                let corpus = corpus.clone();
                scope.spawn(move || work(target, corpus, share, seed, job as u64, progress))
            })
            .collect::<Vec<_>>();
        let mut last = (0, 0);
        while !workers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            std::thread::sleep(LOOKS_EVERY);
            let done = progress.iter().map(|done| done.load(Ordering::Relaxed)).sum::<u64>();
            if !is_warm && done >= inputs / WARM_UP_SHARE {
                (warm, is_warm) = (peak_kib(), true);
            }
            if done != last.0 {
                last = (done, 0);
            } else if last.1 < HANGS_AFTER_LOOKS {
                last.1 += 1;
            } else if done > 0 {
                eprintln!(
                    "{}: an input of seed {seed} hangs after about {done} inputs",
                    target.name
                );
                std::process::abort();
            }
        }
        workers
            .into_iter()
            .map(|worker| worker.join().expect("a panic aborts"))
            .collect::<Vec<_>>()
    });
    let seconds = started.elapsed().as_secs_f64();
    let verdicts = found
        .iter()
        .flat_map(|found| found.verdicts.iter())
        .collect::<HashSet<_>>()
        .len();
    let slowest = found.iter().map(|found| found.slowest).max().unwrap_or_default();
    let kept = found.iter().map(|found| found.corpus.len()).sum::<usize>();
    keep_corpus(target, &found, keep);
    let grown = if is_warm { peak_kib().saturating_sub(warm) } else { 0 };
    println!(
        "{:<14} {:>11} {:>8.1} {:>11.0} {:>7.2} ms {:>9} {:>10}  {} MiB, {:+.1} MiB since warm-up",
        target.name,
        share * jobs,
        seconds,
        (share * jobs) as f64 / seconds,
        slowest.as_secs_f64() * 1e3,
        verdicts,
        kept,
        peak_kib() / 1024,
        grown as f64 / 1024.0
    );
    if slowest > SLOWEST {
        eprintln!("{}: one input took {slowest:?}", target.name);
    }
    if grown > GROWTH_KIB_MAX {
        eprintln!("{}: memory grew by {grown} KiB after the warm-up", target.name);
    }
    slowest <= SLOWEST && grown <= GROWTH_KIB_MAX
}

fn work(
    target: &'static Target,
    mut corpus: Vec<Vec<u8>>,
    inputs: u64,
    seed: u64,
    job: u64,
    progress: &AtomicU64,
) -> Found {
    let mut random = Random::new(seed, job, target.name);
    let mut mutator = Mutator::new(target.tokens);
    let mut verdicts = HashSet::new();
    let mut slowest = Duration::ZERO;
    let seeds = corpus.len();
    let mut input = Vec::with_capacity(INPUT_BYTES_MAX);
    for index in 0..inputs {
        // The seeds themselves come first, unharmed.
        match corpus.get(index as usize) {
            Some(whole) if (index as usize) < seeds => {
                input.clear();
                input.extend_from_slice(whole);
            }
            _ => mutator.make(&mut random, &corpus, &mut input),
        }
        enter(target, seed, index, &input);
        let started = Instant::now();
        let verdict = (target.run)(&input);
        let mut took = started.elapsed();
        for _ in 0..TRIED_AGAIN {
            if took <= SLOWEST {
                break;
            }
            // It may have been the machine that stood still, and then it will not do so every time.
            let again = Instant::now();
            (target.run)(&input);
            took = took.min(again.elapsed());
        }
        slowest = slowest.max(took);
        if took > SLOWEST {
            keep_artifact("slow");
        }
        if verdicts.len() < CORPUS_MAX
            && verdicts.insert(verdict)
            && corpus.len() < seeds + CORPUS_MAX
            && input.len() <= KEPT_BYTES_MAX
        {
            corpus.push(input.clone());
        }
        if index % 256 == 0 {
            progress.store(index + 1, Ordering::Relaxed);
        }
    }
    progress.store(inputs, Ordering::Relaxed);
    Found {
        verdicts,
        corpus: corpus.split_off(seeds),
        slowest,
    }
}

/// Writes the shortest inputs of different verdicts that the seeds did not have.
fn keep_corpus(target: &'static Target, found: &[Found], keep: usize) {
    let mut known = target
        .seeds()
        .iter()
        .map(|seed| (target.run)(seed))
        .collect::<HashSet<_>>();
    let mut inputs = found.iter().flat_map(|found| &found.corpus).collect::<Vec<_>>();
    inputs.sort_by_key(|input| (input.len(), *input));
    let new = inputs.into_iter().filter(|input| known.insert((target.run)(input)));
    let folder = target.corpus();
    for input in new.take(keep) {
        let path = folder.join(format!("{:016x}.bin", hash(input)));
        if let Err(error) = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, input)) {
            eprintln!("not kept: {}: {error}", path.display());
        }
    }
}

/// FNV-1a: a name for an input.
fn hash(input: &[u8]) -> u64 {
    input.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

thread_local! {
    /// What this thread is about to do, for the one who has to explain a panic.
    static NOW: RefCell<(&'static str, u64, u64, Vec<u8>)> = const { RefCell::new(("", 0, 0, Vec::new())) };
}

fn enter(target: &'static Target, seed: u64, index: u64, input: &[u8]) {
    NOW.with_borrow_mut(|(name, own_seed, own_index, own_input)| {
        (*name, *own_seed, *own_index) = (target.name, seed, index);
        own_input.clear();
        own_input.extend_from_slice(input);
    });
}

fn install_hook() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        keep_artifact("panic");
    }));
}

fn keep_artifact(why: &str) {
    NOW.with_borrow(|(name, seed, index, input)| {
        let hash = hash(input);
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("artifacts");
        let path = folder.join(format!("{name}-{why}-{hash:016x}.bin"));
        let kept = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&path, input));
        eprintln!(
            "{why} in {name}: seed {seed}, input {index}, hash {hash:016x}, {} bytes",
            input.len()
        );
        match kept {
            Ok(()) => eprintln!("again with: fuzz {name} --file {}", path.display()),
            Err(error) => eprintln!("not kept: {error}"),
        }
    });
}

/// The most memory this process ever held, in KiB; 0 where the system does not say.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap_or_default();
    line.split_whitespace()
        .next()
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0)
}
