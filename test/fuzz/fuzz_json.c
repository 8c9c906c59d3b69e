/*
 * fuzz_json.c - arbitrary bytes as JSON, as a header and as a file: every token is where the parser says, and the parsed
 * value, written and parsed again, is the same. What is good as a header is good as a file. The tree has as many values
 * as the parser finds.
 */
#include "fuzz.h"
#include "base/utf8.h"
#include "model/json.h"
#include "model/json_tree.h"

#include <math.h>

typedef struct output
{
	char	   *text;			/* (room) */
	size_t		used;
} output;

static void
put(output *out, const char *piece)
{
	memcpy(out->text + out->used, piece, strlen(piece));
	out->used += strlen(piece);
}

/* One token, with the separator that must be before it; *last: the token before. */
static void
write_token(output *out, const xmc_json *json, xmc_json_kind *last)
{
	char		digits[32];
	bool		is_end = json->kind == XMC_JSON_OBJECT_END || json->kind == XMC_JSON_ARRAY_END ||
		json->kind == XMC_JSON_END;

	if (!is_end && out->used && *last != XMC_JSON_OBJECT && *last != XMC_JSON_ARRAY && *last != XMC_JSON_KEY)
		put(out, ",");
	switch (json->kind)
	{
		case XMC_JSON_END:
			break;
		case XMC_JSON_OBJECT:
			put(out, "{");
			break;
		case XMC_JSON_OBJECT_END:
			put(out, "}");
			break;
		case XMC_JSON_ARRAY:
			put(out, "[");
			break;
		case XMC_JSON_ARRAY_END:
			put(out, "]");
			break;
		case XMC_JSON_KEY:
		case XMC_JSON_STRING:
			out->used += xmc_json_quote(json->string, json->string_length, out->text + out->used);
			if (json->kind == XMC_JSON_KEY)
				put(out, ":");
			break;
		case XMC_JSON_INTEGER:
			MUST(json->integer >= 0 && json->integer <= INT64_C(1) << 53);
			snprintf(digits, sizeof digits, "%lld", (long long) json->integer);
			put(out, digits);
			break;
		case XMC_JSON_NUMBER:
			MUST(isfinite(json->number));
			put(out, json->number < 0 ? "-0.5" : "0.5");	/* stands for any such number */
			break;
		case XMC_JSON_TRUE:
			put(out, "true");
			break;
		case XMC_JSON_FALSE:
			put(out, "false");
			break;
		case XMC_JSON_NULL:
			put(out, "null");
	}
	*last = json->kind;
}

/* Parses all of the text and writes it, in its shortest form, to `out`. */
static xmc_status
reread(xmc_ctx *ctx, const void *text, size_t size, bool is_file, output *out, int *values)
{
	char	   *pool = malloc(size ? size : 1);
	xmc_json	json;
	xmc_json_kind last = XMC_JSON_END;
	xmc_status	status;

	MUST(pool != NULL);
	*values = 0;
	(is_file ? xmc_json_open_file : xmc_json_open) (&json, ctx, "a text", XMC_BAD_INPUT, text, size, pool);
	while ((status = xmc_json_next(&json)) == XMC_OK)
	{
		MUST(json.token_at <= size);
		if (json.kind == XMC_JSON_KEY || json.kind == XMC_JSON_STRING)
		{
			char		shown[XMC_PRINTABLE];

			MUST(json.string >= pool && json.string + json.string_length < pool + size);
			MUST(json.string[json.string_length] == '\0');
			MUST(xmc_utf8_valid(json.string, json.string_length));
			MUST(strlen(xmc_printable(json.string, json.string_length, shown)) < XMC_PRINTABLE);
		}
		*values += json.kind == XMC_JSON_OBJECT || json.kind == XMC_JSON_ARRAY || json.kind >= XMC_JSON_STRING;
		MUST(is_file || json.kind <= XMC_JSON_INTEGER);
		write_token(out, &json, &last);
		if (json.kind == XMC_JSON_END)
			break;
	}
	xmc_json_close(&json);
	free(pool);
	return status;
}

/* Reads the text, and what it was written as again. */
static xmc_status
read_twice(const void *text, size_t size, bool is_file, int *values)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	output		first = {.text = malloc(6 * size + 32)};	/* a control character takes six bytes */
	output		second = {.text = malloc(6 * size + 32)};
	xmc_status	status;

	MUST(first.text && second.text);
	status = reread(&ctx, text, size, is_file, &first, values);
	MUST(status == XMC_OK || (status == XMC_BAD_INPUT && ctx.message[0] != '\0'));
	if (status == XMC_OK)
	{
		void	   *again = fuzz_copy(first.text, first.used);

		MUST(reread(&ctx, again, first.used, is_file, &second, values) == XMC_OK);
		MUST(second.used == first.used && memcmp(second.text, first.text, first.used) == 0);
		free(again);
	}
	free(first.text);
	free(second.text);
	return status;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	xmc_ctx		ctx = xmc_ctx_malloc();
	void	   *text = fuzz_copy(data, size);
	xmc_json_tree tree;
	int			values;
	xmc_status	header = read_twice(text, size, false, &values);
	xmc_status	file = read_twice(text, size, true, &values);

	MUST(header != XMC_OK || file == XMC_OK);
	MUST(xmc_json_tree_read(&ctx, "a text", XMC_BAD_INPUT, text, size, &tree) == file);
	MUST(file != XMC_OK || tree.n_nodes == values);
	if (file == XMC_OK)
		xmc_json_tree_free(&ctx, &tree);
	free(text);
	return 0;
}
