//! `nightdesk people passkey`, `nightdesk login --passkey`: a ceremony between a person, their device and a browser of this machine.
//!
//! The command serves one page at `http://localhost:PORT/` and waits. The office is not held open meanwhile: it is asked for a
//! challenge before, and judges the one answer after.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use clap::Subcommand;
use jiff::Timestamp;
use office::passkey::{Asserted, CEREMONY_MS, Created, Site, base64url, from_base64url};
use portal::passkey::Answer;
use seal::PasskeyKey;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::config::Settings;
use crate::login::{entered, hidden};
use crate::{Failure, gate, out, serve};

/// To whom passkeys belong: the one name that needs no certificate. They are good on this machine and at whatever port.
const RP: &str = "localhost";

/// Somebody's own passkeys.
#[derive(Subcommand)]
pub(crate) enum Passkey {
    /// Make one, having proved who you are by password and code; it opens a page in a browser of this machine
    #[command(after_help = "Example: nightdesk people passkey add nina --name \"my laptop\" --config nightdesk.yaml")]
    Add {
        /// Who you are
        id: String,
        /// What you call it
        #[arg(long)]
        name: String,
        /// The page's port; any when it is left out
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
    /// Take one away: a device was lost; it lets nobody in from this moment on
    Remove {
        /// Who you are
        id: String,
        /// What you called it
        #[arg(long)]
        name: String,
        /// Configuration file
        #[arg(long)]
        config: PathBuf,
    },
}

/// `nightdesk people passkey …`
pub(crate) fn passkey(command: &Passkey) -> Result<(), Failure> {
    match command {
        Passkey::Add { id, name, port, config } => add(serve::settings(config)?, id, name, *port),
        Passkey::Remove { id, name, config } => {
            let settings = serve::settings(config)?;
            let password = hidden("your password")?;
            let code = hidden("code of your authenticator")?;
            let mut office = gate::open(&settings)?;
            let now = Timestamp::now();
            let removed = office
                .prove_for_passkey(id, &password, &code, now)
                .and_then(|proved| office.remove_passkey(proved, name, now));
            office.close().map_err(Failure::office)?;
            removed.map_err(Failure::office)?;
            out!("the passkey {name} lets nobody in any more, and your sessions have ended");
            Ok(())
        }
    }
}

fn add(settings: Settings, id: &str, name: &str, port: u16) -> Result<(), Failure> {
    let password = hidden("your password")?;
    let code = hidden("code of your authenticator")?;
    let mut office = gate::open(&settings)?;
    let now = Timestamp::now();
    let proved = office.prove_for_passkey(id, &password, &code, now);
    let challenge = office.challenge(now);
    let known = known(&office, id);
    let person = office.state().people.get(id).map(|person| person.name.clone());
    office.close().map_err(Failure::office)?;
    let proved = proved.map_err(Failure::office)?;
    // Nobody can tell a person by it (WebAuthn §14.6.1), and the same person's next passkey on a device takes the place of this.
    let handle = seal::hash(id.as_bytes());
    let algorithms: Vec<Value> = PasskeyKey::ALGORITHMS
        .iter()
        .map(|algorithm| json!({"type": "public-key", "alg": algorithm}))
        .collect();
    let options = json!({
        "kind": "create",
        "title": "A passkey for Nightdesk",
        "who": format!("{} ({id}), {name}", person.unwrap_or_default()),
        "button": "Make the passkey",
        "publicKey": {
            "challenge": challenge.to_base64url(),
            "rp": {"id": RP, "name": "Nightdesk"},
            "user": {"id": base64url(handle.first_chunk::<16>().unwrap_or(&[0; 16])), "name": id, "displayName": id},
            "pubKeyCredParams": algorithms,
            "excludeCredentials": known,
            "authenticatorSelection": {"userVerification": "required", "residentKey": "preferred"},
            "attestation": "none",
            "timeout": CEREMONY_MS,
        },
    });
    let (id, name) = (id.to_owned(), name.to_owned());
    held(port, options, move |site, answer| {
        let read = |text: &str| from_base64url(text).unwrap_or_default();
        let created = Created {
            client_data: read(&answer.client_data),
            attestation: read(&answer.attestation),
        };
        let mut office = gate::open(&settings)?;
        let added = office.add_passkey(proved, &name, challenge, &site, &created, Timestamp::now());
        office.close().map_err(Failure::office)?;
        added.map_err(Failure::office)?;
        Ok(format!(
            "the passkey {name} is yours; from now on: nightdesk login {id} --passkey --config …"
        ))
    })
}

/// Lets somebody in by a passkey.
pub(crate) fn let_in(settings: Settings, id: &str, port: u16) -> Result<(), Failure> {
    let mut office = gate::open(&settings)?;
    let challenge = office.challenge(Timestamp::now());
    // Nobody who is not here is told so: the page is the same.
    let known = known(&office, id);
    office.close().map_err(Failure::office)?;
    let options = json!({
        "kind": "get",
        "title": "Log in to Nightdesk",
        "who": id,
        "button": "Use the passkey",
        "publicKey": {
            "challenge": challenge.to_base64url(),
            "rpId": RP,
            "allowCredentials": known,
            "userVerification": "required",
            "timeout": CEREMONY_MS,
        },
    });
    let id = id.to_owned();
    held(port, options, move |site, answer| {
        let read = |text: &str| from_base64url(text).unwrap_or_default();
        let asserted = Asserted {
            id: read(&answer.id),
            client_data: read(&answer.client_data),
            authenticator_data: read(&answer.authenticator_data),
            signature: read(&answer.signature),
        };
        let office = gate::open(&settings)?;
        let (_, said) = entered(&settings, office, &id, |office| {
            office.log_in_by_passkey(&id, challenge, &site, &asserted, Timestamp::now())
        })?;
        Ok(said)
    })
}

/// The credentials of a person, as browsers want to be told them.
fn known(office: &office::Office, id: &str) -> Vec<Value> {
    let person = office.state().people.get(id);
    let passkeys = person.map(|person| person.passkeys.as_slice()).unwrap_or_default();
    let shown = passkeys.iter().filter(|passkey| !passkey.shut);
    shown
        .map(|passkey| json!({"type": "public-key", "id": base64url(&passkey.octets())}))
        .collect()
}

/// Serves the page, and says at the terminal what was said on it.
fn held(
    port: u16,
    options: Value,
    judge: impl FnOnce(Site, Answer) -> Result<String, Failure> + Send + 'static,
) -> Result<(), Failure> {
    let failed = |fault: std::io::Error| {
        Failure::new(
            format!("no page can be served at localhost: {fault}"),
            "another program may have that port; leave `--port` out, and any is taken",
        )
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failed)?;
    let (kept, verdict) = sync_channel(1);
    runtime.block_on(async {
        let here = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let listener = TcpListener::bind(here).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let site = Site {
            origin: format!("http://{RP}:{port}"),
            rp: RP.to_owned(),
        };
        out!(
            "open {}/ in a browser of this machine, within five minutes",
            site.origin
        );
        let judge = Box::new(move |answer| {
            let judged = judge(site, answer);
            let told = match &judged {
                Ok(said) => Ok(said.clone()),
                Err(failure) => Err(failure.to_string()),
            };
            // There is room for the one answer.
            let _ = kept.try_send(judged);
            told
        });
        let within = Duration::from_millis(CEREMONY_MS.unsigned_abs());
        portal::passkey::ceremony(listener, options.to_string(), judge, within)
            .await
            .map_err(failed)
    })?;
    match verdict.try_recv() {
        Ok(Ok(said)) => {
            out!("{said}");
            Ok(())
        }
        Ok(Err(failure)) => Err(failure),
        Err(_) => Err(Failure::new(
            "nobody answered on the page",
            "run the command again, and open the page at once",
        )),
    }
}
