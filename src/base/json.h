/* json.h: the few jansson idioms used everywhere; ownership words are jansson's (new steals, get borrows). */
#ifndef JSON_H
#define JSON_H

#include "base/err.h"
#include "base/strbuf.h"

#include <jansson.h>

/* Parse one object or array; depth and size are bounded; what names the source in the error. */
json_t *json_parse(const char *s, size_t n, const char *what, struct err *err);
/* Compact text, keys in the order they were set; free() it. */
char *json_text(const json_t *j);
int json_write(const json_t *j, struct strbuf *out);
/* Compact with sorted keys: equal values give equal text, so it can be hashed. */
char *json_canonical(const json_t *j);

/* Lent values of object members, or the default when absent or of another type. */
const char *json_str(const json_t *obj, const char *key, const char *def);
int64_t json_int(const json_t *obj, const char *key, int64_t def);
bool json_bool(const json_t *obj, const char *key, bool def);

/* Text from outside: bytes that are not UTF-8 become U+FFFD, NULL becomes JSON null. */
json_t *json_text_new(const char *s);

#endif
