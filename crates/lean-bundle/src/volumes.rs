//! What containers have mounted from the bundle: volumes, filled with what images have in their place, and files of the host.

use std::collections::BTreeMap;
use std::io::{self, Write};

use image_store::rootfs::{Kind, Node, Rootfs, Tree};
use tar::Builder;

use super::furnish::{find, resolve};
use super::host_files::{HostFile, host_files};
use super::image::ImageSettings;
use super::mounts::{Kind as Way, Mounted, Ready, clean, tmpfs_options};
use super::settings::{MountSource, ServiceSettings};
use super::write::{append_folder, append_owned, append_tree};

/// The bundle's folder of volumes that have a name. No container is called so: their names begin with a letter or digit.
pub(super) const VOLUMES: &str = ".volumes";
/// A container's folder of what it alone has mounted.
const OWN: &str = "mounts";

/// Something that lies in the bundle to be mounted.
#[derive(Debug)]
pub(super) enum Source {
    /// A folder with what the image of a container, by its number, has there. Its path is the tree's first.
    Tree { folder: String, tree: Tree, container: usize },
    /// An empty folder.
    Folder { path: String, mode: u32 },
    /// A file.
    File { path: String, mode: u32, owner: (u64, u64), content: Vec<u8> },
    /// A file of the host's, or a folder with all in it.
    Host(Vec<HostFile>),
}

impl Source {
    /// Appends it to an archive.
    pub(super) fn append(
        &self,
        archive: &mut Builder<impl Write>,
        prefix: &str,
        rootfs: Option<&Rootfs>,
    ) -> io::Result<()> {
        match self {
            Self::Tree { folder, tree, .. } => {
                let rootfs = rootfs.ok_or_else(|| io::Error::other("a volume of no image"))?;
                append_tree(archive, &format!("{prefix}{folder}"), tree, rootfs)
            }
            Self::Folder { path, mode } => append_folder(archive, &format!("{prefix}{path}"), *mode),
            Self::File { path, mode, owner, content } => {
                append_owned(archive, &format!("{prefix}{path}"), *mode, *owner, content)
            }
            Self::Host(files) => files.iter().try_for_each(|file| file.append(archive, prefix)),
        }
    }
}

/// Which volumes that have a name are there, and whether something is in them already.
#[derive(Debug, Default)]
pub(super) struct Volumes {
    filled: BTreeMap<String, bool>,
}

/// What a container has mounted, and what must lie in the bundle for it.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) mounts: Vec<Mounted>,
    pub(super) sources: Vec<Source>,
}

/// A container whose mounts are planned.
pub(super) struct Container<'a> {
    /// Its number in the bundle.
    pub(super) number: usize,
    /// Its name.
    pub(super) name: &'a str,
    /// Its image.
    pub(super) image: &'a ImageSettings,
    /// Its service.
    pub(super) service: &'a ServiceSettings,
    /// Its root as it is before anything is mounted.
    pub(super) tree: &'a Tree,
}

impl Volumes {
    /// Plans a container's mounts. Volumes are filled by the first container that has something for them, as containers are made.
    ///
    /// # Errors
    /// In the engine's words, or the system's where a file of the host cannot be read.
    pub(super) fn plan(&mut self, c: &Container<'_>) -> Result<Plan, String> {
        let mut plan = Plan::default();
        for mount in &c.service.mounts {
            let target = clean(&mount.target);
            let read_only = mount.read_only;
            let bundle = |path: String, kind: Way| Ready::Bundle { path, read_only, kind };
            let own = format!("{OWN}/{}", plan.mounts.len());
            let place = format!("{}/{own}", c.name);
            let source = match &mount.source {
                MountSource::Tmpfs(options) => {
                    let mut options = tmpfs_options(options)?;
                    if read_only {
                        options.push("ro".into());
                    }
                    Ready::Tmpfs(options)
                }
                MountSource::Anonymous => {
                    plan.sources.push(anonymous(c, &target, &place)?);
                    bundle(own, Way::Volume)
                }
                MountSource::Volume { name, copy } => {
                    self.named(c, name, *copy, &target, &mut plan.sources);
                    bundle(format!("../{VOLUMES}/{name}"), Way::Volume)
                }
                MountSource::Text { content, mode, uid, gid } => {
                    let (owner, content) = ((*uid, *gid), content.clone());
                    plan.sources.push(Source::File { path: place, mode: *mode, owner, content });
                    bundle(own, Way::Bind)
                }
                MountSource::NewFolder => {
                    plan.sources.push(Source::Folder { path: place, mode: 0o755 });
                    bundle(own, Way::Bind)
                }
                MountSource::Host(path) => {
                    plan.sources.push(Source::Host(host_files(path, &place)?));
                    bundle(own, Way::Bind)
                }
            };
            plan.mounts.push(Mounted { target, source });
        }
        for volume in &c.image.volumes {
            let target = clean(volume);
            if plan.mounts.iter().any(|mount| mount.target == target) {
                continue;
            }
            let own = format!("{OWN}/{}", plan.mounts.len());
            plan.sources.push(anonymous(c, &target, &format!("{}/{own}", c.name))?);
            plan.mounts
                .push(Mounted { target, source: Ready::Bundle { path: own, read_only: false, kind: Way::Volume } });
        }
        Ok(plan)
    }

    fn named(&mut self, c: &Container<'_>, name: &str, copy: bool, target: &str, sources: &mut Vec<Source>) {
        let filled = self.filled.entry(name.to_owned()).or_insert_with(|| {
            sources.push(Source::Folder { path: format!("{VOLUMES}/{name}"), mode: 0o755 });
            false
        });
        if *filled || !copy {
            return;
        }
        if let Some(tree) = subtree(c.tree, target, name) {
            // The folder alone leaves it empty: the next one's attributes count.
            *filled = tree.iter().count() > 1;
            sources.push(Source::Tree { folder: VOLUMES.to_owned(), tree, container: c.number });
        }
    }
}

/// A volume of a container's own.
fn anonymous(c: &Container<'_>, target: &str, place: &str) -> Result<Source, String> {
    if find(c.tree, target.as_bytes()).is_some_and(|node| node.kind != Kind::Directory) {
        return Err(format!("cannot mount volume over existing file, file exists {target}"));
    }
    let (folder, name) = place.rsplit_once('/').unwrap_or(("", place));
    Ok(match subtree(c.tree, target, name) {
        Some(tree) => Source::Tree { folder: folder.to_owned(), tree, container: c.number },
        None => Source::Folder { path: place.to_owned(), mode: 0o755 },
    })
}

/// What a tree has at a path, as a tree with `name` in its place; nothing where there is no folder.
fn subtree(tree: &Tree, path: &str, name: &str) -> Option<Tree> {
    let root = resolve(tree, path.as_bytes()).ok()?;
    let folder = tree.get(&root).filter(|node| node.kind == Kind::Directory)?;
    let inside = |path: &[u8]| -> Option<Vec<u8>> {
        let rest = if root.is_empty() { path } else { path.strip_prefix(root.as_slice())?.strip_prefix(b"/")? };
        (!rest.is_empty()).then(|| [name.as_bytes(), b"/", rest].concat())
    };
    let mut nodes = vec![(name.as_bytes().to_vec(), folder.clone())];
    // A file whose first name is elsewhere is one of its own here; its other names here are names of that.
    let mut firsts: BTreeMap<&[u8], Vec<u8>> = BTreeMap::new();
    for (path, node) in tree.iter() {
        let Some(new) = inside(path) else { continue };
        let node = match &node.kind {
            Kind::HardLink(first) => match (inside(first), firsts.get(first.as_slice())) {
                (Some(first), _) => Node { kind: Kind::HardLink(first), ..node.clone() },
                (None, Some(first)) => Node { kind: Kind::HardLink(first.clone()), ..node.clone() },
                (None, None) => {
                    firsts.insert(first, new.clone());
                    tree.get(first)?.clone()
                }
            },
            _ => node.clone(),
        };
        nodes.push((new, node));
    }
    let mut made = Tree::default();
    for (path, node) in nodes {
        made.put(&path, node);
    }
    Some(made)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use image_store::rootfs::Content;

    use super::super::settings::ServiceMount;
    use super::*;

    fn node(kind: Kind, mode: u32) -> Node {
        Node { kind, mode, uid: 5, gid: 6, mtime: None, xattrs: BTreeMap::new() }
    }

    fn tree() -> Tree {
        let file = Kind::File(Content { layer: 0, size: 1, pieces: Vec::new() });
        let mut tree = Tree::default();
        for (path, node) in [
            ("data", node(Kind::Directory, 0o700)),
            ("data/x", node(file.clone(), 0o600)),
            ("data/y", node(Kind::HardLink(b"data/x".to_vec()), 0o600)),
            ("other", node(file, 0o644)),
            ("data/z1", node(Kind::HardLink(b"other".to_vec()), 0o644)),
            ("data/z2", node(Kind::HardLink(b"other".to_vec()), 0o644)),
            ("l", node(Kind::Symlink(b"/data".to_vec()), 0o777)),
            ("empty", node(Kind::Directory, 0o711)),
        ] {
            tree.put(path.as_bytes(), node);
        }
        tree
    }

    fn plan(volumes: &mut Volumes, image: &[&str], mounts: Vec<ServiceMount>) -> Result<Plan, String> {
        let image =
            ImageSettings { volumes: image.iter().map(|v| (*v).to_owned()).collect(), ..ImageSettings::default() };
        let service = ServiceSettings { mounts, ..ServiceSettings::default() };
        volumes.plan(&Container { number: 3, name: "fn", image: &image, service: &service, tree: &tree() })
    }

    fn mount(target: &str, source: MountSource) -> ServiceMount {
        ServiceMount { target: target.into(), source, read_only: false }
    }

    #[test]
    fn a_volume_of_an_image_begins_with_what_the_image_has_there() {
        let made = plan(&mut Volumes::default(), &["/l/", "/new"], Vec::new()).unwrap();
        let Source::Tree { folder, tree, container: 3 } = &made.sources[0] else { panic!("{made:?}") };
        assert_eq!(folder, "fn/mounts");
        let paths: Vec<_> = tree.iter().map(|(path, _)| String::from_utf8_lossy(path).into_owned()).collect();
        assert_eq!(paths, ["0", "0/x", "0/y", "0/z1", "0/z2"]);
        assert_eq!(tree.get(b"0").unwrap().mode, 0o700);
        assert_eq!(tree.get(b"0/y").unwrap().kind, Kind::HardLink(b"0/x".to_vec()));
        assert!(matches!(tree.get(b"0/z1").unwrap().kind, Kind::File(_)));
        assert_eq!(tree.get(b"0/z2").unwrap().kind, Kind::HardLink(b"0/z1".to_vec()));
        assert!(matches!(&made.sources[1], Source::Folder { path, mode: 0o755 } if path == "fn/mounts/1"));
        assert_eq!(made.mounts[0].target, "/l");
        assert!(plan(&mut Volumes::default(), &["/other"], Vec::new()).unwrap_err().contains("existing file"));
    }

    #[test]
    fn a_mount_of_the_service_takes_the_place_of_the_images_volume() {
        let made =
            plan(&mut Volumes::default(), &["/data"], vec![mount("/data", MountSource::Tmpfs(String::new()))]).unwrap();
        assert_eq!((made.mounts.len(), made.sources.len()), (1, 0));
    }

    #[test]
    fn a_volume_is_filled_once() {
        let mut volumes = Volumes::default();
        let named = |copy| MountSource::Volume { name: "v".into(), copy };
        let first = plan(&mut volumes, &[], vec![mount("/empty", named(true))]).unwrap();
        assert_eq!(first.sources.len(), 2);
        assert_eq!(
            first.mounts[0].source,
            Ready::Bundle { path: "../.volumes/v".into(), read_only: false, kind: Way::Volume }
        );
        // An empty one still takes what the next has.
        assert_eq!(plan(&mut volumes, &[], vec![mount("/nothing", named(false))]).unwrap().sources.len(), 0);
        assert_eq!(plan(&mut volumes, &[], vec![mount("/data", named(true))]).unwrap().sources.len(), 1);
        assert_eq!(plan(&mut volumes, &[], vec![mount("/data", named(true))]).unwrap().sources.len(), 0);
    }

    #[test]
    fn files_and_folders_of_the_host_are_copied() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        fs::write(folder.path().join("sub/f"), "text").unwrap();
        let made =
            plan(&mut Volumes::default(), &[], vec![mount("/c", MountSource::Host(folder.path().to_owned()))]).unwrap();
        assert!(matches!(&made.sources[..], [Source::Host(files)] if files.len() == 3), "{made:?}");
        let gone = MountSource::Host(folder.path().join("gone"));
        assert!(plan(&mut Volumes::default(), &[], vec![mount("/c", gone)]).unwrap_err().contains("cannot copy"));
    }
}
