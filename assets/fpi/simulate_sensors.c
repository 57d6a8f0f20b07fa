#include "config.h"

#include "assets/fpi/simulate_sensors.h"

#include "base/fs.h"

#include <math.h>

#define BEFORE_S        (5 * 3600)
#define AFTER_S         (3 * 3600)
#define FILE_MAX        ((size_t)4 << 20)
#define BOLTWOOD_STEP_S 60
#define SKYALERT_STEP_S 120
#define LOGGER_STEP_S   300
#define SENSOR_NOISE_C  0.5

enum stream { STREAM_CLOUD = 4000001, STREAM_LOGGERS = 4000002 };

struct reading {
	struct civil clock; /* as the sensor's clock shows it */
	double sky_C, ambient_C, inside_C;
	int number;
};

typedef void line_fn(const struct reading *, struct strbuf *out);

static void boltwood_line(const struct reading *r, struct strbuf *out)
{
	strbuf_addf(out, "%04d-%02d-%02d %02d:%02d:%02d.65 M ~D 1 1 1 1 0 0 %.1f %.1f 2.1 48 0 0 00003\n",
	    r->clock.year, r->clock.month, r->clock.day, r->clock.hour, r->clock.minute, r->clock.second,
	    r->sky_C - r->ambient_C, r->ambient_C);
}

static void skyalert_line(const struct reading *r, struct strbuf *out)
{
	strbuf_addf(out,
	    "%d)  %04d-%02d-%02d %02d:%02d:%02d.00 C K %.1f %.1f 21 0 59 12.6 000 0 0 00020 044072.8622\n",
	    r->number % 100, r->clock.year, r->clock.month, r->clock.day, r->clock.hour, r->clock.minute,
	    r->clock.second, r->sky_C, r->ambient_C);
}

static void ethernet_line(const struct reading *r, struct strbuf *out)
{
	strbuf_addf(out, "%04d-%02d-%02d %02d:%02d:%02d SAE1 %.2f %.2f 1012 80 44.2 3 1 990.0\n", r->clock.year,
	    r->clock.month, r->clock.day, r->clock.hour, r->clock.minute, r->clock.second, r->ambient_C,
	    r->sky_C);
}

static void dome_line(const struct reading *r, struct strbuf *out)
{
	strbuf_addf(out, "%02d/%02d/%04d %02d:%02d:%02d,%.2f,%.2f\n", r->clock.month, r->clock.day,
	    r->clock.year, r->clock.hour, r->clock.minute, r->clock.second, r->ambient_C + 2, r->inside_C);
}

/* The third value is the sensor in the etalon, which reads 14.43 degrees too high. */
static void etalon_inside_line(const struct reading *r, struct strbuf *out)
{
	strbuf_addf(out, "%04d/%02d/%02d %02d:%02d:%02d,%.2f,%.2f,%.2f,%.2f\n", r->clock.year, r->clock.month,
	    r->clock.day, r->clock.hour, r->clock.minute, r->clock.second, 24.1, 24.3, r->inside_C + 5 + 14.43,
	    24.2);
}

static void etalon_outside_line(const struct reading *r, struct strbuf *out)
{
	strbuf_addf(out, "%04d/%02d/%02d %02d:%02d:%02d,%.2f\n", r->clock.year, r->clock.month, r->clock.day,
	    r->clock.hour, r->clock.minute, r->clock.second, r->inside_C + 1);
}

static const struct sensor {
	const char *prefix, *header;
	line_fn *line;
	int step_s;
	bool utc; /* its clock */
} clouds[] =
    {
        [SIM_CLOUD_BOLTWOOD] = {"Cloud",
            "Date       Time        T  Ser# Firmw Serrs  Cldy VCldy Windy VWindy  Rain   Wet  DC   Day  Vday  "
            "Ty SNBot SNTop EV "
            "WCC  ClarV\n",
            boltwood_line, BOLTWOOD_STEP_S, false},
        [SIM_CLOUD_SKYALERT] = {"Cloud", "", skyalert_line, SKYALERT_STEP_S, false},
        [SIM_CLOUD_ETHERNET] = {"Cloud", "", ethernet_line, SKYALERT_STEP_S, false},
},
  loggers[] = {
      {"TempL", "", dome_line, LOGGER_STEP_S, false},
      {"TempL00", "", etalon_inside_line, LOGGER_STEP_S, true},
      {"TempL01", "", etalon_outside_line, LOGGER_STEP_S, true},
};

static int write_day(const struct sim_night *n, const struct sensor *s, const struct civil *day,
    const struct strbuf *sb, const char *dir, struct err *err)
{
	char name[4 * FPI_NAME_MAX], *path;
	int r;

	snprintf(name, sizeof(name), "%s_%s_%04d%02d%02d.txt", s->prefix, n->setup.site.abbr, day->year,
	    day->month, day->day);
	path = fs_join(dir, name);
	r = fs_write_atomic(path, sb->buf, sb->len, 0644, err);
	free(path);
	return r;
}

static struct reading read_sensor(
    const struct sim_night *n, const struct sensor *s, int64_t utc_s, int number, struct rng *rng)
{
	struct reading r = {.number = number, .ambient_C = sim_ambient_at(n, (double)utc_s)};
	struct tz_local l = {.local_s = utc_s};

	if (!s->utc)
		tz_to_local(n->tz, utc_s, &l);
	civil_from_ms(l.local_s * 1000, &r.clock);
	r.sky_C = r.ambient_C + sim_cloud_at(n, (double)utc_s) + SENSOR_NOISE_C * rng_normal(rng);
	r.inside_C = 21 + 0.3 * sin((double)utc_s / 2000) + 0.05 * rng_normal(rng);
	return r;
}

/* One file for each date the sensor's clock shows. */
static int write_sensor(
    const struct sim_night *n, const struct sensor *s, uint64_t stream, const char *dir, struct err *err)
{
	struct strbuf sb = STRBUF_INIT(FILE_MAX);
	struct civil day = {0};
	struct rng rng;
	int number = 0, r = 0;

	rng_init(&rng, n->spec.seed, stream);
	for (int64_t t = (int64_t)n->sunset_s - BEFORE_S; r == 0 && t < (int64_t)n->sunrise_s + AFTER_S;
	     t += s->step_s) {
		struct reading reading = read_sensor(n, s, t, number++, &rng);

		if (number > 1 && reading.clock.day != day.day) {
			r = write_day(n, s, &day, &sb, dir, err);
			strbuf_reset(&sb);
		}
		if (sb.len == 0)
			strbuf_addstr(&sb, s->header);
		s->line(&reading, &sb);
		day = reading.clock;
	}
	if (r == 0)
		r = write_day(n, s, &day, &sb, dir, err);
	strbuf_release(&sb);
	return r;
}

int sim_cloud_files(const struct sim_night *n, enum sim_cloud_sensor sensor, const char *dir, struct err *err)
{
	return sensor == SIM_CLOUD_NONE ? 0 : write_sensor(n, &clouds[sensor], STREAM_CLOUD, dir, err);
}

int sim_temperature_files(const struct sim_night *n, const char *dir, struct err *err)
{
	for (size_t i = 0; i < NITEMS(loggers); i++)
		if (write_sensor(n, &loggers[i], STREAM_LOGGERS + i, dir, err) == -1)
			return -1;
	return 0;
}
