/* eval/report.h -- the report of a run: report.md, report.html (self-contained), one CSV and one LaTeX file per table, plots as SVG. */
#ifndef DIGR_EVAL_REPORT_H
#define DIGR_EVAL_REPORT_H

#include "base/status.h"
#include "eval/doc.h"
#include "eval/sections.h"

/* report_write -- everything into o->out, which exists. *doc: the document, for doc_print and for a manifest; lives in r->arena. */
Status report_write(Results *r, const ReportOptions *o, Doc **doc);

#endif
