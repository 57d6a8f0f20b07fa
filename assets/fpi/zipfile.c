#include "config.h"

#include "assets/fpi/zipfile.h"

#include <zlib.h>

#define LEVEL       6
#define MEMBERS_MAX 60000
#define INDEX_MAX   ((size_t)16 << 20)
#define DOS_DATE    0x0021 /* 1980-01-01, the earliest there is */
#define UTF8_NAME   0x0800

static void put16(struct strbuf *sb, unsigned v)
{
	strbuf_addch(sb, (char)(v & 0xff));
	strbuf_addch(sb, (char)(v >> 8 & 0xff));
}

static void put32(struct strbuf *sb, uint32_t v)
{
	put16(sb, v & 0xffff);
	put16(sb, v >> 16);
}

void zipfile_init(struct zipfile *z, struct strbuf *out)
{
	*z = (struct zipfile){.out = out, .index = STRBUF_INIT(INDEX_MAX), .start = out->len};
}

void zipfile_release(struct zipfile *z)
{
	strbuf_release(&z->index);
}

/* From the version needed to the length of the name: common to the local header and the directory. */
static void put_common(struct strbuf *sb, const char *name, uint32_t crc, size_t packed, size_t plain)
{
	put16(sb, 20);
	put16(sb, UTF8_NAME);
	put16(sb, Z_DEFLATED);
	put16(sb, 0);
	put16(sb, DOS_DATE);
	put32(sb, crc);
	put32(sb, (uint32_t)packed);
	put32(sb, (uint32_t)plain);
	put16(sb, (unsigned)strlen(name));
	put16(sb, 0);
}

static int deflate_raw(const void *p, size_t n, struct strbuf *out)
{
	z_stream s = {0};
	uLong bound;
	char *room;
	int r;

	if (deflateInit2(&s, LEVEL, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -1;
	bound = deflateBound(&s, (uLong)n);
	room = strbuf_room(out, bound);
	s.next_in = (Bytef *)(uintptr_t)p;
	s.avail_in = (uInt)n;
	s.next_out = (Bytef *)room;
	s.avail_out = (uInt)bound;
	r = room != NULL && n < UINT32_MAX / 2 ? deflate(&s, Z_FINISH) : Z_BUF_ERROR;
	if (r == Z_STREAM_END)
		strbuf_grew(out, s.total_out);
	deflateEnd(&s);
	return r == Z_STREAM_END ? 0 : -1;
}

int zipfile_add(struct zipfile *z, const char *name, const void *p, size_t n, struct err *err)
{
	struct strbuf packed = STRBUF_INIT(z->out->limit);
	uint32_t crc = (uint32_t)crc32(crc32(0, NULL, 0), p, (uInt)n), at = (uint32_t)(z->out->len - z->start);
	int r = -1;

	if (z->members < MEMBERS_MAX && deflate_raw(p, n, &packed) == 0) {
		put32(z->out, 0x04034b50);
		put_common(z->out, name, crc, packed.len, n);
		strbuf_addstr(z->out, name);
		r = strbuf_add(z->out, packed.buf, packed.len);

		put32(&z->index, 0x02014b50);
		put16(&z->index, 20);
		put_common(&z->index, name, crc, packed.len, n);
		put16(&z->index, 0); /* comment */
		put16(&z->index, 0); /* disk */
		put16(&z->index, 0); /* internal, external attributes */
		put32(&z->index, 0);
		put32(&z->index, at);
		strbuf_addstr(&z->index, name);
		z->members++;
	}
	strbuf_release(&packed);
	if (r == 0 && !z->out->overflowed && !z->index.overflowed && z->out->len - z->start < UINT32_MAX)
		return 0;
	return err_set(err, ERR_BUG, "archive member %s: too large", name);
}

int zipfile_finish(struct zipfile *z, struct err *err)
{
	size_t at = z->out->len - z->start, n = z->index.len;

	strbuf_add(z->out, z->index.buf, n);
	put32(z->out, 0x06054b50);
	put32(z->out, 0);
	put16(z->out, (unsigned)z->members);
	put16(z->out, (unsigned)z->members);
	put32(z->out, (uint32_t)n);
	put32(z->out, (uint32_t)at);
	put16(z->out, 0);
	zipfile_release(z);
	return z->out->overflowed ? err_set(err, ERR_BUG, "the archive is too large") : 0;
}
