#include "config.h"

#include "tests/component/upload_world.h"

/* ---- the tick services ---- */

struct event_base *base;
struct store *store;
struct tick now_tick, last_tick; /* the one under way, the one before */
tm_ms now = 1000 * DAY;
const char *refuse_request; /* tick_request fails with this text */
const char *const *hints; /* NULL: the next ticks are for everything */
size_t nhints;

void tick_release(struct tick *t)
{
	for (size_t i = 0; i < t->nseen; i++) {
		free(t->seen[i].key);
		free(t->seen[i].fingerprint);
		free(t->seen[i].reason);
	}
	for (size_t i = 0; i < t->nasked; i++) {
		free(t->asked[i].key);
		free(t->asked[i].names);
		free(t->asked[i].generation);
		free(t->asked[i].why);
	}
	free(t->seen);
	free(t->asked);
	*t = (struct tick){0};
}

const struct seen *find_seen(const struct tick *t, const char *key)
{
	for (size_t i = 0; i < t->nseen; i++)
		if (strcmp(t->seen[i].key, key) == 0)
			return &t->seen[i];
	return NULL;
}

struct store *tick_store(struct tick *t, const char *name, struct err *err)
{
	if (strcmp(name, "data") == 0)
		return store;
	err_set(err, ERR_CONFIG, "no store '%s'", name);
	return NULL;
}

tm_ms tick_now(const struct tick *t)
{
	return now;
}

tm_ms tick_key_since(const struct tick *t, const char *key, const char *fingerprint)
{
	const struct seen *s = find_seen(&last_tick, key);

	return s != NULL && s->fingerprint != NULL && strcmp(s->fingerprint, fingerprint) == 0 ? s->since : now;
}

void tick_report(struct tick *t, const struct key_report *r)
{
	if ((t->nseen & (t->nseen + 1)) == 0)
		t->seen = xreallocarray(t->seen, 2 * t->nseen + 1, sizeof(*t->seen));
	t->seen[t->nseen++] = (struct seen){
	    .key = xstrdup(r->key),
	    .fingerprint = r->fingerprint ? xstrdup(r->fingerprint) : NULL,
	    .reason = xstrdup(r->reason),
	    .verdict = r->verdict,
	    .present = r->present,
	    .expected = r->expected,
	    .bytes = r->bytes,
	    .since = r->fingerprint ? tick_key_since(t, r->key, r->fingerprint) : now,
	};
}

void tick_reported_all(struct tick *t)
{
	t->whole = true;
}

int tick_request(struct tick *t, const struct run_request *r, struct err *err)
{
	struct strbuf names = STRBUF_INIT(1024);

	if (refuse_request != NULL)
		return err_set(err, ERR_TRANSIENT, "%s", refuse_request);
	for (size_t i = 0; i < r->nnames; i++)
		strbuf_addf(&names, "%s%s=%s", i ? " " : "", r->names[i].name, r->names[i].value);
	t->asked = xreallocarray(t->asked, t->nasked + 1, sizeof(*t->asked));
	t->asked[t->nasked++] = (struct asked){
	    .key = xstrdup(r->key),
	    .names = strbuf_detach(&names),
	    .generation = xstrdup(r->generation),
	    .why = xstrdup(r->why),
	};
	return 0;
}

const char *const *tick_hints(const struct tick *t, size_t *n)
{
	*n = nhints;
	return hints;
}

void tick_again(struct tick *t)
{
	t->again = true;
}

void tick_done(struct tick *t, const char *skip_reason, const struct err *err)
{
	t->done = true;
	t->failed = err != NULL;
	if (err != NULL)
		t->err = *err;
	snprintf(t->reason, sizeof(t->reason), "%s", skip_reason ? skip_reason : "");
}

/* ---- the world ---- */

static char root[512];
static struct store_dir_conf dir_conf;
struct chunked_upload_conf conf;
void *mem;

/* The store's own calls with faults in front of them. */
static struct store_ops faulty;
static const struct store_ops *real;
size_t gets, gets_at_once, most_gets_at_once;
const char *fail_key; /* a get of this key ... */
struct err fail_with; /* ... fails with this */
bool fail_list;

static struct get_count {
	struct get_count *next;
	struct store_get_cbs cbs;
	void *arg;
	bool fails;
} * get_counts; /* of all gets, cancelled ones too; freed with the world */

static void count_data(const void *p, size_t n, void *arg)
{
	struct get_count *c = arg;

	c->cbs.on_data(p, n, c->arg);
}

static void count_done(const struct err *err, void *arg)
{
	struct get_count *c = arg;

	gets_at_once--;
	c->cbs.on_done(c->fails ? &fail_with : err, c->arg);
}

static struct store_op *faulty_get(struct store *st, const char *key, const char *if_match, int64_t offset,
    const struct store_get_cbs *cbs, void *arg)
{
	static const struct store_get_cbs counting = {.on_data = count_data, .on_done = count_done};
	struct get_count *c = xcalloc(1, sizeof(*c));

	gets++;
	gets_at_once++;
	most_gets_at_once = MAX(most_gets_at_once, gets_at_once);
	*c = (struct get_count){
	    .next = get_counts,
	    .cbs = *cbs,
	    .arg = arg,
	    .fails = fail_key != NULL && strcmp(fail_key, key) == 0,
	};
	get_counts = c;
	return real->get(st, key, if_match, offset, &counting, c);
}

struct strbuf prefixes; /* "raw/ raw/x": prefixes of all listings */
size_t lists_at_once, most_lists_at_once;
static struct list_fault {
	struct list_fault *next;
	bool fails;
	store_list_cb *cb;
	void *arg;
} * list_faults; /* freed with the world */

static void counted_list(const struct store_object *objs, size_t n, bool last, const struct err *err, void *arg)
{
	struct list_fault *f = arg;
	struct err why;

	lists_at_once -= last;
	if (!last || !f->fails) {
		f->cb(objs, n, last, err, f->arg);
		return;
	}
	err_set(&why, ERR_TRANSIENT, "list: 503 SlowDown");
	f->cb(NULL, 0, true, &why, f->arg);
}

static struct store_op *faulty_list(
    struct store *st, const char *prefix, const char *start_after, size_t max, store_list_cb *cb, void *arg)
{
	struct list_fault *f = xcalloc(1, sizeof(*f));

	strbuf_addf(&prefixes, "%s%s", prefixes.len > 0 ? " " : "", prefix);
	*f = (struct list_fault){.next = list_faults, .fails = fail_list, .cb = cb, .arg = arg};
	list_faults = f;
	lists_at_once++;
	most_lists_at_once = MAX(most_lists_at_once, lists_at_once);
	return real->list(st, prefix, start_after, max, counted_list, f);
}

void world_open_in(const char *dir)
{
	static char *raw[] = {(char *)"raw/", NULL};
	static unsigned count;
	struct err err = ERR_INIT;

	snprintf(root, sizeof(root), "%s/store%u", dir, count++);
	dir_conf = (struct store_dir_conf){.path = root, .create = true};
	conf = (struct chunked_upload_conf){
	    .store = (char *)"data",
	    .prefixes = {.v = raw, .n = 1},
	    .part = (char *)PART,
	    .check_file = (char *)"{stub}_{site}_{date}.txt",
	    .index_group = (char *)"part",
	    .date_group = (char *)"date",
	    .stale_after = DAY,
	    .max_keys = 1000000,
	    .max_pieces = 100000,
	    .check_size = 65536,
	    .check_reads = 4,
	};
	base = event_base_new();
	store = store_open(store_type_find("dir"), "data", &dir_conf, base, &err);
	if (store == NULL)
		tap_bail("%s", err.text);
	real = store->ops;
	faulty = *real;
	faulty.get = faulty_get;
	faulty.list = faulty_list;
	store->ops = &faulty;
	gets = gets_at_once = most_gets_at_once = 0;
	lists_at_once = most_lists_at_once = 0;
	fail_key = NULL;
	fail_list = false;
	refuse_request = NULL;
	hints = NULL;
	nhints = 0;
	prefixes = STRBUF_INIT(1 << 20);
}

void world_start(void)
{
	struct err err = ERR_INIT;

	if ((mem = sensor_chunked_upload.start(&conf, &err)) == NULL)
		tap_bail("%s", err.text);
}

void world_close(void)
{
	sensor_chunked_upload.stop(mem);
	tick_release(&last_tick);
	tick_release(&now_tick);
	store->ops = real;
	store_close(store);
	event_base_free(base);
	for (struct get_count *c = get_counts, *next; c != NULL; c = next) {
		next = c->next;
		free(c);
	}
	get_counts = NULL;
	for (struct list_fault *f = list_faults, *next; f != NULL; f = next) {
		next = f->next;
		free(f);
	}
	list_faults = NULL;
	strbuf_release(&prefixes);
}

char *path_of(const char *key)
{
	return fs_join(root, key);
}

void put(const char *key, const char *text)
{
	char *path = path_of(key), *slash = strrchr(path, '/');
	struct err err = ERR_INIT;

	*slash = '\0';
	fs_mkdirs(path, 0755, &err);
	*slash = '/';
	if (fs_write_atomic(path, text, strlen(text), 0644, &err) == -1)
		tap_bail("%s", err.text);
	free(path);
}

void drop(const char *key)
{
	char *path = path_of(key);

	if (unlink(path) == -1)
		tap_bail("unlink %s", path);
	free(path);
}

void put_night(const char *stem, int n)
{
	char key[200], text[200];

	for (int i = 0; i < n; i++) {
		snprintf(key, sizeof(key), "raw/%s.tar.gz%06d", stem, i);
		put(key, "12345");
	}
	snprintf(key, sizeof(key), "raw/%s.txt", stem);
	snprintf(text, sizeof(text), "%s.tar.gz000000\n%d\n%d\n2026-04-08 15:00:12.345678\n812.43\n", stem, n,
	    5 * n);
	put(key, text);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	tap_bail("a tick did not end within 30 s");
}

void begin_tick(void)
{
	struct err err = ERR_INIT;

	if (now_tick.done && !now_tick.failed) {
		tick_release(&last_tick);
		last_tick = now_tick;
	} else {
		tick_release(&now_tick);
	}
	now_tick = (struct tick){0};
	if (sensor_chunked_upload.tick(mem, &now_tick, &err) == -1)
		tap_bail("%s", err.text);
}

const struct tick *run_tick(void)
{
	struct timeval limit = {.tv_sec = 30};
	struct event *deadline = event_new(base, -1, EV_TIMEOUT, on_deadline, NULL);

	begin_tick();
	event_add(deadline, &limit);
	while (!now_tick.done)
		event_base_loop(base, EVLOOP_ONCE);
	event_free(deadline);
	return &now_tick;
}

bool cut_tick(int turns)
{
	begin_tick();
	for (int i = 0; i < turns && !now_tick.done; i++)
		event_base_loop(base, EVLOOP_ONCE);
	if (now_tick.done)
		return false;
	sensor_chunked_upload.cancel(mem, &now_tick);
	event_base_loop(base, EVLOOP_NONBLOCK);
	if (now_tick.done)
		tap_bail("done after it was cancelled in turn %d", turns);
	run_tick();
	return true;
}
