/* report.c -- the order of the report's parts, and its files. */
#include "eval/report.h"

Status report_write(Results *r, const ReportOptions *o, Doc **out)
{
    static Status (*const section[])(Doc *, Results *, const ReportOptions *) = {section_head, section_findings, section_main, section_ties, section_ablation, section_ensemble, section_rl,
        section_data, section_sids, section_interests, section_rldi, section_curves, section_published};
    Doc *d = doc_create(r->arena, arena_printf(r->arena, "DeepInterestGR, measured: %s", r->title),
                        "Generative recommendation with mined interests, reproduced in C. Measured numbers only, except in the last section.");
    for (size_t i = 0; i < sizeof section / sizeof *section; i++) TRY(section[i](d, r, o));
    TRY(doc_write_tables(d, o->out));
    TRY(doc_write_markdown(d, arena_printf(r->arena, "%s/report.md", o->out)));
    TRY(doc_write_html(d, arena_printf(r->arena, "%s/report.html", o->out), o->out));
    *out = d;
    return OK;
}
