#!/bin/sh
# Second half of the base image's recipe: runs inside the new root, as its root, before the disk is written. See build.sh.
set -eu
cd /futon-build

# shellcheck source=images/base/kernel.sh
. ./kernel.sh

# --- Services.
ln -sf futon-guest /usr/local/sbin/m5
systemctl --quiet set-default multi-user.target
systemctl --quiet enable gem5.service systemd-networkd.service docker.service futon-nat.service
mask() { for unit in "$@"; do ln -sf /dev/null "/etc/systemd/system/$unit"; done; }
# What wakes by the calendar would disturb measurements.
mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer logrotate.timer man-db.timer \
    systemd-tmpfiles-clean.timer
# What waits for a network, for people, or for a first boot that was never meant to be.
mask systemd-networkd-wait-online.service getty-static.service getty@tty1.service autovt@.service systemd-ask-password-console.path \
    systemd-ask-password-wall.path systemd-firstboot.service systemd-machine-id-commit.service systemd-sysusers.service ldconfig.service \
    systemd-hwdb-update.service systemd-journal-catalog-update.service systemd-update-done.service
# What writes or reads what nobody needs here.
mask e2scrub_reap.service systemd-journal-flush.service systemd-pstore.service systemd-random-seed.service systemd-remount-fs.service \
    systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-user-sessions.service systemd-logind.service \
    systemd-timesyncd.service systemd-networkd-persistent-storage.service systemd-network-generator.service \
    systemd-udev-load-credentials.service systemd-binfmt.service systemd-pcrphase-sysinit.service \
    systemd-tmpfiles-setup-dev-early.service systemd-tmpfiles-setup-dev.service kmod-static-nodes.service modprobe@.service
mask dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount \
    proc-sys-fs-binfmt_misc.automount systemd-hostnamed.socket systemd-creds.socket systemd-sysext.socket systemd-pcrextend.socket \
    systemd-pcrlock.socket systemd-bootctl.socket systemd-initctl.socket
mkdir -p /etc/systemd/system-generators
for generator in debug gpt-auto hibernate-resume rc-local run ssh system-update sysv tpm2; do
    ln -sf /dev/null "/etc/systemd/system-generators/systemd-$generator-generator"
done

# Containers' interfaces are the engine's: no unit and no program of systemd for each that comes (udev asks it for one).
sed -e '/SUBSYSTEM=="net"/d' /usr/lib/udev/rules.d/99-systemd.rules >/etc/udev/rules.d/99-systemd.rules

# The engine need not wait until containerd has started: it waits for containerd's socket itself.
sed -e '/^After=/s/ containerd\.service//' -e '/^After=/s/ network-online\.target//' -e '/^Wants=network-online\.target/d' \
    /usr/lib/systemd/system/docker.service >/etc/systemd/system/docker.service
# containerd needs neither the network nor its kernel module loaded once more: it starts as early as it can.
sed -e '/^After=/d' -e '/^ExecStartPre=/d' /usr/lib/systemd/system/containerd.service >/etc/systemd/system/containerd.service
# For futon-nat.service's one rule: the older interface starts in half the time.
update-alternatives --quiet --set iptables /usr/sbin/iptables-legacy

# --- Small things.
echo futon >/etc/hostname
# mmdebstrap puts the host's here while it works; it must not stay.
rm -f /etc/resolv.conf
# Where nothing is to be reached, a name is soon given up: the default would be ten seconds each.
printf 'nameserver 10.0.2.3\noptions timeout:2 attempts:1\n' >/etc/resolv.conf
# The engine must not find its default registry behind the exchange's back; futon.network=host takes these lines out.
# (docker.io itself is only ever looked up, at every pull.)
cat >/etc/hosts <<'HOSTS'
127.0.0.1 localhost
127.0.1.1 futon
::1 localhost ip6-localhost ip6-loopback
127.0.0.1 docker.io registry-1.docker.io auth.docker.io index.docker.io # futon
HOSTS
# Empty, not absent: no first-boot questions, a new id at every boot of the unwritten image.
: >/etc/machine-id
# No password, no way to guess one: root is reached by the serial console of `futon shell` alone.
passwd --quiet --lock root

dpkg-query -W >packages.txt
cat kernel-package >>packages.txt
rm -rf kernel-files linux-image-*.deb vmlinux.zst initrd-root kernel-package
rm -rf /usr/share/doc/* /usr/share/man/* /usr/share/info/* /var/cache/debconf/*-old /var/lib/dpkg/*-old /var/log/*.log /var/log/apt
rm -f /etc/dpkg/dpkg.cfg.d/99mmdebstrap
# Up to date, says systemd, when these are not older than /usr.
touch -r /usr /etc/.updated /var/.updated
