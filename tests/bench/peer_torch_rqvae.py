#!/usr/bin/env python3
"""Training speed of the same RQ-VAE in PyTorch (fp32, or bf16 autocast): prints steps a second, the median. Run by bench_rqvae."""
import argparse
import statistics
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

DIMS, LEVELS, CODES = [768, 512, 256, 128, 32], 3, 256


def mlp(dims):
    layers = []
    for i in range(len(dims) - 1):
        layers += [nn.Linear(dims[i], dims[i + 1])] + ([nn.ReLU()] if i + 2 < len(dims) else [])
    return nn.Sequential(*layers)


class RqVae(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = mlp(DIMS), mlp(DIMS[::-1])
        self.books = nn.ParameterList(nn.Parameter(torch.randn(CODES, DIMS[-1]) / DIMS[-1] ** 0.5) for _ in range(LEVELS))

    def forward(self, x):
        z = self.encoder(x).float()
        r, q, loss = z, torch.zeros_like(z), 0
        for book in self.books:
            d = r.detach().pow(2).sum(1, keepdim=True) - 2 * r.detach() @ book.t().detach() + book.detach().pow(2).sum(1)
            e = book[d.argmin(1)]
            loss = loss + F.mse_loss(e, r.detach()) + 0.25 * F.mse_loss(r, e.detach())
            q, r = q + e, r - e.detach()
        recon = self.decoder(z + (q - z).detach())
        return F.mse_loss(recon.float(), x) + loss / LEVELS


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--batch", type=int, default=1024)
    p.add_argument("--threads", type=int, required=True)
    p.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    p.add_argument("--seconds", type=float, default=2)
    a = p.parse_args()
    torch.manual_seed(1)
    torch.set_num_threads(a.threads)
    model, x = RqVae(), torch.randn(a.batch, DIMS[0]) * 0.036
    opt = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4)

    def step():
        opt.zero_grad(set_to_none=True)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=a.precision == "bf16"):
            loss = model(x)
        loss.backward()
        opt.step()

    step()
    took, begin = [], time.perf_counter()
    while len(took) < 3 or time.perf_counter() - begin < a.seconds:
        t = time.perf_counter()
        step()
        took.append(time.perf_counter() - t)
    print(1 / statistics.median(took))


main()
