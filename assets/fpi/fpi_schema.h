/* fpi_schema.h: the tables of the interferometer analysis. */
#ifndef FPI_SCHEMA_H
#define FPI_SCHEMA_H

#include "database/schema.h"

/* For db_migrate. */
extern const struct schema fpi_schema;

/*
 * One row per sky or laser exposure.  A reanalysis deletes the rows of its (instrument, line_tag, night) and writes the
 * new ones in the same transaction.  Numbers that are not finite become NULL.
 */
extern const struct schema_table fpi_sky_table, fpi_laser_table;
/*
 * The list of summary pictures that the web site of the network reads; it exists already where the network runs.  An
 * upsert knows a row by SummaryImage and changes only LogFile of an existing one.
 */
extern const struct schema_table fpi_dataset_table;

#endif
