/* cmd_logs.c: what the steps of a run wrote: stdout, stderr and their journals, once or as they grow. */
#include "config.h"

#include "orchctl/ctl.h"

#include "base/clock.h"
#include "step/journal_msg.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BYTES_DEFAULT 65536
#define BYTES_MAX     (4 << 20)
#define FOLLOW_MS     300
#define STREAMS_MAX   512

/* How far each stream was told. */
struct told {
	char key[160];
	int64_t to;
};

struct follow {
	struct told told[STREAMS_MAX];
	size_t n;
	char last[160]; /* the stream of the last line told */
};

static struct told *told_of(struct follow *f, const char *key)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->told[i].key, key) == 0)
			return &f->told[i];
	if (f->n == STREAMS_MAX)
		return NULL;
	snprintf(f->told[f->n].key, sizeof(f->told[0].key), "%s", key);
	f->told[f->n].to = 0;
	return &f->told[f->n++];
}

static void put_line(const char *line, size_t n)
{
	struct strbuf raw = STRBUF_INIT(n + 1), clean = STRBUF_INIT(8 * n + 8);

	strbuf_add(&raw, line, n);
	/* A tab is the one control character that belongs in a log. */
	for (char *p = raw.buf, *tab; p != NULL; p = tab ? tab + 1 : NULL) {
		tab = strchr(p, '\t');
		if (tab != NULL)
			*tab = '\0';
		text_clean(&clean, p);
		if (tab != NULL)
			strbuf_addch(&clean, '\t');
	}
	puts(clean.buf);
	strbuf_release(&raw);
	strbuf_release(&clean);
}

static void put_message(const char *line, size_t n)
{
	struct strbuf sb = STRBUF_INIT(JOURNAL_LINE_MAX), copy = STRBUF_INIT(JOURNAL_LINE_MAX);
	struct journal_msg m;
	char *payload;

	if (strbuf_add(&copy, line, n) == -1 || msg_decode(copy.buf, n, &m, NULL) == -1) {
		put_line(line, n);
	} else {
		strbuf_addf(&sb, "%s", m.kind == MSG_LOG ? log_level_name(m.level) : msg_kind_name(m.kind));
		if (m.name != NULL)
			strbuf_addf(&sb, " %s", m.name);
		if (m.kind == MSG_PROGRESS)
			strbuf_addf(&sb, " %" PRId64 " of %" PRId64, m.done, m.total);
		if (m.text != NULL)
			strbuf_addf(&sb, "%s %s", m.kind == MSG_EFFECT ? "" : ":", m.text);
		if (m.kind == MSG_EFFECT && m.done > 0)
			strbuf_addf(&sb, " (%" PRId64 ")", m.done);
		if (m.metadata != NULL) {
			payload = json_text(m.metadata);
			strbuf_addf(&sb, " %s", payload);
			free(payload);
		}
		put_line(sb.buf, sb.len);
		msg_release(&m);
	}
	strbuf_release(&sb);
	strbuf_release(&copy);
}

static void put_text(const char *text, bool is_journal)
{
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");

		if (is_journal)
			put_message(text, n);
		else
			put_line(text, n);
		text += n + (text[n] == '\n');
	}
}

/* What is new of one stream.  A last line without its end waits for it, unless the run is over. */
static void tell_stream(struct follow *f, const json_t *log, bool final)
{
	const char *stream = json_str(log, "stream", ""), *text = json_str(log, "text", "");
	int64_t from = json_int(log, "from", 0), skip;
	char key[160];
	struct told *t;

	snprintf(key, sizeof(key), "%.100s, try %" PRId64 ", %.20s", json_str(log, "asset", ""),
	    json_int(log, "attempt", 0), stream);
	if ((t = told_of(f, key)) == NULL)
		return;
	skip = MAX(t->to - from, 0);
	if (skip >= (int64_t)strlen(text))
		return;
	text += skip;
	const char *end = strrchr(text, '\n');
	size_t n = final ? strlen(text) : end ? (size_t)(end + 1 - text) : 0;
	if (n == 0)
		return;
	if (strcmp(f->last, key) != 0)
		printf("%s==> %s%s%s\n", text_on(PAINT_BOLD), key,
		    from > t->to ? " (earlier lines left out)" : "", text_off(PAINT_BOLD));
	snprintf(f->last, sizeof(f->last), "%s", key);
	struct strbuf part = STRBUF_INIT(n + 1);
	strbuf_add(&part, text, n);
	put_text(part.buf, strcmp(stream, "journal") == 0);
	strbuf_release(&part);
	/* Bytes that are no text were replaced by longer marks, so the file's size counts when all was told. */
	t->to = text[n] == '\0' ? json_int(log, "size", 0) : MAX(from, t->to) + (int64_t)n;
}

static int look(struct ctl *ctl, struct follow *f, const json_t *args, bool final, struct err *err)
{
	const char *only = args_get(&ctl->args, "stream");
	json_t *result = NULL, *log;
	size_t i;

	if (ctl_ask(ctl, "runs.logs", args, &result, err) == -1)
		return -1;
	if (ctl->json)
		ctl_print_json(result);
	else
		json_array_foreach(json_object_get(result, "logs"), i,
		    log) if (only == NULL || strcmp(only, json_str(log, "stream", "")) == 0)
		    tell_stream(f, log, final);
	json_decref(result);
	fflush(stdout);
	return 0;
}

static int has_ended(struct ctl *ctl, int64_t id, bool *ended, struct err *err)
{
	json_t *args = json_object(), *run = NULL;
	int rc;

	json_object_set_new(args, "id", json_integer(id));
	rc = ctl_ask(ctl, "runs.show", args, &run, err);
	if (rc == 0)
		*ended = json_is_string(json_object_get(run, "ended_at"));
	json_decref(args);
	json_decref(run);
	return rc;
}

/* Asked again and again: logs are files that grow, and the daemon watches none of them but the journals. */
static int follow(struct ctl *ctl, struct follow *f, const json_t *args, int64_t id, struct err *err)
{
	struct timespec nap = {.tv_nsec = FOLLOW_MS * 1000000L};
	bool ended = false;

	for (;;) {
		/* The end is looked at before the logs: what is written before it is then told. */
		if (has_ended(ctl, id, &ended, err) == -1 || look(ctl, f, args, ended, err) == -1)
			return -1;
		if (ended)
			return 0;
		nanosleep(&nap, NULL);
	}
}

static int runs_logs(struct ctl *ctl, struct err *err)
{
	static const char *const passed[] = {"asset", NULL};
	struct follow f = {0};
	int64_t id, bytes;
	json_t *args;
	int rc;

	if (ctl_run_id(ctl, &id, err) == -1 ||
	    args_number(&ctl->args, "bytes", BYTES_DEFAULT, BYTES_MAX, &bytes, err) == -1)
		return -1;
	if (args_has(&ctl->args, "follow") && ctl->json)
		return err_set(err, ERR_USAGE, "--follow and --json exclude each other");
	args = json_object();
	json_object_set_new(args, "id", json_integer(id));
	json_object_set_new(args, "bytes", json_integer(bytes));
	ctl_pass_options(ctl, args, passed);
	rc = args_has(&ctl->args, "follow") ? follow(ctl, &f, args, id, err) : look(ctl, &f, args, true, err);
	if (rc == 0 && f.n == 0 && !ctl->json && !ctl->quiet)
		puts("no output");
	json_decref(args);
	return rc;
}

static const struct arg_opt logs_opts[] = {
    {"asset", 'a', ARG_VALUE, "NAME", "of this step alone"},
    {"stream", 's', ARG_VALUE, "NAME", "stdout, stderr or journal alone"},
    {"bytes", 'n', ARG_VALUE, "N", "the last N bytes of each, 65536 if not said"},
    {"follow", 0, ARG_FLAG, NULL, "go on until the run ends"},
    ARG_END,
};
const struct cmd cmd_runs_logs = {
    .noun = "runs",
    .verb = "logs",
    .alias = "log",
    .operands = "ID",
    .min_operands = 1,
    .max_operands = 1,
    .opts = logs_opts,
    .help = "what the steps of a run wrote",
    .run = runs_logs,
};
