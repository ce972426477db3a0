/* base/status.h -- error values, error reports, and invariants.
 *
 * ROOM base: what every other room may use and what depends on nothing but libc, cJSON and libcrypto.
 * Start reading here, then arena.h (memory), rng.h (random numbers), cli.h (options), log.h (progress).
 *
 * Two kinds of failure are kept apart:
 *   - the outside world (files, JSON, network, memory): a function returns Status; the reason, a remedy and
 *     the place are recorded by FAIL() once, where found, passed upwards by TRY(), printed by MUST() or by
 *     status_report() in a stage's main;
 *   - our own bugs (shapes, ranges): REQUIRE() aborts with exit code 6 and stays on in release builds.
 *
 * Printed form:
 *   error: cache/x/train.tsv:17: item 9000 is outside [0,480)
 *     at:  src/data/dataset.c:88 (exit 3)
 *     fix: rebuild it with `make reproduce`
 */
#ifndef DIGR_BASE_STATUS_H
#define DIGR_BASE_STATUS_H

/* Values double as exit codes of the stage programs. */
typedef enum Status {
    OK = 0,
    E_USAGE = 2,    /* wrong command line */
    E_INPUT = 3,    /* missing, malformed or inconsistent input */
    E_RESOURCE = 4, /* disk, memory, network, permission */
    E_NUMERIC = 5,  /* a value that must be finite is not */
    E_BUG = 6       /* a broken invariant of ours */
} Status;

/* status_fail -- record an error for this thread; returns `code`. Use the FAIL macro.
 * fix  one sentence that tells the user what to do; NULL when there is nothing useful to say
 * A later failure on the same thread replaces an earlier one. */
Status status_fail(Status code, const char *file, int line, const char *fix, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* status_message -- the recorded message of this thread ("" when none); valid until the next status_fail. */
const char *status_message(void);
/* status_fix -- the recorded remedy ("" when none). */
const char *status_fix(void);
/* status_clear -- forget the recorded error (a caller that handled it). */
void status_clear(void);
/* status_report -- print the recorded error in the form above to stderr; returns the exit code to use. */
int status_report(Status code);
/* status_exit -- status_report, then exit with that code. */
_Noreturn void status_exit(Status code);
/* status_abort -- report a broken invariant and exit with E_BUG. */
_Noreturn void status_abort(const char *file, int line, const char *condition, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#define FAIL(code, fix, ...) status_fail((code), __FILE__, __LINE__, (fix), __VA_ARGS__)

#define TRY(expr)                                   \
    do {                                            \
        Status try_status_ = (expr);                \
        if (try_status_ != OK) return try_status_;  \
    } while (0)

#define MUST(expr)                                  \
    do {                                            \
        Status must_status_ = (expr);               \
        if (must_status_ != OK) status_exit(must_status_); \
    } while (0)

/* REQUIRE(condition, "format", ...) -- invariant; stays on in release. */
#define REQUIRE(cond, ...)                                                   \
    do {                                                                     \
        if (!(cond)) status_abort(__FILE__, __LINE__, #cond, __VA_ARGS__);   \
    } while (0)

#endif
