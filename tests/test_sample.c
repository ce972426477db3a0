/* tests/test_sample.c -- the embedded sample: its users behave as documented, the oracle knows what the simulator knew, and nothing latent gets out. */
#include "data_util.h"

#include <ctype.h>
#include <math.h>

#include "base/json.h"
#include "data/dataset.h"
#include "data/oracle.h"
#include "data/sample.h"
#include "data/simulate.h"
#include "io/stream.h"
#include "suite.h"

static const char *const CATEGORIES[] = {"beauty", "sports", "instruments"};
static const SimSettings SETTINGS = {.zipf = 0.8, .prevalence = 0.7, .noise = 0.1, .chain = 0.4, .drift = 0.8, .more_events = 7};
enum { N_USERS = 2000 };
static Arena *arena;

static void setup(void)
{
    scratch_make();
    arena = arena_create("test");
}

static void teardown(void)
{
    arena_destroy(arena);
    scratch_remove();
}

static SampleCatalogue *catalogue(const char *category)
{
    SampleCatalogue *c;
    ck_assert_msg(sample_load("data_prep/sample", category, arena, &c) == OK, "%s", status_message());
    return c;
}

START_TEST(the_catalogue_is_whole)
{
    const SampleCatalogue *c = catalogue(CATEGORIES[_i]);
    ck_assert_int_eq(c->n_items, 480);
    ck_assert_int_eq(c->n_interests, 24);
    for (int64_t i = 0; i < c->n_items; i++) {
        const SampleItem *item = &c->item[i];
        ck_assert(*item->id && *item->title && *item->brand && *item->description && *item->visual && item->price > 0 && item->n_categories >= 2);
        double sum = 0;
        for (int64_t k = 0; k < c->n_interests; k++) sum += c->latent[i * c->n_interests + k];
        ck_assert_msg(fabs(sum - 1) < 0.05, "%s: latent weights sum to %g", item->id, sum);
    }
}
END_TEST

START_TEST(users_behave_as_documented)
{
    const SampleCatalogue *c = catalogue(CATEGORIES[_i]);
    const ChoiceModel *m = simulate_model(c, &SETTINGS, 7, arena);
    const SimUser *users = simulate_users(c, m, &SETTINGS, 7, N_USERS, arena);
    int64_t with[SIM_MAX_ACTIVE + 1] = {0}, events = 0, served = 0, chained = 0, pairs = 0, *prevalence = ARENA_NEW(arena, int64_t, c->n_interests), drifted = 0;
    for (int64_t u = 0; u < N_USERS; u++) {
        const SimUser *user = &users[u];
        bool seen[480] = {false};
        ck_assert(user->n_events >= SIM_MIN_EVENTS && user->n_events <= SIM_MAX_EVENTS && user->n_active >= 1 && user->n_active <= SIM_MAX_ACTIVE);
        with[user->n_active]++;
        prevalence[user->active[0]]++;
        events += user->n_events;
        for (int64_t e = 0; e < user->n_events; e++) {
            double latent = 0, sum = 0;
            ck_assert_msg(!seen[user->item[e]], "user %lld takes an item twice", (long long)u);
            seen[user->item[e]] = true;
            ck_assert(e == 0 || user->time_s[e] > user->time_s[e - 1]);
            for (int64_t a = 0; a < user->n_active; a++) {
                sum += user->weight[e * SIM_MAX_ACTIVE + a];
                latent += c->latent[user->item[e] * c->n_interests + user->active[a]];
            }
            ck_assert_double_eq_tol(sum, 1, 1e-12);
            served += latent > 0;
            if (e == 0) continue;
            pairs++;
            chained += c->leaf[user->item[e]] != c->leaf[user->item[e - 1]];
        }
        ck_assert_int_lt(user->time_s[user->n_events - 1] - user->time_s[0], INT64_C(3) * 366 * 86400);
        if (user->n_active > 1) drifted += fabs(user->weight[(user->n_events - 1) * SIM_MAX_ACTIVE] - user->weight[0]) > 0.05;
    }
    ck_assert_int_gt(with[1], N_USERS / 4);
    ck_assert_int_gt(with[2], N_USERS / 4);
    ck_assert_int_gt(with[3], N_USERS / 8);
    ck_assert_int_gt(drifted, N_USERS / 4);
    double mean = (double)events / N_USERS, share = (double)served / (double)events;
    ck_assert_msg(mean > 10 && mean < 13, "mean length %g", mean);
    ck_assert_msg(share > 0.89 && share < 0.98, "share of choices that serve an active interest: %g (noise 0.1, some noise serves by chance)", share);
    ck_assert_msg((double)chained / (double)pairs > 0.8, "share of pairs from different leaf categories: %g", (double)chained / (double)pairs);
    int64_t most = 0, least = N_USERS;
    for (int64_t k = 0; k < c->n_interests; k++) {
        most = prevalence[k] > most ? prevalence[k] : most;
        least = prevalence[k] < least ? prevalence[k] : least;
    }
    ck_assert_msg(most > 4 * least && least > 0, "prevalence from %lld to %lld", (long long)least, (long long)most);
}
END_TEST

START_TEST(probabilities_are_the_documented_mixture)
{
    /* 3 items, 2 interests; item 2 has another leaf. By hand: with previous 0 and w = (1,0), r = (1,0). */
    static const double latent[] = {1, 0, 1, 0, 0.5, 0.5}, popularity[] = {2, 1, 1};
    static const int32_t leaf[] = {0, 0, 1};
    const ChoiceModel m = {3, 2, latent, popularity, leaf, 0.1, 0.4};
    const double w[] = {1, 0};
    bool taken[] = {true, false, false};
    double p[3];
    choice_probability(&m, w, 0, taken, arena, p);
    /* free: item 1 (mass 1 of interest 0), item 2 (0.5 of it); other leaf: item 2 alone */
    ck_assert_double_eq(p[0], 0);
    ck_assert_double_eq_tol(p[1], 0.1 * 0.5 + 0.9 * (0.6 * 1 / 1.5), 1e-15);
    ck_assert_double_eq_tol(p[2], 0.1 * 0.5 + 0.9 * (0.6 * 0.5 / 1.5 + 0.4 * 1), 1e-15);
    taken[0] = false;
    choice_probability(&m, w, -1, taken, arena, p);
    ck_assert_double_eq_tol(p[0], 0.1 * 0.5 + 0.9 * 2 / 3.5, 1e-15);
    ck_assert_double_eq_tol(p[0] + p[1] + p[2], 1, 1e-15);
}
END_TEST

static void make_sample(const char *items, const char *category, int users, int seed, const char *out)
{
    ck_assert_msg(run_program("00_sample", arena_printf(arena, "--items '%s' --category %s --users %d --seed %d --out '%s'", items, category, users, seed, in_scratch(out))) == 0,
                  "%s", program_output);
}

static const char *raw_name(const char *kind, const char *category)
{
    const char *name = arena_printf(arena, "%s_Sample_%c%s%s.json.gz", kind, toupper((unsigned char)category[0]), category + 1, kind[0] == 'r' ? "_5" : "");
    return name;
}

START_TEST(same_seed_same_bytes_other_seed_other_bytes)
{
    static const char *const files[] = {"captions.jsonl", "oracle/model.json", "oracle/items.tsv", "oracle/events.tsv", NULL, NULL};
    make_sample("data_prep/sample", "sports", 60, 1, "a");
    make_sample("data_prep/sample", "sports", 60, 1, "b");
    make_sample("data_prep/sample", "sports", 60, 2, "c");
    make_sample("data_prep/sample", "sports", 90, 1, "d");
    for (int f = 0; f < 6; f++) {
        const char *file = files[f] != NULL ? files[f] : raw_name(f == 4 ? "reviews" : "meta", "sports");
        ck_assert_msg(same_bytes(in_scratch(arena_printf(arena, "a/%s", file)), in_scratch(arena_printf(arena, "b/%s", file))), "%s differs", file);
    }
    ck_assert(!same_bytes(in_scratch("a/oracle/events.tsv"), in_scratch("c/oracle/events.tsv")));
    size_t n; /* more users: the first ones stay as they were */
    const char *few = read_bytes(in_scratch("a/oracle/events.tsv"), &n), *many = read_bytes(in_scratch("d/oracle/events.tsv"), NULL);
    ck_assert(strncmp(few, many, n) == 0);
    cJSON *manifest;
    ck_assert_int_eq(json_read_file(in_scratch("a/manifest.json"), &manifest), OK);
    ck_assert(cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetObjectItem(manifest, "notes"), "simulated")));
    cJSON_Delete(manifest);
}
END_TEST

/* ---- nothing latent gets out ---- */

/* Copy the catalogue of a category with every latent weight and every `explicit` replaced; and interests renamed. */
static void scramble(const char *category, const char *out)
{
    ck_assert_int_eq(dir_make(in_scratch(out)), OK);
    const SampleCatalogue *c = catalogue(category);
    AtomicFile *f;
    LineReader *reader;
    const char *line;
    size_t n;
    ck_assert_int_eq(atomic_open(in_scratch(arena_printf(arena, "%s/items_%s.jsonl", out, category)), &f), OK);
    ck_assert_int_eq(line_open(sample_path(arena, "data_prep/sample", arena_printf(arena, "items_%s.jsonl", category)), &reader), OK);
    for (int64_t i = 0; line_next(reader, &line, &n); i++) {
        cJSON *item = cJSON_ParseWithLength(line, n), *latent = cJSON_CreateObject();
        cJSON_AddNumberToObject(latent, c->interest_id[(i * 7 + 3) % c->n_interests], 0.7);
        cJSON_AddNumberToObject(latent, c->interest_id[(i * 5 + 11) % c->n_interests == (i * 7 + 3) % c->n_interests ? 0 : (i * 5 + 11) % c->n_interests], 0.3);
        ck_assert(cJSON_ReplaceItemInObjectCaseSensitive(item, "latent", latent));
        ck_assert(cJSON_ReplaceItemInObjectCaseSensitive(item, "explicit", cJSON_CreateString("scrambled")));
        char *text = cJSON_PrintUnformatted(item);
        (void)fprintf(atomic_stream(f), "%s\n", text);
        cJSON_free(text);
        cJSON_Delete(item);
    }
    ck_assert_int_eq(line_close(reader), OK);
    ck_assert_int_eq(atomic_commit(f), OK);
    ck_assert_int_eq(atomic_open(in_scratch(arena_printf(arena, "%s/interests_%s.json", out, category)), &f), OK);
    for (int64_t k = 0; k < c->n_interests; k++)
        (void)fprintf(atomic_stream(f), "%s{\"id\": \"%s\", \"name\": \"renamed %d\", \"gloss\": \"other\"}", k ? "," : "[", c->interest_id[k], (int)k);
    (void)fprintf(atomic_stream(f), "]\n");
    ck_assert_int_eq(atomic_commit(f), OK);
}

static void prepare(const char *category, const char *raw, const char *out)
{
    ck_assert_msg(run_program("02_preprocess", arena_printf(arena, "--dataset sample-%s --raw '%s' --k-core 1 --out '%s'", category, in_scratch(raw), in_scratch(out))) == 0, "%s",
                  program_output);
}

/* Other latents make other users, so other events; but no byte of any item text may change. */
START_TEST(scrambled_latents_change_no_byte_of_any_text)
{
    const char *category = CATEGORIES[_i];
    scramble(category, "scrambled");
    make_sample("data_prep/sample", category, N_USERS, 3, "raw");
    make_sample(in_scratch("scrambled"), category, N_USERS, 3, "raw2");
    ck_assert(same_bytes(in_scratch(arena_printf(arena, "raw/%s", raw_name("meta", category))), in_scratch(arena_printf(arena, "raw2/%s", raw_name("meta", category)))));
    ck_assert(same_bytes(in_scratch("raw/captions.jsonl"), in_scratch("raw2/captions.jsonl")));
    ck_assert(!same_bytes(in_scratch("raw/oracle/events.tsv"), in_scratch("raw2/oracle/events.tsv"))); /* the test can fail: the latents did matter */
    prepare(category, "raw", "data");
    prepare(category, "raw2", "data2");
    ck_assert(same_bytes(in_scratch("data/items.jsonl"), in_scratch("data2/items.jsonl")));
    ck_assert(!same_bytes(in_scratch("data/train.tsv"), in_scratch("data2/train.tsv")));
}
END_TEST

/* No file outside oracle/ holds the name, id or gloss of an interest, or the words of the hidden fields. */
START_TEST(no_hidden_word_is_in_raw_files_or_data_set)
{
    const char *category = CATEGORIES[_i];
    const SampleCatalogue *c = catalogue(category);
    make_sample("data_prep/sample", category, 200, 3, "raw");
    ck_assert_int_eq(rename(in_scratch("raw/oracle"), in_scratch("oracle")), 0); /* 02_preprocess works without it */
    prepare(category, "raw", "data");
    const char *files[] = {arena_printf(arena, "raw/%s", raw_name("meta", category)), arena_printf(arena, "raw/%s", raw_name("reviews", category)), "raw/captions.jsonl",
                           "data/items.jsonl", "data/meta.json", "data/users.tsv", "data/train.tsv", "data/valid.tsv", "data/test.tsv"};
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        LineReader *reader;
        const char *line;
        size_t n;
        ck_assert_int_eq(line_open(in_scratch(files[f]), &reader), OK);
        while (line_next(reader, &line, &n)) {
            ck_assert_msg(!strstr(line, "latent") && !strstr(line, "\"explicit\"") && !strstr(line, "'explicit'"), "%s: %s", files[f], line);
            for (int64_t k = 0; k < c->n_interests; k++)
                ck_assert_msg(!strstr(line, c->interest_id[k]) && !strstr(line, c->interest_name[k]), "%s names %s: %s", files[f], c->interest_id[k], line);
        }
        ck_assert_int_eq(line_close(reader), OK);
    }
}
END_TEST

/* ---- the oracle ---- */

START_TEST(the_oracle_reads_back_what_the_simulator_drew_from)
{
    const SampleCatalogue *c = catalogue(CATEGORIES[_i]);
    const ChoiceModel *m = simulate_model(c, &SETTINGS, 5, arena);
    const SimUser *users = simulate_users(c, m, &SETTINGS, 5, 50, arena);
    Oracle *o;
    ck_assert_int_eq(oracle_write(in_scratch("oracle"), c, m, users, 50), OK);
    ck_assert_msg(oracle_load(in_scratch("oracle"), arena, &o) == OK, "%s", status_message());
    ck_assert_int_eq(oracle_n_items(o), c->n_items);
    ck_assert_int_eq(oracle_n_interests(o), c->n_interests);
    double *p = ARENA_NEW(arena, double, c->n_items), *w = ARENA_NEW(arena, double, c->n_interests), surprise = 0, popular = 0, total = 0;
    int64_t events = 0;
    for (int64_t i = 0; i < c->n_items; i++) total += m->popularity[i];
    for (int64_t u = 0; u < 50; u++)
        for (int64_t e = 0; e < users[u].n_events; e++) {
            const char *asin = c->item[users[u].item[e]].id;
            int64_t event = oracle_find(o, users[u].id, asin);
            ck_assert_int_ge(event, 0);
            oracle_weights(o, event, w);
            for (int64_t a = 0; a < users[u].n_active; a++) ck_assert_double_eq(w[users[u].active[a]], users[u].weight[e * SIM_MAX_ACTIVE + a]);
            oracle_probability(o, event, arena, p);
            double sum = 0;
            for (int64_t i = 0; i < c->n_items; i++) sum += p[i];
            ck_assert_double_eq_tol(sum, 1, 1e-9);
            for (int64_t k = 0; k < e; k++) ck_assert_double_eq(p[oracle_item(o, c->item[users[u].item[k]].id)], 0);
            surprise -= log(p[oracle_item(o, asin)]);
            popular -= log(m->popularity[users[u].item[e]] / total);
            events++;
        }
    surprise /= (double)events;
    popular /= (double)events;
    ck_assert_msg(surprise < popular - 1, "%g nats an event, popularity %g", surprise, popular);
    ck_assert_int_eq(oracle_find(o, users[0].id, "no such item"), -1);
    ck_assert_int_eq(oracle_item(o, "no such item"), -1);
    ck_assert_str_eq(oracle_asin(o, oracle_item(o, c->item[3].id)), c->item[3].id);
}
END_TEST

START_TEST(faulty_oracle_files_are_told)
{
    make_sample("data_prep/sample", "beauty", 3, 1, "raw");
    Oracle *o;
    static const struct { const char *file, *text, *place; } faults[] = {
        {"events.tsv", "user\tasin\ttimestamp\tweights\nU\tB0001\t5\t0:0.5 24:0.5\n", "events.tsv:2"},
        {"events.tsv", "user\tasin\ttimestamp\tweights\nU\tnone\t5\t0:1\n", "events.tsv:2"},
        {"events.tsv", "user\tasin\ttimestamp\tweights\nU\tB0001\t5\t0:1\nV\tB0001\t5\t0:1\nU\tB0002\t6\t0:1\n", "events.tsv:4"},
        {"events.tsv", "user\tasin\n", "events.tsv:1"},
        {"items.tsv", "asin\tpopularity\tleaf\tlatent\nB0001\t0\t0\t0:1\n", "items.tsv:2"},
        {"items.tsv", "asin\tpopularity\tleaf\tlatent\nB0001\t1\t0\t0:x\n", "items.tsv:2"},
        {"model.json", "{\"format\": \"other\"}", "model.json"}};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const char *path = in_scratch(arena_printf(arena, "raw/oracle/%s", faults[i].file)), *whole = read_bytes(path, NULL);
        write_text(path, faults[i].text);
        ck_assert_int_eq(oracle_load(in_scratch("raw/oracle"), arena, &o), E_INPUT);
        ck_assert_msg(strstr(status_message(), faults[i].place) != NULL, "%s", status_message());
        write_text(path, whole);
    }
    ck_assert_int_eq(oracle_load(in_scratch("raw/oracle"), arena, &o), OK);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sample");
    TCase *t = tcase_create("sample");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, the_catalogue_is_whole, 0, 3);
    tcase_add_loop_test(t, users_behave_as_documented, 0, 3);
    tcase_add_test(t, probabilities_are_the_documented_mixture);
    tcase_add_test(t, same_seed_same_bytes_other_seed_other_bytes);
    tcase_add_loop_test(t, scrambled_latents_change_no_byte_of_any_text, 0, 3);
    tcase_add_loop_test(t, no_hidden_word_is_in_raw_files_or_data_set, 0, 3);
    tcase_add_loop_test(t, the_oracle_reads_back_what_the_simulator_drew_from, 0, 3);
    tcase_add_test(t, faulty_oracle_files_are_told);
    suite_add_tcase(s, t);
    return suite_run(s);
}
