/* Connecting: settings, TLS, time limits, and a session that behaves the same on every server. */
#include "config.h"

#include "database/mysql_client.h"

#include "base/mem.h"
#include "database/mysql_error.h"

#include <stdlib.h>
#include <string.h>

#define OFF(field) offsetof(struct mysql_conf, field)

const struct opt mysql_opts[] = {
    {.name = "host",
        .type = OPT_STRING,
        .off = OFF(host),
        .def = "localhost",
        .help = "server; localhost means its local socket, 127.0.0.1 the network"},
    {.name = "port",
        .type = OPT_INT,
        .off = OFF(port),
        .def = "3306",
        .min = "1",
        .max = "65535",
        .help = "TCP port"},
    {.name = "socket",
        .type = OPT_PATH,
        .off = OFF(socket),
        .help = "local socket; used instead of host and port"},
    {.name = "user", .type = OPT_STRING, .off = OFF(user), .flags = OPT_REQUIRED, .help = "account"},
    {.name = "password", .type = OPT_SECRET, .off = OFF(password), .help = "its password; none when absent"},
    {.name = "database",
        .type = OPT_STRING,
        .off = OFF(database),
        .flags = OPT_REQUIRED,
        .help = "database that holds the tables; it must exist"},
    {.name = "tls",
        .type = OPT_CHOICE,
        .off = OFF(tls),
        .choices = "auto verify encrypt off",
        .def = "auto",
        .help = "verify: only a server with a valid certificate for its name; encrypt: any certificate; off: "
                "plain text; "
                "auto: verify, but plain text to this machine itself unless tls_ca is given"},
    {.name = "tls_ca",
        .type = OPT_PATH,
        .off = OFF(tls_ca),
        .help = "certificates of the authorities to trust; those of the system when absent"},
    {.name = "tls_cert", .type = OPT_PATH, .off = OFF(tls_cert), .help = "certificate to show to the server"},
    {.name = "tls_key", .type = OPT_PATH, .off = OFF(tls_key), .help = "private key of tls_cert"},
    {.name = "connect_timeout",
        .type = OPT_DURATION,
        .off = OFF(connect_timeout),
        .def = "10s",
        .min = "1s",
        .max = "5m",
        .help = "how long to wait for a connection"},
    {.name = "timeout",
        .type = OPT_DURATION,
        .off = OFF(timeout),
        .def = "1m",
        .min = "2s",
        .max = "1h",
        .help = "how long to wait for the answer to one statement"},
    OPT_END,
};

static bool is_local(const struct mysql_conf *c)
{
	return c->socket != NULL || c->host == NULL || strcmp(c->host, "localhost") == 0 ||
	       strcmp(c->host, "::1") == 0 || strncmp(c->host, "127.", 4) == 0;
}

enum tls { TLS_OFF, TLS_ENCRYPT, TLS_VERIFY };

static enum tls tls_of(const struct mysql_conf *c)
{
	const char *word = c->tls != NULL ? c->tls : "auto";

	if (strcmp(word, "off") == 0)
		return TLS_OFF;
	if (strcmp(word, "encrypt") == 0)
		return TLS_ENCRYPT;
	if (strcmp(word, "auto") == 0 && is_local(c) && c->tls_ca == NULL)
		return TLS_OFF;
	return TLS_VERIFY;
}

static void set_tls(MYSQL *h, const struct mysql_conf *c, enum tls tls)
{
	my_bool yes = 1, verify = tls == TLS_VERIFY;

	if (tls == TLS_OFF)
		return;
	mysql_options(h, MYSQL_OPT_SSL_ENFORCE, &yes);
	mysql_options(h, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
	mysql_options(h, MYSQL_OPT_TLS_VERSION, "TLSv1.2,TLSv1.3");
	if (c->tls_ca != NULL)
		mysql_options(h, MYSQL_OPT_SSL_CA, c->tls_ca);
	if (c->tls_cert != NULL)
		mysql_options(h, MYSQL_OPT_SSL_CERT, c->tls_cert);
	if (c->tls_key != NULL)
		mysql_options(h, MYSQL_OPT_SSL_KEY, c->tls_key);
}

static unsigned seconds(tm_ms ms)
{
	return (unsigned)MAX((ms + 999) / 1000, (tm_ms)1);
}

static void set_options(MYSQL *h, const struct mysql_conf *c)
{
	unsigned connect = seconds(c->connect_timeout), wait = seconds(c->timeout), no = 0;

	mysql_options(h, MYSQL_OPT_CONNECT_TIMEOUT, &connect);
	mysql_options(h, MYSQL_OPT_READ_TIMEOUT, &wait);
	mysql_options(h, MYSQL_OPT_WRITE_TIMEOUT, &wait);
	mysql_options(h, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	/* A server must not be able to ask for files of this machine, nor for the password itself. */
	mysql_options(h, MYSQL_OPT_LOCAL_INFILE, &no);
	mysql_options(h, MARIADB_OPT_RESTRICTED_AUTH,
	    "mysql_native_password,client_ed25519,caching_sha2_password,sha256_password");
}

static int fail(struct mysql *m, MYSQL *h, struct err *err)
{
	return mysql_error_set(mysql_errno(h), mysql_error(h), m->location, err);
}

/*
 * The rows mean the same whatever defaults the server has; a lock on a row or a table (a backup holds those) is waited
 * for, but not longer than for any answer.
 */
static int set_session(struct mysql *m, MYSQL *h, struct err *err)
{
	struct strbuf sql = STRBUF_INIT(512);
	unsigned wait = MAX(seconds(m->conf.timeout) * 2 / 3, 1U);
	int rc = 0;

	strbuf_addf(&sql,
	    "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
	    "NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', autocommit = 1, innodb_lock_wait_timeout = %u, "
	    "lock_wait_timeout = %u",
	    wait, wait);
	if (mysql_real_query(h, sql.buf, sql.len) != 0)
		rc = fail(m, h, err);
	strbuf_release(&sql);
	return rc;
}

/*
 * The server answers to a larger packet by closing the connection, which may look like any broken one and would be tried
 * again for ever: so we must know.
 */
static int read_packet_size(struct mysql *m, MYSQL *h, struct err *err)
{
	static const char sql[] = "SELECT @@max_allowed_packet";
	MYSQL_RES *answer;
	MYSQL_ROW row;

	if (mysql_real_query(h, sql, strlen(sql)) != 0 || (answer = mysql_store_result(h)) == NULL)
		return fail(m, h, err);
	row = mysql_fetch_row(answer);
	m->packet = row != NULL && row[0] != NULL ? strtoull(row[0], NULL, 10) : 0;
	mysql_free_result(answer);
	return 0;
}

/* The library keeps it for connecting again by itself, which we never let it do. */
static void forget_password(MYSQL *h)
{
	if (h->passwd != NULL)
		explicit_bzero(h->passwd, strlen(h->passwd));
}

static int log_in(struct mysql *m, MYSQL *h, const char *password, struct err *err)
{
	const struct mysql_conf *c = &m->conf;
	enum tls tls = tls_of(c);

	set_options(h, c);
	set_tls(h, c, tls);
	if (mysql_real_connect(h, c->socket != NULL ? "localhost" : c->host, c->user, password, c->database,
	        (unsigned)c->port, c->socket, CLIENT_FOUND_ROWS) == NULL)
		return fail(m, h, err);
	if (tls != TLS_OFF && mysql_get_ssl_cipher(h) == NULL)
		return err_code(
		    err, ERR_CONFIG, "tls", "%s: the server did not encrypt the connection", m->location);
	return set_session(m, h, err) == 0 ? read_packet_size(m, h, err) : -1;
}

int mysql_connect_to(struct mysql *m, struct err *err)
{
	struct strbuf password = STRBUF_INIT(8192);
	MYSQL *h = mysql_init(NULL);
	int rc;

	if (h == NULL)
		return err_set(err, ERR_TRANSIENT, "%s: out of memory", m->location);
	rc = m->conf.password.source == SECRET_NONE ? 0 : secret_resolve(&m->conf.password, &password, err);
	if (rc == 0)
		rc = log_in(m, h, password.buf, err);
	secret_wipe(&password);
	forget_password(h);
	if (rc == -1) {
		mysql_close(h);
		return -1;
	}
	m->h = h;
	m->lost = false;
	return 0;
}
