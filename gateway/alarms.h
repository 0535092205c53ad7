/* alarms: notices what goes wrong with the gateway itself, says it in the log and hands it to core/trouble.h, which knows
 * when the staff is to be told. The caller brings the clocks. */
#ifndef PULLCORD_ALARMS_H
#define PULLCORD_ALARMS_H

#include "cert.h"
#include "conf.h"
#include "outbox.h"
#include "trouble.h"
#include "attest.h"

struct alarms {
	struct trouble trouble;
	int64_t busy_since_ms;      /* 0: the outbox takes what comes */
	int64_t clock_off_us;       /* of the broker's clock from ours, when ours is wrong; else 0 */
	int64_t clock_last_us;      /* the same, also when it is but a little off */
	bool clock_heard;           /* a receipt told */
	int64_t own_us, own_ms;     /* our clocks at the last look; 0: there was none */
	uint32_t certificate_said;  /* days, when that was last logged */
	struct id kept[TROUBLE_KINDS];  /* of what was told, as the outbox has it; zeros: it has none */
};

void alarms_init(struct alarms *a);
/* A source was told no: trouble when for want of room or of a disk that works, not for what it said. */
void alarms_refused(struct alarms *a, enum err e, int64_t now_ms);
void alarms_kept(struct alarms *a);
/* A device whose clock was never set, or jumps, goes by that of the broker. What can be no time is ignored. */
void alarms_clock(struct alarms *a, int64_t broker_us, int64_t own_us, int64_t now_ms);
/* To be called before the time is told: a wrong clock may have been set right since the last receipt. */
void alarms_own_clock(struct alarms *a, int64_t own_us, int64_t now_ms);
/* Long before the certificate ends, and on each day: or it is found out when nothing connects any more. Where its CA renews it,
 * when that is overdue. */
void alarms_certificate(struct alarms *a, const struct cert *c, const struct conf *conf, int64_t real_us, int64_t now_ms);
/* What was told is kept in the outbox, and goes on after a restart as if there had been none. */
enum err alarms_restore(struct alarms *a, struct outbox *o, int64_t now_ms, int64_t real_us) MUST_USE;
void alarms_keep(struct alarms *a, struct outbox *o);
/* What this gateway, as its witness, thinks of the broker's record. */
void alarms_record(struct alarms *a, enum attest_state s, int64_t now_ms);

#endif
