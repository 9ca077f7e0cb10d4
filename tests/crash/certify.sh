#!/bin/bash
# certify.sh - the completeness certificate: the walk visits what a second program counts,
# and a walk that skips every thousandth image is caught.
#
#   tests/crash/certify.sh build/crash/crash
set -u
cd "$(dirname "$0")/../.." || exit 1
crash=$1 table=tests/crash/certificates.txt
out=$(mktemp)
trap 'rm -f "$out"' EXIT
"$crash" --trace - | tests/crash/count.py --check "$table"
good=$?
if "$crash" --trace - --skip-every 1000 | tests/crash/count.py --check "$table" > "$out"; then
    echo "a walk that skips every thousandth image was not caught"
    good=1
fi
if [ "$good" -eq 0 ]; then echo "2 passed, 0 failed"; else echo "0 passed, 1 failed"; fi
exit "$good"
