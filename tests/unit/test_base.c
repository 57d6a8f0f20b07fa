/* The base layer: each module's promises, with the limits and the odd ends. */
#include "config.h"

#include "tests/tap.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/digest.h"
#include "base/hash.h"
#include "base/err.h"
#include "base/json.h"
#include "base/strbuf.h"
#include "base/strvec.h"
#include "base/suggest.h"
#include "base/template.h"
#include "base/utctime.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static void test_strbuf(void)
{
	struct strbuf sb = STRBUF_INIT(10);

	ok(sb.buf[0] == '\0', "an empty buffer is terminated");
	ok(strbuf_addstr(&sb, "12345") == 0 && strbuf_addf(&sb, "%d", 67890) == 0,
	    "ten bytes fit a limit of ten");
	ok(strbuf_addch(&sb, 'x') == -1 && sb.overflowed, "the eleventh is refused");
	is_str(sb.buf, "1234567890", "a refused append changes nothing");
	strbuf_drop(&sb, 4);
	is_str(sb.buf, "567890", "drop takes from the front");
	strbuf_reset(&sb);
	ok(!sb.overflowed && sb.len == 0, "reset clears the flag");
	strbuf_addstr(&sb, "own");
	char *s = strbuf_detach(&sb);
	is_str(s, "own", "detach hands the string over");
	ok(sb.len == 0 && sb.cap == 0, "and leaves an empty buffer");
	free(s);
	strbuf_release(&sb);
}

static void test_err(void)
{
	struct err err = ERR_INIT;
	char big[3000];

	is_int(err_code(&err, ERR_PERMANENT, "not_found", "no run %d", 7), -1, "err_code returns -1");
	err_wrap(&err, "show");
	is_str(err.text, "show: no run 7", "wrap prefixes");
	is_int(err_exit_code(&err), 3, "not_found exits 3");
	errno = ENOSPC;
	err_errno(&err, "write x");
	is_int(err.class, ERR_TRANSIENT, "a full disk is transient");
	memset(big, 'a', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	memcpy(big + ERR_TEXT_MAX - 2, "\xc3\xa9", 2);
	err_set(&err, ERR_BAD_DATA, "%s", big);
	ok(strlen(err.text) < ERR_TEXT_MAX && utf8_valid(err.text, strlen(err.text)),
	    "a long text is cut on a character");
	for (int c = 0; c < ERR_NCLASSES; c++)
		is_int(err_class_parse(err_class_name((enum err_class)c)), c, "class names parse back");
}

static void test_codec(void)
{
	struct strbuf sb = STRBUF_INIT(100);
	unsigned char raw[3];
	char hex[7];

	hex_encode("\x00\xff\x5a", 3, hex);
	is_str(hex, "00ff5a", "hex of bytes above 0x7f");
	ok(hex_decode("00FF5a", raw, 3) == 0 && raw[1] == 0xff, "hex decodes either case");
	ok(hex_decode("00ff5", raw, 3) == -1 && hex_decode("00fg5a", raw, 3) == -1,
	    "hex refuses length and letters");
	base64_encode(&sb, "hello", 5);
	is_str(sb.buf, "aGVsbG8=", "base64");
	struct strbuf back = STRBUF_INIT(100);
	ok(base64_decode(&back, sb.buf, sb.len) == 0, "base64 decodes");
	is_str(back.buf, "hello", "without counting padding");
	ok(base64_decode(&back, "aGV=bG8=", 8) == -1, "padding inside is refused");
	ok(base64_decode(&back, "aGVs bG8", 8) == -1, "blanks are refused");
	ok(base64_decode(&back, "a===", 4) == -1 && base64_decode(&back, "aG8", 3) == -1, "so are odd lengths");
	is_str(back.buf, "hello", "a refused text leaves the buffer as it was");
	for (size_t n = 0; n < 7; n++) {
		strbuf_reset(&sb), strbuf_reset(&back);
		base64_encode(&sb, "\xff\x00\xfe\x01\xfd\x02", n);
		ok(base64_decode(&back, sb.buf, sb.len) == 0 && back.len == n &&
		        memcmp(back.buf, "\xff\x00\xfe\x01\xfd\x02", n) == 0,
		    "%zu bytes there and back", n);
	}
	strbuf_release(&sb);
	strbuf_release(&back);
	static const struct {
		const char *s;
		bool valid;
	} u[] = {{"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\xad", true}, {"\xff", false}, {"\xc0\x80", false},
	    {"\xed\xa0\x80", false}, {"\xf4\x90\x80\x80", false}, {"\xe2\x82", false}, {"\xe0\x80\x80", false}};
	for (size_t i = 0; i < NITEMS(u); i++)
		ok(utf8_valid(u[i].s, strlen(u[i].s)) == u[i].valid, "utf-8 case %zu", i);
	char sum[SHA256_HEX];
	unsigned char mac[SHA256_BYTES];
	sha256_hex("abc", 3, sum);
	is_str(sum, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "sha256 of abc");
	sha256_hmac("Jefe", 4, "what do ya want for nothing?", 28, mac);
	hex_encode(mac, sizeof(mac), sum);
	is_str(
	    sum, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", "RFC 4231, test case 2");
}

/* Long texts are looked at eight bytes at a time: a bad byte must be seen wherever it stands. */
static void test_utf8_long(void)
{
	char text[41];
	size_t seen = 0, passed = 0;

	for (size_t at = 0; at < sizeof(text) - 2; at++) {
		memset(text, 'a', sizeof(text));
		memcpy(text + at, "\xc3\xa9", 2);
		passed += utf8_valid(text, sizeof(text));
		text[at] = 'a';
		seen += !utf8_valid(text, sizeof(text));
	}
	is_int(passed, sizeof(text) - 2, "a letter of two bytes anywhere");
	is_int(seen, sizeof(text) - 2, "half of it anywhere");
}

/* What was kept on disk must be found again by every later version. */
static void test_hash(void)
{
	static const struct {
		const char *text;
		uint64_t hash;
	} row[] = {{"", UINT64_C(0xedaee4328b798493)}, {"abc", UINT64_C(0x4f543a8478d249f0)},
	    {"9dd4e461268c8034f5c8564e155c67a6", UINT64_C(0x6641ee52e27cb16b)}};
	size_t i, k, same = 0;
	uint64_t seen[17];

	for (i = 0; i < NITEMS(row); i++)
		ok(hash_text(HASH_START, row[i].text) == row[i].hash, "hash of '%s'", row[i].text);
	ok(hash_text(HASH_START, NULL) != hash_text(HASH_START, ""), "no text is not the empty one");
	ok(hash_text(hash_text(HASH_START, "ab"), "c") != hash_text(hash_text(HASH_START, "a"), "bc"),
	    "where one text ends counts");
	for (i = 0; i < NITEMS(seen); i++) {
		seen[i] = hash_bytes(HASH_START, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", i);
		for (k = 0; k < i; k++)
			same += seen[i] == seen[k];
	}
	is_int(same, 0, "so does the number of NULs");
}

/* How often civil_is_date is of another opinion than the way there and back. */
static int wrong_dates(void)
{
	struct civil c;
	int wrong = 0;

	for (int y = 0; y <= 10000; y++)
		for (int m = 0; m <= 13; m++)
			for (int d = 0; d <= 32; d++) {
				civil_from_days(civil_days(y, m, d), &c);
				bool same = c.year == y && c.month == m && c.day == d;
				wrong += civil_is_date(y, m, d) != (same && y >= 1 && y <= 9999);
			}
	return wrong;
}

static void test_utctime(void)
{
	static const struct {
		const char *in;
		const char *out;
	} t[] = {{"2026-04-17T21:03:05.123Z", "2026-04-17T21:03:05.123Z"},
	    {"2016-02-29 00:00:00", "2016-02-29T00:00:00.000Z"},
	    {"1969-12-31T23:59:59Z", "1969-12-31T23:59:59.000Z"},
	    {"2026-04-17T21:03:05-05:00", "2026-04-18T02:03:05.000Z"},
	    {"2026-04-17T21:03:05.5+0530", "2026-04-17T15:33:05.500Z"}, {"2025-02-29T00:00:00Z", NULL},
	    {"2025-02-28T24:00:00Z", NULL}, {"2025-2-28T00:00:00Z", NULL}, {"2025-02-28T00:00:00Zx", NULL}};
	char buf[UTCTIME_MAX];
	struct civil c;

	for (size_t i = 0; i < NITEMS(t); i++) {
		tm_ms ms = 0;
		int rc = utctime_parse(t[i].in, &ms);
		is_str(rc == 0 ? utctime_format(ms, buf) : NULL, t[i].out, t[i].in);
	}
	for (int64_t d = -800000; d < 800000; d += 997) {
		civil_from_days(d, &c);
		if (civil_days(c.year, c.month, c.day) != d) {
			ok(false, "day %" PRId64 " round trip", d);
			return;
		}
	}
	ok(true, "days and dates agree both ways");
	is_int(wrong_dates(), 0, "every date there is and no other");
	ok(utctime_parse_yyyymmdd("20240229", &c) == 0 && utctime_parse_yyyymmdd("20230229", &c) == -1 &&
	        utctime_parse_yyyymmdd("2023022", &c) == -1 && utctime_parse_yyyymmdd("202302281", &c) == -1,
	    "eight digits, a real date");
	clock_set(1000, 5);
	ok(clock_now() == 1000 && clock_mono() == 5, "tests own the clock");
	clock_unset();
	ok(clock_now() > INT64_C(1700000000000), "and give it back");
}

static const char *lookup(void *arg, const char *name, size_t *n)
{
	const char *v = strcmp(name, "date") == 0 ? "20260417" : strcmp(name, "site") == 0 ? "uao" : NULL;

	*n = v ? strlen(v) : 0;
	return v;
}

static void test_template(void)
{
	static const struct {
		const char *text, *want;
	} t[] = {{"fpi/{site}/{date:4}/{date}", "fpi/uao/2026/20260417"}, {"{date:-2}", "17"}, {"{{x}}", "{x}"},
	    {"", ""}, {"plain", "plain"}, {"{site:9}", "uao"}, {"{nope}", NULL}, {"{site", NULL},
	    {"site}", NULL}, {"{}", NULL}, {"{site:0}", NULL}, {"{si te}", NULL}};

	for (size_t i = 0; i < NITEMS(t); i++) {
		struct strbuf out = STRBUF_INIT(200);
		struct err err = ERR_INIT;
		int rc = template_expand(t[i].text, lookup, NULL, &out, &err);
		is_str(rc == 0 ? out.buf : NULL, t[i].want, t[i].text);
		strbuf_release(&out);
	}
}

static const char *word_at(const void *arg, size_t i)
{
	static const char *const words[] = {"retries", "retry_delay", "timeout", "deps", NULL};

	return words[i];
}

static void test_suggest(void)
{
	is_str(suggest_nearest("retires", word_at, NULL), "retries", "a transposition");
	is_str(suggest_nearest("Timeout", word_at, NULL), "timeout", "case");
	is_str(suggest_nearest("dep", word_at, NULL), "deps", "a missing letter");
	is_str(suggest_nearest("banana", word_at, NULL), NULL, "nothing near");
}

static void test_fs(void)
{
	struct err err = ERR_INIT;
	struct strbuf sb = STRBUF_INIT(5);
	char *deep = fs_join(test_dir(), "a/b/c"), *file = fs_join(deep, "f"), *fifo = fs_join(deep, "fifo");
	int fd;

	ok(fs_mkdirs(deep, 0755, &err) == 0 && fs_mkdirs(deep, 0755, &err) == 0, "mkdirs, twice");
	ok(fs_write_durable(file, "12345", 5, 0600, &err) == 0, "durable write");
	ok(fs_read(file, &sb, &err) == 0 && sb.len == 5, "a file of the limit is read");
	fs_write_atomic(file, "123456", 6, 0600, &err);
	strbuf_reset(&sb);
	ok(fs_read(file, &sb, &err) == -1 && err_is(&err, "limit"), "a larger one is refused");
	mkfifo(fifo, 0600);
	strbuf_reset(&sb);
	ok(fs_read(fifo, &sb, &err) == -1 && err_is(&err, "not_a_file"), "a FIFO is refused without hanging");
	ok(fs_read("/nonexistent/x", &sb, &err) == -1 && err_is(&err, "not_found"), "a missing file says so");
	char *lock = fs_join(test_dir(), "lock");
	fd = fs_lock(lock, &err);
	ok(fd >= 0, "lock");
	ok(fs_lock(lock, &err) == -1 && err_is(&err, "locked") && err_exit_code(&err) == 5,
	    "the second owner is refused");
	close(fd);
	fd = fs_lock(lock, &err);
	ok(fd >= 0, "a closed lock is free");
	close(fd);
	char *link = fs_join(deep, "link");
	is_int(symlink("/etc", link), 0, "a link inside");
	ok(fs_remove_tree(test_dir(), &err) == 0 && !fs_exists(test_dir()) && fs_exists("/etc/passwd"),
	    "a tree is removed without following links");
	free(deep), free(file), free(fifo), free(lock), free(link);
	strbuf_release(&sb);
}

static void test_json(void)
{
	struct err err = ERR_INIT;
	json_t *j = json_parse("{\"a\":1,\"b\":\"x\"}", 15, "test", &err);

	ok(j != NULL && json_int(j, "a", 0) == 1 && json_int(j, "b", 9) == 9, "typed getters fall back");
	json_decref(j);
	ok(json_parse("{\"a\":1,\"a\":2}", 13, "test", &err) == NULL, "duplicate keys are refused");
	j = json_text_new("a\xff");
	is_str(json_string_value(j), "a\xef\xbf\xbd", "bytes that are not text are marked");
	json_decref(j);
}

int main(void)
{
	tap_run(test_strbuf);
	tap_run(test_err);
	tap_run(test_codec);
	tap_run(test_utf8_long);
	tap_run(test_hash);
	tap_run(test_utctime);
	tap_run(test_template);
	tap_run(test_suggest);
	tap_run(test_json);
	tap_run(test_fs);
	return tap_done();
}
