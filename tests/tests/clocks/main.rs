//! A wall clock that jumps, as when a machine's time is set: by hours and by decades, back and
//! forth, at every look at it. What is computed and what is awaited go by the monotonic clock.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use indwell::{CacheMode, CacheTier, Engine, ErrorKind};
use indwell_tests::{child, engine, tell, told};

/// Names the folder in which the child keeps files.
const FOLDER: &str = "INDWELL_TEST_CLOCKS_FOLDER";
const ROUNDS: usize = 8;
const DEADLINE: Duration = Duration::from_millis(300);

#[test]
fn a_clock_that_jumps_changes_no_answer_and_no_deadline() {
    let folder = tempfile::tempdir().expect("a folder");
    let library = folder.path().join("libjumping_clock.so");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clocks/jumping_clock.c");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([library.as_path(), source.as_path()])
        .status();
    assert!(compiled.expect("the C compiler that llama.cpp needs").success());
    let mut child = child("serve_while_it_jumps");
    child.env("LD_PRELOAD", library).env(FOLDER, folder.path());
    let output = child.output().expect("a process");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(told(&output), "every request was served");
}

#[test]
#[ignore = "a process that another test starts"]
fn serve_while_it_jumps() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let times: Vec<_> = (0..14).map(|_| SystemTime::now()).collect();
    assert!(!times.is_sorted() && times.iter().any(|time| *time < UNIX_EPOCH), "{times:?}");
    let expected = {
        let plain = engine().build().expect("an engine");
        ask(&plain, CacheMode::Bypass).0
    };
    // Lives one after the other find what those before them wrote, at times of all kinds.
    for _ in 0..ROUNDS {
        let engine = engine()
            .response_cache_bytes(1 << 20)
            .response_cache_dir(folder.join("answers"))
            .disk_cache_dir(folder.join("prefixes"))
            .host_cache_bytes(0)
            .build()
            .expect("an engine");
        for _ in 0..4 {
            assert_eq!(ask(&engine, CacheMode::Refresh).0, expected);
            assert_eq!(ask(&engine, CacheMode::Use).0, expected);
            deadlines_hold(&engine);
        }
        // An answer without a time to live is kept, whatever the time is.
        assert_eq!(ask(&engine, CacheMode::OnlyIfCached), (expected.clone(), true));
        engine.close().expect("closed");
    }
    tell("every request was served");
}

/// The answer, and whether it was a stored one.
fn ask(engine: &Engine, mode: CacheMode) -> (String, bool) {
    // What comes next is beyond doubt, however a batch rounds.
    let prompt: String = (1..=100).map(|number| format!("{number}, ")).collect();
    let request = engine.complete(prompt).max_tokens(12).cache(mode);
    let reply = request.run().expect("a reply");
    // Some answers have a time to live; how long that is, is the clock's affair.
    let short = engine.complete("A boat").max_tokens(2).cache_ttl(Duration::from_secs(60));
    assert!(!short.run().expect("a reply").text.is_empty());
    (reply.text, reply.usage.cache == Some(CacheTier::Response))
}

fn deadlines_hold(engine: &Engine) {
    let begun = Instant::now();
    let long = engine.complete("Once upon a time").max_tokens(1500).ignore_eos(true);
    let error = long.timeout(DEADLINE).run().expect_err("it takes longer");
    assert_eq!(error.kind(), ErrorKind::DeadlineExceeded);
    let waited = begun.elapsed();
    assert!((DEADLINE..DEADLINE * 20).contains(&waited), "{waited:?}");
}
