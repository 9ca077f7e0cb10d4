#!/bin/bash
# run.sh - plants each bug of this folder in a copy of the tree and sees it caught.
#
#   fault/bugs/run.sh                all bugs
#   fault/bugs/run.sh 07 12          these only
#
# A patch opens with what it breaks, where the world has seen it, the command that must
# catch it and the oracle that must say so ("any": no matter which; otherwise the bug must
# go through when that oracle is silenced, where the patch says "only: yes"; the ordering
# assert, which needs no crash, is silenced with it). A bug counts as caught when the
# command fails within five seconds of exploring, without the bug it would pass, what
# failed was shrunk to at most ten operations, and the token fails again.
set -u
cd "$(dirname "$0")/../.." || exit 1
tree=$(mktemp -d) || exit 1
trap 'rm -rf "$tree"' EXIT
JOBS=${JOBS:-2}
SECONDS_MAX=5 OPERATIONS_MAX=10

header() { sed -n "s/^$2: //p" "$1" | head -n 1; }

# A copy with the objects of the healthy build: each bug compiles a file or two.
make --no-print-directory crash-build > "$tree.log" 2>&1 || { cat "$tree.log"; exit 1; }
rm -f "$tree.log"
cp -a Makefile engine fault proptests server tests "$tree"
mkdir -p "$tree/build" && cp -a build/crash "$tree/build/"

caught=0 missed=0
say() {
    printf '%-30s %-14s %5s s %3s operations  %s\n' "$@"
}

one() {
    patch=$1 name=$(basename "$1" .patch)
    files=$(sed -n 's,^+++ b/,,p' "$patch")
    (cd "$tree" && rm -rf kept && mkdir kept && cp -a --parents $files kept)
    if ! patch -s -p1 -d "$tree" < "$patch"; then
        say "$name" - - - "THE PATCH DOES NOT APPLY"
        return 1
    fi
    (cd "$tree" && touch $files)
    if ! make -C "$tree" --no-print-directory VARIANT=crash LTO=no -j "$JOBS" \
        build/crash/crash \
        > "$tree/log" 2>&1; then
        cat "$tree/log"
        say "$name" - - - "DOES NOT BUILD"
        good=1
    else
        judge "$name" "$patch"
        good=$?
    fi
    (cd "$tree" && cp -a kept/. . && touch $files)
    return $good
}

judge() {
    read -ra how < <(header "$2" caught-by | sed 's/^crash //')
    want=$(header "$2" oracle)
    timeout 60 "$tree/build/crash/crash" --quiet --first --no-canary \
        "${how[@]}" --json "$tree/json" > "$tree/out" 2>&1
    code=$?
    read -r oracle seconds operations token < <(python3 - "$tree/json" << 'EOF'
import json, sys
rows = [r for r in json.load(open(sys.argv[1])) if r["violated"]]
if rows:
    r = rows[0]
    print(r["oracle"], "%.1f" % r["seconds"], r["operations"], r["token"] or "-")
else:
    print("none - - -")
EOF
    )
    verdict=caught
    [ "$code" -ne 0 ] && [ -n "$oracle" ] && [ "$oracle" != none ] || verdict="NOT CAUGHT"
    [ "$want" = any ] || [ "$oracle" = "$want" ] || verdict="$verdict, BY ANOTHER ORACLE"
    if [ "$verdict" = caught ]; then
        awk -v s="$seconds" -v n="$operations" -v a=$SECONDS_MAX -v b=$OPERATIONS_MAX \
            'BEGIN { exit !(s <= a && n <= b) }' || verdict="TOO SLOW OR TOO LARGE"
    fi
    if [ "$verdict" = caught ]; then
        timeout 60 "$tree/build/crash/crash" --replay "$token" > "$tree/out" 2>&1
        [ $? -eq 1 ] || verdict="ITS TOKEN DOES NOT FAIL"
    fi
    if [ "$verdict" = caught ] && [ "$(header "$2" only)" = yes ]; then
        timeout 120 "$tree/build/crash/crash" --quiet --first --no-canary \
            "${how[@]}" --silence "$want" --silence order > "$tree/out" 2>&1 ||
            verdict="OTHER ORACLES CATCH IT, TOO"
    fi
    say "$1" "$oracle" "$seconds" "$operations" "$verdict"
    [ "$verdict" = caught ]
}

for patch in fault/bugs/*.patch; do
    if [ $# -gt 0 ]; then
        chosen=0
        for wanted in "$@"; do
            case $(basename "$patch") in "$wanted"*) chosen=1 ;; esac
        done
        [ $chosen -eq 1 ] || continue
    fi
    if one "$patch"; then caught=$((caught + 1)); else missed=$((missed + 1)); fi
done
echo "bugs: $caught caught, $missed failed"
[ "$missed" -eq 0 ]
