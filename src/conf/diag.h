/* diag.h: the problems found in configuration files, collected so that all are reported at once. */
#ifndef DIAG_H
#define DIAG_H

#include "base/err.h"
#include "base/strbuf.h"
#include "base/strvec.h"

struct mark {
	const char *file; /* lent; NULL: no file */
	int line, column; /* from 1; 0: unknown */
};

enum diag_level { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE };

struct diag {
	enum diag_level level;
	struct mark mark;
	/* "yaml" "encoding" "duplicate" "unknown" "missing" "type" "value" "tag" "limit" "env" "io" "graph" "ignored" */
	const char *class;
	char *text;
};

struct diags {
	struct diag *v;
	size_t n, cap;
	size_t errors; /* of all, also those beyond the limit kept */
	size_t dropped; /* beyond DIAGS_MAX_KEPT; an error takes the place of a note */
	struct strvec files; /* names that marks of kept problems point into */
};

#define DIAGS_MAX_KEPT 20
#define DIAGS_INIT     ((struct diags){0})

/* class is a literal; the mark's file name is copied.  Text may hold data: control characters are escaped. */
void diag_add(struct diags *, enum diag_level, const struct mark *, const char *class, const char *fmt, ...)
    PRINTF(5, 6);
/* One more error would only be counted: whoever would search for a suggestion need not. */
bool diags_full(const struct diags *);
void diags_release(struct diags *);
/* "etc/orch.yaml:12:7: error: unknown key 'retires' in asset 'unzip'; did you mean 'retries'?" a line each, in file order. */
void diags_print(const struct diags *, struct strbuf *out);
/* The first error with the number of further ones, class CONFIG; 0 when there is none. */
int diags_to_err(const struct diags *, struct err *err);

#endif
