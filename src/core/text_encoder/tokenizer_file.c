/* tokenizer_file.c - from tokenizer.json to the tables of a tokenizer; see tokenizer_file.h */
#include "text_encoder/tokenizer_file.h"

#include "base/utf8.h"
#include "text_encoder/normalizer.h"
#include "text_encoder/tokenizer_steps.h"

#include <string.h>

#define WHAT "tokenizer.json"
#define MAX_ID 16777216			/* ids are below this number */

typedef struct reader
{
	xmc_ctx    *ctx;
	xmc_table_builder *builder;
	xmc_json_tree tree;
	int32_t		pieces;			/* in the vocabulary */
	int32_t		vocabulary;		/* largest id so far, plus 1 */
} reader;

static xmc_status
refuse_type(reader *r, const char *what, const xmc_json_node *type, const char *supported)
{
	char		shown[XMC_PRINTABLE];

	if (!type || type->kind != XMC_JSON_STRING)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": %s has no type", what);
	return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": %s of type \"%s\" is not supported, only %s", what,
					xmc_printable(type->string, type->string_length, shown), supported);
}

/* Reads an id and raises r->vocabulary. */
static xmc_status
read_id(reader *r, const xmc_json_node *node, const char *what, int32_t *id)
{
	if (!node || node->kind != XMC_JSON_INTEGER || node->integer >= MAX_ID)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": %s must have an id, a whole number from 0 to %d", what, MAX_ID - 1);
	*id = (int32_t) node->integer;
	if (*id >= r->vocabulary)
		r->vocabulary = *id + 1;
	return XMC_OK;
}

/* The id of a piece; -1: the vocabulary does not have it. */
static int32_t
find_piece(const reader *r, const char *string, size_t length)
{
	xmc_tables	tables = xmc_builder_tables(r->builder);
	xmc_trie	trie = xmc_trie_at(&tables, tables.settings->pieces);
	int32_t		node = length ? xmc_trie_walk(&trie, 0, string, length) : -1;

	return node < 0 ? -1 : trie.value[node];
}

/* ---- the model ---- */

static xmc_status
check_piece(reader *r, const char *string, size_t length)
{
	char		shown[XMC_PRINTABLE];

	if (length > XMC_TOKENIZER_MAX_STRING)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": piece \"%s\" has %zu bytes, more than %d",
						xmc_printable(string, length, shown), length, XMC_TOKENIZER_MAX_STRING);
	return XMC_OK;
}

/* The vocabulary of WordPiece, an object of ids. */
static xmc_status
read_wordpiece_vocabulary(reader *r, const xmc_json_node *vocabulary, xmc_trie_string *string, size_t *n)
{
	int64_t		work = 0;

	for (const xmc_json_node *one = xmc_json_first(&r->tree, vocabulary); one; one = xmc_json_after(&r->tree, one))
	{
		int32_t		id = 0;

		XMC_TRY(check_piece(r, one->key, one->key_length));
		XMC_TRY(read_id(r, one, "a piece of the vocabulary", &id));
		string[(*n)++] = (xmc_trie_string){one->key, one->key_length, id, 0};
		XMC_TRY(xmc_spend(r->ctx, &work, 16));
	}
	return XMC_OK;
}

/* The vocabulary of Unigram, an array of [piece, score]; the id is the place in the array. */
static xmc_status
read_unigram_vocabulary(reader *r, const xmc_json_node *vocabulary, xmc_trie_string *string, size_t *n)
{
	xmc_place	place;
	int64_t		work = 0;

	r->builder->settings.scores = (xmc_place){r->builder->n_index, vocabulary->count};
	for (const xmc_json_node *one = xmc_json_first(&r->tree, vocabulary); one; one = xmc_json_after(&r->tree, one))
	{
		const xmc_json_node *piece = one->kind == XMC_JSON_ARRAY ? xmc_json_first(&r->tree, one) : NULL;
		const xmc_json_node *score = piece ? xmc_json_after(&r->tree, piece) : NULL;
		int32_t		halves[2];

		if (!score || one->count != 2 || piece->kind != XMC_JSON_STRING ||
			(score->kind != XMC_JSON_NUMBER && score->kind != XMC_JSON_INTEGER))
			return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": vocabulary entry %zu is not a piece and its score", *n);
		XMC_TRY(check_piece(r, piece->string, piece->string_length));
		memcpy(halves, &score->number, sizeof halves);
		XMC_TRY(xmc_builder_index(r->builder, halves, 2, &place));
		string[*n] = (xmc_trie_string){piece->string, piece->string_length, (int32_t) *n, 0};
		(*n)++;
		XMC_TRY(xmc_spend(r->ctx, &work, 16));
	}
	r->vocabulary = vocabulary->count;
	return XMC_OK;
}

static xmc_status
read_vocabulary(reader *r, const xmc_json_node *vocabulary)
{
	xmc_trie_string *string;
	size_t		n = 0;
	xmc_status	status;

	if (!vocabulary || vocabulary->count == 0)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": the model has no vocabulary");
	if (vocabulary->count > XMC_TOKENIZER_MAX_PIECES)
		return xmc_fail(r->ctx, XMC_LIMIT, WHAT ": the vocabulary has %d pieces, more than %d", (int) vocabulary->count,
						XMC_TOKENIZER_MAX_PIECES);
	string = xmc_alloc(r->ctx, (size_t) vocabulary->count, sizeof *string);
	XMC_NEED(string, r->ctx);
	r->pieces = vocabulary->count;
	status = vocabulary->kind == XMC_JSON_OBJECT ? read_wordpiece_vocabulary(r, vocabulary, string, &n) :
		read_unigram_vocabulary(r, vocabulary, string, &n);
	if (status == XMC_OK)
		status = xmc_builder_trie(r->builder, string, n, &r->builder->settings.pieces);
	xmc_release(r->ctx, string);
	return status;
}

static xmc_status
read_wordpiece(reader *r, const xmc_json_node *model)
{
	const xmc_json_node *vocabulary = xmc_json_member(&r->tree, model, "vocab");
	const xmc_json_node *unknown = xmc_json_member(&r->tree, model, "unk_token");
	const xmc_json_node *prefix = xmc_json_member(&r->tree, model, "continuing_subword_prefix");
	const xmc_json_node *most = xmc_json_member(&r->tree, model, "max_input_chars_per_word");
	xmc_tokenizer_settings *settings = &r->builder->settings;

	settings->model = XMC_WORDPIECE;
	if (!vocabulary || vocabulary->kind != XMC_JSON_OBJECT)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": the vocabulary of a WordPiece model must be an object");
	if (!unknown || unknown->kind != XMC_JSON_STRING)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": the WordPiece model has no unk_token");
	if (!prefix || prefix->kind != XMC_JSON_STRING || prefix->string_length > XMC_TOKENIZER_MAX_STRING)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": the WordPiece model needs a continuing_subword_prefix of at most %d bytes",
						XMC_TOKENIZER_MAX_STRING);
	if (!most || most->kind != XMC_JSON_INTEGER)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": the WordPiece model needs max_input_chars_per_word, a whole number");
	settings->max_characters = most->integer > INT32_MAX ? INT32_MAX : (int32_t) most->integer;
	XMC_TRY(xmc_builder_bytes(r->builder, prefix->string, prefix->string_length, &settings->prefix));
	XMC_TRY(read_vocabulary(r, vocabulary));
	settings->unknown = find_piece(r, unknown->string, unknown->string_length);
	if (settings->unknown < 0)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": the vocabulary does not have the unk_token");
	return XMC_OK;
}

/* The ids of the pieces <0x00> to <0xFF>. */
static xmc_status
add_fallback(reader *r)
{
	static const char digits[] = "0123456789ABCDEF";
	int32_t		id[256];

	for (int byte = 0; byte < 256; byte++)
	{
		char		piece[] = "<0x00>";

		piece[3] = digits[byte >> 4];
		piece[4] = digits[byte & 15];
		id[byte] = find_piece(r, piece, strlen(piece));
	}
	return xmc_builder_index(r->builder, id, 256, &r->builder->settings.fallback);
}

static xmc_status
read_unigram(reader *r, const xmc_json_node *model)
{
	const xmc_json_node *vocabulary = xmc_json_member(&r->tree, model, "vocab");
	const xmc_json_node *unknown = xmc_json_member(&r->tree, model, "unk_id");
	bool		fallback;

	r->builder->settings.model = XMC_UNIGRAM;
	if (!vocabulary || vocabulary->kind != XMC_JSON_ARRAY)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": the vocabulary of a Unigram model must be an array");
	XMC_TRY(xmc_tokenizer_read_flag(r->ctx, &r->tree, model, "byte_fallback", false, &fallback));
	XMC_TRY(read_vocabulary(r, vocabulary));
	if (!unknown || unknown->kind != XMC_JSON_INTEGER || unknown->integer >= vocabulary->count)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": the Unigram model needs an unk_id that is in its vocabulary");
	r->builder->settings.unknown = (int32_t) unknown->integer;
	return fallback ? add_fallback(r) : XMC_OK;
}

static xmc_status
read_model(reader *r, const xmc_json_node *model)
{
	const xmc_json_node *type = xmc_json_member(&r->tree, model, "type");
	const xmc_json_node *dropout = xmc_json_member(&r->tree, model, "dropout");

	if (!model || model->kind != XMC_JSON_OBJECT)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": there is no model");
	if (dropout && dropout->kind != XMC_JSON_NULL)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": dropout is not supported");
	if (xmc_json_is(type, "WordPiece"))
		return read_wordpiece(r, model);
	if (xmc_json_is(type, "Unigram"))
		return read_unigram(r, model);
	return refuse_type(r, "model", type, "WordPiece, Unigram");
}

/* ---- added tokens ---- */

/* One added token, whose id must be the one that the reference implementation gives it. */
static xmc_status
read_added(reader *r, const xmc_json_node *one, int32_t *next_id, xmc_added_token *token, bool *normalized)
{
	const xmc_json_node *content = xmc_json_member(&r->tree, one, "content");
	char		shown[XMC_PRINTABLE];
	bool		single_word;
	bool		lstrip;
	bool		rstrip;
	int32_t		expected;

	if (!content || content->kind != XMC_JSON_STRING || content->string_length == 0 ||
		content->string_length > XMC_TOKENIZER_MAX_STRING)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": an added token needs a content of 1 to %d bytes",
						XMC_TOKENIZER_MAX_STRING);
	xmc_printable(content->string, content->string_length, shown);
	XMC_TRY(xmc_tokenizer_read_flag(r->ctx, &r->tree, one, "single_word", false, &single_word));
	XMC_TRY(xmc_tokenizer_read_flag(r->ctx, &r->tree, one, "lstrip", false, &lstrip));
	XMC_TRY(xmc_tokenizer_read_flag(r->ctx, &r->tree, one, "rstrip", false, &rstrip));
	XMC_TRY(xmc_tokenizer_read_flag(r->ctx, &r->tree, one, "normalized", true, normalized));
	*token = (xmc_added_token){0, single_word, lstrip, rstrip};
	XMC_TRY(read_id(r, xmc_json_member(&r->tree, one, "id"), "an added token", &token->id));
	expected = find_piece(r, content->string, content->string_length);
	if (expected < 0)
		expected = (*next_id)++;
	if (token->id != expected)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": added token \"%s\" has id %d, but %d follows from the vocabulary", shown,
						(int) token->id, (int) expected);
	return XMC_OK;
}

/*
 * Makes a trie of the added tokens' contents, which stand in bytes. Two equal contents are refused: the reference implementation
 * refuses them, too.
 */
static xmc_status
add_contents(reader *r, xmc_trie_string *content, const xmc_text_buffer *bytes, size_t n, xmc_trie_place *place)
{
	char		shown[XMC_PRINTABLE];

	for (size_t k = 0; k < n; k++)
		content[k].string = bytes->bytes + content[k].order;
	XMC_TRY(xmc_builder_trie(r->builder, content, n, place));
	for (size_t k = 0; k < n; k++)
	{
		bool		twice = k > 0 && content[k].length == content[k - 1].length &&
			memcmp(content[k].string, content[k - 1].string, content[k].length) == 0;

		if (twice || content[k].length == 0 || content[k].length > XMC_TOKENIZER_MAX_STRING)
			return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": added token \"%s\" %s", xmc_printable(content[k].string,
							content[k].length, shown), twice ? "occurs twice" : "is empty or too long once it is normalized");
	}
	return XMC_OK;
}

/* What the added tokens need while they are read. */
typedef struct added_work
{
	xmc_added_token *token;		/* (n) */
	xmc_trie_string *raw;		/* (n) contents, with their places in `bytes` as order */
	xmc_trie_string *normalized;	/* (n) */
	size_t		n_raw;
	size_t		n_normalized;
	xmc_text_buffer bytes;		/* the contents */
	xmc_text_buffer one;		/* a content while it is normalized */
	xmc_text_buffer spare;
} added_work;

static xmc_status
read_added_list(reader *r, const xmc_json_node *list, added_work *w)
{
	int32_t		next_id = r->pieces;
	int32_t		number = 0;

	for (const xmc_json_node *one = xmc_json_first(&r->tree, list); one; one = xmc_json_after(&r->tree, one), number++)
	{
		const xmc_json_node *content = xmc_json_member(&r->tree, one, "content");
		xmc_tables	tables = xmc_builder_tables(r->builder);
		xmc_trie_string string = {.value = number, .order = (int32_t) w->bytes.used};
		bool		normalized;

		XMC_TRY(read_added(r, one, &next_id, &w->token[number], &normalized));
		w->one.used = w->one.start = 0;
		XMC_TRY(xmc_text_put(&w->one, content->string, content->string_length, false));
		if (normalized)
			XMC_TRY(xmc_normalize(r->ctx, &tables, &w->one, &w->spare));
		string.length = w->one.used;
		XMC_TRY(xmc_text_put(&w->bytes, w->one.bytes, w->one.used, false));
		if (normalized)
			w->normalized[w->n_normalized++] = string;
		else
			w->raw[w->n_raw++] = string;
	}
	XMC_TRY(add_contents(r, w->raw, &w->bytes, w->n_raw, &r->builder->settings.raw_added));
	XMC_TRY(add_contents(r, w->normalized, &w->bytes, w->n_normalized, &r->builder->settings.normalized_added));
	XMC_TRY(xmc_builder_index(r->builder, (const int32_t *) w->token, (size_t) (number * XMC_ADDED_VALUES),
							  &r->builder->settings.added));
	r->builder->settings.added.n = number;
	return XMC_OK;
}

static xmc_status
read_added_tokens(reader *r, const xmc_json_node *list)
{
	added_work	w = {.bytes.ctx = r->ctx, .one.ctx = r->ctx, .spare.ctx = r->ctx};
	size_t		n;
	xmc_status	status;

	if (!list || list->kind == XMC_JSON_NULL)
		return XMC_OK;
	if (list->kind != XMC_JSON_ARRAY)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": added_tokens must be an array");
	if (list->count > XMC_TOKENIZER_MAX_ADDED)
		return xmc_fail(r->ctx, XMC_LIMIT, WHAT ": more than %d added tokens", XMC_TOKENIZER_MAX_ADDED);
	n = (size_t) list->count;
	w.token = xmc_alloc(r->ctx, n, sizeof *w.token);
	w.raw = xmc_alloc(r->ctx, n, sizeof *w.raw);
	w.normalized = xmc_alloc(r->ctx, n, sizeof *w.normalized);
	if (w.token && w.raw && w.normalized)
		status = read_added_list(r, list, &w);
	else
		status = xmc_fail(r->ctx, XMC_NO_MEMORY, "out of memory");
	xmc_release(r->ctx, w.token);
	xmc_release(r->ctx, w.raw);
	xmc_release(r->ctx, w.normalized);
	xmc_text_buffer_free(&w.bytes);
	xmc_text_buffer_free(&w.one);
	xmc_text_buffer_free(&w.spare);
	return status;
}

/* ---- special tokens around a text ---- */

typedef struct special
{
	int32_t		id[XMC_TOKENIZER_MAX_SPECIAL];
	int32_t		n;
} special;

static xmc_status
add_special(reader *r, special *to, const xmc_json_node *id)
{
	if (to->n == XMC_TOKENIZER_MAX_SPECIAL)
		return xmc_fail(r->ctx, XMC_LIMIT, WHAT ": post_processor adds more than %d tokens", XMC_TOKENIZER_MAX_SPECIAL);
	return read_id(r, id, "a special token of post_processor", &to->id[to->n++]);
}

/* BertProcessing and RobertaProcessing: "cls" before the text and "sep" behind, each [token, id]. */
static xmc_status
read_pair_processing(reader *r, const xmc_json_node *node, special *before, special *after)
{
	const xmc_json_node *cls = xmc_json_first(&r->tree, xmc_json_member(&r->tree, node, "cls"));
	const xmc_json_node *sep = xmc_json_first(&r->tree, xmc_json_member(&r->tree, node, "sep"));

	XMC_TRY(add_special(r, before, cls ? xmc_json_after(&r->tree, cls) : NULL));
	return add_special(r, after, sep ? xmc_json_after(&r->tree, sep) : NULL);
}

/* One special token of a template: all ids that the file gives for its name. */
static xmc_status
read_template_token(reader *r, const xmc_json_node *tokens, const xmc_json_node *name, special *to)
{
	const xmc_json_node *ids = NULL;
	char		shown[XMC_PRINTABLE];

	if (name && name->kind == XMC_JSON_STRING && !memchr(name->string, '\0', name->string_length))
		ids = xmc_json_member(&r->tree, xmc_json_member(&r->tree, tokens, name->string), "ids");
	if (!ids || ids->kind != XMC_JSON_ARRAY)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": the template names a special token \"%s\" without ids",
						name && name->kind == XMC_JSON_STRING ? xmc_printable(name->string, name->string_length, shown) : "");
	for (const xmc_json_node *id = xmc_json_first(&r->tree, ids); id; id = xmc_json_after(&r->tree, id))
		XMC_TRY(add_special(r, to, id));
	return XMC_OK;
}

static xmc_status
read_template(reader *r, const xmc_json_node *node, special *before, special *after)
{
	const xmc_json_node *tokens = xmc_json_member(&r->tree, node, "special_tokens");
	const xmc_json_node *single = xmc_json_member(&r->tree, node, "single");
	bool		seen = false;

	for (const xmc_json_node *one = xmc_json_first(&r->tree, single); one; one = xmc_json_after(&r->tree, one))
	{
		const xmc_json_node *sequence = xmc_json_member(&r->tree, one, "Sequence");
		const xmc_json_node *token = xmc_json_member(&r->tree, one, "SpecialToken");

		if (sequence && !seen && xmc_json_is(xmc_json_member(&r->tree, sequence, "id"), "A"))
			seen = true;
		else if (token)
			XMC_TRY(read_template_token(r, tokens, xmc_json_member(&r->tree, token, "id"), seen ? after : before));
		else
			return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": the template must consist of special tokens and sequence A once");
	}
	if (!seen)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": the template must hold sequence A");
	return XMC_OK;
}

static xmc_status
read_post_processor(reader *r, const xmc_json_node *node)
{
	const xmc_json_node *type = xmc_json_member(&r->tree, node, "type");
	special		before = {.n = 0};
	special		after = {.n = 0};

	if (node && node->kind != XMC_JSON_NULL)
	{
		if (xmc_json_is(type, "TemplateProcessing"))
			XMC_TRY(read_template(r, node, &before, &after));
		else if (xmc_json_is(type, "BertProcessing") || xmc_json_is(type, "RobertaProcessing"))
			XMC_TRY(read_pair_processing(r, node, &before, &after));
		else
			return refuse_type(r, "post_processor", type, "BertProcessing, RobertaProcessing, TemplateProcessing");
	}
	XMC_TRY(xmc_builder_index(r->builder, before.id, (size_t) before.n, &r->builder->settings.before));
	return xmc_builder_index(r->builder, after.id, (size_t) after.n, &r->builder->settings.after);
}

/* ---- the file ---- */

/* The vocabulary and the normalizer come first, because added tokens need both. */
static xmc_status
read_file(reader *r)
{
	const xmc_json_node *root = &r->tree.node[0];
	const xmc_json_node *version = xmc_json_member(&r->tree, root, "version");

	if (root->kind != XMC_JSON_OBJECT)
		return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": expected an object");
	if (version && !xmc_json_is(version, "1.0"))
		return xmc_fail(r->ctx, XMC_BAD_INPUT, WHAT ": only version \"1.0\" is supported");
	r->builder->settings.version = XMC_TOKENIZER_VERSION;
	XMC_TRY(read_model(r, xmc_json_member(&r->tree, root, "model")));
	XMC_TRY(xmc_tokenizer_read_normalizer(r->builder, &r->tree, xmc_json_member(&r->tree, root, "normalizer")));
	XMC_TRY(xmc_tokenizer_read_pre_tokenizer(r->builder, &r->tree, xmc_json_member(&r->tree, root, "pre_tokenizer")));
	XMC_TRY(read_added_tokens(r, xmc_json_member(&r->tree, root, "added_tokens")));
	return read_post_processor(r, xmc_json_member(&r->tree, root, "post_processor"));
}

/* Copies the tables into one allocation. */
static xmc_status
copy_tables(reader *r, xmc_tokenizer_tables *out)
{
	const xmc_table_builder *builder = r->builder;
	size_t		settings = sizeof builder->settings;
	size_t		index = (size_t) builder->n_index * sizeof(int32_t);
	char	   *memory = xmc_alloc(r->ctx, settings + index + (size_t) builder->n_bytes, 1);

	XMC_NEED(memory, r->ctx);
	memcpy(memory, &builder->settings, settings);
	memcpy(memory + settings, builder->index, index);
	if (builder->n_bytes)
		memcpy(memory + settings + index, builder->bytes, (size_t) builder->n_bytes);
	memcpy(out->table, xmc_tokenizer_layout, sizeof out->table);
	out->table[XMC_TOKENIZER_SETTINGS].n = XMC_SETTINGS_VALUES;
	out->table[XMC_TOKENIZER_SETTINGS].data = memory;
	out->table[XMC_TOKENIZER_INDEX].n = builder->n_index;
	out->table[XMC_TOKENIZER_INDEX].data = memory + settings;
	out->table[XMC_TOKENIZER_BYTES].n = builder->n_bytes;
	out->table[XMC_TOKENIZER_BYTES].data = memory + settings + index;
	out->vocabulary = r->vocabulary;
	out->memory = memory;
	return XMC_OK;
}

xmc_status
xmc_tokenizer_compile(xmc_ctx *ctx, const void *json, size_t size, xmc_tokenizer_tables *out)
{
	xmc_table_builder builder = {.ctx = ctx};
	reader		r = {.ctx = ctx, .builder = &builder};
	xmc_status	status;

	*out = (xmc_tokenizer_tables){0};
	XMC_TRY(xmc_json_tree_read(ctx, WHAT, XMC_BAD_INPUT, json, size, &r.tree));
	status = read_file(&r);
	if (status == XMC_OK)
		status = copy_tables(&r, out);
	xmc_json_tree_free(ctx, &r.tree);
	xmc_builder_free(&builder);
	return status;
}

void
xmc_tokenizer_tables_free(xmc_ctx *ctx, xmc_tokenizer_tables *tables)
{
	xmc_release(ctx, tables->memory);
	*tables = (xmc_tokenizer_tables){0};
}
