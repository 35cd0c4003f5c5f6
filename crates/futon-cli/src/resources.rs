//! `futon resources` and `futon images`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::ResourcesArg;

/// `futon resources …`.
#[derive(Debug, Subcommand)]
pub enum ResourcesCommand {
    /// Build what is missing or out of date, from Debian's packages
    Build {
        /// What to build [default: base]
        #[arg(value_enum)]
        parts: Vec<ResourcePart>,
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
        /// Virtual size of the base image's disk
        #[arg(long, default_value = DISK_SIZE, value_name = "SIZE", value_parser = disk_size)]
        disk_size: String,
        /// Build even if everything is up to date
        #[arg(long)]
        force: bool,
        /// Refresh only the guest tools
        #[arg(long)]
        tools_only: bool,
    },
    /// List resources
    List {
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Describe the resources in gem5's format (JSON, for GEM5_RESOURCE_JSON_APPEND)
    ExportGem5 {
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
        /// File to write [default: standard output]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Compare all resources and function images with their hashes
    Verify {
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
    },
}

/// Default virtual size of the base image's disk.
pub const DISK_SIZE: &str = "8G";

/// What `futon resources build` can make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ResourcePart {
    /// The docker base: disk image, Debian's kernel, initrd
    Base,
    /// The lean guest's kernel, one vmlinux for QEMU and gem5
    Kernel,
    /// The lean guest's initramfs
    Lean,
    /// Docker Compose, which reads compose files (built with every other part, too)
    Compose,
}

/// `futon images …`.
#[derive(Debug, Subcommand)]
pub enum ImagesCommand {
    /// Build the sample functions' images (without names, all in functions.list)
    Build {
        /// Functions
        functions: Vec<String>,
        /// Build all sample functions
        #[arg(long)]
        all: bool,
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
    },
    /// Add an image: an OCI layout's folder, a `docker save` archive, or a name in a registry
    Add {
        /// OCI layout folder, archive file, or image name
        source: String,
        /// Name under which guests pull it (needed for an OCI layout) [default: its own name]
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// The registry uses plain HTTP, or a certificate that this machine does not trust
        #[arg(long)]
        insecure: bool,
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
    },
    /// List images
    List {
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what the store knows about an image: digests, platforms, layers, how it is run
    Show {
        /// Image name
        name: String,
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove images, and the blobs that no other image needs
    Rm {
        /// Image names
        #[arg(required = true)]
        names: Vec<String>,
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove unused blobs, and files left by interrupted adds
    Prune {
        /// Where resources are
        #[command(flatten)]
        resources: ResourcesArg,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// A size in the format of `truncate`, with M or G.
fn disk_size(text: &str) -> Result<String, String> {
    let digits = text.strip_suffix(['M', 'G']).ok_or("write it with M or G, as in 16G")?;
    let number: u32 = digits.parse().map_err(|_| "write it as a whole number with M or G, as in 16G".to_owned())?;
    let mib = if text.ends_with('G') { u64::from(number) * 1024 } else { u64::from(number) };
    if mib < 2048 { Err("the base image needs at least 2G".into()) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked() {
        assert!(disk_size("16G").is_ok() && disk_size("1G").is_err() && disk_size("16").is_err());
    }
}
