#include "config.h"

#include "conf/node.h"

#include "base/codec.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct ref {
	char name[128];
	const char *def; /* NULL: none */
	size_t ndef;
	const char *end; /* behind '}' */
};

/* Parse what follows "${"; -1: not a reference. */
static int parse_ref(const char *s, struct ref *ref)
{
	size_t n = 0;
	const char *close;

	while (isalnum((unsigned char)s[n]) || s[n] == '_')
		n++;
	if (n == 0 || n >= sizeof(ref->name) || isdigit((unsigned char)s[0]))
		return -1;
	memcpy(ref->name, s, n);
	ref->name[n] = '\0';
	ref->def = NULL;
	s += n;
	if (s[0] == ':' && s[1] == '-') {
		ref->def = s + 2;
		s += 2 + strcspn(s + 2, "}");
	}
	close = s;
	ref->ndef = ref->def != NULL ? (size_t)(close - ref->def) : 0;
	ref->end = close + 1;
	return *close == '}' ? 0 : -1;
}

static bool is_text(const char *s)
{
	for (const char *p = s; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 && *p != '\t' && *p != '\n')
			return false;
	return utf8_valid(s, strlen(s));
}

static int add_value(const struct ref *ref, const struct mark *mark, struct strbuf *out, struct diags *diags)
{
	const char *value = getenv(ref->name);

	if ((value == NULL || *value == '\0') && ref->def != NULL) {
		strbuf_add(out, ref->def, ref->ndef);
		return 0;
	}
	if (value == NULL) {
		diag_add(diags, DIAG_ERROR, mark, "env",
		    "the environment variable %s is not set; set it, or write ${%s:-default}", ref->name,
		    ref->name);
		return -1;
	}
	if (!is_text(value)) {
		diag_add(diags, DIAG_ERROR, mark, "env",
		    "the value of the environment variable %s is not UTF-8 text without control characters",
		    ref->name);
		return -1;
	}
	strbuf_addstr(out, value);
	return 0;
}

static void expand_text(struct node *n, struct diags *diags)
{
	struct strbuf out = STRBUF_INIT(NODE_VALUE_MAX);
	const char *s = n->text, *next;
	struct ref ref;

	for (; (next = strstr(s, "${")) != NULL; s = ref.end) {
		if (next > s && next[-1] == '$') { /* $${ stands for ${ */
			strbuf_add(&out, s, (size_t)(next - 1 - s));
			strbuf_addstr(&out, "${");
			ref.end = next + 2;
			continue;
		}
		strbuf_add(&out, s, (size_t)(next - s));
		if (parse_ref(next + 2, &ref) == -1) {
			diag_add(diags, DIAG_ERROR, &n->mark, "env",
			    "'%.40s' is not ${NAME} or ${NAME:-default}; write $${ for a literal ${", next);
			goto out;
		}
		if (add_value(&ref, &n->mark, &out, diags) == -1)
			goto out;
	}
	strbuf_addstr(&out, s);
	if (out.overflowed) {
		diag_add(diags, DIAG_ERROR, &n->mark, "limit",
		    "the value has more than %d bytes once its variables are filled in", NODE_VALUE_MAX);
		goto out;
	}
	free(n->text);
	n->text = strbuf_detach(&out);
	n->quoted = true; /* never taken for null, whatever the variable holds */
out:
	strbuf_release(&out);
}

void node_expand_env(struct node *n, struct diags *diags)
{
	if (n->kind == NODE_TEXT && strstr(n->text, "${") != NULL)
		expand_text(n, diags);
	for (size_t i = 0; i < n->n; i++)
		node_expand_env(n->item[i], diags);
}
