/* Exit records and contexts: there and back, and every way a file may be wrong. */
#include "config.h"

#include "tests/tap.h"

#include "step/attempt_dir.h"
#include "step/context.h"
#include "step/exitrec.h"

#include <sys/stat.h>
#include <sys/wait.h>

static void test_round_trip(void)
{
	struct err err = ERR_INIT;
	struct exitrec rec = {.attempt = 3,
	    .outcome = OUTCOME_WARNINGS,
	    .exit_code = 0,
	    .signal = -1,
	    .utime_s = 1.5,
	    .maxrss_kib = 4096,
	    .started = 1776459785123,
	    .ended = 1776459786000,
	    .journal_bytes = 77};
	struct exitrec got = {0};

	rec.metadata = json_pack("{s:i}", "rows", 180);
	rec.counters = json_pack("{s:[[s,i]]}", "orchd_s3_bytes", "sent", 5);
	rec.health = json_pack("[{s:s}]", "kind", "store");
	ok(exitrec_read(test_dir(), 3, &got, &err) == -1 && err_is(&err, "not_found"), "none yet");
	ok(exitrec_write(test_dir(), &rec, &err) == 0, "written");
	ok(exitrec_read(test_dir(), 3, &got, &err) == 0, "read");
	ok(got.outcome == OUTCOME_WARNINGS && got.exit_code == 0 && got.signal == -1 && got.utime_s == 1.5 &&
	        got.started == rec.started && got.ended == rec.ended && got.journal_bytes == 77 &&
	        got.err.class == ERR_NONE && json_int(got.metadata, "rows", 0) == 180,
	    "and the same");
	ok(json_equal(got.counters, rec.counters) && json_equal(got.health, rec.health),
	    "with what was counted");
	exitrec_release(&got);
	ok(exitrec_read(test_dir(), 2, &got, &err) == -1 && err_is(&err, "bad_record"), "not of attempt 2: %s",
	    err.text);
	err_code(&rec.err, ERR_TRANSIENT, "killed", "killed by \xff signal %d", 9);
	rec.exit_code = -1, rec.signal = 9, rec.again_at = 1776470400000;
	ok(exitrec_write(test_dir(), &rec, &err) == 0, "another one replaces it");
	ok(exitrec_read(test_dir(), 3, &got, &err) == 0 && got.err.class == ERR_TRANSIENT &&
	        err_is(&got.err, "killed") && got.signal == 9 && got.exit_code == -1 &&
	        got.again_at == 1776470400000,
	    "an error comes back: %s", got.err.text);
	exitrec_release(&got);
	exitrec_release(&rec);
}

static void test_refused(void)
{
#define HEAD  "{\"schema\":\"orchd/1\",\"attempt\":1,"
#define TIMES ",\"started\":\"2026-04-17T21:03:05Z\",\"ended\":\"2026-04-17T21:03:05Z\"}"
	static const struct {
		const char *text;
		bool good;
	} t[] = {
	    {HEAD "\"ok\":true,\"outcome\":\"ok\",\"error\":null" TIMES, true},
	    {HEAD "\"ok\":false,\"outcome\":\"ok\",\"error\":{\"class\":\"transient\",\"text\":\"x\"}" TIMES,
	        true},
	    {HEAD "\"ok\":true,\"outcome\":\"ok\",\"error\":null,\"again_at\":null" TIMES, true},
	    {HEAD "\"ok\":true,\"outcome\":\"ok\",\"error\":null,\"again_at\":\"later\"" TIMES, false},
	    {HEAD "\"ok\":true,\"outcome\":\"ok\",\"error\":{\"class\":\"transient\"}" TIMES, false},
	    {HEAD "\"ok\":false,\"outcome\":\"ok\",\"error\":null" TIMES, false},
	    {HEAD "\"ok\":false,\"outcome\":\"ok\",\"error\":{\"class\":\"none\"}" TIMES, false},
	    {HEAD "\"ok\":true,\"outcome\":\"perfect\",\"error\":null" TIMES, false},
	    {HEAD "\"ok\":1,\"outcome\":\"ok\",\"error\":null" TIMES, false},
	    {HEAD "\"ok\":true,\"outcome\":\"ok\",\"error\":null,\"started\":\"yesterday\"}", false},
	    {"{\"schema\":\"orchd/9\",\"attempt\":1,\"ok\":true,\"outcome\":\"ok\"" TIMES, false},
	    {"{\"schema\":\"orchd/1\",\"attempt\":1,\"ok\":tr", false},
	    {"[]", false},
	    {"", false},
	};
	char *path = fs_join(test_dir(), ATTEMPT_EXIT);

	for (size_t i = 0; i < NITEMS(t); i++) {
		struct exitrec got = {0};
		struct err err = ERR_INIT;
		int rc;

		fs_write_atomic(path, t[i].text, strlen(t[i].text), 0600, NULL);
		rc = exitrec_read(test_dir(), 1, &got, &err);
		ok(t[i].good ? rc == 0 : rc == -1 && err_is(&err, "bad_record"), "case %zu: %s", i, err.text);
		exitrec_release(&got);
	}
	free(path);
}

/* Killed at random instants while it writes record after record: there is always a whole one or none. */
static void test_killed_writer(void)
{
	char *path = fs_join(test_dir(), ATTEMPT_EXIT);
	int whole = 0, none = 0, torn = 0;

	for (int i = 0; i < 100; i++) {
		struct exitrec rec = {.attempt = 1, .exit_code = 0, .signal = -1}, got = {0};
		struct err err = ERR_INIT;
		pid_t pid;

		unlink(path);
		pid = fork();
		if (pid == 0) {
			rec.metadata = json_object();
			for (int k = 0; k < 500; k++)
				json_object_set_new(rec.metadata, xasprintf("key%d", k), json_integer(k));
			for (;;)
				exitrec_write(test_dir(), &rec, NULL);
		}
		usleep((useconds_t)(i * 41 % 4000));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		if (exitrec_read(test_dir(), 1, &got, &err) == 0)
			whole += json_object_size(got.metadata) == 500;
		else if (err_is(&err, "not_found"))
			none++;
		else
			torn++;
		exitrec_release(&got);
	}
	ok(torn == 0 && whole + none == 100, "%d whole, %d absent, %d torn", whole, none, torn);
	free(path);
}

static void test_context(void)
{
	char *dir = attempt_dir_path(test_dir(), "01K", "unzip", 2), *file = fs_join(dir, ATTEMPT_CONTEXT);
	json_t *options = json_pack("{s:s}", "store", "data"), *deps = json_pack("[s]", "first");
	struct err err = ERR_INIT;
	struct step_context ctx = {.run = "01K",
	                        .run_uid = "ab",
	                        .job = "night",
	                        .asset = "unzip",
	                        .type = "exec",
	                        .partition = "uao/20260417",
	                        .hold = "under review",
	                        .ledger = "/l",
	                        .work = "/w",
	                        .attempt = 2,
	                        .epoch = 7,
	                        .log_bytes = 100,
	                        .grace_ms = 50,
	                        .dry_run = true,
	                        .options = options,
	                        .deps = deps},
	                    got = {0};

	ok(attempt_dir_create(dir, &err) == 0, "the attempt's folder: %s", err.text);
	ok(context_save(dir, &ctx, &err) == 0 && context_load(dir, &got, &err) == 0, "saved and loaded: %s",
	    err.text);
	is_str(got.partition, "uao/20260417", "texts");
	is_str(got.hold, "under review", "hold");
	ok(got.attempt == 2 && got.epoch == 7 && got.log_bytes == 100 && got.grace_ms == 50 && got.dry_run,
	    "numbers");
	is_str(json_str(got.options, "store", ""), "data", "options");
	ok(json_array_size(got.deps) == 1 && json_object_size(got.config) == 0, "lists, and empty mappings");
	context_release(&got);
	static const struct {
		const char *text, *names;
	} t[] = {
	    {"{}", "schema"},
	    {"{\"schema\":\"orchd/1\"}", "run"},
	    {"{\"schema\":\"orchd/1\",\"run\":\"\"}", "run"},
	    {"{\"schema\":\"orchd/"
	     "1\",\"run\":\"r\",\"run_uid\":\"u\",\"asset\":\"a\",\"type\":\"t\",\"attempt\":0}",
	        "attempt"},
	    {"{\"schema\":\"orchd/"
	     "1\",\"run\":\"r\",\"run_uid\":\"u\",\"asset\":\"a\",\"type\":\"t\",\"attempt\":1,"
	     "\"options\":[]}",
	        "options"},
	    {"{\"schema\":\"orchd/"
	     "1\",\"run\":\"r\",\"run_uid\":\"u\",\"asset\":\"a\",\"type\":\"t\",\"attempt\":1,"
	     "\"work\":\"/w\"}",
	        "ledger"},
	    {"{\"schema\":", "context.json"},
	};
	for (size_t i = 0; i < NITEMS(t); i++) {
		err = ERR_INIT;
		fs_write_atomic(file, t[i].text, strlen(t[i].text), 0600, NULL);
		ok(context_load(dir, &got, &err) == -1 && strstr(err.text, t[i].names) != NULL, "refused: %s",
		    err.text);
	}
	ok(attempt_dir_settle(dir, &err) == 0, "settled");
	json_decref(options), json_decref(deps);
	free(dir), free(file);
}

int main(void)
{
	tap_run(test_round_trip);
	tap_run(test_refused);
	tap_run(test_killed_writer);
	tap_run(test_context);
	return tap_done();
}
