#include "config.h"

#include "step/journal_msg.h"

#include "base/utctime.h"

#include <string.h>

#define PIPES_VERSION_KEY "__dagster_pipes_version"
#define PIPES_VERSION     "0.1"

/* Kinds that have a Pipes method; the rest are members of a custom message's payload under `name`. */
static const struct kind_row {
	const char *name;
	const char *method; /* NULL: payload member */
} kind_row[] = {
    [MSG_OPENED] = {"opened", "opened"},
    [MSG_CLOSED] = {"closed", "closed"},
    [MSG_LOG] = {"log", "log"},
    [MSG_MATERIALIZATION] = {"materialization", "report_asset_materialization"},
    [MSG_CHECK] = {"check", "report_asset_check"},
    [MSG_STREAM] = {"stream", "log_external_stream"},
    [MSG_PROGRESS] = {"progress", NULL},
    [MSG_WARNING] = {"warning", NULL},
    [MSG_EFFECT] = {"effect", NULL},
    [MSG_NO_DATA] = {"no_data", NULL},
    [MSG_AGAIN] = {"again", NULL},
    [MSG_CUSTOM] = {"custom", "report_custom_message"},
};
static_assert(NITEMS(kind_row) == MSG_NKINDS, "a row for every kind");

/* Python's names of log levels; anything else reads as info. */
static const struct {
	const char *name;
	enum log_level level;
} level_row[] = {
    {"DEBUG", LOG_DEBUG_},
    {"INFO", LOG_INFO_},
    {"WARNING", LOG_WARN_},
    {"ERROR", LOG_ERROR_},
    {"CRITICAL", LOG_ERROR_},
};

const char *msg_kind_name(enum msg_kind kind)
{
	return kind_row[kind].name;
}

static const char *level_name(enum log_level level)
{
	for (size_t i = 0; i < NITEMS(level_row); i++)
		if (level_row[i].level == level)
			return level_row[i].name;
	return "INFO";
}

static enum log_level level_parse(const char *name)
{
	for (size_t i = 0; i < NITEMS(level_row); i++)
		if (strcmp(level_row[i].name, name) == 0)
			return level_row[i].level;
	return LOG_INFO_;
}

json_t *msg_metadata_wrap(json_t *value)
{
	static const char *const type[] = {
	    [JSON_OBJECT] = "json",
	    [JSON_ARRAY] = "json",
	    [JSON_STRING] = "text",
	    [JSON_INTEGER] = "int",
	    [JSON_REAL] = "float",
	    [JSON_TRUE] = "bool",
	    [JSON_FALSE] = "bool",
	    [JSON_NULL] = "null",
	};
	json_t *wrapped = json_object();

	json_object_set_new(wrapped, "type", json_string(type[json_typeof(value)]));
	json_object_set_new(wrapped, "raw_value", value);
	return wrapped;
}

json_t *msg_metadata_value(json_t *wrapped)
{
	json_t *raw = json_object_get(wrapped, "raw_value");

	return raw ? raw : wrapped;
}

/* ---- writing */

static void set_text(json_t *obj, const char *key, const char *text)
{
	if (text != NULL)
		json_object_set_new(obj, key, json_text_new(text));
}

static void set_lent(json_t *obj, const char *key, const json_t *value)
{
	json_object_set(obj, key, value ? (json_t *)(uintptr_t)value : json_null());
}

static json_t *encode_params(const struct journal_msg *m)
{
	json_t *p = json_object(), *exception;
	char at[UTCTIME_MAX];

	switch (m->kind) {
	case MSG_OPENED: json_object_set_new(p, "extras", json_object()); break;
	case MSG_CLOSED:
		if (m->text == NULL)
			break;
		exception = json_object();
		set_text(exception, "message", m->text);
		json_object_set_new(exception, "stack", json_array());
		set_text(exception, "name", m->name);
		json_object_set_new(p, "exception", exception);
		break;
	case MSG_LOG:
		set_text(p, "message", m->text);
		set_text(p, "level", level_name(m->level));
		break;
	case MSG_MATERIALIZATION:
		set_text(p, "asset_key", m->name);
		json_object_set_new(p, "data_version", json_null());
		set_lent(p, "metadata", m->metadata);
		break;
	case MSG_CHECK:
		set_text(p, "asset_key", m->asset);
		set_text(p, "check_name", m->name);
		json_object_set_new(p, "passed", json_boolean(m->passed));
		set_text(p, "severity", m->level == LOG_ERROR_ ? "ERROR" : "WARN");
		set_lent(p, "metadata", m->metadata);
		break;
	case MSG_STREAM:
		set_text(p, "stream", m->name);
		set_text(p, "text", m->text);
		json_object_set_new(p, "extras", json_object());
		break;
	case MSG_PROGRESS:
		set_text(p, "what", m->name);
		json_object_set_new(p, "done", json_integer(m->done));
		json_object_set_new(p, "total", json_integer(m->total));
		break;
	case MSG_WARNING:
		set_text(p, "label", m->name);
		set_text(p, "text", m->text);
		break;
	case MSG_EFFECT:
		set_text(p, "verb", m->name);
		set_text(p, "what", m->text);
		json_object_set_new(p, "size", json_integer(m->done));
		set_text(p, "sha256", m->sha256);
		break;
	case MSG_NO_DATA: set_text(p, "text", m->text); break;
	case MSG_AGAIN:
		set_text(p, "at", utctime_format(m->done, at));
		set_text(p, "text", m->text);
		break;
	case MSG_CUSTOM: set_lent(p, "payload", m->metadata); break;
	case MSG_NKINDS: break;
	}
	return p;
}

int msg_encode(const struct journal_msg *m, struct strbuf *out)
{
	const struct kind_row *row = &kind_row[m->kind];
	struct strbuf line = STRBUF_INIT(JOURNAL_LINE_MAX);
	json_t *params = encode_params(m), *doc = json_object();
	int rc;

	if (row->method == NULL) {
		json_t *payload = json_object(), *custom = json_object();

		json_object_set_new(payload, row->name, params);
		json_object_set_new(custom, "payload", payload);
		params = custom;
	}
	json_object_set_new(doc, PIPES_VERSION_KEY, json_string(PIPES_VERSION));
	json_object_set_new(
	    doc, "method", json_string(row->method ? row->method : kind_row[MSG_CUSTOM].method));
	json_object_set_new(doc, "params", params);
	rc = json_write(doc, &line) == -1 || strbuf_addch(&line, '\n') == -1
	         ? -1
	         : strbuf_add(out, line.buf, line.len);
	json_decref(doc);
	strbuf_release(&line);
	return rc;
}

/* ---- reading */

static void decode_exception(const json_t *params, struct journal_msg *m)
{
	const json_t *exception = json_object_get(params, "exception");

	m->text =
	    json_str(exception, "message", json_is_object(exception) ? "an exception without message" : NULL);
	m->name = json_str(exception, "name", NULL);
}

static void decode_params(const json_t *p, struct journal_msg *m)
{
	switch (m->kind) {
	case MSG_OPENED:
	case MSG_NKINDS: break;
	case MSG_CLOSED: decode_exception(p, m); break;
	case MSG_LOG:
		m->text = json_str(p, "message", "");
		m->level = level_parse(json_str(p, "level", ""));
		break;
	case MSG_MATERIALIZATION:
		m->name = json_str(p, "asset_key", "");
		m->metadata = json_object_get(p, "metadata");
		break;
	case MSG_CHECK:
		m->asset = json_str(p, "asset_key", "");
		m->name = json_str(p, "check_name", "");
		m->passed = json_bool(p, "passed", false);
		m->level = strcmp(json_str(p, "severity", "ERROR"), "WARN") == 0 ? LOG_WARN_ : LOG_ERROR_;
		m->metadata = json_object_get(p, "metadata");
		break;
	case MSG_STREAM:
		m->name = json_str(p, "stream", "stdout");
		m->text = json_str(p, "text", "");
		break;
	case MSG_PROGRESS:
		m->name = json_str(p, "what", "");
		m->done = json_int(p, "done", 0);
		m->total = json_int(p, "total", 0);
		break;
	case MSG_WARNING:
		m->name = json_str(p, "label", "warning");
		m->text = json_str(p, "text", "");
		break;
	case MSG_EFFECT:
		m->name = json_str(p, "verb", "");
		m->text = json_str(p, "what", "");
		m->done = json_int(p, "size", 0);
		m->sha256 = json_str(p, "sha256", NULL);
		break;
	case MSG_NO_DATA: m->text = json_str(p, "text", ""); break;
	case MSG_AGAIN:
		if (utctime_parse(json_str(p, "at", ""), &m->done) == -1)
			m->done = 0;
		m->text = json_str(p, "text", "");
		break;
	case MSG_CUSTOM: m->metadata = p; break;
	}
	if ((m->kind == MSG_MATERIALIZATION || m->kind == MSG_CHECK) && !json_is_object(m->metadata))
		m->metadata = NULL;
}

/* Which of ours a custom message's payload is; *member becomes its content. */
static enum msg_kind payload_kind(const json_t *payload, const json_t **member)
{
	const json_t *v;

	*member = payload;
	if (json_object_size(payload) != 1)
		return MSG_CUSTOM;
	for (size_t i = 0; i < NITEMS(kind_row); i++)
		if (kind_row[i].method == NULL &&
		    json_is_object(v = json_object_get(payload, kind_row[i].name))) {
			*member = v;
			return (enum msg_kind)i;
		}
	return MSG_CUSTOM;
}

static int decode_document(struct journal_msg *m, struct err *err)
{
	const json_t *params = json_object_get(m->json, "params");
	const char *method = json_str(m->json, "method", NULL);

	if (json_str(m->json, PIPES_VERSION_KEY, NULL) == NULL || method == NULL)
		return err_code(err, ERR_BAD_DATA, "bad_message", "not a message: no version or no method");
	m->kind = MSG_NKINDS;
	for (size_t i = 0; i < NITEMS(kind_row); i++)
		if (kind_row[i].method != NULL && strcmp(kind_row[i].method, method) == 0)
			m->kind = (enum msg_kind)i;
	if (m->kind == MSG_NKINDS)
		m->kind = MSG_CUSTOM;
	else if (m->kind == MSG_CUSTOM)
		m->kind = payload_kind(json_object_get(params, "payload"), &params);
	decode_params(params, m);
	return 0;
}

/* The length of a word for a float that JSON has no number for, or 0. */
static size_t nonfinite_at(const char *s)
{
	static const char *const word[] = {"-Infinity", "Infinity", "NaN"};

	for (size_t w = 0; w < NITEMS(word); w++)
		if (strncmp(s, word[w], strlen(word[w])) == 0)
			return strlen(word[w]);
	return 0;
}

/*
 * Python's json module writes NaN, Infinity and -Infinity for such floats, which are not JSON.  A missing value is
 * what a night without a fit means by them.
 */
static void replace_nonfinite(const char *s, size_t n, struct strbuf *out)
{
	bool quoted = false;
	size_t word;

	for (size_t i = 0; i < n; i++) {
		if (!quoted && (word = nonfinite_at(s + i)) > 0) {
			strbuf_addstr(out, "null");
			i += word - 1;
			continue;
		}
		if (s[i] == '"')
			quoted = !quoted;
		strbuf_addch(out, s[i]);
		if (s[i] == '\\' && quoted && i + 1 < n)
			strbuf_addch(out, s[++i]);
	}
}

int msg_decode(const char *line, size_t n, struct journal_msg *out, struct err *err)
{
	struct journal_msg m = {0};

	m.json = json_parse(line, n, "journal", err);
	if (m.json == NULL) {
		struct strbuf fixed = STRBUF_INIT(JOURNAL_LINE_MAX);

		replace_nonfinite(line, n, &fixed);
		m.json = json_parse(fixed.buf, fixed.len, "journal", err);
		strbuf_release(&fixed);
	}
	if (m.json == NULL)
		return -1;
	if (decode_document(&m, err) == -1) {
		msg_release(&m);
		return -1;
	}
	*out = m;
	return 0;
}

void msg_release(struct journal_msg *msg)
{
	json_decref(msg->json);
	*msg = (struct journal_msg){0};
}
