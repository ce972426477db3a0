#!/bin/sh
# sidebyside.sh BIN [DATA [METHODS [SEEDS [ROUNDS]]]] -- is `make -j2 reproduce` (as many steps side by side as there are cores, one thread each) faster than
# `make -j1 reproduce` (one step after another, a thread a core)? Runs both in turns, each from nothing but the prepared data, and prints seconds and medians.
# Defaults: sample-beauty, sasrec,gru4rec,wo-rl, 2 seeds, 3 rounds. Environment: WORK (a folder for the runs, removed afterwards), THREADS (nproc).
set -eu
bin=$1 data=${2:-sample-beauty} methods=${3:-sasrec,gru4rec,wo-rl} seeds=${4:-2} rounds=${5:-3}
n=${THREADS:-$(nproc)}
work=$(mktemp -d "${WORK:-${TMPDIR:-/tmp}}/digr-sidebyside-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
export GOMP_SPINCOUNT="${GOMP_SPINCOUNT:-1000}" # as the Makefile sets it

reproduce() { # STAGES JOBS THREADS METHODS
    "$bin/reproduce" --quiet --bin "$bin" --data "$data" --source "${DIGR_DATA:-}" --stages "$1" --results "$1-results" --jobs "$2" --threads "$3" --methods "$4" \
        --seeds "$seeds" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
}

reproduce "$work/prepared" 1 "$n" none
printf '%-6s %28s %28s\n' round "1 step, $n threads (s)" "$n steps, 1 thread each (s)"
for round in $(seq "$rounds"); do
    line=$round
    for jobs in 1 "$n"; do
        cp -a "$work/prepared" "$work/run"
        begin=$(date +%s.%N)
        reproduce "$work/run" "$jobs" $((n / jobs)) "$methods"
        line="$line $(date +%s.%N) $begin"
        rm -rf "$work/run" "$work/run-results"
    done
    echo "$line"
done | awk -v n="$n" -v data="$data" -v methods="$methods" -v seeds="$seeds" '
    { a[NR] = $2 - $3; b[NR] = $4 - $5; printf "%-6d %28.1f %28.1f\n", $1, a[NR], b[NR]; fflush() }
    function median(x, n,   i, j, t) {
        for (i = 2; i <= n; i++) for (j = i; j > 1 && x[j - 1] > x[j]; j--) { t = x[j]; x[j] = x[j - 1]; x[j - 1] = t }
        return n % 2 ? x[(n + 1) / 2] : (x[n / 2] + x[n / 2 + 1]) / 2
    }
    END {
        if (NR == 0) exit 1
        one = median(a, NR); many = median(b, NR)
        printf "%-6s %28.1f %28.1f\n", "median", one, many
        printf "{\"bench\":\"sidebyside\",\"data\":\"%s\",\"methods\":\"%s\",\"seeds\":%d,\"rounds\":%d,\"one_step_s\":%.1f,\"side_by_side_s\":%.1f,\"times_as_fast\":%.2f}\n",
            data, methods, seeds, NR, one, many, one / many
    }'
