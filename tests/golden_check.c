/* tests/golden_check.c -- run every golden case of a folder: golden_f32 DIR (backends ref and cpu), golden_f64 DIR (double, ref and cpu).
 *
 * Prints one line per failing case and a closing `N passed, N failed, N skipped`; exits non-zero on a mismatch, on a kind it does not
 * know, and when the folder holds no case. See golden.h and the README of the cases for the format and the pass rule.
 */
#include <dirent.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "base/json.h"
#include "golden_registry.h"

typedef struct State {
    Safetensors *file, *file64; /* file64: only in a double build, expected tensors in F64 */
    double rtol, atol;
    const char **seen;          /* expected names that were compared */
    int64_t n_seen;
    void **device;              /* released after the case */
    int64_t n_device;
    bool skipped;
    const char *why;
} State;

enum { MAX_NAMES = 4096, DOUBLE_BUILD = sizeof(real) == sizeof(double) };

static State *state_of(GoldenCase *c) { return c->private_; }

static bool listed(const cJSON *array, const char *name)
{
    for (const cJSON *e = array != NULL ? array->child : NULL; e != NULL; e = e->next)
        if (cJSON_IsString(e) && strcmp(e->valuestring, name) == 0) return true;
    return false;
}

const Tensor *golden_tensor(GoldenCase *c, const char *name)
{
    return state_of(c)->file != NULL ? safetensors_find(state_of(c)->file, name) : NULL;
}

bool golden_has(GoldenCase *c, const char *name) { return golden_tensor(c, name) != NULL; }

const real *golden_real(GoldenCase *c, const char *name, int64_t *count)
{
    const Tensor *t = golden_tensor(c, name);
    REQUIRE(t != NULL, "%s: tensor '%s' is missing", c->dir, name);
    real *x = ARENA_NEW(c->arena, real, t->count);
    MUST(tensor_to_real(t, x));
    if (count != NULL) *count = t->count;
    return x;
}

const int32_t *golden_i32(GoldenCase *c, const char *name, int64_t *count)
{
    const Tensor *t = golden_tensor(c, name);
    REQUIRE(t != NULL && t->type == TENSOR_I32, "%s: I32 tensor '%s' is missing", c->dir, name);
    int32_t *x = ARENA_NEW(c->arena, int32_t, t->count);
    memcpy(x, t->data, (size_t)t->count * sizeof *x);
    if (count != NULL) *count = t->count;
    return x;
}

const char *golden_param(GoldenCase *c, int64_t i)
{
    const cJSON *inputs = cJSON_GetObjectItemCaseSensitive(c->json, "inputs");
    for (const cJSON *e = inputs != NULL ? inputs->child : NULL; e != NULL; e = e->next)
        if (strncmp(e->valuestring, "in.", 3) != 0 && i-- == 0) return e->valuestring;
    return NULL;
}

static const cJSON *setting(GoldenCase *c, const char *key)
{
    const cJSON *x = cJSON_GetObjectItemCaseSensitive(c->config, key);
    if (x == NULL) x = cJSON_GetObjectItemCaseSensitive(c->scalars, key);
    if (x == NULL) x = cJSON_GetObjectItemCaseSensitive(c->json, key);
    return x;
}

double golden_config(GoldenCase *c, const char *key, double initial)
{
    const cJSON *x = setting(c, key);
    if (cJSON_IsBool(x)) return cJSON_IsTrue(x) ? 1 : 0;
    return cJSON_IsNumber(x) ? x->valuedouble : initial;
}

const char *golden_config_string(GoldenCase *c, const char *key, const char *initial)
{
    const cJSON *x = setting(c, key);
    return cJSON_IsString(x) ? x->valuestring : initial;
}

bool golden_expects(GoldenCase *c, const char *name)
{
    return listed(cJSON_GetObjectItemCaseSensitive(c->json, "expected"), name) ||
           cJSON_GetObjectItemCaseSensitive(c->expected_scalars, name) != NULL;
}

void golden_check(GoldenCase *c, bool ok, const char *format, ...)
{
    if (ok) return;
    c->failures++;
    if (c->failures > 5) return; /* enough to see the pattern */
    va_list args;
    va_start(args, format);
    (void)printf("  %s (%s, %s): ", c->dir, c->be->name, DOUBLE_BUILD ? "double" : "float");
    (void)vprintf(format, args);
    (void)printf("\n");
    va_end(args);
}

static void mark_seen(GoldenCase *c, const char *name)
{
    State *s = state_of(c);
    REQUIRE(s->n_seen < MAX_NAMES, "%s: too many expected names", c->dir);
    s->seen[s->n_seen++] = arena_strdup(c->arena, name);
}

void golden_expect_real(GoldenCase *c, const char *name, const real *got, int64_t count)
{
    State *s = state_of(c);
    golden_check(c, golden_expects(c, name), "'%s' is not expected by this case", name);
    mark_seen(c, name);
    const Tensor *t = NULL;
    double rtol = s->rtol, atol = s->atol;
    if (s->file64 != NULL) {
        t = safetensors_find(s->file64, name);
        const cJSON *f64 = cJSON_GetObjectItemCaseSensitive(c->json, "f64");
        rtol = json_opt_number(f64, "rtol", 1e-9);
        atol = json_opt_number(f64, "atol", 1e-12);
    }
    if (t == NULL) { /* float build, or a tensor without a float64 twin */
        t = golden_tensor(c, name);
        rtol = s->rtol;
        atol = s->atol;
    }
    if (t == NULL || t->count != count) {
        golden_check(c, false, "'%s': %lld elements, expected %lld", name, (long long)count, t != NULL ? (long long)t->count : -1LL);
        return;
    }
    double largest = 0, worst = 0;
    int64_t where = 0;
    bool wide = t->type == TENSOR_F64, bad = false;
    REQUIRE(wide || t->type == TENSOR_F32, "%s: '%s' is not floating point", c->dir, name);
    double *expected = ARENA_NEW(c->arena, double, count);
    for (int64_t i = 0; i < count; i++) {
        if (wide) {
            memcpy(&expected[i], (const unsigned char *)t->data + 8 * i, 8);
        } else {
            float x;
            memcpy(&x, (const unsigned char *)t->data + 4 * i, 4);
            expected[i] = (double)x;
        }
        if (fabs(expected[i]) > largest) largest = fabs(expected[i]);
    }
    for (int64_t i = 0; i < count; i++) {
        double error = fabs((double)got[i] - expected[i]);
        if (!(error <= atol + rtol * largest)) bad = true;
        if (!(error <= worst)) {
            worst = error;
            where = i;
        }
    }
    golden_check(c, !bad, "'%s': worst error %.3g at %lld (got %.9g, expected %.9g), allowed %.3g", name, worst, (long long)where,
                 count > 0 ? (double)got[where] : 0.0, count > 0 ? expected[where] : 0.0, atol + rtol * largest);
}

void golden_expect_i32(GoldenCase *c, const char *name, const int32_t *got, int64_t count)
{
    golden_check(c, golden_expects(c, name), "'%s' is not expected by this case", name);
    mark_seen(c, name);
    const Tensor *t = golden_tensor(c, name);
    if (t == NULL || t->type != TENSOR_I32 || t->count != count) {
        golden_check(c, false, "'%s': %lld elements, expected %lld I32", name, (long long)count, t != NULL ? (long long)t->count : -1LL);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        int32_t x;
        memcpy(&x, (const unsigned char *)t->data + 4 * i, 4);
        if (x == got[i]) continue;
        golden_check(c, false, "'%s': element %lld is %d, expected %d", name, (long long)i, got[i], x);
        return;
    }
}

void golden_expect_scalar(GoldenCase *c, const char *name, double got)
{
    State *s = state_of(c);
    mark_seen(c, name);
    const cJSON *x = cJSON_GetObjectItemCaseSensitive(c->expected_scalars, name);
    if (!cJSON_IsNumber(x)) {
        golden_check(c, false, "scalar '%s' is not expected by this case", name);
        return;
    }
    const cJSON *f64 = cJSON_GetObjectItemCaseSensitive(c->json, "f64");
    double rtol = DOUBLE_BUILD && f64 != NULL ? json_opt_number(f64, "rtol", 1e-9) : s->rtol;
    double atol = DOUBLE_BUILD && f64 != NULL ? json_opt_number(f64, "atol", 1e-12) : s->atol;
    double error = fabs(got - x->valuedouble);
    golden_check(c, error <= atol + rtol * fabs(x->valuedouble), "scalar '%s': got %.12g, expected %.12g", name, got, x->valuedouble);
}

Status golden_skip(GoldenCase *c, const char *why)
{
    state_of(c)->skipped = true;
    state_of(c)->why = why;
    return OK;
}

real *golden_device(GoldenCase *c, const real *host, int64_t count)
{
    State *s = state_of(c);
    REQUIRE(s->n_device < MAX_NAMES, "%s: too many device arrays", c->dir);
    real *p = c->be->alloc(c->be, (size_t)(count > 0 ? count : 1) * sizeof(real));
    if (host != NULL) c->be->upload(c->be, p, host, (size_t)count * sizeof(real));
    s->device[s->n_device++] = p;
    return p;
}

int32_t *golden_device_i32(GoldenCase *c, const int32_t *host, int64_t count)
{
    State *s = state_of(c);
    REQUIRE(s->n_device < MAX_NAMES, "%s: too many device arrays", c->dir);
    int32_t *p = c->be->alloc(c->be, (size_t)(count > 0 ? count : 1) * sizeof(int32_t));
    if (host != NULL) c->be->upload(c->be, p, host, (size_t)count * sizeof(int32_t));
    s->device[s->n_device++] = p;
    return p;
}

/* What the case lists as expected must have been compared. */
static void require_all_seen(GoldenCase *c)
{
    State *s = state_of(c);
    const cJSON *lists[2] = {cJSON_GetObjectItemCaseSensitive(c->json, "expected"), c->expected_scalars};
    for (int k = 0; k < 2; k++) {
        for (const cJSON *e = lists[k] != NULL ? lists[k]->child : NULL; e != NULL; e = e->next) {
            const char *name = k == 0 ? e->valuestring : e->string;
            bool found = false;
            for (int64_t i = 0; i < s->n_seen && !found; i++) found = strcmp(s->seen[i], name) == 0;
            golden_check(c, found, "'%s' is expected but was never compared", name);
        }
    }
}

static Status run_on(const char *dir, const cJSON *json, const GoldenKind *kind, const char *backend, int *failures, const char **skipped)
{
    Arena *arena = arena_create("golden case");
    State s = {.rtol = json_opt_number(json, "rtol", 0), .atol = json_opt_number(json, "atol", 0)};
    s.seen = ARENA_NEW(arena, const char *, MAX_NAMES);
    s.device = ARENA_NEW(arena, void *, MAX_NAMES);
    GoldenCase c = {.dir = dir, .kind = kind->name, .json = json, .arena = arena, .private_ = &s};
    c.config = cJSON_GetObjectItemCaseSensitive(json, "config");
    c.scalars = cJSON_GetObjectItemCaseSensitive(json, "scalars");
    c.expected_scalars = cJSON_GetObjectItemCaseSensitive(json, "expected_scalars");
    char *path = arena_printf(arena, "%s/tensors.safetensors", dir), *path64 = arena_printf(arena, "%s/tensors_f64.safetensors", dir);
    Status status = OK;
    if (path_exists(path)) status = safetensors_open(path, &s.file);
    if (status == OK && DOUBLE_BUILD && path_exists(path64)) status = safetensors_open(path64, &s.file64);
    if (status == OK) status = backend_open(backend, 0, &c.be);
    if (status == OK) {
        status = kind->check(&c);
        if (status == OK && !s.skipped) require_all_seen(&c);
        for (int64_t i = 0; i < s.n_device; i++) c.be->release(c.be, s.device[i]);
        c.be->destroy(c.be);
    }
    *failures += c.failures;
    if (s.skipped) *skipped = s.why;
    safetensors_close(s.file);
    safetensors_close(s.file64);
    arena_destroy(arena);
    return status;
}

typedef struct Counts { int passed, failed, skipped; } Counts;

static void run_case(const char *dir, Counts *n)
{
    char path[4200];
    (void)snprintf(path, sizeof path, "%s/case.json", dir);
    cJSON *json = NULL;
    const char *name = NULL, *skipped = NULL;
    Status status = json_read_file(path, &json);
    if (status == OK) status = json_get_string(path, json, "kind", &name);
    const GoldenKind *kind = GOLDEN_KINDS;
    while (name != NULL && kind->name != NULL && strcmp(kind->name, name) != 0) kind++;
    if (status == OK && kind->name == NULL) status = FAIL(E_INPUT, "add a checker tests/golden_<kind>.c", "%s: unknown kind '%s'", path, name);
    int failures = 0;
    static const char *const backends[] = {"ref", "cpu"};
    for (int b = 0; b < 2 && status == OK && skipped == NULL; b++) status = run_on(dir, json, kind, backends[b], &failures, &skipped);
    if (status != OK) {
        (void)status_report(status);
        failures++;
    }
    if (failures > 0) n->failed++;
    else if (skipped != NULL) n->skipped++;
    else n->passed++;
    if (failures > 0) (void)printf("FAIL %s\n", dir);
    else if (skipped != NULL) (void)printf("skip %s: %s\n", dir, skipped);
    cJSON_Delete(json);
}

static int is_case(const struct dirent *e) { return e->d_name[0] != '.' && strchr(e->d_name, '-') != NULL; }

int main(int argc, char **argv)
{
    if (argc != 2) {
        (void)fprintf(stderr, "error: one argument is needed: the folder of golden cases\n  fix: make golden-check DIR=tests/golden\n");
        return E_USAGE;
    }
    struct dirent **list = NULL;
    int n_cases = scandir(argv[1], &list, is_case, alphasort);
    if (n_cases <= 0) {
        (void)fprintf(stderr, "error: %s: no golden case found\n  fix: name a folder that holds <kind>-<nn>/case.json\n", argv[1]);
        return E_INPUT;
    }
    Counts n = {0, 0, 0};
    for (int i = 0; i < n_cases; i++) {
        char dir[4096];
        (void)snprintf(dir, sizeof dir, "%s/%s", argv[1], list[i]->d_name);
        free(list[i]);
        run_case(dir, &n);
    }
    free(list);
    (void)printf("%s: %d passed, %d failed, %d skipped\n", DOUBLE_BUILD ? "golden in double" : "golden in float", n.passed, n.failed, n.skipped);
    return n.failed == 0 ? 0 : 1;
}
