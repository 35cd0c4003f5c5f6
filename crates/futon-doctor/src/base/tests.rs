//! Images made here, file by file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::disk::{self, Place, Root};
use super::*;
use crate::State;

/// Where tests find programs that Debian keeps from ordinary users.
const PROGRAMS: &str = "/usr/bin:/bin:/usr/sbin:/sbin";
/// Where an image begins that lies in the first partition, bytes.
const FIRST: u64 = 1 << 20;
const RELEASE: &str = "6.12.1-test";

/// A root, as files.
struct Files {
    folder: tempfile::TempDir,
    kernel: PathBuf,
}

impl Files {
    /// A root that lacks nothing.
    fn whole() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = Self { kernel: folder.path().join("vmlinuz"), folder };
        fs::write(&files.kernel, bz_image()).unwrap();
        let program = [&b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0"[..], &[0; 44]].concat();
        for path in ["usr/bin/dash", "usr/bin/curl", "usr/sbin/dockerd", "usr/lib/systemd/systemd"] {
            files.write(path, &program);
            fs::set_permissions(files.path(path), fs::Permissions::from_mode(0o755)).unwrap();
        }
        for (link, to) in [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib")] {
            files.link(link, to);
        }
        files.link("usr/bin/sh", "dash");
        files.link("usr/sbin/init", "../lib/systemd/systemd");
        files.write("etc/os-release", b"NAME=x\nPRETTY_NAME=\"Test Linux 1\"\n");
        files.write("etc/nsswitch.conf", b"passwd: files\nhosts: files myhostname dns\n");
        files.write("usr/lib/x86_64-linux-gnu/libnss_myhostname.so.2", b"");
        files.write("etc/systemd/network/80-dhcp.network", b"[Match]\nName=en*\n[Network]\nDHCP=yes\n");
        files.write(
            "etc/systemd/system/gem5.service",
            b"[Service]\nExecStart=-/bin/sh -c 'curl http://_gateway:3003/run.sh'\n",
        );
        for unit in ["systemd-networkd.service", "docker.service"] {
            files.write(&format!("usr/lib/systemd/system/{unit}"), b"[Service]\n");
            files.start(unit);
        }
        files.start("gem5.service");
        files.link("usr/lib/systemd/system/default.target", "graphical.target");
        files.write("usr/lib/systemd/system/graphical.target", b"[Unit]\nRequires = \\\n  multi-user.target\n");
        files.write("usr/lib/systemd/system/multi-user.target", b"[Unit]\n");
        files.write(
            "etc/docker/daemon.json",
            br#"{"registry-mirrors":["http://10.0.2.2:3003/"],"insecure-registries":["10.0.2.2:3003"]}"#,
        );
        files.write("usr/libexec/docker/cli-plugins/docker-compose", b"");
        files.write("etc/hosts", b"127.0.0.1 docker.io\n");
        let modules = format!("usr/lib/modules/{RELEASE}");
        files.write(
            &format!("{modules}/modules.builtin"),
            b"kernel/drivers/virtio/virtio_pci.ko\nkernel/drivers/net/veth.ko\n",
        );
        files.write(
            &format!("{modules}/modules.dep"),
            b"kernel/block/virtio-blk.ko.xz: kernel/x.ko\nkernel/net/virtio_net.ko:\nkernel/fs/overlay.ko:\nkernel/net/bridge.ko:\n",
        );
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("root").join(name)
    }

    fn write(&self, name: &str, content: &[u8]) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), content).unwrap();
    }

    fn link(&self, name: &str, to: &str) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        let _ = fs::remove_file(self.path(name));
        std::os::unix::fs::symlink(to, self.path(name)).unwrap();
    }

    fn start(&self, unit: &str) {
        self.link(
            &format!("etc/systemd/system/multi-user.target.wants/{unit}"),
            &format!("/usr/lib/systemd/system/{unit}"),
        );
    }

    fn without(self, name: &str) -> Self {
        fs::remove_file(self.path(name)).unwrap();
        self
    }

    /// The root on a whole disk.
    fn disk(&self) -> PathBuf {
        let image = self.folder.path().join("disk");
        run("mke2fs", &["-q", "-t", "ext4", "-L", "system", "-d", text(&self.path("")), text(&image), "8M"]);
        image
    }

    async fn findings(&self) -> Vec<Finding> {
        self.findings_of(&self.disk(), |_| {}).await
    }

    async fn findings_of<'a>(&'a self, image: &'a Path, change: impl FnOnce(&mut BaseImage<'a>)) -> Vec<Finding> {
        let (kernel, resources) = (Some(&*self.kernel), self.folder.path());
        let mut given = BaseImage { image, kernel, initrd: kernel, root: None, resources, gem5: false };
        change(&mut given);
        base_image(&given, &mut Ui::new(true, false)).await.unwrap()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).env("PATH", PROGRAMS).output().unwrap();
    assert!(output.status.success(), "{program}: {output:?}");
}

/// As much of a bzImage as says its release.
fn bz_image() -> Vec<u8> {
    let mut bytes = vec![0; 0x200 + 0x300];
    bytes[0x202..0x206].copy_from_slice(b"HdrS");
    bytes[0x20e..0x210].copy_from_slice(&0x100u16.to_le_bytes());
    let version = format!("{RELEASE} (me@here) #1");
    bytes[0x300..0x300 + version.len()].copy_from_slice(version.as_bytes());
    bytes
}

/// What is missing, as `name: detail`.
fn missing_in(findings: &[Finding]) -> Vec<String> {
    let missing = findings.iter().filter(|f| f.state == State::Missing);
    missing.map(|f| format!("{}: {}", f.name, f.detail)).collect()
}

#[tokio::test]
async fn an_image_with_everything_lacks_nothing() {
    let findings = Files::whole().findings().await;
    assert_eq!(missing_in(&findings), Vec::<String>::new(), "{findings:#?}");
    let notes: Vec<&str> = findings.iter().filter(|f| f.state == State::Note).map(|f| f.name.as_str()).collect();
    assert_eq!(notes, ["drivers"], "what is in an initrd is not looked at: {findings:#?}");
    assert_eq!(findings[1].detail, "Test Linux 1, systemd");
    assert!(findings.iter().any(|f| f.detail.starts_with(RELEASE)), "{findings:#?}");
}

#[tokio::test]
async fn each_thing_that_is_not_there_is_named() {
    let expect = |files: Files, wanted: &'static str| async move {
        let found = missing_in(&files.findings().await);
        assert!(found.len() == 1 && found[0].contains(wanted), "{wanted:?}: {found:?}");
    };
    let whole = Files::whole;
    expect(whole().without("etc/systemd/system/multi-user.target.wants/gem5.service"), "systemctl enable gem5.service")
        .await;
    expect(whole().without("etc/systemd/system/gem5.service"), "gem5.service: not there").await;
    expect(whole().without("usr/bin/curl"), "curl: gem5.service calls it").await;
    expect(whole().without("usr/sbin/dockerd"), "Docker Engine: no dockerd").await;
    expect(whole().without("etc/systemd/network/80-dhcp.network"), "DHCP: nobody asks").await;
    expect(whole().without("usr/lib/x86_64-linux-gnu/libnss_myhostname.so.2"), "_gateway: nothing resolves it").await;
    expect(whole().without("usr/sbin/init"), "without /sbin/init").await;
    expect(whole().without("usr/lib/systemd/system/docker.service"), "nothing starts it").await;
    let masked = whole();
    masked.link("etc/systemd/system/gem5.service", "/dev/null");
    expect(masked, "not there, or masked").await;
    let other = whole();
    other.write("usr/bin/dash", b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0");
    expect(other, "not a program for x86-64").await;
    let broken = whole();
    broken.write("etc/docker/daemon.json", b"{,}");
    expect(broken, "is not JSON").await;
    let lean = whole();
    lean.write(&format!("usr/lib/modules/{RELEASE}/modules.dep"), b"virtio_blk.ko:\nvirtio_net.ko:\noverlay.ko:\n");
    expect(lean, "no bridge").await;
    let tool = whole();
    tool.write("etc/systemd/system/gem5.service", b"[Service]\nExecStart=/usr/local/sbin/futon-guest init\n");
    expect(tool, "it runs /usr/local/sbin/futon-guest, which is not in the image").await;
    let dropped = whole();
    dropped.write("etc/systemd/system/gem5.service.d/o.conf", b"[Service]\nExecStart=\nExecStart = /nothere\n");
    expect(dropped, "it runs /nothere, which is not in the image").await;
    let empty = whole();
    empty.write("etc/systemd/system/gem5.service", b"[Service]\n# curl 3003\nType=exec\n");
    expect(empty, "it has no ExecStart=").await;
    let rescue = whole();
    rescue.link("usr/lib/systemd/system/default.target", "rescue.target");
    rescue.write("usr/lib/systemd/system/rescue.target", b"[Unit]\n");
    let found = missing_in(&rescue.findings().await);
    assert!(found.iter().any(|f| f.contains("the default target does not want it")), "{found:?}");
    let plain = whole();
    fs::set_permissions(plain.path("usr/bin/curl"), fs::Permissions::from_mode(0o644)).unwrap();
    expect(plain, "curl: gem5.service calls it").await;
    let wireless = whole();
    wireless.write("etc/systemd/network/80-dhcp.network", b"[Match]\nName=wl*\n[Network]\nDHCP=yes\n");
    expect(wireless, "DHCP: nobody asks").await;
}

#[tokio::test]
async fn other_ways_of_asking_for_an_address_are_known() {
    for (file, text) in [
        ("usr/lib/systemd/network/90-all.network", "[Match]\nType=ether\n[Network]\nDHCP = ipv4\n"),
        ("etc/systemd/network/a.network", "[Match]\nName=eth* en*\n[Network]\nDHCP=on\n"),
        ("etc/netplan/50.yaml", "network: {ethernets: {all: {match: {name: 'e*'}, dhcp4: true}}}\n"),
    ] {
        let files = Files::whole().without("etc/systemd/network/80-dhcp.network");
        files.write(file, text.as_bytes());
        let findings = files.findings().await;
        assert_eq!(missing_in(&findings), Vec::<String>::new(), "{file}");
    }
    let files = Files::whole().without("etc/systemd/network/80-dhcp.network");
    files.write(
        "usr/lib/systemd/network/80-c.network",
        b"[Match]\nKind=veth\nName=host0\nVirtualization=container\n[Network]\nDHCP=yes\n",
    );
    assert!(missing_in(&files.findings().await)[0].contains("DHCP"));
}

#[tokio::test]
async fn kernel_and_image_must_fit() {
    let files = Files::whole();
    let image = files.disk();
    let found = missing_in(&files.findings_of(&image, |given| given.initrd = None).await);
    assert!(found.len() == 1 && found[0].contains("virtio_blk, virtio_net are modules: give an --initrd"), "{found:?}");
    // The resources' own kernel is another one.
    fs::write(files.folder.path().join(KERNEL), bz_image()).unwrap();
    fs::rename(files.path(&format!("usr/lib/modules/{RELEASE}")), files.path("usr/lib/modules/5.0")).unwrap();
    fs::remove_file(&image).unwrap();
    let image = files.disk();
    let found = missing_in(&files.findings_of(&image, |given| (given.kernel, given.initrd) = (None, None)).await);
    assert!(found.len() == 1 && found[0].contains("has modules of 5.0") && found[0].contains("--kernel"), "{found:?}");
    let other = files.folder.path().join("text");
    fs::write(&other, "no kernel").unwrap();
    let found = missing_in(&files.findings_of(&image, |given| given.kernel = Some(&other)).await);
    assert!(found.len() == 1 && found[0].contains("neither a bzImage nor a vmlinux"), "{found:?}");
    let vmlinux = [&b"\x7fELFLinux version %s\0"[..], format!("Linux version {RELEASE} (x)\0").as_bytes()].concat();
    fs::write(&other, vmlinux).unwrap();
    let read = Kernel::read(&other).unwrap();
    assert_eq!(read.findings(&tree(&image).await, &given(&image)).len(), 1);
    // What gem5 needs is more.
    let found = missing_in(&files.findings_of(&image, |given| given.gem5 = true).await);
    assert!(found.iter().any(|f| f.contains("gem5.service: gem5 has no network")), "{found:?}");
    assert!(found.iter().any(|f| f.contains("gem5 needs its vmlinux")), "{found:?}");
}

fn given(image: &Path) -> BaseImage<'_> {
    BaseImage { image, kernel: Some(image), initrd: None, root: None, resources: image, gem5: false }
}

async fn tree(image: &Path) -> Tree {
    let disk = disk::open(image, image).await.unwrap();
    match disk.root(Some("LABEL=system")).await.unwrap() {
        Root::Found { tree, .. } => *tree,
        Root::NotRead(finding) => panic!("{finding:?}"),
    }
}

#[tokio::test]
async fn the_root_is_found_in_a_partition_of_a_qcow2_disk() {
    let files = Files::whole();
    let (whole, image) = (files.disk(), files.folder.path().join("disk.qcow2"));
    let raw = files.folder.path().join("parts");
    let mut bytes = vec![0; usize::try_from(FIRST).unwrap()];
    // One partition of Linux's in an MBR: its type, its first sector, its sectors.
    let (first, sectors) = (u32::try_from(FIRST / 512).unwrap(), 8u32 << 11);
    bytes[446 + 4] = 0x83;
    bytes[446 + 8..446 + 12].copy_from_slice(&first.to_le_bytes());
    bytes[446 + 12..446 + 16].copy_from_slice(&sectors.to_le_bytes());
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    bytes.extend(fs::read(&whole).unwrap());
    fs::write(&raw, bytes).unwrap();
    run("qemu-img", &["convert", "-f", "raw", "-O", "qcow2", text(&raw), text(&image)]);
    let found = missing_in(&files.findings_of(&image, |_| {}).await);
    assert!(found.len() == 1 && found[0].contains("ext4 in partition 1; give --root /dev/vda1"), "{found:?}");
    for root in ["/dev/vda1", "LABEL=system", "PARTUUID=00-01"] {
        let found = missing_in(&files.findings_of(&image, |given| given.root = Some(root)).await);
        assert_eq!(found, Vec::<String>::new(), "{root}");
    }
    let found = missing_in(&files.findings_of(&image, |given| given.gem5 = true).await);
    assert!(found[0].contains("without a partition table"), "{found:?}");
    // The copy of it is gone.
    let left = fs::read_dir(files.folder.path()).unwrap().filter(|e| {
        let name = e.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with(".doctor-")
    });
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn what_is_not_looked_into_is_said() {
    let files = Files::whole();
    let empty = files.folder.path().join("empty");
    fs::write(&empty, vec![0; 1 << 20]).unwrap();
    let findings = files.findings_of(&empty, |_| {}).await;
    assert!(findings.len() == 1 && findings[0].detail.contains("no ext4 file system"), "{findings:?}");
    let mut squashed = vec![0; 1 << 20];
    // A super block of SquashFS 4.0.
    squashed[..4].copy_from_slice(b"hsqs");
    squashed[28] = 4;
    fs::write(&empty, squashed).unwrap();
    let findings = files.findings_of(&empty, |_| {}).await;
    assert_eq!(findings[0].state, State::Note, "{findings:?}");
    assert!(findings[0].detail.contains("the disk is squashfs"), "{findings:?}");
    let damaged = files.disk();
    let mut bytes = fs::read(&damaged).unwrap();
    // Behind the first tables of the file system there are only folders and files.
    let half = bytes.len() / 16;
    bytes[half..].fill(0xff);
    fs::write(&damaged, bytes).unwrap();
    let findings = files.findings_of(&damaged, |given| given.root = Some("/dev/vda")).await;
    assert!(missing_in(&findings).iter().any(|f| f.contains("damaged")), "{findings:?}");
}

#[test]
fn devices_name_partitions() {
    let place = |partition| Place { partition, start: 0 };
    for (device, partition) in [
        ("/dev/vda", None),
        ("/dev/vda1", Some(1)),
        ("/dev/sda12", Some(12)),
        ("/dev/pmem0", None),
        ("/dev/pmem0p2", Some(2)),
        ("/dev/nvme0n1", None),
        ("/dev/nvme0n1p3", Some(3)),
    ] {
        assert!(place(partition).is_meant_by(device), "{device}");
        assert!(!place(Some(7)).is_meant_by(device), "{device}");
    }
}
