#!/bin/sh
# The cheap jobs of .github/workflows, and the action on one image, each step as the file writes it, in bare Debian roots. Needs root.
#
#   JOBS='lint unit action shards' sh scripts/workflows.sh
set -eu
cd "$(dirname "$0")/.."
status=0
for job in ${JOBS:-lint unit action}; do
    case $job in
        action)
            archive=target/workflow-function.tar
            rm -f "$archive"
            skopeo --insecure-policy copy --quiet "oci:${RESOURCES:-resources}/.work/layouts/fibonacci-go" "docker-archive:$archive:me/fibonacci-go:v1"
            set -- action.yml action --file "$archive" --input "images=${archive##*/}" --input functions=me/fibonacci-go:v1
            ;;
        shards)
            # The whole of function-test.yml: a plan, two jobs, a merge. The images come as an earlier job's artifact would bring them.
            set -- .github/workflows/function-test.yml all --input shards=2 --input functions='me/fibonacci-go:v1 me/aes-go:v1'
            images=
            for name in fibonacci-go aes-go; do
                archive=target/workflow-$name.tar
                rm -f "$archive"
                skopeo --insecure-policy copy --quiet "oci:${RESOURCES:-resources}/.work/layouts/$name" "docker-archive:$archive:me/$name:v1"
                set -- "$@" --file "$archive"
                images="$images${archive##*/}
"
            done
            set -- "$@" --input "images=$images"
            ;;
        *) set -- .github/workflows/test.yml "$job" ;;
    esac
    python3 scripts/workflow.py "$@" || status=1
done
exit $status
