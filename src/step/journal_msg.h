/*
 * journal_msg.h: one message of a step, in both directions.
 *
 * The form on disk is that of Dagster Pipes 0.1: {"__dagster_pipes_version", "method", "params"}, one object a line.
 * Ours that Pipes has no method for (progress, warning, effect, no_data, again) are custom messages whose payload has that
 * one member; everything else comes back as MSG_CUSTOM.
 */
#ifndef JOURNAL_MSG_H
#define JOURNAL_MSG_H

#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/strbuf.h"

#define JOURNAL_LINE_MAX \
	(1 << 20) /* bytes of one line; longer ones are refused by the writer and skipped by the reader */

enum msg_kind {
	MSG_OPENED,
	MSG_CLOSED, /* text: the exception, NULL when there was none */
	MSG_LOG, /* level, text */
	MSG_MATERIALIZATION, /* name: asset, metadata */
	MSG_CHECK, /* name: check, asset, passed, level (error or warning), metadata */
	MSG_STREAM, /* name: "stdout" or "stderr", text */
	MSG_PROGRESS, /* name: what is counted, done, total */
	MSG_WARNING, /* name: label, text */
	MSG_EFFECT, /* name: verb, text: key or table, done: size, sha256 */
	MSG_NO_DATA, /* text */
	MSG_AGAIN, /* done: not before this time (milliseconds, 0: none that could be read), text: why */
	MSG_CUSTOM, /* metadata: the payload, any JSON value */
	MSG_NKINDS
};

/* Fields not named beside its kind are zero.  Everything is lent: by the caller of encode, by `json` after decode. */
struct journal_msg {
	enum msg_kind kind;
	enum log_level level;
	const char *name, *text, *asset, *sha256;
	int64_t done, total;
	bool passed;
	/* {key: {"raw_value": v, "type": t}}; NULL when there is none. */
	const json_t *metadata;
	json_t *json; /* owner after msg_decode */
};

/* Append one line with its newline; -1 when it passes JOURNAL_LINE_MAX or out's limit. */
int msg_encode(const struct journal_msg *msg, struct strbuf *out);
/*
 * Parse one line (NUL-terminated, without newline).  NaN and Infinity, which Python writes, are taken as null.  Unknown methods of a
 * known version are MSG_CUSTOM with the whole params, so that a newer script still runs.
 */
int msg_decode(const char *line, size_t n, struct journal_msg *out, struct err *err);
void msg_release(struct journal_msg *msg);
const char *msg_kind_name(enum msg_kind kind);

/* {"raw_value": v, "type": t} from a plain value (stolen), and the plain value (lent) of either form. */
json_t *msg_metadata_wrap(json_t *value);
json_t *msg_metadata_value(json_t *wrapped);

#endif
