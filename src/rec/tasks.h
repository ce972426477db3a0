/* rec/tasks.h -- the training samples of SFT: next item, and six tasks that align item text with SIDs, in one next-token loss.
 *
 *   next                <bos> sid sid sid ...                          loss at every SID token; a training sequence is one sample
 *   title-to-sid        <bos> title <title_to_sid> sid                 loss at the answer, here and below
 *   sid-to-title        <bos> sid <sid_to_title> title <end>
 *   interests-to-sid    <bos> interests <interests_to_sid> sid         positively labelled interests, joined by "; "
 *   sid-to-interests    <bos> sid <sid_to_interests> interests <end>
 *   titles-to-sid       <bos> title <sep> ... title <titles_to_sid> sid(next)
 *   sids-to-title       <bos> sid ... sid <sids_to_title> title(next) <end>
 *
 * A sample is named by an id. What it consists of is a pure function of (seed, epoch, id), so order, batches and threads cannot change it and a
 * resumed run rebuilds it. Only training sequences are read, never valid or test rows.
 */
#ifndef DIGR_REC_TASKS_H
#define DIGR_REC_TASKS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "data/dataset.h"
#include "rec/sequence.h"

/* name, option (ratio: passes an epoch makes over the task's samples), default, what one sample is */
#define TASK_LIST(X)                                          \
    X(TASK_NEXT, "next", 1, "training sequence")              \
    X(TASK_TITLE_TO_SID, "title-to-sid", 1, "item with text") \
    X(TASK_SID_TO_TITLE, "sid-to-title", 0.5, "item with text") \
    X(TASK_INTERESTS_TO_SID, "interests-to-sid", 1, "item with a positive interest") \
    X(TASK_SID_TO_INTERESTS, "sid-to-interests", 0.5, "item with a positive interest") \
    X(TASK_TITLES_TO_SID, "titles-to-sid", 0.25, "training sequence") \
    X(TASK_SIDS_TO_TITLE, "sids-to-title", 0.25, "training sequence")

#define TASK_ENUM(name, option, passes, unit) name,
typedef enum Task { TASK_LIST(TASK_ENUM) N_TASKS } Task;
#undef TASK_ENUM

/* Training sequences longer than max_history + 1 items: used whole; one random window an epoch; all windows from a random offset. */
typedef enum WindowMode { WINDOW_FULL, WINDOW_RANDOM, WINDOW_CHUNK } WindowMode;

typedef struct TaskOptions {
    uint64_t seed;
    double ratio[N_TASKS];   /* 0 = task off */
    double align_weight;     /* loss weight of a target of the alignment tasks; next-item targets weigh 1 */
    WindowMode window;
    double item_drop;        /* chance that an item is left out of its training sequence (history sub-sampling) */
    double token_drop;       /* chance that an input SID token of the next task becomes <mask> */
    int64_t max_text;        /* tokens kept of a title or of an item's interests */
    int64_t text_history;    /* items of a title history */
    int64_t max_tokens;      /* longest sample, in tokens */
} TaskOptions;

typedef struct TaskSet TaskSet;

/* tasks_texts -- one text an item for the alignment tasks, in `arena`: its title, or where there is none brand, keywords and categories; "" when
 * there is no text at all. */
const char **tasks_titles(Arena *arena, const Dataset *d);
/* tasks_interests -- positively labelled interests of each item joined by "; ", "" for none, from labels.jsonl of 04_label. */
Status tasks_interests(Arena *arena, const Dataset *d, const char *labels_dir, const char ***text);

/* tasks_create -- title, interests (N) as above, or NULL when no task needs them. Text is encoded once, here. */
TaskSet *tasks_create(Arena *arena, const TaskOptions *o, const SequenceBuilder *b, const Dataset *d, const char *const *title,
                      const char *const *interests);
/* Samples a task has in one pass (an epoch uses ratio times as many; windows of WINDOW_CHUNK not counted). */
int64_t tasks_available(const TaskSet *t, Task task);
/* tasks_epoch -- ids of an epoch's samples in training order (in `arena`); returns their number. */
int64_t tasks_epoch(const TaskSet *t, int64_t epoch, Arena *arena, int64_t **id);
Task tasks_task_of(int64_t id);
/* Number of the item or training sequence that an id is about. */
int64_t tasks_index_of(int64_t id);
/* tasks_write -- tokens and targets of a sample, both max_tokens long; returns the number written, >= 2. weight out: loss weight of its targets. */
int64_t tasks_write(const TaskSet *t, int64_t epoch, int64_t id, int32_t *token, int32_t *target, real *weight);
const char *tasks_name(Task task);

#endif
