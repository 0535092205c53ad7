#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "ack.h"

#define NOW 1795342503120000

static struct hl7 message(char *text, size_t cap, const char *type, const char *version, const char *accept,
			  const char *result)
{
	struct hl7 m;

	snprintf(text, cap, "MSH|^~\\&|MON|WEST|AM|HOSP|20261122||%s|id-7|P|%s|||%s|%s||8859/1\r", type, version,
		 accept, result);
	assert_int_equal(hl7_open(span_str(text), &m), OK);
	return m;
}

/* The replies due, in one word: "CA AA". */
static const char *due(const char *type, const char *accept, const char *result, enum ack_code code)
{
	static char out[16];
	const char *which[ACK_REPLIES_MAX];
	char text[256];
	struct hl7 m = message(text, sizeof(text), type, "2.6", accept, result);
	unsigned n = ack_due(&m, code, which);

	snprintf(out, sizeof(out), "%s%s%s", n > 0 ? which[0] : "", n > 1 ? " " : "", n > 1 ? which[1] : "");
	return out;
}

/* MSH-15 down, MSH-16 across. */
static const char *const modes[] = { "", "AL", "NE", "ER", "SU" };

static void every_mode_is_answered_as_asked(void **state)
{
	static const char *const accepted[5][5] = {
		{ "AA", "AA", "", "", "AA" },
		{ "CA", "CA AA", "CA", "CA", "CA AA" },
		{ "", "AA", "", "", "AA" },
		{ "", "AA", "", "", "AA" },
		{ "CA", "CA AA", "CA", "CA", "CA AA" },
	};
	static const char *const failed[5][5] = {
		{ "AE", "AE", "", "AE", "" },
		{ "CE", "CE", "CE", "CE", "CE" },
		{ "", "AE", "", "AE", "" },
		{ "CE", "CE", "CE", "CE", "CE" },
		{ "", "AE", "", "AE", "" },
	};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		for (size_t k = 0; k < 5; k++) {
			char rejected[16];
			char *letter;

			assert_string_equal(due("ORU^R40", modes[i], modes[k], ACK_ACCEPT), accepted[i][k]);
			assert_string_equal(due("ORU^R40", modes[i], modes[k], ACK_ERROR), failed[i][k]);
			snprintf(rejected, sizeof(rejected), "%s", failed[i][k]);
			letter = strchr(rejected, 'E');
			if (letter)
				*letter = 'R';
			assert_string_equal(due("ORU^R40", modes[i], modes[k], ACK_REJECT), rejected);
		}
	}
}

static void an_unknown_wish_is_answered(void **state)
{
	(void)state;
	assert_string_equal(due("ORU^R40", "YES", "", ACK_ACCEPT), "CA");
}

static void an_acknowledgement_is_never_acknowledged(void **state)
{
	(void)state;
	for (size_t i = 0; i < 5; i++)
		for (size_t k = 0; k < 5; k++)
			assert_string_equal(due("ACK^R40^ACK", modes[i], modes[k], ACK_REJECT), "");
}

static void assert_reply(const struct hl7 *m, const char *msa1, const struct ack *a, const char *want)
{
	char text[ACK_BYTES_MAX + 1];
	struct put out = put(text, sizeof(text) - 1);

	assert_int_equal(ack_write(m, msa1, a, NOW, SPAN_LIT("ours-1"), &out), OK);
	text[out.n] = '\0';
	assert_string_equal(text, want);
}

static void an_acceptance_names_the_message_and_turns_the_addresses(void **state)
{
	const struct ack yes = { 0 };
	char text[256];
	struct hl7 m = message(text, sizeof(text), "ORU^R40^ORU_R40", "2.6", "AL", "NE");

	(void)state;
	assert_reply(&m, "CA", &yes,
		     "MSH|^~\\&|AM|HOSP|MON|WEST|20261122101503.120+0000||ACK^R40^ACK|ours-1|P|2.6||||||8859/1\r"
		     "MSA|CA|id-7\r");
}

static void a_refusal_says_where_and_why(void **state)
{
	const struct ack no = { ACK_REJECT, ACK_MESSAGE_TYPE, "MSH^1^9", "only ORU is taken here" };
	char text[256];
	struct hl7 m = message(text, sizeof(text), "ADT^A01", "2.5", "", "");

	(void)state;
	assert_reply(&m, "AR", &no,
		     "MSH|^~\\&|AM|HOSP|MON|WEST|20261122101503.120+0000||ACK^A01^ACK|ours-1|P|2.5||||||8859/1\r"
		     "MSA|AR|id-7\rERR||MSH^1^9|200^Unsupported message type^HL70357|E||||only ORU is taken here\r");
	m = message(text, sizeof(text), "ADT^A01", "2.3", "", "");
	assert_reply(&m, "AR", &no,
		     "MSH|^~\\&|AM|HOSP|MON|WEST|20261122101503.120+0000||ACK^A01^ACK|ours-1|P|2.3||||||8859/1\r"
		     "MSA|AR|id-7|only ORU is taken here\r");
}

static void the_sender_s_delimiters_are_used(void **state)
{
	const struct ack no = { ACK_ERROR, ACK_FIELD_MISSING, "OBX^1^5", "x" };
	struct hl7 m;

	(void)state;
	assert_int_equal(hl7_open(SPAN_LIT("MSH$%~\\&$A\nB$$$$$$ORU%R40$i$$\r"), &m), OK);
	assert_reply(&m, "AE", &no,
		     "MSH$%~\\&$$$A B$$20261122101503.120+0000$$ACK%R40%ACK$ours-1$P$2.6\r"
		     "MSA$AE$i\rERR$$OBX%1%5$101%Required field missing%HL70357$E$$$$x\r");
}

static void a_header_that_cannot_be_read_is_rejected_too(void **state)
{
	const struct ack no = { ACK_REJECT, ACK_SEGMENT_SEQUENCE, NULL, "no MSH" };
	const char *which[ACK_REPLIES_MAX];

	(void)state;
	assert_int_equal(ack_due(NULL, ACK_REJECT, which), 1);
	assert_string_equal(which[0], "AR");
	assert_reply(NULL, which[0], &no,
		     "MSH|^~\\&|||||20261122101503.120+0000||ACK|ours-1|P|2.6\r"
		     "MSA|AR|\rERR|||100^Segment sequence error^HL70357|E||||no MSH\r");
}

/* What is kept until the answer is known answers like the message itself. */
static void the_kept_header_is_enough(void **state)
{
	const struct ack no = { ACK_ERROR, ACK_INTERNAL, NULL, "full" };
	char text[512], kept[ACK_HEAD_MAX], want[ACK_BYTES_MAX + 1];
	struct hl7 m, head;
	struct put out = put(kept, sizeof(kept)), reply = put(want, sizeof(want) - 1);

	(void)state;
	m = message(text, sizeof(text) - 100, "ORU^R40", "2.6", "AL", "NE");
	strcpy(text + strlen(text) - 1, "|19|20|21\rPID|1\r");
	assert_int_equal(hl7_open(span_str(text), &m), OK);
	assert_int_equal(ack_head(&m, &out), OK);
	assert_int_equal(hl7_head(put_span(&out), &head), OK);
	assert_null(memmem(kept, out.n, "|21", 3));
	assert_int_equal(ack_write(&m, "CE", &no, NOW, SPAN_LIT("ours-1"), &reply), OK);
	want[reply.n] = '\0';
	assert_reply(&head, "CE", &no, want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mode_is_answered_as_asked),
		cmocka_unit_test(an_unknown_wish_is_answered),
		cmocka_unit_test(an_acknowledgement_is_never_acknowledged),
		cmocka_unit_test(an_acceptance_names_the_message_and_turns_the_addresses),
		cmocka_unit_test(a_refusal_says_where_and_why),
		cmocka_unit_test(the_sender_s_delimiters_are_used),
		cmocka_unit_test(a_header_that_cannot_be_read_is_rejected_too),
		cmocka_unit_test(the_kept_header_is_enough),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
