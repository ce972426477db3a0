#!/bin/sh
# run.sh PROGRAM... -- run every test program and the committed golden cases, as many at a time as there are cores (TEST_JOBS=n); each program's
# output appears in one piece when it is done. Reports once at the end, fails if any failed.
# Environment: BIN (folder of the golden runners).
set -u
logs=$(mktemp -d) || exit 4
trap 'rm -rf "$logs"' EXIT
jobs=${TEST_JOBS:-$(nproc)}
export BIN logs

{ printf '%s\n' "$@"; printf '%s\n' golden_f32 golden_f64; } | xargs -P "$jobs" -I{} sh -c '
    name=$(basename "{}")
    case $name in golden_*) set -- "$BIN/$name" tests/golden ;; *) set -- "{}" ;; esac
    if "$@" >"$logs/$name.log" 2>&1 </dev/null; then verdict=passed; else verdict=failed; fi
    : >"$logs/$name.$verdict"
    flock "$logs" sh -c "echo \"== $name\"; cat \"$logs/$name.log\""'

passed=$(find "$logs" -name '*.passed' | wc -l)
failed=$(cd "$logs" && ls | sed -n 's/\.failed$//p' | tr '\n' ' ')
if [ -n "$failed" ] || [ "$passed" != $(($# + 2)) ]; then
    echo "FAILED: $failed($passed of $(($# + 2)) test programs passed)"
    exit 1
fi
echo "all $passed test programs passed"
