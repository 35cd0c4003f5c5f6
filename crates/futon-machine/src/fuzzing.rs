//! Entry points for the fuzz targets (`fuzz/`), compiled only for them.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use super::console::{Follower, lines_of};

/// The lines of a console that is written to `file` in two pieces, as one sees them who follows it, and as one does who
/// reads it when it has ended.
///
/// # Errors
/// The file cannot be written.
pub fn console_lines(file: &Path, pieces: [&[u8]; 2]) -> std::io::Result<(Vec<String>, Vec<String>)> {
    std::fs::write(file, b"")?;
    let mut follower = Follower::new(file.to_owned());
    let mut followed = Vec::new();
    for (number, piece) in pieces.into_iter().enumerate() {
        OpenOptions::new().append(true).open(file)?.write_all(piece)?;
        followed.extend(follower.new_lines(number == 1));
    }
    Ok((followed, lines_of(file)))
}
