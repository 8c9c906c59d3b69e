/*
 * fuzz_text.c - arbitrary bytes as a text: invalid UTF-8 is refused, anything else gives features, the same ones every time.
 * The Makefile makes the tokeniser's buffers small, so that texts are longer than they are.
 */
#include "fuzz.h"
#include "xmcoh/json.h"
#include "xmcoh/text.h"

typedef struct visited
{
	long		n;
	uint64_t	sum;			/* of all that was visited, in its order */
	uint32_t	least;
	uint32_t	most;
} visited;

static void
visit(void *arg, xmc_feature_kind kind, const char *term, size_t length, uint64_t hash)
{
	visited    *v = arg;
	uint32_t	feature = ((uint32_t) (hash >> 32) & ~XMC_FEATURE_KIND_MASK) | (uint32_t) kind;

	MUST(kind >= XMC_FEATURE_WORD && kind <= XMC_FEATURE_LENGTH);
	MUST(length > 0 && xmc_utf8_valid(term, length));
	v->sum = xmc_hash_bytes(term, length, v->sum ^ hash);
	v->least = v->n == 0 || feature < v->least ? feature : v->least;
	v->most = v->n == 0 || feature > v->most ? feature : v->most;
	v->n++;
}

static void
check_features(xmc_ctx *ctx, xmc_tokeniser *tokeniser, const char *text, size_t size, const visited *v)
{
	uint32_t   *feature;
	int32_t		n;

	MUST(xmc_text_features(ctx, tokeniser, text, size, &feature, &n) == XMC_OK);
	MUST(n >= 0 && n <= v->n && (n > 0) == (v->n > 0));
	MUST(n == 0 || (feature[0] == v->least && feature[n - 1] == v->most));
	for (int32_t k = 0; k < n; k++)
		MUST(xmc_feature_kind_of(feature[k]) != 0 && (k == 0 || feature[k - 1] < feature[k]));
	xmc_release(ctx, feature);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static xmc_tokeniser *tokeniser;	/* kept, as a session keeps it: no text may change what the next one gives */
	xmc_ctx		ctx = xmc_ctx_malloc();
	char	   *text = fuzz_copy(data, size);
	visited		first = {0};
	visited		second = {0};
	xmc_status	status;

	if (!tokeniser)
		MUST(xmc_tokeniser_new(&ctx, &tokeniser) == XMC_OK);
	status = xmc_text_visit(&ctx, tokeniser, text, size, visit, &first);
	MUST(status == (xmc_utf8_valid(text, size) ? XMC_OK : XMC_BAD_INPUT));
	MUST(status == XMC_OK || (first.n == 0 && ctx.message[0] != '\0'));
	if (status == XMC_OK)
	{
		check_features(&ctx, tokeniser, text, size, &first);
		MUST(xmc_text_visit(&ctx, tokeniser, text, size, visit, &second) == XMC_OK);
		MUST(second.n == first.n && second.sum == first.sum);
	}
	free(text);
	return 0;
}
