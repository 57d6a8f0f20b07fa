#include "config.h"

#include "sensors/upload_lookup.h"

#include "base/mem.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOKUPS_MAX 8 /* uploads looked up at the same time */

/* One upload being looked up. */
struct lookup {
	struct upload_lookups *all;
	const char *key; /* of the check file; NULL: free */
	const char *upload; /* its name, in key */
	struct store_op *list;
	struct upload_group *group; /* once its check file was seen */
};

struct upload_lookups {
	struct chunked_upload *cu;
	struct store *store;
	const char *const *hints;
	size_t n, next, looking, ngroups;
	struct upload_group **groups; /* NULL: given away */
	struct upload_looked_up what;
	struct lookup lookup[LOOKUPS_MAX];
	upload_looked_up_cb *cb;
	void *arg;
};

static void finish(struct upload_lookups *u, const struct err *err)
{
	struct upload_group **groups = u->groups;

	u->groups = NULL;
	u->cb(groups, &u->what, err, u->arg);
}

static void look_up_more(struct upload_lookups *u);

static void lookup_end(struct lookup *l, const struct err *err)
{
	struct upload_lookups *u = l->all;

	l->key = NULL;
	u->looking--;
	if (err != NULL)
		finish(u, err);
	else
		look_up_more(u);
}

static void on_pieces(const struct store_object *objs, size_t n, bool last, const struct err *err, void *arg)
{
	struct lookup *l = arg;
	struct upload_lookups *u = l->all;
	struct upload_name name;

	for (size_t i = 0; i < n; i++) {
		const char *base = upload_base(u->cu, objs[i].key);

		if (base == NULL)
			continue;
		upload_names_read(u->cu->names, base, &name);
		if (name.role == UPLOAD_PIECE && strcmp(name.upload, l->upload) == 0)
			upload_group_add_piece(l->group, name.index, name.width, &objs[i]);
	}
	u->what.nkeys += (int64_t)n;
	if (last)
		lookup_end(l, err);
}

static void list_pieces(struct lookup *l)
{
	struct upload_lookups *u = l->all;
	struct strbuf begin = STRBUF_INIT(2 * STORE_KEY_MAX);

	strbuf_add(&begin, l->key, (size_t)(l->upload - l->key));
	upload_names_begin(u->cu->names, l->upload, &begin);
	l->list = store_list(u->store, begin.buf, NULL, (size_t)u->cu->conf->max_keys + 1, on_pieces, l);
	strbuf_release(&begin);
}

static void see_check(struct lookup *l, const struct store_object *obj)
{
	struct upload_lookups *u = l->all;
	struct upload_name name;

	upload_names_read(u->cu->names, l->upload, &name);
	l->group = upload_table_get(&u->cu->table, l->key, strlen(l->key));
	l->group->base = (size_t)(l->upload - l->key);
	snprintf(l->group->date, sizeof(l->group->date), "%s", name.date ? name.date : "");
	upload_group_set_check(l->group, obj);
	u->groups[u->ngroups++] = l->group;
}

/* The first key that begins like the check file's is the check file, or there is none. */
static void on_check(const struct store_object *objs, size_t n, bool last, const struct err *err, void *arg)
{
	struct lookup *l = arg;

	for (size_t i = 0; i < n; i++)
		if (strcmp(objs[i].key, l->key) == 0)
			see_check(l, &objs[i]);
	if (!last)
		return;
	l->all->what.unchecked += err == NULL && l->group == NULL;
	if (err != NULL || l->group == NULL)
		lookup_end(l, err);
	else
		list_pieces(l);
}

static void look_up(struct upload_lookups *u, const char *key)
{
	struct lookup *l = u->lookup;

	while (l->key != NULL) /* there is a free one: looking < LOOKUPS_MAX */
		l++;
	*l = (struct lookup){.all = u, .key = key, .upload = upload_base(u->cu, key)};
	l->list = store_list(u->store, key, NULL, 1, on_check, l);
	u->looking++;
}

static void look_up_more(struct upload_lookups *u)
{
	while (u->next < u->n && u->looking < LOOKUPS_MAX)
		look_up(u, u->hints[u->next++]);
	if (u->looking == 0)
		finish(u, NULL);
}

bool upload_lookups_can(struct chunked_upload *cu, const char *const *hints, size_t n)
{
	struct strbuf begin = STRBUF_INIT(STORE_KEY_MAX);
	bool good = true;

	for (size_t i = 0; good && i < n; i++) {
		const char *base = upload_base(cu, hints[i]);

		strbuf_reset(&begin);
		good = base != NULL && upload_names_begin(cu->names, base, &begin) == 0;
	}
	strbuf_release(&begin);
	return good;
}

struct upload_lookups *upload_lookups_start(struct chunked_upload *cu, struct store *store,
    const char *const *hints, size_t n, upload_looked_up_cb *cb, void *arg)
{
	struct upload_lookups *u = xcalloc(1, sizeof(*u));

	assert(n > 0);
	*u = (struct upload_lookups){.cu = cu, .store = store, .hints = hints, .n = n, .cb = cb, .arg = arg};
	u->groups = xcalloc(n + 1, sizeof(struct upload_group *));
	look_up_more(u);
	return u;
}

void upload_lookups_free(struct upload_lookups *u)
{
	if (u == NULL)
		return;
	for (size_t i = 0; i < LOOKUPS_MAX; i++)
		if (u->lookup[i].key != NULL)
			store_op_cancel(u->lookup[i].list);
	free(u->groups);
	free(u);
}
