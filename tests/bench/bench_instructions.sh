#!/bin/sh
# bench_instructions.sh PROGRAM [BACKEND...] - instructions of a put and a get, by callgrind.
#
# PROGRAM is bench-engine. Only the calling thread inside the calls of the store is counted,
# with N puts in random order (N=50000), the same N gets of keys that are there, and as many
# of keys that are not. The count does not depend on the machine's load. OUT gets the same
# as JSON. Last line: bench-instructions: B backends, F failed
set -eu
program=$1
shift
[ $# -gt 0 ] || set -- riptide leveldb
n=${N:-50000}
json=${OUT:-build/bench/instructions.json}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$(dirname "$json")"

# BACKEND FUNCTION WORKLOADS...: instructions an operation of the last workload.
count() {
    backend=$1 function=$2
    shift 2
    # The first number is what callgrind collected while only `function` was running.
    valgrind --tool=callgrind --collect-atstart=no --toggle-collect="$function*" \
        --callgrind-out-file=/dev/null \
        "$program" "$backend" "$tmp/store" "$n" "$@" >"$tmp/out" 2>&1 || return 1
    awk '/Collected/ { print $NF; found = 1 } END { exit !found }' "$tmp/out"
}

failed=0
separator='{'
printf '%-10s %12s %12s %12s\n' backend put 'get, hit' 'get, miss'
for backend in "$@"; do
    if put=$(count "$backend" measure_put fresh fillrandom) &&
        hit=$(count "$backend" measure_get fresh fillrandom readrandom) &&
        miss=$(count "$backend" measure_get fresh fillrandom readmissing); then
        put=$((put / n)) hit=$((hit / n)) miss=$((miss / n))
        printf '%-10s %12d %12d %12d\n' "$backend" "$put" "$hit" "$miss"
        printf '%s"%s": {"put": %d, "hit": %d, "miss": %d}' "$separator" "$backend" \
            "$put" "$hit" "$miss" >>"$tmp/json"
        separator=', '
    else
        failed=$((failed + 1))
        tail -n 3 "$tmp/out"
    fi
done
echo '}' >>"$tmp/json"
mv "$tmp/json" "$json"
echo "bench-instructions: $# backends, $failed failed"
[ "$failed" -eq 0 ]
