#!/usr/bin/env python3
"""Training speed of the same RQ-VAE in PyTorch (fp32, or bf16 autocast): prints steps a second, the median. Run by bench_rqvae."""
import torch
import torch.nn as nn
import torch.nn.functional as F

from peer_model import autocast, median_s, options

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
    a = options(("batch",), 2)
    model, x = RqVae(), torch.randn(a.batch, DIMS[0]) * 0.036
    opt = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4)

    def step():
        opt.zero_grad(set_to_none=True)
        with autocast(a):
            loss = model(x)
        loss.backward()
        opt.step()

    print(1 / median_s(step, a.seconds))


main()
