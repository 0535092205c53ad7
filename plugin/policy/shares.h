/* shares: channels across tenants. A guest reaches OWNER/channel/NAME and below where both sides say so: the owner by
 * `share`, the guest by `join`. Each side's lines are a root of their own in the policy's trie. */
#ifndef PULLCORD_SHARES_H
#define PULLCORD_SHARES_H

#include "compiled.h"

/* Puts them into the trie; their tenants were found. */
void shares_compile(struct policy *p);

/* Does that side say so of all the topic or filter, for this guest? */
bool shares_has(const struct policy *p, enum side side, uint32_t guest, enum access a, const struct step *step, uint32_t n);

/* Is it another tenant's topic (for a filter, as far as it names one), and not one both sides say is shared? */
bool shares_refuse(const struct holder *h, enum access a, const struct step *step, uint32_t n);

#endif
