/* cmd_page.c: the status page as files, for mirrors. */
#include "config.h"

#include "orchctl/ctl.h"

#include "store/sync.h"
#include "web/export.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

#define DAYS_MAX      3660
#define DAYS_DEFAULT  63
#define RUNS_DEFAULT  200
#define RUNS_MAX      10000
#define PROGRESS_STEP 25

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	interrupted = 1;
}

static bool stop(void *arg)
{
	return interrupted != 0;
}

static void on_progress(int64_t files, void *arg)
{
	const struct ctl *ctl = arg;

	if (!ctl->json && !ctl->quiet && text_is_terminal() && files % PROGRESS_STEP == 0) {
		printf("\r%" PRId64 " files", files);
		fflush(stdout);
	}
}

static void tell(struct ctl *ctl, const struct web_export_result *r)
{
	struct strbuf size = STRBUF_INIT(100);

	text_size(&size, r->files.bytes);
	printf("%s", text_is_terminal() ? "\r" : "");
	ctl_put(PAINT_NONE, args_operand(&ctl->args, 0));
	printf(": %" PRId64 " files, %s, %" PRId64 " runs; %" PRId64 " written, %" PRId64 " removed\n",
	    r->files.files, size.buf, r->runs, r->files.written, r->files.removed);
	if (r->pictures_missing > 0)
		printf("%" PRId64 " pictures could not be read from their store\n", r->pictures_missing);
	strbuf_release(&size);
}

static void tell_json(struct ctl *ctl, const struct web_export_result *r)
{
	json_t *j = json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "schema", "orchd/1", "directory",
	    json_text_new(args_operand(&ctl->args, 0)), "files", (json_int_t)r->files.files, "bytes",
	    (json_int_t)r->files.bytes, "written", (json_int_t)r->files.written, "removed",
	    (json_int_t)r->files.removed, "runs", (json_int_t)r->runs, "pictures", (json_int_t)r->pictures,
	    "pictures_missing", (json_int_t)r->pictures_missing);

	ctl_print_json(j);
	json_decref(j);
}

static int page_export(struct ctl *ctl, struct err *err)
{
	struct web_export_opts opts = {.dir = args_operand(&ctl->args, 0),
	    .pictures = !args_has(&ctl->args, "no-pictures"),
	    .on_progress = on_progress,
	    .stop = stop,
	    .arg = ctl};
	struct web_export_result result;

	if (args_number(&ctl->args, "days", DAYS_DEFAULT, DAYS_MAX, &opts.days, err) == -1 ||
	    args_number(&ctl->args, "runs", RUNS_DEFAULT, RUNS_MAX, &opts.runs, err) == -1)
		return -1;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	store_sync_stop_when(stop, NULL);
	if (web_export(ctl->conf, &opts, &result, err) == -1)
		return -1;
	if (ctl->json)
		tell_json(ctl, &result);
	else if (!ctl->quiet)
		tell(ctl, &result);
	return result.pictures_missing > 0 ? 1 : 0;
}

static const struct arg_opt export_opts[] = {
    {"days", 0, ARG_VALUE, "N", "nights shown, back from the newest (63)"},
    {"runs", 0, ARG_VALUE, "N", "the newest runs, besides those of the nights shown (200)"},
    {"no-pictures", 0, ARG_FLAG, NULL, "leave out the pictures that runs have made"},
    ARG_END,
};
const struct cmd cmd_page_export = {
    .noun = "page",
    .verb = "export",
    .operands = "DIR",
    .min_operands = 1,
    .max_operands = 1,
    .opts = export_opts,
    .help = "the status page as files, for a public mirror",
    .more = "DIR is empty, a former export, or made. Only what changed is written, and what fell out of the "
            "window is\n"
            "removed; files of others stay. Links are relative: the files work below any address, and without "
            "a server.\n"
            "Exit code 1: some picture could not be read.",
    .run = page_export,
};
