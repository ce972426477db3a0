#!/bin/sh
# precision.sh BIN DATA SIDS [08_sft OPTION...] -- does training in bf16 give the same rankings? Trains and judges three seeds in fp32 and in bf16 on one
# prepared data set (DATA: folder of 02_preprocess, SIDS: of 06_tokenize) and prints test HR@10 and NDCG@10 of each, mean and standard deviation.
set -eu
bin=$1 data=$2 sids=$3
shift 3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
metric() { sed -n '/"test":/,$p' "$1" | grep -o "\"$2\":[^,}]*" | head -n 1 | sed 's/.*://'; }

for precision in fp32 bf16; do
    for seed in 1 2 3; do
        out=$work/$precision-$seed begin=$(date +%s.%N)
        "$bin/08_sft" --data "$data" --sids "$sids" --out "$out" --seed $seed --precision $precision --quiet "$@"
        end=$(date +%s.%N)
        "$bin/10_evaluate" --data "$data" --sids "$sids" --model "$out" --out "$out/judged" --quiet
        echo "$precision $seed $begin $end $(metric "$out/judged/metrics.json" HR@10) $(metric "$out/judged/metrics.json" NDCG@10)"
    done
done | awk '
    { n[$1]++; h[$1] += $5; hh[$1] += $5 * $5; g[$1] += $6; gg[$1] += $6 * $6
      if (NR == 1) printf "%-10s %5s %10s %10s %10s\n", "precision", "seed", "HR@10", "NDCG@10", "seconds"
      printf "%-10s %5d %10.4f %10.4f %10.1f\n", $1, $2, $5, $6, $4 - $3; fflush() }
    function sd(s, ss, n) { return n > 1 ? sqrt((ss - s * s / n) / (n - 1) > 0 ? (ss - s * s / n) / (n - 1) : 0) : 0 }
    END { for (i = 0; i < 2; i++) { p = i ? "bf16" : "fp32"
          printf "%-10s %5s %10.4f %10.4f   sd %.4f %.4f\n", p, "mean", h[p] / n[p], g[p] / n[p], sd(h[p], hh[p], n[p]), sd(g[p], gg[p], n[p]) } }'
