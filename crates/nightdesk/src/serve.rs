//! `nightdesk serve`: answer until told to stop, then drain.

use std::path::{Path, PathBuf};
use std::time::Duration;

use flow::Severity;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{self, Settings};
use crate::{Failure, control, flows, keys, memory, out, panics};

/// Reads a configuration, and says everything that is wrong with it.
pub(crate) fn settings(path: &Path) -> Result<Settings, Failure> {
    let text = std::fs::read_to_string(path).map_err(Failure::file(path))?;
    let (settings, diagnostics) = config::read(path, &text);
    for diagnostic in &diagnostics {
        flows::show(diagnostic, &text);
    }
    settings.ok_or_else(|| {
        let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
        Failure::new(
            format!("{}: {errors} errors", path.display()),
            "mend what is named above; nothing was started",
        )
    })
}

/// How often what is due is destroyed: the first time as the engine starts.
const DESTROY_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// The thread that destroys what is due, and completes what a crash interrupted (RET-02, RET-03). Calls do not wait for it, and it
/// holds nothing that has to be put away: it ends with the process.
fn retention(config: PathBuf) {
    let body = move || {
        loop {
            let done = settings(&config).and_then(|settings| {
                let by_itself = !settings.destroyed_by_a_person;
                crate::retention::daily(settings, by_itself)
            });
            match done {
                Ok(certificates) => tracing::info!(destroyed = certificates.len(), "retention was looked at"),
                Err(failure) => tracing::error!(%failure, "what is due was not destroyed"),
            }
            std::thread::sleep(DESTROY_EVERY);
        }
    };
    if let Err(fault) = std::thread::Builder::new().name("retention".into()).spawn(body) {
        tracing::error!(%fault, "nothing will be destroyed by itself");
    }
}

/// Turns settings into what the exchange is started with.
pub(crate) fn exchange_config(settings: Settings) -> Result<exchange::Config, Failure> {
    keys::commands::are_apart(&settings)?;
    let keys = keys::for_engine(&settings.keys)?;
    // What was spoken before is kept; a program that is gone must not keep the telephone from being answered.
    let speech = speech(settings.speech.as_deref()).unwrap_or_else(|failure| {
        out!("{failure}; until then only recorded words and those spoken before are heard");
        None
    });
    Ok(exchange::Config {
        desk: settings.desk,
        streams: exchange::StreamLimits::default(),
        floods: exchange::FloodLimits::default(),
        origins: settings.origins,
        tls: settings.tls,
        resolver: exchange::Resolver {
            servers: settings.name_servers,
            ..exchange::Resolver::default()
        },
        trace: None,
        hep: settings.homer.clone(),
        media: exchange::Media {
            bind: settings.media_bind,
            ports: settings.rtp_ports,
            threads: settings.media_threads,
        },
        practices: settings.practices,
        labs: settings.labs,
        data: settings.data,
        speech,
        keys,
        // No records system is spoken with yet: callers are told that they are down, and leave a message.
        records: std::sync::Arc::new(switchboard::records::NotConnected),
        services: crate::services::watched(&settings.trunks, settings.homer.as_ref()),
        alarms: Some(crate::services::alarms(&settings.keys)),
        drain: settings.drain,
        clock_ahead: jiff::SignedDuration::ZERO,
    })
}

/// The program named, or the first that is found; none at all is no failure: recorded words may be enough.
pub(crate) fn speech(named: Option<&str>) -> Result<Option<voice::Engine>, Failure> {
    match named {
        Some(program) => voice::Engine::at(Path::new(program)).map(Some).map_err(|fault| {
            Failure::new(
                format!("speech: {fault}"),
                "name espeak-ng or flite by its full path, or install one: apt-get install espeak-ng",
            )
        }),
        None => Ok(std::env::var_os("PATH").and_then(|path| voice::Engine::find(&path))),
    }
}

/// Serves until SIGTERM or Ctrl-C; then takes no new calls and waits for those in progress.
pub(crate) fn serve(path: &Path) -> Result<(), Failure> {
    logs();
    if !memory::keep_in() && memory::may_be_swapped() {
        out!(
            "callers' words and keys may be swapped to a disk that is not sealed: let the engine lock its memory (LimitMEMLOCK=infinity), or swap to nothing"
        );
    }
    let settings = settings(path)?;
    let (data, key_folder) = (settings.data.clone(), settings.keys.clone());
    let config = exchange_config(settings)?;
    let rows = config.keys.rows.clone();
    let locks = config.keys.locks.clone();
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        // Without a listener a file that may not grow ends the process; with one the write fails, as on a full disk.
        let _write_fails = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()));
        let mut told = Told::listen()?;
        let running = tokio::select! {
            running = start(config) => running?,
            () = told.ends() => {
                out!("ended before any call could be answered");
                return Ok(false);
            }
        };
        for listener in running.handle().listeners() {
            out!("listening on {} {}", listener.transport.name(), listener.local);
        }
        retention(path.to_owned());
        let alarms = running.handle();
        // Whatever is provisioned, rotated or destroyed, by us or by a command, counts from here on without a restart.
        keys::watch::Watch::new(&key_folder, locks.clone(), rows).begin(move |what| alarms.alarm(what));
        // Callers matter more than whoever looks on: without a door the engine serves all the same.
        let _door = control::open(&data, &running.handle())
            .map_err(|failure| out!("{failure}"))
            .ok();
        told.ends_at_last(&running.handle(), || renew(&key_folder, &locks))
            .await;
        out!("draining: calls in progress finish, new ones get 503");
        drain(running).await.map(|()| true)
    });
    if let Ok(false) = ended {
        // Words are still being spoken, for nobody.
        runtime.shutdown_background();
    }
    ended.map(|_served| ())
}

/// Takes what the engine was provisioned with anew: recordings that begin from here on are sealed for it.
fn renew(keys: &Path, locks: &vault::Locks) {
    match keys::engine_keys(keys) {
        Ok(Some(provisioned)) => locks.renew(provisioned.recipients),
        Ok(None) => {}
        Err(failure) => out!("keys were not read again, the old ones stay: {failure}"),
    }
}

/// Starts the exchange, and prints what is wrong with the practices.
pub(crate) async fn start(config: exchange::Config) -> Result<exchange::Running, Failure> {
    out!(
        "reading the practices and making their words audible; at the first start every sentence is spoken once, which takes a minute or two"
    );
    let running = begin(config).await?;
    for problem in running.problems() {
        out!("{}: {}", problem.folder.display(), problem.what);
    }
    Ok(running)
}

/// The same for whoever knows what is wrong with its practices.
pub(crate) async fn begin(config: exchange::Config) -> Result<exchange::Running, Failure> {
    exchange::serve(config).await.map_err(|fault| {
        if let exchange::Fault::NoPractice(problems) = &fault {
            for problem in problems {
                out!("{}: {}", problem.folder.display(), problem.what);
            }
        }
        let mut text = fault.to_string();
        let mut next = std::error::Error::source(&fault);
        while let Some(cause) = next {
            text.push_str(&format!(": {cause}"));
            next = cause.source();
        }
        Failure::new(
            text,
            "run `nightdesk flow check` on the practice; check that the ports are free and the data folder is yours",
        )
    })
}

/// Ends a running exchange in order.
pub(crate) async fn drain(running: exchange::Running) -> Result<(), Failure> {
    match running.drain().await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::new(
            "calls were still in progress when the time to drain was over",
            "raise `drain for`",
        )),
        Err(fault) => Err(Failure::new(
            fault.to_string(),
            "the book is whole up to the last fact it acknowledged; see `nightdesk calls list`",
        )),
    }
}

/// What the engine is told from outside. Listened for before anything is begun: a SIGHUP that found nobody listening would
/// end the process, and with it the line.
pub(crate) struct Told {
    term: Signal,
    int: Signal,
    hup: Signal,
}

impl Told {
    /// Listens; within a runtime.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::new(
                    format!("signals cannot be heard: {error}"),
                    "the engine could not be ended in order; look at the limits of this process",
                )
            })
        };
        Ok(Self {
            term: listen(SignalKind::terminate())?,
            int: listen(SignalKind::interrupt())?,
            hup: listen(SignalKind::hangup())?,
        })
    }

    /// SIGTERM or SIGINT.
    pub(crate) async fn ends(&mut self) {
        tokio::select! {
            _ = self.term.recv() => {}
            _ = self.int.recv() => {}
        }
    }

    /// The same, while SIGHUP reads the practices and the certificates again.
    pub(crate) async fn ends_at_last(&mut self, handle: &exchange::Handle, reload: impl Fn()) {
        loop {
            tokio::select! {
                _ = self.term.recv() => return,
                _ = self.int.recv() => return,
                _ = self.hup.recv() => read_again(handle, &reload).await,
            }
        }
    }
}

async fn read_again(handle: &exchange::Handle, reload: impl Fn()) {
    reload();
    if let Err(fault) = handle.reload_certificates().await {
        out!("certificates were not read again, the old ones stay: {fault}");
    }
    match handle.reload().await {
        Ok(problems) => problems
            .iter()
            .for_each(|problem| out!("{}: {}", problem.folder.display(), problem.what)),
        Err(fault) => out!("practices were not read again: {fault}"),
    }
}

/// The one async runtime. Signalling is one task, so two workers are plenty; on one core a second would only be woken
/// to find nothing to do.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.min(2))
        .on_thread_start(exchange::give_way)
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::new(
                format!("no threads: {error}"),
                "raise the limit of processes for this user",
            )
        })
}

/// Structured logs to standard error, without a word about any caller: numbers, names and digits are `Phi`.
pub(crate) fn logs() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("NIGHTDESK_LOG").unwrap_or_else(|_| "info".into());
    let _ = tracing_subscriber::fmt()
        .json()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // A log that cannot be written would be told on standard error, which is the log; and that panics.
        .log_internal_errors(false)
        .try_init();
    panics::hush();
}

/// How long commands that start an engine of their own wait for it to end.
pub(crate) const SHORT_DRAIN: Duration = Duration::from_secs(5);
