//! gem5's payload: what `readfile` gives is one executable file, a shell header with a tar archive behind it.

use std::io::Write;

use super::make::Bundle;
use super::write::{append_folder, append_text};
use crate::{Context, Result};

/// The line after which the archive begins.
pub const PAYLOAD_MARK: &str = "#--futon-payload--\n";

/// The header: unpacks what is behind it into `/run/futon` and runs `run.sh` from there. Works in the lean guest, whose tool unpacks
/// without another process, and with any `gem5.service` on a guest that has `tail` and `tar`.
#[must_use]
pub fn payload_header() -> String {
    // The offset is part of the text that it measures.
    let text = |offset: usize| {
        format!(
            "#!/bin/sh\n\
             set -eu\n\
             umask 077\n\
             mkdir -p /run/futon\n\
             if futon-guest unpack --help >/dev/null 2>&1; then futon-guest unpack --skip {offset:04} \"$0\" /run/futon\n\
             else tail -c +$(({offset} + 1)) \"$0\" | tar -C /run/futon -xpf -\n\
             fi\n\
             rm -f \"$0\"\n\
             cd /run/futon\n\
             exec ./run.sh\n\
             {PAYLOAD_MARK}"
        )
    };
    let mut length = text(0).len();
    loop {
        let made = text(length);
        if made.len() == length {
            return made;
        }
        length = made.len();
    }
}

/// A file of a payload.
#[derive(Debug, Clone)]
pub struct PayloadFile<'a> {
    /// Its name in `/run/futon`.
    pub name: &'a str,
    /// Permissions.
    pub mode: u32,
    /// What is in it.
    pub content: &'a [u8],
}

/// Writes a payload: `files`, of which `run.sh` (with the run's token in it) must be one, and the bundle, as
/// `/run/futon/bundle/…` in the guest. The same input gives the same bytes.
///
/// # Errors
/// As [`Bundle::write`].
pub fn write_payload(mut out: impl Write, files: &[PayloadFile<'_>], bundle: Option<&Bundle>) -> Result<()> {
    let what = || "cannot write the payload".into();
    out.write_all(payload_header().as_bytes()).context(what)?;
    let mut archive = tar::Builder::new(out);
    for file in files {
        append_text(&mut archive, file.name, file.mode, file.content).context(what)?;
    }
    if let Some(bundle) = bundle {
        append_folder(&mut archive, "bundle").context(what)?;
        bundle.append(&mut archive, "bundle/")?;
    }
    archive.into_inner().and_then(|mut out| out.flush()).context(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_finds_the_archive_behind_it() {
        let header = payload_header();
        assert!(header.starts_with("#!/bin/sh\n") && header.ends_with(PAYLOAD_MARK));
        assert!(header.contains(&format!("--skip {:04} ", header.len())), "{header}");
        // The other branch, in another folder.
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().join("there");
        let script = b"#!/bin/sh\necho it runs\n";
        let mut payload = Vec::new();
        write_payload(&mut payload, &[PayloadFile { name: "run.sh", mode: 0o755, content: script }], None).unwrap();
        let path = here.display().to_string();
        // As long as the real one, since the offset must stay.
        let moved = header.replace("/run/futon", &path);
        let moved = moved.replace(&format!("{:04}", header.len()), &format!("{:04}", moved.len()));
        let moved = moved.replace(&format!("(({} ", header.len()), &format!("(({} ", moved.len()));
        let file = folder.path().join("payload");
        std::fs::write(&file, [moved.as_bytes(), &payload[header.len()..]].concat()).unwrap();
        let output = std::process::Command::new("sh").arg(&file).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "it runs\n", "{output:?}");
    }
}
