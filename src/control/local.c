#include "config.h"

#include "control/local.h"

#include "control/commands.h"

#include "base/mem.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "engine/loop.h"
#include "state/state.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct local {
	struct conf *conf;
	struct event_base *base;
	struct state *state, *reader;
	struct engine *engine;
	struct command_caller caller;
};

struct call {
	struct local *local;
	void (*on_event)(const json_t *event, void *arg);
	void *arg;
	json_t *result;
	struct err err;
	bool answered;
	int64_t waits_for; /* a run, or 0 */
	int interrupts;
};

static int open_owner(struct local *l, struct err *err)
{
	struct engine_opts opts = {.local = true};

	if ((l->state = state_open(l->conf->state_dir, err)) == NULL)
		return -1;
	l->engine = engine_new(l->base, l->state, l->conf, &opts, err);
	return l->engine ? 0 : -1;
}

static int open_reader(struct local *l, bool owner, struct err *err)
{
	l->reader = state_open_reader(l->conf->state_dir, err);
	/* Nothing has run yet: that is an answer, not an error. */
	if (l->reader == NULL && !owner && err_is(err, "not_found"))
		l->reader = state_open_empty(l->conf->state_dir, err);
	return l->reader ? 0 : -1;
}

struct local *local_open(struct conf *conf, bool owner, struct err *err)
{
	struct local *l = xcalloc(1, sizeof(*l));

	l->conf = conf_ref(conf);
	l->base = loop_new();
	if ((owner && open_owner(l, err) == -1) || open_reader(l, owner, err) == -1) {
		local_close(l);
		return NULL;
	}
	l->caller.engine = l->engine;
	l->caller.query = (struct query){.state = l->reader, .conf = conf, .engine = l->engine};
	snprintf(l->caller.who, sizeof(l->caller.who), geteuid() == 0 ? "root" : "uid %u", (unsigned)geteuid());
	return l;
}

void local_close(struct local *l)
{
	if (l == NULL)
		return;
	engine_free(l->engine);
	state_close(l->reader);
	state_close(l->state);
	event_base_free(l->base);
	conf_unref(l->conf);
	free(l);
}

static void on_event(const json_t *event, void *arg)
{
	struct call *c = arg;

	if (c->on_event != NULL)
		c->on_event(event, c->arg);
}

static void on_answer(const json_t *result, const struct err *err, void *arg)
{
	struct call *c = arg;

	c->answered = true;
	if (err != NULL)
		c->err = *err;
	else
		c->result = json_incref((json_t *)result);
	event_base_loopbreak(c->local->base);
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
	struct call *c = arg;
	struct err err = ERR_INIT;

	if (++c->interrupts == 1 && c->waits_for != 0 && c->local->engine != NULL &&
	    engine_cancel(c->local->engine, c->waits_for, "an interrupt", &err) == 0)
		return;
	err_code(&c->err, ERR_CANCELLED, "interrupted", "interrupted");
	event_base_loopbreak(c->local->base);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct call *c = arg;

	err_code(&c->err, ERR_TRANSIENT, "wait_timeout", "no answer in time");
	event_base_loopbreak(c->local->base);
}

int local_call(struct local *l, const char *cmd, const json_t *args, tm_ms timeout_ms,
    void (*cb)(const json_t *event, void *arg), void *arg, json_t **result, struct err *err)
{
	static const struct command_cbs cbs = {.on_event = on_event, .on_answer = on_answer};
	struct call c = {.local = l, .on_event = cb, .arg = arg};
	struct event *sigint = evsignal_new(l->base, SIGINT, on_signal, &c);
	struct event *sigterm = evsignal_new(l->base, SIGTERM, on_signal, &c);
	struct event *timer = evtimer_new(l->base, on_timeout, &c);
	struct timeval wait = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
	struct command *command;

	if (strcmp(cmd, "runs.wait") == 0)
		c.waits_for = json_int(args, "id", 0);
	event_add(sigint, NULL);
	event_add(sigterm, NULL);
	if (timeout_ms > 0)
		event_add(timer, &wait);
	command = command_start(&l->caller, cmd, args, &cbs, &c);
	while (!c.answered && c.err.class == ERR_NONE)
		if (event_base_loop(l->base, EVLOOP_ONCE) != 0)
			err_set(&c.err, ERR_BUG, "%s: the loop ended without an answer", cmd);
	if (!c.answered && command != NULL)
		command_cancel(command);
	event_free(sigint);
	event_free(sigterm);
	event_free(timer);
	if (c.err.class != ERR_NONE) {
		*err = c.err;
		json_decref(c.result);
		return -1;
	}
	*result = c.result;
	return 0;
}
