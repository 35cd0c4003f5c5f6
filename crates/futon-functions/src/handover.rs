//! Files of the host that a service needs: bind mounts, configs, secrets. The guest has none of them, so it gets copies, in one archive,
//! and the compose file that goes there names the copies.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use futon_common::{Context, Error, Result};

/// Where the guest has the copies.
pub const GUEST_FOLDER: &str = "/run/futon/files";

/// All copies of a run together, bytes.
const LARGEST: u64 = 64 << 20;
/// Files and folders.
const MOST: usize = 10_000;

/// System folders: a container that mounts one of them gets the guest's own.
const OF_MACHINES: [&str; 12] =
    ["/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr", "/var"];

/// Copies for the guest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Handover {
    entries: Vec<Entry>,
    known: BTreeMap<PathBuf, String>,
    bytes: u64,
    count: usize,
}

/// One copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its path below [`GUEST_FOLDER`].
    pub name: String,
    /// What it is made from.
    pub from: Origin,
}

/// What a copy is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file or a folder with all in it.
    Path(PathBuf),
    /// A missing folder: the engine would create it.
    NewFolder,
    /// A text of the compose file or of a variable.
    Text {
        /// The text.
        text: String,
        /// Mode of the file.
        mode: u32,
        /// Owner.
        uid: u64,
        /// Group.
        gid: u64,
    },
}

/// How a bind mount's source is provided in the guest.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Bound {
    /// A copy, at this path in the guest.
    Copy(String),
    /// The guest has its own.
    Guests,
}

impl Handover {
    /// Whether there is nothing to copy.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The copies.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What a path in the guest is a copy of.
    #[must_use]
    pub fn origin(&self, guest_path: &str) -> Option<&Origin> {
        let name = guest_path.strip_prefix(GUEST_FOLDER)?.strip_prefix('/')?;
        self.entries.iter().find(|entry| entry.name == name).map(|entry| &entry.from)
    }

    /// Where the guest has the copy of a file or folder of the host.
    pub(super) fn copy_of(&self, source: &Path) -> Option<&str> {
        self.known.get(source).map(String::as_str)
    }

    /// Adds a bind mount's source on the host. `project` is the compose file's folder.
    ///
    /// # Errors
    /// Why it cannot be copied.
    pub(super) fn bind(&mut self, source: &Path, project: &Path, make: bool) -> Result<Bound, String> {
        let ours = source.starts_with(project) && source != Path::new("/");
        let machines = source == Path::new("/") || OF_MACHINES.iter().any(|folder| source.starts_with(folder));
        if ["/dev", "/proc", "/sys"].iter().any(|folder| source.starts_with(folder)) {
            return Ok(Bound::Guests);
        }
        match fs::metadata(source) {
            Ok(found) if is_special(&found) => Ok(Bound::Guests),
            Ok(found) if found.is_dir() && machines && !ours => Ok(Bound::Guests),
            Ok(_) => self.path(source).map(Bound::Copy),
            Err(e) if e.kind() == io::ErrorKind::NotFound && machines && !ours => Ok(Bound::Guests),
            Err(e) if e.kind() == io::ErrorKind::NotFound && make => {
                if fs::symlink_metadata(source).is_ok() {
                    // The engine would make a folder there.
                    return Err(format!("mkdir {}: file exists: it is a link to what is not there", source.display()));
                }
                Ok(Bound::Copy(self.add(source, Origin::NewFolder)))
            }
            Err(e) => Err(format!("{}: {e}", source.display())),
        }
    }

    /// Adds a file or a folder; the result is its path in the guest.
    pub(super) fn path(&mut self, source: &Path) -> Result<String, String> {
        if let Some(known) = self.known.get(source) {
            return Ok(known.clone());
        }
        // If a mount's source is a link, its target is copied; links in a folder stay links.
        let real = fs::canonicalize(source).map_err(|e| format!("{}: {e}", source.display()))?;
        self.measure(&real)?;
        Ok(self.add(source, Origin::Path(source.to_owned())))
    }

    /// Adds a text; the result is its path in the guest.
    pub(super) fn text(&mut self, name: &str, text: String, mode: u32, uid: u64, gid: u64) -> String {
        self.add(Path::new(name), Origin::Text { text, mode, uid, gid })
    }

    fn add(&mut self, source: &Path, from: Origin) -> String {
        let base = source.file_name().map_or_else(|| "folder".into(), |name| name.to_string_lossy().into_owned());
        // A name that every shell and tool accepts.
        let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
        let name = format!("{}/{}", self.entries.len(), base.chars().map(safe).collect::<String>());
        let path = format!("{GUEST_FOLDER}/{name}");
        if !matches!(from, Origin::Text { .. }) {
            self.known.insert(source.to_owned(), path.clone());
        }
        self.entries.push(Entry { name, from });
        path
    }

    fn measure(&mut self, path: &Path) -> Result<(), String> {
        let failed = |e: io::Error| format!("{}: {e}", path.display());
        let found = fs::symlink_metadata(path).map_err(failed)?;
        self.count += 1;
        if found.is_file() {
            self.bytes += found.len();
            // Report unreadable files now.
            fs::File::open(path).map_err(failed)?;
        } else if found.is_dir() {
            for entry in fs::read_dir(path).map_err(failed)? {
                self.measure(&entry.map_err(failed)?.path())?;
            }
        } else if is_special(&found) {
            return Err(format!(
                "{} is neither a file nor a folder: futon cannot copy it to the guest",
                path.display()
            ));
        }
        if self.bytes > LARGEST || self.count > MOST {
            return Err(format!(
                "{} is too large to copy to the guest (at most {} MiB and {MOST} files)",
                path.display(),
                LARGEST >> 20
            ));
        }
        Ok(())
    }

    /// The digest of all copies; nothing without any.
    ///
    /// # Errors
    /// When a file can no longer be read.
    pub fn digest(&self) -> Result<Option<String>> {
        if self.is_empty() {
            return Ok(None);
        }
        let mut hash = Hashing(Sha256::new());
        self.write(&mut hash)?;
        Ok(Some(format!("sha256:{}", hex::encode(hash.0.finalize()))))
    }

    /// Writes the archive of all copies.
    ///
    /// # Errors
    /// When a file can no longer be read, or `out` cannot be written.
    pub fn write(&self, out: impl Write) -> Result<()> {
        let mut archive = Builder::new(out);
        archive.follow_symlinks(false);
        // The guest takes no entries with holes.
        archive.sparse(false);
        for (number, entry) in self.entries.iter().enumerate() {
            let failed = || format!("cannot copy {} to the guest", entry.name);
            folder(&mut archive, &number.to_string()).context(failed)?;
            match &entry.from {
                Origin::Path(path) => append(&mut archive, path, &entry.name)
                    .map_err(|e| Error::usage(format!("cannot copy {} to the guest", path.display())).caused_by(e))?,
                Origin::NewFolder => folder(&mut archive, &entry.name).context(failed)?,
                Origin::Text { text, mode, uid, gid } => {
                    let mut header = header(EntryType::Regular, *mode, text.len() as u64);
                    header.set_uid(*uid);
                    header.set_gid(*gid);
                    header.set_cksum();
                    archive.append_data(&mut header, &entry.name, text.as_bytes()).context(failed)?;
                }
            }
        }
        archive.into_inner().and_then(|mut out| out.flush()).context(|| "cannot write the archive".into())
    }
}

struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    header
}

fn folder(archive: &mut Builder<impl Write>, name: &str) -> io::Result<()> {
    archive.append_data(&mut header(EntryType::Directory, 0o755, 0), name, io::empty())
}

fn append(archive: &mut Builder<impl Write>, path: &Path, name: &str) -> io::Result<()> {
    let real = fs::canonicalize(path)?;
    if real.is_dir() { archive.append_dir_all(name, &real) } else { archive.append_path_with_name(&real, name) }
}

fn is_special(found: &Metadata) -> bool {
    let kind = found.file_type();
    kind.is_socket() || kind.is_char_device() || kind.is_block_device() || kind.is_fifo()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn files_folders_and_texts_arrive_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("d/sub")).unwrap();
        fs::write(path("d/sub/a"), "in a folder").unwrap();
        symlink("sub/a", path("d/link")).unwrap();
        fs::write(path("app cfg"), "mode = fast\n").unwrap();
        fs::set_permissions(path("app cfg"), fs::Permissions::from_mode(0o640)).unwrap();
        symlink("app cfg", path("app-link")).unwrap();
        fs::File::create(path("d/holes")).unwrap().set_len(1 << 20).unwrap();

        let mut handover = Handover::default();
        let copy = |bound| match bound {
            Ok(Bound::Copy(path)) => path,
            other => panic!("{other:?}"),
        };
        let cfg = copy(handover.bind(&path("app cfg"), folder.path(), true));
        assert_eq!(cfg, "/run/futon/files/0/app_cfg");
        assert_eq!(copy(handover.bind(&path("app cfg"), folder.path(), true)), cfg, "one copy");
        copy(handover.bind(&path("d"), folder.path(), true));
        copy(handover.bind(&path("app-link"), folder.path(), true));
        copy(handover.bind(&path("new"), folder.path(), true));
        assert!(handover.bind(&path("none"), folder.path(), false).is_err());
        let secret = handover.text("tok", "s3cret".into(), 0o400, 7, 8);
        assert!(matches!(handover.origin(&secret), Some(Origin::Text { text, .. }) if text == "s3cret"));

        let mut bytes = Vec::new();
        handover.write(&mut bytes).unwrap();
        tar::Archive::new(&bytes[..]).unpack(path("out")).unwrap();
        let read = |name: &str| fs::read_to_string(path("out").join(name)).unwrap();
        assert_eq!((read("0/app_cfg").as_str(), read("1/d/link").as_str()), ("mode = fast\n", "in a folder"));
        assert!(fs::symlink_metadata(path("out/1/d/link")).unwrap().is_symlink());
        assert!(fs::symlink_metadata(path("out/2/app-link")).unwrap().is_file());
        assert_eq!(fs::metadata(path("out/0/app_cfg")).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(path("out/3/new").is_dir());
        assert_eq!(read("4/tok"), "s3cret");
        for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
            // The guest takes no entry without an owner, and none with holes.
            let header = entry.unwrap().header().clone();
            assert!(header.uid().is_ok() && header.entry_type() != EntryType::GNUSparse);
        }
        let mut archive = tar::Archive::new(&bytes[..]);
        let last = archive.entries().unwrap().last().unwrap().unwrap();
        assert_eq!((last.header().uid().unwrap(), last.header().mode().unwrap()), (7, 0o400));
    }

    #[test]
    fn what_is_the_machines_stays_the_guests() {
        let project = Path::new("/home/me/project");
        let mut handover = Handover::default();
        for path in
            ["/", "/dev/kvm", "/proc", "/sys/fs/cgroup", "/var/run/no-such.sock", "/etc", "/lib/modules", "/usr"]
        {
            assert_eq!(handover.bind(Path::new(path), project, true), Ok(Bound::Guests), "{path}");
        }
        assert!(handover.is_empty());
        // A file of the host's, such as its time zone, is handed over.
        assert!(matches!(handover.bind(Path::new("/etc/passwd"), project, true), Ok(Bound::Copy(_))));
    }

    #[test]
    fn what_is_too_large_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("huge");
        fs::File::create(&file).unwrap().set_len(LARGEST + 1).unwrap();
        let why = Handover::default().bind(folder.path(), folder.path(), true).unwrap_err();
        assert!(why.contains("too large") && why.contains("64 MiB"), "{why}");
    }
}
