#!/bin/sh
# run.sh PROGRAM... -- run every test program, then the committed golden cases; report once at the end, fail if any failed.
set -u
failed= passed=0
for t in "$@"; do
    echo "== $(basename "$t")"
    if "$t"; then passed=$((passed + 1)); else failed="$failed $(basename "$t")"; fi
done
for g in golden_f32 golden_f64; do
    echo "== $g tests/golden"
    if "$BIN/$g" tests/golden; then passed=$((passed + 1)); else failed="$failed $g"; fi
done
if [ -n "$failed" ]; then
    echo "FAILED:$failed ($passed test programs passed)"
    exit 1
fi
echo "all $passed test programs passed"
