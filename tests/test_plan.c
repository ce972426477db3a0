/* tests/test_plan.c -- the planner and the scheduler, over stage programs that are small scripts: keys, sharing, resuming, failures. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/log.h"
#include "plan/plan.h"
#include "suite.h"

static char folder[64];

static const char *at(const char *name)
{
    static char path[4][192];
    static int turn;
    turn = (turn + 1) % 4;
    (void)snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(text, f), 0);
    ck_assert_int_eq(fclose(f), 0);
}

/* Every stage: log the call, find --out, write its manifest. */
static const char *const STAGE = "#!/bin/sh\necho \"$(basename $0) $*\" >> %s/calls\nwhile [ $# -gt 1 ]; do [ \"$1\" = --out ] && out=$2; shift; done\n"
                                 "%s\nmkdir -p $out\necho '{}' > $out/manifest.json\n";

static void write_stage(const char *name, const char *body)
{
    char text[1024], path[192];
    (void)snprintf(text, sizeof text, STAGE, folder, body);
    (void)snprintf(path, sizeof path, "%s/bin/%s", folder, name);
    write_text(path, text);
    ck_assert_int_eq(chmod(path, 0755), 0);
}

static const char *const EXPERIMENTS =
    "{\"groups\": {\"sample\": [\"one\", \"two\"]},\n"
    " \"datasets\": {\"one\": {\"label\": \"One\", \"category\": \"beauty\", \"answers\": \"one\", \"settings\": \"s\", \"methods\": [\"pop\", \"full\", \"sft\"]},\n"
    "  \"two\": {\"label\": \"Two\", \"category\": \"sports\", \"settings\": \"s\", \"methods\": [\"full\"]}},\n"
    " \"methods\": {\"pop\": {\"label\": \"Pop\", \"kind\": \"baseline\", \"method\": \"popularity\", \"seeds\": 1, \"tables\": [\"main\"]},\n"
    "  \"full\": {\"label\": \"Full\", \"kind\": \"generative\", \"tables\": [\"main\"], \"08_sft\": {\"layers\": 3}},\n"
    "  \"sft\": {\"label\": \"SFT\", \"kind\": \"generative\", \"rl\": false, \"tables\": [\"main\"], \"08_sft\": {\"layers\": 3}}},\n"
    " \"settings\": {\"s\": {\"08_sft\": {\"layers\": 2, \"lr\": 0.001}, \"cost_s\": {\"08_sft\": 10}}}}\n";

static void setup(void)
{
    (void)snprintf(folder, sizeof folder, "/tmp/digr-plan-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    MUST(dir_make(at("bin")));
    static const char *const names[] = {"00_sample", "01_download", "02_preprocess", "02_card", "03_mine", "04_label", "05_embed", "06_tokenize",
                                        "07_baseline", "08_sft", "09_grpo", "10_evaluate", "11_report"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) write_stage(names[i], ":");
    write_text(at("experiments.json"), EXPERIMENTS);
    log_open("test", true);
}

static void teardown(void)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static char bin_path[192], stages_path[192], results_path[192], experiments_path[192];

static Plan *make_plan(const char *data)
{
    (void)snprintf(bin_path, sizeof bin_path, "%s/bin", folder);
    (void)snprintf(stages_path, sizeof stages_path, "%s/stages", folder);
    (void)snprintf(results_path, sizeof results_path, "%s/results", folder);
    (void)snprintf(experiments_path, sizeof experiments_path, "%s/experiments.json", folder);
    PlanOptions o = {.experiments = experiments_path, .data = data, .bin = bin_path, .stages = stages_path, .source = "", .results = results_path,
                     .seeds = 2, .only = "", .run = "", .run_name = ""};
    Plan *p = NULL;
    ck_assert_int_eq(plan_build(&o, &p), OK);
    return p;
}

static int count_steps(const Plan *p, const char *program)
{
    int n = 0;
    for (int64_t i = 0; i < p->n; i++) n += strcmp(p->steps[i].program, program) == 0;
    return n;
}

static int count_calls(void)
{
    FILE *f = fopen(at("calls"), "rb");
    if (f == NULL) return 0;
    int n = 0;
    for (int c; (c = fgetc(f)) != EOF;) n += c == '\n';
    (void)fclose(f);
    return n;
}

/* Value of an option of the first step of a program; NULL when it is not given. */
static const char *option_of(const Plan *p, const char *program, const char *option)
{
    for (int64_t i = 0; i < p->n; i++) {
        if (strcmp(p->steps[i].program, program) != 0) continue;
        for (int k = 0; k + 1 < p->steps[i].n_args; k++)
            if (strcmp(p->steps[i].args[k], option) == 0) return p->steps[i].args[k + 1];
        return NULL;
    }
    return NULL;
}

START_TEST(own_files_are_a_set_of_their_own)
{
    Plan *p = make_plan("one"), *q = NULL;
    plan_destroy(p);
    char own[2048], source[256];
    (void)snprintf(own, sizeof own, "{\"own\": {\"settings\": \"s\", \"seeds\": 1, \"methods\": [\"pop\", \"full\"]}, %s", EXPERIMENTS + 1);
    write_text(at("experiments.json"), own);
    (void)snprintf(source, sizeof source, "%s/files", folder);
    MUST(dir_make(source));
    write_text(at("files/mine.inter"), "one");
    PlanOptions o = {.experiments = experiments_path, .data = "mine", .bin = bin_path, .stages = stages_path, .source = source, .results = results_path, .form = "recbole",
                     .protocol = "chrono-8-1-1", .k_core = 3, .only = "", .run = "", .run_name = ""};
    ck_assert_int_eq(plan_build(&o, &p), OK);
    ck_assert_str_eq(option_of(p, "01_download", "--dataset"), "mine");
    ck_assert_str_eq(option_of(p, "01_download", "--form"), "recbole");
    ck_assert_ptr_null(option_of(p, "01_download", "--stem"));
    ck_assert_str_eq(option_of(p, "02_preprocess", "--form"), "recbole");
    ck_assert_str_eq(option_of(p, "02_preprocess", "--protocol"), "chrono-8-1-1");
    ck_assert_str_eq(option_of(p, "02_preprocess", "--k-core"), "3");
    ck_assert_int_eq(count_steps(p, "07_baseline"), 1);
    ck_assert_int_eq(count_steps(p, "09_grpo"), 1);
    write_text(at("files/mine.inter"), "two"); /* other files under the same name are another step */
    ck_assert_int_eq(plan_build(&o, &q), OK);
    ck_assert_str_ne(p->steps[0].out, q->steps[0].out);
    plan_destroy(p);
    plan_destroy(q);
    o.form = "";
    ck_assert_int_eq(plan_build(&o, &p), E_USAGE);
    ck_assert_ptr_nonnull(strstr(status_fix(), "FORM=recbole"));
    o.form = "recbole", o.source = "";
    ck_assert_int_eq(plan_build(&o, &p), E_USAGE);
    o.source = source, o.data = "../x";
    ck_assert_int_eq(plan_build(&o, &p), E_USAGE);
    o.data = "one";
    ck_assert_int_eq(plan_build(&o, &p), E_USAGE); /* its protocol is not ours to change */
}
END_TEST

START_TEST(equal_steps_are_shared)
{
    Plan *p = make_plan("sample");
    ck_assert_int_eq(count_steps(p, "00_sample"), 2);
    ck_assert_int_eq(count_steps(p, "03_mine"), 1);     /* `two` has no answers */
    ck_assert_int_eq(count_steps(p, "08_sft"), 2 + 2);  /* full and sft share theirs, two seeds */
    ck_assert_int_eq(count_steps(p, "09_grpo"), 2 + 2);
    ck_assert_int_eq(count_steps(p, "07_baseline"), 1); /* one seed by its own wish */
    ck_assert_int_eq(count_steps(p, "10_evaluate"), 1 + 2 + 2 + 2);
    for (int64_t i = 0; i < p->n; i++) {
        if (strcmp(p->steps[i].program, "08_sft") != 0) continue;
        int layers = 0;
        for (int k = 0; k + 1 < p->steps[i].n_args; k++)
            if (strcmp(p->steps[i].args[k], "--layers") == 0) {
                layers++;
                ck_assert_str_eq(p->steps[i].args[k + 1], "3"); /* the method's layer wins, once */
            }
        ck_assert_int_eq(layers, 1);
        ck_assert_double_eq(p->steps[i].cost_s, 10);
    }
    plan_destroy(p);
}
END_TEST

START_TEST(a_change_upstream_changes_the_keys_below_it_only)
{
    Plan *a = make_plan("one");
    write_stage("06_tokenize", "true");
    Plan *b = make_plan("one");
    ck_assert_int_eq(a->n, b->n);
    for (int64_t i = 0; i + 1 < a->n; i++) {
        const char *program = a->steps[i].program;
        bool generative_step = strcmp(program, "06_tokenize") == 0 || strcmp(program, "08_sft") == 0 || strcmp(program, "09_grpo") == 0;
        bool same = strcmp(a->steps[i].out, b->steps[i].out) == 0;
        if (generative_step) ck_assert_msg(!same, "%s kept its key", program);
        else if (strcmp(program, "10_evaluate") != 0) ck_assert_msg(same, "%s lost its key", program);
    }
    plan_destroy(a);
    plan_destroy(b);
}
END_TEST

/* A method may change the options of any stage; "optional" methods run only when --methods names them, or their table. */
START_TEST(optional_methods_wait_to_be_named)
{
    static const char *const text =
        "{\"datasets\": {\"one\": {\"label\": \"One\", \"category\": \"beauty\", \"answers\": \"one\", \"settings\": \"s\", \"methods\": [\"full\"], \"optional\": [\"few\", \"many\"]}},\n"
        " \"methods\": {\"full\": {\"label\": \"Full\", \"kind\": \"generative\", \"tables\": [\"main\"]},\n"
        "  \"few\": {\"label\": \"Few\", \"kind\": \"generative\", \"rl\": false, \"tables\": [\"ensemble\"], \"03_mine\": {\"strategy\": \"agree>=2\"}},\n"
        "  \"many\": {\"label\": \"Many\", \"kind\": \"generative\", \"rl\": false, \"tables\": [\"ensemble\"]}},\n"
        " \"settings\": {\"s\": {\"03_mine\": {\"members\": \"m\", \"strategy\": \"union\"}}}}\n";
    static const struct { const char *only; int sft, mine, agree; } cases[] = {{"", 1, 1, 0}, {"@ensemble", 2, 2, 1}, {"few", 1, 1, 1}, {"@main", 1, 1, 0}, {"full,many", 1, 1, 0}, {"@none such", 0, 0, 0}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        Plan *p = make_plan("one");
        plan_destroy(p);
        write_text(at("experiments.json"), text);
        PlanOptions o = {.experiments = experiments_path, .data = "one", .bin = bin_path, .stages = stages_path, .source = "", .results = results_path, .seeds = 1,
                         .only = cases[k].only, .run = "", .run_name = ""};
        ck_assert_int_eq(plan_build(&o, &p), OK);
        ck_assert_msg(count_steps(p, "08_sft") == cases[k].sft, "\"%s\": %d", cases[k].only, count_steps(p, "08_sft"));
        ck_assert_int_eq(count_steps(p, "03_mine"), cases[k].mine);
        int agree = 0;
        for (int64_t i = 0; i < p->n; i++)
            for (int a = 0; a + 1 < p->steps[i].n_args; a++)
                if (strcmp(p->steps[i].args[a], "--strategy") == 0) agree += strcmp(p->steps[i].args[a + 1], "agree>=2") == 0;
        ck_assert_int_eq(agree, cases[k].agree);
        plan_destroy(p);
        write_text(at("experiments.json"), EXPERIMENTS);
    }
}
END_TEST

/* "precision": "auto" becomes what this machine is given, and so is part of the key; a precision that an experiment names stays. */
START_TEST(precision_is_in_the_key)
{
    static const char *const text =
        "{\"datasets\": {\"one\": {\"label\": \"One\", \"category\": \"beauty\", \"answers\": \"one\", \"settings\": \"s\", \"methods\": [\"full\", \"exact\"]}},\n"
        " \"methods\": {\"full\": {\"label\": \"Full\", \"kind\": \"generative\", \"tables\": [\"main\"]},\n"
        "  \"exact\": {\"label\": \"Exact\", \"kind\": \"generative\", \"tables\": [\"main\"], \"08_sft\": {\"precision\": \"fp32\", \"lr\": 0.5}}},\n"
        " \"settings\": {\"s\": {\"08_sft\": {\"precision\": \"auto\"}}}}\n";
    static const struct { const char *given; int fp32, bf16; } cases[] = {{NULL, 2, 0}, {"fp32", 2, 0}, {"bf16", 1, 1}};
    char folder_of[3][200] = {"", "", ""};
    for (int k = 0; k < 3; k++) {
        Plan *p = make_plan("one");
        plan_destroy(p);
        write_text(at("experiments.json"), text);
        PlanOptions o = {.experiments = experiments_path, .data = "one", .bin = bin_path, .stages = stages_path, .source = "", .precision = cases[k].given,
                         .results = results_path, .seeds = 1, .only = "", .run = "", .run_name = ""};
        ck_assert_int_eq(plan_build(&o, &p), OK);
        int fp32 = 0, bf16 = 0;
        for (int64_t i = 0; i < p->n; i++) {
            const Step *s = &p->steps[i];
            for (int a = 0; strcmp(s->program, "08_sft") == 0 && a + 1 < s->n_args; a++) {
                if (strcmp(s->args[a], "--precision") != 0) continue;
                fp32 += strcmp(s->args[a + 1], "fp32") == 0;
                bf16 += strcmp(s->args[a + 1], "bf16") == 0;
                if (folder_of[k][0] == '\0') (void)snprintf(folder_of[k], sizeof folder_of[k], "%s", s->out);
            }
        }
        ck_assert_int_eq(fp32, cases[k].fp32);
        ck_assert_int_eq(bf16, cases[k].bf16);
        plan_destroy(p);
        write_text(at("experiments.json"), EXPERIMENTS);
    }
    ck_assert_str_eq(folder_of[0], folder_of[1]);
    ck_assert_str_ne(folder_of[1], folder_of[2]);
}
END_TEST

/* A row may take other vectors: the file they come from is in the key, and no other row's key knows of it. */
START_TEST(vectors_and_captions_from_files_are_in_the_keys)
{
    char text[2048];
    static const char *const form =
        "{\"datasets\": {\"one\": {\"label\": \"One\", \"category\": \"beauty\", \"answers\": \"answers-one\", \"settings\": \"s\", \"methods\": [\"full\"%s], \"02_preprocess\": {%s}}},\n"
        " \"methods\": {\"full\": {\"label\": \"Full\", \"kind\": \"generative\", \"tables\": [\"main\"]},\n"
        "  \"model\": {\"label\": \"Model\", \"kind\": \"generative\", \"tables\": [\"main\"], \"05_embed\": {\"embedder\": \"recorded\", \"provider\": \"p\", \"model\": \"m\", \"embeddings\": \"%s\"}}},\n"
        " \"settings\": {\"s\": {\"05_embed\": {\"dim\": 8}}}}\n";
    PlanOptions o = {.experiments = experiments_path, .data = "one", .bin = bin_path, .stages = stages_path, .source = "", .results = results_path, .seeds = 1, .only = "", .run = "",
                     .run_name = ""};
    Plan *p = make_plan("one");
    plan_destroy(p);
    char captions[256];
    (void)snprintf(captions, sizeof captions, "\"captions\": \"%s/captions.jsonl\"", folder);
    static char key[6][2][256]; /* of the steps of full and model */
    for (int round = 0; round < 6; round++) { /* full alone; both, the file absent, there, changed; the same again; captions */
        if (round == 2 || round == 3) write_text(at("v.jsonl.zst"), round == 2 ? "vectors" : "other vectors");
        if (round == 5) write_text(at("captions.jsonl"), "{}");
        (void)snprintf(text, sizeof text, form, round > 0 ? ", \"model\"" : "", round == 5 ? captions : "", at("v.jsonl.zst"));
        write_text(at("experiments.json"), text);
        ck_assert_int_eq(plan_build(&o, &p), OK);
        int n = 0;
        for (int64_t i = 0; i < p->n; i++) {
            const Step *s = &p->steps[i];
            if (strcmp(s->program, "05_embed") != 0) continue;
            (void)snprintf(key[round][n], sizeof key[round][n], "%s", s->out);
            const char *set = NULL, *model = NULL;
            for (int k = 0; k + 1 < s->n_args; k++) {
                if (strcmp(s->args[k], "--set") == 0) set = s->args[k + 1];
                if (strcmp(s->args[k], "--model") == 0) model = s->args[k + 1];
            }
            ck_assert_int_eq(set != NULL, n == 1); /* nothing new among the arguments of rows that do not ask for it */
            if (n == 1) ck_assert(strcmp(set, "answers-one") == 0 && strcmp(model, "m") == 0);
            n++;
        }
        ck_assert_int_eq(n, round > 0 ? 2 : 1);
        plan_destroy(p);
    }
    for (int round = 1; round < 5; round++) ck_assert_str_eq(key[0][0], key[round][0]);
    ck_assert_str_ne(key[1][1], key[2][1]);
    ck_assert_str_ne(key[2][1], key[3][1]);
    ck_assert_str_eq(key[3][1], key[4][1]);
    ck_assert_str_ne(key[4][0], key[5][0]); /* other texts */
}
END_TEST

START_TEST(runs_everything_once_and_resumes)
{
    for (int64_t jobs = 1; jobs <= 3; jobs += 2) {
        Plan *p = make_plan("sample");
        int64_t todo = plan_remaining(p);
        ck_assert_int_eq(schedule_run(p, bin_path, jobs, 1), OK);
        ck_assert_int_eq(plan_remaining(p), 0);
        ck_assert_int_eq(count_calls(), jobs == 1 ? (int)p->n : (int)p->n + 1); /* the second time: the report alone */
        ck_assert_int_eq(todo, jobs == 1 ? p->n : 1);
        plan_destroy(p);
    }
}
END_TEST

/* Number of the first (or last) call of a program, from 1; 0: none. */
static int call_of(const char *program, bool last)
{
    FILE *f = fopen(at("calls"), "rb");
    ck_assert_ptr_nonnull(f);
    char line[4096];
    int n = 0, found = 0;
    while (fgets(line, sizeof line, f) != NULL) {
        n++;
        if (strncmp(line, program, strlen(program)) == 0 && (last || found == 0)) found = n;
    }
    (void)fclose(f);
    return found;
}

START_TEST(long_chains_go_first)
{
    Plan *p = make_plan("sample"); /* every method named behind "pop", which nothing waits for, leads to a training of 10 s */
    ck_assert_int_eq(schedule_run(p, bin_path, 1, 1), OK);
    ck_assert_int_eq(call_of("00_sample", false), 1);
    ck_assert_int_gt(call_of("08_sft", false), call_of("06_tokenize", false));
    ck_assert_int_gt(call_of("07_baseline", false), call_of("08_sft", true));
    ck_assert_int_eq(call_of("11_report", false), count_calls());
    plan_destroy(p);
}
END_TEST

START_TEST(a_failing_step_stops_the_run_and_keeps_the_rest)
{
    write_stage("09_grpo", "echo 'error: loss is not finite at step 7' >&2; exit 5");
    Plan *p = make_plan("one");
    ck_assert_int_eq(schedule_run(p, bin_path, 1, 1), E_NUMERIC);
    ck_assert_ptr_nonnull(strstr(status_message(), "09_grpo one full seed"));
    int64_t left = plan_remaining(p);
    ck_assert(left > 0 && left < p->n);
    plan_destroy(p);
    int calls = count_calls();
    write_stage("09_grpo", ":");
    p = make_plan("one");
    ck_assert_int_eq(schedule_run(p, bin_path, 2, 1), OK);
    ck_assert_int_gt(count_calls(), calls);
    plan_destroy(p);
}
END_TEST

START_TEST(a_stage_without_manifest_is_an_error)
{
    write_stage("05_embed", "exit 0");
    Plan *p = make_plan("one");
    ck_assert_int_eq(schedule_run(p, bin_path, 2, 1), E_BUG);
    plan_destroy(p);
}
END_TEST

/* Killed at any moment: what is complete stays complete, the next run does the rest and nothing twice. */
START_TEST(survives_kill_9)
{
    write_stage("08_sft", "sleep 0.2");
    for (int wait_ms = 30; wait_ms <= 230; wait_ms += 100) {
        (void)fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            Plan *p = make_plan("sample");
            (void)schedule_run(p, bin_path, 2, 1);
            _exit(0);
        }
        (void)usleep((useconds_t)wait_ms * 1000);
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
    }
    (void)usleep(300000);
    Plan *p = make_plan("sample");
    ck_assert_int_eq(schedule_run(p, bin_path, 2, 1), OK);
    ck_assert_int_eq(plan_remaining(p), 0);
    plan_destroy(p);
}
END_TEST

/* A variant takes over what it does not say itself, and shares the steps it does not touch. */
START_TEST(variants_share_what_they_do_not_change)
{
    write_text(at("experiments.json"), "{\"groups\": {\"both\": [\"real\", \"mixed\"]}, \"datasets\": {\n"
               " \"mixed\": {\"of\": \"real\", \"label\": \"Real, mixed\", \"02_preprocess\": {\"ties\": \"shuffle\"}},\n"
               " \"real\": {\"label\": \"Real\", \"settings\": \"s\", \"seeds\": 1, \"protocol\": \"chrono-8-1-1\", \"methods\": [\"pop\"]}},\n"
               " \"methods\": {\"pop\": {\"kind\": \"baseline\", \"method\": \"popularity\", \"tables\": [\"main\"]}}, \"settings\": {\"s\": {}}}");
    Plan *p = make_plan("both");
    ck_assert_int_eq(count_steps(p, "01_download"), 1);
    ck_assert_int_eq(count_steps(p, "02_preprocess"), 2);
    int shuffled = 0, chrono = 0;
    for (int64_t i = 0; i < p->n; i++)
        for (int k = 0; k + 1 < p->steps[i].n_args; k++) {
            if (strcmp(p->steps[i].args[k], "--dataset") == 0) ck_assert_str_eq(p->steps[i].args[k + 1], "real");
            shuffled += strcmp(p->steps[i].args[k], "--ties") == 0;
            chrono += strcmp(p->steps[i].args[k + 1], "chrono-8-1-1") == 0;
        }
    ck_assert_int_eq(shuffled, 1);
    ck_assert_int_eq(chrono, 2);
    const cJSON *entries = cJSON_GetObjectItemCaseSensitive(p->index, "entries"), *last = cJSON_GetArrayItem(entries, cJSON_GetArraySize(entries) - 1);
    ck_assert_str_eq(cJSON_GetObjectItemCaseSensitive(last, "variant_of")->valuestring, "real");
    ck_assert_str_eq(cJSON_GetObjectItemCaseSensitive(last, "dataset_label")->valuestring, "Real, mixed");
    plan_destroy(p);
    write_text(at("experiments.json"), "{\"datasets\": {\"one\": {\"of\": \"two\"}}}");
    PlanOptions o = {.experiments = experiments_path, .data = "one", .bin = bin_path, .stages = stages_path, .source = "", .results = results_path, .only = "", .run = "", .run_name = ""};
    ck_assert_int_eq(plan_build(&o, &p), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "'one' is a variant of 'two'"));
}
END_TEST

START_TEST(bad_experiments_are_named)
{
    PlanOptions o = {.experiments = experiments_path, .data = "nothing", .bin = bin_path, .stages = stages_path, .source = "", .results = results_path,
                     .only = "", .run = "", .run_name = ""};
    Plan *p = make_plan("one");
    plan_destroy(p);
    ck_assert_int_eq(plan_build(&o, &p), E_USAGE);
    ck_assert_ptr_nonnull(strstr(status_message(), "nothing"));
    write_text(at("experiments.json"), "{\"datasets\": {\"one\": {\"settings\": \"s\", \"methods\": [\"typo\"]}}, \"settings\": {\"s\": {}}}");
    o.data = "one";
    ck_assert_int_eq(plan_build(&o, &p), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "typo"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan");
    TCase *t = tcase_create("plan");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, own_files_are_a_set_of_their_own);
    tcase_add_test(t, equal_steps_are_shared);
    tcase_add_test(t, a_change_upstream_changes_the_keys_below_it_only);
    tcase_add_test(t, optional_methods_wait_to_be_named);
    tcase_add_test(t, precision_is_in_the_key);
    tcase_add_test(t, vectors_and_captions_from_files_are_in_the_keys);
    tcase_add_test(t, runs_everything_once_and_resumes);
    tcase_add_test(t, long_chains_go_first);
    tcase_add_test(t, a_failing_step_stops_the_run_and_keeps_the_rest);
    tcase_add_test(t, a_stage_without_manifest_is_an_error);
    tcase_add_test(t, survives_kill_9);
    tcase_add_test(t, variants_share_what_they_do_not_change);
    tcase_add_test(t, bad_experiments_are_named);
    suite_add_tcase(s, t);
    return suite_run(s);
}
