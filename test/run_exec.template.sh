#!/bin/sh
# `futon exec`: runs a user's script unchanged, uploads its output, and switches the machine off. Its exit status decides.
# A script may also upload its own results.log and power off: then nothing below its end happens.
set -u

# Some initrds mount /run with noexec.
while read -r _ at _ options _; do
    case "$at $options" in '/run '*noexec*) mount -o remount,exec /run ;; esac
done </proc/mounts

folder=/run/futon-exec
mkdir -p $folder
cat >$folder/script <<'<__END__>'
<__SCRIPT__>
<__END__>
chmod 755 $folder/script

# As a shell would start it: a file whose first line names no interpreter runs in bash, if there is bash. If the named shell
# does not exist, sh is used.
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
# Also to the console, where no program's output may look like the kernel's.
sed 's/^/| /' $folder/output
# A copy: the script's background processes may keep writing.
cp $folder/output $folder/results.log
# A script's output need not end with a newline; the deciding line must be separate.
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
