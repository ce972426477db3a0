/* rec/beam_model.h -- a trained generative model opened for ranking: what 09_grpo and 10_evaluate load.
 *
 * The folder is one that 08_sft or 09_grpo wrote: config.json, model.safetensors, vocab.json, merges.txt, tokenizer_config.json, sft.json
 * (history length of its prompts, and whether its softmax ran over one level only). The SIDs are those of 06_tokenize.
 */
#ifndef DIGR_REC_BEAM_MODEL_H
#define DIGR_REC_BEAM_MODEL_H

#include "base/arena.h"
#include "base/status.h"
#include "io/manifest.h"
#include "nn/decoder.h"
#include "rec/beam.h"
#include "rec/sequence.h"

typedef struct BeamModel {
    const char *dir, *sids; /* the folder; path of sids.index.json */
    Catalogue *catalogue;
    Vocab *vocab;
    Trie *trie;
    SequenceBuilder builder;
    Decoder *decoder;
    bool level_softmax; /* trained with a softmax over one level's codes: full-vocabulary scores mean nothing, rank by BEAM_RENORM */
    int64_t max_prompt; /* longest prompt in tokens */
} BeamModel;

/* beam_model_open -- into `arena`; N items expected. max_tokens and with_gradients as in decoder_create (max_tokens 0: one longest prompt). E_INPUT when
 * files are missing or model and SIDs do not fit each other. */
Status beam_model_open(Backend *be, const char *dir, const char *sids_dir, int64_t N, int64_t max_tokens, bool with_gradients, Arena *arena,
                       BeamModel **model);
void beam_model_close(BeamModel *m); /* the decoder; the rest goes with the arena. NULL allowed */
/* The score this model's items are ranked by unless told otherwise. */
BeamScore beam_model_score(const BeamModel *m);
/* beam_model_inputs -- list the files it was read from in a manifest. */
void beam_model_inputs(const BeamModel *m, Arena *arena, Manifest *manifest);
/* beam_model_copy_extras -- write the tokenizer files and sft.json of the model into another folder. */
Status beam_model_copy_extras(const BeamModel *m, Arena *arena, const char *dir);

#endif
