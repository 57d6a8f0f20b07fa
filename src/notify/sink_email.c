/* The event as a letter, by SMTP through libcurl on the daemon's loop. */
#include "config.h"

#include "notify/sinks.h"

#include "base/codec.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utctime.h"
#include "conf/conf.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#define LETTER_MAX  (256 * 1024)
#define SUBJECT_MAX 500
#define LINE_BASE64 57 /* bytes whose base64 fills a line of 76 */

struct email_conf {
	char *host, *from, *subject, *tls, *user, *ca_file;
	struct secret_ref password;
	struct strvec to;
	int64_t port;
	tm_ms timeout;
};

struct email {
	struct delivery *delivery;
	struct http *http;
	struct http_request *request;
	struct strbuf letter;
	size_t sent;
	char reply[200]; /* of the server to a reader's address that it would not take */
};

static void email_free(struct email *m)
{
	http_unref(m->http);
	strbuf_release(&m->letter);
	free(m);
}

/* ---- the letter */

/* Words that are not ASCII as RFC 2047 has them, each short enough for a line; control bytes never get out. */
static void add_header_text(struct strbuf *out, const char *text)
{
	char *clean = xstrdup(text);
	size_t n = strlen(text);
	bool plain = true;

	for (size_t i = 0; i < n; i++)
		plain &= text[i] >= ' ' && text[i] < 127;
	if (plain && n < 200) {
		strbuf_addstr(out, text);
		free(clean);
		return;
	}
	for (char *p = clean; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = ' ';
	for (text = clean; n > 0;) {
		size_t take = MIN(n, (size_t)42);

		while (take < n && take > 1 && ((unsigned char)text[take] & 0xc0) == 0x80)
			take--;
		strbuf_addstr(out, "=?UTF-8?B?");
		base64_encode(out, text, take);
		strbuf_addstr(out, take < n ? "?=\r\n " : "?=");
		text += take;
		n -= take;
	}
	free(clean);
}

static void add_date(struct strbuf *out, const char *iso)
{
	static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
	static const char *const months[] = {
	    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct civil c;
	tm_ms t = 0;

	utctime_parse(iso, &t);
	civil_from_ms(t, &c);
	strbuf_addf(out, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n",
	    days[civil_days(c.year, c.month, c.day) % 7], c.day, months[c.month - 1], c.year, c.hour, c.minute,
	    c.second);
}

static int make_letter(struct email *m, struct err *err)
{
	const struct delivery *d = m->delivery;
	const struct email_conf *c = d->conf->opts;
	struct strbuf subject = STRBUF_INIT(SUBJECT_MAX), text = STRBUF_INIT(NOTIFY_TEXT_MAX);

	if (event_expand(d, c->subject, &subject, NULL) == -1 || subject.len == 0) {
		strbuf_reset(&subject);
		strbuf_addf(&subject, "orchd: %s", d->kind);
	}
	strbuf_addf(&m->letter, "From: %s\r\nTo: ", c->from);
	for (size_t i = 0; i < c->to.n; i++)
		strbuf_addf(&m->letter, "%s%s", i ? ",\r\n " : "", c->to.v[i]);
	strbuf_addstr(&m->letter, "\r\nSubject: ");
	add_header_text(&m->letter, subject.buf);
	strbuf_addstr(&m->letter, "\r\n");
	add_date(&m->letter, json_str(d->event, "time", ""));
	/* Equal for every attempt: mail systems drop the second copy. */
	strbuf_addf(&m->letter,
	    "Message-ID: <%s@orchd.invalid>\r\nX-Orchd-Event: %s\r\nAuto-Submitted: auto-generated\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\n",
	    d->id, d->id);
	event_describe(d, false, &text);
	for (size_t i = 0; i < text.len; i += LINE_BASE64) {
		base64_encode(&m->letter, text.buf + i, MIN(text.len - i, (size_t)LINE_BASE64));
		strbuf_addstr(&m->letter, "\r\n");
	}
	strbuf_release(&subject);
	strbuf_release(&text);
	return m->letter.overflowed ? err_set(err, ERR_BUG, "the letter is too long") : 0;
}

/* ---- SMTP */

static size_t read_letter(char *p, size_t size, size_t n, void *arg)
{
	struct email *m = arg;
	size_t take = MIN(size * n, m->letter.len - m->sent);

	memcpy(p, m->letter.buf + m->sent, take);
	m->sent += take;
	return take;
}

/*
 * Of mailboxes servers speak by 45x and 55x.  An address that is no more must not keep the letter from all others; one
 * that is to be tried later ends the attempt before anybody has got it.
 */
static size_t on_reply(char *p, size_t size, size_t n, void *arg)
{
	struct email *m = arg;
	size_t len = size * n;

	if (len < 4 || (p[0] != '4' && p[0] != '5') || p[1] != '5')
		return len;
	if (m->reply[0] == '\0' || p[0] == '4')
		snprintf(m->reply, sizeof(m->reply), "%.*s", (int)MIN(strcspn(p, "\r\n"), len), p);
	return p[0] == '4' ? 0 : len;
}

static void on_end(int code, const struct err *failed, void *arg)
{
	struct email *m = arg;
	struct delivery *d = m->delivery;
	const struct email_conf *c = d->conf->opts;
	struct err err = failed ? *failed : ERR_INIT;

	/* A reply of 5xx is the server's last word on this letter, 4xx is not. */
	if (failed != NULL && m->reply[0] != '\0')
		err_code(&err, m->reply[0] == '5' ? ERR_PERMANENT : ERR_TRANSIENT, "smtp", "%s: %s", c->host,
		    m->reply);
	else if (failed != NULL && code >= 400 && code < 600)
		err_code(&err, code >= 500 ? ERR_PERMANENT : ERR_TRANSIENT, "smtp", "%s", failed->text);
	else if (failed == NULL && m->reply[0] != '\0')
		log_warn("notification %s: %s does not take the letter for one of its readers: %s",
		    d->conf->name, c->host, m->reply);
	email_free(m);
	d->mem = NULL;
	delivery_done(d, failed ? &err : NULL, 0);
}

static int set_login(CURL *easy, const struct email_conf *c, struct err *err)
{
	struct strbuf password = STRBUF_INIT(SECRET_MAX);
	int rc = 0;

	if (c->user == NULL)
		return 0;
	if ((rc = secret_resolve(&c->password, &password, err)) == 0) {
		curl_easy_setopt(easy, CURLOPT_USERNAME, c->user);
		curl_easy_setopt(easy, CURLOPT_PASSWORD, password.buf);
	}
	secret_wipe(&password);
	return rc;
}

static void set_server(CURL *easy, const struct email_conf *c)
{
	bool implicit = strcmp(c->tls, "tls") == 0;
	char *url = xasprintf("%s://%s:%d", implicit ? "smtps" : "smtp", c->host, (int)c->port);

	curl_easy_setopt(easy, CURLOPT_URL, url);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
	/* Never fall back to an open line. */
	curl_easy_setopt(
	    easy, CURLOPT_USE_SSL, (long)(strcmp(c->tls, "none") == 0 ? CURLUSESSL_NONE : CURLUSESSL_ALL));
	curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (c->ca_file != NULL)
		curl_easy_setopt(easy, CURLOPT_CAINFO, c->ca_file);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)MIN(c->timeout, (tm_ms)15000));
	curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)c->timeout);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	/* A session per letter: a line kept open to a server that went away would cost the next one. */
	curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
	curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
	free(url);
}

static int email_send(struct delivery *d, struct err *err)
{
	const struct email_conf *c = d->conf->opts;
	struct email *m = xcalloc(1, sizeof(*m));
	struct curl_slist *to = NULL;
	CURL *easy = NULL;

	m->delivery = d;
	m->letter = STRBUF_INIT(LETTER_MAX);
	if (make_letter(m, err) == -1 || (m->http = http_ref(d->base, err)) == NULL)
		goto fail;
	if ((easy = curl_easy_init()) == NULL)
		abort();
	if (set_login(easy, c, err) == -1)
		goto fail;
	set_server(easy, c);
	for (size_t i = 0; i < c->to.n; i++)
		to = curl_slist_append(to, c->to.v[i]);
	curl_easy_setopt(easy, CURLOPT_MAIL_FROM, c->from);
	curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, to);
	curl_easy_setopt(easy, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_reply);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, m);
	curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(easy, CURLOPT_READFUNCTION, read_letter);
	curl_easy_setopt(easy, CURLOPT_READDATA, m);
	d->mem = m;
	m->request = http_start_easy(m->http, easy, to, c->host, on_end, m);
	return 0;
fail:
	if (easy != NULL)
		curl_easy_cleanup(easy);
	email_free(m);
	return -1;
}

static void email_cancel(struct delivery *d)
{
	struct email *m = d->mem;

	http_cancel(m->request);
	email_free(m);
}

static int check_address(const char *address, struct err *err)
{
	const char *at = strchr(address, '@');
	bool odd = strpbrk(address, "<>,;\"\\") != NULL;

	for (const char *p = address; *p != '\0'; p++)
		odd |= *p <= ' ' ||
		       *p >= 127; /* signed or not: neither control bytes nor letters that need SMTPUTF8 */
	if (odd || at == NULL || at == address || at[1] == '\0')
		return err_set(err, ERR_CONFIG, "'%.100s' is not NAME@DOMAIN", address);
	return 0;
}

static int email_check(const void *conf, struct err *err)
{
	const struct email_conf *c = conf;
	bool local = strcmp(c->host, "localhost") == 0 || strcmp(c->host, "127.0.0.1") == 0;

	if (check_address(c->from, err) == -1)
		return -1;
	for (size_t i = 0; i < c->to.n; i++)
		if (check_address(c->to.v[i], err) == -1)
			return -1;
	if (c->host[strspn(c->host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._:[]")] !=
	    '\0')
		return err_set(err, ERR_CONFIG, "'%.100s' is not the name of a server", c->host);
	if ((c->user != NULL) != (c->password.source != SECRET_NONE))
		return err_set(err, ERR_CONFIG, "'user' and 'password' belong together");
	if (c->user != NULL && strcmp(c->tls, "none") == 0 && !local)
		return err_set(err, ERR_CONFIG, "a password would go to another machine unencrypted: use tls");
	return 0;
}

#define EMAIL(f) .off = offsetof(struct email_conf, f)
static const struct opt email_opts[] = {
    {.name = "host", .type = OPT_STRING, EMAIL(host), .flags = OPT_REQUIRED, .help = "the mail server"},
    {.name = "port",
        .type = OPT_INT,
        EMAIL(port),
        .def = "587",
        .min = "1",
        .max = "65535",
        .help = "its port; 465 is usual with 'tls: tls'"},
    {.name = "tls",
        .type = OPT_CHOICE,
        EMAIL(tls),
        .def = "starttls",
        .choices = "starttls tls none",
        .help = "how the line is encrypted; with starttls and tls never at all rather than openly"},
    {.name = "user", .type = OPT_STRING, EMAIL(user), .help = "name to log in with; no login when not given"},
    {.name = "password", .type = OPT_SECRET, EMAIL(password), .help = "its password"},
    {.name = "from", .type = OPT_STRING, EMAIL(from), .flags = OPT_REQUIRED, .help = "address of the sender"},
    {.name = "to",
        .type = OPT_STRLIST,
        EMAIL(to),
        .min = "1",
        .max = "50",
        .flags = OPT_REQUIRED,
        .help = "addresses of the readers"},
    {.name = "subject",
        .type = OPT_TEMPLATE,
        EMAIL(subject),
        .def = "[orchd] {title}",
        .help = "subject; places are names of the run's config and tags, and group, kind, label, title, error, "
                "job, "
                "partition, key"},
    {.name = "ca_file",
        .type = OPT_PATH,
        EMAIL(ca_file),
        .help = "certificates to trust instead of the system's"},
    {.name = "timeout",
        .type = OPT_DURATION,
        EMAIL(timeout),
        .def = "1m",
        .min = "100ms",
        .max = "10m",
        .help = "of one letter"},
    OPT_END,
};

const struct sink_type sink_email = {
    .name = "email",
    .summary = "send each event as a letter by SMTP",
    .opts = email_opts,
    .conf_size = sizeof(struct email_conf),
    .check = email_check,
    .send = email_send,
    .cancel = email_cancel,
};
