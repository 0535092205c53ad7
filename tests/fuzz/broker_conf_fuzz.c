/* Any bytes as a mosquitto.conf, and as a command line. Every fault can be told in one line. */
#include "base.h"
#include "broker_conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct broker_fault fault[16];
	size_t n = broker_conf_scan("mosquitto.conf", span(data, size), fault, countof(fault));
	char text[BROKER_FAULT_TEXT], path[64];

	must(broker_conf_scan("mosquitto.conf", span(data, size), NULL, 0) == n);
	for (size_t i = 0; i < n && i < countof(fault); i++) {
		broker_fault_text(&fault[i], text);
		must(fault[i].why && fault[i].right && !strchr(text, '\n'));
	}
	if (broker_conf_path_in(span(data, size), path, sizeof(path)) == OK)
		must(strlen(path) < sizeof(path));
	return 0;
}
