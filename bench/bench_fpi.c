/*
 * Figures of the interferometer analysis: full nights, stage by stage.
 *
 *     make bench/bench_fpi && bench/bench_fpi [RUNS]
 *
 * Nights are simulated in memory (60 laser and 120 sky frames of 512 x 512 as .img; 32 laser frames and 40 sky frames of each of
 * two lines as HDF5), then analysed from the files' bytes to the finished products, with one thread and with one per
 * core.  Times are medians over the runs; reading is decoding here, since the bytes are in memory already.
 */
#include "config.h"

#include "assets/fpi/night.h"
#include "assets/fpi/pool.h"
#include "assets/fpi/products.h"
#include "assets/fpi/simulate.h"
#include "assets/fpi/sites.h"
#include "base/clock.h"
#include "base/mem.h"
#include "tests/tap.h"

#include <sys/resource.h>

enum { RUNS_MAX = 200, STAGES_MAX = 24 };

static int runs = 10;

struct night {
	struct sim_night plan;
	struct strbuf *bytes;
	struct fpi_file *files;
	struct fpi_source source;
};

static const struct spec {
	const char *what, *instrument, *site, *date;
	int nlaser, nsky;
} nights[] = {
    {"60 laser, 120 sky frames, .img", "minime01", "car", "20160805", 60, 120},
    {"32 laser, 40 + 40 sky frames, HDF5", "minime13", "uao", "20260417", 32, 40},
};

static void must(int rc, const struct err *err)
{
	if (rc == -1)
		tap_bail("%s", err->text);
}

static int on_read(void *arg, size_t i, struct strbuf *out, struct err *err)
{
	const struct night *n = arg;

	(void)err;
	return strbuf_add(out, n->bytes[i].buf, n->bytes[i].len);
}

static void draw(void *arg, size_t i, int worker)
{
	struct night *n = arg;
	struct err err = ERR_INIT;

	(void)worker;
	n->bytes[i] = STRBUF_INIT(FPI_FILE_MAX);
	must(sim_night_draw(&n->plan, i, &n->bytes[i], &err), &err);
	n->files[i] = (struct fpi_file){n->plan.exposure[i].file, n->plan.exposure[i].file, n->bytes[i].len};
}

static void night_make(struct night *n, const struct spec *s)
{
	struct diags diags = DIAGS_INIT;
	struct fpi_table *table = fpi_table_load(test_src("etc/sites-and-instruments.yaml"), &diags);
	struct fpi_setup setup;
	struct sim_spec spec;
	struct civil date;
	struct err err = ERR_INIT;

	if (table == NULL)
		tap_bail("no site table");
	utctime_parse_yyyymmdd(s->date, &date);
	must(fpi_table_resolve(table, s->instrument, s->site, &date, &setup, &err), &err);
	sim_spec_default(&setup, &spec);
	spec.nlaser = s->nlaser;
	spec.nsky = s->nsky;
	must(sim_night_init(&n->plan, &setup, &spec, &err), &err);
	n->bytes = xcalloc(n->plan.n, sizeof(*n->bytes));
	n->files = xcalloc(n->plan.n, sizeof(*n->files));
	fpi_pool_run(n->plan.n, 0, draw, NULL, n);
	n->source = (struct fpi_source){
	    .files = n->files, .n = n->plan.n, .arg = n, .concurrent = true, .read = on_read};
	fpi_table_free(table);
	diags_release(&diags);
}

static void night_release(struct night *n)
{
	for (size_t i = 0; i < n->plan.n; i++)
		strbuf_release(&n->bytes[i]);
	free(n->bytes);
	free(n->files);
	sim_night_release(&n->plan);
}

/* Time by name of stage; the time up to a stage's first item counts as its own. */
struct watch {
	char name[STAGES_MAX][64];
	int64_t us[STAGES_MAX][RUNS_MAX];
	int n, run;
	int64_t last;
};

static void watch_add(struct watch *w, const char *name, int64_t us)
{
	int k = 0;

	while (k < w->n && strcmp(w->name[k], name) != 0)
		k++;
	if (k == STAGES_MAX)
		return;
	if (k == w->n)
		snprintf(w->name[w->n++], sizeof(w->name[0]), "%s", name);
	w->us[k][w->run] += us;
}

static void on_progress(void *arg, const char *stage, size_t done, size_t total)
{
	struct watch *w = arg;
	int64_t now = clock_mono_us();

	(void)done;
	(void)total;
	watch_add(w, stage, now - w->last);
	w->last = now;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double median_ms(int64_t *v, int n)
{
	qsort(v, (size_t)n, sizeof(*v), compare);
	return (double)v[n / 2] / 1e3;
}

static void make_products(const struct fpi_result *r, struct watch *w)
{
	struct fpi_provenance provenance = {"bench", "bench", "bench"};
	struct fpi_products products;
	struct err err = ERR_INIT;
	int64_t from = clock_mono_us();

	must(fpi_products_make(r, &provenance, &products, &err), &err);
	fpi_products_release(&products);
	watch_add(w, "products", clock_mono_us() - from);
	w->last = clock_mono_us();
}

static int64_t cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static void run_once(const struct night *n, int threads, struct watch *w)
{
	struct fpi_request req = {.setup = n->plan.setup,
	    .options = fpi_options_default,
	    .images = &n->source,
	    .progress = on_progress,
	    .arg = w};
	struct fpi_night *night;
	struct err err = ERR_INIT;
	int64_t cpu = cpu_us(), from = w->last = clock_mono_us();

	req.options.threads = threads;
	must(fpi_laser_night(&req, &night, &err), &err);
	for (size_t t = 0; t < n->plan.setup.instrument.ntags; t++) {
		struct fpi_result *r;

		must(fpi_sky_night(night, n->plan.setup.instrument.tags[t], &r, &err), &err);
		make_products(r, w);
		fpi_result_free(r);
	}
	fpi_night_free(night);
	watch_add(w, "all", clock_mono_us() - from);
	watch_add(w, "processor time", cpu_us() - cpu);
}

static void measure(const struct night *n, int threads)
{
	struct watch *w = xcalloc(1, sizeof(*w));

	for (w->run = 0; w->run < runs; w->run++)
		run_once(n, threads, w);
	printf("  %d thread%s\n", fpi_pool_threads(threads), fpi_pool_threads(threads) == 1 ? "" : "s");
	for (int k = 0; k < w->n; k++)
		printf("    %-20s %8.1f ms\n", w->name[k], median_ms(w->us[k], runs));
	free(w);
}

int main(int argc, char **argv)
{
	struct rusage use;

	if (argc > 1)
		runs = (int)strtol(argv[1], NULL, 10);
	runs = MAX(1, MIN(runs, RUNS_MAX));
	for (size_t i = 0; i < NITEMS(nights); i++) {
		struct night n = {0};

		night_make(&n, &nights[i]);
		printf("%s\n", nights[i].what);
		measure(&n, 1);
		measure(&n, 0);
		night_release(&n);
	}
	getrusage(RUSAGE_SELF, &use);
	printf("largest memory, the files included: %ld MiB\n", use.ru_maxrss / 1024);
	return 0;
}
