/*
 * cut_proxy.h: a TCP proxy in front of a MySQL server that cuts one connection at a chosen instant around COMMIT.
 *
 * It runs in processes of its own and dies with the test program.  A cut happens once; the connections after it pass.
 */
#ifndef CUT_PROXY_H
#define CUT_PROXY_H

#include "base/util.h"

enum cut {
	CUT_NONE,
	CUT_BEFORE_COMMIT, /* COMMIT does not reach the server */
	CUT_INSIDE_COMMIT, /* only the first bytes of it do */
	CUT_WITH_COMMIT, /* it is sent, and both sides are closed at once */
	CUT_AFTER_COMMIT, /* it is answered, but the answer does not reach the client */
	CUT_COMMIT_LATE, /* the client's side is closed; COMMIT reaches the server some time later */
	CUT_COMMIT_DROPPED, /* the client's side is closed; the server's some time later, without COMMIT */
	CUT_ANYWHERE, /* after so many bytes, in both directions together */
	CUT_NKINDS
};
extern const char *const cut_names[];

/* Listen on a port of `address` (127.x.y.z) and pass everything to 127.0.0.1:to_port; returns the port. */
int cut_proxy_start(const char *address, int to_port);
/* Cut the next COMMIT like this; bytes is for CUT_ANYWHERE, late_ms for the two late ones. */
void cut_proxy_set(enum cut kind, int64_t bytes, int late_ms);
#endif
