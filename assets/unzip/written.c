#include "config.h"

#include "assets/unzip/written.h"

#include "base/fs.h"
#include "base/mem.h"

#include <fcntl.h>
#include <search.h>
#include <unistd.h>

#define FILE_NAME "written"
#define FILE_MAX  (64 << 20)

struct note {
	char *key;
	char etag[STORE_ETAG_MAX];
};

struct written {
	void *by_key;
	struct note **v;
	size_t n, cap;
	int fd;
};

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct note *)a)->key, ((const struct note *)b)->key);
}

static void keep_node(void *node)
{
}

static struct note *find(const struct written *w, const char *key)
{
	const struct note want = {.key = (char *)key};
	struct note *const *found = tfind(&want, &w->by_key, compare);

	return found != NULL ? *found : NULL;
}

static void remember(struct written *w, const char *key, const char *etag)
{
	struct note *n = find(w, key);

	if (n == NULL) {
		n = xcalloc(1, sizeof(*n));
		n->key = xstrdup(key);
		if (w->n == w->cap) {
			w->cap = w->cap > 0 ? 2 * w->cap : 64;
			w->v = xreallocarray(w->v, w->cap, sizeof(struct note *));
		}
		w->v[w->n++] = n;
		if (tsearch(n, &w->by_key, compare) == NULL)
			abort(); /* out of memory, as every small allocation */
	}
	snprintf(n->etag, sizeof(n->etag), "%s", etag);
}

/* Lines "etag key"; a torn last one is no note. */
static void load_lines(struct written *w, char *text)
{
	for (char *nl; (nl = strchr(text, '\n')) != NULL; text = nl + 1) {
		char *blank = strchr(text, ' ');

		*nl = '\0';
		if (blank == NULL || blank > nl)
			continue;
		*blank = '\0';
		remember(w, blank + 1, text);
	}
}

struct written *written_open(const char *ledger_dir, struct err *err)
{
	struct written *w = xcalloc(1, sizeof(*w));
	char *path = fs_join(ledger_dir, FILE_NAME);
	struct strbuf text = STRBUF_INIT(FILE_MAX);
	int rc = 0;

	w->fd = -1;
	if (fs_exists(path))
		rc = fs_read(path, &text, err);
	if (rc == 0) {
		bool torn = text.len > 0 && text.buf[text.len - 1] != '\n';

		load_lines(w, text.buf);
		w->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (w->fd == -1)
			rc = err_errno(err, "open %s", path);
		else if (torn)
			rc = fs_write_all(w->fd, "\n", 1, err);
	}
	strbuf_release(&text);
	free(path);
	if (rc == 0)
		return w;
	written_close(w);
	return NULL;
}

void written_close(struct written *w)
{
	if (w == NULL)
		return;
	tdestroy(w->by_key, keep_node);
	for (size_t i = 0; i < w->n; i++) {
		free(w->v[i]->key);
		free(w->v[i]);
	}
	free(w->v);
	if (w->fd != -1)
		close(w->fd);
	free(w);
}

int written_add(struct written *w, const char *key, const char *etag, struct err *err)
{
	char *line = xasprintf("%s %s\n", etag, key);
	int rc = fs_write_all(w->fd, line, strlen(line), err);

	free(line);
	remember(w, key, etag);
	return rc == -1 ? err_wrap(err, "note what was written") : 0;
}

bool written_has(const struct written *w, const char *key)
{
	return find(w, key) != NULL;
}

int64_t written_undo(struct written *w, struct store *st, struct err *err)
{
	int64_t n = 0;

	for (size_t i = 0; i < w->n; i++) {
		struct err why = ERR_INIT;

		if (store_sync_delete(st, w->v[i]->key, w->v[i]->etag, &why) == 0) {
			n++;
		} else if (!err_is(&why, "precondition")) {
			if (err != NULL)
				*err = why;
			return -1;
		}
	}
	return n;
}
