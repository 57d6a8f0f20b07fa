/* The asset delete_raw: what it takes to delete, and everything that must stop it. */
#include "config.h"

#include "tests/component/upload_fixture.h"

#include "database/effect.h"
#include "database/sqlite.h"

#define STEM     "results/2025/minime05_uao_20250429"
#define OUTPUT   STEM ".h5"
#define MANIFEST STEM ".manifest.json"
#define PIECES   4
#define CLOUD    "raw/Cloud_uao_20250429.txt"

/* ---- a night that was unpacked and analysed */

struct night {
	char *name, *root, *ledger, *db, *instrument, *date;
	json_t *unzip, *analysis; /* metadata of the steps before */
	json_t *options, *extra; /* of delete_raw; members of its context */
};

static void must(int rc, const struct err *err)
{
	if (rc == -1)
		tap_bail("%s", err->text);
}

static void unpack(struct night *n, const char *stub)
{
	char *upload = xasprintf("%s_uao_%s", stub, n->date), *name = xasprintf("%s-unzip", n->name);
	char *cloud = xasprintf("raw/Cloud_uao_%s.txt", n->date);
	struct strbuf tar = STRBUF_INIT(UPLOAD_MAX), gz = STRBUF_INIT(UPLOAD_MAX);
	json_t *options = upload_unzip_options(), *ctx;
	struct attempt a;

	upload_add_member(&tar, "n/a.img", "first image", 11);
	upload_add_member(&tar, "n/b.img", stub, strlen(stub));
	upload_gzip(&tar, 0, &gz);
	is_int(upload_put(n->root, upload, &gz, gz.len / PIECES + 1), PIECES, "pieces of an upload");
	upload_write(n->root, cloud, "clouds", 6);
	json_object_set_new(options, "copies",
	    json_pack("{s:s}", "raw/Cloud_{site}_{observation_date}.txt",
	        "cloudsensor/{site}/{observation_date:4}/"));
	ctx = upload_context(n->root, n->ledger, options);
	upload_set_night(ctx, n->instrument, n->date);
	upload_step(&a, name, "unzip_chunked_archive", ctx);
	if (!upload_succeeded(&a))
		tap_bail("unzip: %s", a.rec.err.text);
	n->unzip = json_incref(a.rec.metadata);
	attempt_release(&a);
	strbuf_release(&tar);
	strbuf_release(&gz);
	free(cloud);
	free(name);
	free(upload);
}

static struct database *open_db(const struct night *n)
{
	struct sqlite_conf conf = {.path = n->db, .busy_timeout = 1000};
	struct err err = ERR_INIT;
	struct database *db = db_open(&db_type_sqlite, "results", &conf, &err);

	if (db == NULL)
		tap_bail("%s", err.text);
	return db;
}

/* The rows and the effect row, as one transaction of the analysis leaves them. */
static void write_rows(const struct night *n, const char *manifest_sha256)
{
	const struct db_effect effect = {"feed", "analyze:x", "uao/20260417", manifest_sha256};
	struct database *db = open_db(n);
	struct err err = ERR_INIT;

	must(db_migrate(db, &orch_schema, &err), &err);
	must(db_exec(db, "CREATE TABLE sky (run_id TEXT, v INTEGER)", NULL, 0, NULL, &err), &err);
	must(db_begin(db, &err), &err);
	for (int i = 0; i < 3; i++)
		must(db_exec(db, "INSERT INTO sky VALUES ('01KTEST', 1)", NULL, 0, NULL, &err), &err);
	must(db_exec(db, "INSERT INTO sky VALUES ('another run', 1)", NULL, 0, NULL, &err), &err);
	must(db_effect_commit(db, &effect, &err), &err);
	db_close(db);
}

static void analyse(struct night *n)
{
	char sum[SHA256_HEX], *text;
	json_t *m;

	sha256_hex("winds", 5, sum);
	upload_write(n->root, OUTPUT, "winds", 5);
	m = json_pack("{s:s, s:s, s:s, s:s, s:s, s:[{s:s, s:i, s:s}], s:{s:i, s:i}}", "schema", "orchd/1",
	    "run", "01KTEST", "run_uid", "feed", "asset", "analyze:x", "partition", "uao/20260417", "objects",
	    "key", OUTPUT, "size", 5, "sha256", sum, "rows", "sky", 3, "DataSet", 3);
	text = json_text(m);
	upload_write(n->root, MANIFEST, text, strlen(text));
	sha256_hex(text, strlen(text), sum);
	write_rows(n, sum);
	n->analysis = json_pack("{s:s, s:[{s:s, s:s}], s:s}", "result", "ok", "manifests", "key", MANIFEST,
	    "sha256", sum, "database", "results");
	free(text);
	json_decref(m);
}

static void night_make(struct night *n, const char *name, const char *stub, const char *date, const char *root)
{
	*n = (struct night){.name = xstrdup(name), .date = xstrdup(date), .extra = json_object()};
	n->root = root != NULL ? xstrdup(root) : xasprintf("%s/store-%s", test_dir(), name);
	n->ledger = upload_ledger(name);
	n->db = xasprintf("%s/%s.db", test_dir(), name);
	n->instrument = xasprintf("minime%s", stub + 3);
	n->options = json_pack("{s:s, s:{s:s}, s:{s:s}, s:s}", "database", "results", "rows", "sky", "run_id",
	    "shared", "raw/Cloud_{site}_{observation_date}.txt", "sole_instrument", "manifest",
	    "manifests/{instrument_name}/{site}/{observation_date}.json");
	unpack(n, stub);
	analyse(n);
}

static void night_release(struct night *n)
{
	json_decref(n->unzip);
	json_decref(n->analysis);
	json_decref(n->options);
	json_decref(n->extra);
	free(n->name);
	free(n->root);
	free(n->ledger);
	free(n->db);
	free(n->instrument);
	free(n->date);
}

static void clean(struct night *n, const char *attempt, struct attempt *a)
{
	json_t *ctx = upload_context(n->root, n->ledger, json_deep_copy(n->options));
	char *name = xasprintf("%s-%s", n->name, attempt);

	upload_set_night(ctx, n->instrument, n->date);
	json_object_set_new(ctx, "upstream",
	    json_pack("{s:{s:O}, s:{s:O}}", "unzip", "metadata", n->unzip, "analyze", "metadata", n->analysis));
	json_object_set_new(ctx, "databases",
	    json_pack("{s:{s:s, s:{s:s}}}", "results", "type", "sqlite", "options", "path", n->db));
	json_object_set_new(
	    ctx, "sections", json_pack("{s:s}", "sites", test_src("etc/sites-and-instruments.yaml")));
	json_object_update(ctx, n->extra);
	upload_step(a, name, "delete_raw", ctx);
	free(name);
}

/* ---- what must hold */

static bool has_stage(const json_t *evidence, const char *stage)
{
	json_t *s;
	size_t i;

	json_array_foreach(evidence, i, s) if (strcmp(json_str(s, "stage", ""), stage) == 0 &&
	                                       json_is_object(json_object_get(s, "checked"))) return true;
	return false;
}

static void test_deletes(void)
{
	static const char *const stages[] = {"COMPLETE", "EXTRACTED", "ANALYSED", "DURABLE", "ELIGIBLE",
	    "INTENT", "DELETING", "VERIFIED", "SHARED", "DONE"};
	struct attempt a;
	struct night n;

	night_make(&n, "good", "fpi05", "20250429", NULL);
	upload_write(n.root, "raw/TempL_uao_20250429.txt", "t", 1);
	clean(&n, "1", &a);
	ok(upload_succeeded(&a) && a.rec.outcome == OUTCOME_OK, "a durable night is cleaned up %s",
	    a.rec.err.text);
	is_int(upload_meta(&a, "deleted"), PIECES + 1, "pieces and check file");
	is_int(upload_count(n.root, "raw/"), 1, "nothing else is left but what was never consumed");
	ok(upload_exists(n.root, "raw/TempL_uao_20250429.txt"), "the temperature log stays");
	ok(!upload_exists(n.root, CLOUD) &&
	        upload_exists(n.root, "cloudsensor/uao/2025/Cloud_uao_20250429.txt"),
	    "the cloud file of a site with one instrument goes, its copy stays");
	is_int(upload_count(n.root, UPLOAD_DEST), 2, "the images stay");
	for (size_t i = 0; i < NITEMS(stages); i++)
		ok(has_stage(json_object_get(a.rec.metadata, "evidence"), stages[i]), "evidence of %s",
		    stages[i]);
	char *file = xasprintf("%s/evidence.json", n.ledger);
	ok(fs_exists(file), "and in the ledger");
	free(file);
	attempt_release(&a);

	clean(&n, "2", &a);
	ok(upload_succeeded(&a) && upload_meta(&a, "deleted") == 0 &&
	        upload_meta(&a, "already_absent") == PIECES + 1,
	    "once more: nothing to do %s", a.rec.err.text);
	attempt_release(&a);
	night_release(&n);
}

/* ---- what must stop it */

static void lose_image(struct night *n)
{
	upload_remove(n->root, UPLOAD_DEST "a.img");
	upload_remove(n->root, UPLOAD_DEST "n/a.img");
}

static void change_image(struct night *n)
{
	upload_write(n->root, UPLOAD_DEST "n/a.img", "FIRST image", 11);
}

static void cut_image(struct night *n)
{
	upload_write(n->root, UPLOAD_DEST "n/a.img", "first", 5);
}

static void change_unzip_manifest(struct night *n)
{
	upload_write(
	    n->root, UPLOAD_MANIFEST, "{\"schema\":\"orchd/1\",\"kind\":\"unzip\",\"objects\":[]}", 47);
}

static void forget_unzip(struct night *n)
{
	json_object_del(n->unzip, "manifest");
}

static void forget_analysis(struct night *n)
{
	json_object_clear(n->analysis);
}

static void no_manifests(struct night *n)
{
	json_object_set_new(n->analysis, "manifests", json_array());
}

static void lose_output(struct night *n)
{
	upload_remove(n->root, OUTPUT);
}

static void change_output(struct night *n)
{
	upload_write(n->root, OUTPUT, "wimds", 5);
}

static void change_manifest(struct night *n)
{
	struct strbuf sb;

	upload_read(n->root, MANIFEST, &sb);
	strbuf_addch(&sb, '\n');
	upload_write(n->root, MANIFEST, sb.buf, sb.len);
	strbuf_release(&sb);
}

static void sql(struct night *n, const char *text)
{
	struct database *db = open_db(n);
	struct err err = ERR_INIT;

	must(db_exec(db, text, NULL, 0, NULL, &err), &err);
	db_close(db);
}

static void lose_effect(struct night *n)
{
	sql(n, "DELETE FROM orch_effect");
}

static void other_effect(struct night *n)
{
	sql(n, "UPDATE orch_effect SET manifest_sha256 = '"
	       "0000000000000000000000000000000000000000000000000000000000000000"
	       "'");
}

static void lose_row(struct night *n)
{
	sql(n, "DELETE FROM sky WHERE rowid = 1");
}

static void lose_table(struct night *n)
{
	sql(n, "DROP TABLE sky");
}

static void set_hold(struct night *n)
{
	json_object_set_new(n->extra, "hold", json_string("under review"));
}

static void set_hold_time(struct night *n)
{
	json_object_set_new(n->options, "hold", json_string("3d"));
}

static void narrow_prefix(struct night *n)
{
	json_object_set_new(n->options, "prefix", json_string("raw/other/"));
}

static const struct {
	const char *name;
	void (*break_it)(struct night *);
	const char *code, *text;
} refusals[] = {
    {"lost-image", lose_image, "not_durable", "n/a.img: it is not in the store"},
    {"changed-image", change_image, "not_durable", "n/a.img: its content is not the recorded one"},
    {"cut-image", cut_image, "not_durable", "n/a.img: its size"},
    {"changed-unzip-manifest", change_unzip_manifest, "manifest", "is not the one that was recorded"},
    {"no-unzip-manifest", forget_unzip, "not_extracted", "unzip"},
    {"no-analysis", forget_analysis, "not_analysed", "analyze"},
    {"no-manifests", no_manifests, "not_durable", "no manifest of its results"},
    {"lost-output", lose_output, "not_durable", OUTPUT},
    {"changed-output", change_output, "not_durable", OUTPUT},
    {"changed-manifest", change_manifest, "manifest", "is not the one that was recorded"},
    {"lost-effect", lose_effect, "not_durable", "no effect row"},
    {"other-effect", other_effect, "not_durable", "no effect row"},
    {"lost-row", lose_row, "not_durable", "holds 2 rows of run 01KTEST, 3 were written"},
    {"lost-table", lose_table, "", "sky"},
    {"hold", set_hold, "hold", "under review"},
    {"hold-time", set_hold_time, "again", "kept until"},
    {"outside", narrow_prefix, "refused", "lies outside of raw/other/"},
};

static void test_refusals(void)
{
	for (size_t i = 0; i < NITEMS(refusals); i++) {
		struct attempt a;
		struct night n;

		night_make(&n, refusals[i].name, "fpi05", "20250429", NULL);
		refusals[i].break_it(&n);
		clean(&n, "1", &a);
		ok(a.rec.err.class != ERR_NONE &&
		        (refusals[i].code[0] == '\0' || err_is(&a.rec.err, refusals[i].code)) &&
		        strstr(a.rec.err.text, refusals[i].text),
		    "%s: %s: %s", refusals[i].name, a.rec.err.code, a.rec.err.text);
		is_int(upload_count(n.root, "raw/"), PIECES + 2, "raw is untouched");
		char *intent = xasprintf("%s/intent.json", n.ledger);
		ok(!fs_exists(intent), "there was no intent");
		free(intent);
		attempt_release(&a);
		night_release(&n);
	}
}

/* Kept, and that is no failure. */
static void test_kept(void)
{
	struct attempt a;
	struct night n;

	night_make(&n, "failed-analysis", "fpi05", "20250429", NULL);
	json_object_set_new(n.analysis, "result", json_string("failed_all_processing_2_errors"));
	json_object_set_new(n.analysis, "manifests", json_array());
	clean(&n, "1", &a);
	ok(upload_succeeded(&a) && a.rec.outcome == OUTCOME_WARNINGS &&
	        upload_count(n.root, "raw/") == PIECES + 2,
	    "a failed analysis keeps raw %s", a.rec.err.text);
	ok(strstr(json_str(a.rec.metadata, "kept_because", ""), "failed_all_processing_2_errors"),
	    "and says why");
	attempt_release(&a);
	json_object_set_new(n.options, "delete_after_failed_analysis", json_string("yes"));
	clean(&n, "2", &a);
	ok(upload_succeeded(&a) && upload_meta(&a, "deleted") == PIECES + 1, "unless configured so %s",
	    a.rec.err.text);
	attempt_release(&a);
	night_release(&n);

	night_make(&n, "sent-again", "fpi05", "20250429", NULL);
	upload_write(n.root, "raw/" UPLOAD_NAME ".tar.gz000002", "a new upload", 12);
	clean(&n, "1", &a);
	ok(upload_succeeded(&a) && a.rec.outcome == OUTCOME_WARNINGS &&
	        upload_count(n.root, "raw/") == PIECES + 2,
	    "a new upload of the night keeps all of it %s", a.rec.err.text);
	attempt_release(&a);
	night_release(&n);
}

static void test_dry_run(void)
{
	struct attempt a;
	struct night n;
	char *journal, *file;

	night_make(&n, "dry", "fpi05", "20250429", NULL);
	json_object_set_new(n.extra, "dry_run", json_true());
	clean(&n, "1", &a);
	journal = attempt_file(&a, ATTEMPT_JOURNAL);
	file = xasprintf("%s/intent.json", n.ledger);
	ok(upload_succeeded(&a) && upload_count(n.root, "raw/") == PIECES + 2 && !fs_exists(file),
	    "a dry run deletes nothing %s", a.rec.err.text);
	ok(strstr(journal, UPLOAD_NAME ".tar.gz000003") && strstr(journal, UPLOAD_NAME ".txt") &&
	        strstr(journal, CLOUD),
	    "and names every object");
	attempt_release(&a);
	free(journal);
	free(file);
	night_release(&n);
}

static void test_trash(void)
{
	struct attempt a;
	struct night n;

	night_make(&n, "trash", "fpi05", "20250429", NULL);
	json_object_set_new(n.options, "trash", json_string("trash/"));
	clean(&n, "1", &a);
	ok(upload_succeeded(&a) && upload_count(n.root, "raw/") == 0, "with trash, raw is gone %s",
	    a.rec.err.text);
	is_int(upload_count(n.root, "trash/raw/"), PIECES + 2, "and all of it in the trash");
	attempt_release(&a);
	night_release(&n);
}

/* ---- after INTENT */

static char *etag_of(const struct night *n, const char *key)
{
	const json_t *p;
	struct strbuf sb;
	char *etag = NULL;
	size_t i;

	upload_read(n->root, UPLOAD_MANIFEST, &sb);
	json_t *m = json_parse(sb.buf, sb.len, "manifest", NULL);
	json_array_foreach(json_object_get(m, "pieces"), i, p) if (strcmp(json_str(p, "key", ""), key) == 0)
	    etag = xstrdup(json_str(p, "etag", ""));
	json_decref(m);
	strbuf_release(&sb);
	return etag;
}

/* An earlier attempt wrote its list, deleted the first piece, and died; since then another piece was sent again. */
static void test_replay(void)
{
	json_t *intent = json_pack("{s:s, s:[]}", "schema", "orchd/1", "items"), *stage;
	struct attempt a;
	struct night n;
	char key[64], *text, *file;
	size_t i;

	night_make(&n, "replay", "fpi05", "20250429", NULL);
	for (i = 0; i < PIECES; i++) {
		snprintf(key, sizeof(key), "raw/" UPLOAD_NAME ".tar.gz%06zu", i);
		char *etag = etag_of(&n, key);
		json_array_append_new(json_object_get(intent, "items"),
		    json_pack("{s:s, s:s, s:i}", "key", key, "etag", etag, "size", 1));
		free(etag);
	}
	file = xasprintf("%s/intent.json", n.ledger);
	text = json_text(intent);
	must(fs_write_atomic(file, text, strlen(text), 0600, NULL), &(struct err){.text = "intent"});
	upload_remove(n.root, "raw/" UPLOAD_NAME ".tar.gz000000");
	upload_write(n.root, "raw/" UPLOAD_NAME ".tar.gz000002", "a new upload", 12);
	lose_output(&n); /* what was proven before the intent is not asked again */

	set_hold(&n);
	clean(&n, "held", &a);
	ok(upload_failed(&a, "hold") && upload_count(n.root, "raw/") == PIECES + 1,
	    "a hold stops a replay too");
	attempt_release(&a);
	json_object_del(n.extra, "hold");

	clean(&n, "1", &a);
	ok(upload_succeeded(&a) && a.rec.outcome == OUTCOME_WARNINGS, "the list is carried out %s",
	    a.rec.err.text);
	is_int(upload_meta(&a, "deleted"), PIECES - 2, "what is still as it was listed is deleted");
	is_int(upload_meta(&a, "already_absent"), 1, "what was deleted before is counted");
	is_int(upload_meta(&a, "kept"), 1, "what was sent again is kept");
	ok(upload_exists(n.root, "raw/" UPLOAD_NAME ".tar.gz000002"), "the new piece is there");
	json_array_foreach(json_object_get(a.rec.metadata, "evidence"), i, stage)
	{
		const json_t *kept = json_object_get(json_object_get(stage, "checked"), "kept");

		if (strcmp(json_str(stage, "stage", ""), "VERIFIED") == 0)
			is_int(json_array_size(kept), 1, "and stands in the evidence");
	}
	attempt_release(&a);
	json_decref(intent);
	free(text);
	free(file);
	night_release(&n);
}

/* ---- a site with two instruments */

static void test_shared(void)
{
	struct night first, second;
	struct attempt a;

	night_make(&first, "two-a", "fpi05", "20260417", NULL);
	clean(&first, "1", &a);
	ok(upload_succeeded(&a) && a.rec.outcome == OUTCOME_WARNINGS && upload_count(first.root, "raw/") == 1 &&
	        upload_exists(first.root, "raw/Cloud_uao_20260417.txt"),
	    "two instruments by the table, though one upload: the cloud file stays %s", a.rec.err.text);
	attempt_release(&a);
	night_release(&first);

	night_make(&first, "all-a", "fpi05", "20260417", NULL);
	night_make(&second, "all-b", "fpi13", "20260417", first.root);
	/* Copying it along once more must not make the first one's list stale. */
	json_object_set_new(
	    first.options, "shared", json_pack("{s:s}", "raw/Cloud_{site}_{observation_date}.txt", "all_done"));
	json_object_set_new(second.options, "shared",
	    json_pack("{s:s}", "raw/Cloud_{site}_{observation_date}.txt", "all_done"));
	clean(&first, "1", &a);
	ok(upload_succeeded(&a) && upload_exists(first.root, "raw/Cloud_uao_20260417.txt"),
	    "all_done: the first one keeps it %s", a.rec.err.text);
	attempt_release(&a);
	clean(&second, "1", &a);
	ok(upload_succeeded(&a) && upload_count(first.root, "raw/") == 0, "the last one deletes it %s",
	    a.rec.err.text);
	attempt_release(&a);
	night_release(&first);
	night_release(&second);
}

int main(void)
{
	tap_run(test_deletes);
	tap_run(test_refusals);
	tap_run(test_kept);
	tap_run(test_dry_run);
	tap_run(test_trash);
	tap_run(test_replay);
	tap_run(test_shared);
	return tap_done();
}
