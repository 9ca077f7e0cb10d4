#!/bin/bash
# replay.sh - plays every seed and every input that was ever found, with a plain build.
#
#   fuzz/replay.sh BUILD TARGET...
#
# Last line: fuzz-regress: N inputs, T targets, F failed
set -u
build=$1
shift
inputs=0 failed=0
for target in "$@"; do
    while IFS= read -r input; do
        inputs=$((inputs + 1))
        timeout 20 "$build/fuzz/replay_$target" "$input" >/dev/null ||
            { failed=$((failed + 1)); echo "FAIL $target $input"; }
    done < <(find "fuzz/corpus/$target" "fuzz/regress/$target" -type f ! -name '.*' |
        sort)
done
echo "fuzz-regress: $inputs inputs, $# targets, $failed failed"
[ "$failed" -eq 0 ] && [ "$inputs" -gt 0 ]
