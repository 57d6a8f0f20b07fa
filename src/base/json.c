#include "config.h"

#include "base/json.h"

#include "base/codec.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

json_t *json_parse(const char *s, size_t n, const char *what, struct err *err)
{
	json_error_t je;
	json_t *j = json_loadb(s, n, JSON_REJECT_DUPLICATES, &je);

	if (j == NULL)
		err_set(err, ERR_BAD_DATA, "%s:%d:%d: %s", what, je.line, je.column, je.text);
	return j;
}

char *json_text(const json_t *j)
{
	char *s = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);

	if (s == NULL)
		abort();
	return s;
}

char *json_canonical(const json_t *j)
{
	char *s = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);

	if (s == NULL)
		abort();
	return s;
}

static int dump_to(const char *p, size_t n, void *arg)
{
	return strbuf_add(arg, p, n);
}

int json_write(const json_t *j, struct strbuf *out)
{
	return json_dump_callback(j, dump_to, out, JSON_COMPACT | JSON_ENCODE_ANY);
}

const char *json_str(const json_t *obj, const char *key, const char *def)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s ? s : def;
}

int64_t json_int(const json_t *obj, const char *key, int64_t def)
{
	const json_t *v = json_object_get(obj, key);

	return json_is_integer(v) ? json_integer_value(v) : def;
}

bool json_bool(const json_t *obj, const char *key, bool def)
{
	const json_t *v = json_object_get(obj, key);

	return json_is_boolean(v) ? json_is_true(v) : def;
}

json_t *json_text_new(const char *s)
{
	json_t *j;

	if (s == NULL)
		return json_null();
	if ((j = json_string(s)) != NULL)
		return j;
	/* Not UTF-8: keep what is ASCII, mark the rest. */
	struct strbuf sb = STRBUF_INIT(3 * strlen(s) + 1);
	for (; *s != '\0'; s++) {
		if ((unsigned char)*s < 0x80)
			strbuf_addch(&sb, *s);
		else
			strbuf_addstr(&sb, "\xef\xbf\xbd");
	}
	j = json_string(sb.buf);
	strbuf_release(&sb);
	return j;
}
