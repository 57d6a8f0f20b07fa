#include "config.h"

#include "conf/opt.h"

#include "conf/opt_text.h"
#include "conf/secret.h"

#include <stdlib.h>
#include <string.h>

static const char *const type_name[] = {
    [OPT_STRING] = "text",
    [OPT_INT] = "integer",
    [OPT_SIZE] = "size",
    [OPT_DURATION] = "duration",
    [OPT_DOUBLE] = "number",
    [OPT_BOOL] = "boolean",
    [OPT_CHOICE] = "choice",
    [OPT_PATTERN] = "pattern",
    [OPT_TEMPLATE] = "template",
    [OPT_KEY] = "key",
    [OPT_PREFIX] = "prefix",
    [OPT_PATH] = "path",
    [OPT_DATE] = "date",
    [OPT_STRLIST] = "list",
    [OPT_STRMAP] = "mapping",
    [OPT_SECRET] = "secret",
    [OPT_STORE] = "store",
    [OPT_DATABASE] = "database",
};
static_assert(NITEMS(type_name) == OPT_NTYPES, "name every type");

const char *opt_type_name(enum opt_type type)
{
	return type_name[type];
}

const struct opt *opt_find(const struct opt *opts, const char *name)
{
	for (const struct opt *o = opts; o != NULL && o->name != NULL; o++)
		if (strcmp(o->name, name) == 0)
			return o;
	return NULL;
}

void opt_release(const struct opt *opts, void *conf)
{
	for (const struct opt *o = opts; o != NULL && o->name != NULL; o++) {
		void *field = (char *)conf + o->off;

		if ((o->flags & OPT_IGNORED) != 0)
			continue;
		switch (o->type) {
		case OPT_INT:
		case OPT_SIZE:
		case OPT_DURATION:
		case OPT_DOUBLE:
		case OPT_BOOL: break;
		case OPT_STRLIST: strvec_release(field); break;
		case OPT_STRMAP: strmap_release(field); break;
		case OPT_SECRET: secret_release(field); break;
		default: free(*(char **)field); *(char **)field = NULL;
		}
	}
}

static json_t *list_to_json(const struct strvec *list)
{
	json_t *j = json_array();

	for (size_t i = 0; i < list->n; i++)
		json_array_append_new(j, json_text_new(list->v[i]));
	return j;
}

static json_t *map_to_json(const struct strmap *map)
{
	json_t *j = json_object();

	for (size_t i = 0; i < map->keys.n; i++)
		json_object_set_new(j, map->keys.v[i], json_text_new(map->values.v[i]));
	return j;
}

/* NULL: absent. */
static json_t *field_to_json(const struct opt *o, const void *field)
{
	const char *text;

	switch (o->type) {
	case OPT_INT: return json_integer(*(const int64_t *)field);
	case OPT_SIZE: return json_sprintf("%lldB", (long long)*(const int64_t *)field);
	case OPT_DURATION: return json_sprintf("%lldms", (long long)*(const tm_ms *)field);
	case OPT_DOUBLE: return json_real(*(const double *)field);
	case OPT_BOOL: return json_boolean(*(const bool *)field);
	case OPT_STRLIST: return list_to_json(field);
	case OPT_STRMAP: return map_to_json(field);
	case OPT_SECRET: return secret_to_json(field);
	default: text = *(char *const *)field; return text != NULL ? json_text_new(text) : NULL;
	}
}

json_t *opt_to_json(const struct opt *opts, const void *conf)
{
	json_t *j = json_object(), *value;

	for (const struct opt *o = opts; o != NULL && o->name != NULL; o++) {
		if ((o->flags & OPT_IGNORED) != 0)
			continue;
		if ((value = field_to_json(o, (const char *)conf + o->off)) != NULL)
			json_object_set_new(j, o->name, value);
	}
	return j;
}
