/* renew: `pullcord audit renew` (successor.h). */
#ifndef PULLCORD_RENEW_H
#define PULLCORD_RENEW_H

int audit_renew(int argc, char **argv);

#endif
