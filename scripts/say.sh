#!/bin/sh
# One line of progress, marked so that it is found in a long log.
printf '==> %s\n' "$*" >&2
