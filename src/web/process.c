#include "config.h"

#include "web/process.h"

#include "base/clock.h"
#include "base/fs.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void one(const struct exposition *x, const char *name, const char *unit, const char *help, double value)
{
	exposition_gauge(x, name, unit, help);
	exposition_sample(x, name, NULL, value);
}

static void cpu(const struct exposition *x)
{
	struct rusage ru;

	if (getrusage(RUSAGE_SELF, &ru) == -1)
		return;
	exposition_counter(x, "process_cpu_seconds", "seconds", "User and system time.");
	exposition_sample(x, "process_cpu_seconds_total", NULL,
	    (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) +
	        (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6);
}

/* "." and ".." and the descriptor that looks do not count. */
static void open_descriptors(const struct exposition *x)
{
	DIR *d = opendir("/proc/self/fd");
	int n = -3;

	if (d == NULL)
		return;
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	one(x, "process_open_fds", NULL, "Open descriptors.", n);
}

static void limit(const struct exposition *x, int what, const char *name, const char *unit, const char *help)
{
	struct rlimit rl;

	if (getrlimit((__rlimit_resource_t)what, &rl) == 0)
		one(x, name, unit, help, rl.rlim_cur == RLIM_INFINITY ? -1 : (double)rl.rlim_cur);
}

/* Fields of /proc/self/stat, counted from 1, behind the name in parentheses. */
static void memory_and_start(const struct exposition *x)
{
	struct strbuf text = STRBUF_INIT(65536);
	double field[25] = {0};
	char *p;

	if (fs_read("/proc/self/stat", &text, NULL) == 0 && (p = strrchr(text.buf, ')')) != NULL &&
	    strlen(p) > 4) {
		p += 4;
		for (int i = 4; i <= 24; i++)
			field[i] = strtod(p, &p);
	}
	strbuf_release(&text);
	if (field[24] == 0)
		return;
	one(x, "process_start_time_seconds", "seconds", "When the process started, since 1970.",
	    (double)(clock_now() - clock_boot()) / 1000 + field[22] / (double)sysconf(_SC_CLK_TCK));
	one(x, "process_virtual_memory_bytes", "bytes", "Address space.", field[23]);
	one(x, "process_resident_memory_bytes", "bytes", "Memory in use.",
	    field[24] * (double)sysconf(_SC_PAGESIZE));
}

void process_metrics(const struct exposition *x)
{
	cpu(x);
	open_descriptors(x);
	limit(x, RLIMIT_NOFILE, "process_max_fds", NULL, "Most descriptors it may open.");
	memory_and_start(x);
	limit(x, RLIMIT_AS, "process_virtual_memory_max_bytes", "bytes", "Most address space; -1: no limit.");
}
