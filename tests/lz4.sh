#!/bin/bash
# lz4.sh - two builds, one with liblz4 and one without, and stores that need it or not.
#
#   tests/lz4.sh build/release build/nolz4
set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 1
with=$1 without=$2
tmp=$(mktemp -d "$PWD/build/lz4.XXXXXX") || exit 1
. tests/serve.sh
trap 'end_server; rm -rf "$tmp"' EXIT

checks=0 failed=0
verdict() { # WHAT EXIT-CODE: 0 is right; the output shows when it is not
    checks=$((checks + 1))
    [ "$2" -eq 0 ] && return
    failed=$((failed + 1))
    echo "FAIL: $1:"
    sed 's/^/    /' "$tmp/out"
}
expect() { # WHAT EXIT-CODE PATTERN COMMAND...: the code, and a line of the output
    local what=$1 want=$2 pattern=$3 code
    shift 3
    timeout 60 "$@" > "$tmp/out" 2>&1
    code=$?
    [ "$code" -eq "$want" ] && grep -qE -- "$pattern" "$tmp/out"
    verdict "$what (exit $code, expected $want and '$pattern')" $?
}

start() { # BUILD STORE FLAGS...
    local build=$1 store=$2
    shift 2
    serve "$build/riptidekv-server" --port 0 --dir "$tmp/$store" --memtable-bytes 64kb "$@"
}
cli() { timeout 20 redis-cli -p "$port" "$@"; }
fill() { # 2000 keys whose values shrink
    for i in $(seq 2000); do
        printf 'SET key%05d %s%05d\r\n' "$i" "$(printf 'value%.0s' {1..20})" "$i"
    done | cli --pipe > "$tmp/out" 2>&1
    grep -q 'errors: 0, replies: 2000' "$tmp/out"
    verdict 'filling' $?
}
holds_all() {
    [ "$(cli dbsize)" = 2000 ] && cli get key01234 | grep -q 'value01234$'
    verdict 'all keys are there' $?
}
sums() { (cd "$tmp/$1" && find . -type f ! -name LOCK | sort | xargs cksum); }

expect 'a build with lz4 says so' 0 '\(compression: lz4\)' "$with/riptidekv-server" --version
expect 'a build without says so' 0 '\(compression: none\)' "$without/riptidekv-server" --version
expect 'make says that it is missing' 0 'without lz4: liblz4-dev would add' \
    env -u LZ4 -u MAKEFLAGS make --no-print-directory -n CC=false all
env -u LZ4 -u MAKEFLAGS make --no-print-directory -n LZ4=no all > "$tmp/out" 2>&1
! grep -q liblz4-dev "$tmp/out"
verdict 'but not to who wants none' $?

start "$with" packed --compression-from-level 0
fill
cli save > "$tmp/out" 2>&1
cli info engine > "$tmp/out"
grep -qE '^compression_ratio:([2-9]|1\.[5-9])' "$tmp/out"
verdict 'INFO tells the ratio' $?
stop_server
expect 'the store is sound' 0 '^sound$' "$with/riptidekv-check" "$tmp/packed"
table=$(cd "$tmp/packed" && ls -- *.sst | head -n 1)
expect 'its tables are compressed' 0 'codec 1: lz4' \
    "$with/riptidekv-check" "$tmp/packed" --dump "$table"

sums packed > "$tmp/before"
need="[0-9]{6}\.sst: footer at offset [0-9]+: its blocks are compressed with lz4, which"
need="$need this program was built without; build it again with liblz4-dev installed"
expect 'a server without lz4 refuses by name' 1 "$need" "$without/riptidekv-server" \
    --port 0 --dir "$tmp/packed"
expect 'so does check' 1 "$need" "$without/riptidekv-check" "$tmp/packed"
expect 'so does repair' 2 'built without' "$without/riptidekv-check" "$tmp/packed" --repair
expect 'a dump shows what it can' 0 'stored with lz4, which this program was built without' \
    "$without/riptidekv-check" "$tmp/packed" --dump "$table"
sums packed > "$tmp/after"
diff "$tmp/before" "$tmp/after" > "$tmp/out"
verdict 'none of them has changed a file' $?
expect 'lz4 cannot be asked for' 1 \
    'compression lz4: .*built without lz4; build it again with liblz4-dev' \
    "$without/riptidekv-server" --port 0 --dir "$tmp/asked" --compression lz4

start "$with" packed
holds_all
stop_server

# A store without compressed tables goes from one build to the other and back.
start "$with" plain --compression none
fill
stop_server
start "$without" plain
holds_all
stop_server
start "$with" plain
holds_all
stop_server
expect 'the plain store is sound' 0 '^sound$' "$without/riptidekv-check" "$tmp/plain"

echo "lz4: $checks checks, $failed failed"
[ "$failed" -eq 0 ]
