#!/bin/bash
# docs.sh - what the pages say of files, targets, flags and functions is true.
#
#   tests/docs.sh BUILD           all rules (the server of BUILD/ is asked for its flags)
#
# As in tidy.sh a rule is a function rule_NAME that prints one line per violation, and
# beside it stands plant_NAME, which puts one into a copy of the tree. Links and paths are
# tidy.sh's business.
set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 1
build=$PWD/${1:-build/release}

RULES="readmes_name_files readmes_name_no_ghosts pages_are_listed targets flags functions"

pages() {
    find . \( -name build -o -name .git -o -name .data \) -prune -o -name '*.md' -print |
        sed 's,^\./,,' | sort
}
sources() {
    find fault engine server tests proptests fuzz ! -path tests/docs.sh \
        \( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' \)
}

# Code in a page: one span or one indented line each, behind "page:line:".
code() {
    pages | xargs awk '
        FNR == 1 { fence = 0 }
        /^```/ { fence = !fence; next }
        fence || /^    / { print FILENAME ":" FNR ":" $0; next }
        { rest = $0
          while (match(rest, /`[^`]+`/)) {
              print FILENAME ":" FNR ":" substr(rest, RSTART + 1, RLENGTH - 2)
              rest = substr(rest, RSTART + RLENGTH) } }'
}

# The files that a README has to name. A suite is found by its name; in tests/, where
# the suites of a layer mirror it, only what is not a suite counts.
files_of() {
    if [ "$1" = tests ]; then
        find tests -name '*.[ch]' ! -name '*_test.c' -o -name '*.sh'
    else
        find "$1" -maxdepth 1 -name '*.[ch]' -o -maxdepth 1 -name '*.sh'
    fi
}

# A README names every file of its folder. A header speaks for the files whose names
# begin as its own does: disk_sim.h for disk_sim_dir.c and disk_sim_state.h.
rule_readmes_name_files() {
    for d in fault engine server tests proptests fuzz; do
        words=$(grep -oE '[A-Za-z0-9_]+\.(c|h|sh)\b' $d/README.md | sort -u)
        files_of $d | sort | while read -r f; do
            b=${f##*/}
            spoken_for "$b" "$words" || echo "$d/README.md: does not name $f"
        done
    done
}
spoken_for() { # NAME WORDS
    local stem=${1%.*}
    case $'\n'$2$'\n' in *$'\n'"$1"$'\n'*) return 0 ;; esac
    case $1 in *.sh) return 1 ;; esac
    while :; do
        case $'\n'$2$'\n' in *$'\n'"$stem.h"$'\n'*) return 0 ;; esac
        case $stem in *_*) stem=${stem%_*} ;; *) return 1 ;; esac
    done
}
plant_readmes_name_files() { (cd engine && echo '/* planted */' > nobody_named_it.h); }

# Files that a page names without a folder exist somewhere.
rule_readmes_name_no_ghosts() {
    have=$( (sources; echo docs.sh) | sed 's,.*/,,' | sort -u)
    pages | xargs grep -noE '(^|[^A-Za-z0-9_/.<>*-])[a-z][a-z0-9_]*\.(c|h|sh)\b' |
        sed -E 's/^([^:]*:[0-9]*):[^a-z]?/\1 /' | sort -u |
        while read -r where name; do
            case $where in docs/references.md:*) continue ;; esac # files of others
            [ "$name" = program.c ] && continue                    # the reader's own
            printf '%s\n' "$have" | grep -qxF "$name" || echo "$where: no file $name"
        done
}
plant_readmes_name_no_ghosts() { echo 'see `skip_list.c`' >> engine/README.md; }

# A page that no other page and no target mentions is a page that nobody finds.
rule_pages_are_listed() {
    for p in docs/*.md; do
        [ "$p" = docs/README.md ] ||
            { pages | grep -vxF "$p" | xargs grep -qF "${p##*/})"; } ||
            grep -qF "$p" Makefile || echo "docs/README.md: does not list $p"
    done
}
plant_pages_are_listed() { (cd docs && echo '# Nowhere' > nowhere.md); }

# Every `make TARGET` can be made.
rule_targets() {
    targets=$(sed -nE 's/^([A-Za-z0-9_.\/ -]+):([^=].*)?$/\1/p' Makefile | tr ' ' '\n' | sort -u)
    code | grep -E '(^|:|[^A-Za-z])make [^|]' |
        sed -E 's/^([^:]*:[0-9]*):(.*[^A-Za-z])?make +/\1 /; s/"[^"]*"//g; s/(  +| [#>;&|]).*//' |
        while read -r where words; do
            for w in $words; do
                case $w in
                *=*) continue ;;
                -*|*.*|*[A-Z\"\'\`,\;]*) break ;;
                build/*) w=${w##*/}; grep -qF "/$w" Makefile || echo "$where: nothing makes $w" ;;
                *) printf '%s\n' "$targets" | grep -qxF -- "$w" || echo "$where: no target $w" ;;
                esac
            done
        done
}
plant_targets() { printf '\n    make crash-proof-coffee\n' >> README.md; }

# What PROGRAM says of its flags: its help, or the table in its source.
known_flags() {
    case $1 in
    riptidekv-server|riptidekv-check) "$build/$1" --help 2>&1 ;;
    crash|tapes) grep -oE '\{"[a-z-]+", (no|required|optional)_argument' \
        "$(find tests -name "$1.c")" | sed -E 's/..([a-z-]+).*/--\1/' ;;
    run-tests|run-e2e) cat tests/main.c tests/support/runner.c ;;
    esac
}

# Every flag that a page gives to a program is one of that program's.
rule_flags() {
    for program in riptidekv-server riptidekv-check crash tapes run-tests run-e2e; do
        known=$(known_flags $program | grep -oE -- '--[a-z-]+' | sort -u)
        [ -n "$known" ] || echo "$program: says nothing of its flags"
        spelled="(^|[/ :])$program "
        [ $program = riptidekv-server ] && spelled="$spelled|make run ARGS="
        case $program in crash|tapes) spelled="$spelled|make $program ARGS=" ;; esac
        code | grep -E "$spelled" | while IFS= read -r line; do
            where=$(printf '%s' "$line" | cut -d: -f1,2)
            printf '%s' "$line" | sed -E "s/.*($spelled)//; s/ [#|;&].*//" |
                grep -oE -- '--[a-z][a-z-]*' | while read -r flag; do
                printf '%s\n' "$known" | grep -qxF -- "$flag" ||
                    echo "$where: $program has no $flag"
            done
        done
    done
}
plant_flags() { printf '\n    build/release/riptidekv-server --turbo yes\n' >> README.md; }

# A `name_with_underscores` that a page quotes exists in the code, examples excepted.
EXAMPLES="noun_verb|reopen_drops_torn_tail"
rule_functions() {
    have=$( (sources | xargs cat; cat Makefile) | grep -oE '[A-Za-z0-9_]+' | sort -u)
    code | grep -oE '^[^:]*:[0-9]+:[a-z][a-z0-9]*(_[a-z0-9]+)+(\(\))?$' | sed 's/()$//' |
        grep -vE ":($EXAMPLES)\$" | sort -u | while IFS=: read -r page line name; do
            printf '%s\n' "$have" | grep -qxF "$name" ||
                echo "$page:$line: nothing is called $name"
        done
}
plant_functions() { echo 'then `db_group_hope` returns' >> docs/architecture.md; }

# ---- running the rules ----

checks=0 failed=0
verdict() { # NAME TEXT-OF-VIOLATIONS
    checks=$((checks + 1))
    [ -z "$2" ] && return
    failed=$((failed + 1))
    printf 'FAIL %s\n%s\n' "$1" "$2" | sed '2,$s/^/    /'
}
lines() { sed '/^$/d' | wc -l; }

tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

for r in $RULES; do
    found=$("rule_$r" 2>&1)
    verdict "$r" "$found"
    rm -rf "$tmp/tree"
    mkdir "$tmp/tree"
    tar -cf - --exclude=./build --exclude=./.git --exclude=./.data . | tar -xf - -C "$tmp/tree"
    planted=$(cd "$tmp/tree" && "plant_$r" && "rule_$r" 2>&1)
    if [ "$(printf '%s\n' "$planted" | lines)" -gt "$(printf '%s\n' "$found" | lines)" ]; then
        verdict "$r can fail" ""
    else
        verdict "$r can fail" "a planted violation went unseen"
    fi
done

echo "docs: $checks checks, $failed failed"
[ "$failed" -eq 0 ] && [ "$checks" -gt 0 ]
