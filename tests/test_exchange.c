/* tests/test_exchange.c -- a prepared set in other people's forms and back: the same sequences, rows, ids and texts, whatever the texts hold. */
#include "base/rng.h"
#include "data/exchange.h"
#include "prepare_util.h"
#include "suite.h"

static const char *const files[] = {"items.jsonl", "users.tsv", "times.tsv", "train.tsv", "valid.tsv", "test.tsv"};

/* ---- a source with hostile texts ---- */

static const char *const scraps[] = {"a", "Vise", " ", "  ", "\"", "'", "\\", ",", "[", "]", "{", "}", ":", "\t", "\n", "\r", "\r\n", "\x01", "\x7f", "\xc2\xa0", "\xc2\xad", "\xc3\xa9", "\xe2\x80\xa8",
                                     "\xe6\xbb\x8b", "\xf0\x9f\x94\xa7", "e\xcc\x81", "&amp;", "<b>", "</span>", " > ", " | ", "\\n", "\\u0041", "NaN", "None", "0x7", "\"\"", "''", "'''", "#", ";", "//"};
static const char *const whole[] = {"", "\"", "\"\"", "\"\"\"", "'", "\\", "\"quoted\"", "\"begins only", "ends only\"", "['a', 'b']", "[\"it's\"]", "[]", "['']", "['open", "null", "[1, 2]",
                                    " leads", "trails ", "\\", "a\\", "\xc3\x82\xc2\xa0", "nan"};

static const char *hostile(Rng *rng, bool breaks)
{
    const char *text = "";
    if (rng_below(rng, 4) == 0) return whole[rng_below(rng, sizeof whole / sizeof *whole)];
    for (uint64_t k = rng_below(rng, 9); k > 0; k--) {
        const char *scrap = scraps[rng_below(rng, sizeof scraps / sizeof *scraps)];
        if (breaks || !scrap[strcspn(scrap, "\t\n\r")]) text = arena_printf(arena, "%s%s", text, scrap);
    }
    return text;
}

enum { USERS = 14, ITEMS = 17 };

/* times: 0 none known, 1 some, 2 all. */
static void write_source(uint64_t seed, int times, bool breaks)
{
    Rng rng = rng_make(seed, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    const char *items = "", *sequences = "", *stamps = "", *users = "";
    static const char *const keys[] = {"title", "brand", "description", "keywords", "image_caption"};
    for (int i = 0; i < ITEMS; i++) {
        cJSON *line = cJSON_CreateObject();
        cJSON_AddNumberToObject(line, "item", 100 + i);
        cJSON_AddStringToObject(line, "asin", arena_printf(arena, "B%03d", i));
        for (size_t k = 0; k < 5; k++) cJSON_AddStringToObject(line, keys[k], hostile(&rng, breaks));
        cJSON *path = cJSON_AddArrayToObject(line, "categories");
        for (uint64_t k = rng_below(&rng, 3); k > 0; k--) cJSON_AddItemToArray(path, cJSON_CreateString(hostile(&rng, breaks)));
        char *text = cJSON_PrintUnformatted(line);
        items = arena_printf(arena, "%s%s\n", items, text);
        cJSON_free(text);
        cJSON_Delete(line);
    }
    for (int u = 0; u < USERS; u++) {
        const char *row = arena_printf(arena, "%d", u), *row_times = row;
        long long time = 1400000000 + 50 * u;
        for (uint64_t k = 2 + rng_below(&rng, 14); k > 0; k--) {
            time += (long long)rng_below(&rng, 3) * 1000; /* ties among them */
            bool known = times == 2 || (times == 1 && rng_below(&rng, 2) == 0);
            row = arena_printf(arena, "%s %d", row, 100 + (int)rng_below(&rng, ITEMS));
            row_times = arena_printf(arena, "%s %lld", row_times, known ? time : 0);
        }
        sequences = arena_printf(arena, "%s%s\n", sequences, row);
        stamps = arena_printf(arena, "%s%s\n", stamps, row_times);
        users = arena_printf(arena, "%s%d U%c\n", users, u, 'A' + u);
    }
    write_text(in_scratch("raw/items.jsonl"), items);
    write_text(in_scratch("raw/sequences.txt"), sequences);
    write_text(in_scratch("raw/timestamps.txt"), stamps);
    write_text(in_scratch("raw/users.txt"), users);
}

static Status export_set(const char *data, SourceForm form, const char *sids, const char *out)
{
    Arena *own = arena_create("export");
    Exchange *x;
    Manifest *manifest = manifest_begin("test", cJSON_CreateObject());
    Status status = exchange_load(in_scratch(data), sids, "Own", own, manifest, &x);
    if (status == OK) status = exchange_write(x, form, in_scratch(out));
    char message[1024];
    (void)snprintf(message, sizeof message, "%s", status_message());
    (void)manifest_end(manifest, scratch);
    if (status != OK) (void)FAIL(status, NULL, "%s", message);
    arena_destroy(own);
    return status;
}

/* Export `one` and read it back as `two`. */
static Dataset *round_trip(SourceForm form, const char *two)
{
    Dataset *d = NULL;
    const char *raw = arena_printf(arena, "export-%s", two);
    ck_assert_msg(export_set("one", form, "", raw) == OK, "%s", status_message());
    RegistryEntry own = {.name = "own", .label = "Own", .release = "own files", .folder = "own", .hint = "", .filter = {.title_words = -1}};
    Manifest *manifest = manifest_begin("test", cJSON_CreateObject());
    ck_assert_msg(prepare_dataset(&own, in_scratch(raw), &settings, in_scratch(two), manifest) == OK, "%s: %s", source_form_names[form], status_message());
    ck_assert_int_eq(manifest_end(manifest, in_scratch(two)), OK);
    ck_assert_msg(dataset_load(in_scratch(two), true, arena, &d) == OK, "%s", status_message());
    return d;
}

static void assert_same(const char *two, const char *const *names, int n, const char *what)
{
    for (int f = 0; f < n; f++)
        ck_assert_msg(same_bytes(in_scratch(arena_printf(arena, "one/%s", names[f])), in_scratch(arena_printf(arena, "%s/%s", two, names[f]))), "%s: %s differs", what, names[f]);
}

/* Is the file `two` what `one` is with every known time forgotten? */
static void assert_same_without_times(const char *two, const char *what)
{
    static const char *const names[] = {"times.tsv", "valid.tsv", "test.tsv"};
    for (int f = 0; f < 3; f++) {
        const char *a = read_bytes(in_scratch(arena_printf(arena, "one/%s", names[f])), NULL), *b = read_bytes(in_scratch(arena_printf(arena, "%s/%s", two, names[f])), NULL);
        while (*a && *b) { /* the last field of a line holds times */
            const char *end_a = strchr(a, '\n'), *end_b = strchr(b, '\n'), *cut_a = end_a, *cut_b = end_b;
            while (*cut_a != '\t') cut_a--;
            while (*cut_b != '\t') cut_b--;
            ck_assert_msg(cut_a - a == cut_b - b && memcmp(a, b, (size_t)(cut_a - a)) == 0, "%s: %s differs at %.80s", what, names[f], a);
            a = end_a + 1;
            b = end_b + 1;
        }
        ck_assert(*a == *b);
    }
}

static const char *flat(const char *text)
{
    char *copy = arena_strdup(arena, text);
    for (char *p = copy; *p; p++)
        if (*p == '\t' || *p == '\n' || *p == '\r') *p = ' ';
    return copy;
}

static void assert_flat_texts(const Dataset *a, const Dataset *b)
{
    ck_assert_int_eq(a->N, b->N);
    for (int64_t i = 0; i < a->N; i++) {
        const ItemText *x = &a->text[i], *y = &b->text[i];
        ck_assert_str_eq(x->id, y->id);
        ck_assert_str_eq(flat(x->title), y->title);
        ck_assert_str_eq(flat(x->brand), y->brand);
        ck_assert_str_eq(flat(x->categories), y->categories);
        ck_assert_str_eq(flat(x->description), y->description);
        ck_assert_str_eq(flat(x->keywords), y->keywords);
        ck_assert_str_eq(flat(x->caption), y->caption);
    }
}

/* _i: seed; times and protocol vary with it. */
START_TEST(every_form_comes_back)
{
    bool chrono = _i % 2 == 1, breaks = _i % 4 < 2;
    settings.protocol = chrono ? "chrono-8-1-1" : "leave-last-out";
    write_source((uint64_t)_i, chrono ? 2 : _i % 3, breaks);
    ck_assert_msg(prepare_run("one") == OK, "%s", status_message());
    Dataset *d = NULL;
    ck_assert_int_eq(dataset_load(in_scratch("one"), true, arena, &d), OK);
    (void)round_trip(SOURCE_MINIONEREC, "mini");
    assert_same("mini", files, 6, "minionerec");
    ck_assert_double_eq(meta_number("mini", "input.rules.row_titles_unlike_the_catalogue"), -1); /* the rows' own titles come back, too */
    Dataset *r = round_trip(SOURCE_RECBOLE, "rec");
    assert_same("rec", files + (breaks ? 1 : 0), breaks ? 5 : 6, "recbole");
    assert_flat_texts(d, r);
    if (chrono) return; /* the other forms cannot carry that split; see chrono_rows_are_not_carried_by_all */
    (void)round_trip(SOURCE_LCREC, "lc");
    assert_same("lc", files, 2, "lc-rec");
    ck_assert(same_bytes(in_scratch("one/train.tsv"), in_scratch("lc/train.tsv")));
    assert_same_without_times("lc", "lc-rec");
    Dataset *s = round_trip(SOURCE_SASREC, "sas");
    ck_assert(same_bytes(in_scratch("one/users.tsv"), in_scratch("sas/users.tsv")));
    ck_assert(same_bytes(in_scratch("one/train.tsv"), in_scratch("sas/train.tsv")));
    assert_same_without_times("sas", "sasrec");
    for (int64_t i = 0; i < s->N; i++) ck_assert(!*s->text[i].title && !*s->text[i].description && !*s->text[i].categories && strcmp(s->text[i].id, d->text[i].id) == 0);
}
END_TEST

START_TEST(sasrec_pairs_and_attributes)
{
    write_sequences("7 3 1 2 1\n4 2 3 1\n", "7 0 0 0 0\n4 0 0 0\n", "1;2;3;");
    write_text(in_scratch("raw/items.jsonl"), "{\"item\": 1, \"asin\": \"I1\", \"brand\": \"Q\", \"categories\": [[\"A\", \"B\"], [\"A\", \"C\"]]}\n"
                                              "{\"item\": 2, \"asin\": \"I2\", \"brand\": \"B\", \"categories\": []}\n{\"item\": 3, \"asin\": \"I3\", \"brand\": \"\", \"categories\": [\"B\"]}\n");
    Dataset *d = prepare_load("one");
    Dataset *s = round_trip(SOURCE_SASREC, "sas");
    for (int64_t i = 0; i < s->N; i++) {
        int words = *s->text[i].keywords != '\0';
        for (const char *p = s->text[i].keywords; *p; p++) words += *p == ' ';
        ck_assert_int_eq(words, s->text[i].id[1] == '1' ? 4 : 1); /* A, B, C and Q; B; B: the brand B is the category B */
    }
    const char *names = read_bytes(in_scratch("export-sas/Own_attributes.tsv"), NULL);
    int lines = 0;
    for (const char *p = names; *p; p++) lines += *p == '\n';
    ck_assert_int_eq(lines, 1 + 4);
    ck_assert_ptr_nonnull(strstr(names, "\tQ\n"));
    /* SASRec's own form */
    ck_assert_int_eq(system(arena_printf(arena, "rm -rf '%s' && mkdir '%s' && cp '%s'/pairs/Own.txt '%s'/Own.*2id '%s'", in_scratch("raw"), in_scratch("raw"), in_scratch("export-sas"),
                                         in_scratch("export-sas"), in_scratch("raw"))), 0);
    entry.n_files = 0;
    Dataset *p = prepare_load("pairs");
    ck_assert_str_eq(train_text(p, "pairs"), train_text(d, "one"));
    ck_assert_str_eq(rows_text(p, &p->test, "pairs", false), rows_text(d, &d->test, "one", false));
}
END_TEST

/* What a form cannot carry is said in its README, and is so. */
START_TEST(chrono_rows_are_not_carried_by_all)
{
    settings.protocol = "chrono-8-1-1";
    write_source(99, 2, false);
    Dataset *d = prepare_load("one");
    ck_assert_int_eq(export_set("one", SOURCE_LCREC, "", "lc"), OK);
    ck_assert_ptr_nonnull(strstr(read_bytes(in_scratch("lc/README.txt"), NULL), "this form has no place for that split"));
    ck_assert_ptr_nonnull(strstr(read_bytes(in_scratch("lc/README.txt"), NULL), "texts of reviews are not included"));
    settings.protocol = "leave-last-out"; /* the sequences are whole */
    Dataset *back = round_trip(SOURCE_LCREC, "back");
    ck_assert_int_eq(back->n_interactions, d->n_interactions);
    ck_assert_int_eq(back->n_users, d->n_users);
    settings.protocol = "chrono-8-1-1";
    RegistryEntry own = {.name = "own", .label = "Own", .release = "own files", .folder = "own", .hint = "", .filter = {.title_words = -1}};
    Manifest *manifest = manifest_begin("test", cJSON_CreateObject());
    ck_assert_int_eq(prepare_dataset(&own, in_scratch("lc"), &settings, in_scratch("no"), manifest), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "chrono-8-1-1 needs every time"));
    (void)manifest_end(manifest, scratch);
}
END_TEST

START_TEST(users_with_one_event_have_no_row)
{
    write_sequences("7 3 1 2 1\n4 2\n", "7 0 0 0 0\n4 0\n", "1;2;3;");
    Dataset *d = prepare_load("one");
    ck_assert_int_eq(d->n_users, 2);
    ck_assert_int_eq(round_trip(SOURCE_MINIONEREC, "mini")->n_users, 1);
    ck_assert_int_eq(round_trip(SOURCE_LCREC, "lc")->n_users, 2);
    ck_assert_int_eq(round_trip(SOURCE_RECBOLE, "rec")->n_users, 2);
}
END_TEST

/* Simulated users stay simulated, whatever the set is called then. */
START_TEST(simulation_is_not_forgotten)
{
    static const SourceForm forms[] = {SOURCE_RECBOLE, SOURCE_LCREC, SOURCE_MINIONEREC, SOURCE_SASREC};
    entry.simulated = true;
    write_source(3, 0, false);
    ck_assert_int_eq(prepare_run("one"), OK);
    for (int f = 0; f < 4; f++) {
        ck_assert(round_trip(forms[f], source_form_names[forms[f]])->simulated);
        const char *raw = in_scratch(arena_printf(arena, "export-%s", source_form_names[forms[f]]));
        ck_assert_ptr_nonnull(strstr(read_bytes(arena_printf(arena, "%s/README.txt", raw), NULL), "SIMULATED"));
        ck_assert_msg(run_program("01_download", arena_printf(arena, "--dataset own --form %s --source '%s' --lock '%s' --out '%s'", source_form_names[forms[f]], raw, in_scratch("lock"),
                                                              in_scratch("links"))) == 0, "%s", program_output);
        ck_assert(path_exists(in_scratch("links/Own.simulated")));
        ck_assert_ptr_nonnull(strstr(read_bytes(in_scratch("links/manifest.json"), NULL), "\"simulated\":\ttrue"));
        ck_assert_int_eq(system(arena_printf(arena, "rm -rf '%s'", in_scratch("links"))), 0);
    }
    entry.simulated = false;
    ck_assert_int_eq(prepare_run("one"), OK);
    ck_assert(!round_trip(SOURCE_LCREC, "real")->simulated);
}
END_TEST

START_TEST(sids_go_with_the_items)
{
    write_sequences("7 3 1 2 1\n4 2 3 1\n", "7 0 0 0 0\n4 0 0 0\n", "1;2;3;");
    Dataset *d = prepare_load("one");
    ck_assert_int_eq(dir_make(in_scratch("sids")), OK);
    write_text(in_scratch("sids/sids.index.json"), "{\"0\": [\"<a_1>\", \"<b_2>\"], \"1\": [\"<a_1>\", \"<b_3>\"], \"2\": [\"<a_9>\", \"<b_2>\", \"<c_0>\"]}");
    ck_assert_msg(export_set("one", SOURCE_MINIONEREC, in_scratch("sids"), "mini") == OK, "%s", status_message());
    ck_assert_msg(export_set("one", SOURCE_LCREC, in_scratch("sids"), "lc") == OK, "%s", status_message());
    ck_assert_ptr_nonnull(strstr(read_bytes(in_scratch("mini/info/Own.txt"), NULL), arena_printf(arena, "<a_1><b_3>\t%s\t1\n", d->text[1].title)));
    ck_assert_ptr_nonnull(strstr(read_bytes(in_scratch("mini/train/Own.csv"), NULL), ",history_item_sid,item_sid\n"));
    const char *test = read_bytes(in_scratch("mini/test/Own.csv"), NULL);
    static const char *const sid[] = {"<a_1><b_2>", "<a_1><b_3>", "<a_9><b_2><c_0>"};
    const char *list = "";
    for (int64_t k = d->test.offset[0]; k < d->test.offset[1]; k++) list = arena_printf(arena, "%s%s'%s'", list, *list ? ", " : "", sid[d->test.history[k]]);
    ck_assert_msg(strstr(test, arena_printf(arena, "\"[%s]\",%s\n", list, sid[d->test.target[0]])) != NULL, "%s not in %s", list, test);
    cJSON *index;
    ck_assert_int_eq(json_read_file(in_scratch("lc/Own.index.json"), &index), OK);
    ck_assert_str_eq(cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(index, "2"), 2)->valuestring, "<c_0>");
    ck_assert_int_eq(cJSON_GetArraySize(index), 3);
    cJSON_Delete(index);
    ck_assert_int_eq(export_set("one", SOURCE_LCREC, "", "lc"), OK); /* the SIDs of an earlier export do not stay behind */
    ck_assert(!path_exists(in_scratch("lc/Own.index.json")));
    static const struct { const char *text, *fault; } bad[] = {{"{\"0\": [\"<a_1>\"]}", "not every item has a SID"},
                                                               {"{\"0\": [\"<a_1>\"],\n\"7\": [\"<a_1>\"]}", "json:2: no item of this data set"},
                                                               {"{\"0\": [\"<a_1>\"],\n\"0\": [\"<a_1>\"]}", "json:2: an item twice"},
                                                               {"{\"0\": []}", "no list of tokens"},
                                                               {"{\"0\": [\"<a_1>\"", "json:1: the file ends inside a value"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_text(in_scratch("sids/sids.index.json"), bad[i].text);
        ck_assert_int_eq(export_set("one", SOURCE_LCREC, in_scratch("sids"), "lc"), E_INPUT);
        ck_assert_msg(strstr(status_message(), bad[i].fault) != NULL, "`%s` not in: %s", bad[i].fault, status_message());
    }
}
END_TEST

/* A folder that was edited or half copied is refused, with file and line. */
START_TEST(inconsistent_folders_are_refused)
{
    write_sequences("7 3 1 2 1\n4 2 3 1\n", "7 0 0 0 0\n4 0 0 0\n", "1;2;3;");
    (void)prepare_load("one");
    static const struct { const char *file, *from, *to, *fault; } bad[] = {{"times.tsv", "times\n0\t", "times\n1\t", "times.tsv:2: users must come in order"},
                                                                           {"times.tsv", "\t0 0 0", "\t0 0 0 0 0", "times.tsv: 2 users and"},
                                                                           {"times.tsv", "user", "User", "times.tsv:1: expected the header"},
                                                                           {"train.tsv", "\n1\t", "\n0\t", "train.tsv"},
                                                                           {"users.tsv", "\n1\t", "\n1 ", "users.tsv:3: expected `user TAB id`"},
                                                                           {"users.tsv", "\n1\t4", "", "users.tsv:2: fewer users"},
                                                                           {"users.tsv", "\n1\t7", "", "users.tsv:2: fewer users"}};
    int refused = 0;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *path = in_scratch(arena_printf(arena, "one/%s", bad[i].file)), *good = read_bytes(path, NULL), *at = strstr(good, bad[i].from);
        if (at == NULL) continue; /* users are numbered at random: one of the last two applies */
        write_text(path, arena_printf(arena, "%.*s%s%s", (int)(at - good), good, bad[i].to, at + strlen(bad[i].from)));
        ck_assert_int_eq(export_set("one", SOURCE_LCREC, "", "lc"), E_INPUT);
        ck_assert_msg(strstr(status_message(), bad[i].fault) != NULL, "`%s` not in: %s", bad[i].fault, status_message());
        write_text(path, good);
        refused++;
    }
    ck_assert_int_ge(refused, 6);
    /* rows that contradict the sequences */
    const char *path = in_scratch("one/test.tsv"), *good = read_bytes(path, NULL);
    char *other = arena_strdup(arena, good), *digit = strchr(other, '\n') + 3;
    *digit = *digit == '0' ? '1' : '0';
    write_text(path, other);
    ck_assert_int_eq(export_set("one", SOURCE_LCREC, "", "lc"), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "test.tsv:2: not the sequence that the other files give"));
    write_text(path, good);
    ck_assert_int_eq(export_set("one", SOURCE_LCREC, "", "lc"), OK);
}
END_TEST

START_TEST(the_program_exports_what_is_asked)
{
    write_source(5, 1, true);
    (void)prepare_load("one");
    ck_assert_msg(run_program("02_export", arena_printf(arena, "--data '%s' --format recbole,lc-rec --name Own --out '%s'", in_scratch("one"), in_scratch("ex"))) == 0, "%s", program_output);
    assert_said("whose tabs or line ends became spaces: ");
    ck_assert(path_exists(in_scratch("ex/manifest.json")) && path_exists(in_scratch("ex/recbole/Own.yaml")) && path_exists(in_scratch("ex/lc-rec/Own.item.json")));
    ck_assert(!path_exists(in_scratch("ex/sasrec")));
    ck_assert_int_eq(run_program("02_export", arena_printf(arena, "--data '%s' --format csv --out x", in_scratch("one"))), 2);
    assert_said("`csv` is not exported");
    ck_assert_int_eq(run_program("02_export", arena_printf(arena, "--data '%s' --format sequences --out x", in_scratch("one"))), 2);
    ck_assert_int_eq(run_program("02_export", arena_printf(arena, "--data '%s' --name a/b --out x", in_scratch("one"))), 2);
    ck_assert_int_eq(run_program("02_export", arena_printf(arena, "--data '%s' --out x", in_scratch("nothing"))), 3);
    assert_one_error(3);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("exchange");
    TCase *t = tcase_create("exchange");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, prepare_setup, prepare_teardown);
    tcase_add_loop_test(t, every_form_comes_back, 0, 24);
    tcase_add_test(t, sasrec_pairs_and_attributes);
    tcase_add_test(t, chrono_rows_are_not_carried_by_all);
    tcase_add_test(t, users_with_one_event_have_no_row);
    tcase_add_test(t, simulation_is_not_forgotten);
    tcase_add_test(t, sids_go_with_the_items);
    tcase_add_test(t, inconsistent_folders_are_refused);
    tcase_add_test(t, the_program_exports_what_is_asked);
    suite_add_tcase(s, t);
    return suite_run(s);
}
