/* One tick of the chunked_upload sensor, and what follows from one to the next. */
#include "config.h"

#include "tests/component/upload_world.h"

#include "conf/node.h"

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
		ended = !cut_tick(turns);
		if (now_tick.nasked != 12)
			ok(false, "%zu runs after a cancel in turn %d", now_tick.nasked, turns);
		world_close();
	}
	ok(ended && turns > 3, "cancelled at each of %d points of a tick", turns - 1);
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
	return tap_done();
}
