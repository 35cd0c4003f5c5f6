//! From a server's files to a schema.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::DescriptorPool;

use super::known::known_file;
use super::survey::{MOST_BYTES, MOST_FILES};
use super::wire::head;
use crate::schema::Schema;
use crate::text::shorten;

impl Schema {
    /// From the files of a server, each an encoded `FileDescriptorProto`, in any order. A file that cannot be used is left out, with a
    /// remark; Google's well-known types need not be among them.
    #[must_use]
    pub fn from_files(files: &[Vec<u8>]) -> (Self, Vec<String>) {
        let mut remarks = Vec::new();
        let mut pool = DescriptorPool::global();
        let mut waiting: BTreeMap<String, &[u8]> = BTreeMap::new();
        let mut bytes = 0_usize;
        for file in files.iter().take(MOST_FILES) {
            bytes = bytes.saturating_add(file.len());
            let name = head(file).name;
            if bytes > MOST_BYTES || name.is_empty() || pool.get_file_by_name(&name).is_some() {
                continue;
            }
            waiting.entry(name).or_insert(file);
        }
        // Each after those that it imports; in one go they would all be lost with one that is wrong.
        while !waiting.is_empty() {
            let ready: Vec<String> = waiting
                .iter()
                .filter(|(_, file)| head(file).dependency.iter().all(|name| !waiting.contains_key(name)))
                .map(|(name, _)| name.clone())
                .collect();
            if ready.is_empty() {
                let names: Vec<&str> = waiting.keys().map(String::as_str).collect();
                remarks.push(format!("files that import one another: {}", shorten(&names.join(", "), 200)));
                break;
            }
            for name in ready {
                let Some(file) = waiting.remove(&name) else { continue };
                let imports: BTreeSet<String> = head(file).dependency.into_iter().collect();
                let missing: Vec<&str> =
                    imports.iter().map(String::as_str).filter(|name| pool.get_file_by_name(name).is_none()).collect();
                if !missing.is_empty() {
                    remarks.push(format!("{name} imports a missing file: {}", shorten(&missing.join(", "), 200)));
                    continue;
                }
                let file = match known_file(file) {
                    Ok(file) => file,
                    Err(why) => {
                        remarks.push(why);
                        continue;
                    }
                };
                if let Err(error) = pool.decode_file_descriptor_proto(&*file) {
                    remarks.push(format!("{name} cannot be used: {}", shorten(&error.to_string(), 200)));
                }
            }
        }
        (Self::of(pool, remarks.clone()), remarks)
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_reflect::prost_types::{FileDescriptorProto, FileDescriptorSet};

    use super::super::known::known_set;
    use super::*;

    /// The files of sources that import one another as `protox` compiles them, without the well-known types.
    fn files(sources: &[(&str, &str)]) -> Vec<Vec<u8>> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in sources {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let set: FileDescriptorSet = protox::compile(sources.iter().map(|(name, _)| *name), [folder.path()]).unwrap();
        let own = set.file.iter().filter(|file| !file.name().starts_with("google/"));
        own.map(Message::encode_to_vec).collect()
    }

    const SOURCES: [(&str, &str); 2] = [
        (
            "a.proto",
            "syntax = \"proto3\"; package a; import \"z.proto\"; import \"google/protobuf/timestamp.proto\";\
             message In { z.Z z = 1; google.protobuf.Timestamp at = 2; } service S { rpc Do(In) returns (stream z.Z); }",
        ),
        ("z.proto", "syntax = \"proto3\"; package z; message Z { string name = 1; }"),
    ];

    #[test]
    fn files_in_any_order_make_a_schema_with_the_well_known_types() {
        let mut files = files(&SOURCES);
        files.push(files[0].clone());
        for _ in 0..2 {
            files.reverse();
            let (schema, remarks) = Schema::from_files(&files);
            assert!(remarks.is_empty(), "{remarks:?}");
            assert_eq!(schema.methods().collect::<Vec<_>>(), ["a.S/Do"]);
            // As a separate set it is complete.
            assert_eq!(Schema::from_bytes(&schema.to_bytes()).unwrap().methods().count(), 1);
        }
    }

    #[test]
    fn what_cannot_be_used_is_left_out_and_said() {
        let whole = files(&SOURCES);
        let only =
            |keep: &str| -> Vec<Vec<u8>> { whole.iter().filter(|file| head(file).name == keep).cloned().collect() };
        let (schema, remarks) = Schema::from_files(&only("a.proto"));
        assert_eq!((schema.methods().count(), remarks), (0, vec!["a.proto imports a missing file: z.proto".into()]));
        let complaint = schema.method("a.S/Do").unwrap_err();
        assert!(complaint.hint.unwrap().contains("left out: a.proto imports a missing file"));
        let mut bad = only("z.proto");
        let mut ring = FileDescriptorProto { name: Some("r.proto".into()), ..FileDescriptorProto::default() };
        ring.dependency = vec!["r.proto".into()];
        bad.push(ring.encode_to_vec());
        let twice = "syntax = \"proto3\"; package y; service T { rpc Do(In) returns (In); } message In {}";
        let mut broken = FileDescriptorProto::decode(files(&[("y.proto", twice)])[0].as_slice()).unwrap();
        broken.service[0].method[0].input_type = Some(".y.Gone".into());
        bad.push(broken.encode_to_vec());
        let edition =
            FileDescriptorProto { name: Some("e.proto".into()), syntax: Some("editions".into()), ..ring.clone() };
        let edition = FileDescriptorProto { dependency: Vec::new(), ..edition };
        assert!(known_set(&FileDescriptorSet { file: vec![edition.clone()] }.encode_to_vec()).is_err());
        bad.push(edition.encode_to_vec());
        bad.push(b"\x07junk".to_vec());
        let (schema, remarks) = Schema::from_files(&bad);
        assert_eq!(schema.methods().count(), 0);
        assert!(remarks[0].starts_with("e.proto is in an edition"), "{remarks:?}");
        assert!(remarks[1].starts_with("y.proto cannot be used: ") && remarks[1].contains("Gone"), "{remarks:?}");
        assert_eq!(remarks[2..], ["files that import one another: r.proto"]);
    }
}
