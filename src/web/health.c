/* /livez: the loop turns.  /readyz: and commits, and the sensors are on time. */
#include "config.h"

#include "web/web_priv.h"

#include "base/clock.h"

#define LAG_MAX_US 2000000

static bool loop_turns(const struct web *w)
{
	return clock_mono() - w->lag->turned_at < 5000 && w->lag->last_us < LAG_MAX_US;
}

static void say(struct page *p, const char *what, bool good)
{
	if (!good)
		p->status = 503;
	strbuf_addf(&p->body, "%s: %s\n", what, good ? "ok" : "failed");
}

void page_livez(struct page *p)
{
	p->content_type = "text/plain; charset=utf-8";
	say(p, "loop", loop_turns(p->web));
}

void page_readyz(struct page *p)
{
	struct err err = ERR_INIT;
	json_t *status = query_status(&p->web->query, &err);
	struct verdict v = {0};

	p->content_type = "text/plain; charset=utf-8";
	say(p, "loop", loop_turns(p->web));
	say(p, "state", status != NULL);
	if (status == NULL)
		return;
	verdict_of(p->web, status, &v);
	say(p, "commits", !lag_commits_fail(p->web->lag));
	say(p, "sensors", v.late == 0);
	say(p, "accepts work", !json_bool(status, "draining", false));
	verdict_release(&v);
	json_decref(status);
}
