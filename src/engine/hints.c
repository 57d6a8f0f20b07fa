#include "config.h"

#include "engine/hints.h"

#include "base/mem.h"
#include "state/state.h"

#include <stdlib.h>
#include <string.h>

#define NBUCKETS 256

struct hint {
	struct hint *next; /* in its bucket */
	bool taken; /* by the tick under way */
	bool again; /* announced since it was taken */
	char text[];
};

struct hints {
	struct state *state;
	char *sensor;
	struct hint *bucket[NBUCKETS];
	size_t n, nwaiting; /* all; those not taken, or announced again */
	const char **taken; /* NULL-terminated; NULL: no list */
	size_t ntaken;
};

static struct hint **find(struct hints *h, const char *text)
{
	uint32_t hash = 2166136261u;
	struct hint **at;

	for (const char *s = text; *s != '\0'; s++)
		hash = (hash ^ (unsigned char)*s) * 16777619u;
	at = &h->bucket[(hash ^ hash >> 16) % NBUCKETS];
	while (*at != NULL && strcmp((*at)->text, text) != 0)
		at = &(*at)->next;
	return at;
}

static void insert(struct hints *h, struct hint **at, const char *text)
{
	size_t n = strlen(text);
	struct hint *hint = xcalloc(1, sizeof(*hint) + n + 1);

	memcpy(hint->text, text, n);
	*at = hint;
	h->n++;
	h->nwaiting++;
}

/* Remove those that fn says may go. */
static void sift(struct hints *h, bool (*goes)(struct hints *, struct hint *))
{
	for (size_t i = 0; i < NBUCKETS; i++)
		for (struct hint **at = &h->bucket[i], *hint; (hint = *at) != NULL;) {
			if (!goes(h, hint)) {
				at = &hint->next;
				continue;
			}
			*at = hint->next;
			h->n--;
			free(hint);
		}
}

struct hints *hints_load(struct state *st, const char *sensor)
{
	struct hints *h = xcalloc(1, sizeof(*h));
	struct sql_row *row = sql_query(st->sql, "SELECT hint FROM hint WHERE sensor = ?1", "s", sensor);

	h->state = st;
	h->sensor = xstrdup(sensor);
	while (sql_next(row))
		insert(h, find(h, sql_text(row, 0)), sql_text(row, 0));
	sql_end(row);
	return h;
}

static bool any(struct hints *h, struct hint *hint)
{
	return true;
}

void hints_free(struct hints *h)
{
	if (h == NULL)
		return;
	sift(h, any);
	free(h->taken);
	free(h->sensor);
	free(h);
}

/* ---- announcements */

static bool waits(const struct hint *hint)
{
	return !hint->taken || hint->again;
}

static bool waits_in_vain(struct hints *h, struct hint *hint)
{
	hint->again = false;
	return !hint->taken && hint->text[0] != '\0';
}

/* "" is there or about to be: nothing else has to wait, in memory or in a row.  What a tick has taken is still lent to it. */
static void collapse(struct hints *h)
{
	sql_do(h->state->sql, "DELETE FROM hint WHERE sensor = ?1 AND hint <> ''", "s", h->sensor);
	sift(h, waits_in_vain);
}

bool hints_add(struct hints *h, const char *text, tm_ms now)
{
	struct hint **at = find(h, "");

	if (*at != NULL && waits(*at))
		return false;
	at = find(h, text);
	if (*at != NULL && waits(*at))
		return false;
	if (h->nwaiting >= HINTS_MAX) {
		collapse(h);
		h->nwaiting = 0;
		text = "";
		at = find(h, text);
	}
	if (*at != NULL) {
		(*at)->again = true;
		h->nwaiting++;
		return true;
	}
	sql_do(h->state->sql, "INSERT INTO hint(sensor, hint, at) VALUES(?1, ?2, ?3) ON CONFLICT DO NOTHING",
	    "sst", h->sensor, text, now);
	insert(h, at, text);
	return true;
}

bool hints_waiting(const struct hints *h)
{
	return h->nwaiting > 0;
}

/* ---- a tick */

static void give_up_list(struct hints *h)
{
	free(h->taken);
	h->taken = NULL;
	h->ntaken = 0;
}

static bool take(struct hints *h, struct hint *hint)
{
	hint->taken = true;
	hint->again = false;
	if (h->taken != NULL)
		h->taken[h->ntaken++] = hint->text;
	return false;
}

void hints_take(struct hints *h)
{
	give_up_list(h);
	if (h->n > 0 && h->n <= HINTS_FEW && *find(h, "") == NULL)
		h->taken = xcalloc(h->n + 1, sizeof(*h->taken));
	sift(h, take);
	h->nwaiting = 0;
}

const char *const *hints_taken(const struct hints *h, size_t *n)
{
	*n = h->ntaken;
	return h->taken;
}

static bool settle(struct hints *h, struct hint *hint)
{
	bool gone = hint->taken && !hint->again;

	if (gone)
		sql_do(h->state->sql, "DELETE FROM hint WHERE sensor = ?1 AND hint = ?2", "ss", h->sensor,
		    hint->text);
	hint->taken = hint->again = false;
	return gone;
}

void hints_settle(struct hints *h)
{
	give_up_list(h);
	sift(h, settle);
	h->nwaiting = h->n;
}

static bool give_back(struct hints *h, struct hint *hint)
{
	hint->taken = hint->again = false;
	return false;
}

void hints_give_back(struct hints *h)
{
	give_up_list(h);
	sift(h, give_back);
	h->nwaiting = h->n;
}
