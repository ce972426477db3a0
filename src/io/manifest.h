/* io/manifest.h -- `manifest.json`, written last into every stage folder: its presence means the stage is complete.
 *
 * Holds program, options, seed (from the options), commit and dirty flag (environment DIGR_COMMIT, set by make),
 * compiler and flags, BLAS configuration, threads, SHA-256 and size of every input and output file, seconds, peak memory,
 * and `notes` (e.g. "simulated": true).
 *
 *   Manifest *m = manifest_begin("06_tokenize", cli_json(options));
 *   manifest_input(m, path);            // once per file read
 *   manifest_output(m, path);           // once per file written
 *   manifest_note_bool(m, "simulated", true);
 *   MUST(manifest_end(m, out_dir));     // frees m
 */
#ifndef DIGR_IO_MANIFEST_H
#define DIGR_IO_MANIFEST_H

#include <stdbool.h>
#include <cjson/cJSON.h>

#include "base/status.h"

typedef struct Manifest Manifest;

Manifest *manifest_begin(const char *program, cJSON *options /* owned */);
void manifest_input(Manifest *m, const char *path);
void manifest_output(Manifest *m, const char *path);
void manifest_note_string(Manifest *m, const char *key, const char *value);
void manifest_note_number(Manifest *m, const char *key, double value);
void manifest_note_bool(Manifest *m, const char *key, bool value);
void manifest_note_json(Manifest *m, const char *key, cJSON *value /* owned */);
Status manifest_end(Manifest *m, const char *out_dir);

#endif
