/* data/csv.h -- comma-separated records as pandas writes them (RFC 4180): cells in quotes may hold commas, line ends and doubled quotes; an unquoted cell
 * is taken as it stands. One record in memory at a time; plain, gzip or zstd by content. Lines may end in \n or \r\n.
 *
 *   CsvReader *r;
 *   TRY(csv_open(path, ',', &r));
 *   while (csv_next(r, &record)) { ... record.fault names what is wrong with this one, NULL: nothing ... }
 *   TRY(csv_close(r));    // E_INPUT: the file ends inside a quoted cell, or the stream is damaged */
#ifndef DIGR_DATA_CSV_H
#define DIGR_DATA_CSV_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

typedef struct CsvReader CsvReader;

typedef struct CsvRecord {
    const char *const *cell; /* (n) decoded, NUL-terminated; valid until the next call */
    int64_t n, line;         /* line: where the record begins, from 1 */
    const char *fault;       /* text behind a closing quote, NUL byte, bytes that are no UTF-8 */
} CsvRecord;

Status csv_open(const char *path, char separator, CsvReader **reader);
bool csv_next(CsvReader *reader, CsvRecord *record); /* false: end or fault */
Status csv_close(CsvReader *reader);                 /* frees */

/* csv_write -- one cell, quoted where it must be (separator, quote, line end, or a space at an end). */
void csv_write(FILE *f, const char *cell, char separator);

#endif
