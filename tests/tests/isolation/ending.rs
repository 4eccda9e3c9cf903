//! Workers that end: by a signal at any moment, with the application, or because it closes.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use indwell::{Engine, ErrorKind, Event, Isolation, TokenStream};
use indwell_tests::{engine, model, stats, wait_until};

use crate::workers::{
    is_alive, is_known, isolated, kill_worker, signal, until, worker, workers_of,
};

const LONG: &str = "Tell me a very long story.";

fn long(engine: &Engine) -> TokenStream {
    engine.chat(LONG).max_tokens(400).ignore_eos(true).stream().expect("a stream")
}

/// All that is left of a stream has one terminal event, at its end: the loss of the worker.
fn assert_lost(stream: TokenStream) {
    let events: Vec<Event> = stream.into_iter().collect();
    let terminal: Vec<&Event> = events.iter().filter(|event| event.is_terminal()).collect();
    let [Event::Failed(error)] = terminal[..] else { panic!("{terminal:?}") };
    assert_eq!(error.kind(), ErrorKind::EnginePoisoned, "{error}");
    assert!(error.message().contains("SIGKILL"), "{error}");
    assert!(error.details().remedy.is_some() && error.details().value.is_some());
    assert!(events.last().is_some_and(Event::is_terminal));
}

fn assert_serves(engine: &Engine) {
    let reply = engine.chat("Hello").max_tokens(4).run().expect("an answer");
    assert_eq!(reply.usage.completion_tokens, 4);
}

#[test]
fn streams_in_flight_hear_of_it_and_who_waits_is_served() {
    let (_alone, builder) = isolated();
    let engine = builder.sequences_max(2).build().expect("an engine");
    let mut running = [long(&engine), long(&engine)];
    for stream in &mut running {
        assert!(matches!(stream.next_blocking(), Some(Event::Text(_))));
    }
    let waiting = engine.chat("Hello").max_tokens(4).stream().expect("a stream");
    wait_until(&engine, |stats| stats.requests_waiting == 1);
    kill_worker();
    running.into_iter().for_each(assert_lost);
    let reply = waiting.reply().expect("it only waited");
    assert_eq!(reply.usage.completion_tokens, 4);
    assert_serves(&engine);
    let stats = stats(&engine);
    assert_eq!((stats.restarts, stats.requests_failed, stats.requests_running), (1, 2, 0));
    assert!(engine.metrics_text().expect("ours").contains("indwell:restarts_total"));
    assert!(!engine.is_closed());
}

#[test]
fn a_worker_that_ends_in_a_prompt_takes_no_more_than_that() {
    let (_alone, builder) = isolated();
    let engine = builder.build().expect("an engine");
    let prompt = "A llama is a domesticated animal of South America. ".repeat(60);
    let stream = engine.complete(prompt).max_tokens(4).stream().expect("a stream");
    wait_until(&engine, |stats| stats.requests_running == 1);
    kill_worker();
    assert_lost(stream);
    assert_serves(&engine);
}

#[test]
fn an_idle_engine_notices_nothing_twice_in_a_row() {
    let (_alone, builder) = isolated();
    let engine = builder.build().expect("an engine");
    assert_serves(&engine);
    for round in 0..2 {
        kill_worker();
        assert_serves(&engine);
        assert_eq!(stats(&engine).restarts, round + 1);
    }
    // The next one is ended while it loads, or soon after.
    kill_worker();
    until(|| !workers_of(std::process::id()).is_empty());
    kill_worker();
    assert_serves(&engine);
    assert_eq!(stats(&engine).requests_failed, 0);
}

#[test]
fn a_worker_that_ends_as_it_loads_is_told_by_whoever_builds() {
    let (_alone, builder) = isolated();
    let parent = std::process::id();
    let builder = builder.on_progress(move |_| {
        for worker in workers_of(parent) {
            signal("KILL", worker);
        }
    });
    let error = builder.build().expect_err("its worker was ended");
    assert_eq!(error.kind(), ErrorKind::ModelLoad, "{error}");
    assert!(error.message().contains("SIGKILL"), "{error}");
    assert!(workers_of(parent).is_empty(), "it was reaped");
}

#[test]
fn closing_ends_and_reaps_the_worker_in_the_middle_of_a_step() {
    let (_alone, builder) = isolated();
    let engine = builder.build().expect("an engine");
    let mut stream = long(&engine);
    assert!(matches!(stream.next_blocking(), Some(Event::Text(_))));
    let worker = worker();
    engine.close().expect("this process made it");
    assert!(!is_known(worker), "no zombie is left");
    let last = stream.into_iter().last().expect("a terminal event");
    assert!(matches!(&last, Event::Failed(error) if error.kind() == ErrorKind::EngineClosed));
}

#[test]
fn closing_while_there_is_no_worker_ends_at_once() {
    let (_alone, builder) = isolated();
    let engine = builder.build().expect("an engine");
    kill_worker();
    let begun = Instant::now();
    engine.close().expect("this process made it");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(workers_of(std::process::id()).is_empty());
}

/// A worker that does nothing any more is ended after some seconds.
#[test]
fn closing_does_not_wait_for_a_worker_that_hangs() {
    let (_alone, builder) = isolated();
    let engine = builder.build().expect("an engine");
    let mut stream = long(&engine);
    assert!(matches!(stream.next_blocking(), Some(Event::Text(_))));
    let worker = worker();
    signal("STOP", worker);
    let begun = Instant::now();
    engine.close().expect("this process made it");
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert!(!is_known(worker), "it was ended and reaped");
}

#[test]
fn a_worker_does_not_outlive_the_application() {
    const NAME: &str = "ending::a_worker_does_not_outlive_the_application";
    if std::env::var_os("INDWELL_HOST").is_some() {
        let engine = engine().isolation(Isolation::Process).build().expect("an engine");
        let _stream = long(&engine);
        println!("worker {}", worker());
        loop {
            std::thread::park();
        }
    }
    let (_alone, _) = isolated();
    let mut host = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", NAME, "--nocapture"])
        .env("INDWELL_HOST", "1")
        .stdout(Stdio::piped())
        .spawn()
        .expect("a host");
    let lines = BufReader::new(host.stdout.take().expect("piped")).lines();
    let said = lines.map_while(Result::ok).find_map(|line| {
        line.split_once("worker ").and_then(|(_, id)| id.trim().parse::<u32>().ok())
    });
    let worker = said.expect("the host says which worker it has");
    assert!(is_alive(worker));
    host.kill().expect("it runs");
    host.wait().expect("it is reaped");
    until(|| !is_alive(worker));
}

/// Ctrl-C on a terminal is the application's to handle: the worker is in a group of its own.
#[test]
fn the_worker_is_in_a_process_group_of_its_own() {
    let (_alone, builder) = isolated();
    let engine = builder.build().expect("an engine");
    let worker = worker();
    let stat = std::fs::read_to_string(format!("/proc/{worker}/stat")).expect("it runs");
    let group = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(2));
    assert_eq!(group, Some(worker.to_string().as_str()));
    drop(engine);
}

#[test]
fn a_program_that_is_no_worker_is_told_by_whoever_builds() {
    const NAME: &str = "ending::a_program_that_is_no_worker_is_told_by_whoever_builds";
    if std::env::var_os("INDWELL_ALONE").is_some() {
        let build = || engine().isolation(Isolation::Process).build();
        let error = build().expect_err("no worker");
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        println!("said: {error}");
        return;
    }
    let dir = std::env::temp_dir().join(format!("indwell-no-worker-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a folder");
    let program = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("executable");
        path
    };
    for (named, due) in [
        // It says something else than a worker would.
        (program("garbage", "#!/bin/sh\necho 'Segmentation fault (core dumped)' >&0\n"), "allowed"),
        // It says nothing, and ends.
        (program("silent", "#!/bin/sh\nexit 3\n"), "exit code 3"),
        (dir.join("missing"), "found no indwell-worker"),
    ] {
        let output = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", NAME, "--nocapture"])
            .envs([("INDWELL_ALONE", "1".as_ref()), ("INDWELL_WORKER", named.as_os_str())])
            .output()
            .expect("a child");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains(due), "{named:?}: {output:?}");
    }
    std::fs::remove_dir_all(&dir).expect("removed");
}

/// A file that is another than it was is not loaded in its place.
#[test]
fn a_model_that_was_replaced_ends_the_engine_with_the_reason() {
    let (_alone, _) = isolated();
    let dir = std::env::temp_dir().join(format!("indwell-replaced-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a folder");
    let path = dir.join("model.gguf");
    std::fs::copy(model(), &path).expect("copied");
    let builder = Engine::builder(path.clone()).context_tokens(256).response_cache_bytes(0);
    let engine = builder.isolation(Isolation::Process).build().expect("an engine");
    assert_serves(&engine);
    std::fs::write(&path, "not a model any more").expect("written");
    kill_worker();
    until(|| engine.is_closed());
    let error = engine.chat("Hello").run().expect_err("there is no worker any more");
    assert_eq!(error.kind(), ErrorKind::EnginePoisoned);
    assert!(error.message().contains("could not be started 5 times"), "{error}");
    assert_eq!(stats(&engine).restarts, 0);
    std::fs::remove_dir_all(&dir).expect("removed");
}

#[test]
fn engines_come_and_go_and_leave_nobody() {
    let (_alone, _) = isolated();
    for _ in 0..3 {
        let build = || engine().isolation(Isolation::Process).build().expect("an engine");
        let engines = [build(), build()];
        engines.iter().for_each(assert_serves);
        assert_eq!(workers_of(std::process::id()).len(), 2);
    }
    assert!(workers_of(std::process::id()).is_empty());
}
