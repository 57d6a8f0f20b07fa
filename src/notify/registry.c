/* The notification types there are, in the order `orchctl types` shows them. */
#include "config.h"

#include "notify/sinks.h"

const struct sink_type *const sink_types[] = {
    &sink_command,
    &sink_email,
    &sink_github,
    &sink_webhook,
    NULL,
};
