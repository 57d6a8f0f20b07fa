#include "config.h"

#include "web/page_cache.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/payload.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS     64
#define BYTES_MAX ((size_t)32 << 20)
#define AGE_MS    500 /* beyond this a page is never given */
#define AGEING_MS 300 /* from here on it is to be made anew */

struct cached {
	char *target; /* NULL: free */
	tm_ms made; /* monotonic */
	struct rendering r;
};

struct page_cache {
	struct cached slot[SLOTS];
	size_t bytes;
};

static void forget(struct page_cache *cache, struct cached *c)
{
	if (c->target == NULL)
		return;
	cache->bytes -= payload_length(c->r.payload, PAYLOAD_PLAIN);
	payload_unref(c->r.payload);
	free(c->target);
	*c = (struct cached){0};
}

static struct cached *slot_of(struct page_cache *cache, const char *target)
{
	for (size_t i = 0; i < SLOTS; i++) {
		struct cached *c = &cache->slot[i];

		if (c->target != NULL && strcmp(c->target, target) == 0)
			return c;
	}
	return NULL;
}

const struct rendering *page_cache_find(struct page_cache *cache, const char *target, bool *ageing)
{
	const struct cached *c = slot_of(cache, target);
	tm_ms age = c ? clock_mono() - c->made : AGE_MS;

	*ageing = age >= AGEING_MS;
	return age < AGE_MS ? &c->r : NULL;
}

/* The one that was made first; a free slot counts as that. */
static struct cached *oldest(struct page_cache *cache, bool taken)
{
	struct cached *best = NULL;

	for (size_t i = 0; i < SLOTS; i++) {
		struct cached *c = &cache->slot[i];

		if ((c->target != NULL || !taken) && (best == NULL || c->made < best->made))
			best = c;
	}
	return best;
}

/* A free slot, once there is room for n bytes. */
static struct cached *make_room(struct page_cache *cache, size_t n)
{
	tm_ms now = clock_mono();
	struct cached *c;

	for (size_t i = 0; i < SLOTS; i++)
		if (cache->slot[i].made + AGE_MS <= now)
			forget(cache, &cache->slot[i]);
	while (cache->bytes + n > BYTES_MAX && (c = oldest(cache, true)) != NULL)
		forget(cache, c);
	c = oldest(cache, false);
	forget(cache, c);
	return c;
}

void page_cache_keep(struct page_cache *cache, const char *target, const struct rendering *r)
{
	size_t n = payload_length(r->payload, PAYLOAD_PLAIN);
	struct cached *c;

	if (n > BYTES_MAX / 4)
		return;
	if ((c = slot_of(cache, target)) != NULL)
		forget(cache, c);
	c = make_room(cache, n);
	*c = (struct cached){.target = xstrdup(target), .made = clock_mono(), .r = *r};
	payload_ref(r->payload);
	cache->bytes += n;
}

struct page_cache *page_cache_new(void)
{
	return xcalloc(1, sizeof(struct page_cache));
}

void page_cache_free(struct page_cache *cache)
{
	if (cache == NULL)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		forget(cache, &cache->slot[i]);
	free(cache);
}
