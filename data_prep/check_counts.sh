#!/bin/sh
# check_counts.sh BIN SOURCE -- do the real sets of SOURCE meet the published counts to the unit, and are the rows that our rule makes the rows that
# others ship? One line a set; exit 3 when one does not. SOURCE is a folder or a URL as for 01_download; sets that it does not have are named and skipped.
set -u
bin=$1 source=$2 bad=0 found=0
work=$(mktemp -d) || exit 4
trap 'rm -rf "$work"' EXIT
for name in beauty sports toys instruments industrial office industrial-2023-captions; do
    protocol=leave-last-out
    case $name in industrial* | office) protocol=chrono-8-1-1 ;; esac
    if ! "$bin/01_download" --quiet --dataset $name --source "$source" --lock "$work/lock" --out "$work/raw-$name" 2>"$work/log"; then
        grep -q 'exit 4' "$work/log" && { echo "$name: not in $source, skipped"; continue; }
        cat "$work/log" >&2; bad=3; continue
    fi
    found=$((found + 1))
    "$bin/02_preprocess" --quiet --dataset $name --raw "$work/raw-$name" --protocol $protocol --out "$work/$name" 2>"$work/log" || { cat "$work/log" >&2; bad=3; continue; }
    "$bin/02_card" --quiet --data "$work/$name" --check 1 || bad=3
done
[ $found -gt 0 ] || { echo "error: $source has none of the real sets" >&2; exit 4; }
exit $bad
