#include "config.h"

#include "sensors/upload_group.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMED_MAX 5 /* piece numbers named in a reason */

/*
 * FNV-1a.  Not the fastest, but fingerprints are what runs were asked for with (run_key.generation): another hash would make
 * every upload of before look changed.
 */
static uint64_t etag_hash(const char *s)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	return h;
}

void upload_group_add_piece(
    struct upload_group *g, uint32_t index, unsigned width, const struct store_object *obj)
{
	if (g->npieces == g->cap) {
		g->cap = MAX(g->cap * 2, MAX(g->usual, (size_t)16));
		g->piece = xreallocarray(g->piece, g->cap, sizeof(*g->piece));
	}
	g->piece[g->npieces++] = (struct upload_piece){
	    .size = obj->size,
	    .etag = etag_hash(obj->etag),
	    .index = index,
	};
	g->bytes += obj->size;
	g->newest = MAX(g->newest, obj->modified);
	g->width = width;
}

void upload_group_set_check(struct upload_group *g, const struct store_object *obj)
{
	struct upload_check *c = &g->check;

	g->newest = MAX(g->newest, obj->modified);
	c->listed = true;
	if ((c->state == CHECK_GOOD || c->state == CHECK_BAD) && c->size == obj->size &&
	    strcmp(c->etag, obj->etag) == 0)
		return;
	c->state = CHECK_NEW;
	c->size = obj->size;
	snprintf(c->etag, sizeof(c->etag), "%s", obj->etag);
}

void upload_check_good(struct upload_check *c, int64_t count, int64_t bytes)
{
	c->state = CHECK_GOOD;
	c->count = count;
	c->bytes = bytes;
	xstrset(&c->why, NULL);
}

void upload_check_fail(struct upload_check *c, enum check_state state, const char *fmt, ...)
{
	char why[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	c->state = state;
	xstrset(&c->why, why);
}

static int by_index(const void *a, const void *b)
{
	const struct upload_piece *x = a, *y = b;

	if (x->index != y->index)
		return x->index < y->index ? -1 : 1;
	return x->etag < y->etag ? -1 : x->etag > y->etag;
}

static void sort_pieces(struct upload_group *g)
{
	for (size_t i = 1; i < g->npieces; i++)
		if (g->piece[i - 1].index >= g->piece[i].index) { /* listings are sorted: nearly never */
			qsort(g->piece, g->npieces, sizeof(*g->piece), by_index);
			return;
		}
}

/* Everything the verdict rests on, whatever the order of the listing was. */
static void fingerprint(const struct upload_group *g, char out[SHA256_HEX])
{
	struct digest *d = digest_new(DIGEST_SHA256);

	uint64_t rows[64][3];
	size_t n = 0;

	if (g->check.listed)
		digest_update(d, g->check.etag, strlen(g->check.etag) + 1);
	for (size_t i = 0; i < g->npieces; i++) {
		const struct upload_piece *p = &g->piece[i];

		rows[n][0] = p->index;
		rows[n][1] = (uint64_t)p->size;
		rows[n][2] = p->etag;
		if (++n == NITEMS(rows) || i + 1 == g->npieces) {
			digest_update(d, rows, n * sizeof(rows[0]));
			n = 0;
		}
	}
	digest_final(d, out);
}

/* What is wrong with the numbers of a group, collected in one pass over the sorted pieces. */
struct faults {
	struct strbuf text;
	unsigned width;
	size_t named; /* how many were spelt out */
	int64_t total;
};

static void fault(struct faults *f, int64_t index, const char *what)
{
	if (f->total++ < NAMED_MAX)
		strbuf_addf(&f->text, ", %0*" PRId64 " %s", (int)f->width, index, what);
}

/* Numbers from..to-1 are absent: a gap may be as wide as the check file lies, so only the first are walked. */
static void fault_gap(struct faults *f, int64_t from, int64_t to)
{
	for (; from < to && f->total < NAMED_MAX; from++)
		fault(f, from, "missing");
	if (from < to)
		f->total += to - from;
}

/* expected -1: unknown, only gaps below the highest number count. */
static void find_faults(const struct upload_group *g, int64_t expected, struct faults *f)
{
	int64_t next = 0;

	for (size_t i = 0; i < g->npieces; i++) {
		int64_t index = g->piece[i].index;

		if (i > 0 && index == next - 1) {
			fault(f, index, "twice");
			continue;
		}
		fault_gap(f, next, expected >= 0 ? MIN(index, expected) : index);
		if (expected >= 0 && index >= expected)
			fault(f, index, "is one too many");
		next = index + 1;
	}
	if (expected >= 0)
		fault_gap(f, next, expected);
	if (f->total > NAMED_MAX)
		strbuf_addf(&f->text, " and %" PRId64 " more", f->total - NAMED_MAX);
}

static void add_bytes(struct strbuf *sb, int64_t have, int64_t want)
{
	double a = (double)have / 1e6, b = (double)want / 1e6;

	if (have != want && (a - b > 1 || b - a > 1))
		strbuf_addf(sb, ", %.0f of %.0f MB", a, b);
	else
		strbuf_addf(sb, ", %" PRId64 " of %" PRId64 " bytes", have, want);
}

static const char *plural(int64_t n)
{
	return n == 1 ? "" : "s";
}

static void verdict(struct upload_verdict *v, enum key_verdict verdict, const char *fmt, ...) PRINTF(3, 4);
static void verdict(struct upload_verdict *v, enum key_verdict verdict, const char *fmt, ...)
{
	va_list ap;

	v->verdict = verdict;
	va_start(ap, fmt);
	vsnprintf(v->reason, sizeof(v->reason), fmt, ap);
	va_end(ap);
}

static void judge_without_check(const struct upload_group *g, struct upload_verdict *v)
{
	struct faults f = {.text = STRBUF_INIT(sizeof(v->reason)), .width = g->width};

	find_faults(g, -1, &f);
	verdict(v, KEY_PENDING, "%zu piece%s%s, no check file yet", g->npieces, plural((int64_t)g->npieces),
	    f.text.buf);
	strbuf_release(&f.text);
}

/* Both sides are known: compare. */
static void judge_pieces(const struct upload_group *g, unsigned when, struct upload_verdict *v)
{
	const struct upload_check *c = &g->check;
	struct faults f = {.text = STRBUF_INIT(sizeof(v->reason)), .width = g->width ? g->width : 1};
	int64_t n = (int64_t)g->npieces;
	bool count_ok = n == c->count || !(when & COMPLETE_COUNT), bytes_ok;

	bytes_ok = g->bytes == c->bytes || !(when & COMPLETE_BYTES);
	if (when & COMPLETE_INDICES)
		find_faults(g, when & COMPLETE_COUNT ? c->count : -1, &f);
	if (n > 0 && count_ok && bytes_ok && f.total == 0) {
		verdict(v, KEY_COMPLETE, "%" PRId64 " of %" PRId64 " piece%s, %" PRId64 " bytes", n, c->count,
		    plural(c->count), g->bytes);
	} else {
		if (n > 0)
			add_bytes(&f.text, g->bytes, c->bytes);
		verdict(v, KEY_PENDING, "%" PRId64 " of %" PRId64 " piece%s%s", n, c->count, plural(c->count),
		    n > 0 ? f.text.buf : "");
	}
	strbuf_release(&f.text);
}

static void judge_with_check(const struct upload_group *g, unsigned when, struct upload_verdict *v)
{
	const struct upload_check *c = &g->check;

	v->expected = c->count;
	if (c->count == 0 && g->npieces == 0)
		verdict(v, KEY_NO_DATA, "the check file says that there is no data");
	else if (c->count == 0)
		verdict(v, KEY_INVALID, "%zu piece%s, but the check file says that there is no data",
		    g->npieces, plural((int64_t)g->npieces));
	else
		judge_pieces(g, when, v);
}

void upload_group_judge(struct upload_group *g, unsigned complete_when, struct upload_verdict *v)
{
	sort_pieces(g);
	v->expected = 0;
	fingerprint(g, v->fingerprint);
	if (!g->check.listed) {
		judge_without_check(g, v);
		return;
	}
	switch (g->check.state) {
	case CHECK_GOOD: judge_with_check(g, complete_when, v); break;
	case CHECK_BAD: verdict(v, KEY_INVALID, "%s", g->check.why); break;
	case CHECK_NEW:
	case CHECK_UNREAD:
		verdict(v, KEY_PENDING, "the check file could not be read, the next tick tries again: %s",
		    g->check.why ? g->check.why : "not tried yet");
		break;
	}
}
