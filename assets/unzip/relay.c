#include "config.h"

#include "assets/unzip/relay.h"

#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Archive bytes on their way in. */
struct slice {
	struct slice *next;
	size_t piece, n;
	char bytes[];
};

struct relay {
	pthread_mutex_t lock;
	pthread_cond_t wake; /* the worker waits here */
	int fd;
	bool stopped, fed, ended;
	int rc;
	struct err err;

	struct slice *in, **in_tail, *reading;
	size_t in_bytes;
	struct parcel *out, **out_tail;
	int64_t out_cost; /* of all parcels that are not settled */
};

struct relay *relay_new(struct err *err)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct relay *r;

	if (fd == -1) {
		err_errno(err, "eventfd");
		return NULL;
	}
	r = xcalloc(1, sizeof(*r));
	r->fd = fd;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->wake, NULL);
	r->in_tail = &r->in;
	r->out_tail = &r->out;
	return r;
}

static void parcel_free(struct parcel *p)
{
	if (p->fd != -1)
		close(p->fd);
	free(p->bytes);
	free(p);
}

void relay_free(struct relay *r)
{
	struct slice *s;
	struct parcel *p;

	if (r == NULL)
		return;
	while ((s = r->in) != NULL) {
		r->in = s->next;
		free(s);
	}
	while ((p = r->out) != NULL) {
		r->out = p->next;
		parcel_free(p);
	}
	free(r->reading);
	close(r->fd);
	pthread_cond_destroy(&r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* Tell the loop that something changed; a full counter has told it already. */
static void tell(struct relay *r)
{
	uint64_t one = 1;

	while (write(r->fd, &one, sizeof(one)) == -1 && errno == EINTR)
		;
}

int relay_fd(const struct relay *r)
{
	return r->fd;
}

void relay_heard(struct relay *r)
{
	uint64_t n;

	while (read(r->fd, &n, sizeof(n)) == -1 && errno == EINTR)
		;
}

void relay_stop(struct relay *r)
{
	pthread_mutex_lock(&r->lock);
	r->stopped = true;
	pthread_cond_broadcast(&r->wake);
	pthread_mutex_unlock(&r->lock);
	tell(r);
}

/* ---- the loop's side */

bool relay_hungry(struct relay *r)
{
	pthread_mutex_lock(&r->lock);
	bool hungry = r->in_bytes < RELAY_FEED_MAX;
	pthread_mutex_unlock(&r->lock);
	return hungry;
}

void relay_feed(struct relay *r, size_t piece, const void *p, size_t n)
{
	struct slice *s = xmalloc(sizeof(*s) + n);

	s->next = NULL;
	s->piece = piece;
	s->n = n;
	memcpy(s->bytes, p, n);
	pthread_mutex_lock(&r->lock);
	*r->in_tail = s;
	r->in_tail = &s->next;
	r->in_bytes += n;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
}

void relay_feed_end(struct relay *r)
{
	pthread_mutex_lock(&r->lock);
	r->fed = true;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
}

struct parcel *relay_take(struct relay *r)
{
	pthread_mutex_lock(&r->lock);
	struct parcel *p = r->out;
	if (p != NULL && (r->out = p->next) == NULL)
		r->out_tail = &r->out;
	pthread_mutex_unlock(&r->lock);
	return p;
}

static void give_back(struct relay *r, struct parcel *p)
{
	pthread_mutex_lock(&r->lock);
	r->out_cost -= p->cost;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
	parcel_free(p);
}

void relay_settle(struct relay *r, struct parcel *p)
{
	give_back(r, p);
}

bool relay_ended(struct relay *r, int *rc, struct err *err)
{
	pthread_mutex_lock(&r->lock);
	bool ended = r->ended && (r->rc == -1 || r->out == NULL);
	if (ended) {
		*rc = r->rc;
		if (r->rc == -1)
			*err = r->err;
	}
	pthread_mutex_unlock(&r->lock);
	return ended;
}

/* ---- the worker's side */

int relay_read(struct relay *r, size_t *piece, const void **p, size_t *n)
{
	int rc = -1;

	free(r->reading);
	r->reading = NULL;
	pthread_mutex_lock(&r->lock);
	while (!r->stopped && r->in == NULL && !r->fed)
		pthread_cond_wait(&r->wake, &r->lock);
	if (!r->stopped && r->in != NULL) {
		r->reading = r->in;
		if ((r->in = r->in->next) == NULL)
			r->in_tail = &r->in;
		r->in_bytes -= r->reading->n;
		*piece = r->reading->piece;
		*p = r->reading->bytes;
		*n = r->reading->n;
		rc = 1;
	} else if (!r->stopped) {
		rc = 0;
	}
	pthread_mutex_unlock(&r->lock);
	tell(r);
	return rc;
}

struct parcel *relay_parcel(struct relay *r, const char *path, int64_t size)
{
	size_t n = strlen(path) + 1;
	struct parcel *p = xcalloc(1, sizeof(*p) + n);

	memcpy(p->path, path, n);
	p->size = size;
	p->fd = -1;
	/* What surrounds the bytes counts too: a million empty members must not pile up.  A large one travels alone. */
	p->cost = size <= RELAY_SMALL ? size + 4096 : RELAY_OUT_MAX;
	pthread_mutex_lock(&r->lock);
	while (!r->stopped && r->out_cost > 0 && r->out_cost + p->cost > RELAY_OUT_MAX)
		pthread_cond_wait(&r->wake, &r->lock);
	bool stopped = r->stopped;
	r->out_cost += p->cost;
	pthread_mutex_unlock(&r->lock);
	if (stopped) {
		relay_drop(r, p);
		return NULL;
	}
	if (size <= RELAY_SMALL)
		p->bytes = xmalloc((size_t)MAX(size, 1));
	return p;
}

void relay_send(struct relay *r, struct parcel *p)
{
	pthread_mutex_lock(&r->lock);
	p->next = NULL;
	*r->out_tail = p;
	r->out_tail = &p->next;
	pthread_mutex_unlock(&r->lock);
	tell(r);
}

void relay_drop(struct relay *r, struct parcel *p)
{
	if (p != NULL)
		give_back(r, p);
}

void relay_end(struct relay *r, int rc, const struct err *err)
{
	pthread_mutex_lock(&r->lock);
	r->ended = true;
	r->rc = rc;
	if (rc == -1)
		r->err = *err;
	pthread_mutex_unlock(&r->lock);
	tell(r);
}
