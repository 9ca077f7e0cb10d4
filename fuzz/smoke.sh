#!/bin/bash
# smoke.sh - a fixed number of executions of every target; repeatable.
# Last line: fuzz-smoke: N executions, T targets, F findings
set -u
execs=0 targets=0 findings=0
for target in "$@"; do
    last=$(fuzz/run.sh "$target" execs "${EXECS:-200000}" | tee /dev/stderr | tail -n 1)
    targets=$((targets + 1))
    [[ $last =~ :\ ([0-9]+)\ executions.*\ ([0-9]+)\ findings ]] ||
        { echo "no result of $target"; findings=$((findings + 1)); continue; }
    execs=$((execs + BASH_REMATCH[1]))
    findings=$((findings + BASH_REMATCH[2]))
done
echo "fuzz-smoke: $execs executions, $targets targets, $findings findings"
[ "$findings" -eq 0 ] && [ "$execs" -gt 0 ]
