#include "config.h"

#include "query/column.h"

#include "query/query.h"

static json_t *text_of(const struct sql_row *row, int col)
{
	return json_text_new(sql_text(row, col));
}

json_t *column_document(const struct sql_row *row, int col)
{
	const char *text = sql_text(row, col);
	json_t *j = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;

	return j ? j : json_null();
}

static json_t *error_of(const struct sql_row *row, int class)
{
	if (sql_is_null(row, class) && sql_is_null(row, class + 2))
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "class", text_of(row, class), "code", text_of(row, class + 1),
	    "text", text_of(row, class + 2));
}

static json_t *value_of(const struct sql_row *row, int col, enum column_kind kind)
{
	if (row == NULL)
		return json_null();
	if (kind == COLUMN_ERROR)
		return error_of(row, col);
	if (sql_is_null(row, col))
		return json_null();
	switch (kind) {
	case COLUMN_TEXT: return text_of(row, col);
	case COLUMN_TIME: return query_time(sql_int(row, col));
	case COLUMN_INT: return json_integer(sql_int(row, col));
	case COLUMN_BOOL: return json_boolean(sql_int(row, col));
	case COLUMN_REAL: return json_real(sql_double(row, col));
	default: return column_document(row, col);
	}
}

int column_members(json_t *obj, const struct sql_row *row, int first, const struct column *columns)
{
	for (const struct column *c = columns; c->name != NULL; c++) {
		json_object_set_new(obj, c->name, value_of(row, first, c->kind));
		first += c->kind == COLUMN_ERROR ? 3 : 1;
	}
	return first;
}

json_t *column_object(const struct sql_row *row, const struct column *columns)
{
	json_t *obj = json_object();

	column_members(obj, row, 0, columns);
	return obj;
}

json_t *column_list(struct sql_row *row, const struct column *columns)
{
	json_t *list = json_array();

	while (sql_next(row))
		json_array_append_new(list, column_object(row, columns));
	sql_end(row);
	return list;
}
