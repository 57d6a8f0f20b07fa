/* cmd_outbox.c: what is told to whom, and what could not be delivered yet. */
#include "config.h"

#include "orchctl/ctl.h"
#include "orchctl/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void put_notifications(const json_t *list)
{
	struct table *t = table_new("notification|type|>waiting|>delivered|>given up|oldest");
	struct strbuf sb = STRBUF_INIT(1000);
	json_t *n;
	size_t i;

	json_array_foreach(list, i, n)
	{
		table_cell(t, PAINT_NONE, json_str(n, "name", ""));
		table_cell(t, PAINT_NONE, json_str(n, "type", ""));
		table_cellf(t, "%" PRId64, json_int(n, "pending", 0));
		table_cellf(t, "%" PRId64, json_int(n, "sent", 0));
		table_cellf(t, "%" PRId64, json_int(n, "failed", 0));
		text_ago(&sb, json_object_get(n, "oldest_at"));
		table_take(t, &sb);
	}
	table_end(t, 0, "no notification is configured");
	strbuf_release(&sb);
}

static void show_outbox(struct ctl *ctl, const json_t *result)
{
	static const struct {
		const char *state;
		enum paint paint;
	} paints[] = {{"pending", PAINT_WARN}, {"sent", PAINT_GOOD}, {"failed", PAINT_BAD}};
	struct table *t = table_new(">id|to|what|about|state|>tries|written|error");
	struct strbuf sb = STRBUF_INIT(1000);
	json_t *row;
	size_t i;

	put_notifications(json_object_get(result, "notifications"));
	json_array_foreach(json_object_get(result, "rows"), i, row)
	{
		const char *state = json_str(row, "state", "");
		enum paint paint = PAINT_NONE;

		for (size_t k = 0; k < NITEMS(paints); k++)
			if (strcmp(paints[k].state, state) == 0)
				paint = paints[k].paint;
		table_cellf(t, "%" PRId64, json_int(row, "id", 0));
		table_cell(t, PAINT_NONE, json_str(row, "notification", ""));
		table_cell(t, PAINT_NONE, json_str(row, "kind", ""));
		table_cell(t, PAINT_NONE, json_str(row, "subject", ""));
		table_cell(t, paint, state);
		table_cellf(t, "%" PRId64, json_int(row, "attempts", 0));
		text_ago(&sb, json_object_get(row, "created_at"));
		table_take(t, &sb);
		table_cell(t, PAINT_NONE, json_str(json_object_get(row, "error"), "text", ""));
	}
	if (table_rows(t) > 0)
		putchar('\n');
	table_end(t, 0, NULL);
	strbuf_release(&sb);
}

static int outbox(struct ctl *ctl, struct err *err)
{
	static const char *const passed[] = {"state", NULL};
	json_t *args = json_object();
	int64_t limit;

	if (args_number(&ctl->args, "limit", 50, CTL_LIST_MAX, &limit, err) == -1) {
		json_decref(args);
		return -1;
	}
	json_object_set_new(args, "limit", json_integer(limit));
	ctl_pass_options(ctl, args, passed);
	return ctl_show(ctl, "outbox", args, show_outbox, err);
}

static const struct arg_opt outbox_opts[] = {
    {"state", 0, ARG_VALUE, "STATE", "only those pending, sent or failed"},
    {"limit", 'n', ARG_VALUE, "N", "at most so many, newest first (50)"},
    ARG_END,
};
const struct cmd cmd_outbox = {
    .noun = "outbox",
    .verb = "list",
    .flags = CMD_DEFAULT,
    .opts = outbox_opts,
    .help = "notifications: what was told, what waits, what was given up",
    .run = outbox,
};
