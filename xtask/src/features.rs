//! `cargo xtask check-features`: would any selection of packages compile llama.cpp again?
//!
//! Cargo unifies features over the packages that are selected. When `-p indwell-python` (what
//! maturin builds) gives some crate below llama-cpp-sys-2's build script other features than
//! `--workspace` does, that script is another one to cargo, and it compiles llama.cpp into another
//! folder. The plans that cargo would carry out are compared, so what is checked is what happens;
//! nothing is compiled.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::build::LLAMA_SYS;
use crate::process;
use crate::workspace::Workspace;

/// What the suites build in one go, and what else is built: all must agree. The crate below which
/// llama.cpp lies is the least that can be selected; when that agrees, so does all between.
const REFERENCE: &[&str] = &["build", "--workspace", "--all-targets"];
const SELECTIONS: &[&[&str]] = &[
    &["test", "--workspace"],
    &["check", "--workspace", "--all-targets"],
    &["rustc", "--package", "indwell-python", "--lib"],
    &["build", "--package", "indwell-llama"],
];

/// The version of cargo's plan format that [`Plan`] reads.
const PLAN_VERSION: u32 = 1;

/// Fails, naming the crates, when a selection would compile llama.cpp a second time.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let reference = plan(workspace, REFERENCE)?.below_llama()?;
    for selection in SELECTIONS {
        let other = plan(workspace, selection)?.below_llama()?;
        let differences = differences(&reference, &other);
        if !differences.is_empty() {
            bail!(
                "`cargo {}` would compile llama.cpp again, because it builds these otherwise:\n{}\n\
                 Give both the same features: name the missing ones for that crate in \
                 [workspace.dependencies], and let core/llama depend on it.",
                selection.join(" "),
                differences.join("\n")
            );
        }
    }
    Ok(())
}

/// Asks cargo for its plan. The option is not stable, so a stable cargo is told to allow it; in a
/// target folder of its own, so that nothing of that reaches the real one.
fn plan(workspace: &Workspace, selection: &[&str]) -> Result<Plan> {
    let mut command = workspace.cargo();
    command
        .args(selection)
        .args(["--unit-graph", "-Z", "unstable-options"])
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", workspace.state("plan"));
    let printed = process::capture(&mut command)?;
    let plan: Plan = serde_json::from_str(&printed).context("cargo's plan has another format")?;
    ensure!(
        plan.version == PLAN_VERSION,
        "cargo's plan has format {}, this reads {PLAN_VERSION}: adapt xtask/src/features.rs",
        plan.version
    );
    Ok(plan)
}

/// Cargo's unit graph.
#[derive(Debug, Deserialize)]
struct Plan {
    version: u32,
    units: Vec<Unit>,
}

/// One run of the compiler, or of a build script.
#[derive(Debug, Deserialize)]
struct Unit {
    pkg_id: String,
    mode: String,
    target: Target,
    features: BTreeSet<String>,
    profile: serde_json::Value,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    index: usize,
}

/// Units by package; for each, the ways in which its targets are built.
type Builds = BTreeMap<String, BTreeSet<Way>>;

/// Everything that makes cargo build a target anew, as far as selections can change it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Way {
    target: String,
    mode: String,
    features: BTreeSet<String>,
    profile: String,
}

impl Plan {
    /// The units that llama.cpp's build script and its run depend on, themselves included.
    fn below_llama(&self) -> Result<Builds> {
        let is_run = |unit: &Unit| {
            unit.mode == "run-custom-build" && unit.pkg_id.contains(&format!("#{LLAMA_SYS}@"))
        };
        let mut open: Vec<usize> =
            (0..self.units.len()).filter(|&index| is_run(&self.units[index])).collect();
        ensure!(!open.is_empty(), "cargo's plan has no build of {LLAMA_SYS}");
        let mut seen = BTreeSet::new();
        let mut builds = Builds::new();
        while let Some(index) = open.pop() {
            if !seen.insert(index) {
                continue;
            }
            let unit = self.units.get(index).context("cargo's plan is cut off")?;
            builds.entry(unit.package()).or_default().insert(unit.way());
            open.extend(unit.dependencies.iter().map(|dependency| dependency.index));
        }
        Ok(builds)
    }
}

impl Unit {
    fn package(&self) -> String {
        self.pkg_id.rsplit(['#', '/']).next().unwrap_or_default().to_owned()
    }

    fn way(&self) -> Way {
        let mut profile = self.profile.clone();
        // `test` and `dev` are two names of the same settings: cargo does not tell them apart.
        if let Some(settings) = profile.as_object_mut() {
            settings.remove("name");
        }
        Way {
            target: self.target.name.clone(),
            mode: self.mode.clone(),
            features: self.features.clone(),
            profile: profile.to_string(),
        }
    }
}

/// One line for each package that is not built in the same ways by both.
fn differences(reference: &Builds, other: &Builds) -> Vec<String> {
    let none = BTreeSet::new();
    let packages: BTreeSet<&String> = reference.keys().chain(other.keys()).collect();
    packages
        .into_iter()
        .map(|package| {
            (package, reference.get(package).unwrap_or(&none), other.get(package).unwrap_or(&none))
        })
        .filter(|(_, reference, other)| reference != other)
        .map(|(package, reference, other)| {
            let (here, there) = (features_of(reference), features_of(other));
            if here == there {
                format!("  {package}: another profile")
            } else {
                format!("  {package}: with {there:?}, where the workspace has {here:?}")
            }
        })
        .collect()
}

fn features_of(ways: &BTreeSet<Way>) -> BTreeSet<&str> {
    ways.iter().flat_map(|way| &way.features).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plan in which llama.cpp's script needs bindgen, which needs syn with `features`.
    fn plan_with(features: &str) -> Plan {
        let unit = |package: &str, mode: &str, features: &str, dependency: &str| {
            format!(
                r#"{{"pkg_id":"registry+index#{package}","mode":"{mode}","target":{{"name":"x"}},
                    "features":[{features}],"profile":{{"opt_level":"0"}},
                    "dependencies":[{dependency}]}}"#
            )
        };
        let script = format!("{LLAMA_SYS}@0.1.161");
        let units = [
            unit("unrelated@1.0.0", "build", "", r#"{"index":3}"#),
            unit(&script, "run-custom-build", "", r#"{"index":2}"#),
            unit(&script, "build", "", r#"{"index":3}"#),
            unit("syn@2.0.0", "build", features, ""),
        ];
        let text = format!(r#"{{"version":1,"units":[{}]}}"#, units.join(","));
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn only_what_the_build_script_depends_on_counts() {
        let builds = plan_with("").below_llama().unwrap();
        assert_eq!(builds.keys().collect::<Vec<_>>(), ["llama-cpp-sys-2@0.1.161", "syn@2.0.0"]);
    }

    #[test]
    fn crate_with_other_features_is_named() {
        let reference = plan_with(r#""full""#).below_llama().unwrap();
        let other = plan_with(r#""derive""#).below_llama().unwrap();
        assert!(differences(&reference, &reference).is_empty());
        let differences = differences(&reference, &other).join("\n");
        assert_eq!(
            differences,
            r#"  syn@2.0.0: with {"derive"}, where the workspace has {"full"}"#
        );
    }

    #[test]
    fn plan_without_llama_is_an_error() {
        let plan = Plan { version: 1, units: Vec::new() };
        assert!(plan.below_llama().is_err());
    }
}
