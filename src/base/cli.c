/* base/cli.c -- see cli.h. The table is turned into getopt_long's; values are parsed by type afterwards. */
#include "base/cli.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/status.h"

enum { MAX_OPTIONS = 96, FIRST = 1000, HELP = 1, DRY_RUN = 2, QUIET = 3 };

static bool dry_run;

bool cli_dry_run(void) { return dry_run; }

static _Noreturn void usage_error(const char *program, const char *format, const char *a, const char *b)
{
    char text[512];
    (void)snprintf(text, sizeof text, format, a, b);
    char fix[256];
    (void)snprintf(fix, sizeof fix, "see `%s --help`", program);
    status_exit(FAIL(E_USAGE, fix, "%s: %s", program, text));
}

static bool choice_known(const char *choices, const char *value)
{
    size_t n = strlen(value);
    for (const char *p = choices; p != NULL && *p != '\0';) {
        const char *end = strchr(p, '|');
        size_t length = end != NULL ? (size_t)(end - p) : strlen(p);
        if (length == n && memcmp(p, value, n) == 0) return true;
        p = end != NULL ? end + 1 : NULL;
    }
    return false;
}

static void range_check(const char *program, const CliOption *o, double value, const char *text)
{
    if (o->min == 0 && o->max == 0) return;
    if (value >= o->min && value <= o->max) return;
    char range[96];
    (void)snprintf(range, sizeof range, "'%s', allowed is %.15g to %.15g", text, o->min, o->max);
    usage_error(program, "--%s is %s", o->name, range);
}

static void option_set(const char *program, const CliOption *o, const char *text)
{
    char *end = NULL;
    errno = 0;
    switch (o->type) {
    case CLI_INT: {
        long long value = strtoll(text, &end, 10);
        if (end == text || *end != '\0' || errno != 0) usage_error(program, "--%s needs a whole number, got '%s'", o->name, text);
        range_check(program, o, (double)value, text);
        *(int64_t *)o->dst = (int64_t)value;
        break;
    }
    case CLI_REAL: {
        double value = strtod(text, &end);
        if (end == text || *end != '\0' || !isfinite(value)) usage_error(program, "--%s needs a number, got '%s'", o->name, text);
        range_check(program, o, value, text);
        *(double *)o->dst = value;
        break;
    }
    case CLI_FLAG:
        if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0) usage_error(program, "--%s is 0 or 1, got '%s'", o->name, text);
        *(bool *)o->dst = text[0] == '1';
        break;
    case CLI_ENUM:
        if (!choice_known(o->choices, text)) {
            char rest[256];
            (void)snprintf(rest, sizeof rest, "'%s', allowed is %s", text, o->choices);
            usage_error(program, "--%s is %s", o->name, rest);
        }
        *(const char **)o->dst = text;
        break;
    case CLI_STR: *(const char **)o->dst = text; break;
    }
}

static void print_help(const char *program, const char *summary, const CliOption *options)
{
    (void)printf("%s -- %s\n\nUsage: %s [--option value]...\n\n", program, summary, program);
    for (const CliOption *o = options; o->name != NULL; o++) {
        (void)printf("  --%-18s %s", o->name, o->help);
        if (o->choices != NULL) (void)printf(" (%s)", o->choices);
        else if (o->min != 0 || o->max != 0) (void)printf(" (%.15g to %.15g)", o->min, o->max);
        if (o->unit != NULL && o->unit[0] != '\0') (void)printf(" [%s]", o->unit);
        if (o->initial == NULL) (void)printf(" (required)");
        else if (o->initial[0] != '\0') (void)printf(", default %s", o->initial);
        (void)printf("\n");
    }
    (void)printf("  --%-18s say what would be done (inputs, sizes, steps) and leave\n", "dry-run");
    (void)printf("  --%-18s warnings and errors only\n  --%-18s this text\n", "quiet", "help");
    (void)printf("\nExit codes: 0 done, 2 usage, 3 input, 4 resource, 5 numeric, 6 bug.\n");
}

static void value_text(const CliOption *o, char *out, size_t n)
{
    switch (o->type) {
    case CLI_INT: (void)snprintf(out, n, "%lld", (long long)*(int64_t *)o->dst); break;
    case CLI_REAL: (void)snprintf(out, n, "%.15g", *(double *)o->dst); break;
    case CLI_FLAG: (void)snprintf(out, n, "%d", *(bool *)o->dst ? 1 : 0); break;
    case CLI_STR:
    case CLI_ENUM: (void)snprintf(out, n, "%s", *(const char **)o->dst); break;
    }
}

static void print_configuration(const char *program, const CliOption *options)
{
    (void)fprintf(stderr, "%s:", program);
    for (const CliOption *o = options; o->name != NULL; o++) {
        char text[512];
        value_text(o, text, sizeof text);
        if (text[0] != '\0') (void)fprintf(stderr, " %s=%s", o->name, text);
    }
    (void)fprintf(stderr, "\n");
}

void cli_parse(const char *program, const char *summary, const CliOption *options, int argc, char **argv)
{
    struct option table[MAX_OPTIONS + 4];
    bool seen[MAX_OPTIONS] = {false};
    int n = 0;
    for (; options[n].name != NULL; n++) {
        REQUIRE(n < MAX_OPTIONS, "too many options");
        table[n] = (struct option){options[n].name, required_argument, NULL, FIRST + n};
        if (options[n].initial != NULL) option_set(program, &options[n], options[n].initial);
    }
    table[n] = (struct option){"help", no_argument, NULL, HELP};
    table[n + 1] = (struct option){"dry-run", no_argument, NULL, DRY_RUN};
    table[n + 2] = (struct option){"quiet", no_argument, NULL, QUIET};
    table[n + 3] = (struct option){NULL, 0, NULL, 0};

    bool quiet = false;
    opterr = 0;
    optind = 1;
    for (int code; (code = getopt_long(argc, argv, ":", table, NULL)) != -1;) {
        if (code == HELP) {
            print_help(program, summary, options);
            exit(0);
        } else if (code == DRY_RUN) {
            dry_run = true;
        } else if (code == QUIET) {
            quiet = true;
        } else if (code == ':') {
            usage_error(program, "%s needs a value%s", argv[optind - 1], "");
        } else if (code < FIRST) {
            usage_error(program, "unknown flag '%s'%s", argv[optind - 1], "");
        } else {
            const CliOption *o = &options[code - FIRST];
            /* getopt_long accepts abbreviations; a manifest must not depend on them. */
            const char *given = argv[optind - 1] == optarg ? argv[optind - 2] : argv[optind - 1];
            if (strncmp(given + 2, o->name, strlen(o->name)) != 0) usage_error(program, "unknown flag '%s'%s", given, "");
            if (seen[code - FIRST]) usage_error(program, "--%s is given twice%s", o->name, "");
            seen[code - FIRST] = true;
            option_set(program, o, optarg);
        }
    }
    if (optind < argc) usage_error(program, "unexpected argument '%s'%s", argv[optind], "");
    for (int i = 0; i < n; i++)
        if (options[i].initial == NULL && !seen[i]) usage_error(program, "--%s is required%s", options[i].name, "");
    log_open(program, quiet);
    if (!quiet) print_configuration(program, options);
}

cJSON *cli_json(const CliOption *options)
{
    cJSON *object = cJSON_CreateObject();
    for (const CliOption *o = options; o->name != NULL; o++) {
        switch (o->type) {
        case CLI_INT: (void)cJSON_AddNumberToObject(object, o->name, (double)*(int64_t *)o->dst); break;
        case CLI_REAL: (void)cJSON_AddNumberToObject(object, o->name, *(double *)o->dst); break;
        case CLI_FLAG: (void)cJSON_AddBoolToObject(object, o->name, *(bool *)o->dst); break;
        case CLI_STR:
        case CLI_ENUM: (void)cJSON_AddStringToObject(object, o->name, *(const char **)o->dst); break;
        }
    }
    return object;
}
