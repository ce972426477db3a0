/* tests/test_base.c -- rng, arena, hash, json, atomic, npy, safetensors: known answers, properties, bad input. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/atomic.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/rng.h"
#include "io/npy.h"
#include "io/safetensors.h"
#include "suite.h"

static char folder[64];

static void make_folder(void)
{
    (void)snprintf(folder, sizeof folder, "/tmp/digr-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(system(command), 0);
}

static const char *in_folder(const char *name)
{
    static char path[2][160];
    static int turn;
    turn = !turn;
    (void)snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static void write_text(const char *path, const void *text, size_t n)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

/* Random123's published known answers for philox4x32-10. */
START_TEST(philox_known_answers)
{
    static const uint32_t cases[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
    };
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        philox4x32(cases[i], cases[i] + 4, out);
        for (int j = 0; j < 4; j++) ck_assert_uint_eq(out[j], cases[i][6 + j]);
    }
}
END_TEST

START_TEST(rng_depends_on_every_part_of_its_key)
{
    Rng base = rng_make(1, RNG_STAGE_TEST, RNG_INIT, 0, 0);
    uint64_t first = rng_u64(&base);
    Rng others[] = {rng_make(2, RNG_STAGE_TEST, RNG_INIT, 0, 0), rng_make(1, RNG_STAGE_SFT, RNG_INIT, 0, 0),
                    rng_make(1, RNG_STAGE_TEST, RNG_SHUFFLE, 0, 0), rng_make(1, RNG_STAGE_TEST, RNG_INIT, 1, 0),
                    rng_make(1, RNG_STAGE_TEST, RNG_INIT, 0, 1), rng_make(1, RNG_STAGE_TEST, RNG_INIT, 0, (uint64_t)1 << 40)};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) ck_assert(rng_u64(&others[i]) != first);
    Rng again = rng_make(1, RNG_STAGE_TEST, RNG_INIT, 0, 0);
    ck_assert(rng_u64(&again) == first);
}
END_TEST

START_TEST(rng_moments_and_permutation)
{
    Rng r = rng_make(7, RNG_STAGE_TEST, RNG_NOISE, 0, 0);
    double sum = 0, squares = 0, uniform = 0;
    enum { N = 200000 };
    for (int i = 0; i < N; i++) {
        double x = rng_normal(&r), u = rng_uniform(&r);
        ck_assert(u >= 0 && u < 1);
        sum += x;
        squares += x * x;
        uniform += u;
    }
    ck_assert_double_eq_tol(sum / N, 0, 0.01);
    ck_assert_double_eq_tol(squares / N, 1, 0.02);
    ck_assert_double_eq_tol(uniform / N, 0.5, 0.005);
    int32_t a[33];
    bool seen[33] = {false};
    for (int i = 0; i < 33; i++) a[i] = i;
    rng_shuffle_i32(&r, a, 33);
    int moved = 0;
    for (int i = 0; i < 33; i++) {
        ck_assert(a[i] >= 0 && a[i] < 33 && !seen[a[i]]);
        seen[a[i]] = true;
        moved += a[i] != i;
    }
    ck_assert_int_gt(moved, 20);
    double w[4] = {0, 3, 0, 1};
    int counts[4] = {0};
    for (int i = 0; i < 40000; i++) counts[rng_categorical(&r, w, 4)]++;
    ck_assert_int_eq(counts[0] + counts[2], 0);
    ck_assert_double_eq_tol(counts[1] / 40000.0, 0.75, 0.01);
}
END_TEST

START_TEST(arena_blocks_are_aligned_zero_and_released)
{
    Arena *a = arena_create("test");
    ArenaMark mark = arena_mark(a);
    for (size_t n = 0; n < 70000; n = n * 3 + 1) {
        unsigned char *p = arena_alloc(a, n, 1);
        ck_assert_uint_eq((uintptr_t)p % 64, 0);
        for (size_t i = 0; i < n; i++) ck_assert_uint_eq(p[i], 0);
        memset(p, 0xff, n);
    }
    arena_release(a, mark);
    ck_assert_uint_eq(arena_used_bytes(a), 0);
    size_t capacity = 0;
    int *grown = NULL;
    for (int i = 0; i < 1000; i++) {
        ARENA_GROW(a, grown, capacity, i + 1);
        grown[i] = i;
    }
    for (int i = 0; i < 1000; i++) ck_assert_int_eq(grown[i], i);
    arena_destroy(a);
}
END_TEST

START_TEST(sha256_known_answer)
{
    char hex[SHA256_HEX];
    sha256_buffer("abc", 3, hex);
    ck_assert_str_eq(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    char a[SHA256_HEX], b[SHA256_HEX];
    Sha256 *h = sha256_begin();
    sha256_add_field(h, "ab");
    sha256_add_field(h, "c");
    sha256_finish(h, a);
    h = sha256_begin();
    sha256_add_field(h, "a");
    sha256_add_field(h, "bc");
    sha256_finish(h, b);
    ck_assert_str_ne(a, b);
}
END_TEST

START_TEST(json_errors_name_the_line_and_the_key)
{
    make_folder();
    cJSON *tree = NULL;
    const char *path = in_folder("x.json");
    write_text(path, "{\"a\": 1,\n \"b\": }\n", 17);
    ck_assert_int_eq(json_read_file(path, &tree), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "x.json:2"));
    write_text(path, "{\"a\": 1} trailing", 17);
    ck_assert_int_eq(json_read_file(path, &tree), E_INPUT);
    ck_assert_int_eq(json_read_file(in_folder("absent.json"), &tree), E_INPUT);
    write_text(path, "{\"a\": 1.5, \"A\": \"x\"}", 20);
    ck_assert_int_eq(json_read_file(path, &tree), OK);
    int64_t n = 0;
    ck_assert_int_eq(json_get_int(path, tree, "a", &n), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "\"a\""));
    const char *text = NULL;
    ck_assert_int_eq(json_get_string(path, tree, "a", &text), E_INPUT);
    ck_assert_int_eq(json_get_string(path, tree, "A", &text), OK);
    cJSON_Delete(tree);
    remove_folder();
}
END_TEST

START_TEST(atomic_files_appear_whole_or_not_at_all)
{
    make_folder();
    const char *path = in_folder("out.txt");
    write_text(path, "old", 3);
    AtomicFile *f = NULL;
    ck_assert_int_eq(atomic_open(path, &f), OK);
    ck_assert_int_eq(atomic_write(f, "half", 4), OK);
    atomic_abandon(f);
    char hex[SHA256_HEX], old[SHA256_HEX];
    sha256_buffer("old", 3, old);
    ck_assert_int_eq(sha256_file(path, hex, NULL), OK);
    ck_assert_str_eq(hex, old);
    ck_assert_int_eq(atomic_open(in_folder("no/such/folder"), &f), E_RESOURCE);
    remove_folder();
}
END_TEST

START_TEST(npy_round_trip_and_refusals)
{
    make_folder();
    Arena *a = arena_create("test");
    float x[6] = {1.5F, -2, 3, 0.1F, 5, 6e-8F}, *y = NULL;
    int64_t rows = 0, cols = 0;
    const char *path = in_folder("x.npy");
    ck_assert_int_eq(npy_write_f32(path, x, 2, 3), OK);
    ck_assert_int_eq(npy_read_f32(path, a, &y, &rows, &cols), OK);
    ck_assert_int_eq(rows, 2);
    ck_assert_int_eq(cols, 3);
    ck_assert_mem_eq(x, y, sizeof x);
    int32_t *z = NULL;
    ck_assert_int_eq(npy_read_i32(path, a, &z, &rows, &cols), E_INPUT);
    ck_assert_int_eq(truncate(path, 140), 0);
    ck_assert_int_eq(npy_read_f32(path, a, &y, &rows, &cols), E_INPUT);
    write_text(path, "garbage", 7);
    ck_assert_int_eq(npy_read_f32(path, a, &y, &rows, &cols), E_INPUT);
    arena_destroy(a);
    remove_folder();
}
END_TEST

START_TEST(safetensors_round_trip)
{
    make_folder();
    float x[6] = {1.5F, -2, 3, 0.1F, 5, 6e-8F};
    int32_t y[3] = {7, -8, 9};
    Tensor t[2] = {{.name = "a.weight", .type = TENSOR_F32, .n_dims = 2, .shape = {2, 3}, .count = 6, .data = x},
                   {.name = "b", .type = TENSOR_I32, .n_dims = 1, .shape = {3}, .count = 3, .data = y}};
    const char *meta[2] = {"format", "pt"}, *path = in_folder("x.safetensors");
    ck_assert_int_eq(safetensors_write(path, t, 2, meta, 1), OK);
    Safetensors *f = NULL;
    ck_assert_int_eq(safetensors_open(path, &f), OK);
    ck_assert_int_eq(safetensors_count(f), 2);
    ck_assert_str_eq(safetensors_metadata(f, "format"), "pt");
    const Tensor *a = safetensors_find(f, "a.weight"), *b = safetensors_find(f, "b");
    ck_assert_ptr_nonnull(a);
    ck_assert_int_eq(a->shape[1], 3);
    ck_assert_mem_eq(a->data, x, sizeof x);
    ck_assert_mem_eq(b->data, y, sizeof y);
    ck_assert_ptr_null(safetensors_find(f, "c"));
    real out[6];
    ck_assert_int_eq(tensor_to_real(b, out), E_INPUT);
    ck_assert_int_eq(tensor_to_real(a, out), OK);
    ck_assert(out[1] == -2);
    safetensors_close(f);
    remove_folder();
}
END_TEST

static void refuse(const char *header, size_t data)
{
    unsigned char file[512] = {0};
    size_t n = strlen(header);
    file[0] = (unsigned char)n;
    memcpy(file + 8, header, n);
    const char *path = in_folder("bad.safetensors");
    write_text(path, file, 8 + n + data);
    Safetensors *f = NULL;
    ck_assert_msg(safetensors_open(path, &f) == E_INPUT, "accepted: %s", header);
    ck_assert_ptr_null(f);
}

START_TEST(safetensors_refuses_bad_headers)
{
    make_folder();
    refuse("{", 0);
    refuse("[]", 0);
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 8);  /* size disagrees */
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 4);  /* beyond the file */
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", 8);
    refuse("{\"a\":{\"dtype\":\"F33\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1e9,1e9],\"data_offsets\":[0,8]}}", 8);
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", 8);
    refuse("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4);
    Safetensors *f = NULL;
    ck_assert_int_eq(safetensors_open(in_folder("absent"), &f), E_INPUT);
    ck_assert_int_eq(safetensors_open(folder, &f), E_INPUT);
    remove_folder();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base");
    TCase *t = tcase_create("base");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, philox_known_answers);
    tcase_add_test(t, rng_depends_on_every_part_of_its_key);
    tcase_add_test(t, rng_moments_and_permutation);
    tcase_add_test(t, arena_blocks_are_aligned_zero_and_released);
    tcase_add_test(t, sha256_known_answer);
    tcase_add_test(t, json_errors_name_the_line_and_the_key);
    tcase_add_test(t, atomic_files_appear_whole_or_not_at_all);
    tcase_add_test(t, npy_round_trip_and_refusals);
    tcase_add_test(t, safetensors_round_trip);
    tcase_add_test(t, safetensors_refuses_bad_headers);
    suite_add_tcase(s, t);
    return suite_run(s);
}
