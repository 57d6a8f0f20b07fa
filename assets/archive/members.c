#include "config.h"

#include "assets/archive/members.h"

#include "assets/archive/member_name.h"
#include "base/mem.h"

#include <search.h>
#include <stdlib.h>

struct members {
	bool allow_same;
	struct member **v;
	size_t n, cap;
	int64_t bytes;
	/* A balanced tree by path: names come from strangers, who could aim at the weak side of a hash. */
	void *by_path;
};

static int compare(const void *a, const void *b)
{
	const struct member *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static void keep_node(void *node)
{
}

struct members *members_new(bool allow_same)
{
	struct members *m = xcalloc(1, sizeof(*m));

	m->allow_same = allow_same;
	return m;
}

void members_free(struct members *m)
{
	if (m == NULL)
		return;
	tdestroy(m->by_path, keep_node);
	for (size_t i = 0; i < m->n; i++) {
		free(m->v[i]->path);
		free(m->v[i]);
	}
	free(m->v);
	free(m);
}

const struct member *members_find(const struct members *m, const char *path)
{
	const struct member key = {.path = (char *)path};
	struct member *const *found = tfind(&key, &m->by_path, compare);

	return found != NULL ? *found : NULL;
}

static void insert(struct members *m, const char *path, int64_t size, const char *sha256)
{
	struct member *e = xcalloc(1, sizeof(*e));

	e->path = xstrdup(path);
	e->size = size;
	snprintf(e->sha256, sizeof(e->sha256), "%s", sha256);
	if (m->n == m->cap) {
		m->cap = m->cap > 0 ? 2 * m->cap : 64;
		m->v = xreallocarray(m->v, m->cap, sizeof(struct member *));
	}
	m->v[m->n++] = e;
	m->bytes += size;
	if (tsearch(e, &m->by_path, compare) == NULL)
		abort(); /* out of memory, as every small allocation */
}

int members_add(struct members *m, const char *path, int64_t size, const char *sha256, struct err *err)
{
	const struct member *was = members_find(m, path);
	char shown[MEMBER_NAME_SHOWN];

	if (was == NULL) {
		insert(m, path, size, sha256);
		return 1;
	}
	if (m->allow_same && was->size == size && strcmp(was->sha256, sha256) == 0)
		return 0;
	return err_code(err, ERR_BAD_DATA, "duplicate", "member '%s' comes twice%s",
	    member_name_show(path, shown), strcmp(was->sha256, sha256) == 0 ? "" : ", with different content");
}

size_t members_count(const struct members *m)
{
	return m->n;
}

int64_t members_bytes(const struct members *m)
{
	return m->bytes;
}

const struct member *members_at(const struct members *m, size_t i)
{
	return m->v[i];
}
