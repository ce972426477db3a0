/* data/captionfile.h -- captions of photos, made by a model that sees, join the items of a data set (02_preprocess --captions).
 *
 * The file is what 03_record writes for a caption template, captions.jsonl: a line {"item": raw id, "caption": text, ...} an item; other members are passed over. A recorded caption takes
 * the place of one that came with the source. */
#ifndef DIGR_DATA_CAPTIONFILE_H
#define DIGR_DATA_CAPTIONFILE_H

#include "data/export.h"
#include "data/intake.h"

typedef struct CaptionCount { int64_t lines, joined, replaced, rejected; } CaptionCount; /* replaced: among the joined */

/* captionfile_join -- for the items of the data set. Rejected, in the ledger (LEDGER_CAPTIONS, with file and line): an item that is not in the data set, an item again, an empty caption,
 * a line that is none. E_INPUT: unreadable. */
Status captionfile_join(Intake *c, const Numbering *items, const char *path, CaptionCount *count);

#endif
