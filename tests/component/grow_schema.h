/* grow_schema.h: a component in two releases of its source; part of a test program. */
#ifndef GROW_SCHEMA_H
#define GROW_SCHEMA_H

#include "database/schema.h"

#define GROW_KEYS(...)              \
	(const struct schema_key[]) \
	{                           \
		__VA_ARGS__,        \
		{                   \
			0           \
		}                   \
	}

static const struct schema_table grow_a1 = {
    .name = "grow_a",
    .help = "first",
    .columns = (const struct schema_column[]){{"k", COL_TEXT, 20, 0, NULL, "key"},
        {"x", COL_INT, 0, 0, NULL, "x"}, {0}},
    .primary = {"k"},
};
static const struct schema_table grow_a3 = {
    .name = "grow_a",
    .help = "first",
    .columns =
        (const struct schema_column[]){{"k", COL_TEXT, 20, 0, NULL, "key"}, {"x", COL_INT, 0, 0, NULL, "x"},
            {"y", COL_DOUBLE, 0, 0, NULL, "y"}, {"at", COL_DATETIME_MS, 0, 0, NULL, "at"}, {0}},
    .primary = {"k"},
    .keys = GROW_KEYS({"grow_a_xy", {"x", "y"}, true}),
};
static const struct schema_table grow_b = {
    .name = "grow_b",
    .help = "second",
    .columns =
        (const struct schema_column[]){{"id", COL_ID, 0, 0, NULL, "id"}, {"n", COL_TEXT, 9, 0, NULL, "n"}, {0}},
    .primary = {"id"},
    .keys = GROW_KEYS({"grow_b_n", {"n"}, false}),
};
static const struct schema grow_v1 = {
    .component = "grow", .version = 1, .tables = (const struct schema_table *const[]){&grow_a1, NULL}};
static const struct schema grow_v3 = {
    .component = "grow",
    .version = 3,
    .tables = (const struct schema_table *const[]){&grow_a3, &grow_b, NULL},
    .steps = (const struct schema_step[]){{2, SCHEMA_ADD_TABLE, "grow_b", NULL},
        {2, SCHEMA_ADD_COLUMN, "grow_a", "y"}, {3, SCHEMA_ADD_COLUMN, "grow_a", "at"},
        {3, SCHEMA_ADD_KEY, "grow_a", "grow_a_xy"}, {0}},
};

#endif
