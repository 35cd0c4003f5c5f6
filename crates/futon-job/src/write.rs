//! Making a job.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use futon_common::{Context, Error, Result};
use tempfile::{TempDir, TempPath};

use super::format::{BLOBS, Blob, Form, IMAGES, JOB, JOB_SUFFIX, Job};

/// Files smaller than this are not worth compressing, bytes.
const SMALL: u64 = 4096;

/// A job that is being made.
#[derive(Debug)]
pub struct JobWriter {
    folder: TempDir,
    blobs: PathBuf,
    target: PathBuf,
}

impl JobWriter {
    /// Begins a job that will be at `target`: a file if its name ends in `.futon`, else a folder. Its blobs go into `shared`, a folder that many
    /// jobs have in common, or inside if there is none.
    ///
    /// # Errors
    /// When something is there already, or a folder cannot be written.
    pub fn create(target: &Path, shared: Option<&Path>) -> Result<Self> {
        let target = std::path::absolute(target).context(|| format!("path of {}", target.display()))?;
        if target.is_dir() || target.exists() && !is_file_of_a_job(&target) {
            return Err(Error::usage(format!("{} is there already", target.display()))
                .hint("choose another name, or remove it; a job's file ends in .futon"));
        }
        let parent = target.parent().unwrap_or_else(|| Path::new("/"));
        let folder = tempfile::Builder::new().prefix(".futon-job-").tempdir_in(parent);
        let folder = folder.map_err(|e| {
            Error::usage(format!("cannot write into {}", parent.display())).caused_by(e).hint("make the folder first")
        })?;
        let blobs = shared.map_or_else(|| folder.path().join(BLOBS), Path::to_owned).join("sha256");
        fs::create_dir_all(&blobs).context(|| format!("cannot make {}", blobs.display()))?;
        Ok(Self { folder, blobs, target })
    }

    /// The image store's folder.
    #[must_use]
    pub fn images(&self) -> PathBuf {
        self.folder.path().join(IMAGES)
    }

    /// Takes a file in, compressed where that helps. `digest` is that of the file.
    ///
    /// # Errors
    /// When it cannot be read, or there is no room.
    pub fn add(&self, path: &Path, digest: &str) -> Result<Blob> {
        let size = size_of(path)?;
        let form = if size < SMALL { Form::Whole } else { Form::Gzip };
        let blob = Blob { digest: digest.to_owned(), size, form };
        let Some(place) = self.missing(&blob)? else { return Ok(blob) };
        let failed = || format!("cannot copy {} into the job", path.display());
        let mut from = BufReader::with_capacity(1 << 20, File::open(path).context(failed)?);
        let to = BufWriter::with_capacity(1 << 20, File::create(place.path()).context(failed)?);
        let mut to: Box<dyn Write> =
            if form == Form::Gzip { Box::new(GzEncoder::new(to, Compression::fast())) } else { Box::new(to) };
        io::copy(&mut from, &mut to).and_then(|_| to.flush()).context(failed)?;
        drop(to);
        place.keep()?;
        Ok(blob)
    }

    /// Where a file in another form is to be put, unless it is there already; and its description.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn place(&self, path: &Path, digest: &str, form: Form) -> Result<(Blob, Option<Place>)> {
        let blob = Blob { digest: digest.to_owned(), size: size_of(path)?, form };
        let place = if form == Form::Outside { None } else { self.missing(&blob)? };
        Ok((blob, place))
    }

    fn missing(&self, blob: &Blob) -> Result<Option<Place>> {
        let target = self.blobs.join(blob.file_name()?);
        if target.exists() {
            return Ok(None);
        }
        let failed = || format!("cannot write into {}", self.blobs.display());
        let file = tempfile::Builder::new().prefix(".new-").tempfile_in(&self.blobs).context(failed)?;
        Ok(Some(Place { path: file.into_temp_path(), target }))
    }

    /// Puts the job where it belongs, whole or not at all. Returns its size, bytes.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self, job: &Job) -> Result<u64> {
        job.check()?;
        let failed = || format!("cannot write {}", self.target.display());
        let text = serde_json::to_vec_pretty(job).context(failed)?;
        fs::write(self.folder.path().join(JOB), text).context(failed)?;
        if self.target.extension().is_none_or(|end| end != JOB_SUFFIX) {
            let size = size_below(self.folder.path());
            futon_common::shared(self.folder.path()).context(failed)?;
            fs::rename(self.folder.keep(), &self.target)
                .context(|| format!("cannot make {}", self.target.display()))?;
            return Ok(size);
        }
        let parent = self.target.parent().unwrap_or_else(|| Path::new("/"));
        let file = tempfile::NamedTempFile::new_in(parent).context(failed)?;
        let mut archive = tar::Builder::new(BufWriter::with_capacity(1 << 20, file.as_file()));
        archive.mode(tar::HeaderMode::Deterministic);
        // A compressed disk has small holes, and a reader takes plain files alone.
        archive.sparse(false);
        // First, so that a reader sees what it is.
        archive.append_path_with_name(self.folder.path().join(JOB), JOB).context(failed)?;
        for name in [BLOBS, IMAGES] {
            let path = self.folder.path().join(name);
            if path.is_dir() {
                archive.append_dir_all(name, path).context(failed)?;
            }
        }
        archive.into_inner().and_then(|mut out| out.flush()).context(failed)?;
        futon_common::readable(file.path()).context(failed)?;
        let file = file.persist(&self.target).context(failed)?;
        Ok(file.metadata().context(failed)?.len())
    }
}

/// Where a blob is written. Others see it only when it is whole.
#[derive(Debug)]
pub struct Place {
    path: TempPath,
    target: PathBuf,
}

impl Place {
    /// The file to write.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the file where it belongs.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn keep(self) -> Result<()> {
        let failed = || format!("cannot write {}", self.target.display());
        futon_common::readable(&self.path).context(failed)?;
        self.path.persist(&self.target).context(failed)
    }
}

/// Whether a file may be replaced by a job.
fn is_file_of_a_job(path: &Path) -> bool {
    path.is_file() && path.extension().is_some_and(|end| end == JOB_SUFFIX)
}

fn size_of(path: &Path) -> Result<u64> {
    fs::metadata(path).map(|m| m.len()).context(|| format!("cannot read {}", path.display()))
}

fn size_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(m) if m.is_dir() => size_below(&entry.path()),
            Ok(m) => m.len(),
            Err(_) => 0,
        })
        .sum()
}
