/* markup.c -- escaping; see markup.h. */
#include "eval/markup.h"

#include <stdbool.h>
#include <string.h>

static void html_char(FILE *out, char c)
{
    switch (c) {
    case '&': fputs("&amp;", out); break;
    case '<': fputs("&lt;", out); break;
    case '>': fputs("&gt;", out); break;
    case '"': fputs("&quot;", out); break;
    case '\'': fputs("&#39;", out); break;
    default: fputc(c, out);
    }
}

void markup_html(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) html_char(out, *text);
}

void markup_html_rich(FILE *out, const char *text)
{
    bool code = false, strong = false;
    for (; *text != '\0'; text++) {
        if (*text == '`') {
            fputs(code ? "</code>" : "<code>", out);
            code = !code;
        } else if (!code && text[0] == '*' && text[1] == '*') {
            fputs(strong ? "</strong>" : "<strong>", out);
            strong = !strong;
            text++;
        } else {
            html_char(out, *text);
        }
    }
    if (code) fputs("</code>", out);
    if (strong) fputs("</strong>", out);
}

void markup_latex(FILE *out, const char *text)
{
    static const struct { const char *from, *to; } map[] = {
        {"±", "$\\pm$"}, {"×", "$\\times$"}, {"−", "$-$"}, {"–", "--"}, {"—", "---"}, {"Δ", "$\\Delta$"}, {"α", "$\\alpha$"}, {"λ", "$\\lambda$"},
        {"≤", "$\\leq$"}, {"≥", "$\\geq$"}, {"→", "$\\rightarrow$"}, {"\\", "\\textbackslash{}"}, {"~", "\\textasciitilde{}"}, {"^", "\\textasciicircum{}"},
        {"&", "\\&"}, {"%", "\\%"}, {"$", "\\$"}, {"#", "\\#"}, {"_", "\\_"}, {"{", "\\{"}, {"}", "\\}"}, {"<", "$<$"}, {">", "$>$"}, {"|", "$|$"}};
    while (*text != '\0') {
        size_t i = 0, n = sizeof map / sizeof *map;
        while (i < n && strncmp(text, map[i].from, strlen(map[i].from)) != 0) i++;
        if (i < n) {
            fputs(map[i].to, out);
            text += strlen(map[i].from);
        } else {
            fputc(*text++, out);
        }
    }
}

void markup_csv(FILE *out, const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"') fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}

void markup_markdown_cell(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|') fputc('\\', out);
        fputc(*text == '\n' || *text == '\r' ? ' ' : *text, out);
    }
}

int64_t markup_width(const char *text)
{
    int64_t width = 0;
    for (; *text != '\0'; text++) width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

void markup_plain(FILE *out, const char *text, const char *first, const char *rest, int64_t width)
{
    int64_t column = markup_width(first);
    bool begun = false;
    fputs(first, out);
    while (*text != '\0') {
        const size_t n = strcspn(text, " ");
        int64_t w = 0;
        for (size_t i = 0; i < n; i++) w += ((unsigned char)text[i] & 0xC0) != 0x80 && text[i] != '`' && !(text[i] == '*' && (text[i + 1] == '*' || (i > 0 && text[i - 1] == '*')));
        if (begun && column + 1 + w > width) {
            fprintf(out, "\n%s", rest);
            column = markup_width(rest);
            begun = false;
        }
        if (begun) {
            fputc(' ', out);
            column++;
        }
        for (size_t i = 0; i < n; i++) {
            if (text[i] == '*' && text[i + 1] == '*') i++;
            else if (text[i] != '`') fputc(text[i], out);
        }
        column += w;
        begun = true;
        text += n;
        text += *text == ' ';
    }
    fputc('\n', out);
}
