/*
 * table.h: aligned columns.
 *
 * On a terminal the header is bold and the last column is cut at the edge; elsewhere nothing is cut, so that scripts
 * see everything (though --json is for them).
 */
#ifndef TABLE_H
#define TABLE_H

#include "orchctl/text.h"

#define TABLE_COLUMNS_MAX 12

struct table;

/* Headers separated by '|'; one that begins with '>' is aligned to the right. */
struct table *table_new(const char *headers);
/* Fill row by row; text from outside is cleaned. */
void table_cell(struct table *, enum paint paint, const char *text);
void table_cellf(struct table *, const char *fmt, ...) PRINTF(2, 3);
/* Hand over what was appended to sb, and empty it. */
void table_take(struct table *, struct strbuf *sb);
/* For what is to be read to its end, such as help: the last column is wrapped instead. */
void table_wrap(struct table *);
size_t table_rows(const struct table *);
/* Print, indented, and free.  without: printed in place of an empty table; may be NULL. */
void table_end(struct table *, int indent, const char *without);

#endif
