/* tests/mock_llm.h -- a language model for tests, on tests/mock_server.h: chat completions, Anthropic's messages, Gemini's generateContent and /v1/embeddings, with
 * the faults of a bad day. It answers from what it was asked: the interest it names is "working with <title>", a label is 1 when the interest contains a word
 * of the title, a vector is made of the text's hash; a test can check every record against its item.
 *
 *   MockLlm llm = {.key = "sk-...", .faults = {[LLM_500] = 0.01}};
 *   MockServer *server = mock_start(mock_llm_answer, &llm);      // counters: mock_shared(server)[LLM_N_...]
 */
#ifndef DIGR_TESTS_MOCK_LLM_H
#define DIGR_TESTS_MOCK_LLM_H

#include "mock_server.h"

typedef enum LlmFault {
    LLM_429, LLM_429_LATER, /* LATER: with Retry-After */
    LLM_500, LLM_503, LLM_529,
    LLM_STALL, LLM_DROP, LLM_RESET, LLM_CUT, LLM_BAD_CHUNK,
    LLM_INVALID_JSON,       /* 200, and the body is not JSON */
    LLM_EMPTY,              /* 200, no body */
    LLM_WRONG_STYLE,        /* 200, JSON, and not a reply */
    LLM_WRONG_SCHEMA,       /* a reply whose answer is not what was asked for */
    LLM_CHATTY,             /* the answer with words around it */
    LLM_TRUNCATED,          /* stopped by max_tokens */
    LLM_REFUSED,            /* the model declines */
    LLM_400, LLM_404,
    N_LLM_FAULTS
} LlmFault;

typedef struct MockLlm {
    const char *key;               /* requests without it get 401, with a body that quotes what was sent; NULL: anybody is served */
    double faults[N_LLM_FAULTS];   /* probability of each, by request */
    const char *always_for;        /* a title, or words of a text to embed, for which `always` happens every time; NULL */
    LlmFault always;
    const char *retry_after;       /* of LLM_429_LATER */
    int delay_ms;                  /* before every answer */
    int tokens_out;                /* what an answer is counted as; 0: its bytes / 4 */
    bool no_usage;
    bool with_thinking;
    uint64_t seed;
} MockLlm;

/* mock_shared: */
enum { LLM_N_REQUESTS, LLM_N_GOOD, LLM_N_DENIED, LLM_TOKENS_IN, LLM_TOKENS_OUT, LLM_N_PHOTOS, LLM_N_SCHEMAS, LLM_N_FAULT /* and one for each fault */ };

void mock_llm_answer(const MockRequest *request, MockResponse *response, void *user);

/* mock_llm_vector -- the vector it gives for a text (LLM_DIM numbers). */
enum { LLM_DIM = 8 };
void mock_llm_vector(const char *text, float v[LLM_DIM]);

#endif
