/* cmd_assets.c: what can be made, from what, and when it last was. */
#include "config.h"

#include "orchctl/ctl.h"
#include "orchctl/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void join(struct strbuf *sb, const json_t *names)
{
	json_t *name;
	size_t i;

	json_array_foreach(names, i, name)
	{
		if (i > 0)
			strbuf_addstr(sb, ", ");
		text_clean(sb, json_string_value(name));
	}
}

/* ---- list */

static void show_list(struct ctl *ctl, const json_t *result)
{
	struct table *t = table_new("asset|type|needs|last made|outcome|partition");
	struct strbuf sb = STRBUF_INIT(8192);
	json_t *asset;
	size_t i;

	json_array_foreach(json_object_get(result, "assets"), i, asset)
	{
		const json_t *last = json_object_get(asset, "last");
		const char *outcome = json_str(last, "outcome", NULL);

		table_cell(t, PAINT_NONE, json_str(asset, "name", ""));
		table_cell(t, PAINT_NONE, json_str(asset, "type", ""));
		join(&sb, json_object_get(asset, "deps"));
		table_take(t, &sb);
		text_ago(&sb, json_object_get(last, "at"));
		table_take(t, &sb);
		table_cell(t, outcome ? text_state_paint(outcome, NULL) : PAINT_NONE, outcome);
		table_cell(t, PAINT_NONE, json_str(last, "partition", NULL));
	}
	table_end(t, 0, "no assets");
	strbuf_release(&sb);
}

static int assets_list(struct ctl *ctl, struct err *err)
{
	return ctl_show(ctl, "assets.list", NULL, show_list, err);
}

const struct cmd cmd_assets_list = {
    .noun = "assets",
    .verb = "list",
    .alias = "ls",
    .flags = CMD_DEFAULT,
    .help = "list assets in the order of their making",
    .run = assets_list,
};

/* ---- show */

static void put_options(const json_t *options)
{
	struct table *t = table_new("option|value");
	struct strbuf sb = STRBUF_INIT(8192);
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)options, key, value)
	{
		table_cell(t, PAINT_NONE, key);
		text_value(&sb, value, 300);
		table_take(t, &sb);
	}
	if (table_rows(t) > 0)
		putchar('\n');
	table_end(t, 2, NULL);
	strbuf_release(&sb);
}

/* "stale: unzip was made later, in run 7; ..." */
static void put_freshness(struct strbuf *sb, const json_t *freshness)
{
	const json_t *reason;
	size_t i;

	strbuf_reset(sb);
	text_clean(sb, json_str(freshness, "state", ""));
	json_array_foreach(json_object_get(freshness, "reasons"), i, reason)
	{
		strbuf_addstr(sb, i ? "; " : ": ");
		text_clean(sb, json_str(reason, "text", ""));
	}
}

static void put_materializations(const json_t *list)
{
	struct table *t = table_new(">run|partition|made|outcome|is|metadata");
	struct strbuf sb = STRBUF_INIT(8192);
	json_t *m;
	size_t i;

	json_array_foreach(list, i, m)
	{
		const char *outcome = json_str(m, "outcome", "");

		table_cellf(t, "%" PRId64, json_int(m, "run", 0));
		table_cell(t, PAINT_NONE, json_str(m, "partition", NULL));
		text_time(&sb, json_object_get(m, "at"));
		table_take(t, &sb);
		table_cell(t, text_state_paint(outcome, NULL), outcome);
		put_freshness(&sb, json_object_get(m, "freshness"));
		table_take(t, &sb);
		text_value(&sb, json_object_get(m, "metadata"), 200);
		table_take(t, &sb);
	}
	putchar('\n');
	table_end(t, 2, "never made");
	strbuf_release(&sb);
}

static void put_checks(const json_t *list)
{
	const json_t *check;
	size_t i;

	if (json_array_size(list) > 0)
		puts("\n  checks of the newest run");
	json_array_foreach(list, i, check)
	{
		const char *severity = json_str(check, "severity", "");
		bool passed = json_bool(check, "passed", false), warns = strcmp(severity, "WARN") == 0;

		printf("    ");
		ctl_put(passed ? PAINT_NONE : warns ? PAINT_WARN : PAINT_BAD, json_str(check, "text", ""));
		printf("%s\n", !passed && warns ? " (WARN)" : "");
	}
}

static void put_span_field(const char *label, const json_t *asset, const char *key)
{
	struct strbuf sb = STRBUF_INIT(100);

	if (json_int(asset, key, 0) > 0) {
		text_span(&sb, json_int(asset, key, 0));
		ctl_put_field(label, sb.buf);
	}
	strbuf_release(&sb);
}

static void put_list_field(const char *label, const json_t *names)
{
	struct strbuf sb = STRBUF_INIT(8192);

	join(&sb, names);
	ctl_put_field(label, sb.buf);
	strbuf_release(&sb);
}

static void show_asset(struct ctl *ctl, const json_t *a)
{
	ctl_put(PAINT_BOLD, json_str(a, "name", ""));
	printf("  (");
	ctl_put(PAINT_NONE, json_str(a, "type", ""));
	puts(")");
	ctl_put_field("", json_str(a, "description", NULL));
	put_list_field("aliases", json_object_get(a, "aliases"));
	put_list_field("needs", json_object_get(a, "deps"));
	put_list_field("feeds", json_object_get(a, "downstream"));
	put_list_field("tags", json_object_get(a, "tags"));
	ctl_put_field("pool", json_str(a, "pool", NULL));
	ctl_put_field("code version", json_str(a, "code_version", NULL));
	ctl_put_field("partition", json_str(a, "partition_template", NULL));
	put_span_field("timeout", a, "timeout_ms");
	put_options(json_object_get(a, "options"));
	put_checks(json_object_get(a, "checks"));
	put_materializations(json_object_get(a, "materializations"));
}

static int assets_show(struct ctl *ctl, struct err *err)
{
	static const char *const passed[] = {"partition", NULL};
	json_t *args = json_object();

	json_object_set_new(args, "name", json_text_new(args_operand(&ctl->args, 0)));
	ctl_pass_options(ctl, args, passed);
	return ctl_show(ctl, "assets.show", args, show_asset, err);
}

static const struct arg_opt show_opts[] = {
    {"partition", 'p', ARG_VALUE, "KEY", "its materializations of this partition"},
    ARG_END,
};
const struct cmd cmd_assets_show = {
    .noun = "assets",
    .verb = "show",
    .operands = "NAME",
    .min_operands = 1,
    .max_operands = 1,
    .opts = show_opts,
    .help = "an asset's settings and its latest materializations",
    .run = assets_show,
};

/* ---- graph */

/* An asset under the last of its dependencies, so that each stands once, below something it needs. */
static bool belongs_under(const json_t *asset, const char *parent)
{
	const json_t *deps = json_object_get(asset, "deps");
	size_t n = json_array_size(deps);

	if (n == 0)
		return parent == NULL;
	return parent != NULL && strcmp(json_string_value(json_array_get(deps, n - 1)), parent) == 0;
}

static void put_tree(const json_t *assets, const char *parent, int depth)
{
	struct strbuf sb = STRBUF_INIT(8192);
	json_t *a;
	size_t i;

	json_array_foreach(assets, i, a)
	{
		const json_t *deps = json_object_get(a, "deps");

		if (!belongs_under(a, parent))
			continue;
		printf("%*s%s", 3 * depth, "", depth > 0 ? "-> " : "");
		ctl_put(PAINT_BOLD, json_str(a, "name", ""));
		strbuf_reset(&sb);
		join(&sb, deps);
		printf("  %s%s%s", json_str(a, "type", ""), json_array_size(deps) > 1 ? "  needs " : "",
		    json_array_size(deps) > 1 ? sb.buf : "");
		putchar('\n');
		put_tree(assets, json_str(a, "name", ""), depth + 1);
	}
	strbuf_release(&sb);
}

static void put_dot_name(const char *name)
{
	putchar('"');
	for (; *name != '\0'; name++) {
		if (*name == '"' || *name == '\\')
			putchar('\\');
		putchar(*name);
	}
	putchar('"');
}

static void put_dot(const json_t *assets)
{
	json_t *a, *dep;
	size_t i, k;

	puts("digraph assets {\n\trankdir=LR;\n\tnode [shape=box];");
	json_array_foreach(assets, i, a)
	{
		putchar('\t');
		put_dot_name(json_str(a, "name", ""));
		puts(";");
		json_array_foreach(json_object_get(a, "deps"), k, dep)
		{
			putchar('\t');
			put_dot_name(json_string_value(dep));
			fputs(" -> ", stdout);
			put_dot_name(json_str(a, "name", ""));
			puts(";");
		}
	}
	puts("}");
}

static void show_graph(struct ctl *ctl, const json_t *result)
{
	const json_t *assets = json_object_get(result, "assets");

	if (args_has(&ctl->args, "dot"))
		put_dot(assets);
	else if (json_array_size(assets) == 0)
		puts("no assets");
	else
		put_tree(assets, NULL, 0);
}

static int assets_graph(struct ctl *ctl, struct err *err)
{
	return ctl_show(ctl, "assets.list", NULL, show_graph, err);
}

static const struct arg_opt graph_opts[] = {
    {"dot", 0, ARG_FLAG, NULL, "in the language of Graphviz"},
    ARG_END,
};
const struct cmd cmd_assets_graph = {
    .noun = "assets",
    .verb = "graph",
    .opts = graph_opts,
    .help = "what is made from what",
    .run = assets_graph,
};
