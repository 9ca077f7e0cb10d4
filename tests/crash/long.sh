#!/bin/bash
# long.sh - random tapes in batches until the time is over; goes on where it was stopped.
#
#   tests/crash/long.sh CRASH SECONDS STATE [SHARD/SHARDS [CRASH-ARGUMENTS...]]
#
# STATE keeps what is done: the next batch, images covered (each with its weight), images
# recovered, violations, and what lazy walks covered of windows too large to be walked. It is written after each batch, so that SIGINT, SIGTERM and power
# cuts lose one batch at most; the same command goes on. Shard I of N takes the batches I,
# I + N, ... and needs a STATE of its own. Last line:
#   crash-long: B batches, C images covered one by one, L lazily, R recovered, V violations
set -u
crash=$1 seconds=$2 state=$3 shard=${4:-0/1}
shift $(($# < 4 ? $# : 4))
if ! [[ $seconds =~ ^[1-9][0-9]*$ && $shard =~ ^[0-9]+/[1-9][0-9]*$ && ${shard%/*} -lt ${shard#*/} ]]; then
    echo "crash-long: FOR=$seconds must be a number of seconds, at least 1, and" \
        "SHARD=$shard a part and their number, as 0/2" >&2
    exit 2
fi
BATCH=${BATCH:-4} # tapes: a minute each at most, and a stop loses one batch
json=$(mktemp) || exit 1
trap 'rm -f "$json"' EXIT
stopped=0
trap 'stopped=1' INT TERM

batch=${shard%/*} batches=0 covered=0 recovered=0 violations=0 lazily=0
[ -s "$state" ] && read -r batch batches covered recovered violations lazily < "$state"
end=$((SECONDS + seconds))
while [ $stopped -eq 0 ] && [ $SECONDS -lt $end ]; do
    setsid "$crash" --quiet --no-canary --random "$BATCH" --seed $((1 + batch * BATCH)) \
        --seconds 60 --json "$json" "$@" > "$json.out" 2>&1 &
    pid=$!
    until wait $pid; do
        [ $stopped -eq 1 ] && kill -- -$pid 2>/dev/null && break
        kill -0 $pid 2>/dev/null || break
    done
    [ $stopped -eq 1 ] && break
    counts=$(python3 -c '
import json, sys
rows = json.load(open(sys.argv[1]))
print(*(sum(r[k] for r in rows) for k in ("images", "distinct", "violated")),
      "%.3g" % (float(sys.argv[2]) + sum(r["lazy_images"] for r in rows)))' "$json" "$lazily") || break
    read -r c r v lazily <<< "$counts"
    [ "$v" -eq 0 ] || cat "$json.out"
    batch=$((batch + ${shard#*/})) batches=$((batches + 1))
    covered=$((covered + c)) recovered=$((recovered + r)) violations=$((violations + v))
    echo "$batch $batches $covered $recovered $violations $lazily" > "$state.new"
    mv "$state.new" "$state"
    echo "  $batches batches, $covered covered one by one, $lazily lazily, $recovered recovered," \
        "$violations violations"
done
rm -f "$json.out"
[ $stopped -eq 0 ] || echo "  stopped: the batch under way is lost; the next start plays it anew"
echo "crash-long: $batches batches, $covered images covered one by one, $lazily lazily, $recovered recovered," \
    "$violations violations"
[ "$violations" -eq 0 ]
