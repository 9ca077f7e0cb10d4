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
# JOBS bugs (2) are worked on at a time, each in a tree of its own: the lines come in the
# order in which they are done.
set -u
cd "$(dirname "$0")/../.." || exit 1
export JOBS=${JOBS:-2}
SECONDS_MAX=5 OPERATIONS_MAX=10

header() { sed -n "s/^$2: //p" "$1" | head -n 1; }

build() { # TREE JOBS
    make -C "$1" --no-print-directory VARIANT=crash LTO=no -j "$2" build/crash/crash
}

say() {
    printf '%-30s %-14s %5s s %3s operations  %s\n' "$@"
}

one() { # PATCH, in a copy of the healthy tree with its objects: compiles a file or two
    local name tree=$top/$$ code=1
    name=$(basename "$1" .patch)
    cp -a "$top/healthy" "$tree"
    if ! patch -s -p1 -d "$tree" < "$1"; then
        say "$name" - - - "THE PATCH DOES NOT APPLY"
    elif ! build "$tree" 1 > "$tree/log" 2>&1; then
        cat "$tree/log"
        say "$name" - - - "DOES NOT BUILD"
    else
        judge "$name" "$1"
        code=$?
    fi
    rm -rf "$tree"
    return $code
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

if [ "${1:-}" = --one ]; then
    one "$2" && echo "$2" >> "$top/caught"
    exit 0
fi

top=$(mktemp -d) || exit 1
export top
trap 'rm -rf "$top"' EXIT
mkdir -p "$top/healthy/build"
cp -a Makefile engine fault proptests server tests "$top/healthy"
# What other programs made of the same objects (without whole-program optimisation).
[ -d build/crash ] && cp -a build/crash "$top/healthy/build/" &&
    rm -rf "$top/healthy/build/crash/whole" "$top/healthy/build/crash/crash"
build "$top/healthy" "$JOBS" > "$top/log" 2>&1 || { cat "$top/log"; exit 1; }

chosen=()
for patch in fault/bugs/*.patch; do
    for wanted in "${@:-}"; do
        case $(basename "$patch") in "$wanted"*) chosen+=("$patch") && break ;; esac
    done
done
[ ${#chosen[@]} -gt 0 ] && printf '%s\0' "${chosen[@]}" | xargs -0 -n 1 -P "$JOBS" "$0" --one
caught=$(cat "$top/caught" 2> /dev/null | wc -l)
echo "bugs: $caught caught, $((${#chosen[@]} - caught)) failed"
[ "$caught" -gt 0 ] && [ "$caught" -eq ${#chosen[@]} ]
