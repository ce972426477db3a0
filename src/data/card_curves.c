/* data/card_curves.c -- see card_curves.h. */
#include "data/card_curves.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static void add_point(cJSON *curve, double x, double y) {
    const double point[] = {x, y};
    cJSON_AddItemToArray(curve, cJSON_CreateDoubleArray(point, 2));
}

static int compare_falling(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

static void add_popularity(cJSON *curves, const int64_t *per_item, int64_t N, Arena *tmp) {
    int64_t *count = ARENA_NEW(tmp, int64_t, N), sum = 0, all = 0;
    memcpy(count, per_item, (size_t)N * sizeof *count);
    qsort(count, (size_t)N, sizeof *count, compare_falling);
    cJSON *popularity = cJSON_AddArrayToObject(curves, "popularity"), *lorenz = cJSON_AddArrayToObject(curves, "lorenz");
    for (int64_t rank = 1; rank <= N;) {
        add_point(popularity, (double)rank, (double)count[rank - 1]);
        int64_t next = rank + rank / 20 + 1;
        rank = next > N && rank < N ? N : next;
    }
    for (int64_t i = 0; i < N; i++) all += count[i];
    add_point(lorenz, 0, 0);
    for (int64_t i = 0, step = 1; i < N; i++) {
        sum += count[i];
        if ((i + 1) * 100 < step * N) continue;
        add_point(lorenz, (double)(i + 1) / (double)N, (double)sum / (double)all);
        while ((i + 1) * 100 >= step * N) step++;
    }
}

static void add_per_user(cJSON *curves, const int64_t *per_user, int64_t n_users, Arena *tmp) {
    int64_t most = 0;
    for (int64_t u = 0; u < n_users; u++) most = per_user[u] > most ? per_user[u] : most;
    int64_t *users = ARENA_NEW(tmp, int64_t, most + 1);
    for (int64_t u = 0; u < n_users; u++) users[per_user[u]]++;
    cJSON *curve = cJSON_AddArrayToObject(curves, "per_user");
    for (int64_t k = 0; k <= most; k++)
        if (users[k]) add_point(curve, (double)k, (double)users[k]);
}

/* Months since year 0. */
static int64_t month_of(int64_t time_s) {
    time_t t = (time_t)time_s;
    struct tm date;
    return gmtime_r(&t, &date) ? (int64_t)(date.tm_year + 1900) * 12 + date.tm_mon : 0;
}

static void add_months(cJSON *curves, const Events *e, Arena *tmp) {
    static const char *const names[] = {"train", "valid", "test"};
    int64_t first = INT64_MAX, last = 0;
    int32_t *month = ARENA_NEW(tmp, int32_t, e->n);
    for (int64_t i = 0; i < e->n; i++) {
        if (e->time_s[i] == 0) continue;
        month[i] = (int32_t)month_of(e->time_s[i]);
        if (month[i] < first) first = month[i];
        if (month[i] > last) last = month[i];
    }
    cJSON *months = cJSON_AddObjectToObject(curves, "months");
    if (last == 0) return;
    for (int part = 0; part < 3; part++) {
        int64_t *count = ARENA_NEW(tmp, int64_t, last - first + 1);
        for (int64_t i = 0; i < e->n; i++)
            if (e->time_s[i] != 0 && e->part[i] == part) count[month[i] - first]++;
        cJSON *curve = cJSON_AddArrayToObject(months, names[part]);
        for (int64_t m = first; m <= last; m++) add_point(curve, (double)m / 12, (double)count[m - first]);
    }
}

cJSON *card_curves(const Dataset *d, const Events *e, const int64_t *per_item, const int64_t *per_user, Arena *tmp) {
    ArenaMark mark = arena_mark(tmp);
    cJSON *curves = cJSON_CreateObject();
    add_popularity(curves, per_item, d->N, tmp);
    add_per_user(curves, per_user, d->n_users, tmp);
    add_months(curves, e, tmp);
    arena_release(tmp, mark);
    return curves;
}
