//! `indwell devices`: what can compute here.

use std::io::{self, Write};
use std::process::ExitCode;

use indwell::Device;

use crate::size;

/// Prints a line for each device.
pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let devices = indwell::devices()?;
    let width = |text: fn(&Device) -> &str| devices.iter().map(|d| text(d).len()).max();
    let name_width = width(|device| &device.name).unwrap_or(0);
    let kind_width = width(|device| device.kind.as_str()).unwrap_or(0);
    let mut out = io::stdout().lock();
    for device in &devices {
        let (name, kind) = (&device.name, device.kind.as_str());
        let memory = memory(device);
        writeln!(out, "{name:name_width$}  {kind:kind_width$}  {memory}{}", device.description)?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Free and total memory, where the backend can tell.
fn memory(device: &Device) -> String {
    if device.memory_total_bytes == 0 {
        return String::new();
    }
    let (free, total) = (device.memory_free_bytes, device.memory_total_bytes);
    format!("{} of {} free  ", size::human(free), size::human(total))
}
