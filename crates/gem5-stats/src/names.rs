//! What a figure is called in which version of gem5. Names are looked up, never guessed: what a dump lacks stays absent.

use std::collections::HashMap;

/// A figure of one dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Figure {
    /// Ticks in this dump.
    SimTicks,
    /// Ticks a second.
    SimFreq,
    /// Host seconds in this dump.
    HostSeconds,
    /// Ticks of one cycle.
    ClockPeriod,
    /// Instructions of the measured core.
    Insts,
    /// Of them those in user mode (gem5 v24.1 and later).
    UserInsts,
    /// Cycles of the core's own account.
    Cycles,
    /// Cycles in which the out-of-order core was quiesced; not among its cycles.
    QuiesceCycles,
    /// Share of the time in which a simple core was not idle.
    NotIdle,
    /// Cycles in which a simple core was idle; among its cycles.
    IdleCycles,
    /// Cycles in which a simple core was busy.
    BusyCycles,
    /// Misses and accesses of the first-level instruction cache.
    L1i(Access),
    /// First-level data cache.
    L1d(Access),
    /// The core's own second-level cache.
    L2(Access),
    /// The shared last-level cache, for the measured core's requests alone.
    Llc(Access),
    /// Instruction TLB.
    Itlb(Access),
    /// Data TLB.
    Dtlb(Access),
    /// Branches that the core had predicted wrongly, found at commit.
    BranchMispredicts,
}

/// What a cache or TLB counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// All accesses.
    All,
    /// Misses.
    Misses,
}

/// Where a configuration has put what is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Full name of the measured core (`system.cpu1`).
    pub core: String,
    /// Full name of the shared last-level cache, where there is one (`system.llc`).
    pub llc: Option<String>,
    /// Full names of cores that take the measured one's turn, and use its caches. One of them all runs at a time, so that their figures
    /// add up to those of the one that ran.
    pub stand_ins: Vec<String>,
}

/// Looks names up.
#[derive(Debug)]
pub(super) struct Names {
    exact: HashMap<String, (Figure, u8)>,
    /// The core's own second-level cache, as it may be called.
    l2: [String; 2],
    llc: Option<String>,
    /// The measured core and its stand-ins as their parts' names begin.
    cores: Vec<String>,
    /// The same as requestors are called, with and without the system's name.
    requestors: Vec<String>,
}

impl Names {
    pub(super) fn new(layout: &Layout) -> Self {
        let core = &layout.core;
        let cores: Vec<&String> = std::iter::once(core).chain(&layout.stand_ins).collect();
        let mut exact = HashMap::new();
        // Of several names for one figure a dump may hold more than one: the first in the list is the best.
        let mut add = |figure: Figure, names: &[String]| {
            for (rank, name) in (0_u8..).zip(names) {
                exact.insert(name.clone(), (figure, rank));
            }
        };
        let global = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        add(Figure::SimTicks, &global(&["simTicks", "sim_ticks"]));
        add(Figure::SimFreq, &global(&["simFreq", "sim_freq"]));
        add(Figure::HostSeconds, &global(&["hostSeconds", "host_seconds"]));
        // A core outside of any system is called by its own name alone.
        let system = core.split_once('.').map_or("system", |(system, _)| system);
        add(Figure::ClockPeriod, &[format!("{system}.clk_domain.clock")]);
        for core in &cores {
            let own = |names: &[&str]| names.iter().map(|n| format!("{core}.{n}")).collect::<Vec<_>>();
            for (figure, names) in OWN {
                add(figure, &own(names));
            }
        }
        type Of = fn(Access) -> Figure;
        let caches: [(Of, &str); 2] = [(Figure::L1i, "icache"), (Figure::L1d, "dcache")];
        for (of, cache) in caches {
            for (access, stats) in ACCESS_NAMES {
                let names: Vec<String> = stats.iter().map(|stat| format!("{core}.{cache}.{stat}::total")).collect();
                add(of(access), &names);
            }
        }
        let l2 = ["l2cache", "l2"].map(|cache| format!("{core}.{cache}"));
        let llc = layout.llc.clone();
        let short =
            |core: &&String| core.split_once('.').map_or_else(|| format!("{core}."), |(_, name)| format!("{name}."));
        let requestors = cores.iter().map(|core| format!("{core}.")).chain(cores.iter().map(short)).collect();
        let cores = cores.iter().map(|core| format!("{core}.")).collect();
        Self { exact, l2, llc, cores, requestors }
    }

    /// The figure that a statistic is or belongs to, and how good a source it is (0 is best). Those of equal rank
    /// are parts of a sum.
    pub(super) fn find(&self, name: &str) -> Option<(Figure, u8)> {
        if let Some(found) = self.exact.get(name) {
            return Some(*found);
        }
        let l2 = || self.l2.iter().find_map(|cache| self.outer_cache(name, cache, Figure::L2));
        let llc = || self.outer_cache(name, self.llc.as_deref()?, Figure::Llc);
        self.tlb(name).or_else(l2).or_else(llc)
    }

    /// Reads and writes are counted apart; the figure is their sum.
    fn tlb(&self, name: &str) -> Option<(Figure, u8)> {
        let rest = self.cores.iter().find_map(|core| name.strip_prefix(core.as_str()))?;
        // v21.1 put the TLBs under the memory management unit.
        let rest = rest.strip_prefix("mmu.").unwrap_or(rest);
        let (tlb, stat) = rest.split_once('.')?;
        let of: fn(Access) -> Figure = match tlb {
            "itb" => Figure::Itlb,
            "dtb" => Figure::Dtlb,
            _ => return None,
        };
        match stat {
            "rdAccesses" | "wrAccesses" => Some((of(Access::All), 0)),
            "rdMisses" | "wrMisses" => Some((of(Access::Misses), 0)),
            _ => None,
        }
    }

    /// What the core asked a cache behind its first level for. What a prefetcher of the first level asks for comes as a demand, too
    /// (`Cache::createMissPacket`), and is left out.
    fn outer_cache(&self, name: &str, cache: &str, of: fn(Access) -> Figure) -> Option<(Figure, u8)> {
        let rest = name.strip_prefix(cache)?.strip_prefix('.')?;
        let (stat, requestor) = rest.split_once("::")?;
        let access = ACCESS_NAMES.iter().find(|(_, names)| names.contains(&stat))?.0;
        let requestor = requestor.strip_prefix('.').unwrap_or(requestor);
        let own = self.requestors.iter().any(|own| requestor.starts_with(own.as_str()));
        (own && !requestor.ends_with(".prefetcher")).then_some((of(access), 0))
    }
}

/// Names below a core, the best first.
const OWN: [(Figure, &[&str]); 8] = [
    (
        Figure::Insts,
        &["commitStats0.numInsts", "exec_context.thread_0.numInsts", "committedInsts::total", "committedInsts"],
    ),
    (Figure::UserInsts, &["commitStats0.numUserInsts"]),
    (Figure::Cycles, &["numCycles"]),
    (Figure::QuiesceCycles, &["quiesceCycles"]),
    (Figure::NotIdle, &["exec_context.thread_0.notIdleFraction"]),
    (Figure::IdleCycles, &["exec_context.thread_0.numIdleCycles", "num_idle_cycles"]),
    (Figure::BusyCycles, &["exec_context.thread_0.numBusyCycles", "num_busy_cycles"]),
    (Figure::BranchMispredicts, &["commit.branchMispredicts"]),
];

const ACCESS_NAMES: [(Access, &[&str]); 2] =
    [(Access::All, &["demandAccesses", "demand_accesses"]), (Access::Misses, &["demandMisses", "demand_misses"])];

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names::new(&Layout { core: "system.cpu1".into(), llc: Some("system.llc".into()), stand_ins: Vec::new() })
    }

    #[test]
    fn a_stand_ins_figures_are_the_measured_cores() {
        let stand_ins = vec!["system.fresh_cpu0".into(), "system.fresh_cpu1".into()];
        let layout = Layout { core: "system.cpu1".into(), llc: Some("system.llc".into()), stand_ins };
        let names = Names::new(&layout);
        for (one, other) in [
            ("system.cpu1.commitStats0.numInsts", "system.fresh_cpu1.commitStats0.numInsts"),
            ("system.cpu1.commit.branchMispredicts", "system.fresh_cpu0.commit.branchMispredicts"),
            ("system.cpu1.mmu.dtb.rdMisses", "system.fresh_cpu0.mmu.dtb.rdMisses"),
            ("system.llc.demandMisses::cpu1.data", "system.llc.demandMisses::fresh_cpu1.data"),
            ("system.cpu1.l2cache.demandMisses::cpu1.inst", "system.cpu1.l2cache.demandMisses::fresh_cpu0.inst"),
        ] {
            assert!(names.find(one).is_some(), "{one}");
            assert_eq!(names.find(one), names.find(other), "{other}");
        }
        // They have no caches of their own, and their names end where they end.
        assert_eq!(names.find("system.fresh_cpu0.icache.demandMisses::total"), None);
        assert_eq!(names.find("system.fresh_cpu10.numCycles"), None);
    }

    #[test]
    fn names_of_all_versions() {
        let names = names();
        for (name, figure) in [
            ("simTicks", Figure::SimTicks),
            ("sim_ticks", Figure::SimTicks),
            ("system.cpu1.commitStats0.numInsts", Figure::Insts),
            ("system.cpu1.exec_context.thread_0.numInsts", Figure::Insts),
            ("system.cpu1.committedInsts", Figure::Insts),
            ("system.cpu1.icache.demandMisses::total", Figure::L1i(Access::Misses)),
            ("system.cpu1.dcache.demand_misses::total", Figure::L1d(Access::Misses)),
            ("system.cpu1.l2cache.demandAccesses::cpu1.data", Figure::L2(Access::All)),
            ("system.cpu1.l2cache.demandMisses::system.cpu1.mmu.itb.walker", Figure::L2(Access::Misses)),
            ("system.clk_domain.clock", Figure::ClockPeriod),
            ("system.cpu1.mmu.dtb.wrMisses", Figure::Dtlb(Access::Misses)),
            ("system.cpu1.itb.rdAccesses", Figure::Itlb(Access::All)),
            ("system.llc.demandMisses::system.cpu1.data", Figure::Llc(Access::Misses)),
            ("system.llc.demandMisses::cpu1.inst", Figure::Llc(Access::Misses)),
            ("system.llc.demand_misses::.cpu1.dtb.walker", Figure::Llc(Access::Misses)),
        ] {
            assert_eq!(names.find(name).map(|f| f.0), Some(figure), "{name}");
        }
    }

    #[test]
    fn the_other_core_and_the_sum_of_all_are_not_ours() {
        let names = names();
        for name in [
            "system.cpu0.numCycles",
            "system.cpu10.numCycles",
            "system.llc.demandMisses::cpu0.data",
            "system.llc.demandMisses::cpu10.data",
            "system.llc.demandMisses::total",
            "system.llc.demandMisses::cpu1.dcache.prefetcher",
            "system.cpu1.l2cache.demandMisses::total",
            "system.cpu1.l2cache.demandMisses::cpu1.icache.prefetcher",
            "system.cpu1.icache.demandMissRate::total",
            "system.cpu1.icache.demandMisses::cpu1.inst",
            "system.llcx.demandMisses::cpu1.inst",
        ] {
            assert_eq!(names.find(name), None, "{name}");
        }
    }
}
