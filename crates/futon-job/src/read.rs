//! Reading a job.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use futon_common::{Context, Error, Result, sha256_file};
use futon_model::beginning;
use tar::{Archive, EntryType};
use tempfile::TempDir;

use super::format::{BLOBS, Blob, Form, IMAGES, JOB, JOB_SUFFIX, Job, damaged};

/// Most bytes of `job.json`.
const JOB_MAX: u64 = 64 << 20;

/// A job's folder, perhaps unpacked for as long as this lives.
#[derive(Debug)]
pub struct JobFolder {
    /// What it says.
    pub job: Job,
    folder: PathBuf,
    shared: Option<PathBuf>,
    _unpacked: Option<TempDir>,
}

impl JobFolder {
    /// Opens a job; a job's file is unpacked into a folder of its own below `room`. Blobs that are not inside are looked for in `shared`.
    ///
    /// # Errors
    /// When it is no job, or there is no room.
    pub fn open(path: &Path, room: &Path, shared: Option<&Path>) -> Result<Self> {
        let shared = shared.map(Path::to_owned);
        if path.is_dir() {
            return Self::of(path.to_owned(), path, shared, None);
        }
        let file = File::open(path).map_err(|e| {
            Error::usage(format!("cannot read {}", path.display()))
                .caused_by(e)
                .hint("`futon plan FUNCTION -o NAME.futon` makes a job")
        })?;
        if !is_archive(&file) {
            return Err(Error::usage(format!("{} is no job: a job is a folder, or an archive (tar)", path.display()))
                .hint("`futon plan FUNCTION -o NAME.futon` makes a job; `futon test` runs functions"));
        }
        fs::create_dir_all(room).context(|| format!("cannot make {}", room.display()))?;
        let folder = tempfile::Builder::new().prefix(".futon-job-").tempdir_in(room);
        let folder = folder.context(|| format!("cannot make a folder in {}", room.display()))?;
        unpack(file, folder.path()).map_err(|e| {
            Error::usage(format!("{} is no job's file, or damaged", path.display()))
                .caused_by(e)
                .hint("a job's file is made by `futon plan -o` and `futon rerun -o`")
        })?;
        Self::of(folder.path().to_owned(), path, shared, Some(folder))
    }

    /// `given` is what the user named.
    fn of(folder: PathBuf, given: &Path, shared: Option<PathBuf>, unpacked: Option<TempDir>) -> Result<Self> {
        let path = folder.join(JOB);
        let shown = || {
            Error::usage(format!("{} is no job: it has no job.json", given.display()))
                .hint("`futon plan FUNCTION -o NAME.futon` makes a job")
        };
        let size = fs::metadata(&path).map_err(|e| shown().caused_by(e))?.len();
        if size > JOB_MAX {
            return Err(damaged("job.json is too large"));
        }
        let text = fs::read(&path).map_err(|e| shown().caused_by(e))?;
        let job: Job = serde_json::from_slice(&text).map_err(|e| damaged("job.json").caused_by(e))?;
        job.check()?;
        Ok(Self { job, folder, shared, _unpacked: unpacked })
    }

    /// Where the image store is, or would be.
    #[must_use]
    pub fn images_folder(&self) -> PathBuf {
        self.folder.join(IMAGES)
    }

    /// The image store, if there is one.
    #[must_use]
    pub fn images(&self) -> Option<PathBuf> {
        Some(self.images_folder()).filter(|path| path.is_dir())
    }

    /// The file in which a blob lies.
    ///
    /// # Errors
    /// When it is neither in the job nor in the shared folder.
    pub fn stored(&self, name: &str, blob: &Blob) -> Result<PathBuf> {
        let what = format!("{name} ({})", beginning(&blob.digest));
        if blob.form == Form::Outside {
            return Err(Error::usage(format!("{what} is not inside the job"))
                .hint("have the same file here, or make the job without --reference"));
        }
        let file = blob.file_name()?;
        let inside = self.folder.join(BLOBS);
        let folders = [Some(&inside), self.shared.as_ref()];
        let mut paths = folders.into_iter().flatten().map(|folder| folder.join("sha256").join(&file));
        paths.find(|path| path.is_file()).ok_or_else(|| match &self.shared {
            Some(shared) => Error::usage(format!("{what} is neither in the job nor in {}", shared.display()))
                .hint("name the folder of blobs that the job was made with"),
            None => Error::usage(format!("{what} is missing in the job"))
                .hint("if it was made with --blobs DIR, name that folder again"),
        })
    }

    /// Writes a blob to a place, as it is used, and checks that it is what it should be. Not for disks.
    ///
    /// # Errors
    /// When it is not in the job, or damaged.
    pub fn extract(&self, name: &str, blob: &Blob, to: &Path) -> Result<()> {
        let stored = self.stored(name, blob)?;
        let failed = || format!("cannot write {}", to.display());
        let file = BufReader::with_capacity(
            1 << 20,
            File::open(&stored).context(|| format!("cannot read {name} of the job"))?,
        );
        // Not one byte more than there should be: a small file can unpack to any size.
        let content: Box<dyn Read> =
            if blob.form == Form::Gzip { Box::new(GzDecoder::new(file)) } else { Box::new(file) };
        let mut out = File::create(to).context(failed)?;
        let copied = io::copy(&mut content.take(blob.size.saturating_add(1)), &mut out);
        copied.map_err(|e| damaged(name).caused_by(e))?;
        verify(name, blob, to)
    }
}

/// Whether a path looks like a job's: a folder of one, or a file's name.
#[must_use]
pub fn is_job(path: &Path) -> bool {
    path.join(JOB).is_file() || path.extension().is_some_and(|end| end == JOB_SUFFIX)
}

/// Checks that a file is what a blob says.
///
/// # Errors
/// When it is not.
pub fn verify(name: &str, blob: &Blob, path: &Path) -> Result<()> {
    let size = fs::metadata(path).map(|m| m.len()).unwrap_or_default();
    if size == blob.size && format!("sha256:{}", sha256_file(path)?) == blob.digest {
        return Ok(());
    }
    Err(damaged(&format!("{name} is not {}", beginning(&blob.digest))))
}

/// Unpacks files and folders, and nothing else.
/// Whether a file begins as an archive does: with the magic of POSIX's or GNU's tar behind the first name.
fn is_archive(file: &File) -> bool {
    use std::os::unix::fs::FileExt;
    const MAGIC: u64 = 257;
    let mut magic = [0; 5];
    file.read_exact_at(&mut magic, MAGIC).is_ok() && &magic == b"ustar"
}

fn unpack(file: File, to: &Path) -> io::Result<()> {
    let mut archive = Archive::new(BufReader::with_capacity(1 << 20, file));
    for entry in archive.entries()? {
        let mut entry = entry?;
        if !matches!(entry.header().entry_type(), EntryType::Regular | EntryType::Directory) {
            return Err(io::Error::other(format!("{} is neither a file nor a folder", entry.path()?.display())));
        }
        entry.set_preserve_mtime(false);
        // Refuses names that lead elsewhere.
        if !entry.unpack_in(to)? {
            return Err(io::Error::other(format!("{} leads out of the folder", entry.path()?.display())));
        }
    }
    Ok(())
}
