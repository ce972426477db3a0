/* io/blascore.h -- OpenBLAS chooses its kernels by the model of the processor. A release that does not know the model falls back to ones that are years
 * older (Debian's 0.3.21 takes those of 2004 on processors with AVX-512): everything is right and several times slower. What the processor can do is in the
 * flags of /proc/cpuinfo; the choice can only be made before OpenBLAS starts, by OPENBLAS_CORETYPE.
 */
#ifndef DIGR_IO_BLASCORE_H
#define DIGR_IO_BLASCORE_H

/* blascore_for -- the value of OPENBLAS_CORETYPE that suits a processor with these flags (words between blanks) better than the kernels that OpenBLAS
 * reports (openblas_get_corename); NULL when there is none: they fit, their name is not known here, or the processor is not an x86. */
const char *blascore_for(const char *reported, const char *flags);

/* blascore_settle -- call first in main, before any thread: when better kernels than the reported ones exist and OPENBLAS_CORETYPE is not set, sets it and
 * starts this program again with the same arguments. Children inherit it. A value that the user has set (PIN=1 does) is kept. */
void blascore_settle(char **argv);

#endif
