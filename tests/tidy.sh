#!/bin/bash
# tidy.sh - the rules of docs/style.md that a program can check.
#
#   tests/tidy.sh                 all rules, and for each the proof that it can fail
#   tests/tidy.sh RULE...         these rules only
#
# A rule is a function rule_NAME that runs in the root of a tree and prints one line per
# violation. Beside it stands plant_NAME, which puts one violation into a copy of the
# tree: a rule that does not report more there than before is broken and counts as failed.
# The symbol gate has a script and a self-test of its own: tests/symbols.sh.
set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 1

RULES="layers includes headers tests_exist links paths unfinished names format shell \
       whitespace readmes"

c_files() {
    find $(ls -d fault engine server tests proptests fuzz 2>/dev/null) -name '*.[ch]' | sort
}
text_files() {
    find . -path ./build -prune -o -path ./.git -prune -o -path ./.data -prune -o \
        -type f \( -name '*.[ch]' -o -name '*.md' -o -name '*.sh' -o -name Makefile \
        -o -path './.ci/*' -o -name '.clang*' -o -name '*.resp' -o -name '*.dict' \) \
        -print | sed 's,^\./,,' | sort
}

# Includes point downward: fault < engine < server < tests, proptests, fuzz.
rule_layers() {
    upward() { grep -rnE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"](\.\./)*($2)/" "$1"; }
    upward fault 'engine|server|tests|proptests|fuzz'
    upward engine 'server|tests|proptests|fuzz'
    upward server 'tests|proptests|fuzz'
    # The layers do not know that they are tested.
    grep -rnE 'fiu|FIU_ENABLE|CUnit' engine server --include='*.[ch]'
}
plant_layers() { echo '#include "server/conn.h"' >> engine/slice.h; }

# Quoted includes name a file from the root, so that every arrow can be seen.
rule_includes() {
    c_files | xargs grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' |
        grep -vE '"(fault|engine|server|tests|proptests|fuzz)/[a-z0-9_/]+\.h"|"suites.inc"'
}
plant_includes() { echo '#include "slice.h"' >> engine/arena.h; }

# A header opens with its name and one sentence, and is guarded by its path.
rule_headers() {
    c_files | grep '\.h$' | while read -r h; do
        case $(head -n 1 "$h") in
        "/* ${h##*/} - "*) ;;
        *) echo "$h:1: does not open with \"/* ${h##*/} - ...\"" ;;
        esac
        guard=$(echo "$h" | tr 'a-z/.' 'A-Z__')
        grep -q "^#ifndef $guard\$" "$h" || echo "$h: no guard $guard"
    done
}
plant_headers() { sed -i '1s/.*/\/* a header./' engine/slice.h; }

# Each .c of a layer has its suite; tests/tidy-exceptions says where not, and why.
rule_tests_exist() {
    for c in fault/*.c engine/*.c server/*.c; do
        [ -f "$c" ] || continue
        t=tests/${c%.c}_test.c
        excused=$(grep -cE "^$c  *[^ ]" tests/tidy-exceptions)
        if [ -f "$t" ]; then
            [ "$excused" -eq 0 ] || echo "tests/tidy-exceptions: $c has its suite by now"
        else
            [ "$excused" -eq 1 ] || echo "$c: no $t, and no reason in tests/tidy-exceptions"
        fi
    done
    grep -vE '^(#|$)' tests/tidy-exceptions | while read -r c _; do
        [ -f "$c" ] || echo "tests/tidy-exceptions: $c does not exist"
    done
}
plant_tests_exist() { echo 'int untested;' > engine/untested.c; }

# The anchor that a heading gets: lower case, spaces to dashes, punctuation dropped.
anchors() {
    sed -n 's/^##* *//p' "$1" | tr 'A-Z' 'a-z' | sed 's/[^a-z0-9 _-]//g; s/ /-/g'
}

# Links of Markdown pages lead somewhere, headings included.
rule_links() {
    text_files | grep '\.md$' | while read -r md; do
        grep -oE '\]\([^)[:space:]]+\)' "$md" | sed 's/^](//; s/)$//' |
            grep -vE '^(https?|mailto):' | while read -r link; do
            path=${link%%#*} anchor=
            case $link in *'#'*) anchor=${link#*#} ;; esac
            target=${path:+$(dirname "$md")/$path}
            target=${target:-$md}
            if [ ! -e "$target" ]; then
                echo "$md: $link leads nowhere"
            elif [ -n "$anchor" ] && [[ $target == *.md ]] &&
                ! anchors "$target" | grep -qxF -- "$anchor"; then
                echo "$md: $link: no such heading"
            fi
        done
    done
}
plant_links() { echo '[there](nowhere.md)' > docs/planted.md; }

# Files named in comments and in code exist. A generated file stands under build/, and
# a pattern (NNNNNN, <name>) is no name.
rule_paths() {
    text_files | grep -vE '\.(resp|dict)$|^tests/tidy\.sh$' |
        xargs grep -noE '(^|[^A-Za-z0-9_/.<>*-])(docs|engine|fault|server|fuzz|proptests|tests)/[A-Za-z0-9_/-]+\.(c|h|md|sh|resp)\b' |
        sed -E 's/^([^:]*:[0-9]*):[^A-Za-z]?/\1 /' | sort -u |
        while read -r where path; do
            [ -e "$path" ] || echo "$where: $path does not exist"
        done
}
plant_paths() { echo '/* see tests/engine/never_test.c */' >> engine/slice.h; }

# What is not done is an issue, not a comment. (The words are put together here, so
# that this file does not report itself.)
rule_unfinished() {
    text_files | xargs grep -nE "\b(TO""DO|FIX""ME|XX""X)\b"
}
plant_unfinished() { echo "/* TO""DO */" >> engine/slice.h; }

# No drawer for everything, no hidden structs.
rule_names() {
    c_files | grep -E '/(utils?|common|types|misc|helpers?)\.[ch]$' |
        sed 's/$/: a name that says nothing/'
    c_files | xargs grep -nE '^[[:space:]]*typedef[[:space:]]+(struct|union)\b' |
        grep -v '^engine/slice\.h:' | sed 's/$/  (write struct)/'
}
plant_names() { echo 'typedef struct hidden hidden;' >> engine/arena.h; }

rule_format() {
    c_files | xargs -P 2 -n 30 sh -c 'said=$(clang-format --dry-run -Werror "$@" 2>&1) ||
        printf "%s\n" "$said"' sh | grep -v '^ ' | sort
}
plant_format() { echo 'int   badly( int a ) ;' > engine/planted.h; }

# Scripts parse, and can be started.
rule_shell() {
    find $(ls -d tests fault fuzz .ci 2>/dev/null) -type f \( -name '*.sh' -o -path '.ci/*' \) | while read -r s; do
        bash -n "$s" 2>&1
        [ -x "$s" ] || ! head -n 1 "$s" | grep -q '^#!' || echo "$s: not executable"
    done
}
plant_shell() { echo 'if' >> tests/install.sh; }

# No blank at a line's end, a newline at a file's end, tabs only in the Makefile.
rule_whitespace() {
    text_files | grep -v '\.resp$' | xargs grep -nE '[[:blank:]]+$'
    text_files | grep -vE 'Makefile|\.(resp|dict|md)$' | xargs grep -nP '\t'
    text_files | while read -r f; do
        [ -z "$(tail -c 1 "$f")" ] || echo "$f: no newline at its end"
    done
}
plant_whitespace() { echo 'int x; ' >> engine/slice.h; }

# Each folder says in which order to read it.
rule_readmes() {
    for d in engine server fault fuzz tests proptests; do
        [ -f "$d/README.md" ] || echo "$d/README.md is missing"
    done
}
plant_readmes() { rm -f tests/README.md; }

# ---- running the rules ----

checks=0 failed=0
verdict() { # NAME TEXT-OF-VIOLATIONS
    checks=$((checks + 1))
    [ -z "$2" ] && return
    failed=$((failed + 1))
    printf 'FAIL %s\n%s\n' "$1" "$2" | sed '2,$s/^/    /'
}

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

copy_tree() {
    rm -rf "$tmp/tree"
    mkdir "$tmp/tree"
    tar -cf - --exclude=./build --exclude=./.git --exclude=./.data . | tar -xf - -C "$tmp/tree"
    mkdir -p "$tmp/tree/docs"
}

[ $# -gt 0 ] && RULES="$*"
for r in $RULES; do
    found=$("rule_$r" 2>&1)
    verdict "$r" "$found"
    copy_tree
    planted=$(cd "$tmp/tree" && "plant_$r" && "rule_$r" 2>&1)
    if [ "$(printf '%s\n' "$planted" | sed '/^$/d' | wc -l)" -gt \
         "$(printf '%s\n' "$found" | sed '/^$/d' | wc -l)" ]; then
        verdict "$r can fail" ""
    else
        verdict "$r can fail" "a planted violation went unseen"
    fi
done

echo "tidy: $checks checks, $failed failed"
[ "$failed" -eq 0 ] && [ "$checks" -gt 0 ]
