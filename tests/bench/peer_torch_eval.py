#!/usr/bin/env python3
"""Full scoring in PyTorch: users x items inner products in tiles, top k: prints seconds, the median of five. Run by bench_eval."""
import argparse
import statistics
import time

import torch

p = argparse.ArgumentParser()
for name in ("users", "items", "width", "top", "threads"):
    p.add_argument("--" + name, type=int, required=True)
a = p.parse_args()
torch.manual_seed(1)
torch.set_num_threads(a.threads)
x, table = torch.rand(a.users, a.width) - 0.5, torch.rand(a.items, a.width) - 0.5


def run(tile):
    with torch.inference_mode():
        return [(x[i:i + tile] @ table.T).topk(a.top, 1) for i in range(0, a.users, tile)]


best = None
for tile in (64, 256, 1024):
    took = []
    for _ in range(4):
        t = time.perf_counter()
        run(tile)
        took.append(time.perf_counter() - t)
    s = statistics.median(took[1:])
    best = s if best is None else min(best, s)
print(best)
