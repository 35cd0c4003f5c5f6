//! Images for the engine: archives as `docker save` writes them.

use std::io::Write;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::member::{Member, archive};

/// How a layer stands in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Packing {
    /// As it is.
    #[default]
    None,
    /// gzip.
    Gzip,
    /// bzip2.
    Bzip2,
    /// Zstandard.
    Zstd,
}

/// An image that both are asked for.
#[derive(Debug, Clone)]
pub struct Case {
    /// Name; also the image's.
    pub name: String,
    /// Uncompressed layers, lowest first.
    pub layers: Vec<Vec<u8>>,
    /// How the layers stand in the archive.
    pub packing: Packing,
}

impl Case {
    /// A case of members.
    #[must_use]
    pub fn new(name: impl Into<String>, layers: &[Vec<Member>]) -> Self {
        Self::raw(name, layers.iter().map(|members| archive(members)).collect())
    }

    /// A case of archives.
    #[must_use]
    pub fn raw(name: impl Into<String>, layers: Vec<Vec<u8>>) -> Self {
        Self { name: name.into(), layers, packing: Packing::None }
    }

    /// With compressed layers.
    #[must_use]
    pub fn packed(mut self, packing: Packing) -> Self {
        self.packing = packing;
        self
    }

    /// The layers as they stand in the archive.
    ///
    /// # Errors
    /// When a compressor fails.
    pub fn blobs(&self) -> std::io::Result<Vec<Vec<u8>>> {
        let pack = |layer: &Vec<u8>| -> std::io::Result<Vec<u8>> {
            match self.packing {
                Packing::None => Ok(layer.clone()),
                Packing::Gzip => {
                    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                    writer.write_all(layer)?;
                    writer.finish()
                }
                Packing::Bzip2 => {
                    let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
                    writer.write_all(layer)?;
                    writer.finish()
                }
                Packing::Zstd => {
                    let level = ruzstd::encoding::CompressionLevel::Fastest;
                    Ok(ruzstd::encoding::compress_to_vec(layer.as_slice(), level))
                }
            }
        };
        self.layers.iter().map(pack).collect()
    }

    /// The image as an archive of `docker save`.
    ///
    /// # Errors
    /// When a compressor fails.
    pub fn save(&self) -> std::io::Result<Vec<u8>> {
        let ids: Vec<String> =
            self.layers.iter().map(|layer| format!("sha256:{}", hex::encode(Sha256::digest(layer)))).collect();
        let config =
            json!({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/none"], "Labels": {"case": self.name}},
            "rootfs": {"type": "layers", "diff_ids": ids}})
            .to_string();
        let names: Vec<String> = (0..self.layers.len()).map(|number| format!("{number}/layer.tar")).collect();
        let manifest =
            json!([{"Config": "config.json", "RepoTags": [format!("{}:latest", self.name)], "Layers": names}]);
        let mut members = vec![Member::new(b'0', "config.json").data(config)];
        for (name, blob) in names.iter().zip(self.blobs()?) {
            members.push(Member::new(b'0', name).data(blob));
        }
        members.push(Member::new(b'0', "manifest.json").data(manifest.to_string()));
        Ok(archive(&members))
    }
}
