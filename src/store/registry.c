/* The stores there are, in the order `orchctl types` shows them. */
#include "config.h"

#include "store/dir.h"

const struct store_type *const store_types[] = {
    &store_dir,
    NULL,
};
