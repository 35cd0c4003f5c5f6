//! QEMU's command line as a pure function.

use std::path::{Path, PathBuf};

use futon_model::{Accelerator, LeanBundle};

/// QEMU's strictest filter of system calls: no old ones, no other user, no new process, no say in scheduling.
pub(super) const SANDBOX: &str = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny";

/// The inputs of the command line.
#[derive(Debug, Clone)]
pub struct QemuArguments {
    /// Name of the function, for the process title.
    pub name: String,
    /// Accelerator.
    pub accelerator: Accelerator,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory, MiB.
    pub memory_mib: u32,
    /// Kernel, bzImage or a vmlinux with a PVH entry.
    pub kernel: PathBuf,
    /// Initrd, if the kernel needs one.
    pub initrd: Option<PathBuf>,
    /// Kernel command line.
    pub cmdline: String,
    /// The run's disk; none for the lean guest and the accelerator's probe.
    pub disk: Option<PathBuf>,
    /// The lean guest's bundle; it finds the drive by its serial number.
    pub bundle: Option<PathBuf>,
    /// Where the console goes.
    pub console: ConsoleTo,
    /// Descriptor of QMP's socket.
    pub qmp_fd: Option<i32>,
    /// Where the guest's memory is.
    pub memory: Memory,
    /// Whether the machine waits for another machine's state, given by QMP.
    pub incoming: bool,
    /// Whether QEMU filters its own system calls.
    pub sandbox: bool,
    /// Whether QEMU opens memory that it maps privately for reading only (8.2 and later can).
    pub memory_is_read: bool,
}

/// Where the guest's memory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Memory {
    /// In QEMU's own memory.
    Own,
    /// In a file, which keeps it after QEMU has ended.
    Shared(PathBuf),
    /// Mapped privately from a file: the guest's writes stay in QEMU.
    Private(PathBuf),
}

/// Where the guest's first serial port goes.
#[derive(Debug, Clone)]
pub enum ConsoleTo {
    /// Into a file.
    File(PathBuf),
    /// To a socket on this descriptor, and into a file.
    Socket(i32, PathBuf),
}

/// Arguments of `qemu-system-x86_64`, without the program's name.
#[must_use]
pub fn qemu_arguments(a: &QemuArguments) -> Vec<String> {
    let mut args = Vec::new();
    let mut push = |words: &[&str]| args.extend(words.iter().map(|w| (*w).to_owned()));

    // Only what is named here: no default devices, no user's configuration, no window.
    push(&["-name", &format!("futon-{}", a.name), "-nodefaults", "-no-user-config", "-display", "none"]);
    let machine = match &a.memory {
        Memory::Own => "q35",
        Memory::Shared(file) | Memory::Private(file) => {
            let share = match &a.memory {
                Memory::Shared(_) => "on",
                _ if a.memory_is_read => "off,readonly=on,rom=off",
                _ => "off",
            };
            let file = escape(file);
            let memory = format!("memory-backend-file,id=memory0,size={}M,share={share},mem-path={file}", a.memory_mib);
            push(&["-object", &memory]);
            "q35,memory-backend=memory0"
        }
    };
    push(&["-machine", machine, "-accel", accelerator(a.accelerator), "-cpu", cpu(a.accelerator)]);
    push(&["-smp", &a.vcpus.to_string(), "-m", &format!("{}M", a.memory_mib)]);
    // A guest that resets ends: with panic=-1 on its command line a kernel panic does, too.
    push(&["-no-reboot"]);
    push(&["-kernel", &path(&a.kernel)]);
    if let Some(initrd) = &a.initrd {
        push(&["-initrd", &path(initrd)]);
    }
    push(&["-append", &a.cmdline]);
    if let Some(disk) = &a.disk {
        // cache=unsafe: the overlay is thrown away, and a host crash loses the run anyway.
        let drive = format!("if=none,id=disk0,format=qcow2,cache=unsafe,file={}", escape(disk));
        push(&["-drive", &drive, "-device", "virtio-blk-pci,drive=disk0"]);
    }
    if let Some(bundle) = &a.bundle {
        let drive = format!("if=none,id=bundle0,format=raw,readonly=on,file={}", escape(bundle));
        let device = format!("virtio-blk-pci,drive=bundle0,serial={}", LeanBundle::DISK_SERIAL);
        push(&["-drive", &drive, "-device", &device]);
    }
    // The accelerator's probe has none of these: nothing talks to it.
    if a.qmp_fd.is_some() {
        push(&["-netdev", "user,id=net0", "-device", "virtio-net-pci,netdev=net0,romfile="]);
        push(&["-object", "rng-random,id=rng0,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng0"]);
    }
    let console = match &a.console {
        ConsoleTo::File(file) => format!("file,id=console0,path={}", escape(file)),
        ConsoleTo::Socket(fd, file) => format!("socket,id=console0,fd={fd},logfile={}", escape(file)),
    };
    push(&["-chardev", &console, "-serial", "chardev:console0"]);
    if let Some(fd) = a.qmp_fd {
        push(&["-chardev", &format!("socket,id=qmp0,fd={fd}"), "-mon", "chardev=qmp0,mode=control"]);
    }
    if a.sandbox {
        push(&["-sandbox", SANDBOX]);
    }
    if a.incoming {
        push(&["-incoming", "defer"]);
    }
    args
}

fn accelerator(accelerator: Accelerator) -> &'static str {
    match accelerator {
        Accelerator::Kvm => "kvm",
        // The translation buffer is given: QEMU's own default is an eighth of the guest's memory or more.
        Accelerator::Tcg | Accelerator::Simulated | Accelerator::None => "tcg,thread=multi,tb-size=512",
    }
}

fn cpu(accelerator: Accelerator) -> &'static str {
    match accelerator {
        Accelerator::Kvm => "host",
        // Without the flags of fast string moves the guest copies in wide loops: TCG executes `rep movsb` byte by byte.
        Accelerator::Tcg | Accelerator::Simulated | Accelerator::None => "max,erms=off,fsrm=off",
    }
}

fn path(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Doubles commas, as QEMU's option parser requires.
pub(crate) fn escape(file: &Path) -> String {
    path(file).replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments() -> QemuArguments {
        QemuArguments {
            name: "fibonacci-go".into(),
            accelerator: Accelerator::Tcg,
            vcpus: 2,
            memory_mib: 2048,
            kernel: "/r/kernel".into(),
            initrd: Some("/r/initrd".into()),
            cmdline: "console=ttyS0 root=/dev/vda".into(),
            disk: Some("/w,1/disk.qcow2".into()),
            bundle: None,
            console: ConsoleTo::File("/w/console.log".into()),
            qmp_fd: Some(4),
            memory: Memory::Own,
            incoming: false,
            sandbox: true,
            memory_is_read: false,
        }
    }

    #[test]
    fn the_whole_line() {
        let line = qemu_arguments(&arguments()).join(" ");
        assert_eq!(
            line,
            "-name futon-fibonacci-go -nodefaults -no-user-config -display none -machine q35 \
             -accel tcg,thread=multi,tb-size=512 -cpu max,erms=off,fsrm=off -smp 2 -m 2048M -no-reboot -kernel /r/kernel -initrd /r/initrd \
             -append console=ttyS0 root=/dev/vda -drive if=none,id=disk0,format=qcow2,cache=unsafe,file=/w,,1/disk.qcow2 \
             -device virtio-blk-pci,drive=disk0 -netdev user,id=net0 -device virtio-net-pci,netdev=net0,romfile= \
             -object rng-random,id=rng0,filename=/dev/urandom -device virtio-rng-pci,rng=rng0 \
             -chardev file,id=console0,path=/w/console.log -serial chardev:console0 \
             -chardev socket,id=qmp0,fd=4 -mon chardev=qmp0,mode=control \
             -sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
        );
    }

    #[test]
    fn a_fork_maps_the_memory_privately_and_is_otherwise_the_machine_that_was_saved() {
        let line = |memory, incoming| qemu_arguments(&QemuArguments { memory, incoming, ..arguments() }).join(" ");
        let saved = line(Memory::Shared("/w/memory".into()), false);
        let fork = line(Memory::Private("/w/memory".into()), true);
        assert!(
            saved.contains("-object memory-backend-file,id=memory0,size=2048M,share=on,mem-path=/w/memory"),
            "{saved}"
        );
        assert_eq!(fork, saved.replace("share=on", "share=off") + " -incoming defer");
        let reading =
            QemuArguments { memory: Memory::Private("/w/memory".into()), memory_is_read: true, ..arguments() };
        assert!(qemu_arguments(&reading).join(" ").contains("share=off,readonly=on,rom=off,mem-path=/w/memory"));
    }

    #[test]
    fn kvm_uses_the_hosts_processor() {
        let line = qemu_arguments(&QemuArguments { accelerator: Accelerator::Kvm, ..arguments() }).join(" ");
        assert!(line.contains("-accel kvm -cpu host"), "{line}");
    }

    #[test]
    fn a_probe_has_neither_disk_nor_network() {
        let line = qemu_arguments(&QemuArguments { disk: None, qmp_fd: None, ..arguments() }).join(" ");
        assert!(!line.contains("-drive") && !line.contains("-netdev") && !line.contains("-mon"), "{line}");
    }

    #[test]
    fn the_lean_guest_has_a_network_and_no_disk() {
        let line = qemu_arguments(&QemuArguments { disk: None, ..arguments() }).join(" ");
        assert!(!line.contains("-drive"), "{line}");
        let bundle = Some("/w/bundle.tar".into());
        let line = qemu_arguments(&QemuArguments { disk: None, bundle, ..arguments() }).join(" ");
        assert!(
            line.contains("readonly=on,file=/w/bundle.tar -device virtio-blk-pci,drive=bundle0,serial=futon-bundle")
        );
        assert!(!line.contains("qcow2") && line.contains("virtio-net-pci") && line.contains("virtio-rng"), "{line}");
    }

    #[test]
    fn a_shell_gets_the_console_on_a_socket() {
        let console = ConsoleTo::Socket(5, "/w/console.log".into());
        let line = qemu_arguments(&QemuArguments { console, ..arguments() }).join(" ");
        assert!(
            line.contains("-chardev socket,id=console0,fd=5,logfile=/w/console.log -serial chardev:console0"),
            "{line}"
        );
    }
}
