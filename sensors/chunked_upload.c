/*
 * The sensor of instruments that cut an archive into numbered pieces and send a check file along.
 *
 * A tick lists the prefix once, page by page: an object is a piece, a check file or nobody's (reported at once and
 * forgotten).  Then the check files not read before are read, a few at a time; then every upload is judged.  The world
 * decides anew in every tick: a complete upload asks for its run each time, and the engine drops what it has had.
 */
#include "config.h"

#include "sensors/chunked_upload.h"

#include "base/mem.h"
#include "formats/checkfile.h"
#include "sensors/upload_names.h"
#include "sensors/upload_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct opt chunked_upload_opts[] = {
    {.name = "store",
        .type = OPT_STORE,
        .off = offsetof(struct chunked_upload_conf, store),
        .flags = OPT_REQUIRED,
        .help = "where the uploads arrive"},
    {.name = "prefix",
        .type = OPT_PREFIX,
        .off = offsetof(struct chunked_upload_conf, prefix),
        .def = "",
        .help = "the folder watched; what lies in its sub-folders is ignored"},
    {.name = "part",
        .type = OPT_PATTERN,
        .off = offsetof(struct chunked_upload_conf, part),
        .flags = OPT_REQUIRED,
        .help = "regular expression for the name of a piece; its named groups tell uploads apart and fill "
                "templates"},
    {.name = "check_file",
        .type = OPT_TEMPLATE,
        .off = offsetof(struct chunked_upload_conf, check_file),
        .flags = OPT_REQUIRED,
        .help = "name of the check file (first piece, number of pieces, bytes), from the groups of part"},
    {.name = "index_group",
        .type = OPT_STRING,
        .off = offsetof(struct chunked_upload_conf, index_group),
        .def = "part",
        .help = "the group of part that holds the number of the piece"},
    {.name = "date_group",
        .type = OPT_STRING,
        .off = offsetof(struct chunked_upload_conf, date_group),
        .def = "date",
        .help = "the group of part that must be a real date YYYYMMDD if there is such a group; older uploads "
                "go first"},
    {.name = "complete_when",
        .type = OPT_STRLIST,
        .off = offsetof(struct chunked_upload_conf, complete_when),
        .help = "what must agree with the check file: any of count, indices (0 to n-1, each once), bytes; all "
                "when not given"},
    {.name = "stale_after",
        .type = OPT_DURATION,
        .off = offsetof(struct chunked_upload_conf, stale_after),
        .def = "1d",
        .min = "0s",
        .help = "an incomplete upload unchanged for longer is shown as stale; 0s never"},
    {.name = "max_keys",
        .type = OPT_INT,
        .off = offsetof(struct chunked_upload_conf, max_keys),
        .def = "1000000",
        .min = "1",
        .max = "100000000",
        .help = "a listing longer than this fails the tick"},
    {.name = "max_pieces",
        .type = OPT_INT,
        .off = offsetof(struct chunked_upload_conf, max_pieces),
        .def = "100000",
        .min = "1",
        .max = "10000000",
        .help = "most pieces of one upload that are believed"},
    {.name = "check_size",
        .type = OPT_SIZE,
        .off = offsetof(struct chunked_upload_conf, check_size),
        .def = "64KiB",
        .min = "64B",
        .max = "1MiB",
        .help = "a larger check file is not read"},
    {.name = "check_reads",
        .type = OPT_INT,
        .off = offsetof(struct chunked_upload_conf, check_reads),
        .def = "8",
        .min = "1",
        .max = "64",
        .help = "check files read at the same time"},
    OPT_END,
};

/* What lives from tick to tick. */
struct chunked_upload {
	const struct chunked_upload_conf *conf;
	struct upload_names *names;
	char *prefix; /* empty or with a slash at the end */
	unsigned complete_when;
	struct upload_table table;
	struct upload_walk *walk; /* the tick under way */
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
	struct store_op *list;
	int64_t nkeys;
	struct upload_group **groups; /* from the end of the listing on */
	size_t next; /* the first whose check file nobody has looked after */
	struct check_read *reads; /* conf->check_reads of them */
	size_t reading;
	int64_t verdicts[KEY_NVERDICTS];
};

/* ---- end of a tick ---- */

static void walk_free(struct upload_walk *w)
{
	store_op_cancel(w->list);
	for (int64_t i = 0; i < w->cu->conf->check_reads; i++) {
		if (w->reads[i].group != NULL)
			store_op_cancel(w->reads[i].op);
		strbuf_release(&w->reads[i].text);
	}
	w->cu->walk = NULL;
	upload_table_end(&w->cu->table);
	free(w->reads);
	free(w->groups);
	free(w);
}

static void walk_done(struct upload_walk *w, const char *reason, const struct err *err)
{
	struct tick *tick = w->tick;

	walk_free(w);
	tick_done(tick, reason, err);
}

/* "2 complete, 1 pending, 14 ignored" */
static void summarize(const struct upload_walk *w, struct strbuf *out)
{
	for (size_t v = 0; v < KEY_NVERDICTS; v++)
		if (w->verdicts[v] > 0)
			strbuf_addf(
			    out, "%s%" PRId64 " %s", out->len ? ", " : "", w->verdicts[v], key_verdict_name(v));
	if (out->len == 0)
		strbuf_addf(out, "nothing under '%s'", w->cu->prefix);
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

/* Ask for the run; an upload that cannot ask is shown as such and stands in nobody's way. */
static void request(
    struct upload_walk *w, const struct upload_group *g, const char *key, struct upload_verdict *v)
{
	struct upload_values values;
	struct err err = ERR_INIT;
	size_t n = strlen(v->reason);

	upload_names_values(w->cu->names, g->name, &values);
	struct run_request r = {
	    .key = key,
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
static bool is_stale(
    const struct upload_walk *w, const struct upload_group *g, const char *key, const struct upload_verdict *v)
{
	tm_ms limit = w->cu->conf->stale_after;

	if (v->verdict != KEY_PENDING || limit == 0 || (g->check.listed && g->check.state != CHECK_GOOD))
		return false;
	return tick_now(w->tick) - tick_key_since(w->tick, key, v->fingerprint) >= limit;
}

static void conclude_group(struct upload_walk *w, struct upload_group *g, const char *key)
{
	struct upload_verdict v;
	size_t n;

	upload_group_judge(g, w->cu->complete_when, &v);
	if (v.verdict == KEY_COMPLETE) {
		request(w, g, key, &v);
	} else if (is_stale(w, g, key, &v)) {
		v.verdict = KEY_STALE;
		n = strlen(v.reason);
		snprintf(v.reason + n, sizeof(v.reason) - n, "; nothing new for longer than stale_after");
	}
	struct key_report r = {
	    .key = key,
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
	struct strbuf key = STRBUF_INIT(2 * STORE_KEY_MAX), reason = STRBUF_INIT(512);

	strbuf_addstr(&key, w->cu->prefix);
	for (struct upload_group **g = w->groups; *g != NULL; g++) {
		strbuf_truncate(&key, strlen(w->cu->prefix));
		strbuf_addstr(&key, (*g)->name);
		conclude_group(w, *g, key.buf);
	}
	tick_reported_all(w->tick);
	summarize(w, &reason);
	walk_done(w, reason.buf, NULL);
	strbuf_release(&reason);
	strbuf_release(&key);
}

/* ---- check files ---- */

static void read_more(struct upload_walk *w);

/* Does line 1 name the first piece of this very upload?  A check file of another night must not pass for ours. */
static bool names_first_piece(struct chunked_upload *cu, const struct upload_group *g, const char *first)
{
	struct upload_name name;

	upload_names_read(cu->names, first, &name);
	return name.role == UPLOAD_PIECE && name.index == 0 && strcmp(name.upload, g->name) == 0;
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
	char *key = xasprintf("%s%s", w->cu->prefix, g->name);

	while (r->group != NULL) /* there is a free one: reading < check_reads */
		r++;
	r->walk = w;
	r->group = g;
	r->text = STRBUF_INIT((size_t)w->cu->conf->check_size);
	r->op = store_get(w->store, key, g->check.etag, 0, &cbs, r);
	w->reading++;
	free(key);
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

static void see_object(struct upload_walk *w, const struct store_object *obj)
{
	const char *base = obj->key + strlen(w->cu->prefix);
	struct upload_group *g;
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
	g = upload_table_get(&w->cu->table, name.upload, name.len);
	if (g->date[0] == '\0') /* it follows from the upload's name */
		snprintf(g->date, sizeof(g->date), "%s", name.date);
	if (name.role == UPLOAD_PIECE)
		upload_group_add_piece(g, name.index, name.width, obj);
	else
		upload_group_set_check(g, obj);
}

static void on_page(const struct store_object *objs, size_t n, bool last, const struct err *err, void *arg)
{
	struct upload_walk *w = arg;
	struct err limit;

	for (size_t i = 0; i < n; i++)
		see_object(w, &objs[i]);
	w->nkeys += (int64_t)n;
	if (!last)
		return;
	w->list = NULL;
	if (err == NULL && w->nkeys > w->cu->conf->max_keys) {
		err_code(&limit, ERR_PERMANENT, "limit", "more than max_keys (%" PRId64 ") objects under '%s'",
		    w->cu->conf->max_keys, w->cu->prefix);
		err = &limit;
	}
	if (err != NULL) {
		walk_done(w, NULL, err);
		return;
	}
	w->groups = upload_table_sweep(&w->cu->table);
	read_more(w);
}

/* ---- the type ---- */

static int read_complete_when(const struct chunked_upload_conf *conf, unsigned *when, struct err *err)
{
	static const struct {
		const char *name;
		unsigned flag;
	} words[] = {{"count", COMPLETE_COUNT}, {"indices", COMPLETE_INDICES}, {"bytes", COMPLETE_BYTES}};

	*when = 0;
	for (size_t i = 0; i < conf->complete_when.n; i++) {
		unsigned flag = 0;

		for (size_t k = 0; k < NITEMS(words); k++)
			if (strcmp(conf->complete_when.v[i], words[k].name) == 0)
				flag = words[k].flag;
		if (flag == 0)
			return err_set(err, ERR_CONFIG,
			    "complete_when: '%.60s' is none of count, indices, bytes",
			    conf->complete_when.v[i]);
		*when |= flag;
	}
	if (*when == 0)
		*when = COMPLETE_COUNT | COMPLETE_INDICES | COMPLETE_BYTES;
	return 0;
}

static struct upload_names *names_of(const struct chunked_upload_conf *conf, struct err *err)
{
	return upload_names_new(conf->part, conf->check_file, conf->index_group, conf->date_group, err);
}

static int chunked_upload_check(const void *arg, struct err *err)
{
	struct upload_names *names;
	unsigned when;

	if ((names = names_of(arg, err)) == NULL)
		return -1;
	upload_names_free(names);
	return read_complete_when(arg, &when, err);
}

static int chunked_upload_names(
    const void *conf, void (*add)(void *arg, const char *name), void *arg, struct err *err)
{
	struct upload_names *names = names_of(conf, err);
	const char *name;

	if (names == NULL)
		return -1;
	for (size_t i = 0; (name = upload_names_group(names, i)) != NULL; i++)
		add(arg, name);
	upload_names_free(names);
	return 0;
}

static void chunked_upload_stop(void *mem)
{
	struct chunked_upload *cu = mem;

	if (cu->walk != NULL)
		walk_free(cu->walk);
	upload_table_release(&cu->table);
	upload_names_free(cu->names);
	free(cu->prefix);
	free(cu);
}

static void *chunked_upload_start(const void *arg, struct err *err)
{
	const struct chunked_upload_conf *conf = arg;
	struct chunked_upload *cu = xcalloc(1, sizeof(*cu));
	size_t n = strlen(conf->prefix);

	cu->conf = conf;
	cu->prefix = xasprintf("%s%s", conf->prefix, n > 0 && conf->prefix[n - 1] != '/' ? "/" : "");
	cu->names = names_of(conf, err);
	if (cu->names == NULL || read_complete_when(conf, &cu->complete_when, err) == -1) {
		chunked_upload_stop(cu);
		return NULL;
	}
	return cu;
}

static int chunked_upload_tick(void *mem, struct tick *tick, struct err *err)
{
	struct chunked_upload *cu = mem;
	struct store *store = tick_store(tick, cu->conf->store, err);
	struct upload_walk *w;

	if (store == NULL)
		return -1;
	assert(cu->walk == NULL);
	w = cu->walk = xcalloc(1, sizeof(*w));
	w->cu = cu;
	w->tick = tick;
	w->store = store;
	w->reads = xcalloc((size_t)cu->conf->check_reads, sizeof(*w->reads));
	for (int64_t i = 0; i < cu->conf->check_reads; i++)
		w->reads[i].text = STRBUF_INIT(0);
	upload_table_begin(&cu->table);
	/* One more than allowed, so that a listing of exactly max_keys is not taken for a longer one. */
	w->list = store_list(store, cu->prefix, NULL, (size_t)cu->conf->max_keys + 1, on_page, w);
	return 0;
}

static void chunked_upload_cancel(void *mem, struct tick *tick)
{
	struct chunked_upload *cu = mem;

	if (cu->walk != NULL && cu->walk->tick == tick)
		walk_free(cu->walk);
}

const struct sensor_type sensor_chunked_upload = {
    .name = "chunked_upload",
    .summary = "uploads in numbered pieces with a check file: asks for a run when one is whole",
    .opts = chunked_upload_opts,
    .conf_size = sizeof(struct chunked_upload_conf),
    .names = chunked_upload_names,
    .check = chunked_upload_check,
    .start = chunked_upload_start,
    .stop = chunked_upload_stop,
    .tick = chunked_upload_tick,
    .cancel = chunked_upload_cancel,
};
