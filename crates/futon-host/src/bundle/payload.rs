//! gem5's payload: what `readfile` gives is one executable file, a shell header with a tar archive behind it.

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
        let mut archive = tar::Builder::new(Vec::new());
        let mut entry = tar::Header::new_gnu();
        let script = b"#!/bin/sh\necho it runs\n";
        entry.set_size(script.len() as u64);
        entry.set_mode(0o755);
        entry.set_cksum();
        archive.append_data(&mut entry, "run.sh", &script[..]).unwrap();
        let path = here.display().to_string();
        // As long as the real one, since the offset must stay.
        let moved = header.replace("/run/futon", &path);
        let moved = moved.replace(&format!("{:04}", header.len()), &format!("{:04}", moved.len()));
        let moved = moved.replace(&format!("(({} ", header.len()), &format!("(({} ", moved.len()));
        let file = folder.path().join("payload");
        std::fs::write(&file, [moved.as_bytes(), &archive.into_inner().unwrap()].concat()).unwrap();
        let output = std::process::Command::new("sh").arg(&file).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "it runs\n", "{output:?}");
    }
}
