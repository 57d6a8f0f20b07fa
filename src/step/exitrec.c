#include "config.h"

#include "step/exitrec.h"

#include "base/fs.h"
#include "base/utctime.h"
#include "step/attempt_dir.h"
#include "step/context.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define RECORD_MAX (4 << 20)

static const char *const outcome_name[] = {
    [OUTCOME_OK] = "ok",
    [OUTCOME_WARNINGS] = "warnings",
    [OUTCOME_NO_DATA] = "no_data",
};
static_assert(NITEMS(outcome_name) == OUTCOME_COUNT, "name every outcome");

const char *step_outcome_name(enum step_outcome o)
{
	return outcome_name[o];
}

enum step_outcome step_outcome_parse(const char *name)
{
	int o = 0;

	while (o < OUTCOME_COUNT && strcmp(outcome_name[o], name) != 0)
		o++;
	return (enum step_outcome)o;
}

static double seconds(struct timeval tv)
{
	return (double)tv.tv_sec + 1e-6 * (double)tv.tv_usec;
}

void exitrec_usage(struct exitrec *rec, int who)
{
	struct rusage ru;

	if (getrusage(who, &ru) == -1)
		return;
	rec->utime_s = seconds(ru.ru_utime);
	rec->stime_s = seconds(ru.ru_stime);
	rec->maxrss_kib = ru.ru_maxrss;
}

static json_t *time_json(tm_ms t)
{
	char buf[UTCTIME_MAX];

	return json_string(utctime_format(t, buf));
}

static json_t *optional_int(int v)
{
	return v == -1 ? json_null() : json_integer(v);
}

static json_t *error_json(const struct err *e)
{
	json_t *j;

	if (e->class == ERR_NONE)
		return json_null();
	j = json_object();
	json_object_set_new(j, "class", json_string(err_class_name(e->class)));
	json_object_set_new(j, "code", json_text_new(e->code));
	json_object_set_new(j, "text", json_text_new(e->text));
	return j;
}

static json_t *record_json(const struct exitrec *rec)
{
	json_t *j = json_object(), *usage = json_object();

	json_object_set_new(j, "schema", json_string(CONTEXT_SCHEMA));
	json_object_set_new(j, "attempt", json_integer(rec->attempt));
	json_object_set_new(j, "ok", json_boolean(rec->err.class == ERR_NONE));
	json_object_set_new(j, "outcome", json_string(step_outcome_name(rec->outcome)));
	json_object_set_new(j, "error", error_json(&rec->err));
	json_object_set_new(j, "again_at", rec->again_at ? time_json(rec->again_at) : json_null());
	json_object_set_new(j, "exit_code", optional_int(rec->exit_code));
	json_object_set_new(j, "signal", optional_int(rec->signal));
	json_object_set_new(usage, "utime_s", json_real(rec->utime_s));
	json_object_set_new(usage, "stime_s", json_real(rec->stime_s));
	json_object_set_new(usage, "maxrss_kib", json_integer(rec->maxrss_kib));
	json_object_set_new(j, "rusage", usage);
	json_object_set_new(j, "started", time_json(rec->started));
	json_object_set_new(j, "ended", time_json(rec->ended));
	json_object_set_new(j, "metadata", rec->metadata ? json_incref(rec->metadata) : json_object());
	json_object_set_new(j, "journal_bytes", json_integer(rec->journal_bytes));
	if (rec->counters != NULL)
		json_object_set(j, "counters", rec->counters);
	if (rec->health != NULL)
		json_object_set(j, "health", rec->health);
	return j;
}

/* As fs_write_durable but for the folder's fsync (see the header). */
static int write_record(const char *dir, const struct strbuf *text, struct err *err)
{
	char *path = fs_join(dir, ATTEMPT_EXIT), *tmp = fs_join(dir, FS_TMP_PREFIX ATTEMPT_EXIT);
	int rc = -1, fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd == -1) {
		err_errno(err, "create %s", tmp);
		goto out;
	}
	if (fs_write_all(fd, text->buf, text->len, err) == -1)
		err_wrap(err, "%s", tmp);
	else if (fsync(fd) == -1)
		err_errno(err, "fsync %s", tmp);
	else if (rename(tmp, path) == -1)
		err_errno(err, "rename %s to %s", tmp, path);
	else
		rc = 0;
	close(fd);
	if (rc == -1)
		unlink(tmp);
out:
	free(tmp);
	free(path);
	return rc;
}

int exitrec_write(const char *dir, const struct exitrec *rec, struct err *err)
{
	struct strbuf text = STRBUF_INIT(RECORD_MAX);
	json_t *j = record_json(rec);
	int rc;

	if (json_write(j, &text) == -1)
		rc = err_code(err, ERR_BUG, "limit", "exit record of more than %d bytes", RECORD_MAX);
	else
		rc = write_record(dir, &text, err);
	json_decref(j);
	strbuf_release(&text);
	return rc;
}

static int bad(struct err *err, const char *what)
{
	return err_code(err, ERR_BAD_DATA, "bad_record", "%s", what);
}

static int read_error(const json_t *j, bool ok, struct err *to, struct err *err)
{
	const json_t *e = json_object_get(j, "error");
	const char *class = json_str(e, "class", NULL);

	*to = ERR_INIT;
	if (ok)
		return json_is_object(e) ? bad(err, "ok, and an error") : 0;
	if (class == NULL)
		return bad(err, "not ok, and no error");
	err_code(to, err_class_parse(class), json_str(e, "code", ""), "%s", json_str(e, "text", ""));
	return to->class == ERR_NONE ? bad(err, "not ok, and error class none") : 0;
}

static int read_record(const json_t *j, int64_t attempt, struct exitrec *rec, struct err *err)
{
	const json_t *usage = json_object_get(j, "rusage"), *metadata = json_object_get(j, "metadata");
	const json_t *ok = json_object_get(j, "ok");

	rec->attempt = json_int(j, "attempt", 0);
	rec->outcome = step_outcome_parse(json_str(j, "outcome", ""));
	if (strcmp(json_str(j, "schema", ""), CONTEXT_SCHEMA) != 0)
		return bad(err, "another schema");
	if (rec->attempt != attempt)
		return bad(err, "of another attempt");
	if (!json_is_boolean(ok) || rec->outcome == OUTCOME_COUNT)
		return bad(err, "no verdict");
	if (read_error(j, json_is_true(ok), &rec->err, err) == -1)
		return -1;
	if (utctime_parse(json_str(j, "started", ""), &rec->started) == -1 ||
	    utctime_parse(json_str(j, "ended", ""), &rec->ended) == -1)
		return bad(err, "no times");
	if (json_str(j, "again_at", NULL) != NULL &&
	    utctime_parse(json_str(j, "again_at", ""), &rec->again_at) == -1)
		return bad(err, "\"again_at\" is no time");
	rec->exit_code = (int)json_int(j, "exit_code", -1);
	rec->signal = (int)json_int(j, "signal", -1);
	rec->utime_s = json_number_value(json_object_get(usage, "utime_s"));
	rec->stime_s = json_number_value(json_object_get(usage, "stime_s"));
	rec->maxrss_kib = json_int(usage, "maxrss_kib", 0);
	rec->journal_bytes = json_int(j, "journal_bytes", 0);
	rec->metadata = json_is_object(metadata) ? json_incref((json_t *)(uintptr_t)metadata) : NULL;
	rec->counters = json_incref(json_object_get(j, "counters"));
	rec->health = json_incref(json_object_get(j, "health"));
	return 0;
}

int exitrec_read(const char *dir, int64_t attempt, struct exitrec *rec, struct err *err)
{
	char *path = fs_join(dir, ATTEMPT_EXIT);
	struct strbuf text = STRBUF_INIT(RECORD_MAX);
	struct exitrec got = {0};
	json_t *j = NULL;
	int rc = -1;

	if (fs_read(path, &text, err) == -1)
		goto out;
	if ((j = json_parse(text.buf, text.len, path, err)) == NULL) {
		snprintf(err->code, sizeof(err->code), "bad_record");
		goto out;
	}
	rc = read_record(j, attempt, &got, err);
	if (rc == 0)
		*rec = got;
	else
		err_wrap(err, "%s", path);
out:
	json_decref(j);
	strbuf_release(&text);
	free(path);
	return rc;
}

void exitrec_release(struct exitrec *rec)
{
	json_decref(rec->metadata);
	json_decref(rec->counters);
	json_decref(rec->health);
	*rec = (struct exitrec){0};
}
