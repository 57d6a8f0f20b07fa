#include "config.h"

#include "assets/fpi/nightlog.h"

void fpi_nightlog_write(const struct fpi_result *r, struct strbuf *out)
{
	for (size_t i = 0; i < r->nlog; i++) {
		struct civil c;

		civil_from_ms(r->log[i].at, &c);
		strbuf_addf(out, "%02d/%02d/%04d %02d:%02d:%02d %s: %s\n", c.month, c.day, c.year, c.hour,
		    c.minute, c.second, c.hour < 12 ? "AM" : "PM", r->log[i].text);
	}
}
