/* night_stage.c: the same work on many frames in parallel, with progress, cancelling and the first failure. */
#include "config.h"

#include "assets/fpi/night_impl.h"
#include "assets/fpi/pool.h"

struct stage {
	struct fpi_night *night;
	const char *name;
	size_t total, done;
	stage_work *work;
	void *arg;
};

static bool stage_stop(void *arg)
{
	struct stage *s = arg;
	struct fpi_night *night = s->night;
	bool stop;

	pthread_mutex_lock(&night->lock);
	if (!night->cancelled && night->req.cancel != NULL)
		night->cancelled = night->req.cancel(night->req.arg);
	stop = night->cancelled || night->err.class != ERR_NONE;
	pthread_mutex_unlock(&night->lock);
	return stop;
}

static void stage_item(void *arg, size_t i, int worker)
{
	struct stage *s = arg;

	s->work(s->night, s->arg, i, worker);
	pthread_mutex_lock(&s->night->lock);
	s->done++;
	if (s->night->req.progress != NULL)
		s->night->req.progress(s->night->req.arg, s->name, s->done, s->total);
	pthread_mutex_unlock(&s->night->lock);
}

int stage_run(struct fpi_night *night, const char *name, size_t n, stage_work *work, void *arg, struct err *err)
{
	struct stage s = {.night = night, .name = name, .total = n, .work = work, .arg = arg};

	fpi_pool_run(n, night->req.options.threads, stage_item, stage_stop, &s);
	if (night->err.class != ERR_NONE) {
		if (err != NULL)
			*err = night->err;
		night->err = ERR_INIT;
		return -1;
	}
	return stage_cancelled(night, err);
}

void stage_fail(struct fpi_night *night, const struct err *err)
{
	pthread_mutex_lock(&night->lock);
	if (night->err.class == ERR_NONE)
		night->err = *err;
	pthread_mutex_unlock(&night->lock);
}

int stage_cancelled(struct fpi_night *night, struct err *err)
{
	if (!night->cancelled && night->req.cancel != NULL)
		night->cancelled = night->req.cancel(night->req.arg);
	if (night->cancelled)
		return err_set(
		    err, ERR_CANCELLED, "analysis of %s stopped on request", night->req.setup.instrument.name);
	return 0;
}
