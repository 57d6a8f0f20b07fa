/* orch-step around an asset that does as it is told (probe_asset.c): context, reports, resources, crashes, TERM. */
#include "config.h"

#include "tests/component/attempt.h"

#include <sys/stat.h>

#define PROBE "tests/component/step_probe"

static void run(struct attempt *a, const char *name, json_t *overrides)
{
	attempt_make(a, name, "probe", overrides);
	attempt_start(a, PROBE);
	attempt_wait(a);
}

static json_t *act(const char *what)
{
	return json_pack("{s:{s:s}}", "options", "act", what);
}

static void test_tell(void)
{
	struct attempt a;
	char *seen, *journal;

	run(&a, "tell",
	    json_pack("{s:{s:s s:s} s:s s:[s] s:{s:{s:{s:i}}} s:{s:s} s:{s:s s:s s:s}}", "options", "act",
	        "tell", "count", "5", "hold", "under review", "deps", "first", "upstream", "first", "metadata",
	        "rows", 9, "sections", "sites", "/etc/sites.yaml", "config", "site", "uao", "limit", "7",
	        "of_another_asset", "x"));
	ok(a.has_record && a.rec.err.class == ERR_NONE && a.rec.outcome == OUTCOME_OK, "done: %s",
	    a.rec.err.text);
	seen = json_canonical(json_object_get(a.rec.metadata, "seen"));
	is_str(seen,
	    "{\"asset\":\"movie\",\"attempt\":1,\"count\":5,\"dep\":\"first\",\"dry_run\":false,\"hold\":"
	    "\"under review\","
	    "\"limit\":7,\"no_dep\":null,\"partition\":\"uao/20260417\",\"run\":\"01KTEST\",\"section\":\"/etc/"
	    "sites.yaml\","
	    "\"site\":\"uao\",\"upstream\":{\"rows\":9}}",
	    "the work sees its surroundings");
	journal = attempt_file(&a, ATTEMPT_JOURNAL);
	is_int(a.rec.journal_bytes, strlen(journal), "the record knows the journal's length");
	ok(strstr(journal, "\"opened\"") && strstr(journal, "\"done\":5,\"total\":5") &&
	        strstr(journal, "\"effect\"") && strstr(journal, "report_asset_materialization") &&
	        strstr(journal, "\"closed\",\"params\":{}"),
	    "the journal has it all");
	ok(a.rec.maxrss_kib > 0 && a.rec.exit_code == -1, "usage");
	free(seen), free(journal);
	attempt_release(&a);
}

static void test_verdicts(void)
{
	static const struct {
		const char *name, *context;
		enum err_class class;
		enum step_outcome outcome;
		const char *text;
	} t[] = {
	    {"warn", "{\"options\":{\"act\":\"warn\"}}", ERR_NONE, OUTCOME_WARNINGS, ""},
	    {"nodata", "{\"options\":{\"act\":\"no_data\"}}", ERR_NONE, OUTCOME_NO_DATA, ""},
	    {"fail", "{\"options\":{\"act\":\"fail\"}}", ERR_BAD_DATA, OUTCOME_OK, "member ../x"},
	    {"silent", "{\"options\":{\"act\":\"silent\"}}", ERR_BUG, OUTCOME_OK, "without saying why"},
	    {"type", "{\"type\":\"nope\"}", ERR_BUG, OUTCOME_OK, "no work for asset type 'nope'"},
	    {"missing", "{\"options\":{}}", ERR_CONFIG, OUTCOME_OK, "act"},
	    {"unknown", "{\"options\":{\"act\":\"warn\",\"cuont\":\"1\"}}", ERR_CONFIG, OUTCOME_OK, "count"},
	    {"range", "{\"options\":{\"act\":\"warn\",\"count\":\"1001\"}}", ERR_CONFIG, OUTCOME_OK, "count"},
	    {"check", "{\"options\":{\"act\":\"warn\",\"count\":\"13\"}}", ERR_CONFIG, OUTCOME_OK, "not 13"},
	    {"run", "{\"options\":{\"act\":\"warn\"},\"config\":{\"limit\":\"11\"}}", ERR_CONFIG, OUTCOME_OK,
	        "limit"},
	    {"store", "{\"options\":{\"act\":\"store\",\"store\":\"data\"}}", ERR_CONFIG, OUTCOME_OK,
	        "store 'data' is not configured"},
	    {"db",
	        "{\"options\":{\"act\":\"database\",\"database\":\"r\"},\"databases\":{\"r\":{\"type\":"
	        "\"oracle\"}}}",
	        ERR_CONFIG, OUTCOME_OK, "no database type 'oracle'"},
	    {"opts",
	        "{\"options\":{\"act\":\"store\",\"store\":\"d\"},\"stores\":{\"d\":{\"type\":\"dir\","
	        "\"options\":{}}}}",
	        ERR_CONFIG, OUTCOME_OK, "path"},
	};

	for (size_t i = 0; i < NITEMS(t); i++) {
		struct attempt a;

		run(&a, t[i].name, json_loads(t[i].context, 0, NULL));
		ok(a.has_record && a.rec.err.class == t[i].class && a.rec.outcome == t[i].outcome &&
		        strstr(a.rec.err.text, t[i].text) != NULL,
		    "%s: %s", t[i].name, a.rec.err.text);
		attempt_release(&a);
	}
}

static void test_resources(void)
{
	struct attempt a;

	run(&a, "dir",
	    json_pack("{s:{s:s s:s} s:{s:{s:s s:{s:s}}}}", "options", "act", "store", "store", "data", "stores",
	        "data", "type", "dir", "options", "path", test_dir()));
	is_str(json_str(a.rec.metadata, "got", a.rec.err.text), "hello", "a store of the context");
	attempt_release(&a);
	char *path = fs_join(test_dir(), "r.db");
	run(&a, "sqlite",
	    json_pack("{s:{s:s s:s} s:{s:{s:s s:{s:s}}}}", "options", "act", "database", "database", "results",
	        "databases", "results", "type", "sqlite", "options", "path", path));
	ok(json_int(a.rec.metadata, "sum", 0) == 7, "a database, and a second connection to it: %s",
	    a.rec.err.text);
	free(path);
	attempt_release(&a);
}

static void test_crash_and_term(void)
{
	struct attempt a;
	char *journal;

	run(&a, "segv", act("segv"));
	journal = attempt_file(&a, ATTEMPT_JOURNAL);
	ok(!a.has_record && !(WIFEXITED(a.exit_status) && WEXITSTATUS(a.exit_status) == 0),
	    "a crash leaves no record");
	ok(strstr(journal, "about to crash") != NULL, "but its journal up to there");
	is_int(lifeline_state(a.dir), LIFELINE_FREE, "and a free lifeline");
	free(journal);
	attempt_release(&a);

	attempt_make(&a, "wait", "probe", act("wait"));
	attempt_start(&a, PROBE);
	for (tm_ms end = clock_mono() + ATTEMPT_DEADLINE_MS; clock_mono() < end; usleep(500)) {
		journal = attempt_file(&a, ATTEMPT_JOURNAL);
		bool there = strstr(journal, "waiting") != NULL;
		free(journal);
		if (there)
			break;
	}
	is_int(lifeline_state(a.dir), LIFELINE_HELD, "the lifeline is held while it runs");
	is_int(lifeline_read_pid(a.dir), a.pid, "and names it");
	kill(a.pid, SIGTERM);
	attempt_wait(&a);
	ok(a.has_record && a.rec.err.class == ERR_CANCELLED, "TERM is honoured: %s", a.rec.err.text);
	attempt_release(&a);
}

static void test_killed(void)
{
	int with = 0, without = 0, held = 0;

	for (int i = 0; i < 40; i++) {
		struct attempt a;
		char name[20];

		snprintf(name, sizeof(name), "kill%d", i);
		attempt_make(&a, name, "probe", act("tell"));
		attempt_start(&a, PROBE);
		usleep((useconds_t)(i * 400));
		kill(a.pid, SIGKILL);
		attempt_wait(&a);
		with += a.has_record;
		without += !a.has_record;
		held += !attempt_await_free(&a);
		attempt_release(&a);
	}
	ok(with + without == 40 && without > 0 && held == 0,
	    "killed at 40 instants: %d with a record, %d without, none torn", with, without);
}

static void test_discretion(void)
{
	struct attempt a;
	char *path;
	int fd;

	setenv("PROBE_SECRET", "c4nary", 1);
	run(&a, "secret", act("secret"));
	ok(a.has_record && json_bool(a.rec.metadata, "usable", false),
	    "a variable of the environment is usable");
	ok(!json_bool(a.rec.metadata, "shown", true), "and not shown in /proc/PID/environ");
	unsetenv("PROBE_SECRET");
	attempt_release(&a);

	/* The daemon hands down a file as stdout. */
	attempt_make(
	    &a, "flood", "probe", json_pack("{s:i s:{s:s}}", "log_bytes", 1000, "options", "act", "flood"));
	path = fs_join(a.dir, ATTEMPT_STDOUT);
	fflush(stdout);
	int saved = dup(1);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, 1);
	attempt_start(&a, PROBE);
	dup2(saved, 1);
	close(saved), close(fd);
	attempt_wait(&a);
	struct stat st = {0};
	stat(path, &st);
	ok(a.has_record && st.st_size <= 1000, "output is capped: %ld bytes", (long)st.st_size);
	free(path);
	attempt_release(&a);

	attempt_make(&a, "badctx", "probe", json_pack("{s:s}", "schema", "orchd/9"));
	attempt_start(&a, PROBE);
	attempt_wait(&a);
	ok(!a.has_record && WEXITSTATUS(a.exit_status) == 1, "a context of another version is refused");
	attempt_release(&a);
}

int main(void)
{
	tap_run(test_tell);
	tap_run(test_verdicts);
	tap_run(test_resources);
	tap_run(test_crash_and_term);
	tap_run(test_killed);
	tap_run(test_discretion);
	return tap_done();
}
