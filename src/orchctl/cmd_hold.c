/* cmd_hold.c: keeping a partition's raw data, and letting go of it. */
#include "config.h"

#include "orchctl/ctl.h"
#include "orchctl/table.h"

#include <inttypes.h>
#include <stdio.h>

static void show_holds(struct ctl *ctl, const json_t *result)
{
	struct table *t = table_new("partition|since|by|reason");
	struct strbuf sb = STRBUF_INIT(1000);
	json_t *hold;
	size_t i;

	json_array_foreach(json_object_get(result, "holds"), i, hold)
	{
		table_cell(t, PAINT_NONE, json_str(hold, "partition", ""));
		text_ago(&sb, json_object_get(hold, "at"));
		table_take(t, &sb);
		table_cell(t, PAINT_NONE, json_str(hold, "who", NULL));
		table_cell(t, PAINT_NONE, json_str(hold, "reason", ""));
	}
	table_end(t, 0, "nothing is on hold");
	strbuf_release(&sb);
}

static void show_held(struct ctl *ctl, const json_t *result)
{
	if (ctl->quiet)
		return;
	ctl_put(PAINT_NONE, json_str(result, "partition", ""));
	puts(" is on hold: nothing of it will be deleted");
}

static int hold(struct ctl *ctl, struct err *err)
{
	static const char *const passed[] = {"reason", NULL};
	const char *partition = args_operand(&ctl->args, 0);
	json_t *args;

	if (partition == NULL)
		return ctl_show(ctl, "holds", NULL, show_holds, err);
	args = json_object();
	json_object_set_new(args, "partition", json_text_new(partition));
	ctl_pass_options(ctl, args, passed);
	return ctl_show(ctl, "hold", args, show_held, err);
}

static const struct arg_opt hold_opts[] = {
    {"reason", 'r', ARG_VALUE, "TEXT", "why, for those who wonder later"},
    ARG_END,
};
const struct cmd cmd_hold = {
    .noun = "hold",
    .operands = "[PARTITION]",
    .max_operands = 1,
    .opts = hold_opts,
    .help = "keep the raw data of a partition (and those below it); alone: list holds",
    .run = hold,
};

static void show_released(struct ctl *ctl, const json_t *result)
{
	json_t *run;
	size_t i;

	if (ctl->quiet)
		return;
	ctl_put(PAINT_NONE, json_str(result, "partition", ""));
	puts(" is released");
	json_array_foreach(json_object_get(result, "runs"), i, run)
	    printf("  run %" PRId64 " takes up the clean-up\n", (int64_t)json_integer_value(run));
}

static int release(struct ctl *ctl, struct err *err)
{
	json_t *args = json_object();

	json_object_set_new(args, "partition", json_text_new(args_operand(&ctl->args, 0)));
	return ctl_show(ctl, "release", args, show_released, err);
}

const struct cmd cmd_release = {
    .noun = "release",
    .operands = "PARTITION",
    .min_operands = 1,
    .max_operands = 1,
    .help = "lift a hold; clean-ups it stopped go on",
    .run = release,
};
