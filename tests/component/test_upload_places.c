/* The chunked_upload sensor over several prefixes, for what was announced, and over many objects. */
#include "config.h"

#include "tests/component/upload_world.h"

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
		ended = !cut_tick(turns);
		if (now_tick.nasked != 8)
			ok(false, "%zu runs after a cancel in turn %d", now_tick.nasked, turns);
		world_close();
	}
	ok(ended && turns > 3, "cancelled at each of %d points of a tick for many", turns - 1);
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

static void airy_page(evutil_socket_t fd, short what, void *arg)
{
	size_t n = MIN(1000, airy.nights * 18 - airy.next);

	for (size_t i = 0; i < n; i++)
		airy_object(airy.next + i, i);
	airy.next += n;
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

/* How long it takes is for the bench to say. */
static void test_many(void)
{
	static const struct store_ops ops = {.list = airy_list, .get = airy_get};
	struct store *folder;

	world_open();
	folder = store;
	airy.store = (struct store){.ops = &ops, .name = (char *)"data", .base = base};
	airy.ev = event_new(base, -1, 0, airy_page, NULL);
	airy.nights = 5556;
	store = &airy.store;
	conf.check_size = 1 << 30;
	world_start();
	run_tick();
	is_int(now_tick.nasked, 5556, "5556 nights in 100,008 objects");
	is_int(gets, 5556, "each check file was read");
	tick_release(&last_tick); /* this program's own index is not built for so many */
	run_tick();
	is_int(now_tick.nasked, 5556, "all of them again");
	is_int(gets, 5556, "and not again");
	event_free(airy.ev);
	store = folder;
	world_close();
}

int main(void)
{
	tap_run(test_prefixes);
	tap_run(test_bad_prefixes);
	tap_run(test_hint);
	tap_run(test_announced);
	tap_run(test_announced_faults);
	tap_run(test_announced_cancel);
	tap_run(test_poison);
	tap_run(test_many);
	return tap_done();
}
