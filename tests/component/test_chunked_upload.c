/*
 * The chunked_upload sensor over a real folder store.  The tick services are this program's own: they remember what
 * was reported and asked for, as the engine does, and the clock is ours.
 */
#include "config.h"

#include "tests/tap.h"

#include "base/strbuf.h"
#include "conf/node.h"
#include "sensors/chunked_upload.h"
#include "store/dir.h"

#include <event2/event.h>
#include <sys/stat.h>
#include <time.h>

#define PART "^(?<stub>fpi(?<num>\\d{2}))_(?<site>[a-z0-9]{2,3})_(?<date>\\d{8})\\.tar\\.gz(?<part>\\d{6})$"
#define DAY  INT64_C(86400000)

/* ---- the tick services ---- */

struct seen {
	char *key, *fingerprint, *reason;
	enum key_verdict verdict;
	int64_t present, expected, bytes;
	tm_ms since;
};

struct asked {
	char *key, *names, *generation, *why;
};

struct tick {
	struct seen *seen;
	size_t nseen;
	struct asked *asked;
	size_t nasked;
	bool whole, done, failed, again;
	char reason[512];
	struct err err;
};

static struct event_base *base;
static struct store *store;
static struct tick now_tick, last_tick; /* the one under way, the one before */
static tm_ms now = 1000 * DAY;
static const char *refuse_request; /* tick_request fails with this text */
static const char *const *hints; /* NULL: the next ticks are for everything */
static size_t nhints;

static void tick_release(struct tick *t)
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

static const struct seen *find_seen(const struct tick *t, const char *key)
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
static struct chunked_upload_conf conf;
static void *mem;

/* The store's own calls with faults in front of them. */
static struct store_ops faulty;
static const struct store_ops *real;
static size_t gets, gets_at_once, most_gets_at_once;
static const char *fail_key; /* a get of this key ... */
static struct err fail_with; /* ... fails with this */
static bool fail_list;

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

static struct strbuf prefixes; /* "raw/ raw/x": prefixes of all listings */
static size_t lists_at_once, most_lists_at_once;
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

static void world_open(void)
{
	static char *raw[] = {(char *)"raw/", NULL};
	static unsigned count;
	struct err err = ERR_INIT;

	snprintf(root, sizeof(root), "%s/store%u", test_dir(), count++);
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

static void world_start(void)
{
	struct err err = ERR_INIT;

	if ((mem = sensor_chunked_upload.start(&conf, &err)) == NULL)
		tap_bail("%s", err.text);
}

static void world_close(void)
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

static char *path_of(const char *key)
{
	return fs_join(root, key);
}

static void put(const char *key, const char *text)
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

static void drop(const char *key)
{
	char *path = path_of(key);

	if (unlink(path) == -1)
		tap_bail("unlink %s", path);
	free(path);
}

/* A night of n pieces of five bytes and its check file. */
static void put_night(const char *stem, int n)
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

static void begin_tick(void)
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

static const struct tick *run_tick(void)
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

static void is_verdict(const char *key, enum key_verdict verdict, const char *reason)
{
	const struct seen *s = find_seen(&now_tick, key);

	if (!ok(s != NULL, "%.80s is reported", key))
		return;
	is_str(key_verdict_name(s->verdict), key_verdict_name(verdict), "its verdict");
	if (reason != NULL)
		is_str(s->reason, reason, "its reason");
}

/* ---- one tick ---- */

static void test_complete(void)
{
	world_open();
	put_night("fpi05_uao_20260407", 3);
	put("raw/Cloud_uao_20260407.txt", "clouds");
	world_start();
	run_tick();
	is_verdict("raw/fpi05_uao_20260407.txt", KEY_COMPLETE, "3 of 3 pieces, 15 bytes");
	is_verdict("raw/Cloud_uao_20260407.txt", KEY_IGNORED, "neither a piece nor a check file by its name");
	is_int(now_tick.nseen, 2, "a group is one key");
	is_int(now_tick.nasked, 1, "one run is asked for");
	is_str(now_tick.asked[0].key, "raw/fpi05_uao_20260407.txt", "for the key");
	is_str(now_tick.asked[0].names, "stub=fpi05 num=05 site=uao date=20260407 prefix=raw",
	    "with the names of the pattern");
	is_str(now_tick.asked[0].why, "3 of 3 pieces, 15 bytes", "and why");
	is_str(now_tick.asked[0].generation, now_tick.seen[1].fingerprint,
	    "the generation is the key's fingerprint");
	ok(now_tick.whole, "the index may forget the rest");
	is_str(now_tick.reason, "1 complete, 1 ignored", "the tick in one line");
	world_close();
}

static void test_two_instruments(void)
{
	world_open();
	put_night("fpi13_uao_20260408", 1);
	put_night("fpi13_uao_20260407", 2);
	put_night("fpi05_uao_20260407", 3);
	put_night("fpi05_uao_20260409", 1);
	world_start();
	run_tick();
	is_int(now_tick.nasked, 4, "each instrument and night has its own run");
	is_str(now_tick.asked[0].names, "stub=fpi05 num=05 site=uao date=20260407 prefix=raw",
	    "the oldest date first");
	is_str(now_tick.asked[1].names, "stub=fpi13 num=13 site=uao date=20260407 prefix=raw", "then by name");
	is_str(now_tick.asked[2].names, "stub=fpi13 num=13 site=uao date=20260408 prefix=raw",
	    "then the next date");
	world_close();
}

/* Everything that must not start a run, in one folder with a night that must. */
static void test_odd_objects(void)
{
	static const struct {
		const char *key, *text;
		enum key_verdict verdict;
		const char *reason;
	} cases[] = {
	    {"raw/my_test_file.txt", "x", KEY_IGNORED, "neither a piece nor a check file by its name"},
	    {"raw/sub/fpi07_uao_20260407.tar.gz000000", "x", KEY_IGNORED, "in a sub-folder"},
	    {"raw/fpi123_uao_20260407.tar.gz000000", "x", KEY_IGNORED, NULL},
	    {"raw/fpi123_uao_20260407.txt", "x", KEY_IGNORED, NULL},
	    {"raw/fpi07_uao_20260431.tar.gz000000", "x", KEY_IGNORED, "'20260431' in its name is not a date"},
	    {"raw/fpi07_uao_2026040x.tar.gz000000", "x", KEY_IGNORED, NULL},
	    {"raw/fpi05_uao_20260407.tar.gz", "x", KEY_IGNORED, NULL},
	    {"raw/fpi05_uao_20260407.tar.gz000001000001", "x", KEY_IGNORED, NULL},
	    {"raw/a_b_notadate", "x", KEY_IGNORED, NULL},
	    {"raw/Cloud_ABC_20230101.txt", "x", KEY_IGNORED, NULL},
	    {"raw/fpi05_ABC_20250409.tar.gz000006", "x", KEY_IGNORED, NULL},
	    {"raw/bwc00_uao_20260407.txt", "Cloud\n0\n0\n", KEY_IGNORED, NULL},
	    {"raw/.tmp", "", KEY_IGNORED, NULL},
	    {"raw/fpi20_uao_20260407.txt", "fpi20_uao_20260407.tar.gz000000\n5\n25\n", KEY_PENDING,
	        "0 of 5 pieces"},
	    {"raw/fpi21_uao_20260407.txt", "fpi21_uao_20260407.tar.gz\n0\n0\n2026\n999\n", KEY_NO_DATA, NULL},
	    {"raw/fpi22_uao_20260407.txt", "", KEY_INVALID, "check file: empty"},
	    {"raw/fpi23_uao_20260407.txt", "x\n5", KEY_INVALID, "check file: fewer than three lines"},
	    {"raw/fpi24_uao_20260407.txt", "x\nfive\n25\n", KEY_INVALID, NULL},
	    {"raw/fpi25_uao_20260407.txt", "fpi25_uao_20260406.tar.gz000000\n1\n1\n", KEY_INVALID,
	        "check file: line 1 is not the first piece of this upload: fpi25_uao_20260406.tar.gz000000"},
	    {"raw/fpi26_uao_20260407.txt", "fpi26_uao_20260407.tar.gz000000\n100001\n25\n", KEY_INVALID, NULL},
	    {"raw/fpi27_uao_20260407.txt", "../../secret\n1\n25\n", KEY_INVALID, NULL},
	};

	world_open();
	for (size_t i = 0; i < NITEMS(cases); i++)
		put(cases[i].key, cases[i].text);
	put("raw/fpi30_uao_20260407.tar.gz000000", "12345");
	put("raw/fpi30_uao_20260407.tar.gz000002", "12345");
	put_night("fpi05_uao_20260407", 3);
	world_start();
	run_tick();
	for (size_t i = 0; i < NITEMS(cases); i++)
		is_verdict(cases[i].key, cases[i].verdict, cases[i].reason);
	is_verdict("raw/fpi30_uao_20260407.txt", KEY_PENDING, "2 pieces, 000001 missing, no check file yet");
	is_verdict("raw/fpi05_uao_20260407.txt", KEY_COMPLETE, NULL);
	is_int(now_tick.nseen, NITEMS(cases) + 2, "each is reported once");
	is_int(now_tick.nasked, 1, "only the whole night asks for a run");
	ok(most_gets_at_once <= 4 && most_gets_at_once > 1, "check files are read side by side, %zu at most",
	    most_gets_at_once);
	world_close();
}

static void test_check_file_forms(void)
{
	static const char *const texts[] = {
	    "fpi05_uao_20260407.tar.gz000000\n3\n15",
	    "fpi05_uao_20260407.tar.gz000000\r\n3\r\n15\r\n2026-04-08 15:00:12.345678\r\n",
	    "fpi05_uao_20260407.tar.gz000000  \n3 \n15\t\n",
	};

	for (size_t i = 0; i < NITEMS(texts); i++) {
		world_open();
		put_night("fpi05_uao_20260407", 3);
		put("raw/fpi05_uao_20260407.txt", texts[i]);
		world_start();
		run_tick();
		is_verdict("raw/fpi05_uao_20260407.txt", KEY_COMPLETE, NULL);
		world_close();
	}
}

static void test_incomplete(void)
{
	static const char stem[] = "fpi05_uao_20260407.tar.gz000000\n";
	static const struct {
		const char *what, *numbers, *reason;
	} cases[] = {
	    {"too few", "5\n25\n", "3 of 5 pieces, 000003 missing, 000004 missing, 15 of 25 bytes"},
	    {"left-overs of a longer upload", "2\n10\n",
	        "3 of 2 pieces, 000002 is one too many, 15 of 10 bytes"},
	    {"a byte more than promised", "3\n14\n", "3 of 3 pieces, 15 of 14 bytes"},
	};

	for (size_t i = 0; i < NITEMS(cases); i++) {
		char text[100];

		world_open();
		put_night("fpi05_uao_20260407", 3);
		snprintf(text, sizeof(text), "%s%s", stem, cases[i].numbers);
		put("raw/fpi05_uao_20260407.txt", text);
		world_start();
		run_tick();
		diag("%s", cases[i].what);
		is_verdict("raw/fpi05_uao_20260407.txt", KEY_PENDING, cases[i].reason);
		is_int(now_tick.nasked, 0, "no run");
		world_close();
	}
}

static void test_limits(void)
{
	struct strbuf big = STRBUF_INIT(1 << 20);

	world_open();
	strbuf_addstr(&big, "fpi05_uao_20260407.tar.gz000000\n1\n5\n");
	for (int i = 0; i < 70000; i++)
		strbuf_addch(&big, 'x');
	put("raw/fpi05_uao_20260407.txt", big.buf);
	put("raw/fpi05_uao_20260407.tar.gz000000", "12345");
	world_start();
	run_tick();
	is_verdict(
	    "raw/fpi05_uao_20260407.txt", KEY_INVALID, "check file: 70036 bytes, more than check_size (65536)");
	is_int(gets, 0, "a check file that is too big is not even asked for");
	conf.max_keys = 1;
	run_tick();
	ok(now_tick.failed && err_is(&now_tick.err, "limit"), "more than max_keys: %s", now_tick.err.text);
	conf.max_keys = 2;
	ok(!run_tick()->failed, "exactly max_keys are fine");
	strbuf_release(&big);
	world_close();
}

static void test_bad_conf(void)
{
	struct err err = ERR_INIT;

	world_open();
	ok(sensor_chunked_upload.check(&conf, &err) == 0, "a good conf passes its checks");
	strvec_push(&conf.complete_when, "size");
	ok(sensor_chunked_upload.check(&conf, &err) == -1 && strstr(err.text, "'size' is none of") != NULL,
	    "%s", err.text);
	strvec_release(&conf.complete_when);
	conf.check_file = (char *)"{stub}.txt";
	ok(sensor_chunked_upload.check(&conf, &err) == -1 && err.class == ERR_CONFIG, "%s", err.text);
	ok(sensor_chunked_upload.start(&conf, &err) == NULL, "and does not start either");
	conf.check_file = (char *)"{stub}_{site}_{date}.txt";
	conf.store = (char *)"other";
	world_start();
	ok(sensor_chunked_upload.tick(mem, &now_tick, &err) == -1, "no such store: %s", err.text);
	conf.store = (char *)"data";
	conf.prefixes.v[0] = (char *)"raw";
	sensor_chunked_upload.stop(mem);
	world_start();
	put("raw2/fpi05_uao_20260407.txt", "x");
	run_tick();
	is_str(now_tick.reason, "nothing under 'raw/'", "a prefix without a slash is a folder all the same");
	conf.prefixes.v[0] = (char *)"raw/";
	world_close();
}

/* What stands in a pipeline file reaches the sensor through its table, defaults included. */
static void test_options(void)
{
	static const char yaml[] = "store: data\n"
	                           "prefix: raw/\n"
	                           "part: '" PART "'\n"
	                           "check_file: '{stub}_{site}_{date}.txt'\n"
	                           "complete_when: [count, bytes]\n"
	                           "stale_after: 2h\n";
	struct diags diags = DIAGS_INIT;
	struct strbuf text = STRBUF_INIT(4096);
	struct node *node = node_parse_yaml("x.yaml", yaml, strlen(yaml), &diags);
	struct chunked_upload_conf bound = {0};
	struct err err = ERR_INIT;
	int rc = opt_bind(sensor_chunked_upload.opts, node, "sensor x", &bound, &diags);

	diags_print(&diags, &text);
	ok(rc == 0 && sensor_chunked_upload.check(&bound, &err) == 0, "the table binds %s%s", text.buf,
	    err.text);
	is_str(bound.index_group, "part", "the index group has a default");
	is_str(bound.date_group, "date", "so has the date group");
	is_int(bound.complete_when.n, 2, "a list of words");
	is_int(bound.stale_after, 7200000, "a duration");
	is_int(bound.check_size, 65536, "a size");
	opt_release(sensor_chunked_upload.opts, &bound);
	node_free(node);
	diags_release(&diags);
	strbuf_release(&text);
}

/* ---- from tick to tick ---- */

static void test_check_first(void)
{
	world_open();
	put("raw/fpi05_uao_20260407.txt", "fpi05_uao_20260407.tar.gz000000\n2\n10\n");
	world_start();
	run_tick();
	is_verdict("raw/fpi05_uao_20260407.txt", KEY_PENDING, "0 of 2 pieces");
	put("raw/fpi05_uao_20260407.tar.gz000001", "12345");
	run_tick();
	is_verdict("raw/fpi05_uao_20260407.txt", KEY_PENDING, "1 of 2 pieces, 000000 missing, 5 of 10 bytes");
	put("raw/fpi05_uao_20260407.tar.gz000000", "12345");
	run_tick();
	is_verdict("raw/fpi05_uao_20260407.txt", KEY_COMPLETE, NULL);
	is_int(gets, 1, "the check file was read once");
	run_tick();
	is_int(now_tick.nasked, 1, "a complete upload asks in every tick");
	is_str(now_tick.asked[0].generation, last_tick.asked[0].generation, "with the same generation");
	drop("raw/fpi05_uao_20260407.tar.gz000000");
	put("raw/fpi05_uao_20260407.tar.gz000000", "54321");
	run_tick();
	ok(strcmp(now_tick.asked[0].generation, last_tick.asked[0].generation) != 0,
	    "a replaced piece of the same size makes another");
	put("raw/fpi05_uao_20260407.txt", "fpi05_uao_20260407.tar.gz000000\n3\n15\n");
	run_tick();
	is_int(gets, 2, "a replaced check file is read again");
	is_verdict("raw/fpi05_uao_20260407.txt", KEY_PENDING, NULL);
	drop("raw/fpi05_uao_20260407.txt");
	run_tick();
	is_verdict("raw/fpi05_uao_20260407.txt", KEY_PENDING, "2 pieces, no check file yet");
	drop("raw/fpi05_uao_20260407.tar.gz000000");
	drop("raw/fpi05_uao_20260407.tar.gz000001");
	run_tick();
	ok(now_tick.nseen == 0 && now_tick.whole, "what was deleted is not reported any more");
	world_close();
}

static void test_stale(void)
{
	world_open();
	put_night("fpi05_uao_20260407", 3);
	drop("raw/fpi05_uao_20260407.tar.gz000002");
	put_night("fpi06_uao_20260407", 1);
	put("raw/fpi07_uao_20260407.txt", "fpi07_uao_20260407.tar.gz\n0\n0\n");
	world_start();
	run_tick();
	now += DAY - 1;
	run_tick();
	is_verdict("raw/fpi05_uao_20260407.txt", KEY_PENDING, "2 of 3 pieces, 000002 missing, 10 of 15 bytes");
	now += 1;
	run_tick();
	is_verdict("raw/fpi05_uao_20260407.txt", KEY_STALE,
	    "2 of 3 pieces, 000002 missing, 10 of 15 bytes; nothing new for longer than stale_after");
	is_verdict("raw/fpi06_uao_20260407.txt", KEY_COMPLETE, NULL);
	is_verdict("raw/fpi07_uao_20260407.txt", KEY_NO_DATA, NULL);
	put("raw/fpi05_uao_20260407.tar.gz000001", "123456");
	run_tick();
	is_verdict("raw/fpi05_uao_20260407.txt", KEY_PENDING, NULL);
	put("raw/fpi05_uao_20260407.tar.gz000001", "12345");
	put("raw/fpi05_uao_20260407.tar.gz000002", "12345");
	run_tick();
	is_verdict("raw/fpi05_uao_20260407.txt", KEY_COMPLETE, NULL);
	conf.stale_after = 0;
	drop("raw/fpi05_uao_20260407.tar.gz000002");
	run_tick();
	now += 1000 * DAY;
	run_tick();
	is_verdict("raw/fpi05_uao_20260407.txt", KEY_PENDING, NULL);
	world_close();
}

static void test_faults(void)
{
	world_open();
	put_night("fpi05_uao_20260407", 2);
	put_night("fpi06_uao_20260407", 2);
	world_start();
	fail_list = true;
	run_tick();
	ok(now_tick.failed && now_tick.err.class == ERR_TRANSIENT && !now_tick.whole,
	    "a failed listing fails the tick");
	fail_list = false;
	fail_key = "raw/fpi05_uao_20260407.txt";
	err_set(&fail_with, ERR_TRANSIENT, "connection reset");
	run_tick();
	ok(!now_tick.failed, "a check file that cannot be read does not");
	is_verdict("raw/fpi05_uao_20260407.txt", KEY_PENDING,
	    "the check file could not be read, the next tick tries again: connection reset");
	is_verdict("raw/fpi06_uao_20260407.txt", KEY_COMPLETE, NULL);
	now += 2 * DAY;
	run_tick();
	is_verdict("raw/fpi05_uao_20260407.txt", KEY_PENDING, NULL);
	is_int(gets, 3, "only that one is tried again");
	fail_key = NULL;
	refuse_request = "the queue is full";
	run_tick();
	is_verdict("raw/fpi05_uao_20260407.txt", KEY_PENDING,
	    "2 of 2 pieces, 10 bytes, but no run: the queue is full");
	refuse_request = NULL;
	run_tick();
	is_int(now_tick.nasked, 2, "then all is well");
	world_close();
}

/* ---- several prefixes ---- */

static void set_hints(const char *const *v, size_t n)
{
	hints = v;
	nhints = n;
	strbuf_reset(&prefixes);
}
#define HINTS(...)                                          \
	set_hints((const char *const[]){__VA_ARGS__, NULL}, \
	    sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void put_night_below(const char *prefix, const char *stem, int pieces)
{
	char key[100], text[100];

	for (int i = 0; i < pieces; i++) {
		snprintf(key, sizeof(key), "%s%s.tar.gz%06d", prefix, stem, i);
		put(key, "12345");
	}
	snprintf(key, sizeof(key), "%s%s.txt", prefix, stem);
	snprintf(text, sizeof(text), "%s.tar.gz000000\n%d\n%d\n", stem, pieces, 5 * pieces);
	put(key, text);
}

/* The same upload in each of twenty places is twenty uploads. */
static void test_prefixes(void)
{
	char text[20][8], *list[21] = {NULL};
	size_t named = 0;

	world_open();
	for (int i = 0; i < 20; i++) {
		snprintf(text[i], sizeof(text[i]), "s%02d", i);
		list[i] = text[i];
		char prefix[8];
		snprintf(prefix, sizeof(prefix), "s%02d/", i);
		put_night_below(prefix, "fpi05_uao_20260407", 2);
	}
	put("raw/fpi05_uao_20260407.txt", "of no prefix");
	put("s07/x/fpi05_uao_20260407.txt", "in a sub-folder");
	conf.prefixes = (struct strvec){.v = list, .n = 20};
	world_start();
	run_tick();
	is_int(now_tick.nasked, 20, "each asks for its run");
	is_int(most_lists_at_once, 8, "eight places are listed at the same time");
	for (size_t i = 0; i < now_tick.nasked; i++) {
		char want[32];

		snprintf(want, sizeof(want), "prefix=s%02zu", i);
		named += strstr(now_tick.asked[i].names, want) != NULL;
	}
	is_int(named, 20, "templates know where it lies");
	is_verdict("s07/fpi05_uao_20260407.txt", KEY_COMPLETE, "2 of 2 pieces, 10 bytes");
	is_verdict("s07/x/fpi05_uao_20260407.txt", KEY_IGNORED, "in a sub-folder");
	is_int(now_tick.nseen, 21, "and nothing else is seen");
	ok(now_tick.whole, "it was a look at everything");
	run_tick();
	is_int(gets, 20, "no check file is read again");
	drop("s07/fpi05_uao_20260407.tar.gz000001");
	set_hints((const char *const[]){"s07/fpi05_uao_20260407.txt", "s08/fpi05_uao_20260407.txt"}, 2);
	run_tick();
	is_int(now_tick.nasked, 1, "of two announced one is whole");
	is_verdict("s07/fpi05_uao_20260407.txt", KEY_PENDING, NULL);
	ok(strstr(prefixes.buf, "s09") == NULL, "other places are not listed: %s", prefixes.buf);
	hints = NULL;
	conf.max_keys = 30;
	run_tick();
	ok(now_tick.failed && err_is(&now_tick.err, "limit"), "max_keys is for all together: %s",
	    now_tick.err.text);
	conf.max_keys = 1000;
	fail_list = true;
	run_tick();
	ok(now_tick.failed && !now_tick.whole, "a place that cannot be listed fails the tick");
	fail_list = false;
	run_tick();
	is_int(now_tick.nasked, 19, "and the next one sees everything again");
	world_close();
}

static void test_bad_prefixes(void)
{
	static char *const cases[][3] = {
	    {(char *)"raw/", (char *)"raw"}, {(char *)"a/b/", (char *)"a"}, {(char *)"", (char *)"a"}};
	struct err err = ERR_INIT;

	world_open();
	for (size_t i = 0; i < NITEMS(cases); i++) {
		char *list[] = {cases[i][0], cases[i][1], NULL};

		conf.prefixes = (struct strvec){.v = list, .n = 2};
		ok(sensor_chunked_upload.check(&conf, &err) == -1 && err.class == ERR_CONFIG, "%s", err.text);
	}
	char *list[] = {(char *)"raw", (char *)"raw2/", (char *)"a/raw", NULL};
	conf.prefixes = (struct strvec){.v = list, .n = 3};
	ok(sensor_chunked_upload.check(&conf, &err) == 0, "names that begin alike are not within one another");
	world_start();
	world_close();
}

/* ---- ticks for what was announced ---- */

static void test_hint(void)
{
	static const struct {
		const char *store, *key, *hint; /* hint NULL: nothing to this sensor */
	} cases[] = {
	    {"data", "raw/fpi05_uao_20260407.tar.gz000011", "raw/fpi05_uao_20260407.txt"},
	    {"data", "raw/fpi05_uao_20260407.txt", "raw/fpi05_uao_20260407.txt"},
	    {"other", "raw/fpi05_uao_20260407.txt", NULL},
	    {"data", "fpi05_uao_20260407.txt", NULL},
	    {"data", "raw/x/fpi05_uao_20260407.txt", NULL},
	    {"data", "raw/Cloud_uao_20260407.txt", NULL},
	    {"data", "raw/fpi05_uao_20260432.txt", NULL},
	    {"data", "raw/", NULL},
	    {"data", "", NULL},
	};

	world_open();
	world_start();
	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct strbuf out = STRBUF_INIT(SENSOR_HINT_MAX);
		bool mine = sensor_chunked_upload.hint(mem, cases[i].store, cases[i].key, &out);

		ok(mine == (cases[i].hint != NULL) && (!mine || strcmp(out.buf, cases[i].hint) == 0),
		    "%s of %s: %s", cases[i].key, cases[i].store, mine ? out.buf : "none of ours");
		strbuf_release(&out);
	}
	world_close();

	world_open();
	conf.part = (char *)"^(?<part>\\d+)-(?<a>\\w+)$";
	conf.check_file = (char *)"{a}.ok";
	world_start();
	struct strbuf out = STRBUF_INIT(SENSOR_HINT_MAX);
	ok(sensor_chunked_upload.hint(mem, "data", "raw/1-x", &out) && out.len == 0,
	    "names that do not begin alike ask for a look at everything");
	strbuf_release(&out);
	world_close();
}

static void test_announced(void)
{
	world_open();
	put_night("fpi05_uao_20260407", 3);
	put_night("fpi05_uao_20260408", 2);
	put_night("fpi05_uao_20260409", 2);
	put("raw/fpi05_uao_20260407.txt.old", "not the check file");
	put("raw/fpi05_uao_20260407.tar.gz0/sub", "not a piece");
	put("raw/Cloud_uao_20260407.txt", "clouds");
	drop("raw/fpi05_uao_20260408.txt");
	drop("raw/fpi05_uao_20260409.tar.gz000001");
	world_start();
	HINTS("raw/fpi05_uao_20260407.txt", "raw/fpi05_uao_20260408.txt", "raw/fpi05_uao_20260409.txt",
	    "raw/fpi99_uao_20260407.txt");
	run_tick();
	is_int(now_tick.nasked, 1, "the one that is whole asks for its run");
	is_verdict("raw/fpi05_uao_20260407.txt", KEY_COMPLETE, "3 of 3 pieces, 15 bytes");
	is_verdict("raw/fpi05_uao_20260409.txt", KEY_PENDING, NULL);
	is_int(now_tick.nseen, 2, "of what has no check file nothing is said, nor of what is not there");
	ok(!now_tick.whole, "nor that anything is gone");
	is_str(now_tick.reason, "1 pending, 1 complete, 2 without check file", "the tick in one line");
	ok(strstr(prefixes.buf, "raw/fpi05_uao_20260407.tar.gz") != NULL &&
	        strstr(prefixes.buf, "raw/ ") == NULL && strstr(prefixes.buf, "20260408.tar") == NULL,
	    "no more was listed than was needed: %s", prefixes.buf);
	char *generation = xstrdup(now_tick.asked[0].generation);
	hints = NULL;
	run_tick();
	ok(now_tick.whole && now_tick.nasked == 1, "a look at everything asks again");
	is_str(now_tick.asked[0].generation, generation, "for the same generation");
	is_int(gets, 2, "and reads no check file again");
	free(generation);
	put("raw/fpi05_uao_20260409.tar.gz000001", "12345");
	HINTS("raw/fpi05_uao_20260409.txt");
	run_tick();
	is_int(now_tick.nasked, 1, "the missing piece was announced");
	is_str(now_tick.reason, "1 complete", "and nothing else was looked at");
	is_int(gets, 2, "what its check file says is still known");
	world_close();
}

static void test_announced_faults(void)
{
	world_open();
	put_night("fpi05_uao_20260407", 3);
	put_night("fpi05_uao_20260408", 3);
	world_start();
	HINTS("raw/fpi05_uao_20260407.txt", "raw/fpi05_uao_20260408.txt");
	fail_list = true;
	run_tick();
	ok(now_tick.failed && err_is(&now_tick.err, ""), "a listing that fails fails the tick: %s",
	    now_tick.err.text);
	fail_list = false;
	fail_key = "raw/fpi05_uao_20260407.txt";
	err_set(&fail_with, ERR_TRANSIENT, "get: 503 SlowDown");
	run_tick();
	ok(now_tick.again && now_tick.nasked == 1, "a check file that cannot be read asks for another tick");
	fail_key = NULL;
	run_tick();
	ok(!now_tick.again && now_tick.nasked == 2, "which reads it");
	HINTS("raw/Cloud_uao_20260407.txt");
	run_tick();
	ok(now_tick.whole && now_tick.nasked == 2, "a hint that means nothing is a hint to look at everything");
	conf.max_keys = 2;
	HINTS("raw/fpi05_uao_20260407.txt");
	run_tick();
	ok(now_tick.failed && err_is(&now_tick.err, "limit"), "the limit holds: %s", now_tick.err.text);
	world_close();
}

static const char *many_hints[32];

/* More than are looked up at once, and stopped at every point. */
static void test_announced_cancel(void)
{
	char names[32][40];
	bool ended = false;
	int turns;

	for (int i = 0; i < 32; i++) {
		snprintf(names[i], sizeof(names[i]), "raw/fpi%02d_uao_20260407.txt", i);
		many_hints[i] = names[i];
	}
	for (turns = 0; !ended && turns < 1000; turns++) {
		world_open();
		for (int i = 0; i < 32; i += 4) {
			char stem[32];

			snprintf(stem, sizeof(stem), "fpi%02d_uao_20260407", i);
			put_night(stem, 2);
		}
		world_start();
		set_hints(many_hints, 32);
		begin_tick();
		for (int i = 0; i < turns && !now_tick.done; i++)
			event_base_loop(base, EVLOOP_ONCE);
		ended = now_tick.done;
		if (!ended) {
			sensor_chunked_upload.cancel(mem, &now_tick);
			event_base_loop(base, EVLOOP_NONBLOCK);
			if (now_tick.done)
				ok(false, "done after cancel in turn %d", turns);
			run_tick();
		}
		if (now_tick.nasked != 8)
			ok(false, "%zu runs after a cancel in turn %d", now_tick.nasked, turns);
		world_close();
	}
	ok(ended && turns > 3, "cancelled at each of %d points of a tick for many", turns - 1);
}

/* Stop at every point of a tick: no call of tick_done afterwards, and the next tick knows nothing of it. */
static void test_cancel(void)
{
	int turns;
	bool ended = false;

	for (turns = 0; !ended && turns < 1000; turns++) {
		world_open();
		for (int i = 0; i < 12; i++) {
			char stem[32];

			snprintf(stem, sizeof(stem), "fpi%02d_uao_20260407", i);
			put_night(stem, 2);
		}
		world_start();
		begin_tick();
		for (int i = 0; i < turns && !now_tick.done; i++)
			event_base_loop(base, EVLOOP_ONCE);
		ended = now_tick.done;
		if (!ended) {
			sensor_chunked_upload.cancel(mem, &now_tick);
			event_base_loop(base, EVLOOP_NONBLOCK);
			if (now_tick.done)
				ok(false, "done after cancel in turn %d", turns);
			run_tick();
		}
		if (now_tick.nasked != 12)
			ok(false, "%zu runs after a cancel in turn %d", now_tick.nasked, turns);
		world_close();
	}
	ok(ended && turns > 3, "cancelled at each of %d points of a tick", turns - 1);
}

/* ---- many ---- */

static void test_poison(void)
{
	static const char letters[] = "abcXYZ019_-. ~'\"\\$&<>%;{}()\x01\x1b\n\xc3\xa9";
	size_t poison = 10000, listed;
	unsigned seed = 20260407;
	char key[300];

	world_open();
	for (size_t i = 0; i < poison; i++) {
		static const char *const heads[] = {
		    "", "fpi", "fpi05_", "fpi05_uao_", "fpi05_uao_20260407", "Cloud_", "a_b_"};
		size_t n = (size_t)snprintf(
		    key, sizeof(key), "raw/%s", heads[(unsigned)rand_r(&seed) % NITEMS(heads)]);
		int len = 1 + rand_r(&seed) % 60;

		for (int k = 0; k < len; k++) {
			unsigned char c =
			    (unsigned char)letters[(unsigned)rand_r(&seed) % (NITEMS(letters) - 3)];

			key[n++] = (char)c;
		}
		snprintf(key + n, sizeof(key) - n, "%zu\xc3\xa9", i);
		put(key, "x");
	}
	put_night("fpi05_uao_20260407", 3);
	put_night("fpi13_uao_20260407", 17);
	world_start();
	run_tick();
	ok(!now_tick.failed, "the tick stands");
	is_int(now_tick.nasked, 2, "all whole nights run");
	listed = 0;
	for (size_t i = 0; i < now_tick.nseen; i++)
		listed += now_tick.seen[i].verdict == KEY_IGNORED;
	is_int(listed, (int64_t)poison, "each poison is listed once");
	is_int(now_tick.nseen, (int64_t)poison + 2, "and nothing else");
	world_close();
}

/* A listing made from thin air, to see what the sensor itself costs. */
static struct {
	struct store store;
	size_t nights, next;
	store_list_cb *cb;
	void *arg;
	struct event *ev;
	char keys[1000][64], etags[1000][40];
	struct store_object objs[1000];
} airy;

/* 18 objects a night, from 20 instruments. */
static void airy_object(size_t i, size_t slot)
{
	size_t night = i / 18, k = i % 18;
	struct store_object *o = &airy.objs[slot];
	int n = snprintf(airy.keys[slot], sizeof(airy.keys[slot]), "raw/fpi%02zu_uao_%04zu%02zu%02zu.t",
	    night % 20, 2000 + night / 20 / 336, 1 + night / 20 / 28 % 12, 1 + night / 20 % 28);

	if (k < 17)
		snprintf(airy.keys[slot] + n, sizeof(airy.keys[slot]) - (size_t)n, "ar.gz%06zu", k);
	else
		snprintf(airy.keys[slot] + n, sizeof(airy.keys[slot]) - (size_t)n, "xt");
	snprintf(airy.etags[slot], sizeof(airy.etags[slot]), "%032zx", i);
	*o = (struct store_object){
	    .key = airy.keys[slot], .size = 5242880, .etag = airy.etags[slot], .modified = now};
}

static double page_cpu; /* what making the pages costs */

static double cpu_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void airy_page(evutil_socket_t fd, short what, void *arg)
{
	size_t n = MIN(1000, airy.nights * 18 - airy.next);
	double began = cpu_ms();

	for (size_t i = 0; i < n; i++)
		airy_object(airy.next + i, i);
	airy.next += n;
	page_cpu += cpu_ms() - began;
	if (airy.next < airy.nights * 18)
		event_active(airy.ev, 0, 0);
	airy.cb(airy.objs, n, airy.next == airy.nights * 18, NULL, airy.arg);
}

static struct store_op *airy_list(
    struct store *st, const char *prefix, const char *start_after, size_t max, store_list_cb *cb, void *arg)
{
	static struct store_op op = {.store = &airy.store};

	airy.cb = cb;
	airy.arg = arg;
	airy.next = 0;
	event_active(airy.ev, 0, 0);
	return &op;
}

struct airy_get {
	struct store_op op;
	struct store_get_cbs cbs;
	void *arg;
	char text[100];
};

static void airy_deliver(evutil_socket_t fd, short what, void *arg)
{
	struct airy_get *g = arg;

	g->cbs.on_data(g->text, strlen(g->text), g->arg);
	g->cbs.on_done(NULL, g->arg);
	free(g);
}

static struct store_op *airy_get(struct store *st, const char *key, const char *if_match, int64_t offset,
    const struct store_get_cbs *cbs, void *arg)
{
	struct airy_get *g = xcalloc(1, sizeof(*g));

	*g = (struct airy_get){.op.store = st, .cbs = *cbs, .arg = arg};
	snprintf(g->text, sizeof(g->text), "%.18s.tar.gz000000\n17\n%d\n", key + 4, 17 * 5242880);
	gets++;
	event_base_once(base, -1, EV_TIMEOUT, airy_deliver, g, NULL);
	return &g->op;
}

static void test_cost(void)
{
	static const struct store_ops ops = {.list = airy_list, .get = airy_get};
	struct store *folder;
	double began, first, again = 1e9;

	world_open();
	folder = store;
	airy.store = (struct store){.ops = &ops, .name = (char *)"data", .base = base};
	airy.ev = event_new(base, -1, 0, airy_page, NULL);
	airy.nights = 5556;
	store = &airy.store;
	conf.check_size = 1 << 30;
	world_start();
	began = cpu_ms();
	page_cpu = 0;
	run_tick();
	first = cpu_ms() - began - page_cpu;
	is_int(now_tick.nasked, 5556, "5556 nights in 100,008 objects");
	is_int(gets, 5556, "each check file was read");
	for (int i = 0; i < 5; i++) {
		tick_release(&last_tick); /* this program's own index is not built for so many */
		began = cpu_ms();
		page_cpu = 0;
		run_tick();
		again = MIN(again, cpu_ms() - began - page_cpu);
	}
	is_int(gets, 5556, "and not again");
	diag("first tick %.0f ms of CPU, an unchanged one %.0f ms", first, again);
#if !defined(__SANITIZE_ADDRESS__)
	ok(again < 150, "a tick over 100,000 unchanged objects costs less than 150 ms of CPU");
#endif
	event_free(airy.ev);
	store = folder;
	world_close();
}

int main(void)
{
	tap_run(test_complete);
	tap_run(test_two_instruments);
	tap_run(test_odd_objects);
	tap_run(test_check_file_forms);
	tap_run(test_incomplete);
	tap_run(test_limits);
	tap_run(test_bad_conf);
	tap_run(test_options);
	tap_run(test_check_first);
	tap_run(test_stale);
	tap_run(test_faults);
	tap_run(test_cancel);
	tap_run(test_prefixes);
	tap_run(test_bad_prefixes);
	tap_run(test_hint);
	tap_run(test_announced);
	tap_run(test_announced_faults);
	tap_run(test_announced_cancel);
	tap_run(test_poison);
	tap_run(test_cost);
	return tap_done();
}
