/*
 * Figures of unzip_chunked_archive: rate against gunzip on the same archive, memory, disk.
 *
 *     bench/bench_unpack [MiB unpacked]
 *
 * The archive is a night of noisy 16-bit images in pieces of 5 MiB; everything is in the page cache, as pieces that
 * have just arrived are.
 */
#include "config.h"

#include "tests/component/upload_fixture.h"

#include "assets/archive/unpack.h"

#include <sys/resource.h>

#define IMAGE_BYTES (2 << 20)
#define PIECE_BYTES 5242880
#define RUNS        3

/* Counts around 500 with a spread of a few dozen, little-endian: what a camera delivers. */
static void make_image(uint16_t *px, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
		px[i] = (uint16_t)(480 + (seed & 15) + (seed >> 8 & 15) + (seed >> 16 & 15) + i / 4096 % 64);
	}
}

/* One image's members at a time through deflate into the piece files; runs in a process of its own. */
static void write_archive(const char *root, size_t images)
{
	uint16_t *px = xmalloc(IMAGE_BYTES);
	struct strbuf tar = STRBUF_INIT((size_t)4 << 30), gz = STRBUF_INIT((size_t)4 << 30);
	char name[64];

	for (size_t i = 0; i < images; i++) {
		make_image(px, IMAGE_BYTES / 2, 88172645463325252u + i);
		snprintf(name, sizeof(name), "20250429/UAO_X_%06zu.img", i);
		upload_add_member(&tar, name, px, IMAGE_BYTES);
	}
	upload_gzip(&tar, 6, &gz);
	upload_put(root, UPLOAD_NAME, &gz, PIECE_BYTES);
	_exit(0);
}

static void make_archive(const char *root, size_t images)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		write_archive(root, images);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		tap_bail("making the archive");
}

static double seconds_since(int64_t start_us)
{
	return (double)(clock_mono_us() - start_us) / 1e6;
}

static double cpu_of(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double run_gunzip(const char *root, double *cpu_s)
{
	double before = cpu_of(RUSAGE_CHILDREN);
	char *command = xasprintf("cat %s/raw/*.tar.gz?????? | gunzip -c > /dev/null", root);
	int64_t start = clock_mono_us();

	if (system(command) != 0)
		tap_bail("%s", command);
	free(command);
	*cpu_s = cpu_of(RUSAGE_CHILDREN) - before;
	return seconds_since(start);
}

static int on_begin(void *arg, const char *path, int64_t size, struct err *err)
{
	return 0;
}

static int on_data(void *arg, const void *p, size_t n, struct err *err)
{
	*(int64_t *)arg += (int64_t)n;
	return 0;
}

static int on_end(void *arg, struct err *err)
{
	return 0;
}

/* The archive layer alone, on one core, to nowhere. */
static double run_layer(const char *root, int64_t *bytes)
{
	static const struct unpack_sink sink = {on_begin, on_data, on_end};
	const struct unpack_limits limits = {INT64_MAX, INT64_MAX, 1000000, 200, 1 << 20, 900, 1 << 20};
	struct strvec keys = STRVEC_INIT;
	struct err err = ERR_INIT;
	int64_t start;
	struct unpack *u;

	*bytes = 0;
	upload_keys(root, "raw/" UPLOAD_NAME ".tar.gz", &keys);
	start = clock_mono_us();
	u = unpack_new(&limits, true, &sink, bytes);
	for (size_t i = 0; i < keys.n; i++) {
		struct strbuf sb;

		upload_read(root, keys.v[i], &sb);
		if (unpack_push(u, sb.buf, sb.len, &err) == -1)
			tap_bail("%s", err.text);
		strbuf_release(&sb);
	}
	if (unpack_finish(u, &err) == -1)
		tap_bail("%s", err.text);
	unpack_free(u);
	strvec_release(&keys);
	return seconds_since(start);
}

/* The peak of a process' memory: unlike ru_maxrss it does not start with its parent's. */
static int64_t peak_kib(pid_t pid)
{
	char path[64], line[256];
	int64_t kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if ((f = fopen(path, "re")) == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, "VmHWM:", 6) == 0)
			kib = strtoll(line + 6, NULL, 10);
	fclose(f);
	return kib;
}

struct figures {
	double wall_s, cpu_s;
	int64_t peak_kib, work_bytes;
};

static int64_t work_bytes;

static int add_size(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (type == FTW_F)
		work_bytes += st->st_size;
	return 0;
}

static void run_step(const char *root, int run, struct figures *fig)
{
	char name[32], *ledger, *fpi = fs_join(root, "fpi"), *work;
	json_t *options = upload_unzip_options();
	struct attempt a;

	snprintf(name, sizeof(name), "bench-%d", run);
	ledger = upload_ledger(name);
	json_object_set_new(options, "flatten", json_string("yes"));
	fs_remove_tree(fpi, NULL);
	attempt_make(&a, name, "unzip_chunked_archive", upload_context(root, ledger, options));
	work = fs_join(a.dir, ATTEMPT_WORK);
	*fig = (struct figures){0};
	int64_t start = clock_mono_us();
	attempt_start(&a, "orch-step");
	while (attempt_lives(a.pid)) {
		siginfo_t si = {0};

		fig->peak_kib = MAX(fig->peak_kib, peak_kib(a.pid));
		work_bytes = 0;
		nftw(work, add_size, 4, FTW_PHYS);
		fig->work_bytes = MAX(fig->work_bytes, work_bytes);
		if (waitid(P_PID, (id_t)a.pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid == a.pid)
			break;
		usleep(2000);
	}
	fig->wall_s = seconds_since(start);
	attempt_wait(&a);
	if (!upload_succeeded(&a))
		tap_bail("%s", a.rec.err.text);
	fig->cpu_s = a.rec.utime_s + a.rec.stime_s;
	attempt_release(&a);
	free(work);
	free(fpi);
	free(ledger);
}

int main(int argc, char **argv)
{
	size_t images = (size_t)(argc > 1 ? strtol(argv[1], NULL, 10) : 512) / 2;
	char *root = xasprintf("%s/store", test_dir());
	int64_t bytes;

	make_archive(root, images);
	printf("%zu images of 2 MiB in %zu pieces\n", images, upload_count(root, "raw/") - 1);
	for (int i = 0; i < RUNS; i++) {
		double cpu, gunzip = run_gunzip(root, &cpu), layer_cpu = cpu_of(RUSAGE_SELF),
		            layer = run_layer(root, &bytes);
		double mb = (double)bytes / 1e6;
		struct figures f;

		layer_cpu = cpu_of(RUSAGE_SELF) - layer_cpu;
		run_step(root, i, &f);
		printf("gunzip %.0f MB/s (cpu %.2f s) | archive layer %.0f MB/s (cpu %.2f s) | step %.0f MB/s "
		       "(cpu %.2f s), "
		       "%.0f %% of gunzip, peak %.1f MiB, work folder %.1f MiB\n",
		    mb / gunzip, cpu, mb / layer, layer_cpu, mb / f.wall_s, f.cpu_s, 100 * gunzip / f.wall_s,
		    (double)f.peak_kib / 1024, (double)f.work_bytes / 1048576);
		fflush(stdout);
	}
	free(root);
	fs_remove_tree(test_dir(), NULL);
	return 0;
}
