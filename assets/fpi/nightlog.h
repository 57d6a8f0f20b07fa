/* nightlog.h: the log of one night and line, as people know it: "04/18/2026 01:18:17 AM: text", UTC. */
#ifndef FPI_NIGHTLOG_H
#define FPI_NIGHTLOG_H

#include "assets/fpi/result.h"
#include "base/strbuf.h"

/* Check out->overflowed. */
void fpi_nightlog_write(const struct fpi_result *, struct strbuf *out);

#endif
