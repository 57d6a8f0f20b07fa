/*
 * template.h: text with {name} places, such as 'fpi/{instrument}/{site}/{year}/{date}'.
 *
 * A place may cut its value: {date:4} is the first four bytes, {date:-2} the last two.  {{ and }} are literal braces.
 */
#ifndef TEMPLATE_H
#define TEMPLATE_H

#include "base/err.h"
#include "base/strbuf.h"

/* The value of a name (pointer and length through n), or NULL when there is none. */
typedef const char *template_lookup(void *arg, const char *name, size_t *n);

/* Append the text with every place filled; fails with class CONFIG on bad syntax, USAGE on a name without value. */
int template_expand(const char *text, template_lookup *lookup, void *arg, struct strbuf *out, struct err *err);
/* Syntax only; on_name (may be NULL) sees every name. */
int template_check(const char *text, void (*on_name)(void *arg, const char *name), void *arg, struct err *err);

#endif
