/* data/source.h -- what a folder of somebody's files is: which form, whose file names, which files.
 *
 * Forms, by what the folder holds (STEM is the files' common name, such as Beauty or Industrial_and_Scientific):
 *   sequences   sequences.txt, items.jsonl                                           our own plain form (import.h)
 *   amazon      the raw files of the registry's entry
 *   sasrec      STEM.txt: `user item item ...` a line (S3-Rec) or `user item` a line (SASRec); [STEM_item2attributes.json]
 *   lc-rec      STEM.inter.json, [STEM.item.json, STEM.index.json]                   LC-Rec, LETTER, TIGER ports
 *   minionerec  train/STEM*.csv, valid/STEM*.csv, test/STEM*.csv, [info/STEM*.txt], [STEM.item.json, STEM.index.json, here, in index/ or in info/]
 *   recbole     STEM.inter and/or STEM.train.inter, STEM.valid.inter, STEM.test.inter, [STEM.item]
 * The last four may have STEM.user2id and STEM.item2id (`raw id TAB number`, as LC-Rec writes them): raw ids then serve as ids; and STEM.simulated, which
 * 02_export writes where users are simulated: what is made of these files then says so, too.
 *
 * The form is found by the file names alone, for sasrec also by the first line. A folder that fits several forms, or holds several stems none of which is
 * the data set's name, is an error that names what was found; --form and --stem decide. */
#ifndef DIGR_DATA_SOURCE_H
#define DIGR_DATA_SOURCE_H

#include "data/registry.h"

typedef enum SourceForm { SOURCE_NONE, SOURCE_SEQUENCES, SOURCE_RAW, SOURCE_SASREC, SOURCE_LCREC, SOURCE_MINIONEREC, SOURCE_RECBOLE, SOURCE_FORMS } SourceForm;

/* "auto" stands for no wish; for option tables. */
#define SOURCE_FORM_CHOICES "auto|sequences|amazon|sasrec|lc-rec|minionerec|recbole"
extern const char *const source_form_names[SOURCE_FORMS]; /* SOURCE_NONE: "nothing usable" */

typedef struct SourceFile { const char *name; bool optional; } SourceFile; /* name: path below the folder */

typedef struct Source {
    SourceForm form;
    const char *dir, *stem; /* stem: "" for sequences and amazon; for minionerec that of the CSV files */
    const SourceFile *file; /* everything of the form that is there (local), or that may be (source_remote); needed ones first */
    int64_t n_files;
} Source;

/* source_find -- what `dir` holds, of the form and stem asked for ("auto", ""). OK with SOURCE_NONE when there is nothing usable; E_INPUT when it is
 * ambiguous. Everything in *source lives in arena. */
Status source_find(const RegistryEntry *entry, const char *dir, const char *form, const char *stem, Arena *arena, Source *source);
/* source_remote -- the files that a form with this stem consists of, for a place that cannot be listed. */
void source_remote(const RegistryEntry *entry, SourceForm form, const char *stem, Arena *arena, Source *source);
SourceForm source_form_by_name(const char *name); /* "auto": SOURCE_NONE */
/* source_path -- dir/name in arena. NULL when no file of the source ends with `suffix`. */
const char *source_path(const Source *source, const char *suffix, Arena *arena);

#endif
