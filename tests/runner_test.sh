#!/bin/bash
# runner_test.sh - the runner and steps.sh on suites that fail, crash, hang and leak.
#
#   tests/runner_test.sh build/test
#
# A runner that cannot fail proves nothing: each check plants one kind of failure.
set -u

build=$1
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
checks=0 failed=0

expect() { # CLAIM, then a command that must succeed
    local claim=$1
    shift
    checks=$((checks + 1))
    "$@" >/dev/null 2>&1 && return
    failed=$((failed + 1))
    echo "FAIL $claim"
    [ -f "$tmp/out" ] && sed 's/^/    /' "$tmp/out"
}
has() { grep -qE -- "$1" "$tmp/out"; }
hasnt() { ! has "$1"; }

# build_suites NAME <<< 'C text'; every suite is named in its first line: // SUITES a b
build_suites() {
    mkdir -p "$tmp/$1"
    cat > "$tmp/$1/suites.c"
    for s in $(sed -n 's,^// SUITES ,,p' "$tmp/$1/suites.c"); do
        echo "SUITE(\"x/$s\", x_${s}_tests)"
    done > "$tmp/$1/suites.inc"
    cc -std=c11 -D_GNU_SOURCE -I. -I"$tmp/$1" ${3:-} -o "$tmp/$1/run" tests/main.c \
        "$tmp/$1/suites.c" tests/support/check.c tests/support/runner.c \
        tests/support/junit.c -lcunit
}
run() { # NAME ARGS...
    local name=$1
    shift
    timeout 60 "$tmp/$name/run" "$@" > "$tmp/out" 2>&1
    code=$?
}
last_line_is() { [ "$(tail -n 1 "$tmp/out")" = "$1" ]; }
code_is() { [ "$code" -eq "$1" ]; }

build_suites bad << 'C'
// SUITES good fails crashes hangs exits
#include <stdlib.h>
#include <unistd.h>
#include "tests/support/check.h"
static void passes(void) { puts("chatter of a test that passes"); CHECK_INT(1, 1); }
static void fails(void) { puts("words <&\"> of it"); CHECK_INT(1, 2); }
static void stops(void) { REQUIRE_INT(3, 4); puts("not reached"); }
static void crashes(void) { puts("before the crash"); abort(); }
static void hangs(void) { puts("before the hang"); if (fork() == 0) sleep(60); sleep(60); }
static void leaves_badly(void) { atexit(abort); CHECK(1); }
static void after(void) { CHECK(1); }
CU_TestInfo x_good_tests[] = {{"passes", passes}, CU_TEST_INFO_NULL};
CU_TestInfo x_fails_tests[] = {{"passes", passes}, {"fails", fails}, {"stops", stops},
    {"after", after}, CU_TEST_INFO_NULL};
CU_TestInfo x_crashes_tests[] = {{"passes", passes}, {"crashes", crashes},
    {"after", after}, CU_TEST_INFO_NULL};
CU_TestInfo x_hangs_tests[] = {{"hangs", hangs}, {"after", after}, CU_TEST_INFO_NULL};
CU_TestInfo x_exits_tests[] = {{"leaves_badly", leaves_badly}, CU_TEST_INFO_NULL};
C

# Tags close in order, and no bare < > & is left in the text between them.
# shellcheck disable=SC2016 # these are Perl's dollars
well_formed='local $/; $_ = <>; s/^<\?xml[^>]*\?>//; my @open;
while (s/^([^<]*)<(\/?)([a-z]+)((?: [a-z]+="[^"<>]*")*)(\/?)>//) {
    my ($text, $end, $tag, $empty) = ($1 . $4, $2, $3, $5);
    die "bare &" if $text =~ /&(?!(lt|gt|amp|quot);)/;
    $end ? ($tag eq pop @open or die "</$tag>") : $empty || push @open, $tag;
}
die "rest: $_" if /\S/ || @open;'

run bad --timeout 2 --junit "$tmp/junit.xml"
expect "failures make the exit code 1" code_is 1
expect "every kind of failure is counted once" last_line_is "5 passed, 5 failed"
expect "a failing check shows both values" has 'got 1, want 2'
expect "a failing test shows its output" has '^words <&"> of it'
expect "a passing test's output stays away" hasnt 'chatter'
expect "REQUIRE ends the test" hasnt 'not reached'
expect "a crash names the running test" has '^FAIL x/crashes/crashes: ended by signal 6'
expect "a crash shows what was printed" has '^before the crash'
expect "a hang names the running test" has '^FAIL x/hangs/hangs: timed out after 2 s'
expect "a bad end after the last test counts" has '^FAIL x/exits/\(exit\): ended by signal'
expect "the JUnit file is well-formed" perl -e "$well_formed" "$tmp/junit.xml"
junit_count() { [ "$(grep -c '<failure' "$tmp/junit.xml")" -eq 5 ]; }
expect "the JUnit file names five failures" junit_count

run bad --verbose --timeout 2
expect "--verbose shows what passing tests print" has 'chatter of a test that passes'

run bad x/good
expect "a suite runs by its exact name" last_line_is "1 passed, 0 failed"
run bad x/fails/after x/good
expect "tests run by their exact names" last_line_is "2 passed, 0 failed"
run bad x/goo
expect "a part of a name is no name" last_line_is "0 passed, 1 failed"
expect "and fails" code_is 1
run bad --list
expect "--list names every test" has '^x/crashes/after$'

build_suites empty << 'C'
// SUITES full empty
#include "tests/support/check.h"
static void passes(void) { CHECK(1); }
CU_TestInfo x_full_tests[] = {{"passes", passes}, CU_TEST_INFO_NULL};
CU_TestInfo x_empty_tests[] = {CU_TEST_INFO_NULL};
C
run empty
expect "a suite without a test fails the run" code_is 1
expect "and is named" has 'suite x/empty has no test'

build_suites twice << 'C'
// SUITES twice
#include "tests/support/check.h"
static void one(void) { CHECK(1); }
static void two(void) { CHECK(1); }
CU_TestInfo x_twice_tests[] = {{"one", one}, {"one", two}, CU_TEST_INFO_NULL};
C
run twice
expect "a name that occurs twice fails the run" code_is 1

# ---- steps.sh ----

cat > "$tmp/mk" << 'SH'
case $1 in
good) echo 'name: 7 programs, 4 profiles, 1 failed'; echo '3 passed, 0 failed' ;;
things) echo 'name: 7 programs, 4 profiles, 0 failed' ;;
bad) echo 'name: 7 programs, 2 violations'; exit 1 ;;
crashed) echo '3 passed, 0 failed'; exit 1 ;;
silent) echo 'all fine' ;;
none) echo '0 passed, 0 failed' ;;
skips) echo 'SKIP the hard part'; echo '3 passed, 0 failed' ;;
esac
SH
steps() {
    tests/steps.sh "bash $tmp/mk" "$@" > "$tmp/out" 2>&1
    code=$?
}
steps good things
expect "counts of steps are added" last_line_is "10 passed, 0 failed"
expect "and all is well" code_is 0
for kind in "bad 8 2" "crashed 6 1" "silent 3 1" "none 3 1" "skips 6 1"; do
    read -r step p f <<< "$kind"
    steps good "$step"
    expect "a step that is $step makes the run fail" code_is 1
    expect "a step that is $step is counted" last_line_is "$p passed, $f failed"
done

echo "runner-check: $checks checks, $failed failed"
[ "$failed" -eq 0 ]
