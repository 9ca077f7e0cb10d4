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
again=$(sed -n 's/^  .* --explain //p' "$out/run" | head -n 1)
claim "its command names the profile" '[ "${again#* }" = "--profile V" ]'
# shellcheck disable=SC2086 # two words and more
"$crash" --replay $again > "$out/replay"
claim "it fails again" '[ $? -eq 1 ] && grep -q "^violation: open" "$out/replay"'
# shellcheck disable=SC2086
"$crash" --explain $again > "$out/story"
claim "its story ends with the oracle" 'grep -q "^Verdict: oracle \"open\"" "$out/story"'
claim "and tells what became of the calls that were pending" \
    'grep -qE "^    call +[0-9]+: manifest/mark of MANIFEST-000001, [0-9]+ bytes at [0-9]+: " "$out/story"'
claim "and shows what differs in which file" \
    'grep -qE "^    MANIFEST-000001 .* bytes differ, the first at" "$out/story"'
token=${again%% *}
"$crash" --replay "$token" > "$out/replay"
claim "without the profile there is no such crash" \
    '[ $? -eq 2 ] && grep -q "found with --profile" "$out/replay"'
"$crash" --quiet --no-canary --scenario create --profile V --spare sectors > "$out/run"
claim "with sectors spared it holds" '[ $? -eq 0 ]'

"$crash" --quiet --no-canary --scenario create --pass deep --fine --profile V > "$out/run"
again=$(sed -n 's/^  .* --explain //p' "$out/run" | head -n 1)
claim "its command names the chunks" '[ "${again#* }" = "--profile V --fine" ]'
# shellcheck disable=SC2086
"$crash" --replay $again > "$out/replay"
claim "and it fails again" '[ $? -eq 1 ] && grep -q "^violation: " "$out/replay"'

"$crash" --quiet --no-canary --scenario put-always --pass torn --profile V > "$out/run"
again=$(sed -n 's/^  .* --explain //p' "$out/run" | head -n 1)
claim "a cut right after a recovery has its own form" '[[ $again == *[-+]*/s* ]]'
# shellcheck disable=SC2086
"$crash" --replay $again > "$out/replay"
claim "it fails again, too" '[ $? -eq 1 ] && grep -q "^violation: " "$out/replay"'
# shellcheck disable=SC2086
"$crash" --explain $again > "$out/story"
claim "and its story ends with an oracle" \
    '[ $? -eq 1 ] && grep -q "^Verdict: oracle" "$out/story" &&
     grep -q "^What survived" "$out/story"'

"$crash" --quiet --no-canary --scenario pipeline --profile V --silence settled \
    --silence open > "$out/run"
again=$(sed -n 's/^  .* --explain //p' "$out/run" | head -n 1)
# shellcheck disable=SC2086
"$crash" --explain $again --silence settled --silence open | sed '/^The crash comes/q' > "$out/story"
claim "the story of a dialogue is told once" \
    '[ "$(grep -c " group [0-9]* issued" "$out/story")" -eq 1 ]'

# A worker that dies says where.
"$crash" --quiet --no-canary --first --pass torn > "$out/run" &
parent=$!
child=
for _ in $(seq 100); do
    child=$(pgrep -P $parent) && break
    sleep 0.05
done
sleep 1
kill -SEGV "$child"
wait $parent
claim "the death of a worker is a violation" \
    '[ $? -eq 1 ] && grep -q "oracle open: the exploring process died: Segmentation fault$" "$out/run"'
again=$(sed -n 's/^  .* --explain //p' "$out/run" | head -n 1)
# shellcheck disable=SC2086
"$crash" --replay $again > "$out/replay"
claim "and the token of what it was at is printed" 'grep -qE "^(holds|there is no such)" "$out/replay"'

"$crash" --quiet --no-canary --scenario create --json /nowhere/file > "$out/run" 2>&1
claim "a JSON file that cannot be written exits with 2" '[ $? -eq 2 ]'
claim "before anything runs" '! grep -q windows "$out/run"'
"$crash" --help > "$out/help"
claim "help is no failure" '[ $? -eq 0 ]'
claim "help explains every option" \
    'for o in $(sed -nE "s/^    \{\"([a-z-]+)\", .*/\1/p" tests/crash/crash.c); do
         grep -qE -- "^( +|.*crash )--$o " "$out/help" || exit 1
     done'
"$crash" --seed x > /dev/null 2> "$out/run"
claim "a bad number names its option" \
    '[ $? -eq 2 ] && grep -q "^--seed: \"x\"" "$out/run"'
"$crash" --pass all > /dev/null 2> "$out/run"
claim "a bad word names its option" \
    '[ $? -eq 2 ] && grep -q "^--pass: \"all\"" "$out/run"'
"$crash" --scenario flush --pass server > /dev/null 2> "$out/run"
claim "a pass that does not fit exits with 2, and those that do are named" \
    '[ $? -eq 2 ] && grep -q "it has cuts torn deep$" "$out/run"'
"$crash" --scenario flush --scenario group > /dev/null 2> "$out/run"
claim "a second scenario is refused" '[ $? -eq 2 ] && grep -q "\"group\"" "$out/run"'
"$crash" --scenario create --spare zeros > /dev/null 2> "$out/run"
claim "nothing is spared without profile V" \
    '[ $? -eq 2 ] && grep -q "profile V" "$out/run"'
"$crash" --shard 1/2x --scenario create > /dev/null 2>&1
claim "a shard with something behind it exits with 2" '[ $? -eq 2 ]'

# Of each pair one would be ignored.
while read -r words; do
    # shellcheck disable=SC2086
    "$crash" $words > "$out/run" 2> "$out/why"
    claim "refused in a sentence: $words" \
        '[ $? -eq 2 ] && [ ! -s "$out/run" ] && grep -qE "^--.*(leave one|one of them|goes with|it speaks of)" "$out/why"'
done << END
--scenario put-always --random 2
--replay $token --scenario put-always
--shard 0/2 --replay $token
--explain $token --random 2
--replay $token --explain $token
--replay $token --seed 3
--json $out/json2 --explain $token
--list --scenario create
--trace - --profile V
--trace - --seconds 3
--scenario create --skip-every 5
--pass cuts --random 2
--scenario create --pass cuts --depth 2
--pass cuts --preemptions 1
--scenario create --fine
END
claim "a refused --json leaves no file" '[ ! -e "$out/json2" ]'
"$crash" --list --jobs 2 --quiet > /dev/null 2>&1
claim "how it is done goes with everything" '[ $? -eq 0 ]'

# Tapes that no scenario has: nothing written, a kill inside a group, and time that passes
# with no turn between.
for token in AQARAIk~+ AaUCAQQAAHA2uw~-; do
    "$crash" --replay $token > "$out/replay" 2>&1
    claim "$token holds" '[ $? -eq 0 ] && grep -q "^holds" "$out/replay"'
done
"$crash" --random 1 --seed 39 --seconds 1 --no-canary --quiet > "$out/run" 2>&1
claim "a kill inside a group is no violation" 'grep -q " 0 violations$" "$out/run"'
for shard in 0/2 3/4; do
    "$crash" --scenario put-always --pass deep --quiet --shard $shard > "$out/run"
    claim "a shard does not miss what it left to others: $shard" \
        '[ $? -eq 0 ] && grep -q " 0 violations$" "$out/run"'
done
"$crash" --scenario create --quiet --no-canary > /dev/full 2> "$out/why"
claim "a report that cannot be written is an error" \
    '[ $? -eq 1 ] && grep -q "cannot write the report" "$out/why"'
"$crash" --scenario nothing > /dev/null 2>&1
claim "an unknown scenario exits with 2" '[ $? -eq 2 ]'
"$crash" --replay nonsense > /dev/null 2>&1
claim "a token that is none exits with 2" '[ $? -eq 2 ]'

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
