#!/bin/bash
# In the docker base's guest, as root: what the engine hands to its runtime for each service of services.yaml, or says instead.
# In crun's place stands a program that keeps the settings and starts nothing.
set -u
cd /run/futon || exit 1
for file in image.tar services.yaml; do
    futon-guest get "$file" 2>/dev/null || curl -fsS -o "$file" "http://10.0.2.2:3003/$file" || exit 1
done
mkdir -p /root/starts
cat >/root/keeper <<'KEEPER'
#!/bin/sh
bundle='' log='' before=''
for word in "$@"; do
    case $before in --bundle) bundle=$word ;; --log) log=$word ;; esac
    before=$word
done
[ -z "$bundle" ] || cp "$bundle/config.json" /root/kept.json
echo '{"level":"error","msg":"kept"}' >>"$log"
exit 1
KEEPER
chmod 755 /root/keeper
mount --bind /root/keeper /usr/bin/crun
compose='/usr/libexec/docker/cli-plugins/docker-compose -f services.yaml'
docker load -qi image.tar || exit 1
# Those that Compose cannot even make would end the others.
refused='capbad wdrel memsmall cpusetbad stopbad'
# shellcheck disable=SC2046,SC2086 # lists of words
$compose create --no-build $($compose config --services | grep -vxF "$(printf '%s\n' $refused)") >create.log 2>&1 || exit 1
for service in $refused; do
    $compose create --no-build "$service" 2>&1 | sed -n 's/^Error response from daemon: //p' >"/root/starts/$service.error"
done
# shellcheck disable=SC2013 # names are words
for name in $(sed -n 's/.*container_name: \([a-z0-9]*\).*/\1/p' services.yaml); do
    [ ! -e "/root/starts/$name.error" ] || continue
    rm -f /root/kept.json
    why=$(docker start "$name" 2>&1)
    if [ -e /root/kept.json ]; then
        mv /root/kept.json "/root/starts/$name.json"
    else
        printf '%s\n' "$why" | sed -n 's/^Error response from daemon: //p' | head -n 1 >"/root/starts/$name.error"
    fi
done
tar -C /root/starts -cf starts.tar .
curl -fsS -F files=@starts.tar http://10.0.2.2:3003/upload
