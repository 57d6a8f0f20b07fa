#include "config.h"

#include "query/query.h"

#include "base/strbuf.h"
#include "base/suggest.h"

#include <string.h>

const char *const query_run_states[] = {"queued", "running", "succeeded", "failed", "canceled", NULL};
const char *const query_outbox_states[] = {"pending", "sent", "failed", NULL};
const char *const query_key_verdicts[] = {
    "pending", "complete", "no_data", "stale", "ignored", "invalid", "gone", NULL};

static const char *word_at(const void *words, size_t i)
{
	return ((const char *const *)words)[i];
}

int query_need_word(const char *what, const char *value, const char *const *words, struct err *err)
{
	struct strbuf all = STRBUF_INIT(500);
	const char *near;

	for (size_t i = 0; words[i] != NULL; i++)
		if (value == NULL || strcmp(words[i], value) == 0)
			return 0;
	for (size_t i = 0; words[i] != NULL; i++)
		strbuf_addf(&all, "%s%s", i ? ", " : "", words[i]);
	near = suggest_nearest(value, word_at, words);
	err_code(err, ERR_USAGE, "bad_word", "%s: '%.60s' is none of %s%s%s%s", what, value, all.buf,
	    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	strbuf_release(&all);
	return -1;
}
