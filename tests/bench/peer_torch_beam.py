#!/usr/bin/env python3
"""Constrained beam search of the same decoder in PyTorch (fp32 or bf16): prints users a second, the median batch. Run by bench_beam.

The same search as digr's: prompts in batches, the keys and values of a prompt shared by its beams, the softmax over the vocabulary, continuations that no
item has masked out, the best `beam` prefixes kept after every code. Items are random SIDs of four codes; weights are random.
"""
import argparse
import math
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

CODES, LEVELS, SID_BASE = 256, 4, 10


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

    def heads(self, x, cos, sin):
        """(B,n,C) to q, k, v of (B,h,n,d)."""
        B, n, _ = x.shape
        q, k, v = self.qkv(self.ln1(x)).view(B, n, 3, self.h, self.d).permute(2, 0, 3, 1, 4)
        return rotate(self.qn(q), cos, sin), rotate(self.kn(k), cos, sin), v

    def after(self, x, att):
        x = x + self.o(att)
        g, u = self.gu(self.ln2(x)).chunk(2, -1)
        return x + self.down(F.silu(g) * u)


class Search(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.W, self.h, self.d = a.beam, a.heads, a.width // a.heads
        self.emb = nn.Embedding(a.vocab, a.width)
        nn.init.normal_(self.emb.weight, std=0.02)
        self.layers = nn.ModuleList(Layer(a.width, a.heads, a.ffn) for _ in range(a.layers))
        self.norm = RMSNorm(a.width)
        T = a.prompt + LEVELS
        angle = torch.arange(T)[:, None] * 10000.0 ** (-torch.arange(0, self.d, 2) / self.d)
        self.register_buffer("cos", angle.cos())
        self.register_buffer("sin", angle.sin())
        self.register_buffer("mask", torch.full((a.prompt, a.prompt), float("-inf")).triu(1))
        self.register_buffer("child", build_trie(torch.randint(CODES, (a.items, LEVELS)).tolist()))

    def prefill(self, ids):
        """Keys and values of every layer, and log-probabilities after the last token. The last layer does what the last token needs."""
        x, cache, n = self.emb(ids), [], ids.shape[1]
        cos, sin = self.cos[:n], self.sin[:n]
        for i, layer in enumerate(self.layers):
            q, k, v = layer.heads(x, cos, sin)
            cache.append((k, v))
            mask = self.mask
            if i == len(self.layers) - 1:
                q, x, mask = q[:, :, -1:], x[:, -1:], mask[-1:]
            p = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(self.d) + mask, -1).to(v.dtype)
            x = layer.after(x, (p @ v).transpose(1, 2).flatten(2))
        return cache, self.log_p(x[:, -1:])

    def log_p(self, x):
        return torch.log_softmax((self.norm(x) @ self.emb.weight.T).float(), -1)

    def step(self, token, level, cache, own):
        """token (B,W): the newest one of each beam; own: keys and values after the prompt, (B,h,W,level,d) of each layer."""
        x, at = self.emb(token), cache[0][0].shape[2] + level
        B, W = token.shape
        for i, layer in enumerate(self.layers):
            q, k, v = layer.heads(x, self.cos[at], self.sin[at])
            k, v = k.unsqueeze(3), v.unsqueeze(3)
            if own[i] is not None:
                k, v = torch.cat((own[i][0], k), 3), torch.cat((own[i][1], v), 3)
            own[i] = (k, v)
            far = q @ cache[i][0].transpose(-1, -2)
            near = (q.unsqueeze(3) @ k.transpose(-1, -2)).squeeze(3)
            p = torch.softmax(torch.cat((far, near), -1) / math.sqrt(self.d), -1).to(v.dtype)
            n = far.shape[-1]
            att = p[..., :n] @ cache[i][1] + (p[..., n:].unsqueeze(3) @ v).squeeze(3)
            x = layer.after(x, att.transpose(1, 2).flatten(2))
        return self.log_p(x)

    def forward(self, ids):
        B = ids.shape[0]
        cache, log_p = self.prefill(ids)
        own = [None] * len(self.layers)
        score, node = torch.zeros(B, 1), torch.zeros(B, 1, dtype=torch.long)
        for level in range(LEVELS):
            child = self.child[node].long()  # (B, beams, CODES)
            first = SID_BASE + level * CODES
            s = score.unsqueeze(2) + log_p[..., first:first + CODES]
            s = s.masked_fill(child < 0, float("-inf")).flatten(1)
            score, best = s.topk(min(self.W, s.shape[1]), 1)
            parent, code = best // CODES, best % CODES
            node = child.flatten(1).gather(1, best).clamp(min=0)
            if level == LEVELS - 1:
                return score, node
            if own[0] is not None:
                for i, (k, v) in enumerate(own):
                    at = parent[:, None, :, None, None].expand(-1, k.shape[1], -1, k.shape[3], k.shape[4])
                    own[i] = (k.gather(2, at), v.gather(2, at))
            log_p = self.step(first + code, level, cache, own)


def build_trie(sids):
    """(nodes, CODES): the child by each code, -1 where no item continues so."""
    rows, index = [[-1] * CODES], {(): 0}
    for sid in sids:
        for n in range(1, LEVELS + 1):
            prefix = tuple(sid[:n])
            if prefix not in index:
                index[prefix] = len(rows)
                rows.append([-1] * CODES)
                rows[index[prefix[:-1]]][prefix[-1]] = index[prefix]
    return torch.tensor(rows, dtype=torch.int32)


def main():
    p = argparse.ArgumentParser()
    for name in ("layers", "width", "ffn", "heads", "vocab", "prompt", "items", "beam", "batch", "threads"):
        p.add_argument("--" + name, type=int, required=True)
    p.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    p.add_argument("--seconds", type=float, default=3)
    a = p.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(a.threads)
    search = Search(a).eval()
    ids = torch.randint(SID_BASE, SID_BASE + LEVELS * CODES, (a.batch, a.prompt))

    def run():
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.precision == "bf16"):
            return search(ids)

    run()
    took, begin = [], time.perf_counter()
    while len(took) < 3 or time.perf_counter() - begin < a.seconds:
        t = time.perf_counter()
        run()
        took.append(time.perf_counter() - t)
    print(a.batch / statistics.median(took))


main()
