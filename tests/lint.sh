#!/bin/sh
# lint.sh FILE.c... -- compile with warnings as errors under gcc and clang, in float and in double, and check the rules of the house.
# Environment: FLAGS (compiler flags).
set -u
bad=0
say() { echo "lint: $*"; bad=1; }

for compiler in gcc clang; do
    command -v $compiler >/dev/null 2>&1 || { echo "lint: $compiler is not installed, skipped"; continue; }
    for width in float double; do
        # gradient checks are built in double only
        printf '%s\n' "$@" | { [ $width = double ] && cat || grep -v '^tests/grad_'; } | xargs -P "$(nproc)" -I{} sh -c \
            "$compiler $FLAGS -fopenmp -Werror -DREAL=$width -fsyntax-only {} || { echo 'lint: {} ($compiler, $width)'; exit 255; }" || bad=1
    done
done

for f in "$@"; do
    lines=$(wc -l <"$f")
    [ "$lines" -gt 1000 ] && say "$f: $lines lines (at most 1000)"
    [ "$lines" -gt 500 ] && echo "lint: note: $f has $lines lines (500 is the aim)"
    case $f in
    src/base/arena.c | src/tensor/backend_*) ;;
    *) grep -nE '(^|[^_a-zA-Z])(malloc|calloc|realloc)\(' "$f" /dev/null && say "$f: memory comes from arenas" ;;
    esac
    case $f in
    src/*)
        grep -nE '^#[ ]*(if|ifdef|elif|else)' "$f" /dev/null && say "$f: conditions belong in include guards only"
        grep -nE '(^|[^_a-zA-Z.])(rand|srand|random|drand48)\(' "$f" /dev/null && say "$f: random numbers come from base/rng.h"
        ;;
    esac
done
git grep -nIE '/hom[e]/|/roo[t]/' -- ':!tests/golden' && say "a path of one machine"
grep -rnE '#[ ]*if' --include=*.h src | grep -vE '#ifndef [A-Z0-9_]+_H$' | grep -vE 'sanitize\.h|#ifndef REAL' && say "conditions in headers belong in include guards only"
[ $bad = 0 ] && echo "lint: clean ($# files, gcc and clang, float and double)"
exit $bad
