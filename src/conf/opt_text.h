/* opt_text.h: from a text to a value, as a row says: the grammar and the limits of every option type. */
#ifndef OPT_TEXT_H
#define OPT_TEXT_H

#include "conf/opt.h"

/* 0, or -1 with what was found and what is allowed.  dir (NULL: the working directory) is where relative paths start. */
int opt_parse_in(const struct opt *opt, const char *text, const char *dir, void *conf, struct err *err);
/* One item of an OPT_STRLIST. */
int opt_check_item(const struct opt *opt, const char *item, struct err *err);
int opt_check_count(const struct opt *opt, size_t n, struct err *err);
/* No control characters, valid UTF-8; line feeds and tabs pass when layout is set. */
int opt_check_chars(const char *text, bool layout, struct err *err);

int opt_parse_int(const char *s, int64_t *out);
int opt_parse_size(const char *s, int64_t *out);
int opt_parse_duration(const char *s, tm_ms *out);
/* "90s", "1h30m": reads back as the same duration. */
void opt_format_duration(tm_ms v, struct strbuf *out);

/* Absolute, without "." components and doubled slashes; ".." stays, because links decide what it means.  free() it. */
char *opt_path_absolute(const char *dir, const char *path);
/* 0, or -1 with the reason: the rules of OPT_KEY, or of OPT_PREFIX. */
int opt_check_key(const char *key, bool prefix, struct err *err);

#endif
