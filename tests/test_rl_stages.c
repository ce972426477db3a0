/* tests/test_rl_stages.c -- 09_grpo and 10_evaluate from outside, on a made-up data set and a small trained model: what they leave behind, resuming after
 * kill -9, foreign ranking files judged like our own, and refusals that name file, line and remedy. */
#include <signal.h>

#include "base/json.h"
#include "base/rng.h"
#include "data_util.h"
#include "sid/catalogue.h"
#include "suite.h"

enum { N = 30, USERS = 60, LENGTH = 7 };

static char base[64]; /* data, sids, sft: made once, read by every test */
static Arena *arena;

/* ---- the data set and the model ------------------------------------------------------------------------------------------ */

static FILE *create(const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", base, name);
    FILE *f = fopen(path, "w");
    if (f == NULL) exit(1);
    return f;
}

/* A user walks up the items from a random start, at times by two: history, then the valid and the test item. */
static void write_data(void)
{
    FILE *train = create("data/train.tsv"), *valid = create("data/valid.tsv"), *test = create("data/test.tsv");
    fputs("user\titems\n", train);
    fputs("user\thistory\ttarget\ttimestamp\n", valid);
    fputs("user\thistory\ttarget\ttimestamp\n", test);
    for (int u = 0; u < USERS; u++) {
        Rng r = rng_make(1, RNG_STAGE_TEST, RNG_SAMPLE, 0, (uint64_t)u);
        int item[LENGTH] = {(int)rng_below(&r, N)};
        for (int k = 1; k < LENGTH; k++) item[k] = (item[k - 1] + 1 + (rng_uniform(&r) < 0.2)) % N;
        fprintf(train, "%d\t", u);
        fprintf(valid, "%d\t", u);
        fprintf(test, "%d\t", u);
        for (int k = 0; k < LENGTH - 1; k++) {
            if (k < LENGTH - 2) fprintf(train, k ? " %d" : "%d", item[k]);
            if (k < LENGTH - 2) fprintf(valid, k ? " %d" : "%d", item[k]);
            fprintf(test, k ? " %d" : "%d", item[k]);
        }
        fputs("\n", train);
        fprintf(valid, "\t%d\t0\n", item[LENGTH - 2]);
        fprintf(test, "\t%d\t0\n", item[LENGTH - 1]);
    }
    FILE *meta = create("data/meta.json");
    fprintf(meta, "{\"name\": \"tiny\", \"label\": \"Tiny\", \"protocol\": \"leave-last-out\", \"simulated\": true, \"max_history\": 5, \"counts\": {\"users\": %d, "
                  "\"items\": %d, \"interactions\": %d, \"train_sequences\": %d, \"valid_rows\": %d, \"test_rows\": %d}}\n", USERS, N, USERS * LENGTH, USERS, USERS, USERS);
    (void)fclose(train);
    (void)fclose(valid);
    (void)fclose(test);
    (void)fclose(meta);
}

static void write_sids(const char *name, int64_t K)
{
    int32_t code[N * 3];
    Rng r = rng_make(2, RNG_STAGE_TEST, RNG_SAMPLE, 0, (uint64_t)K);
    for (int i = 0; i < N * 3; i++) code[i] = (int32_t)rng_below(&r, (uint64_t)K);
    code[3] = code[0]; /* items 0 and 1 share their codes */
    code[4] = code[1];
    code[5] = code[2];
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s/sids.index.json", base, name);
    if (catalogue_write(catalogue_from_codes(arena, N, 3, K, code), path) != OK) exit(1);
}

static const char *arguments(const char *format, const char *name)
{
    return arena_printf(arena, format, base, base, base, in_scratch(name));
}

static void make_base(void)
{
    arena = arena_create("test");
    (void)snprintf(base, sizeof base, "/tmp/digr-rl-XXXXXX");
    if (mkdtemp(base) == NULL) exit(1);
    static const char *const folders[] = {"data", "sids", "sids-other"};
    for (int i = 0; i < 3; i++) if (dir_make(arena_printf(arena, "%s/%s", base, folders[i])) != OK) exit(1);
    write_data();
    write_sids("sids", 7);
    write_sids("sids-other", 9);
    FILE *labels = create("labels.jsonl");
    for (int i = 0; i < N; i++) fprintf(labels, i % 3 ? "{\"item\": %d, \"interests\": [], \"quality\": 0.75}\n" : "{\"item\": %d, \"interests\": [], \"quality\": null}\n", i);
    (void)fclose(labels);
    const char *sft = arena_printf(arena, "--data %s/data --sids %s/sids --out %s/sft --epochs 6 --eval-every 2 --layers 1 --width 16 --heads 2 --ffn 24 "
                                   "--batch-tokens 256 --warmup 5 --lr 5e-3 --valid-rows 0 --threads 1", base, base, base);
    if (run_program("08_sft", sft) != 0) {
        fputs(program_output, stderr);
        exit(1);
    }
}

static void remove_base(void)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", base);
    if (system(command) != 0) exit(1);
    arena_destroy(arena);
}

#define GRPO "--data %s/data --sids %s/sids --model %s/sft --out %s --prompts 16 --batch-tokens 512 --lr 1e-3 --eval-every 5 --checkpoint-every 5 --threads 1 "
#define EVALUATE "--data %s/data --sids %s/sids --model %s/sft --out %s --threads 1 "

static double number_in(const char *path, const char *object, const char *key)
{
    cJSON *tree;
    double x;
    ck_assert_int_eq(json_read_file(path, &tree), OK);
    const cJSON *o = tree;
    if (*object != 0) ck_assert_int_eq(json_get_object(path, tree, object, &o), OK);
    ck_assert_int_eq(json_get_number(path, o, key, &x), OK);
    cJSON_Delete(tree);
    return x;
}

static bool there(const char *folder, const char *file) { return path_exists(arena_printf(arena, "%s/%s", folder, file)) != 0; }

/* ---- 09_grpo --------------------------------------------------------------------------------------------------------------- */

START_TEST(grpo_leaves_a_model_and_says_what_it_kept)
{
    ck_assert_int_eq(run_program("09_grpo", arguments(GRPO "--steps 10 --alpha 0.5", "rl")), 0);
    assert_said("step 0 is the SFT model");
    assert_said("no labels");
    const char *rl = in_scratch("rl"), *summary = in_scratch("rl/grpo.json");
    static const char *const files[] = {"config.json", "model.safetensors", "vocab.json", "merges.txt", "tokenizer_config.json", "sft.json", "log.tsv",
                                        "grpo.json", "manifest.json"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) ck_assert_msg(there(rl, files[i]), "%s is missing", files[i]);
    ck_assert(!there(rl, "checkpoint.safetensors") && !there(rl, "run.json"));
    double start = number_in(summary, "sft", "valid_NDCG@10"), best = number_in(summary, "best", "valid_NDCG@10");
    ck_assert(best >= start);
    /* Same rows and beam as 08_sft's own selection: the same figure. */
    ck_assert(start <= number_in(arena_printf(arena, "%s/sft/sft.json", base), "", "valid_NDCG@10"));
    ck_assert(start >= number_in(arena_printf(arena, "%s/sft/sft.json", base), "", "valid_NDCG@10"));
    int rows = 0;
    for (const char *p = read_bytes(in_scratch("rl/log.tsv"), NULL); (p = strchr(p, '\n')) != NULL; p++) rows++;
    ck_assert_int_eq(rows, 12); /* header, step 0, ten steps */
    ck_assert_int_eq(run_program("10_evaluate", arena_printf(arena, "--data %s/data --sids %s/sids --model %s --out %s --threads 1", base, base, rl, in_scratch("ev"))), 0);
    cJSON *tree;
    const cJSON *splits, *valid, *metrics;
    double ndcg;
    ck_assert_int_eq(json_read_file(in_scratch("ev/metrics.json"), &tree), OK);
    ck_assert_int_eq(json_get_object("", tree, "splits", &splits), OK);
    ck_assert_int_eq(json_get_object("", splits, "valid", &valid), OK);
    ck_assert_int_eq(json_get_object("", valid, "metrics", &metrics), OK);
    ck_assert_int_eq(json_get_number("", metrics, "NDCG@10", &ndcg), OK);
    ck_assert_msg(ndcg - best <= 1e-9 && best - ndcg <= 1e-9, "10_evaluate %.9g, selection %.9g", ndcg, best);
    cJSON_Delete(tree);
}
END_TEST

START_TEST(grpo_reads_item_quality)
{
    ck_assert_int_eq(run_program("09_grpo", arguments(GRPO "--steps 1 --rollout beam --group 12 --labels ", "rl")), 2);
    const char *with = arena_printf(arena, GRPO "--steps 2 --rollout beam --group 12 --labels %s", base, base, base, in_scratch("with"), base);
    ck_assert_int_eq(run_program("09_grpo", with), 0);
    assert_said("item quality known for 20 of 30 items");
    const char *log = read_bytes(in_scratch("with/log.tsv"), NULL);
    ck_assert_ptr_nonnull(strstr(log, "quality_bonus"));
}
END_TEST

/* Killed at a random moment and started again, until it is done: the bytes of an undisturbed run. */
START_TEST(grpo_survives_kill_9)
{
    const char *options = GRPO "--steps 30 --group 4";
    ck_assert_int_eq(run_program("09_grpo", arguments(options, "whole")), 0);
    const char *bin = getenv("BIN") != NULL ? getenv("BIN") : "cache/build/bin", *args = arguments(options, "pieces");
    bool done = false;
    for (int turn = 0; turn < 12 && !done; turn++) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            char command[2048];
            (void)snprintf(command, sizeof command, "exec '%s/09_grpo' --quiet %s", bin, args);
            (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
            _exit(127);
        }
        (void)usleep(40000 * (unsigned)(turn + 1));
        (void)kill(child, SIGKILL);
        int state;
        ck_assert_int_eq(waitpid(child, &state, 0), child);
        done = WIFEXITED(state);
        if (done) ck_assert_int_eq(WEXITSTATUS(state), 0);
        ck_assert(done == there(in_scratch("pieces"), "manifest.json") || !done);
    }
    ck_assert_int_eq(run_program("09_grpo", args), 0);
    ck_assert(same_bytes(in_scratch("whole/log.tsv"), in_scratch("pieces/log.tsv")));
    ck_assert(same_bytes(in_scratch("whole/model.safetensors"), in_scratch("pieces/model.safetensors")));
    ck_assert(same_bytes(in_scratch("whole/grpo.json"), in_scratch("pieces/grpo.json")));
}
END_TEST

START_TEST(grpo_refusals)
{
    static const struct { const char *arguments; int code; const char *message; } bad[] = {
        {"--rollout beam --temperature 0.7", 2, "a beam search has no temperature"},
        {"--group 1", 2, "group"},
        {"--beam 31", 2, "--beam 31"},
        {"--labels /nowhere", 3, "/nowhere/labels.jsonl"},
        {"--rollout beam --group 31 --steps 1", 3, "31 wanted, 30 items exist"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(run_program("09_grpo", arena_printf(arena, "%s %s", arguments(GRPO, "bad"), bad[i].arguments)),
                         bad[i].code);
        assert_said(bad[i].message);
        ck_assert(!there(in_scratch("bad"), "manifest.json"));
    }
    const char *other = arena_printf(arena, "--data %s/data --sids %s/sids-other --model %s/sft --out %s", base, base, base, in_scratch("other"));
    ck_assert_int_eq(run_program("09_grpo", other), 3);
    assert_one_error(3);
    ck_assert_int_eq(run_program("09_grpo", arena_printf(arena, GRPO, base, base, base, "/proc/none")), 4);
}
END_TEST

/* ---- 10_evaluate ----------------------------------------------------------------------------------------------------------- */

START_TEST(evaluate_judges_its_own_files_alike)
{
    ck_assert_int_eq(run_program("10_evaluate", arguments(EVALUATE, "ev")), 0);
    assert_said("test.masked");
    ck_assert_int_eq(run_program("10_evaluate", arguments(EVALUATE "--tag digr", "again")), 0);
    static const char *const runs[] = {"valid.run", "test.run", "test.masked.run", "ranks.npy", "metrics.json"};
    for (int i = 0; i < 5; i++) ck_assert_msg(same_bytes(arena_printf(arena, "%s/%s", in_scratch("ev"), runs[i]), arena_printf(arena, "%s/%s", in_scratch("again"), runs[i])), "%s", runs[i]);
    const char *judged = arena_printf(arena, "--data %s/data --sids %s/sids --run %s --out %s", base, base, in_scratch("ev"), in_scratch("judged"));
    ck_assert_int_eq(run_program("10_evaluate", judged), 0);
    ck_assert(same_bytes(in_scratch("ev/ranks.npy"), in_scratch("judged/ranks.npy")));
    ck_assert(same_bytes(in_scratch("ev/ranks.test.masked.npy"), in_scratch("judged/ranks.test.masked.npy")));
    const char *metrics = read_bytes(in_scratch("ev/metrics.json"), NULL);
    ck_assert(number_in(in_scratch("ev/metrics.json"), "sids", "collided_items") >= 2);
    ck_assert_ptr_nonnull(strstr(metrics, "sid_level"));
    ck_assert_int_eq((int)number_in(in_scratch("ev/metrics.json"), "", "beam"), 20);
}
END_TEST

START_TEST(evaluate_foreign_rankings)
{
    write_text(in_scratch("my.run"), "0 Q0 4 1 0.9 mine\n0 Q0 5 2 0.8 mine\n0 Q0 5 3 0.7 mine\n7 Q0 -1 1 3 mine\n7 Q0 2 2 1 mine\n");
    ck_assert_int_eq(run_program("10_evaluate", arena_printf(arena, "--data %s/data --run %s --out %s", base, in_scratch("my.run"), in_scratch("mine"))), 0);
    assert_said("58 empty, 1 invalid, 1 duplicate");
    static const struct { const char *text, *message; } bad[] = {
        {"0 Q0 4 1 0.9 mine\n60 Q0 4 1 0.9 mine\n", "my.run:2:"},
        {"0 Q0 30 1 0.9 mine\n", "my.run:1:"},
        {"0 Q0 4 1 0.9 mine\n0 Q0 5 3 0.8 mine\n", "my.run:2:"},
        {"0 Q0 4 1 0.9 mine\n0 Q0 5 2 1.8 mine\n", "my.run:2:"},
        {"0 Q0 4 1 nan mine\n", "my.run:1:"},
        {"0 Q0 four 1 1 mine\n", "my.run:1:"},
        {"0 Q0 4 1 1\n", "my.run:1:"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_text(in_scratch("my.run"), bad[i].text);
        ck_assert_int_eq(run_program("10_evaluate", arena_printf(arena, "--data %s/data --run %s --out %s", base, in_scratch("my.run"), in_scratch("bad"))), 3);
        assert_one_error(3);
        assert_said(bad[i].message);
        ck_assert(!there(in_scratch("bad"), "manifest.json"));
    }
}
END_TEST

START_TEST(evaluate_refusals)
{
    const char *data = arena_printf(arena, "--data %s/data --out %s", base, in_scratch("bad"));
    ck_assert_int_eq(run_program("10_evaluate", data), 2);
    ck_assert_int_eq(run_program("10_evaluate", arena_printf(arena, "%s --model %s/sft", data, base)), 2);
    ck_assert_int_eq(run_program("10_evaluate", arena_printf(arena, "%s --model %s/sft --sids %s/sids --run x", data, base, base)), 2);
    ck_assert_int_eq(run_program("10_evaluate", arena_printf(arena, "%s --run /nowhere.run", data)), 3);
    assert_one_error(3);
    ck_assert_int_eq(run_program("10_evaluate", arena_printf(arena, "%s --model /nowhere --sids %s/sids", data, base)), 3);
    assert_one_error(3);
    ck_assert_int_eq(run_program("10_evaluate", arena_printf(arena, "--data %s/data --run x --out /proc/none", base)), 4);
    assert_one_error(4);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("rl stages");
    tcase_set_timeout(t, 120);
    tcase_add_unchecked_fixture(t, make_base, remove_base);
    tcase_add_checked_fixture(t, scratch_make, scratch_remove);
    tcase_add_test(t, grpo_leaves_a_model_and_says_what_it_kept);
    tcase_add_test(t, grpo_reads_item_quality);
    tcase_add_test(t, grpo_survives_kill_9);
    tcase_add_test(t, grpo_refusals);
    tcase_add_test(t, evaluate_judges_its_own_files_alike);
    tcase_add_test(t, evaluate_foreign_rankings);
    tcase_add_test(t, evaluate_refusals);
    Suite *s = suite_create("rl stages");
    suite_add_tcase(s, t);
    return suite_run(s);
}
