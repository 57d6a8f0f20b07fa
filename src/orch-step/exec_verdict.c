#include "config.h"

#include "orch-step/exec_verdict.h"

#include "base/fs.h"
#include "step/attempt_dir.h"
#include "step/journal.h"
#include "step/verdict.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* What the messages say of the attempt as a whole. */
struct summary {
	const char *asset;
	bool warned, no_data;
	tm_ms again_at; /* 0: not asked for */
	char again_why[400];
	json_t *metadata; /* plain values */
	char exception[400];
};

static void keep_metadata(struct summary *s, const json_t *metadata)
{
	const char *key;
	json_t *value;

	if (s->metadata == NULL)
		s->metadata = json_object();
	json_object_foreach((json_t *)(uintptr_t)metadata, key, value)
	    json_object_set(s->metadata, key, msg_metadata_value(value));
}

static int on_message(const struct journal_msg *m, void *arg)
{
	struct summary *s = arg;

	switch (m->kind) {
	case MSG_WARNING: s->warned = true; break;
	case MSG_NO_DATA: s->no_data = true; break;
	case MSG_AGAIN:
		s->again_at = m->done;
		snprintf(s->again_why, sizeof(s->again_why), "%s", m->text);
		break;
	/* A check that fails does not undo the materialization, but it must be seen. */
	case MSG_CHECK: s->warned |= !m->passed; break;
	case MSG_MATERIALIZATION:
		if (strcmp(m->name, s->asset) == 0)
			keep_metadata(s, m->metadata);
		break;
	case MSG_CLOSED:
		if (m->text != NULL)
			snprintf(
			    s->exception, sizeof(s->exception), "%.*s", (int)strcspn(m->text, "\n"), m->text);
		break;
	default: break;
	}
	return 0;
}

static void read_journal(struct summary *s, const char *dir, struct exitrec *rec)
{
	char *path = fs_join(dir, ATTEMPT_JOURNAL);
	struct journal_reader r = {0};
	struct err err = ERR_INIT;

	if (journal_read(&r, path, 0, on_message, s, &err) == -1 || r.bad > 0)
		s->warned = true;
	rec->journal_bytes = r.offset;
	free(path);
}

static void set_error(struct exitrec *rec, enum err_class class, const char *what, const struct summary *s,
    const struct exec_end *end)
{
	char line[CAPTURE_TAIL], code[ERR_CODE_MAX];
	const char *words = s->exception[0] ? s->exception : capture_last_line(end->err, line, sizeof(line));

	if (rec->signal != -1)
		snprintf(code, sizeof(code), "signal_%d", rec->signal);
	else
		snprintf(code, sizeof(code), "exit_%d", rec->exit_code);
	err_code(&rec->err, class, code, "%s%s%s", what, words[0] ? ": " : "", words);
}

/* A command that asks to be started again later has not failed, whether it said 0 or "try again". */
static void set_again(struct exitrec *rec, const struct summary *s)
{
	rec->again_at = s->again_at;
	err_code(&rec->err, ERR_TRANSIENT, "again", "%s",
	    s->again_why[0] ? s->again_why : "asked to be started again");
}

void exec_verdict(
    const struct exec_end *end, const char *dir, const struct step_context *ctx, struct exitrec *rec)
{
	struct summary s = {.asset = ctx->asset};
	struct verdict v;
	char what[100];

	read_journal(&s, dir, rec);
	rec->exit_code = WIFEXITED(end->status) ? WEXITSTATUS(end->status) : -1;
	rec->signal = WIFSIGNALED(end->status) ? WTERMSIG(end->status) : -1;
	rec->metadata = s.metadata;
	if (rec->signal == -1) {
		v = verdict_of_exit(rec->exit_code, json_object_get(ctx->options, "exit_codes"));
		snprintf(what, sizeof(what), "exit code %d", rec->exit_code);
	} else {
		v = verdict_of_signal(rec->signal);
		snprintf(what, sizeof(what), "killed by signal %d (%s)", rec->signal, strsignal(rec->signal));
	}
	/* A command that was told to stop may say 0 without having finished: its word does not count any more. */
	if (end->killed)
		err_code(&rec->err, ERR_CANCELLED, "stopped",
		    "killed: it did not stop within %" PRId64 " ms of TERM", ctx->grace_ms);
	else if (end->stopped)
		err_code(&rec->err, ERR_CANCELLED, "stopped", "stopped by TERM");
	else if (s.again_at != 0 && (v.class == ERR_NONE || v.class == ERR_TRANSIENT))
		set_again(rec, &s);
	else if (v.class != ERR_NONE)
		set_error(rec, v.class, what, &s, end);
	else if (s.no_data || v.outcome == OUTCOME_NO_DATA)
		rec->outcome = OUTCOME_NO_DATA;
	else if (s.warned || v.outcome == OUTCOME_WARNINGS || s.exception[0])
		rec->outcome = OUTCOME_WARNINGS;
}
