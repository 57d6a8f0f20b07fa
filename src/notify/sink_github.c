/*
 * Issues on GitHub (or a server that speaks its API): one open issue for each group and label.
 *
 *     list open issues --found--> look for this event --absent--> comment --> (recovered: close)
 *      with the label,             among the comments
 *       then all of them
 *            |
 *            \--none--> create (recovered: nothing to do)
 *
 * The issue of a group and label is known by a mark in its text, an event by a mark in the issue or comment that tells
 * it, so whatever an earlier attempt got done is found and not done again.  Issues are listed, not searched: the search
 * index lags behind.  Those with the label come first, which finds it in one request; but a token that may not push has
 * its labels dropped without a word, and people take labels away, so nothing is opened before all were looked at.
 */
#include "config.h"

#include "notify/github_issue.h"
#include "notify/sinks.h"

#include "base/mem.h"
#include "base/template.h"
#include "base/utctime.h"
#include "conf/conf.h"
#include "store/sigv4.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX      (16 << 20)
#define PER_PAGE        50
#define PAGES_MAX       20
#define URL_MAX         4096
#define CLOCKS_APART_MS 86400000

struct github {
	struct delivery *delivery;
	const struct github_conf *conf;
	struct http *http;
	struct http_request *request;
	char *body; /* being sent */
	struct github_issue about;
	char label[GITHUB_LABEL_MAX + 1]; /* the one that issues are listed by; empty: all are */
	int64_t issue;
	int page;
};

typedef void answer_fn(const struct http_response *, const struct err *, void *);

static answer_fn on_issues, on_comments, on_commented, on_closed, on_created;

static void github_free(struct github *g)
{
	http_unref(g->http);
	free(g->body);
	free(g);
}

static void finish(struct github *g, const struct err *err, tm_ms retry_after)
{
	struct delivery *d = g->delivery;

	github_free(g);
	d->mem = NULL;
	delivery_done(d, err, retry_after);
}

/* ---- requests */

static int make_headers(const struct github *g, struct strvec *headers, struct err *err)
{
	strvec_push(headers, "Accept: application/vnd.github+json");
	strvec_push(headers, "X-GitHub-Api-Version: 2022-11-28");
	strvec_push(headers, "Content-Type: application/json");
	strvec_push(headers, "Expect:");
	return header_secret(headers, "Authorization: Bearer ", &g->conf->token, err);
}

/* body is taken over; NULL: none */
static int request(
    struct github *g, const char *method, const char *path, char *body, answer_fn *fn, struct err *err)
{
	struct strvec headers = STRVEC_INIT;
	char *url = xasprintf("%s/repos/%s/issues%s", g->conf->api, g->conf->repository, path);
	int rc = make_headers(g, &headers, err);

	free(g->body);
	g->body = body;
	if (rc == 0)
		g->request = http_start(g->http, &(struct http_options){.method = method,
		                                     .url = url,
		                                     .headers = &headers,
		                                     .body = body,
		                                     .body_size = body ? (int64_t)strlen(body) : 0,
		                                     .connect_timeout = MIN(g->conf->timeout, (tm_ms)10000),
		                                     .timeout = g->conf->timeout,
		                                     .stall = g->conf->timeout,
		                                     .ca_file = g->conf->ca_file,
		                                     .fresh = body != NULL,
		                                     .max_body = ANSWER_MAX,
		                                     .on_done = fn,
		                                     .arg = g});
	headers_wipe(&headers);
	free(url);
	return rc;
}

/* As request, from within an answer: what cannot begin ends the delivery. */
static void follow(struct github *g, const char *method, const char *path, char *body, answer_fn *fn)
{
	struct err err = ERR_INIT;

	if (request(g, method, path, body, fn, &err) == -1)
		finish(g, &err, 0);
}

/* What GitHub does not say. */
static const struct {
	int status;
	const char *hint;
} status_hints[] = {
    {301, "; the repository has another name now"},
    {307, "; the repository has another name now"},
    {308, "; the repository has another name now"},
    {401, "; the token is wrong or has expired"},
    {403, "; may the token read and write issues?"},
    {404, "; is it there, and may the token see it?"},
    {410, "; are its issues switched on?"},
};

/* The first words of GitHub's own explanation help most. */
static void explain(const struct http_response *r, struct err *err)
{
	json_t *j = json_parse(r->body.buf, r->body.len, "answer", NULL);
	const char *message = json_str(j, "message", "no reason given"), *hint = "";

	for (size_t i = 0; i < NITEMS(status_hints) && err->class == ERR_PERMANENT; i++)
		if (status_hints[i].status == r->status)
			hint = status_hints[i].hint;
	err_code(err, err->class, "http.status", "status %d: %.200s%s", r->status, message, hint);
	json_decref(j);
}

/* Whether the answer is a success; otherwise the delivery has ended. */
static bool is_good(struct github *g, const char *what, const struct http_response *r, const struct err *failed)
{
	struct err err = ERR_INIT;
	tm_ms retry_after = 0;

	if (failed != NULL) {
		err = *failed;
	} else if (http_judge(what, r, &retry_after, &err) == -1) {
		explain(r, &err);
	} else {
		return true;
	}
	err_wrap(&err, "%s: %s", g->conf->repository, what);
	finish(g, &err, retry_after);
	return false;
}

/* ---- the way through the picture above */

static void list_issues(struct github *g, struct err *err, int *rc)
{
	struct strbuf path = STRBUF_INIT(URL_MAX);

	strbuf_addf(&path, "?state=open&per_page=%d&page=%d", PER_PAGE, g->page);
	if (g->label[0] != '\0') {
		strbuf_addstr(&path, "&labels=");
		sigv4_encode(&path, g->label, strlen(g->label), false);
	}
	*rc = request(g, "GET", path.buf, NULL, on_issues, err);
	strbuf_release(&path);
}

static void list_more(struct github *g)
{
	struct err err = ERR_INIT;
	int rc;

	list_issues(g, &err, &rc);
	if (rc == -1)
		finish(g, &err, 0);
}

/* Not older than the event, but for how far apart the clocks of two machines may be. */
static void list_comments(struct github *g)
{
	char since[UTCTIME_MAX], *path;
	tm_ms at = 0;

	utctime_parse(json_str(g->delivery->event, "time", ""), &at);
	path = xasprintf("/%" PRId64 "/comments?per_page=%d&page=%d&since=%s", g->issue, PER_PAGE, g->page,
	    utctime_format(MAX(at - CLOCKS_APART_MS, (tm_ms)0), since));
	follow(g, "GET", path, NULL, on_comments);
	free(path);
}

static void create(struct github *g)
{
	follow(g, "POST", "", github_issue_new(&g->about), on_created);
}

static void comment(struct github *g)
{
	char *path = xasprintf("/%" PRId64 "/comments", g->issue);
	json_t *j = json_object();

	json_object_set_new(j, "body", github_issue_text(&g->about, false));
	follow(g, "POST", path, json_text(j), on_commented);
	json_decref(j);
	free(path);
}

static void close_or_end(struct github *g)
{
	char *path;

	if (!github_issue_is_recovery(&g->about) || !g->conf->close) {
		finish(g, NULL, 0);
		return;
	}
	path = xasprintf("/%" PRId64, g->issue);
	follow(g, "PATCH", path, xstrdup("{\"state\":\"closed\",\"state_reason\":\"completed\"}"), on_closed);
	free(path);
}

/* The open issue of this group and label among those listed, or NULL. */
static const json_t *find_issue(const struct github *g, const json_t *list)
{
	json_t *issue;
	size_t i;

	json_array_foreach(
	    list, i, issue) if (json_object_get(issue, "pull_request") == NULL &&
	                        strstr(json_str(issue, "body", ""), g->about.issue_mark) != NULL) return issue;
	return NULL;
}

static void judge_issues(struct github *g, const json_t *list)
{
	const json_t *issue = find_issue(g, list);

	if (issue != NULL) {
		g->issue = json_int(issue, "number", 0);
		g->page = 1;
		if (strstr(json_str(issue, "body", ""), g->about.event_mark) != NULL)
			finish(g, NULL, 0); /* an earlier attempt has opened it */
		else
			list_comments(g);
	} else if (json_array_size(list) >= PER_PAGE && g->page < PAGES_MAX) {
		g->page++;
		list_more(g);
	} else if (g->label[0] != '\0') {
		g->label[0] = '\0';
		g->page = 1;
		list_more(g);
	} else if (github_issue_is_recovery(&g->about)) {
		finish(g, NULL, 0); /* closed by hand already */
	} else {
		create(g);
	}
}

static json_t *parse_list(struct github *g, const struct http_response *r)
{
	struct err err = ERR_INIT;
	json_t *list = json_parse(r->body.buf, r->body.len, "the answer", &err);

	if (json_is_array(list))
		return list;
	json_decref(list);
	err_code(&err, ERR_TRANSIENT, "http.garbage", "%s: the answer is not a list", g->conf->repository);
	finish(g, &err, 0);
	return NULL;
}

static void on_issues(const struct http_response *r, const struct err *failed, void *arg)
{
	struct github *g = arg;
	json_t *list;

	if (!is_good(g, "listing issues", r, failed) || (list = parse_list(g, r)) == NULL)
		return;
	judge_issues(g, list);
	json_decref(list);
}

static void on_comments(const struct http_response *r, const struct err *failed, void *arg)
{
	struct github *g = arg;
	json_t *list, *c;
	bool found = false;
	size_t i;

	if (!is_good(g, "listing comments", r, failed) || (list = parse_list(g, r)) == NULL)
		return;
	json_array_foreach(list, i, c) found |= strstr(json_str(c, "body", ""), g->about.event_mark) != NULL;
	if (found) {
		close_or_end(g);
	} else if (json_array_size(list) >= PER_PAGE && g->page < PAGES_MAX) {
		g->page++;
		list_comments(g);
	} else {
		comment(g);
	}
	json_decref(list);
}

static void on_commented(const struct http_response *r, const struct err *failed, void *arg)
{
	if (is_good(arg, "commenting", r, failed))
		close_or_end(arg);
}

static void on_closed(const struct http_response *r, const struct err *failed, void *arg)
{
	if (is_good(arg, "closing an issue", r, failed))
		finish(arg, NULL, 0);
}

static void on_created(const struct http_response *r, const struct err *failed, void *arg)
{
	struct github *g = arg;

	/* An assignee who has left the project must not silence the project. */
	if (failed == NULL && r->status == 422 && !g->about.unassigned && g->conf->assignees.keys.n > 0) {
		g->about.unassigned = true;
		create(g);
	} else if (is_good(g, "opening an issue", r, failed)) {
		finish(g, NULL, 0);
	}
}

static int github_send(struct delivery *d, struct err *err)
{
	struct github *g = xcalloc(1, sizeof(*g));
	int rc = -1;

	g->delivery = d;
	g->conf = d->conf->opts;
	github_issue_init(&g->about, g->conf, d);
	snprintf(g->label, sizeof(g->label), "%s", github_issue_label(&g->about));
	g->page = 1;
	if ((g->http = http_ref(d->base, err)) != NULL)
		list_issues(g, err, &rc);
	if (rc == 0)
		d->mem = g;
	else
		github_free(g);
	return rc;
}

static void github_cancel(struct delivery *d)
{
	struct github *g = d->mem;

	http_cancel(g->request);
	github_free(g);
}

static int github_check(const void *conf, struct err *err)
{
	const struct github_conf *c = conf;
	const char *slash = strchr(c->repository, '/');

	if (slash == NULL || slash == c->repository || slash[1] == '\0' || strchr(slash + 1, '/') != NULL ||
	    c->repository[strspn(
	        c->repository, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_./")] != '\0')
		return err_set(err, ERR_CONFIG, "'%.100s' is not OWNER/REPOSITORY", c->repository);
	for (size_t i = 0; i < c->labels.n; i++)
		if (template_check(c->labels.v[i], NULL, NULL, err) == -1)
			return err_wrap(err, "'labels'");
	for (size_t i = 0; i < c->titles.values.n; i++)
		if (template_check(c->titles.values.v[i], NULL, NULL, err) == -1)
			return err_wrap(err, "'titles'");
	return check_url(c->api, true, err);
}

#define GITHUB(f) .off = offsetof(struct github_conf, f)
static const struct opt github_opts[] = {
    {.name = "repository",
        .type = OPT_STRING,
        GITHUB(repository),
        .flags = OPT_REQUIRED,
        .help = "OWNER/REPOSITORY whose issues are used"},
    {.name = "token",
        .type = OPT_SECRET,
        GITHUB(token),
        .flags = OPT_REQUIRED,
        .help = "access token that may read and write issues"},
    {.name = "api",
        .type = OPT_STRING,
        GITHUB(api),
        .def = "https://api.github.com",
        .help = "address of the API, without a slash at its end"},
    {.name = "title",
        .type = OPT_TEMPLATE,
        GITHUB(title),
        .def = "[{group}] {label}",
        .help = "title of a new issue; places are names of the run's config and tags, and group, kind, label, "
                "title, "
                "error, job, partition, key"},
    {.name = "titles",
        .type = OPT_STRMAP,
        GITHUB(titles),
        .help = "titles for certain labels, in place of 'title'"},
    {.name = "labels",
        .type = OPT_STRLIST,
        GITHUB(labels),
        .help = "labels of a new issue besides that of the trouble itself; templates as the title"},
    {.name = "label_map",
        .type = OPT_STRMAP,
        GITHUB(label_map),
        .help = "further labels by the beginning of the trouble's: 'error:' to one, 'warning:' to another"},
    {.name = "assignees",
        .type = OPT_STRMAP,
        GITHUB(assignees),
        .help =
            "who is assigned to new issues, by group, or by 'default'; several names are separated by blanks"},
    {.name = "close",
        .type = OPT_BOOL,
        GITHUB(close),
        .def = "yes",
        .help = "close the issue on recovery; otherwise it only gets a comment"},
    {.name = "ca_file",
        .type = OPT_PATH,
        GITHUB(ca_file),
        .help = "certificates to trust instead of the system's"},
    {.name = "timeout",
        .type = OPT_DURATION,
        GITHUB(timeout),
        .def = "30s",
        .min = "100ms",
        .max = "10m",
        .help = "of one request"},
    OPT_END,
};

const struct sink_type sink_github = {
    .name = "github",
    .summary = "keep one open issue on GitHub for each group and label",
    .opts = github_opts,
    .conf_size = sizeof(struct github_conf),
    .flags = SINK_PER_LABEL,
    .check = github_check,
    .send = github_send,
    .cancel = github_cancel,
};
