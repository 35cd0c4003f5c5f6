//! Words on the console.

use std::io::Write;

/// Prints on the console, whatever happens to the output.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // A console that refuses cannot be told so.
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}
