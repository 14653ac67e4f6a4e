//! The engines that are asked.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::thread::sleep;
use std::time::Duration;

use sip::Transport::{Tcp, Udp};
use tests::engine::{Engine, Setup, Tune};
use tests::raw::{Desk, Line, Phone};

/// Speaks for longer than any test listens.
pub(crate) const TALK: &str = "+15125550110";
/// Rings the doctor after the emergency notice.
pub(crate) const BRIDGED: &str = "+15125550112";
/// Asks for a key after the emergency notice.
pub(crate) const KEYS: &str = "+15125550114";

/// The practice that answers.
pub(crate) fn practice() -> PathBuf {
    tests::root().join("tests/conformance/practice")
}

/// The engine that the tests of this process share. It ends with the last of them.
pub(crate) fn house() -> Arc<Engine> {
    static SHARED: Mutex<Weak<Engine>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(engine) = shared.upgrade() {
        return engine;
    }
    let engine = Arc::new(own(|_| ()));
    *shared = Arc::downgrade(&engine);
    engine
}

/// An engine of one's own.
pub(crate) fn own(tune: impl FnOnce(&mut exchange::Config) + 'static) -> Engine {
    Engine::start(Setup {
        practice: practice(),
        tune: Box::new(tune) as Tune,
        ..Setup::default()
    })
}

/// An engine whose callers hear ringing for so long.
pub(crate) fn ringing(time: Duration) -> Engine {
    own(move |config| config.desk.ring_before_answer = time)
}

/// An engine in a small world: T1 is 20 ms, and 64 × T1 little more than a second (RFC 3261 appendix A, in proportion).
pub(crate) fn quick(tune: impl FnOnce(&mut exchange::Config) + 'static) -> Engine {
    own(move |config| {
        config.desk.timers = sip::Timers {
            t1: QUICK_T1,
            t2: QUICK_T1 * 8,
            t4: QUICK_T1 * 10,
            ..sip::Timers::default()
        };
        tune(config);
    })
}

/// T1 of [`quick`].
pub(crate) const QUICK_T1: Duration = Duration::from_millis(20);

/// An engine that rings a doctor's telephone.
pub(crate) fn doctored(tune: impl FnOnce(&mut exchange::Config) + 'static) -> (Engine, Desk) {
    let desk = Desk::open();
    let engine = Engine::start(Setup {
        practice: practice(),
        doctors: Some(desk.address()),
        tune: Box::new(|config| {
            // Two minutes of ringing are twelve seconds.
            config.desk.ladder_speed = 10;
            tune(config);
        }),
        ..Setup::default()
    });
    (engine, desk)
}

/// A caller over UDP.
pub(crate) fn phone(engine: &Engine, number: &str) -> Phone {
    Phone::udp(engine.address(Udp), number)
}

/// A caller over TCP.
pub(crate) fn tcp_phone(engine: &Engine, number: &str) -> Phone {
    Phone::tcp(engine.address(Tcp), number)
}

/// A socket beside the phones, from another address of this machine.
pub(crate) fn stranger(engine: &Engine) -> Line {
    Line::udp_at("127.0.0.2:0".parse().expect("an address"), engine.address(Udp))
}

/// An OPTIONS that the engine answers 200: it is alive, and knows this line.
pub(crate) fn is_alive(phone: &mut Phone) {
    let mut options = Phone::new(Line::udp(phone.line.server), &phone.number);
    if phone.line.transport() == "TCP" {
        options = Phone::new(Line::tcp(phone.line.server), &phone.number);
    }
    let request = options.request("OPTIONS");
    let answer = options.ask(&request);
    assert_eq!(answer.status(), 200, "{answer:?}");
}

/// A moment.
pub(crate) fn wait(milliseconds: u64) {
    sleep(Duration::from_millis(milliseconds));
}
