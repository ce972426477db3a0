/* eval/doc_style.h -- the style sheet of report.html, inlined so that the file stands alone. */
#ifndef DIGR_EVAL_DOC_STYLE_H
#define DIGR_EVAL_DOC_STYLE_H

extern const char DOC_STYLE[];

#endif
