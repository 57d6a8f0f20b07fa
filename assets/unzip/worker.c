#include "config.h"

#include "assets/unzip/worker.h"

#include "assets/archive/member_name.h"
#include "base/fs.h"
#include "base/mem.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

struct worker {
	pthread_t thread;
	struct relay *relay;
	struct worker_conf conf;
	size_t piece; /* being inflated */
	/* The member under way. */
	struct parcel *parcel;
	int64_t done;
	struct digest *digest; /* large ones are hashed here, while their bytes are at hand */
};

static int stopped(struct err *err)
{
	return err_set(err, ERR_CANCELLED, "stopped");
}

/* An unlinked file: it goes with the process, whatever happens. */
static int open_file(const char *dir, struct err *err)
{
	char *path = xasprintf("%s/member-XXXXXX", dir);
	int fd = mkostemp(path, O_CLOEXEC);

	if (fd == -1)
		err_errno(err, "create %s", path);
	else if (unlink(path) == -1) {
		err_errno(err, "unlink %s", path);
		close(fd);
		fd = -1;
	}
	free(path);
	return fd;
}

static int on_begin(void *arg, const char *path, int64_t size, struct err *err)
{
	struct worker *w = arg;

	w->parcel = relay_parcel(w->relay, path, size);
	w->done = 0;
	if (w->parcel == NULL)
		return stopped(err);
	if (w->parcel->bytes != NULL)
		return 0;
	w->digest = digest_new(DIGEST_SHA256);
	w->parcel->fd = open_file(w->conf.dir, err);
	return w->parcel->fd != -1 ? 0 : -1;
}

static int on_data(void *arg, const void *p, size_t n, struct err *err)
{
	struct worker *w = arg;

	assert(w->done + (int64_t)n <= w->parcel->size);
	if (w->parcel->bytes != NULL) {
		memcpy(w->parcel->bytes + w->done, p, n);
	} else {
		digest_update(w->digest, p, n);
		if (fs_write_all(w->parcel->fd, p, n, err) == -1)
			return err_wrap(err, "%s", w->conf.dir);
	}
	w->done += (int64_t)n;
	return 0;
}

static int on_end(void *arg, struct err *err)
{
	struct worker *w = arg;

	assert(w->done == w->parcel->size);
	if (w->digest != NULL)
		digest_final(w->digest, w->parcel->sha256);
	w->digest = NULL;
	relay_send(w->relay, w->parcel);
	w->parcel = NULL;
	return 0;
}

static const struct unpack_sink sink = {.begin = on_begin, .data = on_data, .end = on_end};

static int unpack_all(struct worker *w, struct unpack *u, struct err *err)
{
	const void *p;
	size_t n;
	int rc;

	while ((rc = relay_read(w->relay, &w->piece, &p, &n)) == 1)
		if (unpack_push(u, p, n, err) == -1)
			return -1;
	return rc == 0 ? unpack_finish(u, err) : stopped(err);
}

/* "fpi05_uao_20250429.tar.gz000003, in 'a.img': gzip: ..." */
static void name_place(struct worker *w, struct err *err)
{
	const char *piece = w->piece < w->conf.npieces ? w->conf.piece_names[w->piece] : "";
	char shown[MEMBER_NAME_SHOWN];

	if (err->class != ERR_BAD_DATA)
		return;
	if (w->parcel != NULL && strstr(err->text, "member '") == NULL)
		err_wrap(err, "%s, in member '%s'", piece, member_name_show(w->parcel->path, shown));
	else
		err_wrap(err, "%s", piece);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct unpack *u = unpack_new(w->conf.limits, w->conf.flatten, &sink, w);
	struct err err = ERR_INIT;
	int rc = unpack_all(w, u, &err);

	if (rc == -1)
		name_place(w, &err);
	relay_drop(w->relay, w->parcel);
	digest_free(w->digest);
	unpack_free(u);
	relay_end(w->relay, rc, &err);
	return NULL;
}

struct worker *worker_start(struct relay *relay, const struct worker_conf *conf, struct err *err)
{
	struct worker *w = xcalloc(1, sizeof(*w));
	sigset_t all, was;
	int rc;

	w->relay = relay;
	w->conf = *conf;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &was);
	rc = pthread_create(&w->thread, NULL, work, w);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
	if (rc == 0)
		return w;
	free(w);
	err_set(err, ERR_TRANSIENT, "start a thread: %s", strerror(rc));
	return NULL;
}

void worker_join(struct worker *w)
{
	if (w == NULL)
		return;
	pthread_join(w->thread, NULL);
	free(w);
}
