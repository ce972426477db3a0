/* base/status.c -- see status.h. The record is per thread, so that parallel readers do not mix their reports. */
#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 2048 };

static _Thread_local char record_message[TEXT];
static _Thread_local char record_fix[TEXT];
static _Thread_local const char *record_file;
static _Thread_local int record_line;

Status status_fail(Status code, const char *file, int line, const char *fix, const char *format, ...)
{
    /* Formatted aside first: an argument may point into the old record. */
    char text[TEXT];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(record_message, text, sizeof text);
    (void)snprintf(text, sizeof text, "%s", fix != NULL ? fix : "");
    memcpy(record_fix, text, sizeof text);
    record_file = file;
    record_line = line;
    return code;
}

const char *status_message(void) { return record_message; }

const char *status_fix(void) { return record_fix; }

void status_clear(void)
{
    record_message[0] = '\0';
    record_fix[0] = '\0';
    record_file = NULL;
}

int status_report(Status code)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "error: %s\n", record_message[0] != '\0' ? record_message : "unspecified failure");
    if (record_file != NULL) (void)fprintf(stderr, "  at:  %s:%d (exit %d)\n", record_file, record_line, (int)code);
    if (record_fix[0] != '\0') (void)fprintf(stderr, "  fix: %s\n", record_fix);
    return (int)code;
}

void status_exit(Status code) { exit(status_report(code)); }

void status_abort(const char *file, int line, const char *condition, const char *format, ...)
{
    char text[TEXT];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    (void)fflush(stdout);
    (void)fprintf(stderr, "error: broken invariant: %s (%s)\n  at:  %s:%d (exit %d)\n  fix: this is a bug of digr; please report it\n",
                  text, condition, file, line, (int)E_BUG);
    _Exit(E_BUG);
}
