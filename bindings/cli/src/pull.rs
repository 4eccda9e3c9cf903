//! `indwell pull`: models by their aliases.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::arguments::alias_list;
use crate::progress::Display;

/// Fetches the model and prints its path; without an alias, lists them.
pub(crate) fn run(alias: Option<&str>) -> anyhow::Result<ExitCode> {
    let line = match alias {
        None => alias_list(),
        Some(alias) => {
            let display = Display::new(alias);
            let path = indwell::pull(alias, &|progress| display.show(progress))?;
            path.display().to_string()
        }
    };
    writeln!(io::stdout(), "{line}")?;
    Ok(ExitCode::SUCCESS)
}
