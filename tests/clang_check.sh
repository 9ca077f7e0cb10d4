#!/bin/bash
# clang_check.sh - clang compiles every C file of the tree without a warning.
#
#   tests/clang_check.sh FLAGS...
#
# The layers are compiled twice: with fault points, as in tests, and without, as released.
set -u

flags=()
for f in "$@"; do
    case $f in -MMD | -MP) ;; *) flags+=("$f") ;; esac
done

bad=$(mktemp) || exit 1
trap 'rm -f "$bad"' EXIT
export bad

compile() { # FLAGS..., the files' names on stdin; two at a time
    xargs -r -P 2 -I '{}' bash -c \
        'f=$1; shift; clang "$@" -Werror -fsyntax-only "$f" || echo "$f" >> "$bad"' \
        compile '{}' "${flags[@]}" "$@"
}
layers() { find fault engine server -name '*.c' 2>/dev/null | sort; }
# The backends of the engine benchmark need headers that its own target installs.
others() {
    find tests proptests fuzz -name '*.c' ! -name bench_leveldb.c \
        ! -name bench_rocksdb.c ! -name bench_lmdb.c 2>/dev/null | sort
}

layers | compile -O2 -D_FORTIFY_SOURCE=2
# Examples include <riptide.h> and <riptide_server.h>, as others do who have installed them.
{ layers; others; } | compile -O1 -DFIU_ENABLE -idirafter engine -idirafter server

files=$({ layers; layers; others; } | wc -l)
failed=$(wc -l < "$bad")
echo "clang-check: $files files, $failed failed"
[ "$failed" -eq 0 ] && [ "$files" -gt 0 ]
