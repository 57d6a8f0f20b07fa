/* github_issue.h: what an issue says, and the marks that it and an event in it are known by. */
#ifndef GITHUB_ISSUE_H
#define GITHUB_ISSUE_H

#include "conf/conf.h"
#include "notify/sink.h"

#define GITHUB_LABEL_MAX 50 /* GitHub's own limit */

struct github_conf {
	char *repository, *api, *title, *ca_file;
	struct secret_ref token;
	struct strvec labels;
	struct strmap titles, label_map, assignees;
	bool close;
	tm_ms timeout;
};

/* Of the group and label of one delivery; what it points to is lent. */
struct github_issue {
	const struct github_conf *conf;
	const struct delivery *delivery;
	char issue_mark[64], event_mark[128];
	bool unassigned; /* the server did not like the assignees */
};

void github_issue_init(struct github_issue *, const struct github_conf *, const struct delivery *);
/* Of the trouble. */
const char *github_issue_label(const struct github_issue *);
bool github_issue_is_recovery(const struct github_issue *);
/* What happened, and the marks it is found by. */
json_t *github_issue_text(const struct github_issue *, bool new_issue);
/* The request that opens it; free() it. */
char *github_issue_new(const struct github_issue *);

#endif
