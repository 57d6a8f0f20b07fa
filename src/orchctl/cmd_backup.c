/* cmd_backup.c: a copy of the state, taken while the daemon works on. */
#include "config.h"

#include "orchctl/ctl.h"

#include "conf/conf.h"
#include "state/backup.h"

#include <stdio.h>

static int backup(struct ctl *ctl, struct err *err)
{
	const char *file = args_operand(&ctl->args, 0);
	struct strbuf size = STRBUF_INIT(100);
	int64_t bytes;

	if (state_backup(ctl->conf->state_dir, file, &bytes, err) == -1)
		return -1;
	if (ctl->json) {
		json_t *j = json_object();

		json_object_set_new(j, "schema", json_string("orchd/1"));
		json_object_set_new(j, "file", json_text_new(file));
		json_object_set_new(j, "bytes", json_integer(bytes));
		ctl_print_json(j);
		json_decref(j);
	} else if (!ctl->quiet) {
		text_size(&size, bytes);
		ctl_put(PAINT_NONE, file);
		printf(": %s, checked\n", size.buf);
	}
	strbuf_release(&size);
	return 0;
}

const struct cmd cmd_backup = {
    .noun = "backup",
    .operands = "FILE",
    .min_operands = 1,
    .max_operands = 1,
    .help = "a consistent copy of the state, also while the daemon runs",
    .more =
        "To restore it: stop the daemon, put the copy in place of state.db in the state directory (removing\n"
        "state.db-wal and state.db-shm there), and start the daemon.",
    .run = backup,
};
