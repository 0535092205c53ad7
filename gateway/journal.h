/* journal: systemd's journal takes each line of a service for "info", unless the line itself begins with its priority
 * (sd-daemon(3)): then `journalctl -p warning` shows what is wrong, and nothing else. */
#ifndef PULLCORD_JOURNAL_H
#define PULLCORD_JOURNAL_H

#include "log.h"

/* "<4>", where standard error is the journal's ($JOURNAL_STREAM, systemd.exec(5)); else "". */
const char *journal_prefix(enum log_level level);
/* Log lines bear it from now on. */
void journal_open(void);

#endif
