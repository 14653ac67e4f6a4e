//! What is written when a fault of ours makes a thread panic: where, and nothing else.
//!
//! Rust prints a panic's message, and a message can carry what the thread was working on: a text that was sliced, a value
//! that was unwrapped. House rule 6 forbids a patient's word there, so the message never leaves the process. The call
//! ends as a fact (house.md §5, invariant 2); the place and the names of the functions on the way are enough to find the line.

use std::backtrace::Backtrace;
use std::panic::{PanicHookInfo, set_hook};

/// From here on panics are a line of the log that names the place in the source.
pub(crate) fn hush() {
    set_hook(Box::new(note));
}

fn note(panic: &PanicHookInfo<'_>) {
    let place = panic.location();
    let thread = std::thread::current();
    tracing::error!(
        file = place.map(|place| place.file()),
        line = place.map(|place| place.line()),
        thread = thread.name(),
        backtrace = %Backtrace::force_capture(),
        "a fault of ours ended what this thread was doing"
    );
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::mpsc::{Sender, channel};

    use super::hush;

    struct Kept(Sender<Vec<u8>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_panic_names_the_place_and_not_the_patient() {
        let (kept, lines) = channel();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_writer(move || Kept(kept.clone()))
            .finish();
        let before = std::panic::take_hook();
        hush();
        let broke = tracing::subscriber::with_default(subscriber, || {
            std::panic::catch_unwind(|| {
                // The classic: a text cut where no character ends. Rust's own message quotes the text.
                let name = String::from("Zoë Quillfeather");
                name.split_at(std::hint::black_box(3)).0.len()
            })
        });
        std::panic::set_hook(before);
        assert!(broke.is_err(), "it panicked");
        let log = String::from_utf8(lines.try_iter().flatten().collect()).expect("text");
        assert!(log.contains("a fault of ours") && log.contains("panics.rs"), "{log}");
        assert!(!log.contains("Quillfeather"), "{log}");
    }
}
