//! JUnit's XML, which pytest and Maven's Surefire write: one `testcase` for each test, with a child
//! that tells when it did not simply pass.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Tally;

/// Adds up every report in a folder; none at all is an empty tally.
pub(crate) fn read_folder(dir: &Path) -> Result<Tally> {
    let mut tally = Tally::default();
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(tally),
        Err(error) => {
            return Err(error).with_context(|| format!("could not list {}", dir.display()));
        }
    };
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "xml") {
            let text = fs::read_to_string(&path)?;
            let counted =
                count(&text).with_context(|| format!("{} is no report", path.display()))?;
            tally.add(&counted);
        }
    }
    Ok(tally)
}

fn count(text: &str) -> Result<Tally> {
    let report = roxmltree::Document::parse(text)?;
    let mut tally = Tally::default();
    for case in report.descendants().filter(|node| node.has_tag_name("testcase")) {
        let has = |name: &str| case.children().any(|child| child.has_tag_name(name));
        if has("failure") || has("error") {
            tally.failed += 1;
        } else if has("skipped") {
            tally.skipped += 1;
        } else {
            tally.passed += 1;
        }
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<testsuites><testsuite name="pytest" errors="1" failures="1" skipped="1" tests="5">
  <testcase classname="tests.test_chat" name="test_chat" time="0.4" />
  <testcase classname="tests.test_chat" name="test_stream"><system-out>hi</system-out></testcase>
  <testcase classname="tests.test_fork" name="test_fork"><failure message="m">trace</failure></testcase>
  <testcase classname="tests.test_exit" name="test_exit"><error message="m">trace</error></testcase>
  <testcase classname="tests.test_gpu" name="test_gpu"><skipped message="no GPU" /></testcase>
</testsuite></testsuites>"#;

    #[test]
    fn reports_of_a_folder_add_up() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("TEST-a.xml"), REPORT).unwrap();
        fs::write(dir.path().join("TEST-b.xml"), REPORT).unwrap();
        fs::write(dir.path().join("a.txt"), "no report").unwrap();
        let tally = read_folder(dir.path()).unwrap();
        assert_eq!((tally.passed, tally.failed, tally.skipped), (4, 4, 2));
    }

    #[test]
    fn folder_that_was_never_made_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        assert!(read_folder(&dir.path().join("none")).unwrap().is_empty());
    }

    #[test]
    fn report_that_was_cut_off_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("report.xml"), &REPORT[..200]).unwrap();
        let error = read_folder(dir.path()).unwrap_err();
        assert!(error.to_string().contains("report.xml"), "{error}");
    }
}
