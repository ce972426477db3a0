/* base/log.c -- see log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const char *log_program = "digr";
static bool log_quiet;
static double opened_s;

void log_open(const char *program, bool quiet)
{
    log_program = program;
    log_quiet = quiet;
    opened_s = time_now_s();
}

double log_opened_s(void)
{
    return opened_s;
}

double time_now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int64_t peak_memory_bytes(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
    return (int64_t)usage.ru_maxrss * 1024;
}

static void log_line(const char *mark, const char *format, va_list args)
{
    char text[4096];
    (void)vsnprintf(text, sizeof text, format, args);
    (void)fprintf(stderr, "%s: %s%s\n", log_program, mark, text);
}

void log_info(const char *format, ...)
{
    if (log_quiet) return;
    va_list args;
    va_start(args, format);
    log_line("", format, args);
    va_end(args);
}

void log_warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line("warning: ", format, args);
    va_end(args);
}

void progress_begin(Progress *p, const char *unit, int64_t total, int64_t done)
{
    *p = (Progress){.unit = unit, .total = total, .done = done, .done_at_start = done, .start_s = time_now_s()};
    p->last_s = p->start_s;
    p->terminal = isatty(STDERR_FILENO) == 1;
}

static void format_count(char *out, size_t n, int64_t value)
{
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)value);
    size_t at = 0;
    for (int i = 0; i < length && at + 2 < n; i++) {
        if (i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-') out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
}

void format_duration(char *out, size_t n, double s)
{
    long t = (long)(s + 0.5);
    if (t < 60) (void)snprintf(out, n, "%lds", t);
    else if (t < 3600) (void)snprintf(out, n, "%ldm%02lds", t / 60, t % 60);
    else (void)snprintf(out, n, "%ldh%02ldm", t / 3600, t / 60 % 60);
}

static void progress_draw(Progress *p, double now, const char *extra, bool last)
{
    char done[40], total[40], left[40], bar[25];
    double rate = (double)(p->done - p->done_at_start) / (now - p->start_s + 1e-9);
    format_count(done, sizeof done, p->done);
    format_count(total, sizeof total, p->total);
    double share = p->total > 0 ? (double)p->done / (double)p->total : 0;
    int filled = (int)(share * 24);
    memset(bar, '.', 24);
    memset(bar, '#', (size_t)(filled > 24 ? 24 : filled < 0 ? 0 : filled));
    bar[24] = '\0';
    if (last) format_duration(left, sizeof left, now - p->start_s);
    else if (p->total > 0 && rate > 0) format_duration(left, sizeof left, (double)(p->total - p->done) / rate);
    else (void)snprintf(left, sizeof left, "?");
    (void)fprintf(stderr, "%s%s [%s] %s/%s %s%s%s | %.3g %s/s | %s %s%s", p->terminal ? "\r" : "", log_program, bar, done,
                  p->total > 0 ? total : "?", p->unit, extra[0] != '\0' ? " | " : "", extra, rate, p->unit, left,
                  last ? "taken" : "left", p->terminal ? "\033[K" : "\n");
    if (last && p->terminal) (void)fputc('\n', stderr);
    (void)fflush(stderr);
}

void progress_update(Progress *p, int64_t done, const char *format, ...)
{
    p->done = done;
    double now = time_now_s();
    if (log_quiet || now - p->last_s < (p->terminal ? 1.0 / 6 : 30)) return;
    p->last_s = now;
    char extra[256] = "";
    if (format != NULL) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(extra, sizeof extra, format, args);
        va_end(args);
    }
    progress_draw(p, now, extra, false);
}

void progress_end(Progress *p)
{
    if (!log_quiet) progress_draw(p, time_now_s(), "", true);
}
