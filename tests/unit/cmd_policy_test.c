/* cmd_policy: what `policy diff` and `policy check` say of what is not a role's: lock-outs, tenants, shared channels; what `policy
 * fmt` and `policy import` write, and leave alone; `policy rollback` where a version cannot be read. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "crypt.h"
#include "damaged_edition.h"
#include "edition.h"
#include "report.h"
#include "scratch.h"
#include "vault.h"

#define TOWN(share, lockout, quarantine)                                                                               \
	"tenant mercy\n" share "role nurse\n  allow both mercy/channel/{channel}/#\n" lockout                          \
	"tenant lakeside\njoin channel tumors of mercy\nquarantine\n  allow publish lakeside/" quarantine "\n"         \
	"role surgeon\n  allow both mercy/channel/{guest}/#\n"

static struct scratch scratch;

static int make(void **state)
{
	(void)state;
	must(crypt_init() == OK);
	scratch_make(&scratch);
	return 0;
}

static int unmake(void **state)
{
	static const char *const file[] = { "old.policy", "new.policy", "who.json", "acl", "out.policy" };

	(void)state;
	for (size_t i = 0; i < countof(file); i++)
		(void)remove(scratch_path(&scratch, file[i]));
	scratch_remove(&scratch);
	return 0;
}

/* Its path, for a while. */
static char *written(const char *name, const char *text)
{
	char *path = strdup(scratch_path(&scratch, name));
	FILE *f = fopen(path, "w");

	must(f && fputs(text, f) >= 0 && fclose(f) == 0);
	return path;
}

/* What the command says; free it. */
static char *said(int code, char **argv)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int argc = 0;

	while (argv[argc])
		argc++;
	report_to(out, out);
	assert_int_equal(cmd_policy(argc, argv), code);
	report_json(false);
	report_to(NULL, NULL);
	fclose(out);
	return text;
}

static char *diff(int code, const char *old, const char *new, const char *subjects)
{
	char *from = written("old.policy", old), *to = written("new.policy", new), *who = written("who.json", subjects ? subjects : "");
	char *text = said(code, (char *[]){ "policy", "diff", from, to, "--json", subjects ? "--subjects" : NULL, who, NULL });

	free(from);
	free(to);
	free(who);
	return text;
}

static void a_policy_is_the_same_as_itself(void **state)
{
	const char *town = TOWN("share channel tumors with lakeside\n", "lock-out account never\n", "a");
	char *text = diff(CMD_DONE, town, town, NULL);

	(void)state;
	assert_non_null(strstr(text, "\"same\":true"));
	free(text);
}

static void another_lock_out_is_a_difference(void **state)
{
	char *text = diff(CMD_NO, TOWN("", "", "a"),
			  TOWN("", "lock-out address never\nlock-out account after 9 failures in 1h for 10m\n", "a"), NULL);

	(void)state;
	assert_non_null(strstr(text, "\"change\":\"lost\",\"access\":[\"lock-out\"],"
			"\"pattern\":\"address after 50 failures in 600s for 900s\""));
	assert_non_null(strstr(text, "\"change\":\"gained\",\"access\":[\"lock-out\"],\"pattern\":\"address never\""));
	assert_non_null(strstr(text, "\"change\":\"gained\",\"access\":[\"lock-out\"],"
			"\"pattern\":\"account after 9 failures in 3600s for 600s\""));
	assert_non_null(strstr(text, "\"roles\":0,\"subjects\":0,\"for_everybody\":2"));
	free(text);
}

/* The role's text is the same; what its holders get is not. */
static void a_channel_taken_back_is_lost_by_its_guests(void **state)
{
	char *text = diff(CMD_NO, TOWN("share channel tumors with lakeside\n", "", "a"), TOWN("", "", "a"),
			  "{\"id\":\"sue\",\"roles\":[\"surgeon\"],\"attributes\":{\"guest\":[\"tumors\"]}}\n"
			  "{\"id\":\"tom\",\"tenant\":\"lakeside\",\"roles\":[\"surgeon\"],\"attributes\":{\"guest\":[\"hearts\"]}}\n"
			  "{\"id\":\"ana\",\"roles\":[\"nurse\"],\"attributes\":{\"channel\":[\"tumors\"]}}\n");

	(void)state;
	assert_non_null(strstr(text, "{\"tenant\":\"mercy\",\"change\":\"lost\",\"access\":[\"share\"],"
			"\"pattern\":\"channel tumors with lakeside\""));
	assert_non_null(strstr(text, "{\"user\":\"sue\",\"change\":\"lost\",\"access\":[\"publish\",\"subscribe\",\"receive\"],"
				     "\"pattern\":\"mercy/channel/tumors/#\""));
	assert_null(strstr(text, "\"tom\""));
	assert_null(strstr(text, "\"ana\""));
	free(text);
}

static void a_narrow_deny_costs_whole_subscriptions(void **state)
{
	static const char old[] = "tenant mercy\nrole nurse\n  allow subscribe mercy/unit/{unit}/alert/+/+\n",
			  new[] = "tenant mercy\nrole nurse\n  allow subscribe mercy/unit/{unit}/alert/+/+\n"
				  "  deny subscribe mercy/unit/+/alert/info/+\n";
	char *text = diff(CMD_NO, old, new, "{\"id\":\"ana\",\"roles\":[\"nurse\"],\"attributes\":{\"unit\":[\"icu3\"]}}\n");

	(void)state;
	assert_non_null(strstr(text, "{\"role\":\"nurse\",\"change\":\"lost\",\"access\":[\"subscribe\"],"
				     "\"pattern\":\"mercy/unit/{unit}/alert/+/+\""));
	assert_non_null(strstr(text, "{\"user\":\"ana\",\"change\":\"lost\",\"access\":[\"subscribe\"],"
				     "\"pattern\":\"mercy/unit/icu3/alert/+/+\""));
	assert_non_null(strstr(text, "\"line\":3,\"whole\":true,\"denied_file\":"));
	assert_non_null(strstr(text, "new.policy\",\"denied_line\":4}"));
	assert_non_null(strstr(text, "{\"user\":\"ana\",\"change\":\"lost\",\"access\":[\"subscribe\",\"receive\"],"
				     "\"pattern\":\"mercy/unit/icu3/alert/info/+\""));
	free(text);
}

static void every_tenants_quarantine_is_compared(void **state)
{
	char *text = diff(CMD_NO, TOWN("", "", "a"), TOWN("", "", "b"), NULL);

	(void)state;
	assert_non_null(strstr(text, "{\"role\":\"quarantine of lakeside\","
			"\"change\":\"lost\",\"access\":[\"publish\"],\"pattern\":\"lakeside/a\""));
	assert_null(strstr(text, "quarantine of mercy"));
	free(text);
}

static void check_names_the_tenants(void **state)
{
	char *path = written("old.policy", TOWN("share channel tumors with lakeside\n", "", "a"));
	char *text = said(CMD_DONE, (char *[]){ "policy", "check", path, NULL });
	char *json = said(CMD_DONE, (char *[]){ "policy", "check", path, "--json", NULL });

	(void)state;
	assert_non_null(strstr(text, "well formed; tenants mercy, lakeside, 3 roles"));
	assert_non_null(strstr(json, "\"tenants\":[\"mercy\",\"lakeside\"]"));
	free(path);
	free(text);
	free(json);
}

static void explain_knows_what_may_be_handed_out(void **state)
{
	char *path = written("old.policy", "tenant mercy\nrole head\n  allow grant role/nurse\nrole nurse\n  allow receive mercy/x\n");
	char *may = said(CMD_DONE, (char *[]){ "policy", "explain", "--policy", path, "--role", "head", "user:ana", "grant",
		"role/nurse", NULL });
	char *not = said(CMD_NO, (char *[]){ "policy", "explain", "--policy", path, "--role", "head", "user:ana", "grant",
		"role/head", NULL });

	(void)state;
	assert_non_null(strstr(may, "allowed: ana may grant role/nurse, by line 3"));
	assert_non_null(strstr(not, "denied: ana may not grant role/head"));
	free(path);
	free(may);
	free(not);
}

static bool holds(const char *path, const char *text)
{
	char got[256] = "";
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(got, 1, sizeof(got) - 1, f) : 0;

	if (f)
		fclose(f);
	return f && n == strlen(text) && strcmp(got, text) == 0;
}

static void what_only_checks_does_not_write(void **state)
{
	const char *loose = "tenant mercy\nrole nurse\nallow both mercy/channel/{channel}/#\n";
	char *path = written("old.policy", loose), *text;

	(void)state;
	text = said(CMD_USAGE, (char *[]){ "policy", "fmt", "--write", "--check", path, NULL });
	assert_non_null(strstr(text, "either --write"));
	free(text);
	text = said(CMD_NO, (char *[]){ "policy", "fmt", "--check", "--json", path, NULL });
	assert_non_null(strstr(text, "\"changed\":true,\"written\":false"));
	free(text);
	text = said(CMD_USAGE, (char *[]){ "policy", "fmt", "--json", path, NULL });
	assert_non_null(strstr(text, "--json goes with --write or --check"));
	free(text);
	assert_true(holds(path, loose));
	free(path);
}

/* A policy without the list of who holds what would be taken for all there is. */
static void an_import_writes_both_files_or_none(void **state)
{
	char *acl = written("acl", "user ana\ntopic read mercy/unit/icu3/broadcast\n"), *who = written("who.json", "mine"), *text;
	char *out = strdup(scratch_path(&scratch, "out.policy"));

	(void)state;
	text = said(CMD_NO, (char *[]){ "policy", "import", "--acl-file", acl, "--tenant", "mercy", "--out", out, "--subjects",
		who, NULL });
	assert_non_null(strstr(text, "it is there already"));
	assert_non_null(strstr(text, "nothing was written"));
	free(text);
	assert_int_not_equal(access(out, F_OK), 0);
	assert_true(holds(who, "mine"));
	text = said(CMD_NO, (char *[]){ "policy", "import", "--acl-file", acl, "--tenant", "mercy", "--out", out, "--subjects",
		"/nowhere/x", NULL });
	free(text);
	assert_int_not_equal(access(out, F_OK), 0);
	must(remove(who) == 0);
	text = said(CMD_DONE, (char *[]){ "policy", "import", "--acl-file", acl, "--tenant", "mercy", "--out", out, "--subjects",
		who, NULL });
	assert_non_null(strstr(text, "notes: same 0, outside 0, narrower 0"));
	free(text);
	assert_int_equal(access(out, F_OK) | access(who, F_OK), 0);
	free(acl);
	free(who);
	free(out);
}

/* An installation, as far as its versions are concerned: two, of which nobody can read that one. */
static void install_with_damaged(uint64_t number)
{
	CLEANUP(policy_close) struct policy *first = NULL, *second = NULL;
	struct directory *d = NULL;
	struct policy_error where;
	uint8_t root[32];

	must(policy_load(SPAN_LIT("tenant mercy\nrole a\n  allow publish mercy/1\n"), &first, &where) == OK);
	must(policy_load(SPAN_LIT("tenant mercy\nrole a\n  allow publish mercy/2\n"), &second, &where) == OK);
	free(written("mosquitto.conf", "plugin_opt_tenant mercy\n"));
	must(mkdir(scratch_path(&scratch, "keys"), 0700) == 0 && vault_make_root(scratch_path(&scratch, "keys/root.key")) == OK);
	must(vault_root(scratch_path(&scratch, "keys/root.key"), root) == OK);
	must(directory_open(scratch_path(&scratch, "directory.mdb"), root, false, &d) == OK);
	must(edition_keep(d, first, 1) == OK && edition_keep(d, second, 2) == OK);
	damage_edition(scratch_path(&scratch, "directory.mdb"), root, number, &d);
	directory_close(&d);
}

/* One that cannot be read is named, hides no older one, and is nothing to go back to. */
static void a_version_nobody_can_read_is_named(void **state)
{
	static char *const list[] = { "policy", "rollback", "--dir", scratch.dir, NULL },
			  *const as_json[] = { "policy", "rollback", "--dir", scratch.dir, "--json", NULL },
			  *const back[] = { "policy", "rollback", "2", "--dir", scratch.dir, NULL };
	char *text;

	(void)state;
	install_with_damaged(2);
	text = said(CMD_DONE, (char **)(uintptr_t)list);
	assert_non_null(strstr(text, "     2  cannot be read"));
	assert_non_null(strstr(text, "     1  "));
	free(text);
	text = said(CMD_DONE, (char **)(uintptr_t)as_json);
	assert_non_null(strstr(text, "{\"version\":2,\"unread\":\""));
	free(text);
	text = said(CMD_NO, (char **)(uintptr_t)back);
	assert_non_null(strstr(text, "cannot read the text of version 2"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_policy_is_the_same_as_itself),
		cmocka_unit_test(a_narrow_deny_costs_whole_subscriptions),
		cmocka_unit_test(another_lock_out_is_a_difference),
		cmocka_unit_test(a_channel_taken_back_is_lost_by_its_guests),
		cmocka_unit_test(every_tenants_quarantine_is_compared),
		cmocka_unit_test(check_names_the_tenants),
		cmocka_unit_test(explain_knows_what_may_be_handed_out),
		cmocka_unit_test(what_only_checks_does_not_write),
		cmocka_unit_test(an_import_writes_both_files_or_none),
		cmocka_unit_test(a_version_nobody_can_read_is_named),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make, unmake);
}
