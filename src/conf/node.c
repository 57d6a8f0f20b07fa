#include "config.h"

#include "conf/node.h"

#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void node_free(struct node *n)
{
	if (n == NULL)
		return;
	for (size_t i = 0; i < n->n; i++) {
		node_free(n->item[i]);
		if (n->key != NULL)
			node_free(n->key[i]);
	}
	free(n->item);
	free(n->key);
	free(n->text);
	free(n->file);
	free(n);
}

const struct node *node_get(const struct node *map, const char *key)
{
	if (map == NULL || map->kind != NODE_MAP)
		return NULL;
	for (size_t i = 0; i < map->n; i++)
		if (strcmp(map->key[i]->text, key) == 0)
			return map->item[i];
	return NULL;
}

const char *node_text(const struct node *map, const char *key)
{
	const struct node *v = node_get(map, key);

	return v != NULL && v->kind == NODE_TEXT ? v->text : NULL;
}

const char *node_kind_name(enum node_kind kind)
{
	static const char *const names[] = {
	    [NODE_NULL] = "nothing",
	    [NODE_TEXT] = "a text",
	    [NODE_LIST] = "a list",
	    [NODE_MAP] = "a mapping",
	};

	return names[kind];
}

bool node_is_null(const struct node *n)
{
	if (n == NULL || n->kind == NODE_NULL)
		return true;
	return n->kind == NODE_TEXT && !n->quoted &&
	       (strcmp(n->text, "null") == 0 || strcmp(n->text, "~") == 0);
}

/* [+-] digits [. digits] [e [+-] digits], at least one digit before the exponent. */
static bool is_decimal(const char *s)
{
	size_t digits = 0;

	s += *s == '+' || *s == '-';
	for (; isdigit((unsigned char)*s); s++)
		digits++;
	s += *s == '.';
	for (; isdigit((unsigned char)*s); s++)
		digits++;
	if (digits == 0)
		return false;
	if (*s != 'e' && *s != 'E')
		return *s == '\0';
	s++;
	s += *s == '+' || *s == '-';
	return isdigit((unsigned char)*s) && s[strspn(s, "0123456789")] == '\0';
}

int node_as_double(const struct node *n, double *out)
{
	static locale_t c_locale;
	double v;

	if (n == NULL || n->kind != NODE_TEXT || !is_decimal(n->text))
		return -1;
	if (c_locale == (locale_t)0 && (c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0)) == (locale_t)0)
		return -1;
	v = strtod_l(n->text, NULL, c_locale);
	if (v > 1.7976931348623157e308 || v < -1.7976931348623157e308)
		return -1;
	*out = v;
	return 0;
}

int node_as_int(const struct node *n, int64_t *out)
{
	const char *s;
	long long v;

	if (n == NULL || n->kind != NODE_TEXT)
		return -1;
	s = n->text + (n->text[0] == '-');
	if (*s == '\0' || s[strspn(s, "0123456789")] != '\0')
		return -1;
	errno = 0;
	v = strtoll(n->text, NULL, 10);
	if (errno != 0)
		return -1;
	*out = v;
	return 0;
}

int node_as_bool(const struct node *n, bool *out)
{
	static const struct {
		const char *text;
		bool value;
	} words[] = {
	    {"true", true}, {"yes", true}, {"on", true}, {"false", false}, {"no", false}, {"off", false}};

	if (n == NULL || n->kind != NODE_TEXT)
		return -1;
	for (size_t i = 0; i < NITEMS(words); i++) {
		if (strcmp(n->text, words[i].text) == 0) {
			*out = words[i].value;
			return 0;
		}
	}
	return -1;
}

/* The shortest plain decimal that reads back as v: option texts have no exponents. */
static char *real_text(double v)
{
	char buf[400];

	for (int digits = 1; digits <= 17; digits++) {
		snprintf(buf, sizeof(buf), "%.*g", digits, v);
		if (strtod(buf, NULL) == v)
			break;
	}
	for (int places = 0; strpbrk(buf, "eE") != NULL && places <= 340; places++) {
		char plain[400];

		snprintf(plain, sizeof(plain), "%.*f", places, v);
		if (strtod(plain, NULL) == v)
			memcpy(buf, plain, sizeof(buf));
	}
	return xstrdup(buf);
}

static struct node *from_json(const json_t *j, const char *file)
{
	struct node *n = xcalloc(1, sizeof(*n));
	json_t *member;
	const char *key;
	size_t i;

	n->mark.file = file;
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		n->kind = NODE_MAP;
		n->item = xcalloc(json_object_size(j) + 1, sizeof(*n->item));
		n->key = xcalloc(json_object_size(j) + 1, sizeof(*n->key));
		json_object_foreach((json_t *)j, key, member)
		{
			n->key[n->n] = xcalloc(1, sizeof(**n->key));
			*n->key[n->n] = (struct node){
			    .kind = NODE_TEXT, .mark = n->mark, .text = xstrdup(key), .quoted = true};
			n->item[n->n++] = from_json(member, file);
		}
		break;
	case JSON_ARRAY:
		n->kind = NODE_LIST;
		n->item = xcalloc(json_array_size(j) + 1, sizeof(*n->item));
		json_array_foreach(j, i, member) n->item[n->n++] = from_json(member, file);
		break;
	case JSON_STRING:
		n->kind = NODE_TEXT;
		n->quoted = true;
		n->text = xstrdup(json_string_value(j));
		break;
	case JSON_INTEGER:
		n->kind = NODE_TEXT;
		n->text = xasprintf("%" JSON_INTEGER_FORMAT, json_integer_value(j));
		break;
	case JSON_REAL:
		n->kind = NODE_TEXT;
		n->text = real_text(json_real_value(j));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		n->kind = NODE_TEXT;
		n->text = xstrdup(json_is_true(j) ? "true" : "false");
		break;
	case JSON_NULL: break;
	}
	return n;
}

struct node *node_from_json(const json_t *j, const char *what)
{
	char *file = xstrdup(what);
	struct node *n = from_json(j, file);

	n->file = file;
	return n;
}
