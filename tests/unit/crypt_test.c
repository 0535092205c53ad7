/* crypt: the published vectors, and what attackers send instead. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crypt.h"
#include "seed.h"

static size_t unhex(const char *text, uint8_t *out, size_t cap)
{
	assert_true(hex_decode(span_str(text), out, cap));
	return strlen(text) / 2;
}

static void assert_hex(const uint8_t *have, size_t n, const char *want)
{
	char text[1024];

	assert_true(n < sizeof(text) / 2);
	hex_encode(span(have, n), text);
	assert_string_equal(text, want);
}

/* FIPS 180-4's examples, and a million 'a'. */
static void sha256_gives_the_published_digests(void **state)
{
	static const struct { const char *text, *digest; } row[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	uint8_t digest[SHA256_BYTES], *many = malloc(1000000);

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		SHA256(digest, span_str(row[i].text));
		assert_hex(digest, sizeof(digest), row[i].digest);
	}
	assert_non_null(many);
	memset(many, 'a', 1000000);
	SHA256(digest, span(many, 1000000));
	assert_hex(digest, sizeof(digest), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(many);
}

static void sha256_of_pieces_is_that_of_the_whole(void **state)
{
	uint8_t text[200], whole[SHA256_BYTES], pieces[SHA256_BYTES];

	(void)state;
	for (int i = 0; i < 200; i++) {
		size_t a = seed_below(100), b = seed_below(100);

		seed_bytes(text, sizeof(text));
		SHA256(whole, span(text, a + b));
		SHA256(pieces, span(text, a), span(NULL, 0), span(text + a, b));
		assert_memory_equal(whole, pieces, sizeof(whole));
	}
}

/* RFC 4231, cases 1-4; the others have keys longer than the 64 bytes ours takes, or cut tags. */
static void hmac_gives_the_tags_of_rfc_4231(void **state)
{
	static const struct { const char *key, *text, *tag; } row[] = {
		{ "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
		  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
		{ "4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
		  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		  "dddddddddddddddddddddddddddddddddddddddddddddddddd"
		  "dddddddddddddddddddddddddddddddddddddddddddddddddd",
		  "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
		{ "0102030405060708090a0b0c0d0e0f10111213141516171819",
		  "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"
		  "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
		  "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
	};
	uint8_t key[64], text[64], tag[SHA256_BYTES];
	struct hmac_key ready;

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		size_t k = unhex(row[i].key, key, sizeof(key)), n = unhex(row[i].text, text, sizeof(text));

		HMAC256(tag, span(key, k), span(text, n));
		assert_hex(tag, sizeof(tag), row[i].tag);
		HMAC256(tag, span(key, k), span(text, n / 2), span(text + n / 2, n - n / 2));
		assert_hex(tag, sizeof(tag), row[i].tag);
		hmac_key_init(&ready, span(key, k));
		for (unsigned again = 0; again < 2; again++) {
			HMAC256_BY(tag, &ready, span(text, n));
			assert_hex(tag, sizeof(tag), row[i].tag);
		}
	}
}

/* McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13-16 (NIST's own for 256-bit keys). */
static void aes_gcm_gives_the_published_ciphertexts(void **state)
{
	static const struct { const char *key, *nonce, *aad, *text, *sealed; } row[] = {
		{ "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "",
		  "", "530f8afbc74536b9a963b4f1c4cb738b" },
		{ "0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "",
		  "00000000000000000000000000000000",
		  "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919" },
		{ "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "",
		  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
		  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
		  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
		  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
		  "b094dac5d93471bdec1a502270e3cc6c" },
		{ "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
		  "feedfacedeadbeeffeedfacedeadbeefabaddad2",
		  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
		  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
		  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
		  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
		  "76fc6ece0f4e1768cddf8853bb2d551b" },
	};
	uint8_t key[32], nonce[12], aad[32], text[64], out[80], back[64];

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		size_t a, n = unhex(row[i].text, text, sizeof(text));

		unhex(row[i].key, key, sizeof(key));
		unhex(row[i].nonce, nonce, sizeof(nonce));
		a = unhex(row[i].aad, aad, sizeof(aad));
		assert_int_equal(aead_seal(key, nonce, span(aad, a), span(text, n), out), OK);
		assert_hex(out, n + AEAD_TAG_BYTES, row[i].sealed);
		assert_int_equal(aead_open(key, nonce, span(aad, a), span(out, n + AEAD_TAG_BYTES), back), OK);
		assert_memory_equal(back, text, n);
	}
}

static void a_changed_bit_does_not_open(void **state)
{
	uint8_t key[32], nonce[12], aad[8], text[40], out[56], back[40], zero[40] = { 0 };

	(void)state;
	for (int i = 0; i < 300; i++) {
		seed_bytes(key, sizeof(key));
		seed_bytes(nonce, sizeof(nonce));
		seed_bytes(aad, sizeof(aad));
		seed_bytes(text, sizeof(text));
		assert_int_equal(aead_seal(key, nonce, span(aad, 8), span(text, 40), out), OK);
		switch (seed_below(4)) {
		case 0: out[seed_below(56)] ^= (uint8_t)(1u << seed_below(8)); break;
		case 1: aad[seed_below(8)] ^= (uint8_t)(1u << seed_below(8)); break;
		case 2: key[seed_below(32)] ^= (uint8_t)(1u << seed_below(8)); break;
		default: nonce[seed_below(12)] ^= (uint8_t)(1u << seed_below(8)); break;
		}
		assert_int_equal(aead_open(key, nonce, span(aad, 8), span(out, 56), back), ERR_KEY);
		assert_memory_equal(back, zero, sizeof(back));   /* nothing unproved is left behind */
	}
}

static void what_is_shorter_than_a_tag_does_not_open(void **state)
{
	uint8_t key[32] = { 0 }, nonce[12] = { 0 }, text[16] = { 0 }, back[1];

	(void)state;
	for (size_t n = 0; n < AEAD_TAG_BYTES; n++)
		assert_int_equal(aead_open(key, nonce, span(NULL, 0), span(text, n), back), ERR_SHORT);
}

/* RFC 8032 §7.1, tests 1-3. */
static void ed25519_gives_the_signatures_of_rfc_8032(void **state)
{
	static const struct { const char *secret, *pub, *text, *sig; } row[] = {
		{ "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
		  "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
		  "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
		  "d25bf5f0595bbe24655141438e7a100b" },
		{ "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
		  "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
		  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
		  "387b2eaeb4302aeeb00d291612bb0c00" },
		{ "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
		  "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
		  "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
		  "4a7c15e9716ed28dc027beceea1ec40a" },
	};
	uint8_t secret[32], pub[32], text[8], sig[64];

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		size_t n = unhex(row[i].text, text, sizeof(text));

		unhex(row[i].secret, secret, sizeof(secret));
		assert_int_equal(sign_public(secret, pub), OK);
		assert_hex(pub, sizeof(pub), row[i].pub);
		assert_int_equal(sign_make(secret, span(text, n), sig), OK);
		assert_hex(sig, sizeof(sig), row[i].sig);
		assert_int_equal(sign_check(pub, span(text, n), sig), OK);
	}
}

/* RFC 8032 §5.1.7: S must be below the order of the group, else everybody can make a second signature. */
static void another_signature_of_the_same_is_refused(void **state)
{
	static const char order[] = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
	uint8_t secret[32] = { 7 }, pub[32], sig[64], l[32];
	unsigned carry = 0;

	(void)state;
	unhex(order, l, sizeof(l));
	assert_int_equal(sign_public(secret, pub), OK);
	assert_int_equal(sign_make(secret, SPAN_LIT("call"), sig), OK);
	for (int i = 0; i < 32; i++) {
		carry += (unsigned)sig[32 + i] + l[i];
		sig[32 + i] = (uint8_t)carry;
		carry >>= 8;
	}
	assert_int_equal(sign_check(pub, SPAN_LIT("call"), sig), ERR_KEY);
}

static void a_changed_text_key_or_signature_is_refused(void **state)
{
	uint8_t secret[32], pub[32], text[20], sig[64];

	(void)state;
	for (int i = 0; i < 50; i++) {
		seed_bytes(secret, sizeof(secret));
		seed_bytes(text, sizeof(text));
		assert_int_equal(sign_public(secret, pub), OK);
		assert_int_equal(sign_make(secret, span(text, 20), sig), OK);
		assert_int_equal(sign_check(pub, span(text, 19), sig), ERR_KEY);
		text[seed_below(20)] ^= 1;
		assert_int_equal(sign_check(pub, span(text, 20), sig), ERR_KEY);
		sig[seed_below(64)] ^= 1;
		assert_int_not_equal(sign_check(pub, span(text, 20), sig), OK);
		pub[seed_below(32)] ^= 1;
		assert_int_not_equal(sign_check(pub, span(text, 20), sig), OK);
	}
}

/* RFC 4648 §10. */
static void base64_gives_the_texts_of_rfc_4648(void **state)
{
	static const struct { const char *plain, *text; } row[] = {
		{ "", "" },         { "f", "Zg==" },        { "fo", "Zm8=" },        { "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
	};
	char text[16];
	uint8_t back[16];

	(void)state;
	for (size_t i = 0; i < countof(row); i++) {
		base64_encode(span_str(row[i].plain), text);
		assert_string_equal(text, row[i].text);
		assert_int_equal(base64_decode(span_str(text), back, sizeof(back)), strlen(row[i].plain));
		assert_memory_equal(back, row[i].plain, strlen(row[i].plain));
	}
}

static void base64_has_one_text_for_each_value(void **state)
{
	static const char *const bad[] = {
		"Z", "Zg", "Zg=", "Zg===", "=", "==", "===", "====", "Zm9v====", "Zg==Zg==", "Zm9v\n", "\nZm9v", " Zm9",
		"Zm9 ", "Zm-v", "Zm_v", "Zm9v!Zg=", "Zh==", "Zm9=", "Z=g=", "=Zg=", "Z===", "Zm9vYg==\n\n\n\n",
		"Zm9vYg= =", "\xc3\xa4\xc3\xa4",
	};
	uint8_t back[64];

	(void)state;
	for (size_t i = 0; i < countof(bad); i++)
		assert_int_equal(base64_decode(span_str(bad[i]), back, sizeof(back)), -1);
	assert_int_equal(base64_decode(span("Zm9\0", 4), back, sizeof(back)), -1);
	assert_int_equal(base64_decode(SPAN_LIT("Zm9v"), back, 2), -1);
	assert_int_equal(base64_decode(SPAN_LIT("Zg=="), back, 1), 1);
}

static void base64_comes_back_as_it_went(void **state)
{
	uint8_t plain[100], back[100];
	char text[140];

	(void)state;
	for (int i = 0; i < 500; i++) {
		size_t n = seed_below(sizeof(plain) + 1);

		seed_bytes(plain, n);
		base64_encode(span(plain, n), text);
		assert_int_equal(strlen(text), (n + 2) / 3 * 4);
		assert_int_equal(base64_decode(span_str(text), back, n), n);
		assert_memory_equal(back, plain, n);
	}
}

static void same_looks_at_every_byte(void **state)
{
	uint8_t a[33] = { 0 }, b[33] = { 0 };

	(void)state;
	assert_true(crypt_same(a, b, sizeof(a)));
	for (size_t i = 0; i < sizeof(a); i++) {
		b[i] = 0x80;
		assert_false(crypt_same(a, b, sizeof(a)));
		b[i] = 0;
	}
	memset(b, 0xff, sizeof(b));
	crypt_wipe(b, sizeof(b));
	assert_memory_equal(a, b, sizeof(a));
}

static void *digest_many(void *wrong)
{
	uint8_t want[SHA256_BYTES], have[SHA256_BYTES];

	SHA256(want, SPAN_LIT("abc"));
	for (int i = 0; i < 2000; i++) {
		SHA256(have, SPAN_LIT("abc"));
		*(bool *)wrong |= memcmp(want, have, sizeof(want)) != 0;
	}
	return NULL;
}

static void threads_do_not_disturb_each_other(void **state)
{
	pthread_t t[4];
	bool wrong[4] = { false };

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, digest_many, &wrong[i]), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(t[i], NULL), 0);
		assert_false(wrong[i]);
	}
}

static int by_bytes(const void *a, const void *b) { return memcmp(a, b, AEAD_NONCE_BYTES); }

static void no_nonce_comes_twice(void **state)
{
	static uint8_t nonce[10000][AEAD_NONCE_BYTES];

	(void)state;
	for (size_t i = 0; i < countof(nonce); i++)
		crypt_random(nonce[i], AEAD_NONCE_BYTES);
	qsort(nonce, countof(nonce), AEAD_NONCE_BYTES, by_bytes);
	for (size_t i = 1; i < countof(nonce); i++)
		assert_memory_not_equal(nonce[i - 1], nonce[i], AEAD_NONCE_BYTES);
}

static void a_fork_and_its_parent_get_others(void **state)
{
	uint8_t ours[AEAD_NONCE_BYTES], its[AEAD_NONCE_BYTES];
	int to_us[2], status;
	pid_t child;

	(void)state;
	crypt_random(ours, sizeof(ours));   /* so that some are in stock */
	assert_int_equal(pipe(to_us), 0);
	child = fork();
	if (child == 0) {
		crypt_random(its, sizeof(its));
		_exit(write(to_us[1], its, sizeof(its)) != (ssize_t)sizeof(its));
	}
	crypt_random(ours, sizeof(ours));
	assert_int_equal(read(to_us[0], its, sizeof(its)), sizeof(its));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_memory_not_equal(ours, its, sizeof(its));
	close(to_us[0]);
	close(to_us[1]);
}

static int set_up(void **state)
{
	(void)state;
	return crypt_init() == OK && crypt_init() == OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_gives_the_published_digests),
		cmocka_unit_test(sha256_of_pieces_is_that_of_the_whole),
		cmocka_unit_test(hmac_gives_the_tags_of_rfc_4231),
		cmocka_unit_test(aes_gcm_gives_the_published_ciphertexts),
		cmocka_unit_test(a_changed_bit_does_not_open),
		cmocka_unit_test(what_is_shorter_than_a_tag_does_not_open),
		cmocka_unit_test(ed25519_gives_the_signatures_of_rfc_8032),
		cmocka_unit_test(another_signature_of_the_same_is_refused),
		cmocka_unit_test(a_changed_text_key_or_signature_is_refused),
		cmocka_unit_test(base64_gives_the_texts_of_rfc_4648),
		cmocka_unit_test(base64_has_one_text_for_each_value),
		cmocka_unit_test(base64_comes_back_as_it_went),
		cmocka_unit_test(same_looks_at_every_byte),
		cmocka_unit_test(threads_do_not_disturb_each_other),
		cmocka_unit_test(no_nonce_comes_twice),
		cmocka_unit_test(a_fork_and_its_parent_get_others),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, NULL);
}
