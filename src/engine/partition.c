#include "config.h"

#include "engine/partition.h"

#include "base/codec.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

bool partition_covers(const char *outer, const char *inner)
{
	size_t n = strlen(outer);

	return n > 0 && strncmp(outer, inner, n) == 0 && (inner[n] == '\0' || inner[n] == '/');
}

bool partition_excludes(const char *a, const char *b)
{
	return partition_covers(a, b) || partition_covers(b, a);
}

static bool component_is_fine(const char *s, size_t n)
{
	if (n == 0 || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	return true;
}

int partition_check(const char *key, struct err *err)
{
	size_t n;

	if (key[0] == '\0')
		return 0;
	if (strlen(key) > PARTITION_MAX || !utf8_valid(key, strlen(key)))
		return err_set(err, ERR_USAGE, "a partition is UTF-8 of at most %d bytes", PARTITION_MAX);
	for (const char *s = key;; s += n + 1) {
		n = strcspn(s, "/");
		if (!component_is_fine(s, n))
			return err_set(err, ERR_USAGE,
			    "partition '%s': components between '/' must not be empty, '.', '..' or hold "
			    "control characters",
			    key);
		if (s[n] == '\0')
			return 0;
	}
}

int partition_expand(const char *text, template_lookup *lookup, void *arg, struct strbuf *out, struct err *err)
{
	char *missing = NULL;
	int rc = 0;

	while (rc == 0 && text != NULL && *text != '\0') {
		size_t n = strcspn(text, "/");
		char *part = xstrndup(text, n);
		struct strbuf value = STRBUF_INIT(PARTITION_MAX);
		struct err why = ERR_INIT;

		if (template_expand(part, lookup, arg, &value, &why) == -1 && why.class != ERR_USAGE) {
			*err = why;
			rc = -1;
		} else if (why.class == ERR_USAGE || value.len == 0) {
			xstrset(&missing, part);
		} else if (missing != NULL) {
			rc = err_set(err, ERR_USAGE, "partition: %s has no value, but %s after it has one",
			    missing, part);
		} else {
			strbuf_addf(out, "%s%s", out->len > 0 ? "/" : "", value.buf);
		}
		strbuf_release(&value);
		free(part);
		text += n + (text[n] == '/');
	}
	free(missing);
	if (rc == 0 && out->overflowed)
		rc = err_set(err, ERR_USAGE, "the partition is longer than %d bytes", PARTITION_MAX);
	return rc == 0 ? partition_check(out->buf, err) : -1;
}
