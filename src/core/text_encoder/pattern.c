/* pattern.c - the patterns that a tokenizer replaces or splits at; see pattern.h */
#include "text_encoder/pattern.h"

#include "text_encoder/character.h"
#include "text_encoder/text_buffer.h"

#include <string.h>

/* ---- matching ---- */

/* Whether the character at *at matches; then *at is moved behind it. */
static bool
matches_one(const xmc_tokenizer_step *step, const char *wanted, const char *text, size_t *at, size_t end)
{
	size_t		next = *at;
	size_t		length = (size_t) step->text.n;
	UChar32		c;
	bool		match;

	if (step->a == XMC_PATTERN_TEXT || step->a == XMC_PATTERN_CHARACTER)
	{
		if (length == 0 || end - *at < length || memcmp(text + *at, wanted, length) != 0)
			return false;
		*at += length;
		return true;
	}
	c = xmc_text_next(text, &next, end);
	match = step->a == XMC_PATTERN_SPACE || step->a == XMC_PATTERN_ONE_SPACE ? xmc_character_is_space(c) : c != '\n';
	if (match)
		*at = next;
	return match;
}

bool
xmc_pattern_find(const xmc_tables *tables, const xmc_tokenizer_step *step, const char *text, size_t at, size_t end,
				 size_t *begin, size_t *finish)
{
	const char *wanted = xmc_string(tables, step->text);
	bool		once = step->a == XMC_PATTERN_TEXT || step->a == XMC_PATTERN_ONE_SPACE || step->a == XMC_PATTERN_ONE_ANY;

	while (at < end)
	{
		int32_t		times = 0;

		*begin = at;
		while (at < end && matches_one(step, wanted, text, &at, end))
		{
			if (times < INT32_MAX)
				times++;
			if (once)
				break;
		}
		*finish = at;
		if (times > 0 && (once || times >= step->b))
			return true;
		if (times == 0)
			xmc_text_next(text, &at, end);	/* a run that is too short is passed over as a whole */
	}
	return false;
}

/* ---- reading ---- */

/* Reads one character of an expression, escaped or not. Returns its pattern kind, or -1; a literal goes to `literal`. */
static int
read_atom(const char *regex, size_t length, size_t *at, char *literal, size_t *literal_length)
{
	static const char special[] = "\\.[](){}*+?^$|";
	size_t		begin = *at;
	unsigned char c = (unsigned char) regex[*at];

	*literal_length = 1;
	if (c == '\\')
	{
		if (length - *at < 2)
			return -1;
		c = (unsigned char) regex[*at + 1];
		*at += 2;
		if (c == 's')
			return XMC_PATTERN_SPACE;
		literal[0] = (char) (c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c);
		return c == 'n' || c == 't' || c == 'r' || (c < 0x80 && xmc_character_is_punctuation(c)) ? XMC_PATTERN_CHARACTER : -1;
	}
	if (c == '.')
	{
		(*at)++;
		return XMC_PATTERN_ANY;
	}
	if (c == 0 || strchr(special, c))
		return -1;
	xmc_text_next(regex, at, length);
	*literal_length = *at - begin;
	memcpy(literal, regex + begin, *literal_length);
	return XMC_PATTERN_CHARACTER;
}

/* Reads "+" or "{n,}". Returns the least number of times; 0: there is neither. */
static int32_t
read_times(const char *regex, size_t length, size_t *at)
{
	size_t		k = *at;
	int32_t		times = 0;

	if (k < length && regex[k] == '+')
	{
		*at = k + 1;
		return 1;
	}
	if (k == length || regex[k++] != '{')
		return 0;
	for (; k < length && regex[k] >= '0' && regex[k] <= '9' && times < 10000; k++)
		times = times * 10 + (regex[k] - '0');
	if (times == 0 || length - k < 2 || regex[k] != ',' || regex[k + 1] != '}')
		return 0;
	*at = k + 2;
	return times;
}

bool
xmc_pattern_read(const char *regex, size_t regex_length, xmc_tokenizer_step *step, char *literal, size_t *length)
{
	size_t		at = 0;
	size_t		atom_length = 0;
	int			kind;

	*length = 0;
	if (regex_length == 0 || regex_length > XMC_TOKENIZER_MAX_STRING)
		return false;
	kind = read_atom(regex, regex_length, &at, literal, &atom_length);
	if (kind < 0)
		return false;
	*length = kind == XMC_PATTERN_CHARACTER ? atom_length : 0;
	step->a = kind;
	step->b = read_times(regex, regex_length, &at);
	if (at == regex_length)
	{
		/* One character, repeated or not. */
		if (step->b == 0)
			step->a = kind == XMC_PATTERN_CHARACTER ? XMC_PATTERN_TEXT :
				kind == XMC_PATTERN_SPACE ? XMC_PATTERN_ONE_SPACE : XMC_PATTERN_ONE_ANY;
		return true;
	}
	/* A text: one character after the other. */
	step->a = XMC_PATTERN_TEXT;
	if (step->b != 0)
		return false;
	while (kind == XMC_PATTERN_CHARACTER && at < regex_length)
	{
		kind = read_atom(regex, regex_length, &at, literal + *length, &atom_length);
		*length += atom_length;
	}
	return kind == XMC_PATTERN_CHARACTER;
}
