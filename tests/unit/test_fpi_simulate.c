/* Synthetic nights: same options same bytes, uploads that read back, frames that follow the forward model, clear refusals. */
#include "config.h"

#include "assets/fpi/auxiliary.h"
#include "assets/fpi/folder.h"
#include "base/json.h"
#include "tests/tap.h"

#include <dirent.h>
#include <sys/wait.h>

static char program[600], sites[600];

/* Run fpi-simulate with a shell; the output's last line goes to said. */
static int simulate(const char *args, char *said, size_t n)
{
	char command[4096], line[1024];
	FILE *f;

	snprintf(command, sizeof(command), "%s --sites '%s' %s 2>&1", program, sites, args);
	f = popen(command, "r");
	if (n > 0)
		said[0] = '\0';
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		snprintf(said, n, "%s", line);
	int status = f != NULL ? pclose(f) : -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool same_file(const char *a, const char *b)
{
	struct strbuf x = STRBUF_INIT(64 << 20), y = STRBUF_INIT(64 << 20);
	bool same = fs_read(a, &x, NULL) == 0 && fs_read(b, &y, NULL) == 0 && x.len == y.len &&
	            memcmp(x.buf, y.buf, x.len) == 0;

	strbuf_release(&x);
	strbuf_release(&y);
	return same;
}

/* Files of one folder that also stand in the other with the same bytes; -1 when the folders list different names. */
static int same_files(const char *a, const char *b)
{
	DIR *d = opendir(a);
	struct dirent *e;
	int n = 0;

	while (d != NULL && (e = readdir(d)) != NULL) {
		char *x = fs_join(a, e->d_name), *y = fs_join(b, e->d_name);

		if (e->d_name[0] != '.')
			n = n == -1 || !fs_exists(y) ? -1 : n + same_file(x, y);
		free(x);
		free(y);
	}
	if (d != NULL)
		closedir(d);
	return n;
}

static void run(const char *what, const char *args)
{
	char said[1024] = "";

	if (!ok(simulate(args, said, sizeof(said)) == 0, "%s", what))
		diag("%s", said);
}

static void test_deterministic(void)
{
	char args[2048], one[512], three[512], other[512], one_json[520], three_json[520], other_json[520];
	const char *d = test_dir();

	snprintf(one, sizeof(one), "%s/one", d);
	snprintf(three, sizeof(three), "%s/three", d);
	snprintf(other, sizeof(other), "%s/other", d);
	snprintf(one_json, sizeof(one_json), "%s.json", one);
	snprintf(three_json, sizeof(three_json), "%s.json", three);
	snprintf(other_json, sizeof(other_json), "%s.json", other);
#define NIGHT                                                                                                \
	"--instrument minime01 --date 20160807 --size 96 --laser 3 --sky 4 --temperature-logs --piece-size " \
	"30000 --truth %s.json --upload %s"
	snprintf(args, sizeof(args), NIGHT " --threads 1", one, one);
	run("a night on one thread", args);
	snprintf(args, sizeof(args), NIGHT " --threads 3", three, three);
	run("on three", args);
	snprintf(args, sizeof(args), NIGHT " --seed 2", other, other);
	run("with another seed", args);
	ok(same_files(one, three) >= 10, "the same %d files", same_files(one, three));
	ok(same_file(one_json, three_json), "and the same truth");
	ok(!same_file(one_json, other_json), "another seed is another night");
#undef NIGHT
}

/* Everything that the independent reader in Python checks. */
static void check_upload(const char *dir, const char *truth, int frames)
{
	char command[2048], line[1024];
	int checks = 0;
	FILE *f;

	snprintf(command, sizeof(command), "/usr/bin/python3 '%s' '%s' '%s' %d 2>&1",
	    test_src("tests/unit/fpi_upload.py"), dir, truth, frames);
	f = popen(command, "r");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "ok ", 3) == 0 || strncmp(line, "not ok ", 7) == 0) {
			ok(line[0] == 'o', "%s", strchr(line, 'k') + 2);
			checks++;
		} else {
			diag("%s", line);
		}
	}
	is_int(f != NULL ? pclose(f) : -1, 0, "the reader ended well");
	ok(checks >= 6, "%d checks", checks);
}

static void check_night(const char *name, const char *options, int frames)
{
	char args[2048], dir[512], truth[520];

	snprintf(dir, sizeof(dir), "%s/%s", test_dir(), name);
	snprintf(truth, sizeof(truth), "%s.json", dir);
	snprintf(args, sizeof(args), "%s --upload %s --truth %s", options, dir, truth);
	run(name, args);
	check_upload(dir, truth, frames);
}

static void test_frames(void)
{
	if (system("/usr/bin/python3 -c 'import h5py, numpy' 2>/dev/null") != 0) {
		tap_skip("numpy or h5py is not installed for /usr/bin/python3");
		return;
	}
	check_night(
	    "img", "--instrument minime01 --date 20160807 --size 256 --laser 4 --sky 6 --hot-pixels 0", 3);
	check_night("hdf5",
	    "--instrument minime13 --date 20260417 --size 256 --laser 3 --sky 3 --hot-pixels 0 --clouds 0.5",
	    3);
}

static json_t *truth_of(const char *args)
{
	char full[2048], path[600], said[1024];
	struct strbuf sb = STRBUF_INIT(1 << 22);
	json_t *j = NULL;

	snprintf(path, sizeof(path), "%s/truth.json", test_dir());
	snprintf(full, sizeof(full), "%s --size 64 --truth %s", args, path);
	if (simulate(full, said, sizeof(said)) == 0 && fs_read(path, &sb, NULL) == 0)
		j = json_parse(sb.buf, sb.len, path, NULL);
	else
		diag("%s", said);
	strbuf_release(&sb);
	return j;
}

/* Least angle between a look direction and the moon; the frames of each tag. */
static void look_at(const json_t *truth, double *least_moon, int *red, int *green)
{
	json_t *e;
	size_t i;

	*least_moon = 180;
	*red = *green = 0;
	json_array_foreach(json_object_get(truth, "exposures"), i, e)
	{
		json_t *moon = json_object_get(e, "moon_angle_deg");

		*red += strcmp(json_str(e, "tag", ""), "XR") == 0;
		*green += strcmp(json_str(e, "tag", ""), "XG") == 0;
		if (moon != NULL && json_number_value(moon) < *least_moon)
			*least_moon = json_number_value(moon);
	}
}

static void test_schedule(void)
{
	/* Near full moon, which crosses the directions of this site during the night. */
	static const char moonlit[] = "--instrument minime13 --date 20260501 --laser 5 --sky 40";
	char args[256];
	double least, with;
	int red, green;
	json_t *t = truth_of(moonlit);

	look_at(t, &least, &red, &green);
	json_decref(t);
	is_int(red, 40, "red frames");
	is_int(green, 40, "green frames");
	ok(least >= 40, "the moon is avoided: %.1f degrees", least);
	snprintf(args, sizeof(args), "%s --ignore-moon --tags XR", moonlit);
	t = truth_of(args);
	look_at(t, &with, &red, &green);
	json_decref(t);
	is_int(green, 0, "tags as asked");
	ok(with < 37, "or not: %.1f degrees", with);
}

/* Every sensor's files are read back whole by the reader of real ones. */
static void test_sensors(void)
{
	static const char *const kinds[] = {"boltwood", "skyalert", "ethernet"};
	static const struct fpi_site site = {.abbr = "car"};
	struct tz *tz = tz_open("America/Recife", NULL);

	for (size_t i = 0; tz != NULL && i < NITEMS(kinds); i++) {
		char args[1024], dir[512];
		const char *dirs[1] = {dir};
		struct fpi_auxiliary aux;
		struct fpi_folder *folder;
		struct err err = ERR_INIT;
		bool skipped = false;

		snprintf(dir, sizeof(dir), "%s/%s", test_dir(), kinds[i]);
		snprintf(args, sizeof(args),
		    "--instrument minime01 --date 20160807 --size 64 --laser 1 --sky 1 --cloud-sensor %s "
		    "--temperature-logs --upload %s",
		    kinds[i], dir);
		run(kinds[i], args);
		folder = fpi_folder_open(dirs, 1, &err);
		/* 21 UTC on the 7th to 8 UTC on the 8th */
		if (!ok(folder != NULL && fpi_auxiliary_load(fpi_folder_source(folder), &site, tz,
		                              1470603600000000, 1470643200000000, &aux, &err) == 0,
		        "read back %s", err.text))
			continue;
		for (size_t k = 0; k < aux.notes.n; k++)
			skipped |= strstr(aux.notes.v[k], "malformed") != NULL;
		ok(!skipped, "no malformed line");
		ok(aux.cloud.n > 400 && fpi_series_stats(&aux.cloud, 1470603600000000, 36000).mean < -30,
		    "%zu readings of a clear sky", aux.cloud.n);
		ok(aux.temp.dome.n > 100 && aux.temp.inside.n > 100 && aux.temp.etalon_inside.n > 100 &&
		        aux.temp.etalon_outside.n > 100,
		    "temperatures too");
		fpi_auxiliary_release(&aux);
		fpi_folder_free(folder);
	}
	tz_free(tz);
}

static void test_refusals(void)
{
	static const struct {
		const char *args, *says;
		int exit_code;
	} cases[] = {
	    {"", "--instrument and --date are needed", 2},
	    {"--instrument minime01 --date 20160807", "nothing to write", 2},
	    {"--instrument minime01 --date 2016 --truth -", "is not a date", 2},
	    {"--instrument minime99 --date 20160807 --truth -", "there is no instrument 'minime99'", 7},
	    {"--instrument minime01 --site uao --date 20160807 --truth -", "is at 'car'", 1},
	    {"--instrument minime01 --date 20160807 --truth - --size 10", "--size: 10 is not between", 2},
	    {"--instrument minime01 --date 20160807 --truth - --laser 2.5", "not a whole number", 2},
	    {"--instrument minime01 --date 20160807 --truth - --cadence 3600", "do not fit into a night", 2},
	    {"--instrument minime01 --date 20160807 --truth - --laser 2000", "do not fit into the night", 2},
	    {"--instrument minime01 --date 20160807 --truth - --tags XG", "no green line", 2},
	    {"--instrument minime01 --date 20160807 --truth - --tags X,,XR", "--tags", 2},
	    {"--instrument minime01 --date 20160807 --truth - --format png", "neither img nor hdf5", 2},
	    {"--instrument minime01 --date 20160807 --upload /dev/null/x", "/dev/null", 1},
	    {"--instrument minime01 --date 20160807 --truth - --wind 3", "--help", 2},
	    {"rest", "not an option", 2},
	};
	char said[1024];

	for (size_t i = 0; i < NITEMS(cases); i++) {
		int r = simulate(cases[i].args, said, sizeof(said));

		said[strcspn(said, "\n")] = '\0';
		ok(r == cases[i].exit_code && strstr(said, cases[i].says) != NULL, "exit %d: %s", r, said);
	}
	is_int(simulate("--help", said, sizeof(said)), 0, "help is no error");
	is_int(simulate("--version", said, sizeof(said)), 0, "nor is the version");
}

int main(void)
{
	const char *build = getenv("TEST_BUILDDIR");

	snprintf(program, sizeof(program), "'%s/fpi-simulate'", build ? build : ".");
	snprintf(sites, sizeof(sites), "%s", test_src("etc/sites-and-instruments.yaml"));
	tap_run(test_deterministic);
	tap_run(test_frames);
	tap_run(test_schedule);
	tap_run(test_sensors);
	tap_run(test_refusals);
	return tap_done();
}
