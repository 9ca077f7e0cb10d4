#!/bin/bash
# run.sh - fuzzes one target with AFL++ and says what came of it.
#
#   fuzz/run.sh TARGET for SECONDS       until the time is over
#   fuzz/run.sh TARGET execs N           a fixed number of executions, seed 42: repeatable
#
# Shows a progress line every few seconds. Last line:
#   fuzz-TARGET: N executions, R executions/s, C corpus files, F findings
# Findings are minimised into build/fuzz/findings/TARGET/. Exit status 0 only without one.
set -u
target=$1 mode=$2 amount=$3
if ! [[ $amount =~ ^[1-9][0-9]{0,8}$ ]]; then
    echo "fuzz: FOR=$amount: wants a number of seconds, 1 to 999999999" >&2
    exit 2
fi
build=${BUILD_FUZZ:-build/fuzz}
out=$build/out/$target
findings=$build/findings/$target
seeds=${SEEDS:-fuzz/corpus/$target}

export AFL_SKIP_CPUFREQ=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1 AFL_NO_UI=1 \
    AFL_NO_AFFINITY=1 AFL_NO_COLOR=1 TERM=dumb AFL_QUIET=1
# What AFL++ asks for, and no stack for each allocation: replaying a finding shows it.
export ASAN_OPTIONS=abort_on_error=1:symbolize=0:detect_leaks=0:detect_odr_violation=0
ASAN_OPTIONS+=:malloc_context_size=0
[ -f "$build/mutate_$target.so" ] &&
    export AFL_CUSTOM_MUTATOR_LIBRARY="$PWD/$build/mutate_$target.so"
dict=()
[ -f "fuzz/dict/$target.dict" ] && dict=(-x "fuzz/dict/$target.dict")

rm -rf "$out" "$findings"
mkdir -p "$out" "$findings"
if [ "$mode" = for ]; then
    limit=(-V "$amount") most=$((amount + 120))
else
    limit=(-E "$amount" -s 42) most=$((120 + amount / 1000))
fi
# The live figures of the progress lines (counts.py says why).
coproc counts { exec fuzz/counts.py "$out/counts"; }
listener=$counts_PID
trap 'kill "$listener" 2>/dev/null' EXIT
read -r port <&"${counts[0]}"
AFL_STATSD=1 AFL_STATSD_PORT=$port timeout $most afl-fuzz "${limit[@]}" "${dict[@]}" -t 2000 -m none -G "${MAX_BYTES:-1024}" -i "$seeds" -o "$out" \
    -- "$build/$target" >"$out/log" 2>&1 &
pid=$!

stat() { # NAME: a figure of fuzzer_stats, 0 while there is none
    local v
    v=$(sed -n "s/^$1 *: *//p" "$out/default/fuzzer_stats" 2>/dev/null)
    echo "${v:-0}"
}
live() { # NAME: a figure of this second
    local v
    v=$(sed -n "s/^$1 //p" "$out/counts" 2>/dev/null)
    echo "${v:-0}"
}
count() { find "$out/default/$1" -name 'id:*' 2>/dev/null | wc -l; }
last=0
while kill -0 $pid 2>/dev/null; do
    sleep 1
    if [ $((SECONDS - last)) -ge 5 ]; then
        last=$SECONDS before=${done:-0}
        done=$(live execs_done)
        echo "  $target: ${SECONDS} s, $done executions, $(((done - before) / 5))/s," \
            "$(live corpus_count) corpus files, $(count crashes) crashes, $(count hangs) hangs"
    fi
    # One finding is enough to stop for when somebody waits for the first.
    if [ "${UNTIL_FINDING:-0}" = 1 ] && [ "$(count crashes)" -gt 0 ]; then
        kill -INT $pid
    fi
done
wait $pid
execs=$(stat execs_done)
if [ "$execs" -eq 0 ]; then
    tail -n 15 "$out/log"
    echo "fuzz-$target: 0 executions, afl-fuzz did not run, 1 findings"
    exit 1
fi

# On a busy machine an input may look as if it hung: alone it would end in time.
ends_in_time() { # INPUT
    (ulimit -t 2 && timeout 120 "$build/$target" "$1") > /dev/null 2>&1
}
found=0
while IFS= read -r input; do
    [[ $input == */hangs/* ]] && ends_in_time "$input" && continue
    found=$((found + 1))
    small=$findings/$(basename "$input" | tr ':,' '__')
    timeout 60 afl-tmin -t 2000 -m none -i "$input" -o "$small" -- "$build/$target" \
        >/dev/null 2>&1 || cp "$input" "$small"
    echo "finding: $small ($(wc -c <"$small") bytes); replay: make fuzz-replay" \
        "TARGET=$target FILE=$small"
    [ $found -ge 5 ] && break
done < <(find "$out/default/crashes" "$out/default/hangs" -name 'id:*' 2>/dev/null)
echo "fuzz-$target: $execs executions, $(stat execs_per_sec) executions/s," \
    "$(stat corpus_count) corpus files, $found findings"
[ "$found" -eq 0 ]
