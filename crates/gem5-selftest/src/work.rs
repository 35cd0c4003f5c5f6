//! What the guest is told to do: a word for each work item. Host and guest share the words, and how much one of them is.

use std::fmt;
use std::str::FromStr;

/// Instructions in a round of the kernels of additions, multiplications and forwarded stores, without the loop's own two.
pub const ADDS: u64 = 512;
/// The same of independent additions: a multiple of [`CHAINS`].
pub const INDEPENDENT: u64 = 504;
/// Registers that the independent additions use, each a chain of its own.
pub const CHAINS: u64 = 7;
/// Pairs of a store and a load in a round.
pub const FORWARDS: u64 = 32;
/// Loads in a round of a chase.
pub const LOADS: u64 = 64;
/// Instructions that close a round: the counter and its branch.
pub const LOOP: u64 = 2;
/// Instructions of an iteration with a branch that is taken, and more of one that is not.
pub const BRANCH: (u64, u64) = (44, 2);

/// One work item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Additions, each of which needs the one before.
    Add {
        /// Rounds of [`ADDS`].
        rounds: u64,
    },
    /// Additions in [`CHAINS`] chains.
    Independent {
        /// Rounds of [`INDEPENDENT`].
        rounds: u64,
    },
    /// Multiplications, each of which needs the one before.
    Multiply {
        /// Rounds of [`ADDS`].
        rounds: u64,
    },
    /// A store and a load of the same word, each of which needs the one before.
    Forward {
        /// Rounds of [`FORWARDS`].
        rounds: u64,
    },
    /// Loads, each of which finds its address in the one before: a random cycle through all nodes.
    Chase(Chase),
    /// A branch that a byte of an array decides.
    Branch {
        /// Branches.
        count: u64,
        /// Whether the bytes are random, or alternate.
        random: bool,
    },
}

/// A chase through memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chase {
    /// Nodes of the cycle.
    pub nodes: u64,
    /// Bytes from one node to the next one in memory.
    pub stride: u64,
    /// Loads; a multiple of [`LOADS`].
    pub steps: u64,
    /// What goes before.
    pub before: Before,
}

/// What is done, not measured, before a chase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// The cycle is walked once.
    Walk,
    /// The cycle is walked once, and then this many bytes of other memory are read: what the inner caches held is gone.
    Over(u64),
    /// Only the pages are touched: no node has been in any cache of the simulator.
    Fresh,
}

impl Work {
    /// What is counted: additions, multiplications, pairs, loads or branches.
    #[must_use]
    pub fn count(&self) -> u64 {
        match *self {
            Self::Add { rounds } | Self::Multiply { rounds } => rounds * ADDS,
            Self::Independent { rounds } => rounds * INDEPENDENT,
            Self::Forward { rounds } => rounds * FORWARDS,
            Self::Chase(chase) => chase.steps,
            Self::Branch { count, .. } => count,
        }
    }

    /// Instructions that the kernel executes. Of a branch kernel half of the branches are taken.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        match *self {
            Self::Add { rounds } | Self::Multiply { rounds } => rounds * (ADDS + LOOP),
            Self::Independent { rounds } => rounds * (INDEPENDENT + LOOP),
            Self::Forward { rounds } => rounds * (2 * FORWARDS + LOOP),
            Self::Chase(chase) => chase.steps / LOADS * (LOADS + LOOP),
            Self::Branch { count, .. } => count * BRANCH.0 + count / 2 * BRANCH.1,
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add { rounds } => write!(f, "add:{rounds}"),
            Self::Independent { rounds } => write!(f, "independent:{rounds}"),
            Self::Multiply { rounds } => write!(f, "multiply:{rounds}"),
            Self::Forward { rounds } => write!(f, "forward:{rounds}"),
            Self::Chase(Chase { nodes, stride, steps, before }) => {
                write!(f, "chase:{nodes}:{stride}:{steps}:")?;
                match before {
                    Before::Walk => f.write_str("walk"),
                    Before::Over(bytes) => write!(f, "{bytes}"),
                    Before::Fresh => f.write_str("fresh"),
                }
            }
            Self::Branch { count, random } => {
                write!(f, "branch:{count}:{}", if *random { "random" } else { "alternating" })
            }
        }
    }
}

impl FromStr for Work {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no work item of the self-test");
        let number = |word: &str| word.parse::<u64>().ok().filter(|n| *n > 0).ok_or_else(wrong);
        let words: Vec<&str> = text.split(':').collect();
        Ok(match words[..] {
            ["add", rounds] => Self::Add { rounds: number(rounds)? },
            ["independent", rounds] => Self::Independent { rounds: number(rounds)? },
            ["multiply", rounds] => Self::Multiply { rounds: number(rounds)? },
            ["forward", rounds] => Self::Forward { rounds: number(rounds)? },
            ["branch", count, kind @ ("random" | "alternating")] => {
                Self::Branch { count: number(count)?, random: kind == "random" }
            }
            ["chase", nodes, stride, steps, before] => Self::Chase(Chase {
                nodes: number(nodes)?,
                stride: number(stride)?,
                steps: number(steps)?,
                before: match before {
                    "walk" => Before::Walk,
                    "fresh" => Before::Fresh,
                    bytes => Before::Over(number(bytes)?),
                },
            }),
            _ => return Err(wrong()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_says_it_all() {
        let chase = |before| Work::Chase(Chase { nodes: 1024, stride: 128, steps: 2048, before });
        for work in [
            Work::Add { rounds: 7 },
            Work::Independent { rounds: 7 },
            Work::Multiply { rounds: 7 },
            Work::Forward { rounds: 7 },
            chase(Before::Walk),
            chase(Before::Over(2 << 20)),
            chase(Before::Fresh),
            Work::Branch { count: 100, random: true },
            Work::Branch { count: 100, random: false },
        ] {
            assert_eq!(work.to_string().parse(), Ok(work));
        }
        for text in ["", "add", "add:0", "add:x", "chase:1:2:3", "branch:5:odd", "divide:3"] {
            assert!(text.parse::<Work>().unwrap_err().contains("no work item"), "{text}");
        }
    }

    #[test]
    fn counts_and_instructions() {
        assert_eq!((Work::Add { rounds: 2 }.count(), Work::Add { rounds: 2 }.instructions()), (1024, 1028));
        let chase = Work::Chase(Chase { nodes: 8, stride: 64, steps: 128, before: Before::Walk });
        assert_eq!((chase.count(), chase.instructions()), (128, 132));
        assert_eq!(INDEPENDENT % CHAINS, 0);
    }
}
