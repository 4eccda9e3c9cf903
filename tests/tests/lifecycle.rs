//! The engine's life: close, close again, drop, use after close, with requests in flight.

use std::time::Duration;

use indwell::{Engine, ErrorKind, Event};
use indwell_tests::{engine, model, stats};

const LONG: &str = "Tell me a very long story.";

#[test]
fn close_answers_every_request_in_flight_and_refuses_later_ones() {
    let engine = engine().sequences_max(2).build().expect("an engine");
    let mut streams: Vec<_> =
        (0..5).map(|_| engine.chat(LONG).max_tokens(500).stream().expect("a stream")).collect();
    assert!(matches!(streams[0].next_blocking(), Some(Event::Text(_))));
    engine.close().expect("this process made it");
    for stream in streams {
        let events: Vec<Event> = stream.into_iter().collect();
        let terminal: Vec<&Event> = events.iter().filter(|event| event.is_terminal()).collect();
        let [Event::Failed(error)] = terminal[..] else { panic!("{terminal:?}") };
        assert_eq!(error.kind(), ErrorKind::EngineClosed);
        assert!(events.last().is_some_and(Event::is_terminal));
    }
    let refused = engine.chat("Hello").run().expect_err("closed");
    assert_eq!(refused.kind(), ErrorKind::EngineClosed);
    assert!(refused.details().remedy.is_some());
    assert!(engine.is_closed());
    engine.close().expect("a second close does nothing");
    assert_eq!(stats(&engine).requests_running, 0);
}

#[test]
fn a_drained_engine_serves_what_it_accepted_then_closes() {
    let engine = engine().sequences_max(2).build().expect("an engine");
    let streams: Vec<_> =
        (0..5).map(|_| engine.chat(LONG).max_tokens(12).stream().expect("a stream")).collect();
    let draining = engine.drain().timeout(Duration::from_secs(600)).start().expect("it begins");
    let refused = engine.chat("Hello").run().expect_err("no more is accepted");
    assert_eq!(refused.kind(), ErrorKind::EngineClosed);
    assert!(!engine.is_closed(), "it serves");
    for stream in streams {
        assert_eq!(stream.reply().expect("accepted").usage.completion_tokens, 12);
    }
    assert!(draining.wait().expect("this process made it"), "everybody was served");
    assert!(engine.is_closed());
    assert_eq!(engine.memory().expect("not forked").total_bytes(), 0);
    assert!(engine.drain().run().expect("nothing is left"), "again: nothing happens");
}

#[test]
fn a_drain_cuts_off_what_its_time_is_too_short_for() {
    let engine = engine().build().expect("an engine");
    let mut stream = engine.chat(LONG).max_tokens(1500).stream().expect("a stream");
    assert!(matches!(stream.next_blocking(), Some(Event::Text(_))));
    let all_served = engine.drain().timeout(Duration::from_millis(50)).run().expect("drained");
    assert!(!all_served);
    let last = stream.into_iter().last().expect("a terminal event");
    assert!(matches!(&last, Event::Failed(error) if error.kind() == ErrorKind::EngineClosed));
}

#[test]
fn a_drain_with_a_bad_timeout_does_nothing() {
    let engine = engine().build().expect("an engine");
    for timeout_ms in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = engine.drain().option("timeout_ms", timeout_ms).run().expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert_eq!(error.details().field.as_deref(), Some("timeout_ms"));
    }
    let error = engine.drain().option("timeout", 1.0).run().expect_err("no such option");
    assert_eq!(error.kind(), ErrorKind::InvalidRequest);
    engine.chat("Hello").max_tokens(2).run().expect("it still serves");
}

#[test]
fn dropping_the_last_handle_answers_requests_in_flight() {
    let engine = engine().build().expect("an engine");
    let clone = engine.clone();
    let mut stream = engine.chat(LONG).max_tokens(500).stream().expect("a stream");
    drop(engine);
    assert!(matches!(stream.next_blocking(), Some(Event::Text(_))), "a clone keeps it open");
    drop(clone);
    let last = stream.into_iter().last().expect("a terminal event");
    assert!(matches!(&last, Event::Failed(error) if error.kind() == ErrorKind::EngineClosed));
}

#[test]
fn close_from_several_threads_while_others_submit_loses_no_request() {
    for round in 0..5 {
        let engine = engine().build().expect("an engine");
        std::thread::scope(|scope| {
            for caller in 0..4 {
                let engine = engine.clone();
                scope.spawn(move || {
                    loop {
                        match engine.chat("Hello").max_tokens(2).run() {
                            Ok(_) => {}
                            Err(error) if error.kind() == ErrorKind::EngineClosed => break,
                            Err(error) => panic!("round {round}, caller {caller}: {error}"),
                        }
                    }
                });
            }
            for _ in 0..2 {
                let engine = engine.clone();
                scope.spawn(move || {
                    engine.chat("Hello").max_tokens(4).run().ok();
                    engine.close().expect("this process made it");
                });
            }
        });
    }
}

#[test]
fn an_engine_can_be_made_again_and_again() {
    for _ in 0..3 {
        let engine = engine().build().expect("an engine");
        let reply = engine.chat("Hello").max_tokens(4).run().expect("an answer");
        assert_eq!(reply.usage.completion_tokens, 4);
    }
}

#[test]
fn two_engines_serve_side_by_side() {
    let (one, two) = (engine().build().expect("an engine"), engine().build().expect("another"));
    let ask = |engine: &Engine| engine.chat("Hello").max_tokens(8).run().expect("an answer").text;
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| ask(&one));
        let second = scope.spawn(|| ask(&two));
        (first.join().expect("no panic"), second.join().expect("no panic"))
    });
    assert_eq!(first, second);
}

#[test]
fn progress_is_told_to_its_end() {
    use std::sync::Arc;
    use std::sync::Mutex;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let seen_too = Arc::clone(&seen);
    let engine = Engine::builder(model())
        .context_tokens(256)
        .on_progress(move |progress| seen_too.lock().expect("no panic").push(progress))
        .build()
        .expect("an engine");
    drop(engine);
    let seen = seen.lock().expect("no panic");
    let last = seen.last().expect("some progress");
    assert_eq!((last.stage.as_str(), last.done, last.total), ("load", 1000, Some(1000)));
    assert!(seen.windows(2).all(|pair| pair[0].done <= pair[1].done), "{seen:?}");
}

/// Closing gives the weights back though handles are still there: languages with a garbage
/// collector keep them for long.
#[cfg(target_os = "linux")]
#[test]
fn close_gives_the_weights_back_while_handles_remain() {
    let mapped = || {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("on Linux");
        let file = model().file_name().expect("a file").to_string_lossy().into_owned();
        maps.lines().filter(|line| line.ends_with(&file)).count()
    };
    // On its own in a child: other tests of this process map the same file.
    if std::env::var_os("INDWELL_ALONE").is_none() {
        let name = "close_gives_the_weights_back_while_handles_remain";
        let child = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", name])
            .env("INDWELL_ALONE", "1")
            .status()
            .expect("a child");
        assert!(child.success());
        return;
    }
    // Where they are in this process, whatever is asked of the other tests.
    let engine = engine().isolation(indwell::Isolation::InProcess).build().expect("an engine");
    assert!(mapped() > 0, "the weights are mapped while it is open");
    engine.close().expect("this process made it");
    assert_eq!(mapped(), 0, "and no more once it is closed");
    drop(engine);
}

/// A program that exits in the middle of a step ends as it said, though llama.cpp's static data is
/// destroyed while the engine's thread is still there.
#[test]
fn the_process_may_exit_in_the_middle_of_a_step() {
    if std::env::var_os("INDWELL_EXITS").is_some() {
        let engine = engine().build().expect("an engine");
        let mut stream = engine.chat(LONG).max_tokens(1000).stream().expect("a stream");
        assert!(matches!(stream.next_blocking(), Some(Event::Text(_))));
        std::process::exit(7);
    }
    for round in 0..10 {
        let child = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "the_process_may_exit_in_the_middle_of_a_step"])
            .env("INDWELL_EXITS", "1")
            .output()
            .expect("a child");
        assert_eq!(child.status.code(), Some(7), "round {round}: {child:?}");
    }
}
