#include "config.h"

#include "net/payload.h"

#include "base/mem.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

#define PACK_MIN   1024 /* below it a packet is saved by nothing */
#define PACK_MAX   ((size_t)2 << 20) /* above it packing would hold up the loop */
#define PACK_LEVEL 1 /* pages are repetitive: a third of the time of the usual level for a tenth more bytes */
#define GZIP_BITS  (15 + 16)

struct bytes {
	char *p;
	size_t n;
};

struct payload {
	unsigned refs;
	bool packed; /* tried, at least */
	struct bytes form[2];
};

struct payload *payload_new(struct strbuf *body)
{
	struct payload *p = xcalloc(1, sizeof(*p));

	p->refs = 1;
	p->form[PAYLOAD_PLAIN].n = body->len;
	p->form[PAYLOAD_PLAIN].p = strbuf_detach(body);
	return p;
}

struct payload *payload_ref(struct payload *p)
{
	p->refs++;
	return p;
}

void payload_unref(struct payload *p)
{
	if (p == NULL || --p->refs > 0)
		return;
	free(p->form[PAYLOAD_PLAIN].p);
	free(p->form[PAYLOAD_GZIP].p);
	free(p);
}

size_t payload_size(const struct payload *p)
{
	return sizeof(*p) + p->form[PAYLOAD_PLAIN].n + p->form[PAYLOAD_GZIP].n;
}

/* Leaves the form empty when that fails or saves nothing. */
static void pack(const struct bytes *plain, struct bytes *gzip)
{
	z_stream z = {.next_in = (unsigned char *)plain->p, .avail_in = (unsigned)plain->n};

	if (deflateInit2(&z, PACK_LEVEL, Z_DEFLATED, GZIP_BITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return;
	gzip->p = xmalloc(plain->n);
	z.next_out = (unsigned char *)gzip->p;
	z.avail_out = (unsigned)plain->n;
	if (deflate(&z, Z_FINISH) == Z_STREAM_END) {
		gzip->n = z.total_out;
		gzip->p = xreallocarray(gzip->p, gzip->n, 1);
	} else {
		free(gzip->p);
		gzip->p = NULL;
	}
	deflateEnd(&z);
}

size_t payload_length(struct payload *p, enum payload_form form)
{
	struct bytes *plain = &p->form[PAYLOAD_PLAIN];

	if (form == PAYLOAD_GZIP && !p->packed) {
		p->packed = true;
		if (plain->n >= PACK_MIN && plain->n <= PACK_MAX)
			pack(plain, &p->form[PAYLOAD_GZIP]);
	}
	return p->form[form].n;
}

static void sent(const void *data, size_t n, void *arg)
{
	payload_unref(arg);
}

void payload_send(struct payload *p, enum payload_form form, struct evbuffer *out)
{
	const struct bytes *b = &p->form[form];

	/* An empty chain by reference is a corner of the library that has had holes. */
	if (b->n > 0 && evbuffer_add_reference(out, b->p, b->n, sent, payload_ref(p)) == -1)
		abort(); /* no memory */
}

/* "0", "0.0" and the like, up to the next item. */
static bool is_zero(const char *q)
{
	size_t n = strspn(q, "0.");

	return n > 0 && (q[n] == '\0' || strchr(" \t,;", q[n]) != NULL);
}

bool payload_accepted(const char *accept_encoding)
{
	const char *s = accept_encoding;

	while (s != NULL && *s != '\0') {
		size_t n, item;

		s += strspn(s, " \t,");
		item = strcspn(s, ",");
		n = strcspn(s, " \t,;");
		if (n == 4 && strncasecmp(s, "gzip", 4) == 0) {
			const char *q = memchr(s, '=', item);

			return q == NULL || !is_zero(q + 1);
		}
		s += item;
	}
	return false;
}
