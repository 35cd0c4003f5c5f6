# shellcheck shell=sh
# Sourced by scripts that try things in bare Debian roots: makes one, and enters it as a user. The caller sets `images` (the recipes' folder),
# and `work` (a folder for roots and logs), and is root.
# shellcheck disable=SC2154 # images, work: set by the caller

# bare_root SUITE PACKAGES: what an administrator has after the smallest installation and these packages (with commas between), and how
# this host reaches the network. It is $work/root-SUITE.
bare_root() {
    bare=$work/root-$1 suite=$1 packages=$2
    rm -rf "$bare"
    mkdir -p "$bare" "$work/made"
    # shellcheck source=images/keyring.sh
    . "$images/keyring.sh"
    apt-config dump Acquire | grep -iE '(::Proxy|::CAInfo)' >"$work/made/apt.conf" || echo 'Acquire::Languages "none";' >"$work/made/apt.conf"
    mmdebstrap --quiet --mode=root --variant=minbase "$@" "--include=$packages" --aptopt="$work/made/apt.conf" \
        --format=directory "$suite" "$bare" >"$work/root-$suite.log" 2>&1 || { tail -n 20 "$work/root-$suite.log" >&2; return 1; }
    cp /etc/resolv.conf "$bare/etc/resolv.conf"
    echo '127.0.0.1 localhost' >"$bare/etc/hosts"
    [ ! -f /etc/pip.conf ] || cp /etc/pip.conf "$bare/etc/pip.conf"
    # Authorities of the host's own network.
    mkdir -p "$bare/usr/local/share/ca-certificates"
    cp /usr/local/share/ca-certificates/*.crt "$bare/usr/local/share/ca-certificates/" 2>/dev/null || true
    chroot "$bare" update-ca-certificates >/dev/null 2>&1
    chroot "$bare" useradd --create-home --shell /bin/bash me
    echo 'me ALL=(ALL) NOPASSWD: ALL' >"$bare/etc/sudoers.d/me"
}

# enter ROOT USER FOLDER COMMAND…: runs a command in a root that is a mount namespace's own root: one entered by chroot would refuse user
# namespaces. FOLDER is below the user's home.
enter() {
    # shellcheck disable=SC2016 # the inner shell expands
    unshare --mount --pid --fork --kill-child --propagation private sh -euc '
        root=$1 user=$2 folder=$3
        shift 3
        mount --bind "$root" "$root"
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount -t sysfs sysfs "$root/sys"
        mount -t tmpfs -o mode=755 tmpfs "$root/run"
        cd "$root"
        mkdir -p .old
        pivot_root . .old
        cd /
        umount -l /.old
        rmdir /.old
        home=$(getent passwd "$user" | cut -d: -f6)
        cd "$home/$folder"
        exec setpriv --reuid "$user" --regid "$user" --init-groups env -i "$@"
    ' enter "$@" </dev/null
}
