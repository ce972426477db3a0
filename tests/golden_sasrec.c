/* tests/golden_sasrec.c -- golden kind "sasrec": hidden states, logits, loss and every gradient. */
#include "golden_seqmodel.h"
#include "nn/sasrec.h"

Status golden_sasrec(GoldenCase *c);

Status golden_sasrec(GoldenCase *c)
{
    int64_t T, B;
    const int32_t *pos = golden_i32(c, "in.positions", &T);
    const int32_t *length = golden_i32(c, "in.seq_lens", &B);
    for (int64_t b = 0, t = 0; b < B; b++) /* positions are ours to derive: from 0 at the left of each sequence */
        for (int32_t i = 0; i < length[b]; i++, t++) golden_check(c, pos[t] == i, "position %lld of row %lld", (long long)pos[t], (long long)t);
    const SasrecConfig config = {.N = (int64_t)golden_config(c, "num_items", 0), .C = (int64_t)golden_config(c, "hidden_size", 0),
                                 .L = (int64_t)golden_config(c, "num_layers", 0), .H = (int64_t)golden_config(c, "num_heads", 0),
                                 .F = (int64_t)golden_config(c, "ffn_dim", 0), .max_len = (int64_t)golden_config(c, "max_len", 0),
                                 .ln_eps = golden_config(c, "layer_norm_eps", 1e-8),
                                 .scale_embedding = golden_config(c, "scale_embedding", 1) != 0, .gelu = false};
    SeqModel *m = sasrec_create(c->be, &config, T, true);
    const Status status = golden_seqmodel_check(c, m, NULL);
    seqmodel_destroy(m);
    return status;
}
