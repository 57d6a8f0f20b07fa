#include "config.h"

#include "web/picture_fetch.h"

#include "base/mem.h"
#include "net/httpd.h"
#include "store/store.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define PICTURE_MAX ((size_t)16 << 20)
#define FETCHES_MAX 32 /* under way at once */

static const char png_signature[8] = "\x89PNG\r\n\x1a\n";

struct fetch {
	LIST_ENTRY(fetch) link;
	struct picture_fetches *all;
	struct httpd_request *req;
	struct store_op *op;
	struct strbuf bytes;
};

struct picture_fetches {
	LIST_HEAD(, fetch) open;
	size_t n;
};

static void fetch_free(struct fetch *f)
{
	LIST_REMOVE(f, link);
	f->all->n--;
	store_op_cancel(f->op);
	strbuf_release(&f->bytes);
	free(f);
}

static void on_fetch_gone(void *arg)
{
	fetch_free(arg);
}

static void on_picture_data(const void *p, size_t n, void *arg)
{
	struct fetch *f = arg;

	strbuf_add(&f->bytes, p, n);
}

static void on_picture(const struct err *err, void *arg)
{
	struct fetch *f = arg;
	struct httpd_answer a = {
	    .status = 200, .content_type = "image/png", .body = f->bytes.buf, .n = f->bytes.len};

	f->op = NULL;
	if (err != NULL)
		httpd_reply_error(
		    f->req, err_is(err, "not_found") ? 404 : 503, "the store did not give this picture");
	else if (f->bytes.overflowed)
		httpd_reply_error(f->req, 500, "the picture is larger than 16 MiB");
	else if (f->bytes.len < sizeof(png_signature) ||
	         memcmp(f->bytes.buf, png_signature, sizeof(png_signature)) != 0)
		httpd_reply_error(f->req, 404, "this object is not a PNG picture");
	else
		httpd_reply(f->req, &a);
	fetch_free(f);
}

void picture_fetch(struct picture_fetches *all, struct store *store, const char *key, struct httpd_request *req)
{
	static const struct store_get_cbs cbs = {.on_data = on_picture_data, .on_done = on_picture};
	struct fetch *f;

	if (all->n >= FETCHES_MAX) {
		httpd_reply_error(req, 503, "too many pictures at once");
		return;
	}
	f = xcalloc(1, sizeof(*f));
	f->all = all;
	f->req = req;
	f->bytes = STRBUF_INIT(PICTURE_MAX);
	LIST_INSERT_HEAD(&all->open, f, link);
	all->n++;
	httpd_on_gone(req, on_fetch_gone, f);
	f->op = store_get(store, key, NULL, 0, &cbs, f);
}

struct picture_fetches *picture_fetches_new(void)
{
	struct picture_fetches *all = xcalloc(1, sizeof(*all));

	LIST_INIT(&all->open);
	return all;
}

void picture_fetches_free(struct picture_fetches *all)
{
	struct fetch *f;

	while ((f = LIST_FIRST(&all->open)) != NULL) {
		httpd_on_gone(f->req, NULL, NULL);
		httpd_reply_error(f->req, 503, "the configuration is being read again");
		fetch_free(f);
	}
	free(all);
}
