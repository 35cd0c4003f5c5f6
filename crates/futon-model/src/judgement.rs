//! What judging a run gives.

use serde::{Deserialize, Serialize};

use crate::{InvocationReport, Proof, StepReport, Verdict};

/// A verdict with all that was learnt on the way to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// How it ended.
    pub verdict: Verdict,
    /// What it rests on.
    pub proof: Proof,
    /// Steps with their times.
    pub steps: Vec<StepReport>,
    /// Calls made, where a client reported.
    pub invocations: Option<InvocationReport>,
    /// Attempts to speak without the token, and other oddities worth a look.
    pub remarks: Vec<String>,
}
