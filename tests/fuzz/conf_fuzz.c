/* conf: settings anybody may have written. What is taken is within its limits; what is not has a fault to show. */
#include <stdint.h>
#include <string.h>

#include "conf.h"
#include "topic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct conf c;
	struct conf_fault f;
	enum err e = conf_parse(span(data, n), &c, &f);

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
