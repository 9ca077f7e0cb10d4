#!/bin/bash
# smoke.sh - a fixed number of executions of every target; repeatable.
# Last line: fuzz-smoke: N executions, T targets, F findings
# afl-fuzz runs on one processor: the targets are fuzzed side by side.
set -u
out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT
for target in "$@"; do
    fuzz/run.sh "$target" execs "${EXECS:-200000}" | tee "$out/$target" &
done
wait
execs=0 targets=0 findings=0
for target in "$@"; do
    targets=$((targets + 1))
    [[ $(tail -n 1 "$out/$target") =~ :\ ([0-9]+)\ executions.*\ ([0-9]+)\ findings ]] ||
        { echo "no result of $target"; findings=$((findings + 1)); continue; }
    execs=$((execs + BASH_REMATCH[1]))
    findings=$((findings + BASH_REMATCH[2]))
done
echo "fuzz-smoke: $execs executions, $targets targets, $findings findings"
[ "$findings" -eq 0 ] && [ "$execs" -gt 0 ]
