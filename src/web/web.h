/*
 * web.h: the status page: read-only by construction.
 *
 * It reads through a connection of its own that cannot write, renders on the loop (every page is a few bounded queries),
 * and has no route that changes anything.
 */
#ifndef WEB_H
#define WEB_H

#include "base/err.h"

struct conf;
struct engine;
struct event_base;
struct push_stats;
struct web;

/* Listens where conf says; engine may be NULL (a page about a state without a daemon).  conf is referenced. */
struct web *web_new(struct event_base *base, struct conf *conf, struct engine *engine, struct err *err);
/* Show what the push endpoint counts; lent for the page's life. */
void web_show_push(struct web *, const struct push_stats *);
/* Use another configuration from now on; the listening address stays. */
void web_reload(struct web *, struct conf *conf);
/* Where it is, with the real port when 0 was asked for. */
void web_url(const struct web *, char *out, size_t n);
void web_free(struct web *); /* NULL is fine */

#endif
