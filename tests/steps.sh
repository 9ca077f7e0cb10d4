#!/bin/bash
# steps.sh - runs make targets one after the other and adds up what they counted.
#
#   tests/steps.sh "make -j2" TARGET...
#
# The last line of a target says what came of it, in one of two forms:
#   12 passed, 0 failed
#   name: 12 things, 3 others, 0 failed       (or "violations", "findings")
# A target that fails without counting a failure, that counts nothing, or that says SKIP
# at the start of a line, is a failure. The last line of all is "N passed, N failed".
set -u

make=$1
shift
passed=0 failed=0
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT

# Sets p and f from the last line of the log.
count() {
    local line bad='([0-9]+) (failed|violations?|findings?)([^0-9]|$)'
    line=$(grep -v '^[[:space:]]*$' "$log" | tail -n 1)
    p=0 f=0
    [[ $line =~ $bad ]] || { echo "no count in the last line: $line"; f=1; return; }
    f=${BASH_REMATCH[1]}
    if [[ $line =~ ([0-9]+)\ passed ]]; then
        p=${BASH_REMATCH[1]}
    elif [[ $line =~ :\ ([0-9]+)\  ]]; then
        p=$((BASH_REMATCH[1] > f ? BASH_REMATCH[1] - f : 0))
    fi
}

for step in "$@"; do
    echo "== $step"
    start=$SECONDS
    # shellcheck disable=SC2086 # $make is a command with its flags
    $make "$step" 2>&1 | tee "$log"
    code=${PIPESTATUS[0]}
    sed -i '/^make.*: \*\*\*/d' "$log"
    count
    skips=$(grep -c '^SKIP' "$log")
    f=$((f + skips))
    [ "$code" -ne 0 ] && [ "$f" -eq 0 ] && f=1
    [ "$p" -eq 0 ] && [ "$f" -eq 0 ] && f=1
    echo "$step: $p passed, $f failed, $((SECONDS - start)) s"
    passed=$((passed + p)) failed=$((failed + f))
    [ "$f" -ne 0 ] && red="${red:-} $step"
done

[ "$failed" -ne 0 ] && echo "failed:${red}"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
