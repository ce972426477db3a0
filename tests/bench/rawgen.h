/* tests/bench/rawgen.h -- made-up lines in the raw formats of the Amazon releases, for measurements: never data, never a result.
 *
 * A line is a function of (seed, format, its number). Shapes follow the real files: ids of the same length, reviews of about 400 bytes drawn from a skewed
 * vocabulary (gzip shrinks it about as far as real reviews), escapes and other scripts where they occur there, few very active users and popular items and
 * many rare ones. */
#ifndef DIGR_TESTS_BENCH_RAWGEN_H
#define DIGR_TESTS_BENCH_RAWGEN_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"

typedef enum RawFormat {
    RAW_REVIEWS_2014, RAW_META_2014, RAW_REVIEWS_2018, RAW_META_2018, RAW_REVIEWS_2023, RAW_META_2023, RAW_RATINGS_2023, RAW_FORMATS
} RawFormat;

enum { RAWGEN_WORDS = 4096, RAWGEN_DRAWS = 1 << 16, RAWGEN_LINE_BYTES = 1 << 16 };

typedef struct RawGen {
    uint64_t seed;
    int64_t users, items;
    char word[RAWGEN_WORDS][16];
    unsigned char word_length[RAWGEN_WORDS];
    uint16_t draw[RAWGEN_DRAWS]; /* words in proportion to their frequency */
    uint64_t state;              /* of the line being written */
    char *out;
} RawGen;

/* SplitMix64: the state walks by a constant, the output is mixed. */
static inline uint64_t rawgen_mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static inline uint64_t rawgen_next(RawGen *g) { return rawgen_mix(g->state += UINT64_C(0x9e3779b97f4a7c15)); }
static inline uint64_t rawgen_below(RawGen *g, uint64_t n) { return (rawgen_next(g) >> 32) * n >> 32; }
static inline double rawgen_uniform(RawGen *g) { return (double)(rawgen_next(g) >> 11) * 0x1p-53; }

static inline void rawgen_init(RawGen *g, uint64_t seed, int64_t users, int64_t items)
{
    static const char *const common[] = {"the", "and", "a", "to", "I", "it", "of", "this", "is", "for", "in", "my", "that", "with", "was", "on", "have", "you", "but",
                                         "not", "as", "so", "are", "very", "be", "at", "they", "just", "great", "like", "one", "good", "or", "use", "these", "would",
                                         "product", "all", "me", "can", "had", "from", "when", "if", "get", "really", "well", "than", "out", "up", "them", "an", "more",
                                         "love", "has", "bought", "price", "no", "quality", "only", "much", "will", "because", "were", "also", "it's", "little", "don't"};
    static const char *const syllables[] = {"ba", "con", "de", "er", "fi", "gra", "in", "ket", "lo", "men", "nu", "or", "per", "qui", "ra", "ste", "ti", "un", "ver", "wo",
                                            "ex", "ly", "ing", "ed", "al", "ous", "ap", "bri", "cho", "du"};
    enum { COMMON = sizeof common / sizeof *common, SYLLABLES = sizeof syllables / sizeof *syllables };
    g->seed = seed;
    g->users = users;
    g->items = items;
    g->state = rawgen_mix(seed);
    double weight[RAWGEN_WORDS], sum = 0, at = 0;
    for (int w = 0; w < RAWGEN_WORDS; w++) {
        int n = 0;
        if (w < COMMON) n = snprintf(g->word[w], sizeof g->word[w], "%s", common[w]);
        for (uint64_t left = w < COMMON ? 0 : 2 + rawgen_below(g, 3); left; left--)
            n += snprintf(g->word[w] + n, sizeof g->word[w] - (size_t)n, "%s", syllables[rawgen_below(g, SYLLABLES)]);
        g->word_length[w] = (unsigned char)n;
        sum += weight[w] = 1 / (w + 3.0);
    }
    for (int w = 0, d = 0; w < RAWGEN_WORDS; w++)
        for (at += weight[w] / sum * RAWGEN_DRAWS; d < RAWGEN_DRAWS && (d < at || w == RAWGEN_WORDS - 1); d++) g->draw[d] = (uint16_t)w;
}

static inline void rawgen_put(RawGen *g, const char *text)
{
    const size_t n = strlen(text);
    memcpy(g->out, text, n);
    g->out += n;
}

static inline void rawgen_printf(RawGen *g, const char *format, int64_t value) { g->out += sprintf(g->out, format, (long long)value); }

/* `length` letters and digits that name number `which` of a kind: ids look random, and differ. */
static inline void rawgen_id(RawGen *g, const char *prefix, int64_t which, int length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint64_t x = rawgen_mix((uint64_t)which * 2 + 1);
    rawgen_put(g, prefix);
    for (int i = 0; i < length; i++) {
        if (i == 12) x = rawgen_mix(x + (uint64_t)which);
        *g->out++ = digits[x & 31];
        x >>= 5;
    }
}

/* A few are drawn very often: the index is a power of a uniform number. */
static inline int64_t rawgen_skewed(RawGen *g, int64_t n, double power) { return (int64_t)((double)n * pow(rawgen_uniform(g), power)); }

/* `words` words in sentences. json: quotes and other scripts are escaped as the files do; 2018: with line ends and entities; 2023: with tags. */
static inline void rawgen_text(RawGen *g, uint64_t words, RawFormat format)
{
    static const char *const marks[] = {"\\\"", "&#34;", "<br />", "\\u2019", "\\n", "\xc3\xa9", "\\ud83d\\ude00"};
    uint64_t sentence = 0, bits = 0;
    for (uint64_t i = 0; i < words; i++) {
        if (i % 4 == 0) bits = rawgen_next(g);
        int w = g->draw[bits & (RAWGEN_DRAWS - 1)];
        if (format == RAW_META_2014 && strchr(g->word[w], '\'')) w = 0; /* within quotes of that kind */
        bits >>= 16;
        if (i) *g->out++ = ' ';
        memcpy(g->out, g->word[w], 16);
        if (sentence == 0 && *g->out >= 'a') *g->out = (char)(*g->out - 'a' + 'A');
        g->out += g->word_length[w];
        if (sentence++ < 6 || (bits & 7)) continue;
        *g->out++ = '.';
        sentence = 0;
        const uint64_t kind = rawgen_below(g, 16);
        if (format == RAW_META_2014) rawgen_put(g, kind < 2 ? "\\'" : "");
        else if (kind < 7 && !(kind == 4 && format == RAW_REVIEWS_2014)) rawgen_put(g, marks[kind]);
    }
}

/* About `mean` words, few texts very long. */
static inline void rawgen_body(RawGen *g, double mean, RawFormat format)
{
    double words = -mean * log(1 - rawgen_uniform(g));
    rawgen_text(g, 3 + (uint64_t)(words < 2000 ? words : 2000), format);
}

static inline void rawgen_reviews_2014(RawGen *g, RawFormat format)
{
    const int64_t day = 10000 + (int64_t)rawgen_below(g, 6000);
    rawgen_put(g, "{\"reviewerID\": \"");
    rawgen_id(g, "A", rawgen_skewed(g, g->users, 2.5), 13);
    rawgen_put(g, "\", \"asin\": \"");
    rawgen_id(g, "B00", rawgen_skewed(g, g->items, 4), 7);
    rawgen_put(g, "\", \"reviewerName\": \"");
    rawgen_text(g, 2, format);
    rawgen_put(g, "\", \"helpful\": [");
    rawgen_printf(g, "%lld", (int64_t)rawgen_below(g, 9));
    rawgen_put(g, ", 9], \"reviewText\": \"");
    rawgen_body(g, 70, format);
    rawgen_printf(g, "\", \"overall\": %lld.0, \"summary\": \"", 1 + (int64_t)rawgen_below(g, 5));
    rawgen_text(g, 4, format);
    rawgen_printf(g, "\", \"unixReviewTime\": %lld, \"reviewTime\": \"09 13, 2009\"}", day * 86400);
}

static inline void rawgen_reviews_2018(RawGen *g, RawFormat format)
{
    const int64_t day = 12000 + (int64_t)rawgen_below(g, 5800);
    rawgen_printf(g, "{\"overall\": %lld.0, \"vote\": \"3\", \"verified\": true, \"reviewTime\": \"01 5, 2018\", \"reviewerID\": \"", 1 + (int64_t)rawgen_below(g, 5));
    rawgen_id(g, "A", rawgen_skewed(g, g->users, 2.5), 13);
    rawgen_put(g, "\", \"asin\": \"");
    rawgen_id(g, "B00", rawgen_skewed(g, g->items, 4), 7);
    rawgen_put(g, "\", \"style\": {\"Size:\": \" Large\", \"Color:\": \" Black\"}, \"reviewerName\": \"");
    rawgen_text(g, 2, format);
    rawgen_put(g, "\", \"reviewText\": \"");
    rawgen_body(g, 60, format);
    rawgen_put(g, "\", \"summary\": \"");
    rawgen_text(g, 4, format);
    rawgen_printf(g, "\", \"unixReviewTime\": %lld}", day * 86400);
}

static inline void rawgen_reviews_2023(RawGen *g, RawFormat format)
{
    const int64_t item = rawgen_skewed(g, g->items, 4), time = INT64_C(1000000000000) + (int64_t)(rawgen_next(g) % UINT64_C(680000000000));
    rawgen_printf(g, "{\"rating\": %lld.0, \"title\": \"", 1 + (int64_t)rawgen_below(g, 5));
    rawgen_text(g, 4, format);
    rawgen_put(g, "\", \"text\": \"");
    rawgen_body(g, 50, format);
    rawgen_put(g, "\", \"images\": [], \"asin\": \"");
    rawgen_id(g, "B0", item * 3 + (int64_t)rawgen_below(g, 3), 8);
    rawgen_put(g, "\", \"parent_asin\": \"");
    rawgen_id(g, "B0", item * 3, 8);
    rawgen_put(g, "\", \"user_id\": \"");
    rawgen_id(g, "A", rawgen_skewed(g, g->users, 2.5), 27);
    rawgen_printf(g, "\", \"timestamp\": %lld, \"helpful_vote\": 0, \"verified_purchase\": true}", time);
}

static inline void rawgen_ratings_2023(RawGen *g)
{
    rawgen_id(g, "A", rawgen_skewed(g, g->users, 2.5), 27);
    rawgen_put(g, ",");
    rawgen_id(g, "B0", rawgen_skewed(g, g->items, 4) * 3, 8);
    rawgen_printf(g, ",%lld.0,", 1 + (int64_t)rawgen_below(g, 5));
    rawgen_printf(g, "%lld", INT64_C(1000000000000) + (int64_t)(rawgen_next(g) % UINT64_C(680000000000)));
}

static inline void rawgen_list(RawGen *g, const char *prefix, uint64_t n, uint64_t words, char quote, RawFormat format)
{
    *g->out++ = '[';
    for (uint64_t i = 0; i < n; i++) {
        if (i) rawgen_put(g, ", ");
        *g->out++ = quote;
        if (words) rawgen_text(g, words, format);
        else rawgen_id(g, prefix, (int64_t)rawgen_below(g, (uint64_t)g->items), 7);
        *g->out++ = quote;
    }
    *g->out++ = ']';
}

static inline void rawgen_meta_2014(RawGen *g, int64_t i)
{
    rawgen_put(g, "{'asin': '");
    rawgen_id(g, "B00", i, 7);
    rawgen_put(g, "', 'related': {'also_bought': ");
    rawgen_list(g, "B00", rawgen_below(g, 60), 0, '\'', RAW_META_2014);
    rawgen_put(g, ", 'buy_after_viewing': ");
    rawgen_list(g, "B00", 4, 0, '\'', RAW_META_2014);
    rawgen_put(g, "}, 'title': \"");
    rawgen_text(g, 9, RAW_META_2014);
    rawgen_printf(g, "\", 'price': %lld.99, 'salesRank': {'Beauty': 1234}, 'imUrl': 'http://ecx.images-amazon.com/images/I/51.jpg', 'brand': 'Xq', 'categories': [", (int64_t)rawgen_below(g, 90));
    rawgen_list(g, "", 4, 2, '\'', RAW_META_2014);
    rawgen_put(g, "], 'description': '");
    rawgen_body(g, 70, RAW_META_2014);
    rawgen_put(g, "'}");
}

static inline void rawgen_meta_2018(RawGen *g, int64_t i)
{
    rawgen_put(g, "{\"category\": ");
    rawgen_list(g, "", 4, 2, '"', RAW_META_2018);
    rawgen_put(g, ", \"tech1\": \"\", \"description\": [\"");
    rawgen_body(g, 80, RAW_META_2018);
    rawgen_put(g, "\"], \"fit\": \"\", \"title\": \"");
    rawgen_text(g, 9, RAW_META_2018);
    rawgen_put(g, "\", \"also_buy\": ");
    rawgen_list(g, "B00", rawgen_below(g, 40), 0, '"', RAW_META_2018);
    rawgen_put(g, ", \"image\": [], \"tech2\": \"\", \"brand\": \"Xq\", \"feature\": ");
    rawgen_list(g, "", 4, 12, '"', RAW_META_2018);
    rawgen_put(g, ", \"rank\": [\">#1,024 in Office\"], \"details\": {}, \"main_cat\": \"Office\", \"price\": \"$9.99\", \"asin\": \"");
    rawgen_id(g, "B00", i, 7);
    rawgen_put(g, "\"}");
}

static inline void rawgen_meta_2023(RawGen *g, int64_t i)
{
    rawgen_put(g, "{\"main_category\": \"All Beauty\", \"title\": \"");
    rawgen_text(g, 12, RAW_META_2023);
    rawgen_put(g, "\", \"average_rating\": 4.8, \"rating_number\": 10, \"features\": ");
    rawgen_list(g, "", 5, 14, '"', RAW_META_2023);
    rawgen_put(g, ", \"description\": ");
    rawgen_list(g, "", 2, 40, '"', RAW_META_2023);
    rawgen_put(g, ", \"price\": null, \"images\": [{\"thumb\": \"https://m.media-amazon.com/images/I/41_._SS40_.jpg\", \"large\": \"https://m.media-amazon.com/images/I/41.jpg\", \"variant\": \"MAIN\", \"hi_res\": null}], \"videos\": [], \"store\": \"Xq\", \"categories\": [], \"details\": {\"Package Dimensions\": \"7.1 x 5.5 inches; 2.38 Pounds\", \"UPC\": \"617390882781\"}, \"parent_asin\": \"");
    rawgen_id(g, "B0", i * 3, 8);
    rawgen_put(g, "\", \"bought_together\": null}");
}

/* rawgen_line -- line i (from 0) of a file, its end included, into out (RAWGEN_LINE_BYTES); its length. Line 0 of the ratings is their header. */
static inline size_t rawgen_line(RawGen *g, RawFormat format, int64_t i, char *out)
{
    g->out = out;
    g->state = rawgen_mix(g->seed * 31 + (uint64_t)format) + rawgen_mix((uint64_t)i + 1);
    switch (format) {
    case RAW_REVIEWS_2014: rawgen_reviews_2014(g, format); break;
    case RAW_META_2014: rawgen_meta_2014(g, i); break;
    case RAW_REVIEWS_2018: rawgen_reviews_2018(g, format); break;
    case RAW_META_2018: rawgen_meta_2018(g, i); break;
    case RAW_REVIEWS_2023: rawgen_reviews_2023(g, format); break;
    case RAW_META_2023: rawgen_meta_2023(g, i); break;
    default:
        if (i == 0) rawgen_put(g, "user_id,parent_asin,rating,timestamp");
        else rawgen_ratings_2023(g);
    }
    *g->out++ = '\n';
    return (size_t)(g->out - out);
}

#endif
