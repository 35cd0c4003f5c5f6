#!/bin/sh
# emulator.sh OUT ROOT SOURCES: AWS Lambda's runtime interface emulator, static.
set -eu
# shellcheck disable=SC2034 # for enter
made=$1 root=$2/root sources=$3
# shellcheck source=images/functions/stages/enter.sh
. "$(dirname "$0")/enter.sh"

# It wants a newer Go than Debian's, which that one fetches as a Go module (70 MB, once).
enter "$root" sh -euc '
	export GOTOOLCHAIN=auto GOCACHE=/cache/go GOMODCACHE=/cache/gomod CGO_ENABLED=0 GOOS=linux GOARCH=amd64
	exec go build -C /src -mod=readonly -buildvcs=false -trimpath -ldflags "-s -w" -o /out/ \
		github.com/aws/aws-lambda-runtime-interface-emulator/cmd/aws-lambda-rie
'
