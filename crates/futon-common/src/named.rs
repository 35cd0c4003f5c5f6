//! Files that the user named, for reading and for writing: whatever they are, futon neither waits for them without end nor takes their place.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use nix::unistd::{AccessFlags, access};

use crate::{Context, Error, Result, readable};

/// The folder of a file.
#[must_use]
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// Whether a path means what the caller has opened (`/dev/stdin`, `<(…)`): a name for it, but not its place.
fn is_open_already(path: &Path) -> bool {
    ["/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/fd", "/proc/self/fd"].iter().any(|open| path.starts_with(open))
}

/// Writes a file completely or not at all; a link stays, and leads to the new content. What can only be written to, such as a device or a
/// pipe, is written to.
///
/// # Errors
/// When it cannot be written. A file that was there stays.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let written = match fs::metadata(path) {
        Ok(about) if about.is_file() && !is_open_already(path) => {
            fs::canonicalize(path).and_then(|place| replace(&place, content))
        }
        Err(_) if fs::symlink_metadata(path).is_err() => replace(path, content),
        // Or it is a link to a file that is not there yet.
        _ => fs::write(path, content),
    };
    written.context(|| format!("cannot write {}", path.display()))
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder_of(path))?;
    file.write_all(content)?;
    readable(file.path())?;
    file.persist(path)?;
    Ok(())
}

/// Refuses a file that could not be written once the work for it is done. Nothing is made or changed.
///
/// # Errors
/// When it is a folder, is in none, or may not be written.
pub fn require_writable(flag: &str, path: &Path) -> Result<()> {
    let (place, how) = match fs::metadata(path) {
        Ok(about) if about.is_dir() => {
            return Err(Error::usage(format!("{flag}: {} is a folder", path.display())).hint("name a file"));
        }
        Ok(_) => (path, AccessFlags::W_OK),
        Err(_) => {
            let folder = folder_of(path);
            if !folder.is_dir() {
                return Err(
                    Error::usage(format!("{flag}: there is no folder {}", folder.display())).hint("make it first")
                );
            }
            (folder, AccessFlags::W_OK | AccessFlags::X_OK)
        }
    };
    access(place, how).map_err(|e| {
        Error::usage(format!("{flag}: cannot write {}", path.display()))
            .caused_by(e)
            .hint("name a file that you may write")
    })
}

/// Refuses to read what may have no end, or nobody at the other end: a named pipe, a device. What the caller has opened is read. A file that is
/// not there is not refused here.
///
/// # Errors
/// When it is no file.
pub fn require_regular(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(about) if !about.is_file() && !about.is_dir() && !is_open_already(path) => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "it is a device or a pipe, not a file"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt, symlink};

    use futon_model::ExitCode;
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn links_and_pipes_stay_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("else")).unwrap();
        fs::write(at("else/there"), "old").unwrap();
        for name in ["there", "new"] {
            symlink(at("else").join(name), at(name)).unwrap();
            write_whole(&at(name), b"content").unwrap();
            assert!(fs::symlink_metadata(at(name)).unwrap().is_symlink(), "{name}");
            assert_eq!(fs::read_to_string(at("else").join(name)).unwrap(), "content");
        }
        mkfifo(&at("pipe"), Mode::S_IRWXU).unwrap();
        let reader = std::thread::spawn({
            let pipe = at("pipe");
            move || fs::read_to_string(pipe).unwrap()
        });
        write_whole(&at("pipe"), b"content").unwrap();
        assert_eq!(reader.join().unwrap(), "content");
        assert!(fs::metadata(at("pipe")).unwrap().file_type().is_fifo());
        let error = write_whole(Path::new("/dev/full"), b"content").unwrap_err();
        assert_eq!(error.exit_code(), ExitCode::Infra);
        assert!(fs::metadata("/dev/full").unwrap().file_type().is_char_device());
    }

    #[test]
    fn what_cannot_be_written_is_refused_and_nothing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("there"), "old").unwrap();
        for fine in [at("there"), at("new"), "/dev/full".into()] {
            require_writable("--out", &fine).unwrap();
        }
        for bad in [folder.path().to_owned(), at("no/such"), at("there/below"), "/proc/version".into()] {
            // Root may write what the mode of /proc/version forbids.
            if bad.starts_with("/proc") && nix::unistd::geteuid().is_root() {
                continue;
            }
            let error = require_writable("--out", &bad).unwrap_err();
            assert_eq!(error.exit_code(), ExitCode::Usage, "{error}");
            assert!(error.to_string().starts_with("--out: ") && error.hint_text().is_some(), "{error}");
        }
        assert_eq!(fs::read_to_string(at("there")).unwrap(), "old");
        assert!(!at("new").exists());
    }

    #[test]
    fn only_a_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mkfifo(&pipe, Mode::S_IRWXU).unwrap();
        assert!(require_regular(&pipe).is_err() && require_regular(Path::new("/dev/zero")).is_err());
        fs::write(folder.path().join("file"), "").unwrap();
        for fine in ["file", "nothing"] {
            require_regular(&folder.path().join(fine)).unwrap();
        }
        require_regular(Path::new("/dev/stdin")).unwrap();
    }
}
