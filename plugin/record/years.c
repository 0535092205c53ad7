#include "years.h"

#include <time.h>

#define YEAR_MAX 4095

unsigned year_of(int64_t at_us)
{
	time_t at = (time_t)(at_us / 1000000);
	struct tm tm;
	int year = at_us > 0 && gmtime_r(&at, &tm) ? tm.tm_year + 1900 : 1970;

	return year > YEAR_MAX ? YEAR_MAX : (unsigned)year;
}

int64_t year_begin_us(unsigned year)
{
	struct tm tm = { .tm_year = (int)year - 1900, .tm_mday = 1 };

	return (int64_t)timegm(&tm) * 1000000;
}

/* Apart from what the key is committed with, and from another use of it. */
static void patients_add(struct patients *p, const struct segment_key *k, struct span use)
{
	uint8_t key[SHA256_BYTES];

	HMAC256(key, span(k->b, sizeof(k->b)), use);
	patients_then(p, key);
	crypt_wipe(key, sizeof(key));
}

static void patients_of(const struct segment_key *k, const struct patients *root, struct patients *out)
{
	*out = *root;
	patients_add(out, k, SPAN_LIT("record patients v2"));
}

static void patients_of_before(const struct segment_key *k, struct patients *out)
{
	*out = (struct patients){ .keys = 0 };
	patients_add(out, k, SPAN_LIT("record patients v1"));
}

static enum err read_key(const struct trail *t, const struct vault *v, struct span origin, const struct year_row *row,
			 struct segment_key *out)
{
	return trail_get_key(t, v, origin, row->segment, (uint16_t)(KEEP_PSEUDONYMS | row->year), out);
}

enum err years_resume(struct years *y, struct txn *view)
{
	y->year = 0;
	return view_years(view, y->row, &y->n);
}

static enum err make(struct years *y, struct pens *p, const struct ink *ink, unsigned year, struct segment_key *out)
{
	struct year_row *row = &y->row[y->n];

	TRY(pens_make_key(p, ink, (uint16_t)(KEEP_PSEUDONYMS | year), out, &row->segment));
	row->year = (uint16_t)year;
	y->n++;
	return trail_put_years(ink->trail, y->row, y->n);
}

/* A clock that is set to and fro must not fill the list: past it the newest key there is does for every year. */
static enum err find_or_make(struct years *y, struct pens *p, const struct ink *ink, unsigned year, struct segment_key *out)
{
	for (size_t i = y->n; i > 0; i--)
		if ((y->row[i - 1].year == year || y->n == YEARS_MAX) &&
		    read_key(ink->trail, ink->vault, ink->origin, &y->row[i - 1], out) == OK)
			return OK;
	if (y->n == YEARS_MAX)          /* and none can be read: the oldest finds nobody */
		memmove(y->row, y->row + 1, --y->n * sizeof(*y->row));
	return make(y, p, ink, year, out);
}

enum err years_key(struct years *y, struct pens *p, const struct ink *ink, int64_t at_us, const struct patients **out)
{
	const unsigned year = year_of(at_us);
	struct segment_key key;

	*out = &y->patients;
	if (y->year == year)
		return OK;
	TRY(find_or_make(y, p, ink, year, &key));
	patients_of(&key, &y->root, &y->patients);
	crypt_wipe(&key, sizeof(key));
	y->year = year;
	return OK;
}

enum err years_all(struct trail *t, const struct vault *v, struct span origin, const uint8_t root[AEAD_KEY_BYTES],
		   struct patients out[YEARS_KEYS_MAX], size_t *n)
{
	CLEANUP(txn_abort) struct txn *view = NULL;
	struct year_row row[YEARS_MAX];
	struct segment_key key;
	size_t rows;

	patients_init(&out[0], root);
	*n = 1;
	TRY(trail_view(t, &view));
	TRY(view_years(view, row, &rows));
	for (size_t i = 0; i < rows; i++) {
		if (read_key(t, v, origin, &row[i], &key) != OK)
			continue;
		patients_of_before(&key, &out[(*n)++]);
		patients_of(&key, &out[0], &out[(*n)++]);
	}
	crypt_wipe(&key, sizeof(key));
	return OK;
}
