/* process.h: the process_* families every Prometheus client has. */
#ifndef PROCESS_H
#define PROCESS_H

#include "web/exposition.h"

/* What the system does not tell is left out. */
void process_metrics(const struct exposition *);

#endif
