/*
 * cmocka.h - cmocka's header, with the same names in cmocka 1 and 2. Programs of this folder find this file first.
 */
#ifndef TEST_CMOCKA_H
#define TEST_CMOCKA_H

#include_next <cmocka.h>

/* In cmocka 2 this is a macro; xmc_ctx has a member of that name. */
#undef stop

/* In cmocka 2 this is deprecated in favour of one macro for each kind of number. */
#ifdef assert_int_in_range
#undef assert_in_range
#define assert_in_range(value, minimum, maximum) assert_int_in_range(value, minimum, maximum)
#endif

#endif
