#include "framed.h"

#include "atna.h"

#define SEVERITY_WARNING 4
#define SEVERITY_NOTICE 5
#define FACILITY 10

bool framed_msgid_ok(const char *msgid)
{
	size_t n = strlen(msgid);

	for (size_t i = 0; i < n; i++)
		if (msgid[i] <= ' ' || msgid[i] > '~')
			return false;
	return n >= 1 && n <= 32;
}

enum err framed_write(const struct mapped *m, const char *msgid, struct put *scratch, struct put *out)
{
	char at[MAPPED_TIME];

	mapped_time(m->at_us, at);
	put_fmt(scratch, "<%d>1 %s %s pullcord - %s [meta sequenceId=\"%llu\"] \xEF\xBB\xBF",
		FACILITY * 8 + (m->outcome >= 4 ? SEVERITY_WARNING : SEVERITY_NOTICE), at, m->source->host, msgid,
		(unsigned long long)(m->index % 2147483647 + 1));
	atna_write(m, scratch);
	TRY(put_end(scratch));
	put_fmt(out, "%zu ", scratch->n);
	put_bytes(out, put_span(scratch));
	return put_end(out);
}
