#include "config.h"

#include "assets/fpi/products.h"

#include "assets/fpi/arrays.h"
#include "assets/fpi/h5out.h"
#include "assets/fpi/level1.h"
#include "assets/fpi/nightlog.h"
#include "assets/fpi/npz.h"
#include "assets/fpi/pictures.h"
#include "base/mem.h"

#define STEM_MAX      128
#define FILE_NAME_MAX 160
#define PRODUCTS_MAX  10
#define PRODUCT_MAX   ((size_t)512 << 20)

void fpi_stem(const struct fpi_setup *s, const char *tag, char out[STEM_MAX])
{
	size_t n;

	snprintf(out, STEM_MAX, "%s_%s_%04d%02d%02d", s->instrument.name, s->site.abbr, s->date.year % 10000,
	    s->date.month % 100, s->date.day % 100);
	if (strcmp(tag, "X") == 0)
		return;
	n = strlen(out);
	snprintf(out + n, STEM_MAX - n, "_%s", tag);
	for (char *p = out + n; *p != '\0'; p++)
		*p = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
}

void fpi_diagnostics_name(const struct fpi_setup *s, const char *tag, char out[FILE_NAME_MAX])
{
	char stem[STEM_MAX];

	fpi_stem(s, strchr(tag, 'G') != NULL ? "X" : tag, stem);
	snprintf(out, FILE_NAME_MAX, "%s_diagnostics.png", stem);
}

/* The name is taken over; the buffer is lent until the next call. */
static struct strbuf *add(struct fpi_products *p, enum fpi_place place, char *name, const char *content_type)
{
	struct fpi_product *x;

	if (p->v == NULL)
		p->v = xcalloc(PRODUCTS_MAX, sizeof(*p->v));
	assert(p->n < PRODUCTS_MAX);
	x = &p->v[p->n++];
	*x = (struct fpi_product){.place = place, .name = name, .content_type = content_type};
	strbuf_init(&x->bytes, PRODUCT_MAX);
	return &x->bytes;
}

static char *name_with(const struct fpi_result *r, const char *suffix)
{
	char stem[STEM_MAX];

	fpi_stem(&r->setup, r->tag, stem);
	return xasprintf("%s%s", stem, suffix);
}

static char *picture_name(const struct fpi_result *r, enum fpi_picture which)
{
	char name[FILE_NAME_MAX];

	if (which == FPI_PICTURE_TEMPERATURE)
		return name_with(r, "_temperature.png");
	if (which == FPI_PICTURE_WINDS)
		return name_with(r, "_winds.png");
	fpi_diagnostics_name(&r->setup, r->tag, name);
	return xstrdup(name);
}

static int make_containers(
    const struct fpi_result *r, const struct fpi_provenance *from, struct fpi_products *out, struct err *err)
{
	struct fpi_arrays arrays;
	int rc;

	fpi_arrays_make(r, from, &arrays);
	rc = fpi_h5_write(&arrays, add(out, FPI_PLACE_RESULTS, name_with(r, ".h5"), "application/x-hdf5"), err);
	if (rc == 0)
		rc = fpi_npz_write(
		    &arrays, add(out, FPI_PLACE_RESULTS, name_with(r, ".npz"), "application/zip"), err);
	fpi_arrays_release(&arrays);
	return rc;
}

static void drop_last(struct fpi_products *p)
{
	struct fpi_product *x = &p->v[--p->n];

	free(x->name);
	strbuf_release(&x->bytes);
}

static void make_pictures(const struct fpi_result *r, struct fpi_products *out)
{
	for (int i = 0; i < FPI_NPICTURES; i++) {
		enum fpi_picture which = (enum fpi_picture)i;
		char *name = picture_name(r, which);
		struct strbuf *png = add(out, FPI_PLACE_PICTURES, name, "image/png");
		struct err err = ERR_INIT;

		if (fpi_picture_draw(r, which, png, &err) == -1) {
			strvec_pushf(&out->failed, "%s could not be drawn: %s", name, err.text);
			drop_last(out);
		} else if (r->setup.instrument.send_to_madrigal && which != FPI_PICTURE_DIAGNOSTICS) {
			strbuf_add(
			    add(out, FPI_PLACE_MADRIGAL, xstrdup(name), "image/png"), png->buf, png->len);
		}
	}
}

static int make_text(const struct fpi_result *r, struct fpi_products *out, enum fpi_place place,
    const char *suffix, void (*write)(const struct fpi_result *, struct strbuf *), struct err *err)
{
	struct strbuf *sb = add(out, place, name_with(r, suffix), "text/plain; charset=utf-8");

	write(r, sb);
	return sb->overflowed ? err_set(err, ERR_BUG, "%s is too large", out->v[out->n - 1].name) : 0;
}

int fpi_products_make_log(
    const struct fpi_result *r, const char *suffix, struct fpi_products *out, struct err *err)
{
	*out = (struct fpi_products){0};
	if (make_text(r, out, FPI_PLACE_RESULTS, suffix, fpi_nightlog_write, err) == 0)
		return 0;
	fpi_products_release(out);
	return -1;
}

int fpi_products_make(
    const struct fpi_result *r, const struct fpi_provenance *from, struct fpi_products *out, struct err *err)
{
	*out = (struct fpi_products){0};
	if (make_containers(r, from, out, err) == -1 ||
	    make_text(r, out, FPI_PLACE_RESULTS, ".log", fpi_nightlog_write, err) == -1 ||
	    (r->setup.instrument.send_to_madrigal &&
	        make_text(r, out, FPI_PLACE_MADRIGAL, ".txt", fpi_level1_write, err) == -1)) {
		fpi_products_release(out);
		return -1;
	}
	make_pictures(r, out);
	return 0;
}

void fpi_products_release(struct fpi_products *p)
{
	while (p->n > 0)
		drop_last(p);
	free(p->v);
	strvec_release(&p->failed);
	*p = (struct fpi_products){0};
}
