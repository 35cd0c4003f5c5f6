# shellcheck shell=sh
# Sourced by customize.sh inside the new root: the kernel, its modules and a small initrd, all in the current folder.

# --- Kernel: Debian's cloud kernel, its files only. Its package would want an initramfs generator.
apt-get -qq update >/dev/null 2>&1 || true
image=$(apt-cache depends --no-recommends --no-suggests linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
[ -n "$image" ] || { echo "base image: no kernel behind linux-image-cloud-amd64" >&2; exit 1; }
apt-get -qq -o APT::Sandbox::User=root download "$image"
dpkg-deb -x linux-image-*.deb kernel-files
version=$(ls kernel-files/usr/lib/modules)
mkdir -p /usr/lib/modules
mv "kernel-files/usr/lib/modules/$version" "/usr/lib/modules/$version"
# shellcheck disable=SC2016 # dpkg-deb expands
dpkg-deb -W --showformat='${Package}\t${Version}\n' linux-image-*.deb >kernel-package

# Modules and kernel uncompressed, modules without their signatures: under emulation to unpack and to verify them costs
# seconds at every boot. The kernel does not insist on signatures; it notes that modules have none.
modules=/usr/lib/modules/$version
find "$modules" -name '*.ko.xz' -exec xz -d {} +
find "$modules" -name '*.ko' -exec sh "$PWD/unsign.sh" {} +
sed -i 's/\.ko\.xz/.ko/' "$modules/modules.order"
depmod "$version"

# bzImage: a boot header whose fields say where the compressed kernel (an ELF file) lies.
vmlinuz=kernel-files/boot/vmlinuz-$version
field() { od -An -t"u$2" -j"$1" -N"$2" "$vmlinuz" | tr -d ' '; }
offset=$((($(field 497 1) + 1) * 512 + $(field 584 4)))
length=$(field 588 4)
# The last four bytes are the size of the contents.
tail -c "+$((offset + 1))" "$vmlinuz" | head -c "$((length - 4))" >vmlinux.zst
/usr/lib/apt/apt-helper cat-file "$PWD/vmlinux.zst" >kernel
[ "$(head -c 4 kernel | tail -c 3)" = ELF ] || { echo "base image: the kernel's payload is not as expected" >&2; exit 1; }

# --- Initrd: the guest tool as /init and the root disk's drivers.
mkdir initrd-root
cp /usr/local/sbin/futon-guest initrd-root/init
: >initrd-root/modules.list
add_driver() {
    # $1 module, $2 start of the root= values that need it; dependencies first.
    modprobe -S "$version" --show-depends "$1" | sed -n 's/^insmod \([^ ]*\).*/\1/p' | while read -r path; do
        name=${path##*/}
        grep -q "^/$name" initrd-root/modules.list && continue
        cp "$path" "initrd-root/$name"
        printf '/%s %s\n' "$name" "$2" >>initrd-root/modules.list
    done
}
add_driver virtio_blk /dev/vd
for driver in sd_mod ata_piix ahci virtio_scsi; do
    add_driver "$driver" /dev/sd
done
# A root disk that is memory: staging machines have it (docs/gem5.md).
for driver in nd_e820 nd_pmem; do
    add_driver "$driver" /dev/pmem
done
(cd initrd-root && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) >initrd
