/*
 * orch-step: runs the work of one built-in asset and writes its verdict.
 *
 *     orch-step DIR        DIR/context.json says what
 *
 * A crash in the work ends this process without a record, which the daemon takes as a failed attempt.
 */
#include "config.h"

#include "assets/runners.h"
#include "base/clock.h"
#include "base/environment.h"
#include "base/log.h"
#include "metric/health.h"
#include "metric/metric.h"
#include "step/lifeline.h"
#include "step/step_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* No core dumps and no reading of our memory by others: it holds secrets. */
static void harden(void)
{
	struct rlimit none = {0};

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}

/* Our own code says little there; what a library poured out beyond the limit is cut. */
static void cap_output(int fd, int64_t limit)
{
	struct stat st;

	fflush(NULL);
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > limit && ftruncate(fd, limit) == -1)
		log_warn("cannot cut the output: it stays %lld bytes", (long long)st.st_size);
}

static int run(const char *dir, struct err *err)
{
	struct exitrec rec = {.exit_code = -1, .signal = -1};
	const struct asset_runner *runner;
	const struct step_context *ctx;
	struct step *step;
	int rc;

	if ((step = step_open(dir, err)) == NULL)
		return -1;
	ctx = step_context(step);
	rec.attempt = ctx->attempt;
	rec.started = clock_now();
	if ((runner = asset_runner_find(ctx->type)) == NULL)
		err_code(
		    &rec.err, ERR_BUG, "no_runner", "this program has no work for asset type '%s'", ctx->type);
	else
		step_run(step, runner->type, runner->run, &rec);
	rec.ended = clock_now();
	exitrec_usage(&rec, RUSAGE_SELF);
	rec.counters = metric_export();
	rec.health = health_export();
	cap_output(1, ctx->log_bytes);
	cap_output(2, ctx->log_bytes);
	rc = exitrec_write(dir, &rec, err);
	exitrec_release(&rec);
	step_free(step);
	return rc;
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	char *dir;
	int received, rc = -1;

	if (argc != 2) {
		fputs("usage: orch-step DIR\n", stderr);
		return 2;
	}
	harden();
	step_catch_signals();
	setsid();
	log_open(LOG_INFO_);
	received = environment_receive(&err);
	if ((dir = realpath(argv[1], NULL)) == NULL)
		err_errno(&err, "%s", argv[1]);
	else if (lifeline_announce(dir, &err) == 0 && received == 0)
		rc = run(dir, &err);
	if (rc == -1)
		log_error("orch-step: %s", err.text);
	free(dir);
	environment_wipe();
	return rc == 0 ? 0 : 1;
}
