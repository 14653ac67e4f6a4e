//! Nightdesk: the practice's telephone when nobody is in the office. This file is the table of contents.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the binary: it reads files, the clock and the command line, and speaks to the person in front of it"
)]

mod agreements;
mod archive;
mod audit;
mod calls;
mod config;
mod consent;
mod control;
mod demo;
mod dial;
mod effective;
mod evidence;
mod failure;
mod flows;
mod gate;
mod incident;
mod keys;
mod login;
mod memory;
mod over_sip;
mod panics;
mod passkey;
mod people;
mod recordings;
mod retention;
mod serve;
mod services;
mod tenant;
mod trunk;
mod views;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;

/// Prints a line to the person who ran the command.
macro_rules! out {
    // What nobody can read, because the disk is full or the reader is gone, is no reason to panic.
    ($($arg:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($arg)*);
    }};
}
pub(crate) use out;

/// The practice's telephone when nobody is in the office.
#[derive(Parser)]
#[command(version)]
struct Nightdesk {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answer the practices' telephones until told to stop
    Serve {
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Serve, play one urgent call in front of you, keep serving until Ctrl-C
    Demo(demo::Demo),
    /// A test phone: place a call, or await calls as the doctors would
    Dial(dial::Dial),
    /// Check, rehearse, read and compare what practices wrote
    #[command(subcommand)]
    Flow(flows::Flow),
    /// Sealed recordings
    #[command(subcommand)]
    Recordings(Recordings),
    /// Calls, one line each, or one call as one time line
    #[command(subcommand)]
    Calls(Calls),
    /// The book: judge it with the public key alone, keep its signatures elsewhere
    #[command(subcommand)]
    Audit(audit::Audit),
    /// What goes when, legal holds, and destruction with a certificate
    #[command(subcommand)]
    Retention(retention::Retention),
    /// One practice's records as a whole: handed over in files that anybody reads
    #[command(subcommand)]
    Tenant(tenant::Tenant),
    /// Permission to record: the law, and one call's
    #[command(subcommand)]
    Consent(Consent),
    /// The Security Rule, paragraph by paragraph: what stands for it, and the tests that show it
    #[command(subcommand)]
    Evidence(Evidence),
    /// The settings in force
    #[command(subcommand)]
    Config(effective::Config),
    /// Carriers: list, test, check, trace
    #[command(subcommand)]
    Trunk(trunk::Trunk),
    /// Keys: the ceremony, the months ahead, rotation, recovery, backup
    #[command(subcommand)]
    Keys(keys::commands::Keys),
    /// Begin a session: password, then the code of your authenticator
    Login(login::Login),
    /// End your session
    Logout(login::Logout),
    /// Who works here, as what
    #[command(subcommand)]
    People(people::People),
    /// Business associate agreements, with practices and outside services
    #[command(subcommand)]
    Agreements(agreements::Agreements),
    /// What may be a breach: open, count, weigh, report, close, with its clocks
    #[command(subcommand)]
    Incident(incident::Incident),
    /// Broken glass, to be reviewed
    #[command(subcommand)]
    Glass(incident::Glass),
    /// The code of now, for whoever has no telephone at hand
    Authenticator(login::Authenticator),
}

#[derive(Subcommand)]
enum Recordings {
    /// What is in the vault
    List {
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// One recording as WAV; leaves a row saying who heard it and why
    Export {
        /// The recording's id
        id: String,
        /// Where to write it
        #[arg(long)]
        wav: PathBuf,
        /// Only from here on, in milliseconds or as 1:02:03.5
        #[arg(long)]
        from: Option<String>,
        /// Only up to here
        #[arg(long)]
        to: Option<String>,
        #[command(flatten)]
        who: Who,
    },
    /// One recording at a glance: when, how long, and where each side speaks; leaves a row saying who looked and why
    Show {
        /// The recording's id
        id: String,
        #[command(flatten)]
        who: Who,
    },
    /// Judge every recording against its seal
    Verify {
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
}

#[derive(Subcommand)]
enum Calls {
    /// One line a call
    List {
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// One call: SIP ladder, prompts, key classes, tries, outcome
    Show {
        /// The call's id
        id: String,
        #[command(flatten)]
        who: Who,
    },
}

#[derive(Subcommand)]
enum Evidence {
    /// Write what stands for each paragraph of the Security Rule, and how its tests ended
    Pack(evidence::Pack),
}

#[derive(Subcommand)]
enum Consent {
    /// The states that ask for everybody's consent, with their statutes
    Table,
    /// What one call's caller was asked, by which law, and what they said; leaves a row saying who looked
    Explain {
        /// The call's id
        id: String,
        #[command(flatten)]
        who: Who,
    },
}

/// Whoever looks at patient information is logged in, and says why.
#[derive(clap::Args)]
pub(crate) struct Who {
    /// Configuration file
    #[arg(long)]
    pub(crate) config: PathBuf,
    /// Why you need it; it stands in the audit trail
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
    /// For a patient in danger: what your role would not open, for an hour; told, and reviewed by somebody else
    #[arg(long, value_name = "REASON")]
    pub(crate) break_glass: Option<String>,
}

fn main() -> ExitCode {
    memory::keep_in();
    match run(Nightdesk::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.status())
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve { config } => serve::serve(&config),
        Command::Demo(demo) => demo::demo(&demo),
        Command::Dial(dial) => dial::dial(&dial),
        Command::Flow(flow) => flows::flow(&flow),
        Command::Recordings(Recordings::List { config }) => recordings::list(&serve::settings(&config)?),
        Command::Recordings(Recordings::Verify { config }) => recordings::verify(&serve::settings(&config)?),
        Command::Recordings(Recordings::Export { id, wav, from, to, who }) => {
            recordings::export(&who, &id, &wav, (from.as_deref(), to.as_deref()))
        }
        Command::Recordings(Recordings::Show { id, who }) => recordings::show(&who, &id),
        Command::Calls(Calls::List { config }) => calls::list(&serve::settings(&config)?),
        Command::Calls(Calls::Show { id, who }) => calls::show(&who, &id),
        Command::Retention(command) => retention::retention(&command),
        Command::Audit(command) => audit::audit(&command),
        Command::Tenant(command) => tenant::tenant(&command),
        Command::Evidence(Evidence::Pack(pack)) => evidence::pack(&pack),
        Command::Consent(Consent::Table) => {
            consent::table();
            Ok(())
        }
        Command::Consent(Consent::Explain { id, who }) => consent::explain(&who, &id),
        Command::Login(login) => login::login(&login),
        Command::Logout(logout) => login::logout(&logout),
        Command::People(command) => people::people(&command),
        Command::Agreements(command) => agreements::agreements(&command),
        Command::Incident(command) => incident::incident(&command),
        Command::Glass(command) => incident::glass(&command),
        Command::Authenticator(authenticator) => login::authenticator(&authenticator),
        Command::Config(command) => effective::config(&command),
        Command::Trunk(command) => trunk::trunk(&command),
        Command::Keys(command) => keys::commands::keys(command),
    }
}
