/* Orders, cycles, closures and selections, small by tables and large by the clock. */
#include "config.h"

#include "tests/tap.h"

#include "base/clock.h"
#include "base/strbuf.h"
#include "graph/graph.h"
#include "graph/select.h"

/* "b:a c:ab" as edges: each letter is a node, in the order of the alphabet. */
static size_t edges_of(const char *text, struct graph_edge *e)
{
	size_t n = 0;

	for (const char *s = text; *s != '\0'; s++) {
		size_t node = (size_t)(*s - 'a');

		for (s += 2; *s != '\0' && *s != ' '; s++)
			e[n++] = (struct graph_edge){node, (size_t)(*s - 'a')};
		if (*s == '\0')
			break;
	}
	return n;
}

static void note_cycle(void *arg, const size_t *nodes, size_t n)
{
	struct strbuf *sb = arg;

	strbuf_addstr(sb, " (");
	for (size_t i = 0; i < n; i++)
		strbuf_addch(sb, (char)('a' + nodes[i]));
	strbuf_addch(sb, ')');
}

static void test_order(void)
{
	static const struct {
		size_t n;
		const char *edges, *want;
	} rows[] = {
	    {0, "", ""},
	    {1, "", "a"},
	    {4, "", "abcd"},
	    {4, "a:bcd b:cd c:d", "dcba"},
	    {4, "b:a c:a d:bc", "abcd"},
	    {4, "a:d", "bcda"},
	    {3, "b:aa c:bb", "abc"},
	    {1, "a:a", "a (a)"},
	    {2, "a:b b:a", "ab (ab)"},
	    {4, "d:c c:b b:d", "abdc (bdc)"},
	    {6, "a:b b:c c:b d:e e:d f:a", "bcafde (bc) (de)"},
	    {5, "e:a a:b b:c c:d d:b", "bcdae (bcd)"},
	    {3, "a:ab b:a c:a", "abc (a)"},
	};

	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct strbuf got = STRBUF_INIT(1000), cycles = STRBUF_INIT(1000);
		struct graph_edge e[64];
		size_t order[32];
		struct graph g;

		graph_init(&g, rows[i].n, e, edges_of(rows[i].edges, e));
		size_t found = graph_order(&g, order, note_cycle, &cycles);
		for (size_t k = 0; k < rows[i].n; k++)
			strbuf_addch(&got, (char)('a' + order[k]));
		strbuf_addstr(&got, cycles.buf);
		size_t told = 0;
		for (const char *c = cycles.buf; (c = strchr(c, '(')) != NULL; c++)
			told++;
		is_int(found, told, "cycles are counted");
		is_str(got.buf, rows[i].want, rows[i].edges);
		graph_release(&g);
		strbuf_release(&got);
		strbuf_release(&cycles);
	}
}

static void test_many_cycles(void)
{
	enum { N = 2000 };
	struct graph_edge e[N];
	size_t order[N], sum = 0;
	struct graph g;

	for (size_t i = 0; i < N; i++)
		e[i] = (struct graph_edge){i, i ^ 1};
	graph_init(&g, N, e, N);
	is_int(graph_order(&g, order, NULL, NULL), GRAPH_CYCLES_MAX, "counting ends somewhere");
	for (size_t i = 0; i < N; i++)
		sum += order[i];
	is_int(sum, N * (N - 1) / 2, "and every node is still placed once");
	graph_release(&g);
}

static void test_reach(void)
{
	struct graph_edge e[64];
	struct graph g, r;
	bool up[6] = {[3] = true}, down[6] = {[1] = true};

	graph_init(&g, 6, e, edges_of("b:a c:a d:bc e:d f:e a:d", e)); /* with a cycle, which must not matter */
	graph_reach(&g, up);
	ok(up[0] && up[1] && up[2] && up[3] && !up[4] && !up[5], "everything upstream");
	graph_init_reverse(&r, &g);
	graph_reach(&r, down);
	ok(down[1] && down[3] && down[4] && down[5] && down[0], "everything downstream");
	graph_release(&g);
	graph_release(&r);
}

/* ---- selections ---- */

static struct strvec raw_tags, more_tags, aliases;
static const char *const names[] = {"unzip", "analyze", "cleanup", "publish", "reanalyze"};
static struct select_node nodes[NITEMS(names)];

static void make_nodes(struct graph *g)
{
	static const struct graph_edge e[] = {{1, 0}, {2, 1}, {3, 1}};

	strvec_push(&raw_tags, "raw");
	strvec_push(&raw_tags, "nightly");
	strvec_push(&more_tags, "nightly");
	strvec_push(&aliases, "analyze_data_pipeline");
	for (size_t i = 0; i < NITEMS(names); i++)
		nodes[i] = (struct select_node){.name = names[i]};
	nodes[0].tags = &raw_tags;
	nodes[1].tags = &more_tags;
	nodes[1].aliases = &aliases;
	graph_init(g, NITEMS(names), e, NITEMS(e));
}

static void test_select(void)
{
	static const struct {
		const char *terms[4];
		const char *want, *code; /* want: the nodes, or words of the error */
	} rows[] = {
	    {{"analyze"}, "1", NULL},
	    {{"analyze_data_pipeline"}, "1", NULL},
	    {{"+analyze"}, "01", NULL},
	    {{"analyze+"}, "123", NULL},
	    {{"+analyze+"}, "0123", NULL},
	    {{"+publish+"}, "013", NULL},
	    {{"cleanup", "unzip"}, "02", NULL},
	    {{"unzip", "unzip", "+unzip"}, "0", NULL},
	    {{"*"}, "01234", NULL},
	    {{"+*"}, "01234", NULL},
	    {{"tag:raw"}, "0", NULL},
	    {{"tag:nightly"}, "01", NULL},
	    {{"tag:raw+"}, "0123", NULL},
	    {{"tag:nightly", "reanalyze"}, "014", NULL},
	    {{"analize"}, "there is no asset 'analize'; did you mean 'analyze'?", "not_found"},
	    {{"something_else"}, "there is no asset 'something_else'", "not_found"},
	    {{"tag:nigthly"}, "no asset has 'tag:nigthly'; did you mean 'tag:nightly'?", "not_found"},
	    {{"unzip", "nope"}, "there is no asset 'nope'", "not_found"},
	    {{"tag:"}, "no asset has 'tag:'", "not_found"},
	    {{"+"}, "not a selection", "selection"},
	    {{"++analyze"}, "'++analyze' is not a selection", "selection"},
	    {{"analyze++"}, "not a selection", "selection"},
	    {{""}, "not a selection", "selection"},
	    {{NULL}, "empty", "selection"},
	};
	struct graph g;

	make_nodes(&g);
	struct selector *s = selector_new(nodes, &g);
	for (size_t i = 0; i < NITEMS(rows); i++) {
		struct err err = ERR_INIT;
		size_t out[NITEMS(names)], n = 0;
		char got[NITEMS(names) + 1] = "";

		while (n < 4 && rows[i].terms[n] != NULL)
			n++;
		n = selector_run(s, (char *const *)rows[i].terms, n, out, &err);
		for (size_t k = 0; k < n; k++)
			got[k] = (char)('0' + out[k]);
		if (rows[i].code == NULL)
			is_str(got, rows[i].want, rows[i].terms[0]);
		else
			ok(n == 0 && err_is(&err, rows[i].code) && strstr(err.text, rows[i].want) != NULL, "%s",
			    err.text);
	}
	is_int(selector_find(s, "reanalyze"), 4, "find by name");
	is_int(selector_find(s, "analyze_data_pipeline"), 1, "find by alias");
	ok(selector_find(s, "tag:raw") == SIZE_MAX, "tags are not names");
	selector_free(s);
	graph_release(&g);
	strvec_release(&raw_tags);
	strvec_release(&more_tags);
	strvec_release(&aliases);
}

/* ---- sizes ---- */

static bool in_order(const struct graph *g, const size_t *order)
{
	size_t *at = xcalloc(g->n, sizeof(*at));
	bool fine = true;

	for (size_t i = 0; i < g->n; i++)
		at[order[i]] = i;
	for (size_t i = 0; i < g->n; i++)
		for (size_t e = g->start[i]; e < g->start[i + 1]; e++)
			fine = fine && at[g->dep[e]] < at[i];
	free(at);
	return fine;
}

static void test_large(void)
{
	enum { N = 100000, DEGREE = 5 };
	struct graph_edge *e = xcalloc(N * DEGREE, sizeof(*e));
	size_t *order = xcalloc(N, sizeof(*order)), *again = xcalloc(N, sizeof(*again)), n = 0;
	struct select_node *many = xcalloc(N, sizeof(*many));
	uint32_t seed = 20261121;
	struct graph g;

	diag("seed %u", seed);
	for (size_t i = 0; i < N; i++)
		many[i].name = xasprintf("asset_%zu", i);
	/* Random edges that agree with a random numbering, so that there is no cycle. */
	for (size_t i = 1; i < N; i++)
		for (size_t k = 0; k < DEGREE; k++) {
			seed = seed * 1664525 + 1013904223;
			e[n++] = (struct graph_edge){i * 7919 % N, seed % i * 7919 % N};
		}
	int64_t t0 = clock_mono();
	graph_init(&g, N, e, n);
	is_int(graph_order(&g, order, NULL, NULL), 0, "100,000 nodes and 500,000 edges have an order");
	struct selector *s = selector_new(many, &g);
	char *terms[] = {xasprintf("+asset_%zu+", order[N / 2]), NULL};
	size_t chosen = selector_run(s, terms, 1, again, NULL);
	int64_t took = clock_mono() - t0;
	ok(chosen > 1 && chosen < N, "a selection of %zu", chosen);
	ok(took < 2000, "in %" PRId64 " ms", took);
	ok(in_order(&g, order), "dependencies come first");
	graph_order(&g, again, NULL, NULL);
	ok(memcmp(order, again, N * sizeof(*order)) == 0, "it is the same every time");
	selector_free(s);
	graph_release(&g);

	for (size_t i = 1; i < N; i++)
		e[i - 1] = (struct graph_edge){i - 1, i};
	t0 = clock_mono();
	graph_init(&g, N, e, N - 1);
	is_int(graph_order(&g, order, NULL, NULL), 0, "a chain of 100,000");
	ok(order[0] == N - 1 && order[N - 1] == 0, "from its end");
	graph_release(&g);
	e[N - 1] = (struct graph_edge){N - 1, 0};
	graph_init(&g, N, e, N);
	is_int(graph_order(&g, order, NULL, NULL), 1, "closed to a cycle");
	ok(clock_mono() - t0 < 2000, "without recursion, in %" PRId64 " ms", clock_mono() - t0);
	graph_release(&g);
	for (size_t i = 0; i < N; i++)
		free((char *)many[i].name);
	free(terms[0]);
	free(many);
	free(order);
	free(again);
	free(e);
}

int main(void)
{
	tap_run(test_order);
	tap_run(test_many_cycles);
	tap_run(test_reach);
	tap_run(test_select);
	tap_run(test_large);
	return tap_done();
}
