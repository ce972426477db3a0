#!/usr/bin/env python3
"""Constrained beam search of the same decoder in PyTorch (fp32 or bf16): prints users a second, the median batch. Run by bench_beam.

The same search as digr's: prompts in batches, the keys and values of a prompt shared by its beams, the softmax over the vocabulary, continuations that no
item has masked out, the best `beam` prefixes kept after every code. Items are random SIDs of four codes; weights are random.
"""
import math

import torch

from peer_model import MODEL, Decoder, autocast, median_s, options

CODES, LEVELS, SID_BASE = 256, 4, 10


class Search(Decoder):
    def __init__(self, a):
        super().__init__(a, a.prompt + LEVELS)
        self.W = a.beam
        self.register_buffer("child", build_trie(torch.randint(CODES, (a.items, LEVELS)).tolist()))

    def prefill(self, ids):
        """Keys and values of every layer, and log-probabilities after the last token. The last layer does what the last token needs."""
        x, cache, n = self.emb(ids), [], ids.shape[1]
        cos, sin = self.cos[:n], self.sin[:n]
        for i, layer in enumerate(self.layers):
            q, k, v = layer.heads(x, cos, sin)
            cache.append((k, v))
            mask = self.mask[:n, :n]
            if i == len(self.layers) - 1:
                q, x, mask = q[:, :, -1:], x[:, -1:], mask[-1:]
            x = layer.attend(x, q, k, v, mask)
        return cache, self.log_p(x[:, -1:])

    def log_p(self, x):
        return torch.log_softmax(self.logits(x).float(), -1)

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
            p = torch.softmax(torch.cat((far, near), -1) / math.sqrt(layer.d), -1).to(v.dtype)
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
    a = options((*MODEL, "prompt", "items", "beam", "batch"))
    search = Search(a).eval()
    ids = torch.randint(SID_BASE, SID_BASE + LEVELS * CODES, (a.batch, a.prompt))

    def run():
        with torch.inference_mode(), autocast(a):
            search(ids)

    print(a.batch / median_s(run, a.seconds))


main()
