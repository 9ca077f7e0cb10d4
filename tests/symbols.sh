#!/bin/bash
# symbols.sh - what the compiled objects can reach, read from their undefined symbols.
#
#   tests/symbols.sh build/release CFLAGS...
#
# 1. Engine, server and those parts of the floor that are not a gate reach nothing of the
#    operating system but what the allow-list below names; a gate reaches its own calls
#    only. An unknown import is a violation: the list is what was read and agreed to.
# 2. Without FIU_ENABLE nothing is left of a fault point: no symbol, no name, and the
#    objects are, instruction by instruction, those of sources that never ask.
# 3. Both can fail: a planted fsync() and a planted question are reported.
set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 1
build=$1
shift
flags=()
for f in "$@"; do
    case $f in -MMD | -MP | -g | -I*) ;; *) flags+=("$f") ;; esac
done
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

# Bytes, text, numbers, memory, sorting, giving up.
PURE='mem(cpy|set|move|cmp|chr|rchr|mem|pcpy)|str(n?len|n?cmp|n?casecmp|r?chr|chrnul|str|spn|cspn|pbrk|n?cpy|n?cat|tol|toul|toll|toull|tod|told|error|error_r|errordesc_np)|stpcpy|v?sn?printf|(v?sn?printf|mem(cpy|set|move|pcpy)|str(n?cpy|n?cat)|stpcpy)_?chk|__(v?sn?printf|mem(cpy|set|move|pcpy)|str(n?cpy|n?cat)|stpcpy|fdelt)_chk|__isoc99_sscanf|qsort(_r)?|bsearch|abort|__assert_fail|__stack_chk_fail|__errno_location|_GLOBAL_OFFSET_TABLE_|__ctype_(b|tolower|toupper)_loc|to(lower|upper)|is(alnum|alpha|digit|xdigit|print|space|upper|lower)|(pow|log2?|exp|floor|ceil|sqrt|fabs|round|fmod|frexp|ldexp|trunc|modf|lround|llround)[fl]?|__(isnan|isinf|finite)[fl]?|__(add|sub|mul|div)tf3|__cpu_(model|indicator_init)|__tls_get_addr|LZ4_[A-Za-z0-9_]+'
# A program may speak on the streams that it was started with, parse its arguments, take
# signals and learn who and where it is. It cannot open a stream: fopen is not here.
PROGRAM='stdout|stderr|f?printf|__v?f?printf_chk|vf?printf|puts|fputs|putchar|fputc|putc|fwrite|fflush|getopt(_long)?|opt(arg|ind|err|opt)|exit|_exit|sig(action|emptyset|addset|fillset|procmask|nal)|pthread_sigmask|raise|getpid|getrlimit|setrlimit|getrusage|uname|sysconf|setlocale|localtime_r|gmtime_r|strftime|environ|secure_getenv|malloc_usable_size|malloc_trim|mallinfo2'

# The gates: object, and what it is a gate to. (The simulated disk says why it aborts.)
GATES='
disk_posix  open|openat|close|pread|pwrite|fsync|fdatasync|fstat|ftruncate|mmap|munmap|madvise|posix_fallocate|renameat|linkat|unlinkat|mkdirat|flock|getdents64
net_posix   socket|bind|listen|accept4|getsockname|setsockopt|recv|send|close|poll|inet_pton|inet_ntop|htons|ntohs
clock       clock_gettime
rng         arc4random(_buf)?
mem         malloc|realloc|calloc|free
sched_threads pthread_[a-z_]+|sem_(init|post|wait|destroy)|eventfd|read|write|close|poll|setpriority|sigfillset
disk_order  pthread_mutex_[a-z]+
disk_sim_pool stderr|f?printf|__fprintf_chk
sched_coroutine getcontext|makecontext|swapcontext|setcontext|mmap|munmap|mprotect|sysconf
'

undefined() { # OBJECT
    nm -u --format=posix "$1" | awk '{print $1}' | sed 's/@.*//' | sort -u
}
defined() { # OBJECTS...
    nm -g --defined-only --format=posix "$@" 2>/dev/null | awk 'NF > 2 {print $1}' | sort -u
}

# One line per import that is not allowed, for the objects under DIR.
check_imports() { # DIR
    local dir=$1 object layer name allowed own=$tmp/own
    find "$dir"/fault "$dir"/engine "$dir"/server -name '*.o' 2>/dev/null | sort > "$tmp/objects"
    # shellcheck disable=SC2046 # names of our own objects, without blanks
    defined $(cat "$tmp/objects") > "$own"
    while read -r object; do
        layer=$(basename "$(dirname "$object")") name=$(basename "$object" .o)
        allowed=$PURE
        case $layer in
        server) allowed="$allowed|$PROGRAM" ;;
        fault) allowed="$allowed|$(echo "$GATES" | awk -v n="$name" '$1 == n {print $2}')" ;;
        esac
        undefined "$object" | grep -vxFf "$own" | grep -vxE "${allowed%|}" |
            sed "s,^,$object: reaches ,"
    done < "$tmp/objects"
}

# One line per symbol or name of a fault point that an object still has.
check_symbols_of_points() { # OBJECT...
    local object
    for object in "$@"; do
        undefined "$object" | grep -E '^(fiu_|fault_|point_|question)' |
            sed "s,^,$object: still reaches ,"
        defined "$object" | grep -E '^(fiu_|fault_|point_|question)' |
            sed "s,^,$object: still defines ,"
        strings -a "$object" | grep -E '^(fs/[a-z]+/[a-z]+/[a-z]+|net/[a-z]+/[a-z]+|alloc/nomem)$' |
            sed "s,^,$object: still holds ,"
    done
}

# A stand-in for points.h in which every question is a literal constant.
control_header() {
    mkdir -p "$tmp/control/fault"
    cat > "$tmp/control/fault/points.h" << 'EOF'
#ifndef FAULT_POINTS_H
#define FAULT_POINTS_H
#include <stdbool.h>
#include <stddef.h>
#include "fault/sites.h"
enum fault_effect { FAULT_NONE, FAULT_ERROR, FAULT_DROP, FAULT_AFTER, FAULT_PART, FAULT_SHORT };
struct fault { enum fault_effect effect; int error; };
#define NO_FAULT ((struct fault){FAULT_NONE, 0})
#define fault_at_site(call, site) NO_FAULT
#define fault_at_kind(call, kind) NO_FAULT
#define fault_at_net(call) NO_FAULT
#define fault_at_alloc() false
#define fault_answers(f) false
#define fault_then(f, e) (e)
#define fault_part(f, n) (n)
#endif
EOF
}

code() { # SOURCE -I...: the instructions of the compiled source
    local source=$1
    shift
    cc "${flags[@]}" -w "$@" -c -o "$tmp/code.o" "$source" &&
        objdump -dr --no-show-raw-insn "$tmp/code.o" | sed '1,/^Disassembly/d'
}

check_instructions() { # DIR-OF-POINTS_H-TO-TEST SOURCE...
    local header=$1 source
    shift
    for source in "$@"; do
        code "$source" -I"$header" -I. > "$tmp/with"
        code "$source" -I"$tmp/control" -I. > "$tmp/without"
        [ -s "$tmp/with" ] || echo "$source: no code was compiled"
        cmp -s "$tmp/with" "$tmp/without" || echo "$source: code differs," \
            "$(diff "$tmp/with" "$tmp/without" | grep -c '^[<>]') lines"
    done
}

# ---- proofs that the checks can fail ----

# An fsync in a copy of an engine file.
planted_import() {
    mkdir -p "$tmp/copy/engine"
    cp engine/err.c "$tmp/err.c"
    echo 'int fsync(int); int planted(int fd) { return fsync(fd); }' >> "$tmp/err.c"
    cc "${flags[@]}" -w -I. -c -o "$tmp/copy/engine/err.o" "$tmp/err.c"
    check_imports "$tmp/copy"
}

# A points.h whose questions leave a name and a branch behind.
planted_question() {
    mkdir -p "$tmp/planted/fault"
    sed 's,return false;,return *(const volatile char *)"fs/wal/sync/eio" == 0;,' \
        fault/points.h > "$tmp/planted/fault/points.h"
    check_instructions "$tmp/planted" fault/shim.c
    code fault/shim.c -I"$tmp/planted" -I. > /dev/null
    check_symbols_of_points "$tmp/code.o"
}

report() { # lines of violations on stdin
    local line
    while read -r line; do
        echo "$line"
        echo x >> "$tmp/violations"
    done
}
must_fail() { # WHAT PATTERN, the report on stdin
    grep -q "$2" || echo "symbols.sh itself: $1 went unnoticed" | report
}

: > "$tmp/violations"
control_header
check_imports "$build" | report
objects=$(wc -l < "$tmp/objects")
cp "$tmp/objects" "$tmp/all"
[ "$objects" -gt 0 ] || echo "no objects in $build" | report
# shellcheck disable=SC2046
check_symbols_of_points $(grep -v '/fault/plan\.o$' "$tmp/all") | report
check_instructions . fault/shim.c fault/mem.c fault/net_posix.c | report
planted_import > "$tmp/report"
must_fail 'a direct fsync()' 'reaches fsync' < "$tmp/report"
planted_question > "$tmp/report"
must_fail 'the name of a point' 'still holds fs/wal/sync/eio' < "$tmp/report"
must_fail 'an instruction of a point' 'code differs' < "$tmp/report"
failed=$(wc -l < "$tmp/violations")
echo "symbols: $objects objects, $failed failed"
[ "$failed" -eq 0 ]
