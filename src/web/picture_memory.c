#include "config.h"

#include "web/picture_memory.h"

#include "base/clock.h"
#include "base/mem.h"

#include <stdlib.h>
#include <sys/queue.h>

#define KNOWN_MAX     64 /* runs */
#define KNOWN_MS      600000
#define KNOWN_LIVE_MS 2000 /* of a run that may still make some, or whose manifests could not be read */

struct known {
	TAILQ_ENTRY(known) link; /* newest first */
	int64_t run;
	struct picture_names names;
	tm_ms until; /* monotonic */
};

struct picture_memory {
	TAILQ_HEAD(known_head, known) all;
	size_t n;
};

static void known_free(struct picture_memory *memory, struct known *k)
{
	TAILQ_REMOVE(&memory->all, k, link);
	memory->n--;
	json_decref(k->names.pictures);
	free(k);
}

static struct known *known_of(const struct picture_memory *memory, int64_t run)
{
	struct known *k;

	TAILQ_FOREACH(k, &memory->all, link)
	if (k->run == run)
		return k;
	return NULL;
}

const struct picture_names *picture_memory_find(const struct picture_memory *memory, int64_t run, bool *holds)
{
	const struct known *k = known_of(memory, run);

	*holds = k != NULL && k->until > clock_mono();
	return k ? &k->names : NULL;
}

void picture_memory_keep(struct picture_memory *memory, int64_t run, const struct picture_names *names)
{
	struct known *k = known_of(memory, run);

	if (k != NULL)
		known_free(memory, k);
	if (memory->n == KNOWN_MAX)
		known_free(memory, TAILQ_LAST(&memory->all, known_head));
	k = xcalloc(1, sizeof(*k));
	*k = (struct known){
	    .run = run, .names = *names, .until = clock_mono() + (names->final ? KNOWN_MS : KNOWN_LIVE_MS)};
	TAILQ_INSERT_HEAD(&memory->all, k, link);
	memory->n++;
}

struct picture_memory *picture_memory_new(void)
{
	struct picture_memory *memory = xcalloc(1, sizeof(*memory));

	TAILQ_INIT(&memory->all);
	return memory;
}

void picture_memory_free(struct picture_memory *memory)
{
	while (!TAILQ_EMPTY(&memory->all))
		known_free(memory, TAILQ_FIRST(&memory->all));
	free(memory);
}
