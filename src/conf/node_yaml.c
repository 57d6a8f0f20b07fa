#include "config.h"

#include "conf/node.h"

#include "base/fs.h"
#include "base/mem.h"
#include "conf/node_yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	yaml_parser_t parser;
	const char *file; /* the root's copy */
	const char *text;
	size_t n;
	struct diags *diags;
	size_t count; /* nodes so far */
	size_t depth;
	bool aliases_told; /* one message about anchors and aliases is enough */
	bool stop; /* nothing further can be read */
};

static struct mark mark_of(const struct reader *r, const yaml_mark_t *m)
{
	return (struct mark){r->file, (int)m->line + 1, (int)m->column + 1};
}

static void PRINTF(4, 5)
    complain(struct reader *r, const yaml_mark_t *at, const char *class, const char *fmt, ...)
{
	struct mark m = mark_of(r, at);
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	diag_add(r->diags, DIAG_ERROR, &m, class, "%s", text);
}

static int next_event(struct reader *r, yaml_event_t *ev)
{
	if (!yaml_parser_parse(&r->parser, ev)) {
		yaml_explain(&r->parser, r->file, r->text, r->n, r->diags);
		r->stop = true;
		return -1;
	}
	return 0;
}

/* Anchors and tags are refused wherever they stand; reading goes on to find more. */
static void check_properties(
    struct reader *r, const yaml_event_t *ev, const yaml_char_t *anchor, const yaml_char_t *tag)
{
	if (anchor != NULL && !r->aliases_told) {
		r->aliases_told = true;
		complain(r, &ev->start_mark, "yaml",
		    "anchors and aliases (&%.60s) are not allowed; write the value out", (const char *)anchor);
	}
	if (tag != NULL)
		complain(r, &ev->start_mark, "tag",
		    "tags (%.100s) are not allowed; the key decides what a value is", (const char *)tag);
}

static void check_alias(struct reader *r, const yaml_event_t *ev)
{
	if (r->aliases_told)
		return;
	r->aliases_told = true;
	complain(r, &ev->start_mark, "yaml",
	    "anchors and aliases (*%.60s) are not allowed; write the value out, or quote a text that begins "
	    "with '*'",
	    (const char *)ev->data.alias.anchor);
}

static struct node *node_new(struct reader *r, enum node_kind kind, const yaml_event_t *ev)
{
	struct node *n = xcalloc(1, sizeof(*n));

	n->kind = kind;
	n->mark = mark_of(r, &ev->start_mark);
	if (++r->count > NODE_COUNT_MAX && !r->stop) {
		complain(r, &ev->start_mark, "limit", "more than %d values in one file", NODE_COUNT_MAX);
		r->stop = true;
	}
	return n;
}

/* Control characters that came in by escapes; tab and line feed may stand in a text. */
static bool has_control(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if ((c < 0x20 && c != '\t' && c != '\n') || c == 0x7f)
			return true;
		if (c == 0xc2 && i + 1 < n && (unsigned char)s[i + 1] < 0xa0)
			return true;
	}
	return false;
}

static struct node *read_scalar(struct reader *r, const yaml_event_t *ev)
{
	const char *text = (const char *)ev->data.scalar.value;
	size_t len = ev->data.scalar.length;
	struct node *n = node_new(r, NODE_TEXT, ev);

	check_properties(r, ev, ev->data.scalar.anchor, ev->data.scalar.tag);
	n->quoted = ev->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	if (len == 0 && !n->quoted) {
		n->kind = NODE_NULL;
		return n;
	}
	if (len > NODE_VALUE_MAX)
		complain(r, &ev->start_mark, "limit", "a value of %zu bytes, at most %d are allowed", len,
		    NODE_VALUE_MAX);
	else if (has_control(text, len))
		complain(r, &ev->start_mark, "value", "a value with a NUL or control character");
	n->text = xstrndup(text, MIN(len, (size_t)NODE_VALUE_MAX));
	return n;
}

static void push(struct node ***v, size_t n, struct node *item)
{
	if ((n & (n - 1)) == 0) /* grow at powers of two */
		*v = xreallocarray(*v, n == 0 ? 1 : 2 * n, sizeof(**v));
	(*v)[n] = item;
}

static struct node *read_node(struct reader *r, const yaml_event_t *ev);

static struct node *read_list(struct reader *r, const yaml_event_t *start)
{
	struct node *n = node_new(r, NODE_LIST, start);
	yaml_event_t ev;

	check_properties(r, start, start->data.sequence_start.anchor, start->data.sequence_start.tag);
	while (!r->stop && next_event(r, &ev) == 0) {
		bool end = ev.type == YAML_SEQUENCE_END_EVENT;

		if (!end) {
			push(&n->item, n->n, read_node(r, &ev));
			n->n++;
		}
		yaml_event_delete(&ev);
		if (end)
			break;
	}
	return n;
}

/* A key is a plain or quoted text; anything else is reported and NULL. */
static struct node *read_key(struct reader *r, const yaml_event_t *ev)
{
	struct node *key = read_node(r, ev);

	if (!r->stop && (key->kind == NODE_LIST || key->kind == NODE_MAP))
		complain(r, &ev->start_mark, "type",
		    "%s where a key belongs; put templates in quotes: '{name}'", node_kind_name(key->kind));
	else if (!r->stop && key->kind == NODE_NULL && ev->type == YAML_SCALAR_EVENT)
		complain(r, &ev->start_mark, "yaml", "a value without a key");
	else if (!r->stop && key->kind == NODE_TEXT && !key->quoted && strcmp(key->text, "<<") == 0)
		complain(r, &ev->start_mark, "yaml", "merge keys (<<) are not allowed; write the values out");
	else if (key->kind == NODE_TEXT)
		return key;
	node_free(key);
	return NULL;
}

static int by_key_then_place(const void *a, const void *b, void *arg)
{
	const struct node *map = arg;
	size_t i = *(const size_t *)a, k = *(const size_t *)b;
	int c = strcmp(map->key[i]->text, map->key[k]->text);

	return c != 0 ? c : i < k ? -1 : i > k;
}

/* Sorting instead of comparing all pairs: a mapping may have tens of thousands of keys. */
static void refuse_duplicates(struct reader *r, struct node *map)
{
	size_t *order = xcalloc(map->n + 1, sizeof(*order));

	for (size_t i = 0; i < map->n; i++)
		order[i] = i;
	qsort_r(order, map->n, sizeof(*order), by_key_then_place, map);
	for (size_t i = 1; i < map->n; i++) {
		const struct node *a = map->key[order[i - 1]], *b = map->key[order[i]];

		if (strcmp(a->text, b->text) == 0)
			diag_add(r->diags, DIAG_ERROR, &b->mark, "duplicate",
			    "key '%.100s' stands twice; first on line %d", b->text, a->mark.line);
	}
	free(order);
}

static struct node *read_map(struct reader *r, const yaml_event_t *start)
{
	struct node *n = node_new(r, NODE_MAP, start), *key, *value;
	yaml_event_t ev;
	bool end = false;

	check_properties(r, start, start->data.mapping_start.anchor, start->data.mapping_start.tag);
	while (!r->stop && !end && next_event(r, &ev) == 0) {
		end = ev.type == YAML_MAPPING_END_EVENT;
		key = end ? NULL : read_key(r, &ev);
		yaml_event_delete(&ev);
		if (end)
			break;
		if (r->stop || next_event(r, &ev) == -1) {
			node_free(key);
			break;
		}
		value = read_node(r, &ev);
		yaml_event_delete(&ev);
		if (key == NULL) {
			node_free(value);
			continue;
		}
		push(&n->key, n->n, key);
		push(&n->item, n->n, value);
		n->n++;
	}
	if (!r->stop)
		refuse_duplicates(r, n);
	return n;
}

static struct node *read_node(struct reader *r, const yaml_event_t *ev)
{
	struct node *n;

	switch (ev->type) {
	case YAML_SCALAR_EVENT: return read_scalar(r, ev);
	case YAML_ALIAS_EVENT: check_alias(r, ev); return node_new(r, NODE_NULL, ev);
	default: break;
	}
	if (r->depth == NODE_DEPTH_MAX) {
		complain(
		    r, &ev->start_mark, "limit", "lists and mappings nested deeper than %d", NODE_DEPTH_MAX);
		r->stop = true;
		return node_new(r, NODE_NULL, ev);
	}
	r->depth++;
	n = ev->type == YAML_SEQUENCE_START_EVENT ? read_list(r, ev) : read_map(r, ev);
	r->depth--;
	return n;
}

/* Stream start, one document, stream end. */
static struct node *read_stream(struct reader *r)
{
	struct node *root = NULL;
	bool end = false, second = false;
	yaml_event_t ev;

	while (!r->stop && !end && next_event(r, &ev) == 0) {
		switch (ev.type) {
		case YAML_STREAM_START_EVENT:
		case YAML_DOCUMENT_END_EVENT: break;
		case YAML_STREAM_END_EVENT: end = true; break;
		case YAML_DOCUMENT_START_EVENT: second = root != NULL; break;
		default: root = read_node(r, &ev); break;
		}
		if (second) {
			complain(r, &ev.start_mark, "yaml",
			    "a second document begins here; one file holds one document");
			r->stop = true;
		}
		yaml_event_delete(&ev);
	}
	return root;
}

struct node *node_parse_yaml(const char *file, const char *text, size_t n, struct diags *diags)
{
	struct reader r = {.file = xstrdup(file), .text = text, .n = n, .diags = diags};
	struct mark top = {r.file, 1, 1};
	size_t errors = diags->errors;
	struct node *root = NULL;

	if (n > NODE_FILE_MAX) {
		diag_add(diags, DIAG_ERROR, &top, "limit", "the file has more than %d bytes", NODE_FILE_MAX);
	} else if (yaml_check_bytes(r.file, text, n, diags) == 0) {
		if (!yaml_parser_initialize(&r.parser))
			abort();
		yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
		yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, n);
		root = read_stream(&r);
		yaml_parser_delete(&r.parser);
	}
	if (root == NULL) {
		root = xcalloc(1, sizeof(*root));
		root->mark = top;
	}
	root->file = (char *)r.file;
	if (diags->errors == errors)
		return root;
	node_free(root);
	return NULL;
}

struct node *node_load_yaml(const char *path, struct diags *diags)
{
	struct strbuf sb = STRBUF_INIT(NODE_FILE_MAX);
	struct mark m = {path, 0, 0};
	struct err err = ERR_INIT;
	struct node *n = NULL;

	if (fs_read(path, &sb, &err) == -1)
		diag_add(diags, DIAG_ERROR, &m, err_is(&err, "limit") ? "limit" : "io", "%s", err.text);
	else
		n = node_parse_yaml(path, sb.buf, sb.len, diags);
	strbuf_release(&sb);
	return n;
}
