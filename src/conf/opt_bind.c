#include "config.h"

#include "conf/opt_bind.h"

#include "base/fs.h"
#include "base/mem.h"
#include "base/suggest.h"
#include "conf/opt_text.h"
#include "conf/secret.h"

#include <stdlib.h>
#include <string.h>

/* Where relative paths of a node start: the folder of its file; NULL when it stands in none. */
static char *dir_of(const struct node *n)
{
	return n != NULL && n->mark.file != NULL && n->mark.line > 0 ? fs_dirname(n->mark.file) : NULL;
}

static const char *wanted_kind(const struct opt *opt)
{
	return opt->type == OPT_STRLIST  ? "a list of texts"
	       : opt->type == OPT_STRMAP ? "a mapping of texts"
	                                 : "a text";
}

/* -1 with a message when the value is not what kind says. */
static int check_kind(
    const struct opt *opt, const struct node *v, enum node_kind kind, const char *where, struct diags *diags)
{
	if (node_is_null(v)) {
		diag_add(diags, DIAG_ERROR, &v->mark, "missing", "'%s' in %s has no value", opt->name, where);
		return -1;
	}
	if (v->kind == kind)
		return 0;
	/* '{site}' without quotes reads as a mapping with one empty member. */
	bool place = v->kind == NODE_MAP && v->n == 1 && node_is_null(v->item[0]);
	diag_add(diags, DIAG_ERROR, &v->mark, "type", "'%s' in %s must be %s, not %s%s", opt->name, where,
	    wanted_kind(opt), node_kind_name(v->kind), place ? "; put templates in quotes: '{name}'" : "");
	return -1;
}

static int refuse_value(
    const struct opt *opt, const struct node *v, const char *where, const struct err *err, struct diags *diags)
{
	diag_add(diags, DIAG_ERROR, &v->mark, "value", "'%s' in %s: %s", opt->name, where, err->text);
	return -1;
}

static int bind_list(
    const struct opt *opt, const struct node *v, const char *where, struct strvec *out, struct diags *diags)
{
	const struct node *const one[] = {v};
	const struct node *const *item = one;
	struct strvec items = STRVEC_INIT;
	struct err err = ERR_INIT;
	size_t n = 1;
	int rc = 0;

	if (v->kind == NODE_LIST) {
		item = (const struct node *const *)v->item;
		n = v->n;
	}
	for (size_t i = 0; i < n; i++) {
		if (check_kind(opt, item[i], NODE_TEXT, where, diags) == -1)
			rc = -1;
		else if (opt_check_item(opt, item[i]->text, &err) == -1)
			rc = refuse_value(opt, item[i], where, &err, diags);
		else
			strvec_push(&items, item[i]->text);
	}
	if (rc == 0 && opt_check_count(opt, items.n, &err) == -1)
		rc = refuse_value(opt, v, where, &err, diags);
	if (rc == -1) {
		strvec_release(&items);
		return -1;
	}
	strvec_release(out);
	*out = items;
	return 0;
}

static int bind_map(
    const struct opt *opt, const struct node *v, const char *where, struct strmap *out, struct diags *diags)
{
	struct strmap map = {0};
	struct err err = ERR_INIT;
	int rc = check_kind(opt, v, NODE_MAP, where, diags);

	for (size_t i = 0; rc == 0 && i < v->n; i++) {
		const char *key = v->key[i]->text;

		if (check_kind(opt, v->item[i], NODE_TEXT, where, diags) == -1) {
			rc = -1;
		} else if (key[0] == '\0') {
			err_set(&err, ERR_CONFIG, "a name must not be empty");
			rc = refuse_value(opt, v->key[i], where, &err, diags);
		} else if (opt_check_chars(key, false, &err) == -1 ||
		           opt_check_chars(v->item[i]->text, false, &err) == -1) {
			rc = refuse_value(opt, v->item[i], where, &err, diags);
		} else {
			/* The reader has refused duplicates, so that pushing is enough. */
			strvec_push(&map.keys, key);
			strvec_push(&map.values, v->item[i]->text);
		}
	}
	if (rc == -1) {
		strmap_release(&map);
		return -1;
	}
	strmap_release(out);
	*out = map;
	return 0;
}

static int bind_text(
    const struct opt *opt, const struct node *v, const char *where, void *conf, struct diags *diags)
{
	struct err err = ERR_INIT;
	char *dir;
	int rc;

	if (check_kind(opt, v, NODE_TEXT, where, diags) == -1)
		return -1;
	dir = dir_of(v);
	rc = opt_parse_in(opt, v->text, dir, conf, &err);
	free(dir);
	return rc == 0 ? 0 : refuse_value(opt, v, where, &err, diags);
}

static int bind_secret(
    const struct opt *opt, const struct node *v, const char *where, void *conf, struct diags *diags)
{
	char *dir = dir_of(v);
	int rc = secret_bind(v, opt->name, where, (opt->flags & OPT_LITERAL_OK) != 0, dir, conf, diags);

	free(dir);
	return rc;
}

static int bind_field(
    const struct opt *opt, const struct node *v, const char *where, void *conf, struct diags *diags)
{
	switch (opt->type) {
	case OPT_STRLIST: return bind_list(opt, v, where, (void *)((char *)conf + opt->off), diags);
	case OPT_STRMAP: return bind_map(opt, v, where, (void *)((char *)conf + opt->off), diags);
	case OPT_SECRET: return bind_secret(opt, v, where, (char *)conf + opt->off, diags);
	default: return bind_text(opt, v, where, conf, diags);
	}
}

int opt_bind_value(
    const struct opt *opt, const struct node *value, const char *where, void *conf, struct diags *diags)
{
	union {
		char *s;
		int64_t i;
		double d;
		bool b;
		struct strvec list;
		struct strmap map;
		struct secret_ref secret;
	} scratch = {0};
	struct opt row[] = {*opt, OPT_END};
	int rc;

	if (conf != NULL)
		return bind_field(opt, value, where, conf, diags);
	row[0].off = 0;
	row[0].flags &= ~(unsigned)OPT_IGNORED;
	rc = bind_field(&row[0], value, where, &scratch, diags);
	opt_release(row, &scratch);
	return rc;
}

struct candidates {
	const struct opt_part *parts;
	size_t n;
	const char *const *also;
};

static const char *candidate(const void *arg, size_t i)
{
	const struct candidates *c = arg;

	for (size_t p = 0; p < c->n; p++)
		for (const struct opt *o = c->parts[p].opts; o != NULL && o->name != NULL; o++)
			if (i-- == 0)
				return o->name;
	for (size_t k = 0; c->also != NULL && c->also[k] != NULL; k++)
		if (i-- == 0)
			return c->also[k];
	return NULL;
}

void opt_unknown(const struct opt_part *parts, size_t n, const char *const *also, const struct node *key,
    const char *where, struct diags *diags)
{
	struct candidates c = {parts, n, also};
	const char *near = diags_full(diags) ? NULL : suggest_nearest(key->text, candidate, &c), *name;
	struct strbuf known = STRBUF_INIT(400);

	if (near != NULL) {
		diag_add(diags, DIAG_ERROR, &key->mark, "unknown",
		    "unknown key '%.100s' in %s; did you mean '%s'?", key->text, where, near);
		return;
	}
	for (size_t i = 0; (name = candidate(&c, i)) != NULL; i++)
		strbuf_addf(&known, "%s%s", i == 0 ? "" : ", ", name);
	diag_add(diags, DIAG_ERROR, &key->mark, "unknown", "unknown key '%.100s' in %s%s%s%s", key->text, where,
	    known.len > 0 ? "; known are " : "", known.buf, known.overflowed ? ", ..." : "");
	strbuf_release(&known);
}

static void bind_defaults(const struct opt_part *part, const char *dir)
{
	struct err err = ERR_INIT;

	for (const struct opt *o = part->opts; o != NULL && o->name != NULL; o++) {
		if (o->def == NULL || (o->flags & OPT_IGNORED) != 0)
			continue;
		int rc = opt_parse_in(o, o->def, dir, part->conf, &err);
		assert(rc == 0); /* a test walks every table */
		(void)rc;
	}
}

const char *const opt_also_anything[1] = {NULL};

static int bind_member(const struct opt_part *parts, size_t n, const char *const *also, const struct node *key,
    const struct node *value, const char *where, struct diags *diags)
{
	for (size_t i = 0; i < n; i++) {
		const struct opt *o = opt_find(parts[i].opts, key->text);

		if (o == NULL)
			continue;
		if ((o->flags & OPT_IGNORED) != 0)
			diag_add(diags, DIAG_NOTE, &key->mark, "ignored", "'%s' in %s has no effect any more",
			    o->name, where);
		return opt_bind_value(
		    o, value, where, (o->flags & OPT_IGNORED) != 0 ? NULL : parts[i].conf, diags);
	}
	for (size_t i = 0; also != NULL && also[i] != NULL; i++)
		if (strcmp(also[i], key->text) == 0)
			return 0;
	if (also == opt_also_anything)
		return 0;
	opt_unknown(parts, n, also, key, where, diags);
	return -1;
}

static bool is_known(const struct opt_part *parts, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (opt_find(parts[i].opts, name) != NULL)
			return true;
	return false;
}

/* An unknown key of the map whose nearest name this is. */
static bool is_misspelt(const struct opt_part *parts, size_t n, const struct node *map, const char *name)
{
	struct candidates c = {parts, n, NULL};

	for (size_t i = 0; map != NULL && i < map->n; i++) {
		const char *near;

		if (is_known(parts, n, map->key[i]->text))
			continue;
		near = suggest_nearest(map->key[i]->text, candidate, &c);
		if (near != NULL && strcmp(near, name) == 0)
			return true;
	}
	return false;
}

static bool is_required(const struct opt *o)
{
	return (o->flags & OPT_REQUIRED) != 0 && o->def == NULL;
}

int opt_require(const struct opt_part *parts, size_t n, const struct node *map, const struct mark *mark,
    const char *where, struct diags *diags)
{
	int rc = 0;

	for (size_t i = 0; i < n; i++) {
		for (const struct opt *o = parts[i].opts; o != NULL && o->name != NULL; o++) {
			bool told = false;

			if (!is_required(o) ||
			    (map != NULL && map->kind == NODE_MAP && node_get(map, o->name) != NULL))
				continue;
			for (size_t k = 0; k < i && !told; k++) {
				const struct opt *before = opt_find(parts[k].opts, o->name);

				told = before != NULL && is_required(before);
			}
			rc = -1;
			if (!told && (diags_full(diags) || !is_misspelt(parts, n, map, o->name)))
				diag_add(diags, DIAG_ERROR, mark, "missing", "'%s' is missing in %s: %s",
				    o->name, where, o->help);
		}
	}
	return rc;
}

int opt_bind_parts(const struct opt_part *parts, size_t n, const char *const *also, const struct node *map,
    const char *where, struct diags *diags)
{
	char *dir = dir_of(map);
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		bind_defaults(&parts[i], dir);
	free(dir);
	if (map != NULL && map->kind != NODE_MAP && map->kind != NODE_NULL) {
		diag_add(diags, DIAG_ERROR, &map->mark, "type", "%s must be a mapping, not %s", where,
		    node_kind_name(map->kind));
		return -1;
	}
	for (size_t i = 0; map != NULL && i < map->n; i++)
		rc |= bind_member(parts, n, also, map->key[i], map->item[i], where, diags);
	rc |= opt_require(parts, n, map, map != NULL ? &map->mark : NULL, where, diags);
	return rc;
}

int opt_bind(const struct opt *opts, const struct node *map, const char *where, void *conf, struct diags *diags)
{
	struct opt_part part = {opts, conf};

	return opt_bind_parts(&part, 1, NULL, map, where, diags);
}

int opt_bind_some(
    const struct opt *opts, const struct node *map, const char *where, void *conf, struct diags *diags)
{
	struct opt_part part = {opts, conf};

	return opt_bind_parts(&part, 1, opt_also_anything, map, where, diags);
}
