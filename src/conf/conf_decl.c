/* From files to declarations: what stands at the top of each, under which name, and that no name stands for two things. */
#include "config.h"

#include "conf/conf_loader.h"

#include "base/mem.h"
#include "base/suggest.h"
#include "step/asset.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const conf_kind_name[CONF_NKINDS] = {
    [CONF_POOL] = "pool",
    [CONF_STORE] = "store",
    [CONF_DATABASE] = "database",
    [CONF_SENSOR] = "sensor",
    [CONF_ASSET] = "asset",
    [CONF_JOB] = "job",
    [CONF_NOTIFICATION] = "notification",
};

static const char *const kind_key[CONF_NKINDS] = {
    [CONF_POOL] = "pools",
    [CONF_STORE] = "stores",
    [CONF_DATABASE] = "databases",
    [CONF_SENSOR] = "sensors",
    [CONF_ASSET] = "assets",
    [CONF_JOB] = "jobs",
    [CONF_NOTIFICATION] = "notifications",
};

static const char *const single_key[CONF_NSINGLES] = {
    [CONF_STATE_DIR] = "state_dir",
    [CONF_WEB] = "web",
    [CONF_PUSH] = "push",
    [CONF_LIMITS] = "limits",
};

const char *conf_where(enum conf_kind kind, const char *name, char out[CONF_NAME_MAX + 32])
{
	snprintf(out, CONF_NAME_MAX + 32, "%s '%.*s'", conf_kind_name[kind], CONF_NAME_MAX, name);
	return out;
}

/* Words that a command line or a page would mix up with names. */
static const char *const reserved[] = {"all", "none", "null", "latest"};

int conf_name_check(const char *name, struct err *err)
{
	size_t n = strlen(name);

	if (n == 0)
		return err_set(err, ERR_CONFIG, "a name must not be empty");
	if (n > CONF_NAME_MAX)
		return err_set(
		    err, ERR_CONFIG, "a name of %zu bytes, at most %d are allowed", n, CONF_NAME_MAX);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)name[i]) &&
		    (strchr("_-.", name[i]) == NULL || (i == 0 && name[i] != '_')))
			return err_set(err, ERR_CONFIG,
			    "'%s' cannot be a name: letters, digits, '_', '-' and '.', beginning with a "
			    "letter, digit or '_'",
			    name);
	if (strstr(name, "..") != NULL)
		return err_set(err, ERR_CONFIG, "'%s' cannot be a name: '..' is not allowed in it", name);
	for (size_t i = 0; i < NITEMS(reserved); i++)
		if (strcasecmp(name, reserved[i]) == 0)
			return err_set(err, ERR_CONFIG, "'%s' cannot be a name: it is a reserved word", name);
	return 0;
}

static int by_name_folded(const void *a, const void *b)
{
	const struct conf_named *x = a, *y = b;
	int c = strcasecmp(x->name, y->name);

	return c != 0 ? c : strcmp(x->name, y->name);
}

void conf_names_distinct(struct conf_named *v, size_t n, const char *what, struct diags *diags)
{
	qsort(v, n, sizeof(*v), by_name_folded);
	for (size_t i = 1; i < n; i++) {
		const struct conf_named *a = &v[i - 1], *b = &v[i];

		if (strcasecmp(a->name, b->name) != 0)
			continue;
		if (strcmp(a->name, b->name) == 0)
			diag_add(diags, DIAG_ERROR, b->mark, "duplicate",
			    "two %ss are called '%.100s'; the other is at %s:%d:%d", what, b->name,
			    a->mark->file, a->mark->line, a->mark->column);
		else
			diag_add(diags, DIAG_ERROR, b->mark, "duplicate",
			    "%s '%.100s' differs only in case from '%.100s' at %s:%d:%d", what, b->name,
			    a->name, a->mark->file, a->mark->line, a->mark->column);
	}
}

static void push(struct conf_decls *d, const struct node *key, const struct node *body)
{
	if (d->n == d->cap) {
		d->cap = d->cap != 0 ? 2 * d->cap : 16;
		d->v = xreallocarray(d->v, d->cap, sizeof(*d->v));
	}
	d->v[d->n++] = (struct conf_decl){key, body};
}

static void gather_kind(struct loader *l, enum conf_kind kind, struct node *section)
{
	struct err err = ERR_INIT;

	if (node_is_null(section))
		return; /* a section with everything commented out */
	if (section->kind != NODE_MAP) {
		diag_add(l->diags, DIAG_ERROR, &section->mark, "type",
		    "'%s' must be a mapping of names, not %s", kind_key[kind], node_kind_name(section->kind));
		return;
	}
	node_expand_env(section, l->diags);
	for (size_t i = 0; i < section->n; i++) {
		if (conf_name_check(section->key[i]->text, &err) == -1)
			diag_add(l->diags, DIAG_ERROR, &section->key[i]->mark, "value", "%s: %s",
			    conf_kind_name[kind], err.text);
		else
			push(&l->decls[kind], section->key[i], section->item[i]);
	}
}

static void gather_single(struct loader *l, enum conf_single which, const struct node *key, struct node *value)
{
	const struct node *first = l->single[which].key;

	node_expand_env(value, l->diags);
	if (first == NULL)
		l->single[which] = (struct conf_decl){key, value};
	else
		diag_add(l->diags, DIAG_ERROR, &key->mark, "duplicate",
		    "'%s' stands in two files; the other is at %s:%d:%d", key->text, first->mark.file,
		    first->mark.line, first->mark.column);
}

static bool is_section(const char *key)
{
	for (size_t i = 0; asset_types[i] != NULL; i++)
		for (size_t k = 0; asset_types[i]->sections != NULL && asset_types[i]->sections[k] != NULL; k++)
			if (strcmp(asset_types[i]->sections[k], key) == 0)
				return true;
	return false;
}

static void gather_section(struct loader *l, const struct conf_file *f, const struct node *key)
{
	struct conf *c = l->conf;

	for (size_t i = 0; i < c->nsections; i++) {
		const struct mark *m = &l->section_key[i]->mark;

		if (strcmp(c->sections[i].name, key->text) != 0)
			continue;
		diag_add(l->diags, DIAG_ERROR, &key->mark, "duplicate",
		    "'%s' stands in two files; the other is at %s:%d:%d", key->text, m->file, m->line,
		    m->column);
		return;
	}
	c->sections = xreallocarray(c->sections, c->nsections + 1, sizeof(*c->sections));
	l->section_key = xreallocarray(l->section_key, c->nsections + 1, sizeof(*l->section_key));
	l->section_key[c->nsections] = key;
	c->sections[c->nsections++] = (struct conf_section){xstrdup(key->text), xstrdup(f->path)};
}

/* The keys that may stand at the top of a file: ours, then those of asset types. */
static const char *top_key(const void *arg, size_t i)
{
	if (i < CONF_NKINDS)
		return kind_key[i];
	if ((i -= CONF_NKINDS) < CONF_NSINGLES)
		return single_key[i];
	if ((i -= CONF_NSINGLES) < 2)
		return i == 0 ? "include" : "version";
	i -= 2;
	for (size_t t = 0; asset_types[t] != NULL; t++)
		for (size_t k = 0; asset_types[t]->sections != NULL && asset_types[t]->sections[k] != NULL; k++)
			if (i-- == 0)
				return asset_types[t]->sections[k];
	return NULL;
}

static void unknown_key(struct loader *l, const struct node *key)
{
	const char *near = diags_full(l->diags) ? NULL : suggest_nearest(key->text, top_key, NULL);

	if (near != NULL)
		diag_add(l->diags, DIAG_ERROR, &key->mark, "unknown",
		    "unknown section '%.100s'; did you mean '%s'?", key->text, near);
	else
		diag_add(l->diags, DIAG_ERROR, &key->mark, "unknown",
		    "unknown section '%.100s'; known are state_dir, web, push, limits, pools, stores, "
		    "databases, "
		    "include, sensors, "
		    "assets, jobs, notifications, and what asset types read themselves",
		    key->text);
}

static void gather_key(struct loader *l, const struct conf_file *f, const struct node *key, struct node *value)
{
	for (size_t k = 0; k < CONF_NKINDS; k++)
		if (strcmp(kind_key[k], key->text) == 0) {
			gather_kind(l, (enum conf_kind)k, value);
			return;
		}
	for (size_t k = 0; k < CONF_NSINGLES; k++)
		if (strcmp(single_key[k], key->text) == 0) {
			gather_single(l, (enum conf_single)k, key, value);
			return;
		}
	/* Includes were followed while reading the files; every file has a version of its own. */
	if (strcmp(key->text, "include") == 0 || strcmp(key->text, "version") == 0)
		return;
	if (is_section(key->text))
		gather_section(l, f, key);
	else
		unknown_key(l, key);
}

/* A file of our own keys alone is of version 1; where others' sections stand, the number is theirs. */
static void check_version(struct loader *l, const struct node *root)
{
	const struct node *v = node_get(root, "version");

	for (size_t i = 0; v != NULL && i < root->n; i++)
		if (strcmp(root->key[i]->text, "version") != 0 && is_section(root->key[i]->text))
			return;
	if (v != NULL && (v->kind != NODE_TEXT || strcmp(v->text, "1") != 0))
		diag_add(l->diags, DIAG_ERROR, &v->mark, "value",
		    "version '%.60s' is not supported; this program reads version 1",
		    v->kind == NODE_TEXT ? v->text : node_kind_name(v->kind));
}

static void gather_file(struct loader *l, const struct conf_file *f)
{
	const struct node *root = f->root;

	if (node_is_null(root)) {
		bool first = f->parent == NULL;

		diag_add(l->diags, first ? DIAG_ERROR : DIAG_WARNING, &root->mark, "missing",
		    "the file holds nothing");
		return;
	}
	if (root->kind != NODE_MAP) {
		diag_add(l->diags, DIAG_ERROR, &root->mark, "type",
		    "a configuration file must be a mapping, not %s", node_kind_name(root->kind));
		return;
	}
	check_version(l, root);
	for (size_t i = 0; i < root->n; i++)
		gather_key(l, f, root->key[i], root->item[i]);
}

static int by_key(const void *a, const void *b)
{
	const struct conf_decl *x = a, *y = b;

	return strcmp(x->key->text, y->key->text);
}

/* Sorted, and each name once: of two declarations the first stays, so that the rest can still be checked. */
static void settle(struct loader *l, enum conf_kind kind)
{
	struct conf_decls *d = &l->decls[kind];
	struct conf_named *names = xcalloc(d->n + 1, sizeof(*names));
	size_t kept = 0;

	for (size_t i = 0; i < d->n; i++)
		names[i] = (struct conf_named){d->v[i].key->text, &d->v[i].key->mark};
	if (kind != CONF_ASSET) /* assets share their names with aliases and are judged with them */
		conf_names_distinct(names, d->n, conf_kind_name[kind], l->diags);
	free(names);
	if (d->n > 1)
		qsort(d->v, d->n, sizeof(*d->v), by_key);
	for (size_t i = 0; i < d->n; i++)
		if (kind == CONF_ASSET || kept == 0 || by_key(&d->v[kept - 1], &d->v[i]) != 0)
			d->v[kept++] = d->v[i];
	d->n = kept;
}

void conf_decls_gather(struct loader *l)
{
	for (size_t i = 0; i < l->nfiles; i++)
		if (l->files[i]->root != NULL)
			gather_file(l, l->files[i]);
	for (size_t k = 0; k < CONF_NKINDS; k++)
		settle(l, (enum conf_kind)k);
}
