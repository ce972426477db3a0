/* llm/vectors.h -- POST {base}/embeddings, as OpenAI, vLLM, llama.cpp, Ollama and DashScope serve it: many texts in, a vector for each out. No network in here. */
#ifndef DIGR_LLM_VECTORS_H
#define DIGR_LLM_VECTORS_H

#include "llm/chat.h"

/* vectors_call -- the request for n texts, n >= 1. Vectors are asked for as base64: half the bytes, and the very floats. */
void vectors_call(const Provider *p, const Model *m, const char *const *texts, int64_t n, Arena *arena, HttpCall *call);

typedef struct VectorsReply {
    const char *fault;       /* NULL: well-formed; else why it is not (asking again may help) */
    int64_t n, dim;
    float *at;               /* (n, dim) in the order of the texts, whatever order the reply had */
    bool has_usage;
    int64_t tokens_in;
} VectorsReply;

/* vectors_reply -- the body of a 2xx response to n texts. Vectors may be base64 or lists of numbers. Malformed: not exactly one per text, of differing length,
 * not finite, all zero. */
VectorsReply vectors_reply(const char *body, size_t n_body, int64_t n, Arena *arena);

#endif
