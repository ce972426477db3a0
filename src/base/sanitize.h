/* base/sanitize.h -- poisoning under AddressSanitizer, nothing elsewhere. The one place outside include guards with a preprocessor
 * condition: the sanitizer interface exists only in sanitizer builds. */
#ifndef DIGR_BASE_SANITIZE_H
#define DIGR_BASE_SANITIZE_H

#ifdef DIGR_SANITIZE
#include <sanitizer/asan_interface.h>
#define SANITIZE_POISON(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define SANITIZE_UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#define SANITIZE_RED_ZONE 64
#else
#define SANITIZE_POISON(p, n) ((void)(p), (void)(n))
#define SANITIZE_UNPOISON(p, n) ((void)(p), (void)(n))
#define SANITIZE_RED_ZONE 0
#endif

#endif
