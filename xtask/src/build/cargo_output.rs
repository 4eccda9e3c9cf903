//! Reads what cargo prints: JSON messages on standard output, progress on standard error.

use std::path::PathBuf;

use serde::Deserialize;

use crate::progress::Position;

/// The JSON message of interest, as far as it is of interest.
#[derive(Debug, Deserialize)]
struct Message {
    reason: String,
    package_id: Option<String>,
    out_dir: Option<PathBuf>,
}

/// The output folder of `package`'s build script, when this message tells that the script ran, now
/// or in an earlier build.
pub(crate) fn build_script_folder(line: &str, package: &str) -> Option<PathBuf> {
    let message: Message = serde_json::from_str(line).ok()?;
    let is_wanted = message.reason == "build-script-executed"
        && message.package_id.is_some_and(|id| id.contains(&format!("#{package}@")));
    message.out_dir.filter(|_| is_wanted)
}

/// A line of cargo's standard error.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// The progress bar: how many units are compiled, and which are being compiled.
    Units {
        /// Units done, of all.
        position: Position,
        /// The crates under way, as cargo lists them.
        names: String,
    },
    /// A line that the progress bar says as well: `Compiling serde v1.0`, or nothing at all.
    Status,
    /// Anything else: warnings, errors, and how it ended.
    Text,
}

impl Shown {
    /// Tells what a line is, colours or not.
    pub(crate) fn parse(line: &str) -> Self {
        let plain = console::strip_ansi_codes(line);
        let plain = plain.trim();
        if let Some(bar) = plain.strip_prefix("Building [") {
            return Self::parse_bar(bar).unwrap_or(Self::Status);
        }
        let verb = plain.split(' ').next().unwrap_or_default();
        match verb {
            "" | "Compiling" | "Fresh" | "Downloading" | "Downloaded" | "Locking" | "Adding"
            | "Updating" | "Finished" => Self::Status,
            _ => Self::Text,
        }
    }

    /// What follows `Building [`: `====>   ] 12/345: serde, syn(build)`.
    fn parse_bar(bar: &str) -> Option<Self> {
        let (_, counted) = bar.split_once("] ")?;
        let (count, names) = counted.split_once(':').unwrap_or((counted, ""));
        let (done, total) = count.trim().split_once('/')?;
        Some(Self::Units {
            position: Position { done: done.parse().ok()?, total: total.parse().ok()? },
            names: names.trim().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_bar_tells_counts_and_names() {
        let line =
            "\u{1b}[1m\u{1b}[96m    Building\u{1b}[0m [=====>      ] 12/345: serde, syn(build)";
        assert_eq!(
            Shown::parse(line),
            Shown::Units {
                position: Position { done: 12, total: 345 },
                names: "serde, syn(build)".to_owned()
            }
        );
    }

    #[test]
    fn diagnostics_are_text_and_compiling_lines_are_not() {
        assert_eq!(Shown::parse("warning: unused import"), Shown::Text);
        assert_eq!(Shown::parse("error[E0308]: mismatched types"), Shown::Text);
        assert_eq!(Shown::parse("   Compiling serde v1.0.1"), Shown::Status);
        assert_eq!(Shown::parse("   "), Shown::Status);
    }

    #[test]
    fn odd_progress_bar_is_ignored() {
        assert_eq!(Shown::parse("    Building [===> ] soon"), Shown::Status);
    }

    #[test]
    fn output_folder_is_that_of_the_named_package() {
        let message = |package: &str, reason: &str| {
            format!(
                r#"{{"reason":"{reason}","package_id":"registry+index#{package}@0.1.161",
                    "linked_libs":[],"out_dir":"/target/debug/build/{package}-9c0a/out"}}"#
            )
        };
        let found = |line: &str| build_script_folder(line, "llama-cpp-sys-2");
        assert_eq!(
            found(&message("llama-cpp-sys-2", "build-script-executed")),
            Some(PathBuf::from("/target/debug/build/llama-cpp-sys-2-9c0a/out"))
        );
        assert_eq!(found(&message("serde", "build-script-executed")), None);
        assert_eq!(found(&message("llama-cpp-sys-2", "compiler-artifact")), None);
        assert_eq!(found("not json"), None);
    }
}
