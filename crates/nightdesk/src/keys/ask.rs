//! Where a passphrase, a PIN or a root comes from: the environment, a credential of systemd, or the person at the terminal.

use std::io::{self, BufRead, Write};

use keyring::Question;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// Longest passphrase we read.
const PASSPHRASE_MAX: usize = 1024;
/// A new passphrase of fewer letters is refused: seven words of a list, or a sentence, are easily longer.
const PASSPHRASE_MIN: usize = 12;

/// Answers what the keyring asks.
pub(crate) fn person() -> impl FnMut(&Question) -> io::Result<Zeroizing<String>> {
    |question| match question {
        Question::Passphrase => environment("NIGHTDESK_PASSPHRASE").map_or_else(|| hidden(&question.to_string()), Ok),
        Question::NewPassphrase => {
            let passphrase = match environment("NIGHTDESK_NEW_PASSPHRASE") {
                Some(passphrase) => passphrase,
                None => {
                    let once = hidden(&question.to_string())?;
                    let again = hidden("the same once more")?;
                    if once != again {
                        return Err(io::Error::other("the two are not the same"));
                    }
                    once
                }
            };
            if passphrase.chars().count() < PASSPHRASE_MIN {
                return Err(io::Error::other(format!("shorter than {PASSPHRASE_MIN} letters")));
            }
            Ok(passphrase)
        }
        Question::Pin(_) => environment("NIGHTDESK_PIN").map_or_else(|| hidden(&question.to_string()), Ok),
        Question::Credential(name) => credential(name),
        Question::Environment(name) => {
            environment(name).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "it is not set"))
        }
    }
}

/// A variable of the environment.
pub(crate) fn environment(name: &str) -> Option<Zeroizing<String>> {
    std::env::var(name)
        .ok()
        .filter(|value| !value.is_empty())
        .map(Zeroizing::new)
}

/// A credential that systemd handed to this service (`LoadCredential=`, `LoadCredentialEncrypted=`).
pub(crate) fn credential(name: &str) -> io::Result<Zeroizing<String>> {
    let folder = std::env::var_os("CREDENTIALS_DIRECTORY")
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "systemd handed no credentials to this program"))?;
    std::fs::read_to_string(std::path::Path::new(&folder).join(name)).map(Zeroizing::new)
}

/// Asks at the terminal and shows nothing of the answer.
fn hidden(question: &str) -> io::Result<Zeroizing<String>> {
    let terminal = std::fs::OpenOptions::new().read(true).write(true).open("/dev/tty");
    let mut terminal =
        terminal.map_err(|_| io::Error::new(io::ErrorKind::NotFound, "there is no terminal to ask at"))?;
    let shown = tcgetattr(&terminal)?;
    let mut unseen = shown.clone();
    unseen.local_modes.remove(LocalModes::ECHO);
    write!(terminal, "{question}: ")?;
    tcsetattr(&terminal, OptionalActions::Flush, &unseen)?;
    let mut answer = Zeroizing::new(String::with_capacity(PASSPHRASE_MAX));
    let read = io::BufReader::new(&terminal).read_line(&mut answer);
    tcsetattr(&terminal, OptionalActions::Flush, &shown)?;
    writeln!(terminal)?;
    read?;
    let length = answer.trim_end_matches(['\r', '\n']).len();
    answer.truncate(length);
    Ok(answer)
}
