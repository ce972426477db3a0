/* llm/photos.h -- where the photos of items are: a folder with files named by raw id (A1.jpg, .jpeg, .png, .webp, .gif), or a text file with one item a line, raw id, a tab, and
 * a URL or a path (relative to that file's folder). */
#ifndef DIGR_LLM_PHOTOS_H
#define DIGR_LLM_PHOTOS_H

#include "base/arena.h"
#include "base/status.h"

typedef struct Photos Photos;

/* photos_open -- E_INPUT: nothing there, a malformed line, an item named twice. */
Status photos_open(const char *path, Arena *arena, Photos **photos);
/* photos_find -- a path or URL for photo_load (chat.h), in `arena`; NULL when the item has none. */
const char *photos_find(const Photos *photos, const char *id, Arena *arena);

#endif
