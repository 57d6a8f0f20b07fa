/* notify.h: what a service manager wants to hear, over the datagram socket named by NOTIFY_SOCKET (sd_notify(3)). */
#ifndef NOTIFY_H
#define NOTIFY_H

#include "base/util.h"

/* Read NOTIFY_SOCKET and WATCHDOG_USEC once and take them out of the environment; without a manager all calls do nothing. */
void notify_open(void);
/* Lines as in sd_notify, "READY=1\nSTATUS=...". */
void notify_send(const char *fmt, ...) PRINTF(1, 2);
/* RELOADING=1 with the monotonic stamp that Type=notify-reload wants. */
void notify_reloading(void);
/* How often WATCHDOG=1 must be sent (half the manager's limit); 0: not wanted. */
tm_ms notify_watchdog_ms(void);

#endif
