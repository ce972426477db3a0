#!/bin/sh
# run.sh TARGET... -- run fuzz targets, JOBS at a time, SECONDS each, one line for each; fail when one crashed, hung, leaked or ran out of memory.
# Environment: BIN (programs), CACHE (crashes and what was learnt so far), FUZZ_SECONDS, JOBS.
set -u
cd "$(dirname "$0")/../.."
mkdir -p "$CACHE/corpus" "$CACHE/logs"

if [ "${1:-}" = --one ]; then
    name=$2 log=$CACHE/logs/$2.log
    mkdir -p "$CACHE/corpus/$name"
    dictionary=
    [ -f "tests/fuzz/corpus/$name.dict" ] && dictionary=-dict=tests/fuzz/corpus/$name.dict
    # what is found is written to the first folder; the committed seeds are only read
    ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1} "$BIN/fuzz_$name" -max_total_time="$FUZZ_SECONDS" -rss_limit_mb=2048 -timeout=60 -max_len=16384 -print_final_stats=1 \
        $dictionary -artifact_prefix="$CACHE/$name-" "$CACHE/corpus/$name" "tests/fuzz/corpus/$name" >"$log" 2>&1
    rc=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    cov=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
    crashes=$([ $rc = 0 ] && echo 0 || echo 1)
    printf '%-12s %10s runs %7s exec/s %6s coverage %2s crashes\n' "$name" "${runs:-?}" "${rate:-?}" "${cov:-?}" "$crashes"
    if [ $rc != 0 ]; then
        grep -m 3 -E '^fuzz: |ERROR: |SUMMARY: |runtime error: ' "$log" | cut -c 1-300 | sed 's/^/    /'
        echo "    replay: $BIN/fuzz_$name ${input:-(see $log)}"
        : >"$CACHE/failed/$name"
    fi
    exit 0
fi

rm -rf "$CACHE/failed"
mkdir -p "$CACHE/failed"
printf '%s\n' "$@" | xargs -P "${JOBS:-2}" -n 1 sh "$0" --one
failed=$(ls "$CACHE/failed")
[ -z "$failed" ] || { echo "error: fuzzing found faults: $(echo $failed)" >&2; echo "  fix: replay as said above; keep the input under tests/fuzz/corpus/<name>/ once it is repaired" >&2; exit 1; }
