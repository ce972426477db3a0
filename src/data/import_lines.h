/* data/import_lines.h -- what the readers of raw Amazon files share: lines with progress, whose faults go to the ledger (import_amazon.c). */
#ifndef DIGR_DATA_IMPORT_LINES_H
#define DIGR_DATA_IMPORT_LINES_H

#include "base/log.h"
#include "data/fieldscan.h"
#include "data/import.h"
#include "io/stream.h"

typedef struct LineFeed {
    const char *path;
    LineReader *reader;
    Ledger *ledger;
    LedgerSort sort;
    Progress progress;
    bool long_read;
    const char *text; /* the line: n bytes and a NUL */
    size_t n;
    int64_t number;
} LineFeed;

/* ledger NULL: nothing is recorded, and no progress shown. */
Status lines_begin(LineFeed *feed, const char *path, Ledger *ledger, LedgerSort sort);
bool lines_next(LineFeed *feed); /* false: the end, or a fault that lines_end reports */
Status lines_end(LineFeed *feed);
/* lines_reject -- the line is lost for the reason recorded last (FAIL). */
void lines_reject(LineFeed *feed, Fault fault);
/* lines_utf8 -- false: it is not, and was rejected. */
bool lines_utf8(LineFeed *feed);
/* lines_scan -- fieldscan_read of the line; false: malformed, and was rejected. */
bool lines_scan(LineFeed *feed, FieldScan *scan, Field *field);
/* field_key -- E_INPUT unless the field is a text that is not empty and holds no white space. */
Status field_key(const LineFeed *feed, const char *name, const Field *field);

/* The metadata and caption files of import_amazon (import_meta.c). */
Status import_meta(Intake *c, const char *path, MetaSyntax syntax);
Status import_captions(Intake *c, const char *path);

#endif
