/* Topics and filters from outside: whatever the bytes, the grammar holds, and a filter means what MQTT says. */
#include "topic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Two texts parted by a line feed: a filter and a topic. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest, first = span_cut(span(data, size), '\n', &rest);
	struct topic filter, topic;
	bool have_filter = filter_parse(first, &filter) == OK, have_topic = topic_parse(rest, &topic) == OK;

	if (have_topic) {
		must(filter_parse(rest, &filter) == OK);   /* every topic is a filter */
		must(filter_matches(&filter, &topic) && filter_contains(&filter, &filter) && filter_meets(&filter, &filter));
		must(topic.n <= TOPIC_LEVELS_MAX && rest.n <= TOPIC_BYTES_MAX && !memchr(rest.p, '#', rest.n));
		for (uint32_t i = 0; i < topic.n; i++)
			must(word_ok(topic.level[i]) || topic.kind == TOPIC_CONTROL);
		(void)topic_word(&topic, "device");
	}
	if (have_filter && filter_parse(first, &filter) == OK && have_topic && filter_matches(&filter, &topic))
		must(filter_meets(&filter, &topic) && filter_contains(&filter, &topic));
	return 0;
}
