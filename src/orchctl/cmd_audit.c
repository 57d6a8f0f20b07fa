/* cmd_audit.c: is everything there that the records say was made? */
#include "config.h"

#include "orchctl/ctl.h"
#include "orchctl/table.h"

#include "audit/audit.h"
#include "base/clock.h"
#include "base/utctime.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "state/state.h"
#include "store/sync.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_TRY_AGAIN 75
#define REDRAW_MS      200
#define RECORD_BYTES   (ENGINE_AUDIT_MAX - 4000) /* the socket's line holds a little more than the report */

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	interrupted = 1;
}

static bool stop(void *arg)
{
	return interrupted != 0;
}

static void on_progress(const char *what, int64_t done, int64_t total, void *arg)
{
	static tm_ms drawn;
	const struct ctl *ctl = arg;
	tm_ms now = clock_mono();

	if (ctl->json || ctl->quiet || !text_is_terminal() || (done < total && now - drawn < REDRAW_MS))
		return;
	drawn = now;
	printf("\r\033[K%s: %" PRId64 " of %" PRId64, what, done, total);
	if (done >= total)
		fputs("\r\033[K", stdout);
	fflush(stdout);
}

/* ---- what was found, for people */

static const struct {
	const char *kind;
	enum paint paint;
	bool counts; /* towards the exit code */
} kinds[] = {
    {"missing", PAINT_BAD, true},
    {"mismatched", PAINT_BAD, true},
    {"unknown", PAINT_WARN, false},
    {"extra", PAINT_WARN, false},
    {"leftover", PAINT_DIM, false},
};

static void put_finding(const json_t *f, enum paint paint)
{
	const char *where = json_str(f, "where", NULL);
	struct strbuf head = STRBUF_INIT(4096);

	ctl_put(paint, json_str(f, "kind", ""));
	strbuf_addf(&head, " %s %s%s%s%s", json_str(f, "what", ""), json_str(f, "key", ""), where ? " (" : "",
	    where ? where : "", where ? ")" : "");
	ctl_put(PAINT_NONE, head.buf);
	putchar('\n');
	ctl_put_field("expected", json_str(f, "expected", NULL));
	ctl_put_field("found", json_str(f, "found", NULL));
	ctl_put_field("partition", json_str(f, "partition", NULL));
	ctl_put_field("next", json_str(f, "next", NULL));
	strbuf_release(&head);
}

static void put_findings(const json_t *report)
{
	const json_t *f;
	size_t i;

	for (size_t k = 0; k < NITEMS(kinds); k++)
		json_array_foreach(json_object_get(report, "findings"), i, f)
		{
			if (strcmp(json_str(f, "kind", ""), kinds[k].kind) == 0)
				put_finding(f, kinds[k].paint);
		}
	if (json_int(report, "findings_cut", 0) > 0)
		printf("and %" PRId64 " more\n", json_int(report, "findings_cut", 0));
}

static void put_summary(const json_t *report)
{
	const json_t *checked = json_object_get(report, "checked"), *found = json_object_get(report, "found");
	const json_t *scope = json_object_get(report, "scope");
	struct strbuf size = STRBUF_INIT(100);
	bool clean = json_bool(report, "clean", false);

	text_size(&size, json_int(checked, "bytes", 0));
	printf("%" PRId64 " manifests, %" PRId64 " objects (%s, %s), %" PRId64 " effects, %" PRId64
	       " row counts, %" PRId64 " uploads, %" PRId64 " deletions\n",
	    json_int(checked, "manifests", 0), json_int(checked, "objects", 0), size.buf,
	    json_bool(scope, "deep", false) ? "read back" : "by their size and recorded sum",
	    json_int(checked, "effects", 0), json_int(checked, "tables", 0), json_int(checked, "keys", 0),
	    json_int(checked, "deletions", 0));
	if (json_int(checked, "under_way", 0) > 0)
		printf("%" PRId64 " things belong to runs under way and were not judged\n",
		    json_int(checked, "under_way", 0));
	if (!json_bool(scope, "whole", false))
		puts("extra objects and leftovers are looked for only by an audit of everything");
	printf("%s%s%s", text_on(clean ? PAINT_GOOD : PAINT_BAD), clean ? "nothing is missing" : "not clean",
	    text_off(clean ? PAINT_GOOD : PAINT_BAD));
	for (size_t k = 0; k < NITEMS(kinds); k++)
		if (json_int(found, kinds[k].kind, 0) > 0)
			printf(", %" PRId64 " %s", json_int(found, kinds[k].kind, 0), kinds[k].kind);
	putchar('\n');
	strbuf_release(&size);
}

static void put_report(struct ctl *ctl, const json_t *report)
{
	if (ctl->json) {
		ctl_print_json(report);
	} else {
		put_findings(report);
		if (!ctl->quiet)
			put_summary(report);
	}
}

/* Beyond doubt wrong: 1.  Only not to be told, because something does not answer: try again. */
static int exit_code(const json_t *report)
{
	const json_t *found = json_object_get(report, "found");

	for (size_t k = 0; k < NITEMS(kinds); k++)
		if (kinds[k].counts && json_int(found, kinds[k].kind, 0) > 0)
			return 1;
	return json_int(found, "unknown", 0) > 0 ? EXIT_TRY_AGAIN : 0;
}

/* ---- recording it */

/* The report with its first findings, by weight, as far as they fit. */
static json_t *fitting(const json_t *report)
{
	const json_t *all = json_object_get(report, "findings"), *f;
	json_t *copy = json_copy((json_t *)report), *list = json_array();
	int64_t left = RECORD_BYTES, kept = 0;
	size_t i;

	for (size_t k = 0; k < NITEMS(kinds); k++)
		json_array_foreach(all, i, f)
		{
			char *text = json_text(f);
			int64_t n = (int64_t)strlen(text) + 1;

			free(text);
			if (strcmp(json_str(f, "kind", ""), kinds[k].kind) != 0 || n > left)
				continue;
			left -= n;
			kept++;
			json_array_append(list, (json_t *)f);
		}
	json_object_set_new(copy, "findings", list);
	json_object_set_new(copy, "findings_cut",
	    json_integer(json_int(report, "findings_cut", 0) + (int64_t)json_array_size(all) - kept));
	return copy;
}

/* What was found is told in any case. */
static void record(struct ctl *ctl, const json_t *report)
{
	json_t *args = json_object(), *result = NULL;
	struct err err = ERR_INIT;

	json_object_set_new(args, "result", fitting(report));
	if (ctl_ask(ctl, "audit.record", args, &result, &err) == -1)
		fprintf(stderr, "orchctl: the report was not recorded: %s\n", err.text);
	json_decref(result);
	json_decref(args);
}

/* ---- the command */

/* "14d": so long ago; or a time, or a date. */
static int parse_since(const char *text, tm_ms *out, struct err *err)
{
	char iso[64];
	tm_ms span;

	snprintf(iso, sizeof(iso), "%.40s 00:00:00", text);
	if (utctime_parse(text, out) == 0 || utctime_parse(iso, out) == 0)
		return 0;
	if (args_duration(text, &span, err) == -1)
		return err_set(err, ERR_USAGE,
		    "--since '%.40s' is neither a time span such as 14d nor a date or time", text);
	*out = clock_now() - span;
	return 0;
}

static int read_options(struct ctl *ctl, struct audit_opts *o, struct err *err)
{
	const char *asset = args_get(&ctl->args, "asset"), *since = args_get(&ctl->args, "since");
	const struct conf_asset *ca = asset ? conf_asset_find(ctl->conf, asset) : NULL;

	*o = (struct audit_opts){.partition = args_operand(&ctl->args, 0),
	    .asset = ca ? ca->name : asset,
	    .deep = args_has(&ctl->args, "deep"),
	    .on_progress = on_progress,
	    .stop = stop,
	    .arg = ctl};
	return since ? parse_since(since, &o->since, err) : 0;
}

/* One that is not configured any more has left its records; a name without any is misspelt. */
static bool asset_is_known(const struct ctl *ctl, struct state *state, const char *asset, struct err *err)
{
	if (asset == NULL || conf_asset_find(ctl->conf, asset) != NULL ||
	    sql_get_int(state->sql, 0, "SELECT 1 FROM materialization WHERE asset = ?1 LIMIT 1", "s", asset) ==
	        1)
		return true;
	conf_missing(ctl->conf, "asset", asset, err);
	return false;
}

static int show_last(struct ctl *ctl, struct err *err)
{
	json_t *result = NULL;
	const json_t *report;
	int rc;

	if (ctl_ask(ctl, "audit.show", NULL, &result, err) == -1)
		return -1;
	report = json_object_get(result, "audit");
	if (json_is_object(report)) {
		put_report(ctl, report);
		if (!ctl->json)
			ctl_put_field("as of", json_str(report, "ended_at", ""));
		rc = exit_code(report);
	} else {
		rc = err_code(
		    err, ERR_PERMANENT, "not_found", "no audit was recorded yet; 'orchctl audit' makes one");
	}
	json_decref(result);
	return rc;
}

static int audit(struct ctl *ctl, struct err *err)
{
	struct audit_opts opts;
	struct state *state;
	json_t *report;
	int rc;

	if (args_has(&ctl->args, "last"))
		return show_last(ctl, err);
	if (read_options(ctl, &opts, err) == -1 ||
	    (state = state_open_reader(ctl->conf->state_dir, err)) == NULL)
		return -1;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	store_sync_stop_when(stop, NULL);
	report = asset_is_known(ctl, state, opts.asset, err) ? audit_run(ctl->conf, state, &opts, err) : NULL;
	state_close(state);
	if (report == NULL)
		return -1;
	if (!args_has(&ctl->args, "no-record"))
		record(ctl, report);
	put_report(ctl, report);
	rc = exit_code(report);
	json_decref(report);
	return rc;
}

static const struct arg_opt audit_opts[] = {
    {"since", 0, ARG_VALUE, "WHEN", "only what was made since: a date, or a span such as 14d"},
    {"asset", 'a', ARG_VALUE, "NAME", "only what was made of one asset"},
    {"deep", 0, ARG_FLAG, NULL, "read every object back and hash it"},
    {"last", 0, ARG_FLAG, NULL, "what the last audit found"},
    {"no-record", 0, ARG_FLAG, NULL, "do not keep the report"},
    ARG_END,
};
const struct cmd cmd_audit = {
    .noun = "audit",
    .operands = "[PARTITION]",
    .max_operands = 1,
    .opts = audit_opts,
    .help = "prove that nothing is missing: stores and databases against the records",
    .more = "Exit code 0: everything on record is there. 1: something is missing or different. 75: something "
            "could not\n"
            "be looked at. What belongs to a run under way is not judged. The page shows the last report.",
    .run = audit,
};
