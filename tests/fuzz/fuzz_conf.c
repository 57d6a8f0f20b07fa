/*
 * A document as a configuration: reading, expansion, binding by every table of ours, the way to JSON and back, and the
 * loading of the whole from a file.
 */
#include "config.h"

#include "base/fs.h"
#include "base/mem.h"
#include "conf/conf_opts.h"
#include "conf/node.h"
#include "conf/opt_text.h"
#include "notify/sink.h"
#include "step/asset.h"
#include "store/store.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/conf_types.h"

#include <string.h>
#include <unistd.h>

const char *const fuzz_corpus[] = {"tests/data/config/files", "tests/fuzz/corpus/conf", NULL};

static char path[64];

static void remove_file(void)
{
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
}

/* In memory where there is such a place: a fuzzer writes thousands of files a second. */
static void make_file(void)
{
	char dir[] = "/dev/shm/orchd-fuzz-XXXXXX", plain[] = "/tmp/orchd-fuzz-XXXXXX";
	const char *made = mkdtemp(dir);

	if (made == NULL && (made = mkdtemp(plain)) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/orch.yaml", made);
	atexit(remove_file);
}

/* Whatever binds comes out as JSON that binds again to the same. */
static void bind(const struct opt *opts, size_t size, const struct node *n)
{
	void *a = xcalloc(1, size), *b = xcalloc(1, size);
	struct diags ds = DIAGS_INIT, again = DIAGS_INIT;

	if (opt_bind(opts, n, "fuzz", a, &ds) == 0) {
		json_t *j = opt_to_json(opts, a), *k;
		struct node *back = node_from_json(j, "json");

		FUZZ_PROMISE(opt_bind(opts, back, "json", b, &again) == 0);
		k = opt_to_json(opts, b);
		FUZZ_PROMISE(json_equal(j, k));
		json_decref(j);
		json_decref(k);
		node_free(back);
	} else {
		FUZZ_PROMISE(ds.errors > 0);
	}
	opt_release(opts, a);
	opt_release(opts, b);
	diags_release(&ds);
	diags_release(&again);
	free(a);
	free(b);
}

static void bind_all(const struct node *n, int depth)
{
	for (size_t i = 0; conf_tables[i].what != NULL; i++)
		bind(conf_tables[i].opts, conf_tables[i].conf_size, n);
	for (size_t i = 0; asset_types[i] != NULL; i++) {
		bind(asset_types[i]->opts, asset_types[i]->conf_size, n);
		if (asset_types[i]->run_opts != NULL)
			bind(asset_types[i]->run_opts, asset_types[i]->run_conf_size, n);
	}
	for (size_t i = 0; store_types[i] != NULL; i++)
		bind(store_types[i]->opts, store_types[i]->conf_size, n);
	for (size_t i = 0; sink_types[i] != NULL; i++)
		bind(sink_types[i]->opts, sink_types[i]->conf_size, n);
	for (size_t i = 0; depth > 0 && n->kind == NODE_MAP && i < n->n && i < 8; i++)
		if (n->item[i]->kind == NODE_MAP)
			bind_all(n->item[i], depth - 1);
}

static void parse_texts(const char *text)
{
	struct strbuf sb = STRBUF_INIT(100);
	int64_t v = 0, w = 0;

	opt_parse_int(text, &v);
	opt_parse_size(text, &v);
	if (opt_parse_duration(text, &v) == 0) {
		FUZZ_PROMISE(v >= 0);
		opt_format_duration(v, &sb);
		FUZZ_PROMISE(opt_parse_duration(sb.buf, &w) == 0 && w == v);
	}
	strbuf_release(&sb);
}

static void load_whole(const uint8_t *data, size_t size)
{
	struct diags ds = DIAGS_INIT;
	struct strbuf text = STRBUF_INIT(1 << 16);
	struct conf *c;
	struct err err;

	if (path[0] == '\0')
		make_file();
	if (fs_write_atomic(path, data, size, 0600, NULL) == -1)
		abort();
	c = conf_load(path, &ds);
	FUZZ_PROMISE((c == NULL) == (ds.errors > 0));
	FUZZ_PROMISE((diags_to_err(&ds, &err) == -1) == (ds.errors > 0));
	diags_print(&ds, &text);
	for (size_t i = 0; i < text.len; i++)
		FUZZ_PROMISE(
		    text.buf[i] == '\n' || ((unsigned char)text.buf[i] >= 0x20 && text.buf[i] != 0x7f));
	for (size_t i = 0; c != NULL && i < c->nassets; i++)
		for (size_t k = 0; k < c->assets[i].ndep; k++)
			FUZZ_PROMISE(c->assets[i].dep[k]->index < i);
	conf_unref(c);
	strbuf_release(&text);
	diags_release(&ds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diags ds = DIAGS_INIT;
	struct node *n = node_parse_yaml("fuzz.yaml", (const char *)data, size, &ds);

	FUZZ_PROMISE((n == NULL) == (ds.errors > 0));
	if (n != NULL) {
		node_expand_env(n, &ds);
		bind_all(n, 2);
		for (size_t i = 0; i < n->n; i++)
			if (n->item[i]->kind == NODE_TEXT)
				parse_texts(n->item[i]->text);
	}
	node_free(n);
	diags_release(&ds);
	load_whole(data, size);
	return 0;
}
