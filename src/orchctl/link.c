#include "config.h"

#include "orchctl/link.h"

#include "base/mem.h"
#include "conf/conf.h"
#include "control/client.h"
#include "control/commands.h"
#include "control/local.h"

#include <stdlib.h>
#include <string.h>

struct link {
	struct conf *conf;
	struct client *client;
	struct local *local;
	bool owner;
};

struct link *link_new(struct conf *conf)
{
	struct link *l = xcalloc(1, sizeof(*l));

	l->conf = conf;
	return l;
}

void link_free(struct link *l)
{
	if (l == NULL)
		return;
	client_close(l->client);
	local_close(l->local);
	free(l);
}

static int find_daemon(struct link *l, struct err *err)
{
	if (l->client != NULL || l->local != NULL)
		return 0;
	l->client = client_open(l->conf->state_dir, err);
	return l->client != NULL || err_is(err, "no_daemon") ? 0 : -1;
}

int link_has_daemon(struct link *l, bool *has, struct err *err)
{
	if (find_daemon(l, err) == -1)
		return -1;
	*has = l->client != NULL;
	return 0;
}

static int open_local(struct link *l, bool owner, struct err *err)
{
	if (l->local != NULL && (l->owner || !owner))
		return 0;
	local_close(l->local);
	l->owner = owner;
	l->local = local_open(l->conf, owner, err);
	if (l->local == NULL && err_is(err, "locked"))
		return err_code(err, ERR_TRANSIENT, "no_daemon",
		    "%s: another process owns the state, but no daemon listens there", l->conf->state_dir);
	return l->local ? 0 : -1;
}

int link_call(struct link *l, const char *cmd, const json_t *args, tm_ms timeout_ms,
    void (*on_event)(const json_t *event, void *arg), void *arg, json_t **result, struct err *err)
{
	if (find_daemon(l, err) == -1)
		return -1;
	if (l->client != NULL)
		return client_call(l->client, cmd, args, timeout_ms, on_event, arg, result, err);
	if (open_local(l, l->owner || command_changes(cmd), err) == -1)
		return -1;
	return local_call(l->local, cmd, args, timeout_ms, on_event, arg, result, err);
}
