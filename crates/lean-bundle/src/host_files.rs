//! Files of the host in the bundle: links stay links, and owner, mode and time are the host's, as [`futon_functions::Handover`] has
//! them for the docker base.

use std::fs::{self, DirEntry, Metadata};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::write::{append, append_link};

/// Most bytes of a folder of the host's that are copied into a bundle.
const LARGEST: u64 = 64 << 20;

/// A file, folder or link of the host's, as it was when it was read.
#[derive(Debug)]
pub(super) struct HostFile {
    /// Its path in the bundle.
    path: Vec<u8>,
    /// Its owner, mode and time.
    header: Header,
    content: Content,
}

/// What is in it.
#[derive(Debug, PartialEq, Eq)]
enum Content {
    Folder,
    File(Vec<u8>),
    /// Where it leads, as it is written.
    Link(Vec<u8>),
}

impl HostFile {
    /// Appends it to an archive.
    pub(super) fn append(&self, archive: &mut Builder<impl Write>, prefix: &str) -> io::Result<()> {
        let path = [prefix.as_bytes(), &self.path].concat();
        let header = self.header.clone();
        match &self.content {
            Content::Folder => append(archive, header, &path, &mut io::empty()),
            Content::File(bytes) => append(archive, header, &path, &mut &bytes[..]),
            Content::Link(target) => append_link(archive, header, EntryType::Symlink, &path, target),
        }
    }
}

/// A file of the host's, or a folder with all in it, for a place in the bundle. If `source` is a link, what it leads to is taken, as
/// the engine does.
///
/// # Errors
/// Which file cannot be copied, and why.
pub(super) fn host_files(source: &Path, place: &str) -> Result<Vec<HostFile>, String> {
    let real = fs::canonicalize(source).map_err(|e| cannot_copy(source, e))?;
    let mut copies = Copies { source, made: Vec::new(), left: LARGEST };
    copies.add(&real, place.as_bytes().to_vec())?;
    Ok(copies.made)
}

fn cannot_copy(path: &Path, why: impl std::fmt::Display) -> String {
    format!("cannot copy {} to the guest: {why}", path.display())
}

/// Copies that are being made.
struct Copies<'a> {
    source: &'a Path,
    made: Vec<HostFile>,
    /// Bytes that still may come.
    left: u64,
}

impl Copies<'_> {
    fn add(&mut self, from: &Path, path: Vec<u8>) -> Result<(), String> {
        let failed = |e: io::Error| cannot_copy(from, e);
        let about = fs::symlink_metadata(from).map_err(failed)?;
        let mut header = header(&about);
        if about.is_symlink() {
            let target = fs::read_link(from).map_err(failed)?.into_os_string().into_vec();
            self.made.push(HostFile { path, header, content: Content::Link(target) });
        } else if about.is_dir() {
            self.made.push(HostFile { path: path.clone(), header, content: Content::Folder });
            for entry in entries(from).map_err(failed)? {
                let inside = [&path, &b"/"[..], entry.file_name().as_bytes()].concat();
                self.add(&entry.path(), inside)?;
            }
        } else if about.is_file() {
            let too_large = || cannot_copy(self.source, format!("more than {} MiB", LARGEST >> 20));
            self.left = self.left.checked_sub(about.len()).ok_or_else(too_large)?;
            let bytes = fs::read(from).map_err(failed)?;
            header.set_size(bytes.len() as u64);
            self.made.push(HostFile { path, header, content: Content::File(bytes) });
        } else {
            return Err(cannot_copy(from, "neither a file nor a folder"));
        }
        Ok(())
    }
}

/// What is in a folder, by name.
fn entries(folder: &Path) -> io::Result<Vec<DirEntry>> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(DirEntry::file_name);
    Ok(entries)
}

fn header(about: &Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_metadata(about);
    // Without the bits of the kind.
    header.set_mode(about.mode() & 0o7777);
    header
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs::{File, FileTimes, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown, lchown, symlink};
    use std::os::unix::net::UnixListener;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// Kind, mode, owner, time, and the content or where a link leads.
    type Member = (EntryType, u32, (u64, u64), u64, Vec<u8>);

    /// What an archive of a mount's files has, by name.
    fn archived(source: &Path) -> BTreeMap<String, Member> {
        let mut archive = Builder::new(Vec::new());
        for file in host_files(source, "fn/mounts/0").unwrap() {
            file.append(&mut archive, "p/").unwrap();
        }
        let bytes = archive.into_inner().unwrap();
        let mut made = BTreeMap::new();
        for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
            let mut entry = entry.unwrap();
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let name = name.strip_prefix("p/fn/mounts/0").unwrap().to_owned();
            let mut content = entry.link_name_bytes().unwrap_or_default().into_owned();
            io::Read::read_to_end(&mut entry, &mut content).unwrap();
            let header = entry.header();
            let owner = (header.uid().unwrap(), header.gid().unwrap());
            let (mode, mtime) = (header.mode().unwrap(), header.mtime().unwrap());
            made.insert(name, (header.entry_type(), mode, owner, mtime, content));
        }
        made
    }

    fn is_root() -> bool {
        // SAFETY: it takes nothing and always succeeds.
        unsafe { libc::geteuid() == 0 }
    }

    fn make_pipe(path: &Path) {
        let path = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
        // SAFETY: a zero-ended string.
        assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    }

    #[test]
    fn links_in_a_folder_stay_links() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("d/sub")).unwrap();
        fs::write(path("d/sub/f"), "text").unwrap();
        fs::write(path("outside"), "of the host's").unwrap();
        let long = format!("{}/x", "../".repeat(60));
        let outside = path("outside").display().to_string();
        let links = [
            ("out", outside.as_str()),
            ("up", "../outside"),
            ("in", "./sub//f"),
            ("gone", "/no/such"),
            ("loop", "."),
            ("long", &long),
        ];
        for (name, target) in links {
            symlink(target, path("d").join(name)).unwrap();
        }
        let made = archived(&path("d"));
        for (name, target) in links {
            let (kind, _, _, _, leads) = &made[&format!("/{name}")];
            assert_eq!((*kind, leads.as_slice()), (EntryType::Symlink, target.as_bytes()), "{name}");
        }
        assert_eq!(made["/sub/f"].4, b"text");
        assert_eq!(made.len(), links.len() + 3, "{:?}", made.keys());
    }

    #[test]
    fn a_source_that_is_a_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("d")).unwrap();
        fs::write(path("d/f"), "text").unwrap();
        symlink("d", path("to-folder")).unwrap();
        symlink("to-folder/f", path("to-file")).unwrap();
        symlink("gone", path("to-nothing")).unwrap();
        assert_eq!(archived(&path("to-folder")).into_keys().collect::<Vec<_>>(), ["", "/f"]);
        let made = archived(&path("to-file"));
        assert_eq!((made[""].0, made[""].4.as_slice()), (EntryType::Regular, &b"text"[..]));
        let why = host_files(&path("to-nothing"), "").unwrap_err();
        assert!(why.contains("cannot copy") && why.contains("to-nothing to the guest: No such file"), "{why}");
    }

    #[test]
    fn owner_mode_and_time_are_the_hosts() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let time = 1_234_567_890;
        let times = FileTimes::new().set_modified(UNIX_EPOCH + Duration::from_secs(time));
        fs::create_dir(path("d")).unwrap();
        fs::write(path("d/f"), "text").unwrap();
        symlink("f", path("d/link")).unwrap();
        let own = fs::metadata(path("d")).unwrap();
        // Only root can give files away.
        let owner = if is_root() { (1000, 1001) } else { (own.uid(), own.gid()) };
        chown(path("d"), Some(owner.0), Some(owner.1)).unwrap();
        chown(path("d/f"), Some(owner.0), Some(owner.1)).unwrap();
        lchown(path("d/link"), Some(owner.0), Some(owner.1)).unwrap();
        fs::set_permissions(path("d/f"), Permissions::from_mode(0o4600)).unwrap();
        fs::set_permissions(path("d"), Permissions::from_mode(0o3750)).unwrap();
        for name in ["d/f", "d"] {
            File::open(path(name)).unwrap().set_times(times).unwrap();
        }
        let owner = (owner.0.into(), owner.1.into());
        let file = (EntryType::Regular, 0o4600, owner, time, b"text".to_vec());
        let made = archived(&path("d"));
        assert_eq!(made[""], (EntryType::Directory, 0o3750, owner, time, Vec::new()));
        assert_eq!(made["/f"], file);
        assert_eq!(made["/link"].2, owner);
        // So it is where the file itself is mounted.
        assert_eq!(archived(&path("d/f"))[""], file);
    }

    #[test]
    fn what_is_neither_file_nor_folder_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let sub = folder.path().join("sub");
        for (name, make) in
            [("pipe", make_pipe as fn(&Path)), ("socket", |path: &Path| drop(UnixListener::bind(path).unwrap()))]
        {
            fs::create_dir(&sub).unwrap();
            make(&sub.join(name));
            let why = host_files(folder.path(), "").unwrap_err();
            assert!(why.ends_with(&format!("/sub/{name} to the guest: neither a file nor a folder")), "{why}");
            assert!(host_files(&sub.join(name), "").unwrap_err().contains(name));
            fs::remove_dir_all(&sub).unwrap();
        }
        assert!(host_files(Path::new("/dev/null"), "").unwrap_err().contains("/dev/null"));
    }

    #[test]
    fn names_may_have_any_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
        fs::write(folder.path().join(name), "text").unwrap();
        let made = host_files(folder.path(), "m").unwrap();
        assert_eq!(made[1].path, b"m/caf\xe9");
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        File::create(folder.path().join("huge")).unwrap().set_len(LARGEST + 1).unwrap();
        let why = host_files(folder.path(), "").unwrap_err();
        assert!(why.contains("more than 64 MiB"), "{why}");
    }
}
