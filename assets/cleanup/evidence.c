#include "config.h"

#include "assets/cleanup/evidence.h"

#include "base/clock.h"
#include "base/fs.h"
#include "base/utctime.h"

void evidence_init(struct evidence *ev, const char *ledger_dir)
{
	struct strbuf text = STRBUF_INIT(1 << 20);

	*ev = (struct evidence){.path = fs_join(ledger_dir, "evidence.json")};
	/* Earlier attempts' stages stay; a file that cannot be read starts anew. */
	if (fs_read(ev->path, &text, NULL) == 0)
		ev->stages = json_parse(text.buf, text.len, ev->path, NULL);
	strbuf_release(&text);
	if (!json_is_array(ev->stages)) {
		json_decref(ev->stages);
		ev->stages = json_array();
	}
}

void evidence_release(struct evidence *ev)
{
	json_decref(ev->stages);
	free(ev->path);
	*ev = (struct evidence){0};
}

int evidence_add(struct evidence *ev, const char *stage, int attempt, json_t *checked, struct err *err)
{
	char at[UTCTIME_MAX], *text;
	int rc;

	json_array_append_new(
	    ev->stages, json_pack("{s:s, s:s, s:i, s:o}", "stage", stage, "at", utctime_format(clock_now(), at),
	                    "attempt", attempt, "checked", checked));
	text = json_text(ev->stages);
	rc = fs_write_atomic(ev->path, text, strlen(text), 0600, err);
	free(text);
	return rc;
}
