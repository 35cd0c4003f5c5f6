#!/bin/sh
# On a CI runner: lets this user use KVM if the runner has it. futon itself finds out whether KVM helps: it uses KVM only if a
# machine boots under it as fast as without.
set -eu
if [ ! -e /dev/kvm ]; then
    echo 'KVM: this runner does not have it; machines are emulated'
elif [ -r /dev/kvm ] && [ -w /dev/kvm ]; then
    echo 'KVM: it can be used'
else
    # The runner is thrown away after the job.
    sudo chmod 666 /dev/kvm
    echo 'KVM: it can be used now'
fi
