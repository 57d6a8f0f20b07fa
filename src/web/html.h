/*
 * html.h: text into pages, escaped by default.
 *
 * Whatever came from outside (keys, log lines, names, errors) reaches a page only through these calls; nothing else may
 * append to a page's buffer.  Control characters and those that reorder text (U+202A.. and the like) are shown as
 * visible escapes, bytes that are not UTF-8 as U+FFFD.
 */
#ifndef HTML_H
#define HTML_H

#include "base/strbuf.h"

/*
 * A template of our own making, with places:
 *     %s  text, escaped for content and for quoted attributes; NULL gives nothing
 *     %u  text as one component of a path or a query value, percent-encoded
 *     %i  int64_t in decimal            %d  int
 *     %r  raw: a literal of ours, or what html_* has made
 *     %%  a percent sign
 * Anything else after % is a bug and aborts.
 */
void html(struct strbuf *out, const char *template, ...);
void html_text(struct strbuf *out, const char *s);
void html_text_n(struct strbuf *out, const char *s, size_t n);
void html_url(struct strbuf *out, const char *s);

#endif
