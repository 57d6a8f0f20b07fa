/* Texts that many answers share: packed once, and given back whole. */
#include "config.h"

#include "tests/tap.h"

#include "net/payload.h"

#include <event2/buffer.h>
#include <zlib.h>

#define TEXT_MAX ((size_t)8 << 20)

/* n bytes that pack well, or that do not. */
static struct payload *payload_of(size_t n, bool noise)
{
	struct strbuf body = STRBUF_INIT(TEXT_MAX);
	uint32_t x = 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		strbuf_addch(&body, noise ? (char)(x >> 24) : (char)('a' + i % 7));
	}
	return payload_new(&body);
}

/* All that is in out, unpacked when it is packed; its length. */
static size_t unpack(struct evbuffer *out, bool packed, char *text, size_t max)
{
	size_t n = evbuffer_get_length(out);
	z_stream z = {.avail_in = (unsigned)n, .next_out = (unsigned char *)text, .avail_out = (unsigned)max};

	if (!packed)
		return evbuffer_remove(out, text, max) == (int)n ? n : 0;
	z.next_in = evbuffer_pullup(out, -1);
	if (inflateInit2(&z, 15 + 16) != Z_OK || inflate(&z, Z_FINISH) != Z_STREAM_END)
		return 0;
	inflateEnd(&z);
	return z.total_out;
}

static void test_forms(void)
{
	static const struct {
		size_t n;
		bool noise, packs;
		const char *what;
	} cases[] = {
	    {0, false, false, "nothing"},
	    {200, false, false, "a short text"},
	    {100000, false, true, "a page"},
	    {100000, true, false, "noise"},
	    {(size_t)3 << 20, false, false, "more than there is time for"},
	};
	char *text = xmalloc(TEXT_MAX);

	for (size_t i = 0; i < NITEMS(cases); i++) {
		struct payload *p = payload_of(cases[i].n, cases[i].noise);
		enum payload_form form = cases[i].packs ? PAYLOAD_GZIP : PAYLOAD_PLAIN;
		struct evbuffer *out = evbuffer_new();
		size_t packed = payload_length(p, PAYLOAD_GZIP);

		ok((packed > 0) == cases[i].packs && packed <= cases[i].n, "%s is %spacked", cases[i].what,
		    cases[i].packs ? "" : "not ");
		payload_send(p, form, out);
		is_int((int64_t)evbuffer_get_length(out), (int64_t)payload_length(p, form),
		    "as long as announced");
		is_int((int64_t)unpack(out, cases[i].packs, text, TEXT_MAX), (int64_t)cases[i].n,
		    "all of it comes out");
		ok(cases[i].noise || cases[i].n == 0 ||
		        (text[0] == 'a' && text[cases[i].n - 1] == (char)('a' + (cases[i].n - 1) % 7)),
		    "and it is the same");
		evbuffer_free(out);
		payload_unref(p);
	}
	free(text);
}

/* Answers under way hold it when its owner has let go. */
static void test_references(void)
{
	struct payload *p = payload_of(50000, false);
	struct evbuffer *out[3];
	char first = '\0';

	for (size_t i = 0; i < NITEMS(out); i++) {
		out[i] = evbuffer_new();
		payload_send(p, PAYLOAD_PLAIN, out[i]);
	}
	ok(payload_size(p) >= 50000, "its memory is known");
	payload_unref(p);
	evbuffer_free(out[0]);
	evbuffer_drain(out[1], 50000);
	ok(evbuffer_remove(out[2], &first, 1) == 1 && first == 'a', "the last answer still has its text");
	evbuffer_free(out[1]);
	evbuffer_free(out[2]);
	payload_unref(NULL);
}

static void test_accepted(void)
{
	static const struct {
		const char *field;
		bool yes;
	} cases[] = {
	    {NULL, false},
	    {"", false},
	    {"gzip", true},
	    {"GZIP", true},
	    {"deflate, gzip, br, zstd", true},
	    {"br,gzip;q=0.5", true},
	    {"gzip;q=0", false},
	    {"gzip; q=0.000, identity", false},
	    {"gzip;q=0.001", true},
	    {"gzip;q=0,br;q=1", false},
	    {"x-gzip", false},
	    {"gzipped, identity", false},
	    {",,;", false},
	    {"identity;q=1, gzip ; q=1.0", true},
	};

	for (size_t i = 0; i < NITEMS(cases); i++)
		ok(payload_accepted(cases[i].field) == cases[i].yes, "Accept-Encoding: %s: %s",
		    cases[i].field ? cases[i].field : "(none)", cases[i].yes ? "gzip" : "plain");
}

int main(void)
{
	tap_run(test_forms);
	tap_run(test_references);
	tap_run(test_accepted);
	return tap_done();
}
