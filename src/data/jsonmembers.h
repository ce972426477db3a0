/* data/jsonmembers.h -- the members of one JSON object that fills a file, one at a time: LC-Rec's .inter.json, .item.json and .index.json are such files,
 * on one line or on many. Memory: one member (a line of the file at most 64 MiB); plain, gzip or zstd by content (stream.h).
 *
 *   MemberReader *r;
 *   TRY(member_open(path, &r));
 *   while (member_next(r, &member)) { ... member.value is NULL when this member is not JSON: the reason is status_message() ... }
 *   TRY(member_close(r));   // E_INPUT: the object is cut off or not closed, or something follows it: nobody knows what is missing
 */
#ifndef DIGR_DATA_JSONMEMBERS_H
#define DIGR_DATA_JSONMEMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cjson/cJSON.h>

#include "base/status.h"

typedef struct MemberReader MemberReader;

typedef struct Member {
    const char *key;   /* decoded; "" when it is not JSON */
    const cJSON *value; /* NULL: the key or the value is not JSON (FAIL was called) */
    int64_t line;      /* where the member begins */
    bool utf8;         /* false: the bytes are no UTF-8; value is NULL then */
} Member;

Status member_open(const char *path, MemberReader **reader);
bool member_next(MemberReader *reader, Member *member); /* false: end or fault; all of member lives until the next call */
Status member_close(MemberReader *reader);              /* frees */

#endif
