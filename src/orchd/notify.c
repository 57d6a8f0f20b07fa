#include "config.h"

#include "orchd/notify.h"

#include "base/clock.h"
#include "base/strbuf.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static struct sockaddr_un addr;
static socklen_t addr_len;
static tm_ms watchdog_ms;

void notify_open(void)
{
	const char *path = getenv("NOTIFY_SOCKET"), *usec = getenv("WATCHDOG_USEC");
	size_t n = path ? strlen(path) : 0;

	if (n > 1 && n < sizeof(addr.sun_path) && (path[0] == '/' || path[0] == '@')) {
		addr.sun_family = AF_UNIX;
		memcpy(addr.sun_path, path, n);
		if (path[0] == '@')
			addr.sun_path[0] = '\0';
		addr_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	}
	if (usec != NULL)
		watchdog_ms = strtoll(usec, NULL, 10) / 2000;
	/* Steps must not speak in our name. */
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

void notify_send(const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT(4096);
	va_list ap;
	int fd;

	if (addr_len == 0)
		return;
	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd != -1) {
		/* A manager that does not listen is its own problem. */
		sendto(fd, text.buf, text.len, MSG_NOSIGNAL, (struct sockaddr *)&addr, addr_len);
		close(fd);
	}
	strbuf_release(&text);
}

void notify_reloading(void)
{
	notify_send("RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_mono_us());
}

tm_ms notify_watchdog_ms(void)
{
	return watchdog_ms;
}
