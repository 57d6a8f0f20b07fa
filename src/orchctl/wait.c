#include "config.h"

#include "orchctl/wait.h"

#include "orchctl/effects.h"
#include "orchctl/run_text.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define REDRAW_MS    100
#define WARNINGS_MAX 20 /* told of each run while it goes; all are in its journal */
#define BAR_COLUMNS  20
#define JOURNAL_TAIL (1 << 20) /* bytes of each journal looked at for what was written */

struct watcher {
	struct ctl *ctl;
	tm_ms start, drawn;
	bool line; /* a progress line stands at the cursor */
	int warnings;
};

int wait_plan(struct ctl *ctl, struct wait_plan *plan, struct err *err)
{
	const char *text = args_get(&ctl->args, "wait");
	bool detach = args_has(&ctl->args, "detach"), daemon;

	*plan = (struct wait_plan){0};
	if (text != NULL && detach)
		return err_set(err, ERR_USAGE, "--wait and --detach exclude each other");
	if (text != NULL && *text != '\0' && args_duration(text, &plan->timeout, err) == -1)
		return err_wrap(err, "--wait");
	if (link_has_daemon(ctl->link, &daemon, err) == -1)
		return -1;
	if (detach && !daemon)
		return err_code(
		    err, ERR_PERMANENT, "no_daemon", "--detach: there is no daemon that would do the work");
	plan->wait = !detach && (text != NULL || !daemon || text_is_terminal());
	return 0;
}

static void clear_line(struct watcher *w)
{
	if (w->line)
		fputs("\r\033[K", stdout);
	w->line = false;
}

static void put_prefix(struct watcher *w, const char *asset)
{
	struct strbuf sb = STRBUF_INIT(300);

	clear_line(w);
	text_span(&sb, clock_mono() - w->start);
	printf("%s%10s%s  ", text_on(PAINT_DIM), sb.buf, text_off(PAINT_DIM));
	strbuf_reset(&sb);
	text_clean(&sb, asset ? asset : "run");
	printf("%-14s  ", sb.buf);
	strbuf_release(&sb);
}

static void on_step(struct watcher *w, const char *asset, const json_t *data)
{
	const char *state = json_str(data, "state", ""), *outcome = json_str(data, "outcome", "");
	bool plain = outcome[0] == '\0' || strcmp(outcome, "ok") == 0 || strcmp(outcome, state) == 0;

	/* "ready" lasts for a moment and says nothing that "running" does not. */
	if (w->ctl->quiet || strcmp(state, "ready") == 0 || strcmp(state, "waiting") == 0)
		return;
	put_prefix(w, asset);
	ctl_put(text_state_paint(state, outcome), state);
	if (!plain) {
		fputs(", ", stdout);
		ctl_put(text_state_paint(outcome, NULL), outcome);
	}
	if (json_str(data, "text", NULL) != NULL) {
		fputs(": ", stdout);
		ctl_put(PAINT_NONE, json_str(data, "text", ""));
	}
	putchar('\n');
}

static void on_warning(struct watcher *w, const char *asset, const json_t *data)
{
	if (w->ctl->quiet || ++w->warnings > WARNINGS_MAX + 1)
		return;
	put_prefix(w, asset);
	if (w->warnings > WARNINGS_MAX) {
		puts("more warnings; they are in the run's logs");
		return;
	}
	ctl_put(PAINT_WARN, json_str(data, "label", "warning"));
	fputs("  ", stdout);
	ctl_put(PAINT_NONE, json_str(data, "text", ""));
	putchar('\n');
}

static void put_amount(struct strbuf *sb, const char *what, int64_t n)
{
	if (strcmp(what, "bytes") == 0)
		text_size(sb, n);
	else
		strbuf_addf(sb, "%" PRId64, n);
}

static void on_progress(struct watcher *w, const char *asset, const json_t *data)
{
	const char *what = json_str(data, "what", "");
	int64_t done = json_int(data, "done", 0), total = json_int(data, "total", 0);
	struct strbuf sb = STRBUF_INIT(500);
	tm_ms now = clock_mono();

	if (!text_is_terminal() || w->ctl->quiet || (now - w->drawn < REDRAW_MS && done < total))
		return;
	w->drawn = now;
	put_prefix(w, asset);
	if (total > 0) {
		int full = (int)(MIN(MAX(done, 0), total) * BAR_COLUMNS / total);

		strbuf_addf(&sb, "[%.*s%.*s] ", full, "####################", BAR_COLUMNS - full,
		    "                    ");
	}
	put_amount(&sb, what, done);
	if (total > 0) {
		strbuf_addstr(&sb, " of ");
		put_amount(&sb, what, total);
	}
	if (strcmp(what, "bytes") != 0) {
		strbuf_addch(&sb, ' ');
		text_clean(&sb, what);
	}
	fputs(sb.buf, stdout);
	fflush(stdout);
	w->line = true;
	strbuf_release(&sb);
}

static const struct {
	const char *kind;
	void (*fn)(struct watcher *, const char *asset, const json_t *data);
} handlers[] = {
    {"step", on_step},
    {"warning", on_warning},
    {"progress", on_progress},
};

static void on_event(const json_t *event, void *arg)
{
	struct watcher *w = arg;
	const char *kind = json_str(event, "kind", "");
	const json_t *data = json_object_get(event, "data");

	for (size_t i = 0; !w->ctl->json && i < NITEMS(handlers); i++)
		if (strcmp(handlers[i].kind, kind) == 0)
			handlers[i].fn(w, json_str(event, "asset", NULL), data);
}

/* The last attempt of each step is the one whose effects stand. */
static bool is_last_attempt(const json_t *logs, size_t i)
{
	const json_t *log = json_array_get(logs, i);

	for (size_t k = i + 1; k < json_array_size(logs); k++)
		if (strcmp(json_str(json_array_get(logs, k), "asset", ""), json_str(log, "asset", "")) == 0 &&
		    json_int(json_array_get(logs, k), "attempt", 0) > json_int(log, "attempt", 0))
			return false;
	return true;
}

/* From the journals, not from the events: those of the first moments came before we watched. */
static void tell_effects(struct ctl *ctl, const json_t *run)
{
	json_t *args = json_object(), *result = NULL;
	struct effects effects = {0};
	struct err err = ERR_INIT; /* the run is told; without its journals it is told a little less */
	const json_t *logs;

	json_object_set_new(args, "id", json_integer(json_int(run, "id", 0)));
	json_object_set_new(args, "bytes", json_integer(JOURNAL_TAIL));
	if (ctl_ask(ctl, "runs.logs", args, &result, &err) == 0) {
		logs = json_object_get(result, "logs");
		for (size_t i = 0; i < json_array_size(logs); i++) {
			const json_t *log = json_array_get(logs, i);

			if (strcmp(json_str(log, "stream", ""), "journal") == 0 && is_last_attempt(logs, i))
				effects_add_journal(&effects, json_str(log, "text", ""));
		}
		effects_print(&effects, json_bool(run, "dry_run", false));
	}
	effects_release(&effects);
	json_decref(args);
	json_decref(result);
}

static void tell_end(struct watcher *w, const json_t *run)
{
	clear_line(w);
	if (w->ctl->json)
		return;
	run_text_verdict(run);
	if (!w->ctl->quiet)
		tell_effects(w->ctl, run);
}

static int ask_wait(struct watcher *w, int64_t id, tm_ms timeout, json_t **run, struct err *err)
{
	json_t *args = json_object();
	int rc;

	json_object_set_new(args, "id", json_integer(id));
	rc = link_call(w->ctl->link, "runs.wait", args, timeout, on_event, w, run, err);
	json_decref(args);
	return rc;
}

int wait_run(struct ctl *ctl, int64_t id, const struct wait_plan *plan, json_t **run, struct err *err)
{
	struct watcher w = {.ctl = ctl, .start = clock_mono()};
	int rc = ask_wait(&w, id, plan->timeout, run, err);

	if (rc == 0) {
		tell_end(&w, *run);
		rc = strcmp(json_str(*run, "state", ""), "succeeded") == 0 ? 0 : 1;
	} else {
		clear_line(&w);
		if (err_is(err, "wait_timeout") || err_is(err, "interrupted") || err_is(err, "lost"))
			err_wrap(err,
			    "run %" PRId64 " was not waited for to its end ('orchctl runs show %" PRId64 "')",
			    id, id);
	}
	return rc;
}

int wait_or_tell(struct ctl *ctl, const json_t *result, const struct wait_plan *plan, struct err *err)
{
	int64_t id = json_int(result, "run", 0);
	json_t *run = NULL;
	int rc;

	if (!plan->wait && ctl->json)
		ctl_print_json(result);
	else if (!ctl->json && (!ctl->quiet || !plan->wait))
		printf("run %" PRId64 "\n", id);
	fflush(stdout);
	if (!plan->wait)
		return 0;
	rc = wait_run(ctl, id, plan, &run, err);
	if (run != NULL && ctl->json)
		ctl_print_json(run);
	json_decref(run);
	return rc;
}
