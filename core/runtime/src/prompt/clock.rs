//! The time, for templates that write the date.

/// The local time as Python's `datetime.now().strftime(format)` writes it; `None` for a format that
/// is not known.
pub(super) fn now(format: &str) -> Option<String> {
    strftime(format, jiff::ZonedDateTime::now().datetime())
}

/// A time without a zone, which has neither offset nor name.
pub(super) fn strftime(format: &str, time: jiff::civil::DateTime) -> Option<String> {
    let format = format.replace("%Z", "").replace("%z", "");
    jiff::fmt::strtime::format(format, time).ok()
}
