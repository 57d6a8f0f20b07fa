#include "config.h"

#include "sensors/upload_walk.h"

#include "base/mem.h"
#include "formats/checkfile.h"
#include "sensors/upload_lookup.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTS_MAX 8 /* prefixes listed at the same time */

/* One prefix being listed. */
struct listing {
	struct upload_walk *walk;
	const char *prefix;
	struct store_op *op;
};

/* One check file being read. */
struct check_read {
	struct upload_walk *walk;
	struct upload_group *group; /* NULL: free */
	struct store_op *op;
	struct strbuf text;
};

/* One tick. */
struct upload_walk {
	struct chunked_upload *cu;
	struct tick *tick;
	struct store *store;
	struct listing *lists; /* one for each prefix */
	size_t next_list, listing;
	int64_t nkeys;
	struct strbuf key; /* of the group being looked for */
	struct upload_group *group; /* of the object before on this page */
	struct upload_lookups *lookups; /* of announced uploads; NULL: the tick is for everything */
	size_t unchecked; /* of these, without check file */
	struct upload_group **groups; /* from the end of the listing on */
	size_t next; /* the first whose check file nobody has looked after */
	struct check_read *reads; /* conf->check_reads of them */
	size_t reading;
	int64_t verdicts[KEY_NVERDICTS];
};

/* ---- end of a tick ---- */

void upload_walk_free(struct upload_walk *w)
{
	for (size_t i = 0; i < w->cu->prefixes.n; i++)
		store_op_cancel(w->lists[i].op);
	upload_lookups_free(w->lookups);
	for (int64_t i = 0; i < w->cu->conf->check_reads; i++) {
		if (w->reads[i].group != NULL)
			store_op_cancel(w->reads[i].op);
		strbuf_release(&w->reads[i].text);
	}
	w->cu->walk = NULL;
	upload_table_end(&w->cu->table);
	strbuf_release(&w->key);
	free(w->lists);
	free(w->reads);
	free(w->groups);
	free(w);
}

static void walk_done(struct upload_walk *w, const char *reason, const struct err *err)
{
	struct tick *tick = w->tick;

	upload_walk_free(w);
	tick_done(tick, reason, err);
}

static void name_prefixes(const struct upload_walk *w, struct strbuf *out)
{
	for (size_t i = 0; i < w->cu->prefixes.n; i++)
		strbuf_addf(out, "%s'%s'", i > 0 ? ", " : "", w->cu->prefixes.v[i]);
}

/* "2 complete, 1 pending, 14 ignored" */
static void summarize(const struct upload_walk *w, struct strbuf *out)
{
	for (size_t v = 0; v < KEY_NVERDICTS; v++)
		if (w->verdicts[v] > 0)
			strbuf_addf(
			    out, "%s%" PRId64 " %s", out->len ? ", " : "", w->verdicts[v], key_verdict_name(v));
	if (w->unchecked > 0)
		strbuf_addf(out, "%s%zu without check file", out->len ? ", " : "", w->unchecked);
	if (out->len == 0) {
		strbuf_addstr(out, "nothing under ");
		name_prefixes(w, out);
	}
}

/* ---- verdicts ---- */

static void report(struct upload_walk *w, const struct key_report *r)
{
	w->verdicts[r->verdict]++;
	tick_report(w->tick, r);
}

static void report_ignored(struct upload_walk *w, const struct store_object *obj, const char *why)
{
	struct key_report r = {
	    .key = obj->key,
	    .verdict = KEY_IGNORED,
	    .reason = why,
	    .present = 1,
	    .bytes = obj->size,
	    .newest = obj->modified,
	};

	report(w, &r);
}

void upload_values_of(struct chunked_upload *cu, const char *key, size_t base, struct upload_values *out)
{
	upload_names_values(cu->names, key + base, out);
	if (out->n == 0)
		return;
	for (size_t i = 0; i < out->n; i++)
		if (strcmp(out->v[i].name, UPLOAD_PREFIX_NAME) == 0)
			return;
	/* Without its slash; there is room for one more. */
	strvec_pushn(&out->text, key, base > 0 ? base - 1 : 0);
	out->v[out->n++] = (struct name_value){UPLOAD_PREFIX_NAME, out->text.v[out->text.n - 1]};
}

/* Ask for the run; an upload that cannot ask is shown as such and stands in nobody's way. */
static void request(struct upload_walk *w, const struct upload_group *g, struct upload_verdict *v)
{
	struct upload_values values;
	struct err err = ERR_INIT;
	size_t n = strlen(v->reason);

	upload_values_of(w->cu, g->key, g->base, &values);
	struct run_request r = {
	    .key = g->key,
	    .names = values.v,
	    .nnames = values.n,
	    .generation = v->fingerprint,
	    .why = v->reason,
	};
	if (tick_request(w->tick, &r, &err) == -1) {
		v->verdict = err.class == ERR_TRANSIENT ? KEY_PENDING : KEY_INVALID;
		snprintf(v->reason + n, sizeof(v->reason) - n, ", but no run: %s", err.text);
	}
	upload_values_release(&values);
}

/* Only what waits for the instrument can go stale, not what the store did not let us read. */
static bool is_stale(const struct upload_walk *w, const struct upload_group *g, const struct upload_verdict *v)
{
	tm_ms limit = w->cu->conf->stale_after;

	if (v->verdict != KEY_PENDING || limit == 0 || (g->check.listed && g->check.state != CHECK_GOOD))
		return false;
	return tick_now(w->tick) - tick_key_since(w->tick, g->key, v->fingerprint) >= limit;
}

static void conclude_group(struct upload_walk *w, struct upload_group *g)
{
	struct upload_verdict v;
	size_t n;

	upload_group_judge(g, w->cu->complete_when, &v);
	if (v.verdict == KEY_COMPLETE) {
		request(w, g, &v);
	} else if (is_stale(w, g, &v)) {
		v.verdict = KEY_STALE;
		n = strlen(v.reason);
		snprintf(v.reason + n, sizeof(v.reason) - n, "; nothing new for longer than stale_after");
	}
	struct key_report r = {
	    .key = g->key,
	    .verdict = v.verdict,
	    .reason = v.reason,
	    .fingerprint = v.fingerprint,
	    .present = (int64_t)g->npieces,
	    .expected = v.expected,
	    .bytes = g->bytes,
	    .newest = g->newest,
	};
	report(w, &r);
}

static void conclude(struct upload_walk *w)
{
	struct strbuf reason = STRBUF_INIT(512);

	for (struct upload_group **g = w->groups; *g != NULL; g++)
		conclude_group(w, *g);
	if (w->lookups == NULL)
		tick_reported_all(w->tick);
	summarize(w, &reason);
	walk_done(w, reason.buf, NULL);
	strbuf_release(&reason);
}

/* ---- check files ---- */

static void read_more(struct upload_walk *w);

/* Does line 1 name the first piece of this very upload?  A check file of another night must not pass for ours. */
static bool names_first_piece(struct chunked_upload *cu, const struct upload_group *g, const char *first)
{
	struct upload_name name;

	upload_names_read(cu->names, first, &name);
	return name.role == UPLOAD_PIECE && name.index == 0 && strcmp(name.upload, g->key + g->base) == 0;
}

static void read_check_text(struct chunked_upload *cu, struct upload_group *g, const struct strbuf *text)
{
	struct checkfile cf;
	struct err err = ERR_INIT;

	if (checkfile_parse(text->buf, text->len, cu->conf->max_pieces, &cf, &err) == -1)
		upload_check_fail(&g->check, CHECK_BAD, "%s", err.text);
	else if (cf.pieces > 0 && !names_first_piece(cu, g, cf.first))
		upload_check_fail(&g->check, CHECK_BAD,
		    "check file: line 1 is not the first piece of this upload: %s", cf.first);
	else
		upload_check_good(&g->check, cf.pieces, cf.bytes);
}

static void on_check_data(const void *p, size_t n, void *arg)
{
	struct check_read *r = arg;

	strbuf_add(&r->text, p, n);
}

static void on_check_done(const struct err *err, void *arg)
{
	struct check_read *r = arg;
	struct upload_walk *w = r->walk;
	struct upload_group *g = r->group;

	if (err != NULL)
		upload_check_fail(&g->check, CHECK_UNREAD, "%s", err->text);
	else if (r->text.overflowed)
		upload_check_fail(&g->check, CHECK_UNREAD, "it grew while it was read");
	else
		read_check_text(w->cu, g, &r->text);
	if (g->check.state == CHECK_UNREAD)
		tick_again(w->tick);
	r->group = NULL;
	r->op = NULL;
	strbuf_release(&r->text);
	w->reading--;
	read_more(w);
}

static void read_start(struct upload_walk *w, struct upload_group *g)
{
	static const struct store_get_cbs cbs = {.on_data = on_check_data, .on_done = on_check_done};
	struct check_read *r = w->reads;

	while (r->group != NULL) /* there is a free one: reading < check_reads */
		r++;
	r->walk = w;
	r->group = g;
	r->text = STRBUF_INIT((size_t)w->cu->conf->check_size);
	r->op = store_get(w->store, g->key, g->check.etag, 0, &cbs, r);
	w->reading++;
}

static bool wants_read(const struct chunked_upload *cu, struct upload_group *g)
{
	if (!g->check.listed || g->check.state != CHECK_NEW)
		return false;
	if (g->check.size <= cu->conf->check_size)
		return true;
	upload_check_fail(&g->check, CHECK_BAD,
	    "check file: %" PRId64 " bytes, more than check_size (%" PRId64 ")", g->check.size,
	    cu->conf->check_size);
	return false;
}

static void read_more(struct upload_walk *w)
{
	for (; w->groups[w->next] != NULL && w->reading < (size_t)w->cu->conf->check_reads; w->next++)
		if (wants_read(w->cu, w->groups[w->next]))
			read_start(w, w->groups[w->next]);
	if (w->reading == 0 && w->groups[w->next] == NULL)
		conclude(w);
}

/* ---- the listing ---- */

const char *upload_base(const struct chunked_upload *cu, const char *key)
{
	for (size_t i = 0; i < cu->prefixes.n; i++) {
		size_t n = strlen(cu->prefixes.v[i]);

		if (strncmp(key, cu->prefixes.v[i], n) == 0)
			return strchr(key + n, '/') == NULL ? key + n : NULL;
	}
	return NULL;
}

static struct upload_group *group_of(struct upload_walk *w, const char *prefix, const struct upload_name *name)
{
	struct upload_group *g;

	strbuf_reset(&w->key);
	strbuf_addstr(&w->key, prefix);
	strbuf_add(&w->key, name->upload, name->len);
	g = upload_table_get(&w->cu->table, w->key.buf, w->key.len);
	g->base = strlen(prefix);
	if (g->date[0] == '\0') /* it follows from the upload's name */
		snprintf(g->date, sizeof(g->date), "%s", name->date);
	return g;
}

static void see_object(
    struct upload_walk *w, const char *prefix, size_t nprefix, const struct store_object *obj)
{
	const char *base = obj->key + nprefix;
	struct upload_name name;

	if (base[0] == '\0') {
		report_ignored(w, obj, "the folder itself");
		return;
	}
	if (strchr(base, '/') != NULL) {
		report_ignored(w, obj, "in a sub-folder");
		return;
	}
	upload_names_read(w->cu->names, base, &name);
	if (name.role == UPLOAD_NONE) {
		report_ignored(w, obj, name.why);
		return;
	}
	if (w->group == NULL || !name.again)
		w->group = group_of(w, prefix, &name);
	if (name.role == UPLOAD_PIECE)
		upload_group_add_piece(w->group, name.index, name.width, obj);
	else
		upload_group_set_check(w->group, obj);
}

static bool is_too_many(const struct upload_walk *w)
{
	return w->nkeys > w->cu->conf->max_keys;
}

/* The listings have ended; err (may be NULL) is what came of them. */
static void listed(struct upload_walk *w, const struct err *err)
{
	struct strbuf where = STRBUF_INIT(512);
	struct err limit;

	if (err == NULL && is_too_many(w)) {
		name_prefixes(w, &where);
		err_code(&limit, ERR_PERMANENT, "limit", "more than max_keys (%" PRId64 ") objects under %s",
		    w->cu->conf->max_keys, where.buf);
		strbuf_release(&where);
		err = &limit;
	}
	if (err != NULL) {
		walk_done(w, NULL, err);
		return;
	}
	if (w->lookups == NULL)
		w->groups = upload_table_sweep(&w->cu->table);
	read_more(w);
}

static void list_more(struct upload_walk *w);

static void on_page(const struct store_object *objs, size_t n, bool last, const struct err *err, void *arg)
{
	struct listing *l = arg;
	struct upload_walk *w = l->walk;
	size_t nprefix = strlen(l->prefix);

	w->group = NULL; /* pages of other prefixes come in between */
	for (size_t i = 0; i < n; i++)
		see_object(w, l->prefix, nprefix, &objs[i]);
	w->nkeys += (int64_t)n;
	if (last) {
		l->op = NULL;
		w->listing--;
	}
	if (err != NULL || is_too_many(w))
		listed(w, err);
	else if (last)
		list_more(w);
}

static void list_more(struct upload_walk *w)
{
	const struct chunked_upload *cu = w->cu;

	for (; w->next_list < cu->prefixes.n && w->listing < LISTS_MAX; w->listing++) {
		struct listing *l = &w->lists[w->next_list];

		*l = (struct listing){.walk = w, .prefix = cu->prefixes.v[w->next_list++]};
		/* One more than allowed, so that a listing of exactly max_keys is not taken for a longer one. */
		l->op = store_list(w->store, l->prefix, NULL, (size_t)cu->conf->max_keys + 1, on_page, l);
	}
	if (w->listing == 0)
		listed(w, NULL);
}

static void on_looked_up(
    struct upload_group **groups, const struct upload_looked_up *what, const struct err *err, void *arg)
{
	struct upload_walk *w = arg;

	w->groups = groups;
	w->nkeys = what->nkeys;
	w->unchecked = what->unchecked;
	listed(w, err);
}

/* ---- a tick ---- */

struct upload_walk *upload_walk_start(struct chunked_upload *cu, struct store *store, struct tick *tick)
{
	struct upload_walk *w = xcalloc(1, sizeof(*w));
	const char *const *hints;
	size_t n;

	w->cu = cu;
	w->tick = tick;
	w->store = store;
	w->key = STRBUF_INIT(2 * STORE_KEY_MAX);
	w->lists = xcalloc(cu->prefixes.n, sizeof(*w->lists));
	w->reads = xcalloc((size_t)cu->conf->check_reads, sizeof(*w->reads));
	for (int64_t i = 0; i < cu->conf->check_reads; i++)
		w->reads[i].text = STRBUF_INIT(0);
	upload_table_begin(&cu->table);
	hints = tick_hints(tick, &n);
	if (hints != NULL && upload_lookups_can(cu, hints, n))
		w->lookups = upload_lookups_start(cu, store, hints, n, on_looked_up, w);
	else
		list_more(w);
	return w;
}

const struct tick *upload_walk_tick(const struct upload_walk *w)
{
	return w->tick;
}
