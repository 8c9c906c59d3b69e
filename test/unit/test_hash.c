/* test_hash.c - the hash of bytes and the checksum of a stream of hash.c */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "xmcoh/hash.h"

/* Stored models and held-out documents depend on these values. */
static void
test_hash_never_changes(void **state)
{
	(void) state;
	assert_true(xmc_hash_bytes("", 0, 0) == UINT64_C(0xc3817c016ba4ff30));
	assert_true(xmc_hash_bytes("close the valve", 15, 0) == UINT64_C(0x8d561137e1a93158));
	assert_true(xmc_hash_bytes("close the valve", 15, 1) != UINT64_C(0x8d561137e1a93158));
	assert_true(xmc_hash_bytes("close the valvf", 15, 0) != UINT64_C(0x8d561137e1a93158));
}

/* The checksum does not depend on how the stream is cut. Every changed bit, and a zero byte more, changes the checksum. */
static void
test_checksum(void **state)
{
	unsigned char bytes[100];
	xmc_checksum whole = {0};
	xmc_checksum other = {0};

	(void) state;
	for (int k = 0; k < 100; k++)
		bytes[k] = (unsigned char) (k * 37);
	xmc_checksum_add(&whole, bytes, 100);
	for (int cut = 0; cut <= 100; cut++)
	{
		xmc_checksum parts = {0};

		xmc_checksum_add(&parts, bytes, (size_t) cut / 2);
		xmc_checksum_add(&parts, bytes + cut / 2, (size_t) (cut - cut / 2));
		xmc_checksum_add(&parts, bytes + cut, (size_t) (100 - cut));
		assert_true(xmc_checksum_end(&parts) == xmc_checksum_end(&whole));
	}
	for (int k = 0; k < 800; k++)
	{
		other = (xmc_checksum){0};
		bytes[k / 8] ^= (unsigned char) (1 << k % 8);
		xmc_checksum_add(&other, bytes, 100);
		bytes[k / 8] ^= (unsigned char) (1 << k % 8);
		assert_true(xmc_checksum_end(&other) != xmc_checksum_end(&whole));
	}
	other = (xmc_checksum){0};
	xmc_checksum_add(&other, "\0", 1);
	assert_true(xmc_checksum_end(&other) != xmc_checksum_end(&(xmc_checksum) {0}));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hash_never_changes),
		cmocka_unit_test(test_checksum),
	};

	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
