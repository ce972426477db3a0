#!/bin/sh
# run.sh BIN NAME [OPTION=VALUE...] -- run bench_NAME, or every bench program for NAME "all". Each prints one JSON line a measurement, then its table.
# An option without a value is left at the program's default; one that a program does not have is left out.
set -u
bin=$1 name=$2
shift 2
unset OPENBLAS_CORETYPE # each program chooses what fits the processor (src/io/blascore.h), PIN=1 or not

run() {
    program=$1 flags=
    shift
    help=$("$program" --help)
    for option in "$@"; do
        flag=--${option%%=*} value=${option#*=}
        [ -n "$value" ] && case $help in *"$flag "*) flags="$flags $flag $value" ;; esac
    done
    # shellcheck disable=SC2086
    "$program" $flags
}

if [ "$name" != all ]; then
    [ -x "$bin/bench_$name" ] || {
        echo "error: there is no bench '$name'" >&2
        echo "  fix: BENCH=all, or one of: $(ls "$bin" | sed -n 's/^bench_//p' | tr '\n' ' ')" >&2
        exit 2
    }
    run "$bin/bench_$name" "$@"
    exit
fi
for b in "$bin"/bench_*; do
    echo "== $(basename "$b")"
    run "$b" "$@" || exit 1
done
