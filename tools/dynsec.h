/* dynsec: the file of Mosquitto's dynamic-security plugin as the plugin understands it (2.0.11): roles with their access
 * lists in the order they are asked, clients with their roles in the order they are asked (a stack: own roles by
 * priority, then those of groups, groups by priority). Entries that cannot mean anything in the tenant are left out and
 * noted. */
#ifndef PULLCORD_DYNSEC_H
#define PULLCORD_DYNSEC_H

#include "import.h"
#include "value.h"
#include "words.h"

enum dynsec_list { LIST_SEND, LIST_RECEIVE, LIST_SUBSCRIBE, LISTS };

struct dynsec_entry {
	uint32_t line, order;       /* order: in the file */
	int priority;
	enum dynsec_list list;
	bool allow, literal;
	bool needed;                /* of a deny: it would be missed */
	bool split;                 /* of an allow in LIST_SUBSCRIBE: wider than what some holder may receive */
	bool said;                  /* its loss was noted */
	struct topic topic;         /* of `text` */
	char text[FIT_TEXT_MAX];    /* as pattern of ours */
};

struct dynsec_role {
	struct span name;           /* there */
	char word[WORD_BYTES_MAX + 1];          /* here */
	uint32_t line;
	struct dynsec_entry *list[LISTS];       /* as they are asked; literals first */
	size_t n[LISTS];
	uint32_t seen;              /* while stacks are made: by which holder */
	bool held;
};

/* Roles by number, each once. */
struct dynsec_stack {
	const uint32_t *role;
	size_t n;
	bool too_many;              /* more than IMPORT_ROLES_MAX; cut */
	bool same;                  /* as another stack */
};

struct dynsec_client {
	struct span name;
	uint32_t line;
	bool disabled, password;
	uint32_t seen;              /* while groups are read: by which one */
	struct span client_id;      /* empty: any */
	struct dynsec_stack stack;
};

struct dynsec {
	struct value *json;
	struct words role_names, client_names, group_names;
	struct dynsec_role *role;       /* from 1, as in role_names */
	struct dynsec_client *client;   /* from 1 */
	const struct value **group;      /* from 1 */
	struct dynsec_entry *entry;
	size_t roles, clients, groups, entries;
	bool otherwise[LISTS];          /* what is decided when nothing matches */
	uint32_t otherwise_line;
	uint32_t *member;               /* the stacks' roles */
	size_t members;
	struct dynsec_place *place;     /* roles of one holder, while they are sorted */
	struct dynsec_place *joined;    /* all memberships in groups, by client */
	size_t joins;
	uint32_t holders;
};

/* `d` is all zero. ERR_SYNTAX with *where; ERR_FULL. */
enum err dynsec_read(struct dynsec *d, struct import *im, struct span text, struct policy_error *where) MUST_USE;
void dynsec_close(struct dynsec *d);

#endif
