#!/bin/bash
# check.sh - riptidekv-check as people run it: exit codes and output on real stores.
#
#   tests/check.sh build/release
set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 1
check=$1/riptidekv-check
server=$1/riptidekv-server
tmp=$(mktemp -d "$PWD/build/check.XXXXXX") || exit 1
public=
. tests/serve.sh
trap 'end_server; rm -rf "$tmp" "$public"' EXIT

checks=0 failed=0
expect() { # EXIT-CODE PATTERN WORDS...: the command's code, and a line of its output
    local want=$1 pattern=$2 code
    shift 2
    timeout 20 "$@" > "$tmp/out" 2>&1
    code=$?
    checks=$((checks + 1))
    [ "$code" -eq "$want" ] && { [ -z "$pattern" ] || grep -qE -- "$pattern" "$tmp/out"; } &&
        return
    failed=$((failed + 1))
    echo "FAIL: $* answered $code (expected $want, a line like '$pattern'):"
    sed 's/^/    /' "$tmp/out"
}

one_document() { # EXIT-CODE WORDS...: the answer with --json
    local want=$1 code
    shift
    timeout 20 "$check" --json "$@" > "$tmp/out" 2> "$tmp/err"
    code=$?
    checks=$((checks + 1))
    [ "$code" -eq "$want" ] && python3 -m json.tool "$tmp/out" > /dev/null && return
    failed=$((failed + 1))
    echo "FAIL: --json $* answered $code (expected $want, one document):"
    sed 's/^/    /' "$tmp/out"
}

start() {
    serve "$server" --port 0 --dir "$tmp/store" --appendfsync always
}

expect 2 'usage:' "$check"
expect 2 'not understood' "$check" --frobnicate
expect 0 'usage:' "$check" --help
expect 2 'no such directory' "$check" "$tmp/nowhere"
mkdir "$tmp/empty"
expect 1 'CURRENT: missing' "$check" "$tmp/empty"

one_document 2
one_document 2 --frobnicate
one_document 2 "$tmp/empty" --dump CURRENT
one_document 2 "$tmp/empty" --dump
one_document 2 /
one_document 2 "$tmp/nowhere"
one_document 2 "$tmp/no/where"
one_document 2 "$tmp/$(printf 'qu"ote\\\n\tsp\303\244t')"
one_document 1 "$tmp/empty"
one_document 2 "$tmp/empty" --repair

start
for i in 1 2 3 4 5; do
    timeout 5 redis-cli -p "$port" set "key$i" "value$i" > "$tmp/reply" 2>&1
done
checks=$((checks + 1))
grep -q OK "$tmp/reply" || { failed=$((failed + 1)) && echo "FAIL: SET: $(cat "$tmp/reply")"; }
expect 2 'in use' "$check" "$tmp/store"
one_document 2 "$tmp/store"
one_document 2 "$tmp/store" --repair
stop_server
one_document 0 "$tmp/store"
one_document 0 "$tmp/store" --repair
expect 0 '^sound$' "$check" "$tmp/store"
expect 0 '"sound":true' "$check" --json "$tmp/store"

# Who may only read a store may check it. The superuser would be refused nothing.
reader=()
[ "$(id -u)" -ne 0 ] || reader=(setpriv --reuid 65534 --regid 65534 --clear-groups)
public=$(mktemp -d)
cp -r "$tmp/store" "$check" "$public"
chmod -R a=rX "$public"
expect 0 '^sound$' "${reader[@]}" "$public/riptidekv-check" "$public/store"
exec 9< "$public/store/LOCK"
flock 9
expect 2 'in use' "${reader[@]}" "$public/riptidekv-check" "$public/store"
exec 9<&-
chmod 0 "$public/store/LOCK"
expect 0 '^note: LOCK: cannot be locked' "${reader[@]}" "$public/riptidekv-check" "$public/store"
chmod -R u+rwX "$public"
rm -rf "$public"

expect 2 '^\{"store":.*,"error":"no such directory"\}$' "$check" "$tmp/nowhere" --json

# A killed server leaves a store that is sound, if not tidy; nothing is changed by looking.
start
timeout 5 redis-cli -p "$port" set torn value > /dev/null 2>&1
kill_server
(cd "$tmp/store" && sha256sum -- *) > "$tmp/before"
expect 0 '^sound$' "$check" "$tmp/store"
(cd "$tmp/store" && sha256sum -- *) > "$tmp/after"
expect 0 '' cmp "$tmp/before" "$tmp/after"

log=$(basename "$(find "$tmp/store" -name '*.log' | sort | head -n 1)")
expect 0 'checksum: good$' "$check" "$tmp/store" --dump "$log"
expect 0 'the manifest in force' "$check" "$tmp/store" --dump CURRENT
expect 0 'add log: number' "$check" "$tmp/store" --dump MANIFEST-000001
expect 2 'No such file|open' "$check" "$tmp/store" --dump 999999.log
printf 'X' | dd of="$tmp/store/$log" bs=1 seek=40 conv=notrunc 2> /dev/null
expect 1 "^data is damaged: $log: damaged at offset 0" "$check" "$tmp/store"
expect 1 '"sound":false' "$check" --json "$tmp/store"
one_document 1 "$tmp/store"

# What is left of it is saved; the server opens it and serves the rest.
expect 1 '"file":"'"$log"'","offset":0,.*"sound":true' "$check" "$tmp/store" --repair --json
expect 0 '^sound$' "$check" "$tmp/store"
expect 0 'nothing to repair' "$check" "$tmp/store" --repair
expect 0 '' test -f "$tmp/store/$log.lost"
start
expect 0 '^value5$' timeout 5 redis-cli -p "$port" get key5
expect 0 "^$(timeout 5 redis-cli -p "$port" keys "*" | wc -l)\$" timeout 5 redis-cli -p "$port" dbsize
stop_server

# The pointer is made again from the manifest: nothing is lost.
rm "$tmp/store/CURRENT"
expect 0 '^repaired$' "$check" "$tmp/store" --repair
expect 0 '^sound$' "$check" "$tmp/store"

# A store of many tables, some of which have replaced others.
rm -rf "$tmp/store"
serve "$server" --port 0 --dir "$tmp/store" --memtable-bytes 16384
for round in 1 2 3; do
    seq 1 1500 | sed "s/.*/SET key& $round-value-of-some-length/" |
        timeout 20 redis-cli -p "$port" --pipe > "$tmp/reply" 2>&1
done
stop_server
expect 0 '^sound$' "$check" "$tmp/store"
cp -r "$tmp/store" "$tmp/whole"

# Half of the manifest reads like a whole one: what it does not know is not thrown away.
half() { # FILE
    truncate -s $(($(stat -c %s "$1") / 2)) "$1"
}
half "$tmp/store/$(basename "$tmp/store"/MANIFEST-*)"
expect 1 'its end is missing' "$check" "$tmp/store" --repair
start
expect 0 '^1500$' timeout 5 redis-cli -p "$port" dbsize
expect 0 '^3-value' timeout 5 redis-cli -p "$port" get key700
stop_server

# Half of a table: what is lost is told.
rm -rf "$tmp/store"
cp -r "$tmp/whole" "$tmp/store"
half "$(find "$tmp/store" -name '*.sst' -size +4k | sort | head -n 1)"
cp -r "$tmp/store" "$tmp/cut"
expect 1 '^data is damaged: .*[0-9]+ of [0-9]+ entries saved$' "$check" "$tmp/store" --repair
expect 1 '"bytes_lost":[1-9]' "$check" "$tmp/cut" --repair --json
one_document 0 "$tmp/cut" --repair

# A spare log is missing: no other file is blamed for it, or set aside.
rm -rf "$tmp/store"
cp -r "$tmp/whole" "$tmp/store"
rm "$(find "$tmp/store" -name '*.log' | sort | tail -n 1)"
"$check" "$tmp/store" --repair > "$tmp/report"
expect 0 '\.log: missing; (if it had been used|it had not been used)' cat "$tmp/report"
expect 1 '' grep 'damaged' "$tmp/report"
expect 2 'No such file' ls "$tmp/store"/*.log.lost
expect 0 '^sound$' "$check" "$tmp/store"

# What is no file but has the name of one is named, and nobody waits for the other end of a pipe.
rm -rf "$tmp/store"
cp -r "$tmp/whole" "$tmp/store"
mkdir "$tmp/store/999999.sst"
one_document 1 "$tmp/store"
expect 1 '^input/output error: 999999.sst: .*move it .*a directory' "$check" "$tmp/store"
expect 1 '/store: 999999.sst: .*a directory.*move it' "$server" --port 0 --dir "$tmp/store"
rmdir "$tmp/store/999999.sst"
log=$(basename "$(find "$tmp/store" -name '*.log' | sort | head -n 1)")
rm "$tmp/store/$log"
mkfifo "$tmp/store/$log"
expect 1 "$log: .*neither a file" "$check" "$tmp/store"
expect 1 "$log: .*neither a file.*move it" "$server" --port 0 --dir "$tmp/store"
expect 1 "$log: unreadable" "$check" "$tmp/store" --repair
expect 0 '^sound$' "$check" "$tmp/store"

# An emptied CURRENT.
rm -rf "$tmp/store"
cp -r "$tmp/whole" "$tmp/store"
: > "$tmp/store/CURRENT"
expect 1 'CURRENT: empty; riptidekv-check --repair' "$server" --port 0 --dir "$tmp/store"
expect 1 '^data is damaged: CURRENT: empty' "$check" "$tmp/store"
expect 0 '^repaired$' "$check" "$tmp/store" --repair
expect 0 '^sound$' "$check" "$tmp/store"

# An answer that nobody could get.
checks=$((checks + 1))
"$check" "$tmp/store" --json > /dev/full 2> "$tmp/why"
if [ $? -ne 2 ] || ! grep -q 'No space left' "$tmp/why"; then
    echo "FAIL an answer that could not be written is an error: $(cat "$tmp/why")"
    failed=$((failed + 1))
fi

echo "check-tool: $checks checks, $failed failed"
[ "$failed" -eq 0 ]
