#include "config.h"

#include "orch-step/pipes_param.h"

#include "base/codec.h"
#include "base/fs.h"
#include "base/mem.h"
#include "step/attempt_dir.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define PIPES_CONTEXT_FILE "pipes.json"
/* One string of the environment may have 128 KiB (MAX_ARG_STRLEN). */
#define ENV_STRING_MAX (100 << 10)
#define PIPES_JSON_MAX CONTEXT_MAX_BYTES

static int encode(const json_t *value, struct strbuf *out, struct err *err)
{
	struct strbuf packed = STRBUF_INIT(PIPES_JSON_MAX);
	char *text = json_text(value);
	uLongf n = compressBound(strlen(text));
	char *room = strbuf_room(&packed, n);
	int rc = -1;

	if (room == NULL ||
	    compress2((Bytef *)room, &n, (const Bytef *)text, strlen(text), Z_BEST_SPEED) != Z_OK)
		err_code(err, ERR_PERMANENT, "limit", "the step's context is too large for Dagster Pipes");
	else
		rc = base64_encode(out, room, n);
	strbuf_release(&packed);
	free(text);
	return rc;
}

static json_t *keyed(const char *key, json_t *value)
{
	json_t *j = json_object();

	json_object_set_new(j, key, value);
	return j;
}

static json_t *partition_json(const struct step_context *ctx)
{
	return ctx->partition[0] ? json_string(ctx->partition) : json_null();
}

static json_t *partition_range(const struct step_context *ctx)
{
	json_t *range;

	if (ctx->partition[0] == '\0')
		return json_null();
	range = json_object();
	json_object_set_new(range, "start", partition_json(ctx));
	json_object_set_new(range, "end", partition_json(ctx));
	return range;
}

/* What a script finds in context.extras["orch"]: the things of ours that Pipes has no place for. */
static json_t *orch_extra(const struct step_context *ctx)
{
	json_t *j = json_object();

	json_object_set_new(j, "attempt", json_integer(ctx->attempt));
	json_object_set_new(j, "run_uid", json_string(ctx->run_uid));
	json_object_set_new(j, "dry_run", json_boolean(ctx->dry_run));
	json_object_set_new(j, "hold", json_text_new(ctx->hold));
	json_object_set_new(j, "work_dir", json_string(ctx->work));
	json_object_set_new(j, "ledger_dir", json_string(ctx->ledger));
	json_object_set(j, "tags", (json_t *)(uintptr_t)ctx->tags);
	json_object_set(j, "upstream", (json_t *)(uintptr_t)ctx->upstream);
	return j;
}

/* The asset's `extras`, over them the run's config, so that get_extra("site") is the run's site. */
static json_t *extras(const struct step_context *ctx)
{
	json_t *j = json_object();

	json_object_update(j, json_object_get(ctx->options, "extras"));
	json_object_update(j, (json_t *)(uintptr_t)ctx->config);
	json_object_set_new(j, "orch", orch_extra(ctx));
	return j;
}

static json_t *context_data(const struct step_context *ctx)
{
	json_t *j = json_object(), *keys = json_array();

	json_array_append_new(keys, json_string(ctx->asset));
	json_object_set_new(j, "asset_keys", keys);
	json_object_set_new(
	    j, "code_version_by_asset_key", keyed(ctx->asset, json_text_new(ctx->code_version)));
	json_object_set_new(j, "provenance_by_asset_key", keyed(ctx->asset, json_null()));
	json_object_set_new(j, "partition_key", partition_json(ctx));
	json_object_set_new(j, "partition_key_range", partition_range(ctx));
	json_object_set_new(j, "partition_time_window", json_null());
	json_object_set_new(j, "run_id", json_string(ctx->run));
	json_object_set_new(j, "job_name", ctx->job[0] ? json_string(ctx->job) : json_null());
	json_object_set_new(j, "retry_number", json_integer(ctx->attempt - 1));
	json_object_set_new(j, "extras", extras(ctx));
	return j;
}

static int push(
    struct strvec *env, const char *name, const char *key, json_t *value, size_t *len, struct err *err)
{
	struct strbuf encoded = STRBUF_INIT(2 * PIPES_JSON_MAX);
	json_t *params = json_object();
	int rc;

	json_object_set_new(params, key, value);
	rc = encode(params, &encoded, err);
	*len = encoded.len;
	if (rc == 0 && encoded.len <= ENV_STRING_MAX)
		strvec_pushf(env, "%s=%s", name, encoded.buf);
	json_decref(params);
	strbuf_release(&encoded);
	return rc;
}

static int push_context(struct strvec *env, const char *dir, const struct step_context *ctx, struct err *err)
{
	json_t *data = context_data(ctx);
	size_t len;
	int rc = push(env, "DAGSTER_PIPES_CONTEXT", "data", json_incref(data), &len, err);

	if (rc == 0 && len > ENV_STRING_MAX) {
		char *text = json_text(data), *path = fs_join(dir, PIPES_CONTEXT_FILE);

		rc = fs_write_atomic(path, text, strlen(text), 0600, err);
		if (rc == 0)
			rc = push(env, "DAGSTER_PIPES_CONTEXT", "path", json_text_new(path), &len, err);
		free(text);
		free(path);
	}
	json_decref(data);
	return rc;
}

int pipes_push_env(struct strvec *env, const char *dir, const struct step_context *ctx, struct err *err)
{
	char *journal = fs_join(dir, ATTEMPT_JOURNAL);
	size_t len;
	int rc = push(env, "DAGSTER_PIPES_MESSAGES", "path", json_text_new(journal), &len, err);

	free(journal);
	return rc == -1 ? -1 : push_context(env, dir, ctx, err);
}
