/*
 * orchd: the daemon.  The order of its life reads top to bottom: options, configuration, state (and its lock), loop, engine
 * (which recovers), control socket, page, ready; then the loop until it is told to end, and everything back in reverse.
 */
#include "config.h"

#include "base/clock.h"
#include "base/environment.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "control/server.h"
#include "engine/engine.h"
#include "engine/loop.h"
#include "notify/sender.h"
#include "orchd/notify.h"
#include "orchd/trim.h"
#include "push/push.h"
#include "state/state.h"
#include "web/web.h"

#include <event2/event.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

struct daemon {
	char *conf_path;
	struct conf *conf;
	struct event_base *base;
	struct state *state, *reader;
	struct engine *engine;
	struct sender *sender;
	struct server *server;
	struct push *push;
	struct web *web; /* NULL: no page */
	char page[320]; /* its address */
	struct event *signals[4];
	struct event *watchdog;
	bool once, stopping;
	int64_t commit_failures; /* when the watchdog was fed last */
};

/* --once: how long notifications may still be delivered; what is not waits for the next start. */
#define ONCE_NOTIFY_MS 10000

static const char usage[] =
    "usage: orchd [-f orch.yaml] [--check] [--once] [--log-level LEVEL] [--version]\n"
    "  -f, --config FILE    configuration ($ORCH_CONFIG, ./orch.yaml, /etc/orch/orch.yaml)\n"
    "      --check          check the configuration, print every problem, and exit\n"
    "      --once           tick every sensor once, finish what that starts, and exit\n"
    "      --log-level L    debug, info (default), warning, error\n"
    "      --version        print the version and exit\n";

/* Every problem on stderr; NULL when there was an error, with the first one in err. */
static struct conf *load(const char *path, struct err *err)
{
	struct diags diags = DIAGS_INIT;
	struct conf *conf = conf_load(path, &diags);
	struct strbuf text = STRBUF_INIT(1 << 20);

	diags_print(&diags, &text);
	fputs(text.buf, stderr);
	strbuf_release(&text);
	if (conf == NULL)
		diags_to_err(&diags, err);
	diags_release(&diags);
	return conf;
}

/* Nights do not wait for a port: without it the work goes on, and the log says so. */
static void start_page(struct daemon *d)
{
	struct err err = ERR_INIT;

	if (d->conf->web.listen == NULL || d->once)
		return;
	if ((d->web = web_new(d->base, d->conf, d->engine, &err)) == NULL) {
		log_error("there is no status page: %s; a reload tries again", err.text);
		return;
	}
	web_show_push(d->web, push_stats(d->push));
	web_url(d->web, d->page, sizeof(d->page));
	log_info("status page: %s", d->page);
}

static int reload(void *arg, struct err *err)
{
	struct daemon *d = arg;
	struct err problem = ERR_INIT;
	struct conf *conf;

	notify_reloading();
	conf = load(d->conf_path, &problem);
	if (conf != NULL && strcmp(conf->state_dir, d->conf->state_dir) != 0) {
		log_warn("reload: state_dir changed; that takes a restart, the old one stays in use");
	}
	if (conf == NULL) {
		log_error("reload: %s has errors; the old configuration stays", d->conf_path);
		engine_conf_refused(d->engine, &problem);
		notify_send("READY=1\nSTATUS=configuration has errors; the old one stays");
		return err_set(
		    err, ERR_CONFIG, "%s has errors (see the log); the old configuration stays", d->conf_path);
	}
	engine_reload(d->engine, conf);
	push_use(d->push, conf);
	if (d->web != NULL)
		web_reload(d->web, conf);
	conf_unref(d->conf);
	d->conf = conf;
	if (d->web == NULL)
		start_page(d);
	log_info("reload: %s digest=%.12s", d->conf_path, conf->digest);
	notify_send("READY=1\nSTATUS=running");
	return 0;
}

static void on_hup(evutil_socket_t sig, short what, void *arg)
{
	reload(arg, NULL);
}

static void on_drained(void *arg)
{
	struct daemon *d = arg;

	event_base_loopbreak(d->base);
}

static void on_term(evutil_socket_t sig, short what, void *arg)
{
	struct daemon *d = arg;

	if (d->stopping) {
		log_info("second signal: leaving at once; running steps go on and will be adopted");
		event_base_loopbreak(d->base);
		return;
	}
	d->stopping = true;
	notify_send("STOPPING=1");
	log_info("stopping: %" PRId64 " steps run, nothing new starts", engine_stats(d->engine)->steps_running);
	engine_drain(d->engine, on_drained, d);
}

static void add_signal(struct daemon *d, size_t slot, int sig, event_callback_fn fn)
{
	d->signals[slot] = evsignal_new(d->base, sig, fn, d);
	event_add(d->signals[slot], NULL);
}

/* Fed only by a loop that turns and a state that commits. */
static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	const struct engine_stats *st = engine_stats(d->engine);

	if (st->commit_failures == d->commit_failures)
		notify_send("WATCHDOG=1");
	d->commit_failures = st->commit_failures;
}

static void start_watchdog(struct daemon *d)
{
	tm_ms ms = notify_watchdog_ms();
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	if (ms == 0)
		return;
	d->watchdog = event_new(d->base, -1, EV_PERSIST, on_watchdog, d);
	event_add(d->watchdog, &tv);
}

/* --once: every sensor has ticked and no run is left. */
struct once {
	struct daemon *daemon;
	size_t ticks_open;
	bool failed;
	tm_ms work_done; /* monotonic; 0: not yet */
	struct engine_listener listener;
	struct event *look;
};

static void look_if_done(evutil_socket_t fd, short what, void *arg)
{
	struct once *o = arg;
	const struct engine_stats *st = engine_stats(o->daemon->engine);
	struct timeval tv = {.tv_usec = 50000};

	if (o->ticks_open == 0 && st->runs_queued == 0 && st->runs_running == 0 && o->work_done == 0)
		o->work_done = clock_mono();
	if (o->work_done != 0 &&
	    (!sender_is_busy(o->daemon->sender) || clock_mono() >= o->work_done + ONCE_NOTIFY_MS))
		event_base_loopbreak(o->daemon->base);
	else
		event_add(o->look, &tv);
}

static void on_once_tick(const json_t *summary, const struct err *err, void *arg)
{
	struct once *o = arg;

	o->ticks_open--;
	o->failed |= err != NULL || strcmp(json_str(summary, "outcome", ""), "failed") == 0;
}

static void on_once_event(const struct engine_event *ev, void *arg)
{
	struct once *o = arg;
	const char *state = json_str(ev->data, "state", "");

	if (strcmp(ev->kind, "run") == 0 && (strcmp(state, "failed") == 0 || strcmp(state, "canceled") == 0))
		o->failed = true;
}

static int run_once(struct daemon *d)
{
	struct once o = {.daemon = d, .listener = {.on_event = on_once_event}};
	struct timeval now = {0};

	o.listener.arg = &o;
	o.look = event_new(d->base, -1, 0, look_if_done, &o);
	engine_listen(d->engine, &o.listener);
	for (size_t i = 0; i < d->conf->nsensors; i++) {
		struct err err = ERR_INIT;

		if (engine_sensor_tick(d->engine, d->conf->sensors[i].name, false, on_once_tick, &o, &err) ==
		    0) {
			o.ticks_open++;
		} else {
			log_error("sensor %s: %s", d->conf->sensors[i].name, err.text);
			o.failed = true;
		}
	}
	event_add(o.look, &now);
	event_base_dispatch(d->base);
	engine_unlisten(d->engine, &o.listener);
	event_free(o.look);
	return o.failed ? 1 : 0;
}

static void raise_descriptors(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
		rl.rlim_cur = MIN(rl.rlim_max, (rlim_t)65536);
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

static int start(struct daemon *d, struct err *err)
{
	struct engine_opts opts = {.local = d->once};
	struct command_caller caller = {.reload = reload, .reload_arg = d};

	signal(SIGPIPE, SIG_IGN);
	raise_descriptors();
	prctl(PR_SET_DUMPABLE, 0); /* credentials pass through this memory */
	if ((d->state = state_open(d->conf->state_dir, err)) == NULL ||
	    (d->reader = state_open_reader(d->conf->state_dir, err)) == NULL)
		return -1;
	d->base = loop_new();
	/* They are heard from here on, and answered by the loop. */
	add_signal(d, 0, SIGTERM, on_term);
	add_signal(d, 1, SIGINT, on_term);
	add_signal(d, 2, SIGHUP, on_hup);
	if ((d->engine = engine_new(d->base, d->state, d->conf, &opts, err)) == NULL)
		return -1;
	d->sender = sender_new(d->base, d->engine);
	caller.engine = d->engine;
	d->push = push_new(d->base, d->engine);
	caller.query = (struct query){
	    .state = d->reader, .engine = d->engine, .page = d->page, .push = push_stats(d->push)};
	if ((d->server = server_new(d->base, d->conf->state_dir, &caller, err)) == NULL)
		return -1;
	start_page(d);
	if (!d->once)
		push_use(d->push, d->conf);
	start_watchdog(d);
	return 0;
}

static void stop(struct daemon *d)
{
	web_free(d->web);
	push_free(d->push);
	server_free(d->server);
	sender_free(d->sender);
	engine_free(d->engine);
	state_close(d->reader);
	state_close(d->state);
	for (size_t i = 0; i < NITEMS(d->signals); i++)
		if (d->signals[i] != NULL)
			event_free(d->signals[i]);
	if (d->watchdog != NULL)
		event_free(d->watchdog);
	if (d->base != NULL) {
		/* Connections that had something put off are freed in a turn of their own. */
		event_base_loop(d->base, EVLOOP_NONBLOCK);
		event_base_free(d->base);
	}
	conf_unref(d->conf);
	free(d->conf_path);
	environment_wipe();
}

static int serve(struct daemon *d)
{
	struct err err = ERR_INIT;
	tm_ms began = clock_mono();
	int rc = 0;

	if (start(d, &err) == -1) {
		log_error("%s", err.text);
		stop(d);
		return err_exit_code(&err);
	}
	log_info("orchd " PACKAGE_VERSION " ready in %" PRId64
	         " ms: %s, %zu sensors, %zu assets, epoch %" PRId64,
	    clock_mono() - began, d->conf->file, d->conf->nsensors, d->conf->nassets, d->state->epoch);
	notify_send("READY=1\nSTATUS=running\nMAINPID=%d", (int)getpid());
	trim_memory();
	if (d->once)
		rc = run_once(d);
	else
		event_base_dispatch(d->base);
	log_info("orchd ends");
	stop(d);
	return rc;
}

int main(int argc, char **argv)
{
	enum { OPT_CHECK = 256, OPT_ONCE, OPT_LOG, OPT_VERSION };
	static const struct option options[] = {{"config", required_argument, NULL, 'f'},
	    {"check", no_argument, NULL, OPT_CHECK}, {"once", no_argument, NULL, OPT_ONCE},
	    {"log-level", required_argument, NULL, OPT_LOG}, {"version", no_argument, NULL, OPT_VERSION},
	    {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	enum log_level level = LOG_INFO_;
	const char *explicit = NULL;
	struct daemon d = {0};
	struct err err = ERR_INIT;
	bool check = false;
	int c;

	environment_hide();
	while ((c = getopt_long(argc, argv, "f:h", options, NULL)) != -1) {
		switch (c) {
		case 'f': explicit = optarg; break;
		case OPT_CHECK: check = true; break;
		case OPT_ONCE: d.once = true; break;
		case OPT_LOG:
			if (!log_level_parse(optarg, &level)) {
				fprintf(stderr, "orchd: unknown log level '%s'\n", optarg);
				return 2;
			}
			break;
		case OPT_VERSION: puts("orchd " PACKAGE_VERSION); return 0;
		case 'h': fputs(usage, stdout); return 0;
		default: fputs(usage, stderr); return 2;
		}
	}
	if (optind < argc) {
		fputs(usage, stderr);
		return 2;
	}
	log_open(level);
	notify_open();
	if ((d.conf_path = conf_find(explicit, &err)) == NULL) {
		fprintf(stderr, "orchd: %s\n", err.text);
		return err_exit_code(&err);
	}
	if ((d.conf = load(d.conf_path, &err)) == NULL) {
		free(d.conf_path);
		return 7;
	}
	if (check) {
		printf("%s: ok\n", d.conf_path);
		conf_unref(d.conf);
		free(d.conf_path);
		return 0;
	}
	return serve(&d);
}
