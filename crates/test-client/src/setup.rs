//! From the command line to everything a run needs, or to the reason why there will be none.

use std::{ffi::OsString, net::SocketAddr, path::Path, time::Duration};

use calls::oracle;
use clap::Parser;
use futon_model::GenType;

use crate::{
    args::{Options, normalise},
    generate::{Generator, Recipe, random_seed},
    grpc,
    log::Log,
    run::Plan,
};

/// A run that ends before it begins: usage errors, help, version.
#[derive(Debug)]
pub struct Exit {
    /// Exit status.
    pub status: u8,
    /// What to print, with its newline: on standard output for status 0, else on standard error.
    pub text: String,
}

impl Exit {
    fn usage(text: impl std::fmt::Display) -> Self {
        Self { status: 2, text: format!("test-client: {text}\n") }
    }
}

/// Everything a run needs.
#[derive(Debug)]
pub struct Setup {
    /// The flags.
    pub options: Options,
    /// Where lines go.
    pub log: Log,
    /// What to call.
    pub plan: Plan,
    /// Where.
    pub address: SocketAddr,
    /// Seed of random values.
    pub seed: u64,
    recipe: Recipe,
    ignored: Vec<String>,
}

impl Setup {
    /// Reads the arguments (without the program's name) and checks all that can be checked.
    ///
    /// # Errors
    /// A usage error with status 2; help or version with status 0.
    pub fn from_command_line(raw: impl IntoIterator<Item = OsString>) -> Result<Self, Exit> {
        let (flags, ignored) = normalise(raw).map_err(Exit::usage)?;
        let options = Options::try_parse_from(std::iter::once("test-client".to_owned()).chain(flags))
            .map_err(|error| Exit { status: u8::try_from(error.exit_code()).unwrap_or(2), text: error.to_string() })?;
        if options.version {
            let text = format!("v{}-futon\n", env!("CARGO_PKG_VERSION"));
            return Err(Exit { status: 0, text });
        }
        check_load(&options).map_err(Exit::usage)?;
        let function = oracle::find(&options.function_name).map_err(Exit::usage)?;
        oracle::check_method(&function, &options.function_method).map_err(Exit::usage)?;
        let address = if options.serve { grpc::parse } else { grpc::resolve };
        let address = address(&options.url, &options.port).map_err(Exit::usage)?;
        if let Some(path) = &options.report {
            check_report_path(path).map_err(Exit::usage)?;
        }
        let plan = Plan {
            function,
            measured: options.n,
            warmups: options.w,
            pause: Duration::from_micros(options.delay),
            limit: options.timeout,
            verify: !options.no_verify,
            greets: !options.no_greeting,
        };
        let recipe = Recipe {
            service: function.service,
            gen_type: options.gen_type.parse().unwrap_or_default(),
            input: options.input.clone(),
            lower: options.lower_bound,
            upper: options.upper_bound,
        };
        recipe.check().map_err(Exit::usage)?;
        if plan.verify {
            let calls = options.n.saturating_add(options.w).saturating_add(1);
            oracle::check_input(&function, &recipe.largest(calls)).map_err(Exit::usage)?;
        }
        let seed = match options.seed {
            Some(seed) => seed,
            None => random_seed().map_err(|error| Exit::usage(format!("cannot take a seed: /dev/urandom: {error}")))?,
        };
        let log = Log::open(&options.logging, options.v)
            .map_err(|error| Exit::usage(format!("cannot open log {}: {error}", options.logging)))?;
        Ok(Self { options, log, plan, address, seed, recipe, ignored })
    }

    /// A generator of the values to send.
    pub fn generator(&self) -> Generator {
        Generator::new(self.recipe.clone(), self.seed)
    }

    /// How the values to send are made.
    pub fn gen_type(&self) -> GenType {
        self.recipe.gen_type
    }

    /// Lines about what a reader of the log should know before the first call.
    pub fn say_what_is_unusual(&self) {
        let Self { log, options, .. } = self;
        if !self.ignored.is_empty() {
            let ignored = self.ignored.join(" ");
            log.warning(format!("arguments after the flags are ignored: {ignored}"));
        }
        if options.gen_type.parse::<GenType>().is_err() {
            let name = &options.gen_type;
            log.error(format!("unknown -genType '{name}': using unique"));
        }
        if options.no_verify {
            log.warning("replies are not verified (-no-verify)");
        }
        if self.recipe.gen_type == GenType::Random {
            log.info(format!("Random values from -seed {}", self.seed));
        }
        match std::env::var("ENABLE_TRACING").as_deref() {
            Err(_) | Ok("" | "false") => log.debug("Tracing is disabled."),
            Ok(_) => log.warning("ENABLE_TRACING is ignored: there is no tracing here"),
        }
    }
}

/// What a load cannot have, and what nothing but a load has.
fn check_load(options: &Options) -> Result<(), String> {
    let flags = &options.load;
    if !flags.load {
        let set =
            [("-rate", flags.rate.is_some()), ("-concurrency", flags.concurrency.is_some()), ("-json", flags.json)];
        return match set.iter().find(|(_, given)| *given) {
            Some((name, _)) => Err(format!("{name} needs -load")),
            None => Ok(()),
        };
    }
    let refused = [
        ("-no-verify", options.no_verify, "every reply of a load is verified"),
        ("-m5ops", options.m5ops, "a simulator measures single calls"),
        ("-serve", options.serve, "one of both"),
        ("-beside", !options.beside.is_empty(), "a load is of one function"),
        ("-w", options.w > 0, "its warm-up is a time: -warmup 2s"),
        ("-delay", options.delay > 0, "-rate sets the calls per second"),
    ];
    match refused.iter().find(|(_, given, _)| *given) {
        Some((name, _, why)) => Err(format!("{name} cannot be used with -load: {why}")),
        None => Ok(()),
    }
}

/// Better now than after an hour of calls.
fn check_report_path(path: &Path) -> Result<(), String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    if path.file_name().is_none() || path.is_dir() {
        return Err(format!("-report {} is not a file name", path.display()));
    }
    if !folder.is_dir() {
        return Err(format!("-report {}: no folder {}", path.display(), folder.display()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(line: &str) -> Result<Setup, Exit> {
        Setup::from_command_line(line.split_whitespace().map(Into::into))
    }

    #[test]
    fn what_cannot_be_used_is_a_usage_error() {
        for line in [
            "-function-name nope",
            "-function-name aes-go -function-method 1",
            "-url example",
            "-port x",
            "-report /nonexistent/folder/file",
            "-report /tmp",
            "-logging /nonexistent/folder/file",
            "-function-name fibonacci -genType random -lowerBound 5 -upperBound 4",
            "-function-name fibonacci -input 100001",
            "-function-name fibonacci -genType random -upperBound 100002",
            "-function-name fibonacci -genType linear -upperBound 100002 -n 100001",
            "-function-name fibonacci -genType linear -lowerBound 100002 -upperBound 3 -n 5",
            "---",
            "-rate 5",
            "-json",
            "-load -w 5",
            "-load -no-verify",
            "-load -rate 0",
            "-load -concurrency 0",
            "-load -duration 0s",
        ] {
            let exit = setup(line).unwrap_err();
            assert_eq!(exit.status, 2, "{line}");
            assert!(exit.text.ends_with('\n'), "{line}");
        }
    }

    #[test]
    fn what_is_large_but_never_sent_or_never_checked_is_fine() {
        for line in [
            "-function-name fibonacci -genType linear -upperBound 999999 -n 20",
            "-function-name fibonacci -genType random -upperBound 100001",
            "-function-name fibonacci -input 100001 -no-verify",
            "-function-name aes -input 99999999",
        ] {
            assert!(setup(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn help_and_version_are_no_errors() {
        let exit = setup("-version").unwrap_err();
        assert_eq!((exit.status, exit.text.starts_with('v')), (0, true));
        let exit = setup("-help").unwrap_err();
        assert_eq!(exit.status, 0);
        assert!(exit.text.contains("Exit status:"), "{}", exit.text);
    }

    #[test]
    fn an_unknown_generator_means_unique() {
        let setup = setup("-genType sideways -seed 7 x y").unwrap();
        assert_eq!((setup.recipe.gen_type, setup.seed), (GenType::Unique, 7));
        assert_eq!(setup.ignored, ["x", "y"]);
    }
}
