#!/usr/bin/env python3
"""Training speed of the same decoder in PyTorch (fp32, or bf16 autocast): prints tokens a second, the median step. Run by bench_train."""
import argparse
import math
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class RMSNorm(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n))

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


class Layer(nn.Module):
    def __init__(self, c, h, f):
        super().__init__()
        self.h, self.d = h, c // h
        self.ln1, self.ln2, self.qn, self.kn = RMSNorm(c), RMSNorm(c), RMSNorm(c // h), RMSNorm(c // h)
        self.qkv, self.o = nn.Linear(c, 3 * c, bias=False), nn.Linear(c, c, bias=False)
        self.gu, self.down = nn.Linear(c, 2 * f, bias=False), nn.Linear(f, c, bias=False)

    def forward(self, x, cos, sin, mask):
        B, T, C = x.shape
        q, k, v = self.qkv(self.ln1(x)).view(B, T, 3, self.h, self.d).permute(2, 0, 3, 1, 4)
        q, k = rotate(self.qn(q), cos, sin), rotate(self.kn(k), cos, sin)
        p = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(self.d) + mask, -1)
        x = x + self.o((p.to(v.dtype) @ v).transpose(1, 2).reshape(B, T, C))
        g, u = self.gu(self.ln2(x)).chunk(2, -1)
        return x + self.down(F.silu(g) * u)


class Decoder(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.emb = nn.Embedding(a.vocab, a.width)
        nn.init.normal_(self.emb.weight, std=0.02)
        self.layers = nn.ModuleList(Layer(a.width, a.heads, a.ffn) for _ in range(a.layers))
        self.norm = RMSNorm(a.width)
        d = a.width // a.heads
        angle = torch.arange(a.seq)[:, None] * 10000.0 ** (-torch.arange(0, d, 2) / d)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())
        self.register_buffer("mask", torch.full((a.seq, a.seq), float("-inf")).triu(1))

    def forward(self, ids):
        x = self.emb(ids)
        for layer in self.layers:
            x = layer(x, self.cos, self.sin, self.mask)
        return self.norm(x) @ self.emb.weight.T


def main():
    p = argparse.ArgumentParser()
    for name in ("layers", "width", "ffn", "heads", "vocab", "seq", "tokens", "threads"):
        p.add_argument("--" + name, type=int, required=True)
    p.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    p.add_argument("--seconds", type=float, default=3)
    a = p.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(a.threads)
    model = Decoder(a)
    opt = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    B = max(1, a.tokens // a.seq)
    ids, target = torch.randint(a.vocab, (B, a.seq)), torch.randint(a.vocab, (B, a.seq))

    def step():
        opt.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.precision == "bf16"):
            logits = model(ids)
        F.cross_entropy(logits.float().view(-1, a.vocab), target.view(-1)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()

    step()
    took, begin = [], time.perf_counter()
    while len(took) < 2 or time.perf_counter() - begin < a.seconds:
        t = time.perf_counter()
        step()
        took.append(time.perf_counter() - t)
    print(B * a.seq / statistics.median(took))


main()
