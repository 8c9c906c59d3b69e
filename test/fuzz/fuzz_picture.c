/*
 * fuzz_picture.c - arbitrary bytes as the texts and numbers of every picture: what is drawn is well-formed XML, and without an
 * error of memory. The first byte says how many items there are, the next eight are a number; the rest is cut at zero bytes into texts.
 */
#include "fuzz.h"
#include "../unit/pictures.h"
#include "../unit/well_formed.h"

#define MOST_TEXTS 16

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	const char *text[MOST_TEXTS] = {""};
	double		number[4] = {0.5, 0.75, 1e9, NAN};
	sample		s = {.n_texts = 1,.text = text,.n_numbers = 4,.number = number};
	char	   *copy;

	if (size < 9)
		return 0;
	s.n = data[0] % 70 + 1;
	memcpy(&number[1], data + 1, 8);
	copy = malloc(size - 9 + 1);
	MUST(copy != NULL);
	memcpy(copy, data + 9, size - 9);
	copy[size - 9] = '\0';
	for (size_t at = 0; at < size - 9 && s.n_texts < MOST_TEXTS; at += strlen(copy + at) + 1)
		text[s.n_texts++] = copy + at;
	for (int kind = 0; kind < PICTURES; kind++)
		for (int form = 0; form < 2; form++)
		{
			xmc_markup	out;
			char	   *svg;
			size_t		length;
			xmc_status	status;

			xmc_markup_init(&out, &ctx, form);
			s.used = 0;
			status = sample_picture[kind] (&out, (xmc_picture_language) form, &s);
			MUST(status == XMC_OK || (status == XMC_LIMIT && s.n > 8));
			MUST(xmc_markup_end(&out, &svg, &length) == XMC_OK);
			MUST(status != XMC_OK || well_formed(svg, length));
			free(svg);
		}
	free(copy);
	return 0;
}
