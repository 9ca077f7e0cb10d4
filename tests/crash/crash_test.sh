#!/bin/bash
# crash_test.sh - the program `crash`: its words, its files, its exit codes.
#
#   tests/crash/crash_test.sh build/crash/crash
set -u
crash=$1
passed=0 failed=0
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

claim() {
    if eval "$2"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL: $1"
    fi
}

"$crash" --list > "$out/list"
claim "waiting scenarios are listed" 'grep -q "waits for" "$out/list"'

"$crash" --quiet --scenario put-always --json "$out/json" > "$out/run"
claim "a healthy scenario exits with 0" '[ $? -eq 0 ]'
claim "the last line counts" \
    'tail -n 1 "$out/run" | grep -qE "^crash: 1 scenarios, [0-9]+ crash points, [0-9]+ images, [0-9]+ distinct, [0-9]+ images/s/core, 0 violations$"'
claim "the JSON file is JSON" 'python3 -m json.tool "$out/json" > /dev/null'

"$crash" --scenario nothing > /dev/null 2>&1
claim "an unknown scenario exits with 2" '[ $? -eq 2 ]'
"$crash" --replay nonsense > /dev/null 2>&1
claim "a token that is none exits with 2" '[ $? -eq 2 ]'

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
