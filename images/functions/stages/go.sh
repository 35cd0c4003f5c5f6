#!/bin/sh
# go.sh OUT ROOT FUNCTIONS: the Go functions' static programs, one file a function.
set -eu
# shellcheck disable=SC2034 # for enter
made=$1 root=$2/root sources=$3
# shellcheck source=images/functions/stages/enter.sh
. "$(dirname "$0")/enter.sh"

# All of them at once: they share nearly all they compile.
enter "$root" sh -euc '
	export GOTOOLCHAIN=local GOCACHE=/cache/go GOMODCACHE=/cache/gomod CGO_ENABLED=0 GOOS=linux GOARCH=amd64
	exec go build -C /src -mod=readonly -buildvcs=false -trimpath -ldflags "-s -w" -o /out/ ./...
'
