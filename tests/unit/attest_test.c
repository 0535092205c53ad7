/* attest: the gateway as a witness: it asks, judges beside the loop, cosigns, and tells the staff when the record is not what
 * it has seen. */
#include "pipelined.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

#include "signed_log.h"
#include "attest.h"
#include "gossip.h"

#define REQ "mercy/audit/main/witness/nc-1/req"
#define ADD "mercy/audit/main/witness/nc-1/add"
#define COSIGNATURE "mercy/audit/main/witness/nc-1/cosignature"
#define GOSSIP "mercy/audit/main/witness/nc-1/gossip"

static struct signed_log l, other;
static struct cosigner peer[2];
static const uint8_t peer_secret[2][SIGN_KEY_BYTES] = { { 7 }, { 8 } };
static uint8_t body[WITNESS_BODY_MAX];
static char vkey_path[400], peers_path[400], folder[400], said[4096];
static const char *what;
static atomic_uint judged;               /* things that the thread has made up its mind about */
static unsigned acknowledged;            /* of what was sent */

static void note_log(enum log_level level, const char *line)
{
	size_t n = strlen(said);

	(void)level;
	snprintf(said + n, sizeof(said) - n, "%s\n", line);
}

static void count_wake(void *ctx)
{
	(void)ctx;
	atomic_fetch_add(&judged, 1);
}

static enum err watch(void)
{
	const struct attest_spec spec = {
		.folder = folder, .vkey = vkey_path, .peers = conf.witness_peers, .tenant = "mercy", .device = "nc-1",
		.every_ms = 60000, .wake = count_wake,
	};

	return attest_open(&spec, &attest, &what);
}

/* Two others. */
static void write_peers(void)
{
	FILE *f = fopen(peers_path, "w");
	char text[400];

	for (size_t i = 0; i < countof(peer); i++) {
		assert_int_equal(cosigner_write(peer[i].name, peer[i].pub, text, sizeof(text)), OK);
		fprintf(f, "%s\n", text);
	}
	fclose(f);
}

static int make_witness(void **state)
{
	char vkey[400];
	FILE *f;

	if (make(state))
		return -1;
	log_to(note_log);
	said[0] = '\0';
	acknowledged = 0;
	pipeline_close(&g);
	log_init(&l);
	other = l;
	log_grow(&l, 1000, 'a');
	log_grow(&other, 100, 'a');
	log_grow(&other, 1000, 'b');
	snprintf(folder, sizeof(folder), "%s", scratch_path(&scratch, "witness"));
	peer[0].name = SPAN_LIT("mercy/device/nc-2");
	peer[1].name = SPAN_LIT("auditor.example/w1");
	for (size_t i = 0; i < countof(peer); i++)
		assert_int_equal(sign_public(peer_secret[i], peer[i].pub), OK);
	snprintf(peers_path, sizeof(peers_path), "%s", scratch_path(&scratch, "witnesses"));
	conf.witness_peers[0] = '\0';
	snprintf(vkey_path, sizeof(vkey_path), "%s", scratch_path(&scratch, "record.vkey"));
	assert_int_equal(vkey_write(l.key.name, l.key.pub, vkey, sizeof(vkey)), OK);
	f = fopen(vkey_path, "w");
	fprintf(f, "%s\n", vkey);
	fclose(f);
	strcpy(conf.witness_vkey, vkey_path);
	if (watch() != OK)
		return -1;
	start();
	return 0;
}

static void empty_folder(void)
{
	DIR *d = opendir(folder);
	char path[700];

	for (struct dirent *e; d && (e = readdir(d));) {
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		remove(path);
	}
	if (d)
		closedir(d);
}

static int drop_witness(void **state)
{
	pipeline_close(&g);
	attest_close(&attest);
	empty_folder();
	return drop(state);
}

/* What the broker answers, and some time for the thread to make up its mind. */
static void hears(struct signed_log *log, uint64_t old, uint64_t size)
{
	unsigned before = atomic_load(&judged);

	broker_says(&(struct uplink_event){ .kind = UPLINK_MESSAGE, .topic = SPAN_LIT(ADD),
					    .payload = log_body(log, old, size, body) });
	assert_true(UNTIL(atomic_load(&judged) != before, pipeline_run(g)));
	pipeline_run(g);
}

/* The broker acknowledges whatever it was sent: it is there, whatever it says of its record. */
static void is_acknowledged(void)
{
	for (; acknowledged < b.count; acknowledged++) {
		broker_says(&(struct uplink_event){ .kind = UPLINK_ACK, .id = b.sent[acknowledged].id });
		pipeline_run(g);
	}
}

static void a_minute_passes(void)
{
	is_acknowledged();
	now += 60000;
	run();
}

static bool last_asks_from(const char *size)
{
	const struct sent *s = sent(REQ, sent_count(REQ) - 1);

	return s && s->n == strlen(size) && memcmp(s->payload, size, s->n) == 0 && !s->retain;
}

/* The key it signs with, as it is for the others. */
static struct cosigner own_key(void)
{
	static char vkey[400];
	char path[700];
	struct cosigner self;
	struct span rest;
	FILE *f;

	snprintf(path, sizeof(path), "%s/vkey", folder);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(vkey, sizeof(vkey), f));
	fclose(f);
	assert_int_equal(cosigner_read(span_cut(span_str(vkey), '\n', &rest), &self), OK);
	return self;
}

/* Is the last line it sent its own, under that checkpoint? */
static void assert_cosigned(uint64_t size)
{
	const struct sent *s = sent(COSIGNATURE, sent_count(COSIGNATURE) - 1);
	uint8_t text[NOTE_BYTES_MAX];
	struct put note = put(text, sizeof(text));
	const struct cosigner self = own_key();
	struct witness_request r;
	uint64_t when;

	assert_non_null(s);
	assert_int_equal(witness_read(log_body(&l, 0, size, body), &r), OK);
	put_bytes(&note, r.note);
	put_bytes(&note, span(s->payload, s->n));
	assert_true(span_is(self.name, "mercy/device/nc-1"));
	assert_int_equal(note_cosigned(put_span(&note), &self, &when), OK);
	assert_true(when >= 1700000000);
}

static bool told(const char *priority, const char *code)
{
	for (unsigned i = 0; i < sent_count(priority); i++)
		if (strcmp(read_alert(sent(priority, i))->code, code) == 0)
			return true;
	return false;
}

/* ---- */

static void it_asks_and_cosigns_what_continues(void **state)
{
	bool subscribed = false;

	(void)state;
	come_up();
	for (unsigned i = 0; i < b.subscribed && i < countof(b.filter); i++)
		subscribed = subscribed || strcmp(b.filter[i], ADD) == 0;
	assert_true(subscribed);
	assert_int_equal(sent_count(REQ), 1);
	assert_true(last_asks_from("0\n"));
	hears(&l, 0, 70);
	assert_cosigned(70);
	a_minute_passes();
	assert_true(last_asks_from("70\n"));
	hears(&l, 70, 300);
	assert_int_equal(sent_count(COSIGNATURE), 2);
	assert_cosigned(300);
	assert_int_equal(attest_state(attest, now), ATTEST_GOOD);
}

static void what_was_not_asked_for_is_not_looked_at(void **state)
{
	(void)state;
	come_up();
	hears(&l, 0, 70);
	broker_says(&(struct uplink_event){ .kind = UPLINK_MESSAGE, .topic = SPAN_LIT(ADD),
					    .payload = log_body(&other, 70, 300, body) });
	for (int i = 0; i < 50; i++) {
		pipeline_run(g);
		usleep(1000);
	}
	assert_int_equal(attest_state(attest, now), ATTEST_GOOD);
	assert_int_equal(sent_count(COSIGNATURE), 1);
}

static void after_a_restart_it_goes_on_from_what_it_has_seen(void **state)
{
	(void)state;
	come_up();
	hears(&l, 0, 70);
	pipeline_close(&g);
	attest_close(&attest);
	assert_int_equal(watch(), OK);
	start();
	come_up();
	assert_true(last_asks_from("70\n"));
	hears(&l, 70, 90);
	assert_cosigned(90);
}

static void assert_contradicted(void)
{
	unsigned asked = sent_count(REQ), cosigned = sent_count(COSIGNATURE);

	assert_int_equal(attest_state(attest, now), ATTEST_CONTRADICTED);
	assert_non_null(strstr(said, "record_contradicted"));
	now += 2000;
	run();
	assert_true(told("/alert/medium/", "gateway.record-contradicted"));
	a_minute_passes();
	a_minute_passes();
	assert_int_equal(sent_count(REQ), asked);
	assert_int_equal(sent_count(COSIGNATURE), cosigned);
}

static void see_a_fork(void)
{
	come_up();
	hears(&l, 0, 301);
	a_minute_passes();
	hears(&other, 301, 400);
	assert_contradicted();
}

static void acceptance_4_a_fork_is_told_and_is_the_end(void **state)
{
	(void)state;
	see_a_fork();
	pipeline_close(&g);
	attest_close(&attest);
	said[0] = '\0';
	assert_int_equal(watch(), OK);
	start();
	assert_contradicted();
}

static void acceptance_2_a_record_set_back_is_told(void **state)
{
	(void)state;
	come_up();
	hears(&l, 0, 301);
	a_minute_passes();
	hears(&l, 200, 200);
	assert_contradicted();
}

static void what_another_key_signed_is_refused_and_no_evidence(void **state)
{
	struct signed_log stranger = l;

	(void)state;
	stranger.secret[0] ^= 1;
	come_up();
	hears(&stranger, 0, 70);
	assert_non_null(strstr(said, "checkpoint_refused"));
	assert_non_null(strstr(said, "bad-signature"));
	assert_int_equal(attest_state(attest, now), ATTEST_GOOD);
	assert_int_equal(sent_count(COSIGNATURE), 0);
	a_minute_passes();
	hears(&l, 0, 70);
	assert_cosigned(70);
}

static void what_cannot_be_kept_is_not_cosigned(void **state)
{
	(void)state;
	come_up();
	empty_folder();
	assert_int_equal(rmdir(folder), 0);
	hears(&l, 0, 70);
	assert_non_null(strstr(said, "witness_failed"));
	assert_int_equal(sent_count(COSIGNATURE), 0);
	a_minute_passes();
	assert_true(last_asks_from("0\n"));
}

/* A broker that does not answer, or shows the same old checkpoint again and again, is hiding something, or is broken. */
static void silence_is_told_and_ends(void **state)
{
	(void)state;
	come_up();
	hears(&l, 0, 70);
	for (int minute = 1; minute <= 20; minute++) {
		assert_int_equal(attest_state(attest, now), minute <= 16 ? ATTEST_GOOD : ATTEST_SILENT);
		a_minute_passes();
		if (minute % 2)
			hears(&l, 70, 70);
	}
	assert_true(told("/alert/low/", "gateway.record-silent"));
	a_minute_passes();
	hears(&l, 70, 80);
	assert_int_equal(attest_state(attest, now), ATTEST_GOOD);
}

/* An hour without a broker is no silence of its record. */
static void who_is_not_connected_hears_nothing(void **state)
{
	(void)state;
	come_up();
	hears(&l, 0, 70);
	b.up = false;
	broker_says(&(struct uplink_event){ .kind = UPLINK_LOST, .why = "cable" });
	run();
	now += 3600000;
	run();
	come_up();
	assert_int_equal(attest_state(attest, now), ATTEST_GOOD);
}

static void what_is_wrong_with_its_files_is_named(void **state)
{
	const struct attest_spec spec = { .vkey = vkey_path, .peers = peers_path };
	unsigned line;
	FILE *f;

	(void)state;
	pipeline_close(&g);
	attest_close(&attest);
	write_peers();
	strcpy(conf.witness_peers, peers_path);
	assert_int_equal(attest_check(&spec, &what, &line), OK);
	f = fopen(peers_path, "a");
	fputs("no key\n", f);
	fclose(f);
	assert_int_equal(attest_check(&spec, &what, &line), ERR_SYNTAX);
	assert_string_equal(what, peers_path);
	assert_int_equal(line, 3);
	assert_int_equal(watch(), ERR_SYNTAX);
	assert_string_equal(what, peers_path);
	write_peers();
	f = fopen(vkey_path, "w");
	fputs("no key\n", f);
	fclose(f);
	assert_int_equal(attest_check(&spec, &what, &line), ERR_SYNTAX);
	assert_string_equal(what, vkey_path);
	assert_int_equal(line, 0);
	assert_int_equal(watch(), ERR_SYNTAX);
	assert_string_equal(what, vkey_path);
	remove(vkey_path);
	assert_int_equal(watch(), ERR_NOT_FOUND);
	start();
}

/* ---- among others ---- */

static int make_one_of_three(void **state)
{
	if (make_witness(state))
		return -1;
	pipeline_close(&g);
	attest_close(&attest);
	write_peers();
	strcpy(conf.witness_peers, peers_path);
	if (watch() != OK)
		return -1;
	start();
	return 0;
}

/* What peer i says of that tree, through the broker. */
static void says(size_t i, struct signed_log *log, uint64_t size)
{
	static uint64_t words;
	uint8_t line_text[COSIGNATURE_LINE_MAX], text[GOSSIP_NOTE_MAX];
	struct put line = put(line_text, sizeof(line_text)), word = put(text, sizeof(text));
	struct witness_request r;
	unsigned before = atomic_load(&judged);

	assert_int_equal(witness_read(log_body(log, 0, size, body), &r), OK);
	assert_int_equal(note_cosign(r.note, peer[i].name, peer_secret[i], (uint64_t)(fake_real(NULL) / 1000000) + ++words, &line), OK);
	assert_int_equal(gossip_write(r.note, &log->key, put_span(&line), &word), OK);
	broker_says(&(struct uplink_event){ .kind = UPLINK_MESSAGE, .payload = put_span(&word),
					    .topic = span_str(i ? "mercy/audit/main/witness/w1/gossip" : "mercy/audit/main/witness/nc-2/gossip") });
	assert_true(UNTIL(atomic_load(&judged) != before, pipeline_run(g)));
	pipeline_run(g);
}

static void what_it_vouched_for_the_others_hear(void **state)
{
	const struct cosigner self = own_key();
	struct checkpoint c;
	const struct sent *s;
	uint64_t when;

	(void)state;
	come_up();
	hears(&l, 0, 70);
	assert_int_equal(sent_count(GOSSIP), 1);
	s = sent(GOSSIP, 0);
	assert_false(s->retain);
	assert_int_equal(note_open(span(s->payload, s->n), l.key.name, l.key.pub, &c), OK);
	assert_int_equal(c.size, 70);
	assert_int_equal(note_cosigned(span(s->payload, s->n), &self, &when), OK);
}

/* The broker shows us one history and them another: of the size we have seen. */
static void acceptance_4_what_another_was_shown_is_compared(void **state)
{
	(void)state;
	come_up();
	hears(&l, 0, 301);
	says(0, &other, 301);
	assert_true(UNTIL(attest_state(attest, now) == ATTEST_CONTRADICTED, pipeline_run(g)));
	assert_contradicted();
}

/* Or of less: the broker cannot prove that it is the beginning of ours, whatever it answers. */
static void acceptance_4_what_another_was_shown_before_is_to_be_proved(void **state)
{
	(void)state;
	come_up();
	hears(&l, 0, 301);
	says(0, &other, 120);
	assert_true(UNTIL(last_asks_from("120\n"), pipeline_run(g)));
	hears(&l, 120, 301);
	assert_contradicted();
}

static void what_another_saw_of_the_same_record_is_good(void **state)
{
	unsigned asked;

	(void)state;
	come_up();
	hears(&l, 0, 301);
	says(0, &l, 120);
	assert_true(UNTIL(last_asks_from("120\n"), pipeline_run(g)));
	asked = sent_count(REQ);
	hears(&l, 120, 301);
	says(1, &l, 400);
	a_minute_passes();
	assert_true(last_asks_from("301\n"));
	assert_int_equal(sent_count(REQ), asked + 1);
	hears(&l, 301, 500);
	assert_true(UNTIL(last_asks_from("400\n"), pipeline_run(g)));
	hears(&l, 400, 500);
	assert_int_equal(attest_state(attest, now), ATTEST_GOOD);
}

/* An answer that is late ends at less than we have seen: it is not the record set back. */
static void a_late_proof_is_not_taken_for_the_newest(void **state)
{
	(void)state;
	come_up();
	hears(&l, 0, 301);
	says(0, &l, 120);
	assert_true(UNTIL(last_asks_from("120\n"), pipeline_run(g)));
	a_minute_passes();
	assert_true(last_asks_from("301\n"));
	broker_says(&(struct uplink_event){ .kind = UPLINK_MESSAGE, .topic = SPAN_LIT(ADD), .payload = log_body(&l, 120, 200, body) });
	pipeline_run(g);
	hears(&l, 301, 500);
	assert_cosigned(500);
	assert_int_equal(attest_state(attest, now), ATTEST_GOOD);
}

/* We, and one of the two others, are a majority; alone we may be one half of the story. */
static void a_broker_that_keeps_them_from_hearing_each_other_is_told(void **state)
{
	(void)state;
	come_up();
	hears(&l, 0, 70);
	for (uint64_t minute = 1; minute <= 40; minute++) {
		a_minute_passes();
		hears(&l, 69 + minute, 70 + minute);
		if (minute <= 10)
			says(minute % 2, &l, 70 + minute);
		assert_int_equal(attest_state(attest, now), minute < 10 + 15 + 4 ? ATTEST_GOOD : ATTEST_UNHEARD);
	}
	assert_non_null(strstr(said, "witnesses_unheard"));
	now += 2000;
	run();
	assert_true(told("/alert/low/", "gateway.witnesses-unheard"));
	says(1, &l, 110);
	assert_true(UNTIL(attest_state(attest, now) == ATTEST_GOOD, pipeline_run(g)));
}

/* ---- what others are to hear of it, and its files again ---- */

static struct span last_gossip(void)
{
	const struct sent *s = sent(GOSSIP, sent_count(GOSSIP) - 1);

	return s ? span(s->payload, s->n) : span(NULL, 0);
}

/* Whoever trusts this gateway's key: is what it says enough? */
static bool last_gossip_convicts(void)
{
	static struct gossip g_of_another;
	static struct witnesses list = { .n = 1 };
	struct gossip_evidence e;

	list.of[0] = own_key();
	gossip_init(&g_of_another, &list, &l.key, peer[0].pub);
	return gossip_hear_evidence(&g_of_another, last_gossip(), &e) == WITNESS_FORK;
}

/* Every minute, also after a restart, so that one that was away hears it. */
static void what_it_has_seen_it_shows_again_and_again(void **state)
{
	unsigned before;

	(void)state;
	come_up();
	hears(&l, 0, 301);
	a_minute_passes();
	before = sent_count(GOSSIP);
	hears(&other, 301, 400);
	assert_true(UNTIL(sent_count(GOSSIP) == before + 1, pipeline_run(g)));
	assert_non_null(strstr(said, "seen_by=\"this gateway\""));
	assert_true(last_gossip_convicts());
	assert_false(sent(GOSSIP, before)->retain);
	run();
	assert_int_equal(sent_count(GOSSIP), before + 1);
	for (unsigned minute = 1; minute <= 3; minute++) {
		a_minute_passes();
		assert_int_equal(sent_count(GOSSIP), before + 1 + minute);
		assert_true(last_gossip_convicts());
	}
	pipeline_close(&g);
	attest_close(&attest);
	assert_int_equal(watch(), OK);
	start();
	come_up();
	assert_true(sent_count(GOSSIP) > 0);
	assert_true(last_gossip_convicts());
}

static void is_shown(struct signed_log *had, struct signed_log *got, size_t by)
{
	uint8_t had_raw[WITNESS_BODY_MAX], text[GOSSIP_BYTES_MAX];
	struct put out = put(text, sizeof(text));
	struct witness_request r;
	unsigned before = atomic_load(&judged);

	assert_int_equal(witness_read(log_body(had, 0, 301, had_raw), &r), OK);
	assert_int_equal(gossip_write_evidence(r.note, log_body(got, 301, 400, body), &l.key, peer[by].name, peer_secret[by], &out), OK);
	broker_says(&(struct uplink_event){ .kind = UPLINK_MESSAGE, .payload = put_span(&out),
					    .topic = SPAN_LIT("mercy/audit/main/witness/nc-2/gossip") });
	assert_true(UNTIL(atomic_load(&judged) != before, pipeline_run(g)));
	pipeline_run(g);
}

/* By one that has found it out; of what it was told it makes no news. */
static void what_another_shows_is_told_and_is_the_end(void **state)
{
	unsigned before;

	(void)state;
	come_up();
	hears(&l, 0, 10);
	is_shown(&l, &l, 0);
	assert_int_equal(attest_state(attest, now), ATTEST_GOOD);
	before = sent_count(GOSSIP);
	is_shown(&l, &other, 0);
	assert_contradicted();
	assert_non_null(strstr(said, "seen_by=\"another witness\""));
	assert_int_equal(sent_count(GOSSIP), before);
}

static void rereads(enum err expected)
{
	unsigned line, before = atomic_load(&judged);

	assert_int_equal(attest_reread(attest, &what, &line), expected);
	if (expected != OK)
		return;
	assert_true(UNTIL(atomic_load(&judged) != before, pipeline_run(g)));
	pipeline_run(g);
}

static void another_list_is_taken_while_it_runs_and_a_bad_one_is_not(void **state)
{
	FILE *f;

	(void)state;
	come_up();
	hears(&l, 0, 301);
	f = fopen(peers_path, "w");
	assert_true(fputs("no key\n", f) >= 0);
	fclose(f);
	rereads(ERR_SYNTAX);
	assert_string_equal(what, peers_path);
	says(0, &l, 120);               /* the list of before stays in force */
	assert_true(UNTIL(last_asks_from("120\n"), pipeline_run(g)));
	hears(&l, 120, 301);
	f = fopen(peers_path, "w");
	fclose(f);
	rereads(OK);
	says(0, &other, 301);           /* is on it no more */
	assert_int_equal(attest_state(attest, now), ATTEST_GOOD);
	write_peers();
	rereads(OK);
	says(0, &other, 301);
	assert_contradicted();
}

static void who_puts_the_evidence_elsewhere_lets_it_go_on(void **state)
{
	DIR *d;
	char path[700];
	unsigned asked;

	(void)state;
	see_a_fork();
	rereads(OK);
	assert_int_equal(attest_state(attest, now), ATTEST_CONTRADICTED);
	d = opendir(folder);
	for (struct dirent *e; (e = readdir(d));) {
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (strncmp(e->d_name, "evidence.", 9) == 0)
			assert_int_equal(remove(path), 0);
	}
	closedir(d);
	asked = sent_count(REQ);
	rereads(OK);
	assert_int_equal(attest_state(attest, now), ATTEST_GOOD);
	assert_true(UNTIL(sent_count(REQ) > asked, pipeline_run(g)));
	assert_true(last_asks_from("301\n"));
	hears(&l, 301, 400);
	assert_cosigned(400);
}

/* A disk that gives nothing back: who reads from a pipe waits as long for whoever writes to it. */
static void make_evidence_that_hangs(char path[700])
{
	DIR *d = opendir(folder);
	const char *id = NULL;

	for (struct dirent *e; !id && (e = readdir(d));)
		id = strncmp(e->d_name, "note.", 5) == 0 ? e->d_name + 5 : NULL;
	assert_non_null(id);
	snprintf(path, 700, "%s/evidence.%s.had", folder, id);
	closedir(d);
	assert_int_equal(mkfifo(path, 0600), 0);
}

static sem_t went_on;
static atomic_bool hung;

/* Ends what hangs. */
static void *let_go(void *fd)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += UNTIL_S;
	atomic_store(&hung, sem_timedwait(&went_on, &until) != 0);
	close(*(int *)fd);
	return NULL;
}

static void the_loop_does_not_wait_for_its_disk(void **state)
{
	unsigned line, before;
	char path[700];
	pthread_t saves;
	int fd;

	(void)state;
	come_up();
	hears(&l, 0, 301);
	make_evidence_that_hangs(path);
	before = atomic_load(&judged);
	assert_int_equal(attest_reread(attest, &what, &line), OK);
	assert_true(UNTIL((fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) >= 0));
	assert_int_equal(sem_init(&went_on, 0, 0), 0);
	assert_int_equal(pthread_create(&saves, NULL, let_go, &fd), 0);
	a_minute_passes();
	sem_post(&went_on);
	assert_int_equal(pthread_join(saves, NULL), 0);
	assert_false(atomic_load(&hung));
	assert_true(UNTIL(atomic_load(&judged) != before, pipeline_run(g)));
	pipeline_run(g);
	assert_contradicted();
}

/* The wrong file was given to it, and was mended. */
static void another_key_of_the_record_is_taken_while_it_runs(void **state)
{
	struct signed_log next = l;
	char vkey[400];
	FILE *f;

	(void)state;
	next.secret[0] ^= 1;
	assert_int_equal(sign_public(next.secret, next.key.pub), OK);
	come_up();
	hears(&next, 0, 70);
	assert_int_equal(sent_count(COSIGNATURE), 0);
	assert_int_equal(vkey_write(next.key.name, next.key.pub, vkey, sizeof(vkey)), OK);
	f = fopen(vkey_path, "w");
	fprintf(f, "%s\n", vkey);
	fclose(f);
	rereads(OK);
	a_minute_passes();
	hears(&next, 0, 70);
	assert_int_equal(sent_count(COSIGNATURE), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_witness, drop_witness)
		CASE(it_asks_and_cosigns_what_continues), CASE(what_was_not_asked_for_is_not_looked_at),
		CASE(after_a_restart_it_goes_on_from_what_it_has_seen), CASE(acceptance_4_a_fork_is_told_and_is_the_end),
		CASE(acceptance_2_a_record_set_back_is_told), CASE(what_another_key_signed_is_refused_and_no_evidence),
		CASE(what_cannot_be_kept_is_not_cosigned), CASE(silence_is_told_and_ends),
#define OF_THREE(name) cmocka_unit_test_setup_teardown(name, make_one_of_three, drop_witness)
		OF_THREE(what_it_vouched_for_the_others_hear), OF_THREE(acceptance_4_what_another_was_shown_is_compared),
		OF_THREE(acceptance_4_what_another_was_shown_before_is_to_be_proved),
		OF_THREE(what_another_saw_of_the_same_record_is_good), OF_THREE(a_late_proof_is_not_taken_for_the_newest),
		OF_THREE(a_broker_that_keeps_them_from_hearing_each_other_is_told),
		OF_THREE(what_it_has_seen_it_shows_again_and_again), OF_THREE(what_another_shows_is_told_and_is_the_end),
		OF_THREE(another_list_is_taken_while_it_runs_and_a_bad_one_is_not),
		OF_THREE(the_loop_does_not_wait_for_its_disk),
		CASE(who_puts_the_evidence_elsewhere_lets_it_go_on), CASE(another_key_of_the_record_is_taken_while_it_runs),
		CASE(who_is_not_connected_hears_nothing), CASE(what_is_wrong_with_its_files_is_named),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
