//! How much may be uploaded: one account for senders with the token, one for the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::config::Quota;
use super::error::Refusal;

/// What one kind of sender has used of its quota.
#[derive(Debug)]
pub(super) struct Account {
    quota: Quota,
    bytes: AtomicU64,
    files: AtomicU64,
    slots: Arc<Semaphore>,
}

impl Account {
    pub fn new(quota: Quota) -> Arc<Self> {
        let slots = Arc::new(Semaphore::new(quota.at_once));
        Arc::new(Self { quota, bytes: AtomicU64::new(0), files: AtomicU64::new(0), slots })
    }

    /// One of the limited number of simultaneous uploads.
    pub fn slot(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let busy = || format!("more than {} uploads at the same time (hint: try again)", self.quota.at_once);
        Arc::clone(&self.slots).try_acquire_owned().map_err(|_| Refusal::new(StatusCode::TOO_MANY_REQUESTS, busy()))
    }

    /// Counts one file in; `announced` is its size where the sender says it.
    pub fn charge(self: &Arc<Self>, announced: Option<u64>) -> Result<Charge, Refusal> {
        if self.files.fetch_add(1, Ordering::Relaxed) >= self.quota.files {
            self.files.fetch_sub(1, Ordering::Relaxed);
            let why = format!("more than {} files (hint: upload fewer, or one archive)", self.quota.files);
            return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, why));
        }
        let charge = Charge { account: Arc::clone(self), bytes: 0, kept: false };
        match announced {
            Some(size) if size > self.quota.file_bytes => Err(charge.too_large()),
            Some(size) if size > self.quota.total_bytes.saturating_sub(self.bytes.load(Ordering::Relaxed)) => {
                Err(charge.too_much())
            }
            _ => Ok(charge),
        }
    }
}

/// One file's share of an account; given back when dropped, unless it was kept.
#[derive(Debug)]
pub(super) struct Charge {
    account: Arc<Account>,
    bytes: u64,
    kept: bool,
}

impl Charge {
    /// Counts more bytes in.
    pub fn add(&mut self, bytes: u64) -> Result<(), Refusal> {
        self.bytes += bytes;
        let total = self.account.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.bytes > self.account.quota.file_bytes {
            return Err(self.too_large());
        }
        if total > self.account.quota.total_bytes { Err(self.too_much()) } else { Ok(()) }
    }

    /// The file is stored: its share stays counted.
    pub fn keep(mut self) {
        self.kept = true;
    }

    fn too_large(&self) -> Refusal {
        let why = format!("larger than {} bytes, the limit for one file", self.account.quota.file_bytes);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, why)
    }

    fn too_much(&self) -> Refusal {
        let why = format!("more than {} bytes in total, the limit for this sender", self.account.quota.total_bytes);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, why)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        self.account.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.account.files.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_given_back_and_what_is_kept_counts() {
        let account = Account::new(Quota { file_bytes: 10, total_bytes: 15, files: 2, at_once: 1 });
        assert_eq!(account.charge(Some(11)).unwrap_err().status, 413);
        let mut one = account.charge(Some(10)).unwrap();
        one.add(10).unwrap();
        assert_eq!(one.add(1).unwrap_err().status, 413);
        drop(one);
        let mut one = account.charge(None).unwrap();
        one.add(9).unwrap();
        one.keep();
        assert_eq!(account.charge(Some(7)).unwrap_err().status, 413);
        let mut two = account.charge(None).unwrap();
        assert_eq!(account.charge(None).unwrap_err().status, 429);
        assert_eq!(two.add(7).unwrap_err().status, 413);
        drop(two);
        let slot = account.slot().unwrap();
        assert_eq!(account.slot().unwrap_err().status, 429);
        drop(slot);
        assert!(account.slot().is_ok());
    }
}
