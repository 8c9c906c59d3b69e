/* test_choice.c - the epochs that documents choose, without those of the folds that are evaluated */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "train/choice.h"

#define DOCUMENTS 4
#define EPOCHS 3

/* Documents 0 and 1 are of a fold each, 2 and 3 of the third. */
static int32_t fold[DOCUMENTS] = {0, 1, 2, 2};
static const double losses[EPOCHS][DOCUMENTS] = {{1, 2, 3, 3}, {4, 1, 2, 3}, {0, 4, 2, 2}};

static void
set_up(xmc_trainer *t, float *loss)
{
	*t = (xmc_trainer) {.best_epoch = {[XMC_TERM_SPARSE] = 3,[XMC_TERM_TEXT_NETWORK] = 7}};
	t->choice[XMC_TERM_SPARSE] = (xmc_choice) {.most = EPOCHS,.n = DOCUMENTS,.fold = fold,.loss = loss};
	for (int epoch = 1; epoch <= EPOCHS; epoch++)
		xmc_train_note_losses(t, XMC_TERM_SPARSE, epoch, losses[epoch - 1]);
}

static int32_t
chosen(const xmc_trainer *t, int32_t j, int32_t k)
{
	int32_t		epochs[XMC_TERMS];

	xmc_train_choose_without(t, j, k, epochs);
	assert_int_equal(epochs[XMC_TERM_TEXT_NETWORK], t->best_epoch[XMC_TERM_TEXT_NETWORK]);	/* nobody has a part in its choice */
	return epochs[XMC_TERM_SPARSE];
}

static void
test_others_choose(void **state)
{
	xmc_trainer t;
	float		loss[EPOCHS * DOCUMENTS];

	(void) state;
	set_up(&t, loss);
	assert_int_equal(chosen(&t, 0, 0), 2);	/* 8, 6, 8 */
	assert_int_equal(chosen(&t, 1, 1), 3);	/* 7, 9, 4 */
	assert_int_equal(chosen(&t, 2, 2), 1);	/* 3, 5, 4 */
	assert_int_equal(chosen(&t, 0, 1), 3);	/* 6, 5, 4 */
	assert_int_equal(chosen(&t, 0, 2), 2);	/* 2, 1, 4 */
	t.choice[XMC_TERM_SPARSE].n = 2;
	assert_int_equal(chosen(&t, 0, 1), 3);	/* nobody is left */
}

/* The loop of early stopping ends before the last epoch; what was not noted is not chosen. */
static void
test_noted_alone(void **state)
{
	xmc_trainer t;
	float		loss[EPOCHS * DOCUMENTS] = {0};
	const double better[DOCUMENTS] = {0};

	(void) state;
	t = (xmc_trainer) {.best_epoch = {[XMC_TERM_SPARSE] = 1}};
	t.choice[XMC_TERM_SPARSE] = (xmc_choice) {.most = EPOCHS,.n = DOCUMENTS,.fold = fold,.loss = loss};
	xmc_train_note_losses(&t, XMC_TERM_SPARSE, 1, losses[0]);
	xmc_train_note_losses(&t, XMC_TERM_SPARSE, EPOCHS + 1, better);	/* there is no room for it */
	assert_int_equal(chosen(&t, 0, 0), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_others_choose),
		cmocka_unit_test(test_noted_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
