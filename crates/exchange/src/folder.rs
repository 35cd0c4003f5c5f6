//! Opens files below a folder, never outside it, for any names and links inside.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::Mode;

/// How often an open is tried again when names change while it looks.
const TRIES: usize = 8;

/// Opens a file or folder below `root` for reading. Links are followed as long as they stay below it.
///
/// Nothing blocks on a pipe: it opens without waiting for a writer, and is not served.
pub(super) fn open_beneath(root: &Path, parts: &[String]) -> io::Result<File> {
    let folder = std::fs::OpenOptions::new().read(true).custom_flags(libc::O_DIRECTORY | libc::O_CLOEXEC).open(root)?;
    if parts.is_empty() {
        return Ok(folder);
    }
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let how = OpenHow::new().flags(flags).resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let path = parts.join("/");
    for _ in 0..TRIES {
        match openat2(&folder, path.as_str(), how) {
            Ok(file) => return Ok(file.into()),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            Err(Errno::ENOSYS | Errno::EPERM) => return walk(folder.into(), parts, flags),
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::EAGAIN.into())
}

/// The way for kernels and sandboxes without `openat2`: part by part, following no link at all.
fn walk(root: OwnedFd, parts: &[String], flags: OFlag) -> io::Result<File> {
    let mut at = root;
    for (i, part) in parts.iter().enumerate() {
        let kind = if i + 1 < parts.len() { OFlag::O_DIRECTORY } else { OFlag::empty() };
        at = openat(at.as_fd(), part.as_str(), flags | kind | OFlag::O_NOFOLLOW, Mode::empty())?;
    }
    Ok(at.into())
}

/// True when the error means that a link led out of the folder.
pub(super) fn leads_out(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EXDEV | Errno::ELOOP))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    fn read(mut file: File) -> String {
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        text
    }

    fn names(path: &str) -> Vec<String> {
        path.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn links_stay_inside_or_are_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "secret").unwrap();
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        fs::write(at("sub/f"), "inside").unwrap();
        symlink("sub/f", at("good")).unwrap();
        symlink(outside.path().join("secret"), at("bad")).unwrap();
        symlink(outside.path(), at("badfolder")).unwrap();
        symlink("..", at("up")).unwrap();
        symlink("loop", at("loop")).unwrap();
        assert_eq!(read(open_beneath(root.path(), &names("sub/f")).unwrap()), "inside");
        assert_eq!(read(open_beneath(root.path(), &names("good")).unwrap()), "inside");
        for name in ["bad", "badfolder/secret", "up/x", "loop", "../x", "sub/../../x"] {
            let error = open_beneath(root.path(), &names(name)).unwrap_err();
            assert!(leads_out(&error), "{name}: {error}");
        }
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let folder = || File::open(root.path()).unwrap().into();
        assert_eq!(read(walk(folder(), &names("sub/f"), flags).unwrap()), "inside");
        assert!(walk(folder(), &names("bad"), flags).is_err());
        assert!(walk(folder(), &names("badfolder/secret"), flags).is_err());
    }

    #[test]
    fn a_pipe_does_not_block() {
        let root = tempfile::tempdir().unwrap();
        nix::unistd::mkfifo(&root.path().join("pipe"), Mode::S_IRWXU).unwrap();
        assert!(!open_beneath(root.path(), &names("pipe")).unwrap().metadata().unwrap().is_file());
    }
}
