/*
 * Listings and error documents, good and bad: every case of tests/data/s3xml, fed whole and byte by byte.  HTTP statuses
 * and retries of the same cases are the business of the tests with a fault server.
 */
#include "config.h"

#include "tests/tap.h"

#include "base/codec.h"
#include "base/json.h"
#include "base/mem.h"
#include "store/s3_listing.h"
#include "store/s3_plain.h"

#include <sys/resource.h>
#include <time.h>

static json_t *cases;

static json_t *load(void)
{
	struct strbuf sb = STRBUF_INIT(1 << 20);
	struct err err = ERR_INIT;
	json_t *j;

	if (fs_read(test_src("tests/data/s3xml/cases.json"), &sb, &err) == -1)
		tap_bail("%s", err.text);
	j = json_loadb(sb.buf, sb.len, 0, NULL);
	strbuf_release(&sb);
	if (j == NULL)
		tap_bail("cases.json is not JSON");
	return j;
}

static void body_of(const json_t *page, struct strbuf *out)
{
	const char *text = json_str(page, "text", NULL), *b64 = json_str(page, "body_b64", NULL);
	int64_t deep = json_int(page, "deep", 0);

	if (b64 != NULL && base64_decode(out, b64, strlen(b64)) == -1)
		tap_bail("bad base64 in cases.json");
	if (text == NULL)
		return;
	const char *mark = deep ? strstr(text, "@DEEP@") : NULL;
	strbuf_add(out, text, mark ? (size_t)(mark - text) : strlen(text));
	for (int64_t i = 0; i < deep; i++)
		strbuf_addstr(out, "<a>");
	for (int64_t i = 0; i < deep; i++)
		strbuf_addstr(out, "</a>");
	if (mark != NULL)
		strbuf_addstr(out, mark + strlen("@DEEP@"));
}

/* Feed a body in pieces of `step` bytes (0: whole). */
static int feed(struct s3_listing *l, const struct strbuf *body, size_t step, const struct store_object **objs,
    size_t *n, struct err *err)
{
	s3_listing_begin(l);
	for (size_t at = 0; at < body->len; at += step ? step : body->len)
		if (s3_listing_feed(l, body->buf + at, MIN(step ? step : body->len, body->len - at)) == -1)
			break;
	return s3_listing_end(l, objs, n, err);
}

struct outcome {
	struct strvec keys;
	int64_t sizes[100];
	char code[80];
	bool retry;
	int requests;
};

/* Walk the pages of a case as the store does, without HTTP: a status other than 200 ends it. */
static void walk(const json_t *c, size_t step, struct outcome *o)
{
	const json_t *pages = json_object_get(c, "pages");
	struct s3_listing *l = s3_listing_new("raw/", NULL);
	struct err err = ERR_INIT;

	*o = (struct outcome){0};
	for (size_t i = 0; s3_listing_more(l); i++) {
		const json_t *page = json_array_get(pages, MIN(i, json_array_size(pages) - 1));
		struct strbuf body = STRBUF_INIT(2 << 20);
		const struct store_object *objs;
		size_t n;

		o->requests++;
		body_of(page, &body);
		int rc = feed(l, &body, step, &objs, &n, &err);
		for (size_t k = 0; rc == 0 && k < n; k++) {
			o->sizes[o->keys.n] = objs[k].size;
			strvec_push(&o->keys, objs[k].key);
		}
		strbuf_release(&body);
		if (rc == -1) {
			const struct s3_error *e = s3_listing_error(l);
			snprintf(o->code, sizeof(o->code), "%s%s", e ? "s3." : "", e ? e->code : err.code);
			o->retry = e != NULL || err.class == ERR_TRANSIENT;
			break;
		}
	}
	s3_listing_free(l);
}

static bool has_class(const json_t *expect, const char *code)
{
	const json_t *v;
	size_t i;

	json_array_foreach(
	    json_object_get(expect, "class"), i, v) if (strcmp(json_string_value(v), code) == 0) return true;
	return false;
}

static bool same_keys(const json_t *expect, const struct outcome *o)
{
	const json_t *v;
	size_t i;

	if (json_array_size(json_object_get(expect, "keys")) != o->keys.n)
		return false;
	json_array_foreach(
	    json_object_get(expect, "keys"), i, v) if (strcmp(json_str(v, "key", ""), o->keys.v[i]) != 0 ||
	                                               json_int(v, "size", -1) != o->sizes[i]) return false;
	return true;
}

static void one_case(const json_t *c, size_t step)
{
	const json_t *expect = json_object_get(c, "expect"), *never;
	const char *id = json_str(c, "id", "");
	struct outcome o;
	size_t i;
	bool good;

	walk(c, step, &o);
	if (strcmp(json_str(expect, "outcome", ""), "ok") == 0)
		good = o.code[0] == '\0' && same_keys(expect, &o) &&
		       o.requests == json_int(expect, "requests", o.requests);
	else
		good = has_class(expect, o.code);
	if (!ok(good, "%s, %zu bytes at a time: %s", id, step, json_str(c, "why", "")))
		diag("%zu keys, code '%s'", o.keys.n, o.code);
	json_array_foreach(json_object_get(c, "never"), i, never)
	    ok(!strvec_has(&o.keys, json_string_value(never)), "%s: %s never turns up", id,
	        json_string_value(never));
	strvec_release(&o.keys);
}

static void test_cases(void)
{
	static const size_t steps[] = {0, 1, 7};
	const json_t *c;
	size_t i, ran = 0;

	json_array_foreach(json_object_get(cases, "cases"), i, c)
	{
		const json_t *page = json_array_get(json_object_get(c, "pages"), 0);

		/* Bodies of error statuses are not parsed as listings; the fault server's test has them. */
		if (json_int(page, "status", 0) != 200 || strncmp(json_str(c, "id", ""), "err-html", 8) == 0 ||
		    strcmp(json_str(c, "id", ""), "bad-second-page-fails") == 0)
			continue;
		for (size_t s = 0; s < NITEMS(steps); s++)
			if (steps[s] == 0 || json_int(page, "deep", 0) == 0)
				one_case(c, steps[s]);
		ran++;
	}
	ok(ran >= 28, "%zu cases", ran);
}

/* ---- the quick reader against the general one ---- */

static int record(void *arg, const char *path, const char *text, size_t n, struct err *err)
{
	strbuf_addf(arg, "%s=", path);
	strbuf_add(arg, text, n);
	return strbuf_addch(arg, '\n');
}

static s3_xml_element *record_all(const char *path)
{
	return record;
}

static bool read_quick(const struct strbuf *body, struct strbuf *out)
{
	char *copy = xmemdup(body->buf, body->len + 1);
	bool yes = s3_plain_read(copy, body->len, "ListBucketResult", record_all, out) == 0;

	if (memcmp(copy, body->buf, body->len) != 0)
		tap_bail("the quick reader leaves marks");
	free(copy);
	return yes;
}

static bool read_general(const struct strbuf *body, size_t step, struct strbuf *out)
{
	struct s3_xml *x = s3_xml_new("ListBucketResult", false, S3_XML_BODY_MAX, record, out);
	bool yes;

	for (size_t at = 0; at < body->len; at += step)
		if (s3_xml_feed(x, body->buf + at, MIN(step, body->len - at)) == -1)
			break;
	yes = s3_xml_finish(x, NULL) == 0;
	s3_xml_free(x);
	return yes;
}

/* Whether the quick reader takes it; it must never take what the general one refuses, nor read something else. */
static bool is_plain(const char *text, size_t n)
{
	struct strbuf body = STRBUF_INIT(2 << 20), quick = STRBUF_INIT(2 << 20), general = STRBUF_INIT(2 << 20);
	bool yes;

	strbuf_add(&body, text, n);
	yes = read_quick(&body, &quick);
	if (yes && (!read_general(&body, 7, &general) || strcmp(quick.buf, general.buf) != 0)) {
		ok(false, "the readers differ");
		diag("%.500s", text);
	}
	strbuf_release(&body);
	strbuf_release(&quick);
	strbuf_release(&general);
	return yes;
}

/* Listings as servers write them: none of these may become slow unnoticed. */
static void test_plain(void)
{
#define XMLNS "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""
	static const char *const plain[] = {
	    /* Ceph */
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult " XMLNS
	    "><Name>b</Name><Prefix>raw/</Prefix>"
	    "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><Contents><Key>raw%2Fa</Key>"
	    "<ETag>&quot;d41d8&quot;</ETag><Owner><ID>o</ID><DisplayName></DisplayName></Owner></Contents>"
	    "</ListBucketResult>",
	    /* Amazon */
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult " XMLNS "><Name>b</Name><Prefix/>"
	    "<Contents><Key>raw%2Fa</Key><ETag>&quot;d41d8-2&quot;</ETag></Contents></ListBucketResult>\n",
	    /* MinIO */
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult " XMLNS "><Prefix></Prefix>"
	    "<Contents><ETag>&#34;d41d8&#34;</ETag></Contents></ListBucketResult>",
	    "<ListBucketResult>\n <A>\n\t<B>&lt;&amp;&gt;&apos;&#39;</B>\n</A>\n</ListBucketResult>",
	    /* Objects that differ in their tags, in their number and order, and in what is empty. */
	    "<ListBucketResult><A><B>1</B><C>2</C></A><A><B>3</B><C>4</C></A><A><B>5</B></A><A><C>6</C><B>7</"
	    "B></A>"
	    "<A><B/><C>8</C></A><A><B></B><C></C></A><A/><A>9<B>10</B>11</A><A><B>12</B><C>13</C></A>"
	    "<A><C><B>14</B></C></A><B>15</B></ListBucketResult>",
	};
	static const char *const not [] = {
	    "",
	    "<ListBucketResult/>",
	    "<ListBucketResult>",
	    "<ListBucketResult></ListBucketResult",
	    "<ListBucketResult></ListBucketResul>",
	    "<ListBucketResult></ListBucketResultX>",
	    "<ListBucketResult></ListBucketResult>x",
	    "<ListBucketResult></ListBucketResult><a></a>",
	    "<ListBucketResult><a></b></ListBucketResult>",
	    "<ListBucketResult><1></1></ListBucketResult>",
	    "<ListBucketResult><a:b></a:b></ListBucketResult>",
	    "<ListBucketResult><a b=\"c\"></a></ListBucketResult>",
	    "<ListBucketResult><a ></a></ListBucketResult>",
	    "<ListBucketResult xmlns=\"a\"></ListBucketResult>",
	    "<ListBucketResult><!-- --></ListBucketResult>",
	    "<ListBucketResult><![CDATA[a]]></ListBucketResult>",
	    "<ListBucketResult><?a b?></ListBucketResult>",
	    "<!DOCTYPE a><ListBucketResult></ListBucketResult>",
	    "\xef\xbb\xbf<ListBucketResult></ListBucketResult>",
	    "<?xml version=\"1.0\" encoding=\"UTF-16\"?><ListBucketResult></ListBucketResult>",
	    "<ListBucketResult>&a;</ListBucketResult>",
	    "<ListBucketResult>&quot</ListBucketResult>",
	    "<ListBucketResult>&#1;</ListBucketResult>",
	    "<ListBucketResult>\x01</ListBucketResult>",
	    "<ListBucketResult>\x7f</ListBucketResult>",
	    "<ListBucketResult>\r</ListBucketResult>",
	    "<ListBucketResult>\xc3\xa9</ListBucketResult>",
	    "<ListBucketResult>]]></ListBucketResult>",
	    "<ListBucketResult><a><a><a><a><a><a><a></a></a></a></a></a></a></a></ListBucketResult>",
	    "<Error><Code>a</Code></Error>",
	};
	const json_t *c;
	size_t i, taken = 0;

	for (i = 0; i < NITEMS(plain); i++)
		ok(is_plain(plain[i], strlen(plain[i])), "form %zu of servers is plain", i);
	for (i = 0; i < NITEMS(not ); i++)
		ok(!is_plain(not [i], strlen(not [i])), "not plain: %s", not [i]);
	ok(!is_plain("<ListBucketResult>\0</ListBucketResult>", 38), "a NUL ends nothing");
	for (i = 0; i < strlen(plain[0]); i++)
		taken += is_plain(plain[0], i);
	is_int(taken, 0, "no cut of a listing is taken");
	json_array_foreach(json_object_get(cases, "cases"), i, c)
	{
		struct strbuf body = STRBUF_INIT(2 << 20);

		body_of(json_array_get(json_object_get(c, "pages"), 0), &body);
		taken += is_plain(body.buf, body.len);
		strbuf_release(&body);
	}
	ok(taken > 10, "%zu of the cases are plain and read alike", taken);
}

/* One byte changed anywhere: both readers see the same, or the quick one passes. */
static void test_plain_flips(void)
{
	static const char doc[] =
	    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult " XMLNS "><Name>b</Name>"
	    "<Contents><Key>a</Key><ETag>&quot;1&#34;</ETag><O><I/></O></Contents></ListBucketResult>";
	char copy[sizeof(doc)];
	size_t taken = 0;

	for (size_t i = 0; i < sizeof(doc) - 1; i++)
		for (unsigned c = 0; c < 256; c++) {
			memcpy(copy, doc, sizeof(doc));
			copy[i] = (char)c;
			taken += is_plain(copy, sizeof(doc) - 1);
		}
	ok(taken > 500, "%zu of %zu changes are taken, and read alike", taken, 256 * (sizeof(doc) - 1));
}

/* Retry or not is told by the error's class. */
static void test_classes(void)
{
	static const char *const id[] = {"bad-truncated-7", "bad-raw-control", "bad-trailing",
	    "bad-billion-laughs", "bad-deep", "bad-size-overflow", "bad-key-outside-prefix", "bad-percent-nul",
	    "bad-same-token"};
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(cases, "cases"), i, c)
	{
		for (size_t k = 0; k < NITEMS(id); k++) {
			struct outcome o;

			if (strcmp(json_str(c, "id", ""), id[k]) != 0)
				continue;
			walk(c, 0, &o);
			ok(o.retry == json_bool(json_object_get(c, "expect"), "retry", false), "%s: %s", id[k],
			    o.retry ? "worth another try" : "not tried again");
			strvec_release(&o.keys);
		}
	}
}

/* A document cut anywhere is never a shorter list. */
static void test_every_cut(void)
{
	static const char doc[] = "<?xml version=\"1.0\"?>\n<ListBucketResult "
	                          "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>"
	                          "<IsTruncated>false</IsTruncated><Contents><Key>raw/a</"
	                          "Key><LastModified>2025-04-30T13:35:02.000Z</LastModified>"
	                          "<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>5</Size></"
	                          "Contents></ListBucketResult>";
	struct s3_listing *l = s3_listing_new("raw/", NULL);
	const struct store_object *objs;
	struct err err = ERR_INIT;
	size_t n, passed = 0;

	for (size_t cut = 0; cut < sizeof(doc) - 1; cut++) {
		struct strbuf sb = STRBUF_INIT(2000);
		strbuf_add(&sb, doc, cut);
		passed += feed(l, &sb, 0, &objs, &n, &err) == 0;
		strbuf_release(&sb);
	}
	is_int(passed, 0, "no cut passes");
	struct strbuf sb = STRBUF_INIT(2000);
	strbuf_addstr(&sb, doc);
	ok(feed(l, &sb, 0, &objs, &n, &err) == 0 && n == 1, "the whole does");
	is_str(objs[0].etag, "d41d8cd98f00b204e9800998ecf8427e", "the ETag is bare");
	strbuf_release(&sb);
	s3_listing_free(l);
}

/* A token that is no XML because the last key holds a control character: go on by key. */
static void test_lost_token(void)
{
	struct s3_listing *l = s3_listing_new("raw/", NULL);
	struct strbuf sb = STRBUF_INIT(4000);
	const struct store_object *objs;
	struct err err = ERR_INIT;
	size_t n;

	strbuf_addstr(&sb,
	    "<ListBucketResult><IsTruncated>true</IsTruncated><EncodingType>url</EncodingType><Contents>"
	    "<Key>raw%2Fa%01b</Key><LastModified>2025-04-30T13:35:02.000Z</LastModified><ETag>\"1\"</ETag>"
	    "<Size>5</Size></Contents><KeyCount>1</KeyCount><NextContinuationToken>raw/a&#x01;b"
	    "</NextContinuationToken></ListBucketResult>");
	ok(feed(l, &sb, 0, &objs, &n, &err) == 0 && n == 1, "the page counts: %s", err.text);
	ok(s3_listing_more(l) && s3_listing_token(l) == NULL, "it goes on without a token");
	is_str(s3_listing_start_after(l), "raw/a",
	    "from before the control character, which would come back unencoded");
	strbuf_reset(&sb);
	strbuf_addstr(&sb,
	    "<ListBucketResult><IsTruncated>false</IsTruncated><EncodingType>url</EncodingType><Contents>"
	    "<Key>raw%2Fa%01b</Key><LastModified>2025-04-30T13:35:02.000Z</LastModified><ETag>\"1\"</ETag>"
	    "<Size>5</Size></Contents><Contents><Key>raw%2Fb</Key><LastModified>2025-04-30T13:35:02.000Z"
	    "</LastModified><ETag>\"1\"</ETag><Size>5</Size></Contents></ListBucketResult>");
	ok(feed(l, &sb, 0, &objs, &n, &err) == 0 && n == 1, "what comes again is passed over: %s", err.text);
	is_str(n == 1 ? objs[0].key : NULL, "raw/b", "and the rest is not");
	strbuf_release(&sb);
	s3_listing_free(l);
}

static void test_error(void)
{
	struct s3_error e;
	static const char doc[] =
	    "<?xml version='1.0'?><Error><Code>AuthorizationHeaderMalformed</Code><Message>&lt;b&gt;\n"
	    "no</Message><Region>eu-north-1</Region><RequestId>TX1</RequestId></Error>";

	ok(s3_error_parse(doc, strlen(doc), &e) == 0, "an error document");
	is_str(e.code, "AuthorizationHeaderMalformed", "code");
	is_str(e.region, "eu-north-1", "region");
	ok(s3_error_parse(doc, strlen(doc) - 1, &e) == -1, "a cut one is none");
	ok(s3_error_parse("<html/>", 7, &e) == -1 && s3_error_parse("", 0, &e) == -1,
	    "nor is HTML, nor nothing");
}

static void test_speed(void)
{
	struct strbuf sb = STRBUF_INIT(2 << 20);
	struct s3_listing *l;
	const struct store_object *objs;
	struct err err = ERR_INIT;
	struct timespec t0, t1;
	size_t n = 0, total = 0;

	strbuf_addstr(&sb, "<ListBucketResult><IsTruncated>false</IsTruncated>");
	for (int i = 0; i < 1000; i++)
		strbuf_addf(&sb,
		    "<Contents><Key>raw/fpi05_uao_20250429.tar.gz%06d</"
		    "Key><LastModified>2025-04-30T13:35:02.000Z</LastModified>"
		    "<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>5242880</"
		    "Size><StorageClass>STANDARD"
		    "</StorageClass><Type>Normal</Type></Contents>",
		    i);
	strbuf_addstr(&sb, "</ListBucketResult>");
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
	for (int i = 0; i < 100; i++) {
		l = s3_listing_new("raw/", NULL);
		if (feed(l, &sb, 16384, &objs, &n, &err) == 0)
			total += n;
		s3_listing_free(l);
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
	is_int(total, 100000, "100 pages of 1000 keys");
	diag("%.1f ms of CPU for 100,000 keys",
	    (double)(t1.tv_sec - t0.tv_sec) * 1e3 + (double)(t1.tv_nsec - t0.tv_nsec) / 1e6);
	strbuf_release(&sb);
}

int main(void)
{
	cases = load();
	tap_run(test_cases);
	tap_run(test_classes);
	tap_run(test_plain);
	tap_run(test_plain_flips);
	tap_run(test_every_cut);
	tap_run(test_lost_token);
	tap_run(test_error);
	tap_run(test_speed);
	json_decref(cases);
	return tap_done();
}
