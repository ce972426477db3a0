/* io/build_info.h -- how this build was made; the strings come from the Makefile (generated build_info.c). */
#ifndef DIGR_IO_BUILD_INFO_H
#define DIGR_IO_BUILD_INFO_H

extern const char BUILD_COMPILER[]; /* e.g. "gcc 12.2.0" */
extern const char BUILD_FLAGS[];    /* compiler flags */

#endif
