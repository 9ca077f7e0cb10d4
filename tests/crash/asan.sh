#!/bin/bash
# asan.sh - a sample of every pass under sanitizers, at least 200,000 different images.
#
#   tests/crash/asan.sh build/asan/crash [CRASH-ARGUMENTS...]
#
# A report of a sanitizer ends the child process that was exploring, which is a violation
# there. The first two runs come to more than the demanded images, however busy the machine
# is; the passes that are cut off by time add what they can. Last line:
#   crash-asan: P passes, D distinct images, V violations
set -u
crash=$1
shift
DEMANDED=200000
out=$(mktemp)
trap 'rm -f "$out"' EXIT
passes=0 distinct=0 violations=0

explore() {
    timeout 300 "$crash" --quiet "$@" > "$out" 2>&1
    local code=$? d v
    read -r d v < <(sed -nE \
        's/^crash: .* ([0-9]+) distinct, .* ([0-9]+) violations$/\1 \2/p' "$out" | tail -n 1)
    d=${d:-0} v=${v:-0}
    [ $code -ne 0 ] && [ "$v" -eq 0 ] && v=1
    [ "$v" -ne 0 ] && cat "$out"
    echo "  $d distinct images, $v violations: $*"
    passes=$((passes + 1)) distinct=$((distinct + d)) violations=$((violations + v))
}

explore --pass cuts --shard 0/6 --walk 2000 --deviations 1 --samples 200 --inner 32 "$@"
explore --pass server --shard 0/10 --walk 1000 --deviations 1 --samples 200 --inner 16 "$@"
explore --pass torn --shard 0/10 --walk 100 --samples 20 --seconds 1 "$@"
explore --pass deep --seconds 1 "$@"
explore --scenario race-compact --preemptions 1 --shard 0/4 "$@"

if [ $distinct -lt $DEMANDED ]; then
    echo "only $distinct distinct images; at least $DEMANDED are demanded"
    violations=$((violations + 1))
fi
echo "crash-asan: $passes passes, $distinct distinct images, $violations violations"
[ $violations -eq 0 ]
