/* tests/test_llm_cache.c -- recorded answers: frames, crash safety, keys, look-up, import, replay without a network, the committed cache. */
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <zstd.h>

#include "base/atomic.h"
#include "base/json.h"
#include "base/rng.h"
#include "llm/frames.h"
#include "llm_support.h"
#include "no_sockets.h"

static Support s;

static void setup(void) { support_begin(&s); }
static void teardown(void) { support_end(&s); }

static Response record(int i) {
    Response r = {.provider = "p", .model = "m", .template_id = "t/1", .set = "set", .date = "2026-11"};
    char key[SHA256_HEX];
    r.item = arena_printf(s.arena, "item %d", i);
    prompt_key("p", "m", "t/1", r.item, key);
    r.key = arena_strdup(s.arena, key);
    r.response = arena_printf(s.arena, "{\"n\": %d, \"text\": \"quote \\\" backslash \\\\ tab\t newline\n caf\xc3\xa9\"}", i);
    return r;
}

static int64_t file_bytes(const char *path) {
    struct stat st;
    ck_assert_int_eq(stat(path, &st), 0);
    return st.st_size;
}

static void append(const char *path, int from, int n) {
    Response *r = ARENA_NEW(s.arena, Response, n);
    for (int i = 0; i < n; i++) r[i] = record(from + i);
    MUST(responses_append(path, r, n));
}

static void expect_records(const char *path, int64_t n, int64_t torn_files) {
    Responses *c;
    ck_assert_int_eq(responses_open(path, s.arena, &c), OK);
    ck_assert_int_eq(responses_count(c), n);
    ck_assert_int_eq(responses_report(c)->n_torn_files, torn_files);
    for (int64_t i = 0; i < n; i++) {
        Response want = record((int)i);
        const Response *got = responses_find(c, want.key, want.set, want.item);
        ck_assert_ptr_nonnull(got);
        ck_assert_str_eq(got->response, want.response);
        ck_assert_str_eq(got->item, want.item);
        ck_assert_str_eq(got->template_id, "t/1");
        ck_assert_str_eq(got->date, "2026-11");
        ck_assert_ptr_null(got->interest);
        ck_assert_ptr_eq(responses_find_identity(c, "set", want.item, "m", "t/1", NULL), got);
    }
}

START_TEST(records_come_back_as_they_were) {
    const char *path = support_path(&s, "a.jsonl.zst");
    append(path, 0, 3);
    append(path, 3, 600); /* two frames */
    expect_records(path, 603, 0);
    expect_records(s.dir, 603, 0); /* as a folder */
    Responses *c;
    MUST(responses_open(path, s.arena, &c));
    ck_assert_int_eq(responses_report(c)->n_frames, 3);
    size_t n;
    const unsigned char *bytes = (const unsigned char *)support_read(&s, path, &n);
    ck_assert_int_eq(memcmp(bytes, "\x28\xb5\x2f\xfd", 4), 0);
    ck_assert_msg(bytes[4] & 4, "frames carry a checksum");
    ck_assert_ptr_null(responses_find(c, record(9999).key, "set", "item 9999"));
    ck_assert_ptr_null(responses_find_identity(c, "other", "item 1", "m", "t/1", NULL));
    ck_assert_ptr_null(responses_find_identity(c, "set", "item 1", "m", "t/1", "an interest"));
    ck_assert_ptr_null(responses_find_identity(c, "set", "item 1", "m2", "t/1", NULL));
}
END_TEST

START_TEST(a_torn_last_frame_is_dropped_wherever_it_is_torn) {
    const char *path = support_path(&s, "a.jsonl.zst"), *cut = support_path(&s, "cut.jsonl.zst");
    append(path, 0, 5);
    int64_t first = file_bytes(path);
    append(path, 5, 5);
    size_t n;
    char *bytes = support_read(&s, path, &n);
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr)); /* hundreds of warnings */
    for (size_t length = (size_t)first; length < n; length++) {
        support_write(cut, bytes, length);
        expect_records(cut, 5, length > (size_t)first);
    }
    bytes[n - 1] ^= 1; /* the checksum of the last frame */
    support_write(cut, bytes, n);
    expect_records(cut, 5, 1);
    memset(bytes + first, 0, n - (size_t)first); /* a length that reached the disk before its bytes */
    support_write(cut, bytes, n);
    expect_records(cut, 5, 1);
    append(cut, 5, 2); /* the next append cuts the torn end off */
    expect_records(cut, 7, 0);
}
END_TEST

START_TEST(damage_before_whole_frames_is_an_error_and_nothing_is_changed) {
    const char *path = support_path(&s, "a.jsonl.zst");
    append(path, 0, 5);
    int64_t first = file_bytes(path);
    append(path, 5, 5);
    size_t n;
    char *bytes = support_read(&s, path, &n);
    const int64_t places[] = {0, 2, first / 2, first - 1};
    for (int k = 0; k < 4; k++) {
        bytes[places[k]] ^= 0x10;
        support_write(path, bytes, n);
        bytes[places[k]] ^= 0x10;
        Responses *c;
        ck_assert_int_eq(responses_open(path, s.arena, &c), E_INPUT);
        ck_assert_ptr_nonnull(strstr(status_message(), "frame 0 at byte 0 is damaged"));
        Response r = record(10);
        ck_assert_int_eq(responses_append(path, &r, 1), E_INPUT);
        ck_assert_int_eq(file_bytes(path), (int64_t)n);
    }
}
END_TEST

START_TEST(what_is_no_record_is_an_error_with_its_place) {
    static const char *const lines[] = {
        "{\"key\":\"00\"}\n", "not json\n", "{\"key\":\"zz\",\"provider\":\"p\",\"model\":\"m\",\"template\":\"t\",\"set\":\"s\",\"item\":\"i\",\"response\":\"1\",\"date\":\"d\"}\n",
        "[1,2]\n"};
    for (int k = 0; k < 4; k++) {
        const char *path = support_path(&s, arena_printf(s.arena, "bad%d.jsonl.zst", k));
        append(path, 0, 1);
        FrameWriter *w;
        MUST(frames_append_begin(path, &w));
        MUST(frames_append(w, lines[k], strlen(lines[k])));
        MUST(frames_append_end(w));
        Responses *c;
        ck_assert_int_eq(responses_open(path, s.arena, &c), E_INPUT);
        ck_assert_msg(strstr(status_message(), "bad") != NULL, "%s", status_message());
    }
    Responses *c;
    ck_assert_int_eq(responses_open(support_path(&s, "nowhere"), s.arena, &c), E_INPUT);
    MUST(dir_make(support_path(&s, "empty")));
    ck_assert_int_eq(responses_open(support_path(&s, "empty"), s.arena, &c), E_INPUT);
}
END_TEST

START_TEST(records_of_other_writers_are_read_too) {
    /* fields in another order, white space, \u escapes, usage counted, a frame that does not say its size */
    char text[512], packed[1024];
    int n = snprintf(text, sizeof text,
                     "{ \"date\": \"2027-01\", \"usage\": {\"input\": 12, \"output\": 3}, \"key\": \"%s\", \"provider\": \"p\", \"model\": \"m\", \"template\": \"t\",\n", record(0).key);
    n--; /* one line */
    n += snprintf(text + n, sizeof text - (size_t)n, " \"set\": \"s\", \"item\": \"caf\\u00e9\", \"response\": \"1\", \"unknown\": [1]}\n");
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
    size_t size = ZSTD_compress2(context, packed, sizeof packed, text, (size_t)n);
    ck_assert(!ZSTD_isError(size));
    ZSTD_freeCCtx(context);
    const char *path = support_path(&s, "other.jsonl.zst");
    support_write(path, packed, size);
    Responses *c;
    ck_assert_int_eq(responses_open(path, s.arena, &c), OK);
    ck_assert_str_eq(responses_at(c, 0)->item, "caf\xc3\xa9");
    ck_assert_str_eq(responses_at(c, 0)->date, "2027-01");
}
END_TEST

START_TEST(the_later_record_counts_and_items_with_one_text_keep_their_own) {
    const char *path = support_path(&s, "a.jsonl.zst");
    Response r[4];
    for (int i = 0; i < 4; i++) r[i] = record(0);
    r[1].item = "twin"; /* the same prompt, another item */
    r[1].response = "of the twin";
    r[2].response = "recorded again";
    r[3].set = "elsewhere";
    r[3].response = "elsewhere";
    MUST(responses_append(path, r, 4));
    Responses *c;
    MUST(responses_open(path, s.arena, &c));
    ck_assert_str_eq(responses_find(c, r[0].key, "set", "item 0")->response, "recorded again");
    ck_assert_str_eq(responses_find(c, r[0].key, "set", "twin")->response, "of the twin");
    ck_assert_str_eq(responses_find(c, r[0].key, "elsewhere", "item 0")->response, "elsewhere");
    ck_assert_str_eq(responses_find(c, r[0].key, "set", "a third")->response, r[0].response); /* the one recorded first */
    ck_assert_int_eq(responses_report(c)->n_superseded, 1);
    ck_assert(responses_at(c, 0)->superseded && !responses_at(c, 1)->superseded);
    ck_assert_str_eq(responses_find_identity(c, "set", "item 0", "m", "t/1", NULL)->response, "recorded again");
}
END_TEST

/* A writer killed at any moment leaves a file that reads as a prefix of what it wrote, and that can be appended to. */
START_TEST(killed_while_appending) {
    const char *path = support_path(&s, "a.jsonl.zst");
    int64_t last = 0;
    for (int round = 0; round < 12; round++) {
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0) {
            for (int i = (int)last;; i += 20) append(path, i, 20);
        }
        struct timespec pause = {0, 3000000L * (round + 1)};
        (void)nanosleep(&pause, NULL);
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        int state;
        ck_assert_int_eq(waitpid(child, &state, 0), child);
        if (!path_exists(path)) continue;
        Responses *c;
        ck_assert_int_eq(responses_open(path, s.arena, &c), OK);
        ck_assert_int_eq(responses_count(c) % 20, 0);
        ck_assert_int_ge(responses_count(c), last);
        last = responses_count(c);
        for (int64_t i = 0; i < last; i += 7) ck_assert_str_eq(responses_at(c, i)->key, record((int)i).key);
    }
    append(path, (int)last, 1);
    expect_records(path, last + 1, 0);
}
END_TEST

START_TEST(a_full_disk_is_an_error_and_leaves_whole_frames) {
    const char *path = support_path(&s, "a.jsonl.zst");
    append(path, 0, 5);
    int64_t size = file_bytes(path);
    pid_t child = fork(); /* a file size limit stands in for a full disk */
    if (child == 0) {
        (void)signal(SIGXFSZ, SIG_IGN);
        char command[96];
        (void)snprintf(command, sizeof command, "prlimit --pid %d --fsize=%lld >/dev/null 2>&1", (int)getpid(), (long long)size + 40);
        if (system(command) != 0) _exit(77);
        Response *r = ARENA_NEW(s.arena, Response, 200);
        for (int i = 0; i < 200; i++) r[i] = record(5 + i);
        _exit(responses_append(path, r, 200) == E_RESOURCE ? 0 : 1);
    }
    int state;
    ck_assert_int_eq(waitpid(child, &state, 0), child);
    ck_assert(WIFEXITED(state));
    if (WEXITSTATUS(state) == 77) {
        fprintf(stderr, "skipped: no prlimit here\n");
        return;
    }
    ck_assert_int_eq(WEXITSTATUS(state), 0);
    ck_assert_int_eq(file_bytes(path), size);
    expect_records(path, 5, 0);
}
END_TEST

/* 400 random faults: always a clean prefix of the records or a clear error, never a crash (the sanitizer build looks closer), never a wrong record. */
START_TEST(random_faults_never_give_a_wrong_record) {
    const char *path = support_path(&s, "a.jsonl.zst"), *bad = support_path(&s, "bad.jsonl.zst");
    append(path, 0, 3);
    append(path, 3, 3);
    append(path, 6, 3);
    size_t n;
    const char *good = support_read(&s, path, &n);
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
    char *bytes = arena_alloc(s.arena, n + 8, 1);
    int64_t outcomes[2] = {0, 0};
    for (uint64_t round = 0; round < 400; round++) {
        Rng rng = rng_make(11, RNG_STAGE_TEST, RNG_NOISE, 0, round);
        size_t length = n, at = (size_t)rng_below(&rng, n);
        memcpy(bytes, good, n);
        switch (rng_below(&rng, 4)) {
        case 0: bytes[at] = (char)(bytes[at] ^ (1 << rng_below(&rng, 8))); break;
        case 1: length = at; break;
        case 2: memset(bytes + at, 0, n - at < 9 ? n - at : 9); break;
        default: /* eight bytes too many */
            memmove(bytes + at + 8, good + at, n - at);
            length = n + 8;
        }
        support_write(bad, bytes, length);
        ArenaMark mark = arena_mark(s.arena);
        Responses *c;
        Status status = responses_open(bad, s.arena, &c);
        ck_assert(status == OK || status == E_INPUT);
        outcomes[status != OK]++;
        if (status == OK) {
            ck_assert_int_eq(responses_count(c) % 3, 0);
            for (int64_t i = 0; i < responses_count(c); i++) ck_assert_str_eq(responses_at(c, i)->response, record((int)i).response);
        }
        arena_release(s.arena, mark);
    }
    ck_assert(outcomes[0] > 50 && outcomes[1] > 50);
}
END_TEST

/* The keys, against an independent implementation (Python's hashlib: SHA-256 over 8-byte little-endian lengths and bytes). */
START_TEST(keys_have_known_values) {
    char key[SHA256_HEX];
    prompt_key("anthropic", "claude", "mine/v1", "[system]\nS\n[user]\nU", key);
    ck_assert_str_eq(key, "53f76f2ece882faba7b6a964be8091bc3894164d85bf3f677e238ba71fc25468");
    Template *t;
    MUST(template_load("paper/prompts", "mine/v1-brief", s.arena, &t));
    prompt_key("anthropic", "claude", t->id, prompt_render(s.e, t, "mini", &s.d->text[3], NULL, s.arena), key);
    ck_assert_str_eq(key, "c6052b6e935611514cc982273b5a11c2446984371e8ff3a0f7fe2196f8775cc6");
}
END_TEST

START_TEST(import_counts_and_is_repeatable) {
    const char *to = support_path(&s, "mini.jsonl.zst");
    ImportCount c;
    ck_assert_int_eq(support_import(&s, FIXTURE "/answers_v1.jsonl", "mine/v1", to, &c), OK);
    ck_assert_int_eq(c.added, 6);
    ck_assert_int_eq(support_import(&s, FIXTURE "/answers_v1.jsonl", "mine/v1", to, &c), OK);
    ck_assert_int_eq(c.added, 0);
    ck_assert_int_eq(c.present, 6);
    ck_assert_int_eq(support_import(&s, FIXTURE "/judged.jsonl", "judge/v1", to, &c), OK);
    ck_assert_int_eq(c.lines, 6);
    ck_assert_int_eq(c.added, 4);
    ck_assert_int_eq(c.present, 1);     /* judged twice, with one result */
    ck_assert_int_eq(c.not_in_data, 1); /* GONE */
    Responses *cache;
    MUST(responses_open(to, s.arena, &cache));
    /* the answer to item number 2 belongs to the raw id "2"; that item shares its text, and so its key, with A2 */
    const Response *twin = responses_find_identity(cache, "mini", "2", "claude", "mine/v1", NULL);
    ck_assert_ptr_nonnull(twin);
    ck_assert_ptr_nonnull(strstr(twin->response, "keeping a greenhouse supplied"));
    ck_assert_ptr_null(strstr(twin->response, "\"item\""));
    ck_assert_str_eq(twin->key, responses_find_identity(cache, "mini", "A2", "claude", "mine/v1", NULL)->key);
    ck_assert_str_eq(responses_find_identity(cache, "mini", "A1", "claude", "judge/v1", "saving money")->origin, "generic");
}
END_TEST

START_TEST(import_refuses_what_contradicts_or_has_no_item) {
    const char *to = support_path(&s, "mini.jsonl.zst"), *bad = support_path(&s, "bad.jsonl");
    ImportCount c;
    MUST(support_import(&s, FIXTURE "/answers_v1.jsonl", "mine/v1", to, &c));
    int64_t size = file_bytes(to);
    static const char *const lines[] = {
        "{\"item\":\"A1\",\"reasoning\":\"r\",\"interests\":[{\"text\":\"something else than recorded\",\"facet\":\"goal\",\"confidence\":0.5}]}\n",
        "{\"interests\":[]}\n", "{\"item\":-1,\"interests\":[]}\n", "{\"item\":1.5,\"interests\":[]}\n", "{\"item\":[1],\"interests\":[]}\n", "{\"item\":\"A1\"\n"};
    for (int k = 0; k < 6; k++) {
        support_write(bad, lines[k], strlen(lines[k]));
        ck_assert_int_eq(support_import(&s, bad, "mine/v1", to, &c), E_INPUT);
        ck_assert_msg(strstr(status_message(), "bad.jsonl:1") != NULL, "%s", status_message());
    }
    const char *malformed = "{\"item\":\"A4\",\"interests\":[]}\n"; /* well-formed JSON, no answer: counted and left out */
    support_write(bad, malformed, strlen(malformed));
    ck_assert_int_eq(support_import(&s, bad, "mine/v1", to, &c), OK);
    ck_assert_int_eq(c.malformed, 1);
    ck_assert_int_eq(c.added, 0);
    ck_assert_int_eq(file_bytes(to), size);
}
END_TEST

START_TEST(verify_sees_every_change) {
    Responses *cache;
    VerifyCount c;
    MUST(responses_open(support_cache(&s), s.arena, &cache));
    ck_assert_int_eq(mine_verify(s.d, cache, s.e, "paper/prompts", "mini", s.arena, &c), OK);
    ck_assert_int_eq(c.of_set, 14);
    ck_assert_int_eq(c.right, 14);
    s.d->text[0].title = "Bow Saw, 24 in";
    ck_assert_int_eq(mine_verify(s.d, cache, s.e, "paper/prompts", "mini", s.arena, &c), E_INPUT);
    ck_assert_int_eq(c.drifted, 4); /* v1, brief, two judged */
    ck_assert_int_eq(c.right, 10);
    ck_assert_int_eq(mine_verify(s.d, cache, s.e, "paper/prompts", "no such set", s.arena, &c), E_INPUT);
}
END_TEST

/* ---- replay without a network */

START_TEST(replay_never_opens_a_socket) {
    const char *bin = getenv("BIN"), *cache = support_cache(&s), *out = support_path(&s, "mined");
    int control = run_without_sockets(NULL);
    if (control == -1) {
        fprintf(stderr, "skipped: seccomp filters are not permitted here\n");
        return;
    }
    ck_assert_msg(WIFSIGNALED(control) && WTERMSIG(control) == SIGSYS, "the filter must kill whoever opens a socket");
    const char *program = arena_printf(s.arena, "%s/03_mine", bin ? bin : "cache/build/bin");
    const char *const command[] = {program, "--quiet", "--data", FIXTURE "/data", "--set", "mini", "--responses", cache, "--members", "claude:mine/v1,claude:mine/v1-brief",
                                   "--on-missing", "skip", "--out", out, NULL};
    /* the filter holds behind exec, too, for a program of ours that does open one */
    const char *const download[] = {arena_printf(s.arena, "%s/01_download", bin ? bin : "cache/build/bin"), "--quiet", "--probe", "1", "--dataset", "beauty", "--source",
                                    "http://127.0.0.1:9/nothing", "--out", support_path(&s, "raw"), NULL};
    int state = run_without_sockets(download);
    ck_assert_msg(WIFSIGNALED(state) && WTERMSIG(state) == SIGSYS, "01_download: state %x", (unsigned)state);
    state = run_without_sockets(command);
    ck_assert_msg(WIFEXITED(state) && WEXITSTATUS(state) == 0, "03_mine: state %x", (unsigned)state);
    const char *label = arena_printf(s.arena, "%s/04_label", bin ? bin : "cache/build/bin"), *labels = support_path(&s, "labels");
    for (int k = 0; k < 2; k++) { /* all accepted; the classifier, which reads the judged answers and then finds too few */
        const char *const labelling[] = {label, "--quiet", "--data", FIXTURE "/data", "--interests", out, "--set", "mini", "--responses", cache, "--filter", k ? "logistic" : "none",
                                         "--out", labels, NULL};
        state = run_without_sockets(labelling);
        ck_assert_msg(WIFEXITED(state) && WEXITSTATUS(state) == (k ? 3 : 0), "04_label: state %x", (unsigned)state);
    }
    const char *const tools[2][12] = {{program, "verify", "--quiet", "--data", FIXTURE "/data", "--set", "mini", "--responses", cache, NULL},
                                      {program, "show", "A1", "--quiet", "--data", FIXTURE "/data", "--set", "mini", "--responses", cache, NULL}};
    for (int k = 0; k < 2; k++) {
        state = run_without_sockets(tools[k]);
        ck_assert_msg(WIFEXITED(state) && WEXITSTATUS(state) == 0, "03_mine %s: state %x", tools[k][1], (unsigned)state);
    }
    ItemInterests *items;
    MUST(interests_load(support_path(&s, "mined/interests.jsonl"), 6, false, s.arena, &items));
    ck_assert_int_eq(items[0].n, 4);
    ck_assert_int_eq(items[0].at[0].n_agree, 2);
}
END_TEST

/* ---- the committed answers */

START_TEST(the_committed_cache_is_whole_and_well_formed) {
    Responses *c;
    ck_assert_msg(responses_open("cache/responses", s.arena, &c) == OK, "%s", status_message());
    const ResponsesReport *r = responses_report(c);
    ck_assert_int_eq(r->n_torn_files, 0);
    ck_assert_int_eq(r->n_superseded, 0);
    Template *t[4];
    static const char *const ids[4] = {"mine/v1", "mine/v1-visual", "mine/v1-brief", "judge/v1"};
    static const int64_t expected[4] = {1440 + 3686, 1440, 1440 + 3686, 3300 + 2218};
    int64_t count[4] = {0}, n_without = 0;
    for (int k = 0; k < 4; k++) MUST(template_load("paper/prompts", ids[k], s.arena, &t[k]));
    for (int64_t i = 0; i < responses_count(c); i++) {
        const Response *a = responses_at(c, i);
        int k = 0, label;
        while (k < 4 && strcmp(a->template_id, ids[k]) != 0) k++;
        ck_assert_int_lt(k, 4);
        count[k]++;
        ArenaMark mark = arena_mark(s.arena);
        n_without += a->parts == NULL;
        if (t[k]->is_judge) ck_assert(a->interest && a->origin && answer_parse_label(a->response, &label));
        else ck_assert_ptr_null(answer_parse(t[k], a->response, s.arena).fault);
        arena_release(s.arena, mark);
        ck_assert_ptr_eq(responses_find(c, a->key, a->set, a->item), a);
    }
    for (int k = 0; k < 4; k++) ck_assert_int_eq(count[k], expected[k]);
    ck_assert_int_eq(n_without, 3); /* of an item that the 5-core leaves out: nothing to take digests of */
}
END_TEST

/* 100,000 answers. Printed, and bounded so loosely that only a change of order fails. */
START_TEST(many_answers_load_fast) {
    const char *path = support_path(&s, "many.jsonl.zst");
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 1);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    enum { FRAME = 1000, LINE = 1200 };
    char *text = arena_alloc(s.arena, FRAME * LINE, 1), *packed = arena_alloc(s.arena, FRAME * LINE, 1);
    int64_t bytes = 0;
    for (int frame = 0; frame < 100; frame++) {
        size_t n = 0;
        for (int i = 0; i < FRAME; i++) {
            char key[SHA256_HEX];
            int number = frame * FRAME + i;
            sha256_buffer(&number, sizeof number, key);
            n += (size_t)snprintf(text + n, LINE,
                                  "{\"key\":\"%s\",\"provider\":\"anthropic\",\"model\":\"claude\",\"template\":\"mine/v1\",\"set\":\"many\",\"item\":\"B%07d\",\"response\":"
                                  "\"{\\\"reasoning\\\":\\\"Hard start kit gives a struggling single-phase compressor extra torque so an aging AC starts.\\\",\\\"interests\\\":[{\\\"text\\\":"
                                  "\\\"reviving an ac compressor that struggles to start\\\",\\\"facet\\\":\\\"situation\\\",\\\"confidence\\\":0.85},{\\\"text\\\":\\\"diy home air conditioner "
                                  "repair\\\",\\\"facet\\\":\\\"project\\\",\\\"confidence\\\":0.75},{\\\"text\\\":\\\"running ac on generator or weak power\\\",\\\"facet\\\":\\\"constraint\\\","
                                  "\\\"confidence\\\":0.35}]}\",\"usage\":null,\"date\":\"2026-11\"}\n",
                                  key, number);
        }
        bytes += (int64_t)n;
        size_t size = ZSTD_compress2(context, packed, FRAME * LINE, text, n);
        ck_assert(!ZSTD_isError(size));
        ck_assert_uint_eq(fwrite(packed, 1, size, f), size);
    }
    ZSTD_freeCCtx(context);
    ck_assert_int_eq(fclose(f), 0);
    struct timespec a, b;
    (void)clock_gettime(CLOCK_MONOTONIC, &a);
    Responses *c;
    MUST(responses_open(path, s.arena, &c));
    (void)clock_gettime(CLOCK_MONOTONIC, &b);
    double seconds = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
    printf("100,000 answers (%.1f MB of text): loaded and indexed in %.3f s\n", (double)bytes / 1e6, seconds);
    ck_assert_int_eq(responses_count(c), 100000);
    ck_assert_str_eq(responses_find_identity(c, "many", "B0077777", "claude", "mine/v1", NULL)->item, "B0077777");
    ck_assert_msg(seconds < 20, "%.3f s", seconds);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("llm_cache");
    TCase *t = tcase_create("cache");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, records_come_back_as_they_were);
    tcase_add_test(t, a_torn_last_frame_is_dropped_wherever_it_is_torn);
    tcase_add_test(t, damage_before_whole_frames_is_an_error_and_nothing_is_changed);
    tcase_add_test(t, what_is_no_record_is_an_error_with_its_place);
    tcase_add_test(t, records_of_other_writers_are_read_too);
    tcase_add_test(t, the_later_record_counts_and_items_with_one_text_keep_their_own);
    tcase_add_test(t, killed_while_appending);
    tcase_add_test(t, a_full_disk_is_an_error_and_leaves_whole_frames);
    tcase_add_test(t, random_faults_never_give_a_wrong_record);
    tcase_add_test(t, keys_have_known_values);
    tcase_add_test(t, import_counts_and_is_repeatable);
    tcase_add_test(t, import_refuses_what_contradicts_or_has_no_item);
    tcase_add_test(t, verify_sees_every_change);
    tcase_add_test(t, replay_never_opens_a_socket);
    tcase_add_test(t, the_committed_cache_is_whole_and_well_formed);
    tcase_add_test(t, many_answers_load_fast);
    suite_add_tcase(suite, t);
    return support_finish(suite);
}
