#!/bin/bash
# invariants.sh - docs/invariants.md, the code that cites it and the tests that it names.
#
#   tests/invariants.sh build/test
#
# 1. The numbers on the page count up from 1 without a gap.
# 2. Every test that the page names exists, and every row names one.
# 3. Every [INV-n] in the sources stands on the page.
set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 1
page=docs/invariants.md
checks=0 failed=0
complain() {
    failed=$((failed + 1))
    echo "FAIL: $*"
}

tests=$("$1/run-tests" --list) || complain "no list of tests"
want=0
while IFS='|' read -r _ number _ _ test _; do
    number=$(echo "$number" | tr -d ' ') test=$(echo "$test" | tr -d ' `')
    want=$((want + 1)) checks=$((checks + 1))
    [ "$number" = "INV-$want" ] || complain "$page: $number stands where INV-$want should"
    echo "$tests" | grep -qxF -- "$test" || complain "$page: $number: no test '$test'"
done < <(grep -E '^\| INV-' "$page")
[ "$want" -gt 0 ] || complain "$page has no invariants"

while read -r number; do
    checks=$((checks + 1))
    grep -qE "^\| $number \|" "$page" || complain "the code cites $number, $page does not have it"
done < <(grep -rohE '\[INV-[0-9]+\]' engine server fault tests --include='*.[ch]' |
    tr -d '[]' | sort -u)

echo "invariants: $checks checks, $failed failed"
[ "$failed" -eq 0 ]
