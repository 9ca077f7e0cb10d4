#!/bin/bash
# api.sh - docs/api.md is engine/riptide.h as a page, and nothing else.
#
#   tests/api.sh            compares the page with the header
#   tests/api.sh --write    makes the page (make api)
set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 1
page=docs/api.md header=engine/riptide.h

# A comment at the left edge is prose about the declarations behind it, up to a blank line;
# "---- name ----" opens a section.
render() {
    cat << 'END'
# Embedding: riptide.h

This page is made from [riptide.h](../engine/riptide.h) by `make api`; `make api-check`
compares the two. [embed.c](../tests/examples/embed.c) is a whole program, and
[durable.c](../tests/examples/durable.c) one that is killed while it writes;
[backup.c](../tests/examples/backup.c) reads backwards, and copies a store while it is written.

END
    awk '
    function flush_block(   i) {
        if (code != "") printf "```c\n%s```\n\n", code
        if (prose != "") printf "%s\n", prose
        code = prose = ""
    }
    function add_prose(line) {
        sub(/^ \* ?/, "", line)
        if (line ~ /^[A-Z][a-z]+: +[^ ]/) { # a field of the opening
            sub(/: +/, ":** ", line)
            line = "- **" line
            in_list = 1
        }
        if (line ~ /^ *$/) in_list = 0
        if (in_list) sub(/^         /, "  ", line)
        prose = prose line "\n"
    }
    /^#endif/ && !started { next }
    /^\/\*/ {
        line = $0
        if (!started && line ~ /riptide\.h - /) started = 1
        flush_block()
        in_comment = 1
        if (match(line, /---- [a-z ]+ ----/)) {
            name = substr(line, RSTART + 5, RLENGTH - 10)
            printf "## %s%s\n\n", toupper(substr(name, 1, 1)), substr(name, 2)
            line = "/*" substr(line, RSTART + RLENGTH)
        }
        sub(/^\/\* ?/, " * ", line)
        if (line ~ /\*\/ *$/) { in_comment = 0; sub(/ *\*\/ *$/, "", line) }
        if (line !~ /^ \* *$/) add_prose(line)
        next
    }
    in_comment {
        line = $0
        if (line ~ /\*\/ *$/) { in_comment = 0; sub(/ *\*\/ *$/, "", line) }
        if (prose != "" || line !~ /^ \*? *$/) add_prose(line)
        next
    }
    /^#(ifndef|define ENGINE|include|ifdef|if |else|endif)/ || /^extern "C"/ || /^}$/ { next }
    /^#define RIPTIDE_API/ { next }
    /^$/ { flush_block(); next }
    {
        if (sub(/^RIPTIDE_API /, "")) indent = 12
        else if (!indent || !sub(/^            /, "")) indent = 0
        code = code $0 "\n"
    }
    END { flush_block() }' "$header" | cat -s
}

if [ "${1:-}" = --write ]; then
    render > "$page"
    exit
fi
functions=$(grep -c '^RIPTIDE_API' "$header")
failed=0
render | diff - "$page" || {
    failed=1
    echo "$page is not what $header says; make api"
}
shown=$(grep -oE '\briptide_[a-z_]+\(' "$header" | sort -u | while read -r f; do
    grep -qF -- "$f" "$page" || echo "$f"
done)
[ -z "$shown" ] || { failed=$((failed + 1)) && echo "$page lacks $shown"; }
echo "api-check: $functions functions, $failed failed"
[ "$failed" -eq 0 ]
