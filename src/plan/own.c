/* plan/own.c -- somebody's own files under a new name: `make data DATA=mine FORM=recbole DIGR_DATA=folder`. */
#include "plan/plan.h"

#include <string.h>

#include "base/json.h"

static bool given(const char *option) { return option != NULL && option[0] != '\0'; }

static bool known(const cJSON *root, const char *list, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(root, list), name) != NULL;
}

Status plan_own(cJSON *root, const PlanOptions *o)
{
    if (known(root, "groups", o->data) || known(root, "datasets", o->data)) {
        if (given(o->protocol) || o->k_core > 0)
            return FAIL(E_USAGE, "PROTOCOL and CORE are for your own files under a new name", "the protocol and filters of %s are those of %s", o->data, o->experiments);
        return OK;
    }
    if (!given(o->form)) return OK; /* an unknown name, reported where it is looked up */
    cJSON *sets = cJSON_GetObjectItemCaseSensitive(root, "datasets");
    const cJSON *own = cJSON_GetObjectItemCaseSensitive(root, "own");
    if (sets == NULL || own == NULL) return FAIL(E_INPUT, "add it: settings and methods", "%s: no \"own\", which says what is run on own files", o->experiments);
    if (!given(o->source)) return FAIL(E_USAGE, "DIGR_DATA=folder or URL", "own files are somewhere: name the place");
    if (o->data[strspn(o->data, "abcdefghijklmnopqrstuvwxyz0123456789-_")] != '\0') return FAIL(E_USAGE, "use a-z, 0-9, - and _", "`%s` is no name for a data set", o->data);
    cJSON *set = cJSON_Duplicate(own, true);
    (void)cJSON_AddStringToObject(set, "label", o->data);
    (void)cJSON_AddStringToObject(set, "protocol", given(o->protocol) ? o->protocol : "leave-last-out");
    if (o->k_core > 0) (void)cJSON_AddNumberToObject(cJSON_AddObjectToObject(set, "02_preprocess"), "k-core", (double)o->k_core);
    (void)cJSON_AddItemToObject(sets, o->data, set);
    return OK;
}
