#!/bin/sh
# Runs inside the new root, as images/base/customize.sh does for futon's image: the same packages, with Debian's own settings. Kernel,
# modules and initrd are futon's, which boot sooner than Debian's would. What is here is what the documented flow cannot do without.
set -eu
cd /futon-build

# shellcheck source=images/base/kernel.sh
. ./kernel.sh

systemctl --quiet enable gem5.service systemd-networkd.service docker.service

echo plain >/etc/hostname
rm -f /etc/resolv.conf
printf 'nameserver 10.0.2.3\n' >/etc/resolv.conf
# The engine looks this name up at every pull, and without a network waits ten seconds for it: no fault of the documented flow's.
cat >/etc/hosts <<'HOSTS'
127.0.0.1 localhost
127.0.1.1 plain
127.0.0.1 docker.io registry-1.docker.io auth.docker.io index.docker.io
HOSTS

dpkg-query -W >packages.txt
cat kernel-package >>packages.txt
rm -rf kernel-files linux-image-*.deb vmlinux.zst initrd-root kernel-package /usr/local/sbin/futon-guest
# As on a disk that has booted before: nothing is left to be done once.
systemd-machine-id-setup >/dev/null 2>&1
touch -r /usr /etc/.updated /var/.updated
