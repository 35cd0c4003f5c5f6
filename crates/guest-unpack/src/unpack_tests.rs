use std::os::unix::fs::MetadataExt;

use super::*;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("futon-unpack-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

/// An entry of the user who runs the test.
fn entry(kind: EntryType, mode: u32, size: usize) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(nix::unistd::geteuid().as_raw().into());
    header.set_gid(nix::unistd::getegid().as_raw().into());
    header.set_mtime(1_000_000_000);
    header.set_size(size as u64);
    header
}

#[test]
fn modes_times_and_links_are_the_archives() {
    let goal = folder("all");
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut entry(EntryType::Directory, 0o750, 0), "d", io::empty()).unwrap();
    archive.append_data(&mut entry(EntryType::Regular, 0o4751, 3), "d/program", &b"abc"[..]).unwrap();
    let long = format!("d/{}", "x".repeat(150));
    archive.append_data(&mut entry(EntryType::Regular, 0o600, 1), &long, &b"1"[..]).unwrap();
    archive.append_link(&mut entry(EntryType::Symlink, 0o777, 0), "d/link", "/etc/passwd").unwrap();
    archive.append_link(&mut entry(EntryType::Link, 0o644, 0), "again", "d/program").unwrap();
    archive.append_data(&mut entry(EntryType::Fifo, 0o644, 0), "pipe", io::empty()).unwrap();
    let bytes = archive.into_inner().unwrap();
    assert_eq!(unpack(&mut &bytes[..], &goal).unwrap(), 4);
    let about = |name: &str| fs::symlink_metadata(goal.join(name)).unwrap();
    assert_eq!(about("d").mode() & 0o7777, 0o750);
    assert_eq!(about("d").mtime(), 1_000_000_000);
    assert_eq!(about("d/program").mode() & 0o7777, 0o4751);
    assert_eq!(about("d/program").mtime(), 1_000_000_000);
    assert_eq!(about("again").ino(), about("d/program").ino());
    assert_eq!(fs::read_link(goal.join("d/link")).unwrap(), Path::new("/etc/passwd"));
    assert_eq!(fs::read(goal.join(&long)).unwrap(), b"1");
    assert_eq!(about("pipe").mode() & libc::S_IFMT, libc::S_IFIFO);
    fs::remove_dir_all(&goal).unwrap();
}

#[test]
fn an_archive_that_breaks_off_or_leads_out_is_an_error() {
    let goal = folder("bad");
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut entry(EntryType::Regular, 0o644, 2000), "a", &[0; 2000][..]).unwrap();
    let bytes = archive.into_inner().unwrap();
    assert!(unpack(&mut &bytes[..1000], &goal).is_err());
    let mut header = entry(EntryType::Regular, 0o644, 0);
    header.as_old_mut().name[..5].copy_from_slice(b"../ab");
    header.set_cksum();
    let mut archive = tar::Builder::new(Vec::new());
    archive.append(&header, io::empty()).unwrap();
    let bytes = archive.into_inner().unwrap();
    assert!(unpack(&mut &bytes[..], &goal).unwrap_err().to_string().contains("points outside"));
    fs::remove_dir_all(&goal).unwrap();
}

#[test]
fn attributes_and_times_may_have_any_bytes() {
    let goal = folder("more");
    let mut archive = tar::Builder::new(Vec::new());
    // user.a\nb: x\n\0
    let more = [(LeanBundle::XATTR, &b"757365722e610a62 780a00"[..]), (LeanBundle::MTIME, &b"-5 250000000"[..])];
    archive.append_pax_extensions(more).unwrap();
    archive.append_data(&mut entry(EntryType::Regular, 0o600, 0), "file", io::empty()).unwrap();
    archive.append_pax_extensions([(LeanBundle::MTIME, &b"-7 1"[..])]).unwrap();
    archive.append_link(&mut entry(EntryType::Symlink, 0o777, 0), "link", "nowhere").unwrap();
    let bytes = archive.into_inner().unwrap();
    unpack(&mut &bytes[..], &goal).unwrap();
    let about = |name: &str| fs::symlink_metadata(goal.join(name)).unwrap();
    assert_eq!((about("file").mtime(), about("file").mtime_nsec()), (-5, 250_000_000));
    assert_eq!((about("link").mtime(), about("link").mtime_nsec()), (-7, 1));
    let path = CString::new(goal.join("file").as_os_str().as_bytes()).unwrap();
    let mut value = [0_u8; 9];
    // SAFETY: two zero-ended strings and a buffer as long as it says.
    let read = unsafe { libc::lgetxattr(path.as_ptr(), c"user.a\nb".as_ptr(), value.as_mut_ptr().cast(), 9) };
    assert_eq!(&value[..usize::try_from(read).unwrap()], b"x\n\0");
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_pax_extensions([(LeanBundle::XATTR, &b"zz 00"[..])]).unwrap();
    archive.append_data(&mut entry(EntryType::Regular, 0o600, 0), "bad", io::empty()).unwrap();
    assert!(unpack(&mut &archive.into_inner().unwrap()[..], &goal).is_err());
    fs::remove_dir_all(&goal).unwrap();
}
