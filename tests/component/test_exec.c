/* orch-exec, the real program: verdicts, signals, output, environment, what a command leaves behind. */
#include "config.h"

#include "tests/component/attempt.h"

#include <sys/prctl.h>
#include <sys/stat.h>

static void run(struct attempt *a, const char *name, json_t *overrides)
{
	attempt_make(a, name, "exec", overrides);
	attempt_start(a, "orch-exec");
	attempt_wait(a);
}

/* {"options": {"command": ["/bin/sh", "-c", SCRIPT]}} */
static json_t *script(const char *text)
{
	return json_pack("{s:{s:[s,s,s]}}", "options", "command", "/bin/sh", "-c", text);
}

static void test_verdicts(void)
{
/* Braces are doubled: the command is a template. */
#define SAY(payload)                                                                        \
	"echo '{{\"__dagster_pipes_version\":\"0.1\",\"method\":\"report_custom_message\"," \
	"\"params\":{{\"payload\":{{\"again\":{{" payload "}}}}}}}}' >> $ORCH_JOURNAL; "
#define AGAIN   SAY("\"at\":\"2026-04-18T00:00:00Z\",\"text\":\"clouds\"")
#define NO_TIME SAY("\"at\":\"tomorrow\"")
	static const struct {
		const char *script;
		enum err_class class;
		enum step_outcome outcome;
		const char *code, *text;
	} t[] = {
	    {"exit 0", ERR_NONE, OUTCOME_OK, "", ""},
	    {"echo almost; echo the reason >&2; exit 1", ERR_PERMANENT, OUTCOME_OK, "exit_1",
	        "exit code 1: the reason"},
	    {"exit 75", ERR_TRANSIENT, OUTCOME_OK, "exit_75", "exit code 75"},
	    {"exit 3", ERR_NONE, OUTCOME_NO_DATA, "", ""},
	    {"exit 4", ERR_BAD_DATA, OUTCOME_OK, "exit_4", "exit code 4"},
	    {"exit 5", ERR_NONE, OUTCOME_WARNINGS, "", ""},
	    {"kill -SEGV $$", ERR_PERMANENT, OUTCOME_OK, "signal_11",
	        "killed by signal 11 (Segmentation fault)"},
	    {"kill -KILL $$", ERR_TRANSIENT, OUTCOME_OK, "signal_9", "killed by signal 9 (Killed)"},
	    {AGAIN "exit 0", ERR_TRANSIENT, OUTCOME_OK, "again", "clouds"},
	    {AGAIN "exit 75", ERR_TRANSIENT, OUTCOME_OK, "again", "clouds"},
	    {AGAIN "exit 1", ERR_PERMANENT, OUTCOME_OK, "exit_1", "exit code 1"},
	    {NO_TIME "exit 0", ERR_NONE, OUTCOME_OK, "", ""},
	};

	for (size_t i = 0; i < NITEMS(t); i++) {
		char name[20];
		struct attempt a;

		snprintf(name, sizeof(name), "verdict%zu", i);
		run(&a, name,
		    json_pack("{s:{s:[s,s,s] s:{s:s s:s s:s}}}", "options", "command", "/bin/sh", "-c",
		        t[i].script, "exit_codes", "3", "no_data", "4", "bad_data", "5", "warnings"));
		ok(a.has_record && a.rec.err.class == t[i].class && a.rec.outcome == t[i].outcome, "%s",
		    t[i].script);
		is_str(a.rec.err.code, t[i].code, "code");
		is_str(a.rec.err.text, t[i].text, "text");
		attempt_release(&a);
	}
}

/* What can be told before anything was started is the configuration's fault, and named. */
static void test_cannot_start(void)
{
	static const struct {
		const char *options, *says;
	} t[] = {
	    {"{\"command\":[\"no-such-program-here\"]}", "no-such-program-here: no such program on PATH"},
	    {"{\"command\":[\"/nonexistent/prog\"]}", "/nonexistent/prog: no such file"},
	    {"{\"command\":[\"/etc/passwd\"]}", "/etc/passwd: cannot execute: Permission denied"},
	    {"{\"command\":[\"/bin/true\"],\"workdir\":\"/nonexistent\"}",
	        "working directory /nonexistent: does not exist"},
	    {"{\"command\":[\"/bin/true\",\"{nope}\"]}", "command, part 2"},
	    {"{\"command\":[\"/bin/true\"],\"env\":{\"X\":\"{nope}\"}}", "env X"},
	    {"{\"command\":[]}", "\"command\" is empty"},
	    {"{}", "\"command\" is empty"},
	};

	for (size_t i = 0; i < NITEMS(t); i++) {
		char name[20];
		struct attempt a;

		snprintf(name, sizeof(name), "cannot%zu", i);
		run(&a, name, json_pack("{s:o}", "options", json_loads(t[i].options, 0, NULL)));
		ok(a.has_record && a.rec.err.class == ERR_CONFIG && strstr(a.rec.err.text, t[i].says) != NULL,
		    "%s", a.rec.err.text);
		attempt_release(&a);
	}
}

static void test_bad_context(void)
{
	struct attempt a;
	char *path;

	attempt_make(&a, "badctx", "exec", json_pack("{s:i}", "attempt", 0));
	attempt_start(&a, "orch-exec");
	attempt_wait(&a);
	ok(!a.has_record && WIFEXITED(a.exit_status) && WEXITSTATUS(a.exit_status) == 1,
	    "no record of an unknown attempt");
	path = fs_join(a.dir, ATTEMPT_CONTEXT);
	if (truncate(path, 30) == -1)
		tap_bail("truncate");
	attempt_start(&a, "orch-exec");
	attempt_wait(&a);
	ok(!a.has_record && WEXITSTATUS(a.exit_status) == 1, "nor of half a context");
	free(path);
	attempt_release(&a);
}

static void test_arguments(void)
{
	struct attempt a;

	run(&a, "args",
	    json_pack("{s:{s:[s,s,s]} s:{s:s}}", "options", "command", "/bin/echo",
	        "{site}/{observation_date:4} {{x}}", "{tag};$(id) {partition}", "tags", "tag", "a'b"));
	attempt_file_is(&a, ATTEMPT_STDOUT, "uao/2026 {x} a'b;$(id) uao/20260417\n",
	    "places are filled, nothing is interpreted");
	attempt_release(&a);
	run(&a, "shell",
	    json_pack("{s:{s:b s:[s,s] s:{s:s}}}", "options", "shell", 1, "command",
	        "echo \"$0:$1:$ORCH_CONF_SITE:$KIND:{site}\"", "{site}; echo no", "env", "KIND", "of {site}"));
	attempt_file_is(&a, ATTEMPT_STDOUT, "movie:uao; echo no:uao:of uao:{site}\n",
	    "a shell gets data as arguments and environment only");
	attempt_release(&a);
	run(&a, "cwd", json_pack("{s:{s:[s] s:s}}", "options", "command", "pwd", "workdir", "/"));
	attempt_file_is(&a, ATTEMPT_STDOUT, "/\n", "working directory; the program is found on PATH");
	attempt_release(&a);
}

static void test_surroundings(void)
{
	struct attempt a;
	char *out;

	setenv("CANARY_SECRET", "s3cr3t", 1);
	setenv("PASSED_SECRET", "p4ss", 1);
	run(&a, "env",
	    json_pack("{s:{s:[s] s:[s]}}", "options", "command", "env", "pass_env", "PASSED_SECRET"));
	out = attempt_file(&a, ATTEMPT_STDOUT);
	ok(strstr(out, "s3cr3t") == NULL, "the daemon's environment is not handed on");
	ok(strstr(out, "PASSED_SECRET=p4ss\n") != NULL, "but for what the asset names");
	ok(strstr(out, "ORCH_RUN_ID=01KTEST\n") != NULL && strstr(out, "ORCH_ATTEMPT=1\n") != NULL &&
	        strstr(out, "PATH=") != NULL,
	    "and what every command needs");
	free(out);
	attempt_release(&a);
	run(&a, "fds", script("ls /proc/$$/fd; readlink /proc/$$/fd/0"));
	attempt_file_is(&a, ATTEMPT_STDOUT, "0\n1\n2\n/dev/null\n", "three descriptors, input empty");
	attempt_release(&a);
	run(&a, "quiet", script("exit 0"));
	out = fs_join(a.dir, ATTEMPT_STDOUT);
	ok(!fs_exists(out), "no file for no output");
	ok(a.rec.ended >= a.rec.started && a.rec.maxrss_kib > 0 && a.rec.started > INT64_C(1700000000000),
	    "times and usage");
	free(out);
	attempt_release(&a);
}

static void test_flood(void)
{
	struct attempt a;
	char *out;

	run(&a, "flood",
	    json_pack("{s:i s:{s:[s,s,s]}}", "log_bytes", 1000, "options", "command", "/bin/sh", "-c",
	        "echo first; head -c 30000000 /dev/zero; echo last words >&2; exit 2"));
	out = attempt_file(&a, ATTEMPT_STDOUT);
	ok(strncmp(out, "first\n", 6) == 0, "the head is kept");
	free(out);
	out = fs_join(a.dir, ATTEMPT_STDOUT);
	struct stat st = {0};
	stat(out, &st);
	ok(st.st_size > 1000 && st.st_size < 1100, "the file is capped: %ld bytes", (long)st.st_size);
	struct strbuf sb = STRBUF_INIT(2000);
	fs_read(out, &sb, NULL);
	ok(memmem(sb.buf, sb.len, "[orch-exec: 29999006 more bytes were dropped]", 45) != NULL,
	    "what was dropped is told");
	is_str(a.rec.err.text, "exit code 2: last words", "the other stream is not starved");
	strbuf_release(&sb);
	free(out);
	attempt_release(&a);
}

static pid_t read_pid(const struct attempt *a, const char *name)
{
	char *text = attempt_file(a, name);
	pid_t pid = (pid_t)strtol(text, NULL, 10);

	free(text);
	return pid;
}

static void test_term(void)
{
	struct attempt a;
	tm_ms start;
	pid_t pid;

	attempt_make(
	    &a, "term", "exec", script("trap 'echo bye; exit 0' TERM; echo $$; while :; do sleep 0.01; done"));
	attempt_start(&a, "orch-exec");
	ok(attempt_await_file(&a, ATTEMPT_STDOUT), "it runs");
	kill(a.pid, SIGTERM);
	attempt_wait(&a);
	ok(a.rec.err.class == ERR_CANCELLED && err_is(&a.rec.err, "stopped"), "TERM is passed on: %s",
	    a.rec.err.text);
	ok(a.rec.exit_code == 0, "an exit code of 0 after TERM is kept but is no success");
	attempt_release(&a);

	attempt_make(&a, "deaf", "exec",
	    json_pack("{s:i s:{s:[s,s,s]}}", "grace_ms", 200, "options", "command", "/bin/sh", "-c",
	        "trap '' TERM; echo $$; while :; do sleep 0.01; done"));
	attempt_start(&a, "orch-exec");
	ok(attempt_await_file(&a, ATTEMPT_STDOUT), "a deaf one runs");
	pid = read_pid(&a, ATTEMPT_STDOUT);
	start = clock_mono();
	kill(a.pid, SIGTERM);
	attempt_wait(&a);
	ok(a.rec.err.class == ERR_CANCELLED && strstr(a.rec.err.text, "did not stop within 200 ms") != NULL &&
	        a.rec.signal == SIGKILL && clock_mono() - start >= 200,
	    "it is killed after its grace: %s", a.rec.err.text);
	ok(!attempt_lives(pid), "and gone");
	attempt_release(&a);

	attempt_make(&a, "frozen", "exec", script("echo $$; kill -STOP $$; sleep 100"));
	attempt_start(&a, "orch-exec");
	ok(attempt_await_file(&a, ATTEMPT_STDOUT), "a frozen one runs");
	kill(a.pid, SIGTERM);
	attempt_wait(&a);
	ok(a.rec.err.class == ERR_CANCELLED && a.rec.signal == SIGTERM, "a stopped command takes TERM at once");
	attempt_release(&a);
}

static void test_left_behind(void)
{
	static const struct {
		const char *name, *script;
	} t[] = {
	    {"background", "sleep 1000 & echo $! > $ORCH_WORK_DIR/left; exit 0"},
	    {"session", "setsid sh -c 'echo $$ > $ORCH_WORK_DIR/left; exec sleep 1000' & while ! test -s "
	                "$ORCH_WORK_DIR/left; do :; "
	                "done; exit 0"},
	    {"double", "( setsid sh -c 'trap \"\" TERM HUP; sh -c \"echo \\$\\$ > $ORCH_WORK_DIR/left; exec "
	               "sleep 1000\" & "
	               "wait' & ) ; while ! test -s $ORCH_WORK_DIR/left; do :; done; exit 0"},
	};

	for (size_t i = 0; i < NITEMS(t); i++) {
		struct attempt a;
		tm_ms start = clock_mono();
		pid_t pid;
		char *err;

		run(&a, t[i].name, script(t[i].script));
		pid = read_pid(&a, "work/left");
		ok(a.has_record && a.rec.err.class == ERR_NONE, "%s: the command's own end counts", t[i].name);
		ok(pid > 1 && !attempt_lives(pid), "%s: process %d is gone with it", t[i].name, (int)pid);
		ok(clock_mono() - start < 5000, "%s: at once, although it held the output open", t[i].name);
		err = attempt_file(&a, ATTEMPT_STDERR);
		ok(strstr(err, "left behind") != NULL, "%s: and the log tells", t[i].name);
		free(err);
		attempt_release(&a);
	}
}

/* SIGKILL at random instants: the record is whole or absent, and the command never goes on alone. */
static void test_killed(void)
{
	int with = 0, without = 0, orphans = 0, held = 0;

	for (int i = 0; i < 60; i++) {
		struct attempt a;
		char name[20];
		pid_t pid;

		snprintf(name, sizeof(name), "kill%d", i);
		attempt_make(&a, name, "exec",
		    json_pack("{s:{s:[s,s,s]}}", "options", "command", "/bin/sh", "-c",
		        "echo $$ > $ORCH_WORK_DIR/pid; exec sleep 0.005"));
		attempt_start(&a, "orch-exec");
		usleep((useconds_t)(i * 200));
		kill(a.pid, SIGKILL);
		attempt_wait(&a);
		with += a.has_record;
		without += !a.has_record;
		pid = read_pid(&a, "work/pid");
		orphans += !attempt_await_gone(pid);
		held += !attempt_await_free(&a);
		attempt_release(&a);
	}
	ok(with + without == 60 && without > 0, "%d with a record, %d without", with, without);
	is_int(orphans, 0, "no command outlives its supervisor");
	is_int(held, 0, "the lifeline is free when it is gone");
}

static void test_dry_run(void)
{
	struct attempt a;
	char *journal;

	run(&a, "dry",
	    json_pack("{s:b s:{s:[s,s]}}", "dry_run", 1, "options", "command", "touch", "{work}/done"));
	char *done = fs_join(a.dir, "work/done");
	journal = attempt_file(&a, ATTEMPT_JOURNAL);
	ok(a.has_record && a.rec.err.class == ERR_NONE && !fs_exists(done), "a dry run starts nothing");
	ok(strstr(journal, "touch") != NULL && a.rec.journal_bytes == (int64_t)strlen(journal),
	    "and tells what it would");
	free(journal), free(done);
	attempt_release(&a);
	run(&a, "dry2",
	    json_pack("{s:b s:{s:[s,s,s] s:b}}", "dry_run", 1, "options", "command", "/bin/sh", "-c",
	        "echo $ORCH_DRY_RUN", "dry_run", 1));
	attempt_file_is(&a, ATTEMPT_STDOUT, "1\n", "a command that knows dry runs is started");
	attempt_release(&a);
}

/* A script that speaks the published protocol, see pipes_script.py. */
static void test_pipes(void)
{
	static const char *const argv0 = "/usr/bin/python3";
	struct attempt a;
	char *log, *want;

	if (access(argv0, X_OK) == -1) {
		tap_skip("no /usr/bin/python3");
		return;
	}
	run(&a, "pipes",
	    json_pack("{s:{s:[s,s,s] s:{s:s}}}", "options", "command", argv0,
	        test_src("tests/component/pipes_script.py"), "good", "extras", "colour", "red"));
	log = attempt_file(&a, ATTEMPT_STDERR);
	ok(a.has_record && a.rec.err.class == ERR_NONE && a.rec.outcome == OUTCOME_WARNINGS,
	    "a Pipes script ran: %s%s", a.rec.err.text, log);
	ok(json_int(a.rec.metadata, "rows", 0) == 180 &&
	        json_is_null(json_object_get(a.rec.metadata, "wind")) &&
	        json_object_size(json_object_get(a.rec.metadata, "table")) == 1,
	    "its metadata is in the record, NaN as null");
	char *out = attempt_file(&a, ATTEMPT_STDOUT);
	json_t *seen = json_loads(out, 0, NULL);
	is_str(json_str(seen, "run_id", ""), "01KTEST", "it saw the run");
	is_str(json_str(seen, "partition_key", ""), "uao/20260417", "the partition");
	is_str(json_str(json_object_get(seen, "extras"), "site", ""), "uao", "the run's config as extras");
	is_str(json_str(json_object_get(seen, "extras"), "colour", ""), "red", "and the asset's own");
	is_int(json_int(seen, "retry_number", -1), 0, "first try");
	json_decref(seen);
	free(out), free(log);
	attempt_release(&a);

	run(&a, "pipesbad",
	    json_pack("{s:{s:[s,s,s]}}", "options", "command", argv0,
	        test_src("tests/component/pipes_script.py"), "bad"));
	is_str(a.rec.err.text, "exit code 1: ValueError: no laser images", "its exception is the error");
	attempt_release(&a);

	/* A context beyond what fits an environment goes by file. */
	want = xmalloc(300001);
	for (uint32_t i = 0, r = 1; i < 300000; i++) {
		r = r * 1664525 + 1013904223;
		want[i] = (char)('a' + (r >> 24) % 26);
	}
	want[300000] = '\0';
	run(&a, "pipesbig",
	    json_pack("{s:{s:[s,s,s]} s:{s:{s:s}}}", "options", "command", argv0,
	        test_src("tests/component/pipes_script.py"), "big", "upstream", "x", "blob", want));
	attempt_file_is(&a, ATTEMPT_STDOUT, "300000\n", "a large context arrives whole");
	free(want);
	attempt_release(&a);
}

int main(void)
{
	/* Commands whose supervisor was killed come to us, so that they can be seen to end. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	tap_run(test_verdicts);
	tap_run(test_cannot_start);
	tap_run(test_bad_context);
	tap_run(test_arguments);
	tap_run(test_surroundings);
	tap_run(test_flood);
	tap_run(test_term);
	tap_run(test_left_behind);
	tap_run(test_killed);
	tap_run(test_dry_run);
	tap_run(test_pipes);
	return tap_done();
}
