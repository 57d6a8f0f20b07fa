#include "config.h"

#include "step/context.h"

#include "base/fs.h"
#include "step/attempt_dir.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum member_kind { TEXT, INT, BOOL, MAP, LIST };

/* Absent members take what a zeroed struct holds, an empty text or an empty mapping, unless they are required. */
static const struct member {
	const char *name;
	enum member_kind kind;
	size_t off;
	bool required;
	bool nullable; /* a text that may be NULL */
	int64_t min, max, def;
} members[] = {
#define M(m, k, ...)                                                                          \
	{                                                                                     \
		.name = #m, .kind = (k), .off = offsetof(struct step_context, m), __VA_ARGS__ \
	}
    M(run, TEXT, .required = true),
    M(run_uid, TEXT, .required = true),
    M(job, TEXT),
    M(asset, TEXT, .required = true),
    M(type, TEXT, .required = true),
    M(attempt, INT, .required = true, .min = 1, .max = 1000000),
    M(epoch, INT, .max = INT64_MAX),
    M(code_version, TEXT, .nullable = true),
    M(partition, TEXT),
    M(dry_run, BOOL),
    M(hold, TEXT, .nullable = true),
    M(options, MAP),
    M(config, MAP),
    M(tags, MAP),
    M(deps, LIST),
    M(upstream, MAP),
    M(stores, MAP),
    M(databases, MAP),
    M(sections, MAP),
    M(ledger, TEXT, .required = true),
    M(work, TEXT, .required = true),
    M(log_bytes, INT, .max = INT64_C(1) << 40, .def = 1 << 20),
    M(grace_ms, INT, .max = 86400000, .def = 10000),
#undef M
};

static void *field(const struct step_context *ctx, const struct member *m)
{
	return (char *)(uintptr_t)ctx + m->off;
}

static int wrong(const struct member *m, const char *want, struct err *err)
{
	return err_code(err, ERR_BAD_DATA, "bad_context", "member \"%s\": %s wanted", m->name, want);
}

/* An absent mapping becomes an empty one in the document, so that one owner frees everything. */
static const json_t *container_of(json_t *doc, const struct member *m, const json_t *v)
{
	json_t *empty;

	if (v != NULL)
		return v;
	empty = m->kind == MAP ? json_object() : json_array();
	json_object_set_new(doc, m->name, empty);
	return empty;
}

static int read_member(json_t *doc, const struct member *m, struct step_context *ctx, struct err *err)
{
	const json_t *v = json_object_get(doc, m->name);
	void *to = field(ctx, m);

	if (json_is_null(v))
		v = NULL;
	if (v == NULL && m->required)
		return err_code(err, ERR_BAD_DATA, "bad_context", "member \"%s\" is missing", m->name);
	switch (m->kind) {
	case TEXT:
		if (v != NULL && (!json_is_string(v) || (m->required && json_string_length(v) == 0)))
			return wrong(m, "a text", err);
		*(const char **)to = v ? json_string_value(v) : m->nullable ? NULL : "";
		break;
	case INT:
		if (v != NULL &&
		    (!json_is_integer(v) || json_integer_value(v) < m->min || json_integer_value(v) > m->max))
			return wrong(m, "a whole number within its limits", err);
		*(int64_t *)to = v ? json_integer_value(v) : m->def;
		break;
	case BOOL:
		if (v != NULL && !json_is_boolean(v))
			return wrong(m, "true or false", err);
		*(bool *)to = json_is_true(v);
		break;
	case MAP:
		if (v != NULL && !json_is_object(v))
			return wrong(m, "a mapping", err);
		*(const json_t **)to = container_of(doc, m, v);
		break;
	case LIST:
		if (v != NULL && !json_is_array(v))
			return wrong(m, "a list", err);
		*(const json_t **)to = container_of(doc, m, v);
		break;
	}
	return 0;
}

static int read_all(json_t *doc, struct step_context *ctx, struct err *err)
{
	const char *schema = json_str(doc, "schema", "");

	if (strcmp(schema, CONTEXT_SCHEMA) != 0)
		return err_code(err, ERR_BAD_DATA, "bad_context", "schema is \"%.40s\", not \"%s\"", schema,
		    CONTEXT_SCHEMA);
	for (size_t i = 0; i < NITEMS(members); i++)
		if (read_member(doc, &members[i], ctx, err) == -1)
			return -1;
	return 0;
}

int context_load(const char *dir, struct step_context *ctx, struct err *err)
{
	char *path = fs_join(dir, ATTEMPT_CONTEXT);
	struct strbuf text = STRBUF_INIT(CONTEXT_MAX_BYTES);
	struct step_context got = {0};
	int rc = -1;

	if (fs_read(path, &text, err) == -1 || (got.json = json_parse(text.buf, text.len, path, err)) == NULL)
		goto out;
	if (read_all(got.json, &got, err) == -1) {
		err_wrap(err, "%s", path);
		context_release(&got);
		goto out;
	}
	*ctx = got;
	rc = 0;
out:
	strbuf_release(&text);
	free(path);
	return rc;
}

static json_t *member_json(const struct step_context *ctx, const struct member *m)
{
	const void *from = field(ctx, m);
	json_t *value = NULL;

	switch (m->kind) {
	case TEXT: return *(const char *const *)from ? json_text_new(*(const char *const *)from) : NULL;
	case INT: return json_integer(*(const int64_t *)from);
	case BOOL: return json_boolean(*(const bool *)from);
	case MAP:
	case LIST: value = *(json_t *const *)from; break;
	}
	return value ? json_incref(value) : m->kind == MAP ? json_object() : json_array();
}

static int write_plain(const char *path, const struct strbuf *text, struct err *err)
{
	int rc = 0, fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd == -1)
		return err_errno(err, "create %s", path);
	if (fs_write_all(fd, text->buf, text->len, err) == -1)
		rc = err_wrap(err, "%s", path);
	if (close(fd) == -1 && rc == 0)
		rc = err_errno(err, "close %s", path);
	return rc;
}

int context_save(const char *dir, const struct step_context *ctx, struct err *err)
{
	char *path = fs_join(dir, ATTEMPT_CONTEXT);
	struct strbuf text = STRBUF_INIT(CONTEXT_MAX_BYTES);
	json_t *doc = json_object();
	int rc;

	json_object_set_new(doc, "schema", json_string(CONTEXT_SCHEMA));
	for (size_t i = 0; i < NITEMS(members); i++) {
		json_t *v = member_json(ctx, &members[i]);

		if (v != NULL)
			json_object_set_new(doc, members[i].name, v);
	}
	if (json_write(doc, &text) == -1)
		rc = err_code(err, ERR_PERMANENT, "limit", "%s: more than %d bytes", path, CONTEXT_MAX_BYTES);
	else
		rc = write_plain(path, &text, err);
	json_decref(doc);
	strbuf_release(&text);
	free(path);
	return rc;
}

void context_release(struct step_context *ctx)
{
	json_decref(ctx->json);
	*ctx = (struct step_context){0};
}
