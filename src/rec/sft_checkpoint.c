/* rec/sft_checkpoint.c -- resumable state on disk.
 *
 * Weight files carry the step in their names and are never overwritten; checkpoint.json, renamed into place last, names the ones that belong
 * together. So a kill at any moment leaves the old state or the new one. Real numbers are stored as text with 17 digits: they come back exactly.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/json.h"
#include "base/log.h"
#include "rec/sft_internal.h"

#define STATE_INTS(X) X(step) X(epoch) X(at) X(since_best) X(best_step) X(best_epoch) X(log_bytes)
#define STATE_REALS(X) X(loss_sum) X(weight_sum) X(best_ndcg10) X(best_hr10) X(best_valid_loss)

static const char state_file[] = "checkpoint.json";

static const char *in_dir(SftTrainer *t, const char *name) { return arena_printf(t->arena, "%s/%s", t->dir, name); }

static bool is_weight_file(const char *name)
{
    return strncmp(name, "state-", 6) == 0 || strncmp(name, "average-", 8) == 0 || strncmp(name, "best-", 5) == 0;
}

/* Remove weight files (and their temporaries) other than the three to keep (NULL: none). */
static Status remove_others(const char *dir, const char *const keep[3])
{
    DIR *d = opendir(dir);
    if (d == NULL) return FAIL(E_RESOURCE, NULL, "%s: %s", dir, strerror(errno));
    Status status = OK;
    for (const struct dirent *e; status == OK && (e = readdir(d)) != NULL;) {
        bool wanted = !is_weight_file(e->d_name);
        for (int i = 0; i < 3; ++i) wanted = wanted || (keep[i] != NULL && strcmp(keep[i], e->d_name) == 0);
        if (!wanted && unlinkat(dirfd(d), e->d_name, 0) != 0) status = FAIL(E_RESOURCE, NULL, "%s/%s: %s", dir, e->d_name, strerror(errno));
    }
    closedir(d);
    return status;
}

static void put_real(cJSON *tree, const char *key, double value)
{
    char text[40];
    snprintf(text, sizeof text, "%.17g", value);
    cJSON_AddStringToObject(tree, key, text);
}

static Status get_real(const char *path, const cJSON *tree, const char *key, double *value)
{
    const char *text;
    char *end;
    TRY(json_get_string(path, tree, key, &text));
    *value = strtod(text, &end);
    return end != text && *end == 0 ? OK : FAIL(E_INPUT, "remove the folder and start again", "%s: \"%s\" is not a number", path, key);
}

Status sft_checkpoint_best(SftTrainer *t, const char **name)
{
    *name = arena_printf(t->arena, "best-%lld.safetensors", (long long)t->s.step);
    return params_save(t->params, in_dir(t, *name));
}

/* Name of the best file in the present checkpoint.json; NULL when there is none. */
static Status read_best_name(SftTrainer *t, const char **name)
{
    const char *path = in_dir(t, state_file);
    *name = NULL;
    if (!path_exists(path)) return OK;
    cJSON *tree;
    TRY(json_read_file(path, &tree));
    const char *text = json_opt_string(tree, "best", NULL);
    if (text != NULL) *name = arena_strdup(t->arena, text);
    cJSON_Delete(tree);
    return OK;
}

Status sft_checkpoint_save(SftTrainer *t, const char *best)
{
    const char *state = arena_printf(t->arena, "state-%lld.safetensors", (long long)t->s.step);
    const char *average = t->ema == NULL ? NULL : arena_printf(t->arena, "average-%lld.safetensors", (long long)t->s.step);
    if (best == NULL && t->s.best_epoch > 0) TRY(read_best_name(t, &best));
    TRY(adamw_save(&t->opt, t->params, in_dir(t, state)));
    if (average != NULL) {
        sft_swap_ema(t);
        Status status = params_save(t->params, in_dir(t, average));
        sft_swap_ema(t);
        TRY(status);
    }
    cJSON *tree = cJSON_CreateObject();
    cJSON_AddStringToObject(tree, "fingerprint", t->in->fingerprint);
    cJSON_AddStringToObject(tree, "state", state);
    if (average != NULL) cJSON_AddStringToObject(tree, "average", average);
    if (best != NULL) cJSON_AddStringToObject(tree, "best", best);
#define PUT_INT(field) cJSON_AddNumberToObject(tree, #field, (double)t->s.field);
#define PUT_REAL(field) put_real(tree, #field, t->s.field);
    STATE_INTS(PUT_INT)
    STATE_REALS(PUT_REAL)
    Status status = json_write_file(in_dir(t, state_file), tree);
    cJSON_Delete(tree);
    TRY(status);
    const char *const keep[3] = {state, average, best};
    return remove_others(t->dir, keep);
}

static Status load_state(SftTrainer *t, const char *path, const cJSON *tree)
{
    const char *state, *average;
#define GET_INT(field) TRY(json_get_int(path, tree, #field, &t->s.field));
#define GET_REAL(field) TRY(get_real(path, tree, #field, &t->s.field));
    STATE_INTS(GET_INT)
    STATE_REALS(GET_REAL)
    TRY(json_get_string(path, tree, "state", &state));
    if (t->ema != NULL) {
        TRY(json_get_string(path, tree, "average", &average));
        TRY(params_load(t->params, in_dir(t, average)));
        t->in->be->copy(t->in->be, t->ema, t->params->value, (size_t)t->params->count * sizeof(real));
    }
    TRY(adamw_load(&t->opt, t->params, in_dir(t, state)));
    if (t->opt.step != t->s.step)
        return FAIL(E_INPUT, "remove the folder and start again", "%s: step %lld, but %s is of step %lld", path, (long long)t->s.step, state, (long long)t->opt.step);
    return OK;
}

Status sft_checkpoint_load(SftTrainer *t, bool *found)
{
    const char *path = in_dir(t, state_file);
    *found = false;
    const char *const none[3] = {NULL, NULL, NULL};
    if (!path_exists(path)) return remove_others(t->dir, none);
    cJSON *tree;
    TRY(json_read_file(path, &tree));
    const char *fingerprint = json_opt_string(tree, "fingerprint", "");
    Status status = OK;
    if (strcmp(fingerprint, t->in->fingerprint) == 0) {
        status = load_state(t, path, tree);
        *found = status == OK;
    } else {
        log_warn("%s: a checkpoint of other options or inputs; starting over", path);
        if (unlink(path) != 0) status = FAIL(E_RESOURCE, NULL, "%s: %s", path, strerror(errno));
        if (status == OK) status = remove_others(t->dir, none);
    }
    cJSON_Delete(tree);
    return status;
}

Status sft_checkpoint_load_best(SftTrainer *t)
{
    const char *best;
    TRY(read_best_name(t, &best));
    REQUIRE(best != NULL, "training ended without an evaluation");
    return params_load(t->params, in_dir(t, best));
}

Status sft_finish(const char *dir)
{
    Arena *tmp = arena_create("sft_finish");
    const char *path = arena_printf(tmp, "%s/%s", dir, state_file);
    const char *const none[3] = {NULL, NULL, NULL};
    Status status = path_exists(path) && unlink(path) != 0 ? FAIL(E_RESOURCE, NULL, "%s: %s", path, strerror(errno)) : OK;
    if (status == OK) status = remove_others(dir, none);
    arena_destroy(tmp);
    return status;
}
