//! A process that the system keeps short: of address space, and of room on the disk. Each is one of
//! its own, since what is to be seen is that it lives.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Command, Output};

use indwell::{Engine, Error, ErrorKind};
use indwell_tests::{engine, model, tell, told};

/// Names the folder in which the child keeps files.
const FOLDER: &str = "INDWELL_TEST_LIMITS_FOLDER";
const MIB: u64 = 1 << 20;

/// Runs `child` in a process of its own, after `limits` of a shell.
fn run(child: &str, limits: &str, folder: Option<&Path>) -> Output {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -c 0; {limits}; exec \"$0\" \"$@\""));
    shell.arg(std::env::current_exe().expect("this program"));
    shell.args(["--exact", child, "--ignored", "--nocapture", "--test-threads=1"]);
    // Before the limit holds, which leaves no room for fetching it.
    shell.env("INDWELL_TEST_MODEL", model());
    if let Some(folder) = folder {
        shell.env(FOLDER, folder);
    }
    shell.output().expect("a shell")
}

#[test]
fn a_tight_address_space_is_an_error_or_is_kept() {
    let mut served = Vec::new();
    for mib in (160..=1600).step_by(160) {
        let output = run("load_and_ask", &format!("ulimit -v {}", mib * 1024), None);
        let told = told(&output);
        assert!(output.status.success(), "{mib} MiB: {told}");
        assert!(told == "served" || told.starts_with("refused out_of_memory"), "{mib} MiB: {told}");
        served.push((mib, told == "served"));
    }
    assert!(served.iter().any(|(_, served)| *served), "{served:?}");
    assert!(served.is_sorted_by_key(|(_, served)| *served), "more room never hurts: {served:?}");
}

#[test]
#[ignore = "a process that another test starts"]
fn load_and_ask() {
    let told = match ask_all() {
        Ok(()) => "served".to_owned(),
        Err(error) => format!("refused {}: {error}", error.kind()),
    };
    tell(&told);
}

/// Requests that take all there is: a template, a grammar, several at once, caches that fill.
fn ask_all() -> Result<(), Error> {
    let engine = Engine::builder(model()).threads(2).build()?;
    engine.chat("Hello").max_tokens(8).run()?;
    engine.chat("A date").regex("[0-9]{4}-[0-9]{2}-[0-9]{2}").max_tokens(16).run()?;
    let together: Vec<_> = (0..6)
        .map(|index| engine.chat(format!("{index} ").repeat(100)).max_tokens(16).stream())
        .collect::<Result<_, _>>()?;
    for stream in together {
        stream.reply()?;
    }
    engine.close()
}

#[test]
fn a_full_disk_costs_what_is_kept_there_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    // No file grows beyond 2 MiB, as on a disk that is full then. A shell counts blocks of 512 bytes.
    let limits = "trap '' XFSZ; ulimit -f 4096";
    let output = run("fill_a_disk", limits, Some(folder.path()));
    assert!(output.status.success(), "{}", told(&output));
    assert_eq!(told(&output), "every request was served");
    let largest = std::fs::read_dir(folder.path().join("prefixes")).expect("it was made");
    for file in largest {
        let length = file.and_then(|file| file.metadata()).expect("a file").len();
        assert!(length <= 2 * MIB, "{length}");
    }
}

#[test]
#[ignore = "a process that another test starts"]
fn fill_a_disk() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    let engine = engine()
        .response_cache_bytes(16 << 20)
        .response_cache_dir(folder.join("answers"))
        .disk_cache_dir(folder.join("prefixes"))
        .host_cache_bytes(0)
        .build()
        .expect("an engine");
    for round in 0..2 {
        for topic in 0..8 {
            // About 8 MiB of keys and values each.
            let prompt = format!("{topic} ").repeat(170);
            let reply = engine.chat(prompt).max_tokens(4).run().expect("a reply");
            assert!(!reply.text.is_empty(), "{round} {topic}");
        }
    }
    engine.close().expect("closed");
    tell("every request was served");
}

#[test]
fn prefixes_in_a_read_only_folder_are_used_and_a_store_there_is_refused() {
    // A mount of this process alone, which holds for root, too.
    const MOUNT: &str = "mount --bind \"$1\" \"$1\" && mount -o remount,ro,bind \"$1\"";
    let folder = tempfile::tempdir().expect("a folder");
    let mount = |then: &str| {
        let script = format!("{MOUNT} && shift && {then}");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c", &script, "sh"]).arg(folder.path());
        command
    };
    if !mount("true").output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: this system lets nobody mount anything");
        return;
    }
    let prompt_tokens = read_only_engine(folder.path()).chat(long()).max_tokens(4).run();
    let prompt_tokens = prompt_tokens.expect("a reply").usage.prompt_tokens;
    let mut child = mount("exec \"$@\"");
    child.arg(std::env::current_exe().expect("this program"));
    child.args(["--exact", "serve_from_a_read_only_folder", "--ignored", "--nocapture"]);
    child.env("INDWELL_TEST_MODEL", model()).env(FOLDER, folder.path());
    let output = child.output().expect("a process");
    let told = told(&output);
    assert!(output.status.success(), "{output:?}");
    let cached = told.strip_prefix("cached ").and_then(|cached| cached.parse::<u32>().ok());
    assert!(cached.is_some_and(|cached| cached * 2 > prompt_tokens), "{told} of {prompt_tokens}");
}

fn long() -> String {
    "The tide comes in, the boats go out, and the gulls follow the boats. ".repeat(30)
}

fn read_only_engine(folder: &Path) -> Engine {
    engine().disk_cache_dir(folder.join("prefixes")).build().expect("an engine")
}

#[test]
#[ignore = "a process that another test starts"]
fn serve_from_a_read_only_folder() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let folder = Path::new(&folder);
    std::fs::write(folder.join("file"), "").expect_err("read-only");
    let engine = read_only_engine(folder);
    let cached = engine.chat(long()).max_tokens(4).run().expect("a reply").usage.cached_tokens;
    // What can't be kept there is served all the same.
    for topic in 0..4 {
        let prompt = format!("{topic}, and {}", long());
        assert!(!engine.chat(prompt).max_tokens(4).run().expect("a reply").text.is_empty());
    }
    engine.close().expect("closed");
    let answers = folder.join("answers");
    let builder = indwell_tests::engine().response_cache_bytes(1 << 20);
    let error = builder.response_cache_dir(&answers).build().expect_err("nothing can be kept");
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.message().contains(&*answers.to_string_lossy()), "{error}");
    tell(&format!("cached {cached}"));
}
