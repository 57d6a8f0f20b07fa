/* orchctl, the real program, on a project of commands: without a daemon, with one, and when things go wrong. */
#include "config.h"

#include "tests/tap.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/strvec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define DEADLINE_MS 30000

static const char project_yaml[] =
    "state_dir: ./state\n"
    "assets:\n"
    "  first: {type: exec, shell: true, command: ['echo one; test -e orch.yaml && echo two']}\n"
    "  second: {type: exec, deps: [first], command: [echo, 'for {who}']}\n"
    "  fails: {type: exec, command: [sh, -c, 'echo the reason >&2; exit 1']}\n"
    "  waits: {type: exec, shell: true, command: ['echo begun; while ! test -e go; do sleep "
    "0.02; done']}\n"
    "  evil: {type: exec, shell: true, command: ['printf \"\\033]0;evil\\007\\n\"']}\n"
    "  passes: {type: exec, pass_env: [ORCHCTL_TEST_PASSED], command: [env]}\n"
    "jobs:\n"
    "  both: {assets: [first, second]}\n";

struct result {
	int code;
	struct strbuf out, err;
};

static char *root; /* of the project at hand */

static void drain(int fd, struct strbuf *sb)
{
	char buf[4096];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0)
		strbuf_add(sb, buf, (size_t)n);
	close(fd);
}

static char *program(const char *name)
{
	const char *build = getenv("TEST_BUILDDIR");

	return fs_join(build ? build : ".", name);
}

/* Start a program of ours with a shell-free argument vector; stdout and stderr to files of the project. */
static pid_t start(const char *name, char *const *argv, const char *out, const char *err)
{
	char *file = program(name), *out_path = fs_join(root, out), *err_path = fs_join(root, err);
	pid_t pid = fork();

	if (pid == 0) {
		int o = open(out_path, O_WRONLY | O_CREAT | O_TRUNC, 0600),
		    e = open(err_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		dup2(open("/dev/null", O_RDONLY), 0);
		dup2(o, 1);
		dup2(e, 2);
		setenv("NO_COLOR", "1", 1);
		signal(SIGINT, SIG_DFL); /* ignored in what a script started in the background */
		execv(file, argv);
		_exit(127);
	}
	free(file), free(out_path), free(err_path);
	return pid;
}

static int finish(pid_t pid)
{
	tm_ms deadline = clock_mono() + DEADLINE_MS;
	int status;
	pid_t got;

	while ((got = waitpid(pid, &status, WNOHANG)) == 0 && clock_mono() < deadline)
		usleep(1000);
	if (got != pid) {
		kill(pid, SIGKILL);
		tap_bail("a program still runs after %d ms", DEADLINE_MS);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static pid_t start_ctl(const char *line)
{
	struct strvec argv = STRVEC_INIT;
	char *conf = fs_join(root, "orch.yaml");
	pid_t pid;

	strvec_push(&argv, "orchctl");
	strvec_push(&argv, "-f");
	strvec_push(&argv, conf);
	for (const char *p = line; *p != '\0'; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		strvec_pushn(&argv, p, n);
		p += n;
	}
	pid = start("orchctl", argv.v, "ctl.out", "ctl.err");
	strvec_release(&argv);
	free(conf);
	return pid;
}

static struct result end_ctl(pid_t pid)
{
	struct result r = {.out = STRBUF_INIT(1 << 22), .err = STRBUF_INIT(1 << 20)};
	char *out = fs_join(root, "ctl.out"), *err = fs_join(root, "ctl.err");

	r.code = finish(pid);
	drain(open(out, O_RDONLY), &r.out);
	drain(open(err, O_RDONLY), &r.err);
	if (r.err.len > 0 && r.err.buf[r.err.len - 1] == '\n')
		strbuf_truncate(&r.err, r.err.len - 1);
	free(out), free(err);
	return r;
}

static struct result ctl(const char *line)
{
	return end_ctl(start_ctl(line));
}

static void release(struct result *r)
{
	strbuf_release(&r->out);
	strbuf_release(&r->err);
}

/* One call: its exit code, and words that must stand in what it printed. */
static void says(const char *line, int code, const char *out, const char *err)
{
	struct result r = ctl(line);
	bool pass = r.code == code && (out == NULL || strstr(r.out.buf, out) != NULL) &&
	            (err == NULL || strstr(r.err.buf, err) != NULL);

	ok(pass, "orchctl %s: exit %d%s%s%s%s", line, code, out ? ", says " : "", out ? out : "",
	    err ? ", complains " : "", err ? err : "");
	if (!pass)
		diag("exit %d\n# out: %s\n# err: %s", r.code, r.out.buf, r.err.buf);
	release(&r);
}

/* The JSON of a call that must succeed. */
static json_t *asks(const char *line)
{
	char with[300];
	struct result r;
	json_t *j;

	snprintf(with, sizeof(with), "--json %s", line);
	r = ctl(with);
	j = json_loads(r.out.buf, 0, NULL);
	ok(r.code == 0 && strcmp(json_str(j, "schema", ""), "orchd/1") == 0, "orchctl --json %s: %s", line,
	    r.err.buf);
	release(&r);
	return j;
}

static void make_project(const char *name)
{
	char *file;

	free(root);
	root = fs_join(test_dir(), name);
	fs_mkdirs(root, 0755, NULL);
	file = fs_join(root, "orch.yaml");
	fs_write_atomic(file, project_yaml, strlen(project_yaml), 0644, NULL);
	free(file);
}

static void test_alone(void)
{
	json_t *j;

	make_project("alone");
	says("runs", 0, "no runs", NULL);
	says("status", 0, "not running", NULL);
	says("assets", 0, "second", NULL);
	says("assets graph", 0, "-> second", NULL);
	says("assets graph --dot", 0, "\"first\" -> \"second\"", NULL);
	char *state = fs_join(root, "state");
	ok(!fs_exists(state), "who only looks leaves nothing behind");
	free(state);
	says("launch both --set who=me", 0, "run 1 succeeded", NULL);
	says("runs", 0, "both", NULL);
	says("runs show 1", 0, "who=me", NULL);
	says("runs logs 1", 0, "for me", NULL);
	says("runs logs 1 --asset first --stream stdout", 0, "two", NULL);
	says("materialize fails", 1, "exit code 1: the reason", NULL);
	says("runs retry 2", 1, "run 3", NULL);
	says("materialize first --dry-run", 0, "would run 1 command", NULL);
	setenv("ORCHCTL_TEST_PASSED", "handed on", 1);
	setenv("CANARY_SECRET", "s3cr3t", 1);
	says("materialize passes", 0, "succeeded", NULL);
	struct result r = ctl("runs logs 5");
	ok(strstr(r.out.buf, "=handed on") != NULL && strstr(r.out.buf, "s3cr3t") == NULL,
	    "a step sees the variables its asset asks for, and no others");
	release(&r);
	says("materialize +second --detach --set who=x", 5, NULL, "no daemon");
	j = asks("runs show 2");
	is_str(json_str(j, "state", ""), "failed", "the state of a failed run");
	json_decref(j);
	j = asks("runs list --state failed");
	is_int(json_array_size(json_object_get(j, "runs")), 2, "two have failed");
	json_decref(j);
	says("hold night/1 --reason because", 0, "on hold", NULL);
	says("hold", 0, "because", NULL);
	says("release night/1", 0, "released", NULL);
	says("hold", 0, "nothing is on hold", NULL);
}

static void test_wrong(void)
{
	char *file = fs_join(root, "run.yaml");

	says("", 2, NULL, "no command");
	says("frobnicate", 2, NULL, "no command 'frobnicate'");
	says("runs show", 2, NULL, "wants ID");
	says("runs show x", 2, NULL, "no run's number");
	says("runs show 1 2", 2, NULL, "one word too many");
	says("runs show 99", 3, NULL, "no run 99");
	says("runs cancel 1", 4, NULL, "ended already");
	says("--json runs show 99", 3, "\"code\":\"not_found\"", NULL);
	says("launch bth", 3, NULL, "did you mean 'both'?");
	says("materialize frist", 3, NULL, "did you mean 'first'");
	says("sensors tick nope", 3, NULL, "nope");
	says("types exce", 3, NULL, "did you mean exec");
	says("materialize second", 1, NULL, NULL);
	fs_write_atomic(file, "config: [1]\n", 12, 0644, NULL);
	char line[600];
	snprintf(line, sizeof(line), "materialize second --config %s", file);
	says(line, 7, NULL, "run.yaml:1:9");
	says("materialize second --set who", 2, NULL, "KEY=VALUE");
	says("materialize second --wait --detach", 2, NULL, "exclude");
	says("-f /nonexistent/orch.yaml runs", 7, NULL, "orch.yaml");
	free(file);
	file = fs_join(root, "broken.yaml");
	fs_write_atomic(file, "state_dir: ./s\nasets: {}\n", 25, 0644, NULL);
	snprintf(line, sizeof(line), "validate %s", file);
	says(line, 7, "broken.yaml:2:1", NULL);
	says("validate", 0, "6 assets", NULL);
	free(file);
}

static int64_t newest_run(void)
{
	json_t *j = asks("runs list -n 1");
	int64_t id = json_int(json_array_get(json_object_get(j, "runs"), 0), "id", 0);

	json_decref(j);
	return id;
}

static void test_about(void)
{
	char *dir = fs_join(test_dir(), "made"), line[400];

	says("help", 0, "materialize SELECTION", NULL);
	says("help runs", 0, "runs retry ID", NULL);
	says("help runs show", 0, "usage: orchctl runs show ID", NULL);
	says("runs show --help", 0, "usage: orchctl runs show ID", NULL);
	says("types", 0, "exec", NULL);
	says("types exec", 0, "exit_codes", NULL);
	says("version", 0, PACKAGE_VERSION, NULL);
	snprintf(line, sizeof(line), "init %s", dir);
	says(line, 0, "is a project now", NULL);
	says(line, 4, NULL, "exists already");
	snprintf(line, sizeof(line), "validate %s/orch.yaml", dir);
	says(line, 0, "from 3 files", NULL);
	says("materialize evil", 0, "succeeded", NULL);
	snprintf(line, sizeof(line), "runs logs %d", (int)newest_run());
	struct result r = ctl(line);
	ok(strchr(r.out.buf, '\033') == NULL && strstr(r.out.buf, "\\x1b]0;evil\\x07") != NULL,
	    "what a step printed cannot steer the terminal");
	release(&r);
	free(dir);
}

/* Runs and the state's owner: a second one is refused, an interrupt stops the steps. */
static void test_owner(void)
{
	char *lock = fs_join(root, "state/lock"), *out = fs_join(root, "first.out");
	struct strvec argv = STRVEC_INIT;
	char *conf = fs_join(root, "orch.yaml");
	tm_ms deadline = clock_mono() + DEADLINE_MS;
	json_t *j;
	pid_t pid;

	strvec_push(&argv, "orchctl");
	strvec_push(&argv, "-f");
	strvec_push(&argv, conf);
	strvec_push(&argv, "materialize");
	strvec_push(&argv, "waits");
	pid = start("orchctl", argv.v, "first.out", "first.err");
	for (bool running = false; !running && clock_mono() < deadline; usleep(2000)) {
		struct result r = ctl("--json runs list -n 1");

		running = strstr(r.out.buf, "\"state\":\"running\"") != NULL;
		release(&r);
	}
	says("materialize first", 5, NULL, "another process owns the state");
	says("runs", 0, "running", NULL);
	kill(pid, SIGINT);
	finish(pid);
	j = asks("runs list -n 1");
	is_str(json_str(json_array_get(json_object_get(j, "runs"), 0), "state", ""), "canceled",
	    "an interrupt cancels the run and waits for its end");
	json_decref(j);
	strvec_release(&argv);
	free(lock), free(out), free(conf);
}

static pid_t start_daemon(void)
{
	char *conf = fs_join(root, "orch.yaml"),
	     *argv[] = {(char *)(uintptr_t) "orchd", (char *)(uintptr_t) "-f", conf, NULL};
	tm_ms deadline = clock_mono() + DEADLINE_MS;
	pid_t pid = start("orchd", argv, "orchd.out", "orchd.err");
	bool up = false;

	while (!up && clock_mono() < deadline) {
		struct result r = ctl("--json status");

		up = r.code == 0 && strstr(r.out.buf, "\"daemon\":true") != NULL;
		release(&r);
		usleep(2000);
	}
	ok(up, "the daemon answers");
	free(conf);
	return pid;
}

static void test_daemon(void)
{
	char *go, line[200];
	pid_t daemon, waiter, follower;
	struct result r;
	int64_t id;

	make_project("daemon");
	daemon = start_daemon();
	says("status", 0, "running", NULL);
	says("launch both --set who=you --wait", 0, "succeeded", NULL);
	says("materialize fails --wait", 1, "the reason", NULL);
	says("materialize first", 0, "run 3", NULL);
	says("materialize waits --wait=200ms", 6, NULL, "not waited for to its end");
	id = newest_run();
	snprintf(line, sizeof(line), "runs cancel %d", (int)id);
	says(line, 0, "being canceled", NULL);
	says("materialize waits --detach", 0, "run 5", NULL);

	/* One follows the logs, one waits; an interrupt ends the waiting and not the run. */
	waiter = start_ctl("materialize waits --wait");
	for (tm_ms end = clock_mono() + DEADLINE_MS; clock_mono() < end; usleep(2000)) {
		char *out = fs_join(root, "ctl.out");
		struct strbuf sb = STRBUF_INIT(10000);

		fs_read(out, &sb, NULL);
		bool told = strstr(sb.buf, "run 6") != NULL;
		strbuf_release(&sb);
		free(out);
		if (told)
			break;
	}
	kill(waiter, SIGINT);
	r = end_ctl(waiter);
	ok(r.code == 130 && strstr(r.err.buf, "run 6 was not waited for") != NULL,
	    "an interrupt ends the waiting: %s", r.err.buf);
	release(&r);
	follower = start_ctl("runs logs 6 --follow");
	go = fs_join(root, "go");
	fs_write_atomic(go, "", 0, 0600, NULL);
	r = end_ctl(follower);
	ok(r.code == 0 && strstr(r.out.buf, "begun") != NULL, "--follow ends with the run");
	release(&r);
	says("runs show 6", 0, "succeeded", NULL);
	says("runs retry 6 --wait", 0, "run 7", NULL);

	/* A copy taken now knows all of that, wherever it is put. */
	char *copy = fs_join(root, "copy.db"), *state = fs_join(root, "copied/state");
	snprintf(line, sizeof(line), "backup %.150s", copy);
	says(line, 0, "checked", NULL);
	says(line, 4, NULL, "exists already");
	fs_mkdirs(state, 0700, NULL);
	char *to = fs_join(state, "state.db"), *conf = fs_join(root, "copied/orch.yaml"), with[300];
	ok(rename(copy, to) == 0, "restored");
	fs_write_atomic(conf, project_yaml, strlen(project_yaml), 0644, NULL);
	snprintf(with, sizeof(with), "-f %.200s runs show 7", conf);
	says(with, 0, "retry of   run 6", NULL);
	free(copy), free(state), free(to), free(conf);
	kill(daemon, SIGTERM);
	is_int(finish(daemon), 0, "the daemon leaves");
	says("status", 0, "not running", NULL);
	free(go);
}

/* Something that accepts and never answers, closes at once, or answers rubbish. */
static void test_bad_daemon(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	char *path, *state;
	struct result r;
	int fd, peer;
	pid_t pid;

	make_project("baddaemon");
	state = fs_join(root, "state");
	fs_mkdirs(state, 0700, NULL);
	path = fs_join(state, "control.sock");
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1 || listen(fd, 5) == -1)
		tap_bail("listen on %s: %s", path, strerror(errno));
	static const char *const answers[] = {
	    "", "not json\n", "{\"id\":1}\n", "{\"id\":9,\"ok\":true}\n", "{\"id\":1,\"ok\":fal"};
	for (size_t i = 0; i < NITEMS(answers); i++) {
		char buf[1000];

		pid = start_ctl("runs");
		peer = accept(fd, NULL, NULL);
		if (read(peer, buf, sizeof(buf)) <= 0)
			tap_bail("no request");
		if (write(peer, answers[i], strlen(answers[i])) != (ssize_t)strlen(answers[i]))
			tap_bail("no answer");
		close(peer);
		r = end_ctl(pid);
		ok(r.code != 0 && r.code < 128 && r.err.len > 0, "answer %zu: exit %d, %s", i, r.code,
		    r.err.buf);
		release(&r);
	}
	close(fd);
	says("runs", 0, "no runs", NULL);
	free(path), free(state);
}

int main(void)
{
	tap_run(test_alone);
	tap_run(test_wrong);
	tap_run(test_about);
	tap_run(test_owner);
	tap_run(test_daemon);
	tap_run(test_bad_daemon);
	free(root);
	return tap_done();
}
