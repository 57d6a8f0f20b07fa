/* The config of a run: run files, sensors' requests and --set, against the run options of the assets that will see it. */
#include "config.h"

#include "conf/conf_loader.h"

#include "base/mem.h"
#include "conf/opt_bind.h"
#include "step/asset.h"

#include <stdlib.h>
#include <string.h>

void run_rows_init(struct run_rows *r, struct conf_asset *const *assets, size_t n)
{
	*r = (struct run_rows){0};
	for (size_t i = 0; i < n; i++) {
		const struct asset_type *t = assets[i]->type;
		size_t k = 0;

		if (t == NULL)
			continue;
		r->any |= (t->flags & ASSET_ANY_CONFIG) != 0;
		while (k < r->n && r->parts[k].opts != t->run_opts)
			k++;
		if (t->run_opts == NULL || k < r->n)
			continue;
		r->parts = xreallocarray(r->parts, r->n + 1, sizeof(*r->parts));
		r->parts[r->n++] = (struct opt_part){t->run_opts, NULL};
	}
}

void run_rows_release(struct run_rows *r)
{
	free(r->parts);
	*r = (struct run_rows){0};
}

bool run_rows_has(const struct run_rows *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++)
		if (opt_find(r->parts[i].opts, name) != NULL)
			return true;
	return false;
}

static bool all_ignored(const struct run_rows *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct opt *o = opt_find(r->parts[i].opts, name);

		if (o != NULL && (o->flags & OPT_IGNORED) == 0)
			return false;
	}
	return true;
}

int run_rows_check(const struct run_rows *r, const struct node *key, const struct node *value,
    const char *where, struct diags *diags)
{
	for (size_t i = 0; i < r->n; i++) {
		const struct opt *o = opt_find(r->parts[i].opts, key->text);

		if (o != NULL && opt_bind_value(o, value, where, NULL, diags) == -1)
			return -1;
	}
	return 0;
}

static json_t *value_to_json(const struct node *v)
{
	json_t *j;

	switch (v->kind) {
	case NODE_TEXT: return json_text_new(v->text);
	case NODE_LIST:
		j = json_array();
		for (size_t i = 0; i < v->n; i++)
			json_array_append_new(j, json_text_new(v->item[i]->text));
		return j;
	case NODE_MAP:
		j = json_object();
		for (size_t i = 0; i < v->n; i++)
			json_object_set_new(j, v->key[i]->text, json_text_new(v->item[i]->text));
		return j;
	case NODE_NULL: break;
	}
	return json_null();
}

/* A key that only an asset with free config takes: any text. */
static int check_free(const struct node *key, const struct node *value, const char *where, struct diags *diags)
{
	const struct opt row = {.name = key->text, .type = OPT_STRING, .help = "passed on"};

	return opt_bind_value(&row, value, where, NULL, diags);
}

static void check_member(const struct run_rows *r, const struct node *key, const struct node *value,
    const char *where, json_t *out, struct diags *diags)
{
	int rc;

	if (run_rows_has(r, key->text)) {
		rc = run_rows_check(r, key, value, where, diags);
	} else if (r->any) {
		rc = check_free(key, value, where, diags);
	} else {
		opt_unknown(r->parts, r->n, NULL, key, where, diags);
		rc = -1;
	}
	if (rc == -1)
		return;
	if (!r->any && all_ignored(r, key->text))
		diag_add(diags, DIAG_NOTE, &key->mark, "ignored", "'%s' in %s has no effect any more",
		    key->text, where);
	else
		json_object_set_new(out, key->text, value_to_json(value));
}

/* over: see conf_load_run */
static json_t *check_config(const struct node *map, json_t *over, const char *where,
    struct conf_asset *const *assets, size_t n, struct diags *diags)
{
	size_t errors = diags->errors;
	struct run_rows rows;
	json_t *out;

	if (map->kind != NODE_MAP && !node_is_null(map)) {
		diag_add(diags, DIAG_ERROR, &map->mark, "type", "%s must be a mapping, not %s", where,
		    node_kind_name(map->kind));
		return NULL;
	}
	out = json_object();
	run_rows_init(&rows, assets, n);
	for (size_t i = 0; i < map->n; i++)
		if (json_object_get(over, map->key[i]->text) == NULL)
			check_member(&rows, map->key[i], map->item[i], where, out, diags);
	if (json_object_size(over) == 0)
		opt_require(rows.parts, rows.n, map, &map->mark, where, diags);
	json_object_update(out, over);
	run_rows_release(&rows);
	if (diags->errors == errors)
		return out;
	json_decref(out);
	return NULL;
}

json_t *conf_load_run(
    const char *path, json_t *over, struct conf_asset *const *assets, size_t n, struct diags *diags)
{
	struct node *root = node_load_yaml(path, diags);
	const struct node *config = node_get(root, "config");
	size_t errors = diags->errors;
	json_t *out = NULL;

	if (root == NULL)
		return NULL;
	if (node_is_null(root))
		diag_add(diags, DIAG_ERROR, &root->mark, "missing",
		    "the file holds nothing; values stand under 'config:'");
	else if (root->kind != NODE_MAP)
		diag_add(diags, DIAG_ERROR, &root->mark, "type", "a run file must be a mapping, not %s",
		    node_kind_name(root->kind));
	else if (config == NULL)
		diag_add(diags, DIAG_ERROR, &root->mark, "missing",
		    "'config' is missing; a run's values stand under 'config:'");
	for (size_t i = 0; config != NULL && i < root->n; i++)
		if (root->item[i] != config)
			diag_add(diags, DIAG_ERROR, &root->key[i]->mark, "unknown",
			    "unknown key '%.100s' in a run file; known is config", root->key[i]->text);
	if (config != NULL) {
		node_expand_env(root, diags);
		out = check_config(config, over, "config", assets, n, diags);
	}
	if (diags->errors != errors) {
		json_decref(out);
		out = NULL;
	}
	node_free(root);
	return out;
}

json_t *conf_check_run(
    const json_t *config, const char *where, struct conf_asset *const *assets, size_t n, struct diags *diags)
{
	struct node *map = node_from_json(config, where);
	json_t *out = check_config(map, NULL, where, assets, n, diags);

	node_free(map);
	return out;
}
