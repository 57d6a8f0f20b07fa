/*
 * page_cache.h: renderings that are young enough to be given again.
 *
 * They go by their age alone.  Under work the state changes hundreds of times a second, so that a cache which followed its
 * commits would make every reader's page anew; the age bounds both what readers cost and how far a page lags behind the
 * state, and the page says "as of" when it was made.
 */
#ifndef PAGE_CACHE_H
#define PAGE_CACHE_H

#include "web/rendering.h"

struct page_cache;

struct page_cache *page_cache_new(void);
void page_cache_free(struct page_cache *); /* NULL is fine */
/* Lent until the next call; NULL: there is none, or it is too old.  ageing: it will be soon, and is to be made anew. */
const struct rendering *page_cache_find(struct page_cache *, const char *target, bool *ageing);
/* References the payload.  In the place of what is there of the target, and of the oldest when there is no room. */
void page_cache_keep(struct page_cache *, const char *target, const struct rendering *);

#endif
