/* tensor/topscreen_bf16_absent.c -- linked in place of topscreen_bf16_x86.c where the target is no x86-64. */
#include "base/status.h"
#include "tensor/topscreen.h"

void topscreen_maxima(int64_t N, int64_t C, const Bf16 *table, int64_t ld, int64_t group, int n, Screen *s)
{
    (void)N, (void)C, (void)table, (void)ld, (void)group, (void)n, (void)s;
    REQUIRE(false, "tile products where there are none");
}

void topscreen_level(int64_t groups, const float *most, const int32_t *want, float *out)
{
    (void)groups, (void)most, (void)want, (void)out;
    REQUIRE(false, "tile products where there are none");
}

void topscreen_collect(int64_t N, int64_t C, const Bf16 *table, const Bf16 *rest, int64_t ld, int n, Screen *s)
{
    (void)N, (void)C, (void)table, (void)rest, (void)ld, (void)n, (void)s;
    REQUIRE(false, "tile products where there are none");
}
