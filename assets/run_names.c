#include "config.h"

#include "assets/run_names.h"

#include "base/codec.h"
#include "base/template.h"
#include "base/utctime.h"

#include <inttypes.h>

#define KEY_MAX 1024

const char *run_names_get(const struct run_names *names, const char *name)
{
	return strmap_get(&names->v, name);
}

void run_names_release(struct run_names *names)
{
	strmap_release(&names->v);
}

static bool is_plain(const char *s)
{
	if (strcmp(s, ".") == 0 || strcmp(s, "..") == 0 || !utf8_valid(s, strlen(s)))
		return false;
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f || *s == '/' || *s == '\\')
			return false;
	return true;
}

static int add(struct run_names *names, const char *name, const char *value, struct err *err)
{
	if (!is_plain(value))
		return err_set(
		    err, ERR_USAGE, "%s: its value becomes part of object keys and must be a plain word", name);
	strmap_set(&names->v, name, value);
	return 0;
}

/* Texts and whole numbers of the run's mapping; lists and the like are no names. */
static int add_config(struct run_names *names, const json_t *config, struct err *err)
{
	const char *key;
	json_t *value;
	char number[24];

	json_object_foreach((json_t *)config, key, value)
	{
		/* Older run files carry paths that nothing uses any more. */
		if (json_is_string(value) && is_plain(json_string_value(value)))
			strmap_set(&names->v, key, json_string_value(value));
		if (!json_is_integer(value))
			continue;
		snprintf(number, sizeof(number), "%" PRId64, (int64_t)json_integer_value(value));
		if (add(names, key, number, err) == -1)
			return -1;
	}
	return 0;
}

static void add_next_date(struct run_names *names)
{
	const char *date = run_names_get(names, "observation_date");
	struct civil c;
	char next[16];

	if (date == NULL || utctime_parse_yyyymmdd(date, &c) == -1)
		return;
	civil_from_days(civil_days(c.year, c.month, c.day) + 1, &c);
	snprintf(next, sizeof(next), "%04u%02u%02u", (unsigned)c.year % 10000, (unsigned)c.month % 100,
	    (unsigned)c.day % 100);
	strmap_set(&names->v, "next_date", next);
}

int run_names_check(const struct strmap *derived, struct err *err)
{
	for (size_t i = 0; i < derived->values.n; i++)
		if (template_check(derived->values.v[i], NULL, NULL, err) == -1)
			return err_wrap(err, "names: %s", derived->keys.v[i]);
	return 0;
}

int run_names_init(struct run_names *names, const json_t *config, const struct strmap *derived, struct err *err)
{
	int rc;

	*names = (struct run_names){0};
	rc = add_config(names, config, err);
	if (rc == 0)
		add_next_date(names);
	for (size_t i = 0; rc == 0 && derived != NULL && i < derived->keys.n; i++) {
		char *value = run_names_text(names, derived->values.v[i], err);

		rc = value != NULL ? add(names, derived->keys.v[i], value, err) : -1;
		free(value);
	}
	if (rc == -1)
		run_names_release(names);
	return rc;
}

static const char *lookup(void *arg, const char *name, size_t *n)
{
	const char *value = run_names_get(arg, name);

	if (value != NULL)
		*n = strlen(value);
	return value;
}

char *run_names_text(const struct run_names *names, const char *template, struct err *err)
{
	struct strbuf sb = STRBUF_INIT(2 * KEY_MAX);

	if (template_expand(template, lookup, (void *)names, &sb, err) == -1) {
		err_wrap(err, "template '%s'", template);
		strbuf_release(&sb);
		return NULL;
	}
	return strbuf_detach(&sb);
}

/* Relative, no empty or dot components; the last may be empty, which makes it a folder's prefix. */
static bool is_key(const char *key)
{
	if (strlen(key) > KEY_MAX || key[0] == '/')
		return false;
	for (size_t n; *key != '\0'; key += n + (key[n] != '\0')) {
		n = strcspn(key, "/");
		if (n == 0 || (n <= 2 && memcmp(key, "..", n) == 0))
			return false;
	}
	return true;
}

char *run_names_key(const struct run_names *names, const char *template, struct err *err)
{
	char *key = run_names_text(names, template, err);

	if (key == NULL || is_key(key))
		return key;
	err_set(err, ERR_USAGE, "template '%s' gives '%s', which is no object key", template, key);
	free(key);
	return NULL;
}
