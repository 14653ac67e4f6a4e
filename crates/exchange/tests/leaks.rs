//! Many calls at once, and what is left of them. Alone in its binary, for it counts the process's open files.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "a phone at the other end of real sockets; each file uses a part of it"
)]

mod phone;

use std::net::Ipv4Addr;

use exchange::serve;
use phone::*;
use switchboard::Fact;

/// Many calls at once, each answered, heard and ended: nothing is left of them but their rows.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_calls_leave_nothing_behind() {
    const CALLS: u32 = 200;
    let data = tempfile::tempdir().expect("a folder");
    let mut config = config(data.path(), &shipped());
    config.desk.calls_max = 500;
    let running = serve(config).await.expect("starts");
    let handle = running.handle();
    let held_before = handle.held().await.expect("running");
    let open_files = || std::fs::read_dir("/proc/self/fd").expect("Linux").count();
    let files_before = open_files();
    let calls: Vec<_> = (0..CALLS)
        .map(|id| {
            let handle = handle.clone();
            tokio::spawn(async move {
                let caller = Caller::new(&handle, Ipv4Addr::LOCALHOST, 1000 + id).await;
                let began = std::time::Instant::now();
                let (tag, _) = caller.call("+15125550100").await;
                let answered = began.elapsed();
                caller.hear().await;
                caller.send(&caller.request("BYE", "+15125550100", &tag, "")).await;
                assert_eq!(caller.answer(200).await.0, 200);
                answered
            })
        })
        .collect();
    let mut answered = Vec::new();
    for call in calls {
        answered.push(call.await.expect("a call from INVITE to BYE"));
    }
    answered.sort();
    println!(
        "INVITE to 200, {CALLS} at once: p50 {:?}, p99 {:?}",
        answered[100], answered[197]
    );
    all_gone(&handle).await;
    let held = handle.held().await.expect("running");
    assert_eq!(
        (held.ports_ready, held.connections),
        (held_before.ports_ready, held_before.connections)
    );
    assert_eq!(open_files(), files_before, "no socket is left");
    running.stop().await.expect("in order");
    let facts = facts(data.path());
    let mut ended: Vec<_> = facts
        .iter()
        .filter(|stamped| matches!(stamped.fact, Fact::CallEnded { .. }))
        .map(|stamped| stamped.call)
        .collect();
    ended.sort();
    ended.dedup();
    assert_eq!(ended.len(), CALLS as usize, "every call has its outcome");
}
