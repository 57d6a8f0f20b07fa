#include "config.h"

#include "store/s3.h"

#include "base/codec.h"
#include "base/mem.h"
#include "store/s3_impl.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct s3 *s3_of(struct store *st)
{
	return CONTAINER_OF(st, struct s3, store);
}

void s3_nonce(char out[S3_NONCE])
{
	unsigned char r[S3_NONCE / 2];

	if (getrandom(r, sizeof(r), 0) != sizeof(r))
		abort(); /* not on any kernel that we run on */
	hex_encode(r, sizeof(r), out);
}

static void s3_pause(struct store_op *op, bool paused)
{
	s3_get_pause(CONTAINER_OF(op, struct op, pub), paused);
}

static void s3_cancel(struct store_op *op)
{
	op_cancel(CONTAINER_OF(op, struct op, pub));
}

static const char *s3_location(struct store *st)
{
	return s3_of(st)->location;
}

static void free_store(struct store *st)
{
	struct s3 *s3 = s3_of(st);

	credentials_free(s3->credentials);
	http_unref(s3->http);
	free(s3->scheme);
	free(s3->authority);
	free(s3->region);
	free(s3->location);
	free(s3->store.name);
	free(s3);
}

static void s3_close(struct store *st)
{
	op_list_close(&s3_of(st)->ops, st, free_store);
}

static void s3_tend(struct store *st, bool deletes)
{
	struct s3 *s3 = s3_of(st);

	s3_sweep(s3);
	if (deletes && s3->delete_if_match == S3_UNKNOWN)
		s3_probe_start(s3, NULL, NULL);
}

static struct store_op *s3_delete_many(
    struct store *st, const struct store_deletion *v, size_t n, const struct store_delete_cbs *cbs, void *arg)
{
	return op_delete_many(st, &s3_of(st)->ops, v, n, cbs, arg);
}

static const struct store_ops s3_ops = {
    .close = s3_close,
    .list = s3_list,
    .head = s3_head,
    .get = s3_get,
    .put = s3_put,
    .put_file = s3_put_file,
    .copy = s3_copy,
    .del = s3_delete,
    .delete_many = s3_delete_many,
    .delete_batch = s3_delete_batch,
    .barrier = s3_barrier,
    .tend = s3_tend,
    .pause = s3_pause,
    .cancel = s3_cancel,
    .location = s3_location,
};

static int check_bucket(const char *bucket, struct err *err)
{
	size_t n = strlen(bucket);
	struct in_addr address;

	if (n >= 3 && n <= 63 && strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-.") == n &&
	    bucket[0] != '-' && bucket[0] != '.' && bucket[n - 1] != '-' && bucket[n - 1] != '.' &&
	    strstr(bucket, "..") == NULL && inet_pton(AF_INET, bucket, &address) != 1)
		return 0;
	return err_set(err, ERR_CONFIG,
	    "bucket '%s': a name has 3 to 63 lower-case letters, digits, '-' and '.', and is no address; is "
	    "the "
	    "variable it comes from set?",
	    bucket);
}

/* "https://host[:port]" into its two parts, default ports dropped as they are on the wire. */
static int parse_endpoint(struct s3 *s3, const char *endpoint, struct err *err)
{
	const char *rest = strstr(endpoint, "://");
	size_t n;

	if (rest == NULL || (strncmp(endpoint, "http://", 7) != 0 && strncmp(endpoint, "https://", 8) != 0))
		return err_set(err, ERR_CONFIG,
		    "endpoint '%s': expected http://HOST[:PORT] or https://HOST[:PORT]", endpoint);
	s3->scheme = xstrndup(endpoint, (size_t)(rest - endpoint));
	rest += 3;
	n = strcspn(rest, "/");
	if (n == 0 || n > 255 || (rest[n] != '\0' && rest[n + 1] != '\0') || strcspn(rest, " @?#") < n)
		return err_set(err, ERR_CONFIG,
		    "endpoint '%s': expected a host and perhaps a port, nothing else", endpoint);
	s3->authority = xstrndup(rest, n);
	char *port = strrchr(s3->authority, ':');
	const char *usual = strcmp(s3->scheme, "https") == 0 ? ":443" : ":80";
	if (port != NULL && strcmp(port, usual) == 0)
		*port = '\0';
	return 0;
}

static bool wants_path_style(const struct s3 *s3)
{
	const char *s = s3->conf->path_style;

	if (s == NULL || strcmp(s, "auto") == 0)
		/* A bucket with dots has no certificate in virtual-host style. */
		return s3->custom_endpoint || strchr(s3->conf->bucket, '.') != NULL;
	return strcmp(s, "true") == 0 || strcmp(s, "yes") == 0 || strcmp(s, "on") == 0;
}

static int set_address(struct s3 *s3, struct err *err)
{
	const struct s3_conf *conf = s3->conf;

	s3->region = xstrdup(conf->region && *conf->region ? conf->region : "us-east-1");
	s3->custom_endpoint = conf->endpoint != NULL && *conf->endpoint != '\0';
	if (!s3->custom_endpoint) {
		s3->scheme = xstrdup("https");
		s3->authority = xasprintf("s3.%s.amazonaws.com", s3->region);
	} else if (parse_endpoint(s3, conf->endpoint, err) == -1) {
		return -1;
	}
	s3->path_style = wants_path_style(s3);
	s3->location = xasprintf("s3://%s", conf->bucket);
	return 0;
}

static int s3_check(const void *opts, struct err *err)
{
	const struct s3_conf *conf = opts;
	struct s3 probe = {.conf = conf};
	int rc = check_bucket(conf->bucket, err);

	if (rc == 0 && conf->endpoint != NULL && *conf->endpoint != '\0')
		rc = parse_endpoint(&probe, conf->endpoint, err);
	if (rc == 0 && (conf->access_key.source == SECRET_NONE) != (conf->secret_key.source == SECRET_NONE))
		rc =
		    err_set(err, ERR_CONFIG, "access_key and secret_key belong together; give both or neither");
	free(probe.scheme);
	free(probe.authority);
	return rc;
}

static struct store *s3_open(const char *name, const void *opts, struct event_base *base, struct err *err)
{
	const struct s3_conf *conf = opts;
	struct s3 *s3;

	if (s3_check(conf, err) == -1)
		return NULL;
	s3 = xcalloc(1, sizeof(*s3));
	s3->conf = conf;
	s3->store = (struct store){
	    .ops = &s3_ops, .name = xstrdup(name), .base = base, .caps = STORE_CAP_PUT_IF_ABSENT};
	s3->budget.tokens = S3_BUDGET;
	if (set_address(s3, err) == -1 || (s3->http = http_ref(base, err)) == NULL) {
		free_store(&s3->store);
		return NULL;
	}
	struct credentials_conf who = {.access_key = &conf->access_key,
	    .secret_key = &conf->secret_key,
	    .session_token = &conf->session_token,
	    .profile = conf->profile,
	    .region = s3->region,
	    .anonymous = conf->anonymous};
	s3->credentials = credentials_new(&who, base, s3->http);
	return &s3->store;
}

#define OFF(field) offsetof(struct s3_conf, field)

static const struct opt s3_opts[] = {
    {.name = "bucket",
        .type = OPT_STRING,
        .off = OFF(bucket),
        .flags = OPT_REQUIRED,
        .help = "name of the bucket"},
    {.name = "endpoint",
        .type = OPT_STRING,
        .off = OFF(endpoint),
        .help = "address of the service, http(s)://host[:port]; without it the one of AWS for the region"},
    {.name = "region",
        .type = OPT_STRING,
        .off = OFF(region),
        .def = "us-east-1",
        .help = "region that requests are signed for; corrected when the service names another"},
    {.name = "path_style",
        .type = OPT_CHOICE,
        .off = OFF(path_style),
        .def = "auto",
        .choices = "auto true false yes no on off",
        .help = "bucket in the path instead of the host name; auto: when there is an endpoint"},
    {.name = "ca_file",
        .type = OPT_PATH,
        .off = OFF(ca_file),
        .help = "certificates to trust instead of the system's, PEM"},
    {.name = "access_key",
        .type = OPT_SECRET,
        .off = OFF(access_key),
        .flags = OPT_LITERAL_OK,
        .help = "access key id; without it AWS_ACCESS_KEY_ID and the other usual places"},
    {.name = "secret_key",
        .type = OPT_SECRET,
        .off = OFF(secret_key),
        .help = "secret access key that belongs to access_key"},
    {.name = "session_token",
        .type = OPT_SECRET,
        .off = OFF(session_token),
        .help = "session token of temporary keys"},
    {.name = "profile",
        .type = OPT_STRING,
        .off = OFF(profile),
        .help = "profile in the shared credential files; without it AWS_PROFILE or default"},
    {.name = "anonymous",
        .type = OPT_BOOL,
        .off = OFF(anonymous),
        .def = "no",
        .help = "send unsigned requests, for public buckets"},
    {.name = "attempts",
        .type = OPT_INT,
        .off = OFF(attempts),
        .def = "5",
        .min = "1",
        .max = "20",
        .help = "how often a request is tried before its failure is reported"},
    {.name = "connect_timeout",
        .type = OPT_DURATION,
        .off = OFF(connect_timeout),
        .def = "10s",
        .min = "100ms",
        .max = "5m",
        .help = "longest time to connect"},
    {.name = "timeout",
        .type = OPT_DURATION,
        .off = OFF(timeout),
        .def = "60s",
        .min = "1s",
        .max = "1h",
        .help = "longest time of a request that moves no object data; transfers end after 15 s below 1 kB/s"},
    {.name = "multipart_threshold",
        .type = OPT_SIZE,
        .off = OFF(multipart_threshold),
        .def = "64MiB",
        .min = "5MiB",
        .max = "5GiB",
        .help = "objects of this size and larger go up in parts"},
    {.name = "part_size",
        .type = OPT_SIZE,
        .off = OFF(part_size),
        .def = "16MiB",
        .min = "5MiB",
        .max = "5GiB",
        .help = "size of a part"},
    OPT_END,
};

/* What the credential chain reads by itself; a step that uses a bucket is given these. */
static const char *const s3_environment[] = {"AWS_*", "CREDENTIALS_DIRECTORY", NULL};

static const char *s3_bucket(const void *opts)
{
	const struct s3_conf *conf = opts;

	return conf->bucket;
}

const struct store_type store_s3 = {
    .name = "s3",
    .summary = "a bucket on AWS S3 or a compatible service",
    .opts = s3_opts,
    .conf_size = sizeof(struct s3_conf),
    .environment = s3_environment,
    .check = s3_check,
    .bucket = s3_bucket,
    .open = s3_open,
};
