/*
 * options.c - the table of all options of models and training, and reading, writing and checking options by that table; see
 * options.h. A new option is one member of xmc_options and one row here.
 */
#include "xmcoh/options.h"

#include "base/utf8.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define INTEGER(name) #name, offsetof(xmc_options, name), true, false
#define LATER_INTEGER(name) #name, offsetof(xmc_options, name), true, true
#define REAL(name) #name, offsetof(xmc_options, name), false, false
#define LATER_REAL(name) #name, offsetof(xmc_options, name), false, true

static const xmc_option_info table[] = {
	/* name, offset, is_integer, is_later, is_input, default, low, high, meaning */
	{INTEGER(image_dim), true, 0, 0, 16384, "length of the image embedding, numbers; 0: no images"},
	{INTEGER(text_dim), true, 0, 0, 16384, "length of the supplied text embedding, numbers; 0: none"},
	{INTEGER(words), true, 1, 0, 1, "1: raw text is read, 0: it is not"},

	{INTEGER(d_model), false, 64, 8, 2048, "width of the encoder, numbers per item; a multiple of heads"},
	{INTEGER(layers), false, 1, 1, 12, "Transformer layers of each modality's encoder"},
	{INTEGER(heads), false, 4, 1, 64, "attention heads of a layer; divides d_model"},
	{INTEGER(feed_forward), false, 128, 8, 8192, "width of a layer's inner feed-forward network, numbers"},
	{INTEGER(hash_bits), false, 18, 8, 24, "sparse text term: 2^hash_bits weights"},
	{INTEGER(bag_dim), false, 64, 0, 512, "width of the trained embedding bag, numbers; 0: no bag"},
	{INTEGER(bag_bits), false, 15, 8, 22, "trained embedding bag: 2^bag_bits rows"},
	{INTEGER(bag_documents), false, 2000, 0, 1000000000, "approved documents below which the embedding bag is left out"},
	{INTEGER(shared_space), false, 0, 0, 1,
		"1: text and image embeddings lie in one space, compared by their cosine; 0: two maps are learned"},
	{INTEGER(align_dim), false, 128, 8, 512, "width of the learned space in which texts and images are compared, numbers"},
	{INTEGER(align_memory), false, 16384, 0, 1000000,
		"anchors of the alignment, that is, rows with both a text and an image, at most; 0: none"},
	{INTEGER(bilinear_dim), false, 64, 0, 512,
		"width of the bilinear term, which reads text and image together, numbers; 0: no bilinear term"},

	{LATER_INTEGER(fine_tune), false, 0, 0, XMC_MAX_CHANGES,
		"layers of the text encoder, counted from the last, that training changes; 0: none"},
	{LATER_INTEGER(adapter_rank), false, 0, 0, 64,
		"rank of the adapters by which these layers are changed; 0: all their parameters learn"},
	{LATER_INTEGER(fine_tune_epochs), false, 3, 1, 100,
		"passes over the training documents in which layers of the text encoder learn, at most"},
	{LATER_REAL(fine_tune_rate), false, 0, 0, 1,
		"step size of AdamW for layers of the text encoder, at its peak; 0: 0.003 for adapters, 0.0001 where all parameters learn"},
	{LATER_REAL(fine_tune_decay), false, 1, 0.01, 1, "factor of fine_tune_rate from one layer of the text encoder to the layer before it"},
	{LATER_REAL(fine_tune_dropout), false, 0.1, 0, 0.9,
		"while the text encoder learns, instead of dropout: share dropped in its layers that learn and in the text network"},

	{INTEGER(epochs), false, 60, 1, 10000, "passes over the training documents, at most"},
	{INTEGER(patience), false, 8, 1, 10000, "epochs without a lower held-out loss before training ends"},
	{INTEGER(batch_documents), false, 16, 1, 1024,
		"documents per step of the optimizer; fewer where that would leave under 16 steps an epoch"},
	{INTEGER(seed), false, 1, 0, 2147483647, "seed of all random numbers: initial weights, shuffling, dropout, hold-out"},
	{REAL(dropout), false, 0.3, 0, 0.9,
		"share of encoder activations and of the bilinear term's inputs dropped in training"},
	{REAL(learning_rate), false, 0.0005, 1e-7, 1, "step size of AdamW for dense parameters, at its peak"},
	{REAL(weight_decay), false, 0.5, 0, 10, "decoupled weight decay of AdamW for dense parameters, per unit of step size"},
	{REAL(bag_learning_rate), false, 0.02, 0, 10, "step size of AdaGrad for the trained embedding bag"},
	{REAL(align_learning_rate), false, 0.001, 1e-7, 1, "step size of AdamW for the maps that align texts and images"},
	{REAL(bilinear_learning_rate), false, 0.001, 1e-7, 1, "step size of AdamW for the bilinear term"},
	{INTEGER(folds), false, 5, 0, XMC_MAX_FOLDS,
		"folds of cross-fitting, which is done when fewer than 150 documents (or groups) are held out; under 2: none"},
	{LATER_INTEGER(evaluation_documents), false, 600, 0, 1000000000,
		"approved documents up to which each is evaluated by models that learned nothing from its fold; 0: none are"},
	{INTEGER(rounds), false, 0, 0, 10,
		"rounds in which the modalities teach each other on documents without approved pairs, at most"},
	{INTEGER(pool_documents), false, 2000, 0, 1000000000,
		"documents without approved pairs that training reads, at most (a random sample if there are more); 0: none"},
	{REAL(precision), false, 0.9, 0.5, 1,
		"share of the selected weak pairs that must be right; also the probability from which a prediction is confident"},
	{REAL(unselected), false, 1, 0, 1,
		"weight of the weak pairs that are not selected, relative to the selected ones; 0: they are not trained on"},
	{LATER_INTEGER(challenge_documents), false, 12, 1, 1000000000,
		"documents that a challenge needs to tell whether a version is worse; of fewer it says that they are too few"},
	{LATER_INTEGER(on_doubt), false, 0, 0, 1, "where a challenge cannot tell; 0: the new version is deployed, 1: it is kept"},
	{REAL(challenge_margin), false, 0, 0, 1,
		"Kendall tau by which a version trained on_success => 'challenge' may lose against the deployed one"},
	{LATER_INTEGER(find_groups), false, 1, 0, 3,
		"1: documents that share an image embedding are one group; 2: those that share a text of at least 8 words, too; 3: near"
		" duplicates of both, too; 0: given groups alone"},
	{LATER_INTEGER(stale), false, 1, 0, 2,
		"decisions about documents that have changed since; 0: left out, 1: only pairs of items with unchanged texts, 2: used"},
	{REAL(held_out), false, 0.15, 0.01, 0.9, "share of approved documents, or of their groups, held out of training"},
};

#define N_OPTIONS ((int32_t) (sizeof table / sizeof table[0]))

const xmc_option_info *
xmc_option_table(int32_t *count)
{
	*count = N_OPTIONS;
	return table;
}

/* Precondition: an integer option gets a whole number within the range of int32_t. */
static void
store(xmc_options *options, const xmc_option_info *info, double value)
{
	char	   *place = (char *) options + info->offset;

	if (info->is_integer)
		*(int32_t *) (void *) place = (int32_t) value;
	else
		*(double *) (void *) place = value;
}

double
xmc_options_get(const xmc_options *options, const xmc_option_info *info)
{
	const char *place = (const char *) options + info->offset;

	if (info->is_integer)
		return *(const int32_t *) (const void *) place;
	return *(const double *) (const void *) place;
}

double
xmc_option_when_absent(const xmc_option_info *info)
{
	/* Their defaults were others when models began to hold them. */
	if (info->offset == offsetof(xmc_options, adapter_rank))
		return 8;
	return info->offset == offsetof(xmc_options, fine_tune_dropout) ? 0 : info->default_value;
}

void
xmc_options_default(xmc_options *options)
{
	*options = (xmc_options){0};
	for (int32_t k = 0; k < N_OPTIONS; k++)
		store(options, &table[k], table[k].default_value);
}

static xmc_status
check_value(xmc_ctx *ctx, const xmc_option_info *info, double value)
{
	if (!isfinite(value))
		return xmc_fail(ctx, XMC_BAD_INPUT, "option \"%s\" is not a finite number", info->name);
	if (value < info->low || value > info->high)
		return xmc_fail(ctx, XMC_BAD_INPUT, "option \"%s\" is %.15g, but must be from %.15g to %.15g (%s)", info->name,
						value, info->low, info->high, info->meaning);
	if (info->is_integer && value != floor(value))
		return xmc_fail(ctx, XMC_BAD_INPUT, "option \"%s\" is %.15g, but must be a whole number (%s)", info->name, value,
						info->meaning);
	return XMC_OK;
}

const xmc_option_info *
xmc_option_find(const char *name)
{
	for (int32_t k = 0; k < N_OPTIONS; k++)
		if (strcmp(table[k].name, name) == 0)
			return &table[k];
	return NULL;
}

const char *
xmc_option_names(char out[XMC_OPTION_NAMES])
{
	size_t		used = 0;

	out[0] = '\0';
	for (int32_t k = 0; k < N_OPTIONS; k++)
		if (!table[k].is_input && used < XMC_OPTION_NAMES)
			used += (size_t) snprintf(out + used, XMC_OPTION_NAMES - used, "%s%s", used ? ", " : "", table[k].name);
	return out;
}

xmc_status
xmc_options_set(xmc_ctx *ctx, xmc_options *options, const char *name, double value)
{
	const xmc_option_info *info = xmc_option_find(name);
	char		shown[XMC_PRINTABLE];

	if (!info)
		return xmc_fail(ctx, XMC_BAD_INPUT, "unrecognized option \"%s\"", xmc_printable(name, strlen(name), shown));
	XMC_TRY(check_value(ctx, info, value));
	store(options, info, value);
	return XMC_OK;
}

xmc_status
xmc_options_check(xmc_ctx *ctx, const xmc_options *options)
{
	for (int32_t k = 0; k < N_OPTIONS; k++)
		XMC_TRY(check_value(ctx, &table[k], xmc_options_get(options, &table[k])));
	if (options->d_model % options->heads != 0)
		return xmc_fail(ctx, XMC_BAD_INPUT,
						"option \"d_model\" is %d, but must be a multiple of option \"heads\", which is %d",
						(int) options->d_model, (int) options->heads);
	if (options->shared_space && (options->text_dim == 0 || options->text_dim != options->image_dim))
		return xmc_fail(ctx, XMC_BAD_INPUT,
						"option \"shared_space\" needs text_dim and image_dim equal and not 0, but they are %d and %d",
						(int) options->text_dim, (int) options->image_dim);
	if (options->image_dim == 0 && options->text_dim == 0 && options->words == 0)
		return xmc_fail(ctx, XMC_BAD_INPUT,
						"a model needs at least one input: image_dim above 0, text_dim above 0, or words");
	return XMC_OK;
}
