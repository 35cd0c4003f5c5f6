#!/bin/sh
# On a CI runner: lets this user use KVM, where there is one. Whether it is worth using futon finds out by itself: it takes KVM only where a
# machine boots under it as fast as without.
set -eu
if [ ! -e /dev/kvm ]; then
    echo 'KVM: this runner has none; machines are emulated'
elif [ -r /dev/kvm ] && [ -w /dev/kvm ]; then
    echo 'KVM: it can be used'
else
    # The runner is thrown away after the job.
    sudo chmod 666 /dev/kvm
    echo 'KVM: it can be used now'
fi
