/* Bodies of add-checkpoint come from the broker, or out of files; lists of witnesses' keys from whoever wrote them. */
#include "gossip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge_it(const struct witness_request *r)
{
	static const struct cosigner log = { SPAN_LIT("example.com/foo"), {
		0xe9, 0x1e, 0xc9, 0xe4, 0x6b, 0x9b, 0xa8, 0x40, 0xa9, 0x18, 0x59, 0x32, 0x41, 0x1e, 0x42, 0x65,
		0xbe, 0x78, 0x21, 0xd8, 0xb6, 0x28, 0xd6, 0x80, 0x35, 0x87, 0x2b, 0x9c, 0xab, 0xdc, 0xa5, 0x36,
	} };
	const struct witnessed last[] = { { 0 }, { .size = 7 }, { .size = 4096 } };
	struct checkpoint c;

	for (size_t i = 0; i < countof(last); i++)      /* nobody signed it */
		must(witness_judge(&last[i], &log, r, i % 2, &c) != WITNESS_ACCEPTED);
}

/* The note in it, with its lines, as somebody else's. */
static void look_for_cosignatures(const struct witness_request *r)
{
	const struct cosigner by = { SPAN_LIT("witness.example.com/w1"), { 1 } };
	uint64_t when;

	must(note_cosigned(r->note, &by, &when) != OK);
}

/* Said by another witness, or answered to a question about what one said. */
static void hear_it(struct span s, struct span note)
{
	static const struct cosigner log = { SPAN_LIT("example.com/foo"), { 1 } };
	static const struct witnesses peers = { 1, { { SPAN_LIT("witness.example.com/w1"), { 1 } } } };
	static struct gossip g;
	const struct witnessed own = { .size = 4096 };
	const struct gossip_peer *against;
	struct gossip_evidence shown;
	uint8_t raw[GOSSIP_NOTE_MAX];
	struct put out = put(raw, sizeof(raw));

	gossip_init(&g, &peers, &log, (const uint8_t[SIGN_KEY_BYTES]){ 2 });
	must(gossip_hear_evidence(&g, note, &shown) == WITNESS_MALFORMED);
	must(gossip_hear(&g, note, 0) == GOSSIP_STRANGE && gossip_write(note, &log, SPAN_LIT(""), &out) != OK);
	g.of[0].said.size = 7;
	must(gossip_prove(&g, &own, s, 0, &against) != WITNESS_ACCEPTED && !against);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[WITNESS_BODY_MAX];
	static struct witnesses list;
	struct put out = put(buf, sizeof(buf));
	struct span s = span(data, size);
	struct witness_request r;
	unsigned line;

	must(crypt_init() == OK);
	if (witnesses_read(s, &list, &line) == OK)
		must(list.n <= WITNESSES_MAX && line == 0);
	hear_it(s, s);
	if (witness_read(s, &r) != OK)
		return 0;
	hear_it(s, r.note);
	judge_it(&r);
	look_for_cosignatures(&r);
	must(witness_write(&r, &out) == OK && span_eq(put_span(&out), s));       /* one body, one request */
	return 0;
}
