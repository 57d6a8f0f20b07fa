#include "config.h"

#include "web/rendering.h"

#include "web/web_priv.h"

#include "base/clock.h"
#include "base/digest.h"

#include <string.h>

#define MINUTE_MS 60000

/*
 * The tag is of the text up to the foot of the page, and of the minute in which it was made: a reload brings nothing while
 * nothing else than the time has changed, and yet what a reader looks at is never "as of" more than a minute ago.
 */
static void make_tag(const struct page *p, char tag[RENDERING_TAG_MAX])
{
	bool timed = p->foot > 0;
	int64_t minute = timed ? clock_now() / MINUTE_MS : 0;
	struct digest *d = digest_new(DIGEST_SHA256);
	char hex[SHA256_HEX];

	digest_update(d, p->body.buf, timed ? p->foot : p->body.len);
	digest_update(d, &minute, sizeof(minute));
	digest_final(d, hex);
	memcpy(tag, hex, RENDERING_TAG_MAX - 1);
	tag[RENDERING_TAG_MAX - 1] = '\0';
}

static void refuse_large(struct page *p)
{
	strbuf_release(&p->body);
	strbuf_addstr(&p->body, "500 Internal Server Error: the page would be larger than 8 MiB\n");
	p->content_type = "text/plain; charset=utf-8";
	p->status = 500;
	p->immutable = p->svg = false;
}

void rendering_of(struct page *p, struct rendering *r)
{
	if (p->body.overflowed)
		refuse_large(p);
	*r = (struct rendering){
	    .content_type = p->content_type, .status = p->status, .immutable = p->immutable, .svg = p->svg};
	if (p->status == 200)
		make_tag(p, r->tag);
	r->payload = payload_new(&p->body);
}

void rendering_reply(struct httpd_request *req, const struct rendering *r)
{
	struct httpd_answer a = {.status = r->status,
	    .content_type = r->content_type,
	    .payload = r->payload,
	    .etag = r->tag[0] ? r->tag : NULL,
	    .immutable = r->immutable,
	    .inline_style = r->svg};

	httpd_reply(req, &a);
}
