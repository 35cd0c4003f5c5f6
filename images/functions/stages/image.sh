#!/bin/sh
# image.sh OUT NAME FUNCTIONS STAGES: the OCI image layout of one function.
set -eu
made=$1 name=$2 functions=$3 stages=$4

b() {
	buildah --root "$FUTON_WORK/storage" --runroot "$FUTON_WORK/run" --storage-driver vfs "$@"
}

# One date for all files and for the image: the same input gives the same digest.
commit() {
	b commit --quiet --rm --format oci --timestamp 0 "$1" "$2" >/dev/null
}

# layer PARENT STAGE: the image of PARENT with a stage's files on top, made once
# for each content; its name goes to $layer. The name is the same for all
# contents, because images note their parents' names.
layer() {
	layer=localhost/futon-$2:latest
	wanted=$(cat "$stages/base.inputs" "$stages/$2.inputs" "$0" | sha256sum)
	if [ "$(cat "$stages/layer-$2" 2>/dev/null)" = "$wanted" ] && b inspect --type image "$layer" >/dev/null 2>&1; then
		return 0
	fi
	rm -f "$stages/layer-$2"
	container=$(b from --pull-never "$1")
	cp -a "$stages/$2/." "$(b mount "$container")/"
	b umount "$container" >/dev/null
	commit "$container" "$layer"
	echo "$wanted" >"$stages/layer-$2"
}

case $name in
*-go | *-rust) layer=scratch ;;
*-python)
	layer scratch base
	layer "$layer" python
	;;
*-nodejs)
	layer scratch base
	layer "$layer" nodejs
	;;
memcached)
	layer scratch base
	layer "$layer" memcached
	;;
esac

container=$(b from --pull-never "$layer")
root=$(b mount "$container")
mkdir -p "$root/app"
# Files for all of a kind, then what a function has for itself.
case $name in
*-go) cp "$stages/go/$name" "$root/app/server" ;;
*-rust) cp "$stages/rust-$name/$name" "$root/app/server" ;;
*-python)
	[ ! -d "$stages/wheels-$name" ] || cp -a "$stages/wheels-$name/." "$root"
	case $name in
	lambda-*) install -D -t "$root/usr/local/bin" "$stages/emulator/aws-lambda-rie" ;;
	http-*) ;;
	*) cp "$functions/python/serve.py" "$root/app" ;;
	esac
	cp "$functions/$name"/*.py "$root/app"
	chroot "$root" /usr/bin/python -m compileall -q --invalidation-mode unchecked-hash /app
	;;
# serve.js is in the shared layer.
*-nodejs) cp "$functions/$name"/*.js "$root/app" ;;
esac
port=50051
case $name in
http-*) port=8080 entry='["python","-m","functions_framework","--target=handle","--source=/app/server.py"]' ;;
lambda-*) port=8080 entry='["/usr/local/bin/aws-lambda-rie","python","-m","awslambdaric","server.handle"]' ;;
memcached) port=11211 entry='["memcached","-u","nobody"]' ;;
*-go | *-rust) entry='["/app/server","-addr=0.0.0.0:50051"]' ;;
*-python) entry='["python","/app/server.py","--addr=0.0.0.0","--port=50051"]' ;;
*-nodejs) entry='["node","server.js","--addr=0.0.0.0","--port=50051"]' ;;
esac
b umount "$container" >/dev/null
b config --created-by "futon images/functions" --arch amd64 --os linux --workingdir /app --port "$port/tcp" \
	--entrypoint "$entry" --cmd '' \
	--env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
[ "${name%-python}" = "$name" ] || b config --env PYTHONUNBUFFERED=1 --env PYTHONDONTWRITEBYTECODE=1 "$container"
commit "$container" "localhost/$name:latest"

# Layers stay uncompressed: an emulated machine hashes faster than it unpacks,
# and nothing has to be compressed here. buildah compresses whatever it pushes
# to an oci: layout, so push to a plain folder and lay that out.
b push --quiet --disable-compression --format oci "localhost/$name:latest" "dir:$made"
rm -f "$made/version"
blobs=$made/blobs/sha256 pool=$FUTON_WORK/blobs
mkdir -p "$blobs" "$pool"
digest=$(sha256sum "$made/manifest.json" | cut -c1-64)
size=$(wc -c <"$made/manifest.json")
mv "$made/manifest.json" "$made/$digest"
for blob in "$made"/????????????????????????????????????????????????????????????????; do
	id=${blob##*/}
	# One file for a layer that several layouts hold, where links work.
	ln -f "$pool/$id" "$blob" 2>/dev/null || ln "$blob" "$pool/$id" 2>/dev/null || true
	mv "$blob" "$blobs/$id"
done
find "$pool" -type f -links 1 -delete
printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s","digest":"sha256:%s","size":%s,"annotations":{"%s":"%s"}}]}' \
	application/vnd.oci.image.manifest.v1+json "$digest" "$size" \
	org.opencontainers.image.ref.name latest >"$made/index.json"
printf '{"imageLayoutVersion":"1.0.0"}' >"$made/oci-layout"
