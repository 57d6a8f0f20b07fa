/* The asset unzip_chunked_archive as orch-step runs it, over the corpus and over nights of its own. */
#include "config.h"

#include "tests/component/upload_fixture.h"

/* Their shadow memory counts as resident. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#elif defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED false
#endif

static char *new_root(const char *name)
{
	return xasprintf("%s/store-%s", test_dir(), name);
}

static void unzip(struct attempt *a, const char *name, const char *root, const char *ledger, json_t *options)
{
	upload_step(a, name, "unzip_chunked_archive", upload_context(root, ledger, options));
}

/* ---- the corpus, each case as an upload */

static json_t *expected;

static void load_expected(void)
{
	struct strbuf sb = STRBUF_INIT(1 << 20);
	struct err err = ERR_INIT;

	if (fs_read(test_src("tests/data/archives/expected.json"), &sb, &err) == -1 ||
	    (expected = json_parse(sb.buf, sb.len, "expected.json", &err)) == NULL)
		tap_bail("%s", err.text);
	strbuf_release(&sb);
}

static void load_data(const char *dir, const char *name, struct strbuf *out)
{
	char path[300];

	snprintf(path, sizeof(path), "tests/data/archives/%s%s%s", dir, dir[0] ? "/" : "", name);
	strbuf_init(out, UPLOAD_MAX);
	if (fs_read(test_src(path), out, NULL) == -1)
		tap_bail("no %s", path);
}

static void put_data(const char *root, const char *dir, const char *name)
{
	char key[256];
	struct strbuf sb;

	load_data(dir, name, &sb);
	snprintf(key, sizeof(key), "raw/%s", name);
	upload_write(root, key, sb.buf, sb.len);
	strbuf_release(&sb);
}

static void put_case(const char *root, const json_t *c)
{
	const char *archive = json_str(c, "archive", NULL), *dir = json_str(c, "chunk_dir", NULL);
	struct strbuf sb;
	json_t *name;
	size_t i;

	if (archive != NULL) {
		load_data("", archive, &sb);
		upload_put(root, UPLOAD_NAME, &sb, 4096);
		strbuf_release(&sb);
		return;
	}
	json_array_foreach(json_object_get(c, "listing"), i, name) put_data(root, dir, json_string_value(name));
	put_data(root, dir, json_str(c, "manifest", ""));
}

/* The objects of the destination are these members; with exact no other and none missing. */
static bool objects_fit(const char *root, const json_t *members, bool exact)
{
	struct strvec keys = STRVEC_INIT;
	size_t found = 0, i;
	json_t *m;

	upload_keys(root, UPLOAD_DEST, &keys);
	json_array_foreach(members, i, m)
	{
		char *key = xasprintf(UPLOAD_DEST "%s", json_str(m, "path", ""));

		found += strvec_has(&keys, key) && upload_sha_is(root, key, json_str(m, "sha256", ""));
		free(key);
	}
	bool fits = found == keys.n && (!exact || found == json_array_size(members));
	strvec_release(&keys);
	return fits;
}

static bool class_fits(const struct attempt *a, const json_t *classes)
{
	const char *code = a->rec.err.code;

	for (size_t i = 0; i < json_array_size(classes); i++) {
		const char *c = json_string_value(json_array_get(classes, i));
		size_t n = strlen(c);

		if (strncmp(code, c, n) == 0 && (code[n] == '\0' || code[n] == '.'))
			return a->rec.err.class == ERR_BAD_DATA;
	}
	return false;
}

static bool outcome_fits(const struct attempt *a, const char *root, const json_t *want)
{
	const char *outcome = json_str(want, "outcome", "");
	bool manifest = upload_exists(root, UPLOAD_MANIFEST);

	if (strcmp(outcome, "accept") == 0)
		return upload_succeeded(a) && manifest &&
		       objects_fit(root, json_object_get(want, "members"), true);
	if (strcmp(outcome, "no_data") == 0)
		return upload_succeeded(a) && a->rec.outcome == OUTCOME_NO_DATA && !manifest &&
		       upload_count(root, UPLOAD_DEST) == 0;
	return !manifest && class_fits(a, json_object_get(want, "class")) &&
	       objects_fit(root, json_object_get(want, "may_exist"), false);
}

static bool limits_in(json_t *options)
{
	const char *key;
	json_t *value;

	json_object_foreach(json_object_get(expected, "limits"), key, value)
	{
		bool bytes = strcmp(key + strlen(key) - 6, "_bytes") == 0 && strcmp(key, "max_path_bytes") != 0;
		char text[40];

		snprintf(text, sizeof(text), "%lld%s", (long long)json_integer_value(value), bytes ? "B" : "");
		json_object_set_new(options, key, json_string(text));
	}
	return true;
}

static void test_corpus(void)
{
	json_t *c, *other;
	size_t i, j;

	json_array_foreach(json_object_get(expected, "cases"), i, c)
	{
		const char *id = json_str(c, "id", "");
		char *root = new_root(id), *ledger = upload_ledger(id);
		json_t *options = upload_unzip_options();
		struct attempt a;

		limits_in(options);
		put_case(root, c);
		size_t raw = upload_count(root, "raw/");
		unzip(&a, id, root, ledger, options);
		bool fits = outcome_fits(&a, root, json_object_get(c, "expect"));
		json_array_foreach(json_object_get(c, "or"), j, other) fits =
		    fits || outcome_fits(&a, root, other);
		ok(fits && upload_count(root, "raw/") == raw, "%s: %s %s", id, a.rec.err.code, a.rec.err.text);
		attempt_release(&a);
		free(root);
		free(ledger);
	}
}

/* ---- nights */

#define MEMBERS      12
#define MEMBER_BYTES 300000

static void make_night(struct strbuf *gz, uint32_t seed)
{
	static unsigned char noise[MEMBER_BYTES];
	struct strbuf tar = STRBUF_INIT(UPLOAD_MAX);
	char name[64];

	strbuf_init(gz, UPLOAD_MAX);
	for (unsigned i = 0; i < MEMBERS; i++) {
		upload_noise(noise, sizeof(noise), seed + i);
		snprintf(name, sizeof(name), "2025%04u/UAO_X_%04u.img", i < 6 ? 429 : 430, i);
		upload_add_member(&tar, name, noise, sizeof(noise) - i);
	}
	upload_gzip(&tar, 1, gz);
	strbuf_release(&tar);
}

static json_t *flat_options(void)
{
	json_t *o = upload_unzip_options();

	json_object_set_new(o, "flatten", json_string("yes"));
	json_object_set_new(o, "copies",
	    json_pack("{s:s}", "raw/Cloud_{site}_{observation_date}.txt",
	        "cloudsensor/{site}/{observation_date:4}/"));
	json_object_set_new(o, "copies_if_present",
	    json_pack("{s:s}", "raw/Cloud_{site}_{next_date}.txt", "cloudsensor/{site}/{next_date:4}/"));
	return o;
}

static bool night_is_there(const char *root, uint32_t seed)
{
	static unsigned char noise[MEMBER_BYTES];
	size_t good = 0;
	char key[128], sum[SHA256_HEX];

	for (unsigned i = 0; i < MEMBERS; i++) {
		upload_noise(noise, sizeof(noise), seed + i);
		sha256_hex(noise, sizeof(noise) - i, sum);
		snprintf(key, sizeof(key), UPLOAD_DEST "UAO_X_%04u.img", i);
		good += upload_sha_is(root, key, sum);
	}
	return good == MEMBERS && upload_count(root, UPLOAD_DEST) == MEMBERS;
}

static json_t *load_manifest(const char *root)
{
	struct strbuf sb;
	json_t *m = NULL;

	if (upload_read(root, UPLOAD_MANIFEST, &sb))
		m = json_parse(sb.buf, sb.len, "manifest", NULL);
	strbuf_release(&sb);
	return m;
}

static void test_night(void)
{
	char *root = new_root("night"), *ledger = upload_ledger("night");
	struct strbuf gz;
	struct attempt a;
	json_t *m;

	make_night(&gz, 1);
	size_t pieces = upload_put(root, UPLOAD_NAME, &gz, 65536);
	upload_write(root, "raw/Cloud_uao_20250429.txt", "cloud", 5);
	upload_write(root, "raw/Cloud_uao_20250430.txt", "next", 4);
	upload_write(root, "raw/" UPLOAD_NAME ".tar.gz", "left over", 9);
	upload_write(root, "raw/sub/" UPLOAD_NAME ".tar.gz000000", "elsewhere", 9);
	upload_write(root, "raw/my_test_file.txt", "stray", 5);

	unzip(&a, "night-dry", root, ledger, flat_options());
	attempt_release(&a);
	fs_remove_tree(root, NULL); /* the dry run proper comes below; this one proved that strays do no harm */
	upload_put(root, UPLOAD_NAME, &gz, 65536);
	upload_write(root, "raw/Cloud_uao_20250429.txt", "cloud", 5);
	upload_write(root, "raw/Cloud_uao_20250430.txt", "next", 4);

	json_t *ctx = upload_context(root, ledger, flat_options());
	json_object_set_new(ctx, "dry_run", json_true());
	upload_step(&a, "night-dry2", "unzip_chunked_archive", ctx);
	char *journal = attempt_file(&a, ATTEMPT_JOURNAL);
	ok(upload_succeeded(&a) && upload_count(root, "") == pieces + 3, "a dry run writes nothing %s",
	    a.rec.err.text);
	ok(strstr(journal, UPLOAD_DEST "UAO_X_0011.img") && strstr(journal, UPLOAD_MANIFEST) &&
	        strstr(journal, "cloudsensor/uao/2025/Cloud_uao_20250430.txt"),
	    "and tells every key");
	free(journal);
	attempt_release(&a);

	unzip(&a, "night", root, ledger, flat_options());
	ok(upload_succeeded(&a) && a.rec.outcome == OUTCOME_OK, "a night %s", a.rec.err.text);
	ok(night_is_there(root, 1), "its members are objects");
	ok(upload_exists(root, "cloudsensor/uao/2025/Cloud_uao_20250429.txt") &&
	        upload_exists(root, "cloudsensor/uao/2025/Cloud_uao_20250430.txt"),
	    "both cloud files were copied");
	is_int(upload_count(root, "raw/"), (int64_t)pieces + 3, "nothing of raw is gone");
	is_int(upload_meta(&a, "files"), MEMBERS, "metadata: files");
	is_int(
	    upload_meta(&a, "bytes"), MEMBERS * MEMBER_BYTES - MEMBERS * (MEMBERS - 1) / 2, "metadata: bytes");
	is_int(upload_meta(&a, "written"), MEMBERS, "metadata: written");
	m = load_manifest(root);
	is_int(json_array_size(json_object_get(m, "objects")), MEMBERS, "the manifest lists the objects");
	is_int(json_array_size(json_object_get(m, "pieces")), pieces, "and the pieces");
	is_int(json_array_size(json_object_get(m, "copies")), 2, "and the copies");
	json_decref(m);
	ok(upload_sha_is(
	       root, UPLOAD_MANIFEST, json_str(json_object_get(a.rec.metadata, "manifest"), "sha256", "")),
	    "metadata: the manifest's sum");
	attempt_release(&a);

	unzip(&a, "night-again", root, ledger, flat_options());
	ok(upload_succeeded(&a), "again %s", a.rec.err.text);
	ok(upload_meta(&a, "written") == 0 || upload_meta(&a, "already_present") == 0,
	    "a second run finds them, where the store keeps sums (%" PRId64 " written)",
	    upload_meta(&a, "written"));
	attempt_release(&a);

	upload_remove(root, "raw/Cloud_uao_20250429.txt");
	unzip(&a, "night-copied", root, ledger, flat_options());
	ok(upload_succeeded(&a) && a.rec.outcome == OUTCOME_OK,
	    "a cloud file that was copied before is not missed");
	attempt_release(&a);
	upload_remove(root, "cloudsensor/uao/2025/Cloud_uao_20250429.txt");
	unzip(&a, "night-cloudless", root, ledger, flat_options());
	ok(upload_succeeded(&a) && a.rec.outcome == OUTCOME_WARNINGS && upload_meta(&a, "cloud_files") == 1,
	    "one that never came is, with a warning");
	attempt_release(&a);
	strbuf_release(&gz);
	free(root);
	free(ledger);
}

static void test_given_lists(void)
{
	char *root = new_root("given"), *ledger = upload_ledger("given");
	struct strbuf gz;
	struct attempt a;
	json_t *ctx, *list = json_array();

	make_night(&gz, 2);
	size_t pieces = upload_put(root, UPLOAD_NAME, &gz, 1 << 20);
	upload_write(root, "raw/Cloud_other_20250429.txt", "c", 1);
	json_array_append_new(list, json_string("raw/fpi13_uao_20250429.tar.gz000000"));
	for (size_t i = pieces; i-- > 0;) {
		char key[128];

		snprintf(key, sizeof(key), "raw/" UPLOAD_NAME ".tar.gz%06zu", i);
		json_array_append_new(list, json_string(key));
	}
	ctx = upload_context(root, ledger, flat_options());
	json_object_set_new(json_object_get(ctx, "config"), "file_chunks", list);
	json_object_set_new(
	    json_object_get(ctx, "config"), "cloud_files", json_pack("[s]", "raw/Cloud_other_20250429.txt"));
	upload_step(&a, "given", "unzip_chunked_archive", ctx);
	ok(upload_succeeded(&a) && a.rec.outcome == OUTCOME_WARNINGS && night_is_there(root, 2),
	    "given pieces in any order, a foreign one dropped with a warning %s", a.rec.err.text);
	ok(upload_exists(root, "cloudsensor/uao/2025/Cloud_other_20250429.txt"), "the given cloud file");
	attempt_release(&a);

	ctx = upload_context(root, ledger, flat_options());
	json_object_set_new(json_object_get(ctx, "config"), "file_chunks",
	    json_pack("[s]", "raw/fpi13_uao_20250429.tar.gz000000"));
	upload_step(&a, "given-none", "unzip_chunked_archive", ctx);
	ok(upload_failed(&a, "chunks.missing") && strstr(a.rec.err.text, "No valid file chunks remain"), "%s",
	    a.rec.err.text);
	attempt_release(&a);
	strbuf_release(&gz);
	free(root);
	free(ledger);
}

static void test_nothing_there(void)
{
	char *root = new_root("nothing"), *ledger = upload_ledger("nothing");
	struct attempt a;

	upload_write(root, "raw/other.txt", "x", 1);
	unzip(&a, "nothing", root, ledger, flat_options());
	ok(upload_failed(&a, "not_found") && strstr(a.rec.err.text, "No file chunks found"), "%s",
	    a.rec.err.text);
	attempt_release(&a);
	upload_write(root, "raw/" UPLOAD_NAME ".txt", UPLOAD_NAME ".tar.gz\n0\n0\n", 30);
	unzip(&a, "no-data", root, ledger, flat_options());
	ok(upload_succeeded(&a) && a.rec.outcome == OUTCOME_NO_DATA, "a check file of 0 pieces is no data %s",
	    a.rec.err.text);
	attempt_release(&a);
	free(root);
	free(ledger);
}

/* ---- when something goes wrong on the way */

/* Names that are fine by themselves, but that a folder on this machine cannot hold. */
static void test_names_of_the_store(void)
{
	char *root = new_root("names"), *ledger = upload_ledger("names"), long_name[300] = {0};
	const char *const second[] = {"a/b", long_name};

	memset(long_name, 'k', sizeof(long_name) - 1);
	for (size_t i = 0; i < NITEMS(second); i++) {
		struct strbuf tar = STRBUF_INIT(UPLOAD_MAX), gz = STRBUF_INIT(UPLOAD_MAX);
		struct attempt a;

		upload_add_member(&tar, "a", "1", 1);
		upload_add_long_member(&tar, second[i], "2", 1);
		upload_gzip(&tar, 1, &gz);
		upload_put(root, UPLOAD_NAME, &gz, 65536);
		unzip(&a, i == 0 ? "names-below" : "names-long", root, ledger, upload_unzip_options());
		ok(upload_failed(&a, "path.key") && a.rec.err.class == ERR_BAD_DATA &&
		        upload_count(root, UPLOAD_DEST) == 0,
		    "%.10s: %.200s", second[i], a.rec.err.text);
		attempt_release(&a);
		strbuf_release(&tar);
		strbuf_release(&gz);
	}
	free(root);
	free(ledger);
}

/* Flip a bit of a file in the store. */
static void damage(const char *root, const char *key, size_t at)
{
	struct strbuf sb;

	upload_read(root, key, &sb);
	sb.buf[at] ^= 4;
	upload_write(root, key, sb.buf, sb.len);
	strbuf_release(&sb);
}

static void test_damaged(void)
{
	char *root = new_root("damaged"), *ledger = upload_ledger("damaged");
	struct strbuf gz;
	struct attempt a;
	char last[128];

	make_night(&gz, 3);
	size_t pieces = upload_put(root, UPLOAD_NAME, &gz, 65536);
	snprintf(last, sizeof(last), "raw/" UPLOAD_NAME ".tar.gz%06zu", pieces - 1);
	damage(root, last, 10);
	unzip(&a, "damaged", root, ledger, flat_options());
	ok(a.rec.err.class == ERR_BAD_DATA && strstr(a.rec.err.text, UPLOAD_NAME ".tar.gz"), "%s: %s",
	    a.rec.err.code, a.rec.err.text);
	is_int(upload_count(root, "fpi/"), 0, "what was unpacked before the damage is taken back");
	is_int(upload_count(root, "manifests/"), 0, "no manifest");
	is_int(upload_count(root, "raw/"), (int64_t)pieces + 1, "raw is untouched");
	attempt_release(&a);
	strbuf_release(&gz);

	/* A good night stands there; a damaged upload of other content must not touch it. */
	fs_remove_tree(root, NULL);
	make_night(&gz, 4);
	upload_put(root, UPLOAD_NAME, &gz, 65536);
	unzip(&a, "good", root, ledger, flat_options());
	ok(upload_succeeded(&a) && night_is_there(root, 4), "a good night %s", a.rec.err.text);
	attempt_release(&a);
	strbuf_release(&gz);
	free(ledger);
	ledger = upload_ledger("damaged-2");
	make_night(&gz, 5);
	pieces = upload_put(root, UPLOAD_NAME, &gz, 65536);
	snprintf(last, sizeof(last), "raw/" UPLOAD_NAME ".tar.gz%06zu", pieces - 1);
	damage(root, last, 10);
	unzip(&a, "bad-over-good", root, ledger, flat_options());
	ok(a.rec.err.class == ERR_BAD_DATA && night_is_there(root, 4),
	    "a bad upload leaves the good night alone");
	attempt_release(&a);
	damage(root, last, 10);
	upload_write(root, UPLOAD_DEST "UAO_X_0099.img", "left over", 9);
	unzip(&a, "better", root, ledger, flat_options());
	ok(a.rec.outcome == OUTCOME_WARNINGS && upload_meta(&a, "other_objects") == 1 &&
	        upload_exists(root, UPLOAD_DEST "UAO_X_0099.img"),
	    "what is not from this archive stays, with a warning");
	upload_remove(root, UPLOAD_DEST "UAO_X_0099.img");
	ok(upload_succeeded(&a) && night_is_there(root, 5), "a good one replaces it %s", a.rec.err.text);
	is_int(upload_meta(&a, "written"), MEMBERS, "member by member");
	attempt_release(&a);
	strbuf_release(&gz);
	free(root);
	free(ledger);
}

#define LONG_MEMBERS 96
#define LONG_PIECES  21

static void put_long_night(const char *root)
{
	unsigned char *noise = xmalloc(1 << 20);
	struct strbuf tar = STRBUF_INIT(UPLOAD_MAX), gz = STRBUF_INIT(UPLOAD_MAX);
	char name[64];

	for (unsigned i = 0; i < LONG_MEMBERS; i++) {
		upload_noise(noise, 1 << 20, i);
		snprintf(name, sizeof(name), "n/%04u.img", i);
		upload_add_member(&tar, name, noise, 1 << 20);
	}
	upload_gzip(&tar, 0, &gz);
	_exit(upload_put(root, UPLOAD_NAME, &gz, 5000000) == LONG_PIECES ? 0 : 1);
}

/*
 * Large enough that the step is still reading when the first object appears.  Made in a process of its own: a child's
 * peak memory starts with its parent's, and we want to see the step's.
 */
static void make_long_night(const char *root)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		put_long_night(root);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		tap_bail("making a long night");
}

static void remove_below(const char *root, const char *name)
{
	char *path = fs_join(root, name);

	fs_remove_tree(path, NULL);
	free(path);
}

/* Start, and stop the process as soon as the first object is there. */
static void start_and_freeze(struct attempt *a, const char *name, const char *root, const char *ledger)
{
	tm_ms deadline = clock_mono() + ATTEMPT_DEADLINE_MS;

	attempt_make(a, name, "unzip_chunked_archive", upload_context(root, ledger, flat_options()));
	attempt_start(a, "orch-step");
	while (upload_count(root, "fpi/") == 0 && clock_mono() < deadline)
		usleep(300);
	kill(a->pid, SIGSTOP);
}

static void test_interrupted(void)
{
	char *root = new_root("long"), *ledger = upload_ledger("long");
	struct attempt a;
	char last[128];

	make_long_night(root);
	snprintf(last, sizeof(last), "raw/" UPLOAD_NAME ".tar.gz%06d", LONG_PIECES - 1);

	start_and_freeze(&a, "changed", root, ledger);
	size_t early = upload_count(root, "fpi/");
	ok(early > 0 && early < LONG_MEMBERS - 10 && upload_count(root, "manifests/") == 0,
	    "stopped in the middle, after %zu objects", early);
	damage(root, last, 1000);
	kill(a.pid, SIGCONT);
	attempt_wait(&a);
	ok(upload_failed(&a, "chunks.changed") && a.rec.err.class == ERR_TRANSIENT &&
	        strstr(a.rec.err.text, last),
	    "a piece that changed since the listing: %s", a.rec.err.text);
	is_int(upload_count(root, "manifests/"), 0, "no manifest");
	attempt_release(&a);
	damage(root, last, 1000);

	remove_below(root, "fpi");
	start_and_freeze(&a, "termed", root, ledger);
	kill(a.pid, SIGTERM);
	kill(a.pid, SIGCONT);
	attempt_wait(&a);
	ok(a.rec.err.class == ERR_CANCELLED, "TERM ends it soon: %s", a.rec.err.text);
	attempt_release(&a);

	remove_below(root, "fpi");
	remove_below(root, "manifests");
	start_and_freeze(&a, "killed", root, ledger);
	kill(a.pid, SIGKILL);
	attempt_wait(&a);
	ok(!a.has_record && upload_count(root, "manifests/") == 0,
	    "killed in the middle: no record, no manifest");
	attempt_release(&a);

	unzip(&a, "after-kill", root, ledger, flat_options());
	ok(upload_succeeded(&a) && upload_count(root, UPLOAD_DEST) == LONG_MEMBERS,
	    "the next attempt completes it %s", a.rec.err.text);
	is_int(upload_meta(&a, "written") + upload_meta(&a, "already_present"), LONG_MEMBERS,
	    "every member was written or found");
	ok(SANITIZED || a.rec.maxrss_kib < 64 * 1024, "in %" PRId64 " KiB", (int64_t)a.rec.maxrss_kib);
	attempt_release(&a);
	free(root);
	free(ledger);
}

/* A member that does not fit in memory goes through a file. */
static void test_large_member(void)
{
	char *root = new_root("large"), *ledger = upload_ledger("large");
	struct strbuf tar = STRBUF_INIT(UPLOAD_MAX), gz = STRBUF_INIT(UPLOAD_MAX);
	unsigned char *noise = xmalloc(9 << 20);
	struct attempt a;
	char sum[SHA256_HEX];

	upload_noise(noise, 9 << 20, 77);
	sha256_hex(noise, 9 << 20, sum);
	upload_add_member(&tar, "small", "x", 1);
	upload_add_member(&tar, "large", noise, 9 << 20);
	upload_add_member(&tar, "small2", "y", 1);
	upload_gzip(&tar, 0, &gz);
	upload_put(root, UPLOAD_NAME, &gz, 5 << 20);
	unzip(&a, "large", root, ledger, flat_options());
	ok(upload_succeeded(&a) && upload_sha_is(root, UPLOAD_DEST "large", sum) &&
	        upload_count(root, UPLOAD_DEST) == 3,
	    "a member of 9 MiB %s", a.rec.err.text);
	attempt_release(&a);
	strbuf_release(&tar);
	strbuf_release(&gz);
	free(noise);
	free(root);
	free(ledger);
}

int main(void)
{
	load_expected();
	tap_run(test_corpus);
	tap_run(test_night);
	tap_run(test_given_lists);
	tap_run(test_nothing_there);
	tap_run(test_names_of_the_store);
	tap_run(test_damaged);
	tap_run(test_interrupted);
	tap_run(test_large_member);
	json_decref(expected);
	return tap_done();
}
