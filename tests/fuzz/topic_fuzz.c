/* Topics and filters from outside: whatever the bytes, the grammar holds, and a filter means what MQTT says. */
#include "patients.h"
#include "topic.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Once concealed, a patient stays so, and nothing else of the text changes. */
static void conceal(struct span text)
{
	static const struct patients patients = { .key = { { 1 } }, .keys = 1 };
	static uint8_t raw[2][65536 + PATIENT_GAIN];
	struct put once = put(raw[0], sizeof(raw[0])), again = put(raw[1], sizeof(raw[1]));
	struct span whom = patient_in_topic(text);

	must(whom.n == 0 || (whom.p > text.p && whom.p + whom.n <= text.p + text.n));
	if (text.n > 65536)
		return;
	patient_conceal(&patients, NULL, text, &once);
	patient_conceal(&patients, NULL, put_span(&once), &again);
	must(put_end(&once) == OK && put_end(&again) == OK && span_eq(put_span(&once), put_span(&again)));
	must(whom.n || span_eq(put_span(&once), text));
}

/* Two texts parted by a line feed: a filter and a topic. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest, first = span_cut(span(data, size), '\n', &rest);
	struct topic filter, topic;
	bool have_filter = filter_parse(first, &filter) == OK, have_topic = topic_parse(rest, &topic) == OK;

	must(crypt_init() == OK);
	conceal(rest);
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
