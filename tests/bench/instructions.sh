#!/bin/sh
# instructions.sh PROGRAM - instructions an operation of each row of bench_tables.
#
# callgrind collects inside one measured function only; what it counts does not depend on
# the machine's load. Rows that take a different number of steps divide by their own.
set -eu
program=$1
count=${COUNT:-30000}
out=$(mktemp)
trap 'rm -f "$out"' EXIT
for row in memtable_put memtable_get memtable_put_ascending sst_write sst_get_hit \
           sst_get_miss sst_seek sst_scan_file merge_scan; do
    valgrind --tool=callgrind --collect-atstart=no --toggle-collect="measure_$row" \
        --callgrind-out-file=/dev/null \
        "$program" --count "$count" --repeats 1 --only "$row" >"$out" 2>&1
    operations=$count
    [ "$row" = merge_scan ] && operations=$((4 * count))
    awk -v row="$row" -v n="$operations" \
        '/Collected/ { printf "%-24s %8.0f instructions\n", row, $NF / n; found = 1 }
         END { exit !found }' "$out"
done
