/* tests/report_fixture.h -- a finished run with invented ranks, labelled FIXTURE everywhere, to test the report without training anything.
 * Included by test_report.c only; `test_report --keep DIR` leaves it on disk to look at. */
#ifndef DIGR_TESTS_REPORT_FIXTURE_H
#define DIGR_TESTS_REPORT_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/rng.h"
#include "eval/evaluation.h"
#include "base/atomic.h"

enum { FIXTURE_ROWS = 600, FIXTURE_ITEMS = 480 };

typedef struct FixtureMethod {
    const char *id, *label, *tables;
    double skill;       /* chance that the target is within the 20 predictions */
    int seeds;
    bool generative;
} FixtureMethod;

static const FixtureMethod FIXTURE_METHODS[] = {
    {"popularity", "Popularity", "[\"main\"]", 0.10, 1, false},
    {"sasrec", "SASRec, cross-entropy", "[\"main\"]", 0.30, 3, false},
    {"deepinterest", "DeepInterestGR (SFT + GRPO)", "[\"main\",\"ablation\"]", 0.42, 3, true},
    {"wo-rl", "without RL (SFT only)", "[\"main\",\"ablation\"]", 0.39, 3, true},
    {"wo-mlim", "without MLIM (no interests anywhere)", "[\"ablation\"]", 0.31, 3, true},
    {"shuffled", "shuffled SIDs (control)", "[\"ablation\"]", 0.12, 3, true},
    {"mine-none", "no interests", "[\"ensemble\"]", 0.28, 2, true},
    {"mine-offline", "rules alone", "[\"ensemble\"]", 0.30, 2, true},
    {"mine-union", "union of the members", "[\"ensemble\"]", 0.40, 2, true},
    {"oracle", "Oracle (knows the simulator's interests)", "[\"main\"]", 0.70, 1, false},
    {"external", "MyMethod & <friends>", "[\"main\"]", 0.36, 1, false}};
enum { N_FIXTURE_METHODS = sizeof FIXTURE_METHODS / sizeof *FIXTURE_METHODS };

static void fixture_text(Arena *a, const char *dir, const char *name, const char *text)
{
    AtomicFile *file;
    MUST(dir_make(dir));
    MUST(atomic_open(arena_printf(a, "%s/%s", dir, name), &file));
    fputs(text, atomic_stream(file));
    MUST(atomic_commit(file));
}

/* Ranks of one split: rows have a difficulty shared by all methods, so that paired differences behave as real ones do. */
static Judgement fixture_split(Arena *a, const char *split, double skill, uint64_t seed)
{
    Judgement j = {.split = split, .n_rows = FIXTURE_ROWS, .n_predictions = FIXTURE_ROWS * RUN_DEPTH, .rank = ARENA_NEW(a, int32_t, FIXTURE_ROWS)};
    for (int r = 0; r < FIXTURE_ROWS; r++) {
        Rng row = rng_make(strlen(split), RNG_STAGE_TEST, RNG_NOISE, 0, (uint64_t)r), own = rng_make(seed, RNG_STAGE_TEST, RNG_SAMPLE, (uint32_t)(1000 * skill), (uint64_t)r);
        const double difficulty = 0.7 * rng_uniform(&row) + 0.3 * rng_uniform(&own);
        if (difficulty < skill) j.rank[r] = 1 + (int32_t)(difficulty / skill * 20.0);
        j.n_found += j.rank[r] > 0;
    }
    metrics_compute(j.rank, j.n_rows, j.value);
    return j;
}

static void fixture_evaluation(Arena *a, const char *dir, const char *set, bool simulated, const FixtureMethod *m, uint64_t seed)
{
    Evaluation ev = {.dataset = set, .label = "FIXTURE", .protocol = "leave-last-out", .simulated = simulated, .N = FIXTURE_ITEMS, .method = m->id,
        .beam = m->generative ? 20 : 0, .has_sids = m->generative, .n_collided_items = m->generative ? 14 : 0};
    const bool users_file = strcmp(m->id, "external") == 0; /* one ranking file of the test rows */
    if (!users_file) ev.split[ev.n_splits++] = fixture_split(a, "valid", m->skill * 1.05, seed);
    ev.split[ev.n_splits++] = fixture_split(a, "test", m->skill, seed + 100);
    if (!users_file) ev.split[ev.n_splits++] = fixture_split(a, "test.masked", m->skill * 1.1, seed + 100);
    if (m->generative)
        for (int s = 0; s < ev.n_splits; s++) {
            ev.split[s].has_sid_level = true;
            for (int k = 0; k < METRIC_COUNT; k++) ev.split[s].sid_value[k] = ev.split[s].value[k] * 1.02;
        }
    MUST(dir_make(dir));
    MUST(evaluation_write(&ev, dir));
}

static void fixture_logs(Arena *a, const char *root, uint64_t seed)
{
    char text[60000] = "step\tepoch\tloss\tlr\tgrad_norm\ttokens_per_s\tvalid_loss\tvalid_HR@10\tvalid_NDCG@10\n";
    Rng r = rng_make(seed, RNG_STAGE_TEST, RNG_NOISE, 7, 0);
    size_t n = strlen(text);
    for (int s = 10; s <= 4000; s += 10) {
        n += (size_t)sprintf(text + n, "%d\t%d\t%.4f\t1e-3\t1.0\t30000\t-\t-\t-\n", s, s / 400, 5.0 / (1.0 + s / 500.0) + 0.1 * rng_normal(&r));
        if (s % 400 == 0) n += (size_t)sprintf(text + n, "%d\t%d\t-\t-\t-\t-\t3.1\t%.4f\t%.4f\n", s, s / 400, 0.0, 0.16 * s / (s + 900.0) + 0.002 * rng_normal(&r));
    }
    fixture_text(a, arena_printf(a, "%s/sft-%d", root, (int)seed), "log.tsv", text);
    n = (size_t)sprintf(text, "step\treward\texact\tvalid\thit_share\tkl\tzero_advantage_share\tquality_bonus\n");
    for (int s = 1; s <= 600; s++)
        n += (size_t)sprintf(text + n, "%d\t%.4f\t0\t1\t%.4f\t%.5f\t%.3f\t0\n", s, 0.5 + 0.0003 * s + 0.05 * rng_normal(&r), 0.1 + 0.0001 * s + 0.02 * rng_normal(&r), 1e-5 * s,
                             0.6 - 0.0002 * s + 0.03 * rng_normal(&r));
    fixture_text(a, arena_printf(a, "%s/rl-%d", root, (int)seed), "log.tsv", text);
    n = (size_t)sprintf(text, "epoch\tstep\tloss\tgrad_norm\tlr\tvalid_hr10\tvalid_ndcg10\tbest\tseconds\n");
    for (int e = 1; e <= 20; e++) n += (size_t)sprintf(text + n, "%d\t%d\t%.4f\t1\t1e-3\t0.1\t%.4f\t1\t1\n", e, 50 * e, 6.0 - 0.1 * e, 0.13 * e / (e + 3.0));
    fixture_text(a, arena_printf(a, "%s/sasrec-%d", root, (int)seed), "log.tsv", text);
}

static void fixture_folders(Arena *a, const char *root, const char *set, bool simulated)
{
    fixture_text(a, arena_printf(a, "%s/data", root), "meta.json", arena_printf(a,
        "{\"name\":\"%s\",\"label\":\"FIXTURE\",\"simulated\":%s,\"protocol\":\"leave-last-out\",\"max_history\":20,\"counts\":{\"users\":600,\"items\":480,"
        "\"interactions\":5432,\"train_sequences\":600,\"valid_rows\":600,\"test_rows\":600},\"text\":{\"title\":480,\"brand\":470,\"categories\":480,\"description\":400,"
        "\"keywords\":0,\"caption\":480}}", set, simulated ? "true" : "false"));
    fixture_text(a, arena_printf(a, "%s/mine", root), "coverage.json",
        "{\"set\":\"fixture\",\"items\":480,\"items_with_interests\":460,\"interests\":1840,\"merge\":{\"joined\":77},\"members\":[{\"member\":\"claude:mine/v1\","
        "\"items\":480,\"missing\":20,\"malformed\":1,\"coverage\":0.956,\"interests\":1800,\"interests_per_item\":3.75,\"mean_confidence\":0.7,\"agreement\":0.125,"
        "\"distinct_interests\":1500,\"specificity\":3.5,\"judged\":40,\"judged_positive\":0.975},{\"member\":\"claude:brief/v1\",\"items\":480,\"missing\":100,\"malformed\":0,"
        "\"coverage\":0.79,\"interests\":900}]}");
    fixture_text(a, arena_printf(a, "%s/labels", root), "classifier.json",
        "{\"filter\":\"logistic\",\"judged\":900,\"held_out_rows\":180,\"held_out_items\":30,\"resamples\":2000,\"base_rate\":0.61,\"accuracy\":0.83,\"auc\":0.9,\"f1\":0.86,\"held_out\":{"
        "\"classifier\":{\"all\":{\"n\":180,\"positives\":110,\"accuracy\":0.83,\"auc\":0.9,\"f1\":0.86,\"log_loss\":0.3,\"brier\":0.1,\"interval\":{\"accuracy\":[0.79,0.87],\"auc\":[0.85,0.94]}},"
        "\"mined\":{\"n\":120,\"positives\":108,\"accuracy\":0.8,\"auc\":0.71,\"interval\":{\"accuracy\":[0.75,0.85]}},"
        "\"generic\":{\"n\":20,\"positives\":0,\"accuracy\":1,\"interval\":{\"accuracy\":[1,1]}},\"swapped\":{\"n\":0,\"positives\":0,\"interval\":{}}},"
        "\"confidence_only\":{\"all\":{\"n\":180,\"positives\":110,\"accuracy\":0.61,\"auc\":null}},"
        "\"all_positive\":{\"all\":{\"n\":180,\"positives\":110,\"accuracy\":0.61,\"auc\":0.5},\"mined\":{\"n\":120,\"positives\":108,\"accuracy\":0.9}}},"
        "\"classifier_minus\":{\"confidence_only\":{\"all\":{}},\"all_positive\":{\"all\":{\"accuracy\":{\"value\":0.22,\"low\":0.15,\"high\":0.29},\"auc\":{\"value\":0.4}},"
        "\"mined\":{\"accuracy\":{\"value\":-0.1,\"low\":-0.14,\"high\":-0.06}}}},"
        "\"calibration\":{\"requested_bins\":2,\"classifier\":{\"all\":{\"expected_calibration_error\":0.0625,\"bins\":[{\"n\":90,\"positives\":30,\"mean_score\":0.35,\"share\":0.3333,"
        "\"low\":0.24,\"high\":0.44},{\"n\":90,\"positives\":80,\"mean_score\":0.99,\"share\":0.8889,\"low\":0.81,\"high\":0.94}]}}},"
        "\"selection\":{\"kept\":\"logistic\",\"logistic\":{\"lambda\":1,\"fold_log_loss\":0.31},\"boosted\":{\"rounds\":50,\"fold_log_loss\":0.32,"
        "\"minus_logistic\":{\"value\":0.01,\"low\":-0.01,\"high\":0.03}}},\"interests\":1840,\"labelled_positive\":1500,\"mean_quality\":0.8}");
    fixture_text(a, arena_printf(a, "%s/sids", root), "sid_quality.json",
        "{\"items\":480,\"distinct_tuples\":472,\"collision_rate\":0.0291,\"largest_group\":3,\"codes_per_level\":256,\"level\":[{\"used\":200,\"perplexity\":120.5},{\"used\":210},{\"used\":222}],"
        "\"prefix\":[{\"purity_leaf\":0.4,\"chance_leaf\":0.05}],\"neighbours\":{\"same_first_code\":0.3,\"chance_first\":0.01},"
        "\"training\":{\"reconstruction_mse\":0.1234}}");
    fixture_text(a, arena_printf(a, "%s/embed", root), "embed.json", "{\"items_with\":{\"interests\":455}}");
    fixture_text(a, arena_printf(a, "%s/mine-offline", root), "coverage.json",
        "{\"set\":\"fixture\",\"items\":480,\"items_with_interests\":470,\"interests\":2350,\"members\":[{\"member\":\"rules:offline/v1\",\"provider\":\"rules\",\"items\":480,"
        "\"missing\":10,\"malformed\":0,\"coverage\":0.979,\"interests\":2350,\"interests_per_item\":4.9,\"agreement\":null}]}");
    for (uint64_t seed = 1; seed <= 3; seed++) fixture_logs(a, root, seed);
}

/* fixture_write -- the whole run below `dir`; returns the path of its index. */
static const char *fixture_write(Arena *a, const char *dir)
{
    static const struct { const char *id, *label; bool simulated; } sets[] = {{"sample-beauty", "FIXTURE Beauty (simulated, invented numbers)", true},
        {"beauty", "FIXTURE Beauty (invented numbers)", false}};
    const char *text = arena_printf(a, "{\"run\":\"%s\",\"title\":\"FIXTURE, invented numbers\",\"published\":\"paper/published.json\",\"simulated\":true,\"entries\":[", dir);
    bool first = true;
    for (int k = 0; k < 2; k++) {
        const char *root = arena_printf(a, "%s/%s", dir, sets[k].id);
        fixture_folders(a, root, sets[k].id, sets[k].simulated);
        for (int m = 0; m < N_FIXTURE_METHODS; m++) {
            const FixtureMethod *f = &FIXTURE_METHODS[m];
            if (strcmp(f->id, "oracle") == 0 && !sets[k].simulated) continue;
            for (int seed = 1; seed <= f->seeds; seed++) {
                const char *ev = arena_printf(a, "%s/evaluate-%s-%d", root, f->id, seed);
                fixture_evaluation(a, ev, sets[k].id, sets[k].simulated, f, (uint64_t)seed);
                text = arena_printf(a, "%s%s\n{\"dataset\":\"%s\",\"dataset_label\":\"%s\",\"method\":\"%s\",\"method_label\":\"%s\",\"seed\":%d,\"table\":%s,\"data\":\"%s/data\","
                    "\"evaluate\":\"%s\"", text, first ? "" : ",", sets[k].id, sets[k].label, f->id, f->label, seed, f->tables, root, ev);
                first = false;
                const char *mine = strcmp(f->id, "mine-none") == 0 ? "" : arena_printf(a, "%s/%s", root, strcmp(f->id, "mine-offline") == 0 ? f->id : "mine");
                if (f->generative)
                    text = arena_printf(a, "%s,\"mine\":\"%s\",\"labels\":\"%s/labels\",\"tokenize\":\"%s/sids\",\"embed\":\"%s/embed\",\"sft\":\"%s/%s-%d\"", text, mine, root, root, root, root,
                        strcmp(f->id, "deepinterest") == 0 || strcmp(f->id, "wo-rl") == 0 ? "sft" : f->id, seed);
                if (strcmp(f->id, "deepinterest") == 0) text = arena_printf(a, "%s,\"rl\":\"%s/rl-%d\"", text, root, seed);
                if (strcmp(f->id, "sasrec") == 0) text = arena_printf(a, "%s,\"baseline\":\"%s/sasrec-%d\"", text, root, seed);
                text = arena_printf(a, "%s}", text);
            }
        }
    }
    fixture_text(a, dir, "index.json", arena_printf(a, "%s]}\n", text));
    return arena_printf(a, "%s/index.json", dir);
}

#endif
