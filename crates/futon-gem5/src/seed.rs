//! Determinism: one seed replaces the host's clock and random numbers in the guest.

use std::fmt;
use std::str::FromStr;

use futon_model::Plan;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// 2026-01-01 00:00:00 UTC: the guest's clock at power-on, and the earliest time that a seed gives.
const EPOCH: u64 = 1_767_225_600;

/// The seed of a simulated run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seed(String);

impl Seed {
    /// The seed that follows from a plan: same plan, same seed. Limits, remarks and paths do not change it.
    #[must_use]
    pub fn of_plan(plan: &Plan) -> Self {
        let mut bare = Plan { limits: futon_model::Limits::default(), remarks: Vec::new(), ..plan.clone() };
        // Where its files are is this host's affair.
        bare.machine.base_image.clear();
        bare.machine.kernel.clear();
        // A plan is plain data: it always has a JSON form.
        Self(hex::encode(Sha256::digest(serde_json::to_vec(&bare).unwrap_or_default()))[..16].to_owned())
    }

    fn derive(&self, purpose: &str) -> [u8; 32] {
        Sha256::new().chain_update(purpose).chain_update([0]).chain_update(&self.0).finalize().into()
    }

    /// The run's token. A user's seed may be easily guessed, and on gem5 a container has the simulator's operations too: so the plan,
    /// with the image's digest in it, is part of the token.
    #[must_use]
    pub fn token(&self, plan: &Plan) -> String {
        hex::encode(&self.derive(&format!("token {}", Self::of_plan(plan)))[..16])
    }

    /// What the guest's random pool is fed with.
    #[must_use]
    pub fn entropy(&self) -> String {
        hex::encode(self.derive("entropy"))
    }

    /// The guest's clock when its payload arrives, seconds since 1970: within the first half of 2026.
    #[must_use]
    pub fn time(&self) -> u64 {
        let bytes = self.derive("time");
        EPOCH + u64::from(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0])) % (180 * 86_400)
    }

    /// Seed of gem5's own random numbers.
    #[must_use]
    pub fn number(&self) -> u32 {
        let bytes = self.derive("gem5");
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) >> 1
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric());
        if fits { Ok(Self(text.to_owned())) } else { Err("a seed is up to 64 letters and digits".into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::plan;

    #[test]
    fn the_same_plan_gives_the_same_run() {
        let (a, mut other) = (Seed::of_plan(&plan()), plan());
        other.limits.boot *= 2;
        assert_eq!(a, Seed::of_plan(&other), "limits are no input of the simulation");
        other.machine.base_image = "/elsewhere/lean-initrd".into();
        other.machine.kernel = "/elsewhere/lean-kernel".into();
        assert_eq!(a, Seed::of_plan(&other), "nor is where files are");
        other.function = "other".into();
        let b = Seed::of_plan(&other);
        assert!(a != b && a.entropy() != b.entropy());
        assert_ne!(a.token(&plan()), a.token(&other), "a seed alone does not give the token");
        assert_ne!(a.token(&plan()), b.token(&plan()));
        assert_eq!((a.token(&plan()).len(), a.entropy().len()), (32, 64));
        assert!(a.time() >= EPOCH && a.time() < EPOCH + 180 * 86_400);
    }

    #[test]
    fn seeds_of_users_are_checked() {
        assert_eq!("7".parse::<Seed>().map(|s| s.to_string()), Ok("7".to_owned()));
        for bad in ["", "a b", "../x", &"9".repeat(65)] {
            assert!(bad.parse::<Seed>().is_err(), "{bad}");
        }
    }
}
