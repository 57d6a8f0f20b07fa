#include "config.h"

#include "sensors/upload_table.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 64

static void group_free(struct upload_group *g)
{
	free(g->check.why);
	free(g->piece);
	free(g);
}

static void forget_pieces(struct upload_group *g)
{
	free(g->piece);
	g->piece = NULL;
	if (g->npieces > 0)
		g->usual = g->npieces;
	g->npieces = g->cap = 0;
	g->bytes = 0;
	g->newest = 0;
	g->width = 0;
}

void upload_table_release(struct upload_table *t)
{
	for (size_t i = 0; i < t->size; i++)
		if (t->slot[i] != NULL)
			group_free(t->slot[i]);
	free(t->slot);
	*t = (struct upload_table){0};
}

void upload_table_begin(struct upload_table *t)
{
	t->tick++;
}

/* Where a key is, or the free slot where it belongs. */
static struct upload_group **find(const struct upload_table *t, uint64_t hash, const char *key, size_t n)
{
	size_t i = hash & (t->size - 1);

	for (; t->slot[i] != NULL; i = (i + 1) & (t->size - 1))
		if (t->slot[i]->hash == hash && strncmp(t->slot[i]->key, key, n) == 0 &&
		    t->slot[i]->key[n] == '\0')
			break;
	return &t->slot[i];
}

static void resize(struct upload_table *t, size_t size)
{
	struct upload_group **old = t->slot;
	size_t nold = t->size;

	t->slot = xcalloc(size, sizeof(struct upload_group *));
	t->size = size;
	for (size_t i = 0; i < nold; i++)
		if (old[i] != NULL)
			*find(t, old[i]->hash, old[i]->key, strlen(old[i]->key)) = old[i];
	free(old);
}

static struct upload_group *group_new(const char *key, size_t n, uint64_t hash)
{
	struct upload_group *g = xcalloc(1, sizeof(*g) + n + 1);

	memcpy(g->key, key, n);
	g->hash = hash;
	return g;
}

struct upload_group *upload_table_get(struct upload_table *t, const char *key, size_t n)
{
	uint64_t hash = hash_bytes(HASH_START, key, n);
	struct upload_group **slot;

	if (t->size == 0)
		resize(t, FIRST_SIZE);
	slot = find(t, hash, key, n);
	if (*slot == NULL) {
		if ((t->n + 1) * 4 > t->size * 3) {
			resize(t, t->size * 2);
			slot = find(t, hash, key, n);
		}
		*slot = group_new(key, n, hash);
		t->n++;
	}
	if ((*slot)->seen != t->tick) {
		(*slot)->seen = t->tick;
		(*slot)->check.listed = false;
		forget_pieces(*slot);
	}
	return *slot;
}

static int by_age(const void *a, const void *b)
{
	struct upload_group *const *x = a, *const *y = b;
	int c = strcmp((*x)->date, (*y)->date);

	return c != 0 ? c : strcmp((*x)->key, (*y)->key);
}

struct upload_group **upload_table_sweep(struct upload_table *t)
{
	struct upload_group **v = xcalloc(t->n + 1, sizeof(struct upload_group *)), **old = t->slot;
	size_t n = 0, nold = t->size;

	for (size_t i = 0; i < nold; i++) {
		if (old[i] == NULL)
			continue;
		if (old[i]->seen == t->tick)
			v[n++] = old[i];
		else
			group_free(old[i]);
	}
	/* Open addressing has no removal: fill a table of the right size anew. */
	t->slot = NULL;
	t->size = 0;
	t->n = n;
	size_t size = FIRST_SIZE;
	while (n * 2 > size)
		size *= 2;
	resize(t, size);
	for (size_t i = 0; i < n; i++)
		*find(t, v[i]->hash, v[i]->key, strlen(v[i]->key)) = v[i];
	free(old);
	qsort(v, n, sizeof(struct upload_group *), by_age);
	return v;
}

void upload_table_end(struct upload_table *t)
{
	for (size_t i = 0; i < t->size; i++)
		if (t->slot[i] != NULL)
			forget_pieces(t->slot[i]);
}
