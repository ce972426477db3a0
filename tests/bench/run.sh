#!/bin/sh
# run.sh BIN NAME [OPTION=VALUE...] -- run bench_NAME; for NAME "all" every bench but scale (BENCH=scale), in fp32 and, where the processor has them, in bf16
# products, then one table of all figures. Each bench prints one JSON line a measurement, then its table. Environment: OUT (results/bench) of "all".
# An option without a value is left at the program's default; one that a program does not have is left out.
set -u
bin=$1 name=$2
shift 2
unset OPENBLAS_CORETYPE # each program chooses what fits the processor (src/io/blascore.h), PIN=1 or not
export GOMP_SPINCOUNT="${GOMP_SPINCOUNT:-1000}" # as the Makefile sets it
export OPENBLAS_THREAD_TIMEOUT="${OPENBLAS_THREAD_TIMEOUT:-4}" # for PyTorch: threads of OpenBLAS that spin between its products slow down its other ones

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
    run "$bin/bench_$name" "bin=$bin" "$@"
    exit
fi

out=${OUT:-results/bench}
mkdir -p "$out" || exit 4
asked= # a precision that was asked for holds for every bench
for option in "$@"; do
    case $option in precision=?*) asked=${option#*=} ;; esac
done
precisions=${asked:-fp32}
if [ -z "$asked" ]; then
    if "$bin/bench_profile" --quiet --size S --tokens 64 --seconds 0.01 --precision bf16 >/dev/null 2>&1; then precisions="fp32 bf16"
    else echo "bench: this processor has no bf16 products, fp32 only"; fi
fi
: >"$out/bench.log"
for path in "$bin"/bench_*; do
    b=${path##*/bench_}
    case $b in scale | table | *.*) continue ;; esac
    case $("$path" --help) in *"--precision "*) with=$precisions ;; *) with=- ;; esac
    for p in $with; do
        echo "== $b$([ "$p" = - ] || echo ", $p")"
        set=$p
        [ -n "$asked" ] || [ "$p" = - ] && set=
        { run "$path" "$@" "precision=$set"; echo $? >"$out/status"; } | tee -a "$out/bench.log"
        [ "$(cat "$out/status")" = 0 ] || exit 1
    done
done
rm -f "$out/status"
grep '^{' "$out/bench.log" >"$out/bench.jsonl"
echo "== all"
"$bin/bench_table" --quiet --dir "$out"
