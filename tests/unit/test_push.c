/* What senders say and whether they may: real and hostile notifications, tokens, and the memory of what came lately. */
#include "config.h"

#include "push/notification.h"
#include "push/recent.h"
#include "push/token.h"

#include "tests/tap.h"

#include "base/codec.h"

/* "created uploads/raw/x; removed uploads/y" */
static void write_down(const struct announced *a, void *arg)
{
	static const char *const word[] = {"created", "removed", "other"};
	struct strbuf *out = arg;

	strbuf_addf(out, "%s%s %s/%s", out->len > 0 ? "; " : "", word[a->what], a->bucket, a->key);
	if (a->raw != NULL)
		strbuf_addf(out, " or %s", a->raw);
}

static int read_file(const char *name, struct strbuf *said, int64_t *bad, struct err *err)
{
	struct strbuf body = STRBUF_INIT(4 << 20);
	char path[256];
	int rc;

	snprintf(path, sizeof(path), "tests/data/push/%s", name);
	if (fs_read(test_src(path), &body, err) == -1)
		tap_bail("%s", err->text);
	strbuf_reset(said);
	rc = notification_read(body.buf, body.len, write_down, said, bad, err);
	strbuf_release(&body);
	return rc;
}

static void test_dialects(void)
{
	static const struct {
		const char *file, *says;
		int64_t bad;
	} cases[] = {
	    {"aws-put.json", "created uploads/raw/fpi05_uao_20260407.tar.gz000000", 0},
	    {"aws-encoded.json",
	        "created uploads/raw/a night (of 1+1)/\xc3\xa9&.txt or "
	        "raw/a+night+%28of+1%2B1%29/%C3%A9%26.txt",
	        0},
	    {"aws-mixed.json",
	        "created uploads/raw/one; removed uploads/raw/two; created uploads/raw/three; other "
	        "uploads/raw/four",
	        0},
	    {"aws-test-event.json", "", 0},
	    {"aws-eventbridge.json", "created uploads/raw/a+b c%20d", 0},
	    {"minio-put.json", "created uploads/raw/fpi05_uao_20260407.txt or raw%2Ffpi05_uao_20260407.txt", 0},
	    {"minio-get.json", "other uploads/raw/fpi05_uao_20260407.tar.gz000001", 0},
	    {"ceph-put.json", "created uploads/raw/100% a+b.txt", 0},
	    {"hostile-dots.json", "created uploads/../../etc/passwd", 0},
	    {"hostile-markup.json",
	        "created uploads/raw/<script>\xe2\x80\xae\x1b[31m or raw/%3Cscript%3E%E2%80%AE%1B%5B31m", 0},
	    {"hostile-nul.json", "created uploads/raw/a%00b", 0},
	    {"hostile-not-utf8.json", "created uploads/raw/%ff%fe", 0},
	    {"hostile-long-key.json", "", 1},
	    {"hostile-encoded-long.json", "", 1},
	    {"hostile-empty-key.json", "", 1},
	    {"hostile-no-bucket.json", "", 1},
	    {"hostile-long-bucket.json", "", 1},
	    {"hostile-types.json", "", 8},
	};
	struct strbuf said = STRBUF_INIT(1 << 20);

	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct err err = ERR_INIT;
		int64_t bad = -1;
		int rc = read_file(cases[i].file, &said, &bad, &err);

		ok(rc == 0 && bad == cases[i].bad, "%s: %" PRId64 " bad %s", cases[i].file, bad, err.text);
		is_str(said.buf, cases[i].says, "what it says");
	}
	strbuf_release(&said);
}

static void test_no_notifications(void)
{
	static const char *const files[] = {"hostile-array.json", "hostile-cut.json", "hostile-deep.json",
	    "hostile-duplicates.json", "hostile-empty-object.json", "hostile-empty.json", "hostile-many.json",
	    "hostile-no-json.json", "hostile-raw-nul.json", "hostile-records-object.json",
	    "hostile-surrogate.json", "hostile-trailing.json"};
	struct strbuf said = STRBUF_INIT(1 << 20);

	for (size_t i = 0; i < NITEMS(files); i++) {
		struct err err = ERR_INIT;
		int64_t bad;
		int rc = read_file(files[i], &said, &bad, &err);

		ok(rc == -1 && err.class == ERR_BAD_DATA && said.len == 0 &&
		        err_is(&err, "too_many") == (strcmp(files[i], "hostile-many.json") == 0),
		    "%s: %s", files[i], err.text);
	}
	strbuf_release(&said);
}

static void count(const struct announced *a, void *arg)
{
	*(size_t *)arg = strlen(a->key);
}

static void test_longest_key(void)
{
	struct strbuf body = STRBUF_INIT(65536);
	size_t length = 0;
	int64_t bad = 0;

	strbuf_addstr(&body, "{\"Records\":[{\"s3\":{\"bucket\":{\"name\":\"b\"},\"object\":{\"key\":\"");
	for (int i = 0; i < STORE_KEY_MAX; i++)
		strbuf_addstr(&body, "%61");
	strbuf_addstr(&body, "\"}}}]}");
	ok(notification_read(body.buf, body.len, count, &length, &bad, NULL) == 0 && length == STORE_KEY_MAX &&
	        bad == 0,
	    "the longest key, every byte of it encoded");
	strbuf_release(&body);
}

#define TOKEN "correct horse: battery"

static char *basic(const char *text, size_t n)
{
	struct strbuf sb = STRBUF_INIT(16384);

	strbuf_addstr(&sb, "Basic ");
	base64_encode(&sb, text, n);
	return strbuf_detach(&sb);
}

static void test_token(void)
{
	static const struct {
		const char *field;
		bool good;
	} cases[] = {
	    {"Bearer " TOKEN, true},
	    {"bearer   " TOKEN, true},
	    {"Bearer " TOKEN "x", false},
	    {"Bearer correct horse: batter", false},
	    {"Bearer", false},
	    {"Bearer ", false},
	    {"Bearer" TOKEN, false},
	    {TOKEN, false},
	    {"", false},
	    {"Digest " TOKEN, false},
	    {"Basic " TOKEN, false},
	    {"Basic ", false},
	    {"Basic ====", false},
	};
	static const struct {
		const char *text;
		size_t n;
		bool good;
	} passwords[] = {
	    {"user:" TOKEN, sizeof("user:" TOKEN) - 1, true},
	    {":" TOKEN, sizeof(":" TOKEN) - 1, true},
	    {TOKEN, sizeof(TOKEN) - 1, false}, /* holds a colon itself */
	    {"user:", 5, false},
	    {"", 0, false},
	    {"user:" TOKEN "\0", sizeof("user:" TOKEN), false},
	};
	struct token t;

	token_set(&t, TOKEN, sizeof(TOKEN) - 1);
	for (size_t i = 0; i < NITEMS(cases); i++)
		ok(token_shown(&t, cases[i].field) == cases[i].good, "'%s' %s", cases[i].field,
		    cases[i].good ? "is right" : "is not");
	for (size_t i = 0; i < NITEMS(passwords); i++) {
		char *field = basic(passwords[i].text, passwords[i].n);

		ok(token_shown(&t, field) == passwords[i].good, "'%s' as Basic %s", passwords[i].text,
		    passwords[i].good ? "is right" : "is not");
		free(field);
	}
	ok(!token_shown(&t, NULL), "nothing is not");
}

static void test_recent(void)
{
	struct recent *r = recent_new();
	struct announced a = {.bucket = "b", .key = "k", .etag = "e", .sequencer = "1", .time = "t"}, other = a;

	ok(!recent_has(r, &a), "nothing is known at first");
	recent_add(r, &a);
	ok(recent_has(r, &a), "what was added is");
	other.sequencer = "2";
	ok(!recent_has(r, &other), "another event of the same content is not");
	other = a;
	other.key = "kk";
	ok(!recent_has(r, &other), "nor another key");
	other = a;
	other.bucket = "bk", other.key = "";
	ok(!recent_has(r, &other), "nor the same letters in other places");
	other = a;
	other.sequencer = "";
	recent_add(r, &other);
	ok(!recent_has(r, &other), "without a sequencer nothing can be told apart");
	recent_clear(r);
	ok(!recent_has(r, &a), "and all can be forgotten");
	recent_free(r);
}

int main(void)
{
	tap_run(test_dialects);
	tap_run(test_no_notifications);
	tap_run(test_longest_key);
	tap_run(test_token);
	tap_run(test_recent);
	return tap_done();
}
