#include "config.h"

#include "database/stmtcache.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void *stmtcache_get(struct stmtcache *cache, const char *sql)
{
	for (size_t i = 0; i < STMTCACHE_SLOTS; i++)
		if (cache->slot[i].stmt != NULL && strcmp(cache->slot[i].sql, sql) == 0) {
			cache->slot[i].used = ++cache->turn;
			return cache->slot[i].stmt;
		}
	return NULL;
}

static void clear_slot(struct stmtcache *cache, size_t i)
{
	if (cache->slot[i].stmt == NULL)
		return;
	cache->free(cache->slot[i].stmt);
	free(cache->slot[i].sql);
	cache->slot[i].stmt = NULL;
	cache->slot[i].sql = NULL;
	cache->slot[i].used = 0;
}

void stmtcache_put(struct stmtcache *cache, const char *sql, void *stmt)
{
	size_t oldest = 0;

	for (size_t i = 1; i < STMTCACHE_SLOTS; i++)
		if (cache->slot[i].used < cache->slot[oldest].used)
			oldest = i;
	clear_slot(cache, oldest);
	cache->slot[oldest].sql = xstrdup(sql);
	cache->slot[oldest].stmt = stmt;
	cache->slot[oldest].used = ++cache->turn;
}

void stmtcache_clear(struct stmtcache *cache)
{
	for (size_t i = 0; i < STMTCACHE_SLOTS; i++)
		clear_slot(cache, i);
}
