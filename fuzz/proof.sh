#!/bin/bash
# proof.sh - plants a bug in a copy of the tree and lets the fuzzer look for it.
#
#   fuzz/proof.sh [PATCH...]       (default: fuzz/bugs/*.patch)
#
# The second line of a patch is "Target: NAME". No seed may trigger the bug by itself; the
# fuzzer has 60 seconds from the seeds. Last line: fuzz-proof: N bugs, F failed
set -u
[ $# -gt 0 ] || set -- fuzz/bugs/*.patch
bugs=0 failed=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
fail() { echo "FAIL $name: $1"; failed=$((failed + 1)); }
for patch in "$@"; do
    name=$(basename "$patch" .patch)
    target=$(sed -n 's/^Target: //p' "$patch")
    bugs=$((bugs + 1))
    rm -rf "$work/tree" && mkdir "$work/tree"
    cp -r Makefile engine server fault fuzz "$work/tree/" && mkdir -p "$work/tree/tests"
    (cd "$work/tree" && patch -s -p1) <"$patch" || { fail "does not apply"; continue; }
    (cd "$work/tree" && make --no-print-directory "build/fuzz/$target") \
        >"$work/log" 2>&1 || { fail "does not build"; tail -n 5 "$work/log"; continue; }
    for seed in fuzz/corpus/"$target"/*; do
        "$work/tree/build/fuzz/$target" "$seed" >/dev/null 2>&1 ||
            { fail "the seed $seed triggers it"; continue 2; }
    done
    begin=$SECONDS
    if (cd "$work/tree" && UNTIL_FINDING=1 fuzz/run.sh "$target" for 60) >"$work/log" 2>&1
    then
        fail "not found in 60 s"
    elif ! grep -q '^finding:' "$work/log"; then
        fail "no finding"; tail -n 5 "$work/log"
    else
        echo "ok   $name: found in $((SECONDS - begin)) s"
    fi
done
echo "fuzz-proof: $bugs bugs, $failed failed"
[ "$failed" -eq 0 ] && [ "$bugs" -gt 0 ]
