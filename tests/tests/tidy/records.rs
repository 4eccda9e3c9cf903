//! The records that people keep by hand: the changelog, and the numbered decisions.

use super::files::File;

const CHANGELOG: &str = "CHANGELOG.md";
const DECISIONS: &str = "docs/decisions/";

/// A changelog without a section for what comes next.
pub(crate) fn changelog(files: &[File]) -> Vec<String> {
    let is_open = files.iter().filter(|file| file.path == CHANGELOG).any(|file| {
        file.text.lines().any(|line| line.starts_with("## ") && line.contains("Unreleased"))
    });
    if is_open {
        Vec::new()
    } else {
        vec![format!("{CHANGELOG}: add a section `## Unreleased` for what users will see next")]
    }
}

/// Decisions that are not numbered 0001, 0002 and so on.
pub(crate) fn decisions(files: &[File]) -> Vec<String> {
    let names = files.iter().filter_map(|file| file.path.strip_prefix(DECISIONS));
    let mut numbers = Vec::new();
    let mut complaints = Vec::new();
    for name in names.filter(|name| *name != "README.md") {
        match number(name) {
            Some(number) => numbers.push((number, name)),
            None => complaints.push(format!(
                "{DECISIONS}{name}: name it NNNN-what-was-decided.md, with the next free number"
            )),
        }
    }
    numbers.sort_unstable();
    for (expected, (number, name)) in (1..).zip(numbers) {
        if number != expected {
            complaints.push(format!(
                "{DECISIONS}{name}: number {expected:04} is due here; decisions are numbered \
                 without gaps and none twice"
            ));
            break;
        }
    }
    complaints
}

/// The number in `0007-what-was-decided.md`.
fn number(name: &str) -> Option<u32> {
    let (number, title) = name.strip_suffix(".md")?.split_once('-')?;
    let is_number = number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit());
    (is_number && !title.is_empty()).then(|| number.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::super::files::file;
    use super::*;

    #[test]
    fn changelog_needs_an_open_section() {
        assert_eq!(changelog(&[]).len(), 1);
        assert_eq!(changelog(&[file(CHANGELOG, "# Changelog\n\n## 0.1.0\n")]).len(), 1);
        assert!(changelog(&[file(CHANGELOG, "## [Unreleased]\n")]).is_empty());
    }

    #[test]
    fn gaps_doubles_and_odd_names_are_found() {
        let check = |names: &[&str]| {
            let paths = names.iter().map(|name| file(&format!("{DECISIONS}{name}"), ""));
            decisions(&paths.collect::<Vec<_>>())
        };
        assert!(check(&["0001-a.md", "0002-b.md", "README.md"]).is_empty());
        assert!(check(&["0001-a.md", "0003-c.md"])[0].contains("0003-c.md: number 0002"));
        assert!(check(&["0001-a.md", "0001-b.md"])[0].contains("0001-b.md: number 0002"));
        assert!(check(&["1-a.md"])[0].contains("NNNN"));
    }
}
