#include "config.h"

#include "conf/conf_loader.h"

#include "base/fs.h"
#include "base/mem.h"
#include "conf/opt_text.h"

#include <stdlib.h>
#include <string.h>

static struct conf *conf_new(const char *path)
{
	struct conf *c = xcalloc(1, sizeof(*c));

	c->refs = 1;
	c->file = opt_path_absolute(NULL, path);
	c->dir = fs_dirname(c->file);
	return c;
}

static void loader_release(struct loader *l)
{
	conf_files_free(l);
	for (size_t k = 0; k < CONF_NKINDS; k++)
		free(l->decls[k].v);
	free(l->asset_decl);
	free(l->section_key);
}

struct conf *conf_load(const char *path, struct diags *diags)
{
	struct loader l = {.conf = conf_new(path), .diags = diags, .shown = path};
	size_t errors = diags->errors;
	struct conf *c = l.conf;

	conf_files_read(&l);
	conf_decls_gather(&l);
	conf_bind_objects(&l);
	if (l.whole) {
		conf_graph_make(&l);
		conf_jobs_resolve(&l);
		conf_check_all(&l);
	}
	loader_release(&l);
	if (diags->errors == errors)
		return c;
	conf_unref(c);
	return NULL;
}
