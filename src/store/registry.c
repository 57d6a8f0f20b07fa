/* The stores there are, in the order `orchctl types` shows them. */
#include "config.h"

#include "store/dir.h"
#include "store/s3.h"

const struct store_type *const store_types[] = {
    &store_dir,
    &store_s3,
    NULL,
};
