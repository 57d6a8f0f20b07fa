/* night_files.c: reading the frames of a night, each file once. */
#include "config.h"

#include "assets/fpi/night_impl.h"
#include "assets/fpi/select.h"
#include "base/mem.h"

#define PIXEL_BYTES_MAX ((size_t)2 << 30)

static int fetch(struct fpi_night *night, const struct shot *s, struct strbuf *bytes, struct err *err)
{
	const struct fpi_source *src = night->req.images;
	int rc;

	if (src->files[s->file].size > FPI_FILE_MAX)
		return fpi_image_bad(err, "%llu bytes; no image is larger than %zu",
		    (unsigned long long)src->files[s->file].size, FPI_FILE_MAX);
	if (!src->concurrent)
		pthread_mutex_lock(&night->reading);
	rc = src->read(src->arg, s->file, bytes, err);
	if (!src->concurrent)
		pthread_mutex_unlock(&night->reading);
	return rc;
}

/* A file that is damaged is that file's trouble; one that cannot be fetched is the night's. */
static void shot_read(struct fpi_night *night, void *arg, size_t i, int worker)
{
	const struct shot_list *list = arg;
	struct shot *s = &night->shots[list->v[i]];
	struct strbuf bytes = STRBUF_INIT(FPI_FILE_MAX);
	struct err err = ERR_INIT;
	struct fpi_frame *f = &s->image.frame;

	(void)worker;
	s->state = SHOT_BAD;
	if (fetch(night, s, &bytes, &err) == 0 &&
	    fpi_image_decode(
	        s->name, bytes.buf, bytes.len, night->req.options.use_header_binning, &s->image, &err) == 0) {
		int64_t whole_s = f->local_us / 1000000;

		f->utc_us = f->local_us + (tz_to_utc(night->tz, whole_s) - whole_s) * 1000000;
		s->state = SHOT_READ;
		if (f->utc_us <= night->start_us || f->utc_us >= night->end_us) {
			s->state = SHOT_OUTSIDE;
			fpi_pixels_release(&s->image.px);
		}
	} else if (err.class == ERR_BAD_DATA) {
		s->trouble = xstrdup(err.text);
	} else {
		err_wrap(&err, "%s", s->path);
		stage_fail(night, &err);
	}
	strbuf_release(&bytes);
}

static size_t pixel_bytes(const struct fpi_night *night)
{
	size_t sum = 0;

	for (size_t i = 0; i < night->nshots; i++) {
		const struct fpi_pixels *px = &night->shots[i].image.px;

		if (px->u16 != NULL || px->f64 != NULL)
			sum += (size_t)px->width * (size_t)px->height * (px->u16 != NULL ? 2 : 8);
	}
	return sum;
}

/* Reads in portions, so that the limit on memory is noticed in time. */
static int read_shots(struct fpi_night *night, struct shot_list *list, struct err *err)
{
	enum { PORTION = 256 };

	for (size_t at = 0; at < list->n; at += PORTION) {
		struct shot_list some = {list->v + at, MIN(list->n - at, (size_t)PORTION)};

		if (stage_run(night, "read", some.n, shot_read, &some, err) == -1)
			return -1;
		if (pixel_bytes(night) > PIXEL_BYTES_MAX)
			return err_code(err, ERR_BAD_DATA, "too_large",
			    "the images of the night need more than %zu MiB", PIXEL_BYTES_MAX >> 20);
	}
	return 0;
}

static void list_add(struct shot_list *l, size_t shot)
{
	if ((l->n & (l->n - 1)) == 0)
		l->v = xreallocarray(l->v, l->n == 0 ? 1 : l->n * 2, sizeof(*l->v));
	l->v[l->n++] = shot;
}

void shot_list_release(struct shot_list *l)
{
	free(l->v);
	*l = (struct shot_list){0};
}

int night_shots(struct fpi_night *night, const char *kind, struct shot_list *out, struct err *err)
{
	struct shot_list unread = {0};
	int rc;

	*out = (struct shot_list){0};
	for (size_t i = 0; i < night->nshots; i++)
		if (night->shots[i].state == SHOT_UNREAD && fpi_name_is(night->shots[i].name, kind))
			list_add(&unread, i);
	rc = read_shots(night, &unread, err);
	shot_list_release(&unread);
	for (size_t i = 0; i < night->nshots && rc == 0; i++)
		if (night->shots[i].state == SHOT_READ && fpi_name_is(night->shots[i].name, kind))
			list_add(out, i);
	return rc;
}

void night_note_bad(const struct fpi_night *night, const char *kind, struct fpi_notes *notes)
{
	const struct shot *first = NULL;
	size_t count = 0;

	for (size_t i = 0; i < night->nshots; i++) {
		const struct shot *s = &night->shots[i];

		if (s->state != SHOT_BAD || !fpi_name_is(s->name, kind))
			continue;
		fpi_note(notes, "%s cannot be read: %s. Ignoring this image...", s->path, s->trouble);
		first = first == NULL ? s : first;
		count++;
	}
	if (count > 0)
		fpi_note_warning(notes, "warning:bad_image",
		    "%zu image%s ignored because of damage; the first: %s: %s", count, count == 1 ? "" : "s",
		    first->name, first->trouble);
}

void shot_frame(const struct shot *s, struct fpi_frame *out)
{
	*out = s->image.frame;
	out->name = xstrdup(s->name);
	out->path = xstrdup(s->path);
}
