#include "phi.h"

#include <stdlib.h>

#define TOKENS_MAX 16
#define TOKEN_BYTES_MAX 16
#define NUMBER_DIGITS 6         /* a medical record number, a date or a phone number has at least so many */

/* ---- words known, in order --------------------------------------------------------------------------------------- */

/* Given names that are common and mean nothing else: no colours, months, flowers, nor words of the spelling alphabet. */
static const char *const given[] = {
	"aaron", "abdul", "adam", "ahmed", "aisha", "alan", "albert", "alejandro", "alex", "alexander", "ali", "alice", "amanda",
	"amy", "ana", "andrea", "andreas", "andrew", "angela", "anita", "ann", "anna", "anne", "annie", "anthony", "antonio",
	"arthur", "ashley", "barbara", "beatrice", "benjamin", "bernd", "betty", "brandon", "brenda", "brian", "carla", "carlos",
	"carolyn", "catherine", "charles", "cheryl", "christina", "christine", "christopher", "claudia", "cynthia", "daniel",
	"david", "deborah", "debra", "dennis", "diana", "diane", "diego", "donald", "donna", "dorothy", "douglas", "edward",
	"elena", "elizabeth", "emily", "emma", "eric", "erika", "ethan", "eugene", "eva", "evelyn", "fatima", "fernando",
	"francisco", "frederick", "gabriel", "gary", "george", "gerald", "gloria", "gregory", "hannah", "hans", "harold", 
	"heinz", "helen", "helga", "henry", "ibrahim", "ingrid", "isabel", "isabella", "ivan", "jacob", "jacqueline", "james",
	"jane", "janet", "janice", "jason", "javier", "jeffrey", "jennifer", "jeremy", "jessica", "joan", "johann", "john",
	"johnny", "jonathan", "jorge", "jose", "joseph", "joshua", "joyce", "juan", "judith", "judy", "julia", "julie", "justin",
	"karen", "karin", "karl", "katherine", "kathleen", "katrin", "keith", "kelly", "kenneth", "kevin", "kimberly", "klaus",
	"kyle", "larry", "laura", "lauren", "lawrence", "linda", "lisa", "louis", "lucas", "luis", "manuel", "margaret", "maria",
	"marie", "marilyn", "marta", "martha", "mary", "matthew", "megan", "melissa", "michael", "michelle", "miguel", "mohamed",
	"mohammed", "monica", "monika", "muhammad", "nancy", "natalie", "nathan", "nicholas", "nicole", "noah", "olga", "olivia",
	"omar", "pablo", "pamela", "patricia", "patrick", "paul", "paula", "pedro", "peter", "petra", "philip", "pierre", "rachel",
	"ralph", "raymond", "rebecca", "ricardo", "richard", "robert", "roberto", "roger", "ronald", "russell", "ruth", "ryan",
	"sabine", "samantha", "samuel", "sandra", "sarah", "scott", "sean", "sergio", "sharon", "shirley", "sofia", "sophia",
	"sophie", "stefan", "stephanie", "stephen", "steven", "susan", "susanne", "teresa", "theresa", "thomas", "timothy",
	"tyler", "ursula", "vanessa", "veronica", "walter", "werner", "william", "wolfgang", "yusuf",
	"zachary",
};

static const char *const family[] = {
	"adams", "allen", "alvarez", "anderson", "bauer", "becker", "bennett", "campbell", "castillo", "chavez", "clark",
	"collins", "davies", "davis", "diaz", "doe", "edwards", "evans", "fernandez", "fischer", "flores", "garcia", "gomez",
	"gonzalez", "gutierrez", "hansen", "harris", "hernandez", "hoffmann", "hughes", "jackson", "jensen", "jimenez", "johnson",
	"jones", "keller", "klein", "kowalski", "kumar", "lewis", "lopez", "maier", "martin", "martinez", "mendoza", "meyer",
	"miller", "mitchell", "morales", "moreno", "morgan", "morris", "mueller", "muller", "murphy", "nelson", "nguyen", "novak",
	"ortiz", "patel", "perez", "peterson", "phillips", "popescu", "ramirez", "reyes", "richardson", "rivera", "roberts",
	"robinson", "rodriguez", "rogers", "romero", "ruiz", "sanchez", "sanders", "schmidt", "schneider", "schulz", "singh",
	"smith", "stewart", "sullivan", "taylor", "thompson", "torres", "vargas", "wagner", "watson", "weber", "williams",
	"wilson", "zimmermann",
};

/* What stands beside a name when it is that of a place or a thing; and whoever is called by an office. */
static const char *const things[] = {
	"alarm", "alert", "area", "bay", "bed", "bell", "block", "building", "call", "campus", "care", "cart", "center", "centre",
	"channel", "chapel", "charge", "children", "city", "clinic", "code", "county", "court", "dame", "day", "department",
	"dept", "desk", "device", "disease", "doctor", "door", "east", "ed", "emergency", "er", "floor", "foundation", "gate",
	"gateway", "general", "group", "hall", "head", "health", "home", "hospital", "house", "icu", "institute", "king", "klinik",
	"lab", "lady", "lower", "med", "medical", "memorial", "monitor", "news", "night", "north", "nurse", "nurses", "office", "on",
	"pavilion", "pharmacy", "physician", "port", "post", "prince", "princess", "protocol", "pump", "queen", "room", "saint",
	"san", "sankt", "santa", "santo", "score", "service", "shift", "side", "sister", "south", "st", "staff", "station",
	"street", "surgery", "surgical", "syndrome", "tablet", "team", "test", "tower", "unit", "upper", "ward", "west", "wing",
};

static const char *const months[] = {
	"apr", "april", "aug", "august", "dec", "december", "feb", "february", "jan", "january", "jul", "july", "jun", "june",
	"mar", "march", "may", "nov", "november", "oct", "october", "sep", "sept", "september",
};

/* What numbers of persons are called, with the digits from which one is believed. */
static const struct { const char *word; size_t digits; } kinds[] = {
	{ "chart", 4 }, { "dob", 1 }, { "fax", 4 }, { "medrec", 1 }, { "mrn", 1 }, { "nhs", 4 },
	{ "patient", 4 }, { "phone", 4 }, { "ssn", 1 }, { "tel", 4 },
};

static int by_text(const void *a, const void *b)
{
	return strcmp(a, *(const char *const *)b);
}

#define IS_IN(list, text) (bsearch(text, list, countof(list), sizeof(*list), by_text) != NULL)

/* ---- a word in parts ---------------------------------------------------------------------------------------------- */

struct token {
	char text[TOKEN_BYTES_MAX + 1]; /* small letters, or digits; "": too long to be one of our words */
	size_t n;
	bool digits;
	char before;                /* the sign before it; 0: none */
};

struct tokens {
	struct token at[TOKENS_MAX];
	size_t n;
};

static bool is_digit(uint8_t c) { return c >= '0' && c <= '9'; }
static bool is_upper(uint8_t c) { return c >= 'A' && c <= 'Z'; }
static bool is_lower(uint8_t c) { return c >= 'a' && c <= 'z'; }
static bool is_sign(uint8_t c) { return !is_digit(c) && !is_upper(c) && !is_lower(c); }

static bool begins_token(struct span w, size_t i)
{
	return i == 0 || is_sign(w.p[i - 1]) || is_digit(w.p[i]) != is_digit(w.p[i - 1]) || (is_upper(w.p[i]) && is_lower(w.p[i - 1]));
}

static void token_add(struct token *t, uint8_t c)
{
	if (t->n < TOKEN_BYTES_MAX)
		t->text[t->n] = (char)(is_upper(c) ? c - 'A' + 'a' : c);
	else
		t->text[0] = '\0';
	t->n++;
}

static struct tokens cut(struct span w)
{
	struct tokens t = { .n = 0 };

	for (size_t i = 0; i < w.n; i++) {
		if (is_sign(w.p[i]))
			continue;
		if (begins_token(w, i)) {
			if (t.n == TOKENS_MAX)
				break;
			t.at[t.n++] = (struct token){ .digits = is_digit(w.p[i]), .before = i && is_sign(w.p[i - 1]) ? (char)w.p[i - 1] : '\0' };
		}
		token_add(&t.at[t.n - 1], w.p[i]);
	}
	return t;
}

/* ---- numbers ------------------------------------------------------------------------------------------------------ */

/* 8-4-4-4-12 (RFC 9562 §4): random, so nobody's. */
static bool is_uuid(struct span w)
{
	for (size_t i = 0; i < w.n; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23, hex = is_digit(w.p[i]) || (w.p[i] | 32) - 'a' + 0u < 6;

		if (dash ? w.p[i] != '-' : !hex)
			return false;
	}
	return w.n == 36;
}

static bool is_ipv4(const struct tokens *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (!t->at[i].digits || t->at[i].n > 3 || (t->at[i].n == 3 && strcmp(t->at[i].text, "255") > 0) || (i && t->at[i].before != '.'))
			return false;
	return t->n == 4;
}

/* "mrn 4711": what it is stands before it, so few digits are enough. */
static bool says_number(const struct tokens *t)
{
	for (size_t i = 0; i + 1 < t->n; i++)
		for (size_t k = 0; k < countof(kinds); k++)
			if (t->at[i + 1].digits && t->at[i + 1].n >= kinds[k].digits && strcmp(t->at[i].text, kinds[k].word) == 0)
				return true;
	return false;
}

/* "12 jul 1954", "jul 12 1954": a day and a year beside a month's name. */
static bool says_date(const struct tokens *t)
{
	for (size_t i = 0; i + 2 < t->n; i++) {
		const struct token *a = &t->at[i], *month = a->digits ? a + 1 : a, *b = a->digits ? a : a + 1, *c = a + 2;

		if (!month->digits && b->digits && c->digits && b->n + c->n >= 5 && b->n + c->n <= 6 && IS_IN(months, month->text))
			return true;
	}
	return false;
}

/* "MRN0048213", "1954-07-12", "078_05_1120", "555.010.7788": digits, and at most one sign between them. Not "12:30:45". */
static bool has_digits(const struct tokens *t)
{
	size_t digits = 0;
	bool clock = true;

	for (size_t i = 0; i < t->n; i++) {
		if (!t->at[i].digits || (i && !t->at[i - 1].digits))
			digits = 0;
		if (digits == 0)
			clock = true;
		if (!t->at[i].digits)
			continue;
		clock &= t->at[i].n <= 2 && (digits == 0 || t->at[i].before == ':');
		digits += t->at[i].n;
		if (digits >= NUMBER_DIGITS && !clock)
			return true;
	}
	return false;
}

static bool is_number(struct span word, const struct tokens *t)
{
	return !is_uuid(word) && !is_ipv4(t) && (says_number(t) || says_date(t) || has_digits(t));
}

/* ---- names -------------------------------------------------------------------------------------------------------- */

/* "Smith.John", "Mary_Jones": words in capitals and small letters, parted by a sign. */
static size_t capitals(struct span w)
{
	size_t n = 0;

	for (size_t i = 0; i + 1 < w.n; i++)
		n += (i == 0 || is_sign(w.p[i - 1])) && is_upper(w.p[i]) && is_lower(w.p[i + 1]);
	return n;
}

static bool is_name(struct span word, const struct tokens *t)
{
	size_t words = 0, names = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct token *at = &t->at[i];

		if (!at->digits && IS_IN(things, at->text))
			return false;
		words += !at->digits;
		names += !at->digits && (IS_IN(given, at->text) || IS_IN(family, at->text));
	}
	return words > 1 && (names > 0 || capitals(word) > 1);
}

/* ---- the contract ------------------------------------------------------------------------------------------------- */

enum phi phi_word(struct span word)
{
	const struct tokens t = cut(word);

	return is_number(word, &t) ? PHI_NUMBER : is_name(word, &t) ? PHI_NAME : PHI_NONE;
}

enum phi phi_patient(struct span word)
{
	const struct tokens t = cut(word);
	enum phi found = phi_word(word);

	for (size_t i = 0; i < t.n && found == PHI_NONE && !is_uuid(word); i++)
		if (t.at[i].digits ? t.at[i].n >= 4 : IS_IN(given, t.at[i].text) || IS_IN(family, t.at[i].text))
			found = t.at[i].digits ? PHI_NUMBER : PHI_NAME;
	return found;
}
