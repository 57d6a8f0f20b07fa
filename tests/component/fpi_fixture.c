/* fpi_fixture.c */
#include "config.h"

#include "tests/tap.h"

#include "assets/fpi/folder.h"
#include "assets/fpi/sites.h"
#include "base/json.h"
#include "tests/component/fpi_fixture.h"

#include <archive.h>
#include <archive_entry.h>

enum { FILES_MAX = 512 };

static int on_read(void *arg, size_t i, struct strbuf *out, struct err *err)
{
	struct fixture *f = arg;
	int now = atomic_fetch_add(&f->reading, 1) + 1, most = atomic_load(&f->most), rc = 0;

	while (now > most && !atomic_compare_exchange_weak(&f->most, &most, now))
		continue;
	atomic_fetch_add(&f->files[i].reads, 1);
	if (i == f->fail_at)
		rc = err_code(err, ERR_TRANSIENT, "store_down", "get %s: connection refused", f->files[i].path);
	else
		strbuf_add(out, f->files[i].bytes, f->files[i].n);
	atomic_fetch_sub(&f->reading, 1);
	return rc;
}

static void refresh(struct fixture *f)
{
	for (size_t i = 0; i < f->source.n; i++)
		f->list[i] = (struct fpi_file){f->files[i].name, f->files[i].path, f->files[i].n};
	f->source.files = f->list;
	f->source.arg = f;
	f->source.read = on_read;
}

static void start(struct fixture *f)
{
	*f = (struct fixture){.fail_at = SIZE_MAX};
	f->files = xcalloc(FILES_MAX, sizeof(*f->files));
	f->list = xcalloc(FILES_MAX, sizeof(*f->list));
	f->source.concurrent = true;
}

static void add(struct fixture *f, const char *path, const char *bytes, size_t n)
{
	const char *slash = strrchr(path, '/');
	struct fixture_file *file = &f->files[f->source.n++];

	if (f->source.n > FILES_MAX)
		tap_bail("more than %d files in a fixture", FILES_MAX);
	file->path = xstrdup(path);
	file->name = xstrdup(slash != NULL ? slash + 1 : path);
	file->bytes = xmalloc(n + 1);
	memcpy(file->bytes, bytes, n);
	file->n = n;
}

void fixture_archive(struct fixture *f, const char *const *paths, size_t n)
{
	const char *names[16] = {NULL};
	struct archive *a = archive_read_new();
	struct archive_entry *e;

	start(f);
	for (size_t i = 0; i < n; i++)
		names[i] = paths[i];
	archive_read_support_filter_all(a);
	archive_read_support_format_tar(a);
	if (archive_read_open_filenames(a, names, 1 << 16) != ARCHIVE_OK)
		tap_bail("%s: %s", paths[0], archive_error_string(a));
	while (archive_read_next_header(a, &e) == ARCHIVE_OK) {
		size_t size = (size_t)archive_entry_size(e);
		char *bytes;

		if (archive_entry_filetype(e) != AE_IFREG)
			continue;
		bytes = xmalloc(size + 1);
		if (archive_read_data(a, bytes, size) != (la_ssize_t)size)
			tap_bail("%s: %s", archive_entry_pathname(e), archive_error_string(a));
		add(f, archive_entry_pathname(e), bytes, size);
		free(bytes);
	}
	archive_read_free(a);
	refresh(f);
}

void fixture_folder(struct fixture *f, const char *path, const char *prefix)
{
	struct err err = ERR_INIT;
	struct fpi_folder *folder = fpi_folder_open(&path, 1, &err);
	const struct fpi_source *src;

	if (folder == NULL)
		tap_bail("%s", err.text);
	src = fpi_folder_source(folder);
	start(f);
	for (size_t i = 0; i < src->n; i++) {
		struct strbuf bytes = STRBUF_INIT(FPI_FILE_MAX);

		if (strncmp(src->files[i].name, prefix, strlen(prefix)) != 0)
			continue;
		if (src->read(src->arg, i, &bytes, &err) == -1)
			tap_bail("%s", err.text);
		add(f, src->files[i].path, bytes.buf, bytes.len);
		strbuf_release(&bytes);
	}
	fpi_folder_free(folder);
	refresh(f);
}

static void file_release(struct fixture_file *file)
{
	free(file->name);
	free(file->path);
	free(file->bytes);
}

void fixture_release(struct fixture *f)
{
	for (size_t i = 0; i < f->source.n; i++)
		file_release(&f->files[i]);
	free(f->files);
	free(f->list);
}

size_t fixture_find(const struct fixture *f, const char *part_of_name)
{
	for (size_t i = 0; i < f->source.n; i++)
		if (strstr(f->files[i].name, part_of_name) != NULL)
			return i;
	tap_bail("no file %s in the fixture", part_of_name);
}

void fixture_drop(struct fixture *f, size_t i)
{
	file_release(&f->files[i]);
	for (size_t k = i; k + 1 < f->source.n; k++) {
		f->files[k].name = f->files[k + 1].name;
		f->files[k].path = f->files[k + 1].path;
		f->files[k].bytes = f->files[k + 1].bytes;
		f->files[k].n = f->files[k + 1].n;
	}
	f->source.n--;
	refresh(f);
}

void fixture_keep(struct fixture *f, const char *word, size_t n)
{
	for (size_t i = f->source.n; i-- > 0;)
		if (strstr(f->files[i].name, word) != NULL) {
			size_t before = 0;

			for (size_t k = 0; k < i; k++)
				before += strstr(f->files[k].name, word) != NULL;
			if (before >= n)
				fixture_drop(f, i);
		}
}

void fixture_patch_img(struct fixture *f, size_t i, int block, int offset, const void *value, size_t n)
{
	int16_t at;

	memcpy(&at, f->files[i].bytes + 16 + 4 * block, sizeof(at));
	memcpy(f->files[i].bytes + at + offset, value, n);
}

void fixture_setup(const char *instrument, const char *site, const char *yyyymmdd, struct fpi_setup *out)
{
	struct diags diags = DIAGS_INIT;
	struct err err = ERR_INIT;
	struct fpi_table *table = fpi_table_load(test_src("etc/sites-and-instruments.yaml"), &diags);
	struct civil date;

	if (table == NULL || utctime_parse_yyyymmdd(yyyymmdd, &date) == -1 ||
	    fpi_table_resolve(table, instrument, site, &date, out, &err) == -1)
		tap_bail("setup of %s: %s", instrument, err.text);
	fpi_table_free(table);
	diags_release(&diags);
}

json_t *fixture_json(const char *name)
{
	char path[256];
	struct strbuf text = STRBUF_INIT(8 << 20);
	struct err err = ERR_INIT;
	json_t *j = NULL;

	snprintf(path, sizeof(path), "tests/data/fpi/%s", name);
	if (fs_read(test_src(path), &text, &err) == 0)
		j = json_loadb(text.buf, text.len, 0, NULL);
	if (j == NULL)
		tap_bail("%s: not read as JSON %s", path, err.text);
	strbuf_release(&text);
	return j;
}
