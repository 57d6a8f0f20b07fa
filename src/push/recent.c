#include "config.h"

#include "push/recent.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define NSLOTS (1 << 15)

struct recent {
	uint64_t slot[NSLOTS]; /* by the hash's last bits; 0: none */
};

static uint64_t hash(const struct announced *a)
{
	const char *const texts[] = {a->bucket, a->key, a->etag, a->sequencer, a->time};
	uint64_t h = HASH_START;

	for (size_t i = 0; i < NITEMS(texts); i++)
		h = hash_text(h, texts[i]);
	return h ? h : 1;
}

struct recent *recent_new(void)
{
	return xcalloc(1, sizeof(struct recent));
}

void recent_free(struct recent *r)
{
	free(r);
}

bool recent_has(const struct recent *r, const struct announced *a)
{
	uint64_t h = hash(a);

	return a->sequencer[0] != '\0' && r->slot[h % NSLOTS] == h;
}

void recent_add(struct recent *r, const struct announced *a)
{
	uint64_t h = hash(a);

	r->slot[h % NSLOTS] = h;
}

void recent_clear(struct recent *r)
{
	memset(r, 0, sizeof(*r));
}
