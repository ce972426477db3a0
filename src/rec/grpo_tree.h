/* rec/grpo_tree.h -- grpo_update_run where the decoder has the fused step: all completions of a prompt in one pass over it.
 *
 * A sequence of the batch is a prompt and, branching from its end, the codes of each of its different completions (but their last, which predicts nothing). Queries
 * of a branch see the prompt and the branch. Rows of the batch are a fifth of one sequence a completion, at 8 completions of 3 to 4 codes and prompts of 30. The
 * same gradient as grpo_update.c up to bfloat16 (test_grpo.c).
 */
#ifndef DIGR_REC_GRPO_TREE_H
#define DIGR_REC_GRPO_TREE_H

#include "rec/beam_common.h"
#include "rec/grpo_update.h"

typedef struct GrpoTree GrpoTree;

/* Arguments of grpo_update_create; x is kept. NULL when the decoder does not fit. */
GrpoTree *grpo_tree_create(Decoder *d, const Trie *trie, const TrieIndex *x, int64_t max_tokens, double temperature, const GrpoOptions *options);
void grpo_tree_destroy(GrpoTree *t); /* NULL allowed */
/* grpo_tree_fits -- whether a micro-batch has room for every prompt with all its completions. */
bool grpo_tree_fits(const GrpoTree *t, const GrpoBatch *b);
/* grpo_tree_run -- as grpo_update_run, sums added to. */
Status grpo_tree_run(GrpoTree *t, const GrpoBatch *b, GrpoSums *sums, real *lp);

#endif
