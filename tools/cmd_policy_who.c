/* policy who-can: everybody who may, asked one by one. */
#include "clock.h"
#include "cmd.h"
#include "cmd_policy.h"
#include "install.h"
#include "listing.h"
#include "login.h"
#include "opt.h"
#include "report.h"

struct asking {
	const struct policy *policy;
	enum access access;
	struct topic topic;
	struct span from;
	size_t found;
	enum err e;
};

/* Networks that hold the rule's role back, or the role of the account's that brings it; "": none. */
static void put_networks(const struct asking *q, const struct subject *s, uint32_t line, char out[LISTING_NETWORKS_MAX])
{
	const struct span rule = policy_role_at(q->policy, line);
	struct span with[RULES_REACH_MAX];

	policy_role_networks(q->policy, rule, out);
	for (size_t i = 0; i < s->roles && !out[0]; i++)
		for (size_t n = policy_reach(q->policy, s->role[i], with); n-- > 0 && !out[0];)
			if (span_eq(with[n], rule))
				policy_role_networks(q->policy, s->role[i], out);
}

static void say_one(struct asking *q, const struct subject *s, const struct verdict *v, bool bound)
{
	char networks[LISTING_NETWORKS_MAX] = "", from[LISTING_NETWORKS_MAX + 16] = "";
	struct cell row[] = {
		CELL_STR("party", s->party == PULLCORD__V1__PARTY__PARTY_DEVICE ? "device" : "user"),
		CELL_SPAN("id", s->id), CELL_SPAN("role", policy_role_at(q->policy, v->line)), CELL_NUM("line", v->line),
		CELL_STR("from", ""),
	};

	if (bound) {
		put_networks(q, s, v->line, networks);
		snprintf(from, sizeof(from), "%s%s", networks[0] ? networks : "some networks", report_is_json() ? "" : " only");
		row[4] = CELL_STR("from", from);
	}
	row[0].width = 6;
	row[1].width = row[2].width = 24;
	row[3].width = 6;
	if (q->found++ == 0)
		report_head(row, countof(row));
	report_row(row, countof(row));
}

static enum err decide(struct asking *q, const struct subject *s, struct span from, bool anywhere, struct verdict *out)
{
	CLEANUP(holder_close) struct holder *h = NULL;
	struct subject asked = *s;

	asked.address = from;
	asked.anywhere = anywhere;
	TRY(policy_bind(q->policy, &asked, &h));
	*out = policy_decide(q->policy, h, q->access, &q->topic);
	return OK;
}

/* Without an address: from wherever they may come. */
static bool ask(void *ctx, const struct account *a)
{
	struct asking *q = ctx;
	struct verdict v, unbound;
	int64_t until;
	const struct subject s = account_subject(a, clock_us(CLOCK_REALTIME), &until);

	q->e = decide(q, &s, q->from, !q->from.n, &v);
	if (q->e == OK)
		q->e = decide(q, &s, q->from, false, &unbound);
	if (q->e != OK)
		return false;
	if (v.allow || unbound.allow)
		say_one(q, &s, v.allow ? &v : &unbound, !unbound.allow);
	return !report_broken();
}

static int run(const char *dir, const char *named, struct asking *q)
{
	CLEANUP(policy_close) struct policy *p = NULL;
	CLEANUP(directory_close) struct directory *d = NULL;
	struct install in;
	enum err e;

	if (install_open(dir, &in) != OK || cmd_policy_load(named, dir, &p) != OK ||
	    install_directory(&in, true, &d) != OK)
		return CMD_NO;
	q->policy = p;
	e = directory_each(d, ask, q);
	if (e == OK)
		e = q->e;
	if (e != OK)
		return report_fail(e, "ask for everybody in the directory of %s", in.dir);
	if (!q->found)
		report_line(TONE_DIM, "Nobody may %s %.*s.", access_name(q->access), SPAN_FMT(q->topic.text));
	return q->found ? CMD_DONE : CMD_NO;
}

int policy_who_can(int argc, char **argv)
{
	const char *dir = NULL, *policy = NULL, *from = NULL;
	struct opt_list operand = { 0 };
	struct asking q = { 0 };
	bool json = false;
	const struct opt opt[] = {
		OPT_TEXT("dir", "DIR", &dir, INSTALL_DIR_TEXT),
		OPT_TEXT("policy", "FILE", &policy, "another policy than the installation's"),
		OPT_TEXT("from", "ADDRESS", &from, OPT_FROM_TEXT),
		OPT_FLAG("json", &json, "one JSON object a line"),
	};
	const struct opt_page page = {
		.command = "policy who-can", .operands = "ACCESS TOPIC", .least = 2, .most = 2,
		.text = "Lists every account of the directory that may publish, subscribe or receive TOPIC, with the role and the line "
			"of the policy by which it may. Suspended accounts may nothing.\n"
			"Exit code 0: somebody may; 1: nobody.",
		.example = "pullcord policy who-can receive mercy/unit/icu3/alert/high/icu3-nc1", OPTS(opt),
	};
	int code = opt_read(&page, argc, argv, &operand);

	if (code != OPT_RUN)
		return code;
	if (!cmd_policy_access(operand.text[0], &q.access) || q.access & (ACCESS_CONTROL | ACCESS_GRANT))
		return opt_wrong(&page, "\"%s\" is no access; right would be publish, subscribe or receive", operand.text[0]);
	if ((q.access == ACCESS_SUBSCRIBE ? filter_parse : topic_parse)(span_str(operand.text[1]), &q.topic) != OK)
		return opt_wrong(&page, "\"%s\" is no %s of ours: levels of A-Z a-z 0-9 . _ : - parted by '/', at most 12", operand.text[1],
				 q.access == ACCESS_SUBSCRIBE ? "filter" : "topic");
	if (!cmd_policy_from(&page, from, &q.from))
		return CMD_USAGE;
	report_json(json);
	return run(dir, policy, &q);
}
