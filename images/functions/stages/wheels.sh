#!/bin/sh
# wheels.sh OUT ROOT FUNCTION: the wheels that one Python function has for itself, compiled ahead.
set -eu
# shellcheck disable=SC2034 # for enter
made=$1 root=$2 sources=$3
# shellcheck source=images/functions/stages/enter.sh
. "$(dirname "$0")/enter.sh"
# shellcheck source=images/functions/stages/pip.sh
. "$(dirname "$0")/pip.sh"

install_wheels "$root/root"
rm -rf "${made:?}/$packages/bin"
enter "$root/root" python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash -s /out "/out/$packages"
