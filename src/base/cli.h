/* base/cli.h -- one options table per program gives the parser, --help, the printed effective configuration
 * and the manifest's "options".
 *
 *   static int64_t epochs; static double lr; static const char *out; static bool tied;
 *   static const CliOption options[] = {
 *       {"out",    CLI_STR,  &out,    NULL,   0, 0,    "DIR",  "output folder (required)", NULL},
 *       {"epochs", CLI_INT,  &epochs, "20",   1, 1000, "",     "passes over the train split", NULL},
 *       {"lr",     CLI_REAL, &lr,     "1e-3", 0, 1,    "",     "peak learning rate", NULL},
 *       {"tied",   CLI_FLAG, &tied,   "1",    0, 1,    "",     "share input and output embeddings", NULL},
 *       {"mode",   CLI_ENUM, &mode,   "full", 0, 0,    "",     "text to embed", "shallow|full"},
 *       CLI_END};
 *   cli_parse("06_tokenize", "items to semantic ids", options, argc, argv);
 *
 * Rules: long flags only, `--name value` or `--name=value`; numbers are consumed whole and range-checked; an
 * unknown, repeated or missing flag, and stray arguments, print one error and exit 2. default NULL = required;
 * default "" for a CLI_STR = optional, absent is "". Every program also has --help, --dry-run and --quiet.
 */
#ifndef DIGR_BASE_CLI_H
#define DIGR_BASE_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <cjson/cJSON.h>

typedef enum CliType { CLI_INT, CLI_REAL, CLI_STR, CLI_FLAG, CLI_ENUM } CliType;

typedef struct CliOption {
    const char *name;
    CliType type;
    void *dst;            /* int64_t*, double*, const char**, bool*, const char** */
    const char *initial;  /* default as text; NULL = required */
    double min, max;      /* numbers; ignored when both are 0 */
    const char *unit;     /* shown in --help */
    const char *help;
    const char *choices;  /* CLI_ENUM: "a|b|c" */
} CliOption;

#define CLI_END {NULL, CLI_INT, NULL, NULL, 0, 0, NULL, NULL, NULL}

/* Parses, prints the effective configuration to stderr unless --quiet, opens the log. Exits 0 after --help,
 * 2 on a usage error. */
void cli_parse(const char *program, const char *summary, const CliOption *options, int argc, char **argv);
bool cli_dry_run(void); /* --dry-run: say what would be done (inputs, memory, steps) and leave */
/* cli_json -- effective options as a JSON object (caller deletes). Options named "out", and options whose
 * value is a path given by a caller, are included as given. */
cJSON *cli_json(const CliOption *options);

#endif
