//! What each program must cost. Each formula says where in gem5 it comes from (v24.0; facts of its code, none of it is here). All results
//! are in cycles.

use crate::model::{Core, Memory, Model, Pipeline, Walks};
use crate::work::CHAINS;

/// Bytes of an addition, of the other measured instructions.
const SHORT: f64 = 2.0;
const LONG: f64 = 4.0;

/// Levels of the page table that a walk reads: 4 KiB pages in long mode (`src/arch/x86/pagetable_walker.cc`).
const WALK: f64 = 4.0;

/// A figure and how it comes about.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// The figure.
    pub value: f64,
    /// How far a measured one may be off.
    pub allowed: f64,
    /// What it is made of.
    pub formula: String,
}

impl Expected {
    /// A figure that may be off by a share of itself.
    #[must_use]
    pub fn within(value: f64, share: f64, formula: impl Into<String>) -> Self {
        Self { value, allowed: value * share, formula: formula.into() }
    }
}

/// A sum whose parts have names.
#[derive(Debug, Default)]
struct Sum {
    value: f64,
    parts: Vec<String>,
}

impl Sum {
    fn add(mut self, name: impl AsRef<str>, value: f64) -> Self {
        self.value += value;
        self.parts.push(format!("{} {}", number(value), name.as_ref()));
        self
    }

    fn formula(&self) -> String {
        self.parts.join(" + ")
    }

    fn within(&self, share: f64) -> Expected {
        Expected::within(self.value, share, self.formula())
    }
}

/// A number with as many digits as it needs, three at most.
#[must_use]
pub fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Cycles an instruction of so many bytes that the front end needs, if nothing else holds it up.
///
/// The out-of-order core takes instructions from one fetch buffer at a time (`Fetch::fetch`, `pipelineIcacheAccesses`): at most
/// `fetchWidth` in a cycle, and the next buffer is asked for in the cycle that empties this one. The in-order core asks the instruction
/// cache for each instruction (`TimingSimpleCPU::fetch`).
fn front_end(model: &Model, bytes: f64) -> f64 {
    match &model.core {
        Core::Timing => model.fetch,
        Core::O3(core) => {
            let instructions = (core.fetch_buffer / bytes).max(1.0);
            ((instructions / core.fetch_width).ceil() + model.fetch - 1.0) / instructions
        }
    }
}

/// The slower one of a chain and the front end.
fn bounded(model: &Model, bytes: f64, chain: &Sum) -> Expected {
    let fetched = front_end(model, bytes);
    if fetched > chain.value {
        return Expected::within(fetched, CHAIN, format!("{} front end", number(fetched)));
    }
    chain.within(CHAIN)
}

/// Tolerance of chains in the core: a round's counter and branch, two instructions in 32 and more, cost the in-order core up to 5% (it
/// fetches each), the out-of-order one next to nothing; the work item's marks cost a few hundred cycles of 75,000.
const CHAIN: f64 = 0.05;

/// Additions, each of which needs the one before: an addition is one micro-operation, and what depends on it begins when it ends
/// (`IEW::writebackInsts`, `InstructionQueue::scheduleReadyInsts`), after the `opLat` of its unit. The in-order core fetches each.
#[must_use]
pub fn dependent_additions(model: &Model) -> Expected {
    match &model.core {
        Core::Timing => fetched(model),
        Core::O3(core) => bounded(model, SHORT, &Sum::default().add("addition (opLat)", core.alus.1)),
    }
}

/// Every instruction of the in-order core takes a hit in the first-level instruction cache, and what it computes takes none
/// (`TimingSimpleCPU::completeIfetch`).
fn fetched(model: &Model) -> Expected {
    Sum::default().add("fetch (l1i)", model.fetch).within(CHAIN)
}

/// Independent additions: units for `IntAlu`, the narrowest stage, the chains that there are, or the front end; the scarcest one decides.
#[must_use]
pub fn independent_additions(model: &Model) -> Expected {
    let Core::O3(core) = &model.core else { return fetched(model) };
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let chains = CHAINS as f64;
    let bounds = [
        ("1 / units that add", 1.0 / core.alus.0),
        (core.width.0, 1.0 / core.width.1),
        ("fetch", front_end(model, SHORT)),
        ("chains of the program", core.alus.1 / chains),
    ];
    let (name, most) = bounds.into_iter().fold(bounds[0], |most, bound| if bound.1 > most.1 { bound } else { most });
    Expected::within(most, CHAIN, format!("{} {name}", number(most)))
}

/// Multiplications: `imul` of two registers is a multiplication, whose result is in registers of its own, and a move from there
/// (`mul1s` and `mulel`, `src/arch/x86/isa/insts/general_purpose/arithmetic/multiply_and_divide.py`).
#[must_use]
pub fn dependent_multiplications(model: &Model) -> Expected {
    match &model.core {
        Core::Timing => fetched(model),
        Core::O3(core) => {
            let sum = Sum::default().add("multiplication (opLat)", core.multiply).add("move (IntAlu)", core.alus.1);
            bounded(model, LONG, &sum)
        }
    }
}

/// A store and a load of the same word, in a chain: each goes from the queue to its unit (`issueToExecuteDelay`), and what the store queue
/// forwards is there a cycle later (`LSQUnit::read`). The load waits for the store, because the store sets have learnt that it must.
///
/// # Errors
/// Why the core has no such figure.
pub fn forwarding(model: &Model) -> Result<Expected, String> {
    match &model.core {
        Core::Timing => Err("the timing core has no store queue".into()),
        Core::O3(core) => {
            let sum = Sum::default()
                .add("store (issueToExecuteDelay)", core.issue_to_execute)
                .add("load (issueToExecuteDelay)", core.issue_to_execute)
                .add("forward", 1.0);
            Ok(sum.within(CHAIN))
        }
    }
}

/// What a load waits for before it reaches the first-level cache: the way from the queue to the unit, or the fetch of the load itself.
fn begin(model: &Model) -> (&'static str, f64) {
    match &model.core {
        Core::Timing => ("fetch (l1i)", model.fetch),
        Core::O3(core) => ("issueToExecuteDelay", core.issue_to_execute),
    }
}

/// The way of a load to a cache or to memory, and back, without that one's own time. A cache that misses sends the request on after its
/// tag's latency (`BaseCache::recvTimingReq`: `forwardLatency`), and gives what comes on after its response's latency
/// (`Cache::serviceMSHRTargets`); the word that was asked for does not wait for the rest of its line. A bus adds its latencies to the packet
/// (`CoherentXBar::recvTimingReq`, `recvTimingResp`).
fn way(model: &Model, behind: usize) -> Sum {
    let (name, cycles) = begin(model);
    let mut sum = Sum::default().add(name, cycles);
    for level in &model.levels[..behind] {
        sum = sum.add(format!("{} tag", level.name), level.tag).add("bus", level.bus.request);
    }
    for level in model.levels[..behind].iter().rev() {
        sum = sum.add("bus", level.bus.response).add(format!("{} response", level.name), level.response);
    }
    sum
}

/// A load that hits in a cache, each of which needs the one before; `level` counts from the core outwards. A hit takes the longer of tag and
/// data (`BaseCache::calculateAccessLatency`).
///
/// # Errors
/// When there is no such level.
pub fn load(model: &Model, level: usize) -> Result<Expected, String> {
    let cache = model.levels.get(level).ok_or("there is no such level")?;
    let sum = way(model, level).add(format!("{} hit", cache.name), cache.hit);
    // One level's hit takes two cycles, of which a round's own two instructions are a larger share.
    Ok(sum.within(if level == 0 { CHAIN } else { CACHE }))
}

/// Tolerance of loads from outer caches: of a thousand lines some have been lost, and marks cost as much as one or two.
const CACHE: f64 = 0.03;

/// A load from memory. Simple memory has one latency. A DRAM's is that of a closed row; a row that is open saves `tRCD`, another one that is
/// open costs `tRP`, and while rows are refreshed nothing is read (`DRAMInterface::doBurstAccess`, `MemCtrl::accessAndRespond`). What the
/// kernel's pages make of that is not known beforehand, so that the tolerance covers both.
#[must_use]
pub fn load_from_memory(model: &Model) -> Expected {
    let sum = way(model, model.levels.len());
    match model.memory {
        Memory::Simple(latency) => sum.add("memory", latency).within(CACHE),
        Memory::Dram { controller, column, open, close, refresh } => {
            let sum =
                sum.add("controller", controller).add("row opened (tRCD)", open).add("column (tCL, tBURST)", column);
            Expected { value: sum.value, allowed: open.max(close) + refresh * sum.value, formula: sum.formula() }
        }
    }
}

/// What a load that misses in the data TLB takes longer: four reads of the page table, one after the other (`Walker::WalkerState`), and the
/// way to the unit once more, because the out-of-order core sends the load from its queue again (`InstructionQueue::deferMemInst`).
///
/// A walk that goes to memory past the caches asks the shared cache all the same, where the bus's snoop filter believes that the line is
/// there, and waits for its lookup (`BaseCache::lookupLatency`, the tag's; `Cache::recvTimingSnoopReq`). The lowest level's lines are
/// not there, since only the walker reads them. Of the other three, the kernel has read as many as it happened to: none, one and two were
/// seen, by the filter's own count (`membus.snoop_filter.hitSingleRequests`). The tolerance covers none to three.
///
/// # Errors
/// When walks go to a DRAM.
pub fn walk(model: &Model) -> Result<Expected, String> {
    let (sum, more) = match (model.walks, model.memory) {
        (Walks::Cache { bus, hit }, _) => {
            (Sum::default().add("walk, 4 times bus and mmucache", WALK * (bus.request + hit + bus.response)), 0.0)
        }
        (Walks::Memory(bus), Memory::Simple(latency)) => {
            let snoops = model.levels.last().map_or(0.0, |shared| (WALK - 1.0) * shared.tag / 2.0);
            let walk = WALK * (bus.request + latency + bus.response);
            (
                Sum::default().add("walk, 4 times bus and memory", walk).add("snoops, 0 to 3 times llc tag", snoops),
                snoops,
            )
        }
        (Walks::Memory(_), Memory::Dram { .. }) => {
            return Err("page walks read a DRAM, whose open rows decide".into());
        }
    };
    let sum = match &model.core {
        Core::Timing => sum,
        Core::O3(core) => sum.add("issueToExecuteDelay", core.issue_to_execute),
    };
    let expected = sum.within(CHAIN);
    Ok(Expected { allowed: expected.allowed + more, ..expected })
}

/// What a mispredicted branch costs. The instruction that decides it and its branch reach the queue together; the branch follows it by the
/// latency of an addition, goes to its unit, and its outcome to commit, which tells fetch (`IEW::squashDueToBranch`,
/// `Commit::commit`). Fetch stands still for a cycle (`Fetch::checkSignalsAndUpdate`) and reads the instruction cache. That would have been
/// read for the next block anyway, in the branch's own cycle (`Fetch::pipelineIcacheAccesses`): its latency is in both, and in no difference.
///
/// # Errors
/// Why the core has no such figure.
pub fn misprediction(model: &Model) -> Result<Expected, String> {
    let core = predicts(model)?;
    let sum = Sum::default()
        .add("fetchToDecodeDelay", core.fetch_to_decode)
        .add("decodeToRenameDelay", core.decode_to_rename)
        .add("renameToIEWDelay", core.rename_to_iew)
        .add("test (IntAlu)", core.alus.1)
        .add("issueToExecuteDelay", core.issue_to_execute)
        .add("iewToCommitDelay", core.iew_to_commit)
        .add("commitToFetchDelay", core.commit_to_fetch)
        .add("fetch stands still", 1.0);
    // A cycle more or less: where the next instructions lie in the fetch buffer, and how many micro-operations come with the branch.
    let allowed = (sum.value * CHAIN).max(1.0);
    Ok(Expected { value: sum.value, allowed, formula: sum.formula() })
}

/// The core, if it predicts branches.
///
/// # Errors
/// If it does not.
pub fn predicts(model: &Model) -> Result<&Pipeline, String> {
    match &model.core {
        Core::Timing => Err("the timing core predicts no branches".into()),
        Core::O3(core) => Ok(core),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{model, simple, skylake};

    fn values(list: &[Expected]) -> Vec<String> {
        list.iter().map(|expected| number(expected.value)).collect()
    }

    fn timing(mut model: Model) -> Model {
        model.core = Core::Timing;
        model
    }

    #[test]
    fn additions_and_multiplications() {
        let all = |model: &Model| {
            values(&[dependent_additions(model), independent_additions(model), dependent_multiplications(model)])
        };
        assert_eq!(all(&model(skylake())), ["1", "0.167", "3"]);
        assert_eq!(all(&model(simple())), ["1", "0.167", "4"]);
        assert_eq!(all(&timing(model(skylake()))), ["1", "1", "1"]);
    }

    /// What is scarcest decides, and is named.
    #[test]
    fn the_scarcest_part_decides() {
        let bound = |change: fn(&mut Pipeline), fetch: f64| {
            let mut model = model(skylake());
            model.fetch = fetch;
            let Core::O3(core) = &mut model.core else { panic!() };
            change(core);
            let expected = independent_additions(&model);
            (number(expected.value), expected.formula.split_once(' ').unwrap().1.to_owned())
        };
        assert_eq!(bound(|core| core.width = ("commitWidth", 4.0), 1.0), ("0.25".into(), "commitWidth".into()));
        // Eight additions fill the buffer of 16 bytes; the next one comes after two cycles.
        assert_eq!(bound(|_| (), 2.0), ("0.25".into(), "fetch".into()));
        assert_eq!(bound(|core| core.alus.0 = 2.0, 1.0), ("0.5".into(), "1 / units that add".into()));
        assert_eq!(bound(|core| core.alus = (8.0, 2.0), 1.0), ("0.286".into(), "chains of the program".into()));
        let mut slow = model(skylake());
        slow.fetch = 20.0;
        assert_eq!(number(dependent_additions(&slow).value), "2.5");
    }

    #[test]
    fn loads_from_each_level() {
        let model = model(skylake());
        let loads: Vec<Expected> = (0..3).map(|level| load(&model, level).unwrap()).collect();
        assert_eq!(values(&loads), ["2", "17", "62"]);
        assert_eq!(loads[1].formula, "1 issueToExecuteDelay + 1 l1d tag + 1 bus + 1 bus + 1 l1d response + 12 l2 hit");
        assert!(load(&model, 3).is_err());
        let far = load_from_memory(&model);
        assert_eq!((number(far.value), number(far.allowed)), ("124.652".into(), "19.753".into()));

        let simple = self::model(simple());
        let loads: Vec<Expected> = (0..2).map(|level| load(&simple, level).unwrap()).collect();
        assert_eq!(values(&loads), ["2", "18"]);
        assert_eq!(number(load_from_memory(&simple).value), "70");
    }

    #[test]
    fn walks_go_through_their_cache_or_to_memory() {
        let walks = |model: &Model| number(walk(model).unwrap().value);
        assert_eq!((walks(&model(skylake())), walks(&timing(model(skylake())))), ("13".into(), "12".into()));
        let simple_walk = walk(&model(simple())).unwrap();
        // 160 and the way, and 0 to 36 for snoops.
        assert_eq!((number(simple_walk.value), number(simple_walk.allowed)), ("179".into(), "26.95".into()));
        let mut dram = model(simple());
        dram.memory = model(skylake()).memory;
        assert!(walk(&dram).unwrap_err().contains("DRAM"));
    }

    #[test]
    fn stores_and_branches_are_the_out_of_order_cores() {
        let both = |model: &Model| values(&[forwarding(model).unwrap(), misprediction(model).unwrap()]);
        assert_eq!(both(&model(skylake())), ["3", "23"]);
        assert_eq!(both(&model(simple())), ["3", "9"]);
        // A slow instruction cache holds the right path up as much as the wrong one: measured, 22.97 with 3 cycles.
        let slow = Model { fetch: 3.0, ..model(skylake()) };
        assert_eq!(both(&slow), ["3", "23"]);
        let timing = timing(model(skylake()));
        assert!(forwarding(&timing).unwrap_err().contains("no store queue"));
        assert!(misprediction(&timing).unwrap_err().contains("no branches"));
    }
}
