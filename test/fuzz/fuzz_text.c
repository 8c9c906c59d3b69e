/*
 * fuzz_text.c - arbitrary bytes as a text: invalid UTF-8 is refused, all other text gives features, the same ones every time.
 *
 * src/core/text.c is compiled a second time, with buffers that short texts fill. Where no word is long and no mark combines, the small
 * buffers must give the same result as the large ones.
 */
#define CHUNK_UNITS 16
#define SLACK_UNITS 8
#define WINDOW_UNITS 256
#define MARGIN_UNITS 32
#define xmc_tokeniser small_tokeniser
#define xmc_tokeniser_new small_tokeniser_new
#define xmc_tokeniser_free small_tokeniser_free
#define xmc_text_visit small_text_visit
#define xmc_text_features small_text_features
#define xmc_text_words small_text_words
#define xmc_feature_of small_feature_of
#include "../../src/core/document/text.c"
#undef xmc_tokeniser
#undef xmc_tokeniser_new
#undef xmc_text_visit
#undef xmc_text_features
#undef xmc_text_words
#undef xmc_feature_of

#include "fuzz.h"
#include "base/utf8.h"

/* The functions that the library has under these names. */
struct xmc_tokeniser;
extern xmc_status xmc_tokeniser_new(xmc_ctx *ctx, struct xmc_tokeniser **out);
extern xmc_status xmc_text_visit(xmc_ctx *ctx, struct xmc_tokeniser *tokeniser, const char *text, size_t length,
								 xmc_feature_visitor visit, void *arg);

#define LONG_WORD 64			/* bytes; a word that does not fit into a window is cut */

typedef struct visited
{
	long		n;
	long		words;			/* of these features */
	uint64_t	sum;			/* of all visited features, in order */
	uint32_t	least;
	uint32_t	most;
	size_t		longest;		/* length of the longest word */
} visited;

static void
count_feature(void *arg, xmc_feature_kind kind, const char *term, size_t length, uint64_t hash)
{
	visited    *v = arg;
	uint32_t	feature = ((uint32_t) (hash >> 32) & ~XMC_FEATURE_KIND_MASK) | (uint32_t) kind;

	MUST(kind >= XMC_FEATURE_WORD && kind <= XMC_FEATURE_STEM);
	MUST(length > 0 && xmc_utf8_valid(term, length));
	v->sum = xmc_hash_bytes(term, length, v->sum ^ hash);
	v->least = v->n == 0 || feature < v->least ? feature : v->least;
	v->most = v->n == 0 || feature > v->most ? feature : v->most;
	v->longest = kind == XMC_FEATURE_WORD && length > v->longest ? length : v->longest;
	v->words += kind == XMC_FEATURE_WORD;
	v->n++;
}

static void
check_features(xmc_ctx *ctx, small_tokeniser *tokeniser, const char *text, size_t size, const visited *v)
{
	uint32_t   *feature;
	uint32_t   *word;
	int32_t		n;
	int32_t		n_words;

	MUST(small_text_features(ctx, tokeniser, text, size, &feature, &n, &word, &n_words) == XMC_OK);
	MUST(n_words == v->words);
	for (int32_t k = 0; k < n_words; k++)
		MUST(word[k] != 0);
	xmc_release(ctx, word);
	MUST(n >= 0 && n <= v->n && (n > 0) == (v->n > 0));
	MUST(n == 0 || (feature[0] == v->least && feature[n - 1] == v->most));
	for (int32_t k = 0; k < n; k++)
		MUST(xmc_feature_kind_of(feature[k]) != 0 && (k == 0 || feature[k - 1] < feature[k]));
	xmc_release(ctx, feature);
}

/* Words where they stand follow each other and hold whole characters. */
typedef struct standing
{
	const char *text;
	size_t		size;
	size_t		end;			/* of the last one */
	uint64_t	sum;
} standing;

static void
check_word(void *arg, size_t begin, size_t end, const char *term, size_t length)
{
	standing   *s = arg;

	MUST(s->end <= begin && begin < end && end <= s->size);
	MUST(length > 0 && xmc_utf8_valid(term, length) && xmc_utf8_valid(s->text + begin, end - begin));
	s->end = end;
	s->sum = xmc_hash_bytes(term, length, s->sum + end);
}

/* Latin letters, digits, punctuation: below U+0300. */
static bool
is_plain(const char *text, size_t size)
{
	for (size_t k = 0; k < size; k++)
		if ((unsigned char) text[k] >= 0xcc)
			return false;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static small_tokeniser *small;	/* kept, as a session keeps it: a text must not change the result of the next one */
	static struct xmc_tokeniser *large;
	xmc_ctx		ctx = xmc_ctx_malloc();
	char	   *text = fuzz_copy(data, size);
	visited		first = {0};
	visited		again = {0};
	visited		by_large = {0};
	standing	words[2] = {{text, size, 0, 0}, {text, size, 0, 0}};
	xmc_status	status;

	if (!small)
		MUST(small_tokeniser_new(&ctx, &small) == XMC_OK && xmc_tokeniser_new(&ctx, &large) == XMC_OK);
	status = small_text_visit(&ctx, small, text, size, count_feature, &first);
	MUST(status == (xmc_utf8_valid(text, size) ? XMC_OK : XMC_BAD_INPUT));
	MUST(status == XMC_OK || (first.n == 0 && ctx.message[0] != '\0'));
	for (int k = 0; k < 2; k++)
		MUST(small_text_words(&ctx, small, text, size, check_word, &words[k]) == status);
	MUST(words[0].sum == words[1].sum);
	if (status == XMC_OK)
	{
		check_features(&ctx, small, text, size, &first);
		MUST(small_text_visit(&ctx, small, text, size, count_feature, &again) == XMC_OK);
		MUST(again.n == first.n && again.sum == first.sum);
		MUST(xmc_text_visit(&ctx, large, text, size, count_feature, &by_large) == XMC_OK);
		if (is_plain(text, size) && by_large.longest < LONG_WORD)
			MUST(by_large.n == first.n && by_large.sum == first.sum);
	}
	free(text);
	return 0;
}
