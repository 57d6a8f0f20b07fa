/*
 * cmd_init.c: a runnable project in a new folder: objects in a folder, results in SQLite, no server needed.
 */
#include "config.h"

#include "orchctl/ctl.h"
#include "orchctl/project.h"

#include "base/fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int write_file(const char *dir, const struct project_file *f, struct err *err)
{
	char *path = fs_join(dir, f->name), *slash;
	int rc = 0;

	slash = strrchr(path, '/');
	*slash = '\0';
	rc = fs_mkdirs(path, 0755, err);
	*slash = '/';
	if (rc == 0 && fs_exists(path))
		rc = err_code(err, ERR_PERMANENT, "refused", "%s exists already", path);
	if (rc == 0)
		rc = fs_write_atomic(path, f->text, strlen(f->text), 0644, err);
	free(path);
	return rc;
}

/* orch.yaml comes last: a folder that has it is a project. */
static int write_project(const char *dir, struct err *err)
{
	char *store = fs_join(dir, "store");
	int rc = fs_mkdirs(store, 0755, err);

	for (const struct project_file *f = project_files; rc == 0 && f->name != NULL; f++)
		rc = write_file(dir, f, err);
	free(store);
	return rc;
}

static void tell(struct ctl *ctl, const char *dir, const char *file)
{
	struct strbuf clean = STRBUF_INIT(16384);

	text_clean(&clean, dir);
	if (ctl->json) {
		json_t *j = json_object();

		json_object_set_new(j, "schema", json_string("orchd/1"));
		json_object_set_new(j, "config_file", json_text_new(file));
		ctl_print_json(j);
		json_decref(j);
	} else if (!ctl->quiet) {
		printf("%s is a project now. Next:\n", clean.buf);
		printf("  cd %s\n  orchctl validate\n  orchctl assets graph\n  orchd\n", clean.buf);
	}
	strbuf_release(&clean);
}

static int init(struct ctl *ctl, struct err *err)
{
	const char *dir = args_operand(&ctl->args, 0);
	char *file = fs_join(dir, "orch.yaml");
	int rc = fs_exists(file) ? err_code(err, ERR_PERMANENT, "refused", "%s exists already", file)
	                         : write_project(dir, err);

	if (rc == 0)
		tell(ctl, dir, file);
	free(file);
	return rc;
}

const struct cmd cmd_init = {
    .noun = "init",
    .operands = "DIR",
    .min_operands = 1,
    .max_operands = 1,
    .flags = CMD_NO_CONF,
    .help = "write a runnable project that needs no server",
    .run = init,
};
