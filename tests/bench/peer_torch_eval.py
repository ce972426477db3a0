#!/usr/bin/env python3
"""Full scoring in PyTorch (fp32 or bf16): users x items inner products in tiles, top k: prints users a second of the best tile. Run by bench_eval."""
import torch

from peer_model import autocast, median_s, options


def main():
    a = options(("users", "items", "width", "top"), 1)
    x, table = torch.rand(a.users, a.width) - 0.5, torch.rand(a.items, a.width) - 0.5

    def run(tile):
        with torch.inference_mode(), autocast(a):
            return [(x[i:i + tile] @ table.T).topk(a.top, 1) for i in range(0, a.users, tile)]

    print(max(a.users / median_s(lambda: run(tile), a.seconds / 3) for tile in (64, 256, 1024)))


main()
