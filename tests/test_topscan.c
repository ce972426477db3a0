/* tests/test_topscan.c -- lists and ranks of tensor/topscan.h: the same bytes with a screen before the scan and without (processors without tile registers have
 * none, and compare the scan with itself), and equal to naive loops where float arithmetic is exact. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "suite.h"
#include "tensor/topscan.h"

static Arena *arena;
static Rng rng;
static void setup(void)
{
    arena = arena_create("test");
    rng = rng_make(21, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
}
static void teardown(void) { arena_destroy(arena); }

enum { ROWS = 75, ITEMS = 2531, MOST = 40 };

typedef struct Case {
    int64_t C;
    real *x, *table;
    int32_t *target, *ex_item;
    int64_t *ex_offset;
} Case;

static Case new_case(int64_t C)
{
    Case c = {.C = C, .x = ARENA_NEW(arena, real, ROWS * C), .table = ARENA_NEW(arena, real, ITEMS * C), .target = ARENA_NEW(arena, int32_t, ROWS),
              .ex_item = ARENA_NEW(arena, int32_t, ROWS * 9), .ex_offset = ARENA_NEW(arena, int64_t, ROWS + 1)};
    for (int64_t i = 0; i < ROWS * C; i++) c.x[i] = (real)rng_normal(&rng);
    for (int64_t i = 0; i < ITEMS * C; i++) c.table[i] = (real)rng_normal(&rng);
    for (int64_t r = 0; r < ROWS; r++) {
        c.target[r] = (int32_t)rng_below(&rng, ITEMS);
        c.ex_offset[r + 1] = c.ex_offset[r] + (int64_t)rng_below(&rng, 10);
        for (int64_t i = c.ex_offset[r]; i < c.ex_offset[r + 1]; i++) c.ex_item[i] = (int32_t)rng_below(&rng, ITEMS);
        if (r % 7 == 0 && c.ex_offset[r + 1] > c.ex_offset[r]) c.ex_item[c.ex_offset[r]] = c.target[r];
    }
    return c;
}

typedef struct Out { int32_t rank[ROWS], item[ROWS * MOST]; real target_score[ROWS], score[ROWS * MOST]; int64_t length[ROWS]; } Out;

static Out *scan(const Case *c, int64_t top, bool targets, bool exclude, bool plain, int threads)
{
    Out *o = arena_alloc(arena, 1, sizeof *o);
    const TopScan t = {.n = ROWS, .N = ITEMS, .C = c->C, .x = c->x, .ldx = c->C, .table = c->table, .ex_offset = exclude ? c->ex_offset : NULL,
                       .ex_item = c->ex_item, .target = targets ? c->target : NULL, .top = top, .plain = plain, .rank = o->rank, .target_score = o->target_score,
                       .item = o->item, .score = o->score, .length = o->length};
    topscan_run(&t, threads);
    for (int64_t r = 0; r < ROWS; r++) { /* entries past a list's end are anything */
        for (int64_t i = o->length[r]; i < top; i++) {
            o->item[r * top + i] = 0;
            o->score[r * top + i] = 0;
        }
    }
    return o;
}

static void same_with_and_without(const Case *c, const char *what)
{
    for (int way = 0; way < 8; way++) {
        const bool targets = way & 1, exclude = way & 2;
        const int64_t top = way & 4 ? 20 : targets ? 0 : MOST;
        const Out *plain = scan(c, top, targets, exclude, true, 1);
        for (int threads = 1; threads < 3; threads++) {
            const Out *screened = scan(c, top, targets, exclude, false, threads);
            if (memcmp(plain, screened, sizeof *plain) != 0) ck_abort_msg("%s: another result with a screen (way %d, %d threads)", what, way, threads);
        }
    }
}

START_TEST(random_vectors)
{
    static const int64_t widths[] = {1, 3, 32, 50, 64};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        Case c = new_case(widths[i]);
        same_with_and_without(&c, "random");
    }
}
END_TEST

/* Whole numbers: sums are exact in float, not in bfloat16, and equal scores abound. */
START_TEST(ties_as_loops_have_them)
{
    Case c = new_case(7);
    for (int64_t i = 0; i < ROWS * c.C; i++) c.x[i] = (real)((int64_t)rng_below(&rng, 2001) - 1000);
    for (int64_t i = 0; i < ITEMS * c.C; i++) c.table[i] = i / c.C % 3 != 0 ? c.table[rng_below(&rng, (uint64_t)i)] : (real)((int64_t)rng_below(&rng, 1001) - 500);
    for (int64_t i = 0; i < ITEMS; i += 5) memcpy(c.table + i * c.C, c.table, (size_t)c.C * sizeof(real));
    for (int64_t i = 0; i < ITEMS * c.C; i++) c.table[i] = (real)rint((double)c.table[i]);
    same_with_and_without(&c, "ties");
    const Out *o = scan(&c, 20, true, true, false, 2);
    for (int64_t r = 0; r < ROWS; r++) {
        real s[ITEMS];
        bool out[ITEMS] = {false};
        for (int64_t i = 0; i < ITEMS; i++) {
            s[i] = 0;
            for (int64_t k = 0; k < c.C; k++) s[i] += c.x[r * c.C + k] * c.table[i * c.C + k];
        }
        for (int64_t i = c.ex_offset[r]; i < c.ex_offset[r + 1]; i++) out[c.ex_item[i]] = true;
        const int32_t target = c.target[r];
        int32_t rank = 1;
        for (int32_t i = 0; i < ITEMS; i++) rank += !out[i] && (s[i] > s[target] || (s[i] >= s[target] && i < target));
        ck_assert_int_eq(o->rank[r], out[target] ? 0 : rank);
        for (int64_t k = 0; k < 20; k++) {
            int32_t best = -1;
            for (int32_t i = 0; i < ITEMS; i++) best = !out[i] && (best < 0 || s[i] > s[best]) ? i : best;
            ck_assert_int_eq(o->item[r * 20 + k], best);
            out[best] = true;
        }
    }
}
END_TEST

/* Differences that bfloat16 does not see, some in the wrong direction for it: half of the items are one vector, moved a little. */
START_TEST(near_ties)
{
    for (int crowd = 2; crowd < 200; crowd *= 3) {
        for (double step = 1e-7; step < 0.1; step *= 30) {
            Case c = new_case(24);
            for (int64_t i = 0; i < ITEMS; i += crowd) {
                for (int64_t k = 0; k < c.C; k++) c.table[i * c.C + k] = (real)(1.5 * (double)c.x[k] * (1 + step * rng_normal(&rng)));
            }
            for (int64_t r = 0; r < ROWS; r++) c.target[r] = (int32_t)(c.target[r] / crowd * crowd);
            for (int64_t r = 1; r < ROWS; r += 2) {
                for (int64_t k = 0; k < c.C; k++) c.x[r * c.C + k] = (real)((double)c.x[k] * (1 + step * rng_normal(&rng)));
            }
            same_with_and_without(&c, "near ties");
        }
    }
}
END_TEST

/* Numbers that are large, tiny, denormal, infinite or none at all. */
START_TEST(strange_numbers)
{
    static const double scale[] = {1e-42, 1e-30, 1e-20, 1e15, 1e19, 3e38};
    for (size_t i = 0; i < sizeof scale / sizeof *scale; i++) {
        for (int side = 0; side < 2; side++) {
            Case c = new_case(16);
            for (int64_t k = 0; k < (side ? ITEMS : ROWS) * c.C; k++) (side ? c.table : c.x)[k] *= (real)scale[i];
            same_with_and_without(&c, "scaled");
        }
    }
    static const double odd[] = {INFINITY, -INFINITY, NAN};
    for (int i = 0; i < 3; i++) {
        Case c = new_case(16);
        c.x[40 * 16 + 3] = (real)odd[i];
        same_with_and_without(&c, "a strange row");
        c.table[700 * 16 + 3] = (real)odd[i];
        same_with_and_without(&c, "a strange item");
    }
    Case c = new_case(16);
    memset(c.x, 0, ROWS * 16 / 2 * sizeof(real));
    for (int64_t i = 0; i < ITEMS * 16; i++) c.table[i] *= (real)pow(10, (double)(i / 16 % 9) - 4); /* norms far apart */
    same_with_and_without(&c, "norms");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("topscan");
    TCase *t = tcase_create("screen");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, random_vectors);
    tcase_add_test(t, ties_as_loops_have_them);
    tcase_add_test(t, near_ties);
    tcase_add_test(t, strange_numbers);
    suite_add_tcase(s, t);
    return suite_run(s);
}
