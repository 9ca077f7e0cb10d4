#!/bin/bash
# shim_proof.sh - every file call that a running program makes comes through the shim.
#
#   tests/shim_proof.sh
#
# Runs under strace, which notes the stack of each system call that takes a path or a
# descriptor:
#   - a store (tests/bench/shim_load.c),
#   - the real server under redis-benchmark, twice,
#   - the real server under the whole end-to-end load, the machine's package index
#     (tests/e2e/package_index_test.c). Of that load's calls pread64 and poll are left out:
#     to unwind a stack costs milliseconds, and there are tens of thousands of them.
# A call is accounted for when
#   - a function of the shim or of the real disk is on its stack, or
#   - nothing of the program is, but _start, and the call only reads: the loader and the
#     start of the C library, or
#   - it is about a descriptor that is no file: a socket, a pipe, an eventfd, or
#   - it writes to one of the three streams that the program was started with, or
#   - it reads one of two files that the C library reads for itself (see is_library).
# Then one fsync() is planted in a copy of the tree: both this and tests/symbols.sh must
# report it there.
set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 1
tmp=$(mktemp -d "$PWD/build/shim-proof.XXXXXX") || exit 1
. tests/serve.sh
trap 'end_server; rm -rf "$tmp"' EXIT
make=(make --no-print-directory -s VARIANT=release)

# Functions that may touch files: everything in the shim and in the disk behind it.
gate_functions() { # TREE
    nm --defined-only "$1/build/release/fault/shim.o" "$1/build/release/fault/disk_posix.o" |
        awk '$2 ~ /^[tT]$/ {print $3}' | sort -u
}

everything=%file,%desc
changes=%file,read,readv,preadv,preadv2,write,writev,pwrite64,pwritev,pwritev2,close
changes+=,fsync,fdatasync,syncfs,sync_file_range,ftruncate,fallocate,flock,fcntl,ioctl
changes+=,lseek,getdents64,mmap,sendfile,splice,copy_file_range,dup,dup2,dup3
changes+=,io_uring_setup,io_uring_enter

trace() { # CALLS FILE PROGRAM ARGS...: as the program itself, with strace beside it
    local calls=$1 out=$2
    shift 2
    exec strace -D -f -k -y --seccomp-bpf -e "trace=$calls" -e signal=none -o "$out" "$@"
}

# Prints a line per call that is not accounted for, then "N calls, G through the shim".
judge() { # TRACE PROGRAM GATES
    awk -v program="$2" -v gates="$3" '
    BEGIN { while ((getline line < gates) > 0) gate[line] = 1 }
    function flush() {
        if (call == "") return
        calls++
        if (through) shimmed++
        else if (!ours && frames && is_start_up(call)) start_up++
        else if (exempt) others++
        else if (is_library(call)) library++
        else { print "outside the shim: " call; print stack }
        call = ""
    }
    function descriptor(text) { # of the first argument: "<socket:[1]>"
        return match(text, /^[a-z0-9_]+\([0-9]+<[^>]*>/) ? substr(text, RSTART, RLENGTH) : ""
    }
    function is_exempt(text,   fd) {
        fd = descriptor(text)
        if (fd ~ /<(socket|pipe|anon_inode|TCP|TCPv6|UNIX)[:\[]/) return 1
        if (text ~ /^(write|writev|newfstatat|fstat|ioctl|fcntl|lseek|close)\([012]</) return 1
        if (text ~ /^(poll|ppoll|socket|eventfd2|pipe2|execve)\(/) return 1
        return text ~ /^mmap\(.*MAP_ANONYMOUS/
    }
    # A tail call leaves no frame, so an empty-handed stack alone proves nothing.
    function is_start_up(text) {
        if (text ~ /^openat\(/) return text ~ /O_RDONLY/ && text !~ /O_CREAT/
        return text ~ /^(execve|access|read|pread64|newfstatat|fstat|mmap|close)\(/
    }
    # malloc asks once how the system overcommits, gmtime looks for the time zone.
    function is_library(text) {
        if (text ~ /O_CREAT|O_RDWR|O_WRONLY/) return 0
        return text ~ /^(openat|read|newfstatat|lseek|close)\([^,]*(, "|<)\/(proc\/sys\/vm\/overcommit_memory|etc\/localtime|usr\/share\/zoneinfo\/)/
    }
    /^ > / {
        frames++
        stack = stack "   " $0 "\n"
        if (index($0, " > " program "(") == 1) {
            name = substr($0, length(program) + 5)
            sub(/\+0x.*/, "", name)
            if (name in gate) through = 1
            if (name != "_start") ours = 1
        }
        next
    }
    { flush() }
    {
        pid = $1
        text = $0
        sub(/^[0-9]+ +/, "", text)
        if (text ~ /^(\+\+\+|---)/) next
        if (text ~ /<unfinished \.\.\.>$/) { begun[pid] = text; next }
        if (text ~ /^<\.\.\. /) text = begun[pid]
        call = text
        exempt = is_exempt(text)
        frames = through = ours = 0
        stack = ""
    }
    END { flush(); printf "%d calls, %d through the shim, %d at start, %d on no file, " \
          "%d of the C library for itself\n", calls, shimmed, start_up, others, library }' "$1"
}

settle() { # until strace has written its last line
    for _ in $(seq 100); do
        tail -n 1 "$1" | grep -q '+++ ' && return
        sleep 0.1
    done
}

run_store() { # TREE: prints the judgement
    mkdir -p "$tmp/disk"
    (trace $everything "$tmp/store.trace" "$1/build/release/shim_load" "$tmp/disk") ||
        echo "outside the shim: shim_load did not end well"
    settle "$tmp/store.trace"
    rm -rf "$tmp/disk"
    judge "$tmp/store.trace" "$1/build/release/shim_load" "$tmp/gates"
}

# strace -D keeps the process id the server's own.
start_traced() {
    serve trace $everything "$tmp/server.trace" "$PWD/build/release/riptidekv-server" \
        --port 0 --dir "$tmp/store" --appendfsync always --memtable-bytes 65536
}

run_server() { # the judgement of two lives: load, SIGTERM, and once more
    for _ in 1 2; do
        start_traced || { echo "outside the shim: the server did not start"; return; }
        timeout 120 redis-benchmark -p "$port" -q -n 4000 -r 3000 -d 300 -P 8 -c 4 \
            -t set,get > /dev/null 2>&1 || echo "outside the shim: redis-benchmark failed"
        stop_server || echo "outside the shim: the server did not end well"
        settle "$tmp/server.trace"
        judge "$tmp/server.trace" "$PWD/build/release/riptidekv-server" "$tmp/gates"
    done
}

# The judgement of the end-to-end load: its server is started through a script.
run_index() {
    local server=$PWD/build/release/riptidekv-server
    {
        echo '#!/bin/bash'
        declare -f trace
        echo "trace '$changes' '$tmp/index.trace' '$server' \"\$@\""
    } > "$tmp/traced-server"
    chmod +x "$tmp/traced-server"
    RIPTIDEKV_SERVER=$tmp/traced-server timeout 110 build/test/run-e2e --timeout 100 \
        e2e/package_index/get_scan_and_redis_cli_agree_on_the_whole_index \
        > "$tmp/index.log" 2>&1 ||
        { tail -n 5 "$tmp/index.log"; echo "outside the shim: the end-to-end load failed"; }
    settle "$tmp/index.trace"
    judge "$tmp/index.trace" "$server" "$tmp/gates"
}

# A copy of the tree whose engine syncs by itself once.
planted_tree() {
    mkdir -p "$tmp/copy/build"
    cp -a Makefile fault engine server proptests tests "$tmp/copy/"
    cp -a build/release "$tmp/copy/build/" # so that one file is compiled, not all
    cat >> "$tmp/copy/engine/err.c" << 'EOF'
int fsync(int);
__attribute__((constructor)) static void planted(void) { fsync(3); }
EOF
    (cd "$tmp/copy" && "${make[@]}" -j2 build/release/shim_load > /dev/null)
}

failed=0
fail() {
    echo "$*"
    failed=$((failed + 1))
}

"${make[@]}" -j2 build/release/shim_load > /dev/null || fail "shim_load cannot be built"
gate_functions . > "$tmp/gates"
run_store "$PWD" > "$tmp/judgement"
if [ -f server/main.c ]; then
    "${make[@]}" -j2 build/release/riptidekv-server > /dev/null || fail "no server"
    run_server >> "$tmp/judgement"
    run_index >> "$tmp/judgement"
fi
grep -A 12 '^outside' "$tmp/judgement" | head -n 60
failed=$((failed + $(grep -c '^outside' "$tmp/judgement")))
grep -E '^[0-9]+ calls' "$tmp/judgement"
calls=$(awk '/^[0-9]+ calls/ {n += $1} END {print n + 0}' "$tmp/judgement")
shimmed=$(awk '/^[0-9]+ calls/ {n += $3} END {print n + 0}' "$tmp/judgement")
[ "$shimmed" -gt 1000 ] || fail "only $shimmed calls through the shim: no load"

tests/symbols.sh build/release "$@" > "$tmp/symbols" || failed=$((failed + 1))
cat "$tmp/symbols"
objects=$(sed -nE 's/^symbols: ([0-9]+) objects.*/\1/p' "$tmp/symbols")

if planted_tree; then
    run_store "$tmp/copy" | grep -q '^outside the shim: fsync' ||
        fail "a planted fsync() ran unseen"
    (cd "$tmp/copy" && "${make[@]}" symbols 2>&1) | grep -q 'reaches fsync' ||
        fail "a planted fsync() is not seen in the symbols"
else
    fail "the planted tree cannot be built"
fi
echo "shim-proof: $calls calls, ${objects:-0} objects, $failed failed"
[ "$failed" -eq 0 ]
