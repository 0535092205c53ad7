/* conf: settings anybody may have written. What is taken is within its limits; what is not has a fault to show. */
#include <stdint.h>
#include <string.h>

#include "conf.h"
#include "topic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct conf c, ordered, before;
	struct conf_fault f;
	enum err e;

	/* Orders from afar: what is refused changes nothing, and nothing else is changed by what is not. */
	conf_init(&before);
	ordered = before;
	e = conf_order(span(data, n), &ordered, &f);
	must(e == OK || (memcmp(&ordered, &before, sizeof(before)) == 0 && (f.text[0] || e == ERR_FULL)));
	must(strcmp(ordered.uplink_host, before.uplink_host) == 0 && strcmp(ordered.orders_officers, before.orders_officers) == 0);
	must(ordered.inputs == 0 && ordered.throttle_burst >= 1 && ordered.gateway_state_s >= 5);
	e = conf_parse(span(data, n), &c, &f);

	if (e == OK) {
		must(c.inputs > 0 && c.inputs <= CONF_INPUTS_MAX && c.units <= CONF_UNITS_MAX);
		must(c.uplink_port >= 1 && c.uplink_port <= 65535 && c.uplink_window >= 1);
		must(word_ok(span_str(c.gateway_unit)));
		must(word_ok(span_str(conf_unit_of(&c, span(data, n)))));
		for (unsigned i = 0; i < c.inputs; i++)
			must(conf_input_kind(&c.input[i]) && c.input[i].address[0]);
	} else {
		must(e == ERR_TOO_LARGE || (e == ERR_SYNTAX && f.text[0]));
		must(strlen(f.text) < sizeof(f.text) && span_utf8(span_str(f.text)));
	}
	return 0;
}
