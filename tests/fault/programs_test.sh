#!/bin/bash
# programs_test.sh - the test programs' arguments: taken exactly, or refused in words.
#
#   tests/fault/programs_test.sh build/crash
#
# A seed that is silently another one, or a run over nothing that exits with 0, would make
# whatever these programs say worthless.
set -u
build=$1
checks=0 failed=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

# expect CODE PATTERN PROGRAM ARGUMENTS...: exit code, and a line of the output
expect() {
    local code=$1 pattern=$2
    shift 2
    checks=$((checks + 1))
    timeout 60 "$build/$@" > "$out" 2>&1
    local got=$?
    if [ $got -ne "$code" ] || ! grep -qE -- "$pattern" "$out"; then
        failed=$((failed + 1))
        echo "FAIL $*: exit code $got, want $code and /$pattern/"
        sed 's/^/    /' "$out" | head -n 5
    fi
}

long=99999999999999999999
for bad in abc -1 $long "" 7x " 7" 0x7; do
    expect 2 "^--seed.*not a whole number" differential --seed "$bad"
    expect 2 "^--count.*not a whole number" differential --count "$bad"
    expect 2 "^--seed.*not a whole number" tapes --seed "$bad"
    expect 2 "^--seed.*not a whole number" crash --seed "$bad"
done
expect 2 "^--count.*from 1 to" differential --count 0
expect 2 "^--count.*from 1 to" tapes --count 0
expect 2 "^--operations.*from 1 to" tapes --operations 0
expect 2 "^--jobs.*from 1 to 64" crash --jobs 4294967297

for program in differential tapes crash; do
    help="^usage: $program"
    [ $program = crash ] && help='crash --help. explains'
    expect 2 "requires an argument" $program --seed
    expect 2 "$help" $program --seed
    expect 2 "unrecognized option '--bogus'" $program --bogus
    expect 2 "$help" $program bogus
done
expect 2 "^usage: litmus" litmus --bogus
expect 2 '"--bogus" is no option' litmus --bogus
expect 2 "^usage: tapes" tapes --policy sometimes

expect 0 "make differential SEED=7 N=3$" differential --seed 7 --count 3
expect 0 "^differential: 3 sequences, [0-9]+ calls, 0 failed$" differential --seed 7 --count 3
expect 1 "try DIR=/tmp" differential --dir /nowhere --count 1

echo "test-programs: $checks checks, $failed failed"
[ "$failed" -eq 0 ]
