//! The parameters in force, in the form in which formulas use them. Those of the system's table are taken as they were asked for, so that
//! one without effect is found; the rest is what gem5's `config.ini` says.

use std::collections::BTreeMap;

use crate::config::Config;

/// The measured machine's parameters. All times are in cycles of its core.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The core.
    pub core: Core,
    /// A hit in the first-level instruction cache: gem5 looks tag and data up at once, the slower one decides.
    pub fetch: f64,
    /// Data caches from the core outwards.
    pub levels: Vec<Level>,
    /// Memory, behind the last bus.
    pub memory: Memory,
    /// What a page walk asks.
    pub walks: Walks,
}

/// The core.
#[derive(Debug, Clone, PartialEq)]
pub enum Core {
    /// In order, an instruction at a time.
    Timing,
    /// Out of order.
    O3(Pipeline),
}

/// Measures of the out-of-order core, by gem5's names.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "gem5's own names (src/cpu/o3/BaseO3CPU.py)")]
pub struct Pipeline {
    pub fetch_to_decode: f64,
    pub decode_to_rename: f64,
    pub rename_to_iew: f64,
    pub issue_to_execute: f64,
    pub iew_to_commit: f64,
    pub commit_to_fetch: f64,
    /// The narrowest of the stages, fetch apart, with its name.
    pub width: (&'static str, f64),
    pub fetch_width: f64,
    /// Bytes.
    pub fetch_buffer: f64,
    /// Units that add, and the latency of an addition.
    pub alus: (f64, f64),
    /// Latency of a multiplication's first part.
    pub multiply: f64,
}

/// A cache and the bus behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// Its name in the table of parameters.
    pub name: &'static str,
    /// A miss goes on after the tag's latency.
    pub tag: f64,
    /// A hit answers after the slower one of tag and data.
    pub hit: f64,
    /// What comes from outside is given on after the response's latency.
    pub response: f64,
    /// The bus behind it.
    pub bus: Bus,
}

/// A crossbar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bus {
    /// On the way out: frontend, forward and the snoop filter's lookup.
    pub request: f64,
    /// On the way back.
    pub response: f64,
}

/// Memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Memory {
    /// The same time for each access.
    Simple(f64),
    /// A DRAM behind a controller.
    Dram {
        /// The controller's own time, there and back.
        controller: f64,
        /// An open row's column and the burst (tCL, tBURST).
        column: f64,
        /// Opening a row (tRCD).
        open: f64,
        /// Closing the row that was open (tRP).
        close: f64,
        /// Share of the time in which rows are refreshed and nothing is read (tRFC over tREFI).
        refresh: f64,
    },
}

/// What a page walk asks for each of its four levels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Walks {
    /// A cache of its own.
    Cache {
        /// The bus between.
        bus: Bus,
        /// A hit.
        hit: f64,
    },
    /// Memory, past the caches.
    Memory(Bus),
}

impl Model {
    /// Takes the parameters: those of the table by name, and gem5's configuration.
    ///
    /// # Errors
    /// Which parameter is missing.
    pub fn new(params: &BTreeMap<String, String>, config: &Config) -> Result<Self, String> {
        let core_name = if config.has("system.cpu1") { "system.cpu1" } else { "system.cpu" };
        let of_table = |name: String| {
            let text = params.get(&name).ok_or_else(|| format!("the run's parameters have no {name}"))?;
            text.parse::<f64>().map_err(|_| format!("{name}={text}: no number"))
        };
        let hit = |cache: &str| -> Result<f64, String> {
            Ok(of_table(format!("{cache}.tag_latency"))?.max(of_table(format!("{cache}.data_latency"))?))
        };
        let l2_bus = format!("{core_name}.l2bus");
        let names: &[(&str, &str)] = if params.contains_key("l2.size") {
            &[("l1d", &l2_bus), ("l2", "system.llcbus"), ("llc", "system.membus")]
        } else {
            &[("l1d", "system.llcbus"), ("llc", "system.membus")]
        };
        let level = |(name, behind): &(&str, &str)| -> Result<Level, String> {
            Ok(Level {
                name: match *name {
                    "l1d" => "l1d",
                    "l2" => "l2",
                    _ => "llc",
                },
                tag: of_table(format!("{name}.tag_latency"))?,
                hit: hit(name)?,
                response: of_table(format!("{name}.response_latency"))?,
                bus: bus(config, behind)?,
            })
        };
        let walks = if params.contains_key("mmucache.size") {
            Walks::Cache { bus: bus(config, &format!("{core_name}.mmubus"))?, hit: hit("mmucache")? }
        } else {
            Walks::Memory(bus(config, "system.membus")?)
        };
        Ok(Self {
            core: core(config, core_name)?,
            fetch: hit("l1i")?,
            levels: names.iter().map(level).collect::<Result<_, _>>()?,
            memory: memory(config)?,
            walks,
        })
    }
}

fn core(config: &Config, name: &str) -> Result<Core, String> {
    if !config.has(&format!("{name}.fuPool")) {
        return Ok(Core::Timing);
    }
    let number = |parameter| config.number(name, parameter);
    let mut width = ("none", f64::INFINITY);
    for stage in ["decodeWidth", "renameWidth", "dispatchWidth", "issueWidth", "wbWidth", "commitWidth"] {
        let wide = number(stage)?;
        if wide < width.1 {
            width = (stage, wide);
        }
    }
    Ok(Core::O3(Pipeline {
        fetch_to_decode: number("fetchToDecodeDelay")?,
        decode_to_rename: number("decodeToRenameDelay")?,
        rename_to_iew: number("renameToIEWDelay")?,
        issue_to_execute: number("issueToExecuteDelay")?,
        iew_to_commit: number("iewToCommitDelay")?,
        commit_to_fetch: number("commitToFetchDelay")?,
        width,
        fetch_width: number("fetchWidth")?,
        fetch_buffer: number("fetchBufferSize")?,
        alus: units(config, name, "IntAlu")?,
        multiply: units(config, name, "IntMult")?.1,
    }))
}

/// How many units do an operation, and how long they take.
fn units(config: &Config, core: &str, operation: &str) -> Result<(f64, f64), String> {
    let mut found = (0.0, 0.0_f64);
    let list = config.text(&format!("{core}.fuPool"), "FUList").unwrap_or_default();
    for unit in list.split_whitespace() {
        let operations = config.text(unit, "opList").unwrap_or_default().split_whitespace();
        for known in operations.filter(|known| config.text(known, "opClass") == Some(operation)) {
            found.0 += config.number(unit, "count")?;
            found.1 = found.1.max(config.number(known, "opLat")?);
        }
    }
    if found.0 > 0.0 { Ok(found) } else { Err(format!("gem5's config.ini has no unit of {core} for {operation}")) }
}

fn bus(config: &Config, name: &str) -> Result<Bus, String> {
    let filter = config.text(name, "snoop_filter").filter(|filter| config.has(filter));
    let lookup = filter.map_or(Ok(0.0), |filter| config.number(filter, "lookup_latency"))?;
    Ok(Bus {
        request: config.number(name, "frontend_latency")? + config.number(name, "forward_latency")? + lookup,
        response: config.number(name, "response_latency")?,
    })
}

fn memory(config: &Config) -> Result<Memory, String> {
    const CONTROLLER: &str = "system.mem_ctrl";
    let period = config.number("system.clk_domain", "clock")?;
    let cycles = |object: &str, name| Ok::<f64, String>(config.number(object, name)? / period);
    let dram = format!("{CONTROLLER}.dram");
    if !config.has(&dram) {
        return Ok(Memory::Simple(cycles(CONTROLLER, "latency")?));
    }
    Ok(Memory::Dram {
        controller: cycles(CONTROLLER, "static_frontend_latency")? + cycles(CONTROLLER, "static_backend_latency")?,
        column: cycles(&dram, "tCL")? + cycles(&dram, "tBURST")?,
        open: cycles(&dram, "tRCD")?,
        close: cycles(&dram, "tRP")?,
        refresh: cycles(&dram, "tRFC")? / cycles(&dram, "tREFI")?,
    })
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    fn table(text: &str) -> BTreeMap<String, String> {
        text.split_whitespace().filter_map(|p| p.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned())).collect()
    }

    /// Skylake's table, and what gem5 v24.0.0.1 wrote of it.
    pub(crate) fn skylake() -> (BTreeMap<String, String>, Config) {
        let params = table(
            "l1i.tag_latency=1 l1i.data_latency=1 l1d.tag_latency=1 l1d.data_latency=1 l1d.response_latency=1 \
             l2.size=1MiB l2.tag_latency=12 l2.data_latency=12 l2.response_latency=6 \
             llc.tag_latency=36 llc.data_latency=36 llc.response_latency=1 \
             mmucache.size=8KiB mmucache.tag_latency=1 mmucache.data_latency=1",
        );
        (params, Config::parse(include_str!("../testdata/skylake-o3.ini")))
    }

    /// The same of the simple system.
    pub(crate) fn simple() -> (BTreeMap<String, String>, Config) {
        let params = table(
            "l1i.tag_latency=1 l1i.data_latency=1 l1d.tag_latency=1 l1d.data_latency=1 l1d.response_latency=2 \
             llc.tag_latency=12 llc.data_latency=12 llc.response_latency=12",
        );
        (params, Config::parse(include_str!("../testdata/simple-o3.ini")))
    }

    pub(crate) fn model((params, config): (BTreeMap<String, String>, Config)) -> Model {
        Model::new(&params, &config).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_of_a_real_configuration() {
        let model = testing::model(testing::skylake());
        let Core::O3(core) = &model.core else { panic!("{model:?}") };
        assert_eq!(
            (core.alus, core.multiply, core.fetch_buffer, core.width),
            ((6.0, 1.0), 2.0, 16.0, ("decodeWidth", 8.0))
        );
        assert_eq!((core.rename_to_iew, core.iew_to_commit), (9.0, 6.0));
        let buses: Vec<(f64, f64)> = model.levels.iter().map(|level| (level.bus.request, level.bus.response)).collect();
        assert_eq!(buses, [(1.0, 1.0), (2.0, 1.0), (8.0, 2.0)]);
        assert_eq!(model.walks, Walks::Cache { bus: Bus { request: 1.0, response: 1.0 }, hit: 1.0 });
        let Memory::Dram { controller, column, .. } = model.memory else { panic!("{model:?}") };
        assert!((controller - 20.0).abs() < 1e-9 && (column - 17.492).abs() < 1e-9);

        let model = testing::model(testing::simple());
        assert_eq!((model.levels.len(), model.memory), (2, Memory::Simple(30.0)));
        assert_eq!(model.walks, Walks::Memory(Bus { request: 8.0, response: 2.0 }));
    }

    #[test]
    fn a_parameter_that_is_asked_for_counts_though_gem5_has_another() {
        let (mut params, config) = testing::skylake();
        params.insert("l2.data_latency".to_owned(), "20".to_owned());
        assert_eq!(testing::model((params, config)).levels[1].hit.to_bits(), 20.0_f64.to_bits());
    }

    #[test]
    fn what_is_missing_is_named() {
        let (mut params, config) = testing::skylake();
        params.remove("llc.tag_latency");
        assert_eq!(Model::new(&params, &config).unwrap_err(), "the run's parameters have no llc.tag_latency");
        let (params, _) = testing::simple();
        let config = Config::parse("[system.cpu1]\ntype=BaseTimingSimpleCPU\n");
        assert!(Model::new(&params, &config).unwrap_err().contains("system.membus"));
    }
}
