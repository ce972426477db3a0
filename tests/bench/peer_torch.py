#!/usr/bin/env python3
"""Training speed of the same decoder in PyTorch (fp32, or bf16 autocast): prints tokens a second, the median step. Run by bench_train."""
import torch
import torch.nn.functional as F

from peer_model import MODEL, Decoder, autocast, median_s, options


def main():
    a = options((*MODEL, "seq", "tokens"))
    model = Decoder(a, a.seq)
    opt = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)
    B = max(1, a.tokens // a.seq)
    ids, target = torch.randint(a.vocab, (B, a.seq)), torch.randint(a.vocab, (B, a.seq))

    def logits():
        x = model.emb(ids)
        for layer in model.layers:
            x = layer.attend(x, *layer.heads(x, model.cos, model.sin), model.mask)
        return model.logits(x)

    def step():
        opt.zero_grad(set_to_none=True)
        with autocast(a):
            y = logits()
        F.cross_entropy(y.float().view(-1, a.vocab), target.view(-1)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()

    print(B * a.seq / median_s(step, a.seconds, 2))


main()
