"""What the PyTorch peers share: the decoder's layer, command lines, and the median time of a step."""
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
    """Qwen3's: RMSNorm before and of queries and keys, rotary positions, SwiGLU, no biases."""

    def __init__(self, c, h, f):
        super().__init__()
        self.h, self.d = h, c // h
        self.ln1, self.ln2, self.qn, self.kn = RMSNorm(c), RMSNorm(c), RMSNorm(c // h), RMSNorm(c // h)
        self.qkv, self.o = nn.Linear(c, 3 * c, bias=False), nn.Linear(c, c, bias=False)
        self.gu, self.down = nn.Linear(c, 2 * f, bias=False), nn.Linear(f, c, bias=False)

    def heads(self, x, cos, sin):
        """(B,n,C) to q, k, v of (B,h,n,d)."""
        B, n, _ = x.shape
        q, k, v = self.qkv(self.ln1(x)).view(B, n, 3, self.h, self.d).permute(2, 0, 3, 1, 4)
        return rotate(self.qn(q), cos, sin), rotate(self.kn(k), cos, sin), v

    def after(self, x, att):
        """What follows attention, (B,n,C)."""
        x = x + self.o(att)
        g, u = self.gu(self.ln2(x)).chunk(2, -1)
        return x + self.down(F.silu(g) * u)

    def attend(self, x, q, k, v, mask):
        p = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(self.d) + mask, -1)
        return self.after(x, (p.to(v.dtype) @ v).transpose(1, 2).flatten(2))


class Decoder(nn.Module):
    """Embedding (tied to the output), layers, norm; angles and causal mask for `positions`."""

    def __init__(self, a, positions):
        super().__init__()
        self.emb = nn.Embedding(a.vocab, a.width)
        nn.init.normal_(self.emb.weight, std=0.02)
        self.layers = nn.ModuleList(Layer(a.width, a.heads, a.ffn) for _ in range(a.layers))
        self.norm = RMSNorm(a.width)
        d = a.width // a.heads
        angle = torch.arange(positions)[:, None] * 10000.0 ** (-torch.arange(0, d, 2) / d)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())
        self.register_buffer("mask", torch.full((positions, positions), float("-inf")).triu(1))

    def logits(self, x):
        return self.norm(x) @ self.emb.weight.T


MODEL = ("layers", "width", "ffn", "heads", "vocab")


def options(names, seconds=3):
    """Whole numbers by these names, --threads, --precision and --seconds; sets the seed and the threads."""
    p = argparse.ArgumentParser()
    for name in (*names, "threads"):
        p.add_argument("--" + name, type=int, required=True)
    p.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    p.add_argument("--seconds", type=float, default=seconds)
    a = p.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(a.threads)
    return a


def autocast(a):
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.precision == "bf16")


def median_s(step, seconds, least=3):
    """Median seconds of a step, after one to warm up."""
    step()
    took, begin = [], time.perf_counter()
    while len(took) < least or time.perf_counter() - begin < seconds:
        t = time.perf_counter()
        step()
        took.append(time.perf_counter() - t)
    return statistics.median(took)
