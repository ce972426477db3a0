/* llm/frames.h -- append-only text files made of independent zstd frames.
 *
 * Each frame carries its size and a checksum and holds whole lines. What follows the last whole frame is an interrupted append: readers drop it with
 * a warning, writers cut it off. A fault with whole frames after it is damage, and an error.
 */
#ifndef DIGR_LLM_FRAMES_H
#define DIGR_LLM_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

typedef struct FramesReport { int64_t n_frames, whole_bytes, torn_bytes; } FramesReport;

/* frames_walk -- calls visit(user, frame number, text, n_text) for every whole frame; visit may be NULL. The text is NUL-terminated, lives in `arena` and may be
 * changed. E_INPUT: cannot read, or damage; errors of visit are passed on. */
Status frames_walk(const char *path, Arena *arena, Status (*visit)(void *user, int64_t frame, char *text, size_t n_text), void *user, FramesReport *report);

typedef struct FrameWriter FrameWriter;

/* frames_append_begin -- opens (or creates) `path`, takes an exclusive lock, cuts off a torn end. */
Status frames_append_begin(const char *path, FrameWriter **writer);
/* frames_append -- one frame, on disk when it returns. E_RESOURCE: nothing of it is left in the file. */
Status frames_append(FrameWriter *writer, const char *text, size_t n_text);
Status frames_append_end(FrameWriter *writer); /* always frees */

#endif
