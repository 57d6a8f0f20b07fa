/*
 * Fuzz target: answers of an object store.  The first byte chooses in what pieces the listing arrives; it must not
 * matter.  What passes keeps every promise of s3_listing.h, on the second page as on the first.  What the quick reader
 * takes the general one takes too, with the same elements.
 */
#include "config.h"

#include "base/codec.h"
#include "base/mem.h"
#include "store/s3_listing.h"
#include "store/s3_plain.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

const char *const fuzz_corpus[] = {"tests/fuzz/corpus/s3_xml", NULL};

#define PREFIX "raw/"

/* A page in pieces of `step`; what it said as one text, so that two ways of feeding can be compared. */
static bool one_page(struct s3_listing *l, const char *p, size_t n, size_t step, struct strbuf *out)
{
	const struct store_object *v = NULL;
	struct err err = ERR_INIT;
	size_t count = 0;

	s3_listing_begin(l);
	for (size_t at = 0; at < n; at += step)
		if (s3_listing_feed(l, p + at, n - at < step ? n - at : step) == -1)
			break;
	if (s3_listing_end(l, &v, &count, &err) == -1) {
		FUZZ_PROMISE(
		    s3_listing_error(l) != NULL || (err.class != ERR_NONE && err.code[0] && err.text[0]));
		strbuf_addf(out, "error %s\n", s3_listing_error(l) ? s3_listing_error(l)->code : err.code);
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		FUZZ_PROMISE(
		    strncmp(v[i].key, PREFIX, strlen(PREFIX)) == 0 && v[i].size >= 0 && v[i].etag[0] != '\0');
		FUZZ_PROMISE(utf8_valid(v[i].key, strlen(v[i].key)) && strlen(v[i].key) <= STORE_KEY_MAX);
		FUZZ_PROMISE(i == 0 || strcmp(v[i - 1].key, v[i].key) < 0);
		strbuf_addf(out, "%s\n", v[i].key);
	}
	FUZZ_PROMISE(count <= S3_PAGE_MAX);
	return true;
}

static void list(const char *p, size_t n, size_t step, struct strbuf *out)
{
	struct s3_listing *l = s3_listing_new(PREFIX, NULL);

	/* The same page again never makes progress, unless it had no keys. */
	if (one_page(l, p, n, step, out) && s3_listing_more(l)) {
		size_t before = out->len;
		bool passed = one_page(l, p, n, step, out);
		FUZZ_PROMISE(!passed || before == out->len);
	}
	s3_listing_free(l);
}

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

static void compare_readers(const char *p, size_t n)
{
	struct strbuf quick = STRBUF_INIT(16 << 20), general = STRBUF_INIT(16 << 20);
	char *copy = xmalloc(n + 1);

	memcpy(copy, p, n);
	copy[n] = '\0';
	if (s3_plain_read(copy, n, "ListBucketResult", record_all, &quick) == 0) {
		struct s3_xml *x = s3_xml_new("ListBucketResult", false, S3_XML_BODY_MAX, record, &general);

		FUZZ_PROMISE(s3_xml_feed(x, p, n) == 0 && s3_xml_finish(x, NULL) == 0);
		FUZZ_PROMISE(quick.len == general.len && memcmp(quick.buf, general.buf, quick.len) == 0);
		s3_xml_free(x);
	}
	FUZZ_PROMISE(memcmp(copy, p, n) == 0);
	free(copy);
	strbuf_release(&quick);
	strbuf_release(&general);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct strbuf whole = STRBUF_INIT(16 << 20), pieces = STRBUF_INIT(16 << 20),
	              text = STRBUF_INIT(1 << 20);
	struct s3_error error, doc = {0};
	struct err err = ERR_INIT;

	if (size < 2)
		return 0;
	const char *p = (const char *)data + 1;
	list(p, size - 1, size, &whole);
	list(p, size - 1, 1 + data[0] % 64, &pieces);
	compare_readers(p, size - 1);
	/* Errors may be told apart by where they are met, results not. */
	if (strncmp(whole.buf, "error", 5) != 0 || strncmp(pieces.buf, "error", 5) != 0)
		FUZZ_PROMISE(strcmp(whole.buf, pieces.buf) == 0);
	if (s3_error_parse(p, size - 1, &error) == 0)
		FUZZ_PROMISE(error.code[0] != '\0' && strlen(error.message) < sizeof(error.message));
	if (s3_xml_pick(p, size - 1, "CopyObjectResult", "CopyObjectResult/ETag", &text, &doc, &err) == -1)
		FUZZ_PROMISE(err.class != ERR_NONE || doc.code[0] != '\0');
	strbuf_release(&whole);
	strbuf_release(&pieces);
	strbuf_release(&text);
	return 0;
}
