#include "config.h"

#include "assets/unzip/fetch.h"

#include "base/mem.h"

#define LANES 2

struct lane {
	struct fetch *fetch;
	struct store_op *op; /* NULL: nothing under way */
	size_t piece;
	bool arrived; /* all of it */
	struct strbuf waiting; /* bytes of a piece whose turn has not come */
};

struct fetch {
	struct store *store;
	const struct pieces *pieces;
	struct fetch_cbs cbs;
	void *arg;
	struct lane lane[LANES];
	size_t front; /* lane whose piece is being handed on */
	size_t next; /* piece to ask for */
	bool hold;
};

static void start_lane(struct lane *l);

static bool is_front(const struct lane *l)
{
	return l == &l->fetch->lane[l->fetch->front];
}

/* A front lane obeys the consumer, the other its own limit. */
static void set_pace(struct lane *l)
{
	if (l->op != NULL)
		store_op_pause(l->op, is_front(l) ? l->fetch->hold : l->waiting.len >= FETCH_AHEAD_MAX);
}

static void end_with(struct lane *l, const struct err *why)
{
	const char *key = l->fetch->pieces->v[l->piece].key;
	struct err err = *why;

	if (err_is(why, "precondition") || err_is(why, "not_found"))
		err_code(&err, ERR_TRANSIENT, "chunks.changed", "piece %s is no longer what was listed: %s",
		    key, why->text);
	else
		err_wrap(&err, "piece %s", key);
	l->fetch->cbs.on_end(&err, l->fetch->arg);
}

static void on_data(const void *p, size_t n, void *arg)
{
	struct lane *l = arg;
	struct err err = ERR_INIT;

	if (is_front(l)) {
		l->fetch->cbs.on_data(l->piece, p, n, l->fetch->arg);
		return;
	}
	if (strbuf_add(&l->waiting, p, n) == 0) {
		set_pace(l);
		return;
	}
	err_set(&err, ERR_BUG, "the store delivers on although it was told to pause");
	store_op_cancel(l->op);
	l->op = NULL;
	end_with(l, &err);
}

/* The front piece was handed on whole: the other lane's turn. */
static void turn_over(struct fetch *f)
{
	struct lane *l = &f->lane[f->front];

	while (l->arrived) {
		if (l->piece + 1 == f->pieces->n) {
			f->cbs.on_end(NULL, f->arg);
			return;
		}
		f->front = (f->front + 1) % LANES;
		start_lane(l);
		l = &f->lane[f->front];
		if (l->waiting.len > 0)
			f->cbs.on_data(l->piece, l->waiting.buf, l->waiting.len, f->arg);
		strbuf_release(&l->waiting);
		set_pace(l);
	}
}

static void on_done(const struct err *err, void *arg)
{
	struct lane *l = arg;

	l->op = NULL;
	if (err != NULL) {
		end_with(l, err);
		return;
	}
	l->arrived = true;
	if (is_front(l))
		turn_over(l->fetch);
}

static void start_lane(struct lane *l)
{
	static const struct store_get_cbs cbs = {.on_data = on_data, .on_done = on_done};
	struct fetch *f = l->fetch;

	l->arrived = false;
	if (f->next == f->pieces->n)
		return;
	l->piece = f->next++;
	l->op = store_get(f->store, f->pieces->v[l->piece].key, f->pieces->v[l->piece].etag, 0, &cbs, l);
}

struct fetch *fetch_start(struct store *st, const struct pieces *pieces, const struct fetch_cbs *cbs, void *arg)
{
	struct fetch *f = xcalloc(1, sizeof(*f));

	f->store = st;
	f->pieces = pieces;
	f->cbs = *cbs;
	f->arg = arg;
	for (size_t i = 0; i < LANES; i++) {
		f->lane[i].fetch = f;
		/* The limit is held by pausing; what is on its way then still has to fit. */
		strbuf_init(&f->lane[i].waiting, 4 * FETCH_AHEAD_MAX);
		start_lane(&f->lane[i]);
	}
	return f;
}

void fetch_hold(struct fetch *f, bool hold)
{
	f->hold = hold;
	set_pace(&f->lane[f->front]);
}

void fetch_free(struct fetch *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < LANES; i++) {
		store_op_cancel(f->lane[i].op);
		strbuf_release(&f->lane[i].waiting);
	}
	free(f);
}
