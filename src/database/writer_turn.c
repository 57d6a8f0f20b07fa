#include "config.h"

#include "database/writer_turn.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/mem.h"

#include <unistd.h>

#define FIRST_WAIT_US 500
#define LAST_WAIT_US  20000

void writer_turn_init(struct writer_turn *turn, const char *path)
{
	turn->path = xasprintf("%s-writer", path);
	turn->fd = -1;
}

void writer_turn_release(struct writer_turn *turn)
{
	writer_turn_give(turn);
	free(turn->path);
	turn->path = NULL;
}

int writer_turn_take(struct writer_turn *turn, tm_ms patience, struct err *err)
{
	tm_ms deadline = clock_mono() + patience;
	useconds_t wait_us = FIRST_WAIT_US;
	struct err local = ERR_INIT;

	assert(turn->fd == -1);
	while ((turn->fd = fs_lock(turn->path, &local)) == -1) {
		if (!err_is(&local, "locked"))
			return err_code(err, local.class, local.code, "%s", local.text);
		if (clock_mono() >= deadline)
			return err_code(err, ERR_TRANSIENT, "busy",
			    "another process has been writing for %lld ms", (long long)patience);
		usleep(wait_us);
		wait_us = MIN(wait_us * 2, LAST_WAIT_US);
	}
	return 0;
}

void writer_turn_give(struct writer_turn *turn)
{
	if (turn->fd != -1)
		close(turn->fd);
	turn->fd = -1;
}
