/* pattern_parts.h: what the text of a pattern says without being run: its groups, and how every match begins. */
#ifndef PATTERN_PARTS_H
#define PATTERN_PARTS_H

#include "base/pattern.h"

/* The text of a named group with its parentheses, n bytes; NULL: there is none.  The text must be a compiled pattern's. */
const char *pattern_find_group(const char *text, const char *name, size_t *n);

/*
 * What every match begins with, as a template of its named groups (base/template.h): '^(?<a>x+)_\.tar(?<n>\d)$' begins with
 * "{a}_.tar".  It ends before `index`, and before the first thing that is neither a named group nor a plain character.
 * free() it; NULL when no group would be in it.
 */
char *pattern_begin(const struct pattern *, const char *index);

#endif
