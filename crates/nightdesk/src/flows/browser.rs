//! The same rehearsed call as at the keyboard, on a page of this machine: a keypad, what is said, and what telephones do.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use flow::rehearse::solo::play_up_to_a_question;
use flow::rehearse::{Awaited, Phone, Scenario, Turn};
use flow::{Flow, Part, Practice};
use media::Law;
use portal::{Come, Rehearsal, Typed, Waits};
use tokio::net::TcpListener;

use super::{Failure, out};

/// A call that begins with this scenario.
pub(crate) struct Call {
    practice: Arc<Practice>,
    flow: Arc<Flow>,
    begins: Scenario,
    library: voice::Library,
    parts: HashMap<String, Part>,
}

impl Call {
    /// Every sentence of the practice is ready in `library`; one that is not is silent here, and a fault in `flow check`.
    pub(crate) fn new(practice: &Arc<Practice>, flow: &Arc<Flow>, begins: &Scenario, library: voice::Library) -> Self {
        let parts = practice.all_parts().into_iter();
        Self {
            practice: practice.clone(),
            flow: flow.clone(),
            begins: begins.clone(),
            library,
            parts: parts.map(|part| (voice::file_name(&part), part)).collect(),
        }
    }
}

impl Rehearsal for Call {
    fn name(&self) -> String {
        format!("{} · {}", self.practice.name, self.flow.name)
    }

    fn play(&self, typed: &[Typed]) -> Result<Come, String> {
        let mut scenario = self.begins.clone();
        for one in typed {
            scenario.conversation.push(match one {
                Typed::Press(keys) if !keys.is_empty() && keys.chars().all(|key| "0123456789*#".contains(key)) => {
                    Turn::Presses(keys.clone())
                }
                Typed::Press(_) => return Err("a telephone has the keys 0 to 9, * and #".to_owned()),
                Typed::Wait(seconds) => Turn::Waits(Duration::from_secs(u64::from(*seconds))),
                Typed::Say(words) => Turn::Says(words.clone()),
                Typed::HangUp => Turn::HangsUp,
                Typed::Phone { person, does } => {
                    let phone = Phone::named(does).ok_or("a telephone does nothing of that kind")?;
                    scenario.phones.entry(person.clone()).or_default().push(phone);
                    continue;
                }
            });
        }
        let played = play_up_to_a_question(&self.practice, &self.flow, &scenario);
        let parts = played.spoken.iter().flat_map(|words| &words.parts);
        Ok(Come {
            lines: played.page.lines().map(str::to_owned).collect(),
            sounds: parts.map(voice::file_name).collect(),
            waits_for: match played.waits_for {
                Some(Awaited::Keys) => Waits::Keys,
                Some(Awaited::Speech) => Waits::Speech,
                Some(Awaited::Phone(person)) => Waits::Phone(person),
                None => Waits::Nothing,
            },
        })
    }

    fn sound(&self, name: &str) -> Option<Vec<u8>> {
        let clip = self.library.get(self.parts.get(name)?, Law::Pcmu)?;
        crate::dial::wav(&clip)
    }
}

/// Serves the page beside the terminal, as long as the program runs. Gives its address.
pub(crate) fn beside(call: Call, address: SocketAddr) -> Result<SocketAddr, Failure> {
    if !address.ip().is_loopback() {
        return Err(Failure::new(
            format!("{address} can be reached from other machines, and a rehearsal is for this one"),
            "write --browser 127.0.0.1:8911",
        ));
    }
    let failed = |fault: std::io::Error| {
        Failure::new(
            format!("no page can be served at {address}: {fault}"),
            "another rehearsal may be there; write another port: --browser 127.0.0.1:8912",
        )
    };
    let (bound, ready) = std::sync::mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("rehearsal".to_owned())
        .spawn(move || {
            let serve = async {
                let listener = TcpListener::bind(address).await?;
                let _ = bound.send(Ok(listener.local_addr()?));
                portal::telephone(listener, Arc::new(call), std::future::pending()).await
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Err(fault) = runtime.and_then(|runtime| runtime.block_on(serve)) {
                let _ = bound.send(Err(fault));
            }
        })
        .map_err(failed)?;
    let bound = ready
        .recv()
        .map_err(|_| failed(std::io::Error::other("it ended at once")))?;
    let here = bound.map_err(failed)?;
    out!("the same telephone in a browser: http://{here}/");
    Ok(here)
}
