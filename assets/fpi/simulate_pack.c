#include "config.h"

#include "assets/fpi/simulate_pack.h"

#include "base/fs.h"
#include "base/mem.h"

#include <pthread.h>
#include <unistd.h>
#include <zlib.h>

#define FRAME_BYTES_MAX ((size_t)256 << 20)
#define WINDOW          8 /* frames drawn but not yet written */
#define THREADS_MAX     64
#define DEFLATE_LEVEL   3 /* noise does not shrink further for more work */
#define TAR_BLOCK       512
#define CREATED_AFTER_S 9900 /* the packer's run, after sunrise */

struct slot {
	struct strbuf file, packed; /* packed: deflated tar member */
	uint32_t crc; /* of the tar member */
	size_t plain; /* its bytes */
	bool ready;
};

struct crew {
	struct sim_night *night;
	const struct sim_output *out;
	char folder[16]; /* "20260417" */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t next, written;
	bool failed;
	struct err err;
	struct slot slot[WINDOW];
};

/* ---- one tar member */

static void tar_number(char *field, size_t n, uint64_t v)
{
	snprintf(field, n, "%0*llo", (int)n - 1, (unsigned long long)v);
}

static void tar_header(const char *folder, const struct sim_exposure *e, size_t size, char h[TAR_BLOCK])
{
	unsigned sum = 0;

	memset(h, 0, TAR_BLOCK);
	snprintf(h, 100, "%s/%s", folder, e->file);
	tar_number(h + 100, 8, 0644);
	tar_number(h + 108, 8, 1000);
	tar_number(h + 116, 8, 1000);
	tar_number(h + 124, 12, size);
	tar_number(h + 136, 12, (uint64_t)(e->utc_us / 1000000 + (int64_t)e->exposure_s + 3));
	memset(h + 148, ' ', 8);
	h[156] = '0';
	memcpy(h + 257, "ustar\00000", 8);
	snprintf(h + 265, 32, "airglow");
	snprintf(h + 297, 32, "airglow");
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	h[155] = ' ';
}

struct part {
	const void *p;
	size_t n;
};

/* Deflate to a byte boundary, so that pieces made apart can be joined. */
static int deflate_piece(const struct part *part, size_t parts, int flush, struct strbuf *out)
{
	z_stream z = {0};
	char buf[65536];
	int r = Z_OK;

	if (deflateInit2(&z, DEFLATE_LEVEL, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -1;
	for (size_t i = 0; i < parts; i++) {
		int how = i + 1 == parts ? flush : Z_NO_FLUSH;

		z.next_in = (Bytef *)(uintptr_t)part[i].p;
		z.avail_in = (uInt)part[i].n;
		do {
			z.next_out = (Bytef *)buf;
			z.avail_out = sizeof(buf);
			r = deflate(&z, how);
			strbuf_add(out, buf, sizeof(buf) - z.avail_out);
		} while (z.avail_out == 0);
	}
	deflateEnd(&z);
	return out->overflowed || r == Z_STREAM_ERROR ? -1 : 0;
}

static int pack_member(const struct crew *c, const struct sim_exposure *e, struct slot *s)
{
	static const char zeros[TAR_BLOCK];
	char header[TAR_BLOCK];
	size_t pad = (TAR_BLOCK - s->file.len % TAR_BLOCK) % TAR_BLOCK;
	struct part part[] = {{header, TAR_BLOCK}, {s->file.buf, s->file.len}, {zeros, pad}};
	uLong crc = crc32(0, NULL, 0);

	tar_header(c->folder, e, s->file.len, header);
	s->plain = 0;
	for (size_t i = 0; i < NITEMS(part); i++) {
		crc = crc32(crc, part[i].p, (uInt)part[i].n);
		s->plain += part[i].n;
	}
	s->crc = (uint32_t)crc;
	return deflate_piece(part, NITEMS(part), Z_SYNC_FLUSH, &s->packed);
}

/* ---- the threads that draw */

static int draw(struct crew *c, size_t i, struct slot *s, struct err *err)
{
	strbuf_reset(&s->file);
	strbuf_reset(&s->packed);
	if (sim_night_draw(c->night, i, &s->file, err) == -1)
		return -1;
	if (c->out->upload != NULL && pack_member(c, &c->night->exposure[i], s) == -1)
		return err_set(err, ERR_BUG, "frame %zu could not be deflated", i);
	return 0;
}

static void *crew_member(void *arg)
{
	struct crew *c = arg;

	pthread_mutex_lock(&c->lock);
	for (;;) {
		struct err err = ERR_INIT;
		struct slot *s;
		size_t i;

		while (!c->failed && c->next < c->night->n && c->next >= c->written + WINDOW)
			pthread_cond_wait(&c->changed, &c->lock);
		if (c->failed || c->next >= c->night->n)
			break;
		i = c->next++;
		s = &c->slot[i % WINDOW];
		pthread_mutex_unlock(&c->lock);
		int r = draw(c, i, s, &err);
		pthread_mutex_lock(&c->lock);
		s->ready = true;
		if (r == -1 && !c->failed) {
			c->failed = true;
			c->err = err;
		}
		pthread_cond_broadcast(&c->changed);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* ---- the one that writes */

struct pieces {
	const struct crew *crew;
	char stem[4 * FPI_NAME_MAX]; /* "fpi13_uao_20260417" */
	struct strbuf pending;
	size_t count, total, plain;
	uLong crc;
};

static int write_file(const char *dir, const char *name, const void *p, size_t n, struct err *err)
{
	char *path = fs_join(dir, name);
	int r = fs_write_atomic(path, p, n, 0644, err);

	free(path);
	return r;
}

static int put_piece(struct pieces *p, size_t n, struct err *err)
{
	char name[6 * FPI_NAME_MAX];

	snprintf(name, sizeof(name), "%s.tar.gz%06zu", p->stem, p->count);
	if (write_file(p->crew->out->upload, name, p->pending.buf, n, err) == -1)
		return -1;
	strbuf_drop(&p->pending, n);
	p->count++;
	p->total += n;
	return 0;
}

static int add_bytes(struct pieces *p, const void *bytes, size_t n, struct err *err)
{
	if (strbuf_add(&p->pending, bytes, n) == -1)
		return err_set(err, ERR_USAGE, "a frame is too large to be packed");
	while (p->pending.len >= p->crew->out->piece_bytes)
		if (put_piece(p, p->crew->out->piece_bytes, err) == -1)
			return -1;
	return 0;
}

static int begin_upload(struct pieces *p, struct err *err)
{
	static const unsigned char gzip[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};

	p->crc = crc32(0, NULL, 0);
	return add_bytes(p, gzip, sizeof(gzip), err);
}

static void le32(unsigned char *out, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		out[i] = (unsigned char)(v >> 8 * i);
}

/* The check file: the first piece, how many, how large, when, disk space, and what these are; no line end at the end. */
static int put_check_file(struct pieces *p, struct err *err)
{
	struct strbuf sb = STRBUF_INIT(1024);
	char when[UTCTIME_MAX], name[6 * FPI_NAME_MAX];
	int64_t created_us = (int64_t)((p->crew->night->sunrise_s + CREATED_AFTER_S) * 1e6);
	int r;

	utctime_format_sql(created_us / 1000, when);
	strbuf_addf(&sb, "%s.tar.gz000000\n%zu\n%zu\n%s.%06d\n812.43\n", p->stem, p->count, p->total, when,
	    (int)(created_us % 1000000));
	strbuf_addstr(&sb,
	    "1: 1st file name\n2: Number of parts\n3: Size of tar.gz\n4: Time of Creation\n5: GB Disk Free");
	snprintf(name, sizeof(name), "%s.txt", p->stem);
	r = write_file(p->crew->out->upload, name, sb.buf, sb.len, err);
	strbuf_release(&sb);
	return r;
}

static int end_upload(struct pieces *p, struct err *err)
{
	static const char end[2 * TAR_BLOCK];
	struct part part[] = {{end, sizeof(end)}};
	struct strbuf sb = STRBUF_INIT(4096);
	unsigned char trailer[8];
	int r = deflate_piece(part, 1, Z_FINISH, &sb);

	p->crc = crc32_combine(p->crc, crc32(0, (const Bytef *)end, sizeof(end)), sizeof(end));
	p->plain += sizeof(end);
	le32(trailer, (uint32_t)p->crc);
	le32(trailer + 4, (uint32_t)p->plain);
	if (r == 0)
		r = add_bytes(p, sb.buf, sb.len, err);
	if (r == 0)
		r = add_bytes(p, trailer, sizeof(trailer), err);
	strbuf_release(&sb);
	if (r == 0 && p->pending.len > 0)
		r = put_piece(p, p->pending.len, err);
	return r == 0 ? put_check_file(p, err) : -1;
}

static int take_frame(struct pieces *p, struct slot *s, const struct sim_exposure *e, struct err *err)
{
	const struct sim_output *out = p->crew->out;

	if (out->images != NULL) {
		char *dir = fs_join(out->images, p->crew->folder);
		int r = fs_mkdirs(dir, 0755, err);

		r = r == 0 ? write_file(dir, e->file, s->file.buf, s->file.len, err) : -1;
		free(dir);
		if (r == -1)
			return -1;
	}
	if (out->upload == NULL)
		return 0;
	p->crc = crc32_combine(p->crc, s->crc, (z_off_t)s->plain);
	p->plain += s->plain;
	return add_bytes(p, s->packed.buf, s->packed.len, err);
}

/* In the order of the night, whatever order the frames were drawn in. */
static int write_all(struct crew *c, struct pieces *p, struct err *err)
{
	for (size_t i = 0; i < c->night->n; i++) {
		struct slot *s = &c->slot[i % WINDOW];

		pthread_mutex_lock(&c->lock);
		while (!s->ready && !c->failed)
			pthread_cond_wait(&c->changed, &c->lock);
		bool failed = c->failed;
		s->ready = false;
		pthread_mutex_unlock(&c->lock);
		if (failed) {
			*err = c->err;
			return -1;
		}
		if (take_frame(p, s, &c->night->exposure[i], err) == -1)
			return -1;
		pthread_mutex_lock(&c->lock);
		c->written++;
		pthread_cond_broadcast(&c->changed);
		pthread_mutex_unlock(&c->lock);
	}
	return c->out->upload != NULL ? end_upload(p, err) : 0;
}

static int run_crew(struct crew *c, struct pieces *p, struct err *err)
{
	pthread_t thread[THREADS_MAX];
	long want = c->out->threads > 0 ? c->out->threads : sysconf(_SC_NPROCESSORS_ONLN);
	int started = 0, r;

	while (started < MIN(MAX(want, 1), THREADS_MAX) &&
	       pthread_create(&thread[started], NULL, crew_member, c) == 0)
		started++;
	if (started == 0)
		return err_set(err, ERR_TRANSIENT, "no thread could be started");
	r = write_all(c, p, err);
	pthread_mutex_lock(&c->lock);
	c->failed |= r == -1;
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	for (int i = 0; i < started; i++)
		pthread_join(thread[i], NULL);
	return r;
}

int sim_stub(const struct sim_night *n, char out[FPI_NAME_MAX], struct err *err)
{
	const char *name = n->setup.instrument.name, *digits = name + strcspn(name, "0123456789");

	if (strlen(digits) != 2 || strspn(digits, "0123456789") != 2)
		return err_set(
		    err, ERR_USAGE, "instrument '%s' has no number of two digits, so it cannot upload", name);
	snprintf(out, FPI_NAME_MAX, "fpi%s", digits);
	return 0;
}

int sim_pack(struct sim_night *n, const struct sim_output *out, struct err *err)
{
	struct crew c = {
	    .night = n, .out = out, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	struct pieces p = {.crew = &c, .pending = STRBUF_INIT(2 * FRAME_BYTES_MAX)};
	char stub[FPI_NAME_MAX] = "";
	int r = 0;

	snprintf(c.folder, sizeof(c.folder), "%04d%02d%02d", n->setup.date.year % 10000,
	    n->setup.date.month % 100, n->setup.date.day % 100);
	for (size_t i = 0; i < WINDOW; i++) {
		strbuf_init(&c.slot[i].file, FRAME_BYTES_MAX);
		strbuf_init(&c.slot[i].packed, FRAME_BYTES_MAX);
	}
	if (out->upload != NULL) {
		r = sim_stub(n, stub, err);
		snprintf(p.stem, sizeof(p.stem), "%s_%s_%s", stub, n->setup.site.abbr, c.folder);
		if (r == 0)
			r = fs_mkdirs(out->upload, 0755, err);
		if (r == 0)
			r = begin_upload(&p, err);
	}
	if (r == 0)
		r = run_crew(&c, &p, err);
	for (size_t i = 0; i < WINDOW; i++) {
		strbuf_release(&c.slot[i].file);
		strbuf_release(&c.slot[i].packed);
	}
	strbuf_release(&p.pending);
	return r;
}
