/* folder.c */
#include "config.h"

#include "assets/fpi/folder.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/strvec.h"

#include <dirent.h>
#include <sys/stat.h>

struct fpi_folder {
	struct strvec paths;
	struct fpi_file *files;
	struct fpi_source source;
};

static int folder_read(void *arg, size_t i, struct strbuf *out, struct err *err)
{
	const struct fpi_folder *f = arg;

	return fs_read(f->paths.v[i], out, err);
}

static int add_folder(struct fpi_folder *f, const char *path, struct err *err)
{
	DIR *dir = opendir(path);
	const struct dirent *e;

	if (dir == NULL)
		return err_errno(err, "open folder %s", path);
	while ((e = readdir(dir)) != NULL) {
		char *full = e->d_name[0] == '.' ? NULL : fs_join(path, e->d_name);
		struct stat st;

		if (full != NULL && stat(full, &st) == 0 && S_ISREG(st.st_mode))
			strvec_push(&f->paths, full);
		free(full);
	}
	closedir(dir);
	return 0;
}

static void list_files(struct fpi_folder *f)
{
	strvec_sort(&f->paths);
	f->files = xcalloc(f->paths.n + 1, sizeof(*f->files));
	for (size_t i = 0; i < f->paths.n; i++) {
		const char *slash = strrchr(f->paths.v[i], '/');
		struct stat st;

		f->files[i].path = f->paths.v[i];
		f->files[i].name = slash != NULL ? slash + 1 : f->paths.v[i];
		f->files[i].size = stat(f->paths.v[i], &st) == 0 ? (uint64_t)st.st_size : 0;
	}
	f->source = (struct fpi_source){
	    .files = f->files, .n = f->paths.n, .arg = f, .concurrent = true, .read = folder_read};
}

struct fpi_folder *fpi_folder_open(const char *const *paths, size_t n, struct err *err)
{
	struct fpi_folder *f = xcalloc(1, sizeof(*f));

	for (size_t i = 0; i < n; i++)
		if (add_folder(f, paths[i], err) == -1) {
			fpi_folder_free(f);
			return NULL;
		}
	list_files(f);
	return f;
}

void fpi_folder_free(struct fpi_folder *f)
{
	if (f == NULL)
		return;
	strvec_release(&f->paths);
	free(f->files);
	free(f);
}

const struct fpi_source *fpi_folder_source(const struct fpi_folder *f)
{
	return &f->source;
}
