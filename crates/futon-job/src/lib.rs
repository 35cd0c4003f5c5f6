//! Jobs: everything that shapes the results of functions, by digest, in one file or folder, so that they can run on another machine.
//!
//! A job's folder has `job.json` ([`Job`]), `blobs/sha256/…` and, for guests with an engine, `images`, an image store. Many jobs may
//! have one folder of blobs in common, which is not in them then. A job's file is a tar archive of its folder. Nothing in it is a path
//! of the machine that made it.

mod format;
mod read;
mod write;

pub use format::{Blob, Form, IMAGES, JOB_SCHEMA, JOB_SUFFIX, Job, JobFunction, Recorded, Served, is_plain_name};
pub use read::{JobFolder, is_job, verify};
pub use write::{JobWriter, Place};
