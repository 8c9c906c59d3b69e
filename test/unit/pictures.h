/*
 * pictures.h - each of the seven pictures, drawn from texts and numbers that a test gives, for the test and the fuzzer.
 */
#ifndef PICTURES_H
#define PICTURES_H

#include <math.h>
#include <stdlib.h>

#include "xmcoh/picture.h"

#define PICTURES 7

/* What a picture is drawn from: numbers and texts, which are taken in turn. */
typedef struct sample
{
	int32_t		n;				/* items or points */
	int			n_texts;
	const char *const *text;	/* (n_texts) */
	int			n_numbers;
	const double *number;		/* (n_numbers) any */
	int			used;			/* of the numbers */
} sample;

static double
next_number(sample *s)
{
	return s->number[s->used++ % s->n_numbers];
}

static const char *
text_at(const sample *s, int k)
{
	return s->text[k % s->n_texts];
}

static xmc_interval
next_interval(sample *s)
{
	xmc_interval interval = {next_number(s), next_number(s), next_number(s)};

	return interval;
}

static xmc_picture_item *
sample_items(const sample *s)
{
	xmc_picture_item *item = calloc((size_t) s->n + 1, sizeof *item);

	for (int32_t i = 0; i < s->n; i++)
		item[i] = (xmc_picture_item) {.place = text_at(s, i + 1),.text = text_at(s, i)};
	return item;
}

static xmc_status
sample_pairs(xmc_markup *out, xmc_picture_language language, sample *s)
{
	size_t		cells = (size_t) s->n * (size_t) s->n + 1;
	xmc_picture_item *item = sample_items(s);
	float	   *p = calloc(cells, sizeof *p);
	uint8_t    *flags = calloc(cells, 1);
	xmc_pairs_picture picture = {.document = text_at(s, 0),.n = s->n,.item = item,.p = p,.flags = flags};
	xmc_status	status;

	for (size_t k = 0; k < cells; k++)
	{
		double		number = next_number(s);

		p[k] = isnan(number) ? NAN : (float) (fabs(fmod(number, 1)) <= 1 ? fabs(fmod(number, 1)) : 0.5);
		flags[k] = (uint8_t) (s->used % 5 == 0 ? XMC_PAIR_DECIDED : s->used % 7 == 0 ? XMC_PAIR_VIOLATED : 0);
	}
	status = xmc_draw_pairs(out, language, &picture);
	free(item);
	free(p);
	free(flags);
	return status;
}

static xmc_status
sample_order(xmc_markup *out, xmc_picture_language language, sample *s)
{
	xmc_picture_item *item = sample_items(s);
	int32_t    *recovered = calloc((size_t) s->n + 1, sizeof *recovered);
	uint8_t    *moved = calloc((size_t) s->n + 1, 1);
	xmc_order_picture picture = {.document = text_at(s, 0),.n = s->n,.item = item,.stored = s->n - (s->n > 4),.recovered = recovered,
	.moved = moved};
	xmc_status	status;

	for (int32_t i = 0; i < s->n; i++)
	{
		recovered[i] = (i + 2) % s->n;
		moved[i] = i % 3 == 0;
	}
	status = xmc_draw_order(out, language, &picture);
	free(item);
	free(recovered);
	free(moved);
	return status;
}

static xmc_status
sample_alignment(xmc_markup *out, xmc_picture_language language, sample *s)
{
	xmc_picture_item *item = sample_items(s);
	xmc_picture_link *link = calloc((size_t) s->n + 1, sizeof *link);
	xmc_alignment_picture picture = {.document = text_at(s, 0),.n_texts = s->n,.text = item,.n_images = s->n,.image = item,.n_links = s->n,
	.link = link};
	xmc_status	status;

	for (int32_t i = 0; i < s->n; i++)
		link[i] = (xmc_picture_link) {i % 5 == 3 ? -1 : i, i % 5 == 4 ? -1 : s->n - 1 - i, next_number(s), i % 2};
	status = xmc_draw_alignment(out, language, &picture);
	free(item);
	free(link);
	return status;
}

static xmc_status
sample_reliability(xmc_markup *out, xmc_picture_language language, sample *s)
{
	xmc_reliability_point *point = calloc((size_t) s->n + 1, sizeof *point);
	xmc_reliability_picture picture = {.model = text_at(s, 0),.documents = s->n % 2,.n = s->n,.point = point};
	xmc_status	status;

	for (int32_t k = 0; k < s->n; k++)
		point[k] = (xmc_reliability_point) {next_number(s), next_interval(s), next_number(s)};
	status = xmc_draw_reliability(out, language, &picture);
	free(point);
	return status;
}

static xmc_status
sample_learning(xmc_markup *out, xmc_picture_language language, sample *s)
{
	xmc_learning_point *point = calloc((size_t) s->n + 1, sizeof *point);
	xmc_learning_picture picture = {.model = text_at(s, 0),.n = s->n,.point = point};
	xmc_status	status;

	for (int32_t k = 0; k < s->n; k++)
		point[k] = (xmc_learning_point) {next_number(s), next_interval(s), next_interval(s), k == s->n - 1};
	status = xmc_draw_learning(out, language, &picture);
	free(point);
	return status;
}

static xmc_status
sample_quality(xmc_markup *out, xmc_picture_language language, sample *s)
{
	xmc_quality_point *point = calloc((size_t) s->n + 1, sizeof *point);
	xmc_quality_picture picture = {.model = text_at(s, 0),.n = s->n,.point = point};
	xmc_status	status;

	for (int32_t k = 0; k < s->n; k++)
		point[k] = (xmc_quality_point) {k % 9 == 8 ? NULL : text_at(s, k), next_number(s), next_number(s), next_number(s), next_number(s)};
	status = xmc_draw_quality(out, language, &picture);
	free(point);
	return status;
}

static xmc_status
sample_rounds(xmc_markup *out, xmc_picture_language language, sample *s)
{
	xmc_round_point *point = calloc((size_t) s->n + 1, sizeof *point);
	xmc_rounds_picture picture = {.model = text_at(s, 0),.n = s->n,.point = point};
	xmc_status	status;

	for (int32_t k = 0; k < s->n; k++)
		point[k] = (xmc_round_point) {k + 1, k % 2, k % 3, {next_number(s), next_number(s)}, {next_number(s), next_number(s)},
			{next_number(s), next_number(s)}, {next_number(s), next_number(s)}};
	status = xmc_draw_rounds(out, language, &picture);
	free(point);
	return status;
}

static xmc_status (*const sample_picture[PICTURES]) (xmc_markup *out, xmc_picture_language language, sample *s) = {
	sample_pairs, sample_order, sample_alignment, sample_reliability, sample_learning, sample_quality, sample_rounds
};

#endif
