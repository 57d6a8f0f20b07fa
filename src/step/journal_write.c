#include "config.h"

#include "step/journal.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Several things may be counted at once ("bytes", "images"); beyond this many their reports are not merged. */
#define PROGRESS_MAX 8

struct progress {
	char what[64];
	int64_t done, total;
	bool pending;
};

struct journal_writer {
	char *path;
	int fd;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t flusher;
	bool flusher_runs, closing;
	tm_ms due; /* when pending progress must be out; TIME_NEVER: none is pending */
	tm_ms last_progress;
	struct progress progress[PROGRESS_MAX];
	struct err failed; /* the first failure; then nothing more is written */
};

static void write_line(struct journal_writer *w, const struct journal_msg *msg)
{
	struct strbuf line = STRBUF_INIT(JOURNAL_LINE_MAX);

	if (w->failed.class == ERR_NONE) {
		if (msg_encode(msg, &line) == -1)
			err_code(&w->failed, ERR_BUG, "limit", "%s: a %s message of more than %d bytes",
			    w->path, msg_kind_name(msg->kind), JOURNAL_LINE_MAX);
		else if (fs_write_all(w->fd, line.buf, line.len, &w->failed) == -1)
			err_wrap(&w->failed, "%s", w->path);
	}
	strbuf_release(&line);
}

static void write_pending(struct journal_writer *w)
{
	for (size_t i = 0; i < PROGRESS_MAX; i++) {
		struct progress *p = &w->progress[i];

		if (!p->pending)
			continue;
		write_line(w, &(struct journal_msg){
		                  .kind = MSG_PROGRESS, .name = p->what, .done = p->done, .total = p->total});
		p->pending = false;
	}
	if (w->due != TIME_NEVER)
		w->last_progress = clock_mono();
	w->due = TIME_NEVER;
}

static void *flusher_main(void *arg)
{
	struct journal_writer *w = arg;

	pthread_mutex_lock(&w->lock);
	while (!w->closing) {
		if (w->due == TIME_NEVER) {
			pthread_cond_wait(&w->wake, &w->lock);
			continue;
		}
		struct timespec until = {.tv_sec = w->due / 1000, .tv_nsec = w->due % 1000 * 1000000};
		if (pthread_cond_timedwait(&w->wake, &w->lock, &until) == ETIMEDOUT)
			write_pending(w);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Signals belong to the step's main thread: it is the one that must be interrupted by TERM. */
static void start_flusher(struct journal_writer *w)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	w->flusher_runs = pthread_create(&w->flusher, NULL, flusher_main, w) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

struct journal_writer *journal_open(const char *path, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	struct journal_writer *w;
	pthread_condattr_t attr;

	if (fd == -1) {
		err_errno(err, "open %s", path);
		return NULL;
	}
	w = xcalloc(1, sizeof(*w));
	w->path = xstrdup(path);
	w->fd = fd;
	w->due = TIME_NEVER;
	w->last_progress = INT64_MIN / 2;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &attr);
	pthread_condattr_destroy(&attr);
	return w;
}

static struct progress *progress_slot(struct journal_writer *w, const char *what)
{
	for (size_t i = 0; i < PROGRESS_MAX; i++) {
		struct progress *p = &w->progress[i];

		if (p->what[0] == '\0')
			snprintf(p->what, sizeof(p->what), "%s", what);
		if (strcmp(p->what, what) == 0)
			return p;
	}
	return NULL;
}

static void put_progress(struct journal_writer *w, const struct journal_msg *msg)
{
	struct progress *p = progress_slot(w, msg->name);
	tm_ms now = clock_mono();

	if (p == NULL) {
		write_line(w, msg);
		return;
	}
	p->done = msg->done;
	p->total = msg->total;
	p->pending = true;
	if (w->due == TIME_NEVER)
		w->due = MAX(now, w->last_progress + JOURNAL_BATCH_MS);
	if (w->due <= now) {
		write_pending(w);
		return;
	}
	if (!w->flusher_runs)
		start_flusher(w);
	pthread_cond_signal(&w->wake);
}

void journal_put(struct journal_writer *w, const struct journal_msg *msg)
{
	pthread_mutex_lock(&w->lock);
	if (msg->kind == MSG_PROGRESS) {
		put_progress(w, msg);
	} else {
		/* Order: what was counted before this message is written before it. */
		write_pending(w);
		write_line(w, msg);
	}
	pthread_mutex_unlock(&w->lock);
}

int journal_close(struct journal_writer *w, struct err *err)
{
	int rc;

	pthread_mutex_lock(&w->lock);
	write_pending(w);
	w->closing = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	if (w->flusher_runs)
		pthread_join(w->flusher, NULL);
	rc = w->failed.class == ERR_NONE ? 0 : -1;
	if (rc == -1 && err != NULL)
		*err = w->failed;
	close(w->fd);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w->path);
	free(w);
	return rc;
}
