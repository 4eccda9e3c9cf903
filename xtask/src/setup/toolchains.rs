//! The language toolchains: which versions will do, and what to type when one is missing.

use super::Purpose;
use crate::process;
use crate::workspace::Workspace;

/// A toolchain that the user installs.
#[derive(Debug)]
struct Toolchain {
    name: &'static str,
    /// What prints its version.
    version_command: &'static [&'static str],
    /// The first version that will do.
    minimum: Version,
    /// What to type on a Debian-like system.
    install: &'static str,
    /// The first purpose that needs it.
    purpose: Purpose,
}

/// Major and minor number.
type Version = (u32, u32);

/// Everything that is checked; Rust itself is new enough, or this program would not have compiled.
const TOOLCHAINS: [Toolchain; 7] = [
    Toolchain {
        name: "Python",
        version_command: &["python3", "--version"],
        minimum: (3, 9),
        install: "sudo apt-get install -y python3 python3-pip python3-venv",
        purpose: Purpose::Demo,
    },
    Toolchain {
        name: "Node.js",
        version_command: &["node", "--version"],
        minimum: (18, 0),
        install: "sudo apt-get install -y nodejs npm",
        purpose: Purpose::Test,
    },
    Toolchain {
        name: "npm",
        version_command: &["npm", "--version"],
        minimum: (8, 0),
        install: "sudo apt-get install -y npm",
        purpose: Purpose::Test,
    },
    Toolchain {
        name: "JDK",
        version_command: &["javac", "-version"],
        minimum: (17, 0),
        install: "sudo apt-get install -y default-jdk-headless",
        purpose: Purpose::Test,
    },
    Toolchain {
        name: "Maven",
        version_command: &["mvn", "--version"],
        minimum: (3, 6),
        install: "sudo apt-get install -y maven",
        purpose: Purpose::Test,
    },
    Toolchain {
        name: "rustfmt",
        version_command: &["cargo", "fmt", "--version"],
        minimum: (1, 0),
        install: "rustup component add rustfmt",
        purpose: Purpose::Test,
    },
    Toolchain {
        name: "clippy",
        version_command: &["cargo", "clippy", "--version"],
        minimum: (0, 1),
        install: "rustup component add clippy",
        purpose: Purpose::Test,
    },
];

/// One line for each toolchain that `purpose` needs and that is missing or too old.
pub(crate) fn problems(workspace: &Workspace, purpose: Purpose) -> Vec<String> {
    TOOLCHAINS
        .iter()
        .filter(|toolchain| toolchain.purpose <= purpose)
        .filter_map(|toolchain| {
            let [program, arguments @ ..] = toolchain.version_command else {
                unreachable!("a version command has a program");
            };
            let printed = process::capture(workspace.command(program).args(arguments));
            toolchain.problem(printed.ok().as_deref())
        })
        .collect()
}

impl Toolchain {
    /// What is wrong, given what the version command printed; None when it could not run.
    fn problem(&self, printed: Option<&str>) -> Option<String> {
        let (major, minor) = self.minimum;
        let found = match printed.map(|text| (text, parse_version(text))) {
            Some((_, Some(version))) if version >= self.minimum => return None,
            Some((_, Some((major, minor)))) => format!("is {major}.{minor}"),
            Some((text, None)) => format!("has an unknown version ({})", text.trim()),
            None => "is missing".to_owned(),
        };
        Some(format!(
            "  {} {found}; {major}.{minor} or newer is needed: {}",
            self.name, self.install
        ))
    }
}

/// The first `major.minor` in what a version command prints; else its first number alone, as
/// `javac 21` has it.
fn parse_version(text: &str) -> Option<Version> {
    let words = || text.split(|c: char| !c.is_ascii_digit() && c != '.');
    let dotted = words().find_map(|word| {
        let mut numbers = word.split('.');
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    });
    dotted.or_else(|| words().find_map(|word| Some((word.parse().ok()?, 0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_the_tools_print() {
        let cases = [
            ("Python 3.11.7\n", (3, 11)),
            ("v20.20.2\n", (20, 20)),
            ("javac 17.0.15\n", (17, 0)),
            ("javac 21\n", (21, 0)),
            ("\u{1b}[1mApache Maven 3.8.7\u{1b}[m\nMaven home: /usr/share/maven", (3, 8)),
            ("rustfmt 1.9.0-stable (59807616e1 2026-04-14)\n", (1, 9)),
        ];
        for (printed, version) in cases {
            assert_eq!(parse_version(printed), Some(version), "{printed}");
        }
        assert_eq!(parse_version("no number here"), None);
    }

    #[test]
    fn missing_old_and_odd_toolchains_say_what_to_type() {
        let node = &TOOLCHAINS[1];
        for (printed, says) in [
            (None, "is missing"),
            (Some("v16.3.0"), "is 16.3"),
            (Some("none"), "unknown version (none)"),
        ] {
            let problem = node.problem(printed).unwrap();
            assert!(problem.contains(says), "{problem}");
            assert!(problem.contains("18.0 or newer"), "{problem}");
            assert!(problem.contains("apt-get install -y nodejs"), "{problem}");
        }
        assert_eq!(node.problem(Some("v18.0.0")), None);
    }
}
