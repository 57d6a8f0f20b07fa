#include "config.h"

#include "control/protocol.h"

json_t *protocol_error_json(const struct err *err)
{
	return json_pack("{s:s, s:s, s:o}", "class", err_class_name(err->class), "code", err->code, "text",
	    json_text_new(err->text));
}

void protocol_error_parse(const json_t *obj, struct err *err)
{
	err_code(err, err_class_parse(json_str(obj, "class", "bug")), json_str(obj, "code", ""), "%s",
	    json_str(obj, "text", "an error without text"));
}

/* Nesting of brackets outside of texts: refused before the parser builds anything. */
static bool too_deep(const char *line, size_t n)
{
	int depth = 0;
	bool in_text = false;

	for (size_t i = 0; i < n; i++) {
		if (in_text) {
			if (line[i] == '\\')
				i++;
			else if (line[i] == '"')
				in_text = false;
		} else if (line[i] == '"') {
			in_text = true;
		} else if (line[i] == '{' || line[i] == '[') {
			if (++depth > PROTOCOL_DEPTH_MAX)
				return true;
		} else if (line[i] == '}' || line[i] == ']') {
			depth--;
		}
	}
	return false;
}

json_t *protocol_parse_request(const char *line, size_t n, struct err *err)
{
	json_t *req = NULL;

	if (too_deep(line, n)) {
		err_set(err, ERR_USAGE, "request: deeper than %d levels", PROTOCOL_DEPTH_MAX);
		return NULL;
	}
	if ((req = json_parse(line, n, "request", err)) == NULL) {
		err->class = ERR_USAGE;
		return NULL;
	}
	if (!json_is_object(req) || !json_is_string(json_object_get(req, "cmd")) ||
	    !json_is_integer(json_object_get(req, "id")) ||
	    (json_object_get(req, "args") != NULL && !json_is_object(json_object_get(req, "args")))) {
		err_set(err, ERR_USAGE,
		    "request: an object with \"id\" (integer), \"cmd\" (text) and \"args\" (object)");
		json_decref(req);
		return NULL;
	}
	return req;
}
