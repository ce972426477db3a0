/* tests/golden.h -- one golden case: a folder <kind>-<nn>/ with case.json and, for most kinds, tensors.safetensors.
 *
 * The runner (tests/golden_check.c) walks a folder of cases, loads each, calls the checker of its kind and compares every expected tensor and
 * scalar by the rule |got - exp| <= atol + rtol * max|exp| (scalars: rtol*|exp|; I32 tensors equal; NaN fails).
 * A checker lives in tests/golden_<kind>.c, defines
 *     Status golden_<kind>(GoldenCase *c);
 * and calls golden_expect_* for everything the case lists as expected. What is listed but never compared is a failure. Checkers are found by
 * file name; the runner is built twice, in float (tensors.safetensors) and in double (tensors_f64.safetensors, rtol 1e-9), and runs float cases
 * on the backends ref and cpu.
 */
#ifndef DIGR_TESTS_GOLDEN_H
#define DIGR_TESTS_GOLDEN_H

#include <cjson/cJSON.h>

#include "base/arena.h"
#include "base/dims.h"
#include "base/status.h"
#include "io/safetensors.h"
#include "tensor/backend.h"

typedef struct GoldenCase {
    const char *dir, *kind;
    const cJSON *json;      /* case.json */
    const cJSON *config, *scalars, *expected_scalars; /* members of json, NULL when absent */
    Backend *be;            /* run on this one */
    Arena *arena;
    int failures;           /* counted by golden_expect_* */
    void *private_;
} GoldenCase;

/* Input access: REQUIREs that the name exists with that type; result lives in c->arena. In a double build values come from the F32 inputs, lifted
 * exactly. count may be NULL. golden_has tells whether a tensor is there. */
const real *golden_real(GoldenCase *c, const char *name, int64_t *count);
const int32_t *golden_i32(GoldenCase *c, const char *name, int64_t *count);
const Tensor *golden_tensor(GoldenCase *c, const char *name); /* shape look-up; NULL when absent */
bool golden_has(GoldenCase *c, const char *name);
/* Names listed in case.json "inputs" that carry no `in.` prefix are parameters: the i-th one, NULL at the end. */
const char *golden_param(GoldenCase *c, int64_t i);

double golden_config(GoldenCase *c, const char *key, double initial);      /* number or bool (0/1) in config, scalars or top level */
const char *golden_config_string(GoldenCase *c, const char *key, const char *initial);

/* Comparisons, against host arrays of `count` elements. A name that the case does not expect is an error. */
void golden_expect_real(GoldenCase *c, const char *name, const real *got, int64_t count);
void golden_expect_i32(GoldenCase *c, const char *name, const int32_t *got, int64_t count);
void golden_expect_scalar(GoldenCase *c, const char *name, double got);
bool golden_expects(GoldenCase *c, const char *name); /* is this tensor or scalar listed as expected? */
/* For JSON-only kinds (reward, metrics): report one comparison by hand. */
void golden_check(GoldenCase *c, bool ok, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* golden_skip -- an optional variant we do not implement; reported as skipped. */
Status golden_skip(GoldenCase *c, const char *why);

/* Upload helper: a host array into backend memory (released by the runner after the case). */
real *golden_device(GoldenCase *c, const real *host, int64_t count);
int32_t *golden_device_i32(GoldenCase *c, const int32_t *host, int64_t count);

#endif
