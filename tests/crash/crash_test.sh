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

"$crash" --quiet --no-canary --scenario create --profile V > "$out/run"
claim "a violation exits with 1" '[ $? -eq 1 ]'
again=$(sed -n 's/^  crash --explain //p' "$out/run" | head -n 1)
claim "its command names the profile" '[ "${again#* }" = "--profile V" ]'
# shellcheck disable=SC2086 # two words and more
"$crash" --replay $again > "$out/replay"
claim "it fails again" '[ $? -eq 1 ] && grep -q "^violation: open" "$out/replay"'
# shellcheck disable=SC2086
"$crash" --explain $again > "$out/story"
claim "its story ends with the oracle" 'grep -q "^Verdict: oracle \"open\"" "$out/story"'
claim "and shows what differs in which file" \
    'grep -qE "^    MANIFEST-000001 .* bytes differ, the first at" "$out/story"'
"$crash" --replay "${again%% *}" > "$out/replay"
claim "without the profile there is no such crash" \
    '[ $? -eq 2 ] && grep -q "found with --profile" "$out/replay"'
"$crash" --quiet --no-canary --scenario create --profile V --spare sectors > "$out/run"
claim "with sectors spared it holds" '[ $? -eq 0 ]'

"$crash" --quiet --no-canary --scenario create --json /nowhere/file > /dev/null 2>&1
claim "a JSON file that cannot be written exits with 1" '[ $? -eq 1 ]'
"$crash" --shard 1/2x --scenario create > /dev/null 2>&1
claim "a shard with something behind it exits with 2" '[ $? -eq 2 ]'
"$crash" --scenario nothing > /dev/null 2>&1
claim "an unknown scenario exits with 2" '[ $? -eq 2 ]'
"$crash" --replay nonsense > /dev/null 2>&1
claim "a token that is none exits with 2" '[ $? -eq 2 ]'

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
