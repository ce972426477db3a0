/* tests/golden_gru4rec.c -- golden kind "gru4rec": hidden states, logits, loss and every gradient, outputs "tied" and "dense_tied". */
#include <string.h>

#include "golden_seqmodel.h"
#include "nn/gru.h"

Status golden_gru4rec(GoldenCase *c);

static const real *hidden(const SeqModel *m, int64_t *width)
{
    *width = gru_config(m)->C;
    return gru_hidden(m);
}

Status golden_gru4rec(GoldenCase *c)
{
    int64_t T, B;
    (void)golden_i32(c, "in.items", &T);
    const int32_t *length = golden_i32(c, "in.seq_lens", &B);
    const char *output = golden_config_string(c, "output", "");
    if (golden_config(c, "num_layers", 1) != 1) return FAIL(E_INPUT, NULL, "%s: one recurrent layer is implemented", c->dir);
    if (strcmp(output, "tied") != 0 && strcmp(output, "dense_tied") != 0) return FAIL(E_INPUT, NULL, "%s: unknown output '%s'", c->dir, output);
    GruConfig config = {.N = (int64_t)golden_config(c, "num_items", 0), .E = (int64_t)golden_config(c, "embedding_size", 0),
                        .C = (int64_t)golden_config(c, "hidden_size", 0), .dense = strcmp(output, "dense_tied") == 0, .max_len = 1};
    for (int64_t b = 0; b < B; b++)
        if (length[b] > config.max_len) config.max_len = length[b];
    SeqModel *m = gru_create(c->be, &config, T, true);
    const Status status = golden_seqmodel_check(c, m, hidden);
    seqmodel_destroy(m);
    return status;
}
