/*
 * Renderings that are young enough to be given again.
 *
 * They go by their age alone.  Under work the state changes hundreds of times a second, so that a cache which followed its
 * commits would make every reader's page anew; the age bounds both what readers cost and how far a page lags behind the
 * state, and the page says "as of" when it was made.
 *
 * Pages that once were made in one burst would be due together ever after, and whoever asks then waits for all of them.
 * So a page that is asked for may be made anew a little early, one in a turn of the loop and with a rest as long as the
 * work was: after a few rounds their turns are spread.
 */
#include "config.h"

#include "web/web_priv.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/mem.h"

#include <event2/event.h>
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS     64
#define BYTES_MAX ((size_t)32 << 20)
#define AGE_MS    500 /* beyond this a page is never given */
#define EARLY_MS  300 /* from here on it may be made anew */
#define MINUTE_MS 60000

struct cached {
	char *target; /* NULL: free */
	tm_ms made; /* monotonic */
	struct rendering r;
};

struct page_cache {
	struct cached slot[SLOTS];
	size_t bytes;
	tm_ms rested; /* no page is made early before; monotonic */
	struct timeval turn; /* of the loop, in which the last one was made */
	struct event_base *base;
};

/*
 * The tag is of the text up to the foot of the page, and of the minute in which it was made: a reload brings nothing while
 * nothing else than the time has changed, and yet what a reader looks at is never "as of" more than a minute ago.
 */
static void make_tag(const struct page *p, char tag[TAG_MAX])
{
	bool timed = p->foot > 0;
	int64_t minute = timed ? clock_now() / MINUTE_MS : 0;
	struct digest *d = digest_new(DIGEST_SHA256);
	char hex[SHA256_HEX];

	digest_update(d, p->body.buf, timed ? p->foot : p->body.len);
	digest_update(d, &minute, sizeof(minute));
	digest_final(d, hex);
	memcpy(tag, hex, TAG_MAX - 1);
	tag[TAG_MAX - 1] = '\0';
}

void rendering_of(struct page *p, struct rendering *r)
{
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

static void forget(struct page_cache *cache, struct cached *c)
{
	if (c->target == NULL)
		return;
	cache->bytes -= payload_length(c->r.payload, PAYLOAD_PLAIN);
	payload_unref(c->r.payload);
	free(c->target);
	*c = (struct cached){0};
}

static struct cached *slot_of(struct page_cache *cache, const char *target)
{
	for (size_t i = 0; i < SLOTS; i++) {
		struct cached *c = &cache->slot[i];

		if (c->target != NULL && strcmp(c->target, target) == 0)
			return c;
	}
	return NULL;
}

/* May one be made before it must? */
static bool is_rested(const struct page_cache *cache, tm_ms now)
{
	struct timeval turn;

	event_base_gettimeofday_cached(cache->base, &turn); /* the same all through a turn */
	return now >= cache->rested && evutil_timercmp(&turn, &cache->turn, !=);
}

const struct rendering *cache_find(struct page_cache *cache, const char *target)
{
	const struct cached *c = slot_of(cache, target);
	tm_ms now = clock_mono();

	if (c == NULL || now >= c->made + AGE_MS || (now >= c->made + EARLY_MS && is_rested(cache, now)))
		return NULL;
	return &c->r;
}

/* The one that was made first; a free slot counts as that. */
static struct cached *oldest(struct page_cache *cache, bool taken)
{
	struct cached *best = NULL;

	for (size_t i = 0; i < SLOTS; i++) {
		struct cached *c = &cache->slot[i];

		if ((c->target != NULL || !taken) && (best == NULL || c->made < best->made))
			best = c;
	}
	return best;
}

/* A free slot, once there is room for n bytes. */
static struct cached *make_room(struct page_cache *cache, size_t n)
{
	tm_ms now = clock_mono();
	struct cached *c;

	for (size_t i = 0; i < SLOTS; i++)
		if (cache->slot[i].made + AGE_MS <= now)
			forget(cache, &cache->slot[i]);
	while (cache->bytes + n > BYTES_MAX && (c = oldest(cache, true)) != NULL)
		forget(cache, c);
	c = oldest(cache, false);
	forget(cache, c);
	return c;
}

void cache_keep(struct page_cache *cache, const char *target, struct rendering *r, tm_ms took)
{
	size_t n = payload_length(r->payload, PAYLOAD_PLAIN);
	tm_ms now = clock_mono();
	struct cached *c;

	if (n > BYTES_MAX / 4) {
		payload_unref(r->payload);
		return;
	}
	if ((c = slot_of(cache, target)) != NULL)
		forget(cache, c);
	c = make_room(cache, n);
	c->target = xstrdup(target);
	c->made = now;
	cache->rested = now + MAX(took, (tm_ms)1);
	event_base_gettimeofday_cached(cache->base, &cache->turn);
	c->r = *r;
	cache->bytes += n;
}

struct page_cache *cache_new(struct event_base *base)
{
	struct page_cache *cache = xcalloc(1, sizeof(*cache));

	cache->base = base;
	return cache;
}

void cache_free(struct page_cache *cache)
{
	if (cache == NULL)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		forget(cache, &cache->slot[i]);
	free(cache);
}
