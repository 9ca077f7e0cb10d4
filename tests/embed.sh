#!/bin/bash
# embed.sh - the library as other programs see it: installed somewhere, found by
# pkg-config, header and library and nothing else.
#
#   tests/embed.sh
set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 1
tmp=$(mktemp -d "$PWD/build/embed.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
prefix=$tmp/usr
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig

checks=0 failed=0
ok() { # WHAT COMMAND...: the command succeeds and prints nothing that we did not ask for
    local what=$1
    shift
    checks=$((checks + 1))
    "$@" > "$tmp/out" 2>&1 && return
    failed=$((failed + 1))
    echo "FAIL: $what"
    sed 's/^/    /' "$tmp/out"
}

# Every symbol that others could see begins with riptide_.
only_ours() { # NM-OPTIONS...
    local seen
    seen=$(nm "$@" --defined-only | awk 'NF == 3 {print $3}' | sort -u)
    [ -n "$seen" ] || { echo "no symbols at all" && return 1; }
    echo "$seen" | grep -v '^riptide_' && return 1
    comm -3 <(echo "$seen") <(grep -ohE '\briptide_[a-z_]+\(' engine/riptide.h server/riptide_server.h |
        tr -d '(' | sort -u) > "$tmp/differ"
    [ ! -s "$tmp/differ" ] || { echo "header and library differ:" && cat "$tmp/differ"; false; }
}

run_example() { # PROGRAM
    rm -rf "$tmp/store"
    diff - <("$1" "$tmp/store" 2>&1) << 'END'
greeting is hello
greeting is not there
account:ann is 70
account:bob is 30
1000 items
item:0012 is 144
everything is in tables now
sound
END
}

# A copy that was made while the store was written, read by another process.
copies() { # PROGRAM
    rm -rf "$tmp/store" "$tmp/copy"
    diff - <("$1" write "$tmp/store" "$tmp/copy" 2>&1 && "$1" read "$tmp/copy" 2>&1) << 'END'
before: the 999. entry, the 998. entry, the 997. entry
now: the 1999. entry, the 1998. entry, the 1997. entry
the 999. entry, the 998. entry, the 997. entry
END
}

serves() { # PROGRAM
    rm -rf "$tmp/store"
    diff - <("$1" "$tmp/store" 2>&1 | tr -d '\r') << 'END'
SET: +OK
GET: $5
hello
stopped
END
}

# What the program said was in the store is there although it was killed.
survives_kill() { # PROGRAM
    local said=0 kept
    rm -rf "$tmp/store"
    "$1" write "$tmp/store" > "$tmp/said" &
    local pid=$!
    sleep "0.$((RANDOM % 6 + 3))"
    kill -9 "$pid"
    wait "$pid" 2> /dev/null
    said=$(grep -c . "$tmp/said")
    kept=$("$1" read "$tmp/store") || { echo "cannot be read: $kept" && return 1; }
    # the last line may be cut; one put more may have come through unsaid
    [ "$said" -gt 10 ] || { echo "only $said puts in that time" && return 1; }
    [ "$kept" -ge "$((said - 2))" ] && [ "$kept" -le "$said" ] && return
    echo "said $said, kept $kept"
    return 1
}

make=(make --no-print-directory)
ok 'make install' "${make[@]}" install PREFIX="$prefix"
for f in bin/riptidekv-server bin/riptidekv-check lib/libriptide.a lib/libriptide.so \
    include/riptide.h include/riptide_server.h lib/pkgconfig/riptide.pc; do
    ok "$f is installed" test -s "$prefix/$f"
done
ok 'the shared library shows riptide_* only' only_ours -D "$prefix/lib/libriptide.so"
ok 'the static library shows riptide_* only' only_ours -g "$prefix/lib/libriptide.a"

strict=(-Wall -Wextra -Wpedantic -Werror)
for header in riptide riptide_server; do
    ok "$header.h is C99" cc -std=c99 "${strict[@]}" -I"$prefix/include" \
        -fsyntax-only -x c "$prefix/include/$header.h"
    ok "$header.h is C++" clang++ -std=c++11 "${strict[@]}" -I"$prefix/include" \
        -fsyntax-only -x c++ "$prefix/include/$header.h"
done

# shellcheck disable=SC2046 # flags are words
for example in embed durable backup serve; do
    source=tests/examples/$example.c
    ok "$example.c with the shared library" cc -std=c99 "${strict[@]}" "$source" \
        $(pkg-config --cflags --libs riptide) -Wl,-rpath,"$prefix/lib" -o "$tmp/$example"
    ok "$example.c with the static library" cc -std=c99 "${strict[@]}" "$source" \
        $(pkg-config --cflags riptide) "$prefix/lib/libriptide.a" \
        $(pkg-config --static --libs-only-l --libs-only-other riptide | sed 's/-lriptide//') -o "$tmp/$example-static"
done
ok 'embed, shared' run_example "$tmp/embed"
ok 'embed, static' run_example "$tmp/embed-static"
ok 'backup, shared' copies "$tmp/backup"
ok 'backup, static' copies "$tmp/backup-static"
ok 'serve, shared' serves "$tmp/serve"
ok 'serve, static' serves "$tmp/serve-static"
for _ in 1 2 3 4 5; do
    ok 'a put that has returned survives kill -9' survives_kill "$tmp/durable"
done

echo "embed: $checks checks, $failed failed"
[ "$failed" -eq 0 ]
