/* step.c: what step.h promises, for an asset that runs in this process. */
#include "config.h"

#include "base/fs.h"
#include "base/mem.h"
#include "step/attempt_dir.h"
#include "step/journal.h"
#include "step/resources.h"
#include "step/step_host.h"
#include "store/sync.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct step {
	char *dir;
	struct step_context ctx;
	struct journal_writer *journal;
	struct resources *resources;
	json_t *metadata;
	bool warned, no_data;
	tm_ms again_at;
};

static volatile sig_atomic_t term_received;

static void on_term(int sig)
{
	term_received = 1;
}

static bool told_to_end(void *arg)
{
	return term_received;
}

void step_catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_term, .sa_flags = SA_RESTART};

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* A transfer would otherwise outlast the grace between TERM and KILL. */
	store_sync_stop_when(told_to_end, NULL);
}

struct step *step_open(const char *dir, struct err *err)
{
	struct step *s = xcalloc(1, sizeof(*s));
	char *journal = fs_join(dir, ATTEMPT_JOURNAL);

	s->dir = xstrdup(dir);
	s->metadata = json_object();
	if (context_load(dir, &s->ctx, err) == -1 || attempt_dir_prepare(dir, err) == -1 ||
	    (s->journal = journal_open(journal, err)) == NULL) {
		step_free(s);
		s = NULL;
	} else {
		s->resources = resources_new(s->ctx.stores, s->ctx.databases, s->ctx.run_uid);
	}
	free(journal);
	return s;
}

void step_free(struct step *s)
{
	if (s == NULL)
		return;
	resources_free(s->resources);
	if (s->journal != NULL)
		journal_close(s->journal, NULL);
	json_decref(s->metadata);
	context_release(&s->ctx);
	free(s->dir);
	free(s);
}

/* ---- the work */

/* The part of the run's config this type knows: all assets of a run share one mapping. */
static json_t *own_config(const struct opt *opts, const json_t *config)
{
	json_t *own = json_object();

	for (const struct opt *o = opts; o != NULL && o->name != NULL; o++) {
		json_t *v = json_object_get(config, o->name);

		if (v != NULL)
			json_object_set(own, o->name, v);
	}
	return own;
}

static int run_bound(
    struct step *s, const struct asset_type *type, asset_run_fn *run, void *conf, struct err *err)
{
	json_t *own = own_config(type->run_opts, s->ctx.config);
	void *run_conf = NULL;
	int rc = 0;

	if (type->check != NULL && type->check(conf, err) == -1)
		rc = -1;
	if (rc == 0 && type->run_opts != NULL)
		rc = bind_options(type->run_opts, type->run_conf_size, own, "config", &run_conf, err);
	if (rc == 0)
		rc = run(s, conf, run_conf, err);
	if (run_conf != NULL)
		opt_release(type->run_opts, run_conf);
	free(run_conf);
	json_decref(own);
	return rc;
}

static int run_work(struct step *s, const struct asset_type *type, asset_run_fn *run, struct err *err)
{
	void *conf = NULL;
	int rc = bind_options(type->opts, type->conf_size, s->ctx.options, s->ctx.asset, &conf, err);

	if (rc == 0)
		rc = run_bound(s, type, run, conf, err);
	if (conf != NULL)
		opt_release(type->opts, conf);
	free(conf);
	return rc;
}

static void put(struct step *s, const struct journal_msg *msg)
{
	journal_put(s->journal, msg);
}

static void put_materialization(struct step *s)
{
	json_t *wrapped = json_object(), *value;
	const char *key;

	json_object_foreach(s->metadata, key, value)
	    json_object_set_new(wrapped, key, msg_metadata_wrap(json_incref(value)));
	put(s, &(struct journal_msg){.kind = MSG_MATERIALIZATION, .name = s->ctx.asset, .metadata = wrapped});
	json_decref(wrapped);
}

static void judge(const struct step *s, int rc, struct err *err)
{
	if (rc == 0)
		*err = ERR_INIT;
	else if (err->class == ERR_NONE)
		err_code(err, ERR_BUG, "silent", "%s failed without saying why", s->ctx.type);
	else if (term_received && err->class != ERR_CANCELLED)
		err_wrap(err, "stopped"), err->class = ERR_CANCELLED;
}

/* The journal ends here; what could not be written of it fails the attempt, or its messages would be lost in silence. */
static void end_journal(struct step *s, struct exitrec *rec)
{
	char *path = fs_join(s->dir, ATTEMPT_JOURNAL);
	struct err err = ERR_INIT;
	struct stat st;

	put(s, &(struct journal_msg){.kind = MSG_CLOSED,
	           .text = rec->err.class == ERR_NONE ? NULL : rec->err.text,
	           .name = rec->err.code});
	if (journal_close(s->journal, &err) == -1 && rec->err.class == ERR_NONE)
		rec->err = err;
	s->journal = NULL;
	if (stat(path, &st) == 0)
		rec->journal_bytes = st.st_size;
	free(path);
}

void step_run(struct step *s, const struct asset_type *type, asset_run_fn *run, struct exitrec *rec)
{
	int rc;

	put(s, &(struct journal_msg){.kind = MSG_OPENED});
	rc = run_work(s, type, run, &rec->err);
	judge(s, rc, &rec->err);
	if (rc == 0 && !s->ctx.dry_run)
		put_materialization(s);
	rec->outcome = s->no_data ? OUTCOME_NO_DATA : s->warned ? OUTCOME_WARNINGS : OUTCOME_OK;
	rec->again_at = rec->err.class == ERR_TRANSIENT ? s->again_at : 0;
	rec->metadata = json_incref(s->metadata);
	end_journal(s, rec);
}

/* ---- identity */

const struct step_context *step_context(const struct step *s)
{
	return &s->ctx;
}

const char *step_asset(const struct step *s)
{
	return s->ctx.asset;
}

const char *step_run_id(const struct step *s)
{
	return s->ctx.run;
}

const char *step_run_uid(const struct step *s)
{
	return s->ctx.run_uid;
}

const char *step_partition(const struct step *s)
{
	return s->ctx.partition;
}

int step_attempt(const struct step *s)
{
	return (int)s->ctx.attempt;
}

bool step_dry_run(const struct step *s)
{
	return s->ctx.dry_run;
}

const char *step_workdir(const struct step *s)
{
	return s->ctx.work;
}

const char *step_ledger_dir(const struct step *s)
{
	return s->ctx.ledger;
}

bool step_cancelled(const struct step *s)
{
	return term_received;
}

const char *step_section_file(const struct step *s, const char *section)
{
	return json_str(s->ctx.sections, section, NULL);
}

struct store *step_store(struct step *s, const char *name, struct err *err)
{
	return resources_store(s->resources, name, err);
}

struct database *step_database(struct step *s, const char *name, struct err *err)
{
	return resources_database(s->resources, name, err);
}

struct database *step_database_fresh(struct step *s, const char *name, struct err *err)
{
	return resources_database_fresh(s->resources, name, err);
}

const json_t *step_upstream(const struct step *s, const char *name)
{
	return json_object_get(json_object_get(s->ctx.upstream, name), "metadata");
}

const char *step_dep(const struct step *s, size_t i)
{
	return json_string_value(json_array_get(s->ctx.deps, i));
}

const json_t *step_config(const struct step *s)
{
	return s->ctx.config;
}

const char *step_hold_reason(const struct step *s)
{
	return s->ctx.hold;
}

/* ---- reports */

/* One text of a report; a longer one is cut. */
#define REPORT_MAX 8192

static void put_text(struct step *s, struct journal_msg msg, const char *fmt, va_list ap) PRINTF(3, 0);
static void put_text(struct step *s, struct journal_msg msg, const char *fmt, va_list ap)
{
	char text[REPORT_MAX];

	vsnprintf(text, sizeof(text), fmt, ap);
	msg.text = text;
	put(s, &msg);
}

void step_log(struct step *s, enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_text(s, (struct journal_msg){.kind = MSG_LOG, .level = level}, fmt, ap);
	va_end(ap);
}

void step_warn(struct step *s, const char *label, const char *fmt, ...)
{
	va_list ap;

	s->warned = true;
	va_start(ap, fmt);
	put_text(s, (struct journal_msg){.kind = MSG_WARNING, .name = label}, fmt, ap);
	va_end(ap);
}

void step_no_data(struct step *s, const char *fmt, ...)
{
	va_list ap;

	s->no_data = true;
	va_start(ap, fmt);
	put_text(s, (struct journal_msg){.kind = MSG_NO_DATA}, fmt, ap);
	va_end(ap);
}

int step_again(struct step *s, tm_ms at, struct err *err, const char *fmt, ...)
{
	va_list ap;

	s->again_at = at;
	va_start(ap, fmt);
	err_vset(err, ERR_TRANSIENT, "again", fmt, ap);
	va_end(ap);
	put(s, &(struct journal_msg){.kind = MSG_AGAIN, .done = at, .text = err->text});
	return -1;
}

void step_progress(struct step *s, const char *what, int64_t done, int64_t total)
{
	put(s, &(struct journal_msg){.kind = MSG_PROGRESS, .name = what, .done = done, .total = total});
}

void step_effect(struct step *s, const char *verb, const char *what, int64_t size, const char *sha256)
{
	put(s, &(struct journal_msg){
	           .kind = MSG_EFFECT, .name = verb, .text = what, .done = size, .sha256 = sha256});
}

void step_metadata(struct step *s, const char *key, json_t *value)
{
	json_object_set_new(s->metadata, key, value);
}
