/* sinks.h: the rows of the registry, and what sinks that speak HTTP share. */
#ifndef SINKS_H
#define SINKS_H

#include "base/strbuf.h"
#include "base/strvec.h"
#include "notify/sink.h"
#include "conf/secret.h"
#include "net/http.h"

extern const struct sink_type sink_command, sink_email, sink_github, sink_webhook;

#define NOTIFY_TEXT_MAX 60000 /* bytes of a letter or an issue's text */

/*
 * Fill a template from the event: its names, then group, kind, label (the first), title of the event, error; a name
 * that it lacks is empty.
 */
int event_expand(const struct delivery *, const char *text, struct strbuf *out, struct err *err);
/* "failed: airglow_job, uao/20260417" */
void event_title(const struct delivery *, struct strbuf *out);
/* What happened, for people: lines of plain text, or Markdown. */
void event_describe(const struct delivery *, bool markdown, struct strbuf *out);

/* "Name: secret" with a prefix before the secret, appended to headers. */
int header_secret(struct strvec *headers, const char *prefix, const struct secret_ref *ref, struct err *err);
/* Wipe before release: headers that carry secrets. */
void headers_wipe(struct strvec *);
/*
 * What an answer's status means: 0 for 2xx; transient for 408, 425, 429 and 5xx and for 403 of a rate limit, permanent
 * for the rest.  retry_after is set from the headers when they tell.
 */
int http_judge(const char *what, const struct http_response *, tm_ms *retry_after, struct err *err);
/* "https://hooks.example": the part of an address that errors may show, its path being a secret of some receivers; free(). */
char *url_origin(const char *url);
/* http:// only to this machine when a secret goes along. */
int check_url(const char *url, bool secret, struct err *err);

#endif
