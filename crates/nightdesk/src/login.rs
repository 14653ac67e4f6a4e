//! `nightdesk login`, `logout`, `authenticator`: a person's session on this machine.
//!
//! The token lies in a file of the person's own runtime folder, readable by nobody else, one for each data folder; all that
//! counts of it is judged by the office. What is typed is never shown; without a terminal it is read from standard input,
//! a line each.

use std::fs;
use std::io::{BufRead, IsTerminal, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use office::Token;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::config::Settings;
use crate::{Failure, gate, out, passkey, serve};

/// `nightdesk login`
#[derive(clap::Args)]
#[command(after_help = "Example: nightdesk login marisol --config nightdesk.yaml\n\
                        Without a terminal: a line with the password and a line with the code on standard input.\n\
                        NIGHTDESK_SESSION names another file for the session, for two people who share a user of the machine.")]
pub(crate) struct Login {
    /// Who you are
    id: String,
    /// By a passkey, on a page in a browser of this machine
    #[arg(long)]
    passkey: bool,
    /// The page's port; any when it is left out
    #[arg(long, requires = "passkey", default_value_t = 0)]
    port: u16,
    /// Configuration file
    #[arg(long)]
    config: PathBuf,
}

/// `nightdesk logout`
#[derive(clap::Args)]
pub(crate) struct Logout {
    /// Configuration file
    #[arg(long)]
    config: PathBuf,
}

/// `nightdesk authenticator`
#[derive(clap::Args)]
#[command(after_help = "Example: nightdesk authenticator ~/.nightdesk-authenticator")]
pub(crate) struct Authenticator {
    /// A file of your own, mode 0600, with the secret that the second factor was set up with
    file: PathBuf,
}

/// A line typed is no longer.
const LINE_MAX: u64 = 1_024;

/// Lets somebody in.
pub(crate) fn login(login: &Login) -> Result<(), Failure> {
    let settings = serve::settings(&login.config)?;
    if login.passkey {
        return passkey::let_in(settings, &login.id, login.port);
    }
    let password = hidden("password")?;
    let code = hidden("code of your authenticator")?;
    let office = gate::open(&settings)?;
    let (_, said) = entered(&settings, office, &login.id, |office| {
        office.log_in(&login.id, &password, &code, Timestamp::now())
    })?;
    out!("{said}");
    Ok(())
}

/// Whoever proves who they are gets a session on this machine. Gives its token, and what they are told.
pub(crate) fn entered(
    settings: &Settings,
    mut office: office::Office,
    id: &str,
    prove: impl FnOnce(&mut office::Office) -> Result<(Token, office::Session), office::Fault>,
) -> Result<(Token, String), Failure> {
    let let_in = prove(&mut office).map_err(Failure::office);
    let name = office.state().people.get(id).map(|person| person.name.clone());
    if let (Ok(_), Some(person)) = (&let_in, office.state().people.get(id)) {
        crate::incident::waiting(office.state(), person.role, Timestamp::now());
    }
    office.close().map_err(Failure::office)?;
    let (token, _) = let_in?;
    keep(&settings.data, &token)?;
    let said = format!(
        "{} is logged in; {} minutes without a command or twelve hours end it, and so does `nightdesk logout`",
        name.unwrap_or_default(),
        settings.log_off.as_secs() / 60
    );
    Ok((token, said))
}

/// Ends the session of whoever runs this.
pub(crate) fn logout(logout: &Logout) -> Result<(), Failure> {
    let settings = serve::settings(&logout.config)?;
    let Some(token) = token(&settings.data) else {
        out!("nobody is logged in here");
        return Ok(());
    };
    let mut office = gate::open(&settings)?;
    let ended = office.log_out(&token, Timestamp::now()).map_err(Failure::office);
    office.close().map_err(Failure::office)?;
    ended?;
    let _ = fs::remove_file(file(&settings.data)?);
    out!("logged out");
    Ok(())
}

/// The six digits of now, for whoever has no telephone at hand.
pub(crate) fn authenticator(authenticator: &Authenticator) -> Result<(), Failure> {
    let path = &authenticator.file;
    let about = fs::metadata(path).map_err(Failure::file(path))?;
    if about.permissions().mode() & 0o077 != 0 {
        return Err(Failure::new(
            format!("{} can be read by others", path.display()),
            format!("chmod 600 {}", path.display()),
        ));
    }
    let text = fs::read_to_string(path).map_err(Failure::file(path))?;
    let known = seal::Authenticator::from_base32(text.trim()).ok_or_else(|| {
        Failure::new(
            format!("{} holds no secret of an authenticator", path.display()),
            "it is the line of letters and digits that was shown when the second factor was set up",
        )
    })?;
    out!("{:06}", known.code(Timestamp::now().as_second()));
    Ok(())
}

/// Proves who it is once more, and breaks the glass in their session.
pub(crate) fn break_glass(settings: &Settings, reason: &str) -> Result<(), Failure> {
    let token = token(&settings.data).ok_or_else(|| {
        Failure::new(
            "you are not logged in",
            "log in first: `nightdesk login ID --config FILE`",
        )
    })?;
    let password = hidden("password, once more")?;
    let code = hidden("code of your authenticator, a new one")?;
    let mut office = gate::open(settings)?;
    let broken = office.break_glass(&token, reason, &password, &code, Timestamp::now());
    office.close().map_err(Failure::office)?;
    let until = broken.map_err(Failure::office)?;
    tracing::warn!("somebody broke the glass");
    out!(
        "the glass is broken until {until:.0}: what you open is marked, the privacy officer is told, and somebody else reviews it"
    );
    Ok(())
}

/// The session of whoever runs this command, if there is one.
pub(crate) fn token(data: &Path) -> Option<Token> {
    Token::parse(&fs::read_to_string(file(data).ok()?).ok()?)
}

/// Puts a session where the next command of the same person finds it.
fn keep(data: &Path, token: &Token) -> Result<(), Failure> {
    let path = file(data)?;
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(Failure::file(folder))?;
    }
    // A file that was there may be anybody's to read: it goes first.
    let _ = fs::remove_file(&path);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(Failure::file(&path))?;
    writeln!(file, "{}", token.to_text()).map_err(Failure::file(&path))
}

/// Where the session lies: `NIGHTDESK_SESSION`, or a file for this data folder in the runtime folder, which goes when its
/// person leaves the machine; without one, in their home.
fn file(data: &Path) -> Result<PathBuf, Failure> {
    if let Some(named) = std::env::var_os("NIGHTDESK_SESSION") {
        return Ok(named.into());
    }
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let folder = runtime.or_else(home).ok_or_else(|| {
        Failure::new(
            "this user has neither a runtime folder nor a home",
            "name a file of your own for the session: NIGHTDESK_SESSION=/run/me/session",
        )
    })?;
    let whole = data.canonicalize().unwrap_or_else(|_| data.to_owned());
    let mark = seal::hash(whole.as_os_str().as_encoded_bytes());
    let name = seal::keys::hex(mark.first_chunk::<8>().unwrap_or(&[0; 8]));
    Ok(folder.join("nightdesk").join(name))
}

/// A line that is typed unseen; from standard input where there is no terminal.
pub(crate) fn hidden(what: &str) -> Result<String, Failure> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return line(what);
    }
    let usual = tcgetattr(&input).map_err(|error| unheard(what, &error.into()))?;
    let mut unseen = usual.clone();
    unseen.local_modes.remove(LocalModes::ECHO);
    let _ = write!(std::io::stderr(), "{what}: ");
    let _ = std::io::stderr().flush();
    tcsetattr(&input, OptionalActions::Flush, &unseen).map_err(|error| unheard(what, &error.into()))?;
    let typed = line(what);
    let _ = tcsetattr(&input, OptionalActions::Now, &usual);
    let _ = writeln!(std::io::stderr());
    typed
}

fn line(what: &str) -> Result<String, Failure> {
    let mut text = Vec::new();
    // Octet by octet, so that the next line is there for the next question.
    let mut input = std::io::stdin().lock();
    let read = std::io::Read::take(&mut input, LINE_MAX).read_until(b'\n', &mut text);
    read.map_err(|error| unheard(what, &error))?;
    let text = String::from_utf8_lossy(&text);
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err(unheard(what, &std::io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(text.to_owned())
}

fn unheard(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(
        format!("{what}: nothing was typed ({error})"),
        "type it at the terminal, or give it as a line on standard input",
    )
}
