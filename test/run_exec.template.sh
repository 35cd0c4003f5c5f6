#!/bin/sh
# `futon exec`: runs a script of the user's as it is, uploads what it printed, and switches the machine off. Its exit status decides.
# A script that uploads a results.log of its own and powers off is free to: then nothing below its end happens.
set -u

# Some initrds mount /run without the right to execute.
while read -r _ at _ options _; do
    case "$at $options" in '/run '*noexec*) mount -o remount,exec /run ;; esac
done </proc/mounts

folder=/run/futon-exec
mkdir -p $folder
cat >$folder/script <<'<__END__>'
<__SCRIPT__>
<__END__>
chmod 755 $folder/script

# As a shell that starts it would: a file whose first line names no interpreter is for bash, where there is one. A shell that is named and
# is not there has sh in its place.
run_script() {
    IFS= read -r first <$folder/script
    case $first in
    '#!'*)
        # shellcheck disable=SC2086 # words are meant: the interpreter is the first
        set -- ${first#??}
        case ${1##*/} in
        sh | bash | dash | ash) [ -x "$1" ] || { echo "futon: there is no $1 here: sh runs the script"; set -- sh; } ;;
        esac
        [ "$1" != sh ] || { sh $folder/script; return; }
        $folder/script
        ;;
    *) if [ -x /bin/bash ]; then /bin/bash $folder/script; else sh $folder/script; fi ;;
    esac
}
run_script </dev/null >$folder/output 2>&1
status=$?
# To the console, too, where nothing that a program says may look like the kernel's.
sed 's/^/| /' $folder/output
# A copy: what the script has left running may write on.
cp $folder/output $folder/results.log
# What a script printed last need not end with a newline; the line that decides stands by itself.
[ -z "$(tail -c 1 $folder/results.log)" ] || echo >>$folder/results.log
if [ "$status" -eq 0 ]; then
    echo 'SUCCESS: All commands completed successfully'
else
    echo "FAIL: the script's exit status is $status"
fi >>$folder/results.log

upload() {
    if command -v futon-guest >/dev/null; then
        futon-guest put $folder/results.log
        return
    fi
    gateway=$(ip -4 route show default 2>/dev/null | sed -n 's/.* via \([0-9.]*\).*/\1/p' | head -n 1)
    for url in ${gateway:+http://$gateway:3003} http://10.0.2.2:3003; do
        curl -fsS --max-time 60 -F "files=@$folder/results.log" "$url/upload" && return
    done
    return 1
}
upload || echo 'futon: results.log could not be uploaded'

command -v futon-guest >/dev/null && futon-guest poweroff
sync
poweroff -f || echo o >/proc/sysrq-trigger
