/* night_impl.h: what the parts of the night driver share. */
#ifndef FPI_NIGHT_IMPL_H
#define FPI_NIGHT_IMPL_H

#include "assets/fpi/center.h"
#include "assets/fpi/night.h"
#include "assets/fpi/notes.h"
#include "assets/fpi/sunmoon.h"
#include "base/tz.h"

#include <pthread.h>

enum shot_state { SHOT_UNREAD, SHOT_READ, SHOT_BAD, SHOT_OUTSIDE /* of the night's window; pixels dropped */ };

/* One candidate file. */
struct shot {
	size_t file; /* in the source */
	const char *name, *path;
	enum shot_state state;
	struct fpi_image image;
	char *trouble; /* SHOT_BAD: why */
	struct fpi_ring_center center; /* of a laser frame, once has_center */
	bool has_center;
};

/* Shots by number, in order of their paths. */
struct shot_list {
	size_t *v, n;
};

/* Everything the laser frames of one list gave. */
struct laser_work {
	struct shot_list asked; /* the frames between sunset and sunrise it was made from */
	struct fpi_notes notes;
	char *trouble; /* NULL: fine; else why the lasers are bad */
	struct fpi_center_curve curve;
	struct fpi_laser *laser; /* in time order */
	size_t nlaser;
};

struct fpi_night {
	struct fpi_request req;
	struct place place;
	struct tz *tz;
	int64_t start_us, end_us; /* window */
	struct shot *shots;
	size_t nshots;
	struct laser_work *lasers; /* the last one made */
	pthread_mutex_t lock; /* callbacks and err */
	pthread_mutex_t reading; /* held while a source that is not concurrent reads */
	struct err err; /* first failure of a parallel stage */
	bool cancelled;
};

/* Run item(arg, i, worker) for i < n in parallel with progress and cancel; -1 with the night's error. */
typedef void stage_work(struct fpi_night *, void *arg, size_t i, int worker);
int stage_run(struct fpi_night *, const char *name, size_t n, stage_work *work, void *arg, struct err *err);
/* For workers: keep the first failure. */
void stage_fail(struct fpi_night *, const struct err *err);
/* Between stages and in loops that are not parallel. */
int stage_cancelled(struct fpi_night *, struct err *err);

/* Shots of a kind in the night's window, read on first use. */
int night_shots(struct fpi_night *, const char *kind, struct shot_list *out, struct err *err);
/* One log line and one warning for the bad ones of a kind. */
void night_note_bad(const struct fpi_night *, const char *kind, struct fpi_notes *notes);
void shot_list_release(struct shot_list *);
/* Copy the header; name and path become the frame's own. */
void shot_frame(const struct shot *, struct fpi_frame *out);

/* Laser frames within the sun's limits -> centres, sums, fits.  The result belongs to the night; bad lasers are in ->trouble. */
int night_lasers(
    struct fpi_night *, int64_t sunset_us, int64_t sunrise_us, struct laser_work **out, struct err *err);
void laser_work_free(struct laser_work *);
void laser_copy(const struct fpi_laser *from, struct fpi_laser *to);

#endif
