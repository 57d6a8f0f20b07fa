#include "config.h"

#include "orchctl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELD_WIDTH 11

int ctl_ask(struct ctl *ctl, const char *cmd, const json_t *args, json_t **result, struct err *err)
{
	return link_call(ctl->link, cmd, args, CTL_ANSWER_MS, NULL, NULL, result, err);
}

int ctl_ask_name(
    struct ctl *ctl, const char *cmd, const char *key, const char *value, json_t **result, struct err *err)
{
	json_t *args = json_object();
	int rc;

	json_object_set_new(args, key, json_text_new(value));
	rc = ctl_ask(ctl, cmd, args, result, err);
	json_decref(args);
	return rc;
}

int ctl_show(struct ctl *ctl, const char *cmd, json_t *args, void (*show)(struct ctl *, const json_t *result),
    struct err *err)
{
	json_t *result = NULL;
	int rc = ctl_ask(ctl, cmd, args, &result, err);

	json_decref(args);
	if (rc == -1)
		return -1;
	if (ctl->json)
		ctl_print_json(result);
	else
		show(ctl, result);
	json_decref(result);
	return 0;
}

void ctl_print_json(const json_t *j)
{
	json_dumpf(j, stdout, text_is_terminal() ? JSON_INDENT(2) : JSON_COMPACT);
	putchar('\n');
}

int ctl_run_id(const struct ctl *ctl, int64_t *id, struct err *err)
{
	const char *text = args_operand(&ctl->args, 0);
	char *end;
	long long v;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || v < 1)
		return err_set(err, ERR_USAGE, "'%.40s' is no run's number; 'orchctl runs' lists them", text);
	*id = v;
	return 0;
}

void ctl_pass_options(const struct ctl *ctl, json_t *args, const char *const *names)
{
	for (; *names != NULL; names++)
		if (args_has(&ctl->args, *names))
			json_object_set_new(args, *names, json_text_new(args_get(&ctl->args, *names)));
}

void ctl_put(enum paint paint, const char *text)
{
	struct strbuf sb = STRBUF_INIT(1 << 20);

	text_clean(&sb, text);
	printf("%s%s%s", text_on(paint), sb.buf, text_off(paint));
	strbuf_release(&sb);
}

void ctl_put_field(const char *label, const char *text)
{
	if (text == NULL || *text == '\0')
		return;
	printf("  %-*s", FIELD_WIDTH, label);
	ctl_put(PAINT_NONE, text);
	putchar('\n');
}
