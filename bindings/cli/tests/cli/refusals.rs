//! Bad input: a message with the value, the limit and the remedy, and an exit code by kind.

use crate::program::{Ended, model, run, run_with_input};

fn chat(options: &[&str]) -> Ended {
    run(&[&["chat", &model(), "Hello"], options].concat())
}

#[test]
fn numbers_reach_the_librarys_limits() {
    for (option, value, told) in [
        ("--max-tokens", "0", "max_tokens is 0"),
        ("--max-tokens", "-3", "max_tokens is -3"),
        ("--temperature", "NaN", "temperature is NaN"),
        ("--temperature", "-0.5", "temperature is -0.5"),
        ("--top-k", "-1", "top_k is -1"),
        ("--top-p", "0", "top_p is 0"),
        ("--min-p", "-inf", "min_p is -inf"),
        ("--seed", "-1", "seed is -1"),
        ("--timeout-ms", "-5", "timeout_ms is -5"),
        ("--stop", "", "stop is"),
        ("--cache", "never", "cache is \"never\""),
        ("--cache-ttl-ms", "0", "cache_ttl_ms is 0"),
        ("--cache-ttl-ms", "-5", "cache_ttl_ms is -5"),
    ] {
        let stderr = chat(&[option, value]).failure(2);
        assert!(stderr.contains(told), "{option} {value}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
    }
}

#[test]
fn engine_options_are_refused_before_anything_is_loaded() {
    for (option, value, told) in [
        ("--context-tokens", "-1", "context_tokens is -1"),
        ("--threads", "0", "threads is 0"),
        ("--gpu-layers", "-1", "gpu_layers is -1"),
        ("--prefix-cache-tokens", "-1", "prefix_cache_tokens is -1"),
        ("--prefix-cache-tokens", "8193", "prefix_cache_tokens is 8193"),
        ("--host-cache-bytes", "-1", "host_cache_bytes is -1"),
        ("--disk-cache-dir", "", "disk_cache_dir is"),
        ("--disk-cache-bytes", "0", "disk_cache_bytes is 0"),
        ("--disk-cache-bytes", "5", "disk_cache_bytes is 5"),
        ("--response-cache-bytes", "-1", "response_cache_bytes is -1"),
        ("--response-cache-ttl-ms", "0", "response_cache_ttl_ms is 0"),
        ("--response-cache-ttl-ms", "-5", "response_cache_ttl_ms is -5"),
        ("--response-cache-dir", "", "response_cache_dir is"),
    ] {
        let ended = run(&["chat", "no/such/model.gguf", "Hello", option, value]);
        let stderr = ended.failure(2);
        assert!(stderr.contains(told), "{stderr}");
    }
}

#[test]
fn what_is_no_number_is_refused() {
    let stderr = chat(&["--max-tokens", "ten"]).failure(2);
    assert!(stderr.contains("--max-tokens") && stderr.contains("ten"), "{stderr}");
}

#[test]
fn a_prompt_longer_than_the_context_is_refused() {
    let long = "word ".repeat(400);
    let arguments = ["complete", &model(), &long, "--context-tokens", "256"];
    let stderr = run(&arguments).failure(2);
    assert!(stderr.contains("255"), "{stderr}");
}

#[test]
fn an_empty_prompt_is_refused() {
    assert!(run(&["complete", &model(), ""]).failure(2).contains("prompt is empty"));
    assert!(run_with_input(&["complete", &model()], b"").failure(2).contains("prompt is empty"));
}

#[test]
fn input_that_is_no_text_is_refused() {
    let stderr = run_with_input(&["chat", &model()], b"ab\xff").failure(2);
    assert!(stderr.contains("UTF-8"), "{stderr}");
}

#[test]
fn a_model_that_is_not_there_is_told_with_its_path() {
    let stderr = run(&["chat", "no/such/model.gguf", "Hello"]).failure(3);
    assert!(stderr.contains("no/such/model.gguf"), "{stderr}");
    let folder = env!("CARGO_MANIFEST_DIR");
    assert!(run(&["chat", folder, "Hello"]).failure(3).contains(folder));
}

#[test]
fn an_unknown_alias_is_told_with_the_known_ones() {
    assert!(run(&["chat", "smollm3", "Hello"]).failure(3).contains("smollm2-135m"));
    assert!(run(&["pull", "smollm3"]).failure(3).contains("smollm2-135m"));
}

#[test]
fn a_deadline_ends_the_answer_with_an_error() {
    let options = ["--max-tokens", "400", "--timeout-ms", "1"];
    let stderr = chat(&options).failure(1);
    assert!(stderr.contains("deadline"), "{stderr}");
}
