#include "config.h"

#include "notify/sender.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/utctime.h"
#include "conf/conf.h"
#include "engine/announce.h"
#include "engine/engine.h"
#include "metric/metric.h"
#include "notify/sink.h"
#include "state/state.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define EXPIRE_EVERY_MS 60000
#define LONGEST_WAIT_MS 3600000 /* a wall clock that jumps is noticed within the hour */
#define PAUSE_MAX_MS    60000 /* after a failure the next row is tried after this at the latest */

/* One notification with work: it exists while a row of it is being delivered or settled, or it pauses. */
struct sender_slot {
	struct sender_slot *next;
	struct sender *sender; /* NULL once the sender is gone: only the commit is still to come */
	struct conf *conf; /* the reference that delivery.conf lives by */
	char *name;
	int64_t row;
	int64_t attempts; /* before this one */
	struct delivery *delivery; /* NULL: settled, waits for the commit, or pauses */
	bool settling;
	tm_ms paused_until;
};

struct sender {
	struct event_base *base;
	struct engine *engine;
	struct event *timer;
	struct engine_listener listener;
	struct sender_slot *slots;
	tm_ms next_expire;
};

static struct sql *sql_of(const struct sender *s)
{
	return engine_state(s->engine)->sql;
}

static void look_soon(struct sender *s, tm_ms ms)
{
	struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

	event_add(s->timer, &tv);
}

static struct sender_slot *slot_find(const struct sender *s, const char *name)
{
	struct sender_slot *slot = s->slots;

	while (slot != NULL && strcmp(slot->name, name) != 0)
		slot = slot->next;
	return slot;
}

static struct sender_slot *slot_get(struct sender *s, const char *name)
{
	struct sender_slot *slot = slot_find(s, name);

	if (slot != NULL)
		return slot;
	slot = xcalloc(1, sizeof(*slot));
	slot->sender = s;
	slot->name = xstrdup(name);
	slot->next = s->slots;
	s->slots = slot;
	return slot;
}

static void slot_free(struct sender_slot *slot)
{
	conf_unref(slot->conf);
	free(slot->name);
	free(slot);
}

static void delivery_free(struct delivery *d)
{
	json_decref(d->event);
	free((char *)d->id);
	free((char *)d->kind);
	free(d);
}

/* ---- the end of one attempt ---- */

static void after_commit(const struct err *failed, void *arg)
{
	struct sender_slot *slot = arg;

	if (slot->sender == NULL) {
		slot_free(slot);
		return;
	}
	slot->settling = false;
	if (failed != NULL) /* the row says what it said before: it will be delivered again, not at once */
		slot->paused_until = clock_mono() + 1000;
	look_soon(slot->sender, failed ? 1000 : 0);
}

/* Exponential from the notification's delay, half of it random. */
static tm_ms backoff(const struct conf_notification *to, int64_t failures)
{
	tm_ms d = to->retry_delay;

	for (int64_t i = 1; i < failures && d < to->retry_max_delay; i++)
		d *= 2;
	d = MIN(d, to->retry_max_delay);
	return d / 2 + (d > 1 ? (tm_ms)arc4random_uniform((uint32_t)MIN(d / 2, (tm_ms)UINT32_MAX)) : 0);
}

static void record_failure(struct sender_slot *slot, const struct err *err, tm_ms retry_after)
{
	const struct conf_notification *to = slot->delivery->conf;
	tm_ms wait = MAX(backoff(to, slot->attempts + 1), MIN(retry_after, to->retry_max_delay));

	sql_do(sql_of(slot->sender),
	    "UPDATE outbox SET attempts = attempts + 1, next_at = ?2, err_class = ?3, err_code = ?4, err_text "
	    "= ?5"
	    " WHERE id = ?1",
	    "itsss", slot->row, clock_now() + wait, err_class_name(err->class), err->code[0] ? err->code : NULL,
	    err->text);
	/*
	 * More often than not it is the sink's fault: the rows behind this one need not find that out one by one.  Who says
	 * until when he takes nothing is asked nothing until then.
	 */
	slot->paused_until = clock_mono() + (retry_after > 0 ? wait : MIN(wait, (tm_ms)PAUSE_MAX_MS));
	log_warn("notification %s event=%s: not delivered, next try in %" PRId64 " s: %s", slot->name,
	    slot->delivery->id, (wait + 999) / 1000, err->text);
}

static void record_success(struct sender_slot *slot)
{
	sql_do(sql_of(slot->sender),
	    "UPDATE outbox SET state = 'sent', attempts = attempts + 1, ended_at = ?2, err_class = NULL,"
	    " err_code = NULL, err_text = NULL WHERE id = ?1",
	    "it", slot->row, clock_now());
	log_info(
	    "notification %s event=%s: %s delivered", slot->name, slot->delivery->id, slot->delivery->kind);
}

void delivery_done(struct delivery *d, const struct err *err, tm_ms retry_after)
{
	struct sender_slot *slot = d->slot;

	metric_count(METRIC_NOTIFICATIONS, slot->name, err != NULL ? "failed" : "delivered");
	if (err != NULL)
		record_failure(slot, err, retry_after);
	else
		record_success(slot);
	slot->delivery = NULL;
	slot->settling = true;
	delivery_free(d);
	engine_after_commit(slot->sender->engine, after_commit, slot);
}

/* ---- the beginning of one ---- */

static json_t *make_event(const struct sender *s, const struct sql_row *row, const char *id, const char *kind)
{
	const char *type = event_kind_type(kind);
	json_t *data = json_loads(sql_text(row, 3), 0, NULL), *event = json_object();
	char at[UTCTIME_MAX];

	json_object_set_new(event, "specversion", json_string("1.0"));
	json_object_set_new(event, "id", json_string(id));
	json_object_set_new(event, "source", json_sprintf("/orchd/%s", engine_state(s->engine)->instance));
	json_object_set_new(event, "type", json_string(type ? type : kind));
	json_object_set_new(event, "subject", json_text_new(sql_text(row, 2)));
	json_object_set_new(event, "time", json_string(utctime_format(sql_int(row, 4), at)));
	json_object_set_new(event, "datacontenttype", json_string("application/json"));
	json_object_set_new(event, "data", data ? data : json_object());
	return event;
}

static void begin(struct sender *s, const struct conf_notification *to, const struct sql_row *row)
{
	struct sender_slot *slot = slot_get(s, to->name);
	struct delivery *d = xcalloc(1, sizeof(*d));
	struct conf *old = slot->conf;
	struct err err = ERR_INIT;

	slot->conf = conf_ref(engine_conf(s->engine));
	conf_unref(old);
	slot->row = sql_int(row, 0);
	slot->attempts = sql_int(row, 5);
	slot->delivery = d;
	d->slot = slot;
	d->conf = to;
	d->base = s->base;
	d->id = xasprintf("%s-%" PRId64, engine_state(s->engine)->instance, slot->row);
	d->kind = xstrdup(sql_text(row, 1));
	d->event = make_event(s, row, d->id, d->kind);
	d->data = json_object_get(d->event, "data");
	if (to->type->send(d, &err) == -1)
		delivery_done(d, &err, 0);
}

static void expire(struct sender *s, tm_ms now)
{
	const struct conf *conf = engine_conf(s->engine);
	struct sql_row *row = sql_query(
	    sql_of(s), "SELECT id, sink, created_at, kind, subject FROM outbox WHERE state = 'pending'", "");
	int64_t ids[256];
	size_t n = 0;

	while (n < NITEMS(ids) && sql_next(row)) {
		const struct conf_notification *to = conf_notification_find(conf, sql_text(row, 1));
		const struct sender_slot *slot = slot_find(s, sql_text(row, 1));

		if (sql_int(row, 2) + (to ? to->expire : (tm_ms)86400000) > now ||
		    (slot != NULL && (slot->delivery != NULL || slot->settling) &&
		        slot->row == sql_int(row, 0)))
			continue;
		log_error("notification %s: %s about %s is given up", sql_text(row, 1), sql_text(row, 3),
		    sql_text(row, 4));
		metric_count(METRIC_NOTIFICATIONS, sql_text(row, 1), "expired");
		ids[n++] = sql_int(row, 0);
	}
	sql_end(row);
	for (size_t i = 0; i < n; i++)
		sql_do(sql_of(s),
		    "UPDATE outbox SET state = 'failed', ended_at = ?2, err_class = coalesce(err_class, "
		    "'transient'),"
		    " err_code = 'expired', err_text = 'given up' || coalesce(': ' || err_text, '') WHERE id = "
		    "?1",
		    "it", ids[i], now);
	if (n > 0)
		engine_kick(s->engine);
}

/*
 * What belongs together is told in order: a recovery that came before its trouble would leave an issue open for ever.  So
 * a row waits for those of its group (and label, where each has a row) that wait for their next try.
 */
#define TEAM                                                         \
	"coalesce(json_extract(data, '$.group'), '') || char(10) ||" \
	" CASE WHEN ?3 THEN coalesce(json_extract(data, '$.labels[0]'), '') ELSE '' END"

/* The first row that may begin, if any. */
static bool begin_first(struct sender *s, const struct conf_notification *to, tm_ms now)
{
	struct sql_row *row = sql_query(sql_of(s),
	    "SELECT id, kind, subject, data, created_at, attempts FROM outbox"
	    " WHERE sink = ?1 AND state = 'pending' AND next_at <= ?2 AND " TEAM " NOT IN (SELECT " TEAM
	    " FROM outbox WHERE sink = ?1 AND state = 'pending' AND next_at > ?2) ORDER BY id LIMIT 1",
	    "sti", to->name, now, (int64_t)((to->type->flags & SINK_PER_LABEL) != 0));
	bool found = sql_next(row);

	if (found)
		begin(s, to, row);
	sql_end(row);
	return found;
}

/* Begin what can begin; returns when to look again. */
static tm_ms look_at(struct sender *s, const struct conf_notification *to, tm_ms now)
{
	const struct sender_slot *slot = slot_find(s, to->name);

	if (slot != NULL && (slot->delivery != NULL || slot->settling))
		return TIME_NEVER;
	if (slot != NULL && slot->paused_until > clock_mono())
		return now + slot->paused_until - clock_mono();
	if (begin_first(s, to, now))
		return TIME_NEVER;
	return sql_get_int(sql_of(s), TIME_NEVER,
	    "SELECT min(next_at) FROM outbox WHERE sink = ?1 AND state = 'pending' AND next_at > ?2", "st",
	    to->name, now);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct sender *s = arg;
	const struct conf *conf = engine_conf(s->engine);
	tm_ms now = clock_now(), due = now + LONGEST_WAIT_MS;

	if (s->next_expire <= clock_mono()) {
		expire(s, now);
		s->next_expire = clock_mono() + EXPIRE_EVERY_MS;
	}
	for (size_t i = 0; i < conf->nnotifications; i++)
		due = MIN(due, look_at(s, &conf->notifications[i], now));
	look_soon(s, MAX(MIN(due - now, s->next_expire - clock_mono()), (tm_ms)0));
}

/* Whatever was committed may have put a row into the outbox. */
static void on_event(const struct engine_event *ev, void *arg)
{
	static const char *const telling[] = {"run", "sensor", "conf"};

	for (size_t i = 0; i < NITEMS(telling); i++)
		if (strcmp(ev->kind, telling[i]) == 0)
			look_soon(arg, 0);
}

struct sender *sender_new(struct event_base *base, struct engine *engine)
{
	struct sender *s = xcalloc(1, sizeof(*s));

	s->base = base;
	s->engine = engine;
	s->timer = event_new(base, -1, 0, on_look, s);
	s->listener = (struct engine_listener){.on_event = on_event, .arg = s};
	engine_listen(engine, &s->listener);
	look_soon(s, 0);
	return s;
}

void sender_free(struct sender *s)
{
	struct sender_slot *slot;

	if (s == NULL)
		return;
	engine_unlisten(s->engine, &s->listener);
	event_free(s->timer);
	while ((slot = s->slots) != NULL) {
		s->slots = slot->next;
		if (slot->delivery != NULL) {
			slot->delivery->conf->type->cancel(slot->delivery);
			delivery_free(slot->delivery);
		}
		slot->delivery = NULL;
		slot->sender = NULL;
		if (!slot->settling)
			slot_free(slot);
	}
	free(s);
}

bool sender_is_busy(const struct sender *s)
{
	for (const struct sender_slot *slot = s->slots; slot != NULL; slot = slot->next)
		if (slot->delivery != NULL || slot->settling)
			return true;
	return sql_get_int(sql_of(s), 0,
	           "SELECT 1 FROM outbox WHERE state = 'pending' AND attempts = 0 LIMIT 1", "") == 1;
}
