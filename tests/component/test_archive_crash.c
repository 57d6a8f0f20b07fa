/*
 * kill -9 at random moments of unzip_chunked_archive and delete_raw, again and again until a step gets through.
 *
 * Whatever the moment: no manifest unless every object it lists is there whole, no raw object gone before the list of
 * what will be deleted is written, and at the end everything exactly once.  ORCH_TEST_CRASHES sets the number of nights,
 * ORCH_TEST_SEED repeats one run.
 */
#include "config.h"

#include "tests/component/upload_fixture.h"

#include <sys/random.h>

#define MEMBERS      40
#define MEMBER_BYTES 50000
#define PIECE_BYTES  100000
#define KILLS_MAX    6 /* of one step; then it may end */

static uint32_t seed;

static uint32_t draw(uint32_t below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % below;
}

static void member_bytes(unsigned char *p, unsigned i)
{
	upload_noise(p, MEMBER_BYTES, 1000 + i);
}

static size_t put_night(const char *root)
{
	static unsigned char bytes[MEMBER_BYTES];
	struct strbuf tar = STRBUF_INIT(UPLOAD_MAX), gz = STRBUF_INIT(UPLOAD_MAX);
	char name[64];

	for (unsigned i = 0; i < MEMBERS; i++) {
		member_bytes(bytes, i);
		snprintf(name, sizeof(name), "n/%04u.img", i);
		upload_add_member(&tar, name, bytes, MEMBER_BYTES);
	}
	upload_gzip(&tar, 1, &gz);
	size_t pieces = upload_put(root, UPLOAD_NAME, &gz, PIECE_BYTES);
	strbuf_release(&tar);
	strbuf_release(&gz);
	return pieces;
}

static bool objects_are_whole(const char *root)
{
	static unsigned char bytes[MEMBER_BYTES];
	char key[128], sum[SHA256_HEX];

	for (unsigned i = 0; i < MEMBERS; i++) {
		member_bytes(bytes, i);
		sha256_hex(bytes, MEMBER_BYTES, sum);
		snprintf(key, sizeof(key), UPLOAD_DEST "n/%04u.img", i);
		if (!upload_sha_is(root, key, sum))
			return false;
	}
	return upload_count(root, UPLOAD_DEST) == MEMBERS;
}

/* How long an undisturbed step takes here, measured on the first night: kills are spread over that. */
static int64_t usual_unzip_us, usual_clean_us;

/* Start a step; kill it after a while, or let it end and learn how long that takes.  True: it ended by itself. */
static bool try_step(
    struct attempt *a, const char *name, const char *type, json_t *context, bool may_kill, int64_t *usual_us)
{
	attempt_make(a, name, type, context);
	int64_t start = clock_mono_us();
	attempt_start(a, "orch-step");
	if (may_kill) {
		usleep(draw((uint32_t)*usual_us));
		kill(a->pid, SIGKILL);
	}
	attempt_wait(a);
	if (!may_kill)
		*usual_us = clock_mono_us() - start;
	return a->has_record;
}

static int kills;

static json_t *unzip_until_done(const char *root, const char *ledger, int night)
{
	bool may_kill = night > 0;

	for (int i = 0;; i++) {
		char name[48];
		struct attempt a;

		snprintf(name, sizeof(name), "night-%d-unzip-%d", night, i);
		bool ended = try_step(&a, name, "unzip_chunked_archive",
		    upload_context(root, ledger, upload_unzip_options()), may_kill && i < KILLS_MAX,
		    &usual_unzip_us);
		bool manifest = upload_exists(root, UPLOAD_MANIFEST);
		if (manifest && !objects_are_whole(root))
			ok(false, "night %d, kill %d: a manifest without its objects", night, i);
		if (ended && !upload_succeeded(&a))
			ok(false, "night %d: %s", night, a.rec.err.text);
		json_t *metadata = ended ? json_incref(a.rec.metadata) : NULL;
		attempt_release(&a);
		kills += !ended;
		if (ended)
			return metadata;
	}
}

static void clean_until_done(const char *root, const char *ledger, int night, json_t *unzip, size_t raw)
{
	char *intent = xasprintf("%s/intent.json", ledger);
	bool may_kill = night > 0;

	for (int i = 0;; i++) {
		json_t *options = json_pack("{s:s}", "delete_after_failed_analysis", "yes"), *ctx;
		char name[48];
		struct attempt a;

		snprintf(name, sizeof(name), "night-%d-clean-%d", night, i);
		ctx = upload_context(root, ledger, options);
		json_object_set_new(ctx, "upstream",
		    json_pack("{s:{s:O}, s:{s:{s:s}}}", "unzip", "metadata", unzip, "analyze", "metadata",
		        "result", "ok"));
		bool ended = try_step(&a, name, "delete_raw", ctx, may_kill && i < KILLS_MAX, &usual_clean_us);
		if (!fs_exists(intent) && upload_count(root, "raw/") != raw)
			ok(false, "night %d, kill %d: raw objects are gone without an intent", night, i);
		if (ended && !upload_succeeded(&a))
			ok(false, "night %d: %s", night, a.rec.err.text);
		attempt_release(&a);
		kills += !ended;
		if (ended)
			break;
	}
	free(intent);
}

static void test_nights(void)
{
	int nights =
	    getenv("ORCH_TEST_CRASHES") != NULL ? (int)strtol(getenv("ORCH_TEST_CRASHES"), NULL, 10) : 8;

	for (int night = 0; night <= nights; night++) {
		char *root = xasprintf("%s/store-%d", test_dir(), night), name[32], *ledger;
		json_t *unzip;

		snprintf(name, sizeof(name), "night-%d", night);
		ledger = upload_ledger(name);
		size_t pieces = put_night(root);
		unzip = unzip_until_done(root, ledger, night);
		bool unpacked = objects_are_whole(root) && upload_count(root, "raw/") == pieces + 1;
		clean_until_done(root, ledger, night, unzip, pieces + 1);
		ok(unpacked && objects_are_whole(root) && upload_count(root, "raw/") == 0 &&
		        upload_count(root, "manifests/") == 1,
		    "night %d: everything once, nothing too early", night);
		json_decref(unzip);
		fs_remove_tree(root, NULL);
		free(root);
		free(ledger);
	}
	ok(kills >= nights, "%d kills, seed %s", kills,
	    getenv("ORCH_TEST_SEED") ? getenv("ORCH_TEST_SEED") : "above");
}

int main(void)
{
	const char *given = getenv("ORCH_TEST_SEED");

	if (given != NULL)
		seed = (uint32_t)strtoul(given, NULL, 10);
	else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		tap_bail("getrandom");
	diag("seed %u", seed);
	tap_run(test_nights);
	return tap_done();
}
