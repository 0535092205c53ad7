/* Any bytes as the data of the broker's answer about an account. What is read is an account. */
#include "base.h"
#include "remote.h"
#include "value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct accounts kind = { PULLCORD__V1__PARTY__PARTY_USER, "user", "USER", "ana" };
	CLEANUP(value_close) struct value *v = NULL;
	struct policy_error where;
	struct draft d;

	if (value_load(span(data, size), &v, &where) != OK || remote_account(v, &kind, SPAN_LIT("mercy"), &d) != OK)
		return 0;
	must(word_ok(d.account.subject.id) && d.account.state < ACCOUNT_STATES);
	must(d.account.subject.roles <= ACCOUNT_ROLES_MAX && d.account.subject.attributes <= ACCOUNT_ATTRIBUTES_MAX);
	for (size_t i = 0; i < d.account.subject.attributes; i++)
		must(word_ok(d.account.subject.attribute[i].name) && word_ok(d.account.subject.attribute[i].value));
	return 0;
}
