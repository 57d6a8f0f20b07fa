#include "config.h"

#include "engine/keyindex.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "state/state.h"

#include <stdlib.h>
#include <string.h>

struct slot {
	uint64_t key; /* 0: free */
	uint64_t report; /* of everything that is shown */
	tm_ms since; /* as in its row; 0: it has none yet */
	uint32_t fingerprint; /* of the row */
	uint32_t pass; /* last pass that saw it */
};

struct keyindex {
	char *sensor;
	struct slot *slots;
	size_t cap, n;
	int64_t limit, refused;
	uint32_t pass;
	size_t seen; /* in this pass */
	struct key_tally tally; /* of the rows */
};

/* Never 0. */
static uint64_t key_hash(const char *key)
{
	uint64_t h = hash_text(HASH_START, key);

	return h ? h : 1;
}

static uint32_t fingerprint_hash(const char *fingerprint)
{
	return (uint32_t)hash_text(HASH_START, fingerprint);
}

static uint64_t report_hash(
    enum key_verdict verdict, const char *reason, const char *fingerprint, const int64_t n[4])
{
	uint64_t h = hash_bytes(HASH_START, &verdict, sizeof(verdict));

	h = hash_text(h, reason);
	h = hash_text(h, fingerprint);
	return hash_bytes(h, n, 4 * sizeof(*n));
}

static struct slot *find(struct keyindex *ki, uint64_t key)
{
	size_t i = key & (ki->cap - 1);

	while (ki->slots[i].key != 0 && ki->slots[i].key != key)
		i = (i + 1) & (ki->cap - 1);
	return &ki->slots[i];
}

static void grow(struct keyindex *ki)
{
	struct slot *old = ki->slots;
	size_t ncap = ki->cap;

	if (ki->cap > 0 && ki->n * 4 < ki->cap * 3)
		return;
	ki->cap = ki->cap ? ki->cap * 2 : 64;
	ki->slots = xcalloc(ki->cap, sizeof(*ki->slots));
	for (size_t i = 0; i < ncap; i++)
		if (old[i].key != 0)
			*find(ki, old[i].key) = old[i];
	free(old);
}

static struct slot *insert(struct keyindex *ki, uint64_t key)
{
	struct slot *s;

	grow(ki);
	s = find(ki, key);
	if (s->key == 0) {
		*s = (struct slot){.key = key};
		ki->n++;
	}
	return s;
}

static enum key_verdict verdict_parse(const char *name)
{
	for (int v = 0; v < KEY_NVERDICTS; v++)
		if (strcmp(key_verdict_name((enum key_verdict)v), name) == 0)
			return (enum key_verdict)v;
	return KEY_IGNORED;
}

static void tally_add(struct keyindex *ki, enum key_verdict verdict, int64_t bytes, int sign)
{
	ki->tally.n[verdict] += sign;
	if (verdict != KEY_IGNORED)
		ki->tally.bytes += sign * bytes;
}

/* What the row of a key says until now, if it is there, is no longer so. */
static void tally_leave(struct keyindex *ki, struct state *st, const char *key)
{
	struct sql_row *row = sql_query(st->sql,
	    "SELECT verdict, bytes FROM sensor_key WHERE sensor = ?1 AND key = ?2 AND gone_at IS NULL", "ss",
	    ki->sensor, key);

	if (sql_next(row))
		tally_add(ki, verdict_parse(sql_text(row, 0)), sql_int(row, 1), -1);
	sql_end(row);
}

struct keyindex *keyindex_load(struct state *st, const char *sensor, int64_t limit)
{
	struct keyindex *ki = xcalloc(1, sizeof(*ki));
	struct sql_row *row = sql_query(st->sql,
	    "SELECT key, verdict, reason, fingerprint, present, expected, bytes, newest, since FROM sensor_key"
	    " WHERE sensor = ?1 AND gone_at IS NULL",
	    "s", sensor);

	ki->sensor = xstrdup(sensor);
	ki->limit = limit;
	grow(ki);
	while (sql_next(row)) {
		int64_t n[4] = {sql_int(row, 4), sql_int(row, 5), sql_int(row, 6), sql_int(row, 7)};
		struct slot *s = insert(ki, key_hash(sql_text(row, 0)));

		s->report = report_hash(verdict_parse(sql_text(row, 1)), sql_text(row, 2), sql_text(row, 3), n);
		s->fingerprint = fingerprint_hash(sql_text(row, 3));
		s->since = sql_int(row, 8);
		tally_add(ki, verdict_parse(sql_text(row, 1)), sql_int(row, 6), 1);
	}
	sql_end(row);
	return ki;
}

void keyindex_free(struct keyindex *ki)
{
	if (ki == NULL)
		return;
	free(ki->sensor);
	free(ki->slots);
	free(ki);
}

void keyindex_begin(struct keyindex *ki)
{
	ki->pass++;
	ki->seen = 0;
	ki->refused = 0;
}

bool keyindex_see(struct keyindex *ki, const struct key_report *r)
{
	int64_t n[4] = {r->present, r->expected, r->bytes, r->newest};
	uint64_t key = key_hash(r->key), report = report_hash(r->verdict, r->reason, r->fingerprint, n);
	struct slot *s = find(ki, key);

	if (s->key == 0) {
		/* Groups are never refused: only what is ignored can be many. */
		if ((int64_t)ki->n >= ki->limit && r->verdict == KEY_IGNORED) {
			ki->refused++;
			return false;
		}
		s = insert(ki, key);
	}
	if (s->pass != ki->pass)
		ki->seen++;
	s->pass = ki->pass;
	if (s->report == report)
		return false;
	s->report = report;
	return true;
}

tm_ms keyindex_since(struct keyindex *ki, const char *key, const char *fingerprint)
{
	const struct slot *s = find(ki, key_hash(key));

	return s->key != 0 && s->fingerprint == fingerprint_hash(fingerprint) ? s->since : 0;
}

/* As the row has it from now on. */
static void set_since(struct keyindex *ki, const struct key_report *r, tm_ms now)
{
	struct slot *s = find(ki, key_hash(r->key));
	uint32_t fingerprint = fingerprint_hash(r->fingerprint);

	assert(s->key != 0); /* seen before */
	if (s->since == 0 || s->fingerprint != fingerprint)
		s->since = now;
	s->fingerprint = fingerprint;
}

void keyindex_write(struct keyindex *ki, struct state *st, const struct key_report *r, tm_ms now)
{
	set_since(ki, r, now);
	tally_leave(ki, st, r->key);
	tally_add(ki, r->verdict, r->bytes, 1);
	sql_do(st->sql,
	    "INSERT INTO sensor_key(sensor, key, verdict, reason, fingerprint, present, expected, bytes, "
	    "newest, first_at, since)"
	    " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10)"
	    " ON CONFLICT(sensor, key) DO UPDATE SET verdict = ?3, reason = ?4,"
	    " since = CASE WHEN fingerprint IS ?5 AND gone_at IS NULL THEN since ELSE ?10 END,"
	    " fingerprint = ?5, present = ?6, expected = ?7, bytes = ?8, newest = ?9, gone_at = NULL",
	    "sssssiiiit", ki->sensor, r->key, key_verdict_name(r->verdict), r->reason, r->fingerprint,
	    r->present, r->expected, r->bytes, r->newest, now);
}

static void drop_unseen(struct keyindex *ki)
{
	struct slot *old = ki->slots;

	ki->slots = xcalloc(ki->cap, sizeof(*ki->slots));
	ki->n = 0;
	for (size_t i = 0; i < ki->cap; i++)
		if (old[i].key != 0 && old[i].pass == ki->pass) {
			*find(ki, old[i].key) = old[i];
			ki->n++;
		}
	free(old);
}

/* Only when something is missing is the whole list of texts read to find out what. */
void keyindex_sweep(struct keyindex *ki, struct state *st, tm_ms now)
{
	struct sql_row *row;

	if (ki->seen == ki->n)
		return;
	row = sql_query(st->sql,
	    "SELECT key, verdict, bytes FROM sensor_key WHERE sensor = ?1 AND gone_at IS NULL", "s",
	    ki->sensor);
	while (sql_next(row)) {
		struct slot *s = find(ki, key_hash(sql_text(row, 0)));

		if (s->key != 0 && s->pass == ki->pass)
			continue;
		sql_do(st->sql, "UPDATE sensor_key SET gone_at = ?3 WHERE sensor = ?1 AND key = ?2", "sst",
		    ki->sensor, sql_text(row, 0), now);
		tally_add(ki, verdict_parse(sql_text(row, 1)), sql_int(row, 2), -1);
	}
	sql_end(row);
	drop_unseen(ki);
}

const struct key_tally *keyindex_tally(const struct keyindex *ki)
{
	return &ki->tally;
}

size_t keyindex_count(const struct keyindex *ki)
{
	return ki->n;
}

int64_t keyindex_refused(const struct keyindex *ki)
{
	return ki->refused;
}
