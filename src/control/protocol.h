/*
 * protocol.h: the control socket, STATE_DIR/control.sock.
 *
 * One JSON object a line in each direction, UTF-8, no NUL:
 *
 *     -> {"id": 1, "cmd": "runs.show", "args": {"id": 41}}
 *     <- {"id": 1, "event": {...}}                                      zero or more, only for commands that wait
 *     <- {"id": 1, "ok": true, "result": {...}}
 *     <- {"id": 1, "ok": false, "error": {"class": "permanent", "code": "not_found", "text": "no run 41"}}
 *
 * Requests of one connection are answered in order of their ends.  A request line is at most PROTOCOL_REQUEST_MAX
 * bytes and 32 levels deep, and must be finished within PROTOCOL_REQUEST_MS of its first byte; answers are at most
 * PROTOCOL_ANSWER_MAX bytes.  The server learns who asks from the socket (SO_PEERCRED): root, its own user, members of
 * the socket's group; nobody else gets in.  What changes something is answered after it is durable.
 *
 * Commands, their args (all optional unless marked !) and results; the objects are those of query/query.h:
 *
 *     status                                                       status
 *     runs.list    state job partition origin before limit         {"runs", "next"}
 *     runs.show    id!                                             run_show
 *     runs.logs    id! asset bytes                                 {"logs"}
 *     runs.wait    id!                                             run_show at its end; events on the way
 *     runs.cancel  id!                                             {"run": id}
 *     runs.retry   id! from_failure                                {"run": id of the new one}
 *     assets.list                                                  {"assets"}
 *     assets.show  name! partition                                 asset
 *     sensors.list                                                 {"sensors"}
 *     sensors.tick name! dry_run                                   {"sensor", "outcome", "reason", "keys": n seen, "dry_run",
 *                                                                   "runs": [{"key", "run", "why"}]}
 *     sensors.pause name!    sensors.resume name!                  {"sensor": name}
 *     sensors.ticks name! limit                                    {"sensor", "ticks"}
 *     sensors.keys name! verdict after limit                       {"sensor", "keys", "next"}
 *     hold         partition! reason                               {"partition": key}
 *     release      partition!                                      {"partition": key, "runs": [ids of continued clean-ups]}
 *     holds                                                        {"holds"}
 *     why          what!                                           {"what", "lines", "keys", "runs", "holds"}
 *     audit.show   id                                              {"audit", "audits"}
 *     audit.record result! (what audit/audit.h reports)            {"audit": id}
 *     materialize  selection! (list of terms) config partition dry_run   {"run": id}
 *     launch       job! config partition dry_run                   {"run": id}
 *     reload                                                       {"config_file": path}
 *
 * Events of runs.wait: {"kind": "run"|"step"|"progress"|"warning"|"effect"|"log", "run": id, "asset": name or null, "data": {...}} with
 * data {"state", "outcome"} for run and step (and "text" of a step that waits), {"what", "done", "total"} for progress,
 * {"label", "text"} for warning, {"verb", "what", "size"} for effect, {"level", "text"} for log.
 */
#ifndef PROTOCOL_H
#define PROTOCOL_H

#include "base/err.h"
#include "base/json.h"

#define PROTOCOL_SOCKET      "control.sock"
#define PROTOCOL_REQUEST_MAX (64 << 10)
#define PROTOCOL_REQUEST_MS  5000
#define PROTOCOL_ANSWER_MAX  (16 << 20)
#define PROTOCOL_DEPTH_MAX   32

/* An error as the object above, and back (an unknown class is a bug of the other side). */
json_t *protocol_error_json(const struct err *err);
void protocol_error_parse(const json_t *obj, struct err *err);
/* Check a request line: object, members, depth.  A new reference, or NULL with class USAGE. */
json_t *protocol_parse_request(const char *line, size_t n, struct err *err);

#endif
