/* The journal: every message there and back, torn and hostile lines, batching, growth under a reader. */
#include "config.h"

#include "tests/tap.h"

#include "base/clock.h"
#include "step/journal.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct seen {
	size_t n;
	struct strbuf text; /* "kind name text done/total;" per message */
	size_t stop_after;
};

static int on_msg(const struct journal_msg *m, void *arg)
{
	struct seen *s = arg;
	char *metadata = m->metadata ? json_canonical(m->metadata) : NULL;

	strbuf_addf(&s->text, "%s|%s|%s|%" PRId64 "/%" PRId64 "%s%s\n", msg_kind_name(m->kind),
	    m->name ? m->name : "", m->text ? m->text : "", m->done, m->total, metadata ? "|" : "",
	    metadata ? metadata : "");
	free(metadata);
	return ++s->n == s->stop_after;
}

static char *journal_path(const char *name)
{
	return fs_join(test_dir(), name);
}

static void append(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

	fs_write_all(fd, text, n, NULL);
	close(fd);
}

static void test_round_trip(void)
{
	char *path = journal_path("round");
	struct err err = ERR_INIT;
	struct journal_writer *w = journal_open(path, &err);
	json_t *metadata = json_object(), *payload = json_pack("{s:[i,i]}", "mine", 1, 2);
	struct journal_reader r = {0};
	struct seen s = {.text = STRBUF_INIT(65536)};
	struct stat st;

	json_object_set_new(metadata, "rows", msg_metadata_wrap(json_integer(180)));
	const struct journal_msg all[] = {
	    {.kind = MSG_OPENED},
	    {.kind = MSG_LOG, .level = LOG_WARN_, .text = "a \"quoted\"\nline with \xff in it"},
	    {.kind = MSG_PROGRESS, .name = "images", .done = 3, .total = 180},
	    {.kind = MSG_WARNING, .name = "warning:bad_image", .text = "x.img"},
	    {.kind = MSG_EFFECT, .name = "put", .text = "results/x", .done = 7, .sha256 = "ab"},
	    {.kind = MSG_CHECK, .name = "rows", .asset = "analyze", .passed = true, .level = LOG_ERROR_},
	    {.kind = MSG_STREAM, .name = "stderr", .text = "boo"},
	    {.kind = MSG_NO_DATA, .text = "cloudy"},
	    {.kind = MSG_AGAIN, .done = 1776470400000, .text = "raw is kept"},
	    {.kind = MSG_MATERIALIZATION, .name = "analyze", .metadata = metadata},
	    {.kind = MSG_CUSTOM, .metadata = payload},
	    {.kind = MSG_CLOSED, .name = "ValueError", .text = "ValueError: boom"},
	};
	for (size_t i = 0; i < NITEMS(all); i++)
		journal_put(w, &all[i]);
	ok(journal_close(w, &err) == 0, "closed without an error");
	stat(path, &st);
	is_int(journal_read(&r, path, 0, on_msg, &s, &err), st.st_size, "everything is consumed");
	is_str(s.text.buf,
	    "opened|||0/0\n"
	    "log||a \"quoted\"\nline with \xef\xbf\xbd in it|0/0\n"
	    "progress|images||3/180\n"
	    "warning|warning:bad_image|x.img|0/0\n"
	    "effect|put|results/x|7/0\n"
	    "check|rows||0/0\n"
	    "stream|stderr|boo|0/0\n"
	    "no_data||cloudy|0/0\n"
	    "again||raw is kept|1776470400000/0\n"
	    "materialization|analyze||0/0|{\"rows\":{\"raw_value\":180,\"type\":\"int\"}}\n"
	    "custom|||0/0|{\"mine\":[1,2]}\n"
	    "closed|ValueError|ValueError: boom|0/0\n",
	    "every message comes back as it was");
	is_int(journal_read(&r, path, 0, on_msg, &s, &err), 0, "and only once");
	is_int(r.bad, 0, "nothing was bad");
	json_decref(metadata), json_decref(payload);
	strbuf_release(&s.text);
	free(path);
}

/* What scripts really write: lines of the published package, and rubbish between them. */
static void test_foreign(void)
{
	static const char good[] =
	    "{\"__dagster_pipes_version\": \"0.1\", \"method\": \"report_asset_materialization\", \"params\": "
	    "{\"asset_key\": \"a\", \"data_version\": null, \"metadata\": {\"t\": {\"raw_value\": NaN, "
	    "\"type\": "
	    "\"__infer__\"}, \"u\": {\"raw_value\": -Infinity, \"type\": \"float\"}, \"say\": {\"raw_value\": "
	    "\"NaN \\\" "
	    "Infinity\", \"type\": \"text\"}}}}\n"
	    "this is not JSON\n"
	    "\n"
	    "{\"method\": \"log\"}\n"
	    "[1, 2]\n"
	    "{\"__dagster_pipes_version\": \"0.1\", \"method\": \"report_new_thing\", \"params\": {\"x\": 1}}\n"
	    "{\"__dagster_pipes_version\": \"0.1\", \"method\": \"log\", \"params\": null}\n"
	    "{\"__dagster_pipes_version\": \"0.1\", \"method\": \"closed\", \"params\": {}}\n";
	char *path = journal_path("foreign");
	struct journal_reader r = {0};
	struct seen s = {.text = STRBUF_INIT(65536)};
	struct err err = ERR_INIT;

	append(path, good, sizeof(good) - 1);
	is_int(journal_read(&r, path, 0, on_msg, &s, &err), sizeof(good) - 1, "all lines are consumed");
	is_str(s.text.buf,
	    "materialization|a||0/0|{\"say\":{\"raw_value\":\"NaN \\\" Infinity\",\"type\":\"text\"},"
	    "\"t\":{\"raw_value\":null,\"type\":\"__infer__\"},\"u\":{\"raw_value\":null,\"type\":\"float\"}}\n"
	    "custom|||0/0|{\"x\":1}\n"
	    "log|||0/0\n"
	    "closed|||0/0\n",
	    "Python's NaN is null, unknown methods pass, rubbish does not hurt its neighbours");
	is_int(r.bad, 3, "bad lines are counted");
	ok(strstr(r.bad_text, "journal:1") != NULL, "the first one says why: %s", r.bad_text);
	strbuf_release(&s.text);
	free(path);
}

/* Any cut of a journal yields a prefix of its messages, and reading goes on from there without loss. */
static void test_torn(void)
{
	char *path = journal_path("torn-src"), *part = journal_path("torn");
	struct strbuf text = STRBUF_INIT(65536);
	struct journal_writer *w = journal_open(path, NULL);
	size_t wrong = 0;

	for (int i = 0; i < 4; i++)
		journal_put(
		    w, &(struct journal_msg){.kind = MSG_LOG, .text = i % 2 ? "odd" : "an even \xc3\xa9 one"});
	journal_close(w, NULL);
	fs_read(path, &text, NULL);
	for (size_t cut = 0; cut <= text.len; cut++) {
		struct journal_reader r = {0};
		struct seen s = {.text = STRBUF_INIT(65536)};
		size_t whole = 0;

		for (size_t i = 0; i < cut; i++)
			whole += text.buf[i] == '\n';
		unlink(part);
		append(part, text.buf, cut);
		journal_read(&r, part, 0, on_msg, &s, NULL);
		wrong += s.n != whole || r.bad != 0;
		append(part, text.buf + cut, text.len - cut);
		journal_read(&r, part, 0, on_msg, &s, NULL);
		wrong += s.n != 4 || r.bad != 0 || r.offset != (int64_t)text.len;
		strbuf_release(&s.text);
	}
	is_int(wrong, 0, "a torn line waits for its rest at every byte");
	strbuf_release(&text);
	free(path), free(part);
}

static void test_limits(void)
{
	char *path = journal_path("long"), *big = xmalloc(JOURNAL_LINE_MAX + 10);
	struct journal_reader r = {0};
	struct seen s = {.text = STRBUF_INIT(65536)};
	struct err err = ERR_INIT;
	struct journal_writer *w = journal_open(path, &err);

	memset(big, 'x', JOURNAL_LINE_MAX + 9);
	big[JOURNAL_LINE_MAX + 9] = '\0';
	append(path, big, JOURNAL_LINE_MAX + 9);
	append(path, big, 100);
	is_int(journal_read(&r, path, 0, on_msg, &s, &err) > 0, 1,
	    "a line beyond the limit is dropped while it grows");
	append(path, "\n", 1);
	journal_put(w, &(struct journal_msg){.kind = MSG_LOG, .text = "after"});
	journal_read(&r, path, 0, on_msg, &s, &err);
	ok(s.n == 1 && r.bad == 1, "what follows it is read, %zu messages, %d bad", s.n, (int)r.bad);
	journal_put(w, &(struct journal_msg){.kind = MSG_LOG, .text = big});
	ok(journal_close(w, &err) == -1 && err_is(&err, "limit"), "the writer refuses such a line: %s",
	    err.text);
	strbuf_release(&s.text);
	s = (struct seen){.text = STRBUF_INIT(65536), .stop_after = 1};
	unlink(path);
	w = journal_open(path, &err);
	for (int i = 0; i < 3; i++)
		journal_put(w, &(struct journal_msg){.kind = MSG_LOG, .text = "x"});
	journal_close(w, NULL);
	r = (struct journal_reader){0};
	journal_read(&r, path, 0, on_msg, &s, &err);
	is_int(s.n, 1, "the callback may stop");
	s.stop_after = 0;
	journal_read(&r, path, 0, on_msg, &s, &err);
	is_int(s.n, 3, "and go on later");
	ok(journal_read(&r, "/nonexistent/j", 0, on_msg, &s, &err) == 0, "no journal yet is no error");
	unlink(path);
	mkfifo(path, 0600);
	ok(journal_read(&r, path, 0, on_msg, &s, &err) == -1, "a FIFO in its place is refused without hanging");
	strbuf_release(&s.text);
	free(path), free(big);
}

/* 1000 reports in a moment become a few lines; the last is there soon without a further call. */
static void test_batching(void)
{
	char *path = journal_path("batch");
	struct journal_writer *w = journal_open(path, NULL);
	struct journal_reader r = {0};
	struct seen s = {.text = STRBUF_INIT(1 << 20)};
	tm_ms start = clock_mono(), spent;

	for (int i = 1; i <= 1000; i++)
		journal_put(
		    w, &(struct journal_msg){.kind = MSG_PROGRESS, .name = "bytes", .done = i, .total = 1000});
	spent = clock_mono() - start;
	while (strstr(s.text.buf, "1000/1000") == NULL && clock_mono() < start + 10000) {
		journal_read(&r, path, 0, on_msg, &s, NULL);
		usleep(1000);
	}
	ok(strstr(s.text.buf, "1000/1000") != NULL, "the last report arrives by itself");
	ok((tm_ms)s.n <= 3 + spent / JOURNAL_BATCH_MS, "1000 reports became %zu lines in %d ms", s.n,
	    (int)spent);
	journal_put(w, &(struct journal_msg){.kind = MSG_PROGRESS, .name = "bytes", .done = 1, .total = 2});
	journal_put(w, &(struct journal_msg){.kind = MSG_PROGRESS, .name = "bytes", .done = 2, .total = 2});
	journal_put(w, &(struct journal_msg){.kind = MSG_LOG, .text = "then"});
	strbuf_reset(&s.text);
	journal_read(&r, path, 0, on_msg, &s, NULL);
	ok(strstr(s.text.buf, "2/2\nlog||then") != NULL, "what was counted before a message stands before it");
	journal_close(w, NULL);
	strbuf_release(&s.text);
	free(path);
}

static void *chatter(void *arg)
{
	for (int i = 0; i < 500; i++) {
		journal_put(arg, &(struct journal_msg){.kind = MSG_LOG, .text = "from a thread"});
		journal_put(
		    arg, &(struct journal_msg){.kind = MSG_PROGRESS, .name = "n", .done = i, .total = 500});
	}
	return NULL;
}

/* A writer killed at any moment leaves whole lines; several threads never mix theirs. */
static void test_kill(void)
{
	char *path = journal_path("kill");
	struct journal_reader r = {0};
	struct seen s = {.text = STRBUF_INIT(16 << 20)};
	pthread_t t[4];
	struct journal_writer *w;

	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			w = journal_open(path, NULL);
			for (;;)
				journal_put(
				    w, &(struct journal_msg){.kind = MSG_LOG, .text = "until I am killed"});
		}
		usleep((useconds_t)(1000 + i * 300));
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	journal_read(&r, path, 0, on_msg, &s, NULL);
	ok(s.n > 0 && r.bad == 0, "%zu lines of killed writers are whole", s.n);
	unlink(path);
	strbuf_reset(&s.text);
	s.n = 0;
	w = journal_open(path, NULL);
	for (size_t i = 0; i < NITEMS(t); i++)
		pthread_create(&t[i], NULL, chatter, w);
	for (size_t i = 0; i < NITEMS(t); i++)
		pthread_join(t[i], NULL);
	ok(journal_close(w, NULL) == 0, "closed");
	r = (struct journal_reader){0};
	journal_read(&r, path, 0, on_msg, &s, NULL);
	ok(s.n >= 2000 && r.bad == 0, "four threads wrote %zu whole lines", s.n);
	strbuf_release(&s.text);
	free(path);
}

int main(void)
{
	tap_run(test_round_trip);
	tap_run(test_foreign);
	tap_run(test_torn);
	tap_run(test_limits);
	tap_run(test_batching);
	tap_run(test_kill);
	return tap_done();
}
